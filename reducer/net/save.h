/*
 * save.h - a net that is being reduced, into a file, while its workers pause; see saved_layout.h.
 */
#ifndef REDUCER_NET_SAVE_H
#define REDUCER_NET_SAVE_H

#include "reducer/net/arena.h"
#include "reducer/net/saved_layout.h"

/*
 * save_open() - an empty file @part to write to, that nobody else writes until our last descriptor of it is closed: two who
 * keep the same checkpoint (a reduction whose first process was killed goes on, and so may what resumed it) take turns.
 *
 * Return: its descriptor, -EBUSY (somebody else writes it just now), or what open() says.
 */
int save_open(const char *part) plx_must_check;

/* save_size() - bytes of what follows the head. All workers pause. */
uint64_t save_size(const struct arena *arena);

/*
 * save_arena() - that, into @memory, or when it is NULL to @fd, behind the head. All workers pause.
 * Return: 0 or -errno.
 */
int save_arena(const struct arena *arena, void *memory, int fd) plx_must_check;

/*
 * save_finish() - what is in @memory, if it is not NULL, and the head with its checksum, to the disk; then @from is the
 * new @to. Reads the file. Return: 0 or -errno.
 */
int save_finish(int fd, const void *memory, struct saved_head *head, const char *from,
		const char *to) plx_must_check;

/* save_hash() - of @size bytes that begin with a head. */
void save_hash(const void *file, uint64_t size, uint8_t hash[SAVED_HASH]);

#endif

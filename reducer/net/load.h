/*
 * load.h - a saved net, into an arena of other workers: as if all of these had just been killed.
 */
#ifndef REDUCER_NET_LOAD_H
#define REDUCER_NET_LOAD_H

#include "reducer/net/arena.h"
#include "reducer/net/book.h"
#include "reducer/net/saved_layout.h"

/* A file, as it lies in memory of our own. */
struct load {
	const char *file;
	uint64_t size;
	struct saved_head head; /* a copy, checked */
	const struct book *book;
};

/*
 * load_open() - read the file at @path and look whether it is whole.
 *
 * Return: 0, or -EPROTO (no checkpoint), -ENOTSUP (of another version), -ERANGE (cut off), -EBADMSG (damaged), each with
 * a reason in *@why; or what open(), mmap() and read() say.
 * Owner: load_close().
 */
int load_open(struct load *load, const char *path, const char **why) plx_must_check;

/*
 * load_arena() - the net, into a fresh arena whose workers have not been started.
 * The book and the code are there already. Return: 0, -ENOMEM, -EBADMSG with *@why (what is in it makes no sense).
 */
int load_arena(const struct load *load, struct arena *arena, const char **why) plx_must_check;

void load_close(struct load *load);

#endif

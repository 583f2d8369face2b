/*
 * save.c - see save.h.
 *
 * Written is what the workers have committed: nothing else counts for whoever goes on. The workers pause only while it is
 * copied; the checksum and the way to the disk come afterwards.
 */
#include "reducer/net/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "reducer/net/mutant.h"

#define OPEN_TRIES 64

/* Is that name still the file's? Who had it locked before us may have renamed it. */
static bool is_called(int fd, const char *name)
{
	struct stat is, called;

	return fstat(fd, &is) == 0 && lstat(name, &called) == 0 && is.st_dev == called.st_dev &&
	       is.st_ino == called.st_ino;
}

int save_open(const char *part)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	for (int i = 0; i < OPEN_TRIES; i++) {
		const int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		int ret = 0;

		if (fd < 0)
			return -errno;
		/* on a filesystem without locks everybody goes on, as there is nothing better */
		if (fcntl(fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES))
			ret = -EBUSY;
		if (ret == 0 && !is_called(fd, part)) {
			close(fd);
			continue;
		}
		if (ret == 0 && ftruncate(fd, 0) < 0)
			ret = -errno;
		if (ret == 0)
			return fd;
		close(fd);
		return ret;
	}
	return -EBUSY;
}

/* To memory or to a file; for that small things are collected before they are written. */
struct out {
	char *memory; /* the next byte; NULL: to the file */
	int fd;
	int error;
	size_t used;
	char buffer[1 << 16];
};

static void write_all(struct out *out, const char *at, uint64_t length)
{
	while (length > 0 && out->error == 0) {
		const size_t some = length < (1u << 30) ? (size_t)length : 1u << 30;
		const ssize_t n = write(out->fd, at, some);

		if (n < 0 && errno != EINTR)
			out->error = -errno;
		if (n > 0) {
			at += n;
			length -= (uint64_t)n;
		}
	}
}

static void flush(struct out *out)
{
	write_all(out, out->buffer, out->used);
	out->used = 0;
}

static void put(struct out *out, const void *at, uint64_t length)
{
	if (out->memory) {
		memcpy(out->memory, at, (size_t)length);
		out->memory += length;
		return;
	}
	if (out->used + length > sizeof(out->buffer))
		flush(out);
	if (length > sizeof(out->buffer)) {
		write_all(out, at, length);
	} else if (length > 0) {
		memcpy(out->buffer + out->used, at, (size_t)length);
		out->used += (size_t)length;
	}
}

static void put_port(struct out *out, port p)
{
	put(out, &p, sizeof(p));
}

/* ---- one partition ----------------------------------------------------------------------------------- */

/* A partition as of its last commit. */
struct view {
	const struct arena *arena;
	uint32_t i;
	uint64_t seq;
	const struct arena_record *record;
	const struct arena_peer *peers;
	const struct arena_notes *notes;
};

static struct view view_of(const struct arena *arena, uint32_t i)
{
	struct view v = { .arena = arena, .i = i };

	/* acquire: as arena_record() */
	v.seq = atomic_load_explicit(&arena->parts[i].seq, memory_order_acquire);
	v.record = &arena->parts[i].record[v.seq & 1];
	v.peers = arena_peers(arena, i, v.seq);
	v.notes = arena_notes(arena, i);
	return v;
}

/* What worker @to has taken of our mail. */
static const struct arena_peer *seen_by(const struct view *v, uint32_t to)
{
	const struct view other = view_of(v->arena, to);

	return &other.peers[v->i];
}

/* Messages that are in the ring. */
static uint64_t on_its_way(const struct view *v, uint32_t to)
{
	return net_mutant(MUT_NET_SAVE_NO_RING) ? 0 : v->peers[to].tail - seen_by(v, to)->head;
}

static uint64_t foreign(const struct view *v)
{
	return net_mutant(MUT_NET_SAVE_NO_FOREIGN) ? 0 : v->record->foreign;
}

static bool is_offered(const struct view *v, uint32_t to)
{
	return seen_by(v, to)->chain_head != v->peers[to].chain_tail;
}

static struct saved_part count(const struct view *v)
{
	const struct arena_record *r = v->record;
	struct saved_part part = {
		.nodes = r->node_fresh - (arena_nodes_off(v->arena, v->i) >> 4),
		.vars = r->var_fresh - (arena_vars_off(v->arena, v->i) >> 3),
		.redexes = r->laters + r->redex_top - r->redex_bottom,
		.messages = r->spilled,
		.free_nodes = (r->node_tail - r->node_head) / sizeof(port) + foreign(v),
		.free_vars = (r->var_tail - r->var_head) / sizeof(port),
		.node_chains = r->node_list != PORT_NONE,
		.var_chains = r->var_list != PORT_NONE,
	};

	for (uint32_t to = 0; to < arena_open_parts(v->arena); to++) {
		part.messages += on_its_way(v, to);
		part.node_chains += (v->peers[to].away != PORT_NONE) + is_offered(v, to);
	}
	return part;
}

static void put_messages(struct out *out, const struct view *v, uint32_t to)
{
	const struct arena_ring *ring = arena_ring(v->arena, v->i, to);
	const struct arena_spilled *spill = (const struct arena_spilled *)(v->arena->base +
									   arena_spill_off(v->arena, v->i));

	for (uint64_t at = v->peers[to].tail - on_its_way(v, to); at != v->peers[to].tail; at++)
		put(out, &ring->slot[at & (v->arena->control->ring - 1)], sizeof(struct pair));
	for (uint64_t number = v->peers[to].spilled; number != 0; number = spill[number - 1].next)
		put(out, &spill[number - 1].message, sizeof(struct pair));
}

static void put_part(struct out *out, const struct view *v)
{
	const struct arena *arena = v->arena;
	const struct arena_record *r = v->record;
	const struct saved_part part = count(v);
	const struct pair *stack = (const struct pair *)(arena->base + arena_redexes_off(arena, v->i));

	put(out, &part, sizeof(part));
	put(out, arena->base + arena_nodes_off(arena, v->i), part.nodes * sizeof(struct pair));
	put(out, arena->base + arena_vars_off(arena, v->i), part.vars * sizeof(port));
	put(out, v->notes->later[r->later_copy], r->laters * sizeof(struct pair));
	put(out, stack + r->redex_bottom, (r->redex_top - r->redex_bottom) * sizeof(struct pair));
	for (uint32_t to = 0; to < arena_open_parts(arena); to++)
		put_messages(out, v, to);
	put(out, (const char *)v->notes + r->node_head, r->node_tail - r->node_head);
	put(out, v->notes->foreign[v->seq & 1], foreign(v) * sizeof(port));
	put(out, (const char *)v->notes + r->var_head, r->var_tail - r->var_head);
	if (r->node_list != PORT_NONE)
		put_port(out, r->node_list);
	for (uint32_t to = 0; to < arena_open_parts(arena); to++) {
		if (v->peers[to].away != PORT_NONE)
			put_port(out, v->peers[to].away);
		/* relaxed: its owner pauses */
		if (is_offered(v, to))
			put_port(out, atomic_load_explicit(&arena_ring(arena, v->i, to)->chain,
							   memory_order_relaxed));
	}
	if (r->var_list != PORT_NONE)
		put_port(out, r->var_list);
}

uint64_t save_size(const struct arena *arena)
{
	uint64_t size = (arena_book(arena)->size + 7) & ~UINT64_C(7);

	for (uint32_t i = 0; i < arena_open_parts(arena); i++) {
		const struct view v = view_of(arena, i);
		const struct saved_part part = count(&v);

		size += sizeof(part) + (part.nodes + part.redexes + part.messages) * sizeof(struct pair) +
			(part.vars + part.free_nodes + part.free_vars + part.node_chains + part.var_chains) *
				sizeof(port);
	}
	return size;
}

int save_arena(const struct arena *arena, void *memory, int fd)
{
	static const char zeros[8];
	const struct book *book = arena_book(arena);
	struct out *out = malloc(sizeof(*out));
	int ret;

	if (!out)
		return -ENOMEM;
	out->memory = memory;
	out->fd = fd;
	out->error = 0;
	out->used = 0;
	put(out, book, book->size);
	put(out, zeros, -book->size & 7);
	for (uint32_t i = 0; i < arena_open_parts(arena); i++) {
		const struct view v = view_of(arena, i);

		put_part(out, &v);
	}
	flush(out);
	ret = out->error;
	free(out);
	return ret;
}

/* ---- the end ----------------------------------------------------------------------------------------- */

void save_hash(const void *file, uint64_t size, uint8_t hash[SAVED_HASH])
{
	const size_t from = offsetof(struct saved_head, hash);
	const uint8_t zeros[SAVED_HASH] = { 0 };
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, SAVED_HASH);
	crypto_generichash_update(&state, file, from);
	crypto_generichash_update(&state, zeros, SAVED_HASH);
	crypto_generichash_update(&state, (const uint8_t *)file + from + SAVED_HASH,
				  size - from - SAVED_HASH);
	crypto_generichash_final(&state, hash, SAVED_HASH);
}

/* The same of a file whose hash is still zeros. Read, not mapped: it may be cut meanwhile. */
static int hash_file(int fd, uint64_t size, uint8_t hash[SAVED_HASH])
{
	uint8_t bytes[16384];
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, SAVED_HASH);
	for (uint64_t at = 0; at < size;) {
		const uint64_t left = size - at;
		const ssize_t n = pread(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		crypto_generichash_update(&state, bytes, (uint64_t)n);
		at += (uint64_t)n;
	}
	crypto_generichash_final(&state, hash, SAVED_HASH);
	return 0;
}

/* That the name leads to the new file must be on the disk, too. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int fd, ret = 0;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0 && errno != EINVAL) /* some filesystems have nothing to sync there */
		ret = -errno;
	close(fd);
	return ret;
}

static int write_memory(int fd, const void *memory, uint64_t size)
{
	struct out *out = calloc(1, sizeof(*out));
	int ret;

	if (!out)
		return -ENOMEM;
	out->fd = fd;
	write_all(out, memory, size);
	ret = out->error;
	free(out);
	return ret;
}

int save_finish(int fd, const void *memory, struct saved_head *head, const char *from, const char *to)
{
	int ret = memory ? write_memory(fd, memory, head->size - sizeof(*head)) : 0;

	if (ret == 0 && sodium_init() < 0)
		ret = -EIO;
	if (ret < 0)
		return ret;
	memset(head->hash, 0, sizeof(head->hash));
	if (pwrite(fd, head, sizeof(*head), 0) != (ssize_t)sizeof(*head))
		return errno ? -errno : -EIO;
	ret = hash_file(fd, head->size, head->hash);
	if (ret < 0)
		return ret;
	if (pwrite(fd, head->hash, SAVED_HASH, offsetof(struct saved_head, hash)) != (ssize_t)SAVED_HASH ||
	    fsync(fd) < 0 || rename(from, to) < 0)
		return -errno;
	return sync_folder(to);
}

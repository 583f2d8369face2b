/* inspect.h - find live segments without help from their owners, and read what is in them; for tools. */
#ifndef PLX_INSPECT_H
#define PLX_INSPECT_H

#include <plx/segment.h>

/* One process that has a segment open. */
struct plx_found_holder {
	int32_t pid;
	int32_t fd;  /* descriptor number in that process */
	bool writes; /* maps it writable */
	char comm[16];
};

/* One live segment; holders[0] is its creator when that lives. */
struct plx_found {
	uint64_t dev, ino; /* identity of the memory, as the kernel has it */
	struct plx_segment_info info;
	uint64_t resident; /* bytes of memory it really has */
	struct plx_found_holder *holders;
	uint32_t holder_count;
	bool creator_alive;
};

struct plx_found_list {
	struct plx_found *items; /* ordered by kind, name, creation */
	size_t count;
	size_t denied; /* processes that could not be looked into (other users', or not dumpable) */
};

/* A topic's data segment, copied out and checked. */
struct plx_topic_view {
	char topic[65];
	uint64_t id;
	uint64_t head;   /* position of the next message */
	uint64_t tail;   /* oldest message still held */
	uint64_t bytes;  /* payload bytes published */
	uint64_t waited; /* times the publisher waited */
	uint32_t depth;  /* entries of the log */
	uint32_t slots;
	uint64_t slot_size;
	uint32_t slots_free;
	uint32_t slots_loaned;
	uint32_t slots_window; /* held because the log still shows them */
	uint32_t history;
	uint32_t subscribers; /* as the publisher counts them */
	uint32_t joined, left, lost, refused;
	int32_t publisher; /* pid */
	uint32_t type;
	int32_t ended;       /* 0 running, 1 regular end, negative errno otherwise */
	uint8_t *slot_state; /* per slot: '.' free, 'L' loaned, 'W' in the window, 'P' held only by pins */
};

/* One subscriber's link, copied out and checked. */
struct plx_link_view {
	uint64_t publisher_id; /* id of the data segment it reads */
	int32_t subscriber;    /* pid */
	uint32_t reading;      /* enum plx_reading */
	uint64_t cursor;       /* next position it will read */
	uint64_t lost;
	uint64_t taken;
	uint32_t pins; /* slots held beyond the cursor */
	bool sleeping;
};

PLX_BEGIN

/**
 * plx_inspect_find() - every live segment that this user may see, from /proc.
 * @pid: only those of one process, or 0
 *
 * Return: 0 or -errno. Owner: plx_inspect_free().
 * Safety: any thread. Reads only; a hostile segment cannot harm the caller.
 */
int plx_inspect_find(struct plx_found_list *list, int32_t pid) plx_must_check;
void plx_inspect_free(struct plx_found_list *list);

/** plx_inspect_open() - map a found segment read-only. Return: 0, -ESRCH (gone meanwhile), -EACCES, and as plx_segment_attach(). */
int plx_inspect_open(struct plx_segment *seg, const struct plx_found *found) plx_must_check;

/** plx_inspect_file() - map a segment from a path: /proc/PID/fd/N or a saved copy. Return: as above, or -ENOENT. */
int plx_inspect_file(struct plx_segment *seg, const char *path) plx_must_check;

/** plx_inspect_topic() - read a topic segment. Return: 0, -EPROTO, -EBADMSG. Owner: plx_inspect_topic_free(). */
int plx_inspect_topic(const struct plx_segment *seg, struct plx_topic_view *view) plx_must_check;
void plx_inspect_topic_free(struct plx_topic_view *view);

/** plx_inspect_link() - read a link segment. Return: 0, -EPROTO, -EBADMSG. */
int plx_inspect_link(const struct plx_segment *seg, struct plx_link_view *view) plx_must_check;

/**
 * plx_inspect_check() - every invariant of a segment, whatever its kind: header, directory, then what the kind knows
 * (topic: log, slots; link: words; any: tables).
 *
 * A publisher works on while we look: invariants that hold only at rest are checked with a bounded number of looks.
 *
 * Return: 0, or -EBADMSG with *@why.
 */
int plx_inspect_check(const struct plx_segment *seg, const char **why) plx_must_check;

PLX_END

#endif

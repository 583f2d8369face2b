/* inspect.h - find live segments without help from their owners, and read what is in them; for tools. */
#ifndef PLX_INSPECT_H
#define PLX_INSPECT_H

#include <plx/segment.h>

/* One process that has a segment open, mapped, or both. */
struct plx_found_holder {
	int32_t pid;
	int32_t fd;      /* descriptor number in that process, the lowest; -1: it only maps the segment */
	bool writes;     /* maps it writable */
	char comm[16];   /* its name, as it chose it */
	uint64_t map[2]; /* from, to: where it maps the segment; 0, 0 when it does not */
};

/*
 * One live segment; holders[0] is its creator when that holds it still, the others follow by pid.
 *
 * A segment that says nonsense is found too: error tells, and info has only what the kernel says (size, name).
 */
struct plx_found {
	uint64_t dev, ino; /* identity of the memory, as the kernel has it */
	struct plx_segment_info info;
	int32_t error; /* 0; -EAGAIN no header yet: being made; -EPROTO, -EBADMSG damaged; -EACCES not to be opened */
	uint64_t bytes;    /* its size, as the kernel has it */
	uint64_t resident; /* bytes of memory it really has */
	struct plx_found_holder *holders;
	uint32_t holder_count;
	bool creator_alive;
};

struct plx_found_list {
	struct plx_found *items; /* ordered by kind, name, creation */
	size_t count;
	size_t processes; /* looked into */
	size_t denied;    /* processes that could not be looked into (other users', or not dumpable) */
};

/* A publisher's socket in the discovery directory. */
struct plx_found_socket {
	char topic[65];
	char name[80]; /* of the file in the topic's directory */
	int32_t pid;   /* as the file's name says; 0 when it says nothing */
	uint64_t id;   /* of the data segment, as the file's name says; 0 when it says nothing */
	bool stale;    /* nobody listens any more */
	bool removed;  /* by plx_inspect_reap() */
	int32_t error; /* 0, or why it could not be looked at or removed */
};

struct plx_found_sockets {
	char *directory;                /* the discovery directory */
	struct plx_found_socket *items; /* ordered by topic, name */
	size_t count;
	size_t folders; /* empty topic directories removed by plx_inspect_reap() */
};

/* What plx_inspect_topic() says of a slot. */
#define PLX_SLOT_FREE    '.' /* may be loaned at once */
#define PLX_SLOT_LOANED  'L' /* its publisher writes into it */
#define PLX_SLOT_WINDOW  'W' /* the log still shows it */
#define PLX_SLOT_PINNED  'P' /* left the log; a subscriber keeps it (plx_inspect_pins() tells) */
#define PLX_SLOT_RETURNS '-' /* left the log; the publisher takes it back when it runs short */

/* A topic's data segment, copied out and checked. */
struct plx_topic_view {
	char topic[65];
	uint64_t id;
	uint64_t head;   /* position of the next message */
	uint64_t tail;   /* oldest message still held */
	uint64_t bytes;  /* payload bytes published */
	uint64_t waited; /* times the publisher waited */
	uint64_t woken;  /* wake-ups it sent */
	uint32_t depth;  /* entries of the log */
	uint32_t slots;
	uint64_t slot_size;
	uint32_t slots_free;
	uint32_t slots_loaned;
	uint32_t slots_window; /* held because the log still shows them */
	uint32_t slots_pinned; /* held by pins only; 0 before plx_inspect_pins() */
	uint32_t history;
	uint32_t quota;       /* slots a subscriber may hold beyond its cursor */
	uint32_t subscribers; /* as the publisher counts them */
	uint32_t subscribers_max;
	uint32_t joined, left, lost, refused;
	int32_t publisher; /* pid */
	uint32_t type;
	int32_t end_reason; /* when ended: 0 regular end, negative errno otherwise */
	bool ended;
	bool waiting;     /* for a subscriber, at this moment */
	bool stamped;     /* messages carry a timestamp */
	char *slot_state; /* per slot: PLX_SLOT_*, terminated */
};

/* One subscriber's link, copied out and checked. */
struct plx_link_view {
	uint64_t publisher_id; /* id of the data segment it reads */
	int32_t subscriber;    /* pid */
	uint32_t reading;      /* enum plx_reading */
	uint64_t start;        /* first position it might read */
	uint64_t cursor;       /* next position it will read */
	uint64_t lost;
	uint64_t taken;
	uint64_t bytes;
	uint32_t pins;  /* slots held beyond the cursor */
	uint32_t quota; /* pins it may set */
	uint32_t slots; /* of its publisher */
	bool sleeping;
	uint8_t *pinned; /* per slot: 1 when pinned */
};

PLX_BEGIN

/**
 * plx_inspect_find() - every live segment that this user may see, from /proc.
 * @list: set on success
 * @pid:  only those of one process, or 0
 *
 * Processes that end and segments that vanish while we look are left out.
 *
 * Return: 0; -ESRCH (no process @pid), -EACCES (@pid may not be looked into), -EMFILE, -ENFILE, -ENOMEM; -ENOENT
 *         (no /proc).
 * Owner:  plx_inspect_free().
 * Safety: any thread. Reads only; a hostile process or segment cannot harm the caller.
 */
int plx_inspect_find(struct plx_found_list *list, int32_t pid) plx_must_check;

/** plx_inspect_free() - may be called twice. */
void plx_inspect_free(struct plx_found_list *list);

/**
 * plx_inspect_open() - a private copy of a found segment: header, directory, tables and other small blocks.
 * @seg: set on success: memory of our own, which nobody changes
 *
 * A copy and not a map: what is looked at cannot change between a check and a use, cannot vanish (SIGBUS), and looking
 * costs a sparse segment no memory. Left out, and read as zeros: blocks above 32 MiB, log and slots of a topic, of
 * which plx_inspect_topic() reads what it needs. A damaged header is copied alone: plx_inspect_check() says why.
 *
 * Return: 0, -ESRCH (gone meanwhile), -EACCES, -EFBIG (more address space than we may use), -EMFILE, -ENOMEM.
 * Owner:  plx_segment_close().
 */
int plx_inspect_open(struct plx_segment *seg, const struct plx_found *found) plx_must_check;

/**
 * plx_inspect_rest() - blocks of 32 to 256 MiB, too, of a channel or a pool.
 * @seg: of plx_inspect_open() or plx_inspect_file()
 *
 * Return: 0, -EPROTO, -EBADMSG (the header is damaged), -errno of reading.
 */
int plx_inspect_rest(struct plx_segment *seg) plx_must_check;

/**
 * plx_inspect_file() - the same from a path: /proc/PID/fd/N, or a file to which a segment was copied.
 *
 * Return: as above, or -ENOENT, -EINVAL (not a regular file, or too short for a header).
 */
int plx_inspect_file(struct plx_segment *seg, const char *path) plx_must_check;

/**
 * plx_inspect_sockets() - the sockets of publishers in the discovery directory, and which of them are dead.
 * @list:      set on success
 * @directory: NULL for the default, as for publishers
 *
 * A socket is asked by a connect of the wrong type, which the kernel refuses in one way when somebody listens and
 * in another when nobody does: publishers do not notice.
 *
 * Return: 0 (an empty list when there is no such directory), -EACCES (not ours), -EMFILE, -ENOMEM.
 * Owner:  plx_inspect_sockets_free().
 */
int plx_inspect_sockets(struct plx_found_sockets *list, const char *directory) plx_must_check;
void plx_inspect_sockets_free(struct plx_found_sockets *list);

/**
 * plx_inspect_reap() - remove the stale sockets of @list, each asked once more, and topic directories left empty.
 *
 * The items say what became of each. Sockets of the living are never touched.
 *
 * Return: how many were removed, or -errno (the directory).
 */
int plx_inspect_reap(struct plx_found_sockets *list) plx_must_check;

/**
 * plx_inspect_topic() - read a topic's data segment.
 *
 * Return: 0, -EPROTO (another kind or version), -EBADMSG (damaged), -ENOMEM. Owner: plx_inspect_topic_free().
 */
int plx_inspect_topic(const struct plx_segment *seg, struct plx_topic_view *view) plx_must_check;
void plx_inspect_topic_free(struct plx_topic_view *view);

/**
 * plx_inspect_has_message() - was the message at @position (from 0) published in this topic's data segment?
 *
 * Asks what readers ask, so it is right also about a publisher that was killed while it published.
 */
bool plx_inspect_has_message(const struct plx_segment *seg, uint64_t position);

/** plx_inspect_link() - read a link segment. Return: as above. Owner: plx_inspect_link_free(). */
int plx_inspect_link(const struct plx_segment *seg, struct plx_link_view *view) plx_must_check;
void plx_inspect_link_free(struct plx_link_view *view);

/** plx_inspect_pins() - enter what a subscriber pins into the slots of the topic it reads. */
void plx_inspect_pins(struct plx_topic_view *view, const struct plx_link_view *link);

/**
 * plx_inspect_check() - every invariant of a segment, whatever its kind: header, directory, then what the kind knows
 * (topic: geometry, log, slots; link: words; any: tables).
 * @seg: a copy by plx_inspect_open(), or a segment of our own
 * @why: set to a reason on failure; static text
 *
 * A publisher works on while we look, and log, slots and links are read anew from where @seg came from. What holds only
 * at rest is looked at again, at most 16 times within 0.1 s; broken is what is broken each time.
 *
 * Return: 0, -EBADMSG with *@why, -ENOMEM.
 */
int plx_inspect_check(const struct plx_segment *seg, const char **why) plx_must_check;

PLX_END

#endif

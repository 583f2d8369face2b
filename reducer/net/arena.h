/*
 * arena.h - the segment in which a net lives: where things are, and memory for what grows.
 */
#ifndef REDUCER_NET_ARENA_H
#define REDUCER_NET_ARENA_H

#include <plx/segment.h>
#include <plx/table.h>

#include "reducer/net/arena_layout.h"

/* A view of the segment; workers inherit it, nobody changes it. */
struct arena {
	struct plx_segment seg;
	char *base; /* of the segment: ports count from here */
	struct arena_control *control;
	struct arena_line *lines;
	struct arena_part *parts;
	struct arena_peer *peers;
	char *mail;
	char *book;
	uint64_t book_room; /* bytes of addresses for book and code */
	struct plx_table workers;
	struct plx_table partitions;
	struct plx_table program; /* one row: the supervisor's */
	uint32_t n;               /* partitions there can be; arena_open_parts() says how many there are */
	uint32_t shift;
	uint64_t cells; /* bytes from base to partition 0 */
};

/* Columns of the tables that tools show. */
enum arena_worker_column {
	ARENA_WORKER_PID,
	ARENA_WORKER_STATE,
	ARENA_WORKER_ITRS,
	ARENA_WORKER_SENT,
	ARENA_WORKER_RECEIVED,
	ARENA_WORKER_GIVEN,
	ARENA_WORKER_PARKED,
	ARENA_WORKER_COLUMNS,
};
enum arena_partition_column {
	ARENA_PARTITION_OWNER,
	ARENA_PARTITION_REDEXES,
	ARENA_PARTITION_NODES,
	ARENA_PARTITION_VARS,
	ARENA_PARTITION_MEMORY,
	ARENA_PARTITION_STATE,
	ARENA_PARTITION_MOVES,
	ARENA_PARTITION_COLUMNS,
};
enum arena_program_column {
	ARENA_PROGRAM_PID, /* of the supervisor */
	ARENA_PROGRAM_STATE,
	ARENA_PROGRAM_TAKEOVERS,   /* supervisors that were killed and replaced */
	ARENA_PROGRAM_DEATHS,      /* the same of workers */
	ARENA_PROGRAM_PAUSES,      /* for checkpoints */
	ARENA_PROGRAM_QUARANTINED, /* redexes that nobody could reduce */
	ARENA_PROGRAM_WORKERS,
	ARENA_PROGRAM_WANTED,
	ARENA_PROGRAM_MOST,
	ARENA_PROGRAM_PARTITIONS,
	ARENA_PROGRAM_COLUMNS,
};

/*
 * arena_open() - reserve addresses, lay out the blocks, commit what is needed from the start.
 * @most: partitions there can be; @open: that are open from the start, each given to the worker of its number
 *
 * Addresses are asked for generously and then less and less until the kernel gives them.
 * Return: 0, -ENOMEM, -ENOSPC, -EMFILE, -ENFILE.
 */
int arena_open(struct arena *arena, const char *name, uint32_t most, uint32_t open, uint32_t ring,
	       uint64_t memory_max) plx_must_check;

/* arena_seal() - its size for ever; and who has not mapped it yet may not write, unless it is @handed to a successor. */
int arena_seal(struct arena *arena, bool handed) plx_must_check;
void arena_close(struct arena *arena);

/*
 * arena_attach() - a view of one that another supervisor has made, which is dead, and all its workers.
 * @fd: of the segment, for writing; taken over on success
 *
 * Return: 0, -EPROTO (none, or of another version), -EBADMSG, -EPERM (it was made for its own supervisor only), -ENOMEM, ...
 */
int arena_attach(struct arena *arena, int fd) plx_must_check;

/*
 * arena_open_part() - memory for the next partition, which is empty and given to worker @to; others may run.
 * Return: 0, -ENOSPC (as many are open as can be), -ENOMEM.
 */
int arena_open_part(struct arena *arena, uint32_t to) plx_must_check;

/* arena_reset() - empty partitions, queues and counters for the next program. Every worker is idle. */
void arena_reset(struct arena *arena);

/* arena_memory() - bytes with memory in all of the arena. */
uint64_t arena_memory(const struct arena *arena);

/*
 * arena_commit() - memory for [@off, @off + @len) of the segment, counted in *@held of one worker or of the supervisor.
 *
 * Each counts for itself: who dies in here is not counted twice. Asking again for what is there changes nothing.
 * Return: 0, -ENOSPC beyond memory_max, or what the kernel said.
 */
int arena_commit(struct arena *arena, _Atomic uint64_t *held, uint64_t off, uint64_t len) plx_must_check;

/*
 * arena_grow() - more memory at the end of an area of @part: at least @need bytes, usually a share of what it has.
 * @off: bytes from base to the area; @end: bytes of it that have memory; @room: bytes of addresses
 * Return: the new end, or -errno.
 */
int64_t arena_grow(struct arena *arena, uint32_t part, uint64_t off, uint64_t end, uint64_t need,
		   uint64_t room) plx_must_check;

/* arena_held() - bytes with memory in a partition that stands so. */
uint64_t arena_held(const struct arena *arena, uint32_t part, const struct arena_record *record);

/* How many partitions there are. Acquire: with their memory; it only grows. */
static inline uint32_t arena_open_parts(const struct arena *arena)
{
	return atomic_load_explicit(&arena->control->open, memory_order_acquire);
}

static inline uint64_t arena_part_off(const struct arena *arena, uint32_t part)
{
	return arena->cells + ((uint64_t)part << arena->shift);
}

/* Areas of a partition: bytes from the segment base, and bytes of addresses. */
static inline uint64_t arena_nodes_off(const struct arena *arena, uint32_t part)
{
	return arena_part_off(arena, part);
}

static inline uint64_t arena_nodes_room(const struct arena *arena)
{
	return 1ull << (arena->shift - 1);
}

static inline uint64_t arena_vars_off(const struct arena *arena, uint32_t part)
{
	return arena_part_off(arena, part) + (1ull << (arena->shift - 1));
}

static inline uint64_t arena_vars_room(const struct arena *arena)
{
	return 1ull << (arena->shift - 2);
}

static inline uint64_t arena_redexes_off(const struct arena *arena, uint32_t part)
{
	return arena_part_off(arena, part) + (3ull << (arena->shift - 2));
}

static inline uint64_t arena_redexes_room(const struct arena *arena)
{
	return 1ull << (arena->shift - 3);
}

static inline uint64_t arena_caches_off(const struct arena *arena, uint32_t part)
{
	return arena_part_off(arena, part) + (7ull << (arena->shift - 3));
}

/* Bytes of addresses of each buffer, in whole pages. */
static inline uint64_t arena_buffer_room(const struct arena *arena)
{
	return (((1ull << (arena->shift - 4)) - sizeof(struct arena_notes)) / ARENA_BUFFERS) & ~4095ull;
}

/* Bytes from the start of the notes to a buffer. */
static inline uint64_t arena_buffer_off(const struct arena *arena, uint32_t buffer)
{
	return ((sizeof(struct arena_notes) + 4095) & ~4095ull) + buffer * arena_buffer_room(arena);
}

static inline struct arena_notes *arena_notes(const struct arena *arena, uint32_t part)
{
	return (struct arena_notes *)(arena->base + arena_caches_off(arena, part));
}

/* The record that counts. Acquire: with all that the commit was about. */
static inline const struct arena_record *arena_record(const struct arena *arena, uint32_t part)
{
	const struct arena_part *p = &arena->parts[part];

	return &p->record[atomic_load_explicit(&p->seq, memory_order_acquire) & 1];
}

/* What @part says of its dealings with all workers, as of commit @seq. */
static inline struct arena_peer *arena_peers(const struct arena *arena, uint32_t part, uint64_t seq)
{
	return arena->peers + ((uint64_t)part * 2 + (seq & 1)) * arena->n;
}

static inline uint64_t arena_spill_off(const struct arena *arena, uint32_t part)
{
	return arena_part_off(arena, part) + (15ull << (arena->shift - 4));
}

static inline uint64_t arena_spill_room(const struct arena *arena)
{
	return 1ull << (arena->shift - 4);
}

/* The partition in which a VAR or a node lies. */
static inline uint32_t arena_home(const struct arena *arena, port p)
{
	uint64_t off = port_tag(p) == TAG_VAR ? port_index(p) << 3 : port_index(p) << 4;

	return (uint32_t)((off - arena->cells) >> arena->shift);
}

static inline struct pair *arena_node(const struct arena *arena, port p)
{
	return (struct pair *)(arena->base + (port_index(p) << 4));
}

static inline port *arena_var(const struct arena *arena, port p)
{
	return (port *)(arena->base + (port_index(p) << 3));
}

static inline uint64_t arena_ring_bytes(uint32_t slots)
{
	return sizeof(struct arena_ring) + (uint64_t)slots * sizeof(struct pair);
}

static inline struct arena_ring *arena_ring(const struct arena *arena, uint32_t from, uint32_t to)
{
	return (struct arena_ring *)(arena->mail + (uint64_t)(from * arena->n + to) *
							   arena_ring_bytes(arena->control->ring));
}

static inline const struct book *arena_book(const struct arena *arena)
{
	return (const struct book *)arena->book;
}

#endif

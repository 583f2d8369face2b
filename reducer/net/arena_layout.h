/*
 * arena_layout.h - the bytes of a net that its supervisor, its workers and shmctl share.
 *
 * One segment of kind PLX_KIND_NET, reserved sparse, with the blocks
 *
 *	control    struct arena_control: orders of the supervisor, what all workers look at
 *	lines      struct arena_line per worker: what a worker says about itself, and its bell
 *	parts      struct arena_part per worker: where its partition stands, saved whenever the worker rests
 *	mail       struct arena_ring for each ordered pair of workers
 *	workers    table for tools; written by each worker, one row each
 *	partitions table for tools
 *	book       the program, read-only while it runs
 *	cells      the partitions, one power-of-two stride of addresses each:
 *
 *	           0            1/2          3/4          7/8        15/16          1
 *	           | node cells | variables  | redexes    | caches    | spilled mail |
 *
 * (caches: free node cells at hand, free variables at hand, redexes put off)
 *
 * Memory is committed from the start of each area as it grows. Only the owner writes the cells of its partition, except
 * that a freed foreign cell is chained by whoever freed it until it is home again.
 *
 * Whoever dies leaves its partition as of some instruction; the supervisor then ends the program, so nothing here is
 * read again but by tools.
 */
#ifndef REDUCER_NET_ARENA_LAYOUT_H
#define REDUCER_NET_ARENA_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include <plx/common.h>

#include "reducer/net/net.h"
#include "reducer/net/piece.h"
#include "reducer/net/port.h"

#define ARENA_VERSION 1u

/* ARENA_TICK interactions pass between two looks at the outside; the caches of free cells hold what they may need. */
#define ARENA_TICK       256u
#define ARENA_NODE_CACHE 4096u /* free node cells a worker has at hand */
#define ARENA_VAR_CACHE  4096u
#define ARENA_LATER      64u /* redexes put off */

/* What is done with a normal form. */
enum arena_order {
	ARENA_EXPAND = 0, /* references that are left in it are called */
	ARENA_INJECT = 1, /* a piece is put in */
};

struct arena_control {
	/* line 0: geometry; the supervisor writes it once */
	uint32_t version; /* ARENA_VERSION */
	uint32_t workers;
	uint32_t ring; /* messages per mail ring, power of two */
	uint32_t stride_shift;
	uint64_t cells;      /* bytes from the segment base to partition 0 */
	uint64_t memory_max; /* bytes that may be committed */
	uint32_t tick;       /* interactions between two looks at the outside */
	uint32_t scatter;    /* 1: give to anybody, for tests */
	/* line 1: the supervisor writes, workers read */
	_Alignas(PLX_LINE) _Atomic uint32_t job; /* number of the program; a new number is a new program */
	_Atomic uint32_t leave;                  /* 1: workers are to end */
	_Atomic uint32_t first; /* number with which the program began; a later job goes on with its result */
	uint32_t order;         /* enum arena_order, of a job that is not the first */
	uint64_t book_size;     /* bytes of the book, then code follows */
	uint64_t code;          /* bytes from the segment base to the code */
	uint64_t tray;          /* bytes from the segment base to the piece to put in, see inject.h */
	/* worker 0 writes, the supervisor reads at rest */
	port root; /* the variable on which the normal form hangs */
	/* line 2: whoever meets a reason first stores it here, all look at each tick */
	_Alignas(PLX_LINE) _Atomic uint32_t stop; /* 0 or enum net_status */
	_Atomic uint32_t stop_worker;
	_Atomic uint64_t stop_detail; /* NET_UNSAFE: the definition; NET_MEMORY: errno */
	/* line 3: the last worker that comes to rest */
	_Alignas(PLX_LINE) _Atomic uint32_t ended; /* = job when it is over */
	_Atomic uint64_t
		closing; /* bit per worker that is about to say so: nobody may become busy meanwhile */
	/* line 4: idle workers set their bit, a giver takes it */
	_Alignas(PLX_LINE) _Atomic uint64_t hungry;
	/* line 5: all workers, when they grow */
	_Alignas(PLX_LINE) _Atomic uint64_t committed; /* bytes */
	/* line 6: all workers at each tick, when there is a limit at all */
	_Alignas(PLX_LINE) _Atomic int64_t gas;
	_Atomic uint32_t gas_limited;
	/* line 7: worker 0 */
	_Alignas(PLX_LINE) port held[PIECE_HELD_MAX]; /* ends of the last piece that the outside keeps */
};
static_assert(offsetof(struct arena_control, job) == 1 * PLX_LINE, "protocol.md: net control");
static_assert(offsetof(struct arena_control, stop) == 2 * PLX_LINE, "protocol.md: net control");
static_assert(offsetof(struct arena_control, ended) == 3 * PLX_LINE, "protocol.md: net control");
static_assert(offsetof(struct arena_control, hungry) == 4 * PLX_LINE, "hungry has its own line");
static_assert(offsetof(struct arena_control, committed) == 5 * PLX_LINE, "committed has its own line");
static_assert(offsetof(struct arena_control, gas) == 6 * PLX_LINE, "gas has its own line");
static_assert(offsetof(struct arena_control, held) == 7 * PLX_LINE, "held has its own line");
static_assert(sizeof(struct arena_control) == 8 * PLX_LINE, "protocol.md: net control");

/* arena_line.state: changes << ARENA_STATE_BITS | one of these. */
#define ARENA_STATE_BITS 2u
#define ARENA_STATE_MASK 3u
enum arena_state {
	ARENA_BUSY = 0,
	ARENA_IDLE = 1,  /* has nothing */
	ARENA_WAITS = 2, /* has only redexes that had better wait for others; see queue.h */
};

struct arena_line {
	/* line 0: this worker writes, all read when they look for the end */
	_Atomic uint64_t state;    /* see enum arena_state */
	_Atomic uint64_t sent;     /* messages; exact while idle */
	_Atomic uint64_t received; /* messages; exact while idle */
	_Atomic uint64_t interactions;
	_Atomic uint64_t given;
	_Atomic uint64_t parked;
	_Atomic uint64_t redexes;
	_Atomic uint64_t memory;
	/* line 1: other workers write: who has put something into a ring of this one */
	_Alignas(PLX_LINE) _Atomic uint64_t inbox; /* bit per sender */
	/* line 2: set by this worker, cleared by who wakes it */
	_Alignas(PLX_LINE) _Atomic uint32_t asleep; /* futex */
	_Atomic int32_t pid;
};
static_assert(offsetof(struct arena_line, inbox) == 1 * PLX_LINE, "protocol.md: net worker line");
static_assert(offsetof(struct arena_line, asleep) == 2 * PLX_LINE, "protocol.md: net worker line");
static_assert(sizeof(struct arena_line) == 3 * PLX_LINE, "protocol.md: net worker line");
static_assert(NET_WORKERS_MAX <= 64, "one bit per worker in inbox and hungry");

/* Cells of another partition, freed here and chained through their first word. */
struct arena_chain {
	port head; /* naked port: only the index; 0 when empty */
	uint64_t count;
};

/* All indices count cells from the segment base, as ports do. Valid while the worker is idle. */
struct arena_part {
	uint64_t node_fresh;  /* first node cell never used */
	uint64_t node_end;    /* first node cell without memory */
	port node_list;       /* free cells, chained through their first word */
	uint64_t node_cached; /* free cells in the cache */
	uint64_t var_fresh;
	uint64_t var_end;
	port var_list;
	uint64_t var_cached;
	uint64_t redex_bottom; /* oldest redex, in entries from the start of the area */
	uint64_t redex_top;    /* one past the youngest */
	uint64_t redex_end;    /* entries with memory */
	uint64_t spill_fresh;  /* records never used */
	uint64_t spill_end;    /* records with memory */
	uint64_t spilled;      /* records in use */
	uint64_t job;          /* the program this is about */
	port node_chains; /* chains that came home, chained through the second word of their first cells */
	struct arena_chain away[NET_WORKERS_MAX]; /* foreign cells on their way home */
};
static_assert(sizeof(struct arena_part) == 2 * PLX_LINE + 16 * NET_WORKERS_MAX, "protocol.md: net partition");

/* Mail from one worker to another. A message is two ports to be linked; its slots follow. */
struct arena_ring {
	/* line 0: the sender writes */
	_Atomic uint64_t tail; /* messages ever put in */
	/* line 1: the receiver writes */
	_Alignas(PLX_LINE) _Atomic uint64_t head; /* messages ever taken out */
	/* line 2: the sender stores when it is 0, the receiver takes: the first of a chain of the receiver's free cells */
	_Alignas(PLX_LINE) _Atomic port chain;
	_Alignas(PLX_LINE) struct pair slot[];
};
static_assert(offsetof(struct arena_ring, head) == 1 * PLX_LINE, "protocol.md: net mail");
static_assert(offsetof(struct arena_ring, chain) == 2 * PLX_LINE, "protocol.md: net mail");
static_assert(offsetof(struct arena_ring, slot) == 3 * PLX_LINE, "protocol.md: net mail");
static_assert(sizeof(struct pair) == 16, "a node cell");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in libc cannot be shared by two processes");

/* A message that found its ring full, in the sender's own memory. */
struct arena_spilled {
	struct pair message;
	uint64_t next; /* record number + 1 of the next one to the same worker; 0 = none */
	uint64_t reserved;
};
static_assert(sizeof(struct arena_spilled) == 32, "protocol.md: net mail");

#endif

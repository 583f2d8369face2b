/*
 * arena_layout.h - the bytes of a net that its supervisor, its workers and shmctl share.
 *
 * One segment of kind PLX_KIND_NET, reserved sparse, with the blocks
 *
 *	control    struct arena_control: orders of the supervisor, what all workers look at
 *	lines      struct arena_line per partition: what its owner says about it, who that is; and the bell of a worker
 *	parts      struct arena_part per partition: where it stands, as of its last commit and as of the next
 *	peers      struct arena_peer, for each partition twice as many as there are partitions: the same about its mail
 *	workers    table for tools; written by each worker, one row each
 *	partitions table for tools
 *	mail       struct arena_ring for each ordered pair of partitions
 *	book       the program, read-only while it runs
 *	cells      the partitions, one power-of-two stride of addresses each:
 *
 *	           0            1/2          3/4          7/8        15/16          1
 *	           | node cells | variables  | redexes    | caches    | spilled mail |
 *
 * (caches: what it takes to undo a batch, free node cells and variables at hand)
 *
 * There are as many partitions as there may ever be workers, and at first as many are open as there are workers: the
 * others are addresses, zeros and no memory. Worker i begins with partition i; who owns which later says owner.h. What is
 * called a worker below is whoever owns its partition at that time.
 *
 * Memory is committed from the start of each area as it grows. Only the owner writes the cells of its partition, except
 * that a freed foreign cell is chained by whoever freed it until it is home again.
 *
 * Whoever dies leaves its partition as of some instruction. What it had committed is whole, the rest is undone by its
 * successor: see batch.h.
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

#define ARENA_VERSION 5u

/*
 * What different workers write is so far apart: processors fetch lines in pairs, and a worker that commits a million times a
 * second would otherwise take the line beside its own away from its neighbour each time (a seventh of all time).
 */
#define ARENA_APART (2 * PLX_LINE)

/* A batch is ARENA_TICK interactions at most: then the outside is looked at, and what was done is committed. */
#define ARENA_TICK       256u
#define ARENA_LATER      64u                              /* redexes put off */
#define ARENA_TOP        (ARENA_TICK + ARENA_LATER + 64u) /* redexes that a batch can take off the stack */
#define ARENA_BOTTOM     32u                              /* ... and off its bottom */
#define ARENA_FOREIGN    (2u * ARENA_TICK)                /* foreign cells that a batch can free */
#define ARENA_WORDS      16384u                           /* words noted in a batch: settled nodes, mostly */
#define ARENA_COUNT_BITS 16u

/* After the notes come buffers, which grow: twice free nodes at hand, twice variables, and the variables set in a batch. */
enum arena_buffer {
	ARENA_NODES_0,
	ARENA_NODES_1,
	ARENA_VARS_0,
	ARENA_VARS_1,
	ARENA_SET, /* port of the variable | batch & ARENA_SET_MASK */
	ARENA_BUFFERS
};
#define ARENA_SET_MASK  0xfffffu
#define ARENA_SET_NEVER ARENA_SET_MASK /* nothing is noted in such a batch */
static_assert(ARENA_SET_MASK == PORT_HEAD_MASK, "tag and label of a variable are 0");

/* What is done with a normal form. */
enum arena_order {
	ARENA_EXPAND = 0, /* references that are left in it are called */
	ARENA_INJECT = 1, /* a piece is put in */
};

struct arena_control {
	/* pair 0: geometry; the supervisor writes it once */
	uint32_t version; /* ARENA_VERSION */
	uint32_t most;    /* partitions, and workers, that there can be */
	uint32_t ring;    /* messages per mail ring, power of two */
	uint32_t stride_shift;
	uint64_t cells;      /* bytes from the segment base to partition 0 */
	uint64_t memory_max; /* bytes that may be committed */
	uint32_t tick;       /* interactions between two looks at the outside */
	uint32_t scatter;    /* 1: give to anybody, for tests */
	uint32_t fuse;       /* calls of a definition until it is fused; 0: never */
	/* the supervisor writes, workers read */
	_Alignas(PLX_LINE) _Atomic uint32_t job; /* number of the program; a new number is a new program */
	_Atomic uint32_t leave;                  /* 1: workers are to end */
	_Atomic uint32_t first; /* number with which the program began; a later job goes on with its result */
	uint32_t order;         /* enum arena_order, of a job that is not the first */
	uint64_t book_size;     /* bytes of the book, then code follows */
	uint64_t code;          /* bytes from the segment base to the code */
	uint64_t tray;          /* bytes from the segment base to the piece to put in, see inject.h */
	/* worker 0 writes, the supervisor reads at rest */
	port root; /* the variable on which the normal form hangs */
	/* pair 1: whoever meets a reason first stores it here, all look at each tick */
	_Alignas(ARENA_APART) _Atomic uint32_t stop; /* 0 or enum net_status */
	_Atomic uint32_t stop_worker;
	_Atomic uint64_t stop_detail; /* NET_UNSAFE: the definition; NET_MEMORY: errno */
	_Atomic uint32_t
		pause; /* futex; the supervisor: not 0 while all are to stand still after a commit, and different each time */
	_Atomic uint32_t requests; /* counts reasons to look at who owns what, see owner.h; all write */
	/* pair 2: the last worker that comes to rest */
	_Alignas(ARENA_APART) _Atomic uint32_t ended; /* = job when it is over */
	_Atomic uint64_t
		closing; /* bit per worker that is about to say so: nobody may become busy meanwhile */
	/* pair 3: idle workers set their bit, a giver takes it */
	_Alignas(ARENA_APART) _Atomic uint64_t hungry;
	/* pair 4: the supervisor writes */
	_Alignas(ARENA_APART) _Atomic uint64_t committed; /* bytes outside the partitions */
	uint64_t gas;                                     /* interactions that are allowed; 0: any number */
	_Atomic uint64_t
		told; /* bytes of the answer that its reader has; for a successor of the supervisor */
	_Atomic uint64_t told_from; /* where in a file that began, + 1; 0: it is none, or has not begun */
	_Atomic uint32_t open;      /* partitions that have memory: those before this number */
	_Atomic uint32_t wanted;    /* workers that there are to be */
	/* for a successor that has not our memory, see net_adopt() */
	uint64_t book_end;         /* bytes of the block of the book that have memory */
	_Atomic uint64_t begin_ns; /* plx_now_ns() when the program began */
	uint64_t time_ns;          /* its time limit; 0: none */
	_Atomic uint64_t reduced;  /* interactions when the order before this one was done */
	uint32_t expands;          /* 1: go on while references are left in the normal form */
	/* pair 5: worker 0 */
	_Alignas(ARENA_APART) port held[PIECE_HELD_MAX]; /* ends of the last piece that the outside keeps */
};
static_assert(offsetof(struct arena_control, job) == 1 * PLX_LINE, "protocol.md: net control");
static_assert(offsetof(struct arena_control, stop) == 1 * ARENA_APART, "protocol.md: net control");
static_assert(offsetof(struct arena_control, ended) == 2 * ARENA_APART, "protocol.md: net control");
static_assert(offsetof(struct arena_control, hungry) == 3 * ARENA_APART, "hungry has its own lines");
static_assert(offsetof(struct arena_control, committed) == 4 * ARENA_APART, "committed has its own lines");
static_assert(offsetof(struct arena_control, book_end) == 4 * ARENA_APART + 40, "protocol.md: net control");
static_assert(offsetof(struct arena_control, held) == 5 * ARENA_APART, "held has its own lines");
static_assert(sizeof(struct arena_control) == 6 * ARENA_APART, "protocol.md: net control");

/* arena_line.state: changes << ARENA_STATE_BITS | one of these. */
#define ARENA_STATE_BITS 2u
#define ARENA_STATE_MASK 3u
enum arena_state {
	ARENA_BUSY = 0,
	ARENA_IDLE = 1,  /* has nothing */
	ARENA_WAITS = 2, /* has only redexes that had better wait for others; see queue.h */
};

/* arena_line.asks: what a worker says to its supervisor. */
enum arena_asks {
	ARENA_STAYS = 0,
	ARENA_ASKS_TO_GO = 1,
	ARENA_GONE = 2, /* of a thread, whose end nobody is told */
};

struct arena_line {
	/* pair 0: this worker writes, all read when they look for the end */
	_Alignas(ARENA_APART) _Atomic uint64_t state; /* see enum arena_state */
	_Atomic uint64_t sent;                        /* messages; exact while idle */
	_Atomic uint64_t received;                    /* messages; exact while idle */
	_Atomic uint64_t interactions;
	_Atomic uint64_t given;
	_Atomic uint64_t parked;
	_Atomic uint64_t redexes;
	_Atomic uint64_t memory; /* bytes with memory, and what it is about to ask for */
	/* pair 1: other workers write: who has put something into a ring of this one */
	_Alignas(ARENA_APART) _Atomic uint64_t inbox; /* bit per sender */
	/* pair 2: of the process that is the worker of this number; futex: set by it, cleared by who wakes it */
	_Alignas(ARENA_APART) _Atomic uint32_t asleep;
	_Atomic uint32_t paused; /* futex; = control.pause while this worker stands still */
	_Atomic uint32_t leave;  /* the supervisor: 1, it is to go when it owns nothing any more */
	_Atomic uint32_t asks;   /* enum arena_asks, this worker */
	/* of the partition: whose it is, see owner.h; and dying */
	_Atomic uint64_t owner;
	_Atomic uint64_t wish; /* the supervisor: who is to be the next owner */
	_Atomic uint32_t
		careful; /* batches of one interaction each that are still to be done; the supervisor begins it */
	_Atomic uint32_t moves; /* times that it was taken, by whoever took it */
	_Atomic uint64_t
		attempt; /* seq when the last such batch began: who dies with this seq died of that interaction */
	_Atomic uint32_t
		cpu; /* of the process: the processor it was on when it last looked, + 1; see spread.h */
};
static_assert(offsetof(struct arena_line, inbox) == 1 * ARENA_APART, "protocol.md: net worker line");
static_assert(offsetof(struct arena_line, asleep) == 2 * ARENA_APART, "protocol.md: net worker line");
static_assert(offsetof(struct arena_line, owner) == 2 * ARENA_APART + 16, "protocol.md: net worker line");
static_assert(sizeof(struct arena_line) == 3 * ARENA_APART, "protocol.md: net worker line");
static_assert(NET_WORKERS_MAX <= 64, "one bit per worker in inbox and hungry");

/*
 * A worker's state as of a commit: everything that its next batch begins with. All indices count cells from the segment
 * base, as ports do.
 */
struct arena_record {
	uint64_t job; /* the last order this worker has taken part in; 0: none */
	uint64_t interactions;
	uint64_t sent;      /* messages */
	uint64_t received;  /* messages */
	uint64_t node_head; /* free node cells at hand: a queue, in bytes from the start of the notes */
	uint64_t node_tail;
	uint64_t var_head; /* free variables at hand */
	uint64_t var_tail;
	uint64_t node_fresh; /* first node cell never used */
	uint64_t node_end;   /* first node cell without memory */
	port node_list;      /* free cells, chained through their first word */
	uint64_t var_fresh;
	uint64_t var_end;
	port var_list;
	uint64_t redex_bottom; /* oldest redex, in entries from the start of the area */
	uint64_t redex_top;    /* one past the youngest */
	uint64_t redex_end;    /* entries with memory */
	uint64_t spill_fresh;  /* records never used */
	uint64_t spill_end;    /* records with memory */
	uint64_t spill_free;   /* first record to be used again, + 1; 0 = none */
	uint64_t spilled;      /* records in use */
	uint64_t foreign;      /* foreign cells freed in the batch before, in notes.foreign[seq & 1] */
	uint64_t laters;       /* redexes put off ... */
	uint64_t later_copy;   /* ... in notes.later[] */
	uint64_t buffer_end[ARENA_BUFFERS]; /* bytes of each buffer with memory */
	uint64_t given;
	uint64_t parked;
	uint64_t buried; /* cells freed of the piece that is being put in */
};
static_assert(sizeof(struct arena_record) == 4 * PLX_LINE, "protocol.md: net partition");

/* One worker's dealings with another, as of the same commit. */
struct arena_peer {
	uint64_t tail;    /* messages ever sent to it */
	uint64_t spilled; /* first record of what did not fit, + 1; 0 = none */
	port away;        /* its free cells that we have, chained; naked port, 0 when empty */
	uint64_t away_count;
	uint64_t chain_tail; /* chains ever offered to it */
	uint64_t head;       /* messages ever taken from it */
	uint64_t chain_head; /* chains ever taken from it */
	uint64_t reserved;
};
static_assert(sizeof(struct arena_peer) == PLX_LINE, "protocol.md: net partition");

struct arena_part {
	/* commits ever; its parity says which record (and which peers) counts */
	_Alignas(ARENA_APART) _Atomic uint64_t seq;
	_Alignas(PLX_LINE) struct arena_record record[2];
};
static_assert(offsetof(struct arena_part, record) == PLX_LINE, "protocol.md: net partition");
static_assert(sizeof(struct arena_part) == 5 * ARENA_APART, "protocol.md: net partition");

/* A word as it was before this batch. */
struct arena_word {
	uint64_t off; /* bytes from the segment base */
	uint64_t old;
};

/*
 * What a worker notes so that its batch can be undone: the beginning of its caches area. A number of notes is stored as
 * batch << ARENA_COUNT_BITS | count, so that those of another batch count nothing; variables carry the batch in the
 * bits that a variable has no use for.
 */
struct arena_notes {
	/* line 0 */
	_Atomic uint64_t words;                              /* of word[] */
	_Atomic uint64_t top;                                /* of top[] */
	_Atomic uint64_t bottom;                             /* of bottom[] */
	_Alignas(PLX_LINE) struct pair top_redex[ARENA_TOP]; /* from the committed top downwards */
	struct pair bottom_redex[ARENA_BOTTOM];              /* from the committed bottom upwards */
	struct pair later[2][ARENA_LATER];                   /* redexes put off; one copy counts */
	port foreign[2][ARENA_FOREIGN]; /* foreign cells freed: of the batch before, of this batch */
	struct arena_word word[ARENA_WORDS];
};
static_assert(sizeof(struct arena_notes) % PLX_LINE == 0, "protocol.md: net notes");

/* Mail from one worker to another. A message is two ports to be linked; its slots follow. */
struct arena_ring {
	/* pair 0: the sender writes */
	_Alignas(ARENA_APART) _Atomic uint64_t tail; /* messages ever put in */
	_Atomic uint64_t chain_tail;                 /* chains ever put into chain */
	/* pair 1: the receiver writes */
	_Alignas(ARENA_APART) _Atomic uint64_t head; /* messages ever taken out */
	_Atomic uint64_t chain_head;                 /* chains ever taken out */
	/* pair 2: the sender writes when the last one was taken: the first of a chain of the receiver's free cells */
	_Alignas(ARENA_APART) _Atomic port chain;
	_Alignas(ARENA_APART) struct pair slot[];
};
static_assert(offsetof(struct arena_ring, head) == 1 * ARENA_APART, "protocol.md: net mail");
static_assert(offsetof(struct arena_ring, chain) == 2 * ARENA_APART, "protocol.md: net mail");
static_assert(offsetof(struct arena_ring, slot) == 3 * ARENA_APART, "protocol.md: net mail");
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

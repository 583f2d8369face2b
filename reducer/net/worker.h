/*
 * worker.h - what a worker keeps in its own memory while it reduces.
 *
 * struct hot is what every interaction touches. The loop keeps it in registers: it never takes its address, and stores
 * it into worker.hot around the calls of cold functions, which work on that copy.
 */
#ifndef REDUCER_NET_WORKER_H
#define REDUCER_NET_WORKER_H

#include "reducer/net/arena.h"
#include "reducer/net/code.h"

struct hot {
	char *base;       /* of the arena */
	struct pair *top; /* of the redexes: one past the youngest */
	port *nodes;      /* of the free node cells at hand: one past the last */
	port *vars;       /* of the free variables at hand: one past the last */
	int64_t fuel;     /* interactions until the next look at the outside */
};

/* Mail to one other worker. */
struct worker_out {
	struct arena_ring *ring;
	uint64_t tail;           /* next message */
	uint64_t published;      /* what the receiver can see */
	uint64_t seen;           /* head, as last looked at */
	uint64_t spilled;        /* first record of what did not fit, + 1; 0 = none */
	struct arena_chain away; /* its free cells that we have */
};

struct worker_in {
	struct arena_ring *ring;
	uint64_t head;
};

struct worker {
	struct hot hot;
	/* what is ours: a port p with p - low < span */
	port var_low, var_span;
	port node_low, node_span;
	struct pair *bottom; /* oldest redex */
	struct pair *
		floor; /* at least what is below was not touched since we last gave; alone it is the bottom */
	struct pair *redexes; /* start of the area */
	struct pair *limit;   /* where its memory ends, less what ARENA_TICK interactions push */
	struct pair *mark;    /* what lies below was there when we last gave: it may depend on what is gone */
	struct pair *later;   /* redexes put off */
	uint32_t laters;
	uint32_t resumed;    /* of these, how many there were when we last looked for one to resume */
	uint32_t boldness;   /* after having put something off in vain: interactions, doubling ... */
	uint64_t bold_until; /* ... during which nothing is put off */
	port *node_cache;
	port *var_cache;
	const struct book *book;
	const struct code_def *defs;
	const struct code_slot *slots;
	port *places; /* room for the largest definition */
	uint64_t places_room;
	uint64_t skipped; /* fuel thrown away to get to the tick at once */
	uint64_t interactions;
	bool failed; /* a reason to stop was met or seen */
	bool mixed;  /* has sent or received something: ports may lead to other partitions */

	uint32_t tick; /* fuel for one round */
	uint32_t me;
	uint32_t n;
	uint32_t job;
	uint32_t adopted; /* the last job in which we took part; 0: none */
	int ended_fd;     /* written to when a program has ended */
	struct arena *arena;
	struct arena_line *line;
	struct arena_part *part; /* where node_list, var_list and so on are kept all the time */

	uint64_t away;    /* bit per worker of whose cells a long chain is here */
	uint64_t pending; /* bit per worker to which something is unpublished or spilled */
	uint64_t sent, received, given, parked;
	uint32_t starving; /* looks at hungry workers with nothing ready for them */
	uint64_t step;     /* how far the floor goes down next time */
	uint32_t generous; /* redexes to give at a time */
	uint32_t credit;   /* nodes that may be settled, see settle.h */
	uint64_t gave_at;  /* interactions done when we last gave */
	uint32_t quiet;    /* ticks since the last look for hungry workers */
	struct arena_spilled *spill;
	uint64_t spill_free; /* records to be used again, chained; 0 = none */
	struct worker_out out[NET_WORKERS_MAX];
	struct worker_in in[NET_WORKERS_MAX];
};

#define hot_inline static inline __attribute__((always_inline))

/*
 * worker_run() - what a worker process does, and a thread in tests: programs, until control.leave.
 * Return: 0, or the exit code 1 when it had not even the memory to begin.
 */
int worker_run(struct arena *arena, uint32_t me, int ended_fd);

/* worker_stop() - the program cannot go on; the first reason counts. */
void worker_stop(struct worker *w, enum net_status why, uint64_t detail);

#endif

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
#include "reducer/net/fuse.h"

struct hot {
	char *base;       /* of the arena */
	struct pair *top; /* of the redexes: one past the youngest */
	port *nodes;      /* free node cells at hand: the next one to take */
	port *nodes_end;  /* ... and where the next one that is freed goes */
	port *vars;       /* free variables at hand */
	port *vars_end;
	port *set;    /* where the next variable that is set is noted */
	int64_t fuel; /* interactions until the next look at the outside */
};

/* Mail to one other worker. What is to survive is in worker.peer. */
struct worker_out {
	struct arena_ring *ring;
	uint64_t published; /* what the receiver can see */
	uint64_t seen;      /* head, as last looked at */
};

struct worker_in {
	struct arena_ring *ring;
};

struct worker {
	struct hot hot;
	/* what is ours: a port p with p - low < span */
	port var_low, var_span;
	port node_low, node_span;
	port batch;      /* of this batch: what is noted with each variable set */
	port *node_mark; /* takes that look end here: behind it is what the others may need in this batch */
	port *var_mark;  /* committed free variables end here */
	port *var_limit; /* memory of the buffer ends here */
	port *set_mark;  /* notes that look end here */
	struct pair *bottom; /* oldest redex */
	struct pair *floor;  /* what is below has not been touched in this batch and is not noted */
	struct pair
		*low; /* at least what is below was not touched since we last gave; alone it is the bottom */
	struct pair *redexes; /* start of the area */
	struct pair *limit;   /* where its memory ends, less what a batch pushes */
	struct pair *mark;    /* what lies below was there when we last gave: it may depend on what is gone */
	struct pair later[ARENA_LATER]; /* redexes put off */
	uint32_t laters;
	bool later_changed;
	uint32_t resumed;    /* of these, how many there were when we last looked for one to resume */
	uint32_t boldness;   /* after having put something off in vain: interactions, doubling ... */
	uint64_t bold_until; /* ... during which nothing is put off */
	const struct book *book;
	const struct code_def *defs;
	const struct code_slot *slots;
	port *places; /* room for the largest definition */
	uint64_t places_room;
	struct fuse fuse;      /* definitions made ready further, see fuse.h */
	uint64_t skipped;      /* fuel thrown away to get to the tick at once */
	bool failed;           /* a reason to stop was met or seen */
	bool mixed;            /* has sent or received something: ports may lead to other partitions */
	bool alone_in_process; /* tests take turns: nobody computes while we wait, so do not */
	bool down;             /* it has begun to rest at least once */
	bool awake;            /* between two rests */
	bool crowded;          /* there are others in this process, see host.h */
	bool yields;           /* ... and they are at work: do not wait for mail, but let them */
	bool waits;            /* it cannot go on before others have */
	bool recommit;         /* something must be committed before the loop goes on */
	struct {
		uint64_t nodes, vars, redexes;
	} want; /* what an expansion did not find */

	/* this batch, see batch.h */
	uint64_t seq;            /* commits so far */
	struct arena_record now; /* what the next commit will say; queues and counters are filled in then */
	struct arena_peer *peer; /* one for each worker */
	uint32_t peers_dirty;    /* commits until both copies of them are the same again */
	struct arena_notes *notes;
	uint32_t words, tops, foreigns; /* how many of each are noted */
	uint64_t taken;                 /* bit per worker from which something was taken in this batch */

	uint32_t tick;  /* fuel for one round */
	uint32_t round; /* fuel for this one */
	uint32_t me;
	uint32_t n;
	uint32_t job;
	int ended_fd; /* written to when a program has ended */
	struct arena *arena;
	struct arena_line *line;
	struct arena_line *bell; /* of the process that we are in */
	struct host *host;       /* that; NULL: alone */
	struct arena_part *part;

	uint64_t away;     /* bit per worker of whose cells a long chain is here */
	uint64_t pending;  /* bit per worker to which something is unpublished or spilled */
	uint64_t unread;   /* bit per worker whose ring we have not read to its end */
	uint32_t starving; /* looks at hungry workers with nothing ready for them */
	uint64_t step;     /* how far the low-water mark goes down next time */
	uint32_t generous; /* redexes to give at a time */
	uint32_t credit;   /* nodes that may be settled, see settle.h */
	uint64_t gave_at;  /* interactions done when we last gave */
	uint32_t quiet;    /* ticks since the last look for hungry workers */
	uint32_t spread;   /* ticks until the next look at who is on which processor */
	uint64_t moved_at; /* when we last went to another one */
	struct arena_spilled *spill;
	struct worker_out out[NET_WORKERS_MAX];
	struct worker_in in[NET_WORKERS_MAX];
};

#define hot_inline static inline __attribute__((always_inline))

/*
 * worker_open() - begin with partition @me: recover whatever a predecessor has left. worker_close() leaves the partition
 * as it is.
 */
struct worker *worker_open(struct arena *arena, uint32_t me, int ended_fd);
void worker_close(struct worker *w);

/* worker_wake() - after a rest: an order, if there is a new one. */
void worker_wake(struct worker *w);

/* worker_stand() - after a batch: commit it, and show the counters; whoever comes next goes on there. */
void worker_stand(struct worker *w);

/* worker_settle_down() - the same, when worker_batch() has found nothing to do. */
void worker_settle_down(struct worker *w);

/* worker_turn() - for tests: one batch, or a rest. Return: did it find anything to do? */
bool worker_turn(struct worker *w);

/* worker_batch() - reduce once, at most a batch. False: there is nothing to do, here and in the mail, or a reason to stop. */
bool worker_batch(struct worker *w);

/* worker_account() - count what was burnt; fuel for the next round. */
void worker_account(struct worker *w);

/* worker_prepare() - after a commit: enough of everything for the next batch, or the program ends. */
void worker_prepare(struct worker *w);

/* worker_stop() - the program cannot go on; the first reason counts. */
void worker_stop(struct worker *w, enum net_status why, uint64_t detail);

#endif

/*
 * host.h - a worker process, and the partitions it owns: one mostly; none when it has just joined; several when others left.
 *
 * With one it is the loop of worker.h and nothing else, but for one word that it looks at after each batch. With several
 * each has its turn for some batches while it has something to do; one that has nothing costs nothing. Two partitions of one process
 * are as far from each other as those of two: what is shared is the processor, not the rules.
 */
#ifndef REDUCER_NET_HOST_H
#define REDUCER_NET_HOST_H

#include "reducer/net/worker.h"

struct host {
	struct arena *arena;
	uint32_t me; /* the number of this worker */
	int ended_fd;
	uint32_t seen; /* control.requests, as last heeded */
	uint32_t n;    /* partitions at hand */
	uint32_t turn; /* which is next, for host_turn() */
	bool failed;   /* no memory even to begin */
	bool alone;    /* for tests: nobody computes while we wait, so do not */
	struct worker *w[NET_WORKERS_MAX];
};

/*
 * host_run() - what a worker process does, and a thread in tests: take what is given to it, programs, give what it is asked
 * for; until control.leave, or until it is to go and owns nothing.
 * Return: 0, or the exit code 1 when it had not even the memory to begin.
 */
int host_run(struct arena *arena, uint32_t me, int ended_fd);

/*
 * host_leaves_on_signal() - from now on SIGTERM makes this process ask to leave. For the process that is about to call
 * host_run().
 */
void host_leaves_on_signal(struct arena *arena, uint32_t me, int ended_fd);

/* host_is_asked() - is there a reason to look who owns what? One load of a line that is shared by all and rarely written. */
static inline bool host_is_asked(const struct host *h)
{
	/* relaxed: missed now, seen after the next batch, or before we sleep (W2) */
	return atomic_load_explicit(&h->arena->control->requests, memory_order_relaxed) != h->seen;
}

/* The same in pieces, for tests: host_turn() heeds requests, then does one batch, or one rest, of one partition. */
void host_open(struct host *h, struct arena *arena, uint32_t me, int ended_fd);
bool host_turn(struct host *h);
void host_close(struct host *h);

#endif

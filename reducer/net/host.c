/*
 * host.c - see host.h.
 *
 *	heed requests --> a slice of each that is awake --> ... --> all rest
 *	      ^                                                        |
 *	      +------------------ a bell, an order, mail --------------+
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "reducer/net/batch.h"
#include "reducer/net/host.h"
#include "reducer/net/owner.h"
#include "reducer/net/quiesce.h"

#define HOST_SLICE 16u /* batches, before another partition has its turn */

/* For the handler, which runs in the process of host_leaves_on_signal(). */
static struct arena_line *line_of_signal;
static int fd_of_signal;

/* ---- coming and going ------------------------------------------------------------------------------- */

static struct worker *find(const struct host *h, uint32_t part)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->w[i]->me == part)
			return h->w[i];
	return NULL;
}

static void set_crowded(struct host *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->w[i]->crowded = h->n > 1;
}

static void take(struct host *h, uint32_t part)
{
	struct worker *w;

	owner_take(h->arena, part);
	w = worker_open(h->arena, part, h->ended_fd);
	if (!w) {
		h->failed = true;
		return;
	}
	w->host = h;
	w->alone_in_process = h->alone;
	w->bell = &h->arena->lines[h->me];
	h->w[h->n++] = w;
	set_crowded(h);
	if (!w->awake || net_mutant(MUT_NET_TAKE_AS_IDLE))
		quiesce_lie_down(w);
	w->down = true;
	/* whoever sees this sees the partition as we leave it */
	owner_hold(h->arena, part);
}

/* Its last batch is committed: from the word on it is not ours. */
static void give(struct host *h, uint32_t at, uint32_t to)
{
	struct worker *w = h->w[at];
	const uint32_t part = w->me;

	worker_stand(w);
	owner_pass(h->arena, part, to);
	for (uint32_t i = 0; net_mutant(MUT_NET_GIVE_KEPT) && w->awake && i < 1000 && worker_batch(w); i++)
		owner_tell(h->arena, to);
	worker_close(w);
	h->w[at] = h->w[--h->n];
	set_crowded(h);
	if (!net_mutant(MUT_NET_GIVE_UNTOLD))
		owner_tell(h->arena, to);
}

static void heed(struct host *h)
{
	struct arena *arena = h->arena;
	const uint32_t parts = arena_open_parts(arena);

	/* acquire: with what it is about */
	h->seen = atomic_load_explicit(&arena->control->requests, memory_order_acquire);
	for (uint32_t i = 0; i < h->n;) {
		const uint32_t to = owner_wished(arena, h->w[i]->me);

		h->w[i]->n = parts;
		if (to != NET_WORKERS_MAX)
			give(h, i, to);
		else
			i++;
	}
	for (uint32_t i = 0; i < parts && !h->failed; i++) {
		const uint64_t word = owner_of(arena, i);

		if (owner_worker(word) == h->me && owner_phase(word) == OWNER_GIVEN && !find(h, i))
			take(h, i);
	}
}

static bool is_to_go(const struct host *h)
{
	const struct arena *arena = h->arena;

	/* acquire: what was given to us before is seen */
	if (h->failed || atomic_load_explicit(&arena->control->leave, memory_order_relaxed))
		return true;
	return h->n == 0 && atomic_load_explicit(&arena->lines[h->me].leave, memory_order_acquire) &&
	       owner_count(arena, h->me) == 0;
}

/* The supervisor decides, and to whom our partitions go. */
static void on_signal(int signal)
{
	const uint64_t one = 1;
	const int error = errno;

	(void)signal;
	/* release: before the supervisor wakes */
	atomic_store_explicit(&line_of_signal->asks, ARENA_ASKS_TO_GO, memory_order_release);
	if (write(fd_of_signal, &one, sizeof(one)) < 0) {
		/* an eventfd that is full is readable, and that is all we want */
	}
	errno = error;
}

void host_leaves_on_signal(struct arena *arena, uint32_t me, int ended_fd)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	line_of_signal = &arena->lines[me];
	fd_of_signal = ended_fd;
	sigaction(SIGTERM, &action, NULL);
}

/* ---- turns ------------------------------------------------------------------------------------------- */

/* Is another of ours at work that does not wait itself? Then whoever waits for it had better let it. */
static bool others_go_on(const struct host *h, const struct worker *w)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->w[i] != w && h->w[i]->awake && !h->w[i]->waits)
			return true;
	return false;
}

/* At most @batches of one that is awake, then it is committed. */
static void slice(struct host *h, struct worker *w, uint32_t batches)
{
	w->yields = w->crowded && others_go_on(h, w);
	w->waits = false;
	worker_wake(w);
	while (worker_batch(w)) {
		if (plx_unlikely(host_is_asked(h)) || (plx_unlikely(w->crowded) && --batches == 0) ||
		    w->waits) {
			worker_stand(w);
			return;
		}
	}
	worker_settle_down(w);
	w->awake = false;
	quiesce_lie_down(w);
}

/* A number that changes when a partition gets anywhere. */
static uint64_t progress(const struct worker *w)
{
	return w->now.interactions + w->now.received - w->now.spilled;
}

/* One turn of each that is awake. False: all rest. */
static bool turns(struct host *h)
{
	bool any = false, wait = true;

	for (uint32_t i = 0; i < h->n && !host_is_asked(h); i++) {
		struct worker *w = h->w[i];

		w->awake = w->awake || (w->crowded && quiesce_look_up(w));
		if (w->awake) {
			const uint64_t before = progress(w);

			slice(h, w, HOST_SLICE);
			any = true;
			wait = wait && w->waits && progress(w) == before;
		}
	}
	if (any && wait)
		sched_yield(); /* for somebody in another process */
	return any;
}

void host_open(struct host *h, struct arena *arena, uint32_t me, int ended_fd)
{
	*h = (struct host){ .arena = arena, .me = me, .ended_fd = ended_fd };
	heed(h);
}

void host_close(struct host *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		worker_close(h->w[i]);
	h->n = 0;
}

bool host_turn(struct host *h)
{
	if (host_is_asked(h)) {
		heed(h);
		return true;
	}
	for (uint32_t tries = h->n; tries > 0; tries--) {
		struct worker *w = h->w[h->turn++ % h->n];

		if (worker_turn(w)) {
			if (w->awake)
				worker_stand(w);
			return true;
		}
	}
	return false;
}

int host_run(struct arena *arena, uint32_t me, int ended_fd)
{
	struct host h;

	host_open(&h, arena, me, ended_fd);
	while (!is_to_go(&h)) {
		if (host_is_asked(&h))
			heed(&h);
		else if (!turns(&h))
			quiesce_rest(&h);
	}
	host_close(&h);
	if (!h.failed) /* release: nothing of ours follows */
		atomic_store_explicit(&arena->lines[me].asks, ARENA_GONE, memory_order_release);
	return h.failed;
}

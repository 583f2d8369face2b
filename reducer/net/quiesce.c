/*
 * quiesce.c - see quiesce.h.
 *
 *	         nothing to do                    nothing for 10 us
 *	 busy ------------------> idle, looking ------------------> idle, asleep
 *	   ^                         |    ^                              |
 *	   +-------------------------+    +------------------------------+
 *	      mail, or a new program            somebody rings the bell
 */
#include <unistd.h>

#include <plx/process.h>

#include "reducer/net/host.h"
#include "reducer/net/mail.h"
#include "reducer/net/quiesce.h"
#include "reducer/net/spread.h"

#define QUIESCE_SPIN_NS 10000u
#define QUIESCE_WAIT_NS 500000u /* who has something to do waits no longer for what would make it easier */

/* One turn of a loop that spins. */
#if defined(__x86_64__) || defined(__i386__)
#define QUIESCE_PAUSE() __builtin_ia32_pause()
#else
#define QUIESCE_PAUSE() atomic_signal_fence(memory_order_seq_cst)
#endif

static void quiesce_set_state(struct worker *w, enum arena_state state)
{
	uint64_t changes = atomic_load_explicit(&w->line->state, memory_order_relaxed) >> ARENA_STATE_BITS;

	/*
	 * Q1 seq_cst: going idle, our counters before and our looks at the others after it: of two that go idle together
	 * one sees the other. Going busy, before our look at ended and stop.
	 */
	atomic_store_explicit(&w->line->state, (changes + 1) << ARENA_STATE_BITS | state,
			      memory_order_seq_cst);
	plx_table_set(&w->arena->workers, w->me, ARENA_WORKER_STATE, state);
}

static enum arena_state quiesce_state(uint64_t state)
{
	return (enum arena_state)(state & ARENA_STATE_MASK);
}

static bool quiesce_is_stopping(const struct worker *w)
{
	return atomic_load_explicit(&w->arena->control->stop, memory_order_seq_cst) != NET_DONE;
}

/* The program is over: whoever notices first says so. */
static void quiesce_end(struct worker *w, uint32_t job)
{
	const uint64_t one = 1;

	/* E1 seq_cst: with everything that all workers did before it; pairs with E2 in net_wait() */
	if (atomic_exchange_explicit(&w->arena->control->ended, job, memory_order_seq_cst) == job)
		return;
	if (write(w->ended_fd, &one, sizeof(one)) < 0) {
		/* an eventfd that is full is readable, and that is all we want */
	}
}

/* The states of all workers, if none is busy and no message is on its way. */
static bool quiesce_all_idle(struct worker *w, uint64_t state[NET_WORKERS_MAX])
{
	const struct arena_control *control = w->arena->control;
	/* the orders of the supervisor; relaxed: seen since S2 */
	uint64_t sent = 1u + atomic_load_explicit(&control->job, memory_order_relaxed) -
			atomic_load_explicit(&control->first, memory_order_relaxed);
	uint64_t received = 0;
	uint32_t waits = NET_WORKERS_MAX;

	for (uint32_t i = 0; i < w->arena->n; i++) {
		struct arena_line *line = &w->arena->lines[i];

		/* Q2 seq_cst: pairs with Q1; who is seen idle, its counters and cells are seen too */
		state[i] = atomic_load_explicit(&line->state, memory_order_seq_cst);
		if (quiesce_state(state[i]) == ARENA_BUSY)
			return false;
		if (quiesce_state(state[i]) == ARENA_WAITS && waits == NET_WORKERS_MAX)
			waits = i;
		/* relaxed: ordered by Q2, and only believed when the state has not changed */
		sent += atomic_load_explicit(&line->sent, memory_order_relaxed);
		received += atomic_load_explicit(&line->received, memory_order_relaxed);
	}
	if (waits != NET_WORKERS_MAX) { /* nobody can send it what it waits for */
		mail_wake(w, waits);
		return false;
	}
	return sent == received || quiesce_is_stopping(w);
}

static void quiesce_look(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint32_t job = atomic_load_explicit(&control->job, memory_order_seq_cst);
	const uint64_t bit = 1ull << w->me;
	uint64_t state[NET_WORKERS_MAX];
	bool same = true;

	if (!quiesce_all_idle(w, state))
		return;
	/* Q3 seq_cst: between the two looks; pairs with Q4: who rises sees this, or we see that it rose */
	atomic_fetch_or_explicit(&control->closing, bit, memory_order_seq_cst);
	for (uint32_t i = 0; i < w->arena->n; i++)
		same = same &&
		       atomic_load_explicit(&w->arena->lines[i].state, memory_order_seq_cst) == state[i];
	/* nobody rises while we are closing; but an order may have been carried out by all since we began to look */
	if (same && atomic_load_explicit(&control->job, memory_order_seq_cst) == job)
		quiesce_end(w, job);
	atomic_fetch_and_explicit(&control->closing, ~bit, memory_order_seq_cst);
}

/*
 * quiesce_rise() - become busy. False: the program is being declared over, or is; then nothing in the arena may be touched,
 * for the supervisor may be looking.
 */
static bool quiesce_rise(struct worker *w)
{
	struct arena_control *control = w->arena->control;

	quiesce_set_state(w, ARENA_BUSY);
	/* Q4 seq_cst: after Q1; closing before ended, which is set first */
	if (atomic_load_explicit(&control->closing, memory_order_seq_cst) == 0 &&
	    atomic_load_explicit(&control->ended, memory_order_seq_cst) !=
		    atomic_load_explicit(&control->job, memory_order_seq_cst))
		return true;
	quiesce_set_state(w, ARENA_IDLE);
	quiesce_look(w); /* who looked while we tried has seen us, and left it to us */
	return false;
}

static uint32_t quiesce_pause_wanted(const struct arena *arena)
{
	/* P2 seq_cst: after asleep (W2), before we look for work; pairs with P1 */
	return atomic_load_explicit(&arena->control->pause, memory_order_seq_cst);
}

void quiesce_pause(struct arena *arena, struct arena_line *bell)
{
	struct arena_control *control = arena->control;
	const uint32_t number = quiesce_pause_wanted(arena);

	if (number == 0)
		return;
	/* P3 release: pairs with P4; whoever sees it sees all that we have committed */
	atomic_store_explicit(&bell->paused, number, memory_order_release);
	plx_futex_wake((uint32_t *)&bell->paused, 1);
	while (quiesce_pause_wanted(arena) == number)
		if (plx_futex_wait((const uint32_t *)&control->pause, number, UINT64_MAX) < 0) {
			/* interrupted: look again */
		}
}

static bool quiesce_is_over(const struct worker *w)
{
	return atomic_load_explicit(&w->arena->control->ended, memory_order_seq_cst) == w->job;
}

/* Is there something to do in its partition? */
static bool quiesce_has_reason(const struct worker *w)
{
	const bool over = quiesce_is_over(w);

	return atomic_load_explicit(&w->arena->control->job, memory_order_seq_cst) != w->job ||
	       (!over && !quiesce_is_stopping(w) &&
		(atomic_load_explicit(&w->line->inbox, memory_order_seq_cst) != 0 || w->unread != 0));
}

/* The workers of a process, or the one that is alone: to look through. */
static struct worker *quiesce_next(const struct host *h, struct worker *alone, uint32_t i)
{
	return h ? i < h->n ? h->w[i] : NULL : i == 0 ? alone : NULL;
}

/* Until somebody rings; returns at once when there is a reason already. @alone: when there is no host. */
static void quiesce_sleep(struct arena *arena, struct arena_line *bell, const struct host *h,
			  struct worker *alone, uint64_t timeout_ns)
{
	struct worker *w;
	bool reason;

	/* W2 seq_cst: before the looks that follow; pairs with W1, W3 and W4 */
	atomic_store_explicit(&bell->asleep, 1, memory_order_seq_cst);
	reason = quiesce_pause_wanted(arena) != 0 ||
		 atomic_load_explicit(&arena->control->leave, memory_order_seq_cst) ||
		 (h && atomic_load_explicit(&arena->control->requests, memory_order_seq_cst) != h->seen);
	for (uint32_t i = 0; (w = quiesce_next(h, alone, i)) != NULL; i++)
		reason = reason || quiesce_has_reason(w);
	if (!reason) {
		w = quiesce_next(h, alone, 0);
		if (w)
			w->now.parked++;
		if (plx_futex_wait((const uint32_t *)&bell->asleep, 1, timeout_ns) < 0) {
			/* interrupted or late: look again */
		}
	}
	atomic_store_explicit(&bell->asleep, 0, memory_order_relaxed);
	for (uint32_t i = 0; (w = quiesce_next(h, alone, i)) != NULL; i++)
		spread_after_sleep(w);
}

static void quiesce_set_hungry(struct worker *w, bool hungry)
{
	_Atomic uint64_t *bits = &w->arena->control->hungry;
	const uint64_t bit = 1ull << w->me;

	/* relaxed: a request, not data */
	if (hungry)
		atomic_fetch_or_explicit(bits, bit, memory_order_relaxed);
	else if (atomic_load_explicit(bits, memory_order_relaxed) & bit)
		atomic_fetch_and_explicit(bits, ~bit, memory_order_relaxed);
}

void quiesce_lie_down(struct worker *w)
{
	quiesce_set_hungry(w, !w->crowded); /* a process that is busy wants nothing for those that are not */
	quiesce_set_state(w, ARENA_IDLE);
	if (!quiesce_is_over(w))
		quiesce_look(w);
}

bool quiesce_look_up(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	/* S2 acquire: pairs with S1; the book and the empty partitions are seen */
	const uint32_t job = atomic_load_explicit(&control->job, memory_order_acquire);
	const bool mail = atomic_load_explicit(&w->line->inbox, memory_order_relaxed) != 0 || w->unread != 0;

	if (job == w->job && (!mail || quiesce_is_over(w) || quiesce_is_stopping(w)))
		return false;
	if (quiesce_rise(w)) {
		quiesce_set_hungry(w, false);
		return true;
	}
	if (atomic_load_explicit(&control->ended, memory_order_seq_cst) == job)
		w->job = job; /* over before we took part */
	return false;
}

/* One of several rests for them all: hungry, when none has anything to do. */
static void quiesce_crowd_hungry(const struct host *h, bool hungry)
{
	if (h->n > 1)
		quiesce_set_hungry(h->w[0], hungry);
}

static bool quiesce_any_rises(struct host *h, bool *over)
{
	*over = true;
	for (uint32_t i = 0; i < h->n; i++) {
		if (quiesce_look_up(h->w[i])) {
			h->w[i]->awake = true;
			return true;
		}
		*over = *over && quiesce_is_over(h->w[i]);
	}
	return false;
}

void quiesce_rest(struct host *h)
{
	struct arena_control *control = h->arena->control;
	struct arena_line *bell = &h->arena->lines[h->me];
	uint64_t since = 0;

	quiesce_crowd_hungry(h, true);
	while (!host_is_asked(h) && !atomic_load_explicit(&control->leave, memory_order_relaxed)) {
		bool over;

		quiesce_pause(h->arena, bell);
		if (quiesce_any_rises(h, &over))
			break;
		if (since == 0)
			since = plx_now_ns();
		if (over || plx_now_ns() - since > QUIESCE_SPIN_NS) {
			quiesce_sleep(h->arena, bell, h, NULL, UINT64_MAX);
			since = 0;
		} else {
			QUIESCE_PAUSE();
		}
	}
	quiesce_crowd_hungry(h, false);
}

bool quiesce_recover(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint64_t state = atomic_load_explicit(&w->line->state, memory_order_relaxed);
	bool awake = false;

	if (quiesce_state(state) != ARENA_IDLE) {
		quiesce_set_state(w, ARENA_BUSY);
		/* seq_cst: as Q4; who is about to end the program does, or has seen us */
		while (atomic_load_explicit(&control->closing, memory_order_seq_cst) != 0)
			QUIESCE_PAUSE();
		awake = atomic_load_explicit(&control->ended, memory_order_seq_cst) !=
			atomic_load_explicit(&control->job, memory_order_seq_cst);
		if (awake)
			quiesce_set_hungry(w, false);
		else
			quiesce_set_state(w, ARENA_IDLE);
	}
	return awake;
}

/* Who has mail will be busy in a moment, whatever it says. */
static enum arena_state quiesce_state_of(const struct worker *w, uint32_t who)
{
	const struct arena_line *line = &w->arena->lines[who];
	/* seq_cst: of two that begin to wait together, or one and the last that goes idle, one sees the other */
	const uint64_t state = atomic_load_explicit(&line->state, memory_order_seq_cst);

	if (atomic_load_explicit(&line->inbox, memory_order_seq_cst) != 0)
		return ARENA_BUSY;
	return quiesce_state(state);
}

bool quiesce_others_busy(const struct worker *w)
{
	for (uint32_t i = 0; i < w->arena->n; i++)
		if (i != w->me && quiesce_state_of(w, i) == ARENA_BUSY)
			return true;
	return false;
}

/* Is it this partition, or one of the same process, which does nothing while we wait? */
static bool quiesce_is_ours(const struct worker *w, uint32_t part)
{
	struct worker *one;

	if (part == w->me)
		return true;
	for (uint32_t i = 0; w->host && (one = quiesce_next(w->host, NULL, i)) != NULL; i++)
		if (one->me == part)
			return true;
	return false;
}

/* Of those that wait, are we the first, and is nobody busy? Others of this process have been asked before, see host.c. */
static bool quiesce_is_my_turn(const struct worker *w)
{
	for (uint32_t i = 0; i < w->arena->n; i++) {
		const enum arena_state state = quiesce_is_ours(w, i) ? ARENA_IDLE : quiesce_state_of(w, i);

		if (state == ARENA_BUSY || (state == ARENA_WAITS && i < w->me))
			return false;
	}
	return true;
}

/* Has any of this process mail? */
static bool quiesce_has_mail(struct worker *w)
{
	struct worker *one;

	for (uint32_t i = 0; (one = quiesce_next(w->host, w, i)) != NULL; i++)
		if (atomic_load_explicit(&one->line->inbox, memory_order_relaxed) != 0 || one->unread != 0)
			return true;
	return false;
}

enum quiesce_wait quiesce_wait(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint64_t begin = plx_now_ns();
	enum quiesce_wait why;

	if (w->yields) {
		w->waits = true;
		return QUIESCE_MAIL;
	}
	quiesce_set_hungry(w, true);
	quiesce_set_state(w, ARENA_WAITS);
	for (;;) {
		const uint64_t waited = plx_now_ns() - begin;

		why = QUIESCE_MAIL;
		if (quiesce_has_mail(w) || quiesce_is_stopping(w) || quiesce_pause_wanted(w->arena) != 0 ||
		    (w->host && host_is_asked(w->host)) ||
		    atomic_load_explicit(&control->leave, memory_order_relaxed))
			break;
		why = QUIESCE_TURN;
		if (quiesce_is_my_turn(w))
			break;
		why = QUIESCE_LATE;
		if (waited > QUIESCE_WAIT_NS || w->alone_in_process)
			break;
		if (waited > QUIESCE_SPIN_NS)
			quiesce_sleep(w->arena, w->bell, w->host, w, QUIESCE_WAIT_NS);
		else
			QUIESCE_PAUSE();
	}
	w->waits = why == QUIESCE_MAIL && w->crowded; /* it may be another's */
	quiesce_set_state(w, ARENA_BUSY);
	quiesce_set_hungry(w, false);
	return why;
}

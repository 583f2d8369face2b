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

#include "reducer/net/mail.h"
#include "reducer/net/quiesce.h"

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

	for (uint32_t i = 0; i < w->n; i++) {
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
	for (uint32_t i = 0; i < w->n; i++)
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

static uint32_t quiesce_pause_wanted(const struct worker *w)
{
	/* P2 seq_cst: after asleep (W2), before we look for work; pairs with P1 */
	return atomic_load_explicit(&w->arena->control->pause, memory_order_seq_cst);
}

void quiesce_pause(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint32_t number = quiesce_pause_wanted(w);

	if (number == 0)
		return;
	/* P3 release: pairs with P4; whoever sees it sees all that we have committed */
	atomic_store_explicit(&w->line->paused, number, memory_order_release);
	plx_futex_wake((uint32_t *)&w->line->paused, 1);
	while (quiesce_pause_wanted(w) == number)
		if (plx_futex_wait((const uint32_t *)&control->pause, number, UINT64_MAX) < 0) {
			/* interrupted: look again */
		}
}

/* Until somebody rings; returns at once when there is a reason already. */
static void quiesce_sleep(struct worker *w, bool over, uint64_t timeout_ns)
{
	struct arena_control *control = w->arena->control;

	/* W2 seq_cst: before the looks that follow; pairs with W1 and W3 */
	atomic_store_explicit(&w->line->asleep, 1, memory_order_seq_cst);
	if ((over || quiesce_is_stopping(w) ||
	     (atomic_load_explicit(&w->line->inbox, memory_order_seq_cst) == 0 && w->unread == 0)) &&
	    atomic_load_explicit(&control->job, memory_order_seq_cst) == w->job &&
	    quiesce_pause_wanted(w) == 0 && !atomic_load_explicit(&control->leave, memory_order_seq_cst)) {
		w->now.parked++;
		if (plx_futex_wait((const uint32_t *)&w->line->asleep, 1, timeout_ns) < 0) {
			/* interrupted or late: look again */
		}
	}
	atomic_store_explicit(&w->line->asleep, 0, memory_order_relaxed);
}

static bool quiesce_is_over(const struct worker *w)
{
	return atomic_load_explicit(&w->arena->control->ended, memory_order_seq_cst) == w->job;
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
	quiesce_set_hungry(w, true);
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

bool quiesce_rest(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	uint64_t since = 0;

	quiesce_lie_down(w);
	for (;;) {
		bool over;

		if (atomic_load_explicit(&control->leave, memory_order_relaxed))
			return false;
		quiesce_pause(w);
		if (quiesce_look_up(w))
			return true;
		over = quiesce_is_over(w);
		if (since == 0)
			since = plx_now_ns();
		if (over || plx_now_ns() - since > QUIESCE_SPIN_NS) {
			quiesce_sleep(w, over, UINT64_MAX);
			since = 0;
		} else {
			QUIESCE_PAUSE();
		}
	}
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
	/* release: whoever sees this sees the partition as we leave it */
	atomic_store_explicit(&w->line->starting, 0, memory_order_release);
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
	for (uint32_t i = 0; i < w->n; i++)
		if (i != w->me && quiesce_state_of(w, i) == ARENA_BUSY)
			return true;
	return false;
}

/* Of those that wait, are we the first, and is nobody busy? */
static bool quiesce_is_my_turn(const struct worker *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const enum arena_state state = i == w->me ? ARENA_IDLE : quiesce_state_of(w, i);

		if (state == ARENA_BUSY || (state == ARENA_WAITS && i < w->me))
			return false;
	}
	return true;
}

enum quiesce_wait quiesce_wait(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint64_t begin = plx_now_ns();
	enum quiesce_wait why;

	quiesce_set_hungry(w, true);
	quiesce_set_state(w, ARENA_WAITS);
	for (;;) {
		const uint64_t waited = plx_now_ns() - begin;

		why = QUIESCE_MAIL;
		if (atomic_load_explicit(&w->line->inbox, memory_order_relaxed) != 0 || w->unread != 0 ||
		    quiesce_is_stopping(w) || quiesce_pause_wanted(w) != 0 ||
		    atomic_load_explicit(&control->leave, memory_order_relaxed))
			break;
		why = QUIESCE_TURN;
		if (quiesce_is_my_turn(w))
			break;
		why = QUIESCE_LATE;
		if (waited > QUIESCE_WAIT_NS || w->alone_in_process)
			break;
		if (waited > QUIESCE_SPIN_NS)
			quiesce_sleep(w, false, QUIESCE_WAIT_NS);
		else
			QUIESCE_PAUSE();
	}
	quiesce_set_state(w, ARENA_BUSY);
	quiesce_set_hungry(w, false);
	return why;
}

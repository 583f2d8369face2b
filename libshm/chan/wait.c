/*
 * wait.c - how an end of a channel waits for the other side, and wakes it.
 *
 *	look ... spin, at most 10 us ... yield once ... say that we sleep, fence, look once more, sleep
 *
 * Who makes something available stores it and then looks at one word, in which sleepers set their bits: no fence, nothing
 * written. The sleeper pays for both: between setting its bit and its last look it asks the kernel to fence every
 * processor that runs one of us (membarrier). Without membarrier, sleeps are short. They are bounded anyhow: who had to
 * wake us may have been killed between clearing our bit and doing it, or anybody before closing; so we look again.
 *
 * Spinning adapts. Where it never finds anything (both ends on one processor) it becomes a single pause. And where a receiver
 * has caught up with a fast sender, looking all the time takes each line away from who is writing it: that costs both of
 * them ten times what it costs to let the sender write some lines in peace. So when elements keep coming while we look, we
 * wait a moment (at most 2 us) before we look, as long as that brings many of them at a time.
 */
#include "chan/wait.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"
#include "chan/seat.h"
#include <plx/process.h>

#define SPIN_NS    10000u
#define SPIN_LEAST 1u /* pauses */
#define CALM_NS    2000u
#define SLICE_NS                                                                                             \
	20000000ull /* a first sleep, at most, later ones eight times that; then we look who is alive */
#define SHORT_NS 1000000ull /* ... where there is no membarrier */
#define POLLS    4u         /* pauses between two looks: each look may take the line from its writer */

static struct {
	uint32_t pid;     /* for which process all this was found out */
	uint32_t barrier; /* 1: membarrier works */
	uint32_t us;      /* pauses in a microsecond */
} here;

void plx_chan_prepare(void)
{
	uint32_t pid = (uint32_t)plx_sys_pid();
	uint64_t begin, ns;

	/* relaxed: threads that come here together find out the same */
	if (plx_read_once(&here.pid) == pid)
		return;
	plx_write_once(&here.barrier, (plx_sys_barriers() & PLX_SYS_BARRIER_GLOBAL) &&
					      plx_sys_barrier_register(PLX_SYS_BARRIER_GLOBAL) == 0);
	begin = plx_now_ns();
	for (int i = 0; i < 256; i++)
		plx_relax();
	ns = plx_now_ns() - begin;
	plx_write_once(&here.us, ns < 256 ? 1000 : (uint32_t)(256000 / ns) + 1);
	plx_write_once(&here.pid, pid);
}

void plx_chan_fence(void)
{
	/* our own half is the atomic instruction before the call */
	if (plx_read_once(&here.barrier))
		(void)!plx_sys_barrier(PLX_SYS_BARRIER_GLOBAL);
}

void plx_chan_pause(void)
{
	plx_relax();
}

uint32_t plx_chan_pauses_us(void)
{
	return plx_read_once(&here.us);
}

bool plx_chan_has_barrier(void)
{
	return plx_read_once(&here.barrier);
}

/* ---- waking ---------------------------------------------------------------------------------------- */

/* A sleeper in poll(): a byte into its pipe, through /proc when it is of another process. */
static void ring(const struct plx_seat *seat, uint32_t bell)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd/%u", PLX_OWNER_PID(plx_read_once(&seat->owner)), bell - 1);
	fd = plx_sys_open(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!plx_sys_write(fd, "", 1); /* full: it is readable already */
	plx_sys_close(fd);
}

/* Wake who sits there. Return: false when nobody slept. */
static bool rouse(struct plx_seat *seat)
{
	uint32_t sleep = plx_read_once(&seat->sleep), bell = plx_read_once(&seat->bell);

	if (!(sleep & 1) || !__atomic_compare_exchange_n(&seat->sleep, &sleep, sleep + 1, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	if (bell != 0) {
		ring(seat, bell);
		return true;
	}
	return plx_futex_wake(&seat->sleep, 1) > 0;
}

void plx_chan_wake(struct plx_channel *c, bool receivers, uint64_t among)
{
	uint64_t *word = receivers ? &c->to_senders : &c->to_receivers;
	uint64_t asleep;

	among &= ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE);
	while ((asleep = plx_read_once(word) & among) != 0) {
		uint32_t number = (uint32_t)__builtin_ctzll(asleep);
		uint64_t bit = 1ull << number;

		/* whoever clears the bit wakes */
		if (!(__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit))
			continue;
		__atomic_fetch_add(&c->woken, 1, __ATOMIC_RELAXED);
		/* nobody there, or on its way to sleep, or dead: the next one, too */
		if (rouse(plx_seat_at(c, !receivers, number, c->senders)))
			return;
	}
}

void plx_chan_wake_all(struct plx_channel *c, bool receivers)
{
	uint64_t *word = receivers ? &c->to_senders : &c->to_receivers;

	for (int i = 0; i < 64 && (plx_read_once(word) & ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE)); i++)
		plx_chan_wake(c, receivers, UINT64_MAX);
}

/* ---- sleeping -------------------------------------------------------------------------------------- */

static uint64_t *bits_of(const struct plx_end *end)
{
	return end->sends ? &end->channel->to_receivers : &end->channel->to_senders;
}

uint32_t plx_chan_sleeps(struct plx_end *end)
{
	uint32_t sleep = (plx_read_once(&end->seat->sleep) + 1) | 1;

	__atomic_store_n(&end->seat->sleep, sleep, __ATOMIC_RELAXED);
	/* WT1: pairs with the look of who sends, or makes room; the fence between is ours */
	if (!plx_mutant(MUT_CHAN_SLEEP_UNSAID))
		__atomic_fetch_or(bits_of(end), 1ull << end->number, __ATOMIC_SEQ_CST);
	return sleep;
}

static uint32_t fall_asleep(struct plx_end *end)
{
	uint32_t sleep = plx_chan_sleeps(end);

	plx_chan_fence();
	return sleep;
}

void plx_chan_wakes(struct plx_end *end)
{
	uint64_t bit = 1ull << end->number;
	uint32_t sleep = plx_read_once(&end->seat->sleep);

	if (end->bell >= 0)
		plx_write_once(&end->seat->bell, 0);
	if (plx_read_once(bits_of(end)) & bit)
		__atomic_fetch_and(bits_of(end), ~bit, __ATOMIC_SEQ_CST);
	if (sleep & 1) /* or somebody wakes us just now */
		__atomic_compare_exchange_n(&end->seat->sleep, &sleep, sleep + 1, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED);
}

bool plx_chan_arm(struct plx_end *end, const struct plx_chan_question *q)
{
	char bytes[64];

	if (end->bell >= 0) {
		while (plx_sys_read(end->bell, bytes, sizeof(bytes)) > 0)
			;
		plx_write_once(&end->seat->bell, (uint32_t)end->bell_write + 1);
	}
	fall_asleep(end);
	if (plx_mutant(MUT_CHAN_NO_SECOND_LOOK) || (!q->ready(q->of) && q->ended(q->of) == 0))
		return true;
	plx_chan_wakes(end);
	return false;
}

static void count(uint64_t *counter)
{
	plx_write_once(counter, plx_read_once(counter) + 1); /* relaxed: one writer */
}

/* Sleep once. Return: 0 (look again), -ETIMEDOUT, -EINTR. */
static int park(struct plx_end *end, const struct plx_chan_question *q, uint64_t timeout_ns, uint32_t rounds)
{
	uint64_t most = plx_read_once(&here.barrier) ? SLICE_NS << (rounds < 3 ? rounds : 3) : SHORT_NS;
	uint32_t sleep = fall_asleep(end);
	int ret = 0;

	if (!q->ready(q->of)) {
		count(&end->seat->parked);
		ret = plx_futex_wait(&end->seat->sleep, sleep, timeout_ns < most ? timeout_ns : most);
		if (ret == -ETIMEDOUT && (plx_read_once(bits_of(end)) >> end->number & 1) && q->ready(q->of))
			count(&end->seat->overslept);
	}
	plx_chan_wakes(end);
	return ret;
}

/* ---- spinning -------------------------------------------------------------------------------------- */

static bool pause_for(const struct plx_chan_question *q, uint32_t pauses, uint32_t polls)
{
	for (uint32_t i = 0; i < pauses; i++) {
		if (i % polls == 0 && q->ready(q->of))
			return true;
		plx_relax();
	}
	return q->ready(q->of);
}

/*
 * How long to leave the sender alone before we look. What came since we last had to wait tells whether that paid. It is
 * tried when elements came at once many times in a row: somebody is sending as fast as it can.
 */
static void choose_calm(struct plx_end *end, const struct plx_chan_question *q)
{
	uint64_t now = *q->progress, came = now - end->mark;
	uint32_t most = CALM_NS * plx_read_once(&here.us) / 1000;

	end->mark = now;
	if (end->calm == 0) {
		if (end->streak >= 32)
			end->calm = most / 8 + 1;
	} else if (came >= 2ull * q->many) {
		end->calm = end->calm < most ? end->calm + end->calm / 4 + 1 : most;
	} else {
		end->calm = end->calm / 2 <= most / 16 ? 0 : end->calm / 2;
		end->streak = end->calm ? 0 : -1024; /* a while before we try again */
	}
}

static bool spin(struct plx_end *end, const struct plx_chan_question *q)
{
	uint32_t us = plx_read_once(&here.us), most = us * SPIN_NS / 1000;
	bool found;

	if (end->spin < SPIN_LEAST)
		end->spin = most;
	if (q->progress && end->spin > SPIN_LEAST) {
		choose_calm(end, q);
		for (uint32_t i = 0; i < end->calm; i++)
			plx_relax();
		/* an answer may be on its way: it is worth looking all the time, but not for long */
		if (pause_for(q, us / 2, 1)) {
			end->streak = end->streak < 1024 ? end->streak + 1 : end->streak;
			return true;
		}
		end->streak = end->streak < 0 ? end->streak + 1 : 0;
	}
	found = pause_for(q, end->spin, POLLS);
	/* what never helps becomes short; from time to time the whole is tried again */
	if (found)
		end->spin = most;
	else if (end->spin / 2 > SPIN_LEAST)
		end->spin /= 2;
	else
		end->spin = ++end->vain % 64 == 0 ? most : SPIN_LEAST;
	return found;
}

/* ---- all of it ------------------------------------------------------------------------------------- */

int plx_chan_wait(struct plx_end *end, const struct plx_chan_question *q, uint64_t timeout_ns)
{
	uint64_t begin = 0, gone = 0;
	int ret;

	if (end->sends)
		count(&end->seat->full);
	else
		count(&end->seat->empty);
	if (timeout_ns == 0) {
		ret = q->ready(q->of) ? 0 : q->ended(q->of);
		/* ended after our look: what came before that counts */
		return q->ready(q->of) ? 0 : ret < 0 ? ret : -EAGAIN;
	}
	if (spin(end, q))
		return 0;
	plx_sys_yield();
	for (uint32_t rounds = 0;; rounds++) {
		if (q->ready(q->of))
			return 0;
		ret = q->ended(q->of);
		if (ret < 0)
			return q->ready(q->of) ? 0
					       : ret; /* ended after our look: what came before that counts */
		if (timeout_ns != UINT64_MAX) {
			uint64_t now = plx_now_ns();

			begin = begin ? begin : now;
			gone = now - begin;
			if (gone >= timeout_ns)
				return -ETIMEDOUT;
		}
		ret = park(end, q, timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - gone, rounds);
		if (ret == -EINTR)
			return q->ready(q->of) ? 0 : -EINTR;
		if (ret == -ETIMEDOUT)
			(void)plx_channel_bury(end->channel, 0);
	}
}

/* ---- descriptors ----------------------------------------------------------------------------------- */

int plx_end_fd(struct plx_end *end)
{
	int pipe[2], ret;

	if (end->bell >= 0)
		return end->bell;
	ret = plx_sys_pipe(pipe);
	if (ret < 0)
		return ret;
	end->bell = pipe[0];
	end->bell_write = pipe[1];
	return end->bell;
}

void plx_chan_unring(struct plx_end *end)
{
	plx_write_once(&end->seat->bell, 0);
	plx_sys_close(end->bell);
	plx_sys_close(end->bell_write);
	end->bell = -1;
	end->bell_write = -1;
}

/*
 * wait.c - a subscriber waits: spins a little, says that it sleeps, looks once more, sleeps.
 *
 * The publisher pays nothing for this: it looks at our sleep word after each publish, without a fence. We pay: after
 * the word is set, the kernel makes every publisher's processor fence (membarrier), and only then we look for the
 * last time. Either we see the message, or the publisher sees the word and wakes us. A publisher that wakes somebody
 * all the time fences itself and says so; then we need not ask the kernel. Where there is no membarrier, we sleep in
 * slices.
 *
 * One system call is one sleep: epoll knows the alarms of all publishers, their sockets, their deaths, newcomers. An
 * alarm is edge-triggered and nothing is read from it.
 */
#include <errno.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "base/wait.h"
#include "topic/fence.h"
#include "topic/subscriber_state.h"

#define BLIND_SLICE_NS   UINT64_C(10000000)
#define SPINS_A_CLOCK    32u   /* looks between two looks at the clock */
#define SPINS_A_PROGRESS 4096u /* looks between two looks at the sockets, for who never sleeps */

/* Would take have something to say? */
static bool something(const struct plx_subscriber *sub)
{
	for (uint32_t i = 0; i < sub->reader_count; i++) {
		const struct plx_connection *c = sub->readers[i];

		if (c->hung_up || plx_reader_look(&c->reader) != PLX_READER_NOTHING)
			return true;
	}
	return false;
}

static bool ready(const struct plx_subscriber *sub)
{
	for (uint32_t i = 0; i < sub->reader_count; i++) {
		if (plx_reader_ready(&sub->readers[i]->reader))
			return true;
	}
	return false;
}

/* ---- the sleep word -------------------------------------------------------------------------------- */

static void set_sleep(struct plx_connection *c, bool asleep)
{
	uint32_t how = !asleep ? 0 : c->alarm < 0 ? PLX_SLEEP_ASLEEP : PLX_SLEEP_ASLEEP | PLX_SLEEP_ALARM;

	if ((c->sleep & PLX_SLEEP_BITS) == how)
		return;
	c->sleep = (c->sleep | PLX_SLEEP_BITS) + 1 + how;
	/* S2 relaxed: ordered by the barrier in fall_asleep(); pairs with S1 */
	__atomic_store_n(&c->reader.link->sleep, c->sleep, __ATOMIC_RELAXED);
}

/* What was published before it returns, we see; who publishes after that sees that we sleep. */
static void say_asleep(struct plx_subscriber *sub)
{
	bool fenced = true;

	for (uint32_t i = 0; i < sub->reader_count; i++)
		set_sleep(sub->readers[i], true);
	if (plx_mutant(MUT_SLEEP_UNFENCED))
		return;
	plx_fence_full();
	for (uint32_t i = 0; i < sub->reader_count; i++) {
		/* S3 acquire: pairs with W3 */
		fenced &= __atomic_load_n(&sub->readers[i]->reader.head->fenced, __ATOMIC_ACQUIRE) == 1;
	}
	sub->blind_sleep = !fenced && plx_sys_barrier(PLX_SYS_BARRIER_GLOBAL) < 0;
}

void plx_subscriber_disarm(struct plx_subscriber *sub)
{
	if (!sub->armed)
		return;
	sub->armed = false;
	for (uint32_t i = 0; i < sub->reader_count; i++)
		set_sleep(sub->readers[i], false);
	plx_subscriber_settle(sub);
}

/* We are disarmed. false: there is something after all. */
static bool fall_asleep(struct plx_subscriber *sub)
{
	for (uint32_t i = 0; i < sub->reader_count; i++)
		plx_reader_hint(&sub->readers[i]->reader);
	if (something(sub))
		return false;
	sub->armed = true;
	plx_subscriber_settle(sub);
	say_asleep(sub);
	if (plx_mutant(MUT_NO_LOOK_BEFORE_SLEEP) || !something(sub))
		return true;
	plx_subscriber_disarm(sub);
	return false;
}

bool plx_subscriber_arm(struct plx_subscriber *sub)
{
	plx_subscriber_disarm(sub); /* whoever was woken for the last sleep will not be for that one again */
	plx_subscriber_progress(sub);
	return fall_asleep(sub);
}

/* ---- spinning -------------------------------------------------------------------------------------- */

#define SPIN_VAIN       2u  /* spins in vain, in a row: from then on only now and then */
#define SPIN_SKIP_SHIFT 8u  /* at most so many waits, as a power of two, without one */
#define SPIN_PATIENCE   16u /* times as long as it took lately */

/* Look so often, for so long at most; how often it took, or 0. */
static uint32_t spin_for(const struct plx_subscriber *sub, uint32_t looks, uint64_t ns)
{
	uint64_t end = 0;

	for (uint32_t n = 1; n <= looks; n++) {
		if (ready(sub))
			return n;
		plx_relax();
		if (n % SPINS_A_CLOCK == 0) {
			uint64_t now = plx_now_ns();

			if (end == 0)
				end = now + ns;
			else if (now >= end)
				break;
		}
	}
	return 0;
}

/*
 * Spin while that finds something, and not much longer than that takes; else only now and then, in case times have
 * changed, and then for as long as allowed. On one processor with its publisher a subscriber spins in vain for ever,
 * and soon hardly at all; so do many that share few processors.
 */
static bool spin(struct plx_subscriber *sub, uint64_t ns)
{
	uint32_t looks = UINT32_MAX;

	if (ready(sub))
		return true;
	if (ns == 0 || sub->reader_count == 0)
		return false;
	if (sub->spin_skip) {
		sub->spin_skip--;
		return false;
	}
	if (sub->spin_vain < SPIN_VAIN && sub->spin_looks)
		looks = sub->spin_looks * SPIN_PATIENCE + SPINS_A_CLOCK;
	looks = spin_for(sub, looks, ns);
	if (looks) {
		sub->spin_looks = sub->spin_looks ? (sub->spin_looks * 7 + looks) / 8 + 1 : looks;
		sub->spin_vain = 0;
		return true;
	}
	if (sub->spin_vain < SPIN_VAIN + SPIN_SKIP_SHIFT)
		sub->spin_vain++;
	if (sub->spin_vain > SPIN_VAIN)
		sub->spin_skip = UINT32_C(1) << (sub->spin_vain - SPIN_VAIN);
	return false;
}

/* ---- waiting --------------------------------------------------------------------------------------- */

/* Never sleep: spin for a while, then see whether a signal or a socket has something. */
static int spin_on(struct plx_subscriber *sub)
{
	struct pollfd p = { .fd = sub->epoll, .events = POLLIN };
	int ret;

	for (uint32_t i = 0; i < SPINS_A_PROGRESS; i++) {
		if (ready(sub))
			return 1;
		plx_relax();
	}
	ret = plx_wait_poll(&p, 1, 1);
	if (ret < 0)
		return ret;
	plx_subscriber_progress(sub);
	return ret > 0 || something(sub);
}

/* 1 look again, 0 nothing so far, negative. */
static int sleep_on(struct plx_subscriber *sub, uint64_t left)
{
	struct epoll_event events[PLX_SUBSCRIBER_EVENTS];
	uint64_t ns;
	int n;

	if (!fall_asleep(sub))
		return 1;
	ns = plx_subscriber_pause_ns(sub);
	if (sub->blind_sleep && ns > BLIND_SLICE_NS)
		ns = BLIND_SLICE_NS;
	sub->slept++;
	n = plx_wait_epoll(sub->epoll, events, PLX_SUBSCRIBER_EVENTS, ns < left ? ns : left);
	plx_subscriber_disarm(sub);
	if (n < 0)
		return n;
	return plx_subscriber_handle(sub, events, n) || something(sub);
}

int plx_subscriber_wait(struct plx_subscriber *sub, uint64_t timeout_ns)
{
	bool never = sub->polling || sub->spin_ns == UINT32_MAX;
	uint64_t now = 0, end = UINT64_MAX, missed = sub->missed;
	int ret;

	plx_subscriber_disarm(sub);
	if (timeout_ns == 0) {
		plx_subscriber_progress(sub);
		return something(sub) ? 0 : -ETIMEDOUT;
	}
	if (spin(sub, never ? 0 : sub->spin_ns < timeout_ns ? sub->spin_ns : timeout_ns))
		return 0;
	for (uint32_t i = 0; i < sub->reader_count; i++)
		plx_reader_hint(&sub->readers[i]->reader);
	if (timeout_ns != UINT64_MAX || sub->deadline_ns) {
		now = plx_now_ns();
		if (sub->deadline_ns)
			plx_subscriber_deadline(sub, now);
		end = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	}
	for (;;) {
		uint64_t left = end == UINT64_MAX ? UINT64_MAX : end - now;

		ret = never && sub->reader_count ? spin_on(sub) : sleep_on(sub, left);
		if (plx_unlikely(sub->missed != missed) && ret >= 0 && !something(sub))
			return -ETIME;
		if (ret != 0)
			return ret < 0 ? ret : 0;
		if (end == UINT64_MAX)
			continue;
		now = plx_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
	}
}

/*
 * wait.c - a subscriber waits: spins a little, says that it sleeps, looks once more, sleeps.
 *
 * The publisher pays nothing for this: it looks at our sleep word after each publish, without a fence. We pay: after
 * the word is set, the kernel makes every publisher's processor fence (membarrier), and only then we look for the
 * last time. Either we see the message, or the publisher sees the word and sends a byte. Where there is no
 * membarrier, we sleep in slices.
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
	if ((c->sleep & 1) == asleep)
		return;
	c->sleep++;
	/* S2 relaxed: ordered by the barrier in plx_subscriber_arm(); pairs with S1 */
	__atomic_store_n(&c->reader.link->sleep, c->sleep, __ATOMIC_RELAXED);
}

void plx_subscriber_disarm(struct plx_subscriber *sub)
{
	if (!sub->armed)
		return;
	sub->armed = false;
	for (uint32_t i = 0; i < sub->reader_count; i++)
		set_sleep(sub->readers[i], false);
}

bool plx_subscriber_arm(struct plx_subscriber *sub)
{
	plx_subscriber_disarm(sub); /* whoever was woken for the last sleep will not be for that one again */
	plx_subscriber_progress(sub);
	for (uint32_t i = 0; i < sub->reader_count; i++)
		plx_reader_hint(&sub->readers[i]->reader);
	if (something(sub))
		return false;
	sub->armed = true;
	for (uint32_t i = 0; i < sub->reader_count; i++)
		set_sleep(sub->readers[i], true);
	plx_fence_full();
	if (sub->reader_count)
		sub->blind_sleep = plx_sys_barrier(PLX_SYS_BARRIER_GLOBAL) < 0;
	if (plx_mutant(MUT_NO_LOOK_BEFORE_SLEEP) || !something(sub))
		return true;
	plx_subscriber_disarm(sub);
	return false;
}

/* ---- waiting --------------------------------------------------------------------------------------- */

/* Look for so long; true when there is something. */
static bool spin(const struct plx_subscriber *sub, uint64_t ns)
{
	uint64_t end;

	if (ready(sub))
		return true;
	if (ns == 0 || sub->reader_count == 0)
		return false;
	end = plx_now_ns() + ns;
	do {
		for (uint32_t i = 0; i < SPINS_A_CLOCK; i++) {
			if (ready(sub))
				return true;
			plx_relax();
		}
	} while (plx_now_ns() < end);
	return false;
}

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

static int sleep_on(struct plx_subscriber *sub, uint64_t left)
{
	struct pollfd p = { .fd = sub->epoll, .events = POLLIN };
	uint64_t ns;
	int ret;

	if (!plx_subscriber_arm(sub))
		return 1;
	ns = plx_subscriber_pause_ns(sub); /* only now: what arm met may want to be tried again */
	if (sub->blind_sleep && ns > BLIND_SLICE_NS)
		ns = BLIND_SLICE_NS;
	sub->slept++;
	ret = plx_wait_poll(&p, 1, ns < left ? ns : left);
	plx_subscriber_disarm(sub);
	if (ret < 0)
		return ret;
	plx_subscriber_progress(sub);
	return ret > 0 || something(sub);
}

int plx_subscriber_wait(struct plx_subscriber *sub, uint64_t timeout_ns)
{
	bool never = sub->polling || sub->spin_ns == UINT32_MAX;
	uint64_t now, end;
	int ret;

	plx_subscriber_disarm(sub);
	if (spin(sub, never ? 0 : sub->spin_ns < timeout_ns ? sub->spin_ns : timeout_ns))
		return 0;
	for (uint32_t i = 0; i < sub->reader_count; i++)
		plx_reader_hint(&sub->readers[i]->reader);
	now = plx_now_ns();
	end = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	for (;;) {
		ret = never && sub->reader_count ? spin_on(sub)
						 : sleep_on(sub, end == UINT64_MAX ? end : end - now);
		if (ret != 0)
			return ret < 0 ? ret : 0;
		now = plx_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
	}
}

/*
 * select.c - waiting for several channels at once.
 *
 * As for one: look, spin, yield, then say in each of them that we sleep, fence once, look once more, and sleep on all their
 * words together. Each of them wakes us in its own way, so no sender knows the difference.
 */
#include <plx/process.h>
#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"
#include "base/wait.h"
#include "chan/channel.h"
#include "chan/wait.h"

#define SPIN_US  10u
#define SLICE_NS 50000000ull
#define SHORT_NS 1000000ull /* where the kernel cannot wait for many words, or cannot fence */

static int look(const struct plx_choice *choices, uint32_t n, uint32_t begin)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (begin + i) % n;

		if (choices[k].ready(choices[k].of))
			return (int)k;
	}
	return -EAGAIN;
}

static int look_closely(const struct plx_choice *choices, uint32_t n, uint32_t begin)
{
	int ret = look(choices, n, begin);

	for (uint32_t i = 0; i < n && ret < 0; i++) {
		uint32_t k = (begin + i) % n;

		if (choices[k].ended(choices[k].of) < 0)
			ret = (int)k;
	}
	return ret;
}

/* Asleep in all of them. Return: 0 (look again), -ETIMEDOUT, -EINTR. */
static int park(const struct plx_choice *choices, uint32_t n, uint64_t timeout_ns)
{
	const uint32_t *words[PLX_CHOICES_MAX + 1];
	uint32_t values[PLX_CHOICES_MAX + 1];
	uint64_t most = plx_chan_has_barrier() ? SLICE_NS : SHORT_NS;
	int ret = 0;

	for (uint32_t i = 0; i < n; i++) {
		words[i] = &choices[i].end->seat->sleep;
		values[i] = plx_chan_sleeps(choices[i].end);
	}
	words[n] = &plx_wait_stop.raised; /* a request to stop is not slept through */
	values[n] = 0;
	plx_chan_fence();
	if (look(choices, n, 0) < 0) {
		for (uint32_t i = 0; i < n; i++)
			plx_write_once(&choices[i].end->seat->parked,
				       plx_read_once(&choices[i].end->seat->parked) + 1);
		most = timeout_ns < most ? timeout_ns : most;
		ret = plx_sys_gate_old() ? -ENOSYS : plx_sys_futex_waitv(words, values, n + 1, most);
		if (ret == -ENOSYS || ret == -EPERM)
			ret = plx_futex_wait(words[0], values[0], most < SHORT_NS ? most : SHORT_NS);
		ret = ret == -EAGAIN ? 0 : ret;
	}
	for (uint32_t i = plx_mutant(MUT_CHAN_CHOICE_STILL_SLEEPS) ? 1 : 0; i < n; i++)
		plx_chan_wakes(choices[i].end);
	/* the word is raised: report it as every sleep does */
	if (ret == 0 && plx_read_once(&plx_wait_stop.raised) &&
	    __atomic_exchange_n(&plx_wait_stop.raised, 0, __ATOMIC_RELAXED))
		ret = -EINTR;
	return ret;
}

int plx_select(const struct plx_choice *choices, uint32_t n, uint32_t begin, uint64_t timeout_ns)
{
	uint64_t start = 0, gone = 0;
	int ret;

	if (n == 0 || n > PLX_CHOICES_MAX)
		return -EINVAL;
	if (timeout_ns == 0)
		return look_closely(choices, n, begin);
	for (uint32_t i = 0; i < SPIN_US * plx_chan_pauses_us(); i++) {
		if (i % 4 == 0 && (ret = look(choices, n, begin)) >= 0)
			return ret;
		plx_chan_pause();
	}
	plx_sys_yield();
	for (;;) {
		ret = look_closely(choices, n, begin);
		if (ret >= 0)
			return ret;
		if (timeout_ns != UINT64_MAX) {
			uint64_t now = plx_now_ns();

			start = start ? start : now;
			gone = now - start;
			if (gone >= timeout_ns)
				return -ETIMEDOUT;
		}
		ret = park(choices, n, timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - gone);
		if (ret == -EINTR) {
			ret = look(choices, n, begin);
			return ret >= 0 ? ret : -EINTR;
		}
		if (ret == -ETIMEDOUT)
			for (uint32_t i = 0; i < n; i++)
				(void)plx_channel_bury(choices[i].end->channel, 0);
	}
}

/*
 * bias.c - the expensive half of the biased lock.
 *
 * The control thread waits in short sleeps: the user is inside for nanoseconds, or it was preempted there.
 */
#include "topic/bias.h"

#include "base/sys.h"

#define SPINS    64
#define SLICE_NS UINT64_C(50000)

void plx_bias_init(struct plx_bias *bias)
{
	bias->busy = 0;
	bias->wants = 0;
	bias->far = (plx_sys_barriers() & PLX_SYS_BARRIER_PRIVATE) != 0 &&
		    plx_sys_barrier_register(PLX_SYS_BARRIER_PRIVATE) == 0;
}

void plx_bias_step_aside(struct plx_bias *bias)
{
	plx_bias_leave(bias);
	/* relaxed: plx_bias_enter() looks again, with acquire */
	while (__atomic_load_n(&bias->wants, __ATOMIC_RELAXED) != 0) {
		int ret = plx_sys_futex_wait(&bias->wants, 1, 20 * SLICE_NS);

		(void)ret; /* woken, not needed any more, a signal, a slice: look again */
	}
}

void plx_bias_fence(const struct plx_bias *bias)
{
	/* a kernel that once registered us and now refuses is a filter put up since: then nothing orders the user's
	 * store and load, and sleeping for a slice lets its store buffer drain */
	plx_fence_full();
	if (bias->far && plx_sys_barrier(PLX_SYS_BARRIER_PRIVATE) < 0) {
		uint32_t never = 0;
		int ret = plx_sys_futex_wait(&never, 0, SLICE_NS);

		(void)ret;
	}
}

void plx_bias_claim(struct plx_bias *bias)
{
	/* relaxed: the fence orders it before the load of busy */
	__atomic_store_n(&bias->wants, 1, __ATOMIC_RELAXED);
	plx_bias_fence(bias);
	/* B4 acquire: pairs with B3; what the user did inside is seen */
	for (int spins = 0; __atomic_load_n(&bias->busy, __ATOMIC_ACQUIRE) != 0; spins++) {
		if (spins < SPINS) {
			plx_relax();
		} else {
			int ret = plx_sys_futex_wait(&bias->busy, 1, SLICE_NS);

			(void)ret; /* nobody wakes us: the user would have to look each time it leaves */
		}
	}
}

void plx_bias_yield(struct plx_bias *bias)
{
	/* B2 release: pairs with B1; what the control thread did inside is seen by the user */
	__atomic_store_n(&bias->wants, 0, __ATOMIC_RELEASE);
	plx_sys_futex_wake(&bias->wants, 1);
}

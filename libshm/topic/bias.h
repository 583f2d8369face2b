/* bias.h - a lock that costs its main user two plain stores, and everybody else a call to the kernel. */
#ifndef PLX_TOPIC_BIAS_H
#define PLX_TOPIC_BIAS_H

#include <plx/common.h>

#include "topic/fence.h"

/*
 * One thread, the user's, enters and leaves at each message; one other, the control thread, comes a few times in the
 * life of a connection. It lies where only that process writes, beside what it changes at each message: publishing then
 * dirties one line besides the entry (docs/performance.md).
 *
 *	user      busy = 1;  (near fence)  wants? -> leave, wait, again      ...      busy = 0
 *	control   wants = 1; membarrier (far fence); wait until busy == 0    ...      wants = 0
 *
 * The membarrier makes either the user see wants or the control thread see busy. Where the kernel has none, or a
 * filter forbids it, both sides pay for a full fence. Idea: biased locking (Kawachiya et al. 2002), with the
 * expedited membarrier in place of revocation by signal.
 */
struct plx_bias {
	uint32_t busy;  /* the user is inside */
	uint32_t wants; /* the control thread is inside, or wants to be */
	uint32_t far;   /* the kernel fences for us */
};

/** plx_bias_init() - registers with the kernel; never fails, falls back to full fences. */
void plx_bias_init(struct plx_bias *bias);

/** plx_bias_step_aside() - the slow half of plx_bias_enter(): wait until the control thread is done. */
void plx_bias_step_aside(struct plx_bias *bias) plx_cold;

/** plx_bias_fence() - what we stored before is seen by the user's thread, or what it stored is seen by all after this. */
void plx_bias_fence(const struct plx_bias *bias);

/**
 * plx_bias_claim() - the control thread enters: waits until the user is outside. plx_bias_yield() leaves.
 *
 * Safety: one thread other than the user's; may sleep.
 */
void plx_bias_claim(struct plx_bias *bias);
void plx_bias_yield(struct plx_bias *bias);

/* One try to enter; false: the control thread is there, plx_bias_step_aside() or plx_bias_leave() must follow. */
static inline bool plx_bias_try(struct plx_bias *bias)
{
	/* relaxed: the fence orders it before the load of wants */
	__atomic_store_n(&bias->busy, 1, __ATOMIC_RELAXED);
	if (plx_likely(bias->far))
		plx_fence_near();
	else
		plx_fence_full();
	/* B1 acquire: pairs with B2; what the control thread did inside is seen */
	return plx_likely(__atomic_load_n(&bias->wants, __ATOMIC_ACQUIRE) == 0);
}

/* The user enters: a store and a load of a line nobody else touches. Never while inside. */
static inline void plx_bias_enter(struct plx_bias *bias)
{
	while (!plx_bias_try(bias))
		plx_bias_step_aside(bias);
}

/* The user leaves: one store. */
static inline void plx_bias_leave(struct plx_bias *bias)
{
	/* B3 release: pairs with B4; what the user did inside is seen by the control thread */
	__atomic_store_n(&bias->busy, 0, __ATOMIC_RELEASE);
}

#endif

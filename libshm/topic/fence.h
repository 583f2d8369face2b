/* fence.h - full fences, and the asymmetric kind: one side pays nothing, the other asks the kernel. */
#ifndef PLX_TOPIC_FENCE_H
#define PLX_TOPIC_FENCE_H

#include <stdint.h>

#include "base/atomic.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLX_TSAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define PLX_TSAN 1
#endif

/* Order every load and store before it against every one after it, in this thread. 6 to 10 ns. */
static inline void plx_fence_full(void)
{
#ifdef PLX_TSAN
	static uint64_t
		nothing; /* ThreadSanitizer knows no fences: a locked instruction does the same on the machine */
	__atomic_fetch_add(&nothing, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* What was loaded before is older than what is loaded after: no instruction on x86. */
static inline void plx_fence_loads(void)
{
#ifdef PLX_TSAN
	plx_fence_full();
#else
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* What was stored before is seen before what is stored after: no instruction on x86. */
static inline void plx_fence_stores(void)
{
#ifdef PLX_TSAN
	plx_fence_full();
#else
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/*
 * The near half of an asymmetric fence: the compiler keeps the order, and plx_sys_barrier() on the far side makes the
 * machine keep it, when it matters.
 */
static inline void plx_fence_near(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif

/*
 * turn.c - waiting for one's turn: a moment awake, since a turn is a few dozen instructions, then asleep.
 */
#include "topic/turn.h"

#include "base/sys.h"
#include "topic/fence.h"

#define SPINS    100
#define SLICE_NS UINT64_C(10000000)

void plx_turn_wait(struct plx_turn *turn)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t nobody = 0;

		plx_relax();
		/* TU1 acquire, as in turn.h */
		if (__atomic_load_n(&turn->word, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&turn->word, &nobody, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
	}
	/* TU1 acquire; whoever slept leaves 2 behind: there may be others, and a wake too many does no harm */
	while (__atomic_exchange_n(&turn->word, 2, __ATOMIC_ACQUIRE) != 0) {
		int ret = plx_sys_futex_wait(&turn->word, 2, SLICE_NS);

		(void)ret; /* woken, passed on meanwhile, a signal, a slice: look again */
	}
}

void plx_turn_wake(struct plx_turn *turn)
{
	plx_sys_futex_wake(&turn->word, 1);
}

/* turn.h - the threads of one process take turns. Private memory only: no peer can touch it, and nobody dies holding it. */
#ifndef PLX_TOPIC_TURN_H
#define PLX_TOPIC_TURN_H

#include <plx/common.h>

/* Source: Drepper, Futexes Are Tricky, 2011, the second mutex. */
struct plx_turn {
	uint32_t word; /* 0 nobody's; 1 somebody's; 2 and others may sleep */
};

/** plx_turn_wait() - the slow half of plx_turn_take(): spin, then sleep until it is ours. */
void plx_turn_wait(struct plx_turn *turn) plx_cold;
/** plx_turn_wake() - the slow half of plx_turn_pass(): somebody may sleep. */
void plx_turn_wake(struct plx_turn *turn) plx_cold;

/* One compare-and-swap while nobody else wants it. */
static inline void plx_turn_take(struct plx_turn *turn)
{
	uint32_t nobody = 0;

	/* TU1 acquire: pairs with TU2; what the last one did is seen */
	if (plx_unlikely(!__atomic_compare_exchange_n(&turn->word, &nobody, 1, false, __ATOMIC_ACQUIRE,
						      __ATOMIC_RELAXED)))
		plx_turn_wait(turn);
}

static inline void plx_turn_pass(struct plx_turn *turn)
{
	/* TU2 release: pairs with TU1 */
	if (plx_unlikely(__atomic_exchange_n(&turn->word, 0, __ATOMIC_RELEASE) == 2))
		plx_turn_wake(turn);
}

#endif

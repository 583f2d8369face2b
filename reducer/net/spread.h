/*
 * spread.h - two workers of a net that are at work are not on one processor while there is another for one of them.
 *
 * Who is woken by a busy worker may be put behind it when all other processors have something else to do, and then stays
 * there for as long as most programs take: both get half a processor, what one waits for the other cannot compute, and two
 * workers are slower than one. So each says where it is, and who finds another in the same place goes to where none is. It
 * is a nudge: from there on the system may move it again. All of this is about speed: nothing else reads it.
 */
#ifndef REDUCER_NET_SPREAD_H
#define REDUCER_NET_SPREAD_H

#include "reducer/net/worker.h"

/* Between two moves: where all processors are taken there is nothing to gain from many. */
#define SPREAD_PAUSE_NS 2000000u

/* Ticks between two looks; after a sleep there is one at once. */
#define SPREAD_TICKS 64u

/* spread_look() - where are we, and who else is? */
void spread_look(struct worker *w);

/* spread_after_sleep() - who wakes may be anywhere. */
static inline void spread_after_sleep(struct worker *w)
{
	w->spread = 0;
}

/* At each tick among others: one decrement. */
static inline void spread_tick(struct worker *w)
{
	if (plx_unlikely(w->spread-- == 0)) {
		w->spread = SPREAD_TICKS;
		spread_look(w);
	}
}

#endif

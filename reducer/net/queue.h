/*
 * queue.h - the redexes of a worker: a stack it works off from the top, while givers take from the bottom, where the old
 * and large ones are. The owner alone touches it.
 *
 *	redexes        bottom                low        top             limit     end of memory
 *	|  given away  |  untouched for long  |  in use  |               |  slack  |
 */
#ifndef REDUCER_NET_QUEUE_H
#define REDUCER_NET_QUEUE_H

#include "reducer/net/worker.h"

/* Pushes between two ticks, at most: a rule leaves up to four redexes. */
#define QUEUE_SLACK (4 * ARENA_TICK + 8)

/* queue_room() - see that @redexes fit, and slack on top of them. Works on w->hot. Return: 0 or -errno. */
int queue_room(struct worker *w, uint64_t redexes);

/* queue_give() - hand about half of the redexes below the low-water mark to hungry workers, every other one. */
void queue_give(struct worker *w);

#endif

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

/* queue_give() - hand some of the redexes below the low-water mark to hungry workers. */
void queue_give(struct worker *w);

/*
 * queue_put_off() - @r was taken from below the mark: should it wait for what other workers are doing?
 *
 * An expansion whose arguments do not exist yet builds a large structure that waits for them. Alone we would have computed
 * them first, but they were given away. So it is put off until they have come, or nobody is busy who could send them.
 */
bool queue_put_off(struct worker *w, const struct pair *r);

/* queue_resume() - nothing else is left: take up again what was put off, or wait for mail. */
void queue_resume(struct worker *w);

#endif

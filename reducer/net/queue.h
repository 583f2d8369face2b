/*
 * queue.h - the redexes of a worker: a stack it works off from the top, while givers take from the bottom, where the old
 * and large ones are. The owner alone touches it.
 *
 *	redexes        bottom                 low                           floor              top      limit     end of memory
 *	|  given away  |  untouched for long  |  not touched in this batch  |  noted, in use  |        |  slack  |
 */
#ifndef REDUCER_NET_QUEUE_H
#define REDUCER_NET_QUEUE_H

#include "reducer/net/worker.h"

/* Pushes between two ticks, at most: a rule leaves up to four redexes. */
#define QUEUE_SLACK (4 * ARENA_TICK + 8)

/* queue_room() - at the beginning of a batch: see that @redexes fit, and slack on top of them. Works on w->hot. Return: 0 or -errno. */
int queue_room(struct worker *w, uint64_t redexes);

/* queue_give() - at the beginning of a batch: hand some of the redexes below the low-water mark to hungry workers. */
void queue_give(struct worker *w);

/*
 * queue_lower() - the top has come down to the floor: note what is below and put the floor lower. False: there is nothing.
 *
 * So the loop has one comparison for three things: the end of the stack, what a successor needs to know (batch.h), and (about)
 * how low the top has been since we last gave. Below the mark lies what was there when we gave; it may depend on what is gone. An expansion whose arguments do not exist yet builds a
 * large structure that waits for them: alone we would have computed them first, but they were given away. So
 * it is put off until they have come, or nobody is busy who could send them.
 */
bool queue_lower(struct worker *w);

/* queue_resume() - nothing else is left: take up again what was put off, or wait for mail. */
void queue_resume(struct worker *w);

#endif

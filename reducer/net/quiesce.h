/*
 * quiesce.h - resting, and knowing when everybody rests for good.
 *
 * A program is over when every worker is idle and every message sent has been received. Counters are exact while their
 * worker is idle. Whoever becomes idle looks at all states and counters; when they say that it is over it announces that
 * it is about to say so, and looks at all states again. When none has changed it is over: all were idle all the time from
 * the first look to the second, with just these counters. Who would become busy after the second look sees the
 * announcement first, and stays idle. A worker that finds somebody busy need do nothing more: that one will look when it becomes
 * idle itself. Each order of the supervisor (a program, or to go on with its result) counts as a message that worker 0 receives.
 */
#ifndef REDUCER_NET_QUIESCE_H
#define REDUCER_NET_QUIESCE_H

#include "reducer/net/worker.h"

struct host;

/*
 * quiesce_rest() - no partition of this process has anything to do: sleep, until one is awake again, or there is another
 * reason to go on.
 */
void quiesce_rest(struct host *h);

/* quiesce_lie_down(), quiesce_look_up() - the two ends of a rest: idle; busy again, if there is a reason. Neither waits. */
void quiesce_lie_down(struct worker *w);
bool quiesce_look_up(struct worker *w);

/*
 * quiesce_recover() - for who comes after the dead: as busy or idle as that one was. Who was busy
 * stays so without a break, so that nobody takes the program for over.
 * Return: is it to go on at once?
 */
bool quiesce_recover(struct worker *w);

/* quiesce_others_busy() - is anybody else computing? */
bool quiesce_others_busy(const struct worker *w);

/*
 * quiesce_pause() - right after a commit, the supervisor wants us to stand still: say that we do, until we may go on. What we
 * have shown and what we have committed are the same meanwhile. @bell: of our process
 */
void quiesce_pause(struct arena *arena, struct arena_line *bell);

enum quiesce_wait {
	QUIESCE_MAIL, /* there is mail, or a reason to stop */
	QUIESCE_TURN, /* nobody is busy: what is put off must be done, by us */
	QUIESCE_LATE, /* others are busy, but nothing came for some time */
};

/* quiesce_wait() - sleep until there is mail, though there are redexes; hungry meanwhile. */
enum quiesce_wait quiesce_wait(struct worker *w);

#endif

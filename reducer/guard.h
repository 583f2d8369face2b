/*
 * guard.h - somebody who starts another supervisor when the one there is gets killed.
 */
#ifndef REDUCER_GUARD_H
#define REDUCER_GUARD_H

#include "reducer/net/net.h"

/*
 * guard() - run @supervise in a child until it ends by itself; when a signal ends it, in another one.
 * @net: opened to have its workers later, and started; @supervise calls net_attend() first of all
 *
 * The child is the supervisor, its workers are its children. When it dies the kernel kills them; then they are ours to reap, and
 * only when all are dead the next supervisor begins. Signals that ask to stop, and SIGUSR1, are passed on. If we are
 * killed, the supervisor goes on without us. Where there can be no child @supervise runs here.
 *
 * Return: the exit code of the last one; 128 + a signal's number when it died of one that was passed on.
 */
int guard(struct net *net, int (*supervise)(void *arg), void *arg);

#endif

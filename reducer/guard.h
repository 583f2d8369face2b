/*
 * guard.h - somebody who starts another supervisor when the one there is gets killed.
 */
#ifndef REDUCER_GUARD_H
#define REDUCER_GUARD_H

#include <sys/types.h>

#include <plx/common.h>

struct guarded {
	int (*supervise)(void *arg);     /* in a child, until it ends by itself */
	uint64_t (*progress)(void *arg); /* differs when something was done since it was asked last */
	void (*died)(void *arg,
		     int signal); /* it was killed, and all its workers are dead; NULL: nothing to do */
	/* it was killed: can another one go on? NULL: always. Return: false, after saying why not */
	bool (*may_go_on)(void *arg);
	/* the child @pid has said guard_tell(@value); NULL: it says nothing */
	void (*hear)(void *arg, pid_t pid, int value);
	void *arg;
};

/*
 * guard() - run @what->supervise in a child until it ends by itself; when a signal ends it, in another one.
 *
 * The child is the supervisor, its workers are its children. When it dies the kernel kills them; then they are ours to reap, and
 * only when all are dead the next supervisor begins. Signals that ask to stop, and SIGUSR1, are passed on. If we are
 * killed, the supervisor goes on without us. Where there can be no child @what->supervise runs here.
 *
 * What was mapped before guard() (plx_segment.h: PLX_SEGMENT_INHERIT) all supervisors have, one after the other.
 *
 * Return: the exit code of the last one; 128 + a signal's number when it died of one that was passed on.
 */
int guard(const struct guarded *what);

/* guard_tell() - in the supervisor: the guard shall hear of it. Return: false when there is none any more. */
bool guard_tell(int value);

#endif

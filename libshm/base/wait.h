/*
 * wait.h - sleeping without sleeping through a request to stop.
 *
 * A program looks whether it was asked to stop, then sleeps; a signal that arrives between the two would be slept
 * through. So the handler (work/stop.c) raises a word, and these sleeps look at it in the same step in which they fall
 * asleep. The first sleep after a signal returns -EINTR, once; the next ones sleep again, so that a program can drain.
 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <poll.h>
#include <sys/epoll.h>

#include <plx/process.h>

/* What the handler touches. Words, so that a futex can wait for them; private to the process. */
struct plx_wait_stop {
	uint32_t watched; /* 1: a handler is installed, sleeps have to look */
	uint32_t raised;  /* 1: a signal came and no sleep has reported it yet */
	uint32_t signal;  /* the first signal that came; 0: none */
};
extern struct plx_wait_stop plx_wait_stop;

/**
 * plx_wait_poll() - ppoll(), except that a stop signal is never slept through.
 * @timeout_ns: nanoseconds, 0 looks once, UINT64_MAX for ever
 *
 * Return: how many are ready, 0 after the timeout, -EINTR, -ENOMEM.
 * Safety: threads which signals may interrupt; a thread with all signals blocked uses plx_sys_poll().
 */
int plx_wait_poll(struct pollfd *fds, unsigned int n, uint64_t timeout_ns) plx_must_check;

/** plx_wait_epoll() - the same for epoll_wait(). Return: how many @events there are, 0, -EINTR, -ENOMEM. */
int plx_wait_epoll(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns) plx_must_check;

#endif

/* process.h - start worker processes, know when they are gone, stop them; and stop oneself when asked to. */
#ifndef PLX_PROCESS_H
#define PLX_PROCESS_H

#include <plx/common.h>

/* A child process. A pidfd, never a bare pid, says whether it lives. */
struct plx_process {
	int pidfd; /* -1 when none */
	int32_t pid;
};
#define PLX_PROCESS_NONE ((struct plx_process){ .pidfd = -1 })

/* How a process ended. */
struct plx_exit {
	int code;   /* exit code, or -1 when a signal ended it */
	int signal; /* the signal, or 0 */
};

PLX_BEGIN

/**
 * plx_process_spawn() - fork a worker that runs @run and exits with what it returns.
 * @process: set on success
 * @name:    shown by ps and in /proc/PID/comm; at most 15 bytes
 * @run:     called in the child with @arg; its result, 0 ... 255, is the exit code
 *
 * The child is killed when the thread that spawned it dies; its signal handlers are the default ones, SIGINT ignored
 * (a terminal's Ctrl-C goes to the parent, which decides), its stdin is /dev/null. It has copies of the parent's
 * descriptors, and of the segments that say so. A child that cannot be set up exits with 127. No atexit() function of the
 * parent's runs in it.
 *
 * Return: 0, -EAGAIN, -ENOMEM, -EMFILE, -ESRCH (it was gone at once, in a program that ignores SIGCHLD).
 * Owner:  the caller waits with plx_process_wait() or ends with plx_process_kill().
 * Safety: processes with one thread, or whose other threads hold no lock the child needs.
 */
int plx_process_spawn(struct plx_process *process, const char *name, int (*run)(void *arg),
		      void *arg) plx_must_check;

/**
 * plx_process_wait() - wait for the end of a child and reap it.
 * @timeout_ns: nanoseconds; 0 looks once; UINT64_MAX for ever
 *
 * Return: 0 with *@how, -ETIMEDOUT, -EINTR, -ECHILD (reaped already, by us or by somebody else).
 */
int plx_process_wait(struct plx_process *process, struct plx_exit *how, uint64_t timeout_ns) plx_must_check;

/** plx_process_kill() - SIGKILL and reap; may be called twice, and on PLX_PROCESS_NONE. */
void plx_process_kill(struct plx_process *process);

/**
 * plx_futex_wait() - sleep while *@word is @value; the word may lie in a segment, also in a read-only map.
 * @timeout_ns: nanoseconds, UINT64_MAX for ever
 *
 * A request to stop (plx_stop_install()) is never slept through, also one that came just before the call.
 *
 * Return: 0 (woken, or the word differs: look again), -ETIMEDOUT, -EINTR.
 */
int plx_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns) plx_must_check;

/** plx_futex_wake() - wake at most @count sleepers of *@word; returns how many. */
int plx_futex_wake(uint32_t *word, int count);

/**
 * plx_stop_install() - from now on SIGINT and SIGTERM only ask to stop; blocking calls return -EINTR.
 *
 * One blocking call is interrupted per signal, the one under way or the next; the calls after it sleep again, so that a
 * program can drain. A second signal of the same kind, 0.1 s later or more, ends the process at once, as users expect of
 * a second Ctrl-C. SIGPIPE is ignored.
 *
 * Return: 0 or -errno.
 * Safety: threads of the program that are not to be interrupted block both signals.
 */
int plx_stop_install(void) plx_must_check;

/** plx_stop_signal() - 0, or the signal that asked us to stop; the exit code is 128 + it. */
int plx_stop_signal(void);

/** plx_now_ns() - CLOCK_MONOTONIC, nanoseconds. */
uint64_t plx_now_ns(void);

PLX_END

#endif

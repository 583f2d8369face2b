/*
 * process.c - a child process that dies with its parent, and that is waited for by pidfd.
 *
 *   parent: block signals -> fork, pidfd -> let signals in again
 *   child:                   fork -> death signal, are we an orphan already? -> signals, name, stdin -> run -> exit
 *
 * Signals are blocked around the fork, so that no handler of the parent's ever runs in the child.
 */
#include <plx/process.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "base/wait.h"

#define CANNOT_START 127 /* exit code of a child that could not be set up, as shells have it */

static int set_up(const char *name, pid_t parent)
{
	int ret = plx_sys_death_signal(SIGKILL);

	if (ret < 0)
		return ret;
	if (plx_sys_parent() != parent) /* it died before we had asked to be told */
		return -ESRCH;
	plx_wait_stop = (struct plx_wait_stop){ 0 };
	plx_sys_default_signals(SIGINT);
	ret = plx_sys_set_name(name);
	return ret < 0 ? ret : plx_sys_null_stdin();
}

int plx_process_spawn(struct plx_process *process, const char *name, int (*run)(void *arg), void *arg)
{
	pid_t parent = plx_sys_pid(), pid;
	int pidfd, ret;
	sigset_t old;

	*process = PLX_PROCESS_NONE;
	ret = plx_sys_sigmask(SIG_SETMASK, NULL, &old);
	if (ret < 0)
		return ret;
	plx_sys_flush();
	pid = plx_sys_fork(&pidfd);
	if (pid == 0) {
		ret = set_up(name, parent) < 0 ? CANNOT_START : run(arg);
		plx_sys_flush();
		plx_sys_exit(ret);
	}
	plx_sys_sigmask_restore(&old);
	if (pid < 0)
		return (int)pid;
	process->pidfd = pidfd;
	process->pid = pid;
	return 0;
}

/* Reap: 0 with @how, -ETIMEDOUT when it still runs, -ECHILD when somebody else reaped it. */
static int reap(struct plx_process *process, struct plx_exit *how, int options)
{
	siginfo_t info;
	int ret = plx_sys_wait(process->pidfd, &info, WEXITED | options);

	if (ret < 0)
		return ret;
	if (info.si_pid == 0)
		return -ETIMEDOUT;
	if (how) {
		how->code = info.si_code == CLD_EXITED ? info.si_status : -1;
		how->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	}
	plx_sys_close(process->pidfd);
	process->pidfd = -1;
	return 0;
}

int plx_process_wait(struct plx_process *process, struct plx_exit *how, uint64_t timeout_ns)
{
	struct pollfd end = { .fd = process->pidfd, .events = POLLIN };
	int ret;

	if (process->pidfd < 0)
		return -ECHILD;
	ret = plx_wait_poll(&end, 1, timeout_ns);
	if (ret < 0)
		return ret;
	return ret == 0 ? -ETIMEDOUT : reap(process, how, WNOHANG);
}

void plx_process_kill(struct plx_process *process)
{
	int ret;

	if (process->pidfd < 0)
		return;
	ret = plx_sys_pidfd_kill(process->pidfd, SIGKILL);
	ret = reap(process, NULL, ret < 0 ? WNOHANG : 0); /* never wait for what was not killed */
	if (ret < 0)
		plx_sys_close(process->pidfd);
	process->pidfd = -1;
}

/* sys_task.c - the doors for processes, threads, signals, chance and the time of day. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/*
 * fork() and then pidfd_open(), rather than clone3(CLONE_PIDFD): libc must know of the fork (its locks, its idea of the
 * thread's id, the sanitizers), and a child that nobody has reaped keeps its pid, so nothing can come between.
 */
pid_t plx_sys_fork(int *pidfd)
{
	pid_t pid = (pid_t)plx_sys_gate("fork", EAGAIN);
	int fd;

	*pidfd = -1;
	if (pid < 0)
		return pid;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		return 0;
	fd = plx_sys_pidfd_open(pid);
	if (fd < 0) { /* a child we could not watch must not be */
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return fd;
	}
	*pidfd = fd;
	return pid;
}

int plx_sys_pidfd_open(pid_t pid)
{
	long fd = plx_sys_gate("pidfd_open", EMFILE);

	if (fd < 0)
		return (int)fd;
	fd = syscall(SYS_pidfd_open, pid, 0); /* always close-on-exec */
	return fd < 0 ? -errno : (int)fd;
}

int plx_sys_pidfd_kill(int pidfd, int signal)
{
	int ret = plx_sys_gate("pidfd_kill", EPERM);

	if (ret < 0)
		return ret;
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int plx_sys_wait(int pidfd, siginfo_t *info, int options)
{
	int ret = plx_sys_gate("wait", ECHILD);

	if (ret < 0)
		return ret;
	info->si_pid = 0;
	do {
		ret = waitid((idtype_t)P_PIDFD, (id_t)pidfd, info, options);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

pid_t plx_sys_pid(void)
{
	return getpid();
}

pid_t plx_sys_parent(void)
{
	return getppid();
}

pid_t plx_sys_tid(void)
{
	return gettid();
}

uid_t plx_sys_uid(void)
{
	return geteuid();
}

#ifdef PLX_COV
void __gcov_dump(
	void); /* what make coverage wants to know is written at exit(), which children do not come to */
#endif

void plx_sys_exit(int code)
{
#ifdef PLX_COV
	__gcov_dump();
#endif
	_exit(code);
}

int plx_sys_death_signal(int signal)
{
	int ret = plx_sys_gate("death_signal", EINVAL);

	if (ret < 0)
		return ret;
	return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) < 0 ? -errno : 0;
}

int plx_sys_set_name(const char *name)
{
	int ret = plx_sys_gate("set_name", EINVAL);

	if (ret < 0)
		return ret;
	return prctl(PR_SET_NAME, name, 0, 0, 0) < 0 ? -errno : 0;
}

int plx_sys_dumpable(bool on)
{
	int ret = plx_sys_gate("dumpable", EINVAL);

	if (ret < 0)
		return ret;
	return prctl(PR_SET_DUMPABLE, on ? 1 : 0, 0, 0, 0) < 0 ? -errno : 0;
}

int plx_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, old;
	int ret = plx_sys_gate("thread", EAGAIN);

	if (ret < 0)
		return ret;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* the new thread inherits it */
	ret = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

void plx_sys_join(pthread_t thread)
{
	plx_sys_gate_release("join");
	pthread_join(thread, NULL);
}

int plx_sys_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
	int ret = plx_sys_gate("sigaction", EINVAL);

	if (ret < 0)
		return ret;
	return sigaction(signal, action, old) < 0 ? -errno : 0;
}

int plx_sys_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	int ret = plx_sys_gate("sigmask", EINVAL);
	sigset_t all;

	if (ret < 0)
		return ret;
	sigfillset(&all);
	return -pthread_sigmask(how, set ? set : &all, old);
}

void plx_sys_sigmask_restore(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

void plx_sys_default_signals(int ignored)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++) /* those that cannot be changed do not need to be */
		signal(s, s == ignored ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void plx_sys_ignore_signal(int sig)
{
	signal(sig, SIG_IGN);
}

void plx_sys_die_of(int signal)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigaction(signal, &action, NULL);
	raise(signal);
}

int plx_sys_null_stdin(void)
{
	int fd, ret = plx_sys_gate("null_stdin", EMFILE);

	if (ret < 0)
		return ret;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd == STDIN_FILENO)
		return 0;
	ret = dup2(fd, STDIN_FILENO) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

void plx_sys_flush(void)
{
	fflush(NULL);
}

int plx_sys_random(void *buf, size_t size)
{
	ssize_t n = plx_sys_gate("random", ENOSYS);

	if (n < 0)
		return (int)n;
	do {
		n = getrandom(buf, size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO; /* up to 256 bytes come whole */
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

uint64_t plx_sys_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t plx_sys_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

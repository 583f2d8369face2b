/* sys_wait.c - the doors behind which a thread sleeps, or makes others see what it wrote. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

#define SECOND 1000000000ull

static struct timespec timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND) };
}

/* ---- descriptors --------------------------------------------------------------------------------- */

int plx_sys_poll(struct pollfd *fds, unsigned int n, uint64_t timeout_ns, const sigset_t *mask)
{
	struct timespec ts = timespec(timeout_ns);
	int ret = plx_sys_gate("poll", ENOMEM);

	if (ret < 0)
		return ret;
	ret = ppoll(fds, n, timeout_ns == UINT64_MAX ? NULL : &ts, mask);
	return ret < 0 ? -errno : ret;
}

int plx_sys_epoll(void)
{
	int ret = plx_sys_gate("epoll", EMFILE);

	if (ret < 0)
		return ret;
	ret = epoll_create1(EPOLL_CLOEXEC);
	return ret < 0 ? -errno : ret;
}

int plx_sys_epoll_add(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	int ret = plx_sys_gate("epoll_add", ENOSPC);

	if (ret < 0)
		return ret;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int plx_sys_epoll_mod(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	int ret = plx_sys_gate("epoll_mod", ENOMEM);

	if (ret < 0)
		return ret;
	return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

void plx_sys_epoll_del(int epoll, int fd)
{
	plx_sys_gate_release("epoll_del");
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

int plx_sys_epoll_wait(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns)
{
	uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
	int ret = plx_sys_gate("epoll_wait", ENOMEM);

	if (ret < 0)
		return ret;
	if (timeout_ns != UINT64_MAX && ms > INT_MAX)
		ms = INT_MAX;
	ret = epoll_wait(epoll, events, n, timeout_ns == UINT64_MAX ? -1 : (int)ms);
	return ret < 0 ? -errno : ret;
}

/* epoll_pwait2(), or nothing yet: where there is none (before 5.11, or a filter). */
static int epoll_exactly(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns,
			 const sigset_t *mask)
{
#ifdef SYS_epoll_pwait2
	struct timespec ts = timespec(timeout_ns);
	long ret = syscall(SYS_epoll_pwait2, epoll, events, n, &ts, mask, (size_t)(NSIG / 8));

	return ret < 0 ? -errno : (int)ret;
#else
	(void)epoll, (void)events, (void)n, (void)timeout_ns, (void)mask;
	return -ENOSYS;
#endif
}

int plx_sys_epoll_pwait(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns,
			const sigset_t *mask)
{
	uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
	int ret = plx_sys_gate("epoll_pwait", ENOMEM);

	if (ret < 0)
		return ret;
	if (timeout_ns != 0 && timeout_ns != UINT64_MAX) {
		ret = epoll_exactly(epoll, events, n, timeout_ns, mask);
		if (ret != -ENOSYS && ret != -EPERM)
			return ret;
	}
	if (timeout_ns != UINT64_MAX && ms > INT_MAX)
		ms = INT_MAX;
	ret = epoll_pwait(epoll, events, n, timeout_ns == UINT64_MAX ? -1 : (int)ms, mask);
	return ret < 0 ? -errno : ret;
}

int plx_sys_eventfd(void)
{
	int ret = plx_sys_gate("eventfd", EMFILE);

	if (ret < 0)
		return ret;
	ret = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ret < 0 ? -errno : ret;
}

int plx_sys_timer(void)
{
	int ret = plx_sys_gate("timer", EMFILE);

	if (ret < 0)
		return ret;
	ret = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return ret < 0 ? -errno : ret;
}

int plx_sys_timer_set(int timer, uint64_t at_ns)
{
	struct itimerspec when = { .it_value = timespec(at_ns) };
	int ret = plx_sys_gate("timer_set", EINVAL);

	if (ret < 0)
		return ret;
	return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

int plx_sys_pipe(int ends[2])
{
	int ret = plx_sys_gate("pipe", EMFILE);

	if (ret < 0)
		return ret;
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

void plx_sys_yield(void)
{
	sched_yield();
}

int plx_sys_inotify(void)
{
	int ret = plx_sys_gate("inotify", EMFILE);

	if (ret < 0)
		return ret;
	ret = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return ret < 0 ? -errno : ret;
}

int plx_sys_inotify_add(int inotify, const char *path, uint32_t mask)
{
	int ret = plx_sys_gate("inotify_add", ENOSPC);

	if (ret < 0)
		return ret;
	ret = inotify_add_watch(inotify, path, mask);
	return ret < 0 ? -errno : ret;
}

void plx_sys_inotify_del(int inotify, int watch)
{
	plx_sys_gate_release("inotify_del");
	inotify_rm_watch(inotify, watch);
}

/* ---- words --------------------------------------------------------------------------------------- */

int plx_sys_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = timespec(timeout_ns);
	int ret = plx_sys_gate("futex_wait", EINTR);

	if (ret < 0)
		return ret;
	return syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ns == UINT64_MAX ? NULL : &ts, NULL, 0) < 0
		       ? -errno
		       : 0;
}

int plx_sys_futex_wake(uint32_t *word, int count)
{
	long n = plx_sys_gate("futex_wake", EFAULT);

	if (n < 0)
		return (int)n;
	n = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
	return n < 0 ? -errno : (int)n;
}

int plx_sys_futex_wait2(const uint32_t *word, uint32_t value, const uint32_t *other, uint32_t other_value,
			uint64_t timeout_ns)
{
#ifdef SYS_futex_waitv
	struct futex_waitv waiters[2] = {
		{ .val = value, .uaddr = (uintptr_t)word, .flags = FUTEX_32 },
		{ .val = other_value, .uaddr = (uintptr_t)other, .flags = FUTEX_32 },
	};
	struct timespec ts; /* absolute, unlike the other call's */
	int ret = plx_sys_gate("futex_wait2", EINTR);

	if (ret < 0)
		return ret;
	if (timeout_ns != UINT64_MAX) {
		uint64_t now;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
		ts = timespec(timeout_ns < INT64_MAX - now ? now + timeout_ns : INT64_MAX);
	}
	return syscall(SYS_futex_waitv, waiters, 2, 0, timeout_ns == UINT64_MAX ? NULL : &ts,
		       CLOCK_MONOTONIC) < 0
		       ? -errno
		       : 0;
#else
	(void)word, (void)value, (void)other, (void)other_value, (void)timeout_ns;
	return -ENOSYS;
#endif
}

int plx_sys_futex_waitv(const uint32_t *const *words, const uint32_t *values, unsigned int n,
			uint64_t timeout_ns)
{
#ifdef SYS_futex_waitv
	struct futex_waitv waiters[PLX_SYS_FUTEXES_MAX];
	struct timespec ts; /* absolute */
	uint64_t now;
	int ret = plx_sys_gate("futex_waitv", EINTR);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < n; i++)
		waiters[i] = (struct futex_waitv){ .val = values[i],
						   .uaddr = (uintptr_t)words[i],
						   .flags = FUTEX_32 };
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
	ts = timespec(timeout_ns < INT64_MAX - now ? now + timeout_ns : INT64_MAX);
	return syscall(SYS_futex_waitv, waiters, n, 0, &ts, CLOCK_MONOTONIC) < 0 ? -errno : 0;
#else
	(void)words, (void)values, (void)n, (void)timeout_ns;
	return -ENOSYS;
#endif
}

/* ---- fences -------------------------------------------------------------------------------------- */

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

unsigned int plx_sys_barriers(void)
{
	unsigned int which = 0;
	long has = plx_sys_gate("barriers", ENOSYS);

	if (has < 0)
		return 0;
	has = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	if (has < 0)
		return 0;
	if ((has & MEMBARRIER_CMD_PRIVATE_EXPEDITED) && (has & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
		which |= PLX_SYS_BARRIER_PRIVATE;
	if ((has & MEMBARRIER_CMD_GLOBAL_EXPEDITED) && (has & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
		which |= PLX_SYS_BARRIER_GLOBAL;
	return which;
}

int plx_sys_barrier_register(enum plx_sys_barrier which)
{
	int ret = plx_sys_gate("barrier_register", ENOSYS);

	if (ret < 0)
		return ret;
	return membarrier(which == PLX_SYS_BARRIER_PRIVATE ? MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
							   : MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

int plx_sys_barrier(enum plx_sys_barrier which)
{
	int ret = plx_sys_gate("barrier", ENOSYS);

	if (ret < 0)
		return ret;
	return membarrier(which == PLX_SYS_BARRIER_PRIVATE ? MEMBARRIER_CMD_PRIVATE_EXPEDITED
							   : MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

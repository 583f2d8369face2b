/* wait.c - sleeping on descriptors or on a word, without sleeping through a request to stop. */
#include "base/wait.h"

#include <errno.h>
#include <signal.h>

#include "base/atomic.h"
#include "base/sys.h"

#define SLICE_NS                                                                                             \
	50000000ull /* where the kernel cannot wait for two words: the longest a signal may go unnoticed */

struct plx_wait_stop plx_wait_stop;

static bool watched(void)
{
	/* relaxed: set once, before the first sleep that matters */
	return __atomic_load_n(&plx_wait_stop.watched, __ATOMIC_RELAXED) != 0;
}

/* Was there a signal that no sleep has reported? Reports it. */
static bool raised(void)
{
	/* relaxed: the signal's number is all there is to see, and it has its own word */
	return __atomic_load_n(&plx_wait_stop.raised, __ATOMIC_RELAXED) != 0 &&
	       __atomic_exchange_n(&plx_wait_stop.raised, 0, __ATOMIC_RELAXED) != 0;
}

/* From here to inside ppoll() or epoll_pwait(), which let them in again, no signal can slip by. -EINTR: one came before. */
static int hold_signals(sigset_t *old)
{
	sigset_t stops;
	int ret;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	ret = plx_sys_sigmask(SIG_BLOCK, &stops, old);
	if (ret < 0 || !raised())
		return ret;
	plx_sys_sigmask_restore(old);
	return -EINTR;
}

static int let_signals(const sigset_t *old, int ret)
{
	plx_sys_sigmask_restore(old);
	if (ret == -EINTR)
		raised();
	return ret;
}

int plx_wait_poll(struct pollfd *fds, unsigned int n, uint64_t timeout_ns)
{
	sigset_t old;
	int ret;

	if (timeout_ns == 0 || !watched())
		return plx_sys_poll(fds, n, timeout_ns, NULL);
	ret = hold_signals(&old);
	return ret < 0 ? ret : let_signals(&old, plx_sys_poll(fds, n, timeout_ns, &old));
}

int plx_wait_epoll(int epoll, struct epoll_event *events, int n, uint64_t timeout_ns)
{
	sigset_t old;
	int ret;

	if (timeout_ns == 0 || !watched())
		return plx_sys_epoll_pwait(epoll, events, n, timeout_ns, NULL);
	ret = hold_signals(&old);
	return ret < 0 ? ret : let_signals(&old, plx_sys_epoll_pwait(epoll, events, n, timeout_ns, &old));
}

/* Where the kernel cannot wait for two words (before 5.16, or a sandbox that does not know how): in slices. */
static int futex_wait_sliced(const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	uint64_t begin = plx_now_ns(), gone = 0;
	int ret;

	do {
		uint64_t left = timeout_ns - gone;

		ret = plx_sys_futex_wait(word, value, left < SLICE_NS ? left : SLICE_NS);
		gone = plx_now_ns() - begin;
	} while (ret == -ETIMEDOUT && gone < timeout_ns && !plx_read_once(&plx_wait_stop.raised));
	return ret;
}

/* Both words looked at by the kernel in the step that puts us to sleep. */
static int futex_wait_watched(const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	int ret;

	if (raised())
		return -EINTR;
	ret = plx_sys_gate_old() ? -ENOSYS
				 : plx_sys_futex_wait2(word, value, &plx_wait_stop.raised, 0, timeout_ns);
	if (ret == -ENOSYS || ret == -EPERM)
		ret = futex_wait_sliced(word, value, timeout_ns);
	return raised() ? -EINTR : ret;
}

int plx_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	int ret = watched() ? futex_wait_watched(word, value, timeout_ns)
			    : plx_sys_futex_wait(word, value, timeout_ns);

	return ret == -EAGAIN ? 0 : ret;
}

int plx_futex_wake(uint32_t *word, int count)
{
	return plx_sys_futex_wake(word, count);
}

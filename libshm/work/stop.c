/*
 * stop.c - Ctrl-C and kill ask a program to stop; it answers when it can, and is ended when it is asked twice.
 *
 * The handler notes the signal and wakes sleepers (base/wait.h); the rest is the program's: drain, say how far it got,
 * exit with 128 + the signal. Asked a second time by the same signal it dies at once. Twice within a moment
 * counts once: timeout(1) and some shells send to the process and then to its group.
 */
#include <plx/process.h>

#include <errno.h>
#include <signal.h>

#include "base/sys.h"
#include "base/wait.h"

#define ONCE_NS 100000000ull /* signals of one kind within this count once */

static uint64_t first_ns[2]; /* when SIGINT, SIGTERM came first; 0: not yet */

static void on_stop(int signal)
{
	uint64_t *first = &first_ns[signal == SIGTERM], now = plx_now_ns(), zero = 0;
	uint32_t none = 0;
	int saved = errno;

	/* relaxed, here and below: words of this process, each of which stands on its own */
	if (!__atomic_compare_exchange_n(first, &zero, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
	    now - zero > ONCE_NS) {
		plx_sys_die_of(signal);
		return;
	}
	__atomic_compare_exchange_n(&plx_wait_stop.signal, &none, (uint32_t)signal, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	__atomic_store_n(&plx_wait_stop.raised, 1, __ATOMIC_RELAXED);
	plx_futex_wake(&plx_wait_stop.raised, INT32_MAX); /* the sleeper may be another thread */
	errno = saved;
}

int plx_stop_install(void)
{
	struct sigaction stop = { .sa_handler = on_stop }, ignore = { .sa_handler = SIG_IGN };
	int ret;

	__atomic_store_n(&first_ns[0], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&first_ns[1], 0, __ATOMIC_RELAXED);
	/* before the handlers: a sleep that begins between the two must look already */
	__atomic_store_n(&plx_wait_stop.watched, 1, __ATOMIC_RELAXED);
	ret = plx_sys_sigaction(SIGINT, &stop, NULL);
	if (ret == 0)
		ret = plx_sys_sigaction(SIGTERM, &stop, NULL);
	if (ret == 0)
		ret = plx_sys_sigaction(SIGPIPE, &ignore, NULL);
	return ret;
}

int plx_stop_signal(void)
{
	return (int)__atomic_load_n(&plx_wait_stop.signal, __ATOMIC_RELAXED);
}

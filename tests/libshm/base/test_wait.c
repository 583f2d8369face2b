/* test_wait.c - futexes between threads and processes, also through a read-only map; a signal is never slept through. */
#include "base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "tests/support/support.h"

#define SECOND 1000000000ull

struct words {
	uint32_t ball; /* whose turn it is */
	uint32_t rounds;
};

static void play(struct words *w, uint32_t me, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t ball;

		/* acquire: pairs with the release of the other side; its rounds are ours to add to */
		while ((ball = __atomic_load_n(&w->ball, __ATOMIC_ACQUIRE)) != me)
			if (plx_futex_wait(&w->ball, ball, UINT64_MAX) < 0)
				break;
		w->rounds++;
		__atomic_store_n(&w->ball, !me, __ATOMIC_RELEASE);
		plx_futex_wake(&w->ball, 1);
	}
}

static void *play_in_thread(void *arg)
{
	play(arg, 1, 2000);
	return NULL;
}

static void a_futex_wakes_a_thread(void **state)
{
	struct words w = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(plx_sys_thread(&thread, play_in_thread, &w), 0);
	play(&w, 0, 2000);
	pthread_join(thread, NULL);
	assert_int_equal(w.rounds, 4000);
}

static void a_futex_wakes_another_process(void **state)
{
	struct words *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	siginfo_t info;
	int pidfd;
	pid_t pid;

	(void)state;
	assert_ptr_not_equal(w, MAP_FAILED);
	pid = plx_sys_fork(&pidfd);
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		play(w, 1, 2000);
		_exit(0);
	}
	play(w, 0, 2000);
	assert_int_equal(plx_sys_wait(pidfd, &info, 4 /* WEXITED */), 0);
	assert_int_equal(info.si_status, 0);
	assert_int_equal(w->rounds, 4000);
	plx_sys_close(pidfd);
	munmap(w, 4096);
}

struct sleeper {
	const uint32_t *word; /* in a read-only map */
	int ret;
	uint32_t there; /* it is about to sleep */
};

static void *sleep_on_word(void *arg)
{
	struct sleeper *s = arg;

	while (__atomic_load_n(s->word, __ATOMIC_ACQUIRE) == 0) {
		__atomic_store_n(&s->there, 1, __ATOMIC_RELEASE);
		s->ret = plx_futex_wait(s->word, 0, 10 * SECOND);
	}
	return NULL;
}

static void one_can_sleep_on_a_word_one_cannot_write(void **state)
{
	int fd = plx_sys_memfd("t");
	void *writable, *readable;
	struct sleeper sleeper = { NULL, -1, 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(plx_sys_truncate(fd, 4096), 0);
	assert_int_equal(plx_sys_map(&writable, 4096, PROT_READ | PROT_WRITE, 0, fd), 0);
	assert_int_equal(plx_sys_seal(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK), 0);
	assert_int_equal(plx_sys_map(&readable, 4096, PROT_READ, 0, fd), 0);
	sleeper.word = readable;
	assert_int_equal(plx_sys_thread(&thread, sleep_on_word, &sleeper), 0);
	while (!__atomic_load_n(&sleeper.there, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	sleep_ms(30);
	__atomic_store_n((uint32_t *)writable, 1, __ATOMIC_RELEASE);
	plx_futex_wake(writable, 1);
	pthread_join(thread, NULL);
	assert_int_equal(sleeper.ret, 0);
	plx_sys_unmap(writable, 4096);
	plx_sys_unmap(readable, 4096);
	plx_sys_close(fd);
}

static void a_deadline_passes_and_a_changed_word_does_not_wait(void **state)
{
	uint32_t word = 5;
	uint64_t begin = plx_now_ns();

	(void)state;
	assert_int_equal(plx_futex_wait(&word, 5, 20000000), -ETIMEDOUT);
	assert_true(plx_now_ns() - begin >= 20000000);
	assert_int_equal(plx_futex_wait(&word, 4, UINT64_MAX), 0);
	assert_int_equal(plx_futex_wake(&word, 1), 0);
}

/* ---- with a handler ---- */

static void raise_stop(int signal)
{
	__atomic_store_n(&plx_wait_stop.signal, (uint32_t)signal, __ATOMIC_RELAXED);
	__atomic_store_n(&plx_wait_stop.raised, 1, __ATOMIC_RELAXED);
}

static void watch(bool on)
{
	struct sigaction action = { .sa_handler = on ? raise_stop : SIG_DFL };

	sigaction(SIGTERM, &action, NULL);
	plx_wait_stop = (struct plx_wait_stop){ .watched = on };
}

/* The signal comes after the program looked and before it sleeps: the worst moment. */
static void a_signal_just_before_a_sleep_is_not_slept_through(void **state)
{
	struct pollfd none = { .fd = -1 };
	uint32_t word = 0;

	(void)state;
	for (int old = 0; old < 2; old++) {
		plx_fault_old = old;
		watch(true);
		raise(SIGTERM);
		assert_int_equal(plx_futex_wait(&word, 0, 10 * SECOND), -EINTR);
		assert_int_equal(plx_futex_wait(&word, 0, 1000000), -ETIMEDOUT); /* told once */
		raise(SIGTERM);
		assert_int_equal(plx_wait_poll(&none, 1, 10 * SECOND), -EINTR);
		assert_int_equal(plx_wait_poll(&none, 1, 1000000), 0);
		watch(false);
	}
	plx_fault_old = 0;
}

static void *kill_main_thread(void *arg)
{
	sleep_ms(30);
	pthread_kill(*(pthread_t *)arg, SIGTERM);
	return NULL;
}

static void a_signal_during_a_sleep_ends_it(void **state)
{
	struct pollfd none = { .fd = -1 };
	pthread_t self = pthread_self(), thread;
	uint32_t word = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		plx_fault_old = i / 2;
		watch(true);
		assert_int_equal(plx_sys_thread(&thread, kill_main_thread, &self), 0);
		if (i % 2) {
			assert_int_equal(plx_wait_poll(&none, 1, 10 * SECOND), -EINTR);
		} else {
			int ret = 0;

			/* on an old kernel it may return to be asked again */
			while (ret == 0)
				ret = plx_futex_wait(&word, 0, 10 * SECOND);
			assert_int_equal(ret, -EINTR);
		}
		pthread_join(thread, NULL);
		assert_int_equal(plx_futex_wait(&word, 0, 1000000), -ETIMEDOUT);
		watch(false);
	}
	plx_fault_old = 0;
}

static void a_watched_sleep_still_wakes_and_still_ends(void **state)
{
	uint64_t begin = plx_now_ns();
	struct words w = { 0 };
	pthread_t thread;

	(void)state;
	for (int old = 0; old < 2; old++) {
		memset(&w, 0, sizeof(w));
		plx_fault_old = old;
		watch(true);
		assert_int_equal(plx_sys_thread(&thread, play_in_thread, &w), 0);
		play(&w, 0, 2000);
		pthread_join(thread, NULL);
		assert_int_equal(w.rounds, 4000);
		while (plx_futex_wait(&w.rounds, 4000, 70000000) == 0)
			;
		watch(false);
	}
	assert_true(plx_now_ns() - begin < 20 * SECOND);
	plx_fault_old = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_futex_wakes_a_thread),
		cmocka_unit_test(a_futex_wakes_another_process),
		cmocka_unit_test(one_can_sleep_on_a_word_one_cannot_write),
		cmocka_unit_test(a_deadline_passes_and_a_changed_word_does_not_wait),
		cmocka_unit_test(a_signal_just_before_a_sleep_is_not_slept_through),
		cmocka_unit_test(a_signal_during_a_sleep_ends_it),
		cmocka_unit_test(a_watched_sleep_still_wakes_and_still_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

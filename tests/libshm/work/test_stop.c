/* test_stop.c - a program asked to stop is told once and can drain; asked again, it ends. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include <plx/process.h>

#include "base/wait.h"
#include "tests/support/support.h"

#define SECOND 1000000000ull

static int ask_once(void *arg)
{
	int signal = *(int *)arg;
	uint32_t word = 0;

	CHECK(plx_stop_install() == 0);
	CHECK(plx_stop_signal() == 0);
	CHECK(plx_futex_wait(&word, 0, 1000000) == -ETIMEDOUT);
	raise(signal);
	CHECK(plx_stop_signal() == signal);
	CHECK(plx_futex_wait(&word, 0, 20 * SECOND) == -EINTR);
	CHECK(plx_futex_wait(&word, 0, 1000000) == -ETIMEDOUT); /* draining may sleep */
	CHECK(plx_stop_signal() == signal);
	return 0;
}

static void asked_once_a_program_is_told_once_and_goes_on(void **state)
{
	int signals[] = { SIGINT, SIGTERM };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(signals); i++)
		assert_int_equal(run_in_child(ask_once, &signals[i]), 0);
}

static int ask_twice(void *arg)
{
	CHECK(plx_stop_install() == 0);
	raise(*(int *)arg);
	sleep_ms(150);
	raise(*(int *)arg);
	return 0;
}

static void asked_twice_it_ends_by_that_signal(void **state)
{
	int signals[] = { SIGINT, SIGTERM };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(signals); i++)
		assert_int_equal(run_in_child(ask_twice, &signals[i]), -signals[i]);
}

static int ask_at_once(void *arg)
{
	(void)arg;
	CHECK(plx_stop_install() == 0);
	raise(SIGTERM); /* as timeout(1) does: to the process, and to its group */
	raise(SIGTERM);
	raise(SIGINT);
	CHECK(plx_stop_signal() == SIGTERM); /* the first one counts */
	return 0;
}

static void twice_within_a_moment_is_once_and_another_kind_is_no_second(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(ask_at_once, NULL), 0);
}

static int write_to_nobody(void *arg)
{
	int pipes[2];

	(void)arg;
	CHECK(plx_stop_install() == 0);
	CHECK(pipe(pipes) == 0);
	close(pipes[0]);
	CHECK(write(pipes[1], "x", 1) == -1 && errno == EPIPE);
	return 0;
}

static void a_pipe_without_a_reader_is_an_error_and_no_death(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(write_to_nobody, NULL), 0);
}

/* ---- asleep ---- */

static void *ask_later(void *arg)
{
	(void)arg;
	sleep_ms(50);
	kill(getpid(), SIGTERM); /* whichever thread gets it */
	return NULL;
}

static int sleep_on_word(void *arg)
{
	uint64_t begin = plx_now_ns();
	pthread_t thread;
	uint32_t word = 0;

	(void)arg;
	CHECK(plx_stop_install() == 0);
	CHECK(pthread_create(&thread, NULL, ask_later, NULL) == 0);
	CHECK(plx_futex_wait(&word, 0, 20 * SECOND) == -EINTR);
	CHECK(plx_now_ns() - begin < 10 * SECOND);
	pthread_join(thread, NULL);
	CHECK(plx_stop_signal() == SIGTERM);
	return 0;
}

static void a_sleeper_wakes_whichever_thread_the_signal_went_to(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(run_in_child(sleep_on_word, NULL), 0);
}

static int exit_later(void *arg)
{
	(void)arg;
	sleep_ms(100);
	return 3;
}

static int wait_for_child(void *arg)
{
	struct plx_process child;
	struct plx_exit how;

	(void)arg;
	CHECK(plx_stop_install() == 0);
	CHECK(plx_process_spawn(&child, "worker", exit_later, NULL) == 0);
	raise(SIGINT);
	CHECK(plx_process_wait(&child, &how, 20 * SECOND) == -EINTR);
	CHECK(plx_process_wait(&child, &how, 20 * SECOND) == 0); /* and then drains */
	CHECK(how.code == 3);
	return 0;
}

static void waiting_for_a_child_is_interrupted_once_too(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(wait_for_child, NULL), 0);
}

/* A signal may come at any instruction between the look and the sleep; a loop around both must always end. */
static int loop_until_asked(void *arg)
{
	uint32_t word = 0;

	(void)arg;
	CHECK(plx_stop_install() == 0);
	while (plx_stop_signal() == 0)
		(void)(plx_futex_wait(&word, 0, UINT64_MAX) + 1);
	return 128 + plx_stop_signal() == 143 ? 0 : 1;
}

static int loop_with_poll(void *arg)
{
	struct pollfd none = { .fd = -1 };

	(void)arg;
	CHECK(plx_stop_install() == 0);
	while (plx_stop_signal() == 0)
		(void)(plx_wait_poll(&none, 1, UINT64_MAX) + 1);
	return 0;
}

static void no_signal_is_ever_slept_through(void **state)
{
	int (*loops[])(void *) = { loop_until_asked, loop_with_poll };

	(void)state;
	for (int i = 0; i < LONG_LOOP(200); i++) {
		struct plx_process child;
		struct plx_exit how;

		assert_int_equal(plx_process_spawn(&child, "looper", loops[i % 2], NULL), 0);
		for (unsigned int k = (unsigned int)i * 50; k > 0; k--) /* hit it at different points */
			(void)plx_now_ns();
		if (i % 4 < 2)
			sleep_ms(2);
		kill(child.pid, SIGTERM);
		assert_int_equal(plx_process_wait(&child, &how, 10 * SECOND), 0);
		if (how.signal == 0) /* else it came before the handler was there */
			assert_int_equal(how.code, 0);
		else
			assert_int_equal(how.signal, SIGTERM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_once_a_program_is_told_once_and_goes_on),
		cmocka_unit_test(asked_twice_it_ends_by_that_signal),
		cmocka_unit_test(twice_within_a_moment_is_once_and_another_kind_is_no_second),
		cmocka_unit_test(a_pipe_without_a_reader_is_an_error_and_no_death),
		cmocka_unit_test(a_sleeper_wakes_whichever_thread_the_signal_went_to),
		cmocka_unit_test(waiting_for_a_child_is_interrupted_once_too),
		cmocka_unit_test(no_signal_is_ever_slept_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

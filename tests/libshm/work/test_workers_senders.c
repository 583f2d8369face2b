/* test_workers_senders.c - senders of other processes: accepted is handled; the dead and the stopped delay nobody. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <plx/process.h>

struct sending {
	struct plx_workers *w;
	uint64_t rounds;
	bool die;
};

static int send_as_child(void *arg)
{
	struct sending *job = arg;
	struct plx_sender *s;
	int ret = plx_sender_open(&s, job->w);

	if (ret == -ESHUTDOWN) /* we came late */
		return 0;
	CHECK(ret == 0);
	for (uint64_t number = 1; number <= job->rounds; number++)
		for (uint32_t k = 0; k < KEYS; k++) {
			ret = plx_sender_send(s, keys[k], 1, &number, sizeof(number), FOREVER);
			if (ret == -ESHUTDOWN)
				return 0;
			CHECK(ret == 0);
			add(&page->idles, 1); /* accepted */
		}
	plx_sender_close(s);
	return 0;
}

static void a_graceful_stop_loses_nothing_that_was_accepted(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_process child[2];
	struct sending job;
	uint32_t handled = 0;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	job = (struct sending){ .w = w, .rounds = UINT64_MAX };
	for (int i = 0; i < 2; i++)
		assert_int_equal(plx_process_spawn(&child[i], "sender", send_as_child, &job), 0);
	while (get(&page->idles) < 5000)
		assert_true(plx_workers_step(w, MS) >= 0);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	for (int i = 0; i < 2; i++) {
		struct plx_exit how;

		assert_int_equal(plx_process_wait(&child[i], &how, FOREVER), 0);
		assert_int_equal(how.code, 0);
	}
	for (int i = 0; i < 4; i++)
		handled += page->by[i];
	assert_int_equal(handled, page->idles);
}

static void senders_that_are_killed_delay_nobody(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	for (uint32_t i = 0; i < LONG_LOOP(40); i++) {
		struct sending job = { .w = w, .rounds = UINT64_MAX };
		struct plx_process child;
		uint32_t before = get(&page->idles);

		assert_int_equal(plx_process_spawn(&child, "sender", send_as_child, &job), 0);
		while (get(&page->idles) < before + 100)
			assert_true(plx_workers_step(w, MS / 4) >= 0);
		plx_process_kill(&child);
		assert_int_equal(plx_workers_scale(w, i % 4 + 1, FOREVER),
				 0); /* waits for all who are sending */
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_sender_open(&s, w), 0); /* there are seats again */
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* A sender that is stopped in the middle of sending delays a handover, and nothing else. */
static void a_sender_that_is_stopped_delays_no_restart(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_process child;
	struct sending job;
	int stuck = 0;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	job = (struct sending){ .w = w, .rounds = UINT64_MAX };
	assert_int_equal(plx_process_spawn(&child, "sender", send_as_child, &job), 0);
	for (int i = 0; i < 200; i++) {
		int ret, status;
		int32_t pid;

		sleep_ms(1);
		kill(child.pid, SIGSTOP);
		assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
		ret = plx_workers_scale(w, (uint32_t)i % 2 + 2, 5 * MS);
		assert_true(ret == 0 || ret == -ETIMEDOUT);
		stuck += ret == -ETIMEDOUT;
		if (i % 10 == 0) { /* deaths are looked after all the while */
			uint64_t restarts = stats_of(w).restarts;

			plx_workers_state(w, 0, &pid);
			kill(pid, SIGKILL);
			while (stats_of(w).restarts == restarts)
				assert_true(plx_workers_step(w, 10 * MS) >= 0);
		}
		kill(child.pid, SIGCONT);
		assert_int_equal(plx_workers_scale(w, (uint32_t)i % 2 + 2, FOREVER), 0);
	}
	print_message("%d of 200 handovers waited for a sender that was stopped\n", stuck);
	plx_process_kill(&child);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_graceful_stop_loses_nothing_that_was_accepted),
		TEST(senders_that_are_killed_delay_nobody),
		TEST(a_sender_that_is_stopped_delays_no_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

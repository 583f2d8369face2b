/* test_policy.c - what happens when a reader does not keep up: wait, fail, drop; and who waits can be stopped. */
#include "pair.h"

#include <sys/time.h>

#include "base/wait.h"
#include "topic/subscriber_state.h"

static uint32_t publish_until_refused(struct plx_publisher *pub, int *ret)
{
	uint32_t n = 0;

	while ((*ret = plx_publisher_send(pub, &n, sizeof(n))) == 0)
		n++;
	return n;
}

/* Take everything there is just now. */
static uint32_t take_all(struct plx_subscriber *sub)
{
	struct plx_buffer b;
	uint32_t n = 0;

	while (plx_subscriber_take(sub, &b) == 1) {
		plx_buffer_release(&b);
		n++;
	}
	return n;
}

static void fail_says_again_at_once_and_recovers(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .full = PLX_FULL_FAIL, .depth = 16, .slots = 4 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_publisher_stats stats;
	struct plx_loan loan[5];
	int ret;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(publish_until_refused(pub, &ret), 16);
	assert_int_equal(ret, -EAGAIN);
	assert_int_equal(take_all(sub), 16);
	assert_int_equal(publish_until_refused(pub, &ret), 16);
	assert_int_equal(take_all(sub), 16);
	/* slots: four in the log, unread; then four loaned out */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(plx_publisher_loan(pub, &loan[i]), 0);
		assert_int_equal(plx_publisher_publish(pub, &loan[i], 100), 0);
	}
	assert_int_equal(plx_publisher_loan(pub, &loan[4]), -EAGAIN);
	assert_int_equal(take_all(sub), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(plx_publisher_loan(pub, &loan[i]), 0);
	assert_int_equal(plx_publisher_loan(pub, &loan[4]), -ENOSPC); /* nobody will give one back but us */
	plx_publisher_drop(pub, &loan[2]);
	assert_int_equal(plx_publisher_loan(pub, &loan[4]), 0);
	/* a full log leaves the loan to its owner */
	publish_until_refused(pub, &ret);
	assert_int_equal(plx_publisher_publish(pub, &loan[4], 100), -EAGAIN);
	assert_non_null(loan[4].data);
	assert_int_equal(take_all(sub), 16);
	assert_int_equal(plx_publisher_publish(pub, &loan[4], 100), 0);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.waited, 0);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void wait_gives_up_after_its_deadline(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .full_ns = SECOND / 20, .depth = 8 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_publisher_stats stats;
	uint64_t before;
	int ret;

	(void)state;
	assert_true(connected(sub, 1));
	before = plx_now_ns();
	assert_int_equal(publish_until_refused(pub, &ret), 8);
	assert_int_equal(ret, -ETIMEDOUT);
	assert_true(plx_now_ns() - before >= SECOND / 20);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.waited, 1);
	assert_int_equal(take_all(sub), 8);
	assert_int_equal(publish_until_refused(pub, &ret), 8);
	plx_subscriber_close(sub);
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0); /* gone: nobody to wait for */
	plx_publisher_close(pub);
}

static void drop_lets_the_slow_one_go_and_tells_it(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .full = PLX_FULL_DROP, .full_ns = SECOND / 50, .depth = 8 });
	struct plx_subscriber *slow = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_subscriber *quick = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_publisher_stats stats;
	struct plx_reader_end gone;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(slow, 1));
	assert_true(connected(quick, 1));
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
		if (i < 3) {
			assert_int_equal(take(slow, &b), 1);
			plx_buffer_release(&b);
		}
		assert_int_equal(take(quick, &b), 1);
		assert_memory_equal(b.data, &i, sizeof(i));
		plx_buffer_release(&b);
		if (i == 5)
			plx_subscriber_flush(slow);
	}
	assert_int_equal(take(slow, &b), -ETIMEDOUT);
	assert_int_equal(plx_subscriber_ended(slow).reason, -ETIMEDOUT);
	assert_int_equal(plx_subscriber_ended(slow).messages, 3);
	assert_int_equal(plx_subscriber_take(slow, &b), 0);
	assert_true(plx_publisher_gone(pub, &gone));
	assert_int_equal(gone.position, 3);
	assert_int_equal(gone.pid, getpid());
	assert_int_equal(gone.reason, -ETIMEDOUT);
	assert_false(plx_publisher_gone(pub, &gone));
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.lost, 1);
	assert_int_equal(stats.subscribers, 1);
	plx_subscriber_close(quick);
	plx_subscriber_close(slow);
	plx_publisher_close(pub);
}

static void drop_at_once_needs_no_clock(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .full = PLX_FULL_DROP, .depth = 4 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	for (int i = 0; i < 100; i++)
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_int_equal(take(sub, &b), -ETIMEDOUT);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void who_holds_every_slot_is_let_go_too(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .full = PLX_FULL_DROP,
									      .full_ns = SECOND / 100,
									      .depth = 16,
									      .slots = 3,
									      .quota = 8,
									      .slot_size = 64 });
	struct plx_buffer b[3], none;
	char bytes[64] = { 0 };

	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		struct plx_subscriber *sub = subscriber(
			(struct plx_subscriber_options){ .reading = (enum plx_reading)reading });

		assert_true(connected(sub, 1));
		for (int i = 0; i < 3; i++) {
			assert_int_equal(plx_publisher_send(pub, bytes, 64), 0);
			assert_int_equal(take(sub, &b[i]), 1);
		}
		assert_int_equal(plx_subscriber_take(sub, &none), 0);
		assert_int_equal(plx_publisher_send(pub, bytes, 64), 0);
		assert_int_equal(take(sub, &none), -ETIMEDOUT);
		for (int i = 0; i < 3; i++)
			plx_buffer_release(&b[i]);
		plx_subscriber_close(sub);
	}
	plx_publisher_close(pub);
}

/* ---- signals ------------------------------------------------------------------------------------------------ */

/* What the handler of plx_stop_install() does; that one would end the process at the second signal. */
static void raise_flag(int signal)
{
	(void)signal;
	plx_wait_stop.raised = 1;
}

static void alarm_soon(void)
{
	struct sigaction action = { .sa_handler = raise_flag };
	struct itimerval soon = { .it_value = { .tv_usec = 30000 } };

	plx_wait_stop.watched = 1;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void a_signal_ends_every_wait(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 4, .slots = 2 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_loan loan;
	int ret;

	(void)state;
	assert_true(connected(sub, 1));
	alarm_soon();
	assert_int_equal(plx_subscriber_wait(sub, UINT64_MAX), -EINTR);
	alarm_soon();
	assert_int_equal(publish_until_refused(pub, &ret), 4);
	assert_int_equal(ret, -EINTR);
	alarm_soon();
	assert_int_equal(plx_publisher_drain(pub, UINT64_MAX), -EINTR);
	assert_int_equal(take_all(sub), 4);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(plx_publisher_loan(pub, &loan), 0);
		assert_int_equal(plx_publisher_publish(pub, &loan, 1), 0);
	}
	alarm_soon();
	assert_int_equal(plx_publisher_loan(pub, &loan), -EINTR);
	alarm_soon();
	assert_int_equal(plx_publisher_wait_subscribers(pub, 2, UINT64_MAX), -EINTR);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	sub = subscriber((struct plx_subscriber_options){ .polling = true });
	pub = publisher(PLX_PUBLISHER_DEFAULTS);
	assert_true(connected(sub, 1));
	alarm_soon();
	assert_int_equal(plx_subscriber_wait(sub, UINT64_MAX), -EINTR);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* ---- drain ------------------------------------------------------------------------------------------------- */

static void drain_waits_for_everybody_and_gives_up_in_time(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_subscriber *lossy = subscriber(
		(struct plx_subscriber_options){ .reading = PLX_READ_LOSSY });

	(void)state;
	assert_int_equal(plx_publisher_drain(pub, 0), 0);
	assert_true(connected(sub, 1));
	assert_true(connected(lossy, 1));
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_int_equal(plx_publisher_drain(pub, SECOND / 50), -ETIMEDOUT);
	assert_int_equal(take_all(sub), 1);
	assert_int_equal(plx_publisher_drain(pub, SECOND), 0); /* the lossy one has not read it */
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	plx_subscriber_close(sub);
	assert_int_equal(plx_publisher_drain(pub, SECOND), 0);
	plx_subscriber_close(lossy);
	plx_publisher_close(pub);
}

/* Lets go while its publisher waits. */
static int read_one_late(void *arg)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	const uint64_t *attention;
	struct plx_buffer b;

	CHECK(take(sub, &b) == 1);
	attention = &sub->readers[0]->reader.head->attention;
	while (!(__atomic_load_n(attention, __ATOMIC_RELAXED) & PLX_ATTENTION_WAITING))
		sleep_ms(1);
	plx_buffer_release(&b);
	gate_wait(arg, 1); /* and nothing else: the publisher must learn of it */
	CHECK(take(sub, &b) == -ESHUTDOWN);
	plx_subscriber_close(sub);
	return 0;
}

static void drain_sees_a_release_at_once(void **state)
{
	uint32_t *gate = gate_open();
	pid_t kid = start(read_one_late, gate);
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);

	(void)state;
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_int_equal(plx_publisher_drain(pub, 10 * SECOND), 0);
	gate_call(gate, 1);
	plx_publisher_close(pub);
	assert_int_equal(finish(kid), 0);
	gate_close(gate);
}

static void close_lingers_if_asked_to(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .linger_ns = SECOND / 20 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;
	uint64_t before = plx_now_ns();

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	plx_publisher_close(pub);
	assert_true(plx_now_ns() - before >= SECOND / 20);
	assert_int_equal(take(sub, &b), 1);
	plx_buffer_release(&b);
	assert_int_equal(take(sub, &b), -ESHUTDOWN);
	plx_subscriber_close(sub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fail_says_again_at_once_and_recovers),
		cmocka_unit_test(wait_gives_up_after_its_deadline),
		cmocka_unit_test(drop_lets_the_slow_one_go_and_tells_it),
		cmocka_unit_test(drop_at_once_needs_no_clock),
		cmocka_unit_test(who_holds_every_slot_is_let_go_too),
		cmocka_unit_test(a_signal_ends_every_wait),
		cmocka_unit_test(drain_waits_for_everybody_and_gives_up_in_time),
		cmocka_unit_test(drain_sees_a_release_at_once),
		cmocka_unit_test(close_lingers_if_asked_to),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

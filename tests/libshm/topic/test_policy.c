/* test_policy.c - what happens when a reader does not keep up: wait, fail, drop, and nobody else suffers. */
#include "pair.h"

#include <sys/time.h>

#include "base/wait.h"

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

static int read_one_late(void *arg)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;

	(void)arg;
	CHECK(take(sub, &b) == 1);
	sleep_ms(100);
	plx_buffer_release(&b); /* and nothing else: the publisher must learn of it */
	sleep_ms(300);
	CHECK(take(sub, &b) == -ESHUTDOWN);
	plx_subscriber_close(sub);
	return 0;
}

static void drain_sees_a_release_at_once(void **state)
{
	pid_t kid = start(read_one_late, NULL);
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	uint64_t before;

	(void)state;
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	before = plx_now_ns();
	assert_int_equal(plx_publisher_drain(pub, 10 * SECOND), 0);
	assert_true(plx_now_ns() - before < SECOND / 4);
	plx_publisher_close(pub);
	assert_int_equal(finish(kid), 0);
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

/* ---- a stopped process ------------------------------------------------------------------------------------------ */

static uint64_t impatient;

static int read_and_count(void *arg)
{
	struct plx_subscriber *sub = subscriber(
		(struct plx_subscriber_options){ .patience_ns = arg ? *(const uint64_t *)arg : 0 });
	struct plx_buffer b;
	uint64_t n = 0;
	int ret;

	while ((ret = take(sub, &b)) == 1 || ret == -EINTR) { /* SIGCONT is a signal */
		if (ret == -EINTR)
			continue;
		CHECK(memcmp(b.data, &n, sizeof(n)) == 0);
		n++;
		plx_buffer_release(&b);
	}
	plx_subscriber_close(sub);
	CHECK(ret == -ESHUTDOWN || ret == -ETIMEDOUT);
	return ret == -ESHUTDOWN ? 10 : 11;
}

/*
 * 1000 messages to two readers; one wants to be waited for @stopped_ns at most (NULL: does not mind) and is stopped early
 * on. Afterwards that one has been let go, and the other one has everything. Returns what the slowest message took.
 */
static uint64_t publish_to_a_stopped_reader(struct plx_publisher_options opt, const uint64_t *stopped_ns)
{
	pid_t stopped = start(read_and_count, (void *)(uintptr_t)stopped_ns),
	      other = start(read_and_count, NULL);
	struct plx_publisher *pub = publisher(opt);
	uint64_t slowest = 0;

	assert_int_equal(plx_publisher_wait_subscribers(pub, 2, 10 * SECOND), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t before = plx_now_ns(), took;

		if (i == 100)
			kill(stopped, SIGSTOP);
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
		took = plx_now_ns() - before;
		if (took > slowest)
			slowest = took;
	}
	kill(stopped, SIGCONT);
	assert_int_equal(finish(stopped), 11);
	plx_publisher_end(pub, 0);
	assert_int_equal(finish(other), 10);
	plx_publisher_close(pub);
	return slowest;
}

static void a_stopped_reader_delays_the_others_once_and_learns_its_fate_when_it_wakes(void **state)
{
	struct plx_publisher_options opt = { .full = PLX_FULL_DROP, .full_ns = SECOND / 10, .depth = 64 };

	(void)state;
	assert_in_range(publish_to_a_stopped_reader(opt, NULL), SECOND / 20, 5 * SECOND);
}

/* The publisher waits for ever; one reader does not want that, the other has no part in it. */
static void a_reader_decides_itself_for_how_long_it_is_waited_for(void **state)
{
	struct plx_publisher_options opt = { .depth = 64 };

	(void)state;
	impatient = SECOND / 20;
	assert_in_range(publish_to_a_stopped_reader(opt, &impatient), SECOND / 40, 5 * SECOND);
}

/* Fills its log and waits; says so. */
static int publish_and_wait(void *arg)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .full = PLX_FULL_DROP, .full_ns = SECOND, .depth = 8 });
	uint32_t *sent = arg;

	CHECK(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND) == 0);
	for (uint64_t i = 0; i < 32; i++) {
		CHECK(plx_publisher_send(pub, &i, sizeof(i)) == 0);
		__atomic_store_n(sent, (uint32_t)i + 1, __ATOMIC_RELAXED);
	}
	plx_publisher_end(pub, 0);
	plx_publisher_close(pub);
	return 0;
}

static void a_publisher_that_was_stopped_itself_does_not_blame_its_readers(void **state)
{
	uint32_t *sent = gate_open();
	pid_t pid = start(publish_and_wait, sent);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;
	uint64_t n = 0;
	int ret;

	(void)state;
	assert_true(connected(sub, 1));
	while (__atomic_load_n(sent, __ATOMIC_RELAXED) < 8)
		usleep(1000);
	usleep(20000); /* it waits for us */
	kill(pid, SIGSTOP);
	usleep(1300000);
	kill(pid, SIGCONT);
	usleep(30000); /* it has looked at us, and at the clock */
	while ((ret = take(sub, &b)) == 1) {
		assert_memory_equal(b.data, &n, sizeof(n));
		n++;
		plx_buffer_release(&b);
	}
	assert_int_equal(ret, -ESHUTDOWN);
	assert_int_equal(n, 32);
	plx_subscriber_close(sub);
	assert_int_equal(finish(pid), 0);
	gate_close(sent);
}

/* A stuck lossy reader has no say in anything. */
static void a_lossy_reader_that_is_stuck_delays_nobody(void **state)
{
	struct plx_subscriber_options lossy = { .reading = PLX_READ_LOSSY };
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .depth = 64, .full = PLX_FULL_FAIL });
	struct plx_subscriber *stuck = subscriber(lossy), *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_subscriber_stats stats;
	struct plx_buffer held, b;

	(void)state;
	assert_true(connected(stuck, 1) && connected(sub, 1));
	assert_int_equal(plx_publisher_send(pub, "0", 1), 0);
	assert_int_equal(take(stuck, &held), 1);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0); /* -EAGAIN would be a delay */
		while (plx_subscriber_take(sub, &b) == 1)
			plx_buffer_release(&b);
	}
	plx_buffer_release(&held);
	assert_int_equal(take(stuck, &b), 1);
	plx_subscriber_stats(stuck, &stats);
	assert_int_equal(b.sequence, stats.lost + 1); /* all between are counted */
	assert_in_range(stats.lost, 10000 - 64, 10000);
	plx_buffer_release(&b);
	plx_subscriber_close(stuck);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void a_lossy_reader_may_want_only_the_newest(void **state)
{
	static const uint64_t bursts[] = { 3, 4, 10, 40, 1 };
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 16 });
	struct plx_subscriber *sub = subscriber(
		(struct plx_subscriber_options){ .reading = PLX_READ_LOSSY, .depth = 4 });
	struct plx_subscriber_stats stats;
	uint64_t next = 0, lost = 0;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	for (size_t n = 0; n < COUNT_OF(bursts); n++) {
		uint64_t left = bursts[n] < 4 ? bursts[n] : 4;

		for (uint64_t i = 0; i < bursts[n]; i++)
			assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		next += bursts[n];
		lost += bursts[n] - left;
		for (; left > 0; left--) {
			assert_int_equal(plx_subscriber_take(sub, &b), 1);
			assert_int_equal(b.sequence, next - left);
			plx_buffer_release(&b);
		}
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
		plx_subscriber_stats(sub, &stats);
		assert_int_equal(stats.lost, lost);
	}
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* It holds eight of twenty slots and reads on no more: ten messages of history still fit. */
static void history_is_kept_although_a_lossy_reader_is_stuck(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){
		.depth = 128, .slots = 20, .quota = 8, .history = 10, .slot_size = 64 });
	struct plx_subscriber *stuck = subscriber(
		(struct plx_subscriber_options){ .reading = PLX_READ_LOSSY });
	struct plx_buffer held[8], b;

	(void)state;
	assert_true(connected(stuck, 1));
	for (uint64_t n = 0; n < 500; n++) {
		struct plx_loan loan;

		assert_int_equal(plx_publisher_loan(pub, &loan), 0);
		memcpy(loan.data, &n, sizeof(n));
		assert_int_equal(plx_publisher_publish(pub, &loan, sizeof(n)), 0);
		if (n < 8)
			assert_int_equal(take(stuck, &held[n]), 1);
		if (n > 400) {
			struct plx_subscriber *late = subscriber(
				(struct plx_subscriber_options){ .history = 10 });

			assert_int_equal(take(late, &b), 1);
			assert_int_equal(b.sequence, n - 9);
			plx_buffer_release(&b);
			plx_subscriber_close(late);
			assert_int_equal(plx_publisher_drain(pub, SECOND), 0); /* until it is forgotten */
		}
	}
	for (int i = 0; i < 8; i++)
		plx_buffer_release(&held[i]);
	plx_subscriber_close(stuck);
	plx_publisher_close(pub);
}

static void a_reader_may_ask_for_a_smaller_quota_and_not_for_a_larger_one(void **state)
{
	static const uint32_t asked[] = { 0, 3, 100 }, given[] = { 8, 3, 8 };
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .quota = 8, .slot_size = 64 });
	struct plx_buffer b[16];

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .quota = asked[k] });
		uint32_t n = 0;

		assert_true(connected(sub, 1));
		for (int i = 0; i < 16; i++)
			assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		while (n < 16 && plx_subscriber_take(sub, &b[n]) == 1)
			n++;
		assert_int_equal(n, given[k]);
		while (n)
			plx_buffer_release(&b[--n]);
		plx_subscriber_close(sub);
	}
	plx_publisher_close(pub);
}

/* The publisher is gone, and nobody writes on its log any more: what is there can be read, however late. */
static void a_lossy_reader_gets_what_the_log_of_a_closed_publisher_holds(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 16, .slot_size = 64 });
	struct plx_subscriber *quick = subscriber(PLX_SUBSCRIBER_DEFAULTS), *late;
	struct plx_subscriber_stats stats;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(quick, 1));
	late = subscriber((struct plx_subscriber_options){ .reading = PLX_READ_LOSSY });
	assert_true(connected(late, 1));
	for (uint64_t n = 0; n < 10; n++) {
		assert_int_equal(plx_publisher_send(pub, &n, sizeof(n)), 0);
		assert_int_equal(take(quick, &b), 1);
		plx_buffer_release(&b);
	}
	plx_subscriber_flush(quick);
	plx_publisher_close(pub);
	for (uint64_t n = 0; n < 10; n++) {
		assert_int_equal(take(late, &b), 1);
		assert_int_equal(b.sequence, n);
		plx_buffer_release(&b);
	}
	assert_int_equal(take(late, &b), -ESHUTDOWN);
	plx_subscriber_stats(late, &stats);
	assert_int_equal(stats.lost, 0);
	plx_subscriber_close(late);
	plx_subscriber_close(quick);
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
		cmocka_unit_test(a_stopped_reader_delays_the_others_once_and_learns_its_fate_when_it_wakes),
		cmocka_unit_test(a_reader_decides_itself_for_how_long_it_is_waited_for),
		cmocka_unit_test(a_publisher_that_was_stopped_itself_does_not_blame_its_readers),
		cmocka_unit_test(a_lossy_reader_that_is_stuck_delays_nobody),
		cmocka_unit_test(a_lossy_reader_may_want_only_the_newest),
		cmocka_unit_test(history_is_kept_although_a_lossy_reader_is_stuck),
		cmocka_unit_test(a_reader_may_ask_for_a_smaller_quota_and_not_for_a_larger_one),
		cmocka_unit_test(a_lossy_reader_gets_what_the_log_of_a_closed_publisher_holds),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* test_policy_stuck.c - a reader is stopped or stuck, reliable or lossy: nobody else suffers for long. */
#include "pair.h"

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

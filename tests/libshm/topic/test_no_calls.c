/* test_no_calls.c - while messages flow nobody calls the kernel for each: the doors (base/sys.h) are counted. */
#include "pair.h"

#include "base/sys.h"

#define MANY LONG_LOOP(1000000)

static int calls(void)
{
	return plx_fault_seen;
}

static void one_thread_sends_and_takes_with_hardly_a_call(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .polling = true });
	struct plx_loan loan;
	struct plx_buffer b;
	int before;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	before = calls();
	for (int i = 0; i < MANY; i++) {
		if (i % 2) {
			assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
		} else {
			assert_int_equal(plx_publisher_loan(pub, &loan), 0);
			memcpy(loan.data, &i, sizeof(i));
			assert_int_equal(plx_publisher_publish(pub, &loan, 1000), 0);
		}
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		assert_memory_equal(b.data, &i, sizeof(i));
		plx_buffer_release(&b);
	}
	/* sockets are looked at once in 65536 messages; and the control thread may still have been on its way to sleep */
	assert_in_range(calls() - before, 0, MANY / 65536 + 50);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static int take_them(void *arg)
{
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .polling = true });
	struct plx_buffer b;
	int before, got, empty = 0;

	(void)arg;
	CHECK(connected(sub, 1));
	CHECK(take(sub, &b) == 1);
	before = calls();
	for (int i = 1; i < MANY; i++) {
		plx_buffer_release(&b);
		while ((got = plx_subscriber_take(sub, &b)) == 0)
			empty++;
		CHECK(got == 1);
	}
	/* sockets are looked at once in 1024 empty takes; a publisher that waits is woken a few times in a log's length */
	CHECK(calls() - before < empty / 1000 + MANY / 50);
	plx_buffer_release(&b);
	CHECK(take(sub, &b) == -ESHUTDOWN);
	plx_subscriber_close(sub);
	return 0;
}

static void two_processes_stream_with_hardly_a_call(void **state)
{
	pid_t kid = start(take_them, NULL);
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .depth = 4096, .slot_size = 64 });
	int before;

	(void)state;
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	before = calls();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
	assert_in_range(calls() - before, 0,
			MANY / 20); /* a full log is waited for, in steps of its eighths */
	plx_publisher_end(pub, 0);
	assert_int_equal(plx_publisher_drain(pub, 10 * SECOND), 0);
	assert_int_equal(finish(kid), 0);
	plx_publisher_close(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_sends_and_takes_with_hardly_a_call),
		cmocka_unit_test(two_processes_stream_with_hardly_a_call),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

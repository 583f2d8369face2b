/* test_confirm.c - a subscriber that says itself what it is done with: until then its publisher waits, or knows. */
#include "tests/libshm/topic/pair.h"

/* Takes @n messages and lets go of each. */
static void take_and_release(struct plx_subscriber *sub, int n)
{
	struct plx_buffer b;

	for (int i = 0; i < n; i++) {
		assert_int_equal(take(sub, &b), 1);
		plx_buffer_release(&b);
	}
}

static void what_is_not_confirmed_counts_as_unread(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 64 });
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .confirm = true });
	const uint64_t soon = SECOND / 50;
	struct plx_reader_end gone;
	struct plx_buffer b;
	char large[100] = "";

	(void)state;
	assert_true(connected(sub, 1));
	for (int i = 0; i < 60; i++)
		assert_int_equal(plx_publisher_send(pub, large, i % 2 ? 8 : sizeof(large)), 0);
	take_and_release(sub, 40);
	assert_int_equal(plx_publisher_drain(pub, soon), -ETIMEDOUT);
	plx_subscriber_flush(sub);
	take_and_release(sub, 20);
	assert_int_equal(plx_subscriber_take(sub, &b), 0);
	assert_int_equal(plx_subscriber_wait(sub, soon), -ETIMEDOUT);
	assert_int_equal(plx_publisher_drain(pub, soon), -ETIMEDOUT);
	plx_subscriber_flush(sub);
	assert_int_equal(plx_publisher_drain(pub, 10 * SECOND), 0);
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	take_and_release(sub, 1);
	plx_subscriber_close(sub);
	assert_int_equal(plx_publisher_drain(pub, 10 * SECOND), 0);
	assert_true(plx_publisher_gone(pub, &gone));
	assert_int_equal(gone.position, 60);
	plx_publisher_close(pub);
}

static void a_stream_ends_when_all_before_its_end_is_confirmed(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
		struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .confirm = true });
		struct plx_buffer b;

		assert_true(connected(sub, 1));
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		plx_publisher_end(pub, 0);
		take_and_release(sub, 1);
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
		if (closed) { /* it did not wait for us: there is nobody to tell */
			plx_publisher_close(pub);
		} else {
			plx_subscriber_flush(sub);
			assert_int_equal(plx_publisher_drain(pub, 0), 0);
		}
		assert_int_equal(take(sub, &b), -ESHUTDOWN);
		plx_subscriber_close(sub);
		if (!closed)
			plx_publisher_close(pub);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_confirmed_counts_as_unread),
		cmocka_unit_test(a_stream_ends_when_all_before_its_end_is_confirmed),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

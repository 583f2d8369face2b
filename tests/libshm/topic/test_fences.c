/*
 * test_fences.c - who is about to sleep has the kernel fence for both sides, and looks once more.
 *
 * What a missing fence lets happen, a store that is seen late, comes rarely and not on every machine. So it is played: the
 * other side does at the door to the kernel's barrier what its processor had kept back until then. A sleeper that asks
 * for no barrier, or does not look after it, is found out each time. The model of the same is tests/model/sleep.pml.
 */
#include "tests/libshm/topic/pair.h"

#include "base/sys.h"
#include "topic/member.h"
#include "topic/publisher_state.h"
#include "topic/subscriber_state.h"

static struct plx_publisher *pub;
static struct plx_subscriber *sub;
static uint32_t barriers, sleeps; /* of this thread */
static void (*kept_back)(void);   /* happens at the next barrier */

static void at_door(const char *door)
{
	void (*now)(void) = kept_back;

	if (strcmp(door, "futex_wait") == 0)
		sleeps++;
	if (strcmp(door, "barrier") != 0)
		return;
	barriers++;
	kept_back = NULL;
	if (now)
		now();
}

static void open_both(uint32_t depth)
{
	pub = publisher((struct plx_publisher_options){ .depth = depth, .full_ns = 2 * SECOND });
	sub = subscriber((struct plx_subscriber_options){ .spin_ns = 1 });
	assert_true(connected(sub, 1));
	barriers = sleeps = 0;
	plx_fault_hook = at_door;
}

static void close_both(void)
{
	plx_fault_hook = NULL;
	kept_back = NULL;
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* A message whose publisher has not seen yet that we sleep. */
static void a_message_comes_unannounced(void)
{
	struct plx_link *link = sub->readers[0]->reader.link;

	assert_true(link->sleep & PLX_SLEEP_ASLEEP); /* said before, not after */
	plx_publisher_batch(pub, true);
	assert_int_equal(plx_publisher_send(pub, "late", 4), 0);
}

static void who_falls_asleep_fences_its_publisher_and_looks_again(void **state)
{
	struct plx_buffer b;

	(void)state;
	open_both(16);
	if (pub->own_fences) { /* no such barrier here */
		close_both();
		skip();
	}
	for (int i = 0; i < 3; i++) {
		barriers = 0;
		kept_back = a_message_comes_unannounced;
		assert_false(plx_subscriber_arm(sub));
		assert_int_equal(barriers, 1);
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		plx_buffer_release(&b);
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
	}
	assert_true(plx_subscriber_arm(sub)); /* and sleeps when there is nothing */
	plx_publisher_batch(pub, false);
	close_both();
}

/* A publisher that wakes somebody all the time fences itself; then the kernel is not asked. */
static void whose_publisher_fences_itself_asks_for_no_barrier(void **state)
{
	struct plx_buffer b;

	(void)state;
	open_both(16);
	for (int i = 0; i < 10; i++) {
		barriers = 0;
		assert_true(plx_subscriber_arm(sub));
		assert_int_equal(barriers, i == 0 && !pub->own_fences ? 1 : 0);
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		assert_true(pub->fenced);
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		plx_buffer_release(&b);
	}
	close_both();
}

/* The only reader takes it all; its publisher had not seen that. */
static void all_is_read(void)
{
	struct plx_buffer b;
	int n = 0;

	assert_true(pub->writer.head->attention & PLX_ATTENTION_WAITING);
	while (plx_subscriber_take(sub, &b) == 1) {
		plx_buffer_release(&b);
		n++;
	}
	assert_int_equal(n, 16);
	plx_subscriber_flush(sub);
}

static void who_waits_for_room_fences_its_readers_and_looks_again(void **state)
{
	(void)state;
	open_both(16);
	for (int i = 0; i < 16; i++)
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	barriers = sleeps = 0;
	kept_back = all_is_read;
	assert_int_equal(plx_publisher_send(pub, "y", 1), 0);
	assert_int_equal(barriers, 1);
	assert_int_equal(sleeps, 0);
	close_both();
}

/* What the user's thread had kept back when somebody was let in: a message, and its look at how many may sleep. */
static void a_message_meets_a_newcomer(void)
{
	assert_int_equal(pub->writer.quick.sleepers, 2); /* said before, not after */
}

/* The short way looks at the number of sleepers without a fence: who is let in must be counted before the user's next look. */
static void who_lets_a_sleeper_in_fences_the_short_way_of_publishing(void **state)
{
	struct plx_link link = { .cursor = 0 };
	struct plx_member m = { .fd = -1 };

	(void)state;
	open_both(16);
	m.follower = (struct plx_follower){ .link = &link, .reliable = true };
	plx_publisher_enter(pub);
	barriers = 0;
	kept_back = a_message_meets_a_newcomer;
	assert_int_equal(plx_member_join(pub, &m), 0);
	assert_int_equal(pub->writer.quick.sleepers, 2);
	if (pub->bias->far)
		assert_int_equal(barriers, 1);
	else
		assert_int_equal(pub->writer.quick.on, 0); /* then nobody goes without a fence */
	plx_member_unjoin(pub, &m);
	assert_int_equal(pub->writer.quick.sleepers, 1);
	plx_publisher_leave(pub);
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_falls_asleep_fences_its_publisher_and_looks_again),
		cmocka_unit_test(whose_publisher_fences_itself_asks_for_no_barrier),
		cmocka_unit_test(who_waits_for_room_fences_its_readers_and_looks_again),
		cmocka_unit_test(who_lets_a_sleeper_in_fences_the_short_way_of_publishing),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

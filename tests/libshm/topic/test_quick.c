/*
 * test_quick.c - the short ways of plx/quick.h: taken whenever there is nothing to decide, and left when there is.
 */
#include "tests/libshm/topic/counted.h"

#include "topic/publisher_state.h"
#include "topic/subscriber_state.h"

static struct plx_publisher *pub;
static struct plx_subscriber *sub;

static int open_both(void **state)
{
	struct plx_buffer b;

	if (pair_setup(state) < 0)
		return -1;
	pub = publisher((struct plx_publisher_options){ .depth = 64, .slots = 32, .slot_size = 100 });
	sub = subscriber((struct plx_subscriber_options){ .polling = true });
	assert_true(connected(sub, 1));
	assert_int_equal(plx_subscriber_take(sub, &b), 0); /* it is awake again */
	/* without the kernel's barrier each message is fenced for, the long way */
	if (!pub->writer.quick.on)
		print_message("no short way here\n");
	memset(&counted, 0, sizeof(counted));
	return 0;
}

static int close_both(void **state)
{
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	return pair_teardown(state);
}

static void send_number(uint64_t number)
{
	assert_int_equal(plx_publisher_send(pub, &number, sizeof(number)), 0);
}

static void publish_number(uint64_t number)
{
	struct plx_loan loan;

	assert_int_equal(plx_publisher_loan(pub, &loan), 0);
	memcpy(loan.data, &number, sizeof(number));
	assert_int_equal(plx_publisher_publish(pub, &loan, 100), 0);
}

static void give_number(uint64_t number, bool send)
{
	if (send)
		send_number(number);
	else
		publish_number(number);
}

static void has_number(const struct plx_buffer *b, uint64_t number)
{
	assert_int_equal(b->sequence, number);
	assert_memory_equal(b->data, &number, sizeof(number));
}

static void with_nothing_to_decide_nothing_is_asked(void **state)
{
	struct plx_buffer b;
	uint64_t i;

	(void)state;
	if (!pub->writer.quick.on)
		skip();
	for (i = 0; i < 1000; i++) {
		give_number(i, i % 2);
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		has_number(&b, i);
		plx_buffer_release(&b);
	}
	/* a hand was empty, or the log full */
	assert_in_range(counted.sends + counted.publishes + counted.loans, 1, i / 8);
	assert_int_equal(counted.takes, 0); /* who lets go tells */
	assert_int_equal(counted.releases, 0);
}

/* Each keeps what it holds, wherever that lay, and whatever is taken and let go beside it. */
static void what_is_held_stays_as_it_is(void **state)
{
	struct plx_buffer held[6], b, again;

	(void)state;
	for (uint64_t i = 0; i < 6; i++) {
		give_number(i, i % 2);
		assert_int_equal(plx_subscriber_take(sub, &held[i]), 1);
	}
	assert_int_equal(plx_buffer_clone(&again, &held[3]), 0);
	plx_buffer_release(&held[3]); /* the other handle keeps it */
	plx_buffer_release(&held[0]);
	for (uint64_t i = 6; i < 500; i++) {
		give_number(i, i % 3);
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		has_number(&b, i);
		plx_buffer_release(&b);
		has_number(&held[1], 1);
		has_number(&held[2], 2);
		has_number(&again, 3);
		has_number(&held[4], 4);
	}
	plx_buffer_release(&again);
	for (int i = 0; i < 6; i++)
		plx_buffer_release(&held[i]);
	assert_int_equal(plx_reader_held(&sub->readers[0]->reader), 0);
}

/* Somebody was let go, who knows who: the socket is asked before a message is handed out that may be another one by now. */
static void a_word_from_the_publisher_is_heard_first(void **state)
{
	struct plx_topic_head *head = pub->writer.head;
	struct plx_buffer b;

	(void)state;
	send_number(0);
	__atomic_store_n(&head->attention, head->attention + PLX_ATTENTION_LET_GO, __ATOMIC_RELEASE);
	assert_int_equal(plx_subscriber_take(sub, &b), 1);
	assert_int_equal(counted.takes, 1);
	has_number(&b, 0);
	plx_buffer_release(&b);
}

/* While the publisher waits, who lets go tells it. */
static void a_publisher_that_waits_is_told(void **state)
{
	struct plx_topic_head *head = pub->writer.head;
	const struct plx_link *link = sub->readers[0]->reader.link;
	struct plx_buffer b;

	(void)state;
	send_number(0);
	assert_int_equal(plx_subscriber_take(sub, &b), 1);
	assert_int_equal(link->cursor, 0);
	head->wanted = 1;
	__atomic_store_n(&head->attention, head->attention | PLX_ATTENTION_WAITING, __ATOMIC_RELEASE);
	plx_buffer_release(&b);
	assert_int_equal(link->cursor, 1);
	__atomic_store_n(&head->attention, head->attention & ~PLX_ATTENTION_WAITING, __ATOMIC_RELEASE);
}

/* A message whose entry says what no honest publisher says. */
static void lie(uint32_t slot, uint32_t length, uint32_t flags)
{
	uint64_t position = pub->writer.head->head;
	struct plx_entry *entry = &pub->writer.log[position & pub->writer.mask];

	send_number(position);
	entry->place = plx_quick_place(slot, length);
	entry->meta = (uint64_t)flags << 32;
}

static void more_than_an_entry_holds_is_a_lie(void **state)
{
	struct plx_buffer b;

	(void)state;
	lie(PLX_SLOT_NONE, 41, 0);
	assert_int_equal(plx_subscriber_take(sub, &b), -EBADMSG);
}

static void more_than_is_left_beside_a_stamp_is_a_lie(void **state)
{
	struct plx_buffer b;

	(void)state;
	lie(PLX_SLOT_NONE, 33, PLX_BUFFER_STAMPED);
	assert_int_equal(plx_subscriber_take(sub, &b), -EBADMSG);
}

static void more_than_a_slot_holds_is_a_lie(void **state)
{
	struct plx_buffer b;

	(void)state;
	lie(3, 101, 0);
	assert_int_equal(plx_subscriber_take(sub, &b), -EBADMSG);
}

static void a_slot_that_does_not_exist_is_a_lie(void **state)
{
	struct plx_buffer b;

	(void)state;
	lie(32, 8, 0);
	assert_int_equal(plx_subscriber_take(sub, &b), -EBADMSG);
}

#define QUICK(test) cmocka_unit_test_setup_teardown(test, open_both, close_both)

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUICK(with_nothing_to_decide_nothing_is_asked),
		QUICK(what_is_held_stays_as_it_is),
		QUICK(a_word_from_the_publisher_is_heard_first),
		QUICK(a_publisher_that_waits_is_told),
		QUICK(more_than_an_entry_holds_is_a_lie),
		QUICK(more_than_is_left_beside_a_stamp_is_a_lie),
		QUICK(more_than_a_slot_holds_is_a_lie),
		QUICK(a_slot_that_does_not_exist_is_a_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

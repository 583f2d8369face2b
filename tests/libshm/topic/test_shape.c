/*
 * test_shape.c - a program and a library of two versions: what was inlined into the one does not fit the other.
 *
 * This program knows the short ways of plx/quick.h as if they came from another version. Everything has to go the long way, and be right. The structures that inlined code knows are those
 * that belong to their number: who moves something gives it another one.
 */
#define PLX_QUICK_VERSION 77u
#include "tests/libshm/topic/counted.h"

#include <stddef.h>

#define ROUNDS 200

/* Once round the log and more: inside an entry, in a slot, dropped, in vain. */
static void another_shape_goes_the_long_way(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 16, .slots = 8 });
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .polling = true });
	struct plx_buffer b;
	struct plx_loan loan;

	(void)state;
	assert_true(connected(sub, 1));
	memset(&counted, 0, sizeof(counted));
	for (uint64_t i = 0; i < ROUNDS; i++) {
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
		assert_int_equal(plx_publisher_loan(pub, &loan), 0);
		plx_publisher_drop(pub, &loan);
		assert_null(loan.data);
		assert_int_equal(plx_publisher_loan(pub, &loan), 0);
		memcpy(loan.data, &i, sizeof(i));
		assert_int_equal(plx_publisher_publish(pub, &loan, sizeof(i)), 0);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(plx_subscriber_take(sub, &b), 1);
			assert_int_equal(b.sequence, 2 * i + (uint64_t)k);
			assert_memory_equal(b.data, &i, sizeof(i));
			plx_buffer_release(&b);
			assert_null(b.holder);
		}
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
		assert_null(b.holder);
	}
	assert_int_equal(counted.sends, ROUNDS);
	assert_int_equal(counted.loans, 2 * ROUNDS);
	assert_int_equal(counted.drops, ROUNDS);
	assert_int_equal(counted.publishes, ROUNDS);
	assert_int_equal(counted.takes, 3 * ROUNDS);
	assert_int_equal(counted.releases, 2 * ROUNDS);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

#define LIES_AT(type, member, at) assert_int_equal(offsetof(struct type, member), at)

/* Another number for PLX_QUICK_VERSION when this changes, or what one of them means. */
static void what_is_inlined_lies_where_version_1_has_it(void **state)
{
	(void)state;
	LIES_AT(plx_publisher_quick, on, 0);
	LIES_AT(plx_publisher_quick, line, 8);
	LIES_AT(plx_publisher_quick, limit, 16);
	LIES_AT(plx_publisher_quick, mask, 24);
	LIES_AT(plx_publisher_quick, log, 32);
	LIES_AT(plx_publisher_quick, inside_max, 40);
	LIES_AT(plx_publisher_quick, slot_size, 48);
	LIES_AT(plx_publisher_quick, stride, 56);
	LIES_AT(plx_publisher_quick, slots, 64);
	LIES_AT(plx_publisher_quick, type, 72);
	LIES_AT(plx_publisher_quick, sleepers, 76);
	LIES_AT(plx_publisher_quick, drops, 80);
	LIES_AT(plx_subscriber_quick, on, 0);
	LIES_AT(plx_subscriber_quick, reader, 8);
	LIES_AT(plx_subscriber_quick, budget, 16);
	LIES_AT(plx_subscriber_quick, asking, 20);
	LIES_AT(plx_reader_quick, log, 0);
	LIES_AT(plx_reader_quick, mask, 8);
	LIES_AT(plx_reader_quick, slots, 16);
	LIES_AT(plx_reader_quick, stride, 24);
	LIES_AT(plx_reader_quick, slot_size, 32);
	LIES_AT(plx_reader_quick, slot_count, 40);
	LIES_AT(plx_reader_quick, quick, 44);
	LIES_AT(plx_reader_quick, calls, 48);
	LIES_AT(plx_reader_quick, attention, 56);
	LIES_AT(plx_reader_quick, next, 64);
	LIES_AT(plx_reader_quick, bytes, 72);
	LIES_AT(plx_reader_quick, told, 80);
	LIES_AT(plx_reader_quick, due, 88);
	LIES_AT(plx_reader_quick, enough, 96);
	LIES_AT(plx_reader_quick, id, 104);
	LIES_AT(plx_reader_quick, unused, 112);
	LIES_AT(plx_reader_quick, oldest, 120);
	LIES_AT(plx_reader_quick, newest, 128);
	LIES_AT(plx_holder, more, 0);
	LIES_AT(plx_holder, reader, 8);
	LIES_AT(plx_holder, next, 16);
	LIES_AT(plx_holder, prev, 24);
	LIES_AT(plx_holder, slot, 32);
	LIES_AT(plx_holder, listed, 36);
	LIES_AT(plx_holder, pinned, 37);
	LIES_AT(plx_holder, copy, 40);
	assert_int_equal(sizeof(struct plx_buffer), 64);
	assert_int_equal(PLX_QUICK_SHAPE >> 56, 0x51);
	assert_int_equal(PLX_QUICK_SHAPE >> 48 & 0xff, PLX_QUICK_VERSION);
	assert_int_equal((uint32_t)PLX_QUICK_SHAPE, 0); /* room for what is counted there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_shape_goes_the_long_way),
		cmocka_unit_test(what_is_inlined_lies_where_version_1_has_it),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* test_reader.c - a subscriber's half of a log: taking, holding, being lapped, and not believing a publisher. */
#include "core.h"

#include <errno.h>

#include "topic/handshake_layout.h"

#define SMALL 16u
#define LARGE 100u

static struct plx_reader *reader(struct core *core, int i)
{
	return &core->readers[i].reader;
}

static uint32_t pins(const struct core *core, int i)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < core->head->slots; slot++)
		n += core->readers[i].pins[slot / 64] >> (slot % 64) & 1;
	return n;
}

/* ---- taking and holding ------------------------------------------------------------------------------ */

static void messages_arrive_in_order_with_their_bytes_and_metadata(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_int_equal(plx_reader_take(reader(&core, 0), &b), PLX_READER_NOTHING);
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(core_publish(&core, i % 2 ? SMALL : LARGE));
		core_take(&core, 0, &b);
		assert_int_equal(b.sequence, i);
		assert_int_equal(b.length, i % 2 ? SMALL : LARGE);
		assert_int_equal(b.slot == PLX_SLOT_NONE, i % 2);
		assert_int_equal(b.publisher, 7);
		assert_int_equal(b.timestamp_ns, 0);
		plx_buffer_release(&b);
		plx_buffer_release(&b);
		core_check(&core);
	}
	assert_int_equal(plx_reader_taken(reader(&core, 0)), 100);
	core_close(&core);
}

static void type_flags_and_stamp_travel_with_the_message(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	core_join(&core, 1, PLX_READ_LOSSY, 0, 4);
	plx_writer_stamp(plx_writer_entry(&core.writer), 12345);
	plx_writer_put_inline(&core.writer, "abc", 3, 42, PLX_BUFFER_STAMPED | PLX_BUFFER_USER);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(plx_reader_take(reader(&core, i), &b), PLX_READER_MESSAGE);
		assert_memory_equal(b.data, "abc", 3);
		assert_int_equal(b.type, 42);
		assert_int_equal(b.flags, PLX_BUFFER_STAMPED | PLX_BUFFER_USER);
		assert_int_equal(b.timestamp_ns, 12345);
		plx_buffer_release(&b);
	}
	core_close(&core);
}

static void taking_in_order_needs_no_pin(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 8, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	for (int i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		core_take(&core, 0, &b);
		assert_int_equal(pins(&core, 0), 0);
		plx_buffer_release(&b);
		assert_int_equal(pins(&core, 0), 0);
	}
	core_close(&core);
}

static void the_cursor_is_told_lazily_and_at_the_latest_when_there_is_nothing_more(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 64, 64, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	for (int i = 0; i < 20; i++)
		assert_true(core_publish(&core, SMALL));
	for (int i = 0; i < 20; i++) {
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		assert_in_range(reader(&core, 0)->next - core.readers[0].link->cursor, 0, 8);
	}
	assert_int_equal(core.readers[0].link->cursor, 16);
	assert_int_equal(plx_reader_take(reader(&core, 0), &b), PLX_READER_NOTHING);
	assert_int_equal(core.readers[0].link->cursor, 20);
	core_close(&core);
}

static void with_a_tiny_log_every_message_is_told(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 2, 1, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 1);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(core_publish(&core, i % 2 ? SMALL : LARGE));
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		assert_int_equal(core.readers[0].link->cursor, i + 1);
	}
	core_close(&core);
}

static void a_message_that_came_in_the_log_may_be_held_without_holding_anybody_up(void **state)
{
	struct core core;
	struct plx_buffer first, b;

	(void)state;
	core_open(&core, 4, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_true(core_publish(&core, SMALL));
	core_take(&core, 0, &first);
	for (int i = 0; i < 30; i++) {
		assert_true(core_publish(&core, i % 2 ? SMALL : LARGE));
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		core_check(&core);
	}
	assert_int_equal(plx_reader_take(reader(&core, 0), &b), PLX_READER_NOTHING);
	assert_int_equal(core.readers[0].link->cursor, 31);
	assert_int_equal(pins(&core, 0), 0);
	assert_true(core_intact(&first, 0));
	plx_buffer_release(&first);
	core_close(&core);
}

static void what_is_held_when_the_cursor_passes_gets_a_pin_and_loses_it_with_the_last_handle(void **state)
{
	struct core core;
	struct plx_buffer b, copy, part, none;

	(void)state;
	core_open(&core, 8, 8, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_true(core_publish(&core, LARGE));
	core_take(&core, 0, &b);
	assert_int_equal(pins(&core, 0), 0);
	assert_int_equal(plx_reader_take(reader(&core, 0), &none), PLX_READER_NOTHING);
	assert_int_equal(pins(&core, 0), 1);
	assert_int_equal(plx_buffer_clone(&copy, &b), 0);
	assert_int_equal(plx_buffer_slice(&part, &b, 10, 20), 0);
	assert_ptr_equal(part.data, (const char *)b.data + 10);
	assert_int_equal(part.length, 20);
	assert_int_equal(plx_buffer_slice(&none, &b, 90, 11), -ERANGE);
	assert_int_equal(plx_buffer_slice(&none, &b, UINT64_MAX, 2), -ERANGE);
	assert_int_equal(plx_buffer_slice(&none, &b, 100, 0), 0);
	plx_buffer_release(&none);
	assert_int_equal(plx_buffer_clone(&none, &PLX_BUFFER_NONE), -EINVAL);
	plx_buffer_release(&b);
	plx_buffer_release(&copy);
	assert_int_equal(pins(&core, 0), 1);
	for (int i = 0; i < 30; i++) { /* laps */
		assert_true(core_publish(&core, LARGE));
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		core_check(&core);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(((const unsigned char *)part.data)[i], 0);
	plx_buffer_release(&part);
	assert_int_equal(pins(&core, 0), 0);
	assert_int_equal(plx_reader_held(reader(&core, 0)), 0);
	core_close(&core);
}

static void the_quota_limits_what_is_held(void **state)
{
	struct core core;
	struct plx_buffer held[3], b;

	(void)state;
	core_open(&core, 16, 16, 128, 0);
	for (int reading = 0; reading < 2; reading++) {
		core_join(&core, reading, reading ? PLX_READ_LOSSY : PLX_READ_RELIABLE, 0, 3);
		for (int i = 0; i < 5; i++)
			assert_true(core_publish(&core, i % 2 ? SMALL : LARGE));
		for (int i = 0; i < 3; i++)
			core_take(&core, reading, &held[i]);
		assert_int_equal(plx_reader_take(reader(&core, reading), &b), PLX_READER_QUOTA);
		assert_int_equal(plx_buffer_clone(&b, &held[1]), 0); /* a handle more is no message more */
		plx_buffer_release(&b);
		plx_buffer_release(&held[1]);
		core_take(&core, reading, &b);
		core_check(&core);
		core_part(&core, reading);
	}
	core_close(&core);
}

/* ---- lossy ------------------------------------------------------------------------------------------- */

static void what_a_lossy_reader_took_and_lost_is_all_there_was(void **state)
{
	struct core core;
	struct plx_buffer b;
	uint64_t expect = 0, taken = 0;

	(void)state;
	core_open(&core, 16, 5, 128, 0);
	core_join(&core, 0, PLX_READ_LOSSY, 0, 2);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t lost = reader(&core, 0)->lost;

		assert_true(core_publish(&core, i % 3 ? SMALL : LARGE));
		if (i % 40 < 37)
			continue;
		while (plx_reader_take(reader(&core, 0), &b) == PLX_READER_MESSAGE) {
			expect += reader(&core, 0)->lost - lost;
			lost = reader(&core, 0)->lost;
			assert_int_equal(b.sequence, expect++);
			assert_true(core_intact(&b, b.sequence));
			plx_buffer_release(&b);
			taken++;
		}
		assert_int_equal(expect, i + 1);
	}
	assert_true(reader(&core, 0)->lost > 0);
	assert_int_equal(taken, plx_reader_taken(reader(&core, 0)));
	assert_int_equal(taken + reader(&core, 0)->lost, reader(&core, 0)->next);
	core_close(&core);
}

static void a_lossy_reader_that_keeps_up_loses_nothing(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 8, 128, 0);
	core_join(&core, 0, PLX_READ_LOSSY, 0, 2);
	for (int i = 0; i < 1000; i++) {
		for (int k = 0; k < 7; k++)
			assert_true(core_publish(&core, k % 2 ? SMALL : LARGE));
		for (int k = 0; k < 7; k++) {
			core_take(&core, 0, &b);
			plx_buffer_release(&b);
		}
	}
	assert_int_equal(reader(&core, 0)->lost, 0);
	core_close(&core);
}

static void a_lossy_readers_copy_of_a_small_message_outlives_the_log(void **state)
{
	struct core core;
	struct plx_buffer held;

	(void)state;
	core_open(&core, 4, 4, 128, 0);
	core_join(&core, 0, PLX_READ_LOSSY, 0, 2);
	assert_true(core_publish(&core, SMALL));
	core_take(&core, 0, &held);
	for (int i = 0; i < 20; i++)
		assert_true(core_publish(&core, SMALL));
	assert_true(core_intact(&held, 0));
	plx_buffer_release(&held);
	core_close(&core);
}

/* ---- the end, and what a publisher says to everybody --------------------------------------------------- */

static void the_end_comes_after_the_last_message(void **state)
{
	const struct {
		int64_t said;
		int heard;
	} reasons[] = {
		{ 0, -ESHUTDOWN }, { -ECANCELED, -ECANCELED }, { 5, -EBADMSG }, { INT64_MIN, -EBADMSG }
	};
	struct plx_buffer b;

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		struct core core;

		core_open(&core, 8, 8, 128, 0);
		core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
		core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
		assert_true(core_publish(&core, SMALL));
		core.head->end_position = core.writer.head->head;
		core.head->end_reason = reasons[i].said;
		core.head->attention = PLX_ATTENTION_ENDED;
		for (int k = 0; k < 2; k++) {
			core_take(&core, k, &b);
			plx_buffer_release(&b);
			assert_int_equal(plx_reader_look(reader(&core, k)), PLX_READER_ENDED);
			assert_int_equal(plx_reader_take(reader(&core, k), &b), PLX_READER_ENDED);
			assert_int_equal(plx_reader_reason(reader(&core, k)), reasons[i].heard);
		}
		core_close(&core);
	}
}

static void when_somebody_was_let_go_everybody_asks_before_taking_more(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 8, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
	core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
	assert_true(core_publish(&core, SMALL));
	core.head->attention += PLX_ATTENTION_LET_GO;
	for (int k = 0; k < 2; k++) {
		assert_int_equal(plx_reader_take(reader(&core, k), &b), PLX_READER_ATTENTION);
		plx_reader_heeded(reader(&core, k));
	}
	for (int k = 0; k < 2; k++)
		core_take(&core, k, &b);
	core_close(&core);
}

/* It may have been let go before it began: then what it finds is in use again. */
static void who_begins_after_somebody_was_let_go_asks_whether_that_was_it(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 8, 128, 0);
	core.head->attention += 3 * PLX_ATTENTION_LET_GO;
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
	core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
	assert_true(core_publish(&core, SMALL));
	for (int k = 0; k < 2; k++) {
		assert_int_equal(plx_reader_take(reader(&core, k), &b), PLX_READER_ATTENTION);
		plx_reader_heeded(reader(&core, k));
		core_take(&core, k, &b);
	}
	core_close(&core);
}

static void a_waiting_publisher_is_told_at_once_and_rung_when_it_has_what_it_wants(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 64, 64, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	for (int i = 0; i < 10; i++)
		assert_true(core_publish(&core, SMALL));
	core.head->wanted = 4;
	core.head->attention |= PLX_ATTENTION_WAITING;
	for (uint64_t i = 0; i < 10; i++) {
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		assert_int_equal(core.readers[0].link->cursor, i + 1);
		assert_int_equal(core.readers[0].link->bell, i + 1 < 4 ? 0 : 1);
	}
	core_close(&core);
}

static void a_pin_that_goes_while_the_publisher_waits_rings(void **state)
{
	struct core core;
	struct plx_buffer b, none;

	(void)state;
	core_open(&core, 64, 64, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_true(core_publish(&core, LARGE));
	core_take(&core, 0, &b);
	assert_int_equal(plx_reader_take(reader(&core, 0), &none), PLX_READER_NOTHING);
	core.head->wanted = 100;
	core.head->attention |= PLX_ATTENTION_WAITING;
	plx_buffer_release(&b);
	assert_int_equal(core.readers[0].link->bell, 1);
	core_close(&core);
}

/* ---- a publisher that lies ------------------------------------------------------------------------------ */

static void an_entry_that_names_what_does_not_exist_is_a_lie(void **state)
{
	const struct {
		uint32_t slot, length, flags;
	} lies[] = {
		{ 4, 10, 0 },
		{ PLX_SLOT_NONE - 1, 10, 0 },
		{ 0, 129, 0 },
		{ 0, UINT32_MAX, 0 },
		{ 3, 1u << 31, 0 },
		{ PLX_SLOT_NONE, PLX_ENTRY_PAYLOAD + 1, 0 },
		{ PLX_SLOT_NONE, UINT32_MAX, 0 },
		{ PLX_SLOT_NONE, PLX_ENTRY_STAMPED + 1, PLX_BUFFER_STAMPED },
	};
	struct plx_buffer b;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct core core;

		core_open(&core, 8, 4, 128, 0);
		core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
		core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
		assert_true(core_publish(&core, SMALL));
		core.log[0].place = (uint64_t)lies[i].length << 32 | lies[i].slot;
		core.log[0].meta = (uint64_t)lies[i].flags << 32;
		for (int k = 0; k < 2; k++) {
			assert_int_equal(plx_reader_take(reader(&core, k), &b), PLX_READER_LIES);
			assert_int_equal(plx_reader_held(reader(&core, k)), 0);
		}
		core_close(&core);
	}
}

static void a_sequence_from_the_future_is_no_message(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
	core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
	core.log[0].sequence = 9;
	assert_int_equal(plx_reader_take(reader(&core, 0), &b), PLX_READER_LAPPED);
	assert_int_equal(plx_reader_take(reader(&core, 1), &b), PLX_READER_LIES); /* no tail explains it */
	core.log[0].sequence = 0;
	core_close(&core);
}

static void an_end_in_the_past_is_a_lie(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
	core_join(&core, 1, PLX_READ_LOSSY, 0, 2);
	assert_true(core_publish(&core, SMALL));
	for (int k = 0; k < 2; k++) {
		core_take(&core, k, &b);
		plx_buffer_release(&b);
	}
	core.head->end_position = 0;
	core.head->attention = PLX_ATTENTION_ENDED;
	for (int k = 0; k < 2; k++)
		assert_int_equal(plx_reader_take(reader(&core, k), &b), PLX_READER_LIES);
	core.head->end_position = 1000; /* an end in the future never comes */
	assert_int_equal(plx_reader_take(reader(&core, 0), &b), PLX_READER_LIES);
	assert_int_equal(plx_reader_take(reader(&core, 1), &b), PLX_READER_LIES);
	core_close(&core);
}

static uint64_t seed = 1;

static uint64_t roll(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Some value that might hurt. */
static uint64_t nasty(const struct plx_reader *r)
{
	switch (roll() % 8) {
	case 0: return r->next + 1;
	case 1: return r->next + roll() % 32;
	case 2: return r->next - roll() % 32;
	case 3: return roll();
	case 4: return (roll() % 200) << 32 | roll() % 8;
	case 5: return (roll() % 64) << 32 | PLX_SLOT_NONE;
	case 6: return 0;
	default: return roll() % 4 ? PLX_ATTENTION_WAITING : UINT64_MAX;
	}
}

static void nothing_a_publisher_writes_leads_outside(void **state)
{
	enum { STEPS = 300000 };
	struct core core;
	uint64_t taken = 0, sum = 0;

	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		struct plx_buffer held[4];

		memset(held, 0, sizeof(held));
		core_open(&core, 8, 4, 128, 0);
		core_join(&core, 0, reading ? PLX_READ_LOSSY : PLX_READ_RELIABLE, 0, 3);
		for (int step = 0; step < STEPS; step++) {
			struct plx_reader *r = reader(&core, 0);
			uint64_t *words = roll() % 2 ? (uint64_t *)&core.log[r->next & 7]
						     : (uint64_t *)core.head;
			struct plx_buffer *b = &held[roll() % 4];
			enum plx_found_what found;

			words[roll() % (words == (uint64_t *)core.head ? 40 : 8)] = nasty(r);
			plx_buffer_release(b);
			found = plx_reader_take(r, b);
			if (found == PLX_READER_ATTENTION)
				plx_reader_heeded(r);
			if (found != PLX_READER_MESSAGE)
				continue;
			taken++;
			assert_true(b->length <= 128);
			if (b->slot == PLX_SLOT_NONE) {
				assert_true(b->length <= PLX_ENTRY_PAYLOAD);
			} else {
				assert_in_range(b->slot, 0, 3);
				assert_ptr_equal(b->data, core.slots + b->slot * 128);
			}
			assert_true(plx_reader_held(r) <= 3);
			for (uint64_t i = 0; i < b->length; i++) /* AddressSanitizer looks on */
				sum += ((const unsigned char *)b->data)[i];
		}
		assert_true(core.readers[0].pins[0] <= 0xf);
		core_part(&core, 0);
		memset(core.head, 0, sizeof(*core.head));
		core_close(&core);
	}
	assert_true(taken > STEPS / 1000 && sum > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_in_order_with_their_bytes_and_metadata),
		cmocka_unit_test(type_flags_and_stamp_travel_with_the_message),
		cmocka_unit_test(taking_in_order_needs_no_pin),
		cmocka_unit_test(the_cursor_is_told_lazily_and_at_the_latest_when_there_is_nothing_more),
		cmocka_unit_test(with_a_tiny_log_every_message_is_told),
		cmocka_unit_test(a_message_that_came_in_the_log_may_be_held_without_holding_anybody_up),
		cmocka_unit_test(
			what_is_held_when_the_cursor_passes_gets_a_pin_and_loses_it_with_the_last_handle),
		cmocka_unit_test(the_quota_limits_what_is_held),
		cmocka_unit_test(what_a_lossy_reader_took_and_lost_is_all_there_was),
		cmocka_unit_test(a_lossy_reader_that_keeps_up_loses_nothing),
		cmocka_unit_test(a_lossy_readers_copy_of_a_small_message_outlives_the_log),
		cmocka_unit_test(the_end_comes_after_the_last_message),
		cmocka_unit_test(when_somebody_was_let_go_everybody_asks_before_taking_more),
		cmocka_unit_test(who_begins_after_somebody_was_let_go_asks_whether_that_was_it),
		cmocka_unit_test(a_waiting_publisher_is_told_at_once_and_rung_when_it_has_what_it_wants),
		cmocka_unit_test(a_pin_that_goes_while_the_publisher_waits_rings),
		cmocka_unit_test(an_entry_that_names_what_does_not_exist_is_a_lie),
		cmocka_unit_test(a_sequence_from_the_future_is_no_message),
		cmocka_unit_test(an_end_in_the_past_is_a_lie),
		cmocka_unit_test(nothing_a_publisher_writes_leads_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

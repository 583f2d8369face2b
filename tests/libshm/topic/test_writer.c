/* test_writer.c - the publisher's half of a log: room, slots, and who may hold them. */
#include "core.h"

#include <errno.h>

#define SMALL 16u
#define LARGE 100u

static void tell(struct core *core, int i)
{
	plx_reader_tell(&core->readers[i].reader);
}

static void take_all(struct core *core, int i)
{
	struct plx_buffer b;

	while (plx_reader_take(&core->readers[i].reader, &b) == PLX_READER_MESSAGE)
		plx_buffer_release(&b);
}

static uint32_t publish_until_full(struct core *core, uint32_t length)
{
	uint32_t n = 0;

	while (core_publish(core, length)) {
		n++;
		core_check(core);
		assert_true(n < 100000);
	}
	core_check(core);
	return n;
}

static void nonsense_geometry_is_refused(void **state)
{
	const struct plx_topic_head good = { .depth = 8, .slots = 8, .slot_size = 64, .stride = 64 };
	struct plx_topic_head bad[8];
	static uint64_t memory[1024] __attribute__((aligned(64)));

	(void)state;
	for (int i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].depth = 1;
	bad[1].depth = 12;
	bad[2].slots = 0;
	bad[3].slot_size = 0;
	bad[4].stride = 32;
	bad[5].stride = 65;
	bad[6].history = 8;
	bad[7].depth = 1u << 21;
	for (int i = 0; i < 8; i++) {
		struct plx_writer w;
		struct plx_writer_blocks blocks = { &bad[i], (void *)memory, memory, memory };

		assert_int_equal(plx_writer_init(&w, &blocks), -EINVAL);
	}
}

static void without_readers_nothing_is_ever_full(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 8, 3, 128, 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(core_publish(&core, i % 3 ? SMALL : LARGE));
		core_check(&core);
	}
	core_close(&core);
}

static void a_reliable_reader_that_does_not_read_stops_the_log_after_depth(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	for (uint32_t depth = 2; depth <= 64; depth *= 2) {
		core_open(&core, depth, 4, 128, 0);
		core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
		assert_int_equal(publish_until_full(&core, SMALL), depth);
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		tell(&core, 0);
		assert_int_equal(publish_until_full(&core, SMALL), 1);
		take_all(&core, 0);
		assert_int_equal(publish_until_full(&core, SMALL), depth);
		core_close(&core);
	}
}

static void one_slot_is_enough(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 2, 1, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 1);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(publish_until_full(&core, LARGE), 1);
		take_all(&core, 0);
	}
	core_close(&core);
}

/* Eight megabytes lie between two uses of a slot, if there are so many; then it goes on from the first one. */
static void slots_are_used_in_turn_and_again_from_the_first_before_they_leave_all_caches(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 64, 64, 1 << 20, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 16);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		core_take(&core, 0, &b);
		assert_int_equal(b.slot, i % 8);
		plx_buffer_release(&b);
		tell(&core, 0);
		core_check(&core);
	}
	core_close(&core);
}

static void a_slot_that_is_dropped_is_used_soon(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 64, 65536, 64, 0);
	for (uint32_t i = 0; i < 65536; i++)
		assert_int_equal(plx_writer_claim(&core.writer), i);
	assert_int_equal(plx_writer_claim(&core.writer), PLX_SLOT_NONE);
	for (uint32_t i = 0; i < 1000; i++) { /* the only one there is, wherever it lies */
		uint32_t slot = i * 7919 % 65536;

		plx_writer_drop(&core.writer, slot);
		assert_int_equal(plx_writer_claim(&core.writer), slot);
	}
	for (uint32_t i = 0; i < 65536; i++)
		plx_writer_drop(&core.writer, i);
	core_check(&core);
	core_close(&core);
}

static void a_pinned_slot_is_not_reused_until_it_is_let_go(void **state)
{
	struct core core;
	struct plx_buffer held;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_true(core_publish(&core, LARGE));
	core_take(&core, 0, &held);
	for (int lap = 0; lap < 50; lap++) {
		take_all(&core, 0);
		assert_true(core_publish(&core, LARGE));
		core_check(&core);
		assert_true(core_intact(&held, 0));
	}
	take_all(&core, 0);
	assert_int_equal(publish_until_full(&core, LARGE), 3);
	assert_int_equal(core.writer.in_limbo, 1);
	plx_buffer_release(&held);
	assert_int_equal(publish_until_full(&core, LARGE), 1);
	core_close(&core);
}

static void a_dead_reader_leaves_nothing_behind(void **state)
{
	struct core core;
	struct plx_buffer held[3];

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	core_join(&core, 1, PLX_READ_RELIABLE, 0, 4);
	for (int i = 0; i < 3; i++) {
		assert_true(core_publish(&core, LARGE));
		core_take(&core, 0, &held[i]);
	}
	take_all(&core, 1);
	tell(&core, 0);
	assert_true(core_publish(&core, LARGE)); /* one it has not read, three it holds */
	take_all(&core, 1);
	assert_int_equal(publish_until_full(&core, LARGE), 0);
	core_part(&core, 0); /* whatever it was doing */
	core_check(&core);
	assert_int_equal(publish_until_full(&core, LARGE), 4);
	core_close(&core);
}

static void the_slowest_reader_decides(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 16, 4, 128, 0);
	for (int i = 0; i < 3; i++)
		core_join(&core, i, PLX_READ_RELIABLE, 0, 4);
	assert_int_equal(publish_until_full(&core, SMALL), 16);
	take_all(&core, 0);
	take_all(&core, 2);
	assert_int_equal(publish_until_full(&core, SMALL), 0);
	assert_ptr_equal(plx_writer_slowest(&core.writer, false), &core.readers[1].follower);
	take_all(&core, 1);
	assert_int_equal(publish_until_full(&core, SMALL), 16);
	core_close(&core);
}

static void a_lossy_reader_holds_nobody_up_but_its_pins_count(void **state)
{
	struct core core;
	struct plx_buffer held;

	(void)state;
	core_open(&core, 8, 2, 128, 0);
	core_join(&core, 0, PLX_READ_LOSSY, 0, 2);
	for (int i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		core_check(&core);
	}
	assert_int_equal(plx_reader_take(&core.readers[0].reader, &held),
			 PLX_READER_MESSAGE); /* lapped: a later one */
	assert_int_equal(core.readers[0].reader.lost, held.sequence);
	for (int i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		core_check(&core);
		assert_true(core_intact(&held, held.sequence));
	}
	core_close(&core);
}

static void history_is_kept_as_long_as_there_is_room(void **state)
{
	struct core core;
	struct plx_buffer b;

	(void)state;
	core_open(&core, 16, 32, 128, 5);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	for (int i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		take_all(&core, 0);
		core_check(&core);
	}
	core_join(&core, 1, PLX_READ_RELIABLE, 3, 4);
	core_join(&core, 2, PLX_READ_RELIABLE, 1000, 4);
	core_join(&core, 3, PLX_READ_RELIABLE, 0, 4);
	assert_int_equal(core.readers[1].reader.next, 97);
	assert_int_equal(core.readers[2].reader.next, 95);
	assert_int_equal(core.readers[3].reader.next, 100);
	for (int i = 95; i < 100; i++) {
		core_take(&core, 2, &b);
		plx_buffer_release(&b);
	}
	core_close(&core);
	/* two slots: history gives way to what is new */
	core_open(&core, 16, 2, 128, 5);
	for (int i = 0; i < 100; i++) {
		assert_true(core_publish(&core, LARGE));
		core_check(&core);
	}
	core_join(&core, 0, PLX_READ_RELIABLE, 5, 4);
	assert_in_range(core.readers[0].reader.next, 98, 99);
	core_close(&core);
}

static void a_cursor_that_goes_back_is_not_believed(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 8, 4, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_int_equal(publish_until_full(&core, SMALL), 8);
	take_all(&core, 0);
	plx_writer_look(&core.writer);
	core.readers[0].link->cursor = 3;
	plx_writer_look(&core.writer);
	assert_int_equal(core.readers[0].follower.cursor, 8);
	assert_false(core.readers[0].follower.liar);
	core_check(&core);
	core.readers[0].link->cursor = 0;
	core_close(&core);
}

static void a_cursor_beyond_the_head_is_a_lie(void **state)
{
	const uint64_t lies[] = { 9, 10, 1u << 20, UINT64_C(1) << 40, INT64_MAX };
	struct core core;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		core_open(&core, 8, 4, 128, 0);
		core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
		assert_int_equal(publish_until_full(&core, SMALL), 8);
		core.readers[0].link->cursor = lies[i];
		assert_false(core_publish(&core, SMALL));
		assert_true(core.readers[0].follower.liar);
		assert_int_equal(core.readers[0].follower.cursor, 0);
		core_close(&core);
	}
}

/* The entry is there before the head says so: another thread that looks meanwhile goes by the entries. */
static void who_has_read_what_the_head_does_not_count_yet_is_no_liar(void **state)
{
	struct core core;
	struct plx_follower *f = &core.readers[0].follower;

	(void)state;
	core_open(&core, 8, 8, 64, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 8);
	for (uint64_t i = 0; i < 3; i++)
		plx_writer_put_inline(&core.writer, &i, sizeof(i), 0, 0);
	core.head->head--;
	core.readers[0].link->cursor = 2;
	assert_false(plx_writer_hear(&core.writer, f));
	core.readers[0].link->cursor = 3;
	assert_true(plx_writer_hear(&core.writer, f));
	assert_false(f->liar);
	assert_int_equal(f->cursor, 3);
	core.readers[0].link->cursor = 4;
	assert_true(plx_writer_hear(&core.writer, f));
	assert_true(f->liar);
	assert_int_equal(f->cursor, 3);
	core.head->head++;
	core_close(&core);
}

static void wild_pins_harm_nobody_and_too_many_are_noticed(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 8, 100, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 16);
	core_join(&core, 1, PLX_READ_RELIABLE, 0, 16);
	memset(core.readers[0].pins, 0xff, plx_topic_bitmap_size(100));
	for (int i = 0; i < 100; i++) { /* each slot is used once, and then the liar keeps it */
		assert_true(core_publish(&core, LARGE));
		take_all(&core, 0);
		take_all(&core, 1);
		assert_int_equal(plx_writer_check(&core.writer, &(const char *){ NULL }), 0);
	}
	assert_false(core_publish(&core, LARGE));
	plx_writer_judge(&core.writer);
	assert_true(core.readers[0].follower.liar);
	assert_false(core.readers[1].follower.liar);
	assert_ptr_equal(plx_writer_slowest(&core.writer, true), &core.readers[0].follower);
	core_part(&core, 0);
	for (int i = 0; i < 500; i++) {
		assert_true(core_publish(&core, LARGE));
		take_all(&core, 1);
		core_check(&core);
	}
	core_close(&core);
}

static void who_is_behind_with_messages_that_use_no_slot_is_not_blamed_for_slots(void **state)
{
	struct core core;
	struct plx_buffer b;
	uint32_t loan;

	(void)state;
	core_open(&core, 16, 2, 64, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 2);
	core_join(&core, 1, PLX_READ_RELIABLE, 0, 2);
	assert_true(core_publish(&core, 64));
	core_take(&core, 0, &b); /* and keeps it */
	plx_reader_tell(&core.readers[0].reader);
	for (int i = 0; i < 5; i++)
		assert_true(core_publish(&core, 8));
	core.readers[1].link->cursor = 1; /* done with the one that used a slot, five behind */
	core.readers[0].link->cursor = 6;
	loan = plx_writer_claim(&core.writer);
	assert_int_not_equal(loan, PLX_SLOT_NONE);
	assert_int_equal(plx_writer_claim(&core.writer), PLX_SLOT_NONE);
	assert_ptr_equal(plx_writer_slowest(&core.writer, true), &core.readers[0].follower);
	assert_ptr_equal(plx_writer_slowest(&core.writer, false), &core.readers[1].follower);
	core.readers[0].pins[0] = 0; /* lets go; then there are only loans */
	assert_int_not_equal(plx_writer_claim(&core.writer), PLX_SLOT_NONE);
	assert_int_equal(plx_writer_claim(&core.writer), PLX_SLOT_NONE);
	assert_null(plx_writer_slowest(&core.writer, true));
	core_close(&core);
}

static void when_only_loans_are_in_the_way_nobody_is_blamed(void **state)
{
	struct core core;

	(void)state;
	core_open(&core, 8, 2, 128, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 4);
	assert_int_equal(plx_writer_claim(&core.writer), 0);
	assert_int_equal(plx_writer_claim(&core.writer), 1);
	assert_int_equal(plx_writer_claim(&core.writer), PLX_SLOT_NONE);
	assert_null(plx_writer_slowest(&core.writer, true));
	core_check(&core);
	plx_writer_drop(&core.writer, 0);
	assert_int_equal(plx_writer_claim(&core.writer), 0);
	core_check(&core);
	core_close(&core);
}

/* ---- a random walk --------------------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t roll(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

#define HELD 8

struct walk {
	struct core core;
	struct plx_buffer held[CORE_READERS][HELD];
	uint64_t taken[CORE_READERS];
	uint32_t loans[4], loan_count;
};

static void walk_step(struct walk *w)
{
	struct core *core = &w->core;
	int i = (int)roll(CORE_READERS), k = (int)roll(HELD);
	struct core_reader *cr = &core->readers[i];
	struct plx_buffer *b = &w->held[i][k];

	switch (roll(12)) {
	case 0:
		if (!cr->link && roll(4) == 0) {
			w->taken[i] = 0;
			core_join(core, i, roll(2) ? PLX_READ_RELIABLE : PLX_READ_LOSSY, roll(8), HELD);
		}
		break;
	case 1:
		if (cr->link && roll(16) == 0) {
			memset(w->held[i], 0, sizeof(w->held[i]));
			core_part(core, i);
		}
		break;
	case 2:
		if (w->loan_count < 4 && w->loan_count + 1 < core->head->slots) {
			uint32_t slot = plx_writer_claim(&core->writer);

			if (slot != PLX_SLOT_NONE)
				w->loans[w->loan_count++] = slot;
		}
		break;
	case 3:
		if (w->loan_count)
			plx_writer_drop(&core->writer, w->loans[--w->loan_count]);
		break;
	case 4:
	case 5:
	case 6: core_publish(core, 8 + roll(120)); break;
	case 7:
		if (cr->link)
			plx_reader_tell(&cr->reader);
		break;
	default:
		if (!cr->link)
			break;
		plx_buffer_release(b);
		if (plx_reader_take(&cr->reader, b) == PLX_READER_MESSAGE) {
			w->taken[i]++;
			assert_int_equal(b->sequence, cr->reader.next - 1);
			assert_true(core_intact(b, b->sequence));
		}
		break;
	}
}

static void whatever_happens_in_whatever_order_the_checker_agrees_and_held_bytes_stay(void **state)
{
	(void)state;
	for (seed = 1; seed < 40; seed++) {
		uint64_t start = seed;
		struct walk w;

		memset(&w, 0, sizeof(w));
		core_open(&w.core, 2u << roll(5), 1 + roll(70), 128, 0);
		w.core.writer.history = roll(w.core.head->depth);
		for (int step = 0; step < 3000; step++) {
			walk_step(&w);
			core_check(&w.core);
			for (int i = 0; i < CORE_READERS; i++) {
				struct plx_reader *r = &w.core.readers[i].reader;

				for (int k = 0; k < HELD; k++) {
					if (w.held[i][k].holder)
						assert_true(
							core_intact(&w.held[i][k], w.held[i][k].sequence));
				}
				if (w.core.readers[i]
					    .link) /* nothing is taken twice, nothing vanishes uncounted */
					assert_int_equal(w.taken[i] + r->lost, r->next - r->start);
			}
		}
		core_close(&w.core);
		seed = start;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nonsense_geometry_is_refused),
		cmocka_unit_test(without_readers_nothing_is_ever_full),
		cmocka_unit_test(a_reliable_reader_that_does_not_read_stops_the_log_after_depth),
		cmocka_unit_test(one_slot_is_enough),
		cmocka_unit_test(
			slots_are_used_in_turn_and_again_from_the_first_before_they_leave_all_caches),
		cmocka_unit_test(a_slot_that_is_dropped_is_used_soon),
		cmocka_unit_test(a_pinned_slot_is_not_reused_until_it_is_let_go),
		cmocka_unit_test(a_dead_reader_leaves_nothing_behind),
		cmocka_unit_test(the_slowest_reader_decides),
		cmocka_unit_test(a_lossy_reader_holds_nobody_up_but_its_pins_count),
		cmocka_unit_test(history_is_kept_as_long_as_there_is_room),
		cmocka_unit_test(a_cursor_that_goes_back_is_not_believed),
		cmocka_unit_test(a_cursor_beyond_the_head_is_a_lie),
		cmocka_unit_test(who_has_read_what_the_head_does_not_count_yet_is_no_liar),
		cmocka_unit_test(wild_pins_harm_nobody_and_too_many_are_noticed),
		cmocka_unit_test(who_is_behind_with_messages_that_use_no_slot_is_not_blamed_for_slots),
		cmocka_unit_test(when_only_loans_are_in_the_way_nobody_is_blamed),
		cmocka_unit_test(whatever_happens_in_whatever_order_the_checker_agrees_and_held_bytes_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

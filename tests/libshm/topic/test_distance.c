/*
 * test_distance.c - between processors that are far from each other readers drop what they have read; nothing else changes by it.
 *
 * How long a line takes cannot be played, so the publisher's judgement is asked, and its wish is told the reader by hand. That
 * it pays is what tests/bench/bench_topic_flow.c is for.
 */
#include "tests/libshm/topic/core.h"

#include "tests/libshm/topic/pair.h"

#include "topic/publisher_state.h"

#define NEAR_NS 70u
#define FAR_NS  150u

/* A stream of 1024 messages inside entries, 25 ns each. */
static uint32_t judge(struct plx_distance *d, uint64_t line_ns, int times)
{
	uint32_t drop = 0;

	for (int i = 0; i < times; i++)
		drop = plx_distance_judge(d, line_ns, 1024, 1024 * 8, 1024 * 25);
	return drop;
}

static void several_samples_make_it_far_and_several_make_it_near(void **state)
{
	struct plx_distance d = { 0 };

	(void)state;
	assert_int_equal(judge(&d, NEAR_NS, 100), 0);
	assert_int_equal(judge(&d, FAR_NS, 5), 0);
	assert_int_equal(judge(&d, NEAR_NS, 5), 0);
	assert_int_equal(judge(&d, FAR_NS, 6), PLX_DROP_ENTRIES);
	assert_int_equal(judge(&d, FAR_NS, 100), PLX_DROP_ENTRIES);
	assert_int_equal(judge(&d, NEAR_NS, 5), PLX_DROP_ENTRIES);
	assert_int_equal(judge(&d, NEAR_NS, 1), 0);
	assert_int_equal(judge(&d, FAR_NS, 3), 0);
}

static void who_publishes_now_and_then_is_not_helped(void **state)
{
	struct plx_distance d = { 0 };

	(void)state;
	judge(&d, FAR_NS, 8);
	assert_int_equal(plx_distance_judge(&d, FAR_NS, 1024, 8192, 1024 * 201), 0);
	assert_int_equal(plx_distance_judge(&d, FAR_NS, 1024, 8192, 1024 * 199), PLX_DROP_ENTRIES);
}

static void slots_are_dropped_when_they_are_filled(void **state)
{
	const uint64_t n = 1024, bytes = n * 4096, ns = n * 2000;
	struct plx_distance d = { 0 };

	(void)state;
	judge(&d, FAR_NS, 8);
	assert_true(d.ask);
	assert_int_equal(plx_distance_judge(&d, FAR_NS, n, bytes, ns),
			 0); /* 2 us for a line, as far as we know */
	plx_distance_loaned(&d, 3);
	assert_false(d.ask);
	plx_distance_filled(&d, 4, 8); /* not the one that is looked at */
	assert_int_equal(plx_distance_judge(&d, FAR_NS, n, bytes, ns), 0);
	plx_distance_loaned(&d, 3);
	plx_distance_filled(&d, 3, 8);
	assert_int_equal(plx_distance_judge(&d, FAR_NS, n, bytes, ns), PLX_DROP_ENTRIES | PLX_DROP_SLOTS);
	for (int i = 0; i < 4; i++) {
		assert_int_not_equal(plx_distance_judge(&d, FAR_NS, n, bytes, ns), 0);
		plx_distance_loaned(&d, 3);
		plx_distance_filled(&d, 3, UINT64_C(1) << 50); /* nobody is that fast */
	}
	assert_int_equal(plx_distance_judge(&d, FAR_NS, n, bytes, ns), 0);
	assert_int_equal(plx_distance_judge(&d, FAR_NS, n, bytes, n * 100) & ~PLX_DROP_BEHIND,
			 PLX_DROP_ENTRIES);
}

static void a_quick_stream_of_slots_wants_its_reader_behind(void **state)
{
	struct plx_distance d = { .filled = 1 };

	(void)state;
	judge(&d, FAR_NS, 8);
	assert_true(plx_distance_judge(&d, FAR_NS, 1024, 1024 * 64, 1024 * 140) & PLX_DROP_BEHIND);
	assert_false(plx_distance_judge(&d, FAR_NS, 1024, 1024 * 64, 1024 * 300) & PLX_DROP_BEHIND);
	assert_false(plx_distance_judge(&d, FAR_NS, 1024, 1024 * 40, 1024 * 25) & PLX_DROP_BEHIND);
}

/* Laps of a log, with everything dropped that is told, some of it held meanwhile. */
static void what_is_dropped_is_read_and_written_as_before(void **state)
{
	const uint32_t lengths[] = { 8, 40, 64, 100, 4096 };
	struct plx_buffer b, held[3];
	struct core core;

	(void)state;
	core_open(&core, 16, 20, 4096, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 8);
	core.head->drop = PLX_DROP_ENTRIES | PLX_DROP_SLOTS;
	for (int i = 0; i < 500; i++) {
		for (int k = 0; k < 5; k++)
			assert_true(core_publish(&core, lengths[(i + k) % 5]));
		core_take(&core, 0, &held[0]);
		core_take(&core, 0, &held[1]);
		core_take(&core, 0, &held[2]);
		for (int k = 3; k < 5; k++) {
			core_take(&core, 0, &b);
			plx_buffer_release(&b);
		}
		assert_int_equal(plx_reader_take(&core.readers[0].reader, &b), PLX_READER_NOTHING);
		for (int k = 0; k < 3; k++) {
			assert_true(core_intact(&held[k], held[k].sequence));
			plx_buffer_release(&held[k]);
		}
		core_check(&core);
	}
	core_close(&core);
}

/* Between a take and the next the entry is made to say something that lies nowhere: dropping it would be a fault. */
static void what_a_liar_says_is_not_dropped(void **state)
{
	const uint64_t places[] = { plx_quick_place(20, 64), plx_quick_place(0x7ffffff0u, 64),
				    plx_quick_place(19, UINT32_MAX), plx_quick_place(0, 4097) };
	struct plx_buffer b;
	struct core core;

	(void)state;
	core_open(&core, 16, 20, 4096, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 8);
	core.head->drop = PLX_DROP_ENTRIES | PLX_DROP_SLOTS;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint64_t honest;

		assert_true(core_publish(&core, 64));
		core_take(&core, 0, &b);
		honest = core.log[i].place;
		core.log[i].place = places[i];
		plx_buffer_release(&b);
		plx_reader_tell(&core.readers[0].reader);
		core.log[i].place = honest;
	}
	core_close(&core);
}

static void who_stays_behind_in_vain_stops_it(void **state)
{
	struct plx_buffer b;
	struct core core;
	uint64_t stayed = 0;

	(void)state;
	core_open(&core, 16, 20, 64, 0);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, 8);
	core.head->drop = PLX_DROP_ENTRIES | PLX_DROP_BEHIND;
	for (int i = 0; i < 1000; i++) {
		uint64_t before = core.readers[0].reader.stayed;

		assert_true(core_publish(&core, 64));
		core_take(&core, 0, &b);
		plx_buffer_release(&b);
		assert_int_equal(plx_reader_take(&core.readers[0].reader, &b), PLX_READER_NOTHING);
		stayed += core.readers[0].reader.stayed != before;
	}
	assert_in_range(stayed, 1, 20);
	core_close(&core);
}

/* A publisher that has to look how long a slot takes to fill goes the long way for that one, whatever comes of it. */
static void one_slot_is_looked_at_and_then_it_is_quick_again(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 256 });
	struct plx_distance *d = &pub->writer.distance;
	struct plx_loan loan;

	(void)state;
	if (!pub->writer.quick.on) { /* not on this machine, or in this build */
		plx_publisher_close(pub);
		skip();
	}
	for (int how = 0; how < 3; how++) {
		d->filled = 0;
		d->ask = true;
		while (d->ask) { /* until what is in hand has run out */
			assert_int_equal(plx_publisher_loan(pub, &loan), 0);
			if (d->ask)
				assert_int_equal(plx_publisher_publish(pub, &loan, 8), 0);
		}
		assert_int_equal(pub->writer.quick.on, 0);
		if (how == 0)
			assert_int_equal(plx_publisher_publish(pub, &loan, 8), 0);
		else if (how == 1)
			plx_publisher_drop(pub, &loan);
		else
			assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		assert_int_equal(pub->writer.quick.on, PLX_QUICK_SHAPE);
		assert_int_equal(d->loaned_ns, 0);
		assert_int_equal(d->filled != 0, how == 0);
		plx_publisher_drop(pub, &loan);
	}
	plx_publisher_close(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_samples_make_it_far_and_several_make_it_near),
		cmocka_unit_test(who_publishes_now_and_then_is_not_helped),
		cmocka_unit_test(slots_are_dropped_when_they_are_filled),
		cmocka_unit_test(a_quick_stream_of_slots_wants_its_reader_behind),
		cmocka_unit_test(what_is_dropped_is_read_and_written_as_before),
		cmocka_unit_test(what_a_liar_says_is_not_dropped),
		cmocka_unit_test(who_stays_behind_in_vain_stops_it),
		cmocka_unit_test_setup_teardown(one_slot_is_looked_at_and_then_it_is_quick_again, pair_setup,
						pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

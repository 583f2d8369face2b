/* test_workers_death.c - workers die: what they had in hand is undone and comes again, and what nobody survives is put aside. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* Two workers die of it, the third one does not: one less than it takes to put it aside. */
static void what_a_dead_worker_had_in_hand_is_undone_and_comes_again(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = open_with(&o);
	struct plx_sender *s;

	(void)state;
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(s, 1, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	page->deadly = (uint32_t)keys[5];
	page->deaths = 2;
	send_rounds(s, 4, 4);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 7);
	assert_int_equal(stats_of(w).restarts, 2);
	assert_int_equal(page->starts, 4);
	assert_int_equal(stats_of(w).poison, 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}

static void note_poison(void *arg, const struct plx_message *m)
{
	(void)arg;
	assert_int_equal(m->key, page->deadly);
	assert_int_equal(m->size, 8);
	page->errors++;
}

static void a_message_that_nobody_survives_is_put_aside(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.poison = note_poison;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(s, 1, 2);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	page->deadly = (uint32_t)keys[7];
	page->deaths = 99;
	send_rounds(s, 3, 1);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(page->errors, 1);
	assert_int_equal(stats_of(w).poison, 1);
	assert_int_equal(stats_of(w).restarts, 3);
	assert_int_equal(stats_of(w).workers, 2);
	for (uint32_t k = 0; k < KEYS; k++)
		assert_int_equal(((struct tally *)plx_workers_slot(w, slots[k]))->count, k == 7 ? 2 : 3);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void a_handler_that_fails_changes_nothing_and_is_counted(void **state)
{
	(void)state;
	for (int threads = 0; threads < 2; threads++) {
		struct plx_workers_options o = options(threads);
		struct plx_workers *w = open_with(&o);
		struct plx_sender *s;
		uint64_t number = 1;

		choose_keys(w);
		assert_int_equal(plx_sender_open(&s, w), 0);
		assert_int_equal(plx_sender_send(s, keys[0], 1, &number, 8, FOREVER), 0);
		number = 77;
		assert_int_equal(plx_sender_send(s, keys[0], 13, &number, 8, FOREVER), 0);
		number = 2;
		assert_int_equal(plx_sender_send(s, keys[0], 1, &number, 8, FOREVER), 0);
		assert_int_equal(plx_workers_drain(w, FOREVER), 0);
		assert_int_equal(((struct tally *)plx_workers_slot(w, slots[0]))->count, 2);
		assert_int_equal(((struct tally *)plx_workers_slot(w, slots[0]))->wrong, 0);
		assert_int_equal(stats_of(w).handled, 3);
		assert_int_equal(stats_of(w).failed, 1);
		plx_sender_close(s);
		assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	}
}

/* SIGKILL for workers at random moments, and SIGSTOP, while messages come and slots move. */
static void a_storm_of_kills_loses_nothing_and_doubles_nothing(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	const char *text = getenv("PLX_KILLS"); /* tests/crash/long_work.sh wants more */
	uint32_t kills = 0, stops = 0, enough = text ? (uint32_t)atoi(text) : LONG_LOOP(300);
	uint64_t chance = plx_now_ns(), round = 1;

	(void)state;
	o.restart.poison = UINT32_MAX; /* it is us who kill, not the message */
	o.restart.longest_ns = MS;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (; kills < enough; round++) {
		int32_t pid, still;

		chance = plx_key_u64(chance, round);
		send_rounds(s, round, 1);
		if (chance % 3 &&
		    plx_workers_state(w, (uint32_t)(chance >> 8) % 4, &pid) != PLX_WORKER_DEAD && pid > 0) {
			if (plx_workers_state(w, (uint32_t)(chance >> 8) % 4, NULL) == PLX_WORKER_NONE)
				continue;
			if ((chance >> 24) % 4 == 0) {
				kill(pid, SIGSTOP);
				stops++;
				/* the others go on; nothing is sent, for its inbox may be full */
				assert_true(plx_workers_step(w, MS) >= 0);
				plx_workers_state(w, (uint32_t)(chance >> 8) % 4, &still);
				if (still != pid) /* it was dead already */
					continue;
			}
			if ((chance >> 26) % 8) {
				kill(pid, SIGKILL);
				kills++;
			} else {
				kill(pid, SIGCONT);
			}
		}
		if (chance % 16 == 5)
			assert_int_equal(plx_workers_scale(w, (uint32_t)(chance >> 16) % 4 + 1, FOREVER), 0);
		assert_true(plx_workers_step(w, 0) >= 0);
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, round - 1);
	print_message("%u kills, %u stops, %u restarts, %u messages, %u slots moved\n", kills, stops,
		      (uint32_t)stats_of(w).restarts, (uint32_t)stats_of(w).handled,
		      (uint32_t)stats_of(w).moved);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}
static void who_cannot_live_gives_its_slots_and_messages_to_the_others(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	int32_t pid;

	(void)state;
	o.workers = 3;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(s, 1, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_workers_pause(w, 1, FOREVER), 0); /* so that it has messages when it dies */
	send_rounds(s, 4, 3);
	page->fail_code = 78;
	page->fail_start = 99;
	plx_workers_state(w, 1, &pid);
	kill(pid, SIGKILL);
	while (plx_workers_state(w, 1, NULL) != PLX_WORKER_QUARANTINE)
		assert_true(plx_workers_step(w, 10 * MS) >= 0);
	send_rounds(s, 7, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 9);
	assert_int_equal(stats_of(w).workers, 2);
	assert_int_equal(stats_of(w).slots, PLX_PARTITION_SLOTS);
	page->fail_start = 0; /* somebody repaired it */
	assert_int_equal(plx_workers_scale(w, 3, FOREVER), 0);
	send_rounds(s, 10, 1);
	plx_sender_close(s);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 10);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void one_for_all_loses_nothing_either(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.strategy = PLX_ONE_FOR_ALL;
	o.restart.poison = UINT32_MAX;
	o.restart.longest_ns = MS;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (uint64_t round = 1; round <= 40; round++) {
		int32_t pid = 0;

		send_rounds(s, round, 1);
		if (round % 5 == 0 && plx_workers_state(w, 0, &pid) != PLX_WORKER_DEAD)
			kill(pid, SIGKILL);
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 40);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void a_handler_that_hangs_is_killed_and_its_message_put_aside(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t number = 1;

	(void)state;
	o.stuck_ns = 20 * MS;
	o.restart.poison = 2;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	__atomic_store_n(&page->wait_ns, 60 * SECOND, __ATOMIC_SEQ_CST);
	assert_int_equal(plx_sender_send(s, keys[0], 1, &number, 8, FOREVER), 0);
	while (stats_of(w).poison == 0)
		assert_true(plx_workers_step(w, 10 * MS) >= 0);
	__atomic_store_n(&page->wait_ns, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(plx_sender_send(s, keys[1], 1, &number, 8, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(((struct tally *)plx_workers_slot(w, slots[0]))->count, 0);
	assert_int_equal(((struct tally *)plx_workers_slot(w, slots[1]))->count, 1);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_dead_worker_had_in_hand_is_undone_and_comes_again),
		TEST(a_message_that_nobody_survives_is_put_aside),
		TEST(a_handler_that_fails_changes_nothing_and_is_counted),
		TEST(a_storm_of_kills_loses_nothing_and_doubles_nothing),
		TEST(who_cannot_live_gives_its_slots_and_messages_to_the_others),
		TEST(one_for_all_loses_nothing_either),
		TEST(a_handler_that_hangs_is_killed_and_its_message_put_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

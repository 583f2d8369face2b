/* test_workers_envelope.c - what a message says besides its bytes, and that the urgent come first and the others come, too. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <plx/envelope.h>

/* What a handler saw, in order. */
static struct seen {
	uint32_t count;
	struct plx_message m[4096];
} * seen;

static int fresh(void **state)
{
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return fresh_page(state);
}

static int drop(void **state)
{
	munmap(seen, sizeof(*seen));
	return drop_page(state);
}

static int see(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)arg;
	seen->m[seen->count++] = *m;
	if (m->type == 9 && get(&page->deaths) > 0) {
		add(&page->deaths, UINT32_MAX);
		raise(SIGKILL);
	}
	return m->type == 8 ? plx_worker_forward(w, m->key, 7, m->data, m->size) : 0;
}

static struct plx_workers *open_one(bool priorities, bool threads)
{
	struct plx_workers_options o = options(threads);

	o.hooks.handle = see;
	o.workers = o.most = 1;
	o.priorities = priorities;
	return open_with(&o);
}

static void a_message_says_who_sent_it_and_when(void **state)
{
	uint64_t before = plx_now_ns(), ids[3];
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	for (int priorities = 0; priorities < 2; priorities++) {
		seen->count = 0;
		w = open_one(priorities, false);
		assert_int_equal(plx_sender_open(&s, w), 0);
		for (uint64_t i = 0; i < 3; i++) {
			if (i == 2)
				sleep_ms(20);
			plx_sender_stamp(s);
			assert_int_equal(plx_sender_send(s, 100 + i, (uint32_t)(65535 - i), "x", 1, FOREVER),
					 0);
			assert_int_equal(plx_workers_drain(w, FOREVER), 0);
		}
		assert_int_equal(seen->count, 3);
		for (uint64_t i = 0; i < 3; i++) {
			const struct plx_message *m = &seen->m[i];

			ids[i] = m->id;
			assert_int_equal(m->key, 100 + i);
			assert_int_equal(m->type, 65535 - i);
			assert_int_equal(m->size, 1);
			assert_int_equal(m->number, i);
			assert_int_equal(m->source, getpid());
			assert_int_equal(m->priority, 0);
			assert_int_equal(m->call, 0);
			assert_int_equal(m->slot, plx_workers_slot_of(w, m->key));
			assert_true(m->time_ns + 2 * PLX_POST_TICK_NS > before);
			assert_true(m->time_ns < plx_now_ns() + PLX_POST_TICK_NS);
		}
		assert_true(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
		assert_true(seen->m[2].time_ns >= seen->m[1].time_ns + 18 * MS);
		plx_sender_close(s);
		assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	}
}

static void who_sends_seldom_says_the_right_time(void **state)
{
	struct plx_workers *w = open_one(false, false);
	struct plx_sender *s;
	uint64_t slept = 0;
	uint32_t right = 0;

	(void)state;
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (uint32_t i = 0; i < 5; i++) {
		struct plx_workers_stats now;
		uint64_t time;

		do { /* until it has fallen asleep once more */
			sleep_ms(1);
			assert_int_equal(plx_workers_stats(w, 0, &now), 0);
		} while (now.slept <= slept);
		slept = now.slept;
		sleep_ms(30);
		time = plx_now_ns();
		assert_int_equal(plx_sender_send(s, 1, 1, "x", 1, FOREVER), 0);
		assert_int_equal(plx_workers_drain(w, FOREVER), 0);
		assert_int_equal(seen->count, i + 1);
		right += i > 0 && seen->m[i].time_ns + 2 * PLX_POST_TICK_NS > time;
	}
	assert_true(right >= 2); /* of four: once in a second it wakes by itself, and is awake for a moment */
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void urgent(bool threads)
{
	struct plx_workers *w = open_one(true, threads);
	uint32_t worse = 0, first_low = 0;
	uint64_t last[PLX_PRIORITIES] = { 0 };
	struct plx_sender *s;

	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_workers_pause(w, 0, FOREVER), 0);
	for (uint64_t i = 1; i <= 600; i++) /* the less urgent ones are sent first */
		assert_int_equal(
			plx_sender_send_priority(s, (uint8_t)((i - 1) / 150), 7, 1, &i, sizeof(i), FOREVER),
			0);
	assert_int_equal(plx_sender_send_priority(s, 4, 7, 1, "x", 1, FOREVER), -EINVAL);
	assert_int_equal(plx_workers_resume(w, 0, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(seen->count, 600);
	for (uint32_t i = 0; i < 600; i++) {
		const struct plx_message *m = &seen->m[i];

		assert_true(m->number == last[m->priority]); /* of one priority in order */
		last[m->priority]++;
		if (i < 150)
			worse += m->priority < 3;
		if (m->priority == 0 && first_low == 0)
			first_low = i;
	}
	assert_int_equal(seen->m[0].priority, 3);
	assert_in_range(worse, 60, 80);    /* seven of fifteen */
	assert_in_range(first_low, 8, 15); /* nobody starves */
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void the_urgent_come_first_and_nobody_starves_between_processes(void **state)
{
	(void)state;
	urgent(false);
}

static void the_urgent_come_first_and_nobody_starves_between_threads(void **state)
{
	(void)state;
	urgent(true);
}

static void a_pool_without_priorities_has_none(void **state)
{
	struct plx_workers *w = open_one(false, true);
	struct plx_sender *s;

	(void)state;
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send_priority(s, 1, 7, 1, "x", 1, FOREVER), -EINVAL);
	assert_int_equal(plx_sender_send_priority(s, 0, 7, 1, "x", 1, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* Its id, sender, number and priority are the same; what it forwards is as urgent. */
static void a_message_that_comes_again_is_the_same(void **state)
{
	struct plx_workers *w = open_one(true, false);
	const struct plx_message *m = seen->m;
	struct plx_sender *s;

	(void)state;
	page->deaths = 1;
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send_priority(s, 2, 7, 9, "again", 6, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(seen->count, 2);
	assert_true(m[0].id == m[1].id && m[0].sender == m[1].sender && m[0].number == m[1].number);
	assert_true(m[0].priority == 2 && m[1].priority == 2 && m[0].source == m[1].source);
	assert_int_equal(plx_sender_send_priority(s, 3, 7, 8, "on", 3, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(seen->count, 4);
	assert_int_equal(m[3].type, 7);
	assert_int_equal(m[3].priority, 3);
	assert_int_not_equal(m[3].source, getpid());
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, drop)
	const struct CMUnitTest tests[] = {
		TEST(a_message_says_who_sent_it_and_when),
		TEST(who_sends_seldom_says_the_right_time),
		TEST(the_urgent_come_first_and_nobody_starves_between_processes),
		TEST(the_urgent_come_first_and_nobody_starves_between_threads),
		TEST(a_pool_without_priorities_has_none),
		TEST(a_message_that_comes_again_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

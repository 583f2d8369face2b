/* test_workers_call.c - calls: each is answered once, also when workers die of it, and late answers are nobody's. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Answers with the key, and how often it was asked for. */
static int answer(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	struct tally *t = plx_worker_slot(w, m->slot);
	uint64_t words[2] = { m->key, 0 };

	(void)arg;
	pause_as_told();
	if (m->type == 13)
		return -EDOM;
	if (m->type == 14)
		return 0;
	if (plx_worker_add(w, &t->count, 1) < 0)
		return -ENOSPC;
	words[1] = t->count;
	if (m->type == 15 && plx_worker_life(w) == 0)
		raise(SIGKILL);
	add(&page->by[plx_worker_number(w)], 1);
	if (m->call == 0)
		return plx_worker_reply(w, m, words, sizeof(words)) == -ENOENT ? 0 : -EINVAL;
	return plx_worker_reply(w, m, words, m->type == 16 ? 4096 : sizeof(words));
}

static void call(struct plx_sender *s, uint64_t key, uint32_t type, uint64_t count)
{
	uint64_t words[2] = { 0, 0 };
	uint32_t size = sizeof(words);

	assert_int_equal(plx_sender_call(s, key, type, "hello", 6, words, &size, FOREVER), 0);
	assert_int_equal(size, 16);
	assert_int_equal(words[0], key);
	assert_int_equal(words[1], count);
}

static void answers(bool threads)
{
	struct plx_workers_options o = options(threads);
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t word = 7;
	uint32_t size = 8;

	o.hooks.handle = answer;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (uint64_t count = 1; count <= LONG_LOOP(200); count++)
		for (uint32_t k = 0; k < 8; k++)
			call(s, keys[k], 1, count);
	assert_int_equal(plx_sender_call(s, keys[0], 1, NULL, 0, &word, &size, FOREVER), 0); /* cut off */
	assert_int_equal(size, 16);
	assert_int_equal(word, keys[0]);
	assert_int_equal(plx_sender_call(s, keys[0], 1, NULL, 0, NULL, NULL, FOREVER), 0);
	assert_int_equal(plx_sender_call(s, keys[0], 13, NULL, 0, NULL, NULL, FOREVER), -EDOM);
	size = 8;
	assert_int_equal(plx_sender_call(s, keys[0], 14, NULL, 0, &word, &size, FOREVER), 0);
	assert_int_equal(size, 0);
	assert_int_equal(plx_sender_call(s, keys[0], 16, NULL, 0, NULL, NULL, FOREVER), -EMSGSIZE);
	assert_int_equal(plx_sender_call(s, keys[0], 1, page, 41, NULL, NULL, FOREVER), -EMSGSIZE);
	assert_int_equal(plx_sender_call(s, keys[0], 1u << 16, "x", 1, NULL, NULL, FOREVER), -EINVAL);
	assert_int_equal(plx_sender_send(s, keys[0], 1u << 16, "x", 1, FOREVER), -EINVAL);
	assert_int_equal(plx_sender_send(s, keys[9], 1, "x", 1, FOREVER), 0); /* nobody waits */
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	call(s, keys[9], 1, 2);
	/* who gave up does not get the late answer for the next one */
	__atomic_store_n(&page->barred, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(plx_sender_call(s, keys[10], 1, NULL, 0, NULL, NULL, 5 * MS), -ETIMEDOUT);
	__atomic_store_n(&page->barred, 0, __ATOMIC_SEQ_CST);
	call(s, keys[11], 1, 1);
	call(s, keys[10], 1, 2);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void calls_are_answered_by_processes(void **state)
{
	(void)state;
	answers(false);
}

static void calls_are_answered_by_threads(void **state)
{
	(void)state;
	answers(true);
}

static void a_call_is_answered_although_its_worker_dies(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.hooks.handle = answer;
	o.workers = 1;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	call(s, keys[0], 1, 1);
	call(s, keys[0], 15,
	     2); /* the first life dies of it, counted and not finished; the second one answers */
	assert_int_equal(stats_of(w).restarts, 1);
	call(s, keys[0], 1, 3);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static int die(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)arg;
	if (m->type == 9)
		raise(SIGKILL);
	return 0;
}

static void a_call_that_kills_is_answered_when_it_is_put_aside(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.hooks.handle = die;
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_call(s, 1, 9, NULL, 0, NULL, NULL, FOREVER), -EOWNERDEAD);
	assert_int_equal(plx_sender_call(s, 1, 1, NULL, 0, NULL, NULL, FOREVER), 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_are_answered_by_processes),
		TEST(calls_are_answered_by_threads),
		TEST(a_call_is_answered_although_its_worker_dies),
		TEST(a_call_that_kills_is_answered_when_it_is_put_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

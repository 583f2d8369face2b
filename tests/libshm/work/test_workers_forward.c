/* test_workers_forward.c - what handlers send on arrives once, whoever dies, and whatever moves. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <plx/segment.h>

#include "work/partition_layout.h"

#define CELLS 16u

/* The first half of the keys forwards to the second half. */
static int tally_and_forward(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	int ret = tally(w, m, arg);

	for (uint32_t k = 0; k < KEYS / 2 && ret == 0 && m->type == 1; k++)
		if (keys[k] == m->key)
			ret = plx_worker_forward(w, keys[k + KEYS / 2], 2, m->data, m->size);
	return ret;
}

/* Order holds as long as slots stay: what moves has two workers for senders, one after the other. */
static void forwarded_once(bool threads, bool scale)
{
	struct plx_workers_options o = options(threads);
	uint32_t kills = threads ? 0 : LONG_LOOP(150);
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t chance = plx_now_ns(), round = 1;

	o.hooks.handle = tally_and_forward;
	o.partition.seed = 7; /* the workers know the keys when they start */
	o.restart.poison = UINT32_MAX;
	o.restart.longest_ns = MS;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (; kills > 0 || round < 100; round++) {
		int32_t pid = 0;

		chance = plx_key_u64(chance, round);
		for (uint32_t k = 0; k < KEYS / 2; k++)
			assert_int_equal(plx_sender_send(s, keys[k], 1, &round, sizeof(round), FOREVER), 0);
		if (kills > 0 && plx_workers_state(w, (uint32_t)chance % 2, &pid) != PLX_WORKER_DEAD &&
		    pid > 0) {
			if (plx_workers_state(w, (uint32_t)chance % 2, NULL) != PLX_WORKER_NONE)
				kill(pid, SIGKILL);
			kills--;
		}
		if (chance >> 32 & 7 || !scale)
			continue;
		assert_int_equal(plx_workers_scale(w, (uint32_t)(chance >> 40) % 4 + 1, FOREVER), 0);
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	if (!scale)
		each_key_is_at(w, round - 1);
	for (uint32_t k = 0; k < KEYS; k++)
		assert_int_equal(((struct tally *)plx_workers_slot(w, slots[k]))->count, round - 1);
	print_message("%u messages, %u restarts\n", (uint32_t)stats_of(w).handled,
		      (uint32_t)stats_of(w).restarts);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}

static void what_is_forwarded_arrives_once_and_in_order_whoever_dies(void **state)
{
	(void)state;
	forwarded_once(false, false);
}

static void what_is_forwarded_arrives_once_while_slots_move(void **state)
{
	(void)state;
	forwarded_once(false, true);
}

static void what_is_forwarded_arrives_once_and_in_order_between_threads(void **state)
{
	(void)state;
	forwarded_once(true, false);
}

/* The key of a message says whose it is; type 1 is sent on to the key that it carries. */
static int send_on(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	uint64_t to;

	(void)arg;
	add(&page->by[m->type], 1);
	memcpy(&to, m->data, sizeof(to));
	return m->type == 1 ? plx_worker_forward(w, to, 2, &to, sizeof(to)) : 0;
}

/* A key of that worker's. */
static uint64_t key_of(struct plx_workers *w, uint32_t worker)
{
	const struct plx_partition_shared *p = plx_segment_block(plx_workers_segment(w), "partition", NULL);
	uint64_t key = 0;

	while (p->owner[plx_workers_slot_of(w, key)] != worker)
		key++;
	return key;
}

/*
 * A worker dies after it finished a message and before what that one forwarded was sent, for which there is no room; and then it
 * shall go. It must not before somebody has sent that.
 */
static void a_worker_does_not_go_before_what_it_forwarded_is_sent(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers_stats first, second;
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t key, to;
	int32_t pid;

	(void)state;
	o.hooks.handle = send_on;
	o.count = 8; /* which comes to as many cells: chan/channel.c */
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	to = key_of(w, 0);
	key = key_of(w, 1);
	assert_int_equal(plx_workers_pause(w, 0, FOREVER), 0);
	for (uint32_t i = 0; i <= CELLS; i++)
		assert_int_equal(plx_sender_send(s, key, 1, &to, sizeof(to), FOREVER), 0);
	do { /* all are finished, and one is not sent on */
		assert_true(plx_workers_step(w, MS) >= 0);
		assert_int_equal(plx_workers_stats(w, 0, &first), 0);
		assert_int_equal(plx_workers_stats(w, 1, &second), 0);
	} while (second.handled <= CELLS || first.sent < CELLS);
	assert_int_equal(first.sent, CELLS);
	plx_workers_state(w, 1, &pid);
	kill(pid, SIGKILL);
	while (stats_of(w).restarts == 0)
		assert_true(plx_workers_step(w, 10 * MS) >= 0);
	assert_int_equal(plx_workers_scale(w, 1, 20 * MS), -ETIMEDOUT);
	assert_int_equal(plx_workers_resume(w, 0, FOREVER), 0);
	assert_int_equal(plx_workers_scale(w, 1, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(get(&page->by[1]), CELLS + 1);
	assert_int_equal(get(&page->by[2]), CELLS + 1);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}

static int forward_too_much(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	int ret = 0;

	if (m->type == 2)
		return tally(w, m, arg);
	for (int i = 0; i < 200 && ret == 0; i++)
		ret = plx_worker_forward(w, m->key, 2, m->data, m->size);
	if (plx_worker_forward(w, m->key, 2, page, 41) != -EMSGSIZE ||
	    plx_worker_forward(w, m->key, 1u << 16, page, 4) != -EINVAL)
		add(&page->errors, 1);
	return ret;
}

static void who_forwards_more_than_fits_or_fails_has_forwarded_nothing(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t one = 1;

	(void)state;
	o.hooks.handle = forward_too_much;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send(s, keys[0], 1, &one, sizeof(one), FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(stats_of(w).handled, 1);
	assert_int_equal(stats_of(w).failed, 1);
	assert_int_equal(page->errors, 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* What a message carries: to forward so many to its own key, which do the same with one less each time. */
struct depth {
	uint32_t left, each;
};

/* Errors are those of forwarding to oneself; by[2] what was forwarded, by[1] what came. */
static int forward_to_oneself(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	struct depth d;

	(void)arg;
	memcpy(&d, m->data, sizeof(d));
	add(&page->by[1], 1);
	if (d.left == 0)
		return 0;
	d.left--;
	for (uint32_t i = 0; i < d.each; i++) {
		int ret = plx_worker_forward(w, m->key, 2, &d, sizeof(d));

		if (ret == 0)
			add(&page->by[2], 1);
		else if (ret == -EDEADLK)
			add(&page->errors, 1);
	}
	return 0;
}

static void forwards_to_oneself(bool threads, uint32_t kind, struct depth d)
{
	struct plx_workers_options o = options(threads);
	struct plx_workers *w;
	struct plx_sender *s;

	memset(page, 0, sizeof(*page));
	o.hooks.handle = forward_to_oneself;
	o.partition.kind = kind;
	o.workers = 1;
	o.count = 8; /* which comes to as many cells: chan/channel.c */
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send(s, 1, 1, &d, sizeof(d), FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(get(&page->by[1]), get(&page->by[2]) + 1);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}

static void a_worker_forwards_to_itself_what_its_inbox_holds_and_is_told_of_the_rest(void **state)
{
	(void)state;
	for (int threads = 0; threads < 2; threads++) {
		forwards_to_oneself(threads, PLX_PARTITION_HASH, (struct depth){ 1, CELLS + 4 });
		assert_int_equal(page->errors, 4);
		assert_int_equal(get(&page->by[2]), CELLS);
	}
}

static void a_worker_that_forwards_to_itself_for_ever_more_does_not_wait_for_itself(void **state)
{
	static const uint32_t kinds[] = { PLX_PARTITION_HASH, PLX_PARTITION_TURN, PLX_PARTITION_LEAST };

	(void)state;
	for (int threads = 0; threads < 2; threads++)
		for (uint32_t i = 0; i < 3; i++) {
			forwards_to_oneself(threads, kinds[i], (struct depth){ 9, 2 });
			assert_true(page->errors > 0);
			assert_true(get(&page->by[2]) > 2ull * CELLS);
		}
}

/* The same by a sender of one's own, which would wait at once. */
static int send_to_oneself(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	int ret = 0;

	(void)arg;
	for (int i = 0; m->type == 1 && ret == 0; i++) {
		ret = plx_sender_send(plx_worker_sender(w), m->key, 2, NULL, 0, FOREVER);
		add(&page->by[2], ret == 0);
	}
	add(&page->errors, ret == -EDEADLK);
	return 0;
}

static void a_handler_that_sends_to_its_own_full_inbox_is_told_so(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.hooks.handle = send_to_oneself;
	o.workers = 1;
	o.count = 8;
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send(s, 1, 1, NULL, 0, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(page->errors, 1);
	assert_int_equal(get(&page->by[2]), CELLS);
	assert_int_equal(stats_of(w).handled, CELLS + 1);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_forwarded_arrives_once_and_in_order_whoever_dies),
		TEST(what_is_forwarded_arrives_once_while_slots_move),
		TEST(what_is_forwarded_arrives_once_and_in_order_between_threads),
		TEST(a_worker_does_not_go_before_what_it_forwarded_is_sent),
		TEST(who_forwards_more_than_fits_or_fails_has_forwarded_nothing),
		TEST(a_worker_forwards_to_itself_what_its_inbox_holds_and_is_told_of_the_rest),
		TEST(a_worker_that_forwards_to_itself_for_ever_more_does_not_wait_for_itself),
		TEST(a_handler_that_sends_to_its_own_full_inbox_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_workers.c - a pool of workers: what is sent is handled once and in order, as threads and as processes. */
#include "tests/support/pool.h"

#include <errno.h>
#include <string.h>

/* ---- handling --------------------------------------------------------------------------------------- */

static void handled_once_and_in_order(bool threads)
{
	struct plx_workers_options o = options(threads);
	int fds = count_open_fds();
	struct plx_workers *w = open_with(&o);
	struct plx_sender *s;

	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(s, 1, LONG_LOOP(400));
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, LONG_LOOP(400));
	assert_int_equal(stats_of(w).handled, LONG_LOOP(400) * KEYS);
	assert_int_equal(stats_of(w).sent, LONG_LOOP(400) * KEYS);
	assert_int_equal(stats_of(w).workers, 2);
	assert_int_equal(stats_of(w).slots, PLX_PARTITION_SLOTS);
	assert_true(get(&page->by[0]) > 0 && get(&page->by[1]) > 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_int_equal(get(&page->starts), 2);
	assert_int_equal(get(&page->stops), 2);
	assert_int_equal(count_open_fds(), fds);
	assert_true(no_children_left());
}

static void messages_are_handled_once_and_in_order_by_processes(void **state)
{
	(void)state;
	handled_once_and_in_order(false);
}

static void messages_are_handled_once_and_in_order_by_threads(void **state)
{
	(void)state;
	handled_once_and_in_order(true);
}

static void scaled(bool threads)
{
	static const uint32_t sizes[] = { 4, 1, 3, 2, 4, 2, 1 };
	struct plx_workers_options o = options(threads);
	struct plx_workers *w = open_with(&o);
	struct plx_sender *s;
	uint64_t round = 1;

	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		send_rounds(s, round, 4); /* still on their way when slots move */
		round += 4;
		assert_int_equal(plx_workers_scale(w, sizes[i], FOREVER), 0);
		assert_int_equal(stats_of(w).workers, sizes[i]);
		send_rounds(s, round, 2);
		round += 2;
	}
	assert_int_equal(plx_workers_scale(w, 5, FOREVER), -EINVAL);
	assert_int_equal(plx_workers_scale(w, 0, FOREVER), -EINVAL);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, round - 1);
	assert_true(stats_of(w).moved > 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_int_equal(get(&page->starts), get(&page->stops));
}

static void slots_change_hands_in_order_between_processes(void **state)
{
	(void)state;
	scaled(false);
}

static void slots_change_hands_in_order_between_threads(void **state)
{
	(void)state;
	scaled(true);
}

/* ---- other ways to send ----------------------------------------------------------------------------- */

static uint64_t waiting_for(struct plx_workers *w, uint32_t worker)
{
	struct plx_workers_stats stats;

	assert_int_equal(plx_workers_stats(w, worker, &stats), 0);
	return stats.sent - stats.handled;
}

static void a_broadcast_goes_to_all_or_to_nobody(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	int sent = 0;

	(void)state;
	o.hooks.handle = count_only;
	o.workers = 3;
	o.count = 16; /* which comes to twice as many cells: chan/channel.c */
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "hello", 6, FOREVER), 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(page->by[i], 1);
	assert_string_equal(page->text, "hello");
	assert_int_equal(plx_workers_pause(w, 1, FOREVER), 0); /* one inbox runs full */
	for (; waiting_for(w, 1) < 32; sent++)
		assert_int_equal(plx_sender_broadcast(s, 1, 2, "x", 2, FOREVER), 3);
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "x", 2, 5 * MS), -ETIMEDOUT);
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "x", 2, 0), -EAGAIN);
	assert_int_equal(plx_workers_resume(w, 1, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(page->by[i], sent + 1);
	assert_int_equal(plx_sender_send_to(s, 2, 1, 2, "to you", 7, FOREVER), 0);
	assert_int_equal(plx_sender_send_to(s, 3, 1, 2, "to you", 7, FOREVER), -ENOENT);
	assert_int_equal(plx_sender_send(s, 1, 2, page, 41, FOREVER), -EMSGSIZE);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(page->by[2], sent + 2);
	plx_sender_close(s);
	plx_workers_close(w);
	assert_true(no_children_left());
}

static void in_turn_each_gets_as_many_and_the_least_loaded_gets_more(void **state)
{
	(void)state;
	for (uint32_t kind = PLX_PARTITION_TURN; kind <= PLX_PARTITION_LEAST; kind++) {
		struct plx_workers_options o = options(false);
		struct plx_workers *w;
		struct plx_sender *s;

		memset(page->by, 0, sizeof(page->by));
		o.hooks.handle = count_only;
		o.partition.kind = kind;
		/* the first worker stands still, the other one keeps up */
		page->barred = kind == PLX_PARTITION_LEAST;
		w = open_with(&o);
		assert_int_equal(plx_sender_open(&s, w), 0);
		for (int i = 0; i < 200; i++) {
			assert_int_equal(plx_sender_send(s, 7, 1, "x", 2, FOREVER), 0);
			while (kind == PLX_PARTITION_LEAST && waiting_for(w, 1) > 0)
				assert_true(plx_workers_step(w, 0) >= 0);
		}
		__atomic_store_n(&page->barred, 0, __ATOMIC_SEQ_CST);
		assert_int_equal(plx_workers_drain(w, FOREVER), 0);
		assert_int_equal(page->by[0] + page->by[1], 200);
		if (kind == PLX_PARTITION_TURN)
			assert_int_equal(page->by[0], 100);
		else
			assert_true(page->by[1] > 120);
		plx_sender_close(s);
		assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	}
}

static void keys_of_bytes_go_where_their_hash_goes(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	uint32_t first;

	(void)state;
	o.hooks.handle = count_only;
	o.partition.hash = PLX_PARTITION_HOSTILE;
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(plx_sender_send_bytes(s, "a word", 6, 1, "x", 2, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	first = page->by[0];
	assert_true(first == 0 || first == 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(plx_sender_send_bytes(s, &i, sizeof(i), 1, "x", 2, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_true(page->by[0] - first > 20 && page->by[0] - first < 80);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* ---- requests ahead of messages --------------------------------------------------------------------- */

static int configure(struct plx_worker *w, const void *data, uint32_t size, void *arg)
{
	(void)w;
	(void)arg;
	memcpy(page->text, data, size);
	add(&page->configured, 1);
	return size == 3 ? -EDOM : 0;
}

static void requests(bool threads)
{
	struct plx_workers_options o = options(threads);
	struct plx_workers *w;
	struct plx_sender *s;
	uint64_t ns, one = 1;

	o.hooks.handle = count_only;
	o.hooks.configure = configure;
	o.workers = o.most = 1;
	__atomic_store_n(&page->wait_ns, 2 * MS, __ATOMIC_SEQ_CST);
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (int i = 0; i < 500; i++) /* a second of work */
		assert_int_equal(plx_sender_send(s, 1, 1, &one, 8, FOREVER), 0);
	assert_int_equal(plx_workers_ping(w, 0, FOREVER, &ns), 0);
	assert_true(get(&page->by[0]) < 400); /* not behind the messages */
	assert_int_equal(plx_workers_configure(w, 0, "fast", 5, FOREVER), 0);
	assert_int_equal(plx_workers_configure(w, 0, "bad", 3, FOREVER), -EDOM);
	assert_int_equal(plx_workers_configure(w, 0, page, 41, FOREVER), -EMSGSIZE);
	assert_int_equal(plx_workers_configure(w, 1, "x", 1, FOREVER), -ENOENT);
	assert_int_equal(page->configured, 2);
	assert_int_equal(plx_workers_configure(w, UINT32_MAX, "fast", 5, FOREVER), 0); /* all there are */
	assert_int_equal(plx_workers_configure(w, UINT32_MAX, "bad", 3, FOREVER), -EDOM);
	assert_int_equal(page->configured, 4);
	assert_int_equal(plx_workers_pause(w, UINT32_MAX, FOREVER), 0);
	while (plx_workers_state(w, 0, NULL) != PLX_WORKER_PAUSED)
		sleep_ms(1);
	one = get(&page->by[0]);
	sleep_ms(10);
	assert_int_equal(get(&page->by[0]), one);
	assert_int_equal(plx_workers_drain(w, 5 * MS), -ETIMEDOUT);
	assert_int_equal(plx_workers_ping(w, 0, FOREVER, NULL), 0);
	__atomic_store_n(&page->wait_ns, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(plx_workers_resume(w, 0, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(page->by[0], 500);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void requests_are_ahead_of_messages_for_processes(void **state)
{
	(void)state;
	requests(false);
}

static void requests_are_ahead_of_messages_for_threads(void **state)
{
	(void)state;
	requests(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_are_handled_once_and_in_order_by_processes),
		TEST(messages_are_handled_once_and_in_order_by_threads),
		TEST(slots_change_hands_in_order_between_processes),
		TEST(slots_change_hands_in_order_between_threads),
		TEST(a_broadcast_goes_to_all_or_to_nobody),
		TEST(in_turn_each_gets_as_many_and_the_least_loaded_gets_more),
		TEST(keys_of_bytes_go_where_their_hash_goes),
		TEST(requests_are_ahead_of_messages_for_processes),
		TEST(requests_are_ahead_of_messages_for_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_workers.c - a pool of workers: what is sent is handled once and in order, as threads and as processes. */
#include <plx/workers.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <plx/inspect.h>

#include "base/sys.h"
#include "tests/support/support.h"
#include "work/partition_layout.h"
#include "work/workers_layout.h"

#define MS      1000000ull
#define SECOND  1000000000ull
#define FOREVER (60 * SECOND)
#define KEYS    256u

/* What a slot's memory holds in these tests: of one key at a time. */
struct tally {
	uint64_t count;
	uint64_t last;  /* number that came with the last message */
	uint64_t wrong; /* messages out of order, or twice */
};

/* What workers say to the test besides. */
static struct page {
	uint32_t starts, stops, idles, configured, by[PLX_WORKERS_MAX];
	uint32_t fail_start; /* the first so many starts fail with fail_code */
	int fail_code;
	uint32_t deadly;  /* key at which a worker dies */
	uint64_t wait_ns; /* a handler takes so long */
	uint32_t lives;
	uint32_t errors;
	char text[64];
} * page;

static int fresh_page(void **state)
{
	(void)state;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	page->deadly = UINT32_MAX;
	return page == MAP_FAILED;
}

static int drop_page(void **state)
{
	(void)state;
	return munmap(page, sizeof(*page));
}

static void add(uint32_t *counter, uint32_t more)
{
	__atomic_fetch_add(counter, more, __ATOMIC_SEQ_CST);
}

static uint32_t get(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void pause_as_told(void)
{
	uint64_t ns = __atomic_load_n(&page->wait_ns, __ATOMIC_SEQ_CST);

	if (ns)
		sleep_ms((unsigned int)(ns / MS));
}

static int on_start(struct plx_worker *w, void *arg)
{
	(void)arg;
	(void)w;
	add(&page->starts, 1);
	if (get(&page->starts) <= page->fail_start)
		return page->fail_code;
	if (plx_worker_life(w) > get(&page->lives))
		__atomic_store_n(&page->lives, plx_worker_life(w), __ATOMIC_SEQ_CST);
	return 0;
}

static void on_stop(struct plx_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	add(&page->stops, 1);
}

/* Each sender numbers the messages of a key from 1 on. */
static int tally(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	struct tally *t = plx_worker_slot(w, m->slot);
	uint64_t number;

	(void)arg;
	memcpy(&number, m->data, sizeof(number));
	pause_as_told();
	if (plx_worker_note(w, t, sizeof(*t)) < 0)
		return -ENOSPC;
	t->count++;
	t->wrong += number != t->last + 1;
	t->last = number;
	add(&page->by[plx_worker_number(w)], 1);
	if (m->key == get(&page->deadly))
		raise(SIGKILL); /* in the middle: the count above must not count */
	return m->type == 13 ? -EINVAL : 0;
}

static struct plx_workers_options options(bool threads)
{
	return (struct plx_workers_options){
		.name = "test",
		.hooks = { .start = on_start, .handle = tally, .stop = on_stop },
		.workers = 2,
		.most = 4,
		.slot_size = sizeof(struct tally),
		.restart = { .intensity = UINT32_MAX, .first_ns = MS },
		.threads = threads,
	};
}

static struct plx_workers *open_with(const struct plx_workers_options *o)
{
	struct plx_workers *w;
	int ret = plx_workers_open(&w, o);

	if (ret < 0)
		fail_msg("%s", plx_strerror(ret));
	return w;
}

/* The keys of a test, each in a slot of its own. */
static uint64_t keys[KEYS];
static uint32_t slots[KEYS];

static void choose_keys(const struct plx_workers *w)
{
	static bool used[PLX_PARTITION_SLOTS];
	uint32_t n = 0;

	memset(used, 0, sizeof(used));
	for (uint64_t key = 0; n < KEYS; key++) {
		uint32_t slot = plx_workers_slot_of(w, key);

		if (used[slot])
			continue;
		used[slot] = true;
		keys[n] = key;
		slots[n++] = slot;
	}
}

static void send_rounds(struct plx_workers *w, struct plx_sender *s, uint64_t first, uint64_t rounds)
{
	(void)w;
	for (uint64_t number = first; number < first + rounds; number++)
		for (uint32_t k = 0; k < KEYS; k++) {
			int ret = plx_sender_send(s, keys[k], 1, &number, sizeof(number), FOREVER);

			if (ret < 0)
				fail_msg("send: %s", plx_strerror(ret));
		}
}

/* Each key was handled @count times, in order. */
static void each_key_is_at(struct plx_workers *w, uint64_t count)
{
	const char *why = "";

	if (plx_inspect_check(plx_workers_segment(w), &why) < 0)
		fail_msg("%s", why);
	for (uint32_t k = 0; k < KEYS; k++) {
		struct tally *t = plx_workers_slot(w, slots[k]);

		assert_int_equal(t->wrong, 0);
		assert_int_equal(t->count, count);
		assert_int_equal(t->last, count);
	}
}

static struct plx_workers_stats stats_of(struct plx_workers *w)
{
	struct plx_workers_stats stats;

	assert_int_equal(plx_workers_stats(w, UINT32_MAX, &stats), 0);
	return stats;
}

static int no_children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

/* ---- handling --------------------------------------------------------------------------------------- */

static void handled_once_and_in_order(bool threads)
{
	struct plx_workers_options o = options(threads);
	int fds = count_open_fds();
	struct plx_workers *w = open_with(&o);
	struct plx_sender *s;

	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(w, s, 1, LONG_LOOP(400));
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
		send_rounds(w, s, round, 4); /* still on their way when slots move */
		round += 4;
		assert_int_equal(plx_workers_scale(w, sizes[i], FOREVER), 0);
		assert_int_equal(stats_of(w).workers, sizes[i]);
		send_rounds(w, s, round, 2);
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

static int count_only(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)arg;
	add(&page->by[plx_worker_number(w)], 1);
	if (plx_worker_number(w) == 0)
		pause_as_told();
	if (m->size < sizeof(page->text))
		memcpy(page->text, m->data, m->size);
	return 0;
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
	o.count = 16;
	w = open_with(&o);
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "hello", 6, FOREVER), 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(page->by[i], 1);
	assert_string_equal(page->text, "hello");
	assert_int_equal(plx_workers_pause(w, 1, FOREVER), 0); /* one inbox runs full */
	while (plx_sender_broadcast(s, 1, 2, "x", 2, 0) == 3)
		sent++;
	while (plx_sender_broadcast(s, 1, 2, "x", 2, 5 * MS) ==
	       3) /* room that it told of only when it fell asleep */
		sent++;
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "x", 2, 5 * MS), -ETIMEDOUT);
	assert_int_equal(plx_sender_broadcast(s, 1, 2, "x", 2, 0), -EAGAIN);
	assert_true(sent >= 16);
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
		__atomic_store_n(&page->wait_ns, kind == PLX_PARTITION_LEAST ? 5 * MS : 0,
				 __ATOMIC_SEQ_CST); /* the first worker is slow */
		w = open_with(&o);
		assert_int_equal(plx_sender_open(&s, w), 0);
		for (int i = 0; i < 200; i++) {
			assert_int_equal(plx_sender_send(s, 7, 1, "x", 2, FOREVER), 0);
			if (kind == PLX_PARTITION_LEAST && i % 8 == 0)
				sleep_ms(1);
		}
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
	assert_int_equal(plx_workers_pause(w, UINT32_MAX, FOREVER), 0);
	sleep_ms(10);
	assert_int_equal(plx_workers_state(w, 0, NULL), PLX_WORKER_PAUSED);
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

/* ---- answers ---------------------------------------------------------------------------------------- */

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
	assert_int_equal(plx_sender_call(s, keys[0], 1, page, 33, NULL, NULL, FOREVER), -EMSGSIZE);
	assert_int_equal(plx_sender_call(s, keys[0], 1u << 31, "x", 1, NULL, NULL, FOREVER), -EINVAL);
	assert_int_equal(plx_sender_send(s, keys[0], 1u << 31, "x", 1, FOREVER), -EINVAL);
	assert_int_equal(plx_sender_send(s, keys[9], 1, "x", 1, FOREVER), 0); /* nobody waits */
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	call(s, keys[9], 1, 2);
	/* who gave up does not get the late answer for the next one */
	__atomic_store_n(&page->wait_ns, 30 * MS, __ATOMIC_SEQ_CST);
	assert_int_equal(plx_sender_call(s, keys[10], 1, NULL, 0, NULL, NULL, 5 * MS), -ETIMEDOUT);
	__atomic_store_n(&page->wait_ns, 0, __ATOMIC_SEQ_CST);
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

/* ---- deaths ----------------------------------------------------------------------------------------- */

static void what_a_dead_worker_had_in_hand_is_undone_and_comes_again(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = open_with(&o);
	struct plx_sender *s;

	(void)state;
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	send_rounds(w, s, 1, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	page->deadly = (uint32_t)keys[5];
	send_rounds(w, s, 4, 1);
	while (get(&page->lives) < 1)
		assert_true(plx_workers_step(w, 10 * MS) >= 0);
	page->deadly = UINT32_MAX;
	send_rounds(w, s, 5, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 7);
	assert_true(stats_of(w).restarts >= 1);
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
	send_rounds(w, s, 1, 2);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	page->deadly = (uint32_t)keys[7];
	send_rounds(w, s, 3, 1);
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

/* SIGKILL for workers at random moments, while messages come and slots move. */
static void a_storm_of_kills_loses_nothing_and_doubles_nothing(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;
	const char *text = getenv("PLX_KILLS"); /* tests/crash/long_work.sh wants more */
	uint32_t kills = 0, enough = text ? (uint32_t)atoi(text) : LONG_LOOP(300);
	uint64_t chance = plx_now_ns(), round = 1;

	(void)state;
	o.restart.poison = UINT32_MAX; /* it is us who kill, not the message */
	o.restart.longest_ns = MS;
	w = open_with(&o);
	choose_keys(w);
	assert_int_equal(plx_sender_open(&s, w), 0);
	for (; kills < enough; round++) {
		int32_t pid;

		chance = plx_key_u64(chance, round);
		send_rounds(w, s, round, 1);
		if (chance % 3 &&
		    plx_workers_state(w, (uint32_t)(chance >> 8) % 4, &pid) != PLX_WORKER_DEAD && pid > 0) {
			if (plx_workers_state(w, (uint32_t)(chance >> 8) % 4, NULL) == PLX_WORKER_NONE)
				continue;
			kill(pid, SIGKILL);
			kills++;
		}
		if (chance % 16 == 5)
			assert_int_equal(plx_workers_scale(w, (uint32_t)(chance >> 16) % 4 + 1, FOREVER), 0);
		assert_true(plx_workers_step(w, 0) >= 0);
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, round - 1);
	print_message("%u kills, %u restarts, %u messages, %u slots moved\n", kills,
		      (uint32_t)stats_of(w).restarts, (uint32_t)stats_of(w).handled,
		      (uint32_t)stats_of(w).moved);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_true(no_children_left());
}

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

static int forward_too_much(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	int ret = 0;

	if (m->type == 2)
		return tally(w, m, arg);
	for (int i = 0; i < 200 && ret == 0; i++)
		ret = plx_worker_forward(w, m->key, 2, m->data, m->size);
	if (plx_worker_forward(w, m->key, 2, page, 41) != -EMSGSIZE ||
	    plx_worker_forward(w, m->key, 1u << 31, page, 4) != -EINVAL)
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
	send_rounds(w, s, 1, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_workers_pause(w, 1, FOREVER), 0); /* so that it has messages when it dies */
	send_rounds(w, s, 4, 3);
	page->fail_code = 78;
	page->fail_start = 99;
	plx_workers_state(w, 1, &pid);
	kill(pid, SIGKILL);
	while (plx_workers_state(w, 1, NULL) != PLX_WORKER_QUARANTINE)
		assert_true(plx_workers_step(w, 10 * MS) >= 0);
	send_rounds(w, s, 7, 3);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	each_key_is_at(w, 9);
	assert_int_equal(stats_of(w).workers, 2);
	assert_int_equal(stats_of(w).slots, PLX_PARTITION_SLOTS);
	page->fail_start = 0; /* somebody repaired it */
	assert_int_equal(plx_workers_scale(w, 3, FOREVER), 0);
	send_rounds(w, s, 10, 1);
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

		send_rounds(w, s, round, 1);
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

/* ---- senders of other processes --------------------------------------------------------------------- */

struct sending {
	struct plx_workers *w;
	uint64_t rounds;
	bool die;
};

static int send_as_child(void *arg)
{
	struct sending *job = arg;
	struct plx_sender *s;
	int ret = plx_sender_open(&s, job->w);

	if (ret == -ESHUTDOWN) /* we came late */
		return 0;
	CHECK(ret == 0);
	for (uint64_t number = 1; number <= job->rounds; number++)
		for (uint32_t k = 0; k < KEYS; k++) {
			ret = plx_sender_send(s, keys[k], 1, &number, sizeof(number), FOREVER);
			if (ret == -ESHUTDOWN)
				return 0;
			CHECK(ret == 0);
			add(&page->idles, 1); /* accepted */
		}
	plx_sender_close(s);
	return 0;
}

static void a_graceful_stop_loses_nothing_that_was_accepted(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_process child[2];
	struct sending job;
	uint32_t handled = 0;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	job = (struct sending){ .w = w, .rounds = UINT64_MAX };
	for (int i = 0; i < 2; i++)
		assert_int_equal(plx_process_spawn(&child[i], "sender", send_as_child, &job), 0);
	while (get(&page->idles) < 5000)
		assert_true(plx_workers_step(w, MS) >= 0);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	for (int i = 0; i < 2; i++) {
		struct plx_exit how;

		assert_int_equal(plx_process_wait(&child[i], &how, FOREVER), 0);
		assert_int_equal(how.code, 0);
	}
	for (int i = 0; i < 4; i++)
		handled += page->by[i];
	assert_int_equal(handled, page->idles);
}

static void senders_that_are_killed_delay_nobody(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_sender *s;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	for (uint32_t i = 0; i < LONG_LOOP(40); i++) {
		struct sending job = { .w = w, .rounds = UINT64_MAX };
		struct plx_process child;
		uint32_t before = get(&page->idles);

		assert_int_equal(plx_process_spawn(&child, "sender", send_as_child, &job), 0);
		while (get(&page->idles) < before + 100)
			assert_true(plx_workers_step(w, MS / 4) >= 0);
		plx_process_kill(&child);
		assert_int_equal(plx_workers_scale(w, i % 4 + 1, FOREVER),
				 0); /* waits for all who are sending */
	}
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_sender_open(&s, w), 0); /* there are seats again */
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* A sender that is stopped in the middle of sending delays a handover, and nothing else. */
static void a_sender_that_is_stopped_delays_no_restart(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;
	struct plx_process child;
	struct sending job;
	int stuck = 0;

	(void)state;
	o.hooks.handle = count_only;
	w = open_with(&o);
	choose_keys(w);
	job = (struct sending){ .w = w, .rounds = UINT64_MAX };
	assert_int_equal(plx_process_spawn(&child, "sender", send_as_child, &job), 0);
	for (int i = 0; i < 200; i++) {
		int ret, status;
		int32_t pid;

		sleep_ms(1);
		kill(child.pid, SIGSTOP);
		assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
		ret = plx_workers_scale(w, (uint32_t)i % 2 + 2, 5 * MS);
		assert_true(ret == 0 || ret == -ETIMEDOUT);
		stuck += ret == -ETIMEDOUT;
		if (i % 10 == 0) { /* deaths are looked after all the while */
			uint64_t restarts = stats_of(w).restarts;

			plx_workers_state(w, 0, &pid);
			kill(pid, SIGKILL);
			while (stats_of(w).restarts == restarts)
				assert_true(plx_workers_step(w, 10 * MS) >= 0);
		}
		kill(child.pid, SIGCONT);
		assert_int_equal(plx_workers_scale(w, (uint32_t)i % 2 + 2, FOREVER), 0);
	}
	print_message("%d of 200 handovers waited for a sender that was stopped\n", stuck);
	plx_process_kill(&child);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

/* ---- start and end ---------------------------------------------------------------------------------- */

static void a_pool_whose_workers_do_not_start_does_not_open(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = (void *)page;
	int fds = count_open_fds();

	(void)state;
	page->fail_code = 78;
	page->fail_start = 99;
	assert_int_equal(plx_workers_open(&w, &o), -ECHILD);
	assert_null(w);
	page->fail_code = 1; /* tried again, three times */
	page->starts = 0;
	assert_int_equal(plx_workers_open(&w, &o), -ECHILD);
	assert_int_equal(page->starts, 3);
	page->starts = 0;
	page->fail_start = 2; /* the third time it works */
	w = open_with(&o);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_int_equal(count_open_fds(), fds);
	assert_true(no_children_left());
}

/* The first door shut, then the second, ...: nothing is left behind, and nobody. */
static void every_door_may_be_shut(void **state)
{
	int fds = count_open_fds(), maps = count_maps("plx:workers");
	bool done = false;

	(void)state;
	for (int n = 0; n < 400 && !done; n++) {
		struct plx_workers_options o = options(false);
		struct plx_workers *w = NULL;
		struct plx_sender *s = NULL;
		int ret;

		o.workers = o.most = 1;
		plx_fault_at = n;
		plx_fault_seen = 0;
		ret = plx_workers_open(&w, &o);
		if (ret == 0)
			ret = plx_sender_open(&s, w);
		done = ret == 0 && plx_fault_seen <= plx_fault_at;
		plx_fault_at = -1;
		plx_sender_close(s);
		plx_workers_close(w);
		assert_int_equal(count_open_fds(), fds);
		assert_int_equal(count_maps("plx:workers"), maps);
		assert_true(no_children_left());
	}
	assert_true(done);
}

static int supervise_and_die(void *arg)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;

	(void)arg;
	CHECK(plx_workers_open(&w, &o) == 0);
	CHECK(plx_workers_state(w, 0, (int32_t *)&page->configured) != 0);
	raise(SIGKILL);
	return 0;
}

static void workers_do_not_outlive_their_supervisor(void **state)
{
	uint64_t end = plx_now_ns() + FOREVER;

	(void)state;
	assert_int_equal(run_in_child(supervise_and_die, NULL), -SIGKILL);
	assert_true(page->configured > 0);
	while (kill((pid_t)page->configured, 0) == 0) {
		char path[64], line[256] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%u/stat", page->configured);
		f = fopen(path, "r");
		if (!f)
			break;
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
		if (strstr(line, ") Z") || !line[0]) /* a zombie that init will take */
			break;
		assert_true(plx_now_ns() < end);
		sleep_ms(1);
	}
}

static void options_that_make_no_sense_are_refused(void **state)
{
	struct plx_workers_options good = options(true), bad[9];
	struct plx_workers *w;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		bad[i] = good;
	bad[0].hooks.handle = NULL;
	bad[1].workers = 5;
	bad[2].most = PLX_WORKERS_MAX + 1;
	bad[3].senders = PLX_SENDERS_MAX + 1;
	bad[4].size = 40000;
	bad[5].placement = 9;
	bad[6].limits.sandbox = 64;
	bad[7].placement = PLX_PLACE_AUTO; /* of threads */
	bad[8].partition.kind = 9;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(plx_workers_open(&w, &bad[i]), -EINVAL);
		assert_null(w);
	}
}

static void a_lying_pool_is_refused(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = open_with(&o);
	const struct plx_segment *live = plx_workers_segment(w);
	struct plx_segment copy = *live;
	struct plx_workers_hdr *hdr;
	struct plx_work_line *line;
	struct plx_work_undo *undo;
	struct plx_work_mark *mark;
	struct plx_partition_shared *partition;
	const char *why;

	(void)state;
	copy.base = aligned_alloc(64, live->size);
#define LIE(what)                                                                                            \
	do {                                                                                                 \
		memcpy(copy.base, live->base, live->size);                                                   \
		hdr = plx_segment_block(&copy, "pool", NULL);                                                \
		line = plx_segment_block(&copy, "worker", NULL);                                             \
		undo = plx_segment_block(&copy, "undo", NULL);                                               \
		partition = plx_segment_block(&copy, "partition", NULL);                                     \
		mark = (struct plx_work_mark *)(undo + 1);                                                   \
		assert_int_equal(plx_workers_check(&copy, &why), 0);                                         \
		undo->seq = line->seq + 1;                                                                   \
		what;                                                                                        \
		why = NULL;                                                                                  \
		assert_int_equal(plx_workers_check(&copy, &why), -EBADMSG);                                  \
		assert_non_null(why);                                                                        \
	} while (0)
	LIE(hdr->magic = 0);
	LIE(hdr->most = 0);
	LIE(hdr->most = 33);
	LIE(hdr->senders = 99);
	LIE(hdr->senders = 2);
	LIE(hdr->slot_size = 1u << 30);
	LIE(hdr->state_size = 1ull << 60);
	LIE(hdr->undo_size = 1u << 31);
	LIE(hdr->undo_size = 0);
	LIE(hdr->closing = 7);
	LIE(hdr->active = 9);
	LIE(line->state = 99);
	LIE(line->in_use = 2);
	LIE(line->hand_lane = 99);
	LIE(line->record[1].lane = 99);
	LIE(undo->used = 1ull << 40);
	LIE(undo->used = 8);
	LIE((undo->used = 16, mark->off = 0, mark->size = 0));
	LIE((undo->used = 16, mark->off = UINT64_MAX, mark->size = UINT64_MAX));
	LIE((undo->used = 16, mark->off = (uint64_t)live->size / 2, mark->size = 8));
	LIE(partition->owner[9] = 4);
	LIE(partition->magic = 0);
	LIE(memset(plx_segment_block(&copy, "control", NULL), 0, 64));
	LIE(memset(plx_segment_block(&copy, "inbox", NULL), 0, 64));
	free(copy.base);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static bool idle_ten_times(struct plx_worker *w, void *arg)
{
	(void)arg;
	(void)w;
	add(&page->idles, 1);
	return get(&page->idles) % 10 != 0;
}

static void the_idle_hook_is_called_until_it_has_nothing_to_do(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;

	(void)state;
	o.hooks.idle = idle_ten_times;
	o.workers = 1;
	w = open_with(&o);
	sleep_ms(50);
	assert_true(get(&page->idles) >= 10);
	assert_int_equal(get(&page->idles) % 10, 0);
	assert_int_equal(plx_workers_state(w, 0, NULL), PLX_WORKER_IDLE);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_page, drop_page)
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
		TEST(calls_are_answered_by_processes),
		TEST(calls_are_answered_by_threads),
		TEST(a_call_is_answered_although_its_worker_dies),
		TEST(a_call_that_kills_is_answered_when_it_is_put_aside),
		TEST(what_a_dead_worker_had_in_hand_is_undone_and_comes_again),
		TEST(a_message_that_nobody_survives_is_put_aside),
		TEST(a_handler_that_fails_changes_nothing_and_is_counted),
		TEST(a_storm_of_kills_loses_nothing_and_doubles_nothing),
		TEST(what_is_forwarded_arrives_once_and_in_order_whoever_dies),
		TEST(what_is_forwarded_arrives_once_while_slots_move),
		TEST(what_is_forwarded_arrives_once_and_in_order_between_threads),
		TEST(who_forwards_more_than_fits_or_fails_has_forwarded_nothing),
		TEST(who_cannot_live_gives_its_slots_and_messages_to_the_others),
		TEST(one_for_all_loses_nothing_either),
		TEST(a_handler_that_hangs_is_killed_and_its_message_put_aside),
		TEST(a_graceful_stop_loses_nothing_that_was_accepted),
		TEST(senders_that_are_killed_delay_nobody),
		TEST(a_sender_that_is_stopped_delays_no_restart),
		TEST(a_pool_whose_workers_do_not_start_does_not_open),
		TEST(every_door_may_be_shut),
		TEST(workers_do_not_outlive_their_supervisor),
		TEST(options_that_make_no_sense_are_refused),
		TEST(a_lying_pool_is_refused),
		TEST(the_idle_hook_is_called_until_it_has_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

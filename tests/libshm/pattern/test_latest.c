/* test_latest.c - a blackboard: whole values at any time, with version and age; from writers that hurry, die and lie. */
#include "tests/libshm/topic/pair.h"

#include <pthread.h>
#include <stdatomic.h>

#include "pattern/latest_layout.h"

static struct plx_latest_writer *writer(struct plx_latest_options opt)
{
	struct plx_latest_writer *w = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_latest_writer_open(&w, TOPIC, &opt);
	if (ret < 0)
		fail_msg("plx_latest_writer_open: %s", plx_strerror(ret));
	return w;
}

static struct plx_latest_reader *reader(void)
{
	struct plx_latest_reader *r = NULL;
	int ret = plx_latest_reader_open(&r, TOPIC, directory);

	if (ret < 0)
		fail_msg("plx_latest_reader_open: %s", plx_strerror(ret));
	return r;
}

/* A value that says whether it is whole: every word is the first one times its place. */
#define WORDS 96

static uint64_t length_of(uint64_t n)
{
	return 8 * (1 + n % WORDS);
}

static void fill(uint64_t *words, uint64_t n)
{
	for (uint64_t i = 0; i < length_of(n) / 8; i++)
		words[i] = n * (i + 1);
}

static bool whole(const uint64_t *words, uint64_t length)
{
	if (length != length_of(words[0]))
		return false;
	for (uint64_t i = 0; i < length / 8; i++) {
		if (words[i] != words[0] * (i + 1))
			return false;
	}
	return true;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static void a_late_reader_sees_every_value_at_once(void **state)
{
	struct plx_latest_writer *w = writer((struct plx_latest_options){ 0 });
	struct plx_latest_reader *r;
	struct plx_latest_value v;
	uint64_t before, room[32];
	char text[16];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "key%d", i);
		assert_int_equal(plx_latest_writer_key(w, text), i);
		assert_int_equal(plx_latest_writer_key(w, text), i);
		for (int k = 0; k < i; k++)
			assert_int_equal(plx_latest_writer_set(w, i, text, 5, 77), 0);
	}
	before = plx_now_ns();
	sleep_ms(2);
	r = reader();
	assert_int_equal(plx_latest_reader_connect(r, 10 * SECOND), 0);
	for (int i = 1; i < 10; i++) {
		snprintf(text, sizeof(text), "key%d", i);
		assert_int_equal(plx_latest_reader_key(r, text), i - 1);
		assert_int_equal(plx_latest_reader_get(r, i - 1, room, sizeof(room), &v), 0);
		assert_int_equal(v.version, i);
		assert_int_equal(v.length, 5);
		assert_int_equal(v.type, 77);
		assert_true(v.alive);
		assert_true(v.time_ns < before);
		assert_in_range(v.age_ns, 2000000, 10 * SECOND);
		assert_string_equal((char *)room, text);
	}
	assert_int_equal(plx_latest_reader_key(r, "key0"), 9);
	assert_int_equal(plx_latest_reader_get(r, 9, room, sizeof(room), NULL), -ENODATA);
	assert_int_equal(plx_latest_reader_key(r, "other"), 10);
	assert_int_equal(plx_latest_reader_get(r, 10, room, sizeof(room), NULL), -ENOENT);
	assert_int_equal(plx_latest_writer_key(w, "other"), 10);
	assert_int_equal(plx_latest_writer_set(w, 10, "x", 1, 0), 0);
	assert_int_equal(plx_latest_reader_get(r, 10, room, sizeof(room), NULL), 0);
	plx_latest_reader_close(r);
	plx_latest_writer_close(w);
}

static void a_value_is_written_in_place_and_counts_when_it_is_committed(void **state)
{
	struct plx_latest_writer *w = writer((struct plx_latest_options){ .copies = 2, .value_max = 100 });
	struct plx_latest_reader *r = reader();
	int key = plx_latest_writer_key(w, "k"), mine = plx_latest_reader_key(r, "k");
	struct plx_latest_value v;
	uint64_t room[16];

	(void)state;
	assert_int_equal(plx_latest_reader_connect(r, 10 * SECOND), 0);
	for (uint64_t n = 1; n < 20; n++) {
		char *at = plx_latest_writer_begin(w, key);

		assert_int_equal((uintptr_t)at % PLX_LINE, 0);
		memset(at, (int)n, 100);
		if (n > 1) {
			assert_int_equal(plx_latest_reader_get(r, mine, room, sizeof(room), &v), 0);
			assert_int_equal(v.version, n - 1);
			assert_int_equal(((char *)room)[99], n - 1);
		}
		assert_int_equal(plx_latest_writer_commit(w, key, 100, 0), 0);
		assert_int_equal(plx_latest_reader_get(r, mine, room, sizeof(room), &v), 0);
		assert_int_equal(v.version, n);
		assert_int_equal(((char *)room)[99], n);
	}
	plx_latest_reader_close(r);
	plx_latest_writer_close(w);
}

static void limits_are_answers(void **state)
{
	struct plx_latest_writer *w = writer((struct plx_latest_options){ .keys = 2, .value_max = 9 });
	struct plx_latest_reader *r = reader();
	char name[PLX_LATEST_NAME_MAX + 2];
	struct plx_latest_value v;
	uint64_t room[2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[PLX_LATEST_NAME_MAX + 1] = '\0';
	assert_int_equal(plx_latest_writer_key(w, name), -EINVAL);
	assert_int_equal(plx_latest_reader_key(r, name), -EINVAL);
	assert_int_equal(plx_latest_writer_key(w, ""), -EINVAL);
	name[PLX_LATEST_NAME_MAX] = '\0';
	assert_int_equal(plx_latest_writer_key(w, name), 0);
	assert_int_equal(plx_latest_writer_key(w, "b"), 1);
	assert_int_equal(plx_latest_writer_key(w, "c"), -ENOSPC);
	assert_int_equal(plx_latest_writer_set(w, 0, "0123456789", 10, 0), -EMSGSIZE);
	assert_int_equal(plx_latest_writer_set(w, 2, "", 0, 0), -EINVAL);
	assert_int_equal(plx_latest_writer_set(w, -1, "", 0, 0), -EINVAL);
	assert_null(plx_latest_writer_begin(w, 2));
	assert_int_equal(plx_latest_writer_commit(w, 0, 10, 0), -EMSGSIZE);
	assert_int_equal(plx_latest_writer_set(w, 0, "012345678", 9, 0), 0);
	assert_int_equal(plx_latest_reader_key(r, name), 0);
	assert_int_equal(plx_latest_reader_get(r, 1, room, 16, NULL), -EINVAL);
	assert_int_equal(plx_latest_reader_get(r, -1, room, 16, NULL), -EINVAL);
	assert_int_equal(plx_latest_reader_connect(r, 10 * SECOND), 0);
	assert_int_equal(plx_latest_reader_get(r, 0, room, 8, &v), -EMSGSIZE);
	assert_int_equal(v.length, 9);
	assert_int_equal(plx_latest_reader_get(r, 0, room, 9, &v), 0);
	assert_memory_equal(room, "012345678", 9);
	plx_latest_reader_close(r);
	plx_latest_writer_close(w);
	assert_int_equal(plx_latest_writer_open(&w, TOPIC, &(struct plx_latest_options){ .copies = 3 }),
			 -EINVAL);
	assert_int_equal(plx_latest_writer_open(&w, TOPIC, &(struct plx_latest_options){ .keys = 65537 }),
			 -EINVAL);
	assert_int_equal(
		plx_latest_writer_open(&w, TOPIC, &(struct plx_latest_options){ .value_max = 1 << 25 }),
		-EINVAL);
	assert_int_equal(plx_latest_writer_open(&w, "..", NULL), -EINVAL);
}

/* ---- in a hurry ------------------------------------------------------------------------------------ */

struct hurry {
	uint32_t copies, keys;
	uint64_t changes; /* of each key */
	atomic_bool *done;
};

static int write_often(void *arg)
{
	const struct hurry *h = arg;
	struct plx_latest_writer *w = writer(
		(struct plx_latest_options){ .copies = h->copies, .value_max = 8 * WORDS });
	char name[16];

	for (uint32_t k = 0; k < h->keys; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(plx_latest_writer_key(w, name) == (int)k);
	}
	for (uint64_t n = 1; n <= h->changes; n++) {
		for (uint32_t k = 0; k < h->keys; k++) {
			uint64_t words[WORDS];

			fill(words, n);
			CHECK(plx_latest_writer_set(w, (int)k, words, length_of(n), 0) == 0);
		}
	}
	if (h->done)
		atomic_store(h->done, true);
	else
		sleep_ms(300); /* let them see the last one */
	plx_latest_writer_close(w);
	return 0;
}

/* Until every key has its last version; each version that is seen is whole, and none is older than the one before. */
static int read_often(void *arg)
{
	const struct hurry *h = arg;
	struct plx_latest_reader *r = reader();
	uint64_t seen[8] = { 0 }, words[WORDS], end = plx_now_ns() + 20 * SECOND, gets = 0, busy = 0;
	uint32_t last = 0;
	char name[16];

	for (uint32_t k = 0; k < h->keys; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(plx_latest_reader_key(r, name) == (int)k);
	}
	CHECK(plx_latest_reader_connect(r, 10 * SECOND) == 0);
	while (last < h->keys && plx_now_ns() < end) {
		struct plx_latest_value v;

		last = 0;
		for (uint32_t k = 0; k < h->keys; k++) {
			int ret = plx_latest_reader_get(r, (int)k, words, sizeof(words), &v);

			gets++;
			busy += ret == -EAGAIN;
			if (ret == -EAGAIN || ret == -ENODATA || ret == -ENOENT)
				continue;
			CHECK(ret == 0);
			CHECK(whole(words, v.length));
			CHECK(words[0] == v.version);
			CHECK(v.version >= seen[k]);
			seen[k] = v.version;
			last += v.version == h->changes;
		}
	}
	CHECK(last == h->keys);
	CHECK(busy < gets / 2 + 10);
	plx_latest_reader_close(r);
	return 0;
}

static void values_are_whole_however_fast_the_writer_is(void **state)
{
	static const uint32_t copies[] = { 2, 4, 16 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(copies); i++) {
		struct hurry h = { .copies = copies[i], .keys = 3, .changes = LONG_LOOP(100000) };
		pid_t kids[3];

		for (int k = 0; k < 3; k++)
			kids[k] = start(k ? read_often : write_often, &h);
		for (int k = 0; k < 3; k++)
			assert_int_equal(finish(kids[k]), 0);
	}
}

static void *read_thread(void *arg)
{
	return read_often(arg) == 0 ? NULL : arg;
}

static void the_same_with_threads(void **state)
{
	struct hurry h = { .copies = 4, .keys = 2, .changes = LONG_LOOP(50000) };
	pthread_t threads[2];
	void *wrong;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_thread, &h), 0);
	assert_int_equal(write_often(&h), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* ---- waiting --------------------------------------------------------------------------------------- */

static void *set_later(void *arg)
{
	for (int i = 1; i <= 20; i++) {
		sleep_ms(5);
		if (plx_latest_writer_set(arg, 0, &i, sizeof(i), 0) < 0)
			return arg;
	}
	return NULL;
}

static void a_reader_waits_for_changes_with_and_without_being_woken(void **state)
{
	(void)state;
	for (int wake = 0; wake < 2; wake++) {
		struct plx_latest_writer *w = writer((struct plx_latest_options){ .wake = wake });
		struct plx_latest_reader *r = reader();
		struct plx_latest_value v = { 0 };
		pthread_t thread;
		void *wrong;
		int i = 0, key = plx_latest_reader_key(r, "k");
		uint64_t room[4];

		assert_int_equal(plx_latest_writer_key(w, "k"), 0);
		assert_int_equal(plx_latest_reader_wait(r, key, 0, 0, 20 * 1000 * 1000), -ETIMEDOUT);
		assert_int_equal(plx_latest_reader_wait(r, key + 1, 0, 0, 0), -EINVAL);
		assert_int_equal(pthread_create(&thread, NULL, set_later, w), 0);
		while (i < 20) {
			uint64_t late;

			assert_int_equal(plx_latest_reader_wait(r, key, v.writer, v.version, 10 * SECOND), 0);
			assert_int_equal(plx_latest_reader_get(r, key, room, sizeof(room), &v), 0);
			late = v.age_ns;
			assert_in_range(late, 0, SECOND / 2);
			memcpy(&i, room, sizeof(i));
		}
		assert_int_equal(plx_latest_reader_wait(r, key, v.writer, v.version, 1000 * 1000),
				 -ETIMEDOUT);
		assert_int_equal(pthread_join(thread, &wrong), 0);
		assert_null(wrong);
		plx_latest_reader_close(r);
		plx_latest_writer_close(w);
	}
}

/* ---- deaths ---------------------------------------------------------------------------------------- */

static int write_until_killed(void *arg)
{
	struct plx_latest_writer *w = writer(
		(struct plx_latest_options){ .copies = 2, .value_max = 8 * WORDS });
	int key = plx_latest_writer_key(w, arg ? "other" : "k");

	key = arg ? plx_latest_writer_key(w, "k") : key;
	for (uint64_t n = 1;; n++) {
		uint64_t *at = plx_latest_writer_begin(w, key);

		fill(at, n);
		CHECK(plx_latest_writer_commit(w, key, length_of(n), 0) == 0);
	}
}

static void values_of_a_killed_writer_stay_whole_and_the_next_writer_counts(void **state)
{
	struct plx_latest_reader *r = reader();
	int key = plx_latest_reader_key(r, "k");
	struct plx_latest_value v = { 0 };
	uint64_t words[WORDS];

	(void)state;
	for (int round = 0; round < LONG_LOOP(20); round++) {
		pid_t kid = start(write_until_killed, round % 2 ? r : NULL);
		uint64_t old = v.writer, version;

		assert_int_equal(plx_latest_reader_wait(r, key, old, v.version, 10 * SECOND), 0);
		while (v.writer == old) {
			int ret = plx_latest_reader_get(r, key, words, sizeof(words), &v);

			assert_true(ret == 0 || ret == -EAGAIN);
		}
		assert_true(v.alive);
		usleep((unsigned int)round * 100);
		kill(kid, SIGKILL);
		assert_int_equal(finish(kid), -SIGKILL);
		version = 0;
		for (int i = 0; i < 100; i++) {
			assert_int_equal(plx_latest_reader_get(r, key, words, sizeof(words), &v), 0);
			assert_true(whole(words, v.length));
			assert_true(version == 0 || version == v.version);
			version = v.version;
			if (!v.alive)
				break;
			assert_int_equal(
				plx_latest_reader_wait(r, key, v.writer, v.version, 20 * 1000 * 1000),
				-ETIMEDOUT);
		}
		assert_false(v.alive);
		version = v.age_ns;
		assert_int_equal(plx_latest_reader_get(r, key, words, sizeof(words), &v), 0);
		assert_true(v.age_ns > version);
	}
	plx_latest_reader_close(r);
}

static int read_until_killed(void *arg)
{
	struct plx_latest_reader *r = reader();
	int key = plx_latest_reader_key(r, "k");
	uint64_t words[WORDS];

	(void)arg;
	CHECK(plx_latest_reader_connect(r, 10 * SECOND) == 0);
	for (;;)
		(void)!plx_latest_reader_get(r, key, words, sizeof(words), NULL);
}

static void killed_and_stopped_readers_do_not_delay_the_writer(void **state)
{
	struct plx_latest_writer *w;
	uint64_t words[WORDS], begin, took;
	pid_t kids[3];
	int key;

	(void)state;
	for (int i = 0; i < 3; i++)
		kids[i] = start(read_until_killed, NULL);
	w = writer((struct plx_latest_options){ .value_max = 8 * WORDS });
	key = plx_latest_writer_key(w, "k");
	for (uint64_t n = 1; n <= 3000; n++) {
		fill(words, n);
		if (n % 1000 == 0)
			kill(kids[n / 1000 - 1], n == 2000 ? SIGSTOP : SIGKILL);
		begin = plx_now_ns();
		assert_int_equal(plx_latest_writer_set(w, key, words, length_of(n), 0), 0);
		took = plx_now_ns() - begin;
		assert_in_range(took, 0, SECOND);
		usleep(10);
	}
	kill(kids[1], SIGKILL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(finish(kids[i]), -SIGKILL);
	plx_latest_writer_close(w);
}

/* ---- boards that lie ------------------------------------------------------------------------------- */

/* A board of one key with one value, as an honest writer makes it. */
static uint64_t make_board(unsigned char *at, uint32_t keys, uint32_t copies, uint32_t value_max)
{
	struct plx_latest_shape s = { .keys = keys, .copies = copies, .value_max = value_max };
	struct plx_latest_head *head = (struct plx_latest_head *)at;
	struct plx_latest_key *key = (struct plx_latest_key *)(at + plx_latest_key_at(0));
	struct plx_latest_copy *copy;

	plx_latest_settle(&s);
	memset(at, 0, s.size);
	*head = (struct plx_latest_head){ .magic = PLX_LATEST_MAGIC,
					  .version = PLX_LATEST_VERSION,
					  .keys = keys,
					  .copies = copies,
					  .value_max = value_max,
					  .stride = s.stride,
					  .size = s.size,
					  .count = 1 };
	strcpy(key->name, "k");
	key->version = 5;
	copy = (struct plx_latest_copy *)(at + plx_latest_copy_at(&s, 0, 5));
	copy->version = 5;
	copy->length = 8;
	copy->value[0] = 4711;
	return s.size;
}

static void a_shape_that_lies_is_refused(void **state)
{
	unsigned char *at = aligned_alloc(PLX_LINE, 1 << 16);
	struct plx_latest_head *head = (struct plx_latest_head *)at;
	uint64_t size = make_board(at, 4, 4, 100);
	struct plx_latest_shape s;
	const char *why;
	struct plx_latest_head good = *head;

	(void)state;
	assert_int_equal(plx_latest_shape_read(&s, at, size, &why), 0);
	assert_int_equal(plx_latest_check(at, size, &why), 0);
	assert_string_equal(why, "");
	assert_int_equal(plx_latest_shape_read(&s, at, size - 1, &why), -ERANGE);
	assert_int_equal(plx_latest_shape_read(&s, at, 64, &why), -EBADMSG);
	assert_int_equal(plx_latest_shape_read(&s, at + 8, size - 8, &why), -EBADMSG);
#define LIE(field, value, error)                                                                             \
	do {                                                                                                 \
		*head = good;                                                                                \
		head->field = (value);                                                                       \
		assert_int_equal(plx_latest_shape_read(&s, at, size, &why), (error));                        \
		assert_string_not_equal(why, "");                                                            \
	} while (0)
	LIE(magic, 1, -EPROTO);
	LIE(version, 2, -EPROTO);
	LIE(keys, 0, -EBADMSG);
	LIE(keys, 5, -EBADMSG);
	LIE(keys, UINT32_MAX, -EBADMSG);
	LIE(copies, 0, -EBADMSG);
	LIE(copies, 1, -EBADMSG);
	LIE(copies, 3, -EBADMSG);
	LIE(copies, 32, -EBADMSG);
	LIE(copies, 8, -EBADMSG);
	LIE(value_max, 0, -EBADMSG);
	LIE(value_max, UINT32_MAX, -EBADMSG);
	LIE(stride, 64, -EBADMSG);
	LIE(stride, UINT64_MAX, -EBADMSG);
	LIE(size, size + 64, -EBADMSG);
	LIE(flags, 2, -EBADMSG);
	*head = good;
	head->count = 5;
	assert_int_equal(plx_latest_check(at, size, &why), -EBADMSG);
	*head = good;
	((struct plx_latest_key *)(at + plx_latest_key_at(0)))->version = 6;
	assert_int_equal(plx_latest_check(at, size, &why), -EBADMSG);
	free(at);
}

/* A hostile writer flips every word it has, all the time, and sometimes tells the truth. */
static int lie_for_ever(void *arg)
{
	struct plx_publisher_options opt = {
		.slot_size = 8192, .depth = 2, .slots = 1, .history = 1, .directory = directory
	};
	struct plx_publisher *pub;
	struct plx_loan loan;
	uint64_t seed = 1, size, *words;
	char byte;

	CHECK(plx_publisher_open(&pub, TOPIC, &opt) == 0);
	CHECK(plx_publisher_loan(pub, &loan) == 0);
	words = loan.data;
	size = make_board(loan.data, 4, 4, 200);
	CHECK(plx_publisher_publish(pub, &loan, size) == 0);
	CHECK(read(*(int *)arg, &byte, 1) == 1); /* the reader has the name */
	for (;;) {
		for (int i = 0; i < 1000; i++) {
			uint64_t at;

			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			at = (seed >> 33) % (size / 8);
			if (i % 4 == 0 && at < 16 + 4 * 16) /* versions, counts: numbers that might be */
				__atomic_store_n(&words[at], (seed >> 20) % 9, __ATOMIC_RELAXED);
			else
				__atomic_store_n(&words[at], seed, __ATOMIC_RELAXED);
			if (i % 100 == 0)
				make_board((unsigned char *)words, 4, 4, 200);
		}
	}
}

static void a_board_that_changes_at_random_harms_nobody(void **state)
{
	struct plx_latest_reader *r;
	uint64_t counts[3] = { 0 }, longest = 0, end = plx_now_ns() + 20 * SECOND;
	unsigned char room[200 + 64] __attribute__((aligned(8)));
	struct plx_latest_value v;
	int gate[2], keys[3];
	pid_t kid;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	kid = start(lie_for_ever, &gate[0]);
	r = reader();
	for (int i = 0; i < 3; i++)
		keys[i] = plx_latest_reader_key(r, i == 0 ? "k" : i == 1 ? "l" : "m");
	assert_int_equal(plx_latest_reader_connect(r, 10 * SECOND), 0);
	assert_int_equal(plx_latest_reader_get(r, keys[0], room, 200, &v), 0);
	assert_int_equal(write(gate[1], "x", 1), 1);
	/* until it was caught at lying, and told the truth in between, and for a while */
	for (uint64_t i = 0; plx_now_ns() < end && (i < LONG_LOOP(1000000) || !counts[0] || !counts[1]);
	     i++) {
		uint64_t begin = plx_now_ns(), took;
		int ret;

		memset(room + 200, 0x55, 64);
		ret = plx_latest_reader_get(r, keys[i % 3], room, 200, &v);
		took = plx_now_ns() - begin;
		longest = took > longest ? took : longest;
		assert_true(ret == 0 || ret == -EAGAIN || ret == -EBADMSG || ret == -ENODATA ||
			    ret == -ENOENT);
		assert_true(ret < 0 || v.length <= 200);
		for (int k = 200; k < 264; k++)
			assert_int_equal(room[k], 0x55);
		counts[ret == 0 ? 0 : ret == -EBADMSG ? 1 : 2]++;
		if (i % 1024 == 0 && plx_latest_reader_wait(r, keys[0], 1, 1, 0) < 0)
			counts[2]++;
	}
	assert_true(counts[0] > 0);
	assert_true(counts[1] > 0);
	assert_in_range(longest, 0, 5 * SECOND); /* bounded; the machine may be busy */
	kill(kid, SIGKILL);
	assert_int_equal(finish(kid), -SIGKILL);
	close(gate[0]);
	close(gate[1]);
	plx_latest_reader_close(r);
}

static void what_is_no_board_is_not_looked_at(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .history = 8 });
	struct plx_latest_reader *r = reader();
	unsigned char bytes[4096] = { 0 };

	(void)state;
	assert_int_equal(plx_publisher_send(pub, bytes, 0), 0);
	assert_int_equal(plx_publisher_send(pub, bytes, 40), 0);
	assert_int_equal(plx_publisher_send(pub, bytes, 128), 0);
	assert_int_equal(plx_publisher_send(pub, bytes, 4096), 0);
	assert_int_equal(plx_latest_reader_connect(r, 100 * 1000 * 1000), -ETIMEDOUT);
	assert_int_equal(plx_latest_reader_key(r, "k"), 0);
	assert_int_equal(plx_latest_reader_get(r, 0, bytes, 8, NULL), -ENOTCONN);
	plx_latest_reader_close(r);
	plx_publisher_close(pub);
	plx_latest_reader_close(NULL);
	plx_latest_writer_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_reader_sees_every_value_at_once),
		cmocka_unit_test(a_value_is_written_in_place_and_counts_when_it_is_committed),
		cmocka_unit_test(limits_are_answers),
		cmocka_unit_test(values_are_whole_however_fast_the_writer_is),
		cmocka_unit_test(the_same_with_threads),
		cmocka_unit_test(a_reader_waits_for_changes_with_and_without_being_woken),
		cmocka_unit_test(values_of_a_killed_writer_stay_whole_and_the_next_writer_counts),
		cmocka_unit_test(killed_and_stopped_readers_do_not_delay_the_writer),
		cmocka_unit_test(a_shape_that_lies_is_refused),
		cmocka_unit_test(a_board_that_changes_at_random_harms_nobody),
		cmocka_unit_test(what_is_no_board_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* test_latest.c - a blackboard: whole values at any time, with version and age; from writers that hurry, die and lie. */
#include "tests/libshm/pattern/board.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_reader_sees_every_value_at_once),
		cmocka_unit_test(a_value_is_written_in_place_and_counts_when_it_is_committed),
		cmocka_unit_test(limits_are_answers),
		cmocka_unit_test(values_are_whole_however_fast_the_writer_is),
		cmocka_unit_test(the_same_with_threads),
		cmocka_unit_test(a_reader_waits_for_changes_with_and_without_being_woken),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

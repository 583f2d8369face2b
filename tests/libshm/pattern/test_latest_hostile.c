/* test_latest_hostile.c - latest values whose writer or readers are killed, stopped, or lie. */
#include "tests/libshm/pattern/board.h"

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
		cmocka_unit_test(values_of_a_killed_writer_stay_whole_and_the_next_writer_counts),
		cmocka_unit_test(killed_and_stopped_readers_do_not_delay_the_writer),
		cmocka_unit_test(a_shape_that_lies_is_refused),
		cmocka_unit_test(a_board_that_changes_at_random_harms_nobody),
		cmocka_unit_test(what_is_no_board_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

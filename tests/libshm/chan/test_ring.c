/* test_ring.c - many elements by one store: all of them or none; and otherwise as any channel. */
#include <plx/process.h>
#include <plx/ring.h>

#include <errno.h>
#include <string.h>

#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape lines = { .kind = PLX_CHANNEL_RING, .size = 64, .count = 100 };

struct line {
	uint64_t number, words[7];
};

static struct line line(uint64_t number)
{
	struct line l = { .number = number };

	for (int i = 0; i < 7; i++)
		l.words[i] = number * 7 + (uint64_t)i;
	return l;
}

static bool is_line(const struct line *l, uint64_t number)
{
	struct line want = line(number);

	return memcmp(l, &want, sizeof(want)) == 0;
}

static void what_was_put_is_seen_when_it_is_published(void **state)
{
	struct made m = make(lines);
	struct plx_ring_sender tx;
	struct plx_ring_receiver rx;
	struct line l;
	uint32_t n;

	(void)state;
	assert_int_equal(plx_ring_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_ring_receiver_open(&rx, m.at, m.room), 0);
	for (uint64_t i = 0; i < 10; i++) {
		l = line(i);
		assert_true(plx_ring_put(&tx, &l));
		assert_null(plx_ring_peek(&rx, &n));
	}
	plx_ring_publish(&tx);
	assert_non_null(plx_ring_peek(&rx, &n));
	assert_int_equal(n, 10);
	l = line(10);
	assert_true(plx_ring_put(&tx, &l));
	plx_ring_forget(&tx);
	l = line(11);
	assert_true(plx_ring_put(&tx, &l));
	plx_ring_sender_leave(&tx); /* not published either */
	assert_int_equal(plx_ring_sender_open(&tx, m.at, m.room, 0), 0);
	l = line(10);
	assert_true(plx_ring_try_send(&tx, &l));
	plx_ring_release(&rx, 3);
	plx_ring_receiver_leave(&rx);
	assert_int_equal(plx_ring_receiver_open(&rx, m.at, m.room), 0);
	for (uint64_t i = 3; i <= 10; i++) {
		assert_true(plx_ring_try_recv(&rx, &l));
		assert_true(is_line(&l, i));
	}
	assert_false(plx_ring_try_recv(&rx, &l));
	plx_ring_sender_close(&tx);
	assert_int_equal(plx_ring_recv(&rx, &l, FOREVER), -ESHUTDOWN);
	plx_ring_receiver_leave(&rx);
	drop(&m);
}

static void all_ways_mix_and_the_ring_comes_round(void **state)
{
	struct made m = make(lines);
	struct plx_ring_sender tx;
	struct plx_ring_receiver rx;
	uint64_t sent = 0, got = 0;
	struct line many[70];

	(void)state;
	assert_int_equal(plx_ring_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_ring_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t n = round * 13 % COUNT_OF(many), k = n;
		const struct line *there;
		struct line *room;

		for (uint32_t i = 0; i < n; i++)
			many[i] = line(sent + i);
		if (round % 3 == 0) {
			k = plx_ring_try_send_many(&tx, many, n);
			assert_true(k == n || sent + k - got >= 100);
			sent += k;
		} else if (n > 0 && (room = plx_ring_reserve(&tx, &k)) != NULL) {
			assert_true(k > 0 && k <= n);
			memcpy(room, many, k * sizeof(*room));
			plx_ring_commit(&tx, k);
			sent += k;
		}
		if (round % 4 == 0) {
			k = plx_ring_try_recv_many(&rx, many, n);
			for (uint32_t i = 0; i < k; i++)
				assert_true(is_line(&many[i], got++));
		} else if ((there = plx_ring_peek(&rx, &k)) != NULL) {
			for (uint32_t i = 0; i < k; i++)
				assert_true(is_line(&there[i], got++));
			plx_ring_release(&rx, k);
		}
		check(&m);
	}
	assert_true(got > 5000);
	plx_ring_sender_leave(&tx);
	plx_ring_receiver_leave(&rx);
	drop(&m);
}

static void a_closed_ring_takes_nothing_more(void **state)
{
	struct made m = make(lines);
	struct plx_ring_sender tx;
	struct plx_ring_receiver rx;
	struct line l = line(0);
	uint64_t got = 0, sent = 0;

	(void)state;
	assert_int_equal(plx_ring_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_ring_receiver_open(&rx, m.at, m.room), 0);
	plx_channel_close(m.at);
	while (plx_ring_try_send(&tx, &l))
		sent++;
	assert_true(sent <= 1);
	assert_int_equal(plx_ring_send(&tx, &l, FOREVER), -ESHUTDOWN);
	assert_int_equal(plx_ring_send_many(&tx, &l, 1, FOREVER), -ESHUTDOWN);
	while (plx_ring_recv(&rx, &l, FOREVER) == 0)
		got++;
	assert_int_equal(got, sent);
	plx_ring_receiver_close(&rx);
	plx_ring_sender_leave(&tx);
	drop(&m);
}

struct stream {
	struct made m;
	uint64_t count;
	uint32_t batch;
};

static int send_all(void *arg)
{
	struct stream *s = arg;
	struct plx_ring_sender tx;
	struct line many[32];

	CHECK(plx_ring_sender_open(&tx, s->m.at, s->m.room, 0) == 0);
	for (uint64_t i = 0; i < s->count; i += s->batch) {
		for (uint32_t k = 0; k < s->batch; k++)
			many[k] = line(i + k);
		if (s->batch == 1)
			CHECK(plx_ring_send(&tx, many, SECONDS(20)) == 0);
		else
			CHECK(plx_ring_send_many(&tx, many, s->batch, SECONDS(20)) == (int)s->batch);
	}
	plx_ring_sender_close(&tx);
	return 0;
}

static int receive_all(void *arg)
{
	struct stream *s = arg;
	struct plx_ring_receiver rx;
	struct line many[32];
	uint64_t next = 0;
	int n;

	CHECK(plx_ring_receiver_open(&rx, s->m.at, s->m.room) == 0);
	while ((n = plx_ring_recv_many(&rx, many, s->batch, SECONDS(20))) > 0)
		for (int i = 0; i < n; i++)
			CHECK(is_line(&many[i], next++));
	CHECK(n == -ESHUTDOWN);
	CHECK(next == s->count);
	plx_ring_receiver_leave(&rx);
	return 0;
}

static void stream(bool process, uint32_t batch, uint64_t n)
{
	struct stream s = { .m = make(lines), .count = LONG_LOOP(n), .batch = batch };
	struct part sender, receiver;

	part_start(&receiver, process, receive_all, &s);
	part_start(&sender, process, send_all, &s);
	assert_int_equal(part_end(&sender), 0);
	assert_int_equal(part_end(&receiver), 0);
	drop(&s.m);
}

static void threads_pass_all_in_order(void **state)
{
	(void)state;
	stream(false, 1, 200000);
	stream(false, 32, 320000);
}

static void processes_pass_all_in_order(void **state)
{
	(void)state;
	stream(true, 1, 200000);
	stream(true, 32, 320000);
}

static int die_putting(void *arg)
{
	struct made *m = arg;
	struct plx_ring_sender tx;
	struct line l;

	CHECK(plx_ring_sender_open(&tx, m->at, m->room, 0) == 0);
	for (uint64_t i = 0; i < 8; i++) {
		l = line(i);
		CHECK(plx_ring_put(&tx, &l));
		if (i == 4)
			plx_ring_publish(&tx);
	}
	raise(SIGKILL);
	return 1;
}

static void what_the_dead_had_not_published_was_never_sent(void **state)
{
	struct made m = make(lines);
	struct plx_ring_receiver rx;
	struct line l;

	(void)state;
	assert_int_equal(plx_ring_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(run_in_child(die_putting, &m), -SIGKILL);
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(plx_ring_recv(&rx, &l, FOREVER), 0);
		assert_true(is_line(&l, i));
	}
	assert_int_equal(plx_ring_recv(&rx, &l, FOREVER), -EPIPE);
	plx_ring_receiver_leave(&rx);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_seen_when_it_is_published),
		cmocka_unit_test(all_ways_mix_and_the_ring_comes_round),
		cmocka_unit_test(a_closed_ring_takes_nothing_more),
		cmocka_unit_test(threads_pass_all_in_order),
		cmocka_unit_test(processes_pass_all_in_order),
		cmocka_unit_test(what_the_dead_had_not_published_was_never_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

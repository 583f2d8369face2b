/* test_post.c - messages in envelopes: everything they say arrives; the urgent come first and the others come, too. */
#include <plx/envelope.h>
#include <plx/process.h>

#include <errno.h>
#include <string.h>

#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape post = {
	.kind = PLX_CHANNEL_POST, .size = 48, .count = 64, .senders = 4
};
static const struct plx_channel_shape urgent = {
	.kind = PLX_CHANNEL_PRIORITY, .size = 48, .count = 64, .senders = 2
};

static struct plx_post_receiver rx; /* large */

static void an_envelope_says_what_its_sender_wrote(void **state)
{
	struct made m = make(post);
	struct plx_post_sender tx[2];
	struct plx_envelope envelope;
	uint64_t before = plx_now_ns(), last = 0;
	char payload[48], text[48] = "forty-eight bytes share their line with it all";

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&tx[0], m.at, m.room, 4711), 0);
	assert_int_equal(plx_post_sender_open(&tx[1], m.at, m.room, UINT32_MAX), 0);
	for (uint64_t i = 0; i < 1000; i++) { /* many laps */
		assert_true(
			plx_post_try_send(&tx[i % 2], (uint16_t)(65535 - i), UINT64_MAX - i, text, i % 49));
		check(&m);
		assert_true(plx_post_try_recv(&rx, &envelope, payload));
		check(&m);
		assert_int_equal(envelope.type, 65535 - i);
		assert_int_equal(envelope.key, UINT64_MAX - i);
		assert_int_equal(envelope.length, i % 49);
		assert_int_equal(envelope.priority, 0);
		assert_int_equal(envelope.source, i % 2 ? UINT32_MAX : 4711);
		assert_memory_equal(payload, text, i % 49);
		assert_true(envelope.id != last);
		assert_int_equal(envelope.id & 0xffffffffffffff, i / 2);
		last = envelope.id;
		/* to about a millisecond */
		assert_true(envelope.time_ns + 2 * PLX_POST_TICK_NS > before);
		assert_true(envelope.time_ns < plx_now_ns() + PLX_POST_TICK_NS);
	}
	assert_false(plx_post_try_recv(&rx, &envelope, payload));
	for (int i = 0; i < 2; i++)
		plx_post_sender_leave(&tx[i]);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

static void a_message_carries_the_time_of_the_stamp(void **state)
{
	struct made m = make(post);
	struct plx_post_sender tx;
	struct plx_envelope first = { 0 }, second = { 0 }, third = { 0 };
	char payload[48] = { 0 };

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 0), 0);
	assert_true(plx_post_try_send(&tx, 0, 0, payload, 1));
	sleep_ms(30);
	assert_true(plx_post_try_send(&tx, 0, 0, payload, 1)); /* no clock is read */
	plx_post_stamp(&tx);
	assert_true(plx_post_try_send(&tx, 0, 0, payload, 1));
	assert_true(plx_post_try_recv(&rx, &first, payload));
	assert_true(plx_post_try_recv(&rx, &second, payload));
	assert_true(plx_post_try_recv(&rx, &third, payload));
	assert_int_equal(first.time_ns, second.time_ns);
	assert_true(third.time_ns - first.time_ns >= 28 * 1000000ull);
	plx_post_sender_leave(&tx);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

static void a_longer_payload_takes_more_lines(void **state)
{
	struct made m = make(
		(struct plx_channel_shape){ .kind = PLX_CHANNEL_POST, .size = 1000, .count = 8 });
	struct plx_post_sender tx;
	struct plx_envelope envelope;
	unsigned char in[1000], out[1000];

	(void)state;
	assert_int_equal(
		plx_channel_bytes(&(struct plx_channel_shape){ .kind = PLX_CHANNEL_POST, .size = 16384 }), 0);
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 0), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t n;

		memset(out, (int)i, sizeof(out));
		assert_true(plx_post_try_send(&tx, 1, 2, out, (uint16_t)(i % 1001)));
		n = i % 1001;
		assert_true(plx_post_try_recv(&rx, &envelope, in));
		assert_int_equal(envelope.length, n);
		assert_memory_equal(in, out, n);
	}
	plx_post_sender_leave(&tx);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

static void a_lane_in_use_again_has_its_new_senders_name(void **state)
{
	struct made m = make((struct plx_channel_shape){ .kind = PLX_CHANNEL_POST, .size = 8, .senders = 1 });
	struct plx_envelope envelope;
	char payload[8] = { 0 };

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < 20; i++) {
		struct plx_post_sender tx;

		assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 100 + i), 0);
		assert_true(plx_post_try_send(&tx, 0, 0, payload, 8));
		plx_post_sender_leave(&tx);
		assert_true(plx_post_try_recv(&rx, &envelope, payload));
		assert_int_equal(envelope.source, 100 + i);
		assert_int_equal(envelope.id & 0xffffffff, i);
		assert_false(plx_post_try_recv(&rx, &envelope, payload));
	}
	plx_post_receiver_leave(&rx);
	drop(&m);
}

/* Nobody looks at a lane that is empty; each has sent as many as fit some turns, or none. */
static void a_sender_that_follows_at_once_has_its_own_name(void **state)
{
	struct made m = make((struct plx_channel_shape){
		.kind = PLX_CHANNEL_PRIORITY, .size = 8, .count = 8, .senders = 1 });
	struct plx_envelope envelope;
	char payload[8] = { 0 };

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < 600; i++) {
		struct plx_post_sender tx;

		assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 100 + i), 0);
		for (uint32_t k = 0; k < (i % 5 == 3 ? 0 : 1 + i % 7); k++) {
			assert_true(plx_priority_try_send(&tx, (uint8_t)(i % 4), 0, i, payload, 8));
			check(&m);
			assert_true(plx_post_try_recv(&rx, &envelope, payload));
			assert_int_equal(envelope.source, 100 + i);
			assert_int_equal(envelope.key, i);
		}
		plx_post_sender_leave(&tx);
	}
	plx_post_receiver_leave(&rx);
	drop(&m);
}

/* The same in a channel without priorities, where a turn is of many messages; the receiver looks twice before it takes. */
static void a_sender_that_follows_in_the_same_turn_has_its_own_name(void **state)
{
	struct made m = make((struct plx_channel_shape){ .kind = PLX_CHANNEL_POST, .size = 8, .senders = 2 });
	struct plx_post_sender other;
	struct plx_envelope envelope;
	char payload[8] = { 0 };

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&other, m.at, m.room, 7), 0);
	for (uint32_t i = 0; i < 600; i++) {
		struct plx_post_sender tx;

		assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 100 + i), 0);
		assert_true(plx_post_try_send(&tx, 0, i, payload, 8));
		assert_non_null(plx_post_peek(&rx, &envelope));
		assert_int_equal(envelope.source, 100 + i);
		assert_true(plx_post_try_send(&other, 0, i, payload, 8));
		assert_non_null(plx_post_peek(&rx, &envelope));
		assert_int_equal(envelope.source, 100 + i); /* the same message as before */
		plx_post_release(&rx);
		plx_post_sender_leave(&tx);
		if (i % 2)
			assert_true(plx_post_try_recv(&rx, &envelope, payload));
		else if (plx_post_peek(&rx, &envelope))
			plx_post_release(&rx);
		assert_int_equal(envelope.source, 7);
		assert_int_equal(envelope.key, i);
	}
	plx_post_sender_leave(&other);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

static void what_was_peeked_at_and_not_released_comes_again(void **state)
{
	struct made m = make(post);
	struct plx_post_sender tx;
	struct plx_envelope envelope;
	char payload[48] = "x";
	uint64_t *at;

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 0), 0);
	for (uint64_t i = 0; i < 2; i++) {
		at = plx_post_reserve(&tx);
		assert_non_null(at);
		*at = i;
		plx_post_commit(&tx, 5, i, 8);
	}
	assert_non_null(plx_post_peek(&rx, &envelope));
	plx_post_release(&rx);
	assert_non_null(plx_post_peek(&rx, &envelope));
	assert_int_equal(envelope.key, 1);
	plx_post_receiver_leave(&rx);
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_true(plx_post_try_recv(&rx, &envelope, payload));
	assert_int_equal(envelope.key, 1);
	assert_int_equal(*(uint64_t *)(void *)payload, 1);
	plx_post_sender_leave(&tx);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

static void the_urgent_come_first_and_nobody_starves(void **state)
{
	struct made m = make(urgent);
	struct plx_post_sender tx;
	struct plx_envelope envelope;
	uint32_t of[4] = { 0 };
	char payload[48] = "x";

	(void)state;
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_post_sender_open(&tx, m.at, m.room, 0), 0);
	/* two of each, the least urgent first */
	for (uint8_t p = 0; p < 4; p++)
		for (int i = 0; i < 2; i++)
			assert_true(plx_priority_try_send(&tx, p, p, 0, payload, 1));
	assert_true(plx_post_try_recv(&rx, &envelope, payload));
	assert_int_equal(envelope.priority, 3);
	while (plx_post_try_recv(&rx, &envelope, payload))
		assert_int_equal(envelope.priority, envelope.type);
	/* all are full all the time */
	for (int round = 0; round < 15000; round++) {
		for (uint8_t p = 0; p < 4; p++)
			while (plx_priority_try_send(&tx, p, p, 0, payload, 1))
				;
		assert_true(plx_post_try_recv(&rx, &envelope, payload));
		of[envelope.priority]++;
	}
	assert_true(of[3] > of[2] && of[2] > of[1] && of[1] > of[0]);
	assert_true(of[0] >= 900); /* a fifteenth */
	/* one urgent message behind a crowd of others waits for few */
	while (plx_post_try_recv(&rx, &envelope, payload))
		;
	for (int round = 0; round < 50; round++) {
		int waited = 0;

		for (int i = 0; i < 20; i++)
			(void)plx_priority_try_send(&tx, 0, 0, 0, payload, 1);
		assert_true(plx_priority_try_send(&tx, 3, 3, 0, payload, 1));
		do {
			assert_true(plx_post_try_recv(&rx, &envelope, payload));
			waited++;
		} while (envelope.priority != 3);
		assert_true(waited <= 8);
	}
	check(&m);
	plx_post_sender_leave(&tx);
	plx_post_receiver_leave(&rx);
	drop(&m);
}

/* ---- many -------------------------------------------------------------------------------------------- */

struct job {
	struct made *m;
	uint32_t who;
	uint64_t count;
	bool priorities;
};

static int send_all(void *arg)
{
	struct job *job = arg;
	struct plx_post_sender tx;
	uint64_t payload[6] = { job->who };

	CHECK(plx_post_sender_open(&tx, job->m->at, job->m->room, job->who) == 0);
	for (uint64_t i = 0; i < job->count; i++) {
		payload[1] = i;
		payload[5] = i * 3;
		if (job->priorities)
			CHECK(plx_priority_send(&tx, i % 4, 7, i, payload, 48, SECONDS(20)) == 0);
		else
			CHECK(plx_post_send(&tx, 7, i, payload, 48, SECONDS(20)) == 0);
	}
	plx_post_sender_leave(&tx);
	return 0;
}

static void stream(bool process, bool priorities, uint64_t n)
{
	struct made m = make(priorities ? urgent : post);
	struct job job[2];
	struct part part[2];
	uint64_t next[2][4] = { { 0 } }, payload[6], all = 0;
	struct plx_channel_info info;
	struct plx_envelope envelope;

	n = LONG_LOOP(n);
	assert_int_equal(plx_post_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < 2; i++) {
		job[i] = (struct job){ &m, i, n, priorities };
		part_start(&part[i], process, send_all, &job[i]);
	}
	while (all < 2 * n) {
		uint32_t p;

		assert_int_equal(plx_post_recv(&rx, &envelope, payload, SECONDS(20)), 0);
		p = envelope.priority;
		assert_int_equal(envelope.source, payload[0]);
		assert_int_equal(envelope.key, payload[1]);
		assert_int_equal(payload[5], payload[1] * 3);
		assert_int_equal(payload[1], priorities ? next[payload[0]][p] * 4 + p : next[payload[0]][p]);
		next[payload[0]][p]++;
		all++;
	}
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(part_end(&part[i]), 0);
	plx_channel_close(m.at);
	assert_int_equal(plx_post_recv(&rx, &envelope, payload, FOREVER), -ESHUTDOWN);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.sent, 2 * n);
	assert_int_equal(info.stats.received, 2 * n);
	plx_post_receiver_close(&rx);
	drop(&m);
}

static void threads_lose_nothing(void **state)
{
	(void)state;
	stream(false, false, 100000);
	stream(false, true, 50000);
}

static void processes_lose_nothing(void **state)
{
	(void)state;
	stream(true, false, 100000);
	stream(true, true, 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_says_what_its_sender_wrote),
		cmocka_unit_test(a_message_carries_the_time_of_the_stamp),
		cmocka_unit_test(a_longer_payload_takes_more_lines),
		cmocka_unit_test(a_lane_in_use_again_has_its_new_senders_name),
		cmocka_unit_test(a_sender_that_follows_at_once_has_its_own_name),
		cmocka_unit_test(a_sender_that_follows_in_the_same_turn_has_its_own_name),
		cmocka_unit_test(what_was_peeked_at_and_not_released_comes_again),
		cmocka_unit_test(the_urgent_come_first_and_nobody_starves),
		cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(processes_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

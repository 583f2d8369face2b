/* test_mpsc.c - many senders, one receiver: of each sender all, in order, once; nobody waits for a dead or a slow one. */
#include <plx/mpsc.h>
#include <plx/process.h>

#include <errno.h>
#include <string.h>

#include "tests/libshm/chan/both.h"

#define SENDERS 4u

static const struct plx_channel_shape shape = {
	.kind = PLX_CHANNEL_MPSC, .size = 16, .count = 64, .senders = SENDERS
};

struct note {
	uint64_t who, number;
};

static void each_sender_has_a_lane_and_gets_its_turn(void **state)
{
	struct made m = make(shape);
	struct plx_spsc_sender tx[SENDERS], more;
	static struct plx_mpsc_receiver rx;
	uint64_t sent[SENDERS] = { 0 }, next[SENDERS] = { 0 }, in_a_row = 0, last = SENDERS;
	struct note note;

	(void)state;
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < SENDERS; i++)
		assert_int_equal(plx_mpsc_sender_open(&tx[i], m.at, m.room, i), 0);
	assert_int_equal(plx_mpsc_sender_open(&more, m.at, m.room, 9), -EBUSY);
	for (int round = 0; round < 3000; round++) {
		for (uint64_t i = 0; i < SENDERS; i++) {
			note = (struct note){ i, sent[i] };
			sent[i] += plx_spsc_try_send(&tx[i], &note);
		}
		for (int k = 0; k < 3 && plx_mpsc_try_recv(&rx, &note); k++) {
			assert_int_equal(note.number, next[note.who]++);
			in_a_row = note.who == last ? in_a_row + 1 : 1;
			last = note.who;
			assert_true(in_a_row <= 2 * PLX_MPSC_TURN);
		}
		if (round % 100 == 0)
			check(&m);
	}
	for (uint32_t i = 0; i < SENDERS; i++) {
		assert_true(next[i] > 1000);
		plx_mpsc_sender_leave(&tx[i]);
	}
	while (plx_mpsc_try_recv(&rx, &note))
		assert_int_equal(note.number, next[note.who]++);
	for (uint32_t i = 0; i < SENDERS; i++)
		assert_int_equal(next[i], sent[i]);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

static void a_lane_is_free_again_when_all_in_it_was_received(void **state)
{
	struct made m = make(shape);
	struct plx_spsc_sender tx[SENDERS];
	static struct plx_mpsc_receiver rx;
	struct note note = { 0, 0 };

	(void)state;
	for (uint32_t i = 0; i < SENDERS; i++) {
		assert_int_equal(plx_mpsc_sender_open(&tx[i], m.at, m.room, i), 0);
		assert_true(plx_spsc_try_send(&tx[i], &note));
		plx_mpsc_sender_leave(&tx[i]);
	}
	assert_int_equal(plx_mpsc_sender_open(&tx[0], m.at, m.room, 9), -EBUSY);
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_mpsc_recv(&rx, &note, 0), 0);
	assert_int_equal(plx_mpsc_sender_open(&tx[0], m.at, m.room, 9), 0);
	plx_mpsc_sender_leave(&tx[0]);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

static void peeking_shows_the_lane(void **state)
{
	struct made m = make(shape);
	struct plx_spsc_sender tx[2];
	static struct plx_mpsc_receiver rx;
	struct note note = { 0, 0 };
	const struct note *there;
	uint32_t n;

	(void)state;
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0);
	assert_null(plx_mpsc_peek(&rx, &n));
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(plx_mpsc_sender_open(&tx[i], m.at, m.room, i), 0);
		for (note = (struct note){ i, 0 }; note.number < 2; note.number++)
			assert_true(plx_spsc_try_send(&tx[i], &note));
	}
	for (int i = 0; i < 2; i++) {
		there = plx_mpsc_peek(&rx, &n);
		assert_non_null(there);
		assert_int_equal(n, 2);
		assert_int_equal(there[0].who, plx_mpsc_lane(&rx));
		assert_int_equal(there[1].number, 1);
		plx_mpsc_release(&rx, 2);
	}
	assert_null(plx_mpsc_peek(&rx, &n));
	for (uint32_t i = 0; i < 2; i++)
		plx_mpsc_sender_leave(&tx[i]);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

/* ---- many ------------------------------------------------------------------------------------------- */

struct job {
	struct made *m;
	uint64_t who, count;
	uint32_t batch;
};

static int send_all(void *arg)
{
	struct job *job = arg;
	struct plx_spsc_sender tx;
	struct note many[32];

	CHECK(plx_mpsc_sender_open(&tx, job->m->at, job->m->room, (uint32_t)job->who) == 0);
	for (uint64_t i = 0; i < job->count;) {
		uint32_t n = 0;

		while (n < job->batch && i + n < job->count) {
			many[n] = (struct note){ job->who, i + n };
			n++;
		}
		if (n == 1)
			CHECK(plx_spsc_send(&tx, many, SECONDS(20)) == 0);
		else
			CHECK(plx_spsc_send_many(&tx, many, n, SECONDS(20)) == (int)n);
		i += n;
	}
	plx_mpsc_sender_leave(&tx);
	return 0;
}

static void stream(bool process, uint32_t batch, uint64_t n)
{
	struct made m = make(shape);
	struct job job[SENDERS];
	struct part part[SENDERS];
	static struct plx_mpsc_receiver rx;
	uint64_t next[SENDERS] = { 0 }, all = 0;
	struct plx_channel_info info;
	struct note many[32];

	n = LONG_LOOP(n);
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < SENDERS; i++) {
		job[i] = (struct job){ &m, i, n, batch };
		part_start(&part[i], process, send_all, &job[i]);
	}
	while (all < n * SENDERS) {
		int got = batch == 1 ? (plx_mpsc_recv(&rx, many, SECONDS(20)) == 0)
				     : plx_mpsc_recv_many(&rx, many, batch, SECONDS(20));

		assert_true(got > 0);
		for (int k = 0; k < got; k++)
			assert_int_equal(many[k].number, next[many[k].who]++);
		all += (uint64_t)got;
	}
	for (uint32_t i = 0; i < SENDERS; i++) {
		assert_int_equal(part_end(&part[i]), 0);
		assert_int_equal(next[i], n);
	}
	plx_channel_close(m.at);
	assert_int_equal(plx_mpsc_recv(&rx, many, FOREVER), -ESHUTDOWN);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.sent, n * SENDERS);
	assert_int_equal(info.stats.received, n * SENDERS);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

static void threads_lose_nothing(void **state)
{
	(void)state;
	stream(false, 1, 200000);
	stream(false, 32, 200000);
}

static void processes_lose_nothing(void **state)
{
	(void)state;
	stream(true, 1, 200000);
	stream(true, 32, 200000);
}

/* ---- death ------------------------------------------------------------------------------------------ */

static int send_for_ever(void *arg)
{
	struct made *m = arg;
	struct plx_spsc_sender tx;
	struct note note = { (uint64_t)getpid(), 0 };
	int ret;

	while ((ret = plx_mpsc_sender_open(&tx, m->at, m->room, 0)) == -EBUSY)
		sleep_ms(1); /* the lane of a dead one is not yet received to its end */
	CHECK(ret == 0);
	for (;; note.number++)
		CHECK(plx_spsc_send(&tx, &note, SECONDS(20)) == 0);
}

/* Of each sender in turn that has a lane: from 0, without a gap. */
struct seen {
	uint64_t who[SENDERS], next[SENDERS];
};

static bool fits(struct seen *seen, const struct plx_mpsc_receiver *rx, const struct note *note)
{
	uint32_t lane = plx_mpsc_lane(rx);
	bool ok = note->number == (seen->who[lane] == note->who ? seen->next[lane] : 0);

	seen->who[lane] = note->who;
	seen->next[lane] = note->number + 1;
	return ok;
}

/* On a busy machine all who had sat down may be dead before another one does: then there is nobody, for a while. */
static int recv_when_there_is_one(struct plx_mpsc_receiver *rx, struct note *note)
{
	const uint64_t end = plx_now_ns() + SECONDS(20);
	int ret;

	while ((ret = plx_mpsc_recv(rx, note, SECONDS(20))) == -EPIPE && plx_now_ns() < end)
		sleep_ms(1);
	return ret;
}

static void the_dead_leave_what_they_sent_and_their_lane(void **state)
{
	struct made m = make(shape);
	static struct plx_mpsc_receiver rx;
	struct seen seen = { .next = { 0 } };
	struct part part[SENDERS];
	struct plx_channel_info info;
	unsigned int seed = 1;
	struct note note;

	(void)state;
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t i = 0; i < SENDERS; i++)
		part_start(&part[i], true, send_for_ever, &m);
	for (int round = 0; round < 200; round++) {
		uint32_t victim = (uint32_t)rand_r(&seed) % SENDERS;
		int more = rand_r(&seed) % 3000;

		for (int k = 0; k < more; k++) {
			assert_int_equal(recv_when_there_is_one(&rx, &note), 0);
			assert_true(fits(&seen, &rx, &note));
		}
		kill(part[victim].pid, SIGKILL);
		assert_int_equal(part_end(&part[victim]), -SIGKILL);
		(void)plx_channel_bury(m.at,
				       part[victim].pid); /* or others did, or it had not sat down yet */
		check(&m);
		part_start(&part[victim], true, send_for_ever, &m);
	}
	for (uint32_t i = 0; i < SENDERS; i++) {
		kill(part[i].pid, SIGKILL);
		assert_int_equal(part_end(&part[i]), -SIGKILL);
	}
	while (plx_mpsc_recv(&rx, &note, FOREVER) == 0)
		assert_true(fits(&seen, &rx, &note));
	assert_int_equal(plx_mpsc_recv(&rx, &note, FOREVER), -EPIPE);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_true(info.stats.buried > 100);
	assert_int_equal(info.stats.sent, info.stats.received);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

static int receive_some(void *arg)
{
	struct made *m = arg;
	static struct plx_mpsc_receiver rx;
	struct note note;

	CHECK(plx_mpsc_receiver_open(&rx, m->at, m->room) == 0);
	for (int i = 0; i < 10; i++)
		CHECK(plx_mpsc_recv(&rx, &note, SECONDS(20)) == 0 && note.number == (uint64_t)i);
	raise(SIGKILL);
	return 1;
}

static void a_successor_gets_what_a_dead_receiver_did_not_take(void **state)
{
	struct made m = make(shape);
	static struct plx_mpsc_receiver rx;
	struct plx_spsc_sender tx;
	struct note note = { 0, 0 };

	(void)state;
	assert_int_equal(plx_mpsc_sender_open(&tx, m.at, m.room, 0), 0);
	for (; note.number < 20; note.number++)
		assert_true(plx_spsc_try_send(&tx, &note));
	assert_int_equal(run_in_child(receive_some, &m), -SIGKILL);
	assert_int_equal(plx_mpsc_receiver_open(&rx, m.at, m.room), 0); /* buries its predecessor */
	for (uint64_t i = 10; i < 20; i++) {
		assert_true(plx_mpsc_try_recv(&rx, &note));
		assert_int_equal(note.number, i);
	}
	plx_mpsc_sender_leave(&tx);
	plx_mpsc_receiver_leave(&rx);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sender_has_a_lane_and_gets_its_turn),
		cmocka_unit_test(a_lane_is_free_again_when_all_in_it_was_received),
		cmocka_unit_test(peeking_shows_the_lane),
		cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(processes_lose_nothing),
		cmocka_unit_test(the_dead_leave_what_they_sent_and_their_lane),
		cmocka_unit_test(a_successor_gets_what_a_dead_receiver_did_not_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

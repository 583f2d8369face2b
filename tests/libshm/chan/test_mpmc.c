/* test_mpmc.c - many senders, many receivers: every element once, to one of them, whoever is killed in the middle of it. */
#include <plx/mpmc.h>
#include <plx/process.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape shape = {
	.kind = PLX_CHANNEL_MPMC, .size = 16, .count = 64, .senders = 8, .receivers = 8
};

struct note {
	uint64_t who, number;
};

/* ---- alone ------------------------------------------------------------------------------------------- */

static void what_is_sent_is_received_once_in_every_size(void **state)
{
	static const uint32_t sizes[] = { 1, 8, 16, 24, 56, 57, 64, 120, 121, 1000 };
	unsigned char out[1000], in[1000];

	(void)state;
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		struct made m = make((struct plx_channel_shape){
			.kind = PLX_CHANNEL_MPMC, .size = sizes[s], .count = 50 });
		struct plx_mpmc_sender tx[2];
		struct plx_mpmc_receiver rx[2];
		uint32_t sent = 0, got = 0;

		for (int i = 0; i < 2; i++) {
			assert_int_equal(plx_mpmc_sender_open(&tx[i], m.at, m.room, 0), 0);
			assert_int_equal(plx_mpmc_receiver_open(&rx[i], m.at, m.room), 0);
		}
		for (int round = 0; round < 300; round++) {
			uint32_t n = 1 + (uint32_t)round * 7 % 60;

			for (uint32_t i = 0; i < n; i++) {
				memset(out, (int)(sent % 251), sizes[s]);
				if (!plx_mpmc_try_send(&tx[(round + i) % 2], out)) {
					assert_true(sent - got >= 50);
					break;
				}
				sent++;
				check(&m);
			}
			for (uint32_t i = 0; i < n - n / 8; i++) {
				if (!plx_mpmc_try_recv(&rx[(round * i) % 2], in)) {
					assert_int_equal(got, sent);
					break;
				}
				memset(out, (int)(got % 251), sizes[s]);
				assert_memory_equal(in, out, sizes[s]);
				got++;
				check(&m);
			}
		}
		assert_true(got > 1000);
		for (int i = 0; i < 2; i++) {
			plx_mpmc_sender_leave(&tx[i]);
			plx_mpmc_receiver_leave(&rx[i]);
		}
		drop(&m);
	}
}

static void who_is_in_the_middle_of_sending_holds_up_nobody(void **state)
{
	struct made m = make(shape);
	struct plx_mpmc_sender slow, tx;
	struct plx_mpmc_receiver rx;
	uint64_t position;
	struct note note, *at;

	(void)state;
	assert_int_equal(plx_mpmc_sender_open(&slow, m.at, m.room, 0), 0);
	assert_int_equal(plx_mpmc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_mpmc_receiver_open(&rx, m.at, m.room), 0);
	at = plx_mpmc_reserve(&slow, &position);
	assert_non_null(at);
	for (note = (struct note){ 1, 0 }; note.number < 10; note.number++)
		assert_true(plx_mpmc_try_send(&tx, &note));
	for (uint64_t i = 0; i < 5; i++) {
		assert_true(plx_mpmc_try_recv(&rx, &note));
		assert_int_equal(note.number, i);
	}
	*at = (struct note){ 0, 77 };
	plx_mpmc_commit(&slow, position);
	assert_true(plx_mpmc_try_recv(&rx, &note)); /* it is the oldest */
	assert_int_equal(note.number, 77);
	for (uint64_t i = 5; i < 10; i++) {
		assert_true(plx_mpmc_try_recv(&rx, &note));
		assert_int_equal(note.number, i);
	}
	assert_false(plx_mpmc_try_recv(&rx, &note));
	plx_mpmc_sender_leave(&slow);
	plx_mpmc_sender_leave(&tx);
	plx_mpmc_receiver_leave(&rx);
	drop(&m);
}

static void a_closed_channel_is_drained_and_then_ends(void **state)
{
	struct made m = make(shape);
	struct plx_mpmc_sender tx;
	struct plx_mpmc_receiver rx;
	struct note note = { 0, 0 };

	(void)state;
	assert_int_equal(plx_mpmc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_mpmc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_mpmc_recv(&rx, &note, 0), -EAGAIN);
	assert_int_equal(plx_mpmc_recv(&rx, &note, 1000), -ETIMEDOUT);
	for (int i = 0; i < 5; i++)
		assert_int_equal(plx_mpmc_send(&tx, &note, 0), 0);
	plx_channel_close(m.at);
	(void)!plx_mpmc_try_send(&tx, &note);
	assert_false(plx_mpmc_try_send(&tx, &note));
	assert_int_equal(plx_mpmc_send(&tx, &note, FOREVER), -ESHUTDOWN);
	for (int i = 0; i < 6; i++)
		assert_int_equal(plx_mpmc_recv(&rx, &note, FOREVER), 0);
	assert_int_equal(plx_mpmc_recv(&rx, &note, FOREVER), -ESHUTDOWN);
	plx_mpmc_sender_leave(&tx);
	plx_mpmc_receiver_leave(&rx);
	drop(&m);
}

static int die_holding(void *arg)
{
	struct made *m = arg;
	struct plx_mpmc_sender tx;
	struct plx_mpmc_receiver rx;
	uint64_t position;

	CHECK(plx_mpmc_sender_open(&tx, m->at, m->room, 0) == 0);
	CHECK(plx_mpmc_receiver_open(&rx, m->at, m->room) == 0);
	CHECK(plx_mpmc_peek(&rx, &position) != NULL);
	CHECK(plx_mpmc_peek(&rx, &position) != NULL);
	CHECK(plx_mpmc_reserve(&tx, &position) != NULL);
	CHECK(plx_mpmc_reserve(&tx, &position) != NULL);
	raise(SIGKILL);
	return 1;
}

static void what_the_dead_held_is_skipped_or_comes_back(void **state)
{
	struct made m = make(shape);
	struct plx_mpmc_sender tx;
	struct plx_mpmc_receiver rx;
	struct plx_channel_info info;
	struct note note = { 0, 0 };
	bool seen[200] = { false };
	uint64_t n = 0;

	(void)state;
	assert_int_equal(plx_mpmc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_mpmc_receiver_open(&rx, m.at, m.room), 0);
	for (; note.number < 10; note.number++)
		assert_true(plx_mpmc_try_send(&tx, &note));
	assert_int_equal(run_in_child(die_holding, &m), -SIGKILL);
	for (; note.number < 20; note.number++)
		assert_true(plx_mpmc_try_send(&tx, &note));
	check(&m);
	while (plx_mpmc_recv(&rx, &note, 300000000) == 0) { /* the wait finds out who died */
		assert_false(seen[note.number]);
		seen[note.number] = true;
		n++;
	}
	assert_int_equal(n, 20);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.skipped, 2);
	assert_int_equal(info.stats.buried, 2);
	for (note.number = 0; note.number < 1000; note.number++) { /* the ring is whole */
		struct note other;

		assert_true(plx_mpmc_try_send(&tx, &note));
		assert_true(plx_mpmc_try_recv(&rx, &other));
		assert_int_equal(other.number, note.number);
	}
	plx_mpmc_sender_leave(&tx);
	plx_mpmc_receiver_leave(&rx);
	drop(&m);
}

/* ---- many -------------------------------------------------------------------------------------------- */

#define MANY 4u

struct tally {
	uint64_t accepted[MANY];   /* by whom, as they know */
	uint64_t received;         /* all, by all */
	uint64_t count;            /* of each sender, in all; 0: for ever */
	uint32_t next[MANY][MANY]; /* receiver, sender: order */
	bool disorder;
	uint8_t times[MANY][1 << 20]; /* sender, number: how often it came */
};

struct job {
	struct made *m;
	struct tally *tally;
	uint32_t who;
};

static int send_all(void *arg)
{
	struct job *job = arg;
	struct tally *tally = job->tally;
	struct plx_mpmc_sender tx;
	struct note note = { job->who, tally->accepted[job->who] };

	CHECK(plx_mpmc_sender_open(&tx, job->m->at, job->m->room, job->who) == 0);
	/* a successor does not know whether its predecessor's last one went out: it leaves a number out */
	note.number += note.number != 0;
	for (; note.number < tally->count; note.number++) {
		CHECK(plx_mpmc_send(&tx, &note, SECONDS(20)) == 0);
		__atomic_store_n(&tally->accepted[job->who], note.number + 1, __ATOMIC_RELEASE);
	}
	plx_mpmc_sender_leave(&tx);
	return 0;
}

static int receive_all(void *arg)
{
	struct job *job = arg;
	struct tally *tally = job->tally;
	struct plx_mpmc_receiver rx;
	uint64_t position;
	int ret;

	CHECK(plx_mpmc_receiver_open(&rx, job->m->at, job->m->room) == 0);
	/* -EPIPE: the last one died, and its successor has not come yet */
	while ((ret = plx_mpmc_wait(&rx, SECONDS(20))) == 0 || ret == -EPIPE) {
		const struct note *note = plx_mpmc_peek(&rx, &position);

		if (!note)
			continue;
		CHECK(note->who < MANY && note->number < 1 << 20);
		__atomic_fetch_add(&tally->times[note->who][note->number], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&tally->received, 1, __ATOMIC_RELAXED);
		if (note->number < tally->next[job->who][note->who])
			__atomic_store_n(&tally->disorder, true, __ATOMIC_RELAXED);
		tally->next[job->who][note->who] = (uint32_t)note->number;
		plx_mpmc_release(&rx, position);
	}
	CHECK(ret == -ESHUTDOWN);
	plx_mpmc_receiver_leave(&rx);
	return 0;
}

static struct tally *tally_open(void)
{
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);

	assert_true(tally != MAP_FAILED);
	return tally;
}

static void crowd(bool process, uint32_t senders, uint32_t receivers, uint64_t n)
{
	struct made m = make(shape);
	struct tally *tally = tally_open();
	struct part tx[MANY], rx[MANY];
	struct job job[2 * MANY];
	struct plx_channel_info info;

	tally->count = LONG_LOOP(n);
	for (uint32_t i = 0; i < receivers; i++) {
		job[MANY + i] = (struct job){ &m, tally, i };
		part_start(&rx[i], process, receive_all, &job[MANY + i]);
	}
	for (uint32_t i = 0; i < senders; i++) {
		job[i] = (struct job){ &m, tally, i };
		part_start(&tx[i], process, send_all, &job[i]);
	}
	for (uint32_t i = 0; i < senders; i++)
		assert_int_equal(part_end(&tx[i]), 0);
	plx_channel_close(m.at);
	for (uint32_t i = 0; i < receivers; i++)
		assert_int_equal(part_end(&rx[i]), 0);
	for (uint32_t i = 0; i < senders; i++)
		for (uint64_t k = 0; k < tally->count; k++)
			assert_int_equal(tally->times[i][k], 1);
	assert_false(tally->disorder);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.sent, senders * tally->count);
	assert_int_equal(info.stats.received, senders * tally->count);
	munmap(tally, sizeof(*tally));
	drop(&m);
}

static void threads_lose_nothing_and_double_nothing(void **state)
{
	(void)state;
	crowd(false, 1, 1, 200000);
	crowd(false, 2, 2, 100000);
	crowd(false, MANY, MANY, 50000);
	crowd(false, 1, MANY, 50000);
	crowd(false, MANY, 1, 50000);
}

static void processes_lose_nothing_and_double_nothing(void **state)
{
	(void)state;
	crowd(true, 1, 1, 200000);
	crowd(true, 2, 2, 100000);
	crowd(true, MANY, MANY, 50000);
	crowd(true, 1, MANY, 50000);
	crowd(true, MANY, 1, 50000);
}

static void sit_down(struct part *part, struct job *job, int (*run)(void *))
{
	part_start(part, true, run, job);
}

/* Random ones are killed and replaced: what was accepted comes, and what came twice was in the hands of one that died. */
static void random_deaths_lose_nothing_and_hold_up_nobody(void **state)
{
	struct made m = make(shape);
	struct tally *tally = tally_open();
	struct part part[2 * MANY];
	struct job job[2 * MANY];
	unsigned int seed = 7;
	uint64_t again = 0;
	struct plx_channel_info info;
	const int rounds = LONG_LOOP(300);

	(void)state;
	tally->count = 1 << 20;
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		job[i] = (struct job){ &m, tally, i % MANY };
		sit_down(&part[i], &job[i], i < MANY ? send_all : receive_all);
	}
	for (int round = 0; round < rounds; round++) {
		uint32_t victim = (uint32_t)rand_r(&seed) % (2 * MANY);
		uint64_t before, waited = 0;
		int end;

		usleep((useconds_t)rand_r(&seed) % 2000);
		kill(part[victim].pid, SIGKILL);
		end = part_end(&part[victim]);
		assert_true(end == -SIGKILL || (end == 0 && victim < MANY)); /* or it had sent all */
		(void)plx_channel_bury(m.at, part[victim].pid);
		check(&m);
		if (victim >= MANY)
			memset(tally->next[victim - MANY], 0, sizeof(tally->next[0]));
		sit_down(&part[victim], &job[victim], victim < MANY ? send_all : receive_all);
		before = __atomic_load_n(&tally->received, __ATOMIC_RELAXED);
		while (__atomic_load_n(&tally->received, __ATOMIC_RELAXED) < before + 200 && waited < 20000) {
			bool done = true;

			for (uint32_t i = 0; i < MANY; i++)
				done = done && tally->accepted[i] >= tally->count;
			if (done)
				break;
			sleep_ms(1);
			waited++;
		}
		assert_true(waited < 20000); /* they go on */
	}
	for (uint32_t i = 0; i < MANY; i++) {
		kill(part[i].pid, SIGKILL);
		(void)part_end(&part[i]);
	}
	plx_channel_close(m.at);
	(void)plx_channel_bury(m.at, 0);
	for (uint32_t i = MANY; i < 2 * MANY; i++)
		assert_int_equal(part_end(&part[i]), 0);
	for (uint32_t i = 0; i < MANY; i++)
		for (uint64_t k = 0; k < tally->accepted[i]; k++) {
			uint64_t times = tally->times[i][k];

			if (times == 0) { /* the one left out by a successor */
				assert_true(k > 0 && again < (uint64_t)-1);
				assert_true(tally->times[i][k - 1] > 0);
			}
			again += times > 1;
		}
	assert_true(again <= (uint64_t)rounds);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_true(info.stats.buried > (uint64_t)rounds / 4);
	munmap(tally, sizeof(*tally));
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_received_once_in_every_size),
		cmocka_unit_test(who_is_in_the_middle_of_sending_holds_up_nobody),
		cmocka_unit_test(a_closed_channel_is_drained_and_then_ends),
		cmocka_unit_test(what_the_dead_held_is_skipped_or_comes_back),
		cmocka_unit_test(threads_lose_nothing_and_double_nothing),
		cmocka_unit_test(processes_lose_nothing_and_double_nothing),
		cmocka_unit_test(random_deaths_lose_nothing_and_hold_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

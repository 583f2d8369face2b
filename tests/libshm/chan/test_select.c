/* test_select.c - whichever of several channels has something, of whatever kind, is found, awake or asleep. */
#include <plx/process.h>
#include <plx/select.h>

#include <errno.h>
#include <string.h>

#include "chan/wait.h"
#include "tests/libshm/chan/both.h"

#define KINDS 5

static struct made made[KINDS];
static const uint32_t kinds[KINDS] = { PLX_CHANNEL_SPSC, PLX_CHANNEL_MPSC, PLX_CHANNEL_MPMC, PLX_CHANNEL_RING,
				       PLX_CHANNEL_PRIORITY };

static struct {
	struct plx_spsc_receiver spsc;
	struct plx_mpsc_receiver mpsc;
	struct plx_mpmc_receiver mpmc;
	struct plx_ring_receiver ring;
	struct plx_post_receiver post;
	struct plx_choice choice[KINDS];
} rx;

static void open_all(void)
{
	for (int i = 0; i < KINDS; i++)
		made[i] = make((struct plx_channel_shape){ .kind = kinds[i], .size = 8, .count = 16 });
	assert_int_equal(plx_spsc_receiver_open(&rx.spsc, made[0].at, made[0].room), 0);
	assert_int_equal(plx_mpsc_receiver_open(&rx.mpsc, made[1].at, made[1].room), 0);
	assert_int_equal(plx_mpmc_receiver_open(&rx.mpmc, made[2].at, made[2].room), 0);
	assert_int_equal(plx_ring_receiver_open(&rx.ring, made[3].at, made[3].room), 0);
	assert_int_equal(plx_post_receiver_open(&rx.post, made[4].at, made[4].room), 0);
	rx.choice[0] = plx_spsc_choice(&rx.spsc);
	rx.choice[1] = plx_mpsc_choice(&rx.mpsc);
	rx.choice[2] = plx_mpmc_choice(&rx.mpmc);
	rx.choice[3] = plx_ring_choice(&rx.ring);
	rx.choice[4] = plx_post_choice(&rx.post);
}

static void close_all(void)
{
	plx_spsc_receiver_leave(&rx.spsc);
	plx_mpsc_receiver_leave(&rx.mpsc);
	plx_mpmc_receiver_leave(&rx.mpmc);
	plx_ring_receiver_leave(&rx.ring);
	plx_post_receiver_leave(&rx.post);
	for (int i = 0; i < KINDS; i++)
		drop(&made[i]);
}

static bool take(int which, uint64_t *value)
{
	struct plx_envelope envelope;

	switch (which) {
	case 0: return plx_spsc_try_recv(&rx.spsc, value);
	case 1: return plx_mpsc_try_recv(&rx.mpsc, value);
	case 2: return plx_mpmc_try_recv(&rx.mpmc, value);
	case 3: return plx_ring_try_recv(&rx.ring, value);
	default: return plx_post_try_recv(&rx.post, &envelope, value);
	}
}

struct job {
	uint64_t count;
	uint32_t pauses;
};

static int send_all(void *arg)
{
	struct job *job = arg;
	struct plx_spsc_sender spsc, lane;
	struct plx_mpmc_sender mpmc;
	struct plx_ring_sender ring;
	struct plx_post_sender post;

	CHECK(plx_spsc_sender_open(&spsc, made[0].at, made[0].room, 0) == 0);
	CHECK(plx_mpsc_sender_open(&lane, made[1].at, made[1].room, 0) == 0);
	CHECK(plx_mpmc_sender_open(&mpmc, made[2].at, made[2].room, 0) == 0);
	CHECK(plx_ring_sender_open(&ring, made[3].at, made[3].room, 0) == 0);
	CHECK(plx_post_sender_open(&post, made[4].at, made[4].room, 0) == 0);
	for (uint64_t i = 0; i < job->count; i++) {
		int ret;

		if (job->pauses && i % 16 == 0)
			usleep(job->pauses);
		switch (i * 7 % KINDS) {
		case 0: ret = plx_spsc_send(&spsc, &i, SECONDS(20)); break;
		case 1: ret = plx_spsc_send(&lane, &i, SECONDS(20)); break;
		case 2: ret = plx_mpmc_send(&mpmc, &i, SECONDS(20)); break;
		case 3: ret = plx_ring_send(&ring, &i, SECONDS(20)); break;
		default: ret = plx_priority_send(&post, 2, 0, 0, &i, 8, SECONDS(20)); break;
		}
		CHECK(ret == 0);
	}
	plx_spsc_sender_close(&spsc);
	plx_mpsc_sender_leave(&lane);
	plx_channel_close(made[1].at);
	plx_mpmc_sender_leave(&mpmc);
	plx_channel_close(made[2].at);
	plx_ring_sender_close(&ring);
	plx_post_sender_leave(&post);
	plx_channel_close(made[4].at);
	return 0;
}

static void select_all(bool process, uint64_t n, uint32_t pauses)
{
	struct job job = { .count = LONG_LOOP(n), .pauses = pauses };
	uint64_t got = 0, last[KINDS] = { 0 };
	uint32_t begin = 0, left = KINDS;
	struct part sender;
	int which[KINDS] = { 0, 1, 2, 3, 4 };

	open_all();
	part_start(&sender, process, send_all, &job);
	while (left > 0) {
		int k = plx_select(rx.choice, left, begin, SECONDS(20));
		uint64_t value, some = 0;

		assert_true(k >= 0);
		while (take(which[k], &value)) {
			assert_true(value >= last[which[k]]);
			last[which[k]] = value;
			got++;
			some++;
		}
		begin = (uint32_t)k + 1;
		if (some == 0) { /* it has ended */
			int ended = rx.choice[k].ended(rx.choice[k].of);

			assert_true(ended == -ESHUTDOWN ||
				    ended == 0); /* 0: another one was faster, of which there is none */
			assert_int_equal(ended, -ESHUTDOWN);
			left--;
			which[k] = which[left];
			rx.choice[k] = rx.choice[left];
		}
	}
	assert_int_equal(got, job.count);
	assert_int_equal(part_end(&sender), 0);
	close_all();
}

static void of_threads(void **state)
{
	(void)state;
	select_all(false, 100000, 0);
	select_all(false, 5000, 100);
}

static void of_processes(void **state)
{
	(void)state;
	select_all(true, 100000, 0);
	select_all(true, 5000, 100);
}

static void the_first_with_something_is_told_and_turns_are_taken(void **state)
{
	struct plx_spsc_sender spsc;
	struct plx_ring_sender ring;
	uint64_t value = 1;

	(void)state;
	open_all();
	assert_int_equal(plx_spsc_sender_open(&spsc, made[0].at, made[0].room, 0), 0);
	assert_int_equal(plx_ring_sender_open(&ring, made[3].at, made[3].room, 0), 0);
	assert_int_equal(plx_select(rx.choice, 0, 0, 0), -EINVAL);
	assert_int_equal(plx_select(rx.choice, PLX_CHOICES_MAX + 1, 0, 0), -EINVAL);
	assert_int_equal(plx_select(rx.choice, KINDS, 0, 0), -EAGAIN);
	assert_int_equal(plx_select(rx.choice, KINDS, 0, 5000000), -ETIMEDOUT);
	assert_true(plx_ring_try_send(&ring, &value));
	assert_int_equal(plx_select(rx.choice, KINDS, 0, 0), 3);
	assert_true(plx_spsc_try_send(&spsc, &value));
	assert_int_equal(plx_select(rx.choice, KINDS, 0, FOREVER), 0);
	assert_int_equal(plx_select(rx.choice, KINDS, 1, FOREVER), 3);
	assert_int_equal(plx_select(rx.choice, KINDS, 4, FOREVER), 0);
	assert_true(take(0, &value) && take(3, &value));
	plx_spsc_sender_leave(&spsc);
	plx_ring_sender_leave(&ring);
	close_all();
}

/* Between the look and the question whether all has ended, the last one comes, and the end. */
static struct last_moment {
	uint32_t looks;
} last_moment;

static bool comes_late(void *of)
{
	return ((struct last_moment *)of)->looks++ > 0;
}

static int has_ended(void *of)
{
	(void)of;
	return -ESHUTDOWN;
}

static void what_comes_just_before_the_end_is_not_left_behind(void **state)
{
	static const uint64_t timeouts[] = { 0, 1, UINT64_MAX };
	struct plx_chan_question q = { .ready = comes_late, .ended = has_ended, .of = &last_moment };
	struct made m = make((struct plx_channel_shape){ .kind = PLX_CHANNEL_SPSC, .size = 8 });

	(void)state;
	assert_int_equal(plx_spsc_receiver_open(&rx.spsc, m.at, m.room), 0);
	for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
		last_moment.looks = 0;
		assert_int_equal(plx_chan_wait(&rx.spsc.end, &q, timeouts[i]), 0);
	}
	plx_spsc_receiver_leave(&rx.spsc);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_with_something_is_told_and_turns_are_taken),
		cmocka_unit_test(of_threads),
		cmocka_unit_test(of_processes),
		cmocka_unit_test(what_comes_just_before_the_end_is_not_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_mpmc_stopped.c - somebody is stopped, not dead, with a cell of a ring in its hands.
 *
 * It may go on at any moment, so its cell is nobody else's; the others go round once, then wait. Who asks learns for whom; when
 * that one goes on, so does everybody, and nothing is lost; when it is killed, its cell is given up.
 */
#include <plx/mpmc.h>
#include <plx/process.h>

#include <errno.h>
#include <string.h>

#include "tests/libshm/chan/both.h"

#define COUNT 64u

static const struct plx_channel_shape shape = {
	.kind = PLX_CHANNEL_MPMC, .size = 8, .count = COUNT, .senders = 2, .receivers = 2
};

struct stopped {
	struct made m;
	bool sends;
};

/* Claims a cell, stops, and goes on where it was. */
static int stop_holding(void *arg)
{
	const struct stopped *s = arg;
	uint64_t position, value = 1000000;
	struct plx_mpmc_sender tx;
	struct plx_mpmc_receiver rx;

	if (s->sends) {
		void *to;

		CHECK(plx_mpmc_sender_open(&tx, s->m.at, s->m.room, 0) == 0);
		to = plx_mpmc_reserve(&tx, &position);
		CHECK(to != NULL);
		raise(SIGSTOP);
		memcpy(to, &value, 8);
		plx_mpmc_commit(&tx, position);
		plx_mpmc_sender_leave(&tx);
		return 0;
	}
	CHECK(plx_mpmc_receiver_open(&rx, s->m.at, s->m.room) == 0);
	CHECK(plx_mpmc_peek(&rx, &position) != NULL);
	raise(SIGSTOP);
	plx_mpmc_release(&rx, position);
	plx_mpmc_receiver_leave(&rx);
	return 0;
}

/* Sends and takes as long as there is room. Returns how many went through. */
static uint64_t go_round(struct plx_mpmc_sender *tx, struct plx_mpmc_receiver *rx, uint64_t *next,
			 uint64_t most)
{
	uint64_t n = 0, value;

	for (; n < most && plx_mpmc_try_send(tx, next); n++) {
		assert_true(plx_mpmc_try_recv(rx, &value));
		assert_int_equal(value, *next);
		++*next;
	}
	return n;
}

static void one(bool sends, bool kill_it)
{
	struct stopped s = { .m = make(shape), .sends = sends };
	struct plx_channel_info info;
	struct plx_mpmc_sender tx;
	struct plx_mpmc_receiver rx;
	uint64_t next = 0, value = 0;
	struct part part;
	int status;

	assert_int_equal(plx_mpmc_sender_open(&tx, s.m.at, s.m.room, 0), 0);
	assert_int_equal(plx_mpmc_receiver_open(&rx, s.m.at, s.m.room), 0);
	assert_int_equal(plx_mpmc_holder(s.m.at, s.m.room), 0);
	go_round(&tx, &rx, &next, 5);
	if (!sends) { /* what it takes */
		assert_true(plx_mpmc_try_send(&tx, &next));
		next++;
	}
	part_start(&part, true, stop_holding, &s);
	assert_int_equal(waitpid(part.pid, &status, WUNTRACED), part.pid);
	assert_true(WIFSTOPPED(status));

	/* all that was promised but its own cell goes through; then there is no room, though nothing is there */
	assert_in_range(go_round(&tx, &rx, &next, UINT64_MAX), COUNT - 1, 4 * COUNT);
	assert_false(plx_mpmc_try_recv(&rx, &value));
	assert_int_equal(plx_mpmc_send(&tx, &next, 1000000), -ETIMEDOUT);
	assert_int_equal(plx_mpmc_holder(s.m.at, s.m.room), part.pid);
	assert_int_equal(plx_channel_bury(s.m.at, 0), 0); /* it lives */

	kill(part.pid, kill_it ? SIGKILL : SIGCONT);
	if (kill_it) {
		assert_int_equal(part_end(&part), -SIGKILL);
		assert_int_equal(plx_channel_bury(s.m.at, part.pid), 1);
	} else {
		assert_int_equal(part_end(&part), 0);
	}
	/* what the stopped one was sending comes when it goes on; what the dead one was reading comes again */
	if (sends != kill_it) {
		assert_int_equal(plx_mpmc_recv(&rx, &value, SECONDS(20)), 0);
		assert_int_equal(value, sends ? 1000000 : 5);
	}
	assert_false(plx_mpmc_try_recv(&rx, &value));
	assert_int_equal(plx_mpmc_holder(s.m.at, s.m.room), 0);
	assert_int_equal(go_round(&tx, &rx, &next, 10 * COUNT), 10 * COUNT);
	assert_int_equal(plx_channel_info(s.m.at, s.m.room, &info), 0);
	assert_int_equal(info.stats.skipped, sends && kill_it);
	plx_mpmc_sender_leave(&tx);
	plx_mpmc_receiver_leave(&rx);
	drop(&s.m);
}

static void who_is_stopped_holds_up_the_others_after_a_lap_and_they_learn_who_it_is(void **state)
{
	(void)state;
	one(true, false);
	one(false, false);
}

static void who_is_stopped_and_then_killed_holds_up_nobody(void **state)
{
	(void)state;
	one(true, true);
	one(false, true);
}

static void what_is_no_ring_of_claims_has_no_holder(void **state)
{
	struct made m = make((struct plx_channel_shape){ .kind = PLX_CHANNEL_SPSC, .size = 8 });

	(void)state;
	assert_int_equal(plx_mpmc_holder(m.at, m.room), -EPROTO);
	assert_int_equal(plx_mpmc_holder(m.at, 64), -ERANGE);
	drop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_stopped_holds_up_the_others_after_a_lap_and_they_learn_who_it_is),
		cmocka_unit_test(who_is_stopped_and_then_killed_holds_up_nobody),
		cmocka_unit_test(what_is_no_ring_of_claims_has_no_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

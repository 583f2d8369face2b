/*
 * test_spread.c - who finds another worker of the net at work on its processor goes to another one, and may go anywhere
 * afterwards.
 */
#include <sched.h>

#include <plx/process.h>

#include "reducer/net/spread.h"
#include "tests/support/support.h"

/* The system may bring us back between the move and our look at it; not each time. */
#define TRIES 2000

struct two {
	struct arena arena;
	struct worker *w;
};

static void two_open(struct two *two)
{
	assert_int_equal(arena_open(&two->arena, "spread", 2, 2, 8, 64u << 20), 0);
	two->w = worker_open(&two->arena, 0, -1);
	assert_non_null(two->w);
}

static void two_close(struct two *two)
{
	worker_close(two->w);
	arena_close(&two->arena);
}

/* The other one says that it works on our processor; do we leave? */
static bool leaves(struct two *two, bool asleep)
{
	const int here = sched_getcpu();

	two->arena.lines[1].cpu = (uint32_t)here + 1;
	two->arena.lines[1].asleep = asleep;
	two->w->moved_at = 0;
	spread_look(two->w);
	assert_int_not_equal(two->arena.lines[0].cpu, 0);
	return sched_getcpu() != here;
}

static void who_is_in_the_same_place_as_another_goes_away(void **state)
{
	cpu_set_t before, after;
	struct two two;
	bool left = false;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	if (CPU_COUNT(&before) == 1)
		skip();
	two_open(&two);
	for (int i = 0; i < TRIES && !left; i++)
		left = leaves(&two, false);
	assert_true(left);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	two_close(&two);
}

static void one_that_sleeps_is_in_nobodys_way(void **state)
{
	struct two two;

	(void)state;
	two_open(&two);
	(void)leaves(&two, true);
	assert_int_equal(two.w->moved_at, 0);
	two_close(&two);
}

static void who_may_be_in_one_place_only_stays_there(void **state)
{
	cpu_set_t before, one;
	struct two two;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	two_open(&two);
	assert_false(leaves(&two, false));
	two_close(&two);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void nobody_moves_twice_in_a_row(void **state)
{
	struct two two;
	uint64_t before, after;

	(void)state;
	two_open(&two);
	do { /* again, if the system kept us away for so long that it may */
		before = two.w->moved_at = plx_now_ns();
		two.arena.lines[1].cpu = (uint32_t)sched_getcpu() + 1;
		spread_look(two.w);
		after = plx_now_ns();
	} while (after - before >= SPREAD_PAUSE_NS);
	assert_int_equal(two.w->moved_at, before);
	two_close(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_in_the_same_place_as_another_goes_away),
		cmocka_unit_test(one_that_sleeps_is_in_nobodys_way),
		cmocka_unit_test(who_may_be_in_one_place_only_stays_there),
		cmocka_unit_test(nobody_moves_twice_in_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_size.c - arithmetic that says when it overflowed, and copies that read each word once. */
#include "base/atomic.h"
#include "base/size.h"

#include "tests/support/support.h"

static void sums_and_products_say_when_they_do_not_fit(void **state)
{
	uint64_t x;

	(void)state;
	assert_true(plx_size_add(UINT64_MAX - 1, 1, &x) && x == UINT64_MAX);
	assert_false(plx_size_add(UINT64_MAX, 1, &x));
	assert_true(plx_size_mul(1ull << 31, 1ull << 32, &x) && x == 1ull << 63);
	assert_false(plx_size_mul(1ull << 32, 1ull << 32, &x));
}

static void rounding_up_says_when_there_is_nothing_above(void **state)
{
	uint64_t x;

	(void)state;
	assert_true(plx_size_align(0, 64, &x) && x == 0);
	assert_true(plx_size_align(1, 64, &x) && x == 64);
	assert_true(plx_size_align(64, 64, &x) && x == 64);
	assert_true(plx_size_align(UINT64_MAX - 63, 64, &x) && x == UINT64_MAX - 63);
	assert_false(plx_size_align(UINT64_MAX - 62, 64, &x));
}

static void a_span_is_inside_also_when_its_end_would_overflow(void **state)
{
	(void)state;
	assert_true(plx_size_inside(0, 0, 0));
	assert_true(plx_size_inside(10, 0, 10));
	assert_true(plx_size_inside(4, 6, 10));
	assert_false(plx_size_inside(4, 7, 10));
	assert_false(plx_size_inside(11, 0, 10));
	assert_false(plx_size_inside(8, UINT64_MAX - 4, 10));
}

static void powers_of_two_are_told_from_the_rest(void **state)
{
	(void)state;
	assert_false(plx_size_power_of_two(0));
	assert_true(plx_size_power_of_two(1));
	assert_true(plx_size_power_of_two(1ull << 63));
	assert_false(plx_size_power_of_two(3));
}

static void a_copy_is_the_same_words(void **state)
{
	uint64_t from[3] = { 1, UINT64_MAX, 3 }, to[4] = { 0, 0, 0, 77 };

	(void)state;
	plx_copy_once(to, from, sizeof(from));
	assert_memory_equal(to, from, sizeof(from));
	assert_int_equal(to[3], 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_products_say_when_they_do_not_fit),
		cmocka_unit_test(rounding_up_says_when_there_is_nothing_above),
		cmocka_unit_test(a_span_is_inside_also_when_its_end_would_overflow),
		cmocka_unit_test(powers_of_two_are_told_from_the_rest),
		cmocka_unit_test(a_copy_is_the_same_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

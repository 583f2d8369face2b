/* test_memory.c - the estimate of what is left is one, and small requests do not pay for it. */
#include "base/memory.h"

#include "base/sys.h"
#include "tests/support/support.h"

static void some_memory_is_available_and_not_more_than_a_machine_has(void **state)
{
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t left = plx_memory_available();

	(void)state;
	assert_true(left > 1 << 20);
	assert_true(left == UINT64_MAX || left < 64 * all); /* swap may be large */
}

static void what_is_plainly_too_much_is_refused(void **state)
{
	(void)state;
	assert_true(plx_memory_plausible(1 << 20));
	assert_false(plx_memory_plausible(1ull << 46));
}

static void a_small_request_asks_the_kernel_nothing(void **state)
{
	(void)state;
	plx_fault_seen = 0;
	assert_true(plx_memory_plausible(1 << 20));
	assert_int_equal(plx_fault_seen, 0);
}

static void a_kernel_that_does_not_tell_is_not_taken_for_an_empty_one(void **state)
{
	(void)state;
	plx_fault_door = "open";
	for (plx_fault_at = 0;; plx_fault_at++) {
		plx_fault_seen = 0;
		assert_true(plx_memory_plausible(16 << 20));
		if (plx_fault_seen <= plx_fault_at)
			break;
	}
	plx_fault_at = -1;
	plx_fault_door = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some_memory_is_available_and_not_more_than_a_machine_has),
		cmocka_unit_test(what_is_plainly_too_much_is_refused),
		cmocka_unit_test(a_small_request_asks_the_kernel_nothing),
		cmocka_unit_test(a_kernel_that_does_not_tell_is_not_taken_for_an_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

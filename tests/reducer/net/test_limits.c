/*
 * test_limits.c - what ends a program early: each with one clear status and sentence, soon, and the same workers take the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <plx/process.h>

#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

#ifdef PLX_SAN
#define SOON_NS 20000000000u /* everything is slower, and the check after it as well */
#else
#define SOON_NS 1000000000u
#endif
#define TRIES 10 /* of which one has to be soon: others may want the processors */

/* A program that makes ever more cells, and one that never ends in a handful of them. */
#define GROWS        "@main = r & @grow ~ (1 r) @grow = ({a b} (x y)) & @grow ~ (a x) & @grow ~ (b y)"
#define FOREVER      "@main = r & @turn ~ (1 r) @turn = (n r) & @turn ~ (n r)"
#define WIDE_FOREVER "@main = (r s) & @turn ~ (1 r) & @turn ~ (2 s) @turn = (n r) & @turn ~ (n r)"

static char *run(struct net *net, const char *program, const struct net_limits *limits,
		 struct net_result *result)
{
	struct book *book = nets_book(program, strlen(program));
	char *text = nets_run(net, book, limits, result);

	free(book);
	return text;
}

/* After whatever happened the same workers still reduce. */
static void check_still_good(struct net *net)
{
	struct net_result result;
	char *program = nets_wide(10), *text = run(net, program, NULL, &result);

	assert_non_null(text);
	assert_string_equal(text, "1024");
	free(text);
	free(program);
}

static void check_fails(uint32_t workers, const char *program, const struct net_limits *limits,
			enum net_status status, const char *says)
{
	struct net_options options = nets_options(workers, 0, false);
	struct net_result result;
	struct net *net;

	options.memory_max = 64u << 20;
	assert_int_equal(net_open(&net, &options), 0);
	for (int i = 0; i < 3; i++) {
		assert_null(run(net, program, limits, &result));
		if (result.status != (uint32_t)status)
			fail_msg("%s: status %u: %s", program, result.status, result.error);
		assert_non_null(strstr(result.error, says));
		check_still_good(net);
	}
	net_close(net);
}

static void division_by_zero_is_an_error(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		check_fails(workers, "@main = a & 0 ~ $([/7] a)", NULL, NET_DIVIDED, "divided by zero");
		check_fails(workers, "@main = a & 0 ~ $([%7] a)", NULL, NET_DIVIDED, "divided by zero");
		check_fails(workers,
			    "@main = (a b) & @turn ~ (1 b) & 0 ~ $([/7] a) @turn = (n r) & @turn ~ (n r)",
			    NULL, NET_DIVIDED, "divided by zero");
	}
}

static void an_unsafe_copy_is_an_error_with_the_name(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		check_fails(workers, "@main = (a b) & @twice ~ {a b} @twice = ({x y} (x y))", NULL,
			    NET_UNSAFE, "@twice");
		check_fails(workers,
			    "@main = (a b) & @outer ~ {a b} @outer = (x y) & @twice ~ (x y) @twice = ({x y} "
			    "(x y))",
			    NULL, NET_UNSAFE, "@outer");
	}
}

static void too_many_interactions_are_an_error(void **state)
{
	const struct net_limits limits = { .gas = 1000000 };

	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		check_fails(workers, FOREVER, &limits, NET_GAS, "limit is 1000000");
		check_fails(workers, WIDE_FOREVER, &limits, NET_GAS, "limit is 1000000");
	}
}

static void enough_gas_is_no_error(void **state)
{
	struct net_options options = nets_options(2, 0, false);
	struct net_limits limits = { 0 };
	struct net_result result;
	struct net *net;
	char *program = nets_wide(12), *text;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	text = run(net, program, NULL, &result);
	free(text);
	limits.gas = result.interactions;
	text = run(net, program, &limits, &result);
	assert_non_null(text);
	free(text);
	free(program);
	net_close(net);
}

static void taking_too_long_is_an_error(void **state)
{
	const struct net_limits limits = { .time_ns = 20000000 };

	(void)state;
	for (uint32_t workers = 1; workers <= 2; workers++)
		check_fails(workers, WIDE_FOREVER, &limits, NET_TIME, "limit is 0.020 s");
}

/* How long it takes until a program has no more room. */
static uint64_t time_to_fill(struct net *net)
{
	uint64_t begin = plx_now_ns(), ns;
	struct net_result result;

	assert_null(run(net, GROWS, NULL, &result));
	ns = plx_now_ns() - begin;
	assert_int_equal(result.status, NET_MEMORY);
	assert_non_null(strstr(result.error, "out of memory"));
	return ns;
}

static void an_arena_too_small_is_an_error_within_a_second(void **state)
{
	struct net_options options = nets_options(1, 0, false);

	(void)state;
	for (options.workers = 1; options.workers <= 3; options.workers++)
		for (options.memory_max = 2u << 20; options.memory_max <= 128u << 20;
		     options.memory_max *= 4) {
			struct net *net;
			int tries = 1;

			assert_int_equal(net_open(&net, &options), 0);
			while (time_to_fill(net) >= SOON_NS)
				assert_true(++tries <= TRIES);
			check_still_good(net);
			net_close(net);
		}
}

static void a_book_larger_than_the_arena_is_refused(void **state)
{
	struct net_options options = nets_options(1, 0, false);
	char *program = malloc(3000000), *c = program;
	struct book *book;
	struct net *net;

	(void)state;
	options.memory_max = 2u << 20;
	c += sprintf(c, "@main = ");
	for (int i = 0; i < 200000; i++)
		c += sprintf(c, "(1 ");
	c += sprintf(c, "2");
	for (int i = 0; i < 200000; i++)
		*c++ = ')';
	book = nets_book(program, (size_t)(c - program));
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), -ENOMEM);
	check_still_good(net);
	net_close(net);
	free(book);
	free(program);
}

static void a_large_definition_is_expanded(void **state)
{
	struct net_options options = nets_options(2, 0, false);
	struct net_result result;
	char *program = malloc(3000000), *c = program, *text;
	struct net *net;

	(void)state;
	c += sprintf(c, "@main = r & @large ~ (0 r)\n@large = (x ");
	for (int i = 0; i < 20000; i++)
		c += sprintf(c, "(a%d ", i);
	c += sprintf(c, "x");
	for (int i = 0; i < 20000; i++)
		*c++ = ')';
	c += sprintf(c, ")");
	for (int i = 0; i < 20000; i++)
		c += sprintf(c, "& %d ~ $([+1] a%d)", i, i);
	assert_int_equal(net_open(&net, &options), 0);
	text = run(net, program, NULL, &result);
	assert_non_null(text);
	assert_int_equal(strncmp(text, "(1 (2 (3 (4 (5 ", 15), 0);
	assert_int_equal(result.interactions, 1 + 2 + 20000);
	free(text);
	free(program);
	net_close(net);
}

static void a_cancelled_program_stops(void **state)
{
	struct net_options options = nets_options(2, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net_progress progress;
	struct net_result result;
	struct net *net;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(net_start(net, book, NULL), 0);
		assert_int_equal(net_start(net, book, NULL), -EBUSY);
		assert_int_equal(net_wait(net, i * 100000, &result), -ETIMEDOUT);
		net_progress(net, &progress);
		assert_true(progress.running);
		net_cancel(net);
		assert_int_equal(net_wait(net, 10000000000u, &result), 0);
		assert_int_equal(result.status, NET_CANCELLED);
		net_progress(net, &progress);
		assert_false(progress.running);
	}
	check_still_good(net);
	net_close(net);
	free(book);
}

static void options_out_of_range_are_refused(void **state)
{
	struct net *net;
	struct net_options many = nets_options(NET_WORKERS_MAX + 1, 0, false);
	struct net_options ring = nets_options(1, 4, false), odd = nets_options(1, 24, false);
	struct net_options tick = nets_options(1, 0, false), small = nets_options(1, 0, false);

	(void)state;
	tick.tick = 257;
	small.memory_max = 1000;
	assert_int_equal(net_open(&net, &many), -EINVAL);
	assert_int_equal(net_open(&net, &ring), -EINVAL);
	assert_int_equal(net_open(&net, &odd), -EINVAL);
	assert_int_equal(net_open(&net, &tick), -EINVAL);
	assert_int_equal(net_open(&net, &small), -EINVAL);
	assert_null(net);
}

#ifndef PLX_SAN
/* Address space of 64 MB, as `ulimit -v 65536`: fewer addresses are reserved. */
static int run_in_little_space(void *arg)
{
	struct rlimit limit = { 65536 << 10, 65536 << 10 };
	struct net_options options = { .workers = 2, .name = "test" };
	struct net_result result;
	struct net *net;
	char *program = nets_wide(10);
	struct book *book = nets_book(program, strlen(program));

	(void)arg;
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	CHECK(net_run(&net, &options, book, NULL, &result) == 0);
	CHECK(result.status == NET_DONE);
	net_close(net);
	free(book);
	free(program);
	return 0;
}

static void little_address_space_is_enough(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(run_in_little_space, NULL), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(division_by_zero_is_an_error),
		cmocka_unit_test(an_unsafe_copy_is_an_error_with_the_name),
		cmocka_unit_test(too_many_interactions_are_an_error),
		cmocka_unit_test(enough_gas_is_no_error),
		cmocka_unit_test(taking_too_long_is_an_error),
		cmocka_unit_test(an_arena_too_small_is_an_error_within_a_second),
		cmocka_unit_test(a_book_larger_than_the_arena_is_refused),
		cmocka_unit_test(a_large_definition_is_expanded),
		cmocka_unit_test(a_cancelled_program_stops),
		cmocka_unit_test(options_out_of_range_are_refused),
#ifndef PLX_SAN
		cmocka_unit_test(little_address_space_is_enough),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

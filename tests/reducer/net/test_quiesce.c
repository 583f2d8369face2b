/*
 * test_quiesce.c - knowing when it is over: thousands of tiny programs one after the other, with one to four workers, as
 * processes and as threads, with work scattered over all of them and with rings that are always full.
 *
 * Too early would show as another result or as something left in a queue; too late as a hang.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <plx/process.h>

#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

struct way {
	uint32_t ring, tick;
	bool scatter, threads;
};

static void run_many(uint32_t workers, struct way way, const char *program, const char *expected,
		     uint32_t times)
{
	struct net_options options = nets_options(workers, way.ring, way.threads);
	struct book *book = nets_book(program, strlen(program));
	uint64_t interactions = 0;
	struct net *net;

	options.tick = way.tick;
	options.scatter = way.scatter;
	assert_int_equal(net_open(&net, &options), 0);
	for (uint32_t i = 0; i < times; i++) {
		struct net_result result;
		char *text = nets_run(net, book, NULL, &result);

		if (!text)
			fail_msg("%s", result.error);
		assert_string_equal(text, expected);
		free(text);
		if (interactions == 0)
			interactions = result.interactions;
		assert_int_equal(result.interactions, interactions);
	}
	net_close(net);
	free(book);
}

static void every_number_of_workers(struct way way, const char *program, const char *expected, uint32_t times)
{
	for (uint32_t workers = 1; workers <= 4; workers++)
		run_many(workers, way, program, expected, times);
}

static void thousands_of_tiny_programs_end(void **state)
{
	(void)state;
	every_number_of_workers((struct way){ 0, 0, false, false }, "@main = 7", "7", LONG_LOOP(1000));
}

static void thousands_of_tiny_programs_end_among_threads(void **state)
{
	(void)state;
	every_number_of_workers((struct way){ 0, 0, false, true }, "@main = 7", "7", LONG_LOOP(1000));
}

static void scattered_programs_end(void **state)
{
	char *wide = nets_wide(6);

	(void)state;
	every_number_of_workers((struct way){ 0, 1, true, false }, wide, "64", LONG_LOOP(300));
	every_number_of_workers((struct way){ 8, 2, true, false }, wide, "64", LONG_LOOP(300));
	free(wide);
}

static void scattered_programs_end_among_threads(void **state)
{
	char *wide = nets_wide(6);

	(void)state;
	every_number_of_workers((struct way){ 8, 2, true, true }, wide, "64", LONG_LOOP(300));
	free(wide);
}

/* More messages than any ring holds, in all directions at once. */
static void full_rings_do_not_hang(void **state)
{
	char *wide = nets_wide(14);

	(void)state;
	every_number_of_workers((struct way){ 8, 16, true, false }, wide, "16384", 4);
	every_number_of_workers((struct way){ 8, 256, true, false }, wide, "16384", 4);
	free(wide);
}

static void full_rings_do_not_hang_among_threads(void **state)
{
	char *wide = nets_wide(12);

	(void)state;
	every_number_of_workers((struct way){ 8, 16, true, true }, wide, "4096", 3);
	free(wide);
}

static void sixty_four_workers_are_not_too_many(void **state)
{
	char *wide = nets_wide(12);

	(void)state;
	run_many(NET_WORKERS_MAX, (struct way){ 0, 0, false, false }, wide, "4096", 3);
	run_many(NET_WORKERS_MAX, (struct way){ 0, 8, true, false }, wide, "4096", 2);
	free(wide);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* As threads, whose time is counted with ours. */
static void idle_workers_take_no_cpu(void **state)
{
	struct net_options options = nets_options(4, 0, true);
	struct net *net;
	uint64_t before;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	sleep_ms(50);
	before = cpu_ns();
	sleep_ms(300);
	assert_true(cpu_ns() - before < 20000000);
	net_close(net);
}

/* A program with nothing to share: the others sleep through it. */
static void a_sequential_program_wakes_nobody(void **state)
{
	struct net_options options = nets_options(3, 0, false);
	char *program = nets_loop(LONG_LOOP(1000000)), expected[32];
	struct book *book = nets_book(program, strlen(program));
	struct net_worker_stats stats;
	struct net_result result;
	struct net *net;
	char *text;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	text = nets_run(net, book, NULL, &result);
	snprintf(expected, sizeof(expected), "%u", (LONG_LOOP(1000000) + 7) & 0xffffff);
	assert_string_equal(text, expected);
	assert_int_equal(result.took_part, 1);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(net_worker(net, i, &stats), 0);
		assert_int_equal(stats.sent, 0);
		assert_int_equal(stats.given, 0);
	}
	net_close(net);
	free(text);
	free(program);
	free(book);
}

/* And one with much to share is shared. */
static void a_wide_program_is_shared(void **state)
{
	struct net_options options = nets_options(3, 0, false);
	char *program = nets_wide(LONG_LOOP(10) == 10 ? 18 : 14);
	struct book *book = nets_book(program, strlen(program));
	struct net_result result;
	uint32_t took_part = 0;
	struct net *net;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	for (int i = 0; i < 20 && took_part < 3;
	     i++) { /* on a busy machine some may not come to it at once */
		free(nets_run(net, book, NULL, &result));
		assert_int_equal(result.status, NET_DONE);
		if (result.took_part > took_part)
			took_part = result.took_part;
	}
	assert_int_equal(took_part, 3);
	net_close(net);
	free(program);
	free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_tiny_programs_end),
		cmocka_unit_test(thousands_of_tiny_programs_end_among_threads),
		cmocka_unit_test(scattered_programs_end),
		cmocka_unit_test(scattered_programs_end_among_threads),
		cmocka_unit_test(full_rings_do_not_hang),
		cmocka_unit_test(full_rings_do_not_hang_among_threads),
		cmocka_unit_test(sixty_four_workers_are_not_too_many),
		cmocka_unit_test(idle_workers_take_no_cpu),
		cmocka_unit_test(a_sequential_program_wakes_nobody),
		cmocka_unit_test(a_wide_program_is_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

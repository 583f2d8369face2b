/*
 * test_roster.c - workers that join and leave while they reduce, and are killed meanwhile: result and count are as if nothing had
 * been, and in the end there are as many as were asked for.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>

#include "reducer/net/net_state.h"
#include "reducer/net/owner.h"
#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

#define MOST         4u
#define WIDE_FOREVER "@main = (r s) & @turn ~ (1 r) & @turn ~ (2 s) @turn = (n r) & @turn ~ (n r)"

static struct net_options options_of(uint32_t workers, uint32_t ring, bool threads)
{
	struct net_options options = nets_options(workers, ring, threads);

	options.threads = threads;
	options.workers_max = MOST;
	return options;
}

static void kill_somebody(struct net *net, unsigned *seed)
{
	struct net_worker_stats stats;

	if (net_worker(net, (uint32_t)rand_r(seed) % MOST, &stats) == 0 && stats.pid > 0)
		kill(stats.pid, SIGKILL);
}

/* What is asked for while a program runs. */
struct crowd {
	struct net_options options;
	uint32_t runs;
	bool kills;
	uint64_t every_ns;
};

/* Another number of workers every so often, until the program ends. Returns how often partitions moved. */
static uint64_t run_in_crowd(struct net *net, const struct crowd *crowd, const struct book *book,
			     const char *text, uint64_t interactions, unsigned *seed)
{
	struct net_result result;
	uint64_t moves = 0;
	const char *why;
	char *is;
	int ret;

	assert_int_equal(net_start(net, book, NULL), 0);
	while ((ret = net_wait(net, 1 + (uint64_t)rand_r(seed) % crowd->every_ns, &result)) == -ETIMEDOUT) {
		if (crowd->kills && rand_r(seed) % 2 == 0)
			kill_somebody(net, seed);
		else
			assert_int_equal(net_set_workers(net, 1 + (uint32_t)rand_r(seed) % MOST), 0);
	}
	assert_int_equal(ret, 0);
	if (result.status != NET_DONE)
		fail_msg("status %u: %s", result.status, result.error);
	if (net_check(net, &why) < 0)
		fail_msg("%s", why);
	is = nets_text(net);
	assert_string_equal(is, text);
	free(is);
	assert_int_equal(result.interactions, interactions);
	for (uint32_t i = 0; i < arena_open_parts(&net->arena); i++)
		moves += net->arena.lines[i].moves - 1;
	return moves;
}

static void a_crowd_changes_nothing(struct crowd crowd, char *program)
{
	struct net_options alone = nets_options(1, 0, false);
	struct book *book = nets_book(program, strlen(program));
	struct net_result result;
	uint64_t moves = 0;
	unsigned seed = 1;
	struct net *net;
	char *text;

	assert_int_equal(net_open(&net, &alone), 0);
	text = nets_run(net, book, NULL, &result);
	assert_non_null(text);
	net_close(net);
	assert_int_equal(net_open(&net, &crowd.options), 0);
	for (uint32_t i = 0; i < crowd.runs; i++)
		moves = run_in_crowd(net, &crowd, book, text, result.interactions, &seed);
	printf("%llu moves of partitions in the last of %u programs of %llu interactions\n",
	       (unsigned long long)moves, crowd.runs, (unsigned long long)result.interactions);
	net_close(net);
	free(text);
	free(book);
	free(program);
}

static void joining_and_leaving_changes_nothing(void **state)
{
	int fds = count_open_fds(), maps = count_maps("plx:net");

	(void)state;
	for (uint32_t workers = 1; workers <= MOST; workers++)
		a_crowd_changes_nothing(
			(struct crowd){ options_of(workers, 0, false), LONG_LOOP(8), false, 1500000 },
			nets_wide(17));
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:net"), maps);
}

static void joining_and_leaving_changes_nothing_among_threads(void **state)
{
	struct crowd crowd = { options_of(2, 8, true), LONG_LOOP(8), false, 1500000 };

	(void)state;
	a_crowd_changes_nothing(crowd, nets_wide(16));
	crowd.options.scatter = true;
	crowd.options.tick = 16;
	a_crowd_changes_nothing(crowd, nets_wide(13));
}

static void kills_meanwhile_change_nothing(void **state)
{
	struct crowd crowd = { options_of(2, 0, false), LONG_LOOP(10), true, 1500000 };

	(void)state;
	a_crowd_changes_nothing(crowd, nets_wide(18));
	a_crowd_changes_nothing(crowd, nets_loop(400000));
}

static void much_mail_meanwhile_changes_nothing(void **state)
{
	struct crowd crowd = { options_of(3, 8, false), LONG_LOOP(6), true, 4000000 };

	(void)state;
	crowd.options.scatter = true;
	crowd.options.tick = 16;
	a_crowd_changes_nothing(crowd, nets_wide(14));
	crowd.options.tick = 1;
	a_crowd_changes_nothing(crowd, nets_wide(12));
}

/* Until there are so many, all at work, and nothing moves any more; or for ever. */
static void wait_for(struct net *net, uint32_t workers)
{
	struct net_result result;

	for (int tries = 0; net_workers(net) != workers || net->moving; tries++) {
		assert_int_equal(net_wait(net, 1000000, &result), -ETIMEDOUT);
		assert_true(tries < 20000);
	}
	assert_true(owner_is_settled(&net->arena, net->running));
}

static void expect_partitions(struct net *net, const uint32_t *count)
{
	for (uint32_t i = 0; i < MOST; i++)
		assert_int_equal(owner_count(&net->arena, i), count[i]);
}

static struct net *begin_endless(struct net_options options)
{
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net *net;

	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), 0);
	free(book);
	return net;
}

static void end_endless(struct net *net)
{
	struct net_result result;

	net_cancel(net);
	assert_int_equal(net_wait(net, 20000000000u, &result), 0);
	assert_int_equal(result.status, NET_CANCELLED);
	net_close(net);
}

static void who_leaves_gives_and_who_joins_gets(void **state)
{
	struct net *net = begin_endless(options_of(2, 0, false));

	(void)state;
	wait_for(net, 2);
	expect_partitions(net, (uint32_t[]){ 1, 1, 0, 0 });
	assert_int_equal(net_set_workers(net, 1), 0);
	wait_for(net, 1);
	expect_partitions(net, (uint32_t[]){ 2, 0, 0, 0 });
	assert_int_equal(net_set_workers(net, 3), 0);
	wait_for(net, 3);
	expect_partitions(net, (uint32_t[]){ 1, 1, 1, 0 });
	assert_int_equal(net_set_workers(net, 4), 0);
	wait_for(net, 4);
	assert_int_equal(net_set_workers(net, 2), 0);
	wait_for(net, 2);
	expect_partitions(net, (uint32_t[]){ 2, 2, 0, 0 });
	assert_int_equal(net_set_workers(net, 0), -EINVAL);
	assert_int_equal(net_set_workers(net, MOST + 1), -EINVAL);
	assert_int_equal(net_workers_max(net), MOST);
	end_endless(net);
}

static void a_worker_that_is_asked_to_by_a_signal_leaves_unless_it_is_the_last(void **state)
{
	struct net *net = begin_endless(options_of(2, 0, false));
	struct net_worker_stats stats;
	struct net_result result;

	(void)state;
	wait_for(net, 2);
	sleep_ms(20);
	assert_int_equal(net_worker(net, 0, &stats), 0);
	kill(stats.pid, SIGTERM);
	for (int tries = 0; net_workers(net) != 1 && tries < 20000; tries++)
		assert_int_equal(net_wait(net, 1000000, &result), -ETIMEDOUT);
	wait_for(net, 1);
	expect_partitions(net, (uint32_t[]){ 0, 2, 0, 0 });
	assert_int_equal(net_worker(net, 0, &stats), 0);
	assert_int_equal(stats.pid, 0);
	assert_int_equal(net_worker(net, 1, &stats), 0);
	kill(stats.pid, SIGTERM);
	for (int i = 0; i < 50; i++)
		assert_int_equal(net_wait(net, 1000000, &result), -ETIMEDOUT);
	assert_int_equal(net_workers(net), 1);
	net_cancel(net);
	assert_int_equal(net_wait(net, 20000000000u, &result), 0);
	assert_int_equal(result.deaths, 0);
	net_close(net);
}

static void who_joins_gets_work(void **state)
{
	char *program = nets_wide(21);
	struct book *book = nets_book(program, strlen(program));
	struct net_options options = options_of(1, 0, false);
	struct net_result result;
	struct net *net;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(net_open(&net, &options), 0);
		assert_int_equal(net_start(net, book, NULL), 0);
		assert_int_equal(net_set_workers(net, 3), 0);
		assert_int_equal(net_wait(net, 60000000000u, &result), 0);
		assert_int_equal(result.status, NET_DONE);
		net_close(net);
		if (result.took_part == 3)
			break;
	}
	assert_int_equal(result.took_part, 3);
	free(book);
	free(program);
}

static void between_programs_they_join_and_leave_too(void **state)
{
	char *program = nets_wide(8);
	struct book *book = nets_book(program, strlen(program));
	struct net_options options = options_of(2, 0, false);
	struct net_result result;
	struct net *net;
	unsigned seed = 7;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	for (uint32_t i = 0; i < LONG_LOOP(60); i++) {
		char *text = nets_run(net, book, NULL, &result);

		if (!text)
			fail_msg("%s", result.error);
		assert_string_equal(text, "256");
		free(text);
		assert_int_equal(net_set_workers(net, 1 + (uint32_t)rand_r(&seed) % MOST), 0);
	}
	net_close(net);
	free(book);
	free(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_leaves_gives_and_who_joins_gets),
		cmocka_unit_test(a_worker_that_is_asked_to_by_a_signal_leaves_unless_it_is_the_last),
		cmocka_unit_test(who_joins_gets_work),
		cmocka_unit_test(between_programs_they_join_and_leave_too),
		cmocka_unit_test(joining_and_leaving_changes_nothing),
		cmocka_unit_test(joining_and_leaving_changes_nothing_among_threads),
		cmocka_unit_test(kills_meanwhile_change_nothing),
		cmocka_unit_test(much_mail_meanwhile_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

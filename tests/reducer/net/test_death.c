/*
 * test_death.c - workers that are killed while they reduce: result and count are as if nothing had been. And what else may
 * die: workers between programs, workers that always die of the same redex, the supervisor.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <plx/process.h>

#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

#define WIDE_FOREVER "@main = (r s) & @turn ~ (1 r) & @turn ~ (2 s) @turn = (n r) & @turn ~ (n r)"

static int32_t pid_of(struct net *net, uint32_t worker)
{
	struct net_worker_stats stats;

	assert_int_equal(net_worker(net, worker, &stats), 0);
	return stats.pid;
}

static bool is_alive(int32_t pid)
{
	return kill(pid, 0) == 0;
}

static void check_good(struct net *net)
{
	char *program = nets_wide(10), *text;
	struct book *book = nets_book(program, strlen(program));
	struct net_result result;

	text = nets_run(net, book, NULL, &result);
	assert_non_null(text);
	assert_string_equal(text, "1024");
	free(text);
	free(book);
	free(program);
}

/*
 * Between two kills a worker must come as far as its first commit, else what it has at hand is taken for what kills it.
 * Under a sanitizer a child's first touch of everything takes it some milliseconds.
 */
#ifdef PLX_SAN
#define STORM_PACE 10u
#else
#define STORM_PACE 1u
#endif

/* A program, and what must come of it, however many die. */
struct storm {
	struct book *book;
	char *text;
	uint64_t interactions;
};

static struct storm storm_of(char *program)
{
	struct net_options options = nets_options(1, 0, false);
	struct storm storm = { .book = nets_book(program, strlen(program)) };
	struct net_result result;
	struct net *net;

	assert_int_equal(net_open(&net, &options), 0);
	storm.text = nets_run(net, storm.book, NULL, &result);
	assert_non_null(storm.text);
	storm.interactions = result.interactions;
	net_close(net);
	free(program);
	return storm;
}

static void storm_over(struct storm *storm)
{
	free(storm->book);
	free(storm->text);
}

/* Kill the workers whose bits are in a random number every so often, until the program ends. Returns how many died. */
static uint32_t run_in_storm(struct net *net, const struct storm *storm, uint32_t workers, uint64_t every_ns,
			     unsigned *seed)
{
	struct net_result result;
	const char *why;
	char *text;
	int ret;

	assert_int_equal(net_start(net, storm->book, NULL), 0);
	while ((ret = net_wait(net, 1 + (uint64_t)rand_r(seed) % every_ns, &result)) == -ETIMEDOUT) {
		const uint32_t who = 1u + (uint32_t)rand_r(seed) % ((1u << workers) - 1);

		for (uint32_t k = 0; k < workers; k++)
			if (who & 1u << k)
				kill(pid_of(net, k), SIGKILL);
	}
	assert_int_equal(ret, 0);
	if (result.status != NET_DONE)
		fail_msg("status %u: %s", result.status, result.error);
	if (net_check(net, &why) < 0)
		fail_msg("%s, after %u deaths", why, result.deaths);
	text = nets_text(net);
	assert_string_equal(text, storm->text);
	free(text);
	assert_int_equal(result.interactions, storm->interactions);
	return result.deaths;
}

static void storms_change_nothing(struct net_options options, char *program, uint32_t workers,
				  uint64_t every_ns, uint32_t runs)
{
	struct storm storm = storm_of(program);
	uint32_t deaths = 0;
	unsigned seed = 1;
	struct net *net;

	options.workers = workers;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	for (uint32_t i = 0; i < runs; i++)
		deaths += run_in_storm(net, &storm, workers, STORM_PACE * every_ns, &seed);
	printf("%u workers, a tick of %u: %u deaths in %u programs of %llu interactions\n", workers,
	       options.tick, deaths, runs, (unsigned long long)storm.interactions);
	assert_true(deaths > 0 || runs < 5);
	net_close(net);
	storm_over(&storm);
}

static void killed_workers_change_neither_result_nor_count(void **state)
{
	int fds = count_open_fds(), maps = count_maps("plx:net");

	(void)state;
	for (uint32_t workers = 1; workers <= 4; workers++)
		storms_change_nothing(nets_options(workers, 0, false), nets_wide(17), workers, 3000000,
				      LONG_LOOP(10));
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:net"), maps);
}

static void killed_workers_with_much_mail_change_nothing(void **state)
{
	struct net_options options = nets_options(3, 8, false);

	(void)state;
	options.scatter = true;
	options.tick = 16;
	storms_change_nothing(options, nets_wide(13), 3, 5000000, (LONG_LOOP(10) + 1) / 2);
	options.ring = 64;
	options.tick = 1;
	storms_change_nothing(options, nets_wide(11), 2, 5000000, (LONG_LOOP(10) + 1) / 2);
}

static void a_killed_worker_of_one_changes_nothing(void **state)
{
	(void)state;
	storms_change_nothing(nets_options(1, 0, false), nets_loop(300000), 1, 2000000, LONG_LOOP(10));
}

/* From the kill to the next interaction. */
static void a_successor_is_there_soon(void **state)
{
	struct net_options options = nets_options(1, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net_result result;
	uint64_t best = UINT64_MAX;
	struct net *net;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), 0);
	for (int i = 0; i < 20; i++) {
		struct net_worker_stats stats;
		uint64_t before, begin;
		int32_t pid;

		assert_int_equal(net_wait(net, 2000000, &result), -ETIMEDOUT);
		pid = pid_of(net, 0);
		begin = plx_now_ns();
		kill(pid, SIGKILL);
		while (pid_of(net, 0) == pid)
			assert_int_equal(net_wait(net, 1000, &result), -ETIMEDOUT);
		assert_int_equal(net_worker(net, 0, &stats), 0);
		before = stats.interactions;
		do {
			assert_int_equal(net_worker(net, 0, &stats), 0);
		} while (stats.interactions == before);
		if (plx_now_ns() - begin < best)
			best = plx_now_ns() - begin;
	}
	printf("from kill to work: %.3f ms at best\n", (double)best / 1e6);
	assert_true(best < 50000000);
	net_cancel(net);
	assert_int_equal(net_wait(net, 10000000000u, &result), 0);
	assert_int_equal(result.deaths, 20);
	net_close(net);
	free(book);
}

static void a_redex_that_kills_is_named(void **state)
{
	const char *program = "@main = (r s) & @add ~ (r s) @add = (a b) & @bad ~ (a b) @bad = (x x)";

	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct net_options options = nets_options(workers, 0, false);
		struct book *book = nets_book(program, strlen(program));
		struct net_result result;
		struct net *net;

		options.threads = false;
		options.poison = "bad";
		assert_int_equal(net_open(&net, &options), 0);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(net_start(net, book, NULL), 0);
			assert_int_equal(net_wait(net, 10000000000u, &result), 0);
			assert_int_equal(result.status, NET_POISON);
			assert_non_null(strstr(result.error, "@bad ~ (a b)"));
			assert_non_null(strstr(result.error, "3 times"));
			assert_non_null(strstr(result.error, "signal 4"));
			check_good(net);
		}
		net_close(net);
		free(book);
	}
}

static void a_worker_killed_between_programs_is_replaced(void **state)
{
	struct net_options options = nets_options(2, 0, false);
	struct net *net;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	for (uint32_t i = 0; i < 6; i++) {
		char *program = nets_wide(10);
		struct book *book = nets_book(program, strlen(program));
		struct net_result result;

		check_good(net);
		kill(pid_of(net, i % 2), SIGKILL);
		sleep_ms(i * 5);
		free(nets_run(net, book, NULL, &result)); /* the kill may be noticed only now */
		assert_true(result.status == NET_DONE || result.status == NET_WORKER_DIED);
		check_good(net);
		free(book);
		free(program);
	}
	net_close(net);
}

static void all_workers_killed_at_once_go_on(void **state)
{
	struct net_options options = nets_options(4, 0, false);
	struct storm storm = storm_of(nets_wide(18));
	struct net_result result;
	struct net *net;
	char *text;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, storm.book, NULL), 0);
	for (uint32_t k = 0; k < 4; k++)
		kill(pid_of(net, k), SIGKILL);
	assert_int_equal(net_wait(net, 10000000000u, &result), 0);
	assert_int_equal(result.status, NET_DONE);
	assert_int_equal(result.interactions, storm.interactions);
	text = nets_text(net);
	assert_string_equal(text, storm.text);
	free(text);
	check_good(net);
	net_close(net);
	storm_over(&storm);
}

static void a_worker_that_is_stopped_does_not_hang_a_cancel_for_ever(void **state)
{
	struct net_options options = nets_options(2, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net_result result;
	struct net *net;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), 0);
	assert_int_equal(net_wait(net, 5000000, &result), -ETIMEDOUT);
	kill(pid_of(net, 0), SIGSTOP);
	net_cancel(net);
	assert_int_equal(net_wait(net, 50000000, &result), -ETIMEDOUT); /* the caller decides how long */
	kill(pid_of(net, 0), SIGCONT);
	assert_int_equal(net_wait(net, 10000000000u, &result), 0);
	assert_int_equal(result.status, NET_CANCELLED);
	assert_int_equal(net_start(net, book, NULL), 0);
	kill(pid_of(net, 1), SIGSTOP);
	net_close(net); /* kills what does not listen */
	free(book);
}

/* A supervisor in a child: says who its workers are, then runs for ever. */
static int supervise(int out)
{
	struct net_options options = nets_options(3, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net_result result;
	struct net *net;

	options.threads = false;
	if (net_open(&net, &options) < 0 || net_start(net, book, NULL) < 0)
		return 1;
	for (uint32_t i = 0; i < 3; i++) {
		int32_t pid = pid_of(net, i);

		if (write(out, &pid, sizeof(pid)) != sizeof(pid))
			return 1;
	}
	return net_wait(net, UINT64_MAX, &result);
}

static void workers_die_with_their_supervisor(void **state)
{
	int pipe_fd[2];
	int32_t pid[3];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0)
		_exit(supervise(pipe_fd[1]));
	assert_int_equal(read(pipe_fd[0], pid, sizeof(pid)) >= (ssize_t)sizeof(pid[0]), 1);
	sleep_ms(20);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (int i = 0; i < 200 && is_alive(pid[0]); i++)
		sleep_ms(10);
	assert_false(is_alive(pid[0]));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* Descriptors of the parent would look open to their other ends as long as a worker lives. */
static void workers_keep_no_descriptors_of_their_parent(void **state)
{
	struct net_options options = nets_options(1, 0, false);
	char path[64], target[256];
	int pipe_fd[2];
	struct net *net;
	char byte;

	(void)state;
	options.threads = false;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(net_open(&net, &options), 0);
	check_good(net);
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 0); /* the end of the file: nobody else can write */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid_of(net, 0), pipe_fd[0]);
	assert_int_equal(readlink(path, target, sizeof(target)), -1);
	net_close(net);
	close(pipe_fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_workers_change_neither_result_nor_count),
		cmocka_unit_test(killed_workers_with_much_mail_change_nothing),
		cmocka_unit_test(a_killed_worker_of_one_changes_nothing),
		cmocka_unit_test(a_successor_is_there_soon),
		cmocka_unit_test(a_redex_that_kills_is_named),
		cmocka_unit_test(a_worker_killed_between_programs_is_replaced),
		cmocka_unit_test(all_workers_killed_at_once_go_on),
		cmocka_unit_test(a_worker_that_is_stopped_does_not_hang_a_cancel_for_ever),
		cmocka_unit_test(workers_die_with_their_supervisor),
		cmocka_unit_test(workers_keep_no_descriptors_of_their_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

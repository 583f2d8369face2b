/*
 * test_death.c - workers that are killed, and a supervisor that is: one clear answer, the others stopped, nothing left.
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

static void a_killed_worker_ends_the_program_with_its_name(void **state)
{
	struct net_options options = nets_options(3, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	int fds = count_open_fds(), maps = count_maps("plx:net");
	struct net *net;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	for (uint32_t i = 0; i < 12; i++) {
		struct pollfd fd = { .fd = net_fd(net), .events = POLLIN };
		struct net_result result;
		int32_t pid[3];
		char says[100];
		uint64_t begin;

		assert_int_equal(net_start(net, book, NULL), 0);
		for (uint32_t k = 0; k < 3; k++)
			pid[k] = pid_of(net, k);
		assert_int_equal(net_wait(net, i * 1000000, &result), -ETIMEDOUT);
		assert_int_equal(poll(&fd, 1, 0), 0);
		kill(pid[i % 3], SIGKILL);
		begin = plx_now_ns();
		assert_int_equal(net_wait(net, 10000000000u, &result), 0);
		assert_true(plx_now_ns() - begin < 2000000000u);
		assert_int_equal(result.status, NET_WORKER_DIED);
		snprintf(says, sizeof(says), "worker %u (pid %d) was killed by signal 9", i % 3, pid[i % 3]);
		assert_string_equal(result.error, says);
		for (uint32_t k = 0; k < 3; k++)
			assert_false(is_alive(pid[k]));
		if (i % 2) /* fresh workers take the next one */
			check_good(net);
	}
	net_close(net);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:net"), maps);
	free(book);
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

static void all_workers_killed_at_once_is_one_answer(void **state)
{
	struct net_options options = nets_options(4, 0, false);
	struct book *book = nets_book(WIDE_FOREVER, strlen(WIDE_FOREVER));
	struct net_result result;
	struct net *net;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), 0);
	for (uint32_t k = 0; k < 4; k++)
		kill(pid_of(net, k), SIGKILL);
	assert_int_equal(net_wait(net, 10000000000u, &result), 0);
	assert_int_equal(result.status, NET_WORKER_DIED);
	check_good(net);
	net_close(net);
	free(book);
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
		cmocka_unit_test(a_killed_worker_ends_the_program_with_its_name),
		cmocka_unit_test(a_worker_killed_between_programs_is_replaced),
		cmocka_unit_test(all_workers_killed_at_once_is_one_answer),
		cmocka_unit_test(a_worker_that_is_stopped_does_not_hang_a_cancel_for_ever),
		cmocka_unit_test(workers_die_with_their_supervisor),
		cmocka_unit_test(workers_keep_no_descriptors_of_their_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

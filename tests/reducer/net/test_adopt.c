/*
 * test_adopt.c - a supervisor is killed, with all its workers, and another process, which has nothing but a descriptor of the
 * arena, goes on: result and count are as if nothing had been, and nothing is done twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

static struct net_options handed(uint32_t workers)
{
	struct net_options options = nets_options(workers, 0, false);

	options.handed = true;
	options.threads = false;
	options.plain = true; /* slow enough to be killed in the middle */
	return options;
}

/* A supervisor in a process of its own: begins with @book, or goes on with @handle. It says through @to what it has. */
static void supervise(const struct book *book, const struct net_limits *limits, struct net_handle handle,
		      int to)
{
	const struct net_options options = handed(2);
	struct net_result result;
	struct net *net;
	int ret = book ? net_open(&net, &options) : net_adopt(&net, &options, &handle);

	if (ret == 0 && book)
		ret = net_start(net, book, limits);
	handle = net_handle(net);
	if (ret < 0 || write(to, &handle, sizeof(handle)) != sizeof(handle))
		_exit(1);
	(void)!net_wait(net, UINT64_MAX, &result);
	pause();
}

/* Begins one and kills it after @ms. Return: what it had, its descriptor being ours. */
static struct net_handle begin_and_kill(const struct book *book, const struct net_limits *limits,
					struct net_handle handle, uint64_t ms)
{
	int ends[2];
	char path[64];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		supervise(book, limits, handle, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &handle, sizeof(handle)), sizeof(handle));
	close(ends[0]);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, handle.fd);
	handle.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(handle.fd >= 0);
	usleep((useconds_t)ms * 1000);
	kill(pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) { /* its workers, too: they come to us */
	}
	return handle;
}

static uint64_t interactions_of(const struct net *net)
{
	struct net_progress now;

	net_progress(net, &now);
	return now.interactions;
}

static void a_program_goes_on_where_it_was_however_often(void **state)
{
	char *program = nets_wide(19), *text;
	struct book *book = nets_book(program, strlen(program));
	const struct net_options options = handed(2);
	struct net_result result, expected;
	struct net_handle handle = { .fd = -1 };
	uint64_t before = 0;
	struct net *net;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	free(nets_run(net, book, NULL, &expected));
	net_close(net);
	handle = begin_and_kill(book, NULL, handle, 3);
	for (int i = 0; i < 5; i++) {
		struct net_handle next = begin_and_kill(NULL, NULL, handle, 3);

		close(handle.fd);
		assert_int_equal(next.id, handle.id);
		handle = next;
	}
	for (int i = 0; i < 2; i++) { /* the second time it has ended already, and its end is found */
		struct net_handle mine = handle;
		const char *why;

		mine.fd = dup(handle.fd);
		assert_int_equal(net_adopt(&net, &options, &mine), 0);
		assert_true(interactions_of(net) >= before);
		before = interactions_of(net);
		assert_int_equal(net_wait(net, UINT64_MAX, &result), 0);
		assert_int_equal(result.status, NET_DONE);
		assert_int_equal(result.interactions, expected.interactions);
		before = result.interactions;
		text = nets_text(net);
		assert_string_equal(text, "524288");
		free(text);
		assert_int_equal(net_check(net, &why), 0);
		net_close(net);
	}
	close(handle.fd);
	free(book);
	free(program);
}

static void limits_go_on(void **state)
{
	static const char forever[] = "@main = (r s) & @t ~ (1 r) & @t ~ (2 s) @t = (n r) & @t ~ (n r)";
	const struct net_limits gas = { .gas = 2000000 }, time = { .time_ns = 200000000 };
	const struct net_options options = handed(2);
	struct book *book = nets_book(forever, strlen(forever));
	struct net_handle handle = begin_and_kill(book, &gas, (struct net_handle){ .fd = -1 }, 2);
	struct net_result result;
	struct net *net;

	(void)state;
	assert_int_equal(net_adopt(&net, &options, &handle), 0);
	assert_int_equal(net_wait(net, UINT64_MAX, &result), 0);
	assert_int_equal(result.status, NET_GAS);
	assert_in_range(result.interactions, gas.gas, gas.gas + 10000);
	net_close(net);

	handle = begin_and_kill(book, &time, (struct net_handle){ .fd = -1 }, 100);
	assert_int_equal(net_adopt(&net, &options, &handle), 0);
	assert_int_equal(net_wait(net, UINT64_MAX, &result), 0);
	assert_int_equal(result.status, NET_TIME);
	assert_non_null(strstr(result.error, "0.200 s"));
	assert_true(result.time_ns >= time.time_ns);
	/* and as a net that takes programs */
	free(book);
	book = nets_book("@main = 7", 9);
	free(nets_run(net, book, NULL, &result));
	assert_int_equal(result.status, NET_DONE);
	net_close(net);
	free(book);
}

static void another_arena_or_program_is_refused_and_left_alone(void **state)
{
	struct book *book = nets_book("@main = 7", 9);
	struct net_options options = handed(2);
	struct net_handle handle = begin_and_kill(book, NULL, (struct net_handle){ .fd = -1 }, 1), wrong;
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct net *net;

	(void)state;
	wrong = handle, wrong.id++;
	assert_int_equal(net_adopt(&net, &options, &wrong), -ESTALE);
	assert_null(net);
	wrong = handle, wrong.program++;
	assert_int_equal(net_adopt(&net, &options, &wrong), -ESTALE);
	wrong = handle, wrong.fd = null;
	assert_true(net_adopt(&net, &options, &wrong) < 0);
	options.workers = options.workers_max = 3;
	assert_int_equal(net_adopt(&net, &options, &handle), -ESTALE);
	assert_int_equal(fcntl(handle.fd, F_GETFD), FD_CLOEXEC);
	close(handle.fd);
	close(null);
	/* one that is not to be handed on cannot be */
	options = handed(1);
	options.handed = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, NULL), 0);
	handle = net_handle(net);
	wrong = handle, wrong.fd = dup(handle.fd);
	net_close(net);
	assert_true(net_adopt(&net, &options, &wrong) < 0);
	close(wrong.fd);
	free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_goes_on_where_it_was_however_often),
		cmocka_unit_test(limits_go_on),
		cmocka_unit_test(another_arena_or_program_is_refused_and_left_alone),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

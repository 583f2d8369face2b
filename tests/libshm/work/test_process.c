/* test_process.c - a child's end is known exactly, and a child never outlives its parent. */
#include <plx/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "tests/support/support.h"

#define SECOND 1000000000ull

static int exit_with(void *arg)
{
	return *(int *)arg;
}

static int sleep_for_ever(void *arg)
{
	(void)arg;
	alarm(60); /* in a test even for ever has an end */
	while (pause() < 0)
		;
	return 0;
}

static int no_children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static void the_exit_code_comes_back(void **state)
{
	static const int codes[] = { 0, 1, 42, 255 };
	int fds = count_open_fds();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		struct plx_process child;
		struct plx_exit how;
		int code = codes[i];

		assert_int_equal(plx_process_spawn(&child, "worker", exit_with, &code), 0);
		assert_true(child.pid > 0 && child.pidfd >= 0);
		assert_true(fcntl(child.pidfd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(plx_process_wait(&child, &how, 20 * SECOND), 0);
		assert_int_equal(how.code, codes[i]);
		assert_int_equal(how.signal, 0);
		assert_int_equal(child.pidfd, -1);
		assert_int_equal(plx_process_wait(&child, &how, 0), -ECHILD);
	}
	assert_int_equal(count_open_fds(), fds);
	assert_true(no_children_left());
}

static void the_signal_that_ended_it_comes_back(void **state)
{
	struct plx_process child;
	struct plx_exit how;

	(void)state;
	assert_int_equal(plx_process_spawn(&child, "worker", sleep_for_ever, NULL), 0);
	assert_int_equal(plx_process_wait(&child, &how, 0), -ETIMEDOUT);
	assert_int_equal(kill(child.pid, SIGTERM), 0);
	assert_int_equal(plx_process_wait(&child, &how, 20 * SECOND), 0);
	assert_int_equal(how.code, -1);
	assert_int_equal(how.signal, SIGTERM);
}

static void waiting_ends_when_the_time_is_over(void **state)
{
	uint64_t begin = plx_now_ns();
	struct plx_process child;
	struct plx_exit how;

	(void)state;
	assert_int_equal(plx_process_spawn(&child, "worker", sleep_for_ever, NULL), 0);
	assert_int_equal(plx_process_wait(&child, &how, 30000000), -ETIMEDOUT);
	assert_true(plx_now_ns() - begin >= 30000000);
	plx_process_kill(&child);
	assert_true(no_children_left());
}

static void a_killed_child_is_gone_and_reaped_and_killing_twice_is_fine(void **state)
{
	struct plx_process child, none = PLX_PROCESS_NONE;
	int fds = count_open_fds(), zero = 0;
	struct plx_exit how;

	(void)state;
	assert_int_equal(plx_process_spawn(&child, "worker", sleep_for_ever, NULL), 0);
	plx_process_kill(&child);
	assert_int_equal(kill(child.pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	plx_process_kill(&child);
	plx_process_kill(&none);
	assert_int_equal(plx_process_wait(&none, &how, 0), -ECHILD);
	assert_int_equal(plx_process_spawn(&child, "worker", exit_with, &zero), 0);
	sleep_ms(20); /* dead already, not reaped */
	plx_process_kill(&child);
	assert_true(no_children_left());
	assert_int_equal(count_open_fds(), fds);
}

static void a_child_somebody_else_reaped_is_reported_as_such(void **state)
{
	struct plx_process child;
	struct plx_exit how;
	int zero = 0;

	(void)state;
	assert_int_equal(plx_process_spawn(&child, "worker", exit_with, &zero), 0);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	assert_int_equal(plx_process_wait(&child, &how, 20 * SECOND), -ECHILD);
	plx_process_kill(&child);
	assert_int_equal(child.pidfd, -1);
}

/* ---- what the child finds ---- */

static void on_signal(int signal)
{
	(void)signal;
	_exit(99); /* the parent's handler, in the child: never */
}

static int look_around(void *arg)
{
	struct sigaction action;
	char comm[32] = "", path[64] = "";
	sigset_t mask;
	int fd;

	(void)arg;
	CHECK(sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	for (int s = 1; s < 32; s++)
		CHECK(!sigismember(&mask, s));
	fd = open("/proc/self/comm", O_RDONLY);
	CHECK(read(fd, comm, sizeof(comm) - 1) > 0);
	CHECK(strcmp(comm, "a-name-that-is-\n") == 0);
	CHECK(readlink("/proc/self/fd/0", path, sizeof(path) - 1) > 0);
	CHECK(strcmp(path, "/dev/null") == 0);
	CHECK(plx_stop_signal() == 0);
	return 0;
}

static int inheriting_parent(void *arg)
{
	struct plx_process child;
	struct plx_exit how;
	sigset_t block, mine;

	(void)arg;
	signal(SIGUSR1, on_signal);
	signal(SIGPIPE, SIG_IGN);
	CHECK(plx_stop_install() == 0);
	raise(SIGTERM);
	CHECK(plx_stop_signal() == SIGTERM);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_SETMASK, &block, NULL);
	CHECK(plx_process_spawn(&child, "a-name-that-is-too-long", look_around, NULL) == 0);
	sigprocmask(SIG_SETMASK, NULL, &mine);
	CHECK(sigismember(&mine, SIGUSR2) && !sigismember(&mine, SIGUSR1)); /* as before */
	while (plx_process_wait(&child, &how, 20 * SECOND) == -EINTR)
		;
	return how.code;
}

static void a_child_starts_with_a_clean_slate(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(inheriting_parent, NULL), 0);
}

static int say_something(void *arg)
{
	(void)arg;
	printf("child\n");
	return 0;
}

static int talking_parent(void *arg)
{
	struct plx_process child;
	struct plx_exit how;

	CHECK(dup2(*(int *)arg, STDOUT_FILENO) == STDOUT_FILENO);
	printf("parent\n"); /* still in the buffer */
	CHECK(plx_process_spawn(&child, "worker", say_something, NULL) == 0);
	CHECK(plx_process_wait(&child, &how, 20 * SECOND) == 0);
	return how.code;
}

static void what_either_wrote_comes_out_once(void **state)
{
	char text[64] = "";
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(run_in_child(talking_parent, &pipes[1]), 0);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], text, sizeof(text) - 1), 13);
	assert_string_equal(text, "parent\nchild\n");
	close(pipes[0]);
}

/* ---- the parent dies ---- */

/* A parent that spawns, tells us who, and is killed at once. */
static int doomed_parent(void *arg)
{
	struct plx_process child;

	if (plx_process_spawn(&child, "orphan", sleep_for_ever, NULL) < 0)
		return 1;
	*(_Atomic int *)arg = child.pid;
	raise(SIGKILL);
	return 1;
}

static void a_child_dies_with_its_parent(void **state)
{
	_Atomic int *pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(pid, MAP_FAILED);
	for (int i = 0; i < 20; i++) { /* sometimes before it is set up, sometimes after */
		struct pollfd end;

		*pid = 0;
		assert_int_equal(run_in_child(doomed_parent, (void *)pid), -SIGKILL);
		assert_true(*pid > 0);
		end = (struct pollfd){ .fd = plx_sys_pidfd_open(*pid), .events = POLLIN };
		if (end.fd < 0)
			continue; /* gone already */
		assert_int_equal(poll(&end, 1, 10000), 1);
		close(end.fd);
	}
	munmap((void *)pid, 4096);
}

/* ---- doors ---- */

static void a_spawn_that_fails_leaves_no_child_and_no_descriptor(void **state)
{
	int fds = count_open_fds(), zero = 0, n;

	(void)state;
	for (n = 0;; n++) {
		struct plx_process child;
		struct plx_exit how;
		int ret;

		plx_fault_failed = NULL;
		plx_fault_seen = 0;
		plx_fault_at = n; /* the child counts on: its doors are n + 2 and so on of the same number */
		ret = plx_process_spawn(&child, "worker", exit_with, &zero);
		plx_fault_at = -1;
		if (ret < 0) {
			assert_int_equal(child.pidfd, -1);
			assert_true(no_children_left());
		} else {
			assert_int_equal(plx_process_wait(&child, &how, 20 * SECOND), 0);
			assert_true(how.code == 0 || how.code == 127); /* 127: it could not be set up */
		}
		assert_int_equal(count_open_fds(), fds);
		if (ret == 0 && how.code == 0)
			break;
	}
	assert_true(n >= 5); /* sigmask, fork, pidfd | death signal, name, stdin */
	assert_true(no_children_left());
}

/* SIGCHLD ignored: the kernel reaps by itself; the pidfd still says when, if not how. */
static int ignoring_parent(void *arg)
{
	struct plx_process child;
	struct plx_exit how;
	int ret, zero = 0;

	(void)arg;
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 50; i++) {
		ret = plx_process_spawn(&child, "worker", exit_with, &zero);
		if (ret == -ESRCH)
			continue; /* it was gone before we could watch it */
		CHECK(ret == 0);
		CHECK(plx_process_wait(&child, &how, 20 * SECOND) == -ECHILD);
		plx_process_kill(&child);
	}
	return 0;
}

static void a_program_that_ignores_sigchld_hangs_nowhere(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(ignoring_parent, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_code_comes_back),
		cmocka_unit_test(the_signal_that_ended_it_comes_back),
		cmocka_unit_test(waiting_ends_when_the_time_is_over),
		cmocka_unit_test(a_killed_child_is_gone_and_reaped_and_killing_twice_is_fine),
		cmocka_unit_test(a_child_somebody_else_reaped_is_reported_as_such),
		cmocka_unit_test(a_child_starts_with_a_clean_slate),
		cmocka_unit_test(what_either_wrote_comes_out_once),
		cmocka_unit_test(a_child_dies_with_its_parent),
		cmocka_unit_test(a_spawn_that_fails_leaves_no_child_and_no_descriptor),
		cmocka_unit_test(a_program_that_ignores_sigchld_hangs_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

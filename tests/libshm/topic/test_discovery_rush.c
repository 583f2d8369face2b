/* test_discovery_rush.c - publishers come and go while others look, fail at any door to the kernel, die at any. */
#include "tests/libshm/topic/home.h"

#include "base/sys.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

/* ---- in a hurry ------------------------------------------------------------------------------------------------ */

struct rush {
	const struct home *home;
	int failed; /* how often a publisher could not appear */
	int *stop;
};

/* Publishers that come and go; each takes the directory with it when it believes to be the last. */
static void *come_and_go(void *arg)
{
	struct rush *rush = arg;
	struct plx_listener listener;
	uint64_t i, base = (uint64_t)(uintptr_t)rush << 8;

	for (i = 1; i <= 100; i++) {
		if (plx_listener_open(&listener, &rush->home->place, base + i) < 0) {
			rush->failed++;
			continue;
		}
		plx_listener_close(&listener, &rush->home->place);
	}
	return NULL;
}

/* Subscribers that look, connect to what they see, and remove what is empty. */
static void *look_around(void *arg)
{
	struct rush *rush = arg;
	struct plx_sightings list;
	size_t i;
	int fd;

	while (!__atomic_load_n(rush->stop, __ATOMIC_RELAXED)) {
		if (plx_place_list(&rush->home->place, &list) < 0) {
			rush->failed++;
			continue;
		}
		for (i = 0; i < list.count; i++)
			if (plx_place_connect(&rush->home->place, &list.items[i], &fd) == 0)
				close(fd);
		plx_sightings_free(&list);
		plx_place_leave(&rush->home->place);
	}
	return NULL;
}

static void a_hundred_quick_publishers_and_those_who_look_do_not_disturb_each_other(void **state)
{
	struct home *home = *state;
	struct plx_listener staying;
	struct plx_sightings list;
	int stop = 0, fds = count_open_fds(), i;
	struct rush rushes[4] = {
		{ home, 0, &stop }, { home, 0, &stop }, { home, 0, &stop }, { home, 0, &stop }
	};
	pthread_t threads[4];

	for (i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i < 2 ? come_and_go : look_around, &rushes[i]), 0);
	for (i = 0; i < 20; i++) { /* one that stays a moment is there for all that time */
		assert_int_equal(plx_listener_open(&staying, &home->place, 1), 0);
		assert_int_equal(plx_place_list(&home->place, &list), 0);
		assert_true(list.count >= 1);
		plx_sightings_free(&list);
		plx_listener_close(&staying, &home->place);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 2; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++)
		assert_int_equal(rushes[i].failed, 0);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(files(home->dir), 0);
}

static int come_and_go_in_process(void *arg)
{
	struct rush rush = { arg, 0, NULL };

	come_and_go(&rush);
	return rush.failed != 0;
}

static void processes_that_come_and_go_do_not_disturb_each_other(void **state)
{
	struct home *home = *state;
	int stop = 0, status, i;
	struct rush rush = { home, 0, &stop };
	pthread_t thread;
	pid_t pids[3];

	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(come_and_go_in_process(home));
	}
	assert_int_equal(pthread_create(&thread, NULL, look_around, &rush), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(rush.failed, 0);
	assert_int_equal(files(home->dir), 0);
}

/* ---- doors that do not open ------------------------------------------------------------------------------------ */

/* Fail the first door, then the second, until @run gets through with none failing; it never leaks a descriptor. */
static void with_each_door_shut(int (*run)(struct home *), struct home *home)
{
	int at, fds = count_open_fds();

	for (at = 0;; at++) {
		plx_fault_at = at;
		plx_fault_seen = 0;
		run(home);
		plx_fault_at = -1;
		assert_int_equal(count_open_fds(), fds);
		if (plx_fault_seen <= at)
			break;
	}
	assert_true(at > 1);
	assert_int_equal(run(home), 0);
}

static int run_listener(struct home *home)
{
	struct plx_listener listener = PLX_LISTENER_NONE;
	int ret = plx_listener_open(&listener, &home->place, 77);

	plx_listener_close(&listener, &home->place);
	plx_fault_at = -1;
	/* whatever failed, nothing that a next publisher could not clean up by listing */
	assert_true(sightings(home, NULL) <= 1);
	if (files(home->dir) > 0)
		assert_int_equal(system("rm -rf \"$PLX_TEST_HOME\"/*"), 0);
	return ret;
}

static void a_listener_leaks_nothing_whichever_door_is_shut(void **state)
{
	struct home *home = *state;

	setenv("PLX_TEST_HOME", home->dir, 1);
	with_each_door_shut(run_listener, home);
	assert_int_equal(files(home->dir), 0);
}

static int run_place(struct home *home)
{
	struct plx_place place = PLX_PLACE_NONE;
	int ret = plx_place_open(&place, home->dir, "other");

	plx_place_close(&place);
	return ret;
}

static int run_look(struct home *home)
{
	struct plx_sightings list;
	struct plx_sighting seen = { .id = 0 };
	int fd = -1, ret = plx_place_list(&home->place, &list);

	if (ret < 0)
		return ret;
	if (list.count > 0)
		seen = list.items[0];
	plx_sightings_free(&list);
	ret = plx_place_connect(&home->place, &seen, &fd);
	if (ret == 0)
		close(fd);
	return plx_fault_at < 0 ? ret : 0;
}

static void looking_and_connecting_leak_nothing_whichever_door_is_shut(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;

	with_each_door_shut(run_place, home);
	assert_int_equal(plx_listener_open(&listener, &home->place, 78), 0);
	plx_fault_error = EINTR; /* not ECONNREFUSED, for which the living would be reaped */
	with_each_door_shut(run_look, home);
	plx_fault_error = 0;
	plx_listener_close(&listener, &home->place);
}

/* A publisher that dies at any door of its appearing and disappearing leaves what the next look cleans up. */
static void a_publisher_may_die_at_any_door(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	struct plx_sightings list;
	int at, status, fd;
	bool died = true;
	pid_t pid;

	for (at = 0; died; at++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			plx_fault_kill = 1;
			plx_fault_seen = 0;
			plx_fault_at = at;
			if (plx_listener_open(&listener, &home->place, 99) < 0)
				_exit(1);
			plx_listener_close(&listener, &home->place);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		died = WIFSIGNALED(status);
		assert_true(died || WEXITSTATUS(status) == 0);

		assert_int_equal(plx_place_list(&home->place, &list), 0);
		if (list.count > 0)
			assert_int_equal(plx_place_connect(&home->place, &list.items[0], &fd), -ECONNREFUSED);
		plx_sightings_free(&list);
		plx_place_leave(&home->place);
		assert_int_equal(files(home->dir), 0);
	}
	assert_true(at > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(a_hundred_quick_publishers_and_those_who_look_do_not_disturb_each_other),
		HOME_TEST(processes_that_come_and_go_do_not_disturb_each_other),
		HOME_TEST(a_listener_leaks_nothing_whichever_door_is_shut),
		HOME_TEST(looking_and_connecting_leak_nothing_whichever_door_is_shut),
		HOME_TEST(a_publisher_may_die_at_any_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

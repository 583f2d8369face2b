/* test_watch.c - a change of a topic's directory is noticed, whatever the kernel could not tell. */
#include "tests/support/support.h"

#include "base/sys.h"
#include "topic/watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

struct home {
	char *dir;
	struct plx_place place;
	struct plx_watch watch;
};

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));

	home->dir = make_directory();
	home->watch = PLX_WATCH_NONE;
	assert_int_equal(plx_place_open(&home->place, home->dir, "a/b"), 0);
	assert_int_equal(plx_watch_open(&home->watch, &home->place), 0);
	assert_false(plx_watch_blind(&home->watch));
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;

	plx_watch_close(&home->watch);
	plx_watch_close(&home->watch);
	plx_place_close(&home->place);
	drop_directory(home->dir);
	free(home);
	return 0;
}

static bool readable(const struct plx_watch *watch, int ms)
{
	struct pollfd p = { .fd = watch->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static const char *topic_dir(const struct home *home)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/a+b", home->dir);
	return path;
}

static void it_sleeps_until_a_publisher_appears(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;

	assert_false(readable(&home->watch, 0));
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 0);
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
	assert_true(readable(&home->watch, 0));
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 0);
	assert_false(readable(&home->watch, 0));
	plx_listener_close(&listener, &home->place);
}

static void it_sees_who_comes_after_the_directory_was_removed(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	int i;

	for (i = 1; i < 10; i++) {
		assert_int_equal(plx_listener_open(&listener, &home->place, (uint64_t)i), 0);
		assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
		plx_listener_close(&listener, &home->place); /* the last one removes the directory */
		assert_int_equal(access(topic_dir(home), F_OK), -1);
		assert_true(readable(&home->watch, 0));
		assert_int_equal(plx_watch_read(&home->watch, &home->place), 1); /* and it is there again */
		assert_int_equal(access(topic_dir(home), F_OK), 0);
		assert_int_equal(plx_watch_read(&home->watch, &home->place), 0);
	}
}

static void it_hears_of_the_removal_though_somebody_has_the_directory_open(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	int dir = plx_place_dir(&home->place, true); /* like a shell that went there */

	assert_true(dir >= 0);
	assert_true(plx_place_leave(&home->place));
	assert_true(readable(&home->watch, 0));
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	plx_listener_close(&listener, &home->place);
	close(dir);
}

static void it_survives_the_whole_tree_being_removed_and_renamed(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	char command[PATH_MAX], away[PATH_MAX + 8];

	snprintf(command, sizeof(command), "rm -rf '%s'", home->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	plx_listener_close(&listener, &home->place);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);

	snprintf(away, sizeof(away), "%s.away", topic_dir(home));
	assert_int_equal(rename(topic_dir(home), away), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	assert_int_equal(plx_listener_open(&listener, &home->place, 2), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	plx_listener_close(&listener, &home->place);
}

static int queue_length(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	int n = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &n), 1);
	fclose(file);
	return n;
}

static void a_queue_that_overflowed_means_look_again(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	char one[PATH_MAX + 8], two[PATH_MAX + 8];
	int i, looked = 0, reads = 0, length = queue_length();

	if (length > 100000)
		skip();
	snprintf(one, sizeof(one), "%s/one", topic_dir(home));
	snprintf(two, sizeof(two), "%s/two", topic_dir(home));
	assert_int_equal(mkdir(one, 0700), 0);
	for (i = 0; i < length + 100; i++)
		assert_int_equal(i % 2 ? rename(two, one) : rename(one, two), 0);
	assert_int_equal(rmdir(i % 2 ? two : one), 0);
	assert_true(plx_place_leave(&home->place)); /* which the queue has no room for either */
	for (; readable(&home->watch, 0); reads++)
		looked = plx_watch_read(&home->watch, &home->place);
	assert_int_equal(looked, 1); /* the overflow is what is read last */
	assert_true(reads < 100);
	assert_false(plx_watch_blind(&home->watch));
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 0);
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), 1);
	plx_listener_close(&listener, &home->place);
}

static void a_directory_that_became_somebody_elses_is_not_watched_again(void **state)
{
	struct home *home = *state;

	assert_int_equal(chmod(topic_dir(home), 0777), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place), -EACCES);
	assert_true(plx_watch_blind(&home->watch));
	assert_int_equal(plx_watch_read(&home->watch, &home->place), -EACCES);
	assert_int_equal(chmod(topic_dir(home), 0700), 0);
	assert_int_equal(plx_watch_read(&home->watch, &home->place),
			 1); /* and when it is ours again, it is */
	assert_false(plx_watch_blind(&home->watch));
}

static void without_inotify_the_owner_looks_by_the_clock(void **state)
{
	struct home *home = *state;
	struct plx_watch watch = PLX_WATCH_NONE;

	plx_fault_door = "inotify"; /* as when this user has 128 of them */
	plx_fault_seen = plx_fault_at = 0;
	assert_int_equal(plx_watch_open(&watch, &home->place), 0);
	plx_fault_at = -1;
	plx_fault_door = NULL;
	assert_int_equal(watch.fd, -1);
	assert_true(plx_watch_blind(&watch));
	assert_int_equal(plx_watch_read(&watch, &home->place), 1);
	assert_int_equal(plx_watch_read(&watch, &home->place), 1);
	plx_watch_close(&watch);

	plx_fault_door = "inotify_add";
	plx_fault_error = ENOSPC; /* too many watches */
	plx_fault_seen = plx_fault_at = 0;
	assert_int_equal(plx_watch_open(&watch, &home->place), 0);
	plx_fault_at = -1;
	plx_fault_error = 0;
	plx_fault_door = NULL;
	assert_true(plx_watch_blind(&watch));
	assert_int_equal(plx_watch_read(&watch, &home->place), 1); /* there is room again */
	assert_false(plx_watch_blind(&watch));
	plx_watch_close(&watch);
}

static void watching_leaks_nothing_whichever_door_is_shut(void **state)
{
	struct home *home = *state;
	struct plx_watch watch = PLX_WATCH_NONE;
	int at, ret = 0, fds = count_open_fds();

	for (at = 0;; at++) {
		plx_fault_seen = 0;
		plx_fault_at = at;
		ret = plx_watch_open(&watch, &home->place);
		if (ret == 0) {
			plx_place_leave(&home->place);
			ret = plx_watch_read(&watch, &home->place);
			assert_true(ret <= 1);
		}
		plx_fault_at = -1;
		plx_watch_close(&watch);
		assert_int_equal(count_open_fds(), fds);
		if (plx_fault_seen <= at)
			break;
	}
	assert_true(at > 8);
	assert_int_equal(ret, 1);
}

/* ---- the end state is always seen ------------------------------------------------------------------------------ */

struct crowd {
	struct home *home;
	uint64_t first;
};

static void *come_and_go(void *arg)
{
	struct crowd *crowd = arg;
	struct plx_listener listener;
	uint64_t i;

	for (i = 0; i < 100; i++) {
		if (plx_listener_open(&listener, &crowd->home->place, crowd->first + i) == 0)
			plx_listener_close(&listener, &crowd->home->place);
	}
	return NULL;
}

/* Waits as a subscriber does: until told, or by the clock after others removed the directory as often as it was made. */
static bool told_to_look(struct home *home, int ms)
{
	int ret;

	if (plx_watch_blind(&home->watch))
		sleep_ms(PLX_WATCH_POLL_NS / 1000000);
	else if (!readable(&home->watch, ms))
		return false;
	ret = plx_watch_read(&home->watch, &home->place);
	assert_true(ret >= 0 || ret == -EAGAIN);
	return ret != 0;
}

/* A subscriber that only looks when told to still finds the one that came last. */
static void who_only_looks_when_told_finds_the_last_one_to_come(void **state)
{
	struct home *home = *state;
	struct crowd crowds[2] = { { home, 1000 }, { home, 2000 } };
	struct plx_listener listener;
	struct plx_sightings list;
	pthread_t threads[2];
	int round, i;
	bool seen;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowds[i]), 0);
		for (i = 0; i < 50; i++)
			(void)told_to_look(home, 1);
		assert_int_equal(plx_listener_open(&listener, &home->place, 7), 0);
		seen = false;
		for (i = 0; i < 1000 && !seen; i++) {
			if (!told_to_look(home, 20))
				continue;
			assert_int_equal(plx_place_list(&home->place, &list), 0);
			while (list.count > 0)
				seen = list.items[--list.count].id == 7 || seen;
			plx_sightings_free(&list);
		}
		assert_true(seen);
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		plx_listener_close(&listener, &home->place);
	}
}

/* One that removes the directory whenever it is told to go on. */
struct remover {
	struct home *home;
	int state; /* 0 rest, 1 work, -2 let go of what is kept, 2 end; -1: rests now */
};

/* Keeps what it removes open, as a shell would that went there: nobody hears of the end of that. */
static void *remove_again_and_again(void *arg)
{
	struct remover *remover = arg;
	int state, held = 0, kept[64];

	while ((state = __atomic_load_n(&remover->state, __ATOMIC_ACQUIRE)) != 2) {
		if (state == 1 && held < (int)COUNT_OF(kept)) {
			kept[held] = plx_place_dir(&remover->home->place, false);
			held += kept[held] >= 0;
			plx_place_leave(&remover->home->place);
		} else if (state == 0) {
			__atomic_store_n(&remover->state, -1, __ATOMIC_RELEASE);
		} else if (state == -2) {
			while (held > 0)
				close(kept[--held]);
			__atomic_store_n(&remover->state, -1, __ATOMIC_RELEASE);
		}
		if (state != 1) /* at rest it leaves the processor to others */
			usleep(20);
	}
	return NULL;
}

static void tell(struct remover *remover, int state)
{
	__atomic_store_n(&remover->state, state, __ATOMIC_RELEASE);
	while (__atomic_load_n(&remover->state, __ATOMIC_ACQUIRE) != -1)
		usleep(20);
}

/* The directory may be removed at any moment of plx_watch_open(); then it must not watch what is gone. */
static void a_directory_removed_while_we_begin_to_watch_it_is_not_what_we_watch(void **state)
{
	struct home *home = *state;
	struct remover remover = { home, -1 };
	struct plx_listener listener;
	struct plx_watch watch = PLX_WATCH_NONE;
	pthread_t thread;
	int i, watched = 0;

	assert_int_equal(pthread_create(&thread, NULL, remove_again_and_again, &remover), 0);
	for (i = 0; i < LONG_LOOP(1000); i++) {
		__atomic_store_n(&remover.state, 1, __ATOMIC_RELEASE);
		assert_int_equal(plx_watch_open(&watch, &home->place), 0);
		tell(&remover, 0);
		if (watch.fd < 0) { /* a user has 128 of them, and others have them all just now */
			plx_watch_close(&watch);
			tell(&remover, -2);
			sleep_ms(5);
			continue;
		}
		watched++;
		while (readable(&watch, 0))
			assert_true(plx_watch_read(&watch, &home->place) >= 0);
		/* it was removed at every try: then nothing is watched, and who knows that looks again by the clock */
		if (plx_watch_blind(&watch))
			assert_int_equal(plx_watch_read(&watch, &home->place), 1);
		assert_false(plx_watch_blind(&watch));
		assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
		assert_int_equal(plx_watch_read(&watch, &home->place), 1);
		plx_listener_close(&listener, &home->place);
		plx_watch_close(&watch);
		tell(&remover, -2);
	}
	__atomic_store_n(&remover.state, 2, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_in_range(watched, 1, i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_sleeps_until_a_publisher_appears),
		TEST(it_sees_who_comes_after_the_directory_was_removed),
		TEST(it_hears_of_the_removal_though_somebody_has_the_directory_open),
		TEST(it_survives_the_whole_tree_being_removed_and_renamed),
		TEST(a_queue_that_overflowed_means_look_again),
		TEST(a_directory_that_became_somebody_elses_is_not_watched_again),
		TEST(without_inotify_the_owner_looks_by_the_clock),
		TEST(watching_leaks_nothing_whichever_door_is_shut),
		TEST(who_only_looks_when_told_finds_the_last_one_to_come),
		TEST(a_directory_removed_while_we_begin_to_watch_it_is_not_what_we_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_discovery.c - publishers appear, are found, die and are reaped; directories that are not ours are refused. */
#include "tests/support/support.h"

#include "base/sys.h"
#include "topic/discovery.h"
#include "topic/sighting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define TOPIC  "robot/camera"
#define NOBODY 65534

/* A base directory of our own, and the place of TOPIC in it. */
struct home {
	char *dir;
	struct plx_place place;
};

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));

	home->dir = make_directory();
	assert_int_equal(plx_place_open(&home->place, home->dir, TOPIC), 0);
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;

	plx_place_close(&home->place);
	drop_directory(home->dir);
	free(home);
	return 0;
}

/* A path below the base directory; lives until the next call. */
static const char *below(const struct home *home, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", home->dir, name);
	return path;
}

static size_t sightings(const struct home *home, struct plx_sighting *first)
{
	struct plx_sightings list;
	size_t count;

	assert_int_equal(plx_place_list(&home->place, &list), 0);
	count = list.count;
	if (count > 0 && first)
		*first = list.items[0];
	plx_sightings_free(&list);
	return count;
}

static size_t files(const char *path)
{
	char command[PATH_MAX + 64];
	FILE *out;
	size_t n = 0;

	snprintf(command, sizeof(command), "ls -A '%s' 2>/dev/null | wc -l", path);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%zu", &n), 1);
	pclose(out);
	return n;
}

static void a_publisher_appears_listening_and_leaves_nothing_behind(void **state)
{
	struct home *home = *state;
	struct plx_listener listener = PLX_LISTENER_NONE;
	struct plx_sighting seen;
	struct stat st;
	int fds = count_open_fds(), fd = -1, client = -1;

	assert_int_equal(sightings(home, NULL), 0);
	assert_int_equal(plx_listener_open(&listener, &home->place, 0xabcdef), 0);
	assert_int_equal(count_open_fds(), fds + 1);
	assert_int_equal(sightings(home, &seen), 1);
	assert_int_equal(seen.id, 0xabcdef);
	assert_int_equal(seen.pid, getpid());
	assert_int_equal(stat(below(home, "robot+camera"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(files(below(home, "robot+camera")), 1);

	assert_int_equal(plx_listener_accept(&listener, &client), -EAGAIN);
	assert_int_equal(plx_place_connect(&home->place, &seen, &fd), 0);
	assert_int_equal(plx_listener_accept(&listener, &client), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(client);

	plx_listener_close(&listener, &home->place);
	plx_listener_close(&listener, &home->place);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(files(home->dir), 0);
}

static void two_publishers_are_both_found_and_the_last_one_out_removes_the_directory(void **state)
{
	struct home *home = *state;
	struct plx_listener one = PLX_LISTENER_NONE, two = PLX_LISTENER_NONE;
	struct plx_sightings list;
	size_t i;
	int fd;

	assert_int_equal(plx_listener_open(&one, &home->place, 1), 0);
	assert_int_equal(plx_listener_open(&two, &home->place, 2), 0);
	assert_int_equal(plx_listener_open(&two, &home->place, 1), -EEXIST);
	assert_int_equal(plx_place_list(&home->place, &list), 0);
	assert_int_equal(list.count, 2);
	for (i = 0; i < list.count; i++) {
		assert_int_equal(list.items[i].id, i + 1);
		assert_int_equal(plx_place_connect(&home->place, &list.items[i], &fd), 0);
		close(fd);
	}
	plx_sightings_free(&list);
	plx_listener_close(&one, &home->place);
	assert_int_equal(sightings(home, NULL), 1);
	plx_listener_close(&two, &home->place);
	assert_int_equal(files(home->dir), 0);
}

/* A child that appears as a publisher and is killed. */
static void dead_publisher(const struct home *home, uint64_t id)
{
	struct plx_listener listener;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (plx_listener_open(&listener, &home->place, id) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_dead_publishers_socket_is_reaped_by_who_meets_it(void **state)
{
	struct home *home = *state;
	struct plx_listener living = PLX_LISTENER_NONE;
	struct plx_sightings list;
	size_t i, refused = 0, connected = 0;
	int fd;

	assert_int_equal(plx_listener_open(&living, &home->place, 7), 0);
	dead_publisher(home, 5);
	dead_publisher(home, 6);
	dead_publisher(home, 8);
	assert_int_equal(plx_place_list(&home->place, &list), 0);
	assert_int_equal(list.count, 4);
	for (i = 0; i < list.count; i++) {
		int ret = plx_place_connect(&home->place, &list.items[i], &fd);

		if (ret == 0) {
			connected++;
			close(fd);
		} else {
			assert_int_equal(ret, -ECONNREFUSED);
			refused++;
			assert_int_equal(plx_place_connect(&home->place, &list.items[i], &fd), -ENOENT);
		}
	}
	plx_sightings_free(&list);
	assert_int_equal(connected, 1);
	assert_int_equal(refused, 3);
	assert_int_equal(sightings(home, NULL), 1);
	plx_listener_close(&living, &home->place);
	assert_int_equal(files(home->dir), 0);
}

static void what_is_not_a_publishers_socket_is_left_alone(void **state)
{
	static const char *const names[] = { "17-0123456789abcdef.sock",         "README",
					     "0-0123456789abcdef.sock",          "17-0000000000000000.sock",
					     "17-0123456789ABCDEF.sock",         "17-0123456789abcdef.sock~",
					     ".17-0123456789abcdef.sock",        "-1-0123456789abcdef.sock",
					     "99999999999-0123456789abcdef.sock" };
	struct home *home = *state;
	struct plx_sighting seen;
	char path[PATH_MAX];
	size_t i;
	int fd;

	assert_int_equal(mkdir(below(home, "robot+camera"), 0700), 0);
	for (i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/robot+camera/%s", home->dir, names[i]);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(sightings(home, &seen), 1); /* the first has a name that could be one */
	assert_string_equal(seen.name, names[0]);
	assert_int_equal(plx_place_connect(&home->place, &seen, &fd), -ENOTSOCK);
	assert_int_equal(files(below(home, "robot+camera")), COUNT_OF(names));
}

static void a_socket_that_is_just_being_made_is_not_reaped(void **state)
{
	struct home *home = *state;
	char name[48], path[PATH_MAX];
	int dir, fd, status;
	pid_t pid;

	/* ours: bound, does not listen yet */
	plx_sighting_name(name, (uint32_t)getpid(), 9, true);
	dir = plx_place_dir(&home->place, true);
	fd = plx_sys_socket();
	assert_int_equal(plx_sys_bind(fd, dir, name), 0);
	assert_int_equal(sightings(home, NULL), 0);
	snprintf(path, sizeof(path), "%s/robot+camera/%s", home->dir, name);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	assert_int_equal(unlink(path), 0);

	/* of a process that is dead */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	plx_sighting_name(name, (uint32_t)pid, 9, true);
	fd = plx_sys_socket();
	assert_int_equal(plx_sys_bind(fd, dir, name), 0);
	close(fd);
	close(dir);
	snprintf(path, sizeof(path), "%s/robot+camera/%s", home->dir, name);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(sightings(home, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_full_queue_says_try_again_and_is_not_reaped(void **state)
{
	struct home *home = *state;
	struct plx_sighting seen = { .id = 3 };
	int dir, fd, clients[4], i, ret = 0;

	plx_sighting_name(seen.name, (uint32_t)getpid(), 3, false);
	dir = plx_place_dir(&home->place, true);
	fd = plx_sys_socket();
	assert_int_equal(plx_sys_bind(fd, dir, seen.name), 0);
	assert_int_equal(plx_sys_listen(fd, 1), 0);
	for (i = 0; i < 4 && ret == 0; i++)
		ret = plx_place_connect(&home->place, &seen, &clients[i]);
	assert_int_equal(ret, -EAGAIN);
	assert_int_equal(sightings(home, NULL), 1);
	for (i -= 2; i >= 0; i--)
		close(clients[i]);
	close(fd);
	close(dir);
}

/* ---- directories that are not ours ----------------------------------------------------------------------------- */

static void a_symbolic_link_is_refused(void **state)
{
	struct home *home = *state;
	struct plx_place place;
	struct plx_listener listener;
	char path[PATH_MAX];

	assert_int_equal(mkdir(below(home, "victim"), 0700), 0);
	snprintf(path, sizeof(path), "%s/link", home->dir);
	assert_int_equal(symlink("victim", path), 0);
	assert_int_equal(plx_place_open(&place, path, TOPIC), -EACCES);
	strcat(path, "//"); /* which would be followed */
	assert_int_equal(plx_place_open(&place, path, TOPIC), -EACCES);

	snprintf(path, sizeof(path), "%s/robot+camera", home->dir); /* the topic's directory */
	assert_int_equal(symlink("victim", path), 0);
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), -EACCES);
	assert_int_equal(plx_place_dir(&home->place, false), -EACCES);
	assert_int_equal(files(below(home, "victim")), 0);
}

static void a_symbolic_link_to_nowhere_or_a_file_is_refused(void **state)
{
	struct home *home = *state;
	struct plx_place place;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dangling", home->dir);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(plx_place_open(&place, path, TOPIC), -EACCES);
	assert_int_equal(access(below(home, "nowhere"), F_OK), -1); /* not made through the link */
	close(open(below(home, "file"), O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/file", home->dir);
	assert_int_equal(plx_place_open(&place, path, TOPIC), -EACCES);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
	static const mode_t modes[] = { 0720, 0702, 0770, 0777, 01777 };
	struct home *home = *state;
	struct plx_place place;
	struct plx_listener listener;
	size_t i;

	for (i = 0; i < COUNT_OF(modes); i++) {
		assert_int_equal(chmod(home->dir, modes[i]), 0);
		assert_int_equal(plx_place_open(&place, home->dir, TOPIC), -EACCES);
		assert_int_equal(plx_listener_open(&listener, &home->place, 1),
				 -EACCES); /* looked at each time */
	}
	assert_int_equal(chmod(home->dir, 0755), 0); /* reading names is harmless */
	assert_int_equal(plx_listener_open(&listener, &home->place, 1), 0);
	assert_int_equal(chmod(below(home, "robot+camera"), 0777), 0);
	assert_int_equal(plx_place_dir(&home->place, false), -EACCES);
	assert_int_equal(chmod(below(home, "robot+camera"), 0700), 0);
	plx_listener_close(&listener, &home->place);
}

static void a_directory_of_somebody_else_is_refused(void **state)
{
	struct home *home = *state;
	struct plx_place place;

	if (getuid() != 0)
		skip();
	assert_int_equal(chown(home->dir, NOBODY, NOBODY), 0);
	assert_int_equal(plx_place_open(&place, home->dir, TOPIC), -EACCES); /* root could, and must not */
	assert_int_equal(plx_place_dir(&home->place, true), -EACCES);
	assert_int_equal(chown(home->dir, 0, 0), 0);
	assert_int_equal(mkdir(below(home, "robot+camera"), 0700), 0);
	assert_int_equal(chown(below(home, "robot+camera"), NOBODY, NOBODY), 0);
	assert_int_equal(plx_place_dir(&home->place, true), -EACCES);
}

static int look_as_nobody(void *arg)
{
	struct home *home = arg;
	struct plx_place place;

	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHECK(plx_place_open(&place, home->dir, TOPIC) == -EACCES);
	CHECK(plx_place_dir(&home->place, false) == -EACCES);
	return 0;
}

static void another_user_is_refused(void **state)
{
	struct home *home = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(run_in_child(look_as_nobody, home), 0);
}

static void a_bad_topic_or_directory_is_refused(void **state)
{
	struct home *home = *state;
	struct plx_place place;
	char path[PATH_MAX + 10];

	assert_int_equal(plx_place_open(&place, home->dir, "../x"), -EINVAL);
	assert_int_equal(plx_place_open(&place, "", TOPIC), -EINVAL);
	assert_int_equal(plx_place_open(&place, below(home, "no/such/parent"), TOPIC), -ENOENT);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(plx_place_open(&place, path, TOPIC), -ENAMETOOLONG);
}

/* ---- where it is ----------------------------------------------------------------------------------------------- */

static void a_relative_directory_stays_the_same_when_we_go_elsewhere(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	struct plx_place place;
	char *before = getcwd(NULL, 0);

	assert_non_null(before);
	assert_int_equal(chdir(home->dir), 0);
	assert_int_equal(plx_place_open(&place, "here", TOPIC), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(plx_listener_open(&listener, &place, 1), 0);
	assert_int_equal(files(below(home, "here/robot+camera")), 1);
	plx_listener_close(&listener, &place);
	plx_place_close(&place);
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void a_long_runtime_directory_works(void **state)
{
	struct home *home = *state;
	struct plx_listener listener;
	struct plx_sightings list;
	struct plx_place place;
	char path[PATH_MAX], part[200], *old = getenv("XDG_RUNTIME_DIR");
	int i, fd;

	old = old ? strdup(old) : NULL;
	memset(part, 'd', sizeof(part) - 1);
	part[sizeof(part) - 1] = '\0';
	snprintf(path, sizeof(path), "%s", home->dir);
	for (i = 0; i < 10; i++) { /* 2000 bytes; a socket's address has 108 */
		strcat(path, "/");
		strcat(path, part);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	setenv("XDG_RUNTIME_DIR", path, 1);
	assert_int_equal(plx_place_open(&place, NULL, TOPIC), 0);
	strcat(path, "/parallax");
	assert_string_equal(place.base, path);
	assert_int_equal(plx_listener_open(&listener, &place, 1), 0);
	assert_int_equal(plx_place_list(&place, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(plx_place_connect(&place, &list.items[0], &fd), 0);
	close(fd);
	plx_sightings_free(&list);
	plx_listener_close(&listener, &place);
	plx_place_close(&place);
	if (old)
		setenv("XDG_RUNTIME_DIR", old, 1);
	else
		unsetenv("XDG_RUNTIME_DIR");
	free(old);
}

static void without_a_runtime_directory_it_is_in_tmp(void **state)
{
	static const char *const values[] = { NULL, "", "relative/path", "/no/such/directory" };
	char path[PATH_MAX], want[64], *old = getenv("XDG_RUNTIME_DIR");
	size_t i;
	int fd;

	(void)state;
	old = old ? strdup(old) : NULL;
	snprintf(want, sizeof(want), "/tmp/parallax-%u", geteuid());
	for (i = 0; i < COUNT_OF(values); i++) {
		if (values[i])
			setenv("XDG_RUNTIME_DIR", values[i], 1);
		else
			unsetenv("XDG_RUNTIME_DIR");
		fd = plx_place_base(path, NULL, false);
		assert_true(fd >= 0 || fd == -ENOENT);
		if (fd >= 0)
			close(fd);
		assert_string_equal(path, want);
	}
	if (old)
		setenv("XDG_RUNTIME_DIR", old, 1);
	else
		unsetenv("XDG_RUNTIME_DIR");
	free(old);
}

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_publisher_appears_listening_and_leaves_nothing_behind),
		TEST(two_publishers_are_both_found_and_the_last_one_out_removes_the_directory),
		TEST(a_dead_publishers_socket_is_reaped_by_who_meets_it),
		TEST(what_is_not_a_publishers_socket_is_left_alone),
		TEST(a_socket_that_is_just_being_made_is_not_reaped),
		TEST(a_full_queue_says_try_again_and_is_not_reaped),
		TEST(a_symbolic_link_is_refused),
		TEST(a_symbolic_link_to_nowhere_or_a_file_is_refused),
		TEST(a_directory_that_others_may_write_to_is_refused),
		TEST(a_directory_of_somebody_else_is_refused),
		TEST(another_user_is_refused),
		TEST(a_bad_topic_or_directory_is_refused),
		TEST(a_relative_directory_stays_the_same_when_we_go_elsewhere),
		TEST(a_long_runtime_directory_works),
		TEST(without_a_runtime_directory_it_is_in_tmp),
		TEST(a_hundred_quick_publishers_and_those_who_look_do_not_disturb_each_other),
		TEST(processes_that_come_and_go_do_not_disturb_each_other),
		TEST(a_listener_leaks_nothing_whichever_door_is_shut),
		TEST(looking_and_connecting_leak_nothing_whichever_door_is_shut),
		TEST(a_publisher_may_die_at_any_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

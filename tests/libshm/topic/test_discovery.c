/* test_discovery.c - publishers appear, are found, die and are reaped. */
#include "tests/libshm/topic/home.h"

#include "base/sys.h"
#include "topic/sighting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(a_publisher_appears_listening_and_leaves_nothing_behind),
		HOME_TEST(two_publishers_are_both_found_and_the_last_one_out_removes_the_directory),
		HOME_TEST(a_dead_publishers_socket_is_reaped_by_who_meets_it),
		HOME_TEST(what_is_not_a_publishers_socket_is_left_alone),
		HOME_TEST(a_socket_that_is_just_being_made_is_not_reaped),
		HOME_TEST(a_full_queue_says_try_again_and_is_not_reaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

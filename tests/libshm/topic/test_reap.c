/* test_reap.c - dead sockets are told from living ones without the living noticing, and only the dead are removed. */
#include <plx/inspect.h>
#include <plx/subscriber.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "tests/support/support.h"

struct where {
	const char *directory, *topic;
};

static void publish(void *arg)
{
	const struct where *where = arg;
	struct plx_publisher_options opt = { .directory = where->directory };
	struct plx_publisher *pub;

	if (plx_publisher_open(&pub, where->topic, &opt) != 0)
		_exit(1);
}

/* A publisher in a process of its own, alive until it is stopped. */
static pid_t publish_in_child(const char *directory, const char *topic)
{
	return child_at_work(publish, &(struct where){ directory, topic });
}

static void only_the_dead_are_reaped(void **state)
{
	char *directory = make_directory();
	struct plx_publisher_options opt = { .directory = directory };
	struct plx_publisher *pub;
	struct plx_publisher_stats stats;
	struct plx_found_sockets list;
	pid_t dead, living;

	(void)state;
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(plx_publisher_open(&pub, "a/b", &opt), 0);
	dead = publish_in_child(directory, "a/b");
	living = publish_in_child(directory, "c");
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_string_equal(list.directory, directory);
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_false(list.items[i].stale);
		assert_int_equal(list.items[i].error, 0);
		assert_true(list.items[i].id != 0);
	}
	assert_string_equal(list.items[0].topic, "a/b");
	assert_string_equal(list.items[2].topic, "c");
	assert_int_equal(list.items[2].pid, living);
	assert_int_equal(plx_inspect_reap(&list), 0);
	plx_inspect_sockets_free(&list);
	plx_inspect_sockets_free(&list);

	child_stop(dead);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(list.items[i].stale, list.items[i].pid == dead);
	assert_int_equal(plx_inspect_reap(&list), 1);
	assert_int_equal(list.folders, 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(list.items[i].removed, list.items[i].pid == dead);
	plx_inspect_sockets_free(&list);

	child_stop(living);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(plx_inspect_reap(&list), 1);
	assert_int_equal(list.folders, 1); /* nobody is left in c */
	assert_int_equal(plx_inspect_reap(&list), 0);
	plx_inspect_sockets_free(&list);

	/* nobody knocked at our publisher's door */
	sleep_ms(20);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(stats.joined, 0);
	plx_publisher_close(pub);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 0);
	plx_inspect_sockets_free(&list);
	drop_directory(directory);
}

static void what_is_no_socket_of_ours_is_left_alone(void **state)
{
	char *directory = make_directory(), path[400];
	struct plx_found_sockets list;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(chmod(directory, 0700), 0);
	snprintf(path, sizeof(path), "%s/topic", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/topic/17-00c0ffee00c0ffee.sock",
		 directory); /* a file of that name */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/topic/notes.txt", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/not a topic", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 0);
	assert_int_equal(plx_inspect_reap(&list), 0);
	assert_int_equal(list.folders, 0);
	plx_inspect_sockets_free(&list);
	assert_int_equal(stat(path, &st), 0);
	snprintf(path, sizeof(path), "%s/topic/17-00c0ffee00c0ffee.sock", directory);
	assert_int_equal(stat(path, &st), 0);
	drop_directory(directory);
}

/* A publisher that was killed between bind and listen, or between listen and rename. */
static void what_never_came_to_listen_is_reaped_when_its_process_is_gone(void **state)
{
	char *directory = make_directory(), path[400], name[64];
	struct plx_found_sockets list;
	int sock, dir;
	pid_t gone;

	(void)state;
	assert_int_equal(chmod(directory, 0700), 0);
	snprintf(path, sizeof(path), "%s/topic", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	gone = fork();
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	dir = open(path, O_RDONLY | O_DIRECTORY);

	sock = plx_sys_socket();
	snprintf(name, sizeof(name), ".%d-00c0ffee00c0ffee.new", (int)gone);
	assert_int_equal(plx_sys_bind(sock, dir, name), 0);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 1);
	assert_false(list.items[0].stale); /* whoever bound it holds it still */
	plx_inspect_sockets_free(&list);
	close(sock);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_true(list.items[0].stale);
	assert_int_equal(plx_inspect_reap(&list), 1);
	assert_int_equal(list.folders, 1);
	plx_inspect_sockets_free(&list);
	close(dir);

	assert_int_equal(mkdir(path, 0700), 0);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	sock = plx_sys_socket();
	snprintf(name, sizeof(name), ".%d-00c0ffee00c0ffee.new", (int)getpid());
	assert_int_equal(plx_sys_bind(sock, dir, name), 0);
	close(sock);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_false(list.items[0].stale); /* its process lives and may be about to bind it */
	assert_int_equal(plx_inspect_reap(&list), 0);
	plx_inspect_sockets_free(&list);
	close(dir);
	drop_directory(directory);
}

static void a_directory_that_is_not_ours_is_refused(void **state)
{
	char *directory = make_directory(), path[400];
	struct plx_found_sockets list;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", directory);
	assert_int_equal(plx_inspect_sockets(&list, path), 0); /* no such directory: nobody is there */
	assert_int_equal(list.count, 0);
	assert_int_equal(plx_inspect_reap(&list), 0);
	plx_inspect_sockets_free(&list);
	assert_int_equal(access(path, F_OK), -1); /* and it was not made */
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(plx_inspect_sockets(&list, directory), -EACCES);
	assert_null(list.items);
	assert_int_equal(chmod(directory, 0700), 0);
	drop_directory(directory);
}

static void every_door_may_be_shut(void **state)
{
	char *directory = make_directory();
	struct plx_found_sockets list;
	int fds, ret = -1;
	pid_t dead;

	(void)state;
	assert_int_equal(chmod(directory, 0700), 0);
	dead = publish_in_child(directory, "t");
	child_stop(dead);
	fds = count_open_fds();
	for (int n = 0;; n++) {
		plx_fault_at = n;
		plx_fault_seen = 0;
		ret = plx_inspect_sockets(&list, directory);
		if (ret == 0)
			ret = plx_inspect_reap(&list);
		plx_fault_at = -1;
		plx_inspect_sockets_free(&list);
		assert_int_equal(count_open_fds(), fds);
		if (plx_fault_seen <= n)
			break;
		assert_true(n < 1000);
	}
	assert_true(ret >= 0);
	assert_int_equal(plx_inspect_sockets(&list, directory), 0);
	assert_int_equal(list.count, 0); /* one of the walks removed it */
	plx_inspect_sockets_free(&list);
	drop_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_dead_are_reaped),
		cmocka_unit_test(what_is_no_socket_of_ours_is_left_alone),
		cmocka_unit_test(what_never_came_to_listen_is_reaped_when_its_process_is_gone),
		cmocka_unit_test(a_directory_that_is_not_ours_is_refused),
		cmocka_unit_test(every_door_may_be_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

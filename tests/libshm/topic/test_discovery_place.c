/* test_discovery_place.c - where publishers are found; directories that are not ours are refused. */
#include "tests/libshm/topic/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define NOBODY 65534

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(a_symbolic_link_is_refused),
		HOME_TEST(a_symbolic_link_to_nowhere_or_a_file_is_refused),
		HOME_TEST(a_directory_that_others_may_write_to_is_refused),
		HOME_TEST(a_directory_of_somebody_else_is_refused),
		HOME_TEST(another_user_is_refused),
		HOME_TEST(a_bad_topic_or_directory_is_refused),
		HOME_TEST(a_relative_directory_stays_the_same_when_we_go_elsewhere),
		HOME_TEST(a_long_runtime_directory_works),
		HOME_TEST(without_a_runtime_directory_it_is_in_tmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* home.h - a base directory of our own, and the place of one topic in it. */
#ifndef TESTS_TOPIC_HOME_H
#define TESTS_TOPIC_HOME_H

#include "tests/support/support.h"

#include "topic/discovery.h"

#include <limits.h>

#define TOPIC "robot/camera"

struct home {
	char *dir;
	struct plx_place place;
};

static inline int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));

	home->dir = make_directory();
	assert_int_equal(plx_place_open(&home->place, home->dir, TOPIC), 0);
	*state = home;
	return 0;
}

static inline int teardown(void **state)
{
	struct home *home = *state;

	plx_place_close(&home->place);
	drop_directory(home->dir);
	free(home);
	return 0;
}

/* A path below the base directory; lives until the next call. */
static inline const char *below(const struct home *home, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", home->dir, name);
	return path;
}

static inline size_t sightings(const struct home *home, struct plx_sighting *first)
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

static inline size_t files(const char *path)
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

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

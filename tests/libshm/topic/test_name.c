/* test_name.c - topic names. */
#include "topic/name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static void good_names_are_accepted_and_come_back_from_their_directory(void **state)
{
	static const char *const good[] = {
		"a",       "robot/camera", "A.b_c-9",
		"a/b/c/d", "...",          "a/...",
		".hidden", "x..",          "0123456789012345678901234567890123456789012345678901234567890123"
	};
	char dir[PLX_TOPIC_MAX + 1], back[PLX_TOPIC_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(plx_topic_check(good[i]), 0);
		plx_topic_encode(dir, good[i]);
		assert_null(strchr(dir, '/'));
		assert_int_equal(plx_topic_decode(back, dir), 0);
		assert_string_equal(back, good[i]);
	}
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/a",
		"a/",
		"a//b",
		".",
		"..",
		"a/.",
		"./a",
		"../a",
		"a/..",
		"a/../b",
		"a b",
		"a+b",
		"a\n",
		"a\x80",
		"\xc3\xa9",
		"a*",
		"a:b",
		"a\\b",
		"a,b",
		"~",
		"01234567890123456789012345678901234567890123456789012345678901234"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (plx_topic_check(bad[i]) != -EINVAL)
			fail_msg("accepted: \"%s\"", bad[i]);
}

static void a_name_without_an_end_is_read_no_further_than_it_may_be(void **state)
{
	char name[PLX_TOPIC_MAX + 1]; /* AddressSanitizer sees what lies behind */

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_int_equal(plx_topic_check(name), -EINVAL);
}

static void a_directory_that_is_no_topic_is_refused(void **state)
{
	char topic[PLX_TOPIC_MAX + 1] = "kept";

	(void)state;
	assert_int_equal(plx_topic_decode(topic, "+"), -EINVAL);
	assert_int_equal(plx_topic_decode(topic, "a++b"), -EINVAL);
	assert_int_equal(plx_topic_decode(topic, ".."), -EINVAL);
	assert_int_equal(plx_topic_decode(topic, "a/b"), -EINVAL);
	assert_int_equal(plx_topic_decode(topic, ""), -EINVAL);
	assert_int_equal(
		plx_topic_decode(topic, "01234567890123456789012345678901234567890123456789012345678901234"),
		-EINVAL);
	assert_string_equal(topic, "kept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names_are_accepted_and_come_back_from_their_directory),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(a_name_without_an_end_is_read_no_further_than_it_may_be),
		cmocka_unit_test(a_directory_that_is_no_topic_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

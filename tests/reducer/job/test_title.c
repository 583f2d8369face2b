/* test_title.c - what a program says about itself in its first lines, understood or left alone. */
#include <string.h>

#include "reducer/job/request.h"
#include "tests/support/support.h"

static struct job_request title(const char *text)
{
	struct job_request request = { .id = 7, .text = (char *)(uintptr_t)text, .length = strlen(text) };

	job_request_title(&request);
	return request;
}

static void limits_stand_below_the_number_or_alone(void **state)
{
	struct job_request r = title(
		"// job: 17 fib\n//limits: gas=1000\ttime=250ms memory=64M expand=no \r\n@main");

	(void)state;
	assert_int_equal(r.id, 17);
	assert_string_equal(r.name, "fib");
	assert_int_equal(r.limits.gas, 1000);
	assert_int_equal(r.limits.time_ns, 250000000);
	assert_int_equal(r.limits.memory, 64 << 20);
	assert_true(r.expand_said);
	assert_int_equal(r.limits.expand, NET_EXPAND_NEVER);
	assert_string_equal(r.wrong, "");
	r = title("// limits: expand=yes\n");
	assert_int_equal(r.id, 7);
	assert_int_equal(r.limits.expand, NET_EXPAND_ALWAYS);
	assert_int_equal(r.limits.gas, 0);
}

static void limits_elsewhere_are_comments(void **state)
{
	static const char *const texts[] = { "",
					     "/",
					     "//",
					     "@main = 1\n// limits: gas=1\n",
					     "// x\n// limits: gas=1\n",
					     "// job: 1\n\n// limits: gas=1",
					     "// limit: gas=1",
					     " // limits: gas=1" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct job_request r = title(texts[i]);

		assert_int_equal(r.limits.gas, 0);
		assert_string_equal(r.wrong, "");
	}
}

static void limits_that_cannot_be_understood_are_named_with_their_line(void **state)
{
	static const char *const words[] = {
		"gas",    "gas=",       "gas=0",   "gas=-1",   "gas=18446744073709551616",
		"time=0", "time=x",     "memory=", "expand=1", "speed=9",
		"=",      "gas=1 gas=x"
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct job_request r;

		snprintf(text, sizeof(text), "// job: 3\n// limits: %s\n@main = 1", words[i]);
		r = title(text);
		assert_string_not_equal(r.wrong, "");
		assert_int_equal(r.wrong_line, 2);
		snprintf(text, sizeof(text), "// limits: %s", words[i]);
		r = title(text);
		assert_int_equal(r.wrong_line, 1);
	}
	assert_non_null(strstr(title("// limits: speed=9").wrong, "speed=9"));
	assert_null(strchr(title("// limits: \x1b[31m=9").wrong, 0x1b));
	/* cut off between two characters, not within one */
	assert_string_equal(
		title("// limits: 123456789012345678901234567890123456789\xc3\xa9x").wrong,
		"'123456789012345678901234567890123456789' is no limit; they are gas=N, time=T, memory=SIZE, "
		"expand=yes or no");
}

static void a_word_without_end_is_no_limit(void **state)
{
	char text[5000] = "// limits: gas=1";

	(void)state;
	memset(text + strlen(text), '1', 4000);
	assert_string_not_equal(title(text).wrong, "");
}

static void a_zero_byte_ends_no_word(void **state)
{
	static const char text[] = "// limits: gas=1\0time=never";
	struct job_request request = { .text = (char *)(uintptr_t)text, .length = sizeof(text) - 1 };

	(void)state;
	job_request_title(&request);
	assert_string_not_equal(request.wrong, "");
}

static void a_wish_to_cancel_is_exactly_that(void **state)
{
	(void)state;
	assert_true(title("// cancel: 42\n").cancels);
	assert_int_equal(title("//cancel:42").id, 42);
	assert_false(title("// cancel: 42 now").cancels);
	assert_false(title("// cancel:").cancels);
	assert_false(title("// cancel: 99999999999999999999").cancels);
	assert_false(title("@main = 1\n// cancel: 1").cancels);
	assert_int_equal(title("// cancel: 42 now").id, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_stand_below_the_number_or_alone),
		cmocka_unit_test(limits_elsewhere_are_comments),
		cmocka_unit_test(limits_that_cannot_be_understood_are_named_with_their_line),
		cmocka_unit_test(a_word_without_end_is_no_limit),
		cmocka_unit_test(a_zero_byte_ends_no_word),
		cmocka_unit_test(a_wish_to_cancel_is_exactly_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

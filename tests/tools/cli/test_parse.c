/* test_parse.c - sizes, counts and times as users write them, and as they mistype them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/cli/cli.h"

static void a_size_has_a_unit_or_none(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{ "0", 0 },        { "64", 64 },        { "4K", 4096 },      { "4k", 4096 },
		{ "4KiB", 4096 },  { "4KB", 4096 },     { "16M", 16 << 20 }, { "16m", 16 << 20 },
		{ "1G", 1 << 30 }, { "1GiB", 1 << 30 }, { "12B", 12 },       { "1T", UINT64_C(1) << 40 },
		{ "007", 7 },      { "1Gi", 1 << 30 },
	};
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cli_size(good[i].text, 0, UINT64_MAX, &size), 0);
		assert_int_equal(size, good[i].size);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = { "",   "K",    "-1",   "+1", " 1",   "1 ",  "1 K", "1KK",
					   "1X", "0x10", "1.5K", "K1", "1KBB", "1BK", "1iB" };
	uint64_t size = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cli_size(bad[i], 0, UINT64_MAX, &size), -EINVAL);
	assert_int_equal(size, 77);
}

static void a_size_out_of_range_never_wraps(void **state)
{
	uint64_t size;

	(void)state;
	assert_int_equal(cli_size("63", 64, 1 << 20, &size), -ERANGE);
	assert_int_equal(cli_size("64", 64, 1 << 20, &size), 0);
	assert_int_equal(cli_size("1M", 64, 1 << 20, &size), 0);
	assert_int_equal(cli_size("1048577", 64, 1 << 20, &size), -ERANGE);
	assert_int_equal(cli_size("18446744073709551615", 0, UINT64_MAX, &size), 0);
	assert_int_equal(cli_size("18446744073709551616", 0, UINT64_MAX, &size), -ERANGE);
	assert_int_equal(cli_size("18446744073709551615K", 0, UINT64_MAX, &size), -ERANGE);
	assert_int_equal(cli_size("99999999999999999999999", 0, UINT64_MAX, &size), -ERANGE);
	assert_int_equal(cli_size("16777216T", 0, UINT64_MAX, &size), -ERANGE);
}

static void a_count_is_a_plain_number(void **state)
{
	uint64_t count;

	(void)state;
	assert_int_equal(cli_count("0", 0, 10, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cli_count("10", 0, 10, &count), 0);
	assert_int_equal(count, 10);
	assert_int_equal(cli_count("11", 0, 10, &count), -ERANGE);
	assert_int_equal(cli_count("0", 1, 10, &count), -ERANGE);
	assert_int_equal(cli_count("1K", 0, 10, &count), -EINVAL);
	assert_int_equal(cli_count("", 0, 10, &count), -EINVAL);
	assert_int_equal(cli_count("-1", 0, UINT64_MAX, &count), -EINVAL);
}

static void a_time_is_seconds_unless_it_says_otherwise(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "2", UINT64_C(2000000000) },
		{ "0.5", 500000000 },
		{ "1.5s", 1500000000 },
		{ "250ms", 250000000 },
		{ "1.5ms", 1500000 },
		{ "10us", 10000 },
		{ "2m", UINT64_C(120000000000) },
		{ "0.000000001", 1 },
		{ "0.12345678999", 123456789 },
	};
	static const char *const bad[] = {
		"", "s", ".5", "1.", "1.s", "-1", "1h", "1 s", "1e3", "1ss", "1..2"
	};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cli_time(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cli_time(bad[i], &ns), -EINVAL);
	assert_int_equal(cli_time("999999999999", &ns), -ERANGE);
	assert_int_equal(cli_time("999999999999999999999m", &ns), -ERANGE);
}

static void bytes_read_well(void **state)
{
	char text[CLI_HUMAN];

	(void)state;
	assert_string_equal(cli_human(0, text), "0 B");
	assert_string_equal(cli_human(1023, text), "1023 B");
	assert_string_equal(cli_human(1024, text), "1.00 KiB");
	assert_string_equal(cli_human(1536.0 * 1024, text), "1.50 MiB");
	assert_string_equal(cli_human(20.0 * (1 << 30), text), "20.0 GiB");
	assert_string_equal(cli_human(200.0 * (1 << 30), text), "200 GiB");
	assert_true(strlen(cli_human(1.8e19, text)) < CLI_HUMAN);
	assert_true(strlen(cli_human(1e300, text)) < CLI_HUMAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_has_a_unit_or_none),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(a_size_out_of_range_never_wraps),
		cmocka_unit_test(a_count_is_a_plain_number),
		cmocka_unit_test(a_time_is_seconds_unless_it_says_otherwise),
		cmocka_unit_test(bytes_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

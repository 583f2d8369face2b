/* test_request.c - from messages to programs: pieces, several publishers, titles, text fit to show. */
#include "reducer/job/request.h"

#include <errno.h>
#include <string.h>

#include "tests/support/support.h"

static struct plx_buffer message(uint64_t publisher, uint64_t sequence, const char *text, bool more)
{
	return (struct plx_buffer){
		.data = text,
		.length = strlen(text),
		.sequence = sequence,
		.publisher = publisher,
		.flags = more ? PLX_BUFFER_MORE : 0,
	};
}

static int add(struct job_gather *gather, uint64_t publisher, uint64_t sequence, const char *text, bool more,
	       struct job_request *request)
{
	struct plx_buffer buffer = message(publisher, sequence, text, more);

	return job_gather_add(gather, &buffer, request);
}

static void assert_text(const struct job_request *request, const char *text)
{
	assert_int_equal(request->length, strlen(text));
	assert_memory_equal(request->text, text, request->length);
}

static void a_message_is_a_program(void **state)
{
	struct job_gather gather = { .text_max = 100 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	assert_int_equal(add(&gather, 7, 41, "@main = 1", false, &request), 1);
	assert_text(&request, "@main = 1");
	assert_int_equal(request.id, 42);
	assert_int_equal(request.publisher, 7);
	assert_string_equal(request.name, "");
	job_request_free(&request);
	job_request_free(&request);
	job_gather_free(&gather);
}

static void an_empty_message_is_an_empty_program(void **state)
{
	struct job_gather gather = { .text_max = 100 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	assert_int_equal(add(&gather, 7, 0, "", false, &request), 1);
	assert_int_equal(request.length, 0);
	job_request_free(&request);
	job_gather_free(&gather);
}

static void pieces_of_several_publishers_do_not_mix(void **state)
{
	struct job_gather gather = { .text_max = 100 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	assert_int_equal(add(&gather, 1, 0, "@main", true, &request), 0);
	assert_int_equal(add(&gather, 2, 5, "@a = ", true, &request), 0);
	assert_int_equal(add(&gather, 1, 1, " = ", true, &request), 0);
	assert_int_equal(add(&gather, 2, 6, "2", false, &request), 1);
	assert_text(&request, "@a = 2");
	assert_int_equal(request.id, 6); /* its first piece counts */
	job_request_free(&request);
	assert_int_equal(add(&gather, 1, 2, "1", false, &request), 1);
	assert_text(&request, "@main = 1");
	assert_int_equal(request.id, 1);
	job_request_free(&request);
	job_gather_free(&gather);
}

static void a_program_that_is_too_long_is_refused_when_it_is_whole_and_the_next_is_not(void **state)
{
	struct job_gather gather = { .text_max = 10 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	assert_int_equal(add(&gather, 1, 0, "0123456789", false, &request), 1);
	job_request_free(&request);
	assert_int_equal(add(&gather, 1, 1, "01234567890", false, &request), -EMSGSIZE);
	assert_int_equal(request.id, 2);
	assert_null(request.text);
	assert_int_equal(add(&gather, 1, 2, "0123456", true, &request), 0);
	assert_int_equal(add(&gather, 1, 3, "0123456", true, &request), 0);
	assert_int_equal(add(&gather, 1, 4, "0", true, &request), 0);
	assert_int_equal(add(&gather, 1, 5, "0", false, &request), -EMSGSIZE);
	assert_int_equal(request.id, 3);
	assert_int_equal(add(&gather, 1, 6, "01", false, &request), 1);
	assert_text(&request, "01");
	job_request_free(&request);
	job_gather_free(&gather);
}

static void what_a_publisher_leaves_unfinished_is_told(void **state)
{
	struct job_gather gather = { .text_max = 100 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	assert_int_equal(add(&gather, 1, 3, "// job: 77 half\n@main", true, &request), 0);
	assert_int_equal(add(&gather, 2, 0, "@a", true, &request), 0);
	assert_false(job_gather_end(&gather, 3, &request));
	assert_true(job_gather_end(&gather, 1, &request));
	assert_int_equal(request.id, 77);
	assert_string_equal(request.name, "half");
	job_request_free(&request);
	assert_false(job_gather_end(&gather, 1, &request));
	job_gather_free(&gather); /* with one left */
}

static void many_publishers_may_be_in_the_middle_of_one(void **state)
{
	struct job_gather gather = { .text_max = 100 };
	struct job_request request = JOB_REQUEST_NONE;

	(void)state;
	for (uint64_t i = 1; i <= 50; i++)
		assert_int_equal(add(&gather, i, i, "x", true, &request), 0);
	for (uint64_t i = 50; i >= 1; i--) {
		assert_int_equal(add(&gather, i, 60 + i, "y", false, &request), 1);
		assert_int_equal(request.id, i + 1);
		assert_text(&request, "xy");
		job_request_free(&request);
	}
	job_gather_free(&gather);
}

static void a_title_gives_a_number_and_a_name(void **state)
{
	static const struct {
		const char *text;
		uint64_t id;
		const char *name;
	} table[] = {
		{ "// job: 5 fib", 5, "fib" },
		{ "//job:5 fib\n@main = 1", 5, "fib" },
		{ "//\t job:  5\t two words  \r\n@main = 1", 5, "two words" },
		{ "// job: 0", 0, "" },
		{ "// job: 18446744073709551615 x", UINT64_MAX, "x" },
		/* what is none stays a comment */
		{ "// job: 18446744073709551616 x", 9, "" },
		{ "// job: five", 9, "" },
		{ "// job: 5five", 9, "" },
		{ "// job:", 9, "" },
		{ "// jobs: 5", 9, "" },
		{ "/ job: 5", 9, "" },
		{ " // job: 5", 9, "" },
		{ "@main = 1\n// job: 5 x", 9, "" },
		{ "//", 9, "" },
		{ "/", 9, "" },
		{ "", 9, "" },
		{ "// job: 5 a\"b\\c\x01\xff\xc3\xa4", 5, "a\"b\\c??\xc3\xa4" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct job_request request = { .id = 9, .length = strlen(table[i].text) };

		/* exactly as long as it is, so that reading beyond is noticed */
		request.text = malloc(request.length ? request.length : 1);
		memcpy(request.text, table[i].text, request.length);
		job_request_title(&request);
		assert_int_equal(request.id, table[i].id);
		assert_string_equal(request.name, table[i].name);
		job_request_free(&request);
	}
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct job_request request = { .id = 1 };
	char text[600] = "// job: 1 ";

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa4");
	request.text = strdup(text);
	request.length = strlen(text);
	job_request_title(&request);
	assert_int_equal(strlen(request.name), JOB_NAME_MAX - 1); /* an odd number does not divide by two */
	job_request_free(&request);
}

static void bytes_from_anywhere_become_a_line(void **state)
{
	static const struct {
		const char *from, *to;
	} table[] = {
		{ "plain", "plain" },
		{ "a\nb\tc\x7f", "a?b?c?" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "\xe2\x82", "??" }, /* cut off */
		{ "\xc0\x80", "??" }, /* longer than it needs to be */
		{ "\xe0\x80\x80", "???" },
		{ "\xed\xa0\x80", "???" },      /* half a pair */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond the last one */
		{ "\xff\xfe", "??" },
	};
	char to[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		job_clean(to, sizeof(to), table[i].from, strlen(table[i].from));
		assert_string_equal(to, table[i].to);
	}
	job_clean(to, 4, "abcdef", 6);
	assert_string_equal(to, "abc");
	job_clean(to, 1, "abcdef", 6);
	assert_string_equal(to, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_a_program),
		cmocka_unit_test(an_empty_message_is_an_empty_program),
		cmocka_unit_test(pieces_of_several_publishers_do_not_mix),
		cmocka_unit_test(a_program_that_is_too_long_is_refused_when_it_is_whole_and_the_next_is_not),
		cmocka_unit_test(what_a_publisher_leaves_unfinished_is_told),
		cmocka_unit_test(many_publishers_may_be_in_the_middle_of_one),
		cmocka_unit_test(a_title_gives_a_number_and_a_name),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(bytes_from_anywhere_become_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

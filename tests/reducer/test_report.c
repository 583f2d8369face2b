/* test_report.c - replies as a table: what is right, what is wrong, what is shown. */
#include "reducer/report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/support/support.h"

/* ---- nets -------------------------------------------------------------------------------------- */

static void names_of_variables_do_not_matter(void **state)
{
	(void)state;
	assert_int_equal(report_same_net("(a (b (a b)))", "(x (y (x y)))"), 1);
	assert_int_equal(report_same_net("(a (b (a b)))", "(x (y (y x)))"), 0);
	assert_int_equal(report_same_net("(a a)", "(x y)"), 0);
	assert_int_equal(report_same_net("(x y)", "(a a)"), 0);
	assert_int_equal(report_same_net("( a\n a )", "(a a)"), 1);
	assert_int_equal(report_same_net("(a b)", "(b a)"), 1);
}

static void everything_else_does(void **state)
{
	(void)state;
	assert_int_equal(report_same_net("12", "13"), 0);
	assert_int_equal(report_same_net("12", "12"), 1);
	assert_int_equal(report_same_net("+12", "12"), 0);
	assert_int_equal(report_same_net("@main", "@maim"), 0);
	assert_int_equal(report_same_net("@a", "a"), 0);
	assert_int_equal(report_same_net("{a a}", "(a a)"), 0);
	assert_int_equal(report_same_net("$(a a)", "?(a a)"), 0);
	assert_int_equal(report_same_net("#1{a a}", "#2{a a}"), 0);
	assert_int_equal(report_same_net("[+0x0000005]", "[-0x0000005]"), 0);
	assert_int_equal(report_same_net("[+]", "[+]"), 1);
	assert_int_equal(report_same_net("1.5", "1.5"), 1);
	assert_int_equal(report_same_net("+inf", "-inf"), 0);
	assert_int_equal(report_same_net("(1 2)", "(1 2"), 0);
	assert_int_equal(report_same_net("", ""), 1);
	assert_int_equal(report_same_net("*", ""), 0);
	assert_int_equal(report_same_net("[", "["), 1); /* even if it is no net at all */
	assert_int_equal(report_same_net("($x $x)", "($y $y)"), 1);
}

static void many_variables_are_told_apart(void **state)
{
	enum { VARS = 5000 };
	char *a = malloc(VARS * 40), *b = malloc(VARS * 40);
	size_t m = 0, n = 0;

	(void)state;
	for (int i = 0; i < VARS; i++) {
		m += (size_t)sprintf(a + m, "(v%d ", i);
		n += (size_t)sprintf(b + n, "(w%x ", i * 7);
	}
	for (int i = 0; i < VARS; i++) {
		m += (size_t)sprintf(a + m, "(v%d ", i);
		n += (size_t)sprintf(b + n, "(w%x ", i * 7);
	}
	assert_int_equal(report_same_net(a, b), 1);
	sprintf(b + n - 6, "w0 ");
	assert_int_equal(report_same_net(a, b), 0);
	free(a);
	free(b);
}

/* ---- replies ----------------------------------------------------------------------------------- */

struct fixture {
	char *directory;
	char *text; /* what was shown */
	size_t size;
	struct report report;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->directory = make_directory();
	f->report.out = open_memstream(&f->text, &f->size);
	f->report.width = 80;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	report_free(&f->report);
	fclose(f->report.out);
	free(f->text);
	drop_directory(f->directory);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void ask(struct fixture *f, const char *name, const char *expected)
{
	char path[512], beside[128];

	snprintf(path, sizeof(path), "%s.hvm", name);
	write_file(f, path, "@main = 1\n");
	if (expected) {
		snprintf(beside, sizeof(beside), "%s.expected", name);
		write_file(f, beside, expected);
	}
	snprintf(path, sizeof(path), "%s/%s.hvm", f->directory, name);
	assert_int_equal(report_ask(&f->report, path), 0);
}

static void answer(struct fixture *f, const char *line)
{
	assert_int_equal(report_line(&f->report, line, strlen(line)), 0);
}

static const char done_1[] =
	"{\"job\":1,\"status\":\"done\",\"interactions\":20876009,\"ms\":412.5,\"workers\":2,"
	"\"result\":\"(x (x 7))\"}";

static void an_answer_that_equals_what_is_written_beside_the_program_is_right(void **state)
{
	struct fixture *f = *state;

	ask(f, "fib", "(a (a 7))\n");
	answer(f, done_1);
	assert_true(report_table(&f->report));
	assert_non_null(strstr(f->text, "20,876,009"));
	assert_non_null(strstr(f->text, "412.5"));
	assert_non_null(strstr(f->text, "  ok\n"));
	assert_null(strstr(f->text, "WRONG"));
}

static void another_answer_is_wrong_and_both_are_shown(void **state)
{
	struct fixture *f = *state;

	ask(f, "fib", "(a (a 8))\n");
	answer(f, done_1);
	assert_false(report_table(&f->report));
	assert_non_null(strstr(f->text, "WRONG"));
	assert_non_null(strstr(f->text, "expected  (a (a 8))"));
	assert_non_null(strstr(f->text, "answer    (x (x 7))"));
}

static void no_answer_is_wrong(void **state)
{
	struct fixture *f = *state;

	ask(f, "fib", "(a (a 7))");
	ask(f, "tree", NULL);
	answer(f, done_1);
	assert_false(report_table(&f->report));
	assert_non_null(strstr(f->text, "NO ANSWER"));
}

static void two_answers_are_wrong(void **state)
{
	struct fixture *f = *state;

	ask(f, "fib", "(a (a 7))");
	answer(f, done_1);
	answer(f, done_1);
	assert_false(report_table(&f->report));
	assert_non_null(strstr(f->text, "TWICE"));
}

static const char error_1[] = "{\"job\":1,\"status\":\"error\",\"reason\":\"program\",\"line\":7,\"column\":"
			      "17,\"message\":\"y stands once\"}";

static void an_expected_error_is_right_at_its_place_only(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *expected;
		bool right;
	} table[] = {
		{ "error: 7:17", true },
		{ "error:7:17", true },
		{ "error: 7:17: y stands once", true },
		{ "error: 7:17: x stands once", false },
		{ "error: 7:1", false },
		{ "error: 7:178", false },
		{ "error: stands", true },
		{ "error: walks", false },
		{ "7", false },
		{ "error:", true },
	};

	ask(f, "wrong", "x");
	answer(f, error_1);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		free(f->report.jobs[0].expected);
		f->report.jobs[0].expected = strdup(table[i].expected);
		assert_int_equal(report_right(&f->report.jobs[0]), table[i].right);
	}
}

static void an_error_is_wrong_when_a_normal_form_is_expected_and_when_nothing_is(void **state)
{
	struct fixture *f = *state;

	ask(f, "fib", "(a (a 7))");
	answer(f, error_1);
	assert_false(report_right(&f->report.jobs[0]));
	free(f->report.jobs[0].expected);
	f->report.jobs[0].expected = NULL;
	assert_false(report_right(&f->report.jobs[0]));
}

static void without_an_expectation_an_answer_is_not_wrong(void **state)
{
	struct fixture *f = *state;

	ask(f, "mine", NULL);
	answer(f, done_1);
	assert_true(report_table(&f->report));
	assert_null(strstr(f->text, "  ok\n"));
}

static void a_reply_belongs_to_the_program_of_its_name_or_else_number(void **state)
{
	struct fixture *f = *state;

	ask(f, "one", "1");
	ask(f, "two", "2");
	answer(f, "{\"job\":1,\"name\":\"two\",\"status\":\"done\",\"result\":\"2\"}");
	answer(f, "{\"job\":1,\"status\":\"done\",\"result\":\"1\"}");
	assert_true(report_table(&f->report));
}

static void a_program_may_call_itself_by_another_name_than_its_file(void **state)
{
	struct fixture *f = *state;

	ask(f, "one", "1");
	ask(f, "two", "2");
	ask(f, "three", "3");
	answer(f, "{\"job\":1,\"status\":\"done\",\"result\":\"1\"}");
	answer(f, "{\"job\":77,\"name\":\"my own\",\"status\":\"done\",\"result\":\"2\"}");
	answer(f, "{\"job\":3,\"status\":\"done\",\"result\":\"3\"}");
	assert_true(report_table(&f->report));
	assert_int_equal(f->report.count, 3);
}

static void replies_come_in_any_order_and_progress_is_none(void **state)
{
	struct fixture *f = *state;

	ask(f, "one", "1");
	ask(f, "two", "2");
	ask(f, "three", "3");
	answer(f,
	       "{\"job\":77,\"position\":2,\"name\":\"my own\",\"status\":\"running\",\"interactions\":5}");
	answer(f, "{\"job\":3,\"status\":\"done\",\"result\":\"3\"}");
	answer(f, "{\"job\":1,\"status\":\"done\",\"result\":\"1\"}");
	answer(f, "{\"job\":77,\"position\":2,\"name\":\"my own\",\"status\":\"done\",\"result\":\"2\"}");
	assert_true(report_table(&f->report));
	assert_int_equal(f->report.count, 3);
}

static void a_reply_nobody_asked_for_is_shown_too(void **state)
{
	struct fixture *f = *state;

	answer(f, "{\"job\":9,\"status\":\"done\",\"result\":\"1\"}");
	answer(f, "{\"job\":18446744073709551615,\"status\":\"done\",\"result\":\"1\"}");
	assert_true(report_table(&f->report));
	assert_non_null(strstr(f->text, "job 9 "));
	assert_non_null(strstr(f->text, "job 18446"));
}

static void what_is_no_reply_makes_the_whole_wrong(void **state)
{
	static const char *const lines[] = {
		"nonsense",
		"[]",
		"{",
		"7",
		"{\"job\":1}",
		"{\"job\":1,\"status\":\"done\"}",
		"{\"job\":1,\"status\":\"done\",\"result\":7}",
		"{\"job\":1,\"status\":\"perhaps\",\"result\":\"7\"}",
		"{\"job\":1,\"status\":\"error\",\"result\":\"7\"}",
		"\x01\xff",
	};
	struct fixture *f = *state;

	ask(f, "fib", NULL);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_int_equal(report_line(&f->report, lines[i], strlen(lines[i])), -EBADMSG);
	answer(f, done_1);
	assert_false(report_table(&f->report));
	assert_null(strchr(f->text, '\x01'));
}

static void the_table_fits_its_width(void **state)
{
	struct fixture *f = *state;
	char *long_answer = malloc(5000);
	char *p;

	ask(f, "a-name-that-is-longer-than-its-column", NULL);
	strcpy(long_answer, "{\"job\":1,\"status\":\"done\",\"interactions\":12345678901,\"ms\":123456.7,"
			    "\"workers\":64,\"result\":\"");
	for (int i = 0; i < 1000; i++)
		strcat(long_answer, "(1 ");
	strcat(long_answer, "\"}");
	answer(f, long_answer);
	answer(f, "{\"job\":2,\"status\":\"error\",\"line\":1,\"column\":2,\"message\":\"a sentence that has "
		  "so many words in it that "
		  "it is longer than any line\"}");
	report_table(&f->report);
	for (p = strtok(f->text, "\n"); p && strncmp(p, "job 2", 5) != 0; p = strtok(NULL, "\n"))
		assert_true(strlen(p) <= 81); /* a wrong one may stand out */
	free(long_answer);
}

static void a_folder_is_asked_in_the_order_of_its_names(void **state)
{
	struct fixture *f = *state;

	write_file(f, "b.hvm", "");
	write_file(f, "a.hvm", "");
	write_file(f, "C.hvm", "");
	write_file(f, ".hidden.hvm", "");
	write_file(f, "notes.txt", "");
	write_file(f, "a.expected", "  7 \n\n");
	assert_int_equal(report_ask_folder(&f->report, f->directory), 0);
	assert_int_equal(f->report.asked, 3);
	assert_string_equal(f->report.jobs[0].name, "C");
	assert_string_equal(f->report.jobs[1].name, "a");
	assert_string_equal(f->report.jobs[1].expected, "7");
	assert_string_equal(f->report.jobs[2].name, "b");
	assert_int_equal(report_ask_folder(&f->report, "/nowhere"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_variables_do_not_matter),
		cmocka_unit_test(everything_else_does),
		cmocka_unit_test(many_variables_are_told_apart),
#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		REPORT_TEST(an_answer_that_equals_what_is_written_beside_the_program_is_right),
		REPORT_TEST(another_answer_is_wrong_and_both_are_shown),
		REPORT_TEST(no_answer_is_wrong),
		REPORT_TEST(two_answers_are_wrong),
		REPORT_TEST(an_expected_error_is_right_at_its_place_only),
		REPORT_TEST(an_error_is_wrong_when_a_normal_form_is_expected_and_when_nothing_is),
		REPORT_TEST(without_an_expectation_an_answer_is_not_wrong),
		REPORT_TEST(a_reply_belongs_to_the_program_of_its_name_or_else_number),
		REPORT_TEST(a_program_may_call_itself_by_another_name_than_its_file),
		REPORT_TEST(replies_come_in_any_order_and_progress_is_none),
		REPORT_TEST(a_reply_nobody_asked_for_is_shown_too),
		REPORT_TEST(what_is_no_reply_makes_the_whole_wrong),
		REPORT_TEST(the_table_fits_its_width),
		REPORT_TEST(a_folder_is_asked_in_the_order_of_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

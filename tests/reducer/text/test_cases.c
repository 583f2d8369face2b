/*
 * test_cases.c - parser, rules of the reference reducer and printer against programs whose results and counts are known.
 *
 * The programs lie outside of the repository; where they are not, the tests are skipped. Those with more interactions
 * than $PLX_CASES_GAS (default 3 million) are left to the reducer itself.
 */
#include <errno.h>
#include <string.h>

#include "reducer/text/text.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/reference.h"
#include "tests/support/support.h"

#define UNSAFE "a reference was copied that must not be"

static uint64_t gas(void)
{
	const char *text = getenv("PLX_CASES_GAS");

	return text ? strtoull(text, NULL, 10) : LONG_LOOP(3000000);
}

/*
 * Run one file. Its normalised result, to be freed; NULL when it takes too long.
 * @expand: expand what hangs in the result, as hvm-64 does
 */
static char *run(const char *path, bool expand, uint64_t *interactions)
{
	size_t length;
	char *program = cases_file(path, &length), *text = NULL, *normal = NULL;
	struct text_error error;
	struct reference ref;
	struct book *book;
	int ret;

	if (!program)
		fail_msg("%s is not there", path);
	ret = text_parse(program, length, &book, &error);
	free(program);
	if (ret < 0)
		fail_msg("%s:%u:%u: %s", path, error.where.line, error.where.column, error.what);
	reference_init(&ref, book);
	ref.gas = gas();
	ret = reference_run(&ref);
	*interactions = ref.interactions;
	if (ret == 0 && expand)
		ret = reference_expand(&ref);
	if (ret == 0) {
		text = reference_text(&ref);
		if (!text)
			fail_msg("%s: printing: %s", path, strerror(errno));
		normal = result_normal(text);
	} else if (ret == -ENOTSUP) {
		normal = strdup(UNSAFE);
	} else if (ret != -ETIME) {
		fail_msg("%s: %s", path, strerror(-ret));
	}
	free(text);
	reference_fini(&ref);
	free(book);
	return normal;
}

/* Run one file and compare; true when it is right or takes too long. */
static bool same(const char *path, bool expand, const char *expected, uint64_t count)
{
	uint64_t interactions;
	char *result = run(path, expand, &interactions);
	char *normal = strcmp(expected, UNSAFE) == 0 ? strdup(UNSAFE) : result_normal(expected);
	bool right = !result || (strcmp(result, normal) == 0 && (count == 0 || count == interactions));

	if (!right)
		print_error("%s: %lu of %lu interactions\n  %.300s\n  %.300s\n", path, interactions, count,
			    result, normal);
	free(result);
	free(normal);
	return right;
}

static void every_bend_program_gives_its_result_and_count(void **state)
{
	size_t length;
	char *table = cases_file("bend/table.tsv", &length), *line, *rest = table;
	int wrong = 0;

	(void)state;
	if (!table)
		skip();
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *name = strsep(&line, "\t"), *encoding = strsep(&line, "\t"),
			   *count = strsep(&line, "\t");
		uint64_t known = strtoull(count, NULL, 10);
		char path[512], *expected;

		if (known == 0 || known > gas())
			continue;
		snprintf(path, sizeof(path), "bend/expected/%s.%s.run.txt", name, encoding);
		expected = cases_file(path, &length);
		assert_non_null(expected);
		snprintf(path, sizeof(path), "bend/hvm/%s.%s.hvm", name, encoding);
		wrong += !same(path, false, expected, known);
		free(expected);
	}
	free(table);
	assert_int_equal(wrong, 0);
}

static void every_hvm2_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm2/snapshots", ".hvm.snap");
	int wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *expected;
		size_t length;

		if (strncmp(*name, "run__file@", 10) != 0)
			continue; /* needs I/O */
		snprintf(path, sizeof(path), "hvm2/snapshots/%s.hvm.snap", *name);
		expected = cases_snapshot(path);
		assert_non_null(expected);
		snprintf(path, sizeof(path), "hvm2/programs/%s.hvm", *name + 10);
		cases_unfold(path, "__");
		if (!cases_there(path)) {
			snprintf(path, sizeof(path), "hvm2/examples/%s.hvm", *name + 10);
			cases_unfold(path, "__");
		}
		if (strstr(expected, "missing `@main`")) { /* the parser says so too */
			struct text_error error;
			struct book *book;
			char *program = cases_file(path, &length);

			assert_int_equal(text_parse(program, length, &book, &error), -EBADMSG);
			assert_non_null(strstr(error.what, "@main"));
			free(program);
		} else {
			bool unsafe = strstr(expected, "attempt to clone a non-affine global reference");

			wrong += !same(path, false, unsafe ? UNSAFE : expected, 0);
		}
		free(expected);
	}
	free(names);
	assert_int_equal(wrong, 0);
}

/* Its counts are of another kind: it looks through wires, and expands what hangs in the result. */
static void every_hvm64_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm64/snapshots", ".snap");
	int wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *expected;

		snprintf(path, sizeof(path), "hvm64/snapshots/%s.snap", *name);
		expected = cases_snapshot(path);
		assert_non_null(expected);
		snprintf(path, sizeof(path), "hvm64/%s.hvm", strchr(*name, '@') + 1);
		cases_unfold(path, "::");
		wrong += !same(path, true, expected, 0);
		free(expected);
	}
	free(names);
	assert_int_equal(wrong, 0);
}

static void the_programs_for_measuring_have_their_counts(void **state)
{
	static const struct {
		const char *path, *result;
		uint64_t interactions;
	} known[] = {
		{ "bench/sumrec.hvm", "15728640", 50331631 },
		{ "bench/fib.hvm", "832040", 33778102 },
		{ "bench/loop.hvm", "0", 50331648 },
		{ "bench/tree.hvm", "1048576", 44040165 },
		{ "bench/bitonic.hvm", "16773120", 21835749 },
		{ "hvm2/examples/sort_radix/main.hvm", "16744448", 124256297 },
		{ "hvm2/examples/stress/main.hvm", "0", 100668918 },
		{ "bend/hvm/ex_bitonic_sort.scott.hvm", "16646144", 1072377671 },
	};
	int wrong = 0;

	(void)state;
	if (!cases_there(known[0].path))
		skip();
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (known[i].interactions <= gas())
			wrong += !same(known[i].path, false, known[i].result, known[i].interactions);
	assert_int_equal(wrong, 0);
}

static void a_result_is_compared_whatever_its_variables_are_called(void **state)
{
	static const char *const cases[][2] = {
		{ "Result: (a (b a))\n- ITRS: 3", "( x0 ( x1 x0 ) )" },
		{ "(v12 (@f/x.y-1 v12))", "( x0 ( @f/x.y-1 x0 ) )" },
		{ "#2{-1.5e-3 [+0x0000001]}", "# 2 { -1.5e-3 [+0x0000001] }" },
		{ "(+inf (-NaN (inf info)))", "( +inf ( -NaN ( inf x0 ) ) )" },
		{ "$([*] $(a a))", "$ ( [*] $ ( x0 x0 ) )" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *normal = result_normal(cases[i][0]);

		assert_string_equal(normal, cases[i][1]);
		free(normal);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_is_compared_whatever_its_variables_are_called),
		cmocka_unit_test(every_bend_program_gives_its_result_and_count),
		cmocka_unit_test(every_hvm2_program_gives_its_result),
		cmocka_unit_test(every_hvm64_program_gives_its_result),
		cmocka_unit_test(the_programs_for_measuring_have_their_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

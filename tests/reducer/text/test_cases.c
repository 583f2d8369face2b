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

/* What a case may do besides: flags. */
enum {
	EXPAND = 1, /* the known result has the references in it expanded */
	CLONE = 2,  /* it copies what only labels make safe */
};

static uint64_t gas(void)
{
	const char *text = getenv("PLX_CASES_GAS");

	return text ? strtoull(text, NULL, 10) : LONG_LOOP(3000000);
}

/* Run one file; its normalised result to be freed, or NULL when it took too long or is not there. */
static char *run(const char *path, int flags, uint64_t *interactions)
{
	size_t length;
	char *program = cases_file(path, &length), *text, *normal;
	struct text_error error;
	struct reference ref;
	struct book *book;
	int ret;

	*interactions = 0;
	if (!program)
		return NULL;
	ret = text_parse(program, length, &book, &error);
	free(program);
	if (ret < 0)
		fail_msg("%s:%u:%u: %s", path, error.where.line, error.where.column, error.what);
	reference_init(&ref, book);
	ref.gas = gas();
	ref.clone_unsafe = flags & CLONE;
	ret = reference_run(&ref);
	*interactions = ref.interactions;
	if (ret == 0 && (flags & EXPAND))
		ret = reference_expand(&ref);
	text = ret == 0 ? reference_text(&ref) : NULL;
	normal = text ? result_normal(text) : NULL;
	if (ret == 0 && !text)
		fail_msg("%s: printing: %s", path, strerror(errno));
	if (ret == -ENOTSUP) {
		free(normal);
		normal = strdup("unsafe");
	} else if (ret != 0 && ret != -ETIME) {
		fail_msg("%s: %s", path, strerror(-ret));
	}
	free(text);
	reference_fini(&ref);
	free(book);
	return normal;
}

static void every_bend_program_gives_its_result_and_count(void **state)
{
	size_t length;
	char *table = cases_file("bend/table.tsv", &length), *line, *rest = table;
	int done = 0, wrong = 0;

	(void)state;
	if (!table)
		skip();
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *name = strsep(&line, "\t"), *encoding = strsep(&line, "\t"),
			   *count = strsep(&line, "\t");
		uint64_t interactions, known = strtoull(count, NULL, 10);
		char path[512], *result, *expected, *normal;

		snprintf(path, sizeof(path), "bend/hvm/%s.%s.hvm", name, encoding);
		if (known == 0 || known > gas())
			continue;
		result = run(path, 0, &interactions);
		snprintf(path, sizeof(path), "bend/expected/%s.%s.run.txt", name, encoding);
		expected = cases_file(path, &length);
		assert_non_null(expected);
		normal = result_normal(expected);
		if (!result || strcmp(result, normal) != 0 || interactions != known) {
			print_error("%s.%s: %llu of %llu interactions\n  %.300s\n  %.300s\n", name, encoding,
				    (unsigned long long)interactions, (unsigned long long)known, result,
				    normal);
			wrong++;
		}
		done++;
		free(expected);
		free(normal);
		free(result);
	}
	free(table);
	print_message("%d programs\n", done);
	assert_int_equal(wrong, 0);
}

/* The text after the five lines of header of a snapshot. */
static char *snapshot(const char *path)
{
	size_t length;
	char *text = cases_file(path, &length), *c = text;

	for (int dashes = 0; c && dashes < 2;) {
		dashes += strncmp(c, "---", 3) == 0;
		c = strchr(c, '\n');
		c = c ? c + 1 : NULL;
	}
	if (c)
		memmove(text, c, strlen(c) + 1);
	return text;
}

static void every_hvm2_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm2/snapshots", ".hvm.snap");
	int wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *shown, *at, *result, *normal, *expected;
		uint64_t interactions;

		if (strncmp(*name, "run__file@", 10) != 0)
			continue; /* needs I/O */
		snprintf(path, sizeof(path), "hvm2/snapshots/%s.hvm.snap", *name);
		expected = snapshot(path);
		if (!expected || strstr(expected, "missing `@main`")) {
			free(expected);
			continue;
		}
		snprintf(path, sizeof(path), "%s%s.hvm",
			 strstr(*name, "main") || strstr(*name, "tuples") ? "hvm2/examples/"
									  : "hvm2/programs/",
			 *name + 10);
		while ((at = strstr(path, "__"))) {
			*at = '/';
			memmove(at + 1, at + 2, strlen(at + 1));
		}
		shown = strstr(path, ".hvm");
		result = run(path, 0, &interactions);
		print_message("%s: %llu %s\n", path, (unsigned long long)interactions,
			      result ? "" : "(too long)");
		normal = strdup(strstr(expected, "ERROR: attempt to clone") ? "unsafe" : "");
		if (!*normal) {
			free(normal);
			normal = result_normal(expected);
		}
		if (result && strcmp(result, normal) != 0) {
			print_error("%s\n  %.300s\n  %.300s\n", path, result, normal);
			wrong++;
		}
		(void)shown;
		free(result);
		free(normal);
		free(expected);
	}
	free(names);
	assert_int_equal(wrong, 0);
}

static void every_hvm64_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm64/snapshots", ".snap");
	int wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *at, *result, *normal, *expected;
		uint64_t interactions, plain;

		snprintf(path, sizeof(path), "hvm64/snapshots/%s.snap", *name);
		expected = snapshot(path);
		snprintf(path, sizeof(path), "hvm64/%s.hvm", *name + 4);
		while ((at = strstr(path, "::"))) {
			*at = '/';
			memmove(at + 1, at + 2, strlen(at + 1));
		}
		normal = result_normal(expected);
		result = run(path, 0, &plain);
		print_message("%s: %llu %s\n", path, (unsigned long long)plain,
			      !result                         ? "(too long)"
			      : strcmp(result, "unsafe") == 0 ? "unsafe"
			      : strcmp(result, normal) == 0   ? "same"
							      : "other");
		free(result);
		result = run(path, EXPAND | CLONE, &interactions);
		if (result && strcmp(result, normal) != 0) {
			print_error("%s: %llu\n  %.300s\n  %.300s\n", path, (unsigned long long)interactions,
				    result, normal);
			wrong++;
		}
		free(result);
		free(normal);
		free(expected);
	}
	free(names);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bend_program_gives_its_result_and_count),
		cmocka_unit_test(every_hvm2_program_gives_its_result),
		cmocka_unit_test(every_hvm64_program_gives_its_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

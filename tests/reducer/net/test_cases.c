/*
 * test_cases.c - programs with known results: the same normal form and the same number of interactions with any number
 * of workers, fused or not, each time. Timeout: 100
 *
 * The programs lie outside of the repository; where they are not, the tests are skipped. `make test` runs the small ones;
 * `make cases` all up to 20 million interactions, 20 times each; `make cases-long` the larger ones, 3 times. Set by hand:
 * PLX_CASES_MIN, PLX_CASES_MAX (interactions), PLX_CASES_RUNS, PLX_CASES_WORKERS (the most), PLX_CASES_WORK (interactions
 * spent on one program at most, all runs together).
 *
 * hvm-64 counts its rewrites by rules of its own, so of its programs the results are compared, and the counts with each
 * other. It expands references in results, so we do too there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reducer/text/text.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static struct {
	uint64_t min, max, runs, work;
	uint32_t workers;
} settings;

static int read_settings(void **state)
{
	(void)state;
	settings.min = setting("PLX_CASES_MIN", 0);
	settings.max = setting("PLX_CASES_MAX", LONG_LOOP(3000000));
	settings.runs = setting("PLX_CASES_RUNS", LONG_LOOP(20));
	settings.work = setting("PLX_CASES_WORK", LONG_LOOP(4000000));
	settings.workers = (uint32_t)setting("PLX_CASES_WORKERS", 3);
	return 0;
}

/* What a program gave the first time, with which it is compared ever after. */
struct known {
	char *result; /* normalised, or NULL when not known */
	uint64_t interactions;
};

static void compare(const char *path, uint32_t workers, const struct net_result *r, const char *text,
		    struct known *known, int *wrong)
{
	char *normal = text                      ? result_normal(text)
		       : r->status == NET_UNSAFE ? strdup("unsafe")
						 : strdup(r->error);

	if (!known->result)
		known->result = strdup(normal);
	if (known->interactions == 0)
		known->interactions = r->interactions;
	/* how far a program got before its error is up to the order */
	if (strcmp(normal, known->result) != 0 ||
	    (r->status == NET_DONE && known->interactions != r->interactions)) {
		print_error("%s with %u workers: %llu interactions, %llu known\n  %.300s\n  %.300s\n", path,
			    workers, (unsigned long long)r->interactions,
			    (unsigned long long)known->interactions, normal, known->result);
		++*wrong;
	}
	free(normal);
}

/* All runs of one program. Says whether it was run at all. */
static bool run_program(const char *path, struct known known, enum net_expand expand, int *wrong)
{
	size_t length;
	char *program = cases_file(path, &length);
	struct book *book;
	uint64_t runs;

	if (!program)
		fail_msg("%s is not there", path);
	book = nets_book(program, length);
	free(program);
	/* fused, then by the plain rules */
	for (uint32_t way = 0; way < 2 * settings.workers; way++) {
		const uint32_t workers = 1 + way / 2;
		struct net_options options = nets_options(workers, 0, false);
		struct net_limits limits = { .gas = settings.max + 1, .expand = expand };
		struct net *net;

		options.memory_max = 8ull << 30;
		options.plain |= way % 2;
		assert_int_equal(net_open(&net, &options), 0);
		runs = settings.runs;
		for (uint64_t i = 0; i < runs; i++) {
			struct net_result r;
			char *text = nets_run(net, book, &limits, &r);

			if (r.status == NET_GAS || (i == 0 && way == 0 && r.interactions < settings.min)) {
				net_close(net);
				free(book);
				free(known.result);
				return false;
			}
			compare(path, workers, &r, text, &known, wrong);
			free(text);
			if (2 * r.interactions * runs * settings.workers > settings.work)
				runs = settings.work / (2 * r.interactions * settings.workers);
		}
		net_close(net);
	}
	free(book);
	free(known.result);
	return true;
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
		struct known known = { .interactions = strtoull(count, NULL, 10) };
		char path[512], *expected;

		snprintf(path, sizeof(path), "bend/expected/%s.%s.run.txt", name, encoding);
		if (known.interactions == 0 || known.interactions > settings.max ||
		    known.interactions < settings.min || !(expected = cases_file(path, &length)))
			continue;
		known.result = result_normal(expected);
		free(expected);
		snprintf(path, sizeof(path), "bend/hvm/%s.%s.hvm", name, encoding);
		done += run_program(path, known, NET_EXPAND_LABELLED, &wrong);
	}
	free(table);
	print_message("%d programs\n", done);
	assert_int_equal(wrong, 0);
}

static void every_hvm2_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm2/snapshots", ".hvm.snap");
	int done = 0, wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *expected;
		struct known known = { NULL, 0 };

		snprintf(path, sizeof(path), "hvm2/snapshots/%s.hvm.snap", *name);
		if (strncmp(*name, "run__file@", 10) != 0 || !(expected = cases_snapshot(path)))
			continue; /* needs I/O */
		if (strstr(expected, "missing `@main`")) {
			free(expected);
			continue;
		}
		known.result = strstr(expected, "ERROR: attempt to clone") ? strdup("unsafe")
									   : result_normal(expected);
		free(expected);
		snprintf(path, sizeof(path), "hvm2/programs/%s.hvm", *name + 10);
		cases_unfold(path, "__");
		if (!cases_there(path)) {
			snprintf(path, sizeof(path), "hvm2/examples/%s.hvm", *name + 10);
			cases_unfold(path, "__");
		}
		done += run_program(path, known, NET_EXPAND_LABELLED, &wrong);
	}
	free(names);
	print_message("%d programs\n", done);
	assert_int_equal(wrong, 0);
}

static void every_hvm64_program_gives_its_result(void **state)
{
	char **names = cases_names("hvm64/snapshots", ".snap");
	int done = 0, wrong = 0;

	(void)state;
	if (!names)
		skip();
	for (char **name = names; *name; name++) {
		char path[600], *expected;
		struct known known = { NULL, 0 };

		snprintf(path, sizeof(path), "hvm64/snapshots/%s.snap", *name);
		expected = cases_snapshot(path);
		if (expected && strstr(expected, "\nRWTS"))
			*strstr(expected, "\nRWTS") = 0;
		if (expected && strncmp(expected, "ERROR", 5) != 0)
			known.result = result_normal(expected);
		free(expected);
		snprintf(path, sizeof(path), "hvm64/%s.hvm", *name + 4);
		cases_unfold(path, "::");
		done += run_program(path, known, NET_EXPAND_ALWAYS, &wrong);
	}
	free(names);
	print_message("%d programs\n", done);
	assert_int_equal(wrong, 0);
}

static void every_bench_program_gives_one_result(void **state)
{
	static const struct {
		const char *name, *result;
		uint64_t interactions;
	} benches[] = {
		{ "sumrec", "15728640", 50331631 },  { "fib", "832040", 33778102 },
		{ "loop", "0", 50331648 },           { "tree", "1048576", 44040165 },
		{ "bitonic", "16773120", 21835749 },
	};
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(benches); i++) {
		struct known known = { strdup(benches[i].result), benches[i].interactions };
		char path[100];

		snprintf(path, sizeof(path), "bench/%s.hvm", benches[i].name);
		if (known.interactions > settings.max || known.interactions < settings.min ||
		    !cases_there(path)) {
			free(known.result);
			continue;
		}
		run_program(path, known, NET_EXPAND_LABELLED, &wrong);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bend_program_gives_its_result_and_count),
		cmocka_unit_test(every_hvm2_program_gives_its_result),
		cmocka_unit_test(every_hvm64_program_gives_its_result),
		cmocka_unit_test(every_bench_program_gives_one_result),
	};
	return cmocka_run_group_tests(tests, read_settings, NULL);
}

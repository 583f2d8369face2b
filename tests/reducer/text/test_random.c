/*
 * test_random.c - random programs: the order of interactions does not matter, a printed net is read back as the same, and
 * a failing program is made small.
 *
 * This tests the oracle itself, with which others test the reducer.
 */
#include <errno.h>
#include <string.h>

#include "reducer/text/text.h"
#include "tests/reducer/support/random.h"
#include "tests/reducer/support/reference.h"
#include "tests/support/support.h"

static struct book *parse(const char *program)
{
	struct text_error error;
	struct book *book;

	if (text_parse(program, strlen(program), &book, &error) < 0)
		fail_msg("%u:%u: %s\n%s", error.where.line, error.where.column, error.what, program);
	return book;
}

static void the_order_of_interactions_changes_nothing(void **state)
{
	uint64_t seed = 1, total = 0;

	(void)state;
	for (int n = 0; n < LONG_LOOP(600); n++) {
		struct outcome outcome;
		char *program = random_terminating(&seed, 4 + (uint32_t)n % 60, 3000, &outcome);
		struct book *book = parse(program);
		uint64_t live = UINT64_MAX;

		for (int order = ORDER_NEWEST; order <= ORDER_RANDOM; order++) {
			struct reference ref;
			uint64_t nodes, vars;
			char *text;

			reference_init(&ref, book);
			ref.order = (enum reference_order)order;
			ref.seed = seed;
			if (reference_run(&ref) != 0)
				fail_msg("order %d: %s\n%s", order, strerror(-ref.error), program);
			text = reference_text(&ref);
			if (!text || strcmp(text, outcome.text) != 0 ||
			    ref.interactions != outcome.interactions ||
			    (live != UINT64_MAX && ref.live_nodes != live))
				fail_msg("order %d: %s %lu, not %s %lu\n%s", order, text, ref.interactions,
					 outcome.text, outcome.interactions, program);
			reference_reachable(&ref, &nodes, &vars);
			assert_true(nodes <= ref.live_nodes && vars <= ref.live_vars);
			live = ref.live_nodes;
			free(text);
			reference_fini(&ref);
		}
		total += outcome.interactions;
		free(book);
		free(program);
		random_outcome_free(&outcome);
	}
	print_message("%lu interactions, %lu programs to find them\n", total, seed);
	assert_true(total > (uint64_t)LONG_LOOP(600) * 5);
}

/* Else they would test less than it seems. */
static void random_programs_are_of_all_kinds(void **state)
{
	uint64_t count[RULE_MAX] = { 0 }, ends[4] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed < LONG_LOOP(5000); seed++) {
		char *program = random_program(seed, 30);
		struct book *book = parse(program);
		struct reference ref;
		int ret;

		reference_init(&ref, book);
		ref.gas = 1000;
		ret = reference_run(&ref);
		ends[ret == 0 ? 0 : ret == -ETIME ? 1 : ret == -EDOM ? 2 : 3]++;
		for (int rule = 0; rule < RULE_MAX; rule++)
			count[rule] += ref.count[rule];
		reference_fini(&ref);
		free(book);
		free(program);
	}
	for (int rule = 0; rule < RULE_MAX; rule++)
		assert_true(count[rule] > LONG_LOOP(1000));
	assert_true(ends[0] > 0 && ends[1] > 0 && ends[3] > 0); /* few divide by zero: ends[2] */
}

/* The program whose @main is this net; references in it mean what they meant in @program. */
static char *net_as_program(const char *net, const char *program)
{
	size_t length = strlen(program) + strlen(net) + 64;
	char *copy = strdup(program), *line, *rest = copy, *text = malloc(length), *to = text;

	assert_true(copy && text);
	to += sprintf(to, "@main = %s\n@old = *\n", net);
	while ((line = strsep(&rest, "\n")) && *line)
		if (strncmp(line, "@main ", 6) != 0)
			to += sprintf(to, "%s\n", line);
	free(copy);
	return text;
}

static void a_printed_net_is_read_back_as_the_same(void **state)
{
	uint64_t seed = 100000;
	int compared = 0;

	(void)state;
	while (compared < LONG_LOOP(300)) {
		struct outcome outcome, again;
		char *program = random_terminating(&seed, 40, 3000, &outcome);
		char *second = net_as_program(outcome.text, program);
		struct text_error error;
		struct book *book;
		int ret = text_parse(second, strlen(second), &book, &error);

		if (ret < 0 && !strstr(error.what, "occurs once")) /* a wire that leads to a part cut off */
			fail_msg("%s\n%s", error.what, second);
		free(book);
		if (ret == 0 && !strstr(outcome.text, "@main")) {
			again = random_outcome(second, 10);
			if (!again.text || strcmp(again.text, outcome.text) != 0 || again.interactions != 1)
				fail_msg("%s\nread as\n%s (%lu)", outcome.text, again.text,
					 again.interactions);
			random_outcome_free(&again);
			compared++;
		}
		random_outcome_free(&outcome);
		free(second);
		free(program);
	}
}

/* "The answer has a duplicator in it and it took an addition": stands for whatever a test may find. */
static bool has_a_duplicator(const char *program, void *context)
{
	struct outcome outcome = random_outcome(program, 1000);
	bool fails = outcome.text && strchr(outcome.text, '{') && outcome.interactions > 3 &&
		     strstr(program, "[+");

	++*(int *)context;
	random_outcome_free(&outcome);
	return fails;
}

static void a_failing_program_is_made_small(void **state)
{
	int tried = 0, shrunk = 0;

	(void)state;
	for (uint64_t seed = 1; shrunk < 5; seed++) {
		char *program = random_program(seed, 60), *small;

		if (has_a_duplicator(program, &tried)) {
			small = random_shrink(program, has_a_duplicator, &tried);
			if (strlen(small) > 80)
				fail_msg("still large: %s", small);
			assert_true(has_a_duplicator(small, &tried));
			free(small);
			shrunk++;
		}
		free(program);
	}
	assert_true(tried < 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_interactions_changes_nothing),
		cmocka_unit_test(random_programs_are_of_all_kinds),
		cmocka_unit_test(a_printed_net_is_read_back_as_the_same),
		cmocka_unit_test(a_failing_program_is_made_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_random.c - programs made at random: the same normal form and count as the reference reducer, with one to four
 * workers, with rings of eight messages, again and again on the same workers.
 *
 * Some are made of anything (random.h), some of calls (calls.h), so that what is fused is met often.
 *
 * Those that run for ever are not taken; those that end in an error must end in an error that was possible. A program on which they
 * differ is made smaller before it is shown. PLX_RANDOM=N tries N of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/text/text.h"
#include "tests/reducer/support/calls.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/reducer/support/random.h"
#include "tests/support/support.h"

#define GAS 200000u

struct trial {
	struct net *net;
	const char *why; /* they differ, in a word */
	enum net_status status;
};

/* Does the net come to something else than the reference reducer? */
static bool differs(const char *program, void *context)
{
	struct outcome outcome = random_outcome(program, GAS);
	struct net_limits limits = { .expand = NET_EXPAND_NEVER, .gas = 4 * GAS };
	struct trial *trial = context;
	struct net_result result;
	struct text_error error;
	const char *why = NULL;
	struct book *book;
	char *text = NULL;

	trial->why = NULL;
	if (outcome.error == -ETIME || text_parse(program, strlen(program), &book, &error) < 0) {
		random_outcome_free(&outcome);
		return false;
	}
	if (net_start(trial->net, book, &limits) < 0 || net_wait(trial->net, 20000000000u, &result) < 0)
		trial->why = "does not end";
	else if (net_check(trial->net, &why) < 0)
		trial->why = why;
	else if (outcome.error == 0 && result.status != NET_DONE)
		trial->why = result.error;
	else if (outcome.error != 0 && result.status == NET_DONE)
		trial->why = "should be an error";
	else if (outcome.error == 0 && result.interactions != outcome.interactions)
		trial->why = "another count";
	else if (outcome.text && (text = nets_text(trial->net))) {
		char *a = result_normal(text), *b = result_normal(outcome.text);

		if (strcmp(a, b) != 0)
			trial->why = "another normal form";
		free(a);
		free(b);
	}
	trial->status = result.status;
	free(text);
	free(book);
	random_outcome_free(&outcome);
	return trial->why != NULL;
}

/* Programs made of anything; or of calls? */
static void try_many(bool calls, uint32_t workers, uint32_t ring, bool scatter, uint32_t tick, uint64_t first)
{
	const char *many = getenv("PLX_RANDOM");
	const uint64_t n = many ? strtoull(many, NULL, 10) : LONG_LOOP(400);
	struct net_options options = nets_options(workers, ring, false);
	struct trial trial;

	options.scatter |= scatter;
	options.tick = tick;
	assert_int_equal(net_open(&trial.net, &options), 0);
	for (uint64_t seed = first; seed < first + n; seed++) {
		char *program = calls ? calls_program(seed)
				      : random_program(seed, 5 + (uint32_t)(seed % 300)),
		     *small;

		if (differs(program, &trial)) {
			print_error("seed %llu, %u workers, status %d: %s\n", (unsigned long long)seed,
				    workers, (int)trial.status, trial.why);
			small = random_shrink(program, differs, &trial);
			differs(small, &trial);
			fail_msg("%s: %s", trial.why ? trial.why : "not always", small);
		}
		free(program);
	}
	net_close(trial.net);
}

static void one_worker_agrees_with_the_reference(void **state)
{
	(void)state;
	try_many(false, 1, 0, false, 0, 1);
}

static void two_workers_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(false, 2, 0, false, 3, 10001);
}

static void four_workers_with_tiny_rings_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(false, 4, 8, true, 100, 20001);
}

static void two_workers_that_scatter_everything_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(false, 2, 8, true, 1, 30001);
}

static void calls_of_one_worker_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(true, 1, 0, false, 0, 40001);
}

static void calls_in_short_batches_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(true, 1, 0, false, 20, 50001);
}

static void calls_of_three_workers_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(true, 3, 8, true, 60, 60001);
}

static void calls_of_two_workers_agree_with_the_reference(void **state)
{
	(void)state;
	try_many(true, 2, 0, true, 0, 70001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_agrees_with_the_reference),
		cmocka_unit_test(two_workers_agree_with_the_reference),
		cmocka_unit_test(four_workers_with_tiny_rings_agree_with_the_reference),
		cmocka_unit_test(two_workers_that_scatter_everything_agree_with_the_reference),
		cmocka_unit_test(calls_of_one_worker_agree_with_the_reference),
		cmocka_unit_test(calls_in_short_batches_agree_with_the_reference),
		cmocka_unit_test(calls_of_three_workers_agree_with_the_reference),
		cmocka_unit_test(calls_of_two_workers_agree_with_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

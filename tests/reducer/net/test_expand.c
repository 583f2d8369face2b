/* test_expand.c - references left in a normal form: kept as HVM2 does, expanded as hvm-64 does, or as asked. */
#include <stdlib.h>
#include <string.h>

#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

struct kept {
	const char *program;
	enum net_expand expand;
	const char *result;
	uint64_t interactions;
};

static const struct kept programs[] = {
	{ "@main = @a @a = (x x)", NET_EXPAND_LABELLED, "@a", 1 },
	{ "@main = @a @a = (x x)", NET_EXPAND_NEVER, "@a", 1 },
	{ "@main = @a @a = (x x)", NET_EXPAND_ALWAYS, "(a a)", 2 },
	/* in trees, more than once, and what comes of it is reduced */
	{ "@main = (@a {@b @a}) @a = (x x) @b = y & @a ~ (@c y) @c = 7", NET_EXPAND_ALWAYS,
	  "((a a) {7 (b b)})", 1 + 2 + 1 + 2 + 1 },
	/* one behind the other */
	{ "@main = @a @a = @b @b = @c @c = (1 @d) @d = *", NET_EXPAND_ALWAYS, "(1 *)", 5 },
	/* labels make the difference */
	{ "@main = @a @a = #1(x x)", NET_EXPAND_LABELLED, "#1(a a)", 2 },
	{ "@main = @a @a = #1(x x)", NET_EXPAND_NEVER, "@a", 1 },
	{ "@main = (x #2{x @a}) @a = 3", NET_EXPAND_LABELLED, "(a #2{a 3})", 2 },
	/* nothing to expand costs nothing */
	{ "@main = (1 (x x))", NET_EXPAND_ALWAYS, "(1 (a a))", 1 },
	{ "@main = 5", NET_EXPAND_ALWAYS, "5", 1 },
};

static void check(struct net *net, const struct kept *p, uint32_t workers)
{
	struct net_limits limits = { .expand = p->expand };
	struct book *book = nets_book(p->program, strlen(p->program));
	struct net_result result;
	char *text = nets_run(net, book, &limits, &result), *normal, *expected;

	assert_int_equal(result.status, NET_DONE);
	normal = result_normal(text);
	expected = result_normal(p->result);
	if (strcmp(normal, expected) != 0 || result.interactions != p->interactions)
		fail_msg("%s with %u workers: %s after %llu interactions", p->program, workers, text,
			 (unsigned long long)result.interactions);
	free(normal);
	free(expected);
	free(text);
	free(book);
}

static void references_are_kept_or_expanded_as_asked(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct net_options options = nets_options(workers, 0, false);
		struct net *net;

		assert_int_equal(net_open(&net, &options), 0);
		for (int round = 0; round < 3; round++)
			for (size_t i = 0; i < COUNT_OF(programs); i++)
				check(net, &programs[i], workers);
		net_close(net);
	}
}

/* What hangs in the result may lie in any partition, and there may be much of it. */
static void a_large_result_of_several_workers_is_expanded(void **state)
{
	static const char program[] = "@main = r & @tree ~ (12 r)"
				      " @tree = (?((@leaf @tree__node) r) r)"
				      " @tree__node = ({a b} (l r)) & @tree ~ (a l) & @tree ~ (b r)"
				      " @leaf = (1 (2 @end)) @end = (x x)";
	struct book *book = nets_book(program, strlen(program));
	uint64_t known = 0;

	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct net_options options = nets_options(workers, 8, false);
		struct net_limits limits = { .expand = NET_EXPAND_ALWAYS };
		struct net *net;

		options.scatter = workers > 1;
		assert_int_equal(net_open(&net, &options), 0);
		for (int round = 0; round < 3; round++) {
			struct net_result result;
			char *text = nets_run(net, book, &limits, &result);

			assert_int_equal(result.status, NET_DONE);
			assert_null(strchr(text, '@'));
			known = known ? known : result.interactions;
			assert_int_equal(result.interactions, known);
			free(text);
		}
		net_close(net);
	}
	free(book);
}

static void an_endless_structure_ends_at_a_limit(void **state)
{
	static const char program[] = "@main = @list @list = (1 @list)";
	struct book *book = nets_book(program, strlen(program));
	struct net_options options = nets_options(2, 0, false);
	struct net_limits gas = { .expand = NET_EXPAND_ALWAYS, .gas = 2000 };
	struct net_limits time = { .expand = NET_EXPAND_ALWAYS, .time_ns = 200000000 };
	struct net_result result;
	struct net *net;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	free(nets_run(net, book, &gas, &result));
	assert_int_equal(result.status, NET_GAS);
	free(nets_run(net, book, &time, &result));
	assert_int_equal(result.status, NET_TIME);
	check(net, &programs[2], 2); /* and the same workers take the next program */
	net_close(net);
	free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_kept_or_expanded_as_asked),
		cmocka_unit_test(a_large_result_of_several_workers_is_expanded),
		cmocka_unit_test(an_endless_structure_ends_at_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

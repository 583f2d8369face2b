/*
 * test_rules.c - each rule alone: a redex of every two kinds, what it leaves and how many interactions that takes.
 *
 * The nets are small enough to check by hand. Each runs with one worker and with three, where all of it is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

/* References stay in results. */
static const struct net_limits as_hvm2 = { .expand = NET_EXPAND_NEVER };

struct rule {
	const char *program;
	const char *result;
	uint64_t interactions; /* without the first, which expands @main */
};

static const struct rule rules[] = {
	/* VOID: two that have no ports */
	{ "@main = 1 & * ~ *", "1", 1 },
	{ "@main = 1 & * ~ 7", "1", 1 },
	{ "@main = 1 & 7 ~ *", "1", 1 },
	{ "@main = 1 & 7 ~ 8", "1", 1 },
	{ "@main = 1 & @a ~ * @a = 2", "1", 1 },
	{ "@main = 1 & @a ~ 7 @a = 2", "1", 1 },
	{ "@main = 1 & @a ~ @a @a = 2", "1", 1 },
	/* ERAS: what has no ports goes to both ports */
	{ "@main = (a b) & * ~ (a b)", "(* *)", 1 },
	{ "@main = (a b) & * ~ {a b}", "(* *)", 1 },
	{ "@main = (a b) & * ~ $(a b)", "(* *)", 1 },
	{ "@main = (a b) & * ~ ?(a b)", "(* *)", 1 },
	{ "@main = (a b) & (a b) ~ *", "(* *)", 1 },
	{ "@main = (a b) & 7 ~ (a b)", "(7 7)", 1 },
	{ "@main = (a b) & 7 ~ {a b}", "(7 7)", 1 },
	{ "@main = (a b) & {a b} ~ -7", "(-7 -7)", 1 },
	{ "@main = (a b) & [+] ~ {a b}", "([+] [+])", 1 },
	{ "@main = (a b) & * ~ #5(a b)", "(* *)", 1 },
	{ "@main = (a b) & * ~ #5{a b}", "(* *)", 1 },
	/* a reference that may be copied */
	{ "@main = (a b) & @f ~ {a b} @f = (x x)", "(@f @f)", 1 },
	{ "@main = (a b) & @f ~ #3{a b} @f = (x x)", "(@f @f)", 1 },
	{ "@main = (a b) & @f ~ #3{a b} @f = (#4{x y} (x y))", "(@f @f)", 1 },
	/* CALL, and the annihilation that comes with it */
	{ "@main = a & @f ~ (7 a) @f = (x x)", "7", 2 },
	{ "@main = a & @f ~ (a 7) @f = (x x)", "7", 2 },
	{ "@main = (a b) & @f ~ (a b) @f = (x x)", "(a a)", 2 },
	{ "@main = a & @f ~ (7 a) @f = (x ((y x) y))", "((a 7) a)", 2 },
	{ "@main = a & @f ~ (7 a) @f = (* (1 2))", "(1 2)", 3 },
	{ "@main = a & @f ~ (7 a) @f = x & @g ~ x @g = (* 3)", "3", 4 },
	{ "@main = a & @f ~ (7 a) @f = 3", "3", 3 },
	{ "@main = (a b) & @f ~ ?(a b) @f = 0", "((c *) c)", 2 },
	/* OPER */
	{ "@main = a & 3 ~ $([+4] a)", "7", 1 },
	{ "@main = a & 3 ~ $([:-4] a)", "16777215", 1 },
	{ "@main = a & 3 ~ $(4 a)", "0", 1 },
	{ "@main = a & [*] ~ $(4 a)", "[*0x0000004]", 1 },
	{ "@main = a & 3 ~ $([*] $(4 a))", "12", 2 },
	{ "@main = a & 3 ~ $([*] $(b a)) & 4 ~ $([+1] b)", "15", 4 },
	{ "@main = (a b) & 3 ~ $(a b)", "($(3 a) a)", 1 },
	/* SWIT */
	{ "@main = a & 0 ~ ?((7 *) a)", "7", 3 },
	{ "@main = a & 5 ~ ?((7 (x x)) a)", "4", 4 },
	{ "@main = (a b) & 0 ~ ?(a b)", "((b *) b)", 1 },
	{ "@main = (a b) & 5 ~ ?(a b)", "((* (4 b)) b)", 1 },
	{ "@main = a & -1 ~ ?((7 (x x)) a)", "16777214", 4 },
	{ "@main = a & 0 ~ ?(@f a) @f = (8 *)", "8", 4 },
	/* ANNI */
	{ "@main = (a (b (c d))) & (a b) ~ (c d)", "(a (b (a b)))", 1 },
	{ "@main = (a (b (c d))) & {a b} ~ {c d}", "(a (b (a b)))", 1 },
	{ "@main = (a (b (c d))) & $(a b) ~ $(c d)", "(a (b (a b)))", 1 },
	{ "@main = (a (b (c d))) & ?(a b) ~ ?(c d)", "(a (b (a b)))", 1 },
	{ "@main = (a (b (c d))) & #9(a b) ~ #9(c d)", "(a (b (a b)))", 1 },
	{ "@main = (a (b (c d))) & #9{a b} ~ #9{c d}", "(a (b (a b)))", 1 },
	/* COMM */
	{ "@main = (a (b (c d))) & (a b) ~ {c d}", "({a b} ({c d} ((a c) (b d))))", 1 },
	{ "@main = (a (b (c d))) & {a b} ~ (c d)", "((a b) ((c d) ({a c} {b d})))", 1 },
	{ "@main = (a (b (c d))) & (a b) ~ $(c d)", "($(a b) ($(c d) ((a c) (b d))))", 1 },
	{ "@main = (a (b (c d))) & (a b) ~ ?(c d)", "(?(a b) (?(c d) ((a c) (b d))))", 1 },
	{ "@main = (a (b (c d))) & {a b} ~ $(c d)", "($(a b) ($(c d) ({a c} {b d})))", 1 },
	{ "@main = (a (b (c d))) & {a b} ~ ?(c d)", "(?(a b) (?(c d) ({a c} {b d})))", 1 },
	{ "@main = (a (b (c d))) & $(a b) ~ ?(c d)", "(?(a b) (?(c d) ($(a c) $(b d))))", 1 },
	{ "@main = (a (b (c d))) & #1{a b} ~ #2{c d}", "(#2{a b} (#2{c d} (#1{a c} #1{b d})))", 1 },
	{ "@main = (a (b (c d))) & #1(a b) ~ (c d)", "((a b) ((c d) (#1(a c) #1(b d))))", 1 },
	/* LINK: not counted */
	{ "@main = a & a ~ 7", "7", 0 },
	{ "@main = a & 7 ~ a", "7", 0 },
	{ "@main = (a b) & a ~ b", "(a a)", 0 },
	{ "@main = a & a ~ b & b ~ c & c ~ 7", "7", 0 },
	{ "@main = 7 & a ~ a", "7", 0 },
	{ "@main = 7 & a ~ b & b ~ a", "7", 0 },
	{ "@main = 7 & (a b) ~ (b a)", "7", 1 },
};

static void check_rules(uint32_t workers)
{
	struct net_options options = nets_options(workers, 0, false);
	struct net *net;
	int wrong = 0;

	assert_int_equal(net_open(&net, &options), 0);
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct net_result result;
		struct book *book;
		char *text, *normal, *expected;

		book = nets_book(rules[i].program, strlen(rules[i].program));
		text = nets_run(net, book, &as_hvm2, &result);
		if (!text)
			fail_msg("%s: %s", rules[i].program, result.error);
		normal = result_normal(text);
		expected = result_normal(rules[i].result);
		if (strcmp(normal, expected) != 0) {
			print_error("%s gives %s, not %s\n", rules[i].program, normal, expected);
			wrong++;
		}
		if (rules[i].interactions + 1 != result.interactions) {
			print_error("%s takes %llu interactions, not %llu\n", rules[i].program,
				    (unsigned long long)result.interactions,
				    (unsigned long long)rules[i].interactions + 1);
			wrong++;
		}
		free(text);
		free(normal);
		free(expected);
		free(book);
	}
	net_close(net);
	assert_int_equal(wrong, 0);
}

static void each_rule_leaves_what_it_should(void **state)
{
	(void)state;
	check_rules(1);
}

static void each_rule_leaves_the_same_among_three_workers(void **state)
{
	(void)state;
	check_rules(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_leaves_what_it_should),
		cmocka_unit_test(each_rule_leaves_the_same_among_three_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_fuse.c - programs made for what is done when a definition is called: each pattern, and what nearly is one. The same
 * normal form and count as the reference reducer, with one to three workers, in long and in short batches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/net_state.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/reducer/support/random.h"
#include "tests/support/support.h"

#define GAS 400000u

/* Does the net come to what the reference reducer comes to? */
static void try_with(const char *program, const struct outcome *known, struct net_options options)
{
	struct book *book = nets_book(program, strlen(program));
	struct net_limits limits = { .gas = 4 * GAS };
	struct net_result result;
	struct net *net;

	assert_int_equal(net_open(&net, &options), 0);
	for (int i = 0; i < LONG_LOOP(3); i++) {
		char *text = nets_run(net, book, &limits, &result), *a, *b;

		if (known->error != 0) {
			assert_null(text);
			assert_int_not_equal(result.status, NET_DONE);
			continue;
		}
		if (!text)
			fail_msg("%s: %s", program, result.error);
		assert_int_equal(result.interactions, known->interactions);
		a = result_normal(text);
		b = result_normal(known->text);
		assert_string_equal(a, b);
		free(a);
		free(b);
		free(text);
	}
	net_close(net);
	free(book);
}

static void try_program(const char *program)
{
	struct outcome known = random_outcome(program, GAS);

	for (uint32_t workers = 1; workers <= 3 && known.error != -ETIME; workers++)
		for (uint32_t tick = 0; tick <= 40; tick += 20) {
			struct net_options options = nets_options(workers, workers == 3 ? 8 : 0, false);

			options.tick = tick;
			options.scatter = workers > 1 && tick == 40;
			try_with(program, &known, options);
		}
	random_outcome_free(&known);
}

static void recursions_are_fused(void **state)
{
	(void)state;
	try_program("@f = (?((0 @g) a) a)  @g = a & @f ~ a  @main = a & @f ~ (9000 a)");
	try_program("@f = (?((0 @g) a) a)  @g = (?((1 @h) a) a)  @h = ({$([+1] a) b} r)\n"
		    "& @f ~ (a $([+] $(c r))) & @f ~ (b c)  @main = a & @f ~ (15 a)");
	try_program("@s = (?(((a a) @t) b) b)  @t = ({c a} ({$([*2] $([+1] d)) $([*2] $([+0] b))} f))\n"
		    "& @s ~ (a (b $([+] $(e f)))) & @s ~ (c (d e))  @main = a & @s ~ (9 (0 a))");
	/* two that call each other, and an argument that only goes round */
	try_program("@e = (?((@z @o) a) a)  @z = (a a)  @o = ({a b} (c r)) & @d ~ (a ((b c) r))\n"
		    "@d = (?((@y @e) a) a)  @y = (a (a 7))  @main = a & @e ~ (200 (1 a))");
}

#define GEN                                                                                                  \
	"@gen = (?(((a a) @more) b) b)\n"                                                                    \
	"@more = ({a d} ({$([*2] $([+1] b)) $([*2] e)} (c f))) & @gen ~ (a (b c)) & @gen ~ (d (e f))\n"

/* Calls that have nothing more to do, or might have: for 0, for what becomes 0 only when it is looked at, for one of two numbers. */
static void recursions_come_to_their_ends(void **state)
{
	(void)state;
	try_program(GEN "@main = (a (b (c d))) & @gen ~ (0 (7 a)) & @gen ~ (1 (7 b)) & @gen ~ (2 (7 c)) & "
			"@gen ~ (3 (7 d))");
	try_program("@f = (?((1 @g) a) a)  @g = ({a {b c}} $([+] $(r $([+] $(s t)))))\n"
		    "& @f ~ (a r) & @f ~ (b s) & @f ~ (c $([*3] t))  @main = a & @f ~ (7 a)");
	/* two numbers that come to 0 at different times; one that never does; and ends that call something else */
	try_program("@f = (?(((* 1) @g) (a b)) (a b))  @g = (n (m $([+] $(r s)))) & @d ~ (m (p q)) & @f ~ (n "
		    "(p r)) & @h ~ (q s)\n"
		    "@d = ({a b} (a b))  @h = (?((2 @i) a) a)  @i = ({n k} $([+] $(r s))) & @h ~ (n r) & @h "
		    "~ (k s)\n"
		    "@main = a & @f ~ (9 (5 a))");
	try_program(
		"@f = (?((@z @g) a) a)  @z = r & @h ~ (3 r)  @g = ({n m} (r s)) & @f ~ (n r) & @f ~ (m s)\n"
		"@h = (?((4 @i) a) a)  @i = ({n m} (r s)) & @h ~ (n r) & @h ~ (m s)  @main = a & @f ~ (6 a)");
	/* zeros of other types, and one to be divided by */
	try_program("@f = (?((1 @g) a) a)  @g = ({n m} $([+] $(r s))) & @f ~ (n r) & @f ~ (m s)\n"
		    "@main = (a (b c)) & @f ~ (+6 a) & @f ~ (+0 b) & @f ~ (0.0 c)");
	try_program("@f = (?((@z @g) a) a)  @z = r & 7 ~ $([/0] r)\n"
		    "@g = ({n m} $([+] $(r s))) & @f ~ (n r) & @f ~ (m s)  @main = a & @f ~ (3 a)");
}

/* A tree of which half the calls are for leaves has a variable for each second node at most, and not two for each. */
static void calls_for_leaves_are_never_made(void **state)
{
	const char *program = GEN "@main = a & @gen ~ (14 (0 a))";
	struct net_options options = nets_options(1, 0, false);
	struct book *book = nets_book(program, strlen(program));
	struct net_result result;
	struct net *net;
	char *text;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	text = nets_run(net, book, NULL, &result);
	assert_non_null(text);
	assert_true(plx_table_get(&net->arena.partitions, 0, ARENA_PARTITION_NODES) >= 1u << 14);
	assert_true(plx_table_get(&net->arena.partitions, 0, ARENA_PARTITION_VARS) <= 5u << 12);
	free(text);
	net_close(net);
	free(book);
}

/* What comes from other workers lies in their partitions. */
static void trees_are_built_and_eaten(void **state)
{
	(void)state;
	try_program(
		"@gen = (?(((a a) @more) b) b)\n"
		"@more = ({a d} ({$([*2] $([+1] b)) $([*2] e)} (c f))) & @gen ~ (a (b c)) & @gen ~ (d (e "
		"f))\n"
		"@flip = (?(((a a) @turn) b) b)\n"
		"@turn = ({a c} ((b d) (f e))) & @flip ~ (a (b e)) & @flip ~ (c (d f))\n"
		"@sum = (?(((a a) @add) b) b)\n"
		"@add = ({a c} ((b d) f)) & @sum ~ (a (b $([+] $(e f)))) & @sum ~ (c (d e))\n"
		"@main = s & @gen ~ (9 (0 t)) & @flip ~ (9 (t u)) & @flip ~ (9 (u v)) & @sum ~ (9 (v s))");
}

/* A call goes to where its tree is, and its other argument, which has come by a variable, with it. */
static void calls_go_to_their_trees(void **state)
{
	(void)state;
	try_program(
		"@gen = (?(((a a) @more) b) b)\n"
		"@more = ({a d} ({$([*2] $([+1] b)) $([*2] e)} (c f)))\n"
		"& @gen ~ (a (b c)) & @gen ~ (d (e f))\n"
		"@sum = (?(((a a) @add) b) b)\n"
		"@add = (n ((b d) f)) & @sum ~ (a (b $([+] $(e f)))) & @sum ~ (c (d e)) & @same ~ (n {a c})\n"
		"@same = (?((0 @one) a) a)  @one = (n r) & @same ~ (n $([+1] r))\n"
		"@main = (r s) & @gen ~ (8 (0 t)) & @gen ~ (8 (1 u)) & @sum ~ (8 (t r)) & @sum ~ (8 (u s))");
}

/* More cells for an interaction than there are at hand for a batch of them. */
static void large_structures_are_built(void **state)
{
	char *program;

	(void)state;
	if (asprintf(&program,
		     "@f = (?((* @g) a) a)\n@g = ({n m} (%s r)) & @f ~ (n r)\n@main = a & @f ~ (90 a)",
		     "(1 (2 (3 (4 (5 (6 (7 (8 ((((((((((((m 1) 2) 3) 4) 5) 6) 7) 8) 9) 10) 11) "
		     "(1 (2 (3 (4 (5 (6 (7 (8 (9 (10 (11 (12 13)))))))))))))))))))))") < 0)
		abort();
	try_program(program);
	free(program);
}

static void numbers_of_all_kinds_are_met(void **state)
{
	static const char *const argument[] = { "3",     "+3",   "-3",    "2.5",   "[+3]",
						"[:-3]", "[+]",  "[u24]", "[i24]", "16777215",
						"0",     "@two", "*",     "(1 2)", "{1 2}" };
	static const char *const operator[] = { "[+]",  "[-]",  "[:-]", "[*]",  "[=]",  "[<]",
						"[>]",  "[:/]", "[%]",  "[+3]", "[-1]", "[*2]",
						"[=3]", "[<3]", "[>3]", "[/2]", "5" };

	(void)state;
	for (size_t i = 0; i < sizeof(argument) / sizeof(*argument); i++)
		for (size_t k = 0; k < sizeof(operator) / sizeof(*operator); k++) {
			struct net_options options = nets_options(1 + (uint32_t)(i + k) % 2, 0, false);
			struct outcome known;
			char *program;

			if (asprintf(&program,
				     "@two = 2  @f = (?(((* *) @g) a) a)\n"
				     "@g = ({n m} ({x {y z}} (v (w (s r))))) & x ~ $(%s $(m v)) & y ~ $(%s "
				     "w)\n"
				     "& 7 ~ $(%s $(z s)) & @f ~ (n (2 r))  @main = a & @f ~ (3 (%s a))",
				     operator[k], operator[k], operator[k], argument[i]) < 0)
				abort();
			known = random_outcome(program, GAS);
			try_with(program, &known, options);
			random_outcome_free(&known);
			free(program);
		}
}

static void what_nearly_fits_is_left_to_the_rules(void **state)
{
	static const char *const call[] = {
		"(5 r)",     "(5 (1 r))",     "(5 (1 (2 r)))", "{5 r}",      "#1(5 (1 r))",   "#2{5 (1 r)}",
		"$(5 r)",    "?(5 r)",        "(* (1 r))",     "(@f (1 r))", "((1 2) (3 r))", "({1 2} (3 r))",
		"(5 {1 r})", "(5 $([+1] r))", "(x (x r))",     "(r (1 2))",  "(5 (@f r))",    "(5 (@g r))",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(call) / sizeof(*call); i++) {
		char *program;

		if (asprintf(&program,
			     "@f = (?(((a a) @g) b) b)  @g = (n ($([+1] a) r)) & @f ~ (n (a r))\n"
			     "@h = (?((1 @i) a) a)  @i = (n r) & @f ~ %s & @h ~ (n *)\n"
			     "@main = (r (p q)) & @f ~ %s & @h ~ (3 p) & @i ~ (1 q)",
			     call[i], call[i]) < 0)
			abort();
		try_program(program);
		free(program);
	}
}

static void what_must_not_be_copied_is_not(void **state)
{
	(void)state;
	try_program("@d = ({a b} (a b))  @g = (* (p q)) & @d ~ {p q}  @main = (a b) & @g ~ (1 (a b))");
	try_program("@d = (a (b (b a)))  @g = (* (p q)) & @d ~ {p q}  @main = (a b) & @g ~ (1 (a b))");
}

static void what_hangs_on_itself_stays_as_it_is(void **state)
{
	(void)state;
	try_program("@main = * & @f004 ~ $(* *)  @f004 = @f011  @f011 = * & 2 ~ ?(@f012 *)\n"
		    "@f012 = {* v2} & v3 ~ {v3 v2}");
	try_program("@f = (a b) & c ~ (c (a b))  @main = (r s) & @f ~ (r s)");
	try_program("@f = (a a) & c ~ c  @g = (x (y z)) & x ~ (y w) & v ~ (v (w z))\n"
		    "@main = (q r) & @f ~ (p p) & @g ~ (q (1 r))");
}

static void gas_is_not_exceeded_by_much(void **state)
{
	static const char program[] = "@f = (?((0 @g) a) a)  @g = (* ($([+1] a) r)) & @f ~ (9 (a r))\n"
				      "@main = a & @f ~ (1 (0 a))";
	struct book *book = nets_book(program, strlen(program));

	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		struct net_options options = nets_options(workers, 0, false);
		struct net_limits limits = { .gas = 100000 };
		struct net_result result;
		struct net *net;

		assert_int_equal(net_open(&net, &options), 0);
		assert_null(nets_run(net, book, &limits, &result));
		assert_int_equal(result.status, NET_GAS);
		assert_in_range(result.interactions, limits.gas + 1, limits.gas + 600 * workers);
		net_close(net);
	}
	free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recursions_are_fused),
		cmocka_unit_test(recursions_come_to_their_ends),
		cmocka_unit_test(calls_for_leaves_are_never_made),
		cmocka_unit_test(trees_are_built_and_eaten),
		cmocka_unit_test(calls_go_to_their_trees),
		cmocka_unit_test(large_structures_are_built),
		cmocka_unit_test(numbers_of_all_kinds_are_met),
		cmocka_unit_test(what_nearly_fits_is_left_to_the_rules),
		cmocka_unit_test(what_must_not_be_copied_is_not),
		cmocka_unit_test(what_hangs_on_itself_stays_as_it_is),
		cmocka_unit_test(gas_is_not_exceeded_by_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

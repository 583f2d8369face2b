/*
 * test_parse.c - texts that are programs, texts that are not and what is said about them, texts that are very large.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"
#include "tests/support/support.h"

/* The book of a text that must be right. */
static struct book *parse(const char *text)
{
	struct text_error error;
	struct book *book;
	const char *why;

	if (text_parse(text, strlen(text), &book, &error) < 0)
		fail_msg("%u:%u: %s\n%s", error.where.line, error.where.column, error.what, text);
	if (book_check(book, book->size, &why) < 0)
		fail_msg("%s\n%s", why, text);
	return book;
}

struct bad {
	const char *text;
	uint32_t line, column;
	const char *what; /* occurs in the message */
};

static void check_bad(const struct bad *bad, size_t length)
{
	struct text_error error;
	struct book *book = (void *)1;
	int ret = text_parse(bad->text, length, &book, &error);

	if (ret != -EBADMSG)
		fail_msg("parsed (%d): %s", ret, bad->text);
	assert_null(book);
	if (error.where.line != bad->line || error.where.column != bad->column ||
	    !strstr(error.what, bad->what))
		fail_msg("%s\n%u:%u: %s", bad->text, error.where.line, error.where.column, error.what);
}

static void a_definition_becomes_nodes_in_the_order_of_their_opening(void **state)
{
	struct book *book = parse("@main = (a {b $(b ?(a *))}) & 5 ~ @x & #3(c @main) ~ #4{c +1}\n@x = 1.5");
	const struct book_def *def = book_def(book, 0);
	const struct pair *node = book_pairs(book) + def->first_node,
			  *redex = book_pairs(book) + def->first_redex;

	(void)state;
	assert_int_equal(book->defs, 2);
	assert_int_equal(def->nodes, 6);
	assert_int_equal(def->vars, 3);
	assert_int_equal(def->redexes, 2);
	assert_true(def->root == port_make(TAG_CON, 0, 0));
	assert_true(node[0].a == port_var(0) && node[0].b == port_make(TAG_DUP, 0, 1));
	assert_true(node[1].a == port_var(1) && node[1].b == port_make(TAG_OPR, 0, 2));
	assert_true(node[2].a == port_var(1) && node[2].b == port_make(TAG_SWI, 0, 3));
	assert_true(node[3].a == port_var(0) && node[3].b == PORT_ERA);
	assert_true(redex[0].a == num_u24(5) && redex[0].b == port_ref(1));
	assert_true(redex[1].a == port_make(TAG_CON, 3, 4) && redex[1].b == port_make(TAG_DUP, 4, 5));
	assert_true(node[4].a == port_var(2) && node[4].b == port_ref(BOOK_MAIN));
	assert_true(node[5].a == port_var(2) && node[5].b == num_make(NUM_I24, 1));
	assert_true(book_def(book, 1)->root == num_make(NUM_F24, 0x3fc000));
	free(book);
}

static void main_is_first_and_the_others_follow_in_byte_order(void **state)
{
	static const char *const order[] = { "main", "$", "A", "a", "a/b", "a/b/c", "ab", "main.x", "z" };
	struct book *book = parse("@z=*\n@ab=*\n@a/b/c=*\n@main.x=*\n@a=*\n@main=@a/b\n@A=*\n@$=*\n@a/b=*\n");

	(void)state;
	assert_int_equal(book->defs, COUNT_OF(order));
	for (uint32_t i = 0; i < COUNT_OF(order); i++) {
		assert_string_equal(book_name(book, i), order[i]);
		assert_int_equal(book_find(book, order[i]), i);
	}
	assert_int_equal(book_find(book, "mai"), UINT32_MAX);
	assert_int_equal(book_find(book, "zz"), UINT32_MAX);
	assert_int_equal(book_find(book, ""), UINT32_MAX);
	assert_true(book_def(book, 0)->root == port_ref(4));
	assert_int_equal(book_def(book, 8)->line, 1);
	assert_int_equal(book_def(book, 4)->line, 9);
	free(book);
}

static void a_later_definition_of_a_name_replaces_the_earlier(void **state)
{
	struct book *book = parse("@main = @x\n@x = (1 @gone)\n@x = 2\n@main = (@x @x)\n");

	(void)state;
	assert_int_equal(book->defs, 2);
	assert_int_equal(book_def(book, 0)->nodes, 1);
	assert_int_equal(book_def(book, 0)->line, 4);
	assert_true(book_def(book, 1)->root == num_u24(2));
	assert_int_equal(book->pairs, 1);
	free(book);
}

static void blanks_comments_and_hints_do_not_matter(void **state)
{
	static const char *const same[] = {
		"@main=(a(b c))& @f~(a(b c))@f=*",
		"\xef\xbb\xbf@main = (a (b c)) & @f ~ (a (b c))\n@f = *",
		"// first\r\n@ main\t=\f( a ( b c ) ) //\xe2\x82\xac\n&! @f ~ (a(b c)) // end\n@f = *//",
		"@main = (x.1 (y$ z-)) & ! @f ~ (x.1 (y$ z-)) @f = *",
	};
	struct book *first = parse(same[0]);

	(void)state;
	for (size_t i = 1; i < COUNT_OF(same); i++) {
		struct book *book = parse(same[i]);

		for (uint32_t id = 0; id < book->defs; id++)
			((struct book_def *)book_def(book, id))->line = 1;
		assert_int_equal(book->size, first->size);
		assert_memory_equal(book, first, first->size);
		free(book);
	}
	free(first);
}

static void labels_of_either_kind_of_node_are_read(void **state)
{
	struct book *book = parse("@main = (#0(a b) (#0{a b} (#65535(c d) (#007{c d} # 12 (* *)))))");
	const struct pair *node = book_pairs(book);

	(void)state;
	assert_true(node[0].a == port_make(TAG_CON, 0, 1)); /* #0(...) is (...) */
	assert_true(node[2].a == port_make(TAG_DUP, 0, 3));
	assert_true(node[4].a == port_make(TAG_CON, 65535, 5));
	assert_true(node[6].a == port_make(TAG_DUP, 7, 7));
	assert_true(node[6].b == port_make(TAG_CON, 12, 8));
	free(book);
}

static void a_reference_is_copied_only_by_what_its_definition_cannot_bring_forth(void **state)
{
	struct book *book = parse("@main = (@a (@b (@c (@d @e))))\n"
				  "@a = (x x)\n"
				  "@b = (@c ({x x} *))\n"
				  "@c = (@d *)\n"
				  "@d = (@c (@e *))\n" /* c and d are a circle */
				  "@e = #1(#3{x x} *)\n"
				  "@far = @main\n");
	const port con = port_make(TAG_CON, 0, 0), dup = port_make(TAG_DUP, 0, 0),
		   con1 = port_make(TAG_CON, 1, 0);
	const port dup1 = port_make(TAG_DUP, 1, 0), dup3 = port_make(TAG_DUP, 3, 0),
		   con9 = port_make(TAG_CON, 9, 0);
	static const char *const names[] = { "main", "a", "b", "c", "d", "e", "far" };
	/* per definition, in the order of names: what {..} #1(..) #3{..} do; C call, c copy, ! error */
	static const char *const rules[] = { "!CC", "ccc", "!CC", "cCC", "cCC", "cCC", "!CC" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		uint32_t id = book_find(book, names[i]);
		const port met[] = { dup, con1, dup3 };

		assert_int_equal(book_def(book, id)->safe, rules[i][0] == 'c');
		for (size_t m = 0; m < COUNT_OF(met); m++)
			assert_int_equal("Cc!"[book_ref_rule(book, id, met[m])], rules[i][m]);
		assert_int_equal(book_ref_rule(book, id, con), BOOK_CALL);
		assert_int_equal(book_ref_rule(book, id, port_make(TAG_OPR, 0, 0)), BOOK_CALL);
		assert_int_equal(book_ref_rule(book, id, port_make(TAG_SWI, 0, 0)), BOOK_CALL);
		assert_int_equal(book_ref_rule(book, id, dup1), BOOK_COPY);
		assert_int_equal(book_ref_rule(book, id, con9), BOOK_COPY);
	}
	free(book);
}

/* Circles within circles against the plain definition of "refers to, and so on". */
static void sets_of_labels_equal_a_plain_search(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 60; seed++) {
		enum { DEFS = 24 };
		bool refers[DEFS][DEFS] = { { false } };
		char text[8192];
		size_t n = (size_t)sprintf(text, "@main = *\n");
		struct book *book;

		srand(seed);
		for (int d = 0; d < DEFS; d++) {
			n += (size_t)sprintf(text + n, "@d%02d = #%d(* ", d, d + 1);
			for (int r = rand() % 3; r > 0; r--) {
				int to = rand() % DEFS;

				refers[d][to] = true;
				n += (size_t)sprintf(text + n, "(@d%02d ", to);
			}
			text[n++] = '*';
			for (size_t i = n - 2; text[i] != '='; i--)
				if (text[i] == '(' && text[i + 1] == '@')
					text[n++] = ')';
			n += (size_t)sprintf(text + n, ")\n");
		}
		for (int k = 0; k < DEFS; k++) /* Warshall */
			for (int i = 0; i < DEFS; i++)
				for (int j = 0; j < DEFS; j++)
					refers[i][j] |= refers[i][k] && refers[k][j];
		book = parse(text);
		for (uint32_t i = 0; i < DEFS; i++)
			for (uint32_t j = 0; j < DEFS; j++)
				assert_int_equal(book_brings(book, i + 1, (j + 1) * 2),
						 i == j || refers[i][j]);
		free(book);
	}
}

static void what_is_wrong_is_said_with_line_and_column(void **state)
{
	static const struct bad bads[] = {
		{ "", 0, 0, "there is no definition of @main" },
		{ "@main1 = *", 0, 0, "there is no definition of @main" },
		{ "main = *", 1, 1, "expected a definition, like @main = *; found `m`" },
		{ "@main = *\n  x", 2, 3, "found `x`" },
		{ "@ = *", 1, 3, "expected the name of a definition after `@`; found `=`" },
		{ "@main", 1, 6, "expected `=` after the name of a definition; found the end of the text" },
		{ "@main *", 1, 7, "expected `=`" },
		{ "@main =", 1, 8, "a tree is missing here: found the end of the text" },
		{ "@main = (a b", 1, 9, "what is opened here is never closed by `)`" },
		{ "@main = (a (b c)", 1, 9, "never closed by `)`" },
		{ "@main = (a\n{b c", 2, 1, "never closed by `}`" },
		{ "@main = (a b\n@x = *", 2, 1,
		  "expected `)` to close what was opened at line 1, column 9; found `@`" },
		{ "@main = (a b}", 1, 13,
		  "expected `)` to close what was opened at line 1, column 9; found `}`" },
		{ "@main = {a b)", 1, 13, "expected `}`" },
		{ "@main = (a b c)", 1, 14, "expected `)`" },
		{ "@main = (a)", 1, 11, "a tree is missing here: found `)`" },
		{ "@main = ()", 1, 10, "a tree is missing here" },
		{ "@main = $[+]", 1, 9, "`$` is followed by `(`" },
		{ "@main = ?{a b}", 1, 9, "`?` is followed by `(`" },
		{ "@main = #(a a)", 1, 9, "`#` is followed by a label" },
		{ "@main = #1", 1, 9, "`#` is followed by a label" },
		{ "@main = #1 a", 1, 9, "`#` is followed by a label" },
		{ "@main = #65536(a a)", 1, 9, "a label is a number from 0 to 65535" },
		{ "@main = #99999999999999999999{a a}", 1, 9, "a label is a number from 0 to 65535" },
		{ "@main = * & a", 1, 14, "expected `~` after the left side of `&`" },
		{ "@main = * & ~ *", 1, 13, "a tree is missing here: found `~`" },
		{ "@main = * & * ~", 1, 16, "a tree is missing here" },
		{ "@main = x", 1, 9, "variable `x` occurs once; every variable occurs exactly twice" },
		{ "@main = (x (y (x z)))\n", 1, 13, "variable `y` occurs once" },
		{ "@main = (x\n (x x))", 2, 5,
		  "variable `x` occurs a third time; every variable occurs exactly twice" },
		{ "@main = a @x = a", 1, 9, "variable `a` occurs once" },
		{ "@main = (@a\n  @b/c)\n@a = *", 2, 3, "nothing defines @b/c" },
		{ "@main = @", 1, 9, "`@` without a name" },
		{ "@main = @ x", 1, 9, "`@` without a name" },
		{ "@main = [+", 1, 9, "not closed by `]`" },
		{ "@main = [?]", 1, 9, "not an operator" },
		{ "@main = [+-]", 1, 9, "a number needs a digit" },
		{ "@main = +x", 1, 9, "a number needs a digit" },
		{ "@main = 1.2.3", 1, 9, "not a floating number" },
		{ "@main = 99999999999999999999", 1, 9, "more than 64 bits" },
		{ "@main = \x01", 1, 9, "byte 0x01" },
		{ "@main = \xc3\xa9", 1, 9, "found `\xc3\xa9`" },
		{ "@main = \xff", 1, 9, "byte 0xff is not UTF-8" },
		{ "@main = * //\xc3", 1, 13, "byte 0xc3 is not UTF-8" },
		{ "@main = * //\xc0\x80", 1, 13, "byte 0xc0 is not UTF-8" },
		{ "@main = *\n//\xed\xa0\x80", 2, 3, "byte 0xed is not UTF-8" },
		{ "@main = *\n//\xf4\x90\x80\x80", 2, 3, "byte 0xf4 is not UTF-8" },
		{ "@main = /", 1, 9, "variable `/` occurs once" },
		{ "@main = * /", 1, 11, "expected a definition" },
		{ "@main = \"x\"", 1, 9, "found `\"`" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++)
		check_bad(&bads[i], strlen(bads[i].text));
	check_bad(&(struct bad){ "@main = *\n \0", 2, 2, "a NUL byte" }, 12);
}

static void a_long_name_is_shortened_in_the_message(void **state)
{
	char text[5000] = "@main = ";
	struct text_error error;
	struct book *book;

	(void)state;
	memset(text + 8, 'x', 4000);
	assert_int_equal(text_parse(text, strlen(text), &book, &error), -EBADMSG);
	assert_true(strlen(error.what) < 150);
	assert_non_null(strstr(error.what, "occurs once; every variable occurs exactly twice"));
}

/* Every prefix of a program is an error or a program, and says so without touching a byte beyond its end. */
static void every_prefix_ends_in_a_book_or_a_message(void **state)
{
	static const char text[] =
		"@main = #1(a {b $([:-0x1] ?(a [u24]))}) // \xe2\x82\xac\n &! @x ~ (b -1.5e-3)\n@x = [ + ]";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1); /* AddressSanitizer sees a step too far */
		struct text_error error;
		struct book *book;
		int ret;

		memcpy(copy, text, n);
		ret = text_parse(copy, n, &book, &error);
		assert_true(ret == -EBADMSG || ret == 0);
		assert_true(ret == 0 ? book != NULL : strlen(error.what) > 0);
		free(book);
		free(copy);
	}
}

/* ---- large texts -------------------------------------------------------------------------------- */

static char *repeat(char *to, const char *what, size_t times)
{
	size_t n = strlen(what);

	for (; times > 0; times--, to += n)
		memcpy(to, what, n);
	return to;
}

static void a_million_levels_of_nesting_are_no_problem(void **state)
{
	const size_t levels = 1000000;
	char *text = malloc(levels * 8 + 64), *end;
	struct text_error error;
	struct book *book;
	const char *why;

	(void)state;
	end = repeat(text, "@main = ", 1); /* leaning to the left */
	end = repeat(end, "(", levels);
	end = repeat(end, "*", 1);
	end = repeat(end, " *)", levels);
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(book_def(book, 0)->nodes, levels);
	assert_int_equal(book_check(book, book->size, &why), 0);
	free(book);

	end = repeat(text, "@main = ", 1); /* leaning to the right */
	end = repeat(end, "{* ", levels);
	end = repeat(end, "*", 1);
	end = repeat(end, "}", levels);
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(book_def(book, 0)->nodes, levels);
	free(book);

	assert_int_equal(text_parse(text, (size_t)(end - text) - 1, &book, &error),
			 -EBADMSG); /* one not closed */
	assert_int_equal(error.where.column, 9);
	free(text);
}

static void a_chain_of_a_hundred_thousand_definitions_is_no_problem(void **state)
{
	const unsigned defs = 100000;
	char *text = malloc(defs * 40u), *end = text;
	struct text_error error;
	struct book *book;

	(void)state;
	for (unsigned i = 0; i < defs; i++)
		end += sprintf(end, "@d%u = (@d%u *)\n", i, i + 1);
	end += sprintf(end, "@d%u = {* *}\n@main = @d0\n", defs);
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(book->defs, defs + 2);
	for (uint32_t id = 0; id < book->defs; id++)
		assert_false(book_def(book, id)->safe);
	free(book);
	free(text);
}

static void sixty_thousand_labels_and_definitions_are_no_problem(void **state)
{
	const unsigned defs = 60000;
	char *text = malloc(defs * 48u), *end = text;
	struct text_error error;
	struct book *book;
	unsigned copied = 0;

	(void)state;
	for (unsigned i = 0; i < defs; i++)
		end += sprintf(end, "@d%u = #%u(* #%u{* *})\n", i, i + 1, i + 1);
	end += sprintf(end, "@main = *\n");
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_true(book->size < ((size_t)1 << 28)); /* sets shared some bits */
	for (unsigned i = 0; i < defs; i += 777) {
		char name[16];
		uint32_t id;

		sprintf(name, "d%u", i);
		id = book_find(book, name);
		assert_int_equal(book_ref_rule(book, id, port_make(TAG_CON, i + 1, 0)),
				 BOOK_CALL); /* never wrong */
		assert_int_equal(book_ref_rule(book, id, port_make(TAG_DUP, i + 1, 0)), BOOK_CALL);
		copied += book_ref_rule(book, id, port_make(TAG_DUP, (i + 31) % defs + 1, 0)) == BOOK_COPY;
	}
	assert_true(copied > 0);
	free(book);
	free(text);
}

static void a_million_variables_in_one_definition_are_no_problem(void **state)
{
	const unsigned vars = LONG_LOOP(1000000);
	char *text = malloc(vars * 24u + 64), *end;
	struct text_error error;
	struct book *book;

	(void)state;
	end = text + sprintf(text, "@main = ");
	for (unsigned i = 0; i < vars; i++)
		end += sprintf(end, "(v%x ", i);
	for (unsigned i = 0; i < vars; i++)
		end += sprintf(end, "(v%x ", vars - 1 - i);
	end = repeat(end, "*", 1);
	end = repeat(end, ")", vars * 2);
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(book_def(book, 0)->vars, vars);
	free(book);
	free(text);
}

/* With every amount of memory, from too little to enough: an answer. */
static int parse_with_little_memory(void *arg)
{
	const size_t levels = 40000;
	char *text, *end;
	unsigned refused = 0;

	(void)arg;
	mallopt(M_MMAP_THRESHOLD, 1 << 14); /* what is freed goes back to the kernel */
	malloc_trim(0);
	text = malloc(levels * 24 + 64);
	CHECK(text);
	end = text + sprintf(text, "@main = ");
	for (size_t i = 0; i < levels; i++)
		end += sprintf(end, i % 2 ? "(v%zu " : "{@d%zu ", i / 2);
	for (size_t i = 1; i < levels; i += 2)
		end += sprintf(end, "(v%zu ", i / 2);
	*end++ = '*';
	end = repeat(end, ")", levels / 2);
	end = repeat(end, ")}", levels / 2);
	for (size_t i = 0; i < levels; i += 2)
		end += sprintf(end, "@d%zu = *", i / 2);
	for (rlim_t more = 0;; more += 1 << 16) {
		struct rlimit limit;
		struct text_error error;
		struct book *book;
		size_t pages = 0;
		FILE *file = fopen("/proc/self/statm", "r");
		int ret;

		CHECK(file && fscanf(file, "%zu", &pages) == 1);
		fclose(file);
		CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
		limit.rlim_cur = pages * 4096 + more;
		CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
		ret = text_parse(text, (size_t)(end - text), &book, &error);
		limit.rlim_cur = RLIM_INFINITY;
		CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
		if (ret != -ENOMEM)
			CHECK(ret == 0 && book);
		free(book);
		if (ret == 0)
			break;
		refused++;
		malloc_trim(0);
	}
	CHECK(refused > 10);
	free(text);
	return 0;
}

static void too_little_memory_is_an_answer(void **state)
{
	(void)state;
#ifdef PLX_SAN
	skip(); /* its shadow needs all the addresses there are */
#endif
	assert_int_equal(run_in_child(parse_with_little_memory, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_definition_becomes_nodes_in_the_order_of_their_opening),
		cmocka_unit_test(main_is_first_and_the_others_follow_in_byte_order),
		cmocka_unit_test(a_later_definition_of_a_name_replaces_the_earlier),
		cmocka_unit_test(blanks_comments_and_hints_do_not_matter),
		cmocka_unit_test(labels_of_either_kind_of_node_are_read),
		cmocka_unit_test(a_reference_is_copied_only_by_what_its_definition_cannot_bring_forth),
		cmocka_unit_test(sets_of_labels_equal_a_plain_search),
		cmocka_unit_test(what_is_wrong_is_said_with_line_and_column),
		cmocka_unit_test(a_long_name_is_shortened_in_the_message),
		cmocka_unit_test(every_prefix_ends_in_a_book_or_a_message),
		cmocka_unit_test(a_million_levels_of_nesting_are_no_problem),
		cmocka_unit_test(a_chain_of_a_hundred_thousand_definitions_is_no_problem),
		cmocka_unit_test(sixty_thousand_labels_and_definitions_are_no_problem),
		cmocka_unit_test(a_million_variables_in_one_definition_are_no_problem),
		cmocka_unit_test(too_little_memory_is_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

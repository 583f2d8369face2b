/*
 * test_print.c - nets as text: names, labels, bound variables, circles, very long lists; and back again.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"
#include "tests/support/support.h"

/* A small net. */
struct net {
	struct pair nodes[64];
	port vars[64];
};

static struct pair net_node(const void *net, port p)
{
	return ((const struct net *)net)->nodes[port_index(p)];
}

static port net_var(const void *net, port p)
{
	return ((const struct net *)net)->vars[port_index(p)];
}

struct out {
	char *text;
	size_t length, max;
	size_t fail_at; /* refuse when so many bytes have come; 0: never */
};

static int out_put(void *to, const char *text, size_t length)
{
	struct out *out = to;

	assert_true(length > 0);
	if (out->fail_at && out->length + length >= out->fail_at)
		return -EPIPE;
	if (out->length + length + 1 > out->max) {
		out->max = (out->length + length) * 2 + 1;
		out->text = realloc(out->text, out->max);
		assert_non_null(out->text);
	}
	memcpy(out->text + out->length, text, length);
	out->length += length;
	out->text[out->length] = 0;
	return 0;
}

static int print_net(const struct net *net, port root, struct out *out)
{
	struct text_source source = { .node = net_node, .var = net_var, .net = net, .nodes_max = 64 };

	*out = (struct out){ 0 };
	return text_print(&source, root, out_put, out);
}

static void check(const struct net *net, port root, const char *expected)
{
	struct out out;

	assert_int_equal(print_net(net, root, &out), 0);
	assert_string_equal(out.text, expected);
	free(out.text);
}

static port con(uint64_t i)
{
	return port_make(TAG_CON, 0, i);
}

/* ---- from a book -------------------------------------------------------------------------------- */

static struct pair book_node(const void *net, port p)
{
	return book_pairs(net)[book_def(net, BOOK_MAIN)->first_node + port_index(p)];
}

/* A source of its own: local variables are never bound. */
static port book_var(const void *net, port p)
{
	(void)net;
	(void)p;
	return PORT_NONE;
}

static int print_main(const struct book *book, struct out *out)
{
	struct text_source source = {
		.node = book_node, .var = book_var, .net = book, .book = book, .nodes_max = book->nodes_max
	};

	return text_print(&source, book_def(book, BOOK_MAIN)->root, out_put, out);
}

/* What @main = @text prints as. */
static char *print_text(const char *text, const char *more)
{
	size_t n = strlen(text) + strlen(more) + 32;
	char *program = malloc(n);
	struct text_error error;
	struct out out = { 0 };
	struct book *book;

	snprintf(program, n, "@main = %s\n%s", text, more);
	if (text_parse(program, strlen(program), &book, &error) < 0)
		fail_msg("%u:%u: %s\n%.200s", error.where.line, error.where.column, error.what, program);
	assert_int_equal(print_main(book, &out), 0);
	free(book);
	free(program);
	return out.text;
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void what_was_read_is_printed_as_it_was(void **state)
{
	static const char *const texts[] = {
		"*",
		"0",
		"-1.5",
		"@f/x",
		"(a a)",
		"(a (b (c {a {b {c *}}})))",
		"$([+] $(a a))",
		"?(((* 1) @f/x) (2.0 +3))",
		"#1(a #65535{a *})",
		"#2(#3{a b} #4(b a))",
		"([u24] ([:-0x0000005] ([<<] +inf)))",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		char *text = print_text(texts[i], "@f/x = *");

		assert_string_equal(text, texts[i]);
		free(text);
	}
}

static void variables_are_named_in_order_of_first_occurrence(void **state)
{
	char text[60000], *end = text, *once, *twice;
	const int vars = 1500;

	(void)state;
	for (int i = 0; i < vars; i++)
		end += sprintf(end, "(v%d ", i);
	end += sprintf(end, "*");
	for (int i = 0; i < vars; i++)
		end += sprintf(end, ")");
	memmove(text + 1, text, (size_t)(end - text) + 1);
	text[0] = '{'; /* the list twice, so that each occurs twice */
	end++;
	*end++ = ' ';
	memcpy(end, text + 1, (size_t)(end - text) - 2);
	end += end - text - 2;
	*end++ = '}';
	*end = 0;
	once = print_text(text, "");
	assert_non_null(strstr(once, "{(a (b (c "));
	assert_non_null(strstr(once, "(y (z (aa (ab "));
	assert_non_null(strstr(once, "(az (ba "));
	assert_non_null(strstr(once, "(zz (aaa (aab "));
	twice = print_text(once, "");
	assert_string_equal(once, twice);
	free(once);
	free(twice);
}

static void no_variable_is_named_like_a_number(void **state)
{
	struct out out = { 0 };
	struct text_error error;
	struct book *book;
	const int vars = 7000; /* inf would be the 6428th */
	char *text = malloc(200000), *end = text;

	(void)state;
	end += sprintf(end, "@main = ");
	for (int i = 0; i < vars; i++)
		end += sprintf(end, "(v%d (v%d ", i, i);
	*end++ = '*';
	memset(end, ')', (size_t)vars * 2);
	end += vars * 2;
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(print_main(book, &out), 0);
	assert_non_null(strstr(out.text, " (ine (ine (ing (ing "));
	assert_null(strstr(out.text, "(inf"));
	free(out.text);
	free(book);
	free(text);
}

static void a_bound_variable_is_what_it_is_bound_to(void **state)
{
	struct net net = {
		.nodes = { [1] = { port_var(1), con(2) }, [2] = { port_var(4), port_var(2) } },
		.vars = { [1] = port_var(2),
			  [3] = con(1),
			  [4] = port_var(5),
			  [5] = num_u24(7),
			  [6] = PORT_ERA },
	};

	(void)state;
	check(&net, port_var(3), "(a (7 a))"); /* 1 is bound to the free 2 */
	check(&net, port_var(6), "*");
	check(&net, port_var(9), "a");
	check(&net, port_ref(3), "@?"); /* there is no book */
}

static void a_circle_is_an_error_and_not_a_hang(void **state)
{
	struct net net = {
		.nodes = { [1] = { PORT_ERA, con(1) }, [2] = { port_var(8), PORT_ERA } },
		.vars = { [1] = port_var(1),
			  [2] = port_var(3),
			  [3] = port_var(4),
			  [4] = port_var(3),
			  [5] = port_var(6),
			  [6] = port_var(7),
			  [7] = port_var(5),
			  [8] = con(2) },
	};
	struct out out;

	(void)state;
	assert_int_equal(print_net(&net, con(1), &out), -ELOOP);
	free(out.text);
	assert_int_equal(print_net(&net, port_var(8), &out), -ELOOP);
	free(out.text);
	for (uint64_t v = 1; v <= 7; v++) {
		assert_int_equal(print_net(&net, port_var(v), &out), -ELOOP);
		free(out.text);
	}
}

static void a_long_chain_of_bound_variables_is_no_circle(void **state)
{
	struct net net = { .vars = { [63] = num_u24(1) } };

	(void)state;
	for (uint64_t start = 62; start > 0; start--) {
		net.vars[start] = port_var(start + 1);
		check(&net, port_var(start), "1");
	}
}

static void what_the_receiver_says_ends_the_printing(void **state)
{
	const size_t levels = 20000;
	char *text = malloc(levels * 8), *end = text;
	struct text_error error;
	struct out out = { .fail_at = 10000 };
	struct book *book;

	(void)state;
	end += sprintf(end, "@main = ");
	for (size_t i = 0; i < levels; i++)
		end += sprintf(end, "(1 ");
	*end++ = '*';
	memset(end, ')', levels);
	end += levels;
	assert_int_equal(text_parse(text, (size_t)(end - text), &book, &error), 0);
	assert_int_equal(print_main(book, &out), -EPIPE);
	assert_true(out.length < 10000);
	free(out.text);
	free(book);
	free(text);
}

/* ---- large nets, made up as they are asked for -------------------------------------------------- */

struct list {
	uint64_t length;
	bool left; /* leaning to the left */
};

/* Element i: a number, and the next one; the last is an eraser. */
static struct pair list_node(const void *net, port p)
{
	const struct list *list = net;
	uint64_t i = port_index(p);
	port next = i == list->length ? PORT_ERA : con(i + 1);

	return list->left ? (struct pair){ next, num_u24((uint32_t)i % 10) }
			  : (struct pair){ num_u24((uint32_t)i % 10), next };
}

static int count_put(void *to, const char *text, size_t length)
{
	(void)text;
	*(size_t *)to += length;
	return 0;
}

static void ten_million_elements_are_printed_without_recursion(void **state)
{
	struct list list = { .length = LONG_LOOP(10000000) };
	struct text_source source = {
		.node = list_node, .var = book_var, .net = &list, .nodes_max = list.length
	};
	size_t length = 0;

	(void)state;
	assert_int_equal(text_print(&source, con(1), count_put, &length), 0);
	assert_int_equal(length, list.length * 4 + 1);
	list.left = true;
	length = 0;
	assert_int_equal(text_print(&source, con(1), count_put, &length), 0);
	assert_int_equal(length, list.length * 4 + 1);
	source.nodes_max--;
	assert_int_equal(text_print(&source, con(1), count_put, &length), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_printed_as_it_was),
		cmocka_unit_test(variables_are_named_in_order_of_first_occurrence),
		cmocka_unit_test(no_variable_is_named_like_a_number),
		cmocka_unit_test(a_bound_variable_is_what_it_is_bound_to),
		cmocka_unit_test(a_circle_is_an_error_and_not_a_hang),
		cmocka_unit_test(a_long_chain_of_bound_variables_is_no_circle),
		cmocka_unit_test(what_the_receiver_says_ends_the_printing),
		cmocka_unit_test(ten_million_elements_are_printed_without_recursion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

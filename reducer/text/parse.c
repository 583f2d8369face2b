/*
 * parse.c - the grammar of the .hvm text format, read without recursion.
 *
 *	book := { "@" name "=" net }
 *	net  := tree { "&" [ "!" ] tree "~" tree }
 *	tree := ( "(" | "{" | "#" n "(" | "#" n "{" | "$(" | "?(" ) tree tree close | "@" name | "*" | number | name
 *
 * A node gets its place in the array of cells when its opening sign is read, so nodes are numbered in the order of
 * their opening; until it is closed it waits on a stack of our own. A tree is whatever comes next; each finished tree
 * falls into the node on top of the stack as its first or second, and the second one closes the node, which makes that
 * a finished tree.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/parse.h"

#define NAME_SHOWN 64 /* bytes of a name in a message */

static int parse_grow(void **items, uint32_t *items_max, size_t item_size)
{
	uint32_t count = *items_max < 64 ? 64 : *items_max < UINT32_MAX / 2 ? *items_max * 2 : UINT32_MAX;
	void *grown;

	if (count == *items_max)
		return -ENOMEM;
	grown = reallocarray(*items, count, item_size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*items_max = count;
	return 0;
}

/* Make room for one more item; the place of the item. */
#define PARSE_ROOM(array)                                                                                    \
	((array).count < (array).items_max                                                                   \
		 ? 0                                                                                         \
		 : parse_grow((void **)&(array).items, &(array).items_max, sizeof((array).items[0])))

static int name_shown(uint32_t length)
{
	return length < NAME_SHOWN ? (int)length : NAME_SHOWN;
}

/* ---- leaves ------------------------------------------------------------------------------------- */

static int parse_var(struct parse *parse, port *out)
{
	struct scan *scan = &parse->scan;
	uint32_t length = scan_name(scan), number;
	char seen[16];
	int ret;

	if (length == 0)
		return scan_fail(scan, scan->at, "a tree is missing here: found %s", scan_seen(scan, seen));
	ret = names_add(&parse->vars, scan->at, length, &number);
	if (ret < 0)
		return ret;
	if (++parse->vars.items[number].value > 2)
		return scan_fail(scan, scan->at,
				 "variable `%.*s` occurs a third time; every variable occurs exactly twice",
				 name_shown(length), scan->text + scan->at);
	scan->at += length;
	*out = port_var(number);
	return 0;
}

static int parse_ref(struct parse *parse, port *out)
{
	struct scan *scan = &parse->scan;
	uint32_t at = scan->at++, length = scan_name(scan), number;
	int ret;

	if (length == 0)
		return scan_fail(scan, at, "`@` without a name");
	ret = names_add(&parse->defined, scan->at, length, &number);
	if (ret < 0)
		return ret;
	ret = PARSE_ROOM(parse->refs);
	if (ret < 0)
		return ret;
	parse->refs.items[parse->refs.count++] = (struct parse_ref){ .name = number, .at = at };
	scan->at += length;
	*out = port_ref(number);
	return 0;
}

static int parse_num(struct parse *parse, port *out)
{
	struct scan *scan = &parse->scan;
	const char *why = NULL;
	size_t used;

	if (num_parse(scan->text + scan->at, scan->length - scan->at, &used, out, &why) < 0)
		return scan_fail(scan, scan->at, "%s", why);
	scan->at += (uint32_t)used;
	return 0;
}

/* ---- nodes -------------------------------------------------------------------------------------- */

/* The 7 of #7( or #7{; stays at the bracket. */
static int parse_label(struct parse *parse, uint32_t *label)
{
	struct scan *scan = &parse->scan;
	uint32_t at = scan->at++, value = 0, digits = 0;
	char c = scan_next(scan);

	for (; c >= '0' && c <= '9'; c = ++scan->at < scan->length ? scan->text[scan->at] : 0) {
		value = value * 10 + (uint32_t)(c - '0');
		digits++;
		if (value > PORT_LABEL_MAX)
			return scan_fail(scan, at, "a label is a number from 0 to 65535");
	}
	c = scan_next(scan);
	if (digits == 0 || (c != '(' && c != '{'))
		return scan_fail(scan, at, "`#` is followed by a label and `(` or `{`, like #1(a b)");
	*label = value;
	return 0;
}

/* An opening sign: the node goes on the stack. */
static int parse_opening(struct parse *parse, char c)
{
	struct scan *scan = &parse->scan;
	struct parse_def *def = &parse->defs.items[parse->defs.count - 1];
	uint32_t at = scan->at, tag, label = 0;
	int ret = 0;

	if (c == '#')
		ret = parse_label(parse, &label);
	if (c == '$' || c == '?')
		scan->at++;
	if (ret == 0)
		ret = PARSE_ROOM(parse->nodes);
	if (ret == 0)
		ret = PARSE_ROOM(parse->open);
	if (ret < 0)
		return ret;
	if ((c == '$' || c == '?') && scan_next(scan) != '(')
		return scan_fail(scan, at, "`%c` is followed by `(`", c);
	tag = c == '$' ? TAG_OPR : c == '?' ? TAG_SWI : scan->text[scan->at] == '(' ? TAG_CON : TAG_DUP;
	scan->at++;
	parse->open.items[parse->open.count++] = (struct parse_open){
		.self = port_make(tag, label, parse->nodes.count++ - def->first_node),
		.at = at,
		.closer = tag == TAG_DUP ? '}' : ')',
	};
	return 0;
}

static int parse_closer(struct parse *parse, const struct parse_open *open)
{
	struct scan *scan = &parse->scan;
	struct plx_where where;
	char seen[16];
	char c = scan_next(scan);

	if (c == open->closer) {
		scan->at++;
		return 0;
	}
	if (c == 0)
		return scan_fail(scan, open->at, "what is opened here is never closed by `%c`", open->closer);
	where = scan_where(scan, open->at);
	return scan_fail(scan, scan->at,
			 "expected `%c` to close what was opened at line %u, column %u; found %s",
			 open->closer, where.line, where.column, scan_seen(scan, seen));
}

/* A finished tree falls into the open nodes and closes those for which it is the second; 1: none is open any more. */
static int parse_settle(struct parse *parse, port *tree)
{
	const struct parse_def *def = &parse->defs.items[parse->defs.count - 1];

	while (parse->open.count > 0) {
		struct parse_open *open = &parse->open.items[parse->open.count - 1];
		struct pair *cell = &parse->nodes.items[def->first_node + port_index(open->self)];
		int ret;

		if (!open->second) {
			cell->a = *tree;
			open->second = 1;
			return 0;
		}
		cell->b = *tree;
		ret = parse_closer(parse, open);
		if (ret < 0)
			return ret;
		*tree = open->self;
		parse->open.count--;
	}
	return 1;
}

static int parse_tree(struct parse *parse, port *tree)
{
	struct scan *scan = &parse->scan;
	int ret;

	do {
		char c = scan_next(scan);

		if (c == '(' || c == '{' || c == '$' || c == '?' || c == '#') {
			ret = parse_opening(parse, c);
			continue;
		}
		if (c == 0 && parse->open.count > 0)
			return parse_closer(parse, &parse->open.items[parse->open.count - 1]);
		if (c == '*') {
			scan->at++;
			*tree = PORT_ERA;
			ret = 0;
		} else if (c == '@') {
			ret = parse_ref(parse, tree);
		} else if ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '[') {
			ret = parse_num(parse, tree);
		} else {
			ret = parse_var(parse, tree);
		}
		if (ret == 0)
			ret = parse_settle(parse, tree);
	} while (ret == 0);
	return ret < 0 ? ret : 0;
}

/* ---- definitions -------------------------------------------------------------------------------- */

static int parse_sign(struct parse *parse, char sign, const char *after)
{
	struct scan *scan = &parse->scan;
	char seen[16];

	if (scan_next(scan) != sign)
		return scan_fail(scan, scan->at, "expected `%c` after %s; found %s", sign, after,
				 scan_seen(scan, seen));
	scan->at++;
	return 0;
}

static int parse_redex(struct parse *parse)
{
	struct scan *scan = &parse->scan;
	struct pair redex;
	int ret;

	scan->at++; /* & */
	if (scan_next(scan) == '!')
		scan->at++; /* a hint for other runtimes */
	ret = parse_tree(parse, &redex.a);
	if (ret == 0)
		ret = parse_sign(parse, '~', "the left side of `&`");
	if (ret == 0)
		ret = parse_tree(parse, &redex.b);
	if (ret == 0)
		ret = PARSE_ROOM(parse->redexes);
	if (ret == 0)
		parse->redexes.items[parse->redexes.count++] = redex;
	return ret;
}

/* Third occurrences were found on the way; now the first variable that has only one. */
static int parse_check_vars(struct parse *parse)
{
	for (uint32_t i = 0; i < parse->vars.count; i++) {
		const struct name *var = &parse->vars.items[i];

		if (var->value == 1)
			return scan_fail(&parse->scan, var->at,
					 "variable `%.*s` occurs once; every variable occurs exactly twice",
					 name_shown(var->length), parse->scan.text + var->at);
	}
	return 0;
}

static int parse_head(struct parse *parse)
{
	struct scan *scan = &parse->scan;
	struct parse_def def = { .at = scan->at };
	char seen[16];
	uint32_t length;
	int ret;

	if (scan->text[scan->at] != '@')
		return scan_fail(scan, scan->at, "expected a definition, like @main = *; found %s",
				 scan_seen(scan, seen));
	scan->at++;
	scan_next(scan);
	length = scan_name(scan);
	if (length == 0)
		return scan_fail(scan, scan->at, "expected the name of a definition after `@`; found %s",
				 scan_seen(scan, seen));
	ret = names_add(&parse->defined, scan->at, length, &def.name);
	if (ret == 0)
		ret = PARSE_ROOM(parse->defs);
	if (ret < 0)
		return ret;
	scan->at += length;
	def.first_node = parse->nodes.count;
	def.first_redex = parse->redexes.count;
	def.first_ref = parse->refs.count;
	parse->defs.items[parse->defs.count++] = def;
	parse->defined.items[def.name].value = parse->defs.count; /* the last one with a name counts */
	names_clear(&parse->vars);
	return parse_sign(parse, '=', "the name of a definition");
}

static int parse_definition(struct parse *parse)
{
	struct parse_def *def;
	port root;
	int ret = parse_head(parse);

	if (ret == 0)
		ret = parse_tree(parse, &root);
	while (ret == 0 && scan_next(&parse->scan) == '&')
		ret = parse_redex(parse);
	if (ret == 0)
		ret = parse_check_vars(parse);
	if (ret < 0)
		return ret;
	def = &parse->defs.items[parse->defs.count - 1];
	def->root = root;
	def->nodes = parse->nodes.count - def->first_node;
	def->redexes = parse->redexes.count - def->first_redex;
	def->refs = parse->refs.count - def->first_ref;
	def->vars = parse->vars.count;
	return 0;
}

int parse_program(struct parse *parse)
{
	struct scan *scan = &parse->scan;
	int ret = scan_bytes(scan);

	if (ret == 0 && scan->length >= 3 && memcmp(scan->text, "\xef\xbb\xbf", 3) == 0)
		scan->at = 3; /* a byte order mark */
	while (ret == 0 && scan_next(scan) != 0)
		ret = parse_definition(parse);
	return ret;
}

int text_parse(const char *text, size_t length, struct book **book, struct text_error *error)
{
	struct parse parse = { .scan = { .text = text, .length = (uint32_t)length, .error = error } };
	int ret;

	*book = NULL;
	*error = (struct text_error){ .what = "" };
	if (length >= UINT32_MAX)
		return scan_fail(&(struct scan){ .error = error }, 0, "a program of 4 GiB or more");
	names_init(&parse.defined, text);
	names_init(&parse.vars, text);
	ret = parse_program(&parse);
	if (ret == 0)
		ret = parse_assemble(&parse, book);
	names_fini(&parse.defined);
	names_fini(&parse.vars);
	free(parse.defs.items);
	free(parse.nodes.items);
	free(parse.redexes.items);
	free(parse.refs.items);
	free(parse.open.items);
	return ret;
}

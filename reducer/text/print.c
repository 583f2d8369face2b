/*
 * print.c - a net as text.
 *
 * The tree is walked with two stacks of our own: for each node whose text has begun, one byte that closes it, and as long
 * as its first tree is being printed also a byte SECOND and, on the other stack, the port of its second tree. So a list
 * costs one byte per element however long it is, and a tree leaning to the other side ten.
 *
 * A variable that is bound is never printed: what it is bound to is. The free ones get names in the order in which they
 * come, from a table that remembers who has which.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"

#define SECOND     's'
#define BUFFER_MAX 8192

struct print_var {
	port var;
	uint64_t number; /* 1 + number; 0: an empty place */
};

struct print {
	const struct text_source *source;
	int (*put)(void *to, const char *text, size_t length);
	void *to;

	char *marks;
	size_t marks_count, marks_max;
	port *seconds;
	size_t seconds_count, seconds_max;
	struct print_var *vars; /* open addressing, at most half full */
	size_t vars_count, vars_max;
	uint64_t vars_named; /* one name is left out */
	uint64_t nodes;

	size_t length;
	char buffer[BUFFER_MAX];
};

/* ---- output ------------------------------------------------------------------------------------- */

static int print_flush(struct print *print)
{
	size_t length = print->length;

	print->length = 0;
	return length ? print->put(print->to, print->buffer, length) : 0;
}

static int print_text(struct print *print, const char *text, size_t length)
{
	while (length > 0) {
		size_t room = sizeof(print->buffer) - print->length;
		size_t n = length < room ? length : room;

		memcpy(print->buffer + print->length, text, n);
		print->length += n;
		text += n;
		length -= n;
		if (print->length == sizeof(print->buffer)) {
			int ret = print_flush(print);

			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

/* ---- variables ---------------------------------------------------------------------------------- */

static size_t print_place(const struct print *print, port var)
{
	size_t i = (size_t)((var >> PORT_INDEX_SHIFT) * 0x9e3779b97f4a7c15u >> 20);

	for (;; i++) {
		i &= print->vars_max - 1;
		if (print->vars[i].number == 0 || print->vars[i].var == var)
			return i;
	}
}

static int print_grow_vars(struct print *print)
{
	struct print_var *old = print->vars;
	size_t old_max = print->vars_max, max = old_max ? old_max * 2 : 64;
	struct print_var *vars = calloc(max, sizeof(*vars));

	if (!vars)
		return -ENOMEM;
	print->vars = vars;
	print->vars_max = max;
	for (size_t i = 0; i < old_max; i++)
		if (old[i].number)
			vars[print_place(print, old[i].var)] = old[i];
	free(old);
	return 0;
}

/* a, b, ... z, aa, ab, ... */
static size_t print_name(uint64_t number, char text[16])
{
	char reversed[16];
	size_t n = 0;

	for (number++; number > 0; number = (number - 1) / 26)
		reversed[n++] = (char)('a' + (number - 1) % 26);
	for (size_t i = 0; i < n; i++)
		text[i] = reversed[n - 1 - i];
	return n;
}

static int print_var(struct print *print, port var)
{
	struct print_var *place;
	char text[16];
	size_t n;

	if (print->vars_count * 2 >= print->vars_max) {
		int ret = print_grow_vars(print);

		if (ret < 0)
			return ret;
	}
	place = &print->vars[print_place(print, var)];
	if (place->number == 0) {
		n = print_name(print->vars_named, text);
		if (n == 3 && memcmp(text, "inf", 3) == 0) /* others take it for a number */
			print->vars_named++;
		*place = (struct print_var){ .var = var, .number = ++print->vars_named };
		print->vars_count++;
	}
	n = print_name(place->number - 1, text);
	return print_text(print, text, n);
}

/*
 * What a port stands for once all substitutions are made. A circle of variables stands for nothing; a second look that
 * walks at half the pace would be met again in it.
 */
static int print_follow(const struct print *print, port *p)
{
	port slow = *p, next;

	for (uint64_t steps = 1; port_tag(*p) == TAG_VAR; steps++) {
		next = print->source->var(print->source->net, *p);
		if (next == PORT_NONE)
			return 0;
		*p = next;
		if (steps % 2 == 0)
			slow = print->source->var(print->source->net, slow);
		if (*p == slow && port_tag(slow) == TAG_VAR)
			return -ELOOP;
	}
	return 0;
}

/* ---- trees -------------------------------------------------------------------------------------- */

static int print_room(struct print *print)
{
	if (print->marks_count + 2 > print->marks_max) {
		size_t max = print->marks_max ? print->marks_max * 2 : 256;
		char *marks = realloc(print->marks, max);

		if (!marks)
			return -ENOMEM;
		print->marks = marks;
		print->marks_max = max;
	}
	if (print->seconds_count + 1 > print->seconds_max) {
		size_t max = print->seconds_max ? print->seconds_max * 2 : 64;
		port *seconds = realloc(print->seconds, max * sizeof(*seconds));

		if (!seconds)
			return -ENOMEM;
		print->seconds = seconds;
		print->seconds_max = max;
	}
	return 0;
}

/* The opening of a node; its first tree comes next. */
static int print_open(struct print *print, port *p)
{
	struct pair cell;
	char text[16];
	int n = 0, ret;

	if (print->nodes++ >= print->source->nodes_max)
		return -ELOOP;
	ret = print_room(print);
	if (ret < 0)
		return ret;
	if (port_label(*p))
		n = sprintf(text, "#%u", port_label(*p));
	if (port_tag(*p) == TAG_OPR || port_tag(*p) == TAG_SWI)
		text[n++] = port_tag(*p) == TAG_OPR ? '$' : '?';
	text[n++] = port_tag(*p) == TAG_DUP ? '{' : '(';
	cell = print->source->node(print->source->net, *p);
	print->marks[print->marks_count++] = port_tag(*p) == TAG_DUP ? '}' : ')';
	print->marks[print->marks_count++] = SECOND;
	print->seconds[print->seconds_count++] = cell.b;
	*p = cell.a;
	return print_text(print, text, (size_t)n);
}

static int print_leaf(struct print *print, port p)
{
	const struct book *book = print->source->book;
	char text[48];
	const char *name;
	int ret;

	switch (port_tag(p)) {
	case TAG_VAR: return print_var(print, p);
	case TAG_NUM: return print_text(print, text, num_print(p, text));
	case TAG_REF:
		name = book && port_index(p) < book->defs ? book_name(book, (uint32_t)port_index(p)) : "?";
		ret = print_text(print, "@", 1);
		return ret < 0 ? ret : print_text(print, name, strlen(name));
	case TAG_ERA: return print_text(print, "*", 1);
	default: return print_text(print, "?", 1);
	}
}

static int print_tree(struct print *print, port p)
{
	for (;;) {
		int ret = print_follow(print, &p);

		if (ret == 0 && port_is_node(p)) {
			ret = print_open(print, &p);
			if (ret == 0)
				continue;
		}
		if (ret == 0)
			ret = print_leaf(print, p);
		while (ret == 0 && print->marks_count > 0 && print->marks[print->marks_count - 1] != SECOND)
			ret = print_text(print, &print->marks[--print->marks_count], 1);
		if (ret < 0 || print->marks_count == 0)
			return ret;
		print->marks_count--;
		p = print->seconds[--print->seconds_count];
		ret = print_text(print, " ", 1);
		if (ret < 0)
			return ret;
	}
}

int text_print(const struct text_source *source, port root,
	       int (*put)(void *to, const char *text, size_t length), void *to)
{
	struct print print = { .source = source, .put = put, .to = to };
	int ret = print_tree(&print, root);

	if (ret == 0)
		ret = print_flush(&print);
	free(print.marks);
	free(print.seconds);
	free(print.vars);
	return ret;
}

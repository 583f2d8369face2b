/*
 * report_net.c - are two printed nets the same? Variables may have any names, as long as they are used alike.
 *
 * Both texts are read token by token, side by side. A name that stands for a variable is looked up in its own text's table
 * and must have been seen first at the same place as its counterpart: that is a number, counting first occurrences.
 */
#include "reducer/report.h"

#include <stdlib.h>
#include <string.h>

struct name {
	const char *at; /* NULL: free */
	size_t length;
	uint64_t number;
};

struct names {
	struct name *table;
	size_t size; /* a power of two */
	size_t used;
};

struct token {
	const char *at;
	size_t length; /* 0: the end */
	bool is_name;
};

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.' || c == '/' || c == '$' || c == '-' || c == '+';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Numbers begin with a digit or a sign, references with @; a $ before a bracket is an operator's. */
static struct token next(const char **text)
{
	const char *p = *text + strspn(*text, " \t\r\n");
	struct token token = { .at = p };

	if (*p == '[') {
		const char *end = strchr(p, ']');

		token.length = end ? (size_t)(end - p) + 1 : strlen(p);
	} else if (*p == '@' || *p == '#' || is_digit(*p) || *p == '+' || *p == '-') {
		token.length = 1;
		while (in_word(p[token.length]))
			token.length++;
	} else if (in_word(*p) && !(*p == '$' && p[1] == '(')) {
		token.is_name = true;
		while (in_word(p[token.length]))
			token.length++;
	} else if (*p != '\0') {
		token.length = 1;
	}
	*text = p + token.length;
	return token;
}

static uint64_t hash(const char *at, size_t length)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)at[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static struct name *find(struct names *names, const char *at, size_t length)
{
	size_t i = hash(at, length) & (names->size - 1);

	while (names->table[i].at &&
	       (names->table[i].length != length || memcmp(names->table[i].at, at, length) != 0))
		i = (i + 1) & (names->size - 1);
	return &names->table[i];
}

static bool grow(struct names *names)
{
	struct names larger = { .size = names->size ? 2 * names->size : 64, .used = names->used };

	larger.table = calloc(larger.size, sizeof(larger.table[0]));
	if (!larger.table)
		return false;
	for (size_t i = 0; i < names->size; i++)
		if (names->table[i].at)
			*find(&larger, names->table[i].at, names->table[i].length) = names->table[i];
	free(names->table);
	*names = larger;
	return true;
}

/* The number of a variable: how many others were seen before it. */
static bool number(struct names *names, const struct token *token, uint64_t *value)
{
	struct name *name;

	if (2 * (names->used + 1) > names->size && !grow(names))
		return false;
	name = find(names, token->at, token->length);
	if (!name->at)
		*name = (struct name){ token->at, token->length, names->used++ };
	*value = name->number;
	return true;
}

int report_same_net(const char *a, const char *b)
{
	struct names in_a = { 0 }, in_b = { 0 };
	struct token x, y;
	int ret;

	do {
		uint64_t m = 0, n = 0;

		x = next(&a);
		y = next(&b);
		if (x.is_name && y.is_name)
			ret = !number(&in_a, &x, &m) || !number(&in_b, &y, &n) ? -ENOMEM : m == n;
		else
			ret = x.is_name == y.is_name && x.length == y.length &&
			      memcmp(x.at, y.at, x.length) == 0;
	} while (ret == 1 && x.length > 0);
	free(in_a.table);
	free(in_b.table);
	return ret;
}

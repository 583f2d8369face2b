/*
 * calls.c - programs of functions, as compilers make them, and a little beside that.
 *
 *	@f2 = (?((ZERO @f2s) x) x)      @f2s = (less (a (b RESULT))) & @f2 ~ (less (...)) & ...
 *
 * A body is written first, and each use of an argument gets a name of its own; then it is known what stands where the argument is
 * bound: a tree of duplicators, or an eraser.
 */
#include "tests/reducer/support/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS 4u /* the first is the number to count down */
#define FUNCTIONS 4u

struct body {
	uint64_t *seed;
	FILE *links;              /* redexes */
	uint32_t function;        /* which may be called, and all below it */
	uint32_t arguments;       /* of this body */
	uint32_t uses[ARGUMENTS]; /* so far */
	uint32_t wires;
	uint32_t calls; /* that may still be made */
	const uint32_t *arity;
};

static uint32_t roll(uint64_t *seed, uint32_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33) % below;
}

static const char *pick(uint64_t *seed, const char *const *from, uint32_t n)
{
	return from[roll(seed, n)];
}
#define PICK(seed, from) pick(seed, from, sizeof(from) / sizeof(*(from)))

static const char *number(uint64_t *seed)
{
	static const char *const common[] = { "0", "1", "2", "3", "7", "16777215" };
	static const char *const odd[] = {
		"+3", "-2", "1.5", "[+5]", "[:-2]", "[+]", "[u24]", "[f24]", "[<3]"
	};

	return roll(seed, 12) ? PICK(seed, common) : PICK(seed, odd);
}

static const char *operator(uint64_t *seed)
{
	static const char *const common[] = {
		"[+]", "[-]", "[*]", "[=]", "[<]", "[>]", "[+]", "[+1]", "[*2]"
	};
	static const char *const odd[] = { "[:-]", "[&]",   "[^]", "[:<<]", "[%]", "[:/]",
					   "[!]",  "[i24]", "3",   "[:-4]", "+3",  "[%3]" };

	return roll(seed, 8) ? PICK(seed, common) : PICK(seed, odd);
}

static char *text_of(const char *format, uint32_t a, uint32_t b)
{
	char *text;

	if (asprintf(&text, format, a, b) < 0)
		abort();
	return text;
}

static char *value(struct body *b, uint32_t depth);

static char *use(struct body *b, uint32_t argument)
{
	return text_of("i%u_%u", argument, b->uses[argument]++);
}

/* A call of @function, counting from @count; its result. Now and then with too few arguments, or too many. */
static char *call(struct body *b, uint32_t function, char *count, uint32_t depth)
{
	uint32_t n = b->arity[function];
	char *to = text_of("w%u", b->wires++, 0), *argument[ARGUMENTS + 1];

	if (roll(b->seed, 16) == 0)
		n += roll(b->seed, 2) ? 1u : n > 0 ? -1u : 0u;
	for (uint32_t i = 0; i < n; i++)
		argument[i] = value(b, depth - 1);
	fprintf(b->links, "\n  & @f%u ~ %s(%s ", function, roll(b->seed, 40) ? "" : "#1", count);
	for (uint32_t i = 0; i < n; i++)
		fprintf(b->links, "(%s ", argument[i]);
	fprintf(b->links, "%s", to);
	for (uint32_t i = 0; i <= n; i++)
		fputc(')', b->links);
	while (n-- > 0)
		free(argument[n]);
	free(count);
	return to;
}

static char *operate(struct body *b, uint32_t depth)
{
	char *left = value(b, depth - 1), *to = text_of("w%u", b->wires++, 0);

	if (roll(b->seed, 2)) {
		char *right = value(b, depth - 1);

		fprintf(b->links, "\n  & %s ~ $(%s $(%s %s))", left, operator(b->seed), right, to);
		free(right);
	} else {
		fprintf(b->links, "\n  & %s ~ $([%c%u] %s)", left, "+-*<"[roll(b->seed, 4)], roll(b->seed, 5),
			to);
	}
	free(left);
	return to;
}

static char *odd(struct body *b, uint32_t depth)
{
	static const char *const format[] = { "(%s %s)",   "{%s %s}",  "#1(%s %s)",
					      "#2{%s %s}", "$(%s %s)", "?(%s %s)" };
	char *left, *right, *both;

	if (roll(b->seed, 3) == 0)
		return text_of(roll(b->seed, 2) ? "*" : "@f%u", roll(b->seed, b->function + 1), 0);
	left = value(b, depth - 1);
	right = value(b, depth - 1);
	if (asprintf(&both, PICK(b->seed, format), left, right) < 0)
		abort();
	free(left);
	free(right);
	return both;
}

/* Something that stands where a value is wanted. */
static char *value(struct body *b, uint32_t depth)
{
	const uint32_t what = roll(b->seed, 20);

	if (depth > 0 && what < 6)
		return operate(b, depth);
	if (depth > 0 && what == 6 && roll(b->seed, 2))
		return odd(b, depth);
	if (depth > 0 && what < 9 && b->calls > 0 && b->function > 0) {
		b->calls--;
		return call(b, roll(b->seed, b->function), text_of("%u", roll(b->seed, 3), 0), depth);
	}
	if (what < 16 && b->arguments > 0)
		return use(b, roll(b->seed, b->arguments));
	return strdup(number(b->seed));
}

/* Where an argument is bound: one name for each use, some of them behind an operator. */
static void bind(struct body *b, FILE *out, uint32_t argument, uint32_t from)
{
	const uint32_t uses = b->uses[argument];

	if (uses == 0) {
		fputc('*', out);
	} else if (from + 1 < uses) {
		fputc('{', out);
		bind(b, out, argument, from + 1);
		fprintf(out, " i%u_%u}", argument, from);
	} else if (roll(b->seed, 4) == 0) {
		fprintf(out, "$([%c%u] i%u_%u)", "+*"[roll(b->seed, 2)], roll(b->seed, 3), argument, from);
	} else {
		fprintf(out, "i%u_%u", argument, from);
	}
}

/* (argument (argument ... result)), and its redexes. */
static void function_body(FILE *out, uint64_t *seed, const uint32_t *arity, uint32_t function, bool recurs)
{
	char *links, *result;
	size_t length;
	struct body b = { .seed = seed,
			  .function = function,
			  .arguments = arity[function] + 1,
			  .calls = 2,
			  .arity = arity,
			  .links = open_memstream(&links, &length) };

	result = recurs && roll(seed, 3) ? call(&b, function, use(&b, 0), 2) : value(&b, 3);
	if (recurs && roll(seed, 3)) {
		char *other = call(&b, function, use(&b, 0), 2), *to = text_of("w%u", b.wires++, 0);

		fprintf(b.links, "\n  & %s ~ $(%s $(%s %s))", result, operator(seed), other, to);
		free(result);
		free(other);
		result = to;
	}
	for (uint32_t i = 0; i < b.arguments; i++) {
		fputc('(', out);
		bind(&b, out, i, 0);
		fputc(' ', out);
	}
	fputs(result, out);
	for (uint32_t i = 0; i < b.arguments; i++)
		fputc(')', out);
	fclose(b.links);
	fputs(links, out);
	fputc('\n', out);
	free(links);
	free(result);
}

static void function(FILE *out, uint64_t *seed, const uint32_t *arity, uint32_t f)
{
	static const char *const open[] = { "{", "#1(", "#1{" };
	const uint32_t odd = roll(seed, 30);

	if (roll(seed, 6) == 0) { /* no switch: it is called, and that is it */
		fprintf(out, "@f%u = ", f);
		function_body(out, seed, arity, f, false);
		return;
	}
	fprintf(out, "@f%u = %s?((@f%uz @f%us) x) x%c\n", f, odd < 3 ? open[odd] : "(", f, f,
		odd == 0 || odd == 2 ? '}' : ')');
	fprintf(out, "@f%us = ", f);
	function_body(out, seed, arity, f, roll(seed, 8) != 0);
	if (arity[f] == 0) {
		fprintf(out, "@f%uz = %s\n", f, number(seed));
	} else { /* without the number */
		uint32_t less[FUNCTIONS];

		memcpy(less, arity, sizeof(less));
		less[f]--;
		fprintf(out, "@f%uz = ", f);
		function_body(out, seed, less, f, false);
	}
}

char *calls_program(uint64_t number_of_it)
{
	uint64_t seed = number_of_it * 2 + 1;
	uint32_t arity[FUNCTIONS], functions;
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		abort();
	for (uint32_t i = 0; i < 4; i++)
		roll(&seed, 2);
	functions = 1 + roll(&seed, FUNCTIONS);
	for (uint32_t f = 0; f < FUNCTIONS; f++)
		arity[f] = roll(&seed, ARGUMENTS);
	for (uint32_t f = 0; f < functions; f++)
		function(out, &seed, arity, f);
	fprintf(out, "@main = r & @f%u ~ (%u ", functions - 1, 1 + roll(&seed, 6));
	for (uint32_t i = 0; i < arity[functions - 1]; i++)
		fprintf(out, "(%s ", number(&seed));
	fputc('r', out);
	for (uint32_t i = 0; i <= arity[functions - 1]; i++)
		fputc(')', out);
	fputc('\n', out);
	fclose(out);
	return text;
}

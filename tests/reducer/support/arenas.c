/*
 * arenas.c - see arenas.h.
 */
#include "tests/reducer/support/arenas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/check.h"
#include "reducer/net/link.h"
#include "tests/reducer/support/cases.h"
#include "tests/support/support.h"

void arenas_load(struct arena *arena, const struct book *book)
{
	const uint64_t at = (book->size + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
	uint32_t *scratch = malloc((book->nodes_max + book->vars_max + 1) * sizeof(*scratch));

	assert_int_equal(arena_commit(arena, &arena->control->committed,
				      (uint64_t)(arena->book - arena->base), at + code_size(book)),
			 0);
	memcpy(arena->book, book, book->size);
	code_make((struct code *)(arena->book + at), arena_book(arena), scratch);
	free(scratch);
	arena->control->book_size = book->size;
	arena->control->code = (uint64_t)(arena->book + at - arena->base);
}

bool arenas_over(const struct arena *arena)
{
	return atomic_load(&arena->control->ended) == atomic_load(&arena->control->job);
}

struct text {
	char bytes[65536];
	size_t length;
};

static int put(void *to, const char *bytes, size_t length)
{
	struct text *text = to;

	if (text->length + length >= sizeof(text->bytes))
		return -ENOSPC;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = 0;
	return 0;
}

static struct pair source_node(const void *net, port p)
{
	return *arena_node(net, p);
}

static port source_var(const void *net, port p)
{
	const port value = *arena_var(net, p);

	return link_is_bound(value) ? value : PORT_NONE;
}

const char *arenas_answer(const struct arena *a, const struct outcome *outcome)
{
	const struct text_source source = { source_node, source_var, a, arena_book(a), 100000 };
	uint64_t interactions = 0;
	struct text text = { .length = 0 };
	const char *why = NULL;
	char *is, *should;
	bool same;

	if (!arenas_over(a))
		return "it does not end";
	if (atomic_load(&a->control->stop) != NET_DONE)
		return "it ends in an error";
	if (check_arena(a, true, &why) < 0)
		return why;
	for (uint32_t i = 0; i < a->n; i++)
		interactions += atomic_load(&a->lines[i].interactions);
	if (interactions != outcome->interactions)
		return "another count";
	if (text_print(&source, a->control->root, put, &text) < 0)
		return "it cannot be printed";
	is = result_normal(text.bytes);
	should = result_normal(outcome->text);
	same = strcmp(is, should) == 0;
	free(is);
	free(should);
	return same ? NULL : "another normal form";
}

/*
 * book.c - finding in a book, and checking one that somebody else wrote.
 *
 * What a book promises to those who expand it without looking: every offset inside, every port of a known kind, every
 * node of a definition hanging in exactly one place, after its parent (so there are no cycles), every variable in exactly
 * two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/book.h"
#include "reducer/net/num.h"

uint32_t book_find(const struct book *book, const char *name)
{
	uint32_t low = 1, high = book->defs;

	if (book->defs > 0 && strcmp(name, book_name(book, BOOK_MAIN)) == 0)
		return BOOK_MAIN;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(name, book_name(book, middle));

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return UINT32_MAX;
}

bool book_brings(const struct book *book, uint32_t id, uint32_t combinator)
{
	const uint32_t *labels = (const uint32_t *)((const char *)book + book->labels_off);
	const uint64_t *sets = (const uint64_t *)((const char *)book + book->sets_off);
	uint32_t low = 0, high = book->labels;
	uint64_t bit;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (labels[middle] < combinator)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == book->labels || labels[low] != combinator)
		return false;
	bit = book_set_bit(book, low);
	return sets[(uint64_t)id * book->set_words + bit / 64] >> bit % 64 & 1;
}

/* The uses of one definition's variables and nodes, counted. */
struct book_uses {
	uint8_t *vars;
	uint8_t *nodes;
};

static const char *book_check_port(const struct book *book, const struct book_def *def, port p,
				   uint32_t after, struct book_uses *uses)
{
	uint64_t index = port_index(p);

	if (port_label(p) && port_tag(p) != TAG_CON && port_tag(p) != TAG_DUP && port_tag(p) != TAG_NUM)
		return "a label on something that has none";
	switch (port_tag(p)) {
	case TAG_VAR:
		if (index >= def->vars)
			return "a variable of no such number";
		if (uses->vars[index]++ >= 2)
			return "a variable that occurs more than twice";
		return NULL;
	case TAG_REF: return index < book->defs ? NULL : "a reference to no such definition";
	case TAG_ERA: return p == PORT_ERA ? NULL : "an eraser with a number";
	case TAG_NUM:
		if (p != num_make(num_type(p), num_payload(p)) || num_type(p) > NUM_F32 ||
		    (num_type(p) <= NUM_F24 && num_payload(p) > NUM_PAYLOAD_MASK))
			return "a number of no known type";
		if (num_type(p) == NUM_SYM && (num_payload(p) == 0 || num_payload(p) > NUM_F32))
			return "an operator of no known code";
		return NULL;
	case TAG_CON:
	case TAG_DUP:
	case TAG_OPR:
	case TAG_SWI:
		if (index >= def->nodes || index < after)
			return "a node of no such number, or before the one it hangs on";
		if (uses->nodes[index]++ >= 1)
			return "a node that hangs in two places";
		return NULL;
	default: return "a port of no known kind";
	}
}

static const char *book_check_def(const struct book *book, const struct book_def *def, struct book_uses *uses)
{
	const struct pair *nodes = book_pairs(book) + def->first_node;
	const struct pair *redexes = book_pairs(book) + def->first_redex;
	const char *why;

	memset(uses->vars, 0, def->vars);
	memset(uses->nodes, 0, def->nodes);
	why = book_check_port(book, def, def->root, 0, uses);
	for (uint32_t i = 0; !why && i < def->nodes; i++) {
		why = book_check_port(book, def, nodes[i].a, i + 1, uses);
		if (!why)
			why = book_check_port(book, def, nodes[i].b, i + 1, uses);
	}
	for (uint32_t i = 0; !why && i < def->redexes; i++) {
		why = book_check_port(book, def, redexes[i].a, 0, uses);
		if (!why)
			why = book_check_port(book, def, redexes[i].b, 0, uses);
	}
	for (uint32_t i = 0; !why && i < def->vars; i++)
		if (uses->vars[i] != 2)
			why = "a variable that does not occur twice";
	for (uint32_t i = 0; !why && i < def->nodes; i++)
		if (uses->nodes[i] != 1)
			why = "a node that hangs nowhere";
	return why;
}

/* The parts one after the other, without gaps worth a lie. */
static const char *book_check_head(const struct book *book, uint64_t size)
{
	const struct book_def *def;
	uint32_t nodes_max = 0, vars_max = 0;
	uint64_t left;

	if (size < sizeof(*book) || book->magic != BOOK_MAGIC)
		return "not a book";
	if (book->size > size)
		return "longer than its space";
	if (book->defs == 0 || (size - sizeof(*book)) / sizeof(*def) < book->defs)
		return "more definitions than fit";
	if (book->pairs_off % 16 || book->pairs_off < sizeof(*book) + book->defs * sizeof(*def) ||
	    book->pairs_off > book->size ||
	    (book->size - book->pairs_off) / sizeof(struct pair) < book->pairs)
		return "more pairs than fit";
	if (book->names_off < book->pairs_off + book->pairs * sizeof(struct pair) ||
	    book->names_off > book->size || book->size - book->names_off < book->names)
		return "more names than fit";
	if (book->set_words == 0 || book->labels_off % 8 || book->sets_off % 8 ||
	    book->labels_off < book->names_off + book->names || book->labels_off > book->size ||
	    (book->size - book->labels_off) / 4 < book->labels ||
	    book->sets_off < book->labels_off + book->labels * (uint64_t)4 || book->sets_off > book->size ||
	    (book->size - book->sets_off) / 8 / book->set_words < book->defs)
		return "more labels than fit";
	left = book->names;
	if (left == 0 || ((const char *)book + book->names_off)[left - 1] != 0)
		return "names that do not end";
	for (uint32_t id = 0; id < book->defs; id++) {
		def = book_def(book, id);
		if (def->first_node > book->pairs || book->pairs - def->first_node < def->nodes ||
		    def->first_redex > book->pairs || book->pairs - def->first_redex < def->redexes)
			return "a definition outside of the pairs";
		nodes_max = def->nodes > nodes_max ? def->nodes : nodes_max;
		vars_max = def->vars > vars_max ? def->vars : vars_max;
		if (def->name >= book->names)
			return "a name outside of the names";
		if (def->safe > 1)
			return "a flag that is neither 0 nor 1";
		if (def->vars > (uint64_t)def->nodes + def->redexes)
			return "more variables than places for them";
		if (id > 1 && strcmp(book_name(book, id - 1), book_name(book, id)) >= 0)
			return "definitions out of order";
	}
	if (nodes_max != book->nodes_max || vars_max != book->vars_max)
		return "sizes of the largest definition that are not those";
	return strcmp(book_name(book, BOOK_MAIN), "main") == 0 ? NULL : "definition 0 is not @main";
}

int book_check(const struct book *book, uint64_t size, const char **why)
{
	struct book_uses uses = { 0 };

	*why = book_check_head(book, size);
	if (*why)
		return -EBADMSG;
	uses.vars = malloc((size_t)book->vars_max + 1);
	uses.nodes = malloc((size_t)book->nodes_max + 1);
	if (!uses.vars || !uses.nodes)
		*why = "no memory to check it";
	for (uint32_t id = 0; !*why && id < book->defs; id++)
		*why = book_check_def(book, book_def(book, id), &uses);
	free(uses.vars);
	free(uses.nodes);
	return *why ? -EBADMSG : 0;
}

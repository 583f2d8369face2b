/*
 * assemble.c - from the arrays of the parser to a book.
 *
 * Only now is it known which definition of a name is the last one, which names are references to nothing, and which
 * number each definition gets: @main is 0, the others follow in byte order of their names. A REF port carries the number
 * of a name until here and that of a definition from here on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/text/reach.h"

#define NAME_SHOWN 64

struct assemble {
	struct parse *parse;
	uint32_t *order; /* definition id -> index in parse->defs */
	uint32_t *ids;   /* name -> definition id, UINT32_MAX when nothing defines it */
	uint32_t defs;
	struct reach reach;
};

static const struct parse_def *assemble_def(const struct assemble *as, uint32_t id)
{
	return &as->parse->defs.items[as->order[id]];
}

static bool parse_is_main(const struct parse *parse, uint32_t name)
{
	const struct name *n = &parse->defined.items[name];

	return n->length == 4 && memcmp(parse->scan.text + n->at, "main", 4) == 0;
}

/* ---- names -------------------------------------------------------------------------------------- */

static int assemble_compare(const void *left, const void *right, void *context)
{
	const struct parse *parse = context;
	uint32_t a = parse->defs.items[*(const uint32_t *)left].name;
	uint32_t b = parse->defs.items[*(const uint32_t *)right].name;
	const struct name *x = &parse->defined.items[a], *y = &parse->defined.items[b];
	int main_first = parse_is_main(parse, b) - parse_is_main(parse, a);
	int order = memcmp(parse->scan.text + x->at, parse->scan.text + y->at,
			   x->length < y->length ? x->length : y->length);

	if (main_first)
		return main_first;
	return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Which definitions count, in which order. */
static int assemble_order(struct assemble *as)
{
	const struct parse *parse = as->parse;

	for (uint32_t i = 0; i < parse->defs.count; i++)
		if (parse->defined.items[parse->defs.items[i].name].value == i + 1)
			as->order[as->defs++] = i;
	qsort_r(as->order, as->defs, sizeof(*as->order), assemble_compare, as->parse);
	if (as->defs == 0 || !parse_is_main(parse, parse->defs.items[as->order[0]].name)) {
		scan_fail(&parse->scan, 0, "there is no definition of @main; every program needs one");
		parse->scan.error->where = (struct plx_where){ 0, 0 };
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < parse->defined.count; i++)
		as->ids[i] = UINT32_MAX;
	for (uint32_t id = 0; id < as->defs; id++)
		as->ids[assemble_def(as, id)->name] = id;
	return 0;
}

static int assemble_check_refs(const struct assemble *as)
{
	const struct parse *parse = as->parse;

	for (uint32_t i = 0; i < parse->defs.count; i++) {
		const struct parse_def *def = &parse->defs.items[i];

		if (parse->defined.items[def->name].value != i + 1)
			continue; /* replaced by a later one */
		for (uint32_t r = 0; r < def->refs; r++) {
			const struct parse_ref *ref = &parse->refs.items[def->first_ref + r];
			const struct name *name = &parse->defined.items[ref->name];

			if (as->ids[ref->name] == UINT32_MAX)
				return scan_fail(&parse->scan, ref->at, "nothing defines @%.*s",
						 name->length < NAME_SHOWN ? (int)name->length : NAME_SHOWN,
						 parse->scan.text + name->at);
		}
	}
	return 0;
}

/* ---- the book ----------------------------------------------------------------------------------- */

static port assemble_port(const struct assemble *as, port p)
{
	return port_tag(p) == TAG_REF ? port_ref(as->ids[port_index(p)]) : p;
}

static void assemble_pairs(const struct assemble *as, struct pair *to, const struct pair *pairs,
			   uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct pair *from = &pairs[first + i];

		to[i] = (struct pair){ assemble_port(as, from->a), assemble_port(as, from->b) };
	}
}

/* The line of each definition, in one walk over the text. */
static void assemble_lines(const struct assemble *as, struct book_def *defs)
{
	const struct parse *parse = as->parse;
	uint32_t line = 1, at = 0;

	for (uint32_t i = 0; i < parse->defs.count; i++) {
		const struct parse_def *def = &parse->defs.items[i];

		for (; at < def->at; at++)
			line += parse->scan.text[at] == '\n';
		if (parse->defined.items[def->name].value == i + 1)
			defs[as->ids[def->name]].line = line;
	}
}

static void assemble_fill(const struct assemble *as, struct book *book)
{
	const struct parse *parse = as->parse;
	struct book_def *defs = (struct book_def *)(book + 1);
	struct pair *pairs = (struct pair *)((char *)book + book->pairs_off);
	char *names = (char *)book + book->names_off;
	uint32_t pair = 0, name = 0;

	for (uint32_t id = 0; id < as->defs; id++) {
		const struct parse_def *def = assemble_def(as, id);
		const struct name *n = &parse->defined.items[def->name];

		defs[id] = (struct book_def){
			.root = assemble_port(as, def->root),
			.first_node = pair,
			.nodes = def->nodes,
			.first_redex = pair + def->nodes,
			.redexes = def->redexes,
			.vars = def->vars,
			.name = name,
			.safe = !(as->reach.sets[(uint64_t)id * as->reach.set_words] & 1),
		};
		assemble_pairs(as, pairs + pair, parse->nodes.items, def->first_node, def->nodes);
		pair += def->nodes;
		assemble_pairs(as, pairs + pair, parse->redexes.items, def->first_redex, def->redexes);
		pair += def->redexes;
		memcpy(names + name, parse->scan.text + n->at, n->length);
		name += n->length + 1;
		if (def->nodes > book->nodes_max)
			book->nodes_max = def->nodes;
		if (def->vars > book->vars_max)
			book->vars_max = def->vars;
	}
	assemble_lines(as, defs);
	memcpy((char *)book + book->labels_off, as->reach.labels, book->labels * sizeof(uint32_t));
	memcpy((char *)book + book->sets_off, as->reach.sets, as->defs * book->set_words * sizeof(uint64_t));
}

static int assemble_book(const struct assemble *as, struct book **out)
{
	struct book head = { .magic = BOOK_MAGIC,
			     .defs = as->defs,
			     .labels = as->reach.count,
			     .set_words = as->reach.set_words };
	struct book *book;

	for (uint32_t id = 0; id < as->defs; id++) {
		const struct parse_def *def = assemble_def(as, id);

		head.pairs += (uint64_t)def->nodes + def->redexes;
		head.names += as->parse->defined.items[def->name].length + 1;
	}
	if (head.pairs > UINT32_MAX || head.names > UINT32_MAX)
		return scan_fail(&as->parse->scan, 0, "a program of 2^32 nodes or more");
	head.pairs_off = (sizeof(head) + as->defs * sizeof(struct book_def) + 15) & ~(uint64_t)15;
	head.names_off = head.pairs_off + head.pairs * sizeof(struct pair);
	head.labels_off = (head.names_off + head.names + 7) & ~(uint64_t)7;
	head.sets_off = (head.labels_off + head.labels * sizeof(uint32_t) + 7) & ~(uint64_t)7;
	head.size = (head.sets_off + (uint64_t)head.defs * head.set_words * sizeof(uint64_t) + 15) &
		    ~(uint64_t)15;
	book = calloc(1, head.size);
	if (!book)
		return -ENOMEM;
	*book = head;
	assemble_fill(as, book);
	*out = book;
	return 0;
}

int parse_assemble(struct parse *parse, struct book **book)
{
	struct assemble as = {
		.parse = parse,
		.order = calloc((size_t)parse->defs.count + 1, sizeof(uint32_t)),
		.ids = calloc((size_t)parse->defined.count + 1, sizeof(uint32_t)),
	};
	int ret = -ENOMEM;

	if (as.order && as.ids)
		ret = assemble_order(&as);
	if (ret == 0)
		ret = assemble_check_refs(&as);
	if (ret == 0)
		ret = reach_init(&as.reach, parse, as.order, as.ids, as.defs);
	if (ret == 0)
		ret = assemble_book(&as, book);
	reach_fini(&as.reach);
	free(as.order);
	free(as.ids);
	return ret;
}

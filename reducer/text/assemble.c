/*
 * assemble.c - from the arrays of the parser to a book.
 *
 * Only now is it known which definition of a name is the last one, which names are references to nothing, and which
 * number each definition gets: @main is 0, the others follow in byte order of their names. A REF port carries the number
 * of a name until here and that of a definition from here on.
 *
 * Then, which references may be copied. A duplicator that meets a reference need not wait until the definition is
 * expanded, if nothing in the expansion could ever annihilate with it: no duplicator in the definition, nor in any
 * definition it refers to, and so on. That is a walk along references backwards, from the definitions which have a
 * duplicator to all that can reach them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/text/parse.h"

#define NAME_SHOWN 64

struct assemble {
	struct parse *parse;
	uint32_t *order; /* definition id -> index in parse->defs */
	uint32_t *ids;   /* name -> definition id, UINT32_MAX when nothing defines it */
	uint32_t *from;  /* edges backwards: edge[from[id]] ... edge[from[id + 1] - 1] refer to id */
	uint32_t *edge;
	uint32_t *queue;
	uint32_t *limit; /* definition id -> 1 + highest label of a duplicator it can bring forth */
	uint32_t defs;
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

/* ---- which references may be copied ------------------------------------------------------------- */

/* Edges backwards, all in one array: counted, summed up, placed. */
static void assemble_edges(struct assemble *as)
{
	const struct parse_ref *refs = as->parse->refs.items;

	for (uint32_t id = 0; id < as->defs; id++)
		for (uint32_t r = 0; r < assemble_def(as, id)->refs; r++)
			as->from[as->ids[refs[assemble_def(as, id)->first_ref + r].name]]++;
	for (uint32_t id = 1; id <= as->defs; id++)
		as->from[id] += as->from[id - 1];
	for (uint32_t id = 0; id < as->defs; id++)
		for (uint32_t r = 0; r < assemble_def(as, id)->refs; r++)
			as->edge[--as->from[as->ids[refs[assemble_def(as, id)->first_ref + r].name]]] = id;
}

static uint32_t assemble_highest_dup(const struct parse *parse, const struct parse_def *def)
{
	uint32_t limit = 0;

#define SEE(p)                                                                                               \
	if (port_tag(p) == TAG_DUP && port_label(p) + 1 > limit)                                             \
		limit = port_label(p) + 1;
	SEE(def->root)
	for (uint32_t i = 0; i < def->nodes; i++) {
		SEE(parse->nodes.items[def->first_node + i].a)
		SEE(parse->nodes.items[def->first_node + i].b)
	}
	for (uint32_t i = 0; i < def->redexes; i++) {
		SEE(parse->redexes.items[def->first_redex + i].a)
		SEE(parse->redexes.items[def->first_redex + i].b)
	}
#undef SEE
	return limit;
}

static int assemble_by_limit(const void *left, const void *right, void *context)
{
	const uint32_t *limit = context;
	uint32_t a = limit[*(const uint32_t *)left], b = limit[*(const uint32_t *)right];

	return (a < b) - (a > b);
}

/*
 * From the highest limit to the lowest: what can reach a definition has at least its limit, so each definition gets its
 * own when it is first reached, and is walked through once.
 */
static void assemble_limits(struct assemble *as)
{
	uint32_t *sorted = as->queue + as->defs, *own = as->limit + as->defs;

	for (uint32_t id = 0; id < as->defs; id++) {
		own[id] = assemble_highest_dup(as->parse, assemble_def(as, id));
		sorted[id] = id;
	}
	qsort_r(sorted, as->defs, sizeof(*sorted), assemble_by_limit, own);
	for (uint32_t i = 0; i < as->defs && own[sorted[i]] > 0; i++) {
		uint32_t limit = own[sorted[i]], head = 0, tail = 0;

		if (as->limit[sorted[i]])
			continue;
		as->limit[sorted[i]] = limit;
		as->queue[tail++] = sorted[i];
		while (head < tail) {
			uint32_t id = as->queue[head++];

			for (uint32_t e = as->from[id]; e < as->from[id + 1]; e++)
				if (!as->limit[as->edge[e]]) {
					as->limit[as->edge[e]] = limit;
					as->queue[tail++] = as->edge[e];
				}
		}
	}
}

/* ---- the book ----------------------------------------------------------------------------------- */

static port assemble_port(const struct assemble *as, port p)
{
	return port_tag(p) == TAG_REF ? port_ref(as->ids[port_index(p)]) : p;
}

static void assemble_pairs(const struct assemble *as, struct pair *to, const struct pair *from,
			   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		to[i] = (struct pair){ assemble_port(as, from[i].a), assemble_port(as, from[i].b) };
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
			.safe = as->limit[id] == 0,
		};
		assemble_pairs(as, pairs + pair, parse->nodes.items + def->first_node, def->nodes);
		pair += def->nodes;
		assemble_pairs(as, pairs + pair, parse->redexes.items + def->first_redex, def->redexes);
		pair += def->redexes;
		memcpy(names + name, parse->scan.text + n->at, n->length);
		name += n->length + 1;
		if (def->nodes > book->nodes_max)
			book->nodes_max = def->nodes;
		if (def->vars > book->vars_max)
			book->vars_max = def->vars;
	}
	assemble_lines(as, defs);
}

static int assemble_book(const struct assemble *as, struct book **out)
{
	struct book head = { .magic = BOOK_MAGIC, .defs = as->defs };
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
	head.size = (head.names_off + head.names + 15) & ~(uint64_t)15;
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
	size_t defs = parse->defs.count;
	struct assemble as = {
		.parse = parse,
		.order = calloc(defs + 1, sizeof(uint32_t)),
		.ids = calloc((size_t)parse->defined.count + 1, sizeof(uint32_t)),
		.from = calloc(defs + 1, sizeof(uint32_t)),
		.edge = calloc((size_t)parse->refs.count + 1, sizeof(uint32_t)),
		.queue = calloc(2 * defs + 1, sizeof(uint32_t)),
		.limit = calloc(2 * defs + 1, sizeof(uint32_t)),
	};
	int ret = -ENOMEM;

	if (as.order && as.ids && as.from && as.edge && as.queue && as.limit)
		ret = assemble_order(&as);
	if (ret == 0)
		ret = assemble_check_refs(&as);
	if (ret == 0) {
		assemble_edges(&as);
		assemble_limits(&as);
		ret = assemble_book(&as, book);
	}
	free(as.order);
	free(as.ids);
	free(as.from);
	free(as.edge);
	free(as.queue);
	free(as.limit);
	return ret;
}

/*
 * reach.c - which combinators a definition can bring forth.
 *
 * Definitions refer to each other in circles. All in one circle bring forth the same, so the circles (strongly connected
 * components) are found with Tarjan's algorithm, which finishes a component only after all those it refers to: one
 * union over the references of its members is then final. The path of the search is an array of ours, not the C stack.
 * Time is (definitions + references) x words of a set; when labels are so many that this would grow beyond WORK_MAX, sets
 * get shorter and some labels share a bit: a reference is then expanded where it might have been copied.
 *
 * Source: R. Tarjan, Depth-first search and linear graph algorithms, 1972.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/text/reach.h"

#define COMBINATORS (2 * (PORT_LABEL_MAX + 1))
#define WORK_MAX    ((uint64_t)1 << 24)
#define DONE        UINT32_MAX

struct search {
	struct reach *reach;
	const struct parse *parse;
	const uint32_t *order;
	const uint32_t *ids;
	uint32_t *
		seen; /* when the search came to a definition, counted from 1; 0: not yet; DONE: component finished */
	uint32_t *low;  /* the earliest it is known to be in one circle with */
	uint32_t *next; /* its next reference to follow */
	uint32_t *path; /* from where the search began to where it is */
	uint32_t *open; /* come to and not finished, in the order of seen */
	uint32_t path_count, open_count, clock;
};

static const struct parse_def *search_def(const struct search *search, uint32_t id)
{
	return &search->parse->defs.items[search->order[id]];
}

static uint32_t search_ref(const struct search *search, uint32_t id, uint32_t ref)
{
	const struct parse_def *def = search_def(search, id);

	return search->ids[search->parse->refs.items[def->first_ref + ref].name];
}

static uint64_t *reach_set(const struct reach *reach, uint32_t id)
{
	return reach->sets + (uint64_t)id * reach->set_words;
}

/* ---- components --------------------------------------------------------------------------------- */

/* The members are open[first ... open_count - 1]. */
static void search_finish(struct search *search, uint32_t first)
{
	uint64_t *set = reach_set(search->reach, search->open[first]);
	uint32_t words = search->reach->set_words;

	for (uint32_t m = first; m < search->open_count; m++) {
		uint32_t id = search->open[m];

		for (uint32_t w = 0; w < words; w++)
			set[w] |= reach_set(search->reach, id)[w];
		for (uint32_t r = 0; r < search_def(search, id)->refs; r++)
			for (uint32_t w = 0; w < words; w++)
				set[w] |= reach_set(search->reach, search_ref(search, id, r))[w];
		search->seen[id] = DONE;
	}
	for (uint32_t m = first + 1; m < search->open_count; m++)
		memcpy(reach_set(search->reach, search->open[m]), set, words * sizeof(*set));
	search->open_count = first;
}

static void search_enter(struct search *search, uint32_t id)
{
	search->seen[id] = search->low[id] = ++search->clock;
	search->path[search->path_count++] = id;
	search->open[search->open_count++] = id;
}

static void search_from(struct search *search, uint32_t id)
{
	search_enter(search, id);
	while (search->path_count > 0) {
		id = search->path[search->path_count - 1];
		if (search->next[id] < search_def(search, id)->refs) {
			uint32_t to = search_ref(search, id, search->next[id]++);

			if (search->seen[to] == 0)
				search_enter(search, to);
			else if (search->seen[to] < search->low[id])
				search->low[id] = search->seen[to];
			continue;
		}
		search->path_count--;
		if (search->path_count > 0) {
			uint32_t from = search->path[search->path_count - 1];

			if (search->low[id] < search->low[from])
				search->low[from] = search->low[id];
		}
		if (search->low[id] == search->seen[id]) {
			uint32_t first = search->open_count - 1;

			while (search->open[first] != id)
				first--;
			search_finish(search, first);
		}
	}
}

static int reach_search(struct search *search, uint32_t defs)
{
	uint32_t *memory = calloc((size_t)defs * 5, sizeof(uint32_t));

	if (!memory)
		return -ENOMEM;
	search->seen = memory;
	search->low = memory + (size_t)defs;
	search->next = memory + (size_t)defs * 2;
	search->path = memory + (size_t)defs * 3;
	search->open = memory + (size_t)defs * 4;
	for (uint32_t id = 0; id < defs; id++)
		if (search->seen[id] == 0)
			search_from(search, id);
	free(memory);
	return 0;
}

/* ---- what each has itself ----------------------------------------------------------------------- */

/* Two passes over all ports: the first marks which combinators there are, the second sets their bits. */
struct own {
	uint32_t *places; /* COMBINATORS of them: first 1 for "there is one", then its bit */
	uint64_t *set;    /* NULL in the first pass */
};

static void own_port(const struct own *own, port p)
{
	uint32_t combinator = book_combinator(p), bit;

	if ((port_tag(p) != TAG_CON && port_tag(p) != TAG_DUP) || combinator == 0)
		return;
	if (!own->set) {
		own->places[combinator] = 1;
		return;
	}
	bit = own->places[combinator];
	own->set[bit / 64] |= (uint64_t)1 << bit % 64;
}

static void own_pairs(const struct own *own, const struct pair *pairs, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		own_port(own, pairs[i].a);
		own_port(own, pairs[i].b);
	}
}

static void own_pass(const struct search *search, struct own *own, uint32_t defs, bool sets)
{
	for (uint32_t id = 0; id < defs; id++) {
		const struct parse_def *def = search_def(search, id);

		own->set = sets ? reach_set(search->reach, id) : NULL;
		own_port(own, def->root);
		own_pairs(own, search->parse->nodes.items, def->first_node, def->nodes);
		own_pairs(own, search->parse->redexes.items, def->first_redex, def->redexes);
	}
}

/* How large the sets are, and which bit each combinator has in them. */
static int reach_labels(struct reach *reach, uint32_t *places, uint32_t defs, uint32_t refs)
{
	uint64_t room = WORK_MAX / ((uint64_t)defs + refs + 1);
	struct book shape;

	for (uint32_t c = 2; c < COMBINATORS; c++)
		reach->count += places[c];
	reach->set_words = reach->count / 64 + 1;
	if (reach->set_words > room)
		reach->set_words = room ? (uint32_t)room : 1;
	reach->labels = calloc((size_t)reach->count + 1, sizeof(*reach->labels));
	reach->sets = calloc((size_t)defs * reach->set_words, sizeof(*reach->sets));
	if (!reach->labels || !reach->sets)
		return -ENOMEM;
	shape.set_words = reach->set_words;
	for (uint32_t c = 2, i = 0; c < COMBINATORS; c++)
		if (places[c]) {
			places[c] = (uint32_t)book_set_bit(&shape, i);
			reach->labels[i++] = c;
		}
	places[1] = 0;
	return 0;
}

int reach_init(struct reach *reach, const struct parse *parse, const uint32_t *order, const uint32_t *ids,
	       uint32_t defs)
{
	struct search search = { .reach = reach, .parse = parse, .order = order, .ids = ids };
	struct own own = { .places = calloc(COMBINATORS, sizeof(uint32_t)) };
	int ret = -ENOMEM;

	*reach = (struct reach){ 0 };
	if (own.places) {
		own_pass(&search, &own, defs, false);
		ret = reach_labels(reach, own.places, defs, parse->refs.count);
	}
	if (ret == 0) {
		own_pass(&search, &own, defs, true);
		ret = reach_search(&search, defs);
	}
	free(own.places);
	return ret;
}

void reach_fini(struct reach *reach)
{
	free(reach->labels);
	free(reach->sets);
	reach->labels = NULL;
	reach->sets = NULL;
}

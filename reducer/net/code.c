/*
 * code.c - from the compact form of a book to slots that are copied and relocated; see code.h.
 */
#include <stdbool.h>
#include <string.h>

#include "reducer/net/code.h"

struct maker {
	const struct book_def *def;
	const struct pair *node;  /* of this definition */
	const struct pair *redex; /* of this definition */
	uint32_t *place_of_node;
	uint32_t *place_of_var; /* at first: is it stiff? */
};

uint64_t code_size(const struct book *book)
{
	uint64_t slots = 0;

	for (uint32_t i = 0; i < book->defs; i++)
		slots += 2ull * book_def(book, i)->nodes + 2ull * book_def(book, i)->redexes;
	return sizeof(struct code) + book->defs * sizeof(struct code_def) + slots * sizeof(struct code_slot);
}

/*
 * Whether an operator node is built with a number in its first port is seen by the rule that counts interactions, so a
 * variable there must stay one: it is stiff. What an agent is we know from the port that leads to it.
 */
static void mark_stiff(const struct maker *m, port p)
{
	if (port_tag(p) == TAG_OPR) {
		port first = m->node[port_index(p)].a;

		if (port_tag(first) == TAG_VAR)
			m->place_of_var[port_index(first)] = 1;
	}
}

static void mark_all_stiff(const struct maker *m)
{
	for (uint32_t i = 0; i < m->def->vars; i++)
		m->place_of_var[i] = 0;
	mark_stiff(m, m->def->root);
	for (uint32_t i = 0; i < m->def->nodes; i++) {
		mark_stiff(m, m->node[i].a);
		mark_stiff(m, m->node[i].b);
	}
	for (uint32_t i = 0; i < m->def->redexes; i++) {
		mark_stiff(m, m->redex[i].a);
		mark_stiff(m, m->redex[i].b);
	}
}

static bool may_be_place(const struct maker *m, port p)
{
	return port_tag(p) == TAG_VAR && !m->place_of_var[port_index(p)];
}

static void choose_kinds(const struct maker *m, struct code_def *out)
{
	struct pair root;

	out->plain = out->vars;
	if (port_tag(m->def->root) == TAG_VAR) {
		out->root_kind = CODE_ROOT_VAR;
		out->plain--;
	}
	if (!port_is_node(m->def->root))
		return;
	out->root_kind = CODE_ROOT_NODE;
	root = m->node[port_index(m->def->root)];
	if (port_tag(root.a) == TAG_VAR && root.a == root.b) {
		out->identity = 1;
		out->plain--;
		return;
	}
	if (may_be_place(m, root.a)) {
		out->left_kind = CODE_AUX_PLACE;
		out->plain--;
	}
	if (may_be_place(m, root.b)) {
		out->right_kind = CODE_AUX_PLACE;
		out->plain--;
	}
}

/* Does this variable come last, because it needs no cell when the root is consumed? */
static bool comes_last(const struct maker *m, const struct code_def *out, uint32_t var)
{
	const port p = port_var(var);
	struct pair root;

	if (out->root_kind == CODE_ROOT_VAR)
		return m->def->root == p;
	if (out->root_kind != CODE_ROOT_NODE)
		return false;
	root = m->node[port_index(m->def->root)];
	return (out->identity && root.a == p) || (out->left_kind == CODE_AUX_PLACE && root.a == p) ||
	       (out->right_kind == CODE_AUX_PLACE && root.b == p);
}

static void assign_places(const struct maker *m, const struct code_def *out)
{
	const uint32_t root = out->root_kind == CODE_ROOT_NODE ? (uint32_t)port_index(m->def->root)
							       : UINT32_MAX;
	uint32_t place = 1;

	for (uint32_t i = 0; i < out->nodes; i++)
		if (i != root)
			m->place_of_node[i] = place++;
	if (root != UINT32_MAX)
		m->place_of_node[root] = place++;
	for (int last = 0; last < 2; last++)
		for (uint32_t i = 0; i < out->vars; i++)
			if (comes_last(m, out, i) == (last == 1))
				m->place_of_var[i] = place++;
}

static struct code_slot make_slot(const struct maker *m, port p)
{
	struct code_slot slot = { .word = p };

	if (port_tag(p) == TAG_VAR) {
		slot.word = TAG_VAR;
		slot.place = m->place_of_var[port_index(p)];
	} else if (port_is_node(p)) {
		slot.word = port_head(p);
		slot.place = m->place_of_node[port_index(p)];
	}
	return slot;
}

static void make_def(const struct maker *m, struct code_def *out, struct code_slot *slot)
{
	mark_all_stiff(m);
	choose_kinds(m, out);
	assign_places(m, out);
	for (uint32_t i = 0; i < out->nodes; i++) {
		uint32_t at = 2 * (m->place_of_node[i] - 1);

		slot[at] = make_slot(m, m->node[i].a);
		slot[at + 1] = make_slot(m, m->node[i].b);
	}
	slot += 2 * (uint64_t)out->nodes;
	for (uint32_t i = 0; i < out->redexes; i++) {
		struct pair r = m->redex[i];

		slot[2 * i] = make_slot(m, r.a);
		slot[2 * i + 1] = make_slot(m, r.b);
		slot[2 * i].links = port_tag(r.a) == TAG_VAR || port_tag(r.b) == TAG_VAR;
	}
	out->root = make_slot(m, m->def->root);
	if (out->root_kind == CODE_ROOT_NODE) {
		out->left = make_slot(m, m->node[port_index(m->def->root)].a);
		out->right = make_slot(m, m->node[port_index(m->def->root)].b);
	}
}

void code_make(struct code *code, const struct book *book, uint32_t *scratch)
{
	struct code_def *defs = (struct code_def *)(code + 1);
	struct code_slot *slots = (struct code_slot *)(defs + book->defs);
	uint64_t first = 0;

	*code = (struct code){ .size = code_size(book), .defs = book->defs };
	for (uint32_t i = 0; i < book->defs; i++) {
		const struct book_def *def = book_def(book, i);
		struct maker m = {
			.def = def,
			.node = book_pairs(book) + def->first_node,
			.redex = book_pairs(book) + def->first_redex,
			.place_of_node = scratch,
			.place_of_var = scratch + book->nodes_max,
		};

		defs[i] = (struct code_def){
			.slots = first,
			.nodes = def->nodes,
			.vars = def->vars,
			.redexes = def->redexes,
			.room = def->redexes + 2,
		};
		make_def(&m, &defs[i], slots + first);
		first += 2ull * def->nodes + 2ull * def->redexes;
		if (code->places_max < 1 + def->nodes + def->vars)
			code->places_max = 1 + def->nodes + def->vars;
	}
	code->slots = first;
}

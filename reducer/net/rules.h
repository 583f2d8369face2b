/*
 * rules.h - what replaces a redex, one function per rule, all of one shape:
 *
 *	bool rule_X(w, h, a, b, r, multi)
 *
 * takes the redex a ~ b, which is nowhere any more, and whose cells lie in the own partition; joins what was on their auxiliary ports,
 * and returns true when the last of these wires is a redex again: it is in *r then and is reduced next, without a detour
 * through the stack. Each counts one interaction, which the loop has paid for; a rule that does the work of two at once
 * pays for the second itself, so that counts are those of the plain rules:
 *
 *	VOID  nothing is left     ERAS  copies to both ports     ANNI  ports join pairwise     COMM  each passes through the other
 *	CALL  expand a definition      OPER  arithmetic      SWIT  choose
 */
#ifndef REDUCER_NET_RULES_H
#define REDUCER_NET_RULES_H

#include "reducer/net/link.h"
#include "reducer/net/num.h"

/*
 * rules_wait() - there is not enough at hand for the redex @a ~ @b: it goes back onto the stack, to be taken again when
 * there is. Works on w->hot.
 */
plx_cold void rules_wait(struct worker *w, port a, port b, uint64_t nodes, uint64_t vars, uint64_t redexes);

/*
 * Before a rule that takes cells: are they all there? Else it has not begun, and the loop will commit and
 * come back to it. Cold functions work on w->hot: the registers go there and come back.
 */
hot_inline bool rules_have_room(struct worker *w, struct hot *h, port a, port b, uint64_t nodes,
				uint64_t vars, uint64_t redexes)
{
	if (plx_likely(h->nodes + nodes <= w->node_mark && h->vars + vars <= w->var_mark &&
		       h->set + redexes <= w->set_mark && h->top + redexes <= w->limit))
		return true;
	w->hot = *h;
	rules_wait(w, a, b, nodes, vars, redexes);
	*h = w->hot;
	return false;
}

/* The same for a rule that takes nodes and nothing else. */
hot_inline bool rules_have_nodes(struct worker *w, struct hot *h, port a, port b, uint64_t nodes)
{
	if (plx_likely(h->nodes + nodes <= w->node_mark))
		return true;
	w->hot = *h;
	rules_wait(w, a, b, nodes, 0, 0);
	*h = w->hot;
	return false;
}

/* Make the loop look outside before the next interaction. */
hot_inline void rules_hurry(struct worker *w, struct hot *h)
{
	if (h->fuel > 0) {
		w->skipped += (uint64_t)h->fuel;
		h->fuel = 0;
	}
}

hot_inline bool rule_eras(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const struct pair n = *cells_node(h, b);

	cells_free_node(h, b);
	return link_both(w, h, (struct pair){ a, n.a }, (struct pair){ a, n.b }, r, multi);
}

hot_inline bool rule_anni(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const struct pair m = *cells_node(h, a), n = *cells_node(h, b);

	cells_free_node(h, a);
	cells_free_node(h, b);
	return link_both(w, h, (struct pair){ m.a, n.a }, (struct pair){ m.b, n.b }, r, multi);
}

hot_inline bool rule_comm(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	struct pair m, n;
	port v, x, y, z;

	if (plx_unlikely(!rules_have_room(w, h, a, b, 4, 4, 4)))
		return false;
	m = *cells_node(h, a);
	n = *cells_node(h, b);
	v = cells_new_var(h);
	x = cells_new_var(h);
	y = cells_new_var(h);
	z = cells_new_var(h);

	cells_free_node(h, a);
	cells_free_node(h, b);
	link_later(w, h, cells_new_node(h, y, z) | port_head(b), m.b, multi);
	link_later(w, h, cells_new_node(h, x, z) | port_head(a), n.b, multi);
	link_later(w, h, cells_new_node(h, v, y) | port_head(a), n.a, multi);
	return link_ports(w, h, cells_new_node(h, v, x) | port_head(b), m.a, r, multi);
}

/* The two most common operators in place, everything else by num_operate(). */
hot_inline int rule_operate(port a, port b, port *out)
{
	return num_operate(a, b, out);
}

/*
 * The number that hangs on the first port of an operator, and not in it: what that costs is two interactions, one to put
 * the number @a into the operator and one when the other comes, so both are done at once. False: it is not there yet.
 */
hot_inline bool rule_sees_number(struct worker *w, struct hot *h, port *first, const bool multi)
{
	port p = *first;

	while (port_tag(p) == TAG_VAR && (!multi || cells_own_var(w, p))) {
		const port value = *cells_var(h, p);

		if (!(multi ? link_is_bound(value) : value != PORT_NONE))
			break;
		cells_free_var(w, h, p);
		p = value;
	}
	*first = p;
	return port_tag(p) == TAG_NUM;
}

hot_inline bool rule_oper(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	for (;;) {
		struct pair n = *cells_node(h, b);
		port value;

		if (port_tag(n.a) != TAG_NUM) { /* variables are not looked through */
			if (plx_unlikely(!rules_have_nodes(w, h, a, b, 1)))
				return false;
			if (!rule_sees_number(w, h, &n.a, multi)) { /* waits, with our number in it */
				port wait;

				cells_free_node(h, b);
				wait = cells_new_node(h, a, n.b) | port_head(b);
				return link_ports(w, h, wait, n.a, r, multi);
			}
			h->fuel--;
			value = a;
			a = n.a;
			n.a = value;
		}
		cells_free_node(h, b);
		if (plx_unlikely(rule_operate(a, n.a, &value) < 0)) {
			worker_stop(w, NET_DIVIDED, 0);
			rules_hurry(w, h);
			return false;
		}
		if (!link_ports(w, h, n.b, value, r, multi))
			return false;
		if (port_tag(r->b) == TAG_NUM) {
			const port swap = r->a;

			r->a = r->b;
			r->b = swap;
		}
		if (port_tag(r->b) != TAG_OPR || (multi && !cells_own_node(w, r->b)) || h->fuel <= 0)
			return true;
		h->fuel--;
		a = r->a;
		b = r->b;
	}
}

/*
 * n ~ ?(branches r). What 0 selects is joined with (r *), anything else with (* (n-1 r)). The branches mostly are a pair already:
 * then the two annihilate at once.
 */
hot_inline bool rule_swit(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const struct pair n = *cells_node(h, b);
	const uint32_t value = num_payload(a);
	port first = PORT_ERA, second = n.b;

	if (plx_unlikely(!rules_have_nodes(w, h, a, b, 2)))
		return false;
	cells_free_node(h, b);
	if (value != 0)
		second = cells_new_node(h, num_less_one(a), n.b) | TAG_CON;
	if (port_head(n.a) == TAG_CON && (!multi || cells_own_node(w, n.a))) {
		const struct pair branch = *cells_node(h, n.a);

		h->fuel--;
		cells_free_node(h, n.a);
		link_later(w, h, value ? branch.a : branch.b, PORT_ERA, multi);
		return link_ports(w, h, value ? branch.b : branch.a, second, r, multi);
	}
	if (value == 0) {
		first = second;
		second = PORT_ERA;
	}
	return link_ports(w, h, cells_new_node(h, first, second) | TAG_CON, n.a, r, multi);
}

hot_inline port rules_place(const port *places, const struct code_slot *slot)
{
	return slot->word + places[slot->place];
}

hot_inline bool rule_call(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const struct code_def *def = &w->defs[port_index(a)];
	const struct code_slot *slot = &w->slots[def->slots];
	/* the root of the definition and b annihilate at once */
	const bool at_once = def->root_kind == CODE_ROOT_NODE && port_head(def->root.word) == port_head(b);
	const uint32_t nodes = def->nodes - at_once;
	const uint32_t vars = at_once || def->root_kind == CODE_ROOT_VAR ? def->plain : def->vars;
	port *const places = w->places;
	struct pair aux = { PORT_NONE, PORT_NONE }, left, right;

	if (plx_unlikely(!rules_have_room(w, h, a, b, nodes, vars, def->room)))
		return false;
	for (uint32_t i = 0; i < nodes; i++)
		places[1 + i] = cells_take_node(h);
	for (uint32_t i = 0; i < vars; i++)
		places[1 + def->nodes + i] = cells_new_var(h);
	if (at_once) {
		aux = *cells_node(h, b);
		cells_free_node(h, b);
		h->fuel--;
		places[def->left.place] = def->left_kind == CODE_AUX_PLACE ? aux.a : places[def->left.place];
		places[def->right.place] = def->right_kind == CODE_AUX_PLACE ? aux.b
									     : places[def->right.place];
	} else if (def->root_kind == CODE_ROOT_VAR) {
		places[def->root.place] = b;
	}

	for (uint32_t i = 0; i < nodes; i++, slot += 2) {
		struct pair *cell = cells_node(h, places[1 + i]);

		cell->a = rules_place(places, &slot[0]);
		cell->b = rules_place(places, &slot[1]);
	}
	if (at_once)
		slot += 2;
	for (uint32_t i = 0; i < def->redexes; i++, slot += 2) {
		const struct pair redex = { rules_place(places, &slot[0]), rules_place(places, &slot[1]) };

		if (slot[0].links)
			link_later(w, h, redex.a, redex.b, multi);
		else
			*h->top++ = redex;
	}

	if (!at_once)
		return def->root_kind != CODE_ROOT_VAR &&
		       link_ports(w, h, rules_place(places, &def->root), b, r, multi);
	if (def->identity)
		return link_ports(w, h, aux.a, aux.b, r, multi);
	left = (struct pair){ rules_place(places, &def->left), aux.a };
	right = (struct pair){ rules_place(places, &def->right), aux.b };
	if (def->right_kind == CODE_AUX_PLACE)
		return def->left_kind == CODE_AUX_LINK && link_ports(w, h, left.a, left.b, r, multi);
	if (def->left_kind == CODE_AUX_PLACE)
		return link_ports(w, h, right.a, right.b, r, multi);
	return link_both(w, h, left, right, r, multi);
}

/* A reference that a duplicator, or anything with a label, reaches: copied when it would come out as two copies. */
hot_inline bool rule_copy(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const uint32_t def = (uint32_t)port_index(a);

	switch (book_ref_rule(w->book, def, b)) {
	case BOOK_COPY: return rule_eras(w, h, a, b, r, multi);
	case BOOK_CALL: return rule_call(w, h, a, b, r, multi);
	default: break;
	}
	worker_stop(w, NET_UNSAFE, def);
	rules_hurry(w, h);
	return false;
}

#endif

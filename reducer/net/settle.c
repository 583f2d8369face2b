/*
 * settle.c - see settle.h.
 */
#include "reducer/net/settle.h"
#include "reducer/net/mail.h"

#define SETTLE_DEPTH 256u

/* What the wire at @at leads to, as far as our variables know, takes their place; they are free then. */
static void settle_port(struct worker *w, port *at, bool is_first_of_operator)
{
	struct hot *h = &w->hot;
	port p = *at;
	bool noted = false;

	while (port_tag(p) == TAG_VAR && cells_own_var(w, p)) {
		port value = *cells_var(h, p);

		/* a number that comes to an operator by a variable is counted when it comes */
		if (!link_is_bound(value) || (is_first_of_operator && port_tag(value) == TAG_NUM))
			break;
		if (!noted && !batch_note_word(w, at)) /* nobody has to be settled */
			return;
		noted = true;
		cells_free_var(w, h, p);
		p = value;
	}
	if (noted)
		*at = p;
}

bool settle_node(struct worker *w, port p, struct pair *ports)
{
	struct pair *cell;

	if (!port_is_node(p) || !cells_own_node(w, p))
		return false;
	cell = cells_node(&w->hot, p);
	settle_port(w, &cell->a, port_tag(p) == TAG_OPR);
	settle_port(w, &cell->b, false);
	*ports = *cell;
	return true;
}

void settle_tree(struct worker *w, port p)
{
	port todo[SETTLE_DEPTH];
	uint32_t n = 0;
	struct pair ports;

	todo[n++] = p;
	while (n > 0 && w->credit > 0) {
		if (!settle_node(w, todo[--n], &ports))
			continue;
		w->credit--;
		if (n + 2 <= SETTLE_DEPTH) {
			todo[n++] = ports.b;
			todo[n++] = ports.a;
		}
	}
}

void link_far(struct worker *w, port a, port b)
{
	settle_tree(w, b);
	mail_send(w, arena_home(w->arena, a), a, b);
}

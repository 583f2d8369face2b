/*
 * link.h - joining two ports, through however many variables lie between.
 *
 * A variable stands for a wire and has two ends. The first of them to be linked leaves the other port in the variable's
 * cell; the second finds it there, frees the cell and goes on with what it found. Only the owner looks into a cell:
 * for anybody else linking a variable is a message.
 */
#ifndef REDUCER_NET_LINK_H
#define REDUCER_NET_LINK_H

#include "reducer/net/cells.h"

/* Set in the tags of nodes, and not in those of references, erasers and numbers. */
#define LINK_NODE_BITS ((port)TAG_CON | (port)TAG_ASYNC)

/*
 * What an unbound variable contains when its other end has gone to another worker, or waits for something that has: a
 * hint, and as good as PORT_NONE. No port has this tag.
 */
#define LINK_LATE (~(port)0)

hot_inline bool link_is_bound(port value)
{
	return value + 1 > 1;
}

/* link_far() - @a is a variable of another worker. Works on w->hot. */
plx_cold void link_far(struct worker *w, port a, port b);

/*
 * link_ports() - join @a and @b. When two principal ports meet they are left in @r: true, somebody has to reduce them.
 *
 * Of two unbound variables @a takes the place of @b: pass the younger one first, and chains stay short.
 */
hot_inline bool link_ports(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	for (;;) {
		if (port_tag(a) == TAG_VAR) {
			port value;

			if (multi && plx_unlikely(!cells_own_var(w, a))) {
				w->hot = *h;
				link_far(w, a, b);
				*h = w->hot;
				return false;
			}
			value = *cells_var(h, a);
			if (multi ? link_is_bound(value) : value != PORT_NONE) {
				cells_free_var(w, h, a);
				a = value;
				continue;
			}
			if (port_tag(b) == TAG_VAR && (!multi || cells_own_var(w, b))) {
				if (a == b) { /* a wire that leads nowhere */
					cells_free_var(w, h, a);
					return false;
				}
				value = *cells_var(h, b);
				if (multi ? link_is_bound(value) : value != PORT_NONE) {
					cells_free_var(w, h, b);
					b = value;
					continue;
				}
			}
			cells_set_var(w, h, a, b);
			return false;
		}
		if (port_tag(b) != TAG_VAR)
			break;
		port swap = a;
		a = b;
		b = swap;
	}
	if (!((a | b) & LINK_NODE_BITS)) { /* VOID: nothing is left, so nothing has to wait for its turn */
		h->fuel--;
		return false;
	}
	r->a = a;
	r->b = b;
	return true;
}

/* The same, and a redex goes onto the stack. */
hot_inline void link_later(struct worker *w, struct hot *h, port a, port b, const bool multi)
{
	struct pair r;

	if (link_ports(w, h, a, b, &r, multi))
		*h->top++ = r;
}

/* Does this redex leave less than there was: ANNI or ERAS? */
hot_inline bool link_shrinks(struct pair r)
{
	const uint32_t a = port_tag(r.a), b = port_tag(r.b);

	return port_head(r.a) == port_head(r.b) || a == TAG_ERA || b == TAG_ERA ||
	       (a == TAG_NUM && b < TAG_OPR) || (b == TAG_NUM && a < TAG_OPR);
}

/*
 * link_both() - join first.a with first.b and second.a with second.b. One redex comes back in @r, the other goes onto
 * the stack: the first one stays, unless only the second shrinks. What shrinks mostly is wiring, and to expand before
 * the wiring is done is to build for nobody: a hundred times the memory, where it matters.
 */
hot_inline bool link_both(struct worker *w, struct hot *h, struct pair first, struct pair second,
			  struct pair *r, const bool multi)
{
	struct pair s;

	if (!link_ports(w, h, second.a, second.b, &s, multi))
		return link_ports(w, h, first.a, first.b, r, multi);
	if (!link_ports(w, h, first.a, first.b, r, multi)) {
		*r = s;
		return true;
	}
	if (link_shrinks(s) && !link_shrinks(*r)) {
		*h->top++ = *r;
		*r = s;
	} else {
		*h->top++ = s;
	}
	return true;
}

#endif

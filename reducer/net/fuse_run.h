/*
 * fuse_run.h - code of fuse.h at work.
 *
 * A label is entered only if the rest of the batch has fuel for it, and there are cells for whatever it may build and for going
 * back to a redex. So between two labels nothing has to be asked, and what could not be undone is never half done: all
 * that is written is written as the plain rules write it.
 */
#ifndef REDUCER_NET_FUSE_RUN_H
#define REDUCER_NET_FUSE_RUN_H

#include "reducer/net/fuse.h"
#include "reducer/net/rules.h"

/* Is there enough of everything? @paid: fuel that was paid already. */
hot_inline bool fuse_fits(const struct worker *w, const struct hot *h, const struct fuse_label *label,
			  int64_t paid)
{
	if (net_mutant(MUT_NET_FUSE_ROOM))
		return h->fuel + paid >= label->cost;
	return h->fuel + paid >= label->cost && h->nodes + label->nodes <= w->node_mark &&
	       h->vars + label->vars <= w->var_mark && h->set + label->sets <= w->set_mark &&
	       h->top + label->redexes <= w->limit;
}

/* What hangs at @p, through variables of ours, which are free then. */
hot_inline port fuse_follow(struct worker *w, struct hot *h, port p, const bool multi)
{
	while (port_tag(p) == TAG_VAR && (!multi || cells_own_var(w, p))) {
		const port value = *cells_var(h, p);

		if (!(multi ? link_is_bound(value) : value != PORT_NONE))
			break;
		cells_free_var(w, h, p);
		p = value;
	}
	return p;
}

/* A variable or a node of another worker? */
hot_inline bool fuse_is_far(const struct worker *w, port p)
{
	return port_tag(p) == TAG_VAR ? !cells_own_var(w, p) : port_is_node(p) && !cells_own_node(w, p);
}

/* A node of another worker is taken if it is settled: else one message for each part would follow. */
hot_inline bool fuse_may_take(const struct worker *w, const struct hot *h, port p)
{
	if (plx_likely(cells_own_node(w, p)))
		return true;
	const struct pair n = *cells_node(h, p);

	return (port_tag(n.a) != TAG_VAR || cells_own_var(w, n.a)) &&
	       (port_tag(n.b) != TAG_VAR || cells_own_var(w, n.b));
}

/* A number without doubt a u24 at $(b ...), where b is this operator applied to another. */
hot_inline bool fuse_is_plain(port a, port b, uint32_t operator)
{
	return ((uint32_t)a == (NUM_U24 << 4 | TAG_NUM) || net_mutant(MUT_NET_FUSE_TYPE)) &&
	       (uint32_t)b == (operator<< 4 | TAG_NUM);
}

/* Until an end. True: *r is what is to be reduced next. */
hot_inline bool fuse_run(struct worker *w, struct hot *h, const struct fuse_instr *pc, struct pair *r,
			 const bool multi)
{
	port *const v = w->fuse.value;
	bool held = false;
	struct pair q;
	port p;

#define FUSE_QUICK(name, make)                                                                               \
	case FUSE_##name: {                                                                                  \
		const port a = v[pc->a], b = v[pc->b];                                                       \
		const uint32_t right = num_payload(a), left = num_payload(b) & NUM_PAYLOAD_MASK;             \
                                                                                                             \
		if (plx_likely(fuse_is_plain(a, b, NUM_##name)))                                             \
			v[pc->c] = num_u24(make);                                                            \
		else                                                                                         \
			(void)num_operate(a, b, &v[pc->c]);                                                  \
		pc++;                                                                                        \
		break;                                                                                       \
	}

	for (;;) {
		switch ((enum fuse_op)pc->op) {
		case FUSE_CON:
			p = fuse_follow(w, h, v[pc->a], multi);
			v[pc->a] = p;
			if (port_head(p) == TAG_CON && (!multi || fuse_may_take(w, h, p))) {
				q = *cells_node(h, p);
				if (multi && !net_mutant(MUT_NET_FUSE_FOREIGN) &&
				    plx_unlikely(!cells_own_node(w, p)))
					cells_free_foreign(w, p);
				else
					cells_free_node(h, p);
				v[pc->b] = q.a;
				v[pc->c] = q.b;
				pc++;
			} else {
				pc = w->fuse.code + pc->to;
			}
			break;
		case FUSE_NUM:
			p = fuse_follow(w, h, v[pc->a], multi);
			v[pc->a] = p;
			pc = port_tag(p) == TAG_NUM ? pc + 1 : w->fuse.code + pc->to;
			break;
		case FUSE_SWITCH:
			p = fuse_follow(w, h, v[pc->a], multi);
			v[pc->a] =
				p; /* also a number: it is not here any more, but may go along (FUSE_FREE) */
			if (port_tag(p) != TAG_NUM) {
				pc = w->fuse.code + pc->other;
			} else if (num_payload(p) == 0) {
				pc = w->fuse.code + pc->to;
			} else {
				v[pc->b] = num_less_one(p);
				pc++;
			}
			break;
		case FUSE_ZERO:
			p = v[pc->a];
			if (num_payload(p) == 0) {
				pc = w->fuse.code + pc->to;
			} else {
				v[pc->b] = num_less_one(p);
				pc++;
			}
			break;
		case FUSE_OPER:
			if (num_operate(v[pc->a], v[pc->b], &p) == 0) {
				v[pc->c] = p;
				pc++;
			} else {
				pc = w->fuse.code + pc->to;
			}
			break;
			FUSE_QUICK(ADD, left + right)
			FUSE_QUICK(SUB, left - right)
			FUSE_QUICK(MUL, left * right)
			FUSE_QUICK(EQ, left == right)
			FUSE_QUICK(LT, left < right)
			FUSE_QUICK(GT, left > right)
		case FUSE_PARTIAL:
			p = v[pc->a];
			v[pc->c] = num_type(p) == NUM_SYM ? num_u24(0) : num_make(pc->other, num_payload(p));
			pc++;
			break;
		case FUSE_VAR:
			v[pc->a] = cells_new_var(h);
			pc++;
			break;
		case FUSE_STIFF:
			if (port_tag(v[pc->b]) != TAG_NUM) {
				v[pc->a] = v[pc->b];
				pc++;
				break;
			}
			/* fall through */
		case FUSE_BOUND:
			p = cells_new_var(h);
			*cells_var(h, p) = v[pc->b]; /* nothing leads to it yet: not noted */
			v[pc->a] = p;
			pc++;
			break;
		case FUSE_NODE:
			v[pc->a] = cells_new_node(h, v[pc->b], v[pc->c]) | pc->to;
			pc++;
			break;
		case FUSE_PUSH:
			*h->top++ = (struct pair){ v[pc->a], v[pc->b] };
			pc++;
			break;
		case FUSE_FAR:
			p = v[pc->a];
			pc = multi && fuse_is_far(w, p) ? pc + 1 : w->fuse.code + pc->to;
			break;
		case FUSE_FREE:
			p = v[pc->a];
			pc = (port_tag(p) == TAG_VAR || port_is_node(p)) && !fuse_is_far(w, p)
				     ? w->fuse.code + pc->to
				     : pc + 1;
			break;
		case FUSE_SEND:
			h->fuel -= pc->other;
			w->hot = *h;
			fuse_send(w, v[pc->a], v[pc->b], v[pc->c], pc->other);
			*h = w->hot;
			return false;
		case FUSE_LINK:
			if (link_ports(w, h, v[pc->a], v[pc->b], &q, multi)) {
				if (held)
					*h->top++ = *r;
				*r = q;
				held = true;
			}
			pc++;
			break;
		case FUSE_JUMP: {
			const struct fuse_label *label = &w->fuse.label[pc->to];
			const uint16_t *at = pc[1].argument;
			const port p0 = v[at[0]], p1 = v[at[1]], p2 = v[at[2]], p3 = v[at[3]];

			h->fuel -= pc->other;
			if (label->arguments > 4) {
				const port p4 = v[at[4]], p5 = v[at[5]], p6 = v[at[6]], p7 = v[at[7]];

				v[4] = p4;
				v[5] = p5;
				v[6] = p6;
				v[7] = p7;
			}
			v[0] = p0;
			v[1] = p1;
			v[2] = p2;
			v[3] = p3;
			if (plx_likely(!held && fuse_fits(w, h, label, 0))) {
				pc = w->fuse.code + label->start;
				break;
			}
			if (!held) {
				w->hot = *h;
				fuse_short(w, label);
				*h = w->hot;
			}
			if (net_mutant(MUT_NET_FUSE_SPILL))
				return held;
			pc = w->fuse.code + label->spill;
			break;
		}
		case FUSE_END: h->fuel -= pc->other; return held;
		}
	}
#undef FUSE_QUICK
}

/* A reference at a CON of ours. */
hot_inline bool fuse_call(struct worker *w, struct hot *h, port a, port b, struct pair *r, const bool multi)
{
	const struct fuse_label *label;
	struct pair n;

	for (;;) {
		enum fuse_answer answer;

		label = w->fuse.entry[port_index(a)];
		if (!label)
			return rule_call(w, h, a, b, r, multi);
		if (plx_likely(fuse_fits(w, h, label, 1)))
			break;
		w->hot = *h;
		answer = fuse_reluctant(w, a, b);
		*h = w->hot;
		if (answer == FUSE_PLAIN)
			return rule_call(w, h, a, b, r, multi);
		if (answer == FUSE_WAIT)
			return false;
	}
	n = *cells_node(h, b);
	cells_free_node(h, b);
	w->fuse.value[0] = n.a;
	w->fuse.value[1] = n.b;
	h->fuel++; /* the code pays for all it does */
	return fuse_run(w, h, w->fuse.code + label->start, r, multi);
}

#endif

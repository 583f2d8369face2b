/*
 * fuse_path.c - what is to be done next on paper; see fuse_maker.h.
 *
 * What is known is done first (fuse_paper.c). Then the code has to look:
 * for what a switch waits for, for the shape of arguments, for numbers. Each look splits the path in two or three, and each of them
 * is followed to its end. A path ends when only calls are left that had better be made than worked out.
 */
#include "reducer/net/fuse_maker.h"
#include "reducer/net/mutant.h"

/* How soon shall this be done? */
enum path_class {
	PATH_KNOWN = 0,
	PATH_CHOICE, /* a switch and what may be a number */
	PATH_SHAPE,  /* a constructor and what may be one */
	PATH_NUMBER, /* what a number would go through or into */
	PATH_LATER,  /* none of it: when the code runs */
};

/* What became of the youngest call. */
enum path_leaf {
	PATH_NO_LEAF,  /* it is one */
	PATH_LEAF,     /* it was worked out */
	PATH_FOLLOWED, /* that depends; the path is followed to its end already */
};

/* ---- what has to be looked at ------------------------------------------------------------------- */

/* A part of the argument was consumed: it was a node with @left and @right. */
static void path_grow(struct maker_path *p, port at, uint32_t left, uint32_t right)
{
	for (uint32_t i = 0; i < p->grown && p->grown < MAKER_GROWN; i++)
		for (int side = 0; side < 2; side++) {
			port *leaf = side ? &p->grow[i].b : &p->grow[i].a;

			if (*leaf != at)
				continue;
			*leaf = port_make(TAG_CON, 0, p->grown);
			p->grow[p->grown++] = (struct pair){ maker_register(left), maker_register(right) };
			return;
		}
	p->rigid = true;
}

static void path_fail_at(struct maker *m, struct maker_path *p, uint32_t at, struct pair r, uint32_t credit)
{
	m->fuse->code[at].to = m->fuse->used;
	if (m->fuse->code[at].op == FUSE_CON)
		emit_send(m, p, m->fuse->code[at].a);
	p->credit = credit;
	paper_add(&p->rest, r.a, r.b);
	maker_path(m, p);
}

/* A number at an operator. True: the path is followed to its end already. */
static bool path_oper(struct maker *m, struct maker_path *p, port a, port b)
{
	const struct pair n = p->node[port_index(b)];
	struct maker_path failed;
	uint32_t at;
	port value;

	if (!maker_number(p, n.a)) { /* it waits, with our number in it: variables are not looked through */
		p->cost++;
		p->alive--;
		paper_link(p, paper_node(p, port_head(b), a, n.b), n.a);
		return false;
	}
	if (!paper_operate(m, p, a, n.a, &value, &at)) {
		paper_add(&p->rest, a, b);
		return false;
	}
	if (at != UINT32_MAX)
		failed = *p;
	p->cost++;
	p->alive--;
	paper_link(p, n.b, value);
	if (at == UINT32_MAX)
		return false;
	maker_path(m, p);
	path_fail_at(m, &failed, at, (struct pair){ a, b }, 1);
	return true;
}

/* What a switch waits for is in register @b. */
static void path_choose(struct maker *m, struct maker_path *p, port a, port b)
{
	const bool any = paper_unknown(p, b);
	uint32_t less, at;
	struct maker_path other;

	if (paper_zero(p, b)) {
		paper_switch(p, PORT_NONE, a, true);
		maker_path(m, p);
		return;
	}
	less = emit_register(m, p, MAKER_NUMBER);
	at = emit(m, any ? FUSE_SWITCH : FUSE_ZERO, emit_value(m, b), less, 0);
	other = *p;
	p->credit -= p->credit / 3;
	paper_switch(p, maker_register(less), a, false);
	maker_path(m, p);

	*p = other;
	m->fuse->code[at].to = m->fuse->used;
	p->credit /= 3;
	paper_switch(p, PORT_NONE, a, true);
	maker_path(m, p);
	if (!any)
		return;
	m->fuse->code[at].other = m->fuse->used;
	emit_send(m, &other, m->fuse->code[at].a);
	other.credit = 1;
	paper_add(&other.rest, a, b);
	maker_path(m, &other);
}

static void path_shape(struct maker *m, struct maker_path *p, port a, port b)
{
	struct maker_path other = *p;
	const struct pair n = paper_take(p, a);
	const uint32_t left = emit_register(m, p, MAKER_ANY), right = emit_register(m, p, MAKER_ANY);
	const uint32_t at = emit(m, FUSE_CON, emit_value(m, b), left, right);

	p->cost++;
	p->credit -= p->credit / 4;
	path_grow(p, b, left, right);
	paper_link(p, n.a, maker_register(left));
	paper_link(p, n.b, maker_register(right));
	maker_path(m, p);
	path_fail_at(m, &other, at, (struct pair){ a, b }, other.credit / 4);
}

static void path_look_for_number(struct maker *m, struct maker_path *p, port a, port b)
{
	struct maker_path other = *p;
	const uint32_t at = emit(m, FUSE_NUM, emit_value(m, b), 0, 0);

	p->kind[port_index(b)] = MAKER_NUMBER;
	p->credit -= p->credit / 4;
	paper_add(&p->work, a, b);
	maker_path(m, p);
	path_fail_at(m, &other, at, (struct pair){ a, b }, other.credit / 4);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static enum path_class path_classify(const struct maker_path *p, const struct pair *r)
{
	const bool a_unknown = paper_unknown(p, r->a), b_unknown = paper_unknown(p, r->b);
	const port node = a_unknown ? r->b : r->a;

	if (a_unknown && b_unknown)
		return PATH_LATER;
	if (!a_unknown && !b_unknown) {
		const bool one = port_tag(r->a) == TAG_SWI && port_tag(r->b) == TAG_REGISTER;
		const bool two = port_tag(r->b) == TAG_SWI && port_tag(r->a) == TAG_REGISTER;

		return one || two ? PATH_CHOICE : PATH_KNOWN;
	}
	switch (port_tag(node)) {
	case TAG_SWI: return PATH_CHOICE;
	case TAG_CON: return port_label(node) == 0 ? PATH_SHAPE : PATH_LATER;
	case TAG_DUP:
	case TAG_OPR: return PATH_NUMBER;
	default: return PATH_LATER;
	}
}

/* What lies in a register comes second; then a node; then what has the higher tag. */
static uint32_t path_rank(const struct maker_path *p, port at)
{
	return paper_unknown(p, at) ? 16 : maker_number(p, at) ? (uint32_t)TAG_NUM : port_tag(at);
}

/* True: the path is followed to its end already. */
static bool path_known(struct maker *m, struct maker_path *p, port a, port b)
{
	if (!port_is_node(b)) {
		p->cost++; /* VOID */
		return false;
	}
	if (port_is_node(a)) {
		paper_nodes(p, a, b);
	} else if (port_tag(a) == TAG_REF) {
		paper_reference(m, p, a, b);
	} else if (port_tag(b) == TAG_OPR && maker_number(p, a)) {
		return path_oper(m, p, a, b);
	} else if (port_tag(b) == TAG_SWI && maker_number(p, a)) {
		const bool zero = num_payload(a) == 0;

		paper_switch(p, zero ? PORT_NONE : num_less_one(a), b, zero);
	} else {
		paper_copy(p, a, b);
	}
	return false;
}

static struct pair list_take(struct maker_list *list, uint32_t i)
{
	const struct pair r = list->redex[i];

	memmove(&list->redex[i], &list->redex[i + 1], (--list->n - i) * sizeof(r));
	return r;
}

/* What is to be done next, the port of the higher rank second. */
static struct pair path_next(struct maker_path *p, enum path_class *class)
{
	uint32_t best = 0;
	struct pair r;

	*class = PATH_LATER;
	for (uint32_t i = 0; i < p->work.n && *class != PATH_KNOWN; i++) {
		const enum path_class c = path_classify(p, &p->work.redex[i]);

		if (i == 0 || c < *class) {
			best = i;
			*class = c;
		}
	}
	r = list_take(&p->work, best);
	if (path_rank(p, r.a) > path_rank(p, r.b)) {
		const port swap = r.a;

		r.a = r.b;
		r.b = swap;
	}
	return r;
}

/* True: the path is followed to its end already. */
static bool path_step(struct maker *m, struct maker_path *p)
{
	enum path_class class;
	const struct pair r = path_next(p, &class);

	if (class != PATH_KNOWN && (p->credit <= 1 || class == PATH_LATER)) {
		paper_add(&p->rest, r.a, r.b);
		return false;
	}
	if (class == PATH_KNOWN)
		return path_known(m, p, r.a, r.b);
	if (class == PATH_CHOICE) /* a number in a register ranks before the switch */
		path_choose(m, p, port_tag(r.a) == TAG_SWI ? r.a : r.b, port_tag(r.a) == TAG_SWI ? r.b : r.a);
	else if (class == PATH_SHAPE)
		path_shape(m, p, r.a, r.b);
	else
		path_look_for_number(m, p, r.a, r.b);
	return true;
}

/* ---- calls -------------------------------------------------------------------------------------- */

/* The youngest call, worked out here, if that is worth it: a recursion is left to labels. */
static bool path_call(struct maker *m, struct maker_path *p)
{
	struct pair r;

	if (p->call.n == 0 || p->depth == MAKER_DEPTH || p->cost > MAKER_COST / 2 || !paper_has_room(p))
		return false;
	r = p->call.redex[p->call.n - 1];
	for (uint32_t i = 0; i < p->depth; i++)
		if (p->caller[i] == port_index(r.a))
			return false;
	if (!maker_expand(m, p, r.a, r.b))
		return false;
	p->call.n--;
	p->caller[p->depth++] = (uint32_t)port_index(r.a);
	return true;
}

/*
 * The youngest call of @p is worked out until its switch, if all that is known and makes no instruction. The switch and what it
 * waits for, a number in a register, come back in @r. False: that is not what comes first.
 */
static bool path_to_switch(struct maker *m, struct maker_path *p, struct pair *r)
{
	enum path_class class = PATH_KNOWN;

	*r = p->call.redex[p->call.n - 1];
	if (!maker_expand(m, p, r->a, r->b))
		return false;
	p->call.n--;
	while (p->work.n > 0 && paper_has_room(p)) {
		*r = path_next(p, &class);
		if (class == PATH_CHOICE)
			return maker_number(p, r->a);
		if (class != PATH_KNOWN || (port_tag(r->b) == TAG_OPR && maker_number(p, r->a)))
			return false;
		(void)path_known(m, p, r->a, r->b);
	}
	return false;
}

/*
 * A recursion that counts down ends with calls for 0, as many as all others together: it is worth a look whether those that are
 * left here are such calls. Then they are worked out, too, and are never made. Everything else is left to labels.
 */
static enum path_leaf path_leaf(struct maker *m, struct maker_path *p)
{
	struct maker_path leaf = *p;
	struct pair r;
	uint32_t at;

	if (p->leafless || p->call.n == 0 || p->credit <= 1 || p->cost > MAKER_COST / 2 ||
	    !paper_has_room(p) || !path_to_switch(m, &leaf, &r))
		return PATH_NO_LEAF;
	if (paper_zero(p, r.a) || net_mutant(MUT_NET_FUSE_LEAF)) {
		paper_switch(&leaf, PORT_NONE, r.b, true);
		*p = leaf;
		return PATH_LEAF;
	}
	if (p->call.n < 2) /* a loop: its label looks anyway */
		return PATH_NO_LEAF;
	at = emit(m, FUSE_ZERO, emit_value(m, r.a), emit_register(m, p, MAKER_NUMBER), 0);
	leaf.registers = p->registers;
	leaf.kind[leaf.registers - 1] = MAKER_NUMBER;
	leaf.kind[port_index(r.a)] = MAKER_ZERO;
	leaf.credit = p->credit / 2;
	p->leafless = true;
	p->credit -= leaf.credit;
	maker_path(m, p);
	m->fuse->code[at].to = m->fuse->used;
	paper_switch(&leaf, PORT_NONE, r.b, true);
	maker_path(m, &leaf);
	return PATH_FOLLOWED;
}

void maker_path(struct maker *m, struct maker_path *p)
{
	while (!m->failed) {
		if (p->work.n == 0) {
			enum path_leaf leaf;

			if (path_call(m, p))
				continue;
			leaf = path_leaf(m, p);
			if (leaf == PATH_FOLLOWED)
				return;
			if (leaf == PATH_NO_LEAF)
				break;
			continue;
		}
		if (!paper_has_room(p))
			break;
		if (path_step(m, p))
			return;
	}
	if (!m->failed)
		emit_end(m, p);
}

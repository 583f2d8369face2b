/*
 * fuse_path.c - the rules, on paper; see fuse_maker.h.
 *
 * They are those of rules.h, one by one, with the same counts. What is known is done first. Then the code has to look:
 * for what a switch waits for, for the shape of arguments, for numbers. Each look splits the path in two or three, and each of them
 * is followed to its end. A path ends when only calls are left that had better be made than worked out.
 */
#include "reducer/net/fuse_maker.h"
#include "reducer/net/mutant.h"

/* Cells and redexes that one rule may take. */
#define PATH_NODES   4u
#define PATH_REDEXES 8u

/* How soon shall this be done? */
enum path_class {
	PATH_KNOWN = 0,
	PATH_CHOICE, /* a switch and what may be a number */
	PATH_SHAPE,  /* a constructor and what may be one */
	PATH_NUMBER, /* what a number would go through or into */
	PATH_LATER,  /* none of it: when the code runs */
};

port maker_follow(const struct maker_path *p, port at)
{
	while (port_tag(at) == TAG_VAR && p->wire[port_index(at)] != PORT_NONE)
		at = p->wire[port_index(at)];
	return at;
}

bool maker_number(const struct maker_path *p, port at)
{
	if (port_tag(at) == TAG_REGISTER)
		return p->kind[port_index(at)] != MAKER_ANY;
	return port_tag(at) == TAG_NUM;
}

static bool path_unknown(const struct maker_path *p, port at)
{
	return port_tag(at) == TAG_REGISTER && !maker_number(p, at);
}

static void list_add(struct maker_list *list, port a, port b)
{
	list->redex[list->n++] = (struct pair){ a, b };
}

static struct pair list_take(struct maker_list *list, uint32_t i)
{
	const struct pair r = list->redex[i];

	memmove(&list->redex[i], &list->redex[i + 1], (--list->n - i) * sizeof(r));
	return r;
}

/* As link_ports(). */
static void path_link(struct maker_path *p, port a, port b)
{
	a = maker_follow(p, a);
	b = maker_follow(p, b);
	if (port_tag(a) == TAG_VAR) {
		if (a != b) /* or it is a wire that leads nowhere */
			p->wire[port_index(a)] = b;
	} else if (port_tag(b) == TAG_VAR) {
		p->wire[port_index(b)] = a;
	} else {
		list_add(&p->work, a, b);
	}
}

static port path_wire(struct maker_path *p)
{
	p->wire[p->wires] = PORT_NONE;
	return port_var(p->wires++);
}

static port path_node(struct maker_path *p, uint32_t head, port a, port b)
{
	p->node[p->nodes] = (struct pair){ a, b };
	p->alive++;
	return port_make(0, 0, p->nodes++) | head;
}

/* The ports of a node, which is consumed. */
static struct pair path_take(struct maker_path *p, port node)
{
	p->alive--;
	return p->node[port_index(node)];
}

static bool path_has_room(const struct maker_path *p)
{
	return p->cost < MAKER_COST && p->nodes + PATH_NODES <= MAKER_NODES &&
	       p->wires + PATH_NODES <= MAKER_WIRES && p->work.n + PATH_REDEXES <= MAKER_REDEXES &&
	       p->call.n + p->work.n < MAKER_REDEXES && p->rest.n + p->work.n < MAKER_REDEXES &&
	       p->registers + PATH_REDEXES <= FUSE_REGISTERS / 2;
}

/* ---- calls -------------------------------------------------------------------------------------- */

static port path_relocate(const struct maker_path *p, port at)
{
	if (port_tag(at) == TAG_VAR)
		return port_var(port_index(at) + p->wires);
	if (port_is_node(at))
		return port_make(0, 0, port_index(at) + p->nodes) | port_head(at);
	return at;
}

bool maker_expand(struct maker *m, struct maker_path *p, port ref, port node)
{
	const struct book_def *def = book_def(m->book, (uint32_t)port_index(ref));
	const struct pair *cell = book_pairs(m->book) + def->first_node;
	const struct pair *redex = book_pairs(m->book) + def->first_redex;
	struct pair links[MAKER_REDEXES];
	port root;

	if (m->w->defs[port_index(ref)].room == CODE_POISON || p->nodes + def->nodes > MAKER_NODES ||
	    p->wires + def->vars > MAKER_WIRES || p->work.n + def->redexes + 1 > MAKER_REDEXES)
		return false;
	for (uint32_t i = 0; i < def->nodes; i++)
		p->node[p->nodes + i] = (struct pair){ path_relocate(p, cell[i].a),
						       path_relocate(p, cell[i].b) };
	for (uint32_t i = 0; i < def->redexes; i++)
		links[i] = (struct pair){ path_relocate(p, redex[i].a), path_relocate(p, redex[i].b) };
	root = path_relocate(p, def->root);
	memset(&p->wire[p->wires], 0, def->vars * sizeof(port));
	p->wires += def->vars;
	p->nodes += def->nodes;
	p->alive += def->nodes;
	p->cost++;
	for (uint32_t i = 0; i < def->redexes; i++)
		path_link(p, links[i].a, links[i].b);
	path_link(p, root, node); /* last, so that what it calls comes next, as it does in the plain rules */
	return true;
}

/* The youngest call, worked out here, if that is worth it: a recursion is left to labels. */
static bool path_call(struct maker *m, struct maker_path *p)
{
	struct pair r;

	if (p->call.n == 0 || p->depth == MAKER_DEPTH || p->cost > MAKER_COST / 2 || !path_has_room(p))
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

/* ---- what is known ------------------------------------------------------------------------------ */

static void path_copy(struct maker_path *p, port a, port node)
{
	const struct pair n = path_take(p, node);

	p->cost++;
	path_link(p, a, n.a);
	path_link(p, a, n.b);
}

static void path_reference(struct maker *m, struct maker_path *p, port ref, port node)
{
	switch (book_ref_rule(m->book, (uint32_t)port_index(ref), node)) {
	case BOOK_COPY: path_copy(p, ref, node); return;
	case BOOK_CALL: list_add(&p->call, ref, node); return;
	default: /* an error, if it comes to that */
		if (net_mutant(MUT_NET_FUSE_UNSAFE))
			path_copy(p, ref, node);
		else
			list_add(&p->rest, ref, node);
		return;
	}
}

static void path_nodes(struct maker_path *p, port a, port b)
{
	const struct pair m = path_take(p, a), n = path_take(p, b);
	port v, x, y, z;

	p->cost++;
	if (port_head(a) == port_head(b)) {
		path_link(p, m.a, n.a);
		path_link(p, m.b, n.b);
		return;
	}
	v = path_wire(p);
	x = path_wire(p);
	y = path_wire(p);
	z = path_wire(p);
	path_link(p, path_node(p, port_head(b), y, z), m.b);
	path_link(p, path_node(p, port_head(a), x, z), n.b);
	path_link(p, path_node(p, port_head(a), v, y), n.a);
	path_link(p, path_node(p, port_head(b), v, x), m.a);
}

static void path_switch(struct maker_path *p, port less, port node, bool zero)
{
	const struct pair n = path_take(p, node);

	p->cost++;
	if (zero)
		path_link(p, path_node(p, TAG_CON, n.b, PORT_ERA), n.a);
	else
		path_link(p, path_node(p, TAG_CON, PORT_ERA, path_node(p, TAG_CON, less, n.b)), n.a);
}

/* The operator that @at applies to what it meets, if that is known: a NUM type, or else MAKER_NUMBER. */
static uint32_t path_operator(const struct maker_path *p, port at)
{
	if (port_tag(at) == TAG_REGISTER)
		return p->kind[port_index(at)];
	return num_type(at) >= NUM_ADD && num_type(at) <= NUM_FP_SHR ? num_type(at) : MAKER_NUMBER;
}

static enum fuse_op path_quick(uint32_t type)
{
	switch (type) {
	case NUM_ADD: return FUSE_ADD;
	case NUM_SUB: return FUSE_SUB;
	case NUM_MUL: return FUSE_MUL;
	case NUM_EQ: return FUSE_EQ;
	case NUM_LT: return FUSE_LT;
	case NUM_GT: return FUSE_GT;
	default: return FUSE_OPER;
	}
}

/*
 * What comes of @a ~ $(@b ...), both numbers, in *value. An instruction is made if one of them is in a register; if it can fail
 * its index is in *at, which is UINT32_MAX else. False: it is known to fail.
 */
static bool path_operate(struct maker *m, struct maker_path *p, port a, port b, port *value, uint32_t *at)
{
	const uint32_t ops[2] = { path_operator(p, a), path_operator(p, b) };
	const bool constant = port_tag(a) == TAG_NUM && port_tag(b) == TAG_NUM;
	enum fuse_op op = FUSE_OPER;
	uint32_t to;

	*at = UINT32_MAX;
	if (constant)
		return num_operate(a, b, value) == 0;
	for (int i = 0; i < 2; i++) {
		const port one = i ? b : a, other = i ? a : b;

		if (port_tag(one) == TAG_NUM && num_type(one) == NUM_SYM && num_payload(one) >= NUM_ADD &&
		    num_payload(one) <= NUM_FP_SHR) {
			/* [+] and a number */
			to = emit_register(m, p, num_payload(one));
			*at = emit(m, FUSE_PARTIAL, emit_value(m, other), 0, to);
			m->fuse->code[*at].other = num_payload(one);
			*value = maker_register(to);
			return true;
		}
	}
	to = emit_register(m, p, MAKER_NUMBER);
	*value = maker_register(to);
	if (ops[0] != MAKER_NUMBER || ops[1] != MAKER_NUMBER)
		op = path_quick(ops[1] != MAKER_NUMBER ? ops[1] : ops[0]);
	if (op != FUSE_OPER && ops[1] == MAKER_NUMBER) {
		const port swap = a;

		a = b;
		b = swap;
	}
	to = emit(m, op, emit_value(m, a), emit_value(m, b), to);
	if (op == FUSE_OPER)
		*at = to;
	return true;
}

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
	list_add(&p->rest, r.a, r.b);
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
		path_link(p, path_node(p, port_head(b), a, n.b), n.a);
		return false;
	}
	if (!path_operate(m, p, a, n.a, &value, &at)) {
		list_add(&p->rest, a, b);
		return false;
	}
	if (at != UINT32_MAX)
		failed = *p;
	p->cost++;
	p->alive--;
	path_link(p, n.b, value);
	if (at == UINT32_MAX)
		return false;
	maker_path(m, p);
	path_fail_at(m, &failed, at, (struct pair){ a, b }, 1);
	return true;
}

/* What a switch waits for is in register @b. */
static void path_choose(struct maker *m, struct maker_path *p, port a, port b)
{
	const bool any = path_unknown(p, b);
	const uint32_t less = emit_register(m, p, MAKER_NUMBER);
	const uint32_t at = emit(m, any ? FUSE_SWITCH : FUSE_ZERO, emit_value(m, b), less, 0);
	struct maker_path other = *p;

	p->credit -= p->credit / 3;
	path_switch(p, maker_register(less), a, false);
	maker_path(m, p);

	*p = other;
	m->fuse->code[at].to = m->fuse->used;
	p->credit /= 3;
	path_switch(p, PORT_NONE, a, true);
	maker_path(m, p);
	if (!any)
		return;
	m->fuse->code[at].other = m->fuse->used;
	emit_send(m, &other, m->fuse->code[at].a);
	other.credit = 1;
	list_add(&other.rest, a, b);
	maker_path(m, &other);
}

static void path_shape(struct maker *m, struct maker_path *p, port a, port b)
{
	struct maker_path other = *p;
	const struct pair n = path_take(p, a);
	const uint32_t left = emit_register(m, p, MAKER_ANY), right = emit_register(m, p, MAKER_ANY);
	const uint32_t at = emit(m, FUSE_CON, emit_value(m, b), left, right);

	p->cost++;
	p->credit -= p->credit / 4;
	path_grow(p, b, left, right);
	path_link(p, n.a, maker_register(left));
	path_link(p, n.b, maker_register(right));
	maker_path(m, p);
	path_fail_at(m, &other, at, (struct pair){ a, b }, other.credit / 4);
}

static void path_look_for_number(struct maker *m, struct maker_path *p, port a, port b)
{
	struct maker_path other = *p;
	const uint32_t at = emit(m, FUSE_NUM, emit_value(m, b), 0, 0);

	p->kind[port_index(b)] = MAKER_NUMBER;
	p->credit -= p->credit / 4;
	list_add(&p->work, a, b);
	maker_path(m, p);
	path_fail_at(m, &other, at, (struct pair){ a, b }, other.credit / 4);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static enum path_class path_classify(const struct maker_path *p, const struct pair *r)
{
	const bool a_unknown = path_unknown(p, r->a), b_unknown = path_unknown(p, r->b);
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
	return path_unknown(p, at) ? 16 : maker_number(p, at) ? (uint32_t)TAG_NUM : port_tag(at);
}

/* True: the path is followed to its end already. */
static bool path_known(struct maker *m, struct maker_path *p, port a, port b)
{
	if (!port_is_node(b)) {
		p->cost++; /* VOID */
		return false;
	}
	if (port_is_node(a)) {
		path_nodes(p, a, b);
	} else if (port_tag(a) == TAG_REF) {
		path_reference(m, p, a, b);
	} else if (port_tag(b) == TAG_OPR && maker_number(p, a)) {
		return path_oper(m, p, a, b);
	} else if (port_tag(b) == TAG_SWI && maker_number(p, a)) {
		const bool zero = num_payload(a) == 0;

		path_switch(p, zero ? PORT_NONE : num_less_one(a), b, zero);
	} else {
		path_copy(p, a, b);
	}
	return false;
}

/* True: the path is followed to its end already. */
static bool path_step(struct maker *m, struct maker_path *p)
{
	uint32_t best = 0;
	enum path_class class = PATH_LATER;
	struct pair r;

	for (uint32_t i = 0; i < p->work.n && class != PATH_KNOWN; i++) {
		const enum path_class c = path_classify(p, &p->work.redex[i]);

		if (i == 0 || c < class) {
			best = i;
			class = c;
		}
	}
	r = list_take(&p->work, best);
	if (path_rank(p, r.a) > path_rank(p, r.b)) {
		const port swap = r.a;

		r.a = r.b;
		r.b = swap;
	}
	if (class != PATH_KNOWN && (p->credit <= 1 || class == PATH_LATER)) {
		list_add(&p->rest, r.a, r.b);
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

void maker_path(struct maker *m, struct maker_path *p)
{
	while (!m->failed) {
		if (p->work.n == 0) {
			if (!path_call(m, p))
				break;
			continue;
		}
		if (!path_has_room(p))
			break;
		if (path_step(m, p))
			return;
	}
	if (!m->failed)
		emit_end(m, p);
}

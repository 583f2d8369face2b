/*
 * fuse_paper.c - the rules, on paper, where all that they need is known; see fuse_maker.h.
 *
 * They are those of rules.h, one by one, with the same counts. Only arithmetic makes an instruction, of what is in registers.
 */
#include "reducer/net/fuse_maker.h"
#include "reducer/net/mutant.h"

/* Cells and redexes that one rule may take. */
#define PATH_NODES   4u
#define PATH_REDEXES 8u

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

bool paper_zero(const struct maker_path *p, port at)
{
	return port_tag(at) == TAG_REGISTER && p->kind[port_index(at)] == MAKER_ZERO;
}

bool paper_unknown(const struct maker_path *p, port at)
{
	return port_tag(at) == TAG_REGISTER && !maker_number(p, at);
}

void paper_add(struct maker_list *list, port a, port b)
{
	list->redex[list->n++] = (struct pair){ a, b };
}

/* As link_ports(). */
void paper_link(struct maker_path *p, port a, port b)
{
	a = maker_follow(p, a);
	b = maker_follow(p, b);
	if (port_tag(a) == TAG_VAR) {
		if (a != b) /* or it is a wire that leads nowhere */
			p->wire[port_index(a)] = b;
	} else if (port_tag(b) == TAG_VAR) {
		p->wire[port_index(b)] = a;
	} else {
		paper_add(&p->work, a, b);
	}
}

static port path_wire(struct maker_path *p)
{
	p->wire[p->wires] = PORT_NONE;
	return port_var(p->wires++);
}

port paper_node(struct maker_path *p, uint32_t head, port a, port b)
{
	p->node[p->nodes] = (struct pair){ a, b };
	p->alive++;
	return port_make(0, 0, p->nodes++) | head;
}

/* The ports of a node, which is consumed. */
struct pair paper_take(struct maker_path *p, port node)
{
	p->alive--;
	return p->node[port_index(node)];
}

bool paper_has_room(const struct maker_path *p)
{
	return p->cost < MAKER_COST && p->nodes + PATH_NODES <= MAKER_NODES &&
	       p->wires + PATH_NODES <= MAKER_WIRES && p->work.n + PATH_REDEXES <= MAKER_REDEXES &&
	       p->call.n + p->work.n < MAKER_REDEXES && p->rest.n + p->work.n < MAKER_REDEXES &&
	       p->registers + PATH_REDEXES <= FUSE_REGISTERS / 2;
}

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
		paper_link(p, links[i].a, links[i].b);
	paper_link(p, root, node); /* last, so that what it calls comes next, as it does in the plain rules */
	return true;
}

void paper_copy(struct maker_path *p, port a, port node)
{
	const struct pair n = paper_take(p, node);

	p->cost++;
	paper_link(p, a, n.a);
	paper_link(p, a, n.b);
}

void paper_reference(struct maker *m, struct maker_path *p, port ref, port node)
{
	switch (book_ref_rule(m->book, (uint32_t)port_index(ref), node)) {
	case BOOK_COPY: paper_copy(p, ref, node); return;
	case BOOK_CALL: paper_add(&p->call, ref, node); return;
	default: /* an error, if it comes to that */
		if (net_mutant(MUT_NET_FUSE_UNSAFE))
			paper_copy(p, ref, node);
		else
			paper_add(&p->rest, ref, node);
		return;
	}
}

void paper_nodes(struct maker_path *p, port a, port b)
{
	const struct pair m = paper_take(p, a), n = paper_take(p, b);
	port v, x, y, z;

	p->cost++;
	if (port_head(a) == port_head(b)) {
		paper_link(p, m.a, n.a);
		paper_link(p, m.b, n.b);
		return;
	}
	v = path_wire(p);
	x = path_wire(p);
	y = path_wire(p);
	z = path_wire(p);
	paper_link(p, paper_node(p, port_head(b), y, z), m.b);
	paper_link(p, paper_node(p, port_head(a), x, z), n.b);
	paper_link(p, paper_node(p, port_head(a), v, y), n.a);
	paper_link(p, paper_node(p, port_head(b), v, x), m.a);
}

void paper_switch(struct maker_path *p, port less, port node, bool zero)
{
	const struct pair n = paper_take(p, node);

	p->cost++;
	if (zero)
		paper_link(p, paper_node(p, TAG_CON, n.b, PORT_ERA), n.a);
	else
		paper_link(p, paper_node(p, TAG_CON, PORT_ERA, paper_node(p, TAG_CON, less, n.b)), n.a);
}

/* The operator that @at applies to what it meets, if that is known: a NUM type, or else MAKER_NUMBER. */
static uint32_t path_operator(const struct maker_path *p, port at)
{
	if (port_tag(at) == TAG_REGISTER)
		return p->kind[port_index(at)] == MAKER_ZERO ? (uint32_t)MAKER_NUMBER
							     : p->kind[port_index(at)];
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
bool paper_operate(struct maker *m, struct maker_path *p, port a, port b, port *value, uint32_t *at)
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

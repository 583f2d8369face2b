/*
 * fuse_emit.c - instructions: single ones, and those at the end of a path that build what is left.
 */
#include "reducer/net/fuse_maker.h"
#include "reducer/net/mutant.h"

uint32_t emit(struct maker *m, enum fuse_op op, uint32_t a, uint32_t b, uint32_t c)
{
	struct fuse *f = m->fuse;

	if (f->used == FUSE_CODE) {
		m->failed = true;
		return 0;
	}
	f->code[f->used] = (struct fuse_instr){
		{ .op = (uint16_t)op, .a = (uint16_t)a, .b = (uint16_t)b, .c = (uint16_t)c }
	};
	return f->used++;
}

uint32_t emit_register(struct maker *m, struct maker_path *p, uint32_t kind)
{
	if (p->registers == FUSE_REGISTERS) {
		m->failed = true;
		return 0;
	}
	p->kind[p->registers] = (uint8_t)kind;
	return p->registers++;
}

uint32_t emit_value(struct maker *m, port value)
{
	struct fuse *f = m->fuse;

	if (port_tag(value) == TAG_REGISTER)
		return (uint32_t)port_index(value);
	for (uint32_t i = 0; i < f->constants; i++)
		if (f->value[FUSE_REGISTERS + i] == value)
			return FUSE_REGISTERS + i;
	if (f->constants == FUSE_CONSTANTS) {
		m->failed = true;
		return 0;
	}
	f->value[FUSE_REGISTERS + f->constants] = value;
	return FUSE_REGISTERS + f->constants++;
}

static uint32_t emit_node(struct maker *m, struct maker_path *p, uint32_t head, uint32_t a, uint32_t b)
{
	const uint32_t to = emit_register(m, p, MAKER_ANY);

	m->fuse->code[emit(m, FUSE_NODE, to, b, 0)] = (struct fuse_instr){
		{ .op = FUSE_NODE, .a = (uint16_t)to, .b = (uint16_t)a, .c = (uint16_t)b, .to = head }
	};
	p->take_nodes++;
	return to;
}

static uint32_t emit_var(struct maker *m, struct maker_path *p, enum fuse_op op, uint32_t value)
{
	const uint32_t to = emit_register(m, p, MAKER_ANY);

	emit(m, op, to, value, 0);
	p->take_vars++;
	return to;
}

/* ---- building ----------------------------------------------------------------------------------- */

static uint32_t build(struct maker *m, struct maker_path *p, port at);

/*
 * The first port of an operator: whether a number lies in it, or comes by a variable, is seen by the rule that counts.
 */
static uint32_t build_first(struct maker *m, struct maker_path *p, port at)
{
	const port end = maker_follow(p, at);

	if (port_tag(at) != TAG_VAR || net_mutant(MUT_NET_FUSE_LITERAL))
		return build(m, p, at);
	if (maker_number(p, end))
		return emit_var(m, p, FUSE_BOUND, emit_value(m, end));
	if (port_tag(end) == TAG_REGISTER)
		return emit_var(m, p, FUSE_STIFF, emit_value(m, end));
	return build(m, p, end);
}

static bool build_begin(struct maker *m, port node)
{
	if (m->built[port_index(node)]++ == 0) {
		m->alive--;
		return true;
	}
	m->failed = true; /* it hangs on itself */
	return false;
}

static uint32_t build(struct maker *m, struct maker_path *p, port at)
{
	uint32_t a, b;

	at = maker_follow(p, at);
	if (port_tag(at) == TAG_VAR) {
		uint16_t *var = &m->var[port_index(at)];

		if (*var == 0)
			*var = (uint16_t)(1 + emit_var(m, p, FUSE_VAR, 0));
		return *var - 1u;
	}
	if (!port_is_node(at))
		return emit_value(m, at);
	if (!build_begin(m, at))
		return 0;
	a = port_tag(at) == TAG_OPR ? build_first(m, p, p->node[port_index(at)].a)
				    : build(m, p, p->node[port_index(at)].a);
	b = build(m, p, p->node[port_index(at)].b);
	return emit_node(m, p, port_head(at), a, b);
}

/* ---- the argument of a call --------------------------------------------------------------------- */

#define SHAPE_NODES (FUSE_ARGUMENTS - 1)
#define SHAPE_LEFT  4u /* so many in all, that others can hang on left ports */

struct shape {
	uint32_t length, nodes, arguments;
	char text[FUSE_SHAPE];
	uint16_t argument[FUSE_ARGUMENTS];
};
static_assert(3 * SHAPE_NODES + 2 <= FUSE_SHAPE, "( and ) of each node, leaves, and the end");

static void shape_of(struct maker *m, struct maker_path *p, port at, struct shape *s, uint32_t most)
{
	at = maker_follow(p, at);
	if (port_head(at) == TAG_CON && s->nodes < most) {
		if (!build_begin(m, at))
			return;
		s->nodes++;
		s->text[s->length++] = '(';
		shape_of(m, p, p->node[port_index(at)].a, s, SHAPE_LEFT);
		shape_of(m, p, p->node[port_index(at)].b, s, SHAPE_NODES);
		s->text[s->length++] = ')';
		return;
	}
	s->text[s->length++] = maker_number(p, at) ? 'N' : 'U';
	s->argument[s->arguments++] = (uint16_t)build(m, p, at);
}

uint32_t fuse_nodes_in(const char *shape)
{
	uint32_t n = 0;

	for (; *shape; shape++)
		n += *shape == '(';
	return n;
}

/* ---- calls whose argument is elsewhere ---------------------------------------------------------- */

static void at_least(uint32_t *most, uint32_t n)
{
	if (*most < n)
		*most = n;
}

/* Is it in an argument, not in the result: is there a left port on the way to it? So compilers make calls, see queue.c. */
static bool is_argument(const struct maker_path *p, port at, uint32_t number, bool left)
{
	if (port_tag(at) != TAG_CON)
		return left && at == maker_register(number);
	return is_argument(p, p->grow[port_index(at)].a, number, true) ||
	       is_argument(p, p->grow[port_index(at)].b, number, left);
}

static uint32_t emit_grown(struct maker *m, struct maker_path *p, port at)
{
	uint32_t a, b;

	if (port_tag(at) != TAG_CON)
		return emit_value(m, at);
	a = emit_grown(m, p, p->grow[port_index(at)].a);
	b = emit_grown(m, p, p->grow[port_index(at)].b);
	return emit_node(m, p, TAG_CON, a, b);
}

/* The other arguments must not be here: the call would only be sent back. */
static void emit_free(struct maker *m, const struct maker_path *p, port at, bool left, uint32_t number)
{
	if (port_tag(at) == TAG_CON) {
		emit_free(m, p, p->grow[port_index(at)].a, true, number);
		emit_free(m, p, p->grow[port_index(at)].b, left, number);
	} else if (left && !maker_number(p, at) && at != maker_register(number)) {
		emit(m, FUSE_FREE, emit_value(m, at), 0, 0);
	}
}

void emit_send(struct maker *m, const struct maker_path *p, uint32_t at)
{
	/* it is not for nothing, or a batch could free more cells than it has room for: see CELLS_FREES, ARENA_FOREIGN */
	const uint32_t price = 1 + p->grown / 2;
	struct maker_path copy = *p;
	uint32_t look, node, send;

	if (m->w->n == 1 || p->rigid || !is_argument(p, p->whole, at, false))
		return;
	look = emit(m, FUSE_FAR, at, 0, 0);
	emit_free(m, p, p->whole, false, at);
	node = emit_grown(m, &copy, p->whole);
	send = emit(m, FUSE_SEND, emit_value(m, port_ref(m->label->def)), node, at);
	m->fuse->code[send].other = price;
	for (; look < send; look++)
		if (m->fuse->code[look].op == FUSE_FAR || m->fuse->code[look].op == FUSE_FREE)
			m->fuse->code[look].to = m->fuse->used;
	at_least(&m->label->nodes, p->grown);
	if (m->label->cost < price)
		m->label->cost = price;
}

/* ---- ends -------------------------------------------------------------------------------------- */

/* Go on at a label. False: there is none. */
static bool emit_jump(struct maker *m, struct maker_path *p, struct pair r)
{
	struct shape shape = { 0 };
	struct fuse_instr *arguments;
	uint32_t label, at;

	if (port_head(r.b) != TAG_CON)
		return false;
	shape_of(m, p, r.b, &shape, SHAPE_NODES);
	if (m->failed)
		return true;
	label = fuse_want(m, (uint32_t)port_index(r.a), shape.text);
	if (label == UINT32_MAX) {
		m->failed = true;
		return true;
	}
	at = emit(m, FUSE_JUMP, 0, 0, 0);
	m->fuse->code[at].to = label;
	m->fuse->code[at].other = p->cost;
	arguments = &m->fuse->code[emit(m, FUSE_END, 0, 0, 0)];
	memcpy(arguments->argument, shape.argument, sizeof(shape.argument));
	p->take_nodes += shape.nodes; /* it may have to be built after all */
	return true;
}

void emit_end(struct maker *m, struct maker_path *p)
{
	uint32_t links = p->rest.n + p->work.n;
	bool jumped = false;

	memset(m->built, 0, sizeof(m->built));
	memset(m->var, 0, sizeof(m->var));
	m->alive = p->alive;
	for (uint32_t i = 0; i + 1 < p->call.n; i++)
		emit(m, FUSE_PUSH, emit_value(m, p->call.redex[i].a), build(m, p, p->call.redex[i].b), 0);
	for (uint32_t i = 0; i < links; i++) {
		const struct pair r = i < p->rest.n ? p->rest.redex[i] : p->work.redex[i - p->rest.n];
		const uint32_t a = build(m, p, r.a);

		emit(m, FUSE_LINK, a, build(m, p, r.b), 0);
	}
	if (p->call.n > 0) {
		const struct pair r = p->call.redex[p->call.n - 1];

		jumped = emit_jump(m, p, r);
		if (!jumped) {
			emit(m, FUSE_LINK, emit_value(m, r.a), build(m, p, r.b), 0);
			links++;
		}
	}
	if (m->alive != 0 && !net_mutant(MUT_NET_FUSE_CIRCLE))
		m->failed = true; /* something hangs on itself, and on nothing else */
	if (!jumped)
		m->fuse->code[emit(m, FUSE_END, 0, 0, 0)].other = p->cost;
	if (m->label->cost < p->cost + links)
		m->label->cost = p->cost + links; /* each may count as VOID */
	at_least(&m->label->nodes, p->take_nodes);
	at_least(&m->label->vars, p->take_vars);
	at_least(&m->label->redexes, p->call.n + links + 1);
	at_least(&m->label->sets, links);
}

static uint32_t spill(struct maker *m, struct maker_path *p, const char **shape, uint32_t *argument)
{
	uint32_t a, b;

	if (*(*shape)++ != '(')
		return (*argument)++;
	a = spill(m, p, shape, argument);
	b = spill(m, p, shape, argument);
	(*shape)++;
	return emit_node(m, p, TAG_CON, a, b);
}

void emit_spill(struct maker *m, struct fuse_label *label)
{
	struct maker_path p;
	const char *shape = label->shape;
	uint32_t argument = 0;

	p.registers = FUSE_ARGUMENTS;
	p.take_nodes = 0;
	label->spill = m->fuse->used;
	emit(m, FUSE_PUSH, emit_value(m, port_ref(label->def)), spill(m, &p, &shape, &argument), 0);
	emit(m, FUSE_END, 0, 0, 0);
}

/*
 * reference.c - a sequential reducer that is plainly right.
 */
#include "tests/reducer/support/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"

/* ---- cells -------------------------------------------------------------------------------------- */

/* Room for one more of something; ends the program's test when there is no memory, which no test is about. */
static void grow(void *array, uint64_t *max, uint64_t need, size_t size)
{
	void **items = array;

	if (need <= *max)
		return;
	*max = need < 512 ? 1024 : need * 2;
	*items = realloc(*items, *max * size);
	if (!*items)
		abort();
}

static uint64_t new_node(struct reference *ref, port a, port b)
{
	uint64_t i;

	if (ref->free_nodes_count > 0) {
		i = ref->free_nodes[--ref->free_nodes_count];
	} else {
		i = ref->nodes_end++;
		grow(&ref->nodes, &ref->nodes_max, ref->nodes_end, sizeof(*ref->nodes));
	}
	ref->nodes[i] = (struct pair){ a, b };
	ref->live_nodes++;
	return i;
}

/* The two auxiliary ports of a node that is consumed. */
static struct pair take_node(struct reference *ref, port p)
{
	grow(&ref->free_nodes, &ref->free_nodes_max, ref->free_nodes_count + 1, sizeof(*ref->free_nodes));
	ref->free_nodes[ref->free_nodes_count++] = port_index(p);
	ref->live_nodes--;
	return ref->nodes[port_index(p)];
}

static port new_var(struct reference *ref)
{
	uint64_t i;

	if (ref->free_vars_count > 0) {
		i = ref->free_vars[--ref->free_vars_count];
	} else {
		i = ref->vars_end++;
		grow(&ref->vars, &ref->vars_max, ref->vars_end, sizeof(*ref->vars));
	}
	ref->vars[i] = PORT_NONE;
	ref->live_vars++;
	return port_var(i);
}

static void free_var(struct reference *ref, port p)
{
	grow(&ref->free_vars, &ref->free_vars_max, ref->free_vars_count + 1, sizeof(*ref->free_vars));
	ref->free_vars[ref->free_vars_count++] = port_index(p);
	ref->live_vars--;
}

/* ---- LINK: join two ends; not counted ----------------------------------------------------------- */

/* A variable that is bound has been met for the second time: what it is bound to stands here instead. */
static port enter(struct reference *ref, port p)
{
	while (port_tag(p) == TAG_VAR && ref->vars[port_index(p)] != PORT_NONE) {
		port value = ref->vars[port_index(p)];

		free_var(ref, p);
		p = value;
	}
	return p;
}

static void link(struct reference *ref, port a, port b)
{
	a = enter(ref, a);
	b = enter(ref, b);
	if (a == b && port_tag(a) == TAG_VAR) {
		free_var(ref, a); /* both ends of one wire: a circle without anything on it */
	} else if (port_tag(a) == TAG_VAR) {
		ref->vars[port_index(a)] = b;
	} else if (port_tag(b) == TAG_VAR) {
		ref->vars[port_index(b)] = a;
	} else {
		grow(&ref->redexes, &ref->redexes_max, ref->redexes_end + 1, sizeof(*ref->redexes));
		ref->redexes[ref->redexes_end++] = (struct pair){ a, b };
	}
}

/* ---- CALL: a reference becomes its definition ---------------------------------------------------- */

static port call_port(port p, const uint64_t *nodes, const port *vars)
{
	if (port_tag(p) == TAG_VAR)
		return vars[port_index(p)];
	if (port_is_node(p))
		return port_make(port_tag(p), port_label(p), nodes[port_index(p)]);
	return p;
}

static void call(struct reference *ref, port a, port b)
{
	const struct book_def *def = book_def(ref->book, (uint32_t)port_index(a));
	const struct pair *node = book_pairs(ref->book) + def->first_node;
	const struct pair *redex = book_pairs(ref->book) + def->first_redex;
	uint64_t *nodes = malloc((def->nodes + 1) * sizeof(*nodes));
	port *vars = malloc((def->vars + 1) * sizeof(*vars));

	if (!nodes || !vars)
		abort();
	for (uint32_t i = 0; i < def->vars; i++)
		vars[i] = new_var(ref);
	for (uint32_t i = 0; i < def->nodes; i++)
		nodes[i] = new_node(ref, PORT_NONE, PORT_NONE);
	for (uint32_t i = 0; i < def->nodes; i++)
		ref->nodes[nodes[i]] = (struct pair){ call_port(node[i].a, nodes, vars),
						      call_port(node[i].b, nodes, vars) };
	link(ref, call_port(def->root, nodes, vars), b);
	for (uint32_t i = 0; i < def->redexes; i++)
		link(ref, call_port(redex[i].a, nodes, vars), call_port(redex[i].b, nodes, vars));
	free(nodes);
	free(vars);
}

/* ---- ERAS: what has no auxiliary ports goes on to both of the node's; it is copied or it erases ---- */

static void eras(struct reference *ref, port a, port b)
{
	struct pair cell = take_node(ref, b);

	link(ref, a, cell.a);
	link(ref, a, cell.b);
}

/* ---- OPER: a number meets an operator, n ~ $(b r) ------------------------------------------------ */

static void oper(struct reference *ref, port n, port b)
{
	struct pair cell = take_node(ref, b);
	port result;

	if (port_tag(cell.a) == TAG_NUM) { /* in the cell itself, not behind a variable */
		if (num_operate(n, cell.a, &result) < 0)
			ref->error = -EDOM;
		else
			link(ref, result, cell.b);
	} else { /* wait for the other operand */
		link(ref, cell.a, port_make(TAG_OPR, 0, new_node(ref, n, cell.b)));
	}
}

/* ---- SWIT: a number chooses, n ~ ?(branches r) ---------------------------------------------------- */

static void swit(struct reference *ref, port n, port b)
{
	struct pair cell = take_node(ref, b);
	uint64_t chosen;

	if (num_payload(n) == 0) { /* branches ~ (r *) */
		chosen = new_node(ref, cell.b, PORT_ERA);
	} else { /* branches ~ (* (n-1 r)) */
		const uint32_t type = num_type(n), less = num_payload(n) - 1;
		const bool wide = type == NUM_U32 || type == NUM_I32;
		uint64_t inner = new_node(ref, wide ? num_make(type, less) : num_u24(less), cell.b);

		chosen = new_node(ref, PORT_ERA, port_make(TAG_CON, 0, inner));
	}
	link(ref, cell.a, port_make(TAG_CON, 0, chosen));
}

/* ---- ANNI: two nodes of one kind and label ------------------------------------------------------- */

static void anni(struct reference *ref, port a, port b)
{
	struct pair x = take_node(ref, a), y = take_node(ref, b);

	link(ref, x.a, y.a);
	link(ref, x.b, y.b);
}

/* ---- COMM: two nodes of different kinds pass through each other ----------------------------------- */

static void comm(struct reference *ref, port a, port b)
{
	struct pair x = take_node(ref, a), y = take_node(ref, b);
	port v[4];

	for (int i = 0; i < 4; i++)
		v[i] = new_var(ref);
	link(ref, y.a, port_make(port_tag(a), port_label(a), new_node(ref, v[0], v[1])));
	link(ref, y.b, port_make(port_tag(a), port_label(a), new_node(ref, v[2], v[3])));
	link(ref, x.a, port_make(port_tag(b), port_label(b), new_node(ref, v[0], v[2])));
	link(ref, x.b, port_make(port_tag(b), port_label(b), new_node(ref, v[1], v[3])));
}

/* ---- which rule --------------------------------------------------------------------------------- */

static void interact(struct reference *ref, port a, port b)
{
	enum reference_rule rule;

	if (port_tag(a) > port_tag(b)) {
		port swap = a;

		a = b;
		b = swap;
	}
	if (!port_is_node(b)) {
		rule = RULE_VOID; /* two without auxiliary ports: nothing is left */
	} else if (port_tag(a) == TAG_REF) {
		enum book_ref_rule what = book_ref_rule(ref->book, (uint32_t)port_index(a), b);

		if (what == BOOK_UNSAFE && !ref->clone_unsafe) {
			ref->culprit = (uint32_t)port_index(a);
			ref->error = -ENOTSUP;
			return;
		}
		rule = what == BOOK_COPY ? RULE_ERAS : RULE_CALL;
		if (what == BOOK_COPY)
			eras(ref, a, b);
		else
			call(ref, a, b);
	} else if (port_tag(a) == TAG_NUM && port_tag(b) == TAG_OPR) {
		rule = RULE_OPER;
		oper(ref, a, b);
	} else if (port_tag(a) == TAG_NUM && port_tag(b) == TAG_SWI) {
		rule = RULE_SWIT;
		swit(ref, a, b);
	} else if (!port_is_node(a)) {
		rule = RULE_ERAS;
		eras(ref, a, b);
	} else if (port_head(a) == port_head(b)) {
		rule = RULE_ANNI;
		anni(ref, a, b);
	} else {
		rule = RULE_COMM;
		comm(ref, a, b);
	}
	ref->count[rule]++;
	ref->interactions++;
}

/* ---- running ------------------------------------------------------------------------------------ */

static struct pair take_redex(struct reference *ref)
{
	struct pair *last = &ref->redexes[ref->redexes_end - 1], chosen;
	uint64_t i;

	switch (ref->order) {
	case ORDER_NEWEST: ref->redexes_end--; return *last;
	case ORDER_OLDEST: return ref->redexes[ref->redexes_head++];
	default:
		ref->seed ^= ref->seed << 13;
		ref->seed ^= ref->seed >> 7;
		ref->seed ^= ref->seed << 17;
		i = ref->redexes_head + ref->seed % (ref->redexes_end - ref->redexes_head);
		chosen = ref->redexes[i];
		ref->redexes[i] = *last;
		ref->redexes_end--;
		return chosen;
	}
}

int reference_run(struct reference *ref)
{
	while (ref->error == 0 && ref->redexes_head < ref->redexes_end) {
		struct pair redex;

		if (ref->interactions >= ref->gas) {
			ref->error = -ETIME;
			break;
		}
		redex = take_redex(ref);
		interact(ref, redex.a, redex.b);
		if (ref->redexes_head > 4096 &&
		    ref->redexes_head * 2 > ref->redexes_end) { /* a queue's front */
			memmove(ref->redexes, ref->redexes + ref->redexes_head,
				(ref->redexes_end - ref->redexes_head) * sizeof(*ref->redexes));
			ref->redexes_end -= ref->redexes_head;
			ref->redexes_head = 0;
		}
	}
	return ref->error;
}

void reference_init(struct reference *ref, const struct book *book)
{
	*ref = (struct reference){
		.book = book, .nodes_end = 1, .vars_end = 1, .gas = UINT64_MAX, .seed = 88172645463325252u
	};
	grow(&ref->nodes, &ref->nodes_max, 1, sizeof(*ref->nodes));
	grow(&ref->vars, &ref->vars_max, 1, sizeof(*ref->vars));
	grow(&ref->redexes, &ref->redexes_max, 1, sizeof(*ref->redexes));
	ref->root = new_var(ref);
	call(ref, port_ref(BOOK_MAIN), ref->root); /* at the root a reference is always expanded */
	ref->count[RULE_CALL]++;
	ref->interactions++;
}

void reference_fini(struct reference *ref)
{
	free(ref->nodes);
	free(ref->vars);
	free(ref->free_nodes);
	free(ref->free_vars);
	free(ref->redexes);
}

/* ---- what came out ------------------------------------------------------------------------------ */

/* Where a port stands: in a variable, or as one of the two ports of a node. */
struct place {
	enum { IN_VAR, IN_NODE_A, IN_NODE_B } kind;
	uint64_t index;
};

struct walk {
	struct place *todo, *leaves;
	uint64_t todo_count, todo_max, leaves_count, leaves_max;
	uint64_t nodes;      /* visited */
	uint64_t bound_vars; /* followed */
	uint64_t free_ends;  /* of variables; each has two */
};

static port *port_at(const struct reference *ref, struct place place)
{
	switch (place.kind) {
	case IN_VAR: return &ref->vars[place.index];
	case IN_NODE_A: return &ref->nodes[place.index].a;
	default: return &ref->nodes[place.index].b;
	}
}

static void walk_to(struct walk *walk, int kind, uint64_t index)
{
	grow(&walk->todo, &walk->todo_max, walk->todo_count + 1, sizeof(*walk->todo));
	walk->todo[walk->todo_count].kind = kind;
	walk->todo[walk->todo_count++].index = index;
}

/* From the root to every leaf, and where those stand. */
static void walk_result(const struct reference *ref, struct walk *walk)
{
	*walk = (struct walk){ .bound_vars = 1 };
	if (ref->vars[port_index(ref->root)] != PORT_NONE) /* else the root is the free end of a wire */
		walk_to(walk, IN_VAR, port_index(ref->root));
	while (walk->todo_count > 0) {
		struct place place = walk->todo[--walk->todo_count];
		port p = *port_at(ref, place);

		for (; port_tag(p) == TAG_VAR && ref->vars[port_index(p)] != PORT_NONE;
		     p = *port_at(ref, place)) {
			place.kind = IN_VAR;
			place.index = port_index(p);
			walk->bound_vars++;
		}
		if (port_is_node(p)) {
			walk->nodes++;
			walk_to(walk, IN_NODE_B, port_index(p));
			walk_to(walk, IN_NODE_A, port_index(p));
			continue;
		}
		walk->free_ends += port_tag(p) == TAG_VAR;
		grow(&walk->leaves, &walk->leaves_max, walk->leaves_count + 1, sizeof(*walk->leaves));
		walk->leaves[walk->leaves_count++] = place;
	}
}

static void walk_free(struct walk *walk)
{
	free(walk->todo);
	free(walk->leaves);
}

void reference_reachable(const struct reference *ref, uint64_t *nodes, uint64_t *vars)
{
	struct walk walk;

	walk_result(ref, &walk);
	*nodes = walk.nodes;
	*vars = walk.bound_vars + walk.free_ends / 2;
	walk_free(&walk);
}

int reference_expand(struct reference *ref)
{
	bool again = true;

	while (again && ref->error == 0) {
		struct walk walk;

		again = false;
		walk_result(ref, &walk);
		for (uint64_t i = 0; i < walk.leaves_count && ref->interactions < ref->gas; i++) {
			port p = *port_at(ref, walk.leaves[i]), var;

			if (port_tag(p) != TAG_REF)
				continue;
			var = new_var(ref); /* stands here now, and at the root of the expansion */
			*port_at(ref, walk.leaves[i]) = var;
			call(ref, p, var);
			ref->count[RULE_CALL]++;
			ref->interactions++;
			again = true;
		}
		walk_free(&walk);
		if (again && reference_run(ref) < 0)
			break;
	}
	return ref->error;
}

static struct pair source_node(const void *net, port p)
{
	return ((const struct reference *)net)->nodes[port_index(p)];
}

static port source_var(const void *net, port p)
{
	return ((const struct reference *)net)->vars[port_index(p)];
}

struct out {
	char *text;
	uint64_t length, max;
};

static int out_put(void *to, const char *text, size_t length)
{
	struct out *out = to;

	grow(&out->text, &out->max, out->length + length + 1, 1);
	memcpy(out->text + out->length, text, length);
	out->length += length;
	out->text[out->length] = 0;
	return 0;
}

char *reference_text(const struct reference *ref)
{
	struct text_source source = { .node = source_node,
				      .var = source_var,
				      .net = ref,
				      .book = ref->book,
				      .nodes_max = ref->nodes_end };
	struct out out = { 0 };
	int ret = text_print(&source, ref->root, out_put, &out);

	if (ret < 0) {
		free(out.text);
		errno = -ret;
		return NULL;
	}
	return out.text;
}

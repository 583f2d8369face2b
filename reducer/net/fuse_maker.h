/*
 * fuse_maker.h - reducing on paper: a net of which the outer ends are not known.
 *
 * Ports are as in a book, with local nodes and variables (from 1 on), and one kind more: a port that is in a register when the code
 * runs. That is a tree that hangs outside, or a number (then it may be used twice). A shape says what is known of an
 * argument: `(` shape shape `)` is a CON, N a number, U anything.
 */
#ifndef REDUCER_NET_FUSE_MAKER_H
#define REDUCER_NET_FUSE_MAKER_H

#include "reducer/net/fuse.h"
#include "reducer/net/num.h"
#include "reducer/net/worker.h"

#define MAKER_NODES   96u
#define MAKER_WIRES   128u
#define MAKER_REDEXES 64u
#define MAKER_GROWN   12u /* nodes of the argument, with what the code has found of it */
#define MAKER_DEPTH   8u  /* definitions called one within the other */
#define MAKER_COST    48u /* interactions on a path, about */
#define MAKER_CREDIT  96u /* ends of a tree of paths */

/* What is known of a register; from NUM_ADD on it is a partial application of that operator. */
enum maker_kind {
	MAKER_ANY = 0,
	MAKER_NUMBER = 1,
	MAKER_ZERO = 2, /* a number that is 0 */
};

/* Tag of a port that is in a register: its index. */
#define TAG_REGISTER 15u

struct maker_list {
	uint32_t n;
	struct pair redex[MAKER_REDEXES];
};

/* One path: what is known at one point of the code. */
struct maker_path {
	uint32_t nodes, wires, registers;
	uint32_t alive;  /* of the nodes: not yet consumed */
	uint32_t cost;   /* interactions so far */
	uint32_t credit; /* paths it may split into */
	uint32_t depth;
	uint32_t caller[MAKER_DEPTH];
	uint32_t take_nodes, take_vars; /* cells taken by the code so far */
	struct maker_list work;         /* to be done */
	struct maker_list call;         /* references that meet a node, the oldest first */
	struct maker_list rest;         /* can only be done when the code runs */
	uint32_t grown; /* nodes of the argument as far as it is known: the call could be made of it again */
	bool leafless;  /* the recursion goes on */
	bool rigid;     /* ... but for something that is not in it any more */
	port whole;     /* the argument */
	struct pair grow[MAKER_GROWN];
	struct pair node[MAKER_NODES];
	port wire[MAKER_WIRES]; /* what hangs on the other end, or PORT_NONE */
	uint8_t kind[FUSE_REGISTERS];
};

struct maker {
	struct worker *w;
	struct fuse *fuse;
	const struct book *book;
	struct fuse_label *label;
	bool failed;    /* something does not fit: no code */
	uint32_t alive; /* nodes of the path that are not built yet */
	uint32_t built[MAKER_NODES];
	uint16_t var[MAKER_WIRES];
};

/* ---- fuse_paper.c ----------------------------------------------------------------------------- */

/* maker_follow() - what is at the end of a chain of local variables; an unbound variable if nothing is. */
port maker_follow(const struct maker_path *p, port at);

/* maker_number() - is it a number, known or in a register? */
bool maker_number(const struct maker_path *p, port at);

/* maker_expand() - @ref ~ @node becomes the definition's net. False: it has no place here. */
bool maker_expand(struct maker *m, struct maker_path *p, port ref, port node);

/* paper_zero(), paper_unknown() - is it in a register, and 0; and nothing is known of it? */
bool paper_zero(const struct maker_path *p, port at);
bool paper_unknown(const struct maker_path *p, port at);

/* paper_has_room() - for whatever one rule takes. */
bool paper_has_room(const struct maker_path *p);

void paper_add(struct maker_list *list, port a, port b);

/* paper_link() - as link_ports(). paper_node() - a new one; paper_take() - the ports of one, which is consumed. */
void paper_link(struct maker_path *p, port a, port b);
port paper_node(struct maker_path *p, uint32_t head, port a, port b);
struct pair paper_take(struct maker_path *p, port node);

/* The rules: ERAS or a copy; a reference; two nodes; a switch; arithmetic, of which see there. */
void paper_copy(struct maker_path *p, port a, port node);
void paper_reference(struct maker *m, struct maker_path *p, port ref, port node);
void paper_nodes(struct maker_path *p, port a, port b);
void paper_switch(struct maker_path *p, port less, port node, bool zero);
bool paper_operate(struct maker *m, struct maker_path *p, port a, port b, port *value, uint32_t *at);

/* ---- fuse_path.c ------------------------------------------------------------------------------ */

/* maker_path() - all code from here on. */
void maker_path(struct maker *m, struct maker_path *p);

/* ---- fuse_emit.c ------------------------------------------------------------------------------ */

/* emit() - append an instruction; its index. */
uint32_t emit(struct maker *m, enum fuse_op op, uint32_t a, uint32_t b, uint32_t c);

/* emit_value() - where a number, reference, eraser or register is. */
uint32_t emit_value(struct maker *m, port value);

/* emit_register() - a new register. */
uint32_t emit_register(struct maker *m, struct maker_path *p, uint32_t kind);

/* emit_end() - build what is left, and go on with the youngest call. */
void emit_end(struct maker *m, struct maker_path *p);

/* emit_send() - nothing was found at register @at: if that is because it is somewhere else, the call goes there. */
void emit_send(struct maker *m, const struct maker_path *p, uint32_t at);

/* emit_spill() - code that builds the argument of @label and leaves it on the stack. */
void emit_spill(struct maker *m, struct fuse_label *label);

/* ---- fuse.c ----------------------------------------------------------------------------------- */

/* fuse_want() - the label of @def with this shape, made later; UINT32_MAX: there is none. */
uint32_t fuse_want(struct maker *m, uint32_t def, const char *shape);

/* fuse_nodes_in() - CON nodes in a shape. */
uint32_t fuse_nodes_in(const char *shape);

static inline port maker_register(uint32_t i)
{
	return port_make(TAG_REGISTER, 0, i);
}

#endif

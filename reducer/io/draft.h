/*
 * draft.h - a piece of net while it is written: values as Bend and HVM2 encode them.
 *
 *	constructor TAG with fields a, b:  λt.(t TAG a b)  =  ((TAG (a (b v))) v)
 *
 *	list    nil 0, cons 1 (head tail)        result  ok 0 (value), err 1 (error)
 *	error   wrong type 0, unknown name 1, inner 2 (number)
 */
#ifndef REDUCER_IO_DRAFT_H
#define REDUCER_IO_DRAFT_H

#include "reducer/net/num.h"
#include "reducer/net/piece.h"

/* Constructor tags. */
enum {
	DRAFT_NIL = 0,
	DRAFT_CONS = 1,
	DRAFT_OK = 0,
	DRAFT_ERR = 1,
	DRAFT_ERROR_TYPE = 0,
	DRAFT_ERROR_NAME = 1,
	DRAFT_ERROR_INNER = 2,
};

struct draft {
	struct pair *node, *redex;
	port *dead;
	uint64_t nodes, node_room;
	uint64_t redexes, redex_room;
	uint64_t gone, gone_room;
	uint64_t vars; /* variable 0 is the root */
	uint64_t held;
	bool failed; /* no memory: the rest is not written down */
};

/* draft_clear() - empty, but for the root. draft_free() - and without memory. */
void draft_clear(struct draft *draft);
void draft_free(struct draft *draft);

/* draft_piece() - for net_go_on(); valid until the draft changes. */
struct piece draft_piece(const struct draft *draft);

port draft_var(struct draft *draft);
port draft_node(struct draft *draft, port a, port b); /* a CON */
void draft_link(struct draft *draft, port a, port b);
void draft_gone(struct draft *draft, port p);

/* draft_ctr() - a constructor with @count fields. */
port draft_ctr(struct draft *draft, uint32_t tag, const port *field, uint32_t count);

port draft_ok(struct draft *draft, port value);
port draft_error(struct draft *draft, uint32_t kind); /* err of a kind without a number */
port draft_errno(struct draft *draft, int error);     /* err of an inner error; @error > 0 */
port draft_bytes(struct draft *draft, const unsigned char *bytes, size_t count);

#endif

/*
 * code.h - definitions made ready for expansion: every port says which word has to be added to it.
 *
 * To expand a definition is to pick free cells, write their places into an array, and copy the slots:
 *
 *	place[0] = 0   place[1 ... nodes] = the node cells   place[nodes + 1 ...] = the variables
 *	cell[i].a = slot.word + place[slot.place]
 *
 * When the root of a definition meets a node of its own kind, as it mostly does, the two annihilate at once: the root is
 * then never built, and a variable that ended at the root becomes, without a cell, what hangs on the other node. So the root
 * node has the last place of the nodes, and such variables the last places of all.
 */
#ifndef REDUCER_NET_CODE_H
#define REDUCER_NET_CODE_H

#include "reducer/net/book.h"

struct code_slot {
	port word;      /* a whole port, or tag and label of one whose cell is at a place */
	uint32_t place; /* 0: a whole port */
	uint32_t links; /* of the left side of a redex: 1 when a side is a variable */
};

enum code_root {
	CODE_ROOT_OTHER = 0, /* a reference, number or eraser: link it to whatever is there */
	CODE_ROOT_VAR = 1,   /* a variable: becomes whatever is there */
	CODE_ROOT_NODE = 2,  /* a node: annihilates with its like, else is linked */
};

/* What becomes of an auxiliary port of the root when the root annihilates. */
enum code_aux {
	CODE_AUX_LINK = 0,  /* link it */
	CODE_AUX_PLACE = 1, /* a variable: becomes what is there */
};

struct code_def {
	uint64_t slots; /* first of its slots: two per node in the order of places, two per redex */
	uint32_t nodes; /* the last one is the root, if that is a node */
	uint32_t vars;  /* all of them */
	uint32_t plain; /* of these, that need a cell even when the root annihilates */
	uint32_t redexes;
	uint32_t room;      /* for so many redexes: two more than it has, for the ports of the root */
	uint8_t root_kind;  /* enum code_root */
	uint8_t left_kind;  /* enum code_aux */
	uint8_t right_kind; /* enum code_aux */
	uint8_t identity;   /* the root is a node whose two ports are one wire */
	struct code_slot root;
	struct code_slot left; /* auxiliary ports of the root */
	struct code_slot right;
};

/* A definition that needs so much room kills who expands it: for tests. */
#define CODE_POISON UINT32_MAX

/* struct code_def def[defs] follows, then struct code_slot slot[slots]. */
struct code {
	uint64_t size; /* bytes of all of it */
	uint64_t slots;
	uint32_t defs;
	uint32_t places_max; /* most places any definition needs */
};

static inline const struct code_def *code_def(const struct code *code, uint64_t id)
{
	return (const struct code_def *)(code + 1) + id;
}

static inline const struct code_slot *code_slots(const struct code *code)
{
	return (const struct code_slot *)code_def(code, code->defs);
}

/* code_size() - bytes the code of a book takes. */
uint64_t code_size(const struct book *book);

/* code_make() - translate a checked book. @scratch: vars_max + nodes_max words. */
void code_make(struct code *code, const struct book *book, uint32_t *scratch);

#endif

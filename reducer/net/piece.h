/*
 * piece.h - a piece of net that is put into one that has come to rest: what the outside has to say.
 *
 * Nodes and variables of the piece are numbered from 0 and named by ports with PIECE_LOCAL in them; all other ports are those
 * of the net as it is. Every local variable has two ends, but those that are held have one: variable 0 becomes the new
 * root, and variables 1 ... held are ends that the outside keeps, to link them later. What was read and is of no use
 * any more goes with it: a cell named as gone is free, and counts as no interaction.
 */
#ifndef REDUCER_NET_PIECE_H
#define REDUCER_NET_PIECE_H

#include <plx/common.h>

#include "reducer/net/port.h"

#define PIECE_LOCAL    ((port)1 << 63)
#define PIECE_HELD_MAX 8u

struct piece {
	uint64_t vars; /* at least 1: the root */
	uint64_t nodes;
	uint64_t redexes;
	uint64_t gone;
	uint64_t
		held; /* variables after the root whose other end the outside keeps, at most PIECE_HELD_MAX */
	const struct pair *node; /* [nodes] */
	const struct pair *
		redex; /* [redexes] pairs to link; a reference first and a variable: the definition is called */
	const port *dead; /* [gone] variables and nodes of the net */
};

static inline port piece_var(uint64_t i)
{
	return PIECE_LOCAL | port_var(i);
}

static inline port piece_node(uint32_t tag, uint64_t i)
{
	return PIECE_LOCAL | port_make(tag, 0, i);
}

#endif

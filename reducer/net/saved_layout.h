/*
 * saved_layout.h - the bytes of a checkpoint: a net in the middle of its reduction, in a file.
 *
 *	struct saved_head | book | for each partition: struct saved_part, then what it counts, in this order
 *
 * Ports are those of the arena that was saved, whose geometry the head tells: who loads them knows which partition and which
 * cell of it each one means, and puts the cell where there is room in an arena of its own. Everything is little endian, and
 * aligned to 8 bytes. The checksum is BLAKE2b of the whole file with zeros in its own place.
 */
#ifndef REDUCER_NET_SAVED_LAYOUT_H
#define REDUCER_NET_SAVED_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "reducer/net/port.h"

#define SAVED_MAGIC   UINT64_C(0x0a54454e584c50) /* "PLXNET\n" */
#define SAVED_VERSION 1u
#define SAVED_HASH    32u

struct saved_head {
	uint64_t magic;
	uint32_t version;
	uint32_t parts;     /* partitions, of which each follows */
	uint64_t size;      /* bytes of the file */
	uint64_t book_size; /* bytes of the book, rounded up to 8 in the file */
	uint64_t cells;     /* geometry of the arena that was saved, see arena_layout.h */
	uint32_t stride_shift;
	uint32_t expands; /* 1: references left in the normal form are expanded */
	uint32_t orders;  /* how many the supervisor had given; of the first, 1, the program begins */
	uint32_t reserved;
	uint64_t reduced;      /* interactions when the order before was done */
	uint64_t interactions; /* so far */
	uint64_t time_ns;      /* so far */
	uint64_t saved_ns;     /* CLOCK_REALTIME */
	port root;
	uint8_t hash[SAVED_HASH];
};
static_assert(sizeof(struct saved_head) == 128, "protocol.md: checkpoint");
static_assert(offsetof(struct saved_head, hash) == 96, "protocol.md: checkpoint");

/* How many of each follow. Free cells are named one by one, or by the first of a chain that runs through them. */
struct saved_part {
	uint64_t nodes;       /* struct pair: cells from the first to the last ever used */
	uint64_t vars;        /* port: the same of variables */
	uint64_t redexes;     /* struct pair: the oldest first */
	uint64_t messages;    /* struct pair: links that are on their way from here */
	uint64_t free_nodes;  /* port */
	uint64_t free_vars;   /* port */
	uint64_t node_chains; /* port */
	uint64_t var_chains;  /* port */
};
static_assert(sizeof(struct saved_part) == 64, "protocol.md: checkpoint");

#endif

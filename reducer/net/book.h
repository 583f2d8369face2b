/*
 * book.h - the definitions of a program in the compact form from which the reducer expands them.
 *
 * A definition is a net with local indices: node i is pair[first_node + i], its variables are numbered 0 ... vars - 1.
 * Inside a definition port_index() of a node port is that local i, and that of a VAR port the local variable; each
 * variable occurs exactly twice. Nodes are numbered in the order in which they are opened in the text, so a node comes
 * after the one it hangs on. Expanding copies the pairs and adds where the cells went. (Both count from 0, so the
 * word of local variable 0 is PORT_NONE: inside a book that word is a variable like any other.)
 *
 * The whole book is one span of bytes without pointers, so that it can lie in an arena, be mapped by every worker, and
 * be saved.
 */
#ifndef REDUCER_NET_BOOK_H
#define REDUCER_NET_BOOK_H

#include <plx/common.h>

#include "reducer/net/port.h"

#define BOOK_MAGIC 0x4b4f4f42u /* "BOOK" */
#define BOOK_MAIN  0u          /* definition 0 is @main; the others follow in byte order of their names */

struct book_def {
	port root;           /* what a reference to this definition becomes */
	uint32_t first_node; /* index of its first node in the pairs of the book */
	uint32_t nodes;
	uint32_t first_redex; /* index of its first redex in the pairs of the book */
	uint32_t redexes;
	uint32_t vars;
	uint32_t name; /* offset into the names */
	uint32_t safe; /* 1: no DUP in it nor in what it refers to: a reference to it may be copied */
	uint32_t line; /* where it stands in the text */
};

struct book {
	uint32_t magic; /* BOOK_MAGIC */
	uint32_t defs;
	uint64_t size;      /* bytes of the whole book */
	uint64_t pairs_off; /* bytes from here to the pairs: nodes and redexes of all definitions */
	uint64_t pairs;
	uint64_t names_off; /* bytes from here to the names, each terminated */
	uint64_t names;     /* bytes */
	uint32_t nodes_max; /* most nodes any one definition has */
	uint32_t vars_max;  /* most variables any one definition has */
			    /* struct book_def def[defs] follows */
};

static inline const struct book_def *book_def(const struct book *book, uint32_t id)
{
	return (const struct book_def *)(book + 1) + id;
}

static inline const struct pair *book_pairs(const struct book *book)
{
	return (const struct pair *)((const char *)book + book->pairs_off);
}

static inline const char *book_name(const struct book *book, uint32_t id)
{
	return (const char *)book + book->names_off + book_def(book, id)->name;
}

/* book_find() - the id of a definition by name, or UINT32_MAX. */
uint32_t book_find(const struct book *book, const char *name);

/*
 * book_check() - every index inside, every variable exactly twice per definition, names terminated.
 * Return: 0 or -EBADMSG with *why.
 */
int book_check(const struct book *book, uint64_t size, const char **why) plx_must_check;

#endif

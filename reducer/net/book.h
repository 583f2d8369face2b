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
	uint32_t
		safe; /* 1: no DUP without a label in it nor in what it refers to: a plain DUP may copy a reference to it */
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
	uint64_t
		labels_off; /* bytes from here to the labelled combinators of the book: uint32_t, ascending */
	uint64_t sets_off; /* bytes from here to the sets of the definitions: set_words times uint64_t each */
	uint32_t labels;
	uint32_t set_words; /* see book_set_bit() */
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

/* The bit for combinator labels[index] in a set; when there are very many, some share one. Bit 0 is combinator 1. */
static inline uint64_t book_set_bit(const struct book *book, uint32_t index)
{
	return 1 + index % (book->set_words * (uint64_t)64 - 1);
}

/*
 * CON and DUP nodes counted through as combinators: (a b) is 0, {a b} is 1, #n(a b) is 2n, #n{a b} is 2n+1.
 */
static inline uint32_t book_combinator(port p)
{
	return port_label(p) * 2 + (port_tag(p) == TAG_DUP);
}

/* What happens when a reference meets a node. */
enum book_ref_rule {
	BOOK_CALL = 0,   /* it becomes its definition; counted as CALL */
	BOOK_COPY = 1,   /* it goes on to both auxiliary ports; counted as ERAS */
	BOOK_UNSAFE = 2, /* an error: a program that HVM2 refuses too */
};

/* book_brings() - can definition @id, or what it refers to, bring forth a node that is this combinator (above 1)? */
bool book_brings(const struct book *book, uint32_t id, uint32_t combinator);

/*
 * book_ref_rule() - @id is what the reference names, @node a port of CON, DUP, OPR or SWI.
 *
 * A combinator that can meet none of its own kind in the expansion would pass through all of it and leave two copies, so
 * the reference is copied instead. The choice matters: a recursive definition may have a normal form only if it is
 * copied. A node without a label follows HVM2: (a b) always expands, {a b} copies or is an error.
 */
static inline enum book_ref_rule book_ref_rule(const struct book *book, uint32_t id, port node)
{
	uint32_t combinator = book_combinator(node);

	if (port_tag(node) > TAG_DUP || combinator == 0)
		return BOOK_CALL;
	if (combinator == 1)
		return book_def(book, id)->safe ? BOOK_COPY : BOOK_UNSAFE;
	return book_brings(book, id, combinator) ? BOOK_CALL : BOOK_COPY;
}

/* book_find() - the id of a definition by name, or UINT32_MAX. */
uint32_t book_find(const struct book *book, const char *name);

/*
 * book_check() - every index inside, every variable exactly twice per definition, names terminated.
 * Return: 0 or -EBADMSG with *why.
 */
int book_check(const struct book *book, uint64_t size, const char **why) plx_must_check;

#endif

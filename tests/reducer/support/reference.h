/*
 * reference.h - a sequential reducer that is plainly right: the oracle for the real one.
 *
 * One section per rule, arrays and stacks, no cleverness. It counts what docs/formats/hvm.md says is counted, and lets
 * the order be chosen in which active pairs are taken: neither the result nor the counts may depend on it.
 */
#ifndef TESTS_REDUCER_SUPPORT_REFERENCE_H
#define TESTS_REDUCER_SUPPORT_REFERENCE_H

#include "reducer/net/book.h"

enum reference_rule {
	RULE_CALL,
	RULE_VOID,
	RULE_ERAS,
	RULE_OPER,
	RULE_SWIT,
	RULE_ANNI,
	RULE_COMM,
	RULE_MAX,
};

enum reference_order {
	ORDER_NEWEST, /* last in, first out */
	ORDER_OLDEST, /* first in, first out */
	ORDER_RANDOM, /* as .seed says */
};

struct reference {
	/* the caller sets these after reference_init() */
	enum reference_order order;
	uint64_t seed;
	uint64_t gas;      /* interactions allowed */
	bool clone_unsafe; /* a duplicator expands a reference it must not copy, instead of ending the run */

	/* and reads these */
	uint64_t count[RULE_MAX];
	uint64_t interactions; /* their sum */
	uint32_t culprit;      /* the definition that could not be cloned */
	port root;             /* a variable */
	uint64_t live_nodes;
	uint64_t live_vars;

	const struct book *book;
	struct pair *nodes; /* cell 0 is not used */
	port *vars;
	uint64_t nodes_end, nodes_max, vars_end, vars_max;
	uint64_t *free_nodes, *free_vars; /* stacks of cells given back */
	uint64_t free_nodes_count, free_nodes_max, free_vars_count, free_vars_max;
	struct pair *redexes;
	uint64_t redexes_head, redexes_end, redexes_max;
	int error;
};

/* reference_init() - a net that is one reference to @main, at its root. The book must outlive it. */
void reference_init(struct reference *ref, const struct book *book);
void reference_fini(struct reference *ref);

/*
 * reference_run() - reduce until no active pair is left.
 *
 * Return: 0; -EDOM a division by zero; -ENOTSUP a duplicator met a reference that may not be copied (culprit);
 * -ETIME the gas is spent; -ENOMEM.
 */
int reference_run(struct reference *ref) plx_must_check;

/*
 * reference_expand() - also expand the references that hang in the result, again and again, until none is left.
 * Return: as reference_run().
 */
int reference_expand(struct reference *ref) plx_must_check;

/* reference_text() - the result as text, to be freed; NULL and errno when it cannot be printed. */
char *reference_text(const struct reference *ref);

/* reference_reachable() - nodes and variables that hang on the root; what is live beyond them is cut off from it. */
void reference_reachable(const struct reference *ref, uint64_t *nodes, uint64_t *vars);

#endif

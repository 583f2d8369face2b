/*
 * parse.h - a program between its text and its book: flat arrays, names not yet resolved.
 */
#ifndef REDUCER_TEXT_PARSE_H
#define REDUCER_TEXT_PARSE_H

#include "reducer/text/names.h"
#include "reducer/text/scan.h"

/* One definition as it stands in the text. The index of a REF port in it is still the number of a name. */
struct parse_def {
	port root;
	uint32_t name;
	uint32_t at; /* where its @ stands */
	uint32_t first_node, nodes;
	uint32_t first_redex, redexes;
	uint32_t first_ref, refs;
	uint32_t vars;
};

/* A reference, for the error when nothing defines it. */
struct parse_ref {
	uint32_t name;
	uint32_t at;
};

/* A node whose closing sign has not been read. */
struct parse_open {
	port self;
	uint32_t at;     /* where it was opened */
	uint16_t second; /* 1: the first of its two trees is there */
	char closer;
};

#define PARSE_ARRAY(type)                                                                                    \
	struct {                                                                                             \
		type *items;                                                                                 \
		uint32_t count;                                                                              \
		uint32_t items_max;                                                                          \
	}

struct parse {
	struct scan scan;
	struct names defined; /* value: 1 + index of the last definition with that name */
	struct names vars;    /* of the definition being read; value: occurrences */
	PARSE_ARRAY(struct parse_def) defs;
	PARSE_ARRAY(struct pair) nodes;
	PARSE_ARRAY(struct pair) redexes;
	PARSE_ARRAY(struct parse_ref) refs;
	PARSE_ARRAY(struct parse_open) open;
};

/* parse_program() - fill all arrays from the text. Return: 0, -EBADMSG, -ENOMEM. */
int parse_program(struct parse *parse) plx_must_check;

/* parse_assemble() - resolve names, order the definitions, build the book. Return: 0, -EBADMSG, -ENOMEM. */
int parse_assemble(struct parse *parse, struct book **book) plx_must_check;

#endif

/*
 * text.h - the .hvm text format: from text to a book, from a net to text.
 */
#ifndef REDUCER_TEXT_TEXT_H
#define REDUCER_TEXT_TEXT_H

#include <plx/common.h>

#include "reducer/net/book.h"

/* What is wrong with a text, fit for a user: where, what, what to do. */
struct text_error {
	struct plx_where where; /* line and column; 0, 0 when it is the whole text */
	char what[200];
};

/*
 * text_parse() - read a program.
 * @text, @length: need not be terminated; any bytes
 * @book: set on success; free() it
 *
 * No recursion: nesting is limited by memory only. Every variable must occur exactly twice, every reference must be
 * defined, @main must exist; a later definition of a name replaces the earlier one.
 *
 * Return: 0, -EBADMSG with *error, -ENOMEM.
 */
int text_parse(const char *text, size_t length, struct book **book, struct text_error *error) plx_must_check;

/* Reads cells of a net for the printer: the arena, or a book in tests. */
struct text_source {
	/* node() - the cell of a node port */
	struct pair (*node)(const void *net, port p);
	/* var() - what a variable is bound to, PORT_NONE when it is free */
	port (*var)(const void *net, port p);
	const void *net;
	const struct book *book; /* names of references */
	uint64_t nodes_max;      /* more nodes than this can only be a cycle */
};

/*
 * text_print() - write the tree that hangs on @root as HVM2 prints it, variables named a, b, ... in order of first occurrence.
 * @put: receives the text piece by piece; returns 0 or -errno, which ends the printing
 *
 * No recursion. Return: 0, -ELOOP (the net is cyclic there), -ENOMEM, or what @put returned.
 */
int text_print(const struct text_source *source, port root,
	       int (*put)(void *to, const char *text, size_t length), void *to) plx_must_check;

#endif

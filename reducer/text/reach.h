/*
 * reach.h - which combinators a definition can bring forth: those in it, in what it refers to, and so on.
 */
#ifndef REDUCER_TEXT_REACH_H
#define REDUCER_TEXT_REACH_H

#include "reducer/text/parse.h"

struct reach {
	uint32_t *labels; /* combinators above 1 that occur at all, ascending */
	uint32_t count;
	uint32_t set_words;
	uint64_t *sets; /* set_words per definition; bits as book_set_bit() says */
};

/*
 * reach_init() - @order: definition id -> index in parse->defs; @ids: name -> definition id; every reference is defined.
 * Return: 0, -ENOMEM. Owner: reach_fini(), which also takes a struct of zeros.
 */
int reach_init(struct reach *reach, const struct parse *parse, const uint32_t *order, const uint32_t *ids,
	       uint32_t defs) plx_must_check;
void reach_fini(struct reach *reach);

#endif

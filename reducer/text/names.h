/*
 * names.h - a table of names: text to a small number, in the order in which they came.
 *
 * Used twice by the parser: for the definitions of a book, and for the variables of one definition (cleared between
 * two definitions at no cost). The names are not copied: they stay where they stand in the text. A text may come from
 * a stranger, so the hash is keyed with bytes he does not know.
 */
#ifndef REDUCER_TEXT_NAMES_H
#define REDUCER_TEXT_NAMES_H

#include <plx/common.h>

struct name {
	uint32_t at; /* offset of its first occurrence in the text */
	uint32_t length;
	uint32_t hash;
	uint32_t value; /* the owner's; 0 when the name is new */
};

struct names {
	const char *text;
	struct name *items;
	uint32_t count;
	uint32_t items_max;
	struct names_slot *slots; /* open addressing, at most half full */
	uint32_t slots_max;       /* power of two, or 0 */
	uint32_t round;           /* slots of earlier rounds are empty */
	uint64_t key[2];
};

void names_init(struct names *names, const char *text);
void names_fini(struct names *names);

/* names_clear() - forget all names; keeps the memory. */
void names_clear(struct names *names);

/*
 * names_add() - the number of the name text[at .. at + length), a new one when it has none.
 * Return: 0, or -ENOMEM.
 */
int names_add(struct names *names, uint32_t at, uint32_t length, uint32_t *number) plx_must_check;

#endif

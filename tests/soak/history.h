/* history.h - what one subscriber heard from one publisher: each message once, in order, or declared lost. */
#ifndef TESTS_SOAK_HISTORY_H
#define TESTS_SOAK_HISTORY_H

#include <roaring/roaring.h>

#include "tests/soak/soak.h"

/*
 * Numbers that came, and numbers that were lost, as sets: together all there is between the first and the next, and none in
 * both. Ranges go in when a run ends, so that the price is one compare a message; settled now and then, so that the sets stay
 * small and 32 bits do.
 */
struct history {
	uint64_t id;
	bool heard; /* anything yet */
	bool reliable;
	uint64_t first; /* of what the sets are about */
	uint64_t run;   /* where the run at hand began */
	uint64_t next;
	uint64_t taken, lost; /* all */
	uint64_t since;       /* taken since the last settling */
	roaring_bitmap_t *came, *gone;
};

void history_begin(struct history *h, uint64_t id, bool reliable);
void history_end(struct history *h);

/* A number that is not the next one: false when it may not come. */
bool history_gap(struct history *h, uint64_t number);

/* The sets add up; afterwards they are empty. */
bool history_settle(struct history *h);

/* A message came. */
static inline bool history_add(struct history *h, uint64_t number)
{
	if (__builtin_expect(number != h->next, 0) && !history_gap(h, number))
		return false;
	h->next = number + 1;
	h->taken++;
	return ++h->since < (UINT64_C(1) << 24) || history_settle(h);
}

#endif

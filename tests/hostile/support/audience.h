/* audience.h - two subscribers that hear an honest publisher, and a liar who pretends to be another. */
#ifndef TESTS_HOSTILE_AUDIENCE_H
#define TESTS_HOSTILE_AUDIENCE_H

#include "tests/hostile/support/pretender.h"

/*
 *	this process   two subscribers, one reliable, one lossy, which must survive, say why they left the liar, keep
 *	               reading from the honest publisher, and hold no descriptor or map of the liar in the end
 *	a child, "P"   the honest publisher: a message about every 300 us
 *	a child, "L"   the liar: it answers with what it likes, and writes what it likes to the segments it gave
 *
 * A liar begins with honest segments and an honest grant, and changes what its attack is about.
 */

/* What must come of an attack. */
enum outcome {
	SURVIVE, /* read on, for a while */
	REFUSED, /* no connection; stats.refused_why says why */
	ENDED,   /* the stream ends with a reason */
};

struct attack {
	const char *name;
	void (*run)(void); /* in L; returns when there is nothing more to do */
	enum outcome outcome;
	int error; /* 0: whichever */
};

/* clang-format off */
#define ATTACK(f, outcome, error) { #f, f, outcome, error }
/* clang-format on */

/** A test for each attack, and one that all ended well; returns how many failed. */
#define AUDIENCE_RUN(group, attacks)                                                                         \
	CROWD_RUN(group, attacks, liar_is_left_and_the_honest_are_heard, audience_ends_well, audience_open,  \
		  audience_close)

int audience_open(void **state);
int audience_close(void **state);
void liar_is_left_and_the_honest_are_heard(void **state); /* of a struct attack */
void audience_ends_well(void **state);

#endif

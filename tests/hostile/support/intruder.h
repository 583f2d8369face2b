/* intruder.h - a liar at the door of a publisher without keys, an honest newcomer behind it. */
#ifndef TESTS_HOSTILE_INTRUDER_H
#define TESTS_HOSTILE_INTRUDER_H

#include "tests/support/crowd.h"
#include "tests/support/numbered.h"

#include <pthread.h>

/*
 *	this process    the liar: raw bytes, descriptors, scribbles; then a newcomer who must get in meanwhile
 *	its children    the publisher and its honest subscribers (tests/support/crowd.h); who blocks P for a second is let go
 *
 * After each attack: the honest live, have everything that was published, a newcomer got in and got messages while the liar
 * was still there, and when the liar has gone, P holds as many descriptors and links as before.
 */
#define INTRUDER_SEATS   24u /* of the publisher */
#define INTRUDER_HONEST  2u  /* who sit there already */
#define INTRUDER_HELD    1200
#define INTRUDER_HELPERS 16

struct attack {
	const char *name;
	void (*run)(void);
};

/* clang-format off */
#define ATTACK(f) { #f, f }
/* clang-format on */

/* What the liar holds until the newcomer has been in. */
struct intruder {
	int held[INTRUDER_HELD];
	int held_count;
	pid_t helpers[INTRUDER_HELPERS];
	int helper_count;
	struct liar_grant grants[INTRUDER_SEATS];
	int grant_count;
	pthread_t flipper;
	bool flips, flipper_stops;
	void (*flip)(void);
	uint64_t noise;
};
extern struct intruder intruder;

void hold(int fd);
struct liar_grant *hold_grant(bool lossy);
/** A thread that does @run again and again: a process would not inherit the maps. */
void hold_flipper(void (*run)(void));
/** A process that does @run and waits to be killed. */
pid_t hold_helper(void (*run)(void));
/** The one that was held last has ended, or ends now. */
void drop_helper(bool kill_it);

int knock(void);
/** An honest hello of a lossy one; the rest of @bytes is zero. */
uint32_t hello(unsigned char *bytes);
/** The publisher hangs up, without a word. */
void expect_closed(int fd);
void expect_refused(int fd, int error);

/** A test for each attack, and one that all ended well; returns how many failed. */
#define INTRUDER_RUN(group, attacks)                                                                         \
	CROWD_RUN(group, attacks, liar_harms_nobody, intruder_ends_well, intruder_open, intruder_close)

int intruder_open(void **state);
int intruder_close(void **state);
void liar_harms_nobody(void **state); /* of a struct attack */
void intruder_ends_well(void **state);

#endif

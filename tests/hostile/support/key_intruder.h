/* key_intruder.h - a liar at the door of a publisher with keys. */
#ifndef TESTS_HOSTILE_KEY_INTRUDER_H
#define TESTS_HOSTILE_KEY_INTRUDER_H

#include "tests/support/crowd.h"

#include "topic/handshake_layout.h"
#include "topic/keys.h"

/*
 *	this process    the liar: raw bytes at the door of a publisher that has keys
 *	its children    honest ones with keys (tests/support/crowd.h)
 *
 * Each attack says at which state of the handshake it is made, and what its answer must be: an errno and a sentence,
 * silence and a hang-up, or (nobody is hurt by it) what an honest one gets. Afterwards the publisher holds what it held
 * before, and the honest ones have not noticed.
 *
 *	HELLO ──► CHALLENGE ──► PROOF ──► GRANT ──► wake bytes
 *	   knock_at()     asked()     prove()    let_in()
 */
#define PROOF_SIZE sizeof(struct plx_handshake_proof)

struct attack {
	const char *name;
	void (*run)(void);
};

/* clang-format off */
#define ATTACK(f) { #f, f }
/* clang-format on */

/* One connection of the liar. */
struct door {
	int fd;
	struct plx_guest guest;
	unsigned char hello[sizeof(struct plx_handshake_hello)];
	struct plx_handshake_challenge asked;
	struct plx_handshake_proof proof;
};

extern struct plx_keys *own, *nobodys; /* that of an honest subscriber, which P trusts; one it does not */
extern struct plx_handshake_proof recorded; /* one that was good, once */

/* What came back. */
enum answer { SILENCE = 0, HUNG_UP = 1, ASKED = 2, GRANTED = 3 }; /* or a negative errno: refused with it */

void knock_at(struct door *d);
void say_at(const struct door *d, const void *bytes, size_t size);
int answer_in(struct door *d, int ms);
int answer(struct door *d);
/** Said hello, was asked; the proof with these keys, by this process, is made and not sent. */
void asked_by(struct door *d, const struct plx_keys *keys, struct plx_proof_self self);
void asked(struct door *d);
/** The proof says something else now: sign it anew. */
void sign(struct door *d, const struct plx_keys *keys, enum plx_keys_role role);
int prove(struct door *d);
/** All the way: a good proof is let in. */
void let_in(struct door *d);
void go(struct door *d);
/** After all that, nothing more comes but the end; what a publisher has to say to a reader may come before. */
void hangs_up(struct door *d);

/** A test for each attack, and one that all ended well; returns how many failed. */
#define KEY_INTRUDER_RUN(group, attacks)                                                                     \
	CROWD_RUN(group, attacks, no_harm_is_done, key_intruder_ends_well, key_intruder_open,                \
		  key_intruder_close)

int key_intruder_open(void **state);
int key_intruder_close(void **state);
void no_harm_is_done(void **state); /* of a struct attack */
void key_intruder_ends_well(void **state);

#endif

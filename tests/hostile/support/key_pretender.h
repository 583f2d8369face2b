/* key_pretender.h - a liar who publishes with the wrong key, or with the right one and something else wrong. */
#ifndef TESTS_HOSTILE_KEY_PRETENDER_H
#define TESTS_HOSTILE_KEY_PRETENDER_H

#include "tests/support/crowd.h"

#include "topic/handshake.h"
#include "topic/handshake_layout.h"

/*
 *	this process      a subscriber with keys, which must refuse the liar, say why, and go on hearing P
 *	its child, "L"    the liar: a socket in the topic's directory, and whatever its attack says
 *	its children      honest ones with keys (tests/support/crowd.h): their subscribers meet L too
 *
 * Each attack begins at a state of the handshake, up to which L does what an honest publisher does. For what comes after
 * the PROOF it even has the right key: what is wrong then is what somebody changed on the way, or kept from another time.
 *
 *	HELLO ──► CHALLENGE ──► PROOF ──► GRANT
 *	   (run)      ask()       ask()     sign_grant()
 */
#define SIGNED_SIZE (sizeof(struct plx_handshake_grant) + sizeof(struct plx_handshake_signature))

/* One connection of the liar. */
struct line {
	int fd;
	unsigned char hello[PLX_HANDSHAKE_MAX];
	uint32_t hello_size;
	struct plx_host host;
	struct plx_step step; /* what the honest half would send next */
	unsigned char proof[PLX_HANDSHAKE_MAX];
	int files[PLX_GRANT_FDS];
};

struct attack {
	const char *name;
	void (*run)(struct line *); /* in L, for each subscriber that comes; its hello was heard */
	int error;                  /* why our subscriber refuses it */
};

/* clang-format off */
#define ATTACK(f, error) { #f, f, error }
/* clang-format on */

extern struct plx_keys *pub_keys, *liar_keys; /* L's */

void say_on(struct line *l, const void *bytes, size_t size);
/** The honest half begins: the challenge is in step, and not sent. */
void prepare(struct line *l, const struct plx_keys *keys);
/** Ask as an honest one, hear the proof; false when it left. */
bool ask(struct line *l);
/** A grant that is signed as it should be, in step, for three files that mean nothing. */
void sign_grant(struct line *l);
void grant_with(struct line *l, const void *bytes, size_t size, const int *files, unsigned int n);
void send_grant(struct line *l);
/** The one without a signature. */
void plain_grant(struct line *l);

/** A test for each attack, and one that all ended well; returns how many failed. */
#define KEY_PRETENDER_RUN(group, attacks)                                                                    \
	CROWD_RUN(group, attacks, it_is_refused_and_the_honest_are_heard, key_pretender_ends_well,           \
		  key_pretender_open, key_pretender_close)

int key_pretender_open(void **state);
int key_pretender_close(void **state);
void it_is_refused_and_the_honest_are_heard(void **state); /* of a struct attack */
void key_pretender_ends_well(void **state);

#endif

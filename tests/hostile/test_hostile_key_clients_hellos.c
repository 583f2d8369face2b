/*
 * test_hostile_key_clients_hellos.c - who comes without the right key: what it says before it is asked for a proof, and after it had one. Timeout: 180
 *
 * And those who come in numbers, or take their time. See support/key_intruder.h.
 */
#include "tests/hostile/support/key_intruder.h"

#include <errno.h>

/* ---- before the challenge -------------------------------------------------------------------------- */

static void honest_way_in_is_open(void)
{
	struct door d;

	let_in(&d);
	go(&d);
}

static void a_proof_instead_of_a_hello(void)
{
	struct door d;

	knock_at(&d);
	say_at(&d, &recorded, PROOF_SIZE);
	hangs_up(&d);
}

static void a_challenge_instead_of_a_hello(void)
{
	struct door d, other;

	asked(&other);
	knock_at(&d);
	say_at(&d, &other.asked, sizeof(other.asked));
	hangs_up(&d);
	go(&other);
}

static void a_hello_in_an_older_version(void)
{
	struct plx_handshake_hello hello;
	struct door d;

	/* version 0 had no keys, a liar says: there is none below 1, and 1 has them */
	knock_at(&d);
	liar_hello((unsigned char *)&hello, crowd.topic, true);
	hello.version_min = hello.header.version = 0;
	say_at(&d, &hello, sizeof(hello));
	hangs_up(&d);
}

static void a_hello_in_a_version_to_come(void)
{
	struct plx_handshake_hello hello;
	struct door d;

	knock_at(&d);
	liar_hello((unsigned char *)&hello, crowd.topic, true);
	hello.version_min = hello.header.version = PLX_HANDSHAKE_VERSION_MAX + 1;
	say_at(&d, &hello, sizeof(hello));
	assert_int_equal(answer(&d), -EPROTO);
	hangs_up(&d);
}

static void a_hello_with_bits_that_might_mean_no_keys(void)
{
	for (unsigned int bit = 1; bit < 32; bit++) {
		struct plx_handshake_hello hello;
		struct door d;

		knock_at(&d);
		liar_hello((unsigned char *)&hello, crowd.topic, true);
		hello.flags |= 1u << bit;
		say_at(&d, &hello, sizeof(hello));
		hangs_up(&d);
	}
}

static void a_hello_that_brings_descriptors(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	for (unsigned int n = 1; n <= LIAR_FDS_MAX; n = n * 3 + 1) {
		knock_at(&d);
		(void)!liar_send(d.fd, bytes, liar_hello(bytes, crowd.topic, true), 0, n);
		hangs_up(&d);
	}
}

static void the_name_of_another_topic(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	knock_at(&d);
	say_at(&d, bytes, liar_hello(bytes, "another", true));
	assert_int_equal(answer(&d), -ENOENT); /* and no signature, no nonce */
	hangs_up(&d);
}

/* ---- proved, and after the grant ------------------------------------------------------------------- */

static void gone_before_the_grant(void)
{
	struct door d;

	for (int i = 0; i < 20; i++) {
		asked(&d);
		say_at(&d, &d.proof, PROOF_SIZE);
		go(&d);
	}
}

static void a_proof_said_twice_at_once(void)
{
	struct door d;

	asked(&d);
	say_at(&d, &d.proof, PROOF_SIZE);
	say_at(&d, &d.proof, PROOF_SIZE);
	assert_int_equal(answer(&d), GRANTED);
	hangs_up(&d);
}

static void anything_said_after_the_grant(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct door d;

	let_in(&d);
	say_at(&d, &d.proof, PROOF_SIZE);
	hangs_up(&d);
	let_in(&d);
	say_at(&d, bytes, liar_hello(bytes, crowd.topic, true));
	hangs_up(&d);
	let_in(&d);
	(void)!liar_send(d.fd, "", 1, 0, 3);
	hangs_up(&d);
}

/* ---- many, and slow -------------------------------------------------------------------------------- */

static void silence_at_every_state(void)
{
	struct door silent, after_hello, in;

	knock_at(&silent);
	asked(&after_hello);
	let_in(&in);
	hangs_up(&silent);
	hangs_up(&after_hello);
	assert_int_equal(answer_in(&in, 100), SILENCE); /* who is in may be silent */
	go(&in);
}

static void a_byte_now_and_then(void)
{
	struct door d;
	int i;

	asked(&d);
	for (i = 0; i < 100 && liar_send(d.fd, "P", 1, -1, 0) == 0; i++)
		sleep_ms(20);
	assert_in_range(i, 1, 50); /* one was enough */
	hangs_up(&d);
}

static void a_crowd_that_never_proves_anything(void)
{
	struct door many[200], d;

	for (size_t i = 0; i < COUNT_OF(many); i++)
		asked(&many[i]);
	let_in(&d);
	go(&d);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		hangs_up(&many[i]);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(honest_way_in_is_open),
	ATTACK(a_proof_instead_of_a_hello),
	ATTACK(a_challenge_instead_of_a_hello),
	ATTACK(a_hello_in_an_older_version),
	ATTACK(a_hello_in_a_version_to_come),
	ATTACK(a_hello_with_bits_that_might_mean_no_keys),
	ATTACK(a_hello_that_brings_descriptors),
	ATTACK(the_name_of_another_topic),
	ATTACK(gone_before_the_grant),
	ATTACK(a_proof_said_twice_at_once),
	ATTACK(anything_said_after_the_grant),
	ATTACK(silence_at_every_state),
	ATTACK(a_byte_now_and_then),
	ATTACK(a_crowd_that_never_proves_anything),
};

int main(void)
{
	return KEY_INTRUDER_RUN("hostile clients without the right key: hellos", ATTACKS);
}

/*
 * test_hostile_key_publishers_challenges.c - a liar who wants to be read asks for no proof, or asks wrongly. Timeout: 240
 *
 * See support/key_pretender.h.
 */
#include "tests/hostile/support/key_pretender.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- instead of a challenge ------------------------------------------------------------------------ */

static void a_grant_without_being_asked_for_a_key(struct line *l)
{
	plain_grant(l);
}

static void a_signed_grant_before_the_challenge(struct line *l)
{
	unsigned char bytes[SIGNED_SIZE] = { 0 };
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_GRANT, 1, SIGNED_SIZE, 0 };
	int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	memcpy(bytes, &header, sizeof(header));
	grant_with(l, bytes, sizeof(bytes), files, PLX_GRANT_FDS);
}

static void a_wake_byte_instead_of_an_answer(struct line *l)
{
	say_on(l, "", 1);
}

static void its_own_hello_back(struct line *l)
{
	say_on(l, l->hello, l->hello_size);
}

static void nothing_at_all(struct line *l)
{
	(void)l;
}

static void a_hang_up_instead_of_a_challenge(struct line *l)
{
	shutdown(l->fd, SHUT_RDWR);
}

/* ---- the challenge --------------------------------------------------------------------------------- */

static void a_challenge_by_a_key_nobody_trusts(struct line *l)
{
	prepare(l, liar_keys);
	say_on(l, l->step.send, l->step.send_size);
}

/* Changed, before it is sent. */
static void challenge(struct line *l, size_t at, uint64_t bits, unsigned int size)
{
	prepare(l, pub_keys);
	for (unsigned int i = 0; i < size; i++)
		l->step.send[at + i] ^= (unsigned char)(bits >> 8 * i);
	say_on(l, l->step.send, l->step.send_size);
}
#define CHALLENGE(field, bits)                                                                               \
	challenge(l, offsetof(struct plx_handshake_challenge, field), bits,                                  \
		  sizeof(((struct plx_handshake_challenge *)0)->field))

static void a_challenge_about_another_segment(struct line *l)
{
	CHALLENGE(segment, 1);
}

static void a_challenge_of_another_process(struct line *l)
{
	CHALLENGE(pid, 1);
}

static void a_challenge_from_another_namespace(struct line *l)
{
	CHALLENGE(space, 1);
}

static void a_challenge_of_version_zero(struct line *l)
{
	CHALLENGE(header.version, 1);
}

static void a_challenge_of_a_version_to_come(struct line *l)
{
	CHALLENGE(header.version, 8);
}

static void a_challenge_with_unknown_flags(struct line *l)
{
	CHALLENGE(flags, 1);
}

static void a_challenge_with_reserved_bytes(struct line *l)
{
	challenge(l, offsetof(struct plx_handshake_challenge, reserved), 1, 1);
}

static void a_challenge_cut_short(struct line *l)
{
	prepare(l, pub_keys);
	say_on(l, l->step.send, l->step.send_size - 1 - (unsigned int)l->fd % 100);
}

static void a_challenge_with_more_behind_it(struct line *l)
{
	prepare(l, pub_keys);
	say_on(l, l->step.send, l->step.send_size + 1);
}

static void a_challenge_larger_than_any_message(struct line *l)
{
	static unsigned char bytes[4096];

	prepare(l, pub_keys);
	memcpy(bytes, l->step.send, l->step.send_size);
	say_on(l, bytes, sizeof(bytes));
}

static void a_challenge_that_brings_descriptors(struct line *l)
{
	static const int files[PLX_GRANT_FDS] = { 0, 1, 2 };

	prepare(l, pub_keys);
	grant_with(l, l->step.send, l->step.send_size, files, PLX_GRANT_FDS);
}

static void two_challenges(struct line *l)
{
	prepare(l, pub_keys);
	say_on(l, l->step.send, l->step.send_size);
	say_on(l, l->step.send, l->step.send_size);
}

/* Whoever connects to P hears a challenge with P's name and key, and may say it again. */
static void the_honest_publishers_challenge(struct line *l)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS], fd = -1;
	struct plx_sightings list;
	ssize_t n;

	MUST(plx_place_list(&crowd.place, &list) == 0);
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].pid == (uint32_t)crowd.publisher)
			MUST(plx_place_connect(&crowd.place, &list.items[i], &fd) == 0);
	}
	plx_sightings_free(&list);
	MUST(fd >= 0);
	MUST(liar_send(fd, l->hello, l->hello_size, -1, 0) == 0);
	n = liar_recv(fd, bytes, sizeof(bytes), fds, 5000);
	MUST(n == sizeof(struct plx_handshake_challenge));
	say_on(l, bytes, (size_t)n);
	close(fd);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(a_grant_without_being_asked_for_a_key, -EKEYREJECTED),
	ATTACK(a_signed_grant_before_the_challenge, -EKEYREJECTED),
	ATTACK(a_wake_byte_instead_of_an_answer, -EPROTO),
	ATTACK(its_own_hello_back, -EPROTO),
	ATTACK(nothing_at_all, -ETIMEDOUT),
	ATTACK(a_hang_up_instead_of_a_challenge, -EPIPE),
	ATTACK(a_challenge_by_a_key_nobody_trusts, -EKEYREJECTED),
	ATTACK(a_challenge_about_another_segment, -EKEYREJECTED),
	ATTACK(a_challenge_of_another_process, -EKEYREJECTED),
	ATTACK(a_challenge_from_another_namespace, -EKEYREJECTED),
	ATTACK(a_challenge_of_version_zero, -EPROTO),
	ATTACK(a_challenge_of_a_version_to_come, -EPROTO),
	ATTACK(a_challenge_with_unknown_flags, -EBADMSG),
	ATTACK(a_challenge_with_reserved_bytes, -EBADMSG),
	ATTACK(a_challenge_cut_short, -EBADMSG),
	ATTACK(a_challenge_with_more_behind_it, -EBADMSG),
	ATTACK(a_challenge_larger_than_any_message, -EBADMSG),
	ATTACK(a_challenge_that_brings_descriptors, -EPROTO),
	ATTACK(two_challenges, -EPROTO),
	ATTACK(the_honest_publishers_challenge, -EKEYREJECTED),
};

int main(void)
{
	return KEY_PRETENDER_RUN("hostile publishers without the right key: challenges", ATTACKS);
}

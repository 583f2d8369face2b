/*
 * test_hostile_key_publishers_grants.c - a liar who heard the proof says something else than a good grant. Timeout: 240
 *
 * See support/key_pretender.h.
 */
#include "tests/hostile/support/key_pretender.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* ---- after the proof ------------------------------------------------------------------------------- */

static void nothing_after_the_proof(struct line *l)
{
	(void)!ask(l);
}

static void stopped_after_the_proof(struct line *l)
{
	static int asked;

	if (ask(l) && ++asked == 3) /* all three of them */
		raise(SIGSTOP);
}

static void a_hang_up_after_the_proof(struct line *l)
{
	if (ask(l))
		shutdown(l->fd, SHUT_RDWR);
}

static void another_challenge_after_the_proof(struct line *l)
{
	if (ask(l)) {
		prepare(l, pub_keys);
		say_on(l, l->step.send, l->step.send_size);
	}
}

static void their_own_proof_back(struct line *l)
{
	if (ask(l))
		say_on(l, l->proof, sizeof(struct plx_handshake_proof));
}

static void a_grant_that_is_not_signed_after_all(struct line *l)
{
	if (ask(l))
		plain_grant(l);
}

/* It says who P is, but has not P's secret. */
static void a_grant_signed_with_another_key(struct line *l)
{
	struct plx_public_key key = plx_keys_own(pub_keys);
	int fds[PLX_GRANT_FDS];

	prepare(l, liar_keys);
	memcpy(l->step.send + offsetof(struct plx_handshake_challenge, key), key.bytes, sizeof(key.bytes));
	say_on(l, l->step.send, l->step.send_size);
	if (liar_recv(l->fd, l->proof, sizeof(l->proof), fds, 5000) <= 0)
		return;
	l->host.proof.heard = true; /* it need not hold, for us */
	l->host.state = PLX_HOST_ADMIT;
	sign_grant(l);
	send_grant(l);
}

/* Of the subscriber's own making: signed by its role, not by ours. */
static void a_grant_with_their_own_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	memcpy(l->step.send + sizeof(struct plx_handshake_grant),
	       l->proof + offsetof(struct plx_handshake_proof, signature),
	       sizeof(struct plx_handshake_signature));
	send_grant(l);
}

/* The first one that is connected is left waiting; what was signed for it is said to all others. */
static void a_grant_of_another_connection(struct line *l)
{
	static struct line first;

	if (!ask(l))
		return;
	if (!first.step.send_size) {
		sign_grant(l);
		first = *l;
	} else {
		grant_with(l, first.step.send, SIGNED_SIZE, first.files, PLX_GRANT_FDS);
	}
}

static void a_grant_with_a_byte_changed(struct line *l)
{
	static size_t at = 16;

	if (!ask(l))
		return;
	sign_grant(l);
	if (at >= offsetof(struct plx_handshake_grant, start) &&
	    at < offsetof(struct plx_handshake_grant, slot_size))
		at = offsetof(struct plx_handshake_grant, slot_size); /* start is not signed */
	l->step.send[at] ^= 1;
	at = (at + 7) % (SIGNED_SIZE - 16) + 16;
	send_grant(l);
}

/* The right words, with other memories. */
static void a_grant_with_one_file_exchanged(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	l->files[l->fd % PLX_GRANT_FDS] = memfd_create("another", MFD_CLOEXEC);
	send_grant(l);
}

static void a_grant_with_its_files_in_another_order(struct line *l)
{
	int kept;

	if (!ask(l))
		return;
	sign_grant(l);
	kept = l->files[PLX_GRANT_FD_DATA];
	l->files[PLX_GRANT_FD_DATA] = l->files[PLX_GRANT_FD_LINK];
	l->files[PLX_GRANT_FD_LINK] = kept;
	send_grant(l);
}

static void a_grant_without_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, l->step.send_size, NULL, 0);
}

static void a_grant_with_two_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, l->step.send_size, l->files, 2);
}

static void a_grant_with_a_hundred_descriptors(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	(void)!liar_send(l->fd, l->step.send, l->step.send_size, l->files[0], 100);
}

static void a_grant_cut_before_its_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, sizeof(struct plx_handshake_grant), l->files, PLX_GRANT_FDS);
}

static void a_grant_cut_within_its_signature(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	grant_with(l, l->step.send, SIGNED_SIZE - 1, l->files, PLX_GRANT_FDS);
}

/* All that was signed holds. It makes no memory of what is none. */
static void a_good_signature_below_bad_memory(struct line *l)
{
	if (!ask(l))
		return;
	sign_grant(l);
	send_grant(l);
}

static void a_refusal_after_the_proof(struct line *l)
{
	const struct plx_refusal refusal = {
		.error = EDQUOT, .version_min = 1, .version_max = 1, .text = "not today"
	};
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	if (ask(l))
		say_on(l, bytes, plx_refuse_encode(bytes, &refusal));
}

static void a_refusal_that_brings_descriptors(struct line *l)
{
	const struct plx_refusal refusal = {
		.error = EDQUOT, .version_min = 1, .version_max = 1, .text = "no"
	};
	static const int files[PLX_GRANT_FDS] = { 0, 1, 2 };
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	if (ask(l))
		grant_with(l, bytes, plx_refuse_encode(bytes, &refusal), files, PLX_GRANT_FDS);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(nothing_after_the_proof, -ETIMEDOUT),
	ATTACK(stopped_after_the_proof, -ETIMEDOUT),
	ATTACK(a_hang_up_after_the_proof, -EPIPE),
	ATTACK(another_challenge_after_the_proof, -EPROTO),
	ATTACK(their_own_proof_back, -EPROTO),
	ATTACK(a_grant_that_is_not_signed_after_all, -EKEYREJECTED),
	ATTACK(a_grant_signed_with_another_key, -EKEYREJECTED),
	ATTACK(a_grant_with_their_own_signature, -EKEYREJECTED),
	ATTACK(a_grant_of_another_connection, -EKEYREJECTED),
	ATTACK(a_grant_with_a_byte_changed, -EKEYREJECTED),
	ATTACK(a_grant_with_one_file_exchanged, -EKEYREJECTED),
	ATTACK(a_grant_with_its_files_in_another_order, -EKEYREJECTED),
	ATTACK(a_grant_without_descriptors, -EPROTO),
	ATTACK(a_grant_with_two_descriptors, -EBADMSG),
	ATTACK(a_grant_with_a_hundred_descriptors, -EBADMSG),
	ATTACK(a_grant_cut_before_its_signature, -EKEYREJECTED),
	ATTACK(a_grant_cut_within_its_signature, -EKEYREJECTED),
	ATTACK(a_good_signature_below_bad_memory, -EPERM),
	ATTACK(a_refusal_after_the_proof, -EDQUOT),
	ATTACK(a_refusal_that_brings_descriptors, -EPROTO),
};

int main(void)
{
	return KEY_PRETENDER_RUN("hostile publishers without the right key: grants", ATTACKS);
}

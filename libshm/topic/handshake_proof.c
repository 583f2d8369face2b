/*
 * handshake_proof.c - CHALLENGE, PROOF, and the signature of a GRANT.
 *
 * The publisher signs last, when it has seen that it talks to the right process: so nobody can collect its signatures,
 * and a relay between the two fails at the publisher before it has anything to pass on. As in the rest of the codec,
 * a message is copied out once, has exactly one size, and what is not used is zero.
 */
#include "topic/handshake_proof.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SIGNED_SIZE ((uint32_t)(sizeof(struct plx_handshake_grant) + sizeof(struct plx_handshake_signature)))

void plx_proof_init(struct plx_proof *proof, const struct plx_proof_setup *setup)
{
	memset(proof, 0, sizeof(*proof));
	proof->setup = *setup;
}

void plx_proof_said(struct plx_proof *proof, const void *bytes, size_t size)
{
	memset(proof->digest, 0, sizeof(proof->digest));
	plx_sign_mix(proof->digest, bytes, size);
}

static struct plx_handshake_header header(uint16_t type, uint16_t version, size_t size)
{
	return (struct plx_handshake_header){
		.magic = PLX_HANDSHAKE_MAGIC, .type = type, .version = version, .size = (uint32_t)size
	};
}

static int take(void *copy, size_t want, uint16_t type, const void *bytes, size_t size)
{
	struct plx_handshake_header h;

	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	if (h.magic != PLX_HANDSHAKE_MAGIC || h.type != type || h.version < PLX_HANDSHAKE_VERSION_MIN ||
	    h.version > PLX_HANDSHAKE_VERSION_MAX)
		return -EPROTO;
	if (size != want || h.size != want || h.reserved != 0)
		return -EBADMSG;
	memcpy(copy, bytes, want);
	return 0;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
	uint8_t any = 0;

	while (size-- > 0)
		any |= bytes[size];
	return any == 0;
}

/* Is the process at the other end the one that speaks? NULL: yes, as far as can be told from here. */
static const char *process_fault(const struct plx_proof_setup *setup, uint64_t space, int32_t pid)
{
	const struct plx_proof_seen *seen = &setup->seen;

	if (space == setup->self.space)
		return seen->pid == pid ? NULL
					: "the proof is of another process than the one that is connected";
	if (seen->pid == 0) /* it lives where we cannot look: docs/security.md */
		return NULL;
	if (seen->inner == 0)
		return "the other process says it is in another pid namespace, and /proc does not";
	return seen->inner == pid ? NULL : "the proof is of another process than the one that is connected";
}

/* ---- publisher --------------------------------------------------------------------------------- */

uint32_t plx_proof_challenge(struct plx_proof *proof, unsigned char *bytes, uint16_t version)
{
	const struct plx_proof_setup *setup = &proof->setup;
	struct plx_handshake_challenge m = {
		.header = header(PLX_HANDSHAKE_CHALLENGE, version, sizeof(m)),
		.segment = setup->segment,
		.space = setup->self.space,
		.pid = setup->self.pid,
	};
	struct plx_public_key own = plx_keys_own(setup->keys);

	memcpy(m.key, own.bytes, sizeof(m.key));
	memcpy(m.nonce, setup->nonce, sizeof(m.nonce));
	memcpy(bytes, &m, sizeof(m));
	plx_sign_mix(proof->digest, &m, sizeof(m));
	return sizeof(m);
}

int plx_proof_check(struct plx_proof *proof, const void *bytes, size_t size, const char **why)
{
	struct plx_handshake_proof m;
	int ret = take(&m, sizeof(m), PLX_HANDSHAKE_PROOF, bytes, size);

	*why = "the proof is not well-formed";
	if (ret < 0)
		return ret;
	if (m.flags != 0 || m.pid <= 0 || !all_zero(m.reserved, sizeof(m.reserved)))
		return -EBADMSG;
	memcpy(proof->peer.bytes, m.key, sizeof(m.key));
	if (!plx_keys_trusts(proof->setup.keys, &proof->peer)) {
		*why = "its key is not among those the publisher trusts";
		return -EKEYREJECTED;
	}
	*why = process_fault(&proof->setup, m.space, m.pid);
	if (*why)
		return -EKEYREJECTED;
	plx_sign_mix(proof->digest, &m, offsetof(struct plx_handshake_proof, signature));
	if (!plx_keys_verify(&proof->peer, PLX_KEYS_SUBSCRIBER, proof->digest, m.signature.bytes)) {
		*why = "the signature does not hold: it was made with another key, or for another connection";
		return -EKEYREJECTED;
	}
	plx_sign_mix(proof->digest, &m.signature, sizeof(m.signature));
	proof->heard = true;
	return 0;
}

/* What the publisher signs, given a GRANT with start 0. */
static void mix_grant(uint8_t digest[PLX_SIGN_DIGEST], const void *grant, const struct plx_proof_files *files)
{
	plx_sign_mix(digest, grant, sizeof(struct plx_handshake_grant));
	plx_sign_mix(digest, files, sizeof(*files));
}

void plx_proof_seal(struct plx_proof *proof, const void *grant, const struct plx_proof_files *files)
{
	assert(proof->heard);
	mix_grant(proof->digest, grant, files);
	plx_keys_sign(proof->setup.keys, PLX_KEYS_PUBLISHER, proof->digest, proof->signature.bytes);
	proof->sealed = true;
}

uint32_t plx_proof_grant(const struct plx_proof *proof, unsigned char *grant)
{
	struct plx_handshake_grant m;

	assert(proof->sealed);
	memcpy(&m, grant, sizeof(m));
	m.header.size = SIGNED_SIZE;
	m.flags = PLX_GRANT_SIGNED;
	memcpy(grant, &m, sizeof(m));
	memcpy(grant + sizeof(m), &proof->signature, sizeof(proof->signature));
	return SIGNED_SIZE;
}

/* ---- subscriber -------------------------------------------------------------------------------- */

int plx_proof_answer(struct plx_proof *proof, const void *bytes, size_t size, unsigned char *answer,
		     uint32_t *answer_size, const char **why)
{
	const struct plx_proof_setup *setup = &proof->setup;
	struct plx_handshake_challenge c;
	struct plx_handshake_proof m;
	struct plx_public_key own;
	int ret = take(&c, sizeof(c), PLX_HANDSHAKE_CHALLENGE, bytes, size);

	*why = "the publisher's challenge is not well-formed";
	if (ret < 0)
		return ret;
	if (c.flags != 0 || c.pid <= 0 || !all_zero(c.reserved, sizeof(c.reserved)))
		return -EBADMSG;
	memcpy(proof->peer.bytes, c.key, sizeof(c.key));
	if (!plx_keys_trusts(setup->keys, &proof->peer)) {
		*why = "the publisher's key is not among those we trust";
		return -EKEYREJECTED;
	}
	if (c.segment != setup->segment) {
		*why = "the publisher's challenge is about another segment than its socket";
		return -EKEYREJECTED;
	}
	*why = process_fault(setup, c.space, c.pid);
	if (*why)
		return -EKEYREJECTED;
	plx_sign_mix(proof->digest, &c, sizeof(c));
	own = plx_keys_own(setup->keys);
	m = (struct plx_handshake_proof){
		.header = header(PLX_HANDSHAKE_PROOF, c.header.version, sizeof(m)),
		.space = setup->self.space,
		.pid = setup->self.pid,
	};
	memcpy(m.key, own.bytes, sizeof(m.key));
	memcpy(m.nonce, setup->nonce, sizeof(m.nonce));
	plx_sign_mix(proof->digest, &m, offsetof(struct plx_handshake_proof, signature));
	plx_keys_sign(setup->keys, PLX_KEYS_SUBSCRIBER, proof->digest, m.signature.bytes);
	plx_sign_mix(proof->digest, &m.signature, sizeof(m.signature));
	memcpy(answer, &m, sizeof(m));
	*answer_size = sizeof(m);
	return 0;
}

int plx_proof_granted(struct plx_proof *proof, const void *bytes, size_t size,
		      const struct plx_proof_files *files, unsigned char *plain, uint32_t *plain_size,
		      const char **why)
{
	struct plx_handshake_signature signature;
	struct plx_handshake_grant m;
	uint64_t start;

	*why = "the publisher's grant is not signed";
	if (size != SIGNED_SIZE)
		return -EKEYREJECTED;
	memcpy(&m, bytes, sizeof(m));
	memcpy(&signature, (const char *)bytes + sizeof(m), sizeof(signature));
	if (m.header.size != SIGNED_SIZE || m.flags != PLX_GRANT_SIGNED)
		return -EKEYREJECTED;
	m.header.size = sizeof(m);
	m.flags = 0;
	start = m.start;
	m.start = 0;
	mix_grant(proof->digest, &m, files);
	if (!plx_keys_verify(&proof->peer, PLX_KEYS_PUBLISHER, proof->digest, signature.bytes)) {
		*why = "the publisher's signature does not hold: it is not who it says, or this is not what "
		       "it granted";
		return -EKEYREJECTED;
	}
	m.start = start;
	memcpy(plain, &m, sizeof(m));
	*plain_size = sizeof(m);
	return 0;
}

const char *plx_proof_name(char text[PLX_PROOF_NAME], const struct plx_public_key *key)
{
	plx_sign_hex(text, key->bytes, (PLX_PROOF_NAME - 1) / 2);
	return text;
}

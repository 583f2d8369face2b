/* handshake_proof.h - the part of a handshake in which both sides prove their keys; pure computation. */
#ifndef PLX_TOPIC_HANDSHAKE_PROOF_H
#define PLX_TOPIC_HANDSHAKE_PROOF_H

#include "topic/handshake_layout.h"
#include "topic/keys.h"

/*
 * What is signed is a digest of everything that was said on this connection, by both, up to the signature:
 *
 *	digest 1 = mix(0, HELLO)
 *	digest 2 = mix(digest 1, CHALLENGE)                publisher's key, nonce and process; the segment
 *	digest 3 = mix(digest 2, PROOF, its signature left out)   subscriber's key, nonce and process
 *	           the subscriber signs ("Parallax subscriber 1", digest 3)
 *	digest 4 = mix(digest 3, subscriber's signature)
 *	digest 5 = mix(mix(digest 4, GRANT with start 0), identities of the two memories)
 *	           the publisher signs ("Parallax publisher 1", digest 5)
 *
 * So a signature is good for one connection (two nonces), one topic, one segment, one role, one pair of keys. And for one
 * pair of processes: each says who it is, and the other compares that with what the kernel says of who connected, or
 * listens. A process in between would be another one.
 */

/* A process, as it sees itself. */
struct plx_proof_self {
	uint64_t space; /* inode of its pid namespace; 0: cannot tell */
	int32_t pid;
};

/* What the kernel says of the process at the other end. */
struct plx_proof_seen {
	int32_t pid; /* as our pid namespace numbers it; 0: it cannot be seen from there */
	int32_t inner; /* as its own namespace numbers it, when that is below ours; 0: it is not, or cannot be read */
};

/* Filled in by the driver. */
struct plx_proof_setup {
	const struct plx_keys *keys; /* NULL: no proof is wanted, none can be given */
	uint64_t segment;            /* id of the data segment: ours, or that of which the socket is called */
	struct plx_proof_self self;
	struct plx_proof_seen seen;
	uint8_t nonce[32]; /* random */
};

/* The two memories that come with a grant: device and inode. */
struct plx_proof_files {
	uint64_t id[PLX_GRANT_FDS][2];
};

/* Kept from message to message. */
struct plx_proof {
	struct plx_proof_setup setup;
	uint8_t digest[PLX_SIGN_DIGEST];
	struct plx_public_key peer;               /* what the other side says its key is */
	struct plx_handshake_signature signature; /* publisher: that of the grant to come */
	bool heard;                               /* publisher: a good PROOF */
	bool sealed;                              /* publisher: signature is made */
};

void plx_proof_init(struct plx_proof *proof, const struct plx_proof_setup *setup);

/** plx_proof_said() - these bytes are said first: the HELLO. */
void plx_proof_said(struct plx_proof *proof, const void *bytes, size_t size);

/* ---- publisher ---- */

/** plx_proof_challenge() - make the CHALLENGE; returns its size. */
uint32_t plx_proof_challenge(struct plx_proof *proof, unsigned char *bytes, uint16_t version);

/**
 * plx_proof_check() - judge a PROOF.
 * @why: on failure a sentence, fit for the peer as well
 *
 * Return: 0, -EKEYREJECTED (key, process, signature), -EBADMSG, -EPROTO.
 */
int plx_proof_check(struct plx_proof *proof, const void *bytes, size_t size, const char **why) plx_must_check;

/** plx_proof_seal() - sign a GRANT to come: its bytes with start 0, as plx_grant_encode() makes them. */
void plx_proof_seal(struct plx_proof *proof, const void *grant, const struct plx_proof_files *files);

/** plx_proof_grant() - put the signature behind a GRANT; returns its size. */
uint32_t plx_proof_grant(const struct plx_proof *proof, unsigned char *grant);

/* ---- subscriber ---- */

/**
 * plx_proof_answer() - judge a CHALLENGE, make the PROOF.
 * @answer: set on success, *@answer_size bytes
 *
 * Return: as plx_proof_check().
 */
int plx_proof_answer(struct plx_proof *proof, const void *bytes, size_t size, unsigned char *answer,
		     uint32_t *answer_size, const char **why) plx_must_check;

/**
 * plx_proof_granted() - judge the signature of a GRANT.
 * @plain: set on success: the GRANT without it, *@plain_size bytes
 *
 * Return: as plx_proof_check().
 */
int plx_proof_granted(struct plx_proof *proof, const void *bytes, size_t size,
		      const struct plx_proof_files *files, unsigned char *plain, uint32_t *plain_size,
		      const char **why) plx_must_check;

/** plx_proof_name() - the first digits of a key, for people; returns @text. */
#define PLX_PROOF_NAME 17
const char *plx_proof_name(char text[PLX_PROOF_NAME], const struct plx_public_key *key);

#endif

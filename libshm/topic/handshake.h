/* handshake.h - how a subscriber and a publisher agree: two state machines without input or output of their own. */
#ifndef PLX_TOPIC_HANDSHAKE_H
#define PLX_TOPIC_HANDSHAKE_H

#include "topic/handshake_proof.h"

/*
 * The machines do not touch sockets, clocks or memory of others. Whoever drives one feeds it what arrived
 * and does what the step says; so a fuzzer can drive it as well as an epoll loop.
 *
 *	publisher:  plx_host_init -> wait --HELLO--> ADMIT -> plx_host_grant()  -> SEND (3 fds), then granted
 *	                                 |        \        -> plx_host_refuse() -> SEND + close
 *	                                 |         REFUSED: SEND + close (type, topic, version, too many)
 *	                                 keys: HELLO --> SEND CHALLENGE -> wait --PROOF--> ADMIT -> plx_host_seal(), ...
 *	                                                                        \ REFUSED: SEND + close (key, process, signature)
 *	subscriber: plx_guest_init -> plx_guest_start() -> SEND HELLO -> wait --GRANT + 3 fds--> GRANTED
 *	                                                                  |   --REFUSE--> REFUSED
 *	                                                                  keys: --CHALLENGE--> SEND PROOF -> wait, as above
 *	either:     anything else, a deadline, a hang-up -> FAILED: close the connection and every descriptor
 */

/* What a subscriber asks for; checked, in private memory. */
struct plx_terms {
	uint16_t version_min, version_max; /* versions it speaks */
	uint16_t reading;                  /* enum plx_reading */
	bool polling;                      /* needs no wake bytes */
	uint32_t history;                  /* messages from before it joined */
	uint32_t type;                     /* type id it accepts, 0 = any */
	uint32_t quota;                    /* messages it wants to hold at most, 0 = the publisher's quota */
	uint64_t patience_ns;              /* let it go rather than wait longer; 0 = the publisher's policy */
	char topic[PLX_TOPIC_MAX + 1];
};

/* What a publisher has, as far as the handshake must know. */
struct plx_offer {
	const char *topic;
	uint32_t type;        /* type id, 0 = bytes */
	uint32_t subscribers; /* connected now; the driver keeps it up to date */
	uint32_t subscribers_max;
};

/* What a subscriber is given; checked, in private memory. */
struct plx_grant {
	uint16_t version;              /* the one both speak; filled in by the machines */
	uint64_t segment;              /* id of the data segment */
	uint64_t link;                 /* id of the link segment */
	uint64_t data_size, link_size; /* bytes */
	uint64_t start;                /* position of the first message it may read */
	uint64_t slot_size;            /* bytes of the largest payload */
	uint32_t depth, slots, history, quota;
	uint32_t type; /* of the publisher */
};

/* Why a subscriber is refused. */
struct plx_refusal {
	int32_t error; /* errno, positive */
	uint16_t version_min, version_max;
	uint32_t type; /* of the publisher */
	char text[PLX_REFUSE_TEXT_MAX + 1];
};

/*
 * Codec. encode writes a whole message and returns its size, never more than PLX_HANDSHAKE_MAX; what it is
 * given must be valid (assert). decode looks at nothing but @bytes, checks every field of a private copy,
 * and leaves the result alone unless it returns 0.
 *
 * Return: -EBADMSG (size, reserved bits, texts, ranges), -EPROTO (magic, type or version).
 */
uint32_t plx_hello_encode(unsigned char *bytes, const struct plx_terms *terms);
uint32_t plx_grant_encode(unsigned char *bytes, const struct plx_grant *grant);
uint32_t plx_refuse_encode(unsigned char *bytes, const struct plx_refusal *refusal);
int plx_hello_decode(struct plx_terms *terms, const void *bytes, size_t size) plx_must_check;
int plx_grant_decode(struct plx_grant *grant, const void *bytes, size_t size) plx_must_check;
int plx_refuse_decode(struct plx_refusal *refusal, const void *bytes, size_t size) plx_must_check;

/** plx_grant_check() - is this a grant a publisher may give? Return: 0, or -EBADMSG with *@why. */
int plx_grant_check(const struct plx_grant *grant, const char **why) plx_must_check;

enum plx_step_what {
	PLX_STEP_WAIT = 0, /* nothing to do until the next datagram, deadline or hang-up */
	PLX_STEP_SEND = 1, /* send step.send, then wait */
	PLX_STEP_ADMIT =
		2, /* publisher: terms are good; make a link, then plx_host_grant() or plx_host_refuse() */
	PLX_STEP_GRANTED = 3, /* publisher: send step.send with the descriptors; subscriber: keep them */
	PLX_STEP_REFUSED =
		4, /* publisher: send step.send (may fail), then close; subscriber: close, step.error says why */
	PLX_STEP_WAKE = 5, /* subscriber, after the grant: look again */
	PLX_STEP_LET_GO =
		6, /* subscriber, after the grant: the publisher let us go, step.error says why; close */
	PLX_STEP_FAILED = 7, /* close the connection; step.error says why */
};

/*
 * What to do now. Except in PLX_STEP_GRANTED of a subscriber, the driver closes every descriptor that came
 * with the datagram: the machine was told their number only.
 */
struct plx_step {
	enum plx_step_what what;
	int error;          /* negative errno with REFUSED, LET_GO, FAILED; else 0 */
	uint32_t send_size; /* bytes of send to send now, as one datagram; 0 = none */
	uint32_t send_fds;  /* descriptors that go with them: 0 or PLX_GRANT_FDS */
	unsigned char send[PLX_HANDSHAKE_MAX];
	char text[PLX_REFUSE_TEXT_MAX + 1]; /* REFUSED, LET_GO, FAILED: why, fit for a user; else "" */
};

enum plx_host_state {
	PLX_HOST_HELLO = 0, /* waiting for the HELLO */
	PLX_HOST_ADMIT = 1, /* the publisher is making a link */
	PLX_HOST_GRANTED = 2,
	PLX_HOST_CLOSED = 3, /* refused or failed: every input is answered with FAILED */
	PLX_HOST_PROOF = 4,  /* with keys: CHALLENGE is out, waiting for the PROOF */
};

/* Publisher's side of one connection. */
struct plx_host {
	enum plx_host_state state;
	struct plx_terms terms; /* valid from PLX_HOST_ADMIT on */
	uint16_t version;       /* chosen, from PLX_HOST_ADMIT or PLX_HOST_PROOF on */
	struct plx_proof proof; /* proof.setup.keys: NULL when none are used */
};

enum plx_guest_state {
	PLX_GUEST_NEW = 0,
	PLX_GUEST_ANSWER = 1, /* HELLO is out, waiting for GRANT or REFUSE */
	PLX_GUEST_GRANTED = 2,
	PLX_GUEST_CLOSED = 3,
	PLX_GUEST_PROVED = 4, /* with keys: PROOF is out, waiting for GRANT or REFUSE */
};

/* Subscriber's side of one connection. */
struct plx_guest {
	enum plx_guest_state state;
	struct plx_terms terms;
	struct plx_grant grant;     /* valid from PLX_GUEST_GRANTED on */
	struct plx_refusal refusal; /* valid once refused */
	struct plx_proof proof;
	struct plx_proof_files files;
};

/* Things that happen to a connection other than a datagram. */
enum plx_event {
	PLX_EVENT_DEADLINE = 0,  /* the handshake's time is up (the driver stops its clock at the grant) */
	PLX_EVENT_HANGUP = 1,    /* end of file, reset, or the peer's pidfd fired */
	PLX_EVENT_TRUNCATED = 2, /* MSG_TRUNC or MSG_CTRUNC: more came than fits */
};

/** plx_host_init() - a client was accepted. */
void plx_host_init(struct plx_host *host);

/** plx_host_keys() - right after init: let in only who proves a key that setup->keys trusts, and prove ours. */
void plx_host_keys(struct plx_host *host, const struct plx_proof_setup *setup);

/**
 * plx_host_input() - a datagram of @size bytes came from the client, with @fds descriptors.
 * @offer: what the publisher has just now
 *
 * step->what: ADMIT, SEND (with keys: the CHALLENGE), REFUSED (with a REFUSE to send), or FAILED. A datagram that is not even a HELLO gets no answer.
 * After the grant a client has nothing to say: FAILED, -EPROTO.
 */
void plx_host_input(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer,
		    const void *bytes, size_t size, unsigned int fds);

/**
 * plx_host_seal() - with keys, after ADMIT, before plx_host_grant(): sign the grant, as far as it is known.
 * @grant: all of it but start
 * @files: of the descriptors that will travel with it
 *
 * Takes 20 us: to be done where nobody waits. Without keys it does nothing.
 */
void plx_host_seal(struct plx_host *host, const struct plx_grant *grant, const struct plx_proof_files *files);

/** plx_host_grant() - after ADMIT: what the client gets (version is filled in). step->what: GRANTED. */
void plx_host_grant(struct plx_host *host, struct plx_step *step, const struct plx_grant *grant);

/** plx_host_refuse() - after ADMIT, or before anything was said: it cannot be, for @error (positive errno). step->what: REFUSED. */
void plx_host_refuse(struct plx_host *host, struct plx_step *step, const struct plx_offer *offer, int error,
		     const char *format, ...) plx_printf(5, 6);

/** plx_host_event() - deadline, hang-up, truncation: step->what is FAILED (-ETIMEDOUT, -EPIPE, -EBADMSG). */
void plx_host_event(struct plx_host *host, struct plx_step *step, enum plx_event event);

/** plx_guest_init() - a connection to a publisher stands; versions are filled in. */
void plx_guest_init(struct plx_guest *guest, const struct plx_terms *terms);

/** plx_guest_keys() - right after init: take a grant only from who proves a key that setup->keys trusts. */
void plx_guest_keys(struct plx_guest *guest, const struct plx_proof_setup *setup);

/** plx_guest_files() - with keys, before the input of a datagram that came with two descriptors: what they are. */
void plx_guest_files(struct plx_guest *guest, const struct plx_proof_files *files);

/** plx_guest_start() - step->what: SEND, the HELLO. */
void plx_guest_start(struct plx_guest *guest, struct plx_step *step);

/**
 * plx_guest_input() - a datagram came from the publisher.
 *
 * step->what: SEND (with keys: the PROOF), GRANTED (guest->grant is set; exactly PLX_GRANT_FDS descriptors came), REFUSED,
 * FAILED; after the
 * grant WAKE, LET_GO or FAILED. What it wants is compared with what it got: a grant of another type than asked
 * for is a failure.
 */
void plx_guest_input(struct plx_guest *guest, struct plx_step *step, const void *bytes, size_t size,
		     unsigned int fds);

/** plx_guest_event() - as plx_host_event(). */
void plx_guest_event(struct plx_guest *guest, struct plx_step *step, enum plx_event event);

#endif

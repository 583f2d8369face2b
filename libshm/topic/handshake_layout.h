/* handshake_layout.h - the bytes two processes exchange before they share memory (docs/protocol.md, "Handshake"). */
#ifndef PLX_TOPIC_HANDSHAKE_LAYOUT_H
#define PLX_TOPIC_HANDSHAKE_LAYOUT_H

#include <assert.h>
#include <plx/common.h>

/*
 * One message is one SEQPACKET datagram, in the byte order of the machine: both ends share its memory.
 * The header and REFUSE stay as they are in every version to come, so that two programs of any age can
 * tell each other why they do not get along. HELLO never grows: what a later version has to add travels
 * in messages of its own.
 *
 *	subscriber                         publisher
 *	    | ------------ HELLO ------------> |   who I am, what I want, versions I speak
 *	    | <- - - - - CHALLENGE - - - - - - |   only a publisher that has keys: who I am, prove who you are
 *	    | - - - - - -  PROOF - - - - - - > |   then: who I am, and my signature below all that was said
 *	    | <--- GRANT + 3 descriptors ----- |   data (read-only), link (read-write), alarm;  or REFUSE
 *	    |                                  |   with keys: and the publisher's signature below all of it
 *	    | <------- one byte, often ------- |   0: look again;  else: the errno for which I let you go
 *	    |            (nothing)             |   a subscriber that sends anything more is let go
 */
#define PLX_HANDSHAKE_MAGIC 0x53584c50u /* "PLXS" */

/* Versions of the protocol this build speaks, both ends included. */
#define PLX_HANDSHAKE_VERSION_MIN 1u
#define PLX_HANDSHAKE_VERSION_MAX 1u

enum plx_handshake_type {
	PLX_HANDSHAKE_HELLO = 1,
	PLX_HANDSHAKE_GRANT = 2,
	PLX_HANDSHAKE_REFUSE = 3,
	PLX_HANDSHAKE_CHALLENGE = 4,
	PLX_HANDSHAKE_PROOF = 5,
};

/* The largest message of any version; who receives gives this much room, and what is larger is refused. */
#define PLX_HANDSHAKE_MAX 512u

/* Descriptors that travel with a GRANT, in this order; every other message carries none. */
enum plx_grant_fd {
	PLX_GRANT_FD_DATA = 0, /* the publisher's data segment, sealed PLX_SEAL_DATA */
	PLX_GRANT_FD_LINK = 1, /* this subscriber's link segment, sealed PLX_SEAL_LINK */
	PLX_GRANT_FD_ALARM =
		2, /* an epoll descriptor that polls the publisher's own eventfd: readable, it is to look again */
	PLX_GRANT_FDS = 3,
};

/* After the grant: one byte, publisher to subscriber. */
#define PLX_WAKE_LOOK 0u /* look again; 1 ... 255: let go, the byte is the errno */

/* Limits of what a GRANT may say; a publisher's options are held to the same. */
#define PLX_TOPIC_MAX        64u                 /* bytes of a topic's name */
#define PLX_DEPTH_MAX        (1u << 20)          /* entries of a log */
#define PLX_SLOTS_MAX        (1u << 24)          /* slots of a pool */
#define PLX_SLOT_SIZE_MAX    (UINT64_C(1) << 30) /* bytes of a payload */
#define PLX_LINK_SIZE_MAX    (UINT64_C(1) << 22) /* bytes: a bit per slot, and some */
#define PLX_DATA_SIZE_MAX    (UINT64_C(1) << 46) /* bytes: what an address space has room for */
#define PLX_POSITION_MAX     (UINT64_C(1) << 62) /* no stream gets this far */
#define PLX_GRANT_SIZE_UNIT  4096u               /* sizes of segments are multiples of this */
#define PLX_REFUSE_TEXT_MAX  223u                /* bytes, without the terminator */
#define PLX_REFUSE_ERROR_MAX 4095                /* errno values end before this */

struct plx_handshake_header {
	uint32_t magic;    /* PLX_HANDSHAKE_MAGIC */
	uint16_t type;     /* enum plx_handshake_type */
	uint16_t version;  /* HELLO: highest the subscriber speaks; GRANT: the one chosen; REFUSE: 1 */
	uint32_t size;     /* bytes of the whole message, this header included */
	uint32_t reserved; /* 0 */
};

/* Flags of a HELLO. */
#define PLX_HELLO_POLLING 1u /* never sleeps: needs no wake bytes */
#define PLX_HELLO_FLAGS   PLX_HELLO_POLLING

struct plx_handshake_hello {
	struct plx_handshake_header header;
	uint16_t version_min; /* lowest the subscriber speaks */
	uint16_t reading;     /* enum plx_reading */
	uint32_t flags;       /* PLX_HELLO_* */
	uint32_t history;     /* messages from before it joined it would like */
	uint32_t type;        /* type id it accepts, 0 = any */
	char topic[72];       /* terminated; zero after the end */
	uint32_t quota;       /* messages it wants to hold at most; 0 = as many as the publisher lets it */
	uint32_t reserved0;   /* 0 */
	uint64_t
		patience_ns; /* who has to wait for it longer than this is to let it go; 0 = as the publisher likes */
	uint8_t reserved[8]; /* 0 */
};

struct plx_handshake_grant {
	struct plx_handshake_header header;
	uint64_t segment;    /* id of the data segment, never 0 */
	uint64_t link;       /* id of the link segment, never 0 */
	uint64_t data_size;  /* bytes of the data segment, a multiple of PLX_GRANT_SIZE_UNIT */
	uint64_t link_size;  /* bytes of the link segment, likewise */
	uint64_t start;      /* position of the first message it may read */
	uint64_t slot_size;  /* bytes of the largest payload */
	uint32_t depth;      /* entries of the log, a power of two */
	uint32_t slots;      /* slots of the pool */
	uint32_t history;    /* messages the publisher keeps for late joiners; at most depth */
	uint32_t quota;      /* slots it may hold beyond what it has yet to read */
	uint32_t type;       /* type id of the publisher, 0 = bytes */
	uint32_t flags;      /* PLX_GRANT_* */
	uint8_t reserved[8]; /* 0 */
};

/* Flags of a GRANT. */
#define PLX_GRANT_SIGNED 1u /* struct plx_handshake_signature follows; header.size counts it */

struct plx_handshake_signature {
	uint8_t bytes[64]; /* Ed25519 */
};

struct plx_handshake_challenge {
	struct plx_handshake_header header; /* version: the one chosen */
	uint64_t segment;                   /* id of the data segment the GRANT will be about, never 0 */
	uint64_t space;       /* which pid namespace the publisher lives in: its inode, 0 = cannot tell */
	int32_t pid;          /* its process id there */
	uint32_t flags;       /* 0 */
	uint8_t key[32];      /* its public key */
	uint8_t nonce[32];    /* random, of this connection alone */
	uint8_t reserved[24]; /* 0 */
};

struct plx_handshake_proof {
	struct plx_handshake_header header;
	uint64_t space; /* as above, of the subscriber */
	int32_t pid;
	uint32_t flags;                           /* 0 */
	uint8_t key[32];                          /* its public key */
	uint8_t nonce[32];                        /* random, of this connection alone */
	uint8_t reserved[32];                     /* 0 */
	struct plx_handshake_signature signature; /* below HELLO, CHALLENGE, and PROOF up to here */
};

struct plx_handshake_refuse {
	struct plx_handshake_header header;
	int32_t error;        /* errno, positive */
	uint16_t version_min; /* versions the publisher speaks */
	uint16_t version_max;
	uint32_t type;                      /* type id of the publisher */
	uint32_t reserved;                  /* 0 */
	char text[PLX_REFUSE_TEXT_MAX + 1]; /* printable ASCII for a user; terminated; zero after the end */
};

static_assert(sizeof(struct plx_handshake_header) == 16, "protocol.md: handshake header");
static_assert(offsetof(struct plx_handshake_header, type) == 4, "protocol.md: handshake header");
static_assert(offsetof(struct plx_handshake_header, version) == 6, "protocol.md: handshake header");
static_assert(offsetof(struct plx_handshake_header, size) == 8, "protocol.md: handshake header");
static_assert(offsetof(struct plx_handshake_hello, version_min) == 16, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, reading) == 18, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, flags) == 20, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, history) == 24, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, type) == 28, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, topic) == 32, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, quota) == 104, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, patience_ns) == 112, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_hello, reserved) == 120, "protocol.md: HELLO");
static_assert(sizeof(struct plx_handshake_hello) == 128, "protocol.md: HELLO");
static_assert(offsetof(struct plx_handshake_grant, segment) == 16, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, link) == 24, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, data_size) == 32, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, link_size) == 40, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, start) == 48, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, slot_size) == 56, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, depth) == 64, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, slots) == 68, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, history) == 72, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, quota) == 76, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, type) == 80, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, flags) == 84, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_grant, reserved) == 88, "protocol.md: GRANT");
static_assert(sizeof(struct plx_handshake_grant) == 96, "protocol.md: GRANT");
static_assert(offsetof(struct plx_handshake_challenge, segment) == 16, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, space) == 24, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, pid) == 32, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, flags) == 36, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, key) == 40, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, nonce) == 72, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_challenge, reserved) == 104, "protocol.md: CHALLENGE");
static_assert(sizeof(struct plx_handshake_challenge) == 128, "protocol.md: CHALLENGE");
static_assert(offsetof(struct plx_handshake_proof, space) == 16, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, pid) == 24, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, flags) == 28, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, key) == 32, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, nonce) == 64, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, reserved) == 96, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_proof, signature) == 128, "protocol.md: PROOF");
static_assert(sizeof(struct plx_handshake_proof) == 192, "protocol.md: PROOF");
static_assert(offsetof(struct plx_handshake_refuse, error) == 16, "protocol.md: REFUSE");
static_assert(offsetof(struct plx_handshake_refuse, version_min) == 20, "protocol.md: REFUSE");
static_assert(offsetof(struct plx_handshake_refuse, version_max) == 22, "protocol.md: REFUSE");
static_assert(offsetof(struct plx_handshake_refuse, type) == 24, "protocol.md: REFUSE");
static_assert(offsetof(struct plx_handshake_refuse, text) == 32, "protocol.md: REFUSE");
static_assert(sizeof(struct plx_handshake_refuse) == 256, "protocol.md: REFUSE");
static_assert(sizeof(struct plx_handshake_refuse) <= PLX_HANDSHAKE_MAX, "one buffer holds every message");

#endif

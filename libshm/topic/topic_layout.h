/* topic_layout.h - the bytes of a topic which several processes read: log, slots, links (docs/protocol.md, "Topic"). */
#ifndef PLX_TOPIC_LAYOUT_H
#define PLX_TOPIC_LAYOUT_H

#include <assert.h>
#include <plx/common.h>

#include "topic/bias.h"

/*
 * Data segment (PLX_KIND_TOPIC): its publisher writes, everybody else maps it read-only. Blocks in this order:
 *
 *	head    struct plx_topic_head
 *	log     depth entries, one line each; message n lies in entry n mod depth
 *	bitmap  two bitmaps of slots: known to be free, kept (out of the window, pinned when last looked at);
 *	        plx_topic_bitmap_size() each
 *	slots   slots * stride bytes
 *
 *	          tail                head              a slot belongs to the window while an entry of
 *	   ────────┼───────────────────┼────────►       [tail, head) names it
 *	   gone    │ window            │ to come        head - tail <= depth, always
 *	           └── no reliable cursor is before it
 *
 * Link segment (PLX_KIND_LINK): that one subscriber writes, its publisher reads every word as a lie until checked.
 * Blocks "link" (struct plx_link) and "pins" (one bit per slot held beyond the cursor; plx_topic_bitmap_size()).
 *
 * Words have plain types (see base/atomic.h). Positions start at 0, only grow, and are compared by their difference.
 */
#define PLX_TOPIC_VERSION 1u
#define PLX_LINK_VERSION  1u

#define PLX_TOPIC_BLOCK_HEAD   "head"
#define PLX_TOPIC_BLOCK_LOG    "log"
#define PLX_TOPIC_BLOCK_BITMAP "bitmap"
#define PLX_TOPIC_BLOCK_SLOTS  "slots"
#define PLX_LINK_BLOCK_LINK    "link"
#define PLX_LINK_BLOCK_PINS    "pins"

#define PLX_DEPTH_MIN 2u

/* So many messages at most may be out before head says so. */
#define PLX_TOPIC_AHEAD 16u

/* Flags of plx_topic_head. */
#define PLX_TOPIC_STAMPED 1u /* every message carries a timestamp */

/* Bits of plx_topic_head.attention; the upper half counts the readers ever let go. */
#define PLX_ATTENTION_WAITING UINT64_C(1) /* the publisher waits: tell it how far you are, ring at wanted */
#define PLX_ATTENTION_ENDED   UINT64_C(2) /* end_position and end_reason are set; nothing follows */
#define PLX_ATTENTION_LET_GO  (UINT64_C(1) << 32)

/* What plx_link.sleep says in its lower two bits; a word without the first one is awake. */
#define PLX_SLEEP_ASLEEP 1u /* asleep, or about to be: wants a byte */
#define PLX_SLEEP_ALARM  2u /* ... no byte: the alarm that came with its grant */
#define PLX_SLEEP_BITS   3u

/* Bits of plx_topic_head.drop. */
#define PLX_DROP_ENTRIES 1u
#define PLX_DROP_SLOTS   2u
#define PLX_DROP_BEHIND  4u /* and, with nothing there, stay behind for a moment */

/* Bytes of payload in an entry; with a timestamp the last eight are its. */
#define PLX_ENTRY_PAYLOAD 40u
#define PLX_ENTRY_STAMPED 32u

/*
 * One message. The publisher stores all words with relaxed order and sequence last, with release: a reader that finds
 * position + 1 there sees the rest. A publisher that dies before that store has published nothing.
 */
struct plx_entry {
	uint64_t sequence; /* position + 1; anything else: not this message (yet, or any more) */
	uint64_t place;    /* low half: slot, or PLX_SLOT_NONE: payload below; high half: length in bytes */
	uint64_t meta;     /* low half: type id; high half: PLX_BUFFER_* flags */
	uint64_t words
		[5]; /* payload of at most PLX_ENTRY_PAYLOAD bytes; words[4] is the timestamp when stamped */
};

struct plx_topic_head {
	/* line 0: geometry, written once by the publisher before anybody else has the segment */
	uint32_t depth;           /* entries in the log, a power of two */
	uint32_t slots;           /* slots in the pool */
	uint64_t slot_size;       /* bytes of the largest payload */
	uint64_t stride;          /* bytes from slot to slot, a multiple of PLX_LINE */
	uint32_t history;         /* messages kept for late joiners, as far as there is room */
	uint32_t type;            /* type id of messages unless they say otherwise */
	uint32_t flags;           /* PLX_TOPIC_* */
	uint32_t full;            /* enum plx_full */
	uint64_t full_ns;         /* its deadline */
	uint32_t quota;           /* slots one subscriber may hold beyond its cursor */
	uint32_t subscribers_max; /* limit */
	uint64_t reserved0;
	/* line 1: the publisher, at each message: all that it changes then, so that one line is enough */
	uint64_t head
		__attribute__((aligned(64))); /* position of the next message, or PLX_TOPIC_AHEAD less */
	uint64_t bytes;                       /* payload bytes published */
	struct plx_bias bias; /* the publisher against its own control thread; nobody else looks at it */
	uint32_t reserved1;
	uint64_t
		hand; /* free slots taken out of the bitmap: low half a bit for each of 32, high half which 32 */
	/* line 2: the publisher, when it reclaims; lossy readers look at it */
	uint64_t tail __attribute__((aligned(64))); /* oldest position still valid */
	/* line 3: the publisher, rarely; every reader looks at it at each message */
	uint64_t attention __attribute__((aligned(64))); /* PLX_ATTENTION_* */
	uint64_t end_position; /* head for ever after; set before PLX_ATTENTION_ENDED */
	int64_t end_reason;    /* 0 regular end, or a negative errno */
	uint64_t wanted; /* position: a reader that passes it while the publisher waits rings its bell */
	/* line 4: the publisher's figures for tools */
	uint64_t waited __attribute__((aligned(64))); /* times it waited for a subscriber */
	uint64_t woken;                               /* subscribers woken, each time counted */
	uint64_t subscribers;                         /* connected now */
	uint64_t joined;                              /* ever */
	uint64_t left;                                /* gone with nothing unread */
	uint64_t lost;                                /* gone otherwise */
	uint64_t refused;                             /* handshakes refused */
	uint64_t free;                                /* slots known to be free; a hint */
	/* line 5: the publisher, rarely; who is about to sleep, or tells how far it is, looks at it */
	uint32_t fenced __attribute__((aligned(
		64))); /* 1: it fences between a message and its look at who sleeps: nobody need do it for it */
	uint32_t drop; /* PLX_DROP_*: what readers had better drop out of all caches when they have read it */
};

/* What one subscriber tells its publisher. */
struct plx_link {
	/* line 0: written once, start by the subscriber, the rest by the publisher before it; for tools, nobody else believes it */
	uint64_t publisher; /* id of the data segment */
	uint64_t start;     /* position of the first message it may read */
	int32_t pid;        /* of the subscriber, as the kernel vouched for it */
	uint32_t reading;   /* enum plx_reading */
	uint32_t slots;     /* bits in pins */
	uint32_t quota;     /* pins it may set */
	/* line 1: the subscriber, when it tells how far it is; the publisher reads it when it reclaims */
	uint64_t cursor __attribute__((
		aligned(64))); /* next position it wants: a reliable reader is done with all before */
	uint32_t bell; /* changes when the publisher waits and cursor or pins moved; it sleeps on this word */
	/* line 2: the subscriber, when it sleeps; a publisher looks at it whenever it flushes, unless we said "polling" */
	uint32_t sleep __attribute__((aligned(
		64))); /* PLX_SLEEP_* in the lower two bits, above them a number: each sleep has another */
	/* line 3: the subscriber's figures, for tools */
	uint64_t taken __attribute__((aligned(64))); /* messages */
	uint64_t lost;                               /* messages a lossy reader was lapped by */
	uint64_t bytes;                              /* payload bytes taken */
	uint64_t pinned;                             /* bits set in pins */
};

/* Is @slot in @hand, so about to be handed out? */
static inline bool plx_topic_hand_has(uint64_t hand, uint32_t slot)
{
	return hand >> 32 == slot / 32 && (hand & UINT64_C(1) << (slot % 32)) != 0;
}

/* Bytes of a bitmap of @slots bits: whole lines. */
static inline uint64_t plx_topic_bitmap_size(uint32_t slots)
{
	return ((uint64_t)slots + 511) / 512 * 64;
}

static_assert(sizeof(struct plx_entry) == PLX_LINE, "protocol.md: log entry");
static_assert(offsetof(struct plx_entry, sequence) == 0, "protocol.md: log entry");
static_assert(offsetof(struct plx_entry, place) == 8, "protocol.md: log entry");
static_assert(offsetof(struct plx_entry, meta) == 16, "protocol.md: log entry");
static_assert(offsetof(struct plx_entry, words) == 24, "protocol.md: log entry");
static_assert(offsetof(struct plx_topic_head, slot_size) == 8, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, stride) == 16, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, history) == 24, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, type) == 28, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, flags) == 32, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, full) == 36, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, full_ns) == 40, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, quota) == 48, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, subscribers_max) == 52, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, head) == 1 * PLX_LINE, "head has its own line");
static_assert(offsetof(struct plx_topic_head, bytes) == 1 * PLX_LINE + 8, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, bias) == 1 * PLX_LINE + 16, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, hand) == 1 * PLX_LINE + 32, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, tail) == 2 * PLX_LINE, "tail has its own line");
static_assert(offsetof(struct plx_topic_head, attention) == 3 * PLX_LINE, "attention has its own line");
static_assert(offsetof(struct plx_topic_head, end_position) == 3 * PLX_LINE + 8, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, end_reason) == 3 * PLX_LINE + 16, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, wanted) == 3 * PLX_LINE + 24, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, waited) == 4 * PLX_LINE, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, woken) == 4 * PLX_LINE + 8, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, subscribers) == 4 * PLX_LINE + 16, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, joined) == 4 * PLX_LINE + 24, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, left) == 4 * PLX_LINE + 32, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, lost) == 4 * PLX_LINE + 40, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, refused) == 4 * PLX_LINE + 48, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, free) == 4 * PLX_LINE + 56, "protocol.md: topic head");
static_assert(offsetof(struct plx_topic_head, fenced) == 5 * PLX_LINE, "fenced has its own line");
static_assert(offsetof(struct plx_topic_head, drop) == 5 * PLX_LINE + 4, "protocol.md: topic head");
static_assert(sizeof(struct plx_topic_head) == 6 * PLX_LINE, "protocol.md: topic head");
static_assert(offsetof(struct plx_link, start) == 8, "protocol.md: link");
static_assert(offsetof(struct plx_link, pid) == 16, "protocol.md: link");
static_assert(offsetof(struct plx_link, reading) == 20, "protocol.md: link");
static_assert(offsetof(struct plx_link, slots) == 24, "protocol.md: link");
static_assert(offsetof(struct plx_link, quota) == 28, "protocol.md: link");
static_assert(offsetof(struct plx_link, cursor) == 1 * PLX_LINE, "cursor has its own line");
static_assert(offsetof(struct plx_link, bell) == 1 * PLX_LINE + 8, "protocol.md: link");
static_assert(offsetof(struct plx_link, sleep) == 2 * PLX_LINE, "sleep has its own line");
static_assert(offsetof(struct plx_link, taken) == 3 * PLX_LINE, "protocol.md: link");
static_assert(offsetof(struct plx_link, lost) == 3 * PLX_LINE + 8, "protocol.md: link");
static_assert(offsetof(struct plx_link, bytes) == 3 * PLX_LINE + 16, "protocol.md: link");
static_assert(offsetof(struct plx_link, pinned) == 3 * PLX_LINE + 24, "protocol.md: link");
static_assert(sizeof(struct plx_link) == 4 * PLX_LINE, "protocol.md: link");

#endif

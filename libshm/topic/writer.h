/* writer.h - the publisher's half of a log: where the next message goes, and which slots came free. */
#ifndef PLX_TOPIC_WRITER_H
#define PLX_TOPIC_WRITER_H

#include <plx/pool.h>
#include <plx/publisher.h>

#include "base/mutant.h"
#include "topic/distance.h"
#include "topic/fence.h"
#include "topic/topic_layout.h"

/*
 * Pure memory: no system call, no lock, no clock. One thread at a time. A slot is in exactly one of four states, and
 * nothing is counted:
 *
 *	free --claim--> loaned --put--> in the window --tail passes--> free, or, while some link pins it: limbo
 *	  ^----drop-------'                                                          limbo --unpinned--> free
 *
 * The window ends where history, lossy readers and reliable readers allow: history and lossy readers are asked
 * nicely and overruled when room is short; reliable readers never are (who overrules them lets them go first).
 */

/* A reader, as its publisher sees it. link and pins are foreign memory: every value may be a lie. */
struct plx_follower {
	const struct plx_link *link;
	const uint64_t *pins;
	uint64_t cursor;      /* the last one we believed; only grows, never beyond head */
	uint64_t start;       /* where it began */
	uint32_t quota;       /* pins it may have */
	uint32_t sleep_seen;  /* the sleep we sent a wake for */
	uint64_t patience_ns; /* it would rather be let go than waited for longer; 0: it does not care */
	bool reliable;
	bool polling; /* said it never sleeps */
	bool liar;    /* showed a value no honest reader can have: to be let go */
};

struct plx_writer {
	struct plx_publisher_quick quick; /* first; limit: tail + depth, head may not reach it */
	struct plx_topic_head *head; /* head->head is the position of the next message; only we write it */
	uint64_t mask;               /* depth - 1 */
	struct plx_entry *log;
	bool pairs;   /* two words are stored in one piece */
	bool slotted; /* a slot was claimed, ever: entries may name some */
	struct plx_pool
		pool;    /* of free slots; its bitmap is in the segment, its hint is the word we deal from */
	uint64_t *limbo; /* in the segment */
	uint64_t *some;  /* a bit for each word of the pool: 0 when it is known to be empty */
	uint32_t in_limbo;
	uint32_t words; /* of each bitmap */
	uint32_t hot;   /* slots handed out between two looks for those handed out first */
	uint32_t spent; /* handed out since the last one */
	uint64_t tail;  /* oldest position still valid */
	uint64_t gate;  /* least cursor of a reliable reader, as of the last look; head when there is none */
	uint64_t asked; /* where the window would end if everybody had what they like */
	uint64_t history;
	uint64_t chunk; /* how far the tail goes at once when readers are overruled */
	uint32_t lossy; /* followers that are not reliable */
	struct plx_follower **followers;
	uint32_t count, capacity;
	struct plx_distance distance;
};

/* The blocks of a data segment, as plx_segment_block() gives them. */
struct plx_writer_blocks {
	struct plx_topic_head *head; /* geometry filled in */
	struct plx_entry *log;
	uint64_t *bitmap;
	void *slots;
};

/**
 * plx_writer_init() - start a log in zeroed blocks; every slot is free.
 *
 * Return: 0, -EINVAL (geometry), -ENOMEM. Owner: plx_writer_fini().
 */
int plx_writer_init(struct plx_writer *writer, const struct plx_writer_blocks *blocks) plx_must_check;
void plx_writer_fini(struct plx_writer *writer);

/**
 * plx_writer_follow() - from now on heed a reader whose link->cursor is @follower->cursor = @follower->start.
 * start lies in [tail, next].
 *
 * Return: 0 or -ENOMEM.
 */
int plx_writer_follow(struct plx_writer *writer, struct plx_follower *follower) plx_must_check;

/** plx_writer_forget() - heed it no more; what it held is free at the next look. */
void plx_writer_forget(struct plx_writer *writer, struct plx_follower *follower);

/** plx_writer_start() - where a reader that wants @history old messages begins. */
uint64_t plx_writer_start(const struct plx_writer *writer, uint32_t history);

/**
 * plx_writer_make_room() - the slow half of plx_writer_room(): look at the readers, move the tail.
 *
 * Return: true when there is room for a message now. Price: a line of each reader.
 */
bool plx_writer_make_room(struct plx_writer *writer);

/**
 * plx_writer_claim() - a free slot, looking at the readers when there seems to be none. In turn, so that a processor has
 * handed the bytes of one on before it writes the next, and from the first again before they leave all caches.
 *
 * Return: its index, or PLX_SLOT_NONE when all are loaned, unread or pinned.
 */
uint32_t plx_writer_claim(struct plx_writer *writer);

/** plx_writer_drop() - a loaned slot is free again, and the next to be claimed if it can be. */
void plx_writer_drop(struct plx_writer *writer, uint32_t slot);

/**
 * plx_writer_hear() - read the cursor of @follower once, and let go of nothing: a lossy reader may still read what is there.
 *
 * Return: true when it has read everything. Safety: also while the user's thread publishes the short way (plx/quick.h).
 */
bool plx_writer_hear(struct plx_writer *writer, struct plx_follower *follower);

/** plx_writer_look() - read all cursors once, and let go of what nobody wants any more. */
void plx_writer_look(struct plx_writer *writer);

/**
 * plx_writer_slowest() - the reader that stands in the way of room (@slot false) or of a free slot (@slot true).
 *
 * Return: NULL when no reader does: then waiting for one is in vain.
 */
struct plx_follower *plx_writer_slowest(struct plx_writer *writer, bool slot);

/** plx_writer_judge() - mark as liar who pins more slots than its quota. Price: all pins of all readers. */
void plx_writer_judge(struct plx_writer *writer);

/** plx_writer_check() - the four states cover every slot once, and the segment agrees. Return: 0, -EBADMSG with *@why. */
int plx_writer_check(const struct plx_writer *writer, const char **why) plx_must_check;

/* Is there room for one more message? One compare while the window is not full. */
static inline bool plx_writer_room(struct plx_writer *writer)
{
	return plx_likely(writer->head->head != writer->quick.limit) || plx_writer_make_room(writer);
}

/* The next slot in hand; PLX_SLOT_NONE: ask plx_writer_claim(). Price: one word of ours. The user's thread, in or out. */
static inline uint32_t plx_writer_claim_hot(struct plx_writer *writer)
{
	return plx_quick_claim(writer->quick.line);
}

/* Back into the hand it came from; false: ask plx_writer_drop(). As plx_writer_claim_hot(). */
static inline bool plx_writer_drop_hot(struct plx_writer *writer, uint32_t slot)
{
	return plx_quick_return(writer->quick.line, slot);
}

/* The same as plx_writer_claim_hot() for threads that claim at once, while one deals. */
static inline uint32_t plx_writer_claim_shared(struct plx_writer *writer)
{
	/* relaxed: only a hint, the exchange decides */
	uint64_t hand = __atomic_load_n(&writer->head->hand, __ATOMIC_RELAXED);

	if (plx_mutant(MUT_HAND_NOT_ATOMIC))
		return plx_writer_claim_hot(writer);
	while ((uint32_t)hand != 0) {
		/* L1 acquire: pairs with L2; whoever had the slot is done with its bytes. The same hand again is as good. */
		if (__atomic_compare_exchange_n(&writer->head->hand, &hand, hand & (hand - 1), true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return (uint32_t)(hand >> 32) * 32 + (uint32_t)__builtin_ctzll(hand);
	}
	return PLX_SLOT_NONE;
}

/* Why the stores below are few, and in this order, is told in plx/quick.h, which has the pieces. */

/* Finish an entry that has its payload but for the @first word: from here on readers see the message. */
static plx_quick void plx_writer_seal(struct plx_writer *writer, struct plx_entry *entry, uint64_t position,
				      uint64_t place, uint64_t meta, uint64_t first)
{
	if (plx_mutant(MUT_SEQUENCE_FIRST))
		__atomic_store_n(&entry->sequence, position + 1, __ATOMIC_RELEASE);
	/* relaxed, both words: ordered by the release below; lossy readers may look on while we write */
	plx_quick_pair(&entry->meta, meta, first);
	/* W1 release: pairs with R1; who sees the sequence sees the entry and the slot */
	plx_quick_release(&entry->sequence, position + 1, place, writer->pairs);
}

static plx_quick uint64_t plx_writer_meta(uint32_t type, uint32_t flags)
{
	return (uint64_t)flags << 32 | type;
}

/* The entry the next message goes into. */
static plx_quick struct plx_entry *plx_writer_entry(const struct plx_writer *writer)
{
	return &writer->log[writer->head->head & writer->mask];
}

static plx_quick void plx_writer_stamp(struct plx_entry *entry, uint64_t now_ns)
{
	__atomic_store_n(&entry->words[4], now_ns, __ATOMIC_RELAXED);
}

/* Publish a loaned slot. There is room. */
static plx_quick void plx_writer_put(struct plx_writer *writer, uint32_t slot, uint32_t length, uint32_t type,
				     uint32_t flags)
{
	struct plx_topic_head *head = writer->head;
	uint64_t position = head->head, bytes = head->bytes + length;

	plx_writer_seal(writer, plx_writer_entry(writer), position, plx_quick_place(slot, length),
			plx_writer_meta(type, flags), 0);
	plx_quick_advance(writer->quick.line, position + 1, bytes);
}

/* Publish what plx_quick_fill() put into the next entry. There is room. */
static plx_quick void plx_writer_put_filled(struct plx_writer *writer, struct plx_entry *entry,
					    uint32_t length, uint32_t type, uint32_t flags, uint64_t first)
{
	struct plx_topic_head *head = writer->head;
	uint64_t position = head->head;

	plx_writer_seal(writer, entry, position, plx_quick_place(PLX_SLOT_NONE, length),
			plx_writer_meta(type, flags), first);
	plx_quick_advance(writer->quick.line, position + 1, head->bytes + length);
}

/* Publish @length bytes inside the entry, at most PLX_ENTRY_PAYLOAD (PLX_ENTRY_STAMPED with a stamp). There is room. */
static plx_quick void plx_writer_put_inline(struct plx_writer *writer, const void *data, uint32_t length,
					    uint32_t type, uint32_t flags)
{
	struct plx_entry *entry = plx_writer_entry(writer);

	plx_writer_put_filled(writer, entry, length, type, flags,
			      plx_quick_fill(&entry->sequence, data, length));
}

/* The same for @count messages, one behind the other at @data, at most PLX_TOPIC_AHEAD. There is room for all. */
static plx_quick void plx_writer_put_many(struct plx_writer *writer, const void *data, uint32_t length,
					  uint32_t count, uint32_t type)
{
	struct plx_topic_head *head = writer->head;
	const unsigned char *from = (const unsigned char *)data;
	uint64_t position = head->head, end = position + count,
		 bytes = head->bytes + (uint64_t)count * length;
	uint64_t place = plx_quick_place(PLX_SLOT_NONE, length);

	for (; position != end; position++, from += length) {
		struct plx_entry *entry = &writer->log[position & writer->mask];

		plx_writer_seal(writer, entry, position, place, type,
				plx_quick_fill(&entry->sequence, from, length));
	}
	plx_quick_advance(writer->quick.line, end, bytes);
}

#endif

/* writer.h - the publisher's half of a log: where the next message goes, and which slots came free. */
#ifndef PLX_TOPIC_WRITER_H
#define PLX_TOPIC_WRITER_H

#include <plx/buffer.h>
#include <plx/pool.h>

#include "base/mutant.h"
#include "topic/fence.h"
#include "topic/topic_layout.h"

#define plx_inline inline __attribute__((always_inline)) /* a call would be a store, too: see below */

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
	struct plx_topic_head *head; /* head->head is the position of the next message; only we write it */
	uint64_t limit;              /* head may not reach it: tail + depth */
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

/** plx_writer_hear() - read all cursors once, and let go of nothing: a lossy reader may still read what is there. */
void plx_writer_hear(struct plx_writer *writer);

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
	return plx_likely(writer->head->head != writer->limit) || plx_writer_make_room(writer);
}

/* The next slot in hand; PLX_SLOT_NONE: ask plx_writer_claim(). Price: one word of ours. The user's thread, in or out. */
static inline uint32_t plx_writer_claim_hot(struct plx_writer *writer)
{
	uint64_t hand = writer->head->hand;

	if (plx_unlikely((uint32_t)hand == 0))
		return PLX_SLOT_NONE;
	/* relaxed: only we write it, tools look on */
	__atomic_store_n(&writer->head->hand, hand & (hand - 1), __ATOMIC_RELAXED);
	return (uint32_t)(hand >> 32) * 32 + (uint32_t)__builtin_ctzll(hand);
}

/* Back into the hand it came from; false: ask plx_writer_drop(). As plx_writer_claim_hot(). */
static inline bool plx_writer_drop_hot(struct plx_writer *writer, uint32_t slot)
{
	uint64_t hand = writer->head->hand;

	if (plx_unlikely(hand >> 32 != slot / 32))
		return false;
	/* relaxed: only we write it, tools look on */
	__atomic_store_n(&writer->head->hand, hand | UINT64_C(1) << (slot % 32), __ATOMIC_RELAXED);
	return true;
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

/*
 * Why the stores below are few and in this order. To write an entry that readers have looked at, a processor must take its
 * line back from them. It does that for several lines at once, as far ahead as its queue of stores reaches: so each store
 * between two entries costs, and one to yet another line costs most. A message inside its entry is stores to two lines,
 * one after the other: the entry, then line 1 of the head. Measured on Zen 4, between processors that share no cache:
 * 14 ns an entry with two stores to it, 36 ns with eight, 140 ns with sixteen more to lines of our own.
 */

#if defined(__x86_64__) && !defined(PLX_TSAN)
#define PLX_WRITER_PAIRS 1
typedef uint64_t __attribute__((vector_size(16), may_alias)) plx_pair;

/* By hand, because compilers go by way of the stack, which is one more store. */
static plx_inline plx_pair plx_pair_of(uint64_t a, uint64_t b)
{
	plx_pair low, high;

	__asm__("movq %1, %0" : "=x"(low) : "r"(a));
	__asm__("movq %1, %0" : "=x"(high) : "r"(b));
	__asm__("punpcklqdq %1, %0" : "+x"(low) : "x"(high));
	return low;
}

static plx_inline void plx_writer_pair_at(uint64_t *to, plx_pair pair)
{
	__asm__ __volatile__("movaps %1, %0" : "=m"(*(plx_pair *)to) : "x"(pair));
}
#endif

/* Two words at once where the machine can, at an address that is a multiple of 16; each is whole for whoever looks on. */
static plx_inline void plx_writer_pair(uint64_t *to, uint64_t a, uint64_t b)
{
#ifdef PLX_WRITER_PAIRS
	plx_writer_pair_at(to, plx_pair_of(a, b));
#else
	__atomic_store_n(&to[0], a, __ATOMIC_RELAXED);
	__atomic_store_n(&to[1], b, __ATOMIC_RELAXED);
#endif
}

static plx_inline uint64_t plx_writer_bytes8(const unsigned char *from)
{
	uint64_t word;

	__builtin_memcpy(&word, from, sizeof(word));
	return word;
}

/* The last one to seven of @length bytes, as the word that has them first; no byte outside is touched. */
static plx_inline uint64_t plx_writer_rest(const unsigned char *from, uint32_t length)
{
	uint64_t word = 0;

	for (uint32_t i = length % 8; i > 0; i--)
		word = word << 8 | from[length / 8 * 8 + i - 1];
	return word;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes are put together as they lie in memory");

/* The payload of an entry, but for the first word, which is returned; lossy readers may look on. */
static plx_inline uint64_t plx_writer_fill(struct plx_entry *entry, const void *data, uint32_t length)
{
	const unsigned char *from = (const unsigned char *)data;
	uint32_t whole = length / 8;

	/* words[0] goes with meta; the others in pairs */
	if (length >= 24)
		plx_writer_pair(&entry->words[1], plx_writer_bytes8(from + 8), plx_writer_bytes8(from + 16));
	if (length >= 40)
		plx_writer_pair(&entry->words[3], plx_writer_bytes8(from + 24), plx_writer_bytes8(from + 32));
	else if (length >= 16 && whole % 2 == 0)
		__atomic_store_n(&entry->words[whole - 1], plx_writer_bytes8(from + 8 * (whole - 1)),
				 __ATOMIC_RELAXED);
	if (length > 8 && length % 8)
		__atomic_store_n(&entry->words[whole], plx_writer_rest(from, length), __ATOMIC_RELAXED);
	return length >= 8 ? plx_writer_bytes8(from) : length ? plx_writer_rest(from, length) : 0;
}

/* The first pair of an entry, with release: whoever sees the sequence sees the place, and all that was stored before. */
static plx_inline void plx_writer_release(const struct plx_writer *writer, struct plx_entry *entry,
					  uint64_t sequence, uint64_t place)
{
#ifdef PLX_WRITER_PAIRS
	/* a machine that has AVX stores an aligned pair in one piece, and stores are seen in their order */
	if (plx_likely(writer->pairs)) {
		__asm__ __volatile__("" ::: "memory");
		plx_writer_pair_at(&entry->sequence, plx_pair_of(sequence, place));
		return;
	}
#endif
	(void)writer;
	__atomic_store_n(&entry->place, place, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->sequence, sequence, __ATOMIC_RELEASE);
}

/* Finish an entry that has its payload but for the @first word: from here on readers see the message. */
static plx_inline void plx_writer_seal(struct plx_writer *writer, struct plx_entry *entry, uint64_t position,
				       uint64_t place, uint64_t meta, uint64_t first)
{
	if (plx_mutant(MUT_SEQUENCE_FIRST))
		__atomic_store_n(&entry->sequence, position + 1, __ATOMIC_RELEASE);
	/* relaxed, both words: ordered by the release below; lossy readers may look on while we write */
	plx_writer_pair(&entry->meta, meta, first);
	/* W1 release: pairs with R1; who sees the sequence sees the entry and the slot */
	plx_writer_release(writer, entry, position + 1, place);
}

/* relaxed: readers look at the sequence; this is ours, and tools look on */
static plx_inline void plx_writer_advance(struct plx_writer *writer, uint64_t position, uint64_t bytes)
{
	plx_writer_pair(&writer->head->head, position, bytes);
}

static plx_inline uint64_t plx_writer_place(uint32_t slot, uint32_t length)
{
	return (uint64_t)length << 32 | slot;
}

static plx_inline uint64_t plx_writer_meta(uint32_t type, uint32_t flags)
{
	return (uint64_t)flags << 32 | type;
}

/* The entry the next message goes into. */
static plx_inline struct plx_entry *plx_writer_entry(const struct plx_writer *writer)
{
	return &writer->log[writer->head->head & writer->mask];
}

static plx_inline void plx_writer_stamp(struct plx_entry *entry, uint64_t now_ns)
{
	__atomic_store_n(&entry->words[4], now_ns, __ATOMIC_RELAXED);
}

/* Publish a loaned slot. There is room. */
static plx_inline void plx_writer_put(struct plx_writer *writer, uint32_t slot, uint32_t length,
				      uint32_t type, uint32_t flags)
{
	struct plx_topic_head *head = writer->head;
	uint64_t position = head->head, bytes = head->bytes + length;

	plx_writer_seal(writer, plx_writer_entry(writer), position, plx_writer_place(slot, length),
			plx_writer_meta(type, flags), 0);
	plx_writer_advance(writer, position + 1, bytes);
}

/* Publish what plx_writer_fill() put into the next entry. There is room. */
static plx_inline void plx_writer_put_filled(struct plx_writer *writer, struct plx_entry *entry,
					     uint32_t length, uint32_t type, uint32_t flags, uint64_t first)
{
	struct plx_topic_head *head = writer->head;
	uint64_t position = head->head;

	plx_writer_seal(writer, entry, position, plx_writer_place(PLX_SLOT_NONE, length),
			plx_writer_meta(type, flags), first);
	plx_writer_advance(writer, position + 1, head->bytes + length);
}

/* Publish @length bytes inside the entry, at most PLX_ENTRY_PAYLOAD (PLX_ENTRY_STAMPED with a stamp). There is room. */
static plx_inline void plx_writer_put_inline(struct plx_writer *writer, const void *data, uint32_t length,
					     uint32_t type, uint32_t flags)
{
	struct plx_entry *entry = plx_writer_entry(writer);

	plx_writer_put_filled(writer, entry, length, type, flags, plx_writer_fill(entry, data, length));
}

/* The same for @count messages, one behind the other at @data, at most PLX_TOPIC_AHEAD. There is room for all. */
static plx_inline void plx_writer_put_many(struct plx_writer *writer, const void *data, uint32_t length,
					   uint32_t count, uint32_t type)
{
	struct plx_topic_head *head = writer->head;
	const unsigned char *from = (const unsigned char *)data;
	uint64_t position = head->head, end = position + count,
		 bytes = head->bytes + (uint64_t)count * length;
	uint64_t place = plx_writer_place(PLX_SLOT_NONE, length);

	for (; position != end; position++, from += length) {
		struct plx_entry *entry = &writer->log[position & writer->mask];

		plx_writer_seal(writer, entry, position, place, type, plx_writer_fill(entry, from, length));
	}
	plx_writer_advance(writer, end, bytes);
}

#endif

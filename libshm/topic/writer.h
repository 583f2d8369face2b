/* writer.h - the publisher's half of a log: where the next message goes, and which slots came free. */
#ifndef PLX_TOPIC_WRITER_H
#define PLX_TOPIC_WRITER_H

#include <plx/buffer.h>
#include <plx/pool.h>

#include "base/mutant.h"
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
	uint64_t cursor;      /* the last one we believed; only grows, never beyond the writer's next */
	uint64_t start;       /* where it began */
	uint32_t quota;       /* pins it may have */
	uint32_t sleep_seen;  /* the sleep we sent a wake for */
	uint64_t patience_ns; /* it would rather be let go than waited for longer; 0: it does not care */
	bool reliable;
	bool polling; /* said it never sleeps */
	bool liar;    /* showed a value no honest reader can have: to be let go */
};

struct plx_writer {
	uint64_t next;  /* position of the next message */
	uint64_t limit; /* next may not reach it: tail + depth */
	uint64_t mask;  /* depth - 1 */
	struct plx_entry *log;
	struct plx_topic_head *head;
	uint32_t
		*slot_at; /* per entry: the slot it names; what the log says, in private memory and compact */
	uint64_t bytes;
	uint32_t in_window;   /* entries of the window that name a slot */
	uint32_t credit;      /* claims until we look for hotter slots */
	struct plx_pool pool; /* of free slots; its bitmap is in the segment */
	uint64_t *loaned;     /* in the segment */
	uint64_t *limbo;      /* private */
	uint32_t in_limbo;
	uint32_t words; /* of each bitmap */
	uint64_t tail;  /* oldest position still valid */
	uint64_t gate;  /* least cursor of a reliable reader, as of the last look; next when there is none */
	uint64_t asked; /* where the window would end if everybody had what they like */
	uint64_t history;
	uint64_t chunk; /* how far the tail goes at once when readers are overruled */
	uint32_t hot;   /* claims between two looks for hotter slots */
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
 * plx_writer_claim() - the lowest free slot, looking at the readers when there seems to be none.
 *
 * Return: its index, or PLX_SLOT_NONE when all are loaned, unread or pinned.
 */
uint32_t plx_writer_claim(struct plx_writer *writer);

/** plx_writer_drop() - a loaned slot is free again. */
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
	return plx_likely(writer->next != writer->limit) || plx_writer_make_room(writer);
}

/* Bits of a loaned slot: one writer, tools look on. */
static inline void plx_writer_loaned(struct plx_writer *writer, uint32_t slot, bool on)
{
	uint64_t *word = &writer->loaned[slot / 64], bit = UINT64_C(1) << (slot % 64);

	/* relaxed: only we write it */
	__atomic_store_n(word, on ? *word | bit : *word & ~bit, __ATOMIC_RELAXED);
}

/* Finish the entry at next, which has its payload: from here on readers see the message. There is room. */
static inline void plx_writer_commit(struct plx_writer *writer, struct plx_entry *entry, uint32_t slot,
				     uint32_t length, uint32_t type, uint32_t flags)
{
	uint64_t position = writer->next;

	if (plx_mutant(MUT_SEQUENCE_FIRST))
		__atomic_store_n(&entry->sequence, position + 1, __ATOMIC_RELEASE);
	/* relaxed: ordered by the release below; lossy readers may look on while we write */
	__atomic_store_n(&entry->place, (uint64_t)length << 32 | slot, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->meta, (uint64_t)flags << 32 | type, __ATOMIC_RELAXED);
	writer->slot_at[position & writer->mask] = slot;
	writer->next = position + 1;
	writer->bytes += length;
	/* W1 release: pairs with R1; who sees the sequence sees the entry and the slot */
	__atomic_store_n(&entry->sequence, position + 1, __ATOMIC_RELEASE);
	/* relaxed: readers that poll look at the sequence; this is for tools */
	__atomic_store_n(&writer->head->head, position + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&writer->head->bytes, writer->bytes, __ATOMIC_RELAXED);
}

/* The entry the next message goes into. */
static inline struct plx_entry *plx_writer_entry(const struct plx_writer *writer)
{
	return &writer->log[writer->next & writer->mask];
}

static inline void plx_writer_stamp(struct plx_entry *entry, uint64_t now_ns)
{
	__atomic_store_n(&entry->words[4], now_ns, __ATOMIC_RELAXED);
}

/* Publish a loaned slot. There is room. */
static inline void plx_writer_put(struct plx_writer *writer, uint32_t slot, uint32_t length, uint32_t type,
				  uint32_t flags)
{
	if (!plx_mutant(MUT_LOANED_FOR_EVER))
		plx_writer_loaned(writer, slot, false);
	writer->in_window++;
	plx_writer_commit(writer, plx_writer_entry(writer), slot, length, type, flags);
}

/* Publish @length bytes inside the entry, at most PLX_ENTRY_PAYLOAD (PLX_ENTRY_STAMPED with a stamp). There is room. */
static inline void plx_writer_put_inline(struct plx_writer *writer, const void *data, uint32_t length,
					 uint32_t type, uint32_t flags)
{
	struct plx_entry *entry = plx_writer_entry(writer);
	uint64_t words[5] = { 0 };

	if (length)
		__builtin_memcpy(words, data, length);
	for (uint32_t i = 0; i < (length + 7) / 8; i++)
		__atomic_store_n(&entry->words[i], words[i], __ATOMIC_RELAXED);
	plx_writer_commit(writer, entry, PLX_SLOT_NONE, length, type, flags);
}

#endif

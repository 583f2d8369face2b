/* reader.h - a subscriber's half of one log: take messages where they lie, keep some, say how far we are. */
#ifndef PLX_TOPIC_READER_H
#define PLX_TOPIC_READER_H

#include <plx/buffer.h>
#include <plx/pool.h>
#include <plx/subscriber.h>

#include "topic/fence.h"
#include "topic/topic_layout.h"

/*
 * Pure memory, but for one futex wake when the publisher waits. One thread at a time. The data segment is hostile: each
 * word is loaded once, checked against our own copy of the geometry, and only the copy is used. No loop is longer
 * than what we made ourselves.
 *
 * Holding. Everything at or after the cursor we told stays as it is, for a reliable reader; so taking in order costs
 * no pin. Only when the cursor is about to be told past a message that is still held, its slot gets a pin. A lossy
 * reader can be lapped: it pins each slot before it uses it, and looks again whether the message is still there. What
 * lies in the log itself is copied: it is one line, and then nobody needs to wait for us.
 *
 *	                told              next
 *	   ──────────────┼─────────────────┼──────►
 *	   done, or      │ taken; held or  │ to be taken
 *	   pinned        │ not: stays      │
 *
 * With confirm, told moves only when the user says so: for a publisher what was taken is not read until then.
 */

struct plx_reader;

/* What plx_reader_take() and plx_reader_look() find. */
enum plx_found_what {
	PLX_READER_NOTHING = 0,
	PLX_READER_MESSAGE = 1,
	PLX_READER_ENDED = 2, /* the stream ended, regularly or with a reason; all was taken */
	PLX_READER_ATTENTION =
		3, /* the publisher let somebody go: ask the socket whether it was us, then try again */
	PLX_READER_LAPPED = 4, /* reliable, and yet overtaken: it let us go, or it lies */
	PLX_READER_LIES = 5,   /* a value no honest publisher can have */
	PLX_READER_QUOTA = 6,  /* too many messages are held */
	PLX_READER_MEMORY = 7,
};

struct plx_reader {
	union { /* where we are, what is there and what we hold: what taking and releasing touch */
		struct plx_reader_quick fast;
		struct {
			PLX_READER_QUICK
		};
	};
	const struct plx_topic_head *head;
	uint32_t quota; /* messages that may be held */
	bool reliable;
	bool confirm;    /* only plx_reader_tell() tells, nothing by itself */
	uint64_t lazy;   /* tell so many messages after the last time */
	uint64_t step;   /* lazy, or less while the publisher waits */
	uint64_t seen;   /* the attention that came with PLX_READER_ATTENTION */
	uint64_t wanted; /* the position it waits for, as we heard */
	uint64_t rung;   /* the wanted position we rang the bell for */
	uint64_t lost, start;
	uint32_t pinned;
	struct plx_link *link;
	uint64_t *pins;
	uint64_t *mine;  /* what is in pins: never read back from the segment */
	uint64_t stayed; /* position at which we stayed behind */
	uint32_t vain;   /* so many times in turn that was in vain */
	uint32_t tired;  /* so many times more we do not */
	struct plx_holder_chunk *chunks;
	uint32_t holders; /* allocated: never more than may be held */
};
static_assert(offsetof(struct plx_reader, fast) == 0, "plx_quick_let_go()");
static_assert(PLX_QUICK_WAITING == PLX_ATTENTION_WAITING && PLX_QUICK_ENDED == PLX_ATTENTION_ENDED,
	      "plx_quick_next()");

/* What a grant and the attached segments say; checked by who fills it in. */
struct plx_reader_parts {
	const struct plx_topic_head *head;
	const struct plx_entry *log;
	const void *slots;
	struct plx_link *link;
	uint64_t *pins;
	uint64_t id;    /* of the data segment */
	uint64_t start; /* first position to read */
	uint64_t slot_size, stride;
	uint32_t depth, slot_count, quota;
	enum plx_reading reading;
	bool confirm;
};

/** plx_reader_init() - begin to read. Return: 0, -EINVAL (geometry), -ENOMEM. Owner: plx_reader_fini(). */
int plx_reader_init(struct plx_reader *reader, const struct plx_reader_parts *parts) plx_must_check;

/** plx_reader_fini() - forget everything, also what is held. */
void plx_reader_fini(struct plx_reader *reader);

/**
 * plx_reader_take() - the next message.
 * @buffer: set when the answer is PLX_READER_MESSAGE
 *
 * Price with a message there: one line that the publisher wrote; two more that stay in our cache.
 */
enum plx_found_what plx_reader_take(struct plx_reader *reader, struct plx_buffer *buffer);

/** plx_reader_keep_newest() - lossy: what lies more than @depth messages back is lost to us, and counted. Reads the head's line. */
void plx_reader_keep_newest(struct plx_reader *reader, uint64_t depth);

/** plx_reader_look() - what would take say? Takes nothing, tells nothing; PLX_READER_ATTENTION is not looked for. */
enum plx_found_what plx_reader_look(const struct plx_reader *reader);

/** plx_reader_tell() - tell the publisher now how far we are. */
void plx_reader_tell(struct plx_reader *reader);

/* When to tell next: at the position the publisher waits for, if that is sooner. */
static inline void plx_reader_later(struct plx_reader *reader)
{
	reader->due = reader->next + reader->step;
	if (plx_likely(!(reader->attention & PLX_ATTENTION_WAITING)))
		return;
	plx_fence_loads(); /* wanted is at least as new as what we heard */
	reader->wanted = __atomic_load_n(&reader->head->wanted, __ATOMIC_RELAXED);
	if (reader->wanted - reader->next - 1 < reader->step)
		reader->due = reader->wanted;
}

/*
 * The publisher waits, or does so no more. While it does we tell it more often, so that it sees us make progress; not at
 * each message, or all its readers would be slow when it most wants them to be fast.
 */
static inline void plx_reader_heard(struct plx_reader *reader, uint64_t attention)
{
	bool waits = (attention & PLX_ATTENTION_WAITING) != 0;

	reader->attention = (reader->attention & ~PLX_ATTENTION_WAITING) |
			    (waits ? PLX_ATTENTION_WAITING : 0);
	reader->step = !waits ? reader->lazy : reader->lazy >= 32 ? reader->lazy / 16 : 1;
	plx_reader_later(reader);
}

/* It would be good to tell; not when the user says what is done with. */
static inline void plx_reader_hint(struct plx_reader *reader)
{
	if (!reader->confirm)
		plx_reader_tell(reader);
	else
		plx_reader_later(reader);
}

/* Is it time to tell? */
static inline bool plx_reader_due(const struct plx_reader *reader)
{
	return (int64_t)(reader->next - reader->due) >= 0;
}

/* Messages were taken that wait to be confirmed. */
static inline bool plx_reader_owes(const struct plx_reader *reader)
{
	return reader->confirm && reader->told != reader->next;
}

/** plx_reader_heeded() - the socket was asked after PLX_READER_ATTENTION; more may have come since, and will be told. */
void plx_reader_heeded(struct plx_reader *reader);

/** plx_reader_held() - messages that are held. Price: a look at each that could be. */
static inline uint32_t plx_reader_held(const struct plx_reader *reader)
{
	uint32_t held = reader->holders;

	for (const struct plx_holder *h = reader->unused; h; h = h->next)
		held--;
	return held;
}

/* How many were taken, ever. */
static inline uint64_t plx_reader_taken(const struct plx_reader *reader)
{
	return reader->next - reader->start - reader->lost;
}

/** plx_reader_reason() - after PLX_READER_ENDED: -ESHUTDOWN, another negative errno, or -EBADMSG for nonsense. */
int plx_reader_reason(const struct plx_reader *reader);

/* Does a message lie there? One line; for spinning. */
static inline bool plx_reader_ready(const struct plx_reader *reader)
{
	/* relaxed: take looks again, with acquire */
	return __atomic_load_n(&reader->log[reader->next & reader->mask].sequence, __ATOMIC_RELAXED) ==
	       reader->next + 1;
}

#endif

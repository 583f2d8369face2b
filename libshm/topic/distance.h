/* distance.h - how far away the reader's processor is, and whether readers had better drop what they have read. */
#ifndef PLX_TOPIC_DISTANCE_H
#define PLX_TOPIC_DISTANCE_H

#include "topic/topic_layout.h"

/*
 * To write a line that its reader still has, we must take it back, and a processor does that for few lines at once: it has
 * the line, be it only to read, so nothing fetches it ahead. A line that nobody has comes from memory, and is fetched ahead.
 * Between processors that are far from each other a line takes longer than from memory; then a reader that drops what it
 * has read out of all caches makes us two to six times as fast. Between near ones it would cost half of the speed. They
 * may be moved at any time, so we look: at how long the line with the reader's cursor takes. docs/decisions/topic-dropped-lines.md
 */
struct plx_writer;

struct plx_distance {
	uint64_t head, bytes; /* as of the last sample */
	uint64_t since_ns;    /* when that was */
	uint32_t says;        /* how many samples say that it is far, more or less */
	bool far;
	/* how long the user takes to fill a slot */
	bool ask;           /* somebody should look */
	uint32_t filled;    /* not 0: every line of it, as far as one can tell by that */
	uint32_t slot;      /* this one is looked at, since: */
	uint64_t loaned_ns; /* or 0 */
};

/** plx_distance_sample() - the publisher looks how far its reader is, and tells it what to drop. Price: two looks at the clock. */
void plx_distance_sample(struct plx_writer *writer) plx_cold;

/**
 * plx_distance_judge() - what a sample says.
 * @line_ns: how long a line took, and a look at the clock
 * @messages, @bytes: published in the last @ns nanoseconds; not both 0
 *
 * Return: PLX_DROP_*.
 */
uint32_t plx_distance_judge(struct plx_distance *d, uint64_t line_ns, uint64_t messages, uint64_t bytes,
			    uint64_t ns);

/** plx_distance_loaned() - to be told when @slot was loaned that is filled now; then plx_distance_filled(), with any slot. */
void plx_distance_loaned(struct plx_distance *d, uint32_t slot) plx_cold;
void plx_distance_filled(struct plx_distance *d, uint32_t slot, uint64_t length) plx_cold;

/* Enough was published since the last sample: a thousand messages, less when they are large. */
static inline bool plx_distance_due(const struct plx_distance *d, const struct plx_topic_head *head)
{
	uint64_t messages = head->head - d->head;

	return messages >= 128 && messages + (head->bytes - d->bytes) / 1024 >= 1024;
}

#endif

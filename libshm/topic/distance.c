/*
 * distance.c - the publisher measures how long a line takes from its reader, and says whether to drop lines.
 *
 * A line from another processor takes 50 ns, or 200 and more where they share no cache; one from memory some 100. Somebody may
 * interrupt us in between, so several samples have to agree.
 */
#include "topic/distance.h"

#include <plx/process.h>

#include "topic/writer.h"

/* With what a look at the clock takes. */
#define FAR_NS 110u

/* Samples: so many count, and so many of them make far what was near, and near what was far. */
#define FAR_MOST 8u
#define FAR_ON   6u
#define FAR_OFF  2u

/* Nanoseconds for each line published: who is slower does not wait for lines. */
#define PACE_MAX 200u

/*
 * Nanoseconds to fill a line of a slot, at least, with what a look at the clock takes. Who is faster, so many times in turn, does
 * not touch all of what it publishes; so most of it is in nobody's cache, and dropping it is work in vain.
 */
#define FILL_MIN 1u
#define UNFILLED 4u

/*
 * Nanoseconds for each message in a slot. Who publishes faster may be held up by a reader that has caught up: it looks at
 * the next entry, and so takes each line from us before we write it, a slot's as well, and both wait for each other at each message.
 */
#define BEHIND_MAX 200u

static bool is_far(struct plx_distance *d, uint64_t ns)
{
	if (ns >= FAR_NS)
		d->says += d->says < FAR_MOST;
	else
		d->says -= d->says > 0;
	if (d->says >= FAR_ON)
		d->far = true;
	else if (d->says <= FAR_OFF)
		d->far = false;
	return d->far;
}

/* What to drop when it is far. */
static uint32_t what_to_drop(const struct plx_distance *d, uint64_t messages, uint64_t bytes, uint64_t ns)
{
	uint64_t lines = messages + (d->filled ? bytes / PLX_LINE : 0);
	uint32_t drop = PLX_DROP_ENTRIES;

	if (ns / PACE_MAX >= lines)
		return 0;
	if (d->filled)
		drop |= PLX_DROP_SLOTS;
	if (bytes / PLX_ENTRY_PAYLOAD > messages && ns / BEHIND_MAX < messages)
		drop |= PLX_DROP_BEHIND;
	return drop;
}

uint32_t plx_distance_judge(struct plx_distance *d, uint64_t line_ns, uint64_t messages, uint64_t bytes,
			    uint64_t ns)
{
	uint32_t drop = is_far(d, line_ns) ? what_to_drop(d, messages, bytes, ns) : 0;

	d->ask = d->says > 0;
	return drop;
}

/* How long the line with the reader's cursor takes; 0: it is here already. */
static uint64_t line_ns(const struct plx_follower *f, uint64_t *now_ns)
{
	uint64_t begin = plx_now_ns();
	/* relaxed: only how long it takes matters */
	uint64_t cursor = __atomic_load_n(&f->link->cursor, __ATOMIC_RELAXED);

	*now_ns = plx_now_ns();
	return cursor == f->cursor ? 0 : *now_ns - begin;
}

void plx_distance_sample(struct plx_writer *writer)
{
	struct plx_distance *d = &writer->distance;
	struct plx_topic_head *head = writer->head;
	uint64_t now_ns, ns;
	uint32_t drop = 0;

	/* with several readers, the first one to drop a line would take it from the others */
	if (writer->count == 1 && writer->followers[0]->reliable) {
		ns = line_ns(writer->followers[0], &now_ns);
		if (ns == 0)
			return;
		drop = plx_distance_judge(d, ns, head->head - d->head, head->bytes - d->bytes,
					  now_ns - d->since_ns);
		d->since_ns = now_ns;
	}
	d->head = head->head;
	d->bytes = head->bytes;
	writer->quick.drops = drop;
	/* relaxed: a wish */
	if (drop != head->drop)
		__atomic_store_n(&head->drop, drop, __ATOMIC_RELAXED);
}

void plx_distance_loaned(struct plx_distance *d, uint32_t slot)
{
	d->ask = false;
	d->slot = slot;
	d->loaned_ns = plx_now_ns();
}

void plx_distance_filled(struct plx_distance *d, uint32_t slot, uint64_t length)
{
	uint64_t ns = plx_now_ns() - d->loaned_ns;

	d->loaned_ns = 0;
	if (slot != d->slot)
		return;
	if (ns >= FILL_MIN * (length / PLX_LINE))
		d->filled = UNFILLED;
	else
		d->filled -= d->filled > 0;
}

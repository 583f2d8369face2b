/* take.h - the short way to the next message: it is there, nothing is unusual, hand it out. */
#ifndef PLX_TOPIC_TAKE_H
#define PLX_TOPIC_TAKE_H

#include "base/mutant.h"
#include "topic/fence.h"
#include "topic/hold.h"

/* What an entry says, each word read once. */
struct plx_glance {
	uint32_t slot, length, type, flags;
	uint64_t stamp;
};

/* Read an entry; what lies in it goes to where the holder keeps it. Nothing of it is believed yet. */
static inline void plx_glance(const struct plx_reader *r, struct plx_glance *g, struct plx_holder *h,
			      const struct plx_entry *entry)
{
	/* relaxed: after R1; what is looked at next comes after a fence for loads */
	uint64_t place = __atomic_load_n(&entry->place, __ATOMIC_RELAXED);
	uint64_t meta = __atomic_load_n(&entry->meta, __ATOMIC_RELAXED);

	g->slot = (uint32_t)place;
	g->length = (uint32_t)(place >> 32);
	g->type = (uint32_t)meta;
	g->flags = (uint32_t)(meta >> 32);
	g->stamp = 0;
	/* a wild one fetches nothing, or something of no use */
	if (g->slot != PLX_SLOT_NONE)
		__builtin_prefetch(r->slots + g->slot * r->stride);
	if (g->slot == PLX_SLOT_NONE) { /* word by word: it is also how it will be read */
		h->copy[0] = __atomic_load_n(&entry->words[0], __ATOMIC_RELAXED);
		h->copy[1] = __atomic_load_n(&entry->words[1], __ATOMIC_RELAXED);
		h->copy[2] = __atomic_load_n(&entry->words[2], __ATOMIC_RELAXED);
		h->copy[3] = __atomic_load_n(&entry->words[3], __ATOMIC_RELAXED);
		h->copy[4] = __atomic_load_n(&entry->words[4], __ATOMIC_RELAXED);
	}
	if (plx_unlikely(g->flags & PLX_BUFFER_STAMPED))
		g->stamp = __atomic_load_n(&entry->words[4], __ATOMIC_RELAXED);
	plx_fence_loads();
}

/* Can an honest publisher say that? */
static inline bool plx_glance_honest(const struct plx_reader *r, const struct plx_glance *g)
{
	if (g->slot < r->slot_count)
		return g->length <= r->slot_size || plx_mutant(MUT_LENGTH_BELIEVED);
	return g->slot == PLX_SLOT_NONE &&
	       g->length <= (g->flags & PLX_BUFFER_STAMPED ? PLX_ENTRY_STAMPED : PLX_ENTRY_PAYLOAD);
}

/* Does the publisher want something of its readers? The word is in our cache until it does. */
static inline bool plx_reader_called(const struct plx_reader *r, uint64_t *attention)
{
	*attention = __atomic_load_n(&r->head->attention, __ATOMIC_RELAXED);
	return ((*attention ^ r->attention) & ~PLX_ATTENTION_ENDED) != 0;
}

/* Hand a message out: the bytes of its slot, or those the holder keeps. */
static inline void plx_hand_out(struct plx_reader *r, struct plx_buffer *b, const struct plx_glance *g,
				struct plx_holder *h)
{
	b->length = g->length;
	b->sequence = r->next++;
	b->timestamp_ns = g->stamp;
	b->publisher = r->id;
	b->type = g->type;
	b->flags = g->flags & 0xffffu;
	b->slot = g->slot;
	b->viewed = 0;
	b->holder = h;
	r->taken++;
	r->bytes += g->length;
	if (g->slot == PLX_SLOT_NONE) {
		b->data = h->copy;
		return;
	}
	b->data = r->slots + g->slot * r->stride;
	if (plx_unlikely(r->bytes - r->told_bytes >= PLX_READER_LAZY_BYTES))
		r->due = r->next;
}

/**
 * plx_reader_take_quick() - plx_reader_take() where it takes no decision: a reliable reader, a message, nothing due.
 *
 * Price: one line that the publisher wrote, one shared line that stays in our cache, and our own.
 *
 * Return: true with a message; false: ask plx_reader_take().
 */
static inline bool plx_reader_take_quick(struct plx_reader *r, struct plx_buffer *b)
{
	const struct plx_entry *entry = &r->log[r->next & r->mask];
	struct plx_holder *h = r->unused;
	struct plx_glance g;
	uint64_t attention;

	/* R1 acquire: pairs with W1 */
	if (__atomic_load_n(&entry->sequence, __ATOMIC_ACQUIRE) != r->next + 1)
		return false;
	if (plx_unlikely(r->held >= r->quick) || plx_unlikely(plx_reader_due(r)) || plx_unlikely(!h))
		return false;
	plx_glance(r, &g, h, entry);
	if (plx_unlikely(plx_reader_called(r, &attention)) || plx_unlikely(!plx_glance_honest(r, &g)))
		return false;
	plx_holder_take(r, h, g.slot);
	if (g.slot != PLX_SLOT_NONE)
		plx_holder_list(r, h);
	plx_hand_out(r, b, &g, h);
	return true;
}

/**
 * plx_reader_idle() - is there nothing at all to do: no message, nothing to tell, no word from the publisher?
 *
 * Price: the line of the next entry, and the shared one that stays in our cache. false: ask plx_reader_take().
 */
static inline bool plx_reader_idle(const struct plx_reader *r)
{
	/* relaxed: take looks again, in order */
	uint64_t sequence = __atomic_load_n(&r->log[r->next & r->mask].sequence, __ATOMIC_RELAXED);
	uint64_t attention = __atomic_load_n(&r->head->attention, __ATOMIC_RELAXED);

	return (int64_t)(sequence - r->next) <= 0 && r->told == r->next && attention == r->attention;
}

#endif

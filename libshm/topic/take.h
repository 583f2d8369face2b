/* take.h - what taking a message is made of. The short way, without decisions, is in plx/quick.h. */
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
	if (g->slot == PLX_SLOT_NONE)
		plx_quick_copy(h->copy, &entry->sequence);
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
	r->bytes += g->length;
	if (g->slot == PLX_SLOT_NONE) {
		b->data = h->copy;
		return;
	}
	b->data = r->slots + g->slot * r->stride;
	if (plx_unlikely(r->bytes >= r->enough))
		r->due = r->next;
}

#endif

/* hold.h - the messages a reader holds: a list, some pins, and the cursor that follows from them. */
#ifndef PLX_TOPIC_HOLD_H
#define PLX_TOPIC_HOLD_H

#include "topic/fence.h"
#include "topic/reader.h"

/* So many bytes taken are worth telling: the publisher can reuse slots while our cache still knows them. */
#define PLX_READER_LAZY_BYTES (UINT64_C(64) << 10)

/** plx_holder_more() - make unused holders, as many as the quota leaves; false when there is no memory. */
bool plx_holder_more(struct plx_reader *reader) plx_cold;

/** plx_holder_pin_now() - pin before looking again: store and full fence in one. */
void plx_holder_pin_now(struct plx_reader *reader, struct plx_holder *holder);

/** plx_holder_unpin() - it is not held any more. */
void plx_holder_unpin(struct plx_reader *reader, struct plx_holder *holder);

/** plx_reader_released() - something was released, and it is time to tell or the publisher waits. */
void plx_reader_released(struct plx_reader *reader, bool pinned) plx_cold;

/* The first of the unused ones gets a buffer. */
static inline void plx_holder_take(struct plx_reader *reader, struct plx_holder *h, uint32_t slot)
{
	reader->unused = h->next;
	h->slot = slot;
}

/* It is the newest of the unpinned ones. */
static inline void plx_holder_list(struct plx_reader *reader, struct plx_holder *h)
{
	h->listed = true;
	h->next = NULL;
	h->prev = reader->newest;
	if (reader->newest)
		reader->newest->next = h;
	else
		reader->oldest = h;
	reader->newest = h;
}

static inline void plx_holder_unlist(struct plx_reader *reader, struct plx_holder *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		reader->oldest = h->next;
	if (h->next)
		h->next->prev = h->prev;
	else
		reader->newest = h->prev;
	h->listed = false;
}

/* Is the publisher waiting for us? It fences for both before it sleeps. */
static inline bool plx_reader_waited_for(const struct plx_reader *reader)
{
	plx_fence_near();
	return (__atomic_load_n(&reader->head->attention, __ATOMIC_RELAXED) & PLX_ATTENTION_WAITING) != 0;
}

/* The same, but for what we know and act upon already: it may wait for this very slot, and not hear of it otherwise. */
static inline bool plx_reader_unheard(const struct plx_reader *reader, bool pinned)
{
	return plx_reader_waited_for(reader) &&
	       (pinned || !(reader->attention & PLX_ATTENTION_WAITING) ||
		__atomic_load_n(&reader->head->wanted, __ATOMIC_RELAXED) != reader->wanted);
}

/* One buffer less holds the message. */
static inline void plx_reader_release(struct plx_reader *reader, struct plx_holder *h)
{
	bool pinned = h->pinned;

	if (plx_unlikely(h->more != PLX_QUICK_SHAPE)) {
		h->more--;
		return;
	}
	if (h->listed)
		plx_holder_unlist(reader, h);
	else if (plx_unlikely(pinned))
		plx_holder_unpin(reader, h);
	h->next = reader->unused;
	reader->unused = h;
	if (plx_unlikely(plx_reader_due(reader)) || plx_unlikely(plx_reader_unheard(reader, pinned)))
		plx_reader_released(reader, pinned);
}

#endif

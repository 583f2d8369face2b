/* hold.h - the messages a reader holds: a list, some pins, and the cursor that follows from them. */
#ifndef PLX_TOPIC_HOLD_H
#define PLX_TOPIC_HOLD_H

#include "topic/reader.h"

/* So many bytes taken are worth telling: the publisher can reuse slots while our cache still knows them. */
#define PLX_READER_LAZY_BYTES (UINT64_C(64) << 10)

/** plx_holder_more() - make unused holders; false when there is no memory. */
bool plx_holder_more(struct plx_reader *reader) plx_cold;

/** plx_holder_pin_now() - pin before looking again: store and full fence in one. */
void plx_holder_pin_now(struct plx_reader *reader, struct plx_holder *holder);

/* A holder with one buffer; NULL when there is no memory. */
static inline struct plx_holder *plx_holder_get(struct plx_reader *reader, uint32_t slot)
{
	struct plx_holder *h = reader->unused;

	if (plx_unlikely(!h)) {
		if (!plx_holder_more(reader))
			return NULL;
		h = reader->unused;
	}
	reader->unused = h->next;
	reader->held++;
	h->slot = slot;
	h->refs = 1;
	h->listed = false;
	h->pinned = false;
	return h;
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

#endif

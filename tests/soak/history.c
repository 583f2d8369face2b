/*
 * history.c - sets of numbers that came and that were lost, which have to be all there is.
 */
#include "tests/soak/history.h"

#include <stdlib.h>

void history_begin(struct history *h, uint64_t id, bool reliable)
{
	*h = (struct history){ .id = id,
			       .reliable = reliable,
			       .next = UINT64_MAX }; /* the first one is a gap */
	h->came = roaring_bitmap_create();
	h->gone = roaring_bitmap_create();
	if (!h->came || !h->gone)
		abort();
}

void history_end(struct history *h)
{
	if (h->came)
		roaring_bitmap_free(h->came);
	if (h->gone)
		roaring_bitmap_free(h->gone);
	*h = (struct history){ .id = 0 };
}

/* The run at hand is over. */
static void close_run(struct history *h)
{
	roaring_bitmap_add_range(h->came, h->run - h->first, h->next - h->first);
	h->run = h->next;
}

bool history_gap(struct history *h, uint64_t number)
{
	if (!h->heard) {
		h->heard = true;
		h->first = h->run = h->next = number;
		return true;
	}
	if (number < h->next || h->reliable)
		return false; /* twice, or left out */
	if (number - h->first > UINT32_MAX / 2 && !history_settle(h))
		return false;
	close_run(h);
	if (number - h->first > UINT32_MAX / 2) { /* lapped by more than the sets are for */
		h->lost += number - h->next;
		h->first = h->run = h->next = number;
		return true;
	}
	roaring_bitmap_add_range(h->gone, h->next - h->first, number - h->first);
	h->lost += number - h->next;
	h->run = number;
	return true;
}

bool history_settle(struct history *h)
{
	uint64_t all = h->next - h->first, lost;
	bool right;

	close_run(h);
	lost = roaring_bitmap_get_cardinality(h->gone);
	right = roaring_bitmap_get_cardinality(h->came) == h->since &&
		!roaring_bitmap_intersect(h->came, h->gone) && h->since + lost == all &&
		(!h->reliable || lost == 0);
	roaring_bitmap_clear(h->came);
	roaring_bitmap_clear(h->gone);
	h->first = h->run = h->next;
	h->since = 0;
	return right;
}

/*
 * shun.c - publishers that are not to be asked, and until when.
 *
 * An id is never used twice, so who said no, or whose stream came to its end, need never be asked again. Who cannot just
 * now (no seat left, no descriptors, a full queue, no answer) is asked later, and later each time: after 20 ms, 40 ms,
 * ... one second. What is no longer listed is forgotten.
 */
#include <stdlib.h>

#include "topic/subscriber_state.h"

#define FIRST_NS UINT64_C(20000000)
#define MOST_NS  UINT64_C(1000000000)

static struct plx_shunned *find(const struct plx_subscriber *sub, uint64_t id)
{
	for (uint32_t i = 0; i < sub->shunned_count; i++) {
		if (sub->shunned[i].id == id)
			return &sub->shunned[i];
	}
	return NULL;
}

/* NULL without memory: asked again, refused again. */
static struct plx_shunned *find_or_add(struct plx_subscriber *sub, uint64_t id)
{
	struct plx_shunned *s = find(sub, id);

	if (s)
		return s;
	if (sub->shunned_count == sub->shunned_capacity) {
		uint32_t more = sub->shunned_capacity ? sub->shunned_capacity * 2 : 8;
		struct plx_shunned *grown = realloc(sub->shunned, more * sizeof(*grown));

		if (!grown)
			return NULL;
		sub->shunned = grown;
		sub->shunned_capacity = more;
	}
	s = &sub->shunned[sub->shunned_count++];
	*s = (struct plx_shunned){ .id = id };
	return s;
}

uint64_t plx_shun_pause(uint64_t pause_ns)
{
	return pause_ns == 0 ? FIRST_NS : pause_ns < MOST_NS / 2 ? pause_ns * 2 : MOST_NS;
}

void plx_shun(struct plx_subscriber *sub, uint64_t id)
{
	struct plx_shunned *s = find_or_add(sub, id);

	if (s)
		s->until_ns = UINT64_MAX;
}

void plx_shun_for_now(struct plx_subscriber *sub, uint64_t id)
{
	struct plx_shunned *s = find_or_add(sub, id);
	uint64_t until = plx_now_ns() + FIRST_NS;

	if (s) {
		s->pause_ns = plx_shun_pause(s->pause_ns);
		until = s->until_ns = plx_now_ns() + s->pause_ns;
	}
	if (until < sub->again_ns)
		sub->again_ns = until;
}

bool plx_shunned(struct plx_subscriber *sub, uint64_t id, uint64_t now_ns)
{
	const struct plx_shunned *s = find(sub, id);

	if (!s || s->until_ns <= now_ns)
		return false;
	if (s->until_ns < sub->again_ns)
		sub->again_ns = s->until_ns;
	return true;
}

void plx_shun_no_more(struct plx_subscriber *sub, uint64_t id)
{
	struct plx_shunned *s = find(sub, id);

	if (s)
		*s = sub->shunned[--sub->shunned_count];
}

void plx_shun_forget(struct plx_subscriber *sub, const struct plx_sightings *list)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < sub->shunned_count; i++) {
		for (size_t k = 0; k < list->count; k++) {
			if (list->items[k].id == sub->shunned[i].id) {
				sub->shunned[kept++] = sub->shunned[i];
				break;
			}
		}
	}
	sub->shunned_count = kept;
}

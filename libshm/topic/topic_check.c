/*
 * topic_check.c - what is true of every log and every link, as far as one can see without its owner's private memory.
 *
 * Reads each shared word once. The caller who looks at a living publisher copies first, or looks again.
 */
#include "topic/topic_check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/size.h"
#include "topic/handshake_layout.h"

#include <plx/buffer.h>
#include <plx/pool.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>

static int verdict(const char *wrong, const char **why)
{
	if (!wrong)
		return 0;
	*why = wrong;
	return -EBADMSG;
}

/* ---- geometry ------------------------------------------------------------------------------------ */

/* The constant line, copied out. */
struct geometry {
	uint32_t depth, slots, history, flags, full;
	uint64_t slot_size, stride;
};

static struct geometry geometry_of(const struct plx_topic_head *head)
{
	return (struct geometry){
		.depth = plx_read_once(&head->depth),
		.slots = plx_read_once(&head->slots),
		.history = plx_read_once(&head->history),
		.flags = plx_read_once(&head->flags),
		.full = plx_read_once(&head->full),
		.slot_size = plx_read_once(&head->slot_size),
		.stride = plx_read_once(&head->stride),
	};
}

static const char *check_geometry(const struct geometry *g, const struct plx_log_parts *parts)
{
	if (g->depth < PLX_DEPTH_MIN || g->depth > PLX_DEPTH_MAX || !plx_size_power_of_two(g->depth))
		return "topic: depth is not a power of two in range";
	if (g->slots == 0 || g->slots > PLX_SLOTS_MAX)
		return "topic: number of slots out of range";
	if (g->slot_size == 0 || g->slot_size > PLX_SLOT_SIZE_MAX)
		return "topic: slot size out of range";
	if (g->stride < g->slot_size || g->stride % PLX_LINE || g->stride > 2 * PLX_SLOT_SIZE_MAX)
		return "topic: stride does not fit the slot size";
	if (g->history >= g->depth)
		return "topic: history is not below depth";
	if (g->flags & ~PLX_TOPIC_STAMPED)
		return "topic: unknown flags";
	if (g->full > PLX_FULL_DROP)
		return "topic: unknown policy for a full log";
	if ((uint64_t)g->depth * sizeof(struct plx_entry) > parts->log_size)
		return "topic: the log is smaller than depth";
	if (2 * plx_topic_bitmap_size(g->slots) > parts->bitmap_size)
		return "topic: the bitmaps are smaller than slots";
	if (g->slots * g->stride > parts->slots_size) /* 2^24 * 2^31: no overflow */
		return "topic: the slots do not fit their block";
	return NULL;
}

int plx_geometry_check(const struct plx_log_parts *parts, const char **why)
{
	struct geometry g;

	if (parts->head_size < sizeof(struct plx_topic_head))
		return verdict("topic: the head block is too small", why);
	g = geometry_of(parts->head);
	return verdict(check_geometry(&g, parts), why);
}

/* ---- log ----------------------------------------------------------------------------------------- */

static bool test(const uint64_t *bits, uint32_t i)
{
	return (plx_read_once(&bits[i / 64]) & UINT64_C(1) << (i % 64)) != 0;
}

/* An entry of the window. */
static const char *check_message(const struct geometry *g, const struct plx_entry *entry, uint64_t pos,
				 const struct plx_log_parts *parts, uint64_t *seen)
{
	uint64_t place = plx_read_once(&entry->place);
	uint32_t slot = (uint32_t)place, length = (uint32_t)(place >> 32);
	uint32_t inside = g->flags & PLX_TOPIC_STAMPED ? PLX_ENTRY_STAMPED : PLX_ENTRY_PAYLOAD;

	if (plx_read_once(&entry->sequence) != pos + 1)
		return "topic: an entry of the window has another sequence";
	if (slot == PLX_SLOT_NONE)
		return length > inside ? "topic: a payload is longer than an entry" : NULL;
	if (slot >= g->slots)
		return "topic: an entry names a slot that does not exist";
	if (length > g->slot_size)
		return "topic: a payload is longer than a slot";
	if (test(parts->bitmap, slot) || plx_topic_hand_has(plx_read_once(&parts->head->hand), slot))
		return "topic: a slot of the window is free";
	if (test(parts->bitmap + plx_topic_bitmap_size(g->slots) / 8, slot))
		return "topic: a slot of the window is kept";
	if (seen[slot / 64] & UINT64_C(1) << (slot % 64))
		return "topic: a slot is in the window twice";
	seen[slot / 64] |= UINT64_C(1) << (slot % 64);
	return NULL;
}

/* An entry outside of the window: never used, or the last message it had. */
static const char *check_leftover(const struct geometry *g, const struct plx_entry *entry, uint32_t i,
				  uint64_t head)
{
	uint64_t sequence = plx_read_once(&entry->sequence);

	if (sequence == 0)
		return NULL;
	if (((sequence - 1) & (g->depth - 1)) != i)
		return "topic: an entry holds a message that belongs elsewhere";
	return sequence > head + PLX_TOPIC_AHEAD ? "topic: an entry is ahead of head" : NULL;
}

static const char *check_bitmaps(const struct geometry *g, const uint64_t *bitmap)
{
	const uint64_t *kept = bitmap + plx_topic_bitmap_size(g->slots) / 8;
	uint32_t words = (uint32_t)(plx_topic_bitmap_size(g->slots) / 8);

	for (uint32_t i = 0; i < words; i++) {
		uint64_t a = plx_read_once(&bitmap[i]), b = plx_read_once(&kept[i]);
		uint64_t valid = i < g->slots / 64    ? UINT64_MAX
				 : i == g->slots / 64 ? (UINT64_C(1) << (g->slots % 64)) - 1
						      : 0;

		if (a & b)
			return "topic: a slot is free and kept";
		if ((a | b) & ~valid)
			return "topic: a bitmap has bits beyond the last slot";
	}
	return NULL;
}

static const char *check_log(const struct geometry *g, const struct plx_log_parts *parts, uint64_t *seen)
{
	uint64_t tail = __atomic_load_n(&parts->head->tail, __ATOMIC_ACQUIRE);
	uint64_t head = plx_read_once(&parts->head->head);
	uint64_t attention = plx_read_once(&parts->head->attention);
	const char *wrong = check_bitmaps(g, parts->bitmap);

	if (head > PLX_POSITION_MAX || head - tail > g->depth)
		return "topic: tail and head are not a window";
	if ((attention & PLX_ATTENTION_ENDED) && plx_read_once(&parts->head->end_position) != head)
		return "topic: ended somewhere else than at head";
	for (uint32_t i = 0; i < g->depth && !wrong; i++) {
		uint64_t pos = tail + ((i - tail) &
				       (g->depth - 1)); /* the position that entry i has in the window */

		wrong = head - tail > pos - tail ? check_message(g, &parts->log[i], pos, parts, seen)
						 : check_leftover(g, &parts->log[i], i, head);
	}
	return wrong;
}

int plx_log_check(const struct plx_log_parts *parts, const char **why)
{
	struct geometry g;
	uint64_t *seen;
	int ret = plx_geometry_check(parts, why);

	if (ret < 0)
		return ret;
	g = geometry_of(parts->head);
	ret = verdict(check_geometry(&g, parts), why); /* of this copy */
	if (ret < 0)
		return ret;
	seen = calloc(plx_topic_bitmap_size(g.slots), 1);
	if (!seen)
		return -ENOMEM;
	ret = verdict(check_log(&g, parts, seen), why);
	free(seen);
	return ret;
}

/* ---- link ---------------------------------------------------------------------------------------- */

int plx_link_check(const struct plx_link *link, const uint64_t *pins, uint64_t pins_size, const char **why)
{
	uint32_t slots = plx_read_once(&link->slots), reading = plx_read_once(&link->reading), pinned = 0;
	uint64_t start = plx_read_once(&link->start), cursor = plx_read_once(&link->cursor);

	if (slots == 0 || slots > PLX_SLOTS_MAX || plx_topic_bitmap_size(slots) > pins_size)
		return verdict("link: pins do not fit their block", why);
	if (reading > PLX_READ_LOSSY)
		return verdict("link: neither reliable nor lossy", why);
	if (start > PLX_POSITION_MAX || cursor > PLX_POSITION_MAX || cursor < start)
		return verdict("link: the cursor is before its start", why);
	for (uint64_t i = 0; i < pins_size / 8; i++) {
		uint64_t word = plx_read_once(&pins[i]);
		uint64_t valid = i < slots / 64    ? UINT64_MAX
				 : i == slots / 64 ? (UINT64_C(1) << (slots % 64)) - 1
						   : 0;

		if (word & ~valid)
			return verdict("link: a pin beyond the last slot", why);
		pinned += (uint32_t)__builtin_popcountll(word);
	}
	/* a lossy reader pins first and looks then */
	if (pinned > (uint64_t)plx_read_once(&link->quota) + 1)
		return verdict("link: more pins than the quota", why);
	return 0;
}

/*
 * writer.c - a log begins, ends, and is walked by its checker. Where the tail goes is in reclaim.c.
 */
#include "topic/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "topic/handshake_layout.h"

/* Slots handed out between two looks for hotter ones: as much as is worth a look, and stays in a second-level cache. */
#define HOT_BYTES (UINT64_C(256) << 10)

static bool geometry_sane(const struct plx_topic_head *head)
{
	return plx_size_power_of_two(head->depth) && head->depth >= PLX_DEPTH_MIN &&
	       head->depth <= PLX_DEPTH_MAX && head->slots >= 1 && head->slots <= PLX_SLOTS_MAX &&
	       head->slot_size >= 1 && head->slot_size <= PLX_SLOT_SIZE_MAX &&
	       head->stride >= head->slot_size && head->stride % PLX_LINE == 0 && head->history < head->depth;
}

int plx_writer_init(struct plx_writer *writer, const struct plx_writer_blocks *blocks)
{
	struct plx_topic_head *head = blocks->head;
	uint64_t half, hot;
	int ret;

	*writer = (struct plx_writer){ .head = head };
	if (!geometry_sane(head))
		return -EINVAL;
	half = plx_topic_bitmap_size(head->slots);
	ret = plx_pool_init(&writer->pool, blocks->bitmap, blocks->slots, head->slots, head->stride);
	if (ret < 0)
		return ret;
	hot = HOT_BYTES / head->stride;
	writer->mask = head->depth - 1;
	writer->limit = head->depth;
	writer->log = blocks->log;
	writer->loaned = blocks->bitmap + half / sizeof(uint64_t);
	writer->words = (head->slots + 63) / 64;
	writer->history = head->history;
	writer->chunk = head->depth >= 8 ? head->depth / 8 : 1;
	writer->hot = hot < 1 ? 1 : hot > UINT32_MAX ? UINT32_MAX : (uint32_t)hot;
	writer->credit = writer->hot;
	writer->slot_at = malloc(head->depth * sizeof(uint32_t));
	writer->limbo = calloc(writer->words, sizeof(uint64_t));
	if (!writer->slot_at || !writer->limbo) {
		plx_writer_fini(writer);
		return -ENOMEM;
	}
	return 0;
}

void plx_writer_fini(struct plx_writer *writer)
{
	free(writer->slot_at);
	free(writer->limbo);
	free(writer->followers);
	*writer = (struct plx_writer){ 0 };
}

int plx_writer_follow(struct plx_writer *writer, struct plx_follower *follower)
{
	if (writer->count == writer->capacity) {
		uint32_t more = writer->capacity ? writer->capacity * 2 : 8;
		struct plx_follower **grown = realloc(writer->followers, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		writer->followers = grown;
		writer->capacity = more;
	}
	writer->followers[writer->count++] = follower;
	writer->lossy += !follower->reliable;
	return 0;
}

void plx_writer_forget(struct plx_writer *writer, struct plx_follower *follower)
{
	for (uint32_t i = 0; i < writer->count; i++) {
		if (writer->followers[i] != follower)
			continue;
		writer->followers[i] = writer->followers[--writer->count];
		writer->lossy -= !follower->reliable;
		return;
	}
}

uint64_t plx_writer_start(const struct plx_writer *writer, uint32_t history)
{
	uint64_t kept = writer->next - writer->tail;

	if (history > writer->history)
		history = (uint32_t)writer->history;
	return writer->next - (history < kept ? history : kept);
}

/* ---- checker ------------------------------------------------------------------------------------- */

/* Mark @slot as seen in one state; false when it was seen before or does not exist. */
static bool first_seen(uint64_t *seen, uint32_t slot, uint32_t slots)
{
	uint64_t bit = UINT64_C(1) << (slot % 64);

	if (slot >= slots || (seen[slot / 64] & bit))
		return false;
	seen[slot / 64] |= bit;
	return true;
}

static const char *check_slots(const struct plx_writer *writer, uint64_t *seen)
{
	uint32_t slots = writer->pool.slots, in_window = 0, in_limbo = 0;

	for (uint32_t slot = 0; slot < slots; slot++) {
		uint64_t bit = UINT64_C(1) << (slot % 64);
		int states = !!(writer->pool.words[slot / 64] & bit) + !!(writer->loaned[slot / 64] & bit) +
			     !!(writer->limbo[slot / 64] & bit);

		if (states > 1)
			return "a slot is free, loaned or in limbo at the same time";
		in_limbo += !!(writer->limbo[slot / 64] & bit);
		if (states == 1)
			(void)first_seen(seen, slot, slots);
	}
	for (uint64_t pos = writer->tail; pos != writer->next; pos++) {
		uint32_t slot = writer->slot_at[pos & writer->mask];

		if (slot == PLX_SLOT_NONE)
			continue;
		in_window++;
		if (!first_seen(seen, slot, slots))
			return "a slot of the window is free, loaned, in limbo or in the window twice";
	}
	for (uint32_t slot = 0; slot < slots; slot++) {
		if (!(seen[slot / 64] & UINT64_C(1) << (slot % 64)))
			return "a slot is in no state: it leaked";
	}
	if (in_window != writer->in_window)
		return "the number of slots in the window is wrong";
	if (in_limbo != writer->in_limbo)
		return "the number of slots in limbo is wrong";
	return NULL;
}

static const char *check_log(const struct plx_writer *writer)
{
	if (writer->next - writer->tail > writer->mask + 1)
		return "the window is larger than the log";
	if (writer->limit != writer->tail + writer->mask + 1)
		return "limit is not tail + depth";
	if (writer->head->head != writer->next || writer->head->tail != writer->tail)
		return "head or tail in the segment is not the writer's";
	for (uint64_t pos = writer->tail; pos != writer->next; pos++) {
		const struct plx_entry *entry = &writer->log[pos & writer->mask];

		if (entry->sequence != pos + 1)
			return "an entry of the window has another sequence";
		if ((uint32_t)entry->place != writer->slot_at[pos & writer->mask])
			return "an entry of the window names another slot";
	}
	for (uint32_t i = 0; i < writer->count; i++) {
		const struct plx_follower *f = writer->followers[i];

		if (writer->next - f->cursor > writer->next)
			return "a follower is ahead of the log";
		if (f->reliable && writer->next - f->cursor > writer->next - writer->tail)
			return "a reliable follower is behind the tail";
	}
	return NULL;
}

int plx_writer_check(const struct plx_writer *writer, const char **why)
{
	uint64_t *seen = calloc(writer->words, sizeof(uint64_t));

	if (!seen)
		return -ENOMEM;
	*why = check_log(writer);
	if (!*why)
		*why = check_slots(writer, seen);
	free(seen);
	if (*why)
		return -EBADMSG;
	return plx_pool_check(&writer->pool, why);
}

/*
 * writer.c - a log begins, ends, and is walked by its checker. Where the tail goes is in reclaim.c.
 */
#include "topic/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "topic/handshake_layout.h"

/*
 * Slots are handed out in turn, until they are so many bytes; then from the first again. Bytes that another processor
 * wrote a moment ago come out of its own cache slowly, and fast once it had to pass them on to the one they share: so
 * this is more than a second-level cache, and less than a third-level one (docs/performance.md).
 */
#define HOT_BYTES (UINT64_C(8) << 20)

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
	writer->quick.limit = head->depth;
	writer->log = blocks->log;
	writer->quick.line = &head->head;
	writer->quick.mask = writer->mask;
	writer->quick.log = &blocks->log[0].sequence;
	writer->quick.slot_size = head->slot_size;
	writer->quick.stride = head->stride;
	writer->quick.slots = blocks->slots;
	writer->quick.type = head->type;
#ifdef PLX_QUICK_PAIRS
	writer->pairs = __builtin_cpu_supports("avx");
#elif defined(PLX_QUICK_TSAN) || defined(__SANITIZE_THREAD__)
	writer->pairs = true; /* word by word, for ThreadSanitizer to see; the same order */
#endif
	writer->limbo = blocks->bitmap + half / sizeof(uint64_t);
	writer->words = (head->slots + 63) / 64;
	writer->history = head->history;
	writer->chunk = head->depth >= 8 ? head->depth / 8 : 1;
	writer->hot = hot < 1 ? 1 : hot > UINT32_MAX ? UINT32_MAX : (uint32_t)hot;
	writer->some = malloc((writer->words + 63) / 64 * sizeof(uint64_t));
	if (!writer->some) {
		plx_writer_fini(writer);
		return -ENOMEM;
	}
	memset(writer->some, 0xff, (writer->words + 63) / 64 * sizeof(uint64_t));
	return 0;
}

void plx_writer_fini(struct plx_writer *writer)
{
	free(writer->some);
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
	/* relaxed: the user's thread may publish meanwhile; a position it has passed is as good, and not before the tail */
	uint64_t head = __atomic_load_n(&writer->head->head, __ATOMIC_RELAXED), kept = head - writer->tail;

	if (history > writer->history)
		history = (uint32_t)writer->history;
	return head - (history < kept ? history : kept);
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

/* The state of each slot, as a bit: free, in limbo, in the window; none of them: loaned. */
static const char *check_slots(const struct plx_writer *writer, uint64_t *seen)
{
	uint32_t slots = writer->pool.slots, in_limbo = 0;

	for (uint32_t slot = 0; slot < slots; slot++) {
		uint64_t bit = UINT64_C(1) << (slot % 64);
		int states = !!(writer->pool.words[slot / 64] & bit) + !!(writer->limbo[slot / 64] & bit) +
			     plx_topic_hand_has(writer->head->hand, slot);

		if (states > 1)
			return "a slot is free, in hand or in limbo at the same time";
		in_limbo += !!(writer->limbo[slot / 64] & bit);
		if (states == 1)
			(void)first_seen(seen, slot, slots);
	}
	for (uint64_t pos = writer->tail; pos != writer->head->head; pos++) {
		uint32_t slot = (uint32_t)writer->log[pos & writer->mask].place;

		if (slot != PLX_SLOT_NONE && !first_seen(seen, slot, slots))
			return "a slot of the window is free, in limbo or in the window twice";
		if (slot != PLX_SLOT_NONE && !writer->slotted)
			return "there are slots in the window, and yet none was ever claimed";
	}
	for (uint32_t word = 0; word < writer->words; word++) {
		if (writer->pool.words[word] && !(writer->some[word / 64] & UINT64_C(1) << (word % 64)))
			return "a free slot will not be found: it leaked";
	}
	if (in_limbo != writer->in_limbo)
		return "the number of slots in limbo is wrong";
	return NULL;
}

static const char *check_log(const struct plx_writer *writer)
{
	if (writer->head->head - writer->tail > writer->mask + 1)
		return "the window is larger than the log";
	if (writer->quick.limit != writer->tail + writer->mask + 1)
		return "limit is not tail + depth";
	if (writer->head->tail != writer->tail)
		return "the tail in the segment is not the writer's";
	for (uint64_t pos = writer->tail; pos != writer->head->head; pos++) {
		const struct plx_entry *entry = &writer->log[pos & writer->mask];

		if (entry->sequence != pos + 1)
			return "an entry of the window has another sequence";
	}
	for (uint32_t i = 0; i < writer->count; i++) {
		const struct plx_follower *f = writer->followers[i];

		if (writer->head->head - f->cursor > writer->head->head)
			return "a follower is ahead of the log";
		if (f->reliable && writer->head->head - f->cursor > writer->head->head - writer->tail)
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

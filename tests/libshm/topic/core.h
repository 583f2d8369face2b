/* core.h - a log with its writer and some readers in plain memory: no sockets, no segments, both halves over one mapping. */
#ifndef TESTS_TOPIC_CORE_H
#define TESTS_TOPIC_CORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topic/reader.h"
#include "topic/topic_check.h"
#include "topic/writer.h"

#define CORE_READERS 8

struct core_reader {
	struct plx_link *link;
	uint64_t *pins;
	struct plx_follower follower;
	struct plx_reader reader;
};

struct core {
	struct plx_topic_head *head;
	struct plx_entry *log;
	uint64_t *bitmap;
	unsigned char *slots;
	uint64_t slots_size;
	struct plx_writer writer;
	struct core_reader readers[CORE_READERS];
};

static inline void *core_zeros(size_t size)
{
	void *p = aligned_alloc(PLX_LINE, (size + PLX_LINE - 1) / PLX_LINE * PLX_LINE);

	assert_non_null(p);
	memset(p, 0, size);
	return p;
}

static inline void core_open(struct core *core, uint32_t depth, uint32_t slots, uint64_t slot_size,
			     uint32_t history)
{
	uint64_t stride = (slot_size + PLX_LINE - 1) / PLX_LINE * PLX_LINE;
	struct plx_writer_blocks blocks;

	memset(core, 0, sizeof(*core));
	core->slots_size = slots * stride;
	core->head = core_zeros(sizeof(*core->head));
	core->log = core_zeros(depth * sizeof(struct plx_entry));
	core->bitmap = core_zeros(2 * plx_topic_bitmap_size(slots));
	core->slots = core_zeros(core->slots_size);
	*core->head = (struct plx_topic_head){
		.depth = depth, .slots = slots, .slot_size = slot_size, .stride = stride, .history = history
	};
	blocks = (struct plx_writer_blocks){ core->head, core->log, core->bitmap, core->slots };
	assert_int_equal(plx_writer_init(&core->writer, &blocks), 0);
}

static inline void core_join(struct core *core, int i, enum plx_reading reading, uint32_t history,
			     uint32_t quota)
{
	struct core_reader *cr = &core->readers[i];
	uint64_t start = plx_writer_start(&core->writer, history);
	struct plx_reader_parts parts = {
		.head = core->head,
		.log = core->log,
		.slots = core->slots,
		.id = 7,
		.start = start,
		.slot_size = core->head->slot_size,
		.stride = core->head->stride,
		.depth = core->head->depth,
		.slot_count = core->head->slots,
		.quota = quota,
		.reading = reading,
	};

	parts.link = cr->link = core_zeros(sizeof(*cr->link));
	parts.pins = cr->pins = core_zeros(plx_topic_bitmap_size(core->head->slots));
	cr->link->slots = core->head->slots;
	cr->link->quota = quota;
	cr->link->reading = reading;
	cr->follower = (struct plx_follower){
		.link = cr->link,
		.pins = cr->pins,
		.cursor = start,
		.start = start,
		.quota = quota,
		.reliable = reading == PLX_READ_RELIABLE,
	};
	assert_int_equal(plx_reader_init(&cr->reader, &parts), 0);
	assert_int_equal(plx_writer_follow(&core->writer, &cr->follower), 0);
}

/* The reader is gone; @killed: without having told anything. */
static inline void core_part(struct core *core, int i)
{
	struct core_reader *cr = &core->readers[i];

	plx_writer_forget(&core->writer, &cr->follower);
	plx_reader_fini(&cr->reader);
	free(cr->link);
	free(cr->pins);
	memset(cr, 0, sizeof(*cr));
}

static inline void core_close(struct core *core)
{
	for (int i = 0; i < CORE_READERS; i++) {
		if (core->readers[i].link)
			core_part(core, i);
	}
	plx_writer_fini(&core->writer);
	free(core->head);
	free(core->log);
	free(core->bitmap);
	free(core->slots);
}

/* Every invariant there is, of the writer, of the log as others see it, and of each link. */
static inline void core_check(const struct core *core)
{
	struct plx_log_parts parts = {
		.head = core->head,
		.log = core->log,
		.bitmap = core->bitmap,
		.head_size = sizeof(*core->head),
		.log_size = core->head->depth * sizeof(struct plx_entry),
		.bitmap_size = 2 * plx_topic_bitmap_size(core->head->slots),
		.slots_size = core->slots_size,
	};
	const char *why = NULL;

	if (plx_writer_check(&core->writer, &why) < 0 || plx_log_check(&parts, &why) < 0)
		fail_msg("%s", why);
	for (int i = 0; i < CORE_READERS; i++) {
		const struct core_reader *cr = &core->readers[i];

		if (cr->link &&
		    plx_link_check(cr->link, cr->pins, plx_topic_bitmap_size(core->head->slots), &why) < 0)
			fail_msg("reader %d: %s", i, why);
	}
}

/* Publish message number writer.head->head: eight bytes of its number, then a pattern; inline when @length fits. */
static inline bool core_publish(struct core *core, uint32_t length)
{
	struct plx_writer *w = &core->writer;
	uint64_t number = w->head->head;
	uint32_t slot;

	if (length <= PLX_ENTRY_PAYLOAD) {
		unsigned char bytes[PLX_ENTRY_PAYLOAD];

		if (!plx_writer_room(w))
			return false;
		memset(bytes, (int)number, sizeof(bytes));
		memcpy(bytes, &number, sizeof(number));
		plx_writer_put_inline(w, bytes, length, 0, 0);
		return true;
	}
	slot = plx_writer_claim(w);
	if (slot == PLX_SLOT_NONE)
		return false;
	if (!plx_writer_room(w)) {
		plx_writer_drop(w, slot);
		return false;
	}
	memset(plx_pool_slot(&w->pool, slot), (int)number, length);
	memcpy(plx_pool_slot(&w->pool, slot), &number, sizeof(number));
	plx_writer_put(w, slot, length, 0, 0);
	return true;
}

/* Are these the bytes core_publish() wrote for message @number? */
static inline bool core_intact(const struct plx_buffer *b, uint64_t number)
{
	const unsigned char *bytes = b->data;
	uint64_t n;

	memcpy(&n, bytes, sizeof(n));
	if (n != number)
		return false;
	for (uint64_t i = 8; i < b->length; i++) {
		if (bytes[i] != (unsigned char)number)
			return false;
	}
	return true;
}

/* A message, and the right one. */
static inline void core_take(struct core *core, int i, struct plx_buffer *b)
{
	uint64_t number = core->readers[i].reader.next;

	assert_int_equal(plx_reader_take(&core->readers[i].reader, b), PLX_READER_MESSAGE);
	assert_int_equal(b->sequence, number);
	assert_true(core_intact(b, number));
}

#endif

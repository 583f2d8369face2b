/* topic_made.h - data and link segments as a publisher makes them, but in the hands of a test: every word can be broken. */
#ifndef TESTS_TOPIC_MADE_H
#define TESTS_TOPIC_MADE_H

#include <plx/inspect.h>
#include <plx/pool.h>
#include <plx/subscriber.h>

#include <string.h>

#include "tests/support/support.h"
#include "topic/writer.h"

struct made {
	struct plx_segment seg;
	struct plx_topic_head *head;
	struct plx_entry *log;
	uint64_t *bitmap;
	struct plx_writer writer;
	struct plx_segment_info info;
};

static inline struct made make_topic(const char *name, uint32_t depth, uint32_t slots)
{
	struct made made = { .seg = PLX_SEGMENT_NONE };
	const struct plx_block blocks[] = {
		{ PLX_TOPIC_BLOCK_HEAD, sizeof(struct plx_topic_head), 0 },
		{ PLX_TOPIC_BLOCK_LOG, (uint64_t)depth * sizeof(struct plx_entry), 0 },
		{ PLX_TOPIC_BLOCK_BITMAP, 2 * plx_topic_bitmap_size(slots), 0 },
		{ PLX_TOPIC_BLOCK_SLOTS, (uint64_t)slots * 64, 4096 },
	};
	struct plx_writer_blocks parts;

	assert_int_equal(plx_segment_create(&made.seg, "memfd", name, plx_segment_need(blocks, 4), 0), 0);
	assert_int_equal(plx_segment_format(&made.seg, PLX_KIND_TOPIC, PLX_TOPIC_VERSION, name, blocks, 4),
			 0);
	made.head = plx_segment_block(&made.seg, PLX_TOPIC_BLOCK_HEAD, NULL);
	made.log = plx_segment_block(&made.seg, PLX_TOPIC_BLOCK_LOG, NULL);
	made.bitmap = plx_segment_block(&made.seg, PLX_TOPIC_BLOCK_BITMAP, NULL);
	made.head->depth = depth;
	made.head->slots = slots;
	made.head->slot_size = 64;
	made.head->stride = 64;
	made.head->quota = 4;
	parts = (struct plx_writer_blocks){ made.head, made.log, made.bitmap,
					    plx_segment_block(&made.seg, PLX_TOPIC_BLOCK_SLOTS, NULL) };
	assert_int_equal(plx_writer_init(&made.writer, &parts), 0);
	assert_int_equal(plx_segment_info(&made.seg, &made.info), 0);
	return made;
}

/* Publish a message of @length bytes in a slot. */
static inline void made_put(struct made *made, uint32_t length)
{
	uint32_t slot = plx_writer_claim(&made->writer);

	assert_true(slot != PLX_SLOT_NONE && plx_writer_room(&made->writer));
	plx_writer_put(&made->writer, slot, length, 0, 0);
}

static inline void made_close(struct made *made)
{
	plx_writer_fini(&made->writer);
	plx_segment_close(&made->seg);
}

struct made_link {
	struct plx_segment seg;
	struct plx_link *link;
	uint64_t *pins;
};

static inline struct made_link make_link(const struct made *made)
{
	struct made_link link = { .seg = PLX_SEGMENT_NONE };
	const struct plx_block blocks[] = {
		{ PLX_LINK_BLOCK_LINK, sizeof(struct plx_link), 0 },
		{ PLX_LINK_BLOCK_PINS, plx_topic_bitmap_size(made->head->slots), 0 },
	};

	assert_int_equal(plx_segment_create(&link.seg, "memfd", "link", plx_segment_need(blocks, 2), 0), 0);
	assert_int_equal(plx_segment_format(&link.seg, PLX_KIND_LINK, PLX_LINK_VERSION, "link", blocks, 2),
			 0);
	link.link = plx_segment_block(&link.seg, PLX_LINK_BLOCK_LINK, NULL);
	link.pins = plx_segment_block(&link.seg, PLX_LINK_BLOCK_PINS, NULL);
	link.link->publisher = made->info.id;
	link.link->pid = getpid();
	link.link->slots = made->head->slots;
	link.link->quota = 4;
	return link;
}

/* What tools see of a segment of ours: found through /proc, copied. */
static inline struct plx_segment look_at(const struct plx_segment *seg)
{
	struct plx_segment copy;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", seg->fd);
	assert_int_equal(plx_inspect_file(&copy, path), 0);
	return copy;
}

#endif

/*
 * look.c - one consistent look at the log of a publisher that works on.
 *
 * The publisher moves its tail before it frees a slot, keeps it, or overwrites an entry, and it takes a slot out of the
 * free ones long before it publishes it. So of each message between the later tail and the earlier head we know, whatever happened
 * while we copied: its entry is whole, and its slot was neither free nor kept. Only the two bitmaps can be of
 * different moments; who compares them looks again.
 */
#include "topic/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/inspect.h>

#include "base/atomic.h"
#include "base/size.h"
#include "base/sys.h"

int plx_look_bytes(const struct plx_segment *seg, uint64_t off, void *to, uint64_t size)
{
	unsigned char *at = to;

	if (!plx_size_inside(off, size, seg->size))
		return -ERANGE;
	if (seg->fd < 0) {
		plx_copy_once(to, (const unsigned char *)seg->base + off, size);
		return 0;
	}
	while (size > 0) {
		ssize_t n = plx_sys_read_at(seg->fd, at, size, off);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ERANGE;
		at += n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* Where a block begins; its size. */
static int block(const struct plx_segment *seg, const char *name, uint64_t *off, uint64_t *size)
{
	const unsigned char *at = plx_segment_block(seg, name, size);

	if (!at)
		return -EBADMSG;
	*off = (uint64_t)(at - (const unsigned char *)seg->base);
	return 0;
}

static int same_line(const struct plx_topic_head *a, const struct plx_topic_head *b)
{
	return memcmp(a, b, PLX_LINE) == 0;
}

/*
 * Make the copy one of a publisher that paused: see above. @last is the second look at the head block, @head_last what
 * head was after it: of an honest log, no tail is ahead of a head read later.
 */
static void freeze(struct plx_look *look, const struct plx_topic_head *last, uint64_t head_last)
{
	uint64_t head = look->head.head, tail = last->tail, mask = look->head.depth - 1;

	look->head_last = head_last;
	if ((int64_t)(head_last - tail) < 0)
		head = head_last; /* never true of a log; the checker says so */
	else if ((int64_t)(last->head - tail) > (int64_t)look->head.depth)
		head = last->head; /* nor is this */
	else if ((int64_t)(head - tail) < 0)
		head = tail; /* all of it went by while we looked */
	for (uint64_t i = 0; i <= mask; i++) {
		uint64_t position = look->log[i].sequence - 1;

		/* some more than head says: their sequences are stored before it */
		if (position - head < head_last - head + PLX_TOPIC_AHEAD && (position & mask) == i)
			look->log[i].sequence = 0;
	}
	look->head.end_position = last->end_position;
	if ((last->attention & PLX_ATTENTION_ENDED) && last->end_position == head_last)
		look->head.end_position = head;
	look->head.head = head;
	look->head.tail = tail;
	look->head.bytes = last->bytes;
	look->head.hand = last->hand;
	look->head.attention = last->attention;
	look->head.end_reason = last->end_reason;
	memcpy(&look->head.waited, &last->waited, sizeof(*last) - offsetof(struct plx_topic_head, waited));
}

static int take(struct plx_look *look, const struct plx_segment *seg, const char **why)
{
	uint64_t head_off, log_off, bitmap_off, slots_off;
	struct plx_topic_head last;
	uint64_t head_last = 0;
	int ret;

	*why = "topic: a block is missing";
	if (block(seg, PLX_TOPIC_BLOCK_HEAD, &head_off, &look->parts.head_size) < 0 ||
	    block(seg, PLX_TOPIC_BLOCK_LOG, &log_off, &look->parts.log_size) < 0 ||
	    block(seg, PLX_TOPIC_BLOCK_BITMAP, &bitmap_off, &look->parts.bitmap_size) < 0 ||
	    block(seg, PLX_TOPIC_BLOCK_SLOTS, &slots_off, &look->parts.slots_size) < 0)
		return -EBADMSG;
	*why = "topic: the head block is too small";
	if (look->parts.head_size < sizeof(last))
		return -EBADMSG;
	ret = plx_look_bytes(seg, head_off, &look->head, sizeof(look->head));
	look->parts.head = &look->head;
	if (ret == 0)
		ret = plx_geometry_check(&look->parts, why);
	if (ret < 0)
		return ret;
	/* the checked geometry bounds both: 64 MiB and 4 MiB */
	look->parts.log_size = (uint64_t)look->head.depth * sizeof(struct plx_entry);
	look->parts.bitmap_size = 2 * plx_topic_bitmap_size(look->head.slots);
	look->log = malloc(look->parts.log_size);
	look->bitmap = malloc(look->parts.bitmap_size);
	if (!look->log || !look->bitmap)
		return -ENOMEM;
	look->parts.log = look->log;
	look->parts.bitmap = look->bitmap;

	/* now, close together: head, log, bitmaps, head and tail, head */
	ret = plx_look_bytes(seg, head_off, &last, sizeof(last));
	if (ret == 0) {
		look->head.head = last.head;
		ret = plx_look_bytes(seg, log_off, look->log, look->parts.log_size);
	}
	if (ret == 0)
		ret = plx_look_bytes(seg, bitmap_off, look->bitmap, look->parts.bitmap_size);
	if (ret == 0)
		ret = plx_look_bytes(seg, head_off, &last, sizeof(last));
	if (ret == 0)
		ret = plx_look_bytes(seg, head_off + offsetof(struct plx_topic_head, head), &head_last, 8);
	if (ret < 0)
		return ret;
	*why = "topic: the geometry changes";
	if (!same_line(&look->head, &last))
		return -EBADMSG;
	freeze(look, &last, head_last);
	return 0;
}

int plx_look_take(struct plx_look *look, const struct plx_segment *seg, const char **why)
{
	struct plx_segment_info info;
	int ret = plx_segment_info(seg, &info);

	*look = (struct plx_look){ .log = NULL };
	*why = "segment: the header is damaged";
	if (ret < 0)
		return ret;
	*why = "not a topic, or of another version";
	if (info.kind != PLX_KIND_TOPIC || info.version != PLX_TOPIC_VERSION)
		return -EPROTO;
	ret = take(look, seg, why);
	if (ret < 0)
		plx_look_free(look);
	return ret;
}

void plx_look_free(struct plx_look *look)
{
	free(look->log);
	free(look->bitmap);
	look->log = NULL;
	look->bitmap = NULL;
}

/*
 * inspect.c - topics and links as tools see them, and every invariant of a segment.
 *
 * All of it works on copies (snapshot.c, look.c): a value is read once, and what was checked is what is shown. A living
 * publisher moves while it is looked at. Most invariants hold of a look whatever it does; for the others we look again,
 * at moments of which it knows nothing, and believe only in what is wrong every time.
 */
#include <plx/inspect.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/channel.h>
#include <plx/pool.h>
#include <plx/publisher.h>
#include <plx/table.h>
#include <plx/workers.h>

#include "base/atomic.h"
#include "base/sys.h"
#include "topic/handshake_layout.h"
#include "topic/look.h"

#define LOOKS_MAX 16
#define LOOK_PAUSE                                                                                           \
	UINT64_C(500000) /* nanoseconds before the second look; each pause is longer by as much again */

static bool test_bit(const uint64_t *bits, uint32_t i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static uint32_t clamp(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* ---- topic --------------------------------------------------------------------------------------- */

/* Which state each slot is in; a slot that says several things at once gets the one that matters most. */
static void take_slots(struct plx_topic_view *view, const struct plx_look *look)
{
	const uint64_t *kept = look->bitmap + plx_topic_bitmap_size(view->slots) / 8;

	for (uint32_t slot = 0; slot < view->slots; slot++) {
		view->slot_state[slot] = test_bit(kept, slot) ? PLX_SLOT_RETURNS : PLX_SLOT_LOANED;
		if (test_bit(look->bitmap, slot) || plx_topic_hand_has(look->head.hand, slot))
			view->slot_state[slot] = PLX_SLOT_FREE;
	}
	if (view->head - view->tail > view->depth) /* no window to look at */
		return;
	for (uint64_t pos = view->tail; pos != view->head; pos++) {
		uint32_t slot = (uint32_t)look->log[pos & (view->depth - 1)].place;

		if (slot < view->slots)
			view->slot_state[slot] = PLX_SLOT_WINDOW;
	}
}

static void count_slots(struct plx_topic_view *view)
{
	view->slots_free = view->slots_loaned = view->slots_window = view->slots_pinned = 0;
	for (uint32_t slot = 0; slot < view->slots; slot++) {
		switch (view->slot_state[slot]) {
		case PLX_SLOT_FREE: view->slots_free++; break;
		case PLX_SLOT_LOANED: view->slots_loaned++; break;
		case PLX_SLOT_WINDOW: view->slots_window++; break;
		case PLX_SLOT_PINNED: view->slots_pinned++; break;
		default: break;
		}
	}
}

static void take_figures(struct plx_topic_view *view, const struct plx_look *look)
{
	const struct plx_topic_head *head = &look->head;

	view->head = head->head;
	view->tail = head->tail;
	view->bytes = head->bytes;
	view->waited = head->waited;
	view->woken = head->woken;
	view->depth = head->depth;
	view->slots = head->slots;
	view->slot_size = head->slot_size;
	view->history = head->history;
	view->quota = head->quota;
	view->type = head->type;
	view->subscribers = clamp(head->subscribers);
	view->subscribers_max = head->subscribers_max;
	view->joined = clamp(head->joined);
	view->left = clamp(head->left);
	view->lost = clamp(head->lost);
	view->refused = clamp(head->refused);
	view->ended = (head->attention & PLX_ATTENTION_ENDED) != 0;
	view->waiting = (head->attention & PLX_ATTENTION_WAITING) != 0;
	view->end_reason = view->ended ? (int32_t)head->end_reason : 0;
	view->stamped = (head->flags & PLX_TOPIC_STAMPED) != 0;
}

int plx_inspect_topic(const struct plx_segment *seg, struct plx_topic_view *view)
{
	struct plx_segment_info info;
	struct plx_look look;
	const char *why;
	int ret;

	*view = (struct plx_topic_view){ .slot_state = NULL };
	ret = plx_segment_info(seg, &info);
	if (ret == 0)
		ret = plx_look_take(&look, seg, &why);
	if (ret < 0)
		return ret;
	memcpy(view->topic, info.name, sizeof(info.name));
	view->id = info.id;
	view->publisher = (int32_t)info.creator;
	take_figures(view, &look);
	view->slot_state = calloc((size_t)view->slots + 1, 1);
	if (view->slot_state) {
		take_slots(view, &look);
		count_slots(view);
		view->head = look.head_last;
	}
	plx_look_free(&look);
	return view->slot_state ? 0 : -ENOMEM;
}

bool plx_inspect_has_message(const struct plx_segment *seg, uint64_t position)
{
	struct plx_segment_info info;
	const unsigned char *log;
	struct plx_look look;
	const char *why;
	uint64_t sequence = 0;

	if (plx_segment_info(seg, &info) < 0 || plx_look_take(&look, seg, &why) < 0)
		return false;
	log = plx_segment_block(seg, PLX_TOPIC_BLOCK_LOG, NULL);
	if (!log || plx_look_bytes(seg,
				   (uint64_t)(log - (const unsigned char *)seg->base) +
					   (position & (look.head.depth - 1)) * sizeof(struct plx_entry),
				   &sequence, sizeof(sequence)) < 0)
		sequence = 0;
	plx_look_free(&look);
	/* a later one in its place: it was there */
	return sequence > position;
}

void plx_inspect_topic_free(struct plx_topic_view *view)
{
	free(view->slot_state);
	view->slot_state = NULL;
}

void plx_inspect_pins(struct plx_topic_view *view, const struct plx_link_view *link)
{
	uint32_t slots = view->slots < link->slots ? view->slots : link->slots;

	for (uint32_t slot = 0; slot < slots; slot++) {
		if (link->pinned[slot] && view->slot_state[slot] == PLX_SLOT_RETURNS)
			view->slot_state[slot] = PLX_SLOT_PINNED;
	}
	count_slots(view);
}

/* ---- link ---------------------------------------------------------------------------------------- */

/* A copy of a link: its words, its pins. */
struct link_look {
	struct plx_link link;
	uint64_t *pins;
	uint64_t pins_size;
};

static int link_take(struct link_look *look, const struct plx_segment *seg, const char **why)
{
	struct plx_segment_info info;
	const unsigned char *link, *pins, *base = seg->base;
	uint64_t link_size;
	int ret = plx_segment_info(seg, &info);

	*look = (struct link_look){ .pins = NULL };
	*why = "segment: the header is damaged";
	if (ret < 0)
		return ret;
	*why = "not a link, or of another version";
	if (info.kind != PLX_KIND_LINK || info.version != PLX_LINK_VERSION)
		return -EPROTO;
	link = plx_segment_block(seg, PLX_LINK_BLOCK_LINK, &link_size);
	pins = plx_segment_block(seg, PLX_LINK_BLOCK_PINS, &look->pins_size);
	*why = "link: a block is missing or too small";
	if (!link || !pins || link_size < sizeof(look->link) || look->pins_size % 8)
		return -EBADMSG;
	*why = "link: more pins than a topic can have slots";
	if (look->pins_size > plx_topic_bitmap_size(PLX_SLOTS_MAX))
		return -EBADMSG;
	look->pins = malloc(look->pins_size ? look->pins_size : 8);
	if (!look->pins)
		return -ENOMEM;
	ret = plx_look_bytes(seg, (uint64_t)(link - base), &look->link, sizeof(look->link));
	if (ret == 0)
		ret = plx_look_bytes(seg, (uint64_t)(pins - base), look->pins, look->pins_size);
	if (ret == 0 && (look->link.slots == 0 || look->link.slots > PLX_SLOTS_MAX ||
			 plx_topic_bitmap_size(look->link.slots) > look->pins_size)) {
		*why = "link: pins do not fit their block";
		ret = -EBADMSG;
	}
	if (ret < 0)
		free(look->pins);
	return ret;
}

int plx_inspect_link(const struct plx_segment *seg, struct plx_link_view *view)
{
	struct link_look look;
	const char *why;
	int ret = link_take(&look, seg, &why);

	*view = (struct plx_link_view){ .pinned = NULL };
	if (ret < 0)
		return ret;
	view->publisher_id = look.link.publisher;
	view->subscriber = look.link.pid;
	view->reading = look.link.reading;
	view->start = look.link.start;
	view->cursor = look.link.cursor;
	view->lost = look.link.lost;
	view->taken = look.link.taken;
	view->bytes = look.link.bytes;
	view->quota = look.link.quota;
	view->slots = look.link.slots;
	view->sleeping = (look.link.sleep & 1) != 0;
	view->pinned = calloc(view->slots, 1);
	for (uint32_t slot = 0; view->pinned && slot < view->slots; slot++) {
		view->pinned[slot] = test_bit(look.pins, slot);
		view->pins += view->pinned[slot];
	}
	free(look.pins);
	return view->pinned ? 0 : -ENOMEM;
}

void plx_inspect_link_free(struct plx_link_view *view)
{
	free(view->pinned);
	view->pinned = NULL;
}

/* ---- checking ------------------------------------------------------------------------------------ */

/* Slots that were free and kept at each look so far. */
struct doubts {
	uint64_t *slots; /* NULL before the first look */
	uint64_t words;
};

/* What one look says of it: 0, -EBADMSG with *why, or -errno. */
typedef int (*look_once)(const struct plx_segment *seg, struct doubts *doubts, const char **why);

/*
 * The two bitmaps are copied one after the other, so a slot that changes just then shows in both. Only those that show
 * in both at each look stay.
 */
static int forgive_slots(struct plx_look *look, struct doubts *doubts, const char **why)
{
	uint64_t words = plx_topic_bitmap_size(look->head.slots) / 8;
	uint64_t *spare = look->bitmap, *kept = look->bitmap + words;
	bool first = !doubts->slots;

	if (first) {
		doubts->slots = calloc(words, sizeof(uint64_t));
		doubts->words = words;
	}
	if (!doubts->slots)
		return -ENOMEM;
	*why = "topic: the geometry changes";
	if (words != doubts->words)
		return -EBADMSG;
	for (uint64_t i = 0; i < words; i++) {
		uint64_t both = spare[i] & kept[i];

		doubts->slots[i] = first ? both : doubts->slots[i] & both;
		spare[i] &= ~(both & ~doubts->slots[i]);
	}
	return 0;
}

static int look_at_topic(const struct plx_segment *seg, struct doubts *doubts, const char **why)
{
	struct plx_look look;
	int ret = plx_look_take(&look, seg, why);

	if (ret < 0)
		return ret;
	ret = forgive_slots(&look, doubts, why);
	if (ret == 0)
		ret = plx_log_check(&look.parts, why);
	plx_look_free(&look);
	return ret;
}

static int look_at_link(const struct plx_segment *seg, struct doubts *doubts, const char **why)
{
	struct link_look look;
	int ret = link_take(&look, seg, why);

	(void)doubts;
	if (ret < 0)
		return ret;
	ret = plx_link_check(&look.link, look.pins, look.pins_size, why);
	free(look.pins);
	return ret;
}

static int look_at_workers(const struct plx_segment *seg, struct doubts *doubts, const char **why)
{
	(void)doubts;
	return plx_workers_check(seg, why);
}

/* Look until all is well; broken is what is broken each time. */
static int look_often(const struct plx_segment *seg, look_once once, const char **why)
{
	struct doubts doubts = { .slots = NULL };
	int ret = 0;

	for (uint64_t i = 0; i < LOOKS_MAX; i++) {
		if (i > 0 && plx_sys_poll(NULL, 0, LOOK_PAUSE * i, NULL) < 0) {
			/* a signal cuts the pause short: fine */
		}
		ret = once(seg, &doubts, why);
		if (ret != -EBADMSG)
			break;
	}
	free(doubts.slots);
	return ret;
}

/* What looking says when it is not the segment's fault but the file's: it shrank, or cannot be read. */
static int judged(int ret, const char **why)
{
	switch (ret) {
	case 0:
	case -EBADMSG:
	case -ENOMEM: return ret;
	case -ERANGE: *why = "segment: it became smaller while we looked"; break;
	case -EPROTO: *why = "segment: a kind or version this tool does not know"; break;
	default: *why = "segment: it could not be read"; break;
	}
	return -EBADMSG;
}

/* Every block that is a table. */
static int check_tables(const struct plx_segment *seg, uint32_t blocks, const char **why)
{
	for (uint32_t i = 0; i < blocks; i++) {
		struct plx_table table;
		char name[16];
		uint64_t size;
		const void *block = plx_segment_block_at(seg, i, name, &size);
		int ret;

		if (!block || plx_table_attach(&table, block, size) < 0)
			continue;
		ret = plx_table_check(&table, why);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Every block that is a channel. Many write a live one; what is wrong of it is wrong at each look. */
static int check_channels(const struct plx_segment *seg, uint32_t blocks, const char **why)
{
	for (uint32_t i = 0; i < blocks; i++) {
		struct plx_channel_info info;
		char name[16];
		uint64_t size;
		const void *block = plx_segment_block_at(seg, i, name, &size);
		int ret;

		if (!block || size < 8 * PLX_LINE || plx_channel_info(block, size, &info) == -EPROTO)
			continue;
		ret = plx_channel_check(block, size, why);
		for (int look = 1; look < 4 && ret < 0; look++)
			ret = plx_channel_check(block, size, why);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* A copy without its inboxes, which were too large for it, says nothing about a pool. */
static bool is_whole(const struct plx_segment *seg)
{
	uint64_t size;
	const uint64_t *inbox = plx_segment_block(seg, "inbox", &size);

	return !inbox || size <= UINT64_C(32) << 20 || plx_read_once(inbox) != 0;
}

int plx_inspect_check(const struct plx_segment *seg, const char **why)
{
	struct plx_segment_info info;
	int ret = plx_segment_check(seg, why);

	if (ret < 0)
		return ret;
	ret = plx_segment_info(seg, &info);
	if (ret < 0)
		*why = "segment: the header changes";
	if (ret == 0 && info.kind == PLX_KIND_TOPIC)
		ret = look_often(seg, look_at_topic, why);
	if (ret == 0 && info.kind == PLX_KIND_LINK)
		ret = look_often(seg, look_at_link, why);
	if (ret == 0 && info.kind == PLX_KIND_WORKERS && is_whole(seg))
		ret = look_often(seg, look_at_workers, why);
	if (ret == 0)
		ret = check_tables(seg, info.blocks, why);
	if (ret == 0)
		ret = check_channels(seg, info.blocks, why);
	return judged(ret, why);
}

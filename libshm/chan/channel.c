/*
 * channel.c - what kinds of channels there are, how large they become, and what their headers say.
 *
 * The header is written once and holds all numbers, so that a tool can walk a channel it has never heard of. Whoever
 * attaches reads it once, computes from the shape what it has to be, and compares: no number in it is used unchecked.
 */
#include "chan/channel.h"

#include <string.h>

#include "base/atomic.h"
#include "base/size.h"
#include "base/sys.h"
#include "chan/cell.h"
#include "chan/seat.h"
#include "chan/wait.h"
#include <plx/envelope.h>
#include <plx/mpmc.h>
#include <plx/process.h>

#define COUNT_DEFAULT 1024u
#define SEATS_DEFAULT 8u
#define CELLS_MIN     8u

/* ---- geometry -------------------------------------------------------------------------------------- */

static uint32_t power_of_two(uint64_t least)
{
	uint32_t x = CELLS_MIN;

	while (x < least)
		x *= 2;
	return x;
}

/* Cells such that @count elements fit although the receiver tells only once in a quarter of the ring what it took. */
static uint32_t cells_for(uint32_t count, uint32_t per)
{
	uint64_t cells = ((uint64_t)count + per - 1) / per;

	return power_of_two(cells + (cells + 2) / 3 + 2);
}

static bool many_send(uint32_t kind)
{
	return kind == PLX_CHANNEL_MPSC || kind == PLX_CHANNEL_MPMC || kind == PLX_CHANNEL_POST ||
	       kind == PLX_CHANNEL_PRIORITY;
}

static bool seats_of(uint32_t *seats, uint32_t wanted, bool many)
{
	*seats = wanted ? wanted : many ? SEATS_DEFAULT : 1;
	return *seats <= (many ? PLX_CHANNEL_SEATS_MAX : 1);
}

bool plx_geometry_of(struct plx_geometry *g, const struct plx_channel_shape *shape)
{
	uint64_t lines;

	*g = (struct plx_geometry){
		.kind = shape->kind,
		.size = shape->size,
		.per = 1,
		.lanes = 1,
		.count = shape->count ? shape->count : COUNT_DEFAULT,
	};
	if (shape->size == 0 || shape->size > PLX_CHANNEL_SIZE_MAX || g->count > PLX_CHANNEL_COUNT_MAX ||
	    !seats_of(&g->senders, shape->senders, many_send(shape->kind)) ||
	    !seats_of(&g->receivers, shape->receivers, shape->kind == PLX_CHANNEL_MPMC))
		return false;
	lines = ((uint64_t)shape->size + 8 + PLX_LINE - 1) / PLX_LINE;
	switch (shape->kind) {
	case PLX_CHANNEL_MPSC: g->lanes = g->senders; /* fall through */
	case PLX_CHANNEL_SPSC:
		g->per = shape->size <= 56 ? 56 / shape->size : 1;
		g->cells = cells_for(g->count, g->per);
		break;
	case PLX_CHANNEL_MPMC: g->cells = cells_for(g->count, 1); break;
	case PLX_CHANNEL_RING: g->cells = cells_for(g->count, 1); break;
	case PLX_CHANNEL_PRIORITY:
	case PLX_CHANNEL_POST:
		if (shape->size > 16383)
			return false; /* its length has to fit into the envelope */
		g->lanes = shape->kind == PLX_CHANNEL_POST ? g->senders : 4 * g->senders;
		lines = ((uint64_t)shape->size + 16 + PLX_LINE - 1) / PLX_LINE;
		g->cells = cells_for(g->count, 1);
		break;
	default: return false;
	}
	g->stride = shape->kind == PLX_CHANNEL_RING ? shape->size : (uint32_t)(lines * PLX_LINE);
	g->lane_stride = sizeof(struct plx_lane) +
			 (((uint64_t)g->cells * g->stride + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1));
	g->bytes = plx_lanes_off(g) + g->lanes * g->lane_stride;
	return true;
}

uint64_t plx_channel_bytes(const struct plx_channel_shape *shape)
{
	struct plx_geometry g;

	return plx_geometry_of(&g, shape) ? g.bytes : 0;
}

int plx_geometry_read(struct plx_geometry *g, const void *at, uint64_t room)
{
	struct plx_channel copy; /* only its first line is used */
	struct plx_channel_shape shape;

	if (!at || (uintptr_t)at % PLX_LINE != 0 || room < sizeof(struct plx_channel))
		return -ERANGE;
	/* CH2 acquire: pairs with CH1 */
	if (__atomic_load_n(&((const struct plx_channel *)at)->magic, __ATOMIC_ACQUIRE) != PLX_CHANNEL_MAGIC)
		return -EPROTO;
	plx_copy_once(&copy, at, PLX_LINE);
	if (copy.magic != PLX_CHANNEL_MAGIC || copy.layout != PLX_CHANNEL_LAYOUT)
		return -EPROTO;
	shape = (struct plx_channel_shape){ .kind = copy.kind,
					    .size = copy.size,
					    .count = copy.count,
					    .senders = copy.senders,
					    .receivers = copy.receivers };
	if (copy.count == 0 || copy.senders == 0 || copy.receivers == 0 || copy.reserved != 0 ||
	    !plx_geometry_of(g, &shape) || copy.stride != g->stride || copy.per != g->per ||
	    copy.cells != g->cells || copy.lanes != g->lanes || copy.lane_stride != g->lane_stride ||
	    copy.bytes != g->bytes)
		return -EBADMSG;
	return g->bytes <= room ? 0 : -ERANGE;
}

/* ---- making ---------------------------------------------------------------------------------------- */

int plx_channel_init(void *at, uint64_t room, const struct plx_channel_shape *shape)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;

	if (!at || (uintptr_t)at % PLX_LINE != 0 || !plx_geometry_of(&g, shape))
		return -EINVAL;
	if (g.bytes > room)
		return -ENOSPC;
	memset(at, 0, g.bytes);
	c->layout = PLX_CHANNEL_LAYOUT;
	c->kind = (uint16_t)g.kind;
	c->size = g.size;
	c->stride = g.stride;
	c->per = g.per;
	c->cells = g.cells;
	c->lanes = g.lanes;
	c->senders = (uint16_t)g.senders;
	c->receivers = (uint16_t)g.receivers;
	c->count = g.count;
	c->lane_stride = g.lane_stride;
	c->bytes = g.bytes;
	c->created_ns = plx_now_ns();
	for (uint64_t i = 0; i < g.cells && g.kind == PLX_CHANNEL_MPMC; i++)
		*plx_mpmc_cell(plx_cells_of(plx_lane_at(c, &g, 0)), i, g.cells - 1,
			       g.stride) = PLX_CELL(i, PLX_CELL_EMPTY);
	/* CH1 release: pairs with CH2; who sees the magic sees a whole and empty channel */
	__atomic_store_n(&c->magic, PLX_CHANNEL_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

int plx_channel_create(struct plx_segment *seg, const char *backend, const char *name, unsigned int flags,
		       const struct plx_channel_shape *shape, void **at)
{
	struct plx_block block = { .name = "channel", .size = plx_channel_bytes(shape), .align = 128 };
	uint64_t room;
	int ret;

	*seg = PLX_SEGMENT_NONE;
	*at = NULL;
	if (block.size == 0)
		return -EINVAL;
	ret = plx_segment_create(seg, backend, name, plx_segment_need(&block, 1), flags);
	if (ret < 0)
		return ret;
	ret = plx_segment_format(seg, PLX_KIND_CHANNEL, PLX_CHANNEL_LAYOUT, name, &block, 1);
	if (ret == 0)
		*at = plx_segment_block(seg, "channel", &room);
	if (ret == 0)
		ret = plx_channel_init(*at, room, shape);
	if (ret == 0 && seg->fd >= 0 && seg->backend != PLX_BACKEND_FILE) {
		ret = plx_segment_seal(seg, PLX_SEAL_LINK);
		ret = ret == -ENOTSUP ? 0 : ret; /* huge pages: for children only */
	}
	if (ret < 0) {
		plx_segment_close(seg);
		*at = NULL;
	}
	return ret;
}

void *plx_channel_in(const struct plx_segment *seg, uint64_t *room)
{
	return plx_segment_block(seg, "channel", room);
}

/* ---- closing --------------------------------------------------------------------------------------- */

void plx_channel_close(void *at)
{
	struct plx_channel *c = (struct plx_channel *)at;

	__atomic_fetch_or(&c->to_senders, PLX_CHANNEL_CLOSED, __ATOMIC_SEQ_CST);
	/* senders in the middle of something will see it after that */
	plx_chan_fence();
	plx_chan_wake_all(c, true);
	plx_chan_wake_all(c, false);
}

void plx_channel_gone(struct plx_channel *c)
{
	__atomic_fetch_or(&c->to_senders, PLX_CHANNEL_GONE, __ATOMIC_SEQ_CST);
	plx_chan_fence();
	plx_chan_wake_all(c, false);
}

/* ---- totals ---------------------------------------------------------------------------------------- */

static uint64_t word_of(const struct plx_geometry *g, struct plx_lane *lane, uint64_t cell)
{
	return plx_read_once((uint64_t *)(void *)(plx_cells_of(lane) + (cell & (g->cells - 1)) * g->stride));
}

uint64_t plx_lane_full(const struct plx_geometry *g, struct plx_lane *lane)
{
	uint64_t tail = plx_read_once(&lane->tail), end = tail + g->cells;

	/* tail is told now and then: the cells say the rest */
	while (tail < end && word_of(g, lane, tail) == ((tail + 1) << 8 | g->per))
		tail++;
	return tail;
}

uint64_t plx_lane_sent(const struct plx_geometry *g, struct plx_lane *lane)
{
	uint64_t tail, word;

	if (g->kind == PLX_CHANNEL_RING)
		return plx_read_once(&lane->tail);
	if (g->kind == PLX_CHANNEL_POST || g->kind == PLX_CHANNEL_PRIORITY) {
		tail = plx_read_once(&lane->tail);
		for (uint64_t end = tail + g->cells;
		     tail < end && PLX_POST_LAP(word_of(g, lane, tail)) == ((tail / g->cells + 1) & 0x7f);)
			tail++;
		return tail;
	}
	tail = plx_lane_full(g, lane);
	word = word_of(g, lane, tail);
	return tail * g->per + (word >> 8 == tail + 1 ? word & 255 : 0);
}

static void add_seats(struct plx_channel_stats *stats, const struct plx_channel *c,
		      const struct plx_geometry *g)
{
	for (uint32_t i = 0; i < g->senders + g->receivers; i++) {
		struct plx_seat *seat = plx_seat_at(c, true, i, g->senders);

		stats->full += plx_read_once(&seat->full);
		stats->empty += plx_read_once(&seat->empty);
		stats->parked += plx_read_once(&seat->parked);
		stats->overslept += plx_read_once(&seat->overslept);
		stats->sent += plx_read_once(&seat->sent);
		stats->received += plx_read_once(&seat->received);
	}
}

int plx_channel_info(const void *at, uint64_t room, struct plx_channel_info *info)
{
	const struct plx_channel *c = (const struct plx_channel *)at;
	struct plx_channel_stats *stats = &info->stats;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*info = (struct plx_channel_info){ .cells = 0 };
	if (ret < 0)
		return ret;
	*info = (struct plx_channel_info){
		.shape = { .kind = g.kind,
			   .size = g.size,
			   .count = g.count,
			   .senders = (uint16_t)g.senders,
			   .receivers = (uint16_t)g.receivers },
		.cells = g.cells,
		.per = g.per,
		.lanes = g.lanes,
		.senders = plx_seats_taken(c, &g, true),
		.receivers = plx_seats_taken(c, &g, false),
		.closed = plx_read_once(&c->to_senders) & PLX_CHANNEL_CLOSED,
	};
	add_seats(stats, c, &g);
	stats->skipped = plx_read_once(&c->skipped);
	stats->buried = plx_read_once(&c->buried);
	stats->woken = plx_read_once(&c->woken);
	for (uint32_t i = 0; i < g.lanes && g.kind != PLX_CHANNEL_MPMC; i++) {
		struct plx_lane *lane = plx_lane_at(c, &g, i);

		stats->received += plx_read_once(&lane->taken); /* first: never more than were sent */
		stats->sent += plx_lane_sent(&g, lane);
	}
	return 0;
}

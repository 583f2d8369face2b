/* channel.h - a checked view of a channel's geometry, and where its parts are. */
#ifndef CHAN_CHANNEL_H
#define CHAN_CHANNEL_H

#include "chan/channel_layout.h"

/* Read once from the header, and checked. */
struct plx_geometry {
	uint32_t kind, size, stride, per, cells, lanes, senders, receivers, count;
	uint64_t lane_stride, bytes;
};

/** plx_geometry_of() - what a shape comes to. Return: false when there is no such shape. */
bool plx_geometry_of(struct plx_geometry *g, const struct plx_channel_shape *shape);

/** plx_geometry_read() - what a header says. Return: 0, -EPROTO, -ERANGE, -EBADMSG. */
int plx_geometry_read(struct plx_geometry *g, const void *at, uint64_t room) plx_must_check;

static inline uint64_t plx_lanes_off(const struct plx_geometry *g)
{
	return sizeof(struct plx_channel) + (uint64_t)(g->senders + g->receivers) * sizeof(struct plx_seat);
}

static inline struct plx_seat *plx_seat_at(const struct plx_channel *c, bool sender, uint32_t number,
					   uint32_t senders)
{
	struct plx_seat *seats = (struct plx_seat *)(void *)((unsigned char *)(uintptr_t)c + sizeof(*c));

	return &seats[sender ? number : senders + number];
}

static inline struct plx_lane *plx_lane_at(const struct plx_channel *c, const struct plx_geometry *g,
					   uint32_t lane)
{
	return (struct plx_lane *)(void *)((unsigned char *)(uintptr_t)c + plx_lanes_off(g) +
					   lane * g->lane_stride);
}

static inline unsigned char *plx_cells_of(struct plx_lane *lane)
{
	return (unsigned char *)(lane + 1);
}

/** plx_channel_gone() - nobody will receive any more. */
void plx_channel_gone(struct plx_channel *c);

/* Cells of a lane of packed cells that are full, or were; its tail may not say it yet. */
uint64_t plx_lane_full(const struct plx_geometry *g, struct plx_lane *lane);
/* Elements of a lane, messages: sent so far. */
uint64_t plx_lane_sent(const struct plx_geometry *g, struct plx_lane *lane);

#endif

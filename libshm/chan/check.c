/*
 * check.c - is a channel what it ought to be?
 *
 * Right of a live channel, too: what is compared is loaded in the order in which it can only grow apart in the allowed
 * direction. Nothing is believed, so it may be asked of a copy of anything.
 */
#include <string.h>

#include "base/atomic.h"
#include "chan/channel.h"
#include "chan/seat.h"
#include <plx/envelope.h>
#include <plx/mpmc.h>

static uint64_t word_of(const struct plx_geometry *g, struct plx_lane *lane, uint64_t cell)
{
	return __atomic_load_n((uint64_t *)(void *)(plx_cells_of(lane) + (cell & (g->cells - 1)) * g->stride),
			       __ATOMIC_ACQUIRE);
}

/* A lane of packed cells. */
static const char *packed_fault(const struct plx_geometry *g, struct plx_lane *lane)
{
	uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
	uint64_t taken = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);
	uint64_t tail, sent, highest = 0;

	/* a cell's number says to which place it belongs */
	for (uint64_t i = 0; i < g->cells; i++) {
		uint64_t word = word_of(g, lane, i), number = word >> 8;

		if (word == 0)
			continue;
		if (number == 0 || ((number - 1) & (g->cells - 1)) != i)
			return "a cell has the number of another place";
		if ((word & 255) == 0 || (word & 255) > g->per)
			return "a cell says that it holds none, or more than it can";
		highest = number > highest ? number : highest;
	}
	tail = plx_lane_full(g, lane);
	sent = plx_lane_sent(g, lane);
	if (taken > sent)
		return "more was taken than was sent";
	if (head * g->per > taken)
		return "a cell was given back before it was taken";
	if (highest > tail + 1)
		return "a cell lies beyond the tail";
	/* all may have moved on since head was loaded, but not beyond what the sender has seen of it by now */
	head = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
	if (tail > head + g->cells)
		return "the tail is more than a lap ahead";
	return NULL;
}

/* A lane of envelopes: each cell is of this lap or of the one before. */
static const char *post_fault(const struct plx_geometry *g, struct plx_lane *lane)
{
	uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
	uint64_t taken = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE), sent;

	for (uint64_t p = taken; p < tail && p - taken < g->cells; p++) {
		uint64_t word = word_of(g, lane, p);

		/* unless it has come round since */
		if (__atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE) > p)
			continue;
		if (PLX_POST_LAP(word) != ((p / g->cells + 1) & 0x7f))
			return "a message that was sent is not of this lap";
		if ((word >> 40 & 0x3fff) > g->size)
			return "a message is longer than there is room for";
	}
	if (tail > __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE) + g->cells)
		return "the tail is more than a lap ahead";
	sent = plx_lane_sent(g, lane);
	if (taken > sent)
		return "more was taken than was sent";
	if (head > taken)
		return "a cell was given back before it was taken";
	return NULL;
}

/* A ring: three numbers, in order. */
static const char *ring_fault(const struct plx_geometry *g, struct plx_lane *lane)
{
	uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
	uint64_t taken = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&lane->tail, __ATOMIC_ACQUIRE);

	if (taken > tail)
		return "more was taken than was sent";
	if (head > taken)
		return "an element was given back before it was taken";
	if (tail > __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE) + g->cells)
		return "the tail is more than a lap ahead";
	return NULL;
}

/* Cells of an MPMC channel: position and state go together, and who has claimed one has a seat. */
static const char *cells_fault(const struct plx_geometry *g, struct plx_lane *lane)
{
	for (uint64_t i = 0; i < g->cells; i++) {
		uint64_t word = word_of(g, lane, i), state = PLX_CELL_STATE(word);

		if ((PLX_CELL_POSITION(word) & (g->cells - 1)) != i)
			return "a cell has the position of another place";
		if ((state == PLX_CELL_EMPTY || state == PLX_CELL_FULL) && (word & 0xff3f) != 0)
			return "a cell that nobody has claimed has an owner";
		if ((state == PLX_CELL_WRITING && (word & 63) >= g->senders) ||
		    (state == PLX_CELL_READING && (word & 63) >= g->receivers))
			return "a cell was claimed from a seat that is not there";
	}
	return NULL;
}

static const char *seats_fault(const struct plx_channel *c, const struct plx_geometry *g)
{
	uint64_t senders = g->senders == 64 ? UINT64_MAX : (1ull << g->senders) - 1;
	uint64_t receivers = g->receivers == 64 ? UINT64_MAX : (1ull << g->receivers) - 1;

	if (plx_read_once(&c->to_senders) & ~(receivers | PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))
		return "somebody sleeps in a receiver's seat that is not there";
	if (plx_read_once(&c->to_receivers) & ~senders)
		return "somebody sleeps in a sender's seat that is not there";
	for (uint32_t i = 0; i < g->senders + g->receivers; i++) {
		uint64_t owner = plx_read_once(&plx_seat_at(c, true, i, g->senders)->owner);

		if (PLX_OWNER_PID(owner) == 0 && PLX_OWNER_START(owner) != 0)
			return "a seat has a start time and no process";
	}
	return NULL;
}

static const char *fault_of(const void *at, uint64_t room)
{
	const struct plx_channel *c = (const struct plx_channel *)at;
	struct plx_geometry g;
	const char *fault;

	switch (plx_geometry_read(&g, at, room)) {
	case 0: break;
	case -EPROTO: return "no magic: not a channel, or not a whole one";
	case -ERANGE: return "the channel is larger than the room it has";
	default: return "the header contradicts itself";
	}
	fault = seats_fault(c, &g);
	for (uint32_t i = 0; i < g.lanes && !fault; i++) {
		struct plx_lane *lane = plx_lane_at(c, &g, i);

		switch (g.kind) {
		case PLX_CHANNEL_SPSC:
		case PLX_CHANNEL_MPSC: fault = packed_fault(&g, lane); break;
		case PLX_CHANNEL_POST:
		case PLX_CHANNEL_PRIORITY: fault = post_fault(&g, lane); break;
		case PLX_CHANNEL_RING: fault = ring_fault(&g, lane); break;
		case PLX_CHANNEL_MPMC: fault = cells_fault(&g, lane); break;
		}
	}
	return fault;
}

int plx_channel_check(const void *at, uint64_t room, const char **why)
{
	const char *fault = fault_of(at, room);

	if (fault && why)
		*why = fault;
	return fault ? -EBADMSG : 0;
}

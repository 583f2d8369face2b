/* seat.h - who has an end of a channel: taken, given back, and taken from the dead, each by one compare-and-swap. */
#ifndef CHAN_SEAT_H
#define CHAN_SEAT_H

#include "base/atomic.h"
#include "chan/channel.h"

/*
 * The owner word: pid in bits 0 ... 21, the low bits of its start time (ticks since boot) in 22 ... 47, generation in
 * 48 ... 63. All in one word, so that there is no moment in which a seat is half taken.
 */
#define PLX_OWNER_PID(owner)   ((uint32_t)((owner)&0x3fffff))
#define PLX_OWNER_START(owner) ((uint32_t)((owner) >> 22 & 0x3ffffff))
#define PLX_OWNER_GEN(owner)   ((uint32_t)((owner) >> 48))

/**
 * plx_seat_take() - a free seat of one side, from number @from to before @to; the dead are looked for when all are taken.
 *
 * Return: 0 and @end filled in; -EBUSY, -ESHUTDOWN (a sender, and the channel is closed), -EPIPE (no receivers any more).
 */
int plx_seat_take(struct plx_end *end, struct plx_channel *c, const struct plx_geometry *g, bool sender,
		  uint32_t from, uint32_t to, uint32_t source) plx_must_check;

/** plx_seat_leave() - give it back, if it is still ours; @end is closed. */
void plx_seat_leave(struct plx_end *end);

/** plx_owner_alive() - does the process that took a seat live? A free seat's does not. */
bool plx_owner_alive(uint64_t owner);

/** plx_seats_taken() - how many of one side; looks for nobody's death. */
uint32_t plx_seats_taken(const struct plx_channel *c, const struct plx_geometry *g, bool sender);

#endif

/* post.h - envelopes, lane by lane: for receivers that look after their lanes themselves, and for those who come after the dead. */
#ifndef CHAN_POST_H
#define CHAN_POST_H

#include <plx/envelope.h>

#include "chan/channel.h"

/** plx_post_ways() - a sender's view of the lanes of seat @number; its end has that seat already. */
void plx_post_ways(struct plx_post_sender *tx, struct plx_channel *c, const struct plx_geometry *g,
		   uint32_t number);
/** plx_post_lanes() - a receiver's view of all lanes; its end has a seat already, or knows the channel and no more. */
void plx_post_lanes(struct plx_post_receiver *rx, struct plx_channel *c, const struct plx_geometry *g);

/** plx_post_holds() - is there something in that lane? */
static inline bool plx_post_holds(const struct plx_post_receiver *rx, uint32_t lane)
{
	const struct plx_post_from *from = &rx->from[lane];
	/* PO2 acquire: pairs with PO1 */
	uint64_t word = __atomic_load_n((const uint64_t *)(const void *)from->at, __ATOMIC_ACQUIRE);

	return PLX_POST_LAP(word ^ from->lap) == 0;
}

/** plx_post_pass() - the lane that was peeked at is left alone, and waits, until plx_post_pass_none(). */
static inline void plx_post_pass(struct plx_post_receiver *rx)
{
	rx->passed[rx->current / 64] |= 1ull << (rx->current % 64);
	rx->turn = 0;
}

void plx_post_pass_none(struct plx_post_receiver *rx);

/** plx_post_turn() - the next @turn messages, or less, come from lane @number, where there is at least one. */
void plx_post_turn(struct plx_post_receiver *rx, uint32_t number, uint32_t turn);
/** plx_post_progress() - how many it took so far: for a struct plx_chan_question. */
const uint64_t *plx_post_progress(struct plx_post_receiver *rx);

/** plx_post_any() - is there something in a lane that is not passed over? A question for plx_chan_wait(). */
bool plx_post_any(void *rx);
/** plx_post_tell_all() - each sender knows of all the room there is: before we sleep. */
void plx_post_tell_all(struct plx_post_receiver *rx);

#endif

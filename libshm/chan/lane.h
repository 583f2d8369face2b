/* lane.h - one sender's way to one receiver: what SPSC channels are, and MPSC channels have many of. */
#ifndef CHAN_LANE_H
#define CHAN_LANE_H

#include "chan/channel.h"
#include <plx/spsc.h>

/** plx_lane_send(), plx_lane_receive() - views of lane @number; their end has a seat already. */
void plx_lane_send(struct plx_spsc_sender *tx, struct plx_channel *c, const struct plx_geometry *g,
		   uint32_t number);
void plx_lane_receive(struct plx_spsc_receiver *rx, struct plx_channel *c, const struct plx_geometry *g,
		      uint32_t number);

/** plx_lane_told() - does the sender know of all the room there is? */
bool plx_lane_told(struct plx_spsc_receiver *rx);
/** plx_lane_holds() - is there something to take? Changes nothing. */
bool plx_lane_holds(const struct plx_spsc_receiver *rx);

/** plx_sender_has_room() - a question for plx_chan_wait(); of a struct plx_spsc_sender. */
bool plx_sender_has_room(void *of);
int plx_sender_wait(struct plx_spsc_sender *tx, uint64_t timeout_ns) plx_must_check;
/** plx_sender_refuse() - this sender has understood that the channel is closed. */
void plx_sender_refuse(struct plx_end *end);

/** plx_senders_ended(), plx_receivers_ended() - 0, or why nothing more comes, or goes: -ESHUTDOWN, -EPIPE. */
int plx_senders_ended(struct plx_end *end, uint32_t senders) plx_must_check;
int plx_receivers_ended(struct plx_end *end) plx_must_check;

#endif

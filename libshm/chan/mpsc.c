/*
 * mpsc.c - many senders, one receiver: the lanes, and how the receiver goes round them.
 *
 *	sender 0 -> lane 0 \
 *	sender 1 -> lane 1  > receiver: at most PLX_MPSC_TURN of one, then of the next
 *	sender 2 -> lane 2 /
 *
 * A lane is an SPSC channel without seats of its own. Senders have nothing in common but the word in which the receiver
 * says that it sleeps. Which lanes have ever been taken is in lanes_used, so that a channel for many of which few come
 * costs the receiver few looks.
 */
#include <plx/mpsc.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "chan/channel.h"
#include "chan/lane.h"
#include "chan/seat.h"
#include "chan/wait.h"

/* ---- senders ---------------------------------------------------------------------------------------- */

int plx_mpsc_sender_open(struct plx_spsc_sender *tx, void *at, uint64_t room, uint32_t source)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*tx = (struct plx_spsc_sender){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_MPSC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &g, true, 0, g.senders, source);
	if (ret < 0)
		return ret;
	plx_lane_send(tx, c, &g, tx->end.number);
	/* before anything is sent there; ML1 release: pairs with ML2 */
	__atomic_fetch_or(&c->lanes_used, 1ull << tx->end.number, __ATOMIC_RELEASE);
	return 0;
}

void plx_mpsc_sender_leave(struct plx_spsc_sender *tx)
{
	plx_seat_leave(&tx->end);
}

/* ---- the receiver ----------------------------------------------------------------------------------- */

static void look_for_lanes(struct plx_mpsc_receiver *rx)
{
	/* ML2 acquire: pairs with ML1 */
	uint64_t used = __atomic_load_n(rx->now, __ATOMIC_ACQUIRE);

	if (plx_likely(used == rx->used))
		return;
	rx->used = used;
	rx->count = 0;
	for (uint32_t i = 0; i < rx->lanes; i++)
		if (used >> i & 1)
			rx->order[rx->count++] = (uint8_t)i;
}

bool plx_mpsc_next(struct plx_mpsc_receiver *rx)
{
	look_for_lanes(rx);
	for (uint32_t i = 0; i < rx->count; i++) {
		rx->current = rx->current + 1 < rx->count ? rx->current + 1 : 0;
		rx->at = &rx->lane[rx->order[rx->current]];
		if (rx->at->left > 0 || plx_spsc_more(rx->at)) {
			rx->turn = PLX_MPSC_TURN;
			return true;
		}
	}
	rx->turn = 0;
	return false;
}

uint32_t plx_mpsc_try_recv_many(struct plx_mpsc_receiver *rx, void *elements, uint32_t n)
{
	unsigned char *to = (unsigned char *)elements;
	uint32_t done = 0;

	while (done < n) {
		uint32_t k = n - done < rx->turn ? n - done : rx->turn;

		k = k ? plx_spsc_try_recv_many(rx->at, to, k) : 0;
		if (k == 0 && !plx_mpsc_next(rx))
			break;
		rx->turn -= k;
		done += k;
		to += (uint64_t)k * rx->at->size;
	}
	rx->taken += done;
	return done;
}

static bool ready(void *of)
{
	struct plx_mpsc_receiver *rx = (struct plx_mpsc_receiver *)of;

	return (rx->turn > 0 && (rx->at->left > 0 || plx_spsc_more(rx->at))) || plx_mpsc_next(rx);
}

static void tell_all(struct plx_mpsc_receiver *rx)
{
	for (uint32_t i = 0; i < rx->count; i++) {
		struct plx_spsc_receiver *lane = &rx->lane[rx->order[i]];

		if (!plx_lane_told(lane))
			plx_spsc_tell(lane);
	}
}

static int ended(void *of)
{
	struct plx_mpsc_receiver *rx = (struct plx_mpsc_receiver *)of;

	/* before we sleep each sender has to know of all the room there is */
	tell_all(rx);
	return plx_senders_ended(&rx->end, rx->lanes);
}

static struct plx_chan_question question(struct plx_mpsc_receiver *rx)
{
	return (struct plx_chan_question){
		.ready = ready, .ended = ended, .of = rx, .progress = &rx->taken, .many = rx->lane[0].per
	};
}

int plx_mpsc_wait(struct plx_mpsc_receiver *rx, uint64_t timeout_ns)
{
	struct plx_chan_question q = question(rx);

	return ready(rx) ? 0 : plx_chan_wait(&rx->end, &q, timeout_ns);
}

int plx_mpsc_recv_wait(struct plx_mpsc_receiver *rx, void *element, uint64_t timeout_ns)
{
	int ret = plx_mpsc_wait(rx, timeout_ns);

	return ret < 0 ? ret : plx_mpsc_try_recv(rx, element) ? 0 : -EAGAIN;
}

int plx_mpsc_recv_many(struct plx_mpsc_receiver *rx, void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t got = plx_mpsc_try_recv_many(rx, elements, n);
	int ret;

	if (plx_likely(got > 0 || n == 0))
		return (int)got;
	ret = plx_mpsc_wait(rx, timeout_ns);
	return ret < 0 ? ret : (int)plx_mpsc_try_recv_many(rx, elements, n);
}

struct plx_choice plx_mpsc_choice(struct plx_mpsc_receiver *rx)
{
	return (struct plx_choice){ .end = &rx->end, .ready = ready, .ended = ended, .of = rx };
}

bool plx_mpsc_arm(struct plx_mpsc_receiver *rx)
{
	struct plx_chan_question q = question(rx);

	return plx_chan_arm(&rx->end, &q);
}

/* ---- its seat --------------------------------------------------------------------------------------- */

int plx_mpsc_receiver_open(struct plx_mpsc_receiver *rx, void *at, uint64_t room)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	rx->end = (struct plx_end){ .channel = NULL };
	if (ret == 0 && g.kind != PLX_CHANNEL_MPSC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&rx->end, c, &g, false, 0, 1, 0);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < g.lanes; i++) {
		rx->lane[i].end = rx->end;
		rx->lane[i].end.number = i; /* whom to wake */
		plx_lane_receive(&rx->lane[i], c, &g, i);
		if (!plx_lane_told(&rx->lane[i]) && !plx_mutant(MUT_CHAN_MPSC_DEATH_UNTOLD))
			plx_spsc_tell(&rx->lane[i]); /* what a predecessor took and did not tell */
	}
	rx->at = &rx->lane[0];
	rx->turn = 0;
	rx->current = 0;
	rx->lanes = g.lanes;
	rx->count = 0;
	rx->used = 0;
	rx->now = &c->lanes_used;
	rx->taken = 0;
	return 0;
}

void plx_mpsc_receiver_leave(struct plx_mpsc_receiver *rx)
{
	if (rx->end.channel)
		tell_all(rx);
	plx_seat_leave(&rx->end);
}

void plx_mpsc_receiver_close(struct plx_mpsc_receiver *rx)
{
	if (!rx->end.channel)
		return;
	plx_channel_gone(rx->end.channel);
	plx_seat_leave(&rx->end);
}

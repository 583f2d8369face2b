/*
 * ring.c - one sender, one receiver, many at a time: the slow parts.
 *
 *	elements   . . . T T T e e e e e p p p . . .
 *	                 ^ head  ^ taken   ^ tail  ^ next, the sender's own
 *
 *	T taken, but the sender has not been told; e published; p put, not yet published
 *
 * Tail is stored by the sender when it publishes; taken by the receiver after each; head once in a quarter of the ring, and
 * before the receiver sleeps. What was put and not published exists only in the sender's own number, so it vanishes with it.
 */
#include <plx/ring.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "chan/channel.h"
#include "chan/lane.h"
#include "chan/seat.h"
#include "chan/wait.h"

/* ---- the sender ---------------------------------------------------------------------------------------- */

void plx_ring_attend(struct plx_ring_sender *tx)
{
	uint64_t attention = plx_read_once(tx->attention);

	if (attention & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE) && !tx->end.closed) {
		plx_sender_refuse(&tx->end);
		tx->seen = tx->next - tx->mask - 1; /* full for ever */
	}
	if (attention & ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))
		plx_chan_wake(tx->end.channel, true, UINT64_MAX);
}

/* What is not known to be free is not touched: the receiver may be reading it. */
void plx_ring_piece(const struct plx_ring_sender *tx, uint64_t at, uint64_t written)
{
	uint64_t end = (tx->mask + 1) * tx->size;
	uint64_t free = (tx->mask + 1 - (tx->next - tx->seen)) * tx->size - written;

	at = at < end ? at : 0;
	/* @at is at most a piece ahead of what is written */
	if (free >= 2 * PLX_RING_PIECE && end - at >= PLX_RING_PIECE)
		plx_lines_take(tx->elements + at, PLX_LINES_TAKEN);
}

/* Is there room for @n? Looks anew; also when there is less, for whoever wants less. */
bool plx_ring_full(struct plx_ring_sender *tx, uint64_t n)
{
	if (tx->end.closed || (plx_read_once(tx->attention) & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))) {
		plx_ring_forget(tx); /* it was never sent, and shall not be */
		plx_ring_attend(tx);
		tx->seen = tx->next - tx->mask - 1;
		return false;
	}
	/* RG4 acquire: pairs with RG3; the receiver is done with the elements we overwrite */
	tx->seen = __atomic_load_n(tx->head, __ATOMIC_ACQUIRE);
	return tx->mask + 1 - (tx->next - tx->seen) >= n;
}

static bool has_room(void *of)
{
	struct plx_ring_sender *tx = (struct plx_ring_sender *)of;

	if (tx->end.closed)
		return false;
	if (tx->next - tx->seen > tx->mask)
		/* RG4 acquire: pairs with RG3 */
		tx->seen = __atomic_load_n(tx->head, __ATOMIC_ACQUIRE);
	return tx->next - tx->seen <= tx->mask;
}

static int sender_ended(void *of)
{
	return plx_receivers_ended(&((struct plx_ring_sender *)of)->end);
}

static int wait_for_room(struct plx_ring_sender *tx, uint64_t timeout_ns)
{
	struct plx_chan_question q = { .ready = has_room, .ended = sender_ended, .of = tx };

	if (tx->sent != tx->next)
		plx_ring_publish(tx); /* the receiver can make no room of what it does not see */
	return plx_chan_wait(&tx->end, &q, timeout_ns);
}

int plx_ring_send_wait(struct plx_ring_sender *tx, const void *element, uint64_t timeout_ns)
{
	do {
		int ret = wait_for_room(tx, timeout_ns);

		if (ret < 0)
			return ret;
	} while (!plx_ring_try_send(tx, element));
	return 0;
}

int plx_ring_send_many(struct plx_ring_sender *tx, const void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t done = plx_ring_try_send_many(tx, elements, n);

	while (plx_unlikely(done < n)) {
		int ret = wait_for_room(tx, timeout_ns);

		if (ret < 0)
			return done ? (int)done : ret;
		done += plx_ring_try_send_many(
			tx, (const unsigned char *)elements + (uint64_t)done * tx->size, n - done);
	}
	return (int)done;
}

/* ---- the receiver -------------------------------------------------------------------------------------- */

void plx_ring_wake_sender(struct plx_ring_receiver *rx)
{
	plx_chan_wake(rx->end.channel, false, 1);
}

static bool has_some(void *of)
{
	uint32_t n;

	return plx_ring_peek((struct plx_ring_receiver *)of, &n) != NULL;
}

static void tell_all(struct plx_ring_receiver *rx)
{
	if (plx_read_once(rx->head) != rx->next)
		plx_ring_tell(rx);
}

static int receiver_ended(void *of)
{
	struct plx_ring_receiver *rx = (struct plx_ring_receiver *)of;

	/* before we sleep the sender has to know of all the room there is */
	tell_all(rx);
	return plx_senders_ended(&rx->end, rx->end.channel->senders);
}

static struct plx_chan_question question(struct plx_ring_receiver *rx)
{
	return (struct plx_chan_question){
		.ready = has_some, .ended = receiver_ended, .of = rx, .progress = &rx->next, .many = 16
	};
}

int plx_ring_wait(struct plx_ring_receiver *rx, uint64_t timeout_ns)
{
	struct plx_chan_question q = question(rx);

	return has_some(rx) ? 0 : plx_chan_wait(&rx->end, &q, timeout_ns);
}

int plx_ring_recv_wait(struct plx_ring_receiver *rx, void *element, uint64_t timeout_ns)
{
	int ret = plx_ring_wait(rx, timeout_ns);

	return ret < 0 ? ret : plx_ring_try_recv(rx, element) ? 0 : -EAGAIN;
}

int plx_ring_recv_many(struct plx_ring_receiver *rx, void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t got = plx_ring_try_recv_many(rx, elements, n);
	int ret;

	if (plx_likely(got > 0 || n == 0))
		return (int)got;
	ret = plx_ring_wait(rx, timeout_ns);
	return ret < 0 ? ret : (int)plx_ring_try_recv_many(rx, elements, n);
}

struct plx_choice plx_ring_choice(struct plx_ring_receiver *rx)
{
	return (struct plx_choice){ .end = &rx->end, .ready = has_some, .ended = receiver_ended, .of = rx };
}

bool plx_ring_arm(struct plx_ring_receiver *rx)
{
	struct plx_chan_question q = question(rx);

	return plx_chan_arm(&rx->end, &q);
}

/* ---- seats --------------------------------------------------------------------------------------------- */

int plx_ring_sender_open(struct plx_ring_sender *tx, void *at, uint64_t room, uint32_t source)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	struct plx_lane *lane;
	int ret = plx_geometry_read(&g, at, room);

	*tx = (struct plx_ring_sender){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_RING)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &g, true, 0, 1, source);
	if (ret < 0)
		return ret;
	lane = plx_lane_at(c, &g, 0);
	tx->elements = plx_cells_of(lane);
	tx->next = plx_read_once(&lane->tail);
	tx->sent = tx->next;
	/* RG4 acquire: pairs with RG3 */
	tx->seen = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
	tx->mask = g.cells - 1;
	tx->size = g.size;
	tx->tail = &lane->tail;
	tx->head = &lane->head;
	tx->attention = &c->to_senders;
	return 0;
}

int plx_ring_receiver_open(struct plx_ring_receiver *rx, void *at, uint64_t room)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	struct plx_lane *lane;
	int ret = plx_geometry_read(&g, at, room);

	*rx = (struct plx_ring_receiver){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_RING)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&rx->end, c, &g, false, 0, 1, 0);
	if (ret < 0)
		return ret;
	lane = plx_lane_at(c, &g, 0);
	rx->elements = plx_cells_of(lane);
	/* acquire: pairs with plx_ring_release() of our predecessor */
	rx->next = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);
	rx->known = rx->next;
	rx->every = g.cells / 4;
	rx->ack = rx->next + rx->every;
	rx->mask = g.cells - 1;
	rx->size = g.size;
	rx->taken_word = &lane->taken;
	rx->head = &lane->head;
	rx->tail = &lane->tail;
	rx->attention = &c->to_receivers;
	if (!plx_mutant(MUT_CHAN_RING_DEATH_UNTOLD))
		tell_all(rx); /* what a predecessor took and did not tell */
	return 0;
}

void plx_ring_sender_leave(struct plx_ring_sender *tx)
{
	plx_seat_leave(&tx->end);
}

void plx_ring_sender_close(struct plx_ring_sender *tx)
{
	if (!tx->end.channel)
		return;
	plx_channel_close(tx->end.channel);
	plx_seat_leave(&tx->end);
}

void plx_ring_receiver_leave(struct plx_ring_receiver *rx)
{
	if (rx->end.channel)
		plx_ring_tell(rx);
	plx_seat_leave(&rx->end);
}

void plx_ring_receiver_close(struct plx_ring_receiver *rx)
{
	if (!rx->end.channel)
		return;
	plx_channel_gone(rx->end.channel);
	plx_seat_leave(&rx->end);
}

/*
 * spsc.c - one sender, one receiver: the slow parts.
 *
 *	cells   [ word | e e e e e e e ] [ word | e e e - - - - ] [ word of a lap ago | ... ]
 *	                       ^ tail: the first that is not full
 *
 * The word of a cell is (number of the cell + 1) << 8 | elements in it; a cell of an earlier lap has a smaller number. The
 * sender alone writes cells and tail (cells that are full), the receiver alone taken (elements it is done with) and head (cells the sender may
 * use again; told once in a quarter of the ring, and before it sleeps). So whoever takes the seat of one that died finds in
 * the cells and in taken exactly where it stopped.
 */
#include <plx/spsc.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "chan/channel.h"
#include "chan/lane.h"
#include "chan/seat.h"
#include "chan/wait.h"

/* ---- lanes: chan/lane.h ---------------------------------------------------------------------------- */

/* What a sender fills that has not begun a cell: full. */
static const uint64_t begun_none = 255;

static uint64_t word_at(const struct plx_spsc_sender *tx, uint64_t cell)
{
	return plx_read_once((const uint64_t *)(const void *)(tx->cells + (cell & tx->mask) * tx->stride));
}

static void stand_at(struct plx_spsc_sender *tx, uint64_t cell)
{
	tx->word = tx->cells + (cell & tx->mask) * tx->stride;
	tx->base = (cell + 1) << 8;
}

/* No cell was begun, and none will be: the next one, whichever it is, is not free. */
static void stand_nowhere(struct plx_spsc_sender *tx)
{
	tx->word = (unsigned char *)(uintptr_t)&begun_none;
	tx->base = 0;
	tx->seen = 0 - tx->mask - 1;
}

void plx_lane_send(struct plx_spsc_sender *tx, struct plx_channel *c, const struct plx_geometry *g,
		   uint32_t number)
{
	struct plx_lane *lane = plx_lane_at(c, g, number);
	uint64_t cell = plx_lane_full(g, lane);
	struct plx_end end = tx->end;

	*tx = (struct plx_spsc_sender){
		.attention = &c->to_senders,
		.size = g->size,
		.mask = g->cells - 1,
		.cells = plx_cells_of(lane),
		.stride = g->stride,
		.group = plx_lines_group(g->stride),
		.per = g->per,
		.lane = lane,
		.tail = &lane->tail,
		.head = &lane->head,
		.end = end,
	};
	/* who filled cells may have died before it said so */
	plx_write_once(tx->tail, cell);
	/* a cell that our predecessor had not begun may not be free yet: we are at the end of the one before it */
	if (word_at(tx, cell) >> 8 == cell + 1 || plx_mutant(MUT_CHAN_CELL_NOT_ASKED_FOR))
		stand_at(tx, cell);
	else if (cell > 0)
		stand_at(tx, cell - 1);
	else
		stand_nowhere(tx);
	/* SP4 acquire: pairs with SP3 */
	tx->seen = __atomic_load_n(tx->head, __ATOMIC_ACQUIRE);
}

void plx_lane_receive(struct plx_spsc_receiver *rx, struct plx_channel *c, const struct plx_geometry *g,
		      uint32_t number)
{
	struct plx_lane *lane = plx_lane_at(c, g, number);
	struct plx_end end = rx->end;

	*rx = (struct plx_spsc_receiver){
		/* acquire: pairs with plx_spsc_release() of our predecessor */
		.taken = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE),
		.taken_word = &lane->taken,
		.size = g->size,
		.per = g->per,
		.mask = g->cells - 1,
		.cells = plx_cells_of(lane),
		.stride = g->stride,
		.every = g->cells / 4,
		.lane = lane,
		.head = &lane->head,
		.tail = &lane->tail,
		.attention = &c->to_receivers,
		.end = end,
	};
	rx->cell = rx->taken / rx->per;
	rx->got = plx_mutant(MUT_CHAN_CELL_TAKEN_ANEW) ? 0 : (uint32_t)(rx->taken % rx->per);
	rx->ack = rx->cell + rx->every;
}

bool plx_lane_told(struct plx_spsc_receiver *rx)
{
	return plx_read_once(rx->head) == rx->cell;
}

bool plx_lane_holds(const struct plx_spsc_receiver *rx)
{
	uint64_t cell = rx->cell, word;
	uint32_t got = rx->got;

	if (rx->left > 0)
		return true;
	if (got == rx->per) {
		cell++;
		got = 0;
	}
	word = __atomic_load_n((const uint64_t *)(const void *)(rx->cells + (cell & rx->mask) * rx->stride),
			       __ATOMIC_ACQUIRE);
	return word >> 8 == cell + 1 && (word & 255) != got;
}

bool plx_sender_has_room(void *of)
{
	struct plx_spsc_sender *tx = (struct plx_spsc_sender *)of;
	uint64_t next = tx->base >> 8;

	if (tx->end.closed)
		return false;
	if (plx_spsc_filled(tx) < tx->per)
		return true;
	if (next - tx->seen > tx->mask)
		/* SP4 acquire: pairs with SP3 */
		tx->seen = __atomic_load_n(tx->head, __ATOMIC_ACQUIRE);
	return next - tx->seen <= tx->mask;
}

/* ---- attention ------------------------------------------------------------------------------------- */

/* The channel closes: what we sent so far is in; from now on we send nothing. */
void plx_sender_refuse(struct plx_end *end)
{
	end->closed = 1;
	/* release: pairs with the acquire in plx_senders_ended(); what we sent is there */
	__atomic_store_n(&end->seat->refused, end->generation | 1u << 31, __ATOMIC_RELEASE);
	plx_chan_wake_all(end->channel, true);
}

void plx_spsc_attend(struct plx_spsc_sender *tx)
{
	uint64_t attention = plx_read_once(tx->attention);

	if (attention & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE) && !tx->end.closed) {
		plx_sender_refuse(&tx->end);
		stand_nowhere(tx);
	}
	if (attention & ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))
		plx_chan_wake(tx->end.channel, true, UINT64_MAX);
}

/* The lines of the cells from @cell to the end of its group. What is not known to be free is not touched. */
static void take_lines(struct plx_spsc_sender *tx, uint64_t cell)
{
	uint64_t n = tx->group + 1 - (cell & tx->group);

	if (plx_likely(cell + n - 1 - tx->seen <= tx->mask))
		plx_lines_take(tx->cells + (cell & tx->mask) * tx->stride, n * tx->stride / PLX_LINE);
}

/*
 * Who comes after us counts from tail on which cells are full, which he can only do while none of them is overwritten: so tail is
 * told before the ring comes round, also in the middle of many.
 */
void plx_spsc_group(struct plx_spsc_sender *tx, uint64_t cell)
{
	/* SP5 release: pairs with SP6; who sees it need not look at those cells' words */
	if (!plx_mutant(MUT_CHAN_TAIL_UNTOLD))
		__atomic_store_n(tx->tail, cell + plx_mutant(MUT_CHAN_TAIL_TOO_FAR), __ATOMIC_RELEASE);
	take_lines(tx, cell);
}

bool plx_spsc_full(struct plx_spsc_sender *tx)
{
	if (tx->end.closed || (plx_read_once(tx->attention) & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))) {
		plx_spsc_attend(tx);
		return false;
	}
	/* SP4 acquire: pairs with SP3; the receiver is done with the cell we reuse */
	tx->seen = __atomic_load_n(tx->head, __ATOMIC_ACQUIRE);
	if ((tx->base >> 8) - tx->seen > tx->mask)
		return false;
	take_lines(tx, tx->base >> 8);
	return true;
}

void plx_spsc_wake_sender(struct plx_spsc_receiver *rx)
{
	plx_chan_wake(rx->end.channel, false, 1ull << rx->end.number);
}

/* ---- why it ended ---------------------------------------------------------------------------------- */

int plx_receivers_ended(struct plx_end *end)
{
	uint64_t attention = plx_read_once(&end->channel->to_senders);

	if (attention & PLX_CHANNEL_GONE)
		return -EPIPE;
	if (attention & PLX_CHANNEL_CLOSED) {
		if (!end->closed)
			plx_sender_refuse(end);
		return -ESHUTDOWN;
	}
	return 0;
}

/*
 * Can anything still come? Not when the channel is closed and each sender has left, died or been refused. And not when
 * there was one, it died, and nobody took its place; who has left will be back, or somebody else.
 */
int plx_senders_ended(struct plx_end *end, uint32_t senders)
{
	struct plx_channel *c = end->channel;
	/* SE4 seq_cst: pairs with SE3; first this, then the seats */
	bool closed = __atomic_load_n(&c->to_senders, __ATOMIC_SEQ_CST) & PLX_CHANNEL_CLOSED;
	uint32_t here = 0, may_send = 0;

	for (uint32_t i = 0; i < senders; i++) {
		struct plx_seat *seat = plx_seat_at(c, true, i, senders);
		uint64_t owner = __atomic_load_n(&seat->owner, __ATOMIC_SEQ_CST); /* SE4 */
		uint32_t refused = __atomic_load_n(&seat->refused, __ATOMIC_ACQUIRE);

		if (PLX_OWNER_PID(owner) == 0)
			continue;
		here++;
		may_send += refused != (PLX_OWNER_GEN(owner) | 1u << 31);
	}
	if (closed)
		return may_send == 0 ? -ESHUTDOWN : 0;
	return here == 0 && plx_read_once(&c->died) ? -EPIPE : 0;
}

/* ---- blocking -------------------------------------------------------------------------------------- */

static int sender_ended(void *of)
{
	return plx_receivers_ended(&((struct plx_spsc_sender *)of)->end);
}

int plx_sender_wait(struct plx_spsc_sender *tx, uint64_t timeout_ns)
{
	struct plx_chan_question q = { .ready = plx_sender_has_room, .ended = sender_ended, .of = tx };

	return plx_chan_wait(&tx->end, &q, timeout_ns);
}

int plx_spsc_send_wait(struct plx_spsc_sender *tx, const void *element, uint64_t timeout_ns)
{
	do {
		int ret = plx_sender_wait(tx, timeout_ns);

		if (ret < 0)
			return ret;
	} while (!plx_spsc_try_send(tx, element));
	return 0;
}

int plx_spsc_send_word_wait(struct plx_spsc_sender *tx, uint64_t element, uint64_t timeout_ns)
{
	return plx_spsc_send_wait(tx, &element, timeout_ns);
}

int plx_spsc_send_many(struct plx_spsc_sender *tx, const void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t done = plx_spsc_try_send_many(tx, elements, n);

	while (plx_unlikely(done < n)) {
		int ret = plx_sender_wait(tx, timeout_ns);

		if (ret < 0)
			return done ? (int)done : ret;
		done += plx_spsc_try_send_many(
			tx, (const unsigned char *)elements + (uint64_t)done * tx->size, n - done);
	}
	return (int)done;
}

static bool receiver_ready(void *of)
{
	struct plx_spsc_receiver *rx = (struct plx_spsc_receiver *)of;

	return rx->left > 0 || plx_spsc_more(rx);
}

static int receiver_ended(void *of)
{
	struct plx_spsc_receiver *rx = (struct plx_spsc_receiver *)of;
	struct plx_channel *c = rx->end.channel;

	/* before we sleep the sender has to know of all the room there is */
	if (!plx_lane_told(rx))
		plx_spsc_tell(rx);
	return plx_senders_ended(&rx->end, c->senders);
}

static struct plx_chan_question receiver_question(struct plx_spsc_receiver *rx)
{
	return (struct plx_chan_question){ .ready = receiver_ready,
					   .ended = receiver_ended,
					   .of = rx,
					   .progress = &rx->taken,
					   .many = rx->per };
}

int plx_spsc_wait(struct plx_spsc_receiver *rx, uint64_t timeout_ns)
{
	struct plx_chan_question q = receiver_question(rx);

	return receiver_ready(rx) ? 0 : plx_chan_wait(&rx->end, &q, timeout_ns);
}

int plx_spsc_recv_wait(struct plx_spsc_receiver *rx, void *element, uint64_t timeout_ns)
{
	int ret = plx_spsc_wait(rx, timeout_ns);

	return ret < 0 ? ret : plx_spsc_try_recv(rx, element) ? 0 : -EAGAIN;
}

int plx_spsc_recv_many(struct plx_spsc_receiver *rx, void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t got = plx_spsc_try_recv_many(rx, elements, n);
	int ret;

	if (plx_likely(got > 0 || n == 0))
		return (int)got;
	ret = plx_spsc_wait(rx, timeout_ns);
	return ret < 0 ? ret : (int)plx_spsc_try_recv_many(rx, elements, n);
}

struct plx_choice plx_spsc_choice(struct plx_spsc_receiver *rx)
{
	return (struct plx_choice){
		.end = &rx->end, .ready = receiver_ready, .ended = receiver_ended, .of = rx
	};
}

bool plx_spsc_arm(struct plx_spsc_receiver *rx)
{
	struct plx_chan_question q = receiver_question(rx);

	return plx_chan_arm(&rx->end, &q);
}

/* ---- seats ----------------------------------------------------------------------------------------- */

int plx_spsc_sender_open(struct plx_spsc_sender *tx, void *at, uint64_t room, uint32_t source)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*tx = (struct plx_spsc_sender){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_SPSC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &g, true, 0, 1, source);
	if (ret == 0)
		plx_lane_send(tx, c, &g, 0);
	return ret;
}

int plx_spsc_receiver_open(struct plx_spsc_receiver *rx, void *at, uint64_t room)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*rx = (struct plx_spsc_receiver){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_SPSC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&rx->end, c, &g, false, 0, 1, 0);
	if (ret < 0)
		return ret;
	plx_lane_receive(rx, c, &g, 0);
	if (!plx_lane_told(rx) && !plx_mutant(MUT_CHAN_SPSC_DEATH_UNTOLD))
		plx_spsc_tell(rx); /* what a predecessor took and did not tell */
	return 0;
}

void plx_spsc_sender_leave(struct plx_spsc_sender *tx)
{
	plx_seat_leave(&tx->end);
}

void plx_spsc_sender_close(struct plx_spsc_sender *tx)
{
	if (!tx->end.channel)
		return;
	plx_channel_close(tx->end.channel);
	plx_seat_leave(&tx->end);
}

void plx_spsc_receiver_leave(struct plx_spsc_receiver *rx)
{
	if (rx->end.channel)
		plx_spsc_tell(rx);
	plx_seat_leave(&rx->end);
}

void plx_spsc_receiver_close(struct plx_spsc_receiver *rx)
{
	if (!rx->end.channel)
		return;
	plx_channel_gone(rx->end.channel);
	plx_seat_leave(&rx->end);
}

/*
 * post.c - messages in envelopes: lanes, stamps, and whose turn it is.
 *
 *	word 0   time 24 | type 16 | length 14 | priority 2 | lap 8     stored last
 *	word 1   key
 *	         payload ...
 *
 * The lap is the number of times the ring was begun, in one byte: a cell holds that of this lap or of the one before, so seven
 * bits are plenty. The eighth says whether the sender is another one than of the message before: a receiver that expects
 * the same finds a lap that is not the one it looks for, and asks. The rest of the word rides along, and one line carries all.
 *
 * Priorities: a receiver takes of the highest first, but of each only so many (8, 4, 2, 1) before those below had their
 * share; then all begin anew. So the lowest gets a fifteenth at least, and an urgent message waits for seven others at most.
 */
#include <plx/envelope.h>
#include <plx/process.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "chan/channel.h"
#include "chan/lane.h"
#include "chan/post.h"
#include "chan/seat.h"
#include "chan/wait.h"

#define TURN 64u /* messages of one lane before the next one's turn */

/* ---- senders ------------------------------------------------------------------------------------------- */

void plx_post_stamp(struct plx_post_sender *tx)
{
	uint64_t now = plx_now_ns();

	plx_write_once(&tx->end.seat->stamp, now); /* relaxed: PO1 comes after it */
	for (uint32_t i = 0; i < PLX_PRIORITIES; i++)
		tx->way[i].lap_time = (tx->way[i].lap_time & ~PLX_POST_TIME) |
				      (now / PLX_POST_TICK_NS & PLX_POST_TIME);
}

void plx_post_attend(struct plx_post_sender *tx)
{
	uint64_t attention = plx_read_once(tx->attention);

	if (attention & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE) && !tx->end.closed) {
		plx_sender_refuse(&tx->end);
		for (uint32_t i = 0; i < PLX_PRIORITIES; i++) {
			tx->way[i].seen = tx->way[i].next - tx->mask - 1; /* full for ever */
			tx->way[i].stop = tx->way[i].next;
		}
	}
	if (attention & ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))
		plx_chan_wake(tx->end.channel, true, UINT64_MAX);
}

/* The next place at which there is something to do. */
static void choose_stop(const struct plx_post_sender *tx, struct plx_post_way *way)
{
	uint64_t group = tx->group + 1 - (way->next & tx->group);
	int64_t free = (int64_t)(way->seen + tx->mask + 1 - way->next) +
		       plx_mutant(MUT_CHAN_POST_ONE_TOO_MANY);

	way->stop = way->next + (free <= 0 ? 0 : (uint64_t)free < group ? (uint64_t)free : group);
}

/* The lines of the next messages, to the end of their group. What is not known to be free is not touched. */
static void take_lines(const struct plx_post_sender *tx, const struct plx_post_way *way)
{
	uint64_t n = tx->group + 1 - (way->next & tx->group);

	if (plx_likely(way->next + n - 1 - way->seen <= tx->mask))
		plx_lines_take(way->at, n * tx->stride / PLX_LINE);
}

void plx_post_stop(struct plx_post_sender *tx, struct plx_post_way *way)
{
	if (way->next & tx->group)
		return; /* no room, as far as we know */
	/* relaxed: for whoever comes after us, and for tools; the cells say the rest */
	__atomic_store_n(way->tail, way->next, __ATOMIC_RELAXED);
	if ((way->next & tx->mask) == 0) {
		way->at = way->cells;
		way->lap_time += 1ull << 56;
	}
	choose_stop(tx, way);
	take_lines(tx, way);
}

/* At way->stop. Is there room now? */
bool plx_post_full(struct plx_post_sender *tx, struct plx_post_way *way)
{
	if (tx->end.closed || (plx_read_once(tx->attention) & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))) {
		plx_post_attend(tx);
		return false;
	}
	/* PO4 acquire: pairs with PO3; the receiver is done with the cell we reuse */
	way->seen = __atomic_load_n(&way->lane->head, __ATOMIC_ACQUIRE);
	choose_stop(tx, way);
	if (way->stop == way->next)
		return false;
	take_lines(tx, way);
	return true;
}

struct wish {
	struct plx_post_sender *tx;
	struct plx_post_way *way;
};

static bool has_room(void *of)
{
	struct wish *wish = (struct wish *)of;

	if (wish->tx->end.closed)
		return false;
	/* PO4 acquire: pairs with PO3 */
	wish->way->seen = __atomic_load_n(&wish->way->lane->head, __ATOMIC_ACQUIRE);
	return wish->way->next - wish->way->seen <= wish->tx->mask;
}

static int sender_ended(void *of)
{
	return plx_receivers_ended(&((struct wish *)of)->tx->end);
}

int plx_post_wait_room(struct plx_post_sender *tx, uint8_t priority, uint64_t timeout_ns)
{
	struct wish wish = { .tx = tx, .way = &tx->way[priority & 3] };
	struct plx_chan_question q = { .ready = has_room, .ended = sender_ended, .of = &wish };

	return plx_chan_wait(&tx->end, &q, timeout_ns);
}

static uint64_t lap_of(uint64_t position, uint32_t cells)
{
	return (position / cells + 1) << 56;
}

/* A lane's next lap and time: its time as it was, and of its last sender's mark the other one. */
static uint64_t lap_time_of(const struct plx_post_way *way, const struct plx_geometry *g,
			    struct plx_lane *lane, uint64_t next)
{
	uint64_t lap = lap_of(next, g->cells) | (way->lap_time & PLX_POST_TIME), last;

	if (next == 0 || plx_mutant(MUT_CHAN_POST_SAME_SENDER))
		return lap;
	last = plx_read_once(
		(uint64_t *)(void *)(plx_cells_of(lane) + ((next - 1) & (g->cells - 1)) * g->stride));
	return lap ^ (~(last ^ lap_of(next - 1, g->cells)) & PLX_POST_OTHER);
}

void plx_post_ways(struct plx_post_sender *tx, struct plx_channel *c, const struct plx_geometry *g,
		   uint32_t number)
{
	uint32_t ways = g->kind == PLX_CHANNEL_POST ? 1 : PLX_PRIORITIES;

	tx->mask = g->cells - 1;
	tx->stride = g->stride;
	tx->group = plx_lines_group(g->stride);
	tx->size = g->size;
	tx->attention = &c->to_senders;
	for (uint32_t i = 0; i < PLX_PRIORITIES; i++) {
		struct plx_lane *lane = plx_lane_at(c, g, number * ways + i % ways);
		uint64_t next = plx_lane_sent(g, lane);

		tx->way[i] = (struct plx_post_way){
			.next = next,
			.at = plx_cells_of(lane) + (next & tx->mask) * tx->stride,
			/* PO4 acquire: pairs with PO3 */
			.seen = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE),
			.lap_time = lap_time_of(&tx->way[i], g, lane, next),
			.cells = plx_cells_of(lane),
			.lane = lane,
			.tail = &lane->tail,
		};
		choose_stop(tx, &tx->way[i]);
	}
}

int plx_post_sender_open(struct plx_post_sender *tx, void *at, uint64_t room, uint32_t source)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*tx = (struct plx_post_sender){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_POST && g.kind != PLX_CHANNEL_PRIORITY)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &g, true, 0, g.senders, source);
	if (ret < 0)
		return ret;
	plx_post_ways(tx, c, &g, tx->end.number);
	plx_post_stamp(tx);
	/* ML1 release: pairs with ML2 */
	__atomic_fetch_or(&c->lanes_used, 1ull << tx->end.number, __ATOMIC_RELEASE);
	return 0;
}

void plx_post_sender_leave(struct plx_post_sender *tx)
{
	plx_seat_leave(&tx->end);
}

/* ---- the receiver -------------------------------------------------------------------------------------- */

static void tell(struct plx_post_receiver *rx, struct plx_post_from *from)
{
	uint32_t seat = (uint32_t)(from - rx->from) / (rx->priorities ? PLX_PRIORITIES : 1);

	from->ack = from->next + rx->every;
	from->known = false; /* look at its stamp anew */
	/* PO3 release: pairs with PO4 */
	__atomic_store_n(&from->lane->head, from->next, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(plx_read_once(&rx->end.channel->to_receivers) != 0))
		plx_chan_wake(rx->end.channel, false, 1ull << seat);
}

void plx_post_turned(struct plx_post_receiver *rx, struct plx_post_from *from)
{
	rx->turn = 0;
	if ((from->next & rx->mask) == 0) {
		from->at = from->cells;
		from->lap += 1ull << 56;
	}
	if ((int64_t)(from->next - from->ack) >= 0)
		tell(rx, from);
}

static void know(struct plx_post_receiver *rx, struct plx_post_from *from)
{
	uint32_t seat = (uint32_t)(from - rx->from) / (rx->priorities ? PLX_PRIORITIES : 1);
	const struct plx_seat *sender = plx_seat_at(rx->end.channel, true, seat, rx->senders);

	from->ticks = plx_read_once(&sender->stamp) / PLX_POST_TICK_NS;
	from->source = plx_read_once(&sender->source);
	from->known = true;
}

void plx_post_turn(struct plx_post_receiver *rx, uint32_t number, uint32_t turn)
{
	struct plx_post_from *from = &rx->from[number];
	uint64_t ring = rx->mask + 1 - (from->next & rx->mask), ack = from->ack - from->next;
	/* relaxed: who asks has acquired it */
	uint64_t word = __atomic_load_n((const uint64_t *)(const void *)from->at, __ATOMIC_RELAXED);

	if ((word ^ from->lap) & PLX_POST_OTHER) {
		from->lap ^= PLX_POST_OTHER;
		from->known = false;
	}
	if (!from->known)
		know(rx, from);
	ring = ring < ack ? ring + plx_mutant(MUT_CHAN_POST_BEYOND_THE_RING) : ack;
	rx->current = number;
	rx->turn = turn < ring ? turn : (uint32_t)ring;
}

/* Is there something in that lane? If not, who sends next may be somebody else. */
static bool holds(struct plx_post_receiver *rx, uint32_t number)
{
	if (plx_post_holds(rx, number))
		return true;
	rx->from[number].known = false;
	if (number == rx->current)
		rx->turn = 0;
	return false;
}

static bool passed(const struct plx_post_receiver *rx, uint32_t number)
{
	return rx->passed[number / 64] >> (number % 64) & 1;
}

void plx_post_pass_none(struct plx_post_receiver *rx)
{
	memset(rx->passed, 0, sizeof(rx->passed));
}

/* One of the lanes @first, @first + @step, ... after the one that had the last turn. */
static bool choose(struct plx_post_receiver *rx, uint32_t priority, uint32_t step, uint64_t used,
		   uint32_t turn)
{
	for (uint32_t i = 1; i <= rx->senders; i++) {
		uint32_t sender = (rx->begin[priority] + i) % rx->senders, number = sender * step + priority;

		if (!(used >> sender & 1) || passed(rx, number) || !holds(rx, number))
			continue;
		rx->begin[priority] = sender;
		plx_post_turn(rx, number, turn);
		return true;
	}
	return false;
}

static bool next_of_priorities(struct plx_post_receiver *rx, uint64_t used)
{
	for (int again = 0; again < 2; again++) {
		for (uint32_t p = PLX_PRIORITIES; p-- > 0;)
			/* one: something more urgent may come */
			if (rx->credit[p] > 0 && choose(rx, p, PLX_PRIORITIES, used, 1)) {
				rx->credit[p]--;
				return true;
			}
		/* none that has anything may give more: everybody begins anew */
		for (uint32_t p = 0; p < PLX_PRIORITIES; p++)
			rx->credit[p] = 1u << p;
	}
	rx->turn = 0;
	return false;
}

bool plx_post_next(struct plx_post_receiver *rx)
{
	/* ML2 acquire: pairs with ML1 */
	uint64_t used = __atomic_load_n(&rx->end.channel->lanes_used, __ATOMIC_ACQUIRE);

	if (rx->priorities)
		return next_of_priorities(rx, used);
	if (!choose(rx, 0, 1, used, TURN))
		rx->turn = 0;
	return rx->turn > 0;
}

bool plx_post_any(void *of)
{
	struct plx_post_receiver *rx = (struct plx_post_receiver *)of;
	/* ML2 acquire: pairs with ML1 */
	uint64_t used = __atomic_load_n(&rx->end.channel->lanes_used, __ATOMIC_ACQUIRE);
	uint32_t step = rx->priorities ? PLX_PRIORITIES : 1;

	for (uint32_t i = 0; i < rx->lanes; i++)
		if (used >> (i / step) & 1 && !passed(rx, i) && holds(rx, i))
			return true;
	return false;
}

void plx_post_tell_all(struct plx_post_receiver *rx)
{
	for (uint32_t i = 0; i < rx->lanes; i++)
		if (plx_read_once(&rx->from[i].lane->head) != rx->from[i].next)
			tell(rx, &rx->from[i]);
}

static int receiver_ended(void *of)
{
	struct plx_post_receiver *rx = (struct plx_post_receiver *)of;

	plx_post_tell_all(rx); /* before we sleep each sender has to know of all the room there is */
	return plx_senders_ended(&rx->end, rx->senders);
}

const uint64_t *plx_post_progress(struct plx_post_receiver *rx)
{
	uint32_t step = rx->priorities ? PLX_PRIORITIES : 1;
	uint64_t used = plx_read_once(&rx->end.channel->lanes_used); /* relaxed: others gave nothing yet */

	rx->taken = 0;
	for (uint32_t i = 0; i < rx->lanes; i++)
		if (used >> (i / step) & 1)
			rx->taken += rx->from[i].next;
	return &rx->taken;
}

static struct plx_chan_question question(struct plx_post_receiver *rx)
{
	return (struct plx_chan_question){ .ready = plx_post_any,
					   .ended = receiver_ended,
					   .of = rx,
					   .progress = plx_post_progress(rx),
					   .many = 2 };
}

int plx_post_wait(struct plx_post_receiver *rx, uint64_t timeout_ns)
{
	struct plx_chan_question q = question(rx);

	return plx_post_any(rx) ? 0 : plx_chan_wait(&rx->end, &q, timeout_ns);
}

struct plx_choice plx_post_choice(struct plx_post_receiver *rx)
{
	return (struct plx_choice){
		.end = &rx->end, .ready = plx_post_any, .ended = receiver_ended, .of = rx
	};
}

bool plx_post_arm(struct plx_post_receiver *rx)
{
	struct plx_chan_question q = question(rx);

	return plx_chan_arm(&rx->end, &q);
}

void plx_post_lanes(struct plx_post_receiver *rx, struct plx_channel *c, const struct plx_geometry *g)
{
	rx->mask = g->cells - 1;
	rx->stride = g->stride;
	rx->size = g->size;
	rx->every = g->cells / 4;
	rx->lanes = g->lanes;
	rx->senders = g->senders;
	rx->priorities = g->kind == PLX_CHANNEL_PRIORITY;
	rx->current = 0;
	rx->turn = 0;
	plx_post_pass_none(rx);
	for (uint32_t p = 0; p < PLX_PRIORITIES; p++) {
		rx->begin[p] = 0;
		rx->credit[p] = 1u << p;
	}
	for (uint32_t i = 0; i < g->lanes; i++) {
		struct plx_lane *lane = plx_lane_at(c, g, i);
		/* acquire: pairs with plx_post_release() of our predecessor */
		uint64_t next = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);

		rx->from[i] = (struct plx_post_from){
			.at = plx_cells_of(lane) + (next & rx->mask) * rx->stride,
			.next = next,
			.lap = lap_of(next, g->cells),
			.ack = next + rx->every,
			.cells = plx_cells_of(lane),
			.lane = lane,
			.taken = &lane->taken,
		};
	}
}

int plx_post_receiver_open(struct plx_post_receiver *rx, void *at, uint64_t room)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	rx->end = (struct plx_end){ .channel = NULL };
	if (ret == 0 && g.kind != PLX_CHANNEL_POST && g.kind != PLX_CHANNEL_PRIORITY)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&rx->end, c, &g, false, 0, 1, 0);
	if (ret < 0)
		return ret;
	plx_post_lanes(rx, c, &g);
	if (!plx_mutant(MUT_CHAN_POST_DEATH_UNTOLD))
		plx_post_tell_all(rx); /* what a predecessor took and did not tell */
	return 0;
}

void plx_post_receiver_leave(struct plx_post_receiver *rx)
{
	if (rx->end.channel)
		plx_post_tell_all(rx);
	plx_seat_leave(&rx->end);
}

void plx_post_receiver_close(struct plx_post_receiver *rx)
{
	if (!rx->end.channel)
		return;
	plx_channel_gone(rx->end.channel);
	plx_seat_leave(&rx->end);
}

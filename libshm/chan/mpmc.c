/*
 * mpmc.c - many senders, many receivers: claims in the cell.
 *
 *	empty(p) --claim--> writing(p, who) --commit--> full(p) --claim--> reading(p, who) --release--> empty(p + cells)
 *	                          |                        ^                    |
 *	                          +--who died: empty(p + cells), skipped        +--who died: full(p), returned
 *
 * The first word of a cell says position, state and who, so every arrow is one compare-and-swap or one store by whoever
 * claimed it. Where senders and receivers are is written nowhere: each has its own guess, and there is a hint for all; a
 * wrong one costs some looks at cells, nothing else. A cell whose position is larger than the one looked for was here
 * already; one whose position is smaller is of the lap before.
 *
 * A receiver passes over cells that are being written, but does not move on: what is written there comes before what
 * that sender writes next.
 */
#include <plx/mpmc.h>
#include <plx/process.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "chan/cell.h"
#include "chan/channel.h"
#include "chan/lane.h"
#include "chan/seat.h"
#include "chan/wait.h"

static uint64_t ahead(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- claiming ---------------------------------------------------------------------------------------- */

/* Where to go on after a cell that was taken: the next one, or, when that is of a later lap, what follows the lap before. */
static uint64_t later(uint64_t t, uint64_t at, uint64_t cells)
{
	return ahead(t + 1, at > cells ? at - cells + 1 : 0);
}

bool plx_mpmc_find_empty(struct plx_mpmc_sender *tx, uint64_t *position)
{
	uint64_t t = ahead(tx->next, plx_read_once(tx->hint));

	if (tx->end.closed || (plx_read_once(tx->attention) & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))) {
		plx_mpmc_attend(tx);
		return false;
	}
	for (;;) {
		uint64_t *cell = plx_mpmc_cell(tx->cells, t, tx->mask, tx->stride);
		uint64_t word = plx_read_once(cell), at = PLX_CELL_POSITION(word);

		if (word == PLX_CELL(t, PLX_CELL_EMPTY)) {
			/* MM1 acquire: pairs with MM4 */
			if (!__atomic_compare_exchange_n(cell, &word, word | PLX_CELL_WRITING << 6 | tx->mine,
							 false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				continue;
			tx->next = t + 1;
			plx_write_once(tx->hint, t + 1);
			*position = t;
			return true;
		}
		if (at < t) { /* of the lap before: full */
			tx->next = t;
			return false;
		}
		t = later(t, at, tx->mask + 1);
	}
}

/* Cells that came back from the dead lie behind everybody: look at all, and begin with the oldest that is not done. */
static bool look_behind(struct plx_mpmc_receiver *rx)
{
	/* acquire: pairs with MM6 */
	uint64_t returned = __atomic_load_n(&rx->end.channel->returned, __ATOMIC_ACQUIRE), first = UINT64_MAX;
	bool full = false;

	if (plx_likely(returned == rx->returned))
		return false;
	for (uint64_t i = 0; i <= rx->mask; i++) {
		uint64_t word = plx_read_once(plx_mpmc_cell(rx->cells, i, rx->mask, rx->stride));
		uint64_t state = PLX_CELL_STATE(word);

		full = full || state == PLX_CELL_FULL;
		if ((state == PLX_CELL_FULL || state == PLX_CELL_WRITING) && PLX_CELL_POSITION(word) < first)
			first = PLX_CELL_POSITION(word);
	}
	if (!full)
		rx->returned = returned;
	/* never forwards: what we saw empty first, and what came there meanwhile, may lie before what we saw full then */
	else if (first < rx->next || plx_mutant(MUT_CHAN_FORWARDS))
		rx->next = first;
	return full;
}

/* Where to go on after a cell that is of a later lap, @at: what is not done may be up to two laps behind that. */
static uint64_t skip(uint64_t h, uint64_t at, uint64_t cells)
{
	return ahead(h + 1, at > 2 * cells ? at - 2 * cells + 1 : 0);
}

/* Cells from @stay on that were being written when we passed them: is one of them full now? Then it comes first. */
static bool overtaken(const struct plx_mpmc_receiver *rx, uint64_t stay, uint64_t h)
{
	for (; stay < h; stay++) {
		if (plx_read_once(plx_mpmc_cell(rx->cells, stay, rx->mask, rx->stride)) ==
		    PLX_CELL(stay, PLX_CELL_FULL))
			return !plx_mutant(MUT_CHAN_OVERTAKEN);
	}
	return false;
}

/* From @h on, which is not beyond any cell that is not done. Nor is next afterwards: it stays at what is being written. */
static bool claim_from(struct plx_mpmc_receiver *rx, uint64_t h, uint64_t *position)
{
	uint64_t cells = rx->mask + 1, stay = UINT64_MAX;

	for (;;) {
		uint64_t *cell = plx_mpmc_cell(rx->cells, h, rx->mask, rx->stride);
		/* MM3 acquire: pairs with MM2; what its sender had sent before is full, too, or was */
		uint64_t word = __atomic_load_n(cell, __ATOMIC_ACQUIRE), at = PLX_CELL_POSITION(word);

		if (word == PLX_CELL(h, PLX_CELL_FULL)) {
			if (plx_unlikely(stay != UINT64_MAX) && overtaken(rx, stay, h)) {
				h = stay;
				stay = UINT64_MAX;
				continue;
			}
			/* MM3 acquire: pairs with MM2 */
			if (!__atomic_compare_exchange_n(cell, &word, word | PLX_CELL_READING << 6 | rx->mine,
							 false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				continue;
			*position = h;
			rx->next = stay != UINT64_MAX ? stay : h + 1;
			if (stay == UINT64_MAX)
				plx_write_once(rx->hint, h + 1);
			return true;
		}
		if (at < h || (at == h && PLX_CELL_STATE(word) == PLX_CELL_EMPTY)) {
			rx->next = stay != UINT64_MAX ? stay : h;
			return false;
		}
		if (at == h && PLX_CELL_STATE(word) == PLX_CELL_WRITING && stay == UINT64_MAX &&
		    !plx_mutant(MUT_CHAN_WRITING_PASSED))
			stay = h;
		h = at == h ? h + 1 : skip(h, at, cells);
	}
}

bool plx_mpmc_find_full(struct plx_mpmc_receiver *rx, uint64_t *position)
{
	if (claim_from(rx, ahead(rx->next, plx_read_once(rx->hint)), position))
		return true;
	/* others may be faster; but not for ever, which is what damaged cells would look like */
	for (int i = 0; i < 8 && plx_unlikely(look_behind(rx)); i++)
		if (claim_from(rx, rx->next, position))
			return true;
	return false;
}

/* ---- attention --------------------------------------------------------------------------------------- */

void plx_mpmc_attend(struct plx_mpmc_sender *tx)
{
	uint64_t attention = plx_read_once(tx->attention);

	if (attention & (PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE) && !tx->end.closed)
		plx_sender_refuse(&tx->end);
	if (attention & ~(PLX_CHANNEL_CLOSED | PLX_CHANNEL_GONE))
		plx_chan_wake(tx->end.channel, true, UINT64_MAX);
}

void plx_mpmc_wake_senders(struct plx_mpmc_receiver *rx)
{
	plx_chan_wake_all(rx->end.channel, false);
}

/* ---- many at once ------------------------------------------------------------------------------------ */

uint32_t plx_mpmc_try_send_many(struct plx_mpmc_sender *tx, const void *elements, uint32_t n)
{
	uint32_t done = 0;
	uint64_t position;
	void *at;

	while (done < n && (at = plx_mpmc_reserve(tx, &position)) != NULL) {
		plx_bytes_put(at, (const unsigned char *)elements + (uint64_t)done * tx->size, tx->size);
		plx_mpmc_publish(tx, position);
		done++;
	}
	plx_mpmc_flush(tx);
	return done;
}

uint32_t plx_mpmc_try_recv_many(struct plx_mpmc_receiver *rx, void *elements, uint32_t n)
{
	uint32_t done = 0;

	while (done < n && plx_mpmc_try_recv(rx, (unsigned char *)elements + (uint64_t)done * rx->size))
		done++;
	return done;
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

/* Is the cell that comes next empty, or full? The same ways as above, without claiming. */
static bool has_room(void *of)
{
	struct plx_mpmc_sender *tx = (struct plx_mpmc_sender *)of;
	uint64_t t = ahead(tx->next, plx_read_once(tx->hint));

	while (!tx->end.closed) {
		uint64_t word = plx_read_once(plx_mpmc_cell(tx->cells, t, tx->mask, tx->stride));
		uint64_t at = PLX_CELL_POSITION(word);

		tx->next = t;
		if (word == PLX_CELL(t, PLX_CELL_EMPTY))
			return true;
		if (at < t)
			return false;
		t = later(t, at, tx->mask + 1);
	}
	return false;
}

static bool has_some(void *of)
{
	struct plx_mpmc_receiver *rx = (struct plx_mpmc_receiver *)of;
	uint64_t h = ahead(rx->next, plx_read_once(rx->hint));

	for (;;) {
		uint64_t word = plx_read_once(plx_mpmc_cell(rx->cells, h, rx->mask, rx->stride));
		uint64_t at = PLX_CELL_POSITION(word);

		if (word == PLX_CELL(h, PLX_CELL_FULL))
			return true;
		if (at < h || (at == h && PLX_CELL_STATE(word) == PLX_CELL_EMPTY))
			break;
		h = at == h ? h + 1 : skip(h, at, rx->mask + 1);
	}
	return look_behind(rx);
}

static int sender_ended(void *of)
{
	return plx_receivers_ended(&((struct plx_mpmc_sender *)of)->end);
}

static int receiver_ended(void *of)
{
	struct plx_mpmc_receiver *rx = (struct plx_mpmc_receiver *)of;

	/* now and then without being asked: who gave a cell back may have been killed before it said so */
	if (++rx->looks % 8 == 0)
		rx->returned = UINT64_MAX;
	return plx_senders_ended(&rx->end, rx->end.channel->senders);
}

static int wait_for_room(struct plx_mpmc_sender *tx, uint64_t timeout_ns)
{
	struct plx_chan_question q = { .ready = has_room, .ended = sender_ended, .of = tx };

	return plx_chan_wait(&tx->end, &q, timeout_ns);
}

static struct plx_chan_question question(struct plx_mpmc_receiver *rx)
{
	return (struct plx_chan_question){
		.ready = has_some, .ended = receiver_ended, .of = rx, .progress = &rx->taken, .many = 4
	};
}

int plx_mpmc_wait(struct plx_mpmc_receiver *rx, uint64_t timeout_ns)
{
	struct plx_chan_question q = question(rx);

	return has_some(rx) ? 0 : plx_chan_wait(&rx->end, &q, timeout_ns);
}

/* What is left of a wait that somebody else's luck interrupted. */
static uint64_t left(uint64_t timeout_ns, uint64_t *begin)
{
	uint64_t now, gone;

	if (timeout_ns == 0 || timeout_ns == UINT64_MAX)
		return timeout_ns;
	now = plx_now_ns();
	*begin = *begin ? *begin : now;
	gone = now - *begin;
	return gone < timeout_ns ? timeout_ns - gone : 0;
}

int plx_mpmc_send_wait(struct plx_mpmc_sender *tx, const void *element, uint64_t timeout_ns)
{
	uint64_t begin = 0;

	do {
		int ret = wait_for_room(tx, left(timeout_ns, &begin));

		if (ret < 0)
			return ret == -EAGAIN && timeout_ns ? -ETIMEDOUT : ret;
	} while (!plx_mpmc_try_send(tx, element));
	return 0;
}

int plx_mpmc_recv_wait(struct plx_mpmc_receiver *rx, void *element, uint64_t timeout_ns)
{
	uint64_t begin = 0;

	do {
		int ret = plx_mpmc_wait(rx, left(timeout_ns, &begin));

		if (ret < 0)
			return ret == -EAGAIN && timeout_ns ? -ETIMEDOUT : ret;
	} while (!plx_mpmc_try_recv(rx, element));
	return 0;
}

int plx_mpmc_send_many(struct plx_mpmc_sender *tx, const void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t done = plx_mpmc_try_send_many(tx, elements, n);
	uint64_t begin = 0;

	while (plx_unlikely(done < n)) {
		int ret = wait_for_room(tx, left(timeout_ns, &begin));

		if (ret < 0)
			return done ? (int)done : ret == -EAGAIN && timeout_ns ? -ETIMEDOUT : ret;
		done += plx_mpmc_try_send_many(
			tx, (const unsigned char *)elements + (uint64_t)done * tx->size, n - done);
	}
	return (int)done;
}

int plx_mpmc_recv_many(struct plx_mpmc_receiver *rx, void *elements, uint32_t n, uint64_t timeout_ns)
{
	uint32_t got = plx_mpmc_try_recv_many(rx, elements, n);
	int ret;

	if (plx_likely(got > 0 || n == 0))
		return (int)got;
	ret = plx_mpmc_recv_wait(rx, elements, timeout_ns);
	if (ret < 0)
		return ret;
	return 1 + (int)plx_mpmc_try_recv_many(rx, (unsigned char *)elements + rx->size, n - 1);
}

struct plx_choice plx_mpmc_choice(struct plx_mpmc_receiver *rx)
{
	return (struct plx_choice){ .end = &rx->end, .ready = has_some, .ended = receiver_ended, .of = rx };
}

bool plx_mpmc_arm(struct plx_mpmc_receiver *rx)
{
	struct plx_chan_question q = question(rx);

	return plx_chan_arm(&rx->end, &q);
}

/* ---- seats ------------------------------------------------------------------------------------------- */

int plx_mpmc_sender_open(struct plx_mpmc_sender *tx, void *at, uint64_t room, uint32_t source)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*tx = (struct plx_mpmc_sender){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_MPMC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&tx->end, c, &g, true, 0, g.senders, source);
	if (ret < 0)
		return ret;
	tx->cells = plx_cells_of(plx_lane_at(c, &g, 0));
	tx->mask = g.cells - 1;
	tx->stride = g.stride;
	tx->size = g.size;
	tx->hint = &c->tail_hint;
	tx->next = plx_read_once(tx->hint);
	tx->mine = PLX_CELL_WRITING << 6 | PLX_CELL_HOLDER(tx->end.number, tx->end.generation);
	tx->sent_word = &tx->end.seat->sent;
	tx->sent = plx_read_once(tx->sent_word);
	tx->attention = &c->to_senders;
	return 0;
}

int plx_mpmc_receiver_open(struct plx_mpmc_receiver *rx, void *at, uint64_t room)
{
	struct plx_channel *c = (struct plx_channel *)at;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	*rx = (struct plx_mpmc_receiver){ .size = 0 };
	if (ret == 0 && g.kind != PLX_CHANNEL_MPMC)
		ret = -EPROTO;
	if (ret == 0)
		ret = plx_seat_take(&rx->end, c, &g, false, 0, g.receivers, 0);
	if (ret < 0)
		return ret;
	rx->cells = plx_cells_of(plx_lane_at(c, &g, 0));
	rx->mask = g.cells - 1;
	rx->stride = g.stride;
	rx->size = g.size;
	rx->hint = &c->head_hint;
	rx->mine = PLX_CELL_HOLDER(rx->end.number, rx->end.generation);
	rx->taken_word = &rx->end.seat->received;
	rx->taken = plx_read_once(rx->taken_word);
	rx->attention = &c->to_receivers;
	rx->every = g.cells / 4 - 1;
	rx->returned = UINT64_MAX; /* look at all once */
	return 0;
}

void plx_mpmc_sender_leave(struct plx_mpmc_sender *tx)
{
	plx_seat_leave(&tx->end);
}

void plx_mpmc_receiver_leave(struct plx_mpmc_receiver *rx)
{
	plx_seat_leave(&rx->end);
}

/* ---- who holds the others up ------------------------------------------------------------------------- */

int32_t plx_mpmc_holder(const void *at, uint64_t room)
{
	const struct plx_channel *c = (const struct plx_channel *)at;
	uint64_t oldest = UINT64_MAX, owner;
	struct plx_geometry g;
	int ret = plx_geometry_read(&g, at, room);

	if (ret == 0 && g.kind != PLX_CHANNEL_MPMC)
		ret = -EPROTO;
	for (uint64_t i = 0; i < g.cells && ret == 0; i++) {
		uint64_t word = plx_read_once(
			plx_mpmc_cell(plx_cells_of(plx_lane_at(c, &g, 0)), i, g.cells - 1, g.stride));

		/* position first, then state and seat: words compare as positions do */
		if ((PLX_CELL_STATE(word) & 1) && word < oldest)
			oldest = word;
	}
	if (ret < 0 || oldest == UINT64_MAX ||
	    (oldest & 63) >= (PLX_CELL_STATE(oldest) == PLX_CELL_WRITING ? g.senders : g.receivers))
		return ret;
	owner = plx_read_once(
		&plx_seat_at(c, PLX_CELL_STATE(oldest) == PLX_CELL_WRITING, oldest & 63, g.senders)->owner);
	return (PLX_OWNER_GEN(owner) & 255) == (oldest >> 8 & 255) ? (int32_t)PLX_OWNER_PID(owner) : 0;
}

/* ---- burying ----------------------------------------------------------------------------------------- */

void plx_cells_bury(struct plx_channel *c, const struct plx_geometry *g, bool sender, uint32_t number,
		    uint32_t generation)
{
	unsigned char *cells = plx_cells_of(plx_lane_at(c, g, 0));
	uint64_t holder = PLX_CELL_HOLDER(number, generation);
	uint64_t state = sender ? PLX_CELL_WRITING : PLX_CELL_READING;

	for (uint64_t i = 0; i < g->cells; i++) {
		uint64_t *cell = plx_mpmc_cell(cells, i, g->cells - 1, g->stride);
		/* acquire: what it had written there, if it read */
		uint64_t word = __atomic_load_n(cell, __ATOMIC_ACQUIRE), at = PLX_CELL_POSITION(word);

		if (plx_mutant(MUT_CHAN_NO_GENERATION))
			word &= ~0xff00ull, holder &= ~0xff00ull;
		if ((word & 0xffff) != (holder | state << 6))
			continue;
		if (plx_mutant(MUT_CHAN_NO_GENERATION))
			word = plx_read_once(cell);
		/* MM5 release: pairs with MM1 and MM3; nobody touches it any more */
		if (!__atomic_compare_exchange_n(cell, &word,
						 sender || plx_mutant(MUT_CHAN_READ_IS_RECEIVED)
							 ? PLX_CELL(at + g->cells, PLX_CELL_EMPTY)
							 : PLX_CELL(at, PLX_CELL_FULL),
						 false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue; /* somebody else buries it, too */
		if (sender)
			__atomic_fetch_add(&c->skipped, 1, __ATOMIC_RELAXED);
	}
	/*
	 * MM6 release: pairs with the acquire in look_behind(). Also when we found none: who buried it before us may have
	 * died before it said so; the seat is not free yet, so that somebody does.
	 */
	if (!sender && (!plx_mutant(MUT_CHAN_RETURN_UNSAID)))
		__atomic_fetch_add(&c->returned, 1, __ATOMIC_RELEASE);
}

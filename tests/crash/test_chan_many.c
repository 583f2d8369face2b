/*
 * test_chan_many.c - two senders and two receivers of one ring; one of them, or who buries one, dies or sleeps at each
 * instruction of what it does.
 *
 * What was sent comes once and whole, from one sender to one receiver in order; what a dead sender was writing does not come,
 * what a dead receiver had in its hands comes to the other one, which needs no successor for that. Burying may stop half
 * way and be done again, or twice at once, also while the seat is taken by somebody else already.
 *
 * Timeout: 120
 */
#include <string.h>

#include <plx/mpmc.h>

#include "chan/wait.h"
#include "tests/support/support.h"
#include "tests/support/walk.h"

#define POINTS  60000
#define SIDES   2u
#define MANY    6u
#define ROOM    (16u << 10)
#define WINDOW  64u /* messages of a sender that may be under way */
#define FOREVER UINT64_MAX

enum what { SEND, SEND_MANY, RESERVE, RECV, RECV_MANY, PEEK, ARM, PARK, BURY, JOIN, LEAVE, WHATS };

static struct step_count counts[WHATS] = {
	[SEND] = { .name = "send" },
	[SEND_MANY] = { .name = "send many" },
	[RESERVE] = { .name = "reserve and commit" },
	[RECV] = { .name = "receive" },
	[RECV_MANY] = { .name = "receive many" },
	[PEEK] = { .name = "peek and release" },
	[ARM] = { .name = "fall asleep" },
	[PARK] = { .name = "wait with a timeout" },
	[BURY] = { .name = "bury" },
	[JOIN] = { .name = "take a seat" },
	[LEAVE] = { .name = "leave" },
};

struct stream {
	uint32_t sent;        /* accepted */
	uint32_t low;         /* all before came */
	uint64_t came;        /* bit i: low + i did */
	uint32_t last[SIDES]; /* what each receiver had of it, plus one */
};

struct world {
	struct walk_party p; /* without its streams: here each message is ticked off */
	struct plx_mpmc_sender tx[SIDES], fresh;
	struct plx_mpmc_receiver rx[SIDES];
	struct stream stream[SIDES];
	uint64_t received_before;
	bool in_order; /* nothing came back from a dead receiver */
	/* the operation at hand */
	uint32_t who, n, done, begun_by;
	bool asleep, sends, twice;
	uint64_t claimed; /* while somebody else buries: a position, plus one */
	uint64_t begun;   /* the other sender is in the middle of sending: a position, plus one */
	int ret;
	unsigned char messages[MANY * WALK_BYTES];
};

static uint64_t roll(struct world *w, uint64_t below)
{
	return walk_roll(&w->p.seed, below);
}

/* ---- messages ------------------------------------------------------------------------------------------- */

static const char *expect(struct world *w, const unsigned char *m, uint32_t by)
{
	uint32_t number, who;
	struct stream *s;

	walk_read(m, &who, &number);
	if (who >= SIDES)
		return "a message is from nobody";
	s = &w->stream[who];
	if (number < s->low || (number - s->low < WINDOW && s->came >> (number - s->low) & 1))
		return "a message came twice";
	if (number - s->low >= WINDOW)
		return "a message came that was not sent";
	if (!walk_is_whole(m, w->p.shape.size))
		return "a message is not what was sent";
	if (w->in_order && number < s->last[by])
		return "a message came after a later one";
	s->last[by] = number + 1;
	s->came |= 1ull << (number - s->low);
	while (s->came & 1) {
		s->came >>= 1;
		s->low++;
	}
	return NULL;
}

/* ---- the two sides -------------------------------------------------------------------------------------- */

static void send_some(struct world *w, uint32_t who, uint32_t n)
{
	unsigned char m[WALK_BYTES];

	for (uint32_t i = 0; i < n; i++) {
		walk_fill(m, w->p.shape.size, who, w->stream[who].sent);
		if (!plx_mpmc_try_send(&w->tx[who], m))
			return;
		w->stream[who].sent++;
	}
}

static const char *receive_some(struct world *w, uint32_t by, uint32_t n)
{
	unsigned char m[WALK_BYTES];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < n && !wrong && plx_mpmc_try_recv(&w->rx[by], m); i++)
		wrong = expect(w, m, by);
	return wrong;
}

/* All that was accepted has come; of @who's messages up to @more more, and of anybody's up to @less less. */
static const char *settle(struct world *w, uint32_t who, uint32_t more, uint32_t less)
{
	uint32_t missing = 0;

	for (uint32_t i = 0; i < SIDES; i++) {
		struct stream *s = &w->stream[i];
		uint32_t all = s->low + (s->came ? 64 - (uint32_t)__builtin_clzll(s->came) : 0);

		if (all > s->sent + (i == who ? more : 0))
			return "a message came that was not sent";
		if (all < s->sent)
			all = s->sent;
		missing += all - s->low - (uint32_t)__builtin_popcountll(s->came);
		s->sent = s->low = all;
		s->came = 0;
	}
	return missing > less ? "a message that was accepted never came" : NULL;
}

static const char *drain_by(struct world *w, uint32_t by, uint32_t who, uint32_t more, uint32_t less)
{
	const char *wrong = receive_some(w, by, WALK_ALL);

	return wrong ? wrong : settle(w, who, more, less);
}

/* Nothing is stuck: more than the ring holds goes through, by any of them. */
static const char *go_on(struct world *w)
{
	const char *wrong = NULL;

	for (uint32_t lap = 0; lap < 4 && !wrong; lap++) {
		uint32_t before = w->stream[0].sent + w->stream[1].sent;

		send_some(w, lap % 2, lap == 3 ? 5 : WALK_ALL);
		send_some(w, (lap + 1) % 2, WALK_ALL);
		if (w->stream[0].sent + w->stream[1].sent - before < w->p.shape.count)
			return "the channel holds less than was promised";
		wrong = receive_some(w, lap / 2, lap % 2 ? 3 : WALK_ALL);
		if (!wrong)
			wrong = drain_by(w, !(lap / 2), 0, 0, 0);
	}
	return walk_checked(&w->p, wrong);
}

/* A sender begins; it commits when the one at hand has been paused, or at the end. */
static void begin_sending(struct world *w, uint32_t who)
{
	uint64_t position;
	void *to = plx_mpmc_reserve(&w->tx[who], &position);

	if (to)
		walk_fill(to, w->p.shape.size, who, w->stream[who].sent);
	w->begun = to ? position + 1 : 0;
}

static void end_sending(struct world *w)
{
	if (!w->begun)
		return;
	plx_mpmc_commit(&w->tx[w->begun_by], w->begun - 1);
	w->stream[w->begun_by].sent++;
	w->begun = 0;
}

/* ---- what the child does -------------------------------------------------------------------------------- */

static void call(void *arg)
{
	struct world *w = arg;
	struct plx_mpmc_sender *tx = &w->tx[w->who];
	struct plx_mpmc_receiver *rx = &w->rx[w->who];
	uint64_t position;
	const void *from;
	void *to;

	w->done = 0;
	switch (w->p.what) {
	case SEND: w->done = plx_mpmc_try_send(tx, w->messages); break;
	case SEND_MANY: w->done = plx_mpmc_try_send_many(tx, w->messages, w->n); break;
	case RESERVE:
		to = plx_mpmc_reserve(tx, &position);
		if (!to)
			break;
		memcpy(to, w->messages, w->p.shape.size);
		plx_mpmc_commit(tx, position);
		w->done = 1;
		break;
	case RECV: w->done = plx_mpmc_try_recv(rx, w->messages); break;
	case RECV_MANY: w->done = plx_mpmc_try_recv_many(rx, w->messages, w->n); break;
	case PEEK:
		from = plx_mpmc_peek(rx, &position);
		if (!from)
			break;
		memcpy(w->messages, from, w->p.shape.size);
		plx_mpmc_release(rx, position);
		w->done = 1;
		break;
	case ARM: w->asleep = plx_mpmc_arm(rx); break;
	case PARK: w->ret = plx_mpmc_wait(rx, 1); break;
	case BURY: w->ret = plx_channel_bury(w->p.at, 0); break;
	case JOIN: w->ret = plx_mpmc_sender_open(&w->fresh, w->p.at, w->p.room, 0); break;
	case LEAVE: plx_mpmc_sender_leave(&w->fresh); break;
	case WHATS: break;
	}
}

static bool sends(enum what what)
{
	return what == SEND || what == SEND_MANY || what == RESERVE;
}

static bool takes(enum what what)
{
	return what == RECV || what == RECV_MANY || what == PEEK;
}

static const char *finish(struct world *w)
{
	const char *wrong = NULL;

	if (sends(w->p.what))
		w->stream[w->who].sent += w->done;
	for (uint32_t i = 0; takes(w->p.what) && i < w->done && !wrong; i++)
		wrong = expect(w, w->messages + i * w->p.shape.size, w->who);
	return wrong;
}

/* ---- what if it died here? ------------------------------------------------------------------------------ */

/*
 * The child lives, and so do we: a process that is not there makes the holder of a seat one that is gone. (One that is
 * there, but began at another time, would be asked for by opening a file, and files are not put back by the stepper.)
 */
static void forge_death(struct plx_seat *seat)
{
	if (PLX_OWNER_PID(seat->owner) != 0)
		seat->owner |= 0x3fffff;
}

static const char *take_its_place(struct world *w, bool sender)
{
	int ret = sender ? plx_mpmc_sender_open(&w->tx[w->who], w->p.at, w->p.room, 0)
			 : plx_mpmc_receiver_open(&w->rx[w->who], w->p.at, w->p.room);

	return ret == 0 ? NULL : "a successor gets no seat";
}

static const char *sender_died(struct world *w)
{
	const char *wrong = receive_some(w, 0, (uint32_t)roll(w, 30)); /* nobody knows yet */

	forge_death(w->tx[w->who].end.seat);
	if (!wrong && plx_channel_bury(w->p.at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong)
		wrong = drain_by(w, (uint32_t)roll(w, 2), w->who, w->n, 0);
	if (!wrong)
		wrong = take_its_place(w, true);
	return wrong ? wrong : go_on(w);
}

/* The one that lives gets everything, but what the dead one says it was done with. */
static const char *receiver_died(struct world *w)
{
	struct plx_seat *seat = w->rx[w->who].end.seat;
	const char *wrong = receive_some(w, !w->who, (uint32_t)roll(w, 30));

	forge_death(seat);
	w->in_order = false;
	if (!wrong && plx_channel_bury(w->p.at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong)
		wrong = drain_by(w, !w->who, 0, 0, (uint32_t)(seat->received - w->received_before));
	if (!wrong)
		wrong = take_its_place(w, false);
	return wrong ? wrong : go_on(w);
}

/* Who buries died: somebody else does it. The other receiver gets what the dead one had, with nobody in its place. */
static const char *burier_died(struct world *w)
{
	const char *wrong;

	w->in_order = false;
	wrong = receive_some(w, w->sends ? 0 : !w->who, (uint32_t)roll(w, 30));
	plx_channel_bury(w->p.at, 0);
	if (!wrong)
		wrong = drain_by(w, w->sends ? (uint32_t)roll(w, 2) : !w->who, 0, 0, 0);
	if (!wrong)
		wrong = take_its_place(w, w->sends);
	return wrong ? wrong : go_on(w);
}

static const char *seat_died(struct world *w)
{
	const char *wrong;

	for (uint32_t i = 0; i < SIDES; i++) {
		struct plx_seat *seat = plx_seat_at(w->p.at, true, i, SIDES);

		if (PLX_OWNER_PID(seat->owner) != 0 && PLX_OWNER_PID(seat->owner) != (uint32_t)getpid())
			forge_death(seat);
	}
	wrong = take_its_place(w, true);
	if (!wrong)
		wrong = drain_by(w, 0, 0, 0, 0);
	return wrong ? wrong : go_on(w);
}

static const char *died(void *arg)
{
	struct world *w = arg;
	const char *wrong;

	end_sending(w);
	if (w->p.what == JOIN || w->p.what == LEAVE)
		wrong = seat_died(w);
	else if (w->p.what == BURY)
		wrong = burier_died(w);
	else
		wrong = sends(w->p.what) ? sender_died(w) : receiver_died(w);
	return walk_checked(&w->p, wrong);
}

/* ---- what if it slept here? ----------------------------------------------------------------------------- */

/* Burying is done by somebody else meanwhile; the seat is taken, and a cell claimed. */
static const char *buried_meanwhile(struct world *w)
{
	const char *wrong;
	uint64_t position;
	const void *from;
	void *to;

	plx_channel_bury(w->p.at, 0);
	w->in_order = false;
	w->twice = true;
	w->claimed = 0;
	wrong = take_its_place(w, w->sends);
	if (!wrong && w->sends && (to = plx_mpmc_reserve(&w->tx[w->who], &position)) != NULL) {
		walk_fill(to, w->p.shape.size, w->who, w->stream[w->who].sent);
		w->claimed = position + 1;
	}
	if (!wrong && !w->sends && (from = plx_mpmc_peek(&w->rx[w->who], &position)) != NULL) {
		memcpy(w->messages, from, w->p.shape.size);
		w->claimed = position + 1;
	}
	return wrong;
}

static const char *paused(void *arg)
{
	struct world *w = arg;
	const char *wrong = NULL;

	if (w->p.what == BURY && roll(w, 2))
		return buried_meanwhile(w);
	if (w->p.what == BURY && !w->sends)
		w->in_order = false; /* what the dead one had may have come back */
	if (w->begun && roll(w, 4)) {
		end_sending(w);
		send_some(w, w->begun_by, 1 + (uint32_t)roll(w, 3));
		if (roll(w, 2))
			return walk_checked(&w->p, NULL);
	}
	for (uint32_t i = 0; i < SIDES && !wrong; i++) {
		bool busy = i == w->who, of_senders = sends(w->p.what) || (w->p.what == BURY && w->sends);

		if (!(busy && of_senders) && !(w->begun && i == w->begun_by))
			send_some(w, i, roll(w, 3) ? (uint32_t)roll(w, 12) : 1000);
		if (!(busy && !of_senders))
			wrong = receive_some(w, i, roll(w, 3) ? (uint32_t)roll(w, 12) : 1000);
	}
	return walk_checked(&w->p, wrong);
}

static const char *awake(struct world *w)
{
	struct stream *s = w->stream;

	if (!w->asleep || !(w->rx[w->who].end.seat->sleep & 1))
		return NULL;
	for (uint32_t i = 0; i < SIDES; i++)
		if (s[i].sent != s[i].low + (uint32_t)__builtin_popcountll(s[i].came))
			return "a receiver sleeps, and there is something";
	return NULL;
}

/* Both have buried; what the successor claimed is still its own. */
static const char *both_buried(struct world *w)
{
	const char *wrong = NULL;

	if (!w->twice) {
		w->in_order = false;
		return take_its_place(w, w->sends);
	}
	if (w->claimed && w->sends) {
		plx_mpmc_commit(&w->tx[w->who], w->claimed - 1);
		w->stream[w->who].sent++;
	} else if (w->claimed) {
		wrong = receive_some(w, !w->who, WALK_ALL); /* not what the successor has in its hands */
		if (wrong)
			return wrong;
		plx_mpmc_release(&w->rx[w->who], w->claimed - 1);
		wrong = expect(w, w->messages, w->who);
	}
	return wrong;
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = w->p.what == BURY ? both_buried(w) : finish(w);

	end_sending(w);

	if (!wrong && w->p.what == ARM) {
		/* another receiver may sleep instead of us: none does here */
		wrong = awake(w);
		plx_chan_wakes(&w->rx[w->who].end);
	}
	if (w->p.what == JOIN || w->p.what == LEAVE)
		return walk_checked(&w->p, wrong);
	if (!wrong)
		wrong = drain_by(w, w->sends ? (uint32_t)roll(w, 2) : !w->who, 0, 0, 0);
	return wrong ? wrong : go_on(w);
}

/* ---- the walk ------------------------------------------------------------------------------------------- */

static const char *run(struct stepper *st, struct world *w, enum what what)
{
	struct step_op op = { call, died, paused, resumed, w };
	const char *wrong;

	w->p.what = what;
	wrong = step_run(st, &op, &counts[what]);
	if (!wrong)
		wrong = finish(w);
	end_sending(w);
	if (!wrong && what == ARM) {
		wrong = awake(w);
		plx_chan_wakes(&w->rx[w->who].end);
	}
	return wrong;
}

static const char *change_seats(struct stepper *st, struct world *w)
{
	const char *wrong;

	plx_mpmc_sender_leave(&w->tx[w->who]);
	wrong = run(st, w, JOIN);
	if (!wrong && w->ret != 0)
		wrong = "no seat";
	if (!wrong)
		wrong = run(st, w, LEAVE);
	return wrong ? wrong : take_its_place(w, true);
}

/* Somebody died with a cell in its hands. */
static const char *bury_one(struct stepper *st, struct world *w)
{
	uint64_t position;
	const char *wrong;

	w->sends = roll(w, 2);
	w->twice = false;
	if (w->sends) {
		void *at = plx_mpmc_reserve(&w->tx[w->who], &position);

		if (at)
			memset(at, 0xee, w->p.shape.size);
		forge_death(w->tx[w->who].end.seat);
	} else {
		(void)plx_mpmc_peek(&w->rx[w->who], &position);
		forge_death(w->rx[w->who].end.seat);
	}
	wrong = run(st, w, BURY);
	w->in_order = false;
	if (!wrong && w->ret != 1)
		wrong = "its seat was not taken back";
	if (!wrong)
		wrong = take_its_place(w, w->sends);
	if (!wrong)
		wrong = drain_by(w, w->sends ? 0 : !w->who, 0, 0, 0);
	return wrong;
}

static const char *one_step(struct stepper *st, struct world *w)
{
	static const enum what often[] = { SEND, SEND_MANY, RESERVE, RECV, RECV_MANY, PEEK, ARM };
	uint32_t dice = (uint32_t)roll(w, 400);
	enum what what = dice == 0   ? PARK
			 : dice < 6  ? JOIN
			 : dice < 16 ? BURY
				     : often[roll(w, COUNT_OF(often))];
	const char *wrong = NULL;

	w->who = (uint32_t)roll(w, SIDES);
	w->n = what == SEND_MANY || what == RECV_MANY ? 1 + (uint32_t)roll(w, MANY) : 1;
	w->sends = sends(what) || what == JOIN;
	if (what == JOIN)
		return change_seats(st, w);
	if (what == BURY)
		return bury_one(st, w);
	for (uint32_t i = 0; sends(what) && i < w->n; i++)
		walk_fill(w->messages + i * w->p.shape.size, w->p.shape.size, w->who,
			  w->stream[w->who].sent + i);
	w->received_before = w->rx[w->who].end.seat->received;
	if (what == ARM)
		wrong = receive_some(w, w->who, WALK_ALL);
	if (takes(what) && roll(w, 3) == 0)
		w->rx[w->who].returned = UINT64_MAX; /* as after a burial: look at all cells */
	if (takes(what) && roll(w, 2)) {
		w->begun_by = (uint32_t)roll(w, SIDES);
		begin_sending(w, w->begun_by);
		send_some(w, !w->begun_by, (uint32_t)roll(w, 3));
	}
	return wrong ? wrong : run(st, w, what);
}

static const char *others(void *world)
{
	struct world *w = world;
	const char *wrong = NULL;

	for (uint32_t i = 0; i < SIDES && !wrong; i++) {
		send_some(w, i, (uint32_t)roll(w, 12));
		wrong = receive_some(w, i, (uint32_t)roll(w, 12));
	}
	return wrong;
}

static const char *step(struct stepper *st, void *world)
{
	struct world *w = world;
	const char *wrong = one_step(st, w);

	if (!wrong && w->stream[0].sent % 8 == 0 && !w->in_order) { /* from here on it is in order again */
		wrong = drain_by(w, (uint32_t)roll(w, 2), 0, 0, 0);
		w->in_order = true;
	}
	return wrong;
}

static void what_was_sent_comes_once_whoever_dies_or_sleeps_or_buries(void **state)
{
	static const struct plx_channel_shape shape = {
		.kind = PLX_CHANNEL_MPMC, .size = 24, .count = 8, .senders = SIDES, .receivers = SIDES
	};
	static const struct walk_story story = { "chan many", counts, WHATS, POINTS, step, others };
	struct walk walk = { .name = "mpmc" };
	struct world *w;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	w = walk_begin(&walk, sizeof(*w), ROOM, &shape);
	w->in_order = true;
	for (w->who = 0; w->who < SIDES; w->who++) {
		assert_null(take_its_place(w, true));
		assert_null(take_its_place(w, false));
	}
	walk_all(&walk, 1, &story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_comes_once_whoever_dies_or_sleeps_or_buries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_chan.c - a channel between some senders and receivers; one of them dies or sleeps at each instruction of what it does.
 *
 * Messages of a sender are numbered and carry a pattern. Whatever happens between whichever instructions, what was sent comes
 * once, whole, and in its order; who dies takes with it at most what it was about to send, or had been given in the call it
 * died in; its seat is free for a successor, who goes on. And whoever sleeps has been woken when there is something for it.
 *
 * Timeout: 120
 */
#include <string.h>

#include <plx/mpsc.h>
#include <plx/spsc.h>

#include "chan/lane.h"
#include "chan/wait.h"
#include "tests/support/support.h"
#include "tests/support/walk.h"

#define POINTS  60000
#define SENDERS 2u
#define MANY    9u
#define ROOM    (24u << 10)

enum what { SEND, SEND_MANY, RESERVE, RECV, RECV_MANY, PEEK, ARM, WAIT_ROOM, PARK, JOIN, LEAVE, WHATS };

static struct step_count counts[WHATS] = {
	[SEND] = { .name = "send" },
	[SEND_MANY] = { .name = "send many" },
	[RESERVE] = { .name = "reserve and commit" },
	[RECV] = { .name = "receive" },
	[RECV_MANY] = { .name = "receive many" },
	[PEEK] = { .name = "peek and release" },
	[ARM] = { .name = "fall asleep, receiver" },
	[WAIT_ROOM] = { .name = "fall asleep, sender" },
	[PARK] = { .name = "wait with a timeout" },
	[JOIN] = { .name = "take a seat" },
	[LEAVE] = { .name = "leave" },
};

struct world {
	struct walk_party p; /* a stream for each sender */
	struct plx_spsc_sender tx[SENDERS];
	union {
		struct plx_spsc_receiver one;
		struct plx_mpsc_receiver many;
	} rx;
	/* the operation at hand, and what came of it */
	uint32_t who; /* a sender */
	uint32_t n, done;
	bool asleep;
	int ret;
	struct plx_spsc_sender fresh;
	unsigned char messages[MANY * WALK_BYTES];
};

static uint64_t roll(struct world *w, uint64_t below)
{
	return walk_roll(&w->p.seed, below);
}

static bool lanes(const struct world *w)
{
	return w->p.shape.kind == PLX_CHANNEL_MPSC;
}

/* ---- the two kinds ---------------------------------------------------------------------------------------- */

static uint32_t receive(struct world *w, void *to, uint32_t n)
{
	if (n == 1)
		return lanes(w) ? plx_mpsc_try_recv(&w->rx.many, to) : plx_spsc_try_recv(&w->rx.one, to);
	return lanes(w) ? plx_mpsc_try_recv_many(&w->rx.many, to, n)
			: plx_spsc_try_recv_many(&w->rx.one, to, n);
}

static bool send_one(struct walk_party *p, uint32_t who, const unsigned char *m)
{
	return plx_spsc_try_send(&((struct world *)p)->tx[who], m);
}

static bool receive_one(struct walk_party *p, unsigned char *m, struct plx_envelope *e)
{
	(void)e;
	return receive((struct world *)p, m, 1);
}

static struct plx_end *receiver(struct world *w)
{
	return lanes(w) ? &w->rx.many.end : &w->rx.one.end;
}

static int open_sender(struct world *w, struct plx_spsc_sender *tx)
{
	return lanes(w) ? plx_mpsc_sender_open(tx, w->p.at, w->p.room, 0)
			: plx_spsc_sender_open(tx, w->p.at, w->p.room, 0);
}

static int open_receiver(struct world *w)
{
	return lanes(w) ? plx_mpsc_receiver_open(&w->rx.many, w->p.at, w->p.room)
			: plx_spsc_receiver_open(&w->rx.one, w->p.at, w->p.room);
}

static bool arm(struct world *w)
{
	return lanes(w) ? plx_mpsc_arm(&w->rx.many) : plx_spsc_arm(&w->rx.one);
}

static int wait(struct world *w, uint64_t timeout_ns)
{
	return lanes(w) ? plx_mpsc_wait(&w->rx.many, timeout_ns) : plx_spsc_wait(&w->rx.one, timeout_ns);
}

static int still_open(void *of)
{
	(void)of;
	return 0;
}

static struct plx_chan_question room_question(struct plx_spsc_sender *tx)
{
	return (struct plx_chan_question){ .ready = plx_sender_has_room, .ended = still_open, .of = tx };
}

/* ---- what the child does -------------------------------------------------------------------------------- */

static void call(void *arg)
{
	struct world *w = arg;
	struct plx_spsc_sender *tx = &w->tx[w->who];
	struct plx_chan_question q = room_question(tx);
	const void *from;
	uint32_t n;
	void *to;

	w->done = 0;
	switch (w->p.what) {
	case SEND: w->done = plx_spsc_try_send(tx, w->messages); break;
	case SEND_MANY: w->done = plx_spsc_try_send_many(tx, w->messages, w->n); break;
	case RESERVE:
		to = plx_spsc_reserve(tx, &n);
		if (!to)
			break;
		n = n < w->n ? n : w->n;
		memcpy(to, w->messages, (size_t)n * w->p.shape.size);
		plx_spsc_commit(tx, n);
		w->done = n;
		break;
	case RECV:
	case RECV_MANY: w->done = receive(w, w->messages, w->n); break;
	case PEEK:
		from = lanes(w) ? plx_mpsc_peek(&w->rx.many, &n) : plx_spsc_peek(&w->rx.one, &n);
		if (!from)
			break;
		n = n < w->n ? n : w->n;
		memcpy(w->messages, from, (size_t)n * w->p.shape.size);
		if (lanes(w))
			plx_mpsc_release(&w->rx.many, n);
		else
			plx_spsc_release(&w->rx.one, n);
		w->done = n;
		break;
	case ARM: w->asleep = arm(w); break;
	case WAIT_ROOM: w->asleep = plx_chan_arm(&tx->end, &q); break;
	case PARK: w->ret = w->n % 2 ? wait(w, 1) : plx_sender_wait(tx, 1); break;
	case JOIN: w->ret = open_sender(w, &w->fresh); break;
	case LEAVE: plx_spsc_sender_leave(&w->fresh); break;
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

/* It has returned: what it says is so. */
static const char *finish(struct world *w)
{
	const char *wrong = NULL;

	if (sends(w->p.what))
		w->p.stream[w->who].sent += w->done;
	else if (takes(w->p.what))
		for (uint32_t i = 0; i < w->done && !wrong; i++)
			wrong = walk_expect(&w->p, w->messages + i * w->p.shape.size, NULL);
	return wrong;
}

/* ---- what if it died here? ------------------------------------------------------------------------------- */

static const char *sender_died(struct world *w)
{
	struct plx_spsc_sender *tx = &w->tx[w->who];
	const char *wrong = walk_drain(&w->p, w->who, w->n);

	walk_forge_death(tx->end.seat);
	if (!wrong && plx_channel_bury(w->p.at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong && open_sender(w, tx) != 0)
		wrong = "a successor gets no seat";
	return wrong ? wrong : walk_go_on(&w->p);
}

static const char *receiver_died(struct world *w)
{
	const char *wrong;

	walk_forge_death(receiver(w)->seat);
	if (open_receiver(w) != 0)
		return "a successor gets no seat";
	wrong = walk_inherit(&w->p, takes(w->p.what) ? w->n : 0);
	return wrong ? wrong : walk_go_on(&w->p);
}

/* Who was about to take a seat has it, or has not; who was about to leave the same. */
static const char *seat_died(struct world *w)
{
	const char *wrong;

	for (uint32_t i = 0; i < w->p.streams; i++) {
		struct plx_seat *seat = plx_seat_at(w->p.at, true, i, w->p.shape.senders);

		if (PLX_OWNER_PID(seat->owner) != 0 && PLX_OWNER_PID(seat->owner) != (uint32_t)getpid())
			walk_forge_death(seat);
	}
	if (open_sender(w, &w->tx[w->who]) != 0)
		return "a successor gets no seat";
	wrong = walk_drain(&w->p, 0, 0);
	return wrong ? wrong : walk_go_on(&w->p);
}

static const char *died(void *arg)
{
	struct world *w = arg;

	if (w->p.what == JOIN || w->p.what == LEAVE)
		return walk_checked(&w->p, seat_died(w));
	if (sends(w->p.what) || w->p.what == WAIT_ROOM || (w->p.what == PARK && w->n % 2 == 0))
		return walk_checked(&w->p, sender_died(w));
	return walk_checked(&w->p, receiver_died(w));
}

/* ---- what if it slept here? ----------------------------------------------------------------------------- */

static const char *paused(void *arg)
{
	struct world *w = arg;
	bool receives = takes(w->p.what) || w->p.what == ARM || (w->p.what == PARK && w->n % 2);
	const char *wrong = NULL;

	for (uint32_t i = 0; i < w->p.streams; i++) {
		if (receives || (i != w->who))
			walk_send_some(&w->p, i, (uint32_t)roll(w, 3) ? (uint32_t)roll(w, 12) : 1000);
	}
	if (!receives && roll(w, 3)) {
		/* what comes of the message at hand may be there already */
		uint32_t sent = w->p.stream[w->who].sent;

		wrong = walk_receive_some(&w->p, (uint32_t)roll(w, 2) ? (uint32_t)roll(w, 20) : 1000);
		if (!wrong && w->p.stream[w->who].got > sent + (sends(w->p.what) ? w->n : 0))
			wrong = "a message came that was not sent";
	}
	return walk_checked(&w->p, wrong);
}

static const char *awake(struct world *w)
{
	struct plx_end *end = w->p.what == ARM ? receiver(w) : &w->tx[w->who].end;
	bool is_there = false;

	if (!w->asleep || !(end->seat->sleep & 1))
		return NULL;
	if (w->p.what == WAIT_ROOM)
		return plx_sender_has_room(&w->tx[w->who]) ? "a sender sleeps, and there is room" : NULL;
	for (uint32_t i = 0; i < w->p.streams; i++)
		is_there = is_there || w->p.stream[i].sent > w->p.stream[i].got;
	return is_there ? "a receiver sleeps, and there is something" : NULL;
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w);

	if (!wrong && (w->p.what == ARM || w->p.what == WAIT_ROOM)) {
		wrong = awake(w);
		plx_chan_wakes(w->p.what == ARM ? receiver(w) : &w->tx[w->who].end);
	}
	if (w->p.what == JOIN || w->p.what == LEAVE)
		return walk_checked(&w->p, wrong);
	if (!wrong)
		wrong = walk_drain(&w->p, 0, 0);
	return wrong ? wrong : walk_go_on(&w->p);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static const char *run(struct stepper *st, struct world *w, enum what what)
{
	struct step_op op = { call, died, paused, resumed, w };
	const char *wrong;

	w->p.what = what;
	wrong = step_run(st, &op, &counts[what]);
	if (!wrong)
		wrong = finish(w);
	if (!wrong && (what == ARM || what == WAIT_ROOM)) {
		wrong = awake(w);
		plx_chan_wakes(what == ARM ? receiver(w) : &w->tx[w->who].end);
	}
	return wrong;
}

/* A sender's seat is given back and taken anew by the child, which then leaves it to one of ours. */
static const char *change_seats(struct stepper *st, struct world *w)
{
	const char *wrong = lanes(w) ? walk_drain(&w->p, 0, 0)
				     : NULL; /* a lane that is not empty has no successor */

	plx_spsc_sender_leave(&w->tx[w->who]);
	if (!wrong)
		wrong = run(st, w, JOIN);
	if (!wrong && w->ret != 0)
		wrong = "no seat";
	if (!wrong)
		wrong = run(st, w, LEAVE);
	if (!wrong && open_sender(w, &w->tx[w->who]) != 0)
		wrong = "no seat for who comes back";
	return wrong;
}

static const char *step(struct stepper *st, void *world)
{
	static const enum what often[] = { SEND,      SEND_MANY, SEND_MANY, RESERVE, RECV,
					   RECV_MANY, RECV_MANY, PEEK,      ARM,     WAIT_ROOM };
	struct world *w = world;
	uint32_t dice = (uint32_t)roll(w, 400);
	const char *wrong = NULL;
	enum what what = dice == 0 ? PARK : dice < 12 ? JOIN : often[roll(w, COUNT_OF(often))];

	w->who = (uint32_t)roll(w, w->p.streams);
	w->n = what == SEND || what == RECV ? 1 : 1 + (uint32_t)roll(w, MANY);
	if (what == JOIN)
		return change_seats(st, w);
	for (uint32_t i = 0; sends(what) && i < w->n; i++)
		walk_fill(w->messages + i * w->p.shape.size, w->p.shape.size, w->who,
			  w->p.stream[w->who].sent + i);
	if (what == WAIT_ROOM)
		walk_send_some(&w->p, w->who, WALK_ALL);
	if (what == ARM)
		wrong = walk_receive_some(&w->p, WALK_ALL);
	return wrong ? wrong : run(st, w, what);
}

static const char *others(void *world)
{
	struct world *w = world;

	for (uint32_t i = 0; i < w->p.streams; i++)
		walk_send_some(&w->p, i, (uint32_t)roll(w, 30));
	return walk_receive_some(&w->p, (uint32_t)roll(w, 40));
}

static struct walk walks[] = {
	{ .name = "spsc", .kind = PLX_CHANNEL_SPSC, .size = 8 },
	{ .name = "mpsc", .kind = PLX_CHANNEL_MPSC, .size = 8 },
	{ .name = "spsc", .kind = PLX_CHANNEL_SPSC, .size = 24 },
	{ .name = "spsc", .kind = PLX_CHANNEL_SPSC, .size = 100 },
	{ .name = "mpsc", .kind = PLX_CHANNEL_MPSC, .size = 56 },
};

static void begin(struct walk *k)
{
	uint32_t many = k->kind == PLX_CHANNEL_MPSC ? SENDERS : 1;
	struct plx_channel_shape shape = {
		.kind = k->kind, .size = k->size, .count = 12, .senders = (uint16_t)many
	};
	struct world *w = walk_begin(k, sizeof(*w), ROOM, &shape);

	w->p.streams = many;
	w->p.send = send_one;
	w->p.receive = receive_one;
	for (uint32_t i = 0; i < many; i++)
		assert_int_equal(open_sender(w, &w->tx[i]), 0);
	assert_int_equal(open_receiver(w), 0);
}

static void what_was_sent_comes_once_and_in_order_whoever_dies_or_sleeps(void **state)
{
	static const struct walk_story story = { "chan", counts, WHATS, POINTS, step, others };

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	for (uint32_t i = 0; i < COUNT_OF(walks); i++)
		begin(&walks[i]);
	walk_all(walks, COUNT_OF(walks), &story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_comes_once_and_in_order_whoever_dies_or_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

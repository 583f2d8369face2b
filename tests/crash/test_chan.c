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
#include "chan/seat.h"
#include "chan/wait.h"
#include "tests/support/step.h"
#include "tests/support/support.h"

#define POINTS  60000
#define SENDERS 2u
#define MANY    9u
#define BYTES   104u
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

/* A sender's messages, as everybody sees them together. */
struct stream {
	uint32_t sent; /* accepted */
	uint32_t got;
};

struct world {
	void *at;
	uint64_t room;
	struct plx_channel_shape shape;
	struct plx_spsc_sender tx[SENDERS];
	union {
		struct plx_spsc_receiver one;
		struct plx_mpsc_receiver many;
	} rx;
	struct stream stream[SENDERS];
	uint64_t seed;
	/* the operation at hand, and what came of it */
	enum what what;
	uint32_t who; /* a sender */
	uint32_t n, done;
	bool asleep;
	int ret;
	struct plx_spsc_sender fresh;
	unsigned char messages[MANY * BYTES];
};

static uint64_t roll(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

static bool lanes(const struct world *w)
{
	return w->shape.kind == PLX_CHANNEL_MPSC;
}

static uint32_t senders(const struct world *w)
{
	return lanes(w) ? SENDERS : 1;
}

/* ---- messages ------------------------------------------------------------------------------------------- */

static void fill(const struct world *w, unsigned char *m, uint32_t who, uint32_t number)
{
	for (uint32_t i = 8; i < w->shape.size; i++)
		m[i] = (unsigned char)(number * 7 + i);
	memcpy(m, &number, 4);
	memcpy(m + 4, &who, 4);
}

static void fill_many(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fill(w, w->messages + i * w->shape.size, w->who, w->stream[w->who].sent + i);
}

static const char *expect(struct world *w, const unsigned char *m)
{
	unsigned char whole[BYTES];
	uint32_t number, who;

	memcpy(&number, m, 4);
	memcpy(&who, m + 4, 4);
	if (who >= senders(w))
		return "a message is from nobody";
	if (number < w->stream[who].got)
		return "a message came twice";
	if (number > w->stream[who].got)
		return "a message is missing";
	fill(w, whole, who, number);
	if (memcmp(whole, m, w->shape.size) != 0)
		return "a message is not what was sent";
	w->stream[who].got++;
	return NULL;
}

static const char *expect_many(struct world *w, const unsigned char *m, uint32_t n)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < n && !wrong; i++)
		wrong = expect(w, m + i * w->shape.size);
	return wrong;
}

/* ---- the two kinds ---------------------------------------------------------------------------------------- */

static uint32_t receive(struct world *w, void *to, uint32_t n)
{
	if (n == 1)
		return lanes(w) ? plx_mpsc_try_recv(&w->rx.many, to) : plx_spsc_try_recv(&w->rx.one, to);
	return lanes(w) ? plx_mpsc_try_recv_many(&w->rx.many, to, n)
			: plx_spsc_try_recv_many(&w->rx.one, to, n);
}

static struct plx_end *receiver(struct world *w)
{
	return lanes(w) ? &w->rx.many.end : &w->rx.one.end;
}

static int open_sender(struct world *w, struct plx_spsc_sender *tx)
{
	return lanes(w) ? plx_mpsc_sender_open(tx, w->at, w->room, 0)
			: plx_spsc_sender_open(tx, w->at, w->room, 0);
}

static int open_receiver(struct world *w)
{
	return lanes(w) ? plx_mpsc_receiver_open(&w->rx.many, w->at, w->room)
			: plx_spsc_receiver_open(&w->rx.one, w->at, w->room);
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
	switch (w->what) {
	case SEND: w->done = plx_spsc_try_send(tx, w->messages); break;
	case SEND_MANY: w->done = plx_spsc_try_send_many(tx, w->messages, w->n); break;
	case RESERVE:
		to = plx_spsc_reserve(tx, &n);
		if (!to)
			break;
		n = n < w->n ? n : w->n;
		memcpy(to, w->messages, (size_t)n * w->shape.size);
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
		memcpy(w->messages, from, (size_t)n * w->shape.size);
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
	if (sends(w->what))
		w->stream[w->who].sent += w->done;
	else if (takes(w->what))
		return expect_many(w, w->messages, w->done);
	return NULL;
}

/* ---- the others --------------------------------------------------------------------------------------------- */

static void send_some(struct world *w, uint32_t who, uint32_t n)
{
	unsigned char m[BYTES];

	for (uint32_t i = 0; i < n; i++) {
		fill(w, m, who, w->stream[who].sent);
		if (!plx_spsc_try_send(&w->tx[who], m))
			return;
		w->stream[who].sent++;
	}
}

static const char *receive_some(struct world *w, uint32_t n)
{
	unsigned char m[BYTES];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < n && !wrong && receive(w, m, 1); i++)
		wrong = expect(w, m);
	return wrong;
}

/* Everything that was sent has come; the message at hand may have: @more says how many more there may be. */
static const char *drain(struct world *w, uint32_t who, uint32_t more)
{
	const char *wrong = receive_some(w, 100000);

	for (uint32_t i = 0; i < senders(w) && !wrong; i++) {
		struct stream *s = &w->stream[i];

		if (s->got < s->sent)
			wrong = "a message that was accepted never came";
		if (s->got > s->sent + (i == who ? more : 0))
			wrong = "a message came that was not sent";
		s->sent = s->got;
	}
	return wrong;
}

static const char *checked(struct world *w, const char *wrong)
{
	const char *why = NULL;

	if (!wrong && plx_channel_check(w->at, w->room, &why) != 0)
		wrong = why;
	return wrong;
}

/* Nothing is stuck: more than the ring holds goes through. */
static const char *go_on(struct world *w)
{
	const char *wrong = NULL;

	for (int lap = 0; lap < 3 && !wrong; lap++) {
		for (uint32_t i = 0; i < senders(w); i++) {
			uint32_t before = w->stream[i].sent;

			send_some(w, i, 100000);
			if (w->stream[i].sent - before < w->shape.count)
				return "the channel holds less than was promised";
		}
		wrong = drain(w, 0, 0);
	}
	return checked(w, wrong);
}

/* ---- what if it died here? ------------------------------------------------------------------------------- */

/* The child lives, and so do we: a start time that is not right makes the holder of a seat one that is gone. */
static void forge_death(struct plx_seat *seat)
{
	if (PLX_OWNER_PID(seat->owner) != 0)
		seat->owner ^= 1ull << 22;
}

static const char *sender_died(struct world *w)
{
	struct plx_spsc_sender *tx = &w->tx[w->who];
	const char *wrong = drain(w, w->who, w->n);

	forge_death(tx->end.seat);
	if (!wrong && plx_channel_bury(w->at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong && open_sender(w, tx) != 0)
		wrong = "a successor gets no seat";
	return wrong ? wrong : go_on(w);
}

static const char *receiver_died(struct world *w)
{
	unsigned char m[BYTES];
	uint32_t had[SENDERS], taken = 0, number, who;
	const char *wrong = NULL;

	forge_death(receiver(w)->seat);
	if (open_receiver(w) != 0)
		return "a successor gets no seat";
	/* what the dead one had been given, in the call it died in, does not come again; nothing else is missing */
	for (uint32_t i = 0; i < senders(w); i++)
		had[i] = UINT32_MAX;
	while (!wrong && receive(w, m, 1)) {
		memcpy(&number, m, 4);
		memcpy(&who, m + 4, 4);
		if (who < senders(w) && had[who] == UINT32_MAX) {
			if (number < w->stream[who].got)
				return "what was taken came again";
			had[who] = number;
			taken += number - w->stream[who].got;
			w->stream[who].got = number;
		}
		wrong = expect(w, m);
	}
	for (uint32_t i = 0; i < senders(w); i++) {
		if (had[i] == UINT32_MAX) {
			taken += w->stream[i].sent - w->stream[i].got;
			w->stream[i].got = w->stream[i].sent;
		}
	}
	if (!wrong && taken > (takes(w->what) ? w->n : 0))
		wrong = "more is gone than the dead one had asked for";
	if (!wrong)
		wrong = drain(w, 0, 0);
	return wrong ? wrong : go_on(w);
}

/* Who was about to take a seat has it, or has not; who was about to leave the same. */
static const char *seat_died(struct world *w)
{
	const char *wrong;

	for (uint32_t i = 0; i < senders(w); i++) {
		struct plx_seat *seat = plx_seat_at(w->at, true, i, w->shape.senders);

		if (PLX_OWNER_PID(seat->owner) != 0 && PLX_OWNER_PID(seat->owner) != (uint32_t)getpid())
			forge_death(seat);
	}
	if (open_sender(w, &w->tx[w->who]) != 0)
		return "a successor gets no seat";
	wrong = drain(w, 0, 0);
	return wrong ? wrong : go_on(w);
}

static const char *died(void *arg)
{
	struct world *w = arg;

	if (w->what == JOIN || w->what == LEAVE)
		return checked(w, seat_died(w));
	if (sends(w->what) || w->what == WAIT_ROOM || (w->what == PARK && w->n % 2 == 0))
		return checked(w, sender_died(w));
	return checked(w, receiver_died(w));
}

/* ---- what if it slept here? ----------------------------------------------------------------------------- */

static const char *paused(void *arg)
{
	struct world *w = arg;
	bool receives = takes(w->what) || w->what == ARM || (w->what == PARK && w->n % 2);
	const char *wrong = NULL;

	for (uint32_t i = 0; i < senders(w); i++) {
		if (receives || (i != w->who))
			send_some(w, i, (uint32_t)roll(w, 3) ? (uint32_t)roll(w, 12) : 1000);
	}
	if (!receives && roll(w, 3)) {
		/* what comes of the message at hand may be there already */
		uint32_t sent = w->stream[w->who].sent;

		wrong = receive_some(w, (uint32_t)roll(w, 2) ? (uint32_t)roll(w, 20) : 1000);
		if (!wrong && w->stream[w->who].got > sent + (sends(w->what) ? w->n : 0))
			wrong = "a message came that was not sent";
	}
	return checked(w, wrong);
}

static const char *awake(struct world *w)
{
	struct plx_end *end = w->what == ARM ? receiver(w) : &w->tx[w->who].end;
	bool is_there = false;

	if (!w->asleep || !(end->seat->sleep & 1))
		return NULL;
	if (w->what == WAIT_ROOM)
		return plx_sender_has_room(&w->tx[w->who]) ? "a sender sleeps, and there is room" : NULL;
	for (uint32_t i = 0; i < senders(w); i++)
		is_there = is_there || w->stream[i].sent > w->stream[i].got;
	return is_there ? "a receiver sleeps, and there is something" : NULL;
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w);

	if (!wrong && (w->what == ARM || w->what == WAIT_ROOM)) {
		wrong = awake(w);
		plx_chan_wakes(w->what == ARM ? receiver(w) : &w->tx[w->who].end);
	}
	if (w->what == JOIN || w->what == LEAVE)
		return checked(w, wrong);
	if (!wrong)
		wrong = drain(w, 0, 0);
	return wrong ? wrong : go_on(w);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static const char *run(struct stepper *st, struct world *w, enum what what)
{
	struct step_op op = { call, died, paused, resumed, w };
	const char *wrong;

	w->what = what;
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
	const char *wrong = lanes(w) ? drain(w, 0, 0) : NULL; /* a lane that is not empty has no successor */

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

static const char *step(struct stepper *st, struct world *w)
{
	static const enum what often[] = { SEND,      SEND_MANY, SEND_MANY, RESERVE, RECV,
					   RECV_MANY, RECV_MANY, PEEK,      ARM,     WAIT_ROOM };
	uint32_t dice = (uint32_t)roll(w, 400);
	const char *wrong = NULL;
	enum what what = dice == 0 ? PARK : dice < 12 ? JOIN : often[roll(w, COUNT_OF(often))];

	w->who = (uint32_t)roll(w, senders(w));
	w->n = what == SEND || what == RECV ? 1 : 1 + (uint32_t)roll(w, MANY);
	if (what == JOIN)
		return change_seats(st, w);
	if (sends(what))
		fill_many(w, w->n);
	if (what == WAIT_ROOM)
		send_some(w, w->who, 100000);
	if (what == ARM)
		wrong = receive_some(w, 100000);
	return wrong ? wrong : run(st, w, what);
}

static const char *others(struct world *w)
{
	for (uint32_t i = 0; i < senders(w); i++)
		send_some(w, i, (uint32_t)roll(w, 30));
	return receive_some(w, (uint32_t)roll(w, 40));
}

/* A world of its own for each kind and size. */
static struct walk {
	uint32_t kind, size;
	struct stepper *st;
	struct world *w;
} walks[] = {
	{ .kind = PLX_CHANNEL_SPSC, .size = 8 },  { .kind = PLX_CHANNEL_MPSC, .size = 8 },
	{ .kind = PLX_CHANNEL_SPSC, .size = 24 }, { .kind = PLX_CHANNEL_SPSC, .size = 100 },
	{ .kind = PLX_CHANNEL_MPSC, .size = 56 },
};

static void begin(struct walk *k, uint64_t seed)
{
	struct world *w;

	k->st = step_open(ROOM, sizeof(struct world));
	k->w = w = step_rest(k->st);
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->shape = (struct plx_channel_shape){ .kind = k->kind, .size = k->size, .count = 12 };
	w->shape.senders = senders(w);
	w->at = step_shared(k->st);
	w->room = plx_channel_bytes(&w->shape);
	assert_in_range(w->room, 1, ROOM);
	assert_int_equal(plx_channel_init(w->at, w->room, &w->shape), 0);
	for (uint32_t i = 0; i < senders(w); i++)
		assert_int_equal(open_sender(w, &w->tx[i]), 0);
	assert_int_equal(open_receiver(w), 0);
}

static void what_was_sent_comes_once_and_in_order_whoever_dies_or_sleeps(void **state)
{
	const char *wrong = NULL, *seed = getenv("CRASH_SEED");
	struct walk *k = walks;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	for (uint32_t i = 0; i < COUNT_OF(walks); i++)
		begin(&walks[i], (seed ? strtoull(seed, NULL, 10) : 1) + i);
	for (uint32_t n = 0; !wrong && step_more(counts, WHATS, POINTS); n++) {
		k = &walks[n / 8 % COUNT_OF(walks)];
		wrong = step(k->st, k->w);
		if (!wrong && roll(k->w, 3) == 0)
			wrong = others(k->w);
	}
	if (wrong)
		fail_msg("CRASH_SEED=%s, %s, %u B, %s: %s", seed ? seed : "1",
			 k->kind == PLX_CHANNEL_SPSC ? "spsc" : "mpsc", k->size, counts[k->w->what].name,
			 wrong);
	assert_int_equal(step_report("chan", counts, WHATS), 0);
	for (uint32_t i = 0; i < COUNT_OF(walks); i++)
		step_close(walks[i].st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_comes_once_and_in_order_whoever_dies_or_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_chan_kinds.c - a ring, envelopes, priorities, and a choice among channels; who is at it dies or sleeps at each instruction.
 *
 * What test_chan.c demands of SPSC and MPSC channels is demanded of the others: what was sent comes once, whole, and in the
 * order of its sender and priority, whoever dies or sleeps; what was put into a ring and published at once comes at once or not
 * at all; who chooses among channels does not sleep through what comes to one of them, and leaves no sign that it sleeps.
 *
 * Timeout: 120
 */
#include <errno.h>
#include <string.h>

#include <plx/select.h>

#include "base/atomic.h"
#include "chan/channel.h"
#include "chan/seat.h"
#include "chan/wait.h"
#include "tests/support/step.h"
#include "tests/support/support.h"

#define POINTS  60000
#define SENDERS 2u
#define WAYS    (SENDERS * PLX_PRIORITIES)
#define MANY    7u
#define SIZE    40u
#define ROOM    (32u << 10)
#define SPARE   (28u << 10) /* there lies a second channel, always empty */

enum what { SEND, RESERVE, PUT, RECV, PEEK, ARM, CHOOSE, WHATS };

static struct step_count counts[WHATS] = {
	[SEND] = { .name = "send" },
	[RESERVE] = { .name = "reserve and commit" },
	[PUT] = { .name = "put some and publish" },
	[RECV] = { .name = "receive" },
	[PEEK] = { .name = "peek and release" },
	[ARM] = { .name = "fall asleep" },
	[CHOOSE] = { .name = "choose among two" },
};

struct stream {
	uint32_t sent, got;
};

struct world {
	void *at, *spare;
	uint64_t room;
	struct plx_channel_shape shape;
	struct plx_ring_sender ring_tx;
	struct plx_ring_receiver ring_rx;
	struct plx_post_sender post_tx[SENDERS];
	struct plx_post_receiver post_rx;
	struct plx_spsc_receiver spare_rx;
	struct stream stream[WAYS];
	uint64_t seed;
	/* the operation at hand */
	enum what what;
	uint32_t way, n, done;
	bool asleep;
	int ret;
	struct plx_envelope envelope;
	unsigned char messages[MANY * SIZE];
};

static uint64_t roll(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

static bool is_ring(const struct world *w)
{
	return w->shape.kind == PLX_CHANNEL_RING;
}

/* A way is one sender's, of one priority. */
static uint32_t priorities(const struct world *w)
{
	return w->shape.kind == PLX_CHANNEL_PRIORITY ? PLX_PRIORITIES : 1;
}

static uint32_t ways(const struct world *w)
{
	return is_ring(w) ? 1 : SENDERS * priorities(w);
}

static uint32_t sender_of(const struct world *w, uint32_t way)
{
	return way / priorities(w);
}

/* ---- messages ------------------------------------------------------------------------------------------- */

static void fill(unsigned char *m, uint32_t way, uint32_t number)
{
	for (uint32_t i = 8; i < SIZE; i++)
		m[i] = (unsigned char)(number * 7 + i);
	memcpy(m, &number, 4);
	memcpy(m + 4, &way, 4);
}

static const char *expect(struct world *w, const unsigned char *m, const struct plx_envelope *e)
{
	unsigned char whole[SIZE];
	uint32_t number, way;

	memcpy(&number, m, 4);
	memcpy(&way, m + 4, 4);
	if (way >= ways(w))
		return "a message is from nobody";
	if (number < w->stream[way].got)
		return "a message came twice";
	if (number > w->stream[way].got)
		return "a message is missing";
	fill(whole, way, number);
	if (memcmp(whole, m, SIZE) != 0)
		return "a message is not what was sent";
	if (!is_ring(w) && (e->key != number || e->type != (uint16_t)way || e->length != SIZE ||
			    e->priority != way % priorities(w) || e->source != 7 + sender_of(w, way)))
		return "an envelope is another message's";
	w->stream[way].got++;
	return NULL;
}

/* ---- the kinds ------------------------------------------------------------------------------------------ */

static bool send_one(struct world *w, uint32_t way, const unsigned char *m)
{
	struct plx_post_sender *tx = &w->post_tx[sender_of(w, way)];
	uint32_t number;

	memcpy(&number, m, 4);
	if (is_ring(w))
		return plx_ring_try_send(&w->ring_tx, m);
	if (priorities(w) == 1)
		return plx_post_try_send(tx, (uint16_t)way, number, m, SIZE);
	return plx_priority_try_send(tx, (uint8_t)(way % PLX_PRIORITIES), (uint16_t)way, number, m, SIZE);
}

static bool receive_one(struct world *w, unsigned char *m, struct plx_envelope *e)
{
	return is_ring(w) ? plx_ring_try_recv(&w->ring_rx, m) : plx_post_try_recv(&w->post_rx, e, m);
}

static int open_sender(struct world *w, uint32_t sender)
{
	return is_ring(w) ? plx_ring_sender_open(&w->ring_tx, w->at, w->room, 0)
			  : plx_post_sender_open(&w->post_tx[sender], w->at, w->room, 7 + sender);
}

static int open_receiver(struct world *w)
{
	return is_ring(w) ? plx_ring_receiver_open(&w->ring_rx, w->at, w->room)
			  : plx_post_receiver_open(&w->post_rx, w->at, w->room);
}

static struct plx_end *receiver(struct world *w)
{
	return is_ring(w) ? &w->ring_rx.end : &w->post_rx.end;
}

static struct plx_end *sender(struct world *w)
{
	return is_ring(w) ? &w->ring_tx.end : &w->post_tx[sender_of(w, w->way)].end;
}

/* ---- what the child does -------------------------------------------------------------------------------- */

static uint32_t reserve_and_commit(struct world *w)
{
	struct plx_post_sender *tx = &w->post_tx[sender_of(w, w->way)];
	uint32_t n = w->n, number;
	void *to = is_ring(w) ? plx_ring_reserve(&w->ring_tx, &n) : plx_post_reserve(tx);

	if (!to)
		return 0;
	n = is_ring(w) ? n : 1;
	memcpy(to, w->messages, (size_t)n * SIZE);
	memcpy(&number, w->messages, 4);
	if (is_ring(w))
		plx_ring_commit(&w->ring_tx, n);
	else
		plx_post_commit(tx, (uint16_t)w->way, number, SIZE);
	return n;
}

static uint32_t peek_and_release(struct world *w)
{
	uint32_t n = 1;
	const void *from = is_ring(w) ? plx_ring_peek(&w->ring_rx, &n)
				      : plx_post_peek(&w->post_rx, &w->envelope);

	if (!from)
		return 0;
	n = n < w->n ? n : w->n;
	memcpy(w->messages, from, (size_t)n * SIZE);
	if (is_ring(w))
		plx_ring_release(&w->ring_rx, n);
	else
		plx_post_release(&w->post_rx);
	return n;
}

static void call(void *arg)
{
	struct world *w = arg;
	struct plx_choice choices[2];

	w->done = 0;
	switch (w->what) {
	case SEND: w->done = send_one(w, w->way, w->messages); break;
	case RESERVE: w->done = reserve_and_commit(w); break;
	case PUT:
		w->done = plx_ring_put_many(&w->ring_tx, w->messages, w->n);
		plx_ring_publish(&w->ring_tx);
		break;
	case RECV: w->done = receive_one(w, w->messages, &w->envelope); break;
	case PEEK: w->done = peek_and_release(w); break;
	case ARM: w->asleep = is_ring(w) ? plx_ring_arm(&w->ring_rx) : plx_post_arm(&w->post_rx); break;
	case CHOOSE:
		choices[0] = plx_spsc_choice(&w->spare_rx);
		choices[1] = is_ring(w) ? plx_ring_choice(&w->ring_rx) : plx_post_choice(&w->post_rx);
		w->ret = plx_select(choices, 2, 0, 1);
		break;
	case WHATS: break;
	}
}

static bool sends(enum what what)
{
	return what == SEND || what == RESERVE || what == PUT;
}

static bool takes(enum what what)
{
	return what == RECV || what == PEEK;
}

static bool anything(const struct world *w)
{
	for (uint32_t i = 0; i < ways(w); i++)
		if (w->stream[i].sent > w->stream[i].got)
			return true;
	return false;
}

static const char *chosen(struct world *w)
{
	if (plx_read_once(&receiver(w)->channel->to_senders) ||
	    plx_read_once(&w->spare_rx.end.channel->to_senders) ||
	    ((receiver(w)->seat->sleep | w->spare_rx.end.seat->sleep) & 1))
		return "who has chosen still seems to sleep";
	if (w->ret != 1 && w->ret != -ETIMEDOUT)
		return "an empty channel was chosen";
	return w->ret == 1 && !anything(w) ? "a channel was chosen that has nothing" : NULL;
}

static const char *awake(struct world *w)
{
	bool asleep = w->asleep && (receiver(w)->seat->sleep & 1);

	plx_chan_wakes(receiver(w));
	return asleep && anything(w) ? "a receiver sleeps, and there is something" : NULL;
}

/* It has returned: what it says is so. */
static const char *finish(struct world *w)
{
	const char *wrong = NULL;

	if (sends(w->what))
		w->stream[w->way].sent += w->done;
	for (uint32_t i = 0; takes(w->what) && i < w->done && !wrong; i++)
		wrong = expect(w, w->messages + i * SIZE, &w->envelope);
	if (w->what == ARM)
		wrong = awake(w);
	if (w->what == CHOOSE)
		wrong = chosen(w);
	return wrong;
}

/* ---- the others ------------------------------------------------------------------------------------------- */

static void send_some(struct world *w, uint32_t way, uint32_t n)
{
	unsigned char m[SIZE];

	for (uint32_t i = 0; i < n; i++) {
		fill(m, way, w->stream[way].sent);
		if (!send_one(w, way, m))
			return;
		w->stream[way].sent++;
	}
}

static const char *receive_some(struct world *w, uint32_t n)
{
	struct plx_envelope e = { .id = 0 };
	unsigned char m[SIZE];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < n && !wrong && receive_one(w, m, &e); i++)
		wrong = expect(w, m, &e);
	return wrong;
}

/* Everything that was sent has come; of @way up to @more more. */
static const char *drain(struct world *w, uint32_t way, uint32_t more)
{
	const char *wrong = receive_some(w, 100000);

	for (uint32_t i = 0; i < ways(w) && !wrong; i++) {
		struct stream *s = &w->stream[i];
		uint32_t surplus = s->got - s->sent;

		if (s->got < s->sent)
			return "a message that was accepted never came";
		if (surplus > (i == way ? more : 0))
			return "a message came that was not sent";
		if (i == way && surplus > 0 && surplus < more && w->what == PUT && more < w->shape.count / 2)
			return "some were published, not all";
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

static const char *go_on(struct world *w)
{
	const char *wrong = NULL;

	for (int lap = 0; lap < 3 && !wrong; lap++) {
		for (uint32_t i = 0; i < ways(w); i++) {
			uint32_t before = w->stream[i].sent;

			send_some(w, i, 100000);
			if (w->stream[i].sent - before < w->shape.count)
				return "the channel holds less than was promised";
		}
		wrong = drain(w, 0, 0);
	}
	return checked(w, wrong);
}

/* ---- what if it died here? -------------------------------------------------------------------------------- */

/* The child lives, and so do we: a start time that is not right makes the holder of a seat one that is gone. */
static void forge_death(struct plx_seat *seat)
{
	seat->owner ^= 1ull << 22;
}

static const char *sender_died(struct world *w)
{
	const char *wrong = drain(w, w->way, w->n);

	forge_death(sender(w)->seat);
	if (!wrong && plx_channel_bury(w->at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong && open_sender(w, sender_of(w, w->way)) != 0)
		wrong = "a successor gets no seat";
	return wrong ? wrong : go_on(w);
}

/* What the dead one had been given in the call it died in does not come again; nothing else is missing. */
static const char *receiver_died(struct world *w)
{
	uint32_t taken = 0, number, way;
	struct plx_envelope e = { .id = 0 };
	bool seen[WAYS] = { false };
	unsigned char m[SIZE];
	const char *wrong = NULL;

	forge_death(receiver(w)->seat);
	if (open_receiver(w) != 0)
		return "a successor gets no seat";
	while (!wrong && receive_one(w, m, &e)) {
		memcpy(&number, m, 4);
		memcpy(&way, m + 4, 4);
		if (way < ways(w) && !seen[way] && number > w->stream[way].got) {
			taken += number - w->stream[way].got;
			w->stream[way].got = number;
		}
		if (way < ways(w))
			seen[way] = true;
		wrong = expect(w, m, &e);
	}
	for (uint32_t i = 0; i < ways(w); i++) {
		if (!seen[i]) {
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

static const char *died(void *arg)
{
	struct world *w = arg;

	return checked(w, sends(w->what) ? sender_died(w) : receiver_died(w));
}

/* ---- what if it slept here? ------------------------------------------------------------------------------- */

static const char *paused(void *arg)
{
	struct world *w = arg;
	const char *wrong = NULL;

	for (uint32_t i = 0; i < ways(w); i++) {
		if (!sends(w->what) || sender_of(w, i) != sender_of(w, w->way))
			send_some(w, i, (uint32_t)roll(w, 3) ? (uint32_t)roll(w, 6) : 1000);
	}
	if (sends(w->what) && roll(w, 3)) {
		uint32_t sent = w->stream[w->way].sent;

		wrong = receive_some(w, (uint32_t)roll(w, 2) ? (uint32_t)roll(w, 20) : 1000);
		if (!wrong && w->stream[w->way].got > sent + w->n)
			wrong = "a message came that was not sent";
	}
	return checked(w, wrong);
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w);

	if (!wrong)
		wrong = drain(w, 0, 0);
	return wrong ? wrong : go_on(w);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

static const char *step(struct stepper *st, struct world *w)
{
	static const enum what often[] = { SEND, SEND, RESERVE, RESERVE, PUT, RECV, RECV, PEEK, PEEK, ARM };
	struct step_op op = { call, died, paused, resumed, w };
	const char *wrong = NULL;

	w->what = roll(w, 400) == 0 ? CHOOSE : often[roll(w, COUNT_OF(often))];
	w->way = (uint32_t)roll(w, ways(w));
	if ((w->what == PUT && !is_ring(w)) || (w->what == RESERVE && priorities(w) > 1))
		w->what = SEND;
	w->n = is_ring(w) && (w->what == PUT || w->what == PEEK || w->what == RESERVE)
		       ? 1 + (uint32_t)roll(w, MANY)
		       : 1;
	for (uint32_t i = 0; sends(w->what) && i < w->n; i++)
		fill(w->messages + i * SIZE, w->way, w->stream[w->way].sent + i);
	if (w->what == ARM || w->what == CHOOSE)
		wrong = receive_some(w, 100000);
	if (!wrong)
		wrong = step_run(st, &op, &counts[w->what]);
	return wrong ? wrong : finish(w);
}

static const char *others(struct world *w)
{
	for (uint32_t i = 0; i < ways(w); i++)
		send_some(w, i, (uint32_t)roll(w, 12));
	return receive_some(w, (uint32_t)roll(w, 30));
}

static struct walk {
	uint32_t kind;
	const char *name;
	struct stepper *st;
	struct world *w;
} walks[] = {
	{ .kind = PLX_CHANNEL_RING, .name = "ring" },
	{ .kind = PLX_CHANNEL_POST, .name = "post" },
	{ .kind = PLX_CHANNEL_PRIORITY, .name = "priority" },
};

static void begin(struct walk *k, uint64_t seed)
{
	static const struct plx_channel_shape spare = { .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 1 };
	struct world *w;

	k->st = step_open(ROOM, sizeof(struct world));
	k->w = w = step_rest(k->st);
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->shape = (struct plx_channel_shape){ .kind = k->kind, .size = SIZE, .count = 9 };
	w->shape.senders = is_ring(w) ? 1 : SENDERS;
	w->at = step_shared(k->st);
	w->spare = (unsigned char *)w->at + SPARE;
	w->room = plx_channel_bytes(&w->shape);
	assert_in_range(w->room, 1, SPARE);
	assert_in_range(plx_channel_bytes(&spare), 1, ROOM - SPARE);
	assert_int_equal(plx_channel_init(w->at, w->room, &w->shape), 0);
	assert_int_equal(plx_channel_init(w->spare, ROOM - SPARE, &spare), 0);
	for (uint32_t i = 0; i < w->shape.senders; i++)
		assert_int_equal(open_sender(w, i), 0);
	assert_int_equal(open_receiver(w), 0);
	assert_int_equal(plx_spsc_receiver_open(&w->spare_rx, w->spare, ROOM - SPARE), 0);
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
		fail_msg("CRASH_SEED=%s, %s, %s: %s", seed ? seed : "1", k->name, counts[k->w->what].name,
			 wrong);
	assert_int_equal(step_report("chan kinds", counts, WHATS), 0);
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

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
#include "chan/wait.h"
#include "tests/support/support.h"
#include "tests/support/walk.h"

#define POINTS  60000
#define SENDERS 2u
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

struct world {
	struct walk_party p; /* a stream for each sender and priority: a way */
	struct plx_ring_sender ring_tx;
	struct plx_ring_receiver ring_rx;
	struct plx_post_sender post_tx[SENDERS];
	struct plx_post_receiver post_rx;
	struct plx_spsc_receiver spare_rx;
	/* the operation at hand */
	uint32_t way, n, done;
	bool asleep;
	int ret;
	struct plx_envelope envelope;
	unsigned char messages[MANY * SIZE];
};

static uint64_t roll(struct world *w, uint64_t below)
{
	return walk_roll(&w->p.seed, below);
}

static bool is_ring(const struct world *w)
{
	return w->p.shape.kind == PLX_CHANNEL_RING;
}

/* A way is one sender's, of one priority. */
static uint32_t priorities(const struct world *w)
{
	return w->p.shape.kind == PLX_CHANNEL_PRIORITY ? PLX_PRIORITIES : 1;
}

static uint32_t sender_of(const struct world *w, uint32_t way)
{
	return way / priorities(w);
}

/* ---- the kinds ------------------------------------------------------------------------------------------ */

static bool send_one(struct walk_party *p, uint32_t way, const unsigned char *m)
{
	struct world *w = (struct world *)p;
	struct plx_post_sender *tx = &w->post_tx[sender_of(w, way)];
	uint32_t number, of;

	walk_read(m, &of, &number);
	if (is_ring(w))
		return plx_ring_try_send(&w->ring_tx, m);
	if (priorities(w) == 1)
		return plx_post_try_send(tx, (uint16_t)way, number, m, SIZE);
	return plx_priority_try_send(tx, (uint8_t)(way % PLX_PRIORITIES), (uint16_t)way, number, m, SIZE);
}

static bool receive_one(struct walk_party *p, unsigned char *m, struct plx_envelope *e)
{
	struct world *w = (struct world *)p;

	return is_ring(w) ? plx_ring_try_recv(&w->ring_rx, m) : plx_post_try_recv(&w->post_rx, e, m);
}

static const char *look(const struct walk_party *p, uint32_t way, uint32_t number,
			const struct plx_envelope *e)
{
	const struct world *w = (const struct world *)p;
	bool right = e->key == number && e->type == (uint16_t)way && e->length == SIZE &&
		     e->priority == way % priorities(w) && e->source == 7 + sender_of(w, way);

	return right ? NULL : "an envelope is another message's";
}

static int open_sender(struct world *w, uint32_t sender)
{
	return is_ring(w) ? plx_ring_sender_open(&w->ring_tx, w->p.at, w->p.room, 0)
			  : plx_post_sender_open(&w->post_tx[sender], w->p.at, w->p.room, 7 + sender);
}

static int open_receiver(struct world *w)
{
	return is_ring(w) ? plx_ring_receiver_open(&w->ring_rx, w->p.at, w->p.room)
			  : plx_post_receiver_open(&w->post_rx, w->p.at, w->p.room);
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
	switch (w->p.what) {
	case SEND: w->done = send_one(&w->p, w->way, w->messages); break;
	case RESERVE: w->done = reserve_and_commit(w); break;
	case PUT:
		w->done = plx_ring_put_many(&w->ring_tx, w->messages, w->n);
		plx_ring_publish(&w->ring_tx);
		break;
	case RECV: w->done = receive_one(&w->p, w->messages, &w->envelope); break;
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
	for (uint32_t i = 0; i < w->p.streams; i++)
		if (w->p.stream[i].sent > w->p.stream[i].got)
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

	if (sends(w->p.what))
		w->p.stream[w->way].sent += w->done;
	for (uint32_t i = 0; takes(w->p.what) && i < w->done && !wrong; i++)
		wrong = walk_expect(&w->p, w->messages + i * SIZE, &w->envelope);
	if (w->p.what == ARM)
		wrong = awake(w);
	if (w->p.what == CHOOSE)
		wrong = chosen(w);
	return wrong;
}

/* ---- what if it died here? -------------------------------------------------------------------------------- */

static const char *sender_died(struct world *w)
{
	const char *wrong = walk_drain(&w->p, w->way, w->n);

	walk_forge_death(sender(w)->seat);
	if (!wrong && plx_channel_bury(w->p.at, 0) != 1)
		wrong = "its seat was not taken back";
	if (!wrong && open_sender(w, sender_of(w, w->way)) != 0)
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

static const char *died(void *arg)
{
	struct world *w = arg;

	return walk_checked(&w->p, sends(w->p.what) ? sender_died(w) : receiver_died(w));
}

/* ---- what if it slept here? ------------------------------------------------------------------------------- */

static const char *paused(void *arg)
{
	struct world *w = arg;
	const char *wrong = NULL;

	for (uint32_t i = 0; i < w->p.streams; i++) {
		if (!sends(w->p.what) || sender_of(w, i) != sender_of(w, w->way))
			walk_send_some(&w->p, i, (uint32_t)roll(w, 3) ? (uint32_t)roll(w, 6) : 1000);
	}
	if (sends(w->p.what) && roll(w, 3)) {
		uint32_t sent = w->p.stream[w->way].sent;

		wrong = walk_receive_some(&w->p, (uint32_t)roll(w, 2) ? (uint32_t)roll(w, 20) : 1000);
		if (!wrong && w->p.stream[w->way].got > sent + w->n)
			wrong = "a message came that was not sent";
	}
	return walk_checked(&w->p, wrong);
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w);

	if (!wrong)
		wrong = walk_drain(&w->p, 0, 0);
	return wrong ? wrong : walk_go_on(&w->p);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

static const char *step(struct stepper *st, void *world)
{
	static const enum what often[] = { SEND, SEND, RESERVE, RESERVE, PUT, RECV, RECV, PEEK, PEEK, ARM };
	struct world *w = world;
	struct step_op op = { call, died, paused, resumed, w };
	const char *wrong = NULL;

	w->p.what = roll(w, 400) == 0 ? CHOOSE : often[roll(w, COUNT_OF(often))];
	w->way = (uint32_t)roll(w, w->p.streams);
	if ((w->p.what == PUT && !is_ring(w)) || (w->p.what == RESERVE && priorities(w) > 1))
		w->p.what = SEND;
	w->n = is_ring(w) && (w->p.what == PUT || w->p.what == PEEK || w->p.what == RESERVE)
		       ? 1 + (uint32_t)roll(w, MANY)
		       : 1;
	w->p.all_or_none = w->p.what == PUT && w->n < w->p.shape.count / 2;
	for (uint32_t i = 0; sends(w->p.what) && i < w->n; i++)
		walk_fill(w->messages + i * SIZE, SIZE, w->way, w->p.stream[w->way].sent + i);
	if (w->p.what == ARM || w->p.what == CHOOSE)
		wrong = walk_receive_some(&w->p, WALK_ALL);
	if (!wrong)
		wrong = step_run(st, &op, &counts[w->p.what]);
	return wrong ? wrong : finish(w);
}

static const char *others(void *world)
{
	struct world *w = world;

	for (uint32_t i = 0; i < w->p.streams; i++)
		walk_send_some(&w->p, i, (uint32_t)roll(w, 12));
	return walk_receive_some(&w->p, (uint32_t)roll(w, 30));
}

static struct walk walks[] = {
	{ .name = "ring", .kind = PLX_CHANNEL_RING },
	{ .name = "post", .kind = PLX_CHANNEL_POST },
	{ .name = "priority", .kind = PLX_CHANNEL_PRIORITY },
};

static void begin(struct walk *k)
{
	static const struct plx_channel_shape spare = { .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 1 };
	struct plx_channel_shape shape = { .kind = k->kind,
					   .size = SIZE,
					   .count = 9,
					   .senders = k->kind == PLX_CHANNEL_RING ? 1 : SENDERS };
	struct world *w = walk_begin(k, sizeof(*w), ROOM, &shape);
	unsigned char *second = (unsigned char *)w->p.at + SPARE;

	w->p.streams = shape.senders * priorities(w);
	w->p.send = send_one;
	w->p.receive = receive_one;
	w->p.look = is_ring(w) ? NULL : look;
	assert_in_range(w->p.room, 1, SPARE);
	assert_in_range(plx_channel_bytes(&spare), 1, ROOM - SPARE);
	assert_int_equal(plx_channel_init(second, ROOM - SPARE, &spare), 0);
	for (uint32_t i = 0; i < shape.senders; i++)
		assert_int_equal(open_sender(w, i), 0);
	assert_int_equal(open_receiver(w), 0);
	assert_int_equal(plx_spsc_receiver_open(&w->spare_rx, second, ROOM - SPARE), 0);
}

static void what_was_sent_comes_once_and_in_order_whoever_dies_or_sleeps(void **state)
{
	static const struct walk_story story = { "chan kinds", counts, WHATS, POINTS, step, others };

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

/*
 * test_work.c - a worker dies at each instruction of handling a message, its supervisor at each of recovering from that, and
 * a slot moves at each instruction of sending to it, is lost at each of handling its message, and gained at each of waiting
 * for it.
 *
 * Whatever the instruction: after recovery the memory is as of the last message that was finished, the message in hand comes
 * again if and only if it was not, and the successor ends with the same counts as if nobody had died.
 */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "tests/support/support.h"
#include "tests/support/walk.h"
#include "work/partition_layout.h"
#include "work/work.h"

#define SLOTS   6u
#define LANES   2u
#define WORKERS 2u /* the second one only gets messages */
#define UNDO    1024u
#define POINTS  20000

enum what { HANDLE, RECOVER, SEND, LOSE, GAIN, WHATS };

static struct step_count counts[WHATS] = {
	[HANDLE] = { .name = "handle" }, [RECOVER] = { .name = "recover" }, [SEND] = { .name = "send" },
	[LOSE] = { .name = "lose" },     [GAIN] = { .name = "gain" },
};

struct tally {
	uint64_t count, last;
	uint8_t bytes[13]; /* no multiple of 8 */
};

struct shared {
	struct plx_workers_hdr hdr;
	struct plx_work_line line;
	struct plx_work_undo undo;
	unsigned char entries[UNDO];
	struct plx_work_outbox outbox;
	unsigned char staged[UNDO];
	_Alignas(64) struct tally tally[SLOTS];
	_Alignas(64) unsigned char control[4096];
	_Alignas(64) unsigned char inbox[WORKERS][16384];
	struct plx_partition_shared partition;
	struct plx_work_bracket bracket;
};

struct order {
	uint8_t slots; /* how many it changes */
	uint8_t first;
	uint8_t fails;
	uint8_t bytes;
	uint8_t forwards; /* messages */
	uint8_t reserved[3];
	uint64_t key; /* of the first of them */
};

struct world {
	struct shared *shared;
	struct plx_work_map map;
	struct plx_workers_options options;
	struct plx_worker worker;
	struct plx_post_sender tx[LANES];
	struct tally before[SLOTS], after[SLOTS]; /* the model */
	uint64_t taken[LANES];
	uint32_t lane;
	struct order order;
	struct plx_sender sender;
	uint64_t key;
	uint32_t slot, to;      /* it moves there */
	uint64_t sent[WORKERS]; /* before */
	uint64_t fence;         /* of the old owner, when it moves */
	bool settled;           /* nobody was inside then */
	uint64_t seed;
	uint32_t turn; /* steps: each kind has to come soon */
	enum what what;
};

static uint64_t roll(struct world *w, uint64_t below)
{
	return walk_roll(&w->seed, below);
}

/* ---- the handler, and its model ---------------------------------------------------------------------- */

static void change(struct tally *t, const struct order *o, uint64_t number)
{
	t->count++;
	t->last = number;
	for (size_t i = 0; i < sizeof(t->bytes); i++)
		t->bytes[i] = (uint8_t)(t->bytes[i] * 3 + o->bytes);
}

static int handle(struct plx_worker *wk, const struct plx_message *m, void *arg)
{
	struct world *w = arg;
	struct order o;

	memcpy(&o, m->data, sizeof(o));
	for (uint8_t i = 0; i < o.slots; i++) {
		struct tally *t = &w->shared->tally[(o.first + i) % SLOTS];

		if (plx_worker_note(wk, &t->count, 16) < 0 ||
		    plx_worker_note(wk, t->bytes, sizeof(t->bytes)) < 0)
			return -ENOSPC;
		change(t, &o, m->number);
	}
	for (uint8_t i = 0; i < o.forwards; i++)
		if (plx_worker_forward(wk, o.key + i, 1, &o, sizeof(o)) < 0)
			return -ENOSPC;
	return o.fails ? -EINVAL : 0;
}

static void expect(struct world *w)
{
	memcpy(w->before, w->shared->tally, sizeof(w->before));
	memcpy(w->after, w->before, sizeof(w->after));
	for (uint8_t i = 0; i < w->order.slots && !w->order.fails; i++)
		change(&w->after[(w->order.first + i) % SLOTS], &w->order, w->taken[w->lane]);
}

static uint64_t sent_to(const struct world *w, uint32_t worker)
{
	return plx_lane_sent(&w->map.inbox_geometry, plx_work_lane(&w->map, worker, w->sender.seat.number));
}

static bool is(const struct world *w, const struct tally *model)
{
	return memcmp(w->shared->tally, model, sizeof(w->before)) == 0;
}

/* ---- what must hold ---------------------------------------------------------------------------------- */

static struct plx_lane *lane_of(struct world *w)
{
	return plx_work_lane(&w->map, 0, w->lane);
}

/* A view of the inbox as it is now; what the worker sends to itself is left to make_room(). */
static void receive(struct world *w)
{
	plx_post_lanes(&w->worker.inbox, (struct plx_channel *)w->shared->inbox[0], &w->map.inbox_geometry);
	w->worker.inbox.passed[0] = 1u << LANES;
	w->worker.handover = w->shared->hdr.handover;
	w->worker.epoch = 0;
}

/* A new worker, with nothing but the memory. */
static void succeed(struct world *w)
{
	struct plx_worker *wk = &w->worker;

	for (uint32_t i = 0; i < WORKERS; i++)
		plx_post_ways(&w->sender.lane[i], (struct plx_channel *)w->shared->inbox[i],
			      &w->map.inbox_geometry, LANES);
	receive(w);
	wk->handled = wk->failed = 0;
	plx_work_flush_all(wk);
}

static const char *finished(struct world *w)
{
	if (lane_of(w)->taken != w->taken[w->lane] + 1)
		return "the message is not acknowledged";
	if (!is(w, w->after))
		return "the counts are not those of a worker that lived";
	if (sent_to(w, 0) - w->sent[0] + sent_to(w, 1) - w->sent[1] !=
	    (w->order.fails ? 0 : w->order.forwards))
		return "what it forwarded was not sent once";
	return w->shared->line.hand_lane ? "a message is still in hand" : NULL;
}

static const char *died(void *arg)
{
	struct world *w = arg;

	(void)plx_work_recover(&w->map, 0);
	if (lane_of(w)->taken == w->taken[w->lane]) {
		if (!is(w, w->before))
			return "it comes again, and the memory remembers it";
		if (plx_work_recover(&w->map, 0) || lane_of(w)->taken != w->taken[w->lane] ||
		    !is(w, w->before))
			return "recovering twice is not like recovering once";
		succeed(w);
		if (plx_work_take(&w->worker) != 1)
			return "it does not come again";
	} else {
		(void)plx_work_recover(&w->map, 0);
		succeed(w);
		if (plx_work_take(&w->worker) != 0)
			return "it comes again, and was acknowledged";
	}
	return finished(w);
}

static const char *nothing(void *arg)
{
	(void)arg;
	return NULL;
}

static const char *resumed(void *arg)
{
	struct world *w = arg;

	return w->what == HANDLE ? finished(w) : died(w);
}

static void call_handle(void *arg)
{
	struct world *w = arg;

	plx_work_take(&w->worker);
}

static void call_recover(void *arg)
{
	struct world *w = arg;

	(void)plx_work_recover(&w->map, 0);
}

/* ---- sending, while the slot moves -------------------------------------------------------------------- */

static void call_send(void *arg)
{
	struct world *w = arg;

	(void)!plx_sender_send(&w->sender, w->key, 1, &w->key, sizeof(w->key), 0);
}

/* A sender that died has sent to one, or to nobody. */
static const char *sender_died(void *arg)
{
	struct world *w = arg;
	uint64_t more = sent_to(w, 0) - w->sent[0] + sent_to(w, 1) - w->sent[1];

	return more > 1 ? "one message was sent twice" : NULL;
}

/* What plx_work_rebalance() does, up to the fences, if the sender were not asleep: is it inside? */
static const char *slot_moves(void *arg)
{
	struct world *w = arg;

	plx_partition_move(&w->map.partition, w->slot, w->to);
	w->settled = !(w->shared->bracket.inside & 1);
	w->fence = sent_to(w, 1 - w->to);
	return NULL;
}

/* Nothing came to the old owner after its fence, unless somebody was inside and would have been waited for. */
static const char *sent(void *arg)
{
	struct world *w = arg;

	if (sent_to(w, 0) - w->sent[0] + sent_to(w, 1) - w->sent[1] != 1)
		return "the message was not sent";
	if (w->settled && sent_to(w, 1 - w->to) != w->fence)
		return "the old owner got a message after its fence";
	return w->shared->bracket.inside & 1 ? "a sender that has sent is inside" : NULL;
}

/* Somebody takes what was sent. */
static void make_room(struct world *w)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct plx_lane *lane = plx_work_lane(&w->map, i, w->sender.seat.number);

		lane->taken = plx_lane_sent(&w->map.inbox_geometry, lane);
		lane->head = lane->taken;
		w->sent[i] = sent_to(w, i);
	}
}

static const char *step_send(struct stepper *st, struct world *w)
{
	struct step_op op = { call_send, sender_died, slot_moves, sent, w };
	w->what = SEND;
	w->key = roll(w, 1000000);
	w->slot = plx_partition_slot(&w->map.partition, w->key);
	w->to = (uint32_t)roll(w, 2);
	plx_partition_move(&w->map.partition, w->slot, 1 - w->to);
	w->settled = false;
	return step_run(st, &op, &counts[SEND]);
}

/* ---- handling, while the slot moves ------------------------------------------------------------------- */

/* The first stores of a handover: the slot is held, and its owner the old one for a moment more. */
static const char *slot_is_lost(void *arg)
{
	struct world *w = arg;

	w->shared->hdr.held[0] = 2;
	w->shared->hdr.handover++;
	return NULL;
}

/* Its owner is stored while we are anywhere in between; what came before the fence is ours to handle. */
static const char *lost(void *arg)
{
	struct world *w = arg;

	plx_partition_move(&w->map.partition, 1, 1);
	(void)plx_work_take(&w->worker);
	return finished(w);
}

/* The old owner has got there. */
static const char *handover_ends(void *arg)
{
	struct world *w = arg;

	w->shared->hdr.held[0] = 0;
	w->shared->hdr.handover++;
	w->settled = true;
	return NULL;
}

/* Not before the old owner is done; and then it is. */
static const char *gained(void *arg)
{
	struct world *w = arg;

	if (!w->settled) {
		if (lane_of(w)->taken != w->taken[w->lane])
			return "a message that is held was handled";
		handover_ends(w);
	}
	(void)plx_work_take(&w->worker);
	return finished(w);
}

/* A worker that dies meanwhile is recovered as ever; what is held is held for its successor. */
static const char *died_in_between(void *arg)
{
	struct world *w = arg;
	bool over = !(w->shared->hdr.handover & 1);

	if (w->what == GAIN && !over && lane_of(w)->taken != w->taken[w->lane])
		return "a message that is held was handled";
	if (w->what == GAIN && !over)
		handover_ends(w);
	return died(w);
}

static const char *step_move(struct stepper *st, struct world *w)
{
	struct step_op op = { call_handle, died_in_between, slot_is_lost, lost, w };
	bool gain = w->turn % 2;
	const char *wrong;

	w->what = gain ? GAIN : LOSE;
	w->settled = false;
	plx_partition_move(&w->map.partition, 1, 0);
	if (gain) {
		op.paused = handover_ends;
		op.resumed = gained;
		slot_is_lost(w);
	}
	wrong = step_run(st, &op, &counts[w->what]);
	if (!wrong)
		wrong = gain ? gained(w) : lost(w);
	w->shared->hdr.held[0] = 0;
	w->shared->hdr.handover += w->shared->hdr.handover & 1;
	plx_partition_move(&w->map.partition, 1, 1);
	return wrong;
}

/* ---- the walk ---------------------------------------------------------------------------------------- */

/* Somewhere in the middle of handling: with some of it changed, or finished and not acknowledged. */
static void die_somewhere(struct world *w)
{
	struct plx_work_line *line = &w->shared->line;
	struct plx_message m = { .data = &w->order, .size = sizeof(w->order), .number = w->taken[w->lane] };
	uint64_t where = roll(w, 3);
	uint8_t slots = w->order.slots;

	line->hand_taken = w->taken[w->lane];
	line->hand_lane = w->lane + 1;
	if (where == 0)
		w->order.slots = (uint8_t)(slots / 2);
	(void)handle(&w->worker, &m, w);
	w->order.slots = slots;
	if (w->order.fails) {
		plx_work_back(&w->map, &w->shared->undo, line->seq);
		plx_work_unstage(&w->map, 0, line->seq);
	} else if (where < 2)
		return;
	plx_work_commit(line, w->lane, w->taken[w->lane] + 1);
}

static const char *step(struct stepper *st, struct world *w)
{
	struct step_op op = { NULL, died, nothing, resumed, w };
	bool move = w->turn++ % 3 == 2;
	struct plx_work_head *head;
	const char *wrong;

	make_room(w);
	/* it has taken what went to itself, and tells of all the room as before it sleeps */
	receive(w);
	plx_post_tell_all(&w->worker.inbox);
	if (roll(w, 4) == 0)
		return step_send(st, w);
	w->lane = (uint32_t)roll(w, LANES);
	w->order = (struct order){ .slots = (uint8_t)roll(w, 4),
				   .first = (uint8_t)roll(w, SLOTS),
				   .fails = roll(w, 5) == 0,
				   .bytes = (uint8_t)roll(w, 256),
				   .forwards = move ? 0 : (uint8_t)roll(w, 3),
				   .key = roll(w, 1000) };
	head = plx_post_reserve(&w->tx[w->lane]);
	if (!head)
		return "there is no room";
	*head = (struct plx_work_head){ .slot = 1 };
	memcpy(head + 1, &w->order, sizeof(w->order));
	plx_post_commit(&w->tx[w->lane], 1, 1, sizeof(*head) + sizeof(w->order));
	w->taken[w->lane] = lane_of(w)->taken;
	expect(w);
	if (move)
		return step_move(st, w);
	w->what = roll(w, 4) ? HANDLE : RECOVER;
	if (w->what == RECOVER)
		die_somewhere(w);
	op.call = w->what == HANDLE ? call_handle : call_recover;
	wrong = step_run(st, &op, &counts[w->what]);
	return wrong ? wrong : resumed(w);
}

static void make_world(struct world *w, struct shared *s)
{
	struct plx_channel_shape inbox = {
		.kind = PLX_CHANNEL_POST, .size = 48, .count = 16, .senders = LANES + 1
	};
	struct plx_channel_shape control = { .kind = PLX_CHANNEL_POST, .size = 48, .count = 4, .senders = 1 };

	memset(w, 0, sizeof(*w));
	memset(s, 0, sizeof(*s));
	w->seed = 1;
	w->shared = s;
	w->map.seg.base = s;
	w->map.hdr = &s->hdr;
	w->map.lines = &s->line;
	w->map.undo = (unsigned char *)&s->undo;
	w->map.inbox = s->inbox[0];
	w->map.inbox_bytes = sizeof(s->inbox[0]);
	w->map.memory_begin = offsetof(struct shared, tally);
	w->map.memory_end = offsetof(struct shared, tally) + sizeof(s->tally);
	w->map.most = WORKERS;
	w->map.senders = w->map.lanes = LANES + 1;
	w->map.ways = 1;
	w->map.size = 40;
	w->map.undo_size = sizeof(s->undo) + UNDO;
	w->options.hooks.handle = handle;
	w->options.hooks.arg = w;
	w->worker.map = &w->map;
	w->worker.options = &w->options;
	w->worker.line = &s->line;
	w->worker.undo = &s->undo;
	w->worker.sender = &w->sender;
	w->map.outbox_bytes = sizeof(s->outbox) + UNDO;
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(plx_channel_init(s->inbox[i], sizeof(s->inbox[i]), &inbox), 0);
	assert_int_equal(plx_channel_init(s->control, sizeof(s->control), &control), 0);
	assert_int_equal(plx_geometry_read(&w->map.inbox_geometry, s->inbox[0], sizeof(s->inbox[0])), 0);
	assert_int_equal(plx_post_receiver_open(&w->worker.control, s->control, sizeof(s->control)), 0);
	assert_int_equal(plx_post_receiver_open(&w->worker.inbox, s->inbox[0], sizeof(s->inbox[0])), 0);
	for (uint32_t i = 0; i < LANES; i++)
		assert_int_equal(plx_post_sender_open(&w->tx[i], s->inbox[0], sizeof(s->inbox[0]), i), 0);
}

/* A sender with a lane of its own to each worker. */
static void make_sender(struct world *w, struct shared *s)
{
	assert_int_equal(plx_partition_init(&w->map.partition, &s->partition, sizeof(s->partition), NULL), 0);
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++)
		plx_partition_move(&w->map.partition, slot, slot % WORKERS);
	w->sender.map = &w->map;
	w->sender.partition = w->map.partition;
	w->sender.bracket = &s->bracket;
	w->sender.seat.number = LANES;
	w->map.external = LANES; /* it is that of worker 0 */
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct plx_post_sender *tx = &w->sender.lane[i];

		while (tx->end.number != LANES || !tx->end.channel) /* the one after those of the others */
			assert_int_equal(plx_post_sender_open(tx, s->inbox[i], sizeof(s->inbox[i]), 9), 0);
	}
}

static void a_message_is_handled_once_wherever_its_worker_dies(void **state)
{
	const char *wrong = NULL;
	struct stepper *st;
	struct world *w;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	st = step_open(sizeof(struct shared), sizeof(struct world));
	w = step_rest(st);
	make_world(w, step_shared(st));
	make_sender(w, step_shared(st));
	while (!wrong && step_more(counts, WHATS, POINTS))
		wrong = step(st, w);
	if (wrong)
		fail_msg("%s: %s", counts[w->what].name, wrong);
	assert_int_equal(step_report("work", counts, WHATS), 0);
	step_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_handled_once_wherever_its_worker_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_pool.c - two processes share a pool; one dies or sleeps at each instruction of claim and drop.
 *
 * A slot has one owner or none, whatever happens between whichever instructions. Who dies takes with it what it had, and
 * at most the one slot it was about to claim or to drop; a sleeper finds everything as it must be. The same of the slots that
 * a publisher has in hand, of which its threads claim: they die together, but each may sleep.
 */
#include <string.h>

#include <plx/pool.h>

#include "topic/writer.h"

#include "tests/support/step.h"
#include "tests/support/support.h"

#define SLOTS  70u /* two words, the second one not full */
#define STRIDE 64u
#define POINTS 15000
#define SHARED (128 + SLOTS * STRIDE)

enum what { CLAIM, DROP, WHATS };

static struct step_count counts[WHATS] = {
	[CLAIM] = { .name = "claim" },
	[DROP] = { .name = "drop" },
};

struct side {
	struct plx_pool pool;
	bool has[SLOTS];
	uint32_t n;
};

struct world {
	struct side a, b; /* a is stepped */
	uint32_t slot;
	uint32_t keep; /* b keeps so many while it goes on */
	uint64_t seed;
	enum what what;
};

static uint64_t roll(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

static void call_claim(void *arg)
{
	struct world *w = arg;

	w->slot = plx_pool_claim(&w->a.pool);
}

static void call_drop(void *arg)
{
	struct world *w = arg;

	plx_pool_drop(&w->a.pool, w->slot);
}

/* ---- b, and what must hold -------------------------------------------------------------------------- */

static const char *take(struct side *s, const struct side *other, uint32_t slot)
{
	if (slot >= SLOTS)
		return "a slot that does not exist was claimed";
	if (s->has[slot] || (other && other->has[slot]))
		return "a slot has two owners";
	s->has[slot] = true;
	s->n++;
	return NULL;
}

static void give(struct side *s, uint32_t slot)
{
	s->has[slot] = false;
	s->n--;
	plx_pool_drop(&s->pool, slot);
}

static const char *claim_all(struct side *s, const struct side *other)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i <= SLOTS && !wrong; i++) {
		uint32_t slot = plx_pool_claim(&s->pool);

		if (slot == PLX_SLOT_NONE)
			return NULL;
		wrong = take(s, other, slot);
	}
	return wrong ? wrong : "there is no end of slots";
}

static const char *died(void *arg)
{
	struct world *w = arg;
	const char *wrong = claim_all(&w->b, &w->a);

	if (!wrong && w->a.n + w->b.n < SLOTS - 1)
		wrong = "more than one slot is gone";
	if (!wrong && plx_pool_check(&w->b.pool, &wrong) == 0)
		wrong = NULL;
	return wrong;
}

static const char *paused(void *arg)
{
	struct world *w = arg;
	const char *wrong = claim_all(&w->b, &w->a);

	for (uint32_t slot = 0; slot < SLOTS && w->b.n > w->keep; slot++) {
		if (w->b.has[slot])
			give(&w->b, slot);
	}
	return wrong;
}

static const char *finish(struct world *w)
{
	if (w->what == DROP || w->slot == PLX_SLOT_NONE)
		return NULL;
	return take(&w->a, &w->b, w->slot);
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w);

	if (!wrong)
		wrong = claim_all(&w->b, &w->a);
	if (!wrong && w->a.n + w->b.n != SLOTS)
		wrong = "a slot is gone";
	return wrong;
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static const char *step(struct stepper *st, struct world *w)
{
	struct step_op op = { NULL, died, paused, resumed, w };
	const char *wrong;

	w->what = w->a.n && roll(w, 2) ? DROP : CLAIM;
	w->keep = (uint32_t)roll(w, SLOTS + 1);
	op.call = w->what == DROP ? call_drop : call_claim;
	if (w->what == DROP) {
		w->slot = (uint32_t)roll(w, SLOTS);
		while (!w->a.has[w->slot])
			w->slot = (w->slot + 1) % SLOTS;
		w->a.has[w->slot] = false;
		w->a.n--;
	}
	wrong = step_run(st, &op, &counts[w->what]);
	return wrong ? wrong : finish(w);
}

/* b claims or drops some, so that a finds the pool in another state each time. */
static const char *others(struct world *w)
{
	uint32_t want = (uint32_t)roll(w, SLOTS - w->a.n + 1);
	const char *wrong = NULL;

	while (w->b.n < want && !wrong)
		wrong = take(&w->b, &w->a, plx_pool_claim(&w->b.pool));
	for (uint32_t slot = 0; slot < SLOTS && w->b.n > want; slot++) {
		if (w->b.has[slot] && roll(w, 3))
			give(&w->b, slot);
	}
	return wrong;
}

static void a_slot_has_one_owner_or_none_whoever_dies_or_sleeps(void **state)
{
	struct stepper *st;
	struct world *w;
	unsigned char *at;
	const char *wrong = NULL;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	st = step_open(SHARED, sizeof(struct world));
	w = step_rest(st);
	at = step_shared(st);
	memset(w, 0, sizeof(*w));
	w->seed = 1;
	assert_int_equal(plx_pool_init(&w->a.pool, at, at + 128, SLOTS, STRIDE), 0);
	assert_int_equal(plx_pool_attach(&w->b.pool, at, at + 128, SLOTS, STRIDE), 0);
	while (!wrong && step_more(counts, WHATS, POINTS)) {
		wrong = step(st, w);
		if (!wrong && roll(w, 4) == 0)
			wrong = others(w);
	}
	if (wrong)
		fail_msg("%s: %s", counts[w->what].name, wrong);
	assert_int_equal(step_report("pool", counts, WHATS), 0);
	step_close(st);
}

/* ---- slots in hand --------------------------------------------------------------------------------------- */

struct hand {
	struct plx_writer writer; /* only what claiming looks at */
	uint32_t before;          /* a bit for each slot in hand */
	uint32_t want;            /* the other thread claims so many meanwhile */
	uint32_t others;          /* what it got */
	uint32_t slot;
};

static void call_hand(void *arg)
{
	struct hand *h = arg;

	h->slot = plx_writer_claim_shared(&h->writer);
}

static const char *hand_take(struct hand *h, uint32_t slot)
{
	if (slot / 32 != 1)
		return "a slot that was not in hand was claimed";
	if (h->others & UINT32_C(1) << slot % 32)
		return "a slot has two owners";
	h->others |= UINT32_C(1) << slot % 32;
	return NULL;
}

static const char *hand_paused(void *arg)
{
	struct hand *h = arg;
	const char *wrong = NULL;

	for (uint32_t i = 0; i < h->want && !wrong; i++) {
		uint32_t slot = plx_writer_claim_shared(&h->writer);

		if (slot == PLX_SLOT_NONE)
			break;
		wrong = hand_take(h, slot);
	}
	return wrong;
}

static const char *hand_resumed(void *arg)
{
	struct hand *h = arg;
	const char *wrong = h->slot == PLX_SLOT_NONE ? NULL : hand_take(h, h->slot);

	if (!wrong && (h->others | (uint32_t)h->writer.head->hand) != h->before)
		wrong = "a slot is gone";
	if (!wrong && h->others & (uint32_t)h->writer.head->hand)
		wrong = "a slot in hand has an owner";
	return wrong;
}

static void a_slot_in_hand_goes_to_one_thread_whoever_sleeps(void **state)
{
	struct step_count count = { .name = "claim of what is in hand" };
	struct stepper *st;
	struct hand *h;
	const char *wrong = NULL;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	st = step_open(sizeof(struct plx_topic_head), sizeof(struct hand));
	h = step_rest(st);
	memset(h, 0, sizeof(*h));
	h->writer.head = step_shared(st);
	h->writer.quick.line = &h->writer.head->head;
	for (uint32_t before = 0; before < 256 && !wrong; before++) {
		struct step_op op = { call_hand, NULL, hand_paused, hand_resumed, h };

		h->before = before * UINT32_C(0x01010101);
		h->writer.head->hand = UINT64_C(1) << 32 | h->before;
		h->want = before % 5;
		h->others = 0;
		wrong = step_run(st, &op, &count);
	}
	if (wrong)
		fail_msg("%s: %s", count.name, wrong);
	assert_int_equal(step_report("hand", &count, 1), 0);
	step_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_has_one_owner_or_none_whoever_dies_or_sleeps),
		cmocka_unit_test(a_slot_in_hand_goes_to_one_thread_whoever_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

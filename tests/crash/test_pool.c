/*
 * test_pool.c - two processes share a pool; one dies or sleeps at each instruction of claim and drop.
 *
 * A slot has one owner or none, whatever happens between whichever instructions. Who dies takes with it what it had, and
 * at most the one slot it was about to claim or to drop; a sleeper finds everything as it must be.
 */
#include <string.h>

#include <plx/pool.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_has_one_owner_or_none_whoever_dies_or_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

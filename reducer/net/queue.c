/*
 * queue.c - growing the stack of redexes, and giving from its bottom.
 *
 * What lies below the low-water mark has not been touched since the last look: it is old, so it is large, and nobody
 * here is about to get to it. A sequential program keeps nothing there and so never gives, and never wakes anybody.
 * Every other redex goes: neighbours on the stack come from one expansion, and what belongs together on different levels
 * of a recursion then tends to move together.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/link.h"
#include "reducer/net/queue.h"

#define QUEUE_GIVE_MAX   64u /* redexes given in one go */
#define QUEUE_SETTLE_MAX 64u /* nodes of a redex looked at before it goes */

static void queue_shift_down(struct worker *w)
{
	const size_t bytes = (size_t)((char *)w->hot.top - (char *)w->bottom);
	const ptrdiff_t by = w->bottom - w->redexes;

	memmove(w->redexes, w->bottom, bytes);
	w->bottom -= by;
	w->hot.top -= by;
	w->hot.low -= by;
}

int queue_room(struct worker *w, uint64_t redexes)
{
	uint64_t used, need;
	int64_t grown;

	if (w->hot.top + redexes <= w->limit)
		return 0;
	if (w->bottom - w->redexes > w->hot.top - w->bottom)
		queue_shift_down(w);
	if (w->hot.top + redexes <= w->limit)
		return 0;
	used = (uint64_t)(w->hot.top - w->redexes) + redexes + QUEUE_SLACK;
	need = used > w->part->redex_end ? (used - w->part->redex_end) * sizeof(struct pair) : 0;
	if (need) {
		grown = arena_grow(w->arena, arena_redexes_off(w->arena, w->me),
				   w->part->redex_end * sizeof(struct pair), need,
				   arena_redexes_room(w->arena));
		if (grown < 0)
			return (int)grown;
		w->part->redex_end = (uint64_t)grown / sizeof(struct pair);
	}
	w->limit = w->redexes + w->part->redex_end - QUEUE_SLACK;
	return 0;
}

/* What a wire leads to, as far as our variables know. */
static port queue_follow(struct worker *w, port p, bool is_first_of_operator)
{
	struct hot *h = &w->hot;

	while (port_tag(p) == TAG_VAR && cells_own_var(w, p)) {
		port value = *cells_var(h, p);

		/* a number that comes to an operator by a variable is counted when it comes */
		if (value == PORT_NONE || (is_first_of_operator && port_tag(value) == TAG_NUM))
			break;
		cells_free_var(w, h, p);
		p = value;
	}
	return p;
}

/*
 * Before a redex goes, put what our variables are bound to into the nodes that go with it: otherwise each would cost two
 * messages, and bring the work back.
 */
static void queue_settle(struct worker *w, const struct pair *redex)
{
	port todo[QUEUE_SETTLE_MAX + 2];
	uint32_t n = 0, seen = 0;

	todo[n++] = redex->a;
	todo[n++] = redex->b;
	while (n > 0 && seen++ < QUEUE_SETTLE_MAX) {
		port p = todo[--n];
		struct pair *cell;

		if (!port_is_node(p) || !cells_own_node(w, p))
			continue;
		cell = cells_node(&w->hot, p);
		cell->a = queue_follow(w, cell->a, port_tag(p) == TAG_OPR);
		cell->b = queue_follow(w, cell->b, false);
		if (n + 2 <= QUEUE_SETTLE_MAX + 2) {
			todo[n++] = cell->b;
			todo[n++] = cell->a;
		}
	}
}

/* Who is hungry, one of them, and now ours to feed; NET_WORKERS_MAX when there is nobody. */
static uint32_t queue_claim(struct worker *w, uint64_t *hungry)
{
	struct arena_control *control = w->arena->control;

	while (*hungry) {
		const uint32_t who = (uint32_t)__builtin_ctzll(*hungry);
		const uint64_t bit = 1ull << who;

		*hungry &= ~bit;
		/* relaxed: the bit is a request, not data; exactly one giver takes it */
		if (atomic_fetch_and_explicit(&control->hungry, ~bit, memory_order_relaxed) & bit)
			return who;
	}
	return NET_WORKERS_MAX;
}

void queue_give(struct worker *w)
{
	/* relaxed: see queue_claim() */
	uint64_t hungry = atomic_load_explicit(&w->arena->control->hungry, memory_order_relaxed) &
			  ~(1ull << w->me);
	uint64_t idle = (uint64_t)(w->hot.low - w->bottom), window, give;
	uint32_t eaters[NET_WORKERS_MAX], n = 0;
	struct pair *kept;

	if (idle > 0 && hungry != 0) {
		window = idle < 2 * QUEUE_GIVE_MAX ? idle : 2 * QUEUE_GIVE_MAX;
		give = (window + 1) / 2;
		while (n < give && (eaters[n] = queue_claim(w, &hungry)) != NET_WORKERS_MAX)
			n++;
		if (n == 0)
			goto out;
		kept = w->bottom + window;
		for (uint64_t i = window; i-- > 0;) {
			const struct pair r = w->bottom[i];

			if (i % 2 == 1) {
				*--kept = r;
				continue;
			}
			queue_settle(w, &r);
			mail_send(w, eaters[i / 2 % n], r.a, r.b);
			w->given++;
		}
		w->bottom = kept;
		mail_flush(w);
	}
out:
	w->hot.low = w->hot.top;
}

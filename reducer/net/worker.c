/*
 * worker.c - the loop: take the youngest redex, apply its rule, and so on; every ARENA_TICK interactions look outside.
 * What is before and after that is in life.c.
 *
 * The loop exists twice, made from one text: without any thought of other partitions, for who is alone or has not yet sent or
 * received anything, and with it. So a program with nothing to share runs as fast among many workers as alone.
 */
#if defined(__GNUC__) && !defined(__clang__)
/* or gcc packs what the loop keeps in registers into vectors, at each turn, for the calls of cold functions (a tenth of all time) */
#pragma GCC optimize("no-tree-slp-vectorize")
#endif
#include <errno.h>
#include <sched.h>

#include "reducer/net/fuse_run.h"
#include "reducer/net/inject.h"
#include "reducer/net/mail.h"
#include "reducer/net/queue.h"
#include "reducer/net/quiesce.h"
#include "reducer/net/rules.h"
#include "reducer/net/settle.h"
#include "reducer/net/spread.h"

/* Ticks between two looks for hungry workers. */
#define WORKER_GIVE 4u

/*
 * Where the loops begin, in bytes after the beginning of a line. Left to chance, the same code was up to a third slower in one
 * build than in another, whatever else had changed in the program (Zen; sumrec 123 and 163 ms). Found by trying.
 */
#define WORKER_LOOP(offset)                                                                                  \
	static __attribute__((noinline, aligned(64), patchable_function_entry(offset, offset)))

#define PAIR(x, y) ((TAG_##x) << 4 | (TAG_##y))

/* Does a node slot hold a variable of the node's own partition? */
static uint32_t worker_ties(const struct worker *w, port p)
{
	const struct pair cell = *cells_node(&w->hot, p);
	const uint32_t home = arena_home(w->arena, p);

	return (port_tag(cell.a) == TAG_VAR && arena_home(w->arena, cell.a) == home) +
	       (port_tag(cell.b) == TAG_VAR && arena_home(w->arena, cell.b) == home);
}

/*
 * A redex with nodes of other partitions goes where it has more ties: each variable of theirs is a message from here, each of
 * ours one from there. A reference is work, and work stays with who has time for it.
 */
static bool worker_belongs_elsewhere(const struct worker *w, port a, port b)
{
	if (!port_is_node(b) || cells_own_node(w, b) || port_tag(a) == TAG_REF)
		return false;
	return worker_ties(w, b) > (port_is_node(a) ? worker_ties(w, a) : 0);
}

/* The node comes here: its contents in a cell of ours, its cell on its way home. */
static port worker_import(struct worker *w, port p)
{
	struct pair cell;

	if (!port_is_node(p) || cells_own_node(w, p))
		return p;
	cell = *cells_node(&w->hot, p);
	cells_free_foreign(w, p);
	return cells_new_node(&w->hot, cell.a, cell.b) | port_head(p);
}

/* Not all nodes are ours. True: now they are; false: the redex has gone where it belongs. Works on w->hot. */
static plx_cold __attribute__((noinline)) bool worker_foreign(struct worker *w, struct pair *r)
{
	const bool away_b = worker_belongs_elsewhere(w, r->a, r->b);

	if (away_b || worker_belongs_elsewhere(w, r->b, r->a)) {
		settle_tree(w, r->a);
		settle_tree(w, r->b);
		mail_send(w, arena_home(w->arena, away_b ? r->b : r->a), r->a, r->b);
		return false;
	}
	if (w->hot.nodes + 2 > w->node_mark) {
		rules_wait(w, r->a, r->b, 2, 0, 0);
		w->skipped--; /* the loop does that for all that do not stay */
		return false;
	}
	r->a = worker_import(w, r->a);
	r->b = worker_import(w, r->b);
	return true;
}

/* One interaction. True: *r is the next one. */
hot_inline bool worker_step(struct worker *w, struct hot *h, struct pair *r, const bool multi)
{
	port a = r->a, b = r->b;
	struct pair here;
	bool stays;

again:
	if (port_tag(a) > port_tag(b)) {
		const port swap = a;

		a = b;
		b = swap;
	}
	/* what is a node at all has the higher tag; only of two nodes both have to be looked at */
	if (multi && plx_unlikely(!cells_own_node(w, b)))
		goto foreign;
	switch (port_tag(a) << 4 | port_tag(b)) {
	case PAIR(VAR, REF):
		return rule_call(w, h, b, a, r, multi); /* only @main and the root, and expand.c */
	case PAIR(REF, CON):
		if (plx_unlikely(port_label(b) != 0))
			return rule_copy(w, h, a, b, r, multi);
		return fuse_call(w, h, a, b, r, multi);
	case PAIR(REF, OPR):
	case PAIR(REF, SWI): return rule_call(w, h, a, b, r, multi);
	case PAIR(REF, DUP): return rule_copy(w, h, a, b, r, multi);
	case PAIR(ERA, CON):
	case PAIR(ERA, DUP):
	case PAIR(ERA, OPR):
	case PAIR(ERA, SWI):
	case PAIR(NUM, CON):
	case PAIR(NUM, DUP): return rule_eras(w, h, a, b, r, multi);
	case PAIR(NUM, OPR): return rule_oper(w, h, a, b, r, multi);
	case PAIR(NUM, SWI): return rule_swit(w, h, a, b, r, multi);
	case PAIR(CON, CON):
	case PAIR(DUP, DUP):
		if (multi && plx_unlikely(!cells_own_node(w, a)))
			goto foreign;
		if (plx_unlikely(port_head(a) != port_head(b)))
			return rule_comm(w, h, a, b, r, multi);
		return rule_anni(w, h, a, b, r, multi);
	case PAIR(OPR, OPR):
	case PAIR(SWI, SWI):
		if (multi && plx_unlikely(!cells_own_node(w, a)))
			goto foreign;
		return rule_anni(w, h, a, b, r, multi);
	case PAIR(CON, DUP):
	case PAIR(CON, OPR):
	case PAIR(CON, SWI):
	case PAIR(DUP, OPR):
	case PAIR(DUP, SWI):
	case PAIR(OPR, SWI):
		if (multi && plx_unlikely(!cells_own_node(w, a)))
			goto foreign;
		return rule_comm(w, h, a, b, r, multi);
	default: return false; /* VOID: nothing is left */
	}

foreign:
	if (!port_is_node(b)) /* VOID, or @main and the root */
		return port_tag(a) == TAG_VAR && rule_call(w, h, b, a, r, multi);
	here = (struct pair){ a, b };
	w->hot = *h;
	stays = worker_foreign(w, &here);
	*h = w->hot;
	if (!stays) {
		w->skipped++; /* counted where it is done */
		return false;
	}
	a = here.a;
	b = here.b;
	goto again;
}

/* Until the queue is empty or fuel is used up. */
hot_inline void worker_burn(struct worker *w, const bool multi)
{
	struct hot h = w->hot;
	struct pair r;

	for (;;) {
		if (plx_unlikely(h.top == w->floor)) {
			bool more;

			w->hot = h;
			more = queue_lower(w);
			h = w->hot;
			if (!more)
				break;
		}
		r = *--h.top;
		do {
			if (plx_unlikely(h.fuel <= 0)) {
				*h.top++ = r;
				w->hot = h;
				return;
			}
			h.fuel--;
		} while (worker_step(w, &h, &r, multi));
	}
	w->hot = h;
}

WORKER_LOOP(0) void worker_burn_alone(struct worker *w)
{
	worker_burn(w, false);
}

WORKER_LOOP(0) void worker_burn_among(struct worker *w)
{
	worker_burn(w, true);
}

void worker_stop(struct worker *w, enum net_status why, uint64_t detail)
{
	struct arena_control *control = w->arena->control;
	uint32_t none = NET_DONE;

	w->failed = true;
	/* seq_cst: who goes busy after this sees it (Q1) */
	if (atomic_compare_exchange_strong_explicit(&control->stop, &none, why, memory_order_seq_cst,
						    memory_order_seq_cst)) {
		/* relaxed: read when the program has ended */
		atomic_store_explicit(&control->stop_worker, w->me, memory_order_relaxed);
		atomic_store_explicit(&control->stop_detail, detail, memory_order_relaxed);
	}
}

/* Take what other workers have sent, as much as a batch can bear. Works on w->hot. */
static void worker_take_mail(struct worker *w)
{
	uint64_t budget = 2 * w->tick;

	w->unread |= mail_arrived(w);
	for (uint64_t left = w->unread; left && budget; left &= left - 1) {
		const uint32_t from = (uint32_t)__builtin_ctzll(left);
		struct arena_ring *ring = w->in[from].ring;
		uint64_t *head = &w->peer[from].head;
		/* M3 acquire: pairs with M2 */
		const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		const uint64_t mask = w->arena->control->ring - 1;
		const uint64_t count = tail - *head < budget ? tail - *head : budget;

		if (count == tail - *head)
			w->unread &= ~(1ull << from);
		if (count == 0)
			continue;
		if (queue_room(w, count) < 0) {
			worker_stop(w, NET_MEMORY, ENOSPC);
			return;
		}
		budget -= count;
		w->now.received += count;
		w->mixed = true;
		w->peers_dirty = 2;
		w->taken |= 1ull << from;
		for (const uint64_t end = *head + count; *head != end; ++*head) {
			const struct pair m = ring->slot[*head & mask];

			if (plx_unlikely(m.b == PORT_GONE))
				cells_free_var(w, &w->hot, m.a);
			else if (port_tag(m.a) != TAG_VAR && port_tag(m.b) != TAG_VAR)
				*w->hot.top++ = m; /* meant for us, wherever its nodes are */
			else
				link_later(w, &w->hot, m.a, m.b, true);
		}
		if (net_mutant(MUT_NET_HEAD_EARLY))
			atomic_store_explicit(&ring->head, *head, memory_order_release);
	}
}

void worker_account(struct worker *w)
{
	w->now.interactions += (uint64_t)((int64_t)w->round - w->hot.fuel) - w->skipped;
	w->skipped = 0;
	w->round = w->tick;
	if (plx_unlikely(atomic_load_explicit(&w->line->careful, memory_order_relaxed) != 0)) {
		/* somebody died here: one by one, so that what kills can be told */
		atomic_fetch_sub_explicit(&w->line->careful, 1, memory_order_relaxed);
		w->round = 1;
	}
	w->hot.fuel = w->round;
}

/* Those of the others as of their last commits. */
static bool worker_has_gas(const struct worker *w)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->arena->n; i++)
		sum += atomic_load_explicit(&w->arena->lines[i].interactions, memory_order_relaxed);
	return sum <= w->arena->control->gas;
}

void worker_prepare(struct worker *w)
{
	int ret = cells_tend(w, w->want.nodes, w->want.vars);

	if (ret == 0)
		ret = queue_room(w, w->want.redexes);
	w->want.nodes = w->want.vars = w->want.redexes = 0;
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
	else if (w->recommit)
		batch_commit(w);
}

/* The end of a batch, and a look at the outside. False: the program is not to go on. */
static bool worker_tick(struct worker *w)
{
	struct arena_control *control = w->arena->control;

	worker_account(w);
	if (atomic_load_explicit(&control->stop, memory_order_relaxed) != NET_DONE) {
		w->failed = true; /* touch nothing: the supervisor may be looking already */
		return false;
	}
	batch_commit(w);
	if (plx_unlikely(atomic_load_explicit(&control->pause, memory_order_relaxed) != 0))
		quiesce_pause(w->arena, w->bell);
	if (plx_unlikely(control->gas != 0) && !worker_has_gas(w))
		worker_stop(w, NET_GAS, 0);
	worker_prepare(w);
	if (w->n > 1 && !w->failed) {
		spread_tick(w);
		w->credit += w->credit < SETTLE_CREDIT_MAX ? SETTLE_CREDIT : 0;
		if (++w->quiet >= WORKER_GIVE) {
			w->quiet = 0;
			queue_give(w);
		}
		if (w->pending)
			mail_retry(w);
		if (w->away) {
			cells_send_home(w);
			w->recommit = true;
		}
		if (w->recommit)
			batch_commit(w);
		worker_take_mail(w);
		if (w->recommit)
			batch_commit(w);
	}
	return !w->failed;
}

bool worker_batch(struct worker *w)
{
	if (!worker_tick(w))
		return false;
	if (w->hot.top != w->bottom) {
		if (plx_unlikely(w->round == 1))
			/* relaxed: read when we are dead */
			atomic_store_explicit(&w->line->attempt, w->seq, memory_order_relaxed);
		if (!w->mixed)
			worker_burn_alone(w);
		else
			worker_burn_among(w);
	} else if (w->pending) {
		/* a ring is full: its reader has to run, which may be in this process */
		w->waits = w->crowded;
		if (!w->crowded)
			sched_yield();
	} else if (w->n > 1 &&
		   (w->unread || atomic_load_explicit(&w->line->inbox, memory_order_relaxed) != 0)) {
		return true;
	} else if (w->laters > 0) {
		if (w->taken)
			batch_commit(w); /* others need not wait for what we have taken */
		queue_resume(w);
	} else {
		return false;
	}
	return true;
}

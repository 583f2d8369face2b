/*
 * worker.c - the loop: take the youngest redex, apply its rule, and so on; every ARENA_TICK interactions look outside.
 *
 *	rest --> adopt a new program --> reduce --> tick --> reduce ... nothing left --> rest
 *
 * The loop exists twice, made from one text: without any thought of other partitions, for who is alone or has not yet sent or
 * received anything, and with it. So a program with nothing to share runs as fast among many workers as alone.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "reducer/net/expand.h"
#include "reducer/net/inject.h"
#include "reducer/net/mail.h"
#include "reducer/net/queue.h"
#include "reducer/net/quiesce.h"
#include "reducer/net/rules.h"
#include "reducer/net/settle.h"

/* Ticks between two looks for hungry workers. */
#define WORKER_GIVE 4u

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
		return rule_call(w, h, a, b, r, multi);
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
		h->fuel++; /* counted where it is done */
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

static __attribute__((noinline)) void worker_burn_alone(struct worker *w)
{
	worker_burn(w, false);
}

static __attribute__((noinline)) void worker_burn_among(struct worker *w)
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

/* Take what other workers have sent. Works on w->hot. */
static void worker_take_mail(struct worker *w)
{
	for (uint64_t left = mail_arrived(w); left; left &= left - 1) {
		struct worker_in *in = &w->in[__builtin_ctzll(left)];
		/* M3 acquire: pairs with M2 */
		const uint64_t tail = atomic_load_explicit(&in->ring->tail, memory_order_acquire);
		const uint64_t mask = w->arena->control->ring - 1;

		if (queue_room(w, tail - in->head) < 0) {
			worker_stop(w, NET_MEMORY, ENOSPC);
			return;
		}
		w->received += tail - in->head;
		w->mixed = true;
		for (; in->head != tail; in->head++) {
			const struct pair m = in->ring->slot[in->head & mask];

			if (plx_unlikely(m.b == PORT_GONE))
				cells_free_var(w, &w->hot, m.a);
			else if (port_tag(m.a) != TAG_VAR && port_tag(m.b) != TAG_VAR)
				*w->hot.top++ = m; /* meant for us, wherever its nodes are */
			else
				link_later(w, &w->hot, m.a, m.b, true);
		}
		/* M4 release: pairs with M1; the slots may be written again */
		atomic_store_explicit(&in->ring->head, in->head, memory_order_release);
	}
}

/* Count what was burnt; fuel for the next round. */
static uint64_t worker_account(struct worker *w)
{
	const uint64_t burnt = (uint64_t)((int64_t)w->tick - w->hot.fuel) - w->skipped;

	w->interactions += burnt;
	w->skipped = 0;
	w->hot.fuel = w->tick;
	/* relaxed: for those who watch */
	atomic_store_explicit(&w->line->interactions, w->interactions, memory_order_relaxed);
	atomic_store_explicit(&w->line->redexes, (uint64_t)(w->hot.top - w->bottom), memory_order_relaxed);
	return burnt;
}

/* A look at the outside. False: the program is not to go on. */
static bool worker_tick(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const uint64_t burnt = worker_account(w);
	int ret;

	if (atomic_load_explicit(&control->stop, memory_order_relaxed) != NET_DONE) {
		w->failed = true; /* touch nothing: the supervisor may be looking already */
		return false;
	}
	if (atomic_load_explicit(&control->gas_limited, memory_order_relaxed) &&
	    atomic_fetch_sub_explicit(&control->gas, (int64_t)burnt, memory_order_relaxed) < (int64_t)burnt)
		worker_stop(w, NET_GAS, 0);
	ret = cells_tend(w, 0, 0);
	if (ret == 0)
		ret = queue_room(w, 0);
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
	if (w->n > 1 && !w->failed) {
		w->credit += w->credit < SETTLE_CREDIT_MAX ? SETTLE_CREDIT : 0;
		worker_take_mail(w);
		if (++w->quiet >= WORKER_GIVE) {
			w->quiet = 0;
			queue_give(w);
		}
		if (w->pending)
			mail_flush(w);
		if (w->away)
			cells_send_home(w);
	}
	return !w->failed;
}

/* Until there is nothing to do, here and in the mail, or a reason to stop. */
static void worker_reduce(struct worker *w)
{
	while (worker_tick(w)) {
		if (w->hot.top != w->bottom) {
			if (!w->mixed)
				worker_burn_alone(w);
			else
				worker_burn_among(w);
		} else if (w->pending) {
			sched_yield(); /* a ring is full: its reader has to run */
		} else if (w->n > 1 && atomic_load_explicit(&w->line->inbox, memory_order_relaxed) != 0) {
			continue;
		} else if (w->laters > 0) {
			queue_resume(w);
		} else {
			return;
		}
	}
}

/* ---- from program to program -------------------------------------------------------------------- */

static void worker_adopt_queues(struct worker *w)
{
	struct arena *arena = w->arena;
	struct arena_part *part = w->part;

	w->hot = (struct hot){
		.base = arena->base,
		.top = w->redexes,
		.nodes = w->node_cache,
		.vars = w->var_cache,
		.fuel = w->tick,
	};
	w->bottom = w->floor = w->redexes;
	w->limit = w->redexes + (part->redex_end ? part->redex_end - QUEUE_SLACK : 0);
	w->spill_free = 0;
	w->pending = w->away = 0;
	w->sent = w->received = w->given = w->parked = 0;
	w->interactions = w->skipped = 0;
	w->quiet = w->starving = 0;
	w->generous = 1;
	w->step = 1;
	w->credit = 0;
	w->mark = w->redexes;
	w->laters = w->resumed = w->boldness = 0;
	w->bold_until = 0;
	w->gave_at = 0;
	w->failed = w->mixed = false;
	for (uint32_t i = 0; i < w->n; i++) {
		struct arena_ring *out = arena_ring(arena, w->me, i), *in = arena_ring(arena, i, w->me);
		/* relaxed: both ends of a ring were set by the supervisor before the job (S1) */
		uint64_t tail = atomic_load_explicit(&out->tail, memory_order_relaxed);

		w->out[i] = (struct worker_out){ .ring = out, .tail = tail, .published = tail, .seen = tail };
		w->in[i] = (struct worker_in){
			.ring = in,
			.head = atomic_load_explicit(&in->head, memory_order_relaxed),
		};
	}
}

/* The first redex of all: @main and the variable on which the normal form will hang. */
static void worker_begin(struct worker *w)
{
	const port root = cells_new_var(&w->hot);

	w->arena->control->root = root;
	*w->hot.top++ = (struct pair){ port_ref(BOOK_MAIN), root };
}

/* Take part in a program from here on: nothing of an earlier one counts. */
static void worker_join(struct worker *w)
{
	struct arena *arena = w->arena;
	const struct code *code;

	worker_adopt_queues(w);
	code = (const struct code *)(arena->base + arena->control->code);
	w->book = arena_book(arena);
	w->defs = code_def(code, 0);
	w->slots = code_slots(code);
	if (code->places_max > w->places_room) {
		free(w->places);
		w->places_room = code->places_max;
		w->places = malloc(w->places_room * sizeof(*w->places));
	}
	if (!w->places || cells_tend(w, 0, 0) < 0 || queue_room(w, 1) < 0) {
		w->places_room = w->places ? w->places_room : 0;
		worker_stop(w, NET_MEMORY, ENOMEM);
		return;
	}
	w->places[0] = 0;
}

static void worker_adopt(struct worker *w)
{
	const struct arena_control *control = w->arena->control;
	uint32_t first;

	w->job = atomic_load_explicit(&control->job, memory_order_acquire);  /* S2 */
	first = atomic_load_explicit(&control->first, memory_order_relaxed); /* stored before S1 */
	if (w->adopted == 0 || w->adopted - first > w->job - first)
		worker_join(w);
	w->adopted = w->job;
	if (w->me != 0 || w->failed)
		return;
	w->received++; /* the order itself, see quiesce.h */
	if (w->job == first)
		worker_begin(w);
	else if (control->order == ARENA_INJECT)
		inject_piece(w);
	else
		expand_result(w);
}

/* Where everything stands, for who looks while we rest. */
static void worker_save(struct worker *w)
{
	struct arena *arena = w->arena;
	struct arena_part *part = w->part;
	uint64_t memory;

	part->node_cached = (uint64_t)(w->hot.nodes - w->node_cache);
	part->var_cached = (uint64_t)(w->hot.vars - w->var_cache);
	part->redex_bottom = (uint64_t)(w->bottom - w->redexes);
	part->redex_top = (uint64_t)(w->hot.top - w->redexes);
	part->job = w->job;
	for (uint32_t i = 0; i < w->n; i++)
		part->away[i] = w->out[i].away;
	memory = ((part->node_end << 4) - arena_nodes_off(arena, w->me)) +
		 ((part->var_end << 3) - arena_vars_off(arena, w->me)) +
		 part->redex_end * sizeof(struct pair) + part->spill_end * sizeof(struct arena_spilled);
	/* relaxed: ordered by Q1 */
	atomic_store_explicit(&w->line->sent, w->sent, memory_order_relaxed);
	atomic_store_explicit(&w->line->received, w->received, memory_order_relaxed);
	atomic_store_explicit(&w->line->given, w->given, memory_order_relaxed);
	atomic_store_explicit(&w->line->parked, w->parked, memory_order_relaxed);
	atomic_store_explicit(&w->line->memory, memory, memory_order_relaxed);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_ITRS, w->interactions);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_SENT, w->sent);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_RECEIVED, w->received);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_GIVEN, w->given);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_PARKED, w->parked);
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_REDEXES, (uint64_t)(w->hot.top - w->bottom));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_NODES,
		      part->node_fresh - (arena_nodes_off(arena, w->me) >> 4));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_VARS,
		      part->var_fresh - (arena_vars_off(arena, w->me) >> 3));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_MEMORY, memory);
}

static void worker_init(struct worker *w, struct arena *arena, uint32_t me, int ended_fd)
{
	const uint64_t nodes = arena_nodes_off(arena, me), vars = arena_vars_off(arena, me);

	*w = (struct worker){
		.me = me,
		.n = arena->n,
		.tick = arena->control->tick,
		.ended_fd = ended_fd,
		.arena = arena,
		.line = &arena->lines[me],
		.part = &arena->parts[me],
		.node_low = port_make(0, 0, nodes >> 4),
		.node_span = port_make(0, 0, arena_nodes_room(arena) >> 4),
		.var_low = port_var(vars >> 3),
		.var_span = port_var(arena_vars_room(arena) >> 3),
		.redexes = (struct pair *)(arena->base + arena_redexes_off(arena, me)),
		.node_cache = (port *)(arena->base + arena_caches_off(arena, me)),
		.spill = (struct arena_spilled *)(arena->base + arena_spill_off(arena, me)),
	};
	w->var_cache = w->node_cache + ARENA_NODE_CACHE;
	w->later = (struct pair *)(w->var_cache + ARENA_VAR_CACHE);
	w->job = atomic_load_explicit(&arena->control->ended, memory_order_relaxed);
}

int worker_run(struct arena *arena, uint32_t me, int ended_fd)
{
	struct worker *w = malloc(sizeof(*w));

	if (!w)
		return 1;
	worker_init(w, arena, me, ended_fd);
	while (quiesce_rest(w)) {
		if (atomic_load_explicit(&arena->control->job, memory_order_relaxed) != w->job)
			worker_adopt(w);
		worker_reduce(w);
		worker_account(w);
		worker_save(w);
	}
	free(w->places);
	free(w);
	return 0;
}

/*
 * cells.c - where free cells come from when none are at hand, and where they go when there are too many.
 *
 * From: the own list, chains that other workers sent home, memory never used. The list and the chains run through the free
 * cells themselves, so that they take no memory. A cell that leaves the list must not be written before a commit has said so,
 * for the list as it was leads through it; one that goes onto the list may be, for it was free already.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/cells.h"

/* A chain is offered to its owner when it is this long: 129 with the usual tick. */
#define CELLS_CHAIN(w) ((w)->tick / 2 + 1)

/* A queue of free cells at hand, of nodes or of variables. */
struct queue {
	port **head, **end;
	uint32_t buffers; /* the first of its two */
	uint64_t few;     /* fewer than so many are too few ... */
	uint64_t usual;   /* ... then there shall be so many */
	uint64_t many;    /* more than so many are too many */
};

static struct queue queue_of_nodes(struct worker *w)
{
	const uint64_t tick = w->tick;

	return (struct queue){ &w->hot.nodes,    &w->hot.nodes_end, ARENA_NODES_0,
			       3 * tick / 2 + 2, 2 * tick + 2,      4 * tick + 4 };
}

static struct queue queue_of_vars(struct worker *w)
{
	const uint64_t tick = w->tick;

	return (struct queue){ &w->hot.vars, &w->hot.vars_end, ARENA_VARS_0,
			       tick,         3 * tick / 2 + 2, 4 * tick + 4 };
}

static uint64_t length(const struct queue *q)
{
	return (uint64_t)(*q->end - *q->head);
}

/* The buffer in which a queue is. */
static uint32_t buffer_of(const struct worker *w, const struct queue *q)
{
	const uint64_t off = (uint64_t)((char *)*q->head - (char *)w->notes);

	return q->buffers + (off >= arena_buffer_off(w->arena, q->buffers + 1));
}

static port *buffer_begin(const struct worker *w, uint32_t buffer)
{
	return (port *)((char *)w->notes + arena_buffer_off(w->arena, buffer));
}

static port *buffer_end(const struct worker *w, uint32_t buffer)
{
	return buffer_begin(w, buffer) + w->now.buffer_end[buffer] / sizeof(port);
}

/* Memory for @entries of a buffer. */
static int buffer_grow(struct worker *w, uint32_t buffer, uint64_t entries)
{
	const uint64_t end = w->now.buffer_end[buffer], need = entries * sizeof(port);
	int64_t grown;

	if (need <= end)
		return 0;
	grown = arena_grow(w->arena, w->me,
			   arena_caches_off(w->arena, w->me) + arena_buffer_off(w->arena, buffer), end,
			   need - end, arena_buffer_room(w->arena));
	if (grown < 0)
		return (int)grown;
	w->now.buffer_end[buffer] = (uint64_t)grown;
	return 0;
}

/* Room for @entries more at the end of the queue: move to the other buffer if there is none. */
static int queue_make_room(struct worker *w, const struct queue *q, uint64_t entries)
{
	const uint32_t here = buffer_of(w, q), there = here ^ q->buffers ^ (q->buffers + 1);
	uint64_t before = 0;
	port *to;
	int ret;

#ifdef NET_MORTAL
	before = CELLS_FREES * w->tick;
	if (*q->head >= buffer_begin(w, here) + before && *q->end + entries <= buffer_end(w, here))
		return 0;
#else
	if (*q->end + entries <= buffer_end(w, here))
		return 0;
#endif
	ret = buffer_grow(w, there, before + length(q) + entries);
	if (ret < 0)
		return ret;
	to = buffer_begin(w, there) + before;
	memcpy(to, *q->head, length(q) * sizeof(port));
	*q->end = to + length(q);
	*q->head = to;
	return 0;
}

/* ---- filling ---------------------------------------------------------------------------------------- */

/* Any chain that came home, from a neighbour first. */
static port take_chain(struct worker *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct arena_ring *ring = w->in[i].ring;

		/* F2 acquire: pairs with F1; the chain, and the words in it, are there */
		if (i == w->me ||
		    atomic_load_explicit(&ring->chain_tail, memory_order_acquire) == w->peer[i].chain_head)
			continue;
		w->peer[i].chain_head++;
		w->peers_dirty = 2;
		w->taken |= 1ull << i;
		return atomic_load_explicit(&ring->chain, memory_order_relaxed);
	}
	return PORT_NONE;
}

static int fill_nodes(struct worker *w, uint64_t want)
{
	struct arena_record *now = &w->now;

	while (want > 0) {
		if (now->node_list == PORT_NONE)
			now->node_list = take_chain(w);
		if (now->node_list != PORT_NONE) {
			const port p = now->node_list;

			now->node_list = cells_node(&w->hot, p)->a;
			*w->hot.nodes_end++ = p;
			want--;
			continue;
		}
		if (now->node_end - now->node_fresh < want) {
			const uint64_t off = arena_nodes_off(w->arena, w->me);
			const int64_t grown = arena_grow(w->arena, w->me, off, (now->node_end << 4) - off,
							 (want - (now->node_end - now->node_fresh)) << 4,
							 arena_nodes_room(w->arena));

			if (grown < 0)
				return (int)grown;
			now->node_end = (off + (uint64_t)grown) >> 4;
		}
		for (; want > 0; want--)
			*w->hot.nodes_end++ = port_make(0, 0, now->node_fresh++);
	}
	return 0;
}

static int fill_vars(struct worker *w, uint64_t want)
{
	struct arena_record *now = &w->now;

	while (want > 0) {
		if (now->var_list != PORT_NONE) {
			const port p = now->var_list;

			now->var_list = *cells_var(&w->hot, p);
			*w->hot.vars_end++ = p;
			want--;
			continue;
		}
		if (now->var_end - now->var_fresh < want) {
			const uint64_t off = arena_vars_off(w->arena, w->me);
			const int64_t grown = arena_grow(w->arena, w->me, off, (now->var_end << 3) - off,
							 (want - (now->var_end - now->var_fresh)) << 3,
							 arena_vars_room(w->arena));

			if (grown < 0)
				return (int)grown;
			now->var_end = (off + (uint64_t)grown) >> 3;
		}
		for (; want > 0; want--)
			*w->hot.vars_end++ = port_var(now->var_fresh++);
	}
	return 0;
}

/* ---- draining --------------------------------------------------------------------------------------- */

/* Those that were free for longest, which are the coldest, go to the list. */
static void drain(struct worker *w, const struct queue *q, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
#ifdef NET_MORTAL
		const port p = *--*q->end;
#else
		const port p = *(*q->head)++;
#endif
		if (q->buffers == ARENA_NODES_0) {
			cells_node(&w->hot, p)->a = w->now.node_list;
			w->now.node_list = p;
		} else {
			*cells_var(&w->hot, p) = w->now.var_list;
			w->now.var_list = p;
		}
	}
}

/* ---- both ------------------------------------------------------------------------------------------- */

static void set_marks(struct worker *w)
{
	w->node_mark = w->hot.nodes_end;
	w->var_mark = w->hot.vars_end;
#ifdef NET_MORTAL
	w->var_limit = buffer_begin(
		w, buffer_of(w, &(struct queue){ &w->hot.vars, NULL, ARENA_VARS_0, 0, 0, 0 }));
#else
	w->var_limit = buffer_end(w,
				  buffer_of(w, &(struct queue){ &w->hot.vars, NULL, ARENA_VARS_0, 0, 0, 0 }));
#endif
}

/* All that is at hand was free at the last commit. */
static int tend(struct worker *w, const struct queue *q, uint64_t more)
{
	const uint64_t now = length(q), missing = now < q->few + more ? q->usual + more - now : 0;
	int ret;

	if (now > q->many + more)
		drain(w, q, now - q->usual - more);
	ret = queue_make_room(w, q, CELLS_FREES * w->tick + missing);
	if (ret < 0 || missing == 0)
		return ret;
	return q->buffers == ARENA_NODES_0 ? fill_nodes(w, missing) : fill_vars(w, missing);
}

int cells_tend(struct worker *w, uint64_t nodes, uint64_t vars)
{
	const struct queue n = queue_of_nodes(w), v = queue_of_vars(w);
	const uint64_t had_nodes = length(&n), had_vars = length(&v);
	int ret = buffer_grow(w, ARENA_SET, w->want.redexes + 2 * BATCH_SETS * w->tick + BATCH_MAIL);

	if (ret == 0)
		ret = tend(w, &n, nodes);
	if (ret == 0)
		ret = tend(w, &v, vars);
	/* where the queues are now; what was added is not to be taken yet */
	set_marks(w);
	if (length(&n) > had_nodes && !net_mutant(MUT_NET_FILL_EARLY))
		w->node_mark -= length(&n) - had_nodes;
	if (length(&v) > had_vars && !net_mutant(MUT_NET_FILL_EARLY))
		w->var_mark -= length(&v) - had_vars;
	if (nodes || vars || w->want.redexes)
		w->recommit = true;
	return ret;
}

void cells_more_vars(struct worker *w)
{
	const struct queue v = queue_of_vars(w);
	const uint32_t buffer = buffer_of(w, &v);
	int ret;

#ifdef NET_MORTAL
	const uint64_t len = length(&v), before = 16 * CELLS_FREES * w->tick;

	ret = buffer_grow(w, buffer, len + before + 2 * CELLS_FREES * w->tick);
	if (ret == 0) {
		memmove(w->hot.vars + before, w->hot.vars, len * sizeof(port));
		w->hot.vars += before;
		w->hot.vars_end += before;
		w->var_mark += before;
	}
#else
	ret = buffer_grow(w, buffer, w->now.buffer_end[buffer] / sizeof(port) + 1);
	w->var_limit = buffer_end(w, buffer);
#endif
	if (ret < 0) { /* a cell or two may be lost, but then so is the program */
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
#ifdef NET_MORTAL
		w->hot.vars++;
#else
		w->hot.vars_end--;
#endif
	}
}

/* ---- foreign cells ---------------------------------------------------------------------------------- */

void cells_free_foreign(struct worker *w, port p)
{
	/* of this batch: the next commit, seq + 1, will say that it is free */
	if (net_mutant(MUT_NET_FOREIGN_EARLY))
		cells_node(&w->hot, p)->a = w->peer[arena_home(w->arena, p)].away;
	w->notes->foreign[(w->seq + 1) & 1][w->foreigns++] = p & ~(port)PORT_HEAD_MASK;
}

void cells_begin(struct worker *w)
{
	for (uint64_t i = 0; i < w->now.foreign; i++) {
		const port p = w->notes->foreign[w->seq & 1][i];
		const uint32_t home = arena_home(w->arena, p | TAG_CON);
		struct arena_peer *peer = &w->peer[home];

		arena_node(w->arena, p)->a = peer->away;
		peer->away = p;
		w->peers_dirty = 2;
		if (++peer->away_count >= CELLS_CHAIN(w))
			w->away |= 1ull << home;
	}
	w->now.foreign = 0;
	set_marks(w);
}

void cells_send_home(struct worker *w)
{
	for (uint64_t left = w->away; left; left &= left - 1) {
		const uint32_t home = (uint32_t)__builtin_ctzll(left);
		struct arena_ring *ring = w->out[home].ring;
		struct arena_peer *peer = &w->peer[home];

		/* F4 acquire: pairs with F3; the last chain has been taken */
		if (atomic_load_explicit(&ring->chain_head, memory_order_acquire) != peer->chain_tail)
			continue;
		/* relaxed: nobody looks before chain_tail is shown, after the commit (F1) */
		atomic_store_explicit(&ring->chain, peer->away, memory_order_relaxed);
		peer->chain_tail++;
		if (net_mutant(MUT_NET_CHAIN_EARLY))
			atomic_store_explicit(&ring->chain_tail, peer->chain_tail, memory_order_release);
		peer->away = PORT_NONE;
		peer->away_count = 0;
		w->peers_dirty = 2;
		w->pending |= 1ull << home;
		w->away &= ~(1ull << home);
	}
}

/*
 * cells.c - where free cells come from when none are at hand, and where they go when there are too many.
 *
 * From: the own list, chains that other workers sent home, memory never used. The list and the chains run through the free
 * cells themselves, so that they take no memory.
 */
#include <errno.h>
#include <string.h>

#include "reducer/net/cells.h"

/* Between the marks: filled this far, drained this far. */
#define CELLS_FILL  (CELLS_FLOOR + 256)
#define CELLS_DRAIN 1024u
/* A chain is offered to its owner when it is this long. */
#define CELLS_CHAIN 128u

/* Any chain that came home, from a neighbour first. */
static port take_chain(struct worker *w)
{
	struct pair *first;
	port chain = w->part->node_chains;

	if (chain != PORT_NONE) {
		first = cells_node(&w->hot, chain);
		w->part->node_chains = first->b;
		return chain;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		struct arena_ring *ring = w->in[i].ring;

		/* F2 acquire: pairs with F1; the words that chain the cells are there */
		if (i == w->me || !(chain = atomic_load_explicit(&ring->chain, memory_order_acquire)))
			continue;
		/* F3 release: pairs with F4; we have it, the next one may be put there */
		atomic_store_explicit(&ring->chain, PORT_NONE, memory_order_release);
		return chain;
	}
	return PORT_NONE;
}

static int fill_nodes(struct worker *w, uint64_t want)
{
	struct arena_part *part = w->part;
	port *end = w->node_cache + want;

	while (w->hot.nodes < end) {
		uint64_t fresh = (uint64_t)(end - w->hot.nodes);

		if (part->node_list == PORT_NONE)
			part->node_list = take_chain(w);
		if (part->node_list != PORT_NONE) {
			port p = part->node_list;

			part->node_list = cells_node(&w->hot, p)->a;
			*w->hot.nodes++ = p;
			continue;
		}
		if (part->node_end - part->node_fresh < fresh) {
			uint64_t off = arena_nodes_off(w->arena, w->me);
			int64_t grown = arena_grow(w->arena, off, (part->node_end << 4) - off, fresh << 4,
						   arena_nodes_room(w->arena));

			if (grown < 0)
				return (int)grown;
			part->node_end = (off + (uint64_t)grown) >> 4;
		}
		part->node_fresh += fresh;
		for (uint64_t i = 1; i <= fresh; i++) /* the lowest on top */
			*w->hot.nodes++ = port_make(0, 0, part->node_fresh - i);
	}
	return 0;
}

static int fill_vars(struct worker *w, uint64_t want)
{
	struct arena_part *part = w->part;
	port *end = w->var_cache + want;

	while (w->hot.vars < end) {
		uint64_t fresh = (uint64_t)(end - w->hot.vars);

		if (part->var_list != PORT_NONE) {
			port p = part->var_list;

			part->var_list = *cells_var(&w->hot, p);
			*w->hot.vars++ = p;
			continue;
		}
		if (part->var_end - part->var_fresh < fresh) {
			uint64_t off = arena_vars_off(w->arena, w->me);
			int64_t grown = arena_grow(w->arena, off, (part->var_end << 3) - off, fresh << 3,
						   arena_vars_room(w->arena));

			if (grown < 0)
				return (int)grown;
			part->var_end = (off + (uint64_t)grown) >> 3;
		}
		part->var_fresh += fresh;
		for (uint64_t i = 1; i <= fresh; i++)
			*w->hot.vars++ = port_var(part->var_fresh - i);
	}
	return 0;
}

/* The oldest of the stack, which are the coldest, go to the list. */
static void drain_nodes(struct worker *w)
{
	for (uint32_t i = 0; i < CELLS_DRAIN; i++) {
		port p = w->node_cache[i];

		cells_node(&w->hot, p)->a = w->part->node_list;
		w->part->node_list = p;
	}
	w->hot.nodes -= CELLS_DRAIN;
	memmove(w->node_cache, w->node_cache + CELLS_DRAIN,
		(size_t)((char *)w->hot.nodes - (char *)w->node_cache));
}

void cells_spill_vars(struct worker *w)
{
	for (uint32_t i = 0; i < CELLS_DRAIN; i++) {
		port p = w->var_cache[i];

		*cells_var(&w->hot, p) = w->part->var_list;
		w->part->var_list = p;
	}
	w->hot.vars -= CELLS_DRAIN;
	memmove(w->var_cache, w->var_cache + CELLS_DRAIN,
		(size_t)((char *)w->hot.vars - (char *)w->var_cache));
}

int cells_tend(struct worker *w, uint64_t nodes, uint64_t vars)
{
	struct hot *h = &w->hot;
	int ret = 0;

	while (h->nodes > w->node_cache + ARENA_NODE_CACHE - CELLS_CEILING)
		drain_nodes(w);
	if (h->nodes < w->node_cache + CELLS_FLOOR + nodes)
		ret = fill_nodes(w, CELLS_FILL + nodes);
	if (h->vars < w->var_cache + CELLS_FLOOR + vars && ret == 0)
		ret = fill_vars(w, CELLS_FILL + vars);
	return ret;
}

void cells_free_foreign(struct worker *w, port p)
{
	const uint32_t home = arena_home(w->arena, p);
	struct arena_chain *away = &w->out[home].away;
	const port naked = p & ~(port)PORT_HEAD_MASK;

	arena_node(w->arena, naked)->a = away->head;
	away->head = naked;
	if (++away->count >= CELLS_CHAIN)
		w->away |= 1ull << home;
}

void cells_send_home(struct worker *w)
{
	for (uint64_t left = w->away; left; left &= left - 1) {
		const uint32_t home = (uint32_t)__builtin_ctzll(left);
		struct worker_out *out = &w->out[home];

		/* F4 acquire: pairs with F3; the last chain has been taken */
		if (atomic_load_explicit(&out->ring->chain, memory_order_acquire) != PORT_NONE)
			continue;
		arena_node(w->arena, out->away.head)->b = PORT_NONE;
		/* F1 release: pairs with F2; who takes the chain sees the words in it */
		atomic_store_explicit(&out->ring->chain, out->away.head, memory_order_release);
		out->away = (struct arena_chain){ PORT_NONE, 0 };
		w->away &= ~(1ull << home);
	}
}

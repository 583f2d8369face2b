/*
 * cells.h - take and free the cells of the own partition.
 *
 * Free cells at hand are a stack of naked ports, so that the youngest, which is warm, goes first. Fuel bounds what the
 * rules can take before the next tick (4 cells of each kind per interaction), and the tick fills and drains the stacks
 * such that neither end is met: taking and freeing a node is one load or store, without a test. Only expansion, which
 * may take many, and the freeing of variables, of which a chain may be long, look.
 *
 *	cache          FLOOR                                        cache + size - CEILING      cache + size
 *	|  for ARENA_TICK interactions  |  ...  nodes -> |  ...     |  freed in ARENA_TICK        |
 */
#ifndef REDUCER_NET_CELLS_H
#define REDUCER_NET_CELLS_H

#include "reducer/net/worker.h"

#define CELLS_FLOOR   (4 * ARENA_TICK)
#define CELLS_CEILING (3 * ARENA_TICK)
static_assert(CELLS_FLOOR + CELLS_CEILING < ARENA_NODE_CACHE, "room between the marks");
static_assert(CELLS_FLOOR + CELLS_CEILING < ARENA_VAR_CACHE, "room between the marks");

/*
 * cells_tend() - bring both stacks between their marks, with @nodes and @vars more than the floor.
 * Works on w->hot. Return: 0 or -errno: no memory.
 */
int cells_tend(struct worker *w, uint64_t nodes, uint64_t vars);

/* cells_send_home() - freed foreign cells: offer their chains to their owners. */
void cells_send_home(struct worker *w);

/* cells_free_foreign() - a cell of another partition that was consumed here. */
void cells_free_foreign(struct worker *w, port p);

/* cells_spill_vars() - the stack of variables is full. Works on w->hot. */
plx_cold void cells_spill_vars(struct worker *w);

hot_inline struct pair *cells_node(const struct hot *h, port p)
{
	/* the mask drops what a label leaves below the index */
	return (struct pair *)(h->base + ((p >> (PORT_INDEX_SHIFT - 4)) & ~15ull));
}

hot_inline port *cells_var(const struct hot *h, port p)
{
	return (port *)(h->base + (p >> (PORT_INDEX_SHIFT - 3)));
}

hot_inline bool cells_own_var(const struct worker *w, port p)
{
	return p - w->var_low < w->var_span;
}

hot_inline bool cells_own_node(const struct worker *w, port p)
{
	return p - w->node_low < w->node_span;
}

/*
 * A node cell as it is. Read one word at a time: what was freed one by one a moment ago cannot be forwarded from the
 * store buffer to a load of two, and a compiler makes those of a loop over this if it may (a fifth of all time).
 */
hot_inline port cells_take_node(struct hot *h)
{
	return __atomic_load_n(--h->nodes, __ATOMIC_RELAXED);
}

/* A node cell with its contents; add tag and label. Two loads, three stores. */
hot_inline port cells_new_node(struct hot *h, port a, port b)
{
	port p = cells_take_node(h);
	struct pair *cell = cells_node(h, p);

	cell->a = a;
	cell->b = b;
	return p;
}

/* Of this partition: foreign nodes are brought home first, see worker_foreign(). */
hot_inline void cells_free_node(struct hot *h, port p)
{
	*h->nodes++ = p & ~(port)PORT_HEAD_MASK;
}

/* An unbound variable. */
hot_inline port cells_new_var(struct hot *h)
{
	port p = __atomic_load_n(--h->vars, __ATOMIC_RELAXED);

	*cells_var(h, p) = PORT_NONE;
	return p;
}

hot_inline void cells_free_var(struct worker *w, struct hot *h, port p)
{
	*h->vars++ = p;
	if (plx_unlikely(h->vars == w->var_cache + ARENA_VAR_CACHE)) {
		w->hot = *h;
		cells_spill_vars(w);
		*h = w->hot;
	}
}

/* Every store into a variable of this partition. */
hot_inline void cells_set_var(struct hot *h, port p, port value)
{
	*cells_var(h, p) = value;
}

#endif

/*
 * cells.h - take and free the cells of the own partition.
 *
 * Free cells at hand are a queue of naked ports: taken at its head, freed to its end. So what was free at the last commit
 * stays as it was until the next one, cells and queue. A rule looks whether there is all it takes, up to the mark, and if
 * not the batch ends there (rules_have_room()); then taking and freeing is one load or store.
 *
 *	buffer  | taken | head ...  free at the last commit ...  mark | freed in this batch ... end |
 *
 * There are two such buffers. When the end of one comes near, what is free moves to the other one: the next commit
 * says so. A queue is kept short, for cells that come back soon are warm.
 */
#ifndef REDUCER_NET_CELLS_H
#define REDUCER_NET_CELLS_H

#include "reducer/net/batch.h"

/* Nodes that are freed, per interaction; and variables, about: there the end of the buffer is looked at. */
#define CELLS_FREES 4u

/*
 * cells_tend() - see that there is enough at hand, with @nodes and @vars more than usual, and not too much.
 *
 * Only at the beginning of a batch. What it finds may be taken after the next commit; w->recommit says that there has to
 * be one before the loop goes on. Works on w->hot. Return: 0 or -errno: no memory.
 */
int cells_tend(struct worker *w, uint64_t nodes, uint64_t vars);

/* cells_begin() - at the beginning of a batch: what may be taken; foreign cells that are free now are chained. */
void cells_begin(struct worker *w);

/* cells_send_home() - freed foreign cells: offer their chains to their owners. */
void cells_send_home(struct worker *w);

/* cells_free_foreign() - a cell of another partition that was consumed here. */
void cells_free_foreign(struct worker *w, port p);

/* cells_more_vars() - no room for another free variable: make some. Works on w->hot. */
plx_cold void cells_more_vars(struct worker *w);

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
	return __atomic_load_n(h->nodes++, __ATOMIC_RELAXED);
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
#ifdef NET_MORTAL
	*--h->nodes = p & ~(port)PORT_HEAD_MASK;
#else
	if (net_mutant(MUT_NET_REUSE_AT_ONCE))
		*--h->nodes = p & ~(port)PORT_HEAD_MASK;
	else
		*h->nodes_end++ = p & ~(port)PORT_HEAD_MASK;
#endif
}

/* An unbound variable. */
hot_inline port cells_new_var(struct hot *h)
{
	port p = __atomic_load_n(h->vars++, __ATOMIC_RELAXED);

	*cells_var(h, p) = PORT_NONE;
	return p;
}

hot_inline void cells_free_var(struct worker *w, struct hot *h, port p)
{
#ifdef NET_MORTAL
	*--h->vars = p;
	if (plx_unlikely(h->vars == w->var_limit)) {
#else
	*h->vars_end++ = p;
	if (plx_unlikely(h->vars_end == w->var_limit)) {
#endif
		w->hot = *h;
		cells_more_vars(w);
		*h = w->hot;
	}
}

/* Every store into a variable of this partition that joins it to something. */
hot_inline void cells_set_var(const struct worker *w, struct hot *h, port p, port value)
{
	if (net_mutant(MUT_NET_NOTE_LATE)) {
		*cells_var(h, p) = value;
		BATCH_ORDER();
	}
	batch_note_set(w, h, p);
	*cells_var(h, p) = value;
}

#endif

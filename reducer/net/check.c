/*
 * check.c - see check.h. A cell is free when it is found on a list of free cells, live otherwise; then all live cells are
 * looked through, and every port in them is an end of something that must be live.
 */
#include <errno.h>
#include <stdlib.h>

#include "reducer/net/check.h"
#include "reducer/net/link.h"
#include "reducer/net/owner.h"

#define FREE 0x80u /* in the notes about a cell; the rest counts the ends that lead to it */
#define ENDS 0x7fu

/* Notes about the cells of one partition, one byte each. */
struct notes {
	uint64_t node_first, nodes;
	uint64_t var_first, vars;
	uint8_t *node;
	uint8_t *var;
};

struct check {
	const struct arena *arena;
	struct notes notes[NET_WORKERS_MAX];
	const char *why;
};

static bool fail(struct check *c, const char *why)
{
	if (!c->why)
		c->why = why;
	return false;
}

static uint8_t *note_of(struct check *c, port p)
{
	const bool var = port_tag(p) == TAG_VAR;
	const uint64_t off = port_index(p) << (var ? 3 : 4);
	struct notes *n;
	uint64_t i;

	if (off < c->arena->cells || arena_home(c->arena, p) >= arena_open_parts(c->arena))
		return NULL;
	n = &c->notes[arena_home(c->arena, p)];
	i = port_index(p) - (var ? n->var_first : n->node_first);
	if (i >= (var ? n->vars : n->nodes))
		return NULL;
	return var ? &n->var[i] : &n->node[i];
}

/* Free cells are named by naked ports, which look like variables. */
static uint8_t *note_of_node(struct check *c, port naked)
{
	return note_of(c, naked | TAG_CON);
}

static bool set_free(struct check *c, uint8_t *note)
{
	if (!note)
		return fail(c, "a free cell lies outside its partition");
	if (*note & FREE)
		return fail(c, "a cell is free twice");
	*note |= FREE;
	return true;
}

static bool free_node_chain(struct check *c, port first)
{
	for (port p = first; p != PORT_NONE; p = arena_node(c->arena, p)->a)
		if (!set_free(c, note_of_node(c, p)))
			return false;
	return true;
}

/* Free cells at hand: bytes from the start of the notes. */
static bool free_queue(struct check *c, uint32_t i, uint64_t head, uint64_t tail, uint32_t tag)
{
	const uint64_t end = arena_buffer_off(c->arena, tag == TAG_CON ? ARENA_VARS_0 : ARENA_SET);

	if (head > tail || tail > end || ((head | tail) & 7))
		return fail(c, "free cells at hand lie where none can be");
	for (; head < tail; head += sizeof(port)) {
		const port p = *(const port *)((const char *)arena_notes(c->arena, i) + head);

		if (!set_free(c, note_of(c, p | tag)))
			return false;
		if (arena_home(c->arena, p | tag) != i)
			return fail(c, "a free cell of another partition is at hand");
	}
	return true;
}

static bool find_free_of(struct check *c, uint32_t i)
{
	const struct arena *arena = c->arena;
	const struct arena_record *record = arena_record(arena, i);
	const struct arena_notes *notes = arena_notes(arena, i);
	const uint64_t seq = atomic_load_explicit(&arena->parts[i].seq, memory_order_relaxed);
	const struct arena_peer *peers = arena_peers(arena, i, seq);

	if (!free_queue(c, i, record->node_head, record->node_tail, TAG_CON) ||
	    !free_queue(c, i, record->var_head, record->var_tail, TAG_VAR))
		return false;
	if (record->foreign > ARENA_FOREIGN)
		return fail(c, "more foreign cells were freed than can be");
	for (uint64_t k = 0; k < record->foreign; k++)
		if (!set_free(c, note_of_node(c, notes->foreign[seq & 1][k])))
			return false;
	for (port p = record->var_list; p != PORT_NONE; p = *arena_var(arena, p))
		if (!set_free(c, note_of(c, p)))
			return false;
	if (!free_node_chain(c, record->node_list))
		return false;
	for (uint32_t k = 0; k < arena_open_parts(arena); k++) {
		const struct arena_ring *ring = arena_ring(arena, i, k);

		if (!free_node_chain(c, peers[k].away))
			return false;
		/* offered and not yet taken */
		if (atomic_load_explicit(&ring->chain_head, memory_order_acquire) !=
			    atomic_load_explicit(&ring->chain_tail, memory_order_acquire) &&
		    !free_node_chain(c, atomic_load_explicit(&ring->chain, memory_order_relaxed)))
			return false;
	}
	return true;
}

static bool queues_are_empty(struct check *c)
{
	for (uint32_t i = 0; i < arena_open_parts(c->arena); i++) {
		const struct arena_record *part = arena_record(c->arena, i);

		if (part->redex_bottom != part->redex_top || part->laters != 0)
			return fail(c, "a redex is left in a queue");
		if (part->spilled != 0)
			return fail(c, "a message is left aside");
		for (uint32_t to = 0; to < arena_open_parts(c->arena); to++) {
			const struct arena_ring *ring = arena_ring(c->arena, i, to);

			if (atomic_load_explicit(&ring->head, memory_order_relaxed) !=
			    atomic_load_explicit(&ring->tail, memory_order_relaxed))
				return fail(c, "a message is left in a ring");
		}
	}
	return true;
}

/* One end of a wire: what it leads to must be there. */
static bool add_end(struct check *c, port p)
{
	uint8_t *note;

	switch (port_tag(p)) {
	case TAG_REF:
		return port_index(p) < arena_book(c->arena)->defs ||
		       fail(c, "a reference to a definition that is not in the book");
	case TAG_ERA:
	case TAG_NUM: return true;
	case TAG_VAR:
	case TAG_CON:
	case TAG_DUP:
	case TAG_OPR:
	case TAG_SWI: break;
	default: return fail(c, "a port of no known kind");
	}
	note = note_of(c, p);
	if (!note)
		return fail(c, "a port leads outside all partitions");
	if (*note & FREE)
		return fail(c, "a port leads to a free cell");
	if ((*note & ENDS) == 2)
		return fail(c, "a cell has more ends than two");
	++*note;
	return true;
}

static bool add_ends(struct check *c, uint32_t i)
{
	const struct notes *n = &c->notes[i];

	for (uint64_t k = 0; k < n->nodes; k++) {
		const struct pair cell = *arena_node(c->arena, port_make(0, 0, n->node_first + k));

		if (!(n->node[k] & FREE) && (!add_end(c, cell.a) || !add_end(c, cell.b)))
			return false;
	}
	for (uint64_t k = 0; k < n->vars; k++) {
		const port value = *arena_var(c->arena, port_var(n->var_first + k));

		if (!(n->var[k] & FREE) && link_is_bound(value) && !add_end(c, value))
			return false;
	}
	return true;
}

static bool count_ends(struct check *c, uint32_t i)
{
	const struct notes *n = &c->notes[i];

	for (uint64_t k = 0; k < n->nodes; k++)
		if (!(n->node[k] & FREE) && n->node[k] != 1)
			return fail(c, n->node[k] ? "a node hangs on two wires"
						  : "a live node hangs on nothing");
	for (uint64_t k = 0; k < n->vars; k++) {
		const port value = *arena_var(c->arena, port_var(n->var_first + k));

		if (!(n->var[k] & FREE) && n->var[k] != (link_is_bound(value) ? 1 : 2))
			return fail(c, value == PORT_NONE ? "an unbound variable has not two ends"
							  : "a bound variable has not one end");
	}
	return true;
}

static bool make_notes(struct check *c)
{
	for (uint32_t i = 0; i < arena_open_parts(c->arena); i++) {
		const struct arena_record *part = arena_record(c->arena, i);
		struct notes *n = &c->notes[i];

		n->node_first = arena_nodes_off(c->arena, i) >> 4;
		n->var_first = arena_vars_off(c->arena, i) >> 3;
		n->nodes = part->node_fresh - n->node_first;
		n->vars = part->var_fresh - n->var_first;
		if (n->nodes > arena_nodes_room(c->arena) >> 4 || n->vars > arena_vars_room(c->arena) >> 3)
			return fail(c, "a partition says it has more cells than fit");
		n->node = calloc(1, n->nodes + 1);
		n->var = calloc(1, n->vars + 1);
		if (!n->node || !n->var)
			return false;
	}
	return true;
}

static bool check_all(struct check *c, bool done)
{
	for (uint32_t i = 0; i < arena_open_parts(c->arena); i++)
		if (!find_free_of(c, i))
			return false;
	if (!done)
		return true;
	if (!queues_are_empty(c))
		return false;
	if (!add_end(c, c->arena->control->root)) /* the end that is ours */
		return false;
	for (uint32_t i = 0; i < arena_open_parts(c->arena); i++)
		if (!add_ends(c, i))
			return false;
	for (uint32_t i = 0; i < arena_open_parts(c->arena); i++)
		if (!count_ends(c, i))
			return false;
	return true;
}

int check_arena(const struct arena *arena, bool done, const char **why)
{
	struct check *c = calloc(1, sizeof(*c));
	bool good;

	if (!c)
		return -ENOMEM;
	c->arena = arena;
	good = owner_check(arena, &c->why) == 0 && make_notes(c) && check_all(c, done);
	*why = c->why;
	for (uint32_t i = 0; i < arena_open_parts(arena); i++) {
		free(c->notes[i].node);
		free(c->notes[i].var);
	}
	free(c);
	return good ? 0 : *why ? -EBADMSG : -ENOMEM;
}

/*
 * load.c - see load.h.
 *
 *	file  | part 0 | part 1 | part 2 | part 3 |          cell k of part i goes behind what of parts i - M, i - 2M ... there is,
 *	          |        |        |        |               and each port to it changes by as much
 *	arena | parts 0, 2      | parts 1, 3      |
 *
 * Which cells are free is found out first, as check.c does, and they are chained anew; the others are copied with their
 * ports changed. Messages that were on their way are links that have not been made: they are made here, as link.h does it,
 * with everything in reach. Nothing is believed: a port that leads outside, or to a free cell, makes the file worthless.
 */
#include "reducer/net/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/inject.h"
#include "reducer/net/link.h"
#include "reducer/net/mutant.h"
#include "reducer/net/queue.h"
#include "reducer/net/save.h"

/* A partition of the file. */
struct old {
	struct saved_part count;
	const struct pair *node, *redex, *message;
	const port *var, *free_node, *free_var, *node_chain, *var_chain;
	uint64_t node_first, var_first; /* what its first cells were called */
	uint8_t *node_free, *var_free;  /* one byte for each */
	uint64_t node_at, var_at;       /* what its first cells are called now */
	uint32_t part;                  /* where it goes */
};

struct loading {
	const struct load *load;
	struct arena *arena;
	struct old *old;
	struct arena_record *record; /* one for each new partition */
	uint64_t interactions;       /* done here: links that leave nothing */
	uint64_t hops; /* from wire to wire, that may still be made: as many as there are variables */
	const char *why;
};

static int damaged(struct loading *l, const char *why)
{
	if (!l->why)
		l->why = why;
	return -EBADMSG;
}

/* ---- where things are in it --------------------------------------------------------------------------- */

/* @count things of @each bytes at *@at, which moves on; NULL when there is not so much. */
static const void *take(uint64_t *at, uint64_t count, uint64_t each, const struct load *load)
{
	const char *here = load->file + *at;

	if (count > (load->size - *at) / each)
		return NULL;
	*at += count * each;
	return here;
}

static int find_part(struct loading *l, uint64_t *at, uint32_t i)
{
	const struct saved_head *h = &l->load->head;
	const uint64_t begin = h->cells + ((uint64_t)i << h->stride_shift);
	struct old *old = &l->old[i];
	const struct saved_part *count = take(at, 1, sizeof(*count), l->load);

	if (!count)
		return damaged(l, "it ends too early");
	old->count = *count;
	old->node_first = begin >> 4;
	old->var_first = (begin + (1ull << (h->stride_shift - 1))) >> 3;
	old->part = i % arena_open_parts(l->arena);
	old->node = take(at, count->nodes, sizeof(struct pair), l->load);
	old->var = take(at, count->vars, sizeof(port), l->load);
	old->redex = take(at, count->redexes, sizeof(struct pair), l->load);
	old->message = take(at, count->messages, sizeof(struct pair), l->load);
	old->free_node = take(at, count->free_nodes, sizeof(port), l->load);
	old->free_var = take(at, count->free_vars, sizeof(port), l->load);
	old->node_chain = take(at, count->node_chains, sizeof(port), l->load);
	old->var_chain = take(at, count->var_chains, sizeof(port), l->load);
	if (!old->node || !old->var || !old->redex || !old->message || !old->free_node || !old->free_var ||
	    !old->node_chain || !old->var_chain || count->nodes > 1ull << (h->stride_shift - 5) ||
	    count->vars > 1ull << (h->stride_shift - 5))
		return damaged(l, "it ends too early");
	old->node_free = calloc(1, count->nodes + 1);
	old->var_free = calloc(1, count->vars + 1);
	return old->node_free && old->var_free ? 0 : -ENOMEM;
}

static int find_parts(struct loading *l)
{
	uint64_t at = sizeof(l->load->head) + l->load->head.book_size;
	int ret = 0;

	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++)
		ret = find_part(l, &at, i);
	if (ret == 0 && at != l->load->size)
		ret = damaged(l, "there is more in it than it says");
	return ret;
}

/* The partition of the file in which a variable or a node lies, and which cell of it; NULL when there is none. */
static struct old *home_of(const struct loading *l, port p, bool is_var, uint64_t *cell)
{
	const struct saved_head *h = &l->load->head;
	const uint64_t off = port_index(p) << (is_var ? 3 : 4);
	const uint64_t i = (off - h->cells) >> h->stride_shift;
	struct old *old;

	if (off < h->cells || i >= h->parts)
		return NULL;
	old = &l->old[i];
	*cell = port_index(p) - (is_var ? old->var_first : old->node_first);
	return *cell < (is_var ? old->count.vars : old->count.nodes) ? old : NULL;
}

/* ---- what is free in it ------------------------------------------------------------------------------- */

static uint8_t *note_of(const struct loading *l, port p, bool is_var, port *next)
{
	uint64_t cell;
	struct old *old = home_of(l, p, is_var, &cell);

	if (!old)
		return NULL;
	*next = is_var ? old->var[cell] : old->node[cell].a;
	return is_var ? &old->var_free[cell] : &old->node_free[cell];
}

static int set_free(struct loading *l, port p, bool is_var, port *next)
{
	uint8_t *note = note_of(l, p, is_var, next);

	if (!note)
		return damaged(l, "a free cell in it lies outside");
	if (*note)
		return damaged(l, "a cell in it is free twice");
	*note = 1;
	return 0;
}

static int set_list_free(struct loading *l, const port *list, uint64_t count, bool is_var)
{
	port next;
	int ret = 0;

	for (uint64_t i = 0; i < count && ret == 0; i++)
		ret = set_free(l, list[i], is_var, &next);
	return ret;
}

static int set_chains_free(struct loading *l, const port *first, uint64_t count, bool is_var)
{
	int ret = 0;

	for (uint64_t i = 0; i < count; i++)
		for (port p = first[i], next; p != PORT_NONE && ret == 0; p = next)
			ret = set_free(l, p, is_var, &next);
	return ret;
}

static int find_free(struct loading *l)
{
	int ret = 0;

	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++) {
		const struct old *old = &l->old[i];

		ret = set_list_free(l, old->free_node, old->count.free_nodes, false);
		if (ret == 0)
			ret = set_list_free(l, old->free_var, old->count.free_vars, true);
		if (ret == 0)
			ret = set_chains_free(l, old->node_chain, old->count.node_chains, false);
		if (ret == 0)
			ret = set_chains_free(l, old->var_chain, old->count.var_chains, true);
	}
	return ret;
}

/* ---- room in the arena -------------------------------------------------------------------------------- */

/* Memory for @cells of @each bytes at @off, of which @end have it. Return: bytes with memory, or -errno. */
static int64_t make_room(struct loading *l, uint32_t part, uint64_t off, uint64_t end, uint64_t bytes,
			 uint64_t room)
{
	return bytes <= end ? (int64_t)end : arena_grow(l->arena, part, off, end, bytes - end, room);
}

static int make_place(struct loading *l, struct old *old)
{
	struct arena *arena = l->arena;
	struct arena_record *r = &l->record[old->part];
	const uint64_t nodes = arena_nodes_off(arena, old->part), vars = arena_vars_off(arena, old->part);
	int64_t ret;

	l->hops += old->count.vars;
	old->node_at = r->node_fresh;
	old->var_at = r->var_fresh;
	r->node_fresh += old->count.nodes;
	r->var_fresh += old->count.vars;
	ret = make_room(l, old->part, nodes, (r->node_end << 4) - nodes, (r->node_fresh << 4) - nodes,
			arena_nodes_room(arena));
	if (ret < 0)
		return (int)ret;
	r->node_end = (nodes + (uint64_t)ret) >> 4;
	ret = make_room(l, old->part, vars, (r->var_end << 3) - vars, (r->var_fresh << 3) - vars,
			arena_vars_room(arena));
	if (ret < 0)
		return (int)ret;
	r->var_end = (vars + (uint64_t)ret) >> 3;
	/* a message is a redex at most */
	r->redex_bottom += old->count.redexes + old->count.messages; /* counts, for a moment */
	ret = make_room(l, old->part, arena_redexes_off(arena, old->part), r->redex_end * sizeof(struct pair),
			(r->redex_bottom + QUEUE_SLACK) * sizeof(struct pair), arena_redexes_room(arena));
	if (ret < 0)
		return (int)ret;
	r->redex_end = (uint64_t)ret / sizeof(struct pair);
	return 0;
}

static int make_places(struct loading *l)
{
	int ret = 0;

	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++)
		ret = make_place(l, &l->old[i]);
	for (uint32_t i = 0; i < arena_open_parts(l->arena); i++)
		l->record[i].redex_bottom = 0;
	return ret < 0 ? -ENOMEM : 0;
}

/* ---- moving in ---------------------------------------------------------------------------------------- */

/* What a port of the file is called here. */
static int translate(struct loading *l, port p, port *here)
{
	const bool is_var = port_tag(p) == TAG_VAR;
	const struct old *old;
	uint64_t cell;

	*here = p;
	switch (port_tag(p)) {
	case TAG_REF:
		return port_index(p) < l->load->book->defs ? 0
							   : damaged(l, "a reference in it is to nothing");
	case TAG_ERA:
	case TAG_NUM: return 0;
	case TAG_VAR:
	case TAG_CON:
	case TAG_DUP:
	case TAG_OPR:
	case TAG_SWI: break;
	default: return damaged(l, "there is a port of no known kind in it");
	}
	old = home_of(l, p, is_var, &cell);
	if (!old)
		return damaged(l, "a port in it leads outside");
	if (is_var ? old->var_free[cell] : old->node_free[cell])
		return damaged(l, "a port in it leads to a free cell");
	*here = port_head(p) | (cell + (is_var ? old->var_at : old->node_at)) << PORT_INDEX_SHIFT;
	return 0;
}

static int translate_pair(struct loading *l, const struct pair *p, struct pair *here)
{
	const int ret = translate(l, p->a, &here->a);

	return ret < 0 ? ret : translate(l, p->b, &here->b);
}

static void free_var(struct loading *l, uint32_t part, port p)
{
	*arena_var(l->arena, p) = l->record[part].var_list;
	l->record[part].var_list = p;
}

static int move_nodes(struct loading *l, const struct old *old)
{
	struct arena_record *r = &l->record[old->part];
	int ret = 0;

	for (uint64_t k = 0; k < old->count.nodes && ret == 0; k++) {
		const port p = port_make(0, 0, old->node_at + k);
		struct pair *cell = arena_node(l->arena, p);

		if (old->node_free[k]) {
			cell->a = r->node_list;
			r->node_list = p;
		} else {
			ret = translate_pair(l, &old->node[k], cell);
		}
	}
	return ret;
}

static int move_vars(struct loading *l, const struct old *old)
{
	int ret = 0;

	for (uint64_t k = 0; k < old->count.vars && ret == 0; k++) {
		const port p = port_var(old->var_at + k);

		if (old->var_free[k])
			free_var(l, old->part, p);
		else if (link_is_bound(old->var[k]))
			ret = translate(l, old->var[k], arena_var(l->arena, p));
		else
			*arena_var(l->arena, p) = PORT_NONE;
	}
	return ret;
}

static void push(struct loading *l, uint32_t part, struct pair redex)
{
	struct pair *stack = (struct pair *)(l->arena->base + arena_redexes_off(l->arena, part));

	stack[l->record[part].redex_top++] = redex;
}

static int move_redexes(struct loading *l, const struct old *old)
{
	struct pair here;
	int ret = 0;

	for (uint64_t k = 0; k < old->count.redexes && ret == 0; k++) {
		ret = translate_pair(l, &old->redex[k], &here);
		if (ret == 0)
			push(l, old->part, here);
	}
	return ret;
}

/* As link_ports(): two ends become one wire. */
static int link_here(struct loading *l, uint32_t part, port a, port b)
{
	for (;;) {
		port swap = a;

		if (port_tag(a) == TAG_VAR) {
			const port value = *arena_var(l->arena, a);

			if (value == PORT_NONE && a != b) {
				*arena_var(l->arena, a) = b;
				return 0;
			}
			if (l->hops-- == 0)
				return damaged(l, "wires in it lead in a circle");
			free_var(l, arena_home(l->arena, a), a);
			if (value == PORT_NONE)
				return 0; /* a wire that leads nowhere */
			a = value;
			continue;
		}
		if (port_tag(b) != TAG_VAR)
			break;
		a = b;
		b = swap;
	}
	if ((a | b) & LINK_NODE_BITS)
		push(l, part, (struct pair){ a, b });
	else if (!net_mutant(MUT_NET_LOAD_VOID))
		l->interactions++; /* VOID */
	return 0;
}

static int make_links(struct loading *l, const struct old *old)
{
	struct pair here;
	int ret = 0;

	for (uint64_t k = 0; k < old->count.messages && ret == 0; k++) {
		const struct pair *m = &old->message[k];

		ret = translate(l, m->a, &here.a);
		if (ret == 0 && m->b == PORT_GONE) {
			if (port_tag(m->a) != TAG_VAR)
				return damaged(l, "a message in it makes no sense");
			free_var(l, arena_home(l->arena, here.a), here.a);
			continue;
		}
		if (ret == 0)
			ret = translate(l, m->b, &here.b);
		if (ret == 0)
			ret = link_here(l, old->part, here.a, here.b);
	}
	return ret;
}

static int move_all(struct loading *l)
{
	int ret = 0;

	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++) {
		ret = move_nodes(l, &l->old[i]);
		if (ret == 0)
			ret = move_vars(l, &l->old[i]);
	}
	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++)
		ret = move_redexes(l, &l->old[i]);
	for (uint32_t i = 0; i < l->load->head.parts && ret == 0; i++)
		ret = make_links(l, &l->old[i]);
	if (ret == 0)
		ret = translate(l, l->load->head.root, &l->arena->control->root);
	if (ret == 0 && port_tag(l->arena->control->root) != TAG_VAR)
		ret = damaged(l, "its root is none");
	return ret;
}

/* ---- the workers' side --------------------------------------------------------------------------------- */

/* What a worker finds that was killed right after a commit, with all orders carried out. */
static void set_stage(const struct loading *l)
{
	struct arena_control *control = l->arena->control;
	const uint32_t orders = l->load->head.orders;

	/* relaxed: nobody has been started yet */
	atomic_store_explicit(&control->first, 1, memory_order_relaxed);
	atomic_store_explicit(&control->job, orders, memory_order_relaxed);
	l->record[0].interactions = l->load->head.interactions + l->interactions;
	l->record[0].received = orders;
	for (uint32_t i = 0; i < arena_open_parts(l->arena); i++) {
		struct arena_line *line = &l->arena->lines[i];

		l->record[i].job = orders;
		l->arena->parts[i].record[0] = l->arena->parts[i].record[1] = l->record[i];
		atomic_store_explicit(&line->state, 1u << ARENA_STATE_BITS | ARENA_BUSY,
				      memory_order_relaxed);
		atomic_store_explicit(&line->interactions, l->record[i].interactions, memory_order_relaxed);
	}
}

int load_arena(const struct load *load, struct arena *arena, const char **why)
{
	struct loading l = { .load = load, .arena = arena };
	int ret;

	l.old = calloc(load->head.parts, sizeof(*l.old));
	l.record = calloc(arena_open_parts(arena), sizeof(*l.record));
	ret = l.old && l.record ? 0 : -ENOMEM;
	for (uint32_t i = 0; i < arena_open_parts(arena) && ret == 0; i++)
		l.record[i] = *arena_record(arena, i);
	if (ret == 0)
		ret = find_parts(&l);
	if (ret == 0)
		ret = find_free(&l);
	if (ret == 0)
		ret = make_places(&l);
	if (ret == 0)
		ret = move_all(&l);
	if (ret == 0)
		set_stage(&l);
	for (uint32_t i = 0; l.old && i < load->head.parts; i++) {
		free(l.old[i].node_free);
		free(l.old[i].var_free);
	}
	free(l.old);
	free(l.record);
	*why = l.why;
	return ret;
}

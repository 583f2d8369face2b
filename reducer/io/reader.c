/* reader.c - see reader.h. */
#include "reducer/io/reader.h"

#include <errno.h>
#include <stdlib.h>

#include "reducer/net/link.h"

static struct pair cell_of(const struct reader *r, struct spot at)
{
	if (at.def)
		return book_pairs(r->source.book)[at.def->first_node + port_index(at.p)];
	return r->source.node(r->source.net, at.p);
}

static struct spot beside(struct spot at, port p)
{
	return (struct spot){ p, at.def };
}

static void gone(struct reader *r, struct spot at)
{
	if (!at.def)
		draft_gone(r->draft, at.p);
}

/* Bound variables lead on, and are of no use any more. */
static struct spot follow(struct reader *r, struct spot at)
{
	while (!at.def && port_tag(at.p) == TAG_VAR) {
		const port value = r->source.var(r->source.net, at.p);

		if (value == PORT_NONE)
			break;
		gone(r, at);
		at.p = value;
	}
	return at;
}

void reader_start(struct reader *r)
{
	net_source(r->net, &r->source);
	draft_clear(r->draft);
	r->calls = 0;
}

void reader_free(struct reader *r)
{
	free(r->called);
	r->called = NULL;
	r->room = 0;
}

/* Calls the reference in the net; what comes of it hangs on the root. */
static int call(struct reader *r, port ref, port *root)
{
	int ret;

	if (r->calls == r->room) {
		const uint32_t room = r->room ? 2 * r->room : 16;
		port *moved = reallocarray(r->called, room, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		r->called = moved;
		r->room = room;
	}
	ret = r->call(r->arg, ref);
	if (ret < 0)
		return ret;
	net_source(r->net, &r->source);
	*root = r->called[r->calls++] = net_root(r->net);
	return 0;
}

/* What they became since there were @calls is nobody's. */
static void drop_called(struct reader *r, uint32_t calls)
{
	while (r->calls > calls)
		reader_drop(r, (struct spot){ r->called[--r->calls], NULL });
}

void reader_undo(struct reader *r)
{
	r->draft->gone = 0;
	drop_called(r, 0);
}

/* A definition becomes what it stands for: read in the book when it is a tree, called otherwise. */
static struct spot look_through(struct reader *r, port ref)
{
	const struct book_def *def = book_def(r->source.book, (uint32_t)port_index(ref));
	port root = PORT_ERA;

	if (def->redexes == 0 && (!r->whole || def->vars == 0)) {
		r->counted++;
		return (struct spot){ def->root, def };
	}
	r->error = call(r, ref, &root);
	return (struct spot){ root, NULL };
}

struct spot reader_enter(struct reader *r, struct spot at)
{
	/* a definition that is a reference to itself never ends, as it does not in HVM2: but here we can tell */
	uint32_t left = r->source.book->defs;

	at = follow(r, at);
	while (port_tag(at.p) == TAG_REF && r->error == 0 && left-- > 0)
		at = follow(r, look_through(r, at.p));
	return at;
}

static bool same_var(struct spot a, struct spot b)
{
	return port_tag(a.p) == TAG_VAR && a.p == b.p && a.def == b.def;
}

bool reader_ctr(struct reader *r, struct spot at, struct reader_ctr *ctr)
{
	const uint64_t mark = r->draft->gone;
	const uint32_t calls = r->calls;
	struct spot lam = reader_enter(r, at), app, rest;
	struct pair cell, inner;
	port tag;

	*ctr = (struct reader_ctr){ 0 };
	if (port_tag(lam.p) != TAG_CON)
		goto none;
	cell = cell_of(r, lam);
	app = reader_enter(r, beside(lam, cell.a));
	if (port_tag(app.p) != TAG_CON)
		goto none;
	inner = cell_of(r, app);
	if (!reader_number(r, beside(app, inner.a), &tag))
		goto none;
	gone(r, lam);
	gone(r, app);
	rest = reader_enter(r, beside(app, inner.b));
	while (port_tag(rest.p) == TAG_CON && ctr->count < READER_FIELDS) {
		inner = cell_of(r, rest);
		ctr->field[ctr->count++] = beside(rest, inner.a);
		gone(r, rest);
		rest = reader_enter(r, beside(rest, inner.b));
	}
	if (!same_var(rest, follow(r, beside(lam, cell.b))))
		goto none;
	gone(r, rest);
	ctr->tag = num_payload(tag);
	return r->error == 0;

none:
	/* it stays as it was, references and all: what they became is nobody's */
	r->draft->gone = mark;
	drop_called(r, calls);
	return false;
}

uint32_t reader_tuple(struct reader *r, struct spot at, struct spot *field, uint32_t count)
{
	uint32_t n = 0;

	for (; n + 1 < count; n++) {
		struct pair cell;

		at = reader_enter(r, at);
		if (port_tag(at.p) != TAG_CON)
			break;
		cell = cell_of(r, at);
		gone(r, at);
		field[n] = beside(at, cell.a);
		at = beside(at, cell.b);
	}
	field[n++] = at;
	return n;
}

bool reader_number(struct reader *r, struct spot at, port *value)
{
	at = reader_enter(r, at);
	*value = at.p;
	return port_tag(at.p) == TAG_NUM;
}

int reader_bytes(struct reader *r, struct spot at, unsigned char **bytes, size_t *count)
{
	unsigned char *buffer = malloc(64), *moved;
	size_t used = 0, room = 64;
	struct reader_ctr cell;
	port value;

	for (; buffer && r->error == 0 && !r->draft->failed; at = cell.field[1]) {
		if (!reader_ctr(r, at, &cell)) {
			reader_drop(r, at);
			break;
		}
		if (cell.tag == DRAFT_NIL && cell.count == 0) {
			buffer[used] = '\0';
			*bytes = buffer;
			*count = used;
			return 0;
		}
		if (cell.tag != DRAFT_CONS || cell.count != 2 || !reader_number(r, cell.field[0], &value)) {
			for (uint32_t i = 0; i < cell.count; i++)
				reader_drop(r, cell.field[i]);
			break;
		}
		if (used + 1 == room) {
			room *= 2;
			moved = realloc(buffer, room);
			if (!moved) {
				free(buffer);
				return -ENOMEM;
			}
			buffer = moved;
		}
		buffer[used++] = (unsigned char)num_payload(value);
	}
	free(buffer);
	return r->error ? r->error : !buffer || r->draft->failed ? -ENOMEM : -EINVAL;
}

void reader_count(struct reader *r, struct spot at)
{
	const uint64_t mark = r->draft->gone;
	uint32_t left = r->source.book->defs;

	at = follow(r, at);
	while (port_tag(at.p) == TAG_REF && left-- > 0) {
		const struct book_def *def = book_def(r->source.book, (uint32_t)port_index(at.p));

		if (def->redexes > 0)
			break;
		r->counted++;
		at = (struct spot){ def->root, def };
	}
	r->draft->gone = mark;
}

/* A growing heap of spots still to be dropped, and of free variables met once. */
struct heap {
	struct spot *spot;
	uint64_t count, room;
};

static bool heap_put(struct reader *r, struct heap *heap, struct spot at)
{
	if (heap->count == heap->room) {
		const uint64_t room = heap->room ? 2 * heap->room : 64;
		struct spot *moved = reallocarray(heap->spot, room, sizeof(*moved));

		if (!moved) {
			r->error = -ENOMEM;
			return false;
		}
		heap->spot = moved;
		heap->room = room;
	}
	heap->spot[heap->count++] = at;
	return true;
}

static int by_port(const void *a, const void *b)
{
	const port x = ((const struct spot *)a)->p, y = ((const struct spot *)b)->p;

	return (x > y) - (x < y);
}

void reader_drop(struct reader *r, struct spot at)
{
	struct heap todo = { 0 }, wires = { 0 };
	uint64_t left = r->source.nodes_max;

	heap_put(r, &todo, at);
	while (todo.count > 0 && r->error == 0) {
		at = follow(r, todo.spot[--todo.count]);
		if (at.def)
			continue; /* of the book, and of nobody */
		if (port_tag(at.p) == TAG_VAR) {
			heap_put(r, &wires, at);
		} else if (port_is_node(at.p) && left-- > 0) {
			const struct pair cell = cell_of(r, at);

			gone(r, at);
			if (heap_put(r, &todo, beside(at, cell.b)))
				heap_put(r, &todo, beside(at, cell.a));
		}
	}
	/* a wire with both ends in what was dropped is gone; the other end of any other one gets an eraser */
	if (wires.count > 0)
		qsort(wires.spot, wires.count, sizeof(*wires.spot), by_port);
	for (uint64_t i = 0; i < wires.count; i++) {
		if (i + 1 < wires.count && wires.spot[i].p == wires.spot[i + 1].p)
			gone(r, wires.spot[i++]);
		else
			draft_link(r->draft, wires.spot[i].p, PORT_ERA);
	}
	free(todo.spot);
	free(wires.spot);
}

/* inject.c - see inject.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/inject.h"
#include "reducer/net/link.h"
#include "reducer/net/mail.h"
#include "reducer/net/queue.h"

/* So many cells are taken or freed between two looks at the stacks of free ones. */
#define INJECT_STEP 128u
static_assert(INJECT_STEP <= CELLS_FLOOR && INJECT_STEP <= CELLS_CEILING, "the stacks bear a step");

uint64_t inject_bytes(const struct piece *piece)
{
	return sizeof(struct inject_tray) + (piece->nodes + piece->redexes) * sizeof(struct pair) +
	       piece->gone * sizeof(port);
}

void inject_write(void *to, const struct piece *piece)
{
	struct inject_tray *tray = to;

	*tray = (struct inject_tray){
		.vars = piece->vars,
		.nodes = piece->nodes,
		.redexes = piece->redexes,
		.gone = piece->gone,
		.held = piece->held,
	};
	if (piece->nodes)
		memcpy(tray->pair, piece->node, piece->nodes * sizeof(struct pair));
	if (piece->redexes)
		memcpy(tray->pair + piece->nodes, piece->redex, piece->redexes * sizeof(struct pair));
	if (piece->gone)
		memcpy(tray->pair + piece->nodes + piece->redexes, piece->dead, piece->gone * sizeof(port));
}

/* Where the cells of the piece went. */
struct places {
	port *node;
	port *var;
};

static port place(const struct places *places, port p)
{
	if (!(p & PIECE_LOCAL))
		return p;
	p &= ~PIECE_LOCAL;
	return port_tag(p) == TAG_VAR ? places->var[port_index(p)]
				      : places->node[port_index(p)] | port_head(p);
}

static int take_cells(struct worker *w, const struct inject_tray *tray, struct places *places)
{
	int ret = 0;

	for (uint64_t i = 0; i < tray->vars && ret == 0; i++) {
		if (i % INJECT_STEP == 0)
			ret = cells_tend(w, 0, 0);
		if (ret == 0)
			places->var[i] = cells_new_var(&w->hot);
	}
	for (uint64_t i = 0; i < tray->nodes && ret == 0; i++) {
		if (i % INJECT_STEP == 0)
			ret = cells_tend(w, 0, 0);
		if (ret == 0)
			places->node[i] = cells_take_node(&w->hot);
	}
	for (uint64_t i = 0; i < tray->nodes && ret == 0; i++)
		*cells_node(&w->hot, places->node[i]) = (struct pair){ place(places, tray->pair[i].a),
								       place(places, tray->pair[i].b) };
	return ret;
}

static int bury(struct worker *w, const port *dead, uint64_t count)
{
	int ret = 0;

	for (uint64_t i = 0; i < count && ret == 0; i++) {
		const port p = dead[i];

		if (port_tag(p) == TAG_VAR && cells_own_var(w, p))
			cells_free_var(w, &w->hot, p);
		else if (port_tag(p) == TAG_VAR)
			mail_send(w, arena_home(w->arena, p), p, PORT_GONE);
		else if (cells_own_node(w, p))
			cells_free_node(&w->hot, p);
		else
			cells_free_foreign(w, p);
		if (i % INJECT_STEP == 0)
			ret = cells_tend(w, 0, 0);
	}
	return ret;
}

void inject_piece(struct worker *w)
{
	struct arena_control *control = w->arena->control;
	const struct inject_tray *tray = (const struct inject_tray *)(w->arena->base + control->tray);
	const struct pair *redex = tray->pair + tray->nodes;
	struct places places = { malloc((tray->nodes + 1) * sizeof(port)),
				 malloc((tray->vars + 1) * sizeof(port)) };
	int ret = places.node && places.var ? take_cells(w, tray, &places) : -ENOMEM;

	w->mixed = w->n > 1; /* the piece may lead anywhere */
	if (ret == 0) {
		control->root = places.var[0];
		for (uint64_t i = 0; i < tray->held; i++)
			control->held[i] = places.var[1 + i];
		ret = bury(w, (const port *)(redex + tray->redexes), tray->gone);
	}
	for (uint64_t i = 0; i < tray->redexes && ret == 0; i++) {
		const port a = place(&places, redex[i].a), b = place(&places, redex[i].b);

		ret = queue_room(w, 1);
		if (ret == 0 && port_tag(a) == TAG_REF && port_tag(b) == TAG_VAR)
			*w->hot.top++ = (struct pair){ a, b }; /* a call, not just a wire */
		else if (ret == 0)
			link_later(w, &w->hot, a, b, true);
	}
	free(places.node);
	free(places.var);
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
}

/* inject.c - see inject.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/inject.h"
#include "reducer/net/link.h"
#include "reducer/net/mail.h"
#include "reducer/net/queue.h"

/* So many cells are freed between two commits. */
#define INJECT_STEP 128u
static_assert(INJECT_STEP <= ARENA_FOREIGN, "that many may be others'");

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

/* A commit, and then so much at hand. */
static int make_room(struct worker *w, uint64_t nodes, uint64_t vars, uint64_t redexes)
{
	int ret;

	batch_commit(w);
	w->want.redexes = redexes;
	ret = cells_tend(w, nodes, vars);
	if (ret == 0)
		ret = queue_room(w, redexes);
	w->want.redexes = 0;
	if (ret == 0)
		batch_commit(w);
	return ret;
}

static void take_cells(struct worker *w, const struct inject_tray *tray, struct places *places)
{
	for (uint64_t i = 0; i < tray->vars; i++)
		places->var[i] = cells_new_var(&w->hot);
	for (uint64_t i = 0; i < tray->nodes; i++)
		places->node[i] = cells_take_node(&w->hot);
	for (uint64_t i = 0; i < tray->nodes; i++)
		*cells_node(&w->hot, places->node[i]) = (struct pair){ place(places, tray->pair[i].a),
								       place(places, tray->pair[i].b) };
}

/* Some at a time; how far we are is committed, and who comes after us goes on there. */
static int bury(struct worker *w, const port *dead, uint64_t count)
{
	int ret = 0;

	while (w->now.buried < count && ret == 0) {
		const port p = dead[w->now.buried];

		if (w->now.buried % INJECT_STEP == 0)
			ret = make_room(w, INJECT_STEP, INJECT_STEP, 0);
		if (ret < 0)
			break;
		if (port_tag(p) == TAG_VAR && cells_own_var(w, p))
			cells_free_var(w, &w->hot, p);
		else if (port_tag(p) == TAG_VAR)
			mail_send(w, arena_home(w->arena, p), p, PORT_GONE);
		else if (cells_own_node(w, p))
			cells_free_node(&w->hot, p);
		else
			cells_free_foreign(w, p);
		w->now.buried++;
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
	int ret = places.node && places.var ? 0 : -ENOMEM;

	w->mixed = w->n > 1; /* the piece may lead anywhere */
	if (ret == 0)
		ret = bury(w, (const port *)(redex + tray->redexes), tray->gone);
	/* all the rest in one batch, with the order itself */
	if (ret == 0)
		ret = make_room(w, tray->nodes, tray->vars, tray->redexes);
	if (ret == 0) {
		take_cells(w, tray, &places);
		control->root = places.var[0];
		for (uint64_t i = 0; i < tray->held; i++)
			control->held[i] = places.var[1 + i];
	}
	for (uint64_t i = 0; i < tray->redexes && ret == 0; i++) {
		const port a = place(&places, redex[i].a), b = place(&places, redex[i].b);

		if (port_tag(a) == TAG_REF && port_tag(b) == TAG_VAR)
			*w->hot.top++ = (struct pair){ a, b }; /* a call, not just a wire */
		else
			link_later(w, &w->hot, a, b, true);
	}
	w->now.buried = 0;
	free(places.node);
	free(places.var);
	if (ret < 0)
		worker_stop(w, NET_MEMORY, (uint64_t)-ret);
}

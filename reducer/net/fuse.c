/*
 * fuse.c - which definitions get code, and when; see fuse.h.
 */
#include <stdlib.h>
#include <string.h>

#include "reducer/net/fuse_maker.h"
#include "reducer/net/mail.h"
#include "reducer/net/rules.h"
#include "reducer/net/settle.h"

/* Where every definition begins: nobody can enter. */
static const struct fuse_label fuse_cold = { .cost = INT64_MAX };

/* Of a path with fewer interactions nothing is gained. */
#define FUSE_GAIN 3

/* Code at 0 is where what does not fit goes. */
#define FUSE_FIRST 1u

void fuse_begin(struct worker *w, uint32_t defs)
{
	struct fuse *f = &w->fuse;

	if (f->kept)
		return;
	if (f->defs < defs) {
		free(f->entry);
		free(f->warmth);
		f->entry = malloc(defs * sizeof(*f->entry));
		f->warmth = malloc(defs);
		f->defs = f->entry && f->warmth ? defs : 0;
	}
	f->labels = f->constants = 0;
	f->used = FUSE_FIRST;
	if (f->defs == 0) {
		worker_stop(w, NET_MEMORY, ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < defs; i++)
		f->entry[i] = f->on ? &fuse_cold : NULL;
	memset(f->warmth, 0, defs);
}

void fuse_close(struct worker *w)
{
	struct fuse *f = &w->fuse;

	free(f->entry);
	free(f->warmth);
	free(f->label);
	free(f->code);
	free(f->value);
}

/* ---- labels ------------------------------------------------------------------------------------- */

uint32_t fuse_want(struct maker *m, uint32_t def, const char *shape)
{
	struct fuse *f = m->fuse;
	struct fuse_label *label = &f->label[f->labels];

	for (uint32_t i = 0; i < f->labels; i++)
		if (f->label[i].def == def && strcmp(f->label[i].shape, shape) == 0)
			return i;
	if (f->labels == FUSE_LABELS || f->used + 2 * FUSE_ARGUMENTS > FUSE_CODE)
		return UINT32_MAX;
	*label = (struct fuse_label){ .def = def };
	strcpy(label->shape, shape);
	for (; *shape; shape++)
		label->arguments += *shape == 'N' || *shape == 'U';
	return f->labels++;
}

/* The argument as its shape says, in registers from 0 on. */
static port fuse_argument(struct maker_path *p, const char **shape)
{
	port a, b;

	switch (*(*shape)++) {
	case '(':
		a = fuse_argument(p, shape);
		b = fuse_argument(p, shape);
		(*shape)++;
		p->node[p->nodes] = (struct pair){ a, b };
		p->alive++;
		return port_make(TAG_CON, 0, p->nodes++);
	case 'N': p->kind[p->registers] = MAKER_NUMBER; break;
	default: p->kind[p->registers] = MAKER_ANY; break;
	}
	return maker_register(p->registers++);
}

/* Code for a label; if it cannot be made, what undoes the jump to it. */
static void fuse_make_label(struct maker *m, struct fuse_label *label)
{
	struct maker_path p;
	const char *shape = label->shape;
	port node;

	m->label = label;
	m->failed = false;
	label->made = true;
	emit_spill(m, label);
	if (m->failed) {
		label->spill = 0;
		return;
	}
	label->start = m->fuse->used;
	p.nodes = p.alive = p.registers = p.cost = p.take_nodes = p.take_vars = 0;
	p.work.n = p.call.n = p.rest.n = 0;
	p.wires = 1;
	p.credit = MAKER_CREDIT;
	p.caller[0] = label->def;
	p.depth = 1;
	node = fuse_argument(&p, &shape);
	p.whole = node;
	p.grown = p.nodes;
	p.rigid = p.leafless = false;
	memcpy(p.grow, p.node, p.nodes * sizeof(*p.grow));
	if (maker_expand(m, &p, port_ref(label->def), node))
		maker_path(m, &p);
	else
		m->failed = true;
	label->poor = m->failed || label->cost < FUSE_GAIN;
	if (m->failed) {
		m->fuse->used = label->start;
		label->start = label->spill;
		label->cost = 0;
		label->vars = label->sets = 0;
		label->nodes = fuse_nodes_in(label->shape);
		label->redexes = 1;
	}
}

static bool fuse_has_memory(struct fuse *f)
{
	if (!f->label)
		f->label = malloc(FUSE_LABELS * sizeof(*f->label));
	if (!f->code)
		f->code = malloc(FUSE_CODE * sizeof(*f->code));
	if (!f->value)
		f->value = calloc(FUSE_REGISTERS + FUSE_CONSTANTS, sizeof(*f->value));
	return f->label && f->code && f->value;
}

/* Code for @def, and for all that it jumps to. */
static void fuse_make(struct worker *w, uint32_t def)
{
	struct maker m = { .w = w, .fuse = &w->fuse, .book = w->book };
	uint32_t label;

	w->fuse.entry[def] = NULL;
	if (!fuse_has_memory(&w->fuse))
		return;
	label = fuse_want(&m, def, "(UU)");
	if (label == UINT32_MAX)
		return;
	for (uint32_t i = label; i < w->fuse.labels; i++)
		if (!w->fuse.label[i].made)
			fuse_make_label(&m, &w->fuse.label[i]);
	if (!w->fuse.label[label].poor)
		w->fuse.entry[def] = &w->fuse.label[label];
}

void fuse_all(struct worker *w)
{
	for (uint32_t def = 0; def < w->book->defs; def++)
		fuse_make(w, def);
}

/* ---- when code is not entered ------------------------------------------------------------------- */

enum fuse_answer fuse_reluctant(struct worker *w, port a, port b)
{
	const uint32_t def = (uint32_t)port_index(a);
	const struct fuse_label *label = w->fuse.entry[def];

	if (label == &fuse_cold) {
		if (++w->fuse.warmth[def] < w->fuse.warm)
			return FUSE_PLAIN;
		fuse_make(w, def);
		return FUSE_AGAIN;
	}
	if (w->round < label->cost)
		return FUSE_PLAIN;
	rules_wait(w, a, b, label->nodes, label->vars, label->redexes + label->sets);
	return FUSE_WAIT;
}

void fuse_send(struct worker *w, port a, port b, port var, uint32_t price)
{
	w->skipped += price;
	settle_tree(w, b);
	mail_send(w, arena_home(w->arena, var), a, b);
}

void fuse_short(struct worker *w, const struct fuse_label *label)
{
	if (w->round < label->cost)
		return;
	if (w->hot.fuel >= label->cost) {
		w->want.nodes = label->nodes;
		w->want.vars = label->vars;
		w->want.redexes = label->redexes + label->sets;
	}
	rules_hurry(w, &w->hot);
}

/*
 * random.c - programs made at random, and programs made smaller.
 *
 * Both work on a sketch: definitions as arrays of ports, like in a book, but free to be wrong. Writing it out as text puts
 * it right: what hangs nowhere is not reached, and a variable that does not occur twice is written as an eraser.
 */
#include "tests/reducer/support/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/net/num.h"
#include "reducer/text/text.h"
#include "tests/reducer/support/reference.h"

struct sketch_def {
	port root;
	struct pair *nodes;
	uint32_t nodes_count;
	struct pair *redexes;
	uint32_t redexes_count;
	uint32_t vars;
	bool gone; /* references to it are erasers */
};

struct sketch {
	struct sketch_def *defs;
	uint32_t count;
};

static void *need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void sketch_free(struct sketch *sketch)
{
	for (uint32_t d = 0; d < sketch->count; d++) {
		free(sketch->defs[d].nodes);
		free(sketch->defs[d].redexes);
	}
	free(sketch->defs);
}

/* ---- a sketch as text --------------------------------------------------------------------------- */

struct writer {
	const struct sketch *sketch;
	const struct sketch_def *def;
	uint32_t *uses; /* of each variable of the definition */
	FILE *out;      /* NULL: only count the uses */
};

static void write_tree(struct writer *w, port p)
{
	char text[48];

	if (port_is_node(p)) {
		const struct pair *node = &w->def->nodes[port_index(p)];

		if (w->out && port_label(p))
			fprintf(w->out, "#%u", port_label(p));
		if (w->out)
			fputs(port_tag(p) == TAG_OPR   ? "$("
			      : port_tag(p) == TAG_SWI ? "?("
			      : port_tag(p) == TAG_DUP ? "{"
						       : "(",
			      w->out);
		write_tree(w, node->a);
		if (w->out)
			fputc(' ', w->out);
		write_tree(w, node->b);
		if (w->out)
			fputc(port_tag(p) == TAG_DUP ? '}' : ')', w->out);
		return;
	}
	if (port_tag(p) == TAG_VAR && !w->out)
		w->uses[port_index(p)]++;
	if (!w->out)
		return;
	if (port_tag(p) == TAG_VAR && w->uses[port_index(p)] == 2) {
		fprintf(w->out, "v%u", (unsigned)port_index(p));
	} else if (port_tag(p) == TAG_NUM) {
		num_print(p, text);
		fputs(text, w->out);
	} else if (port_tag(p) == TAG_REF && !w->sketch->defs[port_index(p)].gone) {
		if (port_index(p) == BOOK_MAIN)
			fputs("@main", w->out);
		else
			fprintf(w->out, "@f%03u", (unsigned)port_index(p));
	} else {
		fputc('*', w->out);
	}
}

static void write_def(struct writer *w)
{
	write_tree(w, w->def->root);
	for (uint32_t i = 0; i < w->def->redexes_count; i++) {
		if (w->out)
			fputs(" & ", w->out);
		write_tree(w, w->def->redexes[i].a);
		if (w->out)
			fputs(" ~ ", w->out);
		write_tree(w, w->def->redexes[i].b);
	}
}

static char *sketch_text(const struct sketch *sketch)
{
	char *text = NULL;
	size_t length;
	FILE *out = need(open_memstream(&text, &length));

	for (uint32_t d = 0; d < sketch->count; d++) {
		struct writer w = { .sketch = sketch, .def = &sketch->defs[d] };

		if (w.def->gone)
			continue;
		w.uses = need(calloc(w.def->vars + 1, sizeof(*w.uses)));
		write_def(&w);
		w.out = out;
		if (d == BOOK_MAIN)
			fputs("@main = ", out);
		else
			fprintf(out, "@f%03u = ", d);
		write_def(&w);
		fputc('\n', out);
		free(w.uses);
	}
	fclose(out);
	return text;
}

/* ---- places of a definition: where a port stands ------------------------------------------------- */

enum { AT_ROOT, AT_NODE_A, AT_NODE_B, AT_REDEX_A, AT_REDEX_B };

struct place {
	uint32_t kind;
	uint32_t index;
};

static port *port_at(const struct sketch_def *def, struct place place)
{
	switch (place.kind) {
	case AT_ROOT: return (port *)&def->root;
	case AT_NODE_A: return &def->nodes[place.index].a;
	case AT_NODE_B: return &def->nodes[place.index].b;
	case AT_REDEX_A: return &def->redexes[place.index].a;
	default: return &def->redexes[place.index].b;
	}
}

/* ---- random programs ---------------------------------------------------------------------------- */

struct maker {
	uint64_t state;
	uint32_t defs;
	uint32_t self; /* the definition that is being made */
	struct sketch_def *def;
	struct place *places; /* without a port so far */
	uint32_t places_count;
};

/* splitmix64; Source: S. Vigna, 2015. */
static uint32_t below(struct maker *m, uint32_t n)
{
	uint64_t z = m->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % n);
}

static port random_number(struct maker *m)
{
	static const uint32_t floats[] = { 0x3f8000, 0x000000, 0xc00000, 0x3f0000,
					   0x7f8000, 0x7fc001, 0x800000 };
	static const uint8_t casts[] = { NUM_U24, NUM_I24, NUM_F24, NUM_U32, NUM_I32, NUM_F32 };
	uint32_t op = NUM_ADD + below(m, NUM_FP_SHR - NUM_ADD + 1);

	switch (below(m, 12)) {
	case 10: return num_make(NUM_U32 + below(m, 3), below(m, 2) ? below(m, 4) : 0 - below(m, 4));
	case 0: return num_make(NUM_I24, below(m, 2) ? below(m, 5) : 0xffffff - below(m, 5));
	case 1: return num_make(NUM_F24, floats[below(m, 7)]);
	case 2: return num_make(NUM_SYM, op);
	case 3: return num_make(NUM_SYM, casts[below(m, 6)]);
	case 4: return num_make(op, below(m, 9));
	case 5: return num_u24(below(m, 1 << 24));
	default: return num_u24(below(m, 4));
	}
}

static port random_reference(struct maker *m)
{
	if (m->self + 1 < m->defs && below(m, 30))
		return port_ref(m->self + 1 + below(m, m->defs - m->self - 1));
	return below(m, 4) ? PORT_ERA : port_ref(below(m, m->defs));
}

/* A node at a place; its two ports are places then. */
static void put_node(struct maker *m, uint32_t which)
{
	static const uint8_t tags[] = {
		TAG_CON, TAG_CON, TAG_CON, TAG_CON, TAG_DUP, TAG_DUP, TAG_OPR, TAG_SWI
	};
	uint32_t tag = tags[below(m, 8)], label = 0, i = m->def->nodes_count++;

	if (tag <= TAG_DUP && below(m, 4) == 0)
		label = 1 + below(m, 3);
	*port_at(m->def, m->places[which]) = port_make(tag, label, i);
	m->places[which] = (struct place){ AT_NODE_B, i };
	if (tag == TAG_OPR && below(m, 2))
		m->def->nodes[i].a = random_number(m); /* most operators know one operand */
	else
		m->places[m->places_count++] = (struct place){ AT_NODE_A, i };
}

static void put_leaves(struct maker *m)
{
	uint32_t paired;

	for (uint32_t i = m->places_count; i > 1; i--) { /* shuffle */
		uint32_t j = below(m, i);
		struct place keep = m->places[i - 1];

		m->places[i - 1] = m->places[j];
		m->places[j] = keep;
	}
	paired = m->places_count * (5 + below(m, 5)) / 10 / 2;
	for (uint32_t i = 0; i < m->places_count; i++) {
		port *at = port_at(m->def, m->places[i]);

		if (i < paired * 2)
			*at = port_var(i / 2);
		else if (below(m, 10) < 4)
			*at = random_number(m);
		else if (below(m, 10) < 6)
			*at = random_reference(m);
		else
			*at = PORT_ERA;
	}
	m->def->vars = paired;
}

static void make_def(struct maker *m, uint32_t nodes)
{
	struct sketch_def *def = m->def;

	def->redexes_count = below(m, nodes / 4 + 2);
	nodes += 2 * def->redexes_count;
	def->nodes = need(calloc(nodes + 1, sizeof(*def->nodes)));
	def->redexes = need(calloc(def->redexes_count + 1, sizeof(*def->redexes)));
	m->places = need(calloc(2 * nodes + 4, sizeof(*m->places)));
	m->places_count = 0;
	m->places[m->places_count++] = (struct place){ AT_ROOT, 0 };
	for (uint32_t i = 0; i < def->redexes_count; i++) { /* something active on both sides */
		uint32_t what = below(m, 20);

		m->places[m->places_count++] = (struct place){ AT_REDEX_B, i };
		put_node(m, m->places_count - 1);
		m->places[m->places_count] = (struct place){ AT_REDEX_A, i };
		if (what < 10) {
			m->places_count++;
			put_node(m, m->places_count - 1);
		} else {
			def->redexes[i].a = what < 16 ? random_reference(m) : random_number(m);
		}
	}
	while (def->nodes_count < nodes)
		put_node(m, below(m, m->places_count));
	put_leaves(m);
	free(m->places);
}

char *random_program(uint64_t seed, uint32_t size)
{
	struct maker m = { .state = seed };
	struct sketch sketch = { 0 };
	char *text;

	m.defs = sketch.count = 1 + below(&m, size / 4 + 2);
	sketch.defs = need(calloc(sketch.count, sizeof(*sketch.defs)));
	for (m.self = 0; m.self < m.defs; m.self++) {
		m.def = &sketch.defs[m.self];
		make_def(&m, below(&m, 2 * size / m.defs + 2));
	}
	text = sketch_text(&sketch);
	sketch_free(&sketch);
	return text;
}

/* ---- what becomes of a program ------------------------------------------------------------------- */

static struct book *parse(const char *program)
{
	struct text_error error;
	struct book *book;

	if (text_parse(program, strlen(program), &book, &error) < 0) {
		fprintf(stderr, "a made-up program is wrong: %s\n%s", error.what, program);
		abort();
	}
	return book;
}

struct outcome random_outcome(const char *program, uint64_t gas)
{
	struct book *book = parse(program);
	struct outcome outcome = { 0 };
	struct reference ref;

	reference_init(&ref, book);
	ref.gas = gas;
	outcome.error = reference_run(&ref);
	outcome.interactions = ref.interactions;
	if (outcome.error == 0)
		outcome.text = reference_text(&ref);
	reference_fini(&ref);
	free(book);
	return outcome;
}

void random_outcome_free(struct outcome *outcome)
{
	free(outcome->text);
	outcome->text = NULL;
}

char *random_terminating(uint64_t *seed, uint32_t size, uint64_t gas, struct outcome *outcome)
{
	for (;;) {
		char *program = random_program((*seed)++, size);

		*outcome = random_outcome(program, gas);
		if (outcome->text && outcome->interactions >= size / 2)
			return program;
		random_outcome_free(outcome);
		free(program);
	}
}

/* ---- smaller programs ---------------------------------------------------------------------------- */

static void sketch_read(struct sketch *sketch, const char *program)
{
	struct book *book = parse(program);

	sketch->count = book->defs;
	sketch->defs = need(calloc(book->defs, sizeof(*sketch->defs)));
	for (uint32_t d = 0; d < book->defs; d++) {
		const struct book_def *from = book_def(book, d);
		struct sketch_def *to = &sketch->defs[d];

		to->root = from->root;
		to->vars = from->vars;
		to->nodes_count = from->nodes;
		to->redexes_count = from->redexes;
		to->nodes = need(calloc(from->nodes + 1, sizeof(*to->nodes)));
		to->redexes = need(calloc(from->redexes + 1, sizeof(*to->redexes)));
		memcpy(to->nodes, book_pairs(book) + from->first_node, from->nodes * sizeof(*to->nodes));
		memcpy(to->redexes, book_pairs(book) + from->first_redex,
		       from->redexes * sizeof(*to->redexes));
	}
	free(book);
}

struct shrinker {
	struct sketch sketch;
	char *best; /* the text of the sketch */
	bool (*fails)(const char *program, void *context);
	void *context;
};

/* The sketch has been changed: is it smaller, and does it still fail? If not, the caller takes the change back. */
static bool shrink_helps(struct shrinker *s)
{
	char *text = sketch_text(&s->sketch);

	if (strlen(text) < strlen(s->best) && s->fails(text, s->context)) {
		free(s->best);
		s->best = text;
		return true;
	}
	free(text);
	return false;
}

static bool shrink_port(struct shrinker *s, port *at, port to)
{
	port keep = *at;

	*at = to;
	if (shrink_helps(s))
		return true;
	*at = keep;
	return false;
}

/* A tree becomes an eraser, a part of itself, one without a label, or zero. */
static bool shrink_place(struct shrinker *s, const struct sketch_def *def, struct place place)
{
	port *at = port_at(def, place), p = *at;

	if (p == PORT_ERA)
		return false;
	if (shrink_port(s, at, PORT_ERA))
		return true;
	if (port_tag(p) == TAG_NUM)
		return shrink_port(s, at, num_u24(0));
	if (!port_is_node(p))
		return false;
	return shrink_port(s, at, def->nodes[port_index(p)].a) ||
	       shrink_port(s, at, def->nodes[port_index(p)].b) ||
	       (port_label(p) && shrink_port(s, at, port_make(port_tag(p), 0, port_index(p))));
}

static bool shrink_def(struct shrinker *s, struct sketch_def *def)
{
	bool any = false;

	for (uint32_t i = 0; i < def->redexes_count; i++) {
		struct pair keep = def->redexes[i];

		def->redexes[i] = def->redexes[--def->redexes_count];
		if (shrink_helps(s)) {
			any = true;
			i--;
			continue;
		}
		def->redexes[def->redexes_count++] = def->redexes[i];
		def->redexes[i] = keep;
	}
	any |= shrink_place(s, def, (struct place){ AT_ROOT, 0 });
	for (uint32_t i = 0; i < def->redexes_count; i++) {
		any |= shrink_place(s, def, (struct place){ AT_REDEX_A, i });
		any |= shrink_place(s, def, (struct place){ AT_REDEX_B, i });
	}
	for (uint32_t i = 0; i < def->nodes_count; i++) {
		any |= shrink_place(s, def, (struct place){ AT_NODE_A, i });
		any |= shrink_place(s, def, (struct place){ AT_NODE_B, i });
	}
	return any;
}

char *random_shrink(const char *program, bool (*fails)(const char *program, void *context), void *context)
{
	struct shrinker s = { .fails = fails, .context = context };
	bool again = true;

	s.best = need(strdup(program));
	sketch_read(&s.sketch, program);
	while (again) {
		again = false;
		for (uint32_t d = 1; d < s.sketch.count; d++) {
			struct sketch_def *def = &s.sketch.defs[d];

			if (def->gone)
				continue;
			def->gone = true;
			if (shrink_helps(&s))
				again = true;
			else
				def->gone = false;
		}
		for (uint32_t d = 0; d < s.sketch.count; d++)
			if (!s.sketch.defs[d].gone)
				again |= shrink_def(&s, &s.sketch.defs[d]);
	}
	sketch_free(&s.sketch);
	return s.best;
}

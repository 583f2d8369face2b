/*
 * type.c - what a declared type is called, what it looks like, and whether a buffer holds one.
 *
 * The description is text, and the hash is taken over the text: two processes that print the same description have the
 * same layout, whatever compiler or language made it. Types whose id was asked for are kept in a list of this process,
 * so that a refusal can say more than a number; entries are added at the front and never taken out.
 */
#include <plx/type.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

#define TEXT_MAX 4096 /* bytes of a description that are kept for people; the hash covers all of it */

/* ---- the description ------------------------------------------------------------------------------- */

/* Where the description goes, piece by piece: into a text as far as there is room, and into a hash. */
struct writer {
	char *text;
	size_t size, length;
	uint64_t hash; /* FNV-1a (Fowler, Noll, Vo), 64 bits */
};

static void put(struct writer *w, const char *piece)
{
	for (; *piece; piece++) {
		w->hash = (w->hash ^ (unsigned char)*piece) * UINT64_C(0x100000001b3);
		if (w->length + 1 < w->size)
			w->text[w->length] = *piece;
		w->length++;
	}
}

static plx_printf(2, 3) void say(struct writer *w, const char *format, ...)
{
	char piece[64]; /* numbers only */
	va_list args;

	va_start(args, format);
	vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	put(w, piece);
}

static void describe_field(struct writer *w, const struct plx_field *f)
{
	switch (f->kind) {
	case PLX_FIELD_BYTES: put(w, "bytes "); break;
	case PLX_FIELD_CHAR: put(w, "char "); break;
	case PLX_FIELD_BOOL: put(w, "bool "); break;
	default: say(w, "%c%u ", f->kind, f->element * 8); break;
	}
	put(w, f->name);
	if (f->kind == PLX_FIELD_BYTES)
		say(w, "[%u]", f->size);
	else if (f->size != f->element)
		say(w, "[%u]", f->size / f->element);
	say(w, " @%u", f->offset);
}

static void describe(struct writer *w, const struct plx_type *type)
{
	put(w, type->name);
	say(w, " (%llu bytes, aligned to %u): ", (unsigned long long)type->size, type->align);
	for (uint32_t i = 0; i < type->count; i++) {
		if (i)
			put(w, ", ");
		describe_field(w, &type->fields[i]);
	}
	if (w->size)
		w->text[w->length < w->size ? w->length : w->size - 1] = '\0';
}

int plx_type_text(const struct plx_type *type, char *text, size_t size)
{
	struct writer w = { .text = text, .size = size };

	describe(&w, type);
	return (int)w.length;
}

uint64_t plx_type_hash(const struct plx_type *type)
{
	struct writer w = { .hash = UINT64_C(0xcbf29ce484222325) };

	describe(&w, type);
	/* the last letters have moved the upper bits only a little: mix (Austin Appleby, MurmurHash3, 2011) */
	w.hash = (w.hash ^ w.hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	w.hash = (w.hash ^ w.hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return w.hash ^ w.hash >> 33;
}

/* ---- types this process knows ---------------------------------------------------------------------- */

struct known {
	struct known *next;
	uint32_t id;
	char text[];
};

static struct known *known_first;

const char *plx_type_known(uint32_t id)
{
	/* K1 acquire: pairs with K2; whoever sees an entry sees its text */
	const struct known *k = __atomic_load_n(&known_first, __ATOMIC_ACQUIRE);

	while (k && k->id != id)
		k = k->next;
	return k ? k->text : NULL;
}

/* Two threads may add the same one: the second is found first, and says the same. */
static void remember(const struct plx_type *type, uint32_t id)
{
	struct known *k;
	size_t size;

	if (plx_type_known(id))
		return;
	size = (size_t)plx_type_text(type, NULL, 0) + 1;
	if (size > TEXT_MAX)
		size = TEXT_MAX;
	k = malloc(sizeof(*k) + size);
	if (!k)
		return; /* a refusal will name a number */
	k->id = id;
	plx_type_text(type, k->text, size);
	k->next = __atomic_load_n(&known_first, __ATOMIC_RELAXED);
	/* K2 release: pairs with K1 */
	while (!__atomic_compare_exchange_n(&known_first, &k->next, k, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

uint32_t plx_type_id(struct plx_type *type)
{
	/* relaxed: every thread that computes it gets the same number */
	uint32_t id = plx_read_once(&type->id);

	if (plx_unlikely(id == 0)) {
		id = (uint32_t)plx_type_hash(type);
		if (id == 0) /* means "bytes" */
			id = 1;
		remember(type, id);
		plx_write_once(&type->id, id);
	}
	return id;
}

/* ---- views ----------------------------------------------------------------------------------------- */

/* Several values are fine. */
static int judge(const struct plx_buffer *b, struct plx_type *type)
{
	if (b->type != plx_type_id(type))
		return -EPROTOTYPE;
	if (b->length == 0 || b->length % type->size != 0)
		return -EMSGSIZE;
	return (uintptr_t)b->data % type->align != 0 ? -EFAULT : 0;
}

int plx_view_check(struct plx_buffer *b, struct plx_type *type)
{
	int ret = judge(b, type);

	b->viewed = ret == 0 ? plx_type_id(type) : 0;
	return ret;
}

static void name_found(char *text, size_t size, uint32_t id)
{
	const char *known = plx_type_known(id);

	if (id == 0)
		snprintf(text, size, "plain bytes");
	else if (known)
		snprintf(text, size, "%s", known);
	else
		snprintf(text, size, "type 0x%08x, which this program does not know", id);
}

int plx_view_error(const struct plx_buffer *b, struct plx_type *type, char *text, size_t size)
{
	char found[512], wanted[512];
	int ret = judge(b, type);

	if (ret == 0 && b->length != type->size)
		ret = -EMSGSIZE;
	plx_type_text(type, wanted, sizeof(wanted));
	name_found(found, sizeof(found), b->type);
	switch (ret) {
	case 0: snprintf(text, size, "%s", ""); break;
	case -EPROTOTYPE: snprintf(text, size, "the message is %s; wanted is %s", found, wanted); break;
	case -EMSGSIZE:
		snprintf(text, size, "the message has %llu bytes; wanted is %s",
			 (unsigned long long)b->length, wanted);
		break;
	default: snprintf(text, size, "the message lies at %p; wanted is %s", b->data, wanted); break;
	}
	return ret;
}

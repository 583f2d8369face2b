/*
 * reclaim.c - where the tail goes, and which slots come free when it does.
 *
 * Nobody tells the publisher that a slot is free, and nothing counts holders: it looks at the cursors and pins of its
 * readers, when the window is full or the free slots ran dry, and concludes. Order matters, and is always the same:
 *
 *	1. cursors (acquire)      a reader sets a pin before it moves its cursor past the message: who sees the
 *	                          cursor sees the pin
 *	2. tail (store), fence    a lossy reader sets a pin, fences, looks at the tail: it sees the new tail and lets
 *	                          go, or we see its pin
 *	3. pins (acquire)         whoever cleared a pin is done reading
 *
 * A dead reader is forgotten, and with it everything it held: there is nothing to give back.
 */
#include "base/mutant.h"
#include "topic/fence.h"
#include "topic/writer.h"

/* How far @to lies behind @next; positions only grow, so the larger, the older. */
static uint64_t behind(const struct plx_writer *writer, uint64_t to)
{
	return writer->next - to;
}

/* 1. What one reader says, believed if it can be true. */
static void read_cursor(struct plx_writer *writer, struct plx_follower *f)
{
	/* C1 acquire: pairs with T1; pins set before this cursor are seen, and so is that the reader is done */
	uint64_t cursor = __atomic_load_n(&f->link->cursor, __ATOMIC_ACQUIRE);

	if (plx_mutant(MUT_CURSOR_BELIEVED) || cursor - f->cursor <= behind(writer, f->cursor))
		f->cursor = cursor;
	else if ((int64_t)(cursor - f->cursor) > 0)
		f->liar = true; /* beyond the head; backwards is just not believed */
}

/* Read all cursors: the gate no tail may pass, and the tail everybody would like. */
static void read_cursors(struct plx_writer *writer)
{
	uint64_t gate = 0, asked = writer->history < writer->next ? writer->history : writer->next;

	for (uint32_t i = 0; i < writer->count; i++) {
		struct plx_follower *f = writer->followers[i];
		uint64_t lag;

		read_cursor(writer, f);
		lag = behind(writer, f->cursor);
		if (f->reliable && lag > gate && !plx_mutant(MUT_GATE_OPEN))
			gate = lag;
		if (lag > asked)
			asked = lag;
	}
	writer->gate = writer->next - gate;
	if (asked > behind(writer, writer->tail))
		asked = behind(writer, writer->tail);
	writer->asked = writer->next - asked;
}

/* 3. Who pins a slot of bitmap word @word? */
static uint64_t pins_of(const struct plx_writer *writer, uint32_t word)
{
	uint64_t pins = 0;

	/* P1 acquire: pairs with H1; who cleared a pin is done reading the slot */
	for (uint32_t i = 0; i < writer->count && !plx_mutant(MUT_PINS_IGNORED); i++)
		pins |= __atomic_load_n(&writer->followers[i]->pins[word], __ATOMIC_ACQUIRE);
	return pins;
}

/* The slots of @bits in bitmap word @word are free. */
static void set_free(struct plx_writer *writer, uint32_t word, uint64_t bits)
{
	/* relaxed: the bitmap is ours, tools look on */
	__atomic_store_n(&writer->pool.words[word], writer->pool.words[word] | bits, __ATOMIC_RELAXED);
	if (word < writer->pool.hint)
		writer->pool.hint = word;
}

/* Slots of the window that end at @to come free, or go to limbo while pinned. */
static void empty_window(struct plx_writer *writer, uint64_t to)
{
	uint32_t word = UINT32_MAX;
	uint64_t pins = 0;

	for (uint64_t pos = writer->tail; pos != to && writer->in_window; pos++) {
		uint32_t slot = writer->slot_at[pos & writer->mask];
		uint64_t bit = UINT64_C(1) << (slot % 64);

		if (slot == PLX_SLOT_NONE)
			continue;
		writer->in_window--;
		if (slot / 64 != word) {
			word = slot / 64;
			pins = pins_of(writer, word);
		}
		if (pins & bit) {
			writer->limbo[word] |= bit;
			writer->in_limbo++;
		} else {
			set_free(writer, word, bit);
		}
	}
}

/* 2. Everything before @to is gone: entries may be overwritten, slots reused. Cursors were read before. */
static void move_tail(struct plx_writer *writer, uint64_t to)
{
	if (to == writer->tail)
		return;
	/* G1 relaxed: ordered by the fence; pairs with R2 and R3 of lossy readers */
	if (!plx_mutant(MUT_TAIL_AFTER_PINS))
		__atomic_store_n(&writer->head->tail, to, __ATOMIC_RELAXED);
	if (writer->lossy)
		plx_fence_full();
	else
		plx_fence_stores();
	empty_window(writer, to);
	if (plx_mutant(MUT_TAIL_AFTER_PINS))
		__atomic_store_n(&writer->head->tail, to, __ATOMIC_RELAXED);
	writer->tail = to;
	writer->limit = to + writer->mask + 1;
}

/* Slots in limbo that nobody pins any more; stops at the first word that has some. */
static bool search_limbo(struct plx_writer *writer)
{
	for (uint32_t word = 0; word < writer->words && writer->in_limbo; word++) {
		uint64_t back;

		if (writer->limbo[word] == 0)
			continue;
		back = plx_mutant(MUT_LIMBO_FOR_EVER) ? 0 : writer->limbo[word] & ~pins_of(writer, word);
		if (back == 0)
			continue;
		writer->limbo[word] &= ~back;
		writer->in_limbo -= (uint32_t)__builtin_popcountll(back);
		set_free(writer, word, back);
		return true;
	}
	return false;
}

/* History and lossy readers give way, a little; false when a reliable reader stands there. */
static bool overrule(struct plx_writer *writer)
{
	uint64_t room = writer->gate - writer->tail;

	if (room == 0)
		return false;
	move_tail(writer, writer->tail + (room < writer->chunk ? room : writer->chunk));
	return true;
}

void plx_writer_hear(struct plx_writer *writer)
{
	read_cursors(writer);
}

void plx_writer_look(struct plx_writer *writer)
{
	read_cursors(writer);
	move_tail(writer, writer->asked);
}

bool plx_writer_make_room(struct plx_writer *writer)
{
	plx_writer_look(writer);
	return writer->next != writer->limit || overrule(writer);
}

uint32_t plx_writer_claim(struct plx_writer *writer)
{
	uint32_t slot;

	if (--writer->credit == 0) { /* a look now and then finds slots whose bytes are still in the cache */
		writer->credit = writer->hot + writer->hot * (writer->count / 8);
		plx_writer_look(writer);
	}
	slot = plx_pool_claim_one(&writer->pool);
	if (slot == PLX_SLOT_NONE) {
		plx_writer_look(writer);
		slot = plx_pool_claim_one(&writer->pool);
	}
	if (slot == PLX_SLOT_NONE && search_limbo(writer))
		slot = plx_pool_claim_one(&writer->pool);
	while (slot == PLX_SLOT_NONE && overrule(writer))
		slot = plx_pool_claim_one(&writer->pool);
	if (slot != PLX_SLOT_NONE)
		plx_writer_loaned(writer, slot, true);
	return slot;
}

void plx_writer_drop(struct plx_writer *writer, uint32_t slot)
{
	plx_writer_loaned(writer, slot, false);
	plx_pool_drop_one(&writer->pool, slot);
}

/* Slots in limbo that @f pins. */
static uint32_t pinned_by(const struct plx_writer *writer, const struct plx_follower *f)
{
	uint32_t n = 0;

	/* relaxed: a number to compare */
	for (uint32_t word = 0; word < writer->words; word++)
		n += (uint32_t)__builtin_popcountll(writer->limbo[word] &
						    __atomic_load_n(&f->pins[word], __ATOMIC_RELAXED));
	return n;
}

struct plx_follower *plx_writer_slowest(struct plx_writer *writer, bool slot)
{
	struct plx_follower *worst = NULL;
	uint64_t most = 0;

	for (uint32_t i = 0; i < writer->count; i++) {
		struct plx_follower *f = writer->followers[i];
		uint64_t lag = f->reliable ? behind(writer, f->cursor) : 0;

		if (lag > most) {
			most = lag;
			worst = f;
		}
	}
	if (!slot || (worst && writer->in_window))
		return worst;
	/* no slot is in the window: who is behind there holds none of them up */
	worst = NULL;
	most = 0;
	for (uint32_t i = 0; i < writer->count; i++) {
		uint64_t pins = pinned_by(writer, writer->followers[i]);

		if (pins > most) {
			most = pins;
			worst = writer->followers[i];
		}
	}
	return worst;
}

void plx_writer_judge(struct plx_writer *writer)
{
	/* one more than the quota: a lossy reader pins first and looks then */
	for (uint32_t i = 0; i < writer->count; i++) {
		if (pinned_by(writer, writer->followers[i]) > (uint64_t)writer->followers[i]->quota + 1)
			writer->followers[i]->liar = true;
	}
}

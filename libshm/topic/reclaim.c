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
#include <assert.h>

#include "base/mutant.h"
#include "topic/fence.h"
#include "topic/writer.h"

/* How far @to lies behind @next; positions only grow, so the larger, the older. */
static uint64_t behind(const struct plx_writer *writer, uint64_t to)
{
	return writer->head->head - to;
}

/* 1. What one reader says, believed if it can be true. @head: only grows, and nobody honest is beyond it. */
static void believe(struct plx_follower *f, uint64_t cursor, uint64_t head)
{
	if (plx_mutant(MUT_CURSOR_BELIEVED) || cursor - f->cursor <= head - f->cursor)
		f->cursor = cursor;
	else if ((int64_t)(cursor - f->cursor) > 0)
		f->liar = true; /* beyond the head; backwards is just not believed */
}

static void read_cursor(struct plx_writer *writer, struct plx_follower *f)
{
	/* C1 acquire: pairs with T1; pins set before this cursor are seen, and so is that the reader is done */
	uint64_t cursor = __atomic_load_n(&f->link->cursor, __ATOMIC_ACQUIRE);

	believe(f, cursor, writer->head->head);
}

/* A lossy reader that would like the whole window is asked first the next time: it answers for all lossy ones. */
static void ask_first(struct plx_writer *writer, uint32_t i)
{
	struct plx_follower *f = writer->followers[i];

	writer->followers[i] = writer->followers[0];
	writer->followers[0] = f;
}

/* Read the cursors that matter: the gate no tail may pass, and the tail everybody would like. */
static void read_cursors(struct plx_writer *writer)
{
	uint64_t gate = 0, all = behind(writer, writer->tail),
		 asked = writer->history < writer->head->head ? writer->history : writer->head->head;

	if (plx_unlikely(plx_distance_due(&writer->distance, writer->head)))
		plx_distance_sample(writer);
	for (uint32_t i = 0; i < writer->count; i++) {
		struct plx_follower *f = writer->followers[i];
		uint64_t lag;

		if (!f->reliable && asked >= all)
			continue;
		read_cursor(writer, f);
		lag = behind(writer, f->cursor);
		if (f->reliable && lag > gate && !plx_mutant(MUT_GATE_OPEN))
			gate = lag;
		if (lag > asked)
			asked = lag;
		if (!f->reliable && lag >= all)
			ask_first(writer, i);
	}
	writer->gate = writer->head->head - gate;
	if (asked > all)
		asked = all;
	writer->asked = writer->head->head - asked;
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
	writer->some[word / 64] |= UINT64_C(1) << (word % 64);
}

/* A slot has left the window. */
static void let_go(struct plx_writer *writer, uint32_t slot, uint64_t pins)
{
	uint64_t bit = UINT64_C(1) << (slot % 64);
	uint32_t word = slot / 64;

	if (pins & bit) {
		/* relaxed: ours, tools look on */
		__atomic_store_n(&writer->limbo[word], writer->limbo[word] | bit, __ATOMIC_RELAXED);
		writer->in_limbo++;
	} else if (!plx_mutant(MUT_LOANED_FOR_EVER)) {
		set_free(writer, word, bit);
	}
}

/* Slots of the window that end at @to come free, or go to limbo while pinned. */
static void empty_window(struct plx_writer *writer, uint64_t to)
{
	uint32_t word = UINT32_MAX;
	uint64_t pins = 0;

	for (uint64_t pos = writer->tail; pos != to && writer->slotted; pos++) {
		uint32_t slot = (uint32_t)writer->log[pos & writer->mask].place; /* we wrote it */

		if (slot == PLX_SLOT_NONE)
			continue;
		if (slot / 64 != word) {
			word = slot / 64;
			pins = pins_of(writer, word);
		}
		let_go(writer, slot, pins);
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
	writer->quick.limit = to + writer->mask + 1;
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
		/* relaxed: ours, tools look on */
		__atomic_store_n(&writer->limbo[word], writer->limbo[word] & ~back, __ATOMIC_RELAXED);
		writer->in_limbo -= (uint32_t)__builtin_popcountll(back);
		set_free(writer, word, back);
		return true;
	}
	return false;
}

/*
 * History and lossy readers give way; false when a reliable reader stands there. Readers a little at a time, so that it
 * is not for each message; history not before it must, and one message at a time: it is what was promised.
 */
static bool overrule(struct plx_writer *writer)
{
	uint64_t room = writer->gate - writer->tail, kept = behind(writer, writer->tail);
	uint64_t step = kept > writer->history ? kept - writer->history : 1;

	if (room == 0)
		return false;
	if (step > writer->chunk)
		step = writer->chunk;
	move_tail(writer, writer->tail + (room < step ? room : step));
	return true;
}

/* The head as somebody else than the user's thread sees it: entries come before it. */
static uint64_t head_so_far(const struct plx_writer *writer)
{
	uint64_t head = __atomic_load_n(&writer->head->head, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < PLX_TOPIC_AHEAD && !plx_mutant(MUT_HEAD_BEFORE_ENTRIES); i++, head++) {
		/* acquire: pairs with W1; as a reader would */
		if (__atomic_load_n(&writer->log[head & writer->mask].sequence, __ATOMIC_ACQUIRE) != head + 1)
			break;
	}
	return head;
}

bool plx_writer_hear(struct plx_writer *writer, struct plx_follower *follower)
{
	/* C1 acquire: pairs with T1; who read a message has seen its entry, and after this we do */
	uint64_t cursor = __atomic_load_n(&follower->link->cursor, __ATOMIC_ACQUIRE);
	uint64_t head = head_so_far(writer);

	believe(follower, cursor, head);
	return follower->cursor == head;
}

void plx_writer_look(struct plx_writer *writer)
{
	read_cursors(writer);
	move_tail(writer, writer->asked);
}

bool plx_writer_make_room(struct plx_writer *writer)
{
	plx_writer_look(writer);
	return writer->head->head != writer->quick.limit || overrule(writer);
}

/* ---- handing slots out ----------------------------------------------------------------------------- */

/* The first word, from the hint on, that has free slots; false when there is none. */
static bool find_word(struct plx_writer *writer)
{
	uint32_t word = writer->pool.hint, i = word / 64;
	uint64_t some;

	if (writer->pool.words[word] != 0)
		return true;
	writer->some[i] &= ~(UINT64_C(1) << (word % 64));
	for (some = writer->some[i] & UINT64_MAX << (word % 64);; some = writer->some[i]) {
		for (; some != 0; some &= some - 1) {
			word = i * 64 + (uint32_t)__builtin_ctzll(some);
			if (word >= writer->words)
				return false;
			writer->pool.hint = word;
			if (writer->pool.words[word] != 0)
				return true;
			writer->some[i] &= ~(UINT64_C(1) << (word % 64));
		}
		if (++i >= (writer->words + 63) / 64)
			return false;
	}
}

/* Take some free slots in hand, which is empty, and claim the first of them. */
static uint32_t deal(struct plx_writer *writer)
{
	uint32_t word, half, bits, rest;

	if (!find_word(writer))
		return PLX_SLOT_NONE;
	word = writer->pool.hint;
	half = (uint32_t)__builtin_ctzll(writer->pool.words[word]) / 32;
	bits = (uint32_t)(writer->pool.words[word] >> (32 * half));
	rest = bits;
	for (uint32_t i = 0; i < writer->hot && rest != 0; i++)
		rest &= rest - 1;
	bits &= ~rest;
	writer->spent += (uint32_t)__builtin_popcount(bits);
	writer->slotted = true;
	/* relaxed: the bitmap is ours, tools look on */
	__atomic_store_n(&writer->pool.words[word],
			 writer->pool.words[word] & ~((uint64_t)bits << (32 * half)), __ATOMIC_RELAXED);
	/* L2 release: pairs with L1; who had these slots is done with their bytes */
	__atomic_store_n(&writer->head->hand, (uint64_t)(word * 2 + half) << 32 | (bits & (bits - 1)),
			 __ATOMIC_RELEASE);
	return word * 64 + half * 32 + (uint32_t)__builtin_ctz(bits);
}

static uint32_t deal_from_the_first(struct plx_writer *writer)
{
	writer->pool.hint = 0;
	writer->spent = 0;
	return deal(writer);
}

uint32_t plx_writer_claim(struct plx_writer *writer)
{
	uint32_t slot = plx_writer_claim_shared(writer);

	if (slot == PLX_SLOT_NONE && writer->spent < writer->hot)
		slot = deal(writer);
	if (slot == PLX_SLOT_NONE) {
		plx_writer_look(writer);
		slot = deal_from_the_first(writer);
	}
	if (slot == PLX_SLOT_NONE && search_limbo(writer))
		slot = deal_from_the_first(writer);
	while (slot == PLX_SLOT_NONE && overrule(writer))
		slot = deal_from_the_first(writer);
	return slot;
}

void plx_writer_drop(struct plx_writer *writer, uint32_t slot)
{
	assert(slot < writer->pool.slots);
	assert(!(writer->pool.words[slot / 64] & UINT64_C(1) << (slot % 64)) && "a free slot was dropped");
	/* relaxed: others may claim from it, but nobody else fills it: an empty one stays so */
	if ((uint32_t)__atomic_load_n(&writer->head->hand, __ATOMIC_RELAXED) == 0) {
		/* L2 release: pairs with L1 */
		__atomic_store_n(&writer->head->hand,
				 (uint64_t)(slot / 32) << 32 | UINT64_C(1) << (slot % 32), __ATOMIC_RELEASE);
		return;
	}
	set_free(writer, slot / 64, UINT64_C(1) << (slot % 64));
	writer->pool.hint = slot / 64;
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

static bool slot_in_window(const struct plx_writer *writer)
{
	for (uint64_t pos = writer->tail; pos != writer->head->head && writer->slotted; pos++) {
		if ((uint32_t)writer->log[pos & writer->mask].place != PLX_SLOT_NONE)
			return true;
	}
	return false;
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
	if (!slot || (worst && slot_in_window(writer)))
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

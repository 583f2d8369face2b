/*
 * hold.c - what a reader holds, and how it says so: pins first, then the cursor.
 *
 * The publisher may look at any moment, and we may die at any instruction; the order of two stores is all there is. A
 * pin is set before the cursor passes its message, and cleared when the last buffer is released.
 */
#include "topic/hold.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/size.h"
#include "base/sys.h"
#include "topic/drop.h"
#include "topic/fence.h"
#include "topic/handshake_layout.h"

#define CHUNK 16u /* holders in the first chunk; each further one doubles what there is */

struct plx_holder_chunk {
	struct plx_holder_chunk *next;
	struct plx_holder holders[];
};

int plx_reader_init(struct plx_reader *r, const struct plx_reader_parts *parts)
{
	uint64_t few = parts->depth < parts->slot_count ? parts->depth : parts->slot_count;

	*r = (struct plx_reader){ .head = parts->head };
	if (parts->depth < PLX_DEPTH_MIN || parts->depth > PLX_DEPTH_MAX ||
	    !plx_size_power_of_two(parts->depth) || parts->slot_count == 0 ||
	    parts->slot_count > PLX_SLOTS_MAX || parts->slot_size == 0 || parts->slot_size > parts->stride ||
	    parts->stride > 2 * PLX_SLOT_SIZE_MAX || parts->start > PLX_POSITION_MAX)
		return -EINVAL;
	r->log = parts->log;
	r->mask = parts->depth - 1;
	r->slots = parts->slots;
	r->stride = parts->stride;
	r->slot_size = parts->slot_size;
	r->slot_count = parts->slot_count;
	r->quota = parts->quota ? parts->quota : 1;
	r->reliable = parts->reading == PLX_READ_RELIABLE;
	r->confirm = parts->confirm && r->reliable;
	r->next = r->told = r->start = parts->start;
	r->lazy = few >= 8 ? few / 8 : 1;
	r->step = r->lazy;
	r->due = r->next + r->step;
	r->quick = r->reliable && !plx_mutant(MUT_LENGTH_BELIEVED);
	r->calls = &parts->head->attention;
	r->enough = PLX_READER_LAZY_BYTES;
	r->id = parts->id;
	r->link = parts->link;
	r->pins = parts->pins;
	/* none of those let go so far: had we been among them before this, only the socket would say so */
	if (plx_mutant(MUT_FRESH_HEEDED)) {
		r->seen = __atomic_load_n(&r->head->attention, __ATOMIC_RELAXED);
		plx_reader_heeded(r);
	}
	r->rung = UINT64_MAX;
	__atomic_store_n(&r->link->start, r->start, __ATOMIC_RELAXED);
	__atomic_store_n(&r->link->cursor, r->start, __ATOMIC_RELEASE);
	r->mine = calloc((parts->slot_count + 63) / 64, sizeof(uint64_t));
	if (!r->mine || !plx_holder_more(r)) {
		plx_reader_fini(r);
		return -ENOMEM;
	}
	return 0;
}

void plx_reader_fini(struct plx_reader *r)
{
	while (r->chunks) {
		struct plx_holder_chunk *chunk = r->chunks;

		r->chunks = chunk->next;
		free(chunk);
	}
	free(r->mine);
	*r = (struct plx_reader){ .mask = 0 };
}

bool plx_holder_more(struct plx_reader *r)
{
	uint32_t n = r->holders ? r->holders : CHUNK;
	struct plx_holder_chunk *chunk;

	if (n > r->quota - r->holders)
		n = r->quota - r->holders;
	chunk = malloc(sizeof(*chunk) + n * sizeof(struct plx_holder));
	if (!chunk)
		return false;
	chunk->next = r->chunks;
	r->chunks = chunk;
	for (uint32_t i = 0; i < n; i++) {
		chunk->holders[i] = (struct plx_holder){ .more = PLX_QUICK_SHAPE,
							 .reader = r,
							 .next = r->unused };
		r->unused = &chunk->holders[i];
	}
	r->holders += n;
	return true;
}

/* ---- pins ---------------------------------------------------------------------------------------- */

static uint64_t *set_mine(struct plx_reader *r, uint32_t slot, bool on)
{
	uint64_t *word = &r->mine[slot / 64], bit = UINT64_C(1) << (slot % 64);

	*word = on ? *word | bit : *word & ~bit;
	return word;
}

void plx_holder_pin_now(struct plx_reader *r, struct plx_holder *h)
{
	h->pinned = true;
	r->pinned++;
	/* H2 seq_cst: store and fence; pairs with the fence after G1: we see the tail, or the publisher sees the pin */
	__atomic_exchange_n(&r->pins[h->slot / 64], *set_mine(r, h->slot, true), __ATOMIC_SEQ_CST);
}

/* Pin without a fence: the cursor that is told next orders it. */
static void pin(struct plx_reader *r, struct plx_holder *h)
{
	plx_holder_unlist(r, h);
	h->pinned = true;
	r->pinned++;
	if (plx_mutant(MUT_PIN_AFTER_CURSOR))
		__atomic_store_n(&r->link->cursor, r->next, __ATOMIC_RELEASE);
	/* relaxed: ordered by T1 */
	__atomic_store_n(&r->pins[h->slot / 64], *set_mine(r, h->slot, true), __ATOMIC_RELAXED);
}

void plx_holder_unpin(struct plx_reader *r, struct plx_holder *h)
{
	h->pinned = false;
	r->pinned--;
	if (plx_mutant(MUT_PIN_FOR_EVER))
		return;
	/* H1 release: pairs with P1; we are done reading the slot */
	__atomic_store_n(&r->pins[h->slot / 64], *set_mine(r, h->slot, false), __ATOMIC_RELEASE);
}

/* ---- telling ------------------------------------------------------------------------------------- */

/* The publisher sleeps on our bell, or is about to. */
static plx_cold void ring(struct plx_reader *r)
{
	/* relaxed: the futex orders; the publisher looks again at cursor and pins */
	uint32_t bell = __atomic_load_n(&r->link->bell, __ATOMIC_RELAXED);

	__atomic_store_n(&r->link->bell, bell + 1, __ATOMIC_RELEASE);
	(void)!plx_sys_futex_wake(&r->link->bell, 1);
}

/*
 * The publisher waits for room for several messages, so that it is not woken for each; meanwhile it looks itself now
 * and then. Once for each position it wants.
 */
static plx_cold void ring_at_wanted(struct plx_reader *r)
{
	uint64_t wanted = __atomic_load_n(&r->head->wanted, __ATOMIC_RELAXED);

	if (wanted == r->rung || (int64_t)(r->told - wanted) < 0)
		return;
	r->rung = wanted;
	ring(r);
}

/* Figures for tools. */
static void tell_figures(struct plx_reader *r)
{
	struct plx_link *link = r->link;

	__atomic_store_n(&link->taken, plx_reader_taken(r), __ATOMIC_RELAXED);
	__atomic_store_n(&link->lost, r->lost, __ATOMIC_RELAXED);
	__atomic_store_n(&link->bytes, r->bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&link->pinned, r->pinned, __ATOMIC_RELAXED);
}

void plx_reader_tell(struct plx_reader *r)
{
	uint64_t cursor = r->next;
	bool held = r->oldest != NULL;
	uint32_t drop;

	while (r->oldest && !plx_mutant(MUT_CURSOR_PASSES_HELD))
		pin(r, r->oldest);
	r->enough = r->bytes + PLX_READER_LAZY_BYTES;
	plx_reader_later(r);
	if (cursor == r->told)
		return;
	tell_figures(r);
	/* relaxed: a wish; a slot that is held will be read again */
	drop = __atomic_load_n(&r->head->drop, __ATOMIC_RELAXED);
	if (plx_unlikely(drop & PLX_DROP_ENTRIES))
		plx_reader_drop(r, !held && (drop & PLX_DROP_SLOTS) != 0);
	r->told = cursor;
	/* T1 release: pairs with C1; who sees the cursor sees the pins, and we are done with all before */
	__atomic_store_n(&r->link->cursor, cursor, __ATOMIC_RELEASE);
	if (plx_unlikely(plx_reader_waited_for(r)))
		ring_at_wanted(r);
}

void plx_reader_released(struct plx_reader *r, bool pinned)
{
	uint64_t attention = __atomic_load_n(&r->head->attention, __ATOMIC_RELAXED);

	plx_reader_heard(r, attention);
	plx_reader_hint(r);
	if (pinned && plx_reader_waited_for(r))
		ring(r);
}

/*
 * batch.c - see batch.h. Nothing here is called more than once in a batch, but for the noting of words.
 */
#include <string.h>

#include "reducer/net/batch.h"
#include "reducer/net/cells.h"
#include "reducer/net/mail.h"

static uint64_t count_of(const struct worker *w, uint64_t count)
{
	return w->seq << ARENA_COUNT_BITS | count;
}

/* How many notes there are of the batch after commit @seq. */
static uint32_t counted(uint64_t word, uint64_t seq)
{
	const bool ours = (word ^ seq << ARENA_COUNT_BITS) >> ARENA_COUNT_BITS == 0;

	return ours ? (uint32_t)(word & ((1u << ARENA_COUNT_BITS) - 1)) : 0;
}

bool batch_note_word(struct worker *w, const void *word)
{
	struct arena_notes *notes = w->notes;

	if (w->words == ARENA_WORDS)
		return false;
	if (net_mutant(MUT_NET_WORD_UNNOTED))
		return true;
	notes->word[w->words] = (struct arena_word){
		.off = (uint64_t)((const char *)word - w->arena->base),
		.old = *(const uint64_t *)word,
	};
	BATCH_ORDER();
	/* relaxed: for ourselves and our successor */
	atomic_store_explicit(&notes->words, count_of(w, ++w->words), memory_order_relaxed);
	BATCH_ORDER();
	return true;
}

void batch_note_top(struct worker *w, uint32_t n)
{
	struct arena_notes *notes = w->notes;

#ifdef NET_MORTAL
	w->floor -= n;
	return;
#endif
	for (uint32_t i = 0; i < n; i++)
		notes->top_redex[w->tops + i] = *--w->floor;
	w->tops += n;
	BATCH_ORDER();
	if (!net_mutant(MUT_NET_TOP_UNNOTED))
		atomic_store_explicit(&notes->top, count_of(w, w->tops), memory_order_relaxed);
	BATCH_ORDER();
}

void batch_note_bottom(struct worker *w, uint32_t n)
{
	struct arena_notes *notes = w->notes;

	memcpy(notes->bottom_redex, w->bottom, n * sizeof(struct pair));
	BATCH_ORDER();
	if (!net_mutant(MUT_NET_BOTTOM_UNNOTED))
		atomic_store_explicit(&notes->bottom, count_of(w, n), memory_order_relaxed);
	BATCH_ORDER();
}

/* ---- commit ----------------------------------------------------------------------------------------- */

static uint64_t offset_of(const struct worker *w, const port *at)
{
	return (uint64_t)((const char *)at - (const char *)w->notes);
}

static port *at_offset(const struct worker *w, uint64_t off)
{
	return (port *)((char *)w->notes + off);
}

static void fill_record(struct worker *w)
{
	struct arena_record *now = &w->now;

	now->node_head = offset_of(w, w->hot.nodes);
	now->node_tail = offset_of(w, w->hot.nodes_end);
	now->var_head = offset_of(w, w->hot.vars);
	now->var_tail = offset_of(w, w->hot.vars_end);
	now->redex_bottom = (uint64_t)(w->bottom - w->redexes);
	now->redex_top = (uint64_t)(w->hot.top - w->redexes);
	now->foreign = w->foreigns;
	now->laters = w->laters;
	if (w->later_changed) {
		now->later_copy ^= 1;
		memcpy(w->notes->later[now->later_copy], w->later, w->laters * sizeof(*w->later));
		w->later_changed = false;
	}
}

/* All ends of rings that are ours, as of the last commit. Absolute values: doing it twice changes nothing. */
static void show_everything(struct worker *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct arena_peer *peer = &w->peer[i];
		struct arena_ring *out = w->out[i].ring, *in = w->in[i].ring;

		/* as M2, F1, M4 and F3 in mail.c and cells.c */
		atomic_store_explicit(&out->tail, peer->tail, memory_order_release);
		atomic_store_explicit(&out->chain_tail, peer->chain_tail, memory_order_release);
		atomic_store_explicit(&in->head, peer->head, memory_order_release);
		atomic_store_explicit(&in->chain_head, peer->chain_head, memory_order_release);
		w->out[i].published = peer->tail;
		w->out[i].seen = atomic_load_explicit(&out->head, memory_order_acquire); /* M1 */
	}
}

static void show(struct worker *w)
{
	/* relaxed: for those who watch; exact when we rest, and then ordered by Q1 */
	atomic_store_explicit(&w->line->interactions, w->now.interactions, memory_order_relaxed);
	atomic_store_explicit(&w->line->redexes, (uint64_t)(w->hot.top - w->bottom), memory_order_relaxed);
	for (uint64_t left = w->taken; left; left &= left - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(left);

		/* M4 release: pairs with M1; the slots may be written again */
		atomic_store_explicit(&w->in[i].ring->head, w->peer[i].head, memory_order_release);
		/* F3 release: pairs with F4; we have it, the next one may be put there */
		atomic_store_explicit(&w->in[i].ring->chain_head, w->peer[i].chain_head,
				      memory_order_release);
	}
	w->taken = 0;
	mail_show(w);
}

/* Nothing is noted yet, and what was free at the commit may be taken. */
static void begin(struct worker *w)
{
	const uint64_t batch = w->seq & ARENA_SET_MASK;

	w->batch = batch;
	w->hot.set = at_offset(w, arena_buffer_off(w->arena, ARENA_SET));
	w->set_mark = at_offset(w, arena_buffer_off(w->arena, ARENA_SET) + w->now.buffer_end[ARENA_SET]) -
		      BATCH_SETS * w->tick;
	w->words = w->tops = w->foreigns = 0;
	w->floor = w->hot.top;
	if (w->low > w->floor)
		w->low = w->floor;
	cells_begin(w);
}

/* Of the same name as a batch of long ago nothing may be left. */
static void forget_sets(struct worker *w)
{
	memset(at_offset(w, arena_buffer_off(w->arena, ARENA_SET)), 0, w->now.buffer_end[ARENA_SET]);
}

static void commit_once(struct worker *w)
{
	const uint64_t next = w->seq + 1;

	fill_record(w);
	if (net_mutant(MUT_NET_SEQ_EARLY)) {
		atomic_store_explicit(&w->part->seq, next, memory_order_release);
		BATCH_ORDER();
	}
	if (net_mutant(MUT_NET_ONE_RECORD)) {
		w->part->record[w->seq & 1] = w->now;
		BATCH_ORDER();
	}
	w->part->record[next & 1] = w->now;
	if (w->peers_dirty) {
		w->n = arena_open_parts(w->arena); /* whoever we have dealt with is among them */
		memcpy(arena_peers(w->arena, w->me, next), w->peer, w->n * sizeof(*w->peer));
		w->peers_dirty -= net_mutant(MUT_NET_PEERS_ONCE) ? w->peers_dirty : 1;
	}
	BATCH_ORDER();
	if (net_mutant(MUT_NET_SHOW_EARLY)) {
		show(w);
		BATCH_ORDER();
	}
	/* B1 release: with the record; tools may look. For our successor the order alone counts */
	atomic_store_explicit(&w->part->seq, next, memory_order_release);
	BATCH_ORDER();
	w->seq = next;
	show(w);
	begin(w);
}

void batch_commit(struct worker *w)
{
	commit_once(w);
	if (plx_unlikely(w->batch == ARENA_SET_NEVER)) {
		forget_sets(w);
		BATCH_ORDER();
		commit_once(w);
	}
	w->recommit = false;
}

/* ---- recover ---------------------------------------------------------------------------------------- */

/* Backwards: of a word noted twice the first note is the one that counts. */
static void undo_words(const struct worker *w, uint64_t seq)
{
	const struct arena_notes *notes = w->notes;

	for (uint32_t i = counted(atomic_load_explicit(&notes->words, memory_order_relaxed), seq); i-- > 0;)
		*(uint64_t *)(w->arena->base + notes->word[i].off) = notes->word[i].old;
}

static void undo_sets(const struct worker *w, uint64_t seq, const struct arena_record *record)
{
	const port *set = at_offset(w, arena_buffer_off(w->arena, ARENA_SET));
	const port *end = set + record->buffer_end[ARENA_SET] / sizeof(port);
	const port batch = seq & ARENA_SET_MASK;

	if (batch == ARENA_SET_NEVER)
		return;
	for (; set < end && (*set & ARENA_SET_MASK) == batch && *set >> PORT_INDEX_SHIFT; set++)
		*arena_var(w->arena, *set) = PORT_NONE;
}

static void undo_redexes(const struct worker *w, uint64_t seq, const struct arena_record *record)
{
	const struct arena_notes *notes = w->notes;
	uint32_t n = counted(atomic_load_explicit(&notes->top, memory_order_relaxed), seq);

	for (uint32_t i = 0; i < n && i < record->redex_top; i++)
		w->redexes[record->redex_top - 1 - i] = notes->top_redex[i];
	n = counted(atomic_load_explicit(&notes->bottom, memory_order_relaxed), seq);
	memcpy(w->redexes + record->redex_bottom, notes->bottom_redex, n * sizeof(struct pair));
}

static void take_over(struct worker *w)
{
	const struct arena_record *now = &w->now;

	w->hot.nodes = at_offset(w, now->node_head);
	w->hot.nodes_end = at_offset(w, now->node_tail);
	w->hot.vars = at_offset(w, now->var_head);
	w->hot.vars_end = at_offset(w, now->var_tail);
	w->hot.top = w->redexes + now->redex_top;
	w->bottom = w->redexes + now->redex_bottom;
	w->low = w->mark = w->bottom;
	w->limit = w->redexes;
	w->laters = (uint32_t)now->laters;
	memcpy(w->later, w->notes->later[now->later_copy], w->laters * sizeof(*w->later));
	w->foreigns = (uint32_t)now->foreign;
	w->pending = w->away = w->taken = 0;
	for (uint32_t i = 0; i < w->n; i++)
		if (w->peer[i].spilled)
			w->pending |= 1ull << i;
}

void batch_rewind(struct worker *w)
{
	w->seq = atomic_load_explicit(&w->part->seq, memory_order_acquire);
	w->now = w->part->record[w->seq & 1];
	memcpy(w->peer, arena_peers(w->arena, w->me, w->seq), w->arena->n * sizeof(*w->peer));
	take_over(w);
	if (!net_mutant(MUT_NET_NO_SHOW))
		show_everything(w);
	w->peers_dirty = 2;
}

void batch_recover(struct worker *w)
{
	const uint64_t seq = atomic_load_explicit(&w->part->seq, memory_order_acquire);
	const struct arena_record *record = &w->part->record[seq & 1];

	if (!net_mutant(MUT_NET_NO_UNDO)) {
		undo_words(w, seq);
		undo_sets(w, seq, record);
		undo_redexes(w, seq, record);
		BATCH_ORDER();
	}
	/* growth that was not committed is asked for again */
	atomic_store_explicit(&w->line->memory, arena_held(w->arena, w->me, record), memory_order_seq_cst);
	batch_rewind(w);
	for (uint32_t i = 0; i < w->n && w->now.job != 0; i++)
		if (i != w->me && !net_mutant(MUT_NET_NO_WAKE))
			mail_wake(w, i);
	w->unread = (~0ull >> (64 - w->n)) & ~(1ull << w->me);
	w->mixed = w->n > 1;
	begin(w);
}

/*
 * mail.c - see mail.h.
 */
#include <plx/process.h>

#include "reducer/net/cells.h"
#include "reducer/net/mail.h"
#include "reducer/net/owner.h"
#include "reducer/net/rules.h"

/* So many messages do not wait for the next tick. */
#define MAIL_BATCH 64u

/* Record @number - 1 of the own spill area. */
static struct arena_spilled *mail_record(const struct worker *w, uint64_t number)
{
	return &w->spill[number - 1];
}

/* Records are chained while they are in use and while they are not: who takes one off a chain leaves its word there. */
static uint64_t mail_new_record(struct worker *w)
{
	struct arena_record *now = &w->now;
	uint64_t number = now->spill_free;

	if (number != 0 && batch_note_word(w, &mail_record(w, number)->next)) {
		now->spill_free = mail_record(w, number)->next;
		return number;
	}
	if (now->spill_fresh == now->spill_end) {
		int64_t grown = arena_grow(w->arena, w->me, arena_spill_off(w->arena, w->me),
					   now->spill_end * sizeof(struct arena_spilled),
					   sizeof(struct arena_spilled), arena_spill_room(w->arena));

		if (grown < 0)
			return 0;
		now->spill_end = (uint64_t)grown / sizeof(struct arena_spilled);
	}
	return ++now->spill_fresh;
}

/* No room in the ring: keep it here for later. When there is no room here either the program ends. */
static void mail_spill(struct worker *w, struct arena_peer *peer, port a, port b)
{
	uint64_t number = mail_new_record(w);

	if (number == 0) {
		worker_stop(w, NET_MEMORY, 0);
		return;
	}
	*mail_record(w, number) = (struct arena_spilled){ .message = { a, b }, .next = peer->spilled };
	peer->spilled = number;
	w->now.spilled++;
}

static bool mail_put(struct worker *w, uint32_t to, port a, port b)
{
	const uint64_t size = w->arena->control->ring;
	struct worker_out *out = &w->out[to];
	struct arena_peer *peer = &w->peer[to];

	if (peer->tail - out->seen == size) {
		/* M1 acquire: pairs with M4; the receiver is done with the slot we reuse */
		out->seen = atomic_load_explicit(&out->ring->head, memory_order_acquire);
		if (peer->tail - out->seen == size)
			return false;
	}
	out->ring->slot[peer->tail & (size - 1)] = (struct pair){ a, b };
	peer->tail++;
	if (net_mutant(MUT_NET_TAIL_EARLY))
		atomic_store_explicit(&out->ring->tail, peer->tail, memory_order_release);
	return true;
}

void mail_show(struct worker *w)
{
	for (uint64_t left = w->pending; left; left &= left - 1) {
		const uint32_t to = (uint32_t)__builtin_ctzll(left);
		struct worker_out *out = &w->out[to];
		const struct arena_peer *peer = &w->peer[to];

		/* F1 release: pairs with F2; who sees the count sees the chain */
		atomic_store_explicit(&out->ring->chain_tail, peer->chain_tail, memory_order_release);
		if (out->published != peer->tail) {
			/* M2 release: pairs with M3; who sees the tail sees the messages and the nodes they lead to */
			atomic_store_explicit(&out->ring->tail, peer->tail, memory_order_release);
			out->published = peer->tail;
			mail_wake(w, to);
		}
		if (peer->spilled == 0)
			w->pending &= ~(1ull << to);
	}
}

void mail_wake(struct worker *w, uint32_t who)
{
	struct arena_line *line = &w->arena->lines[who];

	/*
	 * W1 seq_cst: between our message and our look at asleep; pairs with W2, between the other's asleep and its look
	 * at inbox. One of the two sees the other; O1, in between, finds the bell of whoever has it now, see owner.h.
	 */
	atomic_fetch_or_explicit(&line->inbox, 1ull << w->me, memory_order_seq_cst);
	line = &w->arena->lines[owner_worker(owner_of(w->arena, who))];
	if (line == w->bell)
		return; /* we are awake */
	if (atomic_load_explicit(&line->asleep, memory_order_seq_cst) &&
	    atomic_exchange_explicit(&line->asleep, 0, memory_order_seq_cst))
		plx_futex_wake((uint32_t *)&line->asleep, 1);
}

void mail_send(struct worker *w, uint32_t to, port a, port b)
{
	w->now.sent++;
	w->mixed = true;
	w->pending |= 1ull << to;
	w->peers_dirty = 2;
	if (w->peer[to].spilled != 0 || !mail_put(w, to, a, b))
		mail_spill(w, &w->peer[to], a, b);
	else if (w->peer[to].tail - w->out[to].published >= MAIL_BATCH)
		rules_hurry(w, &w->hot);
}

void mail_retry(struct worker *w)
{
	for (uint64_t left = w->pending; left; left &= left - 1) {
		const uint32_t to = (uint32_t)__builtin_ctzll(left);
		struct arena_peer *peer = &w->peer[to];

		while (peer->spilled != 0) {
			const uint64_t number = peer->spilled;
			struct arena_spilled *record = mail_record(w, number);

			if (w->words == ARENA_WORDS || !mail_put(w, to, record->message.a, record->message.b))
				break;
			(void)batch_note_word(w, &record->next);
			peer->spilled = record->next;
			record->next = w->now.spill_free;
			w->now.spill_free = number;
			w->now.spilled--;
			w->peers_dirty = 2;
			w->recommit = true;
		}
	}
}

uint64_t mail_arrived(struct worker *w)
{
	/* relaxed: a note missed now is seen at the next tick, or by W2 before we sleep */
	if (atomic_load_explicit(&w->line->inbox, memory_order_relaxed) == 0)
		return 0;
	/* acquire: what was noted after this is noted again */
	return atomic_exchange_explicit(&w->line->inbox, 0, memory_order_acquire);
}

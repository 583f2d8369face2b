/*
 * mail.c - see mail.h.
 */
#include <plx/process.h>

#include "reducer/net/cells.h"
#include "reducer/net/mail.h"

/* So many messages are published without waiting for the next tick. */
#define MAIL_BATCH 64u

/* Record @number - 1 of the own spill area. */
static struct arena_spilled *mail_record(const struct worker *w, uint64_t number)
{
	return &w->spill[number - 1];
}

static uint64_t mail_new_record(struct worker *w)
{
	struct arena_part *part = w->part;
	uint64_t number = w->spill_free;

	if (number != 0) {
		w->spill_free = mail_record(w, number)->next;
		return number;
	}
	if (part->spill_fresh == part->spill_end) {
		int64_t grown = arena_grow(w->arena, arena_spill_off(w->arena, w->me),
					   part->spill_end * sizeof(struct arena_spilled),
					   sizeof(struct arena_spilled), arena_spill_room(w->arena));

		if (grown < 0)
			return 0;
		part->spill_end = (uint64_t)grown / sizeof(struct arena_spilled);
	}
	return ++part->spill_fresh;
}

/* No room in the ring: keep it here for later. When there is no room here either the program ends. */
static void mail_spill(struct worker *w, struct worker_out *out, port a, port b)
{
	uint64_t number = mail_new_record(w);

	if (number == 0) {
		worker_stop(w, NET_MEMORY, 0);
		return;
	}
	*mail_record(w, number) = (struct arena_spilled){ .message = { a, b }, .next = out->spilled };
	out->spilled = number;
	w->part->spilled++;
}

static bool mail_put(struct worker *w, struct worker_out *out, port a, port b)
{
	const uint64_t size = w->arena->control->ring;

	if (out->tail - out->seen == size) {
		/* M1 acquire: pairs with M4; the receiver is done with the slot we reuse */
		out->seen = atomic_load_explicit(&out->ring->head, memory_order_acquire);
		if (out->tail - out->seen == size)
			return false;
	}
	out->ring->slot[out->tail & (size - 1)] = (struct pair){ a, b };
	out->tail++;
	return true;
}

static void mail_publish(struct worker *w, uint32_t to)
{
	struct worker_out *out = &w->out[to];

	if (out->published == out->tail)
		return;
	/* M2 release: pairs with M3; who sees the tail sees the messages and the nodes they lead to */
	atomic_store_explicit(&out->ring->tail, out->tail, memory_order_release);
	out->published = out->tail;
	mail_wake(w, to);
}

void mail_wake(struct worker *w, uint32_t who)
{
	struct arena_line *line = &w->arena->lines[who];

	/*
	 * W1 seq_cst: between our message and our look at asleep; pairs with W2, between the other's asleep and its look
	 * at inbox. One of the two sees the other.
	 */
	atomic_fetch_or_explicit(&line->inbox, 1ull << w->me, memory_order_seq_cst);
	if (atomic_load_explicit(&line->asleep, memory_order_seq_cst) &&
	    atomic_exchange_explicit(&line->asleep, 0, memory_order_seq_cst))
		plx_futex_wake((uint32_t *)&line->asleep, 1);
}

void mail_send(struct worker *w, uint32_t to, port a, port b)
{
	struct worker_out *out = &w->out[to];

	w->sent++;
	w->mixed = true;
	w->pending |= 1ull << to;
	if (out->spilled != 0 || !mail_put(w, out, a, b))
		mail_spill(w, out, a, b);
	else if (out->tail - out->published >= MAIL_BATCH)
		mail_publish(w, to);
}

void mail_flush(struct worker *w)
{
	for (uint64_t left = w->pending; left; left &= left - 1) {
		const uint32_t to = (uint32_t)__builtin_ctzll(left);
		struct worker_out *out = &w->out[to];

		while (out->spilled != 0) {
			uint64_t number = out->spilled;
			struct arena_spilled *record = mail_record(w, number);

			if (!mail_put(w, out, record->message.a, record->message.b))
				break;
			out->spilled = record->next;
			record->next = w->spill_free;
			w->spill_free = number;
			w->part->spilled--;
		}
		mail_publish(w, to);
		if (out->spilled == 0)
			w->pending &= ~(1ull << to);
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

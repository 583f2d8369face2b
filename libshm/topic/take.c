/*
 * take.c - reading the log: is the next message there, is it what it says, may we use it?
 *
 *	entry.sequence == next + 1 ─┬─ reliable: copy the entry, was somebody let go? ask : hand out
 *	                            └─ lossy: copy the entry, pin the slot, then tail > next? lapped : hand out
 *	                  > next + 1 ── lapped: the tail says by how many
 *	                  otherwise ─── nothing yet; or the end
 *
 * The entry is one line, which is here once we saw its sequence: a copy costs less than holding the publisher up, and
 * what is handed out from it is what was checked.
 */
#include <errno.h>

#include "base/mutant.h"
#include "topic/drop.h"
#include "topic/fence.h"
#include "topic/handshake_layout.h"
#include "topic/take.h"

/* How often a lossy reader runs after a tail that moves on before it says "nothing just now". */
#define CHASES 4

/* The publisher has a word for everybody, rarely. true: it let somebody go, which may be us. */
static plx_cold bool somebody_let_go(struct plx_reader *r, uint64_t attention)
{
	if ((attention ^ r->attention) >= PLX_ATTENTION_LET_GO) {
		r->seen = attention;
		return true;
	}
	plx_reader_heard(r, attention);
	if (attention & PLX_ATTENTION_WAITING)
		plx_reader_hint(r);
	return false;
}

/* The word for everybody: true when somebody was let go since we last asked, which may be us. */
static bool called(struct plx_reader *r)
{
	uint64_t attention;

	return plx_reader_called(r, &attention) && somebody_let_go(r, attention);
}

/* ---- lossy --------------------------------------------------------------------------------------- */

/* The messages before the tail are gone; false when it is not beyond us after all. */
static bool count_lost(struct plx_reader *r)
{
	/* R3 acquire: pairs with G1 */
	uint64_t tail = __atomic_load_n(&r->head->tail, __ATOMIC_ACQUIRE);

	if ((int64_t)(tail - r->next) <= 0)
		return false;
	r->lost += tail - r->next;
	r->next = tail;
	return true;
}

void plx_reader_keep_newest(struct plx_reader *r, uint64_t depth)
{
	/* relaxed: a number to compare; what lies there is looked at with acquire */
	uint64_t head = __atomic_load_n(&r->head->head, __ATOMIC_RELAXED);

	if (head - r->next > r->mask + 1)
		count_lost(r);
	if (head - r->next > r->mask + 1 || head - r->next <= depth) /* nonsense; or few enough */
		return;
	r->lost += head - r->next - depth;
	r->next = head - depth;
}

/* Take what lies at next into the first unused holder, if it is still there when we have it. */
static enum plx_found_what take_lossy(struct plx_reader *r, struct plx_buffer *b)
{
	struct plx_holder *h = r->unused;
	struct plx_glance g;

	plx_glance(r, &g, h, &r->log[r->next & r->mask]);
	if (!plx_mutant(MUT_NO_LOOK_AFTER_COPY) && count_lost(r))
		return PLX_READER_LAPPED;
	if (called(r))
		return PLX_READER_ATTENTION;
	if (!plx_glance_honest(r, &g))
		return PLX_READER_LIES;
	plx_holder_take(r, h, g.slot);
	if (g.slot != PLX_SLOT_NONE) {
		plx_holder_pin_now(r, h);
		/* it may be in use again: then the pin came too late */
		if (!plx_mutant(MUT_NO_LOOK_AFTER_PIN) && count_lost(r)) {
			plx_reader_release(r, h);
			return PLX_READER_LAPPED;
		}
	}
	plx_hand_out(r, b, &g, h);
	return PLX_READER_MESSAGE;
}

/* ---- nothing there ------------------------------------------------------------------------------- */

/* The next entry does not hold our message. */
static enum plx_found_what nothing(const struct plx_reader *r, uint64_t sequence)
{
	uint64_t attention, end;

	if ((int64_t)(sequence - r->next) > 1 && sequence <= PLX_POSITION_MAX)
		return PLX_READER_LAPPED;
	/* R4 acquire: pairs with W2; the last message was there before the end was */
	attention = __atomic_load_n(&r->head->attention, __ATOMIC_ACQUIRE);
	if (!(attention & PLX_ATTENTION_ENDED))
		return PLX_READER_NOTHING;
	end = __atomic_load_n(&r->head->end_position, __ATOMIC_RELAXED);
	if (end == r->next)
		return PLX_READER_ENDED;
	if (plx_reader_ready(r))
		return PLX_READER_MESSAGE;
	return (int64_t)(end - r->next) < 0 || r->reliable ? PLX_READER_LIES : PLX_READER_LAPPED;
}

/* ---- the door ------------------------------------------------------------------------------------ */

static enum plx_found_what take_reliable(struct plx_reader *r, struct plx_buffer *b)
{
	struct plx_holder *h = r->unused;
	struct plx_glance g;

	plx_glance(r, &g, h, &r->log[r->next & r->mask]);
	if (called(r))
		return PLX_READER_ATTENTION;
	if (!plx_glance_honest(r, &g))
		return PLX_READER_LIES;
	plx_holder_take(r, h, g.slot);
	if (g.slot != PLX_SLOT_NONE)
		plx_holder_list(r, h);
	plx_hand_out(r, b, &g, h);
	return PLX_READER_MESSAGE;
}

enum plx_found_what plx_reader_take(struct plx_reader *r, struct plx_buffer *b)
{
	if (plx_unlikely(plx_reader_due(r)))
		plx_reader_hint(r);
	for (int chases = 0; chases < CHASES; chases++) {
		/* R1 acquire: pairs with W1 */
		uint64_t sequence = __atomic_load_n(&r->log[r->next & r->mask].sequence, __ATOMIC_ACQUIRE);
		enum plx_found_what found;

		if (plx_likely(sequence == r->next + 1)) {
			if (plx_unlikely(!r->unused) && r->holders >= r->quota) {
				plx_reader_hint(r);
				return PLX_READER_QUOTA;
			}
			if (plx_unlikely(!r->unused) && !plx_holder_more(r))
				return PLX_READER_MEMORY;
			found = plx_likely(r->reliable) ? take_reliable(r, b) : take_lossy(r, b);
		} else {
			if (r->told != r->next) {
				plx_reader_hint(r);
				/* relaxed: a wish */
				if (plx_unlikely(__atomic_load_n(&r->head->drop, __ATOMIC_RELAXED) &
						 PLX_DROP_BEHIND))
					plx_reader_stay_behind(r);
			}
			found = nothing(r, sequence);
			if (found == PLX_READER_MESSAGE)
				continue;
			if (found == PLX_READER_LAPPED && !r->reliable && !count_lost(r))
				return PLX_READER_LIES; /* overwritten, and yet not before the tail */
		}
		if (plx_likely(found != PLX_READER_LAPPED) || r->reliable)
			return found;
	}
	return PLX_READER_NOTHING;
}

enum plx_found_what plx_reader_look(const struct plx_reader *r)
{
	/* relaxed: take looks again */
	uint64_t sequence = __atomic_load_n(&r->log[r->next & r->mask].sequence, __ATOMIC_RELAXED);

	return sequence == r->next + 1 ? PLX_READER_MESSAGE : nothing(r, sequence);
}

void plx_reader_heeded(struct plx_reader *r)
{
	r->attention = r->seen & ~(PLX_ATTENTION_LET_GO - 1);
}

int plx_reader_reason(const struct plx_reader *r)
{
	int64_t reason = __atomic_load_n(&r->head->end_reason, __ATOMIC_RELAXED);

	if (reason == 0)
		return -ESHUTDOWN;
	return reason < 0 && reason >= -PLX_REFUSE_ERROR_MAX ? (int)reason : -EBADMSG;
}

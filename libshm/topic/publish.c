/*
 * publish.c - the publisher's data path: claim a slot, fill it, write one entry, store its sequence.
 *
 * No system call, no lock, no allocation, no clock (unless every message is stamped), no fence: as long as there is room
 * and nobody sleeps. What happens otherwise is in full.c and at the end of this file.
 */
#define PLX_NO_QUICK /* they are defined here */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/publisher_state.h"
#include "topic/wire.h"

/* Inside: room for one message, waiting for it if that is the policy. */
static int room(struct plx_publisher *pub)
{
	struct plx_full_wait wait = PLX_FULL_WAIT_NONE;
	int ret = 0;

	if (pub->ended)
		return -ESHUTDOWN;
	if (plx_writer_room(&pub->writer))
		return 0;
	while (ret == 0 && !plx_writer_make_room(&pub->writer))
		ret = plx_full_pause(pub, &wait, false);
	plx_full_done(pub, &wait);
	return ret;
}

/* Inside: a message was published, and somebody may sleep. */
static void published(struct plx_publisher *pub)
{
	if (pub->batch)
		pub->unflushed = true;
	else if (!plx_mutant(MUT_WAKE_BEFORE_MESSAGE))
		plx_publisher_wake(pub);
}

/* Inside: the stamp of the entry about to be committed; the flag for it. */
static uint32_t stamp(struct plx_publisher *pub)
{
	if (pub->stamp)
		plx_writer_stamp(plx_writer_entry(&pub->writer), plx_now_ns());
	return pub->stamp;
}

/*
 * Now and then it matters how long somebody takes to fill a slot (topic/distance.h). Then there is no short way from its loan
 * on until something is published or dropped.
 */
static plx_cold void look_how_it_is_filled(struct plx_publisher *pub, uint32_t slot)
{
	plx_distance_loaned(&pub->writer.distance, slot);
	pub->writer.quick.on = 0;
}

static inline void was_filled(struct plx_publisher *pub, uint32_t slot, uint64_t length)
{
	if (plx_likely(pub->writer.distance.loaned_ns == 0))
		return;
	plx_distance_filled(&pub->writer.distance, slot, length);
	plx_publisher_quicken(pub);
}

/* ---- loan ------------------------------------------------------------------------------------------ */

static inline void set_loan(const struct plx_publisher *pub, struct plx_loan *loan, uint32_t slot)
{
	*loan = (struct plx_loan){
		.data = plx_pool_slot(&pub->writer.pool, slot),
		.capacity = pub->slot_size,
		.slot = slot,
		.type = pub->type,
	};
}

static inline void loan_is_over(struct plx_loan *loan)
{
	loan->data = NULL;
	loan->slot = PLX_SLOT_NONE;
}

int plx_publisher_loan_slowly(struct plx_publisher *pub, struct plx_loan *loan)
{
	struct plx_full_wait wait = PLX_FULL_WAIT_NONE;
	uint32_t slot = plx_writer_claim_shared(&pub->writer);
	int ret = 0;

	/* outside: what is in hand belongs to the user's threads, the control thread never touches it */
	if (plx_likely(slot != PLX_SLOT_NONE)) {
		set_loan(pub, loan, slot);
		return 0;
	}
	plx_publisher_enter(pub);
	slot = plx_writer_claim(&pub->writer);
	while (plx_unlikely(slot == PLX_SLOT_NONE) && ret == 0) {
		ret = plx_full_pause(pub, &wait, true);
		if (ret == 0)
			slot = plx_writer_claim(&pub->writer);
	}
	plx_full_done(pub, &wait);
	plx_publisher_leave(pub);
	if (ret < 0)
		return ret;
	set_loan(pub, loan, slot);
	if (plx_unlikely(pub->writer.distance.ask) && pub->writer.quick.on)
		look_how_it_is_filled(pub, slot);
	return 0;
}

void plx_publisher_drop_slowly(struct plx_publisher *pub, struct plx_loan *loan)
{
	plx_publisher_enter(pub);
	was_filled(pub, PLX_SLOT_NONE, 0);
	plx_writer_drop(&pub->writer, loan->slot);
	plx_publisher_leave(pub);
}

int plx_publisher_publish_slowly(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length)
{
	int ret;

	assert(loan->data && loan->slot < pub->writer.pool.slots);
	if (length > pub->slot_size)
		return -EMSGSIZE;
	plx_publisher_enter(pub);
	was_filled(pub, loan->slot, length);
	ret = room(pub);
	if (ret == 0) {
		uint32_t flags = (loan->flags & 0xffffu & ~PLX_BUFFER_STAMPED) | stamp(pub);

		plx_writer_put(&pub->writer, loan->slot, (uint32_t)length, loan->type, flags);
		loan_is_over(loan);
		if (pub->writer.quick.sleepers)
			published(pub);
	}
	plx_publisher_leave(pub);
	return ret;
}

static int send_copy(struct plx_publisher *pub, const void *data, uint64_t length)
{
	struct plx_loan loan;
	int ret;

	if (length > pub->slot_size)
		return -EMSGSIZE;
	ret = plx_publisher_loan(pub, &loan);
	if (ret < 0)
		return ret;
	memcpy(loan.data, data, length);
	ret = plx_publisher_publish(pub, &loan, length);
	if (ret < 0)
		plx_publisher_drop(pub, &loan);
	return ret;
}

int plx_publisher_send_slowly(struct plx_publisher *pub, const void *data, uint64_t length)
{
	int ret;

	if (length > pub->inside_max)
		return send_copy(pub, data, length);
	plx_publisher_enter(pub);
	was_filled(pub, PLX_SLOT_NONE, 0);
	ret = room(pub);
	if (ret == 0) {
		uint32_t flags = stamp(pub);

		if (plx_mutant(MUT_WAKE_BEFORE_MESSAGE))
			plx_publisher_wake(pub);
		plx_writer_put_inline(&pub->writer, data, (uint32_t)length, pub->type, flags);
		if (pub->writer.quick.sleepers)
			published(pub);
	}
	plx_publisher_leave(pub);
	return ret;
}

int plx_publisher_published(struct plx_publisher *pub)
{
	plx_publisher_enter(pub);
	published(pub);
	plx_publisher_leave(pub);
	return 0;
}

/* ---- the short ways, for who does not have them inline ------------------------------------------------ */

int plx_publisher_loan(struct plx_publisher *pub, struct plx_loan *loan)
{
	return plx_quick_loan(pub, loan);
}

void plx_publisher_drop(struct plx_publisher *pub, struct plx_loan *loan)
{
	plx_quick_drop(pub, loan);
}

int plx_publisher_publish(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length)
{
	return plx_quick_publish(pub, loan, length);
}

int plx_publisher_send(struct plx_publisher *pub, const void *data, uint64_t length)
{
	return plx_quick_send(pub, data, length);
}

/* How many go at once, up to @count: there is room for one, at least. */
static inline uint32_t at_once(const struct plx_writer *writer, uint32_t count)
{
	uint64_t room = writer->quick.limit - writer->head->head;

	if (count > PLX_TOPIC_AHEAD)
		count = PLX_TOPIC_AHEAD;
	return count < room ? count : (uint32_t)room;
}

int plx_publisher_send_many(struct plx_publisher *pub, const void *data, uint64_t length, uint32_t count)
{
	const unsigned char *from = data;
	uint32_t done = 0, n;
	int ret = 0;

	if (count > INT_MAX)
		return -EINVAL;
	for (; done < count; done += n, from += n * length) {
		if (length > pub->inside_max || !plx_quick_room(&pub->writer.quick)) {
			ret = plx_publisher_send(pub, from, length);
			if (ret < 0)
				break;
			n = 1;
			continue;
		}
		n = at_once(&pub->writer, count - done);
		plx_writer_put_many(&pub->writer, from, (uint32_t)length, n, pub->type);
		plx_fence_near(); /* J1, as plx_quick_commit() */
		if (plx_unlikely(__atomic_load_n(&pub->writer.quick.sleepers, __ATOMIC_RELAXED)))
			plx_publisher_published(pub);
	}
	return done ? (int)done : ret;
}

/* ---- waking -------------------------------------------------------------------------------------- */

/*
 * Whose turn it is to fence between a message and the look at who sleeps. As a rule it is the sleeper's, who has the
 * kernel do it; but while somebody is woken again and again, a fence here is nothing beside the waking, and spares them
 * the call. After so many looks in vain nobody is about to sleep as often, and it is their turn again.
 */
#define LULL 64u

static void turn(struct plx_publisher *pub, bool fenced)
{
	pub->fenced = fenced;
	pub->lull = 0;
	/* W3 release: pairs with S3; who sees "fenced" sees every message that was published before without one */
	__atomic_store_n(&pub->writer.head->fenced, fenced, __ATOMIC_RELEASE);
}

/* One that says it sleeps, and was not woken for that sleep yet. */
static void wake_one(struct plx_publisher *pub, struct plx_member *m, uint32_t sleep)
{
	const uint64_t one = 1;
	/* the alarm is our own: nobody can make it full, or block us; a full queue has woken who has bytes in it */
	int ret = sleep & PLX_SLEEP_ALARM ? (int)plx_sys_write(m->alarm, &one, sizeof(one))
					  : plx_wire_wake(m->fd, PLX_WAKE_LOOK);

	if (plx_unlikely(ret == -ENOBUFS || ret == -ENOMEM)) {
		pub->unflushed = true; /* it sleeps on: again with the next message, or flush */
		return;
	}
	m->follower.sleep_seen = sleep;
	pub->woken++;
}

/* Whether anybody was woken. */
static bool wake_all(struct plx_publisher *pub)
{
	uint64_t woken = pub->woken;

	if (plx_unlikely(pub->fenced))
		plx_fence_full();
	else
		plx_fence_near(); /* who is about to sleep has the kernel fence for both, and looks again */
	for (uint32_t i = 0; i < pub->writer.quick.sleepers; i++) {
		struct plx_member *m = pub->sleeper[i].member;
		/* S1 relaxed: ordered after W1 by the sleeper's barrier; pairs with S2 */
		uint32_t sleep = __atomic_load_n(pub->sleeper[i].word, __ATOMIC_RELAXED);

		if (plx_unlikely(sleep & PLX_SLEEP_ASLEEP) && sleep != m->follower.sleep_seen)
			wake_one(pub, m, sleep);
	}
	if (plx_likely(woken == pub->woken))
		return false;
	__atomic_store_n(&pub->writer.head->woken, pub->woken, __ATOMIC_RELAXED);
	return true;
}

void plx_publisher_wake(struct plx_publisher *pub)
{
	pub->unflushed = false;
	if (plx_unlikely(wake_all(pub))) {
		pub->lull = 0;
		if (!pub->fenced)
			turn(pub, true);
	} else if (plx_unlikely(pub->fenced) && !pub->own_fences && ++pub->lull == LULL) {
		turn(pub, false);
		plx_fence_full(); /* who saw "fenced" just before has said that it sleeps, and we see it now */
		wake_all(pub);
	}
}

void plx_publisher_flush(struct plx_publisher *pub)
{
	if (!pub->threads && !pub->unflushed)
		return;
	plx_publisher_enter(pub);
	if (pub->unflushed)
		plx_publisher_wake(pub);
	plx_publisher_leave(pub);
}

void plx_publisher_batch(struct plx_publisher *pub, bool on)
{
	if (!on)
		plx_publisher_flush(pub);
	plx_publisher_enter(pub);
	pub->batch = on;
	plx_publisher_leave(pub);
}

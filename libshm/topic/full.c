/*
 * full.c - the publisher waits for its readers: for room in the log, for a slot, for all to have read everything.
 *
 *	no room -> look who stands in the way -> spin a little -> say "waiting", fence everybody, look again
 *	        -> sleep on the bell of the slowest, in slices -> ... until there is room, or the policy says enough
 *
 * A reader that sees "waiting" tells its cursor at each step, and rings when it passed the position we want. The slices
 * are for what nobody rings for: a reader that lies, or a death that the control thread announces just before we sleep.
 * Outside, the control thread may unmap the link we sleep on: then the kernel says so, and we look again.
 */
#include <errno.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/publisher_state.h"

#define BURSTS      16u /* of spinning: about 8 us in all */
#define YIELDS_FROM 8u
#define SLICE_NS    UINT64_C(2000000)
#define WATCH_NS    UINT64_C(10000000) /* more than this between two looks is our own absence */

/* ---- steps of a wait ----------------------------------------------------------------------------- */

/* Inside again when it returns. */
static void spin(struct plx_publisher *pub, uint32_t burst)
{
	plx_publisher_leave(pub);
	for (uint32_t i = 0; i < UINT32_C(1) << (burst < 6 ? burst : 6); i++)
		plx_relax();
	if (burst >= YIELDS_FROM)
		plx_sys_yield(); /* the readers may want this very processor */
	plx_publisher_enter(pub);
}

void plx_publisher_attend(struct plx_publisher *pub, uint64_t attention)
{
	pub->attention = attention;
	/* W2 release: pairs with R4; for "ended", what was stored before is seen */
	__atomic_store_n(&pub->writer.head->attention, attention, __ATOMIC_RELEASE);
}

/* Readers ring when they pass @wanted. Afterwards the caller must look once more before it sleeps. */
static void announce(struct plx_publisher *pub, uint64_t wanted)
{
	__atomic_store_n(&pub->writer.head->wanted, wanted, __ATOMIC_RELAXED);
	plx_publisher_attend(pub, pub->attention | PLX_ATTENTION_WAITING);
	if (plx_mutant(MUT_WAIT_UNFENCED))
		return;
	plx_fence_full();
	/* the readers' half of the fence; without it, or for readers it does not reach, slices have to do */
	(void)!plx_sys_barrier(PLX_SYS_BARRIER_GLOBAL);
}

/* Inside again when it returns. */
static int sleep_on(struct plx_publisher *pub, const struct plx_follower *who, uint32_t bell, uint64_t ns)
{
	const uint32_t *word = &who->link->bell; /* outside, who may be gone */
	int ret;

	plx_publisher_leave(pub);
	ret = plx_futex_wait(word, bell, ns < SLICE_NS ? ns : SLICE_NS);
	plx_publisher_enter(pub);
	return ret == -EINTR ? -EINTR : 0;
}

/* Who showed a value no honest reader can have has to go; true when somebody did. */
static bool drop_liars(struct plx_publisher *pub)
{
	struct plx_writer *w = &pub->writer;
	bool any = false;

	for (uint32_t i = 0; i < w->count;) {
		if (w->followers[i]->liar) {
			plx_member_let_go((struct plx_member *)w->followers[i], EBADMSG);
			any = true; /* another one has its place now */
		} else {
			i++;
		}
	}
	return any;
}

static uint64_t time_left(uint64_t deadline_ns)
{
	uint64_t now;

	if (deadline_ns == UINT64_MAX)
		return UINT64_MAX;
	now = plx_now_ns();
	return now < deadline_ns ? deadline_ns - now : 0;
}

static uint64_t deadline_in(uint64_t ns)
{
	uint64_t now = plx_now_ns();

	return ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
}

/* The bell is read, then the caller looks once more, then we sleep if it is still the same. */
static int sleep_step(struct plx_publisher *pub, struct plx_full_wait *wait, const struct plx_follower *who,
		      uint64_t ns)
{
	if (wait->who != who) {
		wait->who = who;
		/* F1 acquire: pairs with the release in ring() */
		wait->bell = __atomic_load_n(&who->link->bell, __ATOMIC_ACQUIRE);
		return 0;
	}
	wait->who = NULL;
	return sleep_on(pub, who, wait->bell, ns);
}

/* ---- room, slots --------------------------------------------------------------------------------- */

static void begin(struct plx_publisher *pub, struct plx_full_wait *wait)
{
	wait->begun = true;
	wait->looked_ns = plx_now_ns();
	if (pub->full_ns && pub->full != PLX_FULL_DROP)
		wait->deadline_ns = deadline_in(pub->full_ns);
	pub->waited++;
	__atomic_store_n(&pub->writer.head->waited, pub->waited, __ATOMIC_RELAXED);
	if (pub->writer.quick.sleepers)
		plx_publisher_wake(pub); /* never wait for somebody who was not woken */
}

/* So much that waking us is worth its price: while we sleep readers have work for as long again. */
static uint64_t enough(const struct plx_writer *w)
{
	uint64_t some = (w->head->head - w->gate) / 2;

	return w->gate + (some ? some : 1);
}

/*
 * How much longer we wait for @who before we let it go: as long as our policy says, or as it wants to be waited for
 * itself. Only time in which we looked counts. A publisher that was stopped, or that had to wait for a processor, has
 * not seen its readers do nothing; they may have had to wait for the same one.
 */
static uint64_t patience_left(const struct plx_publisher *pub, struct plx_full_wait *wait,
			      const struct plx_follower *who)
{
	uint64_t most = pub->full == PLX_FULL_DROP ? pub->full_ns : UINT64_MAX, now, since;

	if (who->patience_ns && who->patience_ns < most)
		most = who->patience_ns;
	if (most == UINT64_MAX)
		return most;
	now = plx_now_ns();
	since = now - wait->looked_ns;
	wait->looked_ns = now;
	wait->watched_ns += since < WATCH_NS ? since : WATCH_NS;
	return wait->watched_ns < most ? most - wait->watched_ns : 0;
}

int plx_full_pause(struct plx_publisher *pub, struct plx_full_wait *wait, bool slot)
{
	struct plx_follower *who;
	uint64_t left, patience;

	if (slot)
		plx_writer_judge(&pub->writer);
	if (drop_liars(pub))
		return 0;
	who = plx_writer_slowest(&pub->writer, slot);
	if (!who)
		return slot ? -ENOSPC : 0;
	if (pub->full == PLX_FULL_FAIL) {
		if (pub->unflushed)
			plx_publisher_wake(pub); /* "again" is in vain as long as they sleep */
		return -EAGAIN;
	}
	if (!wait->begun)
		begin(pub, wait);
	if (wait->bursts < BURSTS && (pub->full_ns || pub->full != PLX_FULL_DROP)) {
		spin(pub, wait->bursts++);
		return 0;
	}
	patience = patience_left(pub, wait, who);
	if (patience == 0) {
		plx_member_let_go((struct plx_member *)who, ETIMEDOUT);
		return 0;
	}
	left = time_left(wait->deadline_ns);
	if (left == 0)
		return -ETIMEDOUT;
	if (!wait->announced) {
		wait->announced = true;
		pub->announcing++;
		announce(pub, enough(&pub->writer));
		return 0;
	}
	return sleep_step(pub, wait, who, patience < left ? patience : left);
}

void plx_full_done(struct plx_publisher *pub, struct plx_full_wait *wait)
{
	if (wait->announced && --pub->announcing == 0)
		plx_publisher_attend(pub, pub->attention & ~PLX_ATTENTION_WAITING);
	wait->announced = false;
}

/* ---- drain --------------------------------------------------------------------------------------- */

int plx_publisher_drain(struct plx_publisher *pub, uint64_t timeout_ns)
{
	struct plx_full_wait wait = PLX_FULL_WAIT_NONE;
	int ret = 0;

	if (timeout_ns != UINT64_MAX)
		wait.deadline_ns = deadline_in(timeout_ns);
	plx_publisher_enter(pub);
	if (pub->writer.quick.sleepers)
		plx_publisher_wake(pub);
	while (ret == 0) {
		struct plx_follower *who;
		uint64_t left;

		plx_writer_look(&pub->writer);
		if (drop_liars(pub))
			continue;
		who = plx_writer_slowest(&pub->writer, false);
		if (!who)
			break;
		left = time_left(wait.deadline_ns);
		if (left == 0) {
			ret = -ETIMEDOUT;
		} else if (wait.bursts < BURSTS) {
			spin(pub, wait.bursts++);
		} else if (!wait.announced) {
			wait.announced = true;
			pub->announcing++;
			announce(pub, pub->writer.head->head);
		} else {
			ret = sleep_step(pub, &wait, who, left);
		}
	}
	plx_full_done(pub, &wait);
	plx_publisher_leave(pub);
	return ret;
}

/* ---- comings and goings -------------------------------------------------------------------------- */

int plx_publisher_wait_subscribers(struct plx_publisher *pub, uint32_t count, uint64_t timeout_ns)
{
	uint64_t deadline = timeout_ns == UINT64_MAX ? UINT64_MAX : deadline_in(timeout_ns);

	for (;;) {
		uint32_t changes, now;
		uint64_t left;
		int ret;

		plx_publisher_enter(pub);
		changes = pub->changes;
		now = pub->writer.count;
		plx_publisher_leave(pub);
		if (now >= count)
			return 0;
		left = time_left(deadline);
		if (left == 0)
			return -ETIMEDOUT;
		ret = plx_futex_wait(&pub->changes, changes, left);
		if (ret == -EINTR)
			return ret;
	}
}

bool plx_publisher_gone(struct plx_publisher *pub, struct plx_reader_end *end)
{
	bool any;

	plx_publisher_enter(pub);
	any = pub->gone_count != 0;
	if (any) {
		*end = pub->gone[pub->gone_first];
		pub->gone_first = (pub->gone_first + 1) % PLX_GONE_KEPT;
		pub->gone_count--;
	}
	plx_publisher_leave(pub);
	return any;
}

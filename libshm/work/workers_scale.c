/*
 * workers_scale.c - slots change hands while messages are on their way, and the messages of each stay in order.
 *
 *	mark the slots held ─► store their new owners ─► wait until no sender is inside with an old one
 *	─► note how far each lane of each old owner reaches: the fences ─► (old owners get there) ─► nothing is held any more
 *
 * The new owner takes messages of a held slot from its lanes only afterwards, so it begins when the old one has finished. The
 * memory of a slot stays where it is.
 *
 * A worker that will not come back (quarantine) never gets to its fences: its messages are taken by the supervisor and sent on
 * to the new owners, marked so that they are not held; when those have been handled the rest may begin.
 */
#include "work/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"
#include "chan/seat.h"
#include "chan/wait.h"

#define NOBODY UINT32_MAX
#define TRIES  20

/* ---- senders -------------------------------------------------------------------------------------- */

static bool sender_lives(const struct plx_workers *w, uint32_t number)
{
	const struct plx_seat *seat = plx_seat_at((struct plx_channel *)w->map.registry, true, number,
						  w->map.senders);

	return plx_owner_alive(plx_read_once(&seat->owner));
}

void plx_work_settle(struct plx_workers *w)
{
	/* the far half of the fence in go_in() */
	plx_chan_fence();
	w->settling = true;
	for (uint32_t i = 0; i < w->map.senders; i++)
		/* BR2 acquire: pairs with BR1 */
		w->inside[i] = __atomic_load_n(&w->map.brackets[i].inside, __ATOMIC_ACQUIRE);
	/* mostly they are through in no time */
	for (int tries = 0; tries < TRIES && !plx_work_settled(w, false); tries++)
		plx_sys_yield();
}

bool plx_work_settled(struct plx_workers *w, bool thorough)
{
	if (!w->settling)
		return true;
	for (uint32_t i = 0; i < w->map.senders; i++) {
		if (!(w->inside[i] & 1))
			continue;
		if (__atomic_load_n(&w->map.brackets[i].inside, __ATOMIC_ACQUIRE) == w->inside[i] &&
		    !(thorough && !sender_lives(w, i))) /* who died inside has not sent, and will not */
			return false;
		w->inside[i] = 0;
	}
	w->settling = false;
	return true;
}

/* ---- slots ---------------------------------------------------------------------------------------- */

static void count_slots(struct plx_workers *w)
{
	uint32_t count[PLX_PARTITION_OWNERS] = { 0 };

	for (uint32_t slot = 0; slot < plx_partition_slots(&w->map.partition); slot++) {
		uint32_t owner = plx_partition_owner(&w->map.partition, slot);

		if (owner < PLX_PARTITION_OWNERS)
			count[owner]++;
	}
	for (uint32_t i = 0; i < w->map.most; i++)
		plx_table_set(&w->map.table, i, PLX_WORK_SLOTS, count[i]);
}

static void begin_handover(struct plx_workers *w, int count)
{
	struct plx_workers_hdr *hdr = w->map.hdr;

	memset(w->losing, 0, sizeof(w->losing));
	for (int i = 0; i < count; i++) {
		const struct plx_partition_move *m = &w->moves[i];
		uint64_t *word = &hdr->held[m->slot / 64];

		if (m->from >= w->map.most) /* nobody's: nothing to wait for */
			continue;
		plx_write_once(word, *word | 1ull << (m->slot % 64));
		w->losing[m->from] = true;
	}
	w->moving = true;
	w->fenced = false;
	/* HO1 release: pairs with HO2; the owners below are stored after the bits */
	__atomic_store_n(&hdr->handover, hdr->handover + 1, __ATOMIC_RELEASE);
	for (int i = 0; i < count; i++)
		plx_partition_move(&w->map.partition, w->moves[i].slot, w->moves[i].to);
	plx_write_once(&hdr->moved, hdr->moved + (uint64_t)count);
	count_slots(w);
	plx_work_settle(w);
	for (uint32_t i = 0; i < w->map.most;
	     i++) /* who fell asleep between the two stores thinks that all is held */
		if (w->losing[i])
			plx_work_wake(&w->map, i);
}

/* Nothing more will come to the old owners for what they lost: how far do their lanes reach? */
static void set_fences(struct plx_workers *w)
{
	w->fenced = true;
	for (uint32_t i = 0; i < w->map.most; i++)
		for (uint32_t l = 0; l < w->map.lanes && w->losing[i]; l++)
			w->fence[i][l] = plx_lane_sent(&w->map.inbox_geometry, plx_work_lane(&w->map, i, l));
}

int plx_work_rebalance(struct plx_workers *w, const uint32_t *weights)
{
	int count = plx_partition_plan(&w->map.partition, weights, w->map.most, w->moves);

	if (count < 0)
		return count;
	begin_handover(w, count);
	for (uint32_t i = 0; i < w->map.most; i++) /* who goes finishes all it has, slots or not */
		w->losing[i] = w->losing[i] || (weights[i] == 0 && w->child[i] != NOBODY);
	return 0;
}

/* A worker that died between finishing a message and sending what that one forwarded still has to: its successor does. */
static bool past_fences(struct plx_workers *w, uint32_t worker)
{
	for (uint32_t l = 0; l < w->map.lanes; l++)
		if (__atomic_load_n(&plx_work_lane(&w->map, worker, l)->taken, __ATOMIC_ACQUIRE) <
		    w->fence[worker][l])
			return false;
	return plx_mutant(MUT_WORK_LEAVES_OUTBOX) || !plx_work_has_outbox(&w->map, worker);
}

static void end_handover(struct plx_workers *w)
{
	struct plx_workers_hdr *hdr = w->map.hdr;

	for (uint32_t i = 0; i < PLX_PARTITION_SLOTS / 64; i++)
		if (hdr->held[i])
			plx_write_once(&hdr->held[i], 0);
	/* HO1 release: pairs with HO2; who sees that it is over sees what the old owners did (we saw it in taken) */
	__atomic_store_n(&hdr->handover, hdr->handover + 1, __ATOMIC_RELEASE);
	w->moving = false;
	plx_chan_fence();
	for (uint32_t i = 0; i < w->map.most; i++)
		plx_work_wake(&w->map, i);
	plx_work_ring(&w->map);
}

/* ---- who will not come back ------------------------------------------------------------------------ */

void plx_work_abandon(struct plx_workers *w, uint32_t number)
{
	struct plx_work_line *line = &w->map.lines[number];

	if (plx_read_once(&line->in_use))
		plx_write_once(&w->map.hdr->active, --w->active);
	plx_write_once(&line->in_use, 0);
	__atomic_store_n(&line->state, PLX_WORKER_QUARANTINE, __ATOMIC_RELEASE);
	plx_table_set(&w->map.table, number, PLX_WORK_STATE, PLX_WORKER_QUARANTINE);
	w->abandoned[number] = true;
	if (w->active == 0)
		w->gave_up = true;
}

/* Its slots go to the others, and then its messages. */
static int begin_forwarding(struct plx_workers *w, uint32_t number)
{
	uint32_t weights[PLX_WORKERS_MAX];
	int ret = plx_work_forwarder(w);

	if (ret == 0 && !w->from)
		w->from = calloc(1, sizeof(*w->from));
	if (ret == 0 && !w->from)
		ret = -ENOMEM;
	if (ret == 0)
		ret = plx_post_receiver_open(w->from, plx_work_inbox(&w->map, number), w->map.inbox_bytes);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < w->map.most; i++)
		weights[i] = plx_read_once(&w->map.lines[i].in_use);
	ret = plx_work_rebalance(w, weights);
	w->losing[number] = false;
	w->forwarding = number;
	return ret;
}

/* As many as there is room for. Return: true: that was all. */
static bool forward(struct plx_workers *w)
{
	struct plx_work_head head;
	struct plx_envelope e;
	struct plx_message m;
	const void *payload;

	if (plx_work_flush(&w->map, w->forwarding, w->forward) < 0)
		return false;
	while ((payload = plx_post_peek(w->from, &e))) {
		plx_work_message(&w->map, &m, &head, &e, payload);
		if (plx_work_forward(w->forward, &m, &head) < 0)
			return false;
		plx_post_release(w->from);
	}
	return true;
}

/* The new owners first handle what was sent on. */
static void end_forwarding(struct plx_workers *w)
{
	uint32_t first = (w->map.external + w->map.most) * w->map.ways;

	plx_post_receiver_leave(w->from);
	w->abandoned[w->forwarding] = false;
	w->forwarding = NOBODY;
	for (uint32_t i = 0; i < w->map.most; i++) {
		if (!plx_read_once(&w->map.lines[i].in_use))
			continue;
		if (!w->losing[i])
			memset(w->fence[i], 0, sizeof(w->fence[i]));
		w->losing[i] = true;
		for (uint32_t l = first; l < first + w->map.ways; l++)
			w->fence[i][l] = plx_lane_sent(&w->map.inbox_geometry, plx_work_lane(&w->map, i, l));
	}
}

bool plx_work_handover(struct plx_workers *w)
{
	if (w->gave_up)
		return true;
	if (w->moving && !w->fenced) {
		if (!plx_work_settled(w, true))
			return false;
		set_fences(w);
	}
	if (w->moving && w->forwarding != NOBODY) {
		if (!forward(w))
			return false;
		end_forwarding(w);
	}
	if (w->moving) {
		for (uint32_t i = 0; i < w->map.most; i++)
			if (w->losing[i] && !w->abandoned[i] && !past_fences(w, i))
				return false;
		end_handover(w);
	}
	for (uint32_t i = 0; i < w->map.most; i++)
		if (w->abandoned[i])
			return begin_forwarding(w, i) == 0 ? plx_work_handover(w) : false;
	return true;
}

/* ---- public --------------------------------------------------------------------------------------- */

static int wait_for_handover(struct plx_workers *w, uint64_t end_ns)
{
	while (!plx_work_handover(w)) {
		int ret = plx_work_wait(w, end_ns);

		if (ret < 0)
			return ret;
	}
	return w->gave_up ? -ESHUTDOWN : 0;
}

static uint32_t lowest_free(const struct plx_workers *w)
{
	for (uint32_t i = 0; i < w->map.most; i++)
		if (w->child[i] == NOBODY && !w->abandoned[i])
			return i;
	return NOBODY;
}

static int grow(struct plx_workers *w, uint32_t n)
{
	for (uint32_t active = w->active; active < n; active++) {
		uint32_t number = lowest_free(w);
		int ret = number == NOBODY ? -EINVAL : plx_work_start(w, number);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* The highest numbers take no more messages. */
static void choose_leavers(struct plx_workers *w, uint32_t n)
{
	for (uint32_t i = w->map.most; i-- > 0 && w->active > n;) {
		if (!plx_read_once(&w->map.lines[i].in_use))
			continue;
		plx_write_once(&w->map.lines[i].in_use, 0);
		plx_write_once(&w->map.hdr->active, --w->active);
	}
}

int plx_workers_scale(struct plx_workers *w, uint32_t n, uint64_t timeout_ns)
{
	uint64_t end_ns = plx_work_deadline(timeout_ns), who = 0;
	uint32_t weights[PLX_WORKERS_MAX];
	int ret;

	if (n == 0 || n > w->map.most)
		return -EINVAL;
	ret = wait_for_handover(w, end_ns);
	if (ret == 0)
		ret = grow(w, n);
	if (ret < 0)
		return ret;
	choose_leavers(w, n);
	for (uint32_t i = 0; i < w->map.most; i++)
		weights[i] = plx_read_once(&w->map.lines[i].in_use);
	ret = plx_work_rebalance(w, weights);
	if (ret == 0)
		ret = wait_for_handover(w, end_ns);
	for (uint32_t i = 0; i < w->map.most; i++)
		who |= (uint64_t)(weights[i] == 0) << i;
	if (ret == 0)
		plx_work_end(w, who, timeout_ns);
	return ret;
}

int plx_workers_move(struct plx_workers *w, uint32_t slot, uint32_t to, uint64_t timeout_ns)
{
	uint64_t end_ns = plx_work_deadline(timeout_ns);
	int ret;

	if (slot >= plx_partition_slots(&w->map.partition) || to >= w->map.most ||
	    !plx_read_once(&w->map.lines[to].in_use))
		return -EINVAL;
	ret = wait_for_handover(w, end_ns);
	if (ret < 0)
		return ret;
	w->moves[0] = (struct plx_partition_move){
		.slot = (uint16_t)slot,
		.from = (uint16_t)plx_partition_owner(&w->map.partition, slot),
		.to = (uint16_t)to,
	};
	if (w->moves[0].from == to)
		return 0;
	begin_handover(w, 1);
	return wait_for_handover(w, end_ns);
}

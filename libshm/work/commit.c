/*
 * commit.c - state and acknowledgement in one store, and what the supervisor does when a worker died before it.
 *
 *	handle      note: old bytes ─► undo log, then its length; then the new bytes
 *	            note ...
 *	commit      record[other] = { lane, taken }; seq = seq + 1 ◄── the message is finished, the undo log is of the past
 *	            lane.taken = taken
 *
 * Killed before the store: the log is of message seq + 1, and is played back; the message was not acknowledged and comes again.
 * Killed after it: the log is not played back; lane.taken is set from the record. All stores are of absolute values, so that
 * recovery can be killed and repeated. kill -9 is not power loss: stores that were made are there, in order; the compiler alone
 * has to be held.
 */
#include "work/work.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/size.h"

int plx_work_note(struct plx_work_map *map, struct plx_work_undo *undo, uint64_t seq, void *at, uint32_t size)
{
	uint64_t off = (uint64_t)((unsigned char *)at - (unsigned char *)map->seg.base);
	uint64_t padded = (size + 7ull) & ~7ull, room = map->undo_size - sizeof(*undo), used;
	unsigned char *entry;

	if (off < map->memory_begin || !plx_size_inside(off, size, map->memory_end))
		return -ERANGE;
	if (undo->seq != seq + 1) {
		plx_write_once(&undo->used, 0);
		plx_work_barrier();
		plx_write_once(&undo->seq, seq + 1);
	}
	used = plx_read_once(&undo->used);
	if (used > room || used % 8 != 0 || padded + sizeof(struct plx_work_mark) > room - used)
		return -ENOSPC;
	entry = (unsigned char *)(undo + 1) + used;
	memcpy(entry, at, size);
	*(struct plx_work_mark *)(void *)(entry + padded) = (struct plx_work_mark){ .off = off,
										    .size = size };
	plx_work_barrier();
	if (!plx_mutant(MUT_WORK_NO_UNDO))
		plx_write_once(&undo->used, used + padded + sizeof(struct plx_work_mark));
	plx_work_barrier(); /* and only then may it be changed */
	return 0;
}

void plx_work_back(struct plx_work_map *map, struct plx_work_undo *undo, uint64_t seq)
{
	uint64_t used = plx_read_once(&undo->used), room = map->undo_size - sizeof(*undo);

	if (plx_read_once(&undo->seq) != seq + 1 || used > room || used % 8 != 0)
		return;
	while (used >= sizeof(struct plx_work_mark)) {
		unsigned char *end = (unsigned char *)(undo + 1) + used - sizeof(struct plx_work_mark);
		struct plx_work_mark mark = *(struct plx_work_mark *)(void *)end;
		uint64_t padded = (mark.size + 7) & ~7ull;

		if (padded < mark.size || padded > used - sizeof(mark) || mark.off < map->memory_begin ||
		    !plx_size_inside(mark.off, mark.size, map->memory_end))
			return; /* cannot be */
		memcpy((unsigned char *)map->seg.base + mark.off, end - padded, mark.size);
		used -= padded + sizeof(mark);
	}
	plx_work_barrier();
	plx_write_once(&undo->used, 0);
}

void plx_work_commit(struct plx_work_line *line, uint32_t lane, uint64_t taken)
{
	uint64_t seq = line->seq + 1;

	line->record[seq & 1] = (struct plx_work_record){ .lane = lane, .taken = taken };
	plx_work_barrier();
	/* CM1 release: pairs with CM2; and what the handler did is before it for whoever comes after us */
	__atomic_store_n(&line->seq, seq, __ATOMIC_RELEASE);
	plx_work_barrier();
}

/* What a worker says of a lane that is not there, or has never been so far, it did not mean. */
static void acknowledge(struct plx_work_map *map, uint32_t worker, const struct plx_work_record *done)
{
	struct plx_lane *lane;
	uint64_t taken;

	if (done->lane >= map->lanes || plx_mutant(MUT_WORK_NO_RECORD))
		return;
	lane = plx_work_lane(map, worker, (uint32_t)done->lane);
	taken = plx_read_once(&lane->taken);
	if (done->taken == taken + 1 && done->taken <= plx_lane_sent(&map->inbox_geometry, lane))
		__atomic_store_n(&lane->taken, done->taken, __ATOMIC_RELEASE);
}

bool plx_work_recover(struct plx_work_map *map, uint32_t worker)
{
	struct plx_work_line *line = &map->lines[worker];
	/* CM2 acquire: pairs with CM1 */
	uint64_t seq = __atomic_load_n(&line->seq, __ATOMIC_ACQUIRE);
	struct plx_work_record done = line->record[seq & 1], hand;
	uint32_t in_hand = plx_read_once(&line->hand_lane);

	plx_work_back(map, plx_work_undo(map, worker), seq);
	plx_work_unstage(map, worker, seq);
	if (seq != 0)
		acknowledge(map, worker, &done);
	plx_write_once(&line->hand_lane, 0);
	if (in_hand == 0 || in_hand > map->lanes)
		return false;
	hand = (struct plx_work_record){ .lane = in_hand - 1, .taken = plx_read_once(&line->hand_taken) };
	if (plx_read_once(&plx_work_lane(map, worker, (uint32_t)hand.lane)->taken) != hand.taken)
		return false; /* it had finished that one */
	line->attempts = line->deadly.lane == hand.lane && line->deadly.taken == hand.taken
				 ? line->attempts + 1
				 : 1;
	line->deadly = hand;
	return true;
}

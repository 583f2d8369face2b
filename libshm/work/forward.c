/*
 * forward.c - what a handler sends on: written down with the message, sent when the message is finished, exactly once.
 *
 *	handle      entries ─► outbox of message seq + 1
 *	commit      seq = seq + 1 ◄── the message is finished, and its outbox is to be sent
 *	flush       to, pos: where the next entry goes, and how many are in that lane ─► pending ─► send ─► sent
 *	then        the message is acknowledged
 *
 * Killed before the commit: nothing was sent, and the outbox is of no message. After it: the successor sends the rest first. Of
 * the entry that was pending the lane itself says whether it is in: it has one writer, and so more in it than pos, or not.
 *
 * From a worker to itself goes a lane of its own inbox, which nobody empties before this message is finished. So how much fits is
 * known when it is written down, and what does not is refused: to wait for room there would be to wait for oneself.
 */
#include "work/work.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"

#define SLICE_NS 10000000ull

static uint64_t entry_size(const struct plx_work_entry *e)
{
	return sizeof(*e) + ((e->size + 7ull) & ~7ull);
}

static unsigned char *entries(struct plx_work_outbox *box)
{
	return (unsigned char *)(box + 1);
}

/* Messages that fit into the lane from this worker to itself, as urgent as the one in hand. */
static uint64_t room_at_home(const struct plx_worker *w)
{
	const struct plx_work_map *map = w->map;
	struct plx_lane *lane = plx_work_lane(
		map, w->number, (map->external + w->number) * map->ways + (w->priority & (map->ways - 1)));

	return map->inbox_geometry.cells -
	       (plx_lane_sent(&map->inbox_geometry, lane) - plx_read_once(&lane->taken));
}

/* Of what is written down, how many go to this worker itself? */
static uint64_t staged_for_home(struct plx_worker *w, const struct plx_work_outbox *box)
{
	const unsigned char *first = (const unsigned char *)(box + 1);
	uint64_t n = 0;

	for (uint64_t at = plx_mutant(MUT_WORK_STAGED_UNCOUNTED) ? box->staged : 0; at < box->staged;) {
		const struct plx_work_entry *e = (const struct plx_work_entry *)(const void *)(first + at);

		n += plx_work_recipient(w->sender, e->key) == w->number;
		at += entry_size(e);
	}
	return n;
}

static bool waits_for_itself(struct plx_worker *w, const struct plx_work_outbox *box, uint64_t key)
{
	const struct plx_sender *s = plx_worker_sender(w);

	return s && plx_work_recipient(s, key) == w->number && staged_for_home(w, box) >= room_at_home(w);
}

int plx_worker_forward(struct plx_worker *w, uint64_t key, uint32_t type, const void *data, uint32_t size)
{
	struct plx_work_outbox *box = plx_work_outbox(w->map, w->number);
	struct plx_work_entry e = {
		.key = key, .type = (uint16_t)type, .size = (uint16_t)size, .priority = w->priority
	};
	uint64_t seq = w->line->seq + 1, room = w->map->outbox_bytes - sizeof(*box), staged;

	if (size > w->map->size)
		return -EMSGSIZE;
	if (type > UINT16_MAX)
		return -EINVAL;
	if (box->seq != seq) { /* that of an earlier message has been sent */
		plx_write_once(&box->staged, 0);
		plx_write_once(&box->sent, 0);
		plx_write_once(&box->pending, 0);
		plx_work_barrier();
		plx_write_once(&box->seq, seq);
	}
	staged = plx_read_once(&box->staged);
	if (staged > room || staged % 8 != 0 || entry_size(&e) > room - staged)
		return -ENOSPC;
	if (waits_for_itself(w, box, key) && !plx_mutant(MUT_WORK_FORWARDS_TO_ITSELF))
		return -EDEADLK;
	memcpy(entries(box) + staged, &e, sizeof(e));
	if (size)
		memcpy(entries(box) + staged + sizeof(e), data, size);
	plx_work_barrier();
	plx_write_once(&box->staged, staged + entry_size(&e));
	return 0;
}

void plx_work_unstage(struct plx_work_map *map, uint32_t number, uint64_t seq)
{
	struct plx_work_outbox *box = plx_work_outbox(map, number);

	if (plx_read_once(&box->seq) == seq + 1 && !plx_mutant(MUT_WORK_STAGED_TWICE))
		plx_write_once(&box->staged, 0);
}

/* A copy of the entry that is to be sent next, which lies in the outbox whole; false: there is none, or no sense in it. */
static bool next_entry(const struct plx_work_map *map, const struct plx_work_outbox *box,
		       const struct plx_work_entry **at, struct plx_work_entry *e)
{
	uint64_t sent = plx_read_once(&box->sent), staged = plx_read_once(&box->staged);

	if (sent >= staged || staged > map->outbox_bytes - sizeof(*box) || sent % 8 != 0 ||
	    staged - sent < sizeof(*e))
		return false;
	*at = (const void *)((const unsigned char *)(box + 1) + sent);
	plx_copy_once(e, *at, sizeof(*e));
	return e->size <= map->size && entry_size(e) <= staged - sent;
}

bool plx_work_has_outbox(const struct plx_work_map *map, uint32_t number)
{
	const struct plx_work_outbox *box = plx_work_outbox(map, number);

	/* not a look at the entries: the worker may be writing them */
	return plx_read_once(&box->seq) == __atomic_load_n(&map->lines[number].seq, __ATOMIC_ACQUIRE) &&
	       plx_read_once(&box->sent) < plx_read_once(&box->staged);
}

/* Did who was about to send it get so far? The lane is that of worker @number. */
static bool was_sent(struct plx_work_map *map, uint32_t number, const struct plx_work_outbox *box,
		     const struct plx_work_entry *e)
{
	uint32_t lane = (map->external + number) * map->ways + (e->priority & (map->ways - 1));
	uint64_t to = plx_read_once(&box->to);

	return plx_read_once(&box->pending) == plx_read_once(&box->sent) + 1 && to < map->most &&
	       !plx_mutant(MUT_WORK_NO_PENDING) &&
	       plx_lane_sent(&map->inbox_geometry, plx_work_lane(map, (uint32_t)to, lane)) >
		       plx_read_once(&box->pos);
}

int plx_work_flush(struct plx_work_map *map, uint32_t number, struct plx_sender *s)
{
	struct plx_work_outbox *box = plx_work_outbox(map, number);

	while (plx_work_has_outbox(map, number)) {
		const struct plx_work_entry *at;
		struct plx_work_entry e;

		if (!next_entry(map, box, &at, &e)) { /* nobody wrote that on purpose */
			plx_write_once(&box->sent, plx_read_once(&box->staged));
			break;
		}
		if (!was_sent(map, number, box, &e)) {
			int ret = plx_work_put(s, &e, at + 1, box);

			if (ret < 0)
				return ret;
		}
		plx_work_barrier();
		plx_write_once(&box->sent, box->sent + entry_size(&e));
	}
	return 0;
}

void plx_work_flush_all(struct plx_worker *w)
{
	while (plx_work_has_outbox(w->map, w->number)) {
		struct plx_sender *s = plx_worker_sender(w);

		if (s && plx_work_flush(w->map, w->number, s) == 0)
			return;
		if (!plx_mutant(MUT_WORK_ROOM_UNSAID))
			plx_post_tell_all(&w->inbox); /* some of it may be for ourselves */
		if (plx_sys_poll(NULL, 0, SLICE_NS / 100, NULL) < 0) {
			/* a signal: look again */
		}
	}
}

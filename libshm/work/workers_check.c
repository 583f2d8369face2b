/*
 * workers_check.c - every invariant of a pool's segment; nothing that it says is believed.
 *
 * Right of a pool that works on while we look, and of a copy taken meanwhile: what is compared is written by one side, or can
 * only be wrong for ever.
 */
#include <plx/workers.h>

#include <errno.h>
#include <string.h>

#include <plx/channel.h>
#include <plx/envelope.h>

#include "base/atomic.h"
#include "base/size.h"
#include "work/partition_layout.h"
#include "work/workers_layout.h"

#define SEATS_MAX 60u

/* A copy of what the header says, with the room each worker has in each block. */
struct view {
	const struct plx_segment *seg;
	struct plx_workers_hdr hdr;
	const struct plx_work_line *lines;
	const unsigned char *control, *inbox, *undo;
	uint64_t control_room, inbox_room;
	uint64_t memory_begin, memory_end;
};

static const char *header_fault(struct view *v)
{
	const struct plx_workers_hdr *hdr;
	uint64_t size;

	hdr = plx_segment_block(v->seg, "pool", &size);
	if (!hdr || size < sizeof(*hdr))
		return "pool: there is no header";
	plx_copy_once(&v->hdr, hdr, sizeof(v->hdr));
	if (v->hdr.magic != PLX_WORKERS_MAGIC || v->hdr.layout != PLX_WORKERS_LAYOUT)
		return "pool: no magic: not a pool, or not a whole one";
	if (v->hdr.most == 0 || v->hdr.most > PLX_WORKERS_MAX || v->hdr.senders <= v->hdr.most ||
	    v->hdr.senders > SEATS_MAX || v->hdr.size > PLX_WORK_SIZE_MAX || v->hdr.slot_size % 8 ||
	    v->hdr.state_size % PLX_LINE || v->hdr.undo_size % PLX_LINE ||
	    v->hdr.undo_size < sizeof(struct plx_work_undo) || v->hdr.strategy > PLX_REST_FOR_ONE ||
	    v->hdr.threads > 1 || (v->hdr.ways != 1 && v->hdr.ways != PLX_PRIORITIES))
		return "pool: its shape makes no sense";
	if (v->hdr.closing > 1 || v->hdr.active > v->hdr.most)
		return "pool: more workers than there can be";
	return NULL;
}

/* A block of @each bytes for each of the workers, at least. */
static const void *block_of(const struct view *v, const char *name, uint64_t each, uint64_t *room)
{
	uint64_t size, need;
	const void *block = plx_segment_block(v->seg, name, &size);

	if (!block || !plx_size_mul(each, v->hdr.most, &need) || size < need)
		return NULL;
	if (room)
		*room = size / v->hdr.most & ~(uint64_t)(PLX_LINE - 1);
	return block;
}

static const char *blocks_fault(struct view *v)
{
	const unsigned char *slots, *state;
	uint64_t size;

	v->lines = block_of(v, "worker", sizeof(struct plx_work_line), NULL);
	if (v->hdr.outbox_size > UINT32_MAX || v->hdr.outbox_size < sizeof(struct plx_work_outbox) ||
	    v->hdr.outbox_size % PLX_LINE)
		return "pool: its outboxes make no sense";
	v->undo = block_of(v, "undo", v->hdr.undo_size + v->hdr.outbox_size, NULL);
	v->control = block_of(v, "control", PLX_LINE, &v->control_room);
	v->inbox = block_of(v, "inbox", PLX_LINE, &v->inbox_room);
	state = block_of(v, "state", v->hdr.state_size, NULL);
	slots = plx_segment_block(v->seg, "slots", &size);
	if (!v->lines || !v->undo || !v->control || !v->inbox || !state || !slots ||
	    size < (uint64_t)PLX_PARTITION_SLOTS * v->hdr.slot_size)
		return "pool: a block is missing, or too small";
	v->memory_begin = (uint64_t)(slots - (const unsigned char *)v->seg->base);
	v->memory_end = (uint64_t)(state - (const unsigned char *)v->seg->base) +
			v->hdr.most * v->hdr.state_size;
	return NULL;
}

static const char *line_fault(const struct view *v, const struct plx_work_line *line)
{
	uint32_t lanes = v->hdr.senders * v->hdr.ways;

	if (plx_read_once(&line->state) > PLX_WORKER_QUARANTINE || plx_read_once(&line->in_use) > 1 ||
	    plx_read_once(&line->paused) > 1)
		return "pool: a worker is in no known state";
	if (plx_read_once(&line->hand_lane) > lanes || plx_read_once(&line->record[0].lane) >= lanes ||
	    plx_read_once(&line->record[1].lane) >= lanes || plx_read_once(&line->deadly.lane) >= lanes)
		return "pool: a worker has a message of a lane that is not there";
	return NULL;
}

/* Each entry lies in the log and speaks of memory that may be noted; only while it counts, and nobody writes to it. */
static const char *undo_fault(const struct view *v, const struct plx_work_undo *undo,
			      const struct plx_work_line *line)
{
	uint64_t used = plx_read_once(&undo->used);

	if (used > v->hdr.undo_size - sizeof(*undo) || used % 8)
		return "pool: an undo log is longer than it can be";
	if (plx_read_once(&undo->seq) != plx_read_once(&line->seq) + 1)
		return NULL;
	while (used > 0) {
		struct plx_work_mark mark;
		uint64_t padded;

		if (used < sizeof(mark))
			return "pool: an undo log is cut";
		plx_copy_once(&mark, (const unsigned char *)(undo + 1) + used - sizeof(mark), sizeof(mark));
		used -= sizeof(mark);
		padded = (mark.size + 7) & ~7ull;
		if (padded < mark.size || padded > used || mark.off < v->memory_begin ||
		    !plx_size_inside(mark.off, mark.size, v->memory_end))
			return "pool: an undo log would write where it must not";
		used -= padded;
	}
	return NULL;
}

static const char *worker_fault(const struct view *v, uint32_t i)
{
	const struct plx_work_undo *undo = (const void *)(v->undo +
							  i * (v->hdr.undo_size + v->hdr.outbox_size));
	const char *fault = line_fault(v, &v->lines[i]), *why = NULL;

	if (!fault)
		fault = undo_fault(v, undo, &v->lines[i]);
	if (!fault && plx_channel_check(v->control + i * v->control_room, v->control_room, &why) < 0)
		fault = why ? why : "pool: the channel for requests is damaged";
	if (!fault && plx_channel_check(v->inbox + i * v->inbox_room, v->inbox_room, &why) < 0)
		fault = why ? why : "pool: an inbox is damaged";
	return fault;
}

static const char *partition_fault(const struct view *v)
{
	const char *why = "pool: there is no partition";
	const struct plx_partition_shared *block;
	struct plx_partition p;
	uint64_t size;

	block = plx_segment_block(v->seg, "partition", &size);
	if (!block || plx_partition_check(block, size, &why) < 0)
		return why;
	p = (struct plx_partition){ .owner = block->owner };
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++) {
		uint32_t owner = plx_partition_owner(&p, slot);

		if (owner >= v->hdr.most && owner != PLX_PARTITION_NOBODY)
			return "pool: a slot belongs to a worker that cannot be";
	}
	return NULL;
}

int plx_workers_check(const struct plx_segment *seg, const char **why)
{
	struct view v = { .seg = seg };
	const char *fault = header_fault(&v);

	if (!fault)
		fault = blocks_fault(&v);
	if (!fault)
		fault = partition_fault(&v);
	for (uint32_t i = 0; !fault && i < v.hdr.most; i++)
		fault = worker_fault(&v, i);
	if (fault && why)
		*why = fault;
	return fault ? -EBADMSG : 0;
}

/* work_map.c - the segment of a pool: which parts it has, how large they are, and that they are all made. */
#include "work/work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic.h"
#include "base/size.h"

#define CONTROL_COUNT 32u

static const struct plx_column columns[PLX_WORK_COLUMNS] = {
	[PLX_WORK_PID] = { .name = "pid", .kind = PLX_COLUMN_PID },
	[PLX_WORK_RESTARTS] = { .name = "restarts", .kind = PLX_COLUMN_COUNT },
	[PLX_WORK_POISON] = { .name = "put aside", .kind = PLX_COLUMN_COUNT },
	[PLX_WORK_SLOTS] = { .name = "slots", .kind = PLX_COLUMN_GAUGE },
	[PLX_WORK_STATE] = { .name = "state",
			     .kind = PLX_COLUMN_STATE,
			     .states = "none|start|idle|busy|pause|stop|dead|quarantine" },
	[PLX_WORK_HANDLED] = { .name = "handled", .kind = PLX_COLUMN_COUNT },
	[PLX_WORK_FAILED] = { .name = "failed", .kind = PLX_COLUMN_COUNT },
	[PLX_WORK_TURNS] = { .name = "turns", .kind = PLX_COLUMN_COUNT },
};

static uint64_t lines(uint64_t bytes)
{
	return (bytes + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
}

struct plan {
	struct plx_channel_shape inbox, control, registry;
	uint64_t undo, slots, state;
	struct plx_block blocks[12];
};

static void make_plan(struct plan *p, struct plx_work_map *map, const struct plx_workers_options *o)
{
	uint16_t lanes = (uint16_t)(o->senders + o->most + 1);
	uint32_t size = (uint32_t)sizeof(struct plx_work_head) + ((o->size + 7) & ~7u);

	map->most = o->most;
	map->senders = lanes;
	map->ways = o->priorities ? PLX_PRIORITIES : 1;
	map->lanes = map->senders * map->ways;
	map->size = o->size;
	map->slot_size = (o->slot_size + 7) & ~7u;
	p->inbox = (struct plx_channel_shape){ .kind = o->priorities ? PLX_CHANNEL_PRIORITY
								     : PLX_CHANNEL_POST,
					       .size = size,
					       .count = o->count,
					       .senders = lanes,
					       .receivers = 1 };
	p->control = (struct plx_channel_shape){
		.kind = PLX_CHANNEL_POST, .size = size, .count = CONTROL_COUNT, .senders = 1, .receivers = 1
	};
	p->registry = (struct plx_channel_shape){
		.kind = PLX_CHANNEL_MPSC, .size = 8, .count = 8, .senders = lanes, .receivers = 1
	};
	map->inbox_bytes = plx_channel_bytes(&p->inbox);
	map->control_bytes = plx_channel_bytes(&p->control);
	map->registry_bytes = plx_channel_bytes(&p->registry);
	map->outbox_bytes = lines(sizeof(struct plx_work_outbox) + o->forward_size);
	map->reply_stride = sizeof(struct plx_work_reply) + lines(o->size);
	p->undo = lines(sizeof(struct plx_work_undo) + o->undo_size);
	p->slots = lines((uint64_t)PLX_PARTITION_SLOTS * map->slot_size);
	p->state = lines(o->state_size);
	map->undo_size = (uint32_t)p->undo;
	map->state_size = p->state;
	memcpy(p->blocks,
	       (struct plx_block[]){
		       { .name = "pool", .size = sizeof(struct plx_workers_hdr) },
		       { .name = "partition", .size = plx_partition_size() },
		       { .name = "workers", .size = plx_table_size(o->most, PLX_WORK_COLUMNS) },
		       { .name = "worker", .size = o->most * sizeof(struct plx_work_line) },
		       { .name = "sender", .size = lanes * sizeof(struct plx_work_bracket) },
		       { .name = "registry", .size = map->registry_bytes },
		       { .name = "control", .size = o->most * map->control_bytes },
		       { .name = "inbox", .size = o->most * map->inbox_bytes },
		       { .name = "reply", .size = lanes * map->reply_stride },
		       { .name = "undo", .size = o->most * (p->undo + map->outbox_bytes) },
		       { .name = "slots", .size = p->slots ? p->slots : PLX_LINE },
		       { .name = "state", .size = p->state ? o->most * p->state : PLX_LINE },
	       },
	       sizeof(p->blocks));
}

static void find_blocks(struct plx_work_map *map)
{
	struct plx_segment *seg = &map->seg;

	map->hdr = plx_segment_block(seg, "pool", NULL);
	map->lines = plx_segment_block(seg, "worker", NULL);
	map->brackets = plx_segment_block(seg, "sender", NULL);
	map->registry = plx_segment_block(seg, "registry", NULL);
	map->control = plx_segment_block(seg, "control", NULL);
	map->inbox = plx_segment_block(seg, "inbox", NULL);
	map->reply = plx_segment_block(seg, "reply", NULL);
	map->undo = plx_segment_block(seg, "undo", NULL);
	map->slots = plx_segment_block(seg, "slots", NULL);
	map->state = plx_segment_block(seg, "state", NULL);
}

static int make_channels(struct plx_work_map *map, const struct plan *p, uint32_t most)
{
	int ret = plx_channel_init(map->registry, map->registry_bytes, &p->registry);

	for (uint32_t i = 0; i < most && ret == 0; i++) {
		ret = plx_channel_init(plx_work_control(map, i), map->control_bytes, &p->control);
		if (ret == 0)
			ret = plx_channel_init(plx_work_inbox(map, i), map->inbox_bytes, &p->inbox);
	}
	if (ret == 0)
		ret = plx_geometry_read(&map->inbox_geometry, plx_work_inbox(map, 0), map->inbox_bytes);
	return ret;
}

static int fill(struct plx_work_map *map, const struct plan *p, const struct plx_workers_options *o)
{
	uint64_t size;
	void *block = plx_segment_block(&map->seg, "partition", &size);
	int ret = plx_partition_init(&map->partition, block, size, &o->partition);

	if (ret < 0)
		return ret;
	block = plx_segment_block(&map->seg, "workers", &size);
	ret = plx_table_init(&map->table, block, size, "worker", columns, PLX_WORK_COLUMNS, o->most);
	if (ret < 0)
		return ret;
	find_blocks(map);
	*map->hdr = (struct plx_workers_hdr){
		.layout = PLX_WORKERS_LAYOUT,
		.most = o->most,
		.senders = map->senders,
		.size = map->size,
		.count = o->count,
		.slot_size = map->slot_size,
		.undo_size = map->undo_size,
		.state_size = map->state_size,
		.strategy = o->strategy,
		.threads = o->threads,
		.outbox_size = map->outbox_bytes,
		.ways = map->ways,
	};
	map->external = o->senders;
	map->memory_begin = (uint64_t)(map->slots - (unsigned char *)map->seg.base);
	map->memory_end = (uint64_t)(map->state - (unsigned char *)map->seg.base) +
			  (p->state ? o->most * p->state : 0);
	ret = make_channels(map, p, o->most);
	if (ret == 0) /* WM1 release: tools that see the magic see the rest */
		__atomic_store_n(&map->hdr->magic, PLX_WORKERS_MAGIC, __ATOMIC_RELEASE);
	return ret;
}

int plx_work_map_create(struct plx_work_map *map, const struct plx_workers_options *o, const char *name)
{
	char title[80];
	struct plan p;
	int ret;

	*map = (struct plx_work_map){ .seg = PLX_SEGMENT_NONE };
	make_plan(&p, map, o);
	if (!map->inbox_bytes || !map->control_bytes || !map->registry_bytes)
		return -EINVAL;
	snprintf(title, sizeof(title), "plx:workers:%s", name);
	ret = plx_segment_create(&map->seg, "memfd", title, plx_segment_need(p.blocks, 12),
				 PLX_SEGMENT_INHERIT);
	if (ret == 0)
		ret = plx_segment_format(&map->seg, PLX_KIND_WORKERS, PLX_WORKERS_VERSION, name, p.blocks,
					 12);
	if (ret == 0)
		ret = fill(map, &p, o);
	if (ret < 0)
		plx_segment_close(&map->seg);
	return ret;
}

uint64_t plx_work_backlog(const struct plx_work_map *map, uint32_t worker)
{
	uint64_t n = 0;

	for (uint32_t l = 0; l < map->lanes; l++) {
		struct plx_lane *lane = plx_work_lane(map, worker, l);
		uint64_t taken = __atomic_load_n(&lane->taken, __ATOMIC_ACQUIRE);

		n += plx_lane_sent(&map->inbox_geometry, lane) - taken;
	}
	return n;
}

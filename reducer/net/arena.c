/*
 * arena.c - see arena.h. Everything here is set-up or growth: nothing is called per interaction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "reducer/net/arena.h"

#define ARENA_STRIDE_MIN 21 /* 2 MiB of addresses per partition: the caches need a sixteenth */
#define ARENA_STRIDE_MAX 42
#define ARENA_TOTAL_MAX  46 /* bits of address space we ask for at most */
#define ARENA_GROW_MIN   (64ull << 10)
#define ARENA_GROW_MAX   (4ull << 20)
#define ARENA_PAGE       4096u

#define ARENA_CACHES_BYTES                                                                                   \
	(sizeof(port) * (ARENA_NODE_CACHE + ARENA_VAR_CACHE) + sizeof(struct pair) * ARENA_LATER)
static_assert((1ull << (ARENA_STRIDE_MIN - 4)) >= ARENA_CACHES_BYTES, "caches fit");

enum arena_block {
	BLOCK_CONTROL,
	BLOCK_LINES,
	BLOCK_PARTS,
	BLOCK_MAIL,
	BLOCK_WORKERS,
	BLOCK_PARTITIONS,
	BLOCK_BOOK,
	BLOCK_CELLS,
	BLOCKS
};

static const struct plx_column worker_columns[ARENA_WORKER_COLUMNS] = {
	[ARENA_WORKER_PID] = { "pid", PLX_COLUMN_PID, NULL },
	[ARENA_WORKER_STATE] = { "state", PLX_COLUMN_STATE, "busy|idle|waits" },
	[ARENA_WORKER_ITRS] = { "interactions", PLX_COLUMN_COUNT, NULL },
	[ARENA_WORKER_SENT] = { "sent", PLX_COLUMN_COUNT, NULL },
	[ARENA_WORKER_RECEIVED] = { "received", PLX_COLUMN_COUNT, NULL },
	[ARENA_WORKER_GIVEN] = { "given", PLX_COLUMN_COUNT, NULL },
	[ARENA_WORKER_PARKED] = { "parked", PLX_COLUMN_COUNT, NULL },
};

static const struct plx_column partition_columns[ARENA_PARTITION_COLUMNS] = {
	[ARENA_PARTITION_OWNER] = { "owner", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PARTITION_REDEXES] = { "redexes", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PARTITION_NODES] = { "node_cells", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PARTITION_VARS] = { "var_cells", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PARTITION_MEMORY] = { "memory", PLX_COLUMN_BYTES, NULL },
};

static uint32_t bits_for(uint64_t size)
{
	uint32_t bits = 0;

	while (bits < 63 && (1ull << bits) < size)
		bits++;
	return bits;
}

static void arena_blocks(struct plx_block blocks[BLOCKS], uint32_t n, uint32_t ring, uint32_t shift)
{
	const uint64_t book = 1ull << (shift - 1);

	blocks[BLOCK_CONTROL] = (struct plx_block){ "control", sizeof(struct arena_control), ARENA_PAGE };
	blocks[BLOCK_LINES] = (struct plx_block){ "lines", n * sizeof(struct arena_line), PLX_LINE };
	blocks[BLOCK_PARTS] = (struct plx_block){ "parts", n * sizeof(struct arena_part), PLX_LINE };
	blocks[BLOCK_MAIL] = (struct plx_block){ "mail", (uint64_t)n * n * arena_ring_bytes(ring), PLX_LINE };
	blocks[BLOCK_WORKERS] = (struct plx_block){ "workers", plx_table_size(n, ARENA_WORKER_COLUMNS),
						    PLX_LINE };
	blocks[BLOCK_PARTITIONS] = (struct plx_block){ "partitions",
						       plx_table_size(n, ARENA_PARTITION_COLUMNS), PLX_LINE };
	blocks[BLOCK_BOOK] = (struct plx_block){ "book", book, ARENA_PAGE };
	blocks[BLOCK_CELLS] = (struct plx_block){ "cells", (uint64_t)n << shift, ARENA_PAGE };
}

/* As many addresses as make memory_max the only limit, or as many as we get. */
static int arena_reserve(struct arena *arena, struct plx_block blocks[BLOCKS], const char *name,
			 uint32_t ring, uint64_t memory_max)
{
	uint32_t shift = bits_for(memory_max) + 2;
	char full[100]; /* in /proc: "plx:net:NAME" */
	int ret = -ENOMEM;

	snprintf(full, sizeof(full), "net:%s", name);
	if (shift > ARENA_STRIDE_MAX)
		shift = ARENA_STRIDE_MAX;
	if (shift + bits_for(arena->n) > ARENA_TOTAL_MAX)
		shift = ARENA_TOTAL_MAX - bits_for(arena->n);
	if (shift < ARENA_STRIDE_MIN)
		shift = ARENA_STRIDE_MIN;
	for (; shift >= ARENA_STRIDE_MIN; shift--) {
		arena_blocks(blocks, arena->n, ring, shift);
		ret = plx_segment_create(&arena->seg, "memfd", full, plx_segment_need(blocks, BLOCKS),
					 PLX_SEGMENT_SPARSE | PLX_SEGMENT_INHERIT);
		if (ret != -ENOMEM && ret != -ENOSPC && ret != -EINVAL && ret != -EFBIG)
			break;
	}
	arena->shift = shift;
	return ret;
}

/* Everything before the book, and in each partition the caches, has memory from the start. */
static int arena_commit_fixed(struct arena *arena)
{
	uint64_t head = (uint64_t)((char *)plx_segment_block(&arena->seg, "book", NULL) - arena->base);
	int ret = arena_commit(arena, 0, head);

	for (uint32_t i = 0; i < arena->n && ret == 0; i++)
		ret = arena_commit(arena, arena_caches_off(arena, i), ARENA_CACHES_BYTES);
	return ret;
}

static int arena_find(struct arena *arena)
{
	arena->control = plx_segment_block(&arena->seg, "control", NULL);
	arena->lines = plx_segment_block(&arena->seg, "lines", NULL);
	arena->parts = plx_segment_block(&arena->seg, "parts", NULL);
	arena->mail = plx_segment_block(&arena->seg, "mail", NULL);
	arena->book = plx_segment_block(&arena->seg, "book", &arena->book_room);
	arena->cells = (uint64_t)((char *)plx_segment_block(&arena->seg, "cells", NULL) - arena->base);
	return arena->control && arena->lines && arena->parts && arena->mail && arena->book ? 0 : -EPROTO;
}

int arena_open(struct arena *arena, const char *name, uint32_t workers, uint32_t ring, uint64_t memory_max)
{
	struct plx_block blocks[BLOCKS];
	uint64_t size;
	void *table;
	int ret;

	*arena = (struct arena){ .seg = PLX_SEGMENT_NONE, .n = workers };
	ret = arena_reserve(arena, blocks, name, ring, memory_max);
	if (ret < 0)
		return ret;
	arena->base = arena->seg.base;
	ret = plx_segment_commit(&arena->seg, 0, ARENA_PAGE);
	if (ret == 0)
		ret = plx_segment_format(&arena->seg, PLX_KIND_NET, ARENA_VERSION, name, blocks, BLOCKS);
	if (ret == 0)
		ret = arena_find(arena);
	if (ret < 0)
		goto fail;
	ret = plx_segment_commit(&arena->seg, (uint64_t)((char *)arena->control - arena->base), ARENA_PAGE);
	if (ret < 0)
		goto fail;
	arena->control->version = ARENA_VERSION;
	arena->control->workers = workers;
	arena->control->ring = ring;
	arena->control->stride_shift = arena->shift;
	arena->control->cells = arena->cells;
	arena->control->memory_max = memory_max;
	ret = arena_commit_fixed(arena);
	if (ret < 0)
		goto fail;
	table = plx_segment_block(&arena->seg, "workers", &size);
	ret = plx_table_init(&arena->workers, table, size, "worker", worker_columns, ARENA_WORKER_COLUMNS,
			     workers);
	table = plx_segment_block(&arena->seg, "partitions", &size);
	if (ret == 0)
		ret = plx_table_init(&arena->partitions, table, size, "partition", partition_columns,
				     ARENA_PARTITION_COLUMNS, workers);
	if (ret == 0)
		ret = plx_segment_seal(&arena->seg, PLX_SEAL_DATA);
	if (ret < 0)
		goto fail;
	for (uint32_t i = 0; i < workers; i++) {
		arena->lines[i].state = ARENA_IDLE;
		plx_table_set(&arena->workers, i, ARENA_WORKER_STATE, 1);
		plx_table_set(&arena->partitions, i, ARENA_PARTITION_OWNER, i);
	}
	return 0;
fail:
	arena_close(arena);
	return ret;
}

void arena_close(struct arena *arena)
{
	plx_segment_close(&arena->seg);
	*arena = (struct arena){ .seg = PLX_SEGMENT_NONE };
}

/* An area may be as large as its memory was: only what is in use is forgotten. */
static void arena_reset_part(struct arena *arena, uint32_t i)
{
	struct arena_part *part = &arena->parts[i];
	uint64_t nodes = arena_nodes_off(arena, i) >> 4, vars = arena_vars_off(arena, i) >> 3;
	struct arena_part fresh = {
		.node_fresh = nodes,
		.node_end = part->node_end > nodes ? part->node_end : nodes,
		.var_fresh = vars,
		.var_end = part->var_end > vars ? part->var_end : vars,
		.redex_end = part->redex_end,
		.spill_end = part->spill_end,
	};

	*part = fresh;
}

void arena_reset(struct arena *arena)
{
	struct arena_control *control = arena->control;

	for (uint32_t i = 0; i < arena->n; i++) {
		struct arena_line *line = &arena->lines[i];

		arena_reset_part(arena, i);
		/* relaxed: the workers are idle, and see all of this when they see the new job (S1) */
		atomic_store_explicit(&line->sent, 0, memory_order_relaxed);
		atomic_store_explicit(&line->received, 0, memory_order_relaxed);
		atomic_store_explicit(&line->interactions, 0, memory_order_relaxed);
		atomic_store_explicit(&line->given, 0, memory_order_relaxed);
		atomic_store_explicit(&line->parked, 0, memory_order_relaxed);
		atomic_store_explicit(&line->redexes, 0, memory_order_relaxed);
		atomic_store_explicit(&line->inbox, 0, memory_order_relaxed);
		for (uint32_t to = 0; to < arena->n; to++) {
			struct arena_ring *ring = arena_ring(arena, i, to);

			atomic_store_explicit(&ring->head,
					      atomic_load_explicit(&ring->tail, memory_order_relaxed),
					      memory_order_relaxed);
			atomic_store_explicit(&ring->chain, PORT_NONE, memory_order_relaxed);
		}
	}
	atomic_store_explicit(&control->stop, 0, memory_order_relaxed);
	atomic_store_explicit(&control->stop_detail, 0, memory_order_relaxed);
}

int arena_commit(struct arena *arena, uint64_t off, uint64_t len)
{
	struct arena_control *control = arena->control;
	/* relaxed: a sum that nothing depends on but itself */
	uint64_t before = atomic_fetch_add_explicit(&control->committed, len, memory_order_relaxed);
	int ret = -ENOSPC;

	if (before + len <= control->memory_max)
		ret = plx_segment_commit(&arena->seg, off, len);
	if (ret < 0)
		atomic_fetch_sub_explicit(&control->committed, len, memory_order_relaxed);
	return ret;
}

int64_t arena_grow(struct arena *arena, uint64_t off, uint64_t end, uint64_t need, uint64_t room)
{
	uint64_t step = end / 4 > ARENA_GROW_MAX ? ARENA_GROW_MAX : end / 4;
	int ret = -ENOSPC;

	if (step < ARENA_GROW_MIN)
		step = ARENA_GROW_MIN;
	if (step < need)
		step = need;
	step = (step + ARENA_PAGE - 1) & ~(uint64_t)(ARENA_PAGE - 1);
	if (step > room - end)
		step = room - end;
	if (step < need)
		return -ENOSPC;
	ret = arena_commit(arena, off + end, step);
	if (ret == -ENOSPC && step > need) { /* near the limit: no more than needed */
		step = (need + ARENA_PAGE - 1) & ~(uint64_t)(ARENA_PAGE - 1);
		ret = arena_commit(arena, off + end, step);
	}
	return ret < 0 ? ret : (int64_t)(end + step);
}

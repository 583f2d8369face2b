/*
 * arena.c - see arena.h. Everything here is set-up or growth: nothing is called per interaction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "reducer/net/owner.h"

#define ARENA_STRIDE_MIN 23 /* 8 MiB of addresses per partition: notes and buffers need a sixteenth */
#define ARENA_STRIDE_MAX 42
#define ARENA_TOTAL_MAX  46 /* bits of address space we ask for at most */
#define ARENA_GROW_MIN   (64ull << 10)
#define ARENA_GROW_MAX   (4ull << 20)
#define ARENA_PAGE       4096u

/* Memory of a buffer from the start. */
#define ARENA_BUFFER_MIN (32ull << 10)
static_assert((1ull << (ARENA_STRIDE_MIN - 4)) >= sizeof(struct arena_notes) + ARENA_PAGE +
							  ARENA_BUFFERS * (ARENA_BUFFER_MIN + ARENA_PAGE),
	      "notes and buffers fit");

enum arena_block {
	BLOCK_CONTROL,
	BLOCK_LINES,
	BLOCK_PARTS,
	BLOCK_PEERS,
	BLOCK_WORKERS,
	BLOCK_PARTITIONS,
	BLOCK_PROGRAM,
	BLOCK_MAIL,
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
	[ARENA_PARTITION_STATE] = { "state", PLX_COLUMN_STATE, "closed|given|taken|held" },
	[ARENA_PARTITION_MOVES] = { "moves", PLX_COLUMN_COUNT, NULL },
};

static const struct plx_column program_columns[ARENA_PROGRAM_COLUMNS] = {
	[ARENA_PROGRAM_PID] = { "supervisor", PLX_COLUMN_PID, NULL },
	[ARENA_PROGRAM_STATE] = { "state", PLX_COLUMN_STATE, "none|running|ended" },
	[ARENA_PROGRAM_TAKEOVERS] = { "takeovers", PLX_COLUMN_COUNT, NULL },
	[ARENA_PROGRAM_DEATHS] = { "worker_deaths", PLX_COLUMN_COUNT, NULL },
	[ARENA_PROGRAM_PAUSES] = { "pauses", PLX_COLUMN_COUNT, NULL },
	[ARENA_PROGRAM_QUARANTINED] = { "quarantined", PLX_COLUMN_COUNT, NULL },
	[ARENA_PROGRAM_WORKERS] = { "workers", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PROGRAM_WANTED] = { "wanted", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PROGRAM_MOST] = { "most", PLX_COLUMN_GAUGE, NULL },
	[ARENA_PROGRAM_PARTITIONS] = { "partitions", PLX_COLUMN_GAUGE, NULL },
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
	blocks[BLOCK_LINES] = (struct plx_block){ "lines", n * sizeof(struct arena_line), ARENA_APART };
	blocks[BLOCK_PARTS] = (struct plx_block){ "parts", n * sizeof(struct arena_part), ARENA_APART };
	blocks[BLOCK_PEERS] = (struct plx_block){ "peers", 2ull * n * n * sizeof(struct arena_peer),
						  ARENA_APART };
	blocks[BLOCK_WORKERS] = (struct plx_block){ "workers", plx_table_size(n, ARENA_WORKER_COLUMNS),
						    PLX_LINE };
	blocks[BLOCK_PARTITIONS] = (struct plx_block){ "partitions",
						       plx_table_size(n, ARENA_PARTITION_COLUMNS), PLX_LINE };
	blocks[BLOCK_PROGRAM] = (struct plx_block){ "program", plx_table_size(1, ARENA_PROGRAM_COLUMNS),
						    PLX_LINE };
	blocks[BLOCK_MAIL] = (struct plx_block){ "mail", (uint64_t)n * n * arena_ring_bytes(ring),
						 ARENA_PAGE };
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

/* Rings for mail from and to partition @i, as far as those before it are concerned. */
static int arena_commit_rings(struct arena *arena, uint32_t i)
{
	const uint64_t bytes = arena_ring_bytes(arena->control->ring);
	_Atomic uint64_t *held = &arena->control->committed;
	int ret = 0;

	for (uint32_t k = 0; k <= i && ret == 0; k++) {
		ret = arena_commit(arena, held, (uint64_t)((char *)arena_ring(arena, i, k) - arena->base),
				   bytes);
		if (ret == 0 && k < i)
			ret = arena_commit(arena, held,
					   (uint64_t)((char *)arena_ring(arena, k, i) - arena->base), bytes);
	}
	return ret;
}

/* What each partition has memory for from the start: its mail, notes and buffers. */
static int arena_commit_part(struct arena *arena, uint32_t i)
{
	const uint64_t notes = arena_caches_off(arena, i);
	_Atomic uint64_t *held = &arena->lines[i].memory;
	int ret = arena_commit_rings(arena, i);

	if (ret == 0)
		ret = arena_commit(arena, held, notes, arena_buffer_off(arena, 0));
	for (uint32_t k = 0; k < ARENA_BUFFERS && ret == 0; k++)
		ret = arena_commit(arena, held, notes + arena_buffer_off(arena, k), ARENA_BUFFER_MIN);
	return ret;
}

static int arena_find(struct arena *arena)
{
	arena->control = plx_segment_block(&arena->seg, "control", NULL);
	arena->lines = plx_segment_block(&arena->seg, "lines", NULL);
	arena->parts = plx_segment_block(&arena->seg, "parts", NULL);
	arena->peers = plx_segment_block(&arena->seg, "peers", NULL);
	arena->mail = plx_segment_block(&arena->seg, "mail", NULL);
	arena->book = plx_segment_block(&arena->seg, "book", &arena->book_room);
	arena->cells = (uint64_t)((char *)plx_segment_block(&arena->seg, "cells", NULL) - arena->base);
	return arena->control && arena->lines && arena->parts && arena->peers && arena->mail && arena->book
		       ? 0
		       : -EPROTO;
}

/* An area may be as large as its memory was: only what is in use is forgotten. */
static void arena_reset_part(struct arena *arena, uint32_t i, uint32_t parts)
{
	const struct arena_record *last = arena_record(arena, i);
	struct arena_part *part = &arena->parts[i];
	const uint64_t nodes = arena_nodes_off(arena, i) >> 4, vars = arena_vars_off(arena, i) >> 3;
	struct arena_record fresh = {
		.node_head = arena_buffer_off(arena, ARENA_NODES_0),
		.node_tail = arena_buffer_off(arena, ARENA_NODES_0),
		.var_head = arena_buffer_off(arena, ARENA_VARS_0),
		.var_tail = arena_buffer_off(arena, ARENA_VARS_0),
		.node_fresh = nodes,
		.node_end = last->node_end > nodes ? last->node_end : nodes,
		.var_fresh = vars,
		.var_end = last->var_end > vars ? last->var_end : vars,
		.redex_end = last->redex_end,
		.spill_end = last->spill_end,
	};

	for (uint32_t k = 0; k < ARENA_BUFFERS; k++)
		fresh.buffer_end[k] = last->buffer_end[k] ? last->buffer_end[k] : ARENA_BUFFER_MIN;
	part->record[0] = part->record[1] = fresh;
	for (uint32_t k = 0; k < parts; k++) {
		struct arena_ring *out = arena_ring(arena, i, k), *in = arena_ring(arena, k, i);
		/* relaxed: nobody else is there; the heads are brought to the tails */
		const struct arena_peer peer = {
			.tail = atomic_load_explicit(&out->tail, memory_order_relaxed),
			.chain_tail = atomic_load_explicit(&out->chain_tail, memory_order_relaxed),
			.head = atomic_load_explicit(&in->tail, memory_order_relaxed),
			.chain_head = atomic_load_explicit(&in->chain_tail, memory_order_relaxed),
		};

		arena_peers(arena, i, 0)[k] = arena_peers(arena, i, 1)[k] = peer;
		atomic_store_explicit(&in->head, peer.head, memory_order_relaxed);
		atomic_store_explicit(&in->chain_head, peer.chain_head, memory_order_relaxed);
	}
}

int arena_open_part(struct arena *arena, uint32_t to)
{
	const uint32_t i = arena_open_parts(arena);
	int ret;

	if (i == arena->n)
		return -ENOSPC;
	ret = arena_commit_part(arena, i);
	if (ret < 0) {
		atomic_store_explicit(&arena->lines[i].memory, 0, memory_order_relaxed);
		return -ENOMEM;
	}
	arena_reset_part(arena, i, i + 1);
	owner_pass(arena, i, to);
	/* release: with all that; pairs with arena_open_parts() */
	atomic_store_explicit(&arena->control->open, i + 1, memory_order_release);
	plx_table_set(&arena->program, 0, ARENA_PROGRAM_PARTITIONS, i + 1);
	return 0;
}

int arena_open(struct arena *arena, const char *name, uint32_t most, uint32_t open, uint32_t ring,
	       uint64_t memory_max)
{
	struct plx_block blocks[BLOCKS];
	uint64_t size;
	void *table;
	int ret;

	*arena = (struct arena){ .seg = PLX_SEGMENT_NONE, .n = most };
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
	arena->control->most = most;
	arena->control->wanted = open;
	arena->control->ring = ring;
	arena->control->stride_shift = arena->shift;
	arena->control->cells = arena->cells;
	arena->control->memory_max = memory_max;
	/* everything before the mail */
	ret = arena_commit(arena, &arena->control->committed, 0, (uint64_t)(arena->mail - arena->base));
	if (ret < 0)
		goto fail;
	table = plx_segment_block(&arena->seg, "workers", &size);
	ret = plx_table_init(&arena->workers, table, size, "worker", worker_columns, ARENA_WORKER_COLUMNS,
			     most);
	table = plx_segment_block(&arena->seg, "partitions", &size);
	if (ret == 0)
		ret = plx_table_init(&arena->partitions, table, size, "partition", partition_columns,
				     ARENA_PARTITION_COLUMNS, most);
	table = plx_segment_block(&arena->seg, "program", &size);
	if (ret == 0)
		ret = plx_table_init(&arena->program, table, size, "program", program_columns,
				     ARENA_PROGRAM_COLUMNS, 1);
	for (uint32_t i = 0; i < most; i++) /* also of what is not open: it does not keep anybody waiting */
		arena->lines[i].state = ARENA_IDLE;
	for (uint32_t i = 0; i < open && ret == 0; i++)
		ret = arena_open_part(arena, i);
	if (ret < 0)
		goto fail;
	arena_reset(arena);
	for (uint32_t i = 0; i < most; i++)
		plx_table_set(&arena->workers, i, ARENA_WORKER_STATE, ARENA_IDLE);
	return 0;
fail:
	arena_close(arena);
	return ret;
}

int arena_seal(struct arena *arena, bool handed)
{
	return plx_segment_seal(&arena->seg, handed ? PLX_SEAL_LINK : PLX_SEAL_DATA);
}

static int arena_find_tables(struct arena *arena)
{
	struct plx_table *const table[] = { &arena->workers, &arena->partitions, &arena->program };
	const char *const name[] = { "workers", "partitions", "program" };
	const uint32_t rows[] = { arena->n, arena->n, 1 };
	int ret = 0;

	for (uint32_t i = 0; i < 3 && ret == 0; i++) {
		uint64_t size;
		const void *at = plx_segment_block(&arena->seg, name[i], &size);

		ret = at ? plx_table_attach(table[i], at, size) : -EPROTO;
		if (ret == 0 && table[i]->rows != rows[i])
			ret = -EPROTO;
	}
	return ret;
}

int arena_attach(struct arena *arena, int fd)
{
	struct plx_segment_info info;
	struct arena view = { .seg = PLX_SEGMENT_NONE };
	int ret = plx_segment_attach(&view.seg, fd, 0, PLX_KIND_NET, PLX_ATTACH_WRITE | PLX_ATTACH_INHERIT);

	*arena = (struct arena){ .seg = PLX_SEGMENT_NONE };
	if (ret < 0)
		return ret;
	view.base = view.seg.base;
	ret = plx_segment_info(&view.seg, &info);
	if (ret == 0 && info.version != ARENA_VERSION)
		ret = -EPROTO;
	if (ret == 0)
		ret = arena_find(&view);
	if (ret == 0 && (view.control->version != ARENA_VERSION || view.control->cells != view.cells ||
			 view.control->most == 0 || view.control->most > NET_WORKERS_MAX))
		ret = -EPROTO;
	if (ret == 0) {
		view.n = view.control->most;
		view.shift = view.control->stride_shift;
		ret = arena_find_tables(&view);
	}
	if (ret < 0) {
		view.seg.fd = -1; /* its owner's still */
		arena_close(&view);
		return ret;
	}
	*arena = view;
	return 0;
}

void arena_close(struct arena *arena)
{
	plx_segment_close(&arena->seg);
	*arena = (struct arena){ .seg = PLX_SEGMENT_NONE };
}

void arena_reset(struct arena *arena)
{
	struct arena_control *control = arena->control;
	const uint32_t parts = arena_open_parts(arena);

	for (uint32_t i = 0; i < parts; i++) {
		struct arena_line *line = &arena->lines[i];

		arena_reset_part(arena, i, parts);
		/* relaxed: the workers are idle, and see all of this when they see the new job (S1) */
		atomic_store_explicit(&line->sent, 0, memory_order_relaxed);
		atomic_store_explicit(&line->received, 0, memory_order_relaxed);
		atomic_store_explicit(&line->interactions, 0, memory_order_relaxed);
		atomic_store_explicit(&line->given, 0, memory_order_relaxed);
		atomic_store_explicit(&line->parked, 0, memory_order_relaxed);
		atomic_store_explicit(&line->redexes, 0, memory_order_relaxed);
		atomic_store_explicit(&line->inbox, 0, memory_order_relaxed);
	}
	for (uint32_t i = 0; i < parts; i++)
		atomic_store_explicit(&arena->lines[i].memory, arena_held(arena, i, arena_record(arena, i)),
				      memory_order_relaxed);
	atomic_store_explicit(&control->stop, 0, memory_order_relaxed);
	atomic_store_explicit(&control->stop_detail, 0, memory_order_relaxed);
}

uint64_t arena_memory(const struct arena *arena)
{
	/* seq_cst: of two that grow at once one sees the other's wish, see arena_commit() */
	uint64_t sum = atomic_load_explicit(&arena->control->committed, memory_order_seq_cst);

	for (uint32_t i = 0; i < arena->n; i++)
		sum += atomic_load_explicit(&arena->lines[i].memory, memory_order_seq_cst);
	return sum;
}

int arena_commit(struct arena *arena, _Atomic uint64_t *held, uint64_t off, uint64_t len)
{
	/* relaxed: ours */
	const uint64_t before = atomic_load_explicit(held, memory_order_relaxed);
	int ret = -ENOSPC;

	atomic_store_explicit(held, before + len, memory_order_seq_cst);
	if (arena_memory(arena) <= arena->control->memory_max)
		ret = plx_segment_commit(&arena->seg, off, len);
	if (ret < 0)
		atomic_store_explicit(held, before, memory_order_seq_cst);
	return ret;
}

uint64_t arena_held(const struct arena *arena, uint32_t part, const struct arena_record *record)
{
	uint64_t sum = arena_buffer_off(arena, 0);

	sum += (record->node_end << 4) - arena_nodes_off(arena, part);
	sum += (record->var_end << 3) - arena_vars_off(arena, part);
	sum += record->redex_end * sizeof(struct pair) + record->spill_end * sizeof(struct arena_spilled);
	for (uint32_t k = 0; k < ARENA_BUFFERS; k++)
		sum += record->buffer_end[k];
	return sum;
}

int64_t arena_grow(struct arena *arena, uint32_t part, uint64_t off, uint64_t end, uint64_t need,
		   uint64_t room)
{
	uint64_t step = end / 4 > ARENA_GROW_MAX ? ARENA_GROW_MAX : end / 4;
	_Atomic uint64_t *held = &arena->lines[part].memory;
	int ret;

	if (step < ARENA_GROW_MIN)
		step = ARENA_GROW_MIN;
	if (step < need)
		step = need;
	step = (step + ARENA_PAGE - 1) & ~(uint64_t)(ARENA_PAGE - 1);
	if (step > room - end)
		step = room - end;
	if (step < need)
		return -ENOSPC;
	ret = arena_commit(arena, held, off + end, step);
	if (ret == -ENOSPC && step > need) { /* near the limit: no more than needed */
		step = (need + ARENA_PAGE - 1) & ~(uint64_t)(ARENA_PAGE - 1);
		ret = arena_commit(arena, held, off + end, step);
	}
	return ret < 0 ? ret : (int64_t)(end + step);
}

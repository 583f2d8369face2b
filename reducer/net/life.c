/*
 * life.c - a worker from its start to its end: what a predecessor has left, programs, resting between them.
 *
 *	rest --> adopt a new program --> reduce --> tick --> reduce ... nothing left --> rest
 */
#include <errno.h>
#include <stdlib.h>

#include "reducer/net/cells.h"
#include "reducer/net/expand.h"
#include "reducer/net/inject.h"
#include "reducer/net/queue.h"
#include "reducer/net/quiesce.h"

/* As the supervisor has left it. */
static void worker_adopt_queues(struct worker *w)
{
	batch_rewind(w);
	batch_commit(w); /* whatever was noted before is about nothing */
	w->round = w->tick;
	w->hot.fuel = w->round;
	w->skipped = 0;
	w->unread = 0;
	w->quiet = w->starving = 0;
	w->generous = 1;
	w->step = 1;
	w->credit = 0;
	w->mark = w->redexes;
	w->resumed = w->boldness = 0;
	w->bold_until = 0;
	w->gave_at = 0;
	w->failed = w->mixed = false;
	w->want.nodes = w->want.vars = w->want.redexes = 0;
}

/* The first redex of all: @main and the variable on which the normal form will hang. */
static void worker_begin(struct worker *w)
{
	const port root = cells_new_var(&w->hot);

	w->arena->control->root = root;
	*w->hot.top++ = (struct pair){ port_ref(BOOK_MAIN), root };
}

/* The program, as the supervisor has loaded it. False: no memory. */
static bool worker_read_code(struct worker *w)
{
	struct arena *arena = w->arena;
	const struct code *code = (const struct code *)(arena->base + arena->control->code);

	w->book = arena_book(arena);
	w->defs = code_def(code, 0);
	w->slots = code_slots(code);
	if (code->places_max > w->places_room) {
		free(w->places);
		w->places_room = code->places_max;
		w->places = malloc(w->places_room * sizeof(*w->places));
	}
	if (!w->places) {
		w->places_room = 0;
		worker_stop(w, NET_MEMORY, ENOMEM);
		return false;
	}
	w->places[0] = 0;
	fuse_begin(w, code->defs);
	return !w->failed;
}

/* Take part in a program from here on: nothing of an earlier one counts. */
static void worker_join(struct worker *w)
{
	worker_adopt_queues(w);
	if (!worker_read_code(w))
		return;
	w->want.vars = w->want.redexes = 1;
	w->recommit = true;
	worker_prepare(w);
}

/* Is the order @job about the program that began with @first? */
static bool worker_is_part(uint32_t job, uint32_t first, uint32_t now)
{
	return job != 0 && job - first <= now - first;
}

static void worker_adopt(struct worker *w)
{
	const struct arena_control *control = w->arena->control;
	uint32_t first;

	w->job = atomic_load_explicit(&control->job, memory_order_acquire);  /* S2 */
	first = atomic_load_explicit(&control->first, memory_order_relaxed); /* stored before S1 */
	if (!worker_is_part((uint32_t)w->now.job, first, w->job))
		worker_join(w);
	if (w->me == 0 && !w->failed) {
		if (w->job == first)
			worker_begin(w);
		else if (control->order == ARENA_INJECT)
			inject_piece(w);
		else
			expand_result(w);
		w->now.received++; /* the order itself, see quiesce.h */
	}
	w->now.job = w->job;
	if (!w->failed)
		batch_commit(w); /* the order is carried out, or, until now, has not been begun */
}

/* Where everything stands, for who looks while we rest. */
static void worker_save(struct worker *w)
{
	struct arena *arena = w->arena;
	const struct arena_record *now = &w->now;

	/* relaxed: ordered by Q1 */
	atomic_store_explicit(&w->line->sent, now->sent, memory_order_relaxed);
	atomic_store_explicit(&w->line->received, now->received, memory_order_relaxed);
	atomic_store_explicit(&w->line->given, now->given, memory_order_relaxed);
	atomic_store_explicit(&w->line->parked, now->parked, memory_order_relaxed);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_ITRS, now->interactions);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_SENT, now->sent);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_RECEIVED, now->received);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_GIVEN, now->given);
	plx_table_set(&arena->workers, w->me, ARENA_WORKER_PARKED, now->parked);
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_REDEXES, (uint64_t)(w->hot.top - w->bottom));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_NODES,
		      now->node_fresh - (arena_nodes_off(arena, w->me) >> 4));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_VARS,
		      now->var_fresh - (arena_vars_off(arena, w->me) >> 3));
	plx_table_set(&arena->partitions, w->me, ARENA_PARTITION_MEMORY,
		      atomic_load_explicit(&w->line->memory, memory_order_relaxed));
}

static void worker_init(struct worker *w, struct arena *arena, uint32_t me, int ended_fd)
{
	const uint64_t nodes = arena_nodes_off(arena, me), vars = arena_vars_off(arena, me);

	*w = (struct worker){
		.me = me,
		.n = arena_open_parts(arena),
		.tick = arena->control->tick,
		.ended_fd = ended_fd,
		.arena = arena,
		.line = &arena->lines[me],
		.bell = &arena->lines[me],
		.part = &arena->parts[me],
		.notes = arena_notes(arena, me),
		.node_low = port_make(0, 0, nodes >> 4),
		.node_span = port_make(0, 0, arena_nodes_room(arena) >> 4),
		.var_low = port_var(vars >> 3),
		.var_span = port_var(arena_vars_room(arena) >> 3),
		.redexes = (struct pair *)(arena->base + arena_redexes_off(arena, me)),
		.spill = (struct arena_spilled *)(arena->base + arena_spill_off(arena, me)),
		.peer = (struct arena_peer *)(w + 1),
		.generous = 1,
		.step = 1,
	};
	w->hot.base = arena->base;
	w->fuse.on = arena->control->fuse != 0;
	w->fuse.warm = arena->control->fuse;
	w->round = w->tick;
	w->hot.fuel = w->round;
	for (uint32_t i = 0; i < arena->n; i++) {
		w->out[i].ring = arena_ring(arena, me, i);
		w->in[i].ring = arena_ring(arena, i, me);
	}
}

void worker_settle_down(struct worker *w)
{
	worker_account(w);
	batch_commit(w);
	worker_save(w);
}

void worker_stand(struct worker *w)
{
	if (w->awake)
		worker_settle_down(w);
}

/* After a death: go on with a program that is under way, as whoever was here before would have. */
static void worker_resume(struct worker *w)
{
	const struct arena_control *control = w->arena->control;
	const uint32_t job = atomic_load_explicit(&control->job, memory_order_acquire); /* S2 */
	const uint32_t first = atomic_load_explicit(&control->first, memory_order_relaxed);

	w->job = atomic_load_explicit(&control->ended, memory_order_acquire);
	if (w->job == job || !worker_is_part((uint32_t)w->now.job, first, job))
		return;
	w->job = (uint32_t)w->now.job;
	worker_read_code(w);
}

struct worker *worker_open(struct arena *arena, uint32_t me, int ended_fd)
{
	struct worker *w = malloc(sizeof(*w) + arena->n * sizeof(struct arena_peer));

	if (!w)
		return NULL;
	worker_init(w, arena, me, ended_fd);
	batch_recover(w);
	batch_commit(w); /* what was undone needs not be undone again */
	worker_save(w);
	worker_resume(w);
	w->awake = quiesce_recover(w);
	return w;
}

void worker_close(struct worker *w)
{
	fuse_close(w);
	free(w->places);
	free(w);
}

void worker_wake(struct worker *w)
{
	if (atomic_load_explicit(&w->arena->control->job, memory_order_relaxed) != w->job)
		worker_adopt(w);
}

bool worker_turn(struct worker *w)
{
	const bool fresh = !w->awake;

	if (fresh && !w->down) {
		quiesce_lie_down(w);
		w->down = true;
	}
	if (fresh && !quiesce_look_up(w))
		return false;
	w->awake = true;
	worker_wake(w);
	if (worker_batch(w))
		return true;
	worker_settle_down(w);
	w->awake = false;
	quiesce_lie_down(w);
	return true;
}

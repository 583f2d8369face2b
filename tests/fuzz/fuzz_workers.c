/*
 * fuzz_workers.c - whatever a worker that ran wild left in a pool: who looks after it, sends to it, or comes after it, goes on.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_workers.c calls it too. The input is a list of words and where they are written:
 * the worker's line, its undo log and outbox, lanes and messages, requests, answers, owners of slots, counters, the header.
 * Then everything is done that a supervisor does after a death, and what a successor and a sender do. What must hold: nobody
 * reads or writes outside of what is his, nothing takes for ever, and messages say no more than they have.
 *
 * Seats are left alone: they name processes and their descriptors, and are the channels' business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_workers.h"
#include "work/work.h"

#define WORKERS 2u
#define SIZE    16u

static struct plx_workers pool, whole_pool; /* as it is, and as it was */
static unsigned char *memory, *whole;       /* the segment; the same of a copy */
static bool forwards = true;
static uint64_t sum; /* of bytes that handlers saw */

static void look(const struct plx_message *m)
{
	const unsigned char *data = m->data;

	HOLDS(m->size <= SIZE);
	HOLDS(data > memory && data + m->size <= memory + pool.map.seg.size);
	for (uint32_t i = 0; i < m->size; i++)
		sum += data[i];
}

static int handle(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)arg;
	look(m);
	if (m->type == 2 && forwards && plx_worker_forward(w, m->key + 1, 1, m->data, m->size) < 0)
		return -ENOSPC;
	return plx_worker_add(w, plx_worker_state(w), 1);
}

static void poison(void *arg, const struct plx_message *m)
{
	(void)arg;
	look(m);
}

static int configure(struct plx_worker *w, const void *data, uint32_t size, void *arg)
{
	(void)w;
	(void)arg;
	HOLDS(size <= SIZE);
	for (uint32_t i = 0; i < size; i++)
		sum += ((const unsigned char *)data)[i];
	return 0;
}

/* ---- a pool in which something is going on -------------------------------------------------------------- */

static void use_worker(struct plx_worker *w, uint32_t number)
{
	memset(w, 0, sizeof(*w));
	w->map = &pool.map;
	w->options = &pool.options;
	w->line = &pool.map.lines[number];
	w->undo = plx_work_undo(&pool.map, number);
	w->number = number;
	w->control.end.channel = plx_work_control(&pool.map, number);
	w->inbox.end.channel = plx_work_inbox(&pool.map, number);
}

/* A message in hand, with something noted and something to forward; another one finished and not yet sent on. */
static void fill(void)
{
	static struct plx_worker w;
	struct plx_sender *s;
	struct plx_message m = { .data = "forwarded", .size = 9, .type = 2 };

	HOLDS(plx_sender_open(&s, &pool) == 0);
	for (uint64_t key = 0; key < 20; key++)
		(void)!plx_sender_send(s, key, 1 + key % 2, "some bytes", 10, 0);
	(void)!plx_sender_call(s, 3, 1, "a call", 6, NULL, NULL, 1);
	plx_sender_close(s);
	for (uint32_t i = 0; i < WORKERS; i++) {
		use_worker(&w, i);
		w.line->hand_lane = 1;
		w.line->deadly.lane = 0;
		w.line->attempts = 2;
		m.data = memory + 4096;
		(void)!handle(&w, &m, NULL);
		if (i == 1)
			plx_work_commit(w.line, 0, 1);
		plx_sender_close(w.sender); /* that it has for what it forwards */
	}
}

static void make_pool(void)
{
	struct plx_workers_options o = { .hooks = { .handle = handle, .configure = configure },
					 .workers = WORKERS,
					 .most = WORKERS,
					 .senders = 1,
					 .size = SIZE,
					 .count = 8,
					 .undo_size = 256,
					 .forward_size = 256,
					 .state_size = 64,
					 .priorities = true,
					 .poison = poison };
	uint32_t weights[WORKERS] = { 1, 1 };

	pool.options = o;
	HOLDS(plx_work_map_create(&pool.map, &o, "fuzz") == 0);
	memory = pool.map.seg.base;
	pool.moves = calloc(PLX_PARTITION_SLOTS, sizeof(*pool.moves));
	pool.forwarding = UINT32_MAX;
	pool.owner_thread = -1;
	pool.active = pool.map.hdr->active = WORKERS;
	for (uint32_t i = 0; i < WORKERS; i++) {
		pool.child[i] = pool.worker_of[i] = i;
		pool.pid[i] = getpid(); /* who lives is not buried */
		pool.map.lines[i].in_use = 1;
		HOLDS(plx_post_sender_open(&pool.control[i], plx_work_control(&pool.map, i),
					   pool.map.control_bytes, 0) == 0);
		HOLDS(plx_post_try_send(&pool.control[i], PLX_REQUEST_CONFIGURE, 0, "words", 5));
		HOLDS(plx_post_try_send(&pool.control[i], PLX_REQUEST_PING, 0, "", 0));
	}
	HOLDS(plx_work_rebalance(&pool, weights) == 0 && plx_work_handover(&pool));
	fill();
	whole = aligned_alloc(PLX_LINE, pool.map.seg.size);
	HOLDS(whole && pool.moves);
	memcpy(whole, memory, pool.map.seg.size);
	whole_pool = pool;
}

/* ---- what was damaged ----------------------------------------------------------------------------------- */

static struct fuzz_place place_of(uint32_t what, uint32_t worker)
{
	const struct plx_work_map *map = &pool.map;
	struct plx_lane *lane = plx_work_lane(map, worker, what % map->lanes);
	struct plx_geometry g;

	switch (what % FUZZ_PLACES) {
	case 0: return (struct fuzz_place){ &map->lines[worker], sizeof(*map->lines) };
	case 1: return (struct fuzz_place){ plx_work_undo(map, worker), map->undo_size };
	case 2: return (struct fuzz_place){ plx_work_outbox(map, worker), map->outbox_bytes };
	case 3: return (struct fuzz_place){ lane, sizeof(*lane) };
	case 4: return (struct fuzz_place){ plx_cells_of(lane), map->inbox_geometry.cells * 64ull };
	case 5: return (struct fuzz_place){ map->reply, map->reply_stride * map->senders };
	case 6: return (struct fuzz_place){ map->hdr, sizeof(*map->hdr) };
	case 7: return (struct fuzz_place){ map->brackets, map->senders * sizeof(*map->brackets) };
	case 8: return (struct fuzz_place){ map->partition.owner, PLX_PARTITION_SLOTS * 2 };
	case 9:
		return (struct fuzz_place){ plx_segment_block(&map->seg, "workers", NULL),
					    plx_table_size(WORKERS, PLX_WORK_COLUMNS) };
	default:
		HOLDS(plx_geometry_read(&g, whole + ((unsigned char *)plx_work_control(map, worker) - memory),
					map->control_bytes) == 0);
		return (struct fuzz_place){ plx_lane_at(plx_work_control(map, worker), &g, 0),
					    g.lane_stride };
	}
}

static void damage(const unsigned char *data, size_t size)
{
	while (size >= sizeof(struct fuzz_poke)) {
		struct fuzz_poke poke;
		struct fuzz_place place;

		memcpy(&poke, data, sizeof(poke));
		data += sizeof(poke);
		size -= sizeof(poke);
		place = place_of(poke.what, poke.what >> 7);
		memcpy((unsigned char *)(uintptr_t)place.at + poke.where * 8ull % place.size / 8 * 8,
		       &poke.word, 8);
	}
}

/* ---- everything that is done ---------------------------------------------------------------------------- */

static void look_at_it(void)
{
	const char *why = NULL, *again = NULL;
	struct plx_workers_stats stats;
	int ret = plx_workers_check(&pool.map.seg, &why);

	HOLDS(ret == 0 ? why == NULL : ret == -EBADMSG && why != NULL);
	HOLDS(plx_workers_check(&pool.map.seg, &again) == ret && again == why);
	HOLDS(plx_workers_stats(&pool, UINT32_MAX, &stats) == 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		HOLDS(plx_workers_state(&pool, i, NULL) <= PLX_WORKER_QUARANTINE);
		(void)plx_work_backlog(&pool.map, i);
	}
}

/* As the supervisor: what is put back is memory that may be noted, and nothing else. */
static void repair(void)
{
	static unsigned char before[sizeof(struct plx_workers_hdr)];
	struct plx_supervisor_options o;
	struct plx_exit how = { .code = -1, .signal = 9 };

	plx_work_watch_options(&pool, &o);
	memcpy(before, pool.map.hdr, sizeof(before));
	for (uint32_t i = 0; i < WORKERS; i++) {
		o.repair(&pool, i, &how);
		(void)o.progress(&pool, i);
	}
	HOLDS(memcmp(before, pool.map.hdr, sizeof(before)) == 0);
}

static void succeed(uint32_t number)
{
	static struct plx_worker w;
	struct plx_geometry g;

	use_worker(&w, number);
	HOLDS(plx_geometry_read(&g, w.control.end.channel, pool.map.control_bytes) == 0);
	plx_post_lanes(&w.control, w.control.end.channel, &g);
	plx_post_lanes(&w.inbox, w.inbox.end.channel, &pool.map.inbox_geometry);
	for (int i = 0; i < 4; i++)
		plx_work_obey(&w);
	/* for what it forwards a worker waits until there is room, and somebody to send it to: not here */
	forwards = false;
	plx_work_outbox(&pool.map, number)->seq = UINT64_MAX / 2;
	for (int i = 0; i < 4; i++)
		(void)plx_work_take(&w);
	forwards = true;
	plx_sender_close(w.sender);
}

/* A call that nobody answers lets others run, and they take their time: now and then. */
static void send(bool call)
{
	char answer[SIZE];
	uint32_t room = sizeof(answer);
	struct plx_sender *s;

	if (plx_sender_open(&s, &pool) < 0)
		return;
	for (uint64_t key = 0; key < 4; key++)
		(void)!plx_sender_send_priority(s, (uint8_t)key, key, 1, "bytes", 5, 0);
	(void)!plx_sender_broadcast(s, 1, 1, "all", 3, 0);
	if (call)
		(void)!plx_sender_call(s, 7, 1, "?", 1, answer, &room, 1);
	HOLDS(room <= SIZE);
	plx_sender_close(s);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (!whole)
		make_pool();
	memcpy(memory, whole, pool.map.seg.size);
	pool = whole_pool;
	damage(data, size);
	look_at_it();
	repair();
	repair(); /* by a supervisor that was interrupted */
	send(size > 0 && data[0] % 16 == 5);
	succeed(0);
	plx_work_abandon(&pool, 1); /* its messages and slots go to the other one */
	for (int i = 0; i < 3; i++)
		(void)plx_work_handover(&pool);
	look_at_it();
	plx_sender_close(pool.forward);
	free(pool.from);
	pool.forward = NULL;
	pool.from = NULL;
	return 0;
}

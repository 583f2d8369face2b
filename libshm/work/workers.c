/* workers.c - a pool is opened, asked, drained, stopped. */
#include "work/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plx/log.h>

#include "base/atomic.h"
#include "base/place.h"
#include "base/sys.h"
#include "chan/wait.h"

#define NOBODY    UINT32_MAX
#define READY_NS  60000000000ull
#define END_NS    5000000000ull
#define COUNT     1024u
#define SENDERS   4u
#define SIZE      40u
#define UNDO      4096u
#define UNDO_MAX  (1u << 28)
#define SLOT_MAX  (1u << 20)
#define STATE_MAX (1ull << 36)

/* ---- workers start and end ------------------------------------------------------------------------ */

static int run_process(void *arg)
{
	struct plx_work_birth birth = *(struct plx_work_birth *)arg;
	struct plx_workers *w = birth.workers;

	plx_sys_ignore_signal(SIGTERM); /* a service manager sends it to all of us; the supervisor decides */
	plx_work_place(w, birth.number);
	if (plx_work_limit(&w->options.limits) < 0)
		return PLX_EXIT_HOPELESS_FIRST + 13; /* EX_NOPERM */
	return plx_work_run(w, birth.number);
}

static void *run_thread(void *arg)
{
	struct plx_work_birth birth = *(struct plx_work_birth *)arg;

	plx_work_run(birth.workers, birth.number);
	return NULL;
}

static int spawn(struct plx_workers *w, uint32_t number)
{
	struct plx_child child = { .name = w->name, .run = run_process, .arg = &w->birth[number] };
	struct plx_child_info info;
	int ret;

	if (!w->supervisor) {
		ret = plx_sys_thread(&w->thread[number], run_thread, &w->birth[number]);
		w->child[number] = ret == 0 ? number : NOBODY;
		return ret;
	}
	/* its number is the lowest that is free: we know it before there is a child to die */
	ret = plx_supervisor_start(w->supervisor, &child, &w->child[number]);
	if (ret < 0)
		w->child[number] = NOBODY;
	else
		w->worker_of[w->child[number]] = number;
	if (ret == 0 && plx_supervisor_child(w->supervisor, w->child[number], &info) == 0)
		w->pid[number] = info.pid;
	return ret;
}

static uint32_t state_of(const struct plx_workers *w, uint32_t number)
{
	/* WS2 acquire: pairs with WS1 */
	uint32_t state = __atomic_load_n(&w->map.lines[number].state, __ATOMIC_ACQUIRE);

	return state <= PLX_WORKER_QUARANTINE ? state : PLX_WORKER_NONE; /* it wrote what there is not */
}

static bool is_ready(const struct plx_workers *w, uint32_t number)
{
	uint32_t state = state_of(w, number);

	return state == PLX_WORKER_IDLE || state == PLX_WORKER_BUSY || state == PLX_WORKER_PAUSED;
}

int plx_work_start(struct plx_workers *w, uint32_t number)
{
	struct plx_work_line *line = &w->map.lines[number];
	uint64_t end_ns = plx_work_deadline(READY_NS);
	int ret;

	plx_write_once(&line->state, PLX_WORKER_STARTING);
	plx_write_once(&line->attempts, 0);
	plx_write_once(&line->paused, 0);
	plx_table_set(&w->map.table, number, PLX_WORK_STATE, PLX_WORKER_STARTING);
	w->ending[number] = false;
	ret = spawn(w, number);
	while (ret == 0 && !is_ready(w, number)) {
		ret = plx_work_wait(w, end_ns);
		if (w->child[number] == NOBODY || w->gave_up)
			ret = -ECHILD;
		if (!w->supervisor && state_of(w, number) == PLX_WORKER_STOPPED) {
			plx_sys_join(w->thread[number]);
			w->child[number] = NOBODY;
			ret = -ECHILD;
		}
	}
	if (ret < 0)
		return ret;
	plx_write_once(&line->in_use, 1);
	plx_write_once(&w->map.hdr->active, ++w->active);
	return 0;
}

/* ---- requests ------------------------------------------------------------------------------------- */

/* Is there a process, or will there be one again? */
static bool lives(const struct plx_workers *w, uint32_t worker)
{
	struct plx_child_info info;

	if (w->child[worker] == NOBODY || !w->supervisor)
		return w->child[worker] != NOBODY;
	return plx_supervisor_child(w->supervisor, w->child[worker], &info) == 0 &&
	       (info.state == PLX_CHILD_RUNNING || info.state == PLX_CHILD_WAITING);
}

/* Write a request down and wake the worker. Return: 0, or why there is no room for it. */
static int post_request(struct plx_workers *w, uint32_t worker, uint32_t request, const void *data,
			uint32_t size, uint64_t end_ns)
{
	struct plx_post_sender *tx = &w->control[worker];
	void *at;

	while (!(at = plx_post_reserve(tx))) {
		int ret = plx_work_wait(w, end_ns);

		if (ret < 0)
			return ret;
	}
	plx_post_stamp(tx);
	if (size)
		memcpy(at, data, size);
	plx_post_commit(tx, (uint16_t)request, 0, (uint16_t)size);
	w->asked[worker]++;
	__atomic_signal_fence(
		__ATOMIC_SEQ_CST); /* it fences before it sleeps, and looks again: chan/wait.c */
	plx_work_wake(&w->map, worker);
	return 0;
}

int plx_work_ask(struct plx_workers *w, uint32_t worker, uint32_t request, const void *data, uint32_t size,
		 uint64_t timeout_ns)
{
	const struct plx_work_line *line = &w->map.lines[worker];
	uint64_t end_ns = plx_work_deadline(timeout_ns);
	int ret = post_request(w, worker, request, data, size, end_ns);
	int32_t missing;

	/* AN2 acquire: pairs with AN1 */
	while (ret == 0 &&
	       (missing = (int32_t)(w->asked[worker] - __atomic_load_n(&line->answered, __ATOMIC_ACQUIRE)))) {
		ret = lives(w, worker) ? plx_work_wait(w, end_ns) : -EOWNERDEAD;
		if (missing < 0) /* it answers what nobody asked */
			ret = -EBADMSG;
	}
	if (ret == 0)
		ret = plx_read_once(&line->answer);
	return ret <= 0 ? ret : -EBADMSG;
}

/* ---- the end of workers ----------------------------------------------------------------------------- */

static bool one_runs(const struct plx_workers *w, uint32_t worker)
{
	struct plx_child_info info;

	return w->child[worker] != NOBODY &&
	       plx_supervisor_child(w->supervisor, w->child[worker], &info) == 0 &&
	       info.state == PLX_CHILD_RUNNING;
}

static void bury(struct plx_workers *w, uint32_t worker)
{
	(void)!plx_supervisor_stop(w->supervisor, w->child[worker], 0, NULL);
	plx_write_once(&w->map.lines[worker].state, PLX_WORKER_NONE);
	plx_table_set(&w->map.table, worker, PLX_WORK_STATE, PLX_WORKER_NONE);
	plx_table_set(&w->map.table, worker, PLX_WORK_PID, 0);
}

void plx_work_end(struct plx_workers *w, uint64_t who, uint64_t timeout_ns)
{
	uint64_t end_ns = plx_work_deadline(timeout_ns < END_NS ? timeout_ns : END_NS);

	for (uint32_t i = 0; i < w->map.most; i++) {
		if (w->child[i] == NOBODY)
			who &= ~(1ull << i);
		if (!(who >> i & 1))
			continue;
		w->ending[i] = true;
		if (w->supervisor)
			(void)!plx_supervisor_expect(w->supervisor, w->child[i]);
		(void)!post_request(w, i, PLX_REQUEST_STOP, NULL, 0, end_ns);
	}
	/* they go at the same time, and we take them away as they come */
	for (uint32_t i = 0; i < w->map.most; i++) {
		int ret = 0;

		if (!(who >> i & 1))
			continue;
		while (w->supervisor && one_runs(w, i) && (ret >= 0 || ret == -EINTR)) {
			uint64_t now_ns = plx_now_ns();

			if (now_ns >= end_ns)
				break;
			ret = plx_workers_step(w, end_ns - now_ns);
		}
		if (w->supervisor)
			bury(w, i);
		else
			plx_sys_join(w->thread[i]);
		w->child[i] = NOBODY;
	}
}

static bool exists(const struct plx_workers *w, uint32_t worker)
{
	return worker < w->map.most && plx_read_once(&w->map.lines[worker].in_use);
}

/* One, or all of them. */
static int set_paused(struct plx_workers *w, uint32_t worker, uint32_t paused, uint64_t timeout_ns)
{
	uint32_t first = worker == UINT32_MAX ? 0 : worker,
		 last = worker == UINT32_MAX ? w->map.most - 1 : worker;
	int ret = worker != UINT32_MAX && !exists(w, worker) ? -ENOENT : 0;

	for (uint32_t i = first; i <= last && ret == 0; i++) {
		if (!exists(w, i))
			continue;
		plx_write_once(&w->map.lines[i].paused, paused);
		ret = plx_work_ask(w, i, paused ? PLX_REQUEST_PAUSE : PLX_REQUEST_RESUME, NULL, 0,
				   timeout_ns);
		if (ret == -EOWNERDEAD)
			ret = 0; /* its successor sees it from the start */
	}
	return ret;
}

int plx_workers_pause(struct plx_workers *w, uint32_t worker, uint64_t timeout_ns)
{
	return set_paused(w, worker, 1, timeout_ns);
}

int plx_workers_resume(struct plx_workers *w, uint32_t worker, uint64_t timeout_ns)
{
	return set_paused(w, worker, 0, timeout_ns);
}

int plx_workers_ping(struct plx_workers *w, uint32_t worker, uint64_t timeout_ns, uint64_t *ns)
{
	uint64_t begin = plx_now_ns();
	int ret = exists(w, worker) ? plx_work_ask(w, worker, PLX_REQUEST_PING, NULL, 0, timeout_ns)
				    : -ENOENT;

	if (ret == 0 && ns)
		*ns = plx_now_ns() - begin;
	return ret;
}

int plx_workers_configure(struct plx_workers *w, uint32_t worker, const void *data, uint32_t size,
			  uint64_t timeout_ns)
{
	uint32_t first = worker == UINT32_MAX ? 0 : worker,
		 last = worker == UINT32_MAX ? w->map.most - 1 : worker;
	int ret = worker != UINT32_MAX && !exists(w, worker) ? -ENOENT : size > w->map.size ? -EMSGSIZE : 0;

	if (ret < 0)
		return ret;
	for (uint32_t i = first; i <= last; i++) {
		int one = exists(w, i) ? plx_work_ask(w, i, PLX_REQUEST_CONFIGURE, data, size, timeout_ns)
				       : 0;

		ret = ret < 0 ? ret : one; /* the others hear of it although one refuses */
	}
	return ret;
}

/* ---- draining, stopping --------------------------------------------------------------------------- */

/*
 * All that was sent has been finished: what is finished is summed first, what is sent afterwards, both only grow. When they
 * are equal there was a moment between at which nothing was on its way; and a handler sends before its message is finished.
 */
static bool all_finished(const struct plx_workers *w)
{
	uint64_t taken = 0, sent = 0;

	for (uint32_t i = 0; i < w->map.most; i++)
		for (uint32_t l = 0; l < w->map.lanes; l++)
			taken += __atomic_load_n(&plx_work_lane(&w->map, i, l)->taken, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < w->map.most; i++) /* of one that died after a message and before that */
		if (plx_work_has_outbox(&w->map, i))
			return false;
	for (uint32_t i = 0; i < w->map.most; i++)
		for (uint32_t l = 0; l < w->map.lanes; l++)
			sent += plx_lane_sent(&w->map.inbox_geometry, plx_work_lane(&w->map, i, l));
	return taken == sent;
}

static int drain_until(struct plx_workers *w, uint64_t end_ns)
{
	while (!plx_work_handover(w) || !all_finished(w)) {
		int ret = plx_work_wait(w, end_ns);

		if (ret < 0)
			return ret;
	}
	return w->gave_up ? -ESHUTDOWN : 0;
}

int plx_workers_drain(struct plx_workers *w, uint64_t timeout_ns)
{
	return drain_until(w, plx_work_deadline(timeout_ns));
}

int plx_workers_stop(struct plx_workers *w, uint64_t timeout_ns)
{
	uint64_t end_ns = plx_work_deadline(timeout_ns);
	int ret;

	plx_write_once(&w->map.hdr->closing, 1);
	plx_work_settle(w);
	for (uint32_t i = 0; i < w->map.most; i++)
		plx_write_once(&w->map.lines[i].paused, 0);
	do {
		ret = plx_work_settled(w, true) ? 0 : plx_work_wait(w, end_ns);
	} while (ret == -EINTR || (ret == 0 && w->settling));
	while (ret == 0 || ret == -EINTR) {
		ret = drain_until(w, end_ns);
		if (ret == 0)
			break;
	}
	if (ret == 0)
		plx_work_end(w, UINT64_MAX, END_NS);
	plx_workers_close(w);
	return ret;
}

void plx_workers_close(struct plx_workers *w)
{
	if (!w)
		return;
	if (!w->supervisor && w->map.hdr) {
		plx_write_once(&w->map.hdr->closing, 1);
		plx_work_end(w, UINT64_MAX, END_NS);
	}
	plx_supervisor_close(w->supervisor);
	plx_sender_close(w->forward);
	for (uint32_t i = 0; i < PLX_WORKERS_MAX; i++)
		plx_post_sender_leave(&w->control[i]);
	plx_segment_close(&w->map.seg);
	free(w->from);
	free(w->moves);
	free(w);
}

/* ---- opening -------------------------------------------------------------------------------------- */

static int choose_options(struct plx_workers_options *o)
{
	if (o->workers == 0)
		o->workers = plx_place_count() < PLX_WORKERS_MAX ? plx_place_count() : PLX_WORKERS_MAX;
	if (o->most == 0)
		o->most = o->workers;
	if (o->senders == 0)
		o->senders = SENDERS;
	if (o->size == 0)
		o->size = SIZE;
	if (o->count == 0)
		o->count = COUNT;
	if (o->undo_size == 0)
		o->undo_size = UNDO;
	if (o->forward_size == 0)
		o->forward_size = UNDO;
	if (!o->hooks.handle || o->workers > o->most || o->most > PLX_WORKERS_MAX ||
	    o->senders > PLX_SENDERS_MAX || o->size > PLX_WORK_SIZE_MAX || o->undo_size > UNDO_MAX ||
	    o->forward_size > UNDO_MAX || o->slot_size > SLOT_MAX || o->state_size > STATE_MAX ||
	    o->placement > PLX_PLACE_AUTO || o->limits.sandbox & ~PLX_SANDBOX_ALL ||
	    (o->threads && o->placement == PLX_PLACE_AUTO))
		return -EINVAL;
	return 0;
}

static int open_parts(struct plx_workers *w)
{
	struct plx_supervisor_options so;
	int ret = plx_work_map_create(&w->map, &w->options, w->name);

	if (ret < 0)
		return ret;
	w->moves = calloc(PLX_PARTITION_SLOTS, sizeof(*w->moves));
	if (!w->moves)
		return -ENOMEM;
	plx_work_watch_options(w, &so);
	if (!w->options.threads)
		ret = plx_supervisor_open(&w->supervisor, &so);
	for (uint32_t i = 0; i < w->options.most && ret == 0; i++)
		ret = plx_post_sender_open(&w->control[i], plx_work_control(&w->map, i), w->map.control_bytes,
					   0);
	return ret;
}

static int start_all(struct plx_workers *w)
{
	uint32_t weights[PLX_WORKERS_MAX] = { 0 };
	int ret = 0;

	for (uint32_t i = 0; i < w->options.workers && ret == 0; i++) {
		ret = plx_work_start(w, i);
		weights[i] = 1;
	}
	if (ret == 0)
		ret = plx_work_rebalance(w, weights);
	if (ret == 0 && !plx_work_handover(w))
		ret = -EIO; /* cannot be: nobody had anything */
	return ret;
}

int plx_workers_open(struct plx_workers **out, const struct plx_workers_options *opt)
{
	struct plx_workers *w = calloc(1, sizeof(*w));
	int ret;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	w->options = *opt;
	w->map.seg = PLX_SEGMENT_NONE;
	w->forwarding = NOBODY;
	w->owner_thread = plx_sys_tid();
	w->cpu = plx_place_here();
	w->looked_ns = plx_now_ns();
	snprintf(w->name, sizeof(w->name), "%s", opt->name ? opt->name : "workers");
	for (uint32_t i = 0; i < PLX_WORKERS_MAX; i++) {
		w->child[i] = NOBODY;
		w->birth[i] = (struct plx_work_birth){ w, i };
	}
	ret = choose_options(&w->options);
	if (ret == 0)
		ret = open_parts(w);
	if (ret == 0)
		ret = start_all(w);
	if (ret < 0) {
		plx_workers_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

/* ---- looking -------------------------------------------------------------------------------------- */

static void add_stats(const struct plx_workers *w, uint32_t i, struct plx_workers_stats *stats)
{
	const struct plx_table *t = &w->map.table;
	const struct plx_seat *seat = plx_seat_at(plx_work_inbox(&w->map, i), false, 0, w->map.senders);

	for (uint32_t l = 0; l < w->map.lanes; l++)
		stats->sent += plx_lane_sent(&w->map.inbox_geometry, plx_work_lane(&w->map, i, l));
	stats->handled += plx_read_once(&w->map.lines[i].seq);
	stats->failed += plx_table_get(t, i, PLX_WORK_FAILED);
	stats->poison += plx_table_get(t, i, PLX_WORK_POISON);
	stats->restarts += plx_table_get(t, i, PLX_WORK_RESTARTS);
	stats->slept += plx_read_once(&seat->parked);
	stats->slots += (uint32_t)plx_table_get(t, i, PLX_WORK_SLOTS);
	stats->workers += plx_read_once(&w->map.lines[i].in_use);
}

int plx_workers_stats(const struct plx_workers *w, uint32_t worker, struct plx_workers_stats *stats)
{
	*stats = (struct plx_workers_stats){ .moved = plx_read_once(&w->map.hdr->moved) };
	if (worker != UINT32_MAX && worker >= w->map.most)
		return -ENOENT;
	for (uint32_t i = 0; i < w->map.most; i++)
		if (worker == UINT32_MAX || worker == i)
			add_stats(w, i, stats);
	return 0;
}

uint32_t plx_workers_state(const struct plx_workers *w, uint32_t worker, int32_t *pid)
{
	if (worker >= w->map.most)
		return PLX_WORKER_NONE;
	if (pid)
		*pid = (int32_t)plx_table_get(&w->map.table, worker, PLX_WORK_PID);
	return state_of(w, worker);
}

uint32_t plx_workers_slot_of(const struct plx_workers *w, uint64_t key)
{
	return plx_partition_slot(&w->map.partition, key);
}

const struct plx_segment *plx_workers_segment(const struct plx_workers *w)
{
	return &w->map.seg;
}

void *plx_workers_slot(const struct plx_workers *w, uint32_t slot)
{
	uint32_t size = w->map.slot_size;

	return size && slot < PLX_PARTITION_SLOTS ? w->map.slots + (uint64_t)slot * size : NULL;
}

void *plx_workers_memory(const struct plx_workers *w, uint32_t worker)
{
	return w->map.state_size && worker < w->map.most ? w->map.state + worker * w->map.state_size : NULL;
}

/*
 * worker_loop.c - the life of a worker: start, then requests ahead of messages, the urgent ones first, sleep, stop.
 *
 *	place, limits ─► start hook ─► rights ─► READY ─┐
 *	   ┌─────────────────────────────────────────────┘
 *	   └─► requests? ─► messages, at most 64 ─► idle hook ─► sleep ─┐
 *	       ▲  └─ stop ─► stop hook ─► exit 0                        │
 *	       └────────────────────────────────────────────────────────┘
 *
 * A message is handled where it lies, and acknowledged when it is finished (commit.c). One whose slot is still on its way
 * to us stops its lane, not the others, until the old owner has finished.
 */
#include "work/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sandbox.h"
#include "base/sys.h"
#include "chan/wait.h"

#define TURN     64u /* messages before we look after other things */
#define SLEEP_NS 1000000000ull

/* ---- what others see ------------------------------------------------------------------------------ */

void plx_work_ring(struct plx_work_map *map)
{
	__atomic_fetch_add(&map->hdr->bell, 1, __ATOMIC_SEQ_CST);
	plx_futex_wake(&map->hdr->bell, INT32_MAX);
}

static void show(struct plx_worker *w, uint32_t state)
{
	plx_table_set(&w->map->table, w->number, PLX_WORK_STATE, state);
	/* WS1 release: pairs with WS2; what we did before is seen */
	__atomic_store_n(&w->line->state, state, __ATOMIC_RELEASE);
}

static void count(struct plx_worker *w)
{
	plx_table_set(&w->map->table, w->number, PLX_WORK_HANDLED, w->handled);
	plx_table_set(&w->map->table, w->number, PLX_WORK_FAILED, w->failed);
	plx_table_set(&w->map->table, w->number, PLX_WORK_TURNS,
		      plx_table_get(&w->map->table, w->number, PLX_WORK_TURNS) + 1);
}

/* ---- messages ------------------------------------------------------------------------------------- */

/* Is its slot ours now, but the old owner not done with it? */
static bool held(const struct plx_worker *w, const struct plx_work_head *head)
{
	const struct plx_work_map *map = w->map;

	if (head->flags & PLX_WORK_AHEAD || head->slot >= PLX_PARTITION_SLOTS ||
	    plx_mutant(MUT_WORK_NOT_HELD))
		return false;
	/* HO2 acquire: pairs with HO1 at the end of a handover; what the old owner did is seen */
	if (!(__atomic_load_n(&map->hdr->handover, __ATOMIC_ACQUIRE) & 1))
		return false;
	return plx_read_once(&map->hdr->held[head->slot / 64]) >> (head->slot % 64) & 1 &&
	       plx_partition_owner(&map->partition, head->slot) == w->number;
}

static void handle(struct plx_worker *w, const struct plx_message *m)
{
	struct plx_work_line *line = w->line;
	uint32_t lane = w->inbox.current;
	int ret;

	plx_write_once(&line->hand_taken, m->number);
	plx_work_barrier();
	plx_write_once(&line->hand_lane, lane + 1);
	plx_work_barrier();
	w->priority = m->priority;
	ret = w->options->hooks.handle(w, m, w->options->hooks.arg);
	plx_work_barrier();
	if (plx_unlikely(ret < 0)) {
		plx_work_back(w->map, w->undo, line->seq);
		plx_work_unstage(w->map, w->number, line->seq);
		w->failed++;
	}
	if (plx_unlikely(m->call != 0))
		(void)plx_work_answer(w->map, m->call, ret < 0 ? ret : 0, NULL, 0);
	if (plx_mutant(MUT_WORK_RELEASED_FIRST))
		plx_post_release(&w->inbox);
	plx_work_commit(line, lane, m->number + 1);
	if (plx_unlikely(plx_work_outbox(w->map, w->number)->seq == line->seq))
		plx_work_flush_all(w);
	if (!plx_mutant(MUT_WORK_RELEASED_FIRST))
		plx_post_release(&w->inbox);
	plx_work_barrier();
	plx_write_once(&line->hand_lane, 0);
	w->handled++;
}

/*
 * A message that is held stops its lane, not the others. We look again when the handover is over, or another begins; and when
 * owners change, for while they do a slot that we lose is held, and still ours: only for a moment.
 */
static void look_again(struct plx_worker *w)
{
	uint64_t handover = __atomic_load_n(&w->map->hdr->handover, __ATOMIC_ACQUIRE), epoch = 0;

	if (plx_unlikely(handover & 1) && !plx_mutant(MUT_WORK_PASSES_FOR_GOOD))
		epoch = plx_partition_epoch(&w->map->partition);
	if (plx_likely(handover == w->handover && epoch == w->epoch))
		return;
	w->handover = handover;
	w->epoch = epoch;
	plx_post_pass_none(&w->inbox);
}

uint32_t plx_work_take(struct plx_worker *w)
{
	uint32_t done = 0;

	look_again(w);
	while (done < TURN && !plx_worker_asked(w)) {
		struct plx_envelope e;
		const void *payload = plx_post_peek(&w->inbox, &e);
		struct plx_work_head head;
		struct plx_message m;

		if (!payload)
			break;
		plx_work_message(w->map, &m, &head, &e, payload);
		if (plx_unlikely(held(w, &head))) {
			plx_post_pass(&w->inbox);
			continue;
		}
		handle(w, &m);
		done++;
	}
	return done;
}

static uint32_t take_turn(struct plx_worker *w)
{
	uint32_t done;

	if (!plx_post_any(&w->inbox))
		return 0;
	show(w, PLX_WORKER_BUSY);
	done = plx_work_take(w);
	if (done)
		count(w);
	return done;
}

/* ---- requests ------------------------------------------------------------------------------------- */

bool plx_worker_asked(const struct plx_worker *w)
{
	return plx_post_holds(&w->control, 0);
}

static int obey(struct plx_worker *w, const struct plx_envelope *e, const void *data)
{
	const struct plx_worker_hooks *h = &w->options->hooks;
	uint32_t size = e->length < w->map->size ? e->length : w->map->size;

	switch (e->type) {
	case PLX_REQUEST_PING: return 0;
	case PLX_REQUEST_PAUSE: /* line->paused says which; a successor sees it, too */
	case PLX_REQUEST_RESUME: return 0;
	case PLX_REQUEST_CONFIGURE: return h->configure ? h->configure(w, data, size, h->arg) : -ENOSYS;
	case PLX_REQUEST_STOP: w->leaving = true; return 0;
	default: return -EINVAL;
	}
}

void plx_work_obey(struct plx_worker *w)
{
	struct plx_envelope e;
	const void *data;

	while ((data = plx_post_peek(&w->control, &e))) {
		int ret = obey(w, &e, data);

		plx_post_release(&w->control);
		plx_write_once(&w->line->answer, ret);
		/* AN1 release: pairs with AN2; the answer is there */
		__atomic_store_n(&w->line->answered, (uint32_t)w->control.from[0].next, __ATOMIC_RELEASE);
		plx_work_ring(w->map);
	}
}

/* ---- sleeping ------------------------------------------------------------------------------------- */

static bool paused(const struct plx_worker *w)
{
	return plx_read_once(&w->line->paused) != 0;
}

static bool ready(void *of)
{
	struct plx_worker *w = of;

	look_again(w);
	return plx_worker_asked(w) || (!paused(w) && plx_post_any(&w->inbox));
}

/* Before we sleep, senders have to know of all the room there is. */
static int never_ends(void *of)
{
	plx_post_tell_all(&((struct plx_worker *)of)->inbox);
	return 0;
}

static void sleep_until_asked(struct plx_worker *w)
{
	struct plx_chan_question q = { .ready = ready,
				       .ended = never_ends,
				       .of = w,
				       .progress = plx_post_progress(&w->inbox),
				       .many = 8 };

	show(w, paused(w) ? PLX_WORKER_PAUSED : PLX_WORKER_IDLE);
	if (plx_chan_wait(&w->inbox.end, &q, SLEEP_NS) < 0) {
		/* the time is over, or a signal: look */
	}
}

void plx_work_wake(const struct plx_work_map *map, uint32_t worker)
{
	plx_chan_wake(plx_work_inbox(map, worker), true, UINT64_MAX);
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void work(struct plx_worker *w)
{
	const struct plx_worker_hooks *h = &w->options->hooks;

	for (;;) {
		plx_work_obey(w);
		if (w->leaving)
			return;
		if (!paused(w) && take_turn(w) > 0)
			continue;
		if (!paused(w) && h->idle && h->idle(w, h->arg))
			continue;
		sleep_until_asked(w);
	}
}

static int open_channels(struct plx_worker *w)
{
	struct plx_work_map *map = w->map;
	int ret = plx_post_receiver_open(&w->control, plx_work_control(map, w->number), map->control_bytes);

	if (ret == 0)
		ret = plx_post_receiver_open(&w->inbox, plx_work_inbox(map, w->number), map->inbox_bytes);
	if (w->line->answered !=
	    (uint32_t)w->control.from[0].next) /* a predecessor took it and died of it, or after it */
		plx_write_once(&w->line->answer, -EOWNERDEAD);
	__atomic_store_n(&w->line->answered, (uint32_t)w->control.from[0].next, __ATOMIC_RELEASE);
	return ret;
}

static int be_ready(struct plx_worker *w)
{
	const struct plx_workers_options *o = w->options;
	int code = o->hooks.start ? o->hooks.start(w, o->hooks.arg) : 0;

	if (code == 0 && !o->threads && plx_sandbox_enter(o->limits.sandbox) < 0)
		code = PLX_EXIT_HOPELESS_FIRST + 13; /* EX_NOPERM */
	if (code == 0) {
		plx_work_flush_all(w); /* what a predecessor had finished and not sent */
		show(w, PLX_WORKER_IDLE);
		plx_work_ring(w->map);
	}
	return code;
}

int plx_work_run(struct plx_workers *workers, uint32_t number)
{
	struct plx_worker *w = calloc(1, sizeof(*w));
	int code;

	if (!w)
		return 1;
	w->map = &workers->map;
	w->options = &workers->options;
	w->line = &w->map->lines[number];
	w->undo = plx_work_undo(w->map, number);
	w->number = number;
	plx_table_set(&w->map->table, number, PLX_WORK_PID, (uint64_t)plx_sys_pid());
	w->handled = plx_table_get(&w->map->table, number, PLX_WORK_HANDLED);
	w->failed = plx_table_get(&w->map->table, number, PLX_WORK_FAILED);
	if (open_channels(w) < 0) {
		free(w);
		return 1;
	}
	code = be_ready(w);
	if (code == 0) {
		work(w);
		if (w->options->hooks.stop)
			w->options->hooks.stop(w, w->options->hooks.arg);
	}
	plx_sender_close(w->sender);
	plx_post_receiver_leave(&w->control);
	plx_post_receiver_leave(&w->inbox);
	if (code == 0 || w->options->threads) /* else the supervisor says how it is */
		show(w, PLX_WORKER_STOPPED);
	plx_work_ring(w->map);
	free(w);
	return code;
}

/* ---- for hooks ------------------------------------------------------------------------------------ */

uint32_t plx_worker_number(const struct plx_worker *w)
{
	return w->number;
}

uint32_t plx_worker_life(const struct plx_worker *w)
{
	return plx_read_once(&w->line->life);
}

void *plx_worker_slot(struct plx_worker *w, uint32_t slot)
{
	uint32_t size = w->map->slot_size;

	return size && slot < PLX_PARTITION_SLOTS ? w->map->slots + (uint64_t)slot * size : NULL;
}

void *plx_worker_state(struct plx_worker *w)
{
	return w->map->state_size ? w->map->state + w->number * w->map->state_size : NULL;
}

int plx_worker_note(struct plx_worker *w, void *at, uint32_t size)
{
	return plx_work_note(w->map, w->undo, w->line->seq, at, size);
}

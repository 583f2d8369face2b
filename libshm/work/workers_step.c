/*
 * workers_step.c - looking after the workers: the dead are recovered and replaced, the stuck killed, the sleepy placed.
 *
 * What a death leaves is repaired here, between it and the start of the successor: the message in hand is undone or counts as
 * finished (commit.c), seats are taken back, and a message at which workers died again and again is put aside.
 */
#include "work/work.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/atomic.h"
#include "base/place.h"
#include "base/sys.h"

#define NOBODY   UINT32_MAX
#define POISON   3u
#define SLICE_NS 1000000ull /* a death is noticed at the latest after this, when we wait for something else */
#define WATCH_NS 100000000ull /* between two looks at what nobody tells us */
#define SOON_NS  1000000000ull
#define STAY_NS  10000000000ull
#define CHATTY   50000u /* messages in a second that are worth a processor of one's own */

uint64_t plx_work_deadline(uint64_t timeout_ns)
{
	uint64_t end;

	return __builtin_add_overflow(plx_now_ns(), timeout_ns, &end) ? UINT64_MAX : end;
}

/* ---- after a death -------------------------------------------------------------------------------- */

/* What a worker that is gone left in its inbox, seen from its seat without taking that. */
static struct plx_post_receiver *look_into(struct plx_workers *w, uint32_t worker)
{
	struct plx_channel *c = plx_work_inbox(&w->map, worker);

	w->aside.end = (struct plx_end){ .channel = c };
	plx_post_lanes(&w->aside, c, &w->map.inbox_geometry);
	return &w->aside;
}

/* The message that nobody survives: shown to whom it may concern, and taken. */
static void put_aside(struct plx_workers *w, uint32_t worker)
{
	struct plx_work_line *line = &w->map.lines[worker];
	struct plx_post_receiver *rx = look_into(w, worker);
	uint64_t lane = plx_read_once(&line->deadly.lane);
	struct plx_work_head head;
	struct plx_envelope e;
	struct plx_message m;
	const void *payload;

	if (lane >= w->map.lanes || !plx_post_holds(rx, (uint32_t)lane)) /* cannot be */
		return;
	plx_post_turn(rx, (uint32_t)lane, 1);
	payload = plx_post_peek(rx, &e);
	plx_work_message(&w->map, &m, &head, &e, payload);
	if (w->options.poison)
		w->options.poison(w->options.arg, &m);
	if (m.call)
		(void)plx_work_answer(&w->map, m.call, -EOWNERDEAD, NULL, 0);
	plx_post_release(rx);
	line->attempts = 0;
	plx_table_set(&w->map.table, worker, PLX_WORK_POISON,
		      plx_table_get(&w->map.table, worker, PLX_WORK_POISON) + 1);
}

static void repair(void *arg, uint32_t child, const struct plx_exit *how)
{
	struct plx_workers *w = arg;
	uint32_t worker = w->worker_of[child], poison = w->options.restart.poison;
	struct plx_work_line *line = &w->map.lines[worker];
	int32_t pid = w->pid[worker]; /* what it wrote itself may be anything */

	/* it has given its seats back: there are hundreds to look at */
	bool left = how->signal == 0 && how->code == 0 && plx_read_once(&line->state) == PLX_WORKER_STOPPED;

	if (plx_work_recover(&w->map, worker) && line->attempts >= (poison ? poison : POISON))
		put_aside(w, worker);
	plx_write_once(&line->life, line->life + 1);
	plx_write_once(&line->state, PLX_WORKER_DEAD);
	plx_table_set(&w->map.table, worker, PLX_WORK_STATE, PLX_WORKER_DEAD);
	if (left)
		return;
	(void)plx_channel_bury(plx_work_control(&w->map, worker), pid);
	(void)plx_channel_bury(w->map.registry, pid);
	for (uint32_t i = 0; i < w->map.most; i++)
		(void)plx_channel_bury(plx_work_inbox(&w->map, i), pid);
}

/* Messages finished and messages put aside: who dies without either dies of itself. */
static uint64_t progress(void *arg, uint32_t child)
{
	const struct plx_workers *w = arg;
	uint32_t worker = w->worker_of[child];

	return plx_read_once(&w->map.lines[worker].seq) +
	       plx_table_get(&w->map.table, worker, PLX_WORK_POISON) +
	       w->map.lines[worker].attempts; /* it may die at one message as often as that takes */
}

void plx_work_watch_options(struct plx_workers *w, struct plx_supervisor_options *o)
{
	*o = (struct plx_supervisor_options){
		.strategy = w->options.strategy,
		.policy = w->options.restart,
		.repair = repair,
		.progress = progress,
		.arg = w,
	};
}

static void on_event(struct plx_workers *w, const struct plx_supervise_event *event)
{
	uint32_t worker = w->worker_of[event->child];

	switch (event->what) {
	case PLX_SUPERVISE_RESTARTED:
		w->pid[worker] = event->pid;
		plx_table_set(&w->map.table, worker, PLX_WORK_RESTARTS,
			      plx_table_get(&w->map.table, worker, PLX_WORK_RESTARTS) + 1);
		w->together[worker] = false;
		break;
	case PLX_SUPERVISE_GAVE_UP: w->gave_up = true; break;
	case PLX_SUPERVISE_ENDED:
	case PLX_SUPERVISE_QUARANTINE:
		if (w->child[worker] == NOBODY || w->ending[worker])
			break; /* as it should */
		w->child[worker] = NOBODY;
		(void)!plx_supervisor_forget(w->supervisor, event->child);
		plx_work_abandon(w, worker);
		break;
	default: break;
	}
	plx_work_ring(&w->map);
}

/* ---- now and then --------------------------------------------------------------------------------- */

static void kill_if_stuck(struct plx_workers *w, uint32_t worker, uint64_t now_ns)
{
	struct plx_work_line *line = &w->map.lines[worker];
	uint64_t seq = plx_read_once(&line->seq);
	struct plx_child_info info;

	if (plx_read_once(&line->hand_lane) == 0 || seq != w->seen[worker]) {
		w->seen[worker] = seq;
		w->since_ns[worker] = now_ns;
		return;
	}
	if (now_ns - w->since_ns[worker] < w->options.stuck_ns ||
	    plx_supervisor_child(w->supervisor, w->child[worker], &info) < 0 || info.pid == 0)
		return;
	w->since_ns[worker] = now_ns;
	(void)!plx_supervisor_signal(w->supervisor, w->child[worker], SIGKILL);
}

/*
 * Waking somebody on another processor takes ten times as long as on one's own, and costs the waker as much. So who sleeps
 * after nearly each message, and has few of them, comes here; who has many, or does not sleep, may go anywhere.
 */
static void place(struct plx_workers *w, uint32_t worker, uint64_t passed_ns)
{
	const struct plx_channel *c = plx_work_inbox(&w->map, worker);
	uint64_t slept = plx_read_once(&plx_seat_at(c, false, 0, w->map.senders)->parked);
	uint64_t seq = plx_read_once(&w->map.lines[worker].seq);
	uint64_t naps = slept - w->slept[worker], messages = seq - w->handled[worker];
	bool many = messages * 1000000000 / passed_ns >= CHATTY;
	bool chatty = messages > 0 && naps * 2 > messages && !many;
	bool busy = messages > 0 && (many || naps * 8 < messages);
	uint64_t now_ns = w->looked_ns;
	struct plx_child_info info;

	w->slept[worker] = slept;
	w->handled[worker] = seq;
	if ((!chatty && !busy) || chatty == w->together[worker] || (busy && now_ns < w->stay_ns[worker]) ||
	    plx_supervisor_child(w->supervisor, w->child[worker], &info) < 0 || info.pid == 0)
		return;
	if ((chatty ? plx_place_on(info.pid, plx_place_here()) : plx_place_anywhere(info.pid)) < 0)
		return;
	w->together[worker] = chatty;
	/* it was fast here, was let go for that, and is slow again: then it stays for a while */
	if (chatty && now_ns - w->freed_ns[worker] < SOON_NS)
		w->stay_ns[worker] = now_ns + STAY_NS;
	if (!chatty)
		w->freed_ns[worker] = now_ns;
}

static void watch(struct plx_workers *w)
{
	bool placing = w->options.placement == PLX_PLACE_AUTO;
	uint64_t now_ns, passed_ns;

	if (!placing && !w->options.stuck_ns)
		return;
	now_ns = plx_now_ns();
	passed_ns = now_ns - w->looked_ns;
	if (passed_ns <
	    (w->options.stuck_ns && w->options.stuck_ns < WATCH_NS ? w->options.stuck_ns : WATCH_NS))
		return;
	w->looked_ns = now_ns;
	for (uint32_t i = 0; i < w->map.most; i++) {
		if (w->child[i] == NOBODY)
			continue;
		if (w->options.stuck_ns)
			kill_if_stuck(w, i, now_ns);
		if (placing)
			place(w, i, passed_ns);
	}
}

/* ---- stepping ------------------------------------------------------------------------------------- */

int plx_workers_step(struct plx_workers *w, uint64_t timeout_ns)
{
	uint64_t end_ns = timeout_ns ? plx_work_deadline(timeout_ns) : 0;
	int count = 0;

	if (!w->supervisor) {
		(void)plx_work_handover(w);
		return 0;
	}
	for (;;) {
		struct plx_supervise_event event;
		uint64_t now_ns = end_ns ? plx_now_ns() : 0, wait = 0;
		int ret;

		watch(w);
		if (count == 0 && now_ns < end_ns) {
			wait = end_ns - now_ns;
			if (!plx_work_handover(w) && wait > SLICE_NS)
				wait = SLICE_NS;
			else if ((w->options.stuck_ns || w->options.placement == PLX_PLACE_AUTO) &&
				 wait > WATCH_NS)
				wait = WATCH_NS;
		}
		ret = plx_supervisor_next(w->supervisor, &event, wait);
		if (ret == 1) {
			on_event(w, &event);
			count++;
			continue;
		}
		if (ret < 0 || w->gave_up)
			return w->gave_up ? -ESHUTDOWN : ret;
		if (count > 0 || wait == 0) {
			(void)plx_work_handover(w);
			return count;
		}
	}
}

int plx_workers_fd(const struct plx_workers *w)
{
	return w->supervisor ? plx_supervisor_fd(w->supervisor) : -1;
}

int plx_work_wait(struct plx_workers *w, uint64_t end_ns)
{
	uint32_t bell = __atomic_load_n(&w->map.hdr->bell, __ATOMIC_ACQUIRE);
	uint64_t now_ns = plx_now_ns();
	int ret = plx_workers_step(w, 0);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	if (now_ns >= end_ns)
		return -ETIMEDOUT;
	ret = plx_futex_wait(&w->map.hdr->bell, bell,
			     end_ns - now_ns < SLICE_NS ? end_ns - now_ns : SLICE_NS);
	return ret == -EINTR ? ret : 0;
}

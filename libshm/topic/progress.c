/*
 * progress.c - a subscriber has no thread: here it does what it has to do besides reading.
 */
#include <errno.h>

#include "base/sys.h"
#include "topic/subscriber_state.h"

#define TAG_MASK ((uintptr_t)3)

/* ---- publishers that appear ----------------------------------------------------------------------- */

static bool connected(const struct plx_subscriber *sub, uint64_t id)
{
	for (uint32_t i = 0; i < sub->count; i++) {
		if (sub->all[i]->id == id)
			return true;
	}
	return false;
}

static void look_again(struct plx_subscriber *sub)
{
	sub->pause_ns = plx_shun_pause(sub->pause_ns);
	sub->again_ns = plx_now_ns() + sub->pause_ns;
}

void plx_subscriber_discover(struct plx_subscriber *sub)
{
	struct plx_sightings list;
	uint64_t now = plx_now_ns();

	sub->again_ns = UINT64_MAX;
	if (plx_place_list(&sub->place, &list) < 0) {
		look_again(sub);
		return;
	}
	sub->pause_ns = 0;
	plx_shun_forget(sub, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct plx_sighting *seen = &list.items[i];
		int ret;

		if (connected(sub, seen->id))
			continue;
		if (plx_shunned(sub, seen->id, now)) {
			plx_place_tidy(&sub->place, seen); /* it may have died since */
			continue;
		}
		ret = plx_connection_open(sub, seen);
		if (plx_connection_passing(ret))
			plx_shun_for_now(sub, seen->id);
	}
	plx_sightings_free(&list);
}

static void read_watch(struct plx_subscriber *sub)
{
	int ret = plx_watch_read(&sub->watch, &sub->place);

	if (ret == 1)
		plx_subscriber_discover(sub);
	else if (ret < 0)
		look_again(sub);
}

/* ---- what goes by the clock ----------------------------------------------------------------------- */

static uint64_t taken_so_far(const struct plx_subscriber *sub)
{
	uint64_t taken = sub->taken;

	for (uint32_t i = 0; i < sub->reader_count; i++)
		taken += plx_reader_taken(&sub->readers[i]->reader);
	return taken;
}

void plx_subscriber_deadline(struct plx_subscriber *sub, uint64_t now_ns)
{
	uint64_t taken = taken_so_far(sub), late;

	if (taken != sub->due_taken) { /* taking looks at no clock: so it begins when we see that */
		sub->due_taken = taken;
		sub->due_ns = now_ns + sub->deadline_ns;
	} else if (now_ns >= sub->due_ns) {
		late = (now_ns - sub->due_ns) / sub->deadline_ns + 1;
		sub->missed += late;
		sub->due_ns += late * sub->deadline_ns;
	}
}

static void keep_time(struct plx_subscriber *sub)
{
	uint64_t now;

	if (sub->fast.asking == 0 && sub->again_ns == UINT64_MAX && !sub->deadline_ns)
		return;
	now = plx_now_ns();
	if (sub->deadline_ns)
		plx_subscriber_deadline(sub, now);
	for (uint32_t i = 0; i < sub->count;) {
		struct plx_connection *c = sub->all[i];

		if (c->state == PLX_CONNECTION_ASKING && c->deadline_ns <= now)
			plx_connection_expire(c); /* another one has its place now */
		else
			i++;
	}
	if (sub->again_ns <= now) {
		if (plx_watch_blind(
			    &sub->watch)) /* another's directory may be there by now: then inotify tells again */
			(void)!plx_watch_read(&sub->watch, &sub->place);
		plx_subscriber_discover(sub);
		if (plx_watch_blind(&sub->watch) && sub->again_ns == UINT64_MAX)
			sub->again_ns = now + PLX_WATCH_POLL_NS;
	}
}

/* When there is something to do, at the latest. */
static uint64_t next_time(const struct plx_subscriber *sub)
{
	uint64_t until = sub->again_ns;

	for (uint32_t i = 0; i < sub->count && sub->fast.asking; i++) {
		if (sub->all[i]->state == PLX_CONNECTION_ASKING && sub->all[i]->deadline_ns < until)
			until = sub->all[i]->deadline_ns;
	}
	return sub->deadline_ns && sub->due_ns < until ? sub->due_ns : until;
}

uint64_t plx_subscriber_pause_ns(const struct plx_subscriber *sub)
{
	uint64_t until = next_time(sub), now;

	if (until == UINT64_MAX)
		return UINT64_MAX;
	now = plx_now_ns();
	return until > now ? until - now : 0;
}

/* For who polls our descriptor, and sleeps without us. It may fire too early, never too late. */
static void set_timer(struct plx_subscriber *sub)
{
	uint64_t until = next_time(sub);

	if (until >= sub->timer_ns)
		return;
	if (plx_sys_timer_set(sub->timer, until ? until : 1) == 0)
		sub->timer_ns = until;
}

static void read_timer(struct plx_subscriber *sub)
{
	uint64_t times;

	sub->timer_ns = UINT64_MAX;
	(void)!plx_sys_read(sub->timer, &times, sizeof(times));
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* Those that are over and hold nothing. */
static void sweep(struct plx_subscriber *sub)
{
	struct plx_connection **at = &sub->over;

	while (*at) {
		struct plx_connection *c = *at;

		if (plx_reader_held(&c->reader)) {
			at = &c->next;
		} else {
			*at = c->next;
			plx_connection_free(c);
		}
	}
}

bool plx_subscriber_handle(struct plx_subscriber *sub, const struct epoll_event *events, int n)
{
	bool more = false;

	sub->fast.budget = PLX_BUDGET;
	for (int i = 0; i < n; i++) {
		uintptr_t data = (uintptr_t)events[i].data.u64;
		struct plx_connection *c = (struct plx_connection *)(data & ~TAG_MASK);

		if ((data & TAG_MASK) == PLX_SUBSCRIBER_OTHER && c)
			continue; /* the alarm: it has woken us, that is all */
		more = true;
		switch (data & TAG_MASK) {
		case PLX_SUBSCRIBER_SOCKET: plx_connection_input(c); break;
		case PLX_SUBSCRIBER_PIDFD: plx_connection_died(c); break;
		case PLX_SUBSCRIBER_TIMER: read_timer(sub); break;
		default: read_watch(sub); break;
		}
	}
	keep_time(sub);
	sweep(sub);
	return more;
}

void plx_subscriber_progress(struct plx_subscriber *sub)
{
	struct epoll_event events[PLX_SUBSCRIBER_EVENTS];
	int n = plx_sys_epoll_wait(sub->epoll, events, PLX_SUBSCRIBER_EVENTS, 0);

	plx_subscriber_handle(sub, events, n);
	set_timer(sub);
}

/*
 * spread.c - see spread.h.
 */
#include <sched.h>

#include <plx/process.h>

#include "reducer/net/owner.h"
#include "reducer/net/spread.h"

/* The processor on which process @i of the net works; -1: it sleeps, or is none. */
static int spread_place(const struct worker *w, uint32_t i)
{
	const struct arena_line *line = &w->arena->lines[i];

	/* relaxed: hints */
	if (atomic_load_explicit(&line->asleep, memory_order_relaxed))
		return -1;
	return (int)atomic_load_explicit(&line->cpu, memory_order_relaxed) - 1;
}

/* Those of @set where none of us works. False: there are none, or we are not among those. */
static bool spread_free(const struct worker *w, const cpu_set_t *may, cpu_set_t *to)
{
	*to = *may;
	for (uint32_t i = 0; i < w->arena->n; i++) {
		const int cpu = spread_place(w, i);

		if (cpu >= 0 && cpu < CPU_SETSIZE)
			CPU_CLR(cpu, to);
	}
	return CPU_COUNT(to) > 0;
}

/* To one of the processors that are free of us; which, and what comes later, the system decides. */
static void spread_move(const struct worker *w)
{
	cpu_set_t may, to;

	if (sched_getaffinity(0, sizeof(may), &may) < 0 || !spread_free(w, &may, &to))
		return;
	if (sched_setaffinity(0, sizeof(to), &to) == 0 && sched_setaffinity(0, sizeof(may), &may) < 0) {
		/* it was allowed a moment ago; if it is not any more, somebody has decided where we are to be */
	}
}

static void spread_say(const struct worker *w, int cpu)
{
	if (atomic_load_explicit(&w->bell->cpu, memory_order_relaxed) != (uint32_t)(cpu + 1))
		atomic_store_explicit(&w->bell->cpu, (uint32_t)(cpu + 1), memory_order_relaxed);
}

void spread_look(struct worker *w)
{
	const int here = sched_getcpu();
	bool together = false;

	if (here < 0 || w->alone_in_process)
		return;
	spread_say(w, here);
	for (uint32_t i = 0; i < w->n && !together; i++)
		together = &w->arena->lines[i] != w->bell && spread_place(w, i) == here;
	if (!together || plx_now_ns() - w->moved_at < SPREAD_PAUSE_NS)
		return;
	spread_say(w, -1); /* or the other one, which goes on here, believes it has to go, too */
	spread_move(w);
	spread_say(w, sched_getcpu());
	w->moved_at = plx_now_ns();
}

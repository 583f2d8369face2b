/*
 * net_death.c - a worker is dead: what it may have left undone for others, whether there is to be a successor, and what is said
 * of a redex that kills whoever tries it.
 */
#include <signal.h>
#include <stdio.h>

#include <plx/process.h>

#include "reducer/net/net_state.h"
#include "reducer/net/owner.h"

/* After a death: batches of one interaction, until what it died of must have been met again. */
#define NET_CAREFUL (ARENA_TICK + 64u)
#define NET_DEATHS  3u /* of one interaction */
#define NET_KILLS                                                                                            \
	16u /* the same when it is SIGKILL, which mostly comes from elsewhere and may just have hit it */

static void say_how(char *text, size_t size, uint32_t who, int32_t pid, const struct plx_exit *how)
{
	if (how->signal)
		snprintf(text, size, "worker %u (pid %d) was killed by signal %d", who, pid, how->signal);
	else
		snprintf(text, size, "worker %u (pid %d) ended with exit code %d", who, pid, how->code);
}

static void name_port(const struct net *net, port p, char *text, size_t size)
{
	static const char *const kind[16] = { "a variable", "?",     "*",      "a number",
					      "(a b)",      "{a b}", "$(a b)", "?(a b)" };
	const struct book *book = arena_book(&net->arena);

	if (port_tag(p) == TAG_REF && port_index(p) < book->defs)
		snprintf(text, size, "@%.48s", book_name(book, (uint32_t)port_index(p)));
	else
		snprintf(text, size, "%s", kind[port_tag(p)] ? kind[port_tag(p)] : "?");
}

/* The redex on top as of the last commit: what it died of has been noted, or is still there. */
static void name_redex(const struct net *net, uint32_t who, char *text, size_t size)
{
	const struct arena_notes *notes = arena_notes(&net->arena, who);
	const struct arena_record *record = arena_record(&net->arena, who);
	const uint64_t seq = atomic_load_explicit(&net->arena.parts[who].seq, memory_order_relaxed);
	const uint64_t noted = atomic_load_explicit(&notes->top, memory_order_relaxed);
	char a[50] = "?", b[50] = "?";

	if (record->redex_top > record->redex_bottom) {
		const struct pair *stack = (const struct pair *)(net->arena.base +
								 arena_redexes_off(&net->arena, who));
		const struct pair r = noted >> ARENA_COUNT_BITS == seq ? notes->top_redex[0]
								       : stack[record->redex_top - 1];

		name_port(net, r.a, a, sizeof(a));
		name_port(net, r.b, b, sizeof(b));
	}
	snprintf(text, size, "%s ~ %s", a, b);
}

/* Has whoever had it died of the same interaction in it too often? */
static bool is_poison(struct net *net, uint32_t part, const struct plx_exit *how)
{
	const struct arena_line *line = &net->arena.lines[part];
	const struct arena_record *record = arena_record(&net->arena, part);
	struct net_deaths *d = &net->deaths[part];

	if (d->interactions != record->interactions || d->received != record->received ||
	    d->job != (uint32_t)record->job)
		*d = (struct net_deaths){ record->interactions, record->received, (uint32_t)record->job, 0 };
	/* relaxed: it is dead */
	if (atomic_load_explicit(&line->attempt, memory_order_relaxed) ==
	    atomic_load_explicit(&net->arena.parts[part].seq, memory_order_relaxed))
		d->count++;
	return d->count >= (how->signal == SIGKILL ? NET_KILLS : NET_DEATHS);
}

/*
 * What the dead one may have left undone for others: it was about to say that all is over; it had taken the bit of a
 * hungry one to feed it; it had stopped somebody's bell and not rung it; it had given away a partition and not said so.
 */
static void clear_up_after(struct net *net, uint64_t parts)
{
	struct arena_control *control = net->arena.control;
	const uint32_t n = arena_open_parts(&net->arena);
	uint64_t idle = 0;

	atomic_fetch_and_explicit(&control->closing, ~parts, memory_order_seq_cst);
	for (uint32_t i = 0; i < n; i++) {
		struct arena_line *line = &net->arena.lines[i];

		if ((atomic_load_explicit(&line->state, memory_order_relaxed) & ARENA_STATE_MASK) !=
		    ARENA_BUSY)
			idle |= 1ull << i;
	}
	atomic_fetch_or_explicit(&control->hungry, idle, memory_order_relaxed);
	net_ring_all(net);
}

/* The partitions of worker @who, a bit each. */
static uint64_t parts_of(const struct net *net, uint32_t who)
{
	const uint32_t n = arena_open_parts(&net->arena);
	uint64_t parts = 0;

	for (uint32_t i = 0; i < n; i++)
		if (owner_worker(owner_of(&net->arena, i)) == who)
			parts |= 1ull << i;
	return parts;
}

static enum plx_verdict complain(struct net *net, uint32_t who, uint32_t part, const struct plx_exit *how)
{
	const int32_t pid = (int32_t)plx_table_get(&net->arena.workers, who, ARENA_WORKER_PID);
	char redex[110], death[80];

	name_redex(net, part, redex, sizeof(redex));
	say_how(death, sizeof(death), who, pid, how);
	snprintf(net->result.error, sizeof(net->result.error),
		 "the redex %s kills whoever reduces it, %u times so far; the last time %s", redex,
		 net->deaths[part].count, death);
	net_count(net, ARENA_PROGRAM_QUARANTINED);
	return PLX_VERDICT_QUARANTINE;
}

/* What a successor is to be careful with. */
static void warn(struct net *net, uint64_t parts)
{
	for (uint64_t left = parts; left; left &= left - 1) {
		struct arena_line *line = &net->arena.lines[__builtin_ctzll(left)];

		/* relaxed: before the word that gives it to the successor */
		atomic_store_explicit(&line->careful, NET_CAREFUL, memory_order_relaxed);
		atomic_store_explicit(&line->attempt, UINT64_MAX, memory_order_relaxed);
	}
}

enum plx_verdict net_on_death(void *arg, uint32_t who, const struct plx_exit *how, uint64_t *wait_ns)
{
	struct net *net = arg;
	struct arena_line *line = &net->arena.lines[who];
	const uint64_t parts = parts_of(net, who), bit = 1ull << who;
	const bool leaves = net->leaving & bit;

	(void)wait_ns;
	if (leaves && parts == 0 && how->code == 0)
		return PLX_VERDICT_ENDED; /* as it was told */
	if (net->phase != PHASE_RUNNING)
		return PLX_VERDICT_ENDED; /* the next program begins anew */
	for (uint64_t left = parts; left; left &= left - 1)
		if (is_poison(net, (uint32_t)__builtin_ctzll(left), how))
			return complain(net, who, (uint32_t)__builtin_ctzll(left), how);
	net->result.deaths++;
	net_count(net, ARENA_PROGRAM_DEATHS);
	net->moving = plx_now_ns();
	atomic_store_explicit(&line->asleep, 0, memory_order_relaxed);
	atomic_store_explicit(&line->paused, 0, memory_order_relaxed); /* it will say so itself */
	warn(net, parts);
	/* who was about to leave has left, what it still had is the others' */
	owner_bequeath(&net->arena, who, leaves ? net->running & ~net->leaving : 0);
	clear_up_after(net, parts);
	return leaves ? PLX_VERDICT_ENDED : PLX_VERDICT_RESTART;
}

void net_watch(struct net *net)
{
	struct plx_supervise_event event;

	net_workers_reap(net);
	while (net->supervisor && plx_supervisor_next(net->supervisor, &event, 0) == 1) {
		if (event.what == PLX_SUPERVISE_RESTARTED)
			net_show_pid(net, event.child);
		else if (event.what == PLX_SUPERVISE_ENDED && (net->leaving >> event.child & 1) &&
			 parts_of(net, event.child) == 0)
			net_worker_gone(net, event.child);
		else if (event.what != PLX_SUPERVISE_DIED)
			net->broken = true;
	}
}

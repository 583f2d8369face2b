/*
 * net_roster.c - workers join and leave: one change after the other, until there are as many as there are to be.
 *
 *	too many    one is told to leave: each of its partitions is wished to whoever has the fewest; it gives them and ends
 *	too few     one is started, with nothing; then, whoever has nothing is wished a partition of who has several, or, when
 *	            nobody has, gets one that is opened
 *
 * A change begins when the one before is done: every partition is held, by somebody who runs, and no wish is open. So nothing can be
 * given to who is about to leave. Deaths come in between and need no thought: who dies is started again under its number
 * and takes what the words say is its own; who dies leaving has left (net_death.c). Only when the machine has no room for
 * a successor for long, those that live take what it had.
 */
#include <errno.h>
#include <time.h>

#include <plx/process.h>

#include "reducer/net/net_state.h"
#include "reducer/net/owner.h"

#define ROSTER_PATIENCE_NS UINT64_C(100000000) /* for a successor that cannot be started */
#define ROSTER_SETTLES_NS  UINT64_C(200000000) /* for partitions that are being taken */

static uint32_t count(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

static uint32_t wanted(const struct net *net)
{
	/* relaxed: ours */
	return atomic_load_explicit(&net->arena.control->wanted, memory_order_relaxed);
}

static void set_wanted(struct net *net, uint32_t workers)
{
	atomic_store_explicit(&net->arena.control->wanted, workers, memory_order_relaxed);
	net_show(net, ARENA_PROGRAM_WANTED, workers);
}

static bool is_settled(const struct net *net)
{
	return net->leaving == 0 && owner_is_settled(&net->arena, net->running);
}

/* ---- leaving ----------------------------------------------------------------------------------------- */

static void begin_leave(struct net *net, uint32_t who)
{
	struct arena *arena = &net->arena;
	const uint32_t parts = arena_open_parts(arena);
	uint64_t others = net->running & ~(1ull << who);

	net->leaving |= 1ull << who;
	for (uint32_t i = 0; i < parts; i++) {
		if (owner_worker(owner_of(arena, i)) != who)
			continue;
		owner_wish(arena, i, owner_poorest(arena, others));
	}
	/* release: after the wishes */
	atomic_store_explicit(&arena->lines[who].leave, 1, memory_order_release);
	owner_tell(arena, who);
}

/* Somebody asked to leave: then there is to be one less. Not the last one. */
static bool heed_who_asks(struct net *net)
{
	for (uint64_t left = net->running; left; left &= left - 1) {
		const uint32_t who = (uint32_t)__builtin_ctzll(left);
		_Atomic uint32_t *asks = &net->arena.lines[who].asks;

		/* acquire: pairs with the release in host.c */
		if (atomic_load_explicit(asks, memory_order_acquire) != ARENA_ASKS_TO_GO)
			continue;
		atomic_store_explicit(asks, ARENA_STAYS, memory_order_relaxed);
		if (count(net->running) < 2)
			continue;
		if (wanted(net) >= count(net->running))
			set_wanted(net, count(net->running) - 1);
		begin_leave(net, who);
		return true;
	}
	return false;
}

/* ---- joining ----------------------------------------------------------------------------------------- */

/* No room for one more: then there is to be none. */
static void give_up(struct net *net)
{
	set_wanted(net, count(net->running));
}

static void begin_join(struct net *net)
{
	const uint32_t who = (uint32_t)__builtin_ctzll(~net->running);

	if (net_worker_start(net, who) < 0)
		give_up(net);
}

/* A partition of whoever has the most, if that is more than one. NET_WORKERS_MAX: nobody has. */
static uint32_t spare_part(const struct net *net)
{
	const uint32_t parts = arena_open_parts(&net->arena);
	uint32_t most = 1, found = NET_WORKERS_MAX;

	for (uint32_t i = 0; i < parts; i++) {
		const uint32_t has = owner_count(&net->arena, owner_worker(owner_of(&net->arena, i)));

		if (has > most || (has == most && has > 1)) {
			most = has;
			found = i;
		}
	}
	return found;
}

/* Who has nothing gets something. False: nobody has nothing, or nothing is left. */
static bool supply(struct net *net)
{
	struct arena *arena = &net->arena;
	const uint32_t who = owner_poorest(arena, net->running);
	uint32_t part;

	if (owner_count(arena, who) > 0)
		return false;
	part = spare_part(net);
	if (part != NET_WORKERS_MAX) {
		owner_wish(arena, part, who);
		owner_tell(arena, owner_worker(owner_of(arena, part)));
		return true;
	}
	if (arena_open_part(arena, who) == 0) {
		net_ring_all(net); /* that there is one more */
		return true;
	}
	/* no memory for a partition: what would it do here? */
	set_wanted(net, count(net->running) - 1);
	begin_leave(net, who);
	return true;
}

/* ---- both -------------------------------------------------------------------------------------------- */

/* For whom no successor could be started: its partitions are those of the others, while there is still nobody. */
static void adopt_orphans(struct net *net)
{
	uint64_t orphaned = 0;

	if (!net->supervisor || plx_now_ns() - net->moving < ROSTER_PATIENCE_NS)
		return;
	for (uint64_t left = net->running; left; left &= left - 1) {
		const uint32_t who = (uint32_t)__builtin_ctzll(left);
		struct plx_child_info info;

		if (plx_supervisor_child(net->supervisor, who, &info) == 0 && info.state == PLX_CHILD_WAITING)
			orphaned |= 1ull << who;
	}
	for (uint64_t left = orphaned; left && orphaned != net->running; left &= left - 1) {
		const uint32_t who = (uint32_t)__builtin_ctzll(left);

		if (owner_count(&net->arena, who) == 0)
			continue;
		owner_bequeath(&net->arena, who, net->running & ~orphaned);
		net_ring_all(net);
	}
}

static bool next_change(struct net *net)
{
	const uint32_t running = count(net->running);

	if (heed_who_asks(net))
		return true;
	if (running > wanted(net)) {
		begin_leave(net, 63u - (uint32_t)__builtin_clzll(net->running));
		return true;
	}
	if (supply(net))
		return true;
	if (running < wanted(net)) {
		begin_join(net);
		return true;
	}
	return false;
}

void net_roster(struct net *net)
{
	if (net->broken || net->running == 0)
		return;
	if (net->moving == 0)
		net->moving = plx_now_ns();
	if (!is_settled(net))
		adopt_orphans(net);
	else
		net->moving = next_change(net) ? plx_now_ns() : 0;
}

bool net_is_settled(struct net *net)
{
	const struct timespec moment = { .tv_nsec = 100000 };
	const uint64_t begin = plx_now_ns();

	for (;;) {
		net_watch(net);
		if (net->broken)
			return false;
		if (is_settled(net))
			return true;
		if (plx_now_ns() - begin > ROSTER_SETTLES_NS)
			return false;
		nanosleep(&moment, NULL);
	}
}

/* ---- asked by a signal ------------------------------------------------------------------------------- */

static _Atomic int asked_for; /* workers; 0: nothing was asked */

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	/* relaxed: a number alone */
	if (info->si_code == SI_QUEUE && info->si_value.sival_int > 0)
		atomic_store_explicit(&asked_for, info->si_value.sival_int, memory_order_relaxed);
}

void net_listen(struct net *net)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	if (!net->options.listens)
		return;
	action.sa_sigaction = on_signal;
	sigaction(NET_SIGNAL, &action, NULL);
	net_show(net, ARENA_PROGRAM_MOST, net->arena.n);
}

void net_heed(struct net *net)
{
	const int workers = net->options.listens
				    ? atomic_exchange_explicit(&asked_for, 0, memory_order_relaxed)
				    : 0;

	if (workers > 0) /* more than there can be: as if it had not been said */
		(void)!net_set_workers(net, (uint32_t)workers);
}

int net_set_workers(struct net *net, uint32_t workers)
{
	if (workers == 0 || !net->arena.control || workers > net->arena.n)
		return -EINVAL;
	set_wanted(net, workers);
	net->options.workers = workers; /* also of the next arena */
	if (net->running == 0)
		return 0;
	net->moving = plx_now_ns();
	net_roster(net);
	return 0;
}

uint32_t net_workers(const struct net *net)
{
	return count(net->running);
}

uint32_t net_workers_max(const struct net *net)
{
	return net->options.workers_max;
}

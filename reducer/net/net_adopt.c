/*
 * net_adopt.c - a program goes on under another supervisor, which has not the memory of the one that was killed: only a
 * descriptor of the arena, that somebody kept.
 *
 *	supervisor: net_start() ... net_handle() --fd--> keeper
 *	     killed, and its workers                       |
 *	another one: net_adopt() <---------------fd--------+
 *
 * What only the supervisor knew of a program it notes in the arena when that begins. All else is what a successor finds that
 * has the map already (net_attend()): what the workers had committed, and in the common words what net_workers_raise()
 * clears up. Nothing in an arena is an address, so it may be mapped anywhere.
 */
#include <errno.h>
#include <stdlib.h>

#include "reducer/net/net_state.h"

void net_note(struct net *net)
{
	struct arena_control *control = net->arena.control;

	control->time_ns = net->limits.time_ns;
	control->expands = net->expands;
	/* relaxed: who reads it does so when we are dead */
	atomic_store_explicit(&control->begin_ns, net->begin_ns, memory_order_relaxed);
	atomic_store_explicit(&control->reduced, net->reduced, memory_order_relaxed);
}

static uint32_t program_of(const struct arena *arena)
{
	/* relaxed: the supervisor's, which is us or dead */
	return atomic_load_explicit(&arena->control->first, memory_order_relaxed);
}

struct net_handle net_handle(const struct net *net)
{
	struct plx_segment_info info;

	if (!net || !net->arena.control || plx_segment_info(&net->arena.seg, &info) < 0)
		return (struct net_handle){ .fd = -1 };
	return (struct net_handle){ net->arena.seg.fd, info.id, program_of(&net->arena) };
}

/* Is it the one, with that program begun? */
static bool is_meant(const struct net *net, const struct net_handle *handle)
{
	const struct arena_control *control = net->arena.control;
	const uint32_t job = atomic_load_explicit(&control->job, memory_order_relaxed);

	return net_handle(net).id == handle->id && program_of(&net->arena) == handle->program &&
	       handle->program != 0 && job - handle->program < UINT32_MAX / 2;
}

static void restore(struct net *net)
{
	const struct arena_control *control = net->arena.control;

	net->limits = (struct net_limits){ .gas = control->gas, .time_ns = control->time_ns };
	net->expands = control->expands;
	net->begin_ns = atomic_load_explicit(&control->begin_ns, memory_order_relaxed);
	net->reduced = atomic_load_explicit(&control->reduced, memory_order_relaxed);
	net->options.workers = atomic_load_explicit(&control->wanted, memory_order_relaxed);
	net->result = (struct net_result){ .workers = net->options.workers };
	net->phase = PHASE_RUNNING;
}

int net_adopt(struct net **out, const struct net_options *options, const struct net_handle *handle)
{
	struct net *net;
	int ret = net_make(&net, options);

	*out = NULL;
	if (ret < 0)
		return ret;
	ret = net_open_descriptors(net);
	if (ret == 0)
		ret = arena_attach(&net->arena, handle->fd);
	if (ret == 0 && (!is_meant(net, handle) || net->arena.n != net->options.workers_max))
		ret = -ESTALE;
	if (ret == 0) {
		restore(net);
		ret = net_workers_raise(net);
	}
	if (ret < 0) {
		net->arena.seg.fd = -1; /* the caller's still */
		net_close(net);
		return ret;
	}
	*out = net;
	return 0;
}

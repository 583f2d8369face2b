/*
 * net_look.c - looking into a net: workers and progress while it runs, the normal form and every cell when it rests.
 */
#include <errno.h>

#include <plx/process.h>

#include "reducer/net/check.h"
#include "reducer/net/link.h"
#include "reducer/net/net_state.h"

int net_worker(const struct net *net, uint32_t worker, struct net_worker_stats *stats)
{
	const struct arena_line *line;

	*stats = (struct net_worker_stats){ 0 };
	if (!net->arena.lines || worker >= arena_open_parts(&net->arena))
		return -EINVAL;
	line = &net->arena.lines[worker];
	/* relaxed: numbers to look at */
	stats->pid = (int32_t)plx_table_get(&net->arena.workers, worker, ARENA_WORKER_PID);
	stats->idle = (atomic_load_explicit(&line->state, memory_order_relaxed) & ARENA_STATE_MASK) !=
		      ARENA_BUSY;
	stats->interactions = atomic_load_explicit(&line->interactions, memory_order_relaxed);
	stats->sent = atomic_load_explicit(&line->sent, memory_order_relaxed);
	stats->received = atomic_load_explicit(&line->received, memory_order_relaxed);
	stats->given = atomic_load_explicit(&line->given, memory_order_relaxed);
	stats->parked = atomic_load_explicit(&line->parked, memory_order_relaxed);
	stats->redexes = atomic_load_explicit(&line->redexes, memory_order_relaxed);
	stats->memory = atomic_load_explicit(&line->memory, memory_order_relaxed);
	return 0;
}

void net_progress(const struct net *net, struct net_progress *progress)
{
	*progress = (struct net_progress){ .running = net->phase == PHASE_RUNNING };
	progress->time_ns = net->phase == PHASE_RUNNING ? plx_now_ns() - net->begin_ns : net->result.time_ns;
	if (!net->arena.control)
		return;
	progress->memory = arena_memory(&net->arena);
	for (uint32_t i = 0; i < arena_open_parts(&net->arena); i++) {
		struct net_worker_stats stats;

		if (net_worker(net, i, &stats) < 0)
			return;
		progress->interactions += stats.interactions;
		progress->busy += !stats.idle;
	}
}

port net_root(const struct net *net)
{
	return net->phase == PHASE_OVER && net->arena.control ? net->arena.control->root : PORT_NONE;
}

static struct pair source_node(const void *net, port p)
{
	return *arena_node(&((const struct net *)net)->arena, p);
}

static port source_var(const void *net, port p)
{
	const port value = *arena_var(&((const struct net *)net)->arena, p);

	return link_is_bound(value) ? value : PORT_NONE;
}

void net_source(const struct net *net, struct text_source *source)
{
	*source = (struct text_source){
		.node = source_node,
		.var = source_var,
		.net = net,
		.book = arena_book(&net->arena),
	};
	for (uint32_t i = 0; i < arena_open_parts(&net->arena); i++)
		source->nodes_max += arena_record(&net->arena, i)->node_fresh -
				     (arena_nodes_off(&net->arena, i) >> 4);
}

int net_check(const struct net *net, const char **why)
{
	*why = NULL;
	if (net->phase == PHASE_RUNNING)
		return -EBUSY;
	if (net->phase == PHASE_FRESH || net->broken)
		return 0;
	return check_arena(&net->arena, net->result.status == NET_DONE, why);
}

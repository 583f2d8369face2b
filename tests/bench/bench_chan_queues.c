/*
 * bench_chan_queues.c - channels beside other queues, between processes, in one run.
 *
 *	bench_chan_queues [stream | many | core | latency | sleep] [part of a title]
 *
 * Sections, and what a row says: queue_run.c. Peers are there when their packages are (libck-dev libdpdk-dev liburcu-dev
 * libboost-dev); pipe, socket and message queue always.
 */
#include "tests/bench/queue.h"

int main(int argc, char **argv)
{
	static const struct queue *const tables[] = {
		queues_bare, queues_ours,  queues_ck,     queues_dpdk,
		queues_urcu, queues_boost, queues_kernel, NULL,
	};

	return queue_bench(tables, argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}

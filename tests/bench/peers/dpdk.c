/*
 * dpdk.c - DPDK's rte_ring in plain shared memory: no EAL, no memzone, the element form, so that the ring holds the messages.
 *
 * Modes: one producer and one consumer; many of both; and the two that are meant for more threads than processors, relaxed
 * tail sync (RTS) and head-tail sync (HTS). Debian: libdpdk-dev.
 */
#include "tests/bench/queue.h"

#if __has_include(<rte_ring_elem.h>)

#include <stdio.h>
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

static void *open_ring(uint32_t slots, unsigned int flags)
{
	struct rte_ring *r = queue_memory((size_t)rte_ring_get_memsize_elem(QUEUE_BYTES, slots));

	if (rte_ring_init(r, "bench", slots, flags) != 0) {
		fprintf(stderr, "queue: rte_ring_init failed\n");
		exit(1);
	}
	return r;
}

#define OPEN(mode, flags)                                                                                    \
	static void *open_##mode(uint32_t slots, uint32_t producers)                                         \
	{                                                                                                    \
		(void)producers;                                                                             \
		return open_ring(slots, flags);                                                              \
	}

OPEN(one, RING_F_SP_ENQ | RING_F_SC_DEQ)
OPEN(mt, 0)
OPEN(rts, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ)
OPEN(hts, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ)

/* As many as there is room for. */
#define MOVES(name, size, enqueue, dequeue)                                                                  \
	queue_inline unsigned int push_##name(struct queue_end *end, void *messages, unsigned int n)         \
	{                                                                                                    \
		return enqueue((struct rte_ring *)end->queue, messages, size, n, NULL);                      \
	}                                                                                                    \
	queue_inline unsigned int pop_##name(struct queue_end *end, void *messages, unsigned int n)          \
	{                                                                                                    \
		return dequeue((struct rte_ring *)end->queue, messages, size, n, NULL);                      \
	}

MOVES(one_8, 8, rte_ring_sp_enqueue_burst_elem, rte_ring_sc_dequeue_burst_elem)
MOVES(one_64, 64, rte_ring_sp_enqueue_burst_elem, rte_ring_sc_dequeue_burst_elem)
MOVES(mt_8, 8, rte_ring_mp_enqueue_burst_elem, rte_ring_mc_dequeue_burst_elem)
MOVES(rts_8, 8, rte_ring_mp_rts_enqueue_burst_elem, rte_ring_mc_rts_dequeue_burst_elem)
MOVES(hts_8, 8, rte_ring_mp_hts_enqueue_burst_elem, rte_ring_mc_hts_dequeue_burst_elem)
QUEUE_LOOPS(one_8, push_one_8, pop_one_8, 8, 1)
QUEUE_LOOPS(one_64, push_one_64, pop_one_64, 64, 1)
QUEUE_LOOPS(one_8b, push_one_8, pop_one_8, 8, 32)
QUEUE_LOOPS(one_64b, push_one_64, pop_one_64, 64, 32)
QUEUE_LOOPS(mt_8, push_mt_8, pop_mt_8, 8, 1)
QUEUE_LOOPS(mt_8b, push_mt_8, pop_mt_8, 8, 32)
QUEUE_LOOPS(rts_8, push_rts_8, pop_rts_8, 8, 1)
QUEUE_LOOPS(rts_8b, push_rts_8, pop_rts_8, 8, 32)
QUEUE_LOOPS(hts_8, push_hts_8, pop_hts_8, 8, 1)
QUEUE_LOOPS(hts_8b, push_hts_8, pop_hts_8, 8, 32)

const struct queue queues_dpdk[] = {
	{ QUEUE(one_8, "rte_ring SP/SC", 8, 1, 1, 1), .open = open_one },
	{ QUEUE(one_64, "rte_ring SP/SC", 64, 1, 1, 1), .open = open_one },
	{ QUEUE(one_8b, "rte_ring SP/SC", 8, 32, 1, 1), .open = open_one },
	{ QUEUE(one_64b, "rte_ring SP/SC", 64, 32, 1, 1), .open = open_one },
	{ QUEUE(mt_8, "rte_ring MP/MC", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .open = open_mt },
	{ QUEUE(mt_8b, "rte_ring MP/MC", 8, 32, QUEUE_SIDES, QUEUE_SIDES), .open = open_mt },
	{ QUEUE(rts_8, "rte_ring RTS", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .open = open_rts },
	{ QUEUE(rts_8b, "rte_ring RTS", 8, 32, QUEUE_SIDES, QUEUE_SIDES), .open = open_rts },
	{ QUEUE(hts_8, "rte_ring HTS", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .open = open_hts },
	{ QUEUE(hts_8b, "rte_ring HTS", 8, 32, QUEUE_SIDES, QUEUE_SIDES), .open = open_hts },
	{ .title = NULL },
};

#else
const struct queue queues_dpdk[] = { { .title = NULL } };
#endif

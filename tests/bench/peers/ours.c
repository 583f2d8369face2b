/* ours.c - Parallax's own channels, in the same loops: calls that return at once, and those that sleep. */
#include "tests/bench/queue.h"

#include <stdio.h>
#include <stdlib.h>

#include <plx/plx.h>

static void *must(int ret, void *what)
{
	if (ret < 0 || !what) {
		fprintf(stderr, "queue: a channel: %s\n", plx_strerror(ret));
		exit(1);
	}
	return what;
}

static void *open_channel(uint32_t kind, uint32_t size, uint32_t slots, uint32_t senders)
{
	struct plx_channel_shape shape = {
		.kind = kind, .size = size, .count = slots, .senders = (uint16_t)senders
	};
	uint64_t bytes = plx_channel_bytes(&shape);
	void *at = queue_memory(bytes);

	return must(plx_channel_init(at, bytes, &shape), at);
}

#define OPEN(name, kind, size)                                                                               \
	static void *open_##name(uint32_t slots, uint32_t producers)                                         \
	{                                                                                                    \
		(void)producers;                                                                             \
		return open_channel(kind, size, slots,                                                       \
				    kind == PLX_CHANNEL_SPSC || kind == PLX_CHANNEL_RING ? 1 : producers);   \
	}

OPEN(spsc_8, PLX_CHANNEL_SPSC, 8)
OPEN(spsc_56, PLX_CHANNEL_SPSC, 56)
OPEN(spsc_64, PLX_CHANNEL_SPSC, 64)
OPEN(ring_8, PLX_CHANNEL_RING, 8)
OPEN(ring_64, PLX_CHANNEL_RING, 64)
OPEN(mpsc_8, PLX_CHANNEL_MPSC, 8)
OPEN(mpmc_8, PLX_CHANNEL_MPMC, 8)

static void join_spsc(struct queue_end *end)
{
	struct plx_spsc_sender *tx = malloc(sizeof(*tx));
	struct plx_spsc_receiver *rx = malloc(sizeof(*rx));

	end->own = end->producer ? must(plx_spsc_sender_open(tx, end->queue, UINT64_MAX, 0), tx)
				 : must(plx_spsc_receiver_open(rx, end->queue, UINT64_MAX), rx);
}

static void join_ring(struct queue_end *end)
{
	struct plx_ring_sender *tx = malloc(sizeof(*tx));
	struct plx_ring_receiver *rx = malloc(sizeof(*rx));

	end->own = end->producer ? must(plx_ring_sender_open(tx, end->queue, UINT64_MAX, 0), tx)
				 : must(plx_ring_receiver_open(rx, end->queue, UINT64_MAX), rx);
}

queue_inline unsigned int push_ring(struct queue_end *end, void *m, unsigned int n)
{
	return n == 1 ? plx_ring_try_send(end->own, m) : plx_ring_try_send_many(end->own, m, n);
}

queue_inline unsigned int pop_ring(struct queue_end *end, void *m, unsigned int n)
{
	return n == 1 ? plx_ring_try_recv(end->own, m) : plx_ring_try_recv_many(end->own, m, n);
}

static void join_mpsc(struct queue_end *end)
{
	struct plx_spsc_sender *tx = malloc(sizeof(*tx));
	struct plx_mpsc_receiver *rx = malloc(sizeof(*rx));

	end->own = end->producer ? must(plx_mpsc_sender_open(tx, end->queue, UINT64_MAX, 0), tx)
				 : must(plx_mpsc_receiver_open(rx, end->queue, UINT64_MAX), rx);
}

static void join_mpmc(struct queue_end *end)
{
	struct plx_mpmc_sender *tx = malloc(sizeof(*tx));
	struct plx_mpmc_receiver *rx = malloc(sizeof(*rx));

	end->own = end->producer ? must(plx_mpmc_sender_open(tx, end->queue, UINT64_MAX, 0), tx)
				 : must(plx_mpmc_receiver_open(rx, end->queue, UINT64_MAX), rx);
}

queue_inline unsigned int push(struct queue_end *end, void *m, unsigned int n)
{
	return n == 1 ? plx_spsc_try_send(end->own, m) : plx_spsc_try_send_many(end->own, m, n);
}

queue_inline unsigned int push_sleep(struct queue_end *end, void *m, unsigned int n)
{
	int ret = n == 1 ? plx_spsc_send(end->own, m, UINT64_MAX) + 1
			 : plx_spsc_send_many(end->own, m, n, UINT64_MAX);

	return ret > 0 ? (unsigned int)ret : 0;
}

#define POPS(kind)                                                                                           \
	queue_inline unsigned int pop_##kind(struct queue_end *end, void *m, unsigned int n)                 \
	{                                                                                                    \
		return n == 1 ? plx_##kind##_try_recv(end->own, m)                                           \
			      : plx_##kind##_try_recv_many(end->own, m, n);                                  \
	}                                                                                                    \
	queue_inline unsigned int pop_##kind##_sleep(struct queue_end *end, void *m, unsigned int n)         \
	{                                                                                                    \
		int ret = n == 1 ? plx_##kind##_recv(end->own, m, UINT64_MAX) + 1                            \
				 : plx_##kind##_recv_many(end->own, m, n, UINT64_MAX);                       \
                                                                                                             \
		return ret > 0 ? (unsigned int)ret : 0;                                                      \
	}

POPS(spsc)
POPS(mpsc)
POPS(mpmc)

queue_inline unsigned int push_mpmc(struct queue_end *end, void *m, unsigned int n)
{
	return n == 1 ? plx_mpmc_try_send(end->own, m) : plx_mpmc_try_send_many(end->own, m, n);
}

queue_inline unsigned int push_mpmc_sleep(struct queue_end *end, void *m, unsigned int n)
{
	int ret = n == 1 ? plx_mpmc_send(end->own, m, UINT64_MAX) + 1
			 : plx_mpmc_send_many(end->own, m, n, UINT64_MAX);

	return ret > 0 ? (unsigned int)ret : 0;
}

QUEUE_LOOPS(mpmc_8, push_mpmc, pop_mpmc, 8, 1)
QUEUE_LOOPS(mpmc_8b, push_mpmc, pop_mpmc, 8, 32)
QUEUE_LOOPS(mpmc_8s, push_mpmc_sleep, pop_mpmc_sleep, 8, 1)
QUEUE_LOOPS(mpmc_8bs, push_mpmc_sleep, pop_mpmc_sleep, 8, 32)
QUEUE_LOOPS(spsc_8, push, pop_spsc, 8, 1)
QUEUE_LOOPS(spsc_8b, push, pop_spsc, 8, 32)
QUEUE_LOOPS(spsc_8s, push_sleep, pop_spsc_sleep, 8, 1)
QUEUE_LOOPS(spsc_8bs, push_sleep, pop_spsc_sleep, 8, 32)
QUEUE_LOOPS(spsc_56, push, pop_spsc, 56, 1)
QUEUE_LOOPS(spsc_64, push, pop_spsc, 64, 1)
QUEUE_LOOPS(spsc_64b, push, pop_spsc, 64, 32)
QUEUE_LOOPS(ring_8, push_ring, pop_ring, 8, 1)
QUEUE_LOOPS(ring_8b, push_ring, pop_ring, 8, 32)
QUEUE_LOOPS(ring_64, push_ring, pop_ring, 64, 1)
QUEUE_LOOPS(ring_64b, push_ring, pop_ring, 64, 32)
QUEUE_LOOPS(mpsc_8, push, pop_mpsc, 8, 1)
QUEUE_LOOPS(mpsc_8b, push, pop_mpsc, 8, 32)
QUEUE_LOOPS(mpsc_8s, push_sleep, pop_mpsc_sleep, 8, 1)
QUEUE_LOOPS(mpsc_8bs, push_sleep, pop_mpsc_sleep, 8, 32)

#define SPSC(size, ...) .open = open_spsc_##size, .join = join_spsc, __VA_ARGS__
#define RING(size, ...) .open = open_ring_##size, .join = join_ring, __VA_ARGS__
#define MPSC(...)       .open = open_mpsc_8, .join = join_mpsc, __VA_ARGS__
#define MPMC(...)       .open = open_mpmc_8, .join = join_mpmc, __VA_ARGS__

const struct queue queues_ours[] = {
	{ QUEUE(spsc_8, "Parallax spsc", 8, 1, 1, 1), SPSC(8, .blocks = false) },
	{ QUEUE(spsc_8b, "Parallax spsc", 8, 32, 1, 1), SPSC(8, .blocks = false) },
	{ QUEUE(spsc_8s, "Parallax spsc", 8, 1, 1, 1), SPSC(8, .blocks = true) },
	{ QUEUE(spsc_8bs, "Parallax spsc", 8, 32, 1, 1), SPSC(8, .blocks = true) },
	{ QUEUE(spsc_56, "Parallax spsc", 56, 1, 1, 1), SPSC(56, .blocks = false) },
	{ QUEUE(spsc_64, "Parallax spsc", 64, 1, 1, 1), SPSC(64, .blocks = false) },
	{ QUEUE(spsc_64b, "Parallax spsc", 64, 32, 1, 1), SPSC(64, .blocks = false) },
	{ QUEUE(ring_8, "Parallax ring", 8, 1, 1, 1), RING(8, .blocks = false) },
	{ QUEUE(ring_8b, "Parallax ring", 8, 32, 1, 1), RING(8, .blocks = false) },
	{ QUEUE(ring_64, "Parallax ring", 64, 1, 1, 1), RING(64, .blocks = false) },
	{ QUEUE(ring_64b, "Parallax ring", 64, 32, 1, 1), RING(64, .blocks = false) },
	{ QUEUE(mpsc_8, "Parallax mpsc", 8, 1, QUEUE_SIDES, 1), MPSC(.blocks = false) },
	{ QUEUE(mpsc_8b, "Parallax mpsc", 8, 32, QUEUE_SIDES, 1), MPSC(.blocks = false) },
	{ QUEUE(mpsc_8s, "Parallax mpsc", 8, 1, QUEUE_SIDES, 1), MPSC(.blocks = true) },
	{ QUEUE(mpsc_8bs, "Parallax mpsc", 8, 32, QUEUE_SIDES, 1), MPSC(.blocks = true) },
	{ QUEUE(mpmc_8, "Parallax mpmc", 8, 1, QUEUE_SIDES, QUEUE_SIDES), MPMC(.blocks = false) },
	{ QUEUE(mpmc_8b, "Parallax mpmc", 8, 32, QUEUE_SIDES, QUEUE_SIDES), MPMC(.blocks = false) },
	{ QUEUE(mpmc_8s, "Parallax mpmc", 8, 1, QUEUE_SIDES, QUEUE_SIDES), MPMC(.blocks = true) },
	{ QUEUE(mpmc_8bs, "Parallax mpmc", 8, 32, QUEUE_SIDES, QUEUE_SIDES), MPMC(.blocks = true) },
	{ .title = NULL },
};

/* ck.c - Concurrency Kit's ck_ring, with messages of any size in the ring (CK_RING_PROTOTYPE). Debian: libck-dev. */
#include "tests/bench/queue.h"

#if __has_include(<ck_ring.h>)

#include <ck_ring.h>

struct word {
	uint64_t word;
};

struct line {
	uint64_t words[8];
};

CK_RING_PROTOTYPE(word, word)
CK_RING_PROTOTYPE(line, line)

struct ring {
	_Alignas(128) struct ck_ring ring;
	_Alignas(128) unsigned char messages[];
};

static void *open_ring(uint32_t slots, uint32_t producers)
{
	struct ring *r = queue_memory(sizeof(*r) + (size_t)slots * QUEUE_BYTES);

	(void)producers;
	ck_ring_init(&r->ring, slots);
	return r;
}

#define MOVES(kind, type)                                                                                    \
	queue_inline unsigned int push_##kind##_##type(struct queue_end *end, void *message, unsigned int n) \
	{                                                                                                    \
		struct ring *r = end->queue;                                                                 \
                                                                                                             \
		(void)n;                                                                                     \
		return ck_ring_enqueue_##kind##_##type(&r->ring, (struct type *)(void *)r->messages,         \
						       message);                                             \
	}                                                                                                    \
	queue_inline unsigned int pop_##kind##_##type(struct queue_end *end, void *message, unsigned int n)  \
	{                                                                                                    \
		struct ring *r = end->queue;                                                                 \
                                                                                                             \
		(void)n;                                                                                     \
		return ck_ring_dequeue_##kind##_##type(&r->ring, (struct type *)(void *)r->messages,         \
						       message);                                             \
	}

MOVES(spsc, word)
MOVES(spsc, line)
MOVES(mpsc, word)
MOVES(mpmc, word)
MOVES(mpmc, line)
QUEUE_LOOPS(spsc_8, push_spsc_word, pop_spsc_word, 8, 1)
QUEUE_LOOPS(spsc_64, push_spsc_line, pop_spsc_line, 64, 1)
QUEUE_LOOPS(mpsc_8, push_mpsc_word, pop_mpsc_word, 8, 1)
QUEUE_LOOPS(mpmc_8, push_mpmc_word, pop_mpmc_word, 8, 1)
QUEUE_LOOPS(mpmc_64, push_mpmc_line, pop_mpmc_line, 64, 1)

const struct queue queues_ck[] = {
	{ QUEUE(spsc_8, "ck_ring spsc", 8, 1, 1, 1), .open = open_ring },
	{ QUEUE(spsc_64, "ck_ring spsc", 64, 1, 1, 1), .open = open_ring },
	{ QUEUE(mpsc_8, "ck_ring mpsc", 8, 1, QUEUE_SIDES, 1), .open = open_ring },
	{ QUEUE(mpmc_8, "ck_ring mpmc", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .open = open_ring },
	{ QUEUE(mpmc_64, "ck_ring mpmc", 64, 1, QUEUE_SIDES, QUEUE_SIDES), .open = open_ring },
	{ .title = NULL },
};

#else
const struct queue queues_ck[] = { { .title = NULL } };
#endif

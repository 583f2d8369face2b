/*
 * urcu.c - liburcu's wfcqueue: many producers, one consumer, linked nodes.
 *
 * It holds pointers, so all processes must have it at the same address: here they are forked. It has no bound; each producer has
 * a circle of nodes, and waits until the next one came back. Debian: liburcu-dev.
 */
#include "tests/bench/queue.h"

#if __has_include(<urcu/wfcqueue.h>)

#define _LGPL_SOURCE
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include <urcu/wfcqueue.h>
#pragma GCC diagnostic pop

struct node {
	_Alignas(64) struct cds_wfcq_node node;
	uint64_t word;
	uint32_t busy;
};

struct wfcq {
	_Alignas(128) struct __cds_wfcq_head head;
	_Alignas(128) struct cds_wfcq_tail tail;
	_Alignas(128) uint32_t slots;
	struct node nodes[];
};

static void *open_wfcq(uint32_t slots, uint32_t producers)
{
	struct wfcq *q = queue_memory(sizeof(*q) + (size_t)slots * producers * sizeof(struct node));

	__cds_wfcq_init(&q->head, &q->tail);
	q->slots = slots;
	return q;
}

static void join_wfcq(struct queue_end *end)
{
	struct wfcq *q = end->queue;

	if (end->producer)
		end->own = &q->nodes[(size_t)q->slots * end->me];
}

queue_inline unsigned int push_wfcq(struct queue_end *end, void *message, unsigned int n)
{
	struct wfcq *q = end->queue;
	struct node *node = (struct node *)end->own + (end->word[0] & (q->slots - 1));

	if (__atomic_load_n(&node->busy, __ATOMIC_ACQUIRE))
		return 0;
	node->busy = 1;
	memcpy(&node->word, message, sizeof(node->word));
	cds_wfcq_node_init(&node->node);
	cds_wfcq_enqueue(&q->head, &q->tail, &node->node);
	end->word[0]++;
	return n;
}

queue_inline unsigned int pop_wfcq(struct queue_end *end, void *message, unsigned int n)
{
	struct wfcq *q = end->queue;
	struct cds_wfcq_node *at = __cds_wfcq_dequeue_nonblocking(&q->head, &q->tail);
	struct node *node = (struct node *)(void *)at;

	if (!at || at == CDS_WFCQ_WOULDBLOCK)
		return 0;
	memcpy(message, &node->word, sizeof(node->word));
	__atomic_store_n(&node->busy, 0, __ATOMIC_RELEASE);
	return n;
}

QUEUE_LOOPS(wfcq_8, push_wfcq, pop_wfcq, 8, 1)

const struct queue queues_urcu[] = {
	{ QUEUE(wfcq_8, "urcu wfcqueue", 8, 1, QUEUE_SIDES, 1), .open = open_wfcq, .join = join_wfcq },
	{ .title = NULL },
};

#else
const struct queue queues_urcu[] = { { .title = NULL } };
#endif

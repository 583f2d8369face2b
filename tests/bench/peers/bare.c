/*
 * bare.c - the limits: a line handed over with two stores and two loads, and a futex with nothing around it.
 *
 * Not queues: one message is under way at a time, which is what a round trip needs.
 */
#include "tests/bench/queue.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct line {
	_Alignas(128) uint64_t word;
	unsigned char rest[QUEUE_BYTES - 8];
};

static void *open_line(uint32_t slots, uint32_t producers)
{
	(void)slots;
	(void)producers;
	return queue_memory(sizeof(struct line));
}

queue_inline unsigned int hand(struct queue_end *end, void *message, unsigned int n)
{
	struct line *line = end->queue;

	__atomic_store_n(&line->word, queue_word(message), __ATOMIC_RELEASE);
	return n;
}

queue_inline unsigned int receive(struct queue_end *end, void *message, unsigned int n)
{
	struct line *line = end->queue;
	uint64_t word = __atomic_load_n(&line->word, __ATOMIC_ACQUIRE);

	if (word == end->word[0])
		return 0;
	end->word[0] = word;
	memcpy(message, &word, sizeof(word));
	return n;
}

queue_inline unsigned int hand_and_wake(struct queue_end *end, void *message, unsigned int n)
{
	struct line *line = end->queue;

	hand(end, message, n);
	syscall(SYS_futex, &line->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	return n;
}

queue_inline unsigned int sleep_and_receive(struct queue_end *end, void *message, unsigned int n)
{
	struct line *line = end->queue;

	while (receive(end, message, n) == 0)
		syscall(SYS_futex, &line->word, FUTEX_WAIT, (uint32_t)end->word[0], NULL, NULL, 0);
	return n;
}

QUEUE_LOOPS(line_8, hand, receive, 8, 1)
QUEUE_LOOPS(futex_8, hand_and_wake, sleep_and_receive, 8, 1)

const struct queue queues_bare[] = {
	{ QUEUE(line_8, "(bare line)", 8, 1, 1, 1), .bare = true, .open = open_line },
	{ QUEUE(futex_8, "(bare futex)", 8, 1, 1, 1), .bare = true, .blocks = true, .open = open_line },
	{ .title = NULL },
};

/*
 * queue.h - one way to measure every queue, ours and others': the same loops, with the queue's push and pop inside them.
 *
 * A queue is described by struct queue; QUEUE_LOOPS() makes its loops from two inline functions, so that no call lies
 * between a message and the next. queue_run.c starts the processes and takes the time. C and C++.
 *
 *	full     the consumer does a little more per message (a multiplication): the ring is full most of the time
 *	chase    the producer does: the consumer is there first, and looks at the line that is being written
 *
 * Each message is counted and summed on both sides; a queue that loses one says LOST.
 */
#ifndef TESTS_BENCH_QUEUE_H
#define TESTS_BENCH_QUEUE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUEUE_SIDES 8  /* producers, and consumers, at most */
#define QUEUE_BATCH 32 /* messages per call, at most */
#define QUEUE_BYTES 64 /* of a message, at most */

/* What one process did. Own lines: a counter that two share would be what is measured. */
struct queue_count {
	uint64_t n, sum, waits;
	uint64_t fill[13];
};

/* One measurement: shared by all its processes. */
struct queue_run {
	uint32_t slots;
	uint32_t producers, consumers;
	bool chase; /* else full */
	bool yield; /* after 64 looks in vain: let others run */
	uint32_t fill[27];
	uint32_t ready, go, stop; /* stop: 1 producers, 2 consumers */
	uint32_t fill2[29];
	struct queue_count made[QUEUE_SIDES], taken[QUEUE_SIDES];
};

/* A process's view of one queue. */
struct queue_end {
	struct queue_run *run;
	void *queue;     /* what open() returned */
	unsigned int me; /* 0 ... among producers, or among consumers */
	bool producer;
	void *own;        /* the queue's, private to the process */
	uint64_t word[4]; /* the same */
};

struct queue {
	const char *title; /* NULL ends a table */
	unsigned int size, batch;
	unsigned int producers, consumers; /* at most */
	bool blocks;                       /* push and pop sleep instead of returning 0 */
	bool bare;                         /* a limit, not a queue: one message under way */
	void *(*open)(uint32_t slots, uint32_t producers);
	void (*join)(struct queue_end *end); /* may be NULL */
	void (*produce)(struct queue_end *end);
	void (*consume)(struct queue_end *end);
	void (*ping)(struct queue_end *out, struct queue_end *in, double *ticks, size_t n, uint64_t think_ns);
	void (*pong)(struct queue_end *out, struct queue_end *in, size_t n);
};

/* Tables, each in a file of its own below peers/; empty where the package is not installed. */
extern const struct queue queues_bare[], queues_ours[], queues_kernel[], queues_ck[], queues_dpdk[],
	queues_urcu[], queues_boost[];

/* Memory that the processes forked from now on share; zeroed, ends the program when there is none. */
void *queue_memory(size_t size);

/* Measure all of these tables: @what is "" or a section's name, @named a part of a title or "". */
int queue_bench(const struct queue *const *tables, const char *what, const char *named);

#ifdef __cplusplus
}
#endif

/* ---- the loops ---------------------------------------------------------------------------------------- */

#define queue_inline static inline __attribute__((always_inline, unused))

/* Moves up to @n messages; returns how many, 0 when full or empty. */
typedef unsigned int queue_move(struct queue_end *end, void *messages, unsigned int n);

queue_inline void queue_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

queue_inline uint64_t queue_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

queue_inline uint64_t queue_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return queue_ns();
#endif
}

/* Full or empty: look again a little later. */
queue_inline void queue_wait(const struct queue_end *end, unsigned int *looks)
{
	if (end->run->yield && ++*looks > 64) {
		*looks = 0;
		sched_yield();
	} else {
		queue_relax();
	}
}

/* The compiler must not know what becomes of these bytes, nor what they were. */
#define queue_opaque(at) __asm__ __volatile__("" : : "r"(at) : "memory")

queue_inline uint64_t queue_word(const unsigned char *message)
{
	uint64_t word;

	memcpy(&word, message, sizeof(word));
	return word;
}

queue_inline void queue_count(struct queue_count *c, uint64_t n, uint64_t sum)
{
	c->sum = sum;
	__atomic_store_n(&c->n, n, __ATOMIC_RELAXED);
}

#define QUEUE_FACTOR UINT64_C(6364136223846793005)

queue_inline void queue_produce(struct queue_end *end, queue_move *push, unsigned int size,
				unsigned int batch, bool chase)
{
	unsigned char __attribute__((aligned(64))) m[QUEUE_BATCH * QUEUE_BYTES] = { 0 };
	struct queue_count *count = &end->run->made[end->me];
	uint64_t value = end->me, n = 0, sum = 0, waits = 0;
	unsigned int looks = 0;

	while (!__atomic_load_n(&end->run->stop, __ATOMIC_RELAXED)) {
		for (unsigned int i = 0; i < batch; i++) {
			value = chase ? value * QUEUE_FACTOR + 1 : value + 1;
			sum += value;
			memcpy(m + i * size, &value, sizeof(value));
		}
		queue_opaque(m);
		for (unsigned int done = 0; done < batch;) {
			unsigned int k = push(end, m + done * size, batch - done);

			done += k;
			if (k == 0) {
				waits++;
				queue_wait(end, &looks);
			}
		}
		n += batch;
		queue_count(count, n, sum);
	}
	count->waits = waits;
}

queue_inline void queue_consume(struct queue_end *end, queue_move *pop, unsigned int size, unsigned int batch,
				bool chase)
{
	unsigned char __attribute__((aligned(64))) m[QUEUE_BATCH * QUEUE_BYTES];
	struct queue_count *count = &end->run->taken[end->me];
	uint64_t n = 0, sum = 0, waits = 0, mixed = 0;
	unsigned int looks = 0;

	for (;;) {
		unsigned int k = pop(end, m, batch);

		queue_opaque(m);
		if (k == 0) {
			if (__atomic_load_n(&end->run->stop, __ATOMIC_RELAXED) == 2)
				break;
			waits++;
			queue_wait(end, &looks);
			continue;
		}
		for (unsigned int i = 0; i < k; i++) {
			sum += queue_word(m + i * size);
			if (!chase)
				mixed = (mixed ^ queue_word(m + i * size)) * QUEUE_FACTOR;
		}
		__asm__ __volatile__("" : : "r"(mixed));
		n += k;
		queue_count(count, n, sum);
	}
	count->waits = waits;
}

queue_inline void queue_one(struct queue_end *end, queue_move *move, unsigned char *m)
{
	unsigned int looks = 0;

	while (move(end, m, 1) == 0)
		queue_wait(end, &looks);
	queue_opaque(m);
}

/* Round trips; @ticks of each. */
queue_inline void queue_ping(struct queue_end *out, struct queue_end *in, queue_move *push, queue_move *pop,
			     double *ticks, size_t n, uint64_t think_ns)
{
	unsigned char __attribute__((aligned(64))) m[QUEUE_BYTES] = { 0 };

	for (uint64_t i = 1; i <= n; i++) {
		uint64_t t0;

		if (think_ns) { /* or the other would still be looking, and need no waking */
			for (t0 = queue_ns(); queue_ns() - t0 < think_ns;)
				queue_relax();
		}
		t0 = queue_ticks();
		memcpy(m, &i, sizeof(i));
		queue_one(out, push, m);
		queue_one(in, pop, m);
		ticks[i - 1] = (double)(queue_ticks() - t0);
		if (queue_word(m) != i)
			__builtin_trap();
	}
}

queue_inline void queue_pong(struct queue_end *out, struct queue_end *in, queue_move *push, queue_move *pop,
			     size_t n)
{
	unsigned char __attribute__((aligned(64))) m[QUEUE_BYTES] = { 0 };

	for (uint64_t i = 1; i <= n; i++) {
		queue_one(in, pop, m);
		queue_one(out, push, m);
	}
}

#define QUEUE_LOOPS(id, push, pop, size, batch)                                                              \
	static void id##_produce(struct queue_end *end)                                                      \
	{                                                                                                    \
		if (end->run->chase)                                                                         \
			queue_produce(end, push, size, batch, true);                                         \
		else                                                                                         \
			queue_produce(end, push, size, batch, false);                                        \
	}                                                                                                    \
	static void id##_consume(struct queue_end *end)                                                      \
	{                                                                                                    \
		if (end->run->chase)                                                                         \
			queue_consume(end, pop, size, batch, true);                                          \
		else                                                                                         \
			queue_consume(end, pop, size, batch, false);                                         \
	}                                                                                                    \
	static void id##_ping(struct queue_end *out, struct queue_end *in, double *ticks, size_t n,          \
			      uint64_t think)                                                                \
	{                                                                                                    \
		queue_ping(out, in, push, pop, ticks, n, think);                                             \
	}                                                                                                    \
	static void id##_pong(struct queue_end *out, struct queue_end *in, size_t n)                         \
	{                                                                                                    \
		queue_pong(out, in, push, pop, n);                                                           \
	}

/* An entry of a table; what is not named here follows. */
#define QUEUE(id, name, bytes, messages, p, c)                                                               \
	.title = name, .size = bytes, .batch = messages, .producers = p, .consumers = c,                     \
	.produce = id##_produce, .consume = id##_consume, .ping = id##_ping, .pong = id##_pong

#endif

/*
 * bare.h - limits: what two processes can do with lines and futexes at all, measured in the same run as what we made of them.
 *
 *	line     handed to and fro: one store, one look
 *	stream   a ring of lines, published 32 at a time, nothing else in the loops; plain, and with lines taken back eight at a time
 *	         before they are written (plx/lines.h says why)
 *	futex    a word, a wake and a wait
 *	yield    a word, and the processor given up until it changes: on one processor nothing is sooner
 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include <string.h>

#include <plx/process.h>

#include "tests/bench/bench.h"

#define BARE_LINES 4096u

struct bare {
	_Alignas(128) uint64_t there;
	_Alignas(128) uint64_t back;
	_Alignas(128) uint64_t tail;
	_Alignas(128) uint64_t head;
	_Alignas(128) uint64_t lines[BARE_LINES][8];
	bool take; /* lines, before they are written */
};

static inline double half_trip(uint64_t from)
{
	return (double)(plx_now_ns() - from) / 2;
}

static inline void bare_echo(void *arg)
{
	struct bare *b = (struct bare *)arg;

	for (uint64_t i = 1;; i++) {
		while (__atomic_load_n(&b->there, __ATOMIC_ACQUIRE) < i)
			relax();
		__atomic_store_n(&b->back, i, __ATOMIC_RELEASE);
	}
}

/* Half a round trip, ns, the median; @times: room for @trips. */
static inline double bare_latency(struct bare *b, double *times, int trips)
{
	pid_t pid;

	memset(b, 0, sizeof(*b));
	pid = start_process(bare_echo, b, 1);
	pin(0);
	for (int i = 1; i <= trips; i++) {
		uint64_t t0 = plx_now_ns();

		__atomic_store_n(&b->there, (uint64_t)i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&b->back, __ATOMIC_ACQUIRE) < (uint64_t)i)
			relax();
		times[i - 1] = half_trip(t0);
	}
	stop_processes(&pid, 1);
	return median(times, trips);
}

static inline void bare_send(void *arg)
{
	struct bare *b = (struct bare *)arg;
	uint64_t seen = 0;
	bool take = b->take;

	for (uint64_t i = 0;; i++) {
		uint64_t *line = b->lines[i % BARE_LINES];

		if (i - seen >= BARE_LINES)
			while (i - (seen = __atomic_load_n(&b->head, __ATOMIC_ACQUIRE)) >= BARE_LINES)
				relax();
		if (take && i % 8 == 0)
			for (int k = 0; k < 8; k++)
				__atomic_store_n(&line[8 * k], 0, __ATOMIC_RELAXED);
		for (int k = 0; k < 8; k++)
			line[k] = i;
		if (i % 32 == 31)
			__atomic_store_n(&b->tail, i + 1, __ATOMIC_RELEASE);
	}
}

static inline void bare_recv(void *arg)
{
	struct bare *b = (struct bare *)arg;
	uint64_t seen = 0, sum = 0;

	for (uint64_t i = 0;; i++) {
		while (i == seen) {
			__atomic_store_n(&b->head, i, __ATOMIC_RELEASE);
			seen = __atomic_load_n(&b->tail, __ATOMIC_ACQUIRE);
			relax();
		}
		sum += b->lines[i % BARE_LINES][0] + b->lines[i % BARE_LINES][7];
		if (i % 1024 == 0)
			__atomic_store_n(&b->head, i + (sum == 42), __ATOMIC_RELEASE);
	}
}

/* Million lines per second. */
static inline double bare_stream_as(struct bare *b, bool take)
{
	pid_t pids[2];
	uint64_t t0, n0;
	double rate;

	memset(b, 0, sizeof(*b));
	b->take = take;
	pids[0] = start_process(bare_send, b, 0);
	pids[1] = start_process(bare_recv, b, 1);
	linger(10000000);
	n0 = __atomic_load_n(&b->tail, __ATOMIC_RELAXED);
	t0 = plx_now_ns();
	linger(20000000);
	rate = (double)(__atomic_load_n(&b->tail, __ATOMIC_RELAXED) - n0) * 1e3 / (double)(plx_now_ns() - t0);
	stop_processes(pids, 2);
	return rate;
}

/* The better way. */
static inline double bare_stream(struct bare *b)
{
	double plain = bare_stream_as(b, false), taken = bare_stream_as(b, true);

	return plain > taken ? plain : taken;
}

static inline void futex_echo(void *arg)
{
	uint32_t *word = (uint32_t *)arg;

	for (uint32_t i = 1;; i++) {
		while (__atomic_load_n(&word[0], __ATOMIC_ACQUIRE) < i)
			(void)!plx_futex_wait(&word[0], i - 1, UINT64_MAX);
		__atomic_store_n(&word[32], i, __ATOMIC_RELEASE);
		plx_futex_wake(&word[32], 1);
	}
}

/* Half a round trip to @cpu, ns; @rest: between two trips. */
static inline double futex_latency(int cpu, uint64_t rest, double *times, int trips)
{
	uint32_t *word = (uint32_t *)shared(4096);
	pid_t pid = start_process(futex_echo, word, cpu);

	pin(0);
	for (uint32_t i = 1; i <= (uint32_t)trips; i++) {
		uint64_t t0;

		if (rest)
			usleep((useconds_t)(rest / 1000));
		t0 = plx_now_ns();
		__atomic_store_n(&word[0], i, __ATOMIC_RELEASE);
		plx_futex_wake(&word[0], 1);
		while (__atomic_load_n(&word[32], __ATOMIC_ACQUIRE) < i)
			(void)!plx_futex_wait(&word[32], i - 1, UINT64_MAX);
		times[i - 1] = half_trip(t0);
	}
	stop_processes(&pid, 1);
	munmap(word, 4096);
	return median(times, trips);
}

static inline void await_yielding(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		sched_yield();
}

static inline void yield_echo(void *arg)
{
	uint32_t *word = (uint32_t *)arg;

	for (uint32_t i = 1;; i++) {
		await_yielding(&word[0], i);
		__atomic_store_n(&word[32], i, __ATOMIC_RELEASE);
	}
}

/* Half a round trip of two processes on one processor, ns. */
static inline double yield_latency(double *times, int trips)
{
	uint32_t *word = (uint32_t *)shared(4096);
	pid_t pid = start_process(yield_echo, word, 0);

	pin(0);
	for (uint32_t i = 1; i <= (uint32_t)trips; i++) {
		uint64_t t0 = plx_now_ns();

		__atomic_store_n(&word[0], i, __ATOMIC_RELEASE);
		await_yielding(&word[32], i);
		times[i - 1] = half_trip(t0);
	}
	stop_processes(&pid, 1);
	munmap(word, 4096);
	return median(times, trips);
}

#endif

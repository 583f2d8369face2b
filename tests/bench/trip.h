/* trip.h - a message there and back, and the bare cache line it is compared with. */
#ifndef TESTS_BENCH_TRIP_H
#define TESTS_BENCH_TRIP_H

#include <string.h>

#include "tests/bench/topic.h"

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return plx_now_ns();
#endif
}

static double ns_per_tick;

static inline void calibrate(void)
{
	uint64_t t0 = plx_now_ns(), c0 = ticks();

	while (plx_now_ns() - t0 < 50000000)
		;
	ns_per_tick = (double)(plx_now_ns() - t0) / (double)(ticks() - c0);
}

/* Half round trips, in ns: percentiles of one round. */
struct times {
	double p50, p99;
};

static inline struct times percentiles(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return (struct times){ .p50 = values[n / 2], .p99 = values[n * 99 / 100] };
}

/* The first and the last eight bytes say which message it is; all of them when @fill. */
static inline void write_payload(void *data, uint64_t size, uint64_t number, bool fill)
{
	if (fill)
		memset(data, (int)number, size);
	memcpy(data, &number, 8);
	memcpy((char *)data + size - 8, &number, 8);
}

static inline void read_payload(const void *data, uint64_t size, uint64_t number, bool fill)
{
	uint64_t a, b, sum = 0;

	if (fill) {
		for (uint64_t i = 0; i < size / 8; i++)
			sum += ((const uint64_t *)data)[i];
		__asm__ __volatile__("" ::"r"(sum));
	}
	memcpy(&a, data, 8);
	memcpy(&b, (const char *)data + size - 8, 8);
	if (a != number || b != number) {
		fprintf(stderr, "message %llu is not what was sent\n", (unsigned long long)number);
		exit(1);
	}
}

struct line {
	uint64_t word __attribute__((aligned(128)));
};

/* Two processes hand a cache line back and forth: nothing is faster. */
static inline struct times bare_line(size_t n)
{
	struct line *lines = shared(2 * sizeof(struct line));
	double *values = malloc(n * sizeof(double));
	struct times t;
	pid_t pid = fork();

	if (pid == 0) {
		pin(1);
		for (uint64_t i = 1; i <= n; i++) {
			while (__atomic_load_n(&lines[0].word, __ATOMIC_ACQUIRE) != i)
				relax();
			__atomic_store_n(&lines[1].word, i, __ATOMIC_RELEASE);
		}
		_exit(0);
	}
	pin(0);
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t t0 = ticks();

		__atomic_store_n(&lines[0].word, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&lines[1].word, __ATOMIC_ACQUIRE) != i)
			relax();
		values[i - 1] = (double)(ticks() - t0) * ns_per_tick / 2;
	}
	await(pid);
	t = percentiles(values + n / 10, n - n / 10);
	free(values);
	munmap(lines, 2 * sizeof(struct line));
	return t;
}

static inline __attribute__((always_inline)) void send_one(struct plx_publisher *pub, uint64_t size,
							   uint64_t number, bool inside, bool fill)
{
	struct plx_loan loan;
	char small[PLX_INLINE_MAX] __attribute__((aligned(64))) = { 0 }; /* one line */

	if (inside) {
		write_payload(small, size, number, false);
		must("send", plx_publisher_send(pub, small, size));
		return;
	}
	must("loan", plx_publisher_loan(pub, &loan));
	write_payload(loan.data, size, number, fill);
	must("publish", plx_publisher_publish(pub, &loan, size));
}

static inline __attribute__((always_inline)) void take_one(struct plx_subscriber *sub, uint64_t size,
							   uint64_t number, bool fill, bool sleepy)
{
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 0) {
		if (sleepy)
			(void)!plx_subscriber_wait(sub, UINT64_MAX);
		else
			relax();
	}
	must("take", ret);
	read_payload(b.data, size, number, fill);
	plx_buffer_release(&b);
}

#endif

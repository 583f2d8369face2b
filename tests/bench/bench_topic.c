/*
 * bench_topic.c - what a message costs, beside what the machine can do at all, in one run.
 *
 *	latency     half a round trip of two processes on two processors; ratio to a bare cache line handed back and forth
 *	throughput  one publisher, one subscriber, nothing lost: one per call, sixteen, loaned; ratio to a bare ring of lines
 *	data        every byte written and summed
 *	publish     what one publish costs with 1, 8, 128 subscribers
 *	loan        a slot loaned and dropped, with many free and with one
 *
 * Prints the median of ROUNDS rounds and their spread. With PLX_BENCH_QUICK set in the environment: fewer and shorter.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define ROUNDS_MAX 9

static char directory[] = "/tmp/plx-bench.XXXXXX";
static int rounds = ROUNDS_MAX;
static unsigned int shorten = 1;

/* ---- tools ---------------------------------------------------------------------------------------- */

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_topic: %s: %s\n", what, plx_strerror(err));
	exit(1);
}

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return plx_now_ns();
#endif
}

static double ns_per_tick;

static void calibrate(void)
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

static struct times percentiles(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return (struct times){ .p50 = values[n / 2], .p99 = values[n * 99 / 100] };
}

static struct plx_publisher *open_publisher(const char *topic, struct plx_publisher_options o)
{
	struct plx_publisher *pub;

	o.directory = directory;
	must("open a publisher", plx_publisher_open(&pub, topic, &o));
	return pub;
}

static struct plx_subscriber *open_subscriber(const char *topic, struct plx_subscriber_options o)
{
	struct plx_subscriber *sub;

	o.directory = directory;
	must("open a subscriber", plx_subscriber_open(&sub, topic, &o));
	return sub;
}

static void connect_to(struct plx_subscriber *sub, uint32_t publishers)
{
	struct plx_subscriber_stats stats;

	do {
		(void)!plx_subscriber_wait(sub, 1000000);
		plx_subscriber_stats(sub, &stats);
	} while (stats.publishers < publishers);
}

/* The first and the last eight bytes say which message it is; all of them when @fill. */
static void write_payload(void *data, uint64_t size, uint64_t number, bool fill)
{
	if (fill)
		memset(data, (int)number, size);
	memcpy(data, &number, 8);
	memcpy((char *)data + size - 8, &number, 8);
}

static void read_payload(const void *data, uint64_t size, uint64_t number, bool fill)
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
		fprintf(stderr, "bench_topic: message %llu is not what was sent\n",
			(unsigned long long)number);
		exit(1);
	}
}

/* ---- latency -------------------------------------------------------------------------------------- */

struct line {
	uint64_t word __attribute__((aligned(128)));
};

/* Two processes hand a cache line back and forth: nothing is faster. */
static struct times bare_line(size_t n)
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

static void echo(size_t n, uint64_t size, bool inside, int cpu, bool sleepy, struct plx_publisher_options o)
{
	struct plx_subscriber_options so = { .polling = !sleepy, .spin_ns = sleepy ? 1 : 0 };
	struct plx_publisher *back = open_publisher("back", o);
	struct plx_subscriber *sub = open_subscriber("forth", so);

	pin(cpu);
	connect_to(sub, 1);
	must("wait for the other", plx_publisher_wait_subscribers(back, 1, UINT64_MAX));
	for (uint64_t i = 1; i <= n; i++) {
		take_one(sub, size, i, false, sleepy);
		send_one(back, size, i, inside, false);
	}
	must("drain", plx_publisher_drain(back, UINT64_MAX));
	plx_subscriber_close(sub);
	plx_publisher_close(back);
	_exit(0);
}

static struct times ping_pong(size_t n, uint64_t size, bool inside, int other_cpu, bool sleepy)
{
	struct plx_publisher_options o = { .slot_size = size < 64 ? 64 : size, .depth = 64 };
	struct plx_subscriber_options so = { .polling = !sleepy, .spin_ns = sleepy ? 1 : 0 };
	double *values = malloc(n * sizeof(double));
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	struct times t;
	pid_t pid = fork();

	if (pid == 0)
		echo(n, size, inside, other_cpu, sleepy, o);
	pub = open_publisher("forth", o);
	sub = open_subscriber("back", so);
	pin(0);
	connect_to(sub, 1);
	must("wait for the other", plx_publisher_wait_subscribers(pub, 1, UINT64_MAX));
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t t0;

		t0 = ticks();
		send_one(pub, size, i, inside, false);
		take_one(sub, size, i, false, sleepy);
		values[i - 1] = (double)(ticks() - t0) * ns_per_tick / 2;
	}
	plx_subscriber_flush(sub);
	await(pid);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	t = percentiles(values + n / 10, n - n / 10);
	free(values);
	return t;
}

static void report_latency(const char *name, struct times *t, const double *limit)
{
	double p50[ROUNDS_MAX], p99[ROUNDS_MAX], ratio[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		p50[i] = t[i].p50;
		p99[i] = t[i].p99;
		ratio[i] = t[i].p50 / limit[i];
	}
	printf("%-34s p50 %8.0f ns  p99 %8.0f ns  ratio %5.2f  (p50 of rounds:", name, median(p50, rounds),
	       median(p99, rounds), median(ratio, rounds));
	printf(" %.0f ... %.0f)\n", p50[0], p50[rounds - 1]);
	fflush(stdout);
}

static void bench_latency(void)
{
	static const struct {
		const char *name;
		uint64_t size;
		bool inside;
		size_t n;
	} rows[] = {
		{ "one-way, 40 B inside the entry", 40, true, 200000 },
		{ "one-way, loaned 64 B", 64, false, 200000 },
		{ "one-way, loaned 4 KiB", 4096, false, 100000 },
		{ "one-way, loaned 64 KiB", 65536, false, 50000 },
		{ "one-way, loaned 1 MiB", 1 << 20, false, 20000 },
	};
	struct times line[ROUNDS_MAX], t[5][ROUNDS_MAX];
	double limit[ROUNDS_MAX];

	for (int round = 0; round < rounds; round++) {
		line[round] = bare_line(200000 / shorten);
		limit[round] = line[round].p50;
		for (int i = 0; i < 5; i++)
			t[i][round] = ping_pong(rows[i].n / shorten, rows[i].size, rows[i].inside, 1, false);
	}
	report_latency("bare cache line", line, limit);
	for (int i = 0; i < 5; i++)
		report_latency(rows[i].name, t[i], limit);
}

/* ---- throughput ------------------------------------------------------------------------------------- */

struct flow {
	const char *name;
	uint64_t size, count;
	bool inside, fill;
	uint32_t at_once; /* messages in one call */
	uint32_t depth;
	int subscribers;
};

/*
 * The time of each hundredth part of a flow: who else wants the processor spoils some of them, and the median is
 * that of the others.
 */
#define PARTS 100

struct pace {
	uint64_t part, next, last;
	int n;
	double ns[PARTS];
};

static struct pace pace_of(uint64_t count)
{
	return (struct pace){ .part = count / PARTS ? count / PARTS : 1, .next = 1 };
}

/* The message before number @i was read. */
static void keep_pace(struct pace *pace, uint64_t i)
{
	uint64_t now;

	if (i != pace->next)
		return;
	now = plx_now_ns();
	if (pace->last && pace->n < PARTS)
		pace->ns[pace->n++] = (double)(now - pace->last) / (double)pace->part;
	pace->last = now;
	pace->next += pace->part;
}

/* The limit: entries of one line in turn, and slots beside them, by loads and stores and nothing else. */
struct bare {
	uint64_t told __attribute__((aligned(128)));
	struct bare_entry {
		uint64_t sequence, words[7];
	} entries[] __attribute__((aligned(128)));
};

static uint64_t bare_slots(const struct flow *f)
{
	uint64_t fit = (UINT64_C(8) << 20) / f->size, slots = f->depth + 64;

	return fit <= f->depth ? f->depth + 1 : fit < slots ? fit : slots;
}

static void take_bare(const struct flow *f, struct bare *bare, const char *slots, double *ns)
{
	struct pace pace = pace_of(f->count);
	uint64_t count = bare_slots(f);

	pin(1);
	for (uint64_t i = 0; i < f->count; i++) {
		struct bare_entry *entry = &bare->entries[i & (f->depth - 1)];

		while (__atomic_load_n(&entry->sequence, __ATOMIC_ACQUIRE) != i + 1)
			relax();
		read_payload(f->inside ? (const char *)entry->words : slots + i % count * f->size, f->size, i,
			     f->fill);
		if ((i + 1) % (f->depth / 8) == 0 || i + 1 == f->count)
			__atomic_store_n(&bare->told, i + 1, __ATOMIC_RELEASE);
		keep_pace(&pace, i + 1);
	}
	*ns = median(pace.ns, pace.n);
	_exit(0);
}

static double run_bare(const struct flow *f)
{
	size_t size = sizeof(struct bare) + f->depth * sizeof(struct bare_entry);
	uint64_t count = bare_slots(f), told = 0;
	struct bare *bare = shared(size);
	char *slots = shared(count * f->size);
	double *ns = shared(4096), result;
	pid_t pid = fork();

	if (pid == 0)
		take_bare(f, bare, slots, ns);
	pin(0);
	usleep(1000);
	for (uint64_t i = 0; i < f->count; i++) {
		struct bare_entry *entry = &bare->entries[i & (f->depth - 1)];

		while (i - told >= f->depth) {
			told = __atomic_load_n(&bare->told, __ATOMIC_ACQUIRE);
			if (i - told >= f->depth)
				relax();
		}
		write_payload(f->inside ? (char *)entry->words : slots + i % count * f->size, f->size, i,
			      f->fill);
		__atomic_store_n(&entry->sequence, i + 1, __ATOMIC_RELEASE);
	}
	await(pid);
	result = *ns;
	munmap(bare, size);
	munmap(slots, count * f->size);
	munmap(ns, 4096);
	return result;
}

static void take_flow(const struct flow *f, double *ns, int cpu)
{
	struct plx_subscriber *sub = open_subscriber("flow",
						     (struct plx_subscriber_options){ .polling = true });
	struct pace pace = pace_of(f->count);
	uint64_t t0 = 0, empty = 0;
	struct plx_buffer b;

	if (cpu >= 0)
		pin(cpu);
	connect_to(sub, 1);
	for (uint64_t i = 0; i < f->count;) {
		int ret = plx_subscriber_take(sub, &b);

		if (ret == 0) {
			if (cpu < 0 && ++empty > 20)
				sched_yield();
			else
				relax();
			continue;
		}
		empty = 0;
		must("take", ret);
		if (i == 0)
			t0 = plx_now_ns();
		read_payload(b.data, f->size, i, f->fill);
		plx_buffer_release(&b);
		keep_pace(&pace, ++i);
	}
	/* many on few processors: being kept from them is part of it */
	*ns = cpu >= 0 ? median(pace.ns, pace.n) : (double)(plx_now_ns() - t0) / (double)f->count;
	plx_subscriber_close(sub);
	_exit(0);
}

static void send_some(struct plx_publisher *pub, uint64_t number, uint32_t n)
{
	uint64_t numbers[64];

	for (uint32_t k = 0; k < n; k++)
		numbers[k] = number + k;
	must("send many", plx_publisher_send_many(pub, numbers, sizeof(*numbers), n));
}

/* A loop of its own for each: what a compiler keeps on the stack is stores between the messages. */
static __attribute__((noinline)) void send_8(struct plx_publisher *pub, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, 8, i, true, false);
}

static __attribute__((noinline)) void send_40(struct plx_publisher *pub, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, 40, i, true, false);
}

static __attribute__((noinline)) void send_loaned(struct plx_publisher *pub, uint64_t size, uint64_t count,
						  bool fill)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, size, i, false, fill);
}

static void send_flow(struct plx_publisher *pub, const struct flow *f)
{
	if (f->at_once > 1) {
		for (uint64_t i = 0; i < f->count; i += f->at_once)
			send_some(pub, i, f->at_once);
	} else if (f->inside && f->size == 8) {
		send_8(pub, f->count);
	} else if (f->inside) {
		send_40(pub, f->count);
	} else {
		send_loaned(pub, f->size, f->count, f->fill);
	}
}

/* ns per message, at the first subscriber. */
static double run_flow(const struct flow *f)
{
	struct plx_publisher *pub = open_publisher(
		"flow", (struct plx_publisher_options){ .slot_size = f->size < 64 ? 64 : f->size,
							.depth = f->depth });
	double *ns = shared(4096), result;
	pid_t pids[16];

	for (int i = 0; i < f->subscribers; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			take_flow(f, &ns[i], f->subscribers == 1 ? 1 : -1);
	}
	if (f->subscribers == 1)
		pin(0);
	must("wait for subscribers",
	     plx_publisher_wait_subscribers(pub, (uint32_t)f->subscribers, UINT64_MAX));
	usleep(20000);
	send_flow(pub, f);
	plx_publisher_flush(pub);
	for (int i = 0; i < f->subscribers; i++)
		await(pids[i]);
	result = ns[0];
	munmap(ns, 4096);
	plx_publisher_close(pub);
	return result;
}

static void bench_flow(struct flow f)
{
	double ns[ROUNDS_MAX], ratio[ROUNDS_MAX], limit[ROUNDS_MAX], line[ROUNDS_MAX], m;

	f.count = f.count / shorten / 64 * 64;
	for (int round = 0; round < rounds; round++) {
		line[round] = bare_line(20000).p50;
		limit[round] = f.subscribers == 1 ? run_bare(&f) : line[round];
		ns[round] = run_flow(&f);
		ratio[round] = ns[round] / limit[round];
	}
	m = median(ns, rounds);
	printf("%-28s %7.2f M/s %8.1f ns %6.2f GB/s", f.name, 1e3 / m, m, (double)f.size / m);
	if (f.subscribers == 1)
		printf("  bare ring %8.1f ns  ratio %5.2f", median(limit, rounds), median(ratio, rounds));
	printf("  (rounds: %.1f ... %.1f; bare line %.0f)\n", ns[0], ns[rounds - 1], median(line, rounds));
	fflush(stdout);
}

static void bench_flows(bool data)
{
	static const struct flow rows[] = {
		{ "8 B inside, one per call", 8, 5000000, true, false, 1, 1024, 1 },
		{ "40 B inside, one per call", 40, 5000000, true, false, 1, 1024, 1 },
		{ "8 B inside, 16 per call", 8, 5000000, true, false, 16, 1024, 1 },
		{ "64 B loaned", 64, 3000000, false, false, 1, 1024, 1 },
		{ "8 B inside, to 8 subscribers", 8, 1000000, true, false, 1, 1024, 8 },
		{ "filled and summed, 4 KiB", 4096, 500000, false, true, 1, 1024, 1 },
		{ "filled and summed, 64 KiB", 65536, 50000, false, true, 1, 64, 1 },
		{ "filled and summed, 1 MiB", 1 << 20, 2000, false, true, 1, 16, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].fill == data)
			bench_flow(rows[i]);
	}
}

/* ---- cost of one publish ------------------------------------------------------------------------------ */

/* Lossy subscribers that do not read: the log never fills, nobody sleeps; what is left is the publisher's own work. */
static double publish_cost(int subscribers, uint64_t count, bool inside)
{
	struct plx_publisher *pub = open_publisher("cost", (struct plx_publisher_options){ .slot_size = 64 });
	struct plx_subscriber **subs = calloc((size_t)subscribers, sizeof(*subs));
	uint64_t t0;
	double ns;

	for (int i = 0; i < subscribers; i++) {
		subs[i] = open_subscriber("cost", (struct plx_subscriber_options){ .reading = PLX_READ_LOSSY,
										   .polling = true });
		connect_to(subs[i], 1);
	}
	pin(0);
	t0 = plx_now_ns();
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, inside ? 8 : 64, i, inside, false);
	ns = (double)(plx_now_ns() - t0) / (double)count;
	for (int i = 0; i < subscribers; i++)
		plx_subscriber_close(subs[i]);
	free(subs);
	plx_publisher_close(pub);
	return ns;
}

static void bench_publish(void)
{
	static const int counts[] = { 1, 8, 128 };

	for (int inside = 1; inside >= 0; inside--) {
		for (int i = 0; i < 3; i++) {
			double ns[ROUNDS_MAX], m;

			for (int round = 0; round < rounds; round++)
				ns[round] = publish_cost(counts[i], 2000000 / shorten, inside);
			m = median(ns, rounds);
			printf("publish %s, %3d subscribers      %6.1f ns  (rounds: %.1f ... %.1f)\n",
			       inside ? "inside" : "loaned", counts[i], m, ns[0], ns[rounds - 1]);
			fflush(stdout);
		}
	}
}

/* ---- loan and return ---------------------------------------------------------------------------------- */

/* ns to loan a slot and drop it again, while all but @left of @slots are on loan. */
static double loan_cost(uint32_t slots, uint32_t left, uint64_t count)
{
	struct plx_publisher *pub = open_publisher(
		"loan", (struct plx_publisher_options){ .slot_size = 64, .slots = slots });
	struct plx_loan loan;
	uint64_t t0;
	double ns;

	pin(0);
	for (uint32_t i = left; i < slots; i++)
		must("loan", plx_publisher_loan(pub, &loan)); /* for good */
	t0 = plx_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		must("loan", plx_publisher_loan(pub, &loan));
		*(volatile char *)loan.data = 1;
		plx_publisher_drop(pub, &loan);
	}
	ns = (double)(plx_now_ns() - t0) / (double)count;
	plx_publisher_close(pub);
	return ns;
}

static void bench_loan(void)
{
	static const uint32_t rows[][2] = { { 320, 320 }, { 320, 1 }, { 65536, 65536 }, { 65536, 1 } };

	for (size_t k = 0; k < 4; k++) {
		double ns[ROUNDS_MAX], m;

		for (int round = 0; round < rounds; round++)
			ns[round] = loan_cost(rows[k][0], rows[k][1], 5000000 / shorten);
		m = median(ns, rounds);
		printf("loan and drop, %5u of %5u slots free   %6.1f ns  (rounds: %.1f ... %.1f)\n",
		       rows[k][1], rows[k][0], m, ns[0], ns[rounds - 1]);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	bool all = *only == '\0';

	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 3;
		shorten = 10;
	}
	if (!mkdtemp(directory))
		die("make a directory", -errno);
	go_first();
	calibrate();
	if (all || strcmp(only, "latency") == 0)
		bench_latency();
	if (all || strcmp(only, "throughput") == 0)
		bench_flows(false);
	if (all || strcmp(only, "data") == 0)
		bench_flows(true);
	if (all || strcmp(only, "publish") == 0)
		bench_publish();
	if (all || strcmp(only, "loan") == 0)
		bench_loan();
	rmdir(directory);
	return 0;
}

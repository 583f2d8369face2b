/*
 * queue_run.c - start the processes of a measurement, take the time, print what came of it.
 *
 *	stream   1 producer, 1 consumer, on two processors: one message per call and 32, of 8 and of 64 bytes, ring full and chase
 *	many     2 and 1, 2 and 2, 4 and 4, wherever the scheduler puts them; what spins does so alone, and yielding
 *	core     1 and 1 on one processor
 *	latency  half a round trip, on two processors; ratio to a bare line handed back and forth in the same round
 *	sleep    a round trip when both sleep, on two processors and on one; ratio to a bare futex
 *
 * Rows are medians of the rounds, with the smallest and the largest. PLX_BENCH_QUICK: fewer and shorter rounds.
 */
#include "tests/bench/queue.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS      16384u
#define ROUNDS_MAX 9
#define ANYWHERE   (-1)

static int rounds = 5;
static double seconds = 0.1;
static size_t trips = 100000;
static double ns_per_tick;
static size_t mapped[64];
static void *maps[64];
static int map_count;

/* ---- tools -------------------------------------------------------------------------------------------- */

void *queue_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED || map_count == 64) {
		perror("queue: memory");
		exit(1);
	}
	maps[map_count] = p;
	mapped[map_count++] = size;
	return p;
}

static void forget_memory(void)
{
	while (map_count > 0) {
		map_count--;
		munmap(maps[map_count], mapped[map_count]);
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu != ANYWHERE)
		(void)!sched_setaffinity(0, sizeof(set), &set); /* one processor only: then so be it */
}

/* As far ahead of other work on the machine as we may get: compilers next door are not what is measured. */
static void go_first(void)
{
	FILE *group = fopen("/proc/self/autogroup", "w");

	if (group) {
		fputs("-20", group);
		fclose(group);
	}
	(void)!setpriority(PRIO_PROCESS, 0, -19);
}

static void calibrate(void)
{
	uint64_t t0 = queue_ns(), c0 = queue_ticks();

	while (queue_ns() - t0 < 50000000)
		;
	ns_per_tick = (double)(queue_ns() - t0) / (double)(queue_ticks() - c0);
}

static void rest(double s)
{
	struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };

	nanosleep(&t, NULL);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("queue: fork");
		exit(1);
	}
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- throughput --------------------------------------------------------------------------------------- */

struct flow {
	unsigned int producers, consumers;
	bool chase, yield;
	int cpu[2]; /* of producers, of consumers */
};

struct result {
	double rate;  /* messages per second */
	double share; /* of the producer with the least: 1 is a fair one */
	uint64_t lost;
};

static void participate(const struct queue *q, struct queue_run *run, void *queue, unsigned int i, int cpu)
{
	struct queue_end end = { .run = run, .queue = queue, .producer = i < run->producers };

	end.me = end.producer ? i : i - run->producers;
	pin(cpu);
	if (q->join)
		q->join(&end);
	__atomic_fetch_add(&run->ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&run->go, __ATOMIC_ACQUIRE))
		rest(0.0002);
	(end.producer ? q->produce : q->consume)(&end);
	_exit(0);
}

static struct queue_count total(const struct queue_count *of, unsigned int n)
{
	struct queue_count all = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		all.n += __atomic_load_n(&of[i].n, __ATOMIC_RELAXED);
		all.sum += of[i].sum;
	}
	return all;
}

static struct result run_flow(const struct queue *q, const struct flow *f)
{
	struct queue_run *run = queue_memory(sizeof(*run));
	pid_t pids[2 * QUEUE_SIDES];
	struct queue_count a, b;
	struct result r = { 0 };
	uint64_t least = UINT64_MAX, t0;
	void *queue;

	run->slots = SLOTS;
	run->producers = f->producers;
	run->consumers = f->consumers;
	run->chase = f->chase;
	run->yield = f->yield;
	queue = q->open(SLOTS, f->producers);
	for (unsigned int i = 0; i < f->producers + f->consumers; i++) {
		pids[i] = start();
		if (pids[i] == 0)
			participate(q, run, queue, i, f->cpu[i >= f->producers]);
	}
	while (__atomic_load_n(&run->ready, __ATOMIC_ACQUIRE) < f->producers + f->consumers)
		rest(0.0005);
	__atomic_store_n(&run->go, 1, __ATOMIC_RELEASE);
	rest(seconds / 4);
	a = total(run->taken, f->consumers);
	t0 = queue_ns();
	rest(seconds);
	b = total(run->taken, f->consumers);
	r.rate = (double)(b.n - a.n) * 1e9 / (double)(queue_ns() - t0);

	__atomic_store_n(&run->stop, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < f->producers; i++) {
		t0 = queue_ns();
		while (waitpid(pids[i], NULL, WNOHANG) == 0) {
			if (queue_ns() - t0 > 3000000000u) { /* wedged */
				end_child(pids[i]);
				break;
			}
			rest(0.0005);
		}
	}
	a = total(run->made, f->producers);
	for (t0 = queue_ns(); queue_ns() - t0 < 2000000000u; rest(0.0005)) {
		b = total(run->taken, f->consumers);
		if (b.n == a.n && b.sum == a.sum)
			break;
	}
	__atomic_store_n(&run->stop, 2, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < f->consumers; i++)
		end_child(pids[f->producers + i]);
	r.lost = a.n != b.n ? a.n - b.n : (a.sum != b.sum);
	for (unsigned int i = 0; i < f->producers; i++) {
		if (run->made[i].n < least)
			least = run->made[i].n;
	}
	r.share = a.n ? (double)least * f->producers / (double)a.n : 0;
	forget_memory();
	return r;
}

static void report_flow(const struct queue *q, const struct flow *f)
{
	double rate[ROUNDS_MAX], share[ROUNDS_MAX], m;
	uint64_t lost = 0;

	for (int i = 0; i < rounds; i++) {
		struct result r = run_flow(q, f);

		rate[i] = r.rate / 1e6;
		share[i] = r.share;
		lost += r.lost;
	}
	m = median(rate, (size_t)rounds);
	printf("  %-34s %uP%uC %2u B x%-2u %-5s %-5s %8.2f M/s  (%.2f ... %.2f)", q->title, f->producers,
	       f->consumers, q->size, q->batch, f->cpu[0] != ANYWHERE ? (f->chase ? "chase" : "full") : "",
	       q->blocks  ? "sleep"
	       : f->yield ? "yield"
			  : "spin",
	       m, rate[0], rate[rounds - 1]);
	if (f->producers > 1)
		printf("  share %.2f", median(share, (size_t)rounds));
	if (lost)
		printf("  LOST %llu", (unsigned long long)lost);
	printf("\n");
	fflush(stdout);
}

/* ---- round trips -------------------------------------------------------------------------------------- */

struct times {
	double p50, p99;
};

/* A tick of the clock may be several ns: the mean of the middle half says more than the value in the middle. */
static double middle(const double *sorted, size_t n)
{
	double sum = 0;

	for (size_t i = n / 4; i < n - n / 4; i++)
		sum += sorted[i];
	return sum / (double)(n - n / 4 * 2);
}

/* Half round trips in ns. */
static struct times round_trips(const struct queue *q, size_t n, int other_cpu, uint64_t think_ns)
{
	struct queue_run *run = queue_memory(sizeof(*run));
	double *values = malloc(n * sizeof(*values));
	struct queue_end out = { .run = run }, in = { .run = run };
	struct times t;
	pid_t pid, timer;

	if (!values)
		exit(1);
	run->slots = 1024;
	run->producers = run->consumers = 1;
	out.queue = q->open(1024, 1);
	in.queue = q->open(1024, 1);
	pid = start();
	if (pid == 0) {
		struct queue_end back = { .run = run, .queue = in.queue, .producer = true };
		struct queue_end forth = { .run = run, .queue = out.queue };

		pin(other_cpu);
		if (q->join) {
			q->join(&back);
			q->join(&forth);
		}
		q->pong(&back, &forth, n);
		_exit(0);
	}
	timer = start(); /* takes the place of this process, whose affinity stays as it is */
	if (timer == 0) {
		double *mine = values;

		pin(0);
		out.producer = true;
		if (q->join) {
			q->join(&out);
			q->join(&in);
		}
		q->ping(&out, &in, mine, n, think_ns);
		qsort(mine, n, sizeof(*mine), by_value);
		run->made[0].n = (uint64_t)(middle(mine, n) * ns_per_tick / 2 * 1000);
		run->made[0].sum = (uint64_t)(mine[n * 99 / 100] * ns_per_tick / 2 * 1000);
		_exit(0);
	}
	waitpid(timer, NULL, 0);
	end_child(pid);
	t.p50 = (double)run->made[0].n / 1000;
	t.p99 = (double)run->made[0].sum / 1000;
	free(values);
	forget_memory();
	return t;
}

static void report_trips(const struct queue *const *qs, int count, size_t n, int other_cpu, uint64_t think_ns)
{
	struct times t[ROUNDS_MAX][64];

	for (int r = 0; r < rounds; r++) {
		for (int i = 0; i < count; i++)
			t[r][i] = round_trips(qs[i], n, other_cpu, think_ns);
	}
	for (int i = 0; i < count; i++) {
		double p50[ROUNDS_MAX], p99[ROUNDS_MAX], ratio[ROUNDS_MAX];

		for (int r = 0; r < rounds; r++) {
			p50[r] = t[r][i].p50;
			p99[r] = t[r][i].p99;
			ratio[r] = t[r][i].p50 / t[r][0].p50;
		}
		printf("  %-34s %2u B  one way p50 %8.1f ns  p99 %8.0f ns  ratio %5.2f", qs[i]->title,
		       qs[i]->size, median(p50, (size_t)rounds), median(p99, (size_t)rounds),
		       median(ratio, (size_t)rounds));
		printf("  (p50 %.1f ... %.1f)\n", p50[0], p50[rounds - 1]);
	}
	fflush(stdout);
}

/* ---- sections ----------------------------------------------------------------------------------------- */

/* A table of the tables. */
struct list {
	const struct queue *q[256];
	int n;
};

static void each_flow(const struct list *all, struct flow f, unsigned int size, unsigned int batch,
		      bool spinners_twice)
{
	for (int i = 0; i < all->n; i++) {
		const struct queue *q = all->q[i];

		if (q->bare || (q->size != size && (size != 64 || q->size != 56)) || q->batch != batch ||
		    q->producers < f.producers || q->consumers < f.consumers)
			continue;
		f.yield = false;
		report_flow(q, &f);
		f.yield = true;
		if (spinners_twice && !q->blocks)
			report_flow(q, &f);
	}
}

static void bench_stream(const struct list *all)
{
	for (unsigned int size = 8; size <= 64; size += 56) {
		for (unsigned int batch = 1; batch <= 32; batch += 31) {
			for (int chase = 0; chase < 2; chase++) {
				struct flow f = { 1, 1, chase, false, { 0, 1 } };

				each_flow(all, f, size, batch, false);
			}
		}
	}
}

static void bench_many(const struct list *all)
{
	static const unsigned int sides[][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 }, { 4, 4 } };

	for (unsigned int batch = 1; batch <= 32; batch += 31) {
		for (int i = 0; i < 4; i++) {
			struct flow f = { sides[i][0], sides[i][1], false, false, { ANYWHERE, ANYWHERE } };

			each_flow(all, f, 8, batch, true);
		}
	}
}

static void bench_core(const struct list *all)
{
	struct flow f = { 1, 1, false, false, { 0, 0 } };

	each_flow(all, f, 8, 1, true);
}

static void bench_latency(const struct list *all, bool sleep)
{
	for (int same = 0; same <= (int)sleep; same++) {
		const struct queue *qs[64];
		int n = 0;

		for (int i = 0; i < all->n; i++) {
			const struct queue *q = all->q[i];

			if (q->blocks == sleep && q->batch == 1 && n < 64)
				qs[n++] = q;
		}
		if (sleep)
			printf("  %s\n", same ? "on one processor" : "on two processors");
		if (n)
			report_trips(qs, n, sleep ? trips / 20 : trips, !same, sleep && !same ? 30000 : 0);
	}
}

int queue_bench(const struct queue *const *tables, const char *what, const char *named)
{
	static struct list all;
	static const char *const titles[] = { "stream", "many", "core", "latency", "sleep" };

	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 3;
		seconds = 0.03;
		trips = 20000;
	}
	for (; *tables; tables++) {
		for (const struct queue *q = *tables; q->title; q++) {
			if (all.n < 256 && (q->bare || strstr(q->title, named)))
				all.q[all.n++] = q;
		}
	}
	go_first();
	calibrate();
	for (int i = 0; i < 5; i++) {
		if (*what && strcmp(what, titles[i]) != 0)
			continue;
		printf("%s\n", titles[i]);
		switch (i) {
		case 0: bench_stream(&all); break;
		case 1: bench_many(&all); break;
		case 2: bench_core(&all); break;
		default: bench_latency(&all, i == 4);
		}
	}
	return 0;
}

/*
 * bench_wait.c - sleeping and waking, beside what the machine can do at all, in one run.
 *
 *	live      half a round trip of two processes that wait with plx_subscriber_wait(), both busy
 *	asleep    one way to a process that sleeps on another processor, half a round trip on the same one; ratio to a raw
 *	          futex that does the same
 *	crowd     two such pairs on two processors; ratio to two pairs of raw futexes
 *
 * Options are the defaults: whoever waits finds out by itself whether spinning is worth it. Prints the median of ROUNDS
 * rounds. With PLX_BENCH_QUICK set in the environment: fewer and shorter.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/topic.h"

/* ---- tools ---------------------------------------------------------------------------------------- */

static void spin_for(uint64_t ns)
{
	uint64_t t0 = plx_now_ns();

	while (plx_now_ns() - t0 < ns)
		;
}

/* ---- back and forth --------------------------------------------------------------------------------- */

/* Half a round trip, or one way when there are gaps: ns. */
struct times {
	double p50, p99;
};

/* Who hands what to whom, and how. */
struct pair {
	const char *name;
	int cpu[2];
	uint64_t gap_ns; /* before each round trip: time to fall asleep in */
	size_t n;
	int number; /* of the pair, when there are several */
};

static struct times measure(double *values, size_t n)
{
	size_t warm = n / 10;
	struct times t = { .p50 = at(values + warm, n - warm, 50), .p99 = at(values + warm, n - warm, 99) };

	munmap(values, n * sizeof(double));
	return t;
}

static void pause_for(uint64_t ns)
{
	if (ns >= 1000000)
		usleep((useconds_t)(ns / 1000));
	else if (ns)
		spin_for(ns);
}

struct message {
	uint64_t number, sent_ns;
};

static void send_one(struct plx_publisher *pub, uint64_t number, uint64_t now)
{
	struct message m = { number, now };

	must("send", plx_publisher_send(pub, &m, sizeof(m)));
}

/* When it was sent. */
static uint64_t take_one(struct plx_subscriber *sub, uint64_t number)
{
	struct plx_buffer b;
	struct message m;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 0)
		(void)!plx_subscriber_wait(sub, UINT64_MAX);
	must("take", ret);
	memcpy(&m, b.data, sizeof(m));
	if (m.number != number) {
		fprintf(stderr, "bench_wait: another message than was sent\n");
		exit(1);
	}
	plx_buffer_release(&b);
	return m.sent_ns;
}

static void open_both(const struct pair *p, int me, struct plx_publisher **pub, struct plx_subscriber **sub)
{
	char topic[2][32];

	for (int i = 0; i < 2; i++)
		snprintf(topic[i], sizeof(topic[i]), "%s/%d", i ? "back" : "forth", p->number);
	*pub = open_publisher(topic[me], (struct plx_publisher_options){ .slot_size = 64, .depth = 64 });
	*sub = open_subscriber(topic[!me], PLX_SUBSCRIBER_DEFAULTS);
	connect_to(*sub, 1);
	must("wait for the other", plx_publisher_wait_subscribers(*pub, 1, UINT64_MAX));
	pin(p->cpu[me]);
}

static void echo(const struct pair *p, double *values)
{
	struct plx_publisher *pub;
	struct plx_subscriber *sub;

	open_both(p, 1, &pub, &sub);
	for (uint64_t i = 1; i <= p->n; i++) {
		uint64_t sent = take_one(sub, i);

		if (p->gap_ns)
			values[i - 1] = (double)(plx_now_ns() - sent);
		send_one(pub, i, 0);
	}
	must("drain", plx_publisher_drain(pub, UINT64_MAX));
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	_exit(0);
}

static struct times ours(const struct pair *p)
{
	double *values = shared(p->n * sizeof(double));
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	pid_t pid = fork();

	if (pid == 0)
		echo(p, values);
	open_both(p, 0, &pub, &sub);
	for (uint64_t i = 1; i <= p->n; i++) {
		uint64_t t0;

		pause_for(p->gap_ns);
		t0 = plx_now_ns();
		send_one(pub, i, t0);
		take_one(sub, i);
		if (!p->gap_ns)
			values[i - 1] = (double)(plx_now_ns() - t0) / 2;
	}
	plx_subscriber_flush(sub);
	await(pid);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	return measure(values, p->n);
}

struct line {
	uint32_t word __attribute__((aligned(128)));
	uint64_t sent_ns;
};

static void hand(struct line *to, uint32_t value, uint64_t now)
{
	to->sent_ns = now;
	__atomic_store_n(&to->word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, &to->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t get(struct line *from, uint32_t value)
{
	uint32_t now;

	while ((now = __atomic_load_n(&from->word, __ATOMIC_ACQUIRE)) != value)
		syscall(SYS_futex, &from->word, FUTEX_WAIT, now, NULL, NULL, 0);
	return from->sent_ns;
}

static void futex_echo(const struct pair *p, struct line *lines, double *values)
{
	pin(p->cpu[1]);
	for (uint32_t i = 1; i <= p->n; i++) {
		uint64_t sent = get(&lines[0], i);

		if (p->gap_ns)
			values[i - 1] = (double)(plx_now_ns() - sent);
		hand(&lines[1], i, 0);
	}
	_exit(0);
}

/* Two processes wake each other with nothing but a futex. */
static struct times futex(const struct pair *p)
{
	struct line *lines = shared(2 * sizeof(struct line));
	double *values = shared(p->n * sizeof(double));
	pid_t pid = fork();

	if (pid == 0)
		futex_echo(p, lines, values);
	pin(p->cpu[0]);
	for (uint32_t i = 1; i <= p->n; i++) {
		uint64_t t0;

		pause_for(p->gap_ns);
		t0 = plx_now_ns();
		hand(&lines[0], i, t0);
		get(&lines[1], i);
		if (!p->gap_ns)
			values[i - 1] = (double)(plx_now_ns() - t0) / 2;
	}
	await(pid);
	munmap(lines, 2 * sizeof(struct line));
	return measure(values, p->n);
}

static void report(const char *name, struct times *t, const struct times *limit)
{
	double p50[ROUNDS_MAX], p99[ROUNDS_MAX], ratio[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		p50[i] = t[i].p50;
		p99[i] = t[i].p99;
		ratio[i] = t[i].p50 / limit[i].p50;
	}
	printf("%-38s p50 %8.0f ns  p99 %8.0f ns  ratio %5.2f  (", name, at(p50, (size_t)rounds, 50),
	       at(p99, (size_t)rounds, 50), at(ratio, (size_t)rounds, 50));
	printf("%.2f ... %.2f)\n", ratio[0], ratio[rounds - 1]);
	fflush(stdout);
}

/* In a process of its own: where it is pinned to ends with it. */
static struct times apart(struct times (*run)(const struct pair *), const struct pair *p)
{
	struct times *t = shared(sizeof(*t)), result;
	pid_t pid = fork();

	if (pid == 0) {
		*t = run(p);
		_exit(0);
	}
	await(pid);
	result = *t;
	munmap(t, sizeof(*t));
	return result;
}

static void bench_asleep(void)
{
	static const struct pair rows[] = {
		{ "asleep on another processor", { 0, 1 }, 30000, 8000, 0 },
		{ "asleep on the same processor", { 0, 0 }, 0, 40000, 0 },
		{ "asleep for 20 ms, another processor", { 0, 1 }, 20000000, 40, 0 },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct times limit[ROUNDS_MAX], t[ROUNDS_MAX];
		struct pair p = rows[r];

		p.n = p.n / shorten + 10;
		for (int i = 0; i < rounds; i++) {
			limit[i] = apart(futex, &p);
			t[i] = apart(ours, &p);
		}
		report("raw futex", limit, limit);
		report(p.name, t, limit);
	}
}

/* Two processes hand a cache line back and forth: nothing is faster. */
static struct times line(const struct pair *p)
{
	struct line *lines = shared(2 * sizeof(struct line));
	double *values = shared(p->n * sizeof(double));
	pid_t pid = fork();
	int me = pid == 0;

	pin(p->cpu[me]);
	for (uint32_t i = 1; i <= p->n; i++) {
		uint64_t t0 = me ? 0 : plx_now_ns();

		if (!me)
			__atomic_store_n(&lines[0].word, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&lines[!me].word, __ATOMIC_ACQUIRE) != i)
			;
		if (me)
			__atomic_store_n(&lines[1].word, i, __ATOMIC_RELEASE);
		else
			values[i - 1] = (double)(plx_now_ns() - t0) / 2;
	}
	if (me)
		_exit(0);
	await(pid);
	munmap(lines, 2 * sizeof(struct line));
	return measure(values, p->n);
}

static void bench_live(void)
{
	struct pair p = { "traffic live", { 0, 1 }, 0, 200000, 0 };
	struct times limit[ROUNDS_MAX], t[ROUNDS_MAX];

	p.n /= shorten;
	for (int i = 0; i < rounds; i++) {
		limit[i] = apart(line, &p);
		t[i] = apart(ours, &p);
	}
	report("bare cache line", limit, limit);
	report(p.name, t, limit);
}

/* Two pairs at once, wherever the kernel puts them: ns per half round trip and pair, from the time it takes in all. */
static struct times crowd(struct times (*run)(const struct pair *), size_t n)
{
	uint64_t t0 = plx_now_ns();
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		struct pair p = { "", { -1, -1 }, 0, n, i };

		pids[i] = fork();
		if (pids[i] == 0) {
			run(&p);
			_exit(0);
		}
	}
	await(pids[0]);
	await(pids[1]);
	return (struct times){ .p50 = (double)(plx_now_ns() - t0) / (double)n / 2 };
}

static void bench_crowd(void)
{
	struct times limit[ROUNDS_MAX], t[ROUNDS_MAX];
	size_t n = 60000 / shorten;

	for (int i = 0; i < rounds; i++) {
		limit[i] = crowd(futex, n);
		t[i] = crowd(ours, n);
	}
	report("two pairs of raw futexes", limit, limit);
	report("two pairs, four processes", t, limit);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct topic_part all[] = {
		{ "live", bench_live },
		{ "asleep", bench_asleep },
		{ "crowd", bench_crowd },
	};

	topic_parts(all, sizeof(all) / sizeof(all[0]), argc < 2 ? NULL : argv[1]);
	return 0;
}

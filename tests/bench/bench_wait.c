/*
 * bench_wait.c - sleeping and waking, coming and going, beside what the machine can do at all, in one run.
 *
 *	live      half a round trip of two processes that wait with plx_subscriber_wait(), both busy
 *	asleep    one way to a process that sleeps on another processor, half a round trip on the same one; ratio to a raw
 *	          futex that does the same
 *	crowd     two such pairs on two processors; ratio to two pairs of raw futexes
 *	fresh     from exec() of a new process to its first message
 *	memory    what a subscriber and a publisher have resident, over a program that does nothing
 *	killed    a subscriber everybody waits for is killed: for how long the others hear nothing, and what is lost
 *
 * Options are the defaults: whoever waits finds out by itself whether spinning is worth it. Prints the median of ROUNDS
 * rounds. With PLX_BENCH_QUICK set in the environment: fewer and shorter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define ROUNDS_MAX 9

static char directory[] = "/tmp/plx-bench.XXXXXX";
static int rounds = ROUNDS_MAX;
static size_t shorten = 1;

/* ---- tools ---------------------------------------------------------------------------------------- */

static void spin_for(uint64_t ns)
{
	uint64_t t0 = plx_now_ns();

	while (plx_now_ns() - t0 < ns)
		;
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

static void connect_to(struct plx_subscriber *sub)
{
	struct plx_subscriber_stats stats;

	do {
		(void)!plx_subscriber_wait(sub, 1000000);
		plx_subscriber_stats(sub, &stats);
	} while (stats.publishers == 0);
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
	connect_to(*sub);
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

/* ---- coming ----------------------------------------------------------------------------------------- */

/* What a new process does: says when it has its first message, or, with no topic, that it is there. */
static int be_fresh(const char *where, const char *what)
{
	struct plx_subscriber *sub;
	struct plx_buffer b;
	uint64_t now;
	int ret;

	if (strcmp(what, "first") == 0) {
		snprintf(directory, sizeof(directory), "%s", where);
		sub = open_subscriber("fresh", (struct plx_subscriber_options){ .history = 1 });
		while ((ret = plx_subscriber_take(sub, &b)) == 0)
			(void)!plx_subscriber_wait(sub, UINT64_MAX);
		must("take", ret);
	}
	now = plx_now_ns();
	must("tell", write(STDOUT_FILENO, &now, sizeof(now)) == sizeof(now) ? 0 : -EIO);
	return 0;
}

static double spawn(const char *what)
{
	uint64_t t0 = plx_now_ns(), told = 0;
	int tube[2];
	pid_t pid;

	must("pipe", pipe(tube));
	pid = fork();
	if (pid == 0) {
		dup2(tube[1], STDOUT_FILENO);
		execl("/proc/self/exe", "bench_wait", "--fresh", directory, what, NULL);
		_exit(127);
	}
	close(tube[1]);
	must("hear", read(tube[0], &told, sizeof(told)) == sizeof(told) ? 0 : -EIO);
	close(tube[0]);
	await(pid);
	return (double)(told - t0);
}

static void bench_fresh(void)
{
	struct plx_publisher *pub = open_publisher(
		"fresh", (struct plx_publisher_options){ .slot_size = 4096, .history = 1 });
	double empty[ROUNDS_MAX * 20], first[ROUNDS_MAX * 20], more[ROUNDS_MAX * 20];
	size_t n = (size_t)rounds * 20;

	must("send", plx_publisher_send(pub, "here", 4));
	for (size_t i = 0; i < n; i++) {
		empty[i] = spawn("empty");
		first[i] = spawn("first");
		more[i] = first[i] - empty[i];
	}
	printf("%-38s %8.3f ms; one that only starts %.3f ms; difference %.3f ms\n",
	       "fresh process to first message", at(first, n, 50) / 1e6, at(empty, n, 50) / 1e6,
	       at(more, n, 50) / 1e6);
	plx_publisher_close(pub);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static long status_kb(pid_t pid, const char *key)
{
	char path[64], text[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(text, sizeof(text), f)) {
		if (strncmp(text, key, strlen(key)) == 0)
			kb = strtol(text + strlen(key) + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return kb;
}

/* A new process that does nothing, subscribes, or publishes; and then waits until it may go. */
static int be_resident(const char *where, const char *what)
{
	struct plx_publisher *pub = NULL;
	struct plx_subscriber *sub = NULL;
	struct plx_buffer b;
	char go;

	snprintf(directory, sizeof(directory), "%s", where);
	if (strcmp(what, "sub") == 0) {
		sub = open_subscriber("memory", (struct plx_subscriber_options){ .history = 1 });
		while (plx_subscriber_take(sub, &b) == 0)
			(void)!plx_subscriber_wait(sub, UINT64_MAX);
		plx_buffer_release(&b);
	} else if (strcmp(what, "pub") == 0) {
		pub = open_publisher("memory", (struct plx_publisher_options){ .history = 1 });
		for (int i = 0; i < 100; i++)
			must("send", plx_publisher_send(pub, "here", 4));
	}
	must("tell", write(STDOUT_FILENO, "!", 1) == 1 ? 0 : -EIO);
	must("wait", read(STDIN_FILENO, &go, 1) >= 0 ? 0 : -EIO);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
	return 0;
}

static pid_t resident(const char *what, int *go)
{
	int in[2], out[2];
	char there;
	pid_t pid;

	must("pipe", pipe2(in, O_CLOEXEC));
	must("pipe", pipe2(out, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "bench_wait", "--resident", directory, what, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	must("hear", read(out[0], &there, 1) == 1 ? 0 : -EIO);
	close(out[0]);
	*go = in[1];
	return pid;
}

static void bench_memory(void)
{
	static const char *const what[3] = { "empty", "pub", "sub" };
	long kb[3], anon[3], file[3], shmem[3];
	pid_t pid[3];
	int go[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = resident(what[i], &go[i]);
		usleep(50000);
		kb[i] = status_kb(pid[i], "VmRSS:");
		anon[i] = status_kb(pid[i], "RssAnon:");
		file[i] = status_kb(pid[i], "RssFile:");
		shmem[i] = status_kb(pid[i], "RssShmem:");
	}
	for (int i = 2; i >= 0; i--) {
		close(go[i]);
		await(pid[i]);
	}
	for (int i = 1; i < 3; i++)
		printf("%-38s %5ld KB more than the %ld of an empty program: anonymous %ld, files %ld, "
		       "shared %ld\n",
		       i == 1 ? "resident, a publisher" : "resident, a subscriber", kb[i] - kb[0], kb[0],
		       anon[i] - anon[0], file[i] - file[0], shmem[i] - shmem[0]);
}

/* ---- killed ----------------------------------------------------------------------------------------- */

#define OTHERS 3

/* Takes what comes, and notes the longest time in which nothing did after @kill_ns was set. */
static void listen_on(uint64_t *kill_ns, uint64_t *longest)
{
	struct plx_subscriber *sub = open_subscriber("killed", PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) >= 0) {
		uint64_t killed = __atomic_load_n(kill_ns, __ATOMIC_ACQUIRE);

		if (ret == 0) {
			(void)!plx_subscriber_wait(sub, UINT64_MAX);
			continue;
		}
		plx_buffer_release(&b);
		if (killed && *longest == 0)
			*longest = plx_now_ns() - killed;
	}
	_exit(ret == -ESHUTDOWN ? 0 : 1);
}

/* Takes some, holds them, and stops taking. */
static void hold_on(void)
{
	struct plx_subscriber *sub = open_subscriber("killed", PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b[4];

	for (int i = 0; i < 4;) {
		int ret = plx_subscriber_take(sub, &b[i]);

		if (ret == 1)
			i++;
		else
			(void)!plx_subscriber_wait(sub, UINT64_MAX);
	}
	plx_subscriber_flush(sub);
	pause();
	_exit(1);
}

/* Kills @pid when the publisher has been waiting for it for a while. */
static void kill_later(pid_t pid, uint64_t *kill_ns)
{
	usleep(100000);
	__atomic_store_n(kill_ns, plx_now_ns(), __ATOMIC_RELEASE);
	kill(pid, SIGKILL);
	_exit(0);
}

struct loss {
	double stall_ns;
	uint32_t slots;
};

static struct loss killed(void)
{
	const uint32_t slots = 128;
	uint64_t *words = shared(4096); /* 0: when it was killed; then one for each of the others */
	struct plx_publisher *pub;
	pid_t victim, killer, others[OTHERS];
	struct loss loss = { 0 };
	struct plx_loan loan[128];

	victim = fork();
	if (victim == 0)
		hold_on();
	for (int i = 0; i < OTHERS; i++) {
		others[i] = fork();
		if (others[i] == 0)
			listen_on(&words[0], &words[1 + i]);
	}
	pub = open_publisher(
		"killed", (struct plx_publisher_options){ .slot_size = 4096, .depth = 64, .slots = slots });
	must("wait", plx_publisher_wait_subscribers(pub, 1 + OTHERS, UINT64_MAX));
	killer = fork();
	if (killer == 0)
		kill_later(victim, &words[0]);
	for (int i = 0; i < 1000; i++) {
		must("loan", plx_publisher_loan(pub, &loan[0]));
		must("publish", plx_publisher_publish(pub, &loan[0], 100));
	}
	must("drain", plx_publisher_drain(pub, UINT64_MAX));
	while (loss.slots < slots && plx_publisher_loan(pub, &loan[loss.slots]) == 0)
		loss.slots++;
	loss.slots = slots - loss.slots;
	plx_publisher_close(pub);
	await(killer);
	waitpid(victim, NULL, 0);
	for (int i = 0; i < OTHERS; i++) {
		await(others[i]);
		if ((double)words[1 + i] > loss.stall_ns)
			loss.stall_ns = (double)words[1 + i];
	}
	munmap(words, 4096);
	return loss;
}

static void bench_killed(void)
{
	double stall[ROUNDS_MAX];
	uint32_t slots = 0;

	for (int i = 0; i < rounds; i++) {
		struct loss loss = killed();

		stall[i] = loss.stall_ns;
		slots += loss.slots;
	}
	printf("%-38s %8.3f ms until the slowest of %d others goes on (at most %.3f); slots lost: %u\n",
	       "a subscriber is killed", at(stall, (size_t)rounds, 50) / 1e6, OTHERS, stall[rounds - 1] / 1e6,
	       slots);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
		{ "live", bench_live },   { "asleep", bench_asleep }, { "crowd", bench_crowd },
		{ "fresh", bench_fresh }, { "memory", bench_memory }, { "killed", bench_killed },
	};

	if (argc == 4 && strcmp(argv[1], "--fresh") == 0)
		return be_fresh(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "--resident") == 0)
		return be_resident(argv[2], argv[3]);
	go_first();
	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 3;
		shorten = 10;
	}
	must("make a directory", mkdtemp(directory) ? 0 : -errno);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (argc < 2 || strcmp(argv[1], all[i].name) == 0)
			all[i].run();
	}
	rmdir(directory);
	return 0;
}

/*
 * bench_workers.c - what a pool of workers costs.
 *
 *	start       from nothing to the first message handled
 *	stop        a graceful stop of as many idle workers as there can be, and of two pools of them, beside as many bare children
 *	death       from SIGKILL to a message handled by the successor
 *	idle        processor time of a worker that has nothing to do
 *	messages    through a pool, one sender: bare handler; counting in slot memory with undo
 *	reply       round trip, both asleep: wherever the kernel likes, and placed by the pool; beside a raw futex
 *
 * Prints medians and the worst of ten. With PLX_BENCH_QUICK set in the environment: fewer.
 */
#include <errno.h>
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

#define FOREVER UINT64_MAX
#define MS      1000000ull
#define MANY    1000

static struct page {
	uint64_t handled_ns;
	uint32_t word; /* a request's number, when it is answered */
	uint64_t sum;
} * page;

static int rounds = 101;
static double samples[MANY];

static void show(const char *name, int n, double unit, const char *words)
{
	qsort(samples, (size_t)n, sizeof(samples[0]), by_value);
	printf("  %-44s p50 %8.2f  p90 %8.2f  %s\n", name, samples[n / 2] / unit, samples[n * 9 / 10] / unit,
	       words);
}

/* ---- handlers ------------------------------------------------------------------------------------- */

static int stamp(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)m;
	(void)arg;
	__atomic_store_n(&page->handled_ns, plx_now_ns(), __ATOMIC_RELEASE);
	return 0;
}

static int ignore(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)m;
	(void)arg;
	return 0;
}

static int count(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)arg;
	return plx_worker_add(w, plx_worker_slot(w, m->slot), 1);
}

static int answer(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)arg;
	return plx_worker_reply(w, m, m->data, m->size);
}

/* ---- measurements --------------------------------------------------------------------------------- */

static void start(void)
{
	struct plx_workers_options o = { .hooks = { .handle = stamp }, .workers = 1 };
	struct plx_workers *w;
	struct plx_sender *s;

	for (int i = 0; i < rounds; i++) {
		uint64_t begin = plx_now_ns();

		must("open", plx_workers_open(&w, &o));
		must("sender", plx_sender_open(&s, w));
		must("send", plx_sender_send(s, 1, 0, "x", 2, FOREVER));
		must("drain", plx_workers_drain(w, FOREVER));
		samples[i] = (double)(page->handled_ns - begin);
		plx_sender_close(s);
		plx_workers_close(w);
	}
	show("pool, worker and first message, ms", rounds, 1e6, "must 5, aim 1");
	o.workers = 1;
	o.most = 2;
	for (int i = 0; i < rounds; i++) {
		uint64_t begin;

		must("open", plx_workers_open(&w, &o));
		must("sender", plx_sender_open(&s, w));
		begin = plx_now_ns();
		must("scale", plx_workers_scale(w, 2, FOREVER));
		must("send", plx_sender_send_to(s, 1, 1, 0, "x", 2, FOREVER));
		must("drain", plx_workers_drain(w, FOREVER));
		samples[i] = (double)(page->handled_ns - begin);
		plx_sender_close(s);
		plx_workers_close(w);
	}
	show("one more worker, half the slots, message, ms", rounds, 1e6, "must 5, aim 1");
}

/* Children that wait for a word, and are told; and then they are awaited: what a stop cannot be faster than. */
static void bare_stop(uint32_t n)
{
	pid_t pid[2 * PLX_WORKERS_MAX];

	for (int i = 0; i < 11; i++) {
		uint64_t begin;

		page->word = 0;
		for (uint32_t k = 0; k < n; k++) {
			pid[k] = fork();
			if (pid[k] == 0) {
				syscall(SYS_futex, &page->word, FUTEX_WAIT, 0, NULL, NULL, 0);
				_exit(0);
			}
		}
		usleep(20000);
		begin = plx_now_ns();
		__atomic_store_n(&page->word, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &page->word, FUTEX_WAKE, n, NULL, NULL, 0);
		for (uint32_t k = 0; k < n; k++)
			waitpid(pid[k], NULL, 0);
		samples[i] = (double)(plx_now_ns() - begin);
	}
	page->word = 0;
}

static void stop(uint32_t pools)
{
	struct plx_workers_options o = {
		.hooks = { .handle = stamp }, .workers = PLX_WORKERS_MAX, .most = PLX_WORKERS_MAX, .count = 16
	};
	struct plx_workers *w[2];
	char name[64];

	for (int i = 0; i < 11; i++) {
		uint64_t begin;

		for (uint32_t k = 0; k < pools; k++)
			must("open", plx_workers_open(&w[k], &o));
		usleep(20000); /* all are asleep */
		begin = plx_now_ns();
		for (uint32_t k = 0; k < pools; k++)
			must("stop", plx_workers_stop(w[k], FOREVER));
		samples[i] = (double)(plx_now_ns() - begin);
	}
	snprintf(name, sizeof(name), "graceful stop of %u idle workers, ms", pools * PLX_WORKERS_MAX);
	show(name, 11, 1e6, pools == 2 ? "must 5" : "");
	bare_stop(pools * PLX_WORKERS_MAX);
	show("... of as many bare children, ms", 11, 1e6, "the limit");
}

static void death(void)
{
	struct plx_workers_options o = { .hooks = { .handle = stamp },
					 .workers = 1,
					 .restart = { .intensity = UINT32_MAX, .poison = UINT32_MAX } };
	struct plx_workers *w;
	struct plx_sender *s;
	int n = rounds;

	must("open", plx_workers_open(&w, &o));
	must("sender", plx_sender_open(&s, w));
	for (int i = 0; i < n; i++) {
		uint64_t begin;
		int32_t pid;

		must("send", plx_sender_send(s, 1, 0, "x", 2, FOREVER)); /* so that it makes progress */
		must("drain", plx_workers_drain(w, FOREVER));
		plx_workers_state(w, 0, &pid);
		page->handled_ns = 0;
		begin = plx_now_ns();
		kill(pid, SIGKILL);
		must("send", plx_sender_send(s, 1, 0, "x", 2, FOREVER));
		while (__atomic_load_n(&page->handled_ns, __ATOMIC_ACQUIRE) == 0)
			must("step", plx_workers_step(w, MS));
		samples[i] = (double)(page->handled_ns - begin);
	}
	show("SIGKILL to the successor's first message, ms", n, 1e6, "must 20, aim 1");
	plx_sender_close(s);
	plx_workers_close(w);
}

static uint64_t run_ns(int32_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return ns;
}

static void idle(void)
{
	struct plx_workers_options o = { .hooks = { .handle = stamp }, .workers = 1 };
	uint64_t before, begin, slice = rounds > 50 ? 5000 * MS : 1000 * MS;
	struct plx_workers *w;
	int32_t pid;

	must("open", plx_workers_open(&w, &o));
	plx_workers_state(w, 0, &pid);
	must("step", plx_workers_step(w, 100 * MS));
	before = run_ns(pid);
	begin = plx_now_ns();
	must("step", plx_workers_step(w, slice));
	printf("  %-44s %.4f %%  of a processor; must 0.2, aim 0.1\n", "idle worker",
	       100.0 * (double)(run_ns(pid) - before) / (double)(plx_now_ns() - begin));
	plx_workers_close(w);
}

static void messages(const char *name, int (*handle)(struct plx_worker *, const struct plx_message *, void *),
		     uint32_t workers)
{
	struct plx_workers_options o = {
		.hooks = { .handle = handle }, .workers = workers, .count = 4096, .slot_size = 8
	};
	uint64_t n = rounds > 50 ? 2000000 : 200000;
	struct plx_workers *w;
	struct plx_sender *s;

	must("open", plx_workers_open(&w, &o));
	must("sender", plx_sender_open(&s, w));
	for (int r = 0; r < 5; r++) {
		uint64_t begin = plx_now_ns();

		for (uint64_t i = 0; i < n; i++)
			must("send", plx_sender_send(s, i, 0, &i, 8, FOREVER));
		must("drain", plx_workers_drain(w, FOREVER));
		samples[r] = 1e3 * (double)n / (double)(plx_now_ns() - begin);
	}
	show(name, 5, 1, "M/s");
	plx_sender_close(s);
	plx_workers_close(w);
}

/* ---- replies -------------------------------------------------------------------------------------- */

static void ask(struct plx_sender *s, uint32_t number)
{
	uint32_t size = sizeof(number), got = 0;

	must("call", plx_sender_call(s, 1, 0, &number, sizeof(number), &got, &size, FOREVER));
	if (got != number)
		exit(1);
}

static void replies(const char *name, uint32_t placement, bool asleep)
{
	struct plx_workers_options o = { .hooks = { .handle = answer },
					 .workers = 1,
					 .placement = placement };
	struct plx_workers *w;
	struct plx_sender *s;
	uint32_t number = 0;
	uint64_t settle = plx_now_ns() + 400 * MS;

	page->word = 0;
	must("open", plx_workers_open(&w, &o));
	must("sender", plx_sender_open(&s, w));
	while (plx_now_ns() < settle) { /* the pool has a look at us */
		ask(s, ++number);
		if (asleep)
			usleep(300);
		must("step", plx_workers_step(w, 0));
	}
	for (int i = 0; i < rounds * 4; i++) {
		uint64_t begin;

		if (asleep)
			usleep(300);
		begin = plx_now_ns();
		ask(s, ++number);
		samples[i] = (double)(plx_now_ns() - begin);
	}
	show(name, rounds * 4, 1e3, "us");
	plx_sender_close(s);
	plx_workers_close(w);
}

static void raw_futex(const char *name, bool same)
{
	uint32_t *word = &page->word;
	cpu_set_t all, one;
	pid_t pid;

	*word = 0;
	sched_getaffinity(0, sizeof(all), &all);
	pid = fork();
	if (same) {
		CPU_ZERO(&one);
		CPU_SET(0, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	if (pid == 0) {
		for (uint32_t i = 1;; i += 2) {
			while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != i)
				syscall(SYS_futex, word, FUTEX_WAIT, i - 1, NULL, NULL, 0);
			__atomic_store_n(word, i + 1, __ATOMIC_RELEASE);
			syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
	}
	for (int i = 0; i < rounds * 4; i++) {
		uint32_t number = (uint32_t)(2 * i + 1);
		uint64_t begin;

		usleep(300);
		begin = plx_now_ns();
		__atomic_store_n(word, number, __ATOMIC_RELEASE);
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != number + 1)
			syscall(SYS_futex, word, FUTEX_WAIT, number, NULL, NULL, 0);
		samples[i] = (double)(plx_now_ns() - begin);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sched_setaffinity(0, sizeof(all), &all);
	show(name, rounds * 4, 1e3, "us");
}

int main(void)
{
	if (getenv("PLX_BENCH_QUICK"))
		rounds = 21;
	go_first();
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf(" start\n");
	start();
	printf(" stop\n");
	stop(1);
	stop(2);
	printf(" death\n");
	death();
	printf(" idle\n");
	idle();
	printf(" messages of 8 bytes, by key, one sender\n");
	messages("1 worker, does nothing", ignore, 1);
	messages("1 worker, counts with undo", count, 1);
	messages("2 workers, count with undo", count, 2);
	printf(" round trip, both asleep\n");
	raw_futex("raw futex, wherever", false);
	raw_futex("raw futex, one processor", true);
	replies("a worker, on another processor", PLX_PLACE_SPREAD, true);
	replies("a worker, wherever", PLX_PLACE_ANYWHERE, true);
	replies("a worker, placed by the pool", PLX_PLACE_AUTO, true);
	printf(" round trip, one after the other\n");
	replies("a worker, wherever", PLX_PLACE_ANYWHERE, false);
	replies("a worker, placed by the pool", PLX_PLACE_AUTO, false);
	return 0;
}

/* bench.h - what benchmarks have in common: to end on an error, to go first, to be somewhere, to wait, to share, a middle. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/common.h>

/* @ret: -errno, or what is not an error */
static inline void must(const char *what, int ret)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, plx_strerror(ret));
	exit(1);
}

/* As far ahead of other work on the machine as we may get. */
static inline void go_first(void)
{
	FILE *group = fopen("/proc/self/autogroup", "w");

	if (group) {
		fputs("-20", group);
		fclose(group);
	}
	(void)!setpriority(PRIO_PROCESS, 0, -19);
}

/* Negative: anywhere. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)!sched_setaffinity(0, sizeof(set), &set);
}

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Sleeping, but not for longer than was said because a timer was late once. */
static inline void linger(uint64_t ns)
{
	uint64_t t0 = plx_now_ns();

	while (plx_now_ns() - t0 < ns)
		usleep(500);
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Puts them in order. */
static inline double at(double *values, size_t n, size_t percent)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n * percent / 100 < n ? n * percent / 100 : n - 1];
}

static inline double median(double *values, int n)
{
	return at(values, (size_t)n, 50);
}

/* Of this process and those it forks; touched. */
static inline void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		must("memory", -ENOMEM);
	return p;
}

/* A process that runs @run and does not outlive us, nor a minute. */
static inline pid_t start_process(void (*run)(void *), void *arg, int cpu)
{
	pid_t pid = fork();

	if (pid < 0)
		must("fork", -errno);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1000);
	pin(cpu);
	alarm(60);
	run(arg);
	_exit(0);
}

/* Its end must be a good one. */
static inline void await(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		must("a child failed", -ECHILD);
}

static inline void stop_processes(pid_t *pids, int n)
{
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
}

#endif

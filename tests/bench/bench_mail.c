/*
 * bench_mail.c - ours and other ways to send a message from one process to another, in one run.
 *
 *	latency   half a round trip, 40 bytes: p50 and p99
 *	stream    64 B, 4 KiB, 64 KiB, 1 MiB: every word written by the sender and summed by the receiver
 *	first     from starting a program until it has its first message, more than one that does nothing takes
 *	memory    what the receiving program has resident more than one that does nothing
 *
 * Medians of the rounds; each round asks every peer, so that what the machine does meanwhile happens to all. See mail.h for who takes
 * part; who is not installed is not there. Two processes on two processors.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/mail.h"

#define PEERS_MAX  32
#define ROUNDS_MAX 9
#define TRIPS_MAX  6000
#define STARTS     7
#define TIMEOUT_S  20

enum row { P50, P99, S64, S4K, S64K, S1M, FIRST, MEMORY, ROWS };

static const char *const row_names[ROWS] = { "p50 ns",      "p99 ns",     "64 B M/s",  "4 KiB GB/s",
					     "64 KiB GB/s", "1 MiB GB/s", "first +ms", "RSS KiB" };
static const size_t stream_size[ROWS] = { [S64] = 64, [S4K] = 4096, [S64K] = 65536, [S1M] = 1048576 };

struct entry {
	char path[512], name[64], how[96];
	bool polls;
	double value[ROWS][ROUNDS_MAX]; /* negative: it cannot */
};

/* What the two processes of a measurement share. */
struct shared {
	double value[2];
	uint32_t ready, go;
};

static struct entry peers[PEERS_MAX];
static int peer_count, rounds = 5;
static size_t trips = TRIPS_MAX;
static double seconds = 0.1;
static struct shared *shared;
static char directory[MAIL_PATH];
static uint64_t samples[TRIPS_MAX];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)!sched_setaffinity(0, sizeof(set), &set);
}

static int ascending_u64(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

static int ascending(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static struct mail_peer *load(const char *path)
{
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	return so ? dlsym(so, "mail_peer") : NULL;
}

/* ---- messages: the first word is its number, the others follow from it ---------------------------------------- */

static int send_one(struct mail_peer *p, void *s, size_t size, uint64_t number)
{
	uint64_t *words = p->room(s, size);

	if (!words)
		return -1;
	for (size_t i = 0; i < size / 8; i++)
		words[i] = number + i;
	return p->post(s, size);
}

/* The sum of its words, or 0 when there is none. */
static uint64_t take_one(struct mail_peer *p, void *r, size_t size)
{
	const uint64_t *words = p->take(r, size);
	uint64_t sum = 0;

	if (!words)
		return 0;
	for (size_t i = 0; i < size / 8; i++)
		sum += words[i];
	if (p->done)
		p->done(r);
	return sum + 1;
}

static uint64_t sum_of(size_t size, uint64_t number)
{
	uint64_t n = size / 8;

	return number * n + n * (n - 1) / 2 + 1;
}

/* ---- two processes ------------------------------------------------------------------------------------------- */

static void meet(int side)
{
	pin(side);
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) != 2)
		sched_yield();
}

static void wait_met(struct mail_peer *p, void *s)
{
	while (p->met && !p->met(s))
		usleep(1000);
}

/* -1, and why */
static int failed(struct mail_peer *p, const char *what, size_t i)
{
	fprintf(stderr, "bench_mail: %s: %s %zu failed: %s\n", p->name, what, i, strerror(errno));
	return 1;
}

static int echo(struct mail_peer *p, size_t size)
{
	void *r = p->receiver(directory, 0, size), *s = p->sender(directory, 1, size);

	if (!r || !s)
		return 1;
	meet(1);
	for (size_t i = 0; i < trips + trips / 8; i++) {
		if (!take_one(p, r, size))
			return failed(p, "echo", i);
		if (i ==
		    0) /* only who takes or waits connects: were both to wait here first, they would for ever */
			wait_met(p, s);
		if (send_one(p, s, size, i) < 0)
			return failed(p, "echo", i);
	}
	poll(NULL, 0, 50); /* the other one has yet to read */
	return 0;
}

static int ask(struct mail_peer *p, size_t size)
{
	void *s = p->sender(directory, 0, size), *r = p->receiver(directory, 1, size);
	size_t warm = trips / 8;

	if (!r || !s)
		return 1;
	meet(0);
	wait_met(p, s);
	for (size_t i = 0; i < trips + warm; i++) {
		uint64_t before = now_ns();

		if (send_one(p, s, size, i) < 0 || take_one(p, r, size) != sum_of(size, i))
			return failed(p, "trip", i);
		if (i >= warm)
			samples[i - warm] = now_ns() - before;
	}
	qsort(samples, trips, sizeof(*samples), ascending_u64);
	shared->value[0] = (double)samples[trips / 2] / 2;
	shared->value[1] = (double)samples[trips * 99 / 100] / 2;
	return 0;
}

/* Messages until the time is up, then one with the number ~0. */
static int pour(struct mail_peer *p, size_t size)
{
	void *s = p->sender(directory, 0, size);
	uint64_t end, n = 0;

	if (!s)
		return 1;
	meet(0);
	wait_met(p, s);
	end = now_ns() + (uint64_t)(seconds * 1e9);
	do {
		for (int i = 0; i < 16; i++) {
			if (send_one(p, s, size, n++) < 0)
				return 1;
		}
	} while (now_ns() < end);
	if (send_one(p, s, size, ~UINT64_C(0)) < 0)
		return 1;
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	return 0;
}

static int drink(struct mail_peer *p, size_t size)
{
	void *r = p->receiver(directory, 0, size);
	uint64_t n = 0, began = 0;

	if (!r)
		return 1;
	meet(1);
	for (;;) {
		uint64_t sum = take_one(p, r, size);

		if (!began)
			began = now_ns();
		if (sum == sum_of(size, ~UINT64_C(0)))
			break;
		if (sum != sum_of(size, n++)) {
			fprintf(stderr, "bench_mail: %s lost a message\n", p->name);
			return 1;
		}
	}
	shared->value[0] = (double)n / (double)(now_ns() - began) * 1e3; /* M/s */
	__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
	return 0;
}

/* Both halves in processes of their own; true when both came to their end. */
static bool run(const char *path, int (*one)(struct mail_peer *, size_t),
		int (*other)(struct mail_peer *, size_t), size_t size)
{
	int (*const halves[2])(struct mail_peer *, size_t) = { one, other };
	int ok = 0;
	pid_t maker = fork();

	if (maker == 0) { /* what make() made is of this process, and goes with it */
		struct mail_peer *p = load(path);
		pid_t kid[2];

		setpgid(0, 0);
		if (!p || (p->size_max && size > p->size_max) || (p->make && p->make(directory, size)))
			_exit(1);
		for (int i = 0; i < 2; i++) {
			kid[i] = fork();
			if (kid[i] == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				alarm(TIMEOUT_S);
				_exit(halves[i](p, size));
			}
		}
		for (int i = 0; i < 2; i++) {
			int status = 1;

			if (wait(&status) > 0 && status == 0)
				ok++;
			else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
				fprintf(stderr, "bench_mail: %s hangs\n", p->name);
			if (status != 0)
				for (int k = 0; k < 2; k++)
					kill(kid[k], SIGKILL);
		}
		if (p->forget)
			p->forget(directory);
		_exit(ok != 2);
	}
	waitpid(maker, &ok, 0);
	return ok == 0;
}

/* ---- a program that starts --------------------------------------------------------------------------------------- */

/* KiB resident. */
static long resident(void)
{
	long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The program that was started: says on descriptor 3 when it has a message, and how much it has resident. */
static int newcomer(const char *path, const char *dir)
{
	struct mail_peer *p = *path ? load(path) : NULL;
	double said[2] = { 0 };
	void *r;

	alarm(TIMEOUT_S);
	if (p) {
		r = p->receiver(dir, 0, 64);
		if (!r || !take_one(p, r, 64))
			return failed(p, "first", 0);
	}
	said[0] = (double)now_ns();
	said[1] = (double)resident();
	return write(3, said, sizeof(said)) == sizeof(said) ? 0 : 1;
}

/* Start one: ms until it has a message, and KiB. */
static bool start(const char *path, struct mail_peer *p, void *s, double *value)
{
	char *argv[] = { (char *)"bench_mail", (char *)"--newcomer", (char *)path, directory, NULL };
	posix_spawn_file_actions_t actions;
	double said[2];
	uint64_t began, n = 0;
	int fds[2], status = 1;
	bool ok = false;
	pid_t pid;

	if (pipe(fds) < 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 3);
	began = now_ns();
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ) == 0) {
		close(fds[1]);
		for (;;) {
			struct pollfd f = { .fd = fds[0], .events = POLLIN };

			/* once somebody is there, if one can know; else it lies there when it comes */
			if (p && n == 0 && (!p->met || p->keeps || p->met(s)))
				send_one(p, s, 64, n++);
			if (p && n == 0) /* not spinning: the newcomer may need the processor */
				usleep(20);
			poll(&f, 1, p && n == 0 ? 0 : TIMEOUT_S * 1000);
			if (f.revents)
				break;
		}
		ok = read(fds[0], said, sizeof(said)) == sizeof(said);
		waitpid(pid, &status, 0);
		value[0] = (said[0] - (double)began) / 1e6;
		value[1] = said[1];
		fds[1] = -1;
	}
	posix_spawn_file_actions_destroy(&actions);
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return ok && status == 0;
}

static bool first(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct mail_peer *p = load(path);
		double empty[2], value[2], more[STARTS];
		int n;
		void *s;

		setpgid(0, 0);
		alarm(TIMEOUT_S);
		if (!p || !p->by_name || (p->make && p->make(directory, 64)))
			_exit(1);
		s = p->sender(directory, 0, 64);
		/* who says that it met somebody may mean the one before */
		for (n = 0; n < (!p->met || p->keeps ? STARTS : 1); n++) {
			if (!s || !start("", NULL, NULL, empty) || !start(path, p, s, value))
				_exit(1);
			more[n] = value[0] - empty[0];
		}
		qsort(more, (size_t)n, sizeof(*more), ascending);
		shared->value[0] = more[n / 2] > 0.001 ? more[n / 2] : 0.001;
		shared->value[1] = value[1] - empty[1];
		if (p->forget)
			p->forget(directory);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status == 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void new_directory(void)
{
	snprintf(directory, sizeof(directory), "/tmp/plx-mail.XXXXXX");
	if (!mkdtemp(directory)) {
		perror("bench_mail");
		exit(1);
	}
	memset(shared, 0, sizeof(*shared));
}

static void drop_directory(void)
{
	char command[MAIL_PATH + 16];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command) != 0)
		fprintf(stderr, "bench_mail: %s is left\n", directory);
}

static void measure(struct entry *e, int round)
{
	bool ok;

	for (int row = 0; row < ROWS; row++)
		e->value[row][round] = -1;
	new_directory();
	ok = run(e->path, ask, echo, 40);
	for (int k = 0; ok && k < 2; k++)
		e->value[P50 + k][round] = shared->value[k];
	drop_directory();
	for (int row = S64; row <= S1M; row++) {
		new_directory();
		if (run(e->path, pour, drink, stream_size[row]))
			e->value[row][round] = row == S64 ? shared->value[0]
							  : shared->value[0] * (double)stream_size[row] / 1e3;
		drop_directory();
	}
	new_directory();
	ok = first(e->path);
	for (int k = 0; ok && k < 2; k++)
		e->value[FIRST + k][round] = shared->value[k];
	drop_directory();
}

static void add_folder(const char *folder)
{
	struct dirent **list;
	int n = scandir(folder, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		struct entry *e = &peers[peer_count];
		size_t length = strlen(list[i]->d_name);
		int fds[2];

		if (length < 4 || strcmp(list[i]->d_name + length - 3, ".so") != 0 || peer_count == PEERS_MAX)
			continue;
		snprintf(e->path, sizeof(e->path), "%s/%s", folder, list[i]->d_name);
		if (pipe(fds) == 0 && fork() == 0) { /* what it is called, without having it here */
			struct mail_peer *p = load(e->path);

			if (p) {
				snprintf(e->name, sizeof(e->name), "%s", p->name);
				snprintf(e->how, sizeof(e->how), "%s", p->how);
				e->polls = p->polls;
				(void)!write(fds[1], e, sizeof(*e));
			}
			_exit(0);
		}
		close(fds[1]);
		if (read(fds[0], e, sizeof(*e)) == sizeof(*e))
			peer_count++;
		close(fds[0]);
		wait(NULL);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int main(int argc, char **argv)
{
	char folder[512];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 8);
	FILE *group;

	if (argc == 4 && strcmp(argv[1], "--newcomer") == 0)
		return newcomer(argv[2], argv[3]);
	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 1;
		trips = TRIPS_MAX / 8;
		seconds = 0.05;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || n < 0)
		return 1;
	folder[n] = '\0';
	strcpy(strrchr(folder, '/') + 1, "mail");
	add_folder(folder);
	if (getenv("PEER_DIR"))
		add_folder(getenv("PEER_DIR"));
	group = fopen("/proc/self/autogroup", "w");
	if (group) {
		fputs("-20", group);
		fclose(group);
	}
	(void)!setpriority(PRIO_PROCESS, 0, -19);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < peer_count; i++)
			measure(&peers[i], round);
	}
	printf("%-36s", "");
	for (int row = 0; row < ROWS; row++)
		printf(" %12s", row_names[row]);
	putchar('\n');
	for (int i = 0; i < peer_count; i++) {
		printf("%-36s", peers[i].name);
		for (int row = 0; row < ROWS; row++) {
			double *v = peers[i].value[row];

			qsort(v, (size_t)rounds, sizeof(*v), ascending);
			int bad = 0; /* rounds in which it could not: said when it happened */

			while (bad < rounds && v[bad] < 0)
				bad++;
			if (bad > rounds / 2)
				printf(" %12s", "-");
			else
				printf(row < S64 || row == MEMORY ? " %12.0f" : " %12.2f",
				       v[bad + (rounds - bad) / 2]);
		}
		printf("  %s\n", peers[i].how);
	}
	return 0;
}

/*
 * bench_come.c - coming and going, and what it takes to be there.
 *
 *	fresh     from exec() of a new process to its first message
 *	memory    what a subscriber and a publisher have resident, over a program that does nothing
 *	killed    a subscriber everybody waits for is killed: for how long the others hear nothing, and what is lost
 *
 * Prints the median of ROUNDS rounds. With PLX_BENCH_QUICK set in the environment: fewer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/topic.h"

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
		execl("/proc/self/exe", "bench_come", "--fresh", directory, what, NULL);
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
		execl("/proc/self/exe", "bench_come", "--resident", directory, what, NULL);
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
	static const struct topic_part all[] = {
		{ "fresh", bench_fresh },
		{ "memory", bench_memory },
		{ "killed", bench_killed },
	};

	if (argc == 4 && strcmp(argv[1], "--fresh") == 0)
		return be_fresh(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "--resident") == 0)
		return be_resident(argv[2], argv[3]);
	topic_parts(all, sizeof(all) / sizeof(all[0]), argc < 2 ? NULL : argv[1]);
	return 0;
}

/*
 * soak.c - many messages, while subscribers and publishers are killed, stopped and started again.
 *
 *	soak MINUTES [SEED]
 *
 * A few publishers and subscribers of all kinds on one topic. Every few milliseconds one of them is killed, stopped for a while,
 * or told to leave; somebody new takes its seat. Each subscriber checks what it hears (history.h). One publisher and one
 * subscriber are only ever stopped, never killed: what they hold (descriptors, memory) is sampled, and has to stay as it is.
 * The verdict is the last line.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define SEATS     (SOAK_PUBLISHERS + SOAK_SUBSCRIBERS)
#define SECOND    UINT64_C(1000000000)
#define MS        UINT64_C(1000000)
#define SAMPLES   4096
#define RSS_SLACK 1024 /* KiB between the first and the last third */
#define FDS_SLACK 8    /* connections come and go */
#define LEAVE_NS  (60 * SECOND)

struct child {
	pid_t pid;
	uint64_t stopped_until; /* 0: runs */
	bool killed, leaving;
};

struct samples {
	uint32_t fds[SAMPLES], rss[SAMPLES]; /* KiB */
	uint32_t n;
};

static struct soak_board *board;
static struct child children[SEATS];
static struct samples samples[SEATS];
static uint64_t seed, kills, stops, leaves, starts;
static char directory[4096];

static const struct soak_part *part_of(int seat)
{
	return seat < SOAK_PUBLISHERS ? &soak_publishers[seat] : &soak_subscribers[seat - SOAK_PUBLISHERS];
}

/* ---- children -------------------------------------------------------------------------------------- */

static void start(int seat)
{
	uint64_t own = soak_roll(&seed, UINT64_MAX);
	pid_t parent = getpid(), pid;

	soak_set(&board->leave[seat], 0);
	pid = fork();
	if (pid < 0) {
		perror("soak: fork");
		exit(1);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(seat < SOAK_PUBLISHERS ? soak_publish(board, seat, directory, own)
					     : soak_subscribe(board, seat - SOAK_PUBLISHERS, directory, own));
	}
	children[seat] = (struct child){ .pid = pid };
	starts++;
}

static void go_on(struct child *c)
{
	if (c->stopped_until)
		kill(c->pid, SIGCONT);
	c->stopped_until = 0;
}

/* Somebody ended: as it should? */
static void ended(int seat, int status)
{
	struct child *c = &children[seat];

	if (c->killed ? !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && !WIFEXITED(status)
		      : !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		SOAK_WRONG(board, "%s: ended with status %#x", part_of(seat)->name, status);
	c->pid = 0;
}

static void reap(bool again)
{
	for (int seat = 0; seat < SEATS; seat++) {
		int status;

		if (children[seat].pid && waitpid(children[seat].pid, &status, WNOHANG) > 0) {
			ended(seat, status);
			if (again)
				start(seat);
		}
	}
}

/* Do something to somebody. */
static void disturb(uint64_t now)
{
	int seat = (int)soak_roll(&seed, SEATS);
	struct child *c = &children[seat];
	uint64_t dice = soak_roll(&seed, 8);

	if (!c->pid || c->stopped_until || c->leaving)
		return;
	if (dice < 3 || part_of(seat)->spared) {
		kill(c->pid, SIGSTOP);
		c->stopped_until = now + (1 + soak_roll(&seed, 60)) * MS;
		stops++;
	} else if (dice < 7) {
		c->killed = true;
		kill(c->pid, SIGKILL);
		kills++;
	} else {
		c->leaving = true;
		soak_set(&board->leave[seat], 1);
		leaves++;
	}
}

/* ---- what they hold -------------------------------------------------------------------------------- */

static uint32_t count_fds(pid_t pid)
{
	char path[64];
	uint32_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Memory of its own, KiB: what is shared comes and goes with the others. */
static uint32_t own_memory(pid_t pid)
{
	unsigned long size, resident, shared;
	char path[64];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fscanf(f, "%lu %lu %lu", &size, &resident, &shared);
	fclose(f);
	return n == 3 ? (uint32_t)((resident - shared) * (unsigned long)sysconf(_SC_PAGESIZE) / 1024) : 0;
}

/* A full table keeps every second one. */
static void sample(int seat)
{
	struct samples *s = &samples[seat];

	if (s->n == SAMPLES) {
		s->n /= 2;
		for (uint32_t i = 0; i < s->n; i++) {
			s->fds[i] = s->fds[2 * i];
			s->rss[i] = s->rss[2 * i];
		}
	}
	s->fds[s->n] = count_fds(children[seat].pid);
	s->rss[s->n++] = own_memory(children[seat].pid);
}

static int ascending(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b;
}

static uint32_t median(const uint32_t *values, uint32_t n)
{
	uint32_t sorted[SAMPLES];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return n ? sorted[n / 2] : 0;
}

static uint32_t least(const uint32_t *values, uint32_t n)
{
	uint32_t low = n ? values[0] : 0;

	for (uint32_t i = 1; i < n; i++)
		low = values[i] < low ? values[i] : low;
	return low;
}

/* The last third against the second: the first is for warming up. A leak raises the least number of descriptors too. */
static void judge_samples(int seat)
{
	const struct samples *s = &samples[seat];
	uint32_t third = s->n / 3;
	uint32_t fds = least(s->fds + third, third), fds_end = least(s->fds + s->n - third, third);
	uint32_t rss = median(s->rss + third, third), rss_end = median(s->rss + s->n - third, third);

	printf("soak: %-38s %u -> %u descriptors, %u -> %u KiB of its own\n", part_of(seat)->name, fds,
	       fds_end, rss, rss_end);
	if (fds_end > fds + FDS_SLACK)
		SOAK_WRONG(board, "%s: its descriptors grow", part_of(seat)->name);
	if (rss_end > rss + RSS_SLACK)
		SOAK_WRONG(board, "%s: its memory grows", part_of(seat)->name);
}

/* ---- the end --------------------------------------------------------------------------------------- */

/* All in [first, last) leave by themselves, within a minute. */
static void wait_for(int first, int last)
{
	uint64_t end = plx_now_ns() + LEAVE_NS;

	for (int seat = first; seat < last; seat++)
		go_on(&children[seat]);
	for (;;) {
		bool any = false;

		reap(false);
		for (int seat = first; seat < last; seat++)
			any = any || children[seat].pid;
		if (!any)
			return;
		if (plx_now_ns() > end)
			break;
		poll(NULL, 0, 5);
	}
	for (int seat = first; seat < last; seat++) {
		if (!children[seat].pid)
			continue;
		SOAK_WRONG(board, "%s: does not end", part_of(seat)->name);
		kill(children[seat].pid, SIGKILL);
		waitpid(children[seat].pid, NULL, 0);
	}
}

/* Sockets that nobody removed. */
static uint32_t names_left(void)
{
	char command[4200], line[512];
	uint32_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "find %s -type s", directory);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		pclose(f);
	return n;
}

static void clean_up(void)
{
	char command[4200];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command) != 0)
		fprintf(stderr, "soak: %s is left\n", directory);
}

static void report(uint64_t began)
{
	uint64_t published = 0, taken = 0, lost = 0, streams = 0, let_go = 0, died = 0;
	double seconds = (double)(plx_now_ns() - began) / 1e9;

	for (int seat = 0; seat < SEATS; seat++) {
		const struct soak_seat *s = &board->seat[seat];

		printf("soak: %-38s %12llu messages, %llu lost, %llu kept, %llu streams heard to the end "
		       "(%llu died, %llu let it go)\n",
		       part_of(seat)->name, (unsigned long long)s->messages, (unsigned long long)s->lost,
		       (unsigned long long)s->held, (unsigned long long)s->streams,
		       (unsigned long long)s->died, (unsigned long long)s->let_go);
		*(seat < SOAK_PUBLISHERS ? &published : &taken) += s->messages;
		lost += s->lost;
		streams += s->streams;
		let_go += s->let_go;
		died += s->died;
	}
	printf("soak: %.0f s, %llu published, %llu taken, %llu declared lost; %llu kills, %llu stops, %llu "
	       "left, %llu started; "
	       "%llu streams heard to the end, %llu of dead ones, %llu let go\n",
	       seconds, (unsigned long long)published, (unsigned long long)taken, (unsigned long long)lost,
	       (unsigned long long)kills, (unsigned long long)stops, (unsigned long long)leaves,
	       (unsigned long long)starts, (unsigned long long)streams, (unsigned long long)died,
	       (unsigned long long)let_go);
}

int main(int argc, char **argv)
{
	double minutes = argc > 1 ? atof(argv[1]) : 1;
	uint64_t began = plx_now_ns(), end, next_sample = 0, next_step = 0;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(directory, sizeof(directory), "%s/plx-soak.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (minutes <= 0 || board == MAP_FAILED || !mkdtemp(directory)) {
		fprintf(stderr, "usage: soak MINUTES [SEED]\n");
		return 2;
	}
	end = began + (uint64_t)(minutes * 60e9);
	for (int seat = 0; seat < SEATS; seat++)
		start(seat);
	for (uint64_t now = began; now < end && !soak_get(&board->wrong); now = plx_now_ns()) {
		reap(true);
		for (int seat = 0; seat < SEATS; seat++) {
			if (children[seat].stopped_until && children[seat].stopped_until <= now)
				go_on(&children[seat]);
			if (now >= next_sample && part_of(seat)->spared && children[seat].pid)
				sample(seat);
		}
		if (now >= next_sample)
			next_sample = now + SECOND / 4;
		if (now >= next_step) {
			disturb(now);
			next_step = now + (5 + soak_roll(&seed, 60)) * MS;
		}
		poll(NULL, 0, 2);
	}
	soak_set(&board->stop_publishers, 1);
	for (int seat = 0; seat < SEATS; seat++)
		go_on(&children[seat]);
	wait_for(0, SOAK_PUBLISHERS);
	soak_set(&board->stop_subscribers, 1);
	wait_for(SOAK_PUBLISHERS, SEATS);
	for (int seat = 0; seat < SEATS; seat++) {
		if (part_of(seat)->spared)
			judge_samples(seat);
	}
	if (names_left())
		SOAK_WRONG(board, "%u names are left in %s", names_left(), directory);
	report(began);
	clean_up();
	if (soak_get(&board->wrong))
		printf("soak: FAILED: %llu things are wrong (seed %s)\n",
		       (unsigned long long)soak_get(&board->wrong), argc > 2 ? argv[2] : "1");
	else
		printf("soak: all is well\n");
	return soak_get(&board->wrong) != 0;
}

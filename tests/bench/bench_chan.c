/*
 * bench_chan.c - what an element costs on its way through a channel, beside what the machine can do at all, in one run.
 *
 * Everything is between processes, over a memfd, with blocking calls unless said otherwise. A row is the median of several
 * windows, with the lowest and the highest. Two regimes, because they differ by much for the same code: "full", the receiver
 * is the slower one; and "chased", the sender is, and the receiver waits at the line that is being written.
 *
 * The limit (bare.h) is measured again before each window: processors of a virtual machine move, and then all figures change.
 * A row that carries lines is given as a share of it, too. (bench_chan_queues.c has the other libraries.)
 *
 * PLX_BENCH_QUICK: fewer and shorter. PLX_BENCH_ROW=text: only rows whose name contains it.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/plx.h>

#include "tests/bench/bare.h"

#define FOREVER   UINT64_MAX
#define PARTS_MAX 16

static int rounds = 5;
static uint64_t window_ns = 150000000;
static const char *only;

/* ---- tools ------------------------------------------------------------------------------------------- */

static bool wanted(const char *name)
{
	return !only || strstr(name, only);
}

static struct bare *bare;

#define TRIPS 20000
static double times[TRIPS];

/* ---- channels ------------------------------------------------------------------------------------------ */

enum places { TWO, ONE, FREE }; /* processors: one each; one for all; wherever */
enum regime { EVEN, FULL, CHASED };

struct row {
	const char *name;
	struct plx_channel_shape shape;
	int senders, receivers;
	uint32_t batch; /* 1: one per call; 0: the same, by value or in place */
	enum places places;
	enum regime regime;
	double must, aim;
	uint32_t per_line; /* elements in a line of 64 bytes; 0: do not compare */
};

static struct {
	const struct row *row;
	void *at;
	uint64_t room;
} now;

/*
 * A little work of one's own, a pause for every 64 elements: it makes this side the slower one. Nothing is counted in memory
 * for it: a store between two messages is part of what is measured.
 */
static inline void slow_down(enum regime regime, uint64_t i, uint32_t n)
{
	if ((i & 63) < n && now.row->regime == regime)
		relax();
}

static unsigned char many[256 * 64];

/* What is sent was written just before: a message that lies ready in the cache for ever is no message. */
static inline void write_many(uint64_t i, uint32_t n)
{
	uint32_t size = now.row->shape.size;

	for (uint32_t k = 0; k < n; k++)
		*(uint64_t *)(void *)(many + (uint64_t)k * size) = i + k;
}

static void lane_send(void *arg)
{
	struct plx_spsc_sender tx;
	uint32_t n = now.row->batch;

	(void)arg;
	must("sender", now.row->shape.kind == PLX_CHANNEL_MPSC
			       ? plx_mpsc_sender_open(&tx, now.at, now.room, 0)
			       : plx_spsc_sender_open(&tx, now.at, now.room, 0));
	if (n > 1) {
		for (uint64_t i = 0;; i += n) {
			write_many(i, n);
			must("send", plx_spsc_send_many(&tx, many, n, FOREVER));
			slow_down(CHASED, i, n);
		}
	}
	if (n == 0) {
		for (uint64_t i = 0;; i++) {
			must("send", plx_spsc_send_word(&tx, i, FOREVER));
			slow_down(CHASED, i, 1);
		}
	}
	for (uint64_t i = 0;; i++) {
		*(uint64_t *)(void *)many = i;
		must("send", plx_spsc_send(&tx, many, FOREVER));
		slow_down(CHASED, i, 1);
	}
}

static void spsc_recv(void *arg)
{
	struct plx_spsc_receiver rx;
	uint32_t n = now.row->batch;

	(void)arg;
	must("receiver", plx_spsc_receiver_open(&rx, now.at, now.room));
	if (n > 1) {
		for (uint64_t i = 0;; i += n) {
			must("recv", plx_spsc_recv_many(&rx, many, n, FOREVER));
			slow_down(FULL, i, n);
		}
	}
	for (uint64_t i = 0;; i++) {
		must("recv", plx_spsc_recv(&rx, many, FOREVER));
		slow_down(FULL, i, 1);
	}
}

static void mpsc_recv(void *arg)
{
	static struct plx_mpsc_receiver rx;
	uint32_t n = now.row->batch;

	(void)arg;
	must("receiver", plx_mpsc_receiver_open(&rx, now.at, now.room));
	for (;;)
		must("recv",
		     n > 1 ? plx_mpsc_recv_many(&rx, many, n, FOREVER) : plx_mpsc_recv(&rx, many, FOREVER));
}

static void mpmc_send(void *arg)
{
	struct plx_mpmc_sender tx;

	(void)arg;
	must("sender", plx_mpmc_sender_open(&tx, now.at, now.room, 0));
	for (;;)
		must("send", plx_mpmc_send(&tx, many, FOREVER));
}

static void mpmc_recv(void *arg)
{
	struct plx_mpmc_receiver rx;

	(void)arg;
	must("receiver", plx_mpmc_receiver_open(&rx, now.at, now.room));
	for (;;)
		must("recv", plx_mpmc_recv(&rx, many, FOREVER));
}

static void ring_send(void *arg)
{
	struct plx_ring_sender tx;
	uint32_t n = now.row->batch;

	(void)arg;
	must("sender", plx_ring_sender_open(&tx, now.at, now.room, 0));
	for (uint64_t i = 0;; i += n) {
		write_many(i, n);
		must("send",
		     n > 1 ? plx_ring_send_many(&tx, many, n, FOREVER) : plx_ring_send(&tx, many, FOREVER));
		slow_down(CHASED, i, n);
	}
}

static void ring_recv(void *arg)
{
	struct plx_ring_receiver rx;
	uint32_t n = now.row->batch;

	(void)arg;
	must("receiver", plx_ring_receiver_open(&rx, now.at, now.room));
	for (uint64_t i = 0;; i += n) {
		must("recv",
		     n > 1 ? plx_ring_recv_many(&rx, many, n, FOREVER) : plx_ring_recv(&rx, many, FOREVER));
		slow_down(FULL, i, n);
	}
}

static void post_send(void *arg)
{
	struct plx_post_sender tx;

	(void)arg;
	must("sender", plx_post_sender_open(&tx, now.at, now.room, 1));
	for (uint64_t i = 0; now.row->batch == 0; i++) {
		uint64_t *at;

		while (!(at = plx_post_reserve(&tx)))
			must("send", plx_post_wait_room(&tx, 0, FOREVER));
		for (int k = 0; k < 6; k++)
			at[k] = i;
		plx_post_commit(&tx, 3, i, 48);
		if (i % 256 == 0)
			plx_post_stamp(&tx);
		slow_down(CHASED, i, 1);
	}
	for (uint64_t i = 0;; i++) {
		*(uint64_t *)(void *)many = i;
		must("send", plx_post_send(&tx, 3, i, many, 48, FOREVER));
		if (i % 256 == 0)
			plx_post_stamp(&tx); /* a turn */
		slow_down(CHASED, i, 1);
	}
}

static void post_recv(void *arg)
{
	static struct plx_post_receiver rx;
	struct plx_envelope envelope;

	(void)arg;
	must("receiver", plx_post_receiver_open(&rx, now.at, now.room));
	for (uint64_t i = 0, sum = 0; now.row->batch == 0; i++) {
		const uint64_t *at;

		while (!(at = plx_post_peek(&rx, &envelope)))
			must("recv", plx_post_wait(&rx, FOREVER));
		sum += at[0] + at[5];
		__asm__ __volatile__("" : : "r"(sum));
		plx_post_release(&rx);
		slow_down(FULL, i, 1);
	}
	for (uint64_t i = 0;; i++) {
		must("recv", plx_post_recv(&rx, &envelope, many, FOREVER));
		slow_down(FULL, i, 1);
	}
}

static void (*const send_run[])(void *) = { [PLX_CHANNEL_SPSC] = lane_send,
					    [PLX_CHANNEL_MPSC] = lane_send,
					    [PLX_CHANNEL_MPMC] = mpmc_send,
					    [PLX_CHANNEL_RING] = ring_send,
					    [PLX_CHANNEL_POST] = post_send };
static void (*const recv_run[])(void *) = { [PLX_CHANNEL_SPSC] = spsc_recv,
					    [PLX_CHANNEL_MPSC] = mpsc_recv,
					    [PLX_CHANNEL_MPMC] = mpmc_recv,
					    [PLX_CHANNEL_RING] = ring_recv,
					    [PLX_CHANNEL_POST] = post_recv };

static uint64_t received(void)
{
	struct plx_channel_info info;

	must("info", plx_channel_info(now.at, now.room, &info));
	return info.stats.received;
}

static double one_window(const struct row *row)
{
	struct plx_segment seg;
	pid_t pids[PARTS_MAX];
	uint64_t n0, t0;
	double rate;
	int n = 0;

	now.row = row;
	now.room = plx_channel_bytes(&row->shape);
	must("create", plx_channel_create(&seg, "memfd", "plx:channel:bench", PLX_SEGMENT_INHERIT,
					  &row->shape, &now.at));
	for (int i = 0; i < row->receivers; i++)
		pids[n++] = start_process(recv_run[row->shape.kind], NULL,
					  row->places == FREE  ? -1
					  : row->places == ONE ? 0
							       : 1);
	for (int i = 0; i < row->senders; i++)
		pids[n++] = start_process(send_run[row->shape.kind], NULL, row->places == FREE ? -1 : 0);
	linger(20000000);
	n0 = received();
	t0 = plx_now_ns();
	linger(window_ns);
	rate = (double)(received() - n0) * 1e3 / (double)(plx_now_ns() - t0);
	stop_processes(pids, n);
	plx_segment_close(&seg);
	return rate;
}

static void run_row(const struct row *row)
{
	double values[32], share[32], limits[32], result;

	for (int i = 0; i < rounds; i++) {
		double limit = row->per_line ? bare_stream(bare) * row->per_line : 1;

		values[i] = one_window(row);
		share[i] = values[i] / limit;
		limits[i] = limit;
	}
	result = median(values, rounds);
	printf("%-40s %7.1f M/s  (%.1f to %.1f)", row->name, result, values[0], values[rounds - 1]);
	if (row->per_line)
		printf("  of the limit %.2f", median(share, rounds));
	if (row->must > 0)
		printf("  must %.0f, aim %.0f", row->must, row->aim);
	if (row->per_line && row->must > median(limits, rounds))
		printf(" (the limit was %.0f)", limits[rounds / 2]);
	printf("\n");
}

/* ---- latency ------------------------------------------------------------------------------------------- */

static void *way[2];

/* @arg: not NULL: look all the time. */
static void spsc_echo(void *arg)
{
	struct plx_spsc_receiver rx;
	struct plx_spsc_sender tx;
	uint64_t value;

	must("echo", plx_spsc_receiver_open(&rx, way[0], now.room));
	must("echo", plx_spsc_sender_open(&tx, way[1], now.room, 0));
	for (;;) {
		if (arg) {
			while (!plx_spsc_try_recv(&rx, &value))
				relax();
		} else {
			must("echo", plx_spsc_recv(&rx, &value, FOREVER));
		}
		must("echo", plx_spsc_send(&tx, &value, FOREVER));
	}
}

/* @rest: nanoseconds between trips, so that the other side sleeps. */
static double spsc_latency(bool poll, enum places places, uint64_t rest, int trips)
{
	static const struct plx_channel_shape shape = { .kind = PLX_CHANNEL_SPSC, .size = 8 };
	struct plx_segment seg[2];
	struct plx_spsc_receiver rx;
	struct plx_spsc_sender tx;
	uint64_t value;
	pid_t pid;

	now.room = plx_channel_bytes(&shape);
	for (int i = 0; i < 2; i++)
		must("create", plx_channel_create(&seg[i], "memfd", "plx:channel:bench", PLX_SEGMENT_INHERIT,
						  &shape, &way[i]));
	must("sender", plx_spsc_sender_open(&tx, way[0], now.room, 0));
	must("receiver", plx_spsc_receiver_open(&rx, way[1], now.room));
	pid = start_process(spsc_echo, poll ? way[0] : NULL, places == ONE ? 0 : 1);
	pin(0);
	for (int i = 0; i < trips; i++) {
		uint64_t t0;

		if (rest)
			usleep((useconds_t)(rest / 1000));
		t0 = plx_now_ns();
		must("send", plx_spsc_send(&tx, &t0, FOREVER));
		if (poll) {
			while (!plx_spsc_try_recv(&rx, &value))
				relax();
		} else {
			must("recv", plx_spsc_recv(&rx, &value, FOREVER));
		}
		times[i] = half_trip(t0);
	}
	stop_processes(&pid, 1);
	for (int i = 0; i < 2; i++)
		plx_segment_close(&seg[i]);
	return median(times, trips);
}

static void asleep(const char *name, enum places places, uint64_t rest, int trips, const char *goal)
{
	double mine[32], futexes[32], yields[32];

	for (int i = 0; i < rounds; i++) {
		double futex = futex_latency(places == ONE ? 0 : 1, rest, times, trips);
		double yield = places == ONE ? yield_latency(times, trips) : 1;

		mine[i] = spsc_latency(false, places, rest, trips);
		futexes[i] = mine[i] / futex;
		yields[i] = mine[i] / yield;
		mine[i] *= 2e-3;
	}
	printf("%-40s %7.1f us   (%.1f to %.1f)  to bare futexes %.2f", name, median(mine, rounds), mine[0],
	       mine[rounds - 1], median(futexes, rounds));
	if (places == ONE)
		printf(", to two changes of process %.2f", median(yields, rounds));
	printf("  %s\n", goal);
}

static void latencies(void)
{
	double limit[32], ratio[32], mine[32];

	for (int i = 0; i < rounds; i++) {
		limit[i] = bare_latency(bare, times, TRIPS);
		mine[i] = spsc_latency(true, TWO, 0, TRIPS);
		ratio[i] = mine[i] / limit[i];
	}
	printf("%-40s %7.0f ns\n", "one way, a bare line", median(limit, rounds));
	printf("%-40s %7.0f ns   to the bare line %.2f  must 1.2, aim 1.1\n", "one way, spsc 8 B, looking",
	       median(mine, rounds), median(ratio, rounds));
	for (int i = 0; i < rounds; i++) {
		limit[i] = bare_latency(bare, times, TRIPS);
		mine[i] = spsc_latency(false, TWO, 0, TRIPS);
		ratio[i] = mine[i] / limit[i];
	}
	printf("%-40s %7.0f ns   to the bare line %.2f\n", "one way, spsc 8 B, blocking calls",
	       median(mine, rounds), median(ratio, rounds));
	asleep("there and back, asleep, two processors", TWO, 200000, 200, "must 66");
	asleep("there and back, asleep, one processor", ONE, 0, 5000, "must 2.5");
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

#define SPSC(bytes, n)                                                                                       \
	{                                                                                                    \
		.kind = PLX_CHANNEL_SPSC, .size = bytes, .count = n                                          \
	}
#define MPSC(bytes, n)                                                                                       \
	{                                                                                                    \
		.kind = PLX_CHANNEL_MPSC, .size = bytes, .count = n                                          \
	}
#define MPMC(bytes, n)                                                                                       \
	{                                                                                                    \
		.kind = PLX_CHANNEL_MPMC, .size = bytes, .count = n                                          \
	}
#define RING(bytes, n)                                                                                       \
	{                                                                                                    \
		.kind = PLX_CHANNEL_RING, .size = bytes, .count = n                                          \
	}
#define POST(bytes, n)                                                                                       \
	{                                                                                                    \
		.kind = PLX_CHANNEL_POST, .size = bytes, .count = n, .senders = 1                            \
	}

static const struct row rows[] = {
	{ "spsc 8 B, one per call, full", SPSC(8, 40000), 1, 1, 1, TWO, FULL, 150, 300, 7 },
	{ "spsc 8 B, one per call, chased", SPSC(8, 40000), 1, 1, 1, TWO, CHASED, 150, 300, 7 },
	{ "spsc word, one per call, full", SPSC(8, 40000), 1, 1, 0, TWO, FULL, 150, 300, 7 },
	{ "spsc word, one per call, chased", SPSC(8, 40000), 1, 1, 0, TWO, CHASED, 150, 300, 7 },
	{ "spsc 8 B, batch 32, full", SPSC(8, 40000), 1, 1, 32, TWO, FULL, 440, 650, 7 },
	{ "spsc 8 B, batch 32, chased", SPSC(8, 40000), 1, 1, 32, TWO, CHASED, 440, 650, 7 },
	{ "ring 8 B, batch 32, full", RING(8, 40000), 1, 1, 32, TWO, FULL, 440, 650, 8 },
	{ "ring 8 B, batch 32, chased", RING(8, 40000), 1, 1, 32, TWO, CHASED, 440, 650, 8 },
	{ "envelope + 48 B, one per call, full", POST(48, 6000), 1, 1, 1, TWO, FULL, 100, 210, 1 },
	{ "envelope + 48 B, one per call, chased", POST(48, 6000), 1, 1, 1, TWO, CHASED, 100, 210, 1 },
	{ "envelope + 48 B, in place, full", POST(48, 6000), 1, 1, 0, TWO, FULL, 100, 210, 1 },
	{ "envelope + 48 B, in place, chased", POST(48, 6000), 1, 1, 0, TWO, CHASED, 100, 210, 1 },
	{ "ring 64 B, batch 32, full", RING(64, 6000), 1, 1, 32, TWO, FULL, 180, 280, 1 },
	{ "ring 64 B, batch 32, chased", RING(64, 6000), 1, 1, 32, TWO, CHASED, 180, 280, 1 },
	{ "spsc 56 B, one per call, full", SPSC(56, 6000), 1, 1, 1, TWO, FULL, 0, 0, 1 },
	{ "spsc 56 B, one per call, chased", SPSC(56, 6000), 1, 1, 1, TWO, CHASED, 0, 0, 1 },
	{ "spsc 8 B, one per call, ONE processor", SPSC(8, 1024), 1, 1, 1, ONE, EVEN, 15, 30, 0 },
	{ "spsc 8 B, batch 32, ONE processor", SPSC(8, 1024), 1, 1, 32, ONE, EVEN, 0, 0, 0 },
	{ "ring 8 B, batch 32, ONE processor", RING(8, 1024), 1, 1, 32, ONE, EVEN, 0, 0, 0 },
	{ "envelope + 48 B, ONE processor", POST(48, 1024), 1, 1, 1, ONE, EVEN, 0, 0, 0 },
	{ "spsc 56 B, one per call, ONE processor", SPSC(56, 1024), 1, 1, 1, ONE, EVEN, 0, 0, 0 },
	{ "mpsc 8 B, 2P1C, one per call", MPSC(8, 16384), 2, 1, 1, FREE, EVEN, 60, 180, 0 },
	{ "mpsc 8 B, 2P1C, batch 32", MPSC(8, 16384), 2, 1, 32, FREE, EVEN, 150, 300, 0 },
	{ "mpmc 8 B, 1P1C", MPMC(8, 1024), 1, 1, 1, FREE, EVEN, 40, 60, 0 },
	{ "mpmc 8 B, 2P1C", MPMC(8, 1024), 2, 1, 1, FREE, EVEN, 40, 60, 0 },
	{ "mpmc 8 B, 1P2C", MPMC(8, 1024), 1, 2, 1, FREE, EVEN, 40, 60, 0 },
	{ "mpmc 8 B, 2P2C", MPMC(8, 1024), 2, 2, 1, FREE, EVEN, 40, 60, 0 },
	{ "mpmc 8 B, 4P4C", MPMC(8, 1024), 4, 4, 1, FREE, EVEN, 40, 60, 0 },
	{ "mpmc 8 B, 1P1C, ONE processor", MPMC(8, 1024), 1, 1, 1, ONE, EVEN, 15, 30, 0 },
};

int main(void)
{
	double lines[2][32];

	bare = shared(sizeof(*bare));
	only = getenv("PLX_BENCH_ROW");
	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 3;
		window_ns = 50000000;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	go_first();
	for (int i = 0; i < 2 * rounds; i++)
		lines[i % 2][i / 2] = bare_stream_as(bare, i % 2);
	for (int k = 0; k < 2; k++)
		printf("%-40s %7.1f M/s  (%.1f to %.1f)\n",
		       k ? "limit: ... taken eight at a time" : "limit: lines, 32 at a time",
		       median(lines[k], rounds), lines[k][0], lines[k][rounds - 1]);
	if (wanted("one way"))
		latencies();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wanted(rows[i].name))
			run_row(&rows[i]);
	return 0;
}

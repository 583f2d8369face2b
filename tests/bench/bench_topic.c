/*
 * bench_topic.c - what a message costs, beside what the machine can do at all, in one run.
 *
 *	latency     half a round trip of two processes on two processors; ratio to a bare cache line handed back and forth
 *	publish     what one publish costs with 1, 8, 128 subscribers
 *	loan        a slot loaned and dropped, with many free and with one
 *
 * Prints the median of ROUNDS rounds and their spread. With PLX_BENCH_QUICK set in the environment: fewer and shorter.
 */
#include "tests/bench/trip.h"

/* ---- latency -------------------------------------------------------------------------------------- */

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

	topic_begin();
	calibrate();
	if (all || strcmp(only, "latency") == 0)
		bench_latency();
	if (all || strcmp(only, "publish") == 0)
		bench_publish();
	if (all || strcmp(only, "loan") == 0)
		bench_loan();
	rmdir(directory);
	return 0;
}

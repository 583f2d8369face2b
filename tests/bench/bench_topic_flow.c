/*
 * bench_topic_flow.c - how much goes through, beside what the machine can do at all, in one run.
 *
 *	throughput  one publisher, one subscriber, nothing lost: one per call, sixteen, loaned; ratio to a bare ring of lines
 *	data        every byte written and summed
 *
 * Prints the median of ROUNDS rounds and their spread. With PLX_BENCH_QUICK set in the environment: fewer and shorter.
 */
#include "tests/bench/trip.h"

/* ---- throughput ------------------------------------------------------------------------------------- */

struct flow {
	const char *name;
	uint64_t size, count;
	bool inside, fill;
	uint32_t at_once; /* messages in one call */
	uint32_t depth;
	int subscribers;
};

/*
 * The time of each hundredth part of a flow: who else wants the processor spoils some of them, and the median is
 * that of the others.
 */
#define PARTS 100

struct pace {
	uint64_t part, next, last;
	int n;
	double ns[PARTS];
};

static struct pace pace_of(uint64_t count)
{
	return (struct pace){ .part = count / PARTS ? count / PARTS : 1, .next = 1 };
}

/* The message before number @i was read. */
static void keep_pace(struct pace *pace, uint64_t i)
{
	uint64_t now;

	if (i != pace->next)
		return;
	now = plx_now_ns();
	if (pace->last && pace->n < PARTS)
		pace->ns[pace->n++] = (double)(now - pace->last) / (double)pace->part;
	pace->last = now;
	pace->next += pace->part;
}

/* The limit: entries of one line in turn, and slots beside them, by loads and stores and nothing else. */
struct bare {
	uint64_t told __attribute__((aligned(128)));
	struct bare_entry {
		uint64_t sequence, words[7];
	} entries[] __attribute__((aligned(128)));
};

static uint64_t bare_slots(const struct flow *f)
{
	uint64_t fit = (UINT64_C(8) << 20) / f->size, slots = f->depth + 64;

	return fit <= f->depth ? f->depth + 1 : fit < slots ? fit : slots;
}

/* Out of all caches: between far processors whoever writes them next has them sooner from memory. */
static void drop_lines(const void *first, uint64_t bytes)
{
#if defined(__x86_64__)
	for (uint64_t i = 0; i < bytes; i += 64)
		__asm__ __volatile__("clflushopt %0" : "+m"(*((char *)(uintptr_t)first + i)));
#else
	(void)first;
	(void)bytes;
#endif
}

static void take_bare(const struct flow *f, struct bare *bare, const char *slots, double *ns, bool drop)
{
	struct pace pace = pace_of(f->count);
	uint64_t count = bare_slots(f), told = 0;

	pin(1);
	for (uint64_t i = 0; i < f->count; i++) {
		struct bare_entry *entry = &bare->entries[i & (f->depth - 1)];

		while (__atomic_load_n(&entry->sequence, __ATOMIC_ACQUIRE) != i + 1)
			relax();
		read_payload(f->inside ? (const char *)entry->words : slots + i % count * f->size, f->size, i,
			     f->fill);
		if ((i + 1) % (f->depth / 8) == 0 || i + 1 == f->count) {
			for (; drop && told <= i; told++) {
				drop_lines(&bare->entries[told & (f->depth - 1)], 64);
				drop_lines(slots + told % count * f->size, f->inside ? 0 : f->size);
			}
			__atomic_store_n(&bare->told, i + 1, __ATOMIC_RELEASE);
		}
		keep_pace(&pace, i + 1);
	}
	*ns = median(pace.ns, pace.n);
	_exit(0);
}

static double run_bare_as(const struct flow *f, bool drop)
{
	size_t size = sizeof(struct bare) + f->depth * sizeof(struct bare_entry);
	uint64_t count = bare_slots(f), told = 0;
	struct bare *bare = shared(size);
	char *slots = shared(count * f->size);
	double *ns = shared(4096), result;
	pid_t pid = fork();

	if (pid == 0)
		take_bare(f, bare, slots, ns, drop);
	pin(0);
	usleep(1000);
	for (uint64_t i = 0; i < f->count; i++) {
		struct bare_entry *entry = &bare->entries[i & (f->depth - 1)];

		while (i - told >= f->depth) {
			told = __atomic_load_n(&bare->told, __ATOMIC_ACQUIRE);
			if (i - told >= f->depth)
				relax();
		}
		write_payload(f->inside ? (char *)entry->words : slots + i % count * f->size, f->size, i,
			      f->fill);
		__atomic_store_n(&entry->sequence, i + 1, __ATOMIC_RELEASE);
	}
	await(pid);
	result = *ns;
	munmap(bare, size);
	munmap(slots, count * f->size);
	munmap(ns, 4096);
	return result;
}

/* The better way. */
static double run_bare(const struct flow *f)
{
	double plain = run_bare_as(f, false), dropped = run_bare_as(f, true);

	return plain < dropped ? plain : dropped;
}

static void take_flow(const struct flow *f, double *ns, int cpu)
{
	struct plx_subscriber *sub = open_subscriber("flow",
						     (struct plx_subscriber_options){ .polling = true });
	struct pace pace = pace_of(f->count);
	uint64_t t0 = 0, empty = 0;
	struct plx_buffer b;

	if (cpu >= 0)
		pin(cpu);
	connect_to(sub, 1);
	for (uint64_t i = 0; i < f->count;) {
		int ret = plx_subscriber_take(sub, &b);

		if (ret == 0) {
			if (cpu < 0 && ++empty > 20)
				sched_yield();
			else
				relax();
			continue;
		}
		empty = 0;
		must("take", ret);
		if (i == 0)
			t0 = plx_now_ns();
		read_payload(b.data, f->size, i, f->fill);
		plx_buffer_release(&b);
		keep_pace(&pace, ++i);
	}
	/* many on few processors: being kept from them is part of it */
	*ns = cpu >= 0 ? median(pace.ns, pace.n) : (double)(plx_now_ns() - t0) / (double)f->count;
	plx_subscriber_close(sub);
	_exit(0);
}

static void send_some(struct plx_publisher *pub, uint64_t number, uint32_t n)
{
	uint64_t numbers[64];

	for (uint32_t k = 0; k < n; k++)
		numbers[k] = number + k;
	must("send many", plx_publisher_send_many(pub, numbers, sizeof(*numbers), n));
}

/* A loop of its own for each: what a compiler keeps on the stack is stores between the messages. */
static __attribute__((noinline)) void send_8(struct plx_publisher *pub, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, 8, i, true, false);
}

static __attribute__((noinline)) void send_40(struct plx_publisher *pub, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, 40, i, true, false);
}

static __attribute__((noinline)) void send_loaned(struct plx_publisher *pub, uint64_t size, uint64_t count,
						  bool fill)
{
	for (uint64_t i = 0; i < count; i++)
		send_one(pub, size, i, false, fill);
}

static void send_flow(struct plx_publisher *pub, const struct flow *f)
{
	if (f->at_once > 1) {
		for (uint64_t i = 0; i < f->count; i += f->at_once)
			send_some(pub, i, f->at_once);
	} else if (f->inside && f->size == 8) {
		send_8(pub, f->count);
	} else if (f->inside) {
		send_40(pub, f->count);
	} else {
		send_loaned(pub, f->size, f->count, f->fill);
	}
}

/* ns per message, at the first subscriber. */
static double run_flow(const struct flow *f)
{
	struct plx_publisher *pub = open_publisher(
		"flow", (struct plx_publisher_options){ .slot_size = f->size < 64 ? 64 : f->size,
							.depth = f->depth });
	double *ns = shared(4096), result;
	pid_t pids[16];

	for (int i = 0; i < f->subscribers; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			take_flow(f, &ns[i], f->subscribers == 1 ? 1 : -1);
	}
	if (f->subscribers == 1)
		pin(0);
	must("wait for subscribers",
	     plx_publisher_wait_subscribers(pub, (uint32_t)f->subscribers, UINT64_MAX));
	usleep(20000);
	send_flow(pub, f);
	plx_publisher_flush(pub);
	for (int i = 0; i < f->subscribers; i++)
		await(pids[i]);
	result = ns[0];
	munmap(ns, 4096);
	plx_publisher_close(pub);
	return result;
}

static void bench_flow(struct flow f)
{
	double ns[ROUNDS_MAX], ratio[ROUNDS_MAX], limit[ROUNDS_MAX], line[ROUNDS_MAX], m;

	f.count = f.count / shorten / 64 * 64;
	for (int round = 0; round < rounds; round++) {
		line[round] = bare_line(20000).p50;
		limit[round] = f.subscribers == 1 ? run_bare(&f) : line[round];
		ns[round] = run_flow(&f);
		ratio[round] = ns[round] / limit[round];
	}
	m = median(ns, rounds);
	printf("%-28s %7.2f M/s %8.1f ns %6.2f GB/s", f.name, 1e3 / m, m, (double)f.size / m);
	if (f.subscribers == 1)
		printf("  bare ring %8.1f ns  ratio %5.2f", median(limit, rounds), median(ratio, rounds));
	printf("  (rounds: %.1f ... %.1f; bare line %.0f)\n", ns[0], ns[rounds - 1], median(line, rounds));
	fflush(stdout);
}

static void bench_flows(bool data)
{
	static const struct flow rows[] = {
		{ "8 B inside, one per call", 8, 5000000, true, false, 1, 1024, 1 },
		{ "40 B inside, one per call", 40, 5000000, true, false, 1, 1024, 1 },
		{ "8 B inside, 16 per call", 8, 5000000, true, false, 16, 1024, 1 },
		{ "64 B loaned", 64, 3000000, false, false, 1, 1024, 1 },
		{ "8 B inside, to 8 subscribers", 8, 1000000, true, false, 1, 1024, 8 },
		{ "filled and summed, 4 KiB", 4096, 500000, false, true, 1, 1024, 1 },
		{ "filled and summed, 64 KiB", 65536, 50000, false, true, 1, 64, 1 },
		{ "filled and summed, 1 MiB", 1 << 20, 2000, false, true, 1, 16, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].fill == data)
			bench_flow(rows[i]);
	}
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	bool all = *only == '\0';

	topic_begin();
	calibrate();
	if (all || strcmp(only, "throughput") == 0)
		bench_flows(false);
	if (all || strcmp(only, "data") == 0)
		bench_flows(true);
	rmdir(directory);
	return 0;
}

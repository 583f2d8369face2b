/*
 * bench_way.c - where the nanoseconds of a message's way go: from a bare cache line to publish and take, a step at a time.
 *
 * Two processes on two processors answer each other, each step for a while, in turns, all of it ROUNDS times:
 *
 *	line       one line each way, handed back and forth
 *	log        a line of its own for each message, in turn
 *	payload    and 40 bytes in it
 *	position   and the writer's own position and bytes
 *	cursor     and the reader's own cursor: what a log needs at least
 *	message    plx_publisher_send(), plx_subscriber_take(), plx_buffer_release()
 *
 * TRIPS round trips are one sample, so that no clock is read between a message and its answer. With PLX_BENCH_QUICK set in
 * the environment: fewer rounds.
 */
#include <string.h>

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define ROUNDS_MAX 15
#define DEPTH      64 /* lines of a log */
#define SAMPLES    200
#define TRIPS      50

struct word {
	uint64_t value __attribute__((aligned(128)));
	uint64_t second;
};

/* What both processes have; [0] is written by the first one, [1] by the second. */
struct common {
	struct word line[2], position[2], cursor[2];
	uint64_t log[2][DEPTH][8] __attribute__((aligned(4096)));
};

static struct common *common;
static int me;
static struct plx_publisher *pub;
static struct plx_subscriber *sub;

static inline __attribute__((always_inline)) void await_word(const uint64_t *word, uint64_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		relax();
}

/* ---- the steps ------------------------------------------------------------------------------------ */

#define STEP static inline __attribute__((always_inline)) void

STEP put_line(uint64_t i)
{
	__atomic_store_n(&common->line[me].value, i, __ATOMIC_RELEASE);
}

STEP get_line(uint64_t i)
{
	await_word(&common->line[!me].value, i);
}

STEP put_log(uint64_t i)
{
	__atomic_store_n(&common->log[me][i % DEPTH][0], i, __ATOMIC_RELEASE);
}

STEP get_log(uint64_t i)
{
	await_word(&common->log[!me][i % DEPTH][0], i);
}

STEP put_payload(uint64_t i)
{
	uint64_t *entry = common->log[me][i % DEPTH];

	for (int k = 3; k < 8; k++)
		__atomic_store_n(&entry[k], i, __ATOMIC_RELAXED);
	__atomic_store_n(&entry[0], i, __ATOMIC_RELEASE);
}

STEP get_payload(uint64_t i)
{
	const uint64_t *entry = common->log[!me][i % DEPTH];

	await_word(&entry[0], i);
	for (int k = 3; k < 8; k++)
		must("payload", __atomic_load_n(&entry[k], __ATOMIC_RELAXED) == i ? 0 : -EBADMSG);
}

STEP put_position(uint64_t i)
{
	put_payload(i);
	__atomic_store_n(&common->position[me].value, i, __ATOMIC_RELAXED);
	__atomic_store_n(&common->position[me].second, i * 40, __ATOMIC_RELAXED);
}

STEP get_cursor(uint64_t i)
{
	get_payload(i);
	__atomic_store_n(&common->cursor[me].value, i, __ATOMIC_RELEASE);
}

STEP put_message(uint64_t i)
{
	const uint64_t payload[5] = { i, i, i, i, i };

	must("send", plx_publisher_send(pub, payload, sizeof(payload)));
}

STEP get_message(uint64_t i)
{
	uint64_t payload[5];
	struct plx_buffer b;
	int ret;

	while ((ret = plx_subscriber_take(sub, &b)) == 0)
		relax();
	must("take", ret);
	memcpy(payload, b.data, sizeof(payload));
	for (int k = 0; k < 5; k++)
		must("payload", payload[k] == i ? 0 : -EBADMSG);
	plx_buffer_release(&b);
}

/* Who is first sends @SAMPLES times @TRIPS and gets its answers; ns of one way, the median of the samples. */
#define WALK(name, put, get)                                                                                 \
	static __attribute__((noinline)) double name(uint64_t i)                                             \
	{                                                                                                    \
		double ns[SAMPLES];                                                                          \
                                                                                                             \
		for (int sample = 0; sample < SAMPLES; sample++) {                                           \
			uint64_t begin = plx_now_ns();                                                       \
                                                                                                             \
			for (int trip = 0; trip < TRIPS; trip++, i++) {                                      \
				if (me == 0)                                                                 \
					put(i);                                                              \
				get(i);                                                                      \
				if (me == 1)                                                                 \
					put(i);                                                              \
			}                                                                                    \
			ns[sample] = (double)(plx_now_ns() - begin) / (2 * TRIPS);                           \
		}                                                                                            \
		return median(ns, SAMPLES);                                                                  \
	}

WALK(walk_line, put_line, get_line)
WALK(walk_log, put_log, get_log)
WALK(walk_payload, put_payload, get_payload)
WALK(walk_position, put_position, get_payload)
WALK(walk_cursor, put_position, get_cursor)
WALK(walk_message, put_message, get_message)

static const struct {
	const char *name;
	double (*walk)(uint64_t first);
} steps[] = {
	{ "bare line, handed back and forth", walk_line }, { "a line for each message, of 64", walk_log },
	{ "... with 40 B in it", walk_payload },           { "... and the writer's position", walk_position },
	{ "... and the reader's cursor", walk_cursor },    { "publish, take, release", walk_message },
};
#define STEPS (int)(sizeof(steps) / sizeof(*steps))

/* ---- both sides ------------------------------------------------------------------------------------ */

static void open_both(const char *directory)
{
	const struct plx_publisher_options po = { .directory = directory, .slot_size = 64, .depth = DEPTH };
	const struct plx_subscriber_options so = { .directory = directory, .polling = true };
	struct plx_subscriber_stats stats;

	must("open a publisher", plx_publisher_open(&pub, me ? "back" : "forth", &po));
	must("open a subscriber", plx_subscriber_open(&sub, me ? "forth" : "back", &so));
	pin(me);
	do {
		(void)!plx_subscriber_wait(sub, 1000000);
		plx_subscriber_stats(sub, &stats);
	} while (stats.publishers == 0);
	must("wait for the other", plx_publisher_wait_subscribers(pub, 1, UINT64_MAX));
}

static void close_both(void)
{
	plx_subscriber_flush(sub);
	must("drain", plx_publisher_drain(pub, UINT64_MAX));
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

int main(void)
{
	char directory[] = "/tmp/plx-bench.XXXXXX";
	int rounds = getenv("PLX_BENCH_QUICK") ? 3 : ROUNDS_MAX;
	double ns[STEPS][ROUNDS_MAX], ratio[STEPS][ROUNDS_MAX];
	uint64_t first = 1;
	pid_t pid;

	if (!mkdtemp(directory))
		must("make a directory", -errno);
	go_first();
	common = shared(sizeof(*common));
	pid = fork();
	must("fork", pid);
	me = pid == 0;
	open_both(directory);
	for (int round = 0; round < rounds; round++) {
		for (int k = 0; k < STEPS; k++, first += SAMPLES * TRIPS) {
			ns[k][round] = steps[k].walk(first);
			ratio[k][round] = ns[k][round] / ns[0][round];
		}
	}
	close_both();
	if (me)
		_exit(0);
	await(pid);
	for (int k = 0; k < STEPS; k++)
		printf("%-34s %6.1f ns  ratio %5.2f  (rounds: %.2f ... %.2f)\n", steps[k].name,
		       median(ns[k], rounds), median(ratio[k], rounds), ratio[k][0], ratio[k][rounds - 1]);
	rmdir(directory);
	return 0;
}

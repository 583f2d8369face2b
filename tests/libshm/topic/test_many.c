/*
 * test_many.c - thousands of subscribers of one topic, decided when they attach and not when the topic was made; and what
 * is said where the machine's limits are met.
 */
#include "pair.h"

#include <sys/resource.h>

#include "base/sys.h"

#define MANY     4096u
#define CHILDREN 4u
#define MS       UINT64_C(1000000)

/* As many descriptors as the machine lets us have; how many that is. */
static rlim_t raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

/* ---- very many -------------------------------------------------------------------------------------------- */

struct crew {
	uint32_t gate;            /* see gate_wait() */
	uint32_t ready[CHILDREN]; /* subscribers that are connected */
	uint32_t each;
};

static struct crew *crew;

/* Half of them reliable, some of them asleep. */
static int attach_many(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, each = crew->each;
	struct plx_subscriber **subs = calloc(each, sizeof(struct plx_subscriber *));
	struct plx_subscriber_stats stats;
	struct plx_buffer b;

	alarm(120);
	CHECK(subs);
	plx_fault_door = "inotify";
	plx_fault_error = EMFILE;
	for (uint32_t i = 0; i < each; i++) {
		plx_fault_seen = 0;
		plx_fault_at =
			0; /* a user has 128 of them, and other tests need some: we look by the clock */
		subs[i] = subscriber((struct plx_subscriber_options){
			.reading = i % 2 ? PLX_READ_LOSSY : PLX_READ_RELIABLE, .spin_ns = 1 });
		do {
			(void)!plx_subscriber_wait(subs[i], 50 * MS);
			plx_subscriber_stats(subs[i], &stats);
		} while (stats.publishers == 0);
		__atomic_store_n(&crew->ready[me], i + 1, __ATOMIC_RELEASE);
	}
	plx_fault_at = -1;
	for (uint32_t i = 0; i < each; i += 64)
		(void)!plx_subscriber_arm(subs[i]);
	__atomic_store_n(&crew->ready[me], each + 1, __ATOMIC_RELEASE);
	gate_wait(&crew->gate, 1);
	for (uint32_t i = 0; i < each; i++) {
		for (uint64_t n = 0; n < 100; n++) {
			CHECK(take(subs[i], &b) == 1);
			CHECK(memcmp(b.data, &n, sizeof(n)) == 0);
			plx_buffer_release(&b);
		}
		plx_subscriber_flush(subs[i]);
	}
	for (uint32_t i = 0; i < each; i++)
		plx_subscriber_close(subs[i]);
	free(subs);
	return 0;
}

static void thousands_attach_and_each_gets_every_message(void **state)
{
	struct plx_publisher_stats stats;
	rlim_t limit = raise_limit();
	uint32_t many = MANY;
	struct plx_publisher *pub;
	pid_t kids[CHILDREN];
	uint64_t begun, took, joined;

	(void)state;
#ifdef PLX_SAN
	many = 256; /* what is measured is memory and descriptors, and those cost more here */
#endif
	if (limit < many * 3 + 256) /* what the machine allows: a publisher has three descriptors for each */
		many = (uint32_t)(limit - 256) / 3;
	crew = (struct crew *)(void *)gate_open();
	crew->each = many / CHILDREN;
	many = crew->each * CHILDREN;
	for (uint32_t i = 0; i < CHILDREN; i++)
		kids[i] = start(attach_many, (void *)(uintptr_t)i);
	begun = plx_now_ns();
	pub = publisher(
		(struct plx_publisher_options){ .slot_size = 64, .depth = 128, .subscribers_max = MANY });
	assert_int_equal(plx_publisher_wait_subscribers(pub, many, 100 * SECOND), 0);
	joined = plx_now_ns() - begun;
	for (uint32_t i = 0; i < CHILDREN; i++) {
		while (__atomic_load_n(&crew->ready[i], __ATOMIC_ACQUIRE) != crew->each + 1)
			sleep_ms(1);
	}
	begun = plx_now_ns();
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(plx_publisher_send(pub, &i, sizeof(i)), 0);
	took = plx_now_ns() - begun;
	print_message("%u subscribers attached in %.2f s; 100 messages to them took %.1f us each\n", many,
		      (double)joined / 1e9, (double)took / 1e5);
	assert_true(took < as_busy(5 * SECOND)); /* a line of each, and a call for each that sleeps */
	gate_call(&crew->gate, 1);
	for (uint32_t i = 0; i < CHILDREN; i++)
		assert_int_equal(finish(kids[i]), 0);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.joined, many);
	plx_publisher_close(pub);
	gate_close((uint32_t *)(void *)crew);
}

/* ---- where the limits are --------------------------------------------------------------------------------- */

/* Has room for three subscribers and a bit. */
static int publish_with_few_descriptors(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct rlimit limit;
	uint32_t *gate = arg;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)plx_sys_dup(0) + 3 * 3 + 2;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	gate_call(gate, 1);
	gate_wait(gate, 2);
	plx_publisher_close(pub);
	return 0;
}

static void who_comes_when_descriptors_are_used_up_is_told_so_and_let_in_later(void **state)
{
	uint32_t *gate = gate_open(), n = 0;
	pid_t pid = start(publish_with_few_descriptors, gate);
	struct plx_subscriber_stats stats = { 0 };
	struct plx_subscriber *subs[16];
	uint64_t end = plx_now_ns() + 10 * SECOND;

	(void)state;
	gate_wait(gate, 1);
	while (stats.refused == 0 && n < COUNT_OF(subs)) {
		subs[n] = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		do {
			(void)!plx_subscriber_wait(subs[n], 20 * MS);
			plx_subscriber_stats(subs[n], &stats);
		} while (stats.publishers == 0 && stats.refused == 0 && plx_now_ns() < end);
		n++;
	}
	assert_in_range(n, 3, 6);
	assert_int_equal(stats.refused_why, -EMFILE);
	assert_non_null(strstr(plx_subscriber_refusal(subs[n - 1]), "open files"));
	plx_subscriber_close(subs[0]);
	assert_true(connected(subs[n - 1], 1));
	for (uint32_t i = 1; i < n; i++)
		plx_subscriber_close(subs[i]);
	gate_call(gate, 2);
	assert_int_equal(finish(pid), 0);
	gate_close(gate);
}

/* ---- one that takes all it can get ------------------------------------------------------------------------ */

#define FEW  192u /* descriptors of the publisher that is flooded */
#define DONE 1000000u

/* Says at the gate how many descriptors it can still open, when asked. */
static int publish_while_flooded(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct rlimit limit = { FEW, FEW };
	uint32_t *gate = arg, n = 0;

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	gate_call(gate, 1);
	gate_wait(gate, 2);
	while (plx_sys_dup(0) >= 0)
		n++;
	gate_call(gate, 100 + n);
	gate_wait(gate, 3 + DONE);
	_exit(pub == NULL); /* with all those descriptors */
}

/* Connects until it is refused: how often it got in. It stays. */
static uint32_t greedy(struct plx_subscriber **subs, uint32_t most)
{
	struct plx_subscriber_stats stats = { 0 };
	uint32_t n = 0;

	plx_fault_door = "inotify"; /* as above */
	plx_fault_error = EMFILE;
	while (stats.refused == 0 && n < most) {
		plx_fault_seen = 0;
		plx_fault_at = 0;
		subs[n] = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		do {
			(void)!plx_subscriber_wait(subs[n], 20 * MS);
			plx_subscriber_stats(subs[n], &stats);
		} while (stats.publishers == 0 && stats.refused == 0);
		n++;
	}
	plx_fault_at = -1;
	plx_fault_door = NULL;
	plx_fault_error = 0;
	return stats.refused ? n - 1 : n;
}

/* Calls why it was refused at last, times 1000, and how often it was not. */
static int take_all_there_is(void *arg)
{
	static struct plx_subscriber *subs[FEW];
	struct plx_subscriber_stats stats;
	uint32_t *gate = arg, n = greedy(subs, FEW);

	plx_subscriber_stats(subs[n], &stats);
	gate_call(gate, (uint32_t)-stats.refused_why * 1000 + n);
	gate_wait(gate, DONE);
	for (uint32_t i = 0; i <= n; i++)
		plx_subscriber_close(subs[i]);
	return 0;
}

static uint32_t heard(const uint32_t *gate, uint32_t least)
{
	uint32_t n;

	while ((n = __atomic_load_n(gate, __ATOMIC_ACQUIRE)) < least)
		sleep_ms(1);
	return n;
}

static void one_process_cannot_use_up_a_publishers_descriptors(void **state)
{
	uint32_t *gate = gate_open(), *one = gate_open(), *another = gate_open(), got;
	pid_t pid = start(publish_while_flooded, gate), first, second;
	struct plx_subscriber *sub;

	(void)state;
	gate_wait(gate, 1);
	first = start(take_all_there_is, one);
	got = heard(one, 1);
	assert_int_equal(got / 1000, EUSERS);
	assert_in_range(got % 1000, FEW / 12, FEW / 6); /* about half of what there is */
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_true(connected(sub, 1)); /* others get in beside it */
	second = start(take_all_there_is, another);
	got = heard(another, 1) / 1000;
	assert_true(got == EMFILE || got == EPIPE); /* and before everything is used up */
	gate_call(gate, 2);
	assert_in_range(heard(gate, 100) - 100, FEW / 64, FEW); /* the program can open its files */
	gate_call(gate, 3 + DONE);
	assert_int_equal(finish(pid), 0);
	gate_call(one, DONE);
	gate_call(another, DONE);
	assert_int_equal(finish(first), 0);
	assert_int_equal(finish(second), 0);
	plx_subscriber_close(sub);
	gate_close(gate);
	gate_close(one);
	gate_close(another);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_attach_and_each_gets_every_message),
		cmocka_unit_test(who_comes_when_descriptors_are_used_up_is_told_so_and_let_in_later),
		cmocka_unit_test(one_process_cannot_use_up_a_publishers_descriptors),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

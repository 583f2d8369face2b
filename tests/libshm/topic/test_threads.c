/*
 * test_threads.c - one publisher, several threads that loan, write, drop and publish at once.
 *
 * With threads as readers, for ThreadSanitizer, and with processes, for truth. Each thread numbers its own messages, so
 * a slot that two of them had at once, a message lost or doubled, or one that overtook another of its thread shows.
 */
#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/plx.h>

#define THREADS 4u
#define SIZE    256u

/* What a message says; longer ones repeat it to their end. */
struct told {
	uint32_t thread;
	uint32_t number;
};

struct crew {
	struct plx_publisher *pub;
	uint32_t count; /* messages of each */
	_Atomic uint32_t wrong;
};

struct hand {
	struct crew *crew;
	uint32_t thread;
	pthread_t id;
};

static void fill(void *data, struct told told, uint32_t length)
{
	for (uint32_t i = 0; i + sizeof(told) <= length; i += sizeof(told))
		memcpy((char *)data + i, &told, sizeof(told));
}

static bool whole(const void *data, struct told told, uint64_t length)
{
	for (uint64_t i = 0; i + sizeof(told) <= length; i += sizeof(told)) {
		if (memcmp((const char *)data + i, &told, sizeof(told)) != 0)
			return false;
	}
	return length >= sizeof(told);
}

/* Loans two, drops one, publishes the other; now and then sends what fits into an entry. */
static void *work(void *arg)
{
	struct hand *hand = arg;
	struct crew *crew = hand->crew;

	for (uint32_t n = 0; n < crew->count; n++) {
		struct told told = { hand->thread, n };
		struct plx_loan one, two;
		int ret;

		if (n % 5 == 0) {
			ret = plx_publisher_send(crew->pub, &told, sizeof(told));
		} else {
			ret = plx_publisher_loan(crew->pub, &one);
			if (ret == 0) {
				fill(one.data, told, SIZE);
				ret = plx_publisher_loan(crew->pub, &two);
			}
			if (ret == 0) {
				fill(two.data, (struct told){ 99, 99 }, SIZE);
				plx_publisher_drop(crew->pub, &two);
				if (!whole(one.data, told, SIZE)) /* somebody else had it too */
					crew->wrong++;
				ret = plx_publisher_publish(crew->pub, &one, SIZE);
			}
		}
		if (ret < 0) {
			crew->wrong++;
			break;
		}
	}
	return NULL;
}

/* Everything of every thread, in its order; the number of what was wrong. */
static uint32_t read_all(const char *directory, uint32_t count, bool keep)
{
	struct plx_subscriber_options o = { .directory = directory };
	struct plx_buffer kept[8] = { PLX_BUFFER_NONE }, b;
	struct told is[8];
	uint32_t next[THREADS] = { 0 }, wrong = 0, taken = 0;
	struct plx_subscriber *sub;

	if (plx_subscriber_open(&sub, "crew", &o) < 0)
		return 1000;
	while (taken < THREADS * count) {
		int ret = plx_subscriber_take(sub, &b);
		struct told told;

		if (ret == 0) {
			(void)!plx_subscriber_wait(sub, UINT64_C(1000000000));
			continue;
		}
		if (ret < 0)
			return 2000;
		memcpy(&told, b.data, sizeof(told));
		if (told.thread >= THREADS || told.number != next[told.thread] ||
		    !whole(b.data, told, b.length))
			wrong++;
		else
			next[told.thread]++;
		if (keep) { /* some stay for a while, and stay as they are */
			uint32_t i = taken % 8;

			if (kept[i].holder && !whole(kept[i].data, is[i], kept[i].length))
				wrong++;
			plx_buffer_release(&kept[i]);
			kept[i] = b;
			is[i] = told;
		} else {
			plx_buffer_release(&b);
		}
		taken++;
	}
	for (uint32_t i = 0; i < 8; i++)
		plx_buffer_release(&kept[i]);
	plx_subscriber_close(sub);
	return wrong;
}

struct reading {
	const char *directory;
	uint32_t count, wrong;
	bool keep;
};

static void *read_thread(void *arg)
{
	struct reading *r = arg;

	r->wrong = read_all(r->directory, r->count, r->keep);
	return NULL;
}

static void start(struct crew *crew, struct hand *hands, const char *directory, uint32_t count,
		  uint32_t slots)
{
	struct plx_publisher_options o = {
		.slot_size = SIZE, .depth = 32, .slots = slots, .directory = directory, .threads = true
	};

	*crew = (struct crew){ .count = count };
	assert_int_equal(plx_publisher_open(&crew->pub, "crew", &o), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		hands[i] = (struct hand){ .crew = crew, .thread = i };
}

static void run(struct crew *crew, struct hand *hands, uint32_t readers)
{
	assert_int_equal(plx_publisher_wait_subscribers(crew->pub, readers, UINT64_MAX), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&hands[i].id, NULL, work, &hands[i]), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(hands[i].id, NULL);
	assert_int_equal(crew->wrong, 0);
	assert_int_equal(plx_publisher_drain(crew->pub, UINT64_MAX), 0);
}

static void finish(struct crew *crew, uint32_t slots)
{
	struct plx_publisher_stats stats;
	struct plx_loan *loans = calloc(slots, sizeof(*loans));

	assert_non_null(loans);
	plx_publisher_stats(crew->pub, &stats);
	assert_int_equal(stats.published, THREADS * crew->count);
	for (uint32_t i = 0; i < slots; i++) /* nothing leaked */
		assert_int_equal(plx_publisher_loan(crew->pub, &loans[i]), 0);
	for (uint32_t i = 0; i < slots; i++)
		plx_publisher_drop(crew->pub, &loans[i]);
	free(loans);
	plx_publisher_close(crew->pub);
}

/* Nothing but loans, as close together as can be: who has which? */
static _Atomic uint32_t owner[64];

static void *only_loan(void *arg)
{
	struct hand *hand = arg;
	struct crew *crew = hand->crew;

	for (uint32_t n = 0; n < crew->count; n++) {
		struct plx_loan loans[4];

		for (int i = 0; i < 4; i++) {
			if (plx_publisher_loan(crew->pub, &loans[i]) < 0) {
				crew->wrong++;
				return NULL;
			}
			if (atomic_exchange(&owner[loans[i].slot], hand->thread + 1) != 0)
				crew->wrong++;
		}
		for (int i = 0; i < 4; i++) {
			atomic_store(&owner[loans[i].slot], 0);
			plx_publisher_drop(crew->pub, &loans[i]);
		}
	}
	return NULL;
}

static void a_slot_is_loaned_to_one_thread_at_a_time(void **state)
{
	char *directory = make_directory();
	struct hand hands[THREADS];
	struct crew crew;

	(void)state;
	start(&crew, hands, directory, LONG_LOOP(100000), 64);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&hands[i].id, NULL, only_loan, &hands[i]), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(hands[i].id, NULL);
	assert_int_equal(crew.wrong, 0);
	crew.count = 0;
	finish(&crew, 64);
	drop_directory(directory);
}

static void threads_loan_and_publish_at_once_for_threads(void **state)
{
	char *directory = make_directory();
	struct reading reading[2] = { { directory, LONG_LOOP(4000), 0, false },
				      { directory, LONG_LOOP(4000), 0, true } };
	struct hand hands[THREADS];
	pthread_t readers[2];
	struct crew crew;

	(void)state;
	start(&crew, hands, directory, LONG_LOOP(4000), 20);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_thread, &reading[i]), 0);
	run(&crew, hands, 2);
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i], NULL);
		assert_int_equal(reading[i].wrong, 0);
	}
	finish(&crew, 20);
	drop_directory(directory);
}

static void threads_loan_and_publish_at_once_for_processes(void **state)
{
	char *directory = make_directory();
	struct hand hands[THREADS];
	struct crew crew;
	pid_t pids[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(read_all(directory, LONG_LOOP(4000), i == 1) != 0);
	}
	start(&crew, hands, directory, LONG_LOOP(4000), 200);
	run(&crew, hands, 2);
	for (int i = 0; i < 2; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	finish(&crew, 200);
	drop_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_is_loaned_to_one_thread_at_a_time),
		cmocka_unit_test(threads_loan_and_publish_at_once_for_threads),
		cmocka_unit_test(threads_loan_and_publish_at_once_for_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_pool.c - each slot has one holder at a time, whoever claims and drops: threads, processes, one writer. */
#include <plx/pool.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/support/support.h"

#define STRIDE 64u

/* A pool over anonymous memory that children share. */
static struct plx_pool make(uint32_t slots)
{
	size_t bitmap = plx_pool_bitmap_size(slots);
	unsigned char *memory = mmap(NULL, bitmap + (size_t)slots * STRIDE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct plx_pool pool;

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(plx_pool_init(&pool, memory, memory + bitmap, slots, STRIDE), 0);
	return pool;
}

static void drop_pool(struct plx_pool *pool)
{
	munmap(pool->words, plx_pool_bitmap_size(pool->slots) + (size_t)pool->slots * STRIDE);
}

static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 128, 511, 512, 513, 4097 };

static void the_bitmap_takes_whole_lines(void **state)
{
	(void)state;
	assert_int_equal(plx_pool_bitmap_size(0), 0);
	assert_int_equal(plx_pool_bitmap_size(1), 64);
	assert_int_equal(plx_pool_bitmap_size(512), 64);
	assert_int_equal(plx_pool_bitmap_size(513), 128);
	assert_int_equal(plx_pool_bitmap_size(UINT32_MAX), 1ull << 29);
}

/* Claim all, find it exhausted, drop all, in both ways of claiming. */
static void every_slot_is_claimed_once_and_then_there_are_none(void **state)
{
	uint32_t (*claims[])(struct plx_pool *) = { plx_pool_claim, plx_pool_claim_one };
	void (*drops[])(struct plx_pool *, uint32_t) = { plx_pool_drop, plx_pool_drop_one };
	const char *why = NULL;

	(void)state;
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		for (size_t way = 0; way < 2; way++) {
			struct plx_pool pool = make(sizes[s]);

			assert_int_equal(plx_pool_free(&pool), sizes[s]);
			for (uint32_t i = 0; i < sizes[s]; i++) {
				assert_int_equal(claims[way](&pool), i); /* lowest first */
				assert_int_equal(plx_pool_check(&pool, &why), 0);
			}
			assert_int_equal(claims[way](&pool), PLX_SLOT_NONE);
			assert_int_equal(plx_pool_free(&pool), 0);
			drops[way](&pool, sizes[s] - 1);
			assert_int_equal(claims[way](&pool), sizes[s] - 1);
			for (uint32_t i = 0; i < sizes[s]; i += 3)
				drops[way](&pool, i);
			assert_int_equal(plx_pool_free(&pool), (sizes[s] + 2) / 3);
			for (uint32_t i = 0; i < sizes[s]; i += 3)
				assert_int_equal(claims[way](&pool), i);
			assert_int_equal(claims[way](&pool), PLX_SLOT_NONE);
			for (uint32_t i = 0; i < sizes[s]; i++)
				drops[way](&pool, i);
			assert_int_equal(plx_pool_free(&pool), sizes[s]);
			assert_int_equal(plx_pool_check(&pool, &why), 0);
			assert_int_equal(claims[way](&pool), 0); /* the hint went back */
			assert_ptr_equal(plx_pool_slot(&pool, 0), pool.base);
			drop_pool(&pool);
		}
	}
}

static void a_slot_just_dropped_is_the_next_one_claimed(void **state)
{
	struct plx_pool pool = make(1000);

	(void)state;
	for (int i = 0; i < 700; i++)
		assert_int_not_equal(plx_pool_claim(&pool), PLX_SLOT_NONE);
	plx_pool_drop(&pool, 3);
	assert_int_equal(plx_pool_claim(&pool), 3);
	plx_pool_drop_one(&pool, 5);
	assert_int_equal(plx_pool_claim_one(&pool), 5);
	assert_int_equal(plx_pool_claim_one(&pool), 700);
	drop_pool(&pool);
}

static void a_wrong_hint_costs_a_search_and_no_slot(void **state)
{
	struct plx_pool pool = make(130);

	(void)state;
	for (uint32_t hint = 0; hint < 10; hint++) {
		pool.hint = hint == 9 ? UINT32_MAX : hint;
		assert_int_not_equal(plx_pool_claim(&pool), PLX_SLOT_NONE);
		pool.hint = hint == 9 ? UINT32_MAX : hint;
		assert_int_not_equal(plx_pool_claim_one(&pool), PLX_SLOT_NONE);
	}
	assert_int_equal(plx_pool_free(&pool), 110);
	pool.hint = 2;
	for (int i = 0; i < 110; i++)
		assert_int_not_equal(plx_pool_claim(&pool), PLX_SLOT_NONE);
	assert_int_equal(plx_pool_claim(&pool), PLX_SLOT_NONE);
	drop_pool(&pool);
}

static void a_geometry_that_makes_no_sense_is_refused(void **state)
{
	static _Alignas(64) unsigned char words[128], base[4096];
	struct plx_pool pool;

	(void)state;
	assert_int_equal(plx_pool_init(&pool, words, base, 0, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base, PLX_SLOT_NONE, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base, 4, 0), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base, 4, 100), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words + 1, base, 4, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base + 8, 4, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, NULL, base, 4, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, NULL, 4, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base, 1u << 31, 1ull << 33), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, words, base, 4, 1024), 0);
}

static void attaching_leaves_the_bitmap_as_it_is(void **state)
{
	struct plx_pool pool = make(100), view;

	(void)state;
	plx_pool_claim(&pool);
	plx_pool_claim(&pool);
	assert_int_equal(plx_pool_attach(&view, pool.words, pool.base, 100, STRIDE), 0);
	assert_int_equal(plx_pool_free(&view), 98);
	assert_int_equal(plx_pool_claim(&view), 2);
	drop_pool(&pool);
}

static void the_checker_finds_any_damage_beyond_the_last_slot(void **state)
{
	struct plx_pool pool = make(70), broken;
	const char *why = NULL;

	(void)state;
	for (uint32_t bit = 0; bit < 512; bit++) {
		pool.words[bit / 64] ^= 1ull << (bit % 64);
		assert_int_equal(plx_pool_check(&pool, &why), bit < 70 ? 0 : -EBADMSG);
		if (bit >= 70) {
			assert_string_equal(why, "a bit beyond the last slot is set");
			for (int i = 0; i < 70; i++) /* and nobody gets a slot that is none */
				assert_true(plx_pool_claim(&pool) < 70);
			assert_int_equal(plx_pool_claim(&pool), PLX_SLOT_NONE);
			assert_int_equal(plx_pool_claim_one(&pool), PLX_SLOT_NONE);
			assert_int_equal(plx_pool_free(&pool), 0);
			for (uint32_t i = 0; i < 70; i++)
				plx_pool_drop(&pool, i);
		}
		pool.words[bit / 64] ^= 1ull << (bit % 64);
	}
	broken = pool;
	broken.stride = 63;
	assert_int_equal(plx_pool_check(&broken, &why), -EBADMSG);
	broken = pool;
	broken.slots = 0;
	assert_int_equal(plx_pool_check(&broken, &why), -EBADMSG);
	drop_pool(&pool);
}

#ifndef NDEBUG
static int drop_twice(void *arg)
{
	struct plx_pool *pool = arg;
	uint32_t slot = plx_pool_claim(pool);

	fclose(stderr);
	plx_pool_drop(pool, slot);
	plx_pool_drop(pool, slot);
	return 0;
}

static void dropping_a_free_slot_is_a_bug_that_shows(void **state)
{
	struct plx_pool pool = make(4);

	(void)state;
	assert_int_equal(run_in_child(drop_twice, &pool), -SIGABRT);
	drop_pool(&pool);
}
#endif

/* ---- together ---- */

struct crew {
	struct plx_pool *pool;
	uint64_t id;
	int rounds;
	int failures;
};

/* Claim up to three, mark each as ours with plain stores, see that nobody else did, drop. */
static void *work(void *arg)
{
	struct crew *crew = arg;
	struct plx_pool pool = *crew->pool; /* a view of its own: the hint is private */
	uint32_t held[3];

	for (int i = 0; i < crew->rounds; i++) {
		int n = 0;

		while (n < 1 + i % 3) {
			uint32_t slot = plx_pool_claim(&pool);

			if (slot == PLX_SLOT_NONE)
				break;
			*(uint64_t *)plx_pool_slot(&pool, slot) = crew->id;
			held[n++] = slot;
		}
		for (int k = 0; k < n; k++)
			crew->failures += *(uint64_t *)plx_pool_slot(&pool, held[k]) != crew->id;
		while (n > 0)
			plx_pool_drop(&pool, held[--n]);
	}
	return NULL;
}

static void threads_never_hold_one_slot_at_once(void **state)
{
	struct plx_pool pool = make(7); /* fewer than they want */
	struct crew crew[4];
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(crew); i++) {
		crew[i] = (struct crew){ &pool, i + 1, LONG_LOOP(200000), 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &crew[i]), 0);
	}
	for (size_t i = 0; i < COUNT_OF(crew); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(crew[i].failures, 0);
	}
	assert_int_equal(plx_pool_free(&pool), 7);
	drop_pool(&pool);
}

static void threads_may_share_one_view(void **state)
{
	struct plx_pool pool = make(200);
	pthread_t threads[2];
	struct crew crew[2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(crew); i++) {
		crew[i] = (struct crew){ &pool, i + 1, LONG_LOOP(100000), 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &crew[i]), 0);
	}
	for (int i = 0; i < LONG_LOOP(100000); i++) {
		uint32_t slot = plx_pool_claim(&pool);

		assert_int_not_equal(slot, PLX_SLOT_NONE);
		plx_pool_drop(&pool, slot);
	}
	for (size_t i = 0; i < COUNT_OF(crew); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plx_pool_free(&pool), 200);
	drop_pool(&pool);
}

static void processes_never_hold_one_slot_at_once(void **state)
{
	struct plx_pool pool = make(7);
	pid_t pids[3];
	int status;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct crew crew = { &pool, i + 1, LONG_LOOP(200000), 0 };

			alarm(30);
			work(&crew);
			_exit(crew.failures != 0);
		}
	}
	for (size_t i = 0; i < COUNT_OF(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(plx_pool_free(&pool), 7);
	drop_pool(&pool);
}

/* Killed at any moment, a process costs at most the slots it held; the bitmap stays sound and the others go on. */
static void a_killed_process_damages_nothing(void **state)
{
	struct plx_pool pool = make(100);
	const char *why = NULL;
	int status;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		struct crew crew = { &pool, 9, 1000, 0 };

		assert_true(pid >= 0);
		if (pid == 0) {
			crew.rounds = INT32_MAX;
			alarm(30);
			work(&crew);
			_exit(0);
		}
		work(&crew);
		sleep_ms(1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(crew.failures, 0);
		assert_int_equal(plx_pool_check(&pool, &why), 0);
		assert_true(plx_pool_free(&pool) >= 100 - 3 * (uint32_t)(i + 1));
	}
	drop_pool(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bitmap_takes_whole_lines),
		cmocka_unit_test(every_slot_is_claimed_once_and_then_there_are_none),
		cmocka_unit_test(a_slot_just_dropped_is_the_next_one_claimed),
		cmocka_unit_test(a_wrong_hint_costs_a_search_and_no_slot),
		cmocka_unit_test(a_geometry_that_makes_no_sense_is_refused),
		cmocka_unit_test(attaching_leaves_the_bitmap_as_it_is),
		cmocka_unit_test(the_checker_finds_any_damage_beyond_the_last_slot),
#ifndef NDEBUG
		cmocka_unit_test(dropping_a_free_slot_is_a_bug_that_shows),
#endif
		cmocka_unit_test(threads_never_hold_one_slot_at_once),
		cmocka_unit_test(threads_may_share_one_view),
		cmocka_unit_test(processes_never_hold_one_slot_at_once),
		cmocka_unit_test(a_killed_process_damages_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

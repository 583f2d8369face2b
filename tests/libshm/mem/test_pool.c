/* test_pool.c - slots under a bitmap: nobody gets a slot that somebody has, alone, among threads, among processes. */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <plx/pool.h>

#include "tests/support/support.h"

#define STRIDE 64u

struct fixture {
	char *memory; /* shared with children of fork() */
	size_t size;
	struct plx_pool pool;
};

static struct fixture make(uint32_t slots)
{
	struct fixture f = { .size = plx_pool_bitmap_size(slots) + (uint64_t)slots * STRIDE };

	f.memory = mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f.memory, MAP_FAILED);
	assert_int_equal(
		plx_pool_init(&f.pool, f.memory, f.memory + plx_pool_bitmap_size(slots), slots, STRIDE), 0);
	return f;
}

static void drop(struct fixture *f)
{
	const char *why;

	assert_int_equal(plx_pool_check(&f->pool, &why), 0);
	munmap(f->memory, f->size);
}

typedef uint32_t claim_fn(struct plx_pool *pool);
typedef void drop_fn(struct plx_pool *pool, uint32_t slot);

static void walk(uint32_t slots, claim_fn *claim, drop_fn *give_back)
{
	struct fixture f = make(slots);
	uint8_t *seen = calloc(slots, 1);

	for (uint32_t i = 0; i < slots; i++) {
		uint32_t slot = claim(&f.pool);

		assert_true(slot < slots);
		assert_int_equal(seen[slot]++, 0);
	}
	assert_int_equal(claim(&f.pool), PLX_SLOT_NONE);
	assert_int_equal(plx_pool_free(&f.pool), 0);
	for (uint32_t slot = 0; slot < slots; slot += 3)
		give_back(&f.pool, slot);
	assert_int_equal(plx_pool_free(&f.pool), (slots + 2) / 3);
	for (uint32_t slot = 0; slot < slots; slot += 3)
		assert_int_not_equal(claim(&f.pool), PLX_SLOT_NONE);
	assert_int_equal(claim(&f.pool), PLX_SLOT_NONE);
	free(seen);
	drop(&f);
}

static void every_slot_is_handed_out_once(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 128, 511, 512, 513, 4097 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		walk(sizes[i], plx_pool_claim, plx_pool_drop);
		walk(sizes[i], plx_pool_claim_one, plx_pool_drop_one);
	}
}

static void the_slot_dropped_last_is_claimed_next(void **state)
{
	struct fixture f = make(1024);

	(void)state;
	for (int i = 0; i < 700; i++)
		(void)plx_pool_claim_one(&f.pool);
	plx_pool_drop_one(&f.pool, 650);
	assert_int_equal(plx_pool_claim_one(&f.pool), 650);
	plx_pool_drop(&f.pool, 3);
	assert_int_equal(plx_pool_claim(&f.pool), 3);
	drop(&f);
}

static void bad_geometry_is_refused(void **state)
{
	struct fixture f = make(8);
	struct plx_pool pool;

	(void)state;
	assert_int_equal(plx_pool_init(&pool, f.memory, f.memory + 64, 0, STRIDE), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, f.memory, f.memory + 64, PLX_SLOT_NONE, STRIDE), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, f.memory, f.memory + 64, 8, 0), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, f.memory, f.memory + 64, 8, 65), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, f.memory, f.memory + 63, 8, 64), -EINVAL);
	assert_int_equal(plx_pool_init(&pool, f.memory + 4, f.memory + 64, 8, 64), -EINVAL);
	drop(&f);
}

static void the_checker_sees_a_bit_beyond_the_last_slot(void **state)
{
	struct fixture f = make(70);
	const char *why;

	(void)state;
	for (uint32_t bit = 70; bit < 512; bit++) {
		f.pool.words[bit / 64] |= UINT64_C(1) << bit % 64;
		assert_int_equal(plx_pool_check(&f.pool, &why), -EBADMSG);
		assert_non_null(why);
		f.pool.words[bit / 64] &= ~(UINT64_C(1) << bit % 64);
	}
	drop(&f);
}

/*
 * Many claimers on few slots. Who holds a slot writes its name into it, looks again later, and finds nobody else's.
 * The words of the slot are plain: it is the pool that orders one holder after another.
 */
struct claimer {
	struct plx_pool *pool;
	uint64_t name;
	uint64_t clashes;
};

static void *claim_and_drop(void *arg)
{
	struct claimer *me = arg;

	for (int i = 0; i < LONG_LOOP(200000); i++) {
		uint32_t slot = plx_pool_claim(me->pool);
		uint64_t *payload;

		if (slot == PLX_SLOT_NONE)
			continue;
		payload = plx_pool_slot(me->pool, slot);
		payload[0] = me->name;
		payload[7] = me->name;
		if (payload[0] != me->name || payload[7] != me->name)
			me->clashes++;
		plx_pool_drop(me->pool, slot);
	}
	return NULL;
}

static void threads_never_share_a_slot(void **state)
{
	struct fixture f = make(3);
	struct claimer claimer[4];
	pthread_t thread[4];

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		claimer[i] = (struct claimer){ .pool = &f.pool, .name = i + 1 };
		assert_int_equal(pthread_create(&thread[i], NULL, claim_and_drop, &claimer[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(claimer[i].clashes, 0);
	}
	assert_int_equal(plx_pool_free(&f.pool), 3);
	drop(&f);
}

static void processes_never_share_a_slot(void **state)
{
	struct fixture f = make(3);
	pid_t pid[4];

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			struct plx_pool mine;
			struct claimer claimer = { .pool = &mine, .name = i + 1 };

			if (plx_pool_attach(&mine, f.pool.words, f.pool.base, 3, STRIDE) < 0)
				_exit(2);
			claim_and_drop(&claimer);
			_exit(claimer.clashes != 0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(plx_pool_free(&f.pool), 3);
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slot_is_handed_out_once),
		cmocka_unit_test(the_slot_dropped_last_is_claimed_next),
		cmocka_unit_test(bad_geometry_is_refused),
		cmocka_unit_test(the_checker_sees_a_bit_beyond_the_last_slot),
		cmocka_unit_test(threads_never_share_a_slot),
		cmocka_unit_test(processes_never_share_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

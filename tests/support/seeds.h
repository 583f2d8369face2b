/* seeds.h - what the programs beside the fuzzers share: seeds, changes to them that are the same in each run, three tests. */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include "tests/support/support.h"

#include <assert.h>
#include <string.h>

/*
 * A program includes its fuzzer, fills seeds[], and calls seeds_main(), which also writes them to a folder (--seeds FOLDER).
 */
#define SEED_MAX  4096
#define SEEDS_MAX 200

struct seed {
	size_t size;
	unsigned char bytes[SEED_MAX];
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static long seed_changes = 100000; /* inputs tried */

static struct seed *seed_new(unsigned char how)
{
	struct seed *seed = &seeds[seed_count++];

	assert(seed_count <= SEEDS_MAX);
	seed->bytes[0] = how;
	seed->size = 1;
	return seed;
}

static void seed_add(struct seed *seed, const void *bytes, size_t size)
{
	assert(seed->size + size <= SEED_MAX);
	memcpy(seed->bytes + seed->size, bytes, size);
	seed->size += size;
}

static uint64_t seed_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A few small changes, of the kinds a fuzzer makes. */
static void seed_change(struct seed *seed)
{
	static const unsigned char odd[] = { 0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff };
	uint64_t changes = 1 + seed_random() % 4;

	while (changes-- > 0 && seed->size > 0) {
		uint64_t r = seed_random();
		size_t at = (r >> 8) % seed->size, n = 1 + (r >> 40) % 8;

		switch (r % 6) {
		case 0: seed->bytes[at] ^= (unsigned char)(1 << (r >> 32) % 8); break;
		case 1: seed->bytes[at] = (unsigned char)(r >> 32); break;
		case 2: seed->bytes[at] = odd[(r >> 32) % sizeof(odd)]; break;
		case 3: seed->size = at; break;
		case 4: /* repeat the rest */
			if (seed->size + (seed->size - at) <= SEED_MAX) {
				memcpy(seed->bytes + seed->size, seed->bytes + at, seed->size - at);
				seed->size += seed->size - at;
			}
			break;
		default: /* leave some out */
			if (at + n < seed->size) {
				memmove(seed->bytes + at, seed->bytes + at + n, seed->size - at - n);
				seed->size -= n;
			}
			break;
		}
	}
}

static void the_seeds_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < seed_count; i++)
		LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
	LLVMFuzzerTestOneInput((const unsigned char *)"", 0);
}

static void whatever_is_changed_in_a_seed_holds(void **state)
{
	struct seed seed;
	int fds = count_open_fds();

	(void)state;
	for (long i = 0; i < LONG_LOOP(seed_changes); i++) {
		seed = seeds[seed_random() % seed_count];
		seed_change(&seed);
		LLVMFuzzerTestOneInput(seed.bytes, seed.size);
	}
	assert_int_equal(count_open_fds(), fds);
}

static void noise_holds(void **state)
{
	unsigned char noise[256];

	(void)state;
	for (long i = 0; i < LONG_LOOP(seed_changes / 4); i++) {
		for (size_t j = 0; j < sizeof(noise); j++)
			noise[j] = (unsigned char)(seed_random() >> 24);
		LLVMFuzzerTestOneInput(noise, seed_random() % sizeof(noise));
	}
}

static int seeds_write(const char *folder)
{
	char path[4096];
	FILE *file;

	for (size_t i = 0; i < seed_count; i++) {
		snprintf(path, sizeof(path), "%s/seed-%03zu", folder, i);
		file = fopen(path, "we");
		if (!file || fwrite(seeds[i].bytes, seeds[i].size, 1, file) != 1 || fclose(file) != 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

static int seeds_main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seeds_hold),
		cmocka_unit_test(whatever_is_changed_in_a_seed_holds),
		cmocka_unit_test(noise_holds),
	};

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return seeds_write(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif

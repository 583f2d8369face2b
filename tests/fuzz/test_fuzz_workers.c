/*
 * test_fuzz_workers.c - the fuzzer of pools as a plain program: seeds, and damage that is the same in each run.
 *
 *	test_fuzz_workers --seeds FOLDER    writes the seeds, for make fuzz
 *
 * Timeout: 120
 */
#include "tests/support/support.h"

#include "tests/fuzz/fuzz_workers.c"

static uint64_t state = 1;

static uint32_t roll(uint32_t below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % below;
}

/* Words that are near something: small, a power of two, nearly the largest, of a message, or anything. */
static uint64_t word(void)
{
	static const uint64_t some[] = {
		0, 1, 2, 3, 0xffff, UINT32_MAX, UINT64_MAX, UINT64_MAX - 7, 1ull << 63, 0xffffffff00000001ull
	};

	switch (roll(5)) {
	case 0: return some[roll(COUNT_OF(some))];
	case 1: return 1ull << roll(64);
	case 2: return roll(256);
	case 3:
		return PLX_POST_WORD((uint64_t)(1 + roll(2)) << 56 | roll(1 << 24), roll(8), roll(16384),
				     roll(4));
	default: return (uint64_t)roll(UINT32_MAX) << 32 | roll(UINT32_MAX);
	}
}

static size_t make(struct fuzz_poke *pokes, uint32_t n, uint32_t what)
{
	memset(pokes, 0, n * sizeof(*pokes));
	for (uint32_t i = 0; i < n; i++)
		pokes[i] = (struct fuzz_poke){ .what = (uint8_t)(roll(2) ? 22 * (what % 5) + what % 11
									 : roll(256)),
					       .where = (uint16_t)(roll(2) ? roll(32) : roll(65536)),
					       .word = word() };
	return n * sizeof(*pokes);
}

/* Nothing is damaged: then the checker is content, and all of it was seen by somebody. */
static void what_is_whole_is_found_whole(void **unused)
{
	const char *why = NULL;

	(void)unused;
	LLVMFuzzerTestOneInput((const unsigned char *)"", 0);
	if (plx_workers_check(&pool.map.seg, &why) != 0)
		fail_msg("%s", why);
	assert_true(sum > 0);
}

static void damage_leads_nobody_astray(void **unused)
{
	struct fuzz_poke pokes[8];

	(void)unused;
	for (uint32_t n = 0; n < LONG_LOOP(1000); n++) {
		size_t size = make(pokes, 1 + roll(8), n);

		LLVMFuzzerTestOneInput((const unsigned char *)pokes, size);
	}
}

/* What a request says of its length is not believed, nor what an entry of an outbox says. */
static void lengths_are_not_believed(void **unused)
{
	struct fuzz_poke pokes[2] = { { 0 } };

	(void)unused;
	for (uint32_t place = 0; place < FUZZ_PLACES; place++)
		for (uint16_t where = 0; where < 24; where++) {
			pokes[0] = (struct fuzz_poke){ .what = (uint8_t)place,
						       .where = where,
						       .word = UINT64_MAX };
			pokes[1] = (struct fuzz_poke){ .what = (uint8_t)(place + 11 * 12),
						       .where = where,
						       .word = ~0x7ull };
			LLVMFuzzerTestOneInput((const unsigned char *)pokes, sizeof(pokes));
			for (uint64_t lap = 1; lap < 3; lap++) {
				pokes[0].word = PLX_POST_WORD(lap << 56 | 1, 4, 16383, 3);
				LLVMFuzzerTestOneInput((const unsigned char *)pokes, sizeof(*pokes));
			}
		}
}

static int write_seeds(const char *folder)
{
	struct fuzz_poke pokes[8];
	char path[4096];

	for (uint32_t s = 0; s < 64; s++) {
		size_t size = make(pokes, 1 + s % 8, s);
		FILE *file;

		snprintf(path, sizeof(path), "%s/seed-%02u", folder, s);
		file = fopen(path, "w");
		if (!file || fwrite(pokes, 1, size, file) != size || fclose(file) != 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whole_is_found_whole),
		cmocka_unit_test(damage_leads_nobody_astray),
		cmocka_unit_test(lengths_are_not_believed),
	};

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return write_seeds(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

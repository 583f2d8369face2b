/*
 * test_fuzz_handshake.c - the fuzzer of the handshake as a plain program: seeds, and mutations that are the same in each run.
 *
 *	test_fuzz_handshake --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/support/support.h"

#include "tests/fuzz/fuzz_handshake.c"

#define SEED_MAX  2048
#define SEEDS_MAX 160

struct seed {
	size_t size;
	unsigned char bytes[SEED_MAX];
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;

static struct seed *seed_new(unsigned char how)
{
	struct seed *seed = &seeds[seed_count++];

	assert(seed_count <= SEEDS_MAX);
	seed->bytes[0] = how;
	seed->size = 1;
	return seed;
}

static void add(struct seed *seed, const void *bytes, size_t size)
{
	assert(seed->size + size <= SEED_MAX);
	memcpy(seed->bytes + seed->size, bytes, size);
	seed->size += size;
}

static void add_datagram(struct seed *seed, unsigned char fds, const void *bytes, uint32_t size)
{
	unsigned char head[3] = { fds, (unsigned char)size, (unsigned char)(size >> 8) };

	add(seed, head, 3);
	add(seed, bytes, size);
}

static void add_event(struct seed *seed, unsigned char event)
{
	unsigned char head[2] = { 0xff, event };

	add(seed, head, 2);
}

/* Every message on its own, and the ways a connection goes. */
static void seeds_make(void)
{
	unsigned char hello[PLX_HANDSHAKE_MAX], grant[PLX_HANDSHAKE_MAX], refuse[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal = { EUSERS, 1, 1, 0xfeed, "no room" };
	struct plx_terms terms = TERMS;
	uint32_t hello_size, grant_size, refuse_size;
	struct seed *seed;
	unsigned char how;

	terms.version_min = terms.version_max = 1;
	hello_size = plx_hello_encode(hello, &terms);
	grant_size = plx_grant_encode(grant, &GRANT);
	refuse_size = plx_refuse_encode(refuse, &refusal);
	add(seed_new(0), hello, hello_size);
	add(seed_new(1), grant, grant_size);
	add(seed_new(2), refuse, refuse_size);
	for (how = 3; how < 32; how += 8) {
		seed = seed_new(how);
		add_datagram(seed, 0, hello, hello_size);
		add_event(seed, PLX_EVENT_DEADLINE);
		add_datagram(seed, 0, "", 1);
		seed = seed_new(how + 2);
		add_datagram(seed, PLX_GRANT_FDS, grant, grant_size);
		add_datagram(seed, 0, "", 1);
		add_event(seed, PLX_EVENT_DEADLINE);
		add_datagram(seed, 0, "\x6e", 1);
	}
	for (int what = 0; what < 128; what = what < 8 ? what + 1 : what * 2) {
		for (how = 6; how < 8;
		     how++) { /* with keys: all as it should be, changed in one place, and too much of it */
			const unsigned char scripts[][12] = {
				{ (unsigned char)what, 0xfe, 0, 0xfe, 0, 0xff, 0 },
				{ (unsigned char)what, 0xfe, 1, 150, 1, 0xfe, 1, 150, 1, 0xff, 1 },
				{ (unsigned char)(what | 128), 0xfe, 0, 0xfe, 0, 0xfe, 0, 0xff, 2 },
				{ (unsigned char)what, 0xfe, 0, 0xff, 1, 0xfe, 0 },
				{ (unsigned char)(what | 8), 0xfe, 0, 0xfe, 1, 130, 1, 0xfe, 0 },
			};

			for (size_t k = 0; k < (what ? 2 : 5); k++)
				add(seed_new(how), scripts[k], sizeof(scripts[k]));
		}
	}
	{ /* one field wrong in each */
		static const unsigned char proofs[][2] = {
			{ 28, 1 }, { 27, 0x80 }, { 100, 1 }, { 0, 1 }, { 8, 1 }
		};
		static const unsigned char challenges[][2] = { { 36, 1 }, { 35, 0x80 }, { 110, 1 },
							       { 16, 1 }, { 0, 1 },     { 8, 1 } };
		static const unsigned char grants[][2] = { { 84, 2 }, { 8, 1 }, { 120, 1 }, { 48, 1 } };
		unsigned char s[] = { 0, 0xfe, 0, 0xfe, 1, 0, 0, 0xff, 1 };

		for (size_t i = 0; i < sizeof(proofs) / 2; i++) {
			memcpy(s + 5, proofs[i], 2);
			add(seed_new(6), s, sizeof(s));
		}
		for (size_t i = 0; i < sizeof(grants) / 2; i++) {
			memcpy(s + 5, grants[i], 2);
			add(seed_new(7), s, sizeof(s));
		}
		for (size_t i = 0; i < sizeof(challenges) / 2; i++) {
			unsigned char c[] = { 0, 0xfe, 1, challenges[i][0], challenges[i][1], 0xff, 0 };

			add(seed_new(7), c, sizeof(c));
		}
	}
	seed = seed_new(5);
	add_datagram(seed, 0, refuse, refuse_size);
	add_event(seed, PLX_EVENT_HANGUP);
	seed = seed_new(4);
	add_event(seed, PLX_EVENT_TRUNCATED);
	add_datagram(seed, 0, hello, hello_size);
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* A few small changes, of the kinds a fuzzer makes. */
static void mutate(struct seed *seed)
{
	static const unsigned char odd[] = { 0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff };
	uint64_t changes = 1 + random_next() % 4;

	while (changes-- > 0 && seed->size > 0) {
		uint64_t r = random_next();
		size_t at = (r >> 8) % seed->size, n = 1 + (r >> 40) % 8;

		switch (r % 6) {
		case 0: seed->bytes[at] ^= (unsigned char)(1 << (r >> 32) % 8); break;
		case 1: seed->bytes[at] = (unsigned char)(r >> 32); break;
		case 2: seed->bytes[at] = odd[(r >> 32) % sizeof(odd)]; break;
		case 3: seed->size = at; break;
		case 4: /* repeat the rest */
			if (seed->size + (seed->size - at) <= SEED_MAX)
				add(seed, seed->bytes + at, seed->size - at);
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
	size_t i;

	(void)state;
	for (i = 0; i < seed_count; i++)
		LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
	LLVMFuzzerTestOneInput((const unsigned char *)"", 0);
}

static void whatever_is_changed_in_a_seed_holds(void **state)
{
	struct seed seed;
	long i;

	(void)state;
	for (i = 0; i < LONG_LOOP(150000); i++) {
		seed = seeds[random_next() % seed_count];
		mutate(&seed);
		LLVMFuzzerTestOneInput(seed.bytes, seed.size);
	}
}

static void noise_holds(void **state)
{
	unsigned char noise[64];
	long i;
	size_t j;

	(void)state;
	for (i = 0; i < LONG_LOOP(40000); i++) {
		for (j = 0; j < sizeof(noise); j++)
			noise[j] = (unsigned char)(random_next() >> 24);
		LLVMFuzzerTestOneInput(noise, random_next() % sizeof(noise));
	}
}

static int seeds_write(const char *folder)
{
	char path[4096];
	FILE *file;
	size_t i;

	for (i = 0; i < seed_count; i++) {
		snprintf(path, sizeof(path), "%s/seed-%02zu", folder, i);
		file = fopen(path, "we");
		if (!file || fwrite(seeds[i].bytes, seeds[i].size, 1, file) != 1 || fclose(file) != 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seeds_hold),
		cmocka_unit_test(whatever_is_changed_in_a_seed_holds),
		cmocka_unit_test(noise_holds),
	};

	seeds_make();
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return seeds_write(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

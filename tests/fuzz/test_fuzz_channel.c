/*
 * test_fuzz_channel.c - the fuzzer of channels as a plain program: seeds, and mutations that are the same in each run.
 *
 *	test_fuzz_channel --seeds FOLDER    writes the seeds, for make fuzz
 *
 * Timeout: 120
 */
#include "tests/support/support.h"

#include "tests/fuzz/fuzz_channel.c"

#define ROOM (32u << 10)

static const struct plx_channel_shape shapes[] = {
	{ .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 20 },
	{ .kind = PLX_CHANNEL_SPSC, .size = 100, .count = 5 },
	{ .kind = PLX_CHANNEL_MPSC, .size = 16, .count = 10, .senders = 3 },
	{ .kind = PLX_CHANNEL_MPMC, .size = 24, .count = 10, .senders = 2, .receivers = 2 },
	{ .kind = PLX_CHANNEL_RING, .size = 8, .count = 30 },
	{ .kind = PLX_CHANNEL_POST, .size = 40, .count = 8, .senders = 2 },
	{ .kind = PLX_CHANNEL_PRIORITY, .size = 40, .count = 8, .senders = 1 },
};

static _Alignas(64) unsigned char memory[ROOM];
static uint64_t state = 1;

static uint32_t roll(uint32_t below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % below;
}

/* A channel with some elements gone through it, and some in it; its bytes. */
static uint64_t seed(const struct plx_channel_shape *shape, unsigned int rounds)
{
	uint64_t room = plx_channel_bytes(shape);
	struct plx_geometry g;

	assert_in_range(room, 1, ROOM);
	assert_int_equal(plx_channel_init(memory, room, shape), 0);
	assert_int_equal(plx_geometry_read(&g, memory, room), 0);
	for (unsigned int i = 0; i < rounds; i++)
		use(memory, room, &g);
	return room;
}

static void seeds_are_right_and_damage_does_no_harm(void **unused)
{
	uint64_t refused = 0, tried = 0;

	(void)unused;
	for (uint32_t s = 0; s < COUNT_OF(shapes); s++) {
		for (uint32_t n = 0; n < LONG_LOOP(3000); n++) {
			uint64_t room = seed(&shapes[s], n % 3);
			const char *why = NULL;

			if (plx_channel_check(memory, room, &why) != 0)
				fail_msg("kind %u: %s", shapes[s].kind, why);
			for (uint32_t k = n ? 1 + roll(4) : 0; k > 0; k--) {
				uint64_t at = roll(2) ? roll((uint32_t)room / 8) * 8 : roll(64);

				switch (roll(4)) {
				case 0: memory[at] ^= (unsigned char)(1u << roll(8)); break;
				case 1: memset(memory + (at & ~7ull), roll(2) ? 0xff : 0, 8); break;
				case 2: memory[at] = (unsigned char)roll(256); break;
				default:
					*(uint64_t *)(void *)(memory + (at & ~7ull)) += roll(2) ? 256 : -1ull;
				}
			}
			LLVMFuzzerTestOneInput(memory, room - (roll(8) == 0 ? 64 : 0));
			tried++;
			refused += plx_channel_check(memory, room, &why) != 0;
		}
	}
	printf("note: %llu of %llu damaged channels refused\n", (unsigned long long)refused,
	       (unsigned long long)tried);
	assert_in_range(refused, tried / 4, tried);
}

/* Every bit of the line that everybody believes who attaches: refused, or all lies where it lay. */
static void a_wrong_bit_of_the_header_moves_nothing(void **unused)
{
	(void)unused;
	for (uint32_t s = 0; s < COUNT_OF(shapes); s++) {
		uint64_t room = seed(&shapes[s], 2);
		struct plx_geometry was, is;

		assert_int_equal(plx_geometry_read(&was, memory, room), 0);
		for (uint32_t bit = 0; bit < PLX_LINE * 8; bit++) {
			memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
			if (plx_geometry_read(&is, memory, room) == 0 &&
			    (is.stride != was.stride || is.cells != was.cells || is.lanes != was.lanes ||
			     is.lane_stride != was.lane_stride || is.bytes != was.bytes ||
			     plx_lanes_off(&is) != plx_lanes_off(&was)))
				fail_msg("kind %u: bit %u of byte %u is not noticed", shapes[s].kind, bit % 8,
					 bit / 8);
			LLVMFuzzerTestOneInput(memory, room);
			memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

static int write_seeds(const char *folder)
{
	char path[4096];

	for (uint32_t s = 0; s < 3 * COUNT_OF(shapes); s++) {
		uint64_t room = seed(&shapes[s / 3], s % 3);
		FILE *file;

		snprintf(path, sizeof(path), "%s/seed-%02u", folder, s);
		file = fopen(path, "w");
		if (!file || fwrite(memory, 1, room, file) != room || fclose(file) != 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeds_are_right_and_damage_does_no_harm),
		cmocka_unit_test(a_wrong_bit_of_the_header_moves_nothing),
	};

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return write_seeds(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

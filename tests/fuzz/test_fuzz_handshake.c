/*
 * test_fuzz_handshake.c - the fuzzer of the handshake as a plain program: seeds, and mutations that are the same in each run.
 *
 *	test_fuzz_handshake --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/fuzz/fuzz_handshake.c"

#include "tests/support/seeds.h"

static void add_datagram(struct seed *seed, unsigned char fds, const void *bytes, uint32_t size)
{
	unsigned char head[3] = { fds, (unsigned char)size, (unsigned char)(size >> 8) };

	seed_add(seed, head, 3);
	seed_add(seed, bytes, size);
}

static void add_event(struct seed *seed, unsigned char event)
{
	unsigned char head[2] = { 0xff, event };

	seed_add(seed, head, 2);
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
	seed_add(seed_new(0), hello, hello_size);
	seed_add(seed_new(1), grant, grant_size);
	seed_add(seed_new(2), refuse, refuse_size);
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
				seed_add(seed_new(how), scripts[k], sizeof(scripts[k]));
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
			seed_add(seed_new(6), s, sizeof(s));
		}
		for (size_t i = 0; i < sizeof(grants) / 2; i++) {
			memcpy(s + 5, grants[i], 2);
			seed_add(seed_new(7), s, sizeof(s));
		}
		for (size_t i = 0; i < sizeof(challenges) / 2; i++) {
			unsigned char c[] = { 0, 0xfe, 1, challenges[i][0], challenges[i][1], 0xff, 0 };

			seed_add(seed_new(7), c, sizeof(c));
		}
	}
	seed = seed_new(5);
	add_datagram(seed, 0, refuse, refuse_size);
	add_event(seed, PLX_EVENT_HANGUP);
	seed = seed_new(4);
	add_event(seed, PLX_EVENT_TRUNCATED);
	add_datagram(seed, 0, hello, hello_size);
}

int main(int argc, char **argv)
{
	seed_changes = 160000;
	seeds_make();
	return seeds_main(argc, argv);
}

/*
 * test_fuzz_keys.c - the fuzzer of key files as a plain program: seeds, and changes that are the same in each run.
 *
 *	test_fuzz_keys --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/fuzz/fuzz_keys.c"

#include "tests/support/seeds.h"

static void seeds_make(void)
{
	uint8_t seed[PLX_SIGN_SEED] = { 1, 2, 3 }, secret[PLX_SIGN_SECRET];
	char text[PLX_KEY_SECRET_TEXT], line[PLX_KEY_TEXT], list[1024];
	static const unsigned char hows[] = { 0,    0x10, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa8,
					      0xaf, 0xae, 0xad, 0x20, 0x30, 0x40, 0x50, 0x60 };
	struct plx_public_key key;
	size_t n;

	if (plx_sign_start() < 0)
		abort();
	plx_sign_pair(key.bytes, secret, seed);
	n = plx_key_write_secret(text, seed, &key);
	plx_key_text(line, &key);
	for (size_t i = 0; i < sizeof(hows); i++) {
		seed_add(seed_new(hows[i]), text, n);
		snprintf(list, sizeof(list), "# a list\r\n%s camera\n\n%s\n", line, line);
		seed_add(seed_new(hows[i]), list, strlen(list));
		seed_add(seed_new(hows[i]), line, strlen(line));
	}
	snprintf(list, sizeof(list), "%s" PLX_KEY_PUBLIC " %064d\n", text, 0);
	seed_add(seed_new(0), list, strlen(list));
	seed_add(seed_new(0xa0), list, strlen(list));
	seed_add(seed_new(0x10), list + n, strlen(list + n));
	seed_add(seed_new(0xa0), list + n, strlen(list + n));
	seed_add(seed_new(0), list + 66, 50);
	for (unsigned int door = 0xf0; door < 0x100; door++)
		seed_add(seed_new((unsigned char)door), "x", 1);
	seed_new(0);
	seed_new(0xa0);
}

int main(int argc, char **argv)
{
	seeds_make();
	seed_changes = 10000;
	return seeds_main(argc, argv);
}

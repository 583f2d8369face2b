/*
 * test_fuzz_job.c - the fuzzer of messages with programs as a plain program: seeds, and changes that are the same in each run.
 *
 *	test_fuzz_job --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/reducer/fuzz/fuzz_job.c"

#include "tests/support/seeds.h"

static const char *const programs[] = {
	"@main = 1",
	"// job: 17 fib\n@main = 2",
	"// job: 17\r\n// limits: gas=1000000 time=2s memory=64M expand=no\n@main = 3",
	"//limits: expand=yes time=5ms gas=18446744073709551615\n",
	"// job: 18446744073709551615 \xc3\xa9\xe2\x82\xac \x01\xff\xed\xa0\x80\n// limits: time=0s",
	"// job: 18446744073709551616 x",
	"// job: 99999999999999999999",
	"// job: 5x",
	"// job:",
	"// job: 5",
	"// job: 5\n// limits:",
	"// job: 5\n// limits: gas=0",
	"// job: 5\n// limits: memory=1G memory=2x",
	"// job: 5\n// limits: expand=maybe",
	"// job: 5\n// limits: gas",
	"// job: 5\n// limits: =",
	"// limits: gas=1111111111111111111111111111111111111111111111111111111111111111111111111111111111",
	"// cancel: 17",
	"// cancel: 17 ",
	"// cancel: 17 x",
	"// cancel: x",
	"/ /",
	"//",
	"//\n",
	"",
};

static void seed_message(struct seed *seed, unsigned char how, const char *text, size_t length)
{
	const unsigned char head[2] = { how, (unsigned char)length };

	seed_add(seed, head, sizeof(head));
	seed_add(seed, text, length);
}

static void seeds_make(void)
{
	static const char long_one[255] = "// job: 1 long";
	struct seed *seed;

	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		const size_t length = strlen(programs[i]);

		seed = seed_new(0); /* whole; in two; begun by two at once, left by one */
		seed->size = 0;
		seed_message(seed, 0, programs[i], length);
		seed_message(seed, 0x11, programs[i], length / 2);
		seed_message(seed, 0x32, programs[i], length);
		seed_message(seed, 0x01, programs[i] + length / 2, length - length / 2);
	}
	seed = seed_new(0); /* too long */
	seed->size = 0;
	for (int i = 0; i < 4; i++)
		seed_message(seed, i < 3 ? 0x10 : 0, long_one, sizeof(long_one));
}

int main(int argc, char **argv)
{
	seeds_make();
	return seeds_main(argc, argv);
}

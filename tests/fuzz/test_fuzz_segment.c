/*
 * test_fuzz_segment.c - the fuzzer of segments as a plain program: seeds, and changes that are the same in each run.
 *
 *	test_fuzz_segment --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/fuzz/fuzz_segment.c"

#include "tests/support/seeds.h"

static struct plx_segment_hdr good(uint64_t size)
{
	struct plx_segment_hdr hdr = {
		.magic = PLX_SEGMENT_MAGIC,
		.layout = PLX_SEGMENT_LAYOUT,
		.kind = PLX_KIND_TOPIC,
		.version = 1,
		.size = size,
		.id = 77,
		.creator = 4711,
		.blocks = 2,
		.name = "fuzz",
		.entry = { { "head", sizeof(hdr), 64 }, { "log", 1024, size - 1024 } },
	};

	return hdr;
}

static void attach_seed(unsigned int how, unsigned int pages, const struct plx_segment_hdr *hdr)
{
	struct seed *seed = seed_new((unsigned char)how);
	unsigned char p = (unsigned char)pages;

	seed_add(seed, &p, 1);
	seed_add(seed, hdr, sizeof(*hdr));
}

/* A header with one thing wrong in each: a branch each. */
static void wrong_headers(void)
{
	for (int wrong = 0; wrong < 14; wrong++) {
		struct plx_segment_hdr h = good(8192);

		switch (wrong) {
		case 0: h.magic = 1; break;
		case 1: h.layout = 9; break;
		case 2: h.size = 4096; break;
		case 3: h.kind = 0; break;
		case 4: h.id = 0; break;
		case 5: h.creator = 0; break;
		case 6: h.reserved[1] = 1; break;
		case 7: memset(h.name, 'x', sizeof(h.name)); break;
		case 8: h.blocks = 13; break;
		case 9: h.entry[7].size = 1; break;
		case 10: h.entry[1].off = 600; break;
		case 11: h.entry[1].off = 64; break;
		case 12: h.entry[1].size = 1 << 20; break;
		default: memcpy(h.entry[1].name, "head", 5); break;
		}
		attach_seed(0x03, 0x42, &h);
	}
}

static void seeds_make(void)
{
	static const unsigned char format[] = { 1, 5, 0,  1, 0, 0, 0, 0, 2, 6,  1, 0,
						0, 0, 12, 0, 3, 3, 9, 9, 1, 20, 7, 0 };
	static const unsigned char formats[][8] = {
		{ 1, 0, 1, 0, 0, 0, 0, 0 },                                /* no name */
		{ 1, 17, 1, 0, 0, 0, 0, 0 },                               /* too long a name */
		{ 1, 255, 1, 0, 0, 0, 0, 0 },  { 1, 5, 0, 0, 0, 0, 0, 0 }, /* no bytes */
		{ 1, 5, 1, 0, 0, 0, 0, 1 },                                /* an odd alignment */
		{ 1, 5, 1, 0, 255, 56, 0, 0 },                             /* larger than there is */
		{ 1, 5, 1, 0, 0, 0, 40, 0 },
	};
	struct plx_segment_hdr h = good(8192);
	struct seed *seed;

	for (unsigned int how = 0; how < 0x80; how++)
		if ((how & 0x60) == 0 || (how & 0x60) == 0x40)
			if (seed_count < 64)
				attach_seed(how & 0x4f, 0x42, &h);
	attach_seed(0x03, 0x52, &h);
	attach_seed(0x03, 0x62, &h);
	attach_seed(0x03, 0x82, &h);
	attach_seed(0x13, 0x4a, &h);
	attach_seed(0x03, 0x40, &h);
	for (unsigned int flag = 0; flag < 3; flag++) { /* huge pages: whole, cut; sealed or not */
		struct plx_segment_hdr huge = good(UINT64_C(2) << 20);

		attach_seed(flag << 2 | 3, 0x6f, &huge);
		attach_seed(flag << 2 | 2, 0xaf, &huge);
		attach_seed(0x40 | flag << 2 | 3, 0x6f, &huge);
		attach_seed(flag << 2 | 3, 0x4f, &h);
	}
	for (unsigned char door = 0; door < 10; door++) {
		attach_seed(0x23, 0x42, &h);
		seeds[seed_count - 1].bytes[seeds[seed_count - 1].size - 1] = door;
		attach_seed(0x28, 0x02, &h);
		seeds[seed_count - 1].bytes[seeds[seed_count - 1].size - 1] = door;
	}
	attach_seed(0x08, 0x0e, &h);
	attach_seed(0x08, 0x1e, &h);
	attach_seed(0x00, 0x0e, &h);
	attach_seed(0x0e, 0x02, &h);
	attach_seed(0x0f, 0x02, &h);
	wrong_headers();
	seed_add(seed_new(0x81), format, sizeof(format));
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		seed = seed_new(0x81);
		seed_add(seed, format, 8);
		seed_add(seed, formats[i], 8);
		seed_add(seed, "\x01\x00\x00", 3);
	}
	seed = seed_new(0x81);
	for (int i = 0; i < 14; i++)
		seed_add(seed, format, 8);
	seed_add(seed_new(0x81),
		 "\x01\x05\x01\x00\x00\x00\x00\x00\x01\x05\x01\x00\x00\x00\x00\x02\x01\x01\x00", 19);
	seed_add(seed_new(0x81), "\x01\x05\x01\x00\x00\x00\x00\x00\x01\x01\x00", 11);
	seed_add(seed_new(0x81), "\x00\x00\x00", 3);
	seed_add(seed_new(0x81), "\x01\x05\x01\x00\x00\x00\x00\x00\x41\x00\x00", 11);
	seed_add(seed_new(0x81), "\x01\x05\x01\x00\x00\x00\x00\x00\x51\x00\x00", 11);
}

int main(int argc, char **argv)
{
	seeds_make();
	seed_changes = 40000;
	return seeds_main(argc, argv);
}

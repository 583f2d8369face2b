/*
 * test_fuzz_link.c - the fuzzer of links as a plain program: seeds, and changes that are the same in each run.
 *
 *	test_fuzz_link --seeds FOLDER    writes the seeds, for make fuzz
 */
#include "tests/fuzz/fuzz_link.c"

#include "tests/support/seeds.h"

/* Commands with arguments, as text of two digits each: easier to read than bytes. */
static void script(unsigned char shape, const char *text)
{
	struct seed *seed = seed_new(shape);
	unsigned int byte;

	for (; sscanf(text, " %2x", &byte) == 1; text += 3) {
		unsigned char b = (unsigned char)byte;

		seed_add(seed, &b, 1);
		if (text[2] == '\0')
			break;
	}
}

static void seeds_make(void)
{
	struct plx_topic_head head = { .depth = 4, .slots = 5, .slot_size = 64, .stride = 64, .history = 1 };
	static const unsigned char shapes[] = { 0x06, 0x1e, 0x02, 0x2f, 0x8d };
	struct seed *seed;

	for (size_t i = 0; i < sizeof(shapes); i++) {
		/* an honest reader, slots, pins, going round */
		script(shapes[i], "0f 03 00 00 01 00 00 00 01 00 0e 22 02 00 02 00 0e 01 00 00 01 00 00 00 "
				  "01 00 0e 3f 00 00 01 00 04 00 0e 1f 0f 00 00 00");
		/* liars: beyond the head, behind, pins everywhere, judged */
		script(shapes[i], "07 10 07 01 00 00 01 00 0b 00 ff ff ff ff ff ff ff ff 00 00 01 00 00 00 "
				  "01 00 00 00 01 00 02 00 05 00 06 01 06 00 04 00");
		script(shapes[i], "07 11 07 02 02 00 02 00 02 00 02 00 02 00 09 91 04 00 09 10 04 00 0a 01 "
				  "ff ff ff ff ff ff ff 7f 04 00 05 00 08 01");
		/* sleeps */
		script(shapes[i], "07 00 0c 00 01 00 00 00 00 00 00 00 0d 00 0d 00 0c 00 03 00 00 00 00 00 "
				  "00 00 02 00 0d 00 0d 00");
		/* limbo: a lossy one pins what goes, then lets go */
		script(shapes[i], "0f 01 00 00 01 00 0e 21 02 00 02 00 02 00 02 00 02 00 02 00 00 00 00 00 "
				  "00 00 00 00 00 00 06 01 05 00 0e 00 00 00 03 00 00 00");
		/* history gives way */
		script(shapes[i], "02 00 02 00 02 00 02 00 02 00 02 00 02 00 02 00 02 00 07 f0 02 00 02 00 "
				  "02 00 02 00 02 00 02 00 09 80 02 00 02 00");
	}
	/* wrong books, one kind each, behind two slots in the window, one in limbo, one loaned */
	for (int kind = 0; kind < 9; kind++) {
		for (int bit = 0; bit < 3; bit++) {
			char text[200];

			snprintf(text, sizeof(text),
				 "0f 01 00 00 01 00 0e 21 02 00 02 00 02 00 02 00 00 00 01 00 00 00 01 00 00 "
				 "00 ff 00 %02x %02x",
				 kind, bit == 2 ? 0x31 : bit);
			script(0x06, text);
		}
	}
	for (int i = 0; i < 12; i++) {
		struct plx_topic_head h = head;

		switch (i) {
		case 0: h.depth = 3; break;
		case 1: h.depth = 1; break;
		case 2: h.slots = 0; break;
		case 3: h.slot_size = 0; break;
		case 4: h.slot_size = 65; break;
		case 5: h.stride = 63; break;
		case 6: h.history = 4; break;
		case 7: h.slot_size = UINT64_C(1) << 40; break;
		case 8: h.depth = 1 << 21; break;
		case 10:
			h.slot_size = 10;
			h.stride = 63;
			break;
		case 9: h.slots = 1 << 25; break;
		default: break;
		}
		seed = seed_new(0xff);
		seed_add(seed, &h, 64);
	}
}

int main(int argc, char **argv)
{
	seeds_make();
	seed_changes = 200000;
	return seeds_main(argc, argv);
}

/*
 * fuzz_segment.c - whatever a stranger's memory holds, it is refused, or all of it can be read.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_segment.c calls it too. An input is
 *
 *	HOW    what is done: seals, kind of file, how it is attached
 *	PAGES  size of the memory
 *	BYTES  its beginning; a header is put right there (magic, layout, size) when a bit of HOW says so
 *
 * PAGES with a bit set means 2 MiB that look like a huge page; with HOW & 0x20 a door to the kernel is shut, whose number is the last byte.
 *
 * or, with HOW & 0x80, a list of blocks to format a segment with, which then must read back.
 */
#include "tests/fuzz/fuzz.h"

#include "base/sys.h"
#include "mem/segment_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/segment.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS_SIZE (F_SEAL_SHRINK | F_SEAL_GROW)

/* Which seals it gets: none, some, all of a link, all of a topic. */
static const int SEALS[4] = { 0, F_SEAL_SHRINK | F_SEAL_SEAL, SEALS_SIZE | F_SEAL_SEAL,
			      SEALS_SIZE | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };

/* Touch every byte of every block, so that AddressSanitizer and the kernel see what is not there. */
static void read_all(const struct plx_segment *seg)
{
	struct plx_segment_info info;
	unsigned char sum = 0;
	const unsigned char *block;
	const char *why = NULL;
	char name[16];
	uint64_t size;

	HOLDS(plx_segment_info(seg, &info) == 0);
	HOLDS(info.size == seg->size && info.id != 0 && memchr(info.name, '\0', sizeof(info.name)));
	HOLDS(plx_segment_check(seg, &why) == 0);
	for (uint32_t i = 0; i < info.blocks; i++) {
		block = plx_segment_block_at(seg, i, name, &size);
		HOLDS(block && size > 0 && memchr(name, '\0', sizeof(name)));
		HOLDS(block >= (unsigned char *)seg->base && size <= seg->size &&
		      (uint64_t)(block - (unsigned char *)seg->base) <= seg->size - size);
		HOLDS(plx_segment_block(seg, name, NULL) == block);
		for (uint64_t at = 0; at < size; at += 509)
			sum += block[at];
		sum += block[size - 1];
	}
	__asm__ volatile("" : : "r"(sum)); /* the compiler is to read them as well */
	HOLDS(plx_segment_block_at(seg, info.blocks, NULL, NULL) == NULL);
	HOLDS(plx_segment_block(seg, "no such block", NULL) == NULL);
}

/* A file of the kind that HOW says. */
static int make_file(unsigned int how, unsigned int pages, const unsigned char *bytes, size_t size,
		     uint64_t room)
{
	int fd, ends[2];

	if ((pages & 0x1f) == 0x0e) { /* no memory at all */
		HOLDS(pipe2(ends, O_CLOEXEC) == 0);
		close(ends[1]);
		return ends[0];
	}
	if ((pages & 0x1f) == 0x1e)
		return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fd = memfd_create("plx:fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	HOLDS(fd >= 0 && ftruncate(fd, (off_t)room) == 0);
	HOLDS(size == 0 || pwrite(fd, bytes, size < room ? size : room, 0) >= 0);
	if (!(how & 0x40)) /* no hole */
		HOLDS(room == 0 || fallocate(fd, 0, 0, (off_t)room) == 0);
	HOLDS(SEALS[how & 3] == 0 || fcntl(fd, F_ADD_SEALS, SEALS[how & 3]) == 0);
	return fd;
}

static void try_attach(unsigned int how, unsigned int pages, const unsigned char *data, size_t size)
{
	static const unsigned int flags[] = {
		0, PLX_ATTACH_WRITE, PLX_ATTACH_INSPECT, 3, 99, PLX_ATTACH_FILE
	};
	static const uint32_t kinds[] = { PLX_KIND_NONE, PLX_KIND_TOPIC, PLX_KIND_LINK, PLX_KIND_NONE };
	struct plx_segment_hdr hdr = { 0 };
	struct plx_segment seg;
	uint64_t room = (uint64_t)(pages & 7) * 4096 + (pages & 8 ? 100 : 0);
	uint64_t said;
	bool huge = (pages & 0x0f) == 0x0f;
	int ret, fd;

	if (huge) /* of huge pages, or nearly */
		room = (pages & 0x20 ? UINT64_C(2) << 20 : 8192);

	memcpy(&hdr, data, size < sizeof(hdr) ? size : sizeof(hdr));
	if (how & 0x10) {
		hdr.magic = PLX_SEGMENT_MAGIC;
		hdr.layout = PLX_SEGMENT_LAYOUT;
		hdr.size = room;
	}
	fd = make_file(how, pages, (const unsigned char *)&hdr, sizeof(hdr), room);
	said = pages & 0x10 ? room : pages & 0x20 && !huge ? room + 1 : 0;
	plx_fault_huge = huge;
	plx_fault_seen = 0;
	plx_fault_at = how & 0x20 && size > 0 ? data[size - 1] % 16 : -1;
	ret = plx_segment_attach(&seg, fd, said, kinds[pages >> 6],
				 flags[how & 2 && (how & 12) == 12 ? 4 + (how & 1) : how >> 2 & 3]);
	plx_fault_at = -1;
	plx_fault_huge = 0;
	if (ret == 0) {
		HOLDS(seg.fd == fd && seg.base);
		read_all(&seg);
		plx_segment_close(&seg);
	} else {
		HOLDS(seg.base == NULL && ret > -4096);
		close(fd); /* it stayed ours */
	}
}

/* What a program asks for: made and read back, or refused. */
static void try_format(const unsigned char *data, size_t size)
{
	struct plx_block blocks[PLX_SEGMENT_BLOCKS_MAX + 2];
	char names[PLX_SEGMENT_BLOCKS_MAX + 2][20];
	struct plx_segment seg;
	const char *why = NULL;
	uint64_t need;
	size_t n = 0;
	int ret;

	for (; n < PLX_SEGMENT_BLOCKS_MAX + 2 && size >= 8; n++, data += 8, size -= 8) {
		memset(names[n], 0, sizeof(names[n]));
		memset(names[n], data[0], data[1] % 18);
		if (data[1] % 18)
			names[n][0] = (char)('a' + n % 26);
		blocks[n] = (struct plx_block){ .name = data[1] == 255 ? NULL : names[n],
						.size = data[2] | (uint64_t)data[3] << 8 |
							(uint64_t)data[4] << (data[5] & 63),
						.align = data[6] ? UINT64_C(1) << (data[6] & 63) : 0 };
		if (data[7] == 1)
			blocks[n].align += 3;
		if (data[7] == 2 && n > 0)
			blocks[n].name = blocks[0].name;
	}
	need = plx_segment_need(blocks, n);
	if (plx_segment_create(&seg, "memfd", "fuzz", need && need < 1 << 20 ? need : 8192, 0) < 0)
		return;
	plx_fault_seen = 0;
	plx_fault_at = size > 0 && data[0] & 0x40 ? data[0] >> 4 & 3 : -1;
	ret = plx_segment_format(&seg, size ? data[0] & 3 : 1, 1, size > 1 && data[1] & 1 ? "\x01" : "fuzz",
				 blocks, n);
	plx_fault_at = -1;
	HOLDS((ret == 0) <= (need != 0 && need <= seg.size));
	if (ret == 0)
		read_all(&seg);
	else
		HOLDS(plx_segment_check(&seg, &why) < 0 && why);
	plx_segment_close(&seg);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	if (size < 3)
		return 0;
	if (data[0] & 0x80)
		try_format(data + 1, size - 1);
	else
		try_attach(data[0], data[1], data + 2, size - 2);
	return 0;
}

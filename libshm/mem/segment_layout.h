/*
 * segment_layout.h - the first bytes of every segment: who made it, what it is, where its blocks lie.
 *
 *   0        64       128                              512
 *   +--------+--------+-----------+-----------+--------+-----------------------------------
 *   | header |  name  | block 0   | block 1   | ... 11 |  the blocks, in order, each aligned
 *   +--------+--------+-----------+-----------+--------+-----------------------------------
 *
 * Written once by the creator before anybody else sees the segment, read-only for ever after. The magic is stored last,
 * so a creator that dies on the way leaves no magic, and nobody takes the segment for whole.
 */
#ifndef MEM_SEGMENT_LAYOUT_H
#define MEM_SEGMENT_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <plx/segment.h>

#define PLX_SEGMENT_MAGIC      0x31786c70u /* "plx1" in memory on a little-endian machine; no other reads it */
#define PLX_SEGMENT_LAYOUT     1u
#define PLX_SEGMENT_BLOCKS_MAX 12u
#define PLX_SEGMENT_ALIGN_MAX  (1ull << 40)
#define PLX_SEGMENT_SIZE_MAX   (1ull << 46) /* bytes: what a process can map */

struct plx_segment_entry {
	char name[16]; /* terminated, the rest zero */
	uint64_t off;  /* bytes from the segment's base; a multiple of PLX_LINE */
	uint64_t size; /* bytes, never 0 */
};
static_assert(offsetof(struct plx_segment_entry, off) == 16, "protocol.md: segment directory");
static_assert(offsetof(struct plx_segment_entry, size) == 24, "protocol.md: segment directory");
static_assert(sizeof(struct plx_segment_entry) == 32, "protocol.md: segment directory");

struct plx_segment_hdr {
	/* line 0 */
	uint32_t magic;      /* PLX_SEGMENT_MAGIC; stored last with release (SG1) */
	uint32_t layout;     /* PLX_SEGMENT_LAYOUT: of this header */
	uint32_t kind;       /* enum plx_segment_kind */
	uint32_t version;    /* layout version of that kind */
	uint64_t size;       /* bytes of the whole segment */
	uint64_t id;         /* random, never 0 */
	uint64_t created_ns; /* CLOCK_REALTIME */
	uint32_t creator;    /* process id as the creator saw itself */
	uint32_t blocks;     /* entries in use, at most PLX_SEGMENT_BLOCKS_MAX */
	uint64_t reserved[2];
	/* line 1 */
	char name[64]; /* terminated, the rest zero */
	/* lines 2 to 7; unused entries are zero */
	struct plx_segment_entry entry[PLX_SEGMENT_BLOCKS_MAX];
};
static_assert(offsetof(struct plx_segment_hdr, layout) == 4, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, kind) == 8, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, version) == 12, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, size) == 16, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, id) == 24, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, created_ns) == 32, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, creator) == 40, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, blocks) == 44, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, reserved) == 48, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, name) == 1 * PLX_LINE, "protocol.md: segment header");
static_assert(offsetof(struct plx_segment_hdr, entry) == 2 * PLX_LINE, "protocol.md: segment header");
static_assert(sizeof(struct plx_segment_hdr) == 8 * PLX_LINE, "protocol.md: segment header");

/**
 * plx_segment_header() - copy the header of a segment into private memory and check the copy.
 * @copy: whole and checked on success
 * @size: bytes that are mapped
 * @why:  set to a reason on failure; may be NULL
 *
 * Return: 0, -EPROTO (not a whole header of this layout) or -EBADMSG (it contradicts itself or the mapping).
 */
int plx_segment_header(struct plx_segment_hdr *copy, const void *base, uint64_t size,
		       const char **why) plx_must_check;

#endif

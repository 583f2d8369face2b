/*
 * file_layout.h - the first page of a file that holds a segment: whether it was closed, and the checksum of what follows.
 *
 *   0                    512          4096                            4096 + size
 *   +--------------------+------------+-------------------------------+
 *   | plx_file_hdr       | 0          | the segment, mapped from here |
 *   +--------------------+------------+-------------------------------+
 *
 * It is never mapped, only read and written whole. All that changes lies in its first 512 bytes, one sector of any disk, so
 * a power cut leaves the old one or the new one. The process that has the file open for writing writes it; it holds the
 * lock, so there is one at most.
 *
 *                  create                  close
 *   (no such file) ──────► open, no sums ────────► closed, sums ─┐ open for writing
 *                            │    ▲  sync                        │
 *                            ▼    │                              │
 *                          open, sums ◄──────────────────────────┘
 *
 * A writer that dies leaves "open". If the sum is right all the same, nothing was written since it was made.
 */
#ifndef MEM_FILE_LAYOUT_H
#define MEM_FILE_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define PLX_FILE_MAGIC  UINT64_C(0x656c69662d786c70) /* "plx-file" in memory on a little-endian machine */
#define PLX_FILE_LAYOUT 1u
#define PLX_FILE_PAGE   4096u /* bytes before the segment */
#define PLX_FILE_SUM    32u   /* bytes of a BLAKE2b-256 */

enum plx_file_state {
	PLX_FILE_OPEN = 1,   /* somebody has it open for writing, or died so */
	PLX_FILE_CLOSED = 2, /* contents are as the checksum says */
};

struct plx_file_hdr {
	uint64_t magic;                 /* PLX_FILE_MAGIC */
	uint32_t layout;                /* PLX_FILE_LAYOUT */
	uint32_t state;                 /* enum plx_file_state */
	uint64_t size;                  /* bytes of the segment, a multiple of 4096 */
	uint64_t id;                    /* random, never 0 */
	uint64_t created_ns;            /* CLOCK_REALTIME */
	uint64_t synced_ns;             /* CLOCK_REALTIME of the checksum; 0 when there is none yet */
	uint64_t syncs;                 /* checksums written so far; 0: there is none */
	uint32_t writer;                /* process id of who opened it for writing last, as it saw itself */
	uint32_t reserved0;             /* 0 */
	uint8_t contents[PLX_FILE_SUM]; /* of the segment's bytes when it was last synced or closed */
	uint8_t reserved[384];          /* 0 */
	uint8_t self[PLX_FILE_SUM];     /* of the 480 bytes before */
};
static_assert(offsetof(struct plx_file_hdr, layout) == 8, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, state) == 12, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, size) == 16, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, id) == 24, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, created_ns) == 32, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, synced_ns) == 40, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, syncs) == 48, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, writer) == 56, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, contents) == 64, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, reserved) == 96, "protocol.md: file");
static_assert(offsetof(struct plx_file_hdr, self) == 480, "protocol.md: file");
static_assert(sizeof(struct plx_file_hdr) == 512, "protocol.md: file");

#endif

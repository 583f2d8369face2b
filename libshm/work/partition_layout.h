/*
 * partition_layout.h - the bytes of a partition: how keys become slots, and whose each slot is.
 *
 *   0          64         128            2176                              34944
 *   +----------+----------+--------------+---------------------------------+
 *   | how      | changes  | bounds       | owner of slot 0, 1, 2, ... 16383 |
 *   +----------+----------+--------------+---------------------------------+
 *
 * Line 0 and the bounds are written once by the creator, the magic last. The rest has one writer: who runs the pool. An
 * owner is one store; who dies between it and the epoch leaves a move that counts for those who look.
 */
#ifndef WORK_PARTITION_LAYOUT_H
#define WORK_PARTITION_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <plx/partition.h>

#define PLX_PARTITION_MAGIC  0x74726170u /* "part" */
#define PLX_PARTITION_LAYOUT 1u

struct plx_partition_shared {
	/* line 0: read-only once made */
	uint32_t magic;  /* PLX_PARTITION_MAGIC; stored last with release (PT3) */
	uint32_t layout; /* PLX_PARTITION_LAYOUT */
	uint32_t kind;   /* enum plx_partition_kind */
	uint32_t hash;   /* enum plx_partition_hash */
	uint64_t seed;
	uint8_t secret[16];
	uint32_t ranges; /* PLX_PARTITION_RANGE: 1 to PLX_PARTITION_RANGES; else 0 */
	uint32_t reserved;
	uint64_t reserved1[2];
	/* line 1: the writer */
	_Alignas(PLX_LINE) uint64_t epoch; /* moves so far; stored with release (PT1) after the owner */
	uint64_t reserved2[7];
	/* read-only once made */
	uint64_t bounds[PLX_PARTITION_RANGES]; /* ascending; ranges - 1 of them are used, the rest zero */
	/* the writer */
	uint16_t owner[PLX_PARTITION_SLOTS]; /* below PLX_PARTITION_OWNERS, or PLX_PARTITION_NOBODY */
};
static_assert(offsetof(struct plx_partition_shared, kind) == 8, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, seed) == 16, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, secret) == 24, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, ranges) == 40, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, epoch) == 1 * PLX_LINE, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, bounds) == 2 * PLX_LINE, "protocol.md: partition");
static_assert(offsetof(struct plx_partition_shared, owner) == 2176, "protocol.md: partition");
static_assert(sizeof(struct plx_partition_shared) == 34944, "protocol.md: partition");

#endif

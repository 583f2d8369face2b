/*
 * bench_partition.c - what it costs to find the owner of a key, and how many keys move when an owner comes or goes.
 *
 *	route       hash and look up a 64-bit key, 64 owners: the table of slots, beside modulo, jump hash, the ring
 *	bytes       the same of keys of 16 and 64 bytes, by both hashes
 *	resize      keys that move from 64 to 65 owners and from 64 to 63, beside the least possible and modulo
 *
 * Prints the median of ROUNDS rounds. With PLX_BENCH_QUICK set in the environment: fewer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define ROUNDS 9
#define ROUTES 1000000u
#define OWNERS 64u

static struct plx_partition partition;
static struct plx_ring_point ring[OWNERS * 150];
static unsigned char keys[4096][64];
static uint64_t sink;
static uint32_t many = OWNERS; /* what the compiler does not know */
static int rounds = ROUNDS;

#define MEASURE(name, note, expression)                                                                      \
	do {                                                                                                 \
		double ns[ROUNDS];                                                                           \
                                                                                                             \
		for (int r = 0; r < rounds; r++) {                                                           \
			uint64_t sum = 0, begin = plx_now_ns();                                              \
                                                                                                             \
			for (uint64_t i = 0; i < ROUTES; i++) {                                              \
				uint64_t key = i * UINT64_C(0x9e3779b97f4a7c15);                             \
				(void)key;                                                                   \
                                                                                                             \
				sum += (expression);                                                         \
			}                                                                                    \
			ns[r] = (double)(plx_now_ns() - begin) / ROUTES;                                     \
			sink += sum;                                                                         \
		}                                                                                            \
		qsort(ns, (size_t)rounds, sizeof(ns[0]), by_value);                                          \
		printf("  %-44s %7.2f ns  (%.2f to %.2f)  %s\n", name, ns[rounds / 2], ns[0],                \
		       ns[rounds - 1], note);                                                                \
	} while (0)

static void own(uint32_t n)
{
	static struct plx_partition_move moves[PLX_PARTITION_SLOTS];
	uint32_t weights[OWNERS + 1];
	int count;

	for (uint32_t i = 0; i < n; i++)
		weights[i] = 1;
	count = plx_partition_plan(&partition, weights, n, moves);
	for (int i = 0; i < count; i++)
		plx_partition_move(&partition, moves[i].slot, moves[i].to);
}

static void resize(uint32_t from, uint32_t to)
{
	static uint16_t before[PLX_PARTITION_SLOTS];
	uint64_t moved = 0, modulo = 0;
	uint32_t slots = 0;

	own(from);
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++)
		before[slot] = (uint16_t)plx_partition_owner(&partition, slot);
	own(to);
	for (uint32_t slot = 0; slot < PLX_PARTITION_SLOTS; slot++)
		slots += before[slot] != plx_partition_owner(&partition, slot);
	for (uint64_t key = 0; key < ROUTES * 4; key++) {
		uint32_t slot = plx_partition_hash_u64(&partition, key);
		uint64_t hash = plx_key_u64(key, 1);

		moved += before[slot] != plx_partition_owner(&partition, slot);
		modulo += hash % from != hash % to;
	}
	printf("  %u to %u owners: %.3f %% of the slots, %.3f %% of %u keys; the least there can be %.3f %%; "
	       "modulo %.1f %%\n",
	       from, to, 100.0 * slots / PLX_PARTITION_SLOTS, 100.0 * (double)moved / (ROUTES * 4),
	       ROUTES * 4, 100.0 / (from > to ? from : to), 100.0 * (double)modulo / (ROUTES * 4));
}

int main(void)
{
	static _Alignas(64) unsigned char block[65536];
	uint32_t owners[OWNERS], turn = 0;
	uint8_t secret[16] = "not so secret...";

	if (getenv("PLX_BENCH_QUICK"))
		rounds = 3;
	if (getenv("PLX_BENCH_OWNERS"))
		many = (uint32_t)atoi(getenv("PLX_BENCH_OWNERS"));
	go_first();
	if (plx_partition_size() > sizeof(block) ||
	    plx_partition_init(&partition, block, sizeof(block), NULL) < 0)
		return 1;
	own(OWNERS);
	for (uint32_t i = 0; i < OWNERS; i++)
		owners[i] = i;
	plx_ring_build(ring, owners, OWNERS, 150);
	for (size_t i = 0; i < sizeof(keys); i++)
		keys[i / 64][i % 64] = (unsigned char)plx_key_u64(i, 5);

	printf(" route a 64-bit key to one of %u owners\n", OWNERS);
	MEASURE("slot table", "hash included; must 4, aim 1.5",
		plx_partition_owner(&partition, plx_partition_hash_u64(&partition, key)));
	MEASURE("slot table, any kind of partition", "one call",
		plx_partition_owner(&partition, plx_partition_slot(&partition, key)));
	MEASURE("only the look-up", "", plx_partition_owner(&partition, (uint32_t)(key >> 50)));
	MEASURE("modulo", "", plx_key_u64(key, 1) % many);
	MEASURE("jump hash", "", plx_jump(plx_key_u64(key, 1), OWNERS));
	MEASURE("ring, 150 copies", "", plx_ring_find(ring, OWNERS * 150, plx_key_u64(key, 1)));
	MEASURE("in turn", "no key", plx_turn(&turn, OWNERS));
	printf(" hash a key of bytes\n");
	MEASURE("XXH3, 16 bytes", "", plx_key_bytes(keys[i & 4095], 16, 1));
	MEASURE("XXH3, 64 bytes", "", plx_key_bytes(keys[i & 4095], 64, 1));
	MEASURE("SipHash-2-4, 8 bytes", "keys an enemy may choose",
		plx_key_hostile(keys[i & 4095], 8, secret));
	MEASURE("SipHash-2-4, 64 bytes", "", plx_key_hostile(keys[i & 4095], 64, secret));
	printf(" resize\n");
	resize(OWNERS, OWNERS + 1);
	resize(OWNERS, OWNERS - 1);
	return sink == 42;
}

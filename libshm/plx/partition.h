/* partition.h - who gets a message: keys to slots, slots to owners, and how few slots move when owners come and go. */
#ifndef PLX_PARTITION_H
#define PLX_PARTITION_H

#include <plx/common.h>

#define PLX_PARTITION_SLOTS  16384u  /* shares that can move one by one */
#define PLX_PARTITION_OWNERS 1024u   /* numbers of owners are below this */
#define PLX_PARTITION_RANGES 256u    /* of a partition by range */
#define PLX_PARTITION_NOBODY 0xffffu /* owner of a slot that has none */

/* How a key becomes a slot. The owner of the slot is looked up, whatever the kind. */
enum plx_partition_kind {
	PLX_PARTITION_HASH =
		0, /* a seeded hash: even, and whoever keeps a slot keeps its keys (consistent hashing) */
	PLX_PARTITION_RANGE = 1,  /* slot i holds the keys from bound i - 1 (included) to bound i (not) */
	PLX_PARTITION_CUSTOM = 2, /* what a function of yours says, modulo PLX_PARTITION_SLOTS */
	PLX_PARTITION_TURN = 3,   /* no key: one owner after the other */
	PLX_PARTITION_LEAST = 4,  /* no key: of two owners the one with less before it */
};

/* Which hash makes slots of keys. */
enum plx_partition_hash {
	PLX_PARTITION_FAST =
		0, /* XXH3 of bytes, a mixer of 64-bit keys; who can choose keys can choose slots */
	PLX_PARTITION_HOSTILE =
		1, /* SipHash-2-4 (libsodium): for keys an enemy may choose; about 10 ns more */
};

/* What a partition is made of; zero is PLX_PARTITION_HASH, PLX_PARTITION_FAST, a random seed, equal shares. */
struct plx_partition_options {
	uint32_t kind; /* enum plx_partition_kind */
	uint32_t hash; /* enum plx_partition_hash */
	uint64_t seed; /* of the fast hash; 0: a random one */
	/* PLX_PARTITION_RANGE: ascending, @bounds_count of them, at most PLX_PARTITION_RANGES - 1 */
	const uint64_t *bounds;
	uint32_t bounds_count;
	/* PLX_PARTITION_CUSTOM: called by who routes, in its own process */
	uint32_t (*custom)(uint64_t key, void *arg);
	void *arg;
};

/* The part of a segment that all who route read; opaque. */
struct plx_partition_shared;

/* A view of a partition: private to the process. */
struct plx_partition {
	struct plx_partition_shared *shared;
	const uint16_t *owner; /* of each slot, in the segment; plx_partition_owner() reads it */
	uint64_t seed;
	uint8_t secret[16];
	uint32_t kind, hash;
	uint32_t ranges;
	uint32_t (*custom)(uint64_t key, void *arg);
	void *arg;
};

/* One slot that changes hands. */
struct plx_partition_move {
	uint16_t slot;
	uint16_t from; /* PLX_PARTITION_NOBODY: it had no owner */
	uint16_t to;
};

PLX_BEGIN

/* ---- hashes, and other people's partitioners as pure functions ------------------------------------ */

/**
 * plx_key_u64() - a hash of a 64-bit key: two multiplications, every bit of the result depends on every bit of the key.
 *
 * With one seed no two keys have the same hash. Not for keys an enemy chooses: plx_key_hostile().
 * Source: the finalizer of David Stafford's "Mix13" (2011), as in SplitMix64 (Steele, Lea, Flood 2014).
 */
static inline uint64_t plx_key_u64(uint64_t key, uint64_t seed)
{
	uint64_t x = key ^ seed;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/** plx_key_bytes() - a hash of a key of any length: XXH3 with a seed. 2 ns for 16 bytes. */
uint64_t plx_key_bytes(const void *key, size_t size, uint64_t seed);

/** plx_key_hostile() - SipHash-2-4: who does not know @secret cannot find keys that meet. 13 ns for 16 bytes. */
uint64_t plx_key_hostile(const void *key, size_t size, const uint8_t secret[16]);

/**
 * plx_jump() - consistent hashing without a table; only the last of @n buckets can go.
 *
 * Return: a bucket below @n; 0 for @n of 0 or 1.
 * Source: Lamping, Veach: A Fast, Minimal Memory, Consistent Hash Algorithm (2014).
 */
uint32_t plx_jump(uint64_t hash, uint32_t n);

/* A point of a ring: the keys up to @hash, from the point before, are @owner's. */
struct plx_ring_point {
	uint64_t hash;
	uint32_t owner;
	uint32_t reserved;
};

/**
 * plx_ring_build() - the ring of consistent hashing: @copies points for each of @owners, sorted.
 * @points: room for @n * @copies
 *
 * More copies, more even: with 150 the fullest of 64 owners has 15 % more than its share.
 * Source: Karger et al. (1997). Safety: allocates nothing.
 */
void plx_ring_build(struct plx_ring_point *points, const uint32_t *owners, uint32_t n, uint32_t copies);

/** plx_ring_find() - the owner of a hash; @count is n * copies, at least 1. */
uint32_t plx_ring_find(const struct plx_ring_point *points, uint32_t count, uint64_t hash);

/** plx_range_find() - how many of @n ascending bounds are at most @key: the number of its range. No branch per step. */
uint32_t plx_range_find(const uint64_t *bounds, uint32_t n, uint64_t key);

/** plx_turn() - the next of @n in turn; each sender has a @turn of its own. */
static inline uint32_t plx_turn(uint32_t *turn, uint32_t n)
{
	*turn = *turn + 1 < n ? *turn + 1 : 0;
	return *turn;
}

/**
 * plx_least_of_two() - two of @n picked by @random, and of these the one with the smaller load.
 *
 * Source: Mitzenmacher: The Power of Two Choices in Randomized Load Balancing (2001).
 */
uint32_t plx_least_of_two(const uint64_t *loads, uint32_t n, uint64_t random);

/* ---- a partition in a segment --------------------------------------------------------------------- */

/** plx_partition_size() - bytes a block needs for a partition. */
uint64_t plx_partition_size(void);

/**
 * plx_partition_init() - make a partition in a block of a segment; no slot has an owner yet.
 * @opt: NULL: all zero
 *
 * Return: 0, -EINVAL (kind, bounds, no function), -ENOSPC (block too small), -EIO, -EAGAIN (no random bytes).
 */
int plx_partition_init(struct plx_partition *partition, void *block, uint64_t size,
		       const struct plx_partition_options *opt) plx_must_check;

/**
 * plx_partition_attach() - a view of a partition another process made.
 * @opt: for PLX_PARTITION_CUSTOM: its function and argument; else NULL
 *
 * Return: 0, -EPROTO, -EBADMSG, -ERANGE (block too small), -EINVAL (a function is missing).
 */
int plx_partition_attach(struct plx_partition *partition, void *block, uint64_t size,
			 const struct plx_partition_options *opt) plx_must_check;

/** plx_partition_owner() - whose slot that is: one load. PLX_PARTITION_NOBODY when it is nobody's. */
static inline uint32_t plx_partition_owner(const struct plx_partition *partition, uint32_t slot)
{
	/* relaxed: an owner alone says nothing about messages; who hands slots over uses plx_partition_epoch() */
	return __atomic_load_n(&partition->owner[slot % PLX_PARTITION_SLOTS], __ATOMIC_RELAXED);
}

/** plx_partition_hash_u64() - the slot of a 64-bit key of a PLX_PARTITION_HASH with the fast hash: about a nanosecond. */
static inline uint32_t plx_partition_hash_u64(const struct plx_partition *partition, uint64_t key)
{
	return (uint32_t)(plx_key_u64(key, partition->seed) >> 50);
}

/**
 * plx_partition_slot() - the slot of a 64-bit key, of any kind that has keys.
 *
 * For PLX_PARTITION_TURN and PLX_PARTITION_LEAST the key is the slot: messages without a key may be anybody's.
 */
uint32_t plx_partition_slot(const struct plx_partition *partition, uint64_t key);

/** plx_partition_slot_bytes() - the slot of a key of bytes; by range: of its first 8 bytes, as memcmp() sorts. */
uint32_t plx_partition_slot_bytes(const struct plx_partition *partition, const void *key, size_t size);

/**
 * plx_partition_plan() - the fewest moves that give every owner its share.
 * @weights: of owners 0 ... @n - 1; 0: takes no slots (it is to go). Shares are proportional, to a slot
 * @moves:   room for PLX_PARTITION_SLOTS
 *
 * A partition by range has its ranges for slots, and the others are nobody's. What is in place stays: n equal owners
 * becoming n + 1 move one slot in n + 1, and no slot moves between owners that were there.
 *
 * Return: how many moves, or -EINVAL (all weights 0, @n above PLX_PARTITION_OWNERS).
 * Safety: the writer of the partition.
 */
int plx_partition_plan(const struct plx_partition *partition, const uint32_t *weights, uint32_t n,
		       struct plx_partition_move *moves) plx_must_check;

/** plx_partition_move() - give one slot to another owner: one store, and the epoch. One process writes a partition. */
void plx_partition_move(struct plx_partition *partition, uint32_t slot, uint32_t to);

/** plx_partition_epoch() - how many moves there were; who reads it (acquire) sees all of them. */
uint64_t plx_partition_epoch(const struct plx_partition *partition);

/** plx_partition_count() - how many slots an owner has. */
uint32_t plx_partition_count(const struct plx_partition *partition, uint32_t owner);

/** plx_partition_slots() - slots that are in use: PLX_PARTITION_SLOTS, by range the number of ranges. */
uint32_t plx_partition_slots(const struct plx_partition *partition);

/**
 * plx_partition_check() - walk a partition in a block of @size bytes; tools call it on what they copied.
 *
 * Return: 0 or -EBADMSG with *@why.
 */
int plx_partition_check(const void *block, uint64_t size, const char **why) plx_must_check;

PLX_END

#endif

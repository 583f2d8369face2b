/*
 * partition.c - sixteen thousand slots and whose they are.
 *
 *	key ──hash, range, function──► slot ──table──► owner
 *
 * The hash is over and done with when the slot is known, so that owners come and go without it: a resize moves slots, as
 * few as there can be, each of which takes its keys along; and it can move them one at a time, each at the moment that
 * suits. Clever consistent hashes move as few, cost 10 to 600 times as much per lookup, and cannot move half.
 */
#include <plx/partition.h>

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"
#include "work/partition_layout.h"

/* ---- making ------------------------------------------------------------------------------------- */

uint64_t plx_partition_size(void)
{
	return sizeof(struct plx_partition_shared);
}

static bool ascending(const uint64_t *bounds, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (bounds[i - 1] >= bounds[i])
			return false;
	return true;
}

static bool options_are_sane(const struct plx_partition_options *o)
{
	if (o->kind > PLX_PARTITION_LEAST || o->hash > PLX_PARTITION_HOSTILE)
		return false;
	if (o->kind == PLX_PARTITION_CUSTOM && !o->custom)
		return false;
	if (o->kind != PLX_PARTITION_RANGE)
		return o->bounds_count == 0;
	return o->bounds_count < PLX_PARTITION_RANGES && (o->bounds || o->bounds_count == 0) &&
	       ascending(o->bounds, o->bounds_count);
}

static void view(struct plx_partition *partition, struct plx_partition_shared *shared,
		 const struct plx_partition_options *o)
{
	*partition = (struct plx_partition){
		.shared = shared,
		.owner = shared->owner,
		.seed = shared->seed,
		.kind = shared->kind,
		.hash = shared->hash,
		.ranges = shared->ranges,
		.custom = o ? o->custom : NULL,
		.arg = o ? o->arg : NULL,
	};
	memcpy(partition->secret, shared->secret, sizeof(partition->secret));
}

int plx_partition_init(struct plx_partition *partition, void *block, uint64_t size,
		       const struct plx_partition_options *opt)
{
	struct plx_partition_options o = opt ? *opt : (struct plx_partition_options){ 0 };
	struct plx_partition_shared *shared = block;
	struct {
		uint64_t seed;
		uint8_t secret[16];
	} chance;
	int ret;

	*partition = (struct plx_partition){ .shared = NULL };
	if (!options_are_sane(&o))
		return -EINVAL;
	if (size < sizeof(*shared))
		return -ENOSPC;
	ret = plx_sys_random(&chance, sizeof(chance));
	if (ret < 0)
		return ret;
	memset(shared, 0, sizeof(*shared));
	shared->layout = PLX_PARTITION_LAYOUT;
	shared->kind = o.kind;
	shared->hash = o.hash;
	shared->seed = o.seed ? o.seed : chance.seed;
	memcpy(shared->secret, chance.secret, sizeof(shared->secret));
	if (o.kind == PLX_PARTITION_RANGE) {
		shared->ranges = o.bounds_count + 1;
		if (o.bounds_count)
			memcpy(shared->bounds, o.bounds, o.bounds_count * sizeof(*o.bounds));
	}
	memset(shared->owner, 0xff, sizeof(shared->owner)); /* nobody's */
	/* PT3 release: pairs with PT4; whoever sees the magic sees a whole partition */
	__atomic_store_n(&shared->magic, PLX_PARTITION_MAGIC, __ATOMIC_RELEASE);
	view(partition, shared, &o);
	return 0;
}

int plx_partition_attach(struct plx_partition *partition, void *block, uint64_t size,
			 const struct plx_partition_options *opt)
{
	struct plx_partition_shared *shared = block;
	int ret;

	*partition = (struct plx_partition){ .shared = NULL };
	if (!shared || size < sizeof(*shared))
		return -ERANGE;
	/* PT4 acquire: pairs with PT3 */
	if (__atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != PLX_PARTITION_MAGIC)
		return -EPROTO;
	ret = plx_partition_check(block, size, NULL);
	if (ret < 0)
		return ret;
	if (shared->kind == PLX_PARTITION_CUSTOM && !(opt && opt->custom))
		return -EINVAL;
	view(partition, shared, opt);
	return 0;
}

/* ---- routing ------------------------------------------------------------------------------------ */

uint32_t plx_partition_slot(const struct plx_partition *p, uint64_t key)
{
	switch (p->kind) {
	case PLX_PARTITION_HASH:
		return p->hash == PLX_PARTITION_FAST
			       ? plx_partition_hash_u64(p, key)
			       : (uint32_t)(plx_key_hostile(&key, sizeof(key), p->secret) >> 50);
	case PLX_PARTITION_RANGE: return plx_range_find(p->shared->bounds, p->ranges - 1, key);
	case PLX_PARTITION_CUSTOM: return p->custom(key, p->arg) % PLX_PARTITION_SLOTS;
	default: return (uint32_t)(key % PLX_PARTITION_SLOTS);
	}
}

/* The first 8 bytes of a key, as a number that sorts as memcmp() does. */
static uint64_t prefix(const void *key, size_t size)
{
	uint8_t head[8] = { 0 };

	if (size)
		memcpy(head, key, size < 8 ? size : 8);
	return ((uint64_t)head[0] << 56) | ((uint64_t)head[1] << 48) | ((uint64_t)head[2] << 40) |
	       ((uint64_t)head[3] << 32) | ((uint64_t)head[4] << 24) | ((uint64_t)head[5] << 16) |
	       ((uint64_t)head[6] << 8) | head[7];
}

uint32_t plx_partition_slot_bytes(const struct plx_partition *p, const void *key, size_t size)
{
	if (p->kind == PLX_PARTITION_RANGE)
		return plx_partition_slot(p, prefix(key, size));
	if (p->hash == PLX_PARTITION_HOSTILE)
		return (uint32_t)(plx_key_hostile(key, size, p->secret) >> 50);
	if (p->kind == PLX_PARTITION_HASH)
		return (uint32_t)(plx_key_bytes(key, size, p->seed) >> 50);
	return plx_partition_slot(p, plx_key_bytes(key, size, p->seed));
}

/* ---- who gets what -------------------------------------------------------------------------------- */

uint32_t plx_partition_slots(const struct plx_partition *p)
{
	return p->kind == PLX_PARTITION_RANGE ? p->ranges : PLX_PARTITION_SLOTS;
}

/*
 * How many slots each is to have: its part rounded down, then one more for those with the largest rest. Among equals the one
 * that has more already, so that nothing moves for the rounding's sake.
 */
static void shares(uint32_t *share, const uint32_t *has, const uint32_t *weights, uint32_t n, uint64_t sum,
		   uint32_t slots)
{
	uint64_t rest[PLX_PARTITION_OWNERS];
	uint32_t left = slots;

	for (uint32_t i = 0; i < n; i++) {
		share[i] = (uint32_t)((uint64_t)slots * weights[i] / sum);
		rest[i] = (uint64_t)slots * weights[i] % sum + 1;
		left -= share[i];
	}
	while (left > 0) {
		uint32_t best = UINT32_MAX;

		for (uint32_t i = 0; i < n; i++) {
			if (weights[i] == 0 || rest[i] == 0)
				continue;
			if (best == UINT32_MAX || rest[i] > rest[best] ||
			    (rest[i] == rest[best] && has[i] > share[i] && has[best] <= share[best]))
				best = i;
		}
		share[best]++;
		rest[best] = 0;
		left--;
	}
}

int plx_partition_plan(const struct plx_partition *p, const uint32_t *weights, uint32_t n,
		       struct plx_partition_move *moves)
{
	uint32_t has[PLX_PARTITION_OWNERS] = { 0 }, share[PLX_PARTITION_OWNERS], slots, to = 0;
	uint64_t sum = 0;
	int count = 0;

	for (uint32_t i = 0; i < n && n <= PLX_PARTITION_OWNERS; i++)
		sum += weights[i];
	if (n > PLX_PARTITION_OWNERS || sum == 0)
		return -EINVAL;
	slots = plx_partition_slots(p);
	for (uint32_t slot = 0; slot < slots; slot++) {
		uint32_t owner = plx_partition_owner(p, slot);

		if (owner < n)
			has[owner]++;
	}
	shares(share, has, weights, n, sum, slots);
	for (uint32_t slot = 0; slot < slots; slot++) {
		uint32_t from = plx_partition_owner(p, slot);

		if (from < n && has[from] <= share[from] && !plx_mutant(MUT_PARTITION_RESHUFFLE))
			continue;
		while (to < n && has[to] >= share[to])
			to++;
		if (to == n) /* never: the shares add up */
			break;
		if (from < n)
			has[from]--;
		has[to]++;
		moves[count++] = (struct plx_partition_move){ .slot = (uint16_t)slot,
							      .from = (uint16_t)from,
							      .to = (uint16_t)to };
	}
	return count;
}

void plx_partition_move(struct plx_partition *p, uint32_t slot, uint32_t to)
{
	struct plx_partition_shared *shared = p->shared;

	plx_write_once(&shared->owner[slot % PLX_PARTITION_SLOTS], (uint16_t)to);
	/* PT1 release: pairs with PT2; whoever sees the number sees the moves it counts */
	__atomic_store_n(&shared->epoch, plx_read_once(&shared->epoch) + 1, __ATOMIC_RELEASE);
}

uint64_t plx_partition_epoch(const struct plx_partition *p)
{
	/* PT2 acquire: pairs with PT1 */
	return __atomic_load_n(&p->shared->epoch, __ATOMIC_ACQUIRE);
}

uint32_t plx_partition_count(const struct plx_partition *p, uint32_t owner)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < plx_partition_slots(p); slot++)
		count += plx_partition_owner(p, slot) == owner;
	return count;
}

/* ---- checking ------------------------------------------------------------------------------------- */

static const char *fault_of(const struct plx_partition_shared *shared)
{
	uint32_t kind = plx_read_once(&shared->kind), ranges = plx_read_once(&shared->ranges), slots;

	if (plx_read_once(&shared->magic) != PLX_PARTITION_MAGIC ||
	    plx_read_once(&shared->layout) != PLX_PARTITION_LAYOUT)
		return "partition: no magic: not a partition, or not a whole one";
	if (kind > PLX_PARTITION_LEAST || plx_read_once(&shared->hash) > PLX_PARTITION_HOSTILE)
		return "partition: of no known kind";
	if (kind == PLX_PARTITION_RANGE ? ranges == 0 || ranges > PLX_PARTITION_RANGES : ranges != 0)
		return "partition: the number of ranges makes no sense";
	for (uint32_t i = 0; i < PLX_PARTITION_RANGES; i++) {
		uint64_t bound = plx_read_once(&shared->bounds[i]);

		if (i + 1 >= ranges ? bound != 0 : i > 0 && plx_read_once(&shared->bounds[i - 1]) >= bound)
			return "partition: its bounds do not ascend";
	}
	slots = ranges ? ranges : PLX_PARTITION_SLOTS;
	for (uint32_t i = 0; i < PLX_PARTITION_SLOTS; i++) {
		uint16_t owner = plx_read_once(&shared->owner[i]);

		if (owner != PLX_PARTITION_NOBODY && (owner >= PLX_PARTITION_OWNERS || i >= slots))
			return "partition: a slot has an owner that cannot be";
	}
	return NULL;
}

int plx_partition_check(const void *block, uint64_t size, const char **why)
{
	const char *fault = size < sizeof(struct plx_partition_shared) ? "partition: the block is too small"
								       : fault_of(block);

	if (fault && why)
		*why = fault;
	return fault ? -EBADMSG : 0;
}

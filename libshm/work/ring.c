/*
 * ring.c - partitioners that need no table in a segment: jump hash, the ring, ranges, two choices.
 *
 * Pure functions. What this house uses to route is the table of slots (partition.c), which is faster than all of them and
 * moves as few keys; these are for talking to others who use them.
 */
#include <plx/partition.h>

#include <stdlib.h>

uint32_t plx_jump(uint64_t hash, uint32_t n)
{
	int64_t bucket = 0, next = 0;

	while (next < (int64_t)n) {
		bucket = next;
		hash = hash * UINT64_C(2862933555777941757) + 1;
		next = (int64_t)((double)(bucket + 1) *
				 ((double)(UINT64_C(1) << 31) / (double)((hash >> 33) + 1)));
	}
	return (uint32_t)bucket;
}

/* ---- the ring ------------------------------------------------------------------------------------ */

static int by_hash(const void *a, const void *b)
{
	const struct plx_ring_point *x = (const struct plx_ring_point *)a;
	const struct plx_ring_point *y = (const struct plx_ring_point *)b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner; /* whoever builds it gets the same ring */
}

void plx_ring_build(struct plx_ring_point *points, const uint32_t *owners, uint32_t n, uint32_t copies)
{
	size_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t copy = 0; copy < copies; copy++)
			points[count++] = (struct plx_ring_point){
				.hash = plx_key_u64(((uint64_t)owners[i] << 32) | copy,
						    UINT64_C(0x9e3779b97f4a7c15)),
				.owner = owners[i],
			};
	qsort(points, count, sizeof(*points), by_hash);
}

uint32_t plx_ring_find(const struct plx_ring_point *points, uint32_t count, uint64_t hash)
{
	uint32_t at = 0;

	for (uint32_t n = count; n > 1;) {
		uint32_t half = n / 2;

		at += points[at + half - 1].hash < hash ? half : 0;
		n -= half;
	}
	at += points[at].hash < hash;
	return points[at == count ? 0 : at].owner; /* past the last point comes the first */
}

uint32_t plx_range_find(const uint64_t *bounds, uint32_t n, uint64_t key)
{
	uint32_t at = 0;

	if (n == 0)
		return 0;
	while (n > 1) {
		uint32_t half = n / 2;

		at += bounds[at + half - 1] <= key ? half : 0;
		n -= half;
	}
	return at + (bounds[at] <= key);
}

/* ---- without a key ------------------------------------------------------------------------------- */

uint32_t plx_least_of_two(const uint64_t *loads, uint32_t n, uint64_t random)
{
	uint32_t a, b;

	if (n < 2)
		return 0;
	a = (uint32_t)(((random & UINT32_MAX) * n) >> 32);
	b = (uint32_t)(((random >> 32) * (n - 1)) >> 32);
	b += b >= a; /* another one */
	return loads[b] < loads[a] ? b : a;
}

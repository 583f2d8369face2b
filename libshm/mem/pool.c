/*
 * pool.c - slots of one size under a bitmap: a set bit is a free slot.
 *
 *   words   [ 0010 1101 ... ][ 1111 ... ][ 1111 0000 ]   64 slots a word; bits past the last slot are 0 for ever
 *               ^ hint: no word before it had a free slot when we last looked
 *
 * The lowest free slot is taken first: it was used last, so it is in the cache. Two kinds of callers have functions of
 * their own: any number of threads and processes (claim, drop: one compare-and-swap, one fetch-or), and a bitmap with a
 * single writer (claim_one, drop_one: plain words, stored so that tools may look).
 */
#include <plx/pool.h>

#include <assert.h>
#include <errno.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/size.h"

#define BITS 64u

static uint32_t words_of(uint32_t slots)
{
	return slots / BITS + (slots % BITS != 0);
}

/* The bits of word @i that stand for slots. */
static uint64_t valid_bits(uint32_t slots, uint32_t i)
{
	uint32_t left = slots - i * BITS;

	return left >= BITS ? UINT64_MAX : (1ull << left) - 1;
}

uint64_t plx_pool_bitmap_size(uint32_t slots)
{
	uint64_t bytes = (uint64_t)words_of(slots) * sizeof(uint64_t);

	return (bytes + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
}

static const char *geometry_fault(const struct plx_pool *pool)
{
	uint64_t bytes;

	if (pool->slots == 0 || pool->slots == PLX_SLOT_NONE)
		return "the pool has no slots, or too many";
	if (pool->stride == 0 || pool->stride % PLX_LINE != 0)
		return "slots do not begin on a cache line";
	if (!plx_size_mul(pool->slots, pool->stride, &bytes) || bytes > INTPTR_MAX)
		return "the slots are larger than memory can be";
	if (!pool->words || (uintptr_t)pool->words % sizeof(uint64_t) != 0)
		return "the bitmap is not aligned";
	if (!pool->base || (uintptr_t)pool->base % PLX_LINE != 0)
		return "the slots are not aligned";
	return NULL;
}

int plx_pool_attach(struct plx_pool *pool, void *words, void *base, uint32_t slots, uint64_t stride)
{
	struct plx_pool p = { .words = words, .base = base, .slots = slots, .stride = stride };

	if (geometry_fault(&p))
		return -EINVAL;
	*pool = p;
	return 0;
}

int plx_pool_init(struct plx_pool *pool, void *words, void *base, uint32_t slots, uint64_t stride)
{
	int ret = plx_pool_attach(pool, words, base, slots, stride);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < plx_pool_bitmap_size(slots) / sizeof(uint64_t); i++)
		plx_write_once(&pool->words[i], i < words_of(slots) ? valid_bits(slots, i) : 0);
	return 0;
}

/* ---- any thread, any process ----------------------------------------------------------------------- */

/* A free slot of word @i, or PLX_SLOT_NONE. A process that dies here holds the slot or does not; nothing in between. */
static uint32_t claim_in(const struct plx_pool *pool, uint32_t i)
{
	uint64_t valid = valid_bits(pool->slots, i), free;
	/* relaxed: only a hint, the exchange decides */
	uint64_t word = plx_read_once(&pool->words[i]);

	while ((free = word & valid) != 0) {
		if (plx_mutant(MUT_CLAIM_NOT_ATOMIC))
			plx_write_once(&pool->words[i], word);
		/* PO1 acquire: pairs with PO2; whoever had the slot before is done with its bytes */
		if (__atomic_compare_exchange_n(&pool->words[i], &word, word & ~(free & -free), true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return i * BITS + (uint32_t)__builtin_ctzll(free);
	}
	return PLX_SLOT_NONE;
}

uint32_t plx_pool_claim(struct plx_pool *pool)
{
	uint32_t n = words_of(pool->slots), hint = plx_read_once(&pool->hint);

	if (hint >= n)
		hint = 0;
	for (uint32_t k = 0, i = hint; k < n; k++, i = i + 1 < n ? i + 1 : 0) {
		uint32_t slot = claim_in(pool, i);

		if (slot == PLX_SLOT_NONE)
			continue;
		if (i != hint)
			plx_write_once(&pool->hint, i); /* relaxed: wrong is slow, never false */
		return slot;
	}
	return PLX_SLOT_NONE;
}

void plx_pool_drop(struct plx_pool *pool, uint32_t slot)
{
	uint64_t bit = 1ull << (slot % BITS), old;
	uint32_t i = slot / BITS;

	assert(slot < pool->slots);
	/* PO2 release: pairs with PO1; our last use of the bytes is over */
	old = __atomic_fetch_or(&pool->words[i], bit, __ATOMIC_RELEASE);
	assert(!(old & bit) && "a free slot was dropped");
	(void)old;
	if (i < plx_read_once(&pool->hint))
		plx_write_once(&pool->hint, i);
}

/* ---- one writer ------------------------------------------------------------------------------------ */

uint32_t plx_pool_claim_one(struct plx_pool *pool)
{
	uint32_t n = words_of(pool->slots), hint = pool->hint < n ? pool->hint : 0;

	for (uint32_t k = 0, i = hint; k < n; k++, i = i + 1 < n ? i + 1 : 0) {
		/* relaxed: nobody else writes */
		uint64_t word = plx_read_once(&pool->words[i]), free = word & valid_bits(pool->slots, i);

		if (free == 0)
			continue;
		plx_write_once(&pool->words[i], word & ~(free & -free));
		pool->hint = i;
		return i * BITS + (uint32_t)__builtin_ctzll(free);
	}
	return PLX_SLOT_NONE;
}

void plx_pool_drop_one(struct plx_pool *pool, uint32_t slot)
{
	uint64_t bit = 1ull << (slot % BITS), word;
	uint32_t i = slot / BITS;

	assert(slot < pool->slots);
	word = plx_read_once(&pool->words[i]);
	assert(!(word & bit) && "a free slot was dropped");
	plx_write_once(&pool->words[i], word | bit);
	if (i < pool->hint)
		pool->hint = i;
}

/* ---- looking --------------------------------------------------------------------------------------- */

uint32_t plx_pool_free(const struct plx_pool *pool)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < words_of(pool->slots); i++)
		sum += (uint32_t)__builtin_popcountll(plx_read_once(&pool->words[i]) &
						      valid_bits(pool->slots, i));
	return sum;
}

int plx_pool_check(const struct plx_pool *pool, const char **why)
{
	const char *fault = geometry_fault(pool);
	uint64_t n = fault ? 0 : plx_pool_bitmap_size(pool->slots) / sizeof(uint64_t);

	for (uint32_t i = 0; i < n && !fault; i++) {
		uint64_t valid = i < words_of(pool->slots) ? valid_bits(pool->slots, i) : 0;

		if (plx_read_once(&pool->words[i]) & ~valid)
			fault = "a bit beyond the last slot is set";
	}
	if (fault && why)
		*why = fault;
	return fault ? -EBADMSG : 0;
}

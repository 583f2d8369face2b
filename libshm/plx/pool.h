/* pool.h - slots of one size in a segment under a lock-free atomic bitmap. */
#ifndef PLX_POOL_H
#define PLX_POOL_H

#include <plx/common.h>

#define PLX_SLOT_NONE UINT32_MAX

/* A view of a pool: private to the process, the bitmap and the slots are in the segment. */
struct plx_pool {
	uint64_t *words;     /* bit set = free; ceil(slots / 64) words */
	unsigned char *base; /* slot 0 */
	uint32_t slots;
	uint32_t hint;   /* word in which a free slot was last seen */
	uint64_t stride; /* bytes from one slot to the next, a multiple of PLX_LINE */
};

PLX_BEGIN

/** plx_pool_bitmap_size() - bytes of bitmap for @slots slots, a multiple of PLX_LINE. */
uint64_t plx_pool_bitmap_size(uint32_t slots);

/**
 * plx_pool_init() - lay a pool over memory the caller has; every slot is free.
 * @words: plx_pool_bitmap_size(@slots) bytes
 * @base:  @slots * @stride bytes, aligned to PLX_LINE
 *
 * Return: 0 or -EINVAL.
 */
int plx_pool_init(struct plx_pool *pool, void *words, void *base, uint32_t slots,
		  uint64_t stride) plx_must_check;

/**
 * plx_pool_attach() - the same view over a pool that exists; the bitmap is left as it is.
 *
 * Return: 0 or -EINVAL.
 */
int plx_pool_attach(struct plx_pool *pool, void *words, void *base, uint32_t slots,
		    uint64_t stride) plx_must_check;

/**
 * plx_pool_claim() - take a free slot, lowest and therefore hottest first; any thread.
 *
 * Lock-free; one atomic read-modify-write when the hint is right.
 *
 * Return: its index, or PLX_SLOT_NONE when all are taken.
 */
uint32_t plx_pool_claim(struct plx_pool *pool);

/** plx_pool_drop() - give a slot back; any thread. Dropping a free slot is a bug (assert). */
void plx_pool_drop(struct plx_pool *pool, uint32_t slot);

/**
 * plx_pool_claim_one() - plx_pool_claim() for a bitmap that has one writer: plain loads and stores.
 *
 * Wait-free when the hint's word has a free slot; no atomic read-modify-write at all.
 */
uint32_t plx_pool_claim_one(struct plx_pool *pool);

/** plx_pool_drop_one() - plx_pool_drop() for a bitmap that has one writer. */
void plx_pool_drop_one(struct plx_pool *pool, uint32_t slot);

/** plx_pool_free() - how many slots are free just now; a hint while others work. */
uint32_t plx_pool_free(const struct plx_pool *pool);

/** plx_pool_slot() - where slot @slot lies. */
static inline void *plx_pool_slot(const struct plx_pool *pool, uint32_t slot)
{
	return pool->base + (uint64_t)slot * pool->stride;
}

/**
 * plx_pool_check() - bits beyond the last slot are clear, geometry is sane.
 * @why: set to a reason on failure
 *
 * Return: 0 or -EBADMSG.
 */
int plx_pool_check(const struct plx_pool *pool, const char **why) plx_must_check;

PLX_END

#endif

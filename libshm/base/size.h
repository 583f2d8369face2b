/* size.h - arithmetic on sizes that somebody else may have chosen: every function says false on overflow. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define PLX_PAGE 4096u /* sizes are rounded to this; a machine with larger pages rounds again in the kernel */

static inline bool plx_size_add(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

static inline bool plx_size_mul(uint64_t a, uint64_t b, uint64_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

static inline bool plx_size_power_of_two(uint64_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* Round up to a multiple of @align, a power of two. */
static inline bool plx_size_align(uint64_t x, uint64_t align, uint64_t *rounded)
{
	if (!plx_size_add(x, align - 1, rounded))
		return false;
	*rounded &= ~(align - 1);
	return true;
}

/* Does [@off, @off + @len) lie inside [0, @size)? */
static inline bool plx_size_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

#endif

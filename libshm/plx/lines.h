/* lines.h - how bytes get into lines that others read: have the lines, several at once, then copy what was written just now. */
#ifndef PLX_LINES_H
#define PLX_LINES_H

#include <plx/common.h>
#include <stdint.h>
#include <string.h>

PLX_BEGIN

/* We shall write that line: have it taken away from whoever has it. (__builtin_prefetch(p, 1) only asks to read it.) */
static inline void plx_line_soon(const void *line)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1, 3);
#endif
}

/*
 * Lines that somebody else has read must be taken back from him before they are written, and that is what a message costs.
 * A processor takes back several at the same time, as long as nothing but stores to them are in its queue; what else is
 * written between two lines takes a place there, and a place is held for as long as a line is under way. So we take some at
 * once, by storing into each what it holds already; then all stores to them, and to anything else, find what they need.
 * Prefetching for writing does not do it: a processor may leave a line alone that it has, be it only to read.
 *
 * The lines must be ours to write: nobody else does, nobody reads them before we say so.
 */
#define PLX_LINES_TAKEN                                                                                      \
	8u /* at once; more of them are under way only on paper, and readers' prefetching steals them again */

static inline void plx_lines_take(void *first, uint64_t lines)
{
	uint64_t *word = (uint64_t *)first, *end = word + lines * (PLX_LINE / 8);

	for (; word != end; word += PLX_LINE / 8)
		/* relaxed: ours, and nothing changes */
		__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* Cells of so many bytes, a power of two, less one, whose lines are taken together. */
static inline uint32_t plx_lines_group(uint32_t stride)
{
	uint32_t cells = PLX_LINES_TAKEN * PLX_LINE / stride;

	return cells >= 8 ? 7 : cells >= 4 ? 3 : cells >= 2 ? 1 : 0;
}

/*
 * Copy what somebody wrote just now. It is loaded 8 bytes at a time: a wider load cannot be served by narrower stores that have
 * not reached the cache yet. It waits for them, and so for the lines of all messages before. Stores are as wide as may be.
 */
static plx_quick void plx_words_copy(void *to, const void *from, uint32_t bytes)
{
	unsigned char *t = (unsigned char *)to;
	const unsigned char *f = (const unsigned char *)from;
	typedef uint64_t pair __attribute__((vector_size(16)));
	uint64_t a, b;

#pragma GCC unroll 4
	for (; bytes >= 16; bytes -= 16, t += 16, f += 16) {
		memcpy(&a, f, 8);
		memcpy(&b, f + 8, 8);
		__asm__("" : "+r"(a), "+r"(b)); /* no wider loads, compiler */
		pair both = { a, b };

		memcpy(t, &both, 16);
	}
	if (bytes >= 8) {
		memcpy(&a, f, 8);
		memcpy(t, &a, 8);
		bytes -= 8;
		t += 8;
		f += 8;
	}
	if (bytes > 0)
		memcpy(t, f, bytes);
}

/* Into a cell. */
static inline void plx_bytes_put(void *to, const void *from, uint64_t bytes)
{
	if (plx_likely(bytes == 8)) {
		memcpy(to, from, 8);
		return;
	}
	/* the compiler sees an object of 8 bytes and warns of what is not reached */
	__asm__("" : "+r"(to), "+r"(from));
	if (bytes == 56)
		plx_words_copy(to, from, 56);
	else if (bytes <= 64)
		plx_words_copy(to, from, (uint32_t)bytes);
	else
		memcpy(to, from, bytes);
}

/* Out of a cell; it was written long ago. Sizes that matter are some instructions, the others call memcpy(). */
static inline void plx_bytes_get(void *to, const void *from, uint64_t bytes)
{
	if (plx_likely(bytes == 8)) {
		memcpy(to, from, 8);
		return;
	}
	__asm__("" : "+r"(to), "+r"(from)); /* as above */
	if (bytes == 56)
		memcpy(to, from, 56);
	else if (bytes == 16)
		memcpy(to, from, 16);
	else
		memcpy(to, from, bytes);
}

PLX_END

#endif

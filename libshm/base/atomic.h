/*
 * atomic.h - reading words that somebody else may be writing.
 *
 * Words in segments have plain types, so that layouts also compile as C++ and can be printed; all access goes through
 * the __atomic builtins with the order written out. These are the cases that have no order: one look, one copy.
 */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

static_assert(__GCC_ATOMIC_LLONG_LOCK_FREE == 2, "a lock in libc cannot be shared by two processes");

/*
 * Load a word of 1, 2, 4 or 8 bytes exactly once. The compiler may load a plain word twice, and a hostile peer may change it
 * between: check and use must see one value. Never wider: a 16-byte load may be a write in disguise.
 */
#define plx_read_once(ptr) __atomic_load_n((ptr), __ATOMIC_RELAXED)

/* Store a word which others look at; the one writer needs no order. */
#define plx_write_once(ptr, value) __atomic_store_n((ptr), (value), __ATOMIC_RELAXED)

/*
 * Copy @size bytes (a multiple of 8, both sides aligned to 8) into private memory, each word read exactly once. The
 * copy may be a mixture of what was written at different times: check it as a whole, then use only the copy.
 */
static inline void plx_copy_once(void *to, const void *from, size_t size)
{
	typedef uint64_t __attribute__((may_alias)) any_word;
	any_word *dst = (any_word *)to;
	const any_word *src = (const any_word *)from;

	for (size_t i = 0; i < size / 8; i++)
		dst[i] = plx_read_once(&src[i]);
}

/* A moment in a spinning loop. */
static inline void plx_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

#endif

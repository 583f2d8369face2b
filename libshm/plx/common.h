/* common.h - macros, sizes and small value types every other header of <plx/...> uses. */
#ifndef PLX_COMMON_H
#define PLX_COMMON_H

#include <errno.h> /* errors are negative errno values */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLX_VERSION_MAJOR  0
#define PLX_VERSION_MINOR  1
#define PLX_VERSION_PATCH  0
#define PLX_VERSION_STRING "0.1.0"

/* One cache line. What two processes write must never share one. */
#define PLX_LINE 64u

#define plx_must_check        __attribute__((warn_unused_result))
#define plx_cold              __attribute__((cold))
#define plx_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define plx_likely(x)         __builtin_expect(!!(x), 1)
#define plx_unlikely(x)       __builtin_expect(!!(x), 0)

#ifdef __cplusplus
#define PLX_BEGIN extern "C" {
#define PLX_END   }
#else
#define PLX_BEGIN
#define PLX_END
#endif

/* A place in a text, for errors: both count from 1; 0 means "nowhere in particular". */
struct plx_where {
	uint32_t line;
	uint32_t column; /* bytes, not characters */
};

/*
 * What is so short that a call would cost more than it does: a call goes by way of the stack, and stores there, between two
 * stores to a line that is under way, are dear (plx/lines.h).
 */
#define plx_quick inline __attribute__((always_inline))

PLX_BEGIN

/**
 * plx_version() - the version of the library that is loaded, "MAJOR.MINOR.PATCH".
 *
 * Safety: any thread; static text.
 */
const char *plx_version(void);

/**
 * plx_strerror() - what an error number of this library means, in a sentence fit for a user.
 * @err: an errno value, positive or negative
 *
 * The numbers are the kernel's; those to which the library gives a fixed meaning (-EPROTO, -EBADMSG,
 * -ENOSPC, -EPIPE, -EOWNERDEAD, -ESTALE, -EKEYREJECTED, -ECANCELED, -ESHUTDOWN ...) get that meaning.
 *
 * Safety: any thread; static text for those, strerrordesc_np() for the rest.
 */
const char *plx_strerror(int err);

PLX_END

#endif

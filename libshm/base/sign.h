/* sign.h - Ed25519 signatures, keyed BLAKE2b-256, and memory for secrets (libsodium's). */
#ifndef BASE_SIGN_H
#define BASE_SIGN_H

#include <plx/common.h>

#define PLX_SIGN_SEED      32u /* what a secret key is made of */
#define PLX_SIGN_SECRET    64u /* the same, ready for use */
#define PLX_SIGN_PUBLIC    32u
#define PLX_SIGN_SIGNATURE 64u
#define PLX_SIGN_DIGEST    32u

/**
 * plx_sign_start() - before anything else here; may be called often and by several threads.
 *
 * Return: 0, or -EIO when libsodium cannot start.
 */
int plx_sign_start(void) plx_must_check;

/** plx_sign_pair() - the pair of keys that belongs to a seed. */
void plx_sign_pair(uint8_t pub[PLX_SIGN_PUBLIC], uint8_t secret[PLX_SIGN_SECRET],
		   const uint8_t seed[PLX_SIGN_SEED]);

/** plx_sign_valid() - is this a public key, a point of the right order? */
bool plx_sign_valid(const uint8_t pub[PLX_SIGN_PUBLIC]) plx_must_check;

/** plx_sign() - about 20 us. */
void plx_sign(uint8_t signature[PLX_SIGN_SIGNATURE], const void *data, size_t size,
	      const uint8_t secret[PLX_SIGN_SECRET]);

/** plx_sign_verify() - about 50 us. */
bool plx_sign_verify(const uint8_t signature[PLX_SIGN_SIGNATURE], const void *data, size_t size,
		     const uint8_t pub[PLX_SIGN_PUBLIC]) plx_must_check;

/** plx_sign_mix() - digest = BLAKE2b-256 of @data with the old digest as its key: a chain, begun with any 32 bytes. */
void plx_sign_mix(uint8_t digest[PLX_SIGN_DIGEST], const void *data, size_t size);

/** plx_sign_equal() - compares in a time that does not depend on the bytes. */
bool plx_sign_equal(const void *a, const void *b, size_t size) plx_must_check;

/** plx_sign_wipe() - zero, also when the compiler sees no use in it. */
void plx_sign_wipe(void *data, size_t size);

/** plx_sign_hex(), plx_sign_unhex() - lower case digits, terminated; in a time that does not depend on the bytes. */
void plx_sign_hex(char *text, const uint8_t *bytes, size_t size);
/** Return: true when @text begins with 2 * @size hexadecimal digits. */
bool plx_sign_unhex(uint8_t *bytes, size_t size, const char *text, size_t length) plx_must_check;

/**
 * plx_secret_new() - a page for secrets: in no core dump, zero in a forked child, not swapped as far as we are allowed.
 *
 * Return: 0 or -ENOMEM. Owner: plx_secret_free(), which wipes it; NULL is fine.
 */
int plx_secret_new(void **secret) plx_must_check;
void plx_secret_free(void *secret);

#endif

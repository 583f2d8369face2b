/* hash.h - BLAKE2b-256 of bytes that come in pieces (libsodium's). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <plx/common.h>

#define PLX_HASH_BYTES 32u

struct plx_hash {
	_Alignas(64) unsigned char state[384];
};

/**
 * plx_hash_begin() - begin a hash.
 *
 * Return: 0, or -EIO when libsodium cannot start (it wants random bytes for other uses).
 * Safety: any thread.
 */
int plx_hash_begin(struct plx_hash *hash) plx_must_check;
void plx_hash_add(struct plx_hash *hash, const void *data, size_t size);
void plx_hash_end(struct plx_hash *hash, uint8_t sum[PLX_HASH_BYTES]);

#endif

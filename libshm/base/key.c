/*
 * key.c - hashes of keys that are bytes: XXH3, and SipHash for keys an enemy may choose.
 *
 * XXH3 comes whole with its header, so that nothing is linked and nothing is called for short keys.
 */
#include <plx/partition.h>

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

uint64_t plx_key_bytes(const void *key, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(key, size, seed);
}

uint64_t plx_key_hostile(const void *key, size_t size, const uint8_t secret[16])
{
	unsigned char hash[8];
	uint64_t word;

	crypto_shorthash(hash, key, size, secret); /* never fails */
	memcpy(&word, hash, sizeof(word));
	return word;
}

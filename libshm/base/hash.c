/*
 * hash.c - BLAKE2b-256, as libsodium has it. It is a door like those of the kernel: libsodium asks the kernel for random
 * bytes when it starts, and is not started before somebody wants a hash.
 */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>

#include "base/sys.h"

static_assert(sizeof(crypto_generichash_state) <= sizeof(struct plx_hash), "room for the state");
static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct plx_hash), "and aligned");

static crypto_generichash_state *state_of(struct plx_hash *hash)
{
	return (crypto_generichash_state *)(void *)hash->state;
}

int plx_hash_begin(struct plx_hash *hash)
{
	int ret = plx_sys_gate("hash", EIO);

	if (ret < 0)
		return ret;
	/* may be called often and by several threads; it chooses the code for this processor */
	if (sodium_init() < 0 || crypto_generichash_init(state_of(hash), NULL, 0, PLX_HASH_BYTES) != 0)
		return -EIO;
	return 0;
}

void plx_hash_add(struct plx_hash *hash, const void *data, size_t size)
{
	crypto_generichash_update(state_of(hash), data, size);
}

void plx_hash_end(struct plx_hash *hash, uint8_t sum[PLX_HASH_BYTES])
{
	crypto_generichash_final(state_of(hash), sum, PLX_HASH_BYTES);
}

/*
 * sign.c - libsodium's signatures and hashes, and pages for secrets. A door like hash.c: libsodium asks the kernel for
 * random bytes when it starts, and is not started before somebody has keys.
 */
#include "base/sign.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <sys/mman.h>

#include "base/size.h"
#include "base/sys.h"

static_assert(PLX_SIGN_SEED == crypto_sign_SEEDBYTES, "as libsodium has it");
static_assert(PLX_SIGN_SECRET == crypto_sign_SECRETKEYBYTES, "as libsodium has it");
static_assert(PLX_SIGN_PUBLIC == crypto_sign_PUBLICKEYBYTES, "as libsodium has it");
static_assert(PLX_SIGN_SIGNATURE == crypto_sign_BYTES, "as libsodium has it");
static_assert(PLX_SIGN_DIGEST >= crypto_generichash_BYTES_MIN &&
		      PLX_SIGN_DIGEST <= crypto_generichash_KEYBYTES_MAX,
	      "a digest can be a key");

int plx_sign_start(void)
{
	int ret = plx_sys_gate("sign", EIO);

	if (ret < 0)
		return ret;
	return sodium_init() < 0 ? -EIO : 0;
}

void plx_sign_pair(uint8_t pub[PLX_SIGN_PUBLIC], uint8_t secret[PLX_SIGN_SECRET],
		   const uint8_t seed[PLX_SIGN_SEED])
{
	crypto_sign_seed_keypair(pub, secret, seed);
}

bool plx_sign_valid(const uint8_t pub[PLX_SIGN_PUBLIC])
{
	return crypto_core_ed25519_is_valid_point(pub) == 1;
}

void plx_sign(uint8_t signature[PLX_SIGN_SIGNATURE], const void *data, size_t size,
	      const uint8_t secret[PLX_SIGN_SECRET])
{
	crypto_sign_detached(signature, NULL, data, size, secret);
}

bool plx_sign_verify(const uint8_t signature[PLX_SIGN_SIGNATURE], const void *data, size_t size,
		     const uint8_t pub[PLX_SIGN_PUBLIC])
{
	return crypto_sign_verify_detached(signature, data, size, pub) == 0;
}

void plx_sign_mix(uint8_t digest[PLX_SIGN_DIGEST], const void *data, size_t size)
{
	uint8_t sum[PLX_SIGN_DIGEST];

	crypto_generichash(sum, sizeof(sum), data, size, digest, PLX_SIGN_DIGEST);
	for (size_t i = 0; i < sizeof(sum); i++)
		digest[i] = sum[i];
}

bool plx_sign_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

void plx_sign_wipe(void *data, size_t size)
{
	sodium_memzero(data, size);
}

void plx_sign_hex(char *text, const uint8_t *bytes, size_t size)
{
	sodium_bin2hex(text, size * 2 + 1, bytes, size);
}

bool plx_sign_unhex(uint8_t *bytes, size_t size, const char *text, size_t length)
{
	size_t got;

	return length >= size * 2 && sodium_hex2bin(bytes, size, text, size * 2, NULL, &got, NULL) == 0 &&
	       got == size;
}

int plx_secret_new(void **secret)
{
	int ret = plx_sys_map(secret, PLX_PAGE, PROT_READ | PROT_WRITE, 0, -1);

	if (ret < 0)
		return ret;
	/* as well as we may: a limit on locked memory, or an old kernel, is no reason to do without keys */
	(void)!sodium_mlock(*secret, PLX_PAGE); /* not swapped, not dumped */
	(void)!plx_sys_advise(*secret, PLX_PAGE, MADV_WIPEONFORK);
	return 0;
}

void plx_secret_free(void *secret)
{
	if (!secret)
		return;
	sodium_memzero(secret, PLX_PAGE);
	plx_sys_unmap(secret, PLX_PAGE);
}

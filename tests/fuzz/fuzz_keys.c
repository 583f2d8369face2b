/*
 * fuzz_keys.c - whatever is in a key file, it is a key or a sentence about what is wrong with it.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_keys.c calls it too. The first byte of an input picks: the parsers alone on
 * the rest, making a key with a door to the kernel shut, or the rest as a file that is opened as a key, as a list of trusted keys, or as either (modes and sizes by bits).
 */
#include "tests/fuzz/fuzz.h"

#include "base/sys.h"
#include "topic/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A secret that is accepted is written the same again. */
static void try_secret(const char *text, size_t size)
{
	uint8_t seed[PLX_SIGN_SEED], again[PLX_SIGN_SEED], secret[PLX_SIGN_SECRET];
	char written[PLX_KEY_SECRET_TEXT];
	struct plx_public_key key;
	const char *why = "";
	size_t n;

	if (plx_key_parse_secret(seed, text, size, &why) < 0) {
		HOLDS(why && why[0]);
		return;
	}
	plx_sign_pair(key.bytes, secret, seed);
	n = plx_key_write_secret(written, seed, &key);
	HOLDS(n < sizeof(written) && strlen(written) == n);
	HOLDS(plx_key_parse_secret(again, written, n, &why) == 0);
	HOLDS(memcmp(seed, again, sizeof(seed)) == 0);
}

static void try_public(const char *text, size_t size)
{
	struct plx_public_key key, again;
	char written[PLX_KEY_TEXT];
	const char *why;
	uint32_t line = 0, line_again;
	size_t at = 0, before, at_again;
	int ret;

	for (;;) {
		before = at;
		why = "";
		ret = plx_key_parse_public(&key, text, size, &at, &line, &why);
		HOLDS(at <= size && line <= size + 1);
		if (ret <= 0)
			break;
		HOLDS(at > before);
		plx_key_text(written, &key);
		at_again = line_again = 0;
		HOLDS(plx_key_parse_public(&again, written, strlen(written), &at_again, &line_again, &why) ==
		      1);
		HOLDS(memcmp(&key, &again, sizeof(key)) == 0);
	}
	HOLDS(ret == 0 || (ret == -EBADMSG && why && why[0]));
}

/* Make a key, read it back, sign with it; whichever door is shut, there is a whole key or none. */
static void try_create(unsigned int door)
{
	char folder[] = "/dev/shm/plx-fuzz.XXXXXX", path[64], why[PLX_KEY_WHY] = "";
	uint8_t digest[PLX_SIGN_DIGEST] = { (uint8_t)door }, signature[PLX_SIGN_SIGNATURE];
	struct plx_public_key key, again;
	struct plx_keys *keys = NULL;
	int ret;

	HOLDS(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	plx_fault_seen = 0;
	plx_fault_at = (int)door;
	ret = plx_key_create(path, &key);
	plx_fault_at = -1;
	HOLDS((ret == 0) == (access(path, F_OK) == 0));
	if (ret < 0)
		HOLDS(plx_key_create(path, &key) == 0);
	HOLDS(plx_key_create(path, &again) == -EEXIST);
	plx_fault_seen = 0;
	plx_fault_at = (int)door;
	ret = plx_keys_open(&keys, path, why);
	plx_fault_at = -1;
	HOLDS((ret == 0) == (keys != NULL) && (ret == 0 || why[0]));
	plx_keys_close(keys);
	plx_fault_seen = 0;
	plx_fault_at = (int)door;
	ret = plx_key_public(path, &again, why);
	plx_fault_at = -1;
	HOLDS(ret < 0 || memcmp(&key, &again, sizeof(key)) == 0);
	HOLDS(plx_keys_open(&keys, path, why) == 0);
	plx_keys_sign(keys, door & 1, digest, signature);
	HOLDS(plx_keys_verify(&key, door & 1, digest, signature));
	HOLDS(!plx_keys_verify(&key, !(door & 1), digest, signature));
	for (unsigned int i = 0; i < 20; i++) { /* as many as make the list grow */
		uint8_t seed[PLX_SIGN_SEED] = { (uint8_t)i, 1 }, secret[PLX_SIGN_SECRET];
		struct plx_public_key other;

		plx_sign_pair(other.bytes, secret, seed);
		HOLDS(plx_keys_trust_key(keys, &other) == 0 && plx_keys_trusts(keys, &other));
		other.bytes[0] ^= 1;
		HOLDS(!plx_keys_trusts(keys, &other));
	}
	memset(&again, 0, sizeof(again));
	HOLDS(plx_keys_trust_key(keys, &again) == -EINVAL);
	plx_keys_close(keys);
	HOLDS(unlink(path) == 0 && rmdir(folder) == 0);
}

/* As a file: of memory, so that it is fast. */
static void try_file(unsigned int how, const char *text, size_t size)
{
	static const uint8_t seed[PLX_SIGN_SEED] = { 7 };
	static const mode_t modes[] = { 0600, 0400, 0640, 0602 };
	struct plx_public_key key, own;
	struct plx_keys *keys = NULL;
	char path[40], why[PLX_KEY_WHY] = "";
	int ret, fd = memfd_create("key", MFD_CLOEXEC);
	uint32_t before;

	HOLDS(fd >= 0 && write(fd, text, size) == (ssize_t)size && fchmod(fd, modes[how & 3]) == 0);
	HOLDS(!(how & 4) || ftruncate(fd, (off_t)PLX_KEY_PUBLIC_MAX + 1) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", how & 8 && (how & 7) == 7 ? 99999 : fd);
	if ((how & 15) == 14)
		snprintf(path, sizeof(path), "/dev/null");
	if ((how & 15) == 13 && geteuid() == 0)
		HOLDS(fchown(fd, 65534, 65534) == 0);
	plx_fault_seen = 0;
	plx_fault_at = how >> 4;
	ret = plx_keys_open(&keys, path, why);
	plx_fault_at = -1;
	HOLDS((ret == 0) == (keys != NULL) && (ret == 0 || why[0]));
	if (ret == 0) {
		own = plx_keys_own(keys);
		HOLDS(plx_key_public(path, &key, NULL) == 0 && memcmp(&key, &own, sizeof(key)) == 0);
		plx_keys_close(keys);
	}
	HOLDS(plx_keys_make(&keys, seed) == 0);
	own = plx_keys_own(keys);
	HOLDS(plx_keys_trust_key(keys, &own) == 0);
	before = plx_keys_count(keys);
	why[0] = '\0';
	plx_fault_seen = 0;
	plx_fault_at = how >> 4;
	ret = plx_keys_trust(keys, path, how & 8 ? NULL : why);
	plx_fault_at = -1;
	HOLDS(ret == 0 || how & 8 || why[0]);
	HOLDS(ret == 0 || plx_keys_count(keys) == before);
	HOLDS(plx_keys_trusts(keys, &own));
	plx_keys_close(keys);
	why[0] = '\0';
	ret = plx_key_public(path, &key, why);
	HOLDS(ret == 0 || why[0]);
	close(fd);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static int started;
	char *copy;

	if (size == 0)
		return 0;
	if (!started)
		started = plx_sign_start() == 0;
	HOLDS(started);
	copy = malloc(size); /* exactly as long, and not terminated */
	HOLDS(copy);
	memcpy(copy, data + 1, size - 1);
	copy = realloc(copy, size - 1 ? size - 1 : 1);
	HOLDS(copy);
	switch (data[0] >> 4) {
	case 0: try_secret(copy, size - 1); break;
	case 1: try_public(copy, size - 1); break;
	case 15: try_create(data[0] & 15); break;
	default: try_file((data[0] & 15) | (unsigned int)((data[0] >> 4) - 2) << 4, copy, size - 1); break;
	}
	free(copy);
	return 0;
}

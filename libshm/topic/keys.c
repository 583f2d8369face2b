/*
 * keys.c - a key of our own and those we trust: files, and what is done with them.
 *
 * A secret that others can read is none, and whoever can write the list of trusted keys can put his own there: both are
 * refused, on the open file, whatever its name leads to. What held a secret is wiped before it is given back.
 */
#include "topic/keys.h"

#include "base/size.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct plx_keys {
	struct plx_public_key own;
	uint8_t *secret; /* PLX_SIGN_SECRET bytes, on a page of their own */
	struct plx_public_key *trusted;
	uint32_t count, capacity;
};

/* ---- files ------------------------------------------------------------------------------------- */

static plx_printf(2, 3) void say(char *why, const char *format, ...)
{
	va_list args;

	if (!why)
		return;
	va_start(args, format);
	vsnprintf(why, PLX_KEY_WHY, format, args);
	va_end(args);
}

static int check_file(const struct stat *st, mode_t forbidden, size_t room, char *why)
{
	if (!S_ISREG(st->st_mode)) {
		say(why, "it is not a plain file");
		return -EACCES;
	}
	if (st->st_uid != plx_sys_uid() && st->st_uid != 0) {
		say(why, "it belongs to another user (%u)", (unsigned int)st->st_uid);
		return -EACCES;
	}
	if (st->st_mode & forbidden) {
		say(why,
		    forbidden & S_IRGRP ? "others may read or write it (mode %04o): chmod 600 is wanted"
					: "others may write it (mode %04o): chmod go-w is wanted",
		    (unsigned int)(st->st_mode & 07777));
		return -EACCES;
	}
	if ((uint64_t)st->st_size > room) {
		say(why, "it is too large for a key file");
		return -EBADMSG;
	}
	return 0;
}

/* The whole file; @room bytes at most. */
static int read_checked(const char *path, mode_t forbidden, void *text, size_t room, size_t *size, char *why)
{
	struct stat st;
	ssize_t n = 0;
	/* O_NONBLOCK: a fifo of that name must not hold us */
	int ret, fd = plx_sys_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);

	*size = 0;
	ret = fd < 0 ? fd : plx_sys_stat(fd, &st);
	if (ret >= 0)
		ret = check_file(&st, forbidden, room, why);
	else
		say(why, "%s", plx_strerror(ret));
	while (ret == 0 && *size < room) {
		n = plx_sys_read(fd, (char *)text + *size, room - *size);
		if (n <= 0)
			break;
		*size += (size_t)n;
	}
	if (n < 0) {
		ret = (int)n;
		say(why, "%s", plx_strerror(ret));
	}
	plx_sys_close(fd);
	return ret;
}

static int read_seed(const char *path, uint8_t seed[PLX_SIGN_SEED], char *why)
{
	char text[PLX_KEY_SECRET_MAX];
	const char *fault;
	size_t size;
	int ret = read_checked(path, S_IRWXG | S_IRWXO, text, sizeof(text), &size, why);

	if (ret == 0) {
		ret = plx_key_parse_secret(seed, text, size, &fault);
		if (ret < 0)
			say(why, "%s", fault);
	}
	plx_sign_wipe(text, sizeof(text));
	return ret;
}

/* Write all of it, to the disk. */
static int write_whole(int fd, const char *text, size_t size)
{
	ssize_t n;

	while (size > 0) {
		n = plx_sys_write(fd, text, size);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		text += n;
		size -= (size_t)n;
	}
	return plx_sys_sync(fd);
}

int plx_key_create(const char *path, struct plx_public_key *key)
{
	uint8_t seed[PLX_SIGN_SEED], secret[PLX_SIGN_SECRET];
	char text[PLX_KEY_SECRET_TEXT];
	struct plx_public_key k;
	int fd, ret = plx_sign_start();

	if (ret == 0)
		ret = plx_sys_random(seed, sizeof(seed));
	if (ret < 0)
		return ret;
	plx_sign_pair(k.bytes, secret, seed);
	fd = ret = plx_sys_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		ret = plx_sys_chmod(fd,
				    0600); /* whatever the umask, and whatever the directory would have it */
		if (ret == 0)
			ret = write_whole(fd, text, plx_key_write_secret(text, seed, &k));
		plx_sys_close(fd);
		if (ret < 0 && plx_sys_unlink(AT_FDCWD, path) < 0) {
			/* half a key is refused by whoever reads it */
		}
	}
	plx_sign_wipe(text, sizeof(text));
	plx_sign_wipe(seed, sizeof(seed));
	plx_sign_wipe(secret, sizeof(secret));
	if (ret == 0)
		*key = k;
	return ret;
}

/* ---- keys -------------------------------------------------------------------------------------- */

int plx_keys_make(struct plx_keys **keys, const uint8_t seed[PLX_SIGN_SEED])
{
	struct plx_keys *k = calloc(1, sizeof(*k));
	void *secret = NULL;
	int ret = k ? plx_secret_new(&secret) : -ENOMEM;

	if (ret < 0) {
		free(k);
		return ret;
	}
	k->secret = secret;
	plx_sign_pair(k->own.bytes, k->secret, seed);
	*keys = k;
	return 0;
}

int plx_keys_open(struct plx_keys **keys, const char *path, char *why)
{
	uint8_t seed[PLX_SIGN_SEED];
	int ret = plx_sign_start();

	*keys = NULL;
	if (ret == 0)
		ret = read_seed(path, seed, why);
	else
		say(why, "%s", plx_strerror(ret));
	if (ret == 0) {
		ret = plx_keys_make(keys, seed);
		if (ret < 0)
			say(why, "%s", plx_strerror(ret));
	}
	plx_sign_wipe(seed, sizeof(seed));
	return ret;
}

int plx_keys_trust_key(struct plx_keys *keys, const struct plx_public_key *key)
{
	if (!plx_sign_valid(key->bytes))
		return -EINVAL;
	if (plx_keys_trusts(keys, key))
		return 0;
	if (keys->count == PLX_KEYS_MAX)
		return -ENOSPC;
	if (keys->count == keys->capacity) {
		uint32_t more = keys->capacity ? keys->capacity * 2 : 8;
		struct plx_public_key *grown = realloc(keys->trusted, more * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		keys->trusted = grown;
		keys->capacity = more;
	}
	keys->trusted[keys->count++] = *key;
	return 0;
}

/* All keys of a text, or none. */
static int trust_text(struct plx_keys *keys, const char *text, size_t size, char *why)
{
	const uint32_t before = keys->count;
	struct plx_public_key key;
	const char *fault = NULL;
	uint32_t line = 0;
	size_t at = 0, found = 0;
	int ret;

	while ((ret = plx_key_parse_public(&key, text, size, &at, &line, &fault)) == 1) {
		found++;
		ret = plx_keys_trust_key(keys, &key);
		if (ret < 0)
			break;
	}
	if (ret == 0 && found == 0) {
		ret = -EBADMSG;
		say(why, "there is no key in it");
	} else if (ret == -ENOSPC) {
		say(why, "more than %u keys", PLX_KEYS_MAX);
	} else if (ret < 0) {
		say(why, "line %u: %s", line, fault ? fault : plx_strerror(ret));
	}
	if (ret < 0)
		keys->count = before;
	return ret;
}

int plx_keys_trust(struct plx_keys *keys, const char *path, char *why)
{
	char *text = malloc(PLX_KEY_PUBLIC_MAX);
	size_t size;
	int ret;

	if (!text) {
		say(why, "%s", plx_strerror(-ENOMEM));
		return -ENOMEM;
	}
	ret = read_checked(path, S_IWGRP | S_IWOTH, text, PLX_KEY_PUBLIC_MAX, &size, why);
	if (ret == 0)
		ret = trust_text(keys, text, size, why);
	plx_sign_wipe(text, size); /* somebody may have given us a secret by mistake */
	free(text);
	return ret;
}

/* The only key of a text of public ones; -ENOKEY: it is a secret one's. */
static int only_key(const char *text, size_t size, struct plx_public_key *key, char *why)
{
	struct plx_public_key k, more;
	const char *fault = NULL;
	uint32_t line = 0;
	size_t at = 0;
	int ret = plx_key_parse_public(&k, text, size, &at, &line, &fault);

	if (ret == 1 && plx_key_parse_public(&more, text, size, &at, &line, &fault) == 0) {
		*key = k;
		return 0;
	}
	if (ret < 0 && memmem(text, size, PLX_KEY_SECRET, sizeof(PLX_KEY_SECRET) - 1))
		return -ENOKEY;
	say(why, "%s",
	    ret == 0   ? "there is no key in it"
	    : ret == 1 ? "there is more than one key in it"
		       : fault);
	return -EBADMSG;
}

int plx_key_public(const char *path, struct plx_public_key *key, char *why)
{
	uint8_t seed[PLX_SIGN_SEED], secret[PLX_SIGN_SECRET];
	char text[PLX_KEY_SECRET_MAX];
	size_t size = 0;
	int ret = plx_sign_start();

	if (ret < 0)
		say(why, "%s", plx_strerror(ret));
	else
		ret = read_checked(path, S_IWGRP | S_IWOTH, text, sizeof(text), &size, why);
	if (ret == 0)
		ret = only_key(text, size, key, why);
	plx_sign_wipe(text, sizeof(text));
	if (ret != -ENOKEY)
		return ret;
	ret = read_seed(path, seed, why); /* which is stricter */
	if (ret == 0) {
		plx_sign_pair(key->bytes, secret, seed);
		plx_sign_wipe(secret, sizeof(secret));
	}
	plx_sign_wipe(seed, sizeof(seed));
	return ret;
}

struct plx_public_key plx_keys_own(const struct plx_keys *keys)
{
	return keys->own;
}

uint32_t plx_keys_count(const struct plx_keys *keys)
{
	return keys->count;
}

void plx_keys_close(struct plx_keys *keys)
{
	if (!keys)
		return;
	plx_secret_free(keys->secret);
	free(keys->trusted);
	free(keys);
}

/* ---- what the handshake asks ------------------------------------------------------------------- */

bool plx_keys_trusts(const struct plx_keys *keys, const struct plx_public_key *key)
{
	bool found = false;

	for (uint32_t i = 0; i < keys->count; i++)
		found |= plx_sign_equal(keys->trusted[i].bytes, key->bytes, sizeof(key->bytes));
	return found;
}

struct statement {
	char role[32];
	uint8_t digest[PLX_SIGN_DIGEST];
};

static struct statement make_statement(enum plx_keys_role role, const uint8_t digest[PLX_SIGN_DIGEST])
{
	struct statement s = { .role = "" };

	snprintf(s.role, sizeof(s.role), "Parallax %s 1",
		 role == PLX_KEYS_PUBLISHER ? "publisher" : "subscriber");
	memcpy(s.digest, digest, sizeof(s.digest));
	return s;
}

void plx_keys_sign(const struct plx_keys *keys, enum plx_keys_role role,
		   const uint8_t digest[PLX_SIGN_DIGEST], uint8_t signature[PLX_SIGN_SIGNATURE])
{
	struct statement s = make_statement(role, digest);

	plx_sign(signature, &s, sizeof(s), keys->secret);
}

bool plx_keys_verify(const struct plx_public_key *key, enum plx_keys_role role,
		     const uint8_t digest[PLX_SIGN_DIGEST], const uint8_t signature[PLX_SIGN_SIGNATURE])
{
	struct statement s = make_statement(role, digest);

	return plx_sign_verify(signature, &s, sizeof(s), key->bytes);
}

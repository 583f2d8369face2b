/* key.h - keys that publishers and subscribers prove to each other, for where the user id is not the identity. */
#ifndef PLX_KEY_H
#define PLX_KEY_H

#include <plx/common.h>

/*
 * A process has a key of its own, in a file that nobody else can read, and the public keys of those it trusts. With
 * both in plx_publisher_options.keys, only subscribers that prove one of the trusted keys get anything; with both in
 * plx_subscriber_options.keys, nothing is read but from publishers that prove one. docs/security.md says what
 * that protects from, and what not.
 *
 *	shmctl key new camera.key                  the secret, mode 0600
 *	shmctl key show camera.key >camera.pub     what the others get
 */
struct plx_keys;

#define PLX_KEY_BYTES 32u

/* What everybody may know of a key. */
struct plx_public_key {
	uint8_t bytes[PLX_KEY_BYTES];
};

#define PLX_KEY_TEXT   80u   /* room for a public key as text */
#define PLX_KEY_WHY    256u  /* room for what is wrong with a file */
#define PLX_KEYS_MAX   4096u /* public keys one process trusts */
#define PLX_KEY_PUBLIC "plx-public-1"
#define PLX_KEY_SECRET "plx-secret-1"

PLX_BEGIN

/**
 * plx_key_create() - make a new key and write it to a file that is not there yet, mode 0600.
 * @key: its public part, on success
 *
 * Return: 0, -EEXIST (nothing is overwritten), -EIO, -ENOSPC and what else the kernel says of files.
 */
int plx_key_create(const char *path, struct plx_public_key *key) plx_must_check;

/**
 * plx_key_public() - the public part of a key file, or the only key of a file of public ones.
 * @why: PLX_KEY_WHY bytes, may be NULL; on failure a sentence for a user, without the file's name
 *
 * Return: as plx_keys_open().
 */
int plx_key_public(const char *path, struct plx_public_key *key, char *why) plx_must_check;

/** plx_key_text() - "plx-public-1 " and 64 hexadecimal digits: a line of a file of public keys; returns @text. */
const char *plx_key_text(char text[PLX_KEY_TEXT], const struct plx_public_key *key);

/**
 * plx_keys_open() - read a secret key.
 * @keys: set on success; trusts nobody yet
 * @why:  as above
 *
 * Return: 0, -ENOENT, -EACCES (others may read it, it is not ours, or no plain file), -EBADMSG (cut, damaged, no secret
 *         key), -ENOMEM, -EMFILE, -EIO.
 * Owner:  the caller closes it, after the publishers and subscribers it was given to.
 * Safety: as an option it is only read, by any number of them; do not add to it meanwhile.
 */
int plx_keys_open(struct plx_keys **keys, const char *path, char *why) plx_must_check;

/**
 * plx_keys_trust() - trust every key of a file of public keys: lines as plx_key_text() writes them, # begins a comment.
 *
 * Return: as plx_keys_open(); -EACCES when others may write to the file; -EBADMSG also for a file without any key;
 *         -ENOSPC (PLX_KEYS_MAX). After an error none of its keys is trusted.
 */
int plx_keys_trust(struct plx_keys *keys, const char *path, char *why) plx_must_check;

/** plx_keys_trust_key() - trust one more. Return: 0, -EINVAL (not a key), -ENOMEM, -ENOSPC. */
int plx_keys_trust_key(struct plx_keys *keys, const struct plx_public_key *key) plx_must_check;

/** plx_keys_own() - the public part of our own. */
struct plx_public_key plx_keys_own(const struct plx_keys *keys);

/** plx_keys_count() - how many are trusted. */
uint32_t plx_keys_count(const struct plx_keys *keys);

/** plx_keys_close() - wipe and free; NULL is fine. */
void plx_keys_close(struct plx_keys *keys);

PLX_END

#endif

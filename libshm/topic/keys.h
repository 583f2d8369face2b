/* keys.h - what the handshake does with keys, and the text of key files; private to the topic. */
#ifndef PLX_TOPIC_KEYS_H
#define PLX_TOPIC_KEYS_H

#include <plx/key.h>

#include "base/sign.h"

#define PLX_KEY_SECRET_MAX 1024u      /* bytes of a file with a secret key */
#define PLX_KEY_PUBLIC_MAX (1u << 20) /* bytes of a file of public keys */

/** plx_keys_make() - as plx_keys_open(), of a seed. */
int plx_keys_make(struct plx_keys **keys, const uint8_t seed[PLX_SIGN_SEED]) plx_must_check;

/** plx_keys_trusts() - is @key among those we trust? Looks at all of them, whichever it is. */
bool plx_keys_trusts(const struct plx_keys *keys, const struct plx_public_key *key) plx_must_check;

/* Who signs; a proof of one role is no proof of the other. */
enum plx_keys_role {
	PLX_KEYS_SUBSCRIBER = 0,
	PLX_KEYS_PUBLISHER = 1,
};

/** plx_keys_sign() - sign a digest of all that was said, in a role. */
void plx_keys_sign(const struct plx_keys *keys, enum plx_keys_role role,
		   const uint8_t digest[PLX_SIGN_DIGEST], uint8_t signature[PLX_SIGN_SIGNATURE]);
bool plx_keys_verify(const struct plx_public_key *key, enum plx_keys_role role,
		     const uint8_t digest[PLX_SIGN_DIGEST],
		     const uint8_t signature[PLX_SIGN_SIGNATURE]) plx_must_check;

/* ---- key_text.c: texts of files, already in memory; looks at nothing else ---- */

/** plx_key_parse_secret() - Return: 0, or -EBADMSG with *@why. @seed is set only on success; wipe it. */
int plx_key_parse_secret(uint8_t seed[PLX_SIGN_SEED], const char *text, size_t size,
			 const char **why) plx_must_check;

/**
 * plx_key_parse_public() - the next key of a file of public keys.
 * @at: where to go on, 0 at first; @line: grows with it
 *
 * Return: 1 with a key, 0 at the end, -EBADMSG with *@why in line *@line.
 */
int plx_key_parse_public(struct plx_public_key *key, const char *text, size_t size, size_t *at,
			 uint32_t *line, const char **why) plx_must_check;

/** plx_key_write_secret() - the text of a key file, terminated; returns its length. */
#define PLX_KEY_SECRET_TEXT 320u
size_t plx_key_write_secret(char text[PLX_KEY_SECRET_TEXT], const uint8_t seed[PLX_SIGN_SEED],
			    const struct plx_public_key *key);

#endif

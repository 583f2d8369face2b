/*
 * key_text.c - keys as text (docs/formats/keys.md): lines, of which empty ones and those that begin with # say nothing.
 *
 *	plx-secret-1 SEED PUBLIC      a secret key: 32 bytes each, as hexadecimal digits; the public part belongs to the seed
 *	plx-public-1 PUBLIC [NAME]    a public key, and what people call it
 *
 * The public part beside a seed is there to notice damage: a digit that changed would otherwise be another key.
 */
#include "topic/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One line, without its end. */
struct line {
	const char *text;
	size_t size;
};

/* The next line that says something. */
static bool next_line(struct line *l, const char *text, size_t size, size_t *at, uint32_t *number)
{
	while (*at < size) {
		const char *begin = text + *at, *end = memchr(begin, '\n', size - *at);

		l->text = begin;
		l->size = end ? (size_t)(end - begin) : size - *at;
		*at += l->size + (end != NULL);
		++*number;
		while (l->size > 0 && (l->text[l->size - 1] == '\r' || l->text[l->size - 1] == ' '))
			l->size--;
		if (l->size > 0 && l->text[0] != '#')
			return true;
	}
	return false;
}

/* Does the line begin with this word? Then what follows it is left. */
static bool word(struct line *l, const char *word)
{
	size_t n = strlen(word);

	if (l->size < n || memcmp(l->text, word, n) != 0 || (l->size > n && l->text[n] != ' '))
		return false;
	n += l->size > n;
	l->text += n;
	l->size -= n;
	return true;
}

/* 32 bytes as digits, and a blank or the end behind them; what follows is left. */
static bool digits(struct line *l, uint8_t bytes[32])
{
	if (!plx_sign_unhex(bytes, 32, l->text, l->size) || (l->size > 64 && l->text[64] != ' '))
		return false;
	l->text += l->size > 64 ? 65 : 64;
	l->size -= l->size > 64 ? 65 : 64;
	return true;
}

static const char *secret_fault(uint8_t seed[PLX_SIGN_SEED], const char *text, size_t size)
{
	uint8_t pub[PLX_SIGN_PUBLIC], own[PLX_SIGN_PUBLIC], secret[PLX_SIGN_SECRET];
	uint32_t number = 0;
	struct line l;
	size_t at = 0;
	bool good;

	if (!next_line(&l, text, size, &at, &number))
		return "there is nothing in it";
	if (word(&l, PLX_KEY_PUBLIC))
		return "it holds a public key, where a secret one is wanted";
	if (!word(&l, PLX_KEY_SECRET))
		return "it is not a key file";
	if (!digits(&l, seed) || !digits(&l, pub) || l.size > 0)
		return "the key is cut or damaged";
	plx_sign_pair(own, secret, seed);
	plx_sign_wipe(secret, sizeof(secret));
	good = plx_sign_equal(own, pub, sizeof(own));
	if (!good)
		return "the key is damaged: its two parts do not belong together";
	return next_line(&l, text, size, &at, &number) ? "there is more than one key in it" : NULL;
}

int plx_key_parse_secret(uint8_t seed[PLX_SIGN_SEED], const char *text, size_t size, const char **why)
{
	uint8_t bytes[PLX_SIGN_SEED];
	const char *fault = secret_fault(bytes, text, size);

	if (!fault)
		memcpy(seed, bytes, sizeof(bytes));
	plx_sign_wipe(bytes, sizeof(bytes));
	*why = fault;
	return fault ? -EBADMSG : 0;
}

int plx_key_parse_public(struct plx_public_key *key, const char *text, size_t size, size_t *at,
			 uint32_t *line, const char **why)
{
	struct plx_public_key k;
	struct line l;

	if (!next_line(&l, text, size, at, line))
		return 0;
	*why = NULL;
	if (word(&l, PLX_KEY_SECRET))
		*why = "a secret key, where public ones are wanted (shmctl key show prints its public part)";
	else if (!word(&l, PLX_KEY_PUBLIC))
		*why = "not a public key";
	else if (!digits(&l, k.bytes))
		*why = "the key is cut or damaged";
	else if (!plx_sign_valid(k.bytes))
		*why = "these digits are nobody's key";
	if (*why)
		return -EBADMSG;
	*key = k;
	return 1;
}

const char *plx_key_text(char text[PLX_KEY_TEXT], const struct plx_public_key *key)
{
	memcpy(text, PLX_KEY_PUBLIC " ", sizeof(PLX_KEY_PUBLIC));
	plx_sign_hex(text + sizeof(PLX_KEY_PUBLIC), key->bytes, sizeof(key->bytes));
	return text;
}

size_t plx_key_write_secret(char text[PLX_KEY_SECRET_TEXT], const uint8_t seed[PLX_SIGN_SEED],
			    const struct plx_public_key *key)
{
	static const char head[] =
		"# A secret key of Parallax: whoever reads it can act in its name.\n" PLX_KEY_SECRET " ";
	size_t n = sizeof(head) - 1;

	memcpy(text, head, n);
	plx_sign_hex(text + n, seed, PLX_SIGN_SEED);
	n += PLX_SIGN_SEED * 2;
	text[n++] = ' ';
	plx_sign_hex(text + n, key->bytes, sizeof(key->bytes));
	n += sizeof(key->bytes) * 2;
	text[n++] = '\n';
	text[n] = '\0';
	return n;
}

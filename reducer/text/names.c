/*
 * names.c - a table of names.
 *
 * Items lie in one array in order of arrival; slots hold numbers of items. A slot belongs to the current names only if
 * its round is the table's, so clearing is one increment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "reducer/text/names.h"

struct names_slot {
	uint32_t round;
	uint32_t number;
};

void names_init(struct names *names, const char *text)
{
	const void *random = (const void *)getauxval(
		AT_RANDOM); /* 16 bytes from the kernel, new at each exec */

	*names = (struct names){ .text = text,
				 .round = 1,
				 .key = { 0x243f6a8885a308d3u, 0x13198a2e03707344u } };
	if (random)
		memcpy(names->key, random, sizeof(names->key));
	names->key[1] |= 1;
}

void names_fini(struct names *names)
{
	free(names->items);
	free(names->slots);
	names->items = NULL;
	names->slots = NULL;
	names->count = names->items_max = names->slots_max = 0;
}

void names_clear(struct names *names)
{
	names->count = 0;
	if (++names->round == 0) { /* 2^32 definitions later: really empty the slots once */
		if (names->slots)
			memset(names->slots, 0, names->slots_max * sizeof(*names->slots));
		names->round = 1;
	}
}

__extension__ typedef unsigned __int128 names_wide;

static uint64_t names_mix(uint64_t a, uint64_t b)
{
	names_wide product = (names_wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t names_hash(const struct names *names, const char *text, size_t length)
{
	uint64_t hash = names->key[0] ^ length, word;

	for (; length >= 8; text += 8, length -= 8) {
		memcpy(&word, text, 8);
		hash = names_mix(hash ^ word, names->key[1]);
	}
	word = 0;
	memcpy(&word, text, length);
	hash = names_mix(hash ^ word, names->key[1]);
	return (uint32_t)(names_mix(hash, names->key[0] | 1) >> 16);
}

static uint32_t *names_place(struct names *names, uint32_t hash, uint32_t at, uint32_t length)
{
	for (uint32_t i = hash;; i++) {
		struct names_slot *slot = &names->slots[i & (names->slots_max - 1)];
		const struct name *name;

		if (slot->round != names->round) {
			slot->round = names->round;
			slot->number = UINT32_MAX;
			return &slot->number;
		}
		name = &names->items[slot->number];
		if (name->hash == hash && name->length == length &&
		    memcmp(names->text + name->at, names->text + at, length) == 0)
			return &slot->number;
	}
}

static int names_grow(struct names *names)
{
	uint32_t items_max = names->items_max ? names->items_max * 2 : 64;
	struct name *items;
	struct names_slot *slots;

	if (items_max > UINT32_MAX / 4)
		return -ENOMEM;
	items = realloc(names->items, items_max * sizeof(*items));
	if (!items)
		return -ENOMEM;
	names->items = items;
	slots = calloc(items_max * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(names->slots);
	names->slots = slots;
	names->slots_max = items_max * 2;
	names->items_max = items_max;
	names->round = 1;
	for (uint32_t i = 0; i < names->count; i++)
		*names_place(names, items[i].hash, items[i].at, items[i].length) = i;
	return 0;
}

int names_add(struct names *names, uint32_t at, uint32_t length, uint32_t *number)
{
	uint32_t hash = names_hash(names, names->text + at, length);
	uint32_t *place;

	if (names->count == names->items_max) {
		int ret = names_grow(names);

		if (ret < 0)
			return ret;
	}
	place = names_place(names, hash, at, length);
	if (*place == UINT32_MAX) {
		*place = names->count;
		names->items[names->count++] = (struct name){ .at = at, .length = length, .hash = hash };
	}
	*number = *place;
	return 0;
}

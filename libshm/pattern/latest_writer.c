/*
 * latest_writer.c - the blackboard's writer: fill the oldest copy, then say that it is the latest.
 *
 * What others read is stored word by word, relaxed; order comes from two points: the version (L1), after which the new
 * value counts, and the fence after it (L2), before which no later value may begin to overwrite a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/publisher.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "pattern/latest_layout.h"
#include "topic/fence.h"

#define KEYS      64u
#define VALUE_MAX 256u
#define COPIES    4u

struct plx_latest_writer {
	struct plx_publisher *pub;
	unsigned char *board; /* in the slot that was published */
	struct plx_latest_shape shape;
	uint32_t count;
	uint64_t *versions; /* ours: never read back from the board */
};

/* ---- keys ------------------------------------------------------------------------------------------ */

static struct plx_latest_key *key_at(struct plx_latest_writer *w, uint32_t key)
{
	return (struct plx_latest_key *)(w->board + plx_latest_key_at(key));
}

int plx_latest_writer_key(struct plx_latest_writer *w, const char *name)
{
	struct plx_latest_head *head = (struct plx_latest_head *)w->board;
	size_t length = strnlen(name, PLX_LATEST_NAME_MAX + 1);
	uint64_t words[(PLX_LATEST_NAME_MAX + 1) / 8] = { 0 }, *to;

	if (length == 0 || length > PLX_LATEST_NAME_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < w->count; i++) {
		if (strcmp(key_at(w, i)->name, name) == 0)
			return (int)i;
	}
	if (w->count == w->shape.keys)
		return -ENOSPC;
	memcpy(words, name, length);
	if (plx_mutant(MUT_LATEST_COUNT_FIRST))
		__atomic_store_n(&head->count, w->count + 1, __ATOMIC_RELEASE);
	to = (uint64_t *)(void *)key_at(w, w->count)->name;
	for (size_t i = 0; i < sizeof(words) / 8; i++)
		plx_write_once(&to[i], words[i]);
	w->count++;
	/* L3 release: pairs with L4; whoever sees the count sees the name */
	__atomic_store_n(&head->count, w->count, __ATOMIC_RELEASE);
	return (int)w->count - 1;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static struct plx_latest_copy *next_copy(struct plx_latest_writer *w, int key)
{
	return (struct plx_latest_copy *)(w->board +
					  plx_latest_copy_at(&w->shape, (uint32_t)key, w->versions[key] + 1));
}

static bool is_key(const struct plx_latest_writer *w, int key)
{
	return key >= 0 && (uint32_t)key < w->count;
}

/* Whole words, the last one filled up with zeros. */
static void store_value(uint64_t *to, const void *data, uint64_t length)
{
	const unsigned char *from = data;
	uint64_t word;

	for (; length >= 8; length -= 8, from += 8) {
		memcpy(&word, from, 8);
		plx_write_once(to++, word);
	}
	if (length) {
		word = 0;
		memcpy(&word, from, length);
		plx_write_once(to, word);
	}
}

void *plx_latest_writer_begin(struct plx_latest_writer *w, int key)
{
	return is_key(w, key) ? next_copy(w, key)->value : NULL;
}

int plx_latest_writer_commit(struct plx_latest_writer *w, int key, uint64_t length, uint32_t type)
{
	struct plx_latest_head *head = (struct plx_latest_head *)w->board;
	struct plx_latest_copy *copy;
	uint64_t version;

	if (!is_key(w, key))
		return -EINVAL;
	if (length > w->shape.value_max)
		return -EMSGSIZE;
	copy = next_copy(w, key);
	version = ++w->versions[key];
	if (plx_mutant(MUT_LATEST_VERSION_FIRST))
		__atomic_store_n(&key_at(w, (uint32_t)key)->version, version, __ATOMIC_RELEASE);
	plx_write_once(&copy->version, version);
	plx_write_once(&copy->time_ns, plx_now_ns());
	plx_write_once(&copy->length, (uint32_t)length);
	plx_write_once(&copy->type, type);
	/* L1 release: pairs with L5; whoever sees the version sees its copy */
	__atomic_store_n(&key_at(w, (uint32_t)key)->version, version, __ATOMIC_RELEASE);
	/* L2: pairs with the fence before L6; whoever sees a byte of what we write next sees this version */
	plx_fence_stores();
	/* L7 release: pairs with L8; a sleeper that is woken finds the version */
	__atomic_store_n(&head->changes, head->changes + 1, __ATOMIC_RELEASE);
	if (w->shape.flags & PLX_LATEST_WAKES)
		plx_futex_wake(&head->changes, INT32_MAX);
	return 0;
}

int plx_latest_writer_set(struct plx_latest_writer *w, int key, const void *data, uint64_t length,
			  uint32_t type)
{
	if (!is_key(w, key))
		return -EINVAL;
	if (length > w->shape.value_max)
		return -EMSGSIZE;
	store_value(next_copy(w, key)->value, data, length);
	return plx_latest_writer_commit(w, key, length, type);
}

/* ---- open, close ----------------------------------------------------------------------------------- */

static int settle_options(struct plx_latest_shape *s, const struct plx_latest_options *o)
{
	*s = (struct plx_latest_shape){
		.keys = o->keys ? o->keys : KEYS,
		.copies = o->copies ? o->copies : COPIES,
		.value_max = o->value_max ? o->value_max : VALUE_MAX,
		.flags = o->wake ? PLX_LATEST_WAKES : 0,
	};
	if (!plx_latest_shape_ok(s))
		return -EINVAL;
	plx_latest_settle(s);
	return 0;
}

/* The board is a message like any other, but for being written to afterwards. */
static int put_up(struct plx_latest_writer *w)
{
	struct plx_latest_head *head;
	struct plx_loan loan;
	int ret = plx_publisher_loan(w->pub, &loan);

	if (ret < 0)
		return ret;
	w->board = loan.data;
	head = loan.data;
	head->magic = PLX_LATEST_MAGIC;
	head->version = PLX_LATEST_VERSION;
	head->keys = w->shape.keys;
	head->copies = w->shape.copies;
	head->value_max = w->shape.value_max;
	head->stride = w->shape.stride;
	head->size = w->shape.size;
	head->flags = w->shape.flags;
	ret = plx_publisher_publish(w->pub, &loan, w->shape.size);
	if (ret < 0)
		plx_publisher_drop(w->pub, &loan);
	return ret;
}

int plx_latest_writer_open(struct plx_latest_writer **out, const char *topic,
			   const struct plx_latest_options *opt)
{
	struct plx_latest_options o = opt ? *opt : (struct plx_latest_options){ 0 };
	/* history 1 and one slot: the board stays, and whoever joins gets it */
	struct plx_publisher_options p = { .depth = 2,
					   .slots = 1,
					   .history = 1,
					   .directory = o.directory,
					   .admit = o.admit,
					   .keys = o.pinned };
	struct plx_latest_writer *w = calloc(1, sizeof(*w));
	int ret;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	ret = settle_options(&w->shape, &o);
	if (ret == 0) {
		p.slot_size = w->shape.size;
		w->versions = calloc(w->shape.keys, sizeof(uint64_t));
		ret = w->versions ? plx_publisher_open(&w->pub, topic, &p) : -ENOMEM;
	}
	if (ret == 0)
		ret = put_up(w);
	if (ret < 0) {
		plx_latest_writer_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

void plx_latest_writer_close(struct plx_latest_writer *w)
{
	if (!w)
		return;
	plx_publisher_close(w->pub);
	free(w->versions);
	free(w);
}

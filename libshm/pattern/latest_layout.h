/* latest_layout.h - the bytes of a blackboard (docs/protocol.md, "Latest values"). */
#ifndef PLX_PATTERN_LATEST_LAYOUT_H
#define PLX_PATTERN_LATEST_LAYOUT_H

#include <assert.h>
#include <plx/common.h>
#include <plx/latest.h>

/*
 * A board lies in a slot of its writer's data segment, and is published once, as the only message of its topic; the writer
 * goes on writing into it. It alone may: the segment is sealed.
 *
 *	head │ keys: struct plx_latest_key each │ copies of key 0 │ copies of key 1 │ ...
 *
 *	copies of a key:   [ head, value ][ head, value ]...      version v is in copy v mod copies
 *	                         v-1            v    <- key.version
 *	                    the writer fills the copy of v+1, which is the oldest, then stores version = v+1
 *
 * A reader that found version v, copied, and then finds version w has a whole value if w - v < copies - 1: the writer
 * begins to fill the copy of v only after it stored version v + copies - 1.
 *
 * A writer that dies at any instruction leaves version and its copy as they were: whole.
 */
#define PLX_LATEST_MAGIC      UINT64_C(0x6472616f62786c70) /* "plxboard" in memory, on little-endian machines */
#define PLX_LATEST_VERSION    1u
#define PLX_LATEST_KEYS_MAX   65536u
#define PLX_LATEST_VALUE_MAX  (1u << 24)
#define PLX_LATEST_COPIES_MAX 16u
#define PLX_LATEST_WAKES      1u /* flag: a futex wake on changes follows each change */

struct plx_latest_head {
	/* line 0: written once, before the board is published */
	uint64_t magic;
	uint32_t version;
	uint32_t keys;      /* room for so many */
	uint32_t copies;    /* of each value: a power of two */
	uint32_t value_max; /* bytes of the largest value */
	uint64_t stride;    /* bytes from copy to copy: the copy's head and value_max, in whole lines */
	uint64_t size;      /* bytes of the board */
	uint32_t flags;     /* PLX_LATEST_WAKES */
	uint32_t reserved[5];
	/* line 1: the writer, at each change */
	uint32_t count __attribute__((aligned(64))); /* keys there are; only grows */
	uint32_t changes;                            /* of anything; a futex */
};

struct plx_latest_key {
	char name[PLX_LATEST_NAME_MAX + 1]; /* terminated; written once, before count includes it */
	uint64_t version __attribute__((aligned(64))); /* of the latest value; 0: none yet */
};

struct plx_latest_copy {
	uint64_t version; /* of this value */
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t length;  /* bytes */
	uint32_t type;
	uint64_t value[] __attribute__((aligned(64)));
};

static_assert(offsetof(struct plx_latest_head, keys) == 12, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, copies) == 16, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, value_max) == 20, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, stride) == 24, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, size) == 32, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, flags) == 40, "protocol.md: board");
static_assert(offsetof(struct plx_latest_head, count) == 1 * PLX_LINE, "what changes has its own line");
static_assert(offsetof(struct plx_latest_head, changes) == 1 * PLX_LINE + 4, "protocol.md: board");
static_assert(sizeof(struct plx_latest_head) == 2 * PLX_LINE, "protocol.md: board");
static_assert(offsetof(struct plx_latest_key, version) == 1 * PLX_LINE, "each version has its own line");
static_assert(sizeof(struct plx_latest_key) == 2 * PLX_LINE, "protocol.md: board");
static_assert(offsetof(struct plx_latest_copy, length) == 16, "protocol.md: board");
static_assert(offsetof(struct plx_latest_copy, type) == 20, "protocol.md: board");
static_assert(offsetof(struct plx_latest_copy, value) == 1 * PLX_LINE, "values are aligned to a line");

/* Our own copy of what a board's head says, once it was checked. */
struct plx_latest_shape {
	uint32_t keys, copies, value_max, flags;
	uint64_t stride, size;
};

/* The rest of a shape follows from keys, copies and value_max, which are within their limits: nothing overflows. */
static inline void plx_latest_settle(struct plx_latest_shape *s)
{
	s->stride = PLX_LINE + (((uint64_t)s->value_max + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1));
	s->size = sizeof(struct plx_latest_head) +
		  s->keys * (sizeof(struct plx_latest_key) + s->copies * s->stride);
}

static inline bool plx_latest_shape_ok(const struct plx_latest_shape *s)
{
	return s->keys >= 1 && s->keys <= PLX_LATEST_KEYS_MAX && s->copies >= 2 &&
	       s->copies <= PLX_LATEST_COPIES_MAX && (s->copies & (s->copies - 1)) == 0 &&
	       s->value_max >= 1 && s->value_max <= PLX_LATEST_VALUE_MAX;
}

static inline uint64_t plx_latest_key_at(uint32_t key)
{
	return sizeof(struct plx_latest_head) + (uint64_t)key * sizeof(struct plx_latest_key);
}

static inline uint64_t plx_latest_copy_at(const struct plx_latest_shape *s, uint32_t key, uint64_t version)
{
	return plx_latest_key_at(s->keys) +
	       ((uint64_t)key * s->copies + (version & (s->copies - 1))) * s->stride;
}

/**
 * plx_latest_shape_read() - what the head of a board says, checked.
 * @size: bytes there are
 *
 * Return: 0, -EPROTO (magic, version), -EBADMSG, -ERANGE (larger than @size); with *@why.
 */
int plx_latest_shape_read(struct plx_latest_shape *shape, const void *board, uint64_t size,
			  const char **why) plx_must_check;

/** plx_latest_check() - walk all keys and copies of a board that nobody changes. Return: as above, with *@why. */
int plx_latest_check(const void *board, uint64_t size, const char **why) plx_must_check;

#endif

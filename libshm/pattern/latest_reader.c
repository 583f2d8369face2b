/*
 * latest_reader.c - the blackboard's reader: find the key, copy the latest value, see that nobody wrote to it meanwhile.
 *
 * A board is hostile memory: its shape is checked once, in our own copy; names, versions and lengths are read once
 * each and are within that shape before they are used. No loop is longer than the shape, or TRIES.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/pool.h>
#include <plx/process.h>
#include <plx/subscriber.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/size.h"
#include "base/sys.h"
#include "pattern/latest_layout.h"
#include "topic/fence.h"

#define TRIES    64
#define TAKES    16
#define LOOK_NS  UINT64_C(1000000)  /* between looks at a board whose writer wakes nobody */
#define SLICE_NS UINT64_C(20000000) /* between looks at who is there */
#define ROUND_NS                                                                                             \
	UINT64_C(10000000) /* between looks at the sockets: so old may be what we say of the writer's life */
#define UNKNOWN UINT32_MAX

struct wanted {
	char name[PLX_LATEST_NAME_MAX + 1];
	uint32_t at; /* on the board; UNKNOWN: not found among those looked at */
};

struct plx_latest_reader {
	struct plx_subscriber *sub;
	struct plx_buffer buffer; /* the board; held */
	const unsigned char *board;
	struct plx_latest_shape shape;
	uint32_t looked; /* keys of the board whose names we know */
	bool alive;
	struct wanted *keys;
	uint32_t count, capacity;
	uint64_t round_ns; /* when we looked at the sockets */
};

/* ---- the shape of a board -------------------------------------------------------------------------- */

int plx_latest_shape_read(struct plx_latest_shape *shape, const void *board, uint64_t size, const char **why)
{
	struct plx_latest_head head;
	struct plx_latest_shape s;

	*why = "it is too small";
	if (size < sizeof(head) || (uintptr_t)board % PLX_LINE != 0)
		return -EBADMSG;
	plx_copy_once(&head, board, PLX_LINE);
	*why = "it is no board of this version";
	if (head.magic != PLX_LATEST_MAGIC || head.version != PLX_LATEST_VERSION)
		return -EPROTO;
	s = (struct plx_latest_shape){
		.keys = head.keys, .copies = head.copies, .value_max = head.value_max, .flags = head.flags
	};
	*why = "its shape is out of bounds";
	if (!plx_latest_shape_ok(&s) || (s.flags & ~PLX_LATEST_WAKES))
		return -EBADMSG;
	plx_latest_settle(&s);
	*why = "its sizes do not fit together";
	if (head.stride != s.stride || head.size != s.size)
		return -EBADMSG;
	*why = "it is larger than what there is";
	if (s.size > size)
		return -ERANGE;
	*why = "";
	*shape = s;
	return 0;
}

static const struct plx_latest_key *key_at(const void *board, uint32_t key)
{
	return (const struct plx_latest_key *)((const unsigned char *)board + plx_latest_key_at(key));
}

int plx_latest_check(const void *board, uint64_t size, const char **why)
{
	const struct plx_latest_head *head = board;
	struct plx_latest_shape s;
	uint32_t count;
	int ret = plx_latest_shape_read(&s, board, size, why);

	if (ret < 0)
		return ret;
	count = plx_read_once(&head->count);
	*why = "it has more keys than room for them";
	if (count > s.keys)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t version = plx_read_once(&key_at(board, i)->version);
		const struct plx_latest_copy
			*copy = (const struct plx_latest_copy *)((const unsigned char *)board +
								 plx_latest_copy_at(&s, i, version));

		*why = "a key has no name";
		if (key_at(board, i)->name[0] == '\0' || key_at(board, i)->name[PLX_LATEST_NAME_MAX] != '\0')
			return -EBADMSG;
		*why = "the latest copy is of another version";
		if (version && plx_read_once(&copy->version) != version)
			return -EBADMSG;
		*why = "a value is longer than the largest";
		if (version && plx_read_once(&copy->length) > s.value_max)
			return -EBADMSG;
	}
	*why = "";
	return 0;
}

/* ---- boards that come and go ----------------------------------------------------------------------- */

/* The newest board counts. */
static void turn_to(struct plx_latest_reader *r, struct plx_buffer *b)
{
	struct plx_latest_shape shape;
	const char *why;

	if (plx_latest_shape_read(&shape, b->data, b->length, &why) < 0 || b->slot == PLX_SLOT_NONE) {
		plx_buffer_release(b);
		return;
	}
	plx_buffer_release(&r->buffer);
	r->buffer = *b;
	r->board = b->data;
	r->shape = shape;
	r->looked = 0;
	r->alive = true;
	for (uint32_t i = 0; i < r->count; i++)
		r->keys[i].at = UNKNOWN;
}

/* Did somebody come or go? Take alone looks rarely. */
static void look_at_sockets(struct plx_latest_reader *r, uint64_t now)
{
	struct pollfd p = { .fd = plx_subscriber_fd(r->sub), .events = POLLIN };

	if (now - r->round_ns < ROUND_NS)
		return;
	r->round_ns = now;
	if (plx_sys_poll(&p, 1, 0, NULL) > 0)
		(void)!plx_subscriber_wait(r->sub, 0);
}

static void look_around(struct plx_latest_reader *r, uint64_t now)
{
	struct plx_buffer b;

	look_at_sockets(r, now);
	for (int i = 0; i < TAKES; i++) {
		int ret = plx_subscriber_take(r->sub, &b);

		if (ret == 1)
			turn_to(r, &b);
		else if (ret == 0 || ret == -ENOSPC || ret == -ENOMEM)
			return;
		else if (r->board && plx_subscriber_ended(r->sub).publisher == r->buffer.publisher)
			r->alive = false;
	}
}

/* ---- keys ------------------------------------------------------------------------------------------ */

int plx_latest_reader_key(struct plx_latest_reader *r, const char *name)
{
	size_t length = strnlen(name, PLX_LATEST_NAME_MAX + 1);

	if (length == 0 || length > PLX_LATEST_NAME_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < r->count; i++) {
		if (strcmp(r->keys[i].name, name) == 0)
			return (int)i;
	}
	if (r->count == r->capacity) {
		uint32_t more = r->capacity ? r->capacity * 2 : 16;
		struct wanted *grown = more <= PLX_LATEST_KEYS_MAX * 2
					       ? realloc(r->keys, more * sizeof(*grown))
					       : NULL;

		if (!grown)
			return -ENOMEM;
		r->keys = grown;
		r->capacity = more;
	}
	memset(&r->keys[r->count], 0, sizeof(*r->keys));
	memcpy(r->keys[r->count].name, name, length);
	r->keys[r->count].at = UNKNOWN;
	r->looked = 0; /* it may be among those we have seen */
	return (int)r->count++;
}

/* The next name on the board: whose is it? */
static void meet_name(struct plx_latest_reader *r, uint32_t at)
{
	char name[PLX_LATEST_NAME_MAX + 1] __attribute__((aligned(8)));

	plx_copy_once(name, key_at(r->board, at)->name, sizeof(name));
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->keys[i].at == UNKNOWN && memcmp(r->keys[i].name, name, sizeof(name)) == 0)
			r->keys[i].at = at;
	}
}

/* Where a key is on the board; UNKNOWN when it is not (yet). */
static uint32_t locate(struct plx_latest_reader *r, int key)
{
	if (r->keys[key].at == UNKNOWN) {
		const struct plx_latest_head *head = (const struct plx_latest_head *)r->board;
		/* L4 acquire: pairs with L3 */
		uint32_t count = __atomic_load_n(&head->count, __ATOMIC_ACQUIRE);

		if (count > r->shape.keys)
			count = r->shape.keys;
		while (r->looked < count)
			meet_name(r, r->looked++);
	}
	return r->keys[key].at;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static void copy_value(void *to, const uint64_t *from, uint64_t length)
{
	uint64_t whole = length & ~UINT64_C(7);

	plx_copy_once(to, from, whole);
	if (length != whole) {
		uint64_t word = plx_read_once(&from[whole / 8]);

		memcpy((unsigned char *)to + whole, &word, length - whole);
	}
}

/* One look. -EAGAIN: the writer was at that copy meanwhile. */
static int copy_once(const struct plx_latest_reader *r, uint32_t at, void *data, uint64_t room,
		     struct plx_latest_value *value)
{
	const struct plx_latest_key *key = key_at(r->board, at);
	/* L5 acquire: pairs with L1 */
	uint64_t version = __atomic_load_n(&key->version, __ATOMIC_ACQUIRE), now;
	const struct plx_latest_copy *copy;
	bool honest;
	int ret = 0;

	if (version == 0)
		return -ENODATA;
	copy = (const struct plx_latest_copy *)(r->board + plx_latest_copy_at(&r->shape, at, version));
	honest = plx_read_once(&copy->version) == version;
	value->version = version;
	value->time_ns = plx_read_once(&copy->time_ns);
	value->length = plx_read_once(&copy->length);
	value->type = plx_read_once(&copy->type);
	if (value->length > r->shape.value_max)
		honest = false;
	else if (value->length > room)
		ret = -EMSGSIZE;
	else
		copy_value(data, copy->value, value->length);
	plx_fence_loads();
	/* L6 relaxed: after the fence; pairs with L2 */
	now = plx_read_once(&key->version);
	if (now - version >= r->shape.copies - 1 && !plx_mutant(MUT_LATEST_ONE_LOOK))
		return -EAGAIN;
	return honest ? ret : -EBADMSG;
}

int plx_latest_reader_get(struct plx_latest_reader *r, int key, void *data, uint64_t room,
			  struct plx_latest_value *value)
{
	struct plx_latest_value v;
	uint64_t now = plx_now_ns();
	uint32_t at;
	int ret = -EAGAIN;

	if (key < 0 || (uint32_t)key >= r->count)
		return -EINVAL;
	look_around(r, now);
	if (!r->board)
		return -ENOTCONN;
	at = locate(r, key);
	if (at == UNKNOWN)
		return -ENOENT;
	for (int i = 0; i < TRIES && ret == -EAGAIN; i++)
		ret = copy_once(r, at, data, room, &v);
	if (value && (ret == 0 || ret == -EMSGSIZE)) {
		*value = v;
		value->age_ns = v.time_ns < now ? now - v.time_ns : 0;
		value->writer = r->buffer.publisher;
		value->alive = r->alive;
	}
	return ret;
}

/* ---- waiting --------------------------------------------------------------------------------------- */

/* Is there another version of @key than that one? */
static bool changed(struct plx_latest_reader *r, int key, uint64_t writer, uint64_t version)
{
	uint32_t at = r->board ? locate(r, key) : UNKNOWN;
	uint64_t now;

	if (at == UNKNOWN)
		return false;
	now = __atomic_load_n(&key_at(r->board, at)->version, __ATOMIC_ACQUIRE);
	return now != 0 && (now != version || r->buffer.publisher != writer);
}

/* Sleep at most until @left is over, or somebody may have come. */
static int nap(struct plx_latest_reader *r, uint32_t changes, uint64_t left)
{
	const struct plx_latest_head *head = (const struct plx_latest_head *)r->board;
	uint64_t ns = r->shape.flags & PLX_LATEST_WAKES ? SLICE_NS : LOOK_NS;

	if (!r->board || !r->alive)
		return plx_subscriber_wait(r->sub, left);
	return plx_futex_wait(&head->changes, changes, left < ns ? left : ns);
}

/* The word that changes with every value; 0 while there is none. */
static uint32_t changes_of(const struct plx_latest_reader *r)
{
	/* L8 acquire: pairs with L7 */
	return r->board ? __atomic_load_n(&((const struct plx_latest_head *)r->board)->changes,
					  __ATOMIC_ACQUIRE)
			: 0;
}

static uint64_t deadline(uint64_t timeout_ns)
{
	uint64_t end;

	return timeout_ns != UINT64_MAX && plx_size_add(plx_now_ns(), timeout_ns, &end) ? end : UINT64_MAX;
}

static int wait_for(struct plx_latest_reader *r, int key, uint64_t writer, uint64_t version,
		    uint64_t timeout_ns)
{
	uint64_t end = deadline(timeout_ns);

	for (;;) {
		uint64_t now = plx_now_ns(), left;
		uint32_t changes;
		int ret;

		look_around(r, now);
		changes = changes_of(r);
		if (key < 0 ? r->board != NULL : changed(r, key, writer, version))
			return 0;
		if (now >= end)
			return -ETIMEDOUT;
		left = end == UINT64_MAX ? UINT64_MAX : end - now;
		ret = nap(r, changes, left);
		if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
	}
}

int plx_latest_reader_wait(struct plx_latest_reader *r, int key, uint64_t writer, uint64_t version,
			   uint64_t timeout_ns)
{
	if (key < 0 || (uint32_t)key >= r->count)
		return -EINVAL;
	return wait_for(r, key, writer, version, timeout_ns);
}

int plx_latest_reader_connect(struct plx_latest_reader *r, uint64_t timeout_ns)
{
	return wait_for(r, -1, 0, 0, timeout_ns);
}

/* ---- open, close ----------------------------------------------------------------------------------- */

int plx_latest_reader_open_with(struct plx_latest_reader **out, const char *topic,
				const struct plx_latest_reader_options *options)
{
	struct plx_latest_reader_options o = options ? *options : (struct plx_latest_reader_options){ 0 };
	struct plx_subscriber_options opt = {
		.history = 1, .directory = o.directory, .admit = o.admit, .keys = o.pinned
	};
	struct plx_latest_reader *r = calloc(1, sizeof(*r));
	int ret;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->buffer = PLX_BUFFER_NONE;
	ret = plx_subscriber_open(&r->sub, topic, &opt);
	if (ret < 0) {
		free(r);
		return ret;
	}
	*out = r;
	return 0;
}

int plx_latest_reader_open(struct plx_latest_reader **out, const char *topic, const char *directory)
{
	const struct plx_latest_reader_options opt = { .directory = directory };

	return plx_latest_reader_open_with(out, topic, &opt);
}

void plx_latest_reader_close(struct plx_latest_reader *r)
{
	if (!r)
		return;
	plx_buffer_release(&r->buffer);
	plx_subscriber_close(r->sub);
	free(r->keys);
	free(r);
}

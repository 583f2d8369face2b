/* latest.h - a blackboard: named values of which only the latest counts, written in place, read whole at any time. */
#ifndef PLX_LATEST_H
#define PLX_LATEST_H

#include <plx/admit.h>
#include <plx/common.h>

/*
 * One writer, any number of readers. The values lie in the writer's data segment, which readers map read-only: reading
 * tells the writer nothing and costs it nothing. Each value has several copies, of which one is the latest: the writer fills
 * the oldest one and then says so, so that a whole value is there at any instant, also when the writer is killed.
 *
 * A reader that joins late has all values at once. The values of a writer that died stay, and age; when another writer
 * appears under the same name, its values count.
 */

struct plx_latest_writer;
struct plx_latest_reader;
struct plx_keys; /* stay the caller's, until close */

/* Zero means the default. */
struct plx_latest_options {
	uint32_t keys;      /* most keys; default 64, at most 65536 */
	uint32_t value_max; /* bytes of the largest value; default 256, at most 16 MiB */
	uint32_t
		copies; /* of each value: 2, 4 (default), 8 or 16; a reader is disturbed when so many less two
				  changes happen while it copies one value */
	bool wake; /* wake readers in plx_latest_reader_wait() at each change (costs a system call each) */
	const char *directory;         /* as in plx_publisher_options */
	struct plx_admit admit;        /* who else is admitted, plx/admit.h */
	const struct plx_keys *pinned; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

/* Zero means the default. */
struct plx_latest_reader_options {
	const char *directory;         /* as in plx_publisher_options */
	struct plx_admit admit;        /* who else is admitted, plx/admit.h */
	const struct plx_keys *pinned; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

/* What plx_latest_reader_get() says about a value. */
struct plx_latest_value {
	uint64_t version; /* 1, 2, ...: changes of this key by this writer */
	uint64_t time_ns; /* CLOCK_MONOTONIC when it was written, as the writer says */
	uint64_t age_ns;  /* since then */
	uint64_t writer;  /* id of the writer's segment */
	uint32_t length;  /* bytes */
	uint32_t type;    /* type id; 0 = bytes (plx/type.h) */
	bool alive; /* the writer is there, or was 10 ms ago; else nothing changes until the next one comes */
};

#define PLX_LATEST_NAME_MAX 63u /* bytes of a key's name */

PLX_BEGIN

/* ---- writer ---------------------------------------------------------------------------------------- */

/**
 * plx_latest_writer_open() - put up a blackboard named @topic.
 *
 * Return: 0, -EINVAL, and as plx_publisher_open(). All memory is allocated here.
 * Owner:  the caller closes it.
 * Safety: one thread at a time.
 */
int plx_latest_writer_open(struct plx_latest_writer **writer, const char *topic,
			   const struct plx_latest_options *opt) plx_must_check;

/**
 * plx_latest_writer_key() - the number of the key called @name, new or not.
 *
 * Return: 0 or more, -EINVAL (empty, too long), -ENOSPC (too many keys).
 */
int plx_latest_writer_key(struct plx_latest_writer *writer, const char *name) plx_must_check;

/**
 * plx_latest_writer_set() - the value of @key is now a copy of the @length bytes at @data.
 *
 * Waits for nobody; no system call unless opt.wake.
 *
 * Return: 0, -EINVAL (no such key), -EMSGSIZE.
 */
int plx_latest_writer_set(struct plx_latest_writer *writer, int key, const void *data, uint64_t length,
			  uint32_t type) plx_must_check;

/**
 * plx_latest_writer_begin() - where to write the next value of @key, value_max bytes, aligned to a line.
 *
 * What lies there is an old value. Readers keep seeing the latest one until plx_latest_writer_commit().
 *
 * Return: NULL when there is no such key.
 */
void *plx_latest_writer_begin(struct plx_latest_writer *writer, int key);
/** plx_latest_writer_commit() - what was written there is the value now. Return: as plx_latest_writer_set(). */
int plx_latest_writer_commit(struct plx_latest_writer *writer, int key, uint64_t length,
			     uint32_t type) plx_must_check;

/** plx_latest_writer_close() - take the board down; readers keep the values they can see; NULL is fine. */
void plx_latest_writer_close(struct plx_latest_writer *writer);

/* ---- reader ---------------------------------------------------------------------------------------- */

/**
 * plx_latest_reader_open() - look at the blackboard named @topic; there need not be one yet.
 * @directory: as in plx_subscriber_options
 *
 * Return: 0, and as plx_subscriber_open().
 * Owner:  the caller closes it.
 * Safety: one thread at a time.
 */
int plx_latest_reader_open(struct plx_latest_reader **reader, const char *topic,
			   const char *directory) plx_must_check;

/** plx_latest_reader_open_with() - the same, with all options; NULL: the defaults. */
int plx_latest_reader_open_with(struct plx_latest_reader **reader, const char *topic,
				const struct plx_latest_reader_options *opt) plx_must_check;

/** plx_latest_reader_connect() - wait until there is a board. Return: 0, -ETIMEDOUT, -EINTR. */
int plx_latest_reader_connect(struct plx_latest_reader *reader, uint64_t timeout_ns) plx_must_check;

/**
 * plx_latest_reader_key() - a number for the key called @name, which the writer need not have yet.
 *
 * It stays the same when another writer comes.
 *
 * Return: 0 or more, -EINVAL (empty, too long), -ENOMEM.
 */
int plx_latest_reader_key(struct plx_latest_reader *reader, const char *name) plx_must_check;

/**
 * plx_latest_reader_get() - a copy of the latest value of @key, whole.
 * @data:  room for @room bytes, aligned to 8; holds nothing of use unless the answer is 0
 * @value: set when the answer is 0, or -EMSGSIZE; may be NULL
 *
 * Never waits, never disturbs the writer; looks at a value at most 64 times. A system call in 10 ms, no more.
 *
 * Return: 0, -ENOTCONN (no board yet), -ENOENT (no such key), -ENODATA (never set), -EMSGSIZE (needs value->length
 *         bytes of room), -EAGAIN (the writer was faster 64 times), -EBADMSG (it makes no sense), -EINVAL (no such number).
 */
int plx_latest_reader_get(struct plx_latest_reader *reader, int key, void *data, uint64_t room,
			  struct plx_latest_value *value) plx_must_check;

/**
 * plx_latest_reader_wait() - wait until the version of @key is another one than @version of @writer.
 * @writer, @version: of the value seen last; 0, 0: until there is any
 *
 * Sleeps until it is woken when the writer wakes readers; looks once in a millisecond when it does not.
 *
 * Return: 0, -ETIMEDOUT, -EINTR, -EINVAL.
 */
int plx_latest_reader_wait(struct plx_latest_reader *reader, int key, uint64_t writer, uint64_t version,
			   uint64_t timeout_ns) plx_must_check;

/** plx_latest_reader_close() - look away; NULL is fine. */
void plx_latest_reader_close(struct plx_latest_reader *reader);

PLX_END

#endif

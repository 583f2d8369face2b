/* publisher.h - write messages to a topic; every subscriber reads the same bytes. */
#ifndef PLX_PUBLISHER_H
#define PLX_PUBLISHER_H

#include <plx/admit.h>
#include <plx/buffer.h>

struct plx_publisher;
struct plx_keys; /* plx/key.h */

/* What a publisher does when its slowest reliable subscriber has fallen a whole log behind. */
enum plx_full {
	PLX_FULL_WAIT = 0, /* wait for it (plx_publisher_options.full_ns at most, then -ETIMEDOUT) */
	PLX_FULL_FAIL = 1, /* -EAGAIN at once */
	PLX_FULL_DROP = 2, /* wait full_ns, then let it go (it is told); pauses of our own do not count */
};

/* Zero means the default; start from PLX_PUBLISHER_DEFAULTS. */
struct plx_publisher_options {
	uint64_t slot_size; /* bytes of the largest payload; default 65536, at most 1 GiB */
	uint32_t depth;     /* entries in the log: a power of two, default 256, at most 1 << 20 */
	uint32_t slots;     /* default: depth + 64, less when slots are large (at most ~256 MiB by default) */
	uint32_t history;   /* messages kept for late joiners; below depth; default 0 */
	uint32_t subscribers_max; /* default 4096 */
	uint32_t quota;     /* slots one subscriber may hold beyond what it has yet to read; default 16 */
	uint32_t type;      /* type id of every message unless told otherwise; 0 = bytes */
	enum plx_full full; /* see above */
	uint64_t full_ns;   /* nanoseconds; 0 with PLX_FULL_WAIT = for ever */
	uint64_t linger_ns; /* how long close waits for subscribers to finish; default 0: not at all */
	bool stamp;         /* stamp every message with CLOCK_MONOTONIC (costs a clock read each) */
	bool threads; /* several threads use it at once: they loan side by side and publish one after the other */
	const char *directory; /* discovery directory; NULL: $XDG_RUNTIME_DIR/parallax or /tmp/parallax-UID */
	const char *backend;   /* of the slots: "memfd" (NULL), "huge:2M", "huge:1G"; see plx/segment.h */
	struct plx_admit admit; /* subscribers of which other users; directory should be named then */
	const struct plx_keys *
		keys; /* NULL, or: only subscribers that prove a key it trusts. Stays the caller's, until close */
};
#define PLX_PUBLISHER_DEFAULTS ((struct plx_publisher_options){ 0 })

/* A slot claimed and not yet published: write into it, then publish or drop it. */
struct plx_loan {
	void *data;        /* in the segment; PLX_LINE aligned */
	uint64_t capacity; /* bytes */
	uint32_t slot;
	uint32_t type;  /* may be changed before publishing */
	uint32_t flags; /* PLX_BUFFER_* the caller sets */
};

struct plx_publisher_stats {
	uint64_t published;   /* messages */
	uint64_t bytes;       /* payload bytes */
	uint64_t waited;      /* times publishing had to wait for a subscriber */
	uint64_t woken;       /* wake-ups sent */
	uint32_t subscribers; /* connected now */
	uint32_t joined;      /* ever */
	uint32_t left;        /* said goodbye with nothing unread */
	uint32_t lost;        /* died, or left with messages unread, or were let go */
	uint32_t refused;     /* handshakes refused */
	uint32_t slots_free;  /* a hint */
};

/* A reliable subscriber that went away, as plx_publisher_gone() reports it. */
struct plx_reader_end {
	uint64_t position; /* it had read every message before this one */
	uint32_t pid;      /* as the kernel vouched for it when it connected */
	int32_t reason; /* -EPIPE it left or died, -ETIMEDOUT too slow (PLX_FULL_DROP), -EBADMSG it lied or held too much */
};

/* Somebody who was not let in, as plx_publisher_refused() reports it. */
struct plx_refused {
	uint32_t pid;   /* as the kernel vouched for it; 0: it cannot be seen from our pid namespace */
	uint32_t user;  /* likewise */
	int32_t reason; /* negative errno: -EACCES another user, -EKEYREJECTED no key or a wrong one, ... */
	char text[228]; /* why, for people */
};

PLX_BEGIN

/**
 * plx_publisher_open() - make the data segment and appear under @topic.
 * @pub:   set on success
 * @topic: 1 to 64 of A-Z a-z 0-9 . _ - / ; no leading, trailing or double slash, no part "." or ".."
 * @opt:   NULL for the defaults
 *
 * A small control thread admits subscribers (of our own user, and who opt->admit names), so that they connect while the caller
 * is busy elsewhere; the data path never waits for it.
 *
 * Return: 0, or -EINVAL (topic, options), -ENOTSUP (a backend that cannot be sealed: heap, file), -ENOSPC or -ENOMEM (no memory for the slots: nothing is
 *         allocated later), -EMFILE, -EACCES (discovery directory not ours), -EPERM (we may not give it to the group admitted).
 * Owner:  the caller closes it.
 * Safety: one thread at a time uses a publisher, unless plx_publisher_options.threads was set: then any number loan,
 *         write, drop, publish, send, flush at once (each loan is one thread's), and one thread opens and closes it.
 *         fork() leaves it behind in the parent.
 */
int plx_publisher_open(struct plx_publisher **pub, const char *topic,
		       const struct plx_publisher_options *opt) plx_must_check;

/**
 * plx_publisher_loan() - claim a slot to write a message into.
 * @loan: set on success
 *
 * O(1) amortised; no system call while a slot is free.
 *
 * Return: 0, -EAGAIN (PLX_FULL_FAIL), -ETIMEDOUT (deadline), -ENOSPC (every slot is loaned out or held
 *         for ever), -EINTR (a signal arrived while waiting).
 * Owner:  plx_publisher_publish() or plx_publisher_drop().
 */
int plx_publisher_loan(struct plx_publisher *pub, struct plx_loan *loan) plx_must_check;

/** plx_publisher_drop() - give a loan back unpublished. */
void plx_publisher_drop(struct plx_publisher *pub, struct plx_loan *loan);

/**
 * plx_publisher_publish() - make the first @length bytes of a loan visible to every subscriber.
 *
 * Return: 0 and the loan is gone; or -EMSGSIZE, -EAGAIN, -ETIMEDOUT, -EINTR, and the loan is still the caller's.
 * Order:  messages of one publisher arrive in the order published.
 */
int plx_publisher_publish(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length) plx_must_check;

/**
 * plx_publisher_send() - publish a copy of @length bytes at @data.
 *
 * Up to PLX_INLINE_MAX bytes travel inside the log entry and use no slot.
 *
 * Return: 0, -EMSGSIZE, and as plx_publisher_loan().
 */
int plx_publisher_send(struct plx_publisher *pub, const void *data, uint64_t length) plx_must_check;
#define PLX_INLINE_MAX 40u

/**
 * plx_publisher_send_many() - publish @count messages of @length bytes each, which lie one after the other at @data.
 *
 * Cheaper than so many sends, when they travel inside the log, and subscribers that sleep are woken once for several.
 * Readers may see the first before the last is written.
 *
 * Return: how many were published; fewer than @count when something is in the way of the next, negative (as
 *         plx_publisher_send()) when it was in the way of the first.
 */
int plx_publisher_send_many(struct plx_publisher *pub, const void *data, uint64_t length,
			    uint32_t count) plx_must_check;

/**
 * plx_publisher_batch() - from now on do not wake sleeping subscribers at each publish; plx_publisher_flush() does.
 */
void plx_publisher_batch(struct plx_publisher *pub, bool on);

/** plx_publisher_flush() - wake the subscribers that sleep and have something to read. */
void plx_publisher_flush(struct plx_publisher *pub);

/**
 * plx_publisher_wait_subscribers() - wait until @count subscribers are connected at once.
 * @timeout_ns: nanoseconds, UINT64_MAX for ever
 *
 * Return: 0, -ETIMEDOUT, -EINTR (a signal arrived).
 */
int plx_publisher_wait_subscribers(struct plx_publisher *pub, uint32_t count,
				   uint64_t timeout_ns) plx_must_check;

/**
 * plx_publisher_drain() - wait until every reliable subscriber has read everything, or is gone.
 *
 * Return: 0, -ETIMEDOUT, -EINTR.
 */
int plx_publisher_drain(struct plx_publisher *pub, uint64_t timeout_ns) plx_must_check;

/**
 * plx_publisher_gone() - which reliable subscriber went away, oldest first, each told once.
 * @end: set when the answer is true
 *
 * Whether it missed anything is for the caller to say: compare position with what was published. The last 64 are kept.
 *
 * Safety: the thread that uses the publisher.
 */
bool plx_publisher_gone(struct plx_publisher *pub, struct plx_reader_end *end);

/**
 * plx_publisher_refused() - who was not let in last, each told once; what happened between two calls is only counted (stats).
 * @refused: set when the answer is true
 *
 * Safety: the thread that uses the publisher.
 */
bool plx_publisher_refused(struct plx_publisher *pub, struct plx_refused *refused);

/** plx_publisher_id() - the id of its data segment: what plx_buffer.publisher says to subscribers. */
uint64_t plx_publisher_id(const struct plx_publisher *pub);

/** plx_publisher_type() - the type id its messages have unless told otherwise. */
uint32_t plx_publisher_type(const struct plx_publisher *pub);

/** plx_publisher_stats() - figures so far; safe from any thread. */
void plx_publisher_stats(struct plx_publisher *pub, struct plx_publisher_stats *stats);

/**
 * plx_publisher_end() - say how the stream ends: subscribers read what the log holds, then get it.
 * @reason: 0 for the regular end (readers get -ESHUTDOWN), or an errno (-ECANCELED: interrupted)
 *
 * Nothing can be published afterwards (-ESHUTDOWN).
 */
void plx_publisher_end(struct plx_publisher *pub, int reason);

/** plx_publisher_close() - end the stream if it has not ended, linger, disappear; NULL is fine. */
void plx_publisher_close(struct plx_publisher *pub);

/* The long ways of loan, drop, publish and send, which their inline halves take when there is something to decide. */
int plx_publisher_loan_slowly(struct plx_publisher *pub, struct plx_loan *loan) plx_must_check;
void plx_publisher_drop_slowly(struct plx_publisher *pub, struct plx_loan *loan);
int plx_publisher_publish_slowly(struct plx_publisher *pub, struct plx_loan *loan,
				 uint64_t length) plx_must_check;
int plx_publisher_send_slowly(struct plx_publisher *pub, const void *data, uint64_t length) plx_must_check;
/* A message was published, and somebody may sleep. Return: 0. */
int plx_publisher_published(struct plx_publisher *pub);

PLX_END

#include <plx/quick.h>

#endif

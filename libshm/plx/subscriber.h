/* subscriber.h - read the messages of a topic where they lie, whoever publishes them. */
#ifndef PLX_SUBSCRIBER_H
#define PLX_SUBSCRIBER_H

#include <plx/admit.h>
#include <plx/buffer.h>

struct plx_subscriber;
struct plx_keys; /* plx/key.h */

enum plx_reading {
	PLX_READ_RELIABLE = 0, /* nothing is lost: the publisher waits for us */
	PLX_READ_LOSSY = 1,    /* never holds anybody up; may be lapped, and is told how many it lost */
};

/* Zero means the default; start from PLX_SUBSCRIBER_DEFAULTS. */
struct plx_subscriber_options {
	enum plx_reading reading;
	uint32_t history; /* messages from before we joined, as far as the publisher keeps them */
	uint32_t type;    /* accept only publishers of this type id; 0 = any */
	uint32_t
		spin_ns; /* how long plx_subscriber_wait() spins at most before it sleeps; default 10000; UINT32_MAX = never sleeps */
	bool polling; /* we never sleep in plx_subscriber_wait(): publishers need not look at us */
	bool confirm; /* PLX_READ_RELIABLE: what was taken counts as read only at plx_subscriber_flush() */
	/* PLX_READ_LOSSY: only the newest so many are taken, older ones count as lost; default 0: all there are */
	uint32_t depth;
	uint32_t
		quota; /* messages we hold at most; default 0: the publisher's quota, which is never exceeded */
	/* PLX_READ_RELIABLE: a publisher that has waited for us so long lets us go (-ETIMEDOUT); default 0: its policy decides */
	uint64_t patience_ns;
	uint64_t
		deadline_ns; /* at least one message is expected every so many nanoseconds; default 0: none is */
	const char *directory; /* as for publishers */
	struct plx_admit
		admit; /* publishers of which other users; then directory may be theirs, and is not made */
	/* NULL, or: only publishers that prove a key it trusts. Stays the caller's, until close. A handshake takes two answers
	 * then: the second one is given by take and wait, within a second, or it begins anew */
	const struct plx_keys *keys;
};
#define PLX_SUBSCRIBER_DEFAULTS ((struct plx_subscriber_options){ 0 })

struct plx_subscriber_stats {
	uint64_t taken;      /* messages */
	uint64_t bytes;      /* payload bytes */
	uint64_t lost;       /* messages a lossy reader was lapped by */
	uint64_t slept;      /* times we slept */
	uint64_t missed;     /* deadlines that passed without a message */
	uint32_t publishers; /* connected now */
	uint32_t held;       /* slots held beyond the cursor */
	uint32_t ended;      /* publishers that ended their stream */
	uint32_t died;       /* publishers that died without a word */
	uint32_t refused;    /* publishers that refused us, or that we refused */
	int32_t refused_why; /* negative errno of the last refusal */
};

/* The end of one publisher's stream, as plx_subscriber_take() reports it. */
struct plx_stream_end {
	uint64_t publisher; /* id of its segment */
	uint64_t messages;  /* how many of its messages we took */
	uint32_t pid;       /* as the kernel vouched for it when we connected */
	int32_t reason; /* -ESHUTDOWN regular end, -EPIPE died, -ECANCELED interrupted, -ETIMEDOUT it let us go, or -EBADMSG it lied */
};

PLX_BEGIN

/**
 * plx_subscriber_open() - watch @topic; publishers that exist or appear are connected to as they are found.
 *
 * Return: 0 (also when there is no publisher yet), -EINVAL, -EACCES, -EMFILE, -ENOMEM, -ENOENT (with admit: no such directory).
 * Owner:  the caller closes it.
 * Safety: one thread at a time; no thread of its own.
 */
int plx_subscriber_open(struct plx_subscriber **sub, const char *topic,
			const struct plx_subscriber_options *opt) plx_must_check;

/**
 * plx_subscriber_take() - the next message, if there is one.
 * @buffer: the message when the answer is 1, else PLX_BUFFER_NONE; release it when done (before or after taking more)
 *
 * No system call while messages flow. What came inside the log (slot == PLX_SLOT_NONE) is a private copy. At most the
 * publisher's quota of messages can be held at a time.
 *
 * A publisher that lets us go (-ETIMEDOUT: we were too slow for its policy) uses its slots again without asking: what
 * we held of them by then may have changed while we looked at it.
 *
 * Return: 1 with a message, 0 when there is none just now, -ENOSPC when as many are held as the quota allows, -ENOMEM, or,
 *         once for each stream that ended, after its last message: its reason (see plx_subscriber_ended(); -EIO for a
 *         reason that would mean something else here). With plx_subscriber_options.confirm a regular end waits until
 *         everything before it is confirmed: 0 until then.
 * Order:  messages of one publisher come in the order published.
 */
int plx_subscriber_take(struct plx_subscriber *sub, struct plx_buffer *buffer) plx_must_check;

/** plx_subscriber_ended() - which stream the last negative answer of take was about. */
struct plx_stream_end plx_subscriber_ended(const struct plx_subscriber *sub);

/**
 * plx_subscriber_wait() - wait until take has something to say.
 * @timeout_ns: nanoseconds, UINT64_MAX for ever
 *
 * Spins for spin_ns at most, and less when that was in vain lately; then sleeps: no CPU while idle. Wakes for a message, a stream's end, or a change of publishers.
 *
 * Return: 0 (look again), -ETIMEDOUT, -EINTR (a signal arrived; SIGCONT is one, handler or not),
 *         -ETIME (plx_subscriber_options.deadline_ns passed without a message: once for each time it does).
 */
int plx_subscriber_wait(struct plx_subscriber *sub, uint64_t timeout_ns) plx_must_check;

/**
 * plx_subscriber_arm() - before sleeping on plx_subscriber_fd(): ask to be woken.
 *
 * Each time: after it the descriptor becomes readable for whatever plx_subscriber_wait() would return for, also when
 * a publisher is to be asked again and when a deadline passes (plx_subscriber_stats.missed says that it did).
 *
 * Return: true when it is fine to sleep; false when there is something to take already.
 */
bool plx_subscriber_arm(struct plx_subscriber *sub);

/** plx_subscriber_fd() - a descriptor for poll, epoll, libuv or GLib; readable when take may have something. Owned by @sub. */
int plx_subscriber_fd(const struct plx_subscriber *sub);

/**
 * plx_subscriber_flush() - tell publishers now how far we have read (take does it lazily).
 *
 * With plx_subscriber_options.confirm nothing else tells them: everything taken so far is done with (written, answered,
 * ...). A publisher that drains waits for that, and one whose reader leaves or dies before learns how far it was. Call it
 * before plx_subscriber_wait(), or a publisher whose log is full waits as well.
 */
void plx_subscriber_flush(struct plx_subscriber *sub);

/** plx_subscriber_stats() - figures so far. */
void plx_subscriber_stats(const struct plx_subscriber *sub, struct plx_subscriber_stats *stats);

/**
 * plx_subscriber_refusal() - why the last publisher refused us, or we refused it, for people; "" when none did.
 *
 * When the types differ, both are named, with their descriptions as far as either side knows them (plx/type.h).
 *
 * Return: a text that stays until the next refusal.
 */
const char *plx_subscriber_refusal(const struct plx_subscriber *sub);

/** plx_subscriber_close() - leave; buffers still held become invalid; NULL is fine. */
void plx_subscriber_close(struct plx_subscriber *sub);

/* The long ways of plx_subscriber_take() and plx_buffer_release(), which their inline halves take when there is more to it. */
int plx_subscriber_take_slowly(struct plx_subscriber *sub, struct plx_buffer *buffer) plx_must_check;
void plx_buffer_release_slowly(struct plx_holder *holder);
void plx_buffer_released(struct plx_holder *holder);

PLX_END

#include <plx/quick.h>

#endif

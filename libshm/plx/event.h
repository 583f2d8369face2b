/* event.h - plain notifications: "this happened", from any of several processes to all who listen; counted, never lost. */
#ifndef PLX_EVENT_H
#define PLX_EVENT_H

#include <plx/admit.h>
#include <plx/common.h>

/*
 * 64 events, 0 to 63, of one name. Any number of notifiers and listeners. A notification carries the counts of all events of
 * its notifier so far; so a listener that misses some, because it was slow, learns from the next one, or the last one,
 * all there was to know: it never holds anybody up, and nothing that happened goes unnoticed.
 */

struct plx_event_notifier;
struct plx_event_listener;
struct plx_keys; /* stay the caller's, until close */

#define PLX_EVENT_IDS     64u
#define PLX_EVENT_BIT(id) (UINT64_C(1) << (id))
#define PLX_EVENT_ALL     UINT64_MAX

/* Zero means the default. */
struct plx_event_notifier_options {
	uint32_t ids;                /* events 0 to ids - 1; default 64; fewer make a notification cheaper */
	const char *directory;       /* as in plx_publisher_options */
	struct plx_admit admit;      /* who else is admitted, plx/admit.h */
	const struct plx_keys *keys; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

/* Zero means the default. */
struct plx_event_listener_options {
	bool past;                   /* also what notifiers did before this listener was opened */
	uint32_t spin_ns;            /* as in plx_subscriber_options */
	const char *directory;       /* as in plx_publisher_options */
	struct plx_admit admit;      /* who else is admitted, plx/admit.h */
	const struct plx_keys *keys; /* NULL, or: only with who proves a key it trusts, plx/key.h */
};

PLX_BEGIN

/**
 * plx_event_notifier_open() - get ready to notify the listeners of @topic.
 *
 * Return: 0, -EINVAL, and as plx_publisher_open().
 * Owner:  the caller closes it.
 * Safety: one thread at a time.
 */
int plx_event_notifier_open(struct plx_event_notifier **notifier, const char *topic,
			    const struct plx_event_notifier_options *opt) plx_must_check;

/** plx_event_notifier_wait() - wait until @count listeners are connected at once. Return: 0, -ETIMEDOUT, -EINTR. */
int plx_event_notifier_wait(struct plx_event_notifier *notifier, uint32_t count,
			    uint64_t timeout_ns) plx_must_check;

/**
 * plx_event_notify() - event @id happened.
 *
 * Waits for nobody. A system call only when a listener sleeps.
 *
 * Return: 0, -EINVAL (no such id), -ENOSPC or -EAGAIN (stopped listeners hold every slot): it is counted and travels with
 *         the next notification.
 */
int plx_event_notify(struct plx_event_notifier *notifier, unsigned int id) plx_must_check;

/** plx_event_notify_mask() - every event of @mask happened once; one message. Return: as plx_event_notify(). */
int plx_event_notify_mask(struct plx_event_notifier *notifier, uint64_t mask) plx_must_check;

/** plx_event_notifier_close() - leave; listeners that are connected still learn what happened; NULL is fine. */
void plx_event_notifier_close(struct plx_event_notifier *notifier);

/**
 * plx_event_listener_open() - hear of the events of @topic from now on.
 *
 * What a notifier does after this returned is not missed, unless that notifier is gone before we could connect to it.
 *
 * Return: 0, and as plx_subscriber_open().
 * Owner:  the caller closes it.
 * Safety: one thread at a time.
 */
int plx_event_listener_open(struct plx_event_listener **listener, const char *topic,
			    const struct plx_event_listener_options *opt) plx_must_check;

/** plx_event_take() - which events of @mask happened since they were last taken. */
uint64_t plx_event_take(struct plx_event_listener *listener, uint64_t mask);

/**
 * plx_event_count() - how often event @id happened, as far as plx_event_take() and plx_event_wait() have looked.
 *
 * Exact for notifiers that were opened after this listener (or with opt.past); of an older one from its first message on that we
 * see: what that message says to have happened since we were opened counts once.
 */
uint64_t plx_event_count(const struct plx_event_listener *listener, unsigned int id);

/**
 * plx_event_wait() - wait until an event of @mask happens, and take what happened.
 * @happened: set when the answer is 0; may be NULL
 *
 * Return: 0, -ETIMEDOUT, -EINTR.
 */
int plx_event_wait(struct plx_event_listener *listener, uint64_t mask, uint64_t timeout_ns,
		   uint64_t *happened) plx_must_check;

/** plx_event_arm() - before sleeping on plx_event_fd(): false when an event of @mask has happened already. */
bool plx_event_arm(struct plx_event_listener *listener, uint64_t mask);
/** plx_event_fd() - readable when plx_event_take() may have something. Owned by @listener. */
int plx_event_fd(const struct plx_event_listener *listener);

/** plx_event_listener_close() - listen no more; NULL is fine. */
void plx_event_listener_close(struct plx_event_listener *listener);

PLX_END

#endif

/* look.h - one consistent look at the log of a publisher that works on; internal to inspection. */
#ifndef PLX_TOPIC_LOOK_H
#define PLX_TOPIC_LOOK_H

#include <plx/segment.h>

#include "topic/topic_check.h"

/*
 * A copy of a log, made as if its publisher had paused:
 *
 *	head and tail, then the log, then the bitmaps, then head and tail again
 *
 * What lies between the later tail and the earlier head was in the window all the time, so it cannot have changed:
 * that is the window of the copy. Messages that came meanwhile are taken out of it again.
 */
struct plx_look {
	struct plx_topic_head head; /* with that window; figures as of the second look */
	struct plx_entry *log;
	uint64_t *bitmap;           /* free slots, then kept ones */
	uint64_t head_last;         /* what head really was in the end */
	struct plx_log_parts parts; /* all this, for plx_log_check() */
};

/**
 * plx_look_take() - look once.
 *
 * Return: 0, -EPROTO (not a topic, or another version), -EBADMSG with *@why (the geometry), -ENOMEM, -errno (reading).
 * Owner:  plx_look_free(), which may be called twice.
 */
int plx_look_take(struct plx_look *look, const struct plx_segment *seg, const char **why) plx_must_check;
void plx_look_free(struct plx_look *look);

/**
 * plx_look_bytes() - copy @size bytes of a segment as they are now: through its descriptor, which cannot fault, or from
 * memory when it has none. @off and @size are multiples of 8.
 *
 * Return: 0, -ERANGE (the file became shorter), -errno.
 */
int plx_look_bytes(const struct plx_segment *seg, uint64_t off, void *to, uint64_t size) plx_must_check;

#endif

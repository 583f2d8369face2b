/* topic_check.h - the invariants of a log and of a link, for tests, shmctl and fuzzers. */
#ifndef PLX_TOPIC_CHECK_H
#define PLX_TOPIC_CHECK_H

#include <plx/common.h>

#include "topic/topic_layout.h"

/* The blocks of a data segment, as found; sizes are those of the directory. */
struct plx_log_parts {
	const struct plx_topic_head *head;
	const struct plx_entry *log;
	const uint64_t *bitmap;
	uint64_t head_size, log_size, bitmap_size, slots_size;
};

/**
 * plx_geometry_check() - the constant line of a head: sane, and fitting its blocks. Holds at any time.
 * @why: set to a reason on failure; static text
 *
 * Return: 0 or -EBADMSG.
 */
int plx_geometry_check(const struct plx_log_parts *parts, const char **why) plx_must_check;

/**
 * plx_log_check() - geometry, and the log with its bitmaps as they are between two calls of their publisher.
 *
 * Of a live publisher a copy can be taken in the middle of a call: then tail, log and bitmaps may disagree for a moment.
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int plx_log_check(const struct plx_log_parts *parts, const char **why) plx_must_check;

/**
 * plx_link_check() - a subscriber's words: none of them can be trusted, but an honest one's look like this.
 * @pins: @pins_size bytes
 */
int plx_link_check(const struct plx_link *link, const uint64_t *pins, uint64_t pins_size,
		   const char **why) plx_must_check;

#endif

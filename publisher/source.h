/* source.h - the inputs: files by name and standard input. */
#ifndef PUBLISHER_SOURCE_H
#define PUBLISHER_SOURCE_H

#include "publisher/options.h"

#include <sys/types.h>
#include <sys/uio.h>

/* An open input. */
struct source {
	const char *name; /* for messages */
	int fd;           /* -1 when closed */
	bool regular;     /* reading never waits, and comes up short only at the end */
};

/**
 * source_check() - can each of these be read? Asked before anything is sent, so that the third name's typo does not cut a stream.
 *
 * Return: 0, or -1 and the reason was said.
 */
int source_check(char *const *files) plx_must_check;

/** source_open() - open one. Return: 0, or -1 and the reason was said. */
int source_open(struct source *source, const char *file) plx_must_check;

/**
 * source_read() - read into these places; waits a moment when nothing is there.
 *
 * Return: bytes, 0 at the end, -EAGAIN when nothing came for a while (look around, then ask again), or -EIO and the reason
 *         was said.
 */
ssize_t source_read(const struct source *source, const struct iovec *iov, int n) plx_must_check;

/** source_ready() - true when reading would not wait. */
bool source_ready(const struct source *source);

void source_close(struct source *source);

#endif

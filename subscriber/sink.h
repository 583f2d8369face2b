/* sink.h - the output: many messages with one system call, straight from the slots they lie in. */
#ifndef SUBSCRIBER_SINK_H
#define SUBSCRIBER_SINK_H

#include <plx/buffer.h>
#include <stdbool.h>
#include <sys/uio.h>

#define SINK_HELD   16           /* slots held at once; the quota a publisher gives by default */
#define SINK_COPY   4096u        /* up to here a copy is cheaper than a place of its own in a writev() */
#define SINK_STAGE  (256u << 10) /* bytes of copies */
#define SINK_ENOUGH (UINT64_C(1) << 20) /* bytes after which it is time to write */

struct sink {
	const char *name; /* for messages */
	int fd;           /* -1 when closed */
	bool socket;      /* not ours alone, and cannot be opened again: asked not to wait at each call */
	bool last;        /* we were asked to stop: what waits is still written, until we are asked again */
	char *stage;
	uint32_t staged; /* bytes in stage */
	int places;
	int held;
	uint64_t waiting; /* bytes to be written */
	uint64_t written; /* bytes written so far */
	struct iovec place[2 * SINK_HELD + 2];
	struct plx_buffer buffer[SINK_HELD];
};
#define SINK_NONE ((struct sink){ .fd = -1 })

/** sink_open() - @path, or standard output when it is NULL or "-". Return: 0, or -1 and the reason was said. */
int sink_open(struct sink *sink, const char *path) plx_must_check;

/**
 * sink_add() - a message to be written, and a newline behind it if wanted; @buffer is taken over.
 *
 * Return: as sink_flush().
 */
int sink_add(struct sink *sink, struct plx_buffer *buffer, bool newline) plx_must_check;

/**
 * sink_flush() - write what waits, and let go of the slots.
 *
 * Return: 0, -EINTR when a signal asked us to stop while nobody read our output, or -EIO and the reason was said.
 */
int sink_flush(struct sink *sink) plx_must_check;

/** sink_close() - some file systems only now say that there was no room. Return: 0, or -1 and the reason was said. */
int sink_close(struct sink *sink);

#endif

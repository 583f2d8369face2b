/*
 * sink.c - the output.
 *
 *	messages     ┌ small ──► copied behind one another ──► stage   ┐
 *	as they come ┤                                                  ├──► one writev(), in order
 *	             └ large ──► held where they lie, in their slots    ┘
 *
 * A held slot is let go when its bytes are written, a small message at once; but all of them count as read for their
 * publishers only when everything before is written (see flush() in main.c), so that who drains knows that it is. Nothing
 * waits longer than until there is no further message to take.
 *
 * A write never sleeps where a signal could come just before it; it says EAGAIN, and we sleep in ppoll(), which lets the
 * signals in. For that a pipe or a terminal we were given is opened again: O_NONBLOCK is not ours to set on an open
 * file that others have, too.
 */
#include "subscriber/sink.h"

#include "tools/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/process.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* As far as it can be done, without anybody noticing. */
static void do_not_block(struct sink *sink)
{
	struct stat st;
	int fd;

	if (fstat(sink->fd, &st) < 0)
		return;
	sink->socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	if (sink->fd != STDOUT_FILENO) { /* we opened it, and nobody else has it */
		(void)!fcntl(sink->fd, F_SETFL, O_NONBLOCK);
		return;
	}
	fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0) /* or nobody reads it any more, or it is another's: then it sleeps in the call */
		sink->fd = fd;
}

int sink_open(struct sink *sink, const char *path)
{
	*sink = SINK_NONE;
	if (path == NULL || strcmp(path, "-") == 0) {
		sink->name = "standard output";
		if (cli_was_closed(STDOUT_FILENO)) {
			cli_error("standard output is closed: say where to write with -o FILE");
			return -1;
		}
		sink->fd = STDOUT_FILENO;
	} else {
		sink->name = path;
		sink->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
		if (sink->fd < 0) {
			cli_error("%s: %s", path, strerror(errno));
			return -1;
		}
	}
	do_not_block(sink);
	sink->stage = malloc(SINK_STAGE);
	if (!sink->stage) {
		cli_error("no memory for the output's buffer");
		return -1;
	}
	return 0;
}

/* Why the output does not take it. */
static int complain(const struct sink *sink, int err)
{
	char amount[CLI_HUMAN];

	cli_human((double)sink->written, amount);
	if (err == EPIPE)
		cli_error("%s: the program that reads it has ended, after %s", sink->name, amount);
	else
		cli_error("%s: %s, after %s%s", sink->name, strerror(err), amount,
			  err == ENOSPC || err == EDQUOT ? "; make room and start again" : "");
	return -EIO;
}

/* Skips what was written. */
static void advance(struct iovec **place, int *left, size_t n)
{
	while (*left > 0 && n >= (*place)->iov_len) {
		n -= (*place)->iov_len;
		(*place)++;
		(*left)--;
	}
	if (n > 0) {
		(*place)->iov_base = (char *)(*place)->iov_base + n;
		(*place)->iov_len -= n;
	}
}

static ssize_t write_some(const struct sink *sink, struct iovec *place, int left)
{
	struct msghdr msg = { .msg_iov = place, .msg_iovlen = (size_t)left };

	return sink->socket ? sendmsg(sink->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : writev(sink->fd, place, left);
}

/* Until the output takes more. -EINTR: we were asked to stop, just now or just before. */
static int await_room(const struct sink *sink)
{
	struct pollfd p = { .fd = sink->fd, .events = POLLOUT };
	sigset_t stops, old;
	int ret = -EINTR;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, &old);
	/* from here to inside ppoll(), which lets them in again, none can slip by */
	if (plx_stop_signal() == 0 || sink->last)
		ret = ppoll(&p, 1, NULL, &old) < 0 && plx_stop_signal() != 0 ? -EINTR : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static int write_all(struct sink *sink)
{
	struct iovec *place = sink->place;
	int left = sink->places;

	while (left > 0) {
		ssize_t n = write_some(sink, place, left);

		if (n >= 0) {
			sink->written += (uint64_t)n;
			advance(&place, &left, (size_t)n);
		} else if (errno == EAGAIN) {
			if (await_room(sink) < 0)
				return -EINTR;
		} else if (errno != EINTR) {
			return complain(sink, errno);
		} else if (plx_stop_signal() != 0) {
			return -EINTR;
		}
	}
	return 0;
}

int sink_flush(struct sink *sink)
{
	int ret = 0;

	if (sink->waiting > 0)
		ret = write_all(sink);
	for (int i = 0; i < sink->held; i++)
		plx_buffer_release(&sink->buffer[i]);
	sink->places = sink->held = 0;
	sink->staged = 0;
	sink->waiting = 0;
	return ret;
}

/* A copy behind the last one; the places grow together when they touch. */
static void copy(struct sink *sink, const void *data, uint32_t length)
{
	char *to = sink->stage + sink->staged;
	struct iovec *last = sink->places > 0 ? &sink->place[sink->places - 1] : NULL;

	memcpy(to, data, length);
	if (last && (char *)last->iov_base + last->iov_len == to)
		last->iov_len += length;
	else
		sink->place[sink->places++] = (struct iovec){ to, length };
	sink->staged += length;
	sink->waiting += length;
}

int sink_add(struct sink *sink, struct plx_buffer *buffer, bool newline)
{
	const bool small = buffer->length <= SINK_COPY;

	newline = newline &&
		  (buffer->length == 0 || ((const char *)buffer->data)[buffer->length - 1] != '\n');
	if (small) {
		if (buffer->length > 0)
			copy(sink, buffer->data, (uint32_t)buffer->length);
		plx_buffer_release(buffer);
	} else {
		sink->place[sink->places++] = (struct iovec){ (void *)(uintptr_t)buffer->data,
							      buffer->length };
		sink->waiting += buffer->length;
		sink->buffer[sink->held++] = *buffer;
		*buffer = PLX_BUFFER_NONE;
	}
	if (newline)
		copy(sink, "\n", 1);
	if (sink->held == SINK_HELD || sink->waiting >= SINK_ENOUGH ||
	    sink->staged + SINK_COPY + 1 > SINK_STAGE)
		return sink_flush(sink);
	return 0;
}

int sink_close(struct sink *sink)
{
	int ret = 0;

	for (int i = 0; i < sink->held; i++)
		plx_buffer_release(&sink->buffer[i]);
	free(sink->stage);
	if (sink->fd >= 0 && close(sink->fd) < 0 && errno != EINTR) {
		complain(sink, errno);
		ret = -1;
	}
	*sink = SINK_NONE;
	return ret;
}

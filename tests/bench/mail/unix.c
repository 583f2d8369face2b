/* unix.c - a socket of this machine: two copies and a call of the kernel on either side. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/mail.h"

#ifndef WITH_PIPE
#define WITH_PIPE 0
#endif

struct end {
	int fd;
	char bytes[]; /* of one message */
};

static int fds[2][2]; /* per channel: to read, to write */

static const char *make(const char *directory, size_t size)
{
	(void)directory;
	(void)size;
	for (int i = 0; i < 2; i++) {
		if ((WITH_PIPE ? pipe(fds[i]) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i])) < 0)
			return "no descriptors";
	}
	return NULL;
}

static void *end(int fd, size_t size)
{
	struct end *e = malloc(sizeof(*e) + size);

	if (e)
		e->fd = fd;
	return e;
}

static void *sender(const char *directory, int channel, size_t size)
{
	(void)directory;
	return end(fds[channel][1], size);
}

static void *receiver(const char *directory, int channel, size_t size)
{
	(void)directory;
	return end(fds[channel][0], size);
}

static void *room(void *sender, size_t size)
{
	(void)size;
	return ((struct end *)sender)->bytes;
}

static int post(void *sender, size_t size)
{
	struct end *e = sender;

	for (size_t at = 0; at < size;) {
		ssize_t n = write(e->fd, e->bytes + at, size - at);

		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static const void *take(void *receiver, size_t size)
{
	struct end *e = receiver;

	for (size_t at = 0; at < size;) {
		ssize_t n = read(e->fd, e->bytes + at, size - at);

		if (n <= 0)
			return NULL;
		at += (size_t)n;
	}
	return e->bytes;
}

struct mail_peer mail_peer = {
	.name = WITH_PIPE ? "pipe" : "unix stream socket",
	.how = "kernel, copies; sleeps",
	.make = make,
	.sender = sender,
	.receiver = receiver,
	.room = room,
	.post = post,
	.take = take,
};

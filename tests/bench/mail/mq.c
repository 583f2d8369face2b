/* mq.c - a message queue of POSIX: the kernel keeps the messages. */
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/mail.h"

struct end {
	mqd_t queue;
	char bytes[];
};

static void name_of(char *name, const char *directory, int channel)
{
	snprintf(name, MAIL_PATH, "/%s.%d", strrchr(directory, '/') + 1, channel);
}

static void forget(const char *directory)
{
	char name[MAIL_PATH];

	for (int i = 0; i < 2; i++) {
		name_of(name, directory, i);
		mq_unlink(name);
	}
}

static const char *make(const char *directory, size_t size)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = (long)size };
	char name[MAIL_PATH];

	for (int i = 0; i < 2; i++) {
		mqd_t queue;

		name_of(name, directory, i);
		queue = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
		if (queue == (mqd_t)-1) {
			forget(directory);
			return "the system's limits are lower";
		}
		mq_close(queue);
	}
	return NULL;
}

static void *end(const char *directory, int channel, size_t size)
{
	struct end *e = malloc(sizeof(*e) + size);
	char name[MAIL_PATH];

	name_of(name, directory, channel);
	if (e)
		e->queue = mq_open(name, O_RDWR);
	return e && e->queue != (mqd_t)-1 ? e : NULL;
}

static void *room(void *sender, size_t size)
{
	(void)size;
	return ((struct end *)sender)->bytes;
}

static int post(void *sender, size_t size)
{
	return mq_send(((struct end *)sender)->queue, ((struct end *)sender)->bytes, size, 0);
}

static const void *take(void *receiver, size_t size)
{
	struct end *e = receiver;

	return mq_receive(e->queue, e->bytes, size, NULL) == (ssize_t)size ? e->bytes : NULL;
}

struct mail_peer mail_peer = {
	.name = "POSIX message queue",
	.how = "kernel, copies; sleeps",
	.make = make,
	.forget = forget,
	.sender = end,
	.receiver = end,
	.room = room,
	.post = post,
	.take = take,
	.by_name = true,
};

/* kernel.c - what the kernel has: a pipe, a socket that keeps messages apart, a POSIX message queue. All of them sleep. */
#include "tests/bench/queue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors of this run; closed when the next one opens: at most two are in use at a time. */
static int open_ends[4][2];
static unsigned int opened;

static int *next_ends(void)
{
	int *ends = open_ends[opened++ % 4];

	for (int i = 0; i < 2; i++) {
		if (ends[i] && (i == 0 || ends[1] != ends[0]))
			close(ends[i]);
	}
	ends[0] = ends[1] = 0;
	return ends;
}

static void *must(int ret, int *ends)
{
	if (ret < 0) {
		perror("queue: a baseline of the kernel's");
		exit(1);
	}
	return ends;
}

static void *open_pipe(uint32_t slots, uint32_t producers)
{
	int *ends = next_ends();

	(void)slots;
	(void)producers;
	return must(pipe2(ends, O_CLOEXEC), ends);
}

static void *open_socket(uint32_t slots, uint32_t producers)
{
	int *ends = next_ends();

	(void)slots;
	(void)producers;
	return must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ends);
}

static void *open_mq(uint32_t slots, uint32_t producers)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = QUEUE_BYTES };
	char name[64];
	int *ends = next_ends();

	(void)slots;
	(void)producers;
	snprintf(name, sizeof(name), "/plx-bench-%d-%u", getpid(), opened);
	ends[0] = ends[1] = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	mq_unlink(name);
	return must(ends[1], ends);
}

#define MOVES(name, size)                                                                                    \
	queue_inline unsigned int write_##name(struct queue_end *end, void *messages, unsigned int n)        \
	{                                                                                                    \
		ssize_t got = write(((int *)end->queue)[1], messages, (size_t)size * n);                     \
                                                                                                             \
		return got > 0 ? (unsigned int)got / size : 0;                                               \
	}                                                                                                    \
	queue_inline unsigned int read_##name(struct queue_end *end, void *messages, unsigned int n)         \
	{                                                                                                    \
		ssize_t got = read(((int *)end->queue)[0], messages, (size_t)size * n);                      \
                                                                                                             \
		return got > 0 ? (unsigned int)got / size : 0;                                               \
	}

MOVES(8, 8u)
MOVES(64, 64u)

queue_inline unsigned int send_mq(struct queue_end *end, void *messages, unsigned int n)
{
	return mq_send(((int *)end->queue)[1], messages, 8, 0) == 0 ? n : 0;
}

queue_inline unsigned int receive_mq(struct queue_end *end, void *messages, unsigned int n)
{
	return mq_receive(((int *)end->queue)[0], messages, QUEUE_BYTES, NULL) == 8 ? n : 0;
}

QUEUE_LOOPS(pipe_8, write_8, read_8, 8, 1)
QUEUE_LOOPS(pipe_64, write_64, read_64, 64, 1)
QUEUE_LOOPS(pipe_8b, write_8, read_8, 8, 32)
QUEUE_LOOPS(pipe_64b, write_64, read_64, 64, 32)
QUEUE_LOOPS(mq_8, send_mq, receive_mq, 8, 1)

const struct queue queues_kernel[] = {
	{ QUEUE(pipe_8, "pipe", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .blocks = true, .open = open_pipe },
	{ QUEUE(pipe_64, "pipe", 64, 1, 1, 1), .blocks = true, .open = open_pipe },
	{ QUEUE(pipe_8b, "pipe", 8, 32, QUEUE_SIDES, QUEUE_SIDES), .blocks = true, .open = open_pipe },
	{ QUEUE(pipe_64b, "pipe", 64, 32, 1, 1), .blocks = true, .open = open_pipe },
	{ QUEUE(pipe_8, "unix socket", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .blocks = true, .open = open_socket },
	{ QUEUE(pipe_64, "unix socket", 64, 1, 1, 1), .blocks = true, .open = open_socket },
	{ QUEUE(mq_8, "POSIX mq of 10", 8, 1, QUEUE_SIDES, QUEUE_SIDES), .blocks = true, .open = open_mq },
	{ .title = NULL },
};

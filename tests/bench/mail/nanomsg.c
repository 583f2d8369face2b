/* nanomsg.c - a pair of nanomsg over ipc:// (its pub and sub drop what does not fit). */
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/mail.h"

struct end {
	int socket;
	void *message;
	char bytes[];
};

static struct end *open_end(size_t size)
{
	struct end *e = malloc(sizeof(*e) + size);
	int any = -1, soon = 1;

	if (!e)
		return NULL;
	e->message = NULL;
	e->socket = nn_socket(AF_SP, NN_PAIR);
	nn_setsockopt(e->socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &any, sizeof(any));
	nn_setsockopt(e->socket, NN_SOL_SOCKET, NN_RECONNECT_IVL, &soon, sizeof(soon));
	return e;
}

static void *sender(const char *directory, int channel, size_t size)
{
	struct end *e = open_end(size);
	char address[MAIL_PATH + 16];

	snprintf(address, sizeof(address), "ipc://%s/%d", directory, channel);
	return e && nn_bind(e->socket, address) >= 0 ? e : NULL;
}

static void *receiver(const char *directory, int channel, size_t size)
{
	struct end *e = open_end(size);
	char address[MAIL_PATH + 16];

	snprintf(address, sizeof(address), "ipc://%s/%d", directory, channel);
	return e && nn_connect(e->socket, address) >= 0 ? e : NULL;
}

static void *room(void *sender, size_t size)
{
	(void)size;
	return ((struct end *)sender)->bytes;
}

static int post(void *sender, size_t size)
{
	struct end *e = sender;

	return nn_send(e->socket, e->bytes, size, 0) == (int)size ? 0 : -1;
}

static const void *take(void *receiver, size_t size)
{
	struct end *e = receiver;

	if (e->message)
		nn_freemsg(e->message);
	e->message = NULL;
	return nn_recv(e->socket, &e->message, NN_MSG, 0) == (int)size ? e->message : NULL;
}

struct mail_peer mail_peer = {
	.name = "nanomsg pair, ipc",
	.how = "a thread on either side, sockets, copies; sleeps",
	.sender = sender,
	.receiver = receiver,
	.room = room,
	.post = post,
	.take = take,
	.by_name = true,
};

/* nng.c - a pair of nng over ipc:// (its pub and sub drop what does not fit). */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/mail.h"

struct end {
	nng_socket socket;
	void *message;
	size_t size;
	char bytes[];
};

static struct end *open_end(size_t size)
{
	struct end *e = malloc(sizeof(*e) + size);

	if (!e)
		return NULL;
	e->message = NULL;
	nng_pair0_open(&e->socket);
	nng_socket_set_int(e->socket, NNG_OPT_SENDBUF, 16);
	nng_socket_set_int(e->socket, NNG_OPT_RECVBUF, 16);
	nng_socket_set_size(e->socket, NNG_OPT_RECVMAXSZ, 0);
	nng_socket_set_ms(e->socket, NNG_OPT_RECONNMINT, 1);
	return e;
}

static void *sender(const char *directory, int channel, size_t size)
{
	struct end *e = open_end(size);
	char address[MAIL_PATH + 16];

	snprintf(address, sizeof(address), "ipc://%s/%d", directory, channel);
	return e && nng_listen(e->socket, address, NULL, 0) == 0 ? e : NULL;
}

static void *receiver(const char *directory, int channel, size_t size)
{
	struct end *e = open_end(size);
	char address[MAIL_PATH + 16];

	snprintf(address, sizeof(address), "ipc://%s/%d", directory, channel);
	return e && nng_dial(e->socket, address, NULL, NNG_FLAG_NONBLOCK) == 0 ? e : NULL;
}

static void *room(void *sender, size_t size)
{
	(void)size;
	return ((struct end *)sender)->bytes;
}

static int post(void *sender, size_t size)
{
	struct end *e = sender;

	return nng_send(e->socket, e->bytes, size, 0) == 0 ? 0 : -1;
}

static const void *take(void *receiver, size_t size)
{
	struct end *e = receiver;

	if (e->message)
		nng_free(e->message, e->size);
	e->message = NULL;
	return nng_recv(e->socket, &e->message, &e->size, NNG_FLAG_ALLOC) == 0 && e->size == size ? e->message
												  : NULL;
}

struct mail_peer mail_peer = {
	.name = "nng pair, ipc",
	.how = "threads on either side, sockets, copies; sleeps",
	.sender = sender,
	.receiver = receiver,
	.room = room,
	.post = post,
	.take = take,
	.by_name = true,
};

/* zmq.c - PUB and SUB of ZeroMQ over ipc://, told not to drop. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "tests/bench/mail.h"

struct end {
	void *context, *socket;
	bool met, full;
	zmq_msg_t message;
	char bytes[];
};

static void *open_end(const char *directory, int channel, size_t size, int type)
{
	struct end *e = malloc(sizeof(*e) + size);
	char address[MAIL_PATH + 16];
	int yes = 1, hwm = size <= 4096 ? 1000 : 16;

	if (!e)
		return NULL;
	snprintf(address, sizeof(address), "ipc://%s/%d", directory, channel);
	e->met = e->full = false;
	e->context = zmq_ctx_new();
	e->socket = zmq_socket(e->context, type);
	zmq_setsockopt(e->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
	zmq_setsockopt(e->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
	if (type == ZMQ_SUB) {
		zmq_setsockopt(e->socket, ZMQ_SUBSCRIBE, "", 0);
		return zmq_connect(e->socket, address) == 0 ? e : NULL;
	}
	zmq_setsockopt(e->socket, ZMQ_XPUB_NODROP, &yes, sizeof(yes));
	return zmq_bind(e->socket, address) == 0 ? e : NULL;
}

static void *sender(const char *directory, int channel, size_t size)
{
	return open_end(directory, channel, size, ZMQ_XPUB);
}

static void *receiver(const char *directory, int channel, size_t size)
{
	return open_end(directory, channel, size, ZMQ_SUB);
}

/* Who subscribes sends a message that says so. */
static bool met(void *sender)
{
	struct end *e = sender;
	char said[8];

	e->met = e->met || zmq_recv(e->socket, said, sizeof(said), ZMQ_DONTWAIT) > 0;
	return e->met;
}

static void *room(void *sender, size_t size)
{
	(void)size;
	return ((struct end *)sender)->bytes;
}

static int post(void *sender, size_t size)
{
	struct end *e = sender;

	return zmq_send(e->socket, e->bytes, size, 0) == (int)size ? 0 : -1;
}

static const void *take(void *receiver, size_t size)
{
	struct end *e = receiver;

	if (e->full)
		zmq_msg_close(&e->message);
	zmq_msg_init(&e->message);
	e->full = true;
	return zmq_msg_recv(&e->message, e->socket, 0) == (int)size ? zmq_msg_data(&e->message) : NULL;
}

struct mail_peer mail_peer = {
	.name = "ZeroMQ PUB/SUB, ipc",
	.how = "a thread on either side, sockets, copies; sleeps",
	.sender = sender,
	.receiver = receiver,
	.met = met,
	.room = room,
	.post = post,
	.take = take,
	.by_name = true,
};

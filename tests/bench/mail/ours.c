/* ours.c - a topic, both sides polling: 40 bytes go inside the log, more in a loaned slot. */
#include <stdio.h>
#include <stdlib.h>

#include <plx/plx.h>

#include "tests/bench/mail.h"

#ifdef ASLEEP
#define POLLS false
#else
#define POLLS true
#endif

struct end {
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	struct plx_loan loan;
	struct plx_buffer buffer;
	uint64_t small[5];
};

static const char *topic(int channel)
{
	return channel ? "mail/1" : "mail/0";
}

static void *sender(const char *directory, int channel, size_t size)
{
	struct plx_publisher_options opt = PLX_PUBLISHER_DEFAULTS;
	struct end *e = calloc(1, sizeof(*e));

	opt.directory = directory;
	opt.slot_size = size;
	opt.depth = size <= 4096 ? 1024 : 16;
	opt.history = 1;
	opt.linger_ns = UINT64_C(1000000000);
	return e && plx_publisher_open(&e->pub, topic(channel), &opt) == 0 ? e : NULL;
}

static void *receiver(const char *directory, int channel, size_t size)
{
	struct plx_subscriber_options opt = PLX_SUBSCRIBER_DEFAULTS;
	struct end *e = calloc(1, sizeof(*e));

	(void)size;
	opt.directory = directory;
	opt.polling = POLLS;
	opt.history = 1;
	return e && plx_subscriber_open(&e->sub, topic(channel), &opt) == 0 ? e : NULL;
}

static bool met(void *end)
{
	struct plx_publisher_stats stats;

	plx_publisher_stats(((struct end *)end)->pub, &stats);
	return stats.subscribers > 0;
}

static void *room(void *end, size_t size)
{
	struct end *e = end;

	if (size <= PLX_INLINE_MAX)
		return e->small;
	return plx_publisher_loan(e->pub, &e->loan) == 0 ? e->loan.data : NULL;
}

static int post(void *end, size_t size)
{
	struct end *e = end;

	return size <= PLX_INLINE_MAX ? plx_publisher_send(e->pub, e->small, size)
				      : plx_publisher_publish(e->pub, &e->loan, size);
}

static const void *take(void *end, size_t size)
{
	struct end *e = end;
	int ret;

	(void)size;
	while ((ret = plx_subscriber_take(e->sub, &e->buffer)) == 0) {
		if (!POLLS)
			(void)!plx_subscriber_wait(e->sub, UINT64_MAX);
	}
	return ret == 1 ? e->buffer.data : NULL;
}

static void done(void *end)
{
	plx_buffer_release(&((struct end *)end)->buffer);
}

static void close_sender(void *end)
{
	plx_publisher_close(((struct end *)end)->pub);
}

static void close_receiver(void *end)
{
	plx_subscriber_close(((struct end *)end)->sub);
}

struct mail_peer mail_peer = {
	.name = POLLS ? "Parallax, polling" : "Parallax, asleep when idle",
	.how = POLLS ? "no copy; 1 publisher, 1 subscriber" : "no copy; the subscriber waits",
	.polls = POLLS,
	.sender = sender,
	.receiver = receiver,
	.met = met,
	.room = room,
	.post = post,
	.take = take,
	.done = done,
	.close_sender = close_sender,
	.close_receiver = close_receiver,
	.by_name = true,
	.keeps = true,
};

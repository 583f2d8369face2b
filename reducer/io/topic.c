/* topic.c - see topic.h. */
#include "reducer/io/topic.h"

#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>

#define SLOT    UINT64_C(65536) /* a longer message goes in pieces */
#define LOOK_NS UINT64_C(100000000)

struct topic_reader {
	struct topic_reader *next;
	struct plx_subscriber *sub;
	unsigned char *bytes; /* of a message that came in part */
	size_t used;
	uint64_t publisher; /* whose message that is */
	char name[];
};

struct topic_writer {
	struct topic_writer *next;
	struct plx_publisher *pub;
	bool met; /* somebody has listened */
	char name[];
};

int topics_reader(struct topics *topics, const char *name, struct topic_reader **reader)
{
	struct topic_reader *r = topics->readers;
	int ret;

	while (r && strcmp(r->name, name) != 0)
		r = r->next;
	*reader = r;
	if (r)
		return 0;
	r = calloc(1, sizeof(*r) + strlen(name) + 1);
	if (!r)
		return -ENOMEM;
	strcpy(r->name, name);
	ret = plx_subscriber_open(&r->sub, name, NULL);
	if (ret < 0) {
		free(r);
		return ret;
	}
	r->next = topics->readers;
	topics->readers = *reader = r;
	return 0;
}

static int append(struct topic_reader *r, const struct plx_buffer *message)
{
	unsigned char *moved = realloc(r->bytes, r->used + message->length + 1);

	if (!moved)
		return -ENOMEM;
	r->bytes = moved;
	if (message->length > 0)
		memcpy(r->bytes + r->used, message->data, message->length);
	r->used += message->length;
	r->publisher = message->publisher;
	return 0;
}

int topic_take(struct topic_reader *r, unsigned char **bytes, size_t *count)
{
	struct plx_buffer message;
	bool more;
	int ret;

	for (;;) {
		ret = plx_subscriber_take(r->sub, &message);
		if (ret == 0 && plx_subscriber_wait(r->sub, 0) == 0)
			ret = plx_subscriber_take(r->sub, &message);
		if (ret <= 0)
			return ret;
		/* pieces of several publishers may alternate; a program that needs that reads their topics apart */
		if (r->used > 0 && r->publisher != message.publisher)
			r->used = 0;
		more = message.flags & PLX_BUFFER_MORE;
		ret = append(r, &message);
		plx_buffer_release(&message);
		plx_subscriber_flush(r->sub);
		if (ret < 0)
			return ret;
		if (!more)
			break;
	}
	*bytes = r->bytes;
	*count = r->used;
	r->bytes = NULL;
	r->used = 0;
	return 1;
}

bool topic_arm(struct topic_reader *r)
{
	return plx_subscriber_arm(r->sub);
}

int topic_fd(const struct topic_reader *r)
{
	return plx_subscriber_fd(r->sub);
}

static int writer_of(struct topics *topics, const char *name, struct topic_writer **writer)
{
	const struct plx_publisher_options opt = { .slot_size = SLOT };
	struct topic_writer *w = topics->writers;
	int ret;

	while (w && strcmp(w->name, name) != 0)
		w = w->next;
	*writer = w;
	if (w)
		return 0;
	w = calloc(1, sizeof(*w) + strlen(name) + 1);
	if (!w)
		return -ENOMEM;
	strcpy(w->name, name);
	ret = plx_publisher_open(&w->pub, name, &opt);
	if (ret < 0) {
		free(w);
		return ret;
	}
	w->next = topics->writers;
	topics->writers = *writer = w;
	return 0;
}

int topics_publish(struct topics *topics, const char *name, const unsigned char *bytes, size_t count)
{
	struct topic_writer *w;
	struct plx_loan loan;
	int ret = writer_of(topics, name, &w);

	while (ret == 0 && !w->met) {
		ret = plx_publisher_wait_subscribers(w->pub, 1, LOOK_NS);
		w->met = ret == 0;
		if (ret == -ETIMEDOUT && plx_stop_signal() == 0)
			ret = 0;
	}
	while (ret == 0) {
		const size_t n = count < SLOT ? count : SLOT;

		ret = plx_publisher_loan(w->pub, &loan);
		if (ret < 0)
			break;
		if (n > 0)
			memcpy(loan.data, bytes, n);
		loan.flags |= count > n ? PLX_BUFFER_MORE : 0;
		ret = plx_publisher_publish(w->pub, &loan, n);
		if (ret < 0)
			plx_publisher_drop(w->pub, &loan);
		bytes += n;
		count -= n;
		if (count == 0)
			break;
	}
	return ret == -ETIMEDOUT ? -EINTR : ret;
}

void topics_end(struct topics *topics)
{
	struct topic_reader *r;
	struct topic_writer *w;

	while ((w = topics->writers)) {
		topics->writers = w->next;
		plx_publisher_end(w->pub, 0);
		while (plx_stop_signal() == 0 && plx_publisher_drain(w->pub, LOOK_NS) != 0) {
		}
		plx_publisher_close(w->pub);
		free(w);
	}
	while ((r = topics->readers)) {
		topics->readers = r->next;
		plx_subscriber_close(r->sub);
		free(r->bytes);
		free(r);
	}
}

/*
 * topic.h - the topics a program listens and speaks to; each is opened when it is first named.
 */
#ifndef REDUCER_IO_TOPIC_H
#define REDUCER_IO_TOPIC_H

#include <plx/common.h>

struct topic_reader;
struct topic_writer;

struct topics {
	struct topic_reader *readers;
	struct topic_writer *writers;
};

/* topics_reader() - Return: 0 with *@reader, or -errno. Owner: topics_end(). */
int topics_reader(struct topics *topics, const char *name, struct topic_reader **reader);

/*
 * topic_take() - the next whole message.
 * Return: 1 with *@bytes (free() it), 0 when there is none now, -ESHUTDOWN or another reason for the end of a stream, -ENOMEM.
 */
int topic_take(struct topic_reader *reader, unsigned char **bytes, size_t *count);

/* topic_arm() - before sleeping on topic_fd(). Return: false when there is something already. */
bool topic_arm(struct topic_reader *reader);
int topic_fd(const struct topic_reader *reader);

/*
 * topics_publish() - a message, of as many pieces as it needs, once somebody listens.
 * Return: 0, -EINTR (a signal came while nobody listened or the readers were slow), or -errno.
 */
int topics_publish(struct topics *topics, const char *name, const unsigned char *bytes, size_t count);

/* topics_end() - messages are read before the topics disappear, unless a signal comes. */
void topics_end(struct topics *topics);

#endif

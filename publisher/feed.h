/* feed.h - from the inputs into the topic, and an eye on those who read it. */
#ifndef PUBLISHER_FEED_H
#define PUBLISHER_FEED_H

#include "publisher/options.h"
#include "publisher/source.h"
#include "tools/cli/cli.h"

/* Why feeding ended. */
enum feed_end {
	FEED_ALL,      /* everything was published */
	FEED_STOPPED,  /* a signal asked us to stop */
	FEED_DESERTED, /* no subscriber is left */
	FEED_LATE,     /* a subscriber has not read for --timeout; said */
	FEED_FAILED,   /* said */
};

/* A message known beforehand: one file, whole. */
struct whole {
	const char *file;
	uint64_t size; /* bytes it had when we looked */
	char *data;    /* what could not say its size was read ahead; NULL for a regular file */
};

struct feed {
	const struct options *opt;
	struct plx_publisher *pub;
	struct whole *whole; /* with --whole: one per file */
	uint64_t slot_size;  /* bytes, as the topic has it */
	uint32_t batch;      /* slots read into at once */
	uint64_t bytes;      /* published */
	uint64_t messages;   /* published */
	bool missed;         /* a subscriber went away before it had read all there was */
	uint64_t last_read;  /* of those that went with nothing unread so far, the least position ... */
	uint32_t last_pid;   /* ... and who that was; 0 = none */
	struct cli_meter meter;
};

/** feed_whole_open() - look at the files: feed->whole, and the largest size. Return: 0, or -1 and the reason was said. */
int feed_whole_open(struct feed *feed, uint64_t *largest) plx_must_check;
void feed_whole_close(struct feed *feed);

enum feed_end feed_chunks(struct feed *feed);
enum feed_end feed_lines(struct feed *feed);
enum feed_end feed_whole(struct feed *feed);

/** feed_open() - source_open() that knows of signals. */
enum feed_end feed_open(struct source *source, const char *file);

/**
 * feed_look() - after each batch: wake who sleeps, hear who left, show progress.
 *
 * Return: FEED_ALL to go on, or why not.
 */
enum feed_end feed_look(struct feed *feed);

enum feed_moment {
	FEED_AMID, /* more may come: who left with nothing unread is remembered until it does */
	FEED_END,  /* nothing more comes: that one has missed nothing */
	FEED_CUT,  /* more should have come: it has */
};

/** feed_readers() - say who left and missed something. */
void feed_readers(struct feed *feed, enum feed_moment moment);

/**
 * feed_loan(), feed_publish(), feed_send() - the library's calls, tried again after signals that do not stop us.
 *
 * Return: FEED_ALL when it was done, or why not (said where that needs words).
 */
enum feed_end feed_loan(struct feed *feed, struct plx_loan *loan);
enum feed_end feed_publish(struct feed *feed, struct plx_loan *loan, uint64_t length);
enum feed_end feed_send(struct feed *feed, const void *data, uint64_t length);

#endif

/*
 * chunks.c - a stream of bytes: a message is as many bytes as fit a slot.
 *
 * The kernel reads straight into loaned slots, into many at once when they are small; nothing is copied after that:
 *
 *	          loan[0]      loan[1]      loan[2]         read from input goes to the first free byte;
 *	       ┌───────────┬───────────┬───────────┬──      full slots are published, the rest move up
 *	       │███████████│█████      │           │
 *	       └───────────┴───────────┴───────────┴──
 *	             filled ───►
 *
 * A file fills its slots; what comes from a pipe or a terminal is sent on as soon as no more is there.
 */
#include "publisher/feed.h"

#include <errno.h>
#include <string.h>

#define BATCH_MAX 1024 /* the kernel's limit on places of one read */

struct tray {
	struct plx_loan loan[BATCH_MAX];
	uint32_t count;  /* loans we have */
	uint64_t filled; /* bytes in the first of them, and full ones behind it: they follow one another */
};

static enum feed_end refill(struct feed *feed, struct tray *tray)
{
	enum feed_end end = FEED_ALL;

	while (tray->count < feed->batch && (end = feed_loan(feed, &tray->loan[tray->count])) == FEED_ALL)
		tray->count++;
	return end;
}

static ssize_t read_into(const struct feed *feed, struct tray *tray, const struct source *source)
{
	struct iovec iov[BATCH_MAX];

	for (uint32_t i = 0; i < tray->count; i++)
		iov[i] = (struct iovec){ tray->loan[i].data, feed->slot_size };
	iov[0].iov_base = (char *)iov[0].iov_base + tray->filled;
	iov[0].iov_len -= tray->filled;
	return source_read(source, iov, (int)tray->count);
}

/* Publishes full slots, and with @rest the one that is begun. */
static enum feed_end send_off(struct feed *feed, struct tray *tray, bool rest)
{
	enum feed_end end = FEED_ALL;
	uint32_t sent = 0;

	while (tray->filled > 0 && (rest || tray->filled >= feed->slot_size)) {
		uint64_t length = tray->filled < feed->slot_size ? tray->filled : feed->slot_size;

		end = feed_publish(feed, &tray->loan[sent], length);
		if (end != FEED_ALL)
			break;
		tray->filled -= length;
		sent++;
	}
	tray->count -= sent;
	memmove(tray->loan, tray->loan + sent, tray->count * sizeof(tray->loan[0]));
	return end;
}

static enum feed_end feed_source(struct feed *feed, struct tray *tray, const struct source *source)
{
	bool deserted = false; /* nobody is left: a reason to stop only if there is more to come */

	for (;;) {
		enum feed_end end = refill(feed, tray);
		ssize_t got;

		if (end != FEED_ALL)
			return end;
		got = read_into(feed, tray, source);
		if (got < 0 && got != -EAGAIN)
			return FEED_FAILED;
		if (deserted)
			return got == 0 ? FEED_ALL : FEED_DESERTED;
		if (got > 0)
			tray->filled += (uint64_t)got;
		end = send_off(feed, tray, got == 0 || (got > 0 && !source_ready(source)));
		if (end == FEED_ALL)
			end = feed_look(feed);
		if (end == FEED_DESERTED && got >= 0 && tray->filled == 0) {
			deserted = true;
			end = FEED_ALL;
		}
		if (end != FEED_ALL || got == 0)
			return end;
	}
}

enum feed_end feed_chunks(struct feed *feed)
{
	static struct tray tray;
	enum feed_end end = FEED_ALL;

	for (char **file = feed->opt->files; *file && end == FEED_ALL; file++) {
		struct source source;

		end = feed_open(&source, *file);
		if (end != FEED_ALL)
			break;
		end = feed_source(feed, &tray, &source);
		source_close(&source);
	}
	for (uint32_t i = 0; i < tray.count; i++)
		plx_publisher_drop(feed->pub, &tray.loan[i]);
	return end;
}

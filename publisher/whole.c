/*
 * whole.c - a message is a file.
 *
 * The slots must hold the largest, so all are looked at first. What cannot say its size (a pipe, a terminal, /proc) is read
 * ahead into memory; a regular file is read straight into its slot, and must not have grown in between.
 */
#include "publisher/feed.h"

#include <errno.h>
#include <plx/process.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WHOLE_MAX (UINT64_C(1) << 30)

static int too_large(const char *name)
{
	cli_error("%s: larger than 1 GiB, the most a message can be; send it without --whole", name);
	return -1;
}

/* All of an input into memory. */
static int slurp(struct whole *whole, const struct source *source)
{
	uint64_t capacity = 0;

	for (;;) {
		struct iovec iov;
		ssize_t got;

		if (whole->size == capacity) {
			char *more;

			capacity = capacity ? 2 * capacity : 65536;
			more = realloc(whole->data, capacity);
			if (!more) {
				cli_error("%s: no memory to read it ahead", source->name);
				return -1;
			}
			whole->data = more;
		}
		iov = (struct iovec){ whole->data + whole->size, capacity - whole->size };
		got = source_read(source, &iov, 1);
		if (got == 0)
			return 0;
		if (got < 0 && (got != -EAGAIN || plx_stop_signal() != 0))
			return -1;
		if (got > 0)
			whole->size += (uint64_t)got;
		if (whole->size > WHOLE_MAX)
			return too_large(source->name);
	}
}

static int look(struct whole *whole)
{
	struct source source;
	struct stat st;
	int ret = 0;

	if (source_open(&source, whole->file) < 0)
		return -1;
	if (source.regular && fstat(source.fd, &st) == 0 && st.st_size > 0) {
		whole->size = (uint64_t)st.st_size;
		if (whole->size > WHOLE_MAX)
			ret = too_large(source.name);
	} else {
		ret = slurp(whole, &source);
	}
	source_close(&source);
	return ret;
}

int feed_whole_open(struct feed *feed, uint64_t *largest)
{
	size_t n = 0;

	while (feed->opt->files[n])
		n++;
	*largest = 0;
	feed->whole = calloc(n + 1, sizeof(feed->whole[0]));
	if (!feed->whole) {
		cli_error("no memory for a list of %zu files", n);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct whole *whole = &feed->whole[i];

		whole->file = feed->opt->files[i];
		if (look(whole) < 0)
			return -1;
		if (feed->opt->slot_size != 0 && whole->size > feed->opt->slot_size) {
			cli_error("%s: %llu bytes do not fit --slot-size %llu; leave that out and it is "
				  "chosen to fit",
				  whole->file, (unsigned long long)whole->size,
				  (unsigned long long)feed->opt->slot_size);
			return -1;
		}
		if (whole->size > *largest)
			*largest = whole->size;
	}
	return 0;
}

void feed_whole_close(struct feed *feed)
{
	for (struct whole *whole = feed->whole; whole && whole->file; whole++)
		free(whole->data);
	free(feed->whole);
	feed->whole = NULL;
}

/* The file into the slot, up to its end. */
static enum feed_end read_file(const struct feed *feed, const struct whole *whole, struct plx_loan *loan,
			       uint64_t *length)
{
	struct source source;
	enum feed_end end;
	char probe;

	*length = 0;
	end = feed_open(&source, whole->file);
	if (end != FEED_ALL)
		return end;
	for (;;) {
		bool full = *length == feed->slot_size;
		struct iovec iov = { full ? &probe : (char *)loan->data + *length,
				     full ? 1 : feed->slot_size - *length };
		ssize_t got = source_read(&source, &iov, 1);

		if (got == 0)
			break;
		if (got > 0 && full) {
			cli_error("%s: it has grown beyond a slot since we looked at it", whole->file);
			end = FEED_FAILED;
			break;
		}
		if (got > 0)
			*length += (uint64_t)got;
		else if (got != -EAGAIN || plx_stop_signal() != 0)
			end = plx_stop_signal() != 0 ? FEED_STOPPED : FEED_FAILED;
		if (end != FEED_ALL)
			break;
	}
	source_close(&source);
	return end;
}

static enum feed_end feed_file(struct feed *feed, const struct whole *whole)
{
	struct plx_loan loan;
	enum feed_end end;
	uint64_t length;

	if (whole->data)
		return feed_send(feed, whole->data, whole->size);
	end = feed_loan(feed, &loan);
	if (end != FEED_ALL)
		return end;
	end = read_file(feed, whole, &loan, &length);
	if (end == FEED_ALL)
		end = feed_publish(feed, &loan, length);
	if (end != FEED_ALL)
		plx_publisher_drop(feed->pub, &loan);
	return end;
}

enum feed_end feed_whole(struct feed *feed)
{
	enum feed_end end = FEED_ALL;

	for (const struct whole *whole = feed->whole; whole->file && end == FEED_ALL; whole++) {
		end = feed_file(feed, whole);
		if (end == FEED_ALL)
			end = feed_look(feed);
		if (end == FEED_DESERTED && !whole[1].file)
			end = FEED_ALL; /* who has read everything may go */
	}
	return end;
}

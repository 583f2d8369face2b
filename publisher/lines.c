/*
 * lines.c - a message is a line, with its newline; the last one may lack it.
 *
 * A line longer than a slot travels in parts, all but the last marked PLX_BUFFER_MORE: nothing is lost, and one who
 * writes the payloads one behind the other writes the line. Lines are short, so they are copied: up to PLX_INLINE_MAX bytes
 * travel in the log itself.
 */
#include "publisher/feed.h"

#include <errno.h>
#include <plx/buffer.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *bytes;
	size_t capacity;
	size_t begin; /* of the line we are at */
	size_t seen;  /* no newline before this */
	size_t end;
};

/* A part of a line; more of it follows. */
static enum feed_end send_part(struct feed *feed, const char *bytes, uint64_t length)
{
	struct plx_loan loan;
	enum feed_end end = feed_loan(feed, &loan);

	if (end != FEED_ALL)
		return end;
	memcpy(loan.data, bytes, length);
	loan.flags |= PLX_BUFFER_MORE;
	end = feed_publish(feed, &loan, length);
	if (end != FEED_ALL)
		plx_publisher_drop(feed->pub, &loan);
	return end;
}

static enum feed_end send_line(struct feed *feed, const char *bytes, size_t length)
{
	enum feed_end end = FEED_ALL;

	for (; length > feed->slot_size && end == FEED_ALL;
	     bytes += feed->slot_size, length -= feed->slot_size)
		end = send_part(feed, bytes, feed->slot_size);
	return end == FEED_ALL ? feed_send(feed, bytes, length) : end;
}

/* Sends the whole lines in the buffer; of an endless one as many parts as are certain not to be its last. */
static enum feed_end send_lines(struct feed *feed, struct text *text)
{
	enum feed_end end = FEED_ALL;
	const char *newline;

	while (end == FEED_ALL &&
	       (newline = memchr(text->bytes + text->seen, '\n', text->end - text->seen)) != NULL) {
		size_t next = (size_t)(newline - text->bytes) + 1;

		end = send_line(feed, text->bytes + text->begin, next - text->begin);
		text->begin = text->seen = next;
	}
	text->seen = text->end;
	while (end == FEED_ALL && text->end - text->begin > feed->slot_size) {
		end = send_part(feed, text->bytes + text->begin, feed->slot_size);
		text->begin += feed->slot_size;
	}
	return end;
}

static void move_down(struct text *text)
{
	memmove(text->bytes, text->bytes + text->begin, text->end - text->begin);
	text->end -= text->begin;
	text->seen -= text->begin;
	text->begin = 0;
}

static enum feed_end feed_source(struct feed *feed, struct text *text, const struct source *source)
{
	bool deserted = false; /* nobody is left: a reason to stop only if there is more to come */

	for (;;) {
		struct iovec iov;
		enum feed_end end = FEED_ALL;
		ssize_t got;

		move_down(text);
		iov = (struct iovec){ text->bytes + text->end, text->capacity - text->end };
		got = source_read(source, &iov, 1);
		if (got < 0 && got != -EAGAIN)
			return FEED_FAILED;
		if (deserted)
			return got == 0 ? FEED_ALL : FEED_DESERTED;
		if (got > 0) {
			text->end += (size_t)got;
			end = send_lines(feed, text);
		} else if (got == 0 && text->end > 0) { /* the next file begins a line of its own */
			end = send_line(feed, text->bytes, text->end);
			text->end = text->seen = 0;
		}
		if (end == FEED_ALL)
			end = feed_look(feed);
		if (end == FEED_DESERTED && got >= 0 && text->end == text->begin) {
			deserted = true;
			end = FEED_ALL;
		}
		if (end != FEED_ALL || got == 0)
			return end;
	}
}

enum feed_end feed_lines(struct feed *feed)
{
	struct text text = { .capacity = 256 * 1024 + 2 * feed->slot_size };
	enum feed_end end = FEED_ALL;

	text.bytes = malloc(text.capacity);
	if (!text.bytes) {
		cli_error("no memory for lines of %llu bytes; a smaller --slot-size helps",
			  (unsigned long long)feed->slot_size);
		return FEED_FAILED;
	}
	for (char **file = feed->opt->files; *file && end == FEED_ALL; file++) {
		struct source source;

		end = feed_open(&source, *file);
		if (end != FEED_ALL)
			break;
		end = feed_source(feed, &text, &source);
		source_close(&source);
	}
	free(text.bytes);
	return end;
}

/*
 * request.c - from messages to programs.
 *
 *	publisher A   [ prog 1 ] [ prog 2, MORE ] [ 2, MORE ] [ 2 ] [ prog 3 ]
 *	publisher B         [ prog 1, MORE ]            [ 1 ]
 *	                         gather: one unfinished program per publisher
 *
 * Everything is copied out of the slot before it is looked at, so the text that is parsed is the text that was checked.
 */
#include "reducer/job/request.h"

#include <stdlib.h>
#include <string.h>

#define PART_NONE SIZE_MAX

/* The unfinished program of a publisher, or PART_NONE. Few publishers are in the middle of one: a walk is enough. */
static size_t find(const struct job_gather *gather, uint64_t publisher)
{
	for (size_t i = 0; i < gather->count; i++)
		if (gather->parts[i].publisher == publisher)
			return i;
	return PART_NONE;
}

static size_t begin(struct job_gather *gather, const struct plx_buffer *message)
{
	if (gather->count == gather->room) {
		size_t room = gather->room ? 2 * gather->room : 8;
		struct job_request *parts = realloc(gather->parts, room * sizeof(*parts));

		if (!parts)
			return PART_NONE;
		gather->parts = parts;
		gather->room = room;
	}
	gather->parts[gather->count] = (struct job_request){ .id = message->sequence + 1,
							     .position = message->sequence + 1,
							     .publisher = message->publisher };
	return gather->count++;
}

/* Moves a part out of the list. */
static struct job_request leave(struct job_gather *gather, size_t at)
{
	struct job_request part = gather->parts[at];

	gather->parts[at] = gather->parts[--gather->count];
	return part;
}

static int append(struct job_request *part, const struct plx_buffer *message, uint64_t text_max)
{
	char *text = part->text;

	if (part->too_long || message->length > text_max - part->length) {
		part->too_long = true;
		free(part->text);
		part->text = NULL;
		part->length = part->room = 0;
		return 0;
	}
	if (part->length + message->length > part->room) {
		size_t room = part->length + message->length;

		if (part->length > 0) /* it comes in pieces: more will follow */
			room += room / 2;
		text = realloc(part->text, room);
		if (!text)
			return -ENOMEM;
		part->text = text;
		part->room = room;
	}
	if (message->length > 0)
		memcpy(text + part->length, message->data, message->length);
	part->length += message->length;
	return 0;
}

int job_gather_add(struct job_gather *gather, const struct plx_buffer *message, struct job_request *request)
{
	size_t at = find(gather, message->publisher);
	int ret;

	if (at == PART_NONE)
		at = begin(gather, message);
	if (at == PART_NONE)
		return -ENOMEM;
	ret = append(&gather->parts[at], message, gather->text_max);
	if (ret < 0) {
		struct job_request lost = leave(gather, at);

		job_request_free(&lost);
		return ret;
	}
	if (message->flags & PLX_BUFFER_MORE)
		return 0;
	*request = leave(gather, at);
	job_request_title(request);
	return request->too_long ? -EMSGSIZE : 1;
}

uint64_t job_gather_partial(const struct job_gather *gather, uint64_t publisher)
{
	const size_t at = find(gather, publisher);

	return at == PART_NONE ? 0 : gather->parts[at].position;
}

bool job_gather_end(struct job_gather *gather, uint64_t publisher, struct job_request *request)
{
	size_t at = find(gather, publisher);

	if (at == PART_NONE)
		return false;
	*request = leave(gather, at);
	job_request_title(request);
	return true;
}

void job_gather_free(struct job_gather *gather)
{
	while (gather->count > 0) {
		struct job_request part = leave(gather, gather->count - 1);

		job_request_free(&part);
	}
	free(gather->parts);
	gather->parts = NULL;
	gather->room = 0;
}

void job_request_free(struct job_request *request)
{
	free(request->text);
	*request = JOB_REQUEST_NONE;
}

/* Bytes of the valid UTF-8 sequence at @p, of at most @left bytes; 0 when there is none. */
static size_t utf8_at(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	uint32_t point;

	if (n == 0 || n > left)
		return 0;
	point = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3fu);
	}
	return point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? 0 : n;
}

void job_clean(char *to, size_t room, const char *from, size_t length)
{
	size_t at = 0, used = 0;

	while (at < length && used + 1 < room) {
		unsigned char c = (unsigned char)from[at];
		size_t n = c < 0x80 ? 1 : utf8_at((const unsigned char *)from + at, length - at);
		bool good = n > 0 && c >= 0x20 && c != 0x7f;

		if (n == 0)
			n = 1;
		if (good && used + n >= room)
			break;
		if (good)
			memcpy(to + used, from + at, n);
		else
			to[used] = '?';
		used += good ? n : 1;
		at += n;
	}
	to[used] = '\0';
}

/* log.c - see log.h. */
#include "reducer/io/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reducer/in_order.h"

#define PUT(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed)
#define GET(word)        atomic_load_explicit(&(word), memory_order_relaxed)

int io_log_open(struct plx_segment *seg, struct io_log **log)
{
	const struct plx_block block = { .name = "log", .size = sizeof(struct io_log) };
	int ret = plx_segment_create(seg, "memfd", "plx:user:io", plx_segment_need(&block, 1),
				     PLX_SEGMENT_INHERIT);

	if (ret == 0)
		ret = plx_segment_format(seg, PLX_KIND_USER + 2, 1, "io", &block, 1);
	if (ret == 0)
		*log = plx_segment_block(seg, "log", NULL);
	return ret;
}

void io_log_order(struct io_log *log, uint64_t number, bool aside, uint64_t counted)
{
	PUT(log->counted[number & 1], counted);
	if (aside && GET(log->whole) == number)
		PUT(log->whole, number - 1);
	if (aside)
		PUT(log->aside, number);
	else
		PUT(log->whole, number);
	in_order();
}

bool io_log_may_go_on(const struct io_log *log, uint64_t orders, char *why, size_t size)
{
	const bool at_it = GET(log->at) == orders + 1 && GET(log->state) != IO_LOG_NONE;
	const bool read = strcmp(log->name, "READ") == 0;
	const char *what = NULL;

	if (GET(log->outside))
		what = "what it had opened is closed";
	else if (orders > 0 && GET(log->aside) == orders && GET(log->whole) != orders)
		what = "a value that it wanted to pass was being computed";
	else if (at_it && GET(log->offset) < 0 && GET(log->state) == IO_LOG_FLYING)
		what = "whether that was done cannot be known";
	else if (at_it && GET(log->offset) < 0 && read && GET(log->done) > 0)
		what = "what was read is lost";
	if (!what)
		return true;
	if (at_it && GET(log->state) != IO_LOG_DONE)
		snprintf(why, size,
			 "killed in its call %" PRIu64 ", %.15s of %" PRIu64 " bytes, file %" PRIu32
			 ", after %" PRIu64 " of them; %s; the calls before were done, each once",
			 GET(log->calls), log->name, GET(log->length), GET(log->file), GET(log->done), what);
	else
		snprintf(why, size, "killed after %" PRIu64 " calls, each of which was done once; %s",
			 GET(log->calls), what);
	return false;
}

/* Where a file is, as far as that says what was done to it. */
static int64_t offset_of(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags < 0 || (flags & O_APPEND) ? -1 : lseek(fd, 0, SEEK_CUR);
}

/* A predecessor was killed while it was at it. */
static enum io_log_state take_over(struct io_log *log, int fd)
{
	const int64_t before = GET(log->offset);
	const enum io_log_state state = (enum io_log_state)GET(log->state);
	const int64_t now = before < 0 ? -1 : lseek(fd, 0, SEEK_CUR);

	if (strcmp(log->name, "READ") == 0) { /* from a file it can be read again */
		if (before >= 0 && lseek(fd, before, SEEK_SET) < 0)
			return IO_LOG_DONE;
		PUT(log->done, 0);
		return IO_LOG_NONE;
	}
	if (state == IO_LOG_FLYING && now >= before)
		PUT(log->done, (uint64_t)(now - before));
	if (state == IO_LOG_DONE)
		return state;
	in_order();
	PUT(log->state, IO_LOG_PART);
	return IO_LOG_PART;
}

enum io_log_state io_log_begin(struct io_log *log, uint64_t orders, const char *name, uint32_t file, int fd,
			       uint64_t length)
{
	if (GET(log->at) == orders + 1 && GET(log->state) != IO_LOG_NONE)
		return take_over(log, fd);
	PUT(log->state, IO_LOG_NONE);
	in_order();
	snprintf(log->name, sizeof(log->name), "%s", name);
	PUT(log->file, file);
	PUT(log->length, length);
	PUT(log->done, 0);
	PUT(log->error, 0);
	PUT(log->offset, offset_of(fd));
	PUT(log->at, orders + 1);
	PUT(log->calls, GET(log->calls) + 1);
	in_order();
	PUT(log->state, IO_LOG_PART);
	return IO_LOG_NONE;
}

void io_log_fly(struct io_log *log)
{
	in_order();
	PUT(log->state, IO_LOG_FLYING);
	in_order();
}

void io_log_land(struct io_log *log, uint64_t n)
{
	in_order();
	PUT(log->done, GET(log->done) + n);
	in_order();
	PUT(log->state, IO_LOG_PART);
}

void io_log_end(struct io_log *log, int error)
{
	PUT(log->error, error);
	in_order();
	PUT(log->state, IO_LOG_DONE);
}

/*
 * call.c - what a program can ask for. Every function takes its argument apart, so that none of its cells is left, and answers
 * ok(value) or err(error), as HVM2's do.
 */
#include "reducer/io/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <plx/process.h>

#define LOOK_NS UINT64_C(100000000)

/* ---- arguments ---------------------------------------------------------------------------------- */

/* As many fields as there have to be; otherwise all is dropped. */
static bool fields(struct io *io, struct spot arg, struct spot *field, uint32_t count)
{
	const uint32_t n = reader_tuple(&io->reader, arg, field, count);

	for (uint32_t i = 0; n < count && i < n; i++)
		reader_drop(&io->reader, field[i]);
	return n == count;
}

/* As many numbers as there have to be; otherwise all is dropped. */
static bool numbers(struct io *io, struct spot arg, port *value, uint32_t count)
{
	struct spot field[4];
	bool good = true;

	if (!fields(io, arg, field, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		field[i] = reader_enter(&io->reader, field[i]);
		value[i] = field[i].p;
		if (port_tag(value[i]) == TAG_NUM)
			continue;
		good = false;
		reader_drop(&io->reader, field[i]);
	}
	return good;
}

static port wrong_type(struct io *io)
{
	return draft_error(&io->draft, DRAFT_ERROR_TYPE);
}

/* 0 or -errno as the program sees it. */
static port outcome(struct io *io, int ret)
{
	return ret < 0 ? draft_errno(&io->draft, -ret) : draft_ok(&io->draft, PORT_ERA);
}

/* Two lists of bytes; false: all is dropped. */
static bool two_texts(struct io *io, struct spot arg, unsigned char *text[2], size_t length[2])
{
	struct spot field[2];

	text[0] = text[1] = NULL;
	if (!fields(io, arg, field, 2))
		return false;
	if (reader_bytes(&io->reader, field[0], &text[0], &length[0]) < 0) {
		reader_drop(&io->reader, field[1]);
		return false;
	}
	if (reader_bytes(&io->reader, field[1], &text[1], &length[1]) == 0)
		return true;
	free(text[0]);
	return false;
}

/* ---- functions that wait -------------------------------------------------------------------------- */

bool io_stopped(struct io *io)
{
	if (plx_stop_signal() != 0)
		io->stopped = true;
	if (io->limits->time_ns && plx_now_ns() - io->begin_ns >= io->limits->time_ns)
		io->stopped = true;
	return io->stopped;
}

/* Now, or in the background when @io->newest is there to be filled. */
static port do_op(struct io *io, struct op *op)
{
	op->log = op->kind == OP_READ && !io->newest ? io->log : NULL;
	if (io->newest) {
		*io->newest = *op;
		io->draft.held = 1;
		return draft_ok(&io->draft, draft_var(&io->draft)); /* the first one after the root */
	}
	while (!op_step(op) && !io_stopped(io)) {
		int ret = ops_wait(&op, 1, plx_now_ns() + LOOK_NS);

		if (ret < 0 && ret != -EINTR && ret != -ETIMEDOUT) {
			op->over = true;
			op->error = -ret;
		}
	}
	if (op->log)
		io_log_end(op->log, op->error);
	return op_result(op, &io->draft);
}

static port call_read(struct io *io, struct spot arg)
{
	struct op op;
	port value[2];
	int fd;

	if (!numbers(io, arg, value, 2))
		return wrong_type(io);
	fd = files_fd(&io->files, num_payload(value[0]));
	if (fd < 0)
		return outcome(io, fd);
	if (op_read(&op, fd, num_payload(value[1])) < 0)
		return outcome(io, -ENOMEM);
	io_log_begin(io->log, net_orders(io->net), "READ", num_payload(value[0]), fd, op.wanted);
	return do_op(io, &op);
}

static port call_ready(struct io *io, struct spot arg)
{
	struct op op = { .kind = OP_READY };
	port value;

	if (!numbers(io, arg, &value, 1))
		return wrong_type(io);
	op.fd = files_fd(&io->files, num_payload(value));
	return op.fd < 0 ? outcome(io, op.fd) : do_op(io, &op);
}

static port call_sleep(struct io *io, struct spot arg)
{
	struct op op = { .kind = OP_SLEEP };
	port value[2];

	if (!numbers(io, arg, value, 2))
		return wrong_type(io);
	op.until_ns = plx_now_ns() + ((uint64_t)num_payload(value[0]) << 24 | num_payload(value[1]));
	return do_op(io, &op);
}

static port call_take(struct io *io, struct spot arg)
{
	struct op op = { .kind = OP_TAKE };
	unsigned char *name;
	size_t length;
	int ret;

	if (reader_bytes(&io->reader, arg, &name, &length) < 0)
		return wrong_type(io);
	ret = topics_reader(&io->topics, (const char *)name, &op.topic);
	free(name);
	return ret < 0 ? outcome(io, ret) : do_op(io, &op);
}

/* ---- functions that are done at once ----------------------------------------------------------------- */

static port call_write(struct io *io, struct spot arg)
{
	struct spot field[2], number;
	unsigned char *bytes;
	size_t length, done = 0;
	enum io_log_state state = IO_LOG_NONE;
	int fd, ret = 0;

	if (!fields(io, arg, field, 2))
		return wrong_type(io);
	number = reader_enter(&io->reader, field[0]);
	if (port_tag(number.p) != TAG_NUM)
		reader_drop(&io->reader, number);
	if (reader_bytes(&io->reader, field[1], &bytes, &length) < 0)
		return wrong_type(io);
	if (port_tag(number.p) != TAG_NUM) {
		free(bytes);
		return wrong_type(io);
	}
	fd = files_fd(&io->files, num_payload(number.p));
	if (fd < 0)
		ret = fd;
	if (ret == 0)
		state = io_log_begin(io->log, net_orders(io->net), "WRITE", num_payload(number.p), fd,
				     length);
	if (state != IO_LOG_NONE) {
		/* relaxed: who wrote it is dead */
		done = atomic_load_explicit(&io->log->done, memory_order_relaxed);
		ret = -atomic_load_explicit(&io->log->error, memory_order_relaxed);
	}
	while (state != IO_LOG_DONE && ret == 0 && done < length) {
		ssize_t n;

		io_log_fly(io->log);
		n = write(fd, bytes + done, length - done);
		io_log_land(io->log, n > 0 ? (size_t)n : 0);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			ret = -errno;
		else if (io_stopped(io))
			break;
	}
	io_log_end(io->log, -ret);
	free(bytes);
	return outcome(io, ret);
}

static port call_open(struct io *io, struct spot arg)
{
	unsigned char *text[2];
	size_t length[2];
	int ret;

	if (!two_texts(io, arg, text, length))
		return wrong_type(io);
	/* a name with a zero in it would be another file's */
	ret = strlen((char *)text[0]) != length[0]
		      ? -EINVAL
		      : files_open(&io->files, (const char *)text[0], (const char *)text[1]);
	free(text[0]);
	free(text[1]);
	return ret < 0 ? outcome(io, ret) : draft_ok(&io->draft, num_u24((uint32_t)ret));
}

static port call_close(struct io *io, struct spot arg)
{
	port value;

	if (!numbers(io, arg, &value, 1))
		return wrong_type(io);
	return outcome(io, files_close(&io->files, num_payload(value)));
}

/* Nothing is held back in here: what was written is written. */
static port call_flush(struct io *io, struct spot arg)
{
	port value;
	int fd;

	if (!numbers(io, arg, &value, 1))
		return wrong_type(io);
	fd = files_fd(&io->files, num_payload(value));
	return outcome(io, fd < 0 ? fd : 0);
}

static port call_seek(struct io *io, struct spot arg)
{
	static const int whences[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	port value[3];
	int64_t offset;
	int fd;

	if (!numbers(io, arg, value, 3) || num_payload(value[2]) > 2)
		return wrong_type(io);
	offset = num_type(value[1]) == NUM_U24 ? (int64_t)num_payload(value[1])
					       : num_i24_value(num_payload(value[1]));
	fd = files_fd(&io->files, num_payload(value[0]));
	if (fd >= 0 && lseek(fd, offset, whences[num_payload(value[2])]) < 0)
		fd = -errno;
	return outcome(io, fd < 0 ? fd : 0);
}

static port call_time(struct io *io, struct spot arg)
{
	struct timespec now;
	uint64_t ns;

	reader_drop(&io->reader, arg);
	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return draft_ok(&io->draft,
			draft_node(&io->draft, num_u24((uint32_t)(ns >> 24)), num_u24((uint32_t)ns)));
}

static port call_publish(struct io *io, struct spot arg)
{
	unsigned char *text[2];
	size_t length[2];
	int ret;

	if (!two_texts(io, arg, text, length))
		return wrong_type(io);
	ret = strlen((char *)text[0]) != length[0]
		      ? -EINVAL
		      : topics_publish(&io->topics, (const char *)text[0], text[1], length[1]);
	free(text[0]);
	free(text[1]);
	return outcome(io, ret);
}

/* ---- by name ---------------------------------------------------------------------------------------- */

static const struct function {
	const char *name;
	port (*call)(struct io *io, struct spot arg);
	bool waits; /* can be done in the background */
	bool outside; /* afterwards there is something that dies with this process, or that cannot be done twice */
} functions[] = {
	{ "READ", call_read, true, false },       { "WRITE", call_write, false, false },
	{ "OPEN", call_open, false, true },       { "CLOSE", call_close, false, true },
	{ "FLUSH", call_flush, false, false },    { "SEEK", call_seek, false, true },
	{ "GET_TIME", call_time, false, false },  { "SLEEP", call_sleep, true, false },
	{ "READY", call_ready, true, false },     { "TAKE", call_take, true, true },
	{ "PUBLISH", call_publish, false, true },
};

static const struct function *find(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

/* (name argument): the function goes on in the background, and its result is a wire. */
static port call_async(struct io *io, struct spot arg)
{
	const struct function *function;
	struct spot field[2];
	unsigned char *name;
	size_t length;
	port result;

	if (!fields(io, arg, field, 2))
		return wrong_type(io);
	if (reader_bytes(&io->reader, field[0], &name, &length) < 0) {
		reader_drop(&io->reader, field[1]);
		return wrong_type(io);
	}
	function = find((const char *)name);
	free(name);
	if (!function || !function->waits) {
		reader_drop(&io->reader, field[1]);
		return draft_error(&io->draft, DRAFT_ERROR_NAME);
	}
	if (io->backgrounds == IO_BACKGROUND_MAX) {
		reader_drop(&io->reader, field[1]);
		return outcome(io, -EAGAIN);
	}
	io->newest = calloc(1, sizeof(*io->newest));
	if (!io->newest) {
		reader_drop(&io->reader, field[1]);
		return outcome(io, -ENOMEM);
	}
	result = function->call(io, field[1]);
	if (io->draft.held == 0) {
		free(io->newest);
		io->newest = NULL;
	}
	return result;
}

port io_call(struct io *io, const char *name, struct spot arg)
{
	const struct function *function = find(name);

	io->stats->calls++;
	/* relaxed: before the call; who reads it does so when we are dead */
	if (strcmp(name, "ASYNC") == 0 || (function && function->outside))
		atomic_store_explicit(&io->log->outside, 1, memory_order_relaxed);
	if (strcmp(name, "ASYNC") == 0)
		return call_async(io, arg);
	if (function)
		return function->call(io, arg);
	reader_drop(&io->reader, arg);
	return draft_error(&io->draft, DRAFT_ERROR_NAME);
}

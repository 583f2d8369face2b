/* op.c - see op.h. */
#include "reducer/io/op.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <plx/process.h>

int op_read(struct op *op, int fd, size_t wanted)
{
	*op = (struct op){ .kind = OP_READ, .fd = fd, .wanted = wanted, .bytes = malloc(wanted + 1) };
	return op->bytes ? 0 : -ENOMEM;
}

static bool over(struct op *op, int error)
{
	op->over = true;
	op->error = error;
	return true;
}

/* 1 readable, 0 not now. What cannot be polled can be read. */
static int readable(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };

	return poll(&look, 1, 0) == 0 ? 0 : 1;
}

/* What was read before an error is not lost: the next read will meet the error again. */
static bool step_read(struct op *op)
{
	ssize_t n;

	while (op->used < op->wanted) {
		if (!readable(op->fd))
			return false;
		if (op->log)
			io_log_fly(op->log);
		n = read(op->fd, op->bytes + op->used, op->wanted - op->used);
		if (op->log)
			io_log_land(op->log, n > 0 ? (size_t)n : 0);
		if (n == 0)
			break;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return false;
		if (n < 0)
			return over(op, op->used ? 0 : errno);
		op->used += (size_t)n;
	}
	return over(op, 0);
}

static bool step_take(struct op *op)
{
	int ret = topic_take(op->topic, &op->bytes, &op->used);

	if (ret == 0)
		return false;
	return over(op, ret < 0 ? -ret : 0);
}

bool op_step(struct op *op)
{
	if (op->over)
		return true;
	switch (op->kind) {
	case OP_SLEEP: return plx_now_ns() >= op->until_ns && over(op, 0);
	case OP_READ: return step_read(op);
	case OP_READY: return readable(op->fd) && over(op, 0);
	case OP_TAKE: return step_take(op);
	}
	return over(op, EINVAL);
}

int ops_wait(struct op *const *ops, uint32_t count, uint64_t until_ns)
{
	struct pollfd *fds = calloc(count + 1, sizeof(*fds));
	const uint64_t now = plx_now_ns();
	struct timespec ts;
	nfds_t n = 0;
	int ret;

	if (!fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct op *op = ops[i];

		if (op->over || (op->kind == OP_TAKE && !topic_arm(op->topic)))
			until_ns = now;
		else if (op->kind == OP_SLEEP)
			until_ns = op->until_ns < until_ns ? op->until_ns : until_ns;
		else
			fds[n++] = (struct pollfd){ op->kind == OP_TAKE ? topic_fd(op->topic) : op->fd,
						    POLLIN, 0 };
	}
	until_ns = until_ns > now ? until_ns - now : 0;
	ts = (struct timespec){ (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	ret = ppoll(fds, n, &ts, NULL);
	ret = ret < 0 ? -errno : ret == 0 ? -ETIMEDOUT : 0;
	free(fds);
	return ret;
}

port op_result(struct op *op, struct draft *draft)
{
	port value = PORT_ERA;

	if (op->error == 0 && (op->kind == OP_READ || op->kind == OP_TAKE))
		value = draft_bytes(draft, op->bytes, op->used);
	value = op->error ? draft_errno(draft, op->error) : draft_ok(draft, value);
	op_cancel(op);
	return value;
}

void op_cancel(struct op *op)
{
	free(op->bytes);
	op->bytes = NULL;
}

/*
 * op.h - what a program waits for: a moment, bytes of a file, a message of a topic. Several at once, if it likes.
 */
#ifndef REDUCER_IO_OP_H
#define REDUCER_IO_OP_H

#include "reducer/io/draft.h"
#include "reducer/io/file.h"
#include "reducer/io/log.h"
#include "reducer/io/topic.h"

enum op_kind {
	OP_SLEEP, /* until a moment */
	OP_READ,  /* @wanted bytes, or as many as there are before the end */
	OP_READY, /* something to read, or the end */
	OP_TAKE,  /* one message */
};

struct op {
	enum op_kind kind;
	bool over;         /* its result is known */
	int error;         /* positive errno of a failure */
	uint64_t until_ns; /* OP_SLEEP: plx_now_ns() */
	int fd;
	size_t wanted;
	size_t used;
	unsigned char *bytes;       /* what came so far */
	struct topic_reader *topic; /* OP_TAKE */
	struct io_log *log;         /* of a read that is noted; NULL: it is not */
	port end;                   /* the wire that waits, of an operation in the background */
};

/* op_read() - OP_READ of @wanted bytes. Return: 0 or -ENOMEM. */
int op_read(struct op *op, int fd, size_t wanted) plx_must_check;

/* op_step() - do what can be done without waiting. Return: true when it is over. */
bool op_step(struct op *op);

/*
 * ops_wait() - sleep until one of @count operations may have something to do, @until_ns has come, or a signal.
 * Return: 0, -EINTR, -ETIMEDOUT, or another -errno.
 */
int ops_wait(struct op *const *ops, uint32_t count, uint64_t until_ns);

/* op_result() - what came of it, as the program sees it; the operation is done with. */
port op_result(struct op *op, struct draft *draft);

/* op_cancel() - nobody wants it any more. */
void op_cancel(struct op *op);

#endif

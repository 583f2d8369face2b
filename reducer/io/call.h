/* call.h - the functions a program can call, by name. */
#ifndef REDUCER_IO_CALL_H
#define REDUCER_IO_CALL_H

#include "reducer/io/io.h"
#include "reducer/io/log.h"
#include "reducer/io/op.h"
#include "reducer/io/reader.h"

#define IO_BACKGROUND_MAX 256u

struct io {
	struct net *net;
	const struct net_limits *limits;
	struct net_result *result;
	struct io_stats *stats;
	struct io_log *log;
	struct reader reader;
	port root;          /* what the program's normal form hangs on */
	struct draft draft; /* what goes in next */
	struct draft aside; /* what goes in while that is written */
	struct files files;
	struct topics topics;
	struct op *background[IO_BACKGROUND_MAX];
	uint32_t backgrounds;
	struct op *newest; /* started by this call: its end is known when the piece is in */
	uint64_t begin_ns;
	bool stopped; /* a signal, or the time limit: nothing more is done */
};

/* io_call() - do what @name says with @arg, which is consumed. Return: its result, in the draft. */
port io_call(struct io *io, const char *name, struct spot arg);

/* io_stopped() - is the time limit over, or were we asked to stop? Then nothing more is waited for. */
bool io_stopped(struct io *io);

#endif

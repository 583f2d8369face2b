/*
 * io.h - programs that read, write and wait: HVM2's I/O loop, and wires that wait for the outside.
 *
 *	reduce --> the normal form asks for a call: do it, hand the result to its continuation --> reduce on ...
 *
 * A program that does I/O has for a normal form a constructor λt.(t TAG ((13683217 16719857) ...)): TAG 1 asks for a call, with a
 * name, an argument and a continuation; TAG 0 is its end. docs/formats/io.md has the functions.
 *
 * The call ASYNC starts a call in the background. Its result is a wire whose other end the loop keeps: what meets
 * it waits, as anything does that hangs on an unbound variable, and the rest of the net goes on. When the moment, the
 * bytes or the message have come, the loop links the result to that end.
 */
#ifndef REDUCER_IO_IO_H
#define REDUCER_IO_IO_H

#include "reducer/net/net.h"

struct io_log;

struct io_stats {
	uint64_t calls;        /* functions the program called */
	uint64_t interactions; /* that were done by looking into the book, besides the net's own */
};

/*
 * io_run() - for a net that was started: wait, do what it asks for, go on, until it asks for nothing.
 * @limits: those it was started with; the time it waits for the outside counts
 *
 * @log: what is done outside is noted there, and what a predecessor that was killed has done is not done again
 *
 * Return: 0 with *@result as from net_wait(), -errno.
 * Safety: one thread; the program may do with files and topics what this process may.
 */
int io_run(struct net *net, const struct net_limits *limits, struct io_log *log, struct net_result *result,
	   struct io_stats *stats) plx_must_check;

#endif

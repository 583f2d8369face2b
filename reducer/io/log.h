/*
 * log.h - what a program with --io is doing outside, kept where a successor of its supervisor finds it.
 *
 * Between two orders to the net there is one call at most. Before it touches the outside the log says so, and afterwards what
 * came of it; so after a kill each call was not begun, is done, or is the one that was in flight. What is done is not done
 * again; of the one in flight a file tells by its offset how far it got. When nobody can tell the program ends with an error.
 *
 * Only the standard streams outlive the supervisor, being the guard's too: a program that has opened something cannot go on.
 */
#ifndef REDUCER_IO_LOG_H
#define REDUCER_IO_LOG_H

#include <assert.h>
#include <stdatomic.h>

#include <plx/segment.h>

enum io_log_state {
	IO_LOG_NONE = 0,
	IO_LOG_FLYING = 1, /* in the kernel, or just before or after it */
	IO_LOG_PART = 2,   /* so much is done, and nothing in flight */
	IO_LOG_DONE = 3,
};

/* The supervisor writes, its guard and its successor read when it is dead: its stores end somewhere, in their order. */
struct io_log {
	_Atomic uint64_t calls; /* ever begun */
	_Atomic uint64_t counted
		[2]; /* interactions by looking into the book, as of an even and an odd number of orders */
	_Atomic uint64_t begin_ns; /* plx_now_ns() when the program began */
	_Atomic uint64_t aside; /* number of the last order that was given in the middle of reading a call */
	_Atomic uint64_t whole; /* number of the last one that was not; each is noted before it is given */
	_Atomic uint32_t outside; /* 1: something was opened */
	_Atomic uint32_t file;
	/* the call at hand */
	_Alignas(PLX_LINE) _Atomic uint64_t at; /* number of the last order before it, + 1 */
	_Atomic uint32_t state;                 /* enum io_log_state */
	_Atomic int32_t error;                  /* DONE: errno, or 0 */
	_Atomic uint64_t length;
	_Atomic uint64_t done;
	_Atomic int64_t offset; /* of the file before it; -1: it has none that could be trusted */
	char name[24];
};
static_assert(sizeof(struct io_log) == 2 * PLX_LINE, "protocol.md: log of a program with --io");

/* io_log_open() - for children of fork(), too. Return: 0 or -errno. Owner: plx_segment_close(). */
int io_log_open(struct plx_segment *seg, struct io_log **log) plx_must_check;

/*
 * io_log_may_go_on() - the supervisor is dead: can another one go on?
 * @orders: net_orders()
 *
 * Return: false with a sentence in @why.
 */
bool io_log_may_go_on(const struct io_log *log, uint64_t orders, char *why, size_t size);

/*
 * io_log_begin() - a call that writes to or reads from @fd, of @length bytes, is about to be done.
 * Return: IO_LOG_NONE: do it. A predecessor was at it: IO_LOG_PART: log->done bytes of it are done; IO_LOG_DONE.
 */
enum io_log_state io_log_begin(struct io_log *log, uint64_t orders, const char *name, uint32_t file, int fd,
			       uint64_t length);

/* io_log_order() - order @number is about to be given. @aside: and what is being read goes on after it */
void io_log_order(struct io_log *log, uint64_t number, bool aside, uint64_t counted);

/* io_log_fly(), io_log_land() - before and after the kernel does something; @n: bytes done, or 0. */
void io_log_fly(struct io_log *log);
void io_log_land(struct io_log *log, uint64_t n);

/* io_log_end() - the call is done. @error: errno or 0 */
void io_log_end(struct io_log *log, int error);

#endif

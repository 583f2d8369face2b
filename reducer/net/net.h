/*
 * net.h - reduce programs to normal form: one arena, n worker processes, one supervisor (the caller).
 *
 *	net_open() ----> net_start(book) ----> net_wait() ----> net_root(), net_source(), net_check()
 *	                      ^                    |
 *	                      +--------------------+      the same workers take one program after the other
 *
 * The workers are children of the caller; between programs they sleep. The caller never computes: it waits on net_fd(),
 * which is readable when a program has ended or a worker has died, and may look at the progress meanwhile. A worker that
 * dies loses at most the batch it was at: net_wait() starts a successor, and result and count are what they would have been.
 * Nothing in here prints.
 */
#ifndef REDUCER_NET_NET_H
#define REDUCER_NET_NET_H

#include <signal.h>

#include <plx/common.h>

#include "reducer/net/book.h"
#include "reducer/net/piece.h"
#include "reducer/text/text.h"

#define NET_WORKERS_MAX 64u
#define NET_MEMORY_MIN  (UINT64_C(1) << 20) /* less is no arena */

/* Sent with sigqueue() to the supervisor of a net that listens, see net_options: from now on there are to be so many workers. */
#define NET_SIGNAL (SIGRTMIN + 1)

struct net;

struct net_options {
	uint32_t workers; /* 1 ... NET_WORKERS_MAX; 0 means 1 */
	uint32_t
		workers_max; /* that there may be later, see net_set_workers(); 0 means @workers. Costs addresses, no memory */
	uint64_t memory_max; /* bytes the arena may take; 0 means half of the machine's memory */
	uint32_t ring;       /* messages in a mail ring, a power of two, 8 at least; 0 means the default */
	bool threads;        /* workers are threads of the caller: for ThreadSanitizer, nothing else */
	bool later; /* workers are started by net_attend(): whoever calls that need not be who calls net_open() */
	bool handed;  /* a successor that has not the memory of this process may go on with it: net_adopt() */
	bool listens; /* NET_SIGNAL with a number asks for so many workers; one net of a process at most */
	bool scatter; /* hand out redexes to anybody all the time: for tests, nothing else */
	uint32_t tick;      /* interactions between two looks at mail, 1 ... 256; 0 means the default */
	bool plain;         /* nothing is fused, see fuse.h */
	uint32_t warm;      /* calls of a definition until it is fused; 0 means the default */
	const char *name;   /* of the arena, for tools; NULL means "net" */
	const char *poison; /* a definition that kills who expands it: for tests, nothing else */
};

/*
 * Are references that are left in the normal form expanded, and what comes of it reduced, until there are none? HVM2 leaves
 * them, hvm-64 expands them. A definition that is an endless structure never ends when it is expanded.
 */
enum net_expand {
	NET_EXPAND_LABELLED =
		0, /* as whoever wrote it expects: only in programs with labels, which are hvm-64's */
	NET_EXPAND_NEVER = 1,
	NET_EXPAND_ALWAYS = 2,
};

/* What ends a program early; 0 means "no limit". */
struct net_limits {
	uint64_t gas;     /* interactions, exceeded by some hundreds per worker at most */
	uint64_t time_ns; /* kept by net_wait(): nothing happens unless somebody calls it */
	uint64_t memory;  /* bytes the arena may take; more than net_options.memory_max is that */
	enum net_expand expand;
};

/* How a program ended. Everything but NET_DONE comes with a sentence in net_result.error. */
enum net_status {
	NET_DONE = 0,      /* normal form reached */
	NET_UNSAFE = 1,    /* a duplicator met a reference to a definition that has duplicators itself */
	NET_DIVIDED = 2,   /* integer division by zero */
	NET_MEMORY = 3,    /* the arena would outgrow memory_max, or the machine has no more */
	NET_GAS = 4,       /* more interactions than allowed */
	NET_TIME = 5,      /* took longer than allowed */
	NET_CANCELLED = 6, /* net_cancel() */
	NET_WORKER_DIED =
		7, /* a worker was killed and could not be replaced; the next net_start() begins with fresh ones */
	NET_POISON = 8, /* a redex kills every worker that tries it */
};

struct net_result {
	uint32_t status; /* enum net_status */
	char error[256]; /* fit for a user; empty with NET_DONE */
	uint64_t interactions;
	uint64_t time_ns;   /* from net_start() to the end */
	uint32_t workers;   /* how many there were, at most, at a time */
	uint32_t took_part; /* how many of them did an interaction */
	uint32_t deaths;    /* workers that died and were replaced, without harm */
};

/* One worker, as of now or as of the end. */
struct net_worker_stats {
	int32_t pid;
	bool idle;
	uint64_t interactions;
	uint64_t sent;     /* messages to other workers */
	uint64_t received; /* messages from other workers */
	uint64_t given;    /* redexes handed to hungry workers */
	uint64_t parked;   /* times it went to sleep */
	uint64_t redexes;  /* waiting in its queue */
	uint64_t memory;   /* bytes committed in its partition */
};

struct net_progress {
	bool running;
	uint64_t interactions; /* of all workers, at most some hundreds behind each */
	uint64_t time_ns;      /* since net_start() */
	uint64_t memory;       /* bytes committed in the arena */
	uint32_t busy;         /* workers that have work */
};

/*
 * net_open() - make an arena and start its workers, which sleep until there is work.
 *
 * Return: 0, -EINVAL (options), -ENOMEM (no address space or memory), -EMFILE, -ENFILE, -EAGAIN (no more processes).
 * Owner:  net_close(). Safety: one thread at a time; call it before starting threads (it forks).
 */
int net_open(struct net **net, const struct net_options *options) plx_must_check;

/*
 * net_start() - begin to reduce @main of @book. The book is copied.
 * @limits: NULL for none
 *
 * What the program before left in the arena is gone. Dead workers are replaced.
 *
 * Return: 0, -EBUSY (one is running), -EBADMSG (book), -ENOMEM (larger than the arena may be), -EAGAIN.
 */
int net_start(struct net *net, const struct book *book, const struct net_limits *limits) plx_must_check;

/*
 * net_wait() - wait for the end of the program that runs.
 * @timeout_ns: 0 looks once, UINT64_MAX waits for ever
 *
 * Return: 0 with *@result (also for programs that ended in an error, and again when called again), -ETIMEDOUT (still
 * running), -EINTR, -EINVAL (nothing was started).
 */
int net_wait(struct net *net, uint64_t timeout_ns, struct net_result *result) plx_must_check;

/*
 * net_wait_end() - wait for the end; a request to stop (plx_stop_install()) cancels the program.
 * Return: 0 with *@result, or -errno as net_wait().
 */
int net_wait_end(struct net *net, struct net_result *result) plx_must_check;

/*
 * net_attend() - start the workers of a net that was opened to have them later, and be their supervisor from now on.
 *
 * Called in a child of who called net_open() and net_start() (or net_resume()), it may be called again in another child when the
 * first one and all its workers are dead: it goes on where they stopped, as if all workers had been killed at once. What
 * has ended has ended.
 *
 * Return: 0 or what net_open() says. Owner: net_close(), in whichever of them.
 */
int net_attend(struct net *net) plx_must_check;

/* By what a successor knows the arena of a net, and the program in it. */
struct net_handle {
	int fd;      /* of the arena, for writing */
	uint64_t id; /* of the arena */
	uint32_t program;
};

/* net_handle() - of a net that is to be handed on. The descriptor stays the net's; -1 when it has no arena now. */
struct net_handle net_handle(const struct net *net);

/*
 * net_adopt() - go on with a program where a supervisor stopped that was killed, with all its workers, in a process that knows
 * nothing of it but @handle. Limits and time go on, the rest is as @options, which are those of the dead one, say.
 * @handle: its descriptor is taken over on success
 *
 * Return: 0, -ESTALE (another arena, or another program in it), or what net_open() says. Owner: net_close().
 */
int net_adopt(struct net **net, const struct net_options *options,
	      const struct net_handle *handle) plx_must_check;

/* net_told() - how much of the answer is out, kept where a successor finds it: the place for it, and where in its file it began. */
_Atomic uint64_t *net_told(struct net *net);
_Atomic uint64_t *net_told_from(struct net *net);

/*
 * net_abandon() - a program that has come to rest, and that its caller meant to go on with, ends for this reason instead:
 * *@result says so as if the net had been stopped.
 */
void net_abandon(struct net *net, enum net_status why, struct net_result *result);

/* net_fd() - readable when net_wait() has something to say; for poll() and epoll. */
int net_fd(const struct net *net);

/* net_cancel() - ask the workers to stop; net_wait() then tells NET_CANCELLED, or what came first. */
void net_cancel(struct net *net);

void net_progress(const struct net *net, struct net_progress *progress);

/*
 * net_worker() - about one worker; when they join and leave, about whoever worked with the part of the net of that number.
 * Return: 0 or -EINVAL (no such worker).
 */
int net_worker(const struct net *net, uint32_t worker, struct net_worker_stats *stats);

/*
 * net_set_workers() - from now on there are to be so many workers, also while a program runs; net_wait() brings it about.
 *
 * Who leaves finishes its batch, hands its part of the net to the others and ends; who joins gets a part that somebody has too
 * many of, or an empty one, and asks for work. Result and count are what they would have been. A worker process that gets
 * SIGTERM leaves, too, unless it is the last.
 *
 * Return: 0, -EINVAL (none, or more than net_options.workers_max).
 */
int net_set_workers(struct net *net, uint32_t workers) plx_must_check;

/* net_workers() - how many there are now; net_workers_max() - how many there may be. */
uint32_t net_workers(const struct net *net);
uint32_t net_workers_max(const struct net *net);

/* net_root(), net_source() - the normal form, for text_print(); valid from NET_DONE to the next net_start(). */
port net_root(const struct net *net);
void net_source(const struct net *net, struct text_source *source);

/*
 * net_go_on() - put a piece into the net that has come to rest, and reduce on; net_wait() for its end. Interactions and
 * time go on counting, limits stay.
 *
 * Return: 0, -EINVAL (nothing is there that ended with NET_DONE; a piece without a root), -ENOMEM.
 */
int net_go_on(struct net *net, const struct piece *piece) plx_must_check;

/* net_orders() - pieces that were put in since the program began: also when a predecessor has done it. */
uint64_t net_orders(const struct net *net);

/* net_held() - where the end of held variable @i of the last piece is, from 0; valid at rest, until it is linked. */
port net_held(const struct net *net, uint32_t i);

/*
 * net_save() - the program that is being reduced, as it is now, into the file @path, for net_resume().
 *
 * The workers pause after their batches, while the kernel copies the net; then they go on, while a process of its own brings the
 * file to the disk. A file of that name is replaced when the new one is there, whole. Wait for that with net_saved().
 *
 * Return: 0, -EALREADY (the program has ended, or is about to: net_wait() tells), -EBUSY (the last one is not on the disk yet, or
 * somebody else writes that file just now), -EINVAL (nothing runs, or workers are threads), or what the kernel said about the file.
 */
int net_save(struct net *net, const char *path) plx_must_check;

/* What is known about a checkpoint. */
struct net_saved {
	uint64_t interactions; /* until then */
	uint64_t bytes;
	uint64_t paused_ns; /* how long the workers stood still */
};

/*
 * net_saved() - wait until the file of net_save() is on the disk.
 * Return: 0 with *@saved (may be NULL), -ETIMEDOUT, -EINTR, -ENOENT (none was begun), or what went wrong with it.
 */
int net_saved(struct net *net, uint64_t timeout_ns, struct net_saved *saved) plx_must_check;

/*
 * net_resume() - like net_start(), with what net_save() has left in @path: with as many workers as @net has.
 *
 * Interactions and time go on counting where they were; @limits are for all of it, but what its normal form is to be
 * expanded to was said when it began.
 *
 * Return: 0; with *@why: -EPROTO, -ENOTSUP, -ERANGE, -EBADMSG (no checkpoint, of another version, cut off, damaged);
 * -ENOMEM (larger than the arena may be), -EBUSY, -EAGAIN, or what the kernel says about the file, without.
 */
int net_resume(struct net *net, const char *path, const struct net_limits *limits,
	       const char **why) plx_must_check;

/*
 * net_check() - with no program running: every cell of every partition is free or live, every live node hangs on one
 * wire, every variable has its two ends, nothing is left in queues and rings.
 *
 * Return: 0, -EBADMSG with *@why, -EBUSY, -ENOMEM.
 */
int net_check(const struct net *net, const char **why) plx_must_check;

/* net_close() - stop the workers and give everything back; may be called with NULL. */
void net_close(struct net *net);

/*
 * net_run() - all of the above at once: open, start, wait.
 * @net: set on success, for net_root() and so on; net_close() it
 *
 * Return: 0 with *@result, or what net_open() and net_start() return.
 */
int net_run(struct net **net, const struct net_options *options, const struct book *book,
	    const struct net_limits *limits, struct net_result *result) plx_must_check;

#endif

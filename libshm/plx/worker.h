/* worker.h - what a worker does: hooks that are called with messages, one at a time, and what they may do. */
#ifndef PLX_WORKER_H
#define PLX_WORKER_H

#include <plx/common.h>

/*
 * A worker is a process (or a thread, with the same code) that plx/workers.h starts, feeds, watches and replaces. It takes
 * messages from its inbox, handles one after the other, and sleeps when there are none.
 *
 * What is taken and not acknowledged when a worker dies comes again to its successor: at least once. State that lies in
 * the shared memory (plx_worker_slot(), plx_worker_state()) and is changed only after plx_worker_note() is taken back to what
 * it was before the message that was never finished: state and acknowledgement are one store, so that what the state
 * says has happened exactly once.
 */
struct plx_worker;

/* A message as its handler sees it; it is gone when the handler returns. */
struct plx_message {
	uint64_t id;      /* never the same in one inbox; the same when it comes again */
	uint64_t time_ns; /* CLOCK_MONOTONIC, of the sender's last look at it: plx_sender_stamp() */
	uint64_t key;
	const void *data;
	uint32_t size;
	uint32_t type;   /* the sender's business */
	uint32_t slot;   /* of the partition */
	uint32_t sender; /* number of who sent it */
	uint32_t
		source; /* the sender's process; the supervisor's when it was sent on from a worker that did not come back */
	uint8_t priority; /* 0 ... 3, the most urgent */
	/* Of all messages with this priority from that sender to this worker, from 0: the same when it comes again */
	uint64_t number;
	uint64_t call; /* not 0: somebody waits for an answer, see plx_worker_reply() */
};

/* Hooks: all but handle may be NULL. They run in the worker, never two at once. */
struct plx_worker_hooks {
	/* Before the first message. Return: 0, or an exit code: 64 to 78 say "do not try again" */
	int (*start)(struct plx_worker *worker, void *arg);
	/* Return: 0, or < 0: what was noted is taken back, the message counts as failed and does not come again */
	int (*handle)(struct plx_worker *worker, const struct plx_message *message, void *arg);
	/* Nothing to do. Return: true: something was done, look for messages and call again; false: sleep */
	bool (*idle)(struct plx_worker *worker, void *arg);
	/* PLX_CONTROL_CONFIGURE: what plx_workers_configure() sent. Return: 0, or -errno, which it returns */
	int (*configure)(struct plx_worker *worker, const void *data, uint32_t size, void *arg);
	/* After the last message, when it was asked to stop */
	void (*stop)(struct plx_worker *worker, void *arg);
	void *arg;
};

/* Rights a worker gives up, for ever, after its start hook. */
#define PLX_SANDBOX_NO_NEW_PRIVILEGES 1u  /* no setuid programs; with each of the others, too */
#define PLX_SANDBOX_NO_EXEC           2u  /* no other programs */
#define PLX_SANDBOX_NO_PROCESSES      4u  /* no children; threads are fine */
#define PLX_SANDBOX_NO_NETWORK        8u  /* no sockets but local ones */
#define PLX_SANDBOX_NO_FILES          16u /* nothing that is not open already (Landlock, Linux 5.13) */
#define PLX_SANDBOX_NO_ADMIN          32u /* no mounts, modules, tracing, foreign memory, other users, ... */
#define PLX_SANDBOX_ALL               63u

/* What a worker may use; zero is: what the process has that starts it. */
struct plx_worker_limits {
	uint64_t memory_max; /* bytes of private memory (RLIMIT_DATA): beyond it malloc() fails */
	uint64_t cpu_s_max;  /* seconds of processor time (RLIMIT_CPU): then SIGXCPU */
	uint32_t files_max;  /* descriptors (RLIMIT_NOFILE) */
	int32_t nice;
	const char *
		cgroup; /* a directory of cgroup v2 that we may write to, as systemd delegates them; made when missing.
			       The worker moves there; memory.max and cpu.max are set as the next two say */
	uint64_t cgroup_memory_max;
	uint32_t cgroup_cpu_percent; /* of one processor */
	uint32_t sandbox;            /* PLX_SANDBOX_... */
};

PLX_BEGIN

/** plx_worker_number() - which one we are, from 0. */
uint32_t plx_worker_number(const struct plx_worker *worker);
/** plx_worker_life() - how many of us there were before: 0 for the first, 1 for its successor, ... */
uint32_t plx_worker_life(const struct plx_worker *worker);

/**
 * plx_worker_slot() - the memory of a slot, in the segment: for the worker that owns it. NULL when slot_size is 0.
 *
 * Zero at first. When the slot changes hands the memory stays where it is, and its new owner sees what the old one wrote.
 */
void *plx_worker_slot(struct plx_worker *worker, uint32_t slot);

/** plx_worker_state() - the memory of this worker, in the segment, kept from life to life. NULL when state_size is 0. */
void *plx_worker_state(struct plx_worker *worker);

/**
 * plx_worker_note() - before changing [@at, @at + @size) of such memory: remember what it was.
 *
 * When this message is not finished, because the handler says so or we die, it is put back. About 5 ns for 8 bytes.
 *
 * Return: 0, -ENOSPC (undo_size), -ERANGE (not such memory).
 */
int plx_worker_note(struct plx_worker *worker, void *at, uint32_t size) plx_must_check;

/** plx_worker_add() - note a counter and add to it. Return: 0 or as above. */
static inline int plx_worker_add(struct plx_worker *worker, uint64_t *counter, uint64_t more)
{
	int ret = plx_worker_note(worker, counter, sizeof(*counter));

	if (ret == 0)
		*counter += more;
	return ret;
}

/**
 * plx_worker_reply() - answer a message that was sent with plx_sender_call().
 *
 * A handler that returns without is taken to answer with nothing, one that fails with its error. It is seen at once: a
 * worker that dies after this and before its handler returns has answered, and the message comes again.
 *
 * Return: 0 (also when the caller has given up), -ENOENT (it was no call), -EMSGSIZE.
 */
int plx_worker_reply(struct plx_worker *worker, const struct plx_message *message, const void *data,
		     uint32_t size) plx_must_check;

/**
 * plx_worker_forward() - a message to the worker of this pool that owns @key: sent when this message is finished, and only then.
 *
 * Exactly once, whoever dies, which plx_sender_send() from a handler is not. In the order in which this worker forwarded
 * them; what comes of one key by way of two workers, because its slot moved in between, may meet in another order.
 *
 * To this worker itself as much can be forwarded as its inbox holds; what would wait for it to make room is refused.
 *
 * Return: 0, -ENOSPC (more than forward_size for one message), -EDEADLK (to itself, and no room), -EMSGSIZE, -EINVAL (type).
 */
int plx_worker_forward(struct plx_worker *worker, uint64_t key, uint32_t type, const void *data,
		       uint32_t size) plx_must_check;

/**
 * plx_worker_asked() - is there a request for us (to stop, to drain, ...)? For handlers and idle hooks that take long.
 *
 * One look at a line nobody writes.
 */
bool plx_worker_asked(const struct plx_worker *worker);

PLX_END

#endif

/* workers.h - a pool of workers: started, fed by key, watched, replaced when they die, made more or fewer while they run. */
#ifndef PLX_WORKERS_H
#define PLX_WORKERS_H

#include <plx/partition.h>
#include <plx/segment.h>
#include <plx/supervise.h>
#include <plx/worker.h>

/*
 *	sender ──┐  key ─► slot ─► owner       ┌─► inbox of worker 0 ─► handle ─► acknowledge
 *	sender ──┼──────── partition ──────────┼─► inbox of worker 1 ─► ...
 *	sender ──┘        (16384 slots)        └─► inbox of worker 2          ▲
 *	owner: control ahead of messages ────────────────────────────────────┘
 *
 * An inbox has a lane for each sender, so messages of one sender with one key are handled in the order in which they were sent,
 * also when the slot moves to another worker, or the worker dies.
 *
 * One thread opens the pool and calls plx_workers_step(): it is the supervisor; its workers die with it. Senders are that
 * process, its threads, and processes it forks afterwards (the segment is inherited).
 */
struct plx_workers;
struct plx_sender;

#define PLX_WORKERS_MAX 32u /* of one pool */
#define PLX_SENDERS_MAX 24u /* at a time, besides the workers themselves */

/* Where workers run. */
enum plx_placement {
	PLX_PLACE_ANYWHERE = 0, /* the kernel's choice */
	PLX_PLACE_SPREAD = 1,   /* worker i on the i-th processor we may use, and its memory near it */
	PLX_PLACE_TOGETHER = 2, /* on the processor on which the pool was opened */
	PLX_PLACE_AUTO =
		3, /* who sleeps between messages comes to that processor (waking it costs 1/10 there), who is busy
			       is let go; decided in plx_workers_step() about ten times a second */
};

struct plx_workers_options {
	const char *name; /* shown by tools; NULL: "workers" */
	struct plx_worker_hooks hooks;
	struct plx_worker_limits limits;
	uint32_t workers;   /* at first; 0: as many as there are processors for us */
	uint32_t most;      /* ever; 0: as many as at first */
	uint32_t senders;   /* at a time; 0: 4 */
	uint32_t size;      /* bytes of a message at most; 0: 40, which fit one cache line with the rest */
	uint32_t count;     /* messages on their way from a sender to a worker; 0: 1024 */
	uint32_t slot_size; /* bytes of memory for each of 16384 slots: plx_worker_slot() */
	uint32_t undo_size; /* bytes to remember what a message changes; 0: 4096 */
	uint32_t
		forward_size; /* bytes of what a handler forwards for one message, 16 more for each; 0: 4096 */
	uint64_t state_size;  /* bytes for each worker: plx_worker_state() */
	struct plx_partition_options partition;
	uint32_t strategy; /* enum plx_strategy */
	struct plx_restart_policy restart;
	/* A message at which workers died policy.poison times is put aside: called in the supervisor with it. NULL: it is counted */
	void (*poison)(void *arg, const struct plx_message *message);
	void *arg;
	uint64_t
		stuck_ns; /* a handler that takes longer is killed, and the message counts as deadly; 0: never */
	uint32_t placement; /* enum plx_placement */
	bool priorities;    /* plx_sender_send_priority(); inboxes take four times the memory */
	bool threads; /* threads of this process instead: for tests and tools; nobody survives their death */
};

/* Of a pool, or of one worker. */
struct plx_workers_stats {
	uint64_t sent;    /* messages */
	uint64_t handled; /* of these, finished */
	uint64_t failed;  /* of these, with an error */
	uint64_t poison;  /* put aside */
	uint64_t restarts;
	uint64_t slept;   /* times a worker fell asleep */
	uint32_t workers; /* that take messages */
	uint32_t slots;   /* they own */
	uint64_t moved;   /* slots that changed hands */
};

enum plx_worker_state_name {
	PLX_WORKER_NONE = 0,
	PLX_WORKER_STARTING = 1,
	PLX_WORKER_IDLE = 2,
	PLX_WORKER_BUSY = 3,
	PLX_WORKER_PAUSED = 4,
	PLX_WORKER_STOPPED = 5,
	PLX_WORKER_DEAD = 6,
	PLX_WORKER_QUARANTINE = 7,
};

PLX_BEGIN

/**
 * plx_workers_open() - make the segment and start the workers; they are ready when it returns.
 *
 * Return: 0, -EINVAL, what plx_segment_create() and plx_process_spawn() say, -ECHILD (a worker ended in its start hook; the exit code was
 *         logged), -ETIMEDOUT (not ready within a minute).
 * Owner:  plx_workers_stop() or plx_workers_close(), by the same thread.
 */
int plx_workers_open(struct plx_workers **workers, const struct plx_workers_options *opt) plx_must_check;

/**
 * plx_workers_step() - watch them: replace the dead, kill the stuck, place them.
 * @timeout_ns: how long to wait for something to happen; 0 looks once
 *
 * Also done while plx_workers_... calls of the owner and its sends wait. Return: how many events there were, -EINTR, -ESHUTDOWN (gave up).
 */
int plx_workers_step(struct plx_workers *workers, uint64_t timeout_ns) plx_must_check;

/** plx_workers_fd() - readable when plx_workers_step() has a death to look after. */
int plx_workers_fd(const struct plx_workers *workers);

/**
 * plx_workers_scale() - from now on @n workers.
 *
 * New ones are started and ready first; then slots move, the fewest that make shares equal; a slot is handled by its new owner
 * when the old one has finished all that came before; those to go have finished everything and stop.
 *
 * Return: 0, -EINVAL (more than most), -ECHILD, -ETIMEDOUT (@timeout_ns; slots may be under way, and step() goes on with it).
 */
int plx_workers_scale(struct plx_workers *workers, uint32_t n, uint64_t timeout_ns) plx_must_check;

/** plx_workers_move() - give one slot to a worker, in order as above. */
int plx_workers_move(struct plx_workers *workers, uint32_t slot, uint32_t to,
		     uint64_t timeout_ns) plx_must_check;

/** plx_workers_pause(), plx_workers_resume() - no messages until resumed; messages may be sent. Worker UINT32_MAX: all. */
int plx_workers_pause(struct plx_workers *workers, uint32_t worker, uint64_t timeout_ns) plx_must_check;
int plx_workers_resume(struct plx_workers *workers, uint32_t worker, uint64_t timeout_ns) plx_must_check;

/** plx_workers_ping() - how long it takes to be heard, between two messages. Return: 0 and *@ns, -ETIMEDOUT, -EOWNERDEAD. */
int plx_workers_ping(struct plx_workers *workers, uint32_t worker, uint64_t timeout_ns,
		     uint64_t *ns) plx_must_check;

/**
 * plx_workers_configure() - call the configure hook, ahead of all messages. Worker UINT32_MAX: each worker's.
 *
 * A successor of a worker that dies begins as its start hook leaves it, and those that are added later, too.
 *
 * Return: what the hook says; of all, what the first says that refuses (the others are asked nevertheless); -ENOENT, -EMSGSIZE,
 *         -EOWNERDEAD, -ETIMEDOUT.
 */
int plx_workers_configure(struct plx_workers *workers, uint32_t worker, const void *data, uint32_t size,
			  uint64_t timeout_ns) plx_must_check;

/**
 * plx_workers_drain() - wait until all that was sent has been handled, and what its handlers sent, too.
 *
 * For the moment after which others go on sending it means nothing. Return: 0, -ETIMEDOUT, -EINTR, -ESHUTDOWN.
 */
int plx_workers_drain(struct plx_workers *workers, uint64_t timeout_ns) plx_must_check;

/**
 * plx_workers_stop() - send no more (senders get -ESHUTDOWN), drain, stop all workers, close. Nothing that was accepted is lost
 * before @timeout_ns; then they are killed.
 *
 * Return: 0, -ETIMEDOUT (killed), -ESHUTDOWN (it had given up). Closed in each case.
 */
int plx_workers_stop(struct plx_workers *workers, uint64_t timeout_ns) plx_must_check;

/** plx_workers_close() - kill them; NULL is fine. */
void plx_workers_close(struct plx_workers *workers);

/** plx_workers_stats() - totals; worker UINT32_MAX: all together. Return: 0, -ENOENT. */
int plx_workers_stats(const struct plx_workers *workers, uint32_t worker,
		      struct plx_workers_stats *stats) plx_must_check;

/** plx_workers_state() - enum plx_worker_state_name, and the process; @pid may be NULL. */
uint32_t plx_workers_state(const struct plx_workers *workers, uint32_t worker, int32_t *pid);

/** plx_workers_slot_of() - the slot of a key. */
uint32_t plx_workers_slot_of(const struct plx_workers *workers, uint64_t key);

/** plx_workers_slot() - the memory of a slot; what the workers are doing with it meanwhile is the caller's care. */
void *plx_workers_slot(const struct plx_workers *workers, uint32_t slot);
/** plx_workers_memory() - the same of plx_worker_state(). */
void *plx_workers_memory(const struct plx_workers *workers, uint32_t worker);

/**
 * plx_workers_check() - every invariant of a pool's segment; also of a copy of somebody else's.
 *
 * Return: 0 or -EBADMSG with *@why.
 */
int plx_workers_check(const struct plx_segment *seg, const char **why) plx_must_check;

/** plx_workers_segment() - where the pool lies; the pool's. */
const struct plx_segment *plx_workers_segment(const struct plx_workers *workers);

/* ---- sending --------------------------------------------------------------------------------------- */

/**
 * plx_sender_open() - become a sender: in any thread of the supervisor's process or of a child it forked.
 *
 * Return: 0, -EBUSY (all seats are taken), -ESHUTDOWN, -ENOMEM. Owner: plx_sender_close(). Safety: one thread each.
 */
int plx_sender_open(struct plx_sender **sender, struct plx_workers *workers) plx_must_check;
void plx_sender_close(struct plx_sender *sender);

/** plx_worker_sender() - the same, for a worker's hooks; opened with the first call, closed by the library. NULL: no memory. */
struct plx_sender *plx_worker_sender(struct plx_worker *worker);

/**
 * plx_sender_send() - a message to the worker that owns its key.
 * @type:       below 65536
 * @timeout_ns: to wait for room; 0 does not; UINT64_MAX for ever
 *
 * About 15 ns when there is room. Return: 0, -EAGAIN, -ETIMEDOUT, -EMSGSIZE, -ESHUTDOWN (stopping), -ENOENT (the slot has no owner), -EINTR.
 */
int plx_sender_send(struct plx_sender *sender, uint64_t key, uint32_t type, const void *data, uint32_t size,
		    uint64_t timeout_ns) plx_must_check;

/**
 * plx_sender_send_priority() - the same, ahead of what is less urgent: @priority 0 ... 3, in a pool that has priorities.
 *
 * A worker takes the most urgent first, but of each only so many (8, 4, 2, 1) before those below had their share, so that nobody
 * starves. What one sender sends with one key and one priority stays in order.
 *
 * Return: as above; -EINVAL (no such priority).
 */
int plx_sender_send_priority(struct plx_sender *sender, uint8_t priority, uint64_t key, uint32_t type,
			     const void *data, uint32_t size, uint64_t timeout_ns) plx_must_check;

/**
 * plx_sender_stamp() - read the clock: what is sent from here on carries this time.
 *
 * It is read anyway for every 64th message to a worker, and for each that wakes one.
 */
void plx_sender_stamp(struct plx_sender *sender);

/**
 * plx_sender_call() - send a message and wait for the answer.
 * @reply:      room for the answer; what does not fit is cut off
 * @reply_size: in: bytes of room; out: of the answer. NULL: nothing is wanted
 *
 * An answer comes although workers die meanwhile. A message that is put aside is answered with -EOWNERDEAD.
 *
 * Return: 0, what the handler returned when it failed, or as plx_sender_send(); -ETIMEDOUT also when the message was sent.
 */
int plx_sender_call(struct plx_sender *sender, uint64_t key, uint32_t type, const void *data, uint32_t size,
		    void *reply, uint32_t *reply_size, uint64_t timeout_ns) plx_must_check;

/** plx_sender_send_bytes() - the same with a key of bytes; the message's key is their hash. */
int plx_sender_send_bytes(struct plx_sender *sender, const void *key, size_t key_size, uint32_t type,
			  const void *data, uint32_t size, uint64_t timeout_ns) plx_must_check;

/** plx_sender_send_to() - to one worker, whatever the key. */
int plx_sender_send_to(struct plx_sender *sender, uint32_t worker, uint64_t key, uint32_t type,
		       const void *data, uint32_t size, uint64_t timeout_ns) plx_must_check;

/**
 * plx_sender_broadcast() - to every worker, or to none: there is room at all of them first.
 *
 * Return: to how many, or as above.
 */
int plx_sender_broadcast(struct plx_sender *sender, uint64_t key, uint32_t type, const void *data,
			 uint32_t size, uint64_t timeout_ns) plx_must_check;

PLX_END

#endif

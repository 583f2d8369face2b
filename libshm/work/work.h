/* work.h - a pool as this process sees it: where everything is. The supervisor, senders and workers share it by fork(). */
#ifndef WORK_WORK_H
#define WORK_WORK_H

#include <pthread.h>

#include <plx/envelope.h>
#include <plx/table.h>
#include <plx/workers.h>

#include "chan/channel.h"
#include "chan/post.h"
#include "work/workers_layout.h"

/* Keep the compiler from moving stores: the machine does not, as far as the one who died is concerned. */
#define plx_work_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Where the parts of a pool are; the same in all processes that inherited it. */
struct plx_work_map {
	struct plx_segment seg;
	struct plx_workers_hdr *hdr;
	struct plx_work_line *lines;
	struct plx_work_bracket *brackets;
	unsigned char *control, *inbox, *reply, *undo, *slots, *state;
	void *registry;
	uint64_t control_bytes, inbox_bytes, registry_bytes; /* of one */
	uint64_t memory_begin, memory_end;                   /* offsets: what may be noted */
	struct plx_geometry inbox_geometry;
	struct plx_partition partition;
	struct plx_table table;
	uint64_t reply_stride;
	uint64_t outbox_bytes; /* of one */
	/* as the header says, but nobody who dies or runs wild can change them */
	uint32_t most, senders, ways, lanes, size, slot_size, undo_size;
	uint32_t
		external; /* seats of senders that are no workers; then the workers', then the supervisor's */
	uint64_t state_size;
};

/* A message as it is sent. */
struct plx_work_letter {
	uint64_t key;
	const void *data;
	uint32_t size, call;
	uint16_t type, slot;
	uint8_t priority, caller, flags;
};

struct plx_sender {
	struct plx_work_map *map;
	struct plx_workers *owner; /* when this is its thread: waiting steps it; else NULL */
	struct plx_partition partition;
	struct plx_work_bracket *bracket;
	struct plx_end seat;
	bool dear; /* no membarrier: fences of our own */
	uint32_t turn;
	uint64_t chance;
	uint32_t source; /* as messages call it: our process */
	uint32_t calls;
	uint32_t spin; /* looks before we sleep for an answer */
	struct plx_post_sender lane[PLX_WORKERS_MAX];
};

/* In the worker. */
struct plx_worker {
	struct plx_work_map *map;
	const struct plx_workers_options *options;
	struct plx_work_line *line;
	struct plx_work_undo *undo;
	struct plx_post_receiver control;
	struct plx_post_receiver inbox;
	struct plx_sender *sender;
	uint32_t number;
	uint8_t priority; /* of the message in hand */
	bool leaving;
	uint64_t handover; /* as we last saw it; and the moves there were then */
	uint64_t epoch;
	uint64_t handled, failed;
};

/* What a worker is started with; stays where it is as long as the pool. */
struct plx_work_birth {
	struct plx_workers *workers;
	uint32_t number;
};

/* The supervisor's side. */
struct plx_workers {
	struct plx_work_map map;
	struct plx_workers_options options;
	char name[64];
	struct plx_supervisor *supervisor;
	struct plx_work_birth birth[PLX_WORKERS_MAX];
	uint32_t child[PLX_WORKERS_MAX];     /* its number as a child; UINT32_MAX: none */
	uint32_t worker_of[PLX_WORKERS_MAX]; /* the other way round */
	pthread_t thread[PLX_WORKERS_MAX];
	int32_t owner_thread;
	struct plx_post_sender control[PLX_WORKERS_MAX];
	uint32_t asked[PLX_WORKERS_MAX]; /* requests sent */
	bool ending[PLX_WORKERS_MAX];    /* its end is wanted */
	/* a handover under way */
	bool moving, settling;
	bool fenced;                            /* the fences are set */
	uint64_t inside[PLX_CHANNEL_SEATS_MAX]; /* senders that were sending when it began */
	bool losing[PLX_WORKERS_MAX];           /* it has to get past its fences first */
	bool abandoned[PLX_WORKERS_MAX];        /* it will not come back, and has messages or slots */
	uint32_t forwarding;                    /* whose messages are sent on; UINT32_MAX: nobody's */
	uint64_t fence[PLX_WORKERS_MAX][PLX_WORK_LANES_MAX];
	bool gave_up;
	/* watching */
	uint64_t looked_ns;
	uint64_t seen[PLX_WORKERS_MAX], since_ns[PLX_WORKERS_MAX]; /* stuck? */
	uint64_t slept[PLX_WORKERS_MAX], handled[PLX_WORKERS_MAX]; /* placement */
	int32_t cpu;                                               /* on which it was opened */
	bool together[PLX_WORKERS_MAX];
	uint64_t freed_ns[PLX_WORKERS_MAX], stay_ns[PLX_WORKERS_MAX];
	struct plx_partition_move *moves;
	struct plx_sender *forward;     /* to send on what a quarantined worker did not handle */
	struct plx_post_receiver *from; /* ... and to take it */
	struct plx_post_receiver aside; /* to look at what the dead left */
	int32_t pid[PLX_WORKERS_MAX];   /* as its birth was told */
	uint32_t active;
};

/* ---- work_map.c ----------------------------------------------------------------------------------- */

/** plx_work_map_create() - lay out the segment. Options have no zeros left. Return: 0 or -errno. */
int plx_work_map_create(struct plx_work_map *map, const struct plx_workers_options *o,
			const char *name) plx_must_check;

static inline void *plx_work_inbox(const struct plx_work_map *map, uint32_t worker)
{
	return map->inbox + worker * map->inbox_bytes;
}

static inline void *plx_work_control(const struct plx_work_map *map, uint32_t worker)
{
	return map->control + worker * map->control_bytes;
}

static inline struct plx_work_undo *plx_work_undo(const struct plx_work_map *map, uint32_t worker)
{
	return (struct plx_work_undo *)(void *)(map->undo + worker * (map->undo_size + map->outbox_bytes));
}

static inline struct plx_work_outbox *plx_work_outbox(const struct plx_work_map *map, uint32_t worker)
{
	return (struct plx_work_outbox *)(void *)((unsigned char *)plx_work_undo(map, worker) +
						  map->undo_size);
}

static inline struct plx_lane *plx_work_lane(const struct plx_work_map *map, uint32_t worker, uint32_t lane)
{
	return plx_lane_at((struct plx_channel *)plx_work_inbox(map, worker), &map->inbox_geometry, lane);
}

/** plx_work_backlog() - messages of an inbox that were sent and not finished. */
uint64_t plx_work_backlog(const struct plx_work_map *map, uint32_t worker);

static inline struct plx_work_reply *plx_work_reply(const struct plx_work_map *map, uint32_t lane)
{
	return (struct plx_work_reply *)(void *)(map->reply + lane * map->reply_stride);
}

/* ---- commit.c ------------------------------------------------------------------------------------- */

/** plx_work_note() - remember what [@at, @at + @size) is. Return: 0, -ENOSPC, -ERANGE. */
int plx_work_note(struct plx_work_map *map, struct plx_work_undo *undo, uint64_t seq, void *at,
		  uint32_t size) plx_must_check;
/** plx_work_back() - put back what was noted for the message after @seq. May be repeated, also by somebody else. */
void plx_work_back(struct plx_work_map *map, struct plx_work_undo *undo, uint64_t seq);
/** plx_work_commit() - a message is finished: number @taken - 1 of @lane. */
void plx_work_commit(struct plx_work_line *line, uint32_t lane, uint64_t taken);
/**
 * plx_work_recover() - after a worker's death, in the supervisor: its memory is as of the last message it finished, and what it
 * has finished does not come again. May be repeated.
 *
 * Return: true when it died with a message in hand, which is then in line->deadly.
 */
bool plx_work_recover(struct plx_work_map *map, uint32_t worker);

/* ---- worker_loop.c, worker_place.c ---------------------------------------------------------------- */

/** plx_work_run() - be worker @number; returns its exit code. */
int plx_work_run(struct plx_workers *workers, uint32_t number);

/**
 * plx_work_message() - what was peeked at in an inbox, as handlers see it. Whatever is there, it says nothing that is not.
 * @head: set to a copy
 */
void plx_work_message(const struct plx_work_map *map, struct plx_message *m, struct plx_work_head *head,
		      const struct plx_envelope *e, const void *payload);
/** plx_work_answer() - to a call, if nobody has. Return: 0, -ENOENT (no call), -EMSGSIZE. */
int plx_work_answer(const struct plx_work_map *map, uint64_t call, int32_t result, const void *data,
		    uint32_t size);

/** plx_work_obey() - do what was asked. */
void plx_work_obey(struct plx_worker *w);
/** plx_work_take() - handle messages, at most 64. Return: how many. */
uint32_t plx_work_take(struct plx_worker *w);

/* ---- forward.c ------------------------------------------------------------------------------------ */

/** plx_work_unstage() - the message after @seq forwards nothing: it failed, or comes again. May be repeated. */
void plx_work_unstage(struct plx_work_map *map, uint32_t number, uint64_t seq);
/** plx_work_has_outbox() - is there something of a finished message that is yet to be sent? */
bool plx_work_has_outbox(const struct plx_work_map *map, uint32_t number);
/** plx_work_flush() - send it by @s. Return: 0, -EAGAIN (no room), ... */
int plx_work_flush(struct plx_work_map *map, uint32_t number, struct plx_sender *s) plx_must_check;
/** plx_work_flush_all() - in the worker; waits for room. */
void plx_work_flush_all(struct plx_worker *w);
/** plx_work_put() - one entry to the owner of its key, noting in @box where it goes. Return: 0, -EAGAIN (no room), -ENOENT. */
int plx_work_put(struct plx_sender *s, const struct plx_work_entry *e, const void *data,
		 struct plx_work_outbox *box) plx_must_check;

/** plx_work_limit(), plx_work_place() - in the new worker: limits before, rights after its start hook. Return: 0 or -errno. */
int plx_work_limit(const struct plx_worker_limits *limits) plx_must_check;
void plx_work_place(const struct plx_workers *workers, uint32_t number);

/* ---- workers_*.c ---------------------------------------------------------------------------------- */

/** plx_work_ask() - send a request to a worker and wait until it is done. Return: the answer, -ETIMEDOUT, -EOWNERDEAD (it died). */
int plx_work_ask(struct plx_workers *w, uint32_t worker, uint32_t request, const void *data, uint32_t size,
		 uint64_t timeout_ns) plx_must_check;
/** plx_work_start() - start worker @number and wait until it is ready. */
int plx_work_start(struct plx_workers *w, uint32_t number) plx_must_check;
/** plx_work_end() - workers (bits) that have nothing left: ask them all to stop; kill them after a while. */
void plx_work_end(struct plx_workers *w, uint64_t who, uint64_t timeout_ns);

/** plx_work_owners() - slots for those who have weight. Begins a handover. Return: 0 or -errno. */
int plx_work_rebalance(struct plx_workers *w, const uint32_t *weights) plx_must_check;
/** plx_work_handover() - is it finished? Ends it when. Return: true: none is under way. */
bool plx_work_handover(struct plx_workers *w);
/**
 * plx_work_settle() - who goes on sending sees what we stored before; plx_work_settled() when all have sent who looked before.
 * @thorough: the dead are not waited for (costs a look into /proc for each that seems to be sending)
 */
void plx_work_settle(struct plx_workers *w);
bool plx_work_settled(struct plx_workers *w, bool thorough);
/** plx_work_abandon() - a worker will not come back: others get its slots and its messages. */
void plx_work_abandon(struct plx_workers *w, uint32_t number);

/** plx_work_watch_options() - how a pool wants its children supervised. */
void plx_work_watch_options(struct plx_workers *w, struct plx_supervisor_options *o);

/** plx_work_wait() - for a moment, as the supervisor: step, and sleep on the bell. Return: 0, -EINTR, -ETIMEDOUT after @end_ns. */
int plx_work_wait(struct plx_workers *w, uint64_t end_ns) plx_must_check;
uint64_t plx_work_deadline(uint64_t timeout_ns);

/** plx_work_wake() - a worker that sleeps: there is something besides messages. */
void plx_work_wake(const struct plx_work_map *map, uint32_t worker);
/** plx_work_ring() - whoever waits for something that workers do. */
void plx_work_ring(struct plx_work_map *map);

/** plx_work_recipient() - who gets a message with that key for certain; PLX_PARTITION_NOBODY: one of several. */
uint32_t plx_work_recipient(const struct plx_sender *s, uint64_t key);
/** plx_work_send() - a message to the owner of its key. */
int plx_work_send(struct plx_sender *s, struct plx_work_letter *letter, uint64_t timeout_ns) plx_must_check;
/** plx_work_forwarder() - the supervisor's own seat. */
int plx_work_forwarder(struct plx_workers *w) plx_must_check;
/** plx_work_forward() - send one message on, ahead of all that is held. Return: 0 or -errno. */
int plx_work_forward(struct plx_sender *s, const struct plx_message *m,
		     const struct plx_work_head *head) plx_must_check;

#endif

/*
 * workers_layout.h - the bytes of a pool of workers; segment kind PLX_KIND_WORKERS.
 *
 *	pool        what it is made of, whether it closes, which slots are on their way
 *	partition   whose each slot is (partition_layout.h)
 *	workers     a table for people and tools (stats/table_layout.h)
 *	worker      for each worker: what it has in hand, what it has finished, what it was asked
 *	sender      for each sender: is it routing just now?
 *	registry    a channel of which only the seats are used: who is which sender
 *	control     for each worker a channel from the supervisor: envelopes (plx/envelope.h), their type is a request
 *	inbox       for each worker a channel from all senders: envelopes, each with a struct plx_work_head before its bytes;
 *	            with priorities, if the pool has them
 *	reply       for each sender: the answer to what it calls
 *	undo        for each worker: what the memory was before the message in hand
 *	slots       memory of slots
 *	state       memory of workers
 *
 * All who map it trust each other's code, not each other's survival. A worker may be killed between any two stores; what its
 * stores were up to there is what the supervisor finds (a prefix: one thread, coherent memory), and recovers from in
 * plx_work_recover().
 */
#ifndef WORK_WORKERS_LAYOUT_H
#define WORK_WORKERS_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include <plx/workers.h>

#define PLX_WORKERS_MAGIC   0x6c6f6f70u /* "pool" */
#define PLX_WORKERS_LAYOUT  2u
#define PLX_WORKERS_VERSION 2u      /* of the segment's kind */
#define PLX_WORK_SIZE_MAX   16368u  /* an envelope says at most 16383 */
#define PLX_WORK_NO_SLOT    0xffffu /* to this worker, whatever the key */
#define PLX_WORK_AHEAD      1u      /* flag of a head: sent on by the supervisor, never held */
#define PLX_WORK_LANES_MAX  240u

struct plx_workers_hdr {
	/* line 0: read-only once made */
	uint32_t magic; /* PLX_WORKERS_MAGIC */
	uint32_t layout;
	uint32_t most;    /* workers */
	uint32_t senders; /* seats of each inbox */
	uint32_t size;    /* bytes of a message */
	uint32_t count;   /* messages of a lane */
	uint32_t slot_size;
	uint32_t undo_size; /* of a worker's log, with its header */
	uint64_t state_size;
	uint32_t strategy;
	uint32_t threads;
	uint64_t outbox_size; /* of a worker, with its header */
	uint32_t ways;        /* lanes of each seat: 1, or 4 with priorities */
	uint32_t reserved;
	/* line 1: the supervisor */
	uint32_t closing;  /* 1: senders are refused */
	uint32_t active;   /* workers that take messages */
	uint64_t handover; /* odd: slots are on their way, see held; stored with release (HO1) */
	uint64_t moved;    /* slots, ever */
	uint64_t reserved1[5];
	/* line 2: who waits for an answer sleeps here */
	uint32_t bell;
	uint32_t reserved2[15];
	/* the supervisor; bit per slot: its new owner waits until the old one has finished */
	uint64_t held[PLX_PARTITION_SLOTS / 64];
};
static_assert(offsetof(struct plx_workers_hdr, size) == 16, "protocol.md: pool");
static_assert(offsetof(struct plx_workers_hdr, state_size) == 32, "protocol.md: pool");
static_assert(offsetof(struct plx_workers_hdr, closing) == 1 * PLX_LINE, "protocol.md: pool");
static_assert(offsetof(struct plx_workers_hdr, handover) == 72, "protocol.md: pool");
static_assert(offsetof(struct plx_workers_hdr, bell) == 2 * PLX_LINE, "protocol.md: pool");
static_assert(offsetof(struct plx_workers_hdr, held) == 3 * PLX_LINE, "protocol.md: pool");

/* Up to which message of a lane a worker has finished. */
struct plx_work_record {
	uint64_t lane;
	uint64_t taken; /* messages of it */
};

struct plx_work_line {
	/* line 0: the supervisor */
	uint32_t life;     /* deaths before this one */
	uint32_t in_use;   /* 1: there is such a worker */
	uint32_t attempts; /* deaths at the message below */
	uint32_t paused;   /* 1: takes no messages */
	struct plx_work_record deadly;
	uint64_t reserved1[4];
	/* line 1: the worker. seq & 1 says which record counts: the store of seq finishes a message */
	uint64_t seq;
	struct plx_work_record record[2];
	uint64_t reserved2[3];
	/* line 2: the worker: the message in hand */
	uint64_t hand_taken; /* its number; stored before the lane */
	uint32_t hand_lane;  /* 1 + lane, 0: none */
	uint32_t reserved3[13];
	/* line 3: the worker, seldom */
	uint32_t state;    /* enum plx_worker_state_name; stored with release (WS1) */
	uint32_t answered; /* requests done; stored with release (AN1) */
	int32_t answer;    /* to the last one */
	uint32_t drained;  /* 1: asked to drain, and found nothing more */
	uint64_t reserved4[6];
};
static_assert(offsetof(struct plx_work_line, deadly) == 16, "protocol.md: pool, worker");
static_assert(offsetof(struct plx_work_line, seq) == 1 * PLX_LINE, "protocol.md: pool, worker");
static_assert(offsetof(struct plx_work_line, record) == 72, "protocol.md: pool, worker");
static_assert(offsetof(struct plx_work_line, hand_taken) == 2 * PLX_LINE, "protocol.md: pool, worker");
static_assert(offsetof(struct plx_work_line, state) == 3 * PLX_LINE, "protocol.md: pool, worker");
static_assert(sizeof(struct plx_work_line) == 4 * PLX_LINE, "protocol.md: pool, worker");

/* A sender's line: odd while it is between looking up an owner and having sent. */
struct plx_work_bracket {
	uint64_t inside; /* stored relaxed going in, with release (BR1) coming out */
	uint64_t sent;
	uint64_t reserved[6];
};
static_assert(sizeof(struct plx_work_bracket) == PLX_LINE, "protocol.md: pool, sender");

/* Before the bytes of a message in an inbox; the rest is in its envelope. */
struct plx_work_head {
	uint16_t slot;  /* or PLX_WORK_NO_SLOT */
	uint8_t caller; /* 1 + the seat of who waits for an answer; 0: nobody does */
	uint8_t flags;  /* PLX_WORK_AHEAD */
	uint32_t call;  /* number of the caller's call */
};
static_assert(sizeof(struct plx_work_head) == 8, "protocol.md: pool, message");

/* A caller's room for one answer. */
struct plx_work_reply {
	uint32_t state;  /* id << 2 and 0: asked, 1: being written, 2: answered; a futex */
	uint32_t asleep; /* the caller: 1: wake it */
	int32_t result;
	uint32_t size;
	uint64_t reserved[6];
	/* then the bytes */
};
static_assert(sizeof(struct plx_work_reply) == PLX_LINE, "protocol.md: pool, reply");

#define PLX_REPLY_ASKED    0u
#define PLX_REPLY_WRITING  1u
#define PLX_REPLY_ANSWERED 2u

/* What a worker is asked: the type of an envelope. */
enum plx_work_request {
	PLX_REQUEST_PING = 1,
	PLX_REQUEST_PAUSE = 2,
	PLX_REQUEST_RESUME = 3,
	PLX_REQUEST_CONFIGURE = 4,
	PLX_REQUEST_STOP = 5,
};

/*
 * The undo log: entries one after the other, the newest last; an entry is the old bytes (padded to 8), then where and how many.
 * It counts while seq is one more than the worker's: for the message in hand.
 */
struct plx_work_undo {
	uint64_t seq;
	uint64_t used; /* bytes of entries; stored after the entry */
	uint64_t reserved[6];
};
static_assert(sizeof(struct plx_work_undo) == PLX_LINE, "protocol.md: pool, undo");

/*
 * What the handler of message seq forwards, to be sent when that one is finished (forward.c): entries, each with its bytes,
 * padded to 8. It lies behind the undo log.
 */
struct plx_work_entry {
	uint64_t key;
	uint16_t type;
	uint16_t size; /* of what follows */
	uint8_t priority;
	uint8_t reserved[3];
};
static_assert(sizeof(struct plx_work_entry) == 16, "protocol.md: pool, outbox");

struct plx_work_outbox {
	uint64_t seq;
	uint64_t staged; /* bytes of entries; stored after the entry */
	uint64_t sent;   /* bytes of entries that were sent */
	uint64_t
		pending; /* 1 + sent: the next entry goes to the worker below; else that is of an earlier one */
	uint64_t to;
	uint64_t pos; /* messages in its lane before */
	uint64_t reserved[2];
};
static_assert(sizeof(struct plx_work_outbox) == PLX_LINE, "protocol.md: pool, outbox");

struct plx_work_mark {
	uint64_t off; /* from the segment's base */
	uint64_t size;
};

/* Columns of the table "workers". The supervisor writes the first four, the worker the rest. */
enum plx_work_column {
	PLX_WORK_PID,
	PLX_WORK_RESTARTS,
	PLX_WORK_POISON,
	PLX_WORK_SLOTS,
	PLX_WORK_STATE,
	PLX_WORK_HANDLED,
	PLX_WORK_FAILED,
	PLX_WORK_TURNS,
	PLX_WORK_COLUMNS,
};

#endif

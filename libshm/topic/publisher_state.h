/* publisher_state.h - what the files of the publisher share: its state, and who may touch which part of it when. */
#ifndef PLX_TOPIC_PUBLISHER_STATE_H
#define PLX_TOPIC_PUBLISHER_STATE_H

#include <pthread.h>

#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/segment.h>

#include "base/mutant.h"
#include "topic/admission.h"
#include "topic/bias.h"
#include "topic/discovery.h"
#include "topic/handshake.h"
#include "topic/turn.h"
#include "topic/writer.h"

/*
 * Two threads: the user's publishes, the control thread admits and buries. What both touch is guarded by the biased
 * lock ("inside"). The control thread never holds it while it talks to the kernel about a newcomer; only while it puts
 * a finished link among the followers, or takes one out.
 *
 *	publisher.c  opens, ends, closes          publish.c  loan, publish, wake
 *	full.c       waits for readers, drains    member.c   one subscriber's life
 *	control.c    the control thread           knock.c, grant.c, follow.c, turned_away.c   parts of that life (member.h)
 */

#define PLX_GONE_KEPT 64u

/* One connection. The control thread's, but for what says "inside". */
struct plx_member {
	struct plx_follower follower; /* inside, while joined */
	struct plx_publisher *pub;
	struct plx_member *next, *prev; /* among those who shake hands, oldest first; or among the dead */
	int fd;
	struct plx_peer peer;
	struct plx_host host;
	int alarm;               /* an eventfd that nobody else has; what polls it, its subscriber has */
	struct plx_segment link; /* read-only */
	uint64_t deadline_ns;    /* of the handshake */
	int32_t let_go;          /* inside: negative errno once we let it go */
	bool joined;             /* inside: among the followers */
	int32_t denied; /* -EACCES: of a user that is not admitted; -EUSERS: its process has enough; told when it said hello */
	bool followed; /* it was, once */
	bool shaking;  /* in the list of those who shake hands */
	bool dead;     /* in the list of the dead: freed when no event can name it any more */
};

/* A subscriber that may sleep, as the publisher wakes it. */
struct plx_sleeper {
	const uint32_t *word; /* plx_link.sleep: foreign */
	struct plx_member *member;
};

/* The last refusal: written by the control thread, copied by the user's, neither waits for the other. */
struct plx_note {
	uint32_t version; /* odd while words are written */
	uint64_t words[sizeof(struct plx_refused) / 8];
};
static_assert(sizeof(struct plx_refused) % 8 == 0, "copied in words");

struct plx_publisher {
	/* touched at each message */
	struct plx_writer writer; /* inside, but for the short way: plx/quick.h */
	struct plx_bias *bias;    /* in the head block; plx_publisher_enter() */
	uint64_t slot_size;
	uint64_t inside_max; /* bytes that fit into an entry */
	uint32_t type;
	uint32_t stamp;  /* PLX_BUFFER_STAMPED or 0 */
	bool ended;      /* inside; the user's */
	bool threads;    /* the user has several: they take turns */
	bool batch;      /* inside; the user's */
	bool unflushed;  /* inside; the user's: published since the last flush */
	bool fenced;     /* inside: fence before looking who sleeps; what head->fenced says */
	bool own_fences; /* no membarrier reaches us: fenced for ever */
	struct plx_turn turn;
	uint32_t announcing;         /* inside: so many threads wait for readers */
	uint32_t lull;               /* inside: looks in a row that found nobody asleep, while fenced */
	struct plx_sleeper *sleeper; /* inside; writer.quick.sleepers of them */
	uint32_t sleeper_capacity;
	/* now and then */
	uint64_t attention; /* inside; what head->attention says */
	enum plx_full full;
	uint64_t full_ns, linger_ns;
	uint64_t waited, woken;      /* inside */
	uint32_t joined, left, lost; /* inside */
	uint32_t refused;            /* the control thread's */
	struct plx_note note;
	uint32_t note_told;              /* the user's: note.version that was told */
	uint32_t changes;                /* inside; grows when somebody comes or goes: a futex */
	uint32_t gone_first, gone_count; /* inside */
	struct plx_reader_end gone[PLX_GONE_KEPT];
	/* set up once */
	struct plx_segment data;
	uint64_t id;
	int data_fd; /* read-only, for subscribers */
	uint32_t history, quota, depth, slots, subscribers_max;
	struct plx_admission admission;
	const struct plx_keys *keys;
	struct plx_proof_self self;
	char topic[PLX_TOPIC_MAX + 1];
	struct plx_place place;
	struct plx_listener listener;
	/* the control thread's */
	pthread_t control;
	bool controlled; /* the thread runs */
	bool stop;       /* it shall end; set before ringing */
	bool deaf;       /* no descriptors left: not listening until hear_ns */
	uint64_t hear_ns;
	int epoll, bell; /* eventfd */
	int spare;       /* given up for a moment to tell somebody that there are none left */
	struct plx_member *first_shaking, *last_shaking;
	uint32_t shaking;
	struct plx_member *dead;
	struct plx_member **members; /* all, for the end */
	uint32_t member_count, member_capacity;
};

static_assert(offsetof(struct plx_publisher, writer) == 0, "plx_quick_of()");
static_assert(offsetof(struct plx_writer, quick) == 0, "plx_quick_of()");

/* One of the user's threads enters. What only their one thread uses needs no lock at all, but for the control thread. */
static inline void plx_publisher_enter(struct plx_publisher *pub)
{
	if (plx_unlikely(pub->threads))
		plx_turn_take(&pub->turn);
	plx_bias_enter(pub->bias);
}

static inline void plx_publisher_leave(struct plx_publisher *pub)
{
	plx_bias_leave(pub->bias);
	if (plx_unlikely(pub->threads))
		plx_turn_pass(&pub->turn);
}

/*
 * From now on messages go the short way (plx/quick.h), if they may: not where each has to be fenced; and not where mutants
 * live on the long one.
 */
static inline void plx_publisher_quicken(struct plx_publisher *pub)
{
	struct plx_publisher_quick *quick = &pub->writer.quick;
	bool on = pub->bias->far && pub->writer.pairs && !pub->threads && !pub->stamp && !pub->ended &&
		  !plx_mutant(MUT_WAKE_BEFORE_MESSAGE) && !plx_mutant(MUT_SEQUENCE_FIRST);

	quick->inside_max = pub->inside_max;
	quick->type = pub->type;
	quick->on = on ? PLX_QUICK_SHAPE : 0;
}

/* ---- publish.c ---- */

/** plx_publisher_wake() - inside: wake who sleeps. */
void plx_publisher_wake(struct plx_publisher *pub);

/* ---- full.c ---- */

/** plx_publisher_attend() - inside: change head->attention. */
void plx_publisher_attend(struct plx_publisher *pub, uint64_t attention);

/* One wait for readers, from the first "no room" until there is some. */
struct plx_full_wait {
	uint64_t deadline_ns; /* UINT64_MAX: none */
	uint64_t looked_ns;   /* when we last looked at the clock */
	uint64_t watched_ns;  /* so long we have been looking at readers that do nothing */
	uint32_t bursts;      /* of spinning, done */
	bool begun, announced;
	const struct plx_follower *who; /* whose bell we read */
	uint32_t bell;
};
#define PLX_FULL_WAIT_NONE ((struct plx_full_wait){ .deadline_ns = UINT64_MAX })

/**
 * plx_full_pause() - inside: the writer has no room (@slot false) or no slot; do one step of waiting, then try again.
 *
 * Return: 0 (try again), -EAGAIN, -ETIMEDOUT, -ENOSPC, -EINTR.
 */
int plx_full_pause(struct plx_publisher *pub, struct plx_full_wait *wait, bool slot) plx_must_check;

/** plx_full_done() - inside: the wait is over, whatever came of it. */
void plx_full_done(struct plx_publisher *pub, struct plx_full_wait *wait);

/* ---- member.c, follow.c, turned_away.c ---- */

/** plx_member_accept() - a client knocked. */
void plx_member_accept(struct plx_publisher *pub, int fd);
/** plx_member_turn_away() - a client knocked, and we are out of descriptors: say so. */
void plx_member_turn_away(struct plx_publisher *pub, int fd, int error);
/** plx_member_input() - its socket has something to say. */
void plx_member_input(struct plx_member *member);
/** plx_member_leave() - it is gone, or shall be; the control thread only. */
void plx_member_leave(struct plx_member *member);
/** plx_member_let_go() - inside, either thread: heed it no more and tell it why; the control thread buries it later. */
void plx_member_let_go(struct plx_member *member, int error);
/** plx_member_expire() - those whose handshake takes too long. Return: nanoseconds until the next one does. */
uint64_t plx_member_expire(struct plx_publisher *pub, uint64_t now_ns);
/** plx_member_told() - copy the last refusal. Return: false when there is none that was not told. */
bool plx_member_told(struct plx_publisher *pub, struct plx_refused *refused);
/** plx_member_bury() - free the dead. */
void plx_member_bury(struct plx_publisher *pub);

/* ---- control.c ---- */

int plx_control_start(struct plx_publisher *pub) plx_must_check;
/** plx_control_stop() - ends the thread and every connection. */
void plx_control_stop(struct plx_publisher *pub);

/* Tags in epoll's data, in the low bits of a member's address; a listener or bell has no member. */
#define PLX_CONTROL_SOCKET   0u
#define PLX_CONTROL_PIDFD    1u
#define PLX_CONTROL_LISTENER 2u
#define PLX_CONTROL_BELL     3u

#endif

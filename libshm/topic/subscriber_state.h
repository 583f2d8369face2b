/* subscriber_state.h - what the files of the subscriber share: its state, and that of each connection. */
#ifndef PLX_TOPIC_SUBSCRIBER_STATE_H
#define PLX_TOPIC_SUBSCRIBER_STATE_H

#include <sys/epoll.h>

#include <plx/process.h>
#include <plx/segment.h>
#include <plx/subscriber.h>

#include "topic/admission.h"
#include "topic/discovery.h"
#include "topic/handshake.h"
#include "topic/reader.h"
#include "topic/watch.h"

/*
 * One thread, the user's. Everything that is not a message (publishers that appear, answer, die) is handled by
 * plx_subscriber_progress(), which wait, arm and now and then take call.
 *
 *	subscriber.c  opens, takes, closes        wait.c        spins, sleeps
 *	connection.c  one publisher, from its socket to the end of its stream
 *	progress.c    looks for publishers, passes on what epoll says, and goes by the clock
 *	shun.c        whom not to ask, and until when
 *	take.c, hold.c  the log itself
 */
enum plx_connection_state {
	PLX_CONNECTION_ASKING = 0, /* HELLO is out */
	PLX_CONNECTION_READING = 1,
	PLX_CONNECTION_OVER = 2, /* nothing more to take; held buffers keep the map */
};

struct plx_connection {
	struct plx_reader reader; /* first: a holder's reader leads here */
	struct plx_subscriber *sub;
	struct plx_connection *next; /* among those that are over */
	enum plx_connection_state state;
	bool hung_up;   /* no more from the socket: the log is all there is */
	bool let_go;    /* the publisher heeds us no more */
	int32_t reason; /* why, when let_go; negative errno */
	uint32_t sleep; /* what link->sleep says: PLX_SLEEP_* */
	uint64_t id;    /* of the data segment, as the socket's name says */
	struct plx_sighting seen;
	int fd;
	int alarm;   /* -1: none, or not to be trusted */
	int32_t pid; /* for people */
	struct plx_peer peer;
	struct plx_guest guest;
	struct plx_segment data, link;
	uint64_t deadline_ns; /* of the handshake */
};

/* A publisher that is not to be asked before @until_ns. */
struct plx_shunned {
	uint64_t id;
	uint64_t until_ns; /* UINT64_MAX: for ever */
	uint64_t pause_ns; /* the last one */
};

struct plx_subscriber {
	/* touched at each message */
	struct plx_subscriber_quick fast;
	struct plx_connection **readers; /* those that are READING */
	uint32_t reader_count;
	uint32_t turn; /* whose message is next */
	bool armed;    /* we said that we sleep */
	/* now and then */
	uint32_t spin_ns;
	bool polling, confirm;
	uint32_t depth;   /* of the newest messages; 0: all there are */
	bool blind_sleep; /* no membarrier, and a publisher that does not fence: sleep in slices */
	uint32_t spin_vain, spin_skip; /* spins in a row that found nothing; waits until the next one */
	uint32_t spin_looks;           /* so many it took when one found something, about */
	uint32_t count, capacity;      /* of connections that are not over */
	struct plx_connection **all;
	struct plx_connection *over; /* until the last buffer is released */
	struct plx_shunned *shunned;
	uint32_t shunned_count, shunned_capacity;
	uint64_t pause_ns; /* the last one after the directory could not be listed */
	uint64_t again_ns; /* look for publishers again at this time; UINT64_MAX: when the watch says so */
	struct plx_terms terms;
	struct plx_place place;
	struct plx_admission admission;
	const struct plx_keys *keys;
	struct plx_proof_self self;
	struct plx_watch watch;
	int epoll;
	int timer;         /* in the epoll: for who polls plx_subscriber_fd() */
	uint64_t timer_ns; /* when it fires; UINT64_MAX: it does not */
	/* messages have to come at least every deadline_ns; 0: they need not */
	uint64_t deadline_ns, due_ns;
	uint64_t due_taken; /* how many had been taken when due_ns was set */
	uint64_t missed;
	struct plx_stream_end end;
	/* what connections that are over have to add to the figures */
	uint64_t taken, bytes, lost, slept;
	uint32_t ended, died, refused;
	int32_t refused_why;
	char refused_text[768];
};

/* Takes until we look at the sockets: empty ones are dear, messages cheap. */
#define PLX_BUDGET        (UINT32_C(1) << 16)
#define PLX_BUDGET_EMPTY  PLX_QUICK_EMPTY /* an empty take costs so much ... */
#define PLX_BUDGET_ASKING 8192u           /* ... and so much while a publisher is about to answer */
#define PLX_HANDSHAKE_NS  UINT64_C(1000000000)

/* ---- connection.c ---- */

/** plx_connection_open() - connect to a publisher that was seen and say hello. Return: 0 or -errno; see plx_place_connect(). */
int plx_connection_open(struct plx_subscriber *sub, const struct plx_sighting *seen) plx_must_check;
/** plx_connection_passing() - is somebody out of something, here or there, such that it is worth trying again? */
bool plx_connection_passing(int error);
/** plx_connection_input() - its socket has something to say; may end up OVER only while ASKING. */
void plx_connection_input(struct plx_connection *c);
/** plx_connection_expire() - its handshake took too long. */
void plx_connection_expire(struct plx_connection *c);
/** plx_connection_died() - the pidfd fired: nobody writes any more. */
void plx_connection_died(struct plx_connection *c);
/** plx_connection_end() - nothing more to take: leave the readers; freed when nothing is held. */
void plx_connection_end(struct plx_connection *c);
/** plx_connection_free() - whatever its state. */
void plx_connection_free(struct plx_connection *c);

/* ---- progress.c ---- */

/** plx_subscriber_progress() - handle what epoll has, without waiting. */
void plx_subscriber_progress(struct plx_subscriber *sub);
#define PLX_SUBSCRIBER_EVENTS 32
/**
 * plx_subscriber_handle() - what epoll said, @n events, at most PLX_SUBSCRIBER_EVENTS of them. Return: true when there
 * was more to it than somebody having woken us.
 */
bool plx_subscriber_handle(struct plx_subscriber *sub, const struct epoll_event *events, int n);
/** plx_subscriber_discover() - connect to the publishers there are. */
void plx_subscriber_discover(struct plx_subscriber *sub);
/** plx_subscriber_deadline() - after messages were taken the deadline begins anew; when it passed, that is counted. */
void plx_subscriber_deadline(struct plx_subscriber *sub, uint64_t now_ns);
/** plx_subscriber_pause_ns() - how long sleeping is fine as far as handshakes, retries and deadlines go. */
uint64_t plx_subscriber_pause_ns(const struct plx_subscriber *sub);

/** plx_subscriber_settle() - after any change: is there a quick way to the next message? */
static inline void plx_subscriber_settle(struct plx_subscriber *sub)
{
	struct plx_connection *only = sub->reader_count == 1 && !sub->armed && !sub->depth ? sub->readers[0]
											   : NULL;

	sub->fast.reader = only ? &only->reader.fast : NULL;
	sub->fast.on = only && !only->let_go && !only->hung_up ? PLX_QUICK_SHAPE : 0;
}

/* ---- shun.c ---- */

/** plx_shun() - never ask it again. */
void plx_shun(struct plx_subscriber *sub, uint64_t id);
/** plx_shun_for_now() - ask it later: the more often this is said, the later. */
void plx_shun_for_now(struct plx_subscriber *sub, uint64_t id);
/** plx_shunned() - is it not to be asked now? Sees to it that we look again when it is. */
bool plx_shunned(struct plx_subscriber *sub, uint64_t id, uint64_t now_ns) plx_must_check;
/** plx_shun_no_more() - it said yes. */
void plx_shun_no_more(struct plx_subscriber *sub, uint64_t id);
/** plx_shun_forget() - those that are not in @list. */
void plx_shun_forget(struct plx_subscriber *sub, const struct plx_sightings *list);
/** plx_shun_pause() - the pause that follows one of @pause_ns; the first one follows 0. */
uint64_t plx_shun_pause(uint64_t pause_ns) plx_must_check;

/* ---- wait.c ---- */

/** plx_subscriber_disarm() - we are awake again. */
void plx_subscriber_disarm(struct plx_subscriber *sub);

/* Tags in epoll's data. */
#define PLX_SUBSCRIBER_SOCKET 0u
#define PLX_SUBSCRIBER_PIDFD  1u
#define PLX_SUBSCRIBER_OTHER  2u /* and no address: the watch; with one: the alarm */
#define PLX_SUBSCRIBER_TIMER  3u

#endif

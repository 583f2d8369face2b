/* channel.h - what all bounded channels in shared memory have in common: making, inspecting, closing, burying the dead. */
#ifndef PLX_CHANNEL_H
#define PLX_CHANNEL_H

#include <plx/segment.h>

/*
 * A channel carries elements of one size from senders to receivers. It lies in memory that all of them map: a segment of its
 * own, or any piece of another one, aligned to a line; many may lie in one segment. They trust each other's code, not each
 * other's survival: who is killed in the middle of anything delays nobody.
 *
 *	plx/spsc.h	one sender, one receiver: elements packed into lines that carry their own sequence word
 *	plx/ring.h	one sender, one receiver: elements one after another; many are published by one store
 *	plx/mpsc.h	many senders, one receiver: a lane of the first kind for each sender
 *	plx/mpmc.h	many senders, many receivers: each element is claimed in its own cell
 *	plx/envelope.h	messages with id, time, source, type, key and priority in one line
 *	plx/select.h	waiting for several of them
 *
 * Each end sits in a seat: process id and start time of who has it, so that others can tell that it died. An end belongs to
 * one thread, and to the process that took the seat: a child of fork() takes its own.
 */
enum plx_channel_kind {
	PLX_CHANNEL_NONE = 0,
	PLX_CHANNEL_SPSC = 1,
	PLX_CHANNEL_MPSC = 2,
	PLX_CHANNEL_MPMC = 3,
	PLX_CHANNEL_RING = 4,
	PLX_CHANNEL_POST = 5,     /* envelopes; lanes as in MPSC */
	PLX_CHANNEL_PRIORITY = 6, /* envelopes; four lanes for each sender */
};

#define PLX_CHANNEL_SEATS_MAX 60u        /* senders, and receivers, of one channel */
#define PLX_CHANNEL_SIZE_MAX  (1u << 20) /* bytes of an element */
#define PLX_CHANNEL_COUNT_MAX (1u << 26) /* elements in flight */

/* Bits of the words that one side looks at after each message: who sleeps on the other side, and: */
#define PLX_CHANNEL_CLOSED (1ull << 63) /* nothing more shall be sent */
#define PLX_CHANNEL_GONE   (1ull << 62) /* nobody will receive any more */

/* What a channel is made for; all zero but kind and size is fine. */
struct plx_channel_shape {
	uint32_t kind;      /* enum plx_channel_kind */
	uint32_t size;      /* bytes of an element (of the payload, where there are envelopes) */
	uint32_t count;     /* elements it holds at least (each lane, where there are lanes); 0: 1024 */
	uint16_t senders;   /* seats; 0: 1, or 8 where there may be many */
	uint16_t receivers; /* the same */
};

struct plx_channel; /* its bytes: libshm/chan/channel_layout.h */
struct plx_seat;
struct plx_lane;

/* The common part of each end; private to the process. */
struct plx_end {
	struct plx_channel *channel; /* NULL: closed */
	struct plx_seat *seat;
	uint32_t number;     /* of the seat, on its side */
	uint32_t generation; /* of the seat: it is ours while this is equal */
	uint8_t sends;       /* 1: a sender's */
	uint8_t closed;      /* a sender was told that nothing more shall be sent */
	uint8_t vain;        /* short spins that found nothing */
	int16_t streak;      /* how to wait: see chan/wait.c */
	uint32_t calm;
	uint32_t spin;
	uint64_t mark;
	int bell;       /* read end of the pipe for poll(), -1 when none */
	int bell_write; /* its other end */
};

/* Totals since the channel was made. Of the living they are read while they change; each is right by itself. */
struct plx_channel_stats {
	uint64_t sent;     /* elements */
	uint64_t received; /* elements: sent - received are on their way */
	uint64_t full;     /* sends that found no room */
	uint64_t empty;    /* blocking receives that found nothing */
	uint64_t parked;   /* times somebody fell asleep, both sides */
	uint64_t woken;    /* times somebody was woken */
	uint64_t skipped;  /* cells given up, because who had claimed them died */
	uint64_t buried;   /* seats taken back from the dead */
	uint64_t
		overslept; /* sleeps that ended by time though something was there: wake-ups that were lost with who died */
};

/* What plx_channel_info() says, checked, in private memory. */
struct plx_channel_info {
	struct plx_channel_shape shape;
	uint32_t cells;     /* of each lane */
	uint32_t per;       /* elements in a cell */
	uint32_t lanes;     /* rings of cells */
	uint32_t senders;   /* seats taken now */
	uint32_t receivers; /* the same */
	bool closed;
	struct plx_channel_stats stats;
};

PLX_BEGIN

/** plx_channel_bytes() - how much room such a channel needs, a multiple of PLX_LINE; 0 when there is no such shape. */
uint64_t plx_channel_bytes(const struct plx_channel_shape *shape);

/**
 * plx_channel_init() - lay a channel over memory, which needs not be zero.
 * @at:   aligned to PLX_LINE; every process may have it at another address
 * @room: bytes there are, plx_channel_bytes() at least
 *
 * Return: 0, -EINVAL (no such shape, alignment), -ENOSPC (room).
 */
int plx_channel_init(void *at, uint64_t room, const struct plx_channel_shape *shape) plx_must_check;

/**
 * plx_channel_create() - a segment with one channel in it: PLX_KIND_CHANNEL, block "channel".
 * @seg, @backend, @name, @flags: as in plx_segment_create(); a memfd is sealed so that it can be sent to others
 * @at:  set to where the channel is; its room is plx_channel_bytes()
 *
 * Return: 0, -EINVAL or what plx_segment_create() says.
 * Owner:  the caller closes the segment.
 */
int plx_channel_create(struct plx_segment *seg, const char *backend, const char *name, unsigned int flags,
		       const struct plx_channel_shape *shape, void **at) plx_must_check;

/**
 * plx_channel_in() - the channel of a segment that plx_channel_create() made here or elsewhere.
 * @room: set to its bytes
 *
 * Return: its address, or NULL.
 */
void *plx_channel_in(const struct plx_segment *seg, uint64_t *room);

/**
 * plx_channel_close() - nothing more shall be sent; whoever has the memory may say so.
 *
 * Each sender learns it with the next message it sends, which is still accepted and will be received; after that, sends
 * are refused. Receivers get what is there, and -ESHUTDOWN when nothing can come any more: when each sender has left, died,
 * or been refused. A sender that closes its own end does the same for itself at once.
 */
void plx_channel_close(void *at);

/**
 * plx_channel_bury() - take seats back whose holders died; what they had sent stays and is received.
 * @pid: of that process only; 0: look at all. Who is alive keeps its seat
 *
 * Waiting ends do this by themselves some times a second. Who knows sooner (a supervisor with a pidfd) says so here.
 *
 * Return: seats taken back.
 * Safety: any process, any number of them at once.
 */
int plx_channel_bury(void *at, int32_t pid);

/** plx_channel_info() - shape and totals. Return: 0, -EPROTO (no channel), -ERANGE (room), -EBADMSG. */
int plx_channel_info(const void *at, uint64_t room, struct plx_channel_info *info) plx_must_check;

/**
 * plx_channel_check() - walk all of it; nothing that it says is believed.
 *
 * Right of a live channel too. When all senders have gone and nobody is in the middle of anything, everything is checked.
 *
 * Return: 0, or -EBADMSG with *@why.
 */
int plx_channel_check(const void *at, uint64_t room, const char **why) plx_must_check;

/**
 * plx_end_fd() - a descriptor that becomes readable when the other side did something, for poll(), epoll and other loops.
 *
 * Say plx_spsc_arm(), plx_mpsc_arm() ... before each poll; it may become readable without a reason, too. Senders of other processes reach it through /proc/PID/fd, so they must be allowed to
 * (same user, and we dumpable).
 *
 * Return: a descriptor, the end's, or -EMFILE, ...
 */
int plx_end_fd(struct plx_end *end) plx_must_check;

PLX_END

#endif

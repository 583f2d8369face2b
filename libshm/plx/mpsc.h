/* mpsc.h - a channel from many senders to one receiver: a lane for each of them. */
#ifndef PLX_MPSC_H
#define PLX_MPSC_H

#include <plx/spsc.h>

/*
 * A sender has a lane for itself, and so sends as it does in an SPSC channel: struct plx_spsc_sender, plx_spsc_try_send(),
 * plx_spsc_send(), plx_spsc_reserve() ... No sender waits for another one; each finds its own lane full; what one sends
 * arrives in its order. The receiver goes round the lanes.
 *
 * When a sender leaves or dies its lane is received to its end, and then free for another one.
 */
struct plx_mpsc_receiver {
	struct plx_spsc_receiver *at; /* the lane we are at */
	uint32_t turn;                /* elements that it may still give before the next one's turn */
	uint32_t current;
	uint32_t lanes;
	uint32_t count;      /* of lanes in use, the first so many of order[] */
	uint64_t used;       /* ... as bits */
	const uint64_t *now; /* ... as the channel says */
	uint64_t taken;      /* elements, of all lanes, by this holder */
	uint8_t order[PLX_CHANNEL_SEATS_MAX];
	struct plx_spsc_receiver lane[PLX_CHANNEL_SEATS_MAX];
	struct plx_end end;
};

#define PLX_MPSC_TURN 64u /* elements of one lane before the next one's turn */

PLX_BEGIN

/**
 * plx_mpsc_sender_open() - take a seat, and its lane.
 * @source: shown by tools
 *
 * Return: 0, -EBUSY (all lanes are taken, or not yet received to their end), -ESHUTDOWN (closed), -EPIPE (nobody will
 *         receive), -EPROTO, -ERANGE, -EBADMSG.
 */
int plx_mpsc_sender_open(struct plx_spsc_sender *tx, void *at, uint64_t room, uint32_t source) plx_must_check;

/** plx_mpsc_sender_leave() - give seat and lane back; what was sent is received. May be called twice. */
void plx_mpsc_sender_leave(struct plx_spsc_sender *tx);

/** plx_mpsc_receiver_open() - take the seat of the receiver. Return: as plx_spsc_receiver_open(). */
int plx_mpsc_receiver_open(struct plx_mpsc_receiver *rx, void *at, uint64_t room) plx_must_check;
void plx_mpsc_receiver_leave(struct plx_mpsc_receiver *rx);
/** After close, senders get -EPIPE. */
void plx_mpsc_receiver_close(struct plx_mpsc_receiver *rx);

/** Find a lane that has something; out of line: once in PLX_MPSC_TURN elements, or when one is empty. */
bool plx_mpsc_next(struct plx_mpsc_receiver *rx);

/** plx_mpsc_try_recv() - take one element if there is one. Wait-free: at most one look at each lane. */
static inline bool plx_mpsc_try_recv(struct plx_mpsc_receiver *rx, void *element)
{
	if (plx_unlikely(rx->turn == 0 || !plx_spsc_try_recv(rx->at, element))) {
		if (!plx_mpsc_next(rx) || !plx_spsc_try_recv(rx->at, element))
			return false;
	}
	rx->turn--;
	rx->taken++;
	return true;
}

/** plx_mpsc_try_recv_many() - at most @n, of one lane or several. Return: how many. */
uint32_t plx_mpsc_try_recv_many(struct plx_mpsc_receiver *rx, void *elements, uint32_t n);

/**
 * plx_mpsc_peek() - elements of one lane that are there, where they are; @n is set to how many.
 *
 * Return: the first, or NULL. They stay until plx_mpsc_release(); who dies before has not taken them.
 */
static inline const void *plx_mpsc_peek(struct plx_mpsc_receiver *rx, uint32_t *n)
{
	const void *first = plx_likely(rx->turn > 0) ? plx_spsc_peek(rx->at, n) : NULL;

	return plx_likely(first != NULL) ? first : plx_mpsc_next(rx) ? plx_spsc_peek(rx->at, n) : NULL;
}

/** plx_mpsc_lane() - which sender's seat the elements come from that plx_mpsc_peek() showed, or that were taken last. */
static inline uint32_t plx_mpsc_lane(const struct plx_mpsc_receiver *rx)
{
	return (uint32_t)(rx->at - rx->lane);
}

/** plx_mpsc_release() - done with the first @n of them. */
static inline void plx_mpsc_release(struct plx_mpsc_receiver *rx, uint32_t n)
{
	plx_spsc_release(rx->at, n);
	rx->turn = rx->turn > n ? rx->turn - n : 0;
	rx->taken += n;
}

int plx_mpsc_recv_wait(struct plx_mpsc_receiver *rx, void *element, uint64_t timeout_ns) plx_must_check;

/**
 * plx_mpsc_recv() - take one element; wait for it.
 *
 * Return: 0, -ETIMEDOUT (-EAGAIN when @timeout_ns is 0), -ESHUTDOWN (closed, and nothing is left), -EPIPE (all senders have
 *         gone, the last one died, nothing is left, and nobody came), -EINTR.
 */
static inline int plx_mpsc_recv(struct plx_mpsc_receiver *rx, void *element, uint64_t timeout_ns)
{
	return plx_likely(plx_mpsc_try_recv(rx, element)) ? 0 : plx_mpsc_recv_wait(rx, element, timeout_ns);
}

/** plx_mpsc_recv_many() - waits for one, takes at most @n; Return: how many, or the reason as above. */
int plx_mpsc_recv_many(struct plx_mpsc_receiver *rx, void *elements, uint32_t n,
		       uint64_t timeout_ns) plx_must_check;

/** plx_mpsc_wait() - until there is something. Return: 0 or the reason as above. */
int plx_mpsc_wait(struct plx_mpsc_receiver *rx, uint64_t timeout_ns) plx_must_check;

/** plx_mpsc_arm() - before polling plx_end_fd(&rx->end): see plx_spsc_arm(). */
bool plx_mpsc_arm(struct plx_mpsc_receiver *rx);

PLX_END

#endif

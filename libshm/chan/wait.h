/* wait.h - how an end of a channel waits for the other side, and wakes it. */
#ifndef CHAN_WAIT_H
#define CHAN_WAIT_H

#include "chan/channel.h"

/* What a waiting end asks about its channel. */
struct plx_chan_question {
	bool (*ready)(void *of); /* there is something to do: cheap, no side effects that matter */
	int (*ended)(void *of);  /* 0, or why nothing can come any more */
	void *of;
	const uint64_t *progress; /* receivers: elements taken; NULL for senders */
	uint32_t many;            /* ... so many at once make waiting a little longer worth it */
};

/**
 * plx_chan_wait() - spin, yield, park, until @q says that something is there.
 *
 * Return: 0, -ETIMEDOUT (-EAGAIN when @timeout_ns is 0), what ended() says, -EINTR.
 */
int plx_chan_wait(struct plx_end *end, const struct plx_chan_question *q, uint64_t timeout_ns) plx_must_check;

/** plx_chan_arm() - say that we sleep, and look again. Return: false: no need, something is there. */
bool plx_chan_arm(struct plx_end *end, const struct plx_chan_question *q);

/** plx_chan_sleeps(), plx_chan_wakes() - say that we sleep (without the fence); and that we do not. */
uint32_t plx_chan_sleeps(struct plx_end *end);
void plx_chan_wakes(struct plx_end *end);

/** plx_chan_pauses() - a pause in a spinning loop; so many last a microsecond. */
void plx_chan_pause(void);
uint32_t plx_chan_pauses_us(void);

/** plx_chan_has_barrier() - is what a sleeper does enough, or have sleeps to be short? */
bool plx_chan_has_barrier(void);

/** plx_chan_wake() - one of those whose bits are set in what our side looks at (senders: c->to_senders). */
void plx_chan_wake(struct plx_channel *c, bool receivers, uint64_t among);
/** plx_chan_wake_all() - all of them: the channel ended. */
void plx_chan_wake_all(struct plx_channel *c, bool receivers);

/** plx_chan_prepare() - once in each process: be reached by others' fences; how long a pause is. */
void plx_chan_prepare(void);

/** plx_chan_fence() - the dear half of the fence that senders do not pay for. */
void plx_chan_fence(void);

/** plx_chan_unring() - give up the pipe of plx_end_fd(). */
void plx_chan_unring(struct plx_end *end);

#endif

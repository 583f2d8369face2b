/* select.h - waiting for several channels at once. */
#ifndef PLX_SELECT_H
#define PLX_SELECT_H

#include <plx/envelope.h>
#include <plx/mpmc.h>
#include <plx/mpsc.h>
#include <plx/ring.h>
#include <plx/spsc.h>

/* One of those that are waited for. Made by the functions below. */
struct plx_choice {
	struct plx_end *end;
	bool (*ready)(void *of);
	int (*ended)(void *of);
	void *of;
};

#define PLX_CHOICES_MAX 120u

PLX_BEGIN

/** A receiver as a choice; valid as long as it is. */
struct plx_choice plx_spsc_choice(struct plx_spsc_receiver *rx);
struct plx_choice plx_mpsc_choice(struct plx_mpsc_receiver *rx);
struct plx_choice plx_mpmc_choice(struct plx_mpmc_receiver *rx);
struct plx_choice plx_ring_choice(struct plx_ring_receiver *rx);
struct plx_choice plx_post_choice(struct plx_post_receiver *rx);

/**
 * plx_select() - wait until one of several channels has something, or has ended.
 * @choices, @n: at most PLX_CHOICES_MAX; leave out those that have ended, or it will be they
 * @begin:       where to begin to look: the answer + 1 for everybody's turn, 0 for the first before the others
 * @timeout_ns:  nanoseconds; 0 looks once; UINT64_MAX for ever
 *
 * Return: the index of one that is worth a try_recv; -ETIMEDOUT (-EAGAIN when @timeout_ns is 0), -EINVAL, -EINTR.
 */
int plx_select(const struct plx_choice *choices, uint32_t n, uint32_t begin,
	       uint64_t timeout_ns) plx_must_check;

PLX_END

#endif

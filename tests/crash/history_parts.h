/* history_parts.h - the participants of test_chan_history.c: senders and receivers of each kind of channel, until they are asked to go. */
#ifndef TESTS_CHAN_HISTORY_PARTS_H
#define TESTS_CHAN_HISTORY_PARTS_H

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "tests/crash/history.h"

static bool asked_to_go(const struct part *p)
{
	return __atomic_load_n(&p->quit, __ATOMIC_RELAXED);
}

union sender {
	struct plx_ring_sender ring;
	struct plx_post_sender post;
	struct plx_spsc_sender one;
	struct plx_mpmc_sender many;
};

static int open_sender(union sender *tx)
{
	switch (w->shape.kind) {
	case PLX_CHANNEL_MPMC: return plx_mpmc_sender_open(&tx->many, w->at, w->room, 0);
	case PLX_CHANNEL_RING: return plx_ring_sender_open(&tx->ring, w->at, w->room, 0);
	case PLX_CHANNEL_PRIORITY:
	case PLX_CHANNEL_POST: return plx_post_sender_open(&tx->post, w->at, w->room, 0);
	case PLX_CHANNEL_MPSC: return plx_mpsc_sender_open(&tx->one, w->at, w->room, 0);
	default: return plx_spsc_sender_open(&tx->one, w->at, w->room, 0);
	}
}

static void leave_sender(union sender *tx)
{
	switch (w->shape.kind) {
	case PLX_CHANNEL_MPMC: plx_mpmc_sender_leave(&tx->many); break;
	case PLX_CHANNEL_RING: plx_ring_sender_leave(&tx->ring); break;
	case PLX_CHANNEL_PRIORITY:
	case PLX_CHANNEL_POST: plx_post_sender_leave(&tx->post); break;
	case PLX_CHANNEL_MPSC: plx_mpsc_sender_leave(&tx->one); break;
	default: plx_spsc_sender_leave(&tx->one);
	}
}

static int send_many(union sender *tx, const unsigned char *m, uint32_t n)
{
	const uint64_t timeout_ns = 50000000;
	uint64_t number;
	int ret;

	memcpy(&number, m, 8);
	if (w->shape.kind == PLX_CHANNEL_RING)
		return plx_ring_send_many(&tx->ring, m, n, timeout_ns);
	if (w->shape.kind == PLX_CHANNEL_POST || w->shape.kind == PLX_CHANNEL_PRIORITY) {
		/* all of one life have one priority: it is their order that is looked at */
		ret = w->shape.kind == PLX_CHANNEL_POST
			      ? plx_post_send(&tx->post, 5, number, m, SIZE, timeout_ns)
			      : plx_priority_send(&tx->post, number >> 32 & 3, 5, number, m, SIZE,
						  timeout_ns);
		return ret == 0 ? 1 : ret;
	}
	if (n > 1)
		return w->shape.kind == PLX_CHANNEL_MPMC ? plx_mpmc_send_many(&tx->many, m, n, timeout_ns)
							 : plx_spsc_send_many(&tx->one, m, n, timeout_ns);
	ret = w->shape.kind == PLX_CHANNEL_MPMC ? plx_mpmc_send(&tx->many, m, timeout_ns)
						: plx_spsc_send(&tx->one, m, timeout_ns);
	return ret == 0 ? 1 : ret;
}

static void be_sender(struct part *p)
{
	unsigned char m[32 * SIZE];
	union sender tx;
	uint32_t n = 0;
	int ret;

	while ((ret = open_sender(&tx)) == -EBUSY &&
	       !asked_to_go(p)) /* who had the seat died this moment, or left */
		sched_yield();
	if (ret != 0) {
		if (ret != -EBUSY && ret != -ESHUTDOWN)
			wrong("a sender gets no seat: %s", plx_strerror(ret));
		return;
	}
	while (!asked_to_go(p)) {
		uint32_t many = p->life % 3 == 0 ? 1 + n % 32 : 1;

		if (ticks && n + many > LIMIT) { /* another life, in the same seat */
			p->life = __atomic_fetch_add(&w->lives, 1, __ATOMIC_RELAXED);
			n = 0;
			if (p->life >= LIVES)
				break;
		}
		for (uint32_t i = 0; i < many; i++)
			fill(m + i * SIZE, p->life, n + i);
		ret = send_many(&tx, m, many);
		if (ret < 0 && ret != -ETIMEDOUT)
			break;
		n += ret > 0 ? (uint32_t)ret : 0;
		__atomic_store_n(&w->life[p->life].accepted, n, __ATOMIC_RELEASE);
		ret = 0;
	}
	if (ret < 0 && ret != -ESHUTDOWN)
		wrong("a sender: %s", plx_strerror(ret));
	leave_sender(&tx);
}

#define RECEIVER(kind)                                                                                       \
	static void receive_##kind(struct part *p)                                                           \
	{                                                                                                    \
		static __thread struct plx_##kind##_receiver rx;                                             \
		uint32_t n;                                                                                  \
		int ret;                                                                                     \
                                                                                                             \
		while ((ret = plx_##kind##_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p)) \
			sched_yield();                                                                       \
		if (ret != 0) {                                                                              \
			if (ret != -EBUSY)                                                                   \
				wrong("a receiver gets no seat: %s", plx_strerror(ret));                     \
			return;                                                                              \
		}                                                                                            \
		while (!asked_to_go(p)) {                                                                    \
			const unsigned char *m = plx_##kind##_peek(&rx, &n);                                 \
                                                                                                             \
			for (uint32_t i = 0; m && i < n; i++) {                                              \
				note(m + i * SIZE);                                                          \
				plx_##kind##_release(&rx, 1);                                                \
			}                                                                                    \
			if (!m) {                                                                            \
				ret = plx_##kind##_wait(&rx, 50000000);                                      \
				if (ret == -ESHUTDOWN)                                                       \
					break;                                                               \
				if (ret < 0 && ret != -ETIMEDOUT && ret != -EPIPE)                           \
					wrong("a receiver: %s", plx_strerror(ret));                          \
			}                                                                                    \
		}                                                                                            \
		plx_##kind##_receiver_leave(&rx);                                                            \
	}

RECEIVER(spsc)
RECEIVER(mpsc)

/* Waits by choosing. Return: 0, or why nothing comes any more. */
static int choose(struct plx_choice choice)
{
	int ret = plx_select(&choice, 1, 0, 50000000);

	if (ret < 0 || choice.ready(choice.of))
		return ret < 0 ? ret : 0;
	ret = choice.ended(choice.of);
	return choice.ready(choice.of) ? 0 : ret; /* ended after our look: what came before that counts */
}

static bool goes_home(int ret)
{
	if (ret < 0 && ret != -ESHUTDOWN && ret != -ETIMEDOUT && ret != -EPIPE)
		wrong("a receiver: %s", plx_strerror(ret));
	if (ret == -EPIPE) /* all have died: a successor comes */
		usleep(100);
	return ret == -ESHUTDOWN;
}

static void receive_ring(struct part *p)
{
	struct plx_ring_receiver rx;
	uint32_t n;
	int ret;

	while ((ret = plx_ring_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p))
		sched_yield();
	if (ret != 0)
		return;
	while (!asked_to_go(p)) {
		const unsigned char *m = plx_ring_peek(&rx, &n);

		for (uint32_t i = 0; m && i < n; i++) {
			note(m + i * SIZE);
			plx_ring_release(&rx, 1);
		}
		if (!m && goes_home(choose(plx_ring_choice(&rx))))
			break;
	}
	plx_ring_receiver_leave(&rx);
}

static void receive_post(struct part *p)
{
	static __thread struct plx_post_receiver rx;
	struct plx_envelope e;
	uint64_t number;
	int ret;

	while ((ret = plx_post_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p))
		sched_yield();
	if (ret != 0)
		return;
	while (!asked_to_go(p)) {
		const unsigned char *m = plx_post_peek(&rx, &e);

		if (!m) {
			if (goes_home(choose(plx_post_choice(&rx))))
				break;
			continue;
		}
		memcpy(&number, m, 8);
		if (e.key != number || e.type != 5 || e.length != SIZE)
			wrong("an envelope is another message's");
		note(m);
		plx_post_release(&rx);
	}
	plx_post_receiver_leave(&rx);
}

static void receive_mpmc(struct part *p)
{
	uint32_t *last = calloc(LIVES, sizeof(*last));
	struct plx_mpmc_receiver rx;
	uint64_t position;
	int ret;

	while ((ret = plx_mpmc_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p))
		sched_yield();
	if (ret != 0 || !last) {
		if (ret != -EBUSY)
			wrong("a receiver gets no seat: %s", plx_strerror(ret));
		free(last);
		return;
	}
	while (!asked_to_go(p)) {
		const unsigned char *m = plx_mpmc_peek(&rx, &position);

		if (m) {
			tick(m, last);
			plx_mpmc_release(&rx, position);
			continue;
		}
		ret = plx_mpmc_wait(&rx, 50000000);
		if (ret == -ESHUTDOWN)
			break;
		if (ret < 0 && ret != -ETIMEDOUT && ret != -EPIPE)
			wrong("a receiver: %s", plx_strerror(ret));
	}
	plx_mpmc_receiver_leave(&rx);
	free(last);
}

static void *take_part(void *arg)
{
	struct part *p = arg;

	if (p->sends)
		be_sender(p);
	else if (w->shape.kind == PLX_CHANNEL_MPMC)
		receive_mpmc(p);
	else if (w->shape.kind == PLX_CHANNEL_MPSC)
		receive_mpsc(p);
	else if (w->shape.kind == PLX_CHANNEL_RING)
		receive_ring(p);
	else if (w->shape.kind != PLX_CHANNEL_SPSC)
		receive_post(p);
	else
		receive_spsc(p);
	return NULL;
}

#endif

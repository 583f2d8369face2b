/*
 * fuzz_channel.c - whatever lies where a channel is said to be: looking at it does no harm, and what the checker lets
 * through can be used.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_channel.c calls it too. The input is the memory, its length is the room there
 * is. Channels are for processes that trust each other, so what a holder of a seat may do with the checker content is not
 * asked; but damage is refused when somebody attaches, and a tool may look at anything.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/plx.h>

#include "chan/channel.h"

#define SIZE_USED 4096u /* elements up to this size are sent and taken */
#define TURNS     64u

static unsigned char element[SIZE_USED];

/* Nobody sits there and nobody sleeps: a seat names processes and their descriptors, which are none of our business. */
static void empty_seats(struct plx_channel *c, const struct plx_geometry *g)
{
	c->to_senders = c->to_receivers = 0;
	for (uint32_t i = 0; i < g->senders + g->receivers; i++) {
		struct plx_seat *seat = plx_seat_at(c, true, i, g->senders);

		seat->owner = seat->owner >> 48 << 48;
		seat->sleep = seat->bell = 0;
	}
}

static void use_spsc(void *at, uint64_t room)
{
	struct plx_spsc_receiver rx;
	struct plx_spsc_sender tx;

	if (plx_spsc_receiver_open(&rx, at, room) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_spsc_try_recv(&rx, element); i++)
			;
		plx_spsc_receiver_leave(&rx);
	}
	if (plx_spsc_sender_open(&tx, at, room, 1) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_spsc_try_send(&tx, element); i++)
			;
		plx_spsc_sender_leave(&tx);
	}
}

static void use_mpsc(void *at, uint64_t room)
{
	static struct plx_mpsc_receiver rx;
	struct plx_spsc_sender tx;

	if (plx_mpsc_receiver_open(&rx, at, room) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_mpsc_try_recv(&rx, element); i++)
			;
		plx_mpsc_receiver_leave(&rx);
	}
	if (plx_mpsc_sender_open(&tx, at, room, 1) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_spsc_try_send(&tx, element); i++)
			;
		plx_mpsc_sender_leave(&tx);
	}
}

static void use_mpmc(void *at, uint64_t room)
{
	struct plx_mpmc_receiver rx;
	struct plx_mpmc_sender tx;

	if (plx_mpmc_receiver_open(&rx, at, room) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_mpmc_try_recv(&rx, element); i++)
			;
		plx_mpmc_receiver_leave(&rx);
	}
	if (plx_mpmc_sender_open(&tx, at, room, 1) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_mpmc_try_send(&tx, element); i++)
			;
		plx_mpmc_sender_leave(&tx);
	}
}

static void use_ring(void *at, uint64_t room)
{
	struct plx_ring_receiver rx;
	struct plx_ring_sender tx;

	if (plx_ring_receiver_open(&rx, at, room) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_ring_try_recv(&rx, element); i++)
			;
		plx_ring_receiver_leave(&rx);
	}
	if (plx_ring_sender_open(&tx, at, room, 1) == 0) {
		for (uint32_t i = 0; i < TURNS && plx_ring_try_send(&tx, element); i++)
			;
		plx_ring_sender_leave(&tx);
	}
}

static void use(void *at, uint64_t room, const struct plx_geometry *g)
{
	switch (g->kind) {
	case PLX_CHANNEL_SPSC: use_spsc(at, room); break;
	case PLX_CHANNEL_MPSC: use_mpsc(at, room); break;
	case PLX_CHANNEL_MPMC: use_mpmc(at, room); break;
	case PLX_CHANNEL_RING: use_ring(at, room); break;
	default: break; /* envelopes */
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	uint64_t room = size & ~(uint64_t)(PLX_LINE - 1);
	const char *why = NULL, *again = NULL;
	struct plx_channel_info info;
	struct plx_geometry g;
	void *at;
	int ret;

	if (room == 0)
		return 0;
	at = aligned_alloc(PLX_LINE, room);
	HOLDS(at != NULL);
	memcpy(at, data, room);
	ret = plx_channel_info(at, room, &info);
	HOLDS(ret == 0 || ret == -EPROTO || ret == -ERANGE || ret == -EBADMSG);
	if (ret == 0) {
		HOLDS(plx_channel_bytes(&info.shape) <= room && info.cells > 0 && info.shape.size > 0);
		HOLDS(info.senders <= info.shape.senders && info.receivers <= info.shape.receivers);
	}
	ret = plx_channel_check(at, room, &why);
	HOLDS(ret == 0 ? why == NULL : ret == -EBADMSG && why != NULL);
	HOLDS(plx_channel_check(at, room, &again) == ret && again == why); /* it changes nothing */
	HOLDS(memcmp(at, data, room) == 0);
	if (ret == 0 && plx_geometry_read(&g, at, room) == 0 && g.size <= SIZE_USED) {
		empty_seats(at, &g);
		use(at, room, &g);
		HOLDS(plx_geometry_read(&g, at, room) == 0);
	}
	free(at);
	return 0;
}

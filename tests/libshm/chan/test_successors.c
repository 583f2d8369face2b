/* test_successors.c - receivers that die after each few elements, before they said what may be used again: nobody runs out of room. */
#include <plx/envelope.h>
#include <plx/mpsc.h>
#include <plx/ring.h>

#include <string.h>

#include "tests/libshm/chan/both.h"

#define FEW   2u
#define LIVES 60u

static struct made m;
static uint32_t kind;

/* Take a few, and die of it. */
static int take_few(void *arg)
{
	static struct plx_mpsc_receiver mpsc;
	static struct plx_post_receiver post;
	static struct plx_ring_receiver ring;
	static struct plx_spsc_receiver spsc;
	struct plx_envelope e;
	unsigned char bytes[64];
	bool got = true;

	(void)arg;
	switch (kind) {
	case PLX_CHANNEL_SPSC: got = plx_spsc_receiver_open(&spsc, m.at, m.room) == 0; break;
	case PLX_CHANNEL_MPSC: got = plx_mpsc_receiver_open(&mpsc, m.at, m.room) == 0; break;
	case PLX_CHANNEL_RING: got = plx_ring_receiver_open(&ring, m.at, m.room) == 0; break;
	default: got = plx_post_receiver_open(&post, m.at, m.room) == 0;
	}
	for (uint32_t i = 0; i < FEW && got; i++) {
		switch (kind) {
		case PLX_CHANNEL_SPSC: got = plx_spsc_try_recv(&spsc, bytes); break;
		case PLX_CHANNEL_MPSC: got = plx_mpsc_try_recv(&mpsc, bytes); break;
		case PLX_CHANNEL_RING: got = plx_ring_try_recv(&ring, bytes); break;
		default: got = plx_post_try_recv(&post, &e, bytes);
		}
	}
	return got ? 0 : 1;
}

static struct plx_spsc_sender spsc_tx;
static struct plx_ring_sender ring_tx;
static struct plx_post_sender post_tx;

static int open_sender(void)
{
	switch (kind) {
	case PLX_CHANNEL_SPSC: return plx_spsc_sender_open(&spsc_tx, m.at, m.room, 0);
	case PLX_CHANNEL_MPSC: return plx_mpsc_sender_open(&spsc_tx, m.at, m.room, 0);
	case PLX_CHANNEL_RING: return plx_ring_sender_open(&ring_tx, m.at, m.room, 0);
	default: return plx_post_sender_open(&post_tx, m.at, m.room, 0);
	}
}

static bool send_one(void)
{
	static const unsigned char bytes[40];

	switch (kind) {
	case PLX_CHANNEL_SPSC:
	case PLX_CHANNEL_MPSC: return plx_spsc_try_send(&spsc_tx, bytes);
	case PLX_CHANNEL_RING: return plx_ring_try_send(&ring_tx, bytes);
	default: return plx_post_try_send(&post_tx, 0, 0, bytes, sizeof(bytes));
	}
}

static void what_receivers_took_that_died_is_told_by_their_successors(void **state)
{
	static const uint32_t kinds[] = { PLX_CHANNEL_SPSC, PLX_CHANNEL_MPSC, PLX_CHANNEL_RING,
					  PLX_CHANNEL_POST };
	struct part receiver;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		kind = kinds[k];
		m = make((struct plx_channel_shape){ .kind = kind, .size = 40, .count = 12, .senders = 1 });
		assert_int_equal(open_sender(), 0);
		for (uint32_t life = 0; life < LIVES; life++) {
			for (uint32_t i = 0; i < FEW; i++)
				if (!send_one())
					fail_msg("kind %u: no room after %u lives", kind, life);
			part_start(&receiver, true, take_few, NULL);
			assert_int_equal(part_end(&receiver), 0);
		}
		drop(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_receivers_took_that_died_is_told_by_their_successors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

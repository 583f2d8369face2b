/*
 * test_successors.c - who takes the seat of one that died knows what that one did.
 *
 * Receivers die after each few elements, before they said what may be used again: nobody runs out of room. Senders die in the
 * middle of many, at any element, where the ring comes round: what they had sent comes once, and what their successors send.
 */
#include <plx/envelope.h>
#include <plx/mpsc.h>
#include <plx/ring.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* ---- senders -------------------------------------------------------------------------------------------- */

#define BYTES 56u /* of an element: one in a cell */
#define CELLS 8u  /* for as many as half of it: chan/channel.c */

/* Where a sender begins, how many it sends one by one, and of the many after these how many it can read. */
struct sending {
	uint64_t from;
	uint32_t single, whole;
	volatile uint32_t *phase; /* 1: those are sent; 2: they were taken, go on */
};

static void die(int sig)
{
	(void)sig;
	_exit(0);
}

static void fill(unsigned char *element, uint64_t number)
{
	memset(element, (int)(number & 255), BYTES);
	memcpy(element, &number, sizeof(number));
}

static int open_spsc_sender(struct plx_spsc_sender *tx)
{
	return kind == PLX_CHANNEL_SPSC ? plx_spsc_sender_open(tx, m.at, m.room, 0)
					: plx_mpsc_sender_open(tx, m.at, m.room, 0);
}

static void await(volatile uint32_t *phase, uint32_t value)
{
	while (__atomic_load_n(phase, __ATOMIC_ACQUIRE) != value)
		usleep(100);
}

/* Elements end where a page begins that nobody may read: there, in the middle of many, it dies. */
static int die_in_the_middle_of_many(void *arg)
{
	const struct sending *s = (const struct sending *)arg;
	static struct plx_spsc_sender tx;
	unsigned char element[BYTES], *pages, *first;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	signal(SIGSEGV, die);
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0 || open_spsc_sender(&tx) != 0)
		return 1;
	for (uint32_t i = 0; i < s->single; i++) {
		fill(element, s->from + i);
		if (!plx_spsc_try_send(&tx, element))
			return 2;
	}
	__atomic_store_n(s->phase, 1, __ATOMIC_RELEASE);
	await(s->phase, 2);
	first = pages + page - s->whole * (size_t)BYTES;
	for (uint32_t i = 0; i < s->whole; i++)
		fill(first + i * (size_t)BYTES, s->from + s->single + i);
	plx_spsc_try_send_many(&tx, first, s->whole + 1);
	return 3;
}

static struct plx_spsc_receiver spsc_rx;
static struct plx_mpsc_receiver mpsc_rx;

static bool take_one(unsigned char *element)
{
	return kind == PLX_CHANNEL_SPSC ? plx_spsc_try_recv(&spsc_rx, element)
					: plx_mpsc_try_recv(&mpsc_rx, element);
}

/* All that is there, which are those from *@next on. */
static void take_all(uint64_t *next)
{
	unsigned char element[BYTES], want[BYTES];

	for (; take_one(element); ++*next) {
		fill(want, *next);
		assert_memory_equal(element, want, BYTES);
	}
}

/* All of that can be used again: who is about to sleep says so. */
static void take_all_and_wait(uint64_t *next)
{
	unsigned char element[BYTES];
	int ret;

	take_all(next);
	ret = kind == PLX_CHANNEL_SPSC ? plx_spsc_recv(&spsc_rx, element, 1)
				       : plx_mpsc_recv(&mpsc_rx, element, 1);
	assert_int_equal(ret, -ETIMEDOUT);
}

static void dies_and_has_a_successor(uint32_t before, uint32_t single, uint32_t whole)
{
	static struct plx_spsc_sender tx;
	struct sending s = { .from = before, .single = single, .whole = whole };
	unsigned char element[BYTES];
	struct part sender;
	uint64_t next = 0;

	s.phase = mmap(NULL, sizeof(*s.phase), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s.phase != MAP_FAILED);
	m = make((struct plx_channel_shape){ .kind = kind, .size = BYTES, .count = CELLS / 2, .senders = 1 });
	assert_int_equal(open_spsc_sender(&tx), 0);
	assert_int_equal(kind == PLX_CHANNEL_SPSC ? plx_spsc_receiver_open(&spsc_rx, m.at, m.room)
						  : plx_mpsc_receiver_open(&mpsc_rx, m.at, m.room),
			 0);
	for (uint32_t i = 0; i < before; i++) {
		fill(element, i);
		assert_true(plx_spsc_try_send(&tx, element));
	}
	plx_spsc_sender_leave(&tx);
	take_all_and_wait(&next);
	part_start(&sender, true, die_in_the_middle_of_many, &s);
	await(s.phase, 1);
	take_all_and_wait(&next);
	assert_int_equal(next, before + single);
	__atomic_store_n(s.phase, 2, __ATOMIC_RELEASE);
	assert_int_equal(part_end(&sender), 0);
	check(&m);

	if (kind == PLX_CHANNEL_MPSC)
		take_all(&next); /* a lane is nobody else's while there is something in it */
	assert_int_equal(open_spsc_sender(&tx), 0);
	take_all(&next);
	assert_int_equal(next, before + single + whole);
	for (uint64_t i = 0; i < 3ull * CELLS; i++) {
		fill(element, next);
		assert_true(plx_spsc_try_send(&tx, element));
		take_all(&next);
		assert_int_equal(next, before + single + whole + i + 1);
	}
	plx_spsc_sender_leave(&tx);
	drop(&m);
	munmap((void *)(uintptr_t)s.phase, sizeof(*s.phase));
}

static void senders_die_in_the_middle_of_many_where_the_ring_comes_round(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		kind = k == 0 ? PLX_CHANNEL_SPSC : PLX_CHANNEL_MPSC;
		for (uint32_t before = 0; before < CELLS; before += 3)
			for (uint32_t single = 0; single <= CELLS; single += 4)
				for (uint32_t whole = 0; whole < CELLS; whole++)
					dies_and_has_a_successor(before, single, whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_receivers_took_that_died_is_told_by_their_successors),
		cmocka_unit_test(senders_die_in_the_middle_of_many_where_the_ring_comes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_hostile_handshakes.c - one broken handshake after the other, without keys and with. Timeout: 180
 *
 *	this process        the liar: connects and does one of the things in TRICKS, again and again; some stay for a while
 *	its children        honest ones (tests/support/crowd.h); newcomers connect all the time
 *
 *	COUNT=1000000 test_hostile_handshakes      so many in all (default 20000, 2000 in instrumented builds)
 */
#include "tests/support/crowd.h"

#include "topic/admission.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <string.h>
#include <sys/socket.h>

#define STAY 40 /* connections that stay until others take their place */

static uint64_t count = LONG_LOOP(20000), seed = 0x2545f4914f6cdd1d;
static struct plx_sightings list;
static struct plx_keys *liar_keys, *sub_keys;
static unsigned char recorded[PLX_HANDSHAKE_MAX]; /* a PROOF that was good once */
static uint32_t recorded_size;
static int staying[STAY];

static uint64_t dice(uint64_t sides)
{
	return (noise(&seed) >> 16) % sides;
}

/* ---- tricks: each gets a connection, and leaves it open -------------------------------------------- */

static void say(int fd, const void *bytes, size_t size, unsigned int fds)
{
	(void)liar_send(fd, bytes, size, fd, fds); /* it may have hung up on us */
}

static uint32_t hello(unsigned char *bytes)
{
	return liar_hello(bytes, crowd.topic,
			  true); /* a reliable one that never reads would hold P up: that is its policy */
}

/* What comes within a while; descriptors are closed. */
static ssize_t answer(int fd, unsigned char *bytes)
{
	int fds[PLX_GRANT_FDS];
	ssize_t n = liar_recv(fd, bytes, PLX_HANDSHAKE_MAX, fds, 200);

	for (unsigned int i = 0; i < PLX_GRANT_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return n;
}

static void nothing(int fd)
{
	(void)fd;
}

static void a_hello(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	say(fd, bytes, hello(bytes), 0);
}

static void a_hello_and_its_answer(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	a_hello(fd);
	answer(fd, bytes);
}

static void a_cut_hello(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	say(fd, bytes, dice(hello(bytes)), 0);
}

static void a_hello_with_a_bit_changed(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);

	bytes[dice(size)] ^= (unsigned char)(1 << dice(8));
	say(fd, bytes, size, 0);
	answer(fd, bytes);
}

static void noise_with_descriptors(int fd)
{
	static const unsigned int counts[] = { 0, 1, 2, 3, 8 };
	unsigned char bytes[1024];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(noise(&seed) >> 24);
	say(fd, bytes, dice(sizeof(bytes)), dice(50) ? counts[dice(COUNT_OF(counts))] : LIAR_FDS_MAX);
}

static void a_hello_with_descriptors(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	say(fd, bytes, hello(bytes), 1 + (unsigned int)dice(4));
}

static void two_hellos(int fd)
{
	a_hello(fd);
	a_hello(fd);
}

static void a_hello_and_half_closed(int fd)
{
	a_hello(fd);
	shutdown(fd, dice(2) ? SHUT_WR : SHUT_RD);
}

/* The whole way of a subscriber, with these keys; false when there was no challenge. */
static bool prove(int fd, const struct plx_keys *keys, unsigned char *proof, uint32_t *size)
{
	struct plx_proof_setup setup = { .keys = keys, .segment = list.items[0].id, .self = plx_peer_self() };
	struct plx_terms terms = { .reading = PLX_READ_LOSSY };
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_guest guest;
	struct plx_step step;
	ssize_t n;

	setup.seen.pid = crowd.publisher;
	snprintf(terms.topic, sizeof(terms.topic), "%s", crowd.topic);
	plx_guest_init(&guest, &terms);
	plx_guest_keys(&guest, &setup);
	plx_guest_start(&guest, &step);
	say(fd, step.send, step.send_size, 0);
	n = answer(fd, bytes);
	if (n <= 0)
		return false;
	plx_guest_input(&guest, &step, bytes, (size_t)n, 0);
	if (step.what != PLX_STEP_SEND)
		return false;
	memcpy(proof, step.send, step.send_size);
	*size = step.send_size;
	return true;
}

static void a_proof_with_a_key_nobody_trusts(int fd)
{
	unsigned char proof[PLX_HANDSHAKE_MAX];
	uint32_t size;

	if (prove(fd, liar_keys, proof, &size))
		say(fd, proof, size, 0);
	answer(fd, proof);
}

static void a_proof_from_before(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	a_hello(fd);
	answer(fd, bytes);
	say(fd, recorded, recorded_size, 0);
	answer(fd, bytes);
}

static void a_proof_with_a_bit_changed(int fd)
{
	unsigned char proof[PLX_HANDSHAKE_MAX];
	uint32_t size;

	if (!prove(fd, sub_keys, proof, &size))
		return;
	proof[dice(size)] ^= (unsigned char)(1 << dice(8));
	say(fd, proof, size, 0);
	answer(fd, proof);
}

static void a_proof_and_gone(int fd)
{
	unsigned char proof[PLX_HANDSHAKE_MAX];
	uint32_t size;

	if (prove(fd, sub_keys, proof, &size))
		say(fd, proof, size, (unsigned int)dice(2));
}

static void noise_after_the_hello(int fd)
{
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, (uint16_t)dice(7), 1, 192, 0 };
	unsigned char bytes[512];

	a_hello(fd);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(noise(&seed) >> 24);
	memcpy(bytes, &header, sizeof(header));
	say(fd, bytes, dice(4) ? 192 : dice(sizeof(bytes)), 0);
}

static void (*const TRICKS[])(int) = {
	nothing,
	a_hello,
	a_hello_and_its_answer,
	a_cut_hello,
	a_hello_with_a_bit_changed,
	noise_with_descriptors,
	a_hello_with_descriptors,
	two_hellos,
	a_hello_and_half_closed,
	noise_after_the_hello,
	/* with keys only: */
	a_proof_with_a_key_nobody_trusts,
	a_proof_from_before,
	a_proof_with_a_bit_changed,
	a_proof_and_gone,
};
#define TRICKS_PLAIN 10u

/* ---- the flood ------------------------------------------------------------------------------------ */

static int knock(void)
{
	int fd = -1;

	if (plx_place_connect(&crowd.place, &list.items[0], &fd) == 0)
		return fd;
	assert_true(WITHIN(10000, plx_place_connect(&crowd.place, &list.items[0], &fd) ==
					  0)); /* its queue is full */
	return fd;
}

static void flood(uint64_t n)
{
	while (n-- > 0) {
		int fd = knock(), *seat = &staying[dice(STAY)];

		TRICKS[dice(crowd.setup.keyed ? COUNT_OF(TRICKS) : TRICKS_PLAIN)](fd);
		if (dice(8) == 0) { /* it stays, silent, and who sat there goes */
			int other = *seat;

			*seat = fd;
			fd = other;
		}
		if (fd >= 0)
			close(fd);
	}
}

static void all_go(void)
{
	for (size_t i = 0; i < STAY; i++) {
		if (staying[i] >= 0)
			close(staying[i]);
		staying[i] = -1;
	}
}

static void handshakes_harm_nobody(bool keyed)
{
	uint64_t done, from, before_p50, before_p99, p50, p99, after_p50, after_p99, began;
	struct crowd_setup setup = { .topic = keyed ? "hostile/keyed" : "hostile/handshakes",
				     .keyed = keyed };
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds, fd;

	crowd_open(&crowd, &setup);
	crowd_newcomers(&crowd);
	before_p50 = crowd_times(&crowd, 0, &before_p99);
	for (size_t i = 0; i < STAY; i++)
		staying[i] = -1;
	assert_int_equal(plx_place_list(&crowd.place, &list), 0);
	assert_int_equal(list.count, 1);
	if (keyed) {
		liar_keys = crowd_keys(&crowd, "liar");
		sub_keys = crowd_keys(&crowd, "sub");
		fd = knock();
		assert_true(prove(fd, sub_keys, recorded, &recorded_size));
		assert_int_equal(liar_send(fd, recorded, recorded_size, -1, 0), 0);
		assert_int_equal(answer(fd, bytes), 160); /* it was good: a signed grant */
		close(fd);
	}
	fds = count_open_fds();
	from = READ(crowd.board->connects);
	began = plx_now_ns();
	for (done = 0; done < count / 2; done += 1000) {
		flood(1000);
		crowd_is_well(&crowd);
	}
	p50 = crowd_times(&crowd, from, &p99);
	print_message("note: %s: %llu broken handshakes in %llu ms; longest publish %llu us\n", crowd.topic,
		      (unsigned long long)done, (unsigned long long)((plx_now_ns() - began) / 1000000),
		      (unsigned long long)(READ(crowd.board->longest_ns) / 1000));
	all_go();
	from = READ(crowd.board->connects);
	assert_true(WITHIN(60000, READ(crowd.board->connects) >= from + 100));
	after_p50 = crowd_times(&crowd, from, &after_p99);
	print_message("note: %s: honest connect p50 / p99: before %llu / %llu us, meanwhile %llu / %llu us, "
		      "after %llu / %llu us\n",
		      crowd.topic, (unsigned long long)(before_p50 / 1000),
		      (unsigned long long)(before_p99 / 1000), (unsigned long long)(p50 / 1000),
		      (unsigned long long)(p99 / 1000), (unsigned long long)(after_p50 / 1000),
		      (unsigned long long)(after_p99 / 1000));
	/* a busy machine makes everything slower, but a newcomer is never starved, and nothing stays slow */
	assert_true(p50 < before_p50 * 10 + 20000000);
	assert_true(after_p50 < before_p50 * 10 + 20000000);
	crowd_is_looked_at(&crowd);
	assert_int_equal(count_open_fds(), fds);
	crowd_ends_well(&crowd); /* P has not one descriptor more */
	plx_sightings_free(&list);
	plx_keys_close(liar_keys);
	plx_keys_close(sub_keys);
	liar_keys = sub_keys = NULL;
	crowd_close(&crowd);
}

static void broken_handshakes_without_keys_harm_nobody(void **state)
{
	(void)state;
	handshakes_harm_nobody(false);
}

static void broken_handshakes_with_keys_harm_nobody(void **state)
{
	(void)state;
	handshakes_harm_nobody(true);
}

static int close_what_is_left(void **state)
{
	(void)state;
	crowd_close(&crowd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(broken_handshakes_without_keys_harm_nobody, close_what_is_left),
		cmocka_unit_test_teardown(broken_handshakes_with_keys_harm_nobody, close_what_is_left),
	};

	if (getenv("COUNT"))
		count = strtoull(getenv("COUNT"), NULL, 10);
	return cmocka_run_group_tests_name("hostile handshakes", tests, NULL, NULL);
}

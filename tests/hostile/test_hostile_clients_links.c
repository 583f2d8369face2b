/*
 * test_hostile_clients_links.c - a liar with a grant: what it writes to its link, and what it does to what it was given. Timeout: 120
 *
 * And who dies or stops in the wrong moment. See support/intruder.h.
 */
#include "tests/hostile/support/intruder.h"

#include "topic/topic_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/process.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* ---- attacks: after the grant ---------------------------------------------------------------------------------- */

static void descriptors_after_the_grant(void)
{
	struct liar_grant *g = hold_grant(true);

	assert_int_equal(liar_send(g->fd, "z", 1, g->data.fd, 253), 0);
}

static void grants_that_nobody_reads(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int i, fd;

	for (i = 0; i < 10; i++) {
		fd = knock();
		assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
		hold(fd);
	}
}

static void words_after_the_grant(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX], answer[1];
	uint32_t size = hello(bytes);
	int i, fds[PLX_GRANT_FDS];

	for (i = 0; i < 4; i++) {
		struct liar_grant *g = hold_grant(true);

		assert_int_equal(liar_send(g->fd, bytes,
					   i == 0   ? 1
					   : i == 1 ? size
					   : i == 2 ? 0
						    : 512,
					   -1, 0),
				 0);
		assert_true(WITHIN(3000, liar_recv(g->fd, answer, 1, fds, 0) == 0));
	}
}

static void every_seat_taken(void)
{
	struct liar_grant one_more;
	unsigned int i;

	for (i = 0; i < INTRUDER_SEATS - INTRUDER_HONEST; i++)
		hold_grant(true);
	assert_int_equal(liar_join(&one_more, &crowd.place, true), -EUSERS);
	liar_leave(&intruder.grants[--intruder.grant_count]); /* the newcomer's */
	assert_true(WITHIN(3000, maps_of(crowd.publisher, "memfd:plx:link") < (int)INTRUDER_SEATS));
}

static void one_that_never_reads_holds_everybody_up(void)
{
	struct liar_grant *g = hold_grant(false);
	unsigned char byte = 0;
	int fds[PLX_GRANT_FDS];

	/* until the publisher lets it go, and says why */
	while (byte == 0)
		assert_int_equal(liar_recv(g->fd, &byte, 1, fds, 5000), 1);
	assert_int_equal(byte, ETIMEDOUT);
}

static struct plx_link *link_of(const struct liar_grant *g)
{
	return plx_segment_block(&g->link, PLX_LINK_BLOCK_LINK, NULL);
}

static uint64_t *pins_of(const struct liar_grant *g, uint64_t *words)
{
	uint64_t *pins = plx_segment_block(&g->link, PLX_LINK_BLOCK_PINS, words);

	*words /= 8;
	return pins;
}

/* It shows a value no honest reader can have; it is let go when the publisher looks, which it does when it needs room. */
static void a_cursor_from_the_future(void)
{
	static const uint64_t lies[] = { UINT64_MAX, UINT64_MAX / 2, 1000000000, PLX_POSITION_MAX };
	size_t i;

	for (i = 0; i < COUNT_OF(lies); i++)
		WRITE(link_of(hold_grant(i % 2))->cursor, lies[i]);
	sleep_ms(300);
}

static void a_cursor_from_the_past(void)
{
	struct liar_grant *g = hold_grant(true);

	WRITE(link_of(g)->cursor, g->grant.start - 1);
	sleep_ms(50);
	WRITE(link_of(g)->cursor, 0);
	sleep_ms(50);
}

static void cursors_flip(void)
{
	struct plx_link *lossy = link_of(&intruder.grants[0]), *reliable = link_of(&intruder.grants[1]);
	uint64_t published = READ(crowd.board->published);

	WRITE(lossy->cursor, noise(&intruder.noise));
	WRITE(reliable->cursor, published);
	WRITE(lossy->cursor, published - noise(&intruder.noise) % 300);
	WRITE(reliable->cursor, published - noise(&intruder.noise) % 300);
}

static void cursors_that_flip(void)
{
	hold_grant(true);
	hold_grant(false);
	hold_flipper(cursors_flip);
	sleep_ms(300);
}

static void every_slot_pinned(void)
{
	struct liar_grant *g = hold_grant(true);
	uint64_t words, i, *pins = pins_of(g, &words);

	for (i = 0; i < words; i++)
		WRITE(pins[i], UINT64_MAX);
	sleep_ms(300); /* more messages with slots than there are slots */
}

static void every_slot_pinned_by_all(void)
{
	uint64_t words, i, *pins;
	int k;

	for (k = 0; k < 8; k++) {
		pins = pins_of(hold_grant(k % 2), &words);
		for (i = 0; i < words; i++)
			WRITE(pins[i], noise(&intruder.noise) | noise(&intruder.noise));
	}
	sleep_ms(300);
}

static void pins_flip(void)
{
	uint64_t words, *pins = pins_of(&intruder.grants[0], &words);

	WRITE(pins[noise(&intruder.noise) % words], noise(&intruder.noise));
}

static void pins_that_flip(void)
{
	hold_grant(true);
	hold_flipper(pins_flip);
	sleep_ms(300);
}

/* Asleep, says its link, and each time another sleep: a wake byte for each message, and nobody reads them. */
static void sleep_flips(void)
{
	struct plx_link *link = link_of(&intruder.grants[0]);

	WRITE(link->sleep, ((READ(link->sleep) + 4) & ~PLX_SLEEP_BITS) | PLX_SLEEP_ASLEEP);
}

static void wakes_that_nobody_reads(void)
{
	hold_grant(true);
	hold_flipper(sleep_flips);
	sleep_ms(500);
}

/* The same with the alarm, and in between neither or both. */
static void sleep_changes(void)
{
	struct plx_link *link = link_of(&intruder.grants[0]);

	WRITE(link->sleep, READ(link->sleep) + 1);
}

static void alarms_that_nobody_hears(void)
{
	hold_grant(true);
	hold_flipper(sleep_changes);
	sleep_ms(500);
}

static void bell_rings(void)
{
	struct plx_link *link = link_of(&intruder.grants[0]);

	__atomic_fetch_add(&link->bell, 1, __ATOMIC_RELAXED);
	plx_futex_wake(&link->bell, 1);
}

static void a_bell_that_never_stops(void)
{
	hold_grant(false); /* which the publisher waits for */
	hold_flipper(bell_rings);
	sleep_ms(300);
}

static void scribble(void)
{
	const struct plx_segment *seg = &intruder.grants[0].link;
	uint64_t *words = seg->base;

	WRITE(words[noise(&intruder.noise) % (seg->size / 8)], noise(&intruder.noise));
}

static void noise_all_over_the_link(void)
{
	hold_grant(true);
	hold_flipper(scribble);
	sleep_ms(300);
}

static void noise_all_over_the_link_of_a_reliable_one(void)
{
	hold_grant(false);
	hold_flipper(scribble);
	sleep_ms(300);
}

static void zeroes_all_over_the_link(void)
{
	struct liar_grant *g = hold_grant(false);

	memset(g->link.base, 0, g->link.size);
	sleep_ms(50);
}

/* The size is sealed; what is punched out comes back as zeroes. */
static void a_link_cut_off(void)
{
	struct liar_grant *g = hold_grant(true);
	int fd = g->link.fd;

	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)g->link.size * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)g->link.size);
	sleep_ms(50);
}

/* Every way to write to what all others read. */
static void writing_to_the_data(void)
{
	struct liar_grant *g = hold_grant(true);
	int fd = g->data.fd, again;
	char path[64];
	void *map;

	assert_true(mmap(NULL, g->data.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_int_equal(mprotect(g->data.base, g->data.size, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC); /* root may; others find mode 0400 */
	if (again >= 0) {
		map = mmap(NULL, g->data.size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
		assert_true(map == MAP_FAILED);
		assert_int_equal(pwrite(again, "x", 1, 0), -1);
		assert_int_equal(ftruncate(again, 0), -1);
		close(again);
	}
}

/* The description of the file is the same for all subscribers: what can be changed of it must not matter. */
static void odd_settings_of_the_descriptors(void)
{
	struct liar_grant *g = hold_grant(true);
	int zero = 0, one = 1;

	fcntl(g->data.fd, F_SETFL, O_NONBLOCK | O_ASYNC | O_APPEND);
	fcntl(g->data.fd, F_SETOWN, crowd.publisher);
	lseek(g->data.fd, 12345, SEEK_SET);
	fcntl(g->fd, F_SETFL, 0);
	setsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &zero, sizeof(zero));
	setsockopt(g->fd, SOL_SOCKET, SO_SNDBUF, &zero, sizeof(zero));
	setsockopt(g->fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	sleep_ms(50);
}

/* ---- attacks: dying in the wrong moment ------------------------------------------------------------------------ */

static int stage; /* how far the helper goes before it stops for good */

static void come_so_far(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	struct liar_grant g;
	int fd;

	if (stage == 2) {
		if (liar_join(&g, &crowd.place, true) == 0)
			pause();
		return;
	}
	fd = liar_connect(&crowd.place, 0);
	if (stage == 1)
		(void)!liar_send(fd, bytes, size, -1, 0);
}

static void killed_at_every_stage(void)
{
	int i;

	for (stage = 0; stage < 3; stage++) {
		for (i = 0; i < 5; i++) {
			hold_helper(come_so_far);
			sleep_ms((unsigned int)i);
			drop_helper(true);
		}
	}
}

static void stopped_at_every_stage(void)
{
	for (stage = 0; stage < 3; stage++)
		kill(hold_helper(come_so_far), SIGSTOP);
	for (stage = 0; stage < 3; stage++)
		hold_helper(come_so_far);
	sleep_ms(20);
	for (stage = 3; stage < 6; stage++)
		kill(intruder.helpers[stage], SIGSTOP);
	sleep_ms(50);
}

/* The process that connected dies; the one it forked keeps the socket open. */
static void fork_and_die(void)
{
	struct liar_grant g;

	if (liar_join(&g, &crowd.place, false) == 0 && fork() == 0) {
		sleep_ms(1500);
		_exit(0);
	}
	_exit(0);
}

static void an_heir_keeps_the_connection_open(void)
{
	hold_helper(fork_and_die);
	drop_helper(false);
	/* and it reads nothing, though it said it would: the publisher is told of the death, and does not wait */
	assert_true(WITHIN(1000, maps_of(crowd.publisher, "memfd:plx:link") == crowd.links));
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(descriptors_after_the_grant),
	ATTACK(grants_that_nobody_reads),
	ATTACK(words_after_the_grant),
	ATTACK(every_seat_taken),
	ATTACK(one_that_never_reads_holds_everybody_up),
	ATTACK(a_cursor_from_the_future),
	ATTACK(a_cursor_from_the_past),
	ATTACK(cursors_that_flip),
	ATTACK(every_slot_pinned),
	ATTACK(every_slot_pinned_by_all),
	ATTACK(pins_that_flip),
	ATTACK(wakes_that_nobody_reads),
	ATTACK(alarms_that_nobody_hears),
	ATTACK(a_bell_that_never_stops),
	ATTACK(noise_all_over_the_link),
	ATTACK(noise_all_over_the_link_of_a_reliable_one),
	ATTACK(zeroes_all_over_the_link),
	ATTACK(a_link_cut_off),
	ATTACK(writing_to_the_data),
	ATTACK(odd_settings_of_the_descriptors),
	ATTACK(killed_at_every_stage),
	ATTACK(stopped_at_every_stage),
	ATTACK(an_heir_keeps_the_connection_open),
};

int main(void)
{
	return INTRUDER_RUN("hostile clients: links", ATTACKS);
}

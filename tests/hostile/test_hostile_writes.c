/*
 * test_hostile_writes.c - a subscriber writes at random into everything it can write: its link. Timeout: 120
 *
 *	this process        the liar: joins, writes over all of its link as fast as it can, is let go, joins again
 *	its children         honest ones (tests/support/crowd.h): P, which reads the link; H0 and H1; newcomers
 *
 *	COUNT=1000000000 test_hostile_writes      so many writes (default: 20 million, 2 million in instrumented builds)
 *
 * Only writes into a link that is connected are counted. They are of 1 to 8 bytes; some are noise, some are nearly right, which is worse:
 * a position a little before or behind the head, few pins, a sleep. Meanwhile shmctl looks on, whatever it makes of the link.
 */
#include "tests/support/crowd.h"

#include "topic/topic_layout.h"

#include <plx/process.h>
#include <poll.h>

#define BURST 4096                               /* writes between two looks whether we are connected */
#define STAY  (2000000 + noise(&seed) % 8000000) /* writes over one link, if nobody minds */

static uint64_t count = LONG_LOOP(20000000), seed = 0x9e3779b97f4a7c15;
static int start(void **state)
{
	(void)state;
	if (getenv("COUNT"))
		count = strtoull(getenv("COUNT"), NULL, 10);
	crowd_open(&crowd, &(struct crowd_setup){ .topic = "hostile/writes" });
	return 0;
}

static int end(void **state)
{
	(void)state;
	crowd_close(&crowd);
	return 0;
}

/* A value that is noise, or nearly right. */
static uint64_t value(uint64_t r, uint64_t head)
{
	switch (r >> 60) {
	case 0:
	case 1: return head - (r >> 8 & 0x1ff);
	case 2: return head + (r >> 8 & 3);
	case 3: return UINT64_C(1) << (r >> 8 & 63);
	case 4: return 0;
	case 5: return UINT64_MAX;
	case 6: return r >> 40 | 1;
	default: return r * UINT64_C(0x2545f4914f6cdd1d);
	}
}

/* @n writes all over the link, each one different; most often where somebody looks. */
static void scribble(unsigned char *base, uint64_t size, const uint64_t *head, uint64_t cursor_at,
		     uint64_t pins_at, uint64_t n)
{
	while (n-- > 0) {
		uint64_t r = noise(&seed), at, v = value(r, __atomic_load_n(head, __ATOMIC_RELAXED));

		switch (r & 7) {
		case 0: at = cursor_at; break;
		case 1: at = cursor_at + (r >> 8) % 192; break;
		case 2: at = pins_at + (r >> 8) % 64; break;
		default: at = (r >> 16) % size; break;
		}
		switch (r >> 4 & 3) {
		case 0: __atomic_store_n(base + at, (unsigned char)v, __ATOMIC_RELAXED); break;
		case 1:
			__atomic_store_n((uint32_t *)(void *)(base + (at & ~UINT64_C(3))), (uint32_t)v,
					 __ATOMIC_RELAXED);
			break;
		default:
			__atomic_store_n((uint64_t *)(void *)(base + (at & ~UINT64_C(7))), v,
					 __ATOMIC_RELAXED);
			break;
		}
	}
}

/* Wake bytes are taken; the end, or being let go, is the end. */
static bool connected(int fd)
{
	unsigned char bytes[16];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int fds[PLX_GRANT_FDS];

	while (poll(&p, 1, 0) > 0) {
		if (liar_recv(fd, bytes, sizeof(bytes), fds, 0) != 1 || bytes[0] != PLX_WAKE_LOOK)
			return false;
	}
	return true;
}

/* One connection's worth of writes; at most @most. Returns their number. */
static uint64_t lie(bool lossy, uint64_t most)
{
	struct liar_grant g;
	unsigned char *base;
	uint64_t done = 0, stay = STAY, cursor_at, pins_at;
	const struct plx_topic_head *head;
	int tries;

	for (tries = 0; liar_join(&g, &crowd.place, lossy) < 0; tries++) {
		assert_true(tries < 2000);
		sleep_ms(1);
	}
	base = g.link.base;
	head = plx_segment_block(&g.data, PLX_TOPIC_BLOCK_HEAD, NULL);
	cursor_at = (uint64_t)((unsigned char *)plx_segment_block(&g.link, PLX_LINK_BLOCK_LINK, NULL) -
			       base) +
		    offsetof(struct plx_link, cursor);
	pins_at = (uint64_t)((unsigned char *)plx_segment_block(&g.link, PLX_LINK_BLOCK_PINS, NULL) - base);
	while (done < most && done < stay && connected(g.fd)) {
		scribble(base, g.link.size, &head->head, cursor_at, pins_at, BURST);
		done += BURST;
	}
	liar_leave(&g);
	return done;
}

static void random_writes_harm_nobody(void **state)
{
	uint64_t done = 0, joins = 0, look_ns = plx_now_ns(), began, from, before_p50, before_p99, p50, p99,
		 published;
	const struct crowd_board *board = crowd.board;

	(void)state;
	crowd_newcomers(&crowd);
	before_p50 = crowd_times(&crowd, 0, &before_p99);
	from = READ(board->connects);
	published = READ(board->published);
	began = plx_now_ns();
	while (done < count) {
		done += lie(joins % 2, count - done);
		joins++;
		if (plx_now_ns() - look_ns > 1000000000) {
			crowd_is_well(&crowd);
			crowd_is_looked_at(&crowd);
			look_ns = plx_now_ns();
		}
	}
	assert_true(WITHIN(20000, READ(board->connects) > from));
	p50 = crowd_times(&crowd, from, &p99);
	print_message("note: %llu writes over %llu links in %llu s beside %llu messages (lossy reader lost "
		      "%llu); longest publish %llu us\n",
		      (unsigned long long)done, (unsigned long long)joins,
		      (unsigned long long)((plx_now_ns() - began) / 1000000000),
		      (unsigned long long)(READ(board->published) - published),
		      (unsigned long long)READ(board->lost),
		      (unsigned long long)(READ(board->longest_ns) / 1000));
	print_message("note: honest connect p50 / p99: before %llu / %llu us, meanwhile %llu / %llu us (%llu "
		      "of them)\n",
		      (unsigned long long)(before_p50 / 1000), (unsigned long long)(before_p99 / 1000),
		      (unsigned long long)(p50 / 1000), (unsigned long long)(p99 / 1000),
		      (unsigned long long)(READ(board->connects) - from));
	crowd_is_looked_at(&crowd);
	/* a busy machine makes everything slower, but a newcomer is never starved */
	assert_true(p50 < before_p50 * 10 + 20000000);
	crowd_ends_well(&crowd);
	assert_int_equal(count_maps("memfd:plx"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_writes_harm_nobody),
	};

	return cmocka_run_group_tests_name("hostile writes", tests, start, end);
}

/* test_channel.c - what a channel says of itself is believed by nobody: lies are refused, and found; doors that stay shut are survived. */
#include <plx/select.h>

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape shapes[] = {
	{ .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 30 },
	{ .kind = PLX_CHANNEL_MPSC, .size = 24, .count = 20, .senders = 3 },
	{ .kind = PLX_CHANNEL_MPMC, .size = 8, .count = 20, .senders = 2, .receivers = 2 },
	{ .kind = PLX_CHANNEL_RING, .size = 40, .count = 20 },
	{ .kind = PLX_CHANNEL_POST, .size = 48, .count = 20, .senders = 2 },
	{ .kind = PLX_CHANNEL_PRIORITY, .size = 16, .count = 10, .senders = 2 },
};

/* Put a few elements through it, leave some in it; both ends leave. */
static void use(void *at, uint64_t room, uint32_t kind)
{
	unsigned char element[64] = "element";
	struct plx_envelope envelope;
	static struct plx_mpsc_receiver mpsc;
	static struct plx_post_receiver post_rx;
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	struct plx_mpmc_sender mtx;
	struct plx_mpmc_receiver mrx;
	struct plx_ring_sender rtx;
	struct plx_ring_receiver rrx;
	struct plx_post_sender ptx;

	switch (kind) {
	case PLX_CHANNEL_SPSC:
		assert_int_equal(plx_spsc_sender_open(&tx, at, room, 0), 0);
		assert_int_equal(plx_spsc_receiver_open(&rx, at, room), 0);
		for (int i = 0; i < 200; i++)
			if (plx_spsc_try_send(&tx, element) && i < 190)
				assert_true(plx_spsc_try_recv(&rx, element));
		plx_spsc_sender_leave(&tx);
		plx_spsc_receiver_leave(&rx);
		break;
	case PLX_CHANNEL_MPSC:
		assert_int_equal(plx_mpsc_sender_open(&tx, at, room, 0), 0);
		assert_int_equal(plx_mpsc_receiver_open(&mpsc, at, room), 0);
		for (int i = 0; i < 200; i++)
			if (plx_spsc_try_send(&tx, element) && i < 190)
				assert_true(plx_mpsc_try_recv(&mpsc, element));
		plx_mpsc_sender_leave(&tx);
		plx_mpsc_receiver_leave(&mpsc);
		break;
	case PLX_CHANNEL_MPMC:
		assert_int_equal(plx_mpmc_sender_open(&mtx, at, room, 0), 0);
		assert_int_equal(plx_mpmc_receiver_open(&mrx, at, room), 0);
		for (int i = 0; i < 200; i++)
			if (plx_mpmc_try_send(&mtx, element) && i < 190)
				assert_true(plx_mpmc_try_recv(&mrx, element));
		plx_mpmc_sender_leave(&mtx);
		plx_mpmc_receiver_leave(&mrx);
		break;
	case PLX_CHANNEL_RING:
		assert_int_equal(plx_ring_sender_open(&rtx, at, room, 0), 0);
		assert_int_equal(plx_ring_receiver_open(&rrx, at, room), 0);
		for (int i = 0; i < 200; i++)
			if (plx_ring_try_send(&rtx, element) && i < 190)
				assert_true(plx_ring_try_recv(&rrx, element));
		plx_ring_sender_leave(&rtx);
		plx_ring_receiver_leave(&rrx);
		break;
	default:
		assert_int_equal(plx_post_sender_open(&ptx, at, room, 0), 0);
		assert_int_equal(plx_post_receiver_open(&post_rx, at, room), 0);
		for (int i = 0; i < 200; i++)
			if (plx_post_try_send(&ptx, 1, 2, element, 16) && i < 190)
				assert_true(plx_post_try_recv(&post_rx, &envelope, element));
		plx_post_sender_leave(&ptx);
		plx_post_receiver_leave(&post_rx);
		break;
	}
}

/* Each number of the first line, changed in each bit: refused by all who attach and by the checker. */
static void a_header_that_lies_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(shapes); k++) {
		struct made m = make(shapes[k]);
		unsigned char *bytes = m.at;
		const char *why;

		for (uint32_t bit = 0; bit < 56 * 8; bit++) { /* all but the time */
			struct plx_channel_info info;
			struct plx_spsc_sender tx;

			bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
			/* a size or a count that comes to the same cells is another, but no less sound one */
			if ((bit / 32 == 2 || bit / 32 == 8) && plx_channel_check(m.at, m.room, &why) == 0) {
				bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
				continue;
			}
			assert_int_equal(plx_channel_check(m.at, m.room, &why), -EBADMSG);
			assert_true(plx_channel_info(m.at, m.room, &info) < 0);
			assert_true(plx_spsc_sender_open(&tx, m.at, m.room, 0) < 0);
			bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		check(&m);
		drop(&m);
	}
}

static void an_end_of_another_kind_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(shapes); k++) {
		struct made m = make(shapes[k]);
		static struct plx_mpsc_receiver mpsc;
		static struct plx_post_receiver post;
		struct plx_spsc_sender spsc;
		struct plx_ring_receiver ring;
		struct plx_mpmc_sender mpmc;
		uint32_t kind = shapes[k].kind;

		assert_int_equal(plx_spsc_sender_open(&spsc, m.at, m.room, 0),
				 kind == PLX_CHANNEL_SPSC ? 0 : -EPROTO);
		assert_int_equal(plx_mpsc_receiver_open(&mpsc, m.at, m.room),
				 kind == PLX_CHANNEL_MPSC ? 0 : -EPROTO);
		assert_int_equal(plx_mpmc_sender_open(&mpmc, m.at, m.room, 0),
				 kind == PLX_CHANNEL_MPMC ? 0 : -EPROTO);
		assert_int_equal(plx_ring_receiver_open(&ring, m.at, m.room),
				 kind == PLX_CHANNEL_RING ? 0 : -EPROTO);
		assert_int_equal(plx_post_receiver_open(&post, m.at, m.room),
				 kind == PLX_CHANNEL_POST || kind == PLX_CHANNEL_PRIORITY ? 0 : -EPROTO);
		drop(&m);
	}
}

/* The checker, asked of anything: it answers. Whatever it was, it is made again from good bytes each time. */
static void the_checker_answers_whatever_it_is_shown(void **state)
{
	unsigned int seed = 3;
	uint64_t found = 0;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(shapes); k++) {
		uint64_t room = plx_channel_bytes(&shapes[k]);
		unsigned char *good = aligned_alloc(64, room), *bad = aligned_alloc(64, room);

		assert_int_equal(plx_channel_init(good, room, &shapes[k]), 0);
		use(good, room, shapes[k].kind);
		assert_int_equal(plx_channel_check(good, room, NULL), 0);
		for (int i = 0; i < LONG_LOOP(20000); i++) {
			const char *why = NULL;
			int n = 1 + rand_r(&seed) % 4;

			memcpy(bad, good, room);
			while (n--) {
				uint64_t at = (uint64_t)rand_r(&seed) %
					      (rand_r(&seed) % 2 ? room : 1600 % room);

				bad[at] = (unsigned char)rand_r(&seed);
			}
			if (plx_channel_check(bad, room, &why) < 0) {
				assert_non_null(why);
				found++;
			}
			assert_int_equal(plx_channel_check(bad, room - 64, &why), -EBADMSG);
		}
		free(good);
		free(bad);
	}
	assert_true(found > 1000);
}

static void doors_that_stay_shut_are_survived(void **state)
{
	struct plx_segment seg;
	void *at;
	int fds, n, ret;

	(void)state;
	plx_segment_close(&(struct plx_segment){ .fd = -1 });
	fds = count_open_fds();
	for (n = 0;; n++) {
		plx_fault_at = n;
		plx_fault_seen = 0;
		ret = plx_channel_create(&seg, "memfd", "plx:channel:doors", 0, &shapes[0], &at);
		plx_fault_at = -1;
		if (ret == 0)
			break;
		assert_null(at);
		assert_null(seg.base);
		assert_int_equal(count_open_fds(), fds);
	}
	assert_true(n > 3);
	plx_segment_close(&seg);
	assert_int_equal(count_open_fds(), fds);
}

/* No /proc, no pipe, no membarrier: ends are taken, elements pass, nobody alive is buried. */
static void ends_work_behind_doors_that_are_shut(void **state)
{
	static const char *const doors[] = { "open", "read", "pipe", "barrier", "futex_waitv", "futex_wait" };
	struct made m = make(shapes[0]);
	uint64_t value = 1;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(doors); i++) {
		struct plx_spsc_sender tx;
		struct plx_spsc_receiver rx;
		struct plx_choice choice;

		plx_fault_door = doors[i];
		for (int at = 0; at < 4; at++) {
			plx_fault_seen = 0;
			plx_fault_at = at;
			assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
			assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
			choice = plx_spsc_choice(&rx);
			assert_int_equal(plx_channel_bury(m.at, 0), 0);
			(void)!plx_select(&choice, 1, 0, 1000000);
			(void)!plx_spsc_recv(&rx, &value, 1000000);
			(void)!plx_end_fd(&rx.end);
			(void)plx_spsc_arm(&rx);
			assert_true(plx_spsc_try_send(&tx, &value));
			assert_int_equal(plx_spsc_recv(&rx, &value, SECONDS(5)), 0);
			plx_fault_at = -1;
			plx_spsc_sender_leave(&tx);
			plx_spsc_receiver_leave(&rx);
		}
		plx_fault_door = NULL;
	}
	drop(&m);
}

static void old_kernels_select_too(void **state)
{
	struct made m = make(shapes[0]);
	struct plx_spsc_receiver rx;
	struct plx_choice choice;

	(void)state;
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	choice = plx_spsc_choice(&rx);
	plx_fault_old = 1;
	assert_int_equal(plx_select(&choice, 1, 0, 20000000), -ETIMEDOUT);
	plx_fault_old = 0;
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void a_heap_and_a_file_hold_channels_too(void **state)
{
	char *directory = make_directory(), backend[300];
	struct plx_segment seg;
	uint64_t room;
	void *at;

	(void)state;
	assert_int_equal(plx_channel_create(&seg, "heap", "plx:channel:heap", 0, &shapes[0], &at), 0);
	use(at, plx_channel_bytes(&shapes[0]), PLX_CHANNEL_SPSC);
	plx_segment_close(&seg);
	snprintf(backend, sizeof(backend), "file:%s/channel", directory);
	assert_int_equal(plx_channel_create(&seg, backend, "plx:channel:file", 0, &shapes[3], &at), 0);
	use(at, plx_channel_bytes(&shapes[3]), PLX_CHANNEL_RING);
	plx_segment_close(&seg);
	/* and what was in it is still there */
	assert_int_equal(plx_segment_open_file(&seg, backend + 5, PLX_FILE_WRITE, NULL), 0);
	at = plx_channel_in(&seg, &room);
	assert_non_null(at);
	use(at, room, PLX_CHANNEL_RING);
	plx_segment_close(&seg);
	drop_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_lies_is_refused),
		cmocka_unit_test(an_end_of_another_kind_is_refused),
		cmocka_unit_test(the_checker_answers_whatever_it_is_shown),
		cmocka_unit_test(doors_that_stay_shut_are_survived),
		cmocka_unit_test(ends_work_behind_doors_that_are_shut),
		cmocka_unit_test(old_kernels_select_too),
		cmocka_unit_test(a_heap_and_a_file_hold_channels_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

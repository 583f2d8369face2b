/* test_spsc.c - one sender, one receiver, in one thread: all of it, in order, once; whoever closes or leaves. (test_spsc_two.c) */
#include <plx/process.h>
#include <plx/spsc.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape numbers = { .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 100 };

static void what_is_sent_is_received_in_order_in_every_size(void **state)
{
	static const uint32_t sizes[] = { 1,  3,  4,  7,  8,  12,  16,  24,  28,  29,
					  32, 48, 56, 57, 64, 100, 120, 128, 1000 };
	unsigned char out[1000], in[1000];

	(void)state;
	for (size_t s = 0; s < COUNT_OF(sizes); s++) {
		struct made m = make((struct plx_channel_shape){
			.kind = PLX_CHANNEL_SPSC, .size = sizes[s], .count = 50 });
		struct plx_spsc_sender tx;
		struct plx_spsc_receiver rx;
		uint32_t sent = 0, got = 0;

		assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
		assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
		for (int round = 0; round < 300; round++) {
			uint32_t n = 1 + (uint32_t)round * 7 % 60;

			for (uint32_t i = 0; i < n; i++) {
				memset(out, (int)(sent % 251), sizes[s]);
				if (!plx_spsc_try_send(&tx, out)) {
					assert_true(sent - got >= 50); /* as many as were promised */
					break;
				}
				sent++;
				check(&m);
			}
			for (uint32_t i = 0; i < n - n / 8; i++) {
				memset(in, 255, sizeof(in));
				if (!plx_spsc_try_recv(&rx, in)) {
					assert_int_equal(got, sent);
					break;
				}
				memset(out, (int)(got % 251), sizes[s]);
				assert_memory_equal(in, out, sizes[s]);
				got++;
				check(&m);
			}
		}
		assert_true(got > 1000);
		plx_spsc_sender_leave(&tx);
		plx_spsc_receiver_leave(&rx);
		drop(&m);
	}
}

static void batches_and_elements_in_place_mix(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t sent = 0, got = 0, many[70];

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t n = round * 13 % COUNT_OF(many), k;
		const uint64_t *there;
		uint64_t *room;

		if (round % 3 == 0) {
			for (uint32_t i = 0; i < n; i++)
				many[i] = sent + i;
			sent += plx_spsc_try_send_many(&tx, many, n);
		} else if ((room = plx_spsc_reserve(&tx, &k)) != NULL) {
			k = k > 3 ? 3 : k;
			for (uint32_t i = 0; i < k; i++)
				room[i] = sent++;
			plx_spsc_commit(&tx, k);
		}
		if (round % 4 == 0) {
			k = plx_spsc_try_recv_many(&rx, many, n);
			for (uint32_t i = 0; i < k; i++)
				assert_int_equal(many[i], got++);
		} else if ((there = plx_spsc_peek(&rx, &k)) != NULL) {
			for (uint32_t i = 0; i < k; i++)
				assert_int_equal(there[i], got++);
			plx_spsc_release(&rx, k);
		}
		check(&m);
	}
	assert_true(got > 5000);
	plx_spsc_sender_leave(&tx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void words_by_value_are_elements_like_others(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t sent = 0, got = 0, value;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	for (uint32_t round = 0; round < 2000; round++) {
		for (uint32_t i = 0; i < round % 13; i++, sent++)
			if (!(sent % 3 ? plx_spsc_try_send_word(&tx, sent) : plx_spsc_try_send(&tx, &sent)))
				break;
		for (; got < sent && (got + round) % 5; got++) {
			assert_true(plx_spsc_try_recv(&rx, &value));
			assert_int_equal(value, got);
		}
	}
	while (plx_spsc_try_send_word(&tx, sent))
		sent++;
	assert_int_equal(plx_spsc_send_word(&tx, 0, 0), -EAGAIN);
	for (; got < sent; got++)
		assert_true(plx_spsc_try_recv(&rx, &value) && value == got);
	plx_spsc_sender_close(&tx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void what_was_not_committed_was_not_sent_and_what_was_not_released_comes_again(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t *room, value;
	uint32_t k;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	room = plx_spsc_reserve(&tx, &k);
	assert_non_null(room);
	assert_int_equal(k, 7);
	room[0] = 1, room[1] = 2, room[2] = 3;
	assert_null(plx_spsc_peek(&rx, &k));
	plx_spsc_commit(&tx, 2);
	assert_non_null(plx_spsc_peek(&rx, &k));
	assert_int_equal(k, 2);
	plx_spsc_release(&rx, 1);
	assert_non_null(plx_spsc_peek(&rx, &k));
	/* both ends leave in the middle of it */
	plx_spsc_sender_leave(&tx);
	plx_spsc_receiver_leave(&rx);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	value = 4;
	assert_true(plx_spsc_try_send(&tx, &value));
	assert_true(plx_spsc_try_recv(&rx, &value));
	assert_int_equal(value, 2);
	assert_true(plx_spsc_try_recv(&rx, &value));
	assert_int_equal(value, 4);
	assert_false(plx_spsc_try_recv(&rx, &value));
	plx_spsc_sender_leave(&tx);
	plx_spsc_sender_leave(&tx); /* twice */
	plx_spsc_receiver_leave(&rx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void an_end_has_one_holder(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx, other;
	struct plx_spsc_receiver rx, second;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_sender_open(&other, m.at, m.room, 0), -EBUSY);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_spsc_receiver_open(&second, m.at, m.room), -EBUSY);
	plx_spsc_sender_leave(&tx);
	assert_int_equal(plx_spsc_sender_open(&other, m.at, m.room, 0), 0);
	plx_spsc_sender_leave(&tx); /* the old view does not disturb the new one */
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), -EBUSY);
	plx_spsc_sender_close(&other);
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), -ESHUTDOWN);
	plx_spsc_receiver_close(&rx);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), -EPIPE);
	drop(&m);
}

static void a_closed_channel_is_drained_and_then_ends(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t value;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_spsc_recv(&rx, &value, 0), -EAGAIN);
	assert_int_equal(plx_spsc_recv(&rx, &value, 1000), -ETIMEDOUT);
	for (value = 0; value < 10; value++)
		assert_int_equal(plx_spsc_send(&tx, &value, 0), 0);
	plx_spsc_sender_close(&tx);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), 0);
		assert_int_equal(value, i);
	}
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), -ESHUTDOWN);
	assert_int_equal(plx_spsc_recv_many(&rx, &value, 1, FOREVER), -ESHUTDOWN);
	plx_spsc_receiver_close(&rx);
	drop(&m);
}

static void a_stranger_closes_and_nothing_that_was_accepted_is_lost(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t value = 1;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_spsc_send(&tx, &value, 0), 0);
	plx_channel_close(m.at);
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), 0);
	assert_int_equal(plx_spsc_recv(&rx, &value, 1000), -ETIMEDOUT); /* one more may come */
	value = 2;
	assert_true(plx_spsc_try_send(&tx, &value)); /* accepted */
	assert_false(plx_spsc_try_send(&tx, &value));
	assert_int_equal(plx_spsc_send(&tx, &value, FOREVER), -ESHUTDOWN);
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), 0);
	assert_int_equal(value, 2);
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), -ESHUTDOWN);
	plx_spsc_sender_leave(&tx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void a_sender_whose_receiver_closed_is_told(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t value = 1;
	int ret = 0;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	plx_spsc_receiver_close(&rx);
	for (int i = 0; i < 3 && ret == 0; i++)
		ret = plx_spsc_send(&tx, &value, FOREVER);
	assert_int_equal(ret, -EPIPE);
	plx_spsc_sender_close(&tx);
	drop(&m);
}

static void a_full_channel_says_so_and_counts_it(void **state)
{
	struct made m = make(numbers);
	struct plx_channel_info info;
	struct plx_spsc_sender tx;
	uint64_t value = 0;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 7), 0);
	while (plx_spsc_try_send(&tx, &value))
		value++;
	assert_true(value >= numbers.count);
	assert_int_equal(plx_spsc_send(&tx, &value, 0), -EAGAIN);
	assert_int_equal(plx_spsc_send(&tx, &value, 100000), -ETIMEDOUT);
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.sent, value);
	assert_int_equal(info.stats.received, 0);
	assert_int_equal(info.stats.full, 2);
	assert_true(info.stats.parked >= 1);
	assert_int_equal(info.senders, 1);
	assert_int_equal(info.receivers, 0);
	assert_int_equal(info.shape.size, 8);
	assert_false(info.closed);
	plx_spsc_sender_leave(&tx);
	drop(&m);
}

static void a_channel_lies_anywhere_in_a_segment(void **state)
{
	uint64_t one = plx_channel_bytes(&numbers), room = 3 * one + 64;
	unsigned char *memory = aligned_alloc(64, room);
	struct plx_spsc_sender tx[3];
	struct plx_spsc_receiver rx[3];

	(void)state;
	assert_non_null(memory);
	assert_int_equal(one % 64, 0);
	memset(memory, 0xee, room);
	assert_int_equal(plx_channel_init(memory + 1, room, &numbers), -EINVAL);
	assert_int_equal(plx_channel_init(memory, one - 1, &numbers), -ENOSPC);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(plx_spsc_sender_open(&tx[i], memory + i * one, one, 0), -EPROTO);
		assert_int_equal(plx_channel_init(memory + i * one, one, &numbers), 0);
		assert_int_equal(plx_spsc_sender_open(&tx[i], memory + i * one, one - 64, 0), -ERANGE);
		assert_int_equal(plx_spsc_sender_open(&tx[i], memory + i * one, one, 0), 0);
		assert_int_equal(plx_spsc_receiver_open(&rx[i], memory + i * one, one), 0);
	}
	assert_int_equal(memory[3 * one], 0xee);
	for (uint64_t value = 0; value < 3000; value++)
		assert_true(plx_spsc_try_send(&tx[value % 3], &value) || value > 300);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t value;

		for (uint64_t k = i; k < 300; k += 3) {
			assert_true(plx_spsc_try_recv(&rx[i], &value));
			assert_int_equal(value, k);
		}
	}
	free(memory);
}

static void shapes_that_are_none_are_refused(void **state)
{
	static const struct plx_channel_shape bad[] = {
		{ .kind = 0, .size = 8 },
		{ .kind = 99, .size = 8 },
		{ .kind = PLX_CHANNEL_SPSC, .size = 0 },
		{ .kind = PLX_CHANNEL_SPSC, .size = PLX_CHANNEL_SIZE_MAX + 1 },
		{ .kind = PLX_CHANNEL_SPSC, .size = 8, .count = PLX_CHANNEL_COUNT_MAX + 1 },
		{ .kind = PLX_CHANNEL_SPSC, .size = 8, .senders = 2 },
		{ .kind = PLX_CHANNEL_SPSC, .size = 8, .receivers = 2 },
		{ .kind = PLX_CHANNEL_MPSC, .size = 8, .receivers = 2 },
		{ .kind = PLX_CHANNEL_MPSC, .size = 8, .senders = PLX_CHANNEL_SEATS_MAX + 1 },
	};
	struct plx_segment seg;
	void *at;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(plx_channel_bytes(&bad[i]), 0);
		assert_int_equal(plx_channel_create(&seg, "heap", "x", 0, &bad[i], &at), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_received_in_order_in_every_size),
		cmocka_unit_test(batches_and_elements_in_place_mix),
		cmocka_unit_test(words_by_value_are_elements_like_others),
		cmocka_unit_test(what_was_not_committed_was_not_sent_and_what_was_not_released_comes_again),
		cmocka_unit_test(an_end_has_one_holder),
		cmocka_unit_test(a_closed_channel_is_drained_and_then_ends),
		cmocka_unit_test(a_stranger_closes_and_nothing_that_was_accepted_is_lost),
		cmocka_unit_test(a_sender_whose_receiver_closed_is_told),
		cmocka_unit_test(a_full_channel_says_so_and_counts_it),
		cmocka_unit_test(a_channel_lies_anywhere_in_a_segment),
		cmocka_unit_test(shapes_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

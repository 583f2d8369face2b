/* test_topic.c - publishers and subscribers as processes, with real memfds and sockets: everything arrives, in order. */
#include "pair.h"

#include <poll.h>

#define MESSAGES LONG_LOOP(20000)

/* ---- reliable ------------------------------------------------------------------------------------- */

struct reading {
	struct plx_subscriber_options opt;
	uint64_t size_max, count;
	unsigned int pause_every, pause_us;
};

static int read_stream(void *arg)
{
	const struct reading *r = arg;
	struct stream s = { .seed = 1, .size_max = r->size_max };
	struct plx_subscriber *sub = subscriber(r->opt);
	struct plx_buffer b;
	int ret;

	while ((ret = take(sub, &b)) == 1) {
		CHECK(stream_matches(&s, &b));
		if (r->pause_every && s.number % r->pause_every == 0)
			usleep(r->pause_us);
		plx_buffer_release(&b);
	}
	CHECK(ret == -ESHUTDOWN);
	CHECK(s.number == r->count);
	CHECK(plx_subscriber_ended(sub).messages == r->count);
	CHECK(plx_subscriber_ended(sub).reason == -ESHUTDOWN);
	plx_subscriber_close(sub);
	return 0;
}

static void stream_to(struct plx_publisher_options opt, struct reading *readings, int n, uint64_t count)
{
	struct stream s = { .seed = 1, .size_max = opt.slot_size };
	struct plx_publisher *pub;
	struct plx_publisher_stats stats;
	pid_t kids[8];

	for (int i = 0; i < n; i++) {
		readings[i].size_max = opt.slot_size;
		readings[i].count = count;
		kids[i] = start(read_stream, &readings[i]);
	}
	pub = publisher(opt);
	assert_int_equal(plx_publisher_wait_subscribers(pub, (uint32_t)n, 10 * SECOND), 0);
	while (s.number < count)
		assert_int_equal(stream_publish(&s, pub), 0);
	plx_publisher_end(pub, 0);
	assert_int_equal(plx_publisher_drain(pub, 20 * SECOND), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(finish(kids[i]), 0);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 0, SECOND), 0);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.published, count);
	assert_int_equal(stats.joined, n);
	plx_publisher_close(pub);
}

static void three_subscribers_of_different_speed_get_every_message_in_order(void **state)
{
	struct reading readings[] = {
		{ .pause_every = 0 },
		{ .pause_every = 1000, .pause_us = 1000 },
		{ .opt = { .polling = true }, .pause_every = 5000, .pause_us = 5000 },
	};

	(void)state;
	stream_to((struct plx_publisher_options){ .slot_size = 2000, .depth = 64 }, readings, 3, MESSAGES);
}

static void a_log_of_two_and_a_single_slot_are_enough(void **state)
{
	struct reading readings[2] = { { .pause_every = 0 }, { .pause_every = 500, .pause_us = 100 } };

	(void)state;
	stream_to((struct plx_publisher_options){ .slot_size = 200, .depth = 2, .slots = 1 }, readings, 2,
		  MESSAGES / 20);
}

static void large_messages_pass_too(void **state)
{
	struct reading readings[1] = { { .pause_every = 0 } };

	(void)state;
	stream_to((struct plx_publisher_options){ .slot_size = 16u << 20, .depth = 4, .slots = 3 }, readings,
		  1, 20);
}

static void a_subscriber_without_spinning_sleeps_and_is_woken(void **state)
{
	struct reading readings[2] = { { .opt = { .spin_ns = 1 } }, { .opt = { .spin_ns = UINT32_MAX } } };

	(void)state;
	stream_to((struct plx_publisher_options){ .slot_size = 100, .depth = 16 }, readings, 2, MESSAGES / 4);
}

/* ---- any start order, N x M ----------------------------------------------------------------------------- */

struct crossing {
	int publishers;
	uint64_t count;
	int number;
	unsigned int delay_ms;
};

static int publish_numbers(void *arg)
{
	const struct crossing *c = arg;
	struct plx_publisher *pub;

	sleep_ms(c->delay_ms);
	pub = publisher((struct plx_publisher_options){ .depth = 32, .slot_size = 64 });
	CHECK(plx_publisher_wait_subscribers(pub, 2, 10 * SECOND) == 0);
	for (uint64_t i = 0; i < c->count; i++) {
		uint64_t words[8] = { (uint64_t)c->number, i };

		CHECK(plx_publisher_send(pub, words, i % 2 ? 16 : 64) == 0);
	}
	plx_publisher_end(pub, 0);
	CHECK(plx_publisher_drain(pub, 10 * SECOND) == 0);
	plx_publisher_close(pub);
	return 0;
}

static int take_numbers(void *arg)
{
	const struct crossing *c = arg;
	struct plx_subscriber *sub;
	uint64_t next[4] = { 0 }, words[2];
	struct plx_buffer b;
	int ends = 0, ret;

	sleep_ms(c->delay_ms);
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	while (ends < c->publishers) {
		ret = take(sub, &b);
		if (ret == -ESHUTDOWN) {
			CHECK(plx_subscriber_ended(sub).messages == c->count);
			ends++;
			continue;
		}
		CHECK(ret == 1);
		memcpy(words, b.data, sizeof(words));
		CHECK(words[0] < 4);
		CHECK(words[1] == next[words[0]]);
		next[words[0]]++;
		plx_buffer_release(&b);
	}
	for (int i = 0; i < c->publishers; i++)
		CHECK(next[i] == c->count);
	plx_subscriber_close(sub);
	return 0;
}

static void three_publishers_and_two_subscribers_meet_in_any_order(void **state)
{
	const unsigned int delays[3][5] = { { 0, 0, 0, 0, 0 }, { 0, 30, 60, 90, 10 }, { 60, 60, 0, 0, 30 } };

	(void)state;
	for (int order = 0; order < 3; order++) {
		struct crossing c[5];
		pid_t kids[5];

		for (int i = 0; i < 5; i++) {
			c[i] = (struct crossing){
				.publishers = 3, .count = 2000, .number = i, .delay_ms = delays[order][i]
			};
			kids[i] = start(i < 3 ? publish_numbers : take_numbers, &c[i]);
		}
		for (int i = 0; i < 5; i++)
			assert_int_equal(finish(kids[i]), 0);
	}
}

/* ---- lossy ------------------------------------------------------------------------------------------------ */

static int read_lossy(void *arg)
{
	const struct reading *r = arg;
	struct plx_subscriber *sub = subscriber(r->opt);
	struct plx_subscriber_stats stats;
	struct plx_buffer b;
	uint64_t last = UINT64_MAX;
	int ret;

	while ((ret = take(sub, &b)) == 1) {
		unsigned char expect = (unsigned char)b.sequence;

		CHECK(last == UINT64_MAX || b.sequence > last);
		last = b.sequence;
		for (uint64_t i = 0; i < b.length; i++)
			CHECK(((const unsigned char *)b.data)[i] == expect);
		if (r->pause_every && b.sequence % r->pause_every == 0)
			usleep(r->pause_us);
		plx_buffer_release(&b);
	}
	CHECK(ret == -ESHUTDOWN);
	plx_subscriber_stats(sub, &stats);
	CHECK(stats.taken + stats.lost == r->count);
	CHECK(!r->pause_every || stats.lost > 0);
	plx_subscriber_close(sub);
	return 0;
}

static void a_lossy_subscriber_knows_exactly_what_it_missed(void **state)
{
	struct plx_publisher *pub;
	struct reading readings[2] = {
		{ .opt = { .reading = PLX_READ_LOSSY },
		  .count = 4 * MESSAGES,
		  .pause_every = 64,
		  .pause_us = 200 },
		{ .opt = { .reading = PLX_READ_LOSSY, .polling = true }, .count = 4 * MESSAGES },
	};
	unsigned char bytes[512];
	pid_t kids[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		kids[i] = start(read_lossy, &readings[i]);
	pub = publisher((struct plx_publisher_options){ .depth = 16, .slot_size = 512 });
	assert_int_equal(plx_publisher_wait_subscribers(pub, 2, 10 * SECOND), 0);
	for (uint64_t i = 0; i < 4 * MESSAGES; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		assert_int_equal(plx_publisher_send(pub, bytes, i % 3 ? 24 : 512), 0);
	}
	plx_publisher_end(pub, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(finish(kids[i]), 0);
	plx_publisher_close(pub);
}

/* ---- in one process: what is easier to see there ----------------------------------------------------------- */

static void a_late_joiner_gets_the_history_it_asks_for(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 32, .history = 10 });
	struct plx_subscriber *sub[3];
	const uint64_t asked[3] = { 0, 4, 1000 };
	struct plx_buffer b;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(plx_publisher_send(pub, &i, i % 2 ? 8 : 8), 0);
	for (int i = 0; i < 3; i++) {
		sub[i] = subscriber((struct plx_subscriber_options){ .history = (uint32_t)asked[i] });
		assert_true(connected(sub[i], 1));
	}
	for (uint64_t i = 100; i < 103; i++)
		assert_int_equal(plx_publisher_send(pub, &i, 8), 0);
	plx_publisher_end(pub, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t expect = 100 - (asked[i] < 10 ? asked[i] : 10);

		while (take(sub[i], &b) == 1) {
			assert_memory_equal(b.data, &expect, 8);
			assert_int_equal(b.sequence, expect++);
			plx_buffer_release(&b);
		}
		assert_int_equal(expect, 103);
		plx_subscriber_close(sub[i]);
	}
	plx_publisher_close(pub);
}

static void held_messages_keep_their_bytes_while_the_log_goes_round(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .depth = 8, .slots = 20, .quota = 11, .slot_size = 300 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer held[11], b, part;
	struct plx_subscriber_stats stats;
	unsigned char bytes[300];

	(void)state;
	assert_true(connected(sub, 1));
	for (int i = 0; i < 1000; i++) {
		memset(bytes, i, sizeof(bytes));
		assert_int_equal(plx_publisher_send(pub, bytes, sizeof(bytes)), 0);
		assert_int_equal(take(sub, &b), 1);
		if (i % 100 == 50) {
			held[i / 100] = b;
			assert_int_equal(plx_buffer_slice(&part, &b, 100, 100), 0);
			plx_buffer_release(&part);
		} else {
			plx_buffer_release(&b);
		}
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(plx_publisher_send(pub, bytes, sizeof(bytes)), 0);
	assert_int_equal(take(sub, &held[10]), 1);
	assert_int_equal(plx_subscriber_take(sub, &b), -ENOSPC); /* eleven are held, and no more allowed */
	plx_subscriber_stats(sub, &stats);
	assert_int_equal(stats.held, 11);
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 300; k++)
			assert_int_equal(((const unsigned char *)held[i].data)[k],
					 (unsigned char)(i * 100 + 50));
	}
	plx_buffer_release(&held[10]);
	assert_int_equal(take(sub, &b), 1);
	plx_buffer_release(&b);
	plx_publisher_close(pub);
	/* the publisher is gone, what is held is not */
	assert_int_equal(take(sub, &b), -ESHUTDOWN);
	assert_int_equal(((const unsigned char *)held[9].data)[299], (unsigned char)950);
	for (int i = 0; i < 10; i++)
		plx_buffer_release(&held[i]);
	plx_subscriber_close(sub);
}

static void stamped_messages_say_when_they_were_published(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .stamp = true, .slot_size = 100, .type = 9 });
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .type = 9 });
	const uint64_t sizes[] = { 0, 8, 32, 33, 40, 41, 100 };
	char bytes[101] = "stamped";

	(void)state;
	assert_true(connected(sub, 1));
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		uint64_t before = plx_now_ns();
		struct plx_buffer b;

		assert_int_equal(plx_publisher_send(pub, bytes, sizes[i]), 0);
		assert_int_equal(take(sub, &b), 1);
		assert_in_range(b.timestamp_ns, before, plx_now_ns());
		assert_int_equal(b.flags, PLX_BUFFER_STAMPED);
		assert_int_equal(b.type, 9);
		assert_int_equal(b.length, sizes[i]);
		assert_memory_equal(b.data, bytes, sizes[i]);
		plx_buffer_release(&b);
	}
	assert_int_equal(plx_publisher_send(pub, bytes, 101), -EMSGSIZE);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void a_loan_says_its_own_type_and_flags(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .slot_size = 64, .type = 1 });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_loan loan;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_loan(pub, &loan), 0);
	assert_int_equal(loan.capacity, 64);
	assert_int_equal(loan.type, 1);
	loan.type = 77;
	loan.flags = PLX_BUFFER_MORE | PLX_BUFFER_USER | PLX_BUFFER_STAMPED | 0x10000;
	memset(loan.data, 'x', 64);
	assert_int_equal(plx_publisher_publish(pub, &loan, 65), -EMSGSIZE);
	assert_int_equal(plx_publisher_publish(pub, &loan, 5), 0);
	assert_null(loan.data);
	plx_publisher_drop(pub, &loan); /* gone already: nothing happens */
	assert_int_equal(take(sub, &b), 1);
	assert_int_equal(b.type, 77);
	assert_int_equal(b.flags, PLX_BUFFER_MORE | PLX_BUFFER_USER); /* the stamp is the library's to give */
	assert_int_equal(b.length, 5);
	plx_buffer_release(&b);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static int32_t refusal(struct plx_subscriber *sub)
{
	uint64_t end = plx_now_ns() + 10 * SECOND;
	struct plx_subscriber_stats stats;

	do {
		(void)!plx_subscriber_wait(sub, SECOND / 10);
		plx_subscriber_stats(sub, &stats);
	} while (stats.refused == 0 && plx_now_ns() < end);
	assert_int_equal(stats.publishers, 0);
	assert_int_equal(stats.refused, 1);
	return stats.refused_why;
}

static void who_wants_another_type_or_comes_too_late_is_refused(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .type = 5, .subscribers_max = 1 });
	struct plx_subscriber *wrong = subscriber((struct plx_subscriber_options){ .type = 6 });
	struct plx_subscriber *sub, *late;
	struct plx_publisher_stats figures;

	(void)state;
	assert_int_equal(refusal(wrong), -EPROTOTYPE);
	sub = subscriber((struct plx_subscriber_options){ .type = 5 });
	assert_true(connected(sub, 1));
	late = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_int_equal(refusal(late), -EUSERS);
	plx_publisher_stats(pub, &figures);
	assert_int_equal(figures.refused, 2);
	assert_int_equal(figures.subscribers, 1);
	plx_subscriber_close(late);
	plx_subscriber_close(sub);
	plx_subscriber_close(wrong);
	plx_publisher_close(pub);
}

static void the_descriptor_is_readable_when_there_is_something_to_take(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct pollfd p = { .fd = plx_subscriber_fd(sub), .events = POLLIN };
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	for (int i = 0; i < 100; i++) {
		assert_true(plx_subscriber_arm(sub));
		assert_int_equal(poll(&p, 1, 0), 0);
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		assert_int_equal(plx_publisher_send(pub, "y", 1), 0);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		plx_buffer_release(&b);
		assert_false(plx_subscriber_arm(sub)); /* one is left */
		assert_int_equal(plx_subscriber_take(sub, &b), 1);
		plx_buffer_release(&b);
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
	}
	assert_true(plx_subscriber_arm(sub));
	plx_publisher_batch(pub, true);
	assert_int_equal(plx_publisher_send(pub, "z", 1), 0);
	assert_int_equal(poll(&p, 1, 20), 0); /* not before the flush */
	plx_publisher_flush(pub);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(plx_subscriber_take(sub, &b), 1);
	plx_buffer_release(&b);
	assert_true(plx_subscriber_arm(sub));
	plx_publisher_close(pub);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(plx_subscriber_take(sub, &b), -ESHUTDOWN);
	plx_subscriber_close(sub);
}

static void a_publisher_wakes_only_who_sleeps_and_only_once_for_each_sleep(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_subscriber *poller = subscriber((struct plx_subscriber_options){ .polling = true });
	struct plx_publisher_stats stats;

	(void)state;
	assert_true(connected(sub, 1));
	assert_true(connected(poller, 1));
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.woken, 0);
	assert_true(plx_subscriber_arm(sub));
	for (int i = 0; i < 10; i++)
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.woken, 1);
	plx_subscriber_close(sub);
	plx_subscriber_close(poller);
	plx_publisher_close(pub);
}

static void a_stream_ends_once_even_if_its_publisher_stays(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS), *other;
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_publisher_stats stats;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	plx_publisher_end(pub, 0);
	assert_int_equal(plx_publisher_send(pub, "x", 1), -ESHUTDOWN);
	assert_int_equal(take(sub, &b), -ESHUTDOWN);
	other = publisher(PLX_PUBLISHER_DEFAULTS);
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(other, 1, SECOND), 0);
	assert_int_equal(plx_subscriber_wait(sub, SECOND / 50), -ETIMEDOUT);
	assert_int_equal(plx_subscriber_take(sub, &b), 0);
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.joined, 1);
	plx_publisher_close(other);
	assert_int_equal(take(sub, &b), -ESHUTDOWN);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void waiting_times_out_when_nothing_comes(void **state)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_publisher *pub;
	uint64_t before = plx_now_ns();

	(void)state;
	assert_int_equal(plx_subscriber_wait(sub, SECOND / 20), -ETIMEDOUT);
	assert_true(plx_now_ns() - before >= SECOND / 20);
	assert_int_equal(plx_subscriber_wait(sub, 0), -ETIMEDOUT);
	pub = publisher(PLX_PUBLISHER_DEFAULTS);
	assert_true(connected(sub, 1));
	assert_int_equal(plx_subscriber_wait(sub, SECOND / 20), -ETIMEDOUT);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	before = plx_now_ns();
	assert_int_equal(plx_publisher_wait_subscribers(pub, 2, SECOND / 20), -ETIMEDOUT);
	assert_true(plx_now_ns() - before >= SECOND / 20);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void nothing_is_left_open_or_mapped(void **state)
{
	int fds = count_open_fds(), maps = count_maps("plx:");

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct plx_publisher *pub = publisher((struct plx_publisher_options){ .slot_size = 64 });
		struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		struct plx_buffer b;

		assert_true(connected(sub, 1));
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		assert_int_equal(take(sub, &b), 1);
		if (i % 2) {
			plx_subscriber_close(sub);
			plx_publisher_close(pub);
		} else {
			plx_publisher_close(pub);
			plx_buffer_release(&b);
			assert_int_equal(take(sub, &b), -ESHUTDOWN);
			plx_subscriber_close(sub);
		}
	}
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:"), maps);
}

static void many_messages_at_once_arrive_one_by_one(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 39, 40, 41, 64 };
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .slot_size = 64, .depth = 32, .full = PLX_FULL_FAIL });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	unsigned char bytes[50 * 64];
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t k = 0; k < COUNT_OF(lengths); k++) {
		uint32_t length = lengths[k];

		assert_int_equal(plx_publisher_send_many(pub, bytes, length, 0), 0);
		/* as many as there is room for; then none */
		assert_int_equal(plx_publisher_send_many(pub, bytes, length, 50), 32);
		assert_int_equal(plx_publisher_send_many(pub, bytes, length, 50), -EAGAIN);
		for (uint32_t i = 0; i < 32; i++) {
			assert_int_equal(take(sub, &b), 1);
			assert_int_equal(b.length, length);
			assert_memory_equal(b.data, bytes + i * length, length);
			plx_buffer_release(&b);
		}
		assert_int_equal(plx_subscriber_take(sub, &b), 0);
		plx_subscriber_flush(sub);
	}
	assert_int_equal(plx_publisher_send_many(pub, bytes, 65, 2), -EMSGSIZE);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_subscribers_of_different_speed_get_every_message_in_order),
		cmocka_unit_test(a_log_of_two_and_a_single_slot_are_enough),
		cmocka_unit_test(large_messages_pass_too),
		cmocka_unit_test(a_subscriber_without_spinning_sleeps_and_is_woken),
		cmocka_unit_test(three_publishers_and_two_subscribers_meet_in_any_order),
		cmocka_unit_test(a_lossy_subscriber_knows_exactly_what_it_missed),
		cmocka_unit_test(a_late_joiner_gets_the_history_it_asks_for),
		cmocka_unit_test(held_messages_keep_their_bytes_while_the_log_goes_round),
		cmocka_unit_test(stamped_messages_say_when_they_were_published),
		cmocka_unit_test(a_loan_says_its_own_type_and_flags),
		cmocka_unit_test(who_wants_another_type_or_comes_too_late_is_refused),
		cmocka_unit_test(the_descriptor_is_readable_when_there_is_something_to_take),
		cmocka_unit_test(a_publisher_wakes_only_who_sleeps_and_only_once_for_each_sleep),
		cmocka_unit_test(a_stream_ends_once_even_if_its_publisher_stays),
		cmocka_unit_test(waiting_times_out_when_nothing_comes),
		cmocka_unit_test(nothing_is_left_open_or_mapped),
		cmocka_unit_test(many_messages_at_once_arrive_one_by_one),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

/* test_spsc_two.c - one sender, one receiver, each a thread or a process: all arrives in order; whoever sleeps, dies or is far away. */
#include <plx/process.h>
#include <plx/spsc.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/libshm/chan/both.h"

static const struct plx_channel_shape numbers = { .kind = PLX_CHANNEL_SPSC, .size = 8, .count = 100 };

struct stream {
	struct made m;
	uint64_t count;
	uint32_t batch; /* 0: one per call */
	bool close;
};

static int send_all(void *arg)
{
	struct stream *s = arg;
	struct plx_spsc_sender tx;
	uint64_t many[64];

	CHECK(plx_spsc_sender_open(&tx, s->m.at, s->m.room, 0) == 0);
	for (uint64_t i = 0; i < s->count;) {
		uint32_t n = 0;

		if (s->batch == 0) {
			CHECK(plx_spsc_send(&tx, &i, SECONDS(20)) == 0);
			i++;
			continue;
		}
		while (n < s->batch && i + n < s->count) {
			many[n] = i + n;
			n++;
		}
		CHECK(plx_spsc_send_many(&tx, many, n, SECONDS(20)) == (int)n);
		i += n;
	}
	if (s->close)
		plx_spsc_sender_close(&tx);
	else
		plx_spsc_sender_leave(&tx);
	return 0;
}

static int receive_all(void *arg)
{
	struct stream *s = arg;
	struct plx_spsc_receiver rx;
	uint64_t many[64], next = 0;
	int n;

	CHECK(plx_spsc_receiver_open(&rx, s->m.at, s->m.room) == 0);
	while (next < s->count || s->close) {
		n = s->batch ? plx_spsc_recv_many(&rx, many, s->batch, SECONDS(20))
			     : (plx_spsc_recv(&rx, many, SECONDS(20)) == 0);
		if (n == -ESHUTDOWN || (s->batch == 0 && n == 0 && plx_spsc_recv(&rx, many, 0) == -ESHUTDOWN))
			break;
		CHECK(n > 0);
		for (int i = 0; i < n; i++)
			CHECK(many[i] == next++);
	}
	CHECK(next == s->count);
	plx_spsc_receiver_leave(&rx);
	return 0;
}

static void stream(bool process, uint32_t batch, uint32_t count, uint64_t n)
{
	struct stream s = { .m = make((struct plx_channel_shape){
				    .kind = PLX_CHANNEL_SPSC, .size = 8, .count = count }),
			    .count = LONG_LOOP(n),
			    .batch = batch,
			    .close = true };
	struct plx_channel_info info;
	struct part sender, receiver;

	part_start(&receiver, process, receive_all, &s);
	part_start(&sender, process, send_all, &s);
	while (plx_channel_info(s.m.at, s.m.room, &info) == 0 && info.stats.received < s.count / 2) {
		check(&s.m); /* of a live one */
		sleep_ms(1);
	}
	assert_int_equal(part_end(&sender), 0);
	assert_int_equal(part_end(&receiver), 0);
	assert_int_equal(plx_channel_info(s.m.at, s.m.room, &info), 0);
	assert_int_equal(info.stats.sent, s.count);
	assert_int_equal(info.stats.received, s.count);
	drop(&s.m);
}

static void threads_pass_all_in_order(void **state)
{
	(void)state;
	stream(false, 0, 1000, 1000000);
	stream(false, 0, 1, 100000);
	stream(false, 32, 1000, 1000000);
}

static void processes_pass_all_in_order(void **state)
{
	(void)state;
	stream(true, 0, 1000, 1000000);
	stream(true, 0, 1, 100000);
	stream(true, 32, 1000, 1000000);
}

static int answer(void *arg)
{
	struct made *m = arg;
	struct plx_spsc_receiver rx;
	struct plx_spsc_sender tx;
	uint64_t value;
	int ret;

	CHECK(plx_spsc_receiver_open(&rx, m[0].at, m[0].room) == 0);
	CHECK(plx_spsc_sender_open(&tx, m[1].at, m[1].room, 0) == 0);
	while ((ret = plx_spsc_recv(&rx, &value, SECONDS(20))) == 0)
		CHECK(plx_spsc_send(&tx, &value, SECONDS(20)) == 0);
	CHECK(ret == -ESHUTDOWN);
	plx_spsc_sender_close(&tx);
	return 0;
}

/* Each message is waited for asleep, on both sides: a wake-up that is lost shows as a sleep that ends by time. */
static void nobody_sleeps_through_a_message(void **state)
{
	(void)state;
	for (int process = 0; process < 2; process++) {
		struct made m[2] = { make(numbers), make(numbers) };
		struct plx_spsc_receiver rx;
		struct plx_spsc_sender tx;
		uint64_t overslept = 0;
		struct part echo;

		part_start(&echo, process, answer, m);
		assert_int_equal(plx_spsc_sender_open(&tx, m[0].at, m[0].room, 0), 0);
		assert_int_equal(plx_spsc_receiver_open(&rx, m[1].at, m[1].room), 0);
		for (uint64_t i = 0; i < 3000; i++) {
			uint64_t value;

			for (uint32_t k = 0; k < i % 4 * 400;
			     k++) /* so that the other one is everywhere on its way to sleep */
				__builtin_ia32_pause();
			assert_int_equal(plx_spsc_send(&tx, &i, SECONDS(20)), 0);
			assert_int_equal(plx_spsc_recv(&rx, &value, SECONDS(20)), 0);
			assert_int_equal(value, i);
		}
		plx_spsc_sender_close(&tx);
		assert_int_equal(part_end(&echo), 0);
		for (int i = 0; i < 2; i++) {
			struct plx_channel_info info;

			assert_int_equal(plx_channel_info(m[i].at, m[i].room, &info), 0);
			overslept += info.stats.overslept;
		}
		assert_true(overslept <
			    20); /* on a busy machine who is about to wake us may not get there in 20 ms */
		drop(&m[0]);
		drop(&m[1]);
	}
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void who_waits_costs_nothing(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_sender tx;
	struct plx_spsc_receiver rx;
	uint64_t value, before, spent;

	(void)state;
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	before = cpu_us();
	assert_int_equal(plx_spsc_recv(&rx, &value, 600000000), -ETIMEDOUT);
	spent = cpu_us() - before;
	assert_true(spent < 6000); /* 1 % at most, on whatever machine; here it is below 0.1 % */
	printf("note: asleep for 600 ms: %lu us of CPU\n", (unsigned long)spent);
	plx_spsc_sender_leave(&tx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static int die_sending(void *arg)
{
	struct made *m = arg;
	struct plx_spsc_sender tx;

	CHECK(plx_spsc_sender_open(&tx, m->at, m->room, 0) == 0);
	for (uint64_t i = 0; i < 10; i++)
		CHECK(plx_spsc_try_send(&tx, &i));
	raise(SIGKILL);
	return 1;
}

static void a_dead_sender_is_noticed_and_what_it_sent_is_received(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_receiver rx;
	struct plx_spsc_sender tx;
	uint64_t value, begin;

	(void)state;
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(run_in_child(die_sending, &m), -SIGKILL);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), 0);
		assert_int_equal(value, i);
	}
	begin = plx_now_ns();
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), -EPIPE);
	assert_true(plx_now_ns() - begin < SECONDS(1));
	check(&m);
	/* a successor goes on where it stopped */
	assert_int_equal(plx_spsc_sender_open(&tx, m.at, m.room, 0), 0);
	value = 10;
	assert_true(plx_spsc_try_send(&tx, &value));
	assert_int_equal(plx_spsc_recv(&rx, &value, FOREVER), 0);
	assert_int_equal(value, 10);
	plx_spsc_sender_leave(&tx);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void who_knows_of_a_death_says_so(void **state)
{
	struct made m = make(numbers);
	struct plx_spsc_receiver rx;
	struct plx_channel_info info;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(die_sending(&m));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(plx_channel_bury(m.at, pid + 1), 0);
	assert_int_equal(plx_channel_bury(m.at, getpid()), 0);
	assert_int_equal(plx_channel_bury(m.at, pid), 1);
	assert_int_equal(plx_channel_bury(m.at, pid), 0);
	assert_int_equal(plx_spsc_receiver_open(&rx, m.at, m.room), 0);
	assert_int_equal(plx_channel_bury(m.at, 0), 0); /* we live */
	assert_int_equal(plx_channel_info(m.at, m.room, &info), 0);
	assert_int_equal(info.stats.buried, 1);
	assert_int_equal(info.senders, 0);
	plx_spsc_receiver_leave(&rx);
	drop(&m);
}

static void a_descriptor_wakes_poll(void **state)
{
	(void)state;
	for (int process = 0; process < 2; process++) {
		struct made m[2] = { make(numbers), make(numbers) };
		struct plx_spsc_receiver rx;
		struct plx_spsc_sender tx;
		struct pollfd fd = { .events = POLLIN };
		struct part echo;

		part_start(&echo, process, answer, m);
		assert_int_equal(plx_spsc_sender_open(&tx, m[0].at, m[0].room, 0), 0);
		assert_int_equal(plx_spsc_receiver_open(&rx, m[1].at, m[1].room), 0);
		fd.fd = plx_end_fd(&rx.end);
		assert_true(fd.fd >= 0);
		assert_int_equal(plx_end_fd(&rx.end), fd.fd);
		for (uint64_t i = 0; i < 200; i++) {
			uint64_t value;

			assert_int_equal(plx_spsc_send(&tx, &i, SECONDS(20)), 0);
			while (!plx_spsc_try_recv(&rx, &value))
				if (plx_spsc_arm(&rx))
					assert_int_equal(poll(&fd, 1, 20000), 1);
			assert_int_equal(value, i);
		}
		/* a byte that was on its way may come late, once */
		for (int i = 0; i < 2 && (plx_spsc_arm(&rx), poll(&fd, 1, 20)) == 1; i++)
			;
		assert_true(plx_spsc_arm(&rx));
		assert_int_equal(poll(&fd, 1, 0), 0);
		plx_spsc_sender_close(&tx);
		assert_int_equal(part_end(&echo), 0);
		assert_int_equal(poll(&fd, 1, 20000), 1); /* the end is something, too */
		plx_spsc_receiver_leave(&rx);
		drop(&m[0]);
		drop(&m[1]);
	}
}

static int receive_attached(void *arg)
{
	int fd = *(int *)arg;
	struct plx_segment seg;
	struct plx_spsc_receiver rx;
	uint64_t room, value;
	void *at;

	CHECK(plx_segment_attach(&seg, fd, 0, PLX_KIND_CHANNEL, PLX_ATTACH_WRITE) == 0);
	at = plx_channel_in(&seg, &room);
	CHECK(at != NULL);
	CHECK(plx_spsc_receiver_open(&rx, at, room) == 0);
	for (uint64_t i = 0; i < 1000; i++)
		CHECK(plx_spsc_recv(&rx, &value, SECONDS(20)) == 0 && value == i);
	CHECK(plx_spsc_recv(&rx, &value, SECONDS(20)) == -ESHUTDOWN);
	plx_segment_close(&seg);
	return 0;
}

static void a_segment_is_attached_at_another_address(void **state)
{
	struct plx_channel_shape shape = numbers;
	struct plx_segment seg;
	struct plx_spsc_sender tx;
	struct part other;
	void *at;
	int fd;

	(void)state;
	assert_int_equal(plx_channel_create(&seg, "memfd", "plx:channel:t", 0, &shape, &at), 0);
	fd = plx_segment_export(&seg, true);
	assert_true(fd >= 0);
	part_start(&other, true, receive_attached, &fd);
	assert_int_equal(plx_spsc_sender_open(&tx, at, plx_channel_bytes(&shape), 0), 0);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(plx_spsc_send(&tx, &i, SECONDS(20)), 0);
	plx_spsc_sender_close(&tx);
	assert_int_equal(part_end(&other), 0);
	close(fd);
	plx_segment_close(&seg);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_pass_all_in_order),
		cmocka_unit_test(processes_pass_all_in_order),
		cmocka_unit_test(nobody_sleeps_through_a_message),
		cmocka_unit_test(who_waits_costs_nothing),
		cmocka_unit_test(a_dead_sender_is_noticed_and_what_it_sent_is_received),
		cmocka_unit_test(who_knows_of_a_death_says_so),
		cmocka_unit_test(a_descriptor_wakes_poll),
		cmocka_unit_test(a_segment_is_attached_at_another_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_joining.c - the edges of a connection: who counts as there, who is tried again, who is woken, what an end says. */
#include "pair.h"

#include <poll.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "topic/discovery.h"

/* ---- who counts as connected ------------------------------------------------------------------------- */

/* The next time that door is used it stays shut, from shut_next() on. Choose it while there is one thread. */
static void choose(const char *door, int error)
{
	plx_fault_door = door;
	plx_fault_error = error;
	plx_fault_failed = NULL;
}

static void shut_next(void)
{
	plx_fault_seen = 0;
	plx_fault_at = 0; /* last: from here on it counts */
}

static void let_open(void)
{
	plx_fault_at = -1;
}

static int leave(void **state)
{
	let_open();
	choose(NULL, 0);
	return pair_teardown(state);
}

static bool happened(const char *const *what)
{
	uint64_t end = plx_now_ns() + 10 * SECOND;

	while (!__atomic_load_n(what, __ATOMIC_RELAXED) && plx_now_ns() < end)
		sleep_ms(1);
	return __atomic_load_n(what, __ATOMIC_RELAXED) != NULL;
}

static void who_could_not_be_sent_its_grant_was_never_there(void **state)
{
	struct plx_publisher_stats stats;
	struct plx_reader_end gone;
	struct plx_publisher *pub;
	struct plx_subscriber *sub;

	(void)state;
	choose("send_fds", EPIPE);
	shut_next();
	pub = publisher(PLX_PUBLISHER_DEFAULTS);
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_true(happened(&plx_fault_failed));
	let_open();
	assert_true(connected(sub, 1)); /* it tried again */
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	assert_false(plx_publisher_gone(pub, &gone));
	plx_publisher_stats(pub, &stats);
	assert_int_equal(stats.joined, 1);
	assert_int_equal(stats.left + stats.lost, 0);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static int send_and_die(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);

	(void)arg;
	CHECK(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND) == 0);
	CHECK(plx_publisher_send(pub, "last words", 10) == 0);
	kill(getpid(), SIGKILL);
	return 0;
}

static void who_was_counted_reads_what_a_publisher_sent_before_it_was_killed(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t kid = start(send_and_die, NULL);
		struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		struct plx_buffer b;

		assert_int_equal(take(sub, &b), 1);
		assert_int_equal(b.length, 10);
		plx_buffer_release(&b);
		assert_int_equal(take(sub, &b), -EPIPE);
		assert_int_equal(finish(kid), -SIGKILL);
		plx_subscriber_close(sub);
	}
}

/* ---- trying again ------------------------------------------------------------------------------------ */

static int publish_for_a_while(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	uint32_t *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		sleep_ms(1);
	plx_publisher_close(pub);
	return 0;
}

static void who_is_out_of_descriptors_for_a_moment_connects_later(void **state)
{
	static const struct {
		const char *door;
		int error;
	} doors[] = {
		{ "open", EMFILE },      { "socket", EMFILE }, { "peer_pidfd", EMFILE },
		{ "epoll_add", ENOSPC }, { "map", ENOMEM },
	};
	uint32_t *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(doors); i++) {
		pid_t kid;
		struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		uint64_t end = plx_now_ns() + 10 * SECOND;

		*stop = 0;
		kid = start(publish_for_a_while, stop);
		choose(doors[i].door, doors[i].error);
		shut_next();
		while (!plx_fault_failed && plx_now_ns() < end) /* one thread here */
			(void)!plx_subscriber_wait(sub, SECOND / 100);
		assert_non_null(plx_fault_failed);
		let_open();
		if (!connected(sub, 1))
			fail_msg("not after %s failed once", doors[i].door);
		*stop = 1;
		assert_int_equal(finish(kid), 0);
		plx_subscriber_close(sub);
	}
	munmap(stop, 4096);
}

static int knock_at(int dir, const char *name)
{
	int fd = plx_sys_socket(), ret;

	if (fd < 0)
		return fd;
	ret = plx_sys_connect(fd, dir, name);
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

/* A listener whose queue is full, until it accepts. */
struct crowd {
	int listener, queued[8], n;
	bool asked; /* somebody knocked once there was room */
};

static void crowd_open(struct crowd *crowd, int dir)
{
	int fd;

	*crowd = (struct crowd){ .listener = plx_sys_socket() };
	assert_int_equal(plx_sys_bind(crowd->listener, dir, ".1-0000000000000001.new"), 0);
	assert_int_equal(plx_sys_listen(crowd->listener, 0), 0);
	while (crowd->n < 8 && (fd = knock_at(dir, ".1-0000000000000001.new")) >= 0)
		crowd->queued[crowd->n++] = fd;
	assert_true(crowd->n > 0 && crowd->n < 8);
}

static void *crowd_leaves(void *arg)
{
	struct crowd *crowd = arg;
	struct pollfd p = { .fd = crowd->listener, .events = POLLIN };

	sleep_ms(100); /* it has looked, in vain, and sleeps */
	for (int i = 0; i < crowd->n; i++) {
		plx_sys_close(plx_sys_accept(crowd->listener));
		plx_sys_close(crowd->queued[i]);
	}
	crowd->asked = poll(&p, 1, 500) == 1;
	return NULL;
}

static void who_finds_a_queue_full_just_before_it_sleeps_asks_again(void **state)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_place place = PLX_PLACE_NONE;
	struct crowd crowd;
	pthread_t thread;
	int dir;

	(void)state;
	assert_int_equal(plx_place_open(&place, directory, TOPIC), 0);
	dir = plx_place_dir(&place, true);
	assert_true(dir >= 0);
	crowd_open(&crowd, dir);
	assert_int_equal(plx_sys_rename(dir, ".1-0000000000000001.new", "1-0000000000000001.sock"), 0);
	assert_int_equal(pthread_create(&thread, NULL, crowd_leaves, &crowd), 0);
	for (int i = 0; i < 10; i++) /* it returns for whatever changes */
		(void)!plx_subscriber_wait(sub, SECOND / 20);
	pthread_join(thread, NULL);
	assert_true(crowd.asked);
	plx_subscriber_close(sub);
	plx_sys_close(crowd.listener);
	assert_int_equal(plx_sys_unlink(dir, "1-0000000000000001.sock"), 0);
	plx_sys_close(dir);
	plx_place_close(&place);
}

/* ---- waking ------------------------------------------------------------------------------------------ */

static bool rings(const struct plx_subscriber *sub)
{
	struct pollfd p = { .fd = plx_subscriber_fd(sub), .events = POLLIN };

	return poll(&p, 1, 2000) == 1;
}

static void who_was_woken_for_nothing_and_arms_again_is_woken_again(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	assert_true(plx_subscriber_arm(sub));
	assert_int_equal(plx_publisher_drain(pub, SECOND),
			 0); /* wakes everybody: nobody has to read anything */
	assert_true(rings(sub));
	assert_true(plx_subscriber_arm(sub));
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_true(rings(sub));
	assert_int_equal(take(sub, &b), 1);
	plx_buffer_release(&b);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void who_is_told_to_try_again_later_has_woken_those_it_waits_for(void **state)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .depth = 4, .full = PLX_FULL_FAIL });
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	assert_true(plx_subscriber_arm(sub));
	plx_publisher_batch(pub, true);
	for (int i = 0; i < 4; i++)
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_int_equal(plx_publisher_send(pub, "x", 1), -EAGAIN);
	assert_true(rings(sub));
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* No memory for the packet: it has not been woken, so the next message has to. */
static void a_wake_that_could_not_be_sent_is_sent_with_the_next_message(void **state)
{
	struct plx_publisher *pub;
	struct plx_subscriber *sub;

	(void)state;
	choose("write", ENOBUFS);
	pub = publisher(PLX_PUBLISHER_DEFAULTS);
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	assert_true(plx_subscriber_arm(sub));
	shut_next();
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_true(happened(&plx_fault_failed));
	let_open();
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	assert_true(rings(sub));
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* ---- ending ------------------------------------------------------------------------------------------ */

static void an_end_is_never_taken_for_a_lack_of_room(void **state)
{
	static const int reasons[] = { ENOSPC, ENOMEM, ECANCELED };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
		struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		struct plx_buffer b;

		assert_true(connected(sub, 1));
		plx_publisher_end(pub, reasons[i]);
		assert_int_equal(take(sub, &b), reasons[i] == ECANCELED ? -ECANCELED : -EIO);
		assert_int_equal(plx_subscriber_ended(sub).reason, -reasons[i]);
		plx_subscriber_close(sub);
		plx_publisher_close(pub);
	}
}

static void nothing_at_all_can_be_sent(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, SECOND), 0);
	assert_int_equal(plx_publisher_send(pub, NULL, 0), 0);
	assert_int_equal(take(sub, &b), 1);
	assert_int_equal(b.length, 0);
	plx_buffer_release(&b);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

#define each(test) cmocka_unit_test_setup_teardown(test, pair_setup, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(who_could_not_be_sent_its_grant_was_never_there),
		each(who_was_counted_reads_what_a_publisher_sent_before_it_was_killed),
		each(who_is_out_of_descriptors_for_a_moment_connects_later),
		each(who_finds_a_queue_full_just_before_it_sleeps_asks_again),
		each(who_was_woken_for_nothing_and_arms_again_is_woken_again),
		each(who_is_told_to_try_again_later_has_woken_those_it_waits_for),
		each(a_wake_that_could_not_be_sent_is_sent_with_the_next_message),
		each(an_end_is_never_taken_for_a_lack_of_room),
		each(nothing_at_all_can_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

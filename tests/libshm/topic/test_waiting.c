/* test_waiting.c - what is waited for besides messages: deadlines, seats, publishers that are asked again. */
#include "pair.h"

#include <poll.h>
#include <pthread.h>

#include "topic/discovery.h"

#define MS UINT64_C(1000000)

/* ---- deadlines ---------------------------------------------------------------------------------------- */

static uint64_t missed(const struct plx_subscriber *sub)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(sub, &stats);
	return stats.missed;
}

static void a_deadline_that_passes_is_told_each_time_and_counted(void **state)
{
	uint64_t begun = plx_now_ns();
	struct plx_subscriber *sub = subscriber(
		(struct plx_subscriber_options){ .deadline_ns = 50 * MS, .spin_ns = 1 });

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) { /* also when there is no publisher at all */
		assert_int_equal(plx_subscriber_wait(sub, 10 * SECOND), -ETIME);
		assert_true(plx_now_ns() - begun >= i * 50 * MS);
		assert_in_range(missed(sub), i, i + 20); /* a loaded machine */
	}
	plx_subscriber_close(sub);
}

static void a_message_puts_the_deadline_off(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .deadline_ns = SECOND });
	uint64_t end = plx_now_ns() + 2 * SECOND;
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	while (plx_now_ns() < end) {
		assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
		assert_int_equal(take(sub, &b), 1);
		plx_buffer_release(&b);
		assert_int_not_equal(plx_subscriber_wait(sub, 50 * MS), -ETIME);
	}
	assert_int_equal(missed(sub), 0);
	while (missed(sub) == 0)
		assert_in_range(plx_subscriber_wait(sub, 10 * SECOND) + ETIME, 0, ETIME); /* 0 or -ETIME */
	assert_int_equal(missed(sub), 1);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static bool readable(const struct plx_subscriber *sub, int ms)
{
	struct pollfd p = { .fd = plx_subscriber_fd(sub), .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void who_polls_hears_of_a_deadline(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .deadline_ns = 100 * MS });
	uint64_t before;

	(void)state;
	assert_true(connected(sub, 1));
	for (int i = 0; i < 3; i++) {
		before = missed(sub);
		while (missed(sub) == before) {
			if (plx_subscriber_arm(sub))
				assert_true(readable(sub, 10000));
		}
	}
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

/* ---- falling asleep while somebody sends -------------------------------------------------------------- */

#ifdef PLX_SAN
#define RACES 5000u
#else
#define RACES 20000u
#endif

/* How many were taken: the one who sends looks here, and never sleeps. */
static uint32_t *race;

/* Takes one, and goes to sleep: just when the next one comes, again and again. */
static int sleeps_after_each(void *arg)
{
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ .spin_ns = 1 });
	struct plx_buffer b;

	(void)arg;
	for (uint32_t n = 0; n < RACES;) {
		int ret = plx_subscriber_take(sub, &b);

		CHECK(ret >= 0);
		if (ret == 1) {
			plx_buffer_release(&b);
			__atomic_store_n(race, ++n, __ATOMIC_RELEASE);
		} else if (plx_subscriber_wait(sub, 2 * SECOND) == -ETIMEDOUT) {
			CHECK(plx_subscriber_take(sub, &b) == 0); /* else it was slept through */
		}
	}
	plx_subscriber_close(sub);
	return 0;
}

static bool send_races(struct plx_publisher *pub)
{
	uint64_t random = 88172645463325252;

	for (uint32_t n = 0; n < RACES; n++) {
		uint64_t end = plx_now_ns() + 20 * SECOND;

		while (__atomic_load_n(race, __ATOMIC_ACQUIRE) != n) {
			if (plx_now_ns() > end)
				return false;
		}
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		for (volatile uint32_t i = 0; i < random % 1024; i++)
			;
		if (plx_publisher_send(pub, &n, sizeof(n)) < 0)
			return false;
	}
	return true;
}

static void nobody_sleeps_through_what_is_sent_as_it_falls_asleep_processes(void **state)
{
	struct plx_publisher *pub;
	pid_t pid;

	(void)state;
	race = gate_open();
	pid = start(sleeps_after_each, NULL);
	pub = publisher(PLX_PUBLISHER_DEFAULTS);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	assert_true(send_races(pub));
	assert_int_equal(finish(pid), 0);
	plx_publisher_close(pub);
	gate_close(race);
}

static void *sleeps_in_a_thread(void *arg)
{
	*(int *)arg = sleeps_after_each(NULL);
	return NULL;
}

static void nobody_sleeps_through_what_is_sent_as_it_falls_asleep_threads(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	pthread_t thread;
	int ret = -1;

	(void)state;
	race = gate_open();
	assert_int_equal(pthread_create(&thread, NULL, sleeps_in_a_thread, &ret), 0);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	assert_true(send_races(pub));
	pthread_join(thread, NULL);
	assert_int_equal(ret, 0);
	plx_publisher_close(pub);
	gate_close(race);
}

/* ---- seats -------------------------------------------------------------------------------------------- */

static uint32_t publishers(const struct plx_subscriber *sub)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(sub, &stats);
	return stats.publishers;
}

/* Only polls the descriptor, as an event loop does, until it is connected. */
static bool polls_until_connected(struct plx_subscriber *sub)
{
	uint64_t end = plx_now_ns() + 10 * SECOND;

	while (publishers(sub) == 0 && plx_now_ns() < end) {
		if (plx_subscriber_arm(sub) && publishers(sub) == 0 && !readable(sub, 10000))
			return false;
	}
	return publishers(sub) == 1;
}

static void who_found_no_seat_is_let_in_when_one_is_free(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .subscribers_max = 1 });
	struct plx_subscriber *first = subscriber(PLX_SUBSCRIBER_DEFAULTS), *second;
	struct plx_subscriber_stats stats;
	uint64_t end;

	(void)state;
	assert_true(connected(first, 1));
	second = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	end = plx_now_ns() + 300 * MS;
	do {
		(void)!plx_subscriber_wait(second, 10 * MS);
		plx_subscriber_stats(second, &stats);
	} while (plx_now_ns() < end);
	assert_int_equal(stats.refused_why, -EUSERS);
	assert_in_range(stats.refused, 2, 6); /* after 20, 40, 80, 160 ms, not every 20 */
	plx_subscriber_close(first);
	assert_true(polls_until_connected(second));
	plx_subscriber_close(second);
	plx_publisher_close(pub);
}

/* ---- what the dead leave ------------------------------------------------------------------------------ */

/* Publishes, forks a child that keeps every descriptor, and dies. */
static int leave_a_child_behind(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	pid_t *child = arg, pid = fork();

	(void)pub;
	if (pid == 0) {
		alarm(30);
		pause();
	}
	__atomic_store_n(child, pid, __ATOMIC_RELEASE);
	kill(getpid(), SIGKILL);
	return 0;
}

static void a_child_that_keeps_a_dead_publishers_socket_is_not_asked_for_ever(void **state)
{
	struct plx_sightings list = PLX_SIGHTINGS_NONE;
	struct plx_place place = PLX_PLACE_NONE;
	pid_t *child = (pid_t *)(void *)gate_open();
	struct plx_subscriber_stats stats;
	struct plx_subscriber *sub;

	(void)state;
	assert_int_equal(finish(start(leave_a_child_behind, child)), -SIGKILL);
	assert_int_equal(plx_place_open(&place, directory, TOPIC), 0);
	assert_int_equal(plx_place_list(&place, &list), 0);
	assert_int_equal(list.count, 1); /* and it takes connections */
	plx_sightings_free(&list);
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	for (int i = 0; i < 10; i++)
		(void)!plx_subscriber_wait(sub, 20 * MS);
	plx_subscriber_stats(sub, &stats);
	assert_in_range(stats.refused, 1, 2);
	assert_int_equal(plx_place_list(&place, &list), 0);
	assert_int_equal(list.count, 0); /* nobody finds it any more */
	plx_sightings_free(&list);
	plx_place_close(&place);
	kill(*child, SIGKILL);
	plx_subscriber_close(sub);
	gate_close((uint32_t *)(void *)child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_that_passes_is_told_each_time_and_counted),
		cmocka_unit_test(a_message_puts_the_deadline_off),
		cmocka_unit_test(who_polls_hears_of_a_deadline),
		cmocka_unit_test(nobody_sleeps_through_what_is_sent_as_it_falls_asleep_processes),
		cmocka_unit_test(nobody_sleeps_through_what_is_sent_as_it_falls_asleep_threads),
		cmocka_unit_test(who_found_no_seat_is_let_in_when_one_is_free),
		cmocka_unit_test(a_child_that_keeps_a_dead_publishers_socket_is_not_asked_for_ever),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

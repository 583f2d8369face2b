/* test_event.c - notifications: that something happened is never lost, however slow, late or dead the others are. */
#include "tests/libshm/topic/pair.h"

#include <poll.h>
#include <pthread.h>

#include "pattern/event_layout.h"

static struct plx_event_notifier *notifier(uint32_t ids)
{
	struct plx_event_notifier_options opt = { .ids = ids, .directory = directory };
	struct plx_event_notifier *n = NULL;
	int ret = plx_event_notifier_open(&n, TOPIC, &opt);

	if (ret < 0)
		fail_msg("plx_event_notifier_open: %s", plx_strerror(ret));
	return n;
}

static struct plx_event_listener *listener(bool past)
{
	struct plx_event_listener_options opt = { .past = past, .directory = directory };
	struct plx_event_listener *l = NULL;
	int ret = plx_event_listener_open(&l, TOPIC, &opt);

	if (ret < 0)
		fail_msg("plx_event_listener_open: %s", plx_strerror(ret));
	return l;
}

/* Both ends are connected: the listener has no thread, so it must wait for that. */
static void meet(struct plx_event_notifier *n, struct plx_event_listener *l, uint32_t listeners)
{
	for (int i = 0; i < 1000; i++) {
		(void)!plx_event_wait(l, 0, 5 * 1000 * 1000, NULL);
		if (plx_event_notifier_wait(n, listeners, 0) == 0)
			return;
	}
	fail_msg("they do not meet");
}

/* ---- one of each ----------------------------------------------------------------------------------- */

static void what_happened_is_taken_once_and_counted(void **state)
{
	struct plx_event_listener *l = listener(false);
	struct plx_event_notifier *n = notifier(0);
	uint64_t bits = 0;

	(void)state;
	meet(n, l, 1);
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), 0);
	assert_int_equal(plx_event_notify(n, 3), 0);
	assert_int_equal(plx_event_notify(n, 3), 0);
	assert_int_equal(plx_event_notify_mask(n, PLX_EVENT_BIT(63) | PLX_EVENT_BIT(0)), 0);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_BIT(3), SECOND, &bits), 0);
	assert_int_equal(bits, PLX_EVENT_BIT(3));
	assert_int_equal(plx_event_count(l, 3), 2);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_BIT(3), 1000 * 1000, &bits), -ETIMEDOUT);
	assert_int_equal(plx_event_take(l, PLX_EVENT_BIT(0)), PLX_EVENT_BIT(0));
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), PLX_EVENT_BIT(63)); /* kept until wanted */
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), 0);
	assert_int_equal(plx_event_notify(n, 64), -EINVAL);
	assert_int_equal(plx_event_count(l, 64), 0);
	plx_event_notifier_close(n);
	n = notifier(5);
	assert_int_equal(plx_event_notify(n, 5), -EINVAL);
	assert_int_equal(plx_event_notify_mask(n, PLX_EVENT_BIT(5)), -EINVAL);
	assert_int_equal(plx_event_notify(n, 4), 0);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
	assert_int_equal(bits, PLX_EVENT_BIT(4));
	plx_event_notifier_close(n);
	plx_event_listener_close(l);
	plx_event_notifier_close(NULL);
	plx_event_listener_close(NULL);
	assert_int_equal(
		plx_event_notifier_open(&n, TOPIC, &(struct plx_event_notifier_options){ .ids = 65 }),
		-EINVAL);
}

static void a_listener_that_was_lapped_has_missed_nothing(void **state)
{
	struct plx_event_listener *l = listener(false);
	struct plx_event_notifier *n = notifier(0);

	(void)state;
	meet(n, l, 1);
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 10000; i++)
			assert_int_equal(plx_event_notify(n, i ? 1 : 2), 0); /* event 2 only once, long ago */
		assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), PLX_EVENT_BIT(1) | PLX_EVENT_BIT(2));
		assert_int_equal(plx_event_count(l, 1), round * 9999);
		assert_int_equal(plx_event_count(l, 2), round);
	}
	plx_event_notifier_close(n);
	plx_event_listener_close(l);
}

static void the_past_is_told_to_who_asks_for_it(void **state)
{
	struct plx_event_notifier *n = notifier(0);
	struct plx_event_listener *l, *all;
	uint64_t bits = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(plx_event_notify(n, 7), 0);
	sleep_ms(1);
	l = listener(false);
	all = listener(true);
	assert_int_equal(plx_event_notify(n, 9), 0); /* after opening, perhaps before we are connected */
	assert_int_equal(plx_event_wait(all, PLX_EVENT_BIT(7), 10 * SECOND, &bits), 0);
	assert_int_equal(plx_event_count(all, 7), 5);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
	assert_int_equal(bits, PLX_EVENT_BIT(9));
	assert_int_equal(plx_event_count(l, 9), 1);
	assert_int_equal(plx_event_notify(n, 7), 0);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
	assert_int_equal(bits, PLX_EVENT_BIT(7));
	assert_int_equal(plx_event_count(l, 7), 1);
	plx_event_notifier_close(n);
	plx_event_listener_close(l);
	plx_event_listener_close(all);
}

static void *notify_later(void *arg)
{
	for (int i = 0; i < 20; i++) {
		sleep_ms(2);
		if (plx_event_notify(arg, i % 2 ? 1 : 0) < 0)
			return arg;
	}
	return NULL;
}

static void the_descriptor_is_readable_when_something_happens(void **state)
{
	struct plx_event_listener *l = listener(false);
	struct plx_event_notifier *n = notifier(0);
	struct pollfd p = { .fd = plx_event_fd(l), .events = POLLIN };
	pthread_t thread;
	void *wrong;

	(void)state;
	meet(n, l, 1);
	assert_int_equal(pthread_create(&thread, NULL, notify_later, n), 0);
	while (plx_event_count(l, 1) < 10) {
		if (plx_event_arm(l, PLX_EVENT_BIT(1)))
			assert_int_equal(poll(&p, 1, 10000), 1);
		plx_event_take(l, PLX_EVENT_BIT(1));
	}
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	/* what is not wanted does not keep us awake */
	plx_event_take(l, PLX_EVENT_BIT(1));
	assert_true(plx_event_arm(l, PLX_EVENT_BIT(1)));
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_false(plx_event_arm(l, PLX_EVENT_BIT(0)));
	assert_int_equal(plx_event_count(l, 0), 10);
	plx_event_notifier_close(n);
	plx_event_listener_close(l);
}

/* ---- many ------------------------------------------------------------------------------------------ */

#define NOTIFIERS 3
#define LISTENERS 3

static uint64_t each(void)
{
	return LONG_LOOP(20000);
}

/* Event i comes from notifier i alone, event 10 from all of them. */
static int notify_often(void *arg)
{
	struct plx_event_notifier *n = notifier(0);
	unsigned int me = *(unsigned int *)arg;

	CHECK(plx_event_notifier_wait(n, LISTENERS, 10 * SECOND) == 0);
	for (uint64_t i = 0; i < each(); i++)
		CHECK(plx_event_notify_mask(n, PLX_EVENT_BIT(me) | PLX_EVENT_BIT(10)) == 0);
	plx_event_notifier_close(n);
	return 0;
}

static int listen_to_all(void *arg)
{
	struct plx_event_listener *l = listener(true);
	unsigned int me = *(unsigned int *)arg;

	while (plx_event_count(l, 10) < NOTIFIERS * each()) {
		CHECK(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, NULL) == 0);
		if (me == 1)
			sleep_ms(1);
	}
	for (unsigned int i = 0; i < NOTIFIERS; i++)
		CHECK(plx_event_count(l, i) == each());
	CHECK(plx_event_count(l, 10) == NOTIFIERS * each());
	plx_event_listener_close(l);
	return 0;
}

static void many_notifiers_and_listeners_agree_on_every_count(void **state)
{
	unsigned int numbers[NOTIFIERS + LISTENERS];
	pid_t kids[NOTIFIERS + LISTENERS];

	(void)state;
	for (unsigned int i = 0; i < NOTIFIERS + LISTENERS; i++) {
		numbers[i] = i % NOTIFIERS;
		kids[i] = start(i < NOTIFIERS ? notify_often : listen_to_all, &numbers[i]);
	}
	for (int i = 0; i < NOTIFIERS + LISTENERS; i++)
		assert_int_equal(finish(kids[i]), 0);
}

static void *notify_thread(void *arg)
{
	return notify_often(arg) == 0 ? NULL : arg;
}

static void *listen_thread(void *arg)
{
	return listen_to_all(arg) == 0 ? NULL : arg;
}

static void the_same_with_threads(void **state)
{
	pthread_t threads[NOTIFIERS + LISTENERS];
	unsigned int numbers[NOTIFIERS + LISTENERS];
	void *wrong;

	(void)state;
	for (unsigned int i = 0; i < NOTIFIERS + LISTENERS; i++) {
		numbers[i] = i % NOTIFIERS;
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < NOTIFIERS ? notify_thread : listen_thread, &numbers[i]),
				 0);
	}
	for (int i = 0; i < NOTIFIERS + LISTENERS; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* ---- deaths ---------------------------------------------------------------------------------------- */

static int notify_and_die(void *arg)
{
	struct plx_event_notifier *n = notifier(0);

	CHECK(plx_event_notifier_wait(n, 1, 10 * SECOND) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(plx_event_notify(n, i == 50 ? 5 : 6) == 0);
	(void)arg;
	kill(getpid(), SIGKILL);
	return 1;
}

static void what_a_killed_notifier_said_last_is_heard(void **state)
{
	struct plx_event_listener *l = listener(false);
	uint64_t bits = 0;

	(void)state;
	for (uint64_t round = 1; round <= 3; round++) {
		pid_t kid = start(notify_and_die, NULL);
		uint64_t got = 0;

		while (got != (PLX_EVENT_BIT(5) | PLX_EVENT_BIT(6)) || plx_event_count(l, 6) < round * 99) {
			assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
			got |= bits;
		}
		assert_int_equal(plx_event_count(l, 5), round);
		assert_int_equal(plx_event_count(l, 6), round * 99);
		assert_int_equal(finish(kid), -SIGKILL);
	}
	plx_event_listener_close(l);
}

static int listen_until_killed(void *arg)
{
	struct plx_event_listener *l = listener(false);

	(void)arg;
	for (;;)
		CHECK(plx_event_wait(l, PLX_EVENT_ALL, UINT64_MAX, NULL) == 0);
}

static void killed_and_stopped_listeners_delay_nobody(void **state)
{
	struct plx_event_listener *l;
	struct plx_event_notifier *n;
	pid_t kids[4];
	uint64_t bits;

	(void)state;
	for (int i = 0; i < 4; i++)
		kids[i] = start(listen_until_killed, NULL);
	n = notifier(0);
	l = listener(true);
	meet(n, l, 5);
	for (int i = 0; i < 20000; i++) {
		uint64_t begin = plx_now_ns();

		assert_int_equal(plx_event_notify(n, 1), 0);
		assert_in_range(plx_now_ns() - begin, 0, SECOND);
		if (i % 5000 == 2500)
			kill(kids[i / 5000], i / 5000 % 2 ? SIGKILL : SIGSTOP);
	}
	/* whom a notifier has met may not have heard of it yet */
	do {
		assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
		assert_int_equal(bits, PLX_EVENT_BIT(1));
	} while (plx_event_count(l, 1) < 20000);
	assert_int_equal(plx_event_count(l, 1), 20000);
	for (int i = 0; i < 4; i++) {
		kill(kids[i], SIGKILL);
		assert_int_equal(finish(kids[i]), -SIGKILL);
	}
	plx_event_listener_close(l);
	plx_event_notifier_close(n);
}

/* ---- lies ------------------------------------------------------------------------------------------ */

static void messages_that_lie_are_not_believed(void **state)
{
	struct plx_publisher *liar = publisher((struct plx_publisher_options){ .slot_size = 4096 });
	struct plx_event_listener *l = listener(true);
	struct plx_event_message m = { .magic = PLX_EVENT_MAGIC, .ids = 2 };
	uint64_t size = plx_event_size(2), bits;
	unsigned char large[4096] = { 0 };

	(void)state;
	for (int i = 0; i < 100 && plx_publisher_wait_subscribers(liar, 1, 0) < 0; i++)
		(void)!plx_event_wait(l, 0, 5 * 1000 * 1000, NULL);
	m.tally[1].count = 4;
	assert_int_equal(plx_publisher_send(liar, &m, size - 8), 0);
	assert_int_equal(plx_publisher_send(liar, &m, size + 8), 0);
	assert_int_equal(plx_publisher_send(liar, &m, size - 1), 0);
	assert_int_equal(plx_publisher_send(liar, &m, 0), 0);
	assert_int_equal(plx_publisher_send(liar, large, sizeof(large)), 0);
	m.ids = 0;
	assert_int_equal(plx_publisher_send(liar, &m, plx_event_size(0)), 0);
	m.ids = UINT32_MAX;
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	m.ids = 65;
	memcpy(large, &m, sizeof(m));
	assert_int_equal(plx_publisher_send(liar, large, plx_event_size(65)), 0);
	m.ids = 2;
	m.magic++;
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), 0);
	m.magic--;
	m.reserved = 1;
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), 0);
	m.reserved = 0;
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
	assert_int_equal(bits, PLX_EVENT_BIT(1));
	assert_int_equal(plx_event_count(l, 1), 4);
	m.tally[1].count = 3; /* backwards */
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), 0);
	m.tally[1].count = 5;
	assert_int_equal(plx_publisher_send(liar, &m, size), 0);
	assert_int_equal(plx_event_take(l, PLX_EVENT_ALL), PLX_EVENT_BIT(1));
	assert_int_equal(plx_event_count(l, 1), 5);
	plx_event_listener_close(l);
	plx_publisher_close(liar);
}

static int notify_for_ever(void *arg)
{
	struct plx_event_notifier *n = notifier(1);

	(void)arg;
	for (;;)
		CHECK(plx_event_notify(n, 0) == 0);
}

static void a_notifier_that_never_stops_does_not_keep_a_listener(void **state)
{
	struct plx_event_listener *l = listener(false);
	pid_t kid = start(notify_for_ever, NULL);
	uint64_t bits, begin;

	(void)state;
	assert_int_equal(plx_event_wait(l, PLX_EVENT_ALL, 10 * SECOND, &bits), 0);
	begin = plx_now_ns();
	for (int i = 0; i < 100; i++) {
		plx_event_take(l, PLX_EVENT_BIT(0));
		(void)!plx_event_arm(l, PLX_EVENT_BIT(1));
	}
	assert_int_equal(plx_event_wait(l, PLX_EVENT_BIT(1), 50 * 1000 * 1000, &bits), -ETIMEDOUT);
	assert_in_range(plx_now_ns() - begin, 0, 10 * SECOND);
	kill(kid, SIGKILL);
	assert_int_equal(finish(kid), -SIGKILL);
	plx_event_listener_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_happened_is_taken_once_and_counted),
		cmocka_unit_test(a_listener_that_was_lapped_has_missed_nothing),
		cmocka_unit_test(the_past_is_told_to_who_asks_for_it),
		cmocka_unit_test(the_descriptor_is_readable_when_something_happens),
		cmocka_unit_test(many_notifiers_and_listeners_agree_on_every_count),
		cmocka_unit_test(the_same_with_threads),
		cmocka_unit_test(what_a_killed_notifier_said_last_is_heard),
		cmocka_unit_test(killed_and_stopped_listeners_delay_nobody),
		cmocka_unit_test(messages_that_lie_are_not_believed),
		cmocka_unit_test(a_notifier_that_never_stops_does_not_keep_a_listener),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

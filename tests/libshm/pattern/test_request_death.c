/* test_request_death.c - who asks or answers is killed, closes, lies: nobody waits in vain, nothing is left behind. */
#include "tests/libshm/pattern/ask.h"

/* ---- deaths ---------------------------------------------------------------------------------------- */

/* A child that is there before we have threads (ThreadSanitizer wants it so), and runs when it is let go. */
struct later {
	int (*run)(void *arg);
	void *arg;
	pid_t pid;
	int gate[2];
};

static int wait_and_run(void *arg)
{
	struct later *l = arg;
	char byte;

	close(l->gate[1]);
	return read(l->gate[0], &byte, 1) == 1 ? l->run(l->arg) : 0;
}

static void prepare(struct later *l, int (*run)(void *arg), void *arg)
{
	*l = (struct later){ .run = run, .arg = arg };
	assert_int_equal(pipe(l->gate), 0);
	l->pid = start(wait_and_run, l);
	close(l->gate[0]);
}

static pid_t let_go(struct later *l)
{
	assert_int_equal(write(l->gate[1], "x", 1), 1);
	close(l->gate[1]);
	return l->pid;
}

/* Answers every other request, then stays. */
static int half_a_server(void *arg)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_request *r;

	(void)arg;
	for (int i = 0;; i++) {
		r = next(s);
		CHECK(r);
		if (i % 2)
			CHECK(answer(s, r) == 0);
	}
}

static void calls_to_a_killed_server_break_and_the_next_server_goes_on(void **state)
{
	struct plx_client *c;
	unsigned char bytes[8];
	uint64_t calls[2];
	struct later kids[3];
	struct plx_reply r;

	(void)state;
	for (int i = 0; i < 3; i++)
		prepare(&kids[i], half_a_server, NULL);
	c = client((struct plx_client_options){ 0 });
	for (int round = 0; round < 3; round++) {
		pid_t kid = let_go(&kids[round]);
		uint64_t begin;

		assert_int_equal(plx_client_connect(c, 10 * SECOND), 0);
		for (uint64_t n = 0; n < 2; n++) {
			fill(bytes, n, 8);
			assert_int_equal(plx_client_send(c, bytes, 8, UINT64_MAX, &calls[n]), 0);
		}
		assert_true(ended(c, &r));
		assert_int_equal(r.error, 0);
		assert_int_equal(r.call, calls[1]);
		plx_buffer_release(&r.buffer);
		kill(kid, SIGKILL);
		assert_int_equal(finish(kid), -SIGKILL);
		begin = plx_now_ns();
		assert_true(ended(c, &r));
		assert_int_equal(r.error, -EPIPE);
		assert_int_equal(r.call, calls[0]);
		assert_in_range(plx_now_ns() - begin, 0, SECOND);
	}
	plx_client_close(c);
}

/* Takes one request and says so, but never answers. */
static int silent_server(void *arg)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });

	CHECK(next(s));
	CHECK(write(*(int *)arg, "x", 1) == 1);
	for (;;)
		pause();
}

static void a_server_that_dies_before_its_first_reply_is_noticed(void **state)
{
	struct plx_client *c;
	int ends[2];
	struct plx_reply r;
	uint64_t call;
	pid_t kid;
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	kid = start(silent_server, &ends[1]);
	c = client((struct plx_client_options){ 0 });
	assert_int_equal(plx_client_connect(c, 10 * SECOND), 0);
	assert_int_equal(plx_client_send(c, "x", 1, UINT64_MAX, &call), 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	kill(kid, SIGKILL);
	assert_true(ended(c, &r));
	assert_int_equal(r.error, -EPIPE);
	assert_int_equal(finish(kid), -SIGKILL);
	close(ends[0]);
	close(ends[1]);
	plx_client_close(c);
}

static void a_server_that_closes_lets_clients_read_what_it_answered(void **state)
{
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_server_options opt = { .linger_ns = SECOND / 5 };
	struct plx_server *s = server(opt);
	struct plx_reply r;
	uint64_t answered, open;
	pthread_t thread;
	void *wrong;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, server_thread, s), 0);
	assert_int_equal(plx_client_connect(c, 10 * SECOND), 0);
	assert_int_equal(ask_in_turn(c, 3), 0);
	stop_serving(c);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_int_equal(plx_client_send(c, "answered", 8, UINT64_MAX, &answered), 0);
	assert_int_equal(plx_client_send(c, "open", 4, UINT64_MAX, &open), 0);
	assert_int_equal(plx_server_reply(s, next(s), "yes", 3), 0);
	plx_server_close(s); /* we read only afterwards */
	assert_true(ended(c, &r));
	assert_int_equal(r.call, answered);
	assert_int_equal(r.error, 0);
	assert_memory_equal(r.buffer.data, "yes", 3);
	plx_buffer_release(&r.buffer);
	assert_true(ended(c, &r));
	assert_int_equal(r.call, open);
	assert_int_equal(r.error, -EPIPE);
	plx_client_close(c);
}

static int client_that_asks_and_waits(void *arg)
{
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_reply r;

	(void)arg;
	CHECK(plx_client_call(c, "first", 5, &r, 10 * SECOND) == 0);
	plx_buffer_release(&r.buffer);
	CHECK(plx_client_call(c, "second", 6, &r, UINT64_MAX) == 0);
	return 1;
}

static void the_reply_to_a_killed_client_is_dropped_and_told(void **state)
{
	struct plx_server *s;
	struct later kids[3];
	int fds = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		prepare(&kids[i], client_that_asks_and_waits, NULL);
	s = server((struct plx_server_options){ 0 });
	for (int round = 0; round < 3; round++) {
		pid_t kid = let_go(&kids[round]);
		struct plx_server_stats stats;
		struct plx_request *r = next(s), *none;

		assert_memory_equal(r->buffer.data, "first", 5);
		assert_int_equal(plx_server_reply(s, r, "1", 1), 0);
		r = next(s);
		assert_memory_equal(r->buffer.data, "second", 6);
		kill(kid, SIGKILL);
		assert_int_equal(finish(kid), -SIGKILL);
		/* with or without a look at the topic in between */
		if (round == 1) {
			for (int i = 0; i < 50; i++) {
				(void)!plx_server_wait(s, 2 * 1000 * 1000);
				assert_int_equal(plx_server_next(s, &none), 0);
			}
		} else {
			sleep_ms(50);
		}
		assert_memory_equal(r->buffer.data, "second", 6); /* ours until we answer */
		assert_int_equal(plx_server_reply(s, r, "2", 1), -EPIPE);
		for (int i = 0; i < 50; i++) {
			(void)!plx_server_wait(s, 2 * 1000 * 1000);
			assert_int_equal(plx_server_next(s, &none), 0);
			plx_server_stats(s, &stats);
			if (stats.clients == 0)
				break;
		}
		assert_int_equal(stats.clients, 0);
		assert_int_equal(stats.waiting, 0);
		assert_int_equal(stats.dropped, round + 1);
		for (int i = 0; i < 3; i++) { /* what is over is swept when there is time */
			(void)!plx_server_wait(s, 2 * 1000 * 1000);
			assert_int_equal(plx_server_next(s, &none), 0);
		}
		if (round == 0)
			fds = count_open_fds(); /* one gate is open less in each round */
		assert_int_equal(count_open_fds(), fds - round);
	}
	plx_server_close(s);
}

static void a_server_may_close_with_requests_open(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	unsigned char bytes[1000] = { 0 };
	struct plx_reply reply;
	uint64_t call;

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_send(c, bytes, 1000, UINT64_MAX, &call), 0);
	assert_int_equal(plx_client_send(c, bytes, 1, UINT64_MAX, &call), 0);
	assert_non_null(next(s));
	assert_non_null(next(s));
	plx_server_close(s);
	for (int i = 0; i < 2; i++) {
		assert_true(ended(c, &reply));
		assert_int_equal(reply.error, -EPIPE);
	}
	plx_client_close(c);
}

/* ---- a server that lies ---------------------------------------------------------------------------- */

static void replies_that_make_no_sense_end_at_most_the_call_they_name(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_publisher_options opt = { .directory = directory, .slot_size = 256 };
	struct plx_publisher *liar;
	struct plx_client_stats stats;
	struct plx_reply reply;
	struct {
		uint64_t payload[4];
		struct plx_reply_tail tail;
	} m = { .payload = { ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0) },
		.tail = { .length = 32 } };
	char topic[80];
	uint64_t call, late = 0;

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_send(c, "x", 1, UINT64_MAX, &call), 0);
	snprintf(topic, sizeof(topic), PLX_REPLY_TOPIC, NAME, (unsigned long long)next(s)->client);
	assert_int_equal(plx_publisher_open(&liar, topic, &opt), 0);
	for (int i = 0; i < 100;
	     i++) { /* until the client has connected to the server's topic, and to the liar's */
		struct plx_publisher_stats p;

		assert_int_equal(plx_client_wait(c, 10 * 1000 * 1000), -ETIMEDOUT);
		plx_publisher_stats(liar, &p);
		if (p.subscribers)
			break;
	}
	/* too short, odd, without a call, of calls that never were: nothing ends */
	assert_int_equal(plx_publisher_send(liar, &m, 0), 0);
	assert_int_equal(plx_publisher_send(liar, &m, 15), 0);
	assert_int_equal(plx_publisher_send(liar, &m, 47), 0);
	assert_int_equal(plx_publisher_send(liar, &m, sizeof(m) - 8), 0);
	m.tail.call = 77;
	assert_int_equal(plx_publisher_send(liar, &m, sizeof(m)), 0);
	m.tail.call = UINT64_MAX;
	assert_int_equal(plx_publisher_send(liar, &m, sizeof(m)), 0);
	assert_int_equal(plx_client_wait(c, 50 * 1000 * 1000), -ETIMEDOUT);
	plx_client_stats(c, &stats);
	late = stats.late;
	assert_int_equal(late, 6);
	/* our call, with lengths and errors that cannot be */
	static const struct {
		uint32_t length;
		int32_t error;
	} lies[] = { { 33, 0 }, { 0, 0 },          { UINT32_MAX, 0 }, { 24, 0 },
		     { 32, 1 }, { 32, INT32_MIN }, { 32, -5000 } };

	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		m.tail = (struct plx_reply_tail){ call - 1, lies[i].length, lies[i].error };
		assert_int_equal(plx_publisher_send(liar, &m, sizeof(m)), 0);
		assert_true(ended(c, &reply));
		assert_int_equal(reply.call, call);
		assert_int_equal(reply.error, -EBADMSG);
		assert_null(reply.buffer.data);
		assert_int_equal(plx_client_send(c, "x", 1, UINT64_MAX, &call), 0);
	}
	m.tail = (struct plx_reply_tail){ call - 1, 31, 0 };
	assert_int_equal(plx_publisher_send(liar, &m, sizeof(m)), 0);
	assert_true(ended(c, &reply));
	assert_int_equal(reply.error, 0);
	assert_int_equal(reply.buffer.length, 31);
	plx_buffer_release(&reply.buffer);
	plx_publisher_close(liar);
	plx_client_close(c);
	plx_server_close(s);
}

static int close_both(void *arg)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });

	(void)arg;
	meet(c, s);
	plx_client_close(c);
	plx_server_close(s);
	plx_client_close(NULL);
	plx_server_close(NULL);
	return 0;
}

static void nothing_is_left_behind(void **state)
{
	int fds, maps;

	(void)state;
	close_both(NULL);
	fds = count_open_fds();
	maps = count_maps("plx:");
	close_both(NULL);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:"), maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_to_a_killed_server_break_and_the_next_server_goes_on),
		cmocka_unit_test(a_server_that_dies_before_its_first_reply_is_noticed),
		cmocka_unit_test(a_server_that_closes_lets_clients_read_what_it_answered),
		cmocka_unit_test(the_reply_to_a_killed_client_is_dropped_and_told),
		cmocka_unit_test(a_server_may_close_with_requests_open),
		cmocka_unit_test(replies_that_make_no_sense_end_at_most_the_call_they_name),
		cmocka_unit_test(nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

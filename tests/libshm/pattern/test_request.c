/* test_request.c - calls end once: with a reply, an error, a deadline, or the death of the other side. */
#include "tests/libshm/topic/pair.h"

#include <pthread.h>
#include <stdatomic.h>

#include "pattern/request_layout.h"

#define NAME "test/sum"

static struct plx_server *server(struct plx_server_options opt)
{
	struct plx_server *s = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_server_open(&s, NAME, &opt);
	if (ret < 0)
		fail_msg("plx_server_open: %s", plx_strerror(ret));
	return s;
}

static struct plx_client *client(struct plx_client_options opt)
{
	struct plx_client *c = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_client_open(&c, NAME, &opt);
	if (ret < 0)
		fail_msg("plx_client_open: %s", plx_strerror(ret));
	return c;
}

/* The next request; NULL after ten seconds. */
static struct plx_request *next(struct plx_server *s)
{
	struct plx_request *r;

	for (;;) {
		int ret = plx_server_next(s, &r);

		if (ret == 1)
			return r;
		if (ret < 0 || plx_server_wait(s, 10 * SECOND) == -ETIMEDOUT)
			return NULL;
	}
}

/* The next call that ended; false after ten seconds. */
static bool ended(struct plx_client *c, struct plx_reply *r)
{
	for (;;) {
		int ret = plx_client_poll(c, r);

		if (ret == 1)
			return true;
		if (ret < 0 || plx_client_wait(c, 10 * SECOND) == -ETIMEDOUT)
			return false;
	}
}

/* A client and a server that know each other; the server has no thread, so the first wait connects them. */
static void meet(struct plx_client *c, struct plx_server *s)
{
	struct plx_client_stats stats;

	for (int i = 0; i < 1000; i++) {
		(void)!plx_server_wait(s, 10 * 1000 * 1000);
		plx_client_stats(c, &stats);
		if (stats.servers == 1)
			return;
	}
	fail_msg("client and server do not meet");
}

/* Number @n with a pattern behind it, in all of @size bytes. */
static void fill(unsigned char *bytes, uint64_t n, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i < 8 ? n >> (8 * i) : n * 7 + i);
}

static uint64_t number(const struct plx_buffer *b)
{
	unsigned char wanted[8192];
	uint64_t n = 0;

	if (b->length < 8)
		return UINT64_MAX;
	memcpy(&n, b->data, 8);
	fill(wanted, n, b->length);
	return memcmp(wanted, b->data, b->length) == 0 ? n : UINT64_MAX;
}

/* Sizes on both sides of what fits into an entry. */
static uint64_t size_of(uint64_t n)
{
	static const uint64_t sizes[] = { 8, 40, 24, 25, 41, 4096, 9, 1000 };

	return sizes[n % COUNT_OF(sizes)];
}

/* ---- the server that doubles: serves until it is told to stop by a request of zero bytes --------------- */

static int answer(struct plx_server *s, struct plx_request *r)
{
	uint64_t n = number(&r->buffer);
	unsigned char bytes[4096];
	struct plx_loan loan;
	int ret;

	if (n == UINT64_MAX) {
		plx_server_refuse(s, r, -EBADMSG);
		return 0;
	}
	if (n % 3 == 0) {
		fill(bytes, 2 * n, size_of(n + 1));
		return plx_server_reply(s, r, bytes, size_of(n + 1));
	}
	ret = plx_server_loan(s, r, &loan);
	if (ret < 0)
		return ret;
	fill(loan.data, 2 * n, size_of(n + 1));
	return plx_server_publish(s, r, &loan, size_of(n + 1));
}

static int serve(struct plx_server *s)
{
	for (;;) {
		struct plx_request *r = next(s);

		CHECK(r);
		if (r->buffer.length == 0) {
			CHECK(plx_server_reply(s, r, NULL, 0) == 0);
			return 0;
		}
		CHECK(answer(s, r) == 0);
	}
}

static int serve_process(void *arg)
{
	struct plx_server *s = server(*(struct plx_server_options *)arg);
	int ret = serve(s);

	plx_server_close(s);
	return ret;
}

static void stop_serving(struct plx_client *c)
{
	struct plx_reply r;

	assert_int_equal(plx_client_call(c, NULL, 0, &r, 10 * SECOND), 0);
	assert_int_equal(r.buffer.length, 0);
	plx_buffer_release(&r.buffer);
}

/* @count calls one after the other; 0 when all is well. */
static int ask_in_turn(struct plx_client *c, uint64_t count)
{
	unsigned char bytes[4096];

	for (uint64_t n = 0; n < count; n++) {
		struct plx_reply r;

		fill(bytes, n, size_of(n));
		CHECK(plx_client_call(c, bytes, size_of(n), &r, 10 * SECOND) == 0);
		CHECK(r.buffer.length == size_of(n + 1));
		CHECK(number(&r.buffer) == 2 * n);
		plx_buffer_release(&r.buffer);
	}
	return 0;
}

/* @count calls, as many at once as may be, each known by its number. */
static int ask_many(struct plx_client *c, uint64_t count)
{
	uint64_t calls[64] = { 0 }, numbers[64], sent = 0, got = 0;

	CHECK(plx_client_connect(c, 10 * SECOND) == 0);
	while (got < count) {
		struct plx_reply r;
		struct plx_loan loan;
		int i = 0;

		while (i < 64 && calls[i])
			i++;
		if (sent < count && i < 64 && plx_client_loan(c, &loan) == 0) {
			int ret;

			fill(loan.data, sent, size_of(sent));
			ret = plx_client_publish(c, &loan, size_of(sent), 10 * SECOND, &calls[i]);
			if (ret == 0) {
				numbers[i] = sent++;
				continue;
			}
			CHECK(ret == -EAGAIN);
			plx_client_drop(c, &loan);
		}
		CHECK(ended(c, &r));
		CHECK(r.error == 0);
		for (i = 0; i < 64 && calls[i] != r.call; i++)
			;
		CHECK(i < 64);
		CHECK(number(&r.buffer) == 2 * numbers[i]);
		calls[i] = 0;
		plx_buffer_release(&r.buffer);
		got++;
	}
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------------- */

static void calls_are_answered_by_another_process(void **state)
{
	struct plx_server_options opt = { .calls = 32 };
	pid_t kid = start(serve_process, &opt);
	struct plx_client *c = client((struct plx_client_options){ .calls = 32 });
	struct plx_client_stats stats;

	(void)state;
	assert_int_equal(ask_in_turn(c, LONG_LOOP(3000)), 0);
	assert_int_equal(ask_many(c, LONG_LOOP(20000)), 0);
	stop_serving(c);
	assert_int_equal(finish(kid), 0);
	plx_client_stats(c, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.sent, stats.replied);
	assert_int_equal(stats.late, 0);
	plx_client_close(c);
}

static int client_process(void *arg)
{
	struct plx_client *c = client((struct plx_client_options){ .calls = 8 });
	int ret = *(int *)arg % 2 ? ask_many(c, 500) : ask_in_turn(c, 500);

	plx_client_close(c);
	return ret;
}

static void many_clients_get_their_own_replies_only(void **state)
{
	struct plx_server_options opt = { .calls = 8 };
	pid_t kid = start(serve_process, &opt), kids[6];
	struct plx_client *c;
	int numbers[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		numbers[i] = i;
		kids[i] = start(client_process, &numbers[i]);
	}
	c = client((struct plx_client_options){ 0 });
	for (int i = 0; i < 6; i++)
		assert_int_equal(finish(kids[i]), 0);
	stop_serving(c);
	assert_int_equal(finish(kid), 0);
	plx_client_close(c);
}

static void *client_thread(void *arg)
{
	return client_process(arg) == 0 ? NULL : arg;
}

static void *server_thread(void *arg)
{
	return serve(arg) == 0 ? NULL : arg;
}

static void the_same_with_threads(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ .calls = 8 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	pthread_t thread, threads[3];
	int numbers[3];
	void *wrong;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, server_thread, s), 0);
	for (int i = 0; i < 3; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, client_thread, &numbers[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	stop_serving(c);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	plx_server_close(s);
	plx_client_close(c);
}

static void replies_may_come_in_any_order_and_late(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_request *requests[8];
	struct plx_server_stats stats;
	unsigned char bytes[4096];
	uint64_t calls[8];

	(void)state;
	meet(c, s);
	for (uint64_t n = 0; n < 8; n++) {
		fill(bytes, n, size_of(n));
		assert_int_equal(plx_client_send(c, bytes, size_of(n), UINT64_MAX, &calls[n]), 0);
	}
	for (int n = 0; n < 8; n++) {
		requests[n] = next(s);
		assert_int_equal(requests[n]->client, requests[0]->client);
		assert_int_equal(requests[n]->call, calls[n]);
	}
	plx_server_stats(s, &stats);
	assert_int_equal(stats.waiting, 8);
	assert_int_equal(stats.clients, 1);
	for (int n = 7; n >= 0; n--) {
		struct plx_reply r;

		assert_int_equal(number(&requests[n]->buffer), n);
		assert_int_equal(answer(s, requests[n]), 0);
		assert_true(ended(c, &r));
		assert_int_equal(r.call, calls[n]);
		assert_int_equal(number(&r.buffer), 2 * n);
		plx_buffer_release(&r.buffer);
	}
	plx_client_close(c);
	plx_server_close(s);
}

static void a_small_request_that_waits_does_not_hold_up_the_others(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ .calls = 2 });
	struct plx_request *first, *r;
	struct plx_reply reply;
	uint64_t call, old;

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_send(c, "first", 5, UINT64_MAX, &old), 0);
	first = next(s);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(plx_client_send(c, "more", 4, UINT64_MAX, &call), 0);
		r = next(s);
		assert_int_equal(plx_server_reply(s, r, &i, sizeof(i)), 0);
		assert_true(ended(c, &reply));
		assert_int_equal(reply.call, call);
		assert_memory_equal(reply.buffer.data, &i, sizeof(i));
		plx_buffer_release(&reply.buffer);
	}
	assert_memory_equal(first->buffer.data, "first", 5);
	assert_int_equal(plx_server_reply(s, first, "!", 1), 0);
	assert_true(ended(c, &reply));
	assert_int_equal(reply.call, old);
	plx_buffer_release(&reply.buffer);
	plx_client_close(c);
	plx_server_close(s);
}

static void loans_are_written_and_read_in_place(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ .reply_size = 1 << 20 });
	struct plx_client *c = client((struct plx_client_options){ .request_size = 1 << 20, .calls = 2 });
	struct plx_request *r;
	struct plx_reply reply;
	struct plx_loan loan;
	uint64_t call;

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_loan(c, &loan), 0);
	assert_int_equal(loan.capacity, 1 << 20);
	memset(loan.data, 1, 1 << 20);
	assert_int_equal(plx_client_publish(c, &loan, 1 << 20, UINT64_MAX, &call), 0);
	r = next(s);
	assert_int_equal(r->buffer.length, 1 << 20);
	assert_int_equal(((const unsigned char *)r->buffer.data)[(1 << 20) - 1], 1);
	assert_int_equal(plx_server_loan(s, r, &loan), 0);
	assert_int_equal(loan.capacity, 1 << 20);
	assert_int_equal((uintptr_t)loan.data % PLX_LINE, 0);
	memset(loan.data, 2, 1 << 20);
	assert_int_equal(plx_server_publish(s, r, &loan, (1 << 20) + 1), -EMSGSIZE);
	assert_int_equal(plx_server_publish(s, r, &loan, 1 << 20), 0);
	assert_true(ended(c, &reply));
	assert_int_equal(reply.buffer.length, 1 << 20);
	assert_int_equal((uintptr_t)reply.buffer.data % PLX_LINE, 0);
	assert_int_equal(((const unsigned char *)reply.buffer.data)[(1 << 20) - 1], 2);
	plx_buffer_release(&reply.buffer);
	plx_client_close(c);
	plx_server_close(s);
}

/* ---- limits, errors -------------------------------------------------------------------------------- */

static void an_error_of_the_server_ends_the_call(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_reply reply;
	uint64_t call;

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_send(c, "x", 1, UINT64_MAX, &call), 0);
	plx_server_refuse(s, next(s), -ENOENT);
	assert_true(ended(c, &reply));
	assert_int_equal(reply.call, call);
	assert_int_equal(reply.error, -ENOENT);
	assert_null(reply.buffer.data);
	plx_client_close(c);
	plx_server_close(s);
}

static void a_call_ends_at_its_deadline_and_its_reply_is_late(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ 0 });
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_client_stats stats;
	struct plx_request *r;
	struct plx_reply reply;
	uint64_t call, patient, begin;

	(void)state;
	meet(c, s);
	begin = plx_now_ns();
	assert_int_equal(plx_client_send(c, "x", 1, SECOND, &patient), 0);
	assert_int_equal(plx_client_send(c, "x", 1, 20 * 1000 * 1000, &call), 0);
	assert_true(ended(c, &reply));
	assert_in_range(plx_now_ns() - begin, 20 * 1000 * 1000, SECOND / 2);
	assert_int_equal(reply.call, call);
	assert_int_equal(reply.error, -ETIMEDOUT);
	(void)!next(s);
	r = next(s);
	assert_int_equal(r->call, call);
	assert_int_equal(plx_server_reply(s, r, "late", 4), 0);
	assert_true(ended(c, &reply)); /* the patient one, not the late reply */
	assert_int_equal(reply.call, patient);
	assert_int_equal(reply.error, -ETIMEDOUT);
	plx_client_stats(c, &stats);
	assert_int_equal(stats.late, 1);
	assert_int_equal(stats.timed_out, 2);
	assert_int_equal(plx_client_wait(c, 1000), -ETIMEDOUT);
	plx_client_close(c);
	plx_server_close(s);
}

static void without_a_server_a_call_waits_and_a_send_does_not(void **state)
{
	struct plx_client *c = client((struct plx_client_options){ 0 });
	struct plx_reply reply;
	uint64_t call;

	(void)state;
	assert_int_equal(plx_client_send(c, "x", 1, SECOND, &call), -ENOTCONN);
	assert_int_equal(plx_client_call(c, "x", 1, &reply, 20 * 1000 * 1000), -ETIMEDOUT);
	assert_int_equal(plx_client_connect(c, 1000), -ETIMEDOUT);
	plx_client_close(c);
}

static void limits_are_answers_and_not_accidents(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ .calls = 2, .reply_size = 100 });
	struct plx_client *c = client((struct plx_client_options){ .calls = 4, .request_size = 100 });
	struct plx_request *a, *b, *none;
	struct plx_server_stats stats;
	unsigned char bytes[200] = { 0 };
	struct plx_reply reply;
	uint64_t calls[5];

	(void)state;
	meet(c, s);
	assert_int_equal(plx_client_send(c, bytes, 101, SECOND, &calls[0]), -EMSGSIZE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(plx_client_send(c, bytes, 100, SECOND, &calls[i]), 0);
	assert_int_equal(plx_client_send(c, bytes, 100, SECOND, &calls[4]), -EAGAIN);
	a = next(s);
	b = next(s);
	assert_int_equal(plx_server_next(s, &none), 0);
	for (int i = 2; i < 4; i++) { /* two more than the server keeps */
		assert_true(ended(c, &reply));
		assert_int_equal(reply.call, calls[i]);
		assert_int_equal(reply.error, -EBUSY);
	}
	plx_server_stats(s, &stats);
	assert_int_equal(stats.refused, 2);
	assert_int_equal(plx_server_reply(s, a, bytes, 101), -EMSGSIZE);
	assert_int_equal(plx_server_reply(s, a, bytes, 100), 0);
	assert_int_equal(plx_server_reply(s, b, bytes, 0), 0);
	assert_true(ended(c, &reply));
	assert_int_equal(reply.buffer.length, 100);
	plx_buffer_release(&reply.buffer);
	assert_true(plx_client_forget(c, calls[1]));
	assert_false(plx_client_forget(c, calls[1]));
	assert_int_equal(plx_client_wait(c, 50 * 1000 * 1000), -ETIMEDOUT);
	plx_client_close(c);
	plx_server_close(s);
	assert_int_equal(plx_server_open(&s, "a123456789b123456789c123456789d123456789xy", NULL), -EINVAL);
	assert_int_equal(plx_client_open(&c, "a123456789b123456789c123456789d123456789xy", NULL), -EINVAL);
	assert_int_equal(plx_server_open(&s, "../x", NULL), -EINVAL);
}

static void clients_of_another_type_are_refused(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ .request_type = 7 });
	struct plx_client *c = client((struct plx_client_options){ .request_type = 8 });
	struct plx_client_stats stats;

	(void)state;
	for (int i = 0; i < 100 && !plx_server_refusal(s)[0]; i++)
		(void)!plx_server_wait(s, 10 * 1000 * 1000);
	assert_non_null(strstr(plx_server_refusal(s), "0x00000008"));
	plx_client_stats(c, &stats);
	assert_int_equal(stats.servers, 0);
	plx_client_close(c);
	plx_server_close(s);
}

static void a_client_that_reads_nothing_delays_nobody(void **state)
{
	struct plx_server *s = server((struct plx_server_options){ .calls = 4 });
	struct plx_client *slow = client((struct plx_client_options){ .calls = 4 });
	struct plx_client *quick = client((struct plx_client_options){ .calls = 4 });
	struct plx_reply reply;
	uint64_t call;
	int full = 0;

	(void)state;
	meet(slow, s);
	meet(quick, s);
	assert_int_equal(plx_client_send(slow, "x", 1, UINT64_MAX, &call), 0);
	assert_int_equal(plx_server_reply(s, next(s), "ok", 2), 0);
	assert_true(ended(slow, &reply)); /* so much it read */
	plx_buffer_release(&reply.buffer);
	for (int i = 0; i < 200; i++) { /* it forgets its calls and never looks at a reply */
		if (plx_client_send(slow, "x", 1, 0, &call) == 0)
			plx_client_forget(slow, call);
		if (plx_client_send(quick, "y", 1, SECOND, &call) == 0) {
			struct plx_request *r;
			int served = 0;

			while ((r = next(s)) && served < 2) {
				bool mine = r->call == call && *(const char *)r->buffer.data == 'y';
				int ret = plx_server_reply(s, r, "ok", 2);

				if (ret < 0) {
					assert_int_equal(ret, -EAGAIN);
					assert_false(mine);
					plx_server_refuse(s, r, -EAGAIN);
					full++;
				}
				served++;
				if (mine)
					break;
			}
			assert_true(ended(quick, &reply));
			assert_int_equal(reply.call, call);
			assert_int_equal(reply.error, 0);
			plx_buffer_release(&reply.buffer);
		}
	}
	assert_true(full > 0);
	plx_client_close(slow);
	plx_client_close(quick);
	plx_server_close(s);
}

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
		cmocka_unit_test(calls_are_answered_by_another_process),
		cmocka_unit_test(many_clients_get_their_own_replies_only),
		cmocka_unit_test(the_same_with_threads),
		cmocka_unit_test(replies_may_come_in_any_order_and_late),
		cmocka_unit_test(a_small_request_that_waits_does_not_hold_up_the_others),
		cmocka_unit_test(loans_are_written_and_read_in_place),
		cmocka_unit_test(an_error_of_the_server_ends_the_call),
		cmocka_unit_test(a_call_ends_at_its_deadline_and_its_reply_is_late),
		cmocka_unit_test(without_a_server_a_call_waits_and_a_send_does_not),
		cmocka_unit_test(limits_are_answers_and_not_accidents),
		cmocka_unit_test(clients_of_another_type_are_refused),
		cmocka_unit_test(a_client_that_reads_nothing_delays_nobody),
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

/* test_request.c - calls end once: with a reply, an error, a deadline, or the death of the other side. */
#include "tests/libshm/pattern/ask.h"

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
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

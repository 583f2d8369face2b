/* test_service.c - the service goes on whatever comes, and ends when it should. Timeout: 120 */
#include "tests/reducer/job/bench.h"

static void a_good_program_is_answered_with_its_normal_form(void **state)
{
	struct bench *b = *state;
	struct json_object *reply, *list;

	bench_service(b);
	bench_ends(b);
	bench_send(b, "// job: 17 sum\n@main = r & 1 ~ $([+] $(2 r))\n");
	reply = bench_reply(b);
	assert_int_equal(bench_count(reply, "job"), 17);
	assert_string_equal(bench_text(reply, "name"), "sum");
	assert_string_equal(bench_text(reply, "status"), "done");
	assert_string_equal(bench_text(reply, "result"), "3");
	assert_int_equal(strlen(bench_text(reply, "publisher")), 16);
	assert_int_equal(bench_count(reply, "interactions"), 3);
	assert_int_equal(bench_count(reply, "workers"), 1);
	assert_true(json_object_object_get_ex(reply, "per_worker", &list));
	assert_int_equal(json_object_array_length(list), 2);
	json_object_put(reply);
}

static void bad_programs_between_good_ones_are_answered_with_their_place(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	bench_service(b);
	bench_ends(b);
	bench_good(b, "@main = 1", "1");
	bench_send(b, "@main = (a a)\n@x = (b\n");
	reply = bench_reply(b);
	assert_int_equal(bench_count(reply, "job"), 2);
	assert_string_equal(bench_text(reply, "reason"), "program");
	assert_true(bench_count(reply, "line") >= 2);
	assert_true(bench_count(reply, "column") >= 1);
	json_object_put(reply);
	bench_good(b, "@main = 2", "2");
	bench_bad(b, "@main = x", "program");
	bench_bad(b, "@main = @nobody", "program");
	bench_bad(b, "@other = 1", "program");
	bench_bad(b, "", "program");
	bench_good(b, "@main = (x (y (x y)))", "(a (b (a b)))");
}

static void any_bytes_are_answered(void **state)
{
	struct bench *b = *state;
	unsigned char bytes[300];
	uint64_t chance = 88172645463325252u;

	bench_service(b);
	bench_ends(b);
	bench_meet(b, b->pub);
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
			bytes[i] = (unsigned char)(chance >> 32);
		}
		if (round % 2)
			memcpy(bytes, "@main = ", 8);
		assert_int_equal(plx_publisher_send(b->pub, bytes, sizeof(bytes) - (size_t)round), 0);
		bench_refused(b, "program");
	}
	bench_good(b, "@main = 1", "1");
}

static void what_goes_wrong_while_it_runs_is_told_and_the_next_is_fine(void **state)
{
	struct bench *b = *state;

	bench_service(b);
	bench_ends(b);
	bench_bad(b, "@main = r & 1 ~ $([/] $(0 r))", "division");
	bench_good(b, "@main = 1", "1");
	bench_bad(b, "@f = ({a b} (a b))\n@main = (x y) & @f ~ {x y}", "unsafe");
	bench_good(b, "@main = 1", "1");
}

static void a_program_without_end_is_stopped_by_gas(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.limits.gas = 100000;
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "reason"), "gas");
	assert_in_range((uint64_t)bench_count(reply, "interactions"), 100000, 200000);
	json_object_put(reply);
	bench_good(b, "@main = 1", "1");
	bench_bad(b, PROGRAM_ENDLESS, "gas");
}

static void a_program_without_end_is_stopped_by_the_clock(void **state)
{
	struct bench *b = *state;
	uint64_t begin;

	b->opt.limits.time_ns = 200000000;
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	begin = plx_now_ns();
	bench_refused(b, "time");
	assert_true(plx_now_ns() - begin < UINT64_C(10000000000));
	bench_good(b, "@main = 1", "1");
}

static void a_program_that_wants_all_memory_is_refused_and_the_next_has_it(void **state)
{
	struct bench *b = *state;

	b->opt.net.memory_max = UINT64_C(16) << 20;
	bench_service(b);
	bench_ends(b);
	for (int i = 0; i < 3; i++) {
		bench_bad(b, PROGRAM_HUNGRY, "memory");
		bench_good(b, "@main = 1", "1");
	}
}

static void a_worker_that_is_killed_costs_nothing(void **state)
{
	struct bench *b = *state;
	struct json_object *reply, *list;
	pid_t pid;

	bench_service(b);
	bench_ends(b);
	for (int round = 0; round < 3; round++) {
		bench_send(b, "@main = 1");
		reply = bench_reply(b);
		assert_string_equal(bench_text(reply, "status"), "done");
		assert_true(json_object_object_get_ex(reply, "per_worker", &list));
		pid = (pid_t)bench_count(json_object_array_get_idx(list, (size_t)round % 2), "pid");
		json_object_put(reply);
		assert_true(pid > 1);
		bench_send(b, "// limits: time=300ms\n" PROGRAM_ENDLESS);
		sleep_ms(50);
		assert_int_equal(kill(pid, SIGKILL), 0);
		bench_refused(b, "time"); /* it went on until then */
	}
	bench_good(b, "@main = 1", "1");
}

static void a_worker_that_is_killed_between_programs_costs_none(void **state)
{
	struct bench *b = *state;
	struct json_object *reply, *list;

	bench_service(b);
	bench_ends(b);
	bench_send(b, "@main = 1");
	reply = bench_reply(b);
	assert_true(json_object_object_get_ex(reply, "per_worker", &list));
	for (size_t i = 0; i < 2; i++)
		kill((pid_t)bench_count(json_object_array_get_idx(list, i), "pid"), SIGKILL);
	json_object_put(reply);
	sleep_ms(50);
	bench_good(b, "@main = 2", "2");
}

static void a_program_in_pieces_is_one_program(void **state)
{
	struct bench *b = *state;
	const char text[] = "@main = r & 40 ~ $([+] $(2 r))";
	struct plx_loan loan;

	bench_service(b);
	bench_reader(b);
	b->pub = bench_publisher(b, 64);
	bench_meet(b, b->pub);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(plx_publisher_loan(b->pub, &loan), 0);
		*(char *)loan.data = text[i];
		loan.flags = i + 2 < sizeof(text) ? PLX_BUFFER_MORE : 0;
		assert_int_equal(plx_publisher_publish(b->pub, &loan, 1), 0);
	}
	bench_good(b, "@main = 1", "42"); /* the first reply is that of the pieces */
	bench_good(b, "@main = 2", "1");
}

static void a_program_that_is_too_long_is_refused(void **state)
{
	struct bench *b = *state;

	b->opt.text_max = 20;
	bench_service(b);
	bench_ends(b);
	bench_bad(b, "@main = 1 // and so on", "program");
	bench_good(b, "@main = 1", "1");
}

static void a_publisher_that_leaves_in_the_middle_of_a_program_is_answered(void **state)
{
	struct bench *b = *state;
	struct plx_publisher *other;
	struct plx_loan loan;

	bench_service(b);
	bench_ends(b);
	other = bench_publisher(b, 64);
	bench_meet(b, other);
	assert_int_equal(plx_publisher_loan(other, &loan), 0);
	memcpy(loan.data, "@main = ", 8);
	loan.flags = PLX_BUFFER_MORE;
	assert_int_equal(plx_publisher_publish(other, &loan, 8), 0);
	plx_publisher_end(other, 0);
	bench_refused(b, "program");
	plx_publisher_close(other);
	bench_good(b, "@main = 1", "1");
}

static void publishers_come_and_go(void **state)
{
	struct bench *b = *state;
	struct plx_publisher *one, *two;
	char ids[2][24];

	bench_service(b);
	bench_reader(b);
	for (int round = 0; round < 3; round++) {
		one = bench_publisher(b, 0);
		two = bench_publisher(b, 0);
		bench_meet(b, one);
		bench_meet(b, two);
		assert_int_equal(plx_publisher_send(one, "@main = 1", 9), 0);
		assert_int_equal(plx_publisher_send(two, "@main = 1", 9), 0);
		for (int i = 0; i < 2; i++) {
			struct json_object *reply = bench_reply(b);

			assert_string_equal(bench_text(reply, "status"), "done");
			assert_int_equal(bench_count(reply, "job"), 1);
			snprintf(ids[i], sizeof(ids[i]), "%s", bench_text(reply, "publisher"));
			json_object_put(reply);
		}
		assert_string_not_equal(ids[0], ids[1]);
		plx_publisher_close(one);
		plx_publisher_close(two);
	}
}

/* A tree of 2^@depth numbers: about 18 bytes for each in the normal form. */
static void tree_program(char *text, size_t room, int depth)
{
	snprintf(text, room,
		 "@t = (d r) & d ~ ?((100000 @t.) r)\n"
		 "@t. = ({a b} (x y)) &! @t ~ (a x) &! @t ~ (b y)\n"
		 "@main = r & @t ~ (%d r)\n",
		 depth);
}

static void a_reply_longer_than_a_slot_comes_whole(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;
	const char *result;
	char text[200];

	b->opt.slot_size = 256;
	bench_service(b);
	bench_ends(b);
	tree_program(text, sizeof(text), 14);
	bench_send(b, text);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "status"), "done");
	result = bench_text(reply, "result");
	assert_int_equal(strlen(result), 16384 * 6 + 16383 * 3);
	assert_memory_equal(result, "((((((((((((((100000 100000) (100000 100000)) ", 45);
	json_object_put(reply);
	bench_good(b, "@main = 1", "1");
}

static void a_reply_longer_than_allowed_says_how_long_it_is(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;
	char text[200];

	b->opt.result_max = 1000;
	bench_service(b);
	bench_ends(b);
	tree_program(text, sizeof(text), 10);
	bench_send(b, text);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "reason"), "result");
	assert_non_null(strstr(bench_text(reply, "message"), "9213 bytes"));
	assert_true(bench_count(reply, "interactions") > 1000);
	json_object_put(reply);
	tree_program(text, sizeof(text), 6);
	bench_send(b, text);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "status"), "done");
	json_object_put(reply);
}

static void once_means_until_the_input_has_ended_and_all_is_answered(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.once = true;
	bench_service(b);
	bench_ends(b);
	for (int i = 0; i < 20; i++)
		bench_send(b, i % 3 ? "@main = 1" : "@main = x");
	plx_publisher_end(b->pub, 0);
	for (int i = 0; i < 20; i++) {
		reply = bench_reply(b);
		assert_non_null(reply);
		assert_int_equal(bench_count(reply, "job"), i + 1);
		json_object_put(reply);
	}
	assert_null(bench_reply(b));
	assert_int_equal(bench_wait_service(b), JOB_END_STREAM);
}

static int publish_and_die(void *arg)
{
	struct bench *b = arg;
	struct plx_publisher_options opt = { .directory = b->directory };
	struct plx_publisher *pub;

	CHECK(plx_publisher_open(&pub, b->opt.input, &opt) == 0);
	CHECK(plx_publisher_wait_subscribers(pub, 1, BENCH_NS) == 0);
	CHECK(plx_publisher_send(pub, "@main = 7", 9) == 0);
	sleep_ms(
		100); /* it is counted before it has what it needs to read: a death at once can be too early */
	raise(SIGKILL);
	return 0;
}

static void a_publisher_that_dies_is_answered_too(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.once = true;
	bench_service(b);
	bench_reader(b);
	bench_connect_reader(b);
	assert_int_equal(run_in_child(publish_and_die, b), -SIGKILL);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "result"), "7");
	json_object_put(reply);
	assert_int_equal(bench_wait_service(b), JOB_END_DIED);
}

static void no_program_is_taken_while_nobody_reads_the_replies(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;
	struct plx_buffer early;
	int ret;

	b->opt.limits.gas = 50000000; /* what never ends takes this long */
	bench_service(b);
	sleep_ms(50); /* most likely the service looks for publishers already: it must go on looking */
	b->pub = bench_publisher(b, 0);
	bench_send(b, "@main = 1");
	sleep_ms(200); /* it would be lost */
	bench_reader(b);
	reply = bench_reply(b);
	assert_string_equal(bench_text(reply, "result"), "1");
	json_object_put(reply);

	/* the reader goes away while a program runs: its reply waits for the next reader */
	do { /* while it runs: not yet answered */
		bench_send(b, "// job: 99\n" PROGRAM_ENDLESS);
		sleep_ms(20);
		ret = plx_subscriber_take(b->sub, &early);
		if (ret == 1)
			plx_buffer_release(&early);
	} while (ret != 0);
	plx_subscriber_close(b->sub);
	bench_reader(b);
	do {
		reply = bench_reply(b);
		assert_non_null(reply);
		if (bench_count(reply, "job") == 99)
			break;
		json_object_put(reply);
	} while (true);
	json_object_put(reply);
}

static void asked_to_stop_it_finishes_the_program_that_runs(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.limits.gas = 10000000; /* it ends, but not at once */
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	bench_send(b, "@main = 2"); /* not taken any more */
	sleep_ms(30);
	assert_int_equal(kill(b->service, SIGTERM), 0);
	reply = bench_reply(b);
	assert_non_null(reply);
	assert_string_equal(bench_text(reply, "reason"), "gas");
	json_object_put(reply);
	assert_int_equal(bench_wait_service(b), JOB_END_SIGNAL);
}

static void asked_to_stop_it_does_not_wait_for_ever(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.grace_ns = 300000000;
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	sleep_ms(100);
	assert_int_equal(kill(b->service, SIGINT), 0);
	reply = bench_reply(b);
	assert_non_null(reply);
	assert_string_equal(bench_text(reply, "reason"), "cancelled");
	json_object_put(reply);
	assert_int_equal(bench_wait_service(b), JOB_END_SIGNAL);
}

static void an_idle_service_stops_at_once(void **state)
{
	struct bench *b = *state;

	bench_service(b);
	bench_ends(b);
	bench_good(b, "@main = 1", "1");
	assert_int_equal(kill(b->service, SIGTERM), 0);
	assert_int_equal(bench_wait_service(b), JOB_END_SIGNAL);
}

static void a_service_without_readers_stops_at_once(void **state)
{
	struct bench *b = *state;
	uint64_t begin;

	bench_service(b);
	sleep_ms(200);
	begin = plx_now_ns();
	assert_int_equal(kill(b->service, SIGTERM), 0);
	assert_int_equal(bench_wait_service(b), JOB_END_SIGNAL);
	assert_true(plx_now_ns() - begin < as_busy(b->opt.grace_ns / 2));
}

static void impossible_options_are_an_error_not_a_crash(void **state)
{
	struct bench *b = *state;

	b->opt.input = "not//a topic";
	bench_service(b);
	assert_int_equal(bench_wait_service(b), JOB_END_FAILED);
	b->opt.input = "programs";
	b->opt.output = "../replies";
	bench_service(b);
	assert_int_equal(bench_wait_service(b), JOB_END_FAILED);
}

int main(void)
{
#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		SERVICE_TEST(a_good_program_is_answered_with_its_normal_form),
		SERVICE_TEST(bad_programs_between_good_ones_are_answered_with_their_place),
		SERVICE_TEST(any_bytes_are_answered),
		SERVICE_TEST(what_goes_wrong_while_it_runs_is_told_and_the_next_is_fine),
		SERVICE_TEST(a_program_without_end_is_stopped_by_gas),
		SERVICE_TEST(a_program_without_end_is_stopped_by_the_clock),
		SERVICE_TEST(a_program_that_wants_all_memory_is_refused_and_the_next_has_it),
		SERVICE_TEST(a_worker_that_is_killed_costs_nothing),
		SERVICE_TEST(a_worker_that_is_killed_between_programs_costs_none),
		SERVICE_TEST(a_program_in_pieces_is_one_program),
		SERVICE_TEST(a_program_that_is_too_long_is_refused),
		SERVICE_TEST(a_publisher_that_leaves_in_the_middle_of_a_program_is_answered),
		SERVICE_TEST(publishers_come_and_go),
		SERVICE_TEST(a_reply_longer_than_a_slot_comes_whole),
		SERVICE_TEST(a_reply_longer_than_allowed_says_how_long_it_is),
		SERVICE_TEST(once_means_until_the_input_has_ended_and_all_is_answered),
		SERVICE_TEST(a_publisher_that_dies_is_answered_too),
		SERVICE_TEST(no_program_is_taken_while_nobody_reads_the_replies),
		SERVICE_TEST(asked_to_stop_it_finishes_the_program_that_runs),
		SERVICE_TEST(asked_to_stop_it_does_not_wait_for_ever),
		SERVICE_TEST(an_idle_service_stops_at_once),
		SERVICE_TEST(a_service_without_readers_stops_at_once),
		SERVICE_TEST(impossible_options_are_an_error_not_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

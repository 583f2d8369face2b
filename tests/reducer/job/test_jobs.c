/* test_jobs.c - many programs at once: nobody waits for the long ones, each has limits of its own, any can be cancelled. Timeout: 120 */
#include "tests/reducer/job/bench.h"

static void send_from(struct plx_publisher *pub, const char *text)
{
	assert_int_equal(plx_publisher_send(pub, text, strlen(text)), 0);
}

static void assert_reply(struct json_object *reply, int64_t job, const char *status, const char *word)
{
	assert_non_null(reply);
	assert_int_equal(bench_count(reply, "job"), job);
	assert_string_equal(bench_text(reply, "status"), status);
	assert_string_equal(bench_text(reply, strcmp(status, "done") == 0 ? "result" : "reason"), word);
}

static void wants(struct bench *b, int64_t job, const char *status, const char *word)
{
	struct json_object *reply = bench_reply(b);

	assert_reply(reply, job, status, word);
	json_object_put(reply);
}

static void short_programs_do_not_wait_for_a_long_one(void **state)
{
	struct bench *b = *state;
	char text[64];

	b->opt.jobs = 2;
	bench_service(b);
	bench_ends(b);
	bench_send(b, "// job: 1000\n" PROGRAM_ENDLESS);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "@main = %d", i);
		bench_send(b, text);
		snprintf(text, sizeof(text), "%d", i);
		wants(b, i + 2, "done", text);
	}
	bench_send(b, "// cancel: 1000");
	wants(b, 1000, "error", "cancelled");
	bench_good(b, "@main = 1", "1");
}

static void a_program_that_waits_can_be_cancelled(void **state)
{
	struct bench *b = *state;
	struct json_object *reply;

	b->opt.jobs = 1;
	bench_service(b);
	bench_ends(b);
	bench_send(b, "// job: 50\n" PROGRAM_ENDLESS);
	bench_send(b, "// job: 51\n" PROGRAM_ENDLESS);
	bench_send(b, "// job: 52\n@main = 5");
	bench_send(b, "// cancel: 51");
	bench_send(b, "// cancel: 50");
	reply = bench_reply(b);
	assert_reply(reply, 50, "error", "cancelled");
	assert_true(bench_count(reply, "interactions") >= 0);
	json_object_put(reply);
	reply = bench_reply(b);
	assert_reply(reply, 51, "error", "cancelled");
	assert_int_equal(bench_count(reply, "interactions"), -1); /* it never ran */
	json_object_put(reply);
	wants(b, 52, "done", "5");
}

static void a_wish_to_cancel_what_is_not_there_changes_nothing(void **state)
{
	struct bench *b = *state;
	struct plx_publisher *other;

	b->opt.jobs = 2;
	bench_service(b);
	bench_ends(b);
	bench_send(b, "// cancel: 1");
	bench_send(b, "// job: 9\n" PROGRAM_ENDLESS);
	other = bench_publisher(b, 0);
	bench_meet(b, other);
	send_from(other, "// cancel: 9"); /* that is somebody else's */
	send_from(other, "@main = 3");
	wants(b, 2, "done", "3");
	bench_send(b, "// cancel: 9");
	wants(b, 9, "error", "cancelled");
	plx_publisher_close(other);
}

static void a_program_asks_for_limits_of_its_own(void **state)
{
	struct bench *b = *state;
	const uint64_t begin = plx_now_ns();
	struct json_object *reply;

	b->opt.jobs = 2;
	b->opt.limits.gas = UINT64_C(1) << 40;
	b->opt.limits.time_ns = BENCH_NS;
	bench_service(b);
	bench_ends(b);
	bench_send(b, "// limits: gas=100000\n" PROGRAM_ENDLESS);
	reply = bench_reply(b);
	assert_reply(reply, 1, "error", "gas");
	assert_in_range((uint64_t)bench_count(reply, "interactions"), 100000, 200000);
	json_object_put(reply);
	bench_bad(b, "// limits: time=100ms\n" PROGRAM_ENDLESS, "time");
	for (int i = 0; i < 2; i++) {
		bench_send(b, "// limits: memory=8M\n" PROGRAM_HUNGRY);
		reply = bench_reply(b);
		assert_string_equal(bench_text(reply, "reason"), "memory");
		assert_non_null(strstr(bench_text(reply, "message"), "(8 MiB)"));
		json_object_put(reply);
		bench_send(b, PROGRAM_HUNGRY);
		reply = bench_reply(b);
		assert_non_null(strstr(bench_text(reply, "message"), "(64 MiB)"));
		json_object_put(reply);
	}
	bench_send(b, "// limits: expand=yes\n@f = 7\n@main = @f");
	wants(b, 7, "done", "7");
	bench_send(b, "// job: 70\n// limits: speed=fast\n@main = 1");
	reply = bench_reply(b);
	assert_reply(reply, 70, "error", "program");
	assert_int_equal(bench_count(reply, "line"), 2);
	json_object_put(reply);
	assert_true(plx_now_ns() - begin < BENCH_NS);
}

static void a_program_cannot_ask_for_more_than_the_service_gives(void **state)
{
	struct bench *b = *state;

	b->opt.limits.gas = 100000;
	bench_service(b);
	bench_ends(b);
	bench_bad(b, "// limits: gas=100000000000 time=1000 memory=1000G\n" PROGRAM_ENDLESS, "gas");
	bench_bad(b, "// limits: memory=1000G\n" PROGRAM_ENDLESS, "gas");
}

static void many_programs_of_one_publisher_do_not_keep_out_another(void **state)
{
	struct bench *b = *state;
	struct plx_publisher *other;
	struct json_object *reply;
	int place = -1;

	b->opt.jobs = 1;
	b->opt.limits.gas = 3000000;
	bench_service(b);
	bench_ends(b);
	other = bench_publisher(b, 0);
	bench_meet(b, b->pub);
	bench_meet(b, other);
	for (int i = 0; i < 30; i++)
		send_from(b->pub, PROGRAM_ENDLESS);
	send_from(other, "// job: 500\n@main = 1");
	for (int i = 0; i < 31; i++) {
		reply = bench_reply(b);
		assert_non_null(reply);
		if (bench_count(reply, "job") == 500)
			place = i;
		json_object_put(reply);
	}
	assert_in_range(place, 0,
			8); /* as soon as it was seen; in the order of coming it would be the last */
	plx_publisher_close(other);
}

static void many_at_once_get_each_its_own_answer(void **state)
{
	struct bench *b = *state;
	bool seen[200] = { false };
	char text[160], answer[32];

	b->opt.jobs = 8;
	bench_service(b);
	bench_ends(b);
	bench_meet(b, b->pub);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "// job: %d\n@main = r & %d ~ $([*] $(%d r))", i, i, i % 7);
		send_from(b->pub, text);
	}
	for (int i = 0; i < 200; i++) {
		struct json_object *reply = bench_reply(b);
		int64_t job;

		assert_non_null(reply);
		job = bench_count(reply, "job");
		assert_in_range(job, 0, 199);
		assert_false(seen[job]);
		seen[job] = true;
		snprintf(answer, sizeof(answer), "%d", (int)job * ((int)job % 7));
		assert_reply(reply, job, "done", answer);
		json_object_put(reply);
	}
}

static void what_one_does_to_its_memory_the_others_do_not_notice(void **state)
{
	struct bench *b = *state;
	int hungry = 0, good = 0;

	b->opt.jobs = 4;
	b->opt.net.memory_max = UINT64_C(8) << 20;
	bench_service(b);
	bench_ends(b);
	bench_meet(b, b->pub);
	for (int i = 0; i < 12; i++)
		send_from(b->pub, i % 3 == 0 ? PROGRAM_HUNGRY : "@main = r & 40 ~ $([+] $(2 r))");
	for (int i = 0; i < 12; i++) {
		struct json_object *reply = bench_reply(b);

		assert_non_null(reply);
		hungry += strcmp(bench_text(reply, "reason"), "memory") == 0;
		good += strcmp(bench_text(reply, "result"), "42") == 0;
		json_object_put(reply);
	}
	assert_int_equal(hungry, 4);
	assert_int_equal(good, 8);
}

static void a_long_program_tells_how_far_it_is(void **state)
{
	struct bench *b = *state;
	int64_t before = -1, now = 0;

	b->opt.jobs = 2;
	b->opt.progress_ns = 100000000;
	bench_service(b);
	bench_ends(b);
	bench_send(b, "// job: 4 long\n" PROGRAM_ENDLESS);
	for (int i = 0; i < 3; i++) {
		struct json_object *reply = bench_reply(b);

		assert_non_null(reply);
		assert_string_equal(bench_text(reply, "status"), "running");
		assert_int_equal(bench_count(reply, "job"), 4);
		assert_string_equal(bench_text(reply, "name"), "long");
		now = bench_count(reply, "interactions");
		assert_true(now > before);
		before = now;
		json_object_put(reply);
	}
}

static void asked_to_stop_it_answers_all_it_has_taken(void **state)
{
	struct bench *b = *state;
	int done = 0, cancelled = 0;

	b->opt.jobs = 1;
	b->opt.grace_ns = 300000000;
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	for (int i = 0; i < 5; i++)
		bench_send(b, "@main = 1");
	sleep_ms(200); /* they are taken, and wait for the one that never ends */
	assert_int_equal(kill(b->service, SIGTERM), 0);
	for (int i = 0; i < 6; i++) {
		struct json_object *reply = bench_reply(b);

		assert_non_null(reply);
		done += strcmp(bench_text(reply, "status"), "done") == 0;
		cancelled += strcmp(bench_text(reply, "reason"), "cancelled") == 0;
		json_object_put(reply);
	}
	assert_int_equal(done, 0);
	assert_int_equal(cancelled, 6);
	assert_int_equal(bench_wait_service(b), JOB_END_SIGNAL);
}

static void it_takes_only_as_many_as_may_wait(void **state)
{
	struct bench *b = *state;

	b->opt.jobs = 1;
	b->opt.queue = 2;
	bench_service(b);
	bench_ends(b);
	bench_send(b, PROGRAM_ENDLESS);
	for (int i = 0; i < 4; i++)
		bench_send(b, "@main = 1");
	/* one runs, two wait, two are still ours: a publisher that drains notices */
	assert_int_equal(plx_publisher_drain(b->pub, 300000000), -ETIMEDOUT);
}

int main(void)
{
#define JOBS_TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		JOBS_TEST(short_programs_do_not_wait_for_a_long_one),
		JOBS_TEST(a_program_that_waits_can_be_cancelled),
		JOBS_TEST(a_wish_to_cancel_what_is_not_there_changes_nothing),
		JOBS_TEST(a_program_asks_for_limits_of_its_own),
		JOBS_TEST(a_program_cannot_ask_for_more_than_the_service_gives),
		JOBS_TEST(many_programs_of_one_publisher_do_not_keep_out_another),
		JOBS_TEST(many_at_once_get_each_its_own_answer),
		JOBS_TEST(what_one_does_to_its_memory_the_others_do_not_notice),
		JOBS_TEST(a_long_program_tells_how_far_it_is),
		JOBS_TEST(asked_to_stop_it_answers_all_it_has_taken),
		JOBS_TEST(it_takes_only_as_many_as_may_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

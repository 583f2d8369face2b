/* test_waits.c - a program waits for a moment, for bytes, for a message; in the background, while the rest goes on. Timeout: 120 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>

#include "tests/reducer/io/program.h"

#define MS      UINT64_C(1000000)
#define WAIT_NS UINT64_C(30000000000)

/* 150 ms are 8 * 2^24 + 15782272 ns */
#define SLEEP_150 "(8 15782272)"

static uint64_t took(const char *body, const char *const *texts, const char *value)
{
	char *program = io_program(body, texts), wanted[1024];
	const uint64_t begin = plx_now_ns();
	struct io_outcome o = io_outcome(2, false, NULL, program);
	const uint64_t ns = plx_now_ns() - begin;

	snprintf(wanted, sizeof(wanted), "((0 ((13683217 16719857) (%s", value);
	assert_int_equal(o.ret, 0);
	if (o.result.status != NET_DONE || strncmp(o.text, wanted, strlen(wanted)) != 0)
		fail_msg("%s instead of %s", o.text ? o.text : o.result.error, wanted);
	free(o.text);
	free(program);
	return ns;
}

static void a_program_sleeps(void **state)
{
	static const char *const texts[] = { "SLEEP" };

	(void)state;
	assert_true(took("@main = r & @call ~ ($1 (" SLEEP_150 " ((* s) r))) & @done ~ (7 s)", texts, "7") >=
		    150 * MS);
}

/* Two in the background take as long as one; what needs both comes when both are there. */
static void what_sleeps_in_the_background_sleeps_side_by_side(void **state)
{
	static const char *const texts[] = { "ASYNC", "SLEEP" };
	uint64_t ns;

	(void)state;
	/* 600 ms each */
	ns = took("@main = r\n"
		  "  & @call ~ ($1 (($2 (35 12797440)) ((((* (a x)) x) s) r)))\n"
		  "  & @call ~ ($1 (($2 (35 12797440)) ((((* (b y)) y) t) s)))\n"
		  "  & @done ~ ((a b) t)\n",
		  texts, "(((0 (* a)) a) ((0 (* b)) b))");
	assert_true(ns >= 600 * MS);
	assert_true(ns < 1200 * MS);
}

/* A computation that does not need it does not wait for it: it has written its file long before. */
static void the_rest_goes_on_meanwhile(void **state)
{
	static const char *const texts[] = { "ASYNC", "SLEEP", "WRITE", "x" };
	int out[2], status;
	const uint64_t begin = plx_now_ns();
	char *program, byte;
	pid_t pid;

	(void)state;
	program = io_program("@main = r\n"
			     "  & @call ~ ($1 (($2 (60 0)) ((((* (a x)) x) s) r)))\n" /* a second */
			     "  & @call ~ ($3 ((1 $4) ((* t) s)))\n"
			     "  & @done ~ (a t)\n",
			     texts);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		struct io_outcome o;

		alarm(60);
		dup2(out[1], 1);
		o = io_outcome(2, false, NULL, program);
		_exit(o.ret == 0 && o.result.status == NET_DONE ? 0 : 1);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(plx_now_ns() - begin >= 1000 * MS);
	assert_int_equal(status, 0);
	close(out[0]);
	free(program);
}

static void what_nobody_wants_is_not_waited_for(void **state)
{
	static const char *const texts[] = { "ASYNC", "SLEEP" };

	(void)state;
	/* an hour, thrown away: at once, and after some turns */
	assert_true(took("@main = r & @call ~ ($1 (($2 (214577 0)) ((* s) r))) & @done ~ (7 s)", texts, "7") <
		    10000 * MS);
	assert_true(took("@main = r\n"
			 "  & @call ~ ($1 (($2 (214577 0)) ((((* (a x)) x) s) r)))\n"
			 "  & @call ~ ($2 ((0 1) ((* t) s)))\n"
			 "  & @eat ~ (a (u t))\n"
			 "  & @done ~ (7 u)\n"
			 "@eat = (* (x x))\n",
			 texts, "7") < 10000 * MS);
}

static void the_time_limit_holds_while_it_waits(void **state)
{
	static const char *const texts[] = { "SLEEP", "ASYNC" };
	static const char *const bodies[] = {
		"@main = r & @call ~ ($1 ((214577 0) ((* s) r))) & @done ~ (7 s)",
		"@main = r & @call ~ ($2 (($1 (214577 0)) ((((* (a x)) x) s) r))) & @done ~ (a s)",
	};
	const struct net_limits limits = { .time_ns = 200 * MS, .expand = NET_EXPAND_NEVER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *program = io_program(bodies[i], texts);
		struct io_outcome o = io_outcome(1, false, &limits, program);

		assert_int_equal(o.ret, 0);
		assert_int_equal(o.result.status, NET_TIME);
		assert_true(strlen(o.result.error) > 10);
		assert_true(o.result.time_ns >= 200 * MS && o.result.time_ns < 5000 * MS);
		free(program);
	}
}

static void *write_later(void *arg)
{
	sleep_ms(100);
	if (write(*(int *)arg, "now", 3) != 3)
		abort();
	close(*(int *)arg);
	return NULL;
}

static void bytes_are_waited_for_in_the_background(void **state)
{
	static const char *const texts[] = { "ASYNC", "READ", "READY" };
	int pipes[2], saved = dup(0);
	pthread_t thread;

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(pipe(pipes), 0);
		dup2(pipes[0], 0);
		close(pipes[0]);
		assert_int_equal(pthread_create(&thread, NULL, write_later, &pipes[1]), 0);
		if (round == 0)
			took("@main = r & @call ~ ($1 (($2 (0 100)) ((((* (a x)) x) s) r))) & @done ~ (a s)",
			     texts,
			     "((0 (((1 (110 (((1 (111 (((1 (119 (((0 a) a) b))) b) c))) c) d))) d) e)) e)");
		else
			took("@main = r & @call ~ ($3 (0 (a r))) & @done ~ a", texts, "((0 (* a)) a)");
		pthread_join(thread, NULL);
	}
	dup2(saved, 0);
	close(saved);
}

struct speaker {
	char *directory;
	int ret;
};

static void *speak(void *arg)
{
	struct speaker *speaker = arg;
	struct plx_publisher_options opt = { .slot_size = 64 };
	struct plx_publisher *pub;
	struct plx_loan loan;

	speaker->ret = plx_publisher_open(&pub, "to/net", &opt);
	if (speaker->ret == 0)
		speaker->ret = plx_publisher_wait_subscribers(pub, 1, WAIT_NS);
	/* "ok" in two pieces */
	for (int i = 0; i < 2 && speaker->ret == 0; i++) {
		speaker->ret = plx_publisher_loan(pub, &loan);
		if (speaker->ret == 0) {
			*(char *)loan.data = "ok"[i];
			loan.flags = i == 0 ? PLX_BUFFER_MORE : 0;
			speaker->ret = plx_publisher_publish(pub, &loan, 1);
		}
	}
	plx_publisher_end(pub, 0);
	if (speaker->ret == 0)
		speaker->ret = plx_publisher_drain(pub, WAIT_NS);
	plx_publisher_close(pub);
	return NULL;
}

static void *listen_to(void *arg)
{
	struct speaker *speaker = arg;
	struct plx_subscriber *sub;
	struct plx_buffer buffer;
	char got[8] = "";
	size_t used = 0;
	int ret;

	speaker->ret = plx_subscriber_open(&sub, "from/net", NULL);
	while (speaker->ret == 0) {
		ret = plx_subscriber_take(sub, &buffer);
		if (ret == 1) {
			memcpy(got + used, buffer.data, buffer.length);
			used += buffer.length;
			plx_buffer_release(&buffer);
		} else if (ret == 0) {
			ret = plx_subscriber_wait(sub, WAIT_NS);
			if (ret == -ETIMEDOUT)
				speaker->ret = ret;
		} else {
			speaker->ret = ret == -ESHUTDOWN && strcmp(got, "hi") == 0 ? 0 : -EBADMSG;
			break;
		}
	}
	plx_subscriber_close(sub);
	return NULL;
}

static void with_thread(void *(*run)(void *), const char *body, const char *const *texts, const char *value)
{
	struct speaker speaker = { .directory = make_directory() };
	pthread_t thread;

	setenv("XDG_RUNTIME_DIR", speaker.directory, 1);
	assert_int_equal(pthread_create(&thread, NULL, run, &speaker), 0);
	took(body, texts, value);
	pthread_join(thread, NULL);
	assert_int_equal(speaker.ret, 0);
	drop_directory(speaker.directory);
}

#define SAID_OK "((0 (((1 (111 (((1 (107 (((0 a) a) b))) b) c))) c) d)) d)"

static void a_message_of_a_topic_is_waited_for(void **state)
{
	static const char *const texts[] = { "TAKE", "to/net", "ASYNC" };

	(void)state;
	with_thread(speak, "@main = r & @call ~ ($1 ($2 (a r))) & @done ~ a", texts, SAID_OK);
	with_thread(speak, "@main = r & @call ~ ($3 (($1 $2) ((((* (a x)) x) s) r))) & @done ~ (a s)", texts,
		    SAID_OK);
}

static void the_end_of_a_stream_is_told(void **state)
{
	static const char *const texts[] = { "TAKE", "to/net" };

	(void)state;
	with_thread(speak, "@main = r & @call ~ ($1 ($2 ((* s) r))) & @call ~ ($1 ($2 (a s))) & @done ~ a",
		    texts, "((1 (((2 (+108 a)) a) b)) b)");
}

static void a_message_is_published(void **state)
{
	static const char *const texts[] = { "PUBLISH", "from/net", "h", "i" };

	(void)state;
	with_thread(listen_to,
		    "@main = r & @call ~ ($1 (($2 $3) ((* s) r))) & @call ~ ($1 (($2 $4) (a s))) & @done ~ a",
		    texts, "((0 (* a)) a)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_sleeps),
		cmocka_unit_test(what_sleeps_in_the_background_sleeps_side_by_side),
		cmocka_unit_test(the_rest_goes_on_meanwhile),
		cmocka_unit_test(what_nobody_wants_is_not_waited_for),
		cmocka_unit_test(the_time_limit_holds_while_it_waits),
		cmocka_unit_test(bytes_are_waited_for_in_the_background),
		cmocka_unit_test(a_message_of_a_topic_is_waited_for),
		cmocka_unit_test(the_end_of_a_stream_is_told),
		cmocka_unit_test(a_message_is_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* bench.h - a service in a process of its own, and a publisher and a reader at its two ends. */
#ifndef TESTS_REDUCER_JOB_BENCH_H
#define TESTS_REDUCER_JOB_BENCH_H

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>

#include "reducer/job/service.h"
#include "tests/support/support.h"

#define BENCH_NS UINT64_C(60000000000) /* no test waits longer for anything */

/* Counts for ever, in the memory it has: each step waits for the one before. */
#define PROGRAM_ENDLESS                                                                                      \
	"@loop = (n r) & n ~ ?((@zero @more) (* r))\n"                                                       \
	"@zero = (* r) & @loop ~ (1 r)\n"                                                                    \
	"@more = ($([+] $(2 n)) (* r)) & @loop ~ (n r)\n"                                                    \
	"@main = r & @loop ~ (1 r)\n"
/* Keeps whatever it makes. */
#define PROGRAM_HUNGRY                                                                                       \
	"@more = (t r) & @more ~ ((t 1) r)\n"                                                                \
	"@main = r & @more ~ (0 r)\n"

struct bench {
	char *directory;
	struct job_service_options opt;
	pid_t service;
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	char *line; /* what came of a reply so far */
	size_t used, room;
};

static inline void bench_begin(struct bench *b)
{
	*b = (struct bench){ .directory = make_directory(), .service = -1 };
	b->opt = (struct job_service_options){
		.input = "programs",
		.output = "replies",
		.directory = b->directory,
		.net = { .workers = 2, .memory_max = UINT64_C(64) << 20 },
		.text_max = 1 << 20,
		.result_max = UINT64_C(64) << 20,
		.grace_ns = UINT64_C(10000000000),
		.subscribers = 1,
	};
}

/* The service as a process: exit code is how it ended. Before any publisher, so that it has no thread of ours. */
static inline void bench_service(struct bench *b)
{
	int signal;

	fflush(NULL);
	b->service = fork();
	assert_true(b->service >= 0);
	if (b->service > 0)
		setpgid(b->service, b->service);
	if (b->service == 0) {
		setpgid(0, 0); /* all of it can be killed: a service whose guard is killed goes on */
		alarm(120);
		if (plx_stop_install() < 0)
			_exit(99);
		exit((int)job_serve(&b->opt, &signal));
	}
}

static inline struct plx_publisher *bench_publisher(struct bench *b, uint64_t slot_size)
{
	struct plx_publisher_options opt = { .directory = b->directory, .slot_size = slot_size };
	struct plx_publisher *pub;

	assert_int_equal(plx_publisher_open(&pub, b->opt.input, &opt), 0);
	return pub;
}

static inline void bench_reader(struct bench *b)
{
	struct plx_subscriber_options opt = { .directory = b->directory };

	assert_int_equal(plx_subscriber_open(&b->sub, b->opt.output, &opt), 0);
}

/* One step of the reader; returns what take said. */
static inline int bench_step(struct bench *b, struct plx_buffer *buffer)
{
	int ret = plx_subscriber_take(b->sub, buffer);

	if (ret == 0) {
		ret = plx_subscriber_wait(b->sub, 20000000);
		assert_true(ret == 0 || ret == -ETIMEDOUT || ret == -EINTR);
		return 0;
	}
	return ret;
}

/* Until the reader is connected to the service. */
static inline void bench_connect_reader(struct bench *b)
{
	const uint64_t begin = plx_now_ns();
	struct plx_subscriber_stats stats;
	struct plx_buffer buffer;

	do {
		assert_true(plx_now_ns() - begin < BENCH_NS);
		assert_int_equal(bench_step(b, &buffer), 0);
		plx_subscriber_stats(b->sub, &stats);
	} while (stats.publishers == 0);
}

/* Both ends. */
static inline void bench_ends(struct bench *b)
{
	b->pub = bench_publisher(b, 0);
	bench_reader(b);
	bench_connect_reader(b);
}

static inline void bench_meet(struct bench *b, struct plx_publisher *pub)
{
	const uint64_t begin = plx_now_ns();
	struct plx_buffer buffer;

	while (plx_publisher_wait_subscribers(pub, 1, 20000000) != 0) {
		assert_true(plx_now_ns() - begin < BENCH_NS);
		if (b->sub)
			assert_int_equal(bench_step(b, &buffer), 0);
	}
}

static inline void bench_send(struct bench *b, const char *text)
{
	bench_meet(b, b->pub);
	assert_int_equal(plx_publisher_send(b->pub, text, strlen(text)), 0);
}

/* The next reply; the caller puts it. NULL when the stream has ended. */
static inline struct json_object *bench_reply(struct bench *b)
{
	const uint64_t begin = plx_now_ns();
	struct json_object *reply;
	struct plx_buffer buffer;
	bool more = true;

	b->used = 0;
	while (more) {
		int ret = bench_step(b, &buffer);

		assert_true(plx_now_ns() - begin < BENCH_NS);
		if (ret < 0) {
			assert_int_equal(b->used, 0);
			return NULL;
		}
		if (ret == 0)
			continue;
		while (b->used + buffer.length + 1 > b->room) {
			b->room = b->room ? 2 * b->room : 4096;
			b->line = realloc(b->line, b->room);
			assert_non_null(b->line);
		}
		memcpy(b->line + b->used, buffer.data, buffer.length);
		b->used += buffer.length;
		more = buffer.flags & PLX_BUFFER_MORE;
		plx_buffer_release(&buffer);
	}
	assert_true(b->used > 0 && b->line[b->used - 1] == '\n');
	b->line[b->used - 1] = '\0';
	assert_null(strchr(b->line, '\n'));
	reply = json_tokener_parse(b->line);
	assert_non_null(reply);
	return reply;
}

static inline const char *bench_text(struct json_object *reply, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(reply, key, &value) ? json_object_get_string(value) : "(nothing)";
}

static inline int64_t bench_count(struct json_object *reply, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(reply, key, &value) ? json_object_get_int64(value) : -1;
}

/* Sends a program and wants this normal form. */
static inline void bench_good(struct bench *b, const char *text, const char *normal_form)
{
	struct json_object *reply;

	bench_send(b, text);
	reply = bench_reply(b);
	assert_non_null(reply);
	assert_string_equal(bench_text(reply, "status"), "done");
	assert_string_equal(bench_text(reply, "result"), normal_form);
	json_object_put(reply);
}

/* Wants the next reply to be an error for this reason. */
static inline void bench_refused(struct bench *b, const char *reason)
{
	struct json_object *reply = bench_reply(b);

	assert_non_null(reply);
	assert_string_equal(bench_text(reply, "status"), "error");
	assert_string_equal(bench_text(reply, "reason"), reason);
	assert_true(strlen(bench_text(reply, "message")) > 10);
	json_object_put(reply);
}

static inline void bench_bad(struct bench *b, const char *text, const char *reason)
{
	bench_send(b, text);
	bench_refused(b, reason);
}

/* The exit code of the service, -signal when one ended it. Reads on, so that it can drain. */
static inline int bench_wait_service(struct bench *b)
{
	const uint64_t begin = plx_now_ns();
	struct plx_buffer buffer;
	int status;

	while (waitpid(b->service, &status, WNOHANG) == 0) {
		assert_true(plx_now_ns() - begin < BENCH_NS);
		if (b->sub && bench_step(b, &buffer) == 1)
			plx_buffer_release(&buffer);
		else
			sleep_ms(1);
	}
	b->service = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void bench_end(struct bench *b)
{
	if (b->service > 0) {
		kill(-b->service, SIGKILL);
		waitpid(b->service, NULL, 0);
	}
	plx_publisher_close(b->pub);
	plx_subscriber_close(b->sub);
	free(b->line);
	drop_directory(b->directory);
}

static inline int bench_setup(void **state)
{
	struct bench *b = malloc(sizeof(*b));

	bench_begin(b);
	*state = b;
	return 0;
}

static inline int bench_teardown(void **state)
{
	bench_end(*state);
	free(*state);
	return 0;
}

#endif

/* ask.h - clients and servers of one name, for tests of requests and replies. */
#ifndef TESTS_PATTERN_ASK_H
#define TESTS_PATTERN_ASK_H

#include "tests/libshm/topic/pair.h"

#include <pthread.h>
#include <stdatomic.h>

#include "pattern/request_layout.h"

#define NAME "test/sum"

static inline struct plx_server *server(struct plx_server_options opt)
{
	struct plx_server *s = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_server_open(&s, NAME, &opt);
	if (ret < 0)
		fail_msg("plx_server_open: %s", plx_strerror(ret));
	return s;
}

static inline struct plx_client *client(struct plx_client_options opt)
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
static inline struct plx_request *next(struct plx_server *s)
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
static inline bool ended(struct plx_client *c, struct plx_reply *r)
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
static inline void meet(struct plx_client *c, struct plx_server *s)
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
static inline void fill(unsigned char *bytes, uint64_t n, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i < 8 ? n >> (8 * i) : n * 7 + i);
}

static inline uint64_t number(const struct plx_buffer *b)
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
static inline uint64_t size_of(uint64_t n)
{
	static const uint64_t sizes[] = { 8, 40, 24, 25, 41, 4096, 9, 1000 };

	return sizes[n % COUNT_OF(sizes)];
}

/* ---- the server that doubles: serves until it is told to stop by a request of zero bytes --------------- */

static inline int answer(struct plx_server *s, struct plx_request *r)
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

static inline int serve(struct plx_server *s)
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

static inline int serve_process(void *arg)
{
	struct plx_server *s = server(*(struct plx_server_options *)arg);
	int ret = serve(s);

	plx_server_close(s);
	return ret;
}

static inline void stop_serving(struct plx_client *c)
{
	struct plx_reply r;

	assert_int_equal(plx_client_call(c, NULL, 0, &r, 10 * SECOND), 0);
	assert_int_equal(r.buffer.length, 0);
	plx_buffer_release(&r.buffer);
}

/* @count calls one after the other; 0 when all is well. */
static inline int ask_in_turn(struct plx_client *c, uint64_t count)
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
static inline int ask_many(struct plx_client *c, uint64_t count)
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

static inline void *server_thread(void *arg)
{
	return serve(arg) == 0 ? NULL : arg;
}

#endif

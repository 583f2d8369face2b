/* program.h - programs that do I/O, made to measure, and run as `reducer run --io` runs them. */
#ifndef TESTS_REDUCER_IO_PROGRAM_H
#define TESTS_REDUCER_IO_PROGRAM_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/io/io.h"
#include "reducer/io/log.h"
#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

/* call(name, argument, continuation) and its end; ok and err as the loop makes them. */
#define IO_PRELUDE                                                                                           \
	"@call = (n (a (k ((1 ((13683217 16719857) (n (a (k v))))) v))))\n"                                  \
	"@done = (x ((0 ((13683217 16719857) (x v))) v))\n"                                                  \
	"@end = (x r) & @done ~ (x r)\n"

/* The list of bytes of a text, in HVM2's encoding, with names that begin with @prefix. To be freed. */
static inline char *io_text(const char *prefix, const char *text)
{
	const size_t length = strlen(text);
	char *out = malloc(200 * (length + 1));
	size_t used = 0;

	for (size_t i = 0; i < length; i++)
		used += (size_t)sprintf(out + used, "((1 (%d (", (unsigned char)text[i]);
	used += (size_t)sprintf(out + used, "((0 %sn) %sn)", prefix, prefix);
	for (size_t i = length; i > 0; i--)
		used += (size_t)sprintf(out + used, " %s%zu))) %s%zu)", prefix, i, prefix, i);
	return out;
}

/* A program of several parts, $1 $2 ... of which are replaced by lists of the bytes of @texts. To be freed. */
static inline char *io_program(const char *body, const char *const *texts)
{
	size_t used = 0, room = strlen(body) + sizeof(IO_PRELUDE) + 100;
	char *out, prefix[24];
	int uses = 0;

	for (const char *p = body; *p; p++)
		room += *p == '$' && p[1] >= '1' && p[1] <= '9' ? 200 * (strlen(texts[p[1] - '1']) + 1) : 0;
	out = malloc(room);
	used += (size_t)sprintf(out, "%s", IO_PRELUDE);
	for (const char *p = body; *p; p++) {
		char *list;

		if (*p != '$' || p[1] < '1' || p[1] > '9') {
			out[used++] = *p;
			continue;
		}
		snprintf(prefix, sizeof(prefix), "q%d.", uses++);
		list = io_text(prefix, texts[*++p - '1']);
		used += (size_t)sprintf(out + used, "%s", list);
		free(list);
	}
	out[used] = '\0';
	return out;
}

struct io_outcome {
	int ret;
	struct net_result result;
	struct io_stats stats;
	char *text; /* the normal form, to be freed */
};

/* Runs it; afterwards every cell of the arena is accounted for. */
static inline struct io_outcome io_outcome(uint32_t workers, bool threads, const struct net_limits *limits,
					   const char *program)
{
	const struct net_limits none = { .expand = NET_EXPAND_NEVER };
	struct net_options options = nets_options(workers, 8, threads);
	struct book *book = nets_book(program, strlen(program));
	struct io_outcome o = { 0 };
	struct io_log log = { 0 };
	const char *why = NULL;
	struct net *net;

	limits = limits ? limits : &none;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_start(net, book, limits), 0);
	o.ret = io_run(net, limits, &log, &o.result, &o.stats);
	if (o.ret == 0 && o.result.status == NET_DONE) {
		if (net_check(net, &why) != 0)
			fail_msg("%s with %u workers: %s", program, workers, why ? why : "?");
		o.text = nets_text(net);
	}
	net_close(net);
	free(book);
	return o;
}

/* Runs a body with one to three workers, as processes and as threads, and wants this value in the end. */
static inline void io_wants(const char *body, const char *const *texts, const char *value)
{
	char *program = io_program(body, texts), wanted[4096];

	snprintf(wanted, sizeof(wanted), "((0 ((13683217 16719857) (%s", value);
	for (uint32_t workers = 1; workers <= 3; workers++) {
		for (int threads = 0; threads < 2; threads++) {
			struct io_outcome o = io_outcome(workers, threads, NULL, program);

			assert_int_equal(o.ret, 0);
			assert_int_equal(o.result.status, NET_DONE);
			if (strncmp(o.text, wanted, strlen(wanted)) != 0)
				fail_msg("%u workers: %s instead of %s", workers, o.text, wanted);
			free(o.text);
		}
	}
	free(program);
}

#endif

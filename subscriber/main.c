/*
 * main.c - the subscriber: the messages of a topic into a file or a pipe.
 *
 *	options ─► open output ─► watch topic ─► take ─► sink          ends when the streams it met have ended, when it
 *	                                          ▲ │                  has what it was asked for, when its output fails,
 *	                                          └─┴─ none: write,    or by a signal
 *	                                               then wait
 */
#include "subscriber/options.h"
#include "subscriber/sink.h"
#include "tools/cli/cli.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>

#define REPORT_NS UINT64_C(1000000000)
#define GO_ON     (-1)
#define LOOK_EACH 4096 /* messages between two looks at losses */

struct reader {
	const struct options *opt;
	struct plx_subscriber *sub;
	struct sink sink;
	struct cli_meter meter;
	uint64_t messages;    /* whole ones */
	uint64_t bytes;       /* payload */
	uint64_t moved_ns;    /* when something came last */
	uint64_t lost;        /* of which the user knows */
	uint64_t reported_ns; /* when the user was told of losses */
	uint64_t refused_ns;  /* when the user was told of a refusal */
	int32_t refused_why;  /* and of which */
	uint32_t refused;     /* of which the user knows */
	uint32_t ended;       /* streams */
	bool moved;           /* something came since we looked at the clock */
	int code;             /* the worst end of a stream so far */
};

/* Of two reasons a dead publisher weighs more than one that was interrupted. */
static int worse(int a, int b)
{
	if (a == CLI_PEER_DIED || b == CLI_PEER_DIED)
		return CLI_PEER_DIED;
	return a > b ? a : b;
}

static void stream_ended(struct reader *r)
{
	struct plx_stream_end end = plx_subscriber_ended(r->sub);
	const char *topic = r->opt->topic;
	unsigned long long n = end.messages;

	r->ended++;
	switch (end.reason) {
	case -ESHUTDOWN: return;
	case -EPIPE:
		cli_error("%s: publisher %u died after %llu messages: what it had not sent yet is missing",
			  topic, end.pid, n);
		r->code = worse(r->code, CLI_PEER_DIED);
		return;
	case -ETIMEDOUT:
		cli_error("%s: publisher %u let us go after %llu messages: we were too slow for it", topic,
			  end.pid, n);
		r->code = worse(r->code, CLI_PEER_DIED);
		return;
	case -EBADMSG:
		cli_error("%s: publisher %u broke the rules after %llu messages; we have left it", topic,
			  end.pid, n);
		r->code = worse(r->code, CLI_PEER_DIED);
		return;
	case -ECANCELED:
		cli_error("%s: publisher %u was interrupted after %llu messages", topic, end.pid, n);
		r->code = worse(r->code, CLI_PEER_STOPPED);
		return;
	default:
		cli_error("%s: publisher %u ended with an error after %llu messages: %s", topic, end.pid, n,
			  plx_strerror(end.reason));
		r->code = worse(r->code, CLI_PEER_STOPPED);
	}
}

/* Tell of losses and refusals, at most once a second; @last: now. */
static void report(struct reader *r, bool last)
{
	struct plx_subscriber_stats stats;
	uint64_t now;

	plx_subscriber_stats(r->sub, &stats);
	now = plx_now_ns();
	if (stats.refused != r->refused &&
	    (last || stats.refused_why != r->refused_why || now - r->refused_ns >= REPORT_NS)) {
		r->refused = stats.refused;
		r->refused_why = stats.refused_why;
		r->refused_ns = now;
		cli_note("%s: a publisher and we did not come together: %s", r->opt->topic,
			 plx_subscriber_refusal(r->sub));
	}
	if (stats.lost == r->lost)
		return;
	if (!last && now - r->reported_ns < REPORT_NS)
		return;
	if (!r->opt->quiet || last)
		cli_note("%s: lost %llu messages, %llu in all: the publisher was faster", r->opt->topic,
			 (unsigned long long)(stats.lost - r->lost), (unsigned long long)stats.lost);
	r->lost = stats.lost;
	r->reported_ns = now;
}

static bool all_ended(const struct reader *r)
{
	struct plx_subscriber_stats stats;

	if (r->opt->follow || r->ended < r->opt->publishers)
		return false;
	plx_subscriber_stats(r->sub, &stats);
	return stats.publishers == 0;
}

static int stopped(const struct reader *r)
{
	char amount[CLI_HUMAN];

	cli_error("%s: interrupted after %llu messages, %s", r->opt->topic, (unsigned long long)r->messages,
		  cli_human((double)r->bytes, amount));
	return 128 + plx_stop_signal();
}

/* All that was taken is written: only now it counts as read for its publishers. */
static int flush(struct reader *r)
{
	int err = sink_flush(&r->sink);

	if (err < 0)
		return err == -EINTR ? stopped(r) : CLI_ERROR;
	plx_subscriber_flush(r->sub);
	return GO_ON;
}

/* Nothing to take: write what we have, then wait; or it is over. */
static int idle(struct reader *r)
{
	const uint64_t timeout = r->opt->timeout_ns;
	uint64_t wait = UINT64_MAX;
	int err, code = flush(r);

	if (code != GO_ON)
		return code;
	cli_meter_step(&r->meter, r->bytes, r->messages);
	report(r, false);
	if (all_ended(r))
		return r->code;
	if (timeout != UINT64_MAX) {
		uint64_t now = plx_now_ns();

		if (r->moved)
			r->moved_ns = now;
		r->moved = false;
		wait = now - r->moved_ns < timeout ? timeout - (now - r->moved_ns) : 0;
	}
	err = wait > 0 ? plx_subscriber_wait(r->sub, wait) : -ETIMEDOUT;
	if (err == -ETIMEDOUT) {
		cli_error("%s: nothing came within --timeout; %llu messages did before", r->opt->topic,
			  (unsigned long long)r->messages);
		return CLI_TIMED_OUT;
	}
	if (err < 0 && err != -EINTR) {
		cli_error("%s: %s", r->opt->topic, plx_strerror(err));
		return CLI_ERROR;
	}
	return GO_ON;
}

static int message(struct reader *r, struct plx_buffer *buffer)
{
	const bool more = (buffer->flags & PLX_BUFFER_MORE) != 0;
	const bool large = buffer->length > SINK_COPY;
	int err;

	r->bytes += buffer->length;
	r->moved = true;
	err = sink_add(&r->sink, buffer, r->opt->lines && !more);
	if (err < 0)
		return err == -EINTR ? stopped(r) : CLI_ERROR;
	if (r->sink.waiting == 0)
		plx_subscriber_flush(r->sub);
	if (more)
		return GO_ON;
	r->messages++;
	if (r->messages == r->opt->count) {
		int code = flush(r);

		return code == GO_ON ? CLI_OK : code;
	}
	if (r->messages % LOOK_EACH == 0 || large) {
		cli_meter_step(&r->meter, r->bytes, r->messages);
		if (r->opt->lossy)
			report(r, false);
	}
	return GO_ON;
}

/* Take has a message for us and no room to say so. */
static int out_of(struct reader *r, int err)
{
	cli_error("%s: %s, after %llu messages", r->opt->topic, plx_strerror(err),
		  (unsigned long long)r->messages);
	(void)flush(r);
	return CLI_ERROR;
}

static int read_topic(struct reader *r)
{
	int code = GO_ON;

	while (code == GO_ON) {
		struct plx_buffer buffer;
		int got;

		if (plx_stop_signal() != 0) {
			r->sink.last = true;
			code = flush(r);
			return code == GO_ON ? stopped(r) : code;
		}
		got = plx_subscriber_take(r->sub, &buffer);
		if (plx_likely(got == 1))
			code = message(r, &buffer);
		else if (got == 0 || (got == -ENOSPC && r->sink.held > 0))
			code = got == 0 ? idle(r) : flush(r);
		else if (got == -ENOMEM || got == -ENOSPC)
			code = out_of(r, got);
		else
			stream_ended(r);
	}
	return code;
}

static int open_topic(struct reader *r)
{
	struct plx_subscriber_options wanted = PLX_SUBSCRIBER_DEFAULTS;
	int err;

	wanted.reading = r->opt->lossy ? PLX_READ_LOSSY : PLX_READ_RELIABLE;
	wanted.confirm = true;
	wanted.history = r->opt->history;
	wanted.type = r->opt->type;
	wanted.directory = r->opt->directory;
	wanted.admit = cli_trust_admit(&r->opt->trust);
	wanted.keys = r->opt->trust.keys;
	err = plx_subscriber_open(&r->sub, r->opt->topic, &wanted);
	switch (err) {
	case 0: return 0;
	case -EINVAL:
		cli_error("%s: not a topic: 1 to 64 of A-Z a-z 0-9 . _ - and / between parts are",
			  r->opt->topic);
		return CLI_USAGE;
	case -EACCES:
		cli_error("%s: the directory of topics is not ours alone; see --directory", r->opt->topic);
		return CLI_ERROR;
	default: cli_error("%s: %s", r->opt->topic, plx_strerror(err)); return CLI_ERROR;
	}
}

static int run(struct reader *r)
{
	int code = open_topic(r); /* first: a mistyped topic must not empty a file */

	if (code != 0)
		return code;
	if (sink_open(&r->sink, r->opt->output) < 0)
		return CLI_ERROR;
	cli_meter_start(&r->meter, "received", r->opt->quiet);
	r->moved_ns = plx_now_ns();
	code = read_topic(r);
	report(r, true);
	cli_meter_end(&r->meter, r->bytes, r->messages);
	if (sink_close(&r->sink) < 0)
		code = CLI_ERROR;
	return code;
}

int main(int argc, char **argv)
{
	struct options opt;
	struct reader r = { .opt = &opt, .sink = SINK_NONE };
	int code, err = cli_start("subscriber");

	if (err < 0) {
		cli_error("cannot start: %s", plx_strerror(err));
		return CLI_ERROR;
	}
	code = options_parse(&opt, argc, argv);
	if (code >= 0)
		return code;
	code = cli_trust_open(&opt.trust);
	if (code >= 0)
		return code;
	code = run(&r);
	plx_subscriber_close(r.sub);
	cli_trust_close(&opt.trust);
	return code;
}

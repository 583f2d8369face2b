/*
 * main.c - the publisher: files or a stream into a topic, and an exit code that says whether all of it was read.
 *
 *	options ─► look at inputs ─► open topic ─► wait for subscribers ─► feed ─► end ─► drain ─► exit code
 *	                                                   │                 │
 *	                              signal, nobody left ─┴─────────────────┴─► end "interrupted" ─► drain a little
 */
#include "publisher/feed.h"

#include <errno.h>
#include <plx/process.h>

#define INTERRUPTED_LINGER_NS UINT64_C(5000000000)
#define DROP_NS               UINT64_C(1000000000)
#define LOOK_NS               UINT64_C(200000000)   /* for who was refused */
#define WINDOW_BYTES          (UINT64_C(4) << 20)   /* by default a subscriber may be that far behind */
#define READ_BYTES            (UINT64_C(256) << 10) /* read into this much at once */

static uint32_t clamp(uint32_t low, uint64_t value, uint32_t high)
{
	return value < low ? low : value > high ? high : (uint32_t)value;
}

/* A power of two of messages that makes WINDOW_BYTES. */
static uint32_t default_depth(uint64_t slot_size, uint32_t history)
{
	uint32_t depth = 64;

	while (depth < 16384 && depth * slot_size < WINDOW_BYTES)
		depth *= 2;
	while (depth <= history)
		depth *= 2;
	return depth;
}

static int open_topic(struct feed *feed)
{
	const struct options *opt = feed->opt;
	struct plx_publisher_options wanted = PLX_PUBLISHER_DEFAULTS;
	int err;

	wanted.slot_size = feed->slot_size;
	wanted.depth = opt->depth ? opt->depth : default_depth(feed->slot_size, opt->history);
	wanted.slots = opt->slots;
	wanted.history = opt->history;
	wanted.type = opt->type;
	wanted.full = opt->full;
	wanted.full_ns = opt->timeout_ns != UINT64_MAX ? opt->timeout_ns : 0;
	if (opt->full == PLX_FULL_DROP && opt->timeout_ns == UINT64_MAX)
		wanted.full_ns = DROP_NS;
	wanted.stamp = opt->stamp;
	wanted.directory = opt->directory;
	wanted.backend = opt->backend;
	wanted.admit = cli_trust_admit(&opt->trust);
	wanted.keys = opt->trust.keys;
	err = plx_publisher_open(&feed->pub, opt->topic, &wanted);
	switch (err) {
	case 0: plx_publisher_batch(feed->pub, true); return 0;
	case -EINVAL:
		cli_error("%s: not a topic: 1 to 64 of A-Z a-z 0-9 . _ - and / between parts are",
			  opt->topic);
		return CLI_USAGE;
	case -ENOSPC:
	case -ENOMEM:
		cli_error("%s: no memory for slots of %llu bytes; a smaller --slot-size, or fewer --slots "
			  "with a smaller "
			  "--depth need less",
			  opt->topic, (unsigned long long)feed->slot_size);
		return CLI_ERROR;
	case -EACCES:
		cli_error("%s: the directory of topics is not ours alone; see --directory", opt->topic);
		return CLI_ERROR;
	case -EPERM:
		cli_error("%s: we may not give the topic's directory to that --group: we are not in it",
			  opt->topic);
		return CLI_ERROR;
	default: cli_error("%s: %s", opt->topic, plx_strerror(err)); return CLI_ERROR;
	}
}

/* Who knocked and was not let in. */
static void tell_refused(struct feed *feed)
{
	struct plx_refused refused;

	if (!feed->opt->quiet && plx_publisher_refused(feed->pub, &refused))
		cli_note("%s: process %u of user %u was not let in: %s", feed->opt->topic, refused.pid,
			 refused.user, refused.text);
}

/* Until @ns have passed or --subscribers are there. */
static int wait_some(struct feed *feed, uint64_t ns)
{
	const uint64_t began = plx_now_ns();
	uint64_t gone = 0, left;
	int err;

	do { /* signals that do not stop us are not news */
		left = ns - gone;
		err = plx_publisher_wait_subscribers(feed->pub, feed->opt->subscribers,
						     left < LOOK_NS ? left : LOOK_NS);
		tell_refused(feed);
		gone = plx_now_ns() - began;
	} while ((err == -EINTR || err == -ETIMEDOUT) && plx_stop_signal() == 0 && gone < ns);
	return err;
}

static int wait_for_subscribers(struct feed *feed)
{
	const struct options *opt = feed->opt;
	const uint64_t soon = 200000000;
	struct plx_publisher_stats stats;
	int err;

	if (opt->subscribers == 0)
		return 0;
	err = wait_some(feed, opt->timeout_ns < soon ? opt->timeout_ns : soon);
	if (err == -ETIMEDOUT && opt->timeout_ns > soon) {
		if (feed->meter.on)
			cli_note("%s: waiting for %u subscriber%s", opt->topic, opt->subscribers,
				 opt->subscribers == 1 ? "" : "s");
		err = wait_some(feed, opt->timeout_ns == UINT64_MAX ? UINT64_MAX : opt->timeout_ns - soon);
	}
	if (err == 0)
		return 0;
	plx_publisher_stats(feed->pub, &stats);
	if (err == -EINTR) {
		cli_error("%s: interrupted before the first byte: %u of %u subscribers were there",
			  opt->topic, stats.subscribers, opt->subscribers);
		return 128 + plx_stop_signal();
	}
	if (err == -ETIMEDOUT) {
		cli_error("%s: %u of %u subscribers came within --timeout", opt->topic, stats.subscribers,
			  opt->subscribers);
		return CLI_TIMED_OUT;
	}
	cli_error("%s: %s", opt->topic, plx_strerror(err));
	return CLI_ERROR;
}

/* Who came and left while we waited for the others was never promised anything. */
static void forget_early_leavers(struct feed *feed)
{
	struct plx_reader_end gone;

	while (plx_publisher_gone(feed->pub, &gone))
		;
}

/* Until all have read all, @ns have passed, or a signal comes that was not there before. */
static int drain(struct feed *feed, uint64_t ns)
{
	const uint64_t began = plx_now_ns();
	const int stopped = plx_stop_signal();
	uint64_t gone = 0;
	int err;

	do {
		err = plx_publisher_drain(feed->pub, ns == UINT64_MAX ? ns : ns - gone);
		gone = plx_now_ns() - began;
	} while (err == -EINTR && plx_stop_signal() == stopped && gone < ns);
	return err;
}

/* Everything is published: wait for the readers. */
static int finish(struct feed *feed)
{
	int err;

	plx_publisher_end(feed->pub, 0);
	err = drain(feed, feed->opt->linger_ns);
	feed_readers(feed, FEED_END);
	cli_meter_end(&feed->meter, feed->bytes, feed->messages);
	if (err == -EINTR) {
		cli_error("%s: interrupted while subscribers read the rest", feed->opt->topic);
		return 128 + plx_stop_signal();
	}
	if (err == -ETIMEDOUT) {
		cli_error("%s: not every subscriber has read everything within --linger", feed->opt->topic);
		return CLI_TIMED_OUT;
	}
	if (err < 0) {
		cli_error("%s: %s", feed->opt->topic, plx_strerror(err));
		return CLI_ERROR;
	}
	return feed->missed && feed->opt->subscribers > 0 ? CLI_PEER_DIED : CLI_OK;
}

/* Not everything is: tell subscribers, let them read what is there. */
static int cut_short(struct feed *feed, enum feed_end why)
{
	const uint64_t linger = feed->opt->linger_ns;
	char amount[CLI_HUMAN];

	plx_publisher_end(feed->pub, why == FEED_FAILED ? -EIO : -ECANCELED);
	(void)drain(feed, linger < INTERRUPTED_LINGER_NS ? linger : INTERRUPTED_LINGER_NS);
	feed_readers(feed, why == FEED_DESERTED ? FEED_CUT : FEED_END);
	cli_human((double)feed->bytes, amount);
	switch (why) {
	case FEED_STOPPED:
		cli_error("%s: interrupted after %llu messages, %s", feed->opt->topic,
			  (unsigned long long)feed->messages, amount);
		return 128 + plx_stop_signal();
	case FEED_DESERTED:
		cli_error("%s: no subscriber is left; stopped after %llu messages, %s", feed->opt->topic,
			  (unsigned long long)feed->messages, amount);
		return CLI_PEER_DIED;
	case FEED_LATE: return CLI_TIMED_OUT;
	default: return CLI_ERROR;
	}
}

static int run(struct feed *feed)
{
	static enum feed_end (*const ways[])(struct feed *) = {
		[CUT_CHUNKS] = feed_chunks,
		[CUT_LINES] = feed_lines,
		[CUT_WHOLE] = feed_whole,
	};
	const struct options *opt = feed->opt;
	enum feed_end end;
	uint64_t largest;
	int code;

	if (source_check(opt->files) < 0)
		return CLI_ERROR;
	feed->slot_size = opt->slot_size ? opt->slot_size : 65536;
	if (opt->cut == CUT_WHOLE) {
		if (feed_whole_open(feed, &largest) < 0)
			return plx_stop_signal() != 0 ? 128 + plx_stop_signal() : CLI_ERROR;
		if (opt->slot_size == 0)
			feed->slot_size = largest > 64 ? (largest + 63) / 64 * 64 : 64;
	}
	feed->batch = clamp(1, READ_BYTES / feed->slot_size, 1024);
	if (opt->depth != 0)
		feed->batch = clamp(1, opt->depth / 2, feed->batch);
	if (opt->slots != 0)
		feed->batch = clamp(1, opt->slots / 2, feed->batch);

	code = open_topic(feed);
	if (code == 0)
		code = wait_for_subscribers(feed);
	if (code != 0)
		return code;
	forget_early_leavers(feed);
	cli_meter_start(&feed->meter, "sent", opt->quiet);
	end = ways[opt->cut](feed);
	return end == FEED_ALL ? finish(feed) : cut_short(feed, end);
}

int main(int argc, char **argv)
{
	struct options opt;
	struct feed feed = { .opt = &opt };
	int code, err = cli_start("publisher");

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
	cli_meter_start(&feed.meter, "sent", opt.quiet);
	code = run(&feed);
	plx_publisher_close(feed.pub);
	cli_trust_close(&opt.trust);
	feed_whole_close(&feed);
	return code;
}

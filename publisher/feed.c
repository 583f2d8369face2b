/* feed.c - what every way of feeding shares: publishing a message, and an eye on those who read. */
#include "publisher/feed.h"

#include <errno.h>
#include <plx/process.h>

enum feed_end feed_open(struct source *source, const char *file)
{
	if (source_open(source, file) == 0)
		return FEED_ALL;
	return plx_stop_signal() != 0 ? FEED_STOPPED : FEED_FAILED;
}

/* Why a call of the library did not do it; FEED_ALL: try again. */
static enum feed_end why_not(struct feed *feed, int err)
{
	switch (err) {
	case -EINTR: /* a window was resized, we were stopped and continued, ... */
		return plx_stop_signal() != 0 ? FEED_STOPPED : FEED_ALL;
	case -ETIMEDOUT:
		cli_error("%s: a subscriber has read nothing for --timeout; give it more time, or use --full "
			  "drop",
			  feed->opt->topic);
		return FEED_LATE;
	case -EAGAIN:
		cli_error("%s: a subscriber is a whole log behind, and --full fail was asked for; a larger "
			  "--depth helps",
			  feed->opt->topic);
		return FEED_FAILED;
	case -ENOSPC:
		cli_error("%s: every slot is taken; more --slots help", feed->opt->topic);
		return FEED_FAILED;
	default: cli_error("%s: %s", feed->opt->topic, plx_strerror(err)); return FEED_FAILED;
	}
}

enum feed_end feed_loan(struct feed *feed, struct plx_loan *loan)
{
	enum feed_end end = FEED_ALL;
	int err;

	while ((err = plx_publisher_loan(feed->pub, loan)) < 0 && end == FEED_ALL)
		end = why_not(feed, err);
	return err < 0 ? end : FEED_ALL;
}

static enum feed_end sent(struct feed *feed, uint64_t length)
{
	feed->bytes += length;
	feed->messages++;
	return FEED_ALL;
}

enum feed_end feed_publish(struct feed *feed, struct plx_loan *loan, uint64_t length)
{
	enum feed_end end = FEED_ALL;
	int err;

	while ((err = plx_publisher_publish(feed->pub, loan, length)) < 0 && end == FEED_ALL)
		end = why_not(feed, err);
	return err < 0 ? end : sent(feed, length);
}

enum feed_end feed_send(struct feed *feed, const void *data, uint64_t length)
{
	enum feed_end end = FEED_ALL;
	int err;

	while ((err = plx_publisher_send(feed->pub, data, length)) < 0 && end == FEED_ALL)
		end = why_not(feed, err);
	return err < 0 ? end : sent(feed, length);
}

static void say_gone(struct feed *feed, uint32_t pid, uint64_t position, int32_t reason)
{
	const char *what = reason == -ETIMEDOUT ? "was too slow and was let go"
			   : reason == -EBADMSG ? "broke the rules and was let go"
						: "left or died";

	feed->missed = true;
	cli_error("%s: subscriber %u %s: it had read %llu of %llu messages", feed->opt->topic, pid, what,
		  (unsigned long long)position, (unsigned long long)feed->messages);
}

void feed_readers(struct feed *feed, enum feed_moment moment)
{
	struct plx_reader_end gone;

	while (plx_publisher_gone(feed->pub, &gone)) {
		if (gone.position < feed->messages) {
			say_gone(feed, gone.pid, gone.position, gone.reason);
		} else if (feed->last_pid == 0) { /* whether it missed anything is not known yet */
			feed->last_pid = gone.pid;
			feed->last_read = gone.position;
		}
	}
	if (feed->last_pid != 0 && (moment == FEED_CUT || feed->messages > feed->last_read)) {
		say_gone(feed, feed->last_pid, feed->last_read, -EPIPE);
		feed->last_pid = 0;
	}
}

enum feed_end feed_look(struct feed *feed)
{
	struct plx_publisher_stats stats;

	plx_publisher_flush(feed->pub);
	cli_meter_step(&feed->meter, feed->bytes, feed->messages);
	if (plx_stop_signal() != 0)
		return FEED_STOPPED;
	feed_readers(feed, FEED_AMID);
	if (feed->opt->subscribers == 0)
		return FEED_ALL;
	plx_publisher_stats(feed->pub, &stats);
	return stats.subscribers == 0 ? FEED_DESERTED : FEED_ALL;
}

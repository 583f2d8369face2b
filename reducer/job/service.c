/*
 * service.c - take a program, reduce it, publish the reply; nothing a program does ends the service.
 *
 *	input topic --> gather --> parse --> net (workers) --> print into slots --> output topic
 *	                  |          |         |
 *	                  +----------+---------+--> any error: a reply that says so, and the next program
 *
 * One program at a time: the workers share its work. Programs wait in their publishers' logs, so a service that is busy
 * holds its publishers up, and nothing piles up in between. A program is taken only while enough readers are connected, and
 * answered only while they are: a reply that nobody could read would be lost.
 */
#include "reducer/job/service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "reducer/job/reply.h"
#include "tools/cli/cli.h"

#define LOOK_NS UINT64_C(100000000) /* how often a running program is looked after */

struct service {
	const struct job_service_options *opt;
	struct net *net;
	struct plx_subscriber *sub;
	struct plx_publisher *pub;
	struct job_gather gather;
	struct job_writer writer;
	uint64_t stop_ns; /* when we noticed that we shall stop; 0 before */
	uint64_t done;    /* programs answered with a normal form */
	uint64_t failed;  /* programs answered with an error */
	bool broken;      /* replies cannot be published any more */
	bool died;        /* a publisher went away without a word */
};

/* Are we asked to stop? The clock starts at the first look that says yes. */
static bool stopping(struct service *service)
{
	if (service->stop_ns == 0 && plx_stop_signal() != 0)
		service->stop_ns = plx_now_ns();
	return service->stop_ns != 0;
}

static bool patience_is_over(const struct service *service)
{
	return service->stop_ns != 0 && plx_now_ns() - service->stop_ns >= service->opt->grace_ns;
}

/*
 * Until enough readers are there. Once asked to stop: not at all, but with a reply in hand (@owing) as long as our patience
 * lasts. Meanwhile publishers of programs find us, though they are not read. Returns 0, -EINTR, -ETIMEDOUT.
 */
static int wait_readers(struct service *service, bool owing)
{
	int ret;

	if (service->opt->subscribers == 0)
		return 0;
	for (;;) {
		ret = plx_publisher_wait_subscribers(service->pub, service->opt->subscribers, LOOK_NS);
		if (ret == 0 || (ret != -EINTR && ret != -ETIMEDOUT) || patience_is_over(service))
			return ret;
		if (stopping(service) && !owing)
			return -EINTR;
		if (service->sub && plx_subscriber_wait(service->sub, 0) == -ENOMEM)
			return -ENOMEM;
	}
}

/* ---- one program ------------------------------------------------------------------------------- */

static void note(const struct service *service, const struct job_request *request, const char *what,
		 const struct net_result *result)
{
	const char *open = request->name[0] ? " (" : "", *close = request->name[0] ? ")" : "";

	if (!service->opt->verbose)
		return;
	if (result)
		cli_note("job %" PRIu64 "%s%s%s: %s, %" PRIu64 " interactions in %.1f ms by %" PRIu32
			 " worker%s",
			 request->id, open, request->name, close, what, result->interactions,
			 (double)result->time_ns / 1e6, result->took_part, result->took_part == 1 ? "" : "s");
	else
		cli_note("job %" PRIu64 "%s%s%s: %s", request->id, open, request->name, close, what);
}

/* The reply is out, or it is not. */
static void account(struct service *service, const struct job_request *request, int ret, bool done)
{
	if (ret < 0) {
		cli_error("job %" PRIu64 ": topic '%s': the reply could not be published: %s", request->id,
			  service->opt->output, plx_strerror(ret));
		service->broken = ret != -ENOMEM; /* without memory the next one may be smaller */
		return;
	}
	service->done += done;
	service->failed += !done;
}

static void fail(struct service *service, const struct job_request *request,
		 const struct job_failure *failure, const struct net_result *result)
{
	int ret = wait_readers(service, true);

	note(service, request, failure->message, result);
	if (ret == 0)
		ret = job_reply_failed(&service->writer, request, failure, service->net, result);
	account(service, request, ret, false);
}

static void fail_because(struct service *service, const struct job_request *request, const char *reason,
			 const char *message)
{
	fail(service, request, &(struct job_failure){ .reason = reason, .message = message }, NULL);
}

/* Waits for the end of the program that runs; asked to stop, it is cancelled when our patience is over. */
static int reduce(struct service *service, const struct book *book, struct net_result *result)
{
	bool cancelled = false;
	int ret = net_start(service->net, book, &service->opt->limits);

	if (ret < 0)
		return ret;
	do {
		ret = net_wait(service->net, LOOK_NS, result);
		stopping(service);
		if (ret < 0 && !cancelled && patience_is_over(service)) {
			net_cancel(service->net);
			cancelled = true;
		}
	} while (ret == -ETIMEDOUT || ret == -EINTR);
	return ret;
}

static void answer(struct service *service, const struct job_request *request,
		   const struct net_result *result)
{
	bool done = false;
	int ret = wait_readers(service, true);

	if (ret == 0)
		ret = job_reply_done(&service->writer, request, service->net, result,
				     service->opt->result_max, &done);
	note(service, request, done ? "done" : "error", result);
	account(service, request, ret, done);
}

static void handle(struct service *service, const struct job_request *request)
{
	struct job_failure failure = { .reason = "program" };
	struct net_result result;
	struct text_error error;
	struct book *book = NULL;
	char text[160];
	int ret = text_parse(request->text, request->length, &book, &error);

	if (ret == -EBADMSG) {
		failure.where = error.where;
		failure.message = error.what;
		fail(service, request, &failure, NULL);
		return;
	}
	if (ret == 0)
		ret = reduce(service, book, &result);
	free(book);
	if (ret < 0) {
		snprintf(text, sizeof(text), "the program could not be started: %s", plx_strerror(ret));
		fail_because(service, request, ret == -ENOMEM ? "memory" : "service", text);
	} else if (result.status == NET_DONE) {
		answer(service, request, &result);
	} else {
		failure.reason = job_reason(result.status);
		failure.message =
			result.status == NET_CANCELLED
				? "the service was asked to stop, and the program did not end in time"
				: result.error;
		fail(service, request, &failure, &result);
	}
}

/* ---- the stream -------------------------------------------------------------------------------- */

static void take_message(struct service *service, struct plx_buffer *message)
{
	struct job_request request = JOB_REQUEST_NONE;
	char text[160];
	int ret = job_gather_add(&service->gather, message, &request);

	if (ret == -ENOMEM)
		request = (struct job_request){ .id = message->sequence + 1,
						.publisher = message->publisher };
	plx_buffer_release(message);
	/* that it is released shows in our cursor only: nobody has to wait for the slot while we compute */
	plx_subscriber_flush(service->sub);
	if (ret == 1) {
		handle(service, &request);
	} else if (ret == -EMSGSIZE) {
		snprintf(text, sizeof(text),
			 "the program is longer than %" PRIu64 " bytes: see --max-program",
			 service->opt->text_max);
		fail_because(service, &request, "program", text);
	} else if (ret == -ENOMEM) {
		fail_because(service, &request, "memory", "no memory for the text of the program");
	}
	job_request_free(&request);
}

static void end_of_stream(struct service *service)
{
	struct plx_stream_end end = plx_subscriber_ended(service->sub);
	struct job_request rest = JOB_REQUEST_NONE;

	if (end.reason != -ESHUTDOWN && end.reason != -ECANCELED) {
		cli_note("topic '%s': the publisher with pid %" PRIu32
			 " is gone: %s; what it sent is answered",
			 service->opt->input, end.pid, plx_strerror(end.reason));
		service->died = true;
	}
	if (job_gather_end(&service->gather, end.publisher, &rest)) {
		fail_because(service, &rest, "program", "the program ends early: its publisher went away");
		job_request_free(&rest);
	}
}

/* Has every publisher there was come to its end? */
static bool input_is_over(const struct service *service)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(service->sub, &stats);
	return stats.publishers == 0 && stats.ended + stats.died > 0;
}

static int loop(struct service *service)
{
	struct plx_buffer message;
	int ret;

	while (!service->broken && !stopping(service)) {
		ret = wait_readers(service, false);
		if (ret == -EINTR || ret == -ETIMEDOUT)
			continue;
		if (ret < 0)
			return ret;
		ret = plx_subscriber_take(service->sub, &message);
		if (ret == 1) {
			take_message(service, &message);
		} else if (ret < 0 && ret != -ENOSPC) {
			end_of_stream(service);
		} else if (service->opt->once && input_is_over(service)) {
			break;
		} else {
			ret = plx_subscriber_wait(service->sub, UINT64_MAX);
			if (ret < 0 && ret != -EINTR && ret != -ETIMEDOUT)
				return ret;
		}
	}
	return 0;
}

/* ---- from the first to the last ---------------------------------------------------------------- */

/* Workers are forked before there is a control thread and before there are sockets they could inherit. */
static int start(struct service *service)
{
	const struct job_service_options *opt = service->opt;
	struct plx_subscriber_options sub_opt = PLX_SUBSCRIBER_DEFAULTS;
	struct plx_publisher_options pub_opt = PLX_PUBLISHER_DEFAULTS;
	int ret;

	ret = net_open(&service->net, &opt->net);
	if (ret < 0) {
		cli_error("the arena and its %" PRIu32 " worker%s could not be made: %s", opt->net.workers,
			  opt->net.workers == 1 ? "" : "s", plx_strerror(ret));
		return ret;
	}
	pub_opt.slot_size = opt->slot_size;
	pub_opt.directory = opt->directory;
	ret = plx_publisher_open(&service->pub, opt->output, &pub_opt);
	if (ret < 0) {
		cli_error("topic '%s': %s", opt->output, plx_strerror(ret));
		return ret;
	}
	service->writer.pub = service->pub;
	sub_opt.directory = opt->directory;
	ret = plx_subscriber_open(&service->sub, opt->input, &sub_opt);
	if (ret < 0)
		cli_error("topic '%s': %s", opt->input, plx_strerror(ret));
	return ret;
}

/* Every reply shall be read before we disappear. */
static enum job_end finish(struct service *service)
{
	int ret;

	plx_publisher_end(service->pub, 0);
	do {
		/* asked to stop, even meanwhile, we wait as long as our patience lasts */
		ret = plx_publisher_drain(service->pub, stopping(service) ? LOOK_NS : UINT64_MAX);
		stopping(service);
	} while (ret < 0 && (ret == -EINTR || ret == -ETIMEDOUT) && !patience_is_over(service));
	if (ret < 0) {
		cli_error("topic '%s': replies were not read: %s", service->opt->output, plx_strerror(ret));
		return JOB_END_UNREAD;
	}
	if (service->opt->verbose)
		cli_note("%" PRIu64 " program%s answered, %" PRIu64 " of them with an error",
			 service->done + service->failed, service->done + service->failed == 1 ? "" : "s",
			 service->failed);
	if (service->stop_ns != 0)
		return JOB_END_SIGNAL;
	return service->died && service->opt->once ? JOB_END_DIED : JOB_END_STREAM;
}

enum job_end job_serve(const struct job_service_options *options)
{
	struct service service = { .opt = options, .gather.text_max = options->text_max };
	enum job_end end = JOB_END_FAILED;
	int ret = start(&service);

	if (ret == 0) {
		ret = loop(&service);
		if (ret < 0)
			cli_error("topic '%s': %s", options->input, plx_strerror(ret));
		plx_subscriber_close(service.sub);
		service.sub = NULL;
		if (ret == 0 && !service.broken)
			end = finish(&service);
	}
	job_gather_free(&service.gather);
	plx_subscriber_close(service.sub);
	net_close(service.net); /* before the topic: a worker started late may hold copies of its sockets */
	plx_publisher_close(service.pub);
	return end;
}

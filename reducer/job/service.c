/*
 * service.c - take programs, reduce them, publish the replies; nothing a program does ends the service.
 *
 *	input topic --> gather --> waiting --> lanes: parse, reduce --> print into slots --> output topic
 *	                  |           |          |  |  |  |
 *	                  +-----------+----------+--+--+--+--> any error: a reply that says so, and the next program
 *
 * Several programs at a time, each in a lane (lane.h) with workers of its own; replies come in the order in which programs end.
 * Few programs wait in here, the rest in their publishers' logs, so a service that is busy holds its publishers up. A program
 * is taken only while enough readers are connected, and answered only while they are: a reply that nobody could read would
 * be lost. One thread does it all, and sleeps while the workers work.
 */
#include "reducer/job/service.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "reducer/job/lane.h"
#include "tools/cli/cli.h"

#define LOOK_NS UINT64_C(100000000) /* how often running programs and signals are looked after */

struct service {
	const struct job_service_options *opt;
	struct job_lane *lanes;
	uint32_t opened; /* lanes that have workers; those with higher numbers have none */
	uint32_t limit;  /* lanes there can be */
	struct pollfd *fds;
	struct job_queue waiting;
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

static bool has_readers(struct service *service)
{
	return service->opt->subscribers == 0 ||
	       plx_publisher_wait_subscribers(service->pub, service->opt->subscribers, 0) == 0;
}

/* ---- lanes ------------------------------------------------------------------------------------- */

static uint32_t count_lanes(const struct service *service, enum job_lane_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < service->opened; i++)
		n += service->lanes[i].state == state;
	return n;
}

static uint32_t running_of(const void *arg, uint64_t publisher)
{
	const struct service *service = arg;
	uint32_t n = 0;

	for (uint32_t i = 0; i < service->opened; i++)
		n += service->lanes[i].state == LANE_RUNNING &&
		     service->lanes[i].request.publisher == publisher;
	return n;
}

/* A lane that is free, made when it is needed and there may be one more; NULL when there is none. */
static struct job_lane *free_lane(struct service *service)
{
	for (uint32_t i = 0; i < service->opened; i++)
		if (service->lanes[i].state == LANE_FREE)
			return &service->lanes[i];
	if (service->opened < service->limit) {
		struct job_lane *lane = &service->lanes[service->opened];
		int ret = job_lane_open(lane, &service->opt->net, service->opened);

		if (ret == 0) {
			service->opened++;
			return lane;
		}
		cli_note("%" PRIu32 " programs at a time are all there can be: workers for one more: %s",
			 service->opened, plx_strerror(ret));
		service->limit = service->opened;
	}
	return NULL;
}

static void dispatch(struct service *service)
{
	while (service->waiting.first) {
		struct job_lane *lane = free_lane(service);

		if (!lane)
			break;
		job_lane_start(lane, job_queue_next(&service->waiting, running_of, service),
			       &service->opt->limits);
	}
}

static void note(const struct job_lane *lane, bool done)
{
	const struct job_request *request = &lane->request;
	const char *open = request->name[0] ? " (" : "", *close = request->name[0] ? ")" : "";
	const char *what = lane->reason ? lane->message : done ? "done" : "error";

	if (lane->ran)
		cli_note("job %" PRIu64 "%s%s%s: %s, %" PRIu64 " interactions in %.1f ms by %" PRIu32
			 " worker%s",
			 request->id, open, request->name, close, what, lane->result.interactions,
			 (double)lane->result.time_ns / 1e6, lane->result.took_part,
			 lane->result.took_part == 1 ? "" : "s");
	else
		cli_note("job %" PRIu64 "%s%s%s: %s", request->id, open, request->name, close, what);
}

static void could_not_reply(struct service *service, uint64_t id, int ret)
{
	cli_error("job %" PRIu64 ": topic '%s': the reply could not be published: %s", id,
		  service->opt->output, plx_strerror(ret));
	service->broken = ret != -ENOMEM; /* without memory the next one may be smaller */
}

static void reply(struct service *service, struct job_lane *lane)
{
	struct job_lane before = *lane;
	bool done;
	int ret = job_lane_reply(lane, &service->writer, service->opt->result_max, &done);

	if (service->opt->verbose)
		note(&before, done);
	if (ret < 0) {
		could_not_reply(service, before.request.id, ret);
		return;
	}
	service->done += done;
	service->failed += !done;
}

static void tell_progress(struct service *service, struct job_lane *lane)
{
	const uint64_t now = plx_now_ns();
	int ret;

	if (service->opt->progress_ns == 0 || now - lane->told_ns < service->opt->progress_ns)
		return;
	lane->told_ns = now;
	ret = job_reply_progress(&service->writer, &lane->request, lane->net);
	if (ret < 0 && ret != -ENOMEM)
		could_not_reply(service, lane->request.id, ret);
}

/* Programs that ended are answered, as long as somebody listens. */
static void look_at_lanes(struct service *service)
{
	const bool readers = has_readers(service);

	for (uint32_t i = 0; i < service->opened && !service->broken; i++) {
		struct job_lane *lane = &service->lanes[i];

		if (lane->state == LANE_FREE)
			continue;
		if (job_lane_look(lane) && readers)
			reply(service, lane);
		else if (lane->state == LANE_RUNNING && readers)
			tell_progress(service, lane);
		else if (lane->state == LANE_ENDED && patience_is_over(service))
			could_not_reply(service, lane->request.id, -ETIMEDOUT);
	}
}

/* Asked to stop, and our patience is over: what runs is cancelled, what waits does not begin. */
static void give_up(struct service *service)
{
	static const char why[] = "the service was asked to stop, and the program did not end in time";

	for (uint32_t i = 0; i < service->opened; i++)
		job_lane_cancel(&service->lanes[i], why);
	for (struct job_waiting *waiting = service->waiting.first; waiting; waiting = waiting->next)
		if (!waiting->reason) {
			waiting->reason = "cancelled";
			snprintf(waiting->message, sizeof(waiting->message), "%s", why);
		}
}

/* ---- the stream -------------------------------------------------------------------------------- */

static void cancel(struct service *service, const struct job_request *wish)
{
	static const char why[] = "cancelled by its publisher";
	struct job_waiting *waiting = job_queue_find(&service->waiting, wish->publisher, wish->id);

	if (waiting && !waiting->reason) {
		waiting->reason = "cancelled";
		snprintf(waiting->message, sizeof(waiting->message), "%s", why);
	}
	if (waiting)
		return;
	for (uint32_t i = 0; i < service->opened; i++) {
		struct job_lane *lane = &service->lanes[i];

		if (lane->state == LANE_RUNNING && lane->request.publisher == wish->publisher &&
		    lane->request.id == wish->id) {
			job_lane_cancel(lane, why);
			return;
		}
	}
	if (service->opt->verbose)
		cli_note("job %" PRIu64 " was to be cancelled and is not here: it has ended, or never was",
			 wish->id);
}

static void accept(struct service *service, struct job_request *request, const char *reason,
		   const char *message)
{
	const uint64_t id = request->id;

	/* a program that is no longer known cannot be answered: say so rather than lose it silently */
	if (job_queue_add(&service->waiting, request, reason, message) < 0)
		could_not_reply(service, id, -ENOMEM);
}

static void take_message(struct service *service, struct plx_buffer *message)
{
	struct job_request request = JOB_REQUEST_NONE;
	char text[128];
	int ret = job_gather_add(&service->gather, message, &request);

	if (ret == -ENOMEM)
		request = (struct job_request){ .id = message->sequence + 1,
						.position = message->sequence + 1,
						.publisher = message->publisher };
	plx_buffer_release(message);
	/* that it is released shows in our cursor only: nobody has to wait for the slot while we compute */
	plx_subscriber_flush(service->sub);
	if (ret == 1 && request.cancels) {
		cancel(service, &request);
	} else if (ret == 1) {
		accept(service, &request, NULL, NULL);
	} else if (ret == -EMSGSIZE) {
		snprintf(text, sizeof(text),
			 "the program is longer than %" PRIu64 " bytes: see --max-program",
			 service->opt->text_max);
		accept(service, &request, "program", text);
	} else if (ret == -ENOMEM) {
		accept(service, &request, "memory", "no memory for the text of the program");
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
	if (job_gather_end(&service->gather, end.publisher, &rest))
		accept(service, &rest, "program", "the program ends early: its publisher went away");
}

/* Has every publisher there was come to its end? */
static bool input_is_over(const struct service *service)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(service->sub, &stats);
	return stats.publishers == 0 && stats.ended + stats.died > 0;
}

/* May one more be taken? Texts that wait are few, and together no longer than one may be. */
static bool has_room(const struct service *service)
{
	return service->waiting.count < service->opt->queue &&
	       service->waiting.bytes < service->opt->text_max;
}

/* What has come, as far as there is room; starts what can be started. Returns true when the stream has nothing now. */
static bool take_all(struct service *service)
{
	struct plx_buffer message;
	int ret;

	while (!service->broken && has_room(service)) {
		ret = plx_subscriber_take(service->sub, &message);
		if (ret == 1)
			take_message(service, &message);
		else if (ret < 0 && ret != -ENOSPC)
			end_of_stream(service);
		else
			return true;
		dispatch(service);
	}
	return false;
}

/*
 * Sleeps until a program ends, a message comes (if one may be taken), or for a moment. With nothing to do at all it sleeps
 * until there is something.
 */
static int rest(struct service *service, bool taking)
{
	const struct timespec moment = { .tv_nsec = (long)LOOK_NS };
	nfds_t n = 0;
	int ret;

	if (count_lanes(service, LANE_FREE) == service->opened && !service->waiting.first) {
		/* taking or not: publishers of programs are to find us, though they are not read */
		ret = plx_subscriber_wait(service->sub, taking ? UINT64_MAX : 0);
		if (ret == 0 || ret == -EINTR || ret == -ETIMEDOUT)
			ret = taking ? 0
				     : plx_publisher_wait_subscribers(service->pub, service->opt->subscribers,
								      LOOK_NS);
		return ret == -EINTR || ret == -ETIMEDOUT ? 0 : ret;
	}
	if (taking && !plx_subscriber_arm(service->sub))
		return 0;
	if (taking)
		service->fds[n++] = (struct pollfd){ plx_subscriber_fd(service->sub), POLLIN, 0 };
	for (uint32_t i = 0; i < service->opened; i++)
		if (service->lanes[i].state == LANE_RUNNING)
			service->fds[n++] = (struct pollfd){ net_fd(service->lanes[i].net), POLLIN, 0 };
	if (ppoll(service->fds, n, &moment, NULL) < 0 && errno != EINTR)
		return -errno;
	/* members that come and go, and what else is behind the descriptor */
	ret = taking ? plx_subscriber_wait(service->sub, 0) : 0;
	return ret == -EINTR || ret == -ETIMEDOUT ? 0 : ret;
}

static int loop(struct service *service)
{
	while (!service->broken) {
		bool taking, empty = false;
		int ret;

		look_at_lanes(service);
		dispatch(service);
		if (patience_is_over(service))
			give_up(service);
		taking = !stopping(service) && has_readers(service);
		if (taking)
			empty = take_all(service);
		if (count_lanes(service, LANE_ENDED) > 0 && has_readers(service))
			continue; /* not even programs: answered at once */
		if (count_lanes(service, LANE_FREE) == service->opened && !service->waiting.first &&
		    (stopping(service) || (empty && service->opt->once && input_is_over(service))))
			break;
		ret = rest(service, taking && has_room(service));
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- from the first to the last ---------------------------------------------------------------- */

/* The first workers are forked before there is a control thread; those of further lanes when they are needed. */
static int start(struct service *service)
{
	const struct job_service_options *opt = service->opt;
	struct plx_subscriber_options sub_opt = PLX_SUBSCRIBER_DEFAULTS;
	struct plx_publisher_options pub_opt = PLX_PUBLISHER_DEFAULTS;
	int ret;

	service->limit = opt->jobs;
	service->lanes = calloc(opt->jobs, sizeof(*service->lanes));
	service->fds = calloc(opt->jobs + 1, sizeof(*service->fds));
	if (!service->lanes || !service->fds)
		return -ENOMEM;
	ret = job_lane_open(&service->lanes[0], &opt->net, 0);
	service->opened = ret == 0;
	if (ret < 0) {
		cli_error("the arena and its %" PRIu32 " worker%s could not be made: %s", opt->net.workers,
			  opt->net.workers == 1 ? "" : "s", plx_strerror(ret));
		return ret;
	}
	pub_opt.slot_size = opt->slot_size;
	pub_opt.directory = opt->directory;
	pub_opt.admit = opt->admit;
	pub_opt.keys = opt->keys;
	ret = plx_publisher_open(&service->pub, opt->output, &pub_opt);
	if (ret < 0) {
		cli_error("topic '%s': %s", opt->output, plx_strerror(ret));
		return ret;
	}
	service->writer.pub = service->pub;
	sub_opt.directory = opt->directory;
	sub_opt.admit = opt->admit;
	sub_opt.keys = opt->keys;
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
	struct service service = { .gather.text_max = options->text_max };
	struct job_service_options opt = *options;
	enum job_end end = JOB_END_FAILED;
	int ret;

	opt.jobs = opt.jobs == 0 ? 1 : opt.jobs;
	opt.queue = opt.queue == 0 ? JOB_QUEUE : opt.queue;
	service.opt = &opt;
	ret = start(&service);

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
	job_queue_free(&service.waiting);
	plx_subscriber_close(service.sub);
	for (uint32_t i = 0; i < service.opened;
	     i++) /* before the topic: workers may hold copies of its sockets */
		job_lane_close(&service.lanes[i]);
	plx_publisher_close(service.pub);
	free(service.lanes);
	free(service.fds);
	return end;
}

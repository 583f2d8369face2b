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
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "reducer/job/service_state.h"
#include "tools/cli/cli.h"

#define LOOK_NS UINT64_C(100000000) /* how often running programs and signals are looked after */

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
	for (uint32_t i = 0; i < service->limit; i++) {
		struct job_lane *lane = &service->lanes[i];
		int ret;

		if (lane->state != LANE_FREE)
			continue;
		ret = job_lane_open(lane, &service->opt->net, i);
		if (ret == 0) {
			service->opened = i < service->opened ? service->opened : i + 1;
			return lane;
		}
		cli_note("%" PRIu32 " programs at a time are all there can be: workers for one more: %s", i,
			 plx_strerror(ret));
		service->limit = i;
	}
	return NULL;
}

static void dispatch(struct service *service)
{
	while (service->waiting.first) {
		struct job_lane *lane = free_lane(service);
		struct job_waiting *next;

		if (!lane)
			break;
		next = job_queue_next(&service->waiting, running_of, service);
		journal_begun(service->journal, &next->request);
		job_lane_start(lane, next, &service->opt->limits);
		heir_show_lane(service, (uint32_t)(lane - service->lanes));
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

void service_could_not_reply(struct service *service, uint64_t id, int ret)
{
	cli_error("job %" PRIu64 ": topic '%s': the reply could not be published: %s", id,
		  service->opt->output, plx_strerror(ret));
	service->broken = ret != -ENOMEM; /* without memory the next one may be smaller */
}

/* Readers of a predecessor that was killed have a line that ends early: here it ends. */
static int end_cut_line(struct service *service)
{
	struct journal_head *head = service->journal->head;
	int ret = 0;

	if (head && atomic_load_explicit(&head->cut, memory_order_relaxed)) {
		ret = job_writer_put(&service->writer, "\n", 1);
		if (ret == 0)
			ret = job_writer_end(&service->writer);
		if (ret == 0)
			atomic_store_explicit(&head->cut, 0, memory_order_relaxed);
	}
	return ret;
}

static void reply(struct service *service, struct job_lane *lane)
{
	struct job_lane before = *lane;
	bool done = false;
	int ret = end_cut_line(service);

	service->writer.last = journal_answering(service->journal, &lane->request, service->writer.messages);
	if (ret == 0)
		ret = job_lane_reply(lane, &service->writer, service->opt->result_max, &done);
	service->writer.last = NULL;
	if (service->opt->verbose)
		note(&before, done);
	if (ret < 0)
		service_could_not_reply(service, before.request.id, ret);
	if (ret < 0 && service->broken)
		return;
	journal_answered(service->journal, &before.request);
	if (ret < 0)
		return;
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
		service_could_not_reply(service, lane->request.id, ret);
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
			service_could_not_reply(service, lane->request.id, -ETIMEDOUT);
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
			intake_message(service, &message);
		else if (ret < 0 && ret != -ENOSPC)
			intake_end(service);
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
		ret = plx_subscriber_wait(service->sub, !taking            ? 0
							: service->heir_ns ? LOOK_NS
									   : UINT64_MAX);
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
		    (stopping(service) || (empty && service->opt->once && intake_is_over(service))))
			break;
		ret = rest(service, taking && has_room(service));
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- from the first to the last ---------------------------------------------------------------- */

int service_open(struct service *service)
{
	service->limit = service->opt->jobs;
	service->lanes = calloc(service->limit, sizeof(*service->lanes));
	service->fds = calloc(service->limit + 1, sizeof(*service->fds));
	return service->lanes && service->fds ? 0 : -ENOMEM;
}

/* Why it could not be opened. */
static const char *topic_trouble(int error)
{
	return error == -EINVAL ? "not a topic: 1 to 64 of A-Z a-z 0-9 . _ - and / between parts are"
				: plx_strerror(error);
}

/* The first workers are forked before there is a control thread; those of further lanes when they are needed. */
static int start(struct service *service)
{
	const struct job_service_options *opt = service->opt;
	struct plx_subscriber_options sub_opt = PLX_SUBSCRIBER_DEFAULTS;
	struct plx_publisher_options pub_opt = PLX_PUBLISHER_DEFAULTS;
	int ret;

	ret = job_lane_open(&service->lanes[0], &opt->net, 0);
	if (ret == 0 && service->opened == 0)
		service->opened = 1;
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
		cli_error("topic '%s': %s", opt->output, topic_trouble(ret));
		return ret;
	}
	service->writer.pub = service->pub;
	heir_show_output(service);
	sub_opt.directory = opt->directory;
	sub_opt.admit = opt->admit;
	sub_opt.keys = opt->keys;
	sub_opt.confirm = true; /* what is noted in the journal counts as read */
	/* our predecessor was killed: what its publishers keep may be news; what it has read is known */
	sub_opt.history = service->heir_ns ? UINT32_MAX : 0;
	ret = plx_subscriber_open(&service->sub, opt->input, &sub_opt);
	if (ret < 0)
		cli_error("topic '%s': %s", opt->input, topic_trouble(ret));
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

enum job_end service_run(struct service *service)
{
	const struct job_service_options *options = service->opt;
	enum job_end end = JOB_END_FAILED;
	int ret = start(service);

	if (ret == 0) {
		ret = loop(service);
		if (ret < 0)
			cli_error("topic '%s': %s", options->input, plx_strerror(ret));
		plx_subscriber_close(service->sub);
		service->sub = NULL;
		if (ret == 0 && !service->broken)
			end = finish(service);
	}
	job_gather_free(&service->gather);
	job_queue_free(&service->waiting);
	plx_subscriber_close(service->sub);
	for (uint32_t i = 0; i < service->opened;
	     i++) /* before the topic: workers may hold copies of its sockets */
		job_lane_close(&service->lanes[i]);
	plx_publisher_close(service->pub);
	free(service->lanes);
	free(service->fds);
	return end;
}

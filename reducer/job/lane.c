/* lane.c - one program from text to reply. */
#include "reducer/job/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>

struct lane_options {
	struct net_options net;
	char name[32];
};

static const struct net_options *options_of(struct lane_options *mine, const struct net_options *options,
					    uint32_t number)
{
	mine->net = *options;
	mine->net.handed = true;
	if (number > 0 && options->name) {
		snprintf(mine->name, sizeof(mine->name), "%.20s-%u", options->name, number + 1);
		mine->net.name = mine->name;
	}
	return &mine->net;
}

int job_lane_open(struct job_lane *lane, const struct net_options *options, uint32_t number)
{
	struct lane_options mine;

	return lane->net ? 0 : net_open(&lane->net, options_of(&mine, options, number));
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a; /* 0 is no limit */
}

static void fail(struct job_lane *lane, const char *reason, const char *message)
{
	lane->reason = reason;
	snprintf(lane->message, sizeof(lane->message), "%s", message);
	lane->state = LANE_ENDED;
}

static void reduce(struct job_lane *lane, const struct net_limits *service)
{
	const struct job_request *request = &lane->request;
	const struct net_limits limits = {
		.gas = smaller(service->gas, request->limits.gas),
		.time_ns = smaller(service->time_ns, request->limits.time_ns),
		.memory = smaller(service->memory, request->limits.memory),
		.expand = request->expand_said ? request->limits.expand : service->expand,
	};
	struct text_error error;
	struct book *book = NULL;
	char text[160];
	int ret = text_parse(request->text, request->length, &book, &error);

	if (ret == -EBADMSG) {
		lane->where = error.where;
		fail(lane, "program", error.what);
		return;
	}
	if (ret == 0)
		ret = net_start(lane->net, book, &limits);
	free(book);
	if (ret == 0) {
		lane->state = LANE_RUNNING;
		lane->told_ns = plx_now_ns();
		return;
	}
	snprintf(text, sizeof(text), "the program could not be started: %s", plx_strerror(ret));
	fail(lane, ret == -ENOMEM ? "memory" : "service", text);
}

static void begin(struct job_lane *lane, struct job_request *request)
{
	lane->request = *request;
	*request = JOB_REQUEST_NONE;
	lane->ran = false;
	lane->reason = lane->unwanted = NULL;
	lane->where = (struct plx_where){ 0 };
}

/* The net has its own copy, and replies need the number and the name only. */
static void drop_text(struct job_lane *lane)
{
	free(lane->request.text);
	lane->request.text = NULL;
	lane->request.length = lane->request.room = 0;
}

int job_lane_take_up(struct job_lane *lane, const struct net_options *options, uint32_t number,
		     const struct net_handle *handle, struct job_request *request)
{
	struct lane_options mine;
	int ret = net_adopt(&lane->net, options_of(&mine, options, number), handle);

	if (ret < 0)
		return ret;
	begin(lane, request);
	drop_text(lane);
	lane->shown = handle->id;
	lane->told_ns = plx_now_ns();
	lane->state = LANE_RUNNING;
	return 0;
}

void job_lane_start(struct job_lane *lane, struct job_waiting *waiting, const struct net_limits *limits)
{
	begin(lane, &waiting->request);
	if (waiting->reason) {
		fail(lane, waiting->reason, waiting->message);
	} else if (lane->request.wrong[0]) {
		lane->where = (struct plx_where){ .line = lane->request.wrong_line, .column = 1 };
		fail(lane, "program", lane->request.wrong);
	} else {
		reduce(lane, limits);
	}
	job_waiting_free(waiting);
	drop_text(lane);
}

bool job_lane_look(struct job_lane *lane)
{
	int ret;

	if (lane->state != LANE_RUNNING)
		return lane->state == LANE_ENDED;
	ret = net_wait(lane->net, 0, &lane->result);
	if (ret == -ETIMEDOUT || ret == -EINTR)
		return false;
	lane->ran = ret == 0;
	lane->state = LANE_ENDED;
	if (ret < 0)
		fail(lane, "service", plx_strerror(ret));
	else if (lane->result.status == NET_CANCELLED && lane->unwanted)
		fail(lane, job_reason(lane->result.status), lane->unwanted);
	else if (lane->result.status != NET_DONE)
		fail(lane, job_reason(lane->result.status), lane->result.error);
	return true;
}

void job_lane_cancel(struct job_lane *lane, const char *message)
{
	if (lane->state != LANE_RUNNING || lane->unwanted)
		return;
	lane->unwanted = message;
	net_cancel(lane->net);
}

int job_lane_reply(struct job_lane *lane, struct job_writer *writer, uint64_t result_max, bool *done)
{
	const struct job_failure failure = { lane->reason, lane->where, lane->message };
	int ret;

	*done = false;
	if (lane->reason)
		ret = job_reply_failed(writer, &lane->request, &failure, lane->net,
				       lane->ran ? &lane->result : NULL);
	else
		ret = job_reply_done(writer, &lane->request, lane->net, &lane->result, result_max, done);
	job_request_free(&lane->request);
	lane->state = LANE_FREE;
	return ret;
}

void job_lane_close(struct job_lane *lane)
{
	net_close(lane->net);
	lane->net = NULL;
	job_request_free(&lane->request);
}

/*
 * reply.c - replies: the head is made by json-c, the normal form is streamed behind it.
 *
 *	{ "job": 3, ..., "workers": 2, "per_worker": [...]   , "result": "   ((1 (2 *)) ...   " }\n
 *	  head: small, a json object                                          text_print(): any length
 *
 * A printed net has letters, digits, brackets, blanks and signs, and neither quotes, backslashes nor control characters: as it
 * is it can stand in a JSON string. That is checked while it passes.
 */
#include "reducer/job/reply.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- into slots -------------------------------------------------------------------------------- */

/* Interrupted by a signal we go on: who asked us to stop gets the reply that is being written. */
static int loan(struct job_writer *writer)
{
	int ret;

	do {
		ret = plx_publisher_loan(writer->pub, &writer->loan);
	} while (ret == -EINTR);
	writer->loaned = ret == 0;
	writer->used = 0;
	return ret;
}

static int publish(struct job_writer *writer, uint32_t flags)
{
	int ret;

	writer->loan.flags |= flags;
	do {
		ret = plx_publisher_publish(writer->pub, &writer->loan, writer->used);
	} while (ret == -EINTR);
	if (ret < 0)
		plx_publisher_drop(writer->pub, &writer->loan);
	writer->loaned = false;
	writer->messages += ret == 0;
	writer->bytes += ret == 0 ? writer->used : 0;
	return ret;
}

int job_writer_put(void *to, const char *text, size_t length)
{
	struct job_writer *writer = to;
	size_t n;
	int ret;

	while (length > 0) {
		if (writer->loaned && writer->used == writer->loan.capacity) {
			ret = publish(writer, PLX_BUFFER_MORE);
			if (ret < 0)
				return ret;
		}
		if (!writer->loaned) {
			ret = loan(writer);
			if (ret < 0)
				return ret;
		}
		n = writer->loan.capacity - writer->used;
		n = n < length ? n : length;
		memcpy((char *)writer->loan.data + writer->used, text, n);
		writer->used += n;
		text += n;
		length -= n;
	}
	return 0;
}

int job_writer_end(struct job_writer *writer)
{
	if (!writer->loaned)
		return 0;
	if (writer->last) /* release: before the message; who reads it does so when we are dead */
		atomic_store_explicit(writer->last, writer->messages + 1, memory_order_release);
	return publish(writer, 0);
}

/* ---- the head ---------------------------------------------------------------------------------- */

const char *job_reason(uint32_t status)
{
	switch ((enum net_status)status) {
	case NET_DONE: return "";
	case NET_UNSAFE: return "unsafe";
	case NET_DIVIDED: return "division";
	case NET_MEMORY: return "memory";
	case NET_GAS: return "gas";
	case NET_TIME: return "time";
	case NET_CANCELLED: return "cancelled";
	case NET_WORKER_DIED: return "worker";
	case NET_POISON: return "redex";
	}
	return "unknown";
}

/* Adds a value that json-c has just made; both may be NULL when there is no memory. */
static bool add(struct json_object *object, const char *key, struct json_object *value)
{
	if (!object || !value || json_object_object_add(object, key, value) != 0) {
		json_object_put(value);
		return false;
	}
	return true;
}

static bool add_count(struct json_object *object, const char *key, uint64_t value)
{
	return add(object, key, json_object_new_uint64(value));
}

static bool add_text(struct json_object *object, const char *key, const char *text)
{
	return add(object, key, json_object_new_string(text));
}

static struct json_object *about_worker(const struct net_worker_stats *stats)
{
	struct json_object *worker = json_object_new_object();

	if (add(worker, "pid", json_object_new_int(stats->pid)) &&
	    add_count(worker, "interactions", stats->interactions) &&
	    add_count(worker, "given", stats->given) && add_count(worker, "sent", stats->sent) &&
	    add_count(worker, "received", stats->received) && add_count(worker, "memory", stats->memory))
		return worker;
	json_object_put(worker);
	return NULL;
}

static bool add_figures(struct json_object *head, const struct net *net, const struct net_result *result)
{
	struct json_object *list;
	struct net_worker_stats stats;
	char ms[32];
	bool fine;

	snprintf(ms, sizeof(ms), "%.3f", (double)result->time_ns / 1e6);
	fine = add_count(head, "interactions", result->interactions) &&
	       add(head, "ms", json_object_new_double_s((double)result->time_ns / 1e6, ms)) &&
	       add_count(head, "workers", result->took_part);
	list = json_object_new_array();
	for (uint32_t i = 0; fine && i < result->workers && net_worker(net, i, &stats) == 0; i++) {
		struct json_object *worker = about_worker(&stats);

		fine = worker && json_object_array_add(list, worker) == 0;
		if (!fine)
			json_object_put(worker);
	}
	return add(head, "per_worker", list) && fine;
}

static struct json_object *make_head(const struct job_request *request, const char *status)
{
	struct json_object *head = json_object_new_object();
	char id[24];

	snprintf(id, sizeof(id), "%016" PRIx64, request->publisher);
	if (add_count(head, "job", request->id) &&
	    (request->position == 0 || request->position == request->id ||
	     add_count(head, "position", request->position)) &&
	    (!request->name[0] || add_text(head, "name", request->name)) && add_text(head, "publisher", id) &&
	    add_text(head, "status", status))
		return head;
	json_object_put(head);
	return NULL;
}

/* ---- errors ------------------------------------------------------------------------------------ */

/* Puts one whole object as a line. */
static int put_line(struct job_writer *writer, struct json_object *object)
{
	size_t length;
	const char *text = json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
	int ret;

	if (!text)
		return -ENOMEM;
	ret = job_writer_put(writer, text, length);
	if (ret == 0)
		ret = job_writer_put(writer, "\n", 1);
	return ret == 0 ? job_writer_end(writer) : ret;
}

int job_reply_failed(struct job_writer *writer, const struct job_request *request,
		     const struct job_failure *failure, const struct net *net,
		     const struct net_result *result)
{
	struct json_object *head = make_head(request, "error");
	char message[512];
	int ret = -ENOMEM;

	job_clean(message, sizeof(message), failure->message, strlen(failure->message));
	if (!head || !add_text(head, "reason", failure->reason))
		goto out;
	if (failure->where.line > 0 && (!add_count(head, "line", failure->where.line) ||
					!add_count(head, "column", failure->where.column)))
		goto out;
	if (!add_text(head, "message", message) || (result && !add_figures(head, net, result)))
		goto out;
	ret = put_line(writer, head);
out:
	json_object_put(head);
	return ret;
}

int job_reply_progress(struct job_writer *writer, const struct job_request *request, const struct net *net)
{
	struct json_object *line = make_head(request, "running");
	struct net_progress progress;
	char ms[32];
	int ret = -ENOMEM;

	net_progress(net, &progress);
	snprintf(ms, sizeof(ms), "%.3f", (double)progress.time_ns / 1e6);
	if (line && add_count(line, "interactions", progress.interactions) &&
	    add(line, "ms", json_object_new_double_s((double)progress.time_ns / 1e6, ms)) &&
	    add_count(line, "memory", progress.memory) && add_count(line, "busy", progress.busy))
		ret = put_line(writer, line);
	json_object_put(line);
	return ret;
}

/* ---- normal forms ------------------------------------------------------------------------------ */

struct measure {
	uint64_t bytes;
};

static int measure_put(void *to, const char *text, size_t length)
{
	struct measure *measure = to;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\' ||
		    (unsigned char)text[i] > 0x7e)
			return -EBADMSG;
	measure->bytes += length;
	return 0;
}

static int stream(struct job_writer *writer, struct json_object *head, const struct text_source *source,
		  port root)
{
	const uint64_t before = writer->messages;
	size_t length;
	const char *text = json_object_to_json_string_length(
		head, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
	int ret;

	if (!text)
		return -ENOMEM;
	ret = job_writer_put(writer, text, length - 1); /* the closing bracket comes later */
	if (ret == 0)
		ret = job_writer_put(writer, ",\"result\":\"", 11);
	if (ret == 0)
		ret = text_print(source, root, job_writer_put, writer);
	if (ret == 0)
		ret = job_writer_put(writer, "\"}\n", 3);
	if (ret == 0)
		return job_writer_end(writer);
	/* what has been published cannot be taken back: readers find a line which ends early and is not JSON */
	if (writer->messages > before && job_writer_put(writer, "\n", 1) == 0 && job_writer_end(writer) == 0)
		return ret;
	if (writer->loaned)
		plx_publisher_drop(writer->pub, &writer->loan);
	writer->loaned = false;
	return ret;
}

int job_reply_done(struct job_writer *writer, const struct job_request *request, const struct net *net,
		   const struct net_result *result, uint64_t result_max, bool *done)
{
	struct measure measure = { 0 };
	struct job_failure failure = { .reason = "result" };
	struct json_object *head = NULL;
	struct text_source source;
	char text[200];
	int ret;

	net_source(net, &source);
	ret = text_print(&source, net_root(net), measure_put, &measure);
	*done = false;
	failure.message = text;
	if (ret == -ELOOP)
		snprintf(text, sizeof(text), "the normal form has a cycle and cannot be written down");
	else if (ret < 0)
		snprintf(text, sizeof(text), "the normal form cannot be written down: %s", plx_strerror(ret));
	else if (measure.bytes > result_max)
		snprintf(text, sizeof(text),
			 "the normal form has %" PRIu64 " bytes and %" PRIu64
			 " are allowed: see --max-result",
			 measure.bytes, result_max);
	if (ret < 0 || measure.bytes > result_max)
		return job_reply_failed(writer, request, &failure, net, result);

	head = make_head(request, "done");
	ret = head && add_figures(head, net, result) ? stream(writer, head, &source, net_root(net)) : -ENOMEM;
	json_object_put(head);
	*done = ret == 0;
	return ret;
}

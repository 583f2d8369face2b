/* waiting.c - a list, and who is next. */
#include "reducer/job/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The turn after the last one of that publisher; one that has none waiting is next. */
static uint64_t turn_of(const struct job_queue *queue, uint64_t publisher)
{
	uint64_t turn = queue->turn;

	for (const struct job_waiting *w = queue->first; w; w = w->next)
		if (w->request.publisher == publisher && w->turn > turn)
			turn = w->turn;
	return turn + 1;
}

int job_queue_add(struct job_queue *queue, struct job_request *request, const char *reason,
		  const char *message)
{
	struct job_waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting) {
		job_request_free(request);
		return -ENOMEM;
	}
	waiting->request = *request;
	waiting->reason = reason;
	snprintf(waiting->message, sizeof(waiting->message), "%s", message ? message : "");
	waiting->turn = turn_of(queue, request->publisher);
	*request = JOB_REQUEST_NONE;
	if (!queue->first)
		queue->last = &queue->first;
	*queue->last = waiting;
	queue->last = &waiting->next;
	queue->count++;
	queue->bytes += waiting->request.length;
	return 0;
}

/* Takes *@at out of the list. */
static struct job_waiting *leave(struct job_queue *queue, struct job_waiting **at)
{
	struct job_waiting *waiting = *at;

	*at = waiting->next;
	if (queue->last == &waiting->next)
		queue->last = at;
	waiting->next = NULL;
	queue->count--;
	queue->bytes -= waiting->request.length;
	return waiting;
}

struct job_waiting *job_queue_next(struct job_queue *queue,
				   uint32_t (*running)(const void *arg, uint64_t publisher), const void *arg)
{
	struct job_waiting **best = NULL, *next;
	uint64_t known = 0; /* the publisher asked about last: mostly there is one */
	uint32_t least = UINT32_MAX, n = 0;

	for (struct job_waiting **at = &queue->first; *at; at = &(*at)->next) {
		const uint64_t publisher = (*at)->request.publisher;

		if (at == &queue->first || publisher != known)
			n = running(arg, publisher);
		known = publisher;
		if (!best || n < least || (n == least && (*at)->turn < (*best)->turn)) {
			least = n;
			best = at;
		}
	}
	if (!best)
		return NULL;
	next = leave(queue, best);
	if (next->turn > queue->turn)
		queue->turn = next->turn;
	return next;
}

struct job_waiting *job_queue_find(const struct job_queue *queue, uint64_t publisher, uint64_t id)
{
	struct job_waiting *waiting = queue->first;

	while (waiting && (waiting->request.publisher != publisher || waiting->request.id != id))
		waiting = waiting->next;
	return waiting;
}

void job_waiting_free(struct job_waiting *waiting)
{
	if (!waiting)
		return;
	job_request_free(&waiting->request);
	free(waiting);
}

void job_queue_free(struct job_queue *queue)
{
	while (queue->first)
		job_waiting_free(leave(queue, &queue->first));
}

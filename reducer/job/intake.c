/*
 * intake.c - what publishers send: whole again, noted, and put where it waits for its turn.
 *
 *	message --> gather --> a program? --> journal --> waiting        and then its publisher is told that it was read
 *	                       a wish to cancel one? --> done at once
 *
 * After a predecessor was killed (heir.c) messages may come again, or be missing: the journal says how far each stream was read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <plx/process.h>

#include "reducer/job/service_state.h"
#include "tools/cli/cli.h"

#define HEIR_NS UINT64_C(1000000000) /* so long after a death who has not come back was gone before */

static void cancel(struct service *service, const struct job_request *wish)
{
	static const char why[] = "cancelled by its publisher";
	struct job_waiting *waiting = job_queue_find(&service->waiting, wish->publisher, wish->id);

	if (waiting && !waiting->reason) {
		waiting->reason = "cancelled";
		snprintf(waiting->message, sizeof(waiting->message), "%s", why);
		journal_fail(service->journal, &waiting->request, waiting->reason, why);
	}
	if (waiting)
		return;
	for (uint32_t i = 0; i < service->opened; i++) {
		struct job_lane *lane = &service->lanes[i];

		if (lane->state == LANE_RUNNING && lane->request.publisher == wish->publisher &&
		    lane->request.id == wish->id) {
			journal_fail(service->journal, &lane->request, "cancelled", why);
			job_lane_cancel(lane, why);
			return;
		}
	}
	if (service->opt->verbose)
		cli_note("job %" PRIu64 " was to be cancelled and is not here: it has ended, or never was",
			 wish->id);
}

void intake_accept(struct service *service, struct job_request *request, uint64_t next, const char *reason,
		   const char *message)
{
	const uint64_t id = request->id;

	if (service->journal->head && journal_add(service->journal, request, next, reason, message) < 0 &&
	    service->opt->verbose)
		cli_note("job %" PRIu64 ": there is no room to note it: it would not survive us", id);
	/* a program that is no longer known cannot be answered: say so rather than lose it silently */
	if (job_queue_add(&service->waiting, request, reason, message) < 0)
		service_could_not_reply(service, id, -ENOMEM);
}

/* ---- after a death ----------------------------------------------------------------------------- */

/* Messages that came while nobody read. How many programs they are nobody knows. */
static void tell_gap(struct service *service, uint64_t publisher, uint64_t from, uint64_t to)
{
	struct job_request lost = { .id = from + 1, .position = from + 1, .publisher = publisher };
	char text[128];

	snprintf(text, sizeof(text),
		 "messages %" PRIu64 " to %" PRIu64 " came while the service was replaced and were not read: "
		 "send them again",
		 from + 1, to);
	intake_accept(service, &lost, to, "lost", text);
}

/* Is it one that has to be looked at? Not one that a predecessor has read, nor the rest of a program of which we have not the beginning. */
static bool is_wanted(struct service *service, const struct plx_buffer *message)
{
	const struct journal_stream *stream = journal_stream(service->journal, message->publisher);
	uint64_t next;

	if (!stream)
		return true;
	/* relaxed: only we write it */
	next = atomic_load_explicit(&stream->next, memory_order_relaxed);
	if (message->sequence < next)
		return false;
	if (message->sequence > next)
		tell_gap(service, message->publisher, next, message->sequence);
	if (atomic_load_explicit(&stream->partial, memory_order_relaxed) == 0 ||
	    job_gather_partial(&service->gather, message->publisher))
		return true;
	journal_read(service->journal, message->publisher, message->sequence + 1,
		     message->flags & PLX_BUFFER_MORE ? JOURNAL_SKIP : 0);
	return false;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void take(struct service *service, struct plx_buffer *message)
{
	const uint64_t publisher = message->publisher, next = message->sequence + 1;
	struct job_request request = JOB_REQUEST_NONE;
	char text[128];
	int ret = job_gather_add(&service->gather, message, &request);

	if (ret == -ENOMEM)
		request = (struct job_request){ .id = next,
						.position = next,
						.publisher = message->publisher };
	if (ret == 1 && request.cancels) {
		cancel(service, &request);
	} else if (ret == 1) {
		intake_accept(service, &request, next, NULL, NULL);
	} else if (ret == -EMSGSIZE) {
		snprintf(text, sizeof(text),
			 "the program is longer than %" PRIu64 " bytes: see --max-program",
			 service->opt->text_max);
		intake_accept(service, &request, next, "program", text);
	} else if (ret == -ENOMEM) {
		intake_accept(service, &request, next, "memory", "no memory for the text of the program");
	}
	journal_read(service->journal, publisher, next,
		     ret == -ENOMEM && (message->flags & PLX_BUFFER_MORE)
			     ? JOURNAL_SKIP
			     : job_gather_partial(&service->gather, publisher));
	job_request_free(&request);
}

void intake_message(struct service *service, struct plx_buffer *message)
{
	if (is_wanted(service, message))
		take(service, message);
	plx_buffer_release(message);
	/* it is noted, and counts as read; that it is released shows in our cursor only */
	plx_subscriber_flush(service->sub);
}

void intake_end(struct service *service)
{
	struct plx_stream_end end = plx_subscriber_ended(service->sub);
	const bool died = end.reason != -ESHUTDOWN && end.reason != -ECANCELED;
	struct job_request rest = JOB_REQUEST_NONE;

	if (died) {
		cli_note("topic '%s': the publisher with pid %" PRIu32
			 " is gone: %s; what it sent is answered",
			 service->opt->input, end.pid, plx_strerror(end.reason));
		service->died = true;
	}
	if (job_gather_end(&service->gather, end.publisher, &rest))
		intake_accept(service, &rest, end.messages, "program",
			      "the program ends early: its publisher went away");
	journal_ended(service->journal, end.publisher, died);
}

bool intake_is_over(const struct service *service)
{
	struct plx_subscriber_stats stats;
	uint32_t ended;

	plx_subscriber_stats(service->sub, &stats);
	if (stats.publishers > 0)
		return false;
	if (stats.ended + stats.died > 0)
		return true;
	if (service->heir_ns == 0 || plx_now_ns() - service->heir_ns < HEIR_NS)
		return false;
	/* relaxed: only we write it */
	ended = atomic_load_explicit(&service->journal->head->ended, memory_order_relaxed) +
		atomic_load_explicit(&service->journal->head->died, memory_order_relaxed);
	return ended > 0 || atomic_load_explicit(&service->journal->head->orders, memory_order_relaxed) > 0;
}

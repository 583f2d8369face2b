/*
 * request.h - programs as they come from a topic: whole again when they came in pieces, and named.
 */
#ifndef REDUCER_JOB_REQUEST_H
#define REDUCER_JOB_REQUEST_H

#include <plx/buffer.h>

#include "reducer/net/net.h"

#define JOB_NAME_MAX 127u

/*
 * One program to reduce, or the wish to cancel one. The text is private memory: its publisher may do with the slot what
 * it likes.
 */
struct job_request {
	uint64_t id;        /* position in its publisher's stream, from 1, unless the text says otherwise */
	uint64_t position;  /* of its first message in its publisher's stream, from 1; 0: not known */
	uint64_t publisher; /* id of the segment it came from */
	char name[JOB_NAME_MAX + 1]; /* as the text says; empty otherwise */
	char *text;
	size_t length;
	size_t room;    /* bytes allocated at text */
	uint32_t entry; /* in the journal, + 1; 0: it has none */
	bool too_long;
	bool cancels;             /* no program: "// cancel: ID" */
	struct net_limits limits; /* as the text says; 0 where it is silent */
	bool expand_said;         /* limits.expand is one of what the text says */
	char wrong[128];          /* its limits cannot be understood: why; empty otherwise */
	uint32_t wrong_line;
};
#define JOB_REQUEST_NONE ((struct job_request){ .text = NULL })

/*
 * A program may come in several messages, each but the last with PLX_BUFFER_MORE. Several publishers may be in the
 * middle of one at the same time: one part for each.
 */
struct job_gather {
	struct job_request *parts;
	size_t count;
	size_t room;
	uint64_t text_max; /* bytes a program may have */
};

/*
 * job_gather_add() - copy what a message brings.
 * @request: set when the answer is 1
 *
 * Return: 1 a program is whole; 0 more is to come; -EMSGSIZE it is whole and longer than text_max (@request is set,
 *         without a text); -ENOMEM: this message is lost, and with it its program.
 * Owner:  job_request_free().
 */
int job_gather_add(struct job_gather *gather, const struct plx_buffer *message,
		   struct job_request *request) plx_must_check;

/*
 * job_gather_end() - a publisher is gone: what it left unfinished.
 * Return: true with *@request (owned by the caller) when there was something.
 */
bool job_gather_end(struct job_gather *gather, uint64_t publisher, struct job_request *request);

/* job_gather_partial() - where a publisher's unfinished program begins: position from 1, 0: it has none. */
uint64_t job_gather_partial(const struct job_gather *gather, uint64_t publisher);

/* job_gather_free() - forget everything. */
void job_gather_free(struct job_gather *gather);

/*
 * job_request_title() - look at the first lines (title.c): "// job: ID [NAME]" sets id and name, "// limits: ..." the limits,
 * "// cancel: ID" makes it a wish to cancel; anything else is left alone.
 */
void job_request_title(struct job_request *request);

/* job_request_free() - may be called twice. */
void job_request_free(struct job_request *request);

/* job_clean() - bytes from anywhere made fit for a line of text: valid UTF-8 stays, all else becomes '?'; terminated. */
void job_clean(char *to, size_t room, const char *from, size_t length);

#endif

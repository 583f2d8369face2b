/*
 * reply.h - one line of JSON for each program, written where its readers will read it (docs/formats/job.md).
 */
#ifndef REDUCER_JOB_REPLY_H
#define REDUCER_JOB_REPLY_H

#include <stdatomic.h>

#include <plx/publisher.h>

#include "reducer/job/request.h"
#include "reducer/net/net.h"

/*
 * Text on its way into slots. A reply that is longer than one slot continues in the next message: all but its
 * last one carry PLX_BUFFER_MORE.
 */
struct job_writer {
	struct plx_publisher *pub;
	struct plx_loan loan;
	uint64_t used; /* bytes in the loan */
	bool loaned;
	uint64_t messages; /* published */
	uint64_t bytes;
	_Atomic uint64_t
		*last; /* where it is noted that the next message is the last one of a reply; NULL: nowhere */
};

/* job_writer_put() - append; @writer is a struct job_writer, as text_print() wants it. Return: 0 or -errno. */
int job_writer_put(void *writer, const char *text, size_t length) plx_must_check;

/* job_writer_end() - publish what is left, as the last message of a reply. Return: 0 or -errno. */
int job_writer_end(struct job_writer *writer) plx_must_check;

/* What a reply tells about a program that did not get as far as a normal form. */
struct job_failure {
	const char *reason;     /* one word for programs: "program", "memory", ... */
	struct plx_where where; /* 0, 0 when it is nowhere in particular */
	const char *message;    /* a sentence for people; any bytes */
};

/* job_reason() - the word for a way a program ended; "" for NET_DONE. */
const char *job_reason(uint32_t status);

/*
 * job_reply_failed() - publish an error reply.
 * @net, @result: what was done until then; NULL when nothing was
 *
 * Return: 0 or -errno.
 */
int job_reply_failed(struct job_writer *writer, const struct job_request *request,
		     const struct job_failure *failure, const struct net *net,
		     const struct net_result *result) plx_must_check;

/*
 * job_reply_progress() - publish how far a program is that runs in @net.
 * Return: 0 or -errno.
 */
int job_reply_progress(struct job_writer *writer, const struct job_request *request,
		       const struct net *net) plx_must_check;

/*
 * job_reply_done() - publish the normal form of the program that just ended with NET_DONE.
 * @result_max: bytes a normal form may have; a longer one becomes an error reply that tells how long it is
 *
 * It is printed twice: once to learn that it is finite and how long, once into the slots. It is never in memory whole.
 *
 * Return: 0 (also when the reply tells an error: *@done says), or -errno when nothing could be published.
 */
int job_reply_done(struct job_writer *writer, const struct job_request *request, const struct net *net,
		   const struct net_result *result, uint64_t result_max, bool *done) plx_must_check;

#endif

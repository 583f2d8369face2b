/*
 * service.h - the service: programs from one topic, replies to another, until told to stop.
 */
#ifndef REDUCER_JOB_SERVICE_H
#define REDUCER_JOB_SERVICE_H

#include <plx/admit.h>

#include "reducer/net/net.h"

#define JOB_JOBS_MAX  64u
#define JOB_QUEUE     1024u
#define JOB_QUEUE_MAX 4096u

struct job_service_options {
	const char *input;           /* topic with programs */
	const char *output;          /* topic for replies */
	const char *directory;       /* of discovery; NULL for the default */
	struct plx_admit admit;      /* who else may send programs and read replies */
	const struct plx_keys *keys; /* NULL, or: only with who proves a key it trusts */
	struct net_options net;
	struct net_limits limits; /* for each program; one may ask for less */
	uint64_t slot_size;       /* of the output; 0 for the default */
	uint64_t text_max;        /* bytes a program may have */
	uint64_t result_max;      /* bytes a normal form may have */
	uint64_t grace_ns;    /* asked to stop: how long a running program, and readers, may take to finish */
	uint64_t progress_ns; /* how often a program that runs is told about; 0: never */
	uint32_t jobs;        /* programs reduced at a time, each by net.workers; 0 means 1 */
	uint32_t queue;       /* programs taken that wait; 0 means JOB_QUEUE */
	uint32_t
		subscribers; /* readers of the output to wait for, before the first program and before each */
	/*
	 * Called in each process that is the service before anything else, NULL: nothing is. Secrets do not come along from
	 * who called job_serve(). Return: false when it cannot be: it has said why.
	 */
	bool (*prepare)(struct job_service_options *options);
	bool once;    /* end when the input stream has ended */
	bool verbose; /* a note for each program */
};

enum job_end {
	JOB_END_STREAM = 0, /* --once: the input ended, every reply was delivered */
	JOB_END_SIGNAL = 1, /* asked to stop; every program that was taken got its reply */
	JOB_END_DIED =
		2, /* --once: a publisher died in the middle of its stream; what it sent was answered */
	JOB_END_FAILED = 3, /* the service could not go on; it was said why */
	JOB_END_UNREAD = 4, /* replies were published, and readers did not take them in time */
};

/*
 * job_serve() - run the service, in a child: when that is killed another one takes over (heir.c). Says on stderr what goes
 * wrong.
 * @signal: with JOB_END_SIGNAL: which
 */
enum job_end job_serve(const struct job_service_options *options, int *signal);

#endif

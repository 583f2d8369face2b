/*
 * waiting.h - programs that were taken and are not being reduced yet.
 */
#ifndef REDUCER_JOB_WAITING_H
#define REDUCER_JOB_WAITING_H

#include "reducer/job/request.h"

/* One of them; what is wrong with it already, if anything is, is told when its turn comes. */
struct job_waiting {
	struct job_waiting *next;
	struct job_request request;
	uint64_t turn;      /* smaller is earlier */
	const char *reason; /* of an error; NULL: it is to be reduced */
	char message[128];
};

/* In the order they came. */
struct job_queue {
	struct job_waiting *first;
	struct job_waiting **last; /* where the next one is hung; NULL: nothing was ever hung */
	uint32_t count;
	uint64_t bytes; /* of text */
	uint64_t turn;  /* of the one that left last */
};

/*
 * job_queue_add() - hang it at the end; its text is ours from now on, also when it fails.
 * Return: 0 or -ENOMEM. Owner: job_queue_next(), job_queue_cancel() or job_queue_free() give it on.
 */
int job_queue_add(struct job_queue *queue, struct job_request *request, const char *reason,
		  const char *message) plx_must_check;

/*
 * job_queue_next() - the one whose turn it is: a publisher with fewer programs running goes first, and among equals they take
 * turns, so that one who sends a thousand does not keep out one who sends one. (Start-time fair queueing: Goyal, Vin, Cheng,
 * SIGCOMM 1996, each program counted as one.)
 * @running: how many of @publisher are being reduced now
 *
 * Return: a program for the caller, who frees it with job_waiting_free(), or NULL.
 */
struct job_waiting *job_queue_next(struct job_queue *queue,
				   uint32_t (*running)(const void *arg, uint64_t publisher), const void *arg);

/* job_queue_find() - the job of that number and publisher; it stays where it is. NULL when there is none. */
struct job_waiting *job_queue_find(const struct job_queue *queue, uint64_t publisher, uint64_t id);

void job_queue_free(struct job_queue *queue);
void job_waiting_free(struct job_waiting *waiting);

#endif

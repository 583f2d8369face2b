/*
 * service_state.h - what the files of the service share: service.c (lanes, the loop), intake.c (what publishers send), heir.c
 * (taking over from one that was killed). Private to them.
 */
#ifndef REDUCER_JOB_SERVICE_STATE_H
#define REDUCER_JOB_SERVICE_STATE_H

#include <poll.h>

#include <plx/subscriber.h>

#include "reducer/job/journal.h"
#include "reducer/job/lane.h"
#include "reducer/job/service.h"

struct service {
	const struct job_service_options *opt;
	struct job_lane *lanes;
	uint32_t opened; /* lanes in use; those with higher numbers have no workers */
	uint32_t limit;  /* lanes there can be */
	struct pollfd *fds;
	struct job_queue waiting;
	struct plx_subscriber *sub;
	struct plx_publisher *pub;
	struct job_gather gather;
	struct job_writer writer;
	struct journal *journal; /* of what was taken and is not answered */
	uint64_t heir_ns;        /* when we took over from one that was killed; 0: we are the first */
	uint64_t stop_ns;        /* when we noticed that we shall stop; 0 before */
	uint64_t done;           /* programs answered with a normal form */
	uint64_t failed;         /* programs answered with an error */
	bool broken;             /* replies cannot be published any more */
	bool died;               /* a publisher went away without a word */
};

/* ---- service.c ---------------------------------------------------------------------------------------- */

/* service_open() - room for lanes. Return: 0 or -ENOMEM. Owner: service_run(). */
int service_open(struct service *service) plx_must_check;

/* service_run() - from the first to the last, in a process of its own. */
enum job_end service_run(struct service *service);

/* service_could_not_reply() - say so; unless it was for want of memory the service is at its end. */
void service_could_not_reply(struct service *service, uint64_t id, int ret);

/* ---- intake.c ----------------------------------------------------------------------------------------- */

/* intake_message() - a message of the input; it is released, and its publisher told, when it is noted. */
void intake_message(struct service *service, struct plx_buffer *message);

/* intake_end() - of a publisher's stream: what plx_subscriber_ended() says. */
void intake_end(struct service *service);

/* intake_is_over() - has every publisher there was come to its end? */
bool intake_is_over(const struct service *service);

/* intake_accept() - it is to be answered; @next: position after its last message. It is ours afterwards. */
void intake_accept(struct service *service, struct job_request *request, uint64_t next, const char *reason,
		   const char *message);

/* ---- heir.c ------------------------------------------------------------------------------------------- */

/*
 * heir_take_over() - what a predecessor has left is ours to do.
 * @witness: a descriptor of its output, or -1; @arenas: of its lanes' arenas, or -1; those are taken over
 */
int heir_take_over(struct service *service, int witness, int arenas[JOB_JOBS_MAX]) plx_must_check;

/* heir_show_lane() - the program in a lane has begun: whoever guards us shall keep a descriptor of its arena. */
void heir_show_lane(struct service *service, uint32_t number);

/* heir_show_output() - whoever guards us shall keep a descriptor of what we publish: before the first reply. */
void heir_show_output(struct service *service);

#endif

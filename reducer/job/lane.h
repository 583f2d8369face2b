/*
 * lane.h - a place where one program at a time is reduced: an arena and workers of its own.
 *
 *	LANE_FREE --job_lane_start()--> LANE_RUNNING --job_lane_look()--> LANE_ENDED --job_lane_reply()--> LANE_FREE
 *	              |                                                      ^
 *	              +------------------ not even a program ----------------+
 *
 * Several lanes share the processors as the kernel shares them among processes: a program that runs for an hour delays one
 * that needs a millisecond by a time slice. What one of them does to its memory or its workers, the others do not notice.
 */
#ifndef REDUCER_JOB_LANE_H
#define REDUCER_JOB_LANE_H

#include "reducer/job/reply.h"
#include "reducer/job/waiting.h"

enum job_lane_state { LANE_FREE, LANE_RUNNING, LANE_ENDED };

struct job_lane {
	struct net *net; /* NULL until it is needed */
	enum job_lane_state state;
	struct job_request request;
	struct net_result result; /* when it ran */
	bool ran;
	const char *reason; /* of an error; NULL: a normal form */
	char message[300];
	struct plx_where where;
	const char *unwanted; /* cancelled: what is told about it; NULL otherwise */
	uint64_t shown;       /* id of the arena that whoever guards us has a descriptor of */
	uint64_t told_ns;     /* when its progress was last told, or it began */
};

/*
 * job_lane_open() - arena and workers; nothing when they are there. @number: of the lane, from 0, for their name
 * Return: 0 or what net_open() says. Owner: job_lane_close().
 */
int job_lane_open(struct job_lane *lane, const struct net_options *options, uint32_t number) plx_must_check;

/*
 * job_lane_take_up() - go on with a program that a predecessor has left in an arena; it is taken over with its text.
 * @handle: its descriptor is taken over on success
 *
 * Return: 0 or what net_adopt() says: the lane and the program are as they were.
 */
int job_lane_take_up(struct job_lane *lane, const struct net_options *options, uint32_t number,
		     const struct net_handle *handle, struct job_request *request) plx_must_check;

/*
 * job_lane_start() - begin with the program; it and its text are taken over.
 * @limits: of the service: a program may ask for less, not for more
 */
void job_lane_start(struct job_lane *lane, struct job_waiting *waiting, const struct net_limits *limits);

/* job_lane_look() - has it ended? Keeps its time limit; never blocks. Return: true when the state is LANE_ENDED now. */
bool job_lane_look(struct job_lane *lane);

/* job_lane_cancel() - it is not wanted any more; @message: static text for its reply. */
void job_lane_cancel(struct job_lane *lane, const char *message);

/*
 * job_lane_reply() - publish what came of it; the lane is free then, whatever comes of the reply.
 * @done: set: a normal form was published
 *
 * Return: 0 or -errno when the reply could not be published.
 */
int job_lane_reply(struct job_lane *lane, struct job_writer *writer, uint64_t result_max,
		   bool *done) plx_must_check;

void job_lane_close(struct job_lane *lane);

#endif

/*
 * net_state.h - what the files of the supervisor share: net.c (programs), net_workers.c (starting and stopping workers),
 * net_death.c (deaths and successors), net_roster.c (workers that join and leave), net_look.c (looking in). Private to them.
 */
#ifndef REDUCER_NET_NET_STATE_H
#define REDUCER_NET_NET_STATE_H

#include <pthread.h>

#include <plx/process.h>
#include <plx/supervise.h>

#include "reducer/net/arena.h"

#define NET_NAME_MAX 63

enum net_phase { PHASE_FRESH, PHASE_RUNNING, PHASE_OVER };

/* Of which interaction a worker died last, and how often. */
struct net_deaths {
	uint64_t interactions, received;
	uint32_t job, count;
};

struct net {
	struct arena arena;
	struct net_options options;
	char name[NET_NAME_MAX + 1];
	struct plx_supervisor *supervisor; /* of worker processes; its children have the workers' numbers */
	struct net_start_info *info;       /* what they are started with, one for each */
	pthread_t thread[NET_WORKERS_MAX];
	uint64_t running; /* bit per worker that there is, or that will be again in a moment */
	uint64_t leaving; /* of these: who was told to go */
	uint64_t moving;  /* when the last change began, not done yet; 0: nothing is to be done */
	struct net_deaths deaths[NET_WORKERS_MAX];
	bool broken;  /* one is dead, or may be at work yet: begin anew */
	bool expands; /* go on while references are left in the normal form */
	int ended_fd;
	int epoll_fd;
	enum net_phase phase;
	uint64_t begin_ns;
	uint64_t reduced; /* interactions when the last order was done */
	struct net_limits limits;
	struct net_result result;
	struct plx_process saver; /* brings a checkpoint to the disk */
	struct net_saved saved;
	uint32_t pauses; /* ever */
};

/* For tools: what the supervisor does, and what happens to it. */
static inline void net_show(const struct net *net, enum arena_program_column column, uint64_t value)
{
	plx_table_set(&net->arena.program, 0, column, value);
}

static inline void net_count(const struct net *net, enum arena_program_column column)
{
	net_show(net, column, plx_table_get(&net->arena.program, 0, column) + 1);
}

/* ---- net.c ------------------------------------------------------------------------------------------ */

/* net_begin() - an arena of the right size, without workers. net_stop() - neither. */
int net_begin(struct net *net) plx_must_check;
void net_stop(struct net *net);

/* net_make() - without an arena; net_open_descriptors() - what its supervisor waits for. Owner: net_close(). */
int net_make(struct net **net, const struct net_options *options) plx_must_check;
int net_open_descriptors(struct net *net) plx_must_check;

/* net_load_book() - into the arena. */
int net_load_book(struct net *net, const struct book *book) plx_must_check;

/* net_limit() - from now on, for a program that has run for so long already. */
void net_limit(struct net *net, const struct net_limits *limits, uint64_t ran_ns);

/* net_note() - what a successor has to know about the program (net_adopt.c). */
void net_note(struct net *net);

/* net_is_over() - has somebody said that the program is? */
bool net_is_over(const struct net *net);

/* ---- net_workers.c ---------------------------------------------------------------------------------- */

/* net_workers_start() - all of them. Return: 0 or -errno; some may run then. */
int net_workers_start(struct net *net) plx_must_check;
void net_workers_stop(struct net *net);

/* net_workers_raise() - all are dead, whenever they died: what they left in common words is cleared up, and successors start. */
int net_workers_raise(struct net *net) plx_must_check;

/* net_show_pid() - for tools: of the process that is worker @i now. */
void net_show_pid(struct net *net, uint32_t i);

/* net_worker_start(), net_worker_gone() - one worker more, the lowest number that is free; one less, its process is dead. */
int net_worker_start(struct net *net, uint32_t i) plx_must_check;
void net_worker_gone(struct net *net, uint32_t i);

/* net_workers_reap() - of threads: those that have gone are gone. */
void net_workers_reap(struct net *net);

/* net_ring() - wake a worker, if it sleeps. net_ring_all() - all of them, to look at everything. */
void net_ring(struct arena_line *line);
void net_ring_all(struct net *net);

/* ---- net_roster.c ----------------------------------------------------------------------------------- */

/* net_roster() - go on with whatever is to be done until there are as many workers as there are to be. */
void net_roster(struct net *net);

/* net_listen() - NET_SIGNAL is for this net from now on; net_heed() - do what it said. */
void net_listen(struct net *net);
void net_heed(struct net *net);

/* net_is_settled() - within a moment, is every partition held by somebody who runs? */
bool net_is_settled(struct net *net);

/* ---- net_death.c ------------------------------------------------------------------------------------ */

/* net_on_death() - asked by libshm's supervisor: shall there be a successor? Without one the program is over. */
enum plx_verdict net_on_death(void *net, uint32_t who, const struct plx_exit *how, uint64_t *wait_ns);

/* net_watch() - look after the workers; net->broken afterwards when one died that is not to be replaced. */
void net_watch(struct net *net);

#endif

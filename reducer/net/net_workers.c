/*
 * net_workers.c - starting and stopping the workers of a net: processes under libshm's supervisor, or threads in tests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/net/net_state.h"
#include "reducer/net/worker.h"

/* What a worker is told when it starts. */
struct net_start_info {
	struct net *net;
	uint32_t me;
};

/*
 * A worker keeps two descriptors, the arena (to commit memory) and the one that tells the end. What else its parent had
 * open, sockets and pipes, would look alive to their other ends as long as the worker lives.
 */
static void keep_only(int a, int b)
{
	const int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		close_range(3, (unsigned int)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned int)low + 1, (unsigned int)high - 1, 0);
	close_range((unsigned int)high + 1, ~0u, 0);
}

static int run_process(void *arg)
{
	struct net_start_info info = *(struct net_start_info *)arg;
	struct net *net = info.net;

	keep_only(net->arena.seg.fd, net->ended_fd);
	return worker_run(&net->arena, info.me, net->ended_fd);
}

static void *run_thread(void *arg)
{
	struct net_start_info info = *(struct net_start_info *)arg;

	free(arg);
	worker_run(&info.net->arena, info.me, info.net->ended_fd);
	return NULL;
}

static int start_thread(struct net *net, uint32_t i)
{
	struct net_start_info *info = malloc(sizeof(*info));
	int ret;

	if (!info)
		return -ENOMEM;
	*info = (struct net_start_info){ net, i };
	ret = pthread_create(&net->thread[i], NULL, run_thread, info);
	if (ret != 0)
		free(info);
	return -ret;
}

/* A process that is watched, and started again when it dies (net_on_death()). */
static int start_process(struct net *net, uint32_t i)
{
	char name[16];
	struct plx_child child = { .name = name, .run = run_process, .arg = &net->info[i] };
	uint32_t number;

	snprintf(name, sizeof(name), "worker %u", i % 100);
	net->info[i] = (struct net_start_info){ net, i };
	return plx_supervisor_start(net->supervisor, &child, &number);
}

void net_show_pid(struct net *net, uint32_t i)
{
	struct plx_child_info info = { .pid = getpid() };

	if (!net->options.threads && plx_supervisor_child(net->supervisor, i, &info) < 0)
		return;
	plx_table_set(&net->arena.workers, i, ARENA_WORKER_PID, (uint64_t)info.pid);
}

static int open_supervisor(struct net *net)
{
	struct plx_supervisor_options options = { .decide = net_on_death, .arg = net };
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 0 };
	int ret = plx_supervisor_open(&net->supervisor, &options);

	if (ret < 0)
		return ret;
	net->info = calloc(net->options.workers, sizeof(*net->info));
	if (!net->info)
		return -ENOMEM;
	if (epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, plx_supervisor_fd(net->supervisor), &event) < 0)
		return -errno;
	return 0;
}

int net_workers_start(struct net *net)
{
	int ret = net->options.threads ? 0 : open_supervisor(net);

	net_show(net, ARENA_PROGRAM_PID, (uint64_t)getpid());
	for (uint32_t i = 0; i < net->options.workers && ret == 0; i++) {
		ret = net->options.threads ? start_thread(net, i) : start_process(net, i);
		if (ret < 0)
			break;
		net->started++;
		net_show_pid(net, i);
	}
	if (ret == 0)
		net->broken = false;
	return ret;
}

int net_workers_raise(struct net *net)
{
	struct arena_control *control = net->arena.control;
	uint64_t idle = 0;

	if (plx_table_get(&net->arena.program, 0, ARENA_PROGRAM_PID) != 0)
		net_count(net, ARENA_PROGRAM_TAKEOVERS);
	/* relaxed: nobody is there */
	atomic_store_explicit(&control->closing, 0, memory_order_relaxed);
	atomic_store_explicit(&control->pause, 0, memory_order_relaxed);
	for (uint32_t i = 0; i < net->options.workers; i++) {
		struct arena_line *line = &net->arena.lines[i];

		if ((atomic_load_explicit(&line->state, memory_order_relaxed) & ARENA_STATE_MASK) !=
		    ARENA_BUSY)
			idle |= 1ull << i;
		atomic_store_explicit(&line->starting, 1, memory_order_relaxed);
		atomic_store_explicit(&line->asleep, 0, memory_order_relaxed);
		atomic_store_explicit(&line->paused, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&control->hungry, idle, memory_order_relaxed);
	return net_workers_start(net);
}

void net_ring(struct arena_line *line)
{
	/* W3 seq_cst: after the store of job or leave; pairs with W2 */
	if (atomic_exchange_explicit(&line->asleep, 0, memory_order_seq_cst))
		plx_futex_wake((uint32_t *)&line->asleep, 1);
}

void net_workers_stop(struct net *net)
{
	if (net->options.threads && net->started > 0) {
		uint32_t none = NET_DONE;

		atomic_compare_exchange_strong(&net->arena.control->stop, &none, NET_CANCELLED);
		atomic_store_explicit(&net->arena.control->leave, 1, memory_order_seq_cst);
		for (uint32_t i = 0; i < net->started; i++)
			net_ring(&net->arena.lines[i]);
		for (uint32_t i = 0; i < net->started; i++)
			pthread_join(net->thread[i], NULL);
	} else {
		plx_supervisor_close(net->supervisor);
		net->supervisor = NULL;
		free(net->info);
		net->info = NULL;
	}
	net->started = 0;
}

/*
 * net_workers.c - starting and stopping the workers of a net: processes under libshm's supervisor, or threads in tests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/net/host.h"
#include "reducer/net/net_state.h"
#include "reducer/net/owner.h"

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
	host_leaves_on_signal(&net->arena, info.me, net->ended_fd);
	return host_run(&net->arena, info.me, net->ended_fd);
}

static void *run_thread(void *arg)
{
	struct net_start_info info = *(struct net_start_info *)arg;

	free(arg);
	host_run(&info.net->arena, info.me, info.net->ended_fd);
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
	net->info = calloc(net->arena.n, sizeof(*net->info));
	if (!net->info)
		return -ENOMEM;
	if (epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, plx_supervisor_fd(net->supervisor), &event) < 0)
		return -errno;
	return 0;
}

int net_worker_start(struct net *net, uint32_t i)
{
	struct arena_line *line = &net->arena.lines[i];
	int ret;

	/* relaxed: it has not begun */
	atomic_store_explicit(&line->leave, 0, memory_order_relaxed);
	atomic_store_explicit(&line->asks, ARENA_STAYS, memory_order_relaxed);
	atomic_store_explicit(&line->paused, 0, memory_order_relaxed);
	atomic_store_explicit(&line->cpu, 0, memory_order_relaxed);
	ret = net->options.threads ? start_thread(net, i) : start_process(net, i);
	if (ret < 0)
		return ret;
	net->running |= 1ull << i;
	net_show(net, ARENA_PROGRAM_WORKERS, net_workers(net));
	net_show_pid(net, i);
	return 0;
}

void net_worker_gone(struct net *net, uint32_t i)
{
	const uint64_t bit = 1ull << i;

	net->running &= ~bit;
	net->leaving &= ~bit;
	/* relaxed: a hint */
	atomic_store_explicit(&net->arena.lines[i].cpu, 0, memory_order_relaxed);
	net_show(net, ARENA_PROGRAM_WORKERS, net_workers(net));
	plx_table_set(&net->arena.workers, i, ARENA_WORKER_PID, 0);
	if (net->supervisor && plx_supervisor_forget(net->supervisor, i) < 0) {
		/* cannot be: it has ended */
	}
}

void net_workers_reap(struct net *net)
{
	for (uint64_t left = net->options.threads ? net->leaving : 0; left; left &= left - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(left);

		/* acquire: with all that it did */
		if (atomic_load_explicit(&net->arena.lines[i].asks, memory_order_acquire) != ARENA_GONE)
			continue;
		pthread_join(net->thread[i], NULL);
		net_worker_gone(net, i);
	}
}

int net_workers_start(struct net *net)
{
	const uint32_t wanted = atomic_load_explicit(&net->arena.control->wanted, memory_order_relaxed);
	int ret = net->options.threads ? 0 : open_supervisor(net);

	net_show(net, ARENA_PROGRAM_WANTED, wanted);
	net_listen(net);
	net_show(net, ARENA_PROGRAM_PID, (uint64_t)getpid()); /* last: who sees it may send NET_SIGNAL */
	for (uint32_t i = 0; i < wanted && ret == 0; i++)
		ret = net_worker_start(net, i);
	if (ret == 0)
		net->broken = false;
	net->moving = plx_now_ns();
	return ret;
}

int net_workers_raise(struct net *net)
{
	struct arena_control *control = net->arena.control;
	const uint32_t wanted = atomic_load_explicit(&control->wanted, memory_order_relaxed);
	const uint32_t parts = arena_open_parts(&net->arena);
	uint64_t idle = 0;

	if (plx_table_get(&net->arena.program, 0, ARENA_PROGRAM_PID) != 0)
		net_count(net, ARENA_PROGRAM_TAKEOVERS);
	/* relaxed: nobody is there */
	atomic_store_explicit(&control->closing, 0, memory_order_relaxed);
	atomic_store_explicit(&control->pause, 0, memory_order_relaxed);
	for (uint32_t i = 0; i < parts; i++) {
		struct arena_line *line = &net->arena.lines[i];

		if ((atomic_load_explicit(&line->state, memory_order_relaxed) & ARENA_STATE_MASK) !=
		    ARENA_BUSY)
			idle |= 1ull << i;
		atomic_store_explicit(&line->asleep, 0, memory_order_relaxed);
		plx_table_set(&net->arena.workers, i, ARENA_WORKER_PID, 0);
		owner_pass(&net->arena, i, i % wanted);
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

void net_ring_all(struct net *net)
{
	/* seq_cst: as in owner_tell() */
	atomic_fetch_add_explicit(&net->arena.control->requests, 1, memory_order_seq_cst);
	for (uint64_t left = net->running; left; left &= left - 1) {
		struct arena_line *line = &net->arena.lines[__builtin_ctzll(left)];

		/* whoever took the note that it sleeps may have died before it rang */
		atomic_store_explicit(&line->asleep, 0, memory_order_seq_cst);
		plx_futex_wake((uint32_t *)&line->asleep, 1);
	}
}

static void stop_threads(struct net *net)
{
	uint32_t none = NET_DONE;

	atomic_compare_exchange_strong(&net->arena.control->stop, &none, NET_CANCELLED);
	atomic_store_explicit(&net->arena.control->leave, 1, memory_order_seq_cst);
	for (uint64_t left = net->running; left; left &= left - 1)
		net_ring(&net->arena.lines[__builtin_ctzll(left)]);
	for (uint64_t left = net->running; left; left &= left - 1)
		pthread_join(net->thread[__builtin_ctzll(left)], NULL);
}

void net_workers_stop(struct net *net)
{
	if (net->options.threads && net->running != 0) {
		stop_threads(net);
	} else {
		plx_supervisor_close(net->supervisor);
		net->supervisor = NULL;
		free(net->info);
		net->info = NULL;
	}
	net->running = net->leaving = net->moving = 0;
}

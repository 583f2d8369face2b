/*
 * net_save.c - checkpoints: all workers pause after a commit, the net is copied into a file, they go on.
 *
 *	supervisor   pause = k   bells ...... all say k: copy    pause = 0  start the saver ................ it has ended
 *	worker            commit  paused = k  (stands still)      goes on
 *	saver                                                               checksum, disk, rename
 *
 * The committed states of all workers fit together at any moment (batch.h); they pause only so that it is one moment. Who dies
 * meanwhile is missed when its successor does not say that it stands still, and successors are not started while the net is copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/net/load.h"
#include "reducer/net/mutant.h"
#include "reducer/net/net_state.h"
#include "reducer/net/save.h"

#define SAVE_LOOK_NS UINT64_C(1000000) /* while waiting for workers that may die */
#define SAVE_TRIES   5000u             /* ... for the order to be begun */

/* ---- all stand still --------------------------------------------------------------------------------- */

static void let_go_on(struct net *net)
{
	struct arena_control *control = net->arena.control;

	atomic_store_explicit(&control->pause, 0, memory_order_seq_cst);
	plx_futex_wake((uint32_t *)&control->pause, INT_MAX);
}

/* Return: 0 and nobody moves until let_go_on(); -EALREADY. */
static int stand_still(struct net *net)
{
	struct arena_control *control = net->arena.control;
	const uint32_t number = ++net->pauses ? net->pauses : ++net->pauses;

	net_count(net, ARENA_PROGRAM_PAUSES);
	/* P1 seq_cst: before the bells (W3); pairs with P2 */
	atomic_store_explicit(&control->pause, number, memory_order_seq_cst);
	for (uint64_t left = net->running; left; left &= left - 1)
		net_ring(&net->arena.lines[__builtin_ctzll(left)]);
	for (uint64_t left = net->running; left; left &= left - 1) {
		struct arena_line *line = &net->arena.lines[__builtin_ctzll(left)];
		uint32_t is;

		/* P4 acquire: pairs with P3 */
		while ((is = atomic_load_explicit(&line->paused, memory_order_acquire)) != number) {
			if (net_mutant(MUT_NET_SAVE_MOVING))
				break;
			if (plx_futex_wait((const uint32_t *)&line->paused, is, SAVE_LOOK_NS) < 0) {
				/* late or interrupted: look again */
			}
			net_watch(net);
			if (net->broken)
				return -EALREADY;
			left = net->running; /* who had said so may be dead, and who had not may be gone */
			line = &net->arena.lines[__builtin_ctzll(left)];
		}
	}
	if (net_is_over(net) || atomic_load_explicit(&control->stop, memory_order_relaxed) != NET_DONE)
		return -EALREADY;
	return 0;
}

/* The same, when the last order has been carried out: until then the net is not what it says. */
static int stand_still_within(struct net *net)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (uint32_t tries = 0; tries < SAVE_TRIES; tries++) {
		const uint32_t job = atomic_load_explicit(&net->arena.control->job, memory_order_relaxed);
		int ret = stand_still(net);

		if (ret < 0 || (uint32_t)arena_record(&net->arena, 0)->job == job)
			return ret;
		let_go_on(net);
		nanosleep(&moment, NULL);
	}
	return -EALREADY;
}

/* ---- the file ---------------------------------------------------------------------------------------- */

/* What the saver is given. */
struct saver {
	int fd;
	void *memory; /* a copy of the net; NULL: it is in the file already */
	struct saved_head head;
	char part[PATH_MAX]; /* what it is called until it is whole */
	char path[PATH_MAX];
};

static int run_saver(void *arg)
{
	struct saver *s = arg;
	const int ret = save_finish(s->fd, s->memory, &s->head, s->part, s->path);

	if (ret < 0)
		unlink(s->part);
	return -ret; /* an errno fits into an exit code */
}

static struct saved_head head_of(const struct net *net)
{
	const struct arena *arena = &net->arena;
	struct timespec now;
	struct saved_head head = {
		.magic = SAVED_MAGIC,
		.version = SAVED_VERSION,
		.parts = arena_open_parts(arena),
		.book_size = (arena_book(arena)->size + 7) & ~UINT64_C(7),
		.cells = arena->cells,
		.stride_shift = arena->shift,
		.expands = net->expands,
		/* relaxed: ours */
		.orders = 1 + atomic_load_explicit(&arena->control->job, memory_order_relaxed) -
			  atomic_load_explicit(&arena->control->first, memory_order_relaxed),
		.reduced = net->reduced,
		.time_ns = plx_now_ns() - net->begin_ns,
		.root = arena->control->root,
	};

	for (uint32_t i = 0; i < head.parts; i++)
		head.interactions += arena_record(arena, i)->interactions;
	clock_gettime(CLOCK_REALTIME, &now);
	head.saved_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return head;
}

/* Room for a copy, which is quicker made than a file; not when memory is short. */
static void make_room(struct saver *s, uint64_t bytes)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0 || bytes > (uint64_t)(info.freeram + info.bufferram) * info.mem_unit / 4)
		return;
	s->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			 0);
	if (s->memory == MAP_FAILED)
		s->memory = NULL;
	else
		(void)madvise(s->memory, bytes, MADV_HUGEPAGE); /* as well without */
}

/* The net goes into memory, or the file, while nobody moves. */
static int copy(struct net *net, struct saver *s)
{
	const uint64_t begin = plx_now_ns();
	int ret = stand_still_within(net);

	if (ret == 0) {
		const uint64_t bytes = save_size(&net->arena);

		s->head = head_of(net);
		s->head.size = sizeof(s->head) + bytes;
		make_room(s, bytes);
		ret = save_arena(&net->arena, s->memory, s->fd);
	}
	let_go_on(net);
	net->saved = (struct net_saved){ s->head.interactions, s->head.size, plx_now_ns() - begin };
	return ret;
}

int net_save(struct net *net, const char *path)
{
	struct saver *s;
	int ret;

	if (net->saver.pidfd >= 0)
		return -EBUSY;
	if (net->phase != PHASE_RUNNING || net->options.threads)
		return net->phase == PHASE_OVER ? -EALREADY : -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	if (snprintf(s->path, sizeof(s->path), "%s", path) >= (int)sizeof(s->path) ||
	    snprintf(s->part, sizeof(s->part), "%s.part", path) >= (int)sizeof(s->part)) {
		free(s);
		return -ENAMETOOLONG;
	}
	s->fd = save_open(s->part);
	ret = s->fd < 0 ? s->fd : 0;
	if (ret == 0 && lseek(s->fd, sizeof(s->head), SEEK_SET) < 0)
		ret = -errno;
	if (ret == 0)
		ret = copy(net, s);
	if (ret == 0)
		ret = plx_process_spawn(&net->saver, "checkpoint", run_saver, s);
	if (ret < 0 && s->fd >= 0)
		unlink(s->part);
	if (s->fd >= 0)
		close(s->fd);
	if (s->memory)
		munmap(s->memory, s->head.size - sizeof(s->head));
	free(s);
	return ret;
}

int net_saved(struct net *net, uint64_t timeout_ns, struct net_saved *saved)
{
	struct plx_exit how;
	int ret;

	if (net->saver.pidfd < 0)
		return -ENOENT;
	ret = plx_process_wait(&net->saver, &how, timeout_ns);
	if (ret == -ETIMEDOUT || ret == -EINTR)
		return ret;
	plx_process_kill(&net->saver);
	net->saver = PLX_PROCESS_NONE;
	if (saved)
		*saved = net->saved;
	return ret < 0 ? ret : how.signal ? -EINTR : -how.code;
}

/* ---- and back ---------------------------------------------------------------------------------------- */

static int begin_with(struct net *net, const struct load *load, const struct net_limits *limits,
		      const char **why)
{
	int ret;

	net_stop(net);
	ret = net_begin(net);
	if (ret == 0)
		ret = net_load_book(net, load->book);
	if (ret == 0)
		ret = load_arena(load, &net->arena, why);
	if (ret < 0)
		return ret;
	net_limit(net, limits, load->head.time_ns);
	net->expands = load->head.expands;
	net->reduced = load->head.reduced;
	net->result = (struct net_result){ .workers = net->options.workers };
	net_note(net);
	net->phase = PHASE_RUNNING;
	net_show(net, ARENA_PROGRAM_STATE, 1);
	if (net->options.later) {
		net->broken = false;
		return 0;
	}
	return net_workers_start(net);
}

int net_resume(struct net *net, const char *path, const struct net_limits *limits, const char **why)
{
	struct load load;
	int ret;

	*why = NULL;
	if (net->phase == PHASE_RUNNING)
		return -EBUSY;
	ret = load_open(&load, path, why);
	if (ret < 0)
		return ret;
	ret = begin_with(net, &load, limits, why);
	load_close(&load);
	if (ret < 0) {
		net->phase = PHASE_FRESH;
		net->broken = true;
	}
	return ret;
}

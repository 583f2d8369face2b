/*
 * net.c - the supervisor: makes the arena, starts workers, gives them programs, waits, tells what happened.
 *
 * It waits on an epoll descriptor that holds an eventfd, which the last worker to rest writes, and libshm's supervisor
 * (plx/supervise.h), which watches the workers and starts successors. A successor finds in the arena what it needs to go on
 * (batch.h); the others do not stop. Only when a redex kills whoever tries it the program ends, and the next one gets a fresh
 * arena and fresh workers.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/net/inject.h"
#include "reducer/net/net_state.h"
#include "reducer/net/owner.h"

#define NET_RING     1024u /* messages; with many workers, who have as many rings each, fewer */
#define NET_RING_MIN 8u
#define NET_RING_MAX (1u << 20)
#define NET_LOOK_NS  UINT64_C(100000000)
#define NET_MOVE_NS  UINT64_C(1000000) /* between looks, while partitions change hands */
#define NET_KEEP     (256ull << 20)    /* bytes of arena kept from program to program */

/* ---- open and close ------------------------------------------------------------------------------ */

/* Workers and arena; what the caller polls stays the same. */
void net_stop(struct net *net)
{
	net_workers_stop(net);
	arena_close(&net->arena);
	net->broken = true;
}

int net_begin(struct net *net)
{
	const struct net_options *o = &net->options;
	int ret = arena_open(&net->arena, net->name, o->workers_max, o->workers, o->ring, o->memory_max);

	net->phase = PHASE_FRESH;

	if (ret == 0)
		ret = arena_seal(&net->arena, o->handed);
	if (ret < 0)
		return ret;
	net->arena.control->tick = o->tick;
	net->arena.control->scatter = o->scatter;
	net->arena.control->fuse = o->plain ? 0 : o->warm;
	return 0;
}

static int net_begin_with_workers(struct net *net)
{
	int ret = net_begin(net);

	if (ret == 0 && !net->options.later)
		ret = net_workers_start(net);
	else if (ret == 0)
		net->broken = false;
	if (ret < 0)
		net_stop(net);
	return ret;
}

static int net_renew(struct net *net)
{
	net_stop(net);
	return net_begin_with_workers(net);
}

int net_open_descriptors(struct net *net)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = NET_WORKERS_MAX };

	net->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (net->ended_fd < 0)
		return -errno;
	net->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (net->epoll_fd < 0 || epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, net->ended_fd, &event) < 0)
		return -errno;
	return 0;
}

static int choose_options(struct net *net, const struct net_options *options)
{
	struct net_options *o = &net->options;

	*o = *options;
	if (o->workers == 0)
		o->workers = 1;
	if (o->workers_max < o->workers)
		o->workers_max = o->workers;
	if (o->ring == 0)
		o->ring = o->workers <= 8 ? NET_RING : o->workers <= 24 ? NET_RING / 4 : NET_RING / 16;
	if (o->memory_max == 0)
		o->memory_max = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
	if (o->warm == 0)
		o->warm = FUSE_WARM;
	if (o->tick == 0)
		o->tick = ARENA_TICK;
	if (o->workers_max > NET_WORKERS_MAX || o->tick > ARENA_TICK || o->ring < NET_RING_MIN ||
	    o->ring > NET_RING_MAX || (o->ring & (o->ring - 1)) || o->memory_max < NET_MEMORY_MIN)
		return -EINVAL;
	snprintf(net->name, sizeof(net->name), "%s", o->name ? o->name : "net");
	o->name = net->name;
	return 0;
}

int net_make(struct net **out, const struct net_options *options)
{
	struct net *net = calloc(1, sizeof(*net));
	int ret;

	*out = NULL;
	if (!net)
		return -ENOMEM;
	net->arena.seg = PLX_SEGMENT_NONE;
	net->ended_fd = net->epoll_fd = -1;
	net->saver = PLX_PROCESS_NONE;
	ret = choose_options(net, options);
	if (ret < 0)
		net_close(net);
	else
		*out = net;
	return ret;
}

int net_open(struct net **out, const struct net_options *options)
{
	struct net *net;
	int ret = net_make(&net, options);

	*out = NULL;
	if (ret < 0)
		return ret;
	if (!options->later)
		ret = net_open_descriptors(net);
	if (ret == 0)
		ret = net_begin_with_workers(net);
	if (ret < 0)
		net_close(net);
	else
		*out = net;
	return ret;
}

int net_attend(struct net *net)
{
	int ret;

	if (!net->options.later || net->epoll_fd >= 0 || net->phase == PHASE_FRESH)
		return -EINVAL;
	ret = net_open_descriptors(net);
	return ret < 0 ? ret : net_workers_raise(net);
}

_Atomic uint64_t *net_told(struct net *net)
{
	return &net->arena.control->told;
}

_Atomic uint64_t *net_told_from(struct net *net)
{
	return &net->arena.control->told_from;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	plx_process_kill(&net->saver);
	net_stop(net);
	if (net->epoll_fd >= 0)
		close(net->epoll_fd);
	if (net->ended_fd >= 0)
		close(net->ended_fd);
	free(net);
}

/* ---- a program ----------------------------------------------------------------------------------- */

/* For tests. */
static void poison(const struct net *net, struct code *code)
{
	const uint32_t id = net->options.poison ? book_find(arena_book(&net->arena), net->options.poison)
						: UINT32_MAX;

	if (id != UINT32_MAX)
		((struct code_def *)(code + 1))[id].room = CODE_POISON;
}

/* Memory for the first @need bytes of the block of the book. */
static int reach(struct arena *arena, uint64_t need)
{
	const uint64_t off = (uint64_t)(arena->book - arena->base);
	uint64_t *end = &arena->control->book_end;

	if (need > arena->book_room)
		return -ENOMEM;
	if (need <= *end)
		return 0;
	if (arena_commit(arena, &arena->control->committed, off + *end, need - *end) < 0)
		return -ENOMEM;
	*end = need;
	return 0;
}

int net_load_book(struct net *net, const struct book *book)
{
	struct arena *arena = &net->arena;
	const uint64_t at = (book->size + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
	const uint64_t need = at + code_size(book);
	uint32_t *scratch;

	if (reach(arena, need) < 0)
		return -ENOMEM;
	scratch = malloc(((uint64_t)book->nodes_max + book->vars_max + 1) * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	memcpy(arena->book, book, book->size);
	code_make((struct code *)(arena->book + at), arena_book(arena), scratch);
	free(scratch);
	poison(net, (struct code *)(arena->book + at));
	arena->control->book_size = book->size;
	arena->control->code = (uint64_t)(arena->book + at - arena->base);
	return 0;
}

static uint64_t memory_for(const struct net *net, const struct net_limits *limits)
{
	const uint64_t max = net->options.memory_max;

	return limits && limits->memory && limits->memory < max ? limits->memory : max;
}

/* A dead worker, or so much memory taken that the next program might lack it, or others: begin anew. */
static bool must_renew(struct net *net, uint64_t memory)
{
	const uint64_t max = memory / 2;

	net_watch(net);
	/* nothing of a fresh one is reset; else whoever is taking a partition may be looking at what we are about to reset */
	if (net->phase != PHASE_FRESH && !net->broken && net->running != 0 && !net_is_settled(net))
		return true;
	return net->broken || arena_memory(&net->arena) > (max < NET_KEEP ? max : NET_KEEP);
}

/* Has anybody told us anything? Before we look what it was. */
static bool drain(struct net *net)
{
	uint64_t count;
	bool any = false;

	while (net->ended_fd >= 0 && read(net->ended_fd, &count, sizeof(count)) > 0)
		any = true;
	return any;
}

/* What was told about the order before is forgotten. */
static void give_order(struct net *net, enum arena_order order)
{
	struct arena_control *control = net->arena.control;

	(void)drain(net);
	net->result = (struct net_result){ .workers = net_workers(net), .deaths = net->result.deaths };
	net->phase = PHASE_RUNNING;
	net_show(net, ARENA_PROGRAM_STATE, 1);
	control->order = order;
	/* S1 seq_cst: everything before is seen by who sees the new number (S2); and before W3 */
	atomic_store_explicit(&control->job, atomic_load_explicit(&control->job, memory_order_relaxed) + 1,
			      memory_order_seq_cst);
	net_ring(&net->arena.lines[owner_worker(owner_of(&net->arena, 0))]);
}

void net_limit(struct net *net, const struct net_limits *limits, uint64_t ran_ns)
{
	net->limits = limits ? *limits : (struct net_limits){ 0 };
	net->arena.control->gas = net->limits.gas;
	net->begin_ns = plx_now_ns() - ran_ns;
	net->result.deaths = 0;
	net->reduced = 0;
	memset(net->deaths, 0, sizeof(net->deaths));
}

int net_start(struct net *net, const struct book *book, const struct net_limits *limits)
{
	struct arena_control *control;
	const char *why;
	int ret;

	if (net->phase == PHASE_RUNNING)
		return -EBUSY;
	ret = book_check(book, book->size, &why);
	if (ret < 0)
		return ret;
	if (must_renew(net, memory_for(net, limits)))
		ret = net_renew(net);
	if (ret == 0) {
		/* plain: nobody computes now */
		net->arena.control->memory_max = memory_for(net, limits);
		ret = net_load_book(net, book);
	}
	if (ret < 0)
		return ret;
	if (net->phase !=
	    PHASE_FRESH) /* else it is as arena_open() left it, and workers may be reading that */
		arena_reset(&net->arena);
	net_limit(net, limits, 0);
	net->expands = net->limits.expand == NET_EXPAND_ALWAYS ||
		       (net->limits.expand == NET_EXPAND_LABELLED && book->labels > 0);
	control = net->arena.control;
	net_note(net);
	/* relaxed: before S1 */
	atomic_store_explicit(&control->first, atomic_load_explicit(&control->job, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	give_order(net, ARENA_EXPAND);
	return 0;
}

/*
 * The normal form is there: is it to be expanded further? It is not when the last order to do so found nothing to expand,
 * which shows in the interactions: an expansion is one.
 */
static bool go_on(struct net *net, uint64_t interactions)
{
	const struct arena_control *control = net->arena.control;
	const bool first = atomic_load_explicit(&control->job, memory_order_relaxed) ==
			   atomic_load_explicit(&control->first, memory_order_relaxed);

	if (!net->expands || net->result.status != NET_DONE ||
	    (!first && net->result.interactions == interactions))
		return false;
	give_order(net, ARENA_EXPAND);
	return true;
}

/* Memory for the tray, behind the code. */
static int make_tray(struct net *net, uint64_t bytes)
{
	struct arena *arena = &net->arena;
	const uint64_t book = (uint64_t)(arena->book - arena->base);
	const uint64_t at = (arena->control->code - book + code_size(arena_book(arena)) + PLX_LINE - 1) &
			    ~(uint64_t)(PLX_LINE - 1);

	if (bytes > arena->book_room || reach(arena, at + bytes) < 0)
		return -ENOMEM;
	arena->control->tray = book + at;
	return 0;
}

int net_go_on(struct net *net, const struct piece *piece)
{
	int ret;

	if (net->phase != PHASE_OVER || net->result.status != NET_DONE || net->broken || piece->vars == 0 ||
	    piece->held >= piece->vars || piece->held > PIECE_HELD_MAX)
		return -EINVAL;
	ret = make_tray(net, inject_bytes(piece));
	if (ret < 0)
		return ret;
	inject_write(net->arena.base + net->arena.control->tray, piece);
	give_order(net, ARENA_INJECT);
	return 0;
}

uint64_t net_orders(const struct net *net)
{
	const struct arena_control *control = net->arena.control;

	/* relaxed: only who gives them asks, or who comes after it */
	return atomic_load_explicit(&control->job, memory_order_relaxed) -
	       atomic_load_explicit(&control->first, memory_order_relaxed);
}

port net_held(const struct net *net, uint32_t i)
{
	return net->arena.control && i < PIECE_HELD_MAX ? net->arena.control->held[i] : PORT_NONE;
}

static void ask_to_stop(struct net *net, enum net_status why)
{
	uint32_t none = NET_DONE;

	/* seq_cst: as in worker_stop() */
	if (net->phase == PHASE_RUNNING)
		atomic_compare_exchange_strong(&net->arena.control->stop, &none, why);
}

void net_cancel(struct net *net)
{
	ask_to_stop(net, NET_CANCELLED);
}

static void describe(struct net *net)
{
	const struct arena_control *control = net->arena.control;
	const uint64_t detail = control->stop_detail;
	struct net_result *r = &net->result;

	switch (r->status) {
	case NET_DONE: break;
	case NET_UNSAFE:
		snprintf(r->error, sizeof(r->error),
			 "attempt to clone a non-affine global reference: @%.100s duplicates something "
			 "itself, so a "
			 "duplicator cannot copy it; give one of the two a label",
			 detail < arena_book(&net->arena)->defs
				 ? book_name(arena_book(&net->arena), (uint32_t)detail)
				 : "?");
		break;
	case NET_DIVIDED: snprintf(r->error, sizeof(r->error), "an integer was divided by zero"); break;
	case NET_MEMORY:
		snprintf(r->error, sizeof(r->error),
			 "out of memory: the net needs more than it may have (%llu MiB) or the machine has "
			 "left",
			 (unsigned long long)(control->memory_max >> 20));
		break;
	case NET_GAS:
		snprintf(r->error, sizeof(r->error), "stopped after %llu interactions: the limit is %llu",
			 (unsigned long long)r->interactions, (unsigned long long)net->limits.gas);
		break;
	case NET_TIME:
		snprintf(r->error, sizeof(r->error), "stopped after %.3f s: the limit is %.3f s",
			 (double)r->time_ns / 1e9, (double)net->limits.time_ns / 1e9);
		break;
	default: snprintf(r->error, sizeof(r->error), "cancelled"); break;
	}
}

static void count_result(struct net *net)
{
	struct net_result *r = &net->result;

	net->phase = PHASE_OVER;
	net_show(net, ARENA_PROGRAM_STATE, 2);
	r->time_ns = plx_now_ns() - net->begin_ns;
	r->workers = arena_open_parts(&net->arena);
	for (uint32_t i = 0; i < r->workers; i++) {
		uint64_t n = atomic_load_explicit(&net->arena.lines[i].interactions, memory_order_relaxed);

		r->interactions += n;
		r->took_part += n != 0;
	}
}

void net_abandon(struct net *net, enum net_status why, struct net_result *result)
{
	net->result.status = why;
	net->result.time_ns = plx_now_ns() - net->begin_ns;
	describe(net);
	*result = net->result;
}

static void finish(struct net *net)
{
	count_result(net);
	net->result.status = net->arena.control->stop;
	describe(net);
}

static void give_up(struct net *net, enum net_status status)
{
	net->broken = true;
	net_workers_stop(net);
	count_result(net);
	net->result.status = status;
}

bool net_is_over(const struct net *net)
{
	/* E2 seq_cst: pairs with E1; all that the workers did is seen */
	return atomic_load_explicit(&net->arena.control->ended, memory_order_seq_cst) ==
	       atomic_load_explicit(&net->arena.control->job, memory_order_relaxed);
}

static int sleep_on(struct net *net, uint64_t ns)
{
	struct pollfd fd = { .fd = net->epoll_fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	if (ppoll(&fd, 1, ns == UINT64_MAX ? NULL : &ts, NULL) < 0)
		return -errno;
	return 0;
}

int net_wait(struct net *net, uint64_t timeout_ns, struct net_result *result)
{
	const uint64_t begin = plx_now_ns();
	bool late = false; /* the time limit has been told to the workers */

	if (net->phase == PHASE_FRESH)
		return -EINVAL;
	while (net->phase == PHASE_RUNNING) {
		const uint64_t now = plx_now_ns(), waited = now - begin, ran = now - net->begin_ns;
		uint64_t left;
		int ret;

		net_heed(net);
		if (net->moving || drain(net))
			net_roster(net);
		if (net_is_over(net)) {
			const uint64_t before = net->reduced;

			finish(net);
			net->reduced = net->result.interactions;
			if (!go_on(net, before))
				break;
			net_note(net); /* after the order: without it our successor would have given it */
			continue;
		}
		net_watch(net);
		if (net->broken) {
			give_up(net, NET_POISON);
			break;
		}
		if (net->limits.time_ns && ran >= net->limits.time_ns && !late) {
			ask_to_stop(net, NET_TIME);
			late = true;
		}
		if (waited >= timeout_ns)
			return -ETIMEDOUT;
		left = timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - waited;
		if (net->moving && left > NET_MOVE_NS)
			left = NET_MOVE_NS;
		if (net->limits.time_ns && !late && net->limits.time_ns - ran < left)
			left = net->limits.time_ns - ran;
		ret = sleep_on(net, left);
		if (ret < 0)
			return ret;
	}
	*result = net->result;
	return 0;
}

int net_wait_end(struct net *net, struct net_result *result)
{
	int ret;

	do {
		/* the time limit is kept by net_wait(); a look now and then keeps us from missing anything else */
		ret = net_wait(net, NET_LOOK_NS, result);
		if (plx_stop_signal() != 0)
			net_cancel(net);
	} while (ret == -EINTR || ret == -ETIMEDOUT);
	return ret;
}

int net_fd(const struct net *net)
{
	return net->epoll_fd;
}

int net_run(struct net **net, const struct net_options *options, const struct book *book,
	    const struct net_limits *limits, struct net_result *result)
{
	int ret = net_open(net, options);

	if (ret < 0)
		return ret;
	ret = net_start(*net, book, limits);
	while (ret == 0) {
		ret = net_wait(*net, UINT64_MAX, result);
		if (ret != -EINTR)
			break;
		ret = 0;
	}
	if (ret < 0) {
		net_close(*net);
		*net = NULL;
	}
	return ret;
}

/*
 * heir.c - a service that takes over from one that was killed.
 *
 *	guard  ---fork---> service: takes programs, notes them in the journal, answers ---killed---+
 *	   |                                                                                       |
 *	   +------fork---> the next one <------ journal: what was taken and is not answered -------+
 *
 * What the journal holds goes on where it was: in the arena it was reduced in, as of the last commit of each worker. Where that
 * is not to be had (the guard has not heard of it yet, the service crashed in it, no memory), and where it had not begun, it is
 * reduced from its text: the normal form and the number of interactions will be the same. But for a reply that was being
 * published it looks first whether its last message had been: readers of the dead one's log find there what we find. So each
 * program is answered once.
 *
 * For that somebody must have that log, and those arenas, when who made them is dead: the guard opens them as soon as it is
 * told of them, and its children inherit the descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <plx/inspect.h>
#include <plx/process.h>

#include "reducer/guard.h"
#include "reducer/job/service_state.h"
#include "tools/cli/cli.h"

#define WITNESS_NS UINT64_C(2000000000)
#define CRASHES    3u
#define SPARE      64u /* entries of the journal for what is not in the queue: gaps, pieces */

/* What the guard is told: a descriptor of ours, or TOLD_NONE, and what it is of: 0 the output, i the arena of lane i - 1. */
#define TOLD_SHIFT 24u
#define TOLD_NONE  ((1 << TOLD_SHIFT) - 1)
static_assert(JOB_JOBS_MAX < 1u << (31 - TOLD_SHIFT), "the number of a lane fits");

static bool tell(uint32_t what, int fd)
{
	return guard_tell((int)(what << TOLD_SHIFT) | (fd >= 0 && fd < TOLD_NONE ? fd : TOLD_NONE));
}

/* ---- for our own successor --------------------------------------------------------------------- */

/* Our descriptor of the segment that we publish in, or -1. */
static int output_fd(const struct service *service)
{
	const uint64_t id = plx_publisher_id(service->pub);
	const pid_t me = getpid();
	struct plx_found_list list;
	int fd = -1;

	if (plx_inspect_find(&list, me) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		for (uint32_t j = 0; j < list.items[i].holder_count && list.items[i].info.id == id; j++)
			if (list.items[i].holders[j].pid == me)
				fd = list.items[i].holders[j].fd;
	plx_inspect_free(&list);
	return fd;
}

void heir_show_output(struct service *service)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct journal_head *head = service->journal->head;
	const uint64_t id = plx_publisher_id(service->pub), begin = plx_now_ns();
	int fd;

	if (!head)
		return;
	/* relaxed: who reads it waits for the signal, or for our death */
	atomic_store_explicit(&head->output, id, memory_order_relaxed);
	fd = output_fd(service);
	if (fd < 0 || !tell(0, fd))
		return;
	/* JW2 acquire: pairs with JW1: it has it open */
	while (atomic_load_explicit(&head->witnessed, memory_order_acquire) != id &&
	       plx_now_ns() - begin < WITNESS_NS)
		nanosleep(&moment, NULL);
}

void heir_show_lane(struct service *service, uint32_t number)
{
	struct job_lane *lane = &service->lanes[number];
	const struct net_handle handle = net_handle(lane->net);

	/* if it does not hear of it in time the program begins anew */
	if (service->journal->head && handle.id != lane->shown && tell(number + 1, handle.fd))
		lane->shown = handle.id;
	if (lane->state == LANE_RUNNING && handle.fd >= 0)
		journal_reduces(service->journal, &lane->request, &handle);
}

/* ---- after our predecessor --------------------------------------------------------------------- */

/* Its output, as it was when it died. Return: false when we do not have it. */
static bool open_output(const struct service *service, int witness, struct plx_segment *seg)
{
	const struct journal_head *head = service->journal->head;
	const uint64_t output = atomic_load_explicit(&head->output, memory_order_relaxed);
	struct plx_segment_info info;
	char path[40];

	*seg = PLX_SEGMENT_NONE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", witness);
	return witness >= 0 && plx_inspect_file(seg, path) == 0 && plx_segment_info(seg, &info) == 0 &&
	       info.id == output;
}

/* Had its reply been published, all of it? Else it is to be answered again. */
static bool was_answered(struct service *service, const struct journal_entry *entry,
			 const struct plx_segment *output)
{
	const uint64_t first = atomic_load_explicit(&entry->first, memory_order_relaxed);
	const uint64_t last = atomic_load_explicit(&entry->last, memory_order_relaxed);

	if (!output->base)
		return false;
	if (last > 0 && plx_inspect_has_message(output, last - 1))
		return true;
	if (plx_inspect_has_message(output, first))
		atomic_store_explicit(&service->journal->head->cut, 1, memory_order_relaxed);
	return false;
}

/* It ran when its service crashed: once or twice may be by chance, or because of another one. */
static void blame(struct service *service, const struct journal_entry *entry)
{
	const struct job_request request = { .entry = journal_number(service->journal, entry) };

	if (atomic_load_explicit(&entry->crashes, memory_order_relaxed) >= CRASHES)
		journal_fail(service->journal, &request, "service",
			     "the service crashed each time it reduced this program");
}

/* It goes on in one of @arenas. Return: false: it has to begin anew. */
static bool take_up(struct service *service, struct journal_entry *entry, struct job_request *request,
		    int arenas[JOB_JOBS_MAX])
{
	struct net_handle handle = {
		.id = atomic_load_explicit(&entry->arena, memory_order_relaxed),
		.program = atomic_load_explicit(&entry->program, memory_order_relaxed),
	};

	if (handle.id == 0 || atomic_load_explicit(&entry->failed, memory_order_relaxed) ||
	    atomic_load_explicit(&entry->crashes, memory_order_relaxed) > 0)
		return false;
	for (uint32_t i = 0; i < service->limit; i++) {
		struct job_lane *lane = &service->lanes[i];
		struct net_progress now;

		handle.fd = arenas[i];
		if (handle.fd < 0 || job_lane_take_up(lane, &service->opt->net, i, &handle, request) < 0)
			continue;
		arenas[i] = -1;
		service->opened = i < service->opened ? service->opened : i + 1;
		journal_begun(service->journal, &lane->request);
		net_progress(lane->net, &now);
		atomic_fetch_add_explicit(&service->journal->head->found, now.interactions,
					  memory_order_relaxed);
		return true;
	}
	return false;
}

static int take_back(struct service *service, struct journal_entry *entry, int arenas[JOB_JOBS_MAX])
{
	struct job_request request;
	bool failed;
	int ret = journal_request(service->journal, entry, &request);

	blame(service, entry);
	failed = atomic_load_explicit(&entry->failed, memory_order_relaxed);

	atomic_store_explicit(&entry->state, JOURNAL_TAKEN, memory_order_relaxed);
	if (ret == 0 && take_up(service, entry, &request, arenas))
		return 0;
	atomic_store_explicit(&entry->arena, 0, memory_order_relaxed);
	if (ret == 0)
		ret = job_queue_add(&service->waiting, &request, failed ? entry->reason : NULL,
				    failed ? entry->message : NULL);
	return ret;
}

/* It was noted, and its stream perhaps not any more. */
static void settle_stream(struct journal *journal, const struct journal_entry *entry)
{
	const struct journal_stream *s = journal_stream(journal, entry->publisher);

	if (!s || atomic_load_explicit(&s->next, memory_order_relaxed) < entry->next ||
	    atomic_load_explicit(&s->partial, memory_order_relaxed) == entry->position)
		journal_read(journal, entry->publisher, entry->next, 0);
}

static int take_back_programs(struct service *service, const struct plx_segment *output,
			      int arenas[JOB_JOBS_MAX])
{
	struct journal *journal = service->journal;
	struct journal_entry *entry;
	uint64_t order = 0;
	int ret = 0;

	while (ret == 0 && (entry = journal_next(journal, order))) {
		order = entry->order;
		settle_stream(journal, entry);
		if (atomic_load_explicit(&entry->state, memory_order_relaxed) == JOURNAL_ANSWERING &&
		    was_answered(service, entry, output)) {
			struct job_request done = { .entry = journal_number(journal, entry) };

			journal_answered(journal, &done);
			continue;
		}
		ret = take_back(service, entry, arenas);
	}
	return ret;
}

/* Of programs that came in pieces the pieces are gone. */
static void fail_partial(struct service *service)
{
	struct journal *journal = service->journal;

	for (uint32_t i = 0; i < journal->head->streams; i++) {
		const struct journal_stream *s = &journal->streams[i];
		const uint64_t publisher = atomic_load_explicit(&s->publisher, memory_order_relaxed);
		const uint64_t partial = atomic_load_explicit(&s->partial, memory_order_relaxed);
		const uint64_t next = atomic_load_explicit(&s->next, memory_order_relaxed);
		struct job_request lost = { .id = partial, .position = partial, .publisher = publisher };

		if (publisher == 0 || partial == 0 || partial == JOURNAL_SKIP)
			continue;
		intake_accept(service, &lost, next, "lost",
			      "the service was replaced while the program came: send it again");
		journal_read(journal, publisher, next, JOURNAL_SKIP);
	}
}

/* Nobody goes on there: its memory is given back. */
static void drop_arenas(int arenas[JOB_JOBS_MAX])
{
	for (uint32_t i = 0; i < JOB_JOBS_MAX; i++) {
		if (arenas[i] < 0)
			continue;
		close(arenas[i]);
		tell(i + 1, -1);
	}
}

static uint32_t count_running(const struct service *service)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < service->opened; i++)
		n += service->lanes[i].state == LANE_RUNNING;
	return n;
}

int heir_take_over(struct service *service, int witness, int arenas[JOB_JOBS_MAX])
{
	struct plx_segment output;
	const char *why;
	int ret = journal_check(service->journal, &why);

	if (ret < 0) {
		cli_error("what the service that was killed has left is damaged: %s", why);
		return ret;
	}
	journal_found(service->journal);
	service->heir_ns = plx_now_ns();
	service->died = atomic_load_explicit(&service->journal->head->died, memory_order_relaxed) > 0;
	open_output(service, witness, &output);
	ret = take_back_programs(service, &output, arenas);
	drop_arenas(arenas);
	plx_segment_close(&output);
	if (ret == 0)
		fail_partial(service);
	if (ret == 0 && service->opt->verbose)
		cli_note("the service was killed and goes on: %" PRIu32 " program%s to be answered, %" PRIu32
			 " of them where they were",
			 service->waiting.count + count_running(service),
			 service->waiting.count + count_running(service) == 1 ? "" : "s",
			 count_running(service));
	return ret;
}

/* ---- the guard --------------------------------------------------------------------------------- */

struct guarded_service {
	struct job_service_options *opt;
	struct journal journal;
	int witness;              /* descriptor of the output of the last one; -1: none */
	int arenas[JOB_JOBS_MAX]; /* the same of its lanes' arenas */
};

static uint64_t progress(void *arg)
{
	const struct guarded_service *g = arg;

	/* relaxed: who wrote it is dead */
	return atomic_load_explicit(&g->journal.head->orders, memory_order_relaxed) +
	       atomic_load_explicit(&g->journal.head->answered, memory_order_relaxed) +
	       atomic_load_explicit(&g->journal.head->found, memory_order_relaxed);
}

/* Who was killed from outside has not crashed. */
static void died(void *arg, int signal)
{
	struct guarded_service *g = arg;
	struct journal_entry *entry;

	journal_found(&g->journal);
	for (uint64_t order = 0; (entry = journal_next(&g->journal, order)); order = entry->order) {
		if (signal != SIGKILL && atomic_load_explicit(&entry->running, memory_order_relaxed))
			atomic_fetch_add_explicit(&entry->crashes, 1, memory_order_relaxed);
		atomic_store_explicit(&entry->running, 0, memory_order_relaxed);
	}
}

static void hear(void *arg, pid_t pid, int value)
{
	struct guarded_service *g = arg;
	const uint32_t what = (uint32_t)value >> TOLD_SHIFT;
	const int fd = value & TOLD_NONE;
	int *kept = what == 0 ? &g->witness : &g->arenas[what - 1];
	char path[48];

	if (what > JOB_JOBS_MAX)
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	if (*kept >= 0)
		close(*kept);
	*kept = fd == TOLD_NONE ? -1 : open(path, (what == 0 ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (what == 0 && g->witness >= 0)
		/* JW1 release: pairs with JW2 */
		atomic_store_explicit(&g->journal.head->witnessed,
				      atomic_load_explicit(&g->journal.head->output, memory_order_relaxed),
				      memory_order_release);
}

static int supervise(void *arg)
{
	struct guarded_service *g = arg;
	struct service service = {
		.opt = g->opt,
		.gather.text_max = g->opt->text_max,
		.journal = &g->journal,
	};
	enum job_end end;

	if (g->opt->prepare && !g->opt->prepare(g->opt))
		return JOB_END_FAILED;
	/* relaxed: who wrote it is dead */
	if (service_open(&service) < 0)
		return JOB_END_FAILED;
	if (g->journal.head && atomic_load_explicit(&g->journal.head->output, memory_order_relaxed) != 0 &&
	    heir_take_over(&service, g->witness, g->arenas) < 0)
		return JOB_END_FAILED;
	end = service_run(&service);
	if (end == JOB_END_SIGNAL && plx_stop_signal() != 0)
		return 128 + plx_stop_signal();
	return (int)end;
}

enum job_end job_serve(const struct job_service_options *options, int *signal)
{
	struct job_service_options opt = *options;
	struct guarded_service g = { .opt = &opt, .journal = JOURNAL_NONE, .witness = -1 };
	int code;

	memset(g.arenas, 0xff, sizeof(g.arenas)); /* -1 */
	opt.jobs = opt.jobs == 0 ? 1 : opt.jobs;
	opt.queue = opt.queue == 0 ? JOB_QUEUE : opt.queue;
	*signal = 0;
	if (journal_open(&g.journal, opt.queue + opt.jobs + SPARE, (opt.jobs + 2) * opt.text_max) == 0) {
		code = guard(&(struct guarded){ .supervise = supervise,
						.progress = progress,
						.died = died,
						.hear = hear,
						.arg = &g });
	} else {
		cli_note("no memory to note what is to be done: the service would not survive kill -9");
		code = supervise(&g);
	}
	journal_close(&g.journal);
	if (g.witness >= 0)
		close(g.witness);
	for (uint32_t i = 0; i < JOB_JOBS_MAX; i++)
		if (g.arenas[i] >= 0)
			close(g.arenas[i]);
	if (code <= 128)
		return (enum job_end)code;
	*signal = code - 128;
	return JOB_END_SIGNAL;
}

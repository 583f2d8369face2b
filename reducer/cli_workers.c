/*
 * cli_workers.c - `reducer workers`: how many workers a program has that runs, and more or fewer of them.
 *
 *	we                                  its supervisor
 *	look into the arena (read-only) --> table "program": its process, how many, how many can be
 *	NET_SIGNAL with a number ---------> net_set_workers()
 *	look again, until it is so <------- table "program"
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include <plx/inspect.h>
#include <plx/process.h>
#include <plx/table.h>

#include "reducer/cli.h"
#include "tools/cli/cli.h"

#define WORKERS_LOOK_NS    5000000
#define WORKERS_PATIENCE_S 5 /* until it is so */
#define WORKERS_PATIENCE   (WORKERS_PATIENCE_S * UINT64_C(1000000000))

static const char help[] =
	"Usage: reducer workers PID [+N | -N | =N]\n"
	"\n"
	"How many workers has the program that process PID (reducer run, or one of its processes) reduces?\n"
	"+N, -N, =N  so many more, so many fewer, so many. Who joins gets work, who leaves hands over its\n"
	"            part; the result and the count of interactions are the same. There may be as many as\n"
	"            reducer run --max-workers said.\n"
	"\n"
	"Exit: 0 it is so; 1 there is no such program, or it did not come about; 2 the command line is "
	"wrong.\n";

/* What the table "program" says. */
struct crew {
	uint64_t segment; /* id */
	int32_t pid;      /* of the supervisor */
	uint32_t running; /* the program has not ended */
	uint32_t workers, wanted, most;
};

static bool column(const struct plx_table *table, const char *name, uint64_t *value)
{
	const int at = plx_table_find(table, name);

	if (at >= 0)
		*value = plx_table_get(table, 0, (uint32_t)at);
	return at >= 0;
}

static bool read_crew(const struct plx_found *found, struct crew *crew)
{
	uint64_t size, pid, state, workers, wanted, most;
	struct plx_segment seg;
	struct plx_table table;
	const char *why;
	void *block;
	bool good;

	if (plx_inspect_open(&seg, found) < 0)
		return false;
	block = plx_segment_block(&seg, "program", &size);
	good = block && plx_table_attach(&table, block, size) == 0 && plx_table_check(&table, &why) == 0 &&
	       table.rows > 0 && column(&table, "supervisor", &pid) && column(&table, "state", &state) &&
	       column(&table, "workers", &workers) && column(&table, "wanted", &wanted) &&
	       column(&table, "most", &most);
	if (good)
		*crew = (struct crew){ found->info.id,    (int32_t)pid,     state == 1,
				       (uint32_t)workers, (uint32_t)wanted, (uint32_t)most };
	plx_segment_close(&seg);
	return good;
}

/* The net of a process that listens. Return: 0, or -errno; -ENOENT there is none. */
static int look(int32_t pid, struct crew *crew)
{
	struct plx_found_list list;
	int ret = plx_inspect_find(&list, pid);

	if (ret < 0)
		return ret;
	ret = -ENOENT;
	for (size_t i = 0; i < list.count && ret < 0; i++)
		if (list.items[i].error == 0 && list.items[i].info.kind == PLX_KIND_NET &&
		    read_crew(&list.items[i], crew) && crew->most > 0 && crew->pid > 0)
			ret = 0;
	plx_inspect_free(&list);
	return ret;
}

/* By a descriptor: a number may be another process's by now. Return: 0, or -errno; -ESRCH who leads now? */
static int ask(int32_t pid, const struct crew *crew, int number)
{
	struct crew again;
	siginfo_t info;
	int fd = pidfd_open(crew->pid, 0), ret;

	if (fd < 0)
		return -errno;
	memset(&info, 0, sizeof(info));
	info.si_signo = NET_SIGNAL;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = number;
	ret = look(pid, &again);
	if (ret == 0 && (again.pid != crew->pid || again.segment != crew->segment || !again.running))
		ret = -ESRCH;
	if (ret == 0 && pidfd_send_signal(fd, NET_SIGNAL, &info, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Asks whoever leads the program until it is so: a supervisor that dies has a successor, which is asked again. */
static int change(int32_t pid, uint32_t workers)
{
	const struct timespec moment = { .tv_nsec = WORKERS_LOOK_NS };
	const uint64_t begin = plx_now_ns();
	struct crew crew = { 0 };
	int32_t asked = 0;
	int ret;

	while (plx_now_ns() - begin < WORKERS_PATIENCE && plx_stop_signal() == 0) {
		if (look(pid, &crew) < 0 || !crew.running) {
			cli_error("workers: the program of process %d has ended", pid);
			return REDUCER_ERROR;
		}
		if (crew.workers == workers && crew.wanted == workers) {
			printf("%" PRIu32 " worker%s\n", workers, workers == 1 ? "" : "s");
			return fflush(stdout) == 0 ? REDUCER_OK : REDUCER_ERROR;
		}
		ret = crew.pid == asked ? 0 : ask(pid, &crew, (int)workers);
		if (ret < 0 && ret != -ESRCH) {
			cli_error("workers: process %d: %s", pid, plx_strerror(ret));
			return REDUCER_ERROR;
		}
		if (ret == 0)
			asked = crew.pid;
		nanosleep(&moment, NULL);
	}
	cli_error("workers: after %d s there are %" PRIu32 ", not %" PRIu32, WORKERS_PATIENCE_S, crew.workers,
		  workers);
	return REDUCER_ERROR;
}

/* +N, -N, =N of @now. Return: 0, or an exit code after saying what is wrong. */
static int parse_change(const char *text, const struct crew *crew, uint32_t *workers)
{
	uint64_t n;

	if (!strchr("+-=", text[0]) || cli_count(text + 1, 1, INT32_MAX, &n) < 0)
		return cli_usage_error("workers: '%s' is not understood: it takes +N, -N or =N", text);
	if (text[0] == '-' && n >= crew->wanted) {
		cli_error("workers: there %s %" PRIu32 ", and the last one may not leave",
			  crew->wanted == 1 ? "is" : "are", crew->wanted);
		return REDUCER_ERROR;
	}
	*workers = text[0] == '+'   ? crew->wanted + (uint32_t)n
		   : text[0] == '-' ? crew->wanted - (uint32_t)n
				    : (uint32_t)n;
	if (*workers > crew->most) {
		cli_error("workers: %" PRIu32
			  " are more than there can be: reducer run --max-workers said %" PRIu32,
			  *workers, crew->most);
		return REDUCER_ERROR;
	}
	return 0;
}

int cli_workers(int argc, char **argv)
{
	struct crew crew;
	uint32_t workers = 0;
	uint64_t pid;
	int ret;

	if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
		return cli_show(help);
	if (argc < 2)
		return cli_usage_error("workers: of which process? give its number");
	if (argc > 3)
		return cli_usage_error("workers: one change at a time, not '%s' and '%s'", argv[2], argv[3]);
	ret = cli_count(argv[1], 1, INT32_MAX, &pid);
	if (ret < 0)
		return cli_number_error(ret, "workers", argv[1], "the number of a process");
	ret = look((int32_t)pid, &crew);
	if (ret < 0) {
		cli_error("workers: process %s: %s", argv[1],
			  ret == -ENOENT ? "it reduces nothing whose workers could be changed"
					 : plx_strerror(ret));
		return REDUCER_ERROR;
	}
	if (argc == 2) {
		printf("%" PRIu32 " worker%s, at most %" PRIu32 "\n", crew.workers,
		       crew.workers == 1 ? "" : "s", crew.most);
		return fflush(stdout) == 0 ? REDUCER_OK : REDUCER_ERROR;
	}
	ret = parse_change(argv[2], &crew, &workers);
	if (ret > 0)
		return ret;
	return change((int32_t)pid, workers);
}

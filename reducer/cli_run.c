/* cli_run.c - `reducer run`: one program from a file, its normal form on stdout; `reducer resume`: the same from a checkpoint. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/cli.h"
#include "reducer/cli_keep.h"
#include "reducer/guard.h"
#include "reducer/io/io.h"
#include "reducer/io/log.h"
#include "tools/cli/cli.h"

static const char help[] =
	"Usage: reducer run FILE.hvm [--workers N] [--stats]\n"
	"\n"
	"Reduces the program in FILE (- is stdin) and prints its normal form.\n"
	"\n"
	"  -w, --workers N        worker processes, 1 to 64 (default: one per processor)\n"
	"      --max-workers N    that there can be later, see reducer workers (default: 8, or more)\n"
	"  -s, --stats            print interactions, time and speed, then a line per worker\n"
	"  -m, --max-memory SIZE  memory the net may take, such as 512M (default: half of the machine's)\n"
	"  -g, --gas N            stop with an error after N interactions\n"
	"  -T, --time-limit TIME  stop with an error after TIME, such as 10, 0.5 or 250ms\n"
	"      --expand, --no-expand  go on until no reference is left in the normal form, or leave them;\n"
	"                         by default they are left, as HVM2 does, but in programs with labels (#1(a "
	"b)),\n"
	"                         which are hvm-64's, they are expanded\n"
	"      --no-fuse          reduce one interaction at a time: slower, the same result and count\n"
	"      --checkpoint FILE  asked to stop (SIGTERM, SIGINT), and on SIGUSR1, write to FILE where it "
	"stands, for\n"
	"                         reducer resume\n"
	"      --checkpoint-every TIME  and as often as that\n"
	"      --io               do what the program asks for: files, time, topics; it may do what you may\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit: 0 done; 1 the program is wrong; 2 the command line is; 3 a worker died; 4 a limit was "
	"reached;\n"
	"130, 143 after SIGINT, SIGTERM.\n";

static const char resume_help[] =
	"Usage: reducer resume FILE [--workers N] [--stats]\n"
	"\n"
	"Goes on with a program where the checkpoint in FILE says, with any number of workers, and prints "
	"its normal\n"
	"form. Interactions and time count from its beginning, also for the limits.\n"
	"\n"
	"  -w, --workers N        worker processes, 1 to 64 (default: one per processor)\n"
	"      --max-workers N    that there can be later, see reducer workers (default: 8, or more)\n"
	"  -s, --stats            print interactions, time and speed, then a line per worker\n"
	"  -m, --max-memory SIZE  memory the net may take, such as 512M (default: half of the machine's)\n"
	"  -g, --gas N            stop with an error after N interactions\n"
	"  -T, --time-limit TIME  stop with an error after TIME, such as 10, 0.5 or 250ms\n"
	"      --checkpoint FILE  as with reducer run; it may be the same file\n"
	"      --checkpoint-every TIME\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit: as reducer run; 1 also when FILE is no checkpoint, or damaged.\n";

struct run {
	bool resume; /* path is a checkpoint */
	struct keep keep;
	const char *path;
	bool stats;
	bool io;
	struct net_options net;
	struct net_limits limits;
};

/* Unless it is said: twice as many as the machine, or whoever started us, thinks right; not where addresses are scarce. */
static uint32_t workers_max(uint32_t workers)
{
	const uint32_t most = workers < 4 ? 8 : 2 * workers;
	struct rlimit addresses;

	if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY)
		return workers;
	return most < NET_WORKERS_MAX ? most : NET_WORKERS_MAX;
}

/* Returns -1 to go on, or an exit code. */
static int parse(int argc, char **argv, struct run *run)
{
	static const struct option longs[] = {
		CLI_LONG_COMMON,
		{ "stats", no_argument, NULL, 's' },
		{ "max-workers", required_argument, NULL, 'M' },
		{ "io", no_argument, NULL, 'i' },
		{ "checkpoint", required_argument, NULL, 'c' },
		{ "checkpoint-every", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t most = 0;
	int option, ret;

	cli_common_defaults(&run->net, &run->limits);
	while ((option = getopt_long(argc, argv, ":w:m:g:T:shV", longs, NULL)) != -1) {
		ret = cli_common(option, optarg, &run->net, &run->limits);
		if (ret > 0)
			return ret;
		if (ret == 0)
			continue;
		switch (option) {
		case 's': run->stats = true; break;
		case 'M':
			ret = cli_count(optarg, 1, NET_WORKERS_MAX, &most);
			if (ret < 0)
				return cli_number_error(ret, "--max-workers", optarg,
							"a number from 1 to 64");
			break;
		case 'c': run->keep.path = optarg; break;
		case 'e':
			ret = cli_time(optarg, &run->keep.every_ns);
			if (ret == 0 && run->keep.every_ns == 0)
				ret = -ERANGE;
			if (ret < 0)
				return cli_number_error(ret, "--checkpoint-every", optarg,
							"seconds, such as 10, 0.5, 250ms or 2m");
			break;
		case 'h': return cli_show(run->resume ? resume_help : help);
		case 'V': return cli_show("reducer " PLX_VERSION_STRING "\n");
		case 'i': run->io = true; break;
		case ':': return cli_usage_error("%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("%s: no such option", argv[optind - 1]);
		}
	}
	if (most != 0 && most < run->net.workers)
		return cli_usage_error("--max-workers %d: --workers says more", (int)most);
	run->net.workers_max = most != 0 ? (uint32_t)most : workers_max(run->net.workers);
	run->net.listens = true;
	if (run->keep.every_ns && !run->keep.path)
		return cli_usage_error("--checkpoint-every: into which file? add --checkpoint FILE");
	if (run->resume && (run->io || run->limits.expand != NET_EXPAND_LABELLED))
		return cli_usage_error("resume: --io, --expand and --no-expand are for run");
	if (run->io && run->keep.path)
		return cli_usage_error("--io and --checkpoint: files and topics that are open cannot be kept "
				       "in a checkpoint");
	if (run->io && run->limits.expand == NET_EXPAND_ALWAYS)
		return cli_usage_error(
			"--io and --expand: a program that does I/O expands what it needs itself");
	if (run->io)
		run->limits.expand = NET_EXPAND_NEVER;
	if (optind == argc)
		return cli_usage_error(run->resume ? "resume: which checkpoint? give a file"
						   : "run: which program? give a file, or - for stdin");
	if (optind + 1 < argc)
		return cli_usage_error("%s: one program at a time, not '%s' and '%s'",
				       run->resume ? "resume" : "run", argv[optind], argv[optind + 1]);
	run->path = argv[optind];
	return -1;
}

static void print_stats(struct cli_out *out, const struct run *run, const struct net *net,
			const struct net_result *result)
{
	double seconds = (double)result->time_ns / 1e9;
	struct net_worker_stats stats;
	char memory[CLI_HUMAN];

	cli_out_format(out, "- ITRS: %" PRIu64 "\n- TIME: %.2fs\n- MIPS: %.2f\n", result->interactions,
		       seconds, seconds > 0 ? (double)result->interactions / seconds / 1e6 : 0.0);
	for (uint32_t i = 0; i < result->workers && net_worker(net, i, &stats) == 0; i++)
		cli_out_format(out,
			       "- WORKER %" PRIu32 ": %" PRIu64 " interactions, %" PRIu64
			       " redexes given, %" PRIu64 " messages sent, %" PRIu64 " received, %" PRIu64
			       " sleeps, %s\n",
			       i, stats.interactions, stats.given, stats.sent, stats.received, stats.parked,
			       cli_human((double)stats.memory, memory));
	if (run->keep.count > 0)
		cli_out_format(out,
			       "- CHECKPOINTS: %" PRIu32 ", the last one %s after %" PRIu64
			       " interactions, workers stood still for %.1f ms at most\n",
			       run->keep.count, cli_human((double)run->keep.last.bytes, memory),
			       run->keep.last.interactions, (double)run->keep.longest_ns / 1e6);
}

static int stopped(void)
{
	int signal = plx_stop_signal();

	return 128 + (signal != 0 ? signal : SIGINT);
}

/* Of what a predecessor has written nothing is written again. */
static void continue_output(struct cli_out *out, struct net *net)
{
	_Atomic uint64_t *from = net_told_from(net);
	const off_t at = lseek(out->fd, 0, SEEK_CUR); /* of a file: there it can be seen */

	out->told = net_told(net);
	/* relaxed: whoever stored them is dead */
	if (at >= 0 && atomic_load_explicit(from, memory_order_relaxed) == 0)
		atomic_store_explicit(from, (uint64_t)at + 1, memory_order_relaxed);
	out->skip = at >= 0 ? (uint64_t)at + 1 - atomic_load_explicit(from, memory_order_relaxed)
			    : atomic_load_explicit(out->told, memory_order_relaxed);
}

static int print(const struct run *run, struct net *net, const struct net_result *result)
{
	static struct cli_out out = { .fd = 1 };
	struct text_source source;
	int ret;

	if (run->net.later)
		continue_output(&out, net);
	net_source(net, &source);
	cli_out_put(&out, "Result: ", 8);
	ret = text_print(&source, net_root(net), cli_out_put, &out);
	cli_out_put(&out, "\n", 1);
	if (ret == 0 && run->stats)
		print_stats(&out, run, net, result);
	if (cli_out_flush(&out) < 0)
		return out.error == -EINTR ? stopped() : REDUCER_ERROR;
	if (ret < 0)
		cli_error("%s: %s", run->path,
			  ret == -ELOOP ? "the normal form has a cycle and cannot be written down"
					: plx_strerror(ret));
	return ret < 0 ? REDUCER_ERROR : REDUCER_OK;
}

/* How the program ended, when not in a normal form. */
static int complain(const struct run *run, const struct net_result *result)
{
	switch ((enum net_status)result->status) {
	case NET_CANCELLED:
		cli_error("%s: interrupted after %" PRIu64 " interactions", run->path, result->interactions);
		return stopped();
	case NET_WORKER_DIED:
	case NET_POISON: cli_error("%s: %s", run->path, result->error); return REDUCER_WORKER;
	case NET_MEMORY:
	case NET_GAS:
	case NET_TIME: cli_error("%s: %s", run->path, result->error); return REDUCER_LIMIT;
	default: cli_error("%s: %s", run->path, result->error); return REDUCER_ERROR;
	}
}

static int could_not_start(const struct run *run, int ret, const char *why)
{
	if (why)
		cli_error("%s: %s", run->path, why);
	else if (run->resume && ret != -ENOMEM && ret != -EAGAIN)
		cli_error("%s: %s", run->path, plx_strerror(ret));
	else
		cli_error("%s: it could not be started with %" PRIu32 " worker%s: %s", run->path,
			  run->net.workers, run->net.workers == 1 ? "" : "s", plx_strerror(ret));
	return ret == -ENOMEM || ret == -ENOSPC ? REDUCER_LIMIT : REDUCER_ERROR;
}

/* From the end of the program to that of the output. */
static int finish(const struct run *run, struct net *net, int ret, struct net_result *result, uint64_t more)
{
	if (ret < 0)
		return could_not_start(run, ret, NULL);
	if (result->status != NET_DONE)
		return complain(run, result);
	result->interactions += more;
	return print(run, net, result);
}

struct supervised {
	struct run *run;
	struct net *net;
	struct io_log *log; /* of a program with --io */
};

/* In a process of its own, which may have had a predecessor. */
static int supervise(void *arg)
{
	struct supervised *s = arg;
	struct io_stats io = { 0 };
	struct net_result result;
	int ret = net_attend(s->net);

	if (ret == 0 && s->run->io)
		ret = io_run(s->net, &s->run->limits, s->log, &result, &io);
	else if (ret == 0)
		ret = keep_wait(&s->run->keep, s->net, &result);
	return finish(s->run, s->net, ret, &result, io.interactions);
}

/* What was done outside cannot be done again. */
static bool may_go_on(void *arg)
{
	const struct supervised *s = arg;
	char why[256];

	if (!s->run->io || io_log_may_go_on(s->log, net_orders(s->net), why, sizeof(why)))
		return true;
	cli_error("%s: %s", s->run->path, why);
	return false;
}

static uint64_t progress(void *arg)
{
	const struct supervised *s = arg;
	struct net_progress now;

	net_progress(s->net, &now);
	return now.interactions;
}

/* @book: NULL to go on with a checkpoint. */
static int reduce(struct run *run, const struct book *book)
{
	struct net *net = NULL;
	struct plx_segment log = PLX_SEGMENT_NONE;
	struct supervised s = { .run = run };
	const char *why = NULL;
	int code, ret = keep_begin(&run->keep);

	if (ret < 0) {
		cli_error("checkpoint: %s: %s", run->keep.path, plx_strerror(ret));
		return REDUCER_ERROR;
	}
	run->net.later = true;
	ret = run->io ? io_log_open(&log, &s.log) : 0;
	if (ret == 0)
		ret = net_open(&net, &run->net);
	if (ret == 0)
		ret = run->resume ? net_resume(net, run->path, &run->limits, &why)
				  : net_start(net, book, &run->limits);
	s.net = net;
	if (ret < 0)
		code = could_not_start(run, ret, why);
	else
		code = guard(&(struct guarded){
			.supervise = supervise, .progress = progress, .may_go_on = may_go_on, .arg = &s });
	net_close(net);
	plx_segment_close(&log);
	return code;
}

int cli_resume(int argc, char **argv)
{
	struct run run = { .resume = true, .net = { .workers = 0 } };
	int ret = parse(argc, argv, &run);

	if (ret >= 0)
		return ret;
	run.net.name = "run";
	return reduce(&run, NULL);
}

int cli_run(int argc, char **argv)
{
	struct run run = { 0 };
	struct text_error error;
	struct book *book = NULL;
	char *text = NULL;
	size_t length;
	int ret = parse(argc, argv, &run);

	if (ret >= 0)
		return ret;
	ret = cli_read_file(run.path, &text, &length);
	if (ret < 0) {
		if (ret == -EINTR)
			return stopped();
		cli_error("%s: %s", run.path,
			  ret == -EBADF && cli_was_closed(0) ? "stdin is closed" : strerror(-ret));
		return REDUCER_ERROR;
	}
	ret = text_parse(text, length, &book, &error);
	free(text);
	if (ret == -EBADMSG) {
		if (error.where.line > 0)
			cli_error("%s:%" PRIu32 ":%" PRIu32 ": %s", run.path, error.where.line,
				  error.where.column, error.what);
		else
			cli_error("%s: %s", run.path, error.what);
		return REDUCER_ERROR;
	}
	if (ret < 0) {
		cli_error("%s: %s", run.path, plx_strerror(ret));
		return REDUCER_LIMIT;
	}
	run.net.name = "run";
	ret = reduce(&run, book);
	free(book);
	return ret;
}

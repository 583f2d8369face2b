/* cli_serve.c - `reducer -i TOPIC -o TOPIC`: the command line of the service. */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/cli.h"
#include "reducer/job/service.h"
#include "tools/cli/cli.h"

static const char help[] =
	"Usage: reducer run FILE.hvm [OPTION...]        one program; reducer run --help tells more\n"
	"       reducer resume FILE [OPTION...]         one program from its checkpoint; reducer resume "
	"--help\n"
	"       reducer workers PID [+N|-N|=N]          more or fewer workers for what is being reduced\n"
	"       reducer -i TOPIC -o TOPIC [OPTION...]   a service: programs in, normal forms out\n"
	"       reducer report [FILE.hvm...]            replies of a service from stdin, as a table\n"
	"\n"
	"The service takes every message of the input topic as one program and publishes one line of JSON "
	"for\n"
	"each on the output topic, when it ends. It ends on SIGTERM or SIGINT, after the programs it took.\n"
	"\n"
	"  -i, --input TOPIC      programs come from here\n"
	"  -o, --output TOPIC     replies go here\n"
	"  -w, --workers N        worker processes, 1 to 64 (default: one per processor)\n"
	"  -j, --jobs N           programs reduced at a time, each by as many workers, 1 to 64 (default 4);\n"
	"                         with 1 replies come in the order of the programs\n"
	"      --queue N          programs taken and waiting, 1 to 4096 (default 64)\n"
	"      --progress TIME    a line of JSON for each program that runs, as often as that\n"
	"  -S, --subscribers N    take a program only while N readers of the output are there (default 1)\n"
	"      --once             end when the input has ended and every reply was read\n"
	"      --slot-size SIZE   slots of the output topic; a longer reply goes in several (default 64K)\n"
	"  -m, --max-memory SIZE  memory a program may take, such as 512M (default: half of the\n"
	"                         machine's, divided by the programs at a time)\n"
	"  -g, --gas N            interactions a program may do\n"
	"  -T, --time-limit TIME  time a program may take, such as 10, 0.5 or 250ms\n"
	"      --expand, --no-expand  go on until no reference is left in the normal form, or leave them;\n"
	"                         by default they are left, as HVM2 does, but in programs with labels (#1(a "
	"b)),\n"
	"                         which are hvm-64's, they are expanded\n"
	"      --no-fuse          reduce one interaction at a time: slower, the same result and count\n"
	"      --max-program SIZE bytes a program may have (default 64M)\n"
	"      --max-result SIZE  bytes a normal form may have (default 1G)\n"
	"      --grace TIME       asked to stop: how long the running program may take (default 10)\n"
	"      --directory DIR    discovery directory (default: $XDG_RUNTIME_DIR/parallax or "
	"/tmp/parallax-UID)\n"
	"      --key FILE, --trust FILE  our secret key, and the public ones of those we take programs from "
	"and "
	"\n"
	"                         reply to: nobody else gets anything\n"
	"      --user NAME, --group NAME  also processes of this user, or in this group: see publisher(1)\n"
	"  -v, --verbose          a line on stderr for each program\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"Exit: 0 with --once, all is answered; 1 an error; 2 the command line is wrong; 3 with --once, a "
	"publisher\n"
	"died; 130, 143 after SIGINT, SIGTERM.\n";

enum { OPT_ONCE = 256, OPT_SLOT, OPT_PROGRAM, OPT_RESULT, OPT_GRACE, OPT_DIRECTORY, OPT_QUEUE, OPT_PROGRESS };

#define SLOT_MAX (UINT64_C(1) << 30)

/* One option of the service. Returns 0, -1 when there is no such option, or an exit code. */
static int take(int option, const char *value, struct job_service_options *opt, struct cli_trust *trust)
{
	uint64_t n;
	int ret = 0;

	switch (option) {
	case 'i': opt->input = value; return 0;
	case 'o': opt->output = value; return 0;
	case 'v': opt->verbose = true; return 0;
	case OPT_ONCE: opt->once = true; return 0;
	case OPT_DIRECTORY: opt->directory = value; return 0;
	case CLI_KEY:
	case CLI_TRUST:
	case CLI_USER:
	case CLI_GROUP: ret = cli_trust_option(trust, option, value); return ret < 0 ? 0 : ret;
	case 'S':
		ret = cli_count(value, 0, 1u << 16, &n);
		opt->subscribers = ret == 0 ? (uint32_t)n : 0;
		return ret < 0 ? cli_number_error(ret, "--subscribers", value, "a number from 0") : 0;
	case 'j':
		ret = cli_count(value, 1, JOB_JOBS_MAX, &n);
		opt->jobs = ret == 0 ? (uint32_t)n : 1;
		return ret < 0 ? cli_number_error(ret, "--jobs", value, "a number from 1 to 64") : 0;
	case OPT_QUEUE:
		ret = cli_count(value, 1, JOB_QUEUE_MAX, &n);
		opt->queue = ret == 0 ? (uint32_t)n : 1;
		return ret < 0 ? cli_number_error(ret, "--queue", value, "a number from 1 to 4096") : 0;
	case OPT_PROGRESS:
		ret = cli_time(value, &opt->progress_ns);
		return ret < 0 ? cli_number_error(ret, "--progress", value, "seconds, such as 1 or 250ms")
			       : 0;
	case OPT_SLOT:
		ret = cli_size(value, 64, SLOT_MAX, &opt->slot_size);
		return ret < 0 ? cli_number_error(ret, "--slot-size", value, "bytes from 64 to 1G") : 0;
	case OPT_PROGRAM:
		ret = cli_size(value, 1, UINT64_C(1) << 32, &opt->text_max);
		return ret < 0 ? cli_number_error(ret, "--max-program", value, "bytes up to 4G") : 0;
	case OPT_RESULT:
		ret = cli_size(value, 1, UINT64_MAX, &opt->result_max);
		return ret < 0 ? cli_number_error(ret, "--max-result", value, "bytes, such as 16M") : 0;
	case OPT_GRACE:
		ret = cli_time(value, &opt->grace_ns);
		return ret < 0 ? cli_number_error(ret, "--grace", value, "seconds, such as 10 or 0.5") : 0;
	default: return -1;
	}
}

/* Returns -1 to go on, or an exit code. */
static int parse(int argc, char **argv, struct job_service_options *opt, struct cli_trust *trust)
{
	static const struct option longs[] = {
		CLI_LONG_COMMON,
		{ "input", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "queue", required_argument, NULL, OPT_QUEUE },
		{ "progress", required_argument, NULL, OPT_PROGRESS },
		{ "subscribers", required_argument, NULL, 'S' },
		{ "once", no_argument, NULL, OPT_ONCE },
		{ "slot-size", required_argument, NULL, OPT_SLOT },
		{ "max-program", required_argument, NULL, OPT_PROGRAM },
		{ "max-result", required_argument, NULL, OPT_RESULT },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "directory", required_argument, NULL, OPT_DIRECTORY },
		CLI_LONG_TRUST,
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option, ret;

	while ((option = getopt_long(argc, argv, ":i:o:w:j:S:m:g:T:vhV", longs, NULL)) != -1) {
		ret = cli_common(option, optarg, &opt->net, &opt->limits);
		if (ret < 0)
			ret = take(option, optarg, opt, trust);
		if (ret > 0)
			return ret;
		if (ret == 0)
			continue;
		switch (option) {
		case 'h': return cli_show(help);
		case 'V': return cli_show("reducer " PLX_VERSION_STRING "\n");
		case ':': return cli_usage_error("%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("%s: no such option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cli_usage_error("'%s': no such command; it is run, report, or -i TOPIC -o TOPIC",
				       argv[optind]);
	if (!opt->input || !opt->output)
		return cli_usage_error("the service needs an input topic (-i) and an output topic (-o)");
	if (strcmp(opt->input, opt->output) == 0)
		return cli_usage_error(
			"topic '%s': input and output are the same: replies would be taken for programs",
			opt->input);
	return -1;
}

static struct cli_trust trust; /* of the process that is the service: secrets are not inherited */

static bool read_keys(struct job_service_options *opt)
{
	cli_trust_close(&trust);
	if (cli_trust_open(&trust) >= 0)
		return false;
	opt->admit = cli_trust_admit(&trust);
	opt->keys = trust.keys;
	return true;
}

int cli_serve(int argc, char **argv)
{
	struct job_service_options opt = {
		.text_max = UINT64_C(64) << 20,
		.result_max = UINT64_C(1) << 30,
		.grace_ns = UINT64_C(10000000000),
		.subscribers = 1,
		.jobs = 4,
	};
	enum job_end end;
	int ret, signal;

	cli_common_defaults(&opt.net, &opt.limits);
	ret = parse(argc, argv, &opt, &trust);
	if (ret < 0)
		ret = cli_trust_open(&trust); /* what is wrong with them is said once */
	if (ret >= 0)
		return ret;
	opt.prepare = read_keys;
	opt.net.name = "jobs";
	if (opt.net.memory_max == 0)
		opt.net.memory_max = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2 /
				     opt.jobs;
	end = job_serve(&opt, &signal);
	cli_trust_close(&trust);
	switch (end) {
	case JOB_END_STREAM: return REDUCER_OK;
	case JOB_END_SIGNAL: return 128 + signal;
	case JOB_END_DIED: return REDUCER_WORKER;
	default: return REDUCER_ERROR;
	}
}

/* options.c - the publisher's command line. */
#include "publisher/options.h"

#include "tools/cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char help[] =
	"Usage: publisher -t TOPIC [OPTION]... [FILE]...\n"
	"\n"
	"Streams FILEs, or standard input (also \"-\"), into a topic: every subscriber reads the same bytes, "
	"in shared\n"
	"memory, without a copy. Waits for a subscriber before the first byte, and at the end until all have "
	"read all.\n"
	"\n"
	"What is a message:\n"
	"                          as many bytes as fit a slot (the default: for streams of bytes)\n"
	"  -l, --lines             a line, with its newline; one longer than a slot travels in parts that "
	"belong together\n"
	"  -w, --whole             a FILE; the slots grow to the largest by themselves\n"
	"      --type N            type id of the messages; subscribers may ask for one (default 0: bytes)\n"
	"      --stamp             stamp each message with the time\n"
	"\n"
	"Where and to whom:\n"
	"  -t, --topic TOPIC       1 to 64 of A-Z a-z 0-9 . _ - and / between parts\n"
	"  -n, --subscribers N     wait for N subscribers before the first byte (default 1; 0: do not wait, "
	"nor stop when\n"
	"                          none is left)\n"
	"      --directory DIR     where topics are found (default $XDG_RUNTIME_DIR/parallax, else "
	"/tmp/parallax-UID)\n"
	"\n"
	"Whom to trust:\n"
	"      --key FILE          our secret key (shmctl key new): only subscribers that prove a key we "
	"trust, and "
	"see ours\n"
	"      --trust FILE        their public keys (shmctl key show); may be given several times\n"
	"      --user NAME         also subscribers of this user, or of a process in this group; several "
	"times; "
	"both sides need\n"
	"      --group NAME        it, and --directory, which others can look into: see publisher(1)\n"
	"\n"
	"Memory:\n"
	"  -s, --slot-size SIZE    bytes of the largest message, 64 to 1G (default 64K); K, M and G are "
	"powers of 1024\n"
	"      --depth N           messages subscribers may be behind, a power of two (default by slot size: "
	"4 MiB of them,\n"
	"                          64 to 16384)\n"
	"      --slots N           slots (default: what --depth needs, at most 256 MiB of them)\n"
	"      --backend NAME      memfd (the default), or huge:2M or huge:1G for huge pages, as far as the "
	"machine has set\n"
	"                          some aside\n"
	"      --history N         messages kept for subscribers who come later (default 0)\n"
	"\n"
	"When a subscriber is slow or does not come:\n"
	"      --full wait         wait for it (the default)\n"
	"      --full fail         end with an error\n"
	"      --full drop         wait --timeout (default 1 s), then go on without it\n"
	"      --timeout TIME      the longest wait for subscribers to come, or for one to read (default: "
	"for ever)\n"
	"      --linger TIME       the longest wait at the end, until all have read all (default: for ever; "
	"5 s after a\n"
	"                          signal). TIME is seconds, or 250ms, 1.5s, 2m\n"
	"\n"
	"  -q, --quiet             no progress (which is shown only on a terminal anyway), no notes\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"Exit code:\n"
	"  0  every subscriber has read everything\n"
	"  1  an error: a FILE that cannot be read, no memory, ...\n"
	"  2  a mistake on the command line\n"
	"  3  a subscriber died, left or was let go before the end; when none is left we stop early\n"
	"  5  --timeout or --linger passed\n"
	"  130, 143  SIGINT, SIGTERM: what was sent so far is read first, and subscribers are told that the "
	"stream was cut;\n"
	"     a second signal ends at once\n";

enum {
	OPT_TYPE = 256,
	OPT_STAMP,
	OPT_DIRECTORY,
	OPT_DEPTH,
	OPT_SLOTS,
	OPT_BACKEND,
	OPT_HISTORY,
	OPT_FULL,
	OPT_TIMEOUT,
	OPT_LINGER,
};

static const struct option long_options[] = {
	{ "topic", required_argument, NULL, 't' },
	{ "subscribers", required_argument, NULL, 'n' },
	{ "lines", no_argument, NULL, 'l' },
	{ "whole", no_argument, NULL, 'w' },
	{ "slot-size", required_argument, NULL, 's' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "stamp", no_argument, NULL, OPT_STAMP },
	{ "directory", required_argument, NULL, OPT_DIRECTORY },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "history", required_argument, NULL, OPT_HISTORY },
	{ "full", required_argument, NULL, OPT_FULL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "linger", required_argument, NULL, OPT_LINGER },
	CLI_LONG_TRUST,
	{ NULL, 0, NULL, 0 },
};

static int read_full(enum plx_full *full)
{
	static const char *const names[] = { "wait", "fail", "drop" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(optarg, names[i]) == 0) {
			*full = (enum plx_full)i;
			return -1;
		}
	}
	return cli_usage_error("--full %s: wait, fail or drop is wanted", optarg);
}

static int read_backend(const char **backend)
{
	static const char *const names[] = { "memfd", "huge:2M", "huge:1G" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(optarg, names[i]) == 0) {
			*backend = names[i];
			return -1;
		}
	}
	return cli_usage_error("--backend %s: memfd, huge:2M or huge:1G is wanted", optarg);
}

/* One option; -1 to go on. */
static int read_option(struct options *opt, int c)
{
	switch (c) {
	case 't': opt->topic = optarg; return -1;
	case 'n': return cli_count_option32("--subscribers", optarg, 0, 4096, &opt->subscribers);
	case 'l':
	case 'w':
		if (opt->cut != CUT_CHUNKS && opt->cut != (c == 'l' ? CUT_LINES : CUT_WHOLE))
			return cli_usage_error(
				"--lines and --whole: a message can be a line or a file, not both");
		opt->cut = c == 'l' ? CUT_LINES : CUT_WHOLE;
		return -1;
	case 's':
		if (cli_size(optarg, 64, UINT64_C(1) << 30, &opt->slot_size) < 0)
			return cli_usage_error(
				"--slot-size %s: a size from 64 to 1G is wanted, like 4096, 64K or 16M",
				optarg);
		return -1;
	case 'q': opt->quiet = true; return -1;
	case 'h': return cli_show(help);
	case 'V': return cli_show("publisher (Parallax) " PLX_VERSION_STRING "\n");
	case OPT_TYPE: return cli_count_option32("--type", optarg, 0, UINT32_MAX, &opt->type);
	case OPT_STAMP: opt->stamp = true; return -1;
	case OPT_DIRECTORY: opt->directory = optarg; return -1;
	case OPT_DEPTH:
		if (cli_count_option32("--depth", optarg, 2, 1 << 20, &opt->depth) >= 0)
			return CLI_USAGE;
		if ((opt->depth & (opt->depth - 1)) != 0)
			return cli_usage_error("--depth %u: a power of two is wanted", opt->depth);
		return -1;
	case OPT_SLOTS: return cli_count_option32("--slots", optarg, 2, 1 << 24, &opt->slots);
	case OPT_BACKEND: return read_backend(&opt->backend);
	case OPT_HISTORY: return cli_count_option32("--history", optarg, 0, (1 << 20) - 1, &opt->history);
	case OPT_FULL: return read_full(&opt->full);
	case OPT_TIMEOUT: return cli_time_option("--timeout", optarg, &opt->timeout_ns);
	case OPT_LINGER: return cli_time_option("--linger", optarg, &opt->linger_ns);
	case CLI_KEY:
	case CLI_TRUST:
	case CLI_USER:
	case CLI_GROUP: return cli_trust_option(&opt->trust, c, optarg);
	default: return cli_usage_error("see above"); /* getopt has said what */
	}
}

int options_parse(struct options *opt, int argc, char **argv)
{
	static char dash[] = "-";
	static char *standard_input[] = { dash, NULL };
	static char name[] = "publisher";
	int c, code;

	*opt = (struct options){ .subscribers = 1, .timeout_ns = UINT64_MAX, .linger_ns = UINT64_MAX };
	argv[0] = name; /* getopt's own messages begin like ours */
	while ((c = getopt_long(argc, argv, "t:n:lws:qhV", long_options, NULL)) >= 0) {
		code = read_option(opt, c);
		if (code >= 0)
			return code;
	}
	if (opt->topic == NULL)
		return cli_usage_error("no topic: -t TOPIC says where to publish");
	if (opt->slots != 0 && opt->slot_size > (UINT64_C(1) << 45) / opt->slots)
		return cli_usage_error("--slots %u of %llu bytes: that is more than an address space holds",
				       opt->slots, (unsigned long long)opt->slot_size);
	opt->files = optind < argc ? argv + optind : standard_input;
	if (opt->depth != 0 && opt->history >= opt->depth)
		return cli_usage_error("--history %u: less than --depth %u is wanted", opt->history,
				       opt->depth);
	return -1;
}

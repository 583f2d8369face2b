/* options.c - the subscriber's command line. */
#include "subscriber/options.h"

#include "tools/cli/cli.h"

#include <getopt.h>

static const char help[] =
	"Usage: subscriber -t TOPIC [-o FILE] [OPTION]...\n"
	"\n"
	"Writes the messages of a topic to FILE, or to standard output, one behind the other, straight from "
	"shared memory.\n"
	"It may be started before its publisher or after it; nothing that is sent while it is there is "
	"missed.\n"
	"\n"
	"  -t, --topic TOPIC      what to read\n"
	"  -o, --output FILE      write there instead of standard output; what it held before is gone\n"
	"  -l, --lines            end each message with a newline, when it has none\n"
	"      --lossy            never hold the publisher up: when it laps us, messages are lost, and "
	"counted\n"
	"      --history N        begin with up to N messages from before we came, as far as the publisher "
	"keeps them\n"
	"      --type N           only publishers of this type id (default 0: any)\n"
	"      --directory DIR    where topics are found (default $XDG_RUNTIME_DIR/parallax, else "
	"/tmp/parallax-UID)\n"
	"\n"
	"Whom to trust:\n"
	"      --key FILE         our secret key (shmctl key new): only publishers that prove a key we "
	"trust, and "
	"see ours\n"
	"      --trust FILE       their public keys (shmctl key show); may be given several times\n"
	"      --user NAME        also publishers of this user, or of a process in this group; several "
	"times; "
	"both sides need\n"
	"      --group NAME       it, and --directory, which others can look into: see subscriber(1)\n"
	"\n"
	"When to end:\n"
	"  -c, --count N          after N messages\n"
	"  -p, --publishers N     when N streams have ended and nobody publishes any more (default 1)\n"
	"  -f, --follow           never: wait for the next publisher\n"
	"      --timeout TIME     when no message came for so long; seconds, or 250ms, 1.5s, 2m (default: "
	"wait for ever)\n"
	"\n"
	"  -q, --quiet            no progress (which is shown only on a terminal anyway), no notes\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"Exit code:\n"
	"  0  every stream came to its regular end, or --count was reached\n"
	"  1  an error: FILE cannot be written, no memory, ...\n"
	"  2  a mistake on the command line\n"
	"  3  a publisher died, or let us go because we were too slow: the output is incomplete\n"
	"  4  a publisher was interrupted, or ended with an error: the output is what it sent until then\n"
	"  5  --timeout passed\n"
	"  130, 143  SIGINT, SIGTERM; a second signal ends at once\n";

enum {
	OPT_LOSSY = 256,
	OPT_HISTORY,
	OPT_TYPE,
	OPT_DIRECTORY,
	OPT_TIMEOUT,
};

static const struct option long_options[] = {
	{ "topic", required_argument, NULL, 't' },
	{ "output", required_argument, NULL, 'o' },
	{ "lines", no_argument, NULL, 'l' },
	{ "count", required_argument, NULL, 'c' },
	{ "publishers", required_argument, NULL, 'p' },
	{ "follow", no_argument, NULL, 'f' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "lossy", no_argument, NULL, OPT_LOSSY },
	{ "history", required_argument, NULL, OPT_HISTORY },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "directory", required_argument, NULL, OPT_DIRECTORY },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	CLI_LONG_TRUST,
	{ NULL, 0, NULL, 0 },
};

/* One option; -1 to go on. */
static int read_option(struct options *opt, int c)
{
	switch (c) {
	case 't': opt->topic = optarg; return -1;
	case 'o': opt->output = optarg; return -1;
	case 'l': opt->lines = true; return -1;
	case 'c': return cli_count_option("--count", optarg, 1, UINT64_MAX, &opt->count);
	case 'p': return cli_count_option32("--publishers", optarg, 1, UINT32_MAX, &opt->publishers);
	case 'f': opt->follow = true; return -1;
	case 'q': opt->quiet = true; return -1;
	case 'h': return cli_show(help);
	case 'V': return cli_show("subscriber (Parallax) " PLX_VERSION_STRING "\n");
	case OPT_LOSSY: opt->lossy = true; return -1;
	case OPT_HISTORY: return cli_count_option32("--history", optarg, 0, 1 << 20, &opt->history);
	case OPT_TYPE: return cli_count_option32("--type", optarg, 0, UINT32_MAX, &opt->type);
	case OPT_DIRECTORY: opt->directory = optarg; return -1;
	case OPT_TIMEOUT: return cli_time_option("--timeout", optarg, &opt->timeout_ns);
	case CLI_KEY:
	case CLI_TRUST:
	case CLI_USER:
	case CLI_GROUP: return cli_trust_option(&opt->trust, c, optarg);
	default: return cli_usage_error("see above"); /* getopt has said what */
	}
}

int options_parse(struct options *opt, int argc, char **argv)
{
	static char name[] = "subscriber";
	int c, code;

	*opt = (struct options){ .publishers = 1, .timeout_ns = UINT64_MAX };
	argv[0] = name; /* getopt's own messages begin like ours */
	while ((c = getopt_long(argc, argv, "t:o:lc:p:fqhV", long_options, NULL)) >= 0) {
		code = read_option(opt, c);
		if (code >= 0)
			return code;
	}
	if (opt->topic == NULL)
		return cli_usage_error("no topic: -t TOPIC says what to read");
	if (optind < argc)
		return cli_usage_error("%s: what is this? a file to write to is named with -o", argv[optind]);
	return -1;
}

/* cli_report.c - `reducer report`: replies from stdin, as a table. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/cli.h"
#include "reducer/report.h"
#include "tools/cli/cli.h"

static const char help[] =
	"Usage: reducer report [--expect DIR] [FILE.hvm...]\n"
	"\n"
	"Reads replies of the service, one line of JSON each, from stdin; shows a line for each as it "
	"comes,\n"
	"and then all of them as a table. The files, or the .hvm files in DIR in the order of ls, are the\n"
	"programs in the order in which they were published: job 1 is the first. What NAME.expected says is "
	"what\n"
	"NAME.hvm has to give: a normal form (names of variables do not matter), or error: LINE:COLUMN.\n"
	"\n"
	"  -e, --expect DIR|FILE  programs whose answers are due\n"
	"  -W, --width N          columns (default: the terminal's, or 80)\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit: 0 when every answer is there and right; 1 otherwise; 2 the command line is wrong.\n";

static int ask(struct report *report, const char *path)
{
	struct stat st;
	int ret = stat(path, &st) < 0 ? -errno : 0;

	if (ret == 0)
		ret = S_ISDIR(st.st_mode) ? report_ask_folder(report, path) : report_ask(report, path);
	if (ret < 0)
		cli_error("%s: %s", path, strerror(-ret));
	return ret;
}

static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col < 200 ? size.ws_col : 200;
	return 80;
}

/* Returns -1 to go on, or an exit code. */
static int parse(int argc, char **argv, struct report *report)
{
	static const struct option longs[] = {
		{ "expect", required_argument, NULL, 'e' },
		{ "width", required_argument, NULL, 'W' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t n;
	int option;

	while ((option = getopt_long(argc, argv, ":e:W:h", longs, NULL)) != -1) {
		switch (option) {
		case 'e':
			if (ask(report, optarg) < 0)
				return REDUCER_ERROR;
			break;
		case 'W':
			if (cli_count(optarg, 60, 1000, &n) < 0)
				return cli_usage_error("--width %s: it takes a number from 60 to 1000",
						       optarg);
			report->width = (int)n;
			break;
		case 'h': return cli_show(help);
		case ':': return cli_usage_error("%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("%s: no such option", argv[optind - 1]);
		}
	}
	for (; optind < argc; optind++)
		if (ask(report, argv[optind]) < 0)
			return REDUCER_ERROR;
	return -1;
}

/* Whoever interrupts us does not want to see the table. */
int cli_report(int argc, char **argv)
{
	struct report report = { .out = stdout, .width = terminal_width() };
	const char *no_colour = getenv("NO_COLOR");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int ret;

	report.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	ret = parse(argc, argv, &report);
	if (ret >= 0)
		goto out;
	ret = REDUCER_OK;
	while (ret == REDUCER_OK && (length = getline(&line, &room, stdin)) >= 0) {
		if (length > 0 && line[length - 1] == '\n')
			length--;
		if (length > 0 && report_line(&report, line, (size_t)length) == -ENOMEM) {
			cli_error("report: no memory for a reply of %zd bytes", length);
			ret = REDUCER_ERROR;
		}
	}
	if (plx_stop_signal() != 0) {
		ret = 128 + plx_stop_signal();
		goto out;
	}
	if (ret == REDUCER_OK && ferror(stdin)) {
		cli_error("stdin: %s", strerror(errno));
		ret = REDUCER_ERROR;
	}
	if (!report_table(&report))
		ret = REDUCER_ERROR;
	if (ferror(stdout)) {
		cli_error("stdout: it could not be written");
		ret = REDUCER_ERROR;
	}
out:
	free(line);
	report_free(&report);
	return ret;
}

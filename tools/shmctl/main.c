/*
 * main.c - shmctl: look into the shared memory of this machine, without help from those who use it.
 *
 * A subcommand writes its whole answer into memory; it goes out with one write, once or every few seconds.
 */
#include "tools/shmctl/shmctl.h"

#include <errno.h>
#include <getopt.h>
#include <plx/process.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const char help_text[] =
	"usage: shmctl COMMAND [OPTION...] [TARGET]\n"
	"\n"
	"  list                  live topics, links, arenas and other segments; who holds them\n"
	"  inspect TARGET        all about one: header, log, slots as a picture, subscribers, tables\n"
	"  check [TARGET|all]    every invariant; exit code 1 when something is broken\n"
	"  stop TARGET           ask the process that looks after it to stop: SIGTERM\n"
	"  reap                  remove what dead publishers left in the discovery directory\n"
	"  key new [FILE]        make a key (default parallax.key, mode 0600); prints its public part\n"
	"  key show [FILE]       the public part of a key: what others trust (--trust)\n"
	"\n"
	"TARGET is the name of a topic or segment, a process id, or a file: /proc/PID/fd/N or a saved copy\n"
	"(a file's name begins with / or ./ or ../).\n"
	"\n"
	"  -j, --json            for programs; fields are in shmctl(1)\n"
	"  -w, --watch SECONDS   list, inspect: again and again\n"
	"  -P, --processes       list: processes instead of segments\n"
	"  -n, --dry-run         reap: only say what would be removed\n"
	"  -d, --directory DIR   discovery directory (default $XDG_RUNTIME_DIR/parallax or "
	"/tmp/parallax-UID)\n"
	"      --no-color        no colours, also on a terminal; so does NO_COLOR in the environment\n"
	"  -h, --help            this text\n"
	"  -V, --version         version\n"
	"\n"
	"Reads only (but for stop, reap and key new), and believes nothing it reads.\n"
	"Exit codes: 0 fine, 1 broken or failed, 2 usage, 3 nothing of that name, 130/143 stopped by a "
	"signal.\n";

static const struct command {
	const char *name;
	int (*run)(const struct ctl_request *request);
	bool target, must, watch;
} commands[] = {
	{ "list", ctl_list, .watch = true },
	{ "inspect", ctl_inspect, .target = true, .must = true, .watch = true },
	{ "check", ctl_check, .target = true },
	{ "stop", ctl_stop, .target = true, .must = true },
	{ "reap", ctl_reap, .target = false },
	{ "key", ctl_key, .target = true, .must = true },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static unsigned int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		return size.ws_col;
	return columns && cli_count(columns, 20, 1000, &width) == 0 ? (unsigned int)width : 80;
}

static bool wants_colour(bool refused)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (refused || (no && no[0]))
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* Options, then the command and its target; CTL_FINE, or the exit code with *done set. */
static int parse(int argc, char **argv, struct ctl_request *request, const struct command **command,
		 bool *done)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "processes", no_argument, NULL, 'P' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "directory", required_argument, NULL, 'd' },
		{ "no-color", no_argument, NULL, 'C' },
		{ "no-colour", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool no_colour = false;
	int option;

	*done = true;
	while ((option = getopt_long(argc, argv, "jw:Pnd:hV", options, NULL)) != -1) {
		switch (option) {
		case 'j': request->json = true; break;
		case 'P': request->processes = true; break;
		case 'n': request->dry = true; break;
		case 'd': request->directory = optarg; break;
		case 'C': no_colour = true; break;
		case 'h': return cli_show(help_text);
		case 'V': return cli_show("shmctl " PLX_VERSION_STRING "\n");
		case 'w':
			if (cli_time(optarg, &request->watch_ns) < 0 || request->watch_ns < 10000000)
				return cli_usage_error("--watch %s: not a time of 0.01 seconds or more",
						       optarg);
			break;
		default: return CTL_USAGE; /* getopt has said why */
		}
	}
	if (optind == argc)
		return cli_usage_error("no command");
	*command = find_command(argv[optind]);
	if (!*command)
		return cli_usage_error("%s: no such command", argv[optind]);
	request->target = argv[++optind];
	if (request->target && !(*command)->target)
		return cli_usage_error("%s: %s takes no target", request->target, (*command)->name);
	if ((*command)->run == ctl_key && request->target) {
		if (strcmp(request->target, "new") != 0 && strcmp(request->target, "show") != 0)
			return cli_usage_error("key %s: new or show is wanted", request->target);
		request->file = argv[++optind];
		if (request->file && argv[optind + 1])
			return cli_usage_error("%s: one file at a time", argv[optind + 1]);
	} else if (request->target && argv[optind + 1])
		return cli_usage_error("%s: one target at a time", argv[optind + 1]);
	if (!request->target && (*command)->run == ctl_key)
		return cli_usage_error("key: new or show is wanted");
	if (!request->target && (*command)->must)
		return cli_usage_error("%s: of what? give a topic, a process id or a file", (*command)->name);
	if (request->watch_ns && !(*command)->watch)
		return cli_usage_error("%s: --watch is for list and inspect", (*command)->name);
	if (request->processes && (*command)->run != ctl_list)
		return cli_usage_error("%s: --processes is for list", (*command)->name);
	if (request->dry && (*command)->run != ctl_reap)
		return cli_usage_error("%s: --dry-run is for reap", (*command)->name);
	request->colour = !request->json && wants_colour(no_colour);
	*done = false;
	return CTL_FINE;
}

static bool put(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno == EINTR && plx_stop_signal() == 0)
			continue;
		if (n < 0) {
			if (errno != EPIPE && errno != EINTR) /* who reads us has seen enough */
				cli_error("stdout: %s", strerror(errno));
			return false;
		}
		text += n;
		size -= (size_t)n;
	}
	return true;
}

/* One look; its answer goes out whole. */
static int look(const struct command *command, struct ctl_request *request)
{
	bool redraw = request->watch_ns && !request->json && isatty(STDOUT_FILENO);
	char *text = NULL, now[32];
	size_t size = 0;
	time_t clock = time(NULL);
	int code;

	request->width = terminal_width();
	request->out = ctl_memory(open_memstream(&text, &size));
	if (redraw)
		fputs("\033[H\033[2J", request->out);
	if (request->watch_ns && !request->json) {
		strftime(now, sizeof(now), "%H:%M:%S", localtime(&clock));
		fprintf(request->out, "%sshmctl %s%s%s  %s%s\n", ctl_paint(request, DIM), command->name,
			request->target ? " " : "", request->target ? request->target : "", now,
			ctl_paint(request, PLAIN));
	}
	code = command->run(request);
	if (fclose(request->out) != 0)
		ctl_memory(NULL);
	if (!put(text, size) && code == CTL_FINE)
		code = CTL_BROKEN;
	free(text);
	return code;
}

int main(int argc, char **argv)
{
	struct ctl_request request = { .target = NULL };
	const struct command *command = NULL;
	bool done;
	int code, ret = cli_start("shmctl");

	if (ret < 0) {
		cli_error("cannot start: %s", strerror(-ret));
		return CTL_BROKEN;
	}
	code = parse(argc, argv, &request, &command, &done);
	if (done)
		return code;
	do {
		code = look(command, &request);
		if (request.watch_ns && code == CTL_FINE && plx_stop_signal() == 0) {
			struct timespec time = { .tv_sec = (time_t)(request.watch_ns / 1000000000u),
						 .tv_nsec = (long)(request.watch_ns % 1000000000u) };

			nanosleep(&time, NULL);
		}
	} while (request.watch_ns && code == CTL_FINE && plx_stop_signal() == 0);
	return plx_stop_signal() ? 128 + plx_stop_signal() : code;
}

/*
 * say.c - how a program starts, complains, and shows that it moves.
 *
 * All of it goes to stderr, stdout belongs to the data. At most one progress line is on the terminal; whatever else is
 * said erases it first, so that lines never run into each other.
 */
#include "tools/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/log.h>
#include <plx/process.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define METER_NS UINT64_C(200000000)

static const char *program_name = "parallax";
static bool was_closed[3];
static bool line_shown;

int cli_start(const char *program)
{
	program_name = program;
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		was_closed[fd] = true;
		/* the lowest free descriptor is this one; opened the wrong way round, so that using it still fails */
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
			return -errno;
	}
	plx_log_open(program, PLX_LOG_NOTICE);
	return plx_stop_install();
}

bool cli_was_closed(int fd)
{
	return was_closed[fd];
}

static void erase_line(void)
{
	static const char erase[] = "\r\033[K";

	if (line_shown && write(STDERR_FILENO, erase, sizeof(erase) - 1) < 0)
		return; /* nobody to tell */
	line_shown = false;
}

static void say(enum plx_level level, const char *format, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, args);
	erase_line();
	plx_log(level, "%s", text);
}

void cli_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(PLX_LOG_ERROR, format, args);
	va_end(args);
}

void cli_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(PLX_LOG_NOTICE, format, args);
	va_end(args);
}

int cli_usage_error(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_error("%s; %s --help explains", text, program_name);
	return CLI_USAGE;
}

int cli_show(const char *text)
{
	/* a stdout that was closed is a descriptor that cannot be written: this notices it too */
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0) {
		cli_error("stdout: %s", was_closed[1] ? "it is closed" : strerror(errno));
		return CLI_ERROR;
	}
	return CLI_OK;
}

void cli_meter_start(struct cli_meter *meter, const char *verb, bool quiet)
{
	*meter = (struct cli_meter){ .verb = verb, .on = !quiet && isatty(STDERR_FILENO) };
	meter->began_ns = meter->shown_ns = plx_now_ns();
}

void cli_meter_draw(struct cli_meter *meter, uint64_t bytes, uint64_t messages)
{
	char amount[CLI_HUMAN], rate[CLI_HUMAN], line[160];
	uint64_t now;
	int n;

	if (!meter->on)
		return;
	now = plx_now_ns();
	if (now - meter->shown_ns < METER_NS)
		return;
	n = snprintf(
		line, sizeof(line), "\r\033[K%s %s  %s/s  %llu messages", meter->verb,
		cli_human((double)bytes, amount),
		cli_human((double)(bytes - meter->shown_bytes) * 1e9 / (double)(now - meter->shown_ns), rate),
		(unsigned long long)messages);
	meter->shown_ns = now;
	meter->shown_bytes = bytes;
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		meter->on = false; /* the terminal went away */
	line_shown = meter->on;
}

void cli_meter_end(struct cli_meter *meter, uint64_t bytes, uint64_t messages)
{
	char amount[CLI_HUMAN], rate[CLI_HUMAN];
	double seconds;

	if (!meter->on)
		return;
	seconds = (double)(plx_now_ns() - meter->began_ns) / 1e9;
	cli_note("%s %s in %llu messages, %.2f s (%s/s)", meter->verb, cli_human((double)bytes, amount),
		 (unsigned long long)messages, seconds,
		 cli_human(seconds > 0 ? (double)bytes / seconds : 0, rate));
}

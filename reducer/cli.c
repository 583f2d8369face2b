/* cli.c - what the reducer's subcommands share: options, reading a file, writing much. */
#include "reducer/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <plx/process.h>

#include "tools/cli/cli.h"

/* ---- options ----------------------------------------------------------------------------------- */

int cli_number_error(int err, const char *option, const char *value, const char *wants)
{
	return cli_usage_error(err == -ERANGE ? "%s %s: out of range: it takes %s"
					      : "%s %s: not understood: it takes %s",
			       option, value, wants);
}

void cli_common_defaults(struct net_options *net, struct net_limits *limits)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	*net = (struct net_options){ .workers = 1 };
	*limits = (struct net_limits){ 0 };
	if (cpus > 1)
		net->workers = (uint32_t)cpus < NET_WORKERS_MAX ? (uint32_t)cpus : NET_WORKERS_MAX;
}

int cli_common(int option, const char *value, struct net_options *net, struct net_limits *limits)
{
	uint64_t n;
	int ret;

	switch (option) {
	case 'w':
		ret = cli_count(value, 1, NET_WORKERS_MAX, &n);
		if (ret < 0)
			return cli_number_error(ret, "--workers", value, "a number from 1 to 64");
		net->workers = (uint32_t)n;
		return 0;
	case 'm':
		ret = cli_size(value, NET_MEMORY_MIN, UINT64_MAX, &net->memory_max);
		return ret < 0 ? cli_number_error(ret, "--max-memory", value,
						  "bytes, 1M at least, such as 512M or 4G")
			       : 0;
	case 'g':
		ret = cli_count(value, 1, UINT64_MAX, &limits->gas);
		return ret < 0 ? cli_number_error(ret, "--gas", value, "a number of interactions") : 0;
	case 'T':
		ret = cli_time(value, &limits->time_ns);
		if (ret == 0 && limits->time_ns == 0)
			ret = -ERANGE;
		return ret < 0 ? cli_number_error(ret, "--time-limit", value,
						  "seconds, such as 10, 0.5, 250ms or 2m")
			       : 0;
	case CLI_EXPAND: limits->expand = NET_EXPAND_ALWAYS; return 0;
	case CLI_KEEP: limits->expand = NET_EXPAND_NEVER; return 0;
	case CLI_PLAIN: net->plain = true; return 0;
	default: return -1;
	}
}

/* ---- writing ----------------------------------------------------------------------------------- */

/*
 * Who is killed while it waits in write(), and is not let run before the pipe has room, has written and cannot note it any more: on
 * a busy machine that is long. So what is noted waits before it writes.
 */
static bool wait_for_room(const struct cli_out *out)
{
	struct pollfd fd = { .fd = out->fd, .events = POLLOUT };

	return !out->told || poll(&fd, 1, -1) >= 0;
}

static int write_all(struct cli_out *out, const char *text, size_t length)
{
	if (out->skip > 0) {
		const size_t known = out->skip < length ? (size_t)out->skip : length;

		out->skip -= known;
		text += known;
		length -= known;
	}
	while (length > 0 && out->error == 0) {
		/* a pipe takes so much at once or not at all: who is killed in here has told all of it or nothing */
		const size_t most = out->told && length > PIPE_BUF ? PIPE_BUF : length;
		ssize_t n = wait_for_room(out) ? write(out->fd, text, most) : -1;

		if (n < 0 && (errno != EINTR || plx_stop_signal() != 0)) {
			out->error = -errno;
		} else if (n > 0) {
			text += n;
			length -= (size_t)n;
			if (out->told) /* relaxed: read when we are dead */
				atomic_fetch_add_explicit(out->told, (uint64_t)n, memory_order_relaxed);
		}
	}
	return out->error;
}

int cli_out_put(void *to, const char *text, size_t length)
{
	struct cli_out *out = to;

	if (out->used + length > sizeof(out->buffer)) {
		write_all(out, out->buffer, out->used);
		out->used = 0;
	}
	if (length > sizeof(out->buffer))
		return write_all(out, text, length);
	memcpy(out->buffer + out->used, text, length);
	out->used += length;
	return out->error;
}

int cli_out_format(struct cli_out *out, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return cli_out_put(out, text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

int cli_out_flush(struct cli_out *out)
{
	write_all(out, out->buffer, out->used);
	out->used = 0;
	if (out->error == -EPIPE)
		cli_error("stdout: its reader is gone; the output is not complete");
	else if (out->error < 0 && out->error != -EINTR)
		cli_error("stdout: %s; the output is not complete",
			  cli_was_closed(out->fd) ? "it is closed" : strerror(-out->error));
	return out->error;
}

/* ---- reading ----------------------------------------------------------------------------------- */

int cli_read_file(const char *path, char **text, size_t *length)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0, room = 1 << 16;
	char *buffer = NULL;
	struct stat st;
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		room = (size_t)st.st_size + 1; /* one more, so that the end is found without growing */
	buffer = malloc(room);
	if (!buffer)
		ret = -ENOMEM;
	while (ret == 0) {
		ssize_t n = read(fd, buffer + used, room - used);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR && plx_stop_signal() == 0)
			continue;
		if (n < 0) {
			ret = -errno;
			break;
		}
		used += (size_t)n;
		if (used == room) {
			char *larger = realloc(buffer, 2 * room);

			if (!larger) {
				ret = -ENOMEM;
				break;
			}
			buffer = larger;
			room *= 2;
		}
	}
	if (!is_stdin)
		close(fd);
	if (ret < 0) {
		free(buffer);
		return ret;
	}
	*text = buffer;
	*length = used;
	return 0;
}

/* source.c - open inputs, read them, and say what is wrong with them by name. */
#include "publisher/source.h"

#include "tools/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/process.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard_input(const char *file)
{
	return strcmp(file, "-") == 0;
}

int source_check(char *const *files)
{
	struct stat st;
	int ret = 0;

	for (; *files; files++) {
		if (is_standard_input(*files)) {
			if (cli_was_closed(STDIN_FILENO)) {
				cli_error("standard input is closed: name a FILE, or redirect one to it");
				ret = -1;
			}
		} else if (stat(*files, &st) < 0 || access(*files, R_OK) < 0) {
			cli_error("%s: %s", *files, strerror(errno));
			ret = -1;
		} else if (S_ISDIR(st.st_mode)) {
			cli_error("%s: it is a directory; name files", *files);
			ret = -1;
		}
	}
	return ret;
}

int source_open(struct source *source, const char *file)
{
	struct stat st;

	*source = (struct source){ .name = is_standard_input(file) ? "standard input" : file, .fd = -1 };
	if (is_standard_input(file)) {
		source->fd = STDIN_FILENO;
	} else {
		do /* a fifo waits for its writer here: a signal may come */
			source->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		while (source->fd < 0 && errno == EINTR && plx_stop_signal() == 0);
	}
	if (source->fd < 0 || fstat(source->fd, &st) < 0) {
		if (errno != EINTR)
			cli_error("%s: %s", source->name, strerror(errno));
		source_close(source);
		return -1;
	}
	source->regular = S_ISREG(st.st_mode);
	if (source->regular)
		(void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

bool source_ready(const struct source *source)
{
	struct pollfd p = { .fd = source->fd, .events = POLLIN };

	return source->regular || poll(&p, 1, 0) > 0;
}

/*
 * A pipe is waited for in slices: a signal that comes just before a read would not interrupt it, and subscribers may go
 * while no input comes. Four times a second costs nothing that can be measured.
 */
ssize_t source_read(const struct source *source, const struct iovec *iov, int n)
{
	struct pollfd p = { .fd = source->fd, .events = POLLIN };
	ssize_t got;

	if (!source->regular && poll(&p, 1, 250) <= 0)
		return -EAGAIN;
	got = n == 1 ? read(source->fd, iov->iov_base, iov->iov_len) : readv(source->fd, iov, n);
	if (got >= 0)
		return got;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	cli_error("%s: %s", source->name, strerror(errno));
	return -EIO;
}

void source_close(struct source *source)
{
	if (source->fd > STDIN_FILENO)
		close(source->fd);
	source->fd = -1;
}

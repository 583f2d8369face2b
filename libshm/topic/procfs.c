/*
 * procfs.c - what /proc says of the memory other processes hold.
 *
 * A segment shows in two places of a process that holds it:
 *
 *	/proc/PID/fd/5 -> "/memfd:plx:jobs (deleted)"	a descriptor; stat through it gives device and inode
 *	/proc/PID/maps    "from-to rw-s off dev inode /memfd:plx:jobs (deleted)"	a map; says who writes
 *
 * Everything here vanishes while we look: a process that is gone is -ESRCH, a descriptor that is gone was never there.
 * Both listings go up by number, so they end, whatever the process does meanwhile.
 */
#include "topic/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/size.h"
#include "base/sys.h"

#define MARK_LENGTH   (sizeof(PLX_PROCFS_MARK) - 1)
#define MAPS_SPACE    65536u       /* longer than any line */
#define KERNEL_THREAD 0x00200000ul /* PF_KTHREAD */

int plx_procfs_open(struct plx_procfs *proc)
{
	*proc = PLX_PROCFS_NONE;
	proc->buf = malloc(MAPS_SPACE);
	if (!proc->buf)
		return -ENOMEM;
	proc->space = MAPS_SPACE;
	proc->fd = plx_sys_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);
	if (proc->fd < 0) {
		int ret = proc->fd;

		plx_procfs_close(proc);
		return ret;
	}
	return 0;
}

void plx_procfs_close(struct plx_procfs *proc)
{
	plx_sys_close(proc->fd);
	free(proc->buf);
	*proc = PLX_PROCFS_NONE;
}

/* What an error means when it is about a process which may end at any moment. */
static int process_error(int err)
{
	switch (err) {
	case -ENOENT:
	case -ESRCH: return -ESRCH;
	case -EPERM:
	case -EACCES: return -EACCES;
	default: return err;
	}
}

bool plx_procfs_grave(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* The name after the mark, without the kernel's " (deleted)". */
static void take_name(char name[64], const char *from, size_t length)
{
	static const char deleted[] = " (deleted)";
	size_t cut = sizeof(deleted) - 1;

	if (length >= cut && memcmp(from + length - cut, deleted, cut) == 0)
		length -= cut;
	if (length > 63)
		length = 63;
	memcpy(name, from, length);
	name[length] = '\0';
}

/* ---- descriptors --------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
	size_t n = 0;

	while (n < 10 && text[n] >= '0' && text[n] <= '9')
		n++;
	return n > 0 && n < 10 && text[n] == '\0';
}

static int trace_fd(int dir, const char *number, struct plx_procfs_trace *trace)
{
	char target[512];
	struct stat st;
	ssize_t n = plx_sys_readlink(dir, number, target, sizeof(target));
	int ret;

	if (n < 0) /* a long name is not one of ours; one that is gone was never there */
		return n == -ENAMETOOLONG || n == -ENOENT || n == -ESRCH ? 0 : process_error((int)n);
	if ((size_t)n < MARK_LENGTH || memcmp(target, PLX_PROCFS_MARK, MARK_LENGTH) != 0)
		return 0;
	ret = plx_sys_stat_at(dir, number, &st);
	if (ret < 0)
		return ret == -ENOENT || ret == -ESRCH ? 0 : process_error(ret);
	if (!S_ISREG(st.st_mode))
		return 0;
	trace->fd = (int32_t)strtol(number, NULL, 10);
	trace->dev = st.st_dev;
	trace->ino = st.st_ino;
	take_name(trace->name, target + MARK_LENGTH, (size_t)n - MARK_LENGTH);
	return 1;
}

static int each_fd(const struct plx_procfs *proc, int32_t pid, plx_procfs_each each, void *arg)
{
	struct plx_procfs_trace trace = { .pid = pid, .fd = -1 };
	struct plx_dir list;
	const char *number;
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	ret = plx_dir_open(&list, proc->fd, path);
	if (ret < 0)
		return process_error(ret);
	while ((ret = plx_dir_next(&list, &number)) > 0) {
		if (!is_number(number))
			continue;
		ret = trace_fd(list.fd, number, &trace);
		if (ret > 0)
			ret = each(arg, &trace);
		if (ret != 0)
			break;
	}
	plx_dir_close(&list);
	return process_error(ret);
}

/* ---- maps ---------------------------------------------------------------------------------------- */

/* As the C library's makedev() puts them together. */
static uint64_t device(uint64_t major, uint64_t minor)
{
	return (minor & 0xffu) | (major & 0xfffu) << 8 | (minor & ~UINT64_C(0xff)) << 12 |
	       (major & ~UINT64_C(0xfff)) << 32;
}

/* A number that must be followed by @end. */
static bool take_number(const char **at, const char *stop, unsigned int base, char end, uint64_t *value)
{
	const char *p = *at;

	for (*value = 0; p < stop && *p != end; p++) {
		unsigned int digit = (unsigned int)(*p >= 'a' ? *p - 'a' + 10 : *p - '0');

		if (digit >= base || !plx_size_mul(*value, base, value) ||
		    !plx_size_add(*value, digit, value))
			return false;
	}
	if (p == stop || p == *at)
		return false;
	*at = p + 1;
	return true;
}

bool plx_procfs_map_line(const char *line, size_t length, struct plx_procfs_trace *trace)
{
	const char *at = line, *stop = line + length;
	uint64_t off, major, minor;
	bool shared;

	if (!take_number(&at, stop, 16, '-', &trace->from) || !take_number(&at, stop, 16, ' ', &trace->to))
		return false;
	if (stop - at < 5) /* "rw-s " */
		return false;
	shared = at[3] == 's';
	trace->writes = shared && at[1] == 'w';
	at += 5;
	if (!take_number(&at, stop, 16, ' ', &off) || !take_number(&at, stop, 16, ':', &major) ||
	    !take_number(&at, stop, 16, ' ', &minor) || !take_number(&at, stop, 10, ' ', &trace->ino))
		return false;
	while (at < stop && *at == ' ')
		at++;
	if ((size_t)(stop - at) < MARK_LENGTH || memcmp(at, PLX_PROCFS_MARK, MARK_LENGTH) != 0)
		return false;
	trace->dev = device(major, minor);
	take_name(trace->name, at + MARK_LENGTH, (size_t)(stop - at) - MARK_LENGTH);
	return trace->from < trace->to;
}

/* Hand over the whole lines in buf[0, used); returns how many bytes are left, moved to the front, or -errno. */
static ssize_t take_lines(char *buf, size_t used, struct plx_procfs_trace *trace, plx_procfs_each each,
			  void *arg)
{
	size_t at = 0;

	for (;;) {
		const char *end = memchr(buf + at, '\n', used - at);
		size_t length;

		if (!end)
			break;
		length = (size_t)(end - (buf + at));
		if (plx_procfs_map_line(buf + at, length, trace)) {
			int ret = each(arg, trace);

			if (ret != 0)
				return ret;
		}
		at += length + 1;
	}
	memmove(buf, buf + at, used - at);
	return (ssize_t)(used - at);
}

static int each_map(const struct plx_procfs *proc, int32_t pid, plx_procfs_each each, void *arg)
{
	struct plx_procfs_trace trace = { .pid = pid, .fd = -1 };
	size_t used = 0;
	ssize_t n;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%d/maps", (int)pid);
	fd = plx_sys_open(proc->fd, path, O_RDONLY, 0);
	if (fd < 0)
		return process_error(fd);
	while ((n = plx_sys_read(fd, proc->buf + used, proc->space - used)) > 0) {
		used += (size_t)n;
		n = take_lines(proc->buf, used, &trace, each, arg);
		if (n < 0)
			break;
		used = (size_t)n;
		if (used == proc->space) /* no kernel writes such a line */
			used = 0;
	}
	plx_sys_close(fd);
	return process_error((int)n);
}

int plx_procfs_traces(const struct plx_procfs *proc, int32_t pid, plx_procfs_each each, void *arg)
{
	int ret = each_fd(proc, pid, each, arg);

	return ret < 0 ? ret : each_map(proc, pid, each, arg);
}

/* ---- the process itself -------------------------------------------------------------------------- */

/* A small file of process @pid, terminated. */
static ssize_t read_file(const struct plx_procfs *proc, int32_t pid, const char *name, char *buf, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	fd = plx_sys_open(proc->fd, path, O_RDONLY, 0);
	if (fd < 0)
		return process_error(fd);
	n = plx_sys_read(fd, buf, size - 1);
	plx_sys_close(fd);
	if (n < 0)
		return process_error((int)n);
	buf[n] = '\0';
	return n;
}

void plx_procfs_comm(const struct plx_procfs *proc, int32_t pid, char comm[16])
{
	ssize_t n = read_file(proc, pid, "comm", comm, 16);

	if (n < 0)
		n = 0;
	if (n > 0 && comm[n - 1] == '\n')
		n--;
	comm[n] = '\0';
}

int plx_procfs_stat_line(const char *text, struct plx_procfs_stat *stat)
{
	/* "PID (NAME) S PPID ...": the name may hold anything, also ") ", so look from the end */
	const char *at = strrchr(text, ')');
	unsigned long flags;
	uint64_t begun;

	if (!at || at[1] != ' ' || at[2] == '\0' || at[3] != ' ')
		return -EBADMSG;
	stat->state = at[2];
	at += 4; /* field 4 */
	for (int field = 4; field < 9; field++) {
		at = strchr(at, ' ');
		if (!at++)
			return -EBADMSG;
	}
	flags = strtoul(at, NULL, 10);
	for (int field = 9; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at++)
			return -EBADMSG;
	}
	begun = strtoull(at, NULL, 10); /* in hundredths of a second, as every Linux shows it (USER_HZ) */
	stat->kernel = (flags & KERNEL_THREAD) != 0;
	stat->begun_ns = begun > UINT64_MAX / 10000000u ? UINT64_MAX : begun * 10000000u;
	return 0;
}

int plx_procfs_stat(const struct plx_procfs *proc, int32_t pid, struct plx_procfs_stat *stat)
{
	char text[1024];
	ssize_t n = read_file(proc, pid, "stat", text, sizeof(text));

	if (n < 0)
		return (int)n;
	return plx_procfs_stat_line(text, stat);
}

uint64_t plx_procfs_uptime(const struct plx_procfs *proc)
{
	char text[64];
	const char *point;
	int fd = plx_sys_open(proc->fd, "uptime", O_RDONLY, 0);
	ssize_t n = fd < 0 ? fd : plx_sys_read(fd, text, sizeof(text) - 1);

	plx_sys_close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	point = strchr(text, '.'); /* seconds with two decimals */
	return strtoull(text, NULL, 10) * UINT64_C(1000000000) +
	       (point ? strtoull(point + 1, NULL, 10) * UINT64_C(10000000) : 0);
}

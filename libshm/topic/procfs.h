/* procfs.h - what /proc says of the memory other processes hold; internal to inspection. */
#ifndef PLX_TOPIC_PROCFS_H
#define PLX_TOPIC_PROCFS_H

#include <plx/common.h>

/* All segments are called so, in /proc/PID/fd and in /proc/PID/maps. */
#define PLX_PROCFS_MARK "/memfd:plx:"

/* One place in a process where a segment shows. */
struct plx_procfs_trace {
	int32_t pid;
	int32_t fd; /* -1: a map */
	bool writes;
	uint64_t from, to; /* of a map */
	uint64_t dev, ino; /* of the memory */
	char name[64];     /* what follows the mark, terminated */
};

/* /proc, open. */
struct plx_procfs {
	int fd;
	size_t space;
	char *buf; /* for maps */
};
#define PLX_PROCFS_NONE ((struct plx_procfs){ .fd = -1 })

typedef int (*plx_procfs_each)(void *arg, const struct plx_procfs_trace *trace);

/** plx_procfs_open() - Return: 0, -ENOENT (no /proc), -EMFILE, -ENOMEM. Owner: plx_procfs_close(), which may be called twice. */
int plx_procfs_open(struct plx_procfs *proc) plx_must_check;
void plx_procfs_close(struct plx_procfs *proc);

/**
 * plx_procfs_traces() - call @each for every descriptor and every map of a segment in process @pid.
 *
 * The names are what the process chose; that the memory is a segment is for the caller to find out.
 *
 * Return: 0; -ESRCH (gone), -EACCES (not ours to see); what @each returned when that is not 0; -EMFILE, -ENFILE.
 */
int plx_procfs_traces(const struct plx_procfs *proc, int32_t pid, plx_procfs_each each,
		      void *arg) plx_must_check;

/** plx_procfs_comm() - the name of a process; empty when it is gone. */
void plx_procfs_comm(const struct plx_procfs *proc, int32_t pid, char comm[16]);

/* What /proc/PID/stat says. */
struct plx_procfs_stat {
	char state;        /* 'Z' zombie */
	bool kernel;       /* a thread of the kernel */
	uint64_t begun_ns; /* since boot, CLOCK_BOOTTIME */
};
int plx_procfs_stat(const struct plx_procfs *proc, int32_t pid, struct plx_procfs_stat *stat) plx_must_check;

/** plx_procfs_uptime() - nanoseconds since boot; 0 when /proc does not say. */
uint64_t plx_procfs_uptime(const struct plx_procfs *proc);

/** plx_procfs_grave() - true for an error that is ours (no descriptors, no memory), not that of what we look at. */
bool plx_procfs_grave(int err);

/**
 * plx_procfs_map_line() - read one line of /proc/PID/maps.
 *
 * Return: true when it shows a segment: then from, to, writes, dev, ino and name of @trace are set.
 */
bool plx_procfs_map_line(const char *line, size_t length, struct plx_procfs_trace *trace);

/** plx_procfs_stat_line() - read the text of /proc/PID/stat. Return: 0 or -EBADMSG. */
int plx_procfs_stat_line(const char *text, struct plx_procfs_stat *stat) plx_must_check;

#endif

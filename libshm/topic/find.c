/*
 * find.c - the live segments of this machine, as far as /proc shows them to us.
 *
 *	every process -> every descriptor and map called "plx:..." -> a trace
 *	traces of one inode, from whatever processes            -> one segment, and who holds it
 *	the first trace through which it can be opened          -> its size, its memory, its header
 *
 * Names are what the holder chose and prove nothing: only what has seals is a memfd, and of its header one copy is read
 * and checked. Nothing is mapped, so nothing can fault.
 */
#include <plx/inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "base/sys.h"
#include "topic/procfs.h"
#include "topic/snapshot.h"

/* What the walk through /proc gathers. */
struct gathering {
	const struct plx_procfs *proc;
	struct plx_procfs_trace *traces;
	size_t count, room;
	size_t processes, denied;
};

static int note_trace(void *arg, const struct plx_procfs_trace *trace)
{
	struct gathering *g = arg;

	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 64;
		struct plx_procfs_trace *traces = realloc(g->traces, room * sizeof(*traces));

		if (!traces)
			return -ENOMEM;
		g->traces = traces;
		g->room = room;
	}
	g->traces[g->count++] = *trace;
	return 0;
}

/* A process that may not be looked into counts, unless it is the kernel's own and has nothing to hide. */
static void note_denied(struct gathering *g, int32_t pid)
{
	struct plx_procfs_stat stat;

	if (plx_procfs_stat(g->proc, pid, &stat) == 0 && !stat.kernel && stat.state != 'Z')
		g->denied++;
}

static int gather_all(struct gathering *g)
{
	struct plx_dir list;
	const char *name;
	int ret = plx_dir_open(&list, g->proc->fd, ".");

	if (ret < 0)
		return ret;
	while ((ret = plx_dir_next(&list, &name)) > 0) {
		int32_t pid = name[0] >= '1' && name[0] <= '9' ? (int32_t)strtol(name, NULL, 10) : 0;

		if (pid <= 0)
			continue;
		ret = plx_procfs_traces(g->proc, pid, note_trace, g);
		if (ret == 0)
			g->processes++;
		else if (plx_procfs_grave(ret))
			break;
		else if (ret != -ESRCH)
			note_denied(g, pid);
	}
	plx_dir_close(&list);
	return ret;
}

/* By memory, then by process, descriptors before maps. */
static int by_memory(const void *a, const void *b)
{
	const struct plx_procfs_trace *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if ((x->fd < 0) != (y->fd < 0))
		return x->fd < 0 ? 1 : -1;
	if (x->fd != y->fd)
		return x->fd < y->fd ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static bool same_memory(const struct plx_procfs_trace *a, const struct plx_procfs_trace *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Processes that hold a segment: @traces are all of that segment, ordered. */
static int take_holders(struct plx_found *found, const struct plx_procfs *proc,
			const struct plx_procfs_trace *traces, size_t count)
{
	struct plx_found_holder *holder = NULL;

	found->holders = calloc(count, sizeof(*found->holders));
	if (!found->holders)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!holder || holder->pid != traces[i].pid) {
			holder = &found->holders[found->holder_count++];
			holder->pid = traces[i].pid;
			holder->fd = traces[i].fd;
			plx_procfs_comm(proc, holder->pid, holder->comm);
		}
		if (traces[i].fd >= 0)
			continue;
		holder->writes |= traces[i].writes;
		if (holder->map[1] == 0) {
			holder->map[0] = traces[i].from;
			holder->map[1] = traces[i].to;
		}
	}
	return 0;
}

static int open_holder(int proc, const struct plx_found *found, const struct plx_found_holder *holder)
{
	struct stat st;
	char path[96];
	int ret, fd;

	if (holder->fd >= 0)
		snprintf(path, sizeof(path), "%d/fd/%d", (int)holder->pid, (int)holder->fd);
	else
		snprintf(path, sizeof(path), "%d/map_files/%llx-%llx", (int)holder->pid,
			 (unsigned long long)holder->map[0], (unsigned long long)holder->map[1]);
	/* the descriptor may have become something else by now: do not wait for the writer of a fifo */
	fd = plx_sys_open(proc, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ESRCH || fd == -ENXIO ? -ESRCH : fd == -EPERM ? -EACCES : fd;
	ret = plx_sys_stat(fd, &st);
	if (ret == 0 && (st.st_dev != found->dev || st.st_ino != found->ino))
		ret = -ESRCH;
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

/* Through whichever holder lets us. */
static int open_found(int proc, const struct plx_found *found)
{
	int ret = -ESRCH;

	for (uint32_t i = 0; i < found->holder_count; i++) {
		int fd = open_holder(proc, found, &found->holders[i]);

		if (fd >= 0)
			return fd;
		if (fd != -ESRCH)
			ret = fd;
		if (plx_procfs_grave(fd))
			break;
	}
	return ret;
}

/* Is the creator alive, though it does not hold its segment any more? A later process with its number does not count. */
static bool lives(const struct plx_procfs *proc, const struct plx_segment_info *info)
{
	struct plx_procfs_stat stat;
	uint64_t now = plx_sys_wall_ns(), up = plx_procfs_uptime(proc), age;

	if (info->creator == 0 || info->creator > INT32_MAX ||
	    plx_procfs_stat(proc, (int32_t)info->creator, &stat) < 0)
		return false;
	age = now > info->created_ns ? now - info->created_ns : 0;
	if (stat.state == 'Z' || age > up)
		return false;
	return stat.begun_ns <=
	       up - age + UINT64_C(1000000000); /* clocks are set; the kernel counts hundredths */
}

static void find_creator(struct plx_found *found, const struct plx_procfs *proc)
{
	for (uint32_t i = 0; i < found->holder_count; i++) {
		struct plx_found_holder creator = found->holders[i];

		if ((uint32_t)creator.pid != found->info.creator)
			continue;
		memmove(found->holders + 1, found->holders, i * sizeof(creator));
		found->holders[0] = creator;
		found->creator_alive = true;
		return;
	}
	found->creator_alive = lives(proc, &found->info);
}

/*
 * Look at the memory itself. Return: 1 a segment, 0 nothing to list (gone, or no memfd at all), -errno when looking
 * further makes no sense.
 */
static int describe(struct plx_found *found, const struct plx_procfs *proc, const char *name)
{
	struct stat st;
	int ret, fd = open_found(proc->fd, found);

	memcpy(found->info.name, name, sizeof(found->info.name));
	if (fd < 0) {
		found->error = fd;
		return fd == -ESRCH ? 0 : plx_procfs_grave(fd) ? fd : 1;
	}
	ret = plx_sys_seals(fd);
	if (ret >= 0)
		ret = plx_sys_stat(fd, &st);
	if (ret >= 0) {
		found->bytes = (uint64_t)st.st_size;
		found->resident = (uint64_t)st.st_blocks * 512;
		ret = plx_snapshot_header(fd, found->bytes, &found->info);
		found->error = ret;
		ret = plx_procfs_grave(ret) ? ret : 1;
	} else {
		ret = 0; /* an ordinary file of that name */
	}
	plx_sys_close(fd);
	if (ret > 0)
		find_creator(found, proc);
	return ret;
}

static int by_kind(const void *a, const void *b)
{
	const struct plx_found *x = a, *y = b;
	int order;

	if (x->info.kind != y->info.kind)
		return x->info.kind - 1 < y->info.kind - 1 ? -1 : 1; /* without a header: last */
	order = strcmp(x->info.name, y->info.name);
	if (order != 0)
		return order;
	if (x->info.created_ns != y->info.created_ns)
		return x->info.created_ns < y->info.created_ns ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Turn traces, ordered, into segments. */
static int condense(struct plx_found_list *list, const struct gathering *g)
{
	size_t from, to;
	int ret;

	list->items = calloc(g->count ? g->count : 1, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	for (from = 0; from < g->count; from = to) {
		struct plx_found *found = &list->items[list->count];

		for (to = from + 1; to < g->count && same_memory(&g->traces[from], &g->traces[to]);)
			to++;
		found->dev = g->traces[from].dev;
		found->ino = g->traces[from].ino;
		list->count++; /* so that it is freed, whatever happens */
		ret = take_holders(found, g->proc, g->traces + from, to - from);
		if (ret == 0)
			ret = describe(found, g->proc, g->traces[from].name);
		if (ret < 0)
			return ret;
		if (ret == 0) {
			free(found->holders);
			*found = (struct plx_found){ .dev = 0 };
			list->count--;
		}
	}
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), by_kind);
	return 0;
}

int plx_inspect_find(struct plx_found_list *list, int32_t pid)
{
	struct plx_procfs proc = PLX_PROCFS_NONE;
	struct gathering g = { .proc = &proc };
	int ret;

	*list = (struct plx_found_list){ .items = NULL };
	ret = plx_procfs_open(&proc);
	if (ret < 0)
		return ret;
	ret = pid ? plx_procfs_traces(&proc, pid, note_trace, &g) : gather_all(&g);
	if (ret == 0) {
		list->processes = pid ? 1 : g.processes;
		list->denied = g.denied;
		if (g.count > 1)
			qsort(g.traces, g.count, sizeof(*g.traces), by_memory);
		ret = condense(list, &g);
	}
	free(g.traces);
	plx_procfs_close(&proc);
	if (ret < 0)
		plx_inspect_free(list);
	return ret;
}

void plx_inspect_free(struct plx_found_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].holders);
	free(list->items);
	*list = (struct plx_found_list){ .items = NULL };
}

int plx_inspect_open(struct plx_segment *seg, const struct plx_found *found)
{
	int ret, fd, proc = plx_sys_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);

	*seg = PLX_SEGMENT_NONE;
	if (proc < 0)
		return proc;
	fd = open_found(proc, found);
	plx_sys_close(proc);
	if (fd < 0)
		return fd;
	ret = plx_snapshot_take(seg, fd);
	if (ret < 0)
		plx_sys_close(fd);
	return ret;
}

int plx_inspect_file(struct plx_segment *seg, const char *path)
{
	struct stat st;
	int ret, fd = plx_sys_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);

	*seg = PLX_SEGMENT_NONE;
	if (fd < 0)
		return fd;
	ret = plx_sys_stat(fd, &st);
	if (ret == 0 && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	if (ret == 0)
		ret = plx_snapshot_take(seg, fd);
	if (ret < 0)
		plx_sys_close(fd);
	return ret;
}

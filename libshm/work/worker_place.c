/* worker_place.c - which processor a worker runs on, and how much of the machine it may use. */
#include "work/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/place.h"
#include "base/sys.h"

/* ---- limits --------------------------------------------------------------------------------------- */

static int write_file(int dir, const char *name, const char *text)
{
	int fd = plx_sys_open(dir, name, O_WRONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = plx_sys_write(fd, text, strlen(text));
	plx_sys_close(fd);
	return n < 0 ? (int)n : 0;
}

/* Move to a cgroup of our own, made when it is missing; what it limits is said first. */
static int enter_cgroup(const struct plx_worker_limits *l)
{
	char text[64];
	int ret = plx_sys_mkdir(AT_FDCWD, l->cgroup, 0755), dir;

	if (ret < 0 && ret != -EEXIST)
		return ret;
	dir = plx_sys_open(AT_FDCWD, l->cgroup, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	ret = 0;
	if (l->cgroup_memory_max) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)l->cgroup_memory_max);
		ret = write_file(dir, "memory.max", text);
	}
	if (ret == 0 && l->cgroup_cpu_percent) {
		snprintf(text, sizeof(text), "%llu 100000", l->cgroup_cpu_percent * 1000ull);
		ret = write_file(dir, "cpu.max", text);
	}
	if (ret == 0)
		ret = write_file(dir, "cgroup.procs", "0");
	plx_sys_close(dir);
	return ret;
}

int plx_work_limit(const struct plx_worker_limits *l)
{
	int ret = l->cgroup ? enter_cgroup(l) : 0;

	if (ret == 0 && l->nice)
		ret = plx_place_nice(l->nice);
	if (ret == 0 && l->memory_max)
		ret = plx_place_limit(RLIMIT_DATA, l->memory_max);
	if (ret == 0 && l->cpu_s_max)
		ret = plx_place_limit(RLIMIT_CPU, l->cpu_s_max);
	if (ret == 0 && l->files_max)
		ret = plx_place_limit(RLIMIT_NOFILE, l->files_max);
	return ret;
}

/* ---- processors ----------------------------------------------------------------------------------- */

void plx_work_place(const struct plx_workers *w, uint32_t number)
{
	int ret = 0;

	switch (w->options.placement) {
	case PLX_PLACE_SPREAD: ret = plx_place_nth(number); break;
	case PLX_PLACE_TOGETHER: ret = plx_place_on(0, w->cpu); break;
	default: break;
	}
	(void)ret; /* it works anywhere */
}

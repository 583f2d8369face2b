/* place.c - processors and limits. What this process may use is asked once, before anything is pinned. */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

#define MPOL_LOCAL_ 4 /* linux/mempolicy.h: from the node of who touches it first */

/* As much of a processor as cgroup v2 grants; 0: no limit that we can see. */
static uint32_t granted(void)
{
	char path[256] = "/sys/fs/cgroup", own[128] = "", text[64];
	unsigned long long quota, period;
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint32_t count = 0;

	if (f) {
		if (fscanf(f, "0::%127s", own) == 1 && strcmp(own, "/") != 0)
			strncat(path, own, sizeof(path) - strlen(path) - 16);
		fclose(f);
	}
	strncat(path, "/cpu.max", sizeof(path) - strlen(path) - 1);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f) && sscanf(text, "%llu %llu", &quota, &period) == 2 && period)
		count = (uint32_t)((quota + period - 1) / period);
	fclose(f);
	return count;
}

uint32_t plx_place_count(void)
{
	uint32_t may, grant = granted();
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	may = (uint32_t)CPU_COUNT(&set);
	if (grant && grant < may)
		may = grant;
	return may ? may : 1;
}

int plx_place_here(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : cpu;
}

int plx_place_on(int32_t pid, int cpu)
{
	cpu_set_t set;
	int ret = plx_sys_gate("place", EINVAL);

	if (ret < 0)
		return ret;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set) < 0 ? -errno : 0;
}

int plx_place_nth(uint32_t n)
{
	cpu_set_t set;
	uint32_t may;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	may = (uint32_t)CPU_COUNT(&set);
	for (int cpu = 0, left = (int)(n % may); cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set) || left-- > 0)
			continue;
		syscall(SYS_set_mempolicy, MPOL_LOCAL_, NULL,
			0); /* one node: nothing to gain, nothing lost */
		return plx_place_on(0, cpu);
	}
	return -EINVAL;
}

int plx_place_anywhere(int32_t pid)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	return sched_setaffinity(pid, sizeof(set), &set) < 0 ? -errno : 0;
}

int plx_place_nice(int nice)
{
	int ret = plx_sys_gate("nice", EACCES);

	if (ret < 0)
		return ret;
	return setpriority(PRIO_PROCESS, 0, nice) < 0 ? -errno : 0;
}

int plx_place_limit(int resource, uint64_t value)
{
	int ret = plx_sys_gate("limit", EPERM);
	struct rlimit limit;

	if (ret < 0)
		return ret;
	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -errno;
	if (value < limit.rlim_max)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

/*
 * memory.c - is there plausibly that much memory?
 *
 * Pages of a memfd belong to no process that could be killed to get them back, and the kernel refuses fallocate() only
 * when they exceed what the machine has in total. Asking for too much therefore ends with the out-of-memory killer
 * choosing a victim rather than with -ENOSPC. So look before: /proc/meminfo, and memory.max of our control groups.
 */
#include "base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define LOOK_FROM (16ull << 20) /* bytes; below, a look would cost more than it tells */

/* A small file of text, terminated; false when it cannot be read. */
static bool read_text(const char *path, char *buf, size_t size)
{
	int fd = plx_sys_open(AT_FDCWD, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return false;
	n = plx_sys_read(fd, buf, size - 1);
	plx_sys_close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* The number that follows @key, which stands at the beginning of a line. */
static uint64_t field(const char *text, const char *key)
{
	const char *at = text;

	while ((at = strstr(at, key)) != NULL) {
		if (at == text || at[-1] == '\n')
			return strtoull(at + strlen(key), NULL, 10);
		at += strlen(key);
	}
	return 0;
}

static uint64_t machine_available(uint64_t *swap)
{
	char text[4096];

	*swap = 0;
	if (!read_text("/proc/meminfo", text, sizeof(text)) || !strstr(text, "MemAvailable:"))
		return UINT64_MAX;
	*swap = field(text, "SwapFree:") << 10;
	return (field(text, "MemAvailable:") << 10) + *swap;
}

static bool group_text(const char *group, const char *file, char *buf, size_t size)
{
	char path[640];

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", group, file);
	return read_text(path, buf, size);
}

/* UINT64_MAX stands for "max" and for "no such file". */
static uint64_t group_number(const char *group, const char *file)
{
	char text[64];

	if (!group_text(group, file, text, sizeof(text)) || strncmp(text, "max", 3) == 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* What one group may still have: its limit, less what it uses and the kernel could not drop at once. */
static uint64_t group_available(const char *group, uint64_t machine_swap)
{
	uint64_t max = group_number(group, "memory.max"), used, swap, cache = 0;
	char text[8192];

	if (max == UINT64_MAX)
		return UINT64_MAX;
	used = group_number(group, "memory.current");
	if (used == UINT64_MAX)
		return UINT64_MAX;
	/* files' pages can be dropped; those of memfds are counted as anonymous in these */
	if (group_text(group, "memory.stat", text, sizeof(text)))
		cache = field(text, "inactive_file ") + field(text, "active_file ") +
			field(text, "slab_reclaimable ");
	used -= cache < used ? cache : used;
	swap = group_number(group, "memory.swap.max");
	if (swap > machine_swap)
		swap = machine_swap;
	return (used < max ? max - used : 0) + swap;
}

/* The least left in our group and those above it (version 2; older ones are not looked at). */
static uint64_t groups_available(uint64_t machine_swap)
{
	char text[512], *group, *slash;
	uint64_t left = UINT64_MAX;

	if (!read_text("/proc/self/cgroup", text, sizeof(text)) || strncmp(text, "0::/", 4) != 0)
		return UINT64_MAX;
	group = text + 3;
	group[strcspn(group, "\n")] = '\0';
	if (strcmp(group, "/") == 0)
		*group = '\0';
	for (;;) {
		uint64_t here = group_available(group, machine_swap);

		if (here < left)
			left = here;
		slash = strrchr(group, '/');
		if (!slash)
			return left;
		*slash = '\0';
	}
}

uint64_t plx_memory_available(void)
{
	uint64_t swap, machine = machine_available(&swap), groups = groups_available(swap);

	return machine < groups ? machine : groups;
}

bool plx_memory_plausible(uint64_t len)
{
	return len < LOOK_FROM || len <= plx_memory_available();
}

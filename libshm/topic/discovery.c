/*
 * discovery.c - the sockets in a topic's directory: see them, connect to them, reap the dead.
 *
 * Reaping needs no lock. A name ending in ".sock" was given to a socket that listened already, and is never given
 * twice; when it refuses connections, its publisher is gone and nobody else can be meant. A temporary name may belong
 * to a publisher that has not come to listening yet, and a socket that does not listen refuses connections too: there
 * the pid in the name must be dead. Should that be wrong (another pid namespace), the publisher's rename fails and it
 * begins again.
 */
#include "topic/discovery.h"

#include "base/dir.h"
#include "base/sys.h"
#include "topic/sighting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Digits up to a '-', without sign, space or leading zero. */
static bool parse_pid(const char **at, uint32_t *pid)
{
	uint64_t value = 0;
	const char *p = *at;

	if (*p < '1' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (uint64_t)(*p - '0');
		if (value > INT32_MAX)
			return false;
	}
	*pid = (uint32_t)value;
	*at = p;
	return true;
}

static bool parse_id(const char **at, uint64_t *id)
{
	const char *p = *at;
	uint64_t value = 0;
	int i;

	for (i = 0; i < 16; i++, p++) {
		if (*p >= '0' && *p <= '9')
			value = value << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			value = value << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return false;
	}
	*id = value;
	*at = p;
	return value != 0;
}

enum plx_sighting_kind plx_sighting_parse(struct plx_sighting *seen, const char *name)
{
	struct plx_sighting s = { 0 };
	bool temporary = name[0] == '.';
	const char *p = name + temporary;

	if (!parse_pid(&p, &s.pid) || *p++ != '-' || !parse_id(&p, &s.id))
		return PLX_SIGHTING_OTHER;
	if (strcmp(p, temporary ? ".new" : ".sock") != 0)
		return PLX_SIGHTING_OTHER;
	snprintf(s.name, sizeof(s.name), "%s", name);
	*seen = s;
	return temporary ? PLX_SIGHTING_NEW : PLX_SIGHTING_SOCKET;
}

void plx_sighting_name(char name[48], uint32_t pid, uint64_t id, bool temporary)
{
	snprintf(name, 48, temporary ? ".%" PRIu32 "-%016" PRIx64 ".new" : "%" PRIu32 "-%016" PRIx64 ".sock",
		 pid, id);
}

/* Unlink a name whose publisher died between bind and rename. */
static void reap_new(int dir, const struct plx_sighting *seen)
{
	int pidfd = plx_sys_pidfd_open((pid_t)seen->pid);

	if (pidfd == -ESRCH && plx_sys_unlink(dir, seen->name) < 0) {
		/* somebody else was faster */
	}
	plx_sys_close(pidfd);
}

static int add(struct plx_sightings *list, size_t *room, const struct plx_sighting *seen)
{
	struct plx_sighting *items;

	if (list->count == *room) {
		*room = *room ? *room * 2 : 16;
		items = realloc(list->items, *room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		list->items = items;
	}
	list->items[list->count++] = *seen;
	return 0;
}

/* Note what @name stands for. */
static int collect(struct plx_sightings *list, size_t *room, int dir, const char *name)
{
	struct plx_sighting seen;

	switch (plx_sighting_parse(&seen, name)) {
	case PLX_SIGHTING_NEW: reap_new(dir, &seen); return 0;
	case PLX_SIGHTING_SOCKET: return list->count < PLX_SIGHTINGS_MAX ? add(list, room, &seen) : 0;
	default: return 0;
	}
}

static int collect_all(struct plx_sightings *list, int dir)
{
	struct plx_dir entries;
	const char *name;
	size_t room = 0;
	int ret = plx_dir_open(&entries, dir, ".");

	if (ret < 0)
		return ret;
	while ((ret = plx_dir_next(&entries, &name)) > 0) {
		ret = collect(list, &room, dir, name);
		if (ret < 0)
			break;
	}
	plx_dir_close(&entries);
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct plx_sighting *)a)->name, ((const struct plx_sighting *)b)->name);
}

int plx_place_list(const struct plx_place *place, struct plx_sightings *list)
{
	struct plx_sightings found = PLX_SIGHTINGS_NONE;
	int ret, dir = plx_place_dir(place, false);

	ret = dir < 0 ? dir : collect_all(&found, dir);
	plx_sys_close(dir);
	if (ret < 0 && ret != -ENOENT) { /* ENOENT: not made yet, or removed while we read it */
		plx_sightings_free(&found);
		return ret;
	}
	if (found.count > 1)
		qsort(found.items, found.count, sizeof(*found.items), by_name);
	*list = found;
	return 0;
}

void plx_sightings_free(struct plx_sightings *list)
{
	free(list->items);
	*list = PLX_SIGHTINGS_NONE;
}

static int connect_in(int dir, const char *name, int *fd)
{
	struct stat st;
	int sock, ret = plx_sys_lstat(dir, name, &st);

	if (ret < 0)
		return ret;
	/* connecting to a plain file is refused too: it must not be unlinked for that */
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	sock = plx_sys_socket();
	if (sock < 0)
		return sock;
	ret = plx_sys_connect(sock, dir, name);
	if (ret == 0)
		*fd = sock;
	else
		plx_sys_close(sock);
	return ret;
}

int plx_place_connect(const struct plx_place *place, const struct plx_sighting *seen, int *fd)
{
	int ret, dir = plx_place_dir(place, false);

	if (dir < 0)
		return dir;
	ret = connect_in(dir, seen->name, fd);
	if (ret == -ECONNREFUSED && plx_sys_unlink(dir, seen->name) < 0) {
		/* somebody else was faster */
	}
	plx_sys_close(dir);
	return ret;
}

void plx_place_reap(const struct plx_place *place, const struct plx_sighting *seen)
{
	int dir = plx_place_dir(place, false);

	if (dir >= 0 && plx_sys_unlink(dir, seen->name) < 0) {
		/* somebody else was faster, or it is not for us to unlink */
	}
	plx_sys_close(dir);
}

void plx_place_tidy(const struct plx_place *place, const struct plx_sighting *seen)
{
	int dir = plx_place_dir(place, false);

	if (dir < 0)
		return;
	if (plx_sys_bound(dir, seen->name) == 0 && plx_sys_unlink(dir, seen->name) < 0) {
		/* somebody else was faster */
	}
	plx_sys_close(dir);
}

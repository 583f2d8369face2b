/*
 * reap.c - the discovery directory as a tool sees it: every socket of every topic, and which are dead.
 *
 * Asking must not disturb the living: a publisher would notice a connection. The kernel looks a socket up by its
 * inode before it compares types, so a stream socket that connects to a SEQPACKET one is told EPROTOTYPE when it is
 * bound by somebody alive, and ECONNREFUSED when nobody is left behind the name (plx_sys_bound()).
 */
#include <plx/inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "base/sys.h"
#include "topic/discovery.h"
#include "topic/sighting.h"

#define SOCKETS_MAX 65536u /* more than this in all are not looked at */

/* Is anybody behind the socket @seen in @dir? 1, 0, or -errno (-ENOTSOCK: something else has that name). */
static int alive(int dir, const struct plx_sighting *seen)
{
	struct stat st;
	int ret = plx_sys_lstat(dir, seen->name, &st);

	if (ret < 0)
		return ret;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	ret = plx_sys_bound(dir, seen->name);
	if (ret == 0 && seen->name[0] == '.') {
		/* bind() makes the name a moment before it is bound: the process must be gone too */
		int pidfd = plx_sys_pidfd_open((pid_t)seen->pid);

		ret = pidfd == -ESRCH ? 0 : pidfd >= 0 ? 1 : pidfd;
		plx_sys_close(pidfd);
	}
	return ret;
}

static int add(struct plx_found_sockets *list, size_t *room, const struct plx_found_socket *socket)
{
	struct plx_found_socket *items;

	if (list->count == *room) {
		*room = *room ? *room * 2 : 16;
		items = realloc(list->items, *room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		list->items = items;
	}
	list->items[list->count++] = *socket;
	return 0;
}

/* One name in a topic's directory. */
static int collect(struct plx_found_sockets *list, size_t *room, int dir, const char *topic, const char *name)
{
	struct plx_found_socket socket = { .stale = false };
	struct plx_sighting seen;
	int ret;

	if (list->count >= SOCKETS_MAX || plx_sighting_parse(&seen, name) == PLX_SIGHTING_OTHER)
		return 0;
	ret = alive(dir, &seen);
	if (ret == -ENOENT || ret == -ENOTSOCK)
		return 0;
	if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM)
		return ret;
	memcpy(socket.topic, topic, strlen(topic) + 1);
	memcpy(socket.name, seen.name, sizeof(seen.name));
	socket.pid = (int32_t)seen.pid;
	socket.id = seen.id;
	socket.stale = ret == 0;
	socket.error = ret < 0 ? ret : 0;
	return add(list, room, &socket);
}

/* The directory of one topic; one that is not ours, or gone meanwhile, is left out. */
static int collect_topic(struct plx_found_sockets *list, size_t *room, const struct plx_place *place)
{
	struct plx_dir entries;
	const char *name;
	int ret, dir = plx_place_dir(place, false);

	if (dir < 0)
		return dir == -EMFILE || dir == -ENFILE || dir == -ENOMEM ? dir : 0;
	ret = plx_dir_open(&entries, dir, ".");
	if (ret == 0) {
		while ((ret = plx_dir_next(&entries, &name)) > 0) {
			ret = collect(list, room, dir, place->topic, name);
			if (ret < 0)
				break;
		}
		plx_dir_close(&entries);
	}
	plx_sys_close(dir);
	return ret == -ENOENT ? 0 : ret;
}

/* Call @each for every topic's directory in the base directory. */
static int each_topic(struct plx_found_sockets *list,
		      int (*each)(struct plx_found_sockets *, size_t *room, const struct plx_place *))
{
	struct plx_place place = { .base = list->directory };
	struct plx_dir entries;
	size_t room = list->count;
	const char *name;
	int ret = plx_dir_open(&entries, AT_FDCWD, list->directory);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	while ((ret = plx_dir_next(&entries, &name)) > 0) {
		if (plx_topic_decode(place.topic, name) < 0)
			continue;
		plx_topic_encode(place.dir, place.topic);
		ret = each(list, &room, &place);
		if (ret < 0)
			break;
	}
	plx_dir_close(&entries);
	return ret;
}

static int by_topic(const void *a, const void *b)
{
	const struct plx_found_socket *x = a, *y = b;
	int order = strcmp(x->topic, y->topic);

	return order != 0 ? order : strcmp(x->name, y->name);
}

int plx_inspect_sockets(struct plx_found_sockets *list, const char *directory)
{
	struct plx_found_sockets found = { .directory = NULL };
	char path[PATH_MAX];
	int ret, base;

	*list = found;
	base = plx_place_base(path, directory, false);
	if (base < 0 && base != -ENOENT)
		return base;
	plx_sys_close(base);
	found.directory = malloc(strlen(path) + 1);
	if (!found.directory)
		return -ENOMEM;
	memcpy(found.directory, path, strlen(path) + 1);
	ret = base < 0 ? 0 : each_topic(&found, collect_topic);
	if (ret < 0) {
		plx_inspect_sockets_free(&found);
		return ret;
	}
	if (found.count > 1)
		qsort(found.items, found.count, sizeof(*found.items), by_topic);
	*list = found;
	return 0;
}

void plx_inspect_sockets_free(struct plx_found_sockets *list)
{
	free(list->items);
	free(list->directory);
	*list = (struct plx_found_sockets){ .directory = NULL };
}

/* Remove one, if it is still dead. */
static int reap_one(const char *base, const struct plx_found_socket *socket)
{
	struct plx_place place = { .base = (char *)base };
	struct plx_sighting seen;
	int ret, dir;

	memcpy(place.topic, socket->topic, sizeof(place.topic));
	plx_topic_encode(place.dir, place.topic);
	if (plx_topic_check(place.topic) < 0 || plx_sighting_parse(&seen, socket->name) == PLX_SIGHTING_OTHER)
		return -EINVAL;
	dir = plx_place_dir(&place, false);
	if (dir < 0)
		return dir;
	ret = alive(dir, &seen);
	if (ret == 0)
		ret = plx_sys_unlink(dir, seen.name);
	else if (ret > 0)
		ret = -EBUSY;
	plx_sys_close(dir);
	return ret;
}

/* rmdir() refuses what is not empty: that is the check. */
static int leave_empty(struct plx_found_sockets *list, size_t *room, const struct plx_place *place)
{
	(void)room;
	if (plx_place_leave(place))
		list->folders++;
	return 0;
}

int plx_inspect_reap(struct plx_found_sockets *list)
{
	int ret, removed = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct plx_found_socket *socket = &list->items[i];

		if (!socket->stale || socket->removed)
			continue;
		ret = reap_one(list->directory, socket);
		if (ret == -ENOENT) /* somebody was faster */
			ret = 0;
		else if (ret == 0)
			removed++;
		socket->removed = ret == 0;
		socket->error = ret;
	}
	ret = each_topic(list, leave_empty);
	return ret < 0 ? ret : removed;
}

/*
 * place.c - the directories of discovery: where they are, and that they are ours.
 *
 * Whoever can write to the directory can put a socket of his own there, or take ours away. So each of the two levels
 * must be a real directory (no symbolic link), owned by our user, and writable by nobody else; this is checked on the
 * open descriptor, each time, and everything below is reached through that descriptor. In /tmp the sticky bit keeps
 * others from moving what is ours; if they were there first, it is not ours, and we refuse.
 */
#include "topic/discovery.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PLACE_TRIES 64 /* times others may remove what we have just made */

/* Open a directory which must be ours. */
static int open_ours(int at, const char *path)
{
	struct stat st;
	int ret, fd = plx_sys_open(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? -EACCES : fd;
	ret = plx_sys_stat(fd, &st);
	if (ret == 0 && (st.st_uid != plx_sys_uid() || (st.st_mode & (S_IWGRP | S_IWOTH))))
		ret = -EACCES;
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

static int make_ours(int at, const char *path, bool create)
{
	int ret, fd = open_ours(at, path);

	if (fd != -ENOENT || !create)
		return fd;
	ret = plx_sys_mkdir(at, path, 0700);
	if (ret < 0 && ret != -EEXIST)
		return ret;
	return open_ours(at, path);
}

/* A path without trailing slashes: with one, a symbolic link would be followed. */
static int copy_path(char *path, size_t room, const char *from)
{
	size_t length = strlen(from);

	while (length > 1 && from[length - 1] == '/')
		length--;
	if (length == 0)
		return -EINVAL;
	if (length >= room)
		return -ENAMETOOLONG;
	memcpy(path, from, length);
	path[length] = '\0';
	return 0;
}

/* XDG_RUNTIME_DIR/parallax; not when it is unset, or set to what does not exist (containers, sudo). */
static int runtime_path(char *path, size_t room)
{
	const char *dir = secure_getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int n, ret;

	if (!dir || dir[0] != '/')
		return -ENOENT;
	ret = plx_sys_stat_at(AT_FDCWD, dir, &st);
	if (ret < 0)
		return ret;
	n = snprintf(path, room, "%s/parallax", dir);
	return (size_t)n < room ? 0 : -ENAMETOOLONG;
}

/* The same directory by an absolute path, so that it stays the same when the process changes its own. */
static int absolute_path(char *path, size_t room, int fd)
{
	char link[40];
	ssize_t n;

	if (path[0] == '/')
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = plx_sys_readlink(AT_FDCWD, link, path, room);
	return n < 0 ? (int)n : 0;
}

/* As plx_place_base(), but a relative path stays relative. */
static int base_open(char *path, const char *directory, bool create)
{
	int ret;

	if (directory) {
		ret = copy_path(path, PATH_MAX, directory);
	} else {
		ret = runtime_path(path, PATH_MAX);
		if (ret == -ENOENT) {
			snprintf(path, PATH_MAX, "/tmp/parallax-%u", (unsigned int)plx_sys_uid());
			ret = 0;
		}
	}
	return ret < 0 ? ret : make_ours(AT_FDCWD, path, create);
}

int plx_place_base(char *path, const char *directory, bool create)
{
	int ret, fd = base_open(path, directory, create);

	if (fd < 0)
		return fd;
	ret = absolute_path(path, PATH_MAX, fd);
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

int plx_place_open(struct plx_place *place, const char *directory, const char *topic)
{
	struct plx_place p = PLX_PLACE_NONE;
	char path[PATH_MAX];
	int fd;

	if (plx_topic_check(topic) < 0)
		return -EINVAL;
	fd = plx_place_base(path, directory, true);
	if (fd < 0)
		return fd;
	plx_sys_close(fd);
	p.base = malloc(strlen(path) + 1);
	if (!p.base)
		return -ENOMEM;
	memcpy(p.base, path, strlen(path) + 1);
	snprintf(p.topic, sizeof(p.topic), "%s", topic);
	plx_topic_encode(p.dir, topic);
	*place = p;
	return 0;
}

void plx_place_close(struct plx_place *place)
{
	free(place->base);
	*place = PLX_PLACE_NONE;
}

int plx_place_dir(const struct plx_place *place, bool create)
{
	int base, fd = -ENOENT, i;

	for (i = 0; i < PLACE_TRIES && fd == -ENOENT; i++) {
		base = make_ours(AT_FDCWD, place->base, create);
		if (base < 0)
			return base;
		fd = make_ours(base, place->dir, create);
		plx_sys_close(base);
		if (!create)
			break;
	}
	return fd;
}

/*
 * A directory that somebody else has open stays half alive, and who watches it would hear of its end only when the
 * last one lets go. Changing the mode of the removed directory (to what it was) tells them now.
 */
bool plx_place_leave(const struct plx_place *place)
{
	int dir, base = open_ours(AT_FDCWD, place->base);
	bool removed;

	if (base < 0)
		return false;
	dir = open_ours(base, place->dir);
	removed = dir >= 0 && plx_sys_rmdir(base, place->dir) == 0;
	if (removed && plx_sys_chmod(dir, 0700) < 0) {
		/* they will hear of it a little later */
	}
	plx_sys_close(dir);
	plx_sys_close(base);
	return removed;
}

/*
 * place.c - the directories of discovery: where they are, and that they are ours.
 *
 * Whoever can write to the directory can put a socket of his own there, or take ours away. So each of the two levels
 * must be a real directory (no symbolic link), owned by our user, and writable by nobody else; this is checked on the
 * open descriptor, each time, and everything below is reached through that descriptor. In /tmp the sticky bit keeps
 * others from moving what is ours; if they were there first, it is not ours, and we refuse.
 *
 * Where others are admitted, a publisher opens its directories to them, for looking, and a subscriber looks into what is not
 * its own: there it relies on who the kernel says is listening, and the directory only has to be safe from third parties.
 */
#include "topic/discovery.h"

#include "base/sys.h"
#include <plx/process.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PLACE_PATIENCE_NS 2000000000ull /* how long others may go on removing what we have just made */

/* May it belong to this user? With a group admitted, to anybody: who is in a group is known only of processes. */
static bool owner_fits(uint32_t owner, const struct plx_place *place)
{
	if (owner == plx_sys_uid())
		return true;
	if (!place || !place->foreign)
		return false;
	return owner == 0 || place->foreign->groups > 0 || plx_admission_user(place->foreign, owner);
}

/* Open a directory which must be ours, or may be another's. */
static int open_checked(int at, const char *path, const struct plx_place *place)
{
	struct stat st;
	int ret, fd = plx_sys_open(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? -EACCES : fd;
	ret = plx_sys_stat(fd, &st);
	if (ret == 0 && (!owner_fits(st.st_uid, place) || (st.st_mode & (S_IWGRP | S_IWOTH))))
		ret = -EACCES;
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

/* Let those in who are admitted: to what is ours and not so yet. */
static int share(int fd, const struct plx_place *place)
{
	struct stat st;
	int ret;

	if (!place || !place->dir_mode)
		return 0;
	ret = plx_sys_stat(fd, &st);
	if (ret == 0 && place->group != PLX_PLACE_OWN && st.st_gid != place->group)
		ret = plx_sys_chgrp(fd, place->group);
	if (ret == 0 && (st.st_mode & place->dir_mode) != place->dir_mode)
		ret = plx_sys_chmod(fd, (st.st_mode & 0777) | place->dir_mode);
	return ret;
}

/* @widen: also one that was there before. */
static int make_checked(int at, const char *path, const struct plx_place *place, bool create, bool widen)
{
	int ret, fd = open_checked(at, path, place);

	if (fd == -ENOENT && create && !(place && place->foreign)) {
		ret = plx_sys_mkdir(at, path, 0700);
		if (ret < 0 && ret != -EEXIST)
			return ret;
		widen = widen || ret == 0;
		fd = open_checked(at, path, place);
	}
	if (fd < 0 || !create || !widen)
		return fd;
	ret = share(fd, place);
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
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
static int base_open(char *path, const char *directory, const struct plx_place *place, bool create)
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
	return ret < 0 ? ret : make_checked(AT_FDCWD, path, place, create, false);
}

static int base_absolute(char *path, const char *directory, const struct plx_place *place, bool create)
{
	int ret, fd = base_open(path, directory, place, create);

	if (fd < 0)
		return fd;
	ret = absolute_path(path, PATH_MAX, fd);
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret;
}

int plx_place_base(char *path, const char *directory, bool create)
{
	return base_absolute(path, directory, NULL, create);
}

/* Who may look, and who may connect. */
static void settle_modes(struct plx_place *p, const struct plx_admission *admission, bool own)
{
	p->group = PLX_PLACE_OWN;
	if (!plx_admission_any(admission))
		return;
	if (!own) {
		p->foreign = admission;
	} else if (admission->users == 0 && admission->groups == 1) {
		p->dir_mode = 0750;
		p->socket_mode = 0660;
		p->group = admission->ids[0];
	} else { /* a file has one group */
		p->dir_mode = 0755;
		p->socket_mode = 0666;
	}
}

int plx_place_open(struct plx_place *place, const char *directory, const char *topic)
{
	return plx_place_open_for(place, directory, topic, NULL, true);
}

int plx_place_open_for(struct plx_place *place, const char *directory, const char *topic,
		       const struct plx_admission *admission, bool own)
{
	struct plx_place p = PLX_PLACE_NONE;
	char path[PATH_MAX];
	int fd;

	if (plx_topic_check(topic) < 0)
		return -EINVAL;
	settle_modes(&p, admission, own);
	fd = base_absolute(path, directory, &p, true);
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

bool plx_place_again(uint64_t *until)
{
	uint64_t now = plx_now_ns();

	if (!*until)
		*until = now + PLACE_PATIENCE_NS;
	return now < *until;
}

int plx_place_dir(const struct plx_place *place, bool create)
{
	uint64_t until = 0;
	int base, fd;

	do {
		base = make_checked(AT_FDCWD, place->base, place, create, false);
		if (base < 0)
			return base;
		fd = make_checked(base, place->dir, place, create, true);
		plx_sys_close(base);
		if (fd != -ENOENT || !create || place->foreign)
			return fd;
	} while (plx_place_again(&until));
	return -EAGAIN;
}

/*
 * A directory that somebody else has open stays half alive, and who watches it would hear of its end only when the
 * last one lets go. Changing the mode of the removed directory (to what it was) tells them now.
 */
bool plx_place_leave(const struct plx_place *place)
{
	int dir, base = open_checked(AT_FDCWD, place->base, place);
	bool removed;

	if (base < 0)
		return false;
	dir = open_checked(base, place->dir, place);
	removed = dir >= 0 && plx_sys_rmdir(base, place->dir) == 0;
	if (removed && plx_sys_chmod(dir, place->dir_mode ? place->dir_mode : 0700) < 0) {
		/* they will hear of it a little later */
	}
	plx_sys_close(dir);
	plx_sys_close(base);
	return removed;
}

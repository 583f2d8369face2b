/*
 * listener.c - how a publisher appears and disappears.
 *
 * Bind to a temporary name, listen, rename: so the name that subscribers look for stands for a socket which listens,
 * from its first moment on. The directory may be removed under us at any point by a publisher that leaves and thinks it
 * was the last; then bind or rename say ENOENT and we begin again. Disappearing goes the other way round: first the
 * name, then the socket, then the directory if nobody else is in it.
 */
#include "topic/discovery.h"

#include "base/sys.h"
#include "topic/sighting.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define LISTEN_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static int bind_and_listen(int dir, const char *temporary)
{
	int ret, fd = plx_sys_socket();

	if (fd < 0)
		return fd;
	ret = plx_sys_chmod(fd, 0600); /* bind() gives the name the mode of the socket */
	if (ret == 0)
		ret = plx_sys_bind(fd, dir, temporary);
	if (ret == 0)
		ret = plx_sys_listen(fd, LISTEN_BACKLOG);
	if (ret == 0)
		return fd;
	plx_sys_close(fd);
	return ret == -EADDRINUSE ? -EEXIST : ret;
}

/* Those who are admitted may connect; bind() heeds the umask, so it is said again. */
static int open_to(int dir, const char *name, const struct plx_place *place)
{
	int ret = 0;

	if (!place->socket_mode)
		return 0;
	if (place->group != PLX_PLACE_OWN)
		ret = plx_sys_chgrp_at(dir, name, place->group);
	return ret < 0 ? ret : plx_sys_chmod_at(dir, name, place->socket_mode);
}

static int appear(int dir, const struct plx_place *place, const char *temporary, const char *name)
{
	struct stat st;
	int ret, fd;

	ret = plx_sys_lstat(dir, name, &st);
	if (ret != -ENOENT)
		return ret == 0 ? -EEXIST : ret;
	fd = bind_and_listen(dir, temporary);
	if (fd == -EEXIST) /* another's with our id and pid: not ours to unlink */
		return fd;
	ret = fd < 0 ? fd : open_to(dir, temporary, place);
	if (ret == 0)
		ret = plx_sys_rename(dir, temporary, name);
	if (ret == 0)
		return fd;
	if (plx_sys_unlink(dir, temporary) < 0) {
		/* it never came to that */
	}
	if (fd >= 0)
		plx_sys_close(fd);
	return ret;
}

int plx_listener_open(struct plx_listener *listener, const struct plx_place *place, uint64_t id)
{
	struct plx_listener l = PLX_LISTENER_NONE;
	char temporary[48];
	uint32_t pid = (uint32_t)plx_sys_pid();
	uint64_t until = 0;
	int dir;

	plx_sighting_name(temporary, pid, id, true);
	plx_sighting_name(l.name, pid, id, false);
	do {
		dir = plx_place_dir(place, true);
		if (dir < 0)
			return dir;
		l.fd = appear(dir, place, temporary, l.name);
		plx_sys_close(dir);
		if (l.fd >= 0) {
			*listener = l;
			return 0;
		}
		if (l.fd != -ENOENT) /* ENOENT: somebody removed the directory, or our temporary name */
			return l.fd;
	} while (plx_place_again(&until));
	return -EAGAIN;
}

int plx_listener_accept(const struct plx_listener *listener, int *fd)
{
	int ret = plx_sys_accept(listener->fd);

	if (ret == -ECONNABORTED || ret == -EINTR)
		return -EAGAIN;
	if (ret < 0)
		return ret;
	*fd = ret;
	return 0;
}

void plx_listener_hide(const struct plx_listener *listener, const struct plx_place *place)
{
	int dir;

	if (listener->fd < 0)
		return;
	dir = plx_place_dir(place, false);
	if (dir >= 0 && plx_sys_unlink(dir, listener->name) < 0) {
		/* somebody cleaned up before us, or we were here before */
	}
	plx_sys_close(dir);
}

void plx_listener_close(struct plx_listener *listener, const struct plx_place *place)
{
	if (listener->fd < 0)
		return;
	plx_listener_hide(listener, place);
	plx_sys_close(listener->fd);
	*listener = PLX_LISTENER_NONE;
	plx_place_leave(place);
}

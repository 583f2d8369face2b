/*
 * watch.c - inotify on a topic's directory.
 *
 * All that matters is "something may have changed": the owner lists the directory again, which is right whatever was
 * lost on the way. A publisher's arrival is the rename to its final name. The directory itself may vanish (the last
 * publisher removes it when it leaves); then it is made and watched again, and the owner looks, because somebody may
 * have appeared in between. plx_place_leave() changes the mode of what it removed, hence IN_ATTRIB.
 */
#include "topic/watch.h"

#include "base/sys.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define WATCH_MASK  (IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define WATCH_TRIES 64
#define WATCH_READS 64 /* buffers taken at once; the rest keeps the descriptor readable */

/* Watch the directory there is now. Return: 1 watched, 0 it was removed meanwhile, -errno. */
static int watch_once(struct plx_watch *watch, const struct plx_place *place)
{
	char path[40];
	struct stat st;
	int ret, wd, dir = plx_place_dir(place, true);

	if (dir < 0)
		return dir;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	wd = plx_sys_inotify_add(watch->fd, path, WATCH_MASK);
	ret = wd < 0 ? wd
		     : plx_sys_stat(dir, &st); /* of one that is gone already nothing would ever be heard */
	plx_sys_close(dir);
	if (wd >= 0 && (ret < 0 || st.st_nlink == 0)) {
		plx_sys_inotify_del(watch->fd, wd);
		return ret < 0 ? ret : 0;
	}
	if (ret == 0)
		watch->wd = wd; /* the same number when it is the same directory */
	return ret < 0 ? ret : 1;
}

static int watch_again(struct plx_watch *watch, const struct plx_place *place)
{
	int i, old = watch->wd, ret = 0;

	watch->wd = -1;
	for (i = 0; i < WATCH_TRIES && ret == 0; i++)
		ret = watch_once(watch, place);
	if (old >= 0 && old != watch->wd)
		plx_sys_inotify_del(watch->fd, old);
	return ret == 0 ? -EAGAIN : ret;
}

int plx_watch_open(struct plx_watch *watch, const struct plx_place *place)
{
	struct plx_watch w = PLX_WATCH_NONE;
	int ret;

	w.fd = plx_sys_inotify();
	if (w.fd < 0) { /* too many instances, or no inotify at all: by the clock */
		w.fd = -1;
		ret = plx_place_dir(place, true);
		if (ret < 0 && !(ret == -ENOENT && place->foreign))
			return ret;
		plx_sys_close(ret);
		*watch = w;
		return 0;
	}
	ret = watch_again(&w, place);
	if (ret < 0 && ret != -ENOSPC && ret != -EAGAIN &&
	    !(ret == -ENOENT && place->foreign)) { /* ENOSPC: too many watches: by the clock as well */
		plx_sys_close(w.fd);
		return ret;
	}
	*watch = w;
	return 0;
}

/* What one buffer of events says. */
struct news {
	bool look;
	bool gone;
};

static void read_events(struct news *news, int wd, const char *buf, size_t size)
{
	const struct inotify_event *event;
	size_t off;

	for (off = 0; off < size; off += sizeof(*event) + event->len) {
		event = (const void *)(buf + off);
		if (event->mask & IN_Q_OVERFLOW)
			news->look = news->gone = true;
		else if (event->wd != wd)
			continue; /* of a directory we watched before */
		else if (event->mask & IN_MOVED_TO)
			news->look = true;
		else if (event->len == 0) /* about the directory itself */
			news->gone = true;
	}
}

bool plx_watch_blind(const struct plx_watch *watch)
{
	return watch->fd < 0 || watch->wd < 0;
}

int plx_watch_read(struct plx_watch *watch, const struct plx_place *place)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct news news = { 0 };
	ssize_t n;
	int i, ret;

	if (watch->fd < 0)
		return 1;
	for (i = 0; i < WATCH_READS; i++) {
		n = plx_sys_read(watch->fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		read_events(&news, watch->wd, buf, (size_t)n);
	}
	if (news.gone || watch->wd < 0) {
		ret = watch_again(watch, place);
		return ret < 0 ? ret : 1;
	}
	return news.look;
}

void plx_watch_close(struct plx_watch *watch)
{
	plx_sys_close(watch->fd);
	*watch = PLX_WATCH_NONE;
}

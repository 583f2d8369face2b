/* dir.c - the names in a directory. readdir() would allocate, and hide its system calls from the doors. */
#include "base/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

int plx_dir_open(struct plx_dir *list, int dir, const char *path)
{
	int fd = plx_sys_open(dir, path, O_RDONLY | O_DIRECTORY, 0);

	list->fd = -1;
	list->at = list->end = 0;
	if (fd < 0)
		return fd;
	list->fd = fd;
	return 0;
}

int plx_dir_next(struct plx_dir *list, const char **name)
{
	for (;;) {
		const struct dirent64 *entry;

		if (list->at >= list->end) {
			ssize_t n = plx_sys_dirents(list->fd, list->buf, sizeof(list->buf));

			if (n <= 0)
				return (int)n;
			list->at = 0;
			list->end = (uint32_t)n;
		}
		entry = (const struct dirent64 *)(const void *)(list->buf + list->at);
		list->at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		list->type = entry->d_type;
		list->ino = entry->d_ino;
		*name = entry->d_name;
		return 1;
	}
}

void plx_dir_close(struct plx_dir *list)
{
	plx_sys_close(list->fd);
	list->fd = -1;
}

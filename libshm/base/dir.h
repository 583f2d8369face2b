/* dir.h - the names in a directory, one after the other, without allocating. */
#ifndef BASE_DIR_H
#define BASE_DIR_H

#include <plx/common.h>

struct plx_dir {
	int fd; /* -1 when not open */
	uint32_t at, end;
	unsigned char type; /* DT_* of the entry last returned; DT_UNKNOWN when the filesystem does not say */
	uint64_t ino;       /* of that entry */
	_Alignas(8) char buf[2048];
};

/**
 * plx_dir_open() - begin to list @path below @dir (a descriptor, or AT_FDCWD).
 *
 * Return: 0, or -ENOENT, -ENOTDIR, -EACCES, -EMFILE ...
 * Owner:  plx_dir_close(), also after an error of plx_dir_next().
 */
int plx_dir_open(struct plx_dir *list, int dir, const char *path) plx_must_check;

/**
 * plx_dir_next() - the next name, without "." and "..".
 * @name: points into @list until the next call
 *
 * Return: 1, 0 at the end, or -errno.
 */
int plx_dir_next(struct plx_dir *list, const char **name) plx_must_check;

void plx_dir_close(struct plx_dir *list);

#endif

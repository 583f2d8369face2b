/* sys_file.c - the doors for files that keep their contents: room on a disk, maps of a part, locks, what is on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"

int plx_sys_map_file(void **addr, uint64_t size, int prot, int fd, uint64_t off)
{
	void *p;
	int ret = plx_sys_gate("map_file", ENOMEM);

	if (ret < 0)
		return ret;
	if (size > SIZE_MAX || off > INT64_MAX)
		return -ENOMEM;
	p = mmap(NULL, (size_t)size, prot, MAP_SHARED, fd, (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	*addr = p;
	return 0;
}

ssize_t plx_sys_write_at(int fd, const void *buf, size_t size, uint64_t off)
{
	ssize_t n = plx_sys_gate("write_at", EIO);

	if (n < 0)
		return n;
	do {
		n = pwrite(fd, buf, size, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int plx_sys_sync(int fd)
{
	int ret = plx_sys_gate("sync", EIO);

	if (ret < 0)
		return ret;
	do {
		ret = fsync(fd);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

int plx_sys_lock(int fd, bool exclusive)
{
	struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	int ret = plx_sys_gate("lock", ENOLCK);

	if (ret < 0)
		return ret;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

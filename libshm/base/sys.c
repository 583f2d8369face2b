/*
 * sys.c - the doors to the kernel for memory and files, and the gate in front of all doors.
 *
 * A door first asks the gate. In the library the gate is a function that says 0; in the test build (-DPLX_FAULT, this file
 * only) it counts, and holds one door shut, so that a loop can walk every error path there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sys.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

#define ALLOCATE_STEP  (64ull << 20) /* bytes per fallocate(): a signal costs at most one step */
#define ALLOCATE_LEAST (64ull << 10)

/* ---- the gate ------------------------------------------------------------------------------------ */

#ifdef PLX_FAULT

_Atomic int plx_fault_huge;
_Atomic int plx_fault_at = -1;
_Atomic int plx_fault_seen;
_Atomic int plx_fault_error;
_Atomic int plx_fault_kill;
_Atomic int plx_fault_old;
const char *plx_fault_door;
const char *plx_fault_failed;
_Thread_local void (*plx_fault_hook)(const char *door);

static bool gate_hit(const char *door)
{
	if (plx_fault_door && strcmp(plx_fault_door, door) != 0)
		return false;
	/* relaxed: a count; tests that set it run one thread at that moment */
	return atomic_fetch_add_explicit(&plx_fault_seen, 1, memory_order_relaxed) ==
	       atomic_load_explicit(&plx_fault_at, memory_order_relaxed);
}

int plx_sys_gate(const char *door, int error)
{
	if (plx_fault_hook)
		plx_fault_hook(door);
	if (!gate_hit(door))
		return 0;
	if (plx_fault_kill)
		kill(getpid(), SIGKILL);
	__atomic_store_n(&plx_fault_failed, door, __ATOMIC_RELAXED);
	return plx_fault_error ? -plx_fault_error : -error;
}

void plx_sys_gate_release(const char *door)
{
	if (plx_fault_kill && gate_hit(door))
		kill(getpid(), SIGKILL);
}

bool plx_sys_gate_old(void)
{
	return plx_fault_old;
}

static bool gate_huge(void)
{
	return plx_fault_huge;
}

#else

int plx_sys_gate(const char *door, int error)
{
	(void)door;
	(void)error;
	return 0;
}

void plx_sys_gate_release(const char *door)
{
	(void)door;
}

bool plx_sys_gate_old(void)
{
	return false;
}

static bool gate_huge(void)
{
	return false;
}

#endif

/* ---- memory -------------------------------------------------------------------------------------- */

static int memfd(const char *name, unsigned int flags)
{
	int fd;

	if ((flags & MFD_NOEXEC_SEAL) && plx_sys_gate_old())
		return -EINVAL;
	fd = (int)syscall(SYS_memfd_create, name, flags);
	return fd < 0 ? -errno : fd;
}

static int memfd_private(const char *name, unsigned int flags)
{
	int fd, ret = plx_sys_gate("memfd", EMFILE);

	if (ret < 0)
		return ret;
	flags |= MFD_CLOEXEC | MFD_ALLOW_SEALING;
	fd = memfd(name, flags | MFD_NOEXEC_SEAL);
	if (fd == -EINVAL) /* before 6.3 */
		fd = memfd(name, flags);
	if (fd < 0)
		return fd;
	if (fchmod(fd, 0600) < 0) { /* the kernel's default lets everybody who holds it open it again */
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int plx_sys_memfd(const char *name)
{
	return memfd_private(name, 0);
}

int plx_sys_memfd_huge(const char *name, unsigned int shift)
{
	return memfd_private(name, MFD_HUGETLB | shift << MFD_HUGE_SHIFT);
}

int plx_sys_truncate(int fd, uint64_t size)
{
	struct rlimit limit;
	int ret = plx_sys_gate("truncate", ENOSPC);

	if (ret < 0)
		return ret;
	if (size > INT64_MAX)
		return -EFBIG;
	/* above the limit the kernel would also send SIGXFSZ, which kills */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
		return -EFBIG;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int allocate(int fd, uint64_t off, uint64_t len, bool look)
{
	uint64_t step = ALLOCATE_STEP, done = 0;
	int ret = plx_sys_gate("allocate", ENOSPC);

	if (ret < 0 && ret != -EINTR) /* held shut with EINTR: as if the first step had been interrupted */
		return ret;
	if (off > INT64_MAX || len > INT64_MAX - off)
		return -EFBIG;
	if (look && !plx_memory_plausible(len))
		return -ENOSPC;
	while (done < len) {
		uint64_t part = len - done < step ? len - done : step;

		if (ret == 0 && fallocate(fd, 0, (off_t)(off + done), (off_t)part) < 0)
			ret = -errno;
		if (ret == 0) {
			done += part;
			continue;
		}
		if (ret != -EINTR)
			return ret;
		/* kernels until 2024 undo the step then: under a periodic signal a long one would begin for ever */
		if (step > ALLOCATE_LEAST)
			step /= 2;
		ret = 0;
	}
	return 0;
}

int plx_sys_allocate(int fd, uint64_t off, uint64_t len)
{
	return allocate(fd, off, len, true);
}

int plx_sys_allocate_there(int fd, uint64_t off, uint64_t len)
{
	return allocate(fd, off, len, false);
}

int plx_sys_map(void **addr, uint64_t size, int prot, int flags, int fd)
{
	void *p;
	int ret = plx_sys_gate("map", ENOMEM);

	if (ret < 0)
		return ret;
	if (size > SIZE_MAX)
		return -ENOMEM;
	flags |= fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	p = mmap(NULL, (size_t)size, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*addr = p;
	return 0;
}

void plx_sys_unmap(void *addr, uint64_t size)
{
	plx_sys_gate_release("unmap");
	munmap(addr, (size_t)size);
}

int plx_sys_advise(void *addr, uint64_t size, int advice)
{
	int ret = plx_sys_gate("advise", ENOMEM);

	if (ret < 0)
		return ret;
	return madvise(addr, (size_t)size, advice) < 0 ? -errno : 0;
}

int plx_sys_seal(int fd, int seals)
{
	int ret = plx_sys_gate("seal", EPERM);

	if (ret < 0)
		return ret;
	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int plx_sys_seals(int fd)
{
	int ret = plx_sys_gate("seals", EINVAL);

	if (ret < 0)
		return ret;
	ret = fcntl(fd, F_GET_SEALS);
	return ret < 0 ? -errno : ret;
}

/* ---- files, directories -------------------------------------------------------------------------- */

int plx_sys_chmod(int fd, mode_t mode)
{
	int ret = plx_sys_gate("chmod", EPERM);

	if (ret < 0)
		return ret;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

int plx_sys_chgrp(int fd, gid_t group)
{
	int ret = plx_sys_gate("chgrp", EPERM);

	if (ret < 0)
		return ret;
	return fchown(fd, (uid_t)-1, group) < 0 ? -errno : 0;
}

int plx_sys_chmod_at(int dir, const char *path, mode_t mode)
{
	int ret = plx_sys_gate("chmod_at", EPERM);

	if (ret < 0)
		return ret;
	return fchmodat(dir, path, mode, 0) < 0 ? -errno : 0;
}

int plx_sys_chgrp_at(int dir, const char *path, gid_t group)
{
	int ret = plx_sys_gate("chgrp_at", EPERM);

	if (ret < 0)
		return ret;
	return fchownat(dir, path, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int plx_sys_stat(int fd, struct stat *st)
{
	int ret = plx_sys_gate("stat", EIO);

	if (ret < 0)
		return ret;
	if (fstat(fd, st) < 0)
		return -errno;
	if (gate_huge())
		st->st_blksize = 2 << 20;
	return 0;
}

int64_t plx_sys_filesystem(int fd)
{
	struct statfs st;
	int ret = plx_sys_gate("filesystem", EIO);

	if (ret < 0)
		return ret;
	if (gate_huge())
		return PLX_SYS_HUGETLBFS;
	return fstatfs(fd, &st) < 0 ? -errno : (int64_t)st.f_type;
}

int plx_sys_reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return plx_sys_open(AT_FDCWD, path, flags, 0);
}

uint64_t plx_sys_fd_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

int plx_sys_dup(int fd)
{
	int ret = plx_sys_gate("dup", EMFILE);

	if (ret < 0)
		return ret;
	ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return ret < 0 ? -errno : ret;
}

void plx_sys_close(int fd)
{
	int saved = errno;

	if (fd < 0)
		return;
	plx_sys_gate_release("close");
	close(fd); /* Linux frees the number whatever close() says */
	errno = saved;
}

int plx_sys_open(int dir, const char *path, int flags, mode_t mode)
{
	int ret = plx_sys_gate("open", EMFILE);

	if (ret < 0)
		return ret;
	do {
		ret = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY, mode);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

ssize_t plx_sys_read(int fd, void *buf, size_t size)
{
	ssize_t n = plx_sys_gate("read", EIO);

	if (n < 0)
		return n;
	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t plx_sys_read_at(int fd, void *buf, size_t size, uint64_t off)
{
	ssize_t n = plx_sys_gate("read_at", EIO);

	if (n < 0)
		return n;
	do {
		n = pread(fd, buf, size, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t plx_sys_write(int fd, const void *buf, size_t size)
{
	ssize_t n = plx_sys_gate("write", EIO);

	if (n < 0)
		return n;
	do {
		n = write(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int64_t plx_sys_seek(int fd, uint64_t off, int whence)
{
	off_t at = plx_sys_gate("seek", EIO);

	if (at < 0)
		return at;
	at = lseek(fd, (off_t)off, whence);
	return at < 0 ? -errno : at;
}

int plx_sys_mkdir(int dir, const char *path, mode_t mode)
{
	int ret = plx_sys_gate("mkdir", EACCES);

	if (ret < 0)
		return ret;
	return mkdirat(dir, path, mode) < 0 ? -errno : 0;
}

int plx_sys_rmdir(int dir, const char *path)
{
	int ret = plx_sys_gate("rmdir", EACCES);

	if (ret < 0)
		return ret;
	return unlinkat(dir, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int plx_sys_unlink(int dir, const char *path)
{
	int ret = plx_sys_gate("unlink", EACCES);

	if (ret < 0)
		return ret;
	return unlinkat(dir, path, 0) < 0 ? -errno : 0;
}

int plx_sys_rename(int dir, const char *from, const char *to)
{
	int ret = plx_sys_gate("rename", EACCES);

	if (ret < 0)
		return ret;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

int plx_sys_lstat(int dir, const char *path, struct stat *st)
{
	int ret = plx_sys_gate("lstat", EACCES);

	if (ret < 0)
		return ret;
	return fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int plx_sys_stat_at(int dir, const char *path, struct stat *st)
{
	int ret = plx_sys_gate("stat_at", EACCES);

	if (ret < 0)
		return ret;
	return fstatat(dir, path, st, 0) < 0 ? -errno : 0;
}

ssize_t plx_sys_readlink(int dir, const char *path, char *buf, size_t size)
{
	ssize_t n = plx_sys_gate("readlink", EACCES);

	if (n < 0)
		return n;
	n = readlinkat(dir, path, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

ssize_t plx_sys_dirents(int fd, void *buf, size_t size)
{
	ssize_t n = plx_sys_gate("dirents", EIO);

	if (n < 0)
		return n;
	n = syscall(SYS_getdents64, fd, buf, size);
	return n < 0 ? -errno : n;
}

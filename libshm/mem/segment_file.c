/*
 * segment_file.c - a segment in a file: what is in it is there for the next process, or that process is told why not.
 *
 * The file begins with a page of its own (file_layout.h) which says whether the file was closed, and the checksum of what
 * follows. It says "open" before anybody can write a byte, and "closed" after every byte and then the checksum are on the
 * disk; so a writer that dies at any instruction leaves a file that says so. Nothing is repaired.
 *
 * Who opens it locks it, writers alone, readers together. The lock belongs to the open file and so lasts as long as any map
 * made from it, also in children of the writer. It holds for those who ask for it, which we do; the kernel has nothing that
 * holds for others. Contents are read for the checksum, not mapped: a file that shrinks meanwhile is an error, not a SIGBUS.
 */
#include <plx/log.h>
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/size.h"
#include "base/sys.h"
#include "mem/file_layout.h"
#include "mem/segment_backend.h"
#include "mem/segment_layout.h"

static_assert(PLX_FILE_SUM == PLX_HASH_BYTES, "BLAKE2b-256");
static_assert(PLX_FILE_PAGE % PLX_PAGE == 0, "maps begin at pages");

#define DIR_MAX_BYTES 4096u

/* The page as it is on the disk. */
struct page {
	struct plx_file_hdr hdr;
	unsigned char rest[PLX_FILE_PAGE - sizeof(struct plx_file_hdr)]; /* 0 */
};
static_assert(sizeof(struct page) == PLX_FILE_PAGE, "no padding");

/* ---- the page ------------------------------------------------------------------------------------ */

static int sum_of_header(const struct plx_file_hdr *hdr, uint8_t sum[PLX_FILE_SUM])
{
	struct plx_hash hash;
	int ret = plx_hash_begin(&hash);

	if (ret < 0)
		return ret;
	plx_hash_add(&hash, hdr, offsetof(struct plx_file_hdr, self));
	plx_hash_end(&hash, sum);
	return 0;
}

static int sum_of_contents(int fd, uint64_t size, uint8_t sum[PLX_FILE_SUM])
{
	unsigned char buf[32768];
	struct plx_hash hash;
	uint64_t done = 0;
	int ret = plx_hash_begin(&hash);

	while (ret == 0 && done < size) {
		uint64_t left = size - done;
		ssize_t n = plx_sys_read_at(fd, buf, left < sizeof(buf) ? left : sizeof(buf),
					    PLX_FILE_PAGE + done);

		if (n <= 0)
			return n < 0 ? (int)n : -ERANGE; /* it shrank meanwhile */
		plx_hash_add(&hash, buf, (size_t)n);
		done += (uint64_t)n;
	}
	if (ret == 0)
		plx_hash_end(&hash, sum);
	return ret;
}

/* On the disk when this returns. */
static int write_page(int fd, struct plx_file_hdr *hdr)
{
	struct page page = { .rest = { 0 } };
	int ret = sum_of_header(hdr, hdr->self);
	ssize_t n;

	if (ret < 0)
		return ret;
	page.hdr = *hdr;
	n = plx_sys_write_at(fd, &page, sizeof(page), 0);
	if (n < 0)
		return (int)n;
	return n == sizeof(page) ? plx_sys_sync(fd) : -EIO;
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static const char *header_fault(const struct page *page)
{
	const struct plx_file_hdr *h = &page->hdr;

	if (!is_zero(page->rest, sizeof(page->rest)) || !is_zero(h->reserved, sizeof(h->reserved)) ||
	    h->reserved0 != 0)
		return "the file's header is damaged: reserved bytes are not zero";
	if (h->state != PLX_FILE_OPEN && h->state != PLX_FILE_CLOSED)
		return "the file's header is damaged: neither open nor closed";
	if (h->size == 0 || h->size % PLX_PAGE != 0 || h->size > PLX_SEGMENT_SIZE_MAX)
		return "the file's header is damaged: no size of a segment";
	if (h->id == 0 || h->writer == 0 || (h->state == PLX_FILE_CLOSED && h->syncs == 0))
		return "the file's header is damaged: it contradicts itself";
	return NULL;
}

/* Read the page and check it: 0, -EPROTO (not a file of ours), -EBADMSG (damaged), -ERANGE (the file has another size). */
static int read_page(int fd, const struct stat *st, struct plx_file_hdr *hdr, const char **why)
{
	uint8_t sum[PLX_FILE_SUM];
	struct page page;
	ssize_t n = plx_sys_read_at(fd, &page, sizeof(page), 0);
	int ret;

	*why = NULL;
	if (n < 0)
		return (int)n;
	*why = "not a file of a segment, or its making was cut short";
	if (n != sizeof(page) || page.hdr.magic != PLX_FILE_MAGIC)
		return -EPROTO;
	*hdr = page.hdr;
	*why = NULL;
	ret = sum_of_header(hdr, sum);
	if (ret < 0)
		return ret;
	*why = "the file's header is damaged: its checksum is wrong";
	if (memcmp(sum, hdr->self, sizeof(sum)) != 0)
		return -EBADMSG;
	*why = "the file's header has another layout";
	if (hdr->layout != PLX_FILE_LAYOUT)
		return -EPROTO;
	*why = header_fault(&page);
	if (*why)
		return -EBADMSG;
	*why = "the file is shorter than its header says: it was cut";
	if ((uint64_t)st->st_size < PLX_FILE_PAGE + hdr->size)
		return -ERANGE;
	*why = "the file is longer than its header says";
	if ((uint64_t)st->st_size > PLX_FILE_PAGE + hdr->size)
		return -ERANGE;
	*why = NULL;
	return 0;
}

/* Ours, and nobody else may write it. */
static int check_owner(const struct stat *st, const char **why)
{
	*why = "not an ordinary file";
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	*why = "the file belongs to another user";
	if (st->st_uid != plx_sys_uid())
		return -EACCES;
	*why = "others than its owner may write the file";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return -EACCES;
	*why = NULL;
	return 0;
}

/* Room on the disk, or in memory for a file that is there, so that no page of the map can turn out to have none. */
static int allocate(int fd, uint64_t len)
{
	int64_t filesystem = plx_sys_filesystem(fd);

	if (filesystem < 0)
		return (int)filesystem;
	return filesystem == PLX_SYS_TMPFS ? plx_sys_allocate(fd, 0, len)
					   : plx_sys_allocate_there(fd, 0, len);
}

static int map(struct plx_segment *seg, int fd, unsigned int flags)
{
	int ret = plx_sys_map_file(&seg->base, seg->size, PROT_READ | (seg->writable ? PROT_WRITE : 0), fd,
				   PLX_FILE_PAGE);

	return ret < 0 ? ret : plx_segment_keep_from_children(seg, flags);
}

/* ---- making -------------------------------------------------------------------------------------- */

/* "a/b/c" is "c" in "a/b". */
static int split(const char *path, char dir[DIR_MAX_BYTES], const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	*name = slash ? slash + 1 : path;
	if (**name == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
		return -EINVAL;
	if (n >= DIR_MAX_BYTES - 1)
		return -ENAMETOOLONG;
	memcpy(dir, path, n);
	if (n == 0)
		dir[n++] = slash ? '/' : '.';
	dir[n] = '\0';
	return 0;
}

static int fill(struct plx_segment *seg, unsigned int flags)
{
	struct plx_file_hdr hdr = { .magic = PLX_FILE_MAGIC, .layout = PLX_FILE_LAYOUT };
	int ret = plx_sys_lock(seg->fd, true);

	if (ret == 0)
		ret = plx_sys_truncate(seg->fd, PLX_FILE_PAGE + seg->size);
	if (ret == 0)
		ret = allocate(seg->fd, PLX_FILE_PAGE + seg->size);
	if (ret == 0)
		ret = map(seg, seg->fd, flags);
	while (ret == 0 && hdr.id == 0)
		ret = plx_sys_random(&hdr.id, sizeof(hdr.id));
	if (ret < 0)
		return ret;
	hdr.state = PLX_FILE_OPEN;
	hdr.size = seg->size;
	hdr.created_ns = plx_sys_wall_ns();
	hdr.writer = (uint32_t)plx_sys_pid();
	return write_page(seg->fd, &hdr);
}

int plx_segment_create_file(struct plx_segment *seg, const char *path, unsigned int flags)
{
	char dirname[DIR_MAX_BYTES];
	const char *name;
	int dir, ret = split(path, dirname, &name);

	if (ret < 0)
		return ret;
	dir = plx_sys_open(AT_FDCWD, dirname, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	ret = seg->fd = plx_sys_open(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (ret >= 0) {
		ret = fill(seg, flags);
		if (ret == 0)
			ret = plx_sys_sync(dir); /* its name is on the disk, too */
		if (ret < 0) {
			if (seg->base)
				plx_sys_unmap(seg->base, seg->size);
			seg->base = NULL; /* there is nothing to finish */
			(void)!plx_sys_unlink(dir, name);
		}
	}
	plx_sys_close(dir);
	return ret;
}

/* ---- opening what is there ------------------------------------------------------------------------- */

/* Is what the file holds what was put there? */
static int check_contents(int fd, const struct plx_file_hdr *hdr, unsigned int flags, const char **why)
{
	uint8_t sum[PLX_FILE_SUM];
	int ret;

	if (hdr->state == PLX_FILE_OPEN && (flags & PLX_FILE_DIRTY_OK))
		return 0;
	*why = "not closed cleanly: its writer died before it synced the file";
	if (hdr->syncs == 0)
		return -EOWNERDEAD;
	*why = NULL;
	ret = sum_of_contents(fd, hdr->size, sum);
	if (ret < 0)
		return ret;
	if (memcmp(sum, hdr->contents, sizeof(sum)) == 0)
		return 0;
	*why = "the contents are damaged: their checksum is wrong";
	if (hdr->state == PLX_FILE_CLOSED)
		return -EBADMSG;
	*why = "not closed cleanly: its writer died after it had changed what was synced";
	return -EOWNERDEAD;
}

/* From now on it is open: the next one is told, should we die. A copy of a file may have holes: they are filled. */
static int open_for_writing(int fd, struct plx_file_hdr *hdr)
{
	int ret = allocate(fd, PLX_FILE_PAGE + hdr->size);

	if (ret < 0)
		return ret;
	hdr->state = PLX_FILE_OPEN;
	hdr->writer = (uint32_t)plx_sys_pid();
	return write_page(fd, hdr);
}

/* In memory, a hole is allocated when it is read; on a disk it is not. */
static int check_holes(int fd, const struct stat *st)
{
	int64_t filesystem = plx_sys_filesystem(fd);

	if (filesystem < 0)
		return (int)filesystem;
	return filesystem == PLX_SYS_TMPFS && st->st_blocks * 512 < st->st_size ? -ERANGE : 0;
}

static int open_file(struct plx_segment *seg, unsigned int flags, const char **why)
{
	struct plx_file_hdr hdr;
	struct stat st;
	int ret = plx_sys_lock(seg->fd, flags & PLX_FILE_WRITE);

	if (ret == -EBUSY)
		*why = "somebody else has the file open";
	if (ret == 0)
		ret = plx_sys_stat(seg->fd, &st);
	if (ret == 0)
		ret = check_owner(&st, why);
	if (ret == 0)
		ret = read_page(seg->fd, &st, &hdr, why);
	if (ret == 0)
		ret = check_contents(seg->fd, &hdr, flags, why);
	if (ret < 0)
		return ret;
	*why = NULL;
	ret = flags & PLX_FILE_WRITE ? open_for_writing(seg->fd, &hdr) : check_holes(seg->fd, &st);
	if (ret < 0)
		return ret;
	seg->size = hdr.size;
	seg->writable = (flags & PLX_FILE_WRITE) != 0;
	return map(seg, seg->fd, flags);
}

int plx_segment_open_file(struct plx_segment *seg, const char *path, unsigned int flags, const char **why)
{
	struct plx_segment s = PLX_SEGMENT_NONE;
	const char *reason = NULL;
	int ret;

	*seg = PLX_SEGMENT_NONE;
	if (why)
		*why = NULL;
	if (!path || (flags & ~(PLX_FILE_WRITE | PLX_SEGMENT_INHERIT | PLX_FILE_DIRTY_OK)))
		return -EINVAL;
	s.backend = PLX_BACKEND_FILE;
	/* O_NONBLOCK: a pipe of that name would have us wait for its other end */
	ret = s.fd = plx_sys_open(AT_FDCWD, path,
				  (flags & PLX_FILE_WRITE ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK, 0);
	if (ret == -ELOOP)
		reason = "the path is a symbolic link";
	if (ret >= 0)
		ret = open_file(&s, flags, &reason);
	if (ret < 0) {
		if (why)
			*why = reason ? reason : plx_strerror(ret);
		plx_segment_close(&s);
		return ret;
	}
	*seg = s;
	return 0;
}

int plx_segment_attach_file(struct plx_segment *seg, int fd, uint64_t said)
{
	struct plx_file_hdr hdr;
	const char *why;
	struct stat st;
	int ret = plx_sys_stat(fd, &st);

	if (ret == 0)
		ret = check_owner(&st, &why);
	if (ret == 0)
		ret = read_page(fd, &st, &hdr, &why);
	if (ret == 0 && said != 0 && said != hdr.size)
		ret = -ERANGE;
	if (ret == 0)
		ret = check_holes(fd, &st);
	if (ret < 0)
		return ret;
	seg->backend = PLX_BACKEND_FILE;
	seg->size = hdr.size;
	return map(seg, fd, PLX_SEGMENT_INHERIT); /* plx_segment_attach() keeps it from children */
}

uint64_t plx_segment_file_skip(int fd, const struct stat *st)
{
	struct plx_file_hdr hdr;
	const char *why;

	return read_page(fd, st, &hdr, &why) == 0 ? PLX_FILE_PAGE : 0;
}

/* ---- on the disk ----------------------------------------------------------------------------------- */

/* Contents, then the page that says they are there: in that order also on the disk. */
static int write_sums(const struct plx_segment *seg, enum plx_file_state state, const char **why)
{
	struct plx_file_hdr hdr;
	struct stat st;
	int ret = plx_sys_stat(seg->fd, &st);

	*why = NULL;
	if (ret == 0)
		ret = read_page(seg->fd, &st, &hdr, why);
	if (ret == 0 && (hdr.size != seg->size || hdr.state != PLX_FILE_OPEN))
		ret = -EBADMSG; /* somebody else wrote it, whatever the lock says */
	if (ret == 0 && hdr.writer != (uint32_t)plx_sys_pid())
		ret = -EPERM;
	if (ret == 0)
		ret = sum_of_contents(seg->fd, seg->size, hdr.contents);
	if (ret == 0)
		ret = plx_sys_sync(seg->fd);
	if (ret < 0)
		return ret;
	hdr.state = state;
	hdr.synced_ns = plx_sys_wall_ns();
	hdr.syncs++;
	return write_page(seg->fd, &hdr);
}

int plx_segment_sync(const struct plx_segment *seg)
{
	const char *why;

	if (seg->backend != PLX_BACKEND_FILE || !seg->base)
		return -ENOTSUP;
	return seg->writable ? write_sums(seg, PLX_FILE_OPEN, &why) : -EPERM;
}

void plx_segment_finish_file(const struct plx_segment *seg)
{
	const char *why;
	int ret = seg->writable ? write_sums(seg, PLX_FILE_CLOSED, &why) : 0;

	if (ret < 0 && ret != -EPERM) /* that is a child, which only gives up its copy */
		plx_log(PLX_LOG_WARNING,
			"a file was not closed cleanly, and will not be opened as if it was: %s",
			why ? why : plx_strerror(ret));
}

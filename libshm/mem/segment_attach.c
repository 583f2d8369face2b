/*
 * segment_attach.c - map what a stranger made.
 *
 *   seals -> size -> what it is made of -> map -> a copy of the header, checked
 *
 * In another order the size could change between the look and the use. What cannot be fixed (a file, a memfd without
 * seals) is copied for tools, and refused for everybody else, except for a file of our own that the caller vouches for.
 */
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/size.h"
#include "base/sys.h"
#include "mem/segment_backend.h"
#include "mem/segment_layout.h"

/* Kinds that have one writer: they must be sealed such that there can be no other. */
static bool has_one_writer(uint32_t kind)
{
	return kind == PLX_KIND_TOPIC;
}

static int check_seals(int fd, uint32_t kind, unsigned int flags)
{
	int seals = plx_sys_seals(fd);

	if (flags & PLX_ATTACH_INSPECT) /* whatever it is; what cannot be sealed has none */
		return seals == -EINVAL ? 0 : seals;
	if (seals < 0)
		return seals;
	if ((seals & PLX_SEALS_SIZE) != PLX_SEALS_SIZE || !(seals & F_SEAL_SEAL))
		return -EPERM;
	if (has_one_writer(kind) && !(flags & PLX_ATTACH_WRITE) && !(seals & PLX_SEALS_WRITE))
		return -EPERM;
	return seals;
}

/* The size is that of the mapping, whoever says what; and with one writer, whether all its memory is there. */
static int check_size(int fd, uint64_t said, uint32_t kind, struct stat *st)
{
	int ret = plx_sys_stat(fd, st);
	uint64_t size;

	if (ret < 0)
		return ret;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	size = (uint64_t)st->st_size;
	if (size < sizeof(struct plx_segment_hdr) || size > PLX_SEGMENT_SIZE_MAX ||
	    (said != 0 && size != said))
		return -ERANGE;
	/* reading a hole would allocate it, at the reader's expense; sealed against writing, there can be no new ones */
	if (has_one_writer(kind) && (uint64_t)st->st_blocks * 512 < size)
		return -ERANGE;
	return 0;
}

/* Read the parts of the file that are there, from @skip on; holes stay holes. */
static int copy_file(const struct plx_segment *seg, int fd, uint64_t skip)
{
	const uint64_t end = skip + seg->size;
	uint64_t off = skip;

	while (off < end) {
		int64_t data = plx_sys_seek(fd, off, SEEK_DATA), hole;

		if (data == -ENXIO)
			return 0;
		hole = data < 0 ? data : plx_sys_seek(fd, (uint64_t)data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		for (off = (uint64_t)data; off < (uint64_t)hole && off < end;) {
			uint64_t left = ((uint64_t)hole < end ? (uint64_t)hole : end) - off;
			ssize_t n = plx_sys_read_at(fd, (unsigned char *)seg->base + (off - skip),
						    left < 1 << 30 ? left : 1 << 30, off);

			if (n < 0)
				return (int)n;
			if (n == 0)
				return 0; /* it shrank under us: the rest reads as zero */
			off += (uint64_t)n;
		}
	}
	return 0;
}

/*
 * A file whose size is not sealed may shrink at any moment, and touching a page that is gone kills. A tool that looks
 * at one gets a private copy instead of a map.
 */
static int attach_copy(struct plx_segment *seg, int fd, const struct stat *st)
{
	uint64_t skip = plx_segment_file_skip(fd, st);
	int ret;

	if (!plx_memory_plausible((uint64_t)st->st_blocks * 512))
		return -ENOMEM;
	seg->size -= skip;
	seg->backend = PLX_BACKEND_HEAP;
	ret = plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, MAP_NORESERVE, -1);
	return ret < 0 ? ret : copy_file(seg, fd, skip);
}

/*
 * A huge page that is not there is taken when it is touched, and if none is left that is SIGBUS: for whoever touches. So all
 * of them must be there, and sealed such that nobody can take one out again; the seals that forbid it forbid writing.
 */
static int check_huge(struct plx_segment *seg, const struct stat *st, int seals, unsigned int flags)
{
	uint64_t page = (uint64_t)st->st_blksize;

	for (seg->backend = PLX_BACKEND_HUGE_2M; plx_segment_huge_page(seg->backend) != page; seg->backend++)
		if (seg->backend == PLX_BACKEND_HUGE_1G)
			return -EINVAL; /* of a size we know nothing about */
	if (seg->size % page != 0 || (uint64_t)st->st_blocks * 512 < seg->size)
		return -ERANGE;
	if (flags & PLX_ATTACH_INSPECT)
		return 0;
	return flags & PLX_ATTACH_WRITE || !(seals & PLX_SEALS_WRITE) ? -EPERM : 0;
}

static int attach_sealed(struct plx_segment *seg, int fd, uint64_t said, uint32_t kind, unsigned int flags)
{
	struct stat st;
	int64_t filesystem;
	int seals = check_seals(fd, kind, flags), ret;

	if (seals < 0)
		return seals;
	ret = check_size(fd, said, flags & PLX_ATTACH_INSPECT ? PLX_KIND_NONE : kind, &st);
	if (ret < 0)
		return ret;
	seg->size = (uint64_t)st.st_size;
	filesystem = plx_sys_filesystem(fd);
	if (filesystem < 0)
		return (int)filesystem;
	seg->backend = PLX_BACKEND_MEMFD;
	if (filesystem == PLX_SYS_HUGETLBFS) {
		ret = check_huge(seg, &st, seals, flags);
		if (ret < 0)
			return ret;
		if (!(seals & PLX_SEALS_WRITE))
			seals = 0;
	}
	if (!(seals & F_SEAL_SHRINK))
		return attach_copy(seg, fd, &st);
	if (filesystem != PLX_SYS_TMPFS && filesystem != PLX_SYS_HUGETLBFS)
		return -EINVAL;
	seg->writable = (flags & PLX_ATTACH_WRITE) != 0;
	return plx_sys_map(&seg->base, seg->size, PROT_READ | (seg->writable ? PROT_WRITE : 0), 0, fd);
}

int plx_segment_attach(struct plx_segment *seg, int fd, uint64_t size, uint32_t kind, unsigned int flags)
{
	struct plx_segment s = PLX_SEGMENT_NONE;
	struct plx_segment_hdr hdr;
	const unsigned int inherit = flags & PLX_ATTACH_INHERIT;
	int ret;

	*seg = PLX_SEGMENT_NONE;
	flags &= ~inherit;
	if (flags > PLX_ATTACH_FILE || (flags & (flags - 1)) || /* one of them at most */
	    (inherit && flags != PLX_ATTACH_WRITE))
		return -EINVAL;
	ret = flags == PLX_ATTACH_FILE ? plx_segment_attach_file(&s, fd, size)
				       : attach_sealed(&s, fd, size, kind, flags);
	if (ret == 0)
		ret = plx_segment_keep_from_children(&s, inherit ? PLX_SEGMENT_INHERIT : 0);
	if (ret == 0)
		ret = plx_segment_header(&hdr, s.base, s.size, NULL);
	if (ret == 0 && kind != PLX_KIND_NONE && hdr.kind != kind)
		ret = -EPROTO;
	if (ret < 0) {
		plx_segment_close(&s); /* its fd is -1: the caller's stays open */
		return ret;
	}
	s.fd = fd;
	*seg = s;
	return 0;
}

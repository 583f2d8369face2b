/*
 * segment.c - memory that can be given to other processes: made, given memory, locked, handed on, mapped by strangers.
 *
 *   create -> format -> (fill in) -> seal -> export ----- SCM_RIGHTS ----> attach -> info, block
 *      \-> commit, as a sparse one grows
 *
 * What makes it safe to map a stranger's memory: the seals are looked at first, then the size (which they fix), then it is
 * mapped, then the header is copied and checked. In another order the size could change between the look and the use.
 *
 * Names given to the kernel begin with "plx:", whether the caller put it there or not; then the kind, then the name,
 * "plx:topic:prices". That is how tools find them in /proc, where nothing but the name can be seen from outside.
 */
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/size.h"
#include "base/sys.h"
#include "mem/segment_layout.h"

#define NAME_MAX_BYTES 200u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SEALS_SIZE  (F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALS_WRITE (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)

/* ---- making -------------------------------------------------------------------------------------- */

static int backend_of(const char *name)
{
	if (!name)
		return -EINVAL;
	if (strcmp(name, "heap") == 0)
		return PLX_BACKEND_HEAP;
	if (strcmp(name, "memfd") == 0)
		return PLX_BACKEND_MEMFD;
	/* a word in its place for each backend to come */
	if (strcmp(name, "huge:2M") == 0 || strcmp(name, "huge:1G") == 0 || strncmp(name, "file:", 5) == 0)
		return -EOPNOTSUPP;
	return -EINVAL;
}

static bool name_is_sane(const char *name)
{
	size_t n = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return n > 0 && n <= NAME_MAX_BYTES;
}

/* A child that inherits a map can write after its parent was declared dead: children do not, unless they should. */
static int keep_from_children(const struct plx_segment *seg, unsigned int flags)
{
	return flags & PLX_SEGMENT_INHERIT ? 0 : plx_sys_advise(seg->base, seg->size, MADV_DONTFORK);
}

static int create_heap(struct plx_segment *seg, unsigned int flags)
{
	int lazy = flags & PLX_SEGMENT_SPARSE ? MAP_NORESERVE : 0;

	/* private memory cannot end in SIGBUS, and a page costs nothing before it is touched: nothing to allocate */
	return plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, lazy, -1);
}

static int create_memfd(struct plx_segment *seg, const char *name, unsigned int flags)
{
	static const char mark[] = "plx:";
	char marked[sizeof(mark) + NAME_MAX_BYTES];
	size_t n = strlen(name), skip = strncmp(name, mark, sizeof(mark) - 1) == 0 ? sizeof(mark) - 1 : 0;
	int ret;

	/* whatever the caller calls it: tools must find it */
	memcpy(marked, mark, sizeof(mark) - 1);
	memcpy(marked + sizeof(mark) - 1, name + skip, n - skip + 1);
	seg->fd = plx_sys_memfd(marked);
	if (seg->fd < 0)
		return seg->fd;
	ret = plx_sys_truncate(seg->fd, seg->size);
	if (ret == 0 && !(flags & PLX_SEGMENT_SPARSE))
		ret = plx_sys_allocate(seg->fd, 0, seg->size);
	if (ret == 0)
		ret = plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, 0, seg->fd);
	return ret;
}

int plx_segment_create(struct plx_segment *seg, const char *backend, const char *name, uint64_t size,
		       unsigned int flags)
{
	struct plx_segment s = PLX_SEGMENT_NONE;
	int ret = backend_of(backend);

	*seg = PLX_SEGMENT_NONE;
	if (ret < 0)
		return ret;
	if (!name_is_sane(name) || size == 0 || size > PLX_SEGMENT_SIZE_MAX ||
	    (flags & ~(PLX_SEGMENT_SPARSE | PLX_SEGMENT_INHERIT)))
		return -EINVAL;
	if (!plx_size_align(size, PLX_PAGE, &s.size))
		return -EINVAL;
	s.backend = (uint8_t)ret;
	s.writable = 1;
	ret = s.backend == PLX_BACKEND_HEAP ? create_heap(&s, flags) : create_memfd(&s, name, flags);
	if (ret == 0)
		ret = keep_from_children(&s, flags);
	if (ret < 0) {
		plx_segment_close(&s);
		return ret;
	}
	*seg = s;
	return 0;
}

int plx_segment_commit(const struct plx_segment *seg, uint64_t off, uint64_t len)
{
	uint64_t end;
	int ret;

	if (!seg->base || !plx_size_inside(off, len, seg->size))
		return -ERANGE;
	if (!seg->writable)
		return -EPERM;
	if (len == 0)
		return 0;
	if (!plx_size_align(off + len, PLX_PAGE, &end))
		return -ERANGE;
	off &= ~(uint64_t)(PLX_PAGE - 1);
	if (seg->backend == PLX_BACKEND_MEMFD)
		return plx_sys_allocate(seg->fd, off, end - off);
	ret = plx_sys_advise((unsigned char *)seg->base + off, end - off, MADV_POPULATE_WRITE);
	return ret == -EINVAL ? 0 : ret == -EFAULT ? -ENOMEM : ret; /* before 5.14 pages come when touched */
}

/* ---- locking, handing on ------------------------------------------------------------------------- */

int plx_segment_seal(struct plx_segment *seg, enum plx_seal seal)
{
	const int want = SEALS_SIZE | F_SEAL_SEAL | (seal == PLX_SEAL_DATA ? F_SEAL_FUTURE_WRITE : 0);
	int have, ret;

	if (seg->backend != PLX_BACKEND_MEMFD)
		return -ENOTSUP;
	if (seal != PLX_SEAL_DATA && seal != PLX_SEAL_LINK)
		return -EINVAL;
	have = plx_sys_seals(seg->fd);
	if (have < 0)
		return have;
	if (have & F_SEAL_SEAL)
		return (have & (SEALS_SIZE | SEALS_WRITE | F_SEAL_SEAL)) == want ? 0 : -EPERM;
	if (seal == PLX_SEAL_DATA) {
		ret = plx_sys_chmod(seg->fd, 0400); /* other users cannot even open it again for writing */
		if (ret < 0)
			return ret;
	}
	return plx_sys_seal(seg->fd, want);
}

int plx_segment_export(const struct plx_segment *seg, bool write)
{
	int seals;

	if (seg->backend != PLX_BACKEND_MEMFD || seg->fd < 0)
		return -ENOTSUP;
	if (!write)
		return plx_sys_reopen(seg->fd, O_RDONLY);
	seals = plx_sys_seals(seg->fd);
	if (seals < 0)
		return seals;
	if (seals & SEALS_WRITE)
		return -EPERM;
	/* opened again rather than duplicated: the offset and the flags of an open file belong to all who share it */
	return plx_sys_reopen(seg->fd, O_RDWR);
}

/* ---- mapping what a stranger made ------------------------------------------------------------------ */

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
	if ((seals & SEALS_SIZE) != SEALS_SIZE || !(seals & F_SEAL_SEAL))
		return -EPERM;
	if (has_one_writer(kind) && !(flags & PLX_ATTACH_WRITE) && !(seals & SEALS_WRITE))
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

/* Read the parts of the file that are there; holes stay holes. */
static int copy_file(const struct plx_segment *seg, int fd)
{
	uint64_t off = 0;

	while (off < seg->size) {
		int64_t data = plx_sys_seek(fd, off, SEEK_DATA), hole;

		if (data == -ENXIO)
			return 0;
		hole = data < 0 ? data : plx_sys_seek(fd, (uint64_t)data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		for (off = (uint64_t)data; off < (uint64_t)hole && off < seg->size;) {
			uint64_t left = ((uint64_t)hole < seg->size ? (uint64_t)hole : seg->size) - off;
			ssize_t n = plx_sys_read_at(fd, (unsigned char *)seg->base + off,
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
static int attach_copy(struct plx_segment *seg, int fd, uint64_t data)
{
	int ret;

	if (!plx_memory_plausible(data))
		return -ENOMEM;
	seg->backend = PLX_BACKEND_HEAP;
	ret = plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, MAP_NORESERVE, -1);
	return ret < 0 ? ret : copy_file(seg, fd);
}

static int attach_map(struct plx_segment *seg, int fd, unsigned int flags)
{
	int prot = PROT_READ | (flags & PLX_ATTACH_WRITE ? PROT_WRITE : 0);
	int64_t filesystem = plx_sys_filesystem(fd);

	if (filesystem < 0)
		return (int)filesystem;
	if (filesystem != PLX_SYS_TMPFS) /* huge pages can be sealed too, but touching one may fail later */
		return -EINVAL;
	seg->backend = PLX_BACKEND_MEMFD;
	seg->writable = (flags & PLX_ATTACH_WRITE) != 0;
	return plx_sys_map(&seg->base, seg->size, prot, 0, fd);
}

int plx_segment_attach(struct plx_segment *seg, int fd, uint64_t size, uint32_t kind, unsigned int flags)
{
	struct plx_segment s = PLX_SEGMENT_NONE;
	struct plx_segment_hdr hdr;
	struct stat st;
	int seals, ret;

	*seg = PLX_SEGMENT_NONE;
	if ((flags & ~(PLX_ATTACH_WRITE | PLX_ATTACH_INSPECT)) ||
	    flags == (PLX_ATTACH_WRITE | PLX_ATTACH_INSPECT))
		return -EINVAL;
	seals = check_seals(fd, kind, flags);
	if (seals < 0)
		return seals;
	ret = check_size(fd, size, flags & PLX_ATTACH_INSPECT ? PLX_KIND_NONE : kind, &st);
	if (ret < 0)
		return ret;
	s.size = (uint64_t)st.st_size;
	ret = seals & F_SEAL_SHRINK ? attach_map(&s, fd, flags)
				    : attach_copy(&s, fd, (uint64_t)st.st_blocks * 512);
	if (ret == 0)
		ret = keep_from_children(&s, 0);
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

/* ---- the end ------------------------------------------------------------------------------------- */

const char *plx_segment_backend_name(const struct plx_segment *seg)
{
	switch (seg->backend) {
	case PLX_BACKEND_HEAP: return "heap";
	case PLX_BACKEND_MEMFD: return "memfd";
	default: return "none";
	}
}

void plx_segment_close(struct plx_segment *seg)
{
	if (seg->base)
		plx_sys_unmap(seg->base, seg->size);
	plx_sys_close(seg->fd);
	*seg = PLX_SEGMENT_NONE;
}

/*
 * segment.c - memory that can be given to other processes: made, given memory, locked, handed on.
 *
 *   create -> format -> (fill in) -> seal -> export ----- SCM_RIGHTS ----> attach -> info, block   (segment_attach.c)
 *      \-> commit, as a sparse one grows
 *
 *   backend    memory is taken from            other processes get it by      after the last process
 *   heap       this process                    -                              gone
 *   memfd      the machine                     descriptor, sealed             gone
 *   huge:2M/1G pages set aside for that        descriptor, sealed             gone
 *   file:PATH  the disk PATH is on             path; descriptor, on trust     there (segment_file.c)
 *
 * Names given to the kernel begin with "plx:", whether the caller put it there or not; then the kind, then the name,
 * "plx:topic:prices". That is how tools find them in /proc, where nothing but the name can be seen from outside.
 */
#include <plx/log.h>
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/size.h"
#include "base/sys.h"
#include "mem/segment_backend.h"
#include "mem/segment_layout.h"

#define NAME_MAX_BYTES 200u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* ---- making -------------------------------------------------------------------------------------- */

static const char *const backend_names[] = {
	[PLX_BACKEND_NONE] = "none",       [PLX_BACKEND_HEAP] = "heap",       [PLX_BACKEND_MEMFD] = "memfd",
	[PLX_BACKEND_HUGE_2M] = "huge:2M", [PLX_BACKEND_HUGE_1G] = "huge:1G", [PLX_BACKEND_FILE] = "file",
};
#define BACKENDS (sizeof(backend_names) / sizeof(backend_names[0]))

static int backend_of(const char *name)
{
	if (!name)
		return -EINVAL;
	for (int i = PLX_BACKEND_HEAP; i < PLX_BACKEND_FILE; i++)
		if (strcmp(name, backend_names[i]) == 0)
			return i;
	return strncmp(name, "file:", 5) == 0 ? PLX_BACKEND_FILE : -EINVAL;
}

static bool name_is_sane(const char *name)
{
	size_t n = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return n > 0 && n <= NAME_MAX_BYTES;
}

int plx_segment_keep_from_children(const struct plx_segment *seg, unsigned int flags)
{
	return flags & PLX_SEGMENT_INHERIT ? 0 : plx_sys_advise(seg->base, seg->size, MADV_DONTFORK);
}

static int create_heap(struct plx_segment *seg, unsigned int flags)
{
	int lazy = flags & PLX_SEGMENT_SPARSE ? MAP_NORESERVE : 0;

	/* private memory cannot end in SIGBUS, and a page costs nothing before it is touched: nothing to allocate */
	return plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, lazy, -1);
}

struct marked {
	char text[4 + NAME_MAX_BYTES + 1];
};

/* Whatever the caller calls it: tools must find it. */
static struct marked mark(const char *name)
{
	static const char prefix[] = "plx:";
	struct marked m;
	size_t n = strlen(name), skip = strncmp(name, prefix, 4) == 0 ? 4 : 0;

	memcpy(m.text, prefix, 4);
	memcpy(m.text + 4, name + skip, n - skip + 1);
	return m;
}

static int create_memfd(struct plx_segment *seg, const char *name, unsigned int flags)
{
	int ret;

	seg->fd = plx_sys_memfd(mark(name).text);
	if (seg->fd < 0)
		return seg->fd;
	ret = plx_sys_truncate(seg->fd, seg->size);
	if (ret == 0 && !(flags & PLX_SEGMENT_SPARSE))
		ret = plx_sys_allocate(seg->fd, 0, seg->size);
	if (ret == 0)
		ret = plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, 0, seg->fd);
	return ret;
}

/* All of it is allocated before it is mapped: a map alone is only a promise, which a control group need not keep. */
static int create_huge(struct plx_segment *seg, const char *name)
{
	uint64_t page = plx_segment_huge_page(seg->backend);
	int ret;

	if (!plx_size_align(seg->size, page, &seg->size))
		return -EINVAL;
	seg->fd = plx_sys_memfd_huge(mark(name).text, (unsigned int)__builtin_ctzll(page));
	if (seg->fd < 0)
		return seg->fd;
	ret = plx_sys_truncate(seg->fd, seg->size);
	if (ret == 0)
		ret = plx_sys_allocate_there(seg->fd, 0, seg->size);
	if (ret == 0)
		ret = plx_sys_map(&seg->base, seg->size, PROT_READ | PROT_WRITE, 0, seg->fd);
	return ret;
}

/* Huge pages if there are enough of them; else ordinary ones, and the backend's name and a line on stderr say so. */
static int create_huge_or_memfd(struct plx_segment *seg, const char *name)
{
	const struct plx_segment wanted = *seg;
	uint64_t page = plx_segment_huge_page(wanted.backend);
	int ret = create_huge(seg, name);

	if (ret == 0 || ret == -EMFILE || ret == -ENFILE)
		return ret;
	plx_log(PLX_LOG_WARNING,
		"%s: no huge pages for %llu bytes (%s): ordinary memory is used instead; "
		"/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages sets more aside",
		name, (unsigned long long)wanted.size,
		ret == -ENOSPC || ret == -ENOMEM ? "not enough are free" : plx_strerror(ret),
		(unsigned long long)(page >> 10));
	plx_segment_close(seg);
	*seg = wanted;
	seg->backend = PLX_BACKEND_MEMFD;
	return create_memfd(seg, name, 0);
}

static int create(struct plx_segment *seg, const char *backend, const char *name, unsigned int flags)
{
	int ret;

	switch (seg->backend) {
	case PLX_BACKEND_HEAP: ret = create_heap(seg, flags); break;
	case PLX_BACKEND_MEMFD: ret = create_memfd(seg, name, flags); break;
	case PLX_BACKEND_FILE: return plx_segment_create_file(seg, backend + strlen("file:"), flags);
	default: ret = create_huge_or_memfd(seg, name); break;
	}
	return ret < 0 ? ret : plx_segment_keep_from_children(seg, flags);
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
	if ((flags & PLX_SEGMENT_SPARSE) && ret > PLX_BACKEND_MEMFD)
		return -EINVAL;
	if (!plx_size_align(size, PLX_PAGE, &s.size))
		return -EINVAL;
	s.backend = (uint8_t)ret;
	s.writable = 1;
	ret = create(&s, backend, name, flags);
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
	if (len == 0 || seg->backend > PLX_BACKEND_MEMFD) /* huge pages and files are never sparse */
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
	const int want = PLX_SEALS_SIZE | F_SEAL_SEAL | (seal == PLX_SEAL_DATA ? F_SEAL_FUTURE_WRITE : 0);
	int have, ret;

	if (seg->backend < PLX_BACKEND_MEMFD || seg->backend > PLX_BACKEND_HUGE_1G)
		return -ENOTSUP;
	if (seal == PLX_SEAL_LINK && seg->backend != PLX_BACKEND_MEMFD)
		return -ENOTSUP; /* who may write could take a huge page out, and ours would be the SIGBUS */
	if (seal != PLX_SEAL_DATA && seal != PLX_SEAL_LINK)
		return -EINVAL;
	have = plx_sys_seals(seg->fd);
	if (have < 0)
		return have;
	if (have & F_SEAL_SEAL)
		return (have & (PLX_SEALS_SIZE | PLX_SEALS_WRITE | F_SEAL_SEAL)) == want ? 0 : -EPERM;
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

	if (seg->backend < PLX_BACKEND_MEMFD || seg->fd < 0)
		return -ENOTSUP;
	/* opened again rather than duplicated: the offset and the flags of an open file belong to all who share it */
	if (!write)
		return plx_sys_reopen(seg->fd, O_RDONLY);
	if (seg->backend == PLX_BACKEND_FILE)
		return -EPERM; /* a file has one writer */
	seals = plx_sys_seals(seg->fd);
	if (seals < 0)
		return seals;
	if (seals & PLX_SEALS_WRITE)
		return -EPERM;
	return plx_sys_reopen(seg->fd, O_RDWR);
}

/* ---- the end ------------------------------------------------------------------------------------- */

const char *plx_segment_backend_name(const struct plx_segment *seg)
{
	return backend_names[seg->backend < BACKENDS ? seg->backend : PLX_BACKEND_NONE];
}

void plx_segment_close(struct plx_segment *seg)
{
	if (seg->base)
		plx_sys_unmap(seg->base, seg->size);
	if (seg->backend == PLX_BACKEND_FILE && seg->base)
		plx_segment_finish_file(seg);
	plx_sys_close(seg->fd);
	*seg = PLX_SEGMENT_NONE;
}

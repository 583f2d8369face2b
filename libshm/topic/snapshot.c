/*
 * snapshot.c - private copies of what tools look at.
 *
 * Tools do not map what others made: a map shows a value that changes between check and use, ends in SIGBUS when
 * an unsealed file shrinks, and makes a sparse segment grow where it is looked at. A copy has none of this. It lies at
 * addresses as far apart as in the original, so offsets mean the same; what was not copied costs nothing and reads as 0.
 */
#include "topic/snapshot.h"

#include <plx/inspect.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "base/sys.h"
#include "mem/segment_layout.h"
#include "topic/topic_layout.h"

#define BLOCK_MAX (UINT64_C(32) << 20)  /* no table is larger; what is, is somebody's payload */
#define REST_MAX  (UINT64_C(256) << 20) /* ... but for what channels are made of */
#define READ_MAX  (UINT64_C(1) << 30)   /* bytes the kernel moves at once, about */

/* Read [@off, @off + @size) to @to; less when the file ends before. Returns bytes, or -errno. */
static int64_t copy(int fd, uint64_t off, void *to, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t left = size - done;
		ssize_t n = plx_sys_read_at(fd, (unsigned char *)to + done, left < READ_MAX ? left : READ_MAX,
					    off + done);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

/* The same, but only the parts that have memory. */
static int copy_data(int fd, uint64_t off, unsigned char *to, uint64_t size)
{
	uint64_t at = off, end = off + size;

	while (at < end) {
		int64_t data = plx_sys_seek(fd, at, SEEK_DATA), hole, n;

		if (data == -ENXIO || data >= (int64_t)end)
			return 0;
		if (data < 0)
			return (int)data;
		hole = plx_sys_seek(fd, (uint64_t)data, SEEK_HOLE);
		if (hole == -ENXIO) /* it became shorter: the rest is 0 */
			return 0;
		if (hole < 0)
			return (int)hole;
		if (hole > (int64_t)end)
			hole = (int64_t)end;
		n = copy(fd, (uint64_t)data, to + ((uint64_t)data - off), (uint64_t)(hole - data));
		if (n < 0)
			return (int)n;
		at = (uint64_t)hole > at ? (uint64_t)hole : end; /* always forwards, whatever the file does */
	}
	return 0;
}

/* Of a topic's log a copy would be old before it is looked at; who wants it reads it anew (look.c). */
static bool is_wanted(const struct plx_segment_hdr *hdr, const struct plx_segment_entry *entry)
{
	if (entry->size > BLOCK_MAX)
		return false;
	return hdr->kind != PLX_KIND_TOPIC || (strcmp(entry->name, PLX_TOPIC_BLOCK_SLOTS) != 0 &&
					       strcmp(entry->name, PLX_TOPIC_BLOCK_LOG) != 0);
}

/* What channels are made of, and too large for those who only want to know that it is there. */
static bool is_rest(const struct plx_segment_hdr *hdr, const struct plx_segment_entry *entry)
{
	return (hdr->kind == PLX_KIND_CHANNEL || hdr->kind == PLX_KIND_WORKERS) && entry->size > BLOCK_MAX &&
	       entry->size <= REST_MAX;
}

/* The blocks of a sound header. */
static int copy_blocks(struct plx_segment *seg, int fd, const struct plx_segment_hdr *hdr,
		       bool (*wanted)(const struct plx_segment_hdr *, const struct plx_segment_entry *))
{
	for (uint32_t i = 0; i < hdr->blocks; i++) {
		const struct plx_segment_entry *entry = &hdr->entry[i];
		int ret;

		if (!wanted(hdr, entry))
			continue;
		ret = copy_data(fd, entry->off, (unsigned char *)seg->base + entry->off, entry->size);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int plx_snapshot_take(struct plx_segment *seg, int fd)
{
	struct plx_segment s = PLX_SEGMENT_NONE;
	struct plx_segment_hdr hdr;
	struct stat st;
	int64_t n;
	int ret = plx_sys_stat(fd, &st);

	*seg = PLX_SEGMENT_NONE;
	if (ret < 0)
		return ret;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(hdr))
		return -EINVAL;
	s.size = (uint64_t)st.st_size;
	if (s.size > PLX_SEGMENT_SIZE_MAX)
		return -EFBIG;
	ret = plx_sys_map(&s.base, s.size, PROT_READ | PROT_WRITE, MAP_NORESERVE, -1);
	if (ret < 0)
		return ret == -ENOMEM ? -EFBIG : ret;
	s.backend = PLX_BACKEND_MEMFD;
	n = copy(fd, 0, s.base, sizeof(hdr));
	ret = n < 0 ? (int)n : 0;
	if (ret == 0 && plx_segment_header(&hdr, s.base, s.size, NULL) == 0)
		ret = copy_blocks(&s, fd, &hdr, is_wanted);
	if (ret < 0) {
		plx_segment_close(&s); /* its fd is -1: the caller's stays open */
		return ret;
	}
	s.fd = fd;
	*seg = s;
	return 0;
}

int plx_inspect_rest(struct plx_segment *seg)
{
	struct plx_segment_hdr hdr;
	int ret = plx_segment_header(&hdr, seg->base, seg->size, NULL);

	return ret < 0 ? ret : copy_blocks(seg, seg->fd, &hdr, is_rest);
}

int plx_snapshot_header(int fd, uint64_t size, struct plx_segment_info *info)
{
	static const struct plx_segment_hdr nothing;
	struct plx_segment_hdr hdr = { .magic = 0 };
	struct plx_segment seg = { .base = &hdr, .size = size, .fd = -1 };
	int64_t n = copy(fd, 0, &hdr, sizeof(hdr));

	if (n < 0)
		return (int)n;
	/* a segment gets its header, and sometimes its size, a moment after it appeared; the magic comes last */
	if (hdr.magic == 0 && ((uint64_t)n < sizeof(hdr) || memcmp(&hdr, &nothing, sizeof(hdr)) == 0))
		return -EAGAIN;
	if ((uint64_t)n < sizeof(hdr))
		return -EPROTO;
	return plx_segment_info(&seg, info);
}

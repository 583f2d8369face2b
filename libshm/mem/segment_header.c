/*
 * segment_header.c - lay the header and the directory of a segment out, and read them without believing a word.
 *
 * The memory may be mapped by whoever made it, who may be hostile and change it while we look. So each reader copies the 512
 * bytes once, checks the copy, and uses only the copy; what was true of the copy is true of the mapping, whose size cannot
 * change. A block is found by name at each call for the same reason: there is no cached pointer to go stale.
 */
#include <plx/segment.h>

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/size.h"
#include "base/sys.h"
#include "mem/segment_layout.h"

#define HDR_SIZE ((uint64_t)sizeof(struct plx_segment_hdr))

/* ---- names --------------------------------------------------------------------------------------- */

/* Terminated, printable, zero after its end. */
static bool name_is_sane(const char *name, size_t room)
{
	size_t n = strnlen(name, room);

	if (n == room)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	for (size_t i = n; i < room; i++)
		if (name[i] != '\0')
			return false;
	return true;
}

/* Copy @name, at most @room - 1 bytes, into zeroed @to. */
static bool name_put(char *to, size_t room, const char *name)
{
	size_t n = strnlen(name, room);

	if (n == room)
		return false;
	memset(to, 0, room);
	memcpy(to, name, n);
	return name_is_sane(to, room);
}

/* ---- laying out ---------------------------------------------------------------------------------- */

static bool align_is_sane(uint32_t align)
{
	return align == 0 || (align >= PLX_LINE && plx_size_power_of_two(align));
}

/* Place the blocks one after the other; false when they are senseless. *end: where the last one ends, 0 on overflow. */
static bool place(struct plx_segment_entry *entry, const struct plx_block *blocks, size_t n, uint64_t *end)
{
	uint64_t off = HDR_SIZE;

	*end = 0;
	if (n > PLX_SEGMENT_BLOCKS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct plx_block *b = &blocks[i];

		if (!b->name || !b->name[0] || !name_put(entry[i].name, sizeof(entry[i].name), b->name) ||
		    b->size == 0 || !align_is_sane(b->align))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(entry[j].name, entry[i].name) == 0)
				return false;
		if (!plx_size_align(off, b->align ? b->align : PLX_LINE, &off))
			return true;
		entry[i].off = off;
		entry[i].size = b->size;
		if (!plx_size_add(off, b->size, &off))
			return true;
	}
	*end = off;
	return true;
}

uint64_t plx_segment_need(const struct plx_block *blocks, size_t n)
{
	struct plx_segment_entry entry[PLX_SEGMENT_BLOCKS_MAX];
	uint64_t end;

	if (!place(entry, blocks, n, &end) || end > PLX_SEGMENT_SIZE_MAX)
		return 0;
	return end;
}

int plx_segment_format(struct plx_segment *seg, uint32_t kind, uint32_t version, const char *name,
		       const struct plx_block *blocks, size_t n)
{
	struct plx_segment_hdr hdr = { .layout = PLX_SEGMENT_LAYOUT, .kind = kind, .version = version };
	uint64_t end;
	int ret;

	if (!seg->base || !seg->writable || kind == PLX_KIND_NONE ||
	    !name_put(hdr.name, sizeof(hdr.name), name) || !place(hdr.entry, blocks, n, &end))
		return -EINVAL;
	if (end == 0 || end > seg->size)
		return -ENOSPC;
	ret = plx_segment_commit(seg, 0, HDR_SIZE);
	if (ret < 0)
		return ret;
	do {
		ret = plx_sys_random(&hdr.id, sizeof(hdr.id));
		if (ret < 0)
			return ret;
	} while (hdr.id == 0);
	hdr.size = seg->size;
	hdr.created_ns = plx_sys_wall_ns();
	hdr.creator = (uint32_t)plx_sys_pid();
	hdr.blocks = (uint32_t)n;
	if (plx_mutant(MUT_SEGMENT_MAGIC_FIRST))
		hdr.magic = PLX_SEGMENT_MAGIC;
	memcpy(seg->base, &hdr, sizeof(hdr)); /* with magic 0 */
	/* SG1 release: pairs with SG2; whoever sees the magic sees the whole header */
	__atomic_store_n(&((struct plx_segment_hdr *)seg->base)->magic, PLX_SEGMENT_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* Is this checked part of the directory what it should be? NULL: yes. */
static const char *directory_fault(const struct plx_segment_hdr *copy, uint64_t size)
{
	static const struct plx_segment_entry unused;
	uint64_t end = HDR_SIZE;

	if (copy->blocks > PLX_SEGMENT_BLOCKS_MAX)
		return "more blocks than a directory holds";
	for (uint32_t i = 0; i < PLX_SEGMENT_BLOCKS_MAX; i++) {
		const struct plx_segment_entry *e = &copy->entry[i];

		if (i >= copy->blocks) {
			if (memcmp(e, &unused, sizeof(unused)) != 0)
				return "an unused directory entry is not zero";
			continue;
		}
		if (e->name[0] == '\0' || !name_is_sane(e->name, sizeof(e->name)))
			return "the name of a block is not text";
		if (e->off % PLX_LINE != 0)
			return "a block is not aligned";
		if (e->off < end)
			return "a block overlaps what is before it";
		if (e->size == 0 || !plx_size_inside(e->off, e->size, size))
			return "a block is not inside the segment";
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(e->name, copy->entry[j].name) == 0)
				return "two blocks have one name";
		end = e->off + e->size;
	}
	return NULL;
}

static const char *header_fault(const struct plx_segment_hdr *copy, uint64_t size)
{
	if (copy->size != size)
		return "the header says another size than the segment has";
	if (copy->kind == PLX_KIND_NONE)
		return "the segment has no kind";
	if (copy->id == 0)
		return "the segment has no id";
	if (copy->creator == 0 || copy->creator > INT32_MAX)
		return "the creator is no process id";
	if (copy->reserved[0] != 0 || copy->reserved[1] != 0)
		return "reserved words are not zero";
	if (!name_is_sane(copy->name, sizeof(copy->name)))
		return "the name is not text";
	return directory_fault(copy, size);
}

int plx_segment_header(struct plx_segment_hdr *copy, const void *base, uint64_t size, const char **why)
{
	const struct plx_segment_hdr *hdr = base;
	const char *fault;
	uint32_t magic;

	if (!base || size < HDR_SIZE) {
		fault = "smaller than a header";
		goto other;
	}
	/* SG2 acquire: pairs with SG1; after the magic, the rest is whole (if the creator is honest) */
	magic = __atomic_load_n(&hdr->magic, __ATOMIC_ACQUIRE);
	plx_copy_once(copy, hdr, sizeof(*copy));
	if (magic != PLX_SEGMENT_MAGIC || copy->magic != magic) {
		fault = "no magic: not a segment, or not a whole one";
		goto other;
	}
	if (copy->layout != PLX_SEGMENT_LAYOUT) {
		fault = "the header has another layout";
		goto other;
	}
	fault = header_fault(copy, size);
	if (why)
		*why = fault;
	return fault ? -EBADMSG : 0;
other:
	if (why)
		*why = fault;
	return -EPROTO;
}

int plx_segment_info(const struct plx_segment *seg, struct plx_segment_info *info)
{
	struct plx_segment_hdr hdr;
	int ret = plx_segment_header(&hdr, seg->base, seg->size, NULL);

	if (ret < 0)
		return ret;
	*info = (struct plx_segment_info){
		.kind = hdr.kind,
		.version = hdr.version,
		.size = hdr.size,
		.id = hdr.id,
		.created_ns = hdr.created_ns,
		.creator = hdr.creator,
		.blocks = hdr.blocks,
	};
	memcpy(info->name, hdr.name, sizeof(info->name));
	return 0;
}

void *plx_segment_block_at(const struct plx_segment *seg, uint32_t index, char name[16], uint64_t *size)
{
	struct plx_segment_hdr hdr;

	if (plx_segment_header(&hdr, seg->base, seg->size, NULL) < 0 || index >= hdr.blocks)
		return NULL;
	if (name)
		memcpy(name, hdr.entry[index].name, sizeof(hdr.entry[index].name));
	if (size)
		*size = hdr.entry[index].size;
	return (unsigned char *)seg->base + hdr.entry[index].off;
}

void *plx_segment_block(const struct plx_segment *seg, const char *name, uint64_t *size)
{
	struct plx_segment_hdr hdr;

	if (plx_segment_header(&hdr, seg->base, seg->size, NULL) < 0)
		return NULL;
	for (uint32_t i = 0; i < hdr.blocks; i++) {
		if (strcmp(hdr.entry[i].name, name) != 0)
			continue;
		if (size)
			*size = hdr.entry[i].size;
		return (unsigned char *)seg->base + hdr.entry[i].off;
	}
	return NULL;
}

int plx_segment_check(const struct plx_segment *seg, const char **why)
{
	struct plx_segment_hdr hdr;
	const char *reason = NULL;
	int ret = plx_segment_header(&hdr, seg->base, seg->size, &reason);

	if (ret < 0 && why)
		*why = reason;
	return ret < 0 ? -EBADMSG : 0;
}

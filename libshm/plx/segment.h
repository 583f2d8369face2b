/* segment.h - a mapped, versioned span of memory with a directory of named blocks. */
#ifndef PLX_SEGMENT_H
#define PLX_SEGMENT_H

#include <plx/common.h>

/* What a segment holds; readers refuse a kind they did not ask for. */
enum plx_segment_kind {
	PLX_KIND_NONE = 0,
	PLX_KIND_TOPIC = 1,   /* data of one publisher: log and slots */
	PLX_KIND_LINK = 2,    /* what one subscriber tells its publisher */
	PLX_KIND_NET = 3,     /* arena of an interaction net */
	PLX_KIND_CHANNEL = 4, /* one channel */
	PLX_KIND_WORKERS = 5, /* a pool of workers */
	PLX_KIND_USER = 64,   /* from here on: a program's own */
};

enum plx_backend {
	PLX_BACKEND_NONE = 0,
	PLX_BACKEND_HEAP = 1,    /* "heap": private to the process, no handle */
	PLX_BACKEND_MEMFD = 2,   /* "memfd": anonymous, travels over SCM_RIGHTS */
	PLX_BACKEND_HUGE_2M = 3, /* "huge:2M": the same of huge pages, which the machine has set aside */
	PLX_BACKEND_HUGE_1G = 4, /* "huge:1G" */
	PLX_BACKEND_FILE = 5,    /* "file:PATH": contents outlive the process */
};

/* Flags of plx_segment_create(). */
#define PLX_SEGMENT_SPARSE  1u /* reserve addresses only; memory comes with plx_segment_commit() */
#define PLX_SEGMENT_INHERIT 2u /* keep the map in children of fork(); without it they do not get it */

/* Flags of plx_segment_attach(). */
#define PLX_ATTACH_WRITE 1u /* map for writing; without it read-only */
/* For tools: accept any seals, and files. What could shrink while we look is copied, not mapped. */
#define PLX_ATTACH_INSPECT 2u
/* Map the file of a segment in a file, read-only, on trust: nothing can keep its owner from cutting it under us (SIGBUS). */
#define PLX_ATTACH_FILE 4u
/* With PLX_ATTACH_WRITE: keep the map in children of fork(), as PLX_SEGMENT_INHERIT. */
#define PLX_ATTACH_INHERIT 8u

/* Flags of plx_segment_open_file(); and PLX_SEGMENT_INHERIT. */
#define PLX_FILE_WRITE    1u /* map for writing, alone; without it read-only, beside other readers */
#define PLX_FILE_DIRTY_OK 4u /* take it also when its writer died: contents are whatever they are */

/* How plx_segment_seal() locks the size and the rights for ever. */
enum plx_seal {
	PLX_SEAL_DATA =
		1, /* size fixed, and nobody ever gets another writable map: one writer, many readers */
	PLX_SEAL_LINK = 2, /* size fixed: the peer it is sent to may write */
};

struct plx_segment {
	void *base;      /* NULL when not mapped */
	uint64_t size;   /* bytes mapped */
	int fd;          /* -1 when there is none (heap, or after plx_segment_close()) */
	uint8_t backend; /* enum plx_backend */
	uint8_t writable;
};
#define PLX_SEGMENT_NONE ((struct plx_segment){ .fd = -1 })

/* One named part of a segment, as plx_segment_format() lays it out. */
struct plx_block {
	const char *name; /* at most 15 bytes */
	uint64_t size;    /* bytes */
	uint32_t align;   /* a power of two, 64 at least; 0 means 64 */
};

/* What plx_segment_info() reads from a header, checked, in private memory. */
struct plx_segment_info {
	uint32_t kind;       /* enum plx_segment_kind */
	uint32_t version;    /* layout version of that kind */
	uint64_t size;       /* bytes, as the header says and the mapping has */
	uint64_t id;         /* random, never 0: tells two segments of one name apart */
	uint64_t created_ns; /* CLOCK_REALTIME */
	uint32_t creator;    /* process id as the creator saw itself */
	uint32_t blocks;     /* entries in the directory */
	char name[64];       /* always terminated */
};

PLX_BEGIN

/**
 * plx_segment_create() - make a segment: zeroed memory, mapped for writing.
 * @seg:     set on success; PLX_SEGMENT_NONE on failure
 * @backend: "heap", "memfd", "huge:2M", "huge:1G" or "file:PATH"
 * @name:    shown in /proc/PID/maps after "memfd:"; at most 200 printable bytes. By custom "plx:KIND:NAME", as in
 *           "plx:topic:prices"; "plx:" is put before it when it is missing, so that tools find every segment
 * @size:    bytes; rounded up to whole pages, huge ones where the segment is made of them
 * @flags:   PLX_SEGMENT_SPARSE (heap and memfd), PLX_SEGMENT_INHERIT
 *
 * Every byte is allocated here (fallocate), so that no later access can end in SIGBUS; a sparse
 * segment has addresses only, and memory after plx_segment_commit().
 *
 * A child made by fork() does not get the map, unless PLX_SEGMENT_INHERIT: else it could go on writing after its
 * parent was declared dead.
 *
 * Huge pages: when there are too few, or none, ordinary memory is taken, a warning is logged (plx/log.h), and
 * plx_segment_backend_name() says "memfd".
 *
 * A file: PATH must not exist yet; it is made with mode 0600 and locked. Another process that has the right to may cut it
 * while it is mapped, and the next access to what is gone is SIGBUS: keep it where only its owner can write. After
 * plx_segment_close() it is opened with plx_segment_open_file().
 *
 * Return: 0, or -EINVAL (backend, name, size, flags), -EMFILE, -ENFILE, -ENOSPC (not that much memory, or disk), -EFBIG
 *         (RLIMIT_FSIZE), -ENOMEM (addresses); of a file also -EEXIST, -ENOENT, -EACCES, -EROFS, -EOPNOTSUPP (that
 *         filesystem cannot set room aside) and what else the disk says.
 * Owner:  the caller closes it with plx_segment_close().
 * Safety: any thread; not in a signal handler.
 */
int plx_segment_create(struct plx_segment *seg, const char *backend, const char *name, uint64_t size,
		       unsigned int flags) plx_must_check;

/**
 * plx_segment_open_file() - map the file of a segment that plx_segment_create() made.
 * @flags: PLX_FILE_WRITE, PLX_FILE_DIRTY_OK, PLX_SEGMENT_INHERIT
 * @why:   set to a reason on failure; may be NULL
 *
 * Checked are: an ordinary file, no symbolic link, ours, which nobody else may write; its header; its size; the checksum of
 * its contents, which are read for that. A writer that died leaves a file that is refused, unless nothing was changed after
 * the last plx_segment_sync(). What is damaged is refused and left as it is.
 *
 * Return: 0, -EOWNERDEAD (not closed cleanly; PLX_FILE_DIRTY_OK takes it), -EBADMSG (header or contents damaged), -ERANGE
 *         (cut, or longer than it was), -EPROTO (no such file, or of another version), -EBUSY (somebody has it open, or, to
 *         write, anybody), -ELOOP (a link), -EACCES (of another user, or others may write it), -EINVAL (no ordinary
 *         file), -ENOENT, -ENOSPC (a copy with holes, and no room to fill them) and what else the disk says.
 * Owner:  the caller closes it with plx_segment_close().
 * Safety: any thread.
 */
int plx_segment_open_file(struct plx_segment *seg, const char *path, unsigned int flags,
			  const char **why) plx_must_check;

/**
 * plx_segment_sync() - bring a segment in a file to the disk, with its checksum; plx_segment_close() does it, too.
 *
 * Nobody may write to it meanwhile, or the checksum will be that of neither before nor after. Reads all of it: about a second
 * per GiB.
 *
 * Return: 0, -ENOTSUP (not in a file), -EPERM (read-only, or the caller is a child of who opened it), -EBADMSG or -ERANGE
 *         (somebody damaged the file), -EIO, ...
 */
int plx_segment_sync(const struct plx_segment *seg) plx_must_check;

/**
 * plx_segment_commit() - give a sparse segment memory for [@off, @off + @len).
 *
 * What was not committed must not be touched: in a memfd a read of it would allocate, too. Whole pages are committed.
 *
 * Return: 0, -ERANGE outside the segment, -EPERM on a read-only one, -ENOSPC or -ENOMEM when the machine has no more.
 * Safety: any thread and any process that maps it for writing; committing twice is harmless.
 */
int plx_segment_commit(const struct plx_segment *seg, uint64_t off, uint64_t len) plx_must_check;

/**
 * plx_segment_format() - write the header and the directory of blocks.
 * @kind:    enum plx_segment_kind
 * @version: of the layout of that kind
 * @name:    at most 63 bytes, shown by tools
 * @blocks, @n: the parts in order, at most 12
 *
 * The magic is stored last (release): who sees it sees a whole directory. Commits the header of a sparse segment, but
 * not its blocks.
 *
 * Return: 0, -EINVAL (two blocks of one name, a name that is not text, ...), or -ENOSPC when the blocks do not fit.
 */
int plx_segment_format(struct plx_segment *seg, uint32_t kind, uint32_t version, const char *name,
		       const struct plx_block *blocks, size_t n) plx_must_check;

/**
 * plx_segment_need() - bytes a segment needs for these blocks, header included; 0 on overflow.
 */
uint64_t plx_segment_need(const struct plx_block *blocks, size_t n);

/**
 * plx_segment_seal() - lock size (and, for PLX_SEAL_DATA, the right to write) for ever.
 *
 * PLX_SEAL_DATA also makes the inode 0400. The caller's own map stays writable, and so do the maps
 * its children inherit by fork().
 *
 * Return: 0 (also when it is sealed so already), -ENOTSUP for heap and files (nothing can be sealed) and for a link of huge
 *         pages, -EPERM when already sealed otherwise.
 */
int plx_segment_seal(struct plx_segment *seg, enum plx_seal seal) plx_must_check;

/**
 * plx_segment_export() - a new descriptor for another process.
 * @write: also allow the receiver to map it for writing (a link segment)
 *
 * That of a file is attached with PLX_ATTACH_FILE while it is open for writing here; later by its path.
 *
 * Return: a descriptor >= 0 (close-on-exec), -ENOTSUP for heap (it cannot be shared), -EPERM (writing is sealed away, or
 *         it is a file, which has one writer),
 *         -EACCES (we may not write it ourselves), -EMFILE, -ENOENT (no /proc).
 * Owner:  the caller closes it.
 */
int plx_segment_export(const struct plx_segment *seg, bool write) plx_must_check;

/**
 * plx_segment_attach() - map a segment another process made; nothing it says is believed.
 * @fd:    descriptor; taken over on success, left to the caller on failure
 * @size:  bytes it must have, as the peer says; or 0 to take what the kernel says
 * @kind:  what it must be, or PLX_KIND_NONE for any
 * @flags: none, or one of PLX_ATTACH_WRITE (and PLX_ATTACH_INHERIT), PLX_ATTACH_INSPECT, PLX_ATTACH_FILE
 *
 * Checks seals first, then the size, then maps, then copies the header and checks the copy: magic, version, size, every
 * block inside the segment and aligned. Required are seals on the size; of a PLX_KIND_TOPIC that is mapped read-only also
 * one on writing (so that nobody but its creator writes it), and that all its memory is there. Of huge pages both always.
 * PLX_ATTACH_FILE instead wants an ordinary file of ours which nobody else may write, and checks its header.
 *
 * Return: 0, -EPROTO (magic, layout or kind), -EBADMSG (header or directory), -EPERM (seals missing, or no right to
 *         write), -ERANGE (not the size said, or its memory is missing), -EINVAL (nothing that can be sealed; no file),
 *         -EACCES (the descriptor does not allow it), -ENOMEM, -EMFILE.
 * Safety: any thread.
 */
int plx_segment_attach(struct plx_segment *seg, int fd, uint64_t size, uint32_t kind,
		       unsigned int flags) plx_must_check;

/**
 * plx_segment_info() - what the header says; reads shared memory once.
 *
 * Return: 0, -EPROTO or -EBADMSG.
 */
int plx_segment_info(const struct plx_segment *seg, struct plx_segment_info *info) plx_must_check;

/**
 * plx_segment_block() - find a block by name.
 * @size: bytes of the block on success; may be NULL
 *
 * Return: its address in this process, or NULL. Checked against the mapping at each call.
 */
void *plx_segment_block(const struct plx_segment *seg, const char *name, uint64_t *size);

/**
 * plx_segment_block_at() - the @index-th block, for tools.
 * @name: 16 bytes, terminated on success
 *
 * Return: its address, or NULL past the last one.
 */
void *plx_segment_block_at(const struct plx_segment *seg, uint32_t index, char name[16], uint64_t *size);

/**
 * plx_segment_check() - walk the header and the directory.
 * @why: set to a reason on failure
 *
 * Return: 0 or -EBADMSG.
 */
int plx_segment_check(const struct plx_segment *seg, const char **why) plx_must_check;

/** plx_segment_backend_name() - what it is made of: "heap", "memfd", "huge:2M", "huge:1G", "file", or "none". */
const char *plx_segment_backend_name(const struct plx_segment *seg);

/**
 * plx_segment_close() - unmap and close; may be called twice, and on PLX_SEGMENT_NONE.
 *
 * A file opened for writing is synced and marked as closed. When that fails, a warning is logged, and it will be refused as not
 * closed cleanly; who wants to know the reason calls plx_segment_sync() before.
 */
void plx_segment_close(struct plx_segment *seg);

PLX_END

#endif

/* segment_backend.h - what the parts of segments tell each other: segment.c, segment_attach.c, segment_file.c. */
#ifndef MEM_SEGMENT_BACKEND_H
#define MEM_SEGMENT_BACKEND_H

#include <sys/stat.h>

#include <plx/segment.h>

/* Seals: on the size; and of either kind on writing. */
#define PLX_SEALS_SIZE  (F_SEAL_SHRINK | F_SEAL_GROW)
#define PLX_SEALS_WRITE (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)

/* Bytes of a page of that backend; 0 when it has none of its own. */
static inline uint64_t plx_segment_huge_page(unsigned int backend)
{
	return backend == PLX_BACKEND_HUGE_2M   ? UINT64_C(2) << 20
	       : backend == PLX_BACKEND_HUGE_1G ? UINT64_C(1) << 30
						: 0;
}

/* A child that inherits a map can write after its parent was declared dead: children do not, unless they should. */
int plx_segment_keep_from_children(const struct plx_segment *seg, unsigned int flags) plx_must_check;

/* The file backend (segment_file.c). Each leaves @seg to be closed by plx_segment_close() after a failure. */

/** Make the file at @path for seg->size bytes and map it; nothing is left of it after a failure. */
int plx_segment_create_file(struct plx_segment *seg, const char *path, unsigned int flags) plx_must_check;
/** Map a file of ours that another process has open, read-only; seg->size is set. The descriptor stays the caller's. */
int plx_segment_attach_file(struct plx_segment *seg, int fd, uint64_t said) plx_must_check;
/** Bytes before the segment in a file: those of its own header, or 0 when it has none. For tools. */
uint64_t plx_segment_file_skip(int fd, const struct stat *st);
/** The map is gone: say on the disk what it held, if we are who writes it. */
void plx_segment_finish_file(const struct plx_segment *seg);

#endif

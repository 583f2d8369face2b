/* snapshot.h - private copies of what tools look at; internal to inspection. */
#ifndef PLX_TOPIC_SNAPSHOT_H
#define PLX_TOPIC_SNAPSHOT_H

#include <plx/segment.h>

/**
 * plx_snapshot_header() - what the header of @fd says, from one copy.
 * @size: of the file, as the kernel has it
 * @info: set when the header is sound; left alone otherwise
 *
 * Return: 0, -EAGAIN (all zeros: being made), -EPROTO, -EBADMSG, -ENOMEM.
 */
int plx_snapshot_header(int fd, uint64_t size, struct plx_segment_info *info) plx_must_check;

/**
 * plx_snapshot_take() - copy a segment as plx_inspect_open() says; holes stay holes.
 * @fd: kept in @seg->fd on success; left to the caller on failure
 *
 * Return: 0, -EINVAL (too short for a header), -EFBIG (no room for so many addresses), -ENOMEM, -errno.
 */
int plx_snapshot_take(struct plx_segment *seg, int fd) plx_must_check;

#endif

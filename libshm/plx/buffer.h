/* buffer.h - a handle of segment + offset + length + metadata; copying one copies no data. */
#ifndef PLX_BUFFER_H
#define PLX_BUFFER_H

#include <plx/common.h>

/* Metadata flags. The low 16 bits travel with a message; a program may use PLX_BUFFER_USER ones freely. */
#define PLX_BUFFER_STAMPED 0x0001u /* timestamp_ns is set */
#define PLX_BUFFER_MORE    0x0002u /* the next message continues this one */
#define PLX_BUFFER_USER    0x0100u /* 0x0100 ... 0x8000: the program's own */

struct plx_holder;

/*
 * A view of bytes in a segment. The bytes stay as they are while a holder keeps them: each handle is
 * one hold, and the slot returns by itself when the last one is released - or its process is gone.
 */
struct plx_buffer {
	const void *data;          /* in the segment; read-only for subscribers */
	uint64_t length;           /* bytes */
	uint64_t sequence;         /* position in the publisher's log, from 0 */
	uint64_t timestamp_ns;     /* CLOCK_MONOTONIC at publish; 0 unless PLX_BUFFER_STAMPED */
	uint64_t publisher;        /* id of the segment it came from */
	uint32_t type;             /* type id; 0 = plain bytes */
	uint32_t flags;            /* PLX_BUFFER_* */
	uint32_t slot;             /* PLX_SLOT_NONE when the payload lies in the log entry */
	uint32_t viewed;           /* type id it was checked against (plx/type.h); 0 = none yet */
	struct plx_holder *holder; /* who holds; NULL when nothing does */
};
#define PLX_BUFFER_NONE ((struct plx_buffer){ .data = NULL })

PLX_BEGIN

/**
 * plx_buffer_clone() - a second handle of the same bytes: O(1), no data is copied.
 * @copy: set on success
 *
 * Return: 0, or -EINVAL on an empty buffer. It counts as the same message against the quota of held ones.
 * Owner:  both handles are released, each once.
 * Safety: the thread that uses the subscriber.
 */
int plx_buffer_clone(struct plx_buffer *copy, const struct plx_buffer *buffer) plx_must_check;

/**
 * plx_buffer_slice() - a handle of a part, [@off, @off + @length), of the same bytes.
 *
 * Return: as plx_buffer_clone(), or -ERANGE.
 */
int plx_buffer_slice(struct plx_buffer *part, const struct plx_buffer *buffer, uint64_t off,
		     uint64_t length) plx_must_check;

/**
 * plx_buffer_release() - let go; may be called twice, and on PLX_BUFFER_NONE.
 *
 * Safety: the thread that uses the subscriber.
 */
void plx_buffer_release(struct plx_buffer *buffer);

PLX_END

#endif

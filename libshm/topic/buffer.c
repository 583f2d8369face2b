/*
 * buffer.c - handles of one message: clone, slice, release.
 *
 * A message has one holder, which counts its handles in our own memory; the publisher sees at most one pin.
 */
#define PLX_NO_QUICK /* they are defined here */

#include <plx/buffer.h>

#include <errno.h>

#include "topic/hold.h"

int plx_buffer_clone(struct plx_buffer *copy, const struct plx_buffer *buffer)
{
	struct plx_holder *h = buffer->holder;

	if (!h)
		return -EINVAL;
	if ((uint32_t)h->more == UINT32_MAX)
		return -ENOSPC;
	h->more++;
	*copy = *buffer;
	return 0;
}

int plx_buffer_slice(struct plx_buffer *part, const struct plx_buffer *buffer, uint64_t off, uint64_t length)
{
	const unsigned char *data = buffer->data;
	int ret;

	if (buffer->holder && (off > buffer->length || length > buffer->length - off))
		return -ERANGE;
	ret = plx_buffer_clone(part, buffer);
	if (ret < 0)
		return ret;
	part->data = data + off;
	part->length = length;
	part->viewed = 0; /* a part is another value */
	return 0;
}

void plx_buffer_release(struct plx_buffer *buffer)
{
	plx_quick_let_go(buffer);
}

void plx_buffer_release_slowly(struct plx_holder *h)
{
	plx_reader_release(h->reader, h);
}

void plx_buffer_released(struct plx_holder *h)
{
	struct plx_reader *r = h->reader;

	if (plx_reader_due(r) || plx_reader_unheard(r, false))
		plx_reader_released(r, false);
}

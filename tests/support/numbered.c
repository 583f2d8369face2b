/* numbered.c - messages that carry their number. */
#include "tests/support/numbered.h"

#include <string.h>

uint64_t numbered_size(uint64_t n)
{
	return n % 3 ? 16 + n % 24 : 100 + n % 900;
}

void numbered_fill(unsigned char *bytes, uint64_t n)
{
	uint64_t i, size = numbered_size(n);

	memcpy(bytes, &n, 8);
	for (i = 8; i < size; i++)
		bytes[i] = (unsigned char)(n * 31 + i);
}

bool numbered_good(const struct plx_buffer *b)
{
	const unsigned char *bytes = b->data;
	uint64_t i, n;

	if (b->length < 8 || b->type != NUMBERED_TYPE)
		return false;
	memcpy(&n, bytes, 8);
	if (n != b->sequence || b->length != numbered_size(n))
		return false;
	for (i = 8; i < b->length; i++)
		if (bytes[i] != (unsigned char)(n * 31 + i))
			return false;
	return true;
}

/* numbered.h - messages that carry their number, and bytes that follow from it: a reader can check each one by itself. */
#ifndef TESTS_NUMBERED_H
#define TESTS_NUMBERED_H

#include <plx/buffer.h>
#include <stdint.h>

#define NUMBERED_TYPE 7u
#define NUMBERED_MAX  1000u /* bytes of the longest */

/** Bytes of message @n: every third is too long for a log entry. */
uint64_t numbered_size(uint64_t n);
void numbered_fill(unsigned char *bytes, uint64_t n);
/** Is this the message its sequence says, to the last byte? */
bool numbered_good(const struct plx_buffer *b);

#endif

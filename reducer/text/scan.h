/*
 * scan.h - walking over the bytes of a text: blanks, comments, names, positions for errors.
 */
#ifndef REDUCER_TEXT_SCAN_H
#define REDUCER_TEXT_SCAN_H

#include "reducer/text/text.h"

struct scan {
	const char *text;
	uint32_t length;
	uint32_t at;
	struct text_error *error;
};

/* scan_fail() - describe what is wrong at offset @at. Return: -EBADMSG. */
int scan_fail(const struct scan *scan, uint32_t at, const char *format, ...) plx_cold plx_printf(3, 4);

/* scan_where() - line and column of an offset. */
struct plx_where scan_where(const struct scan *scan, uint32_t at) plx_cold;

/* scan_bytes() - is all of the text UTF-8 without NUL? Return: 0 or -EBADMSG. */
int scan_bytes(const struct scan *scan);

/* scan_next() - skip blanks and comments; the byte there, or 0 at the end (a text has no NUL). */
char scan_next(struct scan *scan);

/* scan_name() - the length of the name that starts here, 0 when none does; stays. */
uint32_t scan_name(const struct scan *scan);

/*
 * scan_seen() - what stands here, for messages: "`)`" or "the end of the text".
 * @seen: at least 16 bytes
 */
const char *scan_seen(const struct scan *scan, char seen[16]) plx_cold;

#endif

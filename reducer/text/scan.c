/*
 * scan.c - walking over the bytes of a text.
 *
 * The whole text is checked once, before anything else looks at it: from then on it is UTF-8 without NUL, so that 0 can
 * mean "the end", and no later step has to think about broken bytes. Outside of comments only ASCII has a meaning.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "reducer/text/scan.h"

struct plx_where scan_where(const struct scan *scan, uint32_t at)
{
	struct plx_where where = { 1, 1 };

	for (uint32_t i = 0; i < at && i < scan->length; i++) {
		if (scan->text[i] == '\n') {
			where.line++;
			where.column = 1;
		} else {
			where.column++;
		}
	}
	return where;
}

int scan_fail(const struct scan *scan, uint32_t at, const char *format, ...)
{
	va_list args;

	scan->error->where = scan_where(scan, at);
	va_start(args, format);
	vsnprintf(scan->error->what, sizeof(scan->error->what), format, args);
	va_end(args);
	return -EBADMSG;
}

/* The length of the UTF-8 character at @c, 0 when it is none (also: overlong, a surrogate, beyond U+10FFFF). */
static uint32_t scan_utf8(const unsigned char *c, uint32_t left)
{
	uint32_t n = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

	if (c[0] < 0xc2 || c[0] > 0xf4 || left < n)
		return 0;
	for (uint32_t i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

int scan_bytes(const struct scan *scan)
{
	const unsigned char *c = (const unsigned char *)scan->text;

	for (uint32_t i = 0; i < scan->length;) {
		uint32_t n = 1;

		if (c[i] == 0)
			return scan_fail(scan, i, "a NUL byte; a program is text");
		if (c[i] >= 0x80)
			n = scan_utf8(c + i, scan->length - i);
		if (n == 0)
			return scan_fail(scan, i, "byte 0x%02x is not UTF-8; a program is text", c[i]);
		i += n;
	}
	return 0;
}

char scan_next(struct scan *scan)
{
	const char *text = scan->text;
	uint32_t at = scan->at, length = scan->length;

	for (; at < length; at++) {
		char c = text[at];

		if (c == '/' && length - at > 1 && text[at + 1] == '/') {
			const char *end = memchr(text + at, '\n', length - at);

			at = end ? (uint32_t)(end - text) : length - 1;
		} else if (c != ' ' && c != '\n' && c != '\t' && c != '\r' && c != '\f') {
			scan->at = at;
			return c;
		}
	}
	scan->at = length;
	return 0;
}

static bool scan_in_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.' || c == '/' || c == '$' || c == '-';
}

uint32_t scan_name(const struct scan *scan)
{
	uint32_t at = scan->at;

	while (at < scan->length && scan_in_name((unsigned char)scan->text[at]))
		at++;
	return at - scan->at;
}

const char *scan_seen(const struct scan *scan, char seen[16])
{
	uint32_t left = scan->length - scan->at, n = 1;
	const unsigned char *c = (const unsigned char *)scan->text + scan->at;

	if (left == 0)
		return "the end of the text";
	if (c[0] >= 0x80)
		n = scan_utf8(c, left);
	if (c[0] < 0x20 || c[0] == 0x7f)
		snprintf(seen, 16, "byte 0x%02x", c[0]);
	else
		snprintf(seen, 16, "`%.*s`", (int)n, (const char *)c);
	return seen;
}

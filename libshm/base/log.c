/* log.c - one line per event on stderr, written whole, whatever is in it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <plx/log.h>

#include "base/sys.h"

#define LINE_MAX_BYTES 1024

static const char *log_program; /* set before there are threads */
static int log_level = PLX_LOG_NOTICE;

void plx_log_open(const char *program, enum plx_level level)
{
	static const char *const names[] = { "error", "warning", "notice", "debug" };
	const char *env = getenv("PLX_LOG");

	for (size_t i = 0; env && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(env, names[i]) == 0)
			level = (enum plx_level)i;
	/* relaxed: they stand on their own */
	__atomic_store_n(&log_program, program, __ATOMIC_RELAXED);
	__atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
}

/* What a peer sent must not move the cursor of the terminal, nor pretend to be a line of its own. */
static void defuse(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			text[i] = c == '\t' ? '\t' : '?';
	}
}

void plx_log(enum plx_level level, const char *format, ...)
{
	const char *program = __atomic_load_n(&log_program, __ATOMIC_RELAXED);
	int saved = errno, n;
	char line[LINE_MAX_BYTES];
	size_t used;
	va_list args;

	if ((int)level > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;
	n = snprintf(line, sizeof(line), "%s%s", program ? program : "", program ? ": " : "");
	used = n < 0 ? 0 : (size_t)n < sizeof(line) / 2 ? (size_t)n : sizeof(line) / 2;
	va_start(args, format);
	n = vsnprintf(line + used, sizeof(line) - used, format, args);
	va_end(args);
	if (n > 0)
		used += (size_t)n;
	if (used > sizeof(line) - 1) {
		used = sizeof(line) - 1;
		memcpy(line + used - 3, "...", 3);
	}
	defuse(line, used);
	line[used++] = '\n';
	if (plx_sys_write(STDERR_FILENO, line, used) < 0)
		errno = 0; /* nowhere to complain */
	errno = saved;
}

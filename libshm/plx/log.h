/* log.h - one line per event on stderr, in one shape: "PROGRAM: what: where: what to do". */
#ifndef PLX_LOG_H
#define PLX_LOG_H

#include <plx/common.h>

enum plx_level {
	PLX_LOG_ERROR = 0,
	PLX_LOG_WARNING = 1,
	PLX_LOG_NOTICE = 2, /* default: this and above are shown */
	PLX_LOG_DEBUG = 3,
};

PLX_BEGIN

/** plx_log_open() - set the program's name (static text) and the level; PLX_LOG in the environment (error, warning, notice, debug) overrides. */
void plx_log_open(const char *program, enum plx_level level);

/**
 * plx_log() - one line, written with one write(2), so that lines of several processes do not mix.
 *
 * Safety: any thread; not in a signal handler. The library itself logs nothing above debug, but for two
 *         warnings of plx/segment.h: no huge pages, a file that could not be closed cleanly.
 */
void plx_log(enum plx_level level, const char *format, ...) plx_printf(2, 3);

PLX_END

#endif

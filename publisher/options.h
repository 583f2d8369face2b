/* options.h - what the user asked the publisher to do. */
#ifndef PUBLISHER_OPTIONS_H
#define PUBLISHER_OPTIONS_H

#include <plx/publisher.h>

#include "tools/cli/cli.h"

enum cut {
	CUT_CHUNKS = 0, /* a message is what fits a slot */
	CUT_LINES = 1,  /* a message is a line */
	CUT_WHOLE = 2,  /* a message is a file */
};

struct options {
	const char *topic;
	char **files; /* NULL-terminated; never empty: "-" when none was given */
	enum cut cut;
	uint32_t subscribers; /* how many must be there before the first byte */
	uint64_t slot_size;   /* bytes; 0 = not said */
	uint32_t depth;       /* 0 = not said */
	uint32_t slots;       /* 0 = not said */
	uint32_t history;
	uint32_t type;
	enum plx_full full;
	uint64_t timeout_ns; /* UINT64_MAX: for ever */
	uint64_t linger_ns;  /* UINT64_MAX: for ever */
	const char *directory;
	struct cli_trust trust;
	const char *backend; /* NULL = not said */
	bool stamp;
	bool quiet;
};

/**
 * options_parse() - read the command line; says what is wrong with it, or shows help or version.
 *
 * Return: -1 to go on, or the exit code.
 */
int options_parse(struct options *opt, int argc, char **argv) plx_must_check;

#endif

/* options.h - what the user asked the subscriber to do. */
#ifndef SUBSCRIBER_OPTIONS_H
#define SUBSCRIBER_OPTIONS_H

#include "tools/cli/cli.h"

struct options {
	const char *topic;
	const char *output; /* NULL: standard output */
	const char *directory;
	struct cli_trust trust;
	uint64_t count;      /* messages to take; 0: as many as come */
	uint64_t timeout_ns; /* without a message; UINT64_MAX: for ever */
	uint32_t publishers; /* streams that must have ended before we do */
	uint32_t history;
	uint32_t type;
	bool lines;
	bool lossy;
	bool follow;
	bool quiet;
};

/**
 * options_parse() - read the command line; says what is wrong with it, or shows help or version.
 *
 * Return: -1 to go on, or the exit code.
 */
int options_parse(struct options *opt, int argc, char **argv) plx_must_check;

#endif

/* cli.h - the reducer's subcommands, and what they share. */
#ifndef REDUCER_CLI_H
#define REDUCER_CLI_H

#include <stdatomic.h>

#include <plx/common.h>

#include "reducer/net/net.h"

/* Exit codes; 128 + a signal's number when one asked us to stop. */
enum reducer_exit {
	REDUCER_OK = 0,
	REDUCER_ERROR = 1,  /* the program is wrong, or something could not be read or written */
	REDUCER_USAGE = 2,  /* the command line is wrong */
	REDUCER_WORKER = 3, /* a worker process died */
	REDUCER_LIMIT = 4,  /* out of memory, of interactions (--gas) or of time (--time-limit) */
};

/* Subcommands; argv[0] is their name. Each returns an exit code. */
int cli_run(int argc, char **argv);
int cli_resume(int argc, char **argv);
int cli_workers(int argc, char **argv);
int cli_serve(int argc, char **argv);
int cli_report(int argc, char **argv);

/* Options that `run` and the service have in common, for getopt_long(); three have no letter. */
enum { CLI_EXPAND = 128, CLI_KEEP, CLI_PLAIN };
#define CLI_LONG_COMMON                                                                                      \
	{ "workers", required_argument, NULL, 'w' }, { "max-memory", required_argument, NULL, 'm' },         \
		{ "gas", required_argument, NULL, 'g' }, { "time-limit", required_argument, NULL, 'T' },     \
		{ "expand", no_argument, NULL, CLI_EXPAND }, { "no-expand", no_argument, NULL, CLI_KEEP },   \
		{ "no-fuse", no_argument, NULL, CLI_PLAIN }, { "help", no_argument, NULL, 'h' },             \
	{                                                                                                    \
		"version", no_argument, NULL, 'V'                                                            \
	}

/*
 * cli_common() - one of those options.
 * Return: 0 it was taken, -1 it is not one of them, or an exit code > 0 after saying what is wrong.
 */
int cli_common(int option, const char *value, struct net_options *net, struct net_limits *limits);

/* cli_common_defaults() - as many workers as there are processors for us. */
void cli_common_defaults(struct net_options *net, struct net_limits *limits);

/* cli_number_error() - after cli_size(), cli_count() or cli_time(): says what is wrong; returns REDUCER_USAGE. */
int cli_number_error(int err, const char *option, const char *value, const char *wants);

/* Output to a descriptor through a buffer. The first error stays; what follows is dropped. */
struct cli_out {
	int fd;
	int error; /* 0 or -errno */
	size_t used;
	_Atomic uint64_t
		*told; /* how much is out, kept where a successor finds it; NULL: nobody wants to know */
	uint64_t skip; /* bytes that are out already, said by a predecessor */
	char buffer[1 << 16];
};

/* cli_out_put() - @out is a struct cli_out, as text_print() wants it. Return: 0 or -errno. */
int cli_out_put(void *out, const char *text, size_t length);
int cli_out_format(struct cli_out *out, const char *format, ...) plx_printf(2, 3);

/* cli_out_flush() - everything is written, or says on stderr why not. Return: 0 or -errno. */
int cli_out_flush(struct cli_out *out) plx_must_check;

/*
 * cli_read_file() - a whole file, or what stdin has when @path is "-".
 * Return: 0 with *@text (free() it), -errno; -EINTR when asked to stop.
 */
int cli_read_file(const char *path, char **text, size_t *length) plx_must_check;

#endif

/* cli.h - what the programs share on the command line: how they start, read sizes and times, complain, and show progress. */
#ifndef CLI_H
#define CLI_H

#include <plx/admit.h>
#include <plx/key.h>
#include <stdio.h>

/* Exit codes all programs share; each documents its own as well. */
enum cli_exit {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_PEER_DIED = 3,
	CLI_PEER_STOPPED = 4,
	CLI_TIMED_OUT = 5,
};

/**
 * cli_start() - first thing in main(): name for messages, SIGINT and SIGTERM only ask to stop, descriptors 0 to 2 are taken.
 *
 * A program started with one of those closed would otherwise get a segment or a socket in its place, and print into it.
 *
 * Return: 0 or -errno. Safety: once, before threads.
 */
int cli_start(const char *program) plx_must_check;

/** cli_was_closed() - descriptor 0, 1 or 2 was closed when we started. */
bool cli_was_closed(int fd);

/** cli_error(), cli_note() - one line on stderr: "PROGRAM: what: where: what to do"; a progress line makes way. */
void cli_error(const char *format, ...) plx_printf(1, 2);
void cli_note(const char *format, ...) plx_printf(1, 2);

/** cli_usage_error() - says what is wrong and where help is; returns CLI_USAGE. */
int cli_usage_error(const char *format, ...) plx_printf(1, 2);

/** cli_show() - help or version on stdout; returns CLI_OK, or CLI_ERROR when it could not be written. */
int cli_show(const char *text);

/* Whom a program trusts, as its command line says. */
#define CLI_TRUST_MAX 64u
struct cli_trust {
	const char *key;                    /* file with our secret key; NULL: no keys */
	const char *trusted[CLI_TRUST_MAX]; /* files of public keys */
	uint32_t trusted_count;
	uint32_t users[CLI_TRUST_MAX], groups[CLI_TRUST_MAX];
	uint32_t user_count, group_count;
	struct plx_keys *keys; /* set by cli_trust_open() */
};

/* Its options, for getopt_long(): --key FILE, --trust FILE, --user NAME, --group NAME (NAME: also a number). */
enum { CLI_KEY = 1000, CLI_TRUST, CLI_USER, CLI_GROUP };
/* clang-format off */
#define CLI_LONG_TRUST \
	{ "key", required_argument, NULL, CLI_KEY }, \
	{ "trust", required_argument, NULL, CLI_TRUST }, \
	{ "user", required_argument, NULL, CLI_USER }, \
	{ "group", required_argument, NULL, CLI_GROUP }
/* clang-format on */

/**
 * cli_trust_option() - one of them.
 * @option: CLI_KEY to CLI_GROUP
 *
 * Return: -1 to go on, or the exit code: what is wrong has been said.
 */
int cli_trust_option(struct cli_trust *trust, int option, const char *value) plx_must_check;

/** cli_trust_open() - read the files. Return: -1 to go on, or the exit code. Owner: cli_trust_close(). */
int cli_trust_open(struct cli_trust *trust) plx_must_check;
void cli_trust_close(struct cli_trust *trust);

/** cli_trust_admit() - who else may be at the other end, for plx_publisher_options and plx_subscriber_options. */
struct plx_admit cli_trust_admit(const struct cli_trust *trust);

/**
 * cli_size() - "4096", "64K", "16M", "1G", also "KiB" and so on: powers of 1024.
 *
 * Return: 0, -EINVAL (not a size), -ERANGE (outside [@low, @high]).
 */
int cli_size(const char *text, uint64_t low, uint64_t high, uint64_t *size) plx_must_check;

/** cli_count() - a plain number. Return: 0, -EINVAL, -ERANGE. */
int cli_count(const char *text, uint64_t low, uint64_t high, uint64_t *count) plx_must_check;

/**
 * cli_time() - "2", "0.5", "250ms", "3s", "5m": seconds unless it says otherwise; at most a year.
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int cli_time(const char *text, uint64_t *ns) plx_must_check;

/**
 * cli_count_option(), cli_count_option32(), cli_time_option() - the value of an option called @name, or say what is wrong with it.
 *
 * Return: -1 to go on, or the exit code.
 */
int cli_count_option(const char *name, const char *text, uint64_t low, uint64_t high,
		     uint64_t *count) plx_must_check;
int cli_count_option32(const char *name, const char *text, uint32_t low, uint32_t high,
		       uint32_t *count) plx_must_check;
int cli_time_option(const char *name, const char *text, uint64_t *ns) plx_must_check;

/** cli_human() - bytes as a user reads them, "1.25 GiB"; returns @text. */
#define CLI_HUMAN 24
const char *cli_human(double bytes, char text[CLI_HUMAN]);

/* A line of progress on stderr, only when that is a terminal. */
struct cli_meter {
	const char *verb; /* "sent" */
	uint64_t began_ns;
	uint64_t shown_ns; /* when the line was last drawn */
	uint64_t shown_bytes;
	uint64_t looked; /* steps since the clock was last read */
	bool on;
};

/** cli_meter_start() - @verb is static text; @quiet: never show anything. */
void cli_meter_start(struct cli_meter *meter, const char *verb, bool quiet);

/** cli_meter_draw() - the line, if it is time for it: about five times a second. */
void cli_meter_draw(struct cli_meter *meter, uint64_t bytes, uint64_t messages);

/** cli_meter_end() - the line gives way to a last one: what was moved, how long it took. */
void cli_meter_end(struct cli_meter *meter, uint64_t bytes, uint64_t messages);

/** cli_meter_step() - after each batch: one test when nobody watches. */
static inline void cli_meter_step(struct cli_meter *meter, uint64_t bytes, uint64_t messages)
{
	if (plx_unlikely(meter->on))
		cli_meter_draw(meter, bytes, messages);
}

#endif

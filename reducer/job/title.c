/*
 * title.c - what a program says about itself in its first lines.
 *
 *	// job: 17 fib                                          its number and name
 *	// limits: gas=1000000 time=2s memory=64M expand=no     on the next line, or on the first
 *
 *	// cancel: 17                                           no program: the job of that number is not wanted any more
 *
 * A first line that is not exactly a job's or a wish to cancel is a comment like any other. Limits that cannot be understood
 * are an error: a program that runs without the limits it asked for is worse than none.
 */
#include <stdlib.h>
#include <string.h>

#include "reducer/job/request.h"
#include "tools/cli/cli.h"

#define WORD_MAX  63
#define SHOWN_MAX 40 /* of a word that is no limit */

/* A line without its "//" and blanks at its ends. */
struct line {
	const char *at;
	const char *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct line *line)
{
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
}

/* The comment in the line at @text; returns where the next line is, NULL when this is no comment. */
static const char *comment(const char *text, const char *end, struct line *line)
{
	const char *newline;

	if (end - text < 2 || text[0] != '/' || text[1] != '/')
		return NULL;
	newline = memchr(text, '\n', (size_t)(end - text));
	*line = (struct line){ text + 2, newline ? newline : end };
	skip_blanks(line);
	while (line->end > line->at && is_blank(line->end[-1]))
		line->end--;
	return newline ? newline + 1 : end;
}

static bool begins(struct line *line, const char *mark)
{
	const size_t length = strlen(mark);

	if ((size_t)(line->end - line->at) < length || memcmp(line->at, mark, length) != 0)
		return false;
	line->at += length;
	skip_blanks(line);
	return true;
}

/* A decimal number below 2^64 and then a blank or the end. */
static bool number(struct line *line, uint64_t *value)
{
	const char *p = line->at;

	*value = 0;
	for (; p < line->end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*p - '0'), value))
			return false;
	if (p == line->at || (p < line->end && !is_blank(*p)))
		return false;
	line->at = p;
	skip_blanks(line);
	return true;
}

/* One "key=value". Returns 0 or -EINVAL. */
static int limit(struct job_request *request, const char *key, const char *value)
{
	struct net_limits *limits = &request->limits;

	if (strcmp(key, "gas") == 0)
		return cli_count(value, 1, UINT64_MAX, &limits->gas);
	if (strcmp(key, "time") == 0)
		return cli_time(value, &limits->time_ns) < 0 || limits->time_ns == 0 ? -EINVAL : 0;
	if (strcmp(key, "memory") == 0)
		return cli_size(value, 1, UINT64_MAX, &limits->memory);
	if (strcmp(key, "expand") == 0 && (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)) {
		limits->expand = value[0] == 'y' ? NET_EXPAND_ALWAYS : NET_EXPAND_NEVER;
		request->expand_said = true;
		return 0;
	}
	return -EINVAL;
}

static void limits_of(struct job_request *request, struct line line, uint32_t at)
{
	char word[WORD_MAX + 1], shown[SHOWN_MAX + 1], *equals;

	while (line.at < line.end) {
		const char *end = line.at;
		size_t length;

		while (end < line.end && !is_blank(*end))
			end++;
		length = (size_t)(end - line.at) < WORD_MAX ? (size_t)(end - line.at) : WORD_MAX;
		memcpy(word, line.at, length);
		word[length] = '\0';
		job_clean(shown, sizeof(shown), word, length);
		equals = strchr(word, '=');
		if (equals)
			*equals = '\0';
		if (!equals || end - line.at > WORD_MAX || memchr(line.at, '\0', length) ||
		    limit(request, word, equals + 1) != 0) {
			snprintf(request->wrong, sizeof(request->wrong),
				 "'%s' is no limit; they are gas=N, time=T, memory=SIZE, expand=yes or no",
				 shown);
			request->wrong_line = at;
			return;
		}
		line.at = end;
		skip_blanks(&line);
	}
}

void job_request_title(struct job_request *request)
{
	const char *end, *next;
	struct line line;
	uint64_t id;
	uint32_t at = 1;

	if (request->length == 0)
		return;
	end = request->text + request->length;
	next = comment(request->text, end, &line);
	if (!next)
		return;
	if (begins(&line, "cancel:")) {
		if (number(&line, &id) && line.at == line.end) {
			request->cancels = true;
			request->id = id;
		}
		return;
	}
	if (begins(&line, "job:")) {
		if (!number(&line, &id))
			return; /* a comment that looks like a title and is none */
		request->id = id;
		job_clean(request->name, sizeof(request->name), line.at, (size_t)(line.end - line.at));
		next = comment(next, end, &line);
		at++;
	}
	if (next && begins(&line, "limits:"))
		limits_of(request, line, at);
}

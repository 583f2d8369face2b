/*
 * report.c - replies as people read them.
 *
 *	 3/19  bitonic        7,090,102 interactions in 143.2 ms by 2 workers        while they come
 *
 *	 program       normal form               interactions         ms  workers    at the end
 *	 bitonic       6814853                      7,090,102      143.2        2  ok
 *
 * A reply belongs to the program of that name, when it has a name that is some file's, and otherwise to the program with its
 * place in the stream: replies come in any order. Lines that only tell how far a program is are passed over. Right is an answer that equals what the file beside the program says (NAME.expected beside NAME.hvm); without such a file, one that
 * is no error. A program that gets no answer, or two, is wrong as well.
 */
#include "reducer/report.h"

#include <dirent.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "reducer/cli.h"
#include "reducer/job/request.h"

/* ---- what is asked ----------------------------------------------------------------------------- */

static struct report_job *new_job(struct report *report, const char *name)
{
	struct report_job *job;

	if (report->count == report->room) {
		size_t room = report->room ? 2 * report->room : 32;
		struct report_job *jobs = realloc(report->jobs, room * sizeof(*jobs));

		if (!jobs)
			return NULL;
		report->jobs = jobs;
		report->room = room;
	}
	job = &report->jobs[report->count];
	*job = (struct report_job){ .name = strdup(name) };
	if (!job->name)
		return NULL;
	report->count++;
	return job;
}

/* The text of a file without white space at its ends; NULL when there is no such file. */
static int read_trimmed(const char *path, char **text)
{
	size_t length, begin = 0;
	int ret = cli_read_file(path, text, &length);

	if (ret == -ENOENT) {
		*text = NULL;
		return 0;
	}
	if (ret < 0)
		return ret;
	while (length > 0 && strchr(" \t\r\n", (*text)[length - 1]))
		length--;
	while (begin < length && strchr(" \t\r\n", (*text)[begin]))
		begin++;
	memmove(*text, *text + begin, length - begin);
	(*text)[length - begin] = '\0'; /* cli_read_file() leaves room for one more */
	return 0;
}

int report_ask(struct report *report, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t length = strlen(path);
	struct report_job *job;
	char *name, *beside;
	int ret;

	if (length > 4 && strcmp(path + length - 4, ".hvm") == 0)
		length -= 4;
	base = base ? base + 1 : path;
	name = strndup(base, length - (size_t)(base - path));
	job = name ? new_job(report, name) : NULL;
	free(name);
	if (!job || asprintf(&beside, "%.*s.expected", (int)length, path) < 0)
		return -ENOMEM;
	job->asked = true;
	report->asked++;
	ret = read_trimmed(beside, &job->expected);
	free(beside);
	return ret;
}

static int is_program(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + length - 4, ".hvm") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int report_ask_folder(struct report *report, const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_program, by_bytes), ret = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char *file;

		if (ret == 0 && asprintf(&file, "%s/%s", path, entries[i]->d_name) >= 0) {
			ret = report_ask(report, file);
			free(file);
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

/* ---- what is answered -------------------------------------------------------------------------- */

static struct report_job *find(struct report *report, const char *name, uint64_t id)
{
	struct report_job *next = report->answers < report->asked ? &report->jobs[report->answers] : NULL;
	struct report_job *by_number = id >= 1 && id <= report->asked ? &report->jobs[id - 1] : NULL;

	if (!name)
		return by_number;
	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->jobs[i].name, name) == 0)
			return &report->jobs[i];
	/* the program says a name that is not its file's, and perhaps a number that is not its place */
	if (by_number && by_number->answers == 0)
		return by_number;
	return next && next->answers == 0 ? next : NULL;
}

static const char *string_of(struct json_object *reply, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(reply, key, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

static uint64_t count_of(struct json_object *reply, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(reply, key, &value) && json_object_is_type(value, json_type_int)
		       ? json_object_get_uint64(value)
		       : 0;
}

/* Fills a job from its reply. Return: 0, -EBADMSG, -ENOMEM. */
static int fill(struct report_job *job, struct json_object *reply)
{
	const char *status = string_of(reply, "status");
	struct json_object *ms;
	const char *result;

	if (!status || (strcmp(status, "done") != 0 && strcmp(status, "error") != 0))
		return -EBADMSG;
	job->error = strcmp(status, "error") == 0;
	result = string_of(reply, job->error ? "message" : "result");
	if (!result)
		return -EBADMSG;
	free(job->result);
	job->result = strdup(result);
	if (!job->result)
		return -ENOMEM;
	job->ran = json_object_object_get_ex(reply, "ms", &ms);
	job->ms = job->ran ? json_object_get_double(ms) : 0;
	job->interactions = count_of(reply, "interactions");
	job->workers = (uint32_t)count_of(reply, "workers");
	job->line = (uint32_t)count_of(reply, "line");
	job->column = (uint32_t)count_of(reply, "column");
	job->answers++;
	return 0;
}

/* "20,876,009" */
static const char *grouped(uint64_t value, char text[32])
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, value), used = 0;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}

/* As much of @text as fits @columns, with dots where something is missing; returns columns used. */
static int shorten(char *to, size_t room, const char *text, int columns)
{
	size_t length = strlen(text), fits = (size_t)columns;

	if (fits >= room)
		fits = room - 1;
	if (length <= fits) {
		memcpy(to, text, length + 1);
		return (int)length;
	}
	memcpy(to, text, fits);
	for (size_t i = fits > 3 ? fits - 3 : 0; i < fits; i++)
		to[i] = '.';
	to[fits] = '\0';
	return (int)fits;
}

static const char *paint(const struct report *report, const char *code)
{
	return report->colour ? code : "";
}

static void show_line(struct report *report, const struct report_job *job)
{
	char figures[160] = "", count[32], text[512], name[24];
	int left;

	shorten(name, sizeof(name), job->name, 16);
	left = fprintf(report->out, "%3zu/%-3zu %-16s ", report->answers,
		       report->asked > report->answers ? report->asked : report->answers, name);
	if (job->error) {
		int used = job->line > 0
				   ? snprintf(figures, sizeof(figures), "error at %" PRIu32 ":%" PRIu32 ": ",
					      job->line, job->column)
				   : snprintf(figures, sizeof(figures), "error: ");

		shorten(text, sizeof(text), job->result, report->width - left - used);
	} else {
		snprintf(figures, sizeof(figures), "%12s interactions %9.1f ms  %" PRIu32 " worker%s",
			 grouped(job->interactions, count), job->ms, job->workers,
			 job->workers == 1 ? "" : "s");
		text[0] = '\0';
	}
	fprintf(report->out, "%s%s\n", figures, text);
	fflush(report->out);
}

static bool is_progress(struct json_object *reply)
{
	const char *status = string_of(reply, "status");

	return status && strcmp(status, "running") == 0;
}

int report_line(struct report *report, const char *line, size_t length)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *reply = NULL;
	struct report_job *job;
	const char *name;
	char number[40];
	uint64_t id;
	int ret = tokener ? -EBADMSG : -ENOMEM;

	if (tokener && length <= INT32_MAX)
		reply = json_tokener_parse_ex(tokener, line, (int)length);
	if (reply && json_object_is_type(reply, json_type_object) && is_progress(reply)) {
		ret = 0;
	} else if (reply && json_object_is_type(reply, json_type_object)) {
		id = count_of(reply, "job");
		name = string_of(reply, "name");
		job = find(report, name,
			   json_object_object_get_ex(reply, "position", NULL) ? count_of(reply, "position")
									      : id);
		if (!job) {
			snprintf(number, sizeof(number), "job %" PRIu64, id);
			job = new_job(report, name ? name : number);
		}
		ret = job ? fill(job, reply) : -ENOMEM;
		if (ret == 0) {
			report->answers++;
			show_line(report, job);
		}
	}
	if (ret == -EBADMSG) {
		char text[64];

		report->broken++;
		job_clean(text, sizeof(text), line, length);
		fprintf(report->out, "        not a reply: %s\n", text);
	}
	json_object_put(reply);
	json_tokener_free(tokener);
	return ret;
}

/* ---- the verdict ------------------------------------------------------------------------------- */

/* "error: LINE:COLUMN" and then perhaps ": words of the message". */
static bool right_error(const struct report_job *job, const char *expected)
{
	char place[48];
	size_t length;

	expected += strspn(expected, " ");
	length = (size_t)snprintf(place, sizeof(place), "%" PRIu32 ":%" PRIu32, job->line, job->column);
	if (*expected >= '0' && *expected <= '9') {
		if (strncmp(expected, place, length) != 0 ||
		    (expected[length] != '\0' && expected[length] != ':'))
			return false;
		expected += length;
		expected += *expected == ':';
		expected += strspn(expected, " ");
	}
	return strstr(job->result, expected) != NULL;
}

bool report_right(const struct report_job *job)
{
	static const char mark[] = "error:";

	if (job->answers != 1)
		return false;
	if (!job->expected)
		return !job->error;
	if (strncmp(job->expected, mark, sizeof(mark) - 1) == 0)
		return job->error && right_error(job, job->expected + sizeof(mark) - 1);
	return !job->error && report_same_net(job->expected, job->result) == 1;
}

static const char *verdict(const struct report_job *job, bool right)
{
	if (job->answers == 0)
		return "NO ANSWER";
	if (job->answers > 1)
		return "TWICE";
	if (right)
		return job->expected ? "ok" : "-";
	return job->expected ? "WRONG" : "ERROR";
}

static void show_row(const struct report *report, const struct report_job *job, int columns, bool right)
{
	char name[20], text[512], shown[600], count[32] = "", ms[32] = "", workers[16] = "";

	shorten(name, sizeof(name), job->name, 14);
	if (job->error && job->line > 0)
		snprintf(text, sizeof(text), "%" PRIu32 ":%" PRIu32 ": %.400s", job->line, job->column,
			 job->result);
	else
		snprintf(text, sizeof(text), "%.500s", job->result ? job->result : "");
	shorten(shown, sizeof(shown), text, columns);
	if (job->ran) {
		grouped(job->interactions, count);
		snprintf(ms, sizeof(ms), "%.1f", job->ms);
		snprintf(workers, sizeof(workers), "%" PRIu32, job->workers);
	}
	fprintf(report->out, "%-14s %-*s %12s %8s %7s  %s%s%s\n", name, columns, shown, count, ms, workers,
		paint(report, right ? "\033[32m" : "\033[31;1m"), verdict(job, right),
		paint(report, "\033[0m"));
}

static void show_difference(const struct report *report, const struct report_job *job)
{
	char text[400];

	fprintf(report->out, "\n%s\n", job->name);
	if (job->answers == 0) {
		fprintf(report->out, "  there was no answer\n");
		return;
	}
	if (job->answers > 1)
		fprintf(report->out, "  there were %" PRIu32 " answers; the last one:\n", job->answers);
	if (job->expected) {
		shorten(text, sizeof(text), job->expected, 390);
		fprintf(report->out, "  expected  %s\n", text);
	}
	shorten(text, sizeof(text), job->result, 360);
	if (job->error && job->line > 0)
		fprintf(report->out, "  answer    error: %" PRIu32 ":%" PRIu32 ": %s\n", job->line,
			job->column, text);
	else
		fprintf(report->out, "  answer    %s%s\n", job->error ? "error: " : "", text);
}

bool report_table(struct report *report)
{
	const int rest = 14 + 1 + 1 + 12 + 1 + 8 + 1 + 7 + 2 + 5; /* all columns but the normal form */
	int columns = report->width - rest > 12 ? report->width - rest : 12;
	size_t wrong = 0, judged = 0;
	bool all_right;

	fprintf(report->out, "\n%s%-14s %-*s %12s %8s %7s%s\n", paint(report, "\033[1m"), "program", columns,
		"normal form", "interactions", "ms", "workers", paint(report, "\033[0m"));
	for (size_t i = 0; i < report->count; i++) {
		const struct report_job *job = &report->jobs[i];
		bool right = report_right(job);

		wrong += !right;
		judged += job->expected != NULL;
		show_row(report, job, columns, right);
	}
	all_right = wrong == 0 && report->broken == 0;
	for (size_t i = 0; i < report->count && wrong > 0; i++)
		if (!report_right(&report->jobs[i]))
			show_difference(report, &report->jobs[i]);
	fprintf(report->out, "\n%s%zu program%s: ", paint(report, all_right ? "\033[32m" : "\033[31;1m"),
		report->count, report->count == 1 ? "" : "s");
	if (report->broken > 0)
		fprintf(report->out, "%zu line%s no reply, ", report->broken,
			report->broken == 1 ? " was" : "s were");
	if (wrong > 0)
		fprintf(report->out, "%zu wrong", wrong);
	else if (judged > 0)
		fprintf(report->out, "%s",
			judged == report->count ? "every answer is the one written beside it"
						: "no answer differs from one written beside it");
	else
		fprintf(report->out, "all answered");
	fprintf(report->out, "%s\n", paint(report, "\033[0m"));
	fflush(report->out);
	return all_right;
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->jobs[i].name);
		free(report->jobs[i].expected);
		free(report->jobs[i].result);
	}
	free(report->jobs);
	report->jobs = NULL;
	report->count = report->room = 0;
}

/*
 * report.h - what a reader of replies sees: a line for each as it comes, then a table, then a verdict.
 */
#ifndef REDUCER_REPORT_H
#define REDUCER_REPORT_H

#include <plx/common.h>
#include <stdio.h>

/* One program and its answer. */
struct report_job {
	char *name;
	char *expected; /* what the file beside it says: a normal form, or "error: LINE:COLUMN..."; NULL when there is none */
	char *result; /* the normal form, or the error message */
	uint64_t interactions;
	double ms;
	uint32_t workers;
	uint32_t line, column; /* of an error */
	uint32_t answers;      /* replies for it: 1 is right */
	bool error;            /* the reply is an error */
	bool ran;              /* figures are there */
	bool asked;            /* it is in the list of programs, so an answer is due */
};

struct report {
	struct report_job *jobs;
	size_t count;
	size_t room;
	size_t asked;   /* jobs in the list */
	size_t answers; /* replies read */
	size_t broken;  /* lines that are not replies */
	FILE *out;
	int width; /* columns */
	bool colour;
};

/* report_ask() - an answer to the program in @path is due; reads what is expected beside it. Return: 0 or -errno. */
int report_ask(struct report *report, const char *path) plx_must_check;

/* report_ask_folder() - every .hvm file in @path, in byte order. Return: 0 or -errno. */
int report_ask_folder(struct report *report, const char *path) plx_must_check;

/* report_line() - one reply; shows a line. Return: 0, -EBADMSG (no reply: counted and shown), -ENOMEM. */
int report_line(struct report *report, const char *line, size_t length) plx_must_check;

/* report_table() - the table. Return: true when every answer is there and right. */
bool report_table(struct report *report);

void report_free(struct report *report);

/* report_right() - is the answer what was expected? Without an expectation: is it no error? */
bool report_right(const struct report_job *job);

/*
 * report_same_net() - do two printed nets differ in the names of variables and in white space only?
 * Return: 1 or 0, or -ENOMEM.
 */
int report_same_net(const char *a, const char *b);

#endif

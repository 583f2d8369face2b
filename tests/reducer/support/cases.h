/*
 * cases.h - programs with known results that lie outside of the repository, and how to compare a result with one.
 */
#ifndef TESTS_REDUCER_SUPPORT_CASES_H
#define TESTS_REDUCER_SUPPORT_CASES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * cases_file() - read a file of the cases, by its path below their folder, which is $PLX_CASES or ../shared/cases.
 * Return: the bytes, terminated, to be freed; NULL when it is not there.
 */
char *cases_file(const char *path, size_t *length);

/* cases_there() - is there such a file? */
bool cases_there(const char *path);

/* cases_names() - the files of a folder that end so, sorted, without the ending; NULL-terminated, all in one allocation. */
char **cases_names(const char *folder, const char *ending);

/* cases_snapshot() - the text of a snapshot behind its header, which stands between two lines of dashes; to be freed, or NULL. */
char *cases_snapshot(const char *path);

/* cases_unfold() - in a name of a snapshot the slashes of a path are written otherwise, as @sign: as a path, in place. */
void cases_unfold(char *path, const char *sign);

/*
 * result_normal() - a printed net made comparable: tokens with one blank between, variables x0, x1, ... in order of
 * first occurrence; what stands before "Result:" and after the line goes. To be freed.
 */
char *result_normal(const char *text);

#endif

/*
 * file.h - the files of a program: small numbers for descriptors, as it knows them. 0, 1 and 2 are those of the process.
 */
#ifndef REDUCER_IO_FILE_H
#define REDUCER_IO_FILE_H

#include <plx/common.h>

#define FILES_MAX 1024u

struct files {
	int fd[FILES_MAX]; /* -1: free */
};

void files_start(struct files *files);
void files_end(struct files *files); /* closes all but 0, 1 and 2 */

/*
 * files_open() - @mode as fopen()'s: r, w, a, each with + or b.
 * Return: its number, from 3, or -errno; -EINVAL for another mode, -EMFILE.
 */
int files_open(struct files *files, const char *path, const char *mode);

/* files_fd() - the descriptor behind a number, or -EBADF. */
int files_fd(const struct files *files, uint32_t number);

/* files_close() - Return: 0 or -errno. */
int files_close(struct files *files, uint32_t number);

#endif

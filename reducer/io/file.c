/* file.c - see file.h. */
#include "reducer/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void files_start(struct files *files)
{
	for (uint32_t i = 0; i < FILES_MAX; i++)
		files->fd[i] = i < 3 ? (int)i : -1;
}

void files_end(struct files *files)
{
	for (uint32_t i = 3; i < FILES_MAX; i++)
		if (files->fd[i] >= 0)
			close(files->fd[i]);
	files_start(files);
}

/* open()'s flags, or -EINVAL. */
static int flags_of(const char *mode)
{
	bool plus = false;
	int flags;

	switch (mode[0]) {
	case 'r': flags = 0; break;
	case 'w': flags = O_CREAT | O_TRUNC; break;
	case 'a': flags = O_CREAT | O_APPEND; break;
	default: return -EINVAL;
	}
	for (mode++; *mode; mode++) {
		if (*mode != '+' && *mode != 'b')
			return -EINVAL;
		plus |= *mode == '+';
	}
	return flags | O_CLOEXEC | (plus ? O_RDWR : flags ? O_WRONLY : O_RDONLY);
}

int files_open(struct files *files, const char *path, const char *mode)
{
	const int flags = flags_of(mode);
	uint32_t i = 3;

	if (flags < 0)
		return flags;
	while (i < FILES_MAX && files->fd[i] >= 0)
		i++;
	if (i == FILES_MAX)
		return -EMFILE;
	files->fd[i] = open(path, flags, 0666);
	return files->fd[i] < 0 ? -errno : (int)i;
}

int files_fd(const struct files *files, uint32_t number)
{
	return number < FILES_MAX && files->fd[number] >= 0 ? files->fd[number] : -EBADF;
}

int files_close(struct files *files, uint32_t number)
{
	const int fd = files_fd(files, number);

	if (fd < 0)
		return fd;
	files->fd[number] = -1;
	/* the number is free whatever close() says; 0, 1 and 2 are not ours to close */
	return number < 3 || close(fd) == 0 ? 0 : -errno;
}

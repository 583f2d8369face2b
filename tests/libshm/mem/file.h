/* file.h - a segment in a file, in a directory of its own, for tests. */
#ifndef TESTS_MEM_FILE_H
#define TESTS_MEM_FILE_H

#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "base/sys.h"
#include "mem/file_layout.h"
#include "tests/support/support.h"

#define SIZE 16384u

static const struct plx_block blocks[] = { { "head", 512, 0 }, { "data", 8192, 4096 } };

struct fixture {
	char *top;
	char path[256];    /* of the file */
	char backend[272]; /* "file:" and that */
	int fds;
};

static inline struct fixture begin(void)
{
	struct fixture f = { .top = make_directory(), .fds = count_open_fds() };

	snprintf(f.path, sizeof(f.path), "%s/segment", f.top);
	snprintf(f.backend, sizeof(f.backend), "file:%s", f.path);
	return f;
}

static inline void end(struct fixture *f)
{
	assert_int_equal(count_open_fds(), f->fds);
	assert_int_equal(count_maps(f->path), 0);
	drop_directory(f->top);
}

static inline void fill(const struct plx_segment *seg, unsigned char with)
{
	memset((unsigned char *)seg->base + 8192, with, 8192);
}

static inline int filled(const struct plx_segment *seg, unsigned char with)
{
	const unsigned char *bytes = (const unsigned char *)seg->base + 8192;

	for (int i = 0; i < 8192; i++)
		if (bytes[i] != with)
			return 0;
	return 1;
}

static inline struct plx_segment make(const struct fixture *f, unsigned char with)
{
	struct plx_segment seg;

	assert_int_equal(plx_segment_create(&seg, f->backend, "plx:test:file", SIZE, 0), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "file", blocks, 2), 0);
	fill(&seg, with);
	return seg;
}

static inline void make_closed(const struct fixture *f, unsigned char with)
{
	struct plx_segment seg = make(f, with);

	plx_segment_close(&seg);
}

/* Opens and closes; a failure comes with a reason and leaves nothing. */
static inline int look(const struct fixture *f, unsigned int flags)
{
	struct plx_segment seg;
	const char *why = "";
	int ret = plx_segment_open_file(&seg, f->path, flags, &why);

	if (ret < 0) {
		assert_non_null(why);
		assert_true(strlen(why) > 5);
		assert_null(seg.base);
		assert_int_equal(seg.fd, -1);
	} else {
		assert_null(why);
	}
	plx_segment_close(&seg);
	return ret;
}

static inline void poke(const struct fixture *f, uint64_t off, unsigned char xor)
{
	int fd = open(f->path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= xor;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	close(fd);
}

#endif

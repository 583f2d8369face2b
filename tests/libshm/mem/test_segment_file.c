/* test_segment_file.c - a segment in a file: what was in it is there again, or one is told why not. */
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

static struct fixture begin(void)
{
	struct fixture f = { .top = make_directory(), .fds = count_open_fds() };

	snprintf(f.path, sizeof(f.path), "%s/segment", f.top);
	snprintf(f.backend, sizeof(f.backend), "file:%s", f.path);
	return f;
}

static void end(struct fixture *f)
{
	assert_int_equal(count_open_fds(), f->fds);
	assert_int_equal(count_maps(f->path), 0);
	drop_directory(f->top);
}

static void fill(const struct plx_segment *seg, unsigned char with)
{
	memset((unsigned char *)seg->base + 8192, with, 8192);
}

static int filled(const struct plx_segment *seg, unsigned char with)
{
	const unsigned char *bytes = (const unsigned char *)seg->base + 8192;

	for (int i = 0; i < 8192; i++)
		if (bytes[i] != with)
			return 0;
	return 1;
}

static struct plx_segment make(const struct fixture *f, unsigned char with)
{
	struct plx_segment seg;

	assert_int_equal(plx_segment_create(&seg, f->backend, "plx:test:file", SIZE, 0), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "file", blocks, 2), 0);
	fill(&seg, with);
	return seg;
}

static void make_closed(const struct fixture *f, unsigned char with)
{
	struct plx_segment seg = make(f, with);

	plx_segment_close(&seg);
}

/* Opens and closes; a failure comes with a reason and leaves nothing. */
static int look(const struct fixture *f, unsigned int flags)
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

static void poke(const struct fixture *f, uint64_t off, unsigned char xor)
{
	int fd = open(f->path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= xor;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	close(fd);
}

/* ---- contents survive ---- */

static int write_it(void *arg)
{
	struct plx_segment seg;

	CHECK(plx_segment_open_file(&seg, arg, PLX_FILE_WRITE, NULL) == 0);
	CHECK(filled(&seg, 1));
	fill(&seg, 2);
	plx_segment_close(&seg);
	return 0;
}

static void what_one_process_wrote_the_next_one_reads(void **state)
{
	struct fixture f = begin();
	struct plx_segment_info info;
	struct plx_segment seg;
	const char *why;
	struct stat st;

	(void)state;
	make_closed(&f, 1);
	assert_int_equal(run_in_child(write_it, f.path), 0);
	assert_int_equal(plx_segment_open_file(&seg, f.path, 0, &why), 0);
	assert_int_equal(seg.size, SIZE);
	assert_false(seg.writable);
	assert_string_equal(plx_segment_backend_name(&seg), "file");
	assert_true(filled(&seg, 2));
	assert_int_equal(plx_segment_info(&seg, &info), 0);
	assert_int_equal(info.kind, PLX_KIND_USER);
	assert_string_equal(info.name, "file");
	assert_ptr_equal(plx_segment_block(&seg, "data", NULL), (char *)seg.base + 4096);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, SIZE + 4096);
	plx_segment_close(&seg);
	end(&f);
}

static void it_need_not_be_formatted_and_is_of_whole_pages(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", 4097, 0), 0);
	assert_int_equal(seg.size, 8192);
	for (int i = 0; i < 8192; i++)
		assert_int_equal(((unsigned char *)seg.base)[i], 0);
	strcpy(seg.base, "anything");
	assert_int_equal(plx_segment_commit(&seg, 0, 8192), 0);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_open_file(&seg, f.path, PLX_FILE_WRITE, NULL), 0);
	assert_string_equal(seg.base, "anything");
	plx_segment_close(&seg);
	end(&f);
}

static void what_is_there_is_not_overwritten(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg;

	(void)state;
	make_closed(&f, 9);
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", 4096, 0), -EEXIST);
	assert_int_equal(look(&f, 0), 0);
	assert_int_equal(unlink(f.path), 0);
	assert_int_equal(symlink("/nowhere/else", f.path), 0);
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", 4096, 0), -EEXIST);
	end(&f);
}

static void a_path_that_cannot_be_is_refused(void **state)
{
	static const char *const paths[] = { "file:", "file:/tmp/", "file:/tmp/.", "file:/tmp/..", "file:." };
	struct fixture f = begin();
	struct plx_segment seg;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		assert_int_equal(plx_segment_create(&seg, paths[i], "n", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "file:/nowhere/at/all", "n", 4096, 0), -ENOENT);
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", 4096, PLX_SEGMENT_SPARSE), -EINVAL);
	assert_int_equal(plx_segment_open_file(&seg, f.path, 0, NULL), -ENOENT);
	assert_int_equal(plx_segment_open_file(&seg, NULL, 0, NULL), -EINVAL);
	assert_int_equal(plx_segment_open_file(&seg, f.path, 8, NULL), -EINVAL);
	assert_int_equal(access(f.path, F_OK), -1);
	end(&f);
}

static void a_path_without_a_directory_is_here(void **state)
{
	struct fixture f = begin();
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct plx_segment seg;

	(void)state;
	assert_int_equal(chdir(f.top), 0);
	assert_int_equal(plx_segment_create(&seg, "file:segment", "n", 4096, 0), 0);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_open_file(&seg, "segment", 0, NULL), 0);
	plx_segment_close(&seg);
	assert_int_equal(fchdir(here), 0);
	close(here);
	assert_int_equal(look(&f, 0), 0);
	end(&f);
}

/* ---- damage ---- */

static void each_byte_of_the_header_counts(void **state)
{
	struct fixture f = begin();

	(void)state;
	make_closed(&f, 1);
	for (unsigned int off = 0; off < PLX_FILE_PAGE; off++) {
		int ret;

		poke(&f, off, (unsigned char)(1u << (off % 8)));
		ret = look(&f, off % 2 ? 0 : PLX_FILE_WRITE | PLX_FILE_DIRTY_OK);
		assert_true(ret == -EPROTO || ret == -EBADMSG);
		poke(&f, off, (unsigned char)(1u << (off % 8)));
	}
	assert_int_equal(look(&f, 0), 0); /* and nothing was repaired, nor harmed */
	end(&f);
}

static void each_byte_of_the_contents_counts(void **state)
{
	struct fixture f = begin();

	(void)state;
	make_closed(&f, 1);
	for (unsigned int off = PLX_FILE_PAGE; off < PLX_FILE_PAGE + SIZE;
	     off += off % 4096 < 1024 ? 1 + off % 7 : 511) {
		poke(&f, off, 0x80);
		assert_int_equal(look(&f, 0), -EBADMSG);
		poke(&f, off, 0x80);
	}
	poke(&f, PLX_FILE_PAGE + SIZE - 1, 1);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EBADMSG);
	assert_int_equal(look(&f, PLX_FILE_WRITE | PLX_FILE_DIRTY_OK),
			 -EBADMSG); /* it was closed: that is no excuse */
	end(&f);
}

static void a_file_of_another_size_is_refused(void **state)
{
	struct fixture f = begin();

	(void)state;
	make_closed(&f, 1);
	assert_int_equal(truncate(f.path, PLX_FILE_PAGE + SIZE + 1), 0);
	assert_int_equal(look(&f, 0), -ERANGE);
	assert_int_equal(truncate(f.path, PLX_FILE_PAGE + SIZE - 1), 0);
	assert_int_equal(look(&f, 0), -ERANGE);
	assert_int_equal(look(&f, PLX_FILE_WRITE | PLX_FILE_DIRTY_OK), -ERANGE);
	assert_int_equal(truncate(f.path, PLX_FILE_PAGE), 0);
	assert_int_equal(look(&f, 0), -ERANGE);
	assert_int_equal(truncate(f.path, PLX_FILE_PAGE - 1), 0);
	assert_int_equal(look(&f, 0), -EPROTO);
	assert_int_equal(truncate(f.path, 0), 0);
	assert_int_equal(look(&f, 0), -EPROTO);
	end(&f);
}

/* A header with one field set to @value and a checksum that is right. */
static void lie(const struct fixture *f, size_t off, size_t size, uint64_t value)
{
	int fd = open(f->path, O_RDWR | O_CLOEXEC);
	struct plx_file_hdr hdr;
	struct plx_hash hash;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &hdr, sizeof(hdr), 0), sizeof(hdr));
	memcpy((char *)&hdr + off, &value, size);
	assert_int_equal(plx_hash_begin(&hash), 0);
	plx_hash_add(&hash, &hdr, offsetof(struct plx_file_hdr, self));
	plx_hash_end(&hash, hdr.self);
	assert_int_equal(pwrite(fd, &hdr, sizeof(hdr), 0), sizeof(hdr));
	close(fd);
}

static void a_header_that_lies_with_a_right_checksum_is_refused(void **state)
{
#define FIELD(name) offsetof(struct plx_file_hdr, name), sizeof(((struct plx_file_hdr *)0)->name)
	static const struct {
		size_t off, size;
		uint64_t value;
		int answer;
	} lies[] = {
		{ FIELD(layout), 2, -EPROTO },
		{ FIELD(layout), 0, -EPROTO },
		{ FIELD(state), 0, -EBADMSG },
		{ FIELD(state), 3, -EBADMSG },
		{ FIELD(size), 0, -EBADMSG },
		{ FIELD(size), SIZE + 1, -EBADMSG },
		{ FIELD(size), UINT64_MAX - 4095, -EBADMSG },
		{ FIELD(size), (UINT64_C(1) << 46) + 4096, -EBADMSG },
		{ FIELD(size), UINT64_C(1) << 46, -ERANGE },
		{ FIELD(size), SIZE - 4096, -ERANGE },
		{ FIELD(size), SIZE + 4096, -ERANGE },
		{ FIELD(id), 0, -EBADMSG },
		{ FIELD(writer), 0, -EBADMSG },
		{ FIELD(syncs), 0, -EBADMSG },
		{ FIELD(reserved0), 1, -EBADMSG },
		{ offsetof(struct plx_file_hdr, reserved) + 383, 1, 1, -EBADMSG },
		{ offsetof(struct plx_file_hdr, contents), 8, 0, -EBADMSG },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		struct fixture f = begin();

		make_closed(&f, 1);
		lie(&f, lies[i].off, lies[i].size, lies[i].value);
		assert_int_equal(look(&f, 0), lies[i].answer);
		assert_int_equal(look(&f, PLX_FILE_WRITE | PLX_FILE_DIRTY_OK), lies[i].answer);
		end(&f);
	}
}

static void what_is_no_file_of_ours_alone_is_refused(void **state)
{
	struct fixture f = begin();
	char other[300];

	(void)state;
	make_closed(&f, 1);
	snprintf(other, sizeof(other), "%s/other", f.top);
	assert_int_equal(chmod(f.path, 0620), 0);
	assert_int_equal(look(&f, 0), -EACCES);
	assert_int_equal(chmod(f.path, 0602), 0);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EACCES);
	assert_int_equal(chmod(f.path, 0644), 0); /* others may read what we keep */
	assert_int_equal(look(&f, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(f.path, 65534, 65534), 0);
		assert_int_equal(look(&f, 0), -EACCES);
		assert_int_equal(chown(f.path, 0, 0), 0);
	}
	assert_int_equal(rename(f.path, other), 0);
	assert_int_equal(symlink(other, f.path), 0);
	assert_int_equal(look(&f, 0), -ELOOP);
	assert_int_equal(unlink(f.path), 0);
	assert_int_equal(mkfifo(f.path, 0600), 0); /* nobody is at its other end: we do not wait for one */
	assert_int_equal(look(&f, 0), -EINVAL);
	assert_int_equal(unlink(f.path), 0);
	assert_int_equal(mkdir(f.path, 0700), 0);
	assert_true(look(&f, 0) < 0);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EISDIR);
	end(&f);
}

/* ---- writers that die, and several at once ---- */

struct death {
	const struct fixture *f;
	int syncs;
	int changed; /* after the last sync */
};

static int die_writing(void *arg)
{
	const struct death *d = arg;
	struct plx_segment seg = make(d->f, 1);

	for (int i = 0; i < d->syncs; i++) {
		fill(&seg, (unsigned char)(2 + i));
		CHECK(plx_segment_sync(&seg) == 0);
	}
	if (d->changed)
		((unsigned char *)seg.base)[SIZE - 1] = 0xff;
	kill(getpid(), SIGKILL);
	return 1;
}

static void a_file_whose_writer_died_is_refused_unless_one_wants_it(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct fixture f = begin();
		struct death d = { &f, i / 2, i % 2 };
		struct plx_segment seg;
		bool whole = d.syncs && !d.changed; /* what was synced is all there is */

		assert_int_equal(run_in_child(die_writing, &d), -SIGKILL);
		assert_int_equal(look(&f, 0), whole ? 0 : -EOWNERDEAD);
		assert_int_equal(look(&f, PLX_FILE_DIRTY_OK), 0);
		assert_int_equal(look(&f, 0), whole ? 0 : -EOWNERDEAD); /* looking repaired nothing */
		assert_int_equal(
			plx_segment_open_file(&seg, f.path, PLX_FILE_WRITE | PLX_FILE_DIRTY_OK, NULL), 0);
		fill(&seg, 7);
		plx_segment_close(&seg);
		assert_int_equal(look(&f, 0), 0); /* who took it, and closed it, vouches for it */
		end(&f);
	}
}

static int die_opening(void *arg)
{
	struct plx_segment seg;

	CHECK(plx_segment_open_file(&seg, arg, PLX_FILE_WRITE, NULL) == 0);
	kill(getpid(), SIGKILL);
	return 1;
}

static void a_writer_that_died_without_writing_did_no_harm(void **state)
{
	struct fixture f = begin();

	(void)state;
	make_closed(&f, 1);
	assert_int_equal(run_in_child(die_opening, f.path), -SIGKILL);
	assert_int_equal(look(&f, 0), 0);
	end(&f);
}

static void there_is_one_writer_or_many_readers(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg = make(&f, 1), other;

	(void)state;
	assert_int_equal(look(&f, 0), -EBUSY);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EBUSY);
	assert_int_equal(look(&f, PLX_FILE_WRITE | PLX_FILE_DIRTY_OK), -EBUSY);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_open_file(&seg, f.path, 0, NULL), 0);
	assert_int_equal(plx_segment_open_file(&other, f.path, 0, NULL), 0);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EBUSY);
	assert_int_equal(plx_segment_sync(&seg), -EPERM);
	plx_segment_close(&seg);
	assert_int_equal(look(&f, PLX_FILE_WRITE), -EBUSY);
	plx_segment_close(&other);
	assert_int_equal(look(&f, PLX_FILE_WRITE), 0);
	end(&f);
}

static int close_in_child(void *arg)
{
	struct plx_segment *seg = arg;

	CHECK(plx_segment_sync(seg) == -EPERM);
	((unsigned char *)seg->base)[100] = 9; /* it has the map */
	plx_segment_close(seg);
	return 0;
}

static void a_child_writes_but_does_not_close_the_file_for_its_parent(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", SIZE, PLX_SEGMENT_INHERIT), 0);
	assert_int_equal(run_in_child(close_in_child, &seg), 0);
	assert_int_equal(look(&f, 0), -EBUSY);
	assert_int_equal(((unsigned char *)seg.base)[100], 9);
	((unsigned char *)seg.base)[101] = 8;
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_open_file(&seg, f.path, PLX_FILE_WRITE | PLX_SEGMENT_INHERIT, NULL), 0);
	assert_int_equal(run_in_child(close_in_child, &seg), 0);
	assert_int_equal(((unsigned char *)seg.base)[101], 8);
	plx_segment_close(&seg);
	assert_int_equal(look(&f, 0), 0);
	end(&f);
}

static void a_sync_keeps_the_file_open_and_can_be_repeated(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg = make(&f, 1), heap;

	(void)state;
	for (int i = 0; i < 3; i++) {
		fill(&seg, (unsigned char)i);
		assert_int_equal(plx_segment_sync(&seg), 0);
	}
	assert_int_equal(look(&f, 0), -EBUSY);
	fill(&seg, 77);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_open_file(&seg, f.path, 0, NULL), 0);
	assert_true(filled(&seg, 77));
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_sync(&seg), -ENOTSUP);
	assert_int_equal(plx_segment_create(&heap, "heap", "n", 4096, 0), 0);
	assert_int_equal(plx_segment_sync(&heap), -ENOTSUP);
	plx_segment_close(&heap);
	end(&f);
}

static void a_file_cut_under_us_is_an_error_when_it_is_synced(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg = make(&f, 1);

	(void)state;
	assert_int_equal(truncate(f.path, PLX_FILE_PAGE + 4096), 0);
	assert_int_equal(plx_segment_sync(&seg), -ERANGE);
	plx_segment_close(&seg); /* no SIGBUS; a warning */
	assert_int_equal(look(&f, PLX_FILE_DIRTY_OK), -ERANGE);
	end(&f);
}

/* ---- no room ---- */

static const char zeros[65536];

static int fill_disk(const struct fixture *f)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/rest", f->top);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return write(fd, zeros, sizeof(zeros)) > 0 && write(fd, zeros, 1) < 0 ? fd : -1;
}

static int on_a_small_disk(void *arg)
{
	const struct fixture *f = arg;
	struct plx_segment seg;
	struct stat st;
	int fd, hole;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("small", f->top, "tmpfs", 0, "size=64k") < 0)
		return 77;
	CHECK(plx_segment_create(&seg, f->backend, "n", 1 << 20, 0) == -ENOSPC);
	CHECK(seg.base == NULL && seg.fd == -1);
	CHECK(access(f->path, F_OK) < 0); /* nothing is left of it */
	CHECK(plx_segment_create(&seg, f->backend, "n", 49152, 0) == 0);
	CHECK(fstat(seg.fd, &st) == 0 && st.st_blocks * 512 == 49152 + 4096);
	CHECK((fd = fill_disk(f)) >= 0);
	memset(seg.base, 5, 45056); /* and yet: no SIGBUS; the last page stays zero */
	plx_segment_close(&seg);
	CHECK(plx_segment_open_file(&seg, f->path, 0, NULL) == 0);
	plx_segment_close(&seg);

	/* that page becomes a hole: it reads as zero, but in memory whoever reads it needs a page, and there is none */
	hole = open(f->path, O_RDWR | O_CLOEXEC);
	CHECK(fallocate(hole, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 49152, 4096) == 0);
	CHECK(write(fd, zeros, 4096) == 4096);
	CHECK(plx_segment_open_file(&seg, f->path, 0, NULL) == -ERANGE);
	CHECK(plx_segment_open_file(&seg, f->path, PLX_FILE_WRITE, NULL) == -ENOSPC);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(plx_segment_open_file(&seg, f->path, PLX_FILE_WRITE, NULL) == 0);
	plx_segment_close(&seg);
	CHECK(plx_segment_open_file(&seg, f->path, 0, NULL) == 0);
	return 0;
}

static void a_full_filesystem_is_an_error_at_creation_not_a_sigbus_later(void **state)
{
	struct fixture f = begin();
	int ret = run_in_child(on_a_small_disk, &f);

	(void)state;
	end(&f);
	if (ret == 77)
		skip();
	assert_int_equal(ret, 0);
}

static void a_limit_of_file_sizes_is_an_error_and_not_a_signal(void **state)
{
	struct rlimit old, small = { 8192, 0 };
	struct fixture f = begin();
	struct plx_segment seg;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", SIZE, 0), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(access(f.path, F_OK), -1);
	end(&f);
}

static void the_holes_of_a_copy_are_filled_before_it_is_written(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, f.backend, "n", 1 << 20, 0), 0); /* zeros */
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_true(st.st_blocks * 512 >= 1 << 20);
	plx_segment_close(&seg);
	fd = open(f.path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 900000), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 < 1 << 19);
	assert_int_equal(plx_segment_open_file(&seg, f.path, PLX_FILE_WRITE, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 >= 1 << 20);
	plx_segment_close(&seg);
	close(fd);
	end(&f);
}

/* ---- other processes, tools ---- */

static void another_process_reads_along_on_trust(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg = make(&f, 1), out;
	int fd = plx_segment_export(&seg, false), attached = plx_segment_export(&seg, false);

	(void)state;
	assert_true(fd >= 0 && attached >= 0);
	assert_int_equal(plx_segment_export(&seg, true), -EPERM);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), -ENOTSUP);
	assert_true(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, 0) < 0); /* not without saying so */
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, PLX_ATTACH_FILE | PLX_ATTACH_WRITE),
			 -EINVAL);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_FILE), -EPROTO);
	assert_int_equal(plx_segment_attach(&out, fd, SIZE + 4096, PLX_KIND_USER, PLX_ATTACH_FILE), -ERANGE);
	assert_int_equal(plx_segment_attach(&out, fd, SIZE, PLX_KIND_USER, PLX_ATTACH_FILE), 0);
	assert_string_equal(plx_segment_backend_name(&out), "file");
	assert_false(out.writable);
	fill(&seg, 3);
	assert_true(filled(&out, 3));
	plx_segment_close(&out);
	poke(&f, 100, 1);
	assert_int_equal(plx_segment_attach(&out, attached, SIZE, PLX_KIND_USER, PLX_ATTACH_FILE), -EBADMSG);
	poke(&f, 100, 1);
	assert_int_equal(chmod(f.path, 0666), 0);
	assert_int_equal(plx_segment_attach(&out, attached, SIZE, PLX_KIND_USER, PLX_ATTACH_FILE), -EACCES);
	close(attached);
	attached = plx_sys_memfd("plx:test:no");
	assert_true(plx_segment_attach(&out, attached, 0, PLX_KIND_USER, PLX_ATTACH_FILE) < 0);
	close(attached);
	plx_segment_close(&seg);
	assert_int_equal(look(&f, 0), -EACCES);
	end(&f);
}

static void a_tool_looks_at_a_copy(void **state)
{
	struct fixture f = begin();
	struct plx_segment seg = make(&f, 4), out;
	int fd = plx_segment_export(&seg, false);

	(void)state;
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), 0);
	assert_int_equal(out.size, SIZE);
	assert_true(filled(&out, 4));
	assert_string_equal(plx_segment_backend_name(&out), "heap");
	assert_int_equal(truncate(f.path, 0), 0);
	assert_true(filled(&out, 4));
	plx_segment_close(&out);
	plx_segment_close(&seg);
	end(&f);
}

/* ---- each door ---- */

static int write_and_sync(const struct fixture *f)
{
	struct plx_segment seg;
	int ret = plx_segment_open_file(&seg, f->path, PLX_FILE_WRITE, NULL);

	if (ret < 0)
		return ret;
	fill(&seg, 2);
	ret = plx_segment_sync(&seg);
	fill(&seg, 3);
	plx_segment_close(&seg);
	return ret;
}

static void whichever_door_is_shut_nothing_is_left_behind(void **state)
{
	struct fixture f = begin();
	int errors = 0;

	(void)state;
	for (int n = 0;; n++) {
		struct plx_segment seg;
		int ret;

		plx_fault_failed = NULL;
		plx_fault_seen = 0;
		plx_fault_at = n;
		ret = plx_segment_create(&seg, f.backend, "n", SIZE, 0);
		plx_fault_at = -1;
		if (ret < 0) {
			errors++;
			assert_null(seg.base);
			assert_int_equal(seg.fd, -1);
			assert_int_equal(count_open_fds(), f.fds);
			assert_int_equal(count_maps(f.path), 0);
			assert_int_equal(access(f.path, F_OK), -1);
			continue;
		}
		plx_segment_close(&seg);
		assert_int_equal(unlink(f.path), 0);
		if (!plx_fault_failed)
			break;
	}
	assert_true(errors >= 10);
	end(&f);
}

/* What may be in the file after a failure or a death on the way from 1 by 2 to 3. */
static void check_afterwards(const struct fixture *f)
{
	struct plx_segment seg;
	int ret = plx_segment_open_file(&seg, f->path, 0, NULL);

	if (ret == 0) {
		assert_true(filled(&seg, 1) || filled(&seg, 2) || filled(&seg, 3));
		plx_segment_close(&seg);
		return;
	}
	assert_int_equal(ret, -EOWNERDEAD);
	assert_int_equal(look(f, PLX_FILE_DIRTY_OK), 0);
}

static void whichever_door_is_shut_the_file_never_lies(void **state)
{
	(void)state;
	for (int n = 0, more = 1; more; n++) {
		struct fixture f = begin();

		make_closed(&f, 1);
		plx_fault_failed = NULL;
		plx_fault_seen = 0;
		plx_fault_at = n;
		(void)write_and_sync(&f);
		plx_fault_at = -1;
		more = plx_fault_failed != NULL;
		check_afterwards(&f);
		end(&f);
	}
}

struct killed {
	const struct fixture *f;
	int at;
};

static int killed_writing(void *arg)
{
	const struct killed *k = arg;

	plx_fault_kill = 1;
	plx_fault_seen = 0;
	plx_fault_at = k->at;
	(void)write_and_sync(k->f);
	return plx_fault_seen <= plx_fault_at ? 99 : 1;
}

static void a_writer_killed_at_any_door_leaves_a_file_that_does_not_lie(void **state)
{
	(void)state;
	for (int n = 0, ret = 0; ret != 99; n++) {
		struct fixture f = begin();
		struct killed k = { &f, n };

		make_closed(&f, 1);
		ret = run_in_child(killed_writing, &k);
		assert_true(ret == -SIGKILL || ret == 99);
		check_afterwards(&f);
		if (ret == 99)
			assert_int_equal(look(&f, 0), 0);
		end(&f);
	}
}

static int killed_creating(void *arg)
{
	const struct killed *k = arg;
	struct plx_segment seg;

	plx_fault_kill = 1;
	plx_fault_seen = 0;
	plx_fault_at = k->at;
	(void)!plx_segment_create(&seg, k->f->backend, "n", SIZE, 0);
	return plx_fault_seen <= plx_fault_at ? 99 : 1;
}

static void a_creator_killed_at_any_door_leaves_nothing_that_passes_for_whole(void **state)
{
	(void)state;
	for (int n = 0, ret = 0; ret != 99; n++) {
		struct fixture f = begin();
		struct killed k = { &f, n };
		int seen;

		ret = run_in_child(killed_creating, &k);
		assert_true(ret == -SIGKILL || ret == 99);
		seen = look(&f, 0);
		assert_true(seen == -ENOENT || seen == -EPROTO || seen == -EOWNERDEAD);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_process_wrote_the_next_one_reads),
		cmocka_unit_test(it_need_not_be_formatted_and_is_of_whole_pages),
		cmocka_unit_test(what_is_there_is_not_overwritten),
		cmocka_unit_test(a_path_that_cannot_be_is_refused),
		cmocka_unit_test(a_path_without_a_directory_is_here),
		cmocka_unit_test(each_byte_of_the_header_counts),
		cmocka_unit_test(each_byte_of_the_contents_counts),
		cmocka_unit_test(a_file_of_another_size_is_refused),
		cmocka_unit_test(a_header_that_lies_with_a_right_checksum_is_refused),
		cmocka_unit_test(what_is_no_file_of_ours_alone_is_refused),
		cmocka_unit_test(a_file_whose_writer_died_is_refused_unless_one_wants_it),
		cmocka_unit_test(a_writer_that_died_without_writing_did_no_harm),
		cmocka_unit_test(there_is_one_writer_or_many_readers),
		cmocka_unit_test(a_child_writes_but_does_not_close_the_file_for_its_parent),
		cmocka_unit_test(a_sync_keeps_the_file_open_and_can_be_repeated),
		cmocka_unit_test(a_file_cut_under_us_is_an_error_when_it_is_synced),
		cmocka_unit_test(a_full_filesystem_is_an_error_at_creation_not_a_sigbus_later),
		cmocka_unit_test(a_limit_of_file_sizes_is_an_error_and_not_a_signal),
		cmocka_unit_test(the_holes_of_a_copy_are_filled_before_it_is_written),
		cmocka_unit_test(another_process_reads_along_on_trust),
		cmocka_unit_test(a_tool_looks_at_a_copy),
		cmocka_unit_test(whichever_door_is_shut_nothing_is_left_behind),
		cmocka_unit_test(whichever_door_is_shut_the_file_never_lies),
		cmocka_unit_test(a_writer_killed_at_any_door_leaves_a_file_that_does_not_lie),
		cmocka_unit_test(a_creator_killed_at_any_door_leaves_nothing_that_passes_for_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

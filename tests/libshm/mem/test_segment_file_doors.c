/* test_segment_file_doors.c - a segment in a file when there is no room, when a door is shut, when its writer is killed at any of them; and who only looks. */
#include "tests/libshm/mem/file.h"

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

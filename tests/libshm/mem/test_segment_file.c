/* test_segment_file.c - a segment in a file: what was in it is there again, or one is told why not. */
#include "tests/libshm/mem/file.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

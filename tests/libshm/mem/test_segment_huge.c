/* test_segment_huge.c - segments of huge pages when there are any, ordinary memory and a word about it when there are none. */
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "tests/support/huge.h"
#include "tests/support/support.h"

/* What is written on stderr meanwhile. */
static int stderr_saved;
static int stderr_pipe[2];

static void listen_begin(void)
{
	stderr_saved = dup(2);
	assert_int_equal(pipe2(stderr_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(dup2(stderr_pipe[1], 2), 2);
}

static void listen_end(char *text, size_t size)
{
	ssize_t n;

	dup2(stderr_saved, 2);
	close(stderr_saved);
	n = read(stderr_pipe[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(stderr_pipe[0]);
	close(stderr_pipe[1]);
}

static const struct plx_block blocks[] = { { "head", 4096, 0 }, { "slots", 1 << 20, 4096 } };

/* ---- there are pages ---- */

static void goes_the_whole_way(uint64_t page, const char *backend)
{
	struct huge_reserve r = huge_set_aside(page, 2);
	int fds = count_open_fds(), fd;
	struct plx_segment seg, out;
	struct stat st;

	assert_int_equal(plx_segment_create(&seg, backend, "plx:test:huge", page + 1, 0), 0);
	assert_string_equal(plx_segment_backend_name(&seg), backend);
	assert_int_equal(seg.size, 2 * page);
	assert_int_equal((uintptr_t)seg.base % page, 0);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 2 * page); /* all of it, before a byte was touched */
	assert_int_equal(huge_free(page), 0);
	for (uint64_t at = 0; at < seg.size; at += 4096)
		assert_int_equal(((unsigned char *)seg.base)[at], 0);
	assert_int_equal(plx_segment_commit(&seg, 0, seg.size), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_TOPIC, 1, "huge", blocks, 2), 0);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), 0);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), 0);
	assert_int_equal(plx_segment_export(&seg, true), -EPERM);

	/* no page is free any more: who attaches needs none */
	fd = plx_segment_export(&seg, false);
	assert_true(fd >= 0);
	assert_int_equal(plx_segment_attach(&out, fd, seg.size, PLX_KIND_TOPIC, 0), 0);
	assert_string_equal(plx_segment_backend_name(&out), backend);
	((unsigned char *)seg.base)[seg.size - 1] = 77;
	assert_int_equal(((unsigned char *)out.base)[seg.size - 1], 77);
	for (uint64_t at = 0; at < out.size; at += 4096)
		assert_true(((unsigned char *)out.base)[at] < 255);
	plx_segment_close(&out);

	fd = plx_segment_export(&seg, false);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), 0);
	assert_string_equal(plx_segment_backend_name(&out), backend);
	plx_segment_close(&out);
	plx_segment_close(&seg);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:test:huge"), 0);
	assert_int_equal(huge_free(page), 2);
	huge_give_back(&r);
}

static void pages_of_two_mebibytes_go_the_whole_way(void **state)
{
	(void)state;
	goes_the_whole_way(MIB2, "huge:2M");
}

static void pages_of_one_gibibyte_go_the_whole_way(void **state)
{
	(void)state;
	goes_the_whole_way(GIB1, "huge:1G");
}

static int attack(void *arg)
{
	const struct plx_segment *seg = arg;
	int fd = plx_sys_reopen(seg->fd, O_RDWR);

	if (fd < 0) /* mode 0400, and not root */
		return 0;
	CHECK(mmap(NULL, MIB2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(ftruncate(fd, 0) < 0);
	CHECK(ftruncate(fd, (off_t)(4 * MIB2)) < 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)MIB2) < 0);
	CHECK(pwrite(fd, "x", 1, 0) < 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	return 0;
}

static void nobody_can_take_a_page_out_of_a_sealed_one(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "huge:2M", "plx:test:huge", MIB2, 0), 0);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_LINK), -ENOTSUP);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), 0);
	assert_int_equal(run_in_child(attack, &seg), 0);
	assert_true(madvise(seg.base, MIB2, MADV_REMOVE) < 0); /* nor we ourselves */
	plx_segment_close(&seg);
	huge_give_back(&r);
}

static int maps_here(void *arg)
{
	(void)arg;
	return count_maps("plx:test:huge");
}

static void children_do_not_get_the_map(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "huge:2M", "plx:test:huge", MIB2, 0), 0);
	assert_int_equal(run_in_child(maps_here, NULL), 0);
	plx_segment_close(&seg);
	huge_give_back(&r);
}

/* ---- what strangers send ---- */

static int stranger(uint64_t size, int seals, bool whole)
{
	int fd = plx_sys_memfd_huge("plx:test:huge", 21);

	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, size), 0);
	assert_int_equal(plx_sys_allocate_there(fd, 0, whole ? size : MIB2), 0);
	if (seals)
		assert_int_equal(plx_sys_seal(fd, seals), 0);
	return fd;
}

static void huge_pages_that_may_go_missing_are_not_mapped(void **state)
{
	const int size_only = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct huge_reserve r = huge_set_aside(MIB2, 2);
	struct plx_segment out;
	int fd;

	(void)state;
	fd = stranger(2 * MIB2, size_only | F_SEAL_FUTURE_WRITE, false);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, 0), -ERANGE);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, 0), -ERANGE);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), -ERANGE);
	close(fd);
	fd = stranger(2 * MIB2, size_only, true); /* could be punched out */
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_LINK, 0), -EPERM);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_LINK, PLX_ATTACH_WRITE), -EPERM);
	close(fd);
	fd = stranger(2 * MIB2, 0, true);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, 0), -EPERM);
	close(fd);
	assert_int_equal(huge_free(MIB2), 2);
	huge_give_back(&r);
}

static void a_tool_takes_a_copy_of_what_is_not_sealed(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);
	struct plx_segment seg, out;
	int fd;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "huge:2M", "plx:test:huge", MIB2, 0), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "huge", blocks, 2), 0);
	((unsigned char *)seg.base)[MIB2 - 1] = 7;
	fd = plx_segment_export(&seg, false);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), 0);
	assert_string_equal(plx_segment_backend_name(&out), "heap");
	assert_int_equal(((unsigned char *)out.base)[MIB2 - 1], 7);
	plx_segment_close(&out);
	/* nor is a size that is sealed enough: a page could go missing */
	assert_int_equal(plx_sys_seal(seg.fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	fd = plx_segment_export(&seg, false);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), 0);
	assert_string_equal(plx_segment_backend_name(&out), "heap");
	assert_int_equal(((unsigned char *)out.base)[MIB2 - 1], 7);
	plx_segment_close(&out);
	plx_segment_close(&seg);
	huge_give_back(&r);
}

/* ---- there are none, or too few ---- */

static void falls_back(const char *backend, const char *word)
{
	struct plx_segment seg;
	struct stat st;
	char text[1024];
	int fd;

	listen_begin();
	assert_int_equal(plx_segment_create(&seg, backend, "plx:test:back", 5000, 0), 0);
	listen_end(text, sizeof(text));
	assert_non_null(strstr(text, "plx:test:back: no huge pages"));
	assert_non_null(strstr(text, word));
	assert_string_equal(plx_segment_backend_name(&seg), "memfd");
	assert_int_equal(seg.size, 8192);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 8192);
	memset(seg.base, 1, seg.size);
	fd = plx_segment_export(&seg, false);
	assert_true(fd >= 0);
	close(fd);
	plx_segment_close(&seg);
}

static void without_huge_pages_it_is_ordinary_memory_with_a_warning(void **state)
{
	static const char *const doors[] = { "memfd", "truncate", "allocate" };
	static const char *const backends[] = { "huge:2M", "huge:1G" };
	int fds = count_open_fds();

	(void)state;
	for (size_t b = 0; b < COUNT_OF(backends); b++) {
		for (size_t d = 0; d < COUNT_OF(doors); d++) {
			plx_fault_door = doors[d];
			plx_fault_error = d == 0 ? ENODEV : ENOSPC;
			plx_fault_seen = 0;
			plx_fault_at = 0;
			falls_back(backends[b], b == 0 ? "hugepages-2048kB" : "hugepages-1048576kB");
			plx_fault_at = -1;
			plx_fault_door = NULL;
			plx_fault_error = 0;
		}
	}
	assert_int_equal(count_open_fds(), fds);
}

static void too_few_pages_are_left_to_others(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);
	struct plx_segment seg;
	char text[1024];

	(void)state;
	listen_begin();
	assert_int_equal(plx_segment_create(&seg, "huge:2M", "plx:test:few", 2 * MIB2, 0), 0);
	listen_end(text, sizeof(text));
	assert_non_null(strstr(text, "not enough are free"));
	assert_string_equal(plx_segment_backend_name(&seg), "memfd");
	assert_int_equal(huge_free(MIB2), 1);
	plx_segment_close(&seg);
	huge_give_back(&r);
}

static void hold_each_door_shut(void)
{
	int fds = count_open_fds(), fallen = 0, failed = 0;
	char text[1024];

	for (int n = 0;; n++) {
		struct plx_segment seg;
		int ret;

		listen_begin();
		plx_fault_failed = NULL;
		plx_fault_seen = 0;
		plx_fault_at = n;
		ret = plx_segment_create(&seg, "huge:2M", "plx:test:doors", 4096, 0);
		plx_fault_at = -1;
		listen_end(text, sizeof(text));
		if (ret == 0 && strcmp(plx_segment_backend_name(&seg), "memfd") == 0) {
			fallen++; /* "write" is the warning itself */
			assert_true(strstr(text, "no huge pages") ||
				    (plx_fault_failed && strcmp(plx_fault_failed, "write") == 0));
		} else if (ret == 0) {
			assert_string_equal(text, "");
		} else {
			failed++;
			assert_null(seg.base);
			assert_int_equal(seg.fd, -1);
		}
		plx_segment_close(&seg);
		assert_int_equal(count_open_fds(), fds);
		assert_int_equal(count_maps("plx:test:doors"), 0);
		if (!plx_fault_failed)
			break;
	}
	assert_true(fallen > 1 && failed > 0);
}

static void each_door_held_shut_ends_in_an_error_or_in_ordinary_memory(void **state)
{
	(void)state;
	hold_each_door_shut();
}

static void each_door_held_shut_gives_the_huge_pages_back(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);

	(void)state;
	hold_each_door_shut();
	assert_int_equal(huge_free(MIB2), 1);
	huge_give_back(&r);
}

static void huge_pages_are_never_sparse(void **state)
{
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "huge:2M", "n", 4096, PLX_SEGMENT_SPARSE), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "huge:1G", "n", 4096, PLX_SEGMENT_SPARSE), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "huge:4K", "n", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "huge", "n", 4096, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_two_mebibytes_go_the_whole_way),
		cmocka_unit_test(pages_of_one_gibibyte_go_the_whole_way),
		cmocka_unit_test(nobody_can_take_a_page_out_of_a_sealed_one),
		cmocka_unit_test(children_do_not_get_the_map),
		cmocka_unit_test(huge_pages_that_may_go_missing_are_not_mapped),
		cmocka_unit_test(a_tool_takes_a_copy_of_what_is_not_sealed),
		cmocka_unit_test(without_huge_pages_it_is_ordinary_memory_with_a_warning),
		cmocka_unit_test(too_few_pages_are_left_to_others),
		cmocka_unit_test(each_door_held_shut_ends_in_an_error_or_in_ordinary_memory),
		cmocka_unit_test(each_door_held_shut_gives_the_huge_pages_back),
		cmocka_unit_test(huge_pages_are_never_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

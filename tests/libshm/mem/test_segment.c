/* test_segment.c - segments are made, given memory, laid out, handed on and closed; every failing door leaves nothing behind. */
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/sys.h"
#include "mem/segment_layout.h"
#include "tests/support/support.h"

static const struct plx_block blocks[] = {
	{ "head", 100, 0 },
	{ "log", 4096, 4096 },
	{ "slots", 10000, 0 },
};

static struct plx_segment make(const char *backend, unsigned int flags)
{
	struct plx_segment seg;

	assert_int_equal(plx_segment_create(&seg, backend, "plx:test:made", 65536, flags), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 3, "made", blocks, COUNT_OF(blocks)), 0);
	return seg;
}

static void a_new_segment_is_zero_writable_and_of_whole_pages(void **state)
{
	static const char *const backends[] = { "heap", "memfd" };

	(void)state;
	for (size_t b = 0; b < COUNT_OF(backends); b++) {
		struct plx_segment seg;
		unsigned char *bytes;

		assert_int_equal(plx_segment_create(&seg, backends[b], "plx:test:zero", 5000, 0), 0);
		assert_int_equal(seg.size, 8192);
		assert_true(seg.writable);
		assert_string_equal(plx_segment_backend_name(&seg), backends[b]);
		assert_int_equal(seg.fd >= 0, b == 1);
		bytes = seg.base;
		for (size_t i = 0; i < seg.size; i++) {
			assert_int_equal(bytes[i], 0);
			bytes[i] = 1;
		}
		plx_segment_close(&seg);
		plx_segment_close(&seg);
		assert_null(seg.base);
		assert_int_equal(seg.fd, -1);
		assert_string_equal(plx_segment_backend_name(&seg), "none");
	}
}

static void a_name_a_size_or_a_backend_that_makes_no_sense_is_refused(void **state)
{
	char longest[202];
	struct plx_segment seg;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[201] = '\0';
	assert_int_equal(plx_segment_create(&seg, "memfd", longest, 4096, 0), -EINVAL);
	assert_int_equal(seg.fd, -1);
	assert_int_equal(plx_segment_create(&seg, "memfd", longest + 1, 4096, 0), 0);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_create(&seg, "memfd", "", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "memfd", NULL, 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "memfd", "a\nb", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "memfd", "n", 0, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "memfd", "n", UINT64_MAX, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "memfd", "n", 4096, 1u << 31), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "mmefd", "n", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, NULL, "n", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "none", "n", 4096, 0), -EINVAL);
	assert_int_equal(plx_segment_create(&seg, "file", "n", 4096, 0), -EINVAL);
}

static void more_than_the_machine_has_is_an_error_at_creation_not_a_sigbus_later(void **state)
{
	int fds = count_open_fds();
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:much", 1ull << 45, 0), -ENOSPC);
	assert_int_equal(count_open_fds(), fds);
}

#ifdef PLX_SAN
#define SPARSE (1ull << 36) /* a sanitizer leaves us fewer addresses */
#else
#define SPARSE (1ull << 40)
#endif

static void every_byte_is_allocated_unless_the_segment_is_sparse(void **state)
{
	struct plx_segment seg;
	struct stat st;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:full", 1 << 20, 0), 0);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 1 << 20);
	plx_segment_close(&seg);

	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:sparse", SPARSE, PLX_SEGMENT_SPARSE), 0);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(plx_segment_commit(&seg, SPARSE / 2 + 5, 4096), 0); /* two pages */
	assert_int_equal(plx_segment_commit(&seg, SPARSE / 2 + 5, 4096), 0);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 8192);
	((unsigned char *)seg.base)[SPARSE / 2 + 4100] = 1;
	assert_int_equal(plx_segment_commit(&seg, SPARSE, 0), 0);
	assert_int_equal(plx_segment_commit(&seg, SPARSE, 1), -ERANGE);
	assert_int_equal(plx_segment_commit(&seg, 4096, UINT64_MAX), -ERANGE);
	if (plx_memory_available() < SPARSE)
		assert_int_equal(plx_segment_commit(&seg, 0, SPARSE), -ENOSPC);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_commit(&seg, 0, 1), -ERANGE);

	assert_int_equal(plx_segment_create(&seg, "heap", "plx:test:sparse", 1ull << 36, PLX_SEGMENT_SPARSE),
			 0);
	assert_int_equal(plx_segment_commit(&seg, 1ull << 35, 4096), 0);
	((unsigned char *)seg.base)[1ull << 35] = 1;
	plx_segment_close(&seg);
}

static void blocks_come_in_order_aligned_and_inside(void **state)
{
	struct plx_segment seg = make("memfd", 0);
	unsigned char *head, *log, *slots, *base = seg.base;
	uint64_t size;
	char name[16];
	const char *why = NULL;

	(void)state;
	head = plx_segment_block(&seg, "head", &size);
	assert_int_equal(size, 100);
	assert_int_equal(head - base, 512);
	log = plx_segment_block(&seg, "log", &size);
	assert_int_equal(size, 4096);
	assert_int_equal(log - base, 4096);
	slots = plx_segment_block(&seg, "slots", NULL);
	assert_int_equal(slots - base, 8192);
	assert_null(plx_segment_block(&seg, "slot", NULL));
	assert_null(plx_segment_block(&seg, "", NULL));
	assert_ptr_equal(plx_segment_block_at(&seg, 2, name, &size), slots);
	assert_string_equal(name, "slots");
	assert_int_equal(size, 10000);
	assert_null(plx_segment_block_at(&seg, 3, name, &size));
	assert_int_equal(plx_segment_need(blocks, COUNT_OF(blocks)), 8192 + 10000);
	assert_int_equal(plx_segment_check(&seg, &why), 0);
	assert_null(why);
	plx_segment_close(&seg);
	assert_null(plx_segment_block(&seg, "head", NULL));
	assert_int_equal(plx_segment_check(&seg, &why), -EBADMSG);
	assert_non_null(why);
}

static void the_header_says_who_what_and_when_and_no_two_are_alike(void **state)
{
	struct plx_segment a = make("memfd", 0), b = make("heap", 0);
	struct plx_segment_info ia, ib;

	(void)state;
	assert_int_equal(plx_segment_info(&a, &ia), 0);
	assert_int_equal(plx_segment_info(&b, &ib), 0);
	assert_int_equal(ia.kind, PLX_KIND_USER);
	assert_int_equal(ia.version, 3);
	assert_int_equal(ia.size, 65536);
	assert_int_equal(ia.creator, getpid());
	assert_int_equal(ia.blocks, 3);
	assert_string_equal(ia.name, "made");
	assert_int_not_equal(ia.id, 0);
	assert_int_not_equal(ia.id, ib.id);
	assert_true(plx_sys_wall_ns() - ia.created_ns < 10000000000ull);
	plx_segment_close(&a);
	plx_segment_close(&b);
}

static void blocks_that_cannot_be_laid_out_are_refused(void **state)
{
	static const struct plx_block many[13] = { { "x", 1, 0 } };
	static const struct {
		struct plx_block block[2];
		int ret;
	} bad[] = {
		{ { { "a", 64, 0 }, { "a", 64, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "", 64, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { NULL, 64, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "sixteen-bytes-ok", 64, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "b\x7f", 64, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "b", 0, 0 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "b", 64, 32 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "b", 64, 96 } }, -EINVAL },
		{ { { "a", 64, 0 }, { "b", 65536, 0 } }, -ENOSPC },
		{ { { "a", 64, 0 }, { "b", UINT64_MAX, 0 } }, -ENOSPC },
		{ { { "a", UINT64_MAX - 600, 0 }, { "b", 64, 0 } }, -ENOSPC },
	};
	struct plx_segment seg = make("heap", 0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "n", bad[i].block, 2),
				 bad[i].ret);
		if (bad[i].ret == -EINVAL || bad[i].block[0].size > 64)
			assert_int_equal(plx_segment_need(bad[i].block, 2), 0);
	}
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "n", many, 13), -EINVAL);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NONE, 1, "n", blocks, 1), -EINVAL);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "a\tb", blocks, 1), -EINVAL);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "", NULL, 0), 0);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "n", blocks, 1), -EINVAL);
}

static void tools_find_every_memfd_by_its_name(void **state)
{
	struct plx_segment a, b, c;
	char longest[201];

	(void)state;
	memset(longest, 'n', 200);
	longest[200] = '\0';
	assert_int_equal(plx_segment_create(&a, "memfd", "plx:test:marked", 4096, 0), 0);
	assert_int_equal(plx_segment_create(&b, "memfd", "unmarked", 4096, 0), 0);
	assert_int_equal(plx_segment_create(&c, "memfd", longest, 4096, 0), 0);
	assert_int_equal(count_maps("/memfd:plx:test:marked"), 1);
	assert_int_equal(count_maps("/memfd:plx:unmarked"), 1);
	assert_int_equal(count_maps("/memfd:plx:nnn"), 1);
	plx_segment_close(&a);
	plx_segment_close(&b);
	plx_segment_close(&c);
}

/* ---- every door ---- */

struct steps {
	struct plx_segment seg, ro, rw;
};

/* All that can be done with a segment; whatever fails, closing what there is must be enough. */
static int all_steps(struct steps *s, const char *backend)
{
	int ret, fd;

	s->seg = s->ro = s->rw = PLX_SEGMENT_NONE;
	ret = plx_segment_create(&s->seg, backend, "plx:test:steps", 32 << 20, PLX_SEGMENT_SPARSE);
	if (ret < 0) {
		assert_int_equal(s->seg.fd, -1);
		assert_null(s->seg.base);
		return ret;
	}
	ret = plx_segment_format(&s->seg, PLX_KIND_USER, 1, "steps", blocks, COUNT_OF(blocks));
	if (ret == 0)
		ret = plx_segment_commit(&s->seg, 0, 20 << 20);
	if (ret < 0 || strcmp(backend, "heap") == 0)
		return ret;
	ret = plx_segment_seal(&s->seg, PLX_SEAL_LINK);
	if (ret < 0)
		return ret;
	fd = plx_segment_export(&s->seg, false);
	if (fd < 0)
		return fd;
	ret = plx_segment_attach(&s->ro, fd, 32 << 20, PLX_KIND_USER, 0);
	if (ret < 0) {
		plx_sys_close(fd); /* still ours */
		return ret;
	}
	fd = plx_segment_export(&s->seg, true);
	if (fd < 0)
		return fd;
	ret = plx_segment_attach(&s->rw, fd, 0, PLX_KIND_NONE, PLX_ATTACH_WRITE);
	if (ret < 0)
		plx_sys_close(fd);
	return ret;
}

static void whichever_door_is_shut_nothing_stays_open_or_mapped(void **state)
{
	static const char *const backends[] = { "heap", "memfd" };
	int fds = count_open_fds(), failed = 0;

	(void)state;
	for (size_t b = 0; b < COUNT_OF(backends); b++) {
		for (int n = 0;; n++) {
			struct steps s;
			int ret;

			plx_fault_failed = NULL;
			plx_fault_seen = 0;
			plx_fault_at = n;
			ret = all_steps(&s, backends[b]);
			plx_fault_at = -1;
			/* the look at what memory there is is allowed to fail */
			if (plx_fault_failed && strcmp(plx_fault_failed, "open") &&
			    strcmp(plx_fault_failed, "read"))
				assert_true(ret < 0);
			failed += ret < 0;
			plx_segment_close(&s.rw);
			plx_segment_close(&s.ro);
			plx_segment_close(&s.seg);
			assert_int_equal(count_open_fds(), fds);
			assert_int_equal(count_maps("plx:test:steps"), 0);
			if (!plx_fault_failed) {
				assert_int_equal(ret, 0);
				break;
			}
		}
	}
	assert_true(failed > 20);
}

static int die_at(void *arg)
{
	struct steps s;

	plx_fault_kill = 1;
	plx_fault_seen = 0;
	plx_fault_at = *(int *)arg;
	CHECK(all_steps(&s, "memfd") == 0);
	plx_segment_close(&s.rw);
	plx_segment_close(&s.ro);
	plx_segment_close(&s.seg);
	return plx_fault_seen <= plx_fault_at ? 99 : 1;
}

static void a_process_killed_at_any_door_leaves_nothing(void **state)
{
	int n, ret;

	(void)state;
	for (n = 0; (ret = run_in_child(die_at, &n)) == -SIGKILL; n++)
		;
	assert_int_equal(ret, 99);
	assert_true(n > 25);
}

static void a_table_of_descriptors_that_is_full_is_emfile(void **state)
{
	struct rlimit old, tight;
	struct plx_segment seg;
	int lowest = dup(0);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	close(lowest);
	tight.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:x", 4096, 0), -EMFILE);
	tight.rlim_cur = (rlim_t)lowest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:x", 4096, 0), 0);
	assert_int_equal(plx_segment_export(&seg, false), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	plx_segment_close(&seg);
}

/* ---- children ---- */

static int touch(void *arg)
{
	struct plx_segment *seg = arg;

	*(unsigned char *)seg->base = 7;
	return 0;
}

static void a_child_has_the_map_only_if_it_shall(void **state)
{
	static const char *const backends[] = { "heap", "memfd" };

	(void)state;
	for (size_t b = 0; b < COUNT_OF(backends); b++) {
		struct plx_segment seg = make(backends[b], 0);

		assert_int_equal(run_in_child(touch, &seg), -SIGSEGV);
		plx_segment_close(&seg);
		seg = make(backends[b], PLX_SEGMENT_INHERIT);
		*(unsigned char *)seg.base = 0;
		assert_int_equal(run_in_child(touch, &seg), 0);
		assert_int_equal(*(unsigned char *)seg.base, b == 1 ? 7 : 0); /* heap is private */
		plx_segment_close(&seg);
	}
}

static void heap_cannot_be_shared_and_says_so(void **state)
{
	struct plx_segment seg = make("heap", 0);

	(void)state;
	assert_int_equal(plx_segment_export(&seg, false), -ENOTSUP);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), -ENOTSUP);
	plx_segment_close(&seg);
	assert_int_equal(plx_segment_export(&seg, false), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_segment_is_zero_writable_and_of_whole_pages),
		cmocka_unit_test(a_name_a_size_or_a_backend_that_makes_no_sense_is_refused),
		cmocka_unit_test(more_than_the_machine_has_is_an_error_at_creation_not_a_sigbus_later),
		cmocka_unit_test(every_byte_is_allocated_unless_the_segment_is_sparse),
		cmocka_unit_test(blocks_come_in_order_aligned_and_inside),
		cmocka_unit_test(the_header_says_who_what_and_when_and_no_two_are_alike),
		cmocka_unit_test(blocks_that_cannot_be_laid_out_are_refused),
		cmocka_unit_test(tools_find_every_memfd_by_its_name),
		cmocka_unit_test(whichever_door_is_shut_nothing_stays_open_or_mapped),
		cmocka_unit_test(a_process_killed_at_any_door_leaves_nothing),
		cmocka_unit_test(a_table_of_descriptors_that_is_full_is_emfile),
		cmocka_unit_test(a_child_has_the_map_only_if_it_shall),
		cmocka_unit_test(heap_cannot_be_shared_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_segment_attach.c - what a stranger sends is mapped only when it cannot hurt; what we send cannot be written. */
#include <plx/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "mem/segment_layout.h"
#include "tests/support/support.h"

#define SIZE 65536u

static const struct plx_block blocks[] = {
	{ "head", 4096, 0 },
	{ "slots", 32768, 4096 },
};

static struct plx_segment make(uint32_t kind)
{
	struct plx_segment seg;

	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:attach", SIZE, 0), 0);
	assert_int_equal(plx_segment_format(&seg, kind, 1, "attach", blocks, COUNT_OF(blocks)), 0);
	return seg;
}

static struct plx_segment make_sealed(uint32_t kind, enum plx_seal seal)
{
	struct plx_segment seg = make(kind);

	assert_int_equal(plx_segment_seal(&seg, seal), 0);
	return seg;
}

/* Attach a new descriptor of @seg; it stays nobody's when that fails. */
static int attach(struct plx_segment *out, const struct plx_segment *seg, uint64_t size, uint32_t kind,
		  unsigned int flags)
{
	int fd = plx_sys_reopen(seg->fd, flags & PLX_ATTACH_WRITE ? O_RDWR : O_RDONLY), ret;

	assert_true(fd >= 0);
	ret = plx_segment_attach(out, fd, size, kind, flags);
	if (ret < 0) {
		assert_null(out->base);
		assert_int_equal(out->fd, -1);
		assert_int_equal(close(fd), 0); /* it was left open */
	}
	return ret;
}

/* ---- honest ---- */

static void what_one_writes_the_other_reads(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), ro;
	unsigned char *ours = plx_segment_block(&seg, "slots", NULL), *theirs;
	uint64_t size;

	(void)state;
	assert_int_equal(attach(&ro, &seg, SIZE, PLX_KIND_TOPIC, 0), 0);
	assert_false(ro.writable);
	theirs = plx_segment_block(&ro, "slots", &size);
	assert_int_equal(size, 32768);
	assert_ptr_not_equal(ours, theirs);
	ours[100] = 77; /* the maker's map stays writable after sealing */
	assert_int_equal(theirs[100], 77);
	assert_int_equal(plx_segment_commit(&ro, 0, 4096), -EPERM);
	plx_segment_close(&ro);
	plx_segment_close(&seg);
}

static void a_link_is_written_by_whom_it_was_sent_to(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_LINK, PLX_SEAL_LINK), rw, ro;
	int fd = plx_segment_export(&seg, true);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(plx_segment_attach(&rw, fd, SIZE, PLX_KIND_LINK, PLX_ATTACH_WRITE), 0);
	assert_int_equal(rw.fd, fd);
	assert_int_equal(attach(&ro, &seg, SIZE, PLX_KIND_LINK, 0),
			 0); /* its maker looks through a read-only map */
	*(uint64_t *)plx_segment_block(&rw, "head", NULL) = 42;
	assert_int_equal(*(uint64_t *)plx_segment_block(&ro, "head", NULL), 42);
	plx_segment_close(&rw);
	plx_segment_close(&ro);
	plx_segment_close(&seg);
}

/* ---- the seals hold ---- */

/* Everything a process that holds only the exported descriptor may try; none may work. */
static int attack(int fd)
{
	char path[64];
	int again;
	void *ro;

	CHECK(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(ftruncate(fd, 0) < 0);
	CHECK(ftruncate(fd, 2 * SIZE) < 0);
	CHECK(write(fd, "x", 1) < 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) < 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	ro = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(ro != MAP_FAILED);
	CHECK(mprotect(ro, SIZE, PROT_READ | PROT_WRITE) < 0);
	CHECK(madvise(ro, SIZE, MADV_REMOVE) < 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fchmod(fd, 0666);
	again = open(path, O_RDWR);
	if (again >= 0) { /* root, and the same user, may open it again: the seals hold all the same */
		CHECK(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED);
		CHECK(ftruncate(again, 0) < 0);
		CHECK(ftruncate(again, 2 * SIZE) < 0);
		CHECK(pwrite(again, "x", 1, 0) < 0);
		CHECK(fallocate(again, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) < 0);
		CHECK(fallocate(again, FALLOC_FL_ZERO_RANGE, 0, SIZE) < 0);
		CHECK(fallocate(again, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) < 0);
		CHECK(fallocate(again, 0, 0, 2 * SIZE) < 0);
		CHECK(close(again) == 0);
	}
	return 0;
}

static int attack_as_same_user(void *arg)
{
	return attack(*(int *)arg);
}

static int attack_as_nobody(void *arg)
{
	char path[64];

	CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	CHECK(fchmod(*(int *)arg, 0666) < 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *(int *)arg);
	CHECK(open(path, O_RDWR) < 0); /* nor by opening it again */
	return attack(*(int *)arg);
}

static void a_process_that_got_the_data_cannot_change_a_byte_of_it(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA);
	unsigned char *slots = plx_segment_block(&seg, "slots", NULL), copy[SIZE];
	int fd = plx_segment_export(&seg, false);
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	memset(slots, 0x5a, 32768);
	memcpy(copy, seg.base, SIZE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	if (geteuid() == 0) /* before the other one, which may chmod */
		assert_int_equal(run_in_child(attack_as_nobody, &fd), 0);
	assert_int_equal(run_in_child(attack_as_same_user, &fd), 0);
	assert_memory_equal(copy, seg.base, SIZE);
	assert_int_equal(plx_segment_export(&seg, true), -EPERM);
	close(fd);
	plx_segment_close(&seg);
}

static void a_segment_is_sealed_once_and_the_same_again_is_fine(void **state)
{
	struct plx_segment data = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA);
	struct plx_segment link = make_sealed(PLX_KIND_LINK, PLX_SEAL_LINK);

	(void)state;
	assert_int_equal(plx_segment_seal(&data, PLX_SEAL_DATA), 0);
	assert_int_equal(plx_segment_seal(&data, PLX_SEAL_LINK), -EPERM);
	assert_int_equal(plx_segment_seal(&link, PLX_SEAL_LINK), 0);
	assert_int_equal(plx_segment_seal(&link, PLX_SEAL_DATA), -EPERM);
	assert_int_equal(plx_segment_seal(&link, (enum plx_seal)9), -EINVAL);
	plx_segment_close(&data);
	plx_segment_close(&link);
}

static void a_sparse_segment_grows_also_after_it_is_sealed(void **state)
{
	struct plx_segment seg, ro;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:grow", 1 << 30, PLX_SEGMENT_SPARSE), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NET, 1, "grow", blocks, COUNT_OF(blocks)), 0);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), 0);
	assert_int_equal(plx_segment_commit(&seg, 1 << 20, 4096), 0);
	((unsigned char *)seg.base)[1 << 20] = 9;
	assert_int_equal(attach(&ro, &seg, 0, PLX_KIND_NET, 0), 0);
	assert_int_equal(((unsigned char *)ro.base)[1 << 20], 9);
	assert_int_equal(((unsigned char *)ro.base)[1 << 29], 0); /* a hole reads as zero: no SIGBUS */
	plx_segment_close(&ro);
	plx_segment_close(&seg);
}

/* ---- liars: the descriptor ---- */

static void what_is_not_sealed_as_it_should_be_is_refused(void **state)
{
	static const int seals[] = {
		0,
		F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
		F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE, /* more could be added: the wrong ones */
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,         /* others could write */
	};
	int fds = count_open_fds();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seals); i++) {
		struct plx_segment seg = make(PLX_KIND_TOPIC), out;

		assert_int_equal(plx_sys_seal(seg.fd, seals[i]), 0);
		assert_int_equal(attach(&out, &seg, 0, PLX_KIND_TOPIC, 0), -EPERM);
		plx_segment_close(&seg);
	}
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("plx:test:attach"), 0);
}

static void a_file_a_pipe_a_device_or_a_directory_is_refused(void **state)
{
	char *top = make_directory(), path[256];
	int fds = count_open_fds(), fd[5], pipes[2];
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), out;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", top);
	fd[0] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd[0], seg.base, SIZE), SIZE); /* every byte right, but a file */
	fd[1] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fd[2] = open(top, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	fd[3] = pipes[0];
	fd[4] = pipes[1];
	for (size_t i = 0; i < COUNT_OF(fd); i++) {
		int ret = plx_segment_attach(&out, fd[i], 0, PLX_KIND_TOPIC, 0);

		assert_true(ret == -EINVAL ||
			    ret == -EPERM); /* -EPERM: on a tmpfs it has seals, but not these */
		assert_true(plx_segment_attach(&out, fd[i], 0, PLX_KIND_TOPIC, PLX_ATTACH_WRITE) < 0);
		close(fd[i]);
	}
	assert_int_equal(plx_segment_attach(&out, -1, 0, PLX_KIND_TOPIC, 0), -EBADF);
	plx_segment_close(&seg);
	assert_int_equal(count_open_fds(), fds);
	drop_directory(top);
}

static void another_size_than_said_is_refused(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), out;

	(void)state;
	assert_int_equal(attach(&out, &seg, SIZE + 4096, PLX_KIND_TOPIC, 0), -ERANGE);
	assert_int_equal(attach(&out, &seg, SIZE - 4096, PLX_KIND_TOPIC, 0), -ERANGE);
	assert_int_equal(attach(&out, &seg, UINT64_MAX, PLX_KIND_TOPIC, 0), -ERANGE);
	plx_segment_close(&seg);
}

static int sealed_memfd(uint64_t size)
{
	int fd = plx_sys_memfd("plx:test:small");

	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, size), 0);
	assert_int_equal(plx_sys_seal(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL),
			 0);
	return fd;
}

static void what_is_smaller_than_a_header_or_larger_than_any_map_is_refused(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 511, (1ull << 46) + 4096, 1ull << 62 };
	struct plx_segment out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		int fd = sealed_memfd(sizes[i]);

		assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, 0), -ERANGE);
		assert_int_equal(plx_segment_attach(&out, fd, sizes[i], PLX_KIND_USER, 0), -ERANGE);
		close(fd);
	}
	{ /* all zero: a segment whose creator died before the magic */
		int fd = sealed_memfd(SIZE);

		assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_USER, 0), -EPROTO);
		close(fd);
	}
}

static void holes_in_a_topic_are_refused_their_reader_would_pay_for_them(void **state)
{
	struct plx_segment seg, out;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:holes", SIZE, PLX_SEGMENT_SPARSE), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_TOPIC, 1, "holes", blocks, COUNT_OF(blocks)), 0);
	assert_int_equal(plx_segment_seal(&seg, PLX_SEAL_DATA), 0);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_TOPIC, 0), -ERANGE);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_TOPIC, PLX_ATTACH_INSPECT), 0); /* a tool may look */
	plx_segment_close(&out);
	plx_segment_close(&seg);
}

static void a_right_one_does_not_have_is_not_given(void **state)
{
	struct plx_segment link = make_sealed(PLX_KIND_LINK, PLX_SEAL_LINK);
	struct plx_segment data = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), out;
	int fd = plx_segment_export(&link, false);

	(void)state;
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_LINK, PLX_ATTACH_WRITE), -EACCES);
	close(fd);
	fd = plx_sys_dup(data.fd); /* open for writing, but writing is sealed away */
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_WRITE), -EPERM);
	assert_int_equal(
		plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_WRITE | PLX_ATTACH_INSPECT),
		-EINVAL);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, 64), -EINVAL);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_INHERIT), -EINVAL);
	assert_int_equal(
		plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_INSPECT | PLX_ATTACH_INHERIT),
		-EINVAL);
	close(fd);
	plx_segment_close(&link);
	plx_segment_close(&data);
}

static void children_have_the_map_when_that_is_asked_for(void **state)
{
	struct plx_segment link = make_sealed(PLX_KIND_LINK, PLX_SEAL_LINK), out;
	int fd = plx_segment_export(&link, true), status;
	unsigned char present;
	pid_t child;

	(void)state;
	assert_int_equal(
		plx_segment_attach(&out, fd, 0, PLX_KIND_LINK, PLX_ATTACH_WRITE | PLX_ATTACH_INHERIT), 0);
	child = fork();
	if (child == 0) /* what is not mapped is an error */
		_exit(mincore(out.base, 1, &present) != 0 || mincore(link.base, 1, &present) == 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	plx_segment_close(&out);
	plx_segment_close(&link);
}

static void a_kind_one_did_not_ask_for_is_refused(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), out;

	(void)state;
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_LINK, 0), -EPROTO);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_USER, 0), -EPROTO);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_NONE, 0), 0);
	plx_segment_close(&out);
	plx_segment_close(&seg);
}

/* ---- liars: the header ---- */

/* After any change to the header: refused, or as harmless as it was. */
static void assert_harmless(const struct plx_segment *seg)
{
	struct plx_segment_info info;
	struct plx_segment out;
	const char *why = NULL;
	char name[16];
	uint64_t size;
	int ret = attach(&out, seg, 0, PLX_KIND_NONE, 0);

	if (ret < 0) {
		assert_true(ret == -EPROTO || ret == -EBADMSG);
		assert_int_equal(plx_segment_check(seg, &why), -EBADMSG);
		assert_non_null(why);
		assert_int_equal(plx_segment_info(seg, &info), ret);
		assert_null(plx_segment_block(seg, "slots", NULL));
		assert_null(plx_segment_block_at(seg, 0, name, NULL));
		return;
	}
	assert_int_equal(plx_segment_info(&out, &info), 0);
	assert_true(info.blocks <= PLX_SEGMENT_BLOCKS_MAX);
	assert_true(memchr(info.name, 0, sizeof(info.name)) != NULL);
	for (uint32_t i = 0; i < info.blocks; i++) {
		unsigned char *at = plx_segment_block_at(&out, i, name, &size);

		assert_non_null(at);
		assert_true(at >= (unsigned char *)out.base + 512);
		assert_true(size > 0 && size <= SIZE && at + size <= (unsigned char *)out.base + SIZE);
		assert_int_equal((at - (unsigned char *)out.base) % PLX_LINE, 0);
		assert_true(memchr(name, 0, sizeof(name)) != NULL);
		assert_ptr_equal(plx_segment_block(&out, name, NULL), at);
	}
	plx_segment_close(&out);
}

static void any_byte_of_a_header_may_lie_in_any_way_and_does_no_harm(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff, 0x40 };
	struct plx_segment seg = make_sealed(PLX_KIND_USER, PLX_SEAL_DATA);
	unsigned char *bytes = seg.base;

	(void)state;
	for (size_t i = 0; i < sizeof(struct plx_segment_hdr); i++) {
		for (size_t m = 0; m < COUNT_OF(masks); m++) {
			bytes[i] ^= masks[m];
			assert_harmless(&seg);
			bytes[i] ^= masks[m];
		}
	}
	assert_harmless(&seg);
	assert_int_equal(plx_segment_check(&seg, NULL), 0);
	plx_segment_close(&seg);
}

/* Each field with the values that would do most harm, and what it must be answered. */
static void a_lying_field_is_refused(void **state)
{
	enum { LAST = offsetof(struct plx_segment_hdr, entry) + 1 * 32 };
	static const struct {
		size_t off, size;
		uint64_t value;
		int ret;
	} lies[] = {
#define FIELD(field) offsetof(struct plx_segment_hdr, field), sizeof(((struct plx_segment_hdr *)0)->field)
		{ FIELD(magic), 0, -EPROTO },
		{ FIELD(magic), PLX_SEGMENT_MAGIC + 1, -EPROTO },
		{ FIELD(layout), PLX_SEGMENT_LAYOUT + 1, -EPROTO },
		{ FIELD(layout), 0, -EPROTO },
		{ FIELD(kind), PLX_KIND_NONE, -EBADMSG },
		{ FIELD(kind), PLX_KIND_LINK, -EPROTO },
		{ FIELD(size), 0, -EBADMSG },
		{ FIELD(size), SIZE - 1, -EBADMSG },
		{ FIELD(size), 2 * SIZE, -EBADMSG },
		{ FIELD(size), UINT64_MAX, -EBADMSG },
		{ FIELD(id), 0, -EBADMSG },
		{ FIELD(creator), 0, -EBADMSG },
		{ FIELD(creator), UINT32_MAX, -EBADMSG },
		{ FIELD(blocks), 1, -EBADMSG }, /* what is beyond is not zero */
		{ FIELD(blocks), 3, -EBADMSG }, /* the third has no name */
		{ FIELD(blocks), 13, -EBADMSG },
		{ FIELD(blocks), UINT32_MAX, -EBADMSG },
		{ FIELD(reserved[0]), 1, -EBADMSG },
		{ FIELD(reserved[1]), 1, -EBADMSG },
		{ FIELD(name[2]), 0, -EBADMSG }, /* something after the end */
		{ FIELD(name[2]), '\n', -EBADMSG },
		{ FIELD(name[2]), 0x1b, -EBADMSG },
		{ FIELD(name[63]), 'x', -EBADMSG },
		{ LAST + 0, 1, 0, -EBADMSG },
		{ LAST + 2, 1, 7, -EBADMSG },
		{ LAST + 15, 1, 'x', -EBADMSG },
		{ LAST + 16, 8, 0, -EBADMSG },
		{ LAST + 16, 8, 8191, -EBADMSG },
		{ LAST + 16, 8, 512, -EBADMSG }, /* where the first block lies */
		{ LAST + 16, 8, SIZE, -EBADMSG },
		{ LAST + 16, 8, UINT64_MAX - 63, -EBADMSG },
		{ LAST + 24, 8, 0, -EBADMSG },
		{ LAST + 24, 8, SIZE - 8191, -EBADMSG },
		{ LAST + 24, 8, UINT64_MAX, -EBADMSG },
		{ LAST + 24, 8, UINT64_MAX - 8191, -EBADMSG }, /* off + size == 0 */
		{ LAST + 32 + 24, 8, 1, -EBADMSG },            /* an unused entry */
#undef FIELD
	};
	struct plx_segment seg = make_sealed(PLX_KIND_USER, PLX_SEAL_DATA), out;
	unsigned char *bytes = seg.base, saved[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		memcpy(saved, bytes + lies[i].off, lies[i].size);
		memcpy(bytes + lies[i].off, &lies[i].value, lies[i].size);
		assert_int_equal(attach(&out, &seg, SIZE, PLX_KIND_USER, 0), lies[i].ret);
		memcpy(bytes + lies[i].off, saved, lies[i].size);
	}
	memcpy(bytes + LAST, "head\0", 6); /* two of one name */
	assert_int_equal(attach(&out, &seg, SIZE, PLX_KIND_USER, 0), -EBADMSG);
	plx_segment_close(&seg);
}

struct flipper {
	struct plx_segment *seg;
	int stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	uint64_t *words = f->seg->base;

	for (uint64_t i = 0; !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++) {
		uint64_t at = i * 7 % (sizeof(struct plx_segment_hdr) / 8), old = words[at];

		__atomic_store_n(&words[at], i * 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
		__atomic_store_n(&words[at], old, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The header changes while we read it; what we were told must hold for the mapping all the same. */
static void a_header_that_changes_while_it_is_read_does_no_harm(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_USER, PLX_SEAL_DATA);
	struct flipper f = { &seg, 0 };
	unsigned char *base = seg.base;
	pthread_t thread;
	int found = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	for (int i = 0; i < LONG_LOOP(300000); i++) {
		uint64_t size = 0;
		unsigned char *at = plx_segment_block(&seg, "slots", &size);

		if (!at)
			continue;
		found++;
		assert_true(at >= base + 512 && size > 0 && size <= SIZE && at + size <= base + SIZE);
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(found > 0);
	plx_segment_close(&seg);
}

/* ---- tools ---- */

static void a_tool_may_look_at_what_is_not_sealed_and_cannot_be_killed_by_it(void **state)
{
	struct plx_segment seg = make(PLX_KIND_USER), out;
	unsigned char *at;
	uint64_t size;

	(void)state;
	memset(plx_segment_block(&seg, "slots", NULL), 0x33, 32768);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_NONE, 0), -EPERM);
	assert_int_equal(attach(&out, &seg, 0, PLX_KIND_NONE, PLX_ATTACH_INSPECT), 0);
	assert_int_equal(ftruncate(seg.fd, 0), 0); /* a map would now end in SIGBUS */
	at = plx_segment_block(&out, "slots", &size);
	assert_non_null(at);
	for (uint64_t i = 0; i < size; i++)
		assert_int_equal(at[i], 0x33);
	plx_segment_close(&out);
	plx_segment_close(&seg);
}

static void a_tool_reads_a_saved_copy_and_skips_its_holes(void **state)
{
	struct plx_segment seg = make_sealed(PLX_KIND_TOPIC, PLX_SEAL_DATA), out;
	char *top = make_directory(), path[256];
	struct plx_segment_hdr *hdr;
	unsigned char *at;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/saved", top);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	memset(plx_segment_block(&seg, "slots", NULL), 0x44, 4096);
	assert_int_equal(write(fd, seg.base, SIZE), SIZE);
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_INSPECT), 0);
	at = plx_segment_block(&out, "slots", NULL);
	assert_int_equal(at[4095], 0x44);
	assert_int_equal(at[4096], 0);
	plx_segment_close(&out); /* closes fd */
	fd = open(path, O_RDWR | O_CLOEXEC);
	hdr = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	hdr->size = 1ull << 36;
	munmap(hdr, 4096);
	assert_int_equal(ftruncate(fd, 1ll << 36), 0); /* nothing in it but a hole */
	assert_int_equal(plx_segment_attach(&out, fd, 0, PLX_KIND_TOPIC, PLX_ATTACH_INSPECT), 0);
	assert_int_equal(out.size, 1ull << 36);
	plx_segment_close(&out);
	plx_segment_close(&seg);
	drop_directory(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_writes_the_other_reads),
		cmocka_unit_test(a_link_is_written_by_whom_it_was_sent_to),
		cmocka_unit_test(a_process_that_got_the_data_cannot_change_a_byte_of_it),
		cmocka_unit_test(a_segment_is_sealed_once_and_the_same_again_is_fine),
		cmocka_unit_test(a_sparse_segment_grows_also_after_it_is_sealed),
		cmocka_unit_test(what_is_not_sealed_as_it_should_be_is_refused),
		cmocka_unit_test(a_file_a_pipe_a_device_or_a_directory_is_refused),
		cmocka_unit_test(another_size_than_said_is_refused),
		cmocka_unit_test(what_is_smaller_than_a_header_or_larger_than_any_map_is_refused),
		cmocka_unit_test(holes_in_a_topic_are_refused_their_reader_would_pay_for_them),
		cmocka_unit_test(a_right_one_does_not_have_is_not_given),
		cmocka_unit_test(children_have_the_map_when_that_is_asked_for),
		cmocka_unit_test(a_kind_one_did_not_ask_for_is_refused),
		cmocka_unit_test(any_byte_of_a_header_may_lie_in_any_way_and_does_no_harm),
		cmocka_unit_test(a_lying_field_is_refused),
		cmocka_unit_test(a_header_that_changes_while_it_is_read_does_no_harm),
		cmocka_unit_test(a_tool_may_look_at_what_is_not_sealed_and_cannot_be_killed_by_it),
		cmocka_unit_test(a_tool_reads_a_saved_copy_and_skips_its_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

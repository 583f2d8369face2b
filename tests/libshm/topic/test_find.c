/* test_find.c - segments are found whoever holds them and however, and looking at them does nothing to them. */
#include "tests/libshm/topic/topic_made.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "topic/procfs.h"

static const struct plx_found *find_id(const struct plx_found_list *list, uint64_t id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].info.id == id)
			return &list->items[i];
	}
	return NULL;
}

static const struct plx_found *find_name(const struct plx_found_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].info.name, name) == 0)
			return &list->items[i];
	}
	return NULL;
}

static struct plx_segment make(const char *name, struct plx_segment_info *info)
{
	const struct plx_block blocks[] = { { "part", 5000, 0 } };
	struct plx_segment seg;

	assert_int_equal(plx_segment_create(&seg, "memfd", name, 65536, PLX_SEGMENT_INHERIT), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 7, name, blocks, 1), 0);
	assert_int_equal(plx_segment_info(&seg, info), 0);
	return seg;
}

static void name_child(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "a (n)ame) 9");
}

static void only_map(void *arg)
{
	struct plx_segment *seg = arg;

	close(seg->fd);
	if (mprotect(seg->base, seg->size, PROT_READ) != 0)
		_exit(1);
}

static void only_open(void *arg)
{
	struct plx_segment *seg = arg;

	munmap(seg->base, seg->size);
}

/* ---- finding ---- */

static void a_segment_is_found_with_all_who_hold_it(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg = make("held", &info);
	struct plx_found_list list;
	const struct plx_found *found;
	pid_t child = child_at_work(name_child, &seg);

	(void)state;
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	found = find_id(&list, info.id);
	assert_non_null(found);
	assert_int_equal(found->error, 0);
	assert_int_equal(found->info.kind, PLX_KIND_USER);
	assert_int_equal(found->info.version, 7);
	assert_string_equal(found->info.name, "held");
	assert_int_equal(found->bytes, 65536);
	assert_int_equal(found->resident, 65536);
	assert_true(found->creator_alive);
	assert_int_equal(found->holder_count, 2);
	assert_int_equal(found->holders[0].pid, getpid()); /* the creator first */
	assert_int_equal(found->holders[0].fd, seg.fd);
	assert_true(found->holders[0].writes);
	assert_true(found->holders[0].map[0] == (uintptr_t)seg.base);
	assert_int_equal(found->holders[1].pid, child);
	assert_string_equal(found->holders[1].comm, "a (n)ame) 9");
	plx_inspect_free(&list);
	plx_inspect_free(&list);

	assert_int_equal(plx_inspect_find(&list, child), 0);
	found = find_id(&list, info.id);
	assert_non_null(found);
	assert_int_equal(found->holder_count, 1);
	assert_int_equal(found->holders[0].pid, child);
	assert_true(found->creator_alive); /* though it is not among those looked at */
	plx_inspect_free(&list);

	child_stop(child);
	assert_int_equal(plx_inspect_find(&list, child), -ESRCH);
	plx_segment_close(&seg);
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	assert_null(find_id(&list, info.id));
	plx_inspect_free(&list);
}

static void holding_is_having_it_open_or_mapped(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg = make("half", &info);
	pid_t mapping = child_at_work(only_map, &seg), opening = child_at_work(only_open, &seg);
	struct plx_found_list list;
	const struct plx_found *found;
	struct plx_segment copy;

	(void)state;
	plx_segment_close(&seg);
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	found = find_id(&list, info.id);
	assert_non_null(found);
	assert_int_equal(found->holder_count, 2);
	assert_int_equal(found->holders[0].pid, mapping);
	assert_int_equal(found->holders[0].fd, -1);
	assert_false(found->holders[0].writes);
	assert_true(found->holders[0].map[1] > found->holders[0].map[0]);
	assert_int_equal(found->holders[1].pid, opening);
	assert_int_equal(found->holders[1].map[1], 0);
	assert_true(found->creator_alive); /* that is us: we let go of it, but live */
	plx_inspect_free(&list);

	child_stop(opening); /* now only a map is left; to look through one takes a privilege */
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	found = find_id(&list, info.id);
	if (geteuid() == 0) {
		assert_non_null(found);
		assert_int_equal(found->error, 0);
		assert_int_equal(plx_inspect_open(&copy, found), 0);
		plx_segment_close(&copy);
	} else {
		found = find_name(&list, "half");
		assert_non_null(found);
		assert_int_equal(found->error, -EACCES);
	}
	child_stop(mapping);
	assert_int_equal(plx_inspect_open(&copy, found), -ESRCH);
	assert_null(copy.base);
	plx_inspect_free(&list);
}

static void a_dead_creator_is_told_from_a_living_one(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg = make("orphan", &info);
	struct plx_found_list list;
	const struct plx_found *found;
	uint32_t *creator = (uint32_t *)seg.base + 10;
	uint64_t *created = (uint64_t *)seg.base + 4;
	pid_t child = child_at_work(name_child, &seg);

	(void)state;
	assert_int_equal(*creator, getpid());
	/* a process of that number lives, but began after the segment: the number was used again */
	*creator = (uint32_t)child;
	plx_segment_close(&seg);
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	found = find_id(&list, info.id);
	assert_non_null(found);
	assert_true(found->creator_alive); /* it holds it */
	plx_inspect_free(&list);
	child_stop(child);

	seg = make("orphan", &info);
	child = child_at_work(only_map, &seg);
	((uint32_t *)seg.base)[10] = 1; /* init lives, and is older */
	munmap(seg.base, seg.size);
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	assert_true(find_id(&list, info.id)->creator_alive);
	plx_inspect_free(&list);
	child_stop(child);
	close(seg.fd);

	seg = make("orphan", &info);
	child = child_at_work(name_child, &seg);
	creator = (uint32_t *)seg.base + 10;
	created = (uint64_t *)seg.base + 4;
	*creator = (uint32_t)getppid();
	*created -= UINT64_C(
		1000000000000000); /* eleven days before our parent began, or before the machine did */
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	assert_false(find_id(&list, info.id)->creator_alive);
	plx_inspect_free(&list);
	*creator = 4000000; /* no kernel numbers that far */
	assert_int_equal(plx_inspect_find(&list, 0), 0);
	assert_false(find_id(&list, info.id)->creator_alive);
	plx_inspect_free(&list);
	child_stop(child);
	plx_segment_close(&seg);
}

static void what_says_nonsense_is_found_too(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg, copy;
	struct plx_found_list list;
	const struct plx_found *found;
	const char *why = NULL;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:user:bare", 8192, 0), 0);
	assert_int_equal(plx_inspect_find(&list, getpid()), 0);
	found = find_name(&list, "user:bare");
	assert_non_null(found);
	assert_int_equal(found->error, -EAGAIN); /* no header yet */
	assert_int_equal(found->info.kind, PLX_KIND_NONE);
	assert_int_equal(found->bytes, 8192);
	plx_inspect_free(&list);
	((unsigned char *)seg.base)[100] = 1;
	assert_int_equal(plx_inspect_find(&list, getpid()), 0);
	assert_int_equal(find_name(&list, "user:bare")->error, -EPROTO);
	plx_inspect_free(&list);
	plx_segment_close(&seg);

	seg = make("liar", &info);
	((uint64_t *)seg.base)[2] += 4096; /* its size */
	assert_int_equal(plx_inspect_find(&list, getpid()), 0);
	found = find_name(&list, "liar");
	assert_non_null(found);
	assert_int_equal(found->error, -EBADMSG);
	assert_int_equal(plx_inspect_open(&copy, found), 0);
	assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	assert_string_equal(why, "the header says another size than the segment has");
	plx_segment_close(&copy);
	plx_inspect_free(&list);
	plx_segment_close(&seg);
}

static void what_cannot_be_looked_into_is_counted(void **state)
{
	struct plx_found_list list;
	int pids[2];
	pid_t child;

	(void)state;
	if (geteuid() != 0) {
		skip(); /* needs a process of another user; there always is one then, but how many we cannot know */
		return;
	}
	/* a child without privileges looks: it may not look into us */
	assert_int_equal(pipe(pids), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		if (plx_inspect_find(&list, 0) != 0 || list.denied == 0)
			_exit(3);
		plx_inspect_free(&list);
		_exit(plx_inspect_find(&list, getppid()) == -EACCES ? 0 : 4);
	}
	close(pids[0]);
	close(pids[1]);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- looking ---- */

static void a_copy_stays_as_it_was(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg = make("copied", &info), copy;
	char *part = plx_segment_block(&seg, "part", NULL);

	(void)state;
	strcpy(part, "before");
	copy = look_at(&seg);
	strcpy(part, "after");
	memset(seg.base, 0xff, 512);
	assert_int_equal(plx_segment_info(&copy, &info), 0);
	assert_string_equal((char *)plx_segment_block(&copy, "part", NULL), "before");
	plx_segment_close(&copy);
	plx_segment_close(&seg);
}

static void looking_gives_a_sparse_segment_no_memory(void **state)
{
	const struct plx_block blocks[] = { { "small", 1 << 20, 4096 },
					    { "huge", UINT64_C(64) << 30, 4096 },
					    { "last", 4096, 4096 } };
	struct plx_segment seg, copy;
	struct stat before, after;
	const char *why = NULL;
	unsigned char *last;

	(void)state;
	assert_int_equal(
		plx_segment_create(&seg, "memfd", "sparse", plx_segment_need(blocks, 3), PLX_SEGMENT_SPARSE),
		0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NET, 1, "sparse", blocks, 3), 0);
	last = plx_segment_block(&seg, "last", NULL);
	assert_int_equal(plx_segment_commit(&seg, (uint64_t)(last - (unsigned char *)seg.base), 4096), 0);
	last[5] = 99;
	assert_int_equal(fstat(seg.fd, &before), 0);
	copy = look_at(&seg);
	assert_int_equal(plx_inspect_check(&copy, &why), 0);
	assert_int_equal(((unsigned char *)plx_segment_block(&copy, "last", NULL))[5], 99);
	assert_int_equal(((unsigned char *)plx_segment_block(&copy, "huge", NULL))[12345678], 0);
	assert_int_equal(fstat(seg.fd, &after), 0);
	assert_int_equal(before.st_blocks, after.st_blocks);
	plx_segment_close(&copy);
	plx_segment_close(&seg);
}

static void a_saved_copy_can_be_looked_at(void **state)
{
	struct made made = make_topic("saved", 8, 10);
	char *folder = make_directory(), path[300], proc[64], bytes[16384];
	struct plx_segment copy;
	struct plx_topic_view view;
	const char *why = NULL;
	ssize_t n;
	int fd, from;

	(void)state;
	made_put(&made, 10);
	snprintf(path, sizeof(path), "%s/saved", folder);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", made.seg.fd);
	from = open(proc, O_RDONLY);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(fd, bytes, (size_t)n), n);
	close(from);
	assert_int_equal(plx_inspect_file(&copy, path), 0);
	assert_int_equal(plx_inspect_check(&copy, &why), 0);
	assert_int_equal(plx_inspect_topic(&copy, &view), 0);
	assert_string_equal(view.slot_state, "W.........");
	plx_inspect_topic_free(&view);
	plx_segment_close(&copy);

	assert_int_equal(ftruncate(fd, 4096), 0); /* half of it was saved */
	assert_int_equal(plx_inspect_file(&copy, path), 0);
	assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	plx_segment_close(&copy);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(plx_inspect_file(&copy, path), -EINVAL);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(plx_inspect_file(&copy, path), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(plx_inspect_file(&copy, path), -EINVAL); /* and does not wait for a writer */
	assert_int_equal(plx_inspect_file(&copy, folder), -EINVAL);
	made_close(&made);
	drop_directory(folder);
}

/* ---- what /proc says ---- */

static bool map_line(const char *line, struct plx_procfs_trace *trace)
{
	return plx_procfs_map_line(line, strlen(line), trace);
}

static void lines_of_maps_are_read(void **state)
{
	struct plx_procfs_trace trace = { .pid = 1 };

	(void)state;
	assert_true(map_line("7f0000001000-7f0000003000 rw-s 00001000 00:01 1034    "
			     "                   /memfd:plx:topic:a b (deleted)",
			     &trace));
	assert_true(trace.from == 0x7f0000001000 && trace.to == 0x7f0000003000);
	assert_true(trace.writes);
	assert_true(trace.dev == 1 && trace.ino == 1034);
	assert_string_equal(trace.name, "topic:a b");
	assert_true(map_line("1000-2000 r--s 00000000 103:1234 18446744073709551615 /memfd:plx:x", &trace));
	assert_false(trace.writes);
	assert_true(trace.dev == makedev(0x103, 0x1234));
	assert_true(map_line("1000-2000 rw-p 00000000 00:01 7 /memfd:plx: (deleted)", &trace));
	assert_false(trace.writes); /* private: what is written there nobody sees */
	assert_string_equal(trace.name, "");

	assert_false(map_line("", &trace));
	assert_false(map_line("1000-2000 rw-s 00000000 00:01 7 /memfd:pl", &trace));
	assert_false(map_line("1000-2000 rw-s 00000000 00:01 7 /home/memfd:plx:x", &trace));
	assert_false(map_line("1000-2000 rw-s 00000000 00:01 7", &trace));
	assert_false(map_line("2000-1000 rw-s 00000000 00:01 7 /memfd:plx:x", &trace));
	assert_false(map_line("1000 rw-s 00000000 00:01 7 /memfd:plx:x", &trace));
	assert_false(map_line("-", &trace));
	assert_false(map_line("1000-2000 rw", &trace));
	assert_false(map_line("1000-2000 rw-s g0000000 00:01 7 /memfd:plx:x", &trace));
	assert_false(map_line("fffffffffffffffffffff-2000 rw-s 0 00:01 7 /memfd:plx:x", &trace));
}

static void names_of_processes_cannot_fool_the_reader_of_stat(void **state)
{
	struct plx_procfs_stat stat;

	(void)state;
	assert_int_equal(plx_procfs_stat_line(
				 "42 (sh) S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 1234 99 99", &stat),
			 0);
	assert_int_equal(stat.state, 'S');
	assert_false(stat.kernel);
	assert_true(stat.begun_ns == UINT64_C(12340000000));
	assert_int_equal(
		plx_procfs_stat_line(
			"42 () Z 9 9 9 (x)) R 1 42 42 0 -1 2129984 1 2 3 4 5 6 7 8 20 0 1 0 7 99 99", &stat),
		0);
	assert_int_equal(stat.state, 'R');
	assert_true(stat.kernel);
	assert_true(stat.begun_ns == 70000000);
	assert_int_equal(plx_procfs_stat_line("", &stat), -EBADMSG);
	assert_int_equal(plx_procfs_stat_line("42 (sh", &stat), -EBADMSG);
	assert_int_equal(plx_procfs_stat_line("42 (sh)", &stat), -EBADMSG);
	assert_int_equal(plx_procfs_stat_line("42 (sh) S", &stat), -EBADMSG);
	assert_int_equal(plx_procfs_stat_line("42 (sh) S 1 2 3", &stat), -EBADMSG);
}

/* ---- when the kernel says no ---- */

static void every_door_may_be_shut(void **state)
{
	struct plx_segment_info info;
	struct plx_segment seg = make("doors", &info), copy;
	int fds = count_open_fds(), ret = -1, error;
	struct plx_found_list list;

	(void)state;
	for (error = 0; error < 2; error++) {
		for (int n = 0;; n++) {
			plx_fault_at = n;
			plx_fault_seen = 0;
			plx_fault_error = error ? EMFILE : 0; /* ours, or that of what we look at */
			ret = plx_inspect_find(&list, getpid());
			if (ret == 0 && list.count > 0 && list.items[0].error == 0)
				(void)!plx_inspect_open(&copy, &list.items[0]);
			else
				copy = PLX_SEGMENT_NONE;
			plx_fault_at = -1;
			if (ret < 0)
				assert_int_equal(list.count, 0);
			plx_inspect_free(&list);
			plx_segment_close(&copy);
			assert_int_equal(count_open_fds(), fds);
			if (plx_fault_seen <= n)
				break;
			assert_true(n < 10000);
		}
		assert_int_equal(ret, 0);
	}
	plx_fault_error = 0;
	plx_segment_close(&seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_found_with_all_who_hold_it),
		cmocka_unit_test(holding_is_having_it_open_or_mapped),
		cmocka_unit_test(a_dead_creator_is_told_from_a_living_one),
		cmocka_unit_test(what_says_nonsense_is_found_too),
		cmocka_unit_test(what_cannot_be_looked_into_is_counted),
		cmocka_unit_test(a_copy_stays_as_it_was),
		cmocka_unit_test(looking_gives_a_sparse_segment_no_memory),
		cmocka_unit_test(a_saved_copy_can_be_looked_at),
		cmocka_unit_test(lines_of_maps_are_read),
		cmocka_unit_test(names_of_processes_cannot_fool_the_reader_of_stat),
		cmocka_unit_test(every_door_may_be_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_sys_file.c - locks that last as long as a map, maps of a part of a file. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/support.h"

struct place {
	char *top;
	char path[256];
};

static struct place make_file(uint64_t size)
{
	struct place p = { .top = make_directory() };
	int fd;

	snprintf(p.path, sizeof(p.path), "%s/file", p.top);
	fd = plx_sys_open(AT_FDCWD, p.path, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, size), 0);
	plx_sys_close(fd);
	return p;
}

static int open_again(const struct place *p)
{
	int fd = plx_sys_open(AT_FDCWD, p->path, O_RDWR, 0);

	assert_true(fd >= 0);
	return fd;
}

static void a_lock_lasts_until_the_last_map_of_that_open_file_is_gone(void **state)
{
	struct place p = make_file(8192);
	int one = open_again(&p), two = open_again(&p);
	void *map;

	(void)state;
	assert_int_equal(plx_sys_lock(one, true), 0);
	assert_int_equal(plx_sys_lock(one, true), 0);
	assert_int_equal(plx_sys_lock(two, true), -EBUSY);
	assert_int_equal(plx_sys_lock(two, false), -EBUSY);
	assert_int_equal(plx_sys_map_file(&map, 4096, PROT_READ, one, 4096), 0);
	plx_sys_close(one);
	assert_int_equal(plx_sys_lock(two, true), -EBUSY);
	plx_sys_unmap(map, 4096);
	assert_int_equal(plx_sys_lock(two, true), 0);
	plx_sys_close(two);
	drop_directory(p.top);
}

static void readers_share_a_lock(void **state)
{
	struct place p = make_file(1);
	int one = open_again(&p), two = open_again(&p);

	(void)state;
	assert_int_equal(plx_sys_lock(one, false), 0);
	assert_int_equal(plx_sys_lock(two, false), 0);
	assert_int_equal(plx_sys_lock(two, true), -EBUSY);
	plx_sys_close(one);
	assert_int_equal(plx_sys_lock(two, true), 0);
	plx_sys_close(two);
	drop_directory(p.top);
}

static void a_map_of_a_part_shows_what_is_written_there(void **state)
{
	struct place p = make_file(8192);
	int fd = open_again(&p);
	char *map, back[3];

	(void)state;
	assert_int_equal(plx_sys_map_file((void **)&map, 4096, PROT_READ | PROT_WRITE, fd, 4096), 0);
	assert_int_equal(plx_sys_write_at(fd, "abc", 3, 4096), 3);
	assert_memory_equal(map, "abc", 3);
	map[1] = 'x';
	assert_int_equal(plx_sys_read_at(fd, back, 3, 4096), 3);
	assert_memory_equal(back, "axc", 3);
	assert_int_equal(plx_sys_sync(fd), 0);
	assert_int_equal(plx_sys_map_file((void **)&map, 4096, PROT_READ, fd, 1), -EINVAL);
	plx_sys_unmap(map, 4096);
	plx_sys_close(fd);
	drop_directory(p.top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lock_lasts_until_the_last_map_of_that_open_file_is_gone),
		cmocka_unit_test(readers_share_a_lock),
		cmocka_unit_test(a_map_of_a_part_shows_what_is_written_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

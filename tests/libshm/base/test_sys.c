/* test_sys.c - the doors do what they promise beyond the bare system call: the gate, memory, directories. */
#include "tests/support/doors.h"
#include "tests/support/support.h"

#include "base/dir.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

/* ---- the gate ---- */

static void a_door_held_shut_fails_with_its_own_error_and_only_once(void **state)
{
	int fd;

	(void)state;
	plx_fault_at = 1;
	fd = plx_sys_memfd("first");
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_memfd("second"), -EMFILE);
	assert_string_equal(plx_fault_failed, "memfd");
	plx_sys_close(fd);
	fd = plx_sys_memfd("third");
	assert_true(fd >= 0);
	plx_sys_close(fd);
	assert_int_equal(plx_fault_seen, 3);
}

static void a_door_can_be_chosen_by_name_and_its_error_too(void **state)
{
	int fd;

	(void)state;
	plx_fault_door = "truncate";
	plx_fault_at = 0;
	plx_fault_error = EDQUOT;
	fd = plx_sys_memfd("t");
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, 4096), -EDQUOT);
	assert_int_equal(plx_sys_truncate(fd, 4096), 0);
	plx_sys_close(fd);
}

static int die_at_close(void *arg)
{
	int fd;

	(void)arg;
	plx_fault_kill = 1;
	plx_fault_seen = 0;
	plx_fault_at = 1; /* memfd is 0 */
	fd = plx_sys_memfd("t");
	CHECK(fd >= 0);
	plx_sys_close(fd);
	return 7;
}

static void a_process_can_be_killed_at_any_door_also_at_close(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(die_at_close, NULL), -SIGKILL);
}

/* ---- memory ---- */

static void a_memfd_is_private_to_its_owner_sealable_and_closed_on_exec(void **state)
{
	for (int old = 0; old < 2; old++) {
		struct stat st;
		int fd;

		(void)state;
		plx_fault_old = old;
		fd = plx_sys_memfd("plx:test:x");
		assert_true(fd >= 0);
		assert_int_equal(plx_sys_stat(fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(plx_sys_seals(fd) & F_SEAL_SEAL, 0);
		assert_int_equal(plx_sys_seal(fd, F_SEAL_SHRINK), 0);
		plx_sys_close(fd);
	}
}

static int outgrow_the_limit(void *arg)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	int fd = plx_sys_memfd("t");

	(void)arg;
	CHECK(fd >= 0);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(plx_sys_truncate(fd, 2 << 20) == -EFBIG);
	CHECK(plx_sys_truncate(fd, 1 << 20) == 0);
	return 0;
}

static void a_file_size_limit_is_an_error_and_not_a_signal(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(outgrow_the_limit, NULL), 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void a_storm_of_signals_does_not_starve_an_allocation(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm }, old;
	struct itimerval storm = { { 0, 2000 }, { 0, 2000 } }, calm = { 0 };
	struct stat st;
	int fd = plx_sys_memfd("t");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, 192 << 20), 0);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &storm, NULL);
	assert_int_equal(plx_sys_allocate(fd, 0, 192 << 20), 0);
	setitimer(ITIMER_REAL, &calm, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(plx_sys_stat(fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 192 << 20);
	plx_sys_close(fd);
}

static void an_interrupted_allocation_goes_on(void **state)
{
	struct stat st;
	int fd = plx_sys_memfd("t");

	(void)state;
	assert_int_equal(plx_sys_truncate(fd, 65536), 0);
	plx_fault_door = "allocate";
	plx_fault_seen = 0;
	plx_fault_at = 0;
	plx_fault_error = EINTR; /* as older kernels have it */
	assert_int_equal(plx_sys_allocate(fd, 0, 65536), 0);
	assert_string_equal(plx_fault_failed, "allocate");
	assert_int_equal(plx_sys_stat(fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 65536);
	plx_sys_close(fd);
}

static void more_memory_than_there_is_gives_enospc_and_takes_none(void **state)
{
	struct stat st;
	int fd = plx_sys_memfd("t");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_truncate(fd, 1ull << 45), 0);
	assert_int_equal(plx_sys_allocate(fd, 0, 1ull << 45), -ENOSPC);
	assert_int_equal(plx_sys_stat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	plx_sys_close(fd);
}

static void what_is_no_memfd_has_no_seals(void **state)
{
	int fd = plx_sys_open(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(plx_sys_seals(fd), -EINVAL);
	plx_sys_close(fd);
}

/* ---- directories ---- */

static void a_directory_is_listed_whole_without_dots(void **state)
{
	char *top = make_directory(), name[64];
	int dir = plx_sys_open(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0), ret, seen = 0;
	unsigned long sum = 0;
	struct plx_dir list;
	const char *entry;

	(void)state;
	for (int i = 0; i < 300; i++) { /* more than fits one read */
		snprintf(name, sizeof(name), "entry-with-some-length-%03d", i);
		ret = plx_sys_open(dir, name, O_CREAT | O_WRONLY, 0600);
		assert_true(ret >= 0);
		plx_sys_close(ret);
	}
	assert_int_equal(plx_dir_open(&list, dir, "."), 0);
	while ((ret = plx_dir_next(&list, &entry)) == 1) {
		sum += strtoul(entry + strlen("entry-with-some-length-"), NULL, 10);
		seen++;
	}
	assert_int_equal(ret, 0);
	plx_dir_close(&list);
	assert_int_equal(seen, 300);
	assert_int_equal(sum, 299 * 300 / 2);
	assert_int_equal(plx_dir_open(&list, dir, "missing"), -ENOENT);
	plx_dir_close(&list);
	plx_sys_close(dir);
	drop_directory(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_door_held_shut_fails_with_its_own_error_and_only_once, doors_open),
		cmocka_unit_test_setup(a_door_can_be_chosen_by_name_and_its_error_too, doors_open),
		cmocka_unit_test_setup(a_process_can_be_killed_at_any_door_also_at_close, doors_open),
		cmocka_unit_test_setup(a_memfd_is_private_to_its_owner_sealable_and_closed_on_exec,
				       doors_open),
		cmocka_unit_test_setup(a_file_size_limit_is_an_error_and_not_a_signal, doors_open),
		cmocka_unit_test_setup(a_storm_of_signals_does_not_starve_an_allocation, doors_open),
		cmocka_unit_test_setup(an_interrupted_allocation_goes_on, doors_open),
		cmocka_unit_test_setup(more_memory_than_there_is_gives_enospc_and_takes_none, doors_open),
		cmocka_unit_test_setup(what_is_no_memfd_has_no_seals, doors_open),
		cmocka_unit_test_setup(a_directory_is_listed_whole_without_dots, doors_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

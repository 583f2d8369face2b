/* test_worker_limits.c - what a worker may no longer do, and where it runs. */
#include <plx/workers.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/place.h"
#include "tests/support/support.h"

#define MS      1000000ull
#define FOREVER 60000000000ull

/* What a worker found it can do. */
static struct page {
	int exec, process, thread, network, local, file, open_file, admin, new_privileges;
	uint64_t data_max, cpu_max, files_max;
	int nice, malloc_failed, cpus, cpu;
	int term;
} * page;

static int fresh_page(void **state)
{
	(void)state;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED;
}

static int drop_page(void **state)
{
	(void)state;
	return munmap(page, sizeof(*page));
}

static void *nothing(void *arg)
{
	return arg;
}

static int try_exec(void)
{
	char *argv[] = { NULL };

	return execve("/nonexistent", argv, argv) < 0 ? errno : 0;
}

static int try_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid < 0 ? errno : 0;
}

static int try_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0), ret = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

static int try_file(const char *path)
{
	int fd = open(path, O_RDONLY), ret = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

static int keep; /* a descriptor opened in the start hook */

static int start(struct plx_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	keep = open("/proc/self/status", O_RDONLY);
	return keep < 0;
}

static int try_all(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	pthread_t thread;
	char byte;

	(void)w;
	(void)m;
	(void)arg;
	page->exec = try_exec();
	page->process = try_process();
	page->thread = pthread_create(&thread, NULL, nothing, NULL);
	if (page->thread == 0)
		pthread_join(thread, NULL);
	page->network = try_socket(AF_INET);
	page->local = try_socket(AF_UNIX);
	page->file = try_file("/etc/passwd");
	page->open_file = pread(keep, &byte, 1, 0) == 1 ? 0 : errno;
	page->admin = ptrace(PTRACE_PEEKDATA, 0, NULL, NULL) < 0 ? errno : 0;
	page->new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	return 0;
}

static void run_one(struct plx_workers_options *o)
{
	struct plx_workers *w;
	struct plx_sender *s;
	int ret;

	o->workers = 1;
	ret = plx_workers_open(&w, o);
	if (ret < 0)
		fail_msg("%s", plx_strerror(ret));
	assert_int_equal(plx_sender_open(&s, w), 0);
	assert_int_equal(plx_sender_send(s, 1, 1, "x", 2, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void try_with(uint32_t sandbox)
{
	struct plx_workers_options o = { .hooks = { .start = start, .handle = try_all },
					 .limits = { .sandbox = sandbox } };

	memset(page, 0xff, sizeof(*page));
	run_one(&o);
	/* never taken: */
	assert_int_equal(page->thread, 0);
	assert_int_equal(page->local, 0);
	assert_int_equal(page->open_file, 0);
}

static void a_worker_without_a_sandbox_may_do_all_that_we_may(void **state)
{
	(void)state;
	try_with(0);
	assert_int_equal(page->exec, ENOENT);
	assert_int_equal(page->process, 0);
	assert_int_equal(page->network, 0);
	assert_int_equal(page->file, 0);
	assert_int_equal(page->admin, ESRCH);
	assert_int_equal(page->new_privileges, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void each_right_is_given_up_alone(void **state)
{
	(void)state;
	try_with(PLX_SANDBOX_NO_NEW_PRIVILEGES);
	assert_int_equal(page->new_privileges, 1);
	assert_int_equal(page->exec, ENOENT);
	try_with(PLX_SANDBOX_NO_EXEC);
	assert_int_equal(page->exec, EPERM);
	assert_int_equal(page->process, 0);
	assert_int_equal(page->new_privileges, 1);
	try_with(PLX_SANDBOX_NO_PROCESSES);
	assert_int_equal(page->process, EPERM);
	assert_int_equal(page->exec, ENOENT);
	try_with(PLX_SANDBOX_NO_NETWORK);
	assert_int_equal(page->network, EPERM);
	assert_int_equal(page->file, 0);
	try_with(PLX_SANDBOX_NO_ADMIN);
	assert_int_equal(page->admin, EPERM);
	assert_int_equal(page->network, 0);
	if (!has_landlock())
		return;
	try_with(PLX_SANDBOX_NO_FILES);
	assert_int_equal(page->file, EACCES);
	assert_int_equal(page->network, 0);
}

static void all_of_them_together_leave_a_worker_that_works(void **state)
{
	(void)state;
	try_with(has_landlock() ? PLX_SANDBOX_ALL : PLX_SANDBOX_ALL & ~PLX_SANDBOX_NO_FILES);
	assert_int_equal(page->exec, EPERM);
	assert_int_equal(page->process, EPERM);
	assert_int_equal(page->network, EPERM);
	assert_int_equal(page->admin, EPERM);
}

/* ---- limits ----------------------------------------------------------------------------------------- */

static int look_around(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	struct rlimit r;
	cpu_set_t set;
	void *much;

	(void)w;
	(void)m;
	(void)arg;
	getrlimit(RLIMIT_DATA, &r);
	page->data_max = r.rlim_cur;
	getrlimit(RLIMIT_CPU, &r);
	page->cpu_max = r.rlim_cur;
	getrlimit(RLIMIT_NOFILE, &r);
	page->files_max = r.rlim_cur;
	page->nice = getpriority(PRIO_PROCESS, 0);
	much = mmap(NULL, 1ull << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page->malloc_failed = much == MAP_FAILED;
	if (much != MAP_FAILED)
		munmap(much, 1ull << 30);
	sched_getaffinity(0, sizeof(set), &set);
	page->cpus = CPU_COUNT(&set);
	page->cpu = sched_getcpu();
	return 0;
}

static void limits_hold_in_the_worker_and_not_in_us(void **state)
{
	struct plx_workers_options o = {
		.hooks = { .handle = look_around },
		.limits = { .memory_max = 256u << 20,
			    .cpu_s_max = 100,
			    .files_max = 33,
			    .nice = getpriority(PRIO_PROCESS, 0) + 1 },
	};
	struct rlimit before, after;

	(void)state;
#ifdef PLX_SAN
	skip(); /* sanitizers reserve terabytes */
#endif
	getrlimit(RLIMIT_DATA, &before);
	run_one(&o);
	getrlimit(RLIMIT_DATA, &after);
	assert_int_equal(page->data_max, 256u << 20);
	assert_int_equal(page->cpu_max, 100);
	assert_int_equal(page->files_max, 33);
	if (o.limits.nice <= 19)
		assert_int_equal(page->nice, o.limits.nice);
	assert_int_equal(page->malloc_failed, 1);
	assert_int_equal(before.rlim_cur, after.rlim_cur);
}

static void a_limit_that_cannot_be_set_keeps_the_pool_from_opening(void **state)
{
	struct plx_workers_options o = { .hooks = { .handle = look_around },
					 .limits = { .cgroup = "/nonexistent/group" } };
	struct plx_workers *w;

	(void)state;
	assert_int_equal(plx_workers_open(&w, &o), -ECHILD);
}

/* A directory plays the cgroup: what is written where is what counts. */
static void a_cgroup_is_entered_with_its_limits_set_first(void **state)
{
	char *directory = make_directory(), path[4096], text[64] = "";
	static const char *const files[] = { "memory.max", "cpu.max", "cgroup.procs" };
	static const char *const expected[] = { "1048576", "25000 100000", "0" };
	struct plx_workers_options o = {
		.hooks = { .handle = look_around },
		.limits = { .cgroup = directory, .cgroup_memory_max = 1u << 20, .cgroup_cpu_percent = 25 }
	};

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	run_one(&o);
	for (int i = 0; i < 3; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		fd = open(path, O_RDONLY);
		memset(text, 0, sizeof(text));
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		assert_string_equal(text, expected[i]);
	}
	drop_directory(directory);
}

/* ---- places ----------------------------------------------------------------------------------------- */

static void placed_workers_run_on_one_processor(void **state)
{
	struct plx_workers_options o = { .hooks = { .handle = look_around } };

	(void)state;
	run_one(&o);
	assert_true((uint32_t)page->cpus >= plx_place_count());
	o.placement = PLX_PLACE_SPREAD;
	run_one(&o);
	assert_int_equal(page->cpus, 1);
	o.placement = PLX_PLACE_TOGETHER;
	run_one(&o);
	assert_int_equal(page->cpus, 1);
}

static int reply(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)arg;
	__atomic_store_n((uint32_t *)&page->term, *(const uint32_t *)m->data, __ATOMIC_SEQ_CST);
	plx_futex_wake((uint32_t *)&page->term, 1);
	return 0;
}

static int processors_of(int32_t pid)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(pid, sizeof(set), &set), 0);
	return CPU_COUNT(&set);
}

/* A chatty worker comes to our processor; when it is busy it may go again. */
static void a_worker_is_placed_by_how_it_sleeps(void **state)
{
	struct plx_workers_options o = { .hooks = { .handle = reply },
					 .placement = PLX_PLACE_AUTO,
					 .workers = 1 };
	uint64_t end = plx_now_ns() + FOREVER;
	struct plx_workers *w;
	struct plx_sender *s;
	int32_t pid;

	(void)state;
	if (plx_place_count() < 2)
		skip();
	assert_int_equal(plx_workers_open(&w, &o), 0);
	assert_int_equal(plx_sender_open(&s, w), 0);
	plx_workers_state(w, 0, &pid);
	assert_true(processors_of(pid) > 1);
	for (uint32_t i = 1; processors_of(pid) > 1; i++) {
		assert_true(plx_now_ns() < end);
		assert_int_equal(plx_sender_send(s, 1, 1, &i, 4, FOREVER), 0);
		while (__atomic_load_n((uint32_t *)&page->term, __ATOMIC_SEQ_CST) != i)
			assert_true(plx_futex_wait((uint32_t *)&page->term, i - 1, MS) != -EINTR);
		sleep_ms(1);
		assert_true(plx_workers_step(w, 0) >= 0);
	}
	for (uint32_t i = 1; processors_of(pid) == 1; i++) {
		assert_true(plx_now_ns() < end);
		assert_int_equal(plx_sender_send(s, 1, 1, &i, 4, FOREVER), 0);
		assert_true(plx_workers_step(w, 0) >= 0);
	}
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static void a_worker_does_not_end_because_the_service_manager_says_so_to_all(void **state)
{
	struct plx_workers_options o = { .hooks = { .handle = reply }, .workers = 1 };
	struct plx_workers_stats stats;
	struct plx_workers *w;
	struct plx_sender *s;
	uint32_t one = 1;
	int32_t pid;

	(void)state;
	assert_int_equal(plx_workers_open(&w, &o), 0);
	assert_int_equal(plx_sender_open(&s, w), 0);
	plx_workers_state(w, 0, &pid);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(plx_sender_send(s, 1, 1, &one, 4, FOREVER), 0);
	assert_int_equal(plx_workers_drain(w, FOREVER), 0);
	assert_int_equal(plx_workers_stats(w, 0, &stats), 0);
	assert_int_equal(stats.restarts, 0);
	plx_sender_close(s);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_page, drop_page)
	const struct CMUnitTest tests[] = {
		TEST(a_worker_without_a_sandbox_may_do_all_that_we_may),
		TEST(each_right_is_given_up_alone),
		TEST(all_of_them_together_leave_a_worker_that_works),
		TEST(limits_hold_in_the_worker_and_not_in_us),
		TEST(a_limit_that_cannot_be_set_keeps_the_pool_from_opening),
		TEST(a_cgroup_is_entered_with_its_limits_set_first),
		TEST(placed_workers_run_on_one_processor),
		TEST(a_worker_is_placed_by_how_it_sleeps),
		TEST(a_worker_does_not_end_because_the_service_manager_says_so_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

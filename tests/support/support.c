/* support.c - what several test programs need. */
#include "tests/support/support.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

int count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the descriptor of the directory itself */
}

int count_maps(const char *needle)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024];
	int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, needle) != NULL;
	fclose(maps);
	return n;
}

/* In a child: without cmocka's handlers, which would go on with the next test. */
static void leave_cmocka(unsigned int seconds)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };

	for (size_t i = 0; i < COUNT_OF(signals); i++)
		signal(signals[i], SIG_DFL);
	alarm(seconds);
}

int run_in_child(int (*run)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		leave_cmocka(120);
		status = run(arg);
		fflush(NULL);
		_exit(status);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

pid_t child_at_work(void (*work)(void *arg), void *arg)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		leave_cmocka(120);
		close(ready[0]);
		work(arg);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void child_stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

char *make_directory(void)
{
	const char *parent = getenv("TMPDIR");
	char *path;

	assert_true(asprintf(&path, "%s/plx-test.XXXXXX", parent ? parent : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void drop_directory(char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

uint64_t as_busy(uint64_t ns)
{
	unsigned long processors = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN), want;
	FILE *file = fopen("/proc/loadavg", "re");
	int nice = getpriority(PRIO_PROCESS, 0);
	unsigned int runnable = 0;
	double load = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lf %*f %*f %u", &load, &runnable), 2);
	fclose(file);
	want = load > runnable ? (unsigned long)load : runnable;
	if (nice > 0) /* the share of each of the others is so much larger, about */
		want *= 1 + (unsigned long)nice;
	return ns * (1 + want / processors);
}

void sleep_ms(unsigned int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

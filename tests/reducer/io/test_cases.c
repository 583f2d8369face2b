/*
 * test_cases.c - programs with known results under the I/O loop: the same answers, the same output, the same number of interactions as
 * HVM2's, with one to three workers. Skipped where the programs are not. Timeout: 100
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/reducer/io/program.h"
#include "tests/reducer/support/cases.h"

#define MOST UINT64_C(200000) /* interactions of a program that is run here */

/* Runs in a folder; what it writes comes back, and then its normal form. */
static char *run(const char *program, uint32_t workers, const char *directory, uint64_t *interactions)
{
	char *out = calloc(1, 1 << 16), *normal;
	int pipes[2], status;
	size_t used = 0;
	uint64_t count = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct io_outcome o;

		alarm(60);
		if (chdir(directory) != 0)
			_exit(9);
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(pipes[1], 1);
		o = io_outcome(workers, false, NULL, program);
		if (o.ret != 0 || o.result.status != NET_DONE)
			_exit(1);
		count = o.result.interactions + o.stats.interactions;
		dprintf(1, "Result: %s", o.text);
		if (write(pipes[1], &count, sizeof(count)) != sizeof(count))
			_exit(2);
		_exit(0);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], out + used, (1 << 16) - 1 - used)) > 0)
		used += (size_t)n;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(used > sizeof(count));
	used -= sizeof(count);
	memcpy(interactions, out + used, sizeof(count));
	out[used] = '\0';
	normal = strstr(out, "Result:");
	assert_non_null(normal);
	normal = result_normal(normal);
	memcpy(strstr(out, "Result:"), normal, strlen(normal) + 1);
	free(normal);
	return out;
}

/* The answer of a file of answers, made comparable; what is written before it stays. */
static char *known(const char *text)
{
	const char *result = strstr(text, "Result:");
	char *out, *normal;

	if (!result)
		return NULL;
	normal = result_normal(result);
	assert_true(asprintf(&out, "%.*s%s", (int)(result - text), text, normal) > 0);
	free(normal);
	return out;
}

/* What it wrote before is not in the files. */
static bool ends(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void bend_programs_give_what_hvm2_gives_and_count_what_it_counts(void **state)
{
	char *table = cases_file("bend/table.tsv", &(size_t){ 0 }), *line, *next, path[300];
	char *directory;
	int ran = 0;

	(void)state;
	if (!table)
		skip();
	directory = make_directory();
	for (line = strchr(table, '\n') + 1; line && *line; line = next) {
		char name[128], encoding[32], *program, *answer, *plain, *wanted, *wanted_plain;
		unsigned long long count, count_io;

		next = strchr(line, '\n');
		next = next ? next + 1 : NULL;
		if (sscanf(line, "%127s %31s %llu %llu", name, encoding, &count, &count_io) != 4 ||
		    count_io > MOST)
			continue;
		snprintf(path, sizeof(path), "bend/hvm/%s.%s.hvm", name, encoding);
		program = cases_file(path, &(size_t){ 0 });
		snprintf(path, sizeof(path), "bend/expected/%s.%s.runc.txt", name, encoding);
		answer = cases_file(path, &(size_t){ 0 });
		/* its runtime in C writes floats with seven digits; the other one, without I/O, as we do */
		snprintf(path, sizeof(path), "bend/expected/%s.%s.run.txt", name, encoding);
		plain = cases_file(path, &(size_t){ 0 });
		if (!program || !answer || !plain)
			continue;
		wanted = known(answer);
		wanted_plain = known(plain);
		for (uint32_t workers = 1; workers <= 2 && wanted && wanted_plain; workers++) {
			uint64_t did;
			char *out = run(program, workers, directory, &did);

			if (!ends(out, wanted) && !ends(out, wanted_plain))
				fail_msg("%s %s with %u workers: %s instead of %s", name, encoding, workers,
					 out, wanted);
			if (did != count_io)
				fail_msg("%s %s with %u workers: %llu interactions instead of %llu", name,
					 encoding, workers, (unsigned long long)did, count_io);
			free(out);
			ran++;
		}
		free(program);
		free(answer);
		free(plain);
		free(wanted);
		free(wanted_plain);
	}
	assert_true(ran > 200);
	free(table);
	drop_directory(directory);
}

static void hvm2s_programs_that_do_io_say_what_they_say_there(void **state)
{
	static const char *const names[] = { "programs/io/basic", "programs/io/open1", "programs/io/open3",
					     "programs/io/invalid-name", "examples/demo_io/main" };
	static const char *const snaps[] = { "run__io_file@io__basic", "run__io_file@io__open1",
					     "run__io_file@io__open3", "run__io_file@io__invalid-name",
					     "run__io_file@demo_io__main" };
	char *licence = cases_file("hvm2/LICENSE-Apache-2.0", &(size_t){ 0 }), *directory;
	char path[300];
	FILE *file;

	(void)state;
	if (!licence)
		skip();
	directory = make_directory();
	snprintf(path, sizeof(path), "%s/LICENSE", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(licence, file);
	fclose(file);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *program, *snap, *wanted;

		snprintf(path, sizeof(path), "hvm2/%s.hvm", names[i]);
		program = cases_file(path, &(size_t){ 0 });
		snprintf(path, sizeof(path), "hvm2/snapshots/%s.hvm.snap", snaps[i]);
		snap = cases_file(path, &(size_t){ 0 });
		assert_non_null(program);
		assert_non_null(snap);
		wanted = strstr(snap + 4, "\n---\n"); /* the first is the file's first line */
		assert_non_null(wanted);
		wanted = known(wanted + 5);
		for (uint32_t workers = 1; workers <= 3; workers++) {
			uint64_t did;
			char *out = run(program, workers, directory, &did);

			assert_string_equal(out, wanted);
			free(out);
		}
		free(wanted);
		free(program);
		free(snap);
	}
	free(licence);
	drop_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bend_programs_give_what_hvm2_gives_and_count_what_it_counts),
		cmocka_unit_test(hvm2s_programs_that_do_io_say_what_they_say_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

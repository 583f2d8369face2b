/* test_shmctl.c - list and inspect, run on publishers, subscribers and segments that live while they look. */
#include "tests/tools/shmctl/support/look.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- list, inspect ---- */

/* By these two, and by nobody else but who just looks at all there is: others test on this machine too. */
static void held_by(json *topic, pid_t writer, pid_t reader)
{
	json *holders = field(topic, "holders");
	int writers = 0, readers = 0;

	for (size_t i = 0; i < json_object_array_length(holders); i++) {
		json *holder = json_object_array_get_idx(holders, i);
		pid_t pid = (pid_t)number(holder, "pid");
		bool writes = json_object_get_boolean(field(holder, "writes"));

		if (pid == writer && writes)
			writers++;
		else if (pid == reader && !writes)
			readers++;
		else
			assert_false(writes);
	}
	assert_int_equal(writers, 1);
	assert_int_equal(readers, 1);
}

static void list_shows_topics_with_their_readers(void **state)
{
	pid_t reader = open_scene();
	json *object, *topic, *link, *process;
	char line[100];

	(void)state;
	assert_int_equal(shmctl("list"), 0);
	says(topic_name);
	says("running, 6 messages, 1 subscriber, 94 of 100 slots free");
	says("reliable, lag 2");
	snprintf(line, sizeof(line), "%d reader", (int)reader);
	says(line);
	assert_null(strchr(answer, '\033')); /* no terminal, no colours */

	assert_int_equal(shmctl("list --json"), 0);
	object = parsed();
	assert_string_equal(text(object, "command"), "list");
	assert_string_equal(text(object, "shmctl"), PLX_VERSION_STRING);
	topic = segment(object, "topic");
	assert_string_equal(text(topic, "name"), topic_name);
	assert_int_equal(number(field(topic, "creator"), "pid"), getpid());
	assert_true(json_object_get_boolean(field(field(topic, "creator"), "alive")));
	held_by(topic, getpid(), reader);
	assert_null(field(topic, "error"));
	assert_int_equal(number(topic, "resident"), number(topic, "size"));
	assert_true(number(topic, "age_ns") < UINT64_C(60000000000));
	assert_int_equal(number(field(topic, "topic"), "head"), 6);
	assert_string_equal(text(field(topic, "topic"), "state"), "running");
	assert_int_equal(number(field(field(topic, "topic"), "slots"), "total"), 100);
	link = segment(object, "link");
	assert_string_equal(text(field(link, "link"), "publisher_id"), text(topic, "id"));
	assert_int_equal(number(field(link, "link"), "pid"), reader);
	assert_string_equal(text(field(link, "link"), "comm"), "reader");
	assert_int_equal(number(field(link, "link"), "lag"), 2);
	assert_int_equal(number(field(link, "link"), "pins"), 2);
	assert_true(json_object_get_boolean(field(field(link, "link"), "connected")));
	snprintf(line, sizeof(line), "%d", (int)reader);
	process = pick(object, "processes", "pid", line, 0);
	assert_string_equal(text(process, "comm"), "reader");
	assert_memory_equal(text(process, "does"), "reads shmctl-test", 17);
	assert_int_equal(json_object_array_length(field(object, "sockets")), 1);
	json_object_put(object);

	assert_int_equal(shmctl("list --processes"), 0);
	says("publishes shmctl-test");
	says("reads shmctl-test");
	close_scene(reader);
	/* who else looks around on this machine may hold it a moment longer */
	for (int tries = 0; tries < 100; tries++) {
		assert_int_equal(shmctl("list"), 0);
		if (!strstr(answer, topic_name))
			return;
		sleep_ms(20);
	}
	fail_msg("still there:\n%s", answer);
}

static void inspect_shows_slots_as_a_picture(void **state)
{
	pid_t reader = open_scene();
	struct plx_loan loan;
	json *object, *topic, *slots;
	char command[100];

	(void)state;
	assert_int_equal(plx_publisher_loan(publisher, &loan), 0);
	assert_int_equal(shmctl("inspect @"), 0);
	says(topic_name);
	says("6 published (600 B)");
	says("\n       0 WWWWWWL...");
	says("reliable");
	says("2 of 16");

	assert_int_equal(shmctl("inspect @ -j"), 0);
	object = parsed();
	topic = field(segment(object, "topic"), "topic");
	slots = field(topic, "slots");
	assert_int_equal(strlen(text(slots, "map")), 100);
	assert_int_equal(number(slots, "free") + number(slots, "loaned") + number(slots, "window") +
				 number(slots, "pinned") + number(slots, "returns"),
			 100);
	assert_int_equal(number(slots, "loaned"), 1);
	(void)segment(object, "topic");
	assert_string_equal(text(field(segment(object, "link"), "link"), "pinned"), "[ [ 0, 1 ] ]");
	json_object_put(object);

	/* twenty messages later what the reader keeps has left the log */
	plx_publisher_drop(publisher, &loan);
	publish(10);
	snprintf(command, sizeof(command), "inspect %d", (int)reader);
	assert_int_equal(shmctl(command), 0);
	says(topic_name);
	snprintf(command, sizeof(command), "inspect /proc/%d/fd/%d", (int)getpid(), 99999);
	assert_int_equal(shmctl(command), 3);
	close_scene(reader);
}

static void a_terminal_that_is_narrow_gets_narrow_pictures(void **state)
{
	pid_t reader = open_scene();

	(void)state;
	setenv("COLUMNS", "20", 1);
	assert_int_equal(shmctl("inspect @"), 0);
	says("\n       0 WWWWWW..\n       8 ........\n");
	unsetenv("COLUMNS");
	close_scene(reader);
}

static void any_table_is_shown_by_its_labels(void **state)
{
	const struct plx_column columns[] = { { "pid", PLX_COLUMN_PID, NULL },
					      { "redexes", PLX_COLUMN_GAUGE, NULL },
					      { "memory", PLX_COLUMN_BYTES, NULL },
					      { "state", PLX_COLUMN_STATE, "busy|idle|parked" } };
	const struct plx_block blocks[] = { { "workers", plx_table_size(2, 4), 0 } };
	struct plx_segment seg;
	struct plx_table table;
	uint64_t size;
	void *block;
	json *object, *shown, *row;
	char line[60];

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "net:sum", plx_segment_need(blocks, 1), 0), 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NET, 1, topic_name, blocks, 1), 0);
	block = plx_segment_block(&seg, "workers", &size);
	assert_int_equal(plx_table_init(&table, block, size, "worker", columns, 4, 2), 0);
	plx_table_set(&table, 0, 0, (uint64_t)getpid());
	plx_table_set(&table, 0, 1, 123456);
	plx_table_set(&table, 0, 2, 1 << 20);
	plx_table_set(&table, 1, 3, 2);

	assert_int_equal(shmctl("list"), 0);
	says(topic_name);
	says("2 workers");
	assert_int_equal(shmctl("inspect @"), 0);
	snprintf(line, sizeof(line), "net %s", topic_name);
	says(line);
	says("redexes");
	says("123456");
	says("1.0 MiB");
	says("parked");
	assert_int_equal(shmctl("inspect @ --json"), 0);
	object = parsed();
	shown = pick(pick(object, "segments", "kind", "net", 0), "tables", "block", "workers", 0);
	assert_string_equal(text(shown, "title"), "worker");
	assert_string_equal(text(pick(shown, "columns", "name", "state", 0), "states"), "busy|idle|parked");
	row = json_object_array_get_idx(field(shown, "rows"), 0);
	assert_int_equal(json_object_get_uint64(json_object_array_get_idx(row, 1)), 123456);
	json_object_put(object);
	plx_segment_close(&seg);
}

static int handle_nothing(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)w;
	(void)m;
	(void)arg;
	return 0;
}

/* Inboxes of more than 32 MiB, and two workers of eight. */
static void a_large_pool_is_sound_and_its_workers_are_counted(void **state)
{
	struct plx_workers_options o = {
		.hooks = { .handle = handle_nothing }, .workers = 2, .most = 8, .size = 300
	};
	struct plx_workers *w;
	char words[64], name[16];
	const char *line;

	(void)state;
	snprintf(name, sizeof(name), "pool-%d", (int)getpid());
	o.name = name;
	assert_int_equal(plx_workers_open(&w, &o), 0);
	assert_int_equal(shmctl("list"), 0);
	line = strstr(answer, name);
	assert_non_null(line);
	assert_non_null(strstr(line, "2 workers"));
	assert_true(strstr(line, "2 workers") < strchr(line, '\n'));
	snprintf(words, sizeof(words), "check %s", name);
	assert_int_equal(shmctl(words), 0);
	says("1 sound, 0 broken");
	assert_int_equal(plx_workers_stop(w, UINT64_MAX), 0);
}

static void who_is_in_the_middle_of_an_element_is_named(void **state)
{
	static const struct plx_channel_shape shape = { .kind = PLX_CHANNEL_MPMC, .size = 8 };
	struct plx_mpmc_sender tx;
	struct plx_segment seg;
	char words[128], said[64];
	uint64_t position;
	json *object;
	void *at;

	(void)state;
	snprintf(words, sizeof(words), "plx:ring:%s", topic_name);
	assert_int_equal(plx_channel_create(&seg, "memfd", words, 0, &shape, &at), 0);
	assert_int_equal(plx_mpmc_sender_open(&tx, at, plx_channel_bytes(&shape), 1), 0);
	snprintf(words, sizeof(words), "inspect plx:ring:%s", topic_name);
	assert_int_equal(shmctl(words), 0);
	assert_null(strstr(answer, "in hand"));
	assert_non_null(plx_mpmc_reserve(&tx, &position));
	assert_int_equal(shmctl(words), 0);
	snprintf(said, sizeof(said), "process %d has an element", (int)getpid());
	says(said);
	snprintf(words, sizeof(words), "inspect --json plx:ring:%s", topic_name);
	assert_int_equal(shmctl(words), 0);
	object = parsed();
	assert_int_equal(
		json_object_get_int(field(
			json_object_array_get_idx(
				field(json_object_array_get_idx(field(object, "segments"), 0), "channels"),
				0),
			"holder")),
		getpid());
	json_object_put(object);
	plx_mpmc_commit(&tx, position);
	plx_mpmc_sender_leave(&tx);
	plx_segment_close(&seg);
}

static void a_channel_is_shown_and_checked(void **state)
{
	static const struct plx_channel_shape shape = {
		.kind = PLX_CHANNEL_MPSC, .size = 24, .count = 50, .senders = 3
	};
	struct plx_spsc_sender tx;
	static struct plx_mpsc_receiver rx;
	struct plx_segment seg;
	char words[128], element[24] = "";
	json *object, *segments, *channels, *channel;
	void *at;

	(void)state;
	snprintf(words, sizeof(words), "plx:channel:%s", topic_name);
	assert_int_equal(plx_channel_create(&seg, "memfd", words, 0, &shape, &at), 0);
	assert_int_equal(plx_mpsc_sender_open(&tx, at, plx_channel_bytes(&shape), 1), 0);
	assert_int_equal(plx_mpsc_receiver_open(&rx, at, plx_channel_bytes(&shape)), 0);
	for (int i = 0; i < 7; i++)
		assert_true(plx_spsc_try_send(&tx, element));
	assert_true(plx_mpsc_try_recv(&rx, element));
	snprintf(words, sizeof(words), "inspect plx:channel:%s", topic_name);
	assert_int_equal(shmctl(words), 0);
	says("mpsc, elements of 24 bytes, at least 50 of them in each lane");
	says("1 of 3 senders, 1 of 1 receivers");
	says("7 sent, 1 received, 6 waiting");
	snprintf(words, sizeof(words), "inspect --json plx:channel:%s", topic_name);
	assert_int_equal(shmctl(words), 0);
	object = parsed();
	assert_true(json_object_object_get_ex(object, "segments", &segments));
	assert_true(json_object_object_get_ex(json_object_array_get_idx(segments, 0), "channels", &channels));
	assert_int_equal(json_object_array_length(channels), 1);
	channel = json_object_array_get_idx(channels, 0);
	assert_true(json_object_object_get_ex(channel, "sent", &channels));
	assert_int_equal(json_object_get_int(channels), 7);
	json_object_put(object);
	snprintf(words, sizeof(words), "check plx:channel:%s", topic_name);
	assert_int_equal(shmctl(words), 0);
	says("channel");
	/* a lane in which more was taken than was sent */
	*(uint64_t *)(void *)((unsigned char *)at + 512 + 4 * 128 + 64) = 99;
	assert_int_equal(shmctl(words), 1);
	says("more was taken than was sent");
	plx_segment_close(&seg);
}

static void watching_looks_again_and_again(void **state)
{
	char command[300], *line = NULL;
	size_t size = 0;
	FILE *pipe;
	int status;

	(void)state;
	open_publisher(NULL);
	snprintf(command, sizeof(command), "exec timeout 30 %s/shmctl list -w 0.05 --json", getenv("BIN"));
	pipe = popen(command, "r");
	assert_non_null(pipe);
	for (int looks = 0; looks < 3; looks++) {
		json *object;

		assert_true(getline(&line, &size, pipe) > 0);
		object = json_tokener_parse(line); /* one line each */
		assert_non_null(object);
		assert_string_equal(text(segment(object, "topic"), "name"), topic_name);
		json_object_put(object);
	}
	free(line);
	status = pclose(pipe); /* nobody listens any more: that ends it, and nothing else did */
	assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	plx_publisher_close(publisher);
}

/* ---- the terminal, the clock ---- */

/* Run shmctl list with stdout on @out; returns what it cost: user and system time in microseconds. */
static long run_on(int out, const char *no_color)
{
	char path[300];
	struct rusage usage;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/shmctl", getenv("BIN"));
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("TERM", "xterm", 1);
		if (no_color)
			setenv("NO_COLOR", no_color, 1);
		dup2(out, STDOUT_FILENO);
		execl(path, "shmctl", "list", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	assert_int_equal(status, 0);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_usec;
}

static void colours_are_for_terminals(void **state)
{
	char seen[65536];
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	ssize_t n;

	(void)state;
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
		skip();
		return;
	}
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	run_on(slave, NULL);
	n = read(master, seen, sizeof(seen) - 1);
	assert_true(n > 0);
	seen[n] = '\0';
	assert_non_null(strstr(seen, "\033["));
	run_on(slave, "1");
	n = read(master, seen, sizeof(seen) - 1);
	assert_true(n > 0);
	seen[n] = '\0';
	assert_null(strchr(seen, '\033'));
	close(slave);
	close(master);
}

/* Processes on this machine. */
static long count_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	long n = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc)))
		n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	closedir(proc);
	return n;
}

static void two_hundred_processes_take_a_few_milliseconds(void **state)
{
	enum { PROCESSES = 200 };
	static pid_t pids[PROCESSES];
	struct plx_segment seg;
	long best = LONG_MAX, processes;
	int null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "crowd", 65536, PLX_SEGMENT_INHERIT), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	for (int i = 0; i < 5; i++) {
		long cost = run_on(null, NULL);

		best = cost < best ? cost : best;
	}
	processes = count_processes();
	for (int i = 0; i < PROCESSES; i++)
		child_stop(pids[i]);
	print_message("note: shmctl list among %ld processes: %ld us of CPU\n", processes, best);
#ifndef PLX_SAN
	assert_true(best < 200 * processes);
#endif
	close(null);
	plx_segment_close(&seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_shows_topics_with_their_readers),
		cmocka_unit_test(inspect_shows_slots_as_a_picture),
		cmocka_unit_test(a_terminal_that_is_narrow_gets_narrow_pictures),
		cmocka_unit_test(any_table_is_shown_by_its_labels),
		cmocka_unit_test(a_channel_is_shown_and_checked),
		cmocka_unit_test(a_large_pool_is_sound_and_its_workers_are_counted),
		cmocka_unit_test(who_is_in_the_middle_of_an_element_is_named),
		cmocka_unit_test(watching_looks_again_and_again),
		cmocka_unit_test(colours_are_for_terminals),
		cmocka_unit_test(two_hundred_processes_take_a_few_milliseconds),
	};

	return cmocka_run_group_tests(tests, look_setup, look_teardown);
}

/* test_shmctl_hostile.c - segments that change, lie or vanish while shmctl looks lead to an answer, never to a crash. */
#include "tests/tools/shmctl/support/look.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* What it prints must be JSON, or anything at all with code 3. Returns the exit code. */
static int ask(const char *arguments)
{
	char command[300];
	int code;

	snprintf(command, sizeof(command), "%s --json 2>/dev/null", arguments);
	code = shmctl(command);
	assert_in_range(code, 0, 3);
	if (code != 3)
		json_object_put(parsed());
	return code;
}

/* A child that never ends by itself. */
static pid_t start(void (*run)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		run();
		_exit(1);
	}
	return pid;
}

/* A publisher whose every word flickers. */
static void flicker(void)
{
	struct plx_publisher_options opt = { .slot_size = 64, .depth = 8, .slots = 20 };
	struct plx_publisher *pub;
	struct plx_found_list list;
	uint64_t *words = NULL, sound[256], random = 88172645463325252u;

	if (plx_publisher_open(&pub, topic_name, &opt) != 0 || plx_publisher_send(pub, "x", 1) != 0 ||
	    plx_inspect_find(&list, getpid()) != 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].info.kind == PLX_KIND_TOPIC)
			words = (uint64_t *)(uintptr_t)list.items[i]
					.holders[0]
					.map[0]; /* it is our own map */
	}
	if (!words)
		return;
	memcpy(sound, words, sizeof(sound));
	for (uint64_t i = 0;; i++) {
		uint64_t at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		at = random >> 32 & (i % 4 ? 127 : 255);
		__atomic_store_n(&words[at], i % 3 ? random : UINT64_MAX >> (random & 63), __ATOMIC_RELAXED);
		if (i % 8)
			__atomic_store_n(&words[at], sound[at], __ATOMIC_RELAXED);
		else if (i % 32 == 0)
			memcpy(words, sound, sizeof(sound));
	}
}

/* Segments and publishers that come and go as fast as they can. */
static void come_and_go(void)
{
	struct plx_publisher_options opt = { .slot_size = 64, .depth = 8, .slots = 20 };

	for (;;) {
		struct plx_publisher *pub;
		struct plx_segment seg;

		if (plx_publisher_open(&pub, topic_name, &opt) == 0)
			plx_publisher_close(pub);
		if (plx_segment_create(&seg, "memfd", "fleeting", 8192, 0) == 0)
			plx_segment_close(&seg);
	}
}

static void ask_everything(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		assert_int_equal(ask("list"), 0);
		ask("inspect @");
		ask("check @");
	}
}

static void a_flickering_segment_gets_an_answer(void **state)
{
	pid_t hostile = start(flicker);

	(void)state;
	ask_everything(LONG_LOOP(20));
	child_stop(hostile);
}

static void segments_that_come_and_go_get_an_answer(void **state)
{
	pid_t hostile[2] = { start(come_and_go), start(come_and_go) };

	(void)state;
	ask_everything(LONG_LOOP(20));
	for (int i = 0; i < LONG_LOOP(20); i++)
		assert_int_equal(ask("reap --dry-run"), 0);
	child_stop(hostile[0]);
	child_stop(hostile[1]);
	assert_int_equal(ask("reap"), 0); /* they had no time to tidy up */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flickering_segment_gets_an_answer),
		cmocka_unit_test(segments_that_come_and_go_get_an_answer),
	};

	return cmocka_run_group_tests(tests, look_setup, look_teardown);
}

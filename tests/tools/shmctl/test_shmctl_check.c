/* test_shmctl_check.c - check and reap: what is sound, what lies, what the dead leave. */
#include "tests/tools/shmctl/support/look.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* ---- check ---- */

static void what_is_sound_is_said_to_be(void **state)
{
	pid_t reader = open_scene();
	json *object;

	(void)state;
	assert_int_equal(shmctl("check @"), 0);
	says("2 sound, 0 broken, 0 skipped");
	assert_int_equal(shmctl("check @ --json"), 0);
	object = parsed();
	assert_int_equal(number(object, "sound"), 2);
	assert_string_equal(text(segment(object, "link"), "verdict"), "ok");
	json_object_put(object);
	assert_int_equal(shmctl("check no/such/topic"), 3);
	says("no/such/topic: no live topic or segment of that name");
	assert_int_equal(shmctl("check 999999999"), 3);
	assert_int_equal(shmctl("check /nowhere"), 3);
	close_scene(reader);
}

/* Find the map of a link of ours: it is read-only, so write through the descriptor of whoever may. */
static void scribble(pid_t reader, uint64_t off, uint64_t value)
{
	struct plx_found_list list;
	char path[100];
	int fd = -1;

	assert_int_equal(plx_inspect_find(&list, reader), 0);
	for (size_t i = 0; i < list.count && fd < 0; i++) {
		if (list.items[i].info.kind != PLX_KIND_LINK)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)reader, (int)list.items[i].holders[0].fd);
		fd = open(path, O_RDWR);
	}
	plx_inspect_free(&list);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &value, 8, (off_t)off), 8);
	close(fd);
}

#define LINK_CURSOR                                                                                          \
	(512 + 64) /* bytes from the segment's start: header, then the second line of struct plx_link */
#define LINK_PINS (512 + 256) /* the block behind it */

static void a_link_that_lies_is_found(void **state)
{
	pid_t reader = open_scene();
	json *object;

	(void)state;
	kill(reader, SIGSTOP); /* what we write is what it says */
	scribble(reader, LINK_CURSOR, 1000);
	assert_int_equal(shmctl("check @"), 1);
	says("BROKEN");
	says("link: the cursor is ahead of the topic's head");
	scribble(reader, LINK_CURSOR, 4);
	assert_int_equal(shmctl("check @"), 0);

	scribble(reader, LINK_PINS, 0x1003); /* 0 and 1 it does keep; 12 is free */
	assert_int_equal(shmctl("check @ --json"), 1);
	object = parsed();
	assert_int_equal(number(object, "broken"), 1);
	assert_string_equal(text(pick(object, "segments", "verdict", "broken", 0), "why"),
			    "link: it pins slots that its publisher counts as free: 12");
	json_object_put(object);
	close_scene(reader);
}

static void damage_is_found_and_named(void **state)
{
	const struct plx_block blocks[] = { { "part", 1000, 0 } };
	char name[60];
	struct plx_segment seg;
	uint32_t *header;

	(void)state;
	snprintf(name, sizeof(name), "plx:user:%s", topic_name);
	assert_int_equal(plx_segment_create(&seg, "memfd", name, 8192, 0), 0);
	assert_int_equal(shmctl("check user:@"), 0);
	says("no header yet: it is being made");
	says("0 sound, 0 broken, 1 skipped");
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, topic_name, blocks, 1), 0);
	assert_int_equal(shmctl("check @"), 0);
	header = seg.base;
	header[11] = 13; /* blocks */
	assert_int_equal(shmctl("check user:@"), 1);
	says("BROKEN");
	says("more blocks than a directory holds");
	assert_int_equal(shmctl("inspect user:@"), 0);
	says("the header is damaged");
	assert_int_equal(shmctl("list --json"), 0);
	json_object_put(parsed());
	plx_segment_close(&seg);
}

static void names_cannot_command_the_terminal(void **state)
{
	struct plx_segment seg;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:user:evil", 8192, 0), 0);
	prctl(PR_SET_NAME, "\033[2J\"\\\xff");
	assert_int_equal(shmctl("list"), 0);
	assert_null(strchr(answer, '\033'));
	assert_int_equal(shmctl("list --json"), 0);
	json_object_put(parsed());
	assert_int_equal(shmctl("list --processes"), 0);
	says("?[2J");
	prctl(PR_SET_NAME, "test_shmctl");
	plx_segment_close(&seg);
}

/* ---- what the dead leave ---- */

static void a_dead_publisher_is_shown_and_its_socket_reaped(void **state)
{
	pid_t dead = child_at_work(open_publisher, NULL);
	char line[200];
	json *object;

	(void)state;
	assert_int_equal(shmctl("reap -n"), 0);
	says("0 dead, 1 alive");
	child_stop(dead);
	assert_int_equal(shmctl("list"), 0);
	says("1 dead socket in ");
	assert_int_equal(shmctl("reap --dry-run --json"), 0);
	object = parsed();
	assert_int_equal(number(object, "dead"), 1);
	assert_string_equal(text(pick(object, "sockets", "topic", topic_name, 0), "fate"), "dead");
	json_object_put(object);
	assert_int_equal(shmctl("reap"), 0);
	snprintf(line, sizeof(line), "its publisher, process %d, is dead", (int)dead);
	says("removed shmctl-test");
	says(line);
	says("1 removed, 0 alive, 0 failed, 1 empty directories removed");
	assert_int_equal(shmctl("reap"), 0);
	says("0 removed, 0 alive");
	assert_int_equal(shmctl("reap --json"), 0);
	json_object_put(parsed());
}

static void memory_of_the_dead_is_shown_with_who_keeps_it(void **state)
{
	pid_t reader;
	json *object;

	(void)state;
	/* a publisher in a child, a reader in another: kill the publisher */
	pid_t dead = child_at_work(open_publisher, NULL);

	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		struct plx_subscriber *sub;
		struct plx_buffer buffer;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		if (plx_subscriber_open(&sub, topic_name, NULL) != 0 ||
		    plx_subscriber_take(sub, &buffer) != 0)
			_exit(1);
		for (;;) /* connects, and then never looks again */
			if (plx_subscriber_wait(sub, 200000000) == -ETIMEDOUT)
				pause();
	}
	for (int i = 0; i < 200; i++) {
		assert_int_equal(shmctl("inspect @"), 0);
		if (strstr(answer, "1 of at most"))
			break;
		sleep_ms(20);
	}
	says("1 of at most");
	sleep_ms(300); /* it is at rest */
	child_stop(dead);
	assert_int_equal(shmctl("list"), 0);
	says("died, 0 messages");
	says("not connected");
	assert_int_equal(shmctl("check @"), 0);
	assert_int_equal(shmctl("reap --json"), 0);
	object = parsed();
	assert_int_equal(number(pick(object, "orphans", "name", topic_name, 0), "holder"), reader);
	json_object_put(object);
	child_stop(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sound_is_said_to_be),
		cmocka_unit_test(a_link_that_lies_is_found),
		cmocka_unit_test(damage_is_found_and_named),
		cmocka_unit_test(names_cannot_command_the_terminal),
		cmocka_unit_test(a_dead_publisher_is_shown_and_its_socket_reaped),
		cmocka_unit_test(memory_of_the_dead_is_shown_with_who_keeps_it),
	};

	return cmocka_run_group_tests(tests, look_setup, look_teardown);
}

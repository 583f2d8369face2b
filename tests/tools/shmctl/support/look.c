/* look.c - runs shmctl, reads what it says, and gives it something to look at. */
#include "tests/tools/shmctl/support/look.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

char topic_name[40];
char *answer;

int look_setup(void **state)
{
	(void)state;
	snprintf(topic_name, sizeof(topic_name), "shmctl-test/%d", (int)getpid());
	if (getenv("BIN"))
		return 0;
	fprintf(stderr, "BIN is not set: run this with make test\n");
	return -1;
}

int look_teardown(void **state)
{
	(void)state;
	free(answer);
	return 0;
}

/* ---- running it ---- */

int shmctl(const char *arguments)
{
	const char *bin = getenv("BIN"), *at = strchr(arguments, '@');
	char command[700], part[4096];
	size_t n, size;
	FILE *pipe, *out;
	int status;

	snprintf(command, sizeof(command), "%s/shmctl %.*s%s%s 2>&1", bin,
		 (int)(at ? at - arguments : (long)strlen(arguments)), arguments, at ? topic_name : "",
		 at ? at + 1 : "");
	free(answer);
	out = open_memstream(&answer, &size);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((n = fread(part, 1, sizeof(part), pipe)) > 0)
		fwrite(part, 1, n, out);
	fclose(out);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
void says(const char *text)
{
	if (!strstr(answer, text))
		fail_msg("no '%s' in:\n%s", text, answer);
}

json *parsed(void)
{
	enum json_tokener_error error;
	json *object = json_tokener_parse_verbose(answer, &error);

	if (!object)
		fail_msg("%s: %s", json_tokener_error_desc(error), answer);
	return object;
}

json *field(json *object, const char *key)
{
	json *value = NULL;

	if (!json_object_object_get_ex(object, key, &value))
		fail_msg("no '%s' in %s", key, json_object_to_json_string(object));
	return value;
}

uint64_t number(json *object, const char *key)
{
	return json_object_get_uint64(field(object, key));
}

const char *text(json *object, const char *key)
{
	return json_object_get_string(field(object, key));
}

json *pick(json *object, const char *list, const char *key, const char *value, int index)
{
	json *array = field(object, list);

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		json *element = json_object_array_get_idx(array, i);

		if (strcmp(text(element, key), value) == 0 && index-- == 0)
			return element;
	}
	fail_msg("no %s with %s %s in %s", list, key, value, json_object_to_json_string(object));
	return NULL;
}

json *segment(json *object, const char *kind)
{
	json *array = field(object, "segments");

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		json *element = json_object_array_get_idx(array, i);

		if (strcmp(text(element, "kind"), kind) == 0 &&
		    strcmp(text(element, "name"), topic_name) == 0)
			return element;
	}
	fail_msg("no %s of %s in %s", kind, topic_name, json_object_to_json_string(object));
	return NULL;
}
/* ---- something to look at ---- */

struct plx_publisher *publisher;

void open_publisher(void *unused)
{
	struct plx_publisher_options opt = { .slot_size = 256, .depth = 16, .slots = 100 };

	(void)unused;
	assert_int_equal(plx_publisher_open(&publisher, topic_name, &opt), 0);
}

void publish(int count)
{
	for (int i = 0; i < count; i++) {
		struct plx_loan loan;

		assert_int_equal(plx_publisher_loan(publisher, &loan), 0);
		assert_int_equal(plx_publisher_publish(publisher, &loan, 100), 0);
	}
}

static void take(struct plx_subscriber *sub, struct plx_buffer *buffer)
{
	while (plx_subscriber_take(sub, buffer) != 1) {
		if (plx_subscriber_wait(sub, UINT64_C(100000000)) == -EINVAL)
			_exit(1);
	}
}

/* Keeps the first two messages, reads two more. */
static void subscribe(void)
{
	static struct plx_buffer kept[2], read_on;
	struct plx_subscriber *sub;

	prctl(PR_SET_NAME, "reader");
	if (plx_subscriber_open(&sub, topic_name, NULL) != 0)
		_exit(1);
	for (int i = 0; i < 2; i++)
		take(sub, &kept[i]);
	for (int i = 0; i < 2; i++) {
		take(sub, &read_on);
		plx_buffer_release(&read_on);
	}
	plx_subscriber_flush(sub);
}

pid_t open_scene(void)
{
	pid_t reader;
	int ready[2];

	open_publisher(NULL);
	/* child_at_work() returns when the child has read, and it reads when we have published: so publish between */
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		subscribe();
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(plx_publisher_wait_subscribers(publisher, 1, UINT64_C(10000000000)), 0);
	publish(6);
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return reader;
}

void close_scene(pid_t reader)
{
	child_stop(reader);
	plx_publisher_close(publisher);
}

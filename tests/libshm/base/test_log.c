/* test_log.c - a line of the log is one write, says who, and cannot be forged; errors have words. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <plx/log.h>

#include "tests/support/support.h"

/* What @level and @text put on stderr. */
static char *logged(enum plx_level level, const char *text)
{
	static char buf[8192];
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_DIRECT | O_NONBLOCK), 0); /* a packet for each write */
	dup2(pipes[1], STDERR_FILENO);
	plx_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	n = read(pipes[0], buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	assert_int_equal(read(pipes[0], buf + n + 1, 1), -1); /* nothing in a second write */
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
	return buf;
}

static void a_line_says_who_and_what(void **state)
{
	(void)state;
	plx_log_open("prog", PLX_LOG_NOTICE);
	assert_string_equal(logged(PLX_LOG_ERROR, "open: no such file: give another"),
			    "prog: open: no such file: give another\n");
}

static void a_level_below_the_chosen_one_is_silent_and_the_environment_overrides(void **state)
{
	(void)state;
	plx_log_open("prog", PLX_LOG_NOTICE);
	assert_string_equal(logged(PLX_LOG_DEBUG, "x"), "");
	assert_string_equal(logged(PLX_LOG_NOTICE, "x"), "prog: x\n");
	setenv("PLX_LOG", "Debug", 1);
	plx_log_open("prog", PLX_LOG_ERROR);
	assert_string_equal(logged(PLX_LOG_DEBUG, "x"), "prog: x\n");
	setenv("PLX_LOG", "error", 1);
	plx_log_open("prog", PLX_LOG_DEBUG);
	assert_string_equal(logged(PLX_LOG_WARNING, "x"), "");
	setenv("PLX_LOG", "nonsense", 1);
	plx_log_open("prog", PLX_LOG_WARNING);
	assert_string_equal(logged(PLX_LOG_WARNING, "x"), "prog: x\n");
	unsetenv("PLX_LOG");
}

static void what_a_peer_sent_cannot_fake_a_line_or_drive_the_terminal(void **state)
{
	(void)state;
	plx_log_open("prog", PLX_LOG_NOTICE);
	assert_string_equal(logged(PLX_LOG_NOTICE, "a\nprog: b\r\033[2Jc\td\x7f"),
			    "prog: a?prog: b??[2Jc\td?\n");
}

static void a_long_line_is_cut_and_says_so(void **state)
{
	char text[5000];
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	line = logged(PLX_LOG_ERROR, text);
	assert_int_equal(strlen(line), 1024);
	assert_string_equal(line + 1020, "...\n");
}

static void logging_leaves_errno_alone(void **state)
{
	(void)state;
	errno = ENOTTY;
	logged(PLX_LOG_DEBUG, "x");
	errno = ENOTTY;
	plx_log(PLX_LOG_DEBUG, "x");
	assert_int_equal(errno, ENOTTY);
}

static void an_error_has_words_whichever_its_sign(void **state)
{
	(void)state;
	assert_string_equal(plx_strerror(-EPIPE), plx_strerror(EPIPE));
	assert_string_equal(plx_strerror(EPIPE), "the other side is gone");
	assert_string_equal(plx_strerror(-ENOENT), "No such file or directory");
	assert_string_equal(plx_strerror(987654), "unknown error");
	assert_string_equal(plx_strerror(INT32_MIN), "unknown error");
	assert_string_equal(plx_version(), PLX_VERSION_STRING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_who_and_what),
		cmocka_unit_test(a_level_below_the_chosen_one_is_silent_and_the_environment_overrides),
		cmocka_unit_test(what_a_peer_sent_cannot_fake_a_line_or_drive_the_terminal),
		cmocka_unit_test(a_long_line_is_cut_and_says_so),
		cmocka_unit_test(logging_leaves_errno_alone),
		cmocka_unit_test(an_error_has_words_whichever_its_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

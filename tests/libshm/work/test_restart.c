/* test_restart.c - what is done about a death: played with a clock of our own. */
#include <plx/supervise.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support/support.h"

#define MS     1000000ull
#define SECOND 1000000000ull

static const struct plx_exit fine = { .code = 0 }, failed = { .code = 1 },
			     killed = { .code = -1, .signal = SIGKILL };
static uint64_t wait_ns;

static enum plx_verdict die(struct plx_restart *r, struct plx_restart_group *g,
			    const struct plx_restart_policy *p, const struct plx_exit *how, uint64_t progress,
			    uint64_t now_ns)
{
	return plx_restart_decide(r, g, p, PLX_RESTART_ALWAYS, how, progress, now_ns, &wait_ns);
}

static void who_is_started_again_follows_when_and_how(void **state)
{
	static const struct {
		enum plx_restart_when when;
		const struct plx_exit *how;
		enum plx_verdict verdict;
	} cases[] = {
		{ PLX_RESTART_ALWAYS, &fine, PLX_VERDICT_RESTART },
		{ PLX_RESTART_ALWAYS, &failed, PLX_VERDICT_RESTART },
		{ PLX_RESTART_ALWAYS, &killed, PLX_VERDICT_RESTART },
		{ PLX_RESTART_ON_FAILURE, &fine, PLX_VERDICT_ENDED },
		{ PLX_RESTART_ON_FAILURE, &failed, PLX_VERDICT_RESTART },
		{ PLX_RESTART_ON_FAILURE, &killed, PLX_VERDICT_RESTART },
		{ PLX_RESTART_NEVER, &failed, PLX_VERDICT_ENDED },
		{ PLX_RESTART_NEVER, &killed, PLX_VERDICT_ENDED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct plx_restart r = { 0 };
		struct plx_restart_group g = { .count = 0 };

		assert_int_equal(
			plx_restart_decide(&r, &g, NULL, cases[i].when, cases[i].how, 0, SECOND, &wait_ns),
			cases[i].verdict);
		assert_int_equal(wait_ns, 0);
	}
}

static void an_exit_code_that_says_hopeless_is_believed(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		struct plx_restart r = { 0 };
		struct plx_restart_group g = { .count = 0 };
		struct plx_exit how = { .code = code };

		assert_int_equal(die(&r, &g, NULL, &how, 0, SECOND),
				 code >= 64 && code <= 78 ? PLX_VERDICT_QUARANTINE : PLX_VERDICT_RESTART);
	}
}

static void the_wait_doubles_up_to_its_bound_and_is_not_the_same_for_all(void **state)
{
	struct plx_restart_policy p = {
		.intensity = UINT32_MAX, .poison = UINT32_MAX, .first_ns = 8 * MS, .longest_ns = 100 * MS
	};
	static const uint64_t middle[] = { 0, 8, 16, 32, 64, 100, 100, 100 };
	bool differ = false;

	(void)state;
	for (uint64_t start = 0; start < 50; start++) {
		struct plx_restart r = { 0 };
		struct plx_restart_group g = { .count = 0 };

		for (size_t i = 0; i < COUNT_OF(middle); i++) {
			assert_int_equal(die(&r, &g, &p, &killed, 7, SECOND + start + i),
					 PLX_VERDICT_RESTART);
			assert_true(wait_ns >= middle[i] * MS * 3 / 4 && wait_ns <= middle[i] * MS * 5 / 4);
			differ = differ || wait_ns != middle[i] * MS;
		}
		assert_int_equal(r.restarts, COUNT_OF(middle));
	}
	assert_true(differ);
}

static void progress_and_time_make_a_row_end(void **state)
{
	struct plx_restart_policy p = { .intensity = UINT32_MAX, .period_ns = SECOND };
	struct plx_restart_group g = { .count = 0 };
	struct plx_restart r = { 0 }, slow = { 0 }, idle = { 0 };

	(void)state;
	for (uint64_t i = 1; i < 100; i++) { /* each time a little further */
		assert_int_equal(die(&r, &g, &p, &killed, i, i), PLX_VERDICT_RESTART);
		assert_int_equal(wait_ns, 0);
	}
	for (uint64_t i = 1; i < 100; i++) /* no progress to show, but it lives for a period */
		assert_int_equal(die(&slow, &g, &p, &killed, 0, i * SECOND), PLX_VERDICT_RESTART);
	for (uint64_t i = 1; i < 100; i++) /* nothing to do, killed every minute */
		assert_int_equal(die(&idle, &g, &p, &killed, 5, i * 60 * SECOND), PLX_VERDICT_RESTART);
}

static void dying_three_times_of_the_same_is_quarantine(void **state)
{
	struct plx_restart_policy p = { .intensity = UINT32_MAX };
	struct plx_restart_group g = { .count = 0 };
	struct plx_restart r = { 0 }, slow = { 0 };

	(void)state;
	die(&r, &g, &p, &killed, 41, 1);
	assert_int_equal(die(&r, &g, &p, &killed, 42, 2), PLX_VERDICT_RESTART);
	assert_int_equal(die(&r, &g, &p, &killed, 42, 3), PLX_VERDICT_RESTART);
	assert_int_equal(die(&r, &g, &p, &killed, 42, 4), PLX_VERDICT_QUARANTINE);
	/* a message that takes ten seconds to kill */
	assert_int_equal(die(&slow, &g, &p, &killed, 42, 10 * SECOND), PLX_VERDICT_RESTART);
	assert_int_equal(die(&slow, &g, &p, &killed, 42, 20 * SECOND), PLX_VERDICT_RESTART);
	assert_int_equal(die(&slow, &g, &p, &killed, 42, 30 * SECOND), PLX_VERDICT_QUARANTINE);
}

static void too_many_restarts_in_a_period_are_the_end_of_all(void **state)
{
	(void)state;
	for (uint32_t intensity = 1; intensity <= PLX_RESTART_INTENSITY_MAX; intensity += 51) {
		struct plx_restart_policy p = { .intensity = intensity,
						.poison = UINT32_MAX,
						.period_ns = SECOND };
		struct plx_restart_group g = { .count = 0 };
		struct plx_restart r[2] = { { 0 }, { 0 } };

		/* of all children together */
		for (uint64_t i = 0; i < intensity; i++)
			assert_int_equal(die(&r[i % 2], &g, &p, &killed, i, SECOND + i), PLX_VERDICT_RESTART);
		assert_int_equal(die(&r[0], &g, &p, &killed, 9999, SECOND + intensity), PLX_VERDICT_GIVE_UP);
		/* when the period is over there is room for one again, and then for the next */
		assert_int_equal(die(&r[0], &g, &p, &killed, 10000, 2 * SECOND), PLX_VERDICT_RESTART);
		if (intensity > 1)
			assert_int_equal(die(&r[1], &g, &p, &killed, 10001, 2 * SECOND), PLX_VERDICT_GIVE_UP);
		assert_int_equal(die(&r[1], &g, &p, &killed, 10002, 4 * SECOND), PLX_VERDICT_RESTART);
	}
}

/* ---- the service manager ---- */

static void the_service_manager_is_told_by_datagram(void **state)
{
	char *directory = make_directory(), text[64] = "";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(plx_notify("READY=1"), 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/n", directory);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	assert_int_equal(plx_notify("READY=1"), -ENOENT);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(plx_notify("READY=1"), 1);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_string_equal(text, "READY=1");
	close(fd);

	fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* a name without a file */
	addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "plx-test-%d", (int)getpid());
	assert_int_equal(
		bind(fd, (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(addr.sun_path + 1))),
		0);
	addr.sun_path[0] = '@';
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	assert_int_equal(plx_notify("STOPPING=1"), 1);
	close(fd);
	setenv("NOTIFY_SOCKET", "nonsense", 1);
	assert_int_equal(plx_notify("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
	drop_directory(directory);
}

static void the_watchdog_is_ours_or_nobodys(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(plx_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "2500000", 1);
	assert_int_equal(plx_watchdog_ns(), 2500 * MS);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(plx_watchdog_ns(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(plx_watchdog_ns(), 2500 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_started_again_follows_when_and_how),
		cmocka_unit_test(an_exit_code_that_says_hopeless_is_believed),
		cmocka_unit_test(the_wait_doubles_up_to_its_bound_and_is_not_the_same_for_all),
		cmocka_unit_test(progress_and_time_make_a_row_end),
		cmocka_unit_test(dying_three_times_of_the_same_is_quarantine),
		cmocka_unit_test(too_many_restarts_in_a_period_are_the_end_of_all),
		cmocka_unit_test(the_service_manager_is_told_by_datagram),
		cmocka_unit_test(the_watchdog_is_ours_or_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

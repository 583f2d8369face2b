/* test_supervisor_doors.c - what the kernel refuses a supervisor leaves nothing behind, and nobody. */
#include <plx/supervise.h>

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/support/support.h"

static int live(void *arg)
{
	(void)arg;
	alarm(60);
	while (pause() < 0)
		;
	return 0;
}

static int no_children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static void every_door_may_be_shut(void **state)
{
	int fds = count_open_fds();

	(void)state;
	for (int n = 0; n < 100; n++) {
		struct plx_child child = { .run = live };
		struct plx_supervisor *s = NULL;
		uint32_t number;
		int ret;

		plx_fault_at = n;
		plx_fault_seen = 0;
		ret = plx_supervisor_open(&s, NULL);
		if (ret == 0)
			ret = plx_supervisor_start(s, &child, &number);
		plx_fault_at = -1;
		if (ret < 0) {
			plx_supervisor_close(s);
			assert_true(no_children_left());
			assert_int_equal(count_open_fds(), fds);
			continue;
		}
		plx_supervisor_close(s);
		assert_true(n > 3);
		assert_int_equal(count_open_fds(), fds);
		return;
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_door_may_be_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

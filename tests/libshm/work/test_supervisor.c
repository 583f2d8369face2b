/* test_supervisor.c - children die in all ways; who is to run runs again, and nobody else. */
#include <plx/supervise.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "tests/support/support.h"

#define MS     1000000ull
#define SECOND 1000000000ull

/* What children and supervisor of a test share. */
static struct page {
	uint32_t starts[8];
	uint32_t repairs[8];
	uint64_t progress[8];
	uint32_t go;
	uint32_t fds[8];
} * page;

struct role {
	uint32_t me;
	uint32_t fail; /* the first so many lives end with @code */
	int code;
	bool deaf; /* to SIGTERM */
};

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

static int live(void *arg)
{
	const struct role *role = arg;
	uint32_t life = __atomic_add_fetch(&page->starts[role->me], 1, __ATOMIC_SEQ_CST);

	page->fds[role->me] = (uint32_t)count_open_fds();
	if (role->deaf)
		signal(SIGTERM, SIG_IGN);
	if (life <= role->fail)
		return role->code;
	alarm(60);
	while (pause() < 0)
		;
	return 0;
}

static void repair(void *arg, uint32_t child, const struct plx_exit *how)
{
	(void)arg;
	(void)how;
	page->repairs[child]++;
}

static uint64_t progress(void *arg, uint32_t child)
{
	(void)arg;
	return page->progress[child];
}

static const struct plx_restart_policy patient = { .intensity = UINT32_MAX, .first_ns = MS };

static struct plx_supervisor *open_with(uint32_t strategy, const struct plx_restart_policy *policy)
{
	struct plx_supervisor_options o = {
		.strategy = strategy, .policy = *policy, .repair = repair, .progress = progress
	};
	struct plx_supervisor *s;

	assert_int_equal(plx_supervisor_open(&s, &o), 0);
	return s;
}

static void start(struct plx_supervisor *s, struct role *role, uint32_t when)
{
	struct plx_child child = { .name = "child", .run = live, .arg = role, .when = when };
	uint32_t number;

	assert_int_equal(plx_supervisor_start(s, &child, &number), 0);
	assert_int_equal(number, role->me);
}

static struct plx_child_info info_of(struct plx_supervisor *s, uint32_t number)
{
	struct plx_child_info info;

	assert_int_equal(plx_supervisor_child(s, number, &info), 0);
	return info;
}

static void expect(struct plx_supervisor *s, uint32_t what, uint32_t child)
{
	struct plx_supervise_event event;

	assert_int_equal(plx_supervisor_next(s, &event, 20 * SECOND), 1);
	assert_int_equal(event.what, what);
	assert_int_equal(event.child, child);
}

static void wait_until(const uint32_t *word, uint32_t value)
{
	uint64_t end = plx_now_ns() + 20 * SECOND;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) {
		assert_true(plx_now_ns() < end);
		sleep_ms(1);
	}
}

static void nothing_happens(struct plx_supervisor *s, uint64_t for_ns)
{
	struct plx_supervise_event event;

	assert_int_equal(plx_supervisor_next(s, &event, for_ns), 0);
}

static int no_children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

/* ---- one for one ---- */

static void a_killed_child_is_started_again_and_its_neighbours_are_not(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role roles[3] = { { .me = 0 }, { .me = 1 }, { .me = 2 } };
	int fds = count_open_fds();
	int32_t pid;

	(void)state;
	for (int i = 0; i < 3; i++)
		start(s, &roles[i], PLX_RESTART_ALWAYS);
	nothing_happens(s, 0);
	for (int i = 0; i < 3; i++)
		wait_until(&page->starts[i], 1);
	pid = info_of(s, 1).pid;
	kill(pid, SIGKILL);
	expect(s, PLX_SUPERVISE_DIED, 1);
	assert_int_equal(page->repairs[1], 1);
	expect(s, PLX_SUPERVISE_RESTARTED, 1);
	wait_until(&page->starts[1], 2);
	nothing_happens(s, 5 * MS);
	assert_int_not_equal(info_of(s, 1).pid, pid);
	assert_int_equal(info_of(s, 1).state, PLX_CHILD_RUNNING);
	assert_int_equal(info_of(s, 1).restarts, 1);
	assert_int_equal(info_of(s, 1).how.signal, SIGKILL);
	wait_until(&page->starts[0], 1);
	wait_until(&page->starts[2], 1);
	plx_supervisor_close(s);
	assert_true(no_children_left());
	assert_int_equal(count_open_fds(), fds - 2);
}

static void children_have_nothing_of_the_supervisors(void **state)
{
	int fds = count_open_fds();
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role roles[3] = { { .me = 0 }, { .me = 1 }, { .me = 2 } };

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		start(s, &roles[i], PLX_RESTART_ALWAYS);
		wait_until(&page->starts[i], 1);
		sleep_ms(5);
		assert_int_equal(page->fds[i], fds);
	}
	plx_supervisor_close(s);
}

static void a_descriptor_says_that_there_is_something_to_do(void **state)
{
	struct plx_restart_policy slow = { .intensity = UINT32_MAX, .first_ns = 30 * MS, .poison = 9 };
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &slow);
	struct role role = { .me = 0 };
	struct pollfd fd = { .fd = plx_supervisor_fd(s), .events = POLLIN };

	(void)state;
	start(s, &role, PLX_RESTART_ALWAYS);
	assert_int_equal(poll(&fd, 1, 10), 0);
	kill(info_of(s, 0).pid, SIGKILL);
	assert_int_equal(poll(&fd, 1, 20000), 1);
	expect(s, PLX_SUPERVISE_DIED, 0);
	expect(s, PLX_SUPERVISE_RESTARTED, 0);
	assert_int_equal(poll(&fd, 1, 10), 0);
	kill(info_of(s, 0).pid, SIGKILL); /* the second in a row: it waits */
	assert_int_equal(poll(&fd, 1, 20000), 1);
	expect(s, PLX_SUPERVISE_DIED, 0);
	assert_int_equal(info_of(s, 0).state, PLX_CHILD_WAITING);
	nothing_happens(s, 0);
	assert_int_equal(poll(&fd, 1, 20000), 1); /* the timer */
	expect(s, PLX_SUPERVISE_RESTARTED, 0);
	assert_int_equal(poll(&fd, 1, 10), 0);
	plx_supervisor_close(s);
}

static void who_ends_as_it_should_is_not_started_again(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role roles[3] = { { .me = 0, .fail = 9, .code = 0 },
				 { .me = 1, .fail = 1, .code = 3 },
				 { .me = 2, .fail = 9, .code = 78 } };

	(void)state;
	start(s, &roles[0], PLX_RESTART_ON_FAILURE);
	expect(s, PLX_SUPERVISE_ENDED, 0);
	start(s, &roles[1], PLX_RESTART_ON_FAILURE);
	expect(s, PLX_SUPERVISE_DIED, 1);
	expect(s, PLX_SUPERVISE_RESTARTED, 1);
	start(s, &roles[2], PLX_RESTART_ON_FAILURE);
	expect(s, PLX_SUPERVISE_QUARANTINE, 2);
	nothing_happens(s, 20 * MS);
	assert_int_equal(info_of(s, 0).state, PLX_CHILD_ENDED);
	assert_int_equal(info_of(s, 1).state, PLX_CHILD_RUNNING);
	assert_int_equal(info_of(s, 2).state, PLX_CHILD_QUARANTINE);
	assert_int_equal(info_of(s, 2).how.code, 78);
	assert_int_equal(info_of(s, 2).pid, 0);
	assert_int_equal(plx_supervisor_forget(s, 1), -EBUSY);
	assert_int_equal(plx_supervisor_forget(s, 0), 0);
	assert_int_equal(plx_supervisor_forget(s, 0), -ENOENT);
	start(s, &roles[0], PLX_RESTART_NEVER); /* the lowest number that is free */
	expect(s, PLX_SUPERVISE_ENDED, 0);
	plx_supervisor_close(s);
}

static void a_child_that_dies_at_the_same_point_is_quarantined_and_others_live_on(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role roles[2] = { { .me = 0, .fail = 99, .code = 1 }, { .me = 1 } };

	(void)state;
	page->progress[0] = 17;
	start(s, &roles[0], PLX_RESTART_ALWAYS);
	start(s, &roles[1], PLX_RESTART_ALWAYS);
	for (int i = 0; i < 2; i++) {
		expect(s, PLX_SUPERVISE_DIED, 0);
		expect(s, PLX_SUPERVISE_RESTARTED, 0);
	}
	expect(s, PLX_SUPERVISE_QUARANTINE, 0);
	nothing_happens(s, 20 * MS);
	assert_int_equal(page->starts[0], 3);
	assert_int_equal(page->repairs[0], 3);
	assert_int_equal(info_of(s, 1).state, PLX_CHILD_RUNNING);
	plx_supervisor_close(s);
}

static enum plx_verdict decide(void *arg, uint32_t child, const struct plx_exit *how, uint64_t *wait_ns)
{
	(void)arg;
	assert_int_equal(*wait_ns, 0);
	assert_int_equal(how->code, 78);
	*wait_ns = child == 0 ? 20 * MS : 0;
	return child == 0 ? PLX_VERDICT_RESTART : PLX_VERDICT_ENDED;
}

static void somebody_else_may_decide(void **state)
{
	struct plx_supervisor_options o = { .decide = decide };
	struct role roles[2] = { { .me = 0, .fail = 1, .code = 78 }, { .me = 1, .fail = 1, .code = 78 } };
	struct plx_supervisor *s;
	uint64_t begin;

	(void)state;
	assert_int_equal(plx_supervisor_open(&s, &o), 0);
	start(s, &roles[0], PLX_RESTART_NEVER);
	expect(s, PLX_SUPERVISE_DIED, 0);
	begin = plx_now_ns();
	expect(s, PLX_SUPERVISE_RESTARTED, 0);
	assert_true(plx_now_ns() - begin > 10 * MS);
	start(s, &roles[1], PLX_RESTART_ALWAYS);
	expect(s, PLX_SUPERVISE_ENDED, 1);
	plx_supervisor_close(s);
}

static void too_many_restarts_end_all_of_them(void **state)
{
	struct plx_restart_policy hasty = { .intensity = 4, .poison = 99, .first_ns = 1, .longest_ns = 1 };
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &hasty);
	struct role roles[2] = { { .me = 0 }, { .me = 1, .fail = 99, .code = 1 } };
	struct plx_child child = { .run = live, .arg = &roles[0] };
	struct plx_supervise_event event;
	uint32_t number;

	(void)state;
	start(s, &roles[0], PLX_RESTART_ALWAYS);
	start(s, &roles[1], PLX_RESTART_ALWAYS);
	for (int i = 0; i < 4; i++) {
		expect(s, PLX_SUPERVISE_DIED, 1);
		expect(s, PLX_SUPERVISE_RESTARTED, 1);
	}
	expect(s, PLX_SUPERVISE_GAVE_UP, 1);
	assert_int_equal(plx_supervisor_next(s, &event, SECOND), -ESHUTDOWN);
	assert_int_equal(plx_supervisor_start(s, &child, &number), -ESHUTDOWN);
	assert_int_equal(info_of(s, 0).pid, 0);
	assert_true(no_children_left());
	plx_supervisor_close(s);
}

/* ---- together ---- */

/* Three children, the middle one is killed: those of @die die with it, the last one first, and start in the order they had at first. */
static void killed_together(uint32_t strategy, const uint32_t *die, uint32_t n)
{
	struct plx_supervisor *s = open_with(strategy, &patient);
	struct role roles[3] = { { .me = 0 }, { .me = 1 }, { .me = 2 } };
	uint32_t lives[3] = { 1, 1, 1 };

	for (uint32_t i = 0; i < 3; i++) {
		start(s, &roles[i], PLX_RESTART_ALWAYS);
		wait_until(&page->starts[i], 1);
	}
	kill(info_of(s, 1).pid, SIGKILL);
	for (uint32_t i = 0; i < n; i++) {
		expect(s, PLX_SUPERVISE_DIED, die[i]);
		lives[die[i]] = 2;
	}
	for (uint32_t i = 0; i < 3; i++)
		if (lives[i] == 2)
			expect(s, PLX_SUPERVISE_RESTARTED, i);
	for (uint32_t i = 0; i < 3; i++) {
		wait_until(&page->starts[i], lives[i]);
		assert_int_equal(page->repairs[i], lives[i] - 1);
	}
	plx_supervisor_close(s);
}

static void one_for_all_starts_all_of_them_anew(void **state)
{
	(void)state;
	killed_together(PLX_ONE_FOR_ALL, (const uint32_t[]){ 1, 2, 0 }, 3);
}

static void rest_for_one_starts_those_anew_that_came_later(void **state)
{
	(void)state;
	killed_together(PLX_REST_FOR_ONE, (const uint32_t[]){ 1, 2 }, 2);
}

static void who_of_one_for_all_cannot_live_ends_all(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ALL, &patient);
	struct role roles[2] = { { .me = 0 }, { .me = 1, .fail = 9, .code = 70 } };

	(void)state;
	start(s, &roles[0], PLX_RESTART_ALWAYS);
	start(s, &roles[1], PLX_RESTART_ALWAYS);
	expect(s, PLX_SUPERVISE_GAVE_UP, 1);
	assert_true(no_children_left());
	plx_supervisor_close(s);
}

/* ---- stopping ---- */

static void stopping_asks_first_and_then_does_not_ask(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role polite = { .me = 0 }, deaf = { .me = 1, .deaf = true };
	struct plx_exit how;

	(void)state;
	start(s, &polite, PLX_RESTART_ALWAYS);
	start(s, &deaf, PLX_RESTART_ALWAYS);
	wait_until(&page->starts[1], 1);
	sleep_ms(5); /* it is deaf by now */
	assert_int_equal(plx_supervisor_stop(s, 0, 20 * SECOND, &how), 0);
	assert_int_equal(how.signal, SIGTERM);
	assert_int_equal(plx_supervisor_stop(s, 1, 20 * MS, &how), 0);
	assert_int_equal(how.signal, SIGKILL);
	assert_int_equal(plx_supervisor_stop(s, 1, 0, &how), -ENOENT);
	nothing_happens(s, 5 * MS);
	assert_int_equal(page->repairs[0] + page->repairs[1], 2);
	assert_true(no_children_left());
	plx_supervisor_close(s);
}

static void an_expected_end_is_an_end(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role role = { .me = 0 };

	(void)state;
	start(s, &role, PLX_RESTART_ALWAYS);
	assert_int_equal(plx_supervisor_expect(s, 0), 0);
	kill(info_of(s, 0).pid, SIGKILL);
	expect(s, PLX_SUPERVISE_ENDED, 0);
	nothing_happens(s, 5 * MS);
	assert_int_equal(plx_supervisor_expect(s, 3), -ENOENT);
	plx_supervisor_close(s);
	plx_supervisor_close(NULL);
}

/* ---- storms, and doors ---- */

static void a_storm_of_kills_leaves_all_running_and_nobody_behind(void **state)
{
	struct plx_restart_policy storm = {
		.intensity = UINT32_MAX, .poison = UINT32_MAX, .first_ns = 1, .longest_ns = 1
	};
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &storm);
	struct role roles[4] = { { .me = 0 }, { .me = 1 }, { .me = 2 }, { .me = 3 } };
	uint32_t deaths = 0, restarts = 0;
	uint64_t worst = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		start(s, &roles[i], PLX_RESTART_ALWAYS);
	for (uint32_t i = 0; i < LONG_LOOP(400); i++) {
		struct plx_supervise_event event;
		struct plx_child_info info = info_of(s, i * 7 % 4);
		uint64_t begin = plx_now_ns();

		if (info.pid)
			kill(info.pid, SIGKILL);
		while (restarts == i || deaths == i) {
			assert_int_equal(plx_supervisor_next(s, &event, 20 * SECOND), 1);
			deaths += event.what == PLX_SUPERVISE_DIED;
			restarts += event.what == PLX_SUPERVISE_RESTARTED;
		}
		if (plx_now_ns() - begin > worst)
			worst = plx_now_ns() - begin;
	}
	print_message("%u deaths; from kill to restart %.2f ms at worst\n", deaths, (double)worst / 1e6);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(info_of(s, i).state, PLX_CHILD_RUNNING);
	plx_supervisor_close(s);
	assert_true(no_children_left());
}

static void a_child_for_which_there_is_no_process_is_tried_again(void **state)
{
	struct plx_supervisor *s = open_with(PLX_ONE_FOR_ONE, &patient);
	struct role role = { .me = 0 };

	(void)state;
	start(s, &role, PLX_RESTART_ALWAYS);
	wait_until(&page->starts[0], 1);
	kill(info_of(s, 0).pid, SIGKILL);
	plx_fault_door = "fork";
	plx_fault_at = 0;
	plx_fault_seen = 0;
	expect(s, PLX_SUPERVISE_DIED, 0);
	plx_fault_at = -1;
	plx_fault_door = NULL;
	assert_int_equal(info_of(s, 0).state, PLX_CHILD_WAITING);
	expect(s, PLX_SUPERVISE_RESTARTED, 0);
	plx_supervisor_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_page, drop_page)
	const struct CMUnitTest tests[] = {
		TEST(a_killed_child_is_started_again_and_its_neighbours_are_not),
		TEST(children_have_nothing_of_the_supervisors),
		TEST(a_descriptor_says_that_there_is_something_to_do),
		TEST(who_ends_as_it_should_is_not_started_again),
		TEST(a_child_that_dies_at_the_same_point_is_quarantined_and_others_live_on),
		TEST(somebody_else_may_decide),
		TEST(too_many_restarts_end_all_of_them),
		TEST(one_for_all_starts_all_of_them_anew),
		TEST(rest_for_one_starts_those_anew_that_came_later),
		TEST(who_of_one_for_all_cannot_live_ends_all),
		TEST(stopping_asks_first_and_then_does_not_ask),
		TEST(an_expected_end_is_an_end),
		TEST(a_storm_of_kills_leaves_all_running_and_nobody_behind),
		TEST(a_child_for_which_there_is_no_process_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_log.c - a supervisor with --io is killed at whatever instruction of a call: its successor does what is left, no byte
 * twice, or knows that it cannot know. Timeout: 60
 */
#include <string.h>

#include "reducer/io/log.h"
#include "tests/support/step.h"
#include "tests/support/support.h"

#define POINTS 20000
#define PIECE  5u /* bytes that the kernel takes at once */

enum what { WRITE, READ, ORDER, WHATS };

static struct step_count counts[WHATS] = {
	[WRITE] = { .name = "a write" },
	[READ] = { .name = "a read" },
	[ORDER] = { .name = "an order" },
};

/* What outlives the process: its log, the outside, the net. */
struct seen {
	struct io_log log;
	uint64_t moved; /* bytes that went out or came in, of the call at hand */
	uint64_t orders;
};

struct world {
	struct seen *seen;
	enum what what;
	uint64_t length;
	bool aside;
	uint64_t orders; /* before the operation */
};

static void call(void *arg)
{
	struct world *w = arg;
	struct seen *s = w->seen;
	enum io_log_state state;

	if (w->what == ORDER) {
		io_log_order(&s->log, s->orders + 1, w->aside, 7);
		__atomic_store_n(&s->orders, s->orders + 1, __ATOMIC_RELEASE);
		return;
	}
	state = io_log_begin(&s->log, s->orders, w->what == READ ? "READ" : "WRITE", 1, -1, w->length);
	while (state == IO_LOG_NONE && s->moved < w->length) {
		const uint64_t n = w->length - s->moved < PIECE ? w->length - s->moved : PIECE;

		io_log_fly(&s->log);
		__atomic_store_n(&s->moved, s->moved + n, __ATOMIC_RELEASE);
		io_log_land(&s->log, n);
	}
	io_log_end(&s->log, 0);
}

static const char *died(void *arg)
{
	const struct world *w = arg;
	struct seen *s = w->seen;
	struct io_log log = s->log;
	enum io_log_state state;
	char why[256];
	const bool go = io_log_may_go_on(&log, s->orders, why, sizeof(why));

	if (w->what == ORDER)
		return go == !(w->aside && s->orders > w->orders)
			       ? NULL
			       : "what was half read is taken for whole, or the other way round";
	if (!go)
		return s->moved > 0 || log.state == IO_LOG_FLYING ? NULL
								  : "nothing was done, and it cannot go on";
	if (w->what == READ)
		return s->moved == 0 ? NULL : "what was read is lost, and nobody says so";
	state = io_log_begin(&log, s->orders, "WRITE", 1, -1, w->length);
	if (state == IO_LOG_NONE)
		return s->moved == 0 ? NULL : "it would be written again";
	if (state == IO_LOG_DONE)
		return s->moved == w->length ? NULL : "it would not be written to its end";
	return log.done == s->moved ? NULL : "some of it would be written twice, or not at all";
}

static void killed_at_each_instruction(void **state)
{
	struct stepper *s = step_open(sizeof(struct seen), sizeof(struct world));
	struct world *world = step_rest(s);
	const char *wrong;
	uint64_t n = 0;

	(void)state;
	world->seen = step_shared(s);
	while (step_more(counts, WHATS, POINTS)) {
		struct step_op op = { .call = call, .died = died, .arg = world };

		world->what = n % 3 == 2 ? ORDER : (enum what)(n / 3 % 2);
		world->aside = n % 4 == 3;
		world->length = n % 17;
		world->seen->moved = 0;
		if (n % 3 == 1) { /* one call between two orders */
			n++;
			continue;
		}
		if (strcmp(world->seen->log.name, "READ") == 0 &&
		    world->what == ORDER) /* what a read has brought is another story */
			world->seen->log.done = 0;
		world->orders = world->seen->orders;
		wrong = step_run(s, &op, &counts[world->what]);
		if (wrong)
			fail_msg("%s", wrong);
		if (world->what == ORDER && world->aside) { /* and what was half read is whole */
			world->aside = false;
			call(world);
		}
		n++;
	}
	assert_int_equal(step_report("io log", counts, WHATS), 0);
	step_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

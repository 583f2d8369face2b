/*
 * test_log_threads.c - both halves of a log at work at the same time, as threads over one mapping: what
 * ThreadSanitizer can see. The same with processes, which is the truth, is in test_topic.c.
 */
#include "core.h"

#include <pthread.h>
#include <sched.h>

#include <plx/process.h>

#include "tests/support/support.h"
#include "topic/bias.h"

#define MESSAGES LONG_LOOP(200000)
#define HELD     4

/*
 * Where others want the processors as well, each yield may take as long as all of them together. So after @SOME_NS a few
 * laps are enough.
 */
#define SOME_NS UINT64_C(1500000000)
#define LAPS    4

struct role {
	struct core *core;
	pthread_t thread;
	int index;
	int pace;           /* yield so often */
	const char *failed; /* why, when it failed; cmocka works in one thread only */
	uint64_t taken, lost;
};

/* How long something goes on: until it is enough, or has taken long and is a little. */
struct budget {
	uint64_t enough, little, end_ns;
};

static struct budget budget_of(uint64_t enough, uint64_t little)
{
	return (struct budget){ enough, little, plx_now_ns() + SOME_NS };
}

static bool more(const struct budget *budget, uint64_t done)
{
	if (done >= budget->enough)
		return false;
	return done < budget->little || done % 64 || plx_now_ns() < budget->end_ns;
}

static uint64_t roll(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/* Takes everything to the end, holding some of it for a while. */
static void *run_reader(void *arg)
{
	struct role *role = arg;
	struct plx_reader *r = &role->core->readers[role->index].reader;
	struct plx_buffer held[HELD];
	uint64_t seed = (uint64_t)role->index + 1, taken = 0;

	memset(held, 0, sizeof(held));
	for (;;) {
		struct plx_buffer *b = &held[roll(&seed) % HELD];

		if (b->holder && !core_intact(b, b->sequence))
			role->failed = "a held message changed";
		plx_buffer_release(b);
		switch (plx_reader_take(r, b)) {
		case PLX_READER_MESSAGE:
			taken++;
			if (b->sequence + 1 != r->start + taken + r->lost || taken != plx_reader_taken(r))
				role->failed = "a message is missing, or came twice";
			if (!core_intact(b, b->sequence))
				role->failed = "a message is not what was published";
			if (b->slot == PLX_SLOT_NONE || roll(&seed) % 2)
				plx_buffer_release(b);
			break;
		case PLX_READER_NOTHING: sched_yield(); break;
		case PLX_READER_ENDED:
			for (int i = 0; i < HELD; i++)
				plx_buffer_release(&held[i]);
			plx_reader_tell(r);
			role->taken = taken;
			role->lost = r->lost;
			return NULL;
		default: role->failed = "take said something odd"; return NULL;
		}
		if (role->pace && r->next % (uint64_t)role->pace == 0)
			sched_yield();
	}
}

static void end(struct core *core)
{
	__atomic_store_n(&core->head->end_position, core->writer.head->head, __ATOMIC_RELAXED);
	__atomic_store_n(&core->head->attention, PLX_ATTENTION_ENDED, __ATOMIC_RELEASE);
}

static void run(uint32_t depth, uint32_t slots, const enum plx_reading *reading, int readers,
		bool inline_only)
{
	struct role roles[CORE_READERS];
	struct core core;
	uint64_t seed = 42, sent;
	struct budget budget;

	core_open(&core, depth, slots, 256, 0);
	for (int i = 0; i < readers; i++) {
		core_join(&core, i, reading[i], 0, HELD);
		roles[i] = (struct role){ .core = &core, .index = i, .pace = i * 50 };
		assert_int_equal(pthread_create(&roles[i].thread, NULL, run_reader, &roles[i]), 0);
	}
	budget = budget_of(MESSAGES, LAPS * depth);
	for (sent = 0; more(&budget, sent); sent++) {
		uint32_t length = 8 + (uint32_t)roll(&seed) % (inline_only ? PLX_ENTRY_PAYLOAD - 8 : 249);

		while (!core_publish(&core, length))
			sched_yield();
	}
	end(&core);
	for (int i = 0; i < readers; i++) {
		assert_int_equal(pthread_join(roles[i].thread, NULL), 0);
		if (roles[i].failed)
			fail_msg("reader %d: %s", i, roles[i].failed);
		assert_int_equal(roles[i].taken + roles[i].lost, sent);
		if (reading[i] == PLX_READ_RELIABLE)
			assert_int_equal(roles[i].lost, 0);
	}
	core_check(&core);
	core_close(&core);
}

static const enum plx_reading reliable[] = { PLX_READ_RELIABLE, PLX_READ_RELIABLE, PLX_READ_RELIABLE };
static const enum plx_reading lossy[] = { PLX_READ_LOSSY, PLX_READ_LOSSY };
static const enum plx_reading mixed[] = { PLX_READ_LOSSY, PLX_READ_RELIABLE, PLX_READ_LOSSY };

static void three_reliable_readers_of_different_speed_get_everything(void **state)
{
	(void)state;
	run(64, 80, reliable, 3, false);
}

static void small_messages_pass_through_a_tiny_log(void **state)
{
	(void)state;
	run(2, 1, reliable, 1, true);
	run(4, 2, reliable, 2, true);
}

static void few_slots_and_many_holds_do_not_mix_bytes(void **state)
{
	(void)state;
	run(16, 6, reliable, 1, false);
}

static void lossy_readers_see_only_whole_messages_and_count_the_rest(void **state)
{
	(void)state;
	run(16, 24, lossy, 2, false);
	run(8, 16, lossy, 2, true);
}

static void reliable_and_lossy_readers_share_a_log(void **state)
{
	(void)state;
	run(32, 48, mixed, 3, false);
}

/* ---- the biased lock --------------------------------------------------------------------------------- */

struct guarded {
	struct plx_bias bias;
	uint64_t a, b; /* equal, except inside */
	uint64_t claims;
	bool stop;
	const char *failed;
};

static void *claim_now_and_then(void *arg)
{
	struct guarded *g = arg;

	while (!__atomic_load_n(&g->stop, __ATOMIC_RELAXED)) {
		plx_bias_claim(&g->bias);
		if (g->a != g->b)
			g->failed = "the user was inside too";
		g->a++;
		g->b++;
		g->claims++;
		plx_bias_yield(&g->bias);
		sched_yield();
	}
	return NULL;
}

static void exclude_each_other(bool far)
{
	struct guarded g = { .a = 0 };
	pthread_t thread;
	uint64_t own = 0, claims = 0;
	struct budget budget = budget_of(LONG_LOOP(5000000), 1000);

	plx_bias_init(&g.bias);
	g.bias.far = g.bias.far && far;
	assert_int_equal(pthread_create(&thread, NULL, claim_now_and_then, &g), 0);
	while (more(&budget, own) || claims < 5) {
		plx_bias_enter(&g.bias);
		g.a++;
		own++;
		claims = g.claims;
		__asm__ __volatile__("" ::: "memory");
		g.b++;
		plx_bias_leave(&g.bias);
	}
	__atomic_store_n(&g.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(g.failed);
	assert_int_equal(g.a, own + g.claims);
	assert_int_equal(g.b, own + g.claims);
}

static void the_biased_lock_excludes_with_the_kernels_help_and_without(void **state)
{
	(void)state;
	exclude_each_other(true);
	exclude_each_other(false);
}

/* ---- readers that come and go while messages flow ------------------------------------------------------ */

struct door {
	struct core *core;
	struct plx_bias *bias;
	bool stop;
	const char *failed;
	uint32_t visits;
};

/* Joins inside, reads a little or looks in vain a few times, vanishes inside without a word. */
static void *come_and_go(void *arg)
{
	struct door *d = arg;

	while (!__atomic_load_n(&d->stop, __ATOMIC_RELAXED)) {
		struct plx_reader *r = &d->core->readers[1].reader;
		struct plx_buffer b;

		plx_bias_claim(d->bias);
		core_join(d->core, 1, d->visits % 2 ? PLX_READ_LOSSY : PLX_READ_RELIABLE, 8, HELD);
		plx_bias_yield(d->bias);
		for (int i = 0, vain = 0; i < 300 && vain < 20; i++) {
			if (plx_reader_take(r, &b) != PLX_READER_MESSAGE) {
				vain++;
				sched_yield();
			} else if (!core_intact(&b, b.sequence)) {
				d->failed = "a message is not what was published";
			} else if (i % 100) {
				plx_buffer_release(&b);
			}
		}
		plx_bias_claim(d->bias);
		core_part(d->core, 1);
		plx_bias_yield(d->bias);
		__atomic_store_n(&d->visits, d->visits + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void readers_come_and_go_while_messages_flow(void **state)
{
	struct plx_bias bias;
	struct core core;
	struct door door = { .core = &core, .bias = &bias };
	struct role role = { .core = &core };
	pthread_t thread;
	struct budget budget;

	(void)state;
	plx_bias_init(&bias);
	core_open(&core, 32, 64, 256, 8);
	core_join(&core, 0, PLX_READ_RELIABLE, 0, HELD);
	assert_int_equal(pthread_create(&role.thread, NULL, run_reader, &role), 0);
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, &door), 0);
	budget = budget_of(MESSAGES, LAPS * 32);
	for (uint64_t i = 0; more(&budget, i) || __atomic_load_n(&door.visits, __ATOMIC_RELAXED) < 3; i++) {
		bool done = false;

		while (!done) {
			plx_bias_enter(&bias);
			done = core_publish(&core, i % 3 ? 16 : 100);
			plx_bias_leave(&bias);
			if (!done)
				sched_yield();
		}
	}
	__atomic_store_n(&door.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	end(&core);
	assert_int_equal(pthread_join(role.thread, NULL), 0);
	assert_null(door.failed);
	assert_null(role.failed);
	assert_int_equal(role.taken, core.writer.head->head);
	core_check(&core);
	core_close(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_reliable_readers_of_different_speed_get_everything),
		cmocka_unit_test(small_messages_pass_through_a_tiny_log),
		cmocka_unit_test(few_slots_and_many_holds_do_not_mix_bytes),
		cmocka_unit_test(lossy_readers_see_only_whole_messages_and_count_the_rest),
		cmocka_unit_test(reliable_and_lossy_readers_share_a_log),
		cmocka_unit_test(the_biased_lock_excludes_with_the_kernels_help_and_without),
		cmocka_unit_test(readers_come_and_go_while_messages_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

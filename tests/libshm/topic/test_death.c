/* test_death.c - processes that die, lie, or leave at the wrong moment: the others go on. */
#include "pair.h"

#include <dirent.h>

#include "base/sys.h"
#include "topic/publisher_state.h"
#include "topic/subscriber_state.h"
#include "topic/topic_check.h"

/* What the publisher's segment and private books say after whatever happened. */
static void check(struct plx_publisher *pub)
{
	const char *why = NULL;
	struct plx_log_parts parts = {
		.head = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_HEAD, &parts.head_size),
		.log = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_LOG, &parts.log_size),
		.bitmap = plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_BITMAP, &parts.bitmap_size),
	};
	int ret;

	plx_segment_block(&pub->data, PLX_TOPIC_BLOCK_SLOTS, &parts.slots_size);
	plx_publisher_enter(pub);
	ret = plx_writer_check(&pub->writer, &why);
	if (ret == 0)
		ret = plx_log_check(&parts, &why);
	plx_publisher_leave(pub);
	if (ret < 0)
		fail_msg("%s", why);
}

static int files_below(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' || entry->d_name[1] > '9';
	closedir(dir);
	return n;
}

/* ---- subscribers die ---------------------------------------------------------------------------------- */

static int hold_and_wait_for_death(void *arg)
{
	struct plx_subscriber *sub = subscriber(
		(struct plx_subscriber_options){ .reading = *(enum plx_reading *)arg });
	struct plx_buffer b[4];

	for (int i = 0; i < 4; i++)
		CHECK(take(sub, &b[i]) == 1);
	CHECK(plx_subscriber_take(sub, &b[0]) == 0);
	kill(getppid(), SIGUSR1);
	for (;;)
		pause();
}

static void flag(int signal)
{
	(void)signal;
}

static void what_a_killed_subscriber_held_comes_back_at_once(void **state)
{
	enum plx_reading readings[] = { PLX_READ_RELIABLE, PLX_READ_LOSSY };
	sigset_t usr1, old;

	(void)state;
	signal(SIGUSR1, flag);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &old);
	for (size_t i = 0; i < COUNT_OF(readings); i++) {
		struct plx_publisher *pub = publisher((struct plx_publisher_options){
			.slots = 4, .depth = 16, .slot_size = 64, .quota = 4 });
		pid_t kid = start(hold_and_wait_for_death, &readings[i]);
		struct plx_loan loan[4];
		uint64_t before;
		char bytes[64] = { 0 };
		int signal;

		assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
		for (int k = 0; k < 4; k++)
			assert_int_equal(plx_publisher_send(pub, bytes, 64), 0);
		sigwait(&usr1, &signal);
		check(pub);
		assert_int_equal(kill(kid, SIGKILL), 0);
		before = plx_now_ns();
		for (int k = 0; k < 4; k++) /* waits for the death, and no longer */
			assert_int_equal(plx_publisher_loan(pub, &loan[k]), 0);
		assert_true(plx_now_ns() - before < as_busy(SECOND / 5));
		check(pub);
		for (int k = 0; k < 4; k++)
			plx_publisher_drop(pub, &loan[k]);
		assert_int_equal(finish(kid), -SIGKILL);
		check(pub);
		plx_publisher_close(pub);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

#define VICTIMS LONG_LOOP(60)

struct victim {
	uint32_t *gate, number;
	enum plx_reading reading;
};

static int read_until_killed(void *arg)
{
	const struct victim *v = arg;
	struct plx_subscriber *sub;
	struct plx_buffer b[3];
	unsigned int i = 0;

	gate_wait(v->gate, v->number);
	sub = subscriber((struct plx_subscriber_options){ .reading = v->reading });
	memset(b, 0, sizeof(b));
	for (;;) {
		plx_buffer_release(&b[i % 3]);
		if (take(sub, &b[i++ % 3]) != 1)
			return 1;
	}
}

static int read_stream(void *arg)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct stream s = { .seed = 1, .size_max = *(uint64_t *)arg };
	struct plx_buffer b;
	int ret;

	while ((ret = take(sub, &b)) == 1) {
		CHECK(stream_matches(&s, &b));
		plx_buffer_release(&b);
	}
	CHECK(ret == -ESHUTDOWN);
	plx_subscriber_close(sub);
	return 0;
}

static void subscribers_killed_at_random_moments_cost_the_others_nothing(void **state)
{
	struct stream s = { .seed = 1, .size_max = 300 };
	pid_t reader = start(read_stream, &s.size_max), victims[VICTIMS];
	uint32_t *gate = gate_open();
	struct plx_publisher *pub;
	struct plx_publisher_stats stats;

	(void)state;
	for (uint32_t i = 0; i < VICTIMS; i++) {
		struct victim v = { gate, i + 1, i % 2 ? PLX_READ_LOSSY : PLX_READ_RELIABLE };

		victims[i] = start(read_until_killed, &v);
	}
	pub = publisher(
		(struct plx_publisher_options){ .slot_size = 300, .depth = 32, .slots = 20, .quota = 4 });
	assert_int_equal(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND), 0);
	for (uint32_t i = 0; i < VICTIMS; i++) {
		gate_call(gate, i + 1);
		assert_int_equal(plx_publisher_wait_subscribers(pub, 2, 10 * SECOND), 0);
		for (uint64_t end = plx_now_ns() + 1000 * (i * 37 % 1500); plx_now_ns() < end;)
			assert_int_equal(stream_publish(&s, pub), 0);
		kill(victims[i], SIGKILL);
		for (int k = 0; k < 50; k++)
			assert_int_equal(stream_publish(&s, pub), 0);
		assert_int_equal(finish(victims[i]), -SIGKILL);
		check(pub);
		do
			plx_publisher_stats(pub, &stats);
		while (stats.left + stats.lost < i + 1);
	}
	plx_publisher_end(pub, 0);
	assert_int_equal(finish(reader), 0);
	check(pub);
	plx_publisher_close(pub);
	gate_close(gate);
}

/* ---- publishers die ------------------------------------------------------------------------------------------ */

static int publish_until_killed(void *arg)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .slot_size = 64, .depth = 64 });
	uint64_t words[8] = { 0 };

	(void)arg;
	CHECK(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND) == 0);
	for (;; words[0]++)
		CHECK(plx_publisher_send(pub, words, words[0] % 3 ? 8 : 64) == 0);
}

static void readers_of_a_killed_publisher_get_what_it_published_and_then_its_successor(void **state)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_subscriber_stats stats;
	const uint32_t rounds = LONG_LOOP(30);

	(void)state;
	for (uint32_t round = 0; round < rounds; round++) {
		pid_t pid = start(publish_until_killed, NULL);
		uint64_t expect = 0, number;
		struct plx_buffer b;
		int ret;

		while (expect < 100 + round * 50) {
			assert_int_equal(take(sub, &b), 1);
			memcpy(&number, b.data, sizeof(number));
			assert_int_equal(number, expect++);
			plx_buffer_release(&b);
		}
		assert_int_equal(kill(pid, SIGKILL), 0);
		while ((ret = take(sub, &b)) == 1) {
			memcpy(&number, b.data, sizeof(number));
			assert_int_equal(number, expect++);
			plx_buffer_release(&b);
		}
		assert_int_equal(ret, -EPIPE);
		assert_int_equal(plx_subscriber_ended(sub).reason, -EPIPE);
		assert_int_equal(plx_subscriber_ended(sub).pid, pid);
		assert_int_equal(plx_subscriber_ended(sub).messages, expect);
		assert_int_equal(finish(pid), -SIGKILL);
	}
	plx_subscriber_stats(sub, &stats);
	assert_int_equal(stats.died, rounds);
	assert_int_equal(stats.publishers, 0);
	plx_subscriber_close(sub);
}

static void a_death_is_noticed_while_asleep_and_while_polling(void **state)
{
	(void)state;
	for (int polling = 0; polling < 2; polling++) {
		struct plx_subscriber *sub = subscriber(
			(struct plx_subscriber_options){ .polling = polling });
		struct plx_subscriber *other = subscriber(
			(struct plx_subscriber_options){ .polling = polling });
		pid_t pid = start(publish_until_killed, NULL);
		struct plx_publisher *alive = publisher(PLX_PUBLISHER_DEFAULTS);
		struct plx_buffer b;
		uint64_t before;
		int ret;

		/* full soon, because the other one does not read */
		assert_true(connected(sub, 2));
		assert_true(connected(other, 2));
		do
			ret = plx_subscriber_take(sub, &b), plx_buffer_release(&b);
		while (ret == 1);
		kill(pid, SIGKILL);
		before = plx_now_ns();
		while ((ret = take(sub, &b)) == 1)
			plx_buffer_release(&b);
		assert_int_equal(ret, -EPIPE);
		assert_true(plx_now_ns() - before < as_busy(SECOND / 2));
		finish(pid);
		/* by polling alone, with somebody else's messages coming in */
		for (ret = 0; ret >= 0;) {
			assert_int_equal(plx_publisher_send(alive, "x", 1), 0);
			while ((ret = plx_subscriber_take(sub, &b)) == 1)
				plx_buffer_release(&b);
			while ((ret = plx_subscriber_take(other, &b)) == 1)
				plx_buffer_release(&b);
		}
		assert_int_equal(ret, -EPIPE);
		plx_subscriber_close(sub);
		plx_subscriber_close(other);
		plx_publisher_close(alive);
	}
}

static void the_reason_of_an_end_reaches_every_reader(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub[2] = { subscriber(PLX_SUBSCRIBER_DEFAULTS),
					  subscriber((struct plx_subscriber_options){
						  .reading = PLX_READ_LOSSY }) };
	struct plx_buffer b;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true(connected(sub[i], 1));
	assert_int_equal(plx_publisher_send(pub, "x", 1), 0);
	plx_publisher_end(pub, -ECANCELED);
	plx_publisher_close(pub);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(sub[i], &b), 1);
		plx_buffer_release(&b);
		assert_int_equal(take(sub[i], &b), -ECANCELED);
		assert_int_equal(plx_subscriber_ended(sub[i]).reason, -ECANCELED);
		plx_subscriber_close(sub[i]);
	}
}

static int publish_and_die(void *arg)
{
	(void)arg;
	publisher(PLX_PUBLISHER_DEFAULTS);
	kill(getpid(), SIGKILL);
	return 0;
}

static void what_a_dead_publisher_leaves_in_the_directory_is_reaped(void **state)
{
	struct plx_subscriber *sub;
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/test+topic", directory);
	for (int i = 0; i < 3; i++)
		assert_int_equal(finish(start(publish_and_die, NULL)), -SIGKILL);
	assert_int_equal(files_below(path), 3);
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_int_equal(files_below(path), 0);
	plx_subscriber_close(sub);
	assert_int_equal(access(path, F_OK), -1);
}

static int publish_one_and_wait_for_death(void *arg)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);

	(void)arg;
	CHECK(plx_publisher_wait_subscribers(pub, 1, 10 * SECOND) == 0);
	CHECK(plx_publisher_send(pub, "x", 1) == 0);
	for (;;)
		pause();
}

/* Else a publisher that is started again and again would leave more and more of them to a subscriber that stays. */
static void who_heard_a_publisher_die_removes_its_name(void **state)
{
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/test+topic", directory);
	for (int i = 0; i < 3; i++) {
		pid_t kid = start(publish_one_and_wait_for_death, NULL);
		uint64_t end = plx_now_ns() + 10 * SECOND;

		assert_int_equal(take(sub, &b), 1);
		plx_buffer_release(&b);
		assert_int_equal(files_below(path), 1);
		kill(kid, SIGKILL);
		assert_int_equal(finish(kid), -SIGKILL);
		assert_int_equal(take(sub, &b), -EPIPE);
		while (files_below(path) && plx_now_ns() < end)
			(void)!plx_subscriber_wait(sub, SECOND / 100);
		assert_int_equal(files_below(path), 0);
	}
	plx_subscriber_close(sub);
}

/* ---- subscribers that lie ------------------------------------------------------------------------------------- */

static struct plx_connection *connection_of(struct plx_subscriber *sub)
{
	assert_int_equal(sub->reader_count, 1);
	return sub->readers[0];
}

static void a_reader_that_lies_is_let_go_and_the_honest_one_reads_on(void **state)
{
	(void)state;
	for (int lie = 0; lie < 4; lie++) {
		struct plx_publisher *pub = publisher((struct plx_publisher_options){
			.depth = 16, .slots = 24, .quota = 2, .slot_size = 64, .full_ns = SECOND });
		struct plx_subscriber *liar = subscriber((struct plx_subscriber_options){
			.reading = lie == 3 ? PLX_READ_LOSSY : PLX_READ_RELIABLE });
		struct plx_subscriber *honest = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		struct plx_link *link;
		struct plx_reader_end gone;
		struct plx_buffer b;
		unsigned char bytes[64];

		assert_true(connected(liar, 1));
		assert_true(connected(honest, 1));
		link = connection_of(liar)->reader.link;
		for (int i = 0; i < 200; i++) {
			switch (lie) {
			case 0: link->cursor = UINT64_C(1) << 61; break;
			case 1: link->cursor = pub->writer.head->head + 2; break;
			default: /* every slot is mine */
				link->cursor = pub->writer.head->head;
				memset(connection_of(liar)->reader.pins, 0xff, 64);
				break;
			}
			link->bell++;
			link->sleep += i % 2;
			memset(bytes, i, sizeof(bytes));
			assert_int_equal(plx_publisher_send(pub, bytes, i % 2 ? 64 : 8), 0);
			assert_int_equal(take(honest, &b), 1);
			assert_memory_equal(b.data, bytes, b.length);
			plx_buffer_release(&b);
		}
		assert_int_equal(take(liar, &b), -EBADMSG);
		if (lie != 3) {
			assert_true(plx_publisher_gone(pub, &gone));
			assert_int_equal(gone.reason, -EBADMSG);
		}
		plx_subscriber_close(liar);
		check(pub);
		plx_subscriber_close(honest);
		plx_publisher_close(pub);
	}
}

static void a_reader_that_scribbles_over_its_whole_link_harms_nobody(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .depth = 16,
									      .slots = 24,
									      .quota = 2,
									      .slot_size = 64,
									      .full = PLX_FULL_DROP,
									      .full_ns = SECOND / 500 });
	struct plx_subscriber *honest = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	uint64_t seed = 1, n = 0;

	(void)state;
	assert_true(connected(honest, 1));
	for (int round = 0; round < 20; round++) {
		struct plx_subscriber *liar = subscriber(PLX_SUBSCRIBER_DEFAULTS);
		struct plx_segment link;
		struct plx_buffer b;

		assert_true(connected(liar, 1));
		link = connection_of(liar)->link;
		for (int i = 0; i < 500; i++, n++) {
			for (int k = 0; k < 20; k++) { /* also the header */
				seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
				((uint32_t *)link.base)[(seed >> 33) % (link.size / 4)] =
					seed >> 60 ? (uint32_t)(seed >> 20) : (uint32_t)n;
			}
			assert_int_equal(plx_publisher_send(pub, &n, sizeof(n)), 0);
			assert_int_equal(take(honest, &b), 1);
			assert_memory_equal(b.data, &n, sizeof(n));
			plx_buffer_release(&b);
		}
		check(pub);
		plx_subscriber_close(liar);
	}
	plx_subscriber_close(honest);
	plx_publisher_close(pub);
}

/* ---- clients that misbehave on the socket ------------------------------------------------------------------------- */

static int knock(void)
{
	struct plx_place place;
	struct plx_sightings list;
	int fd = -1;

	assert_int_equal(plx_place_open(&place, directory, TOPIC), 0);
	assert_int_equal(plx_place_list(&place, &list), 0);
	assert_int_equal(list.count, 1);
	while (plx_place_connect(&place, &list.items[0], &fd) == -EAGAIN)
		sleep_ms(1);
	plx_sightings_free(&list);
	plx_place_close(&place);
	return fd;
}

static void silent_and_noisy_clients_do_not_keep_an_honest_one_out(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub;
	int fds[200], before;
	unsigned char noise[600];
	uint64_t start_ns;

	(void)state;
	memset(noise, 0x5a, sizeof(noise));
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_true(connected(sub, 1));
	plx_subscriber_close(sub);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 0, SECOND), 0);
	sleep_ms(50);
	before = count_open_fds();
	for (int i = 0; i < 200; i++) {
		fds[i] = knock();
		if (i % 2)
			(void)!plx_sys_send(fds[i], noise, (size_t)(i * 3));
	}
	start_ns = plx_now_ns();
	sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	assert_true(connected(sub, 1));
	assert_true(plx_now_ns() - start_ns < as_busy(SECOND / 2));
	plx_subscriber_close(sub);
	for (int i = 0; i < 200; i++)
		plx_sys_close(fds[i]);
	for (int i = 0; i < 200 && count_open_fds() > before; i++)
		sleep_ms(10);
	assert_int_equal(count_open_fds(), before);
	plx_publisher_close(pub);
}

static void who_speaks_after_the_grant_is_let_go(void **state)
{
	struct plx_publisher *pub = publisher(PLX_PUBLISHER_DEFAULTS);
	struct plx_subscriber *sub = subscriber(PLX_SUBSCRIBER_DEFAULTS);
	struct plx_buffer b;

	(void)state;
	assert_true(connected(sub, 1));
	assert_int_equal(plx_sys_send(connection_of(sub)->fd, "more!", 5), 0);
	assert_int_equal(take(sub, &b), -EPIPE);
	assert_int_equal(plx_publisher_wait_subscribers(pub, 0, SECOND), 0);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_killed_subscriber_held_comes_back_at_once),
		cmocka_unit_test(subscribers_killed_at_random_moments_cost_the_others_nothing),
		cmocka_unit_test(readers_of_a_killed_publisher_get_what_it_published_and_then_its_successor),
		cmocka_unit_test(a_death_is_noticed_while_asleep_and_while_polling),
		cmocka_unit_test(the_reason_of_an_end_reaches_every_reader),
		cmocka_unit_test(what_a_dead_publisher_leaves_in_the_directory_is_reaped),
		cmocka_unit_test(who_heard_a_publisher_die_removes_its_name),
		cmocka_unit_test(a_reader_that_lies_is_let_go_and_the_honest_one_reads_on),
		cmocka_unit_test(a_reader_that_scribbles_over_its_whole_link_harms_nobody),
		cmocka_unit_test(silent_and_noisy_clients_do_not_keep_an_honest_one_out),
		cmocka_unit_test(who_speaks_after_the_grant_is_let_go),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

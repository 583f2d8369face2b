/* test_pattern_keys.c - questions, events and values between those who prove keys to each other, and for nobody else. */
#include "tests/libshm/topic/pair.h"

static struct plx_keys *a_keys, *b_keys, *stranger; /* all trust a and b, nobody the stranger */

static struct plx_public_key a_key, b_key, strange_key;

static struct plx_keys *opened(const char *name)
{
	struct plx_keys *keys;
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s.key", directory, name);
	if (plx_keys_open(&keys, path, NULL) < 0 || plx_keys_trust_key(keys, &a_key) < 0 ||
	    plx_keys_trust_key(keys, &b_key) < 0)
		abort();
	return keys;
}

static int make_keys(void **state)
{
	static const char *const names[] = { "a", "b", "stranger" };
	struct plx_public_key *const keys[] = { &a_key, &b_key, &strange_key };
	char path[4200];

	if (pair_setup(state) < 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.key", directory, names[i]);
		if (plx_key_create(path, keys[i]) < 0)
			return -1;
	}
	a_keys = opened("a");
	b_keys = opened("b");
	stranger = opened("stranger");
	return 0;
}

static int close_keys(void **state)
{
	plx_keys_close(a_keys);
	plx_keys_close(b_keys);
	plx_keys_close(stranger);
	return pair_teardown(state);
}

/* ---- questions ------------------------------------------------------------------------------------- */

/* Answers for a while; how many it was asked. */
static uint32_t answer_for(struct plx_server *s, uint32_t most, uint64_t ns)
{
	uint64_t end = plx_now_ns() + ns;
	struct plx_request *request;
	uint32_t n = 0;

	while (n < most && plx_now_ns() < end) {
		if (plx_server_next(s, &request) <= 0) {
			(void)!plx_server_wait(s, SECOND / 100);
			continue;
		}
		assert_int_equal(plx_server_reply(s, request, "yes", 3), 0);
		n++;
	}
	return n;
}

static char b_name[] = "b", stranger_name[] = "stranger";

static int ask(void *arg)
{
	/* opened here: a secret does not travel into a child */
	struct plx_client_options opt = { .directory = directory, .keys = arg ? opened(arg) : NULL };
	struct plx_reply reply;
	struct plx_client *c;
	int ret;

	CHECK(plx_client_open(&c, "keyed", &opt) == 0);
	ret = plx_client_call(c, "well?", 5, &reply, arg && !strcmp(arg, "b") ? 20 * SECOND : SECOND / 2);
	if (ret == 0)
		plx_buffer_release(&reply.buffer);
	plx_client_close(c);
	plx_keys_close((struct plx_keys *)(uintptr_t)opt.keys);
	return ret == 0 ? 10 : 11;
}

static void questions_are_answered_only_with_a_key(void **state)
{
	struct plx_server_options opt = { .directory = directory, .keys = a_keys };
	struct plx_server *s;
	pid_t pid;

	(void)state;
	assert_int_equal(plx_server_open(&s, "keyed", &opt), 0);
	pid = start(ask, b_name);
	assert_int_equal(answer_for(s, 1, 20 * SECOND), 1);
	answer_for(s, 1, SECOND / 10);
	assert_int_equal(finish(pid), 10);
	pid = start(ask, NULL);
	assert_int_equal(answer_for(s, 1, SECOND), 0);
	assert_int_equal(finish(pid), 11);
	pid = start(ask, stranger_name);
	assert_int_equal(answer_for(s, 1, SECOND), 0);
	assert_int_equal(finish(pid), 11);
	plx_server_close(s);
}

/* ---- events ---------------------------------------------------------------------------------------- */

static bool hears(const struct plx_keys *keys, struct plx_event_notifier *n, uint64_t ns)
{
	struct plx_event_listener_options opt = { .directory = directory, .keys = keys };
	struct plx_event_listener *l;
	uint64_t end = plx_now_ns() + ns, bits = 0;

	assert_int_equal(plx_event_listener_open(&l, TOPIC, &opt), 0);
	while (!bits && plx_now_ns() < end) {
		assert_int_equal(plx_event_notify(n, 5), 0);
		(void)!plx_event_wait(l, PLX_EVENT_BIT(5), SECOND / 100, &bits);
	}
	plx_event_listener_close(l);
	return bits != 0;
}

static void events_are_heard_only_with_a_key(void **state)
{
	struct plx_event_notifier_options opt = { .directory = directory, .keys = a_keys };
	struct plx_event_notifier *n;

	(void)state;
	assert_int_equal(plx_event_notifier_open(&n, TOPIC, &opt), 0);
	assert_true(hears(b_keys, n, 20 * SECOND));
	assert_false(hears(NULL, n, SECOND / 4));
	assert_false(hears(stranger, n, SECOND / 4));
	plx_event_notifier_close(n);
}

/* ---- values ---------------------------------------------------------------------------------------- */

static bool sees(const struct plx_keys *keys, uint64_t ns)
{
	struct plx_latest_reader_options opt = { .directory = directory, .pinned = keys };
	struct plx_latest_value info;
	struct plx_latest_reader *r;
	uint64_t end = plx_now_ns() + ns;
	char value[16];
	int key, ret = -1;

	assert_int_equal(plx_latest_reader_open_with(&r, TOPIC, &opt), 0);
	key = plx_latest_reader_key(r, "speed");
	assert_true(key >= 0);
	while (ret < 0 && plx_now_ns() < end) {
		if (plx_latest_reader_connect(r, SECOND / 100) == 0)
			ret = plx_latest_reader_get(r, key, value, sizeof(value), &info);
	}
	plx_latest_reader_close(r);
	return ret >= 0;
}

static void values_are_seen_only_with_a_key(void **state)
{
	struct plx_latest_options opt = { .directory = directory, .pinned = a_keys };
	struct plx_latest_writer *w;
	int key;

	(void)state;
	assert_int_equal(plx_latest_writer_open(&w, TOPIC, &opt), 0);
	key = plx_latest_writer_key(w, "speed");
	assert_int_equal(plx_latest_writer_set(w, key, "fast", 4, 0), 0);
	assert_true(sees(b_keys, 20 * SECOND));
	assert_false(sees(NULL, SECOND / 4));
	assert_false(sees(stranger, SECOND / 4));
	plx_latest_writer_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_answered_only_with_a_key),
		cmocka_unit_test(events_are_heard_only_with_a_key),
		cmocka_unit_test(values_are_seen_only_with_a_key),
	};

	return cmocka_run_group_tests(tests, make_keys, close_keys);
}

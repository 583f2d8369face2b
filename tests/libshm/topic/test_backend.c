/* test_backend.c - slots of huge pages; what cannot be sealed is refused. */
#include "tests/libshm/topic/pair.h"

#include "tests/support/huge.h"

static struct plx_publisher *open_with(const char *backend)
{
	return publisher(
		(struct plx_publisher_options){ .slot_size = 4096, .depth = 16, .backend = backend });
}

static void one_message_goes_through(struct plx_publisher *pub)
{
	struct plx_subscriber *sub = subscriber((struct plx_subscriber_options){ 0 });
	char sent[4096];
	struct plx_buffer b;

	memset(sent, 'h', sizeof(sent));
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_send(pub, sent, sizeof(sent)), 0);
	assert_int_equal(take(sub, &b), 1);
	assert_int_equal(b.length, sizeof(sent));
	assert_memory_equal(b.data, sent, sizeof(sent));
	plx_buffer_release(&b);
	plx_subscriber_close(sub);
}

static void messages_travel_in_huge_pages(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 1);
	struct plx_publisher *pub = open_with("huge:2M");

	(void)state;
	assert_int_equal(huge_free(MIB2), 0);
	one_message_goes_through(pub);
	plx_publisher_close(pub);
	assert_int_equal(huge_free(MIB2), 1);
	huge_give_back(&r);
}

static void without_huge_pages_they_travel_all_the_same(void **state)
{
	struct huge_reserve r = huge_set_aside(MIB2, 0);
	struct plx_publisher *pub = open_with("huge:2M");

	(void)state;
	assert_int_equal(huge_free(MIB2), 0);
	one_message_goes_through(pub);
	plx_publisher_close(pub);
	huge_give_back(&r);
}

static void a_backend_that_cannot_be_sealed_is_refused(void **state)
{
	static const struct {
		const char *backend;
		int answer;
	} bad[] = { { "heap", -ENOTSUP }, { "file:/tmp/x", -ENOTSUP }, { "disk", -EINVAL }, { "", -EINVAL } };
	struct plx_publisher_options opt = { .directory = directory };
	struct plx_publisher *pub;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		opt.backend = bad[i].backend;
		assert_int_equal(plx_publisher_open(&pub, TOPIC, &opt), bad[i].answer);
		assert_null(pub);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_travel_in_huge_pages, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(without_huge_pages_they_travel_all_the_same, pair_setup,
						pair_teardown),
		cmocka_unit_test_setup_teardown(a_backend_that_cannot_be_sealed_is_refused, pair_setup,
						pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

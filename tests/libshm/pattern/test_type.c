/* test_type.c - declared types: descriptions, hashes, views; publishers and subscribers of different types stay apart. */
#include "tests/libshm/topic/pair.h"

#include <pthread.h>

enum color { RED, GREEN };

struct inner {
	int32_t x, y;
};

struct tick {
	uint64_t time_ns;
	double price;
	char symbol[8];
	float matrix[2][2];
	struct inner inner;
	enum color color;
	bool open;
	int16_t steps[3];
};
PLX_TYPE(tick, struct tick, time_ns, price, symbol, matrix, inner, color, open, steps);

static const char
	*const TICK_TEXT = "tick (64 bytes, aligned to 8): u64 time_ns @0, f64 price @8, char symbol[8] @16, "
			   "bytes matrix[16] @24, bytes inner[8] @40, u32 color @48, bool open @52, "
			   "i16 steps[3] @54";

struct pair {
	uint64_t a, b;
};
PLX_TYPE(pair, struct pair, a, b);

struct wide {
	_Alignas(32) float lane[8];
};
PLX_TYPE(wide, struct wide, lane);

/* Never asked for its id in this process but where a test says so. */
struct secret {
	uint32_t s;
};
PLX_TYPE(secret, struct secret, s);

/* ---- descriptions ---------------------------------------------------------------------------------- */

static void a_description_names_every_field_with_kind_and_place(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(plx_type_text(PLX_TYPE_OF(tick), text, sizeof(text)), strlen(TICK_TEXT));
	assert_string_equal(text, TICK_TEXT);
	assert_int_equal(plx_type_text(PLX_TYPE_OF(tick), text, 10), strlen(TICK_TEXT));
	assert_string_equal(text, "tick (64 ");
	assert_int_equal(plx_type_text(PLX_TYPE_OF(tick), NULL, 0), strlen(TICK_TEXT));
}

/* Each differs from the first in one thing. */
static void any_difference_changes_the_hash(void **state)
{
	static const struct plx_field fields[] = { { "a", 0, 8, 8, 'u' }, { "b", 8, 8, 8, 'u' } };
	static const struct plx_field renamed[] = { { "a", 0, 8, 8, 'u' }, { "c", 8, 8, 8, 'u' } };
	static const struct plx_field moved[] = { { "a", 8, 8, 8, 'u' }, { "b", 0, 8, 8, 'u' } };
	static const struct plx_field sign[] = { { "a", 0, 8, 8, 'u' }, { "b", 8, 8, 8, 'i' } };
	static const struct plx_field array[] = { { "a", 0, 8, 8, 'u' }, { "b", 8, 8, 4, 'u' } };
	struct plx_type types[] = {
		{ "pair", 16, 8, 2, fields, 0, 0 }, { "pears", 16, 8, 2, fields, 0, 0 },
		{ "pair", 24, 8, 2, fields, 0, 0 }, { "pair", 16, 4, 2, fields, 0, 0 },
		{ "pair", 16, 8, 1, fields, 0, 0 }, { "pair", 16, 8, 2, renamed, 0, 0 },
		{ "pair", 16, 8, 2, moved, 0, 0 },  { "pair", 16, 8, 2, sign, 0, 0 },
		{ "pair", 16, 8, 2, array, 0, 0 },
	};

	(void)state;
	assert_int_equal(plx_type_hash(&types[0]), plx_type_hash(PLX_TYPE_OF(pair)));
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(plx_type_id(&types[i]), plx_type_id(&types[k]));
	}
}

/* Ids of similar types are spread: of 20000, two are equal by a chance of 1 in 21. */
static void ids_of_similar_types_do_not_collide(void **state)
{
	enum { COUNT = 20000 };
	uint8_t *seen = calloc(1, 1u << 29);
	char name[16];
	int equal = 0;

	(void)state;
	assert_non_null(seen);
	for (uint32_t i = 0; i < COUNT; i++) {
		static const struct plx_field f = { "a", 0, 8, 8, 'u' };
		struct plx_type t = { name, 8, 8, 1, &f, 0, 0 };
		uint32_t id;

		snprintf(name, sizeof(name), "t%u", i);
		id = (uint32_t)plx_type_hash(&t);
		equal += seen[id / 8] >> (id % 8) & 1;
		seen[id / 8] |= (uint8_t)(1u << (id % 8));
	}
	free(seen);
	assert_in_range(equal, 0, 1);
}

static void a_type_is_known_once_its_id_was_asked_for(void **state)
{
	(void)state;
	assert_null(plx_type_known((uint32_t)plx_type_hash(PLX_TYPE_OF(secret))));
	assert_string_equal(plx_type_known(plx_type_id(PLX_TYPE_OF(tick))), TICK_TEXT);
	assert_int_equal(plx_type_id(PLX_TYPE_OF(tick)), plx_type_id(PLX_TYPE_OF(tick)));
}

static void *ask_often(void *arg)
{
	static struct plx_field f = { "a", 0, 8, 8, 'u' };
	static struct plx_type types[64];
	static char names[64][8];

	for (int i = 0; arg && i < 64; i++) { /* before there are threads */
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		types[i] = (struct plx_type){ names[i], 8, 8, 1, &f, 0, 0 };
	}
	for (int i = 0; !arg && i < 64; i++) {
		if (!plx_type_known(plx_type_id(&types[i])))
			return &f;
	}
	return NULL;
}

static void threads_may_ask_for_the_same_ids(void **state)
{
	pthread_t threads[4];
	void *wrong;

	(void)state;
	ask_often(&threads);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* ---- views ----------------------------------------------------------------------------------------- */

static void a_view_is_checked_once_and_then_is_the_data(void **state)
{
	struct pair p = { 1, 2 };
	struct plx_buffer b = { .data = &p, .length = sizeof(p), .type = plx_type_id(PLX_TYPE_OF(pair)) };
	char text[8] = "x";

	(void)state;
	assert_ptr_equal(plx_view(&b, pair), &p);
	assert_int_equal(b.viewed, b.type);
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(pair), text, sizeof(text)), 0);
	assert_string_equal(text, "");
	b.type = 0; /* not looked at again */
	assert_ptr_equal(plx_view(&b, pair), &p);
}

static void a_mismatch_is_an_error_with_both_descriptions(void **state)
{
	_Alignas(16) unsigned char bytes[sizeof(struct tick) + 8] = { 0 };
	struct plx_buffer b = { .data = bytes, .length = 64, .type = plx_type_id(PLX_TYPE_OF(tick)) };
	char text[1024];

	(void)state;
	assert_null(plx_view(&b, pair));
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(pair), text, sizeof(text)), -EPROTOTYPE);
	assert_non_null(strstr(text, TICK_TEXT));
	assert_non_null(strstr(text, "pair (16 bytes, aligned to 8): u64 a @0, u64 b @8"));
	b.type = 0;
	assert_null(plx_view(&b, tick));
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(tick), text, sizeof(text)), -EPROTOTYPE);
	assert_non_null(strstr(text, "plain bytes"));
	b.type = 12345;
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(tick), text, sizeof(text)), -EPROTOTYPE);
	assert_non_null(strstr(text, "0x00003039"));

	b.type = plx_type_id(PLX_TYPE_OF(tick));
	b.length = 63;
	assert_null(plx_view(&b, tick));
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(tick), text, sizeof(text)), -EMSGSIZE);
	assert_non_null(strstr(text, "63 bytes"));
	b.length = 0;
	assert_null(plx_view(&b, tick));
	b.length = 64;
	b.data = bytes + 4;
	assert_null(plx_view(&b, tick));
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(tick), text, sizeof(text)), -EFAULT);
	b.data = bytes;
	assert_non_null(plx_view(&b, tick));
}

static void several_values_are_an_array_and_no_single_value(void **state)
{
	struct pair p[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
	struct plx_buffer b = { .data = p, .length = sizeof(p), .type = plx_type_id(PLX_TYPE_OF(pair)) };
	char text[256];
	uint64_t count = 0;

	(void)state;
	assert_ptr_equal(plx_view_array(&b, pair, &count), p);
	assert_int_equal(count, 3);
	assert_null(plx_view(&b, pair)); /* also after the check was remembered */
	assert_int_equal(plx_view_error(&b, PLX_TYPE_OF(pair), text, sizeof(text)), -EMSGSIZE);
	b.length--;
	assert_null(plx_view_array(&b, pair, &count));
}

/* ---- on a topic ------------------------------------------------------------------------------------ */

static void values_travel_and_a_slice_is_checked_anew(void **state)
{
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	struct plx_buffer b, part;
	struct plx_loan loan;
	struct pair *to, small = { 7, 8 };
	struct wide w = { .lane = { 1, 2, 3, 4, 5, 6, 7, 8 } };

	(void)state;
	pub = publisher((struct plx_publisher_options){ .type = plx_type_id(PLX_TYPE_OF(pair)) });
	sub = subscriber((struct plx_subscriber_options){ .type = plx_type_id(PLX_TYPE_OF(pair)) });
	assert_true(connected(sub, 1));
	assert_int_equal(plx_publisher_loan(pub, &loan), 0);
	to = plx_loan_view(&loan, pair);
	assert_non_null(to);
	to[0] = (struct pair){ 1, 2 };
	to[1] = (struct pair){ 3, 4 };
	assert_int_equal(plx_publisher_publish(pub, &loan, 2 * sizeof(*to)), 0);
	assert_int_equal(plx_publisher_send_as(pub, PLX_TYPE_OF(pair), &small), 0);
	assert_int_equal(plx_publisher_send_as(pub, PLX_TYPE_OF(wide), &w), 0);
	assert_int_equal(plx_publisher_send_as(pub, PLX_TYPE_OF(secret), "abcd"), 0);

	assert_int_equal(take(sub, &b), 1);
	assert_null(plx_view(&b, pair));
	assert_int_equal(plx_buffer_slice(&part, &b, 16, 16), 0);
	assert_int_equal(plx_view(&part, pair)->a, 3);
	plx_buffer_release(&part);
	assert_int_equal(plx_buffer_slice(&part, &b, 16, 8), 0);
	assert_null(plx_view(&part, pair));
	plx_buffer_release(&part);
	plx_buffer_release(&b);
	assert_int_equal(take(sub, &b), 1);
	assert_int_equal(plx_view(&b, pair)->b, 8);
	assert_int_equal(b.slot, PLX_SLOT_NONE);
	assert_int_equal(plx_buffer_slice(&part, &b, 4, 12), 0);
	assert_null(plx_view(&part, pair)); /* the check of the whole does not count */
	plx_buffer_release(&part);
	plx_buffer_release(&b);
	assert_int_equal(take(sub, &b),
			 1); /* 32 bytes that would fit into an entry, but not be aligned there */
	assert_true(plx_view(&b, wide)->lane[7] == 8);
	plx_buffer_release(&b);
	assert_int_equal(take(sub, &b), 1);
	assert_int_equal(b.type, plx_type_id(PLX_TYPE_OF(secret)));
	plx_buffer_release(&b);
	plx_subscriber_close(sub);
	plx_publisher_close(pub);
}

static void a_loan_that_is_too_small_has_no_view(void **state)
{
	struct plx_publisher *pub = publisher((struct plx_publisher_options){ .slot_size = 60 });
	struct tick t = { .price = 1 };
	struct plx_loan loan;

	(void)state;
	assert_int_equal(plx_publisher_loan(pub, &loan), 0);
	assert_null(plx_loan_view(&loan, tick));
	assert_int_equal(loan.type, 0);
	assert_non_null(plx_loan_view(&loan, pair));
	plx_publisher_drop(pub, &loan);
	assert_int_equal(plx_publisher_send_as(pub, PLX_TYPE_OF(tick), &t), -EMSGSIZE);
	plx_publisher_close(pub);
}

/* Its own process: it knows nothing of the types that only the other one asked for. */
static int publish_ticks(void *arg)
{
	struct plx_publisher *pub = publisher(
		(struct plx_publisher_options){ .type = plx_type_id(PLX_TYPE_OF(secret)) });
	int *pipe_ends = arg;
	char c;

	CHECK(write(pipe_ends[1], "x", 1) == 1);
	CHECK(read(pipe_ends[0], &c, 1) == 1);
	plx_publisher_close(pub);
	return 0;
}

static void a_mismatch_is_refused_at_connect_and_the_reason_names_both(void **state)
{
	int to[2], from[2], ends[2];
	struct plx_subscriber_stats stats;
	struct plx_subscriber *sub;
	const char *why;
	pid_t kid;
	char c;

	(void)state;
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	ends[0] = to[0];
	ends[1] = from[1];
	kid = start(publish_ticks, ends);
	assert_int_equal(read(from[0], &c, 1), 1);
	sub = subscriber((struct plx_subscriber_options){ .type = plx_type_id(PLX_TYPE_OF(tick)) });
	assert_string_equal(plx_subscriber_refusal(sub), "");
	for (int i = 0; i < 100; i++) {
		(void)!plx_subscriber_wait(sub, 20 * 1000 * 1000);
		plx_subscriber_stats(sub, &stats);
		if (stats.refused)
			break;
	}
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.refused_why, -EPROTOTYPE);
	why = plx_subscriber_refusal(sub);
	assert_non_null(strstr(why, "secret (4 bytes, aligned to 4): u32 s @0"));
	assert_non_null(strstr(why, TICK_TEXT));
	assert_int_equal(write(to[1], "x", 1), 1);
	assert_int_equal(finish(kid), 0);
	plx_subscriber_close(sub);
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_description_names_every_field_with_kind_and_place),
		cmocka_unit_test(any_difference_changes_the_hash),
		cmocka_unit_test(ids_of_similar_types_do_not_collide),
		cmocka_unit_test(a_type_is_known_once_its_id_was_asked_for),
		cmocka_unit_test(threads_may_ask_for_the_same_ids),
		cmocka_unit_test(a_view_is_checked_once_and_then_is_the_data),
		cmocka_unit_test(a_mismatch_is_an_error_with_both_descriptions),
		cmocka_unit_test(several_values_are_an_array_and_no_single_value),
		cmocka_unit_test(a_mismatch_is_refused_at_connect_and_the_reason_names_both),
		cmocka_unit_test(values_travel_and_a_slice_is_checked_anew),
		cmocka_unit_test(a_loan_that_is_too_small_has_no_view),
	};

	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}

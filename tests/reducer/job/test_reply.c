/* test_reply.c - text into slots: where it is cut, and what is left when it cannot go on. */
#include "reducer/job/reply.h"

#include <string.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "tests/support/support.h"

struct ends {
	char *directory;
	struct plx_publisher *pub;
	struct plx_subscriber *sub;
	struct job_writer writer;
};

static int set_up(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));
	struct plx_publisher_options pub_opt = { .slot_size = 64, .depth = 16, .full = PLX_FULL_FAIL };
	struct plx_subscriber_options sub_opt = { 0 };
	struct plx_subscriber_stats stats;

	e->directory = make_directory();
	pub_opt.directory = sub_opt.directory = e->directory;
	assert_int_equal(plx_publisher_open(&e->pub, "replies", &pub_opt), 0);
	assert_int_equal(plx_subscriber_open(&e->sub, "replies", &sub_opt), 0);
	do {
		(void)!plx_subscriber_wait(e->sub, 10000000);
		plx_subscriber_stats(e->sub, &stats);
	} while (stats.publishers == 0);
	e->writer.pub = e->pub;
	*state = e;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *e = *state;

	plx_publisher_close(e->pub);
	plx_subscriber_close(e->sub);
	drop_directory(e->directory);
	free(e);
	return 0;
}

/* Takes one message; returns its length, with PART added when more follows. */
#define PART 1000
static int take(struct ends *e, char *text)
{
	struct plx_buffer buffer;
	int ret = plx_subscriber_take(e->sub, &buffer);

	if (ret != 1)
		return ret;
	memcpy(text, buffer.data, buffer.length);
	text[buffer.length] = '\0';
	ret = (int)buffer.length + (buffer.flags & PLX_BUFFER_MORE ? PART : 0);
	plx_buffer_release(&buffer);
	return ret;
}

static void put(struct ends *e, size_t length)
{
	char text[512];

	memset(text, 'x', sizeof(text));
	assert_int_equal(job_writer_put(&e->writer, text, length), 0);
}

static void text_is_cut_where_a_slot_ends_and_the_last_piece_is_marked_by_no_mark(void **state)
{
	struct ends *e = *state;
	char text[80];

	put(e, 10);
	assert_int_equal(take(e, text), 0); /* not before it is whole */
	put(e, 10);
	assert_int_equal(job_writer_end(&e->writer), 0);
	assert_int_equal(take(e, text), 20);

	put(e, 64); /* just full is one message, not two */
	assert_int_equal(job_writer_end(&e->writer), 0);
	assert_int_equal(take(e, text), 64);
	assert_int_equal(take(e, text), 0);

	put(e, 65);
	assert_int_equal(job_writer_end(&e->writer), 0);
	assert_int_equal(take(e, text), PART + 64);
	assert_int_equal(take(e, text), 1);

	put(e, 200);
	put(e, 100);
	assert_int_equal(job_writer_end(&e->writer), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(take(e, text), PART + 64);
	assert_int_equal(take(e, text), 44);
	assert_int_equal(take(e, text), 0);
	assert_int_equal(e->writer.messages, 1 + 1 + 2 + 5);
	assert_int_equal(e->writer.bytes, 20 + 64 + 65 + 300);
}

static void nothing_is_no_message(void **state)
{
	struct ends *e = *state;
	char text[80];

	put(e, 0);
	assert_int_equal(job_writer_end(&e->writer), 0);
	assert_int_equal(take(e, text), 0);
}

static void an_error_reply_is_a_line_of_json_whatever_is_in_it(void **state)
{
	struct ends *e = *state;
	struct job_request request = { .id = UINT64_MAX, .publisher = 0xabc, .name = "a \"name\" \\" };
	struct job_failure failure = {
		.reason = "program",
		.where = { 3, 4 },
		.message = "bytes \xff\x01\n and \"quotes\"",
	};
	char text[80], line[512] = "";
	int got;

	assert_int_equal(job_reply_failed(&e->writer, &request, &failure, NULL, NULL), 0);
	while ((got = take(e, text)) > 0)
		strcat(line, text);
	assert_string_equal(line, "{\"job\":18446744073709551615,\"name\":\"a \\\"name\\\" "
				  "\\\\\",\"publisher\":\"0000000000000abc\","
				  "\"status\":\"error\",\"reason\":\"program\",\"line\":3,\"column\":4,"
				  "\"message\":\"bytes ??? and \\\"quotes\\\"\"}\n");
	failure.where.line = 0;
	request.name[0] = '\0';
	line[0] = '\0';
	assert_int_equal(job_reply_failed(&e->writer, &request, &failure, NULL, NULL), 0);
	while ((got = take(e, text)) > 0)
		strcat(line, text);
	assert_null(strstr(line, "\"line\""));
	assert_null(strstr(line, "\"name\""));
}

static void when_nobody_reads_it_fails_and_holds_no_slot(void **state)
{
	struct ends *e = *state;
	struct plx_publisher_stats before, after;
	char text[4096];
	int ret, got, pieces = 0;

	plx_publisher_stats(e->pub, &before);
	memset(text, 'x', sizeof(text));
	ret = job_writer_put(&e->writer, text, sizeof(text)); /* 64 slots, the log has 16 entries */
	assert_int_equal(ret, -EAGAIN);
	assert_false(e->writer.loaned);
	while ((got = take(e, text)) > 0)
		pieces++;
	assert_in_range(pieces, 1, 16);
	plx_subscriber_flush(e->sub);
	put(e, 30); /* and it can go on when there is room again */
	assert_int_equal(job_writer_end(&e->writer), 0);
	assert_int_equal(take(e, text), 30);
	plx_subscriber_flush(e->sub);
	for (int i = 0; i < 400; i++) { /* no slot was lost on the way */
		put(e, 60);
		assert_int_equal(job_writer_end(&e->writer), 0);
		assert_int_equal(take(e, text), 60);
		plx_subscriber_flush(e->sub);
	}
	plx_publisher_stats(e->pub, &after);
	assert_int_equal(after.published, before.published + (uint64_t)pieces + 401);
}

int main(void)
{
#define REPLY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		REPLY_TEST(text_is_cut_where_a_slot_ends_and_the_last_piece_is_marked_by_no_mark),
		REPLY_TEST(nothing_is_no_message),
		REPLY_TEST(an_error_reply_is_a_line_of_json_whatever_is_in_it),
		REPLY_TEST(when_nobody_reads_it_fails_and_holds_no_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

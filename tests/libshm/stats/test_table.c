/* test_table.c - a table describes itself, its rows do not share lines, and a stranger's table can only be wrong, not harmful. */
#include <plx/table.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "stats/table_layout.h"
#include "tests/support/support.h"

static const struct plx_column columns[] = {
	{ "state", PLX_COLUMN_STATE, "idle|busy|parked" },
	{ "pid", PLX_COLUMN_PID, NULL },
	{ "interactions", PLX_COLUMN_COUNT, NULL },
	{ "memory", PLX_COLUMN_BYTES, "" },
};

#define ROWS 5u

static _Alignas(64) unsigned char block[4096];

static struct plx_table make(void)
{
	struct plx_table table;

	memset(block, 0xee, sizeof(block)); /* not zero: a block may have been used before */
	assert_int_equal(
		plx_table_init(&table, block, sizeof(block), "worker", columns, COUNT_OF(columns), ROWS), 0);
	return table;
}

static void a_table_attached_elsewhere_reads_the_same(void **state)
{
	struct plx_table table = make(), view;
	char title[32], name[16], states[48];
	const char *why = NULL;

	(void)state;
	for (uint32_t r = 0; r < ROWS; r++)
		for (uint32_t c = 0; c < COUNT_OF(columns); c++) {
			assert_int_equal(plx_table_get(&table, r, c), 0);
			plx_table_set(&table, r, c, 100 * r + c);
		}
	assert_int_equal(plx_table_attach(&view, block, sizeof(block)), 0);
	assert_int_equal(view.rows, ROWS);
	assert_int_equal(view.columns, COUNT_OF(columns));
	for (uint32_t r = 0; r < ROWS; r++)
		for (uint32_t c = 0; c < COUNT_OF(columns); c++)
			assert_int_equal(plx_table_get(&view, r, c), 100 * r + c);
	plx_table_title(&view, title);
	assert_string_equal(title, "worker");
	assert_int_equal(plx_table_column(&view, 0, name, states), PLX_COLUMN_STATE);
	assert_string_equal(name, "state");
	assert_string_equal(states, "idle|busy|parked");
	assert_int_equal(plx_table_column(&view, 3, name, states), PLX_COLUMN_BYTES);
	assert_string_equal(name, "memory");
	assert_string_equal(states, "");
	assert_int_equal(plx_table_column(&view, 1, NULL, NULL), PLX_COLUMN_PID);
	assert_int_equal(plx_table_column(&view, 4, name, states), -EINVAL);
	assert_int_equal(plx_table_find(&view, "state"), 0);
	assert_int_equal(plx_table_find(&view, "memory"), 3);
	assert_int_equal(plx_table_find(&view, "memor"), -ENOENT);
	assert_int_equal(plx_table_check(&view, &why), 0);
	assert_null(why);
}

static void rows_never_share_a_line_and_lie_inside(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= PLX_TABLE_COLUMNS_MAX; n++) {
		struct plx_column many[PLX_TABLE_COLUMNS_MAX];
		uint64_t size = plx_table_size(3, n);
		struct plx_table table;
		unsigned char *last;

		for (uint32_t i = 0; i < n; i++)
			many[i] = (struct plx_column){ "c", PLX_COLUMN_COUNT, NULL };
		assert_true(size <= sizeof(block));
		memset(block, 0xee, sizeof(block));
		assert_int_equal(plx_table_init(&table, block, size, "t", many, n, 3), 0);
		for (uint32_t r = 0; r < 3; r++)
			assert_int_equal((uintptr_t)plx_table_cell(&table, r, 0) % PLX_LINE, 0);
		last = (unsigned char *)plx_table_cell(&table, 2, n - 1) + 8;
		assert_true(last <= block + size);
		assert_true(size == sizeof(block) || block[size] == 0xee);
		assert_int_equal(plx_table_init(&table, block, size - 1, "t", many, n, 3), -ENOSPC);
	}
	assert_int_equal(plx_table_size(0, 1), 0);
	assert_int_equal(plx_table_size(1, 0), 0);
	assert_int_equal(plx_table_size(1, 33), 0);
	assert_int_equal(plx_table_size(65537, 1), 0);
	assert_int_equal(plx_table_size(65536, 32), 128 + 32 * 64 + 65536ull * 256);
}

static void a_table_longer_than_its_block_is_refused(void **state)
{
	struct plx_table table = make(), view = table;
	uint64_t need = plx_table_size(ROWS, COUNT_OF(columns));

	(void)state;
	for (uint64_t size = 0; size < need; size += 8) {
		assert_int_equal(plx_table_attach(&view, block, size), -ERANGE);
		assert_null(view.base); /* nothing to stumble over */
	}
	assert_int_equal(plx_table_attach(&view, block, need), 0);
	view = table;
	assert_int_equal(plx_table_init(&view, block, need - 1, "t", columns, COUNT_OF(columns), ROWS),
			 -ENOSPC);
	assert_null(view.base);
}

static void labels_cannot_speak_to_a_terminal(void **state)
{
	struct plx_table table = make();
	char title[32], name[16], states[48];

	(void)state;
	memcpy(block + 32, "\033[2Jboo", 8);
	plx_table_title(&table, title);
	assert_string_equal(title, "?[2Jboo");
	memset(block + 32, 'y', 32); /* no end: cut */
	plx_table_title(&table, title);
	assert_int_equal(strlen(title), 31);
	memset(block + 128, '\n', 64);
	assert_int_equal(plx_table_column(&table, 0, name, states), PLX_COLUMN_STATE);
	assert_string_equal(name, "???????????????");
	assert_int_equal(strlen(states), 47);
}

static void a_description_that_makes_no_sense_is_refused(void **state)
{
	static const struct plx_column bad[] = {
		{ NULL, 0, NULL },
		{ "", 0, NULL },
		{ "sixteen-bytes-ok", 0, NULL },
		{ "a\nb", 0, NULL },
		{ "a", 6, NULL },
		{ "a", PLX_COLUMN_COUNT, "x|y" },
		{ "a", PLX_COLUMN_STATE, NULL },
		{ "a", PLX_COLUMN_STATE, "" },
		{ "a", PLX_COLUMN_STATE, "x||y" },
		{ "a", PLX_COLUMN_STATE, "|x" },
		{ "a", PLX_COLUMN_STATE, "x|" },
		{ "a", PLX_COLUMN_STATE, "1|2|3|4|5|6|7|8|9" },
		{ "a", PLX_COLUMN_STATE, "a word that is longer than forty-seven bytes, really" },
	};
	struct plx_table table;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(plx_table_init(&table, block, sizeof(block), "t", &bad[i], 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, block, sizeof(block), "", columns, 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, block, sizeof(block), NULL, columns, 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, block, sizeof(block), "thirty-two bytes is one too many",
					columns, 1, 1),
			 -EINVAL);
	assert_int_equal(plx_table_init(&table, block + 8, 4000, "t", columns, 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, NULL, 4000, "t", columns, 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, block, sizeof(block), "t", columns, 4, 0), -EINVAL);
	assert_int_equal(plx_table_init(&table, block, sizeof(block), "t", columns, 4, 65537), -EINVAL);
}

/* Any byte may be anything: attach refuses, or what it returns stays inside, and the checker says what is wrong. */
static void any_byte_may_lie_in_any_way_and_does_no_harm(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff, 0x1b };
	struct plx_table table = make(), view;
	size_t used = plx_table_size(ROWS, COUNT_OF(columns)), described = 128 + 64 * COUNT_OF(columns);
	char title[32], name[16], states[48];

	(void)state;
	for (size_t i = 0; i < described; i++) {
		for (size_t m = 0; m < COUNT_OF(masks); m++) {
			const char *why = NULL;
			int ret, bad;

			block[i] ^= masks[m];
			bad = plx_table_check(&table, &why);
			assert_int_equal(bad == 0, why == NULL);
			ret = plx_table_attach(&view, block, used);
			if (ret == 0) {
				unsigned char *last = (unsigned char *)plx_table_cell(&view, view.rows - 1,
										      view.columns - 1);

				assert_true(last >= block + 128 && last + 8 <= block + used);
				plx_table_title(&view, title);
				assert_non_null(memchr(title, 0, sizeof(title)));
				for (uint32_t c = 0; c < view.columns; c++) {
					plx_table_column(&view, c, name, states);
					assert_non_null(memchr(name, 0, sizeof(name)));
					assert_non_null(memchr(states, 0, sizeof(states)));
					for (const char *p = name; *p; p++)
						assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
				}
			} else {
				assert_true(ret == -EPROTO || ret == -ERANGE);
				assert_int_equal(bad, -EBADMSG);
			}
			block[i] ^= masks[m];
		}
	}
	assert_int_equal(plx_table_check(&table, NULL), 0);
}

static void a_lying_field_is_refused(void **state)
{
	static const struct {
		size_t off, size;
		uint64_t value;
		int attach;
	} lies[] = {
#define FIELD(field) offsetof(struct plx_table_hdr, field), sizeof(((struct plx_table_hdr *)0)->field)
		{ FIELD(magic), 0, -EPROTO },
		{ FIELD(layout), 2, -EPROTO },
		{ FIELD(rows), 0, -ERANGE },
		{ FIELD(rows), ROWS + 1, -ERANGE },
		{ FIELD(rows), 65537, -ERANGE },
		{ FIELD(rows), UINT32_MAX, -ERANGE },
		{ FIELD(columns), 0, -ERANGE },
		{ FIELD(columns), 9, -ERANGE },
		{ FIELD(columns), 33, -ERANGE },
		{ FIELD(columns), UINT32_MAX, -ERANGE },
		/* these are for the checker */
		{ FIELD(reserved[1]), 1, 0 },
		{ FIELD(title[0]), 0, 0 },
		{ FIELD(title[31]), 'x', 0 },
		{ FIELD(title[1]), '\n', 0 },
		{ FIELD(kind[1]), 6, 0 },
		{ FIELD(kind[1]), PLX_COLUMN_STATE, 0 }, /* a state without words */
		{ FIELD(kind[0]), PLX_COLUMN_COUNT, 0 }, /* words without a state */
		{ FIELD(kind[31]), 1, 0 },
		{ FIELD(reserved1[31]), 1, 0 },
		{ 128, 1, 0, 0 },
		{ 128 + 15, 1, 'x', 0 },
		{ 128 + 16, 1, '|', 0 },
		{ 128 + 63, 1, 'x', 0 },
#undef FIELD
	};
	struct plx_table table = make(), view;
	unsigned char saved[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		const char *why = NULL;

		memcpy(saved, block + lies[i].off, lies[i].size);
		memcpy(block + lies[i].off, &lies[i].value, lies[i].size);
		assert_int_equal(plx_table_attach(&view, block, plx_table_size(ROWS, COUNT_OF(columns))),
				 lies[i].attach);
		assert_int_equal(plx_table_check(&table, &why), -EBADMSG);
		assert_non_null(why);
		memcpy(block + lies[i].off, saved, lies[i].size);
	}
	assert_int_equal(plx_table_attach(&view, block, 127), -ERANGE);
	assert_int_equal(plx_table_attach(&view, block, plx_table_size(ROWS, COUNT_OF(columns)) - 1),
			 -ERANGE);
	assert_int_equal(plx_table_attach(&view, block + 8, 4000), -ERANGE);
	assert_int_equal(plx_table_attach(&view, NULL, 4096), -ERANGE);
	assert_int_equal(plx_table_check(&(struct plx_table){ 0 }, NULL), -EBADMSG);
}

/* ---- while somebody counts ---- */

static void *count(void *arg)
{
	struct plx_table *table = arg;

	for (uint64_t i = 1; i <= (uint64_t)LONG_LOOP(200000); i++)
		plx_table_set(table, 2, 2, i);
	return NULL;
}

static void a_reader_sees_whole_numbers_that_only_grow(void **state)
{
	struct plx_table table = make(), view;
	uint64_t last = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(plx_table_attach(&view, block, sizeof(block)), 0);
	assert_int_equal(pthread_create(&thread, NULL, count, &table), 0);
	while (last < (uint64_t)LONG_LOOP(200000)) {
		uint64_t now = plx_table_get(&view, 2, 2);

		assert_true(now >= last);
		last = now;
	}
	pthread_join(thread, NULL);
	assert_int_equal(plx_table_check(&view, NULL), 0);
}

static int count_in_child(void *arg)
{
	count(arg);
	return 0;
}

static void a_row_written_by_another_process_is_read_here(void **state)
{
	struct plx_segment seg;
	struct plx_table table;
	struct plx_block part = { "workers", plx_table_size(ROWS, COUNT_OF(columns)), 0 };
	uint64_t size;
	void *at;

	(void)state;
	assert_int_equal(plx_segment_create(&seg, "memfd", "plx:test:table", plx_segment_need(&part, 1),
					    PLX_SEGMENT_INHERIT),
			 0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_USER, 1, "table", &part, 1), 0);
	at = plx_segment_block(&seg, "workers", &size);
	assert_int_equal(plx_table_init(&table, at, size, "worker", columns, COUNT_OF(columns), ROWS), 0);
	assert_int_equal(run_in_child(count_in_child, &table), 0);
	assert_int_equal(plx_table_get(&table, 2, 2), LONG_LOOP(200000));
	plx_segment_close(&seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_attached_elsewhere_reads_the_same),
		cmocka_unit_test(rows_never_share_a_line_and_lie_inside),
		cmocka_unit_test(a_table_longer_than_its_block_is_refused),
		cmocka_unit_test(labels_cannot_speak_to_a_terminal),
		cmocka_unit_test(a_description_that_makes_no_sense_is_refused),
		cmocka_unit_test(any_byte_may_lie_in_any_way_and_does_no_harm),
		cmocka_unit_test(a_lying_field_is_refused),
		cmocka_unit_test(a_reader_sees_whole_numbers_that_only_grow),
		cmocka_unit_test(a_row_written_by_another_process_is_read_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_table.c - tables of counters: what their owner stores, a stranger reads; what a liar writes, nobody believes. */
#include <string.h>

#include "stats/table_layout.h"
#include "tests/support/support.h"

#define ROWS 3u

static const struct plx_column columns[] = {
	{ "interactions", PLX_COLUMN_COUNT, NULL },
	{ "memory", PLX_COLUMN_BYTES, NULL },
	{ "state", PLX_COLUMN_STATE, "idle|busy" },
};
#define COLUMNS ((uint32_t)COUNT_OF(columns))

struct fixture {
	void *block;
	uint64_t size;
	struct plx_table table;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->size = plx_table_size(ROWS, COLUMNS);
	f->block = aligned_alloc(PLX_LINE, f->size);
	assert_int_equal(plx_table_init(&f->table, f->block, f->size, "worker", columns, COLUMNS, ROWS), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->block);
	free(f);
	return 0;
}

static void what_the_owner_stores_a_stranger_reads_by_its_label(void **state)
{
	struct fixture *f = *state;
	struct plx_table seen;
	char title[32], name[16], states[48];

	plx_table_set(&f->table, 2, 1, 4096);
	assert_int_equal(plx_table_attach(&seen, f->block, f->size), 0);
	assert_int_equal(seen.rows, ROWS);
	assert_int_equal(seen.columns, COLUMNS);
	plx_table_title(&seen, title);
	assert_string_equal(title, "worker");
	assert_int_equal(plx_table_column(&seen, 1, name, states), PLX_COLUMN_BYTES);
	assert_string_equal(name, "memory");
	assert_int_equal(plx_table_column(&seen, 2, name, states), PLX_COLUMN_STATE);
	assert_string_equal(states, "idle|busy");
	assert_int_equal(plx_table_column(&seen, COLUMNS, name, states), -EINVAL);
	assert_int_equal(plx_table_get(&seen, 2, 1), 4096);
	assert_int_equal(plx_table_get(&seen, 0, 0), 0);
}

static void rows_share_no_cache_line(void **state)
{
	struct fixture *f = *state;

	for (uint32_t row = 0; row < ROWS; row++)
		assert_int_equal((uintptr_t)plx_table_cell(&f->table, row, 0) % PLX_LINE, 0);
	assert_true((char *)plx_table_cell(&f->table, 1, 0) - (char *)plx_table_cell(&f->table, 0, 0) >= 64);
}

static void a_block_too_small_is_refused(void **state)
{
	struct fixture *f = *state;
	struct plx_table table;

	assert_int_equal(plx_table_init(&table, f->block, f->size - 1, "worker", columns, COLUMNS, ROWS),
			 -ENOSPC);
	assert_null(table.base);
}

static void labels_that_do_not_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	struct plx_table table;
	const struct plx_column name = { "a name of sixteen", PLX_COLUMN_COUNT, NULL };
	const struct plx_column kind = { "kind", PLX_COLUMN_STATE + 1, NULL };

	assert_int_equal(plx_table_init(&table, f->block, f->size, "t", &name, 1, 1), -EINVAL);
	assert_int_equal(plx_table_init(&table, f->block, f->size, "t", &kind, 1, 1), -EINVAL);
	assert_int_equal(
		plx_table_init(&table, f->block, f->size, "a title of thirty-two characters", columns, 1, 1),
		-EINVAL);
	assert_int_equal(plx_table_size(1, PLX_TABLE_COLUMNS_MAX + 1), 0);
	assert_int_equal(plx_table_size(PLX_TABLE_ROWS_MAX + 1, 1), 0);
}

/* Every word of the header set to absurd values: refused, or a view that stays inside the block. */
static void a_lying_header_leads_nowhere(void **state)
{
	struct fixture *f = *state;
	static const uint32_t lies[] = { 0, 1, 7, 1000, UINT32_MAX };
	const size_t words = offsetof(struct plx_table_head, title) / 4;
	uint32_t *head = f->block;
	unsigned int refused = 0;

	for (size_t word = 0; word < words; word++)
		for (size_t i = 0; i < COUNT_OF(lies); i++) {
			uint32_t truth = head[word];
			struct plx_table seen;

			if (lies[i] == truth)
				continue;
			head[word] = lies[i];
			if (plx_table_attach(&seen, f->block, f->size) == 0) {
				uint64_t *last = plx_table_cell(&seen, seen.rows - 1, seen.columns - 1);

				assert_true((char *)(last + 1) <= (char *)f->block + f->size);
			} else {
				assert_null(seen.base);
				refused++;
			}
			head[word] = truth;
		}
	assert_int_equal(refused, 8 * 5 - 4); /* all but three that are the truth, and "one row" */
}

static void a_table_longer_than_its_block_is_refused(void **state)
{
	struct fixture *f = *state;
	struct plx_table seen;

	for (uint64_t size = 0; size < f->size; size += 64)
		assert_int_equal(plx_table_attach(&seen, f->block, size), -ERANGE);
}

static void the_checker_names_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct plx_table_head *head = f->block;
	struct plx_table_label *labels = (struct plx_table_label *)(head + 1);
	const char *why;

	assert_int_equal(plx_table_check(&f->table, &why), 0);
	head->rows++;
	assert_int_equal(plx_table_check(&f->table, &why), -EBADMSG);
	assert_string_equal(why, "table: the number of rows or columns changed");
	head->rows--;
	memset(head->title, 'x', sizeof(head->title));
	assert_int_equal(plx_table_check(&f->table, &why), -EBADMSG);
	head->title[31] = 0;
	labels[1].name[0] = 0;
	assert_int_equal(plx_table_check(&f->table, &why), -EBADMSG);
	labels[1].name[0] = 'm';
	labels[2].kind = 99;
	assert_int_equal(plx_table_check(&f->table, &why), -EBADMSG);
	labels[2].kind = PLX_COLUMN_STATE;
	assert_int_equal(plx_table_check(&f->table, &why), 0);
}

static void labels_cannot_speak_to_a_terminal(void **state)
{
	struct fixture *f = *state;
	struct plx_table_head *head = f->block;
	char title[32];

	memcpy(head->title, "\033[2Jboo", 7);
	plx_table_title(&f->table, title);
	assert_string_equal(title, "?[2Jboo");
	memset(head->title, 'y', sizeof(head->title)); /* no end: cut */
	plx_table_title(&f->table, title);
	assert_int_equal(strlen(title), 31);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_the_owner_stores_a_stranger_reads_by_its_label),
		T(rows_share_no_cache_line),
		T(a_block_too_small_is_refused),
		T(labels_that_do_not_fit_are_refused),
		T(a_lying_header_leads_nowhere),
		T(a_table_longer_than_its_block_is_refused),
		T(the_checker_names_what_is_wrong),
		T(labels_cannot_speak_to_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

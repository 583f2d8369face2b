/*
 * test_made.c - a segment or a table whose maker dies, at whatever instruction, is none or whole.
 *
 * The magic is stored last. So at each instruction a stranger who looks finds "no magic", or everything there is to find.
 */
#include <errno.h>
#include <string.h>

#include <plx/segment.h>
#include <plx/table.h>

#include "tests/support/step.h"
#include "tests/support/support.h"

#define SIZE 8192

enum what { SEGMENT, TABLE, WHATS };

static struct step_count counts[WHATS] = {
	[SEGMENT] = { .name = "format a segment" },
	[TABLE] = { .name = "lay out a table" },
};

struct made {
	struct plx_segment seg;
	struct plx_table table;
	unsigned char *at;
	int ret;
	bool whole; /* it was so before: then it stays so */
};

static const struct plx_block blocks[] = {
	{ .name = "first", .size = 100 },
	{ .name = "second", .size = 1000, .align = 128 },
	{ .name = "third", .size = 1 },
};

static const struct plx_column columns[] = {
	{ "messages", PLX_COLUMN_COUNT, NULL },
	{ "state", PLX_COLUMN_STATE, "idle|busy" },
	{ "pid", PLX_COLUMN_PID, NULL },
};

static void call_format(void *arg)
{
	struct made *m = arg;

	m->ret = plx_segment_format(&m->seg, PLX_KIND_USER, 3, "made here", blocks, COUNT_OF(blocks));
}

static void call_table(void *arg)
{
	struct made *m = arg;

	m->ret = plx_table_init(&m->table, m->at, SIZE, "worker", columns, COUNT_OF(columns), 4);
}

static const char *look_at_segment(void *arg)
{
	const struct made *m = arg;
	struct plx_segment_info info;
	const char *why = NULL;
	uint64_t size;
	int ret = plx_segment_info(&m->seg, &info);

	if (ret < 0)
		return ret == -EPROTO ? NULL : "there is a magic, and yet it is not whole";
	if (plx_segment_check(&m->seg, &why) < 0)
		return why;
	if (info.kind != PLX_KIND_USER || info.version != 3 || info.blocks != 3 ||
	    strcmp(info.name, "made here"))
		return "there is a magic, and yet something is missing";
	for (size_t i = 0; i < COUNT_OF(blocks); i++) {
		if (!plx_segment_block(&m->seg, blocks[i].name, &size) || size != blocks[i].size)
			return "there is a magic, and yet a block is missing";
	}
	return NULL;
}

static const char *look_at_table(void *arg)
{
	const struct made *m = arg;
	struct plx_table t;
	const char *why = NULL;
	char title[32], name[16], states[48];
	int ret = plx_table_attach(&t, m->at, SIZE);

	if (ret < 0)
		return ret == -EPROTO ? NULL : "there is a magic, and yet it is not whole";
	if (plx_table_check(&t, &why) < 0)
		return why;
	plx_table_title(&t, title);
	if (strcmp(title, "worker") || t.rows != 4 || t.columns != COUNT_OF(columns))
		return "there is a magic, and yet something is missing";
	for (uint32_t i = 0; i < t.columns; i++) {
		if (plx_table_column(&t, i, name, states) != (int)columns[i].kind ||
		    strcmp(name, columns[i].name))
			return "there is a magic, and yet a label is missing";
		for (uint32_t row = 0; row < t.rows; row++) {
			if (plx_table_get(&t, row, i) != 0)
				return "a cell is not 0";
		}
	}
	return NULL;
}

static void step(enum what what, void (*call)(void *), const char *(*look)(void *))
{
	struct stepper *st = step_open(SIZE, sizeof(struct made));
	struct made *m = step_rest(st);
	struct step_op op = { .call = call, .died = look, .arg = m };
	const char *wrong;

	memset(step_shared(st), 0, SIZE);
	m->at = step_shared(st);
	m->seg = (struct plx_segment){ m->at, SIZE, -1, PLX_BACKEND_HEAP, 1 };
	wrong = step_run(st, &op, &counts[what]);
	if (wrong)
		fail_msg("%s: %s", counts[what].name, wrong);
	assert_int_equal(m->ret, 0);
	assert_null(look(m));
	step_close(st);
}

static void a_segment_is_none_or_whole(void **state)
{
	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	step(SEGMENT, call_format, look_at_segment);
}

static void a_table_is_none_or_whole(void **state)
{
	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	step(TABLE, call_table, look_at_table);
	assert_int_equal(step_report("made", counts, WHATS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_none_or_whole),
		cmocka_unit_test(a_table_is_none_or_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

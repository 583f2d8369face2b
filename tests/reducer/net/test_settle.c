/*
 * test_settle.c - before nodes go to another worker their variables are followed, all of them: what is left is a message each.
 */
#include "reducer/net/cells.h"
#include "reducer/net/settle.h"
#include "tests/support/support.h"

#define DEPTH 13u /* as many leaves as bitonic's trees have */
#define NODES (1u << DEPTH)

static struct arena arena;

static struct worker *open_with_cells(uint64_t nodes, uint64_t vars)
{
	struct worker *w;

	assert_int_equal(arena_open(&arena, "settle", 1, 1, 8, 64u << 20), 0);
	w = worker_open(&arena, 0, -1);
	assert_non_null(w);
	w->want.nodes = nodes;
	w->want.vars = vars;
	worker_prepare(w);
	assert_false(w->failed);
	return w;
}

static port behind_a_variable(struct worker *w, port p)
{
	const port var = cells_new_var(&w->hot);

	*cells_var(&w->hot, var) = p;
	return var;
}

static port tree(struct worker *w, uint32_t depth)
{
	port a = PORT_ERA, b = PORT_ERA;

	if (depth > 1) {
		a = tree(w, depth - 1);
		b = tree(w, depth - 1);
	}
	a = behind_a_variable(w, a);
	return cells_new_node(&w->hot, a, behind_a_variable(w, b)) | TAG_CON;
}

static uint32_t variables_in(const struct worker *w, port p)
{
	if (port_tag(p) == TAG_VAR)
		return 1;
	if (!port_is_node(p))
		return 0;
	return variables_in(w, cells_node(&w->hot, p)->a) + variables_in(w, cells_node(&w->hot, p)->b);
}

static void a_large_tree_is_settled_in_one_batch(void **state)
{
	struct worker *w = open_with_cells(NODES, 2 * NODES);
	const port root = tree(w, DEPTH);

	(void)state;
	w->credit = SETTLE_CREDIT_MAX;
	settle_tree(w, root);
	assert_int_equal(variables_in(w, root), 0);
	worker_close(w);
	arena_close(&arena);
}

static void settling_stops_when_credit_does(void **state)
{
	struct worker *w = open_with_cells(NODES, 2 * NODES);
	const port root = tree(w, 8);

	(void)state;
	w->credit = 10;
	settle_tree(w, root);
	assert_int_equal(w->credit, 0);
	assert_int_not_equal(variables_in(w, root), 0);
	worker_close(w);
	arena_close(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_tree_is_settled_in_one_batch),
		cmocka_unit_test(settling_stops_when_credit_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

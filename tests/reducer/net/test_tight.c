/*
 * test_tight.c - hardly enough memory, and rings of eight messages: a program ends, in its normal form or in one clean error; it
 * never hangs.
 *
 * For each program the least memory with which it ends is looked for; then it gets a tenth more. How much it takes varies from run to
 * run among several workers, so both ends are right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/reducer/support/nets.h"
#include "tests/support/support.h"

#define LEAST (1ull << 20)
#define MOST  (256ull << 20)

/* A tree of 2^16 leaves, which is its own normal form. */
static const char tree[] = "@main = r & @tree ~ (16 r)\n@tree = (?((1 @tree-more) r) r)\n"
			   "@tree-more = ({a b} (x y)) & @tree ~ (a x) & @tree ~ (b y)\n";

struct way {
	const struct book *book;
	const char *text; /* what it comes to */
	uint32_t workers;
	bool scatter;
};

/* Return: did it come to its normal form? If not there was no memory: nothing else is right. */
static bool ends_with(const struct way *way, uint64_t memory)
{
	struct net_options options = nets_options(way->workers, 8, false);
	struct net_result result;
	struct net *net;
	char *text;
	int ret;

	options.memory_max = memory;
	options.scatter = way->scatter;
	ret = net_open(&net, &options);
	if (ret < 0) { /* not even the arena */
		assert_true(ret == -ENOMEM || ret == -ENOSPC);
		return false;
	}
	ret = net_start(net, way->book, NULL);
	if (ret < 0) {
		assert_int_equal(ret, -ENOMEM);
		net_close(net);
		return false;
	}
	ret = net_wait(net, 30000000000u, &result);
	if (ret < 0)
		fail_msg("%u workers, %llu bytes: it hangs", way->workers, (unsigned long long)memory);
	if (result.status == NET_DONE) {
		text = nets_text(net);
		assert_string_equal(text, way->text);
		free(text);
	} else {
		assert_int_equal(result.status, NET_MEMORY);
		assert_non_null(strstr(result.error, "out of memory"));
	}
	net_close(net);
	return result.status == NET_DONE;
}

static uint64_t least(const struct way *way)
{
	uint64_t lo = LEAST, hi = MOST;

	assert_true(ends_with(way, hi));
	while (hi - lo > lo / 32) {
		const uint64_t middle = lo + (hi - lo) / 2;

		if (ends_with(way, middle))
			hi = middle;
		else
			lo = middle;
	}
	return hi;
}

static void try_program(const char *program)
{
	struct book *book = nets_book(program, strlen(program));
	struct net_options options = nets_options(1, 0, false);
	struct net_result result;
	struct net *net;
	char *text;

	assert_int_equal(net_open(&net, &options), 0);
	text = nets_run(net, book, NULL, &result);
	assert_non_null(text);
	net_close(net);
	for (uint32_t workers = 1; workers <= 3; workers++)
		for (int scatter = 0; scatter <= (workers > 1); scatter++) {
			const struct way way = { book, text, workers, scatter };
			const uint64_t memory = least(&way);
			uint32_t ended = 0;

			for (int i = 0; i < 4; i++)
				ended += ends_with(&way, memory + memory / 10);
			printf("%u workers%s: %.2f MiB are enough; with a tenth more %u of 4 came to the "
			       "end\n",
			       workers, scatter ? ", scattered" : "", (double)memory / 1048576.0, ended);
			assert_true(workers > 1 || ended == 4);
		}
	free(text);
	free(book);
}

static void a_tree_in_hardly_enough_memory(void **state)
{
	(void)state;
	try_program(tree);
}

static void a_sum_in_hardly_enough_memory(void **state)
{
	char *wide = nets_wide(10);

	(void)state;
	try_program(wide);
	free(wide);
}

static void a_loop_in_hardly_enough_memory(void **state)
{
	char *loop = nets_loop(3000);

	(void)state;
	try_program(loop);
	free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_in_hardly_enough_memory),
		cmocka_unit_test(a_sum_in_hardly_enough_memory),
		cmocka_unit_test(a_loop_in_hardly_enough_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

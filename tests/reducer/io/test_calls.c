/* test_calls.c - what a program can do to files, and what it is told when it does it wrong. Timeout: 120 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/reducer/io/program.h"

#define OK(value)    "((0 (" value " a)) a)"
#define ERRNO(value) "((1 (((2 (" value " a)) a) b)) b)"
#define TYPE         "((1 (((0 a) a) b)) b)"
#define NAME         "((1 (((1 a) a) b)) b)"

static void without_io_the_program_that_asks_is_printed(void **state)
{
	static const char *const texts[] = { "GET_TIME" };
	char *program = io_program("@main = r & @call ~ ($1 (* (@end r)))", texts);
	struct net_options options = nets_options(1, 8, false);
	struct book *book = nets_book(program, strlen(program));
	struct net_result result;
	struct net *net;
	char *text;

	(void)state;
	assert_int_equal(net_open(&net, &options), 0);
	text = nets_run(net, book, NULL, &result);
	assert_non_null(strstr(text, "13683217"));
	assert_int_equal(strncmp(text, "((1 (", 5), 0);
	free(text);
	net_close(net);
	free(book);
	free(program);
}

static void what_is_written_is_in_the_file_and_read_again(void **state)
{
	char *directory = make_directory(), path[256], back[64];
	const char *texts[] = { "OPEN", path, "w+", "WRITE", "hello", "SEEK", "READ", "CLOSE" };
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", directory);
	/* open, write, seek to 1, read 3, close; the end is what was read */
	io_wants("@main = r & @call ~ ($1 (($2 $3) (@opened r)))\n"
		 "@opened = (((* ({f {g {h k}}} x)) x) r)\n"
		 "  & @call ~ ($4 ((f $5) ((* s) r)))\n"
		 "  & @call ~ ($6 ((g (1 0)) ((* t) s)))\n"
		 "  & @call ~ ($7 ((h 3) ((got u) t)))\n"
		 "  & @call ~ ($8 (k ((* v) u)))\n"
		 "  & @done ~ (got v)\n",
		 texts, "((0 (((1 (101 (((1 (108 (((1 (108 (((0 a) a) b))) b) c))) c) d))) d) e)) e)");
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), 5);
	close(fd);
	assert_memory_equal(back, "hello", 5);
	drop_directory(directory);
}

static void reading_ends_where_the_file_ends(void **state)
{
	char *directory = make_directory(), path[256];
	const char *texts[] = { "OPEN", path, "r", "READ" };
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "ab", 2), 2);
	close(fd);
	io_wants("@main = r & @call ~ ($1 (($2 $3) (@opened r)))\n"
		 "@opened = (((* (fd x)) x) r) & @call ~ ($4 ((fd 1000) (@end r)))\n",
		 texts, "((0 (((1 (97 (((1 (98 (((0 a) a) b))) b) c))) c) d)) d)");
	drop_directory(directory);
}

struct wrong {
	const char *name, *argument, *answer;
};

static void what_cannot_be_done_is_told(void **state)
{
	static const struct wrong wrongs[] = {
		{ "READ", "(99 1)", ERRNO("+9") },
		{ "WRITE", "(3 $2)", ERRNO("+9") },
		{ "CLOSE", "7", ERRNO("+9") },
		{ "FLUSH", "1023", ERRNO("+9") },
		{ "FLUSH", "1024", ERRNO("+9") },
		{ "SEEK", "(99 (0 0))", ERRNO("+9") },
		{ "OPEN", "($3 $4)", ERRNO("+2") },
		{ "OPEN", "($3 $2)", ERRNO("+22") },
		{ "TAKE", "$3", ERRNO("+22") }, /* a name with // at its front is no topic */
		{ "READ", "1", TYPE },
		{ "READ", "(1 *)", TYPE },
		{ "READ", "((1 2) 3)", TYPE },
		{ "READ", "((x x) 3)", TYPE },
		{ "READ", "@nobody", TYPE },
		{ "WRITE", "(1 2)", TYPE },
		{ "WRITE", "(* $2)", TYPE },
		{ "WRITE", "((x (y (x y))) $2)", TYPE },
		{ "WRITE", "(1 ((1 (* ((0 a) a))) *))", TYPE },
		{ "OPEN", "123", TYPE },
		{ "OPEN", "($2 5)", TYPE },
		{ "OPEN", "(5 $2)", TYPE },
		{ "SEEK", "(1 (2 3))", TYPE },
		{ "SLEEP", "*", TYPE },
		{ "TAKE", "{1 2}", TYPE },
		{ "PUBLISH", "$2", TYPE },
		{ "ASYNC", "5", TYPE },
		{ "ASYNC", "($2 (1 {2 3}))", NAME },
		{ "DL_OPEN", "($2 (x x))", NAME },
		{ "", "$2", NAME },
		{ "READX", "(0 1)", NAME },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const char *texts[] = { wrongs[i].name, "x", "//no/such/folder/file", "r" };
		char body[256];

		snprintf(body, sizeof(body), "@main = r & @call ~ ($1 (%s (@end r)))\n@nobody = (* *)\n",
			 wrongs[i].argument);
		io_wants(body, texts, wrongs[i].answer);
	}
}

/* What the argument shares with the continuation is cut, not left hanging. */
static void wires_from_the_argument_to_the_continuation_are_cut(void **state)
{
	static const char *const texts[] = { "READ" };

	(void)state;
	io_wants("@main = r & @call ~ ($1 ((x *) (k r))) & @c ~ (x k)\n"
		 "@c = (x (e r)) & @done ~ ((e x) r)\n",
		 texts, "(((1 (((0 a) a) b)) b) *)");
}

static void a_name_that_is_no_text_is_an_unknown_name(void **state)
{
	(void)state;
	io_wants("@main = r & @call ~ (7 ((1 2) (@end r)))", NULL, NAME);
	io_wants("@main = r & @call ~ ((x x) (* (@end r)))", NULL, NAME);
}

static void a_program_that_asks_for_nothing_is_left_alone(void **state)
{
	static const char *const programs[] = {
		"@main = (x x)",
		"@main = 5",
		"@main = @x @x = (a a)",
		"@main = ((1 (2 a)) a)",
		"@main = ((1 ((13683217 5) (2 (3 (4 a))))) a)",
		"@main = ((@t (1 a)) a) @t = x & @u ~ x @u = 3",
		"@main = ((1 (@m (2 (3 (4 a))))) a) @m = (x y) & @n ~ (x y) @n = (1 2)",
		"@main = {a a}",
		"@main = *",
	};
	static const char *const results[] = {
		"(a a)",
		"5",
		"@x",
		"((1 (2 a)) a)",
		"((1 ((13683217 5) (2 (3 (4 a))))) a)",
		"((@t (1 a)) a)",
		"((1 (@m (2 (3 (4 a))))) a)",
		"{a a}",
		"*",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		for (uint32_t workers = 1; workers <= 2; workers++) {
			struct io_outcome o = io_outcome(workers, false, NULL, programs[i]);

			assert_int_equal(o.ret, 0);
			assert_string_equal(o.text, results[i]);
			assert_int_equal(o.stats.calls, 0);
			free(o.text);
		}
	}
}

/* A megabyte, written and read: no recursion, and every cell is accounted for. */
static void long_texts_go_through(void **state)
{
	char *directory = make_directory(), path[256];
	const char *texts[] = { "OPEN", path, "r", "READ", "WRITE", "/dev/null", "w" };
	struct stat st;
	char *program, *bytes = malloc(1 << 20);
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", directory);
	memset(bytes, 'x', 1 << 20);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, bytes, 1 << 20), 1 << 20);
	close(fd);
	/* read it all and write it to a second file that is opened first, as 3 */
	snprintf(bytes, 256, "%s/copy", directory);
	texts[5] = bytes;
	program = io_program("@main = r\n"
			     "  & @call ~ ($1 (($6 $7) ((* s) r)))\n"
			     "  & @call ~ ($1 (($2 $3) ((* t) s)))\n"
			     "  & @call ~ ($4 ((4 2000000) (@read t)))\n"
			     "@read = (((* (list x)) x) r) & @call ~ ($5 ((3 list) (@end r)))\n",
			     texts);
	for (uint32_t workers = 1; workers <= 2; workers++) {
		struct io_outcome o = io_outcome(workers, false, NULL, program);

		assert_int_equal(o.ret, 0);
		assert_int_equal(o.result.status, NET_DONE);
		assert_int_equal(o.stats.calls, 4);
		free(o.text);
		assert_int_equal(stat(bytes, &st), 0);
		assert_int_equal(st.st_size, 1 << 20);
	}
	free(program);
	free(bytes);
	drop_directory(directory);
}

static void a_program_without_memory_for_what_it_reads_ends_with_that(void **state)
{
	static const char *const texts[] = { "OPEN", "/dev/zero", "r", "READ" };
	const struct net_limits limits = { .memory = 32 << 20, .expand = NET_EXPAND_NEVER };
	char *program = io_program("@main = r\n"
				   "  & @call ~ ($1 (($2 $3) ((* s) r)))\n"
				   "  & @call ~ ($4 ((3 4000000) (@end s)))\n",
				   texts);
	struct io_outcome o = io_outcome(2, false, &limits, program);

	(void)state;
	assert_true((o.ret == 0 && o.result.status == NET_MEMORY) || o.ret == -ENOMEM);
	free(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_io_the_program_that_asks_is_printed),
		cmocka_unit_test(what_is_written_is_in_the_file_and_read_again),
		cmocka_unit_test(reading_ends_where_the_file_ends),
		cmocka_unit_test(what_cannot_be_done_is_told),
		cmocka_unit_test(wires_from_the_argument_to_the_continuation_are_cut),
		cmocka_unit_test(a_name_that_is_no_text_is_an_unknown_name),
		cmocka_unit_test(a_program_that_asks_for_nothing_is_left_alone),
		cmocka_unit_test(long_texts_go_through),
		cmocka_unit_test(a_program_without_memory_for_what_it_reads_ends_with_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

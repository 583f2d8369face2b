/*
 * test_save.c - a net that is saved in the middle of its reduction and goes on somewhere else: with as many workers or others, from
 * any batch on, in workers that share this process and in real ones; and files that are not what they should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reducer/net/batch.h"
#include "reducer/net/check.h"
#include "reducer/net/link.h"
#include "reducer/net/load.h"
#include "reducer/net/save.h"
#include "tests/reducer/support/arenas.h"
#include "tests/reducer/support/cases.h"
#include "tests/reducer/support/nets.h"
#include "tests/reducer/support/random.h"
#include "tests/support/support.h"

#define WORKERS 4u
#define GAS     5000u

/* ---- workers that take turns in this process ---------------------------------------------------------- */

static void make(struct arena *arena, uint32_t workers, uint32_t tick, const struct book *book)
{
	assert_int_equal(arena_open(arena, "save", workers, workers, 8, 64u << 20), 0);
	arena->control->tick = tick;
	arena->control->scatter = 1;
	arenas_load(arena, book);
}

static uint64_t roll(uint64_t *seed, uint64_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*seed >> 33) % below;
}

static void open_all(struct worker **w, struct arena *arena)
{
	for (uint32_t i = 0; i < arena->n; i++) {
		w[i] = worker_open(arena, i, -1);
		assert_non_null(w[i]);
		w[i]->alone_in_process = true;
	}
}

/* As at the end of a batch. */
static void commit(struct worker *w)
{
	worker_account(w);
	batch_commit(w);
}

static void close_all(struct worker **w, const struct arena *arena)
{
	for (uint32_t i = 0; i < arena->n; i++)
		worker_close(w[i]);
}

static void must_be(const struct arena *arena, const struct outcome *outcome)
{
	const char *wrong = arenas_answer(arena, outcome);

	if (wrong)
		fail_msg("%s", wrong);
}

/* What net_save() does while all stand still, without a supervisor. */
static int file_of(const struct arena *arena, const char *path)
{
	struct saved_head head = {
		.magic = SAVED_MAGIC,
		.version = SAVED_VERSION,
		.parts = arena->n,
		.size = sizeof(head) + save_size(arena),
		.book_size = (arena_book(arena)->size + 7) & ~UINT64_C(7),
		.cells = arena->cells,
		.stride_shift = arena->shift,
		.orders = 1,
		.root = arena->control->root,
	};
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *memory = malloc(head.size);
	int ret;

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, sizeof(head), SEEK_SET), sizeof(head));
	for (uint32_t i = 0; i < arena->n; i++)
		head.interactions += arena_record(arena, i)->interactions;
	ret = save_arena(arena, memory, -1);
	if (ret == 0)
		ret = save_finish(fd, memory, &head, path, path);
	free(memory);
	close(fd);
	return ret;
}

/* Some turns; then into a file, and from there into an arena of so many workers. Return: is it over? */
static bool some_turns_and_move(struct arena *arena, uint32_t to, uint32_t tick, uint64_t *seed,
				const char *path)
{
	struct worker *w[WORKERS];
	struct load load;
	const char *why;

	open_all(w, arena);
	for (uint64_t turns = 1 + roll(seed, 24); turns > 0 && !arenas_over(arena); turns--)
		worker_turn(w[roll(seed, arena->n)]);
	/* whoever has not begun: it would have by the time everybody stands still */
	while (!arenas_over(arena) && arena_record(arena, 0)->job == 0)
		worker_turn(w[0]);
	if (arenas_over(arena)) {
		close_all(w, arena);
		return true;
	}
	for (uint32_t i = 0; i < arena->n; i++)
		commit(w[i]);
	assert_int_equal(file_of(arena, path), 0);
	close_all(w, arena);
	if (load_open(&load, path, &why) < 0)
		fail_msg("%s", why);
	assert_int_equal(truncate(path, 0), 0); /* whatever becomes of the file now */
	arena_close(arena);
	make(arena, to, tick, load.book);
	if (load_arena(&load, arena, &why) < 0)
		fail_msg("%s", why);
	load_close(&load);
	return false;
}

static void a_net_may_move_after_any_batch(void **state)
{
	char *folder = make_directory(), path[200];
	uint64_t random = 1, seed = 1;
	uint32_t moves = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/net", folder);
	for (uint32_t i = 0; i < LONG_LOOP(120); i++) {
		struct outcome outcome;
		char *program = random_terminating(&random, 10 + (uint32_t)roll(&seed, 60), GAS, &outcome);
		struct book *book = nets_book(program, strlen(program));
		uint32_t tick = 1 + (uint32_t)roll(&seed, 6);
		struct arena arena;

		make(&arena, 1 + i % WORKERS, tick, book);
		arena.control->first = arena.control->job = 1;
		while (!some_turns_and_move(&arena, 1 + (uint32_t)roll(&seed, WORKERS), tick, &seed, path))
			moves++;
		must_be(&arena, &outcome);
		arena_close(&arena);
		random_outcome_free(&outcome);
		free(book);
		free(program);
	}
	printf("%u moves\n", moves);
	assert_true(moves > 100 || LONG_LOOP(120) < 120);
	drop_directory(folder);
}

/* ---- processes ---------------------------------------------------------------------------------------- */

struct answer {
	char *text;
	uint64_t interactions;
};

static struct answer answer_to(const struct book *book, enum net_expand expand)
{
	struct net_options options = nets_options(1, 0, false);
	const struct net_limits limits = { .expand = expand };
	struct net_result result;
	struct answer answer;
	struct net *net;

	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	answer.text = nets_run(net, book, &limits, &result);
	assert_non_null(answer.text);
	answer.interactions = result.interactions;
	net_close(net);
	return answer;
}

/* Wait, save; go on from there with other workers; wait, save, ... until it has ended. Return: how many times. */
static uint32_t by_instalments(const struct book *book, enum net_expand expand, bool scatter, unsigned *seed,
			       const struct answer *answer)
{
	const struct net_limits limits = { .expand = expand };
	char *folder = make_directory(), path[200];
	uint32_t saves = 0;

	snprintf(path, sizeof(path), "%s/net", folder);
	for (bool over = false; !over;) {
		struct net_options options = nets_options(1 + (uint32_t)rand_r(seed) % 4, 0, false);
		struct net_result result;
		const char *why;
		struct net *net;
		int ret;

		options.threads = false;
		options.scatter = scatter;
		options.tick = scatter ? 16 : 0;
		assert_int_equal(net_open(&net, &options), 0);
		if (saves == 0)
			assert_int_equal(net_start(net, book, &limits), 0);
		else if (net_resume(net, path, NULL, &why) < 0)
			fail_msg("%s", why);
		ret = net_wait(net, (uint64_t)rand_r(seed) % 4000000, &result);
		if (ret == -ETIMEDOUT) {
			ret = net_save(net, path);
			if (ret == 0) {
				struct net_saved saved;

				assert_int_equal(net_saved(net, UINT64_MAX, &saved), 0);
				saves++;
			} else {
				assert_int_equal(ret, -EALREADY);
				ret = net_wait(net, 60000000000u, &result);
				over = true;
			}
		} else {
			over = true;
		}
		assert_int_equal(ret, 0);
		if (over) {
			char *text;

			if (result.status != NET_DONE)
				fail_msg("%s", result.error);
			if (net_check(net, &why) < 0)
				fail_msg("%s", why);
			text = nets_text(net);
			assert_string_equal(text, answer->text);
			assert_int_equal(result.interactions, answer->interactions);
			free(text);
		}
		net_close(net);
	}
	drop_directory(folder);
	return saves;
}

static void several_times(const char *program, enum net_expand expand, bool scatter, uint32_t times)
{
	struct book *book = nets_book(program, strlen(program));
	struct answer answer = answer_to(book, expand);
	uint32_t saves = 0;
	unsigned seed = 1;

	for (uint32_t i = 0; i < times || (saves == 0 && i < 50); i++)
		saves += by_instalments(book, expand, scatter, &seed, &answer);
	printf("%u checkpoints\n", saves);
	assert_true(saves > 0);
	free(answer.text);
	free(book);
}

static void a_reduction_by_instalments_is_the_same(void **state)
{
	char *wide = nets_wide(19), *loop = nets_loop(300000);

	(void)state;
	several_times(wide, NET_EXPAND_NEVER, false, 3);
	several_times(loop, NET_EXPAND_NEVER, false, 3);
	free(wide);
	free(loop);
	wide = nets_wide(13);
	several_times(wide, NET_EXPAND_NEVER, true, 3);
	free(wide);
}

/* Its first normal form is full of references, which are called in a second round and a third. */
static void also_while_a_normal_form_is_expanded(void **state)
{
	char *program = NULL;

	(void)state;
	assert_true(
		asprintf(
			&program,
			"@main = (@go @go)\n@go = (@a @b)\n@a = r & @wide ~ (17 r)\n@b = r & @wide ~ (18 r)\n"
			"@wide = (?((1 @wide-more) r) r)\n"
			"@wide-more = ({a b} r) & @wide ~ (a $([+] $(x r))) & @wide ~ (b x)\n") > 0);
	several_times(program, NET_EXPAND_ALWAYS, false, 3);
	free(program);
}

/* Killed, and then killed while they pause or are about to. */
static void workers_may_die_around_a_checkpoint(void **state)
{
	char *wide = nets_wide(19), *folder = make_directory(), path[200];
	struct book *book = nets_book(wide, strlen(wide));
	struct answer answer = answer_to(book, NET_EXPAND_NEVER);
	struct net_options options = nets_options(3, 0, false);
	uint32_t saves = 0, deaths = 0;
	unsigned seed = 1;

	(void)state;
	options.threads = false;
	snprintf(path, sizeof(path), "%s/net", folder);
	for (uint32_t i = 0; i < LONG_LOOP(10) / 2 + 1; i++) {
		struct net_result result;
		const char *why = NULL;
		struct net *net;
		char *text;
		int ret;

		assert_int_equal(net_open(&net, &options), 0);
		assert_int_equal(net_start(net, book, NULL), 0);
		while ((ret = net_wait(net, (uint64_t)rand_r(&seed) % 2000000, &result)) == -ETIMEDOUT) {
			struct net_worker_stats stats;

			assert_int_equal(net_worker(net, (uint32_t)rand_r(&seed) % 3, &stats), 0);
			kill(stats.pid, SIGKILL);
			ret = net_save(net, path);
			saves += ret == 0;
			assert_true(ret == 0 || ret == -EALREADY || ret == -EBUSY);
			assert_true(net_saved(net, ret == 0 ? UINT64_MAX : 0, NULL) <= 0);
		}
		assert_int_equal(ret, 0);
		deaths += result.deaths;
		if (result.status != NET_DONE || net_check(net, &why) < 0)
			fail_msg("%s%s", result.error, why ? why : "");
		text = nets_text(net);
		assert_string_equal(text, answer.text);
		assert_int_equal(result.interactions, answer.interactions);
		free(text);
		/* and what was saved last comes to the same */
		if (access(path, F_OK) == 0) {
			ret = net_resume(net, path, NULL, &why);
			assert_int_equal(ret, 0);
			assert_int_equal(net_wait(net, 60000000000u, &result), 0);
			assert_int_equal(result.interactions, answer.interactions);
			text = nets_text(net);
			assert_string_equal(text, answer.text);
			free(text);
		}
		net_close(net);
	}
	printf("%u checkpoints, %u deaths\n", saves, deaths);
	assert_true(deaths > 0);
	free(answer.text);
	free(book);
	free(wide);
	drop_directory(folder);
}

/* ---- files ---------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void what_is_not_whole_is_refused(void **state)
{
	char *folder = make_directory(), path[200];
	const char *program = "@main = r & @wide ~ (6 r)\n@wide = (?((1 @wide-more) r) r)\n"
			      "@wide-more = ({a b} r) & @wide ~ (a $([+] $(x r))) & @wide ~ (b x)\n";
	struct book *book = nets_book(program, strlen(program));
	struct worker *w[WORKERS];
	struct arena arena;
	struct load load;
	const char *why;
	struct stat st;
	unsigned char *good, *bad;
	uint64_t seed = 1;
	int fd, refused[2] = { 0, 0 };

	(void)state;
	snprintf(path, sizeof(path), "%s/net", folder);
	make(&arena, 2, 4, book);
	arena.control->first = arena.control->job = 1;
	open_all(w, &arena);
	for (int i = 0; i < 40; i++)
		worker_turn(w[i & 1]);
	for (uint32_t i = 0; i < arena.n; i++)
		commit(w[i]);
	assert_int_equal(file_of(&arena, path), 0);
	close_all(w, &arena);
	arena_close(&arena);
	fd = open(path, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	good = malloc((size_t)st.st_size);
	bad = malloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, good, (size_t)st.st_size), st.st_size);
	close(fd);

	assert_int_equal(load_open(&load, folder, &why), -EISDIR);
	write_file(path, "", 0);
	assert_int_equal(load_open(&load, path, &why), -EPROTO);
	write_file(path, program, strlen(program));
	assert_int_equal(load_open(&load, path, &why), -EPROTO);
	assert_string_equal(why, "it is no checkpoint of a reduction");
	memcpy(bad, good, (size_t)st.st_size);
	bad[offsetof(struct saved_head, version)]++;
	write_file(path, bad, (size_t)st.st_size);
	assert_int_equal(load_open(&load, path, &why), -ENOTSUP);
	for (off_t size = 1; size < st.st_size; size += 1 + st.st_size / 200) {
		write_file(path, good, (size_t)size);
		assert_true(load_open(&load, path, &why) < 0);
		assert_non_null(why);
	}
	memcpy(bad, good, (size_t)st.st_size);
	write_file(path, bad, (size_t)st.st_size + 1);
	assert_int_equal(load_open(&load, path, &why), -ERANGE);
	for (int i = 0; i < 500; i++) { /* one bit */
		memcpy(bad, good, (size_t)st.st_size);
		bad[roll(&seed, (uint64_t)st.st_size)] ^= (unsigned char)(1u << roll(&seed, 8));
		write_file(path, bad, (size_t)st.st_size);
		assert_true(load_open(&load, path, &why) < 0);
		assert_non_null(why);
	}
	/* the same with a checksum that is right, as somebody may make it: no harm is done, whatever comes of it */
	for (int i = 0; i < LONG_LOOP(3000); i++) {
		memcpy(bad, good, (size_t)st.st_size);
		for (uint64_t k = roll(&seed, 3); k < 3; k++)
			bad[roll(&seed, 4) ? roll(&seed, (uint64_t)st.st_size) : roll(&seed, 128)] ^=
				(unsigned char)(1u << roll(&seed, 8));
		save_hash(bad, (uint64_t)st.st_size, bad + offsetof(struct saved_head, hash));
		write_file(path, bad, (size_t)st.st_size);
		if (load_open(&load, path, &why) < 0) {
			refused[0]++;
			continue;
		}
		make(&arena, 1 + (uint32_t)roll(&seed, 3), 4, load.book);
		refused[1] += load_arena(&load, &arena, &why) < 0;
		load_close(&load);
		arena_close(&arena);
	}
	printf("forged: %d refused by what they say of themselves, %d by what is in them\n", refused[0],
	       refused[1]);
	assert_true(refused[0] > 0 && refused[1] > 0);
	free(good);
	free(bad);
	free(book);
	drop_directory(folder);
}

static void a_checkpoint_that_cannot_be_written_harms_nobody(void **state)
{
	char *wide = nets_wide(18), *folder = make_directory(), path[200], part[210];
	struct book *book = nets_book(wide, strlen(wide));
	struct answer answer = answer_to(book, NET_EXPAND_NEVER);
	struct net_options options = nets_options(2, 0, false);
	int fds = count_open_fds();
	struct net_result result;
	struct net *net;
	char *text;
	int fd;

	(void)state;
	options.threads = false;
	assert_int_equal(net_open(&net, &options), 0);
	assert_int_equal(net_save(net, path), -EINVAL); /* nothing runs */
	assert_int_equal(net_saved(net, 0, NULL), -ENOENT);
	assert_int_equal(net_start(net, book, NULL), 0);
	snprintf(path, sizeof(path), "%s/not/there", folder);
	assert_int_equal(net_save(net, path), -ENOENT);
	snprintf(path, sizeof(path), "%s/shared", folder);
	snprintf(part, sizeof(part), "%s.part", path);
	fd = save_open(part);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "another's", 9), 9);
	assert_int_equal(save_open(part), -EBUSY);
	assert_int_equal(net_save(net, path), -EBUSY);
	assert_int_equal(lseek(fd, 0, SEEK_END), 9); /* as it was */
	assert_int_equal(rename(part, path), 0);
	assert_int_equal(close(save_open(part)), 0); /* now it is not that one */
	assert_int_equal(lseek(fd, 0, SEEK_END), 9);
	close(fd);
	snprintf(path, sizeof(path), "%s/folder", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	if (net_save(net, path) == 0)
		assert_int_equal(net_saved(net, UINT64_MAX, NULL), -EISDIR);
	assert_int_equal(net_wait(net, 60000000000u, &result), 0);
	text = nets_text(net);
	assert_string_equal(text, answer.text);
	free(text);
	assert_int_equal(net_save(net, path), -EALREADY);
	net_close(net);
	assert_int_equal(count_open_fds(), fds);
	snprintf(path, sizeof(path), "%s/folder.part", folder);
	assert_int_equal(access(path, F_OK), -1);
	free(answer.text);
	free(book);
	free(wide);
	drop_directory(folder);
}

#define SHARED 4096u

/* Writes its letter into the checkpoint so many times, in turns with whoever else does. */
static void take_turns(const char *part, const char *path, char letter, uint32_t turns)
{
	char bytes[SHARED];

	memset(bytes, letter, sizeof(bytes));
	while (turns > 0) {
		const int fd = save_open(part);
		struct stat st;

		if (fd == -EBUSY)
			continue;
		if (fd < 0 || write(fd, bytes, SHARED) != SHARED || fstat(fd, &st) < 0 ||
		    st.st_size != SHARED || rename(part, path) < 0)
			_exit(1);
		close(fd);
		turns--;
	}
}

static void two_who_write_one_checkpoint_take_turns(void **state)
{
	const uint32_t turns = LONG_LOOP(3000);
	char *folder = make_directory(), path[200], part[210], bytes[SHARED + 1];
	pid_t pid[2];
	int status, done = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/net", folder);
	snprintf(part, sizeof(part), "%s.part", path);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			take_turns(part, path, (char)('a' + i), turns);
			_exit(0);
		}
	}
	while (done < 2) { /* whoever reads it meanwhile finds it whole */
		const int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			assert_int_equal(read(fd, bytes, sizeof(bytes)), SHARED);
			for (uint32_t i = 1; i < SHARED; i++)
				assert_int_equal(bytes[i], bytes[0]);
			close(fd);
		}
		while (done < 2 && waitpid(pid[done], &status, WNOHANG) == pid[done]) {
			assert_int_equal(status, 0);
			done++;
		}
	}
	drop_directory(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_net_may_move_after_any_batch),
		cmocka_unit_test(a_reduction_by_instalments_is_the_same),
		cmocka_unit_test(also_while_a_normal_form_is_expanded),
		cmocka_unit_test(workers_may_die_around_a_checkpoint),
		cmocka_unit_test(what_is_not_whole_is_refused),
		cmocka_unit_test(a_checkpoint_that_cannot_be_written_harms_nobody),
		cmocka_unit_test(two_who_write_one_checkpoint_take_turns),
	};

	/* thousands of files that are brought to the disk: let there be none */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

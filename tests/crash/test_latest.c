/*
 * test_latest.c - a blackboard's writer dies or sleeps at each instruction, and a reader finds the old value or the new one, whole; a
 * reader sleeps at each instruction of its copy, and never takes a mixture for a value.
 *
 * The states of writer and reader are those of the library, which nobody else sees: so its files are part of this one.
 */
#define key_at writer_key_at
#include "pattern/latest_writer.c"
#undef key_at
#include "pattern/latest_reader.c"

#include "tests/support/step.h"
#include "tests/support/support.h"

#define POINTS     30000
#define BOARD_MAX  8192u
#define BOARD_KEYS 3u
#define WORDS      5u

enum what { SET, COMMIT, KEY, COPY, WHATS };

static struct step_count counts[WHATS] = {
	[SET] = { .name = "set a value" },
	[COMMIT] = { .name = "write in place, commit" },
	[KEY] = { .name = "make a key" },
	[COPY] = { .name = "copy a value" },
};

struct board {
	unsigned char *at;
	struct plx_latest_writer writer;
	struct plx_latest_reader reader;
	uint64_t versions[BOARD_KEYS];
	uint64_t seed;
	/* the operation at hand */
	int key, ret, interlude;
	uint64_t before; /* version */
	uint64_t words[WORDS], got[WORDS];
	struct plx_latest_value value;
	char name[8];
};

static uint64_t roll(struct board *b, uint64_t below)
{
	b->seed = b->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (b->seed >> 33) % below;
}

/* ---- values: each says which it is -------------------------------------------------------------------- */

static uint64_t length_of(uint64_t version)
{
	return 8 * WORDS - version % 20;
}

static void fill(uint64_t *words, uint64_t version)
{
	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = version * 1000 + i;
}

static const char *whole(const struct board *b, uint64_t least, uint64_t most)
{
	uint64_t want[WORDS];

	fill(want, b->value.version);
	if (b->value.version < least || b->value.version > most)
		return "a version comes that is not the latest";
	if (b->value.length != length_of(b->value.version) || b->value.type != (uint32_t)b->value.version ||
	    memcmp(b->got, want, b->value.length))
		return "a value is a mixture";
	return NULL;
}

/* A stranger reads key @key: what must be there, one of these versions. */
static const char *read_key(struct board *b, uint32_t key, uint64_t least, uint64_t most)
{
	int ret = copy_once(&b->reader, key, b->got, sizeof(b->got), &b->value);

	if (ret == -ENODATA)
		return least ? "a value is gone" : NULL;
	return ret < 0 ? "nobody writes, and yet a value cannot be read" : whole(b, least, most);
}

static const char *read_all(struct board *b, uint64_t more)
{
	const struct plx_latest_head *head = (const struct plx_latest_head *)b->at;
	const char *wrong = NULL, *why;

	if (plx_latest_check(b->at, BOARD_MAX, &why) < 0)
		return why;
	for (uint32_t i = 0; i < head->count && !wrong; i++) {
		char name[16];

		snprintf(name, sizeof(name), "key%u", i);
		if (strcmp(key_at(b->at, i)->name, name))
			wrong = "a key has another name";
		else
			wrong = read_key(b, i, b->versions[i],
					 b->versions[i] + ((int)i == b->key ? more : 0));
	}
	return wrong;
}

/* ---- the operations ------------------------------------------------------------------------------------- */

static void call_set(void *arg)
{
	struct board *b = arg;

	b->ret = plx_latest_writer_set(&b->writer, b->key, b->words, length_of(b->before + 1),
				       (uint32_t)b->before + 1);
}

static void call_commit(void *arg)
{
	struct board *b = arg;
	uint64_t *to = plx_latest_writer_begin(&b->writer, b->key);

	for (uint64_t i = 0; i < WORDS; i++)
		plx_write_once(&to[i], b->words[i]);
	b->ret = plx_latest_writer_commit(&b->writer, b->key, length_of(b->before + 1),
					  (uint32_t)b->before + 1);
}

static void call_key(void *arg)
{
	struct board *b = arg;

	b->ret = plx_latest_writer_key(&b->writer, b->name);
}

static void call_copy(void *arg)
{
	struct board *b = arg;

	b->ret = copy_once(&b->reader, (uint32_t)b->key, b->got, sizeof(b->got), &b->value);
}

static void (*const calls[WHATS])(void *) = {
	[SET] = call_set, [COMMIT] = call_commit, [KEY] = call_key, [COPY] = call_copy
};

/* ---- the answers ----------------------------------------------------------------------------------------- */

/* The version the writer has stored in its own memory is ahead of the board for some instructions. */
static const char *writer_died(void *arg)
{
	struct board *b = arg;

	b->versions[b->key] = b->before;
	return read_all(b, 1);
}

static const char *others_read(void *arg)
{
	struct board *b = arg;
	uint64_t own = b->versions[b->key];
	const char *wrong;

	b->versions[b->key] = b->before;
	wrong = read_all(b, 1);
	b->versions[b->key] = own;
	return wrong;
}

static const char *all_is_there(void *arg)
{
	return read_all(arg, 0);
}

static void set_some(struct board *b, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t words[WORDS], version = b->versions[b->key] + 1;

		fill(words, version);
		assert_int_equal(plx_latest_writer_set(&b->writer, b->key, words, length_of(version),
						       (uint32_t)version),
				 0);
	}
}

/* The reader sleeps: the writer goes on, a little or much. */
static const char *writer_goes_on(void *arg)
{
	struct board *b = arg;

	set_some(b, b->interlude);
	return NULL;
}

static const char *copied(void *arg)
{
	struct board *b = arg;

	if (b->ret == -EAGAIN)
		return b->interlude ? NULL : "nobody disturbed it";
	if (b->ret < 0)
		return "copying said something odd";
	return whole(b, b->before, b->before + (uint64_t)b->interlude);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static struct board *put_up_board(struct stepper *st, uint32_t copies, uint64_t seed)
{
	struct board *b = step_rest(st);
	struct plx_latest_shape shape = { .keys = BOARD_KEYS, .copies = copies, .value_max = 8 * WORDS };
	struct plx_latest_head *head = step_shared(st);
	const char *why;

	memset(b, 0, sizeof(*b));
	memset(head, 0, BOARD_MAX);
	b->at = step_shared(st);
	b->seed = seed;
	plx_latest_settle(&shape);
	assert_in_range(shape.size, 1, BOARD_MAX);
	*head = (struct plx_latest_head){ .magic = PLX_LATEST_MAGIC,
					  .version = PLX_LATEST_VERSION,
					  .keys = shape.keys,
					  .copies = copies,
					  .value_max = shape.value_max,
					  .stride = shape.stride,
					  .size = shape.size };
	b->writer = (struct plx_latest_writer){ .board = b->at, .shape = shape, .versions = b->versions };
	b->reader = (struct plx_latest_reader){ .board = b->at, .alive = true };
	assert_int_equal(plx_latest_shape_read(&b->reader.shape, b->at, BOARD_MAX, &why), 0);
	assert_int_equal(plx_latest_writer_key(&b->writer, "key0"), 0);
	return b;
}

static const char *step_one(struct stepper *st, struct board *b, enum what what)
{
	struct step_op op = { calls[what], writer_died, others_read, all_is_there, b };

	b->key = (int)roll(b, b->writer.count);
	b->before = b->versions[b->key];
	b->interlude = (int)roll(b, 2 * b->writer.shape.copies);
	fill(b->words, b->before + 1);
	if (what == KEY && b->writer.count == BOARD_KEYS)
		return NULL;
	if (what == COPY && b->before == 0)
		return NULL;
	snprintf(b->name, sizeof(b->name), "key%u", b->writer.count);
	if (what == COPY) {
		op.died = NULL;
		op.paused = writer_goes_on;
		op.resumed = copied;
	}
	return step_run(st, &op, &counts[what]);
}

static void whoever_dies_or_sleeps_a_value_is_whole_and_the_latest(void **state)
{
	const char *text = getenv("CRASH_SEED"), *wrong = NULL;
	uint64_t seed = text && *text ? strtoull(text, NULL, 10) : 1;
	struct stepper *st;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	st = step_open(BOARD_MAX, sizeof(struct board));
	while (step_more(counts, WHATS, POINTS)) {
		struct board *b = put_up_board(st, 2u << seed % 3, seed * 2654435761u);

		for (int i = 0; i < 40 && !wrong; i++) {
			wrong = step_one(st, b, (enum what)roll(b, WHATS));
			if (!wrong && roll(b, 4) == 0) {
				b->key = (int)roll(b, b->writer.count);
				set_some(b, 1 + (int)roll(b, 3));
			}
		}
		if (wrong) {
			step_report("latest", counts, WHATS);
			fail_msg("CRASH_SEED=%llu: %s", (unsigned long long)seed, wrong);
		}
		seed++;
	}
	assert_int_equal(step_report("latest", counts, WHATS), 0);
	step_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_dies_or_sleeps_a_value_is_whole_and_the_latest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

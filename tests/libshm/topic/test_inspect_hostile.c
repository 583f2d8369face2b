/* test_inspect_hostile.c - no segment, damaged, lying, flickering or shrinking, can hurt who inspects it. */
#include "tests/libshm/topic/topic_made.h"

#include <errno.h>
#include <plx/table.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/sys.h"

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* A value somebody might not have thought of. */
static uint64_t nasty(void)
{
	static const uint64_t values[] = { 0,          1,
					   2,          63,
					   64,         65,
					   0x7fffffff, 0x80000000,
					   0xffffffff, 0x100000000,
					   INT64_MAX,  UINT64_C(1) << 63,
					   UINT64_MAX, UINT64_MAX - 63 };

	return rnd() % 4 == 0 ? rnd() : values[rnd() % COUNT_OF(values)];
}

/* Overwrite a piece of 1, 2, 4 or 8 bytes in the first @size. */
static void spoil(unsigned char *base, uint64_t size)
{
	uint64_t value = nasty(), width = UINT64_C(1) << (rnd() % 4);
	uint64_t at = rnd() % (size / width) * width;

	switch (width) {
	case 1: base[at] = (unsigned char)value; break;
	case 2: __atomic_store_n((uint16_t *)(void *)(base + at), (uint16_t)value, __ATOMIC_RELAXED); break;
	case 4: __atomic_store_n((uint32_t *)(void *)(base + at), (uint32_t)value, __ATOMIC_RELAXED); break;
	default: __atomic_store_n((uint64_t *)(void *)(base + at), value, __ATOMIC_RELAXED); break;
	}
}

/* Everything a tool does with a segment, but for judging it. */
static void look_all_over(const struct plx_segment *copy)
{
	struct plx_segment_info info;
	struct plx_topic_view topic;
	struct plx_link_view link;
	char name[16];
	uint64_t size, sum = 0;

	if (plx_segment_info(copy, &info) < 0)
		return;
	for (uint32_t i = 0; i < info.blocks; i++) {
		struct plx_table table;
		char title[32], states[48];
		const void *at = plx_segment_block_at(copy, i, name, &size);

		if (!at || plx_table_attach(&table, at, size) < 0)
			continue;
		plx_table_title(&table, title);
		for (uint32_t row = 0; row < table.rows; row++) {
			for (uint32_t column = 0; column < table.columns; column++) {
				sum += plx_table_get(&table, row, column);
				(void)!plx_table_column(&table, column, name, states);
			}
		}
	}
	if (plx_inspect_topic(copy, &topic) == 0) {
		assert_int_equal(strlen(topic.slot_state), topic.slots);
		assert_true(strlen(topic.topic) < sizeof(topic.topic));
		if (plx_inspect_link(copy, &link) == 0)
			plx_inspect_pins(&topic, &link);
	}
	plx_inspect_topic_free(&topic);
	if (plx_inspect_link(copy, &link) == 0)
		assert_true(link.pins <= link.slots);
	plx_inspect_link_free(&link);
	(void)sum;
}

/* The header, the head block, the log and the bitmaps of a topic; the words of a link; a table. */
static struct plx_segment make_net(void)
{
	const struct plx_column columns[] = { { "redexes", PLX_COLUMN_GAUGE, NULL },
					      { "state", PLX_COLUMN_STATE, "busy|idle" } };
	const struct plx_block blocks[] = { { "workers", plx_table_size(3, 2), 0 } };
	struct plx_segment seg;
	struct plx_table table;
	uint64_t size;
	void *block;

	assert_int_equal(
		plx_segment_create(&seg, "memfd", "net", plx_segment_need(blocks, 1), PLX_SEGMENT_INHERIT),
		0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_NET, 1, "net", blocks, 1), 0);
	block = plx_segment_block(&seg, "workers", &size);
	assert_int_equal(plx_table_init(&table, block, size, "worker", columns, 2, 3), 0);
	return seg;
}

static void spoil_and_look(struct plx_segment *seg, int rounds)
{
	static unsigned char sound[4096];
	const char *why = NULL;

	memcpy(sound, seg->base, sizeof(sound));
	for (int i = 0; i < rounds; i++) {
		struct plx_segment copy;

		memcpy(seg->base, sound, sizeof(sound));
		for (uint64_t n = rnd() % 4 + 1; n > 0; n--)
			spoil(seg->base, rnd() % 2 ? 1024 : sizeof(sound));
		copy = look_at(seg);
		look_all_over(&copy);
		if (i % 100 == 0 && plx_inspect_check(&copy, &why) < 0) /* slow when something is wrong */
			assert_non_null(why);
		plx_segment_close(&copy);
	}
	memcpy(seg->base, sound, sizeof(sound));
}

static void damaged_segments_are_survived(void **state)
{
	struct made made = make_topic("t", 16, 70);
	struct made_link link = make_link(&made);
	struct plx_segment net = make_net();

	(void)state;
	for (int i = 0; i < 30; i++)
		made_put(&made, 10);
	spoil_and_look(&made.seg, LONG_LOOP(3000));
	spoil_and_look(&link.seg, LONG_LOOP(2000));
	spoil_and_look(&net, LONG_LOOP(2000));
	plx_segment_close(&net);
	plx_segment_close(&link.seg);
	made_close(&made);
}

/* ---- somebody else writes while we look ---- */

static pid_t in_another_process(void (*run)(struct plx_segment *seg), struct plx_segment *seg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		seed += 12345;
		run(seg);
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it was at it until now */
}

/* Flip words between what they were and something nasty, for ever. */
static void flip(struct plx_segment *seg)
{
	uint64_t *words = seg->base, sound[512];

	memcpy(sound, words, sizeof(sound));
	for (uint64_t i = 0;; i++) {
		uint64_t at = rnd() % (i % 2 ? 128 : 512);

		__atomic_store_n(&words[at], nasty(), __ATOMIC_RELAXED);
		if (i % 2)
			__atomic_store_n(&words[at], sound[at], __ATOMIC_RELAXED);
		else if (i % 64 == 0)
			memcpy(words, sound, sizeof(sound));
	}
}

/* As above, but only where the geometry is, and most of the time it is sound. */
static void flip_geometry(struct plx_segment *seg)
{
	uint64_t *words = (uint64_t *)seg->base + 64, sound[8];

	memcpy(sound, words, sizeof(sound));
	for (;;) {
		uint64_t at = rnd() % 8;

		__atomic_store_n(&words[at], nasty(), __ATOMIC_RELAXED);
		__atomic_store_n(&words[at], sound[at], __ATOMIC_RELAXED);
	}
}

static void make_shorter_and_longer(struct plx_segment *seg)
{
	unsigned char sound[4096];

	if (pread(seg->fd, sound, sizeof(sound), 0) != sizeof(sound))
		_exit(0);
	for (;;) {
		uint64_t size = rnd() % 2 ? rnd() % seg->size : rnd() % sizeof(sound);

		if (ftruncate(seg->fd, (off_t)size) != 0 || ftruncate(seg->fd, (off_t)seg->size) != 0 ||
		    pwrite(seg->fd, sound, sizeof(sound), 0) != sizeof(sound))
			_exit(0);
	}
}

static void look_for_a_while(struct plx_segment *seg, int looks)
{
	const char *why = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", seg->fd);
	for (int i = 0; i < looks; i++) {
		struct plx_segment copy;
		struct plx_found_list list;

		if (plx_inspect_file(&copy, path) == 0) {
			look_all_over(&copy);
			if (i % 50 == 0 && plx_inspect_check(&copy, &why) < 0)
				assert_non_null(why);
			plx_segment_close(&copy);
		}
		if (i % 20 == 0) {
			assert_int_equal(plx_inspect_find(&list, getpid()), 0);
			assert_true(list.count >= 1);
			plx_inspect_free(&list);
		}
	}
}

static struct made make_inherited(uint32_t depth, uint32_t slots)
{
	struct made made = make_topic("t", depth, slots);

	/* the child may write too */
	assert_int_equal(madvise(made.seg.base, made.seg.size, MADV_DOFORK), 0);
	return made;
}

static void flickering_segments_are_survived(void **state)
{
	struct made made = make_inherited(16, 70);
	pid_t hostile;

	(void)state;
	for (int i = 0; i < 30; i++)
		made_put(&made, 10);
	hostile = in_another_process(flip, &made.seg);
	look_for_a_while(&made.seg, LONG_LOOP(3000));
	end(hostile);
	made_close(&made);

	made = make_inherited(16, 70);
	hostile = in_another_process(flip_geometry, &made.seg);
	look_for_a_while(&made.seg, LONG_LOOP(3000));
	end(hostile);
	made_close(&made);
}

static void a_segment_that_shrinks_while_we_look_is_survived(void **state)
{
	struct made made = make_topic("t", 16, 70);
	pid_t hostile;

	(void)state;
	plx_sys_unmap(made.seg.base, made.seg.size);
	made.seg.base = NULL;
	hostile = in_another_process(make_shorter_and_longer, &made.seg);
	look_for_a_while(&made.seg, LONG_LOOP(2000));
	end(hostile);
	made_close(&made);
}

/* The header says it is a topic, and only the header lies there: everything else is a hole. */
static void a_segment_of_absurd_size_costs_nothing(void **state)
{
	const struct plx_block blocks[] = { { PLX_TOPIC_BLOCK_HEAD, UINT64_C(1) << 35, 0 },
					    { PLX_TOPIC_BLOCK_LOG, UINT64_C(1) << 35, 0 },
					    { PLX_TOPIC_BLOCK_BITMAP, UINT64_C(1) << 35, 0 },
					    { PLX_TOPIC_BLOCK_SLOTS, UINT64_C(1) << 35, 0 } };
	struct plx_segment seg, copy;
	struct plx_topic_view view;
	const char *why = NULL;

	(void)state;
	assert_int_equal(
		plx_segment_create(&seg, "memfd", "vast", plx_segment_need(blocks, 4), PLX_SEGMENT_SPARSE),
		0);
	assert_int_equal(plx_segment_format(&seg, PLX_KIND_TOPIC, PLX_TOPIC_VERSION, "vast", blocks, 4), 0);
	copy = look_at(&seg);
	assert_int_equal(plx_inspect_topic(&copy, &view), -EBADMSG);
	assert_int_equal(plx_inspect_check(&copy, &why), -EBADMSG);
	plx_segment_close(&copy);
	plx_segment_close(&seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_segments_are_survived),
		cmocka_unit_test(flickering_segments_are_survived),
		cmocka_unit_test(a_segment_that_shrinks_while_we_look_is_survived),
		cmocka_unit_test(a_segment_of_absurd_size_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

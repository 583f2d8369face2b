/* test_workers_open.c - how pools begin and end, and which are none. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "work/partition_layout.h"
#include "work/workers_layout.h"

static void a_pool_whose_workers_do_not_start_does_not_open(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = (void *)page;
	int fds = count_open_fds();

	(void)state;
	page->fail_code = 78;
	page->fail_start = 99;
	assert_int_equal(plx_workers_open(&w, &o), -ECHILD);
	assert_null(w);
	page->fail_code = 1; /* tried again, three times */
	page->starts = 0;
	assert_int_equal(plx_workers_open(&w, &o), -ECHILD);
	assert_int_equal(page->starts, 3);
	page->starts = 0;
	page->fail_start = 2; /* the third time it works */
	w = open_with(&o);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
	assert_int_equal(count_open_fds(), fds);
	assert_true(no_children_left());
}

/* The first door shut, then the second, ...: nothing is left behind, and nobody. */
static void every_door_may_be_shut(void **state)
{
	int fds = count_open_fds(), maps = count_maps("plx:workers");
	bool done = false;

	(void)state;
	for (int n = 0; n < 400 && !done; n++) {
		struct plx_workers_options o = options(false);
		struct plx_workers *w = NULL;
		struct plx_sender *s = NULL;
		int ret;

		o.workers = o.most = 1;
		plx_fault_at = n;
		plx_fault_seen = 0;
		ret = plx_workers_open(&w, &o);
		if (ret == 0)
			ret = plx_sender_open(&s, w);
		done = ret == 0 && plx_fault_seen <= plx_fault_at;
		plx_fault_at = -1;
		plx_sender_close(s);
		plx_workers_close(w);
		assert_int_equal(count_open_fds(), fds);
		assert_int_equal(count_maps("plx:workers"), maps);
		assert_true(no_children_left());
	}
	assert_true(done);
}

static int supervise_and_die(void *arg)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;

	(void)arg;
	CHECK(plx_workers_open(&w, &o) == 0);
	CHECK(plx_workers_state(w, 0, (int32_t *)&page->configured) != 0);
	raise(SIGKILL);
	return 0;
}

static void workers_do_not_outlive_their_supervisor(void **state)
{
	uint64_t end = plx_now_ns() + FOREVER;

	(void)state;
	assert_int_equal(run_in_child(supervise_and_die, NULL), -SIGKILL);
	assert_true(page->configured > 0);
	while (kill((pid_t)page->configured, 0) == 0) {
		char path[64], line[256] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%u/stat", page->configured);
		f = fopen(path, "r");
		if (!f)
			break;
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
		if (strstr(line, ") Z") || !line[0]) /* a zombie that init will take */
			break;
		assert_true(plx_now_ns() < end);
		sleep_ms(1);
	}
}

static void options_that_make_no_sense_are_refused(void **state)
{
	struct plx_workers_options good = options(true), bad[9];
	struct plx_workers *w;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		bad[i] = good;
	bad[0].hooks.handle = NULL;
	bad[1].workers = 5;
	bad[2].most = PLX_WORKERS_MAX + 1;
	bad[3].senders = PLX_SENDERS_MAX + 1;
	bad[4].size = 40000;
	bad[5].placement = 9;
	bad[6].limits.sandbox = 64;
	bad[7].placement = PLX_PLACE_AUTO; /* of threads */
	bad[8].partition.kind = 9;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(plx_workers_open(&w, &bad[i]), -EINVAL);
		assert_null(w);
	}
}

static void a_lying_pool_is_refused(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w = open_with(&o);
	const struct plx_segment *live = plx_workers_segment(w);
	struct plx_segment copy = *live;
	struct plx_workers_hdr *hdr;
	struct plx_work_line *line;
	struct plx_work_undo *undo;
	struct plx_work_mark *mark;
	struct plx_partition_shared *partition;
	const char *why;

	(void)state;
	copy.base = aligned_alloc(64, live->size);
#define LIE(what)                                                                                            \
	do {                                                                                                 \
		memcpy(copy.base, live->base, live->size);                                                   \
		hdr = plx_segment_block(&copy, "pool", NULL);                                                \
		line = plx_segment_block(&copy, "worker", NULL);                                             \
		undo = plx_segment_block(&copy, "undo", NULL);                                               \
		partition = plx_segment_block(&copy, "partition", NULL);                                     \
		mark = (struct plx_work_mark *)(undo + 1);                                                   \
		assert_int_equal(plx_workers_check(&copy, &why), 0);                                         \
		undo->seq = line->seq + 1;                                                                   \
		what;                                                                                        \
		why = NULL;                                                                                  \
		assert_int_equal(plx_workers_check(&copy, &why), -EBADMSG);                                  \
		assert_non_null(why);                                                                        \
	} while (0)
	LIE(hdr->magic = 0);
	LIE(hdr->most = 0);
	LIE(hdr->most = 33);
	LIE(hdr->senders = 99);
	LIE(hdr->senders = 2);
	LIE(hdr->slot_size = 1u << 30);
	LIE(hdr->state_size = 1ull << 60);
	LIE(hdr->undo_size = 1u << 31);
	LIE(hdr->ways = 2);
	LIE(hdr->undo_size = 0);
	LIE(hdr->closing = 7);
	LIE(hdr->active = 9);
	LIE(line->state = 99);
	LIE(line->in_use = 2);
	LIE(line->hand_lane = 99);
	LIE(line->record[1].lane = 99);
	LIE(undo->used = 1ull << 40);
	LIE(undo->used = 8);
	LIE((undo->used = 16, mark->off = 0, mark->size = 0));
	LIE((undo->used = 16, mark->off = UINT64_MAX, mark->size = UINT64_MAX));
	LIE((undo->used = 16, mark->off = (uint64_t)live->size / 2, mark->size = 8));
	LIE(partition->owner[9] = 4);
	LIE(partition->magic = 0);
	LIE(memset(plx_segment_block(&copy, "control", NULL), 0, 64));
	LIE(memset(plx_segment_block(&copy, "inbox", NULL), 0, 64));
	free(copy.base);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

static bool idle_ten_times(struct plx_worker *w, void *arg)
{
	(void)arg;
	(void)w;
	add(&page->idles, 1);
	return get(&page->idles) % 10 != 0;
}

static void the_idle_hook_is_called_until_it_has_nothing_to_do(void **state)
{
	struct plx_workers_options o = options(false);
	struct plx_workers *w;

	(void)state;
	o.hooks.idle = idle_ten_times;
	o.workers = 1;
	w = open_with(&o);
	sleep_ms(50);
	assert_true(get(&page->idles) >= 10);
	assert_int_equal(get(&page->idles) % 10, 0);
	assert_int_equal(plx_workers_state(w, 0, NULL), PLX_WORKER_IDLE);
	assert_int_equal(plx_workers_stop(w, FOREVER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pool_whose_workers_do_not_start_does_not_open),
		TEST(every_door_may_be_shut),
		TEST(workers_do_not_outlive_their_supervisor),
		TEST(options_that_make_no_sense_are_refused),
		TEST(a_lying_pool_is_refused),
		TEST(the_idle_hook_is_called_until_it_has_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

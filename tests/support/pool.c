/* pool.c - see pool.h. */
#include "tests/support/pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <plx/inspect.h>

struct page *page;
uint64_t keys[KEYS];
uint32_t slots[KEYS];

int fresh_page(void **state)
{
	(void)state;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	page->deadly = UINT32_MAX;
	return page == MAP_FAILED;
}

int drop_page(void **state)
{
	(void)state;
	return munmap(page, sizeof(*page));
}

void add(uint32_t *counter, uint32_t more)
{
	__atomic_fetch_add(counter, more, __ATOMIC_SEQ_CST);
}

uint32_t get(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

void pause_as_told(void)
{
	uint64_t ns = __atomic_load_n(&page->wait_ns, __ATOMIC_SEQ_CST);

	if (ns)
		sleep_ms((unsigned int)(ns / MS));
	while (get(&page->barred))
		sleep_ms(1);
}

int on_start(struct plx_worker *w, void *arg)
{
	(void)arg;
	(void)w;
	add(&page->starts, 1);
	if (get(&page->starts) <= page->fail_start)
		return page->fail_code;
	return 0;
}

void on_stop(struct plx_worker *w, void *arg)
{
	(void)w;
	(void)arg;
	add(&page->stops, 1);
}

int tally(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	struct tally *t = plx_worker_slot(w, m->slot);
	uint64_t number;

	(void)arg;
	memcpy(&number, m->data, sizeof(number));
	pause_as_told();
	if (plx_worker_note(w, t, sizeof(*t)) < 0)
		return -ENOSPC;
	t->count++;
	t->wrong += number != t->last + 1;
	t->last = number;
	add(&page->by[plx_worker_number(w)], 1);
	if (m->key == get(&page->deadly) && get(&page->deaths) > 0) {
		add(&page->deaths, UINT32_MAX);
		raise(SIGKILL); /* in the middle: the count above must not count */
	}
	return m->type == 13 ? -EINVAL : 0;
}

struct plx_workers_options options(bool threads)
{
	return (struct plx_workers_options){
		.name = "test",
		.hooks = { .start = on_start, .handle = tally, .stop = on_stop },
		.workers = 2,
		.most = 4,
		.slot_size = sizeof(struct tally),
		.restart = { .intensity = UINT32_MAX, .first_ns = MS },
		.threads = threads,
	};
}

struct plx_workers *open_with(const struct plx_workers_options *o)
{
	struct plx_workers *w;
	int ret = plx_workers_open(&w, o);

	if (ret < 0)
		fail_msg("%s", plx_strerror(ret));
	return w;
}

void choose_keys(const struct plx_workers *w)
{
	static bool used[PLX_PARTITION_SLOTS];
	uint32_t n = 0;

	memset(used, 0, sizeof(used));
	for (uint64_t key = 0; n < KEYS; key++) {
		uint32_t slot = plx_workers_slot_of(w, key);

		if (used[slot])
			continue;
		used[slot] = true;
		keys[n] = key;
		slots[n++] = slot;
	}
}

void send_rounds(struct plx_sender *s, uint64_t first, uint64_t rounds)
{
	for (uint64_t number = first; number < first + rounds; number++)
		for (uint32_t k = 0; k < KEYS; k++) {
			int ret = plx_sender_send(s, keys[k], 1, &number, sizeof(number), FOREVER);

			if (ret < 0)
				fail_msg("send: %s", plx_strerror(ret));
		}
}

void each_key_is_at(struct plx_workers *w, uint64_t count)
{
	const char *why = "";

	if (plx_inspect_check(plx_workers_segment(w), &why) < 0)
		fail_msg("%s", why);
	for (uint32_t k = 0; k < KEYS; k++) {
		struct tally *t = plx_workers_slot(w, slots[k]);

		assert_int_equal(t->wrong, 0);
		assert_int_equal(t->count, count);
		assert_int_equal(t->last, count);
	}
}

struct plx_workers_stats stats_of(struct plx_workers *w)
{
	struct plx_workers_stats stats;

	assert_int_equal(plx_workers_stats(w, UINT32_MAX, &stats), 0);
	return stats;
}

int no_children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}
int count_only(struct plx_worker *w, const struct plx_message *m, void *arg)
{
	(void)arg;
	add(&page->by[plx_worker_number(w)], 1);
	if (plx_worker_number(w) == 0)
		pause_as_told();
	if (m->size < sizeof(page->text))
		memcpy(page->text, m->data, m->size);
	return 0;
}

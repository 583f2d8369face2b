/* pool.h - what tests of pools have in common: a handler that checks order, keys each in a slot of its own, a page shared with workers. */
#ifndef TESTS_POOL_H
#define TESTS_POOL_H

#include <plx/workers.h>

#include "tests/support/support.h"

#define MS      1000000ull
#define SECOND  1000000000ull
#define FOREVER (60 * SECOND)
#define KEYS    256u

/* What a slot's memory holds: of one key at a time. */
struct tally {
	uint64_t count;
	uint64_t last;  /* number that came with the last message */
	uint64_t wrong; /* messages out of order, or twice */
};

/* What workers say to the test besides. */
extern struct page {
	uint32_t starts, stops, idles, configured, by[PLX_WORKERS_MAX];
	uint32_t fail_start; /* the first so many starts fail with fail_code */
	int fail_code;
	uint32_t deadly;  /* key at which workers die */
	uint32_t deaths;  /* ... so many of them */
	uint64_t wait_ns; /* a handler takes so long */
	uint32_t barred;  /* while it is 1 handlers wait */
	uint32_t errors;
	char text[64];
} * page;

/* The keys of a test. */
extern uint64_t keys[KEYS];
extern uint32_t slots[KEYS];

/** fresh_page(), drop_page() - before and after each test. */
int fresh_page(void **state);
int drop_page(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_page, drop_page)

void add(uint32_t *counter, uint32_t more);
uint32_t get(const uint32_t *counter);
/** pause_as_told() - in a handler: as page->wait_ns and page->barred say. */
void pause_as_told(void);

int on_start(struct plx_worker *w, void *arg);
void on_stop(struct plx_worker *w, void *arg);
/** tally() - a handler: counts in slot memory with undo; each sender numbers the messages of a key from 1 on. */
int tally(struct plx_worker *w, const struct plx_message *m, void *arg);
/** count_only() - a handler: counts whose message it was, and copies it to page->text. */
int count_only(struct plx_worker *w, const struct plx_message *m, void *arg);

/** options() - two workers of at most four that tally. */
struct plx_workers_options options(bool threads);
struct plx_workers *open_with(const struct plx_workers_options *o);
void choose_keys(const struct plx_workers *w);
/** send_rounds() - numbers from @first on, each to all keys. */
void send_rounds(struct plx_sender *s, uint64_t first, uint64_t rounds);
/** each_key_is_at() - each key was handled @count times, in order. */
void each_key_is_at(struct plx_workers *w, uint64_t count);
struct plx_workers_stats stats_of(struct plx_workers *w);
int no_children_left(void);

#endif

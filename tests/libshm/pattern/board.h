/* board.h - a writer and readers of latest values that say what they are, for tests. */
#ifndef TESTS_PATTERN_BOARD_H
#define TESTS_PATTERN_BOARD_H

#include "tests/libshm/topic/pair.h"

#include <pthread.h>
#include <stdatomic.h>

#include "pattern/latest_layout.h"

static inline struct plx_latest_writer *writer(struct plx_latest_options opt)
{
	struct plx_latest_writer *w = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_latest_writer_open(&w, TOPIC, &opt);
	if (ret < 0)
		fail_msg("plx_latest_writer_open: %s", plx_strerror(ret));
	return w;
}

static inline struct plx_latest_reader *reader(void)
{
	struct plx_latest_reader *r = NULL;
	int ret = plx_latest_reader_open(&r, TOPIC, directory);

	if (ret < 0)
		fail_msg("plx_latest_reader_open: %s", plx_strerror(ret));
	return r;
}

/* A value that says whether it is whole: every word is the first one times its place. */
#define WORDS 96

static inline uint64_t length_of(uint64_t n)
{
	return 8 * (1 + n % WORDS);
}

static inline void fill(uint64_t *words, uint64_t n)
{
	for (uint64_t i = 0; i < length_of(n) / 8; i++)
		words[i] = n * (i + 1);
}

static inline bool whole(const uint64_t *words, uint64_t length)
{
	if (length != length_of(words[0]))
		return false;
	for (uint64_t i = 0; i < length / 8; i++) {
		if (words[i] != words[0] * (i + 1))
			return false;
	}
	return true;
}

#endif

/* topic.h - what benchmarks of topics have in common: a directory of their own, how often, who is connected. */
#ifndef TESTS_BENCH_TOPIC_H
#define TESTS_BENCH_TOPIC_H

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define ROUNDS_MAX 9

static char directory[] = "/tmp/plx-bench.XXXXXX";
static int rounds = ROUNDS_MAX;
static unsigned int shorten = 1; /* with PLX_BENCH_QUICK set in the environment: that much */

static inline void topic_begin(void)
{
	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 3;
		shorten = 10;
	}
	must("make a directory", mkdtemp(directory) ? 0 : -errno);
	go_first();
}

static inline struct plx_publisher *open_publisher(const char *topic, struct plx_publisher_options o)
{
	struct plx_publisher *pub;

	o.directory = directory;
	must("open a publisher", plx_publisher_open(&pub, topic, &o));
	return pub;
}

static inline struct plx_subscriber *open_subscriber(const char *topic, struct plx_subscriber_options o)
{
	struct plx_subscriber *sub;

	o.directory = directory;
	must("open a subscriber", plx_subscriber_open(&sub, topic, &o));
	return sub;
}

static inline void connect_to(struct plx_subscriber *sub, uint32_t publishers)
{
	struct plx_subscriber_stats stats;

	do {
		(void)!plx_subscriber_wait(sub, 1000000);
		plx_subscriber_stats(sub, &stats);
	} while (stats.publishers < publishers);
}

/* A part of a bench, which may be asked for alone. */
struct topic_part {
	const char *name;
	void (*run)(void);
};

/* Those called @name, or all. */
static inline void topic_parts(const struct topic_part *parts, size_t n, const char *name)
{
	topic_begin();
	for (size_t i = 0; i < n; i++) {
		if (!name || strcmp(name, parts[i].name) == 0)
			parts[i].run();
	}
	rmdir(directory);
}

#endif

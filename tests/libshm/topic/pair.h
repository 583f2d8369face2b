/* pair.h - publishers and subscribers of one topic in a directory of their own, for tests of the whole way. */
#ifndef TESTS_TOPIC_PAIR_H
#define TESTS_TOPIC_PAIR_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <plx/plx.h>

#include "tests/support/support.h"

#define TOPIC  "test/topic"
#define SECOND UINT64_C(1000000000)

static char *directory;

static inline int pair_setup(void **state)
{
	(void)state;
	directory = make_directory();
	return directory ? 0 : -1;
}

static inline int pair_teardown(void **state)
{
	(void)state;
	drop_directory(directory);
	directory = NULL;
	return 0;
}

/* The fields of @opt that matter; the directory is filled in. */
static inline struct plx_publisher *publisher(struct plx_publisher_options opt)
{
	struct plx_publisher *pub = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_publisher_open(&pub, TOPIC, &opt);
	if (ret < 0)
		fail_msg("plx_publisher_open: %s", plx_strerror(ret));
	return pub;
}

static inline struct plx_subscriber *subscriber(struct plx_subscriber_options opt)
{
	struct plx_subscriber *sub = NULL;
	int ret;

	opt.directory = directory;
	ret = plx_subscriber_open(&sub, TOPIC, &opt);
	if (ret < 0)
		fail_msg("plx_subscriber_open: %s", plx_strerror(ret));
	return sub;
}

/* Until the subscriber is connected to @count publishers. false when that takes too long. */
static inline bool connected(struct plx_subscriber *sub, uint32_t count)
{
	uint64_t end = plx_now_ns() + 10 * SECOND;
	struct plx_subscriber_stats stats;

	do { /* not wait: it has no time for newcomers while there are messages to take */
		(void)!plx_subscriber_arm(sub);
		plx_subscriber_stats(sub, &stats);
	} while (stats.publishers != count && plx_now_ns() < end);
	if (stats.publishers != count)
		print_error("connected to %u of %u; refused %u: %d\n", stats.publishers, count, stats.refused,
			    stats.refused_why);
	return stats.publishers == count;
}

/* Take, waiting as long as it needs: 1 or what take says; -ETIME after ten seconds. */
static inline int take(struct plx_subscriber *sub, struct plx_buffer *b)
{
	for (;;) {
		int ret = plx_subscriber_take(sub, b);

		if (ret != 0)
			return ret;
		ret = plx_subscriber_wait(sub, 10 * SECOND);
		if (ret == -ETIMEDOUT)
			return -ETIME;
		if (ret < 0)
			return ret;
	}
}

/*
 * A child that runs @run; ends by SIGALRM after a while. Start children before the first publisher of a test: that has
 * a thread, and what a sanitizer's allocator does in the child of a process with threads is a matter of luck.
 */
static inline pid_t start(int (*run)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		_exit(run(arg));
	}
	return pid;
}

/* A gate in shared memory: children wait until their number is called. */
static inline uint32_t *gate_open(void)
{
	uint32_t *gate = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(gate, MAP_FAILED);
	return gate;
}

static inline void gate_call(uint32_t *gate, uint32_t number)
{
	__atomic_store_n(gate, number, __ATOMIC_RELEASE);
	plx_futex_wake(gate, INT32_MAX);
}

static inline void gate_wait(uint32_t *gate, uint32_t number)
{
	uint32_t now;

	while ((now = __atomic_load_n(gate, __ATOMIC_ACQUIRE)) < number)
		(void)!plx_futex_wait(gate, now, SECOND);
}

static inline void gate_close(uint32_t *gate)
{
	munmap(gate, 4096);
}

/* Its exit code, or -SIGNAL. */
static inline int finish(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A stream of random sizes whose content says what it is: number, length, then a pattern. */
struct stream {
	uint64_t seed;
	uint64_t number;
	uint64_t size_max;
};

static inline uint64_t stream_next(struct stream *s)
{
	s->seed = s->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	switch ((s->seed >> 33) % 8) {
	case 0: return 0;
	case 1: return s->size_max;
	case 2:
	case 3: return (s->seed >> 36) % (s->size_max + 1);
	default: return (s->seed >> 36) % ((s->size_max < 100 ? s->size_max : 100) + 1);
	}
}

static inline unsigned char stream_byte(const struct stream *s, uint64_t length, uint64_t i)
{
	return (unsigned char)(s->number * 31 + length * 7 + i);
}

/* Publish the next message, through a loan or a copy. */
static inline int stream_publish(struct stream *s, struct plx_publisher *pub)
{
	uint64_t length = stream_next(s);
	struct plx_loan loan;
	int ret = plx_publisher_loan(pub, &loan);

	if (ret < 0)
		return ret;
	for (uint64_t i = 0; i < length; i++)
		((unsigned char *)loan.data)[i] = stream_byte(s, length, i);
	if (s->number % 2) {
		ret = plx_publisher_publish(pub, &loan, length);
	} else {
		unsigned char *copy = malloc(length + 1);

		memcpy(copy, loan.data, length);
		plx_publisher_drop(pub, &loan);
		ret = plx_publisher_send(pub, copy, length);
		free(copy);
	}
	s->number++;
	return ret;
}

/* Is it the next message? */
static inline bool stream_matches(struct stream *s, const struct plx_buffer *b)
{
	uint64_t length = stream_next(s);
	bool good = b->length == length && b->sequence == s->number;

	for (uint64_t i = 0; good && i < length; i++)
		good = ((const unsigned char *)b->data)[i] == stream_byte(s, length, i);
	s->number++;
	return good;
}

#endif

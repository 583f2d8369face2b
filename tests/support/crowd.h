/* crowd.h - honest ones around a liar: a publisher, two subscribers who check every byte, newcomers whose time is taken. */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include "tests/support/liar.h"

#include <plx/key.h>
#include <signal.h>

/*
 * All are children. P publishes numbered messages and lets go who blocks it for 5 s (so long that on a busy machine
 * nobody honest is meant). H0 is reliable: it must get every message; H1 is lossy: it must get them whole and in order.
 * N connects, notes how long it took, leaves, and begins again.
 *
 * With keys they prove themselves to each other; a liar finds the files in the directory: pub.key, sub.key, liar.key (which nobody
 * trusts).
 */
#define CROWD_TIMES     4096u
#define CROWD_SLOT_SIZE 1024u
#define CROWD_FDS       3 /* a publisher's, for one subscriber: socket, pidfd, alarm */

/* What is 0 is as usual. */
struct crowd_setup {
	const char *topic;
	bool keyed;
	bool gentle;              /* a message about every 300 us, not as many as it can */
	bool unheard;             /* without H0 and H1 */
	uint32_t subscribers_max; /* of P */
	uint64_t patience_ns;     /* how long P waits for who blocks it */
};

struct crowd_board {
	uint64_t published, longest_ns; /* messages; of one send */
	int publisher_error;
	uint64_t taken[2], lost;
	int honest_error[2];
	uint64_t connects; /* of N */
	uint64_t connect_ns[CROWD_TIMES];
	int newcomer_error;
	int stop;
};

struct crowd {
	char *dir;
	const char *topic;
	struct crowd_setup setup;
	struct plx_place place;
	struct crowd_board *board;
	pid_t publisher, honest[2], newcomer;
	int fds, links; /* of P with H0 and H1, and nobody else */
};

extern struct crowd crowd; /* whom this program lies to */

#define READ(x)      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE(x, to) __atomic_store_n(&(x), (to), __ATOMIC_RELAXED)

/* Wait until @what holds, @ms at most. */
#define WITHIN(ms, what)                                                                                     \
	__extension__({                                                                                      \
		int left_ = (ms);                                                                            \
		bool holds_;                                                                                 \
		while (!(holds_ = (what)) && left_-- > 0)                                                    \
			sleep_ms(1);                                                                         \
		holds_;                                                                                      \
	})

/** Children fork here: before threads. */
void crowd_open(struct crowd *crowd, const struct crowd_setup *setup);
/** N begins; returns when it has connected a hundred times. */
void crowd_newcomers(struct crowd *crowd);
/** P, H0 and H1 live, work on, and have nothing to complain about. */
void crowd_is_well(const struct crowd *crowd);
/** P holds the descriptors and links that it held before liars came, and those of @guests more. */
void crowd_is_alone(const struct crowd *crowd, int guests);
/** shmctl looks at everything: it may call something broken, and no more. */
void crowd_is_looked_at(const struct crowd *crowd);
/** N's times since its connection number @from: the middle one, and in *@p99 that which 99 of 100 are faster than. */
uint64_t crowd_times(const struct crowd *crowd, uint64_t from, uint64_t *p99);
/** N ends; P holds what it held before liars came; H0 has everything; all end well, and leave nothing. */
void crowd_ends_well(struct crowd *crowd);
/** Whatever state it is in: for a teardown. */
void crowd_close(struct crowd *crowd);
/** The keys of one of them, @name "pub", "sub" or "liar", opened in this process; trusts pub and sub. */
struct plx_keys *crowd_keys(const struct crowd *crowd, const char *name);

/** Runs a test for each of @attacks, which begin with its name, and last of all that @the_end is well. */
#define CROWD_RUN(group, attacks, test, the_end, setup, teardown)                                            \
	__extension__({                                                                                      \
		struct CMUnitTest tests_[COUNT_OF(attacks) + 1] = { 0 };                                     \
		for (size_t i_ = 0; i_ < COUNT_OF(attacks); i_++) {                                          \
			tests_[i_].name = (attacks)[i_].name;                                                \
			tests_[i_].test_func = (test);                                                       \
			tests_[i_].initial_state = (void *)(uintptr_t) & (attacks)[i_];                      \
		}                                                                                            \
		tests_[COUNT_OF(attacks)].name = "the_honest_end_well";                                      \
		tests_[COUNT_OF(attacks)].test_func = (the_end);                                             \
		cmocka_run_group_tests_name(group, tests_, setup, teardown);                                 \
	})

#endif

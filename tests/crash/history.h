/*
 * history.h - what the participants of test_chan_history.c wrote down, in memory that outlives them.
 *
 * A sender's life has a number, its messages are numbered within it. With one receiver it is known which one is next; with
 * many each message is ticked off.
 */
#ifndef TESTS_CHAN_HISTORY_H
#define TESTS_CHAN_HISTORY_H

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

#include <plx/plx.h>

#include "tests/support/support.h"

#define LIVES      (1u << 16) /* participants that there can have been */
#define SIDES      4u         /* at a time, of each side */
#define LIMIT      (1u << 18) /* messages of a sender, where each is ticked off */
#define SIZE       24u
#define STUCK_S    20u
#define FOREVER    UINT64_MAX
#define SECONDS(n) ((uint64_t)(n)*1000000000u)

/* What a sender and its receivers wrote down. */
struct life {
	uint32_t accepted, got;
	uint32_t twice; /* came again, after a receiver's death */
	uint32_t killed;
};

struct part {
	int32_t quit;
	bool sends;
	uint32_t number, life;
	pid_t pid;
	pthread_t thread;
	uint32_t pad[8];
};

static struct world {
	void *at;
	uint64_t room;
	struct plx_channel_shape shape;
	uint32_t senders, receivers;
	bool threads;
	uint32_t lives, kills, receivers_killed;
	uint64_t seed;
	char wrong[256]; /* the first thing that was */
	uint32_t wrongs;
	_Alignas(64) uint64_t messages;
	struct part part[2 * SIDES];
	struct life life[LIVES];
	_Alignas(64) uint32_t again,
		late; /* came twice; came after a later one of its sender, to the same receiver */
} * w;

/* Where there are many receivers: which messages came. */
static uint64_t (*ticks)[LIMIT / 64];

static inline uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static inline uint64_t roll(uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

__attribute__((format(printf, 1, 2))) static inline void wrong(const char *form, ...)
{
	va_list args;

	if (__atomic_fetch_add(&w->wrongs, 1, __ATOMIC_RELAXED) > 0)
		return;
	va_start(args, form);
	vsnprintf(w->wrong, sizeof(w->wrong), form, args);
	va_end(args);
}

/* ---- messages ------------------------------------------------------------------------------------------- */

static inline void fill(unsigned char *m, uint32_t life, uint32_t number)
{
	uint64_t words[3] = { (uint64_t)life << 32 | number, number * UINT64_C(0x9e3779b97f4a7c15),
			      ~(uint64_t)life };

	memcpy(m, words, SIZE);
}

/* Written down before it is let go of: a successor knows what came. */
static inline void note(const unsigned char *m)
{
	unsigned char whole[SIZE];
	uint64_t word;
	uint32_t number;
	struct life *l;

	memcpy(&word, m, 8);
	number = (uint32_t)word;
	fill(whole, (uint32_t)(word >> 32), number);
	if (word >> 32 >= LIVES || memcmp(whole, m, SIZE) != 0) {
		wrong("a message is not what was sent: %llx", (unsigned long long)word);
		return;
	}
	l = &w->life[word >> 32];
	if (number + 1 == l->got && l->twice < w->receivers_killed) {
		l->twice++;
		return;
	}
	if (number != l->got)
		wrong("sender %u: message %u came when %u was the next", (unsigned int)(word >> 32), number,
		      l->got);
	__atomic_store_n(&l->got, number + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&w->messages, w->messages + 1, __ATOMIC_RELAXED);
}

/* The same when others receive, too: each one is ticked off, and comes in its sender's order to each receiver. */
static inline void tick(const unsigned char *m, uint32_t *last)
{
	unsigned char whole[SIZE];
	uint32_t number, life;
	uint64_t word;

	memcpy(&word, m, 8);
	number = (uint32_t)word;
	life = (uint32_t)(word >> 32);
	fill(whole, life, number);
	if (life >= LIVES || number >= LIMIT || memcmp(whole, m, SIZE) != 0) {
		wrong("a message is not what was sent: %llx", (unsigned long long)word);
		return;
	}
	if (__atomic_fetch_or(&ticks[life][number / 64], 1ull << number % 64, __ATOMIC_RELAXED) >>
		    number % 64 &
	    1) {
		if (__atomic_add_fetch(&w->again, 1, __ATOMIC_RELAXED) > w->receivers_killed)
			wrong("sender %u: message %u came twice", life, number);
	}
	if (number < last[life] && __atomic_add_fetch(&w->late, 1, __ATOMIC_RELAXED) > w->receivers_killed)
		wrong("sender %u: message %u came after %u", life, number, last[life] - 1);
	last[life] = number + 1;
	__atomic_fetch_add(&w->messages, 1, __ATOMIC_RELAXED);
}

#endif

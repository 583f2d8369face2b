/* soak.h - what the processes of the soak have in common: a board, who plays what, and what a message looks like. */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <plx/plx.h>

/*
 * soak.c starts the others, kills, stops and continues them at random, starts successors, samples, and says what came of it.
 * publish.c and subscribe.c are what they do; history.c is what a subscriber remembers and checks.
 */
#define SOAK_TOPIC       "soak/all"
#define SOAK_PUBLISHERS  3
#define SOAK_SUBSCRIBERS 5
#define SOAK_KEPT        128 /* publishers of each seat that are remembered on the board */
#define SOAK_STREAMS     (SOAK_PUBLISHERS * SOAK_KEPT)
#define SOAK_LENGTH_MAX  4096u
#define SOAK_DROP_NS     UINT64_C(10000000)

/* One publisher in its life: written by it, read by who hears it. Plain words, relaxed: they are compared when it is over. */
struct soak_stream {
	uint64_t id;        /* of its segment; 0: not yet */
	uint64_t published; /* calls that returned */
	uint64_t total;     /* + 1, once it ended regularly */
	uint64_t heard; /* + 1: where the first who heard of its death found its end; all others must agree */
	uint64_t drops; /* it lets go who is too slow */
};

/* One seat; whoever sits there adds up. */
struct soak_seat {
	uint64_t messages; /* published, or taken */
	uint64_t lost;     /* declared: lapped */
	uint64_t streams;  /* heard to their end */
	uint64_t let_go, died, held, settled;
};

struct soak_board {
	uint64_t stop_publishers, stop_subscribers;
	uint64_t leave[SOAK_PUBLISHERS + SOAK_SUBSCRIBERS]; /* this one shall end regularly */
	uint64_t wrong;
	uint64_t begun[SOAK_PUBLISHERS]; /* streams of each seat */
	struct soak_stream stream[SOAK_STREAMS];
	struct soak_seat seat[SOAK_PUBLISHERS + SOAK_SUBSCRIBERS];
};

/* How a seat is played. */
struct soak_part {
	const char *name;
	bool reliable, polling, confirm; /* subscribers */
	uint32_t hold;                   /* messages it keeps for a while */
	bool loans, drops, batch;        /* publishers */
	uint32_t depth, history;
	bool spared; /* never killed: its memory and descriptors are sampled */
};

extern const struct soak_part soak_publishers[SOAK_PUBLISHERS], soak_subscribers[SOAK_SUBSCRIBERS];

/* A child's life; returns its exit code. */
int soak_publish(struct soak_board *board, int seat, const char *directory, uint64_t seed);
int soak_subscribe(struct soak_board *board, int seat, const char *directory, uint64_t seed);

/* Say what is wrong; the run has failed. */
#define SOAK_WRONG(board, ...)                                                                               \
	do {                                                                                                 \
		__atomic_fetch_add(&(board)->wrong, 1, __ATOMIC_RELAXED);                                    \
		fprintf(stderr, "soak: WRONG: " __VA_ARGS__);                                                \
		fputc('\n', stderr);                                                                         \
	} while (0)

static inline uint64_t soak_get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void soak_set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline uint64_t soak_mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

static inline uint64_t soak_roll(uint64_t *seed, uint64_t below)
{
	*seed += UINT64_C(0x9e3779b97f4a7c15);
	return soak_mix(*seed) % below;
}

/* ---- messages: its number, who it is from, a check of both; longer ones go on with words that follow from them --------- */

#define SOAK_WORDS 3u

static inline uint64_t soak_check(uint64_t number, uint64_t id)
{
	return soak_mix(number + 1) ^ id;
}

static inline void soak_fill(uint64_t *words, uint64_t count, uint64_t number, uint64_t id)
{
	words[0] = number;
	words[1] = id;
	words[2] = soak_check(number, id);
	for (uint64_t i = SOAK_WORDS; i < count; i++)
		words[i] = words[2] + i;
}

static inline bool soak_intact(const struct plx_buffer *b)
{
	const uint64_t *words = b->data;
	uint64_t count = b->length / 8;

	if (b->length % 8 || count < SOAK_WORDS || words[0] != b->sequence || words[1] != b->publisher ||
	    words[2] != soak_check(b->sequence, b->publisher))
		return false;
	for (uint64_t i = SOAK_WORDS; i < count; i++) {
		if (words[i] != words[2] + i)
			return false;
	}
	return true;
}

#endif

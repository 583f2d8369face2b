/*
 * walk.h - what the crash tests of channels have in common: dice, messages in streams, who is gone, and the walk through it all.
 *
 * A world begins with a party: a channel, and for each stream (one sender's, of one priority) how many messages were accepted and
 * how many came. What was sent comes once, whole, in the order of its stream; tests say who dies or sleeps meanwhile.
 */
#ifndef TESTS_WALK_H
#define TESTS_WALK_H

#include <plx/envelope.h>

#include "chan/seat.h"
#include "tests/support/step.h"

#define WALK_STREAMS 8u
#define WALK_BYTES   104u /* of the longest message */
#define WALK_ALL     100000u

struct walk_stream {
	uint32_t sent; /* accepted */
	uint32_t got;
};

struct walk_party {
	void *at;
	uint64_t room;
	struct plx_channel_shape shape;
	uint64_t seed;
	uint32_t what; /* the operation at hand */
	uint32_t streams;
	struct walk_stream stream[WALK_STREAMS];
	bool all_or_none; /* what is being sent comes whole or not at all */
	/* one message; false: no room, nothing there */
	bool (*send)(struct walk_party *p, uint32_t stream, const unsigned char *m);
	bool (*receive)(struct walk_party *p, unsigned char *m, struct plx_envelope *e);
	/* NULL, or: what else is wrong with a message of its stream */
	const char *(*look)(const struct walk_party *p, uint32_t stream, uint32_t number,
			    const struct plx_envelope *e);
};

/** roll() - below @below; the same each time with the same seed. */
uint64_t walk_roll(uint64_t *seed, uint64_t below);

/** walk_fill() - message @number of a stream. walk_read() - whose is it, and which one. */
void walk_fill(unsigned char *m, uint32_t size, uint32_t stream, uint32_t number);
void walk_read(const unsigned char *m, uint32_t *stream, uint32_t *number);
bool walk_is_whole(const unsigned char *m, uint32_t size);

/* Each says what is wrong, or NULL. */

/** walk_expect() - a message that came is the next one of its stream. */
const char *walk_expect(struct walk_party *p, const unsigned char *m, const struct plx_envelope *e);
/** walk_send_some() - as far as there is room. walk_receive_some() - at most @n. */
void walk_send_some(struct walk_party *p, uint32_t stream, uint32_t n);
const char *walk_receive_some(struct walk_party *p, uint32_t n);
/** walk_drain() - everything that was sent has come; of @stream there may be up to @more more. */
const char *walk_drain(struct walk_party *p, uint32_t stream, uint32_t more);
/** walk_inherit() - by a receiver whose predecessor died: up to @most are gone with it, first ones, and nothing else. */
const char *walk_inherit(struct walk_party *p, uint32_t most);
/** walk_go_on() - nothing is stuck: more than the channel holds goes through. */
const char *walk_go_on(struct walk_party *p);
/** walk_checked() - the channel's own checker, when nothing is wrong so far. */
const char *walk_checked(const struct walk_party *p, const char *wrong);

/** walk_forge_death() - the child lives, and so do we: a start time that is not right makes the holder of a seat one that is gone. */
void walk_forge_death(struct plx_seat *seat);

/* ---- walking ------------------------------------------------------------------------------------------- */

/* A world of its own for each kind and size. */
struct walk {
	const char *name;
	uint32_t kind, size;
	struct stepper *st;
	struct walk_party *world;
};

/* What is done in all of them. */
struct walk_story {
	const char *title;
	struct step_count *counts;
	uint32_t whats;
	uint64_t points; /* instructions at least */
	const char *(*step)(struct stepper *st, void *world);
	const char *(*others)(void *world); /* now and then, between two steps */
};

/** walk_begin() - a world of @bytes, a channel of that shape in @room bytes of shared memory. Return: the world. */
void *walk_begin(struct walk *walk, size_t bytes, size_t room, const struct plx_channel_shape *shape);
/** walk_all() - through @n worlds by turns, until something is wrong or it is enough. Closes them. */
void walk_all(struct walk *walks, uint32_t n, const struct walk_story *story);

#endif

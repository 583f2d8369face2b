/*
 * owner.h - whose a partition is, and how it comes to be somebody else's while a reduction runs.
 *
 *	request        supervisor   wish = {generation, b}                     to the present owner, a
 *	transfer       a            ... commit ... owner = {generation + 1, b, GIVEN}      never touches it again
 *	acknowledge    b            owner = {same, b, TAKEN}, recovers as after a death, owner = {same, b, HELD}
 *
 * One word says it all, and at any moment it names one worker, which alone may touch the partition and store the word:
 *
 *	CLOSED    nobody's: not open yet
 *	GIVEN     its owner is to take it, and has not touched it
 *	TAKEN     its owner brings it in order
 *	HELD      its owner works in it
 *
 * Whoever gives has committed before, so the partition is as any commit leaves it, and who takes it does what a successor
 * of the dead does (batch.h): there is one way in. When a worker dies the supervisor, who knows that nobody is there,
 * passes on what the dead one's number stands in: to that number again, for its successor, or to one that lives. So a
 * worker may be killed at any instruction of this, or both, or the supervisor: the word has been stored or it has not.
 *
 * The generation grows with each store of GIVEN. A wish is for one generation: once the partition has moved, by this wish
 * or by a death, it says nothing. Whoever is killed between the word and the bell has not told the new owner; so after a
 * death the supervisor rings all (net_death.c).
 *
 * A partition that moves stays as busy or idle as it is, and its counters go with it: for the others, who count messages
 * to know when all is over (quiesce.h), nothing has happened. Mail needs no address of a process either; only the bell does:
 * it is rung at the worker that the word names after the note in the inbox, and who takes a partition looks into that
 * inbox after the word named it (O1, O2).
 */
#ifndef REDUCER_NET_OWNER_H
#define REDUCER_NET_OWNER_H

#include "reducer/net/arena.h"
#include "reducer/net/mutant.h"

enum owner_phase {
	OWNER_CLOSED = 0,
	OWNER_GIVEN = 1,
	OWNER_TAKEN = 2,
	OWNER_HELD = 3,
};

/* arena_line.owner and .wish: generation << 16 | phase << 8 | worker. */
#define OWNER_GENERATION_SHIFT 16u
#define OWNER_PHASE_SHIFT      8u
static_assert(NET_WORKERS_MAX <= 256, "the number of a worker fits");

static inline uint32_t owner_worker(uint64_t word)
{
	return (uint32_t)(word & 0xff);
}

static inline enum owner_phase owner_phase(uint64_t word)
{
	return (enum owner_phase)(word >> OWNER_PHASE_SHIFT & 0xff);
}

static inline uint64_t owner_generation(uint64_t word)
{
	return word >> OWNER_GENERATION_SHIFT;
}

static inline uint64_t owner_make(uint64_t generation, enum owner_phase phase, uint32_t worker)
{
	return generation << OWNER_GENERATION_SHIFT | (uint64_t)phase << OWNER_PHASE_SHIFT | worker;
}

/* O1 seq_cst: after the note in its inbox (W1); pairs with O2 */
static inline uint64_t owner_of(const struct arena *arena, uint32_t part)
{
	return atomic_load_explicit(&arena->lines[part].owner, memory_order_seq_cst);
}

/* owner_pass() - as its owner, after a commit, or knowing that the owner is dead: it is @to's from here on. */
void owner_pass(struct arena *arena, uint32_t part, uint32_t to);

/* owner_take(), owner_hold() - acknowledge, and: it is in order. By whom it was given to. */
void owner_take(struct arena *arena, uint32_t part);
void owner_hold(struct arena *arena, uint32_t part);

/* owner_wish() - the supervisor asks whoever has it to give it to @to. To be followed by owner_tell(). */
void owner_wish(struct arena *arena, uint32_t part, uint32_t to);

/* owner_wished() - to whom is it to go? NET_WORKERS_MAX: it may stay. */
uint32_t owner_wished(const struct arena *arena, uint32_t part);

/* owner_tell() - ring worker @who: there is a wish, or a gift; or it is to leave. */
void owner_tell(struct arena *arena, uint32_t who);

/* owner_count() - how many partitions have worker @who as their owner. */
uint32_t owner_count(const struct arena *arena, uint32_t who);

/* owner_poorest() - of the workers in @running (a bit each), the one with the fewest. One has to be in it. */
uint32_t owner_poorest(const struct arena *arena, uint64_t running);

/*
 * owner_bequeath() - worker @dead is dead. What was its own is its successor's, or, unless @running is 0, shared among those.
 */
void owner_bequeath(struct arena *arena, uint32_t dead, uint64_t running);

/* owner_is_settled() - every partition is held by one of @running, and nobody is asked for one. */
bool owner_is_settled(const struct arena *arena, uint64_t running);

/* owner_check() - the words make sense. Return: 0, -EBADMSG with *@why. */
int owner_check(const struct arena *arena, const char **why);

#endif

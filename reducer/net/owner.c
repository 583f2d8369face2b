/*
 * owner.c - see owner.h.
 */
#include "reducer/net/owner.h"

#include <errno.h>

#include <plx/process.h>

static void set_owner(struct arena *arena, uint32_t part, uint64_t word)
{
	/* O2 seq_cst: with the partition as it is; before our looks into its inbox when it is ours; pairs with O1 */
	atomic_store_explicit(&arena->lines[part].owner, word, memory_order_seq_cst);
	plx_table_set(&arena->partitions, part, ARENA_PARTITION_OWNER, owner_worker(word));
	plx_table_set(&arena->partitions, part, ARENA_PARTITION_STATE, owner_phase(word));
}

void owner_pass(struct arena *arena, uint32_t part, uint32_t to)
{
	const uint64_t word = owner_of(arena, part);

	set_owner(arena, part,
		  owner_make(owner_generation(word) + 1,
			     net_mutant(MUT_NET_PASS_HELD) ? OWNER_HELD : OWNER_GIVEN, to));
}

/* Our own word goes on to the next phase. */
static void step(struct arena *arena, uint32_t part, enum owner_phase phase)
{
	const uint64_t word = owner_of(arena, part);

	set_owner(arena, part, owner_make(owner_generation(word), phase, owner_worker(word)));
}

void owner_take(struct arena *arena, uint32_t part)
{
	_Atomic uint32_t *moves = &arena->lines[part].moves;

	step(arena, part, OWNER_TAKEN);
	/* relaxed: ours, and for tools */
	atomic_store_explicit(moves, atomic_load_explicit(moves, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	plx_table_set(&arena->partitions, part, ARENA_PARTITION_MOVES,
		      atomic_load_explicit(moves, memory_order_relaxed) - 1);
}

void owner_hold(struct arena *arena, uint32_t part)
{
	step(arena, part, OWNER_HELD);
}

void owner_wish(struct arena *arena, uint32_t part, uint32_t to)
{
	const uint64_t word = owner_of(arena, part);

	/* release: before owner_tell(), which tells of it */
	atomic_store_explicit(&arena->lines[part].wish, owner_make(owner_generation(word), OWNER_GIVEN, to),
			      memory_order_release);
}

uint32_t owner_wished(const struct arena *arena, uint32_t part)
{
	const uint64_t word = owner_of(arena, part);
	const uint64_t wish = atomic_load_explicit(&arena->lines[part].wish, memory_order_acquire);

	if (owner_phase(wish) != OWNER_GIVEN || owner_worker(wish) == owner_worker(word))
		return NET_WORKERS_MAX;
	if (owner_generation(wish) != owner_generation(word))
		return NET_WORKERS_MAX;
	return owner_worker(wish);
}

void owner_tell(struct arena *arena, uint32_t who)
{
	struct arena_line *line = &arena->lines[who];

	/* W4 seq_cst: between the word and our look at asleep; pairs with W2, between asleep and the look at requests */
	atomic_fetch_add_explicit(&arena->control->requests, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&line->asleep, memory_order_seq_cst) &&
	    atomic_exchange_explicit(&line->asleep, 0, memory_order_seq_cst))
		plx_futex_wake((uint32_t *)&line->asleep, 1);
}

uint32_t owner_count(const struct arena *arena, uint32_t who)
{
	const uint32_t parts = arena_open_parts(arena);
	uint32_t count = 0;

	for (uint32_t i = 0; i < parts; i++)
		count += owner_worker(owner_of(arena, i)) == who;
	return count;
}

uint32_t owner_poorest(const struct arena *arena, uint64_t running)
{
	uint32_t best = NET_WORKERS_MAX, least = UINT32_MAX;

	for (uint64_t left = running; left; left &= left - 1) {
		const uint32_t who = (uint32_t)__builtin_ctzll(left);
		const uint32_t count = owner_count(arena, who);

		if (count < least) {
			least = count;
			best = who;
		}
	}
	return best;
}

void owner_bequeath(struct arena *arena, uint32_t dead, uint64_t running)
{
	const uint32_t parts = arena_open_parts(arena);

	for (uint32_t i = 0; i < parts; i++)
		if (owner_worker(owner_of(arena, i)) == dead)
			owner_pass(arena, i, running ? owner_poorest(arena, running) : dead);
}

bool owner_is_settled(const struct arena *arena, uint64_t running)
{
	const uint32_t parts = arena_open_parts(arena);

	for (uint32_t i = 0; i < parts; i++) {
		const uint64_t word = owner_of(arena, i);

		if (owner_phase(word) != OWNER_HELD || !(running >> owner_worker(word) & 1) ||
		    owner_wished(arena, i) != NET_WORKERS_MAX)
			return false;
	}
	return true;
}

int owner_check(const struct arena *arena, const char **why)
{
	const uint32_t parts = arena_open_parts(arena);

	*why = NULL;
	if (parts > arena->n)
		*why = "more partitions are open than there can be";
	for (uint32_t i = 0; i < arena->n && !*why; i++) {
		const uint64_t word = owner_of(arena, i);

		if (i >= parts && word != 0)
			*why = "a partition that is not open has an owner";
		else if (i < parts && (owner_phase(word) == OWNER_CLOSED || owner_phase(word) > OWNER_HELD))
			*why = "a partition has no owner";
		else if (i < parts && owner_worker(word) >= arena->n)
			*why = "the owner of a partition is no worker";
	}
	return *why ? -EBADMSG : 0;
}

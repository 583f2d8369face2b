/*
 * drop.c - lines leave all caches, so that whoever writes them next need not take them back from us; and who has caught up waits.
 *
 * The publisher says which, and may lie: what it says about an entry is read once more, and checked once more; how much is dropped
 * at once is bounded.
 */
#include "topic/drop.h"

#include <plx/process.h>

#include "base/atomic.h"
#include "base/mutant.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Lines at once, 4 MiB: what takes longer does not pay. */
#define LINES_MAX (UINT64_C(4) << 20) / PLX_LINE

/*
 * So long we stay behind, and so many messages must be taken until we catch up again; if it was in vain so many times in turn,
 * we do not do it for so many. The first microsecond goes by with lines that our processor had fetched ahead.
 */
#define BEHIND_NS  3000u
#define BEHIND_MIN 64u
#define VAIN       16u
#define TIRED      16384u

#if defined(__x86_64__)

static bool can_drop(void)
{
	static uint32_t can; /* 0: not asked yet, 1: no, 2: yes; asking again says the same */
	uint32_t a, b = 0, c, d, known = __atomic_load_n(&can, __ATOMIC_RELAXED);

	if (plx_unlikely(known == 0)) {
		known = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_CLFLUSHOPT) ? 2 : 1;
		__atomic_store_n(&can, known, __ATOMIC_RELAXED);
	}
	return known == 2;
}

static inline void drop_line(const void *line)
{
	/* clflushopt, in the words of any assembler; what it holds is written to memory if need be */
	__asm__ __volatile__("clflushopt %0" : "+m"(*(char *)(uintptr_t)line));
}

#else

static bool can_drop(void)
{
	return false;
}

static inline void drop_line(const void *line)
{
	(void)line;
}

#endif

/* The slot of a message, as far as it was used; lines that are left of @most. */
static uint64_t drop_slot(const struct plx_reader *r, uint64_t place, uint64_t most)
{
	uint32_t slot = (uint32_t)place;
	uint64_t lines = ((place >> 32) + PLX_LINE - 1) / PLX_LINE;
	const unsigned char *at = r->slots + slot * r->stride;

	if ((slot >= r->slot_count || place >> 32 > r->slot_size) && !plx_mutant(MUT_DROP_BELIEVED))
		return most;
	if (lines > most)
		lines = most;
	for (uint64_t i = 0; i < lines; i++)
		drop_line(at + i * PLX_LINE);
	return most - lines;
}

void plx_reader_drop(const struct plx_reader *r, bool slots)
{
	uint64_t from = r->told, most = LINES_MAX;

	if (!r->reliable || !can_drop())
		return;
	if (r->next - from > r->mask + 1)
		from = r->next - r->mask - 1;
	for (; from != r->next; from++) {
		const struct plx_entry *entry = &r->log[from & r->mask];

		/* relaxed: nobody writes there before we have told; if somebody does, it is a line more or less */
		if (slots && most > 0)
			most = drop_slot(r, __atomic_load_n(&entry->place, __ATOMIC_RELAXED), most);
		drop_line(entry);
	}
}

void plx_reader_stay_behind(struct plx_reader *r)
{
	uint64_t until;

	if (!r->reliable || r->tired > 0) {
		r->tired -= r->tired > 0;
		return;
	}
	/* does it publish any faster for it? */
	r->vain = r->next - r->stayed < BEHIND_MIN ? r->vain + 1 : 0;
	if (r->vain == VAIN) {
		r->vain = 0;
		r->tired = TIRED;
	}
	r->stayed = r->next;
	for (until = plx_now_ns() + BEHIND_NS; plx_now_ns() < until;)
		plx_relax();
}

/* quick.h - the short way of loaning and publishing, as inline code; nothing to call, plx/publisher.h brings it. */
#ifndef PLX_QUICK_H
#define PLX_QUICK_H

#include <plx/pool.h>
#include <plx/publisher.h>

/*
 * The short way is what there is to do while there is nothing to decide: one thread, no stamps, room in the log, a slot in
 * hand. It is inline because of what a call costs here, which is not its instructions. To write an entry that readers have
 * looked at, a processor must take its line back from them. It does that for several lines at once, as far ahead as its
 * queue of stores reaches, and each change from one line to another takes a place there. A call goes by way of the stack,
 * which is a change to it and one back. So a message is stores to the entry, then stores to the line of the head, and
 * nothing else (docs/decisions/topic-few-stores.md).
 *
 * plx_publisher_send() and the others of this name are also exported, for who cannot inline them or takes their address.
 *
 * Two versions of the library may meet: a program knows the short way it was compiled with. One whose state has another
 * shape leaves @on zero, and is asked the long way for ever.
 */
struct plx_publisher_quick {
	uint64_t on; /* 0: only the long way */
	uint64_t *
		line; /* in the segment: [0] position of the next message, [1] bytes so far, [4] slots in hand */
	uint64_t limit;      /* the first position that cannot be written yet */
	uint64_t mask;       /* entries - 1 */
	uint64_t *log;       /* entries of 8 words */
	uint64_t inside_max; /* bytes that fit into an entry */
	uint64_t slot_size, stride;
	unsigned char *slots;
	uint32_t type;
	uint32_t sleepers; /* subscribers that may sleep; the control thread's */
};

#define plx_quick inline __attribute__((always_inline))

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLX_QUICK_TSAN 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(PLX_QUICK_TSAN)
#define PLX_QUICK_PAIRS 1
typedef uint64_t __attribute__((vector_size(16), may_alias)) plx_pair;

/* By hand, because compilers go by way of the stack, which is one more store. */
static plx_quick plx_pair plx_quick_pair_of(uint64_t a, uint64_t b)
{
	plx_pair low, high;

	__asm__("movq %1, %0" : "=x"(low) : "r"(a));
	__asm__("movq %1, %0" : "=x"(high) : "r"(b));
	__asm__("punpcklqdq %1, %0" : "+x"(low) : "x"(high));
	return low;
}

static plx_quick void plx_quick_pair_at(uint64_t *to, plx_pair pair)
{
	__asm__ __volatile__("movaps %1, %0" : "=m"(*(plx_pair *)to) : "x"(pair));
}
#endif

/* Two words at once where the machine can, at an address that is a multiple of 16; each is whole for whoever looks on. */
static plx_quick void plx_quick_pair(uint64_t *to, uint64_t a, uint64_t b)
{
#ifdef PLX_QUICK_PAIRS
	plx_quick_pair_at(to, plx_quick_pair_of(a, b));
#else
	__atomic_store_n(&to[0], a, __ATOMIC_RELAXED);
	__atomic_store_n(&to[1], b, __ATOMIC_RELAXED);
#endif
}

static plx_quick uint64_t plx_quick_bytes8(const unsigned char *from)
{
	uint64_t word;

	__builtin_memcpy(&word, from, sizeof(word));
	return word;
}

/* The last one to seven of @length bytes, as the word that has them first; no byte outside is touched. */
static plx_quick uint64_t plx_quick_rest(const unsigned char *from, uint32_t length)
{
	uint64_t word = 0;

	for (uint32_t i = length % 8; i > 0; i--)
		word = word << 8 | from[length / 8 * 8 + i - 1];
	return word;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error bytes are put together as they lie in memory
#endif

/* The payload of an entry, but for the first word, which is returned; lossy readers may look on. */
static plx_quick uint64_t plx_quick_fill(uint64_t *entry, const void *data, uint32_t length)
{
	const unsigned char *from = (const unsigned char *)data;
	uint32_t whole = length / 8;
	uint64_t *words = entry + 3;

	/* words[0] goes with the type; the others in pairs */
	if (length >= 24)
		plx_quick_pair(&words[1], plx_quick_bytes8(from + 8), plx_quick_bytes8(from + 16));
	if (length >= 40)
		plx_quick_pair(&words[3], plx_quick_bytes8(from + 24), plx_quick_bytes8(from + 32));
	else if (length >= 16 && whole % 2 == 0)
		__atomic_store_n(&words[whole - 1], plx_quick_bytes8(from + 8 * (whole - 1)),
				 __ATOMIC_RELAXED);
	if (length > 8 && length % 8)
		__atomic_store_n(&words[whole], plx_quick_rest(from, length), __ATOMIC_RELAXED);
	return length >= 8 ? plx_quick_bytes8(from) : length ? plx_quick_rest(from, length) : 0;
}

/*
 * The first pair of an entry, with release: whoever sees the sequence sees the place, and all that was stored before.
 * @pairs: the machine stores an aligned pair in one piece (it has AVX); stores are seen in their order
 */
static plx_quick void plx_quick_release(uint64_t *entry, uint64_t sequence, uint64_t place, bool pairs)
{
#ifdef PLX_QUICK_PAIRS
	if (plx_likely(pairs)) {
		__asm__ __volatile__("" ::: "memory");
		plx_quick_pair_at(entry, plx_quick_pair_of(sequence, place));
		return;
	}
#endif
	(void)pairs;
	__atomic_store_n(&entry[1], place, __ATOMIC_RELAXED);
	__atomic_store_n(&entry[0], sequence, __ATOMIC_RELEASE);
}

static plx_quick uint64_t plx_quick_place(uint32_t slot, uint32_t length)
{
	return (uint64_t)length << 32 | slot;
}

/* relaxed: readers look at the sequence; these are ours, and tools look on. Two stores: a pair is slow to be read back. */
static plx_quick void plx_quick_advance(uint64_t *line, uint64_t position, uint64_t bytes)
{
	__atomic_store_n(&line[0], position, __ATOMIC_RELAXED);
	__atomic_store_n(&line[1], bytes, __ATOMIC_RELAXED);
}

/* The next slot in hand; PLX_SLOT_NONE: none is. Price: one word of ours. */
static plx_quick uint32_t plx_quick_claim(uint64_t *line)
{
	uint64_t hand = line[4];

	if (plx_unlikely((uint32_t)hand == 0))
		return PLX_SLOT_NONE;
	/* relaxed: only we write it, tools look on */
	__atomic_store_n(&line[4], hand & (hand - 1), __ATOMIC_RELAXED);
	return (uint32_t)(hand >> 32) * 32 + (uint32_t)__builtin_ctzll(hand);
}

/* Back into the hand it came from; false: it is another one. */
static plx_quick bool plx_quick_return(uint64_t *line, uint32_t slot)
{
	uint64_t hand = line[4];

	if (plx_unlikely(hand >> 32 != slot / 32))
		return false;
	/* relaxed: only we write it, tools look on */
	__atomic_store_n(&line[4], hand | UINT64_C(1) << (slot % 32), __ATOMIC_RELAXED);
	return true;
}

/* ---- the short ways ----------------------------------------------------------------------------- */

/* What a publisher begins with. */
static plx_quick struct plx_publisher_quick *plx_quick_of(struct plx_publisher *pub)
{
	return (struct plx_publisher_quick *)(void *)pub;
}

/* Nothing to decide? */
static plx_quick bool plx_quick_room(const struct plx_publisher_quick *q)
{
	return plx_likely(q->on != 0) && plx_likely(q->line[0] != q->limit);
}

/*
 * The entry has its payload but for the @first word: from here on readers see the message. No lock: the control thread may
 * be adding a reader meanwhile. It begins at a position we have passed or are about to, and where we may write was settled
 * without it.
 */
static plx_quick int plx_quick_commit(struct plx_publisher *pub, uint64_t *entry, uint64_t place,
				      uint64_t meta, uint64_t first)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);
	uint64_t position = q->line[0] + 1, bytes = q->line[1] + (place >> 32);

	/* relaxed, both words: ordered by the release below; lossy readers may look on while we write */
	plx_quick_pair(&entry[2], meta, first);
	/* W1 release: pairs with R1; who sees the sequence sees the entry and the slot */
	plx_quick_release(entry, position, place, true);
	plx_quick_advance(q->line, position, bytes);
	/* J1 relaxed: after W1 as the machine sees it, by the barrier of who adds a sleeper; pairs with J2 */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return plx_unlikely(__atomic_load_n(&q->sleepers, __ATOMIC_RELAXED) != 0)
		       ? plx_publisher_published(pub)
		       : 0;
}

static plx_quick int plx_quick_send(struct plx_publisher *pub, const void *data, uint64_t length)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);
	uint64_t *entry, first;

	if (plx_unlikely(!plx_quick_room(q)) || plx_unlikely(length > q->inside_max)) {
		unsigned char away[PLX_INLINE_MAX]; /* as in plx_quick_loan() */

		if (!__builtin_constant_p(length) || length > sizeof(away))
			return plx_publisher_send_slowly(pub, data, length);
		__builtin_memcpy(away, data, length);
		return plx_publisher_send_slowly(pub, away, length);
	}
	entry = q->log + (q->line[0] & q->mask) * 8;
	first = plx_quick_fill(entry, data, (uint32_t)length);
	return plx_quick_commit(pub, entry, plx_quick_place(PLX_SLOT_NONE, (uint32_t)length), q->type, first);
}

static plx_quick int plx_quick_loan(struct plx_publisher *pub, struct plx_loan *loan)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);
	uint32_t slot = plx_likely(q->on != 0) ? plx_quick_claim(q->line) : PLX_SLOT_NONE;

	if (plx_unlikely(slot == PLX_SLOT_NONE)) {
		struct plx_loan
			away; /* so that nobody else knows where @loan is, and it need not be in memory */
		int ret = plx_publisher_loan_slowly(pub, &away);

		if (ret == 0)
			*loan = away;
		return ret;
	}
	loan->data = q->slots + slot * q->stride;
	loan->capacity = q->slot_size;
	loan->slot = slot;
	loan->type = q->type;
	loan->flags = 0;
	return 0;
}

static plx_quick void plx_quick_drop(struct plx_publisher *pub, struct plx_loan *loan)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);

	if (plx_unlikely(!loan->data))
		return;
	if (plx_unlikely(q->on == 0) || plx_unlikely(!plx_quick_return(q->line, loan->slot))) {
		struct plx_loan away = *loan;

		plx_publisher_drop_slowly(pub, &away);
	}
	loan->data = NULL;
	loan->slot = PLX_SLOT_NONE;
}

static plx_quick int plx_quick_publish(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);
	uint64_t place, meta;

	if (plx_unlikely(!plx_quick_room(q)) || plx_unlikely(length > q->slot_size) ||
	    plx_unlikely(!loan->data)) {
		struct plx_loan away = *loan;
		int ret = plx_publisher_publish_slowly(pub, &away, length);

		*loan = away;
		return ret;
	}
	place = plx_quick_place(loan->slot, (uint32_t)length);
	meta = (uint64_t)(loan->flags & 0xffffu & ~PLX_BUFFER_STAMPED) << 32 | loan->type;
	loan->data = NULL;
	loan->slot = PLX_SLOT_NONE;
	return plx_quick_commit(pub, q->log + (q->line[0] & q->mask) * 8, place, meta, 0);
}

/* ---- their names -------------------------------------------------------------------------------- */

/* Calls are inline; the functions of these names are for all other uses, and for who wants them: PLX_NO_QUICK. */
#ifndef PLX_NO_QUICK
#define plx_publisher_loan(...)    plx_quick_loan(__VA_ARGS__)
#define plx_publisher_drop(...)    plx_quick_drop(__VA_ARGS__)
#define plx_publisher_publish(...) plx_quick_publish(__VA_ARGS__)
#define plx_publisher_send(...)    plx_quick_send(__VA_ARGS__)
#endif

#endif

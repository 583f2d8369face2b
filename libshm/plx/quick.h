/* quick.h - the short ways of loaning, publishing and taking, as inline code; nothing to call, the other headers bring it. */
#ifndef PLX_QUICK_H
#define PLX_QUICK_H

#include <plx/lines.h>
#include <plx/pool.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>

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
 * Taking and letting go are inline for the same reason: who answers a message has its stores behind all that it stored
 * since it saw it, at 0.3 ns each. So what can be told from something else is not stored.
 *
 * Two versions of the library may meet: a program knows the short way it was compiled with. What each of these structures
 * has first says the shape of them all; to one that has another, or zero, everything goes the long way.
 */
struct plx_publisher_quick {
	uint64_t on; /* PLX_QUICK_SHAPE; 0: only the long way */
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
	uint32_t drops;    /* readers drop lines that they have read: topic/distance.h */
	uint32_t reserved;
};

struct plx_entry;
struct plx_reader;

/* One message that is held, by one buffer or more. */
struct plx_holder {
	uint64_t more; /* buffers beyond the first, and PLX_QUICK_SHAPE; also while it is unused */
	struct plx_reader *reader;
	struct plx_holder *next, *prev; /* in the list of unpinned ones, oldest first; or of unused ones */
	uint32_t slot;                  /* while it is listed or pinned */
	bool listed;                    /* in the list of unpinned ones */
	bool pinned;
	uint64_t copy[5]; /* what lay in an entry */
};

/* What a reader begins with. */
#define PLX_READER_QUICK                                                                                                   \
	const struct plx_entry *log;                                                                                       \
	uint64_t mask; /* entries - 1 */                                                                                   \
	const unsigned char *slots;                                                                                        \
	uint64_t stride, slot_size;                                                                                        \
	uint32_t slot_count;                                                                                               \
	uint32_t quick;        /* is there a quick way for us? */                                                          \
	const uint64_t *calls; /* the publisher's word for everybody */                                                    \
	uint64_t                                                                                                           \
		attention; /* count of readers let go, as of when we last asked the socket, 0 before that; does it wait */ \
	uint64_t next; /* position of the next message */                                                                  \
	uint64_t bytes;                                                                                                    \
	uint64_t told;   /* cursor in the link */                                                                          \
	uint64_t due;    /* when next gets there it is time to tell */                                                     \
	uint64_t enough; /* bytes: so many are worth telling */                                                            \
	uint64_t id;                                                                                                       \
	struct plx_holder *unused;                                                                                         \
	struct plx_holder *oldest, *newest; /* unpinned ones */
struct plx_reader_quick {
	PLX_READER_QUICK
};

/* What a subscriber begins with. */
struct plx_subscriber_quick {
	uint64_t on;                     /* PLX_QUICK_SHAPE; 0: only the long way */
	struct plx_reader_quick *reader; /* the only one to take from, and nothing else to see to; when @on */
	uint32_t budget;                 /* of takes until we look at the sockets */
	uint32_t asking;                 /* handshakes */
};

/* Another number for anything that is moved above, or means something else; sizes speak for themselves. */
#ifndef PLX_QUICK_VERSION
#define PLX_QUICK_VERSION 1u
#endif
#define PLX_QUICK_SHAPE                                                                                      \
	(UINT64_C(0x51) << 56 | (uint64_t)PLX_QUICK_VERSION << 48 |                                          \
	 (uint64_t)(sizeof(struct plx_publisher_quick) / 4 + sizeof(struct plx_subscriber_quick) / 4)        \
		 << 40 |                                                                                     \
	 (uint64_t)(sizeof(struct plx_reader_quick) / 4 + sizeof(struct plx_holder) / 4) << 32)

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLX_QUICK_TSAN 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(PLX_QUICK_TSAN)
#define PLX_QUICK_PAIRS 1
typedef uint64_t __attribute__((vector_size(16), may_alias)) plx_pair;
typedef uint64_t __attribute__((vector_size(16), may_alias, aligned(8))) plx_pair_anywhere;

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

/* The payload of an entry to where it is kept, as it will be read: from its beginning. */
static plx_quick void plx_quick_copy(uint64_t *to, const uint64_t *entry)
{
#ifdef PLX_QUICK_PAIRS
	*(plx_pair_anywhere *)&to[0] = *(const plx_pair_anywhere *)&entry[3];
	*(plx_pair_anywhere *)&to[2] = *(const plx_pair_anywhere *)&entry[5];
	to[4] = __atomic_load_n(&entry[7], __ATOMIC_RELAXED);
#else
	for (int i = 0; i < 5; i++)
		to[i] = __atomic_load_n(&entry[3 + i], __ATOMIC_RELAXED);
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

/*
 * Before the first of eight entries is written their lines are taken back together, right after the message before, when
 * nobody waits for it (plx/lines.h). What they hold is not changed by that, be it wanted or not. For loans only while readers
 * drop what they have read: otherwise the lines of slots come between them, and both take longer.
 */
static plx_quick void plx_quick_ahead(const struct plx_publisher_quick *q)
{
	uint64_t position = q->line[0];

	if (position % PLX_LINES_TAKEN == 0 && plx_likely(q->mask >= PLX_LINES_TAKEN - 1))
		plx_lines_take(q->log + (position & q->mask) * 8, PLX_LINES_TAKEN);
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
	return plx_likely(q->on == PLX_QUICK_SHAPE) && plx_likely(q->line[0] != q->limit);
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
	int ret;

	if (plx_unlikely(!plx_quick_room(q)) || plx_unlikely(length > q->inside_max)) {
		unsigned char away[PLX_INLINE_MAX]; /* as in plx_quick_loan() */

		if (!__builtin_constant_p(length) || length > sizeof(away))
			return plx_publisher_send_slowly(pub, data, length);
		__builtin_memcpy(away, data, length);
		return plx_publisher_send_slowly(pub, away, length);
	}
	entry = q->log + (q->line[0] & q->mask) * 8;
	first = plx_quick_fill(entry, data, (uint32_t)length);
	ret = plx_quick_commit(pub, entry, plx_quick_place(PLX_SLOT_NONE, (uint32_t)length), q->type, first);
	plx_quick_ahead(q);
	return ret;
}

static plx_quick int plx_quick_loan(struct plx_publisher *pub, struct plx_loan *loan)
{
	struct plx_publisher_quick *q = plx_quick_of(pub);
	uint32_t slot = plx_likely(q->on == PLX_QUICK_SHAPE) ? plx_quick_claim(q->line) : PLX_SLOT_NONE;

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
	if (plx_unlikely(q->on != PLX_QUICK_SHAPE) || plx_unlikely(!plx_quick_return(q->line, loan->slot))) {
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
	int ret;

	if (plx_unlikely(!plx_quick_room(q)) || plx_unlikely(length > q->slot_size) ||
	    plx_unlikely(!loan->data)) {
		struct plx_loan away = *loan;

		ret = plx_publisher_publish_slowly(pub, &away, length);
		*loan = away;
		return ret;
	}
	place = plx_quick_place(loan->slot, (uint32_t)length);
	meta = (uint64_t)(loan->flags & 0xffffu & ~PLX_BUFFER_STAMPED) << 32 | loan->type;
	loan->data = NULL;
	loan->slot = PLX_SLOT_NONE;
	ret = plx_quick_commit(pub, q->log + (q->line[0] & q->mask) * 8, place, meta, 0);
	if (plx_unlikely(q->drops))
		plx_quick_ahead(q);
	return ret;
}

/* ---- taking, and letting go ---------------------------------------------------------------------- */

/* Bits of the publisher's word, and what an empty take costs of the budget. */
#define PLX_QUICK_WAITING UINT64_C(1)
#define PLX_QUICK_ENDED   UINT64_C(2)
#define PLX_QUICK_EMPTY   64u

/* What was loaded before is older than what is loaded after. */
static plx_quick void plx_quick_fence_loads(void)
{
#if defined(__SANITIZE_THREAD__) || defined(PLX_QUICK_TSAN)
	static uint64_t nothing; /* ThreadSanitizer knows no fences */
	__atomic_fetch_add(&nothing, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/*
 * The message is there and nothing is unusual: hand it out. Each word is loaded once, the publisher may change them under
 * our eyes; what is checked is what is used.
 */
static plx_quick bool plx_quick_next(struct plx_reader_quick *r, const uint64_t *entry, struct plx_buffer *b)
{
	struct plx_holder *h = r->unused;
	uint64_t place, meta, attention, stamp = 0;
	uint32_t slot, length;

	if (plx_unlikely(!r->quick) || plx_unlikely((int64_t)(r->next - r->due) >= 0) || plx_unlikely(!h))
		return false;
	/* relaxed: after R1; what is looked at next comes after a fence for loads */
	place = __atomic_load_n(&entry[1], __ATOMIC_RELAXED);
	meta = __atomic_load_n(&entry[2], __ATOMIC_RELAXED);
	slot = (uint32_t)place;
	length = (uint32_t)(place >> 32);
	if (slot == PLX_SLOT_NONE) {
		if (plx_unlikely(length > PLX_INLINE_MAX))
			return false;
		plx_quick_copy(h->copy, entry);
	} else if (plx_unlikely(slot >= r->slot_count) || plx_unlikely(length > r->slot_size)) {
		return false;
	} else {
		__builtin_prefetch(r->slots + slot * r->stride);
	}
	if (plx_unlikely(meta >> 32 & PLX_BUFFER_STAMPED)) {
		if (slot == PLX_SLOT_NONE && length > PLX_INLINE_MAX - 8)
			return false;
		stamp = __atomic_load_n(&entry[7], __ATOMIC_RELAXED);
	}
	plx_quick_fence_loads();
	attention = __atomic_load_n(r->calls, __ATOMIC_RELAXED);
	if (plx_unlikely(((attention ^ r->attention) & ~PLX_QUICK_ENDED) != 0))
		return false;
	r->unused = h->next;
	b->data = h->copy;
	r->bytes += length;
	if (slot != PLX_SLOT_NONE) { /* the newest of the unpinned ones */
		h->slot = slot;
		h->listed = true;
		h->next = NULL;
		h->prev = r->newest;
		if (r->newest)
			r->newest->next = h;
		else
			r->oldest = h;
		r->newest = h;
		b->data = r->slots + slot * r->stride;
		if (plx_unlikely(r->bytes >= r->enough))
			r->due = r->next + 1;
	}
	b->length = length;
	b->sequence = r->next++;
	b->timestamp_ns = stamp;
	b->publisher = r->id;
	b->type = (uint32_t)meta;
	b->flags = (uint32_t)(meta >> 32) & 0xffffu;
	b->slot = slot;
	b->viewed = 0;
	b->holder = h;
	return true;
}

/* Nothing to take, nothing to tell, no word from the publisher? */
static plx_quick bool plx_quick_idle(const struct plx_reader_quick *r, uint64_t sequence)
{
	/* relaxed: who is not idle looks again, in order */
	return (int64_t)(sequence - r->next) <= 0 && r->told == r->next &&
	       __atomic_load_n(r->calls, __ATOMIC_RELAXED) == r->attention;
}

static plx_quick int plx_quick_take(struct plx_subscriber *sub, struct plx_buffer *buffer)
{
	struct plx_subscriber_quick *q = (struct plx_subscriber_quick *)(void *)sub;
	struct plx_buffer away; /* as in plx_quick_loan() */
	int ret;

	__builtin_memset(&away, 0, sizeof(away)); /* PLX_BUFFER_NONE, also where this is C++ */
	if (plx_likely(q->on == PLX_QUICK_SHAPE)) {
		struct plx_reader_quick *r = q->reader;
		const uint64_t *entry = (const uint64_t *)(const void *)r->log + (r->next & r->mask) * 8;
		/* R1 acquire: pairs with W1 */
		uint64_t sequence = __atomic_load_n(&entry[0], __ATOMIC_ACQUIRE);

		if (plx_likely(sequence == r->next + 1)) {
			if (plx_likely(plx_quick_next(r, entry, buffer)))
				return 1;
		} else if (plx_likely(plx_quick_idle(r, sequence)) &&
			   plx_likely(q->budget >= PLX_QUICK_EMPTY) && plx_likely(!q->asking)) {
			q->budget -= PLX_QUICK_EMPTY;
			*buffer = away;
			return 0;
		}
	}
	ret = plx_subscriber_take_slowly(sub, &away);
	*buffer = away;
	return ret;
}

static plx_quick void plx_quick_let_go(struct plx_buffer *buffer)
{
	struct plx_holder *h = buffer->holder;
	struct plx_reader_quick *r;

	if (plx_unlikely(!h))
		return;
	buffer->holder = NULL;
	buffer->data = NULL;
	buffer->length = 0;
	if (plx_unlikely(h->more != PLX_QUICK_SHAPE) || plx_unlikely(h->pinned)) {
		plx_buffer_release_slowly(h);
		return;
	}
	r = (struct plx_reader_quick *)(void *)h->reader;
	if (h->listed) {
		if (h->prev)
			h->prev->next = h->next;
		else
			r->oldest = h->next;
		if (h->next)
			h->next->prev = h->prev;
		else
			r->newest = h->prev;
		h->listed = false;
	}
	if (h->next != r->unused) /* it is, when this was the last one taken and lay in an entry */
		h->next = r->unused;
	r->unused = h;
	/* does the publisher wait for us? It fences for both before it sleeps */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely((int64_t)(r->next - r->due) >= 0) ||
	    plx_unlikely((__atomic_load_n(r->calls, __ATOMIC_RELAXED) & PLX_QUICK_WAITING) != 0))
		plx_buffer_released(h);
}

/* ---- their names -------------------------------------------------------------------------------- */

/* Calls are inline; the functions of these names are for all other uses, and for who wants them: PLX_NO_QUICK. */
#ifndef PLX_NO_QUICK
#define plx_publisher_loan(...)    plx_quick_loan(__VA_ARGS__)
#define plx_publisher_drop(...)    plx_quick_drop(__VA_ARGS__)
#define plx_publisher_publish(...) plx_quick_publish(__VA_ARGS__)
#define plx_publisher_send(...)    plx_quick_send(__VA_ARGS__)
#define plx_subscriber_take(...)   plx_quick_take(__VA_ARGS__)
#define plx_buffer_release(...)    plx_quick_let_go(__VA_ARGS__)
#endif

#endif

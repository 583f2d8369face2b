/*
 * fuzz_link.c - whatever subscribers write into their links, the publisher's books are right.
 *
 * libFuzzer's entry (make fuzz); test_fuzz_link.c calls it too. The first byte of an input is the shape of a log; then
 * follows a script, two bytes each and what a command takes: the publisher works (sends, loans, drops, looks, wakes), while four
 * links say anything at all, between any two steps. After each step the checker of the writer is asked, and more:
 * no slot is given out that is loaned, unread by an honest reader, or pinned by one.
 */
#include "tests/fuzz/fuzz.h"

#include "base/sys.h"
#include "topic/publisher_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIARS     4u
#define SLOTS_MAX 130u
#define WORDS     ((SLOTS_MAX + 63) / 64)
#define LOANS     8u

struct world {
	struct plx_publisher pub;
	struct plx_topic_head head;
	struct plx_entry log[16];
	uint64_t bitmap[2 * 64];
	unsigned char slots[SLOTS_MAX * 64];
	struct plx_member
		members[LIARS + 1]; /* the last one is honest: it pins what it likes, and moves as it may */
	struct plx_link links[LIARS + 1];
	uint64_t pins[LIARS + 1][8];
	bool follows[LIARS + 1];
	uint32_t loans[LOANS];
	uint32_t loan_count;
};

static void follow(struct world *w, unsigned int i, bool reliable, uint32_t history)
{
	struct plx_writer *writer = &w->pub.writer;
	struct plx_member *m = &w->members[i];
	uint64_t start = plx_writer_start(writer, history);

	if (w->follows[i])
		return;
	memset(w->pins[i], 0, sizeof(w->pins[i]));
	w->links[i] = (struct plx_link){ .cursor = start };
	*m = (struct plx_member){ .pub = &w->pub, .fd = -1, .alarm = -1 };
	m->follower = (struct plx_follower){ .link = &w->links[i],
					     .pins = w->pins[i],
					     .cursor = start,
					     .start = start,
					     .quota = 2,
					     .reliable = reliable };
	HOLDS(plx_writer_follow(writer, &m->follower) == 0);
	w->pub.sleeper[w->pub.writer.quick.sleepers++] = (struct plx_sleeper){ &w->links[i].sleep, m };
	w->follows[i] = true;
}

static void forget(struct world *w, unsigned int i)
{
	if (!w->follows[i])
		return;
	plx_writer_forget(&w->pub.writer, &w->members[i].follower);
	for (uint32_t k = 0; k < w->pub.writer.quick.sleepers; k++) {
		if (w->pub.sleeper[k].member == &w->members[i]) {
			w->pub.sleeper[k] = w->pub.sleeper[--w->pub.writer.quick.sleepers];
			break;
		}
	}
	w->follows[i] = false;
}

/* Nobody honest needs it: not the reader that pins it, nor the reliable one that has yet to read it. */
static void free_for_all(const struct world *w, uint32_t slot)
{
	const struct plx_writer *writer = &w->pub.writer;

	HOLDS(slot < writer->pool.slots);
	for (uint32_t i = 0; i < w->loan_count; i++)
		HOLDS(w->loans[i] != slot);
	if (!w->follows[LIARS])
		return;
	HOLDS(!(w->pins[LIARS][slot / 64] >> (slot % 64) & 1));
	if (!w->members[LIARS].follower.reliable)
		return;
	for (uint64_t pos = w->links[LIARS].cursor; pos != writer->head->head; pos++)
		HOLDS((uint32_t)w->log[pos & writer->mask].place != slot);
}

static void check(const struct world *w)
{
	const struct plx_writer *writer = &w->pub.writer;
	const char *why = NULL;

	HOLDS(plx_writer_check(writer, &why) == 0);
	for (unsigned int i = 0; i <= LIARS; i++) {
		const struct plx_follower *f = &w->members[i].follower;

		if (!w->follows[i])
			continue;
		/* between where it began and the head, whatever it says */
		HOLDS(f->cursor - f->start <= writer->head->head - f->start);
	}
	if (w->follows[LIARS]) {
		const struct plx_follower *f = &w->members[LIARS].follower;

		HOLDS(!f->liar);
		if (f->reliable)
			HOLDS(w->links[LIARS].cursor - writer->tail <= writer->head->head - writer->tail);
	}
}

/* The honest reader goes on by @n, and may pin what it passes, as a real one does: pin first. */
static void honest(struct world *w, unsigned int n, bool pin)
{
	struct plx_writer *writer = &w->pub.writer;
	struct plx_link *link = &w->links[LIARS];
	uint32_t pinned = 0;

	if (!w->follows[LIARS])
		return;
	if (writer->head->head - link->cursor > writer->head->head - writer->tail) /* lossy, and lapped */
		link->cursor = writer->tail;
	for (unsigned int i = 0; i < WORDS; i++)
		pinned += (uint32_t)__builtin_popcountll(w->pins[LIARS][i]);
	for (; n > 0 && link->cursor != writer->head->head; n--) {
		uint32_t slot = (uint32_t)w->log[link->cursor & writer->mask].place;

		if (pin && slot != PLX_SLOT_NONE && pinned < 2) {
			w->pins[LIARS][slot / 64] |= UINT64_C(1) << (slot % 64);
			pinned++;
		}
		link->cursor++;
	}
	if (!pin)
		memset(w->pins[LIARS], 0, sizeof(w->pins[LIARS]));
}

static void claim(struct world *w)
{
	uint32_t slot;

	if (w->loan_count == LOANS)
		return;
	slot = plx_writer_claim(&w->pub.writer);
	if (slot == PLX_SLOT_NONE)
		return;
	free_for_all(w, slot);
	w->loans[w->loan_count++] = slot;
}

static void publish(struct world *w, bool inside)
{
	struct plx_writer *writer = &w->pub.writer;

	if (!inside && w->loan_count == 0)
		return;
	if (!plx_writer_room(writer)) {
		HOLDS(plx_writer_slowest(writer, false) || writer->count == 0 ||
		      writer->gate == writer->tail);
		return;
	}
	if (inside)
		plx_writer_put_inline(writer, "abc", 3, 1, 0);
	else
		plx_writer_put(writer, w->loans[--w->loan_count], 10, 1, 0);
}

/* Judge as a publisher that waits does; who lied is let go. */
static void judge(struct world *w)
{
	struct plx_writer *writer = &w->pub.writer;

	plx_writer_judge(writer);
	for (unsigned int i = 0; i <= LIARS; i++) {
		if (w->follows[i] && w->members[i].follower.liar) {
			HOLDS(i != LIARS);
			forget(w, i);
		}
	}
}

/* A word of 8 bytes of the script, or what there is of it. */
static uint64_t word(const unsigned char **data, size_t *left)
{
	uint64_t value = 0;
	size_t n = *left < 8 ? *left : 8;

	memcpy(&value, *data, n);
	*data += n;
	*left -= n;
	return value;
}

static void step(struct world *w, unsigned int command, unsigned int argument, const unsigned char **data,
		 size_t *left)
{
	struct plx_writer *writer = &w->pub.writer;
	unsigned int liar = argument % LIARS;

	switch (command % 16) {
	case 0: claim(w); break;
	case 1: publish(w, false); break;
	case 2: publish(w, true); break;
	case 3:
		if (w->loan_count)
			plx_writer_drop(writer, w->loans[--w->loan_count]);
		break;
	case 4: plx_writer_look(writer); break;
	case 5: judge(w); break;
	case 6:
		(void)plx_writer_slowest(writer, argument & 1);
		if ((argument & 2) && w->follows[liar])
			(void)plx_writer_hear(writer, &w->members[liar].follower);
		break;
	case 7: follow(w, liar, argument & 16, argument >> 5); break;
	case 8: forget(w, liar); break;
	case 9: w->links[liar].cursor = writer->head->head + argument - 128; break; /* nearly right */
	case 10: w->links[liar].cursor = word(data, left); break;
	case 11: w->pins[liar][argument >> 3 & 3] = word(data, left); break;
	case 12: w->links[liar].sleep = (uint32_t)word(data, left); break;
	case 13: plx_publisher_wake(&w->pub); break;
	case 14: honest(w, argument & 31, argument & 32); break;
	default:
		if (argument & 1)
			follow(w, LIARS, argument & 2, argument >> 4);
		else
			forget(w, LIARS);
		break;
	}
}

static void begin(struct world *w, unsigned int shape)
{
	static const uint32_t depths[] = { 2, 4, 8, 16 }, slots[] = { 1, 5, 64, SLOTS_MAX };
	struct plx_writer_blocks blocks = { &w->head, w->log, w->bitmap, w->slots };

	w->head.depth = depths[shape & 3];
	w->head.slots = slots[shape >> 2 & 3];
	w->head.slot_size = 64;
	w->head.stride = 64;
	w->head.history = (shape >> 4 & 7) < w->head.depth ? shape >> 4 & 7 : 0;
	w->pub.own_fences = w->pub.fenced = shape >> 7;
	HOLDS(plx_writer_init(&w->pub.writer, &blocks) == 0);
	w->pub.sleeper = calloc(LIARS + 1, sizeof(*w->pub.sleeper));
	HOLDS(w->pub.sleeper);
}

/* Geometry that cannot be is refused. */
static void try_geometry(const unsigned char *data, size_t size)
{
	struct plx_topic_head head = { 0 };
	static uint64_t bitmap[2 * 64];
	static unsigned char slots[SLOTS_MAX * 64];
	static struct plx_entry log[16];
	struct plx_writer_blocks blocks = { &head, log, bitmap, slots };
	struct plx_writer writer;
	const char *why;

	memcpy(&head, data, size < 64 ? size : 64);
	if (head.slots > SLOTS_MAX && head.slots <= PLX_SLOTS_MAX) /* what can be has to fit in here */
		head.slots %= SLOTS_MAX;
	if (head.stride > 64)
		head.stride = 64;
	memset(bitmap, 0, sizeof(bitmap));
	if (plx_writer_init(&writer, &blocks) < 0)
		return;
	HOLDS(plx_writer_check(&writer, &why) == 0);
	plx_writer_fini(&writer);
}

/* Books that are wrong: the checker says so, or finds nothing, and comes to an end. */
static void try_checker(struct world *w, const unsigned char *data, size_t size)
{
	struct plx_writer *writer = &w->pub.writer;
	const char *why = NULL;
	uint64_t *at;
	int ret;

	for (; size >= 2; data += 2, size -= 2) {
		uint64_t bit = UINT64_C(1) << (data[1] & 63);

		switch (data[0] % 9) {
		case 0: at = &w->bitmap[data[1] >> 6]; break;
		case 1: at = &w->head.hand; break;
		case 2: at = &writer->limbo[data[1] % writer->words]; break;
		case 3: at = &w->log[data[1] & 15].sequence; break;
		case 4: at = &w->log[data[1] & 15].place; break;
		case 5: at = &w->head.head; break;
		case 6: at = &writer->quick.limit; break;
		case 7:
			writer->in_limbo += data[1] & 1;
			writer->some[0] ^= bit;
			writer->slotted ^= data[1] >> 1 & 1;
			continue;
		default:
			if (writer->count)
				writer->followers[0]->cursor += data[1];
			continue;
		}
		*at ^= bit;
		ret = plx_writer_check(writer, &why);
		HOLDS(ret == 0 || (ret == -EBADMSG && why));
	}
	ret = plx_writer_check(writer, &why);
	HOLDS(ret == 0 || (ret == -EBADMSG && why));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct world *w;

	if (size < 1)
		return 0;
	if (data[0] == 0xff) {
		try_geometry(data + 1, size - 1);
		return 0;
	}
	w = aligned_alloc(PLX_LINE, (sizeof(*w) + PLX_LINE - 1) / PLX_LINE * PLX_LINE);
	HOLDS(w);
	memset(w, 0, sizeof(*w));
	begin(w, data[0]);
	for (data++, size--; size >= 2;) {
		unsigned int command = data[0], argument = data[1];

		data += 2;
		size -= 2;
		if (command == 0xff) {
			try_checker(w, data, size);
			break;
		}
		step(w, command, argument, &data, &size);
		check(w);
	}
	plx_writer_fini(&w->pub.writer);
	free(w->pub.sleeper);
	free(w);
	return 0;
}

/* world.h - a publisher and its readers in one memory, what each is owed, and what must hold when one of them dies. */
#ifndef TESTS_CRASH_WORLD_H
#define TESTS_CRASH_WORLD_H

#include <stdio.h>
#include <string.h>

#include "tests/support/step.h"
#include "tests/support/support.h"
#include "topic/publisher_state.h"
#include "topic/reader.h"
#include "topic/topic_check.h"

/*
 * The real code, on its real state: a struct plx_publisher and struct plx_reader as the library makes them, but without
 * sockets, threads and maps; what they allocated is moved into the common memory (tests/support/step.h).
 *
 * A message says what it is: its number, its length, and a pattern that follows from both. So each reader can tell a
 * whole message from a torn one, and the next one from any other.
 */
#define SEATS     3
#define HELD      3u /* quota of messages */
#define HOLDERS   HELD
#define HANDLES   4u /* clones too */
#define DEPTH_MAX 32u
#define SLOTS_MAX 32u
#define SLOT_SIZE 64u
#define LOANS     2u
#define LEAST     16u /* bytes of a message: number and length */

/* One reader: its own state, what it told, and what it is owed. */
struct seat {
	struct plx_link *link;
	uint64_t *pins;
	struct plx_member member; /* as its publisher sees it */
	struct plx_reader reader;
	struct plx_holder holders[HOLDERS];
	uint64_t mine[1];
	uint64_t due; /* no message before it may come any more; a reliable reader gets exactly this one */
	struct plx_buffer held[HANDLES];
	bool heeds; /* somebody may be let go here: it asks whether that was it, and it was not */
};

struct world {
	struct plx_topic_head *head;
	struct plx_entry *log;
	uint64_t *bitmap;
	unsigned char *slots;
	struct plx_publisher pub;
	uint64_t some[1];
	struct plx_follower *followers[SEATS + 1];
	struct seat seats[SEATS];
	struct plx_loan loans[LOANS];
	uint64_t seed;
	/* the operation at hand */
	int who;            /* the seat, or -1: the publisher */
	uint64_t before;    /* messages published before it */
	uint64_t more;      /* it publishes at most so many */
	uint32_t which;     /* loan */
	uint32_t length[3]; /* of what is sent */
	unsigned char bytes[3][SLOT_SIZE];
	struct plx_buffer got, copy;
	int ret, interlude;
	enum plx_found_what found;
};

#define WORLD_SHARED                                                                                         \
	(sizeof(struct plx_topic_head) + DEPTH_MAX * sizeof(struct plx_entry) + 2 * 64 +                     \
	 SLOTS_MAX * SLOT_SIZE + SEATS * (sizeof(struct plx_link) + 64))

static inline uint64_t roll(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

/* ---- messages ----------------------------------------------------------------------------------------- */

static inline unsigned char pattern(uint64_t number, uint64_t i)
{
	return (unsigned char)(number * 37 + i + 1);
}

static inline void fill(unsigned char *bytes, uint64_t number, uint64_t length)
{
	memcpy(bytes, &number, 8);
	memcpy(bytes + 8, &length, 8);
	for (uint64_t i = LEAST; i < length; i++)
		bytes[i] = pattern(number, i);
}

static inline bool intact(const struct plx_buffer *b)
{
	const unsigned char *bytes = b->data;
	uint64_t number, length;

	if (b->length < LEAST || b->length > SLOT_SIZE)
		return false;
	memcpy(&number, bytes, 8);
	memcpy(&length, bytes + 8, 8);
	if (number != b->sequence || length != b->length)
		return false;
	for (uint64_t i = LEAST; i < length; i++) {
		if (bytes[i] != pattern(number, i))
			return false;
	}
	return true;
}

/* ---- making it ---------------------------------------------------------------------------------------- */

/* Its link is there; a reader begins at @start. What plx_reader_init() allocated moves into the memory. */
static inline void begin(struct world *w, int i, bool reliable, uint64_t start)
{
	struct seat *s = &w->seats[i];
	struct plx_reader_parts parts = {
		.head = w->head,
		.log = w->log,
		.slots = w->slots,
		.link = s->link,
		.pins = s->pins,
		.id = 7,
		.start = start,
		.slot_size = SLOT_SIZE,
		.stride = SLOT_SIZE,
		.depth = w->head->depth,
		.slot_count = w->head->slots,
		.quota = HELD,
		.reading = reliable ? PLX_READ_RELIABLE : PLX_READ_LOSSY,
	};

	memset(s->held, 0, sizeof(s->held));
	assert_int_equal(plx_reader_init(&s->reader, &parts), 0);
	free(s->reader.mine);
	free(s->reader.chunks);
	s->mine[0] = 0;
	s->reader.mine = s->mine;
	s->reader.chunks = NULL;
	s->reader.unused = NULL;
	s->reader.holders = HOLDERS;
	for (unsigned int h = 0; h < HOLDERS; h++) {
		s->holders[h] = (struct plx_holder){ .more = PLX_QUICK_SHAPE,
						     .reader = &s->reader,
						     .next = s->reader.unused };
		s->reader.unused = &s->holders[h];
	}
	s->due = start;
}

/* Reader and publisher meet. */
static inline void join(struct world *w, int i, bool reliable, uint32_t history)
{
	struct seat *s = &w->seats[i];
	uint64_t start = plx_writer_start(&w->pub.writer, history);

	memset(s->link, 0, sizeof(*s->link));
	memset(s->pins, 0, 64);
	s->link->slots = w->head->slots;
	s->link->quota = HELD;
	s->link->reading = reliable ? PLX_READ_RELIABLE : PLX_READ_LOSSY;
	s->member = (struct plx_member){ .pub = &w->pub, .fd = -1, .joined = true };
	s->member.follower = (struct plx_follower){
		.link = s->link,
		.pins = s->pins,
		.cursor = start,
		.start = start,
		.quota = HELD,
		.reliable = reliable,
		.polling = true,
	};
	begin(w, i, reliable, start);
	assert_int_equal(plx_writer_follow(&w->pub.writer, &s->member.follower), 0);
}

/* What the control thread does when it hears of a death. */
static inline void part(struct world *w, int i)
{
	plx_writer_forget(&w->pub.writer, &w->seats[i].member.follower);
}

static inline struct world *world_make(const struct stepper *st, uint32_t depth, uint32_t slots,
				       uint32_t history, uint64_t seed)
{
	struct world *w = step_rest(st);
	unsigned char *at = step_shared(st);
	struct plx_writer_blocks blocks;

	memset(at, 0, WORLD_SHARED);
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->head = (struct plx_topic_head *)(void *)at;
	at += sizeof(*w->head);
	w->log = (struct plx_entry *)(void *)at;
	at += DEPTH_MAX * sizeof(struct plx_entry);
	w->bitmap = (uint64_t *)(void *)at;
	at += 128;
	w->slots = at;
	at += SLOTS_MAX * SLOT_SIZE;
	for (int i = 0; i < SEATS; i++) {
		w->seats[i].link = (struct plx_link *)(void *)at;
		w->seats[i].pins = (uint64_t *)(void *)(at + sizeof(struct plx_link));
		at += sizeof(struct plx_link) + 64;
	}
	*w->head = (struct plx_topic_head){ .depth = depth,
					    .slots = slots,
					    .slot_size = SLOT_SIZE,
					    .stride = SLOT_SIZE,
					    .history = history };
	blocks = (struct plx_writer_blocks){ w->head, w->log, w->bitmap, w->slots };
	assert_int_equal(plx_writer_init(&w->pub.writer, &blocks), 0);
	free(w->pub.writer.some);
	w->pub.writer.some = w->some;
	w->some[0] = UINT64_MAX;
	w->pub.writer.followers = w->followers;
	w->pub.writer.capacity = COUNT_OF(w->followers);
	w->pub.writer.hot = 3; /* looks for hotter slots are frequent here */
	w->pub.bias = &w->head->bias;
	plx_bias_init(w->pub.bias);
	w->pub.full = PLX_FULL_FAIL;
	w->pub.slot_size = SLOT_SIZE;
	w->pub.inside_max = PLX_ENTRY_PAYLOAD;
	w->pub.type = 5;
	if (seed % 4)
		plx_publisher_quicken(&w->pub);
	for (int i = 0; i < SEATS; i++)
		join(w, i, i == 0 || (i == 2 && roll(w, 2)), 0);
	return w;
}

/* ---- what everybody does ------------------------------------------------------------------------------- */

/* A message came: is it the one that had to come? */
static inline const char *judge(struct seat *s, const struct plx_buffer *b)
{
	const struct plx_reader *r = &s->reader;

	if (!intact(b))
		return "a message is torn";
	if (b->type != 5 && b->type != (uint32_t)b->sequence)
		return "a message has another one's type";
	if (b->sequence != s->due && (r->reliable || b->sequence < s->due))
		return b->sequence < s->due ? "a message came twice" : "a message was left out";
	if (r->next != b->sequence + 1)
		return "taken and lost are not all there was";
	s->due = b->sequence + 1;
	return NULL;
}

static inline const char *check_held(const struct seat *s)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (s->held[i].holder && !intact(&s->held[i]))
			return "bytes changed that are held";
	}
	return NULL;
}

static inline const char *release_all(struct seat *s)
{
	const char *wrong = check_held(s);

	for (uint32_t i = 0; i < HANDLES; i++)
		plx_buffer_release(&s->held[i]);
	return wrong;
}

/* Take all there is; NULL when all was well and it is all. */
static inline const char *drain(struct seat *s)
{
	const char *wrong = check_held(s);

	for (int n = 0; n < 200 && !wrong; n++) {
		struct plx_buffer b;

		switch (plx_reader_take(&s->reader, &b)) {
		case PLX_READER_MESSAGE:
			wrong = judge(s, &b);
			plx_buffer_release(&b);
			break;
		case PLX_READER_NOTHING:
		case PLX_READER_ENDED: return check_held(s);
		case PLX_READER_QUOTA: wrong = release_all(s); break;
		case PLX_READER_ATTENTION:
			if (!s->heeds)
				wrong = "somebody was let go";
			plx_reader_heeded(&s->reader);
			break;
		case PLX_READER_LAPPED: wrong = "a reliable reader was lapped"; break;
		case PLX_READER_LIES: wrong = "the publisher seems to lie"; break;
		default: wrong = "take said something odd"; break;
		}
	}
	return wrong ? wrong : "there is no end to it";
}

static inline int send_one(struct world *w, uint32_t length)
{
	unsigned char bytes[SLOT_SIZE];

	fill(bytes, w->pub.writer.head->head, length);
	return plx_publisher_send(&w->pub, bytes, length);
}

static inline uint32_t some_length(struct world *w)
{
	return LEAST + (uint32_t)roll(w, SLOT_SIZE - LEAST + 1);
}

static inline const char *drain_others(struct world *w, int but)
{
	const char *wrong = NULL;

	for (int i = 0; i < SEATS && !wrong; i++) {
		if (i != but)
			wrong = drain(&w->seats[i]);
	}
	return wrong;
}

/* Publish up to @n, the others reading now and then; as many as there is room for without seat @but. */
static inline const char *publish_on(struct world *w, uint32_t n, int but, uint32_t *done)
{
	const char *wrong = NULL;

	for (*done = 0; *done < n && !wrong; ++*done) {
		int ret = send_one(w, some_length(w));

		if (ret < 0) {
			for (int i = 0; i < SEATS && !wrong; i++)
				wrong = i == but ? NULL : release_all(&w->seats[i]);
			if (!wrong)
				wrong = drain_others(w, but);
			if (!wrong)
				ret = send_one(w, some_length(w));
		}
		if (ret < 0)
			break;
		if (!wrong && roll(w, 3) == 0)
			wrong = drain_others(w, but);
	}
	return wrong;
}

/* Whatever is free is written on, and dropped. */
static inline void scribble(struct world *w)
{
	struct plx_loan loans[SLOTS_MAX];
	uint32_t n = 0;

	while (n < SLOTS_MAX && plx_publisher_loan(&w->pub, &loans[n]) == 0)
		memset(loans[n++].data, 0xee, SLOT_SIZE);
	while (n)
		plx_publisher_drop(&w->pub, &loans[--n]);
}

/* ---- what holds at any moment ---------------------------------------------------------------------------- */

/* Messages that can be seen: head may be behind while some are published. */
static inline uint64_t visible(const struct world *w)
{
	uint64_t head = w->head->head;

	for (uint32_t i = 0; i < PLX_TOPIC_AHEAD; i++) {
		if (w->log[head & (w->head->depth - 1)].sequence == head + 1)
			head++;
	}
	return head;
}

static inline const char *check_shared(const struct world *w)
{
	struct plx_topic_head head = *w->head;
	struct plx_log_parts parts = {
		.head = &head,
		.log = w->log,
		.bitmap = w->bitmap,
		.head_size = sizeof(head),
		.log_size = head.depth * sizeof(struct plx_entry),
		.bitmap_size = 2 * plx_topic_bitmap_size(head.slots),
		.slots_size = head.slots * head.stride,
	};
	const char *why = NULL;

	head.head = visible(w);
	if (plx_log_check(&parts, &why) < 0)
		return why;
	for (int i = 0; i < SEATS; i++) {
		if (plx_link_check(w->seats[i].link, w->seats[i].pins, 64, &why) < 0)
			return why;
	}
	return NULL;
}

/* The publisher is between two calls. */
static inline const char *check_writer(const struct world *w)
{
	const char *why = NULL;

	return plx_writer_check(&w->pub.writer, &why) < 0 ? why : NULL;
}

/* All are well and go on: everything arrives, and when all is read and let go every slot is free. */
static inline const char *go_on(struct world *w, int dead)
{
	struct plx_loan loans[SLOTS_MAX + 1];
	const char *wrong = check_writer(w);
	uint32_t done, n = 0;

	scribble(w);
	for (uint32_t i = 0; i < LOANS; i++)
		plx_publisher_drop(&w->pub, &w->loans[i]);
	for (int i = 0; i < SEATS && !wrong; i++)
		wrong = i == dead ? NULL : release_all(&w->seats[i]);
	if (!wrong)
		wrong = drain_others(w, dead);
	if (!wrong && !w->pub.ended) {
		wrong = publish_on(w, 3, dead, &done);
		if (!wrong && done < 3)
			wrong = "nobody stands in the way, and yet there is no room";
	}
	if (!wrong)
		wrong = drain_others(w, dead);
	for (int i = 0; i < SEATS && !wrong; i++) {
		if (i != dead && w->seats[i].reader.next != w->pub.writer.head->head)
			wrong = "a message did not arrive";
	}
	if (wrong)
		return wrong;
	while (n <= SLOTS_MAX && plx_publisher_loan(&w->pub, &loans[n]) == 0)
		n++;
	if (n != w->head->slots)
		return "all was let go, and yet not every slot is free";
	while (n)
		plx_publisher_drop(&w->pub, &loans[--n]);
	wrong = check_writer(w);
	return wrong ? wrong : check_shared(w);
}

/* ---- the three answers ------------------------------------------------------------------------------------ */

/* The publisher died here: its readers get all it published, in order, and no more. */
static inline const char *publisher_died(struct world *w)
{
	const char *wrong = check_shared(w);
	uint64_t all = visible(w);

	if (!wrong && (all < w->before || all > w->before + w->more))
		wrong = "more or less can be seen than was published";
	for (int i = 0; i < SEATS && !wrong; i++) {
		struct plx_reader *r = &w->seats[i].reader;

		wrong = drain(&w->seats[i]);
		if (!wrong && r->next != all)
			wrong = "a reader did not get all that was published";
		if (!wrong)
			wrong = release_all(&w->seats[i]);
		if (!wrong && plx_reader_look(r) == PLX_READER_MESSAGE)
			wrong = "there is more to take than was published";
		if (!wrong && plx_reader_look(r) == PLX_READER_ENDED && plx_reader_reason(r) != -EIO)
			wrong = "the reason is not there yet";
	}
	return wrong ? wrong : check_shared(w);
}

/*
 * A reader died here: at first nobody knows, and what it holds stays as it is; then its publisher forgets it, nobody
 * else noticed anything, and all it held is free. Another one takes its seat.
 */
static inline const char *reader_died(struct world *w)
{
	struct seat *s = &w->seats[w->who];
	bool reliable = s->reader.reliable;
	const char *wrong = check_shared(w);
	uint32_t done;

	if (!wrong)
		wrong = check_writer(w);
	if (!wrong)
		wrong = publish_on(w, w->head->depth + 2, w->who, &done);
	scribble(w);
	if (!wrong)
		wrong = check_held(s);
	if (!wrong && done < w->head->depth + 2 && !reliable && !w->pub.ended && !w->loans[0].data &&
	    !w->loans[1].data && w->head->slots > SEATS * (HELD + 1))
		wrong = "a lossy reader holds its publisher up";
	part(w, w->who);
	if (!wrong)
		wrong = go_on(w, w->who);
	if (wrong)
		return wrong;
	join(w, w->who, reliable, 4);
	return go_on(w, -1);
}

/* Take one and keep it, if there is one. */
static inline const char *take_and_keep(struct seat *s)
{
	struct plx_buffer b;

	for (uint32_t i = 0; i < HANDLES; i++) {
		if (s->held[i].holder)
			continue;
		if (plx_reader_take(&s->reader, &b) != PLX_READER_MESSAGE)
			return NULL;
		s->held[i] = b;
		return judge(s, &b);
	}
	return NULL;
}

/* The operation sleeps here, and the others go on for a while. */
static inline const char *others_go_on(struct world *w)
{
	const char *wrong = NULL;
	uint32_t done;

	if (w->who < 0) {
		for (int i = 0; i < SEATS && !wrong; i++) {
			if (w->interlude & (1 << i))
				wrong = take_and_keep(&w->seats[i]);
			if (!wrong && w->interlude & (8 << i))
				wrong = release_all(&w->seats[i]);
			if (!wrong && w->interlude & (64 << i))
				wrong = drain(&w->seats[i]);
			if (w->interlude & 512)
				plx_reader_tell(&w->seats[i].reader);
		}
		return wrong;
	}
	switch (w->interlude % 4) {
	case 0: wrong = publish_on(w, w->head->depth + 1 + w->interlude / 4 % 4, w->who, &done); break;
	case 1: wrong = publish_on(w, 1, w->who, &done); break;
	case 2: wrong = publish_on(w, w->head->depth / 2, w->who, &done); break;
	default: plx_writer_look(&w->pub.writer); break;
	}
	scribble(w);
	return wrong ? wrong : check_held(&w->seats[w->who]);
}

#endif

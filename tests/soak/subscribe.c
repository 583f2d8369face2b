/*
 * subscribe.c - a subscriber of the soak: takes what comes, keeps some of it for a while, and checks everything.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/soak/history.h"

#define STREAMS 16 /* publishers it hears at once */
#define HOLD    8
#define ROUND   256 /* messages between two looks at the board */

const struct soak_part soak_subscribers[SOAK_SUBSCRIBERS] = {
	{ .name = "reliable, sleeps", .reliable = true, .spared = true },
	{ .name = "reliable, polls", .reliable = true, .polling = true },
	{ .name = "reliable, keeps, confirms", .reliable = true, .confirm = true, .hold = 3 },
	{ .name = "lossy, sleeps, keeps", .hold = HOLD },
	{ .name = "lossy, polls", .polling = true },
};

struct ear {
	struct soak_board *board;
	const struct soak_part *part;
	struct soak_seat *sums;
	struct plx_subscriber *sub;
	struct history history[STREAMS];
	struct history *last; /* the one that spoke last */
	struct plx_buffer held[HOLD];
	uint32_t held_next;
	uint64_t lost, began; /* by all streams; streams that began */
	uint64_t unsaid, began_then;
	bool quiet_then; /* at the last comparison every stream had been heard */
	int seat;
	bool wrong;
};

static void fault(struct ear *e, const char *what, const struct history *h, uint64_t number)
{
	SOAK_WRONG(e->board, "%s: %s: publisher %llx, at %llu, next %llu", e->part->name, what,
		   (unsigned long long)(h ? h->id : 0), (unsigned long long)number,
		   (unsigned long long)(h ? h->next : 0));
	e->wrong = true;
}

static struct soak_stream *stream_of(struct ear *e, uint64_t id)
{
	for (int i = 0; i < SOAK_STREAMS; i++) {
		if (__atomic_load_n(&e->board->stream[i].id, __ATOMIC_ACQUIRE) == id)
			return &e->board->stream[i];
	}
	return NULL;
}

static struct history *history_of(struct ear *e, uint64_t id)
{
	struct history *unused = NULL;

	for (int i = 0; i < STREAMS; i++) {
		if (e->history[i].id == id)
			return &e->history[i];
		if (!e->history[i].id)
			unused = &e->history[i];
	}
	if (!unused) {
		fault(e, "too many publishers at once", NULL, 0);
		return NULL;
	}
	history_begin(unused, id, e->part->reliable);
	e->began++;
	return unused;
}

/* What a reliable reader holds of one who lets it go may change: then it is not looked at again. */
static bool may_change(struct ear *e, uint64_t id)
{
	const struct soak_stream *s = e->part->reliable ? stream_of(e, id) : NULL;

	return e->part->reliable && (!s || s->drops);
}

static void let_go_of(struct ear *e, struct plx_buffer *b)
{
	if (b->holder && !soak_intact(b) && !may_change(e, b->publisher))
		fault(e, "bytes changed that are held", NULL, b->sequence);
	plx_buffer_release(b);
}

static void let_go_of_all(struct ear *e)
{
	for (uint32_t i = 0; i < e->part->hold; i++)
		let_go_of(e, &e->held[i]);
}

static void heard(struct ear *e, struct plx_buffer *b)
{
	struct history *h = e->last && e->last->id == b->publisher ? e->last : history_of(e, b->publisher);
	uint64_t lost;

	if (!h)
		return;
	e->last = h;
	if (!soak_intact(b)) {
		if (!may_change(e, b->publisher))
			fault(e, "a message is torn", h, b->sequence);
	}
	lost = h->lost;
	if (!history_add(h, b->sequence))
		fault(e, "twice, left out, or does not add up", h, b->sequence);
	e->lost += h->lost - lost;
	if (e->part->hold && b->sequence % 7 == 0) {
		let_go_of(e, &e->held[e->held_next]);
		e->held[e->held_next] = *b;
		e->held_next = (e->held_next + 1) % e->part->hold;
		e->sums->held++;
	} else {
		plx_buffer_release(b);
	}
}

/* It died: everybody who hears of it must have found the same end, and all that was said to be published. */
static void died(struct ear *e, struct history *h, struct soak_stream *s)
{
	uint64_t none = 0, end = h->next + 1;

	e->sums->died++;
	if (!h->heard)
		return;
	if (h->next < soak_get(&s->published))
		fault(e, "a dead publisher had published more", h, soak_get(&s->published));
	if (!__atomic_compare_exchange_n(&s->heard, &none, end, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
	    none != end)
		fault(e, "another one heard another end", h, none - 1);
}

static void over(struct ear *e, int reason)
{
	struct plx_stream_end end = plx_subscriber_ended(e->sub);
	struct history *h = history_of(e, end.publisher);
	struct soak_stream *s = stream_of(e, end.publisher);
	uint64_t taken;

	if (!h)
		return;
	if (!s && !h->heard) { /* killed before it said who it is */
		history_end(h);
		return;
	}
	if (!s) {
		fault(e, "an end of nobody", h, 0);
		return;
	}
	taken = h->taken;
	if (h->heard && !history_settle(h))
		fault(e, "does not add up at its end", h, 0);
	if (taken != end.messages)
		fault(e, "the library counted other messages", h, end.messages);
	if (reason == -ESHUTDOWN && h->heard && h->next + 1 != soak_get(&s->total))
		fault(e, "ended elsewhere", h, soak_get(&s->total) - 1);
	else if (reason == -EPIPE)
		died(e, h, s);
	else if (reason == -ETIMEDOUT && s->drops && e->part->reliable)
		e->sums->let_go++;
	else if (reason != -ESHUTDOWN)
		fault(e, plx_strerror(reason), h, 0);
	e->sums->streams++;
	if (e->last == h)
		e->last = NULL;
	history_end(h);
}

/*
 * The library counts what was lost, we count gaps. They differ by what was lost before the first message of a stream, which
 * only the library can know: so the difference may only change when a stream began.
 */
static void compare_lost(struct ear *e)
{
	struct plx_subscriber_stats stats;
	uint32_t known = 0;
	bool quiet;

	plx_subscriber_stats(e->sub, &stats);
	for (int i = 0; i < STREAMS; i++)
		known += e->history[i].id && e->history[i].heard;
	quiet = stats.publishers <= known;
	if (stats.lost < e->lost)
		fault(e, "more was lost than the library says", NULL, stats.lost);
	else if (quiet && e->quiet_then && e->began == e->began_then && stats.lost - e->lost != e->unsaid)
		fault(e, "the library lost count", NULL, stats.lost - e->lost);
	e->unsaid = stats.lost - e->lost;
	e->began_then = e->began;
	e->quiet_then = quiet;
	e->sums->settled++;
}

/* Nothing to take. */
static void idle(struct ear *e)
{
	if (e->part->confirm)
		plx_subscriber_flush(e->sub);
	if (e->part->polling)
		sched_yield();
	else
		(void)!plx_subscriber_wait(e->sub, UINT64_C(50000000));
}

int soak_subscribe(struct soak_board *board, int seat, const char *directory, uint64_t seed)
{
	struct plx_subscriber_options opt = PLX_SUBSCRIBER_DEFAULTS;
	struct ear e = { .board = board, .part = &soak_subscribers[seat], .seat = SOAK_PUBLISHERS + seat };
	uint64_t messages, lost, n = 0;
	int ret;

	(void)seed;
	e.sums = &board->seat[e.seat];
	messages = e.sums->messages;
	lost = e.sums->lost;
	opt.directory = directory;
	opt.reading = e.part->reliable ? PLX_READ_RELIABLE : PLX_READ_LOSSY;
	opt.polling = e.part->polling;
	opt.confirm = e.part->confirm;
	opt.history = 32;
	ret = plx_subscriber_open(&e.sub, SOAK_TOPIC, &opt);
	if (ret < 0) {
		SOAK_WRONG(board, "a subscriber cannot open: %s", plx_strerror(ret));
		return 1;
	}
	while (!e.wrong && !soak_get(&board->stop_subscribers) && !soak_get(&board->leave[e.seat])) {
		struct plx_buffer b;

		ret = plx_subscriber_take(e.sub, &b);
		if (ret == 1)
			heard(&e, &b);
		else if (ret == -ENOSPC)
			let_go_of_all(&e);
		else if (ret < 0)
			over(&e, ret);
		else
			idle(&e);
		n += ret == 1;
		if (ret != 1 || n % ROUND == 0) {
			soak_set(&e.sums->messages, messages + n);
			soak_set(&e.sums->lost, lost + e.lost);
			if (n % (ROUND * 64) == 0)
				compare_lost(&e);
			if (e.part->confirm)
				plx_subscriber_flush(e.sub);
		}
	}
	let_go_of_all(&e);
	compare_lost(&e);
	for (int i = 0; i < STREAMS; i++) {
		if (e.history[i].id && e.history[i].heard && !history_settle(&e.history[i]))
			fault(&e, "does not add up", &e.history[i], 0);
		history_end(&e.history[i]);
	}
	plx_subscriber_close(e.sub);
	return e.wrong;
}

/*
 * bench_books.c - what it costs a channel to keep books: envelopes and statistics, beside the same channel without.
 *
 *	with      plx_post_try_send(), plx_post_try_recv(): time, type, length, priority and key in each line, positions that tools can read
 *	without   the same lane, line, payload, waiting and notes for a successor, but a line says no more than that it is there
 *
 * In turns, so that what the machine does meanwhile happens to both; the ratio is of neighbours. "full": the receiver is the
 * slower one; "chased": the sender is; "one": both on one processor, where nothing hides behind a line that is under way.
 */
#include <string.h>

#include <plx/plx.h>

#include "tests/bench/bench.h"

#define COUNT      6000
#define ROUNDS_MAX 15

enum regime { FULL, CHASED, ONE };

static int rounds = 15;
static uint64_t window_ns = 100000000;

static struct {
	void *at;
	uint64_t room;
	bool books;
	enum regime regime;
	uint64_t *received; /* shared */
} now;

static unsigned char bytes[64];

/* ---- the lane without books --------------------------------------------------------------------------- */

static inline bool bare_send(struct plx_post_sender *tx, const void *payload)
{
	struct plx_post_way *way = &tx->way[0];

	if (!plx_post_room(tx, way))
		return false;
	plx_words_copy(way->at + 16, payload, 48);
	__atomic_store_n((uint64_t *)(void *)way->at, way->lap_time, __ATOMIC_RELEASE);
	way->at += tx->stride;
	if (plx_unlikely((int64_t)(way->stop - ++way->next) <= 0))
		plx_post_stop(tx, way);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (plx_unlikely(__atomic_load_n(tx->attention, __ATOMIC_RELAXED) != 0))
		plx_post_attend(tx);
	return true;
}

static inline bool bare_recv(struct plx_post_receiver *rx, void *payload)
{
	uint64_t word;
	struct plx_post_from *from = plx_post_there(rx, &word);

	if (plx_unlikely(!from))
		return false;
	__asm__("" : "+r"(payload));
	memcpy(payload, from->at + 16, 48);
	plx_post_done(rx, from);
	return true;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static inline void pause_now_and_then(enum regime regime, uint64_t i)
{
	if (now.regime == regime && i % 64 == 0)
		relax();
}

static inline void wait_a_little(void)
{
	if (now.regime == ONE)
		sched_yield();
	else
		relax();
}

static void send(void *arg)
{
	struct plx_post_sender tx;

	(void)arg;
	must("sender", plx_post_sender_open(&tx, now.at, now.room, 1));
	for (uint64_t i = 0; now.books; i++) {
		while (!plx_post_try_send(&tx, 3, i, bytes, 48))
			wait_a_little();
		if (i % 256 == 0)
			plx_post_stamp(&tx); /* a turn */
		pause_now_and_then(CHASED, i);
	}
	for (uint64_t i = 0;; i++) {
		while (!bare_send(&tx, bytes))
			wait_a_little();
		pause_now_and_then(CHASED, i);
	}
}

static void receive(void *arg)
{
	static struct plx_post_receiver rx;
	struct plx_envelope envelope;

	(void)arg;
	must("receiver", plx_post_receiver_open(&rx, now.at, now.room));
	for (uint64_t i = 1;; i++) {
		if (now.books) {
			while (!plx_post_try_recv(&rx, &envelope, bytes))
				wait_a_little();
			__asm__ volatile("" : : "r"(envelope.key), "r"(envelope.type), "r"(envelope.time_ns));
		} else {
			while (!bare_recv(&rx, bytes))
				wait_a_little();
		}
		if (i % 256 == 0)
			__atomic_store_n(now.received, i, __ATOMIC_RELAXED);
		pause_now_and_then(FULL, i);
	}
}

/* Million messages a second. */
static double window(bool books, enum regime regime)
{
	const struct plx_channel_shape shape = {
		.kind = PLX_CHANNEL_POST, .size = 48, .count = COUNT, .senders = 1
	};
	struct plx_segment seg;
	pid_t pids[2];
	uint64_t n, t;

	now.room = plx_channel_bytes(&shape);
	must("channel",
	     plx_channel_create(&seg, "memfd", "plx:channel:books", PLX_SEGMENT_INHERIT, &shape, &now.at));
	now.books = books;
	now.regime = regime;
	*now.received = 0;
	pids[0] = start_process(receive, NULL, regime == ONE ? 0 : 1);
	pids[1] = start_process(send, NULL, 0);
	while (!__atomic_load_n(now.received, __ATOMIC_RELAXED))
		usleep(500);
	linger(window_ns / 8);
	n = __atomic_load_n(now.received, __ATOMIC_RELAXED);
	t = plx_now_ns();
	linger(window_ns);
	n = __atomic_load_n(now.received, __ATOMIC_RELAXED) - n;
	t = plx_now_ns() - t;
	stop_processes(pids, 2);
	plx_segment_close(&seg);
	return (double)n / (double)t * 1e3;
}

static void row(const char *name, enum regime regime)
{
	double with[ROUNDS_MAX], without[ROUNDS_MAX], share[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		with[i] = window(true, regime);
		without[i] = window(false, regime);
		if (i % 2) /* whoever comes second, comes first in half of the rounds */
			with[i] = window(true, regime);
		share[i] = 100 * (1 - with[i] / without[i]);
	}
	printf("%-32s with %7.1f M/s   without %7.1f M/s   books cost %5.1f %%  (quartiles %.1f to %.1f)  "
	       "must 3, aim 1\n",
	       name, median(with, rounds), median(without, rounds), median(share, rounds),
	       at(share, (size_t)rounds, 25), at(share, (size_t)rounds, 75));
}

int main(void)
{
	now.received = shared(sizeof(*now.received));
	if (getenv("PLX_BENCH_QUICK")) {
		rounds = 5;
		window_ns = 50000000;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	go_first();
	row("48 B and an envelope, full", FULL);
	row("48 B and an envelope, chased", CHASED);
	row("48 B and an envelope, one core", ONE);
	return 0;
}

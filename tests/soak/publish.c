/*
 * publish.c - a publisher of the soak: numbers its messages, until it is told to end, or killed.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define BATCH  16
#define SECOND UINT64_C(1000000000)

const struct soak_part soak_publishers[SOAK_PUBLISHERS] = {
	{ .name = "small, in batches, waits", .batch = true, .depth = 16384, .spared = true },
	{ .name = "loans, lets go who is slow", .loans = true, .drops = true, .depth = 64 },
	{ .name = "small and large, waits, keeps history", .depth = 256, .history = 64 },
};

struct voice {
	struct plx_publisher *pub;
	struct soak_stream *stream;
	uint64_t id, number, seed;
};

static int send_small(struct voice *v)
{
	uint64_t words[SOAK_WORDS];

	soak_fill(words, SOAK_WORDS, v->number, v->id);
	return plx_publisher_send(v->pub, words, sizeof(words));
}

static int send_loan(struct voice *v)
{
	uint64_t count = SOAK_WORDS + soak_roll(&v->seed, SOAK_LENGTH_MAX / 8 - SOAK_WORDS + 1);
	struct plx_loan loan;
	int ret = plx_publisher_loan(v->pub, &loan);

	if (ret < 0)
		return ret;
	if (soak_roll(&v->seed, 64) == 0) { /* changed its mind */
		memset(loan.data, 0xee, 64);
		plx_publisher_drop(v->pub, &loan);
		return send_small(v);
	}
	soak_fill(loan.data, count, v->number, v->id);
	ret = plx_publisher_publish(v->pub, &loan, count * 8);
	if (ret < 0)
		plx_publisher_drop(v->pub, &loan);
	return ret;
}

/* One call, or a batch of them. 0, or what went wrong. */
static int speak(struct voice *v, const struct soak_part *part)
{
	int ret = 0;

	for (int i = 0; i < (part->batch ? BATCH : 1) && ret == 0; i++) {
		ret = part->loans || (!part->batch && v->number % 16 == 0) ? send_loan(v) : send_small(v);
		if (ret == -EINTR)
			return 0;
		v->number += ret == 0;
		soak_set(&v->stream->published, v->number);
	}
	if (part->batch)
		plx_publisher_flush(v->pub);
	return ret;
}

int soak_publish(struct soak_board *board, int seat, const char *directory, uint64_t seed)
{
	const struct soak_part *part = &soak_publishers[seat];
	struct soak_seat *sums = &board->seat[seat];
	uint64_t before = sums->messages;
	struct plx_publisher_options opt = PLX_PUBLISHER_DEFAULTS;
	struct voice v = { .seed = seed };
	int ret;

	opt.directory = directory;
	opt.depth = part->depth;
	opt.history = part->history;
	opt.slots = part->batch ? 16 : 0;
	opt.slot_size = SOAK_LENGTH_MAX;
	opt.full = part->drops ? PLX_FULL_DROP : PLX_FULL_WAIT;
	opt.full_ns = part->drops ? SOAK_DROP_NS : 0;
	opt.linger_ns = 20 * SECOND;
	v.stream = &board->stream[seat * SOAK_KEPT + board->begun[seat]++ % SOAK_KEPT];
	*v.stream = (struct soak_stream){ .drops = part->drops };
	ret = plx_publisher_open(&v.pub, SOAK_TOPIC, &opt);
	if (ret < 0) {
		SOAK_WRONG(board, "a publisher cannot open: %s", plx_strerror(ret));
		return 1;
	}
	v.id = plx_publisher_id(v.pub);
	/* release: who finds the id finds the rest */
	__atomic_store_n(&v.stream->id, v.id, __ATOMIC_RELEASE);
	plx_publisher_batch(v.pub, part->batch);
	while (!soak_get(&board->stop_publishers) && !soak_get(&board->leave[seat])) {
		ret = plx_publisher_wait_subscribers(v.pub, 1, SECOND / 100);
		if (ret < 0)
			continue;
		ret = speak(&v, part);
		soak_set(&sums->messages, before + v.number);
		if (ret < 0) {
			SOAK_WRONG(board, "publishing: %s", plx_strerror(ret));
			return 1;
		}
	}
	__atomic_store_n(&v.stream->total, v.number + 1, __ATOMIC_RELEASE);
	plx_publisher_end(v.pub, 0);
	plx_publisher_close(v.pub);
	return 0;
}

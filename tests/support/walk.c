/* walk.c - the parts of crash tests of channels: walk.h. */
#include "tests/support/walk.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"

uint64_t walk_roll(uint64_t *seed, uint64_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*seed >> 33) % below;
}

/* ---- messages ------------------------------------------------------------------------------------------- */

void walk_fill(unsigned char *m, uint32_t size, uint32_t stream, uint32_t number)
{
	for (uint32_t i = 8; i < size; i++)
		m[i] = (unsigned char)(number * 7 + i);
	memcpy(m, &number, 4);
	memcpy(m + 4, &stream, 4);
}

void walk_read(const unsigned char *m, uint32_t *stream, uint32_t *number)
{
	memcpy(number, m, 4);
	memcpy(stream, m + 4, 4);
}

bool walk_is_whole(const unsigned char *m, uint32_t size)
{
	unsigned char whole[WALK_BYTES];
	uint32_t stream, number;

	walk_read(m, &stream, &number);
	walk_fill(whole, size, stream, number);
	return memcmp(whole, m, size) == 0;
}

const char *walk_expect(struct walk_party *p, const unsigned char *m, const struct plx_envelope *e)
{
	const char *wrong = NULL;
	uint32_t stream, number;

	walk_read(m, &stream, &number);
	if (stream >= p->streams)
		return "a message is from nobody";
	if (number < p->stream[stream].got)
		return "a message came twice";
	if (number > p->stream[stream].got)
		return "a message is missing";
	if (!walk_is_whole(m, p->shape.size))
		return "a message is not what was sent";
	if (p->look)
		wrong = p->look(p, stream, number, e);
	p->stream[stream].got++;
	return wrong;
}

/* ---- what all of them do --------------------------------------------------------------------------------- */

void walk_send_some(struct walk_party *p, uint32_t stream, uint32_t n)
{
	unsigned char m[WALK_BYTES];

	for (uint32_t i = 0; i < n; i++) {
		walk_fill(m, p->shape.size, stream, p->stream[stream].sent);
		if (!p->send(p, stream, m))
			return;
		p->stream[stream].sent++;
	}
}

const char *walk_receive_some(struct walk_party *p, uint32_t n)
{
	struct plx_envelope e = { .id = 0 };
	unsigned char m[WALK_BYTES];
	const char *wrong = NULL;

	for (uint32_t i = 0; i < n && !wrong && p->receive(p, m, &e); i++)
		wrong = walk_expect(p, m, &e);
	return wrong;
}

const char *walk_drain(struct walk_party *p, uint32_t stream, uint32_t more)
{
	const char *wrong = walk_receive_some(p, WALK_ALL);

	for (uint32_t i = 0; i < p->streams && !wrong; i++) {
		struct walk_stream *s = &p->stream[i];
		uint32_t surplus = s->got - s->sent, most = i == stream ? more : 0;

		if (s->got < s->sent)
			return "a message that was accepted never came";
		if (surplus > most)
			return "a message came that was not sent";
		if (p->all_or_none && surplus > 0 && surplus < most)
			return "some were published, not all";
		s->sent = s->got;
	}
	return wrong;
}

/* What the dead one had been given, in the call it died in, does not come again; nothing else is missing. */
const char *walk_inherit(struct walk_party *p, uint32_t most)
{
	struct plx_envelope e = { .id = 0 };
	unsigned char m[WALK_BYTES];
	uint32_t taken = 0, stream, number;
	bool seen[WALK_STREAMS] = { false };
	const char *wrong = NULL;

	while (!wrong && p->receive(p, m, &e)) {
		walk_read(m, &stream, &number);
		if (stream < p->streams && !seen[stream]) {
			seen[stream] = true;
			if (number < p->stream[stream].got)
				return "what was taken came again";
			taken += number - p->stream[stream].got;
			p->stream[stream].got = number;
		}
		wrong = walk_expect(p, m, &e);
	}
	for (uint32_t i = 0; i < p->streams; i++) {
		if (!seen[i]) {
			taken += p->stream[i].sent - p->stream[i].got;
			p->stream[i].got = p->stream[i].sent;
		}
	}
	if (!wrong && taken > most)
		wrong = "more is gone than the dead one had asked for";
	return wrong ? wrong : walk_drain(p, 0, 0);
}

const char *walk_checked(const struct walk_party *p, const char *wrong)
{
	const char *why = NULL;

	return !wrong && plx_channel_check(p->at, p->room, &why) != 0 ? why : wrong;
}

const char *walk_go_on(struct walk_party *p)
{
	const char *wrong = NULL;

	for (int lap = 0; lap < 3 && !wrong; lap++) {
		for (uint32_t i = 0; i < p->streams; i++) {
			uint32_t before = p->stream[i].sent;

			walk_send_some(p, i, WALK_ALL);
			if (p->stream[i].sent - before < p->shape.count)
				return "the channel holds less than was promised";
		}
		wrong = walk_drain(p, 0, 0);
	}
	return walk_checked(p, wrong);
}

void walk_forge_death(struct plx_seat *seat)
{
	if (PLX_OWNER_PID(seat->owner) != 0)
		seat->owner ^= 1ull << 22;
}

/* ---- walking ------------------------------------------------------------------------------------------- */

static const char *first_seed(void)
{
	const char *seed = getenv("CRASH_SEED");

	return seed ? seed : "1";
}

void *walk_begin(struct walk *walk, size_t bytes, size_t room, const struct plx_channel_shape *shape)
{
	struct walk_party *p;

	walk->st = step_open(room, bytes);
	walk->world = p = (struct walk_party *)step_rest(walk->st);
	memset(p, 0, bytes);
	p->seed = strtoull(first_seed(), NULL, 10);
	p->shape = *shape;
	p->at = step_shared(walk->st);
	p->room = plx_channel_bytes(shape);
	assert_in_range(p->room, 1, room);
	assert_int_equal(plx_channel_init(p->at, p->room, &p->shape), 0);
	return p;
}

void walk_all(struct walk *walks, uint32_t n, const struct walk_story *story)
{
	const char *wrong = NULL;
	struct walk *k = walks;

	for (uint32_t i = 0; !wrong && step_more(story->counts, story->whats, story->points); i++) {
		k = &walks[i / 8 % n];
		wrong = story->step(k->st, k->world);
		if (!wrong && walk_roll(&k->world->seed, 3) == 0)
			wrong = story->others(k->world);
	}
	if (wrong)
		fail_msg("CRASH_SEED=%s, %s, %u B, %s: %s", first_seed(), k->name, k->world->shape.size,
			 story->counts[k->world->what].name, wrong);
	assert_int_equal(step_report(story->title, story->counts, story->whats), 0);
	for (uint32_t i = 0; i < n; i++)
		step_close(walks[i].st);
}

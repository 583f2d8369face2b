/*
 * test_log.c - a publisher or a subscriber dies, or sleeps, at each instruction of what it does to a log.
 *
 * A random walk: in a small world (few entries, few slots, three readers of which one or two are reliable) publisher and
 * readers do this and that; now and then one operation is stepped, and asked about at each instruction. CRASH_POINTS,
 * CRASH_SECONDS and CRASH_SEED say how far and from where; see docs/testing.md.
 */
#include "tests/crash/world.h"

#define POINTS 60000
#define WALK   60 /* operations in one world */

enum what {
	SEND_INSIDE,
	SEND_SLOT,
	BATCH,
	MANY,
	LOAN,
	PUBLISH,
	DROP,
	LOOK,
	END,
	TAKE,
	TAKE_LOSSY,
	TAKE_AND_RELEASE,
	RELEASE,
	CLONE,
	TELL,
	WHATS,
};

static struct step_count counts[WHATS] = {
	[SEND_INSIDE] = { .name = "publish inside an entry" },
	[SEND_SLOT] = { .name = "publish a copy in a slot" },
	[BATCH] = { .name = "publish a batch" },
	[MANY] = { .name = "publish many at once" },
	[LOAN] = { .name = "loan" },
	[PUBLISH] = { .name = "publish a loan" },
	[DROP] = { .name = "drop a loan" },
	[LOOK] = { .name = "reclaim" },
	[END] = { .name = "end" },
	[TAKE] = { .name = "take, reliable" },
	[TAKE_LOSSY] = { .name = "take, lossy" },
	[TAKE_AND_RELEASE] = { .name = "take and release" },
	[RELEASE] = { .name = "release" },
	[CLONE] = { .name = "clone and slice" },
	[TELL] = { .name = "tell the cursor" },
};

/* ---- the operations, as the child runs them ------------------------------------------------------------ */

static void call_send(void *arg)
{
	struct world *w = arg;

	w->ret = plx_publisher_send(&w->pub, w->bytes[0], w->length[0]);
}

static void call_batch(void *arg)
{
	struct world *w = arg;

	plx_publisher_batch(&w->pub, true);
	for (int i = 0; i < 3 && w->ret == 0; i++)
		w->ret = plx_publisher_send(&w->pub, w->bytes[i], w->length[i]);
	plx_publisher_batch(&w->pub, false);
}

static void call_many(void *arg)
{
	struct world *w = arg;

	w->ret = plx_publisher_send_many(&w->pub, w->bytes, w->length[0], 3);
}

static void call_loan(void *arg)
{
	struct world *w = arg;

	w->ret = plx_publisher_loan(&w->pub, &w->loans[w->which]);
}

static void call_publish(void *arg)
{
	struct world *w = arg;

	w->ret = plx_publisher_publish(&w->pub, &w->loans[w->which], w->length[0]);
}

static void call_drop(void *arg)
{
	struct world *w = arg;

	plx_publisher_drop(&w->pub, &w->loans[w->which]);
}

static void call_look(void *arg)
{
	struct world *w = arg;

	plx_writer_look(&w->pub.writer);
}

static void call_end(void *arg)
{
	struct world *w = arg;

	plx_publisher_end(&w->pub, -EIO);
}

static void call_take(void *arg)
{
	struct world *w = arg;

	w->found = plx_reader_take(&w->seats[w->who].reader, &w->got);
}

static void call_take_and_release(void *arg)
{
	struct world *w = arg;

	w->found = plx_reader_take(&w->seats[w->who].reader, &w->copy);
	w->got = w->copy;
	if (w->found == PLX_READER_MESSAGE) {
		w->ret = intact(&w->copy) ? 0 : -EBADMSG; /* as it was while we had it */
		plx_buffer_release(&w->copy);
	}
}

static void call_release(void *arg)
{
	struct world *w = arg;

	plx_buffer_release(&w->got);
}

static void call_clone(void *arg)
{
	struct world *w = arg;
	struct plx_buffer part;

	w->ret = plx_buffer_slice(&part, &w->got, 8, 8);
	if (w->ret == 0)
		w->ret = plx_buffer_clone(&w->copy, &w->got);
	plx_buffer_release(&part);
}

static void call_tell(void *arg)
{
	struct world *w = arg;

	plx_reader_tell(&w->seats[w->who].reader);
}

/* ---- before and after ------------------------------------------------------------------------------------ */

static void (*const calls[WHATS])(void *) = {
	[SEND_INSIDE] = call_send, [SEND_SLOT] = call_send,  [BATCH] = call_batch,
	[MANY] = call_many,        [LOAN] = call_loan,       [PUBLISH] = call_publish,
	[DROP] = call_drop,        [LOOK] = call_look,       [END] = call_end,
	[TAKE] = call_take,        [TAKE_LOSSY] = call_take, [TAKE_AND_RELEASE] = call_take_and_release,
	[RELEASE] = call_release,  [CLONE] = call_clone,     [TELL] = call_tell,
};

static enum what current;

static struct plx_buffer *handle(struct seat *s, bool used, uint64_t from)
{
	for (uint64_t i = 0; i < HANDLES; i++) {
		struct plx_buffer *b = &s->held[(from + i) % HANDLES];

		if ((b->holder != NULL) == used)
			return b;
	}
	return NULL;
}

static bool loan_of(struct world *w, bool used)
{
	for (w->which = 0; w->which < LOANS; w->which++) {
		if ((w->loans[w->which].data != NULL) == used)
			return true;
	}
	return false;
}

static void prepare_bytes(struct world *w, enum what what)
{
	for (int i = 0; i < 3; i++) {
		w->length[i] = what == SEND_INSIDE ? LEAST + (uint32_t)roll(w, PLX_ENTRY_PAYLOAD - LEAST + 1)
			       : what == SEND_SLOT ? PLX_ENTRY_PAYLOAD + 1 +
							     (uint32_t)roll(w, SLOT_SIZE - PLX_ENTRY_PAYLOAD)
						   : some_length(w);
		fill(w->bytes[i], w->pub.writer.head->head + (uint64_t)i, w->length[i]);
	}
}

/* Three of one length, one behind the other. */
static void prepare_many(struct world *w)
{
	w->length[0] = LEAST + (uint32_t)roll(w, PLX_ENTRY_PAYLOAD - LEAST + 1);
	for (uint64_t i = 0; i < 3; i++)
		fill(w->bytes[0] + i * w->length[0], w->pub.writer.head->head + i, w->length[0]);
}

/* Everything but the call itself; false when it makes no sense just now. */
static bool prepare(struct world *w, enum what what)
{
	struct seat *s;
	struct plx_buffer *b;

	w->who = what < TAKE ? -1 : (int)roll(w, SEATS);
	w->before = w->pub.writer.head->head;
	w->more = what == SEND_INSIDE || what == SEND_SLOT || what == PUBLISH ? 1
		  : what == BATCH || what == MANY                             ? 3
									      : 0;
	w->ret = 0;
	w->found = PLX_READER_NOTHING;
	w->interlude = (int)roll(w, 1024);
	prepare_bytes(w, what);
	if (what == MANY)
		prepare_many(w);
	if (what < TAKE) {
		if (w->pub.ended)
			return false;
		if (what == LOAN)
			return loan_of(w, false);
		if ((what != PUBLISH && what != DROP) || !loan_of(w, true))
			return what != PUBLISH && what != DROP;
		fill(w->loans[w->which].data, w->pub.writer.head->head, w->length[0]);
		w->loans[w->which].type = (uint32_t)w->pub.writer.head->head;
		return true;
	}
	s = &w->seats[w->who];
	w->got = w->copy = PLX_BUFFER_NONE;
	if (what == TAKE || what == TAKE_LOSSY)
		return s->reader.reliable == (what == TAKE) && handle(s, false, 0);
	if (what != RELEASE && what != CLONE)
		return true;
	b = handle(s, true, roll(w, HANDLES));
	if (!b || (what == CLONE && !handle(s, false, 0)))
		return false;
	w->got = *b;
	if (what == RELEASE)
		*b = PLX_BUFFER_NONE; /* from here on it is not protected */
	return true;
}

static const char *finish_take(struct world *w, bool keep)
{
	struct seat *s = &w->seats[w->who];

	switch (w->found) {
	case PLX_READER_MESSAGE:
		if (w->ret < 0)
			return "a message is torn";
		if (keep) {
			*handle(s, false, 0) = w->got;
			return judge(s, &w->got);
		}
		if (w->got.sequence != s->due && (s->reader.reliable || w->got.sequence < s->due))
			return "a message came twice or was left out";
		s->due = w->got.sequence + 1;
		return NULL;
	case PLX_READER_NOTHING:
	case PLX_READER_ENDED:
	case PLX_READER_QUOTA: return NULL;
	default: return "take said something odd";
	}
}

/* What came of it. */
static const char *finish(struct world *w, enum what what)
{
	switch (what) {
	case TAKE:
	case TAKE_LOSSY: return finish_take(w, true);
	case TAKE_AND_RELEASE: return finish_take(w, false);
	case CLONE:
		if (w->ret < 0)
			return "a clone was refused";
		*handle(&w->seats[w->who], false, 0) = w->copy;
		return intact(&w->copy) ? NULL : "a clone is not what it was";
	case LOAN:
		if (w->ret == 0)
			memset(w->loans[w->which].data, 0xee, SLOT_SIZE);
		return w->ret == 0 || w->ret == -EAGAIN || w->ret == -ENOSPC ? NULL
									     : "loan said something odd";
	case MANY:
		return w->pub.writer.head->head == w->before + (uint64_t)(w->ret > 0 ? w->ret : 0)
			       ? NULL
			       : "published, and yet not, or the other way round";
	case SEND_INSIDE:
	case SEND_SLOT:
	case PUBLISH:
		if (w->ret < 0 && w->ret != -EAGAIN && w->ret != -ENOSPC)
			return "publish said something odd";
		return w->pub.writer.head->head == w->before + (w->ret == 0) ? NULL
									     : "published, and yet not";
	default: return NULL;
	}
}

static const char *died(void *arg)
{
	struct world *w = arg;

	return w->who < 0 ? publisher_died(w) : reader_died(w);
}

static const char *paused(void *arg)
{
	return others_go_on(arg);
}

static const char *resumed(void *arg)
{
	struct world *w = arg;
	const char *wrong = finish(w, current);

	return wrong ? wrong : go_on(w, -1);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static const char *step(struct stepper *st, struct world *w, enum what what, bool asked)
{
	struct step_op op = { calls[what], died, paused, resumed, w };
	const char *wrong = NULL;

	current = what;
	if (!prepare(w, what))
		return NULL;
	if (asked)
		wrong = step_run(st, &op, &counts[what]);
	else
		calls[what](w);
	if (!wrong)
		wrong = finish(w, what);
	return wrong ? wrong : check_writer(w);
}

/* One leaves and another comes, which wants history. */
static void change_seats(struct world *w)
{
	int i = (int)roll(w, SEATS);

	part(w, i);
	join(w, i, i == 0 || roll(w, 2), (uint32_t)roll(w, 6));
}

static const char *walk(struct stepper *st, struct world *w)
{
	/* what is done more often than the rest */
	static const enum what often[] = { SEND_INSIDE, SEND_SLOT, TAKE, TAKE, TAKE_LOSSY, RELEASE };
	const char *wrong = NULL;

	for (int i = 0; i < WALK && !wrong; i++) {
		uint64_t dice = roll(w, WHATS - 1 + COUNT_OF(often));
		enum what what = dice < WHATS - 1 ? (enum what)(dice < END ? dice : dice + 1)
						  : often[dice - (WHATS - 1)];

		wrong = step(st, w, what, roll(w, 3) == 0);
		if (roll(w, 16) == 0)
			change_seats(w);
	}
	if (!wrong)
		wrong = step(st, w, END, roll(w, 4) == 0);
	for (int i = 0; i < 4 && !wrong; i++)
		wrong = step(st, w, TAKE + roll(w, WHATS - TAKE), roll(w, 4) == 0);
	return wrong ? wrong : go_on(w, -1);
}

static void whoever_dies_or_sleeps_at_whatever_instruction_the_others_lose_nothing(void **state)
{
	static const struct {
		uint32_t depth, slots, history;
	} worlds[] = { { 2, 3, 0 },  { 4, 4, 0 },   { 4, 8, 2 },  { 8, 6, 0 },
		       { 8, 16, 4 }, { 16, 24, 0 }, { 32, 32, 8 } };
	struct stepper *st;
	const char *text = getenv("CRASH_SEED");
	uint64_t seed = text && *text ? strtoull(text, NULL, 10) : 1;

	(void)state;
#ifdef PLX_SAN
	skip(); /* instrumented code is another program, which keeps notes in memory of its own */
#endif
	st = step_open(WORLD_SHARED, sizeof(struct world));
	while (step_more(counts, WHATS, POINTS)) {
		const uint32_t k = (uint32_t)(seed % COUNT_OF(worlds));
		struct world *w = world_make(st, worlds[k].depth, worlds[k].slots, worlds[k].history,
					     seed * 2654435761u);
		const char *wrong = walk(st, w);

		if (wrong) {
			step_report("log", counts, WHATS);
			fail_msg("CRASH_SEED=%llu, %s: %s", (unsigned long long)seed, counts[current].name,
				 wrong);
		}
		seed++;
	}
	assert_int_equal(step_report("log", counts, WHATS), 0);
	step_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_dies_or_sleeps_at_whatever_instruction_the_others_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

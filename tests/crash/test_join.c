/*
 * test_join.c - a publisher dies, or sleeps, at each instruction of letting a subscriber in and out; a subscriber, of beginning. Timeout: 180
 *
 *	LET_IN     among the followers, and the grant on its way: in one, for everybody (plx_member_let_in())
 *	PART       no longer among them (plx_member_part()); LET_GO: because it is to go (plx_member_let_go())
 *	ADOPT      a subscriber that has its grant takes the first messages (plx_reader_init(), _take(), _tell())
 *
 * Seats 0 and 1 read all the time. Seat 2 comes and goes: it is one that reads when there is a grant in its socket, and
 * then nothing from its start on may be missing. The rest of the way is system calls: test_doors.
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "tests/crash/world.h"
#include "tests/support/liar.h"
#include "topic/member.h"

#define POINTS    30000
#define NEWCOMER  2
#define LINK_SIZE 8192

enum what { LET_IN, PART, LET_GO, ADOPT, WHATS };

static struct step_count counts[WHATS] = {
	[LET_IN] = { .name = "let a subscriber in" },
	[PART] = { .name = "part from a subscriber" },
	[LET_GO] = { .name = "let a subscriber go" },
	[ADOPT] = { .name = "begin to read" },
};

struct house {
	struct world w;
	struct plx_sleeper sleeper[SEATS + 1];
	struct plx_step step;
	struct plx_grant grant;
	struct plx_reader fresh; /* of ADOPT: what it allocates is the child's */
	int fds[PLX_GRANT_FDS];
	unsigned char *link; /* a segment, LINK_SIZE bytes */
	enum what what;
};

static int pair[2]; /* 0: the publisher's end of the newcomer's socket */
static int some_file;

/* ---- the operations, as the child runs them ------------------------------------------------------------ */

static struct plx_member *newcomer(struct house *h)
{
	return &h->w.seats[NEWCOMER].member;
}

static void call_let_in(void *arg)
{
	struct house *h = arg;

	h->w.ret = plx_member_let_in(newcomer(h), &h->step, &h->grant, h->fds);
}

static void call_part(void *arg)
{
	struct house *h = arg;

	plx_bias_claim(h->w.pub.bias);
	plx_member_part(&h->w.pub, newcomer(h), -EPIPE);
	plx_bias_yield(h->w.pub.bias);
}

static void call_let_go(void *arg)
{
	struct house *h = arg;

	plx_bias_claim(h->w.pub.bias);
	plx_member_let_go(newcomer(h), ETIMEDOUT);
	plx_bias_yield(h->w.pub.bias);
}

static void call_adopt(void *arg)
{
	struct house *h = arg;
	struct seat *s = &h->w.seats[h->w.who];
	struct plx_buffer b;
	struct plx_reader_parts parts = {
		.head = h->w.head,
		.log = h->w.log,
		.slots = h->w.slots,
		.link = s->link,
		.pins = s->pins,
		.id = 7,
		.start = s->member.follower.start,
		.slot_size = SLOT_SIZE,
		.stride = SLOT_SIZE,
		.depth = h->w.head->depth,
		.slot_count = h->w.head->slots,
		.quota = HELD,
		.reading = s->member.follower.reliable ? PLX_READ_RELIABLE : PLX_READ_LOSSY,
	};

	h->w.ret = plx_reader_init(&h->fresh, &parts);
	for (int i = 0; i < 2 && h->w.ret == 0; i++) {
		if (plx_reader_take(&h->fresh, &b) == PLX_READER_MESSAGE) {
			h->w.ret = intact(&b) ? 0 : -EBADMSG;
			plx_buffer_release(&b);
		}
	}
	plx_reader_tell(&h->fresh);
}

static void (*const calls[WHATS])(void *) = {
	[LET_IN] = call_let_in, [PART] = call_part, [LET_GO] = call_let_go, [ADOPT] = call_adopt
};

/* ---- the newcomer ---------------------------------------------------------------------------------------- */

/* Is there a grant in its socket? It is taken out. */
static bool granted(struct plx_grant *grant)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	bool any = false;
	ssize_t n;
	int fds[PLX_GRANT_FDS];

	while ((n = liar_recv(pair[1], bytes, sizeof(bytes), fds, 0)) > 1) {
		any = plx_grant_decode(grant, bytes, (size_t)n) == 0 && fds[0] >= 0 && fds[2] >= 0;
		for (int i = 0; i < PLX_GRANT_FDS; i++)
			close(fds[i]);
	}
	return any;
}

/* The world is put back, the socket is ours to put back: what this child sends next finds the queue as it was. */
static void put_back(struct house *h)
{
	(void)!liar_send_list(pair[0], h->step.send, h->step.send_size, h->fds, PLX_GRANT_FDS);
}

static void hear_all(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS];

	while (liar_recv(pair[1], bytes, sizeof(bytes), fds, 0) > 0) {
		for (int i = 0; i < PLX_GRANT_FDS; i++)
			close(fds[i]);
	}
}

/* ---- what must hold ------------------------------------------------------------------------------------- */

static const char *publisher_dies(struct house *h)
{
	struct world *w = &h->w;
	struct plx_grant grant;
	bool in = h->what == LET_IN && granted(&grant);
	const char *wrong = NULL;
	uint64_t all = visible(w);

	if (in) {
		put_back(h);
		if (grant.start > all)
			return "it is to begin with what nobody will ever publish";
		begin(w, NEWCOMER, newcomer(h)->host.terms.reading == PLX_READ_RELIABLE, grant.start);
		wrong = drain(&w->seats[NEWCOMER]);
		if (!wrong && w->seats[NEWCOMER].reader.next != all)
			wrong = "it was let in, and something is missing";
	}
	for (int i = 0; i < NEWCOMER && !wrong; i++) {
		wrong = drain(&w->seats[i]);
		if (!wrong && w->seats[i].reader.next != all)
			wrong = "a reader did not get all that was published";
	}
	return wrong;
}

static const char *died(void *arg)
{
	struct house *h = arg;

	return h->what == ADOPT ? reader_died(&h->w) : publisher_dies(h);
}

static bool granted_before; /* when the pause began */

/* The control thread sleeps. Its user's thread waits if the lock is taken; else it publishes. Readers read. */
static const char *paused(void *arg)
{
	struct house *h = arg;
	struct world *w = &h->w;
	uint32_t done;
	struct plx_grant grant;
	const char *wrong = NULL;

	granted_before = h->what == LET_IN && granted(&grant);
	if (granted_before)
		put_back(h);
	for (int i = 0; i < NEWCOMER && !wrong; i++) {
		if (w->interlude & (1 << i))
			wrong = drain(&w->seats[i]);
		if (!wrong && w->interlude & (4 << i))
			wrong = take_and_keep(&w->seats[i]);
	}
	if (!wrong && w->interlude & 16 && !w->pub.bias->wants)
		wrong = publish_on(w, w->head->depth + 1, NEWCOMER, &done);
	return wrong;
}

/* Done: the newcomer, if there is one, reads, and all goes on. */
static const char *finish(struct house *h)
{
	struct world *w = &h->w;
	struct plx_grant grant;

	if (h->what == ADOPT)
		return w->ret == 0 ? NULL : "it could not begin";
	if (h->what != LET_IN) {
		hear_all();
		return go_on(w, NEWCOMER);
	}
	if (w->ret < 0 || !granted(&grant))
		return "it was not let in";
	begin(w, NEWCOMER, newcomer(h)->host.terms.reading == PLX_READ_RELIABLE, grant.start);
	return go_on(w, -1);
}

static const char *resumed(void *arg)
{
	struct house *h = arg;
	const char *wrong = finish(h);

	if (granted_before)
		put_back(h);
	return wrong;
}

/* ---- the walk -------------------------------------------------------------------------------------------- */

static void prepare_newcomer(struct house *h)
{
	const struct plx_block blocks[] = {
		{ .name = PLX_LINK_BLOCK_LINK, .size = sizeof(struct plx_link) },
		{ .name = PLX_LINK_BLOCK_PINS, .size = plx_topic_bitmap_size(h->w.head->slots) },
	};
	struct seat *s = &h->w.seats[NEWCOMER];
	struct plx_member *m = &s->member;

	*m = (struct plx_member){ .pub = &h->w.pub, .fd = pair[0], .alarm = -1 };
	m->link = (struct plx_segment){ h->link, LINK_SIZE, -1, PLX_BACKEND_HEAP, 1 };
	memset(h->link, 0, LINK_SIZE);
	assert_int_equal(plx_segment_format(&m->link, PLX_KIND_LINK, PLX_LINK_VERSION, "t", blocks, 2), 0);
	s->link = plx_segment_block(&m->link, PLX_LINK_BLOCK_LINK, NULL);
	s->pins = plx_segment_block(&m->link, PLX_LINK_BLOCK_PINS, NULL);
	s->link->slots = h->w.head->slots;
	s->link->quota = HELD;
	plx_host_init(&m->host);
	m->host.state = PLX_HOST_ADMIT;
	m->host.version = 1;
	m->host.terms = (struct plx_terms){ .reading = roll(&h->w, 2) ? PLX_READ_RELIABLE : PLX_READ_LOSSY,
					    .history = (uint32_t)roll(&h->w, 4),
					    .polling = roll(&h->w, 2) };
	s->link->reading = m->host.terms.reading;
	h->grant = (struct plx_grant){ .segment = 7,
				       .link = 8,
				       .data_size = 1 << 20,
				       .link_size = LINK_SIZE,
				       .slot_size = SLOT_SIZE,
				       .depth = h->w.head->depth,
				       .slots = h->w.head->slots,
				       .quota = HELD };
	for (int i = 0; i < PLX_GRANT_FDS; i++)
		h->fds[i] = some_file;
}

static struct house *make(const struct stepper *st, uint32_t depth, uint64_t seed)
{
	struct world *w = world_make(st, depth, 12, depth / 2, seed);
	struct house *h = (struct house *)w;

	memset(&h->sleeper, 0, sizeof(*h) - offsetof(struct house, sleeper));
	h->link = (unsigned char *)step_shared(st) + ((WORLD_SHARED + 4095) & ~(size_t)4095);
	w->pub.sleeper = h->sleeper;
	w->pub.sleeper_capacity = COUNT_OF(h->sleeper);
	w->pub.quota = HELD;
	for (int i = 0; i < SEATS; i++)
		w->seats[i].heeds = true;
	return h;
}

/* So many messages, of which the readers have some. */
static const char *some_traffic(struct house *h)
{
	const char *wrong = NULL;
	uint32_t done;

	wrong = publish_on(&h->w, (uint32_t)roll(&h->w, 6), -1, &done);
	for (int i = 0; i < NEWCOMER && !wrong; i++)
		wrong = take_and_keep(&h->w.seats[i]);
	return wrong;
}

static const char *step(struct stepper *st, struct house *h, enum what what)
{
	struct step_op op = { calls[what], died, paused, resumed, h };
	struct world *w = &h->w;
	const char *wrong;

	h->what = what;
	w->who = -1;
	w->ret = 0;
	w->interlude = (int)roll(w, 32);
	hear_all();
	if (what == ADOPT) {
		w->who = (int)roll(w, SEATS);
		part(w, w->who);
		join(w, w->who, roll(w, 2), (uint32_t)roll(w, 4));
		op.paused = NULL; /* what it allocates cannot be put back */
		op.resumed = NULL;
	}
	wrong = step_run(st, &op, &counts[what]);
	if (!wrong)
		wrong = finish(h);
	if (what == ADOPT) { /* its reader is the child's: another one sits down */
		part(w, w->who);
		join(w, w->who, roll(w, 2), 0);
	}
	return wrong;
}

static const char *walk(struct stepper *st, struct house *h)
{
	const char *wrong;

	part(&h->w, NEWCOMER);
	prepare_newcomer(h);
	wrong = some_traffic(h);
	if (!wrong)
		wrong = step(st, h, LET_IN);
	if (!wrong)
		wrong = some_traffic(h);
	if (!wrong)
		wrong = step(st, h, ADOPT);
	if (!wrong)
		wrong = some_traffic(h);
	newcomer(h)->joined = true;
	newcomer(h)->fd = some_file; /* who is let go has its socket shut */
	if (!wrong && h->w.pub.writer.count == SEATS)
		wrong = step(st, h, roll(&h->w, 2) ? PART : LET_GO);
	return wrong;
}

static void whoever_dies_as_a_subscriber_comes_or_goes_the_others_lose_nothing(void **state)
{
	const char *text = getenv("CRASH_SEED");
	uint64_t seed = text && *text ? strtoull(text, NULL, 10) : 1;
	struct stepper *st;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	some_file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	st = step_open(((WORLD_SHARED + 4095) & ~(size_t)4095) + LINK_SIZE, sizeof(struct house));
	while (step_more(counts, WHATS, POINTS)) {
		struct house *h = make(st, seed % 2 ? 8 : 4, seed * 2654435761u);
		const char *wrong = walk(st, h);

		if (wrong) {
			step_report("join", counts, WHATS);
			fail_msg("CRASH_SEED=%llu, %s: %s", (unsigned long long)seed, counts[h->what].name,
				 wrong);
		}
		seed++;
	}
	assert_int_equal(step_report("join", counts, WHATS), 0);
	step_close(st);
	close(pair[0]);
	close(pair[1]);
	close(some_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_dies_as_a_subscriber_comes_or_goes_the_others_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

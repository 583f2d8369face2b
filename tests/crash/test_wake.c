/*
 * test_wake.c - nobody sleeps through a message, at whatever instruction publisher and subscriber meet.
 *
 * The publisher stores a message and looks who sleeps; the subscriber says that it sleeps and looks for a message. Either is
 * stepped, and at each instruction the other one goes all the way. Afterwards a subscriber that sleeps and has something
 * to take must have a byte in its socket, or its alarm has rung. (That the processor keeps the order of store and load is the business of the
 * kernel's barrier, and cannot be seen here.)
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "tests/crash/world.h"
#include "topic/subscriber_state.h"

#define POINTS 30000
#define WALK   12 /* operations in one world */

enum what { SEND, BATCH, END, ARM, DISARM, WHATS };

static struct step_count counts[WHATS] = {
	[SEND] = { .name = "publish and wake" },  [BATCH] = { .name = "publish a batch and wake" },
	[END] = { .name = "end and wake" },       [ARM] = { .name = "go to sleep" },
	[DISARM] = { .name = "get up and take" },
};

struct night {
	struct world w;
	struct plx_subscriber sub;
	struct plx_connection connection;
	struct plx_connection *readers[1];
	struct plx_sleeper sleeper[1];
	bool asleep; /* what plx_subscriber_arm() said */
	enum what what;
};

static int pair[2], alarm_fd, nothing_to_poll; /* made before the child */

/* ---- the operations ---------------------------------------------------------------------------------- */

static void call_send(void *arg)
{
	struct night *n = arg;

	n->w.ret = plx_publisher_send(&n->w.pub, n->w.bytes[0], n->w.length[0]);
}

static void call_batch(void *arg)
{
	struct night *n = arg;

	plx_publisher_batch(&n->w.pub, true);
	for (int i = 0; i < 2 && n->w.ret == 0; i++)
		n->w.ret = plx_publisher_send(&n->w.pub, n->w.bytes[i], n->w.length[i]);
	plx_publisher_batch(&n->w.pub, false);
}

static void call_end(void *arg)
{
	struct night *n = arg;

	plx_publisher_end(&n->w.pub, 0);
}

static void call_arm(void *arg)
{
	struct night *n = arg;

	n->asleep = plx_subscriber_arm(&n->sub);
}

static void call_disarm(void *arg)
{
	struct night *n = arg;

	plx_subscriber_disarm(&n->sub);
	n->asleep = false;
	n->w.found = plx_reader_take(&n->connection.reader, &n->w.got);
	if (n->w.found == PLX_READER_MESSAGE)
		plx_buffer_release(&n->w.got);
}

static void (*const calls[WHATS])(void *) = {
	[SEND] = call_send, [BATCH] = call_batch, [END] = call_end, [ARM] = call_arm, [DISARM] = call_disarm,
};

static void prepare(struct night *n, enum what what)
{
	n->what = what;
	n->w.ret = 0;
	n->w.interlude = (int)roll(&n->w, 64);
	for (int i = 0; i < 2; i++) {
		n->w.length[i] = some_length(&n->w);
		fill(n->w.bytes[i], n->w.pub.writer.head->head + (uint64_t)i, n->w.length[i]);
	}
}

/* ---- what must hold ------------------------------------------------------------------------------------- */

/* Bytes in the socket and rings of the alarm; they are gone afterwards. */
static int hear(void)
{
	unsigned char byte;
	uint64_t rings;
	int n = 0;

	while (recv(pair[1], &byte, 1, MSG_DONTWAIT) == 1)
		n++;
	if (read(alarm_fd, &rings, sizeof(rings)) == sizeof(rings))
		n += (int)rings;
	return n;
}

static void say(int n)
{
	while (n--)
		assert_int_equal(send(pair[0], "", 1, 0), 1);
}

/* @rung: bytes in its socket. */
static const char *rested(const struct night *n, int rung)
{
	if (n->asleep && plx_reader_look(&n->connection.reader) != PLX_READER_NOTHING && rung == 0)
		return "it sleeps, and nobody rang";
	return NULL;
}

static int heard_before; /* bytes that were there when the pause began */

static const char *paused(void *arg)
{
	struct night *n = arg;

	heard_before = hear();
	say(heard_before);
	if (n->what <= END) {
		if (n->asleep && n->w.interlude & 1)
			call_disarm(n);
		for (int i = 0; i < 40 && !n->asleep;
		     i++) { /* it reads on until there is nothing, and sleeps */
			if (i < 39 && n->w.interlude & 2)
				call_disarm(n);
			call_arm(n);
			if (!n->asleep)
				call_disarm(n);
		}
	} else {
		int k = n->w.interlude % 3;

		if (k == 2 && n->w.interlude & 4)
			call_end(n);
		else if (k)
			call_batch(n);
		else
			call_send(n);
	}
	return NULL;
}

static const char *resumed(void *arg)
{
	const char *wrong = rested(arg, hear());

	say(heard_before); /* the world is put back, the socket is ours to put back */
	return wrong;
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

static struct night *make(const struct stepper *st, uint32_t depth, uint64_t seed)
{
	struct world *w = world_make(st, depth, 8, 0, seed);
	struct night *n = (struct night *)w;
	struct plx_reader *r = &n->connection.reader;

	for (int i = 1; i < SEATS; i++)
		part(w, i);
	hear();
	n->connection = (struct plx_connection){
		.sub = &n->sub, .state = PLX_CONNECTION_READING, .fd = -1, .alarm = seed % 3 ? alarm_fd : -1
	};
	*r = w->seats[0].reader;
	for (unsigned int h = 0; h < HOLDERS; h++)
		w->seats[0].holders[h].reader = r;
	n->sub = (struct plx_subscriber){
		.readers = n->readers,
		.reader_count = 1,
		.again_ns = UINT64_MAX,
		.epoll = nothing_to_poll,
	};
	n->readers[0] = &n->connection;
	n->sleeper[0] = (struct plx_sleeper){ &w->seats[0].link->sleep, &w->seats[0].member };
	w->seats[0].member.follower.polling = false;
	w->seats[0].member.fd = pair[0];
	w->seats[0].member.alarm = alarm_fd;
	w->pub.sleeper = n->sleeper;
	w->pub.writer.quick.sleepers = 1;
	n->asleep = false;
	return n;
}

static const char *step(struct stepper *st, struct night *n, enum what what, bool asked)
{
	struct step_op op = { .call = calls[what], .paused = paused, .resumed = resumed, .arg = n };
	const char *wrong = NULL;
	int rung;

	prepare(n, what);
	if (asked)
		wrong = step_run(st, &op, &counts[what]);
	else
		calls[what](n);
	rung = hear();
	if (!wrong)
		wrong = rested(n, rung);
	if (rung) /* what a subscriber does that is rung */
		call_disarm(n);
	return wrong;
}

static void whoever_sleeps_is_woken_by_what_there_is_to_take(void **state)
{
	struct stepper *st;
	const char *text = getenv("CRASH_SEED");
	uint64_t seed = text && *text ? strtoull(text, NULL, 10) : 1;

	(void)state;
#ifdef PLX_SAN
	skip();
#endif
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	alarm_fd = eventfd(0, EFD_NONBLOCK);
	nothing_to_poll = epoll_create1(0);
	st = step_open(WORLD_SHARED, sizeof(struct night));
	while (step_more(counts, WHATS, POINTS)) {
		struct night *n = make(st, seed % 2 ? 8 : 4, seed * 2654435761u);
		const char *wrong = NULL;

		for (int i = 0; i < WALK && !wrong && !n->w.pub.ended; i++) {
			enum what what = (enum what)roll(&n->w, WHATS);

			if (what == END && roll(&n->w, 3))
				what = ARM;
			wrong = step(st, n, what, roll(&n->w, 2));
		}
		if (wrong) {
			step_report("wake", counts, WHATS);
			fail_msg("CRASH_SEED=%llu, %s: %s", (unsigned long long)seed, counts[n->what].name,
				 wrong);
		}
		seed++;
	}
	assert_int_equal(step_report("wake", counts, WHATS), 0);
	step_close(st);
	close(pair[0]);
	close(pair[1]);
	close(alarm_fd);
	close(nothing_to_poll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_sleeps_is_woken_by_what_there_is_to_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

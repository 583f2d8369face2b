/*
 * test_chan_history.c - senders and receivers that are killed, stopped, replaced and sent home at random, and what became of
 * each message.
 *
 * Each participant is a process (or, without killing, a thread). A sender writes down how many messages were accepted after
 * each call, a receiver what it was given before it lets go of it, both in memory that outlives them. So in the end is known
 * of each message whether it was accepted, and how often it came:
 *
 *	accepted      came once, and in order; twice only when its first receiver died with it in its hands
 *	not accepted  came or not, when its sender died with it in its hands; else it did not
 *
 * And at no time is anybody stuck: after each death messages go on coming.
 *
 * Rings and envelopes are waited for by choosing among channels (plx/select.h).
 *
 * CHAN_ONLY (a kind: spsc ...), CHAN_KILLS (how many), CHAN_MESSAGES (... and so many messages at least), CHAN_SECONDS (... but no longer), CHAN_SEED,
 * CHAN_COUNT (elements in flight: few for much waiting, many for many messages).
 * Timeout: 180
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <plx/plx.h>

#include "tests/crash/history_parts.h"

/* ---- coming and going ------------------------------------------------------------------------------------ */

static void start(struct part *p)
{
	pid_t pid;

	p->quit = 0;
	p->life = __atomic_fetch_add(&w->lives, 1, __ATOMIC_RELAXED);
	assert_true(p->life < LIVES);
	if (w->threads) {
		assert_int_equal(pthread_create(&p->thread, NULL, take_part, p), 0);
		return;
	}
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		take_part(p);
		_exit(0);
	}
	p->pid = pid; /* by us alone: the child shares it */
}

static void await(struct part *p)
{
	int status;

	if (w->threads) {
		assert_int_equal(pthread_join(p->thread, NULL), 0);
		return;
	}
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		wrong("a participant died of signal %d", WTERMSIG(status));
}

static void send_home(struct part *p)
{
	__atomic_store_n(&p->quit, 1, __ATOMIC_RELAXED);
	await(p);
}

static void kill_it(struct part *p)
{
	if (!p->sends)
		__atomic_fetch_add(&w->receivers_killed, 1, __ATOMIC_RELAXED);
	kill(p->pid, SIGKILL);
	await(p);
	w->life[p->life].killed = 1;
	w->kills++;
	if (roll(2))
		plx_channel_bury(w->at, p->pid); /* else they find out for themselves */
}

static void stop_for_a_while(struct part *p)
{
	kill(p->pid, SIGSTOP);
	sleep_ms((unsigned int)roll(8));
	kill(p->pid, SIGCONT);
}

/* ---- the history ------------------------------------------------------------------------------------------ */

/* Messages come, whatever has just been done to somebody. */
static bool goes_on(uint64_t from)
{
	uint64_t begin = plx_now_ns();

	while (__atomic_load_n(&w->messages, __ATOMIC_RELAXED) < from + 2 * w->shape.count) {
		if (plx_now_ns() - begin > SECONDS(STUCK_S)) {
			wrong("nothing has come for %u s", STUCK_S);
			return false;
		}
		if (w->wrongs > 0)
			return false;
		usleep(50);
	}
	return true;
}

static void one_event(void)
{
	struct part *p = &w->part[roll(w->senders + w->receivers)];
	uint64_t dice = roll(8), from = __atomic_load_n(&w->messages, __ATOMIC_RELAXED);

	usleep((useconds_t)roll(300));
	if (dice == 0 && !w->threads) {
		stop_for_a_while(p);
	} else {
		if (dice == 1 || w->threads)
			send_home(p);
		else
			kill_it(p);
		if (!w->threads && roll(4) == 0) { /* two at a time */
			struct part *q = &w->part[roll(w->senders + w->receivers)];

			if (q != p) {
				kill_it(q);
				start(q);
			}
		}
		start(p);
	}
	goes_on(from);
}

/* The books are closed when nobody can send any more and the receivers have come to the end. */
static void close_books(void)
{
	struct plx_channel_info info;
	const char *why = NULL;

	plx_channel_close(w->at);
	for (uint32_t i = 0; i < w->senders + w->receivers; i++)
		await(&w->part[i]);
	if (plx_channel_check(w->at, w->room, &why) != 0)
		wrong("%s", why);
	assert_int_equal(plx_channel_info(w->at, w->room, &info), 0);
	/* where each counts for itself, who dies may do so between a message and its count */
	if (w->shape.kind == PLX_CHANNEL_MPMC ? info.stats.sent + w->kills < info.stats.received
					      : info.stats.sent != info.stats.received)
		wrong("%llu were sent, %llu received", (unsigned long long)info.stats.sent,
		      (unsigned long long)info.stats.received);
	for (uint32_t i = 0; i < w->lives; i++) {
		struct life *l = &w->life[i];

		for (uint32_t k = 0; ticks && k < LIMIT / 64; k++)
			l->got += (uint32_t)__builtin_popcountll(ticks[i][k]);
		if (l->got < l->accepted)
			wrong("sender %u: %u accepted, %u came", i, l->accepted, l->got);
		if (l->got > l->accepted + (l->killed ? 32 : 0))
			wrong("sender %u: %u accepted, %u came", i, l->accepted, l->got);
		for (uint32_t k = 0; ticks && k < l->accepted; k++) {
			if (!(ticks[i][k / 64] >> k % 64 & 1))
				wrong("sender %u: message %u of %u never came", i, k, l->accepted);
		}
	}
}

static const char *const kinds[] = {
	[PLX_CHANNEL_SPSC] = "spsc", [PLX_CHANNEL_MPSC] = "mpsc", [PLX_CHANNEL_MPMC] = "mpmc",
	[PLX_CHANNEL_RING] = "ring", [PLX_CHANNEL_POST] = "post", [PLX_CHANNEL_PRIORITY] = "priority"
};

static void history(uint32_t kind, uint32_t senders, bool threads, uint64_t kills)
{
	uint64_t begin = plx_now_ns(), messages = setting("CHAN_MESSAGES", 0),
		 seconds = setting("CHAN_SECONDS", 0);
	const char *only = getenv("CHAN_ONLY");
	struct plx_segment seg;
	uint32_t events = 0;

	if (only && *only && strcmp(only, kinds[kind]) != 0)
		skip();
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w != MAP_FAILED);
	w->seed = setting("CHAN_SEED", 1);
	w->threads = threads;
	w->senders = senders;
	w->receivers = kind == PLX_CHANNEL_MPMC ? 2 : 1;
	ticks = NULL;
	if (kind == PLX_CHANNEL_MPMC) {
		ticks = mmap(NULL, LIVES * sizeof(*ticks), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert_true((void *)ticks != MAP_FAILED);
	}
	w->shape = (struct plx_channel_shape){ .kind = kind,
					       .size = SIZE,
					       .count = (uint32_t)setting("CHAN_COUNT", 100),
					       .senders = (uint16_t)(senders > 1 ? 2 * senders : 1),
					       .receivers = (uint16_t)w->receivers };
	w->room = plx_channel_bytes(&w->shape);
	assert_int_equal(plx_channel_create(&seg, "memfd", "plx:channel:history", PLX_SEGMENT_INHERIT,
					    &w->shape, &w->at),
			 0);
	for (uint32_t i = 0; i < w->senders + w->receivers; i++) {
		w->part[i].sends = i < w->senders;
		w->part[i].number = i;
		start(&w->part[i]);
	}
	while (w->wrongs == 0 && w->lives < LIVES - 8 &&
	       (!seconds || plx_now_ns() - begin < SECONDS(seconds)) &&
	       (threads ? events < kills : w->kills < kills || w->messages < messages)) {
		if (threads || w->kills < kills)
			one_event();
		else
			usleep(100000);
		events++;
	}
	if (w->wrongs == 0) {
		close_books();
	} else {
		for (uint32_t i = 0; i < w->senders + w->receivers && !threads; i++)
			kill_it(&w->part[i]);
	}
	printf("note: %s, %u %s and %u: %u killed, %u lives, %llu messages, %.1f s%s%s\n", kinds[kind],
	       senders, threads ? "threads" : "processes", w->receivers, w->kills, w->lives,
	       (unsigned long long)w->messages, (double)(plx_now_ns() - begin) / 1e9, w->wrongs ? ": " : "",
	       w->wrong);
	if (w->wrongs)
		fail_msg("CHAN_SEED=%llu: %s (%u times)", (unsigned long long)setting("CHAN_SEED", 1),
			 w->wrong, w->wrongs);
	plx_segment_close(&seg);
	if (ticks)
		munmap(ticks, LIVES * sizeof(*ticks));
	munmap(w, sizeof(*w));
}

static void one_to_one_each_message_comes_once_whoever_is_killed(void **state)
{
	(void)state;
	history(PLX_CHANNEL_SPSC, 1, false, setting("CHAN_KILLS", LONG_LOOP(200)));
}

static void many_to_one_each_message_comes_once_whoever_is_killed(void **state)
{
	(void)state;
	history(PLX_CHANNEL_MPSC, 3, false, setting("CHAN_KILLS", LONG_LOOP(200)));
}

static void many_to_many_each_message_comes_once_whoever_is_killed(void **state)
{
	(void)state;
	history(PLX_CHANNEL_MPMC, 2, false, setting("CHAN_KILLS", LONG_LOOP(200)));
}

static void in_a_ring_each_message_comes_once_whoever_is_killed(void **state)
{
	(void)state;
	history(PLX_CHANNEL_RING, 1, false, setting("CHAN_KILLS", LONG_LOOP(100)));
}

static void envelopes_come_once_each_whoever_is_killed(void **state)
{
	(void)state;
	history(PLX_CHANNEL_POST, 3, false, setting("CHAN_KILLS", LONG_LOOP(100)));
	history(PLX_CHANNEL_PRIORITY, 3, false, setting("CHAN_KILLS", LONG_LOOP(100)));
}

static void rings_and_envelopes_come_once_each_among_threads_that_come_and_go(void **state)
{
	(void)state;
	history(PLX_CHANNEL_RING, 1, true, LONG_LOOP(100));
	history(PLX_CHANNEL_POST, 3, true, LONG_LOOP(100));
}

static void one_to_one_each_message_comes_once_among_threads_that_come_and_go(void **state)
{
	(void)state;
	history(PLX_CHANNEL_SPSC, 1, true, LONG_LOOP(200));
}

static void many_to_one_each_message_comes_once_among_threads_that_come_and_go(void **state)
{
	(void)state;
	history(PLX_CHANNEL_MPSC, 3, true, LONG_LOOP(200));
}

static void many_to_many_each_message_comes_once_among_threads_that_come_and_go(void **state)
{
	(void)state;
	history(PLX_CHANNEL_MPMC, 2, true, LONG_LOOP(200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_to_one_each_message_comes_once_whoever_is_killed),
		cmocka_unit_test(many_to_one_each_message_comes_once_whoever_is_killed),
		cmocka_unit_test(many_to_many_each_message_comes_once_whoever_is_killed),
		cmocka_unit_test(in_a_ring_each_message_comes_once_whoever_is_killed),
		cmocka_unit_test(envelopes_come_once_each_whoever_is_killed),
		cmocka_unit_test(rings_and_envelopes_come_once_each_among_threads_that_come_and_go),
		cmocka_unit_test(one_to_one_each_message_comes_once_among_threads_that_come_and_go),
		cmocka_unit_test(many_to_one_each_message_comes_once_among_threads_that_come_and_go),
		cmocka_unit_test(many_to_many_each_message_comes_once_among_threads_that_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

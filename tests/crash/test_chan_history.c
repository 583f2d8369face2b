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
 * CHAN_KILLS (how many), CHAN_MESSAGES (... and so many messages at least), CHAN_SECONDS (... but no longer), CHAN_SEED.
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

#include "tests/support/support.h"

#define LIVES      (1u << 16) /* participants that there can have been */
#define SIDES      4u         /* at a time, of each side */
#define LIMIT      (1u << 18) /* messages of a sender, where each is ticked off */
#define SIZE       24u
#define STUCK_S    20u
#define FOREVER    UINT64_MAX
#define SECONDS(n) ((uint64_t)(n)*1000000000u)

/* What a sender and its receivers wrote down. */
struct life {
	uint32_t accepted, got;
	uint32_t twice; /* came again, after a receiver's death */
	uint32_t killed;
};

struct part {
	int32_t quit;
	bool sends;
	uint32_t number, life;
	pid_t pid;
	pthread_t thread;
	uint32_t pad[8];
};

static struct world {
	void *at;
	uint64_t room;
	struct plx_channel_shape shape;
	uint32_t senders, receivers;
	bool threads;
	uint32_t lives, kills, receivers_killed;
	uint64_t seed;
	char wrong[256]; /* the first thing that was */
	uint32_t wrongs;
	_Alignas(64) uint64_t messages;
	struct part part[2 * SIDES];
	struct life life[LIVES];
	_Alignas(64) uint32_t again,
		late; /* came twice; came after a later one of its sender, to the same receiver */
} * w;

/* Where there are many receivers: which messages came. */
static uint64_t (*ticks)[LIMIT / 64];

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t roll(uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *form, ...)
{
	va_list args;

	if (__atomic_fetch_add(&w->wrongs, 1, __ATOMIC_RELAXED) > 0)
		return;
	va_start(args, form);
	vsnprintf(w->wrong, sizeof(w->wrong), form, args);
	va_end(args);
}

/* ---- messages ------------------------------------------------------------------------------------------- */

static void fill(unsigned char *m, uint32_t life, uint32_t number)
{
	uint64_t words[3] = { (uint64_t)life << 32 | number, number * UINT64_C(0x9e3779b97f4a7c15),
			      ~(uint64_t)life };

	memcpy(m, words, SIZE);
}

/* Written down before it is let go of: a successor knows what came. */
static void note(const unsigned char *m)
{
	unsigned char whole[SIZE];
	uint64_t word;
	uint32_t number;
	struct life *l;

	memcpy(&word, m, 8);
	number = (uint32_t)word;
	fill(whole, (uint32_t)(word >> 32), number);
	if (word >> 32 >= LIVES || memcmp(whole, m, SIZE) != 0) {
		wrong("a message is not what was sent: %llx", (unsigned long long)word);
		return;
	}
	l = &w->life[word >> 32];
	if (number + 1 == l->got && l->twice < w->receivers_killed) {
		l->twice++;
		return;
	}
	if (number != l->got)
		wrong("sender %u: message %u came when %u was the next", (unsigned int)(word >> 32), number,
		      l->got);
	__atomic_store_n(&l->got, number + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&w->messages, w->messages + 1, __ATOMIC_RELAXED);
}

/* The same when others receive, too: each one is ticked off, and comes in its sender's order to each receiver. */
static void tick(const unsigned char *m, uint32_t *last)
{
	unsigned char whole[SIZE];
	uint32_t number, life;
	uint64_t word;

	memcpy(&word, m, 8);
	number = (uint32_t)word;
	life = (uint32_t)(word >> 32);
	fill(whole, life, number);
	if (life >= LIVES || number >= LIMIT || memcmp(whole, m, SIZE) != 0) {
		wrong("a message is not what was sent: %llx", (unsigned long long)word);
		return;
	}
	if (__atomic_fetch_or(&ticks[life][number / 64], 1ull << number % 64, __ATOMIC_RELAXED) >>
		    number % 64 &
	    1) {
		if (__atomic_add_fetch(&w->again, 1, __ATOMIC_RELAXED) > w->receivers_killed)
			wrong("sender %u: message %u came twice", life, number);
	}
	if (number < last[life] && __atomic_add_fetch(&w->late, 1, __ATOMIC_RELAXED) > w->receivers_killed)
		wrong("sender %u: message %u came after %u", life, number, last[life] - 1);
	last[life] = number + 1;
	__atomic_fetch_add(&w->messages, 1, __ATOMIC_RELAXED);
}

/* ---- participants ---------------------------------------------------------------------------------------- */

static bool asked_to_go(const struct part *p)
{
	return __atomic_load_n(&p->quit, __ATOMIC_RELAXED);
}

union sender {
	struct plx_spsc_sender one;
	struct plx_mpmc_sender many;
};

static int open_sender(union sender *tx)
{
	switch (w->shape.kind) {
	case PLX_CHANNEL_MPMC: return plx_mpmc_sender_open(&tx->many, w->at, w->room, 0);
	case PLX_CHANNEL_MPSC: return plx_mpsc_sender_open(&tx->one, w->at, w->room, 0);
	default: return plx_spsc_sender_open(&tx->one, w->at, w->room, 0);
	}
}

static void leave_sender(union sender *tx)
{
	switch (w->shape.kind) {
	case PLX_CHANNEL_MPMC: plx_mpmc_sender_leave(&tx->many); break;
	case PLX_CHANNEL_MPSC: plx_mpsc_sender_leave(&tx->one); break;
	default: plx_spsc_sender_leave(&tx->one);
	}
}

static int send_many(union sender *tx, const unsigned char *m, uint32_t n)
{
	const uint64_t timeout_ns = 50000000;
	int ret;

	if (n > 1)
		return w->shape.kind == PLX_CHANNEL_MPMC ? plx_mpmc_send_many(&tx->many, m, n, timeout_ns)
							 : plx_spsc_send_many(&tx->one, m, n, timeout_ns);
	ret = w->shape.kind == PLX_CHANNEL_MPMC ? plx_mpmc_send(&tx->many, m, timeout_ns)
						: plx_spsc_send(&tx->one, m, timeout_ns);
	return ret == 0 ? 1 : ret;
}

static void be_sender(struct part *p)
{
	unsigned char m[32 * SIZE];
	union sender tx;
	uint32_t n = 0;
	int ret;

	while ((ret = open_sender(&tx)) == -EBUSY &&
	       !asked_to_go(p)) /* who had the seat died this moment, or left */
		sched_yield();
	if (ret != 0) {
		if (ret != -EBUSY && ret != -ESHUTDOWN)
			wrong("a sender gets no seat: %s", plx_strerror(ret));
		return;
	}
	while (!asked_to_go(p)) {
		uint32_t many = p->life % 3 == 0 ? 1 + n % 32 : 1;

		if (ticks && n + many > LIMIT) { /* another life, in the same seat */
			p->life = __atomic_fetch_add(&w->lives, 1, __ATOMIC_RELAXED);
			n = 0;
			if (p->life >= LIVES)
				break;
		}
		for (uint32_t i = 0; i < many; i++)
			fill(m + i * SIZE, p->life, n + i);
		ret = send_many(&tx, m, many);
		if (ret < 0 && ret != -ETIMEDOUT)
			break;
		n += ret > 0 ? (uint32_t)ret : 0;
		__atomic_store_n(&w->life[p->life].accepted, n, __ATOMIC_RELEASE);
		ret = 0;
	}
	if (ret < 0 && ret != -ESHUTDOWN)
		wrong("a sender: %s", plx_strerror(ret));
	leave_sender(&tx);
}

#define RECEIVER(kind)                                                                                       \
	static void receive_##kind(struct part *p)                                                           \
	{                                                                                                    \
		static __thread struct plx_##kind##_receiver rx;                                             \
		uint32_t n;                                                                                  \
		int ret;                                                                                     \
                                                                                                             \
		while ((ret = plx_##kind##_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p)) \
			sched_yield();                                                                       \
		if (ret != 0) {                                                                              \
			if (ret != -EBUSY)                                                                   \
				wrong("a receiver gets no seat: %s", plx_strerror(ret));                     \
			return;                                                                              \
		}                                                                                            \
		while (!asked_to_go(p)) {                                                                    \
			const unsigned char *m = plx_##kind##_peek(&rx, &n);                                 \
                                                                                                             \
			for (uint32_t i = 0; m && i < n; i++) {                                              \
				note(m + i * SIZE);                                                          \
				plx_##kind##_release(&rx, 1);                                                \
			}                                                                                    \
			if (!m) {                                                                            \
				ret = plx_##kind##_wait(&rx, 50000000);                                      \
				if (ret == -ESHUTDOWN)                                                       \
					break;                                                               \
				if (ret < 0 && ret != -ETIMEDOUT && ret != -EPIPE)                           \
					wrong("a receiver: %s", plx_strerror(ret));                          \
			}                                                                                    \
		}                                                                                            \
		plx_##kind##_receiver_leave(&rx);                                                            \
	}

RECEIVER(spsc)
RECEIVER(mpsc)

static void receive_mpmc(struct part *p)
{
	uint32_t *last = calloc(LIVES, sizeof(*last));
	struct plx_mpmc_receiver rx;
	uint64_t position;
	int ret;

	while ((ret = plx_mpmc_receiver_open(&rx, w->at, w->room)) == -EBUSY && !asked_to_go(p))
		sched_yield();
	if (ret != 0 || !last) {
		if (ret != -EBUSY)
			wrong("a receiver gets no seat: %s", plx_strerror(ret));
		free(last);
		return;
	}
	while (!asked_to_go(p)) {
		const unsigned char *m = plx_mpmc_peek(&rx, &position);

		if (m) {
			tick(m, last);
			plx_mpmc_release(&rx, position);
			continue;
		}
		ret = plx_mpmc_wait(&rx, 50000000);
		if (ret == -ESHUTDOWN)
			break;
		if (ret < 0 && ret != -ETIMEDOUT && ret != -EPIPE)
			wrong("a receiver: %s", plx_strerror(ret));
	}
	plx_mpmc_receiver_leave(&rx);
	free(last);
}

static void *take_part(void *arg)
{
	struct part *p = arg;

	if (p->sends)
		be_sender(p);
	else if (w->shape.kind == PLX_CHANNEL_MPMC)
		receive_mpmc(p);
	else if (w->shape.kind == PLX_CHANNEL_MPSC)
		receive_mpsc(p);
	else
		receive_spsc(p);
	return NULL;
}

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

static void history(uint32_t kind, uint32_t senders, bool threads, uint64_t kills)
{
	uint64_t begin = plx_now_ns(), messages = setting("CHAN_MESSAGES", 0),
		 seconds = setting("CHAN_SECONDS", 0);
	struct plx_segment seg;
	uint32_t events = 0;

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
					       .count = 100,
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
	printf("note: %s, %u %s and %u: %u killed, %u lives, %llu messages, %.1f s%s%s\n",
	       kind == PLX_CHANNEL_SPSC   ? "spsc"
	       : kind == PLX_CHANNEL_MPSC ? "mpsc"
					  : "mpmc",
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
		cmocka_unit_test(one_to_one_each_message_comes_once_among_threads_that_come_and_go),
		cmocka_unit_test(many_to_one_each_message_comes_once_among_threads_that_come_and_go),
		cmocka_unit_test(many_to_many_each_message_comes_once_among_threads_that_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

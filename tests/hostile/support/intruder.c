/* intruder.c - a liar at the door of a publisher without keys. */
#include "tests/hostile/support/intruder.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <string.h>
#include <sys/resource.h>

struct intruder intruder;

static void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	child_end(pid);
}

/* ---- what the liar holds ------------------------------------------------------------------------------------------ */

void hold(int fd)
{
	assert_true(fd >= 0);
	assert_true(intruder.held_count < INTRUDER_HELD);
	intruder.held[intruder.held_count++] = fd;
}

struct liar_grant *hold_grant(bool lossy)
{
	struct liar_grant *g = &intruder.grants[intruder.grant_count];

	assert_true(intruder.grant_count < (int)INTRUDER_SEATS);
	assert_int_equal(liar_join(g, &crowd.place, lossy), 0);
	intruder.grant_count++;
	return g;
}

static void *flip(void *arg)
{
	void (*run)(void) = *(void (**)(void))arg;

	while (!READ(intruder.flipper_stops))
		run();
	return NULL;
}

void hold_flipper(void (*run)(void))
{
	intruder.flip = run;
	WRITE(intruder.flipper_stops, false);
	assert_int_equal(pthread_create(&intruder.flipper, NULL, flip, &intruder.flip), 0);
	intruder.flips = true;
}

pid_t hold_helper(void (*run)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_as_others_do(300);
		run();
		for (;;)
			pause();
	}
	intruder.helpers[intruder.helper_count++] = pid;
	return pid;
}

void drop_helper(bool kill_it)
{
	pid_t pid = intruder.helpers[--intruder.helper_count];

	if (kill_it)
		child_kill(pid);
	else
		child_end(pid);
}

static void let_go(void)
{
	if (intruder.flips) {
		WRITE(intruder.flipper_stops, true);
		pthread_join(intruder.flipper, NULL);
		intruder.flips = false;
	}
	while (intruder.helper_count > 0)
		child_kill(intruder.helpers[--intruder.helper_count]);
	while (intruder.grant_count > 0)
		liar_leave(&intruder.grants[--intruder.grant_count]);
	while (intruder.held_count > 0)
		close(intruder.held[--intruder.held_count]);
}

/* ---- at the door -------------------------------------------------------------------------------------------------- */

int knock(void)
{
	int fd = -1;

	/* its queue may be full for a moment: of our own making */
	assert_true(WITHIN(3000, (fd = liar_connect(&crowd.place, 0)) >= 0));
	return fd;
}

uint32_t hello(unsigned char *bytes)
{
	memset(bytes, 0, PLX_HANDSHAKE_MAX);
	return liar_hello(bytes, crowd.topic, true);
}

void expect_closed(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS];

	assert_int_equal(liar_recv(fd, bytes, sizeof(bytes), fds, 3000), 0);
	assert_int_equal(fds[0], -1);
	close(fd);
}

void expect_refused(int fd, int error)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal;
	int fds[PLX_GRANT_FDS];
	ssize_t n = liar_recv(fd, bytes, sizeof(bytes), fds, 3000);

	assert_true(n > 0);
	assert_int_equal(plx_refuse_decode(&refusal, bytes, (size_t)n), 0);
	assert_int_equal(refusal.error, error);
	assert_true(refusal.text[0] != '\0');
	expect_closed(fd);
}

/* ---- an attack ---------------------------------------------------------------------------------------------------- */

int intruder_open(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	intruder.noise = 0x9e3779b97f4a7c15;
	crowd_open(&crowd, &(struct crowd_setup){ .topic = "hostile/clients",
						  .gentle = true,
						  .subscribers_max = INTRUDER_SEATS,
						  .patience_ns = 1000000000 });
	return 0;
}

int intruder_close(void **state)
{
	(void)state;
	let_go();
	crowd_close(&crowd);
	return 0;
}

/* Somebody honest comes while the liar is there: he gets in and gets messages. */
static void newcomer_gets_in(void)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE, .directory = crowd.dir };
	struct plx_subscriber *sub;
	struct plx_buffer b;
	int got = 0, ret = 0;
	uint64_t end = plx_now_ns() + UINT64_C(10000000000);

	assert_int_equal(plx_subscriber_open(&sub, crowd.topic, &opt), 0);
	while (got < 5 && plx_now_ns() < end) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0) {
			ret = plx_subscriber_wait(sub, 100000000);
			assert_true(ret == 0 || ret == -ETIMEDOUT);
			continue;
		}
		assert_int_equal(ret, 1);
		assert_true(numbered_good(&b));
		plx_buffer_release(&b);
		got++;
	}
	assert_int_equal(got, 5);
	plx_subscriber_close(sub);
}

void liar_harms_nobody(void **state)
{
	const struct attack *attack = *state;
	int fds;

	let_go(); /* of an attack that failed */
	fds = count_open_fds();
	attack->run();
	newcomer_gets_in();
	crowd_is_well(&crowd);
	let_go();
	crowd_is_alone(&crowd, 0);
	crowd_is_well(&crowd);
	assert_int_equal(count_open_fds(), fds);
}

void intruder_ends_well(void **state)
{
	(void)state;
	crowd_ends_well(&crowd);
	print_message("note: longest publish beside liars: %llu us\n",
		      (unsigned long long)(READ(crowd.board->longest_ns) / 1000));
}

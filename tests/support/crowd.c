/* crowd.c - honest ones around a liar. */
#include "tests/support/crowd.h"

#include "tests/support/numbered.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct crowd crowd;

/* ---- what each does ------------------------------------------------------------------------------ */

static int publisher_run(const struct crowd *c, int which)
{
	struct plx_publisher_options opt = { .slot_size = CROWD_SLOT_SIZE,
					     .depth = 256,
					     .slots = 400,
					     .history = 16,
					     .quota = 4,
					     .type = NUMBERED_TYPE,
					     .full = PLX_FULL_DROP,
					     .full_ns = 5000000000,
					     .directory = c->dir };
	const uint64_t burst = c->setup.gentle ? 4 : 16;
	unsigned char bytes[CROWD_SLOT_SIZE];
	struct plx_publisher *pub;
	uint64_t n, before, took;
	int ret;

	if (c->setup.patience_ns)
		opt.full_ns = c->setup.patience_ns;
	if (c->setup.subscribers_max)
		opt.subscribers_max = c->setup.subscribers_max;
	opt.keys = c->setup.keyed ? crowd_keys(c, "pub") : NULL;
	ret = plx_publisher_open(&pub, c->topic, &opt);

	(void)which;
	for (n = 0; ret == 0 && !READ(c->board->stop); n++) {
		numbered_fill(bytes, n);
		before = plx_now_ns();
		ret = plx_publisher_send(pub, bytes, numbered_size(n));
		took = plx_now_ns() - before;
		if (took > READ(c->board->longest_ns))
			WRITE(c->board->longest_ns, took);
		if (ret == 0)
			WRITE(c->board->published, n + 1);
		if (n % burst == 0)
			usleep(c->setup.gentle ? 1000 : 200);
	}
	WRITE(c->board->publisher_error, ret);
	if (ret == 0)
		plx_publisher_close(pub);
	return ret != 0;
}

static int honest_run(const struct crowd *c, int which)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE, .directory = c->dir };
	struct plx_subscriber_stats stats;
	uint64_t next = UINT64_MAX;
	struct plx_subscriber *sub;
	struct plx_buffer b;
	int ret;

	opt.keys = c->setup.keyed ? crowd_keys(c, "sub") : NULL;
	opt.reading = which ? PLX_READ_LOSSY : PLX_READ_RELIABLE;
	ret = plx_subscriber_open(&sub, c->topic, &opt);
	while (ret >= 0 && !READ(c->board->stop)) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0) {
			ret = plx_subscriber_wait(sub, 20000000);
			ret = ret == -ETIMEDOUT ? 0 : ret;
		} else if (ret == 1) {
			plx_subscriber_stats(sub, &stats);
			if (!numbered_good(&b) || (next != UINT64_MAX && b.sequence < next) ||
			    (!which && next != UINT64_MAX && b.sequence != next))
				ret = -EILSEQ;
			next = b.sequence + 1;
			plx_buffer_release(&b);
			WRITE(c->board->taken[which], next);
			if (which)
				WRITE(c->board->lost, stats.lost);
		}
	}
	if (!READ(c->board->stop))
		WRITE(c->board->honest_error[which], ret < 0 ? ret : -1);
	return !READ(c->board->stop);
}

/* One after the other; the time from open to the first message or the grant. */
static int newcomer_run(const struct crowd *c, int which)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE, .history = 1, .directory = c->dir };
	struct plx_subscriber_stats stats;
	struct plx_subscriber *sub;
	uint64_t before, n;

	(void)which;
	opt.keys = c->setup.keyed ? crowd_keys(c, "sub") : NULL;
	for (n = 0; !READ(c->board->stop); n++) {
		before = plx_now_ns();
		if (plx_subscriber_open(&sub, c->topic, &opt) < 0)
			break;
		do {
			if (plx_subscriber_wait(sub, 1000000000) == -ETIMEDOUT &&
			    plx_now_ns() - before > 20000000000)
				break;
			plx_subscriber_stats(sub, &stats);
		} while (!stats.publishers && !READ(c->board->stop));
		WRITE(c->board->connect_ns[n % CROWD_TIMES], plx_now_ns() - before);
		WRITE(c->board->connects, n + 1);
		if (!stats.publishers && !READ(c->board->stop)) {
			fprintf(stderr, "newcomer %llu did not get in: refused %u times, last: %s\n",
				(unsigned long long)n, stats.refused, plx_subscriber_refusal(sub));
			plx_subscriber_close(sub);
			break;
		}
		plx_subscriber_close(sub);
		usleep(2000);
	}
	if (!READ(c->board->stop))
		WRITE(c->board->newcomer_error, 1);
	return !READ(c->board->stop);
}

/* ---- children ----------------------------------------------------------------------------------- */

static pid_t child_start(const struct crowd *c, int (*run)(const struct crowd *, int), int which)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	die_as_others_do(7200);
	_exit(run(c, which));
}

/* ---- all of them -------------------------------------------------------------------------------- */

struct plx_keys *crowd_keys(const struct crowd *c, const char *name)
{
	static const char *const trusted[] = { "pub", "sub" };
	struct plx_public_key key;
	struct plx_keys *keys;
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s.key", c->dir, name);
	if (plx_keys_open(&keys, path, NULL) < 0)
		abort();
	for (size_t i = 0; i < COUNT_OF(trusted); i++) {
		snprintf(path, sizeof(path), "%s/%s.key", c->dir, trusted[i]);
		if (plx_key_public(path, &key, NULL) < 0 || plx_keys_trust_key(keys, &key) < 0)
			abort();
	}
	return keys;
}

static void make_keys(const struct crowd *c)
{
	static const char *const names[] = { "pub", "sub", "liar" };
	struct plx_public_key key;
	char path[4200];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.key", c->dir, names[i]);
		assert_int_equal(plx_key_create(path, &key), 0);
	}
}

static void honest_start(struct crowd *c)
{
	c->fds += 2 * CROWD_FDS;
	c->honest[0] = child_start(c, honest_run, 0);
	c->honest[1] = child_start(c, honest_run, 1);
	assert_true(WITHIN(10000, READ(c->board->taken[0]) > 0 && READ(c->board->taken[1]) > 0));
	c->links = maps_of(c->publisher, "memfd:plx:link");
	assert_int_equal(c->links, 2);
}

void crowd_open(struct crowd *c, const struct crowd_setup *setup)
{
	signal(SIGPIPE, SIG_IGN);
	*c = (struct crowd){ .topic = setup->topic, .setup = *setup };
	c->dir = make_directory();
	if (setup->keyed)
		make_keys(c);
	assert_int_equal(plx_place_open(&c->place, c->dir, c->topic), 0);
	c->board = mmap(NULL, sizeof(*c->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(c->board != MAP_FAILED);
	c->publisher = child_start(c, publisher_run, 0);
	assert_true(WITHIN(10000, READ(c->board->published) > 0));
	c->fds = fds_of(c->publisher);
	if (!setup->unheard)
		honest_start(c);
	/* they read, and yet P may still be closing what it sent them */
	assert_true(WITHIN(10000, fds_of(c->publisher) == c->fds));
}

void crowd_newcomers(struct crowd *c)
{
	c->newcomer = child_start(c, newcomer_run, 0);
	assert_true(WITHIN(60000, READ(c->board->connects) >= 100));
}

void crowd_is_well(const struct crowd *c)
{
	const struct crowd_board *b = c->board;
	uint64_t published = READ(b->published);

	assert_true(child_alive(c->publisher));
	assert_int_equal(READ(b->publisher_error), 0);
	assert_true(WITHIN(10000, READ(b->published) > published + 10));
	for (int i = 0; i < 2 && c->honest[i] > 0; i++) {
		assert_true(WITHIN(10000, READ(b->taken[i]) > published || READ(b->honest_error[i]) != 0));
		assert_int_equal(READ(b->honest_error[i]), 0);
		assert_true(child_alive(c->honest[i]));
	}
	assert_int_equal(READ(b->newcomer_error), 0);
}

void crowd_is_alone(const struct crowd *c, int guests)
{
	int fds = c->fds + guests * CROWD_FDS, links = c->links + guests;

	if (!WITHIN(10000, fds_of(c->publisher) == fds && maps_of(c->publisher, "memfd:plx:link") == links))
		fail_msg("the publisher has %d descriptors and %d links, not %d and %d", fds_of(c->publisher),
			 maps_of(c->publisher, "memfd:plx:link"), fds, links);
}

void crowd_is_looked_at(const struct crowd *c)
{
	static const char *const what[] = { "check", "list", "inspect" };
	const char *bin = getenv("BIN");
	char command[9000];
	int status;

	for (size_t i = 0; bin && i < COUNT_OF(what); i++) {
		snprintf(command, sizeof(command), "'%s/shmctl' -d '%s' %s %s >/dev/null 2>&1", bin, c->dir,
			 what[i], i == 2 ? c->topic : "");
		status = system(command);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t crowd_times(const struct crowd *c, uint64_t from, uint64_t *p99)
{
	static uint64_t sorted[CROWD_TIMES];
	uint64_t to = READ(c->board->connects), n = to - from;

	if (n > CROWD_TIMES)
		n = CROWD_TIMES;
	assert_true(n > 0);
	for (uint64_t i = 0; i < n; i++)
		sorted[i] = READ(c->board->connect_ns[(to - 1 - i) % CROWD_TIMES]);
	qsort(sorted, n, sizeof(*sorted), by_size);
	*p99 = sorted[n * 99 / 100];
	return sorted[n / 2];
}

/* Instrumented builds say in its exit code what they saw in a child. */
static void ends(pid_t *pid)
{
	if (*pid > 0)
		assert_int_equal(child_end(*pid), 0);
	*pid = 0;
}

void crowd_ends_well(struct crowd *c)
{
	struct crowd_board *b = c->board;
	pid_t newcomer = c->newcomer;

	crowd_is_well(c);
	if (newcomer > 0) {
		kill(newcomer, SIGKILL);
		c->newcomer = 0;
		child_end(newcomer);
	}
	crowd_is_alone(c, 0);
	crowd_is_well(c);
	WRITE(b->stop, 1);
	ends(&c->honest[0]);
	ends(&c->honest[1]);
	ends(&c->publisher);
}

void crowd_close(struct crowd *c)
{
	pid_t *const all[] = { &c->newcomer, &c->honest[0], &c->honest[1], &c->publisher };

	if (!c->dir)
		return;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (*all[i] <= 0)
			continue;
		kill(*all[i], SIGKILL);
		child_end(*all[i]);
		*all[i] = 0;
	}
	plx_place_close(&c->place);
	drop_directory(c->dir);
	c->dir = NULL;
	munmap(c->board, sizeof(*c->board));
}

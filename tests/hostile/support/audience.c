/* audience.c - two subscribers that hear an honest publisher and a liar. */
#include "tests/hostile/support/audience.h"

#include <errno.h>
#include <plx/process.h>
#include <plx/subscriber.h>
#include <string.h>
#include <sys/wait.h>

enum mode { RELIABLE, LOSSY, MODES };

static pid_t liar; /* 0: none */
static uint64_t honest_id;
static struct plx_subscriber *subs[MODES];
static uint64_t next[MODES];  /* sequence of the honest publisher's next message */
static uint64_t count[MODES]; /* of honest messages, ever */
static uint64_t sum;          /* of all the liar's payloads: every byte is read */

/* What one subscriber has seen of an attack. */
struct seen {
	uint32_t refused_before;
	bool refused, ended;
	int refused_why, ended_why;
};

static struct plx_subscriber_stats stats_of(enum mode mode)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(subs[mode], &stats);
	return stats;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void use(enum mode mode, struct plx_buffer *b)
{
	const unsigned char *bytes = b->data;
	uint64_t i;

	if (b->publisher == honest_id) {
		assert_true(numbered_good(b));
		if (next[mode] != UINT64_MAX && mode == RELIABLE)
			assert_int_equal(b->sequence, next[mode]);
		next[mode] = b->sequence + 1;
		count[mode]++;
	} else {
		assert_true(b->length <= SLOT_SIZE);
		for (i = 0; i < b->length; i++)
			sum += bytes[i];
	}
	plx_buffer_release(b);
}

/* Read for a moment. */
static void read_on(enum mode mode, struct seen *seen)
{
	struct plx_subscriber *sub = subs[mode];
	struct plx_subscriber_stats stats;
	struct plx_stream_end end;
	struct plx_buffer b;
	int i, ret;

	for (i = 0; i < 200; i++) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0)
			break;
		if (ret == 1) {
			use(mode, &b);
			continue;
		}
		end = plx_subscriber_ended(sub);
		assert_int_not_equal(end.publisher, honest_id);
		assert_int_equal(end.reason, ret);
		seen->ended = true;
		seen->ended_why = ret;
	}
	stats = stats_of(mode);
	if (stats.refused != seen->refused_before) {
		seen->refused = true;
		seen->refused_why = stats.refused_why;
	}
	ret = plx_subscriber_wait(sub, 1000000);
	assert_true(ret == 0 || ret == -ETIMEDOUT);
}

/* Both read until @what holds, @ms at most. */
#define READ_UNTIL(ms, seen, what)                                                                           \
	for (uint64_t end_ = plx_now_ns() + UINT64_C(1000000) * (ms); plx_now_ns() < end_ && !(what);) {     \
		read_on(RELIABLE, &(seen)[RELIABLE]);                                                        \
		read_on(LOSSY, &(seen)[LOSSY]);                                                              \
	}

/* ---- before and after ---------------------------------------------------------------------------------------------- */

static void find_honest(void)
{
	struct plx_sightings list;

	assert_int_equal(plx_place_list(&crowd.place, &list), 0);
	assert_int_equal(list.count, 1);
	honest_id = list.items[0].id;
	plx_sightings_free(&list);
}

int audience_open(void **state)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE };
	struct seen seen[MODES] = { 0 };
	int i;

	(void)state;
	/* P waits for the reliable one, however busy the machine is */
	crowd_open(&crowd, &(struct crowd_setup){ .topic = PRETENDER_TOPIC,
						  .gentle = true,
						  .unheard = true,
						  .patience_ns = 60000000000 });
	find_honest();
	opt.directory = crowd.dir;
	for (i = 0; i < MODES; i++) {
		opt.reading = i == LOSSY ? PLX_READ_LOSSY : PLX_READ_RELIABLE;
		assert_int_equal(plx_subscriber_open(&subs[i], PRETENDER_TOPIC, &opt), 0);
		next[i] = UINT64_MAX;
	}
	READ_UNTIL(20000, seen, count[RELIABLE] >= 10 && count[LOSSY] >= 10);
	assert_true(count[RELIABLE] >= 10 && count[LOSSY] >= 10);
	return 0;
}

void audience_ends_well(void **state)
{
	(void)state;
	for (int i = 0; i < MODES; i++) {
		plx_subscriber_close(subs[i]);
		subs[i] = NULL;
	}
	crowd_ends_well(&crowd);
	assert_int_not_equal(sum, 1);
}

/* Kill it; how it ended. */
static int liar_end(void)
{
	int status = 0;

	if (liar > 0) {
		kill(liar, SIGKILL);
		status = child_end(liar);
	}
	liar = 0;
	return status;
}

int audience_close(void **state)
{
	(void)state;
	liar_end();
	for (int i = 0; i < MODES; i++)
		plx_subscriber_close(subs[i]);
	crowd_close(&crowd);
	return 0;
}

/* ---- an attack --------------------------------------------------------------------------------------------------- */

static void liar_start(const struct attack *attack)
{
	liar_end(); /* of an attack that failed */
	fflush(NULL);
	liar = fork();
	assert_true(liar >= 0);
	if (liar > 0)
		return;
	die_as_others_do(300);
	close_range(3, ~0u, 0); /* the subscribers' sockets above all */
	pretend();
	attack->run();
	for (;;)
		pause();
}

/* What L left in the directory goes with it. */
static void sweep_up(void)
{
	char command[4200];

	snprintf(command, sizeof(command),
		 "cd '%s/hostile+publishers' && find . -mindepth 1 ! -name '*-%016llx.sock' -delete",
		 crowd.dir, (unsigned long long)honest_id);
	assert_int_equal(system(command), 0);
}

static bool came_out(const struct attack *attack, const struct seen *seen)
{
	switch (attack->outcome) {
	case REFUSED: return seen->refused;
	case ENDED: return seen->ended;
	default: return true;
	}
}

static void judge(const struct attack *attack, enum mode mode, const struct seen *seen)
{
	const char *who = mode == LOSSY ? "lossy" : "reliable";
	int why = attack->outcome == REFUSED ? seen->refused_why : seen->ended_why;

	if (!came_out(attack, seen))
		fail_msg("%s: neither a refusal nor an end", who);
	if (attack->outcome == SURVIVE)
		return;
	if (why >= 0 || (attack->error && why != attack->error))
		fail_msg("%s: %d, not %d", who, why, attack->error);
}

void liar_is_left_and_the_honest_are_heard(void **state)
{
	const struct attack *attack = *state;
	struct seen seen[MODES] = { 0 };
	uint64_t before[MODES];
	int i, fds = count_open_fds(), maps = count_maps("memfd:");

	for (i = 0; i < MODES; i++) {
		seen[i].refused_before = stats_of(i).refused;
		before[i] = count[i];
	}
	liar_start(attack);
	if (attack->outcome == SURVIVE) {
		READ_UNTIL(150, seen, false);
	} else {
		READ_UNTIL(20000, seen, came_out(attack, &seen[RELIABLE]) && came_out(attack, &seen[LOSSY]));
	}
	/* beside the liar, the honest publisher is heard */
	READ_UNTIL(10000, seen, count[RELIABLE] > before[RELIABLE] + 20 && count[LOSSY] > before[LOSSY] + 20);
	for (i = 0; i < MODES; i++) {
		assert_true(count[i] > before[i] + 20);
		judge(attack, i, &seen[i]);
	}
	assert_int_equal(liar_end(), 128 + SIGKILL); /* the liar did what it should */
	sweep_up();
	READ_UNTIL(10000, seen,
		   stats_of(RELIABLE).publishers == 1 && stats_of(LOSSY).publishers == 1 &&
			   count_open_fds() == fds && count_maps("memfd:") == maps);
	assert_int_equal(stats_of(RELIABLE).publishers, 1);
	assert_int_equal(stats_of(LOSSY).publishers, 1);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("memfd:"), maps);
}

/*
 * restart.c - what to do about a death: a pure decision, so that it can be tested without dying.
 *
 *	ended as it should? ──► done
 *	says that it is hopeless, or died without progress again and again? ──► quarantine
 *	too many restarts of the whole group in a period? ──► give up
 *	otherwise ──► again: at once, then after 10, 20, 40 ... ms
 *
 * Source: the supervisors of Erlang/OTP; the back-off and the exit codes are those of systemd.
 */
#include <plx/supervise.h>

#include <plx/partition.h>

#define INTENSITY  10u
#define POISON     3u
#define PERIOD_NS  5000000000ull
#define FIRST_NS   10000000ull
#define LONGEST_NS 1000000000ull
#define PATIENCE   12u /* periods */

static bool hopeless(const struct plx_exit *how)
{
	return how->code >= PLX_EXIT_HOPELESS_FIRST && how->code <= PLX_EXIT_HOPELESS_LAST;
}

/* Is this restart one too many? Notes it when not. */
static bool too_many(struct plx_restart_group *group, uint32_t intensity, uint64_t period_ns, uint64_t now_ns)
{
	if (intensity == 0)
		intensity = INTENSITY;
	if (intensity <= PLX_RESTART_INTENSITY_MAX) {
		uint64_t before = group->count - intensity; /* the first of the last @intensity */

		if (group->count >= intensity &&
		    now_ns - group->at_ns[before % PLX_RESTART_INTENSITY_MAX] < period_ns)
			return true;
	}
	group->at_ns[group->count++ % PLX_RESTART_INTENSITY_MAX] = now_ns;
	return false;
}

/* 0, first, 2 * first, ... up to longest; a quarter more or less, by chance. */
static uint64_t back_off(uint32_t row, uint64_t first_ns, uint64_t longest_ns, uint64_t chance)
{
	uint64_t wait = first_ns ? first_ns : FIRST_NS, longest = longest_ns ? longest_ns : LONGEST_NS;

	if (row < 2)
		return 0;
	for (uint32_t i = 2; i < row && wait < longest; i++)
		wait *= 2;
	if (wait > longest)
		wait = longest;
	return wait - wait / 4 + plx_key_u64(chance, row) % (wait / 2 + 1);
}

enum plx_verdict plx_restart_decide(struct plx_restart *child, struct plx_restart_group *group,
				    const struct plx_restart_policy *policy, enum plx_restart_when when,
				    const struct plx_exit *how, uint64_t progress, uint64_t now_ns,
				    uint64_t *wait_ns)
{
	struct plx_restart_policy p = policy ? *policy : (struct plx_restart_policy){ 0 };
	uint64_t period = p.period_ns ? p.period_ns : PERIOD_NS;
	/* who has a progress to show may take its time to die of the same thing again */
	bool again = child->row > 0 && progress == child->progress &&
		     now_ns - child->died_ns < (progress ? PATIENCE : 1) * period;

	*wait_ns = 0;
	if (when == PLX_RESTART_NEVER || (when == PLX_RESTART_ON_FAILURE && how->code == 0))
		return PLX_VERDICT_ENDED;
	child->row = again ? child->row + 1 : 1;
	child->progress = progress;
	child->died_ns = now_ns;
	if (hopeless(how) || child->row >= (p.poison ? p.poison : POISON))
		return PLX_VERDICT_QUARANTINE;
	if (too_many(group, p.intensity, period, now_ns))
		return PLX_VERDICT_GIVE_UP;
	child->restarts++;
	*wait_ns = back_off(child->row, p.first_ns, p.longest_ns, now_ns);
	return PLX_VERDICT_RESTART;
}

/* cli_keep.c - see cli_keep.h: when to make a checkpoint, and what to say about it. */
#include "reducer/cli_keep.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <plx/process.h>

#include "reducer/cli.h"
#include "reducer/net/save.h"
#include "tools/cli/cli.h"

#define LOOK_NS     UINT64_C(100000000)
#define PATIENCE_NS UINT64_C(10000000000) /* with somebody else who writes the same file */

static volatile sig_atomic_t
	asked; /* by SIGUSR1; only a handler writes it, beside us: no order with anything else is needed */

static void on_request(int signal)
{
	(void)signal;
	asked = 1;
}

int keep_begin(const struct keep *keep)
{
	struct sigaction action = { .sa_handler = on_request };
	char part[PATH_MAX];
	int fd;

	if (!keep->path)
		return 0;
	if (snprintf(part, sizeof(part), "%s.part", keep->path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	fd = save_open(part);
	if (fd < 0 && fd != -EBUSY)
		return fd;
	if (fd >= 0) {
		unlink(part);
		close(fd);
	}
	sigaction(SIGUSR1, &action, NULL);
	return 0;
}

static void complain(const struct keep *keep, int ret)
{
	cli_error("checkpoint: %s: %s; the one before, if there is any, is still there", keep->path,
		  plx_strerror(ret));
}

/* The last one, if it is on the disk by then. Return: 0, -errno as net_saved(). */
static int see(struct keep *keep, struct net *net, uint64_t timeout_ns)
{
	int ret = net_saved(net, timeout_ns, &keep->last);

	if (ret == 0) {
		keep->count++;
		if (keep->last.paused_ns > keep->longest_ns)
			keep->longest_ns = keep->last.paused_ns;
	} else if (ret != -ENOENT && ret != -ETIMEDOUT && ret != -EINTR) {
		complain(keep, ret);
	}
	return ret;
}

/* Now, and wait until it is on the disk. */
static void make_last(struct keep *keep, struct net *net)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	const uint64_t end = plx_now_ns() + PATIENCE_NS;
	int ret;

	while ((ret = see(keep, net, UINT64_MAX)) == -EINTR) {
	}
	while ((ret = net_save(net, keep->path)) == -EBUSY && plx_now_ns() < end)
		nanosleep(&moment, NULL);
	if (ret == 0) {
		while ((ret = see(keep, net, UINT64_MAX)) == -EINTR) {
		}
		if (ret == 0)
			cli_note("%s holds all that was done; reducer resume goes on with it", keep->path);
	} else if (ret != -EALREADY) {
		complain(keep, ret);
	}
}

int keep_wait(struct keep *keep, struct net *net, struct net_result *result)
{
	uint64_t due = keep->every_ns ? plx_now_ns() + keep->every_ns : UINT64_MAX;
	bool stopped = false;
	int ret;

	if (!keep->path)
		return net_wait_end(net, result);
	do {
		const uint64_t now = plx_now_ns();

		ret = net_wait(net, due - now < LOOK_NS && due > now ? due - now : LOOK_NS, result);
		if (ret != -EINTR && ret != -ETIMEDOUT)
			break;
		if (plx_stop_signal() != 0 && !stopped) {
			make_last(keep, net);
			net_cancel(net);
			stopped = true;
		} else if (!stopped && see(keep, net, 0) != -ETIMEDOUT && (asked || plx_now_ns() >= due)) {
			asked = 0;
			if (keep->every_ns)
				due = plx_now_ns() + keep->every_ns;
			ret = net_save(net, keep->path);
			if (ret == -EBUSY)
				asked = 1; /* at the next look */
			else if (ret < 0 && ret != -EALREADY)
				complain(keep, ret);
			ret = -ETIMEDOUT;
		}
	} while (ret == -EINTR || ret == -ETIMEDOUT);
	/* the one under way is not waited for when there is a result: nobody needs it then */
	return ret;
}

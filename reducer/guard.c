/*
 * guard.c - see guard.h.
 *
 *	we ---- fork ---> supervisor ---- fork ---> workers           killed, it takes its workers with it (PR_SET_PDEATHSIG);
 *	 ^                                             |              we are told of each, being the reaper of all that comes
 *	 +--------- orphans come to us (SUBREAPER) ----+              from us, so we know when nobody writes any more
 */
#include "reducer/guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reducer/cli.h"
#include "tools/cli/cli.h"

/* Without anything done between them, until it is not by chance any more; SIGKILL mostly comes from elsewhere. */
#define GUARD_DEATHS 16u
#define GUARD_KILLS  256u

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static pid_t guard_pid; /* in the supervisor: of its guard */

struct guard {
	const struct guarded *what;
	sigset_t before; /* signals as they were blocked */
	pid_t pid;
	uint64_t passed; /* bits of the signals that were passed on */
	uint32_t deaths;
	uint64_t progress;
};

static pid_t start(struct guard *g)
{
	const pid_t us = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		guard_pid = us;
		prctl(PR_SET_NAME, "supervisor");
		prctl(PR_SET_CHILD_SUBREAPER, 0);
		sigprocmask(SIG_SETMASK, &g->before, NULL);
		exit(g->what->supervise(g->what->arg));
	}
	return pid;
}

/* Wait until our child has ended, and pass on what comes meanwhile. Return: as waitpid() tells it. */
static int watch(struct guard *g, const sigset_t *signals)
{
	for (;;) {
		siginfo_t info;
		int status;
		pid_t pid;

		if (sigwaitinfo(signals, &info) < 0)
			continue;
		if (info.si_signo == SIGRTMIN) {
			if (info.si_pid == g->pid && info.si_code == SI_QUEUE && g->what->hear)
				g->what->hear(g->what->arg, g->pid, info.si_value.sival_int);
			continue;
		}
		if (info.si_signo != SIGCHLD) {
			g->passed |= 1ull << info.si_signo;
			if (info.si_code != SI_KERNEL) /* a terminal has told it, too */
				kill(g->pid, info.si_signo);
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == g->pid)
				return status;
	}
}

/* The kernel has killed what it left; when nobody is left to be waited for all are gone. */
static void wait_for_orphans(void)
{
	while (waitpid(-1, NULL, 0) > 0) {
	}
}

/* Has it been killed often, without getting anywhere? */
static bool is_hopeless(struct guard *g, int signal)
{
	const uint64_t progress = g->what->progress(g->what->arg);

	if (progress != g->progress)
		g->deaths = 0;
	g->progress = progress;
	return ++g->deaths >= (signal == SIGKILL ? GUARD_KILLS : GUARD_DEATHS);
}

/* By a signal that was passed on, or after one that says so. */
static bool was_asked_to_stop(const struct guard *g, int signal)
{
	return g->passed &
	       (1ull << signal | 1ull << SIGTERM | 1ull << SIGINT | 1ull << SIGHUP | 1ull << SIGQUIT);
}

static int until_it_ends(struct guard *g, const sigset_t *signals)
{
	for (;;) {
		int status;

		g->pid = start(g);
		if (g->pid < 0) {
			sigprocmask(SIG_SETMASK, &g->before, NULL);
			return g->what->supervise(g->what->arg);
		}
		status = watch(g, signals);
		wait_for_orphans();
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (was_asked_to_stop(g, WTERMSIG(status)))
			return 128 + WTERMSIG(status);
		if (g->what->died)
			g->what->died(g->what->arg, WTERMSIG(status));
		if (g->what->may_go_on && !g->what->may_go_on(g->what->arg))
			return REDUCER_WORKER;
		if (is_hopeless(g, WTERMSIG(status))) {
			cli_error("the supervisor was killed %u times without getting anywhere, the last "
				  "time by signal %d",
				  g->deaths, WTERMSIG(status));
			return REDUCER_WORKER;
		}
	}
}

bool guard_tell(int value)
{
	/* if it dies between these two nobody is told: its number is not given out again so soon */
	return guard_pid > 0 && getppid() == guard_pid &&
	       sigqueue(guard_pid, SIGRTMIN, (union sigval){ .sival_int = value }) == 0;
}

int guard(const struct guarded *what)
{
	struct guard g = { .what = what };
	sigset_t signals;
	int code;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGRTMIN);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(&signals, passed_on[i]);
	sigprocmask(SIG_BLOCK, &signals, &g.before);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would keep from us how the child ended */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	code = until_it_ends(&g, &signals);
	sigprocmask(SIG_SETMASK, &g.before, NULL);
	return code;
}

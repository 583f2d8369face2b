/* supervise.h - keep worker processes running: when to start a dead one again, how soon, and when to stop trying. */
#ifndef PLX_SUPERVISE_H
#define PLX_SUPERVISE_H

#include <plx/process.h>

/* Whose end makes us start it again. */
enum plx_restart_when {
	PLX_RESTART_ALWAYS = 0,     /* whatever it says */
	PLX_RESTART_ON_FAILURE = 1, /* unless it exits with 0 */
	PLX_RESTART_NEVER = 2,
};

/* Exit codes that say "do not start me again", as sysexits.h has them: usage, configuration, no such user, ... */
#define PLX_EXIT_HOPELESS_FIRST 64
#define PLX_EXIT_HOPELESS_LAST  78

/* Who is started anew when one dies; as Erlang does it. */
enum plx_strategy {
	PLX_ONE_FOR_ONE = 0,
	PLX_ONE_FOR_ALL = 1, /* the others are killed and started again, too: they make no sense without it */
	PLX_REST_FOR_ONE = 2, /* those that were started after it */
};

/* When to give up; zero everywhere means what the comment says. */
struct plx_restart_policy {
	uint32_t
		intensity; /* restarts within @period_ns, of all children together, before all is given up; 0: 10.
				UINT32_MAX: never */
	uint32_t poison;    /* deaths in a row without progress before a child is put in quarantine; 0: 3 */
	uint64_t period_ns; /* 0: 5 s */
	uint64_t
		first_ns; /* wait before the second restart in a row, twice that before the third, ...; 0: 10 ms.
				The first comes at once */
	uint64_t
		longest_ns; /* at most; 0: 1 s. A quarter more or less at random, so that they do not march in step */
};

/* ---- the decision alone: no processes, no clock ----------------------------------------------------- */

#define PLX_RESTART_INTENSITY_MAX 256u /* larger is for ever */

/* What is remembered of one child, and of all that share an intensity; zero to begin. */
struct plx_restart {
	uint32_t row;      /* deaths without progress */
	uint32_t restarts; /* ever */
	uint64_t progress; /* at the last death */
	uint64_t died_ns;
};
struct plx_restart_group {
	uint64_t at_ns[PLX_RESTART_INTENSITY_MAX]; /* of the last restarts, in a ring */
	uint64_t count;
};

enum plx_verdict {
	PLX_VERDICT_RESTART = 0,    /* after *@wait_ns */
	PLX_VERDICT_ENDED = 1,      /* as it should; not again */
	PLX_VERDICT_QUARANTINE = 2, /* this one not again: it dies of itself */
	PLX_VERDICT_GIVE_UP = 3,    /* too many in too short a time: nothing of this works */
};

/**
 * plx_restart_decide() - a child died: what now?
 * @policy:   NULL: all zero
 * @when:     enum plx_restart_when
 * @progress: any number that grows while the child does useful work (messages, commits, jobs). Dying at the same number
 *            again and again (within 12 periods) is what poisons; 0 always, when there is none: then living for a
 *            period is progress
 * @now_ns:   plx_now_ns()
 *
 * Safety: pure; allocates nothing.
 */
enum plx_verdict plx_restart_decide(struct plx_restart *child, struct plx_restart_group *group,
				    const struct plx_restart_policy *policy, enum plx_restart_when when,
				    const struct plx_exit *how, uint64_t progress, uint64_t now_ns,
				    uint64_t *wait_ns);

/* ---- the supervisor --------------------------------------------------------------------------------- */

struct plx_supervisor;

struct plx_supervisor_options {
	uint32_t strategy; /* enum plx_strategy */
	struct plx_restart_policy policy;
	/* In the supervisor, between a death and the start of the successor: repair what the dead one left in memory, let go
	 * of what it held. Also when there will be no successor. NULL: nothing to do */
	void (*repair)(void *arg, uint32_t child, const struct plx_exit *how);
	/* Asked when a child died, after @repair: see plx_restart_decide(). NULL: 0 */
	uint64_t (*progress)(void *arg, uint32_t child);
	/* Decides instead of plx_restart_decide(), which @policy is for. *@wait_ns is 0. NULL: that decides */
	enum plx_verdict (*decide)(void *arg, uint32_t child, const struct plx_exit *how, uint64_t *wait_ns);
	void *arg;
};

/* A child to be supervised. */
struct plx_child {
	const char *name; /* shown by ps; at most 15 bytes */
	/* Called in the child; its result, 0 ... 255, is the exit code. Descriptors of the supervisor's own are closed there */
	int (*run)(void *arg);
	void *arg;     /* of the first start as of every other */
	uint32_t when; /* enum plx_restart_when */
};

enum plx_child_state {
	PLX_CHILD_NONE = 0,
	PLX_CHILD_RUNNING = 1,
	PLX_CHILD_WAITING = 2,    /* dead, to be started again when its time has come */
	PLX_CHILD_ENDED = 3,      /* as it should, or asked to */
	PLX_CHILD_QUARANTINE = 4, /* it died of itself too often */
};

/* What happened to a child. */
enum plx_supervise_what {
	PLX_SUPERVISE_DIED = 1, /* a successor starts after @wait_ns: PLX_SUPERVISE_RESTARTED comes then */
	PLX_SUPERVISE_RESTARTED = 2,  /* and runs */
	PLX_SUPERVISE_ENDED = 3,      /* it is not started again */
	PLX_SUPERVISE_QUARANTINE = 4, /* neither is this one */
	PLX_SUPERVISE_GAVE_UP = 5,    /* all children were killed; nothing more will come */
};

struct plx_supervise_event {
	uint32_t what; /* enum plx_supervise_what */
	uint32_t child;
	int32_t pid; /* of the dead one; of the new one for PLX_SUPERVISE_RESTARTED */
	struct plx_exit how;
	uint64_t wait_ns;
};

struct plx_child_info {
	uint32_t state; /* enum plx_child_state */
	int32_t pid;    /* 0: none runs */
	uint32_t restarts;
	uint32_t reserved;
	struct plx_exit how; /* the last death */
};

PLX_BEGIN

/**
 * plx_supervisor_open() - a supervisor without children.
 * @opt: NULL: all zero
 *
 * Return: 0, -ENOMEM, -EMFILE.
 * Owner:  plx_supervisor_close().
 * Safety: one thread: children die with the thread that started them.
 */
int plx_supervisor_open(struct plx_supervisor **supervisor,
			const struct plx_supervisor_options *opt) plx_must_check;

/**
 * plx_supervisor_start() - start one more child and keep it running.
 * @number: set to its number, from 0 on: the lowest that is free
 *
 * Return: 0, or what plx_process_spawn() says; -ENOSPC (65536 children), -ESHUTDOWN (it gave up).
 */
int plx_supervisor_start(struct plx_supervisor *supervisor, const struct plx_child *child,
			 uint32_t *number) plx_must_check;

/**
 * plx_supervisor_next() - do what is due (notice deaths, start successors), and say what happened.
 * @timeout_ns: nanoseconds; 0 looks once; UINT64_MAX for ever
 *
 * One event per call. A death and the restart that follows at once are two events. Who starts no child and wants no event
 * calls it all the same: nothing is started anew without.
 *
 * Return: 1 with *@event, 0 when the time is over, -EINTR, -ESHUTDOWN after PLX_SUPERVISE_GAVE_UP.
 */
int plx_supervisor_next(struct plx_supervisor *supervisor, struct plx_supervise_event *event,
			uint64_t timeout_ns) plx_must_check;

/** plx_supervisor_fd() - readable when plx_supervisor_next() has something to do; for a poll loop of your own. */
int plx_supervisor_fd(const struct plx_supervisor *supervisor);

/** plx_supervisor_child() - how a child is. Return: 0, -ENOENT. */
int plx_supervisor_child(const struct plx_supervisor *supervisor, uint32_t number,
			 struct plx_child_info *info) plx_must_check;

/**
 * plx_supervisor_expect() - the next end of this child is wanted: it is PLX_SUPERVISE_ENDED, whatever it says.
 *
 * For children that are told to stop by other ways than a signal. Return: 0, -ENOENT.
 */
int plx_supervisor_expect(struct plx_supervisor *supervisor, uint32_t number) plx_must_check;

/**
 * plx_supervisor_stop() - ask a child to end with SIGTERM, and with SIGKILL when it has not after @grace_ns.
 * @how: how it ended; may be NULL
 *
 * It is not started again; its number is free afterwards. A child that waits to be started anew is not.
 *
 * Return: 0, -ENOENT.
 */
int plx_supervisor_stop(struct plx_supervisor *supervisor, uint32_t number, uint64_t grace_ns,
			struct plx_exit *how) plx_must_check;

/** plx_supervisor_signal() - send a signal to a child. Return: 0, -ENOENT (no such child, or it does not run), -EPERM. */
int plx_supervisor_signal(struct plx_supervisor *supervisor, uint32_t number, int signal) plx_must_check;

/** plx_supervisor_forget() - free the number of a child that does not run any more. Return: 0, -ENOENT, -EBUSY. */
int plx_supervisor_forget(struct plx_supervisor *supervisor, uint32_t number) plx_must_check;

/** plx_supervisor_close() - kill all children, the last one first, and reap them; NULL is fine. */
void plx_supervisor_close(struct plx_supervisor *supervisor);

/**
 * plx_notify() - tell the service manager (systemd): "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1".
 *
 * Return: 1 when it was told, 0 when there is none (NOTIFY_SOCKET is not set), or -errno.
 */
int plx_notify(const char *state) plx_must_check;

/** plx_watchdog_ns() - how often the service manager wants to hear "WATCHDOG=1", at the latest; 0: not at all. */
uint64_t plx_watchdog_ns(void);

PLX_END

#endif

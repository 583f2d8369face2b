/*
 * supervisor.c - children in a table, their pidfds in an epoll, restarts that are to come in one timer.
 *
 *	            dies                    its time has come
 *	RUNNING ──────────► WAITING ─────────────────────────► RUNNING
 *	   │                   │
 *	   └── as it should ───┴── of itself, too often ──► ENDED, QUARANTINE
 *
 * What happened is put in a queue and handed out one by one; nothing happens outside plx_supervisor_next().
 */
#include <plx/supervise.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/wait.h"

#define CHILDREN_MAX 65536u
#define TIMER        UINT64_MAX    /* its mark in the epoll; children have their numbers */
#define RETRY_NS     100000000ull  /* when the machine has no process for us */
#define GRACE_NS     2000000000ull /* to let a child that has been killed go */

struct entry {
	uint32_t state; /* enum plx_child_state */
	bool expected;  /* its next end is wanted */
	char name[16];
	struct plx_child spec;
	struct plx_process process;
	struct plx_restart history;
	struct plx_exit how;
	uint64_t due_ns; /* PLX_CHILD_WAITING */
};

struct plx_supervisor {
	struct plx_supervisor_options options;
	struct plx_restart_group group;
	struct entry *children;
	uint32_t count; /* entries, in use or not */
	struct plx_supervise_event *events;
	uint32_t first, pending; /* of events; room for all that one look can find */
	int epoll_fd, timer_fd;
	bool gave_up;
};

struct birth {
	struct plx_supervisor *supervisor;
	uint32_t number;
};

/* ---- events ------------------------------------------------------------------------------------- */

/* One look tells of each child at most that it died and that it was started; and once that all is over. */
static int make_room(struct plx_supervisor *s, uint32_t children)
{
	struct plx_supervise_event *events = realloc(s->events, (2 * children + 1) * sizeof(*events));

	if (!events)
		return -ENOMEM;
	s->events = events;
	return 0;
}

static void tell(struct plx_supervisor *s, uint32_t what, uint32_t child, int32_t pid, uint64_t wait_ns)
{
	s->events[s->first + s->pending++] = (struct plx_supervise_event){
		.what = what,
		.child = child,
		.pid = pid,
		.how = s->children[child].how,
		.wait_ns = wait_ns,
	};
}

/* ---- life and death ----------------------------------------------------------------------------- */

/* In the child: what the supervisor holds is not its business, and must not look alive through it. */
static int live(void *arg)
{
	struct birth *birth = arg;
	struct plx_supervisor *s = birth->supervisor;
	struct plx_child spec = s->children[birth->number].spec;

	plx_sys_close(s->epoll_fd);
	plx_sys_close(s->timer_fd);
	for (uint32_t i = 0; i < s->count; i++)
		plx_sys_close(s->children[i].process.pidfd);
	return spec.run(spec.arg);
}

static int spawn(struct plx_supervisor *s, uint32_t number)
{
	struct entry *e = &s->children[number];
	struct birth birth = { s, number };
	int ret;

	ret = plx_process_spawn(&e->process, e->name, live, &birth);
	if (ret < 0)
		return ret;
	ret = plx_sys_epoll_add(s->epoll_fd, e->process.pidfd, EPOLLIN, number);
	if (ret < 0) {
		plx_process_kill(&e->process);
		return ret;
	}
	e->state = PLX_CHILD_RUNNING;
	return 0;
}

/* Its successor, now; when the machine has no room for it, a little later. */
static void revive(struct plx_supervisor *s, uint32_t number)
{
	struct entry *e = &s->children[number];

	if (spawn(s, number) < 0) {
		e->state = PLX_CHILD_WAITING;
		e->due_ns = plx_now_ns() + RETRY_NS;
		return;
	}
	tell(s, PLX_SUPERVISE_RESTARTED, number, e->process.pid, 0);
}

/* Take its body away and repair what it left. The descriptor must leave the epoll first: siblings may have copies. */
static void bury(struct plx_supervisor *s, uint32_t number, bool kill, uint64_t wait_ns)
{
	struct entry *e = &s->children[number];
	int ret;

	plx_sys_epoll_del(s->epoll_fd, e->process.pidfd);
	e->how = (struct plx_exit){ .code = -1, .signal = SIGKILL };
	if (kill && plx_sys_pidfd_kill(e->process.pidfd, SIGKILL) < 0) {
		/* it is dead already: then it tells how */
	}
	do {
		ret = plx_process_wait(&e->process, &e->how, wait_ns);
	} while (ret == -EINTR);
	if (ret < 0)
		plx_process_kill(&e->process);
	if (s->options.repair)
		s->options.repair(s->options.arg, number, &e->how);
}

static void kill_child(struct plx_supervisor *s, uint32_t number)
{
	bury(s, number, true, GRACE_NS);
}

/* All that run, the last one first. */
static void kill_all(struct plx_supervisor *s)
{
	for (uint32_t i = s->count; i-- > 0;) {
		struct entry *e = &s->children[i];

		if (e->state == PLX_CHILD_RUNNING)
			kill_child(s, i);
		if (e->state == PLX_CHILD_RUNNING || e->state == PLX_CHILD_WAITING)
			e->state = PLX_CHILD_ENDED;
	}
}

/* Those that make no sense without it die with it, the last one first, and start when it starts. */
static void take_along(struct plx_supervisor *s, uint32_t number, uint64_t due_ns, uint64_t wait_ns)
{
	uint32_t from = s->options.strategy == PLX_ONE_FOR_ALL ? 0 : number + 1;

	if (s->options.strategy == PLX_ONE_FOR_ONE)
		return;
	for (uint32_t i = s->count; i-- > from;) {
		struct entry *e = &s->children[i];
		int32_t pid = e->process.pid;

		if (e->state != PLX_CHILD_RUNNING || i == number)
			continue;
		kill_child(s, i);
		e->state = PLX_CHILD_WAITING;
		e->due_ns = due_ns;
		tell(s, PLX_SUPERVISE_DIED, i, pid, wait_ns);
	}
}

static void give_up(struct plx_supervisor *s, uint32_t number, int32_t pid)
{
	s->children[number].state = PLX_CHILD_ENDED;
	kill_all(s);
	s->gave_up = true;
	tell(s, PLX_SUPERVISE_GAVE_UP, number, pid, 0);
}

static void on_death(struct plx_supervisor *s, uint32_t number)
{
	struct entry *e = &s->children[number];
	struct plx_supervisor_options *o = &s->options;
	int32_t pid = e->process.pid;
	enum plx_verdict verdict = PLX_VERDICT_ENDED;
	uint64_t wait_ns = 0, now_ns;

	bury(s, number, false, 0);
	now_ns = plx_now_ns();
	if (!e->expected && o->decide)
		verdict = o->decide(o->arg, number, &e->how, &wait_ns);
	else if (!e->expected)
		verdict = plx_restart_decide(&e->history, &s->group, &o->policy,
					     (enum plx_restart_when)e->spec.when, &e->how,
					     o->progress ? o->progress(o->arg, number) : 0, now_ns, &wait_ns);
	if (verdict == PLX_VERDICT_QUARANTINE && o->strategy != PLX_ONE_FOR_ONE)
		verdict = PLX_VERDICT_GIVE_UP; /* the others make no sense without it */
	switch (verdict) {
	case PLX_VERDICT_ENDED:
		e->state = PLX_CHILD_ENDED;
		tell(s, PLX_SUPERVISE_ENDED, number, pid, 0);
		break;
	case PLX_VERDICT_QUARANTINE:
		e->state = PLX_CHILD_QUARANTINE;
		tell(s, PLX_SUPERVISE_QUARANTINE, number, pid, 0);
		break;
	case PLX_VERDICT_GIVE_UP: give_up(s, number, pid); break;
	case PLX_VERDICT_RESTART:
		e->state = PLX_CHILD_WAITING;
		e->due_ns = now_ns + wait_ns;
		tell(s, PLX_SUPERVISE_DIED, number, pid, wait_ns);
		take_along(s, number, e->due_ns, wait_ns);
		break;
	}
}

/* ---- looking ------------------------------------------------------------------------------------ */

static void start_due(struct plx_supervisor *s)
{
	uint64_t now_ns = 0, next = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		struct entry *e = &s->children[i];

		if (e->state != PLX_CHILD_WAITING)
			continue;
		if (now_ns == 0)
			now_ns = plx_now_ns();
		if (e->due_ns <= now_ns)
			revive(s, i);
		if (e->state == PLX_CHILD_WAITING && (next == 0 || e->due_ns < next))
			next = e->due_ns;
	}
	if (plx_sys_timer_set(s->timer_fd, next) < 0) {
		/* cannot be: it is our own, and the time is one */
	}
}

/* Notice the dead, start who is due; fills the queue, which is empty. */
static int look(struct plx_supervisor *s)
{
	struct epoll_event ready[16];
	int n = plx_sys_epoll_wait(s->epoll_fd, ready, 16, 0);

	s->first = 0;
	if (n < 0)
		return n == -EINTR ? 0 : n;
	for (int i = 0; i < n && !s->gave_up; i++) {
		uint64_t number = ready[i].data.u64;

		if (number != TIMER && s->children[number].state == PLX_CHILD_RUNNING)
			on_death(s, (uint32_t)number);
	}
	if (!s->gave_up)
		start_due(s); /* sets the timer anew: it is readable no longer */
	return 0;
}

int plx_supervisor_next(struct plx_supervisor *s, struct plx_supervise_event *event, uint64_t timeout_ns)
{
	struct pollfd ready = { .fd = s->epoll_fd, .events = POLLIN };
	uint64_t begin = timeout_ns == 0 || timeout_ns == UINT64_MAX ? 0 : plx_now_ns(), gone = 0;

	for (;;) {
		int ret = s->pending || s->gave_up ? 0 : look(s);

		if (ret < 0)
			return ret;
		if (s->pending) {
			*event = s->events[s->first++];
			s->pending--;
			return 1;
		}
		if (s->gave_up)
			return -ESHUTDOWN;
		if (begin)
			gone = plx_now_ns() - begin;
		if (gone >= timeout_ns)
			return 0;
		ret = plx_wait_poll(&ready, 1, timeout_ns == UINT64_MAX ? timeout_ns : timeout_ns - gone);
		if (ret < 0)
			return ret;
	}
}

int plx_supervisor_fd(const struct plx_supervisor *s)
{
	return s->epoll_fd;
}

/* ---- children ----------------------------------------------------------------------------------- */

static struct entry *find(const struct plx_supervisor *s, uint32_t number)
{
	return number < s->count && s->children[number].state != PLX_CHILD_NONE ? &s->children[number] : NULL;
}

/* The lowest number that is free. */
static int find_room(struct plx_supervisor *s, uint32_t *number)
{
	struct entry *more;
	int ret;

	for (*number = 0; *number < s->count; ++*number)
		if (s->children[*number].state == PLX_CHILD_NONE)
			return 0;
	if (s->count == CHILDREN_MAX)
		return -ENOSPC;
	ret = make_room(s, s->count + 1);
	if (ret < 0)
		return ret;
	more = realloc(s->children, (s->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->children = more;
	s->children[s->count++] = (struct entry){ .process = PLX_PROCESS_NONE };
	return 0;
}

int plx_supervisor_start(struct plx_supervisor *s, const struct plx_child *child, uint32_t *number)
{
	struct entry *e;
	int ret;

	if (s->gave_up)
		return -ESHUTDOWN;
	if (!child->run || child->when > PLX_RESTART_NEVER)
		return -EINVAL;
	ret = find_room(s, number);
	if (ret < 0)
		return ret;
	e = &s->children[*number];
	*e = (struct entry){ .process = PLX_PROCESS_NONE, .spec = *child };
	if (child->name)
		memcpy(e->name, child->name, strnlen(child->name, sizeof(e->name) - 1));
	ret = spawn(s, *number);
	if (ret < 0)
		e->state = PLX_CHILD_NONE;
	return ret;
}

int plx_supervisor_child(const struct plx_supervisor *s, uint32_t number, struct plx_child_info *info)
{
	const struct entry *e = find(s, number);

	if (!e)
		return -ENOENT;
	*info = (struct plx_child_info){
		.state = e->state,
		.pid = e->state == PLX_CHILD_RUNNING ? e->process.pid : 0,
		.restarts = e->history.restarts,
		.how = e->how,
	};
	return 0;
}

int plx_supervisor_expect(struct plx_supervisor *s, uint32_t number)
{
	struct entry *e = find(s, number);

	if (!e)
		return -ENOENT;
	e->expected = true;
	if (e->state == PLX_CHILD_WAITING)
		e->state = PLX_CHILD_ENDED;
	return 0;
}

int plx_supervisor_stop(struct plx_supervisor *s, uint32_t number, uint64_t grace_ns, struct plx_exit *how)
{
	struct entry *e = find(s, number);

	if (!e)
		return -ENOENT;
	if (e->state == PLX_CHILD_RUNNING) {
		struct pollfd end = { .fd = e->process.pidfd, .events = POLLIN };
		bool asked = plx_sys_pidfd_kill(e->process.pidfd, SIGTERM) == 0;
		/* it may be dead already; who asks us to stop, too, cuts the grace short */
		bool gone = plx_wait_poll(&end, 1, asked ? grace_ns : 0) > 0;

		bury(s, number, !gone, gone ? 0 : GRACE_NS);
	}
	if (how)
		*how = e->how;
	e->state = PLX_CHILD_NONE;
	return 0;
}

int plx_supervisor_signal(struct plx_supervisor *s, uint32_t number, int signal)
{
	struct entry *e = find(s, number);

	return e && e->state == PLX_CHILD_RUNNING ? plx_sys_pidfd_kill(e->process.pidfd, signal) : -ENOENT;
}

int plx_supervisor_forget(struct plx_supervisor *s, uint32_t number)
{
	struct entry *e = find(s, number);

	if (!e)
		return -ENOENT;
	if (e->state == PLX_CHILD_RUNNING || e->state == PLX_CHILD_WAITING)
		return -EBUSY;
	e->state = PLX_CHILD_NONE;
	return 0;
}

/* ---- open and close ------------------------------------------------------------------------------ */

int plx_supervisor_open(struct plx_supervisor **out, const struct plx_supervisor_options *opt)
{
	struct plx_supervisor *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	*out = NULL;
	if (!s)
		return ret;
	if (opt)
		s->options = *opt;
	s->timer_fd = -1;
	s->epoll_fd = plx_sys_epoll();
	if (s->epoll_fd >= 0)
		s->timer_fd = plx_sys_timer();
	ret = s->epoll_fd < 0 ? s->epoll_fd : s->timer_fd;
	if (ret >= 0)
		ret = plx_sys_epoll_add(s->epoll_fd, s->timer_fd, EPOLLIN, TIMER);
	if (ret >= 0)
		ret = make_room(s, 1);
	if (ret >= 0 && s->options.strategy > PLX_REST_FOR_ONE)
		ret = -EINVAL;
	if (ret < 0) {
		plx_supervisor_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

void plx_supervisor_close(struct plx_supervisor *s)
{
	if (!s)
		return;
	kill_all(s);
	plx_sys_close(s->timer_fd);
	plx_sys_close(s->epoll_fd);
	free(s->children);
	free(s->events);
	free(s);
}

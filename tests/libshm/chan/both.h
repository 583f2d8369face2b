/* both.h - the same test with threads, which ThreadSanitizer sees, and with processes, which are the truth. */
#ifndef TESTS_CHAN_BOTH_H
#define TESTS_CHAN_BOTH_H

#include <plx/channel.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/support/support.h"

#define FOREVER    UINT64_MAX
#define SECONDS(n) ((n)*1000000000ull)

/* A channel in a segment that children inherit. */
struct made {
	struct plx_segment seg;
	void *at;
	uint64_t room;
};

static inline struct made make_on(const char *backend, struct plx_channel_shape shape)
{
	struct made m;

	assert_int_equal(
		plx_channel_create(&m.seg, backend, "plx:channel:test", PLX_SEGMENT_INHERIT, &shape, &m.at),
		0);
	m.room = plx_channel_bytes(&shape);
	return m;
}

static inline struct made make(struct plx_channel_shape shape)
{
	return make_on("memfd", shape);
}

static inline void check(const struct made *m)
{
	const char *why = NULL;

	if (plx_channel_check(m->at, m->room, &why) != 0)
		fail_msg("%s", why);
}

static inline void drop(struct made *m)
{
	check(m);
	plx_segment_close(&m->seg);
}

/* A part of a test: a thread or a process; 0 is success. */
struct part {
	int (*run)(void *arg);
	void *arg;
	bool process;
	pthread_t thread;
	pid_t pid;
};

static inline void *part_thread(void *arg)
{
	struct part *p = (struct part *)arg;

	return (void *)(intptr_t)p->run(p->arg);
}

static inline void part_start(struct part *p, bool process, int (*run)(void *arg), void *arg)
{
	*p = (struct part){ .run = run, .arg = arg, .process = process };
	if (!process) {
		assert_int_equal(pthread_create(&p->thread, NULL, part_thread, p), 0);
		return;
	}
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		_exit(run(arg));
	}
}

static inline int part_end(struct part *p)
{
	void *ret;
	int status;

	if (!p->process) {
		assert_int_equal(pthread_join(p->thread, &ret), 0);
		return (int)(intptr_t)ret;
	}
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif

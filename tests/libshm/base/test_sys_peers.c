/* test_sys_peers.c - doors to other processes: descriptors over a socket, children, peers that go. */
#include "tests/support/doors.h"
#include "tests/support/support.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- descriptors over a socket ---- */

struct pair {
	int fd[2];
};

static struct pair make_pair(void)
{
	struct pair p;

	assert_int_equal(plx_sys_socketpair(p.fd), 0);
	return p;
}

static void drop_pair(struct pair *p)
{
	plx_sys_close(p->fd[0]);
	plx_sys_close(p->fd[1]);
}

/* As a stranger would send: any number of descriptors, in one or two control messages. */
static void send_raw(int fd, size_t bytes, unsigned int fds, unsigned int more)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control = { .bytes = { 0 } };
	char text[64] = "x";
	struct iovec iov = { text, bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	struct cmsghdr *c = &control.align;
	unsigned int counts[2] = { fds, more };
	size_t used = 0;

	for (int part = 0; part < 2; part++) {
		if (counts[part] == 0)
			continue;
		c = (struct cmsghdr *)(void *)(control.bytes + used);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(counts[part] * sizeof(int));
		for (unsigned int i = 0; i < counts[part]; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ 0 }, sizeof(int));
		used += CMSG_SPACE(counts[part] * sizeof(int));
	}
	msg.msg_controllen = used;
	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)bytes);
}

static void two_descriptors_arrive_when_two_are_wanted_and_close_on_exec(void **state)
{
	struct pair p = make_pair();
	unsigned int got;
	char buf[8];
	int fds[2], sent[2] = { 0, 1 };

	(void)state;
	assert_int_equal(plx_sys_send_fds(p.fd[0], "hello", 5, sent, 2), 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 2, &got), 5);
	assert_int_equal(got, 2);
	assert_memory_equal(buf, "hello", 5);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		plx_sys_close(fds[i]);
	}
	assert_int_equal(plx_sys_send_fds(p.fd[0], "none", 4, NULL, 0), 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 2, &got), 4);
	assert_int_equal(got, 0);
	drop_pair(&p);
}

static void any_other_number_of_descriptors_is_refused_and_none_stays_open(void **state)
{
	static const struct {
		unsigned int want, first, second;
	} cases[] = {
		{ 2, 1, 0 }, { 2, 3, 0 }, { 2, 4, 0 }, { 2, 100, 0 },
		{ 1, 2, 0 }, { 1, 3, 0 }, { 3, 2, 0 }, { 3, 4, 0 },
	};
	struct pair p = make_pair();
	int before = count_open_fds(), fds[PLX_SYS_FDS_MAX];
	unsigned int got;
	char buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		send_raw(p.fd[0], 4, cases[i].first, cases[i].second);
		assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, cases[i].want, &got),
				 -EPROTO);
		assert_int_equal(got, 0);
		assert_int_equal(count_open_fds(), before);
	}
	drop_pair(&p);
}

static void a_packet_that_is_cut_or_empty_is_refused_with_its_descriptors(void **state)
{
	struct pair p = make_pair();
	int before = count_open_fds(), fds[2];
	unsigned int got;
	char buf[8];

	(void)state;
	send_raw(p.fd[0], 40, 2, 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 2, &got), -EPROTO);
	assert_int_equal(count_open_fds(), before);
	send_raw(p.fd[0], 0, 2, 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 2, &got), -EPROTO);
	assert_int_equal(count_open_fds(), before);
	send_raw(p.fd[0], 40, 0, 0);
	assert_int_equal(plx_sys_recv(p.fd[1], buf, sizeof(buf)), -EPROTO);
	send_raw(p.fd[0], 4, 1, 0);
	assert_int_equal(plx_sys_recv(p.fd[1], buf, sizeof(buf)), -EPROTO);
	assert_int_equal(count_open_fds(), before);
	send_raw(p.fd[0], 4, 0, 0);
	assert_int_equal(plx_sys_recv(p.fd[1], buf, sizeof(buf)), 4);
	drop_pair(&p);
}

static void a_full_descriptor_table_loses_the_packet_and_leaks_nothing(void **state)
{
	struct pair p = make_pair();
	struct rlimit old, tight;
	int before, fds[2], sent[2] = { 0, 1 };
	unsigned int got;
	char buf[8];

	(void)state;
	assert_int_equal(plx_sys_send_fds(p.fd[0], "x", 1, sent, 2), 0);
	before = count_open_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	fds[0] = dup(0); /* the lowest free number: room for that one only */
	tight.rlim_cur = (rlim_t)fds[0] + 1;
	close(fds[0]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 2, &got), -EPROTO);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(count_open_fds(), before);
	drop_pair(&p);
}

static void nothing_to_read_is_eagain_and_a_closed_end_is_zero(void **state)
{
	struct pair p = make_pair();
	unsigned int got;
	char buf[8];
	int fds[1];

	(void)state;
	assert_int_equal(plx_sys_recv(p.fd[1], buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 1, &got), -EAGAIN);
	plx_sys_close(p.fd[0]);
	assert_int_equal(plx_sys_recv(p.fd[1], buf, sizeof(buf)), 0);
	assert_int_equal(plx_sys_recv_fds(p.fd[1], buf, sizeof(buf), fds, 1, &got), 0);
	assert_int_equal(plx_sys_send(p.fd[1], "x", 1), -EPIPE); /* and no SIGPIPE */
	plx_sys_close(p.fd[1]);
}

static void a_socket_binds_and_connects_below_a_directory_with_a_long_name(void **state)
{
	char *top = make_directory(), path[400], name[81];
	int dir, server, client, accepted;
	struct plx_sys_cred cred;

	(void)state;
	memset(name, 'n', 80);
	name[80] = '\0';
	snprintf(path, sizeof(path), "%s/%0120d", top, 1);
	assert_int_equal(plx_sys_mkdir(AT_FDCWD, path, 0700), 0);
	strcat(path, "/x"); /* longer than a socket's address could be */
	assert_int_equal(plx_sys_mkdir(AT_FDCWD, path, 0700), 0);
	dir = plx_sys_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	assert_true(dir >= 0);
	server = plx_sys_socket();
	client = plx_sys_socket();
	assert_int_equal(plx_sys_bind(server, dir, "before"), 0);
	assert_int_equal(plx_sys_listen(server, 4), 0);
	assert_int_equal(plx_sys_rename(dir, "before", "after"), 0);
	assert_int_equal(plx_sys_accept(server), -EAGAIN);
	assert_int_equal(plx_sys_connect(client, dir, "before"), -ENOENT);
	assert_int_equal(plx_sys_bound(dir, "before"), -ENOENT);
	assert_int_equal(plx_sys_bound(dir, "after"), 1);
	assert_int_equal(plx_sys_accept(server), -EAGAIN); /* the question was not noticed */
	assert_int_equal(plx_sys_connect(client, dir, "after"), 0);
	accepted = plx_sys_accept(server);
	assert_true(accepted >= 0);
	assert_true(fcntl(accepted, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(accepted, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(plx_sys_peer_cred(accepted, &cred), 0);
	assert_int_equal(cred.pid, getpid());
	assert_int_equal(cred.uid, getuid());
	plx_sys_close(server);
	plx_sys_close(client);
	client = plx_sys_socket();
	assert_int_equal(plx_sys_connect(client, dir, "after"), -ECONNREFUSED);
	assert_int_equal(plx_sys_bound(dir, "after"), 0);
	assert_int_equal(plx_sys_unlink(dir, "after"), 0);
	assert_int_equal(plx_sys_connect(client, dir, name), -ENOENT);
	{
		char longer[120];

		memset(longer, 'n', sizeof(longer) - 1);
		longer[sizeof(longer) - 1] = '\0';
		assert_int_equal(plx_sys_connect(client, dir, longer), -ENAMETOOLONG);
		assert_int_equal(plx_sys_bind(client, dir, longer), -ENAMETOOLONG);
	}
	plx_sys_close(client);
	plx_sys_close(accepted);
	plx_sys_close(dir);
	drop_directory(top);
}

/* ---- processes ---- */

static int forked(struct pair *p, int *pidfd)
{
	pid_t pid = plx_sys_fork(pidfd);

	assert_true(pid >= 0);
	if (pid == 0) { /* stays until the parent closes its end */
		struct pollfd end = { .fd = p->fd[1], .events = POLLIN };

		plx_sys_close(p->fd[0]);
		alarm(30);
		poll(&end, 1, -1);
		_exit(5);
	}
	return pid;
}

static void a_fork_gives_a_pidfd_that_waits_and_kills(void **state)
{
	struct pair p = make_pair();
	siginfo_t info;
	int pidfd;
	pid_t pid = forked(&p, &pidfd);

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(plx_sys_wait(pidfd, &info, WEXITED | WNOHANG), 0);
	assert_int_equal(info.si_pid, 0);
	assert_int_equal(plx_sys_pidfd_kill(pidfd, SIGTERM), 0);
	assert_int_equal(plx_sys_wait(pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_pid, pid);
	assert_int_equal(info.si_status, SIGTERM);
	assert_int_equal(plx_sys_pidfd_kill(pidfd, SIGTERM), -ESRCH);
	plx_sys_close(pidfd);
	drop_pair(&p);
}

static void a_child_that_cannot_be_watched_is_ended_and_reaped(void **state)
{
	struct pair p = make_pair();
	int before = count_open_fds(), pidfd, ret;

	(void)state;
	plx_fault_door = "pidfd_open";
	plx_fault_at = 0;
	plx_fault_seen = 0;
	ret = plx_sys_fork(&pidfd);
	if (ret == 0) /* the child, if it lives that long */
		_exit(0);
	assert_int_equal(ret, -EMFILE);
	assert_int_equal(pidfd, -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_open_fds(), before);
	drop_pair(&p);
}

/* The peer is a child that connected; its death must show in the pidfd, on new kernels and on old ones. */
static void the_pidfd_of_a_peer_says_when_it_is_gone(void **state)
{
	char *top = make_directory();

	(void)state;
	for (int old = 0; old < 2; old++) {
		int dir = plx_sys_open(AT_FDCWD, top, O_PATH | O_DIRECTORY, 0), server = plx_sys_socket();
		int child, accepted, peer;
		struct pollfd dead;
		siginfo_t info;
		pid_t pid;

		plx_fault_old = old;
		assert_int_equal(plx_sys_bind(server, dir, "s"), 0);
		assert_int_equal(plx_sys_listen(server, 4), 0);
		pid = plx_sys_fork(&child);
		assert_true(pid >= 0);
		if (pid == 0) {
			int fd = plx_sys_socket();
			struct pollfd end = { .fd = fd, .events = POLLIN };

			alarm(30);
			if (plx_sys_connect(fd, dir, "s") < 0)
				_exit(1);
			poll(&end, 1, -1);
			_exit(0);
		}
		dead = (struct pollfd){ .fd = server, .events = POLLIN };
		assert_int_equal(plx_sys_poll(&dead, 1, 10000000000ull, NULL), 1);
		accepted = plx_sys_accept(server);
		assert_true(accepted >= 0);
		peer = plx_sys_peer_pidfd(accepted);
		assert_true(peer >= 0);
		assert_true(fcntl(peer, F_GETFD) & FD_CLOEXEC);
		dead = (struct pollfd){ .fd = peer, .events = POLLIN };
		assert_int_equal(plx_sys_poll(&dead, 1, 0, NULL), 0);
		assert_int_equal(plx_sys_pidfd_kill(child, SIGKILL), 0);
		assert_int_equal(plx_sys_poll(&dead, 1, 10000000000ull, NULL), 1);
		assert_int_equal(plx_sys_wait(child, &info, WEXITED), 0);
		plx_sys_close(peer);
		if (old) /* its pid may be anybody's now: no answer rather than a wrong one */
			assert_int_equal(plx_sys_peer_pidfd(accepted), -ESRCH);
		plx_sys_close(accepted);
		plx_sys_close(child);
		plx_sys_close(server);
		assert_int_equal(plx_sys_unlink(dir, "s"), 0);
		plx_sys_close(dir);
	}
	drop_directory(top);
}

static void *note_mask(void *arg)
{
	pthread_sigmask(SIG_BLOCK, NULL, arg);
	return NULL;
}

static void a_thread_of_the_library_has_every_signal_blocked(void **state)
{
	sigset_t theirs, mine;
	pthread_t thread;

	(void)state;
	assert_int_equal(plx_sys_thread(&thread, note_mask, &theirs), 0);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	assert_true(sigismember(&theirs, SIGINT) && sigismember(&theirs, SIGTERM));
	assert_false(sigismember(&mine, SIGINT));
}

static void barriers_that_exist_can_be_registered_and_used(void **state)
{
	unsigned int which = plx_sys_barriers();

	(void)state;
	for (unsigned int b = PLX_SYS_BARRIER_PRIVATE; b <= PLX_SYS_BARRIER_GLOBAL; b <<= 1) {
		if (!(which & b))
			continue;
		assert_int_equal(plx_sys_barrier_register((enum plx_sys_barrier)b), 0);
		assert_int_equal(plx_sys_barrier((enum plx_sys_barrier)b), 0);
	}
	plx_fault_door = "barriers";
	plx_fault_at = 0;
	plx_fault_seen = 0;
	assert_int_equal(plx_sys_barriers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(two_descriptors_arrive_when_two_are_wanted_and_close_on_exec,
				       doors_open),
		cmocka_unit_test_setup(any_other_number_of_descriptors_is_refused_and_none_stays_open,
				       doors_open),
		cmocka_unit_test_setup(a_packet_that_is_cut_or_empty_is_refused_with_its_descriptors,
				       doors_open),
		cmocka_unit_test_setup(a_full_descriptor_table_loses_the_packet_and_leaks_nothing,
				       doors_open),
		cmocka_unit_test_setup(nothing_to_read_is_eagain_and_a_closed_end_is_zero, doors_open),
		cmocka_unit_test_setup(a_socket_binds_and_connects_below_a_directory_with_a_long_name,
				       doors_open),
		cmocka_unit_test_setup(a_fork_gives_a_pidfd_that_waits_and_kills, doors_open),
		cmocka_unit_test_setup(a_child_that_cannot_be_watched_is_ended_and_reaped, doors_open),
		cmocka_unit_test_setup(the_pidfd_of_a_peer_says_when_it_is_gone, doors_open),
		cmocka_unit_test_setup(a_thread_of_the_library_has_every_signal_blocked, doors_open),
		cmocka_unit_test_setup(barriers_that_exist_can_be_registered_and_used, doors_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_admission.c - who is at the other end, does it live, and what travels over the wire. */
#include "tests/support/support.h"

#include "base/sys.h"
#include "topic/admission.h"
#include "topic/discovery.h"
#include "topic/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NOBODY 65534

static void pair_open(int pair[2])
{
	assert_int_equal(plx_sys_socketpair(pair), 0);
}

static void pair_close(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* A child that connects to @name in @dir, and lives until it is told to go. */
static pid_t client_start(const char *base, const struct plx_sighting *seen)
{
	struct plx_place place;
	int fd;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	alarm(30);
	if (plx_place_open(&place, base, "t") < 0 || plx_place_connect(&place, seen, &fd) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void wait_for_client(struct plx_listener *listener, int *fd)
{
	int i;

	for (i = 0; i < 5000 && plx_listener_accept(listener, fd) < 0; i++)
		sleep_ms(1);
	assert_true(i < 5000);
}

static void a_peer_is_known_and_its_death_is_seen(int old)
{
	char *dir = make_directory();
	struct plx_listener listener;
	struct plx_sightings list;
	struct plx_peer peer = PLX_PEER_NONE;
	struct plx_place place;
	int fd, status, fds = count_open_fds();
	pid_t pid;

	plx_fault_old = old;
	assert_int_equal(plx_place_open(&place, dir, "t"), 0);
	assert_int_equal(plx_listener_open(&listener, &place, 1), 0);
	assert_int_equal(plx_place_list(&place, &list), 0);
	pid = client_start(dir, &list.items[0]);
	wait_for_client(&listener, &fd);

	assert_int_equal(plx_peer_open(&peer, fd, NULL), 0);
	assert_int_equal(peer.pid, pid);
	assert_int_equal(peer.uid, geteuid());
	assert_true(fcntl(peer.pidfd, F_GETFD) & FD_CLOEXEC);
	assert_true(plx_peer_alive(&peer));
	kill(pid, SIGSTOP); /* stopped is not dead */
	assert_true(plx_peer_alive(&peer));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(
		plx_peer_alive(&peer)); /* though the socket is still open here, and the number free again */
	plx_peer_close(&peer);
	plx_peer_close(&peer);
	assert_int_equal(peer.pidfd, -1);

	if (old) /* the fallback may not take a stranger for the dead */
		assert_int_equal(plx_peer_open(&peer, fd, NULL), -EPIPE);
	close(fd);
	plx_sightings_free(&list);
	plx_listener_close(&listener, &place);
	plx_place_close(&place);
	plx_fault_old = 0;
	assert_int_equal(count_open_fds(), fds);
	drop_directory(dir);
}

static void a_peer_is_known_and_its_death_is_seen_by_pidfd(void **state)
{
	(void)state;
	a_peer_is_known_and_its_death_is_seen(0);
}

static void a_peer_is_known_and_its_death_is_seen_on_an_old_kernel(void **state)
{
	(void)state;
	a_peer_is_known_and_its_death_is_seen(1);
}

static void who_connects_knows_who_listens(void **state)
{
	char *dir = make_directory();
	struct plx_listener listener;
	struct plx_sightings list;
	struct plx_peer peer;
	struct plx_place place;
	int fd;

	(void)state;
	assert_int_equal(plx_place_open(&place, dir, "t"), 0);
	assert_int_equal(plx_listener_open(&listener, &place, 1), 0);
	assert_int_equal(plx_place_list(&place, &list), 0);
	assert_int_equal(plx_place_connect(&place, &list.items[0], &fd), 0);
	assert_int_equal(plx_peer_open(&peer, fd, NULL), 0);
	assert_int_equal(peer.pid, getpid());
	assert_true(plx_peer_alive(&peer));
	plx_peer_close(&peer);
	close(fd);
	plx_sightings_free(&list);
	plx_listener_close(&listener, &place);
	plx_place_close(&place);
	drop_directory(dir);
}

/* Another user listens where we can reach it. */
static int listen_as_nobody(int dir)
{
	int fd;

	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 1;
	fd = plx_sys_socket();
	if (fd < 0 || plx_sys_bind(fd, dir, "bait") < 0 || plx_sys_listen(fd, 1) < 0)
		return 1;
	for (;;)
		pause();
}

static void another_user_is_not_let_in(void **state)
{
	char *path;
	struct plx_peer peer = PLX_PEER_NONE;
	int dir, fd, i, status, fds;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	path = make_directory();
	assert_int_equal(chmod(path, 0777), 0);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		_exit(listen_as_nobody(dir));
	}
	fd = plx_sys_socket();
	for (i = 0; i < 5000 && plx_sys_connect(fd, dir, "bait") < 0; i++)
		sleep_ms(1);
	assert_true(i < 5000);
	fds = count_open_fds();
	assert_int_equal(plx_peer_open(&peer, fd, NULL), -EACCES);
	assert_int_equal(peer.pidfd, -1);
	assert_int_equal(count_open_fds(), fds);
	close(fd);
	close(dir);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	drop_directory(path);
}

static void asking_leaks_nothing_whichever_door_is_shut(void **state)
{
	int at, pair[2], fds, old;
	struct plx_peer peer;

	(void)state;
	pair_open(pair);
	fds = count_open_fds();
	for (old = 0; old < 2; old++) {
		plx_fault_old = old;
		for (at = 0;; at++) {
			peer = PLX_PEER_NONE;
			plx_fault_seen = 0;
			plx_fault_at = at;
			if (plx_peer_open(&peer, pair[0], NULL) == 0)
				plx_peer_alive(&peer);
			plx_fault_at = -1;
			plx_peer_close(&peer);
			assert_int_equal(count_open_fds(), fds);
			if (plx_fault_seen <= at)
				break;
		}
		assert_true(at >= 3);
	}
	plx_fault_old = 0;
	pair_close(pair);
}

/* ---- the wire -------------------------------------------------------------------------------------------------- */

static void a_step_travels_whole_with_its_descriptors(void **state)
{
	static struct plx_step step = { .send = "hello", .send_size = 5, .send_fds = PLX_GRANT_FDS };
	struct plx_datagram got;
	int pair[2], some[PLX_GRANT_FDS], fds;
	struct stat a, b;

	(void)state;
	pair_open(pair);
	assert_int_equal(pipe(some), 0);
	some[2] = dup(some[0]);
	fds = count_open_fds();
	assert_int_equal(plx_wire_send(pair[0], &step, some), 0);
	assert_int_equal(plx_wire_recv(pair[1], &got, true), 1);
	assert_int_equal(got.size, 5);
	assert_memory_equal(got.bytes, "hello", 5);
	assert_int_equal(got.fds, PLX_GRANT_FDS);
	assert_int_equal(count_open_fds(), fds + PLX_GRANT_FDS);
	assert_true(fcntl(got.fd[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(some[0], &a), 0);
	assert_int_equal(fstat(got.fd[0], &b), 0);
	assert_int_equal(a.st_ino, b.st_ino); /* and in order */
	plx_wire_drop(&got);
	plx_wire_drop(&got);
	assert_int_equal(count_open_fds(), fds);

	step.send_fds = 0;
	assert_int_equal(plx_wire_send(pair[0], &step, NULL), 0);
	assert_int_equal(plx_wire_wake(pair[0], PLX_WAKE_LOOK), 0);
	assert_int_equal(plx_wire_recv(pair[1], &got, true), 1);
	assert_int_equal(got.fds, 0);
	assert_int_equal(plx_wire_recv(pair[1], &got, false), 1);
	assert_int_equal(got.size, 1);
	assert_int_equal(plx_wire_recv(pair[1], &got, false), -EAGAIN);
	close(pair[0]);
	assert_int_equal(plx_wire_recv(pair[1], &got, false), 0);
	assert_true(plx_wire_wake(pair[1], 0) < 0); /* and no signal */
	close(pair[1]);
	close(some[0]);
	close(some[1]);
	close(some[2]);
}

/* Send @n descriptors and @size bytes, as a liar would. */
static void send_raw(int fd, size_t size, unsigned int n)
{
	static char bytes[2 * PLX_HANDSHAKE_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int list[253];
	unsigned int i;

	if (n > 0) {
		for (i = 0; i < n; i++)
			list[i] = fd;
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), list, n * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)size);
}

static void descriptors_that_nobody_expects_are_not_left_behind(void **state)
{
	static const unsigned int counts[] = { 1, 2, 3, 4, 5, 8, 9, 253 };
	struct plx_datagram got;
	int pair[2], fds;
	size_t i;

	(void)state;
	pair_open(pair);
	fds = count_open_fds();
	for (i = 0; i < COUNT_OF(counts); i++) {
		send_raw(pair[0], 10, counts[i]);
		if (counts[i] == PLX_GRANT_FDS) {
			assert_int_equal(plx_wire_recv(pair[1], &got, true), 1);
			plx_wire_drop(&got);
		} else {
			assert_int_equal(plx_wire_recv(pair[1], &got, true), -EPROTO);
		}
		assert_int_equal(count_open_fds(), fds);
		send_raw(pair[0], 10, counts[i]);
		assert_int_equal(plx_wire_recv(pair[1], &got, false), -EPROTO);
		assert_int_equal(count_open_fds(), fds);
		send_raw(pair[0], PLX_HANDSHAKE_MAX + 1, counts[i]);
		assert_int_equal(plx_wire_recv(pair[1], &got, true), -EPROTO);
		assert_int_equal(count_open_fds(), fds);
	}
	send_raw(pair[0], PLX_HANDSHAKE_MAX, 0);
	assert_int_equal(plx_wire_recv(pair[1], &got, false), 1);
	send_raw(pair[0], PLX_HANDSHAKE_MAX + 1, 0);
	assert_int_equal(plx_wire_recv(pair[1], &got, false), -EPROTO);
	send_raw(pair[0], 0, 2); /* an empty one with descriptors */
	assert_true(plx_wire_recv(pair[1], &got, true) <= 0);
	assert_int_equal(got.fds, 0);
	assert_int_equal(count_open_fds(), fds);
	pair_close(pair);
}

static void a_peer_that_does_not_read_does_not_block_us(void **state)
{
	int pair[2], i, ret = 0;

	(void)state;
	pair_open(pair);
	for (i = 0; i < 100000 && ret == 0; i++)
		ret = plx_wire_wake(pair[0], PLX_WAKE_LOOK);
	assert_int_equal(ret, -EAGAIN);
	pair_close(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_known_and_its_death_is_seen_by_pidfd),
		cmocka_unit_test(a_peer_is_known_and_its_death_is_seen_on_an_old_kernel),
		cmocka_unit_test(who_connects_knows_who_listens),
		cmocka_unit_test(another_user_is_not_let_in),
		cmocka_unit_test(asking_leaks_nothing_whichever_door_is_shut),
		cmocka_unit_test(a_step_travels_whole_with_its_descriptors),
		cmocka_unit_test(descriptors_that_nobody_expects_are_not_left_behind),
		cmocka_unit_test(a_peer_that_does_not_read_does_not_block_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

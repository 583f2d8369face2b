/*
 * test_hostile_clients_doors.c - a liar at the door of a real publisher: how it connects, what it says. Timeout: 120
 *
 * Until there is a grant. See support/intruder.h.
 */
#include "tests/hostile/support/intruder.h"

#include "base/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* ---- attacks: connecting --------------------------------------------------------------------------------------- */

static void connect_and_vanish(void)
{
	close(knock());
}

static void connect_a_thousand_times_and_vanish(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		close(knock());
}

static void a_hundred_say_nothing(void)
{
	int i;

	for (i = 0; i < 100; i++)
		hold(knock());
}

static void a_thousand_say_nothing(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		hold(knock());
	sleep_ms(100);
	assert_true(fds_of(crowd.publisher) < crowd.fds + 300); /* it keeps a few, two descriptors each */
}

static void one_says_nothing_until_its_time_is_up(void)
{
	expect_closed(knock());
}

static void knock_for_ever(void)
{
	int fd;

	for (;;) {
		fd = liar_connect(&crowd.place, 0);
		if (fd >= 0)
			close(fd);
	}
}

static void three_processes_knock_for_ever(void)
{
	int i;

	for (i = 0; i < 3; i++)
		hold_helper(knock_for_ever);
}

static void knock_as_a_stream(void)
{
	struct plx_sightings list;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = plx_place_dir(&crowd.place, false);

	assert_int_equal(plx_place_list(&crowd.place, &list), 0);
	assert_int_equal(plx_sys_connect(fd, dir, list.items[0].name), -EPROTOTYPE);
	plx_sightings_free(&list);
	close(dir);
	close(fd);
}

/* ---- attacks: the hello ---------------------------------------------------------------------------------------- */

static void say(const void *bytes, size_t size, unsigned int fds)
{
	int fd = knock();

	assert_int_equal(liar_send(fd, bytes, size, fd, fds), 0);
	expect_closed(fd);
}

static void an_empty_packet(void)
{
	say("", 0, 0);
}

static void one_byte(void)
{
	say("", 1, 0);
}

static void something_of_the_web(void)
{
	say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 36, 0);
}

static void a_hello_cut_anywhere(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size, full = hello(bytes);

	for (size = 1; size < full; size += 9)
		say(bytes, size, 0);
	say(bytes, full - 1, 0);
}

static void a_hello_and_more(void)
{
	static unsigned char bytes[200000];
	static const size_t sizes[] = { 129, 256, 512, 513, 4096, 65536, 200000 };
	size_t i;

	hello(bytes);
	for (i = 0; i < COUNT_OF(sizes); i++)
		say(bytes, sizes[i], 0);
}

static void a_hello_with_each_byte_changed(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX], answer[PLX_HANDSHAKE_MAX];
	uint32_t at, size = hello(bytes);
	int fd, fds[PLX_GRANT_FDS];
	ssize_t n;

	for (at = 0; at < size; at++) {
		fd = knock();
		bytes[at] ^= 0x55;
		assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
		bytes[at] ^= 0x55;
		n = liar_recv(fd, answer, sizeof(answer), fds, 3000);
		assert_true(n >= 0); /* an answer or the end, never silence */
		for (int i = 0; i < PLX_GRANT_FDS && fds[i] >= 0; i++)
			close(fds[i]);
		close(fd);
	}
}

static void messages_of_a_publisher(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX] = { 0 };
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, 0, 1, 0, 0 };
	static const uint32_t sizes[] = { 16, 96, 128, 256, 512 };
	size_t i;

	for (header.type = 0; header.type < 8; header.type++) {
		for (i = 0; i < COUNT_OF(sizes); i++) {
			if (header.type == PLX_HANDSHAKE_HELLO && sizes[i] == 128)
				continue;
			header.size = sizes[i];
			memcpy(bytes, &header, sizeof(header));
			say(bytes, sizes[i], 0);
		}
	}
}

static void a_later_version(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_handshake_hello m;
	int fd = knock();

	hello(bytes);
	memcpy(&m, bytes, sizeof(m));
	m.version_min = 2;
	m.header.version = 9;
	assert_int_equal(liar_send(fd, &m, sizeof(m), -1, 0), 0);
	expect_refused(fd, EPROTO);
}

static void another_topic(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = liar_hello(bytes, "some/other", true);
	int fd = knock();

	assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
	expect_refused(fd, ENOENT);
}

static void another_type(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes), type = NUMBERED_TYPE + 1;
	int fd = knock();

	memcpy(bytes + offsetof(struct plx_handshake_hello, type), &type, 4);
	assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
	expect_refused(fd, EPROTOTYPE);
}

static void noise_of_every_length(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	size_t i, j;

	for (i = 0; i < 100; i++) {
		for (j = 0; j < sizeof(bytes); j++)
			bytes[j] = (unsigned char)(noise(&intruder.noise) >> 20);
		say(bytes, noise(&intruder.noise) % sizeof(bytes), 0);
	}
}

static void a_hello_and_gone(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int i, fd;

	for (i = 0; i < 300; i++) {
		fd = knock();
		assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
		close(fd);
	}
}

static void a_hello_and_one_half_closed(void)
{
	static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	size_t i;
	int fd;

	for (i = 0; i < COUNT_OF(hows); i++) {
		fd = knock();
		assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
		shutdown(fd, hows[i]);
		hold(fd);
		hold(knock());
		shutdown(intruder.held[intruder.held_count - 1], hows[i]);
	}
}

static void hellos_without_end(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int i, fd = knock();

	for (i = 0; i < 10000; i++) {
		struct pollfd full = { .fd = fd, .events = POLLOUT };
		int ret = liar_send(fd, bytes, size, -1, 0);

		if (ret == -EPIPE)
			break;
		if (ret == -EAGAIN) /* the publisher may be waiting for the processor */
			assert_int_equal(poll(&full, 1, 10000), 1);
	}
	assert_true(i < 10000);
	close(fd);
}

static void a_hello_at_the_last_moment(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int late = knock();

	sleep_ms(1100);
	assert_true(liar_send(late, bytes, size, -1, 0) <= 0);
	expect_closed(late);
}

/* ---- attacks: descriptors -------------------------------------------------------------------------------------- */

static void a_hello_with_descriptors(void)
{
	static const unsigned int counts[] = { 1, 2, 3, 4, 8, 253 };
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	size_t i;

	for (i = 0; i < COUNT_OF(counts); i++)
		say(bytes, size, counts[i]);
}

static void descriptors_and_nothing_else(void)
{
	say("", 1, 253);
	say("", 0, 253);
	say("x", 1, 1);
}

static void descriptors_by_the_thousand(void)
{
	int i, j, fd;

	for (i = 0; i < 10; i++) {
		fd = knock();
		for (j = 0; j < 100; j++)
			if (liar_send(fd, "y", 1, STDERR_FILENO, 200) < 0)
				break;
		close(fd);
	}
}

static void its_own_socket_in_a_circle(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int fd = knock();

	assert_int_equal(liar_send(fd, bytes, size, fd, 200), 0);
	close(fd);
}

static void forged_credentials(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct ucred cred = { getpid(), getuid(), getgid() };
	struct iovec iov = { bytes, hello(bytes) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	int fd = knock();

	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_CREDENTIALS;
	control.align.cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(&control.align), &cred, sizeof(cred));
	assert_true(sendmsg(fd, &msg, MSG_NOSIGNAL) > 0);
	hold(fd);
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
	ATTACK(connect_and_vanish),
	ATTACK(connect_a_thousand_times_and_vanish),
	ATTACK(a_hundred_say_nothing),
	ATTACK(a_thousand_say_nothing),
	ATTACK(one_says_nothing_until_its_time_is_up),
	ATTACK(three_processes_knock_for_ever),
	ATTACK(knock_as_a_stream),
	ATTACK(an_empty_packet),
	ATTACK(one_byte),
	ATTACK(something_of_the_web),
	ATTACK(a_hello_cut_anywhere),
	ATTACK(a_hello_and_more),
	ATTACK(a_hello_with_each_byte_changed),
	ATTACK(messages_of_a_publisher),
	ATTACK(a_later_version),
	ATTACK(another_topic),
	ATTACK(another_type),
	ATTACK(noise_of_every_length),
	ATTACK(a_hello_and_gone),
	ATTACK(a_hello_and_one_half_closed),
	ATTACK(hellos_without_end),
	ATTACK(a_hello_at_the_last_moment),
	ATTACK(a_hello_with_descriptors),
	ATTACK(descriptors_and_nothing_else),
	ATTACK(descriptors_by_the_thousand),
	ATTACK(its_own_socket_in_a_circle),
	ATTACK(forged_credentials),
};

int main(void)
{
	return INTRUDER_RUN("hostile clients: doors", ATTACKS);
}

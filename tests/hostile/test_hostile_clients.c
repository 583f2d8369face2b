/*
 * test_hostile_clients.c - a liar at the door of a real publisher, an honest subscriber beside it. Timeout: 120
 *
 *	this process        the liar: raw bytes, descriptors, scribbles; then a newcomer who must get in meanwhile
 *	a child, "P"        the publisher: a message about every 300 us, readers that block it for 400 ms are let go
 *	a child, "H"        an honest reliable subscriber: checks every byte of every message
 *
 * After each attack: P and H live, H has everything that was published, a newcomer got in and got messages while the liar
 * was still there, and when the liar has gone, P holds as many descriptors and links as before.
 */
#include "tests/support/liar.h"
#include "tests/support/numbered.h"

#include "base/sys.h"
#include "topic/topic_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TOPIC       "hostile/clients"
#define TYPE        NUMBERED_TYPE
#define SLOT_SIZE   1024u
#define SUBSCRIBERS 24u
#define HELD_MAX    1200

/* What the children tell; one page they share with us. */
struct board {
	uint64_t published;  /* P: messages */
	uint64_t longest_ns; /* P: of one send */
	int publisher_error;
	uint64_t taken; /* H: messages */
	int honest_error;
	int stop;
};

struct scene {
	char *dir;
	struct plx_place place;
	struct board *board;
	pid_t publisher, honest;
	int fds, links; /* of P, when only H is connected */
	int held[HELD_MAX];
	int held_count;
	pid_t helpers[16];
	int helper_count;
	struct liar_grant grants[SUBSCRIBERS];
	int grant_count;
	pthread_t flipper;
	bool flips, flipper_stops;
	void (*flip)(void);
	uint64_t noise;
};

static struct scene scene;

#define READ(x)      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE(x, to) __atomic_store_n(&(x), (to), __ATOMIC_RELAXED)

/* ---- the honest ones ------------------------------------------------------------------------------------------- */

static int publisher_run(void)
{
	struct plx_publisher_options opt = { .slot_size = SLOT_SIZE,
					     .depth = 128,
					     .slots = 200,
					     .history = 16,
					     .subscribers_max = SUBSCRIBERS,
					     .quota = 4,
					     .type = TYPE,
					     .full = PLX_FULL_DROP,
					     .full_ns = 400000000,
					     .directory = scene.dir };
	struct board *board = scene.board;
	unsigned char bytes[SLOT_SIZE];
	struct plx_publisher *pub;
	uint64_t n, before, took;
	int ret = plx_publisher_open(&pub, TOPIC, &opt);

	for (n = 0; ret == 0 && !READ(board->stop); n++) {
		numbered_fill(bytes, n);
		before = plx_now_ns();
		ret = plx_publisher_send(pub, bytes, numbered_size(n));
		took = plx_now_ns() - before;
		if (took > READ(board->longest_ns))
			WRITE(board->longest_ns, took);
		if (ret == 0)
			WRITE(board->published, n + 1);
		if (n % 4 == 0)
			usleep(1000);
	}
	WRITE(board->publisher_error, ret);
	if (ret == 0)
		plx_publisher_close(pub);
	return ret != 0;
}

static int honest_run(void)
{
	struct plx_subscriber_options opt = { .type = TYPE, .directory = scene.dir };
	struct board *board = scene.board;
	struct plx_subscriber *sub;
	struct plx_buffer b;
	int ret = plx_subscriber_open(&sub, TOPIC, &opt);
	uint64_t next = UINT64_MAX;

	while (ret >= 0 && !READ(board->stop)) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0) {
			ret = plx_subscriber_wait(sub, 20000000);
			ret = ret == -ETIMEDOUT ? 0 : ret;
		} else if (ret == 1) {
			if (!numbered_good(&b) || (next != UINT64_MAX && b.sequence != next))
				ret = -EILSEQ;
			next = b.sequence + 1;
			plx_buffer_release(&b);
			WRITE(board->taken, next);
		}
	}
	if (!READ(board->stop))
		WRITE(board->honest_error, ret);
	return !READ(board->stop);
}

/* In a child: without cmocka's handlers, which would go on with the parent's test, and not for ever. */
static void die_as_others_do(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	size_t i;

	for (i = 0; i < COUNT_OF(signals); i++)
		signal(signals[i], SIG_DFL);
	alarm(300);
}

static pid_t child_start(int (*run)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		die_as_others_do();
		_exit(run());
	}
	return pid;
}

/* Wait until @what holds, @ms at most. */
#define WITHIN(ms, what)                                                                                     \
	__extension__({                                                                                      \
		int left_ = (ms);                                                                            \
		bool holds_;                                                                                 \
		while (!(holds_ = (what)) && left_-- > 0)                                                    \
			sleep_ms(1);                                                                         \
		holds_;                                                                                      \
	})

static int scene_open(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	signal(SIGPIPE, SIG_IGN);
	memset(&scene, 0, sizeof(scene));
	scene.noise = 0x9e3779b97f4a7c15;
	scene.dir = make_directory();
	assert_int_equal(plx_place_open(&scene.place, scene.dir, TOPIC), 0);
	scene.board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(scene.board != MAP_FAILED);
	scene.publisher = child_start(publisher_run);
	assert_true(WITHIN(10000, READ(scene.board->published) > 0 || !child_alive(scene.publisher)));
	scene.honest = child_start(honest_run);
	assert_true(WITHIN(10000, READ(scene.board->taken) > 0 || !child_alive(scene.honest)));
	assert_int_equal(READ(scene.board->honest_error), 0);
	scene.fds = fds_of(scene.publisher);
	scene.links = maps_of(scene.publisher, "memfd:plx:link");
	assert_int_equal(scene.links, 1);
	return 0;
}

static int child_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	child_end(pid);
}

/* ---- what the liar holds until the newcomer has been in -------------------------------------------------------- */

static void hold(int fd)
{
	assert_true(fd >= 0);
	assert_true(scene.held_count < HELD_MAX);
	scene.held[scene.held_count++] = fd;
}

static struct liar_grant *hold_grant(bool lossy)
{
	struct liar_grant *g = &scene.grants[scene.grant_count];

	assert_true(scene.grant_count < (int)SUBSCRIBERS);
	assert_int_equal(liar_join(g, &scene.place, lossy), 0);
	scene.grant_count++;
	return g;
}

static void *flip(void *arg)
{
	void (*run)(void) = *(void (**)(void))arg;

	while (!READ(scene.flipper_stops))
		run();
	return NULL;
}

/* A thread that does @run again and again: a process would not inherit the maps. */
static void hold_flipper(void (*run)(void))
{
	scene.flip = run;
	WRITE(scene.flipper_stops, false);
	assert_int_equal(pthread_create(&scene.flipper, NULL, flip, &scene.flip), 0);
	scene.flips = true;
}

/* A process that does @run until it is killed. */
static pid_t hold_helper(void (*run)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_as_others_do();
		run();
		for (;;)
			pause();
	}
	scene.helpers[scene.helper_count++] = pid;
	return pid;
}

static void let_go(void)
{
	if (scene.flips) {
		WRITE(scene.flipper_stops, true);
		pthread_join(scene.flipper, NULL);
		scene.flips = false;
	}
	while (scene.helper_count > 0) {
		child_kill(scene.helpers[--scene.helper_count]);
	}
	while (scene.grant_count > 0)
		liar_leave(&scene.grants[--scene.grant_count]);
	while (scene.held_count > 0)
		close(scene.held[--scene.held_count]);
}

static int scene_close(void **state)
{
	(void)state;
	let_go();
	if (child_alive(scene.honest)) /* a test failed */
		child_kill(scene.honest);
	if (child_alive(scene.publisher))
		child_kill(scene.publisher);
	plx_place_close(&scene.place);
	drop_directory(scene.dir);
	munmap(scene.board, 4096);
	return 0;
}

static int knock(void)
{
	int fd = -1;

	/* its queue may be full for a moment: of our own making */
	assert_true(WITHIN(3000, (fd = liar_connect(&scene.place, 0)) >= 0));
	return fd;
}

static uint32_t hello(unsigned char *bytes)
{
	memset(bytes, 0, PLX_HANDSHAKE_MAX);
	return liar_hello(bytes, TOPIC, true);
}

/* The publisher hangs up, without a word. */
static void expect_closed(int fd)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS];

	assert_int_equal(liar_recv(fd, bytes, sizeof(bytes), fds, 3000), 0);
	assert_int_equal(fds[0], -1);
	close(fd);
}

static void expect_refused(int fd, int error)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal;
	int fds[PLX_GRANT_FDS];
	ssize_t n = liar_recv(fd, bytes, sizeof(bytes), fds, 3000);

	assert_true(n > 0);
	assert_int_equal(plx_refuse_decode(&refusal, bytes, (size_t)n), 0);
	assert_int_equal(refusal.error, error);
	assert_true(refusal.text[0] != '\0');
	expect_closed(fd);
}

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
	assert_true(fds_of(scene.publisher) < scene.fds + 300); /* it keeps a few, two descriptors each */
}

static void one_says_nothing_until_its_time_is_up(void)
{
	expect_closed(knock());
}

static void knock_for_ever(void)
{
	int fd;

	for (;;) {
		fd = liar_connect(&scene.place, 0);
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
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = plx_place_dir(&scene.place, false);

	assert_int_equal(plx_place_list(&scene.place, &list), 0);
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
	uint32_t size = hello(bytes), type = TYPE + 1;
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
			bytes[j] = (unsigned char)(noise(&scene.noise) >> 20);
		say(bytes, noise(&scene.noise) % sizeof(bytes), 0);
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
		shutdown(scene.held[scene.held_count - 1], hows[i]);
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

static void descriptors_after_the_grant(void)
{
	struct liar_grant *g = hold_grant(true);

	assert_int_equal(liar_send(g->fd, "z", 1, g->data.fd, 253), 0);
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

/* ---- attacks: after the grant ---------------------------------------------------------------------------------- */

static void grants_that_nobody_reads(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	int i, fd;

	for (i = 0; i < 10; i++) {
		fd = knock();
		assert_int_equal(liar_send(fd, bytes, size, -1, 0), 0);
		hold(fd);
	}
}

static void words_after_the_grant(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX], answer[1];
	uint32_t size = hello(bytes);
	int i, fds[PLX_GRANT_FDS];

	for (i = 0; i < 4; i++) {
		struct liar_grant *g = hold_grant(true);

		assert_int_equal(liar_send(g->fd, bytes,
					   i == 0   ? 1
					   : i == 1 ? size
					   : i == 2 ? 0
						    : 512,
					   -1, 0),
				 0);
		assert_true(WITHIN(3000, liar_recv(g->fd, answer, 1, fds, 0) == 0));
	}
}

static void every_seat_taken(void)
{
	struct liar_grant one_more;
	unsigned int i;

	for (i = 0; i < SUBSCRIBERS - 1; i++)
		hold_grant(true);
	assert_int_equal(liar_join(&one_more, &scene.place, true), -EUSERS);
	liar_leave(&scene.grants[--scene.grant_count]); /* the newcomer's */
	assert_true(WITHIN(3000, maps_of(scene.publisher, "memfd:plx:link") < (int)SUBSCRIBERS));
}

static void one_that_never_reads_holds_everybody_up(void)
{
	struct liar_grant *g = hold_grant(false);
	unsigned char byte = 0;
	int fds[PLX_GRANT_FDS];

	/* until the publisher lets it go, and says why */
	while (byte == 0)
		assert_int_equal(liar_recv(g->fd, &byte, 1, fds, 5000), 1);
	assert_int_equal(byte, ETIMEDOUT);
}

static struct plx_link *link_of(const struct liar_grant *g)
{
	return plx_segment_block(&g->link, PLX_LINK_BLOCK_LINK, NULL);
}

static uint64_t *pins_of(const struct liar_grant *g, uint64_t *words)
{
	uint64_t *pins = plx_segment_block(&g->link, PLX_LINK_BLOCK_PINS, words);

	*words /= 8;
	return pins;
}

/* It shows a value no honest reader can have; it is let go when the publisher looks, which it does when it needs room. */
static void a_cursor_from_the_future(void)
{
	static const uint64_t lies[] = { UINT64_MAX, UINT64_MAX / 2, 1000000000, PLX_POSITION_MAX };
	size_t i;

	for (i = 0; i < COUNT_OF(lies); i++)
		WRITE(link_of(hold_grant(i % 2))->cursor, lies[i]);
	sleep_ms(300);
}

static void a_cursor_from_the_past(void)
{
	struct liar_grant *g = hold_grant(true);

	WRITE(link_of(g)->cursor, g->grant.start - 1);
	sleep_ms(50);
	WRITE(link_of(g)->cursor, 0);
	sleep_ms(50);
}

static void cursors_flip(void)
{
	struct plx_link *lossy = link_of(&scene.grants[0]), *reliable = link_of(&scene.grants[1]);
	uint64_t published = READ(scene.board->published);

	WRITE(lossy->cursor, noise(&scene.noise));
	WRITE(reliable->cursor, published);
	WRITE(lossy->cursor, published - noise(&scene.noise) % 300);
	WRITE(reliable->cursor, published - noise(&scene.noise) % 300);
}

static void cursors_that_flip(void)
{
	hold_grant(true);
	hold_grant(false);
	hold_flipper(cursors_flip);
	sleep_ms(300);
}

static void every_slot_pinned(void)
{
	struct liar_grant *g = hold_grant(true);
	uint64_t words, i, *pins = pins_of(g, &words);

	for (i = 0; i < words; i++)
		WRITE(pins[i], UINT64_MAX);
	sleep_ms(300); /* more messages with slots than there are slots */
}

static void every_slot_pinned_by_all(void)
{
	uint64_t words, i, *pins;
	int k;

	for (k = 0; k < 8; k++) {
		pins = pins_of(hold_grant(k % 2), &words);
		for (i = 0; i < words; i++)
			WRITE(pins[i], noise(&scene.noise) | noise(&scene.noise));
	}
	sleep_ms(300);
}

static void pins_flip(void)
{
	uint64_t words, *pins = pins_of(&scene.grants[0], &words);

	WRITE(pins[noise(&scene.noise) % words], noise(&scene.noise));
}

static void pins_that_flip(void)
{
	hold_grant(true);
	hold_flipper(pins_flip);
	sleep_ms(300);
}

/* Asleep, says its link, and each time another sleep: a wake byte for each message, and nobody reads them. */
static void sleep_flips(void)
{
	struct plx_link *link = link_of(&scene.grants[0]);

	WRITE(link->sleep, ((READ(link->sleep) + 4) & ~PLX_SLEEP_BITS) | PLX_SLEEP_ASLEEP);
}

static void wakes_that_nobody_reads(void)
{
	hold_grant(true);
	hold_flipper(sleep_flips);
	sleep_ms(500);
}

/* The same with the alarm, and in between neither or both. */
static void sleep_changes(void)
{
	struct plx_link *link = link_of(&scene.grants[0]);

	WRITE(link->sleep, READ(link->sleep) + 1);
}

static void alarms_that_nobody_hears(void)
{
	hold_grant(true);
	hold_flipper(sleep_changes);
	sleep_ms(500);
}

static void bell_rings(void)
{
	struct plx_link *link = link_of(&scene.grants[0]);

	__atomic_fetch_add(&link->bell, 1, __ATOMIC_RELAXED);
	plx_futex_wake(&link->bell, 1);
}

static void a_bell_that_never_stops(void)
{
	hold_grant(false); /* which the publisher waits for */
	hold_flipper(bell_rings);
	sleep_ms(300);
}

static void scribble(void)
{
	const struct plx_segment *seg = &scene.grants[0].link;
	uint64_t *words = seg->base;

	WRITE(words[noise(&scene.noise) % (seg->size / 8)], noise(&scene.noise));
}

static void noise_all_over_the_link(void)
{
	hold_grant(true);
	hold_flipper(scribble);
	sleep_ms(300);
}

static void noise_all_over_the_link_of_a_reliable_one(void)
{
	hold_grant(false);
	hold_flipper(scribble);
	sleep_ms(300);
}

static void zeroes_all_over_the_link(void)
{
	struct liar_grant *g = hold_grant(false);

	memset(g->link.base, 0, g->link.size);
	sleep_ms(50);
}

/* The size is sealed; what is punched out comes back as zeroes. */
static void a_link_cut_off(void)
{
	struct liar_grant *g = hold_grant(true);
	int fd = g->link.fd;

	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)g->link.size * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)g->link.size);
	sleep_ms(50);
}

/* Every way to write to what all others read. */
static void writing_to_the_data(void)
{
	struct liar_grant *g = hold_grant(true);
	int fd = g->data.fd, again;
	char path[64];
	void *map;

	assert_true(mmap(NULL, g->data.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_int_equal(mprotect(g->data.base, g->data.size, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC); /* root may; others find mode 0400 */
	if (again >= 0) {
		map = mmap(NULL, g->data.size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
		assert_true(map == MAP_FAILED);
		assert_int_equal(pwrite(again, "x", 1, 0), -1);
		assert_int_equal(ftruncate(again, 0), -1);
		close(again);
	}
}

/* The description of the file is the same for all subscribers: what can be changed of it must not matter. */
static void odd_settings_of_the_descriptors(void)
{
	struct liar_grant *g = hold_grant(true);
	int zero = 0, one = 1;

	fcntl(g->data.fd, F_SETFL, O_NONBLOCK | O_ASYNC | O_APPEND);
	fcntl(g->data.fd, F_SETOWN, scene.publisher);
	lseek(g->data.fd, 12345, SEEK_SET);
	fcntl(g->fd, F_SETFL, 0);
	setsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &zero, sizeof(zero));
	setsockopt(g->fd, SOL_SOCKET, SO_SNDBUF, &zero, sizeof(zero));
	setsockopt(g->fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	sleep_ms(50);
}

/* ---- attacks: dying in the wrong moment ------------------------------------------------------------------------ */

static int stage; /* how far the helper goes before it stops for good */

static void come_so_far(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	uint32_t size = hello(bytes);
	struct liar_grant g;
	int fd;

	if (stage == 2) {
		if (liar_join(&g, &scene.place, true) == 0)
			pause();
		return;
	}
	fd = liar_connect(&scene.place, 0);
	if (stage == 1)
		(void)!liar_send(fd, bytes, size, -1, 0);
}

static void killed_at_every_stage(void)
{
	pid_t pid;
	int i;

	for (stage = 0; stage < 3; stage++) {
		for (i = 0; i < 5; i++) {
			pid = hold_helper(come_so_far);
			sleep_ms((unsigned int)i);
			scene.helper_count--;
			child_kill(pid);
		}
	}
}

static void stopped_at_every_stage(void)
{
	for (stage = 0; stage < 3; stage++)
		kill(hold_helper(come_so_far), SIGSTOP);
	for (stage = 0; stage < 3; stage++)
		hold_helper(come_so_far);
	sleep_ms(20);
	for (stage = 3; stage < 6; stage++)
		kill(scene.helpers[stage], SIGSTOP);
	sleep_ms(50);
}

/* The process that connected dies; the one it forked keeps the socket open. */
static void fork_and_die(void)
{
	struct liar_grant g;

	if (liar_join(&g, &scene.place, false) == 0 && fork() == 0) {
		sleep_ms(1500);
		_exit(0);
	}
	_exit(0);
}

static void an_heir_keeps_the_connection_open(void)
{
	pid_t pid = hold_helper(fork_and_die);

	scene.helper_count--;
	child_end(pid);
	/* and it reads nothing, though it said it would: the publisher is told of the death, and does not wait */
	assert_true(WITHIN(1000, maps_of(scene.publisher, "memfd:plx:link") == scene.links));
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

struct attack {
	const char *name;
	void (*run)(void);
};

#define ATTACK(f)                                                                                            \
	{                                                                                                    \
#f, f                                                                                        \
	}

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
	ATTACK(descriptors_after_the_grant),
	ATTACK(forged_credentials),
	ATTACK(grants_that_nobody_reads),
	ATTACK(words_after_the_grant),
	ATTACK(every_seat_taken),
	ATTACK(one_that_never_reads_holds_everybody_up),
	ATTACK(a_cursor_from_the_future),
	ATTACK(a_cursor_from_the_past),
	ATTACK(cursors_that_flip),
	ATTACK(every_slot_pinned),
	ATTACK(every_slot_pinned_by_all),
	ATTACK(pins_that_flip),
	ATTACK(wakes_that_nobody_reads),
	ATTACK(alarms_that_nobody_hears),
	ATTACK(a_bell_that_never_stops),
	ATTACK(noise_all_over_the_link),
	ATTACK(noise_all_over_the_link_of_a_reliable_one),
	ATTACK(zeroes_all_over_the_link),
	ATTACK(a_link_cut_off),
	ATTACK(writing_to_the_data),
	ATTACK(odd_settings_of_the_descriptors),
	ATTACK(killed_at_every_stage),
	ATTACK(stopped_at_every_stage),
	ATTACK(an_heir_keeps_the_connection_open),
};

/* Somebody honest comes while the liar is there: he gets in and gets messages. */
static void newcomer_gets_in(void)
{
	struct plx_subscriber_options opt = { .type = TYPE, .directory = scene.dir };
	struct plx_subscriber *sub;
	struct plx_buffer b;
	int got = 0, ret = 0;
	uint64_t end = plx_now_ns() + UINT64_C(10000000000);

	assert_int_equal(plx_subscriber_open(&sub, TOPIC, &opt), 0);
	while (got < 5 && plx_now_ns() < end) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0) {
			ret = plx_subscriber_wait(sub, 100000000);
			assert_true(ret == 0 || ret == -ETIMEDOUT);
			continue;
		}
		assert_int_equal(ret, 1);
		assert_true(numbered_good(&b));
		plx_buffer_release(&b);
		got++;
	}
	assert_int_equal(got, 5);
	plx_subscriber_close(sub);
}

static void everybody_is_well(void)
{
	struct board *board = scene.board;
	uint64_t published;

	assert_true(child_alive(scene.publisher));
	assert_int_equal(READ(board->publisher_error), 0);
	published = READ(board->published);
	assert_true(WITHIN(10000, READ(board->published) > published + 10)); /* it goes on */
	assert_true(
		WITHIN(10000, READ(board->taken) > published + 10)); /* and so does H, which has all of it */
	assert_int_equal(READ(board->honest_error), 0);
	assert_true(child_alive(scene.honest));
}

static void publisher_holds_what_it_held(void)
{
	bool same = WITHIN(5000, fds_of(scene.publisher) == scene.fds &&
					 maps_of(scene.publisher, "memfd:plx:link") == scene.links);

	if (!same)
		fail_msg("%d descriptors and %d links, not %d and %d", fds_of(scene.publisher),
			 maps_of(scene.publisher, "memfd:plx:link"), scene.fds, scene.links);
}

static void liars_harm_nobody(void **state)
{
	const char *only = getenv("ATTACK");
	int fds = count_open_fds();
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(ATTACKS); i++) {
		uint64_t before = plx_now_ns();

		if (only && !strstr(ATTACKS[i].name, only))
			continue;
		print_message("attack: %s\n", ATTACKS[i].name); /* the last one is the one that failed */
		ATTACKS[i].run();
		newcomer_gets_in();
		everybody_is_well();
		let_go();
		publisher_holds_what_it_held();
		everybody_is_well();
		assert_int_equal(count_open_fds(), fds);
		if (getenv("ATTACK_TIMES"))
			print_message("  %llu ms, longest publish %llu us\n",
				      (unsigned long long)((plx_now_ns() - before) / 1000000),
				      (unsigned long long)(READ(scene.board->longest_ns) / 1000));
	}
}

/* Instrumented builds say here what they saw in the children. */
static void the_honest_end_well(void **state)
{
	(void)state;
	WRITE(scene.board->stop, 1);
	assert_int_equal(child_end(scene.honest), 0);
	assert_int_equal(child_end(scene.publisher), 0);
	print_message("note: longest publish beside liars: %llu us\n",
		      (unsigned long long)(READ(scene.board->longest_ns) / 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(liars_harm_nobody),
		cmocka_unit_test(the_honest_end_well),
	};

	return cmocka_run_group_tests_name("hostile clients", tests, scene_open, scene_close);
}

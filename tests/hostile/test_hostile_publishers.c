/*
 * test_hostile_publishers.c - a real subscriber, an honest publisher, and a liar of the same topic. Timeout: 120
 *
 *	this process   two subscribers, one reliable, one lossy, which must survive, say why they left the liar, keep
 *	               reading from the honest publisher, and hold no descriptor or map of the liar in the end
 *	a child, "P"   the honest publisher: a message about every 300 us
 *	a child, "L"   the liar: it answers with what it likes, and writes what it likes to the segments it gave
 *
 * A liar begins with honest segments and an honest grant, and changes what its attack is about.
 */
#include "tests/support/liar.h"
#include "tests/support/numbered.h"

#include "base/sys.h"
#include "mem/segment_layout.h"
#include "topic/topic_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <plx/pool.h>
#include <plx/process.h>
#include <plx/publisher.h>
#include <plx/subscriber.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TOPIC     "hostile/publishers"
#define DEPTH     64u
#define SLOTS     16u
#define SLOT_SIZE 256u

#define READ(x)      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE(x, to) __atomic_store_n(&(x), (to), __ATOMIC_RELAXED)

enum mode { RELIABLE, LOSSY, MODES };

/* What must come of an attack. */
enum outcome {
	SURVIVE,  /* read on, for a while */
	REFUSED,  /* no connection; stats.refused_why says why */
	ENDED,    /* the stream ends with a reason */
	ANY_ENDS, /* a refusal or an end, whatever the reason */
};

struct attack {
	const char *name;
	void (*run)(void); /* in L; returns when there is nothing more to do */
	enum outcome outcome;
	int error;
};

static struct scene {
	char *dir;
	struct plx_place place;
	pid_t publisher, liar; /* 0: none */
	uint64_t honest_id;
	struct plx_subscriber *subs[MODES];
	uint64_t next[MODES];  /* sequence of the honest publisher's next message */
	uint64_t count[MODES]; /* of honest messages, ever */
	int *stop;             /* shared with P */
} scene;

/* ---- P --------------------------------------------------------------------------------------------------------- */

static void die_as_others_do(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	size_t i;

	for (i = 0; i < COUNT_OF(signals); i++)
		signal(signals[i], SIG_DFL);
	alarm(300);
}

static int publisher_run(void)
{
	struct plx_publisher_options opt = {
		.slot_size = NUMBERED_MAX, .depth = 256, .type = NUMBERED_TYPE, .directory = scene.dir
	};
	unsigned char bytes[NUMBERED_MAX];
	struct plx_publisher *pub;
	uint64_t n;
	int ret = plx_publisher_open(&pub, TOPIC, &opt);

	for (n = 0; ret == 0 && !READ(*scene.stop); n++) {
		numbered_fill(bytes, n);
		ret = plx_publisher_send(pub, bytes, numbered_size(n));
		if (n % 4 == 0)
			usleep(1000);
	}
	if (ret == 0)
		plx_publisher_close(pub);
	return ret != 0;
}

/* ---- L: the liar's kit ----------------------------------------------------------------------------------------- */

#define CONNECTIONS 8

/* L's own: what it shows. */
static struct fake {
	struct plx_segment data, link[CONNECTIONS];
	uint64_t link_id[CONNECTIONS];
	int connections[CONNECTIONS];
	int alarm; /* the eventfd of the last one */
	int count;
	struct plx_grant grant;
	struct plx_listener listener;
	struct plx_topic_head *head;
	struct plx_entry *log;
	unsigned char *slots;
	uint64_t next; /* position of its next message */
	uint64_t noise;
} fake;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "the liar cannot: %s: %s\n", what, strerror(errno));
	_exit(1);
}
#define MUST(what) must((what), #what)

static uint64_t id_of(const struct plx_segment *seg)
{
	struct plx_segment_info info;

	MUST(plx_segment_info(seg, &info) == 0);
	return info.id;
}

/* A data segment like a publisher's, not yet sealed. */
static void make_data_of(uint32_t kind, uint32_t version, const struct plx_block *blocks, size_t n,
			 uint64_t size)
{
	MUST(plx_segment_create(&fake.data, "memfd", "topic:liar", size, 0) == 0);
	MUST(plx_segment_format(&fake.data, kind, version, TOPIC, blocks, n) == 0);
	fake.head = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_HEAD, NULL);
	fake.log = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_LOG, NULL);
	fake.slots = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_SLOTS, NULL);
}

static const struct plx_block BLOCKS[] = {
	{ .name = PLX_TOPIC_BLOCK_HEAD, .size = sizeof(struct plx_topic_head) },
	{ .name = PLX_TOPIC_BLOCK_LOG, .size = DEPTH * sizeof(struct plx_entry) },
	{ .name = PLX_TOPIC_BLOCK_BITMAP, .size = 128 },
	{ .name = PLX_TOPIC_BLOCK_SLOTS, .size = SLOTS * SLOT_SIZE },
};

static void make_data(void)
{
	make_data_of(PLX_KIND_TOPIC, PLX_TOPIC_VERSION, BLOCKS, 4, plx_segment_need(BLOCKS, 4));
	*fake.head = (struct plx_topic_head){ .depth = DEPTH,
					      .slots = SLOTS,
					      .slot_size = SLOT_SIZE,
					      .stride = SLOT_SIZE,
					      .type = NUMBERED_TYPE,
					      .quota = 4,
					      .subscribers_max = 8 };
}

static void seal_data(void)
{
	MUST(plx_segment_seal(&fake.data, PLX_SEAL_DATA) == 0);
}

static void make_link(int i)
{
	const struct plx_block blocks[] = {
		{ .name = PLX_LINK_BLOCK_LINK, .size = sizeof(struct plx_link) },
		{ .name = PLX_LINK_BLOCK_PINS, .size = plx_topic_bitmap_size(SLOTS) },
	};

	MUST(plx_segment_create(&fake.link[i], "memfd", "link:liar", plx_segment_need(blocks, 2), 0) == 0);
	MUST(plx_segment_format(&fake.link[i], PLX_KIND_LINK, PLX_LINK_VERSION, TOPIC, blocks, 2) == 0);
	fake.link_id[i] = id_of(&fake.link[i]);
}

static void settle_grant(void)
{
	fake.grant = (struct plx_grant){ .version = 1,
					 .segment = id_of(&fake.data),
					 .data_size = fake.data.size,
					 .slot_size = SLOT_SIZE,
					 .depth = DEPTH,
					 .slots = SLOTS,
					 .quota = 4,
					 .type = NUMBERED_TYPE };
}

static void appear_as(uint64_t id)
{
	MUST(plx_listener_open(&fake.listener, &scene.place, id) == 0);
}

/* The next subscriber that comes, and its hello. */
static int next_guest(unsigned char *bytes)
{
	struct pollfd p = { .fd = fake.listener.fd, .events = POLLIN };
	int fd, fds[PLX_GRANT_FDS];

	MUST(poll(&p, 1, 20000) == 1);
	MUST(plx_listener_accept(&fake.listener, &fd) == 0);
	if (liar_recv(fd, bytes, PLX_HANDSHAKE_MAX, fds, 5000) <= 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The honest grant for connection @i, as bytes. */
static uint32_t grant_bytes(unsigned char *bytes, int i)
{
	fake.grant.link = fake.link_id[i];
	fake.grant.link_size = fake.link[i].size;
	return plx_grant_encode(bytes, &fake.grant);
}

/* Both subscribers get what @answer gives them. */
static void answer_both(void (*answer)(int fd, int i))
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fd;

	while (fake.count < MODES) {
		fd = next_guest(bytes);
		if (fd < 0)
			continue;
		fake.connections[fake.count] = fd;
		answer(fd, fake.count++);
	}
}

/* As an honest publisher makes it; the eventfd stays here. */
static int make_alarm(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	fake.alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(epoll >= 0 && fake.alarm >= 0);
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fake.alarm, &event) == 0);
	return epoll;
}

static void grant_honestly(int fd, int i)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fds[PLX_GRANT_FDS];

	make_link(i);
	MUST(plx_segment_seal(&fake.link[i], PLX_SEAL_LINK) == 0);
	fds[PLX_GRANT_FD_DATA] = plx_segment_export(&fake.data, false);
	fds[PLX_GRANT_FD_LINK] = plx_segment_export(&fake.link[i], true);
	fds[PLX_GRANT_FD_ALARM] = make_alarm();
	MUST(fds[0] >= 0 && fds[1] >= 0);
	(void)!liar_send_list(fd, bytes, grant_bytes(bytes, i), fds, PLX_GRANT_FDS);
	for (int k = 0; k < PLX_GRANT_FDS; k++)
		close(fds[k]);
}

/* Everything as it should be, up to here: both subscribers read. */
static void begin_honestly(void)
{
	make_data();
	settle_grant();
	seal_data();
	appear_as(fake.grant.segment);
	answer_both(grant_honestly);
}

/* Publish an entry that says what it likes. */
static void put(uint32_t slot, uint32_t length, uint32_t flags)
{
	struct plx_entry *e = &fake.log[fake.next % DEPTH];

	WRITE(e->place, slot | (uint64_t)length << 32);
	WRITE(e->meta, NUMBERED_TYPE | (uint64_t)flags << 32);
	__atomic_store_n(&e->sequence, ++fake.next, __ATOMIC_RELEASE);
	__atomic_store_n(&fake.head->head, fake.next, __ATOMIC_RELEASE);
}

static void put_some(void)
{
	int i;

	for (i = 0; i < 10; i++)
		put(i % 2 ? (uint32_t)i : PLX_SLOT_NONE, i % 2 ? SLOT_SIZE : 40, 0);
}

static uint64_t any(void)
{
	return noise(&fake.noise);
}

/* ---- attacks: the answer --------------------------------------------------------------------------------------- */

static void never_answers(void)
{
	appear_as(any());
}

static void accepts_and_says_nothing_stopped(void)
{
	appear_as(any());
	raise(SIGSTOP);
}

static void hangs_up(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	appear_as(any());
	for (;;)
		close(next_guest(bytes));
}

/* Answer each hello with fixed bytes. */
static void answer_with(const void *answer, size_t size, int passed, unsigned int fds)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fd;

	appear_as(any());
	while (fake.count < CONNECTIONS) {
		fd = next_guest(bytes);
		if (fd < 0)
			continue;
		(void)!liar_send(fd, answer, size, passed, fds);
		fake.connections[fake.count++] = fd;
	}
}

static void answers_with_garbage(void)
{
	answer_with("SSH-2.0-OpenSSH_9.2", 19, -1, 0);
}

static void answers_with_a_wake_byte(void)
{
	answer_with("", 1, -1, 0);
}

static void answers_with_an_echo(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	answer_with(bytes, liar_hello(bytes, TOPIC, true), -1, 0);
}

static void answers_with_too_much(void)
{
	static unsigned char bytes[100000];

	answer_with(bytes, sizeof(bytes), -1, 0);
}

static void answers_with_253_descriptors(void)
{
	answer_with("x", 1, STDERR_FILENO, 253);
}

static void asks_for_a_key(void)
{
	struct plx_handshake_header header = { PLX_HANDSHAKE_MAGIC, PLX_HANDSHAKE_CHALLENGE, 1,
					       sizeof(header), 0 };

	answer_with(&header, sizeof(header), -1, 0);
}

static void refuse_with(int error, const char *text, unsigned int fds)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	struct plx_refusal refusal = { .error = 1, .version_min = 1, .version_max = 1 };
	uint32_t size = plx_refuse_encode(bytes, &refusal);

	memcpy(bytes + offsetof(struct plx_handshake_refuse, error), &error, 4);
	memcpy(bytes + offsetof(struct plx_handshake_refuse, text), text, strlen(text));
	answer_with(bytes, size, STDERR_FILENO, fds);
}

static void refuses_in_good_form(void)
{
	refuse_with(EACCES, "not you", 0);
}

static void refuses_with_colours(void)
{
	refuse_with(EACCES, "\x1b[31mnot you\x1b[0m", 0);
}

static void refuses_for_no_reason(void)
{
	refuse_with(0, "", 0);
}

static void refuses_with_descriptors(void)
{
	refuse_with(EACCES, "not you", PLX_GRANT_FDS);
}

/* ---- attacks: the grant ---------------------------------------------------------------------------------------- */

/* How the grant of the next attack differs. */
static struct {
	size_t off, width; /* a field of the message */
	uint64_t value;
	size_t size;           /* of the message; 0: as it should be */
	unsigned int fds;      /* descriptors: as many as a grant has unless said */
	int swap, twice;       /* data and link; data and data */
	int (*data_fd)(void);  /* instead of the data segment's */
	int (*link_fd)(int i); /* instead of the link segment's */
	int (*alarm_fd)(void); /* instead of the alarm */
	void (*change)(int i); /* the data segment before it is sealed, or the link */
} lie;

static void grant_with_lie(int fd, int i)
{
	unsigned char bytes[2 * PLX_HANDSHAKE_MAX] = { 0 };
	int list[8], k;
	uint32_t size;

	make_link(i);
	if (!lie.link_fd)
		MUST(plx_segment_seal(&fake.link[i], PLX_SEAL_LINK) == 0);
	list[0] = lie.data_fd ? lie.data_fd() : plx_segment_export(&fake.data, false);
	list[1] = lie.link_fd ? lie.link_fd(i) : plx_segment_export(&fake.link[i], true);
	list[2] = lie.alarm_fd ? lie.alarm_fd() : make_alarm();
	MUST(list[0] >= 0 && list[1] >= 0 && list[2] >= 0);
	for (k = 3; k < 8; k++)
		list[k] = list[0];
	if (lie.swap) {
		k = list[0];
		list[0] = list[1];
		list[1] = k;
	}
	if (lie.twice)
		list[1] = list[0];
	size = grant_bytes(bytes, i);
	memcpy(bytes + lie.off, &lie.value, lie.width);
	(void)!liar_send_list(fd, bytes, lie.size ? lie.size : size, list, lie.fds);
}

static void grant_falsely(void)
{
	if (!fake.data.base)
		make_data();
	settle_grant();
	if (!lie.data_fd)
		seal_data();
	appear_as(fake.grant.segment);
	answer_both(grant_with_lie);
	for (;;) /* retries get the same */
		answer_both((fake.count = 0, grant_with_lie));
}

static void a_grant_cut_short(void)
{
	lie.size = 95;
	grant_falsely();
}

static void a_grant_and_more(void)
{
	lie.size = 97;
	grant_falsely();
}

static void a_grant_and_far_too_much(void)
{
	lie.size = PLX_HANDSHAKE_MAX + 1;
	grant_falsely();
}

static void a_grant_without_descriptors(void)
{
	lie.fds = 0;
	grant_falsely();
}

static void a_grant_with_one_descriptor(void)
{
	lie.fds = 1;
	grant_falsely();
}

static void a_grant_with_two_descriptors(void)
{
	lie.fds = 2;
	grant_falsely();
}

static void a_grant_with_four_descriptors(void)
{
	lie.fds = 4;
	grant_falsely();
}

static void a_grant_with_eight_descriptors(void)
{
	lie.fds = 8;
	grant_falsely();
}

static void data_and_link_swapped(void)
{
	lie.swap = 1;
	grant_falsely();
}

static void the_same_descriptor_twice(void)
{
	lie.twice = 1;
	grant_falsely();
}

#define FIELD(f)                                                                                             \
	lie.off = offsetof(struct plx_handshake_grant, f),                                                   \
	lie.width = sizeof(((struct plx_handshake_grant *)0)->f)

static void a_grant_of_another_type(void)
{
	FIELD(type);
	lie.value = 99;
	grant_falsely();
}

static void a_grant_of_huge_depth(void)
{
	FIELD(depth);
	lie.value = 1u << 31;
	grant_falsely();
}

static void a_grant_of_more_slots_than_fit(void)
{
	FIELD(slots);
	lie.value = PLX_SLOTS_MAX;
	grant_falsely();
}

static void a_grant_of_larger_slots_than_fit(void)
{
	FIELD(slot_size);
	lie.value = PLX_SLOT_SIZE_MAX;
	grant_falsely();
}

static void a_grant_of_a_little_larger_slots(void)
{
	FIELD(slot_size); /* fits the sum, not the block */
	lie.value = SLOT_SIZE + 1;
	grant_falsely();
}

static void a_grant_of_deeper_log(void)
{
	FIELD(depth);
	lie.value = DEPTH * 2; /* there would be room if the slots were not there */
	grant_falsely();
}

static void a_grant_of_terabytes(void)
{
	FIELD(data_size);
	lie.value = UINT64_C(1) << 40;
	grant_falsely();
}

static void a_grant_of_another_segment(void)
{
	FIELD(segment);
	lie.value = 12345;
	grant_falsely();
}

static void a_grant_of_another_link(void)
{
	FIELD(link);
	lie.value = 12345;
	grant_falsely();
}

static void a_grant_that_starts_at_the_end_of_time(void)
{
	FIELD(start);
	lie.value = UINT64_MAX;
	grant_falsely();
}

static void a_grant_with_flags(void)
{
	FIELD(flags);
	lie.value = 1;
	grant_falsely();
}

/* Another publisher's name on its own segment. */
static void in_somebody_elses_name(void)
{
	make_data();
	settle_grant();
	seal_data();
	appear_as(any());
	answer_both(grant_honestly);
	put_some();
}

/* The segment has another id than its name and its grant. */
static void a_segment_of_another_id(void)
{
	make_data();
	settle_grant();
	seal_data();
	fake.grant.segment ^= 1;
	appear_as(fake.grant.segment);
	answer_both(grant_honestly);
	put_some();
}

/* ---- attacks: the segments ------------------------------------------------------------------------------------- */

static int fd_of_a_pipe(void)
{
	int fds[2];

	MUST(pipe(fds) == 0);
	return fds[0];
}

static int fd_of_dev_zero(void)
{
	return open("/dev/zero", O_RDWR);
}

static void alarm_is_of_a_file(void)
{
	lie.alarm_fd = fd_of_dev_zero;
	grant_falsely();
}

/* Whatever can be polled will do: it wakes us or does not. */
static void alarm_is_of_a_pipe(void)
{
	lie.alarm_fd = fd_of_a_pipe;
	grant_falsely();
}

static int fd_of_a_file(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/file", scene.dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	MUST(fd >= 0 && ftruncate(fd, (off_t)fake.data.size) == 0);
	return fd;
}

static int fd_of_a_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int fd_of_a_path(void)
{
	return open("/dev/null", O_PATH);
}

static int fd_of_an_event(void)
{
	return eventfd(0, EFD_NONBLOCK);
}

static int fd_of_a_socket(void)
{
	return dup(fake.listener.fd);
}

static int fd_of_itself_unsealed(void)
{
	return dup(fake.data.fd);
}

/* A memfd of @size with @seals, which holds what the data segment holds as far as it goes. */
static int memfd_with(uint64_t size, int seals)
{
	int fd = memfd_create("plx:topic:liar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t n = size < fake.data.size ? size : fake.data.size;

	MUST(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	MUST(n == 0 || pwrite(fd, fake.data.base, n, 0) == (ssize_t)n);
	MUST(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static int fd_that_may_shrink(void)
{
	return memfd_with(fake.data.size, F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

static int fd_that_may_be_sealed_more(void)
{
	return memfd_with(fake.data.size, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE);
}

static int fd_that_others_may_write(void)
{
	return memfd_with(fake.data.size, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static int fd_too_small(void)
{
	return memfd_with(fake.data.size - 4096, ALL_SEALS);
}

static int fd_of_one_page(void)
{
	return memfd_with(4096, ALL_SEALS);
}

static int fd_of_nothing(void)
{
	return memfd_with(0, ALL_SEALS);
}

static int fd_too_large(void)
{
	return memfd_with(fake.data.size + 4096, ALL_SEALS);
}

/* As large as it says, but without memory behind it. */
static int fd_of_holes(void)
{
	int fd = memfd_create("plx:topic:liar", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && ftruncate(fd, (off_t)fake.data.size) == 0);
	MUST(pwrite(fd, fake.data.base, 4096, 0) == 4096);
	MUST(fcntl(fd, F_ADD_SEALS, ALL_SEALS) == 0);
	return fd;
}

#define DATA_FD(name)                                                                                        \
	static void data_is_##name(void)                                                                     \
	{                                                                                                    \
		lie.data_fd = fd_##name;                                                                     \
		grant_falsely();                                                                             \
	}
DATA_FD(of_a_pipe)
DATA_FD(of_dev_zero)
DATA_FD(of_a_file)
DATA_FD(of_a_directory)
DATA_FD(of_a_path)
DATA_FD(of_an_event)
DATA_FD(of_a_socket)
DATA_FD(of_itself_unsealed)
DATA_FD(that_may_shrink)
DATA_FD(that_may_be_sealed_more)
DATA_FD(that_others_may_write)
DATA_FD(too_small)
DATA_FD(of_one_page)
DATA_FD(of_nothing)
DATA_FD(too_large)
DATA_FD(of_holes)

static int link_unsealed(int i)
{
	return dup(fake.link[i].fd);
}

static int link_read_only(int i)
{
	MUST(plx_segment_seal(&fake.link[i], PLX_SEAL_LINK) == 0);
	return plx_segment_export(&fake.link[i], false);
}

static int link_nobody_may_write(int i)
{
	MUST(plx_segment_seal(&fake.link[i], PLX_SEAL_DATA) == 0);
	return plx_segment_export(&fake.link[i], false);
}

static int link_of_one_byte(int i)
{
	int fd = memfd_create("plx:link:liar", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && ftruncate(fd, 1) == 0);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	fake.link_id[i] = 77;
	return fd;
}

#define LINK_FD(name)                                                                                        \
	static void link_is_##name(void)                                                                     \
	{                                                                                                    \
		lie.link_fd = link_##name;                                                                   \
		grant_falsely();                                                                             \
	}
LINK_FD(unsealed)
LINK_FD(read_only)
LINK_FD(nobody_may_write)
LINK_FD(of_one_byte)

/* The header says what it likes. */
static struct plx_segment_hdr *header(void)
{
	make_data();
	return fake.data.base;
}

static void grant_header(void)
{
	seal_data();
	fake.grant = (struct plx_grant){ .version = 1,
					 .segment = ((struct plx_segment_hdr *)fake.data.base)->id,
					 .data_size = fake.data.size,
					 .slot_size = SLOT_SIZE,
					 .depth = DEPTH,
					 .slots = SLOTS,
					 .quota = 4,
					 .type = NUMBERED_TYPE };
	if (fake.grant.segment == 0)
		fake.grant.segment = 1;
	appear_as(fake.grant.segment);
	for (;;)
		answer_both((fake.count = 0, grant_honestly));
}

#define HEADER(name, change)                                                                                 \
	static void header_##name(void)                                                                      \
	{                                                                                                    \
		struct plx_segment_hdr *h = header();                                                        \
		change;                                                                                      \
		grant_header();                                                                              \
	}
HEADER(without_magic, h->magic = 0)
HEADER(of_another_layout, h->layout = 2)
HEADER(of_another_version, h->version = PLX_TOPIC_VERSION + 1)
HEADER(of_another_kind, h->kind = PLX_KIND_NET)
HEADER(of_a_link, h->kind = PLX_KIND_LINK)
HEADER(of_another_size, h->size = 1 << 30)
HEADER(of_no_id, h->id = 0)
HEADER(of_many_blocks, h->blocks = 4000000000u)
HEADER(of_no_blocks, h->blocks = 0)
HEADER(with_a_block_outside, h->entry[1].off = fake.data.size)
HEADER(with_a_block_that_overflows, h->entry[1].size = UINT64_MAX - 64)
HEADER(with_a_block_at_the_end_of_memory, h->entry[1].off = UINT64_MAX - 63)
HEADER(with_a_crooked_block, h->entry[1].off += 1)
HEADER(with_a_block_on_the_header, h->entry[1].off = 0)
HEADER(with_a_short_log, h->entry[1].size = 64)
HEADER(with_a_short_head, h->entry[0].size = 64)
HEADER(with_few_slots, h->entry[3].size = SLOT_SIZE)
HEADER(without_a_log, memcpy(h->entry[1].name, "lag", 4))
HEADER(with_names_without_an_end, memset(h->entry[1].name, 'x', 16))

/* ---- attacks: the directory ------------------------------------------------------------------------------------ */

static char *in_directory(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/hostile+publishers/%s", scene.dir, name);
	return path;
}

static void odd_things_in_the_directory(void)
{
	int fd;

	MUST(mkfifo(in_directory("1-0000000000000001.tmp"), 0600) == 0);
	MUST(rename(in_directory("1-0000000000000001.tmp"), "/dev/null/x") < 0);
	MUST(mkfifo(in_directory("1-0000000000000001.sock"), 0600) == 0);
	MUST(mkdir(in_directory("1-0000000000000002.sock"), 0700) == 0);
	MUST(symlink("/dev/zero", in_directory("1-0000000000000003.sock")) == 0);
	MUST(symlink("1-0000000000000004.sock", in_directory("1-0000000000000004.sock")) == 0);
	fd = open(in_directory("1-0000000000000005.sock"), O_CREAT | O_WRONLY, 0600);
	MUST(fd >= 0);
	appear_as(any()); /* so that they look */
	plx_listener_close(&fake.listener, &scene.place);
}

static void a_thousand_dead_sockets(void)
{
	char name[48];
	int i, fd, dir = plx_place_dir(&scene.place, false);

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "1-%016x.sock", i + 1);
		fd = plx_sys_socket();
		MUST(plx_sys_bind(fd, dir, name) == 0);
		close(fd);
	}
	appear_as(any());
	plx_listener_close(&fake.listener, &scene.place);
}

static void appears_and_disappears(void)
{
	for (;;) {
		appear_as(any());
		plx_listener_close(&fake.listener, &scene.place);
	}
}

/* ---- attacks: after the grant ---------------------------------------------------------------------------------- */

static void say_to_both(const void *bytes, size_t size, unsigned int fds)
{
	int i;

	for (i = 0; i < fake.count; i++)
		(void)!liar_send(fake.connections[i], bytes, size, STDERR_FILENO, fds);
}

static void *wake_for_ever(void *arg)
{
	int fd = *(int *)arg;

	for (;;)
		(void)!send(fd, "", 1, MSG_NOSIGNAL);
	return NULL;
}

/* Several send as fast as they can: the reader's queue is never empty. */
static void wakes_without_end(void)
{
	pthread_t thread;
	int i;

	begin_honestly();
	for (i = 0; i < 2 * MODES; i++) {
		fcntl(fake.connections[i % MODES], F_SETFL, 0);
		MUST(pthread_create(&thread, NULL, wake_for_ever, &fake.connections[i % MODES]) == 0);
	}
}

static void *ring_for_ever(void *arg)
{
	const uint64_t one = 1;

	(void)arg;
	for (;;)
		(void)!write(fake.alarm, &one, sizeof(one));
	return NULL;
}

/* It rings and rings, and there is never anything. */
static void an_alarm_without_end(void)
{
	pthread_t thread;

	begin_honestly();
	MUST(pthread_create(&thread, NULL, ring_for_ever, NULL) == 0);
}

static void a_long_packet_after_the_grant(void)
{
	begin_honestly();
	say_to_both("hello again", 11, 0);
}

static void a_second_grant(void)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];

	begin_honestly();
	say_to_both(bytes, grant_bytes(bytes, 0), PLX_GRANT_FDS);
}

static void descriptors_with_a_wake(void)
{
	begin_honestly();
	say_to_both("", 1, 100);
}

static void lets_go_with_an_odd_number(void)
{
	begin_honestly();
	say_to_both("\xfe", 1, 0);
}

static void lets_go_without_need(void)
{
	begin_honestly();
	put_some();
	say_to_both("\x6e", 1, 0);
}

static void dies_in_the_middle(void)
{
	begin_honestly();
	put_some();
	raise(SIGKILL);
}

static void stops_in_the_middle(void)
{
	begin_honestly();
	put_some();
	raise(SIGSTOP);
}

static void hangs_up_and_goes_on_writing(void)
{
	begin_honestly();
	close(fake.connections[0]);
	close(fake.connections[1]);
	for (;;) {
		put(PLX_SLOT_NONE, 40, 0);
		usleep(100);
	}
}

static void messages_without_end(void)
{
	begin_honestly();
	for (;;)
		put((uint32_t)(any() % SLOTS), SLOT_SIZE, 0);
}

#define ENTRY(name, slot, length, flags)                                                                     \
	static void entry_##name(void)                                                                       \
	{                                                                                                    \
		begin_honestly();                                                                            \
		put_some();                                                                                  \
		put((slot), (length), (flags));                                                              \
	}
ENTRY(of_the_slot_after_the_last, SLOTS, 8, 0)
ENTRY(of_a_slot_far_away, 0x7fffffff, 8, 0)
ENTRY(of_the_slot_before_none, PLX_SLOT_NONE - 1, 8, 0)
ENTRY(longer_than_a_slot, 3, SLOT_SIZE + 1, 0)
ENTRY(of_four_gigabytes, 3, UINT32_MAX, 0)
ENTRY(longer_than_an_entry, PLX_SLOT_NONE, 41, 0)
ENTRY(of_four_gigabytes_inside, PLX_SLOT_NONE, UINT32_MAX, 0)
ENTRY(stamped_and_longer_than_that_leaves, PLX_SLOT_NONE, 33, PLX_BUFFER_STAMPED)

/* What the reader checked changes before it uses it. */
static void entries_that_flip(void)
{
	struct plx_entry *e;
	int i;

	begin_honestly();
	for (;;) {
		put(3, SLOT_SIZE, 0);
		e = &fake.log[(fake.next - 1) % DEPTH];
		for (i = 0; i < 50; i++) {
			WRITE(e->place, 3 | (uint64_t)UINT32_MAX << 32);
			WRITE(e->place, 0x7fffffff | (uint64_t)SLOT_SIZE << 32);
			WRITE(e->place, 3 | (uint64_t)SLOT_SIZE << 32);
		}
	}
}

static void payloads_that_flip(void)
{
	uint64_t *words;
	int i;

	begin_honestly();
	words = (uint64_t *)(void *)fake.slots;
	for (;;) {
		put((uint32_t)(fake.next % SLOTS), SLOT_SIZE, 0);
		for (i = 0; i < 100; i++)
			WRITE(words[any() % (SLOTS * SLOT_SIZE / 8)], any());
	}
}

static void a_sequence_far_ahead(void)
{
	begin_honestly();
	put_some();
	WRITE(fake.log[fake.next % DEPTH].sequence, fake.next + 1000);
}

static void sequences_that_flip(void)
{
	int i;

	begin_honestly();
	for (;;)
		for (i = 0; i < (int)DEPTH; i++)
			WRITE(fake.log[i].sequence, any() >> (any() % 64));
}

static void a_tail_beyond_all(void)
{
	begin_honestly();
	WRITE(fake.head->tail, PLX_POSITION_MAX * 2 - 1);
	for (;;) {
		put(PLX_SLOT_NONE, 40, 0);
		usleep(50);
	}
}

static void heads_that_flip(void)
{
	begin_honestly();
	for (;;) {
		WRITE(fake.head->head, any());
		WRITE(fake.head->tail, any() >> (any() % 64));
		put(PLX_SLOT_NONE, 40, 0);
	}
}

static void attention_that_flips(void)
{
	begin_honestly();
	for (;;) {
		WRITE(fake.head->attention, any() & ~PLX_ATTENTION_ENDED);
		WRITE(fake.head->wanted, any());
		put(PLX_SLOT_NONE, 40, 0);
	}
}

static void always_waiting(void)
{
	begin_honestly();
	WRITE(fake.head->attention, PLX_ATTENTION_WAITING);
	for (;;) {
		WRITE(fake.head->wanted, fake.next);
		put((uint32_t)(fake.next % SLOTS), SLOT_SIZE, 0);
		usleep(20);
	}
}

static void end_with(uint64_t position, int64_t reason)
{
	WRITE(fake.head->end_position, position);
	WRITE(fake.head->end_reason, reason);
	__atomic_store_n(&fake.head->attention, PLX_ATTENTION_ENDED, __ATOMIC_RELEASE);
}

static void ends_regularly(void)
{
	begin_honestly();
	put_some();
	end_with(fake.next, 0);
}

static void ends_for_a_reason_of_its_own(void)
{
	begin_honestly();
	put_some();
	end_with(fake.next, 12345678901);
}

static void ends_for_a_reason_too_low(void)
{
	begin_honestly();
	put_some();
	end_with(fake.next, INT64_MIN);
}

static void ends_before_it_began(void)
{
	begin_honestly();
	put_some();
	sleep_ms(100);
	end_with(2, 0);
}

static void ends_in_the_far_future(void)
{
	begin_honestly();
	put_some();
	end_with(fake.next + 1000000, 0);
}

static void ends_again_and_again(void)
{
	begin_honestly();
	for (;;) {
		put(PLX_SLOT_NONE, 40, 0);
		end_with(any(), (int64_t)any());
		WRITE(fake.head->attention, 0);
	}
}

static void noise_all_over_the_data(void)
{
	uint64_t *words;

	begin_honestly();
	words = fake.data.base;
	for (;;)
		WRITE(words[any() % (fake.data.size / 8)], any() >> (any() % 64));
}

static void noise_all_over_the_log(void)
{
	uint64_t *words;

	begin_honestly();
	words = (uint64_t *)fake.log;
	for (;;) {
		put((uint32_t)(any() % (SLOTS + 2)), (uint32_t)(any() % (SLOT_SIZE + 20)), (uint32_t)any());
		WRITE(words[any() % (DEPTH * 8)], any() >> (any() % 64));
	}
}

static void noise_all_over_the_links(void)
{
	uint64_t *words;

	begin_honestly();
	for (;;) {
		words = fake.link[any() % 2].base;
		WRITE(words[any() % (fake.link[0].size / 8)], any());
		put((uint32_t)(any() % SLOTS), 100, 0);
		usleep(10);
	}
}

/* The size is sealed, so nothing can end in SIGBUS. */
static void cuts_what_it_gave(void)
{
	begin_honestly();
	put_some();
	(void)!ftruncate(fake.data.fd, 0);
	(void)!ftruncate(fake.link[0].fd, 0);
	(void)!fallocate(fake.data.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)fake.data.size);
	(void)!fallocate(fake.link[0].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 (off_t)fake.link[0].size);
	(void)!madvise(fake.data.base, fake.data.size, MADV_REMOVE);
	(void)!madvise(fake.link[1].base, fake.link[1].size, MADV_REMOVE);
	for (;;) {
		put(2, 100, 0);
		usleep(100);
	}
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

#define ATTACK(f, outcome, error)                                                                            \
	{                                                                                                    \
#f, f, outcome, error                                                                        \
	}

static const struct attack ATTACKS[] = {
	ATTACK(never_answers, REFUSED, -ETIMEDOUT),
	ATTACK(accepts_and_says_nothing_stopped, REFUSED, -ETIMEDOUT),
	ATTACK(hangs_up, REFUSED, -EPIPE),
	ATTACK(answers_with_garbage, REFUSED, -EPROTO),
	ATTACK(answers_with_a_wake_byte, REFUSED, -EPROTO),
	ATTACK(answers_with_an_echo, REFUSED, -EPROTO),
	ATTACK(answers_with_too_much, REFUSED, -EBADMSG),
	ATTACK(answers_with_253_descriptors, REFUSED, -EBADMSG),
	ATTACK(asks_for_a_key, REFUSED, -EKEYREJECTED),
	ATTACK(refuses_in_good_form, REFUSED, -EACCES),
	ATTACK(refuses_with_colours, REFUSED, -EBADMSG),
	ATTACK(refuses_for_no_reason, REFUSED, -EBADMSG),
	ATTACK(refuses_with_descriptors, REFUSED, -EPROTO),

	ATTACK(a_grant_cut_short, REFUSED, -EBADMSG),
	ATTACK(a_grant_and_more, REFUSED, -EBADMSG),
	ATTACK(a_grant_and_far_too_much, REFUSED, -EBADMSG),
	ATTACK(a_grant_without_descriptors, REFUSED, -EPROTO),
	ATTACK(a_grant_with_one_descriptor, REFUSED, -EBADMSG),
	ATTACK(a_grant_with_two_descriptors, REFUSED, -EBADMSG),
	ATTACK(a_grant_with_four_descriptors, REFUSED, -EBADMSG),
	ATTACK(a_grant_with_eight_descriptors, REFUSED, -EBADMSG),
	ATTACK(data_and_link_swapped, REFUSED, 0),
	ATTACK(the_same_descriptor_twice, REFUSED, 0),
	ATTACK(a_grant_of_another_type, REFUSED, -EPROTOTYPE),
	ATTACK(a_grant_of_huge_depth, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_more_slots_than_fit, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_larger_slots_than_fit, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_a_little_larger_slots, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_deeper_log, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_terabytes, REFUSED, -ERANGE),
	ATTACK(a_grant_of_another_segment, REFUSED, -EBADMSG),
	ATTACK(a_grant_of_another_link, REFUSED, -EBADMSG),
	ATTACK(a_grant_that_starts_at_the_end_of_time, REFUSED, -EBADMSG),
	ATTACK(a_grant_with_flags, REFUSED, -EBADMSG),
	ATTACK(in_somebody_elses_name, REFUSED, -EBADMSG),
	ATTACK(a_segment_of_another_id, REFUSED, -EBADMSG),

	ATTACK(data_is_of_a_pipe, REFUSED, -EINVAL),
	ATTACK(data_is_of_dev_zero, REFUSED, -EINVAL),
	ATTACK(data_is_of_a_file, REFUSED, 0),
	ATTACK(data_is_of_a_directory, REFUSED, 0),
	ATTACK(data_is_of_a_path, REFUSED, 0),
	ATTACK(data_is_of_an_event, REFUSED, -EINVAL),
	ATTACK(data_is_of_a_socket, REFUSED, -EINVAL),
	ATTACK(data_is_of_itself_unsealed, REFUSED, -EPERM),
	ATTACK(data_is_that_may_shrink, REFUSED, -EPERM),
	ATTACK(data_is_that_may_be_sealed_more, REFUSED, -EPERM),
	ATTACK(data_is_that_others_may_write, REFUSED, -EPERM),
	ATTACK(data_is_too_small, REFUSED, -ERANGE),
	ATTACK(data_is_of_one_page, REFUSED, -ERANGE),
	ATTACK(data_is_of_nothing, REFUSED, -ERANGE),
	ATTACK(data_is_too_large, REFUSED, -ERANGE),
	ATTACK(data_is_of_holes, REFUSED, -ERANGE),
	ATTACK(alarm_is_of_a_file, REFUSED, -EBADMSG),
	ATTACK(alarm_is_of_a_pipe, SURVIVE, 0),
	ATTACK(link_is_unsealed, REFUSED, -EPERM),
	ATTACK(link_is_read_only, REFUSED, 0),
	ATTACK(link_is_nobody_may_write, REFUSED, 0),
	ATTACK(link_is_of_one_byte, REFUSED, -ERANGE),

	ATTACK(header_without_magic, REFUSED, -EPROTO),
	ATTACK(header_of_another_layout, REFUSED, -EPROTO),
	ATTACK(header_of_another_version, REFUSED, -EPROTO),
	ATTACK(header_of_another_kind, REFUSED, -EPROTO),
	ATTACK(header_of_a_link, REFUSED, -EPROTO),
	ATTACK(header_of_another_size, REFUSED, 0),
	ATTACK(header_of_no_id, REFUSED, 0),
	ATTACK(header_of_many_blocks, REFUSED, -EBADMSG),
	ATTACK(header_of_no_blocks, REFUSED, 0),
	ATTACK(header_with_a_block_outside, REFUSED, -EBADMSG),
	ATTACK(header_with_a_block_that_overflows, REFUSED, -EBADMSG),
	ATTACK(header_with_a_block_at_the_end_of_memory, REFUSED, -EBADMSG),
	ATTACK(header_with_a_crooked_block, REFUSED, -EBADMSG),
	ATTACK(header_with_a_block_on_the_header, REFUSED, -EBADMSG),
	ATTACK(header_with_a_short_log, REFUSED, -EBADMSG),
	ATTACK(header_with_a_short_head, REFUSED, -EBADMSG),
	ATTACK(header_with_few_slots, REFUSED, -EBADMSG),
	ATTACK(header_without_a_log, REFUSED, -EBADMSG),
	ATTACK(header_with_names_without_an_end, REFUSED, -EBADMSG),

	ATTACK(odd_things_in_the_directory, SURVIVE, 0),
	ATTACK(a_thousand_dead_sockets, SURVIVE, 0),
	ATTACK(appears_and_disappears, SURVIVE, 0),

	ATTACK(wakes_without_end, SURVIVE, 0),
	ATTACK(an_alarm_without_end, SURVIVE, 0),
	ATTACK(a_long_packet_after_the_grant, ENDED, -EBADMSG),
	ATTACK(a_second_grant, ENDED, -EBADMSG),
	ATTACK(descriptors_with_a_wake, ENDED, -EBADMSG),
	ATTACK(lets_go_with_an_odd_number, ENDED, -0xfe),
	ATTACK(lets_go_without_need, ENDED, -ETIMEDOUT),
	ATTACK(dies_in_the_middle, ENDED, -EPIPE),
	ATTACK(stops_in_the_middle, SURVIVE, 0),
	ATTACK(hangs_up_and_goes_on_writing, SURVIVE, 0),
	ATTACK(messages_without_end, SURVIVE, 0),
	ATTACK(entry_of_the_slot_after_the_last, ENDED, -EBADMSG),
	ATTACK(entry_of_a_slot_far_away, ENDED, -EBADMSG),
	ATTACK(entry_of_the_slot_before_none, ENDED, -EBADMSG),
	ATTACK(entry_longer_than_a_slot, ENDED, -EBADMSG),
	ATTACK(entry_of_four_gigabytes, ENDED, -EBADMSG),
	ATTACK(entry_longer_than_an_entry, ENDED, -EBADMSG),
	ATTACK(entry_of_four_gigabytes_inside, ENDED, -EBADMSG),
	ATTACK(entry_stamped_and_longer_than_that_leaves, ENDED, -EBADMSG),
	ATTACK(entries_that_flip, SURVIVE, 0),
	ATTACK(payloads_that_flip, SURVIVE, 0),
	ATTACK(a_sequence_far_ahead, ENDED, -EBADMSG),
	ATTACK(sequences_that_flip, SURVIVE, 0),
	ATTACK(a_tail_beyond_all, SURVIVE, 0),
	ATTACK(heads_that_flip, SURVIVE, 0),
	ATTACK(attention_that_flips, SURVIVE, 0),
	ATTACK(always_waiting, SURVIVE, 0),
	ATTACK(ends_regularly, ENDED, -ESHUTDOWN),
	ATTACK(ends_for_a_reason_of_its_own, ENDED, -EBADMSG),
	ATTACK(ends_for_a_reason_too_low, ENDED, -EBADMSG),
	ATTACK(ends_before_it_began, ENDED, -EBADMSG),
	ATTACK(ends_in_the_far_future, ENDED, -EBADMSG),
	ATTACK(ends_again_and_again, SURVIVE, 0),
	ATTACK(noise_all_over_the_data, SURVIVE, 0),
	ATTACK(noise_all_over_the_log, SURVIVE, 0),
	ATTACK(noise_all_over_the_links, SURVIVE, 0),
	ATTACK(cuts_what_it_gave, SURVIVE, 0),
};

/* ---- the subscribers ------------------------------------------------------------------------------------------- */

static int scene_open(void **state)
{
	struct plx_subscriber_options opt = { .type = NUMBERED_TYPE };
	struct plx_sightings list = PLX_SIGHTINGS_NONE;
	int i;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	scene.dir = make_directory();
	scene.stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(scene.stop != MAP_FAILED);
	assert_int_equal(plx_place_open(&scene.place, scene.dir, TOPIC), 0);
	fflush(NULL);
	scene.publisher = fork();
	assert_true(scene.publisher >= 0);
	if (scene.publisher == 0) {
		die_as_others_do();
		_exit(publisher_run());
	}
	for (i = 0; i < 10000 && list.count == 0; i++) {
		sleep_ms(1);
		plx_sightings_free(&list);
		assert_int_equal(plx_place_list(&scene.place, &list), 0);
	}
	assert_int_equal(list.count, 1);
	scene.honest_id = list.items[0].id;
	plx_sightings_free(&list);
	opt.directory = scene.dir;
	for (i = 0; i < MODES; i++) {
		opt.reading = i == LOSSY ? PLX_READ_LOSSY : PLX_READ_RELIABLE;
		assert_int_equal(plx_subscriber_open(&scene.subs[i], TOPIC, &opt), 0);
		scene.next[i] = UINT64_MAX;
	}
	return 0;
}

static void the_honest_end_well(void **state)
{
	int i, status;

	(void)state;
	for (i = 0; i < MODES; i++) {
		plx_subscriber_close(scene.subs[i]);
		scene.subs[i] = NULL;
	}
	WRITE(*scene.stop, 1);
	assert_int_equal(waitpid(scene.publisher, &status, 0), scene.publisher);
	assert_int_equal(status, 0);
}

/* Kill it; how it ended. */
static int liar_end(void)
{
	int status = 0;

	if (scene.liar > 0) {
		kill(scene.liar, SIGKILL);
		waitpid(scene.liar, &status, 0);
	}
	scene.liar = 0;
	return status;
}

static int scene_close(void **state)
{
	(void)state;
	liar_end();
	if (child_alive(scene.publisher)) {
		kill(scene.publisher, SIGKILL);
		waitpid(scene.publisher, NULL, 0);
	}
	plx_place_close(&scene.place);
	drop_directory(scene.dir);
	munmap(scene.stop, 4096);
	return 0;
}

/* What one subscriber has seen of an attack. */
struct seen {
	uint32_t refused_before;
	bool refused, ended;
	int refused_why, ended_why;
};

static uint64_t sum; /* of all payloads: every byte is read */

static void use(enum mode mode, struct plx_buffer *b)
{
	const unsigned char *bytes = b->data;
	uint64_t i;

	if (b->publisher == scene.honest_id) {
		assert_true(numbered_good(b));
		if (scene.next[mode] != UINT64_MAX && mode == RELIABLE)
			assert_int_equal(b->sequence, scene.next[mode]);
		scene.next[mode] = b->sequence + 1;
		scene.count[mode]++;
	} else {
		assert_true(b->length <= SLOT_SIZE);
		for (i = 0; i < b->length; i++)
			sum += bytes[i];
	}
	plx_buffer_release(b);
}

/* Read for a moment. */
static void read_on(enum mode mode, struct seen *seen)
{
	struct plx_subscriber *sub = scene.subs[mode];
	struct plx_subscriber_stats stats;
	struct plx_stream_end end;
	struct plx_buffer b;
	int i, ret;

	for (i = 0; i < 200; i++) {
		ret = plx_subscriber_take(sub, &b);
		if (ret == 0)
			break;
		if (ret == 1) {
			use(mode, &b);
			continue;
		}
		end = plx_subscriber_ended(sub);
		assert_int_not_equal(end.publisher, scene.honest_id);
		assert_int_equal(end.reason, ret);
		seen->ended = true;
		seen->ended_why = ret;
	}
	plx_subscriber_stats(sub, &stats);
	if (stats.refused != seen->refused_before) {
		seen->refused = true;
		seen->refused_why = stats.refused_why;
	}
	ret = plx_subscriber_wait(sub, 1000000);
	assert_true(ret == 0 || ret == -ETIMEDOUT);
}

static bool came_out(const struct attack *attack, const struct seen *seen)
{
	switch (attack->outcome) {
	case REFUSED: return seen->refused;
	case ENDED: return seen->ended;
	case ANY_ENDS: return seen->refused || seen->ended;
	default: return true;
	}
}

static void judge(const struct attack *attack, enum mode mode, const struct seen *seen)
{
	int why = attack->outcome == REFUSED ? seen->refused_why : seen->ended_why;

	if (!came_out(attack, seen))
		fail_msg("%s, %s: neither a refusal nor an end", attack->name,
			 mode == LOSSY ? "lossy" : "reliable");
	if (attack->outcome == SURVIVE || attack->outcome == ANY_ENDS)
		return;
	if (why >= 0 || (attack->error && why != attack->error))
		fail_msg("%s, %s: %d, not %d", attack->name, mode == LOSSY ? "lossy" : "reliable", why,
			 attack->error);
}

static pid_t liar_start(const struct attack *attack)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	die_as_others_do();
	close_range(3, ~0u, 0); /* the subscribers' sockets above all */
	memset(&fake, 0, sizeof(fake));
	memset(&lie, 0, sizeof(lie));
	fake.noise = 0x9e3779b97f4a7c15 ^ (uint64_t)getpid() << 32;
	fake.listener = PLX_LISTENER_NONE;
	lie.fds = PLX_GRANT_FDS;
	attack->run();
	for (;;)
		pause();
}

/* What L left in the directory goes with it. */
static void sweep_up(void)
{
	char command[4200];

	snprintf(command, sizeof(command),
		 "cd '%s/hostile+publishers' && find . -mindepth 1 ! -name '*-%016llx.sock' -delete",
		 scene.dir, (unsigned long long)scene.honest_id);
	assert_int_equal(system(command), 0);
}

static uint32_t publishers(enum mode mode)
{
	struct plx_subscriber_stats stats;

	plx_subscriber_stats(scene.subs[mode], &stats);
	return stats.publishers;
}

static void run_attack(const struct attack *attack)
{
	struct seen seen[MODES] = { 0 };
	struct plx_subscriber_stats stats;
	uint64_t count[MODES], end;
	int i, status, fds = count_open_fds(), maps = count_maps("memfd:");

	for (i = 0; i < MODES; i++) {
		plx_subscriber_stats(scene.subs[i], &stats);
		seen[i].refused_before = stats.refused;
		count[i] = scene.count[i];
	}
	scene.liar = liar_start(attack);
	end = plx_now_ns() + (attack->outcome == SURVIVE ? UINT64_C(150000000) : UINT64_C(20000000000));
	while (plx_now_ns() < end) {
		read_on(RELIABLE, &seen[RELIABLE]);
		read_on(LOSSY, &seen[LOSSY]);
		if (attack->outcome != SURVIVE && came_out(attack, &seen[RELIABLE]) &&
		    came_out(attack, &seen[LOSSY]))
			break;
	}
	/* beside the liar, the honest publisher is heard */
	for (end = plx_now_ns() + UINT64_C(10000000000); plx_now_ns() < end;) {
		if (scene.count[RELIABLE] > count[RELIABLE] + 20 && scene.count[LOSSY] > count[LOSSY] + 20)
			break;
		read_on(RELIABLE, &seen[RELIABLE]);
		read_on(LOSSY, &seen[LOSSY]);
	}
	for (i = 0; i < MODES; i++) {
		assert_true(scene.count[i] > count[i] + 20);
		judge(attack, i, &seen[i]);
	}
	status = liar_end();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* the liar did what it should */
	sweep_up();
	for (end = plx_now_ns() + UINT64_C(5000000000); plx_now_ns() < end;) {
		if (publishers(RELIABLE) == 1 && publishers(LOSSY) == 1 && count_open_fds() == fds &&
		    count_maps("memfd:") == maps)
			break;
		read_on(RELIABLE, &seen[RELIABLE]);
		read_on(LOSSY, &seen[LOSSY]);
	}
	assert_int_equal(publishers(RELIABLE), 1);
	assert_int_equal(publishers(LOSSY), 1);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(count_maps("memfd:"), maps);
}

static void liars_are_left_and_the_honest_are_heard(void **state)
{
	struct seen seen = { 0 };
	const char *only = getenv("ATTACK");
	size_t i;

	(void)state;
	while (scene.count[RELIABLE] < 10 || scene.count[LOSSY] < 10) {
		read_on(RELIABLE, &seen);
		read_on(LOSSY, &seen);
	}
	for (i = 0; i < COUNT_OF(ATTACKS); i++) {
		uint64_t before = plx_now_ns();

		if (only && !strstr(ATTACKS[i].name, only))
			continue;
		print_message("attack: %s\n", ATTACKS[i].name); /* the last one is the one that failed */
		run_attack(&ATTACKS[i]);
		if (getenv("ATTACK_TIMES"))
			print_message("  %llu ms\n", (unsigned long long)((plx_now_ns() - before) / 1000000));
	}
	assert_int_not_equal(sum, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(liars_are_left_and_the_honest_are_heard),
		cmocka_unit_test(the_honest_end_well),
	};

	return cmocka_run_group_tests_name("hostile publishers", tests, scene_open, scene_close);
}

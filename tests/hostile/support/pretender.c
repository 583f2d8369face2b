/* pretender.c - a liar who publishes. */
#include "tests/hostile/support/pretender.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct fake fake;
struct lie lie;

void pretend(void)
{
	fake = (struct fake){ .noise = 0x9e3779b97f4a7c15 ^ (uint64_t)getpid() << 32,
			      .listener = PLX_LISTENER_NONE };
	lie = (struct lie){ .fds = PLX_GRANT_FDS };
}

static uint64_t id_of(const struct plx_segment *seg)
{
	struct plx_segment_info info;

	MUST(plx_segment_info(seg, &info) == 0);
	return info.id;
}

static const struct plx_block BLOCKS[] = {
	{ .name = PLX_TOPIC_BLOCK_HEAD, .size = sizeof(struct plx_topic_head) },
	{ .name = PLX_TOPIC_BLOCK_LOG, .size = DEPTH * sizeof(struct plx_entry) },
	{ .name = PLX_TOPIC_BLOCK_BITMAP, .size = 128 },
	{ .name = PLX_TOPIC_BLOCK_SLOTS, .size = SLOTS * SLOT_SIZE },
};

void make_data(void)
{
	const size_t n = COUNT_OF(BLOCKS);

	MUST(plx_segment_create(&fake.data, "memfd", "topic:liar", plx_segment_need(BLOCKS, n), 0) == 0);
	MUST(plx_segment_format(&fake.data, PLX_KIND_TOPIC, PLX_TOPIC_VERSION, PRETENDER_TOPIC, BLOCKS, n) ==
	     0);
	fake.head = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_HEAD, NULL);
	fake.log = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_LOG, NULL);
	fake.slots = plx_segment_block(&fake.data, PLX_TOPIC_BLOCK_SLOTS, NULL);
	*fake.head = (struct plx_topic_head){ .depth = DEPTH,
					      .slots = SLOTS,
					      .slot_size = SLOT_SIZE,
					      .stride = SLOT_SIZE,
					      .type = NUMBERED_TYPE,
					      .quota = 4,
					      .subscribers_max = 8 };
}

void seal_data(void)
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
	MUST(plx_segment_format(&fake.link[i], PLX_KIND_LINK, PLX_LINK_VERSION, PRETENDER_TOPIC, blocks, 2) ==
	     0);
	fake.link_id[i] = id_of(&fake.link[i]);
}

void settle_grant(void)
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

void appear_as(uint64_t id)
{
	MUST(plx_listener_open(&fake.listener, &crowd.place, id) == 0);
}

int next_guest(unsigned char *bytes)
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

uint32_t grant_bytes(unsigned char *bytes, int i)
{
	fake.grant.link = fake.link_id[i];
	fake.grant.link_size = fake.link[i].size;
	return plx_grant_encode(bytes, &fake.grant);
}

void answer_both(void (*answer)(int fd, int i))
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fd;

	while (fake.count < PRETENDER_GUESTS) {
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

void grant_honestly(int fd, int i)
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

void begin_honestly(void)
{
	make_data();
	settle_grant();
	seal_data();
	appear_as(fake.grant.segment);
	answer_both(grant_honestly);
}

void put(uint32_t slot, uint32_t length, uint32_t flags)
{
	struct plx_entry *e = &fake.log[fake.next % DEPTH];

	WRITE(e->place, slot | (uint64_t)length << 32);
	WRITE(e->meta, NUMBERED_TYPE | (uint64_t)flags << 32);
	__atomic_store_n(&e->sequence, ++fake.next, __ATOMIC_RELEASE);
	__atomic_store_n(&fake.head->head, fake.next, __ATOMIC_RELEASE);
}

void put_some(void)
{
	int i;

	for (i = 0; i < 10; i++)
		put(i % 2 ? (uint32_t)i : PLX_SLOT_NONE, i % 2 ? SLOT_SIZE : 40, 0);
}

uint64_t any(void)
{
	return noise(&fake.noise);
}

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

void grant_falsely(void)
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

void answer_with(const void *answer, size_t size, int passed, unsigned int fds)
{
	unsigned char bytes[PLX_HANDSHAKE_MAX];
	int fd;

	appear_as(any());
	while (fake.count < PRETENDER_CONNECTIONS) {
		fd = next_guest(bytes);
		if (fd < 0)
			continue;
		(void)!liar_send(fd, answer, size, passed, fds);
		fake.connections[fake.count++] = fd;
	}
}

void say_to_both(const void *bytes, size_t size, unsigned int fds)
{
	for (int i = 0; i < fake.count; i++)
		(void)!liar_send(fake.connections[i], bytes, size, STDERR_FILENO, fds);
}

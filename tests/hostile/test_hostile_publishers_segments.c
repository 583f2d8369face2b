/*
 * test_hostile_publishers_segments.c - a liar grants segments that are none. Timeout: 120
 *
 * What is no memory, or not sealed, or too small; and headers that say what is not so. See support/audience.h.
 */
#include "tests/hostile/support/audience.h"

#include "mem/segment_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* ---- attacks: descriptors -------------------------------------------------------------------------------------- */

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

	snprintf(path, sizeof(path), "%s/file", crowd.dir);
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

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
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
};

int main(void)
{
	return AUDIENCE_RUN("hostile publishers: segments", ATTACKS);
}

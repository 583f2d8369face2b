/*
 * test_hostile_publishers_streams.c - a liar grants honestly, and then writes what it likes. Timeout: 120
 *
 * To the socket, to the alarm, to the log, all over its segments. See support/audience.h.
 */
#include "tests/hostile/support/audience.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* ---- attacks: the socket --------------------------------------------------------------------------------------- */

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
	for (i = 0; i < 2 * PRETENDER_GUESTS; i++) {
		fcntl(fake.connections[i % PRETENDER_GUESTS], F_SETFL, 0);
		MUST(pthread_create(&thread, NULL, wake_for_ever, &fake.connections[i % PRETENDER_GUESTS]) ==
		     0);
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

/* ---- attacks: what is shared ----------------------------------------------------------------------------------- */

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

static const struct attack ATTACKS[] = {
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

int main(void)
{
	return AUDIENCE_RUN("hostile publishers: streams", ATTACKS);
}

/*
 * test_hostile_publishers_grants.c - a liar grants what is not so. Timeout: 120
 *
 * A field of the grant, its length, its descriptors. See support/audience.h.
 */
#include "tests/hostile/support/audience.h"

#include <errno.h>

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

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static const struct attack ATTACKS[] = {
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
};

int main(void)
{
	return AUDIENCE_RUN("hostile publishers: grants", ATTACKS);
}

/* counted.h - the long ways under names of our own that count, for tests that ask which way something went. */
#ifndef TESTS_TOPIC_COUNTED_H
#define TESTS_TOPIC_COUNTED_H

/* What is inlined calls these; to be included instead of pair.h, before anything of <plx/>. */
#define plx_publisher_loan_slowly    counted_loan
#define plx_publisher_drop_slowly    counted_drop
#define plx_publisher_publish_slowly counted_publish
#define plx_publisher_send_slowly    counted_send
#define plx_subscriber_take_slowly   counted_take
#define plx_buffer_release_slowly    counted_release
#include "tests/libshm/topic/pair.h"
#undef plx_publisher_loan_slowly
#undef plx_publisher_drop_slowly
#undef plx_publisher_publish_slowly
#undef plx_publisher_send_slowly
#undef plx_subscriber_take_slowly
#undef plx_buffer_release_slowly

int plx_publisher_loan_slowly(struct plx_publisher *pub, struct plx_loan *loan);
void plx_publisher_drop_slowly(struct plx_publisher *pub, struct plx_loan *loan);
int plx_publisher_publish_slowly(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length);
int plx_publisher_send_slowly(struct plx_publisher *pub, const void *data, uint64_t length);
int plx_subscriber_take_slowly(struct plx_subscriber *sub, struct plx_buffer *buffer);
void plx_buffer_release_slowly(struct plx_holder *holder);

static struct {
	int loans, drops, publishes, sends, takes, releases;
} counted;

int counted_loan(struct plx_publisher *pub, struct plx_loan *loan)
{
	counted.loans++;
	return plx_publisher_loan_slowly(pub, loan);
}

void counted_drop(struct plx_publisher *pub, struct plx_loan *loan)
{
	counted.drops++;
	plx_publisher_drop_slowly(pub, loan);
}

int counted_publish(struct plx_publisher *pub, struct plx_loan *loan, uint64_t length)
{
	counted.publishes++;
	return plx_publisher_publish_slowly(pub, loan, length);
}

int counted_send(struct plx_publisher *pub, const void *data, uint64_t length)
{
	counted.sends++;
	return plx_publisher_send_slowly(pub, data, length);
}

int counted_take(struct plx_subscriber *sub, struct plx_buffer *buffer)
{
	counted.takes++;
	return plx_subscriber_take_slowly(sub, buffer);
}

void counted_release(struct plx_holder *holder)
{
	counted.releases++;
	plx_buffer_release_slowly(holder);
}

#endif

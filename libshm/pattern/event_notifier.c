/*
 * event_notifier.c - count, and publish all counts.
 *
 * Readers are lossy: nobody can make us wait. A slot is busy only while a listener copies from it; one that is stopped in the
 * middle of that holds one of SLOTS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/publisher.h>

#include "pattern/event_layout.h"

#define SLOTS 128u
#define DEPTH 16u

struct plx_event_notifier {
	struct plx_publisher *pub;
	struct plx_event_message all;
};

static int tell(struct plx_event_notifier *n)
{
	uint64_t size = plx_event_size(n->all.ids);
	struct plx_loan loan;
	int ret = plx_publisher_loan(n->pub, &loan);

	if (ret < 0)
		return ret;
	memcpy(loan.data, &n->all, size);
	ret = plx_publisher_publish(n->pub, &loan, size);
	if (ret < 0)
		plx_publisher_drop(n->pub, &loan);
	return ret;
}

static void count(struct plx_event_notifier *n, unsigned int id, uint64_t now)
{
	n->all.tally[id].count++;
	n->all.tally[id].time_ns = now;
}

int plx_event_notify(struct plx_event_notifier *n, unsigned int id)
{
	if (id >= n->all.ids)
		return -EINVAL;
	count(n, id, plx_now_ns());
	return tell(n);
}

int plx_event_notify_mask(struct plx_event_notifier *n, uint64_t mask)
{
	uint64_t now = plx_now_ns();

	if (n->all.ids < PLX_EVENT_IDS && mask >> n->all.ids)
		return -EINVAL;
	for (; mask; mask &= mask - 1)
		count(n, (unsigned int)__builtin_ctzll(mask), now);
	return tell(n);
}

int plx_event_notifier_wait(struct plx_event_notifier *n, uint32_t listeners, uint64_t timeout_ns)
{
	return plx_publisher_wait_subscribers(n->pub, listeners, timeout_ns);
}

int plx_event_notifier_open(struct plx_event_notifier **out, const char *topic,
			    const struct plx_event_notifier_options *opt)
{
	struct plx_event_notifier_options o = opt ? *opt : (struct plx_event_notifier_options){ 0 };
	uint32_t ids = o.ids ? o.ids : PLX_EVENT_IDS;
	struct plx_publisher_options p = { .slot_size = plx_event_size(ids),
					   .depth = DEPTH,
					   .slots = SLOTS,
					   .history = 1,
					   .full = PLX_FULL_FAIL,
					   .directory = o.directory,
					   .admit = o.admit,
					   .keys = o.keys };
	struct plx_event_notifier *n;
	int ret;

	*out = NULL;
	if (ids > PLX_EVENT_IDS)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->all.magic = PLX_EVENT_MAGIC;
	n->all.opened_ns = plx_now_ns();
	n->all.ids = ids;
	ret = plx_publisher_open(&n->pub, topic, &p);
	if (ret < 0) {
		free(n);
		return ret;
	}
	*out = n;
	return 0;
}

void plx_event_notifier_close(struct plx_event_notifier *n)
{
	if (!n)
		return;
	plx_publisher_close(n->pub);
	free(n);
}

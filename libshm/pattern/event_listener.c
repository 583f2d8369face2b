/*
 * event_listener.c - compare the counts of each notifier with what they were: what grew has happened.
 *
 *	newest message of A:  3 0 7 ...  ─┐
 *	known of A:           3 0 5 ...  ─┴─► event 2, twice ──► pending bits, counts
 *
 * Messages are foreign: copied once, checked, and a count that goes back is not believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "base/atomic.h"
#include "base/size.h"
#include "pattern/event_layout.h"

#define ARMINGS 16
#define TAKES   256 /* messages looked at in one go: a notifier that never stops does not keep us */

struct known {
	uint64_t publisher; /* id of the notifier's segment */
	uint64_t count[PLX_EVENT_IDS];
};

struct plx_event_listener {
	struct plx_subscriber *sub;
	uint64_t pending; /* happened, not taken */
	uint64_t opened_ns;
	bool past;
	struct known **known;
	uint32_t known_count, capacity;
	uint64_t count[PLX_EVENT_IDS];
};

/* ---- notifiers ------------------------------------------------------------------------------------- */

static struct known *find(const struct plx_event_listener *l, uint64_t publisher)
{
	for (uint32_t i = 0; i < l->known_count; i++) {
		if (l->known[i]->publisher == publisher)
			return l->known[i];
	}
	return NULL;
}

static struct known *add(struct plx_event_listener *l, uint64_t publisher)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k && l->known_count == l->capacity) {
		uint32_t more = l->capacity ? l->capacity * 2 : 8;
		struct known **grown = realloc(l->known, more * sizeof(struct known *));

		if (!grown) {
			free(k);
			return NULL;
		}
		l->known = grown;
		l->capacity = more;
	}
	if (!k)
		return NULL;
	k->publisher = publisher;
	l->known[l->known_count++] = k;
	return k;
}

static void forget(struct plx_event_listener *l, uint64_t publisher)
{
	for (uint32_t i = 0; i < l->known_count; i++) {
		if (l->known[i]->publisher == publisher) {
			free(l->known[i]);
			l->known[i] = l->known[--l->known_count];
			return;
		}
	}
}

/* ---- messages -------------------------------------------------------------------------------------- */

static bool read_message(struct plx_event_message *m, const struct plx_buffer *b)
{
	if (b->length < plx_event_size(1) || b->length > sizeof(*m) || b->length % 8 != 0)
		return false;
	plx_copy_once(m, b->data, b->length);
	return m->magic == PLX_EVENT_MAGIC && m->reserved == 0 && m->ids >= 1 && m->ids <= PLX_EVENT_IDS &&
	       b->length == plx_event_size(m->ids);
}

/* How much of the first tally we see happened since we were opened? */
static uint64_t since_opening(const struct plx_event_listener *l, const struct plx_event_message *m,
			      uint32_t id)
{
	const struct plx_event_tally *t = &m->tally[id];

	if (l->past || m->opened_ns >= l->opened_ns)
		return t->count;
	return t->count != 0 && t->time_ns >= l->opened_ns ? 1 : 0;
}

static void absorb(struct plx_event_listener *l, const struct plx_event_message *m, uint64_t publisher)
{
	struct known *k = find(l, publisher);
	bool first = !k;

	if (first)
		k = add(l, publisher);
	if (!k)
		return; /* the next message says the same and more */
	for (uint32_t id = 0; id < m->ids; id++) {
		uint64_t count = m->tally[id].count;
		uint64_t more = first ? since_opening(l, m, id) : count - k->count[id];

		if (more == 0 || count < k->count[id])
			continue;
		l->count[id] += more;
		l->pending |= PLX_EVENT_BIT(id);
		k->count[id] = count;
	}
	for (uint32_t id = 0; first && id < m->ids; id++)
		k->count[id] = m->tally[id].count;
}

static void collect(struct plx_event_listener *l)
{
	struct plx_event_message m;
	struct plx_buffer b;

	for (int i = 0; i < TAKES; i++) {
		int ret = plx_subscriber_take(l->sub, &b);

		if (ret == 1) {
			if (read_message(&m, &b))
				absorb(l, &m, b.publisher);
			plx_buffer_release(&b);
		} else if (ret == 0 || ret == -ENOSPC || ret == -ENOMEM) {
			return;
		} else {
			forget(l, plx_subscriber_ended(l->sub).publisher);
		}
	}
}

/* ---- listening ------------------------------------------------------------------------------------- */

uint64_t plx_event_take(struct plx_event_listener *l, uint64_t mask)
{
	uint64_t happened;

	collect(l);
	happened = l->pending & mask;
	l->pending &= ~mask;
	return happened;
}

uint64_t plx_event_count(const struct plx_event_listener *l, unsigned int id)
{
	return id < PLX_EVENT_IDS ? l->count[id] : 0;
}

int plx_event_wait(struct plx_event_listener *l, uint64_t mask, uint64_t timeout_ns, uint64_t *happened)
{
	uint64_t end, now = plx_now_ns();

	if (timeout_ns == UINT64_MAX || !plx_size_add(now, timeout_ns, &end))
		end = UINT64_MAX;
	for (;;) {
		uint64_t bits = plx_event_take(l, mask);
		int ret;

		if (bits) {
			if (happened)
				*happened = bits;
			return 0;
		}
		ret = plx_subscriber_wait(l->sub, end == UINT64_MAX ? end : end - now);
		now = plx_now_ns();
		if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
		if (now >= end) {
			bits = plx_event_take(l, mask);
			if (happened && bits)
				*happened = bits;
			return bits ? 0 : -ETIMEDOUT;
		}
	}
}

bool plx_event_arm(struct plx_event_listener *l, uint64_t mask)
{
	/* what is not wanted must not keep us awake: it becomes pending; a notifier that never stops does */
	for (int i = 0; i < ARMINGS; i++) {
		collect(l);
		if (l->pending & mask)
			return false;
		if (plx_subscriber_arm(l->sub))
			return true;
	}
	return false;
}

int plx_event_fd(const struct plx_event_listener *l)
{
	return plx_subscriber_fd(l->sub);
}

int plx_event_listener_open(struct plx_event_listener **out, const char *topic,
			    const struct plx_event_listener_options *opt)
{
	struct plx_event_listener_options o = opt ? *opt : (struct plx_event_listener_options){ 0 };
	struct plx_subscriber_options s = { .reading = PLX_READ_LOSSY,
					    .history = 1,
					    .spin_ns = o.spin_ns,
					    .directory = o.directory,
					    .admit = o.admit,
					    .keys = o.keys };
	struct plx_event_listener *l = calloc(1, sizeof(*l));
	int ret;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	l->past = o.past;
	ret = plx_subscriber_open(&l->sub, topic, &s);
	if (ret < 0) {
		free(l);
		return ret;
	}
	l->opened_ns = plx_now_ns();
	*out = l;
	return 0;
}

void plx_event_listener_close(struct plx_event_listener *l)
{
	if (!l)
		return;
	plx_subscriber_close(l->sub);
	while (l->known_count)
		free(l->known[--l->known_count]);
	free(l->known);
	free(l);
}

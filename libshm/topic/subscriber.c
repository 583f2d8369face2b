/*
 * subscriber.c - a subscriber opens, takes messages from all its publishers in turn, closes.
 */
#define PLX_NO_QUICK /* they are defined here */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "topic/subscriber_state.h"
#include "topic/take.h"

#define DEFAULT_SPIN_NS 10000u

/* ---- open, close ----------------------------------------------------------------------------------- */

static void settle_terms(struct plx_terms *terms, const char *topic, const struct plx_subscriber_options *o)
{
	*terms = (struct plx_terms){
		.reading = (uint16_t)o->reading,
		.polling = o->polling,
		.history = o->history,
		.type = o->type,
		.quota = o->quota,
		.patience_ns = o->patience_ns,
	};
	memcpy(terms->topic, topic, strlen(topic));
}

static int look_around(struct plx_subscriber *sub, const struct plx_subscriber_options *o, const char *topic)
{
	int ret = sub->epoll = plx_sys_epoll();

	if (ret < 0)
		return ret;
	ret = plx_admission_init(&sub->admission, &o->admit);
	if (ret == 0)
		ret = plx_place_open_for(&sub->place, o->directory, topic, &sub->admission, false);
	if (ret < 0)
		return ret;
	/* who is there is asked first, and answers while the rest is done; who comes meanwhile is seen by the second look */
	plx_subscriber_discover(sub);
	ret = plx_watch_open(&sub->watch, &sub->place);
	if (ret == 0 && sub->watch.fd >= 0)
		ret = plx_sys_epoll_add(sub->epoll, sub->watch.fd, EPOLLIN, PLX_SUBSCRIBER_OTHER);
	if (ret < 0)
		return ret;
	sub->timer = plx_sys_timer();
	if (sub->timer < 0)
		return sub->timer;
	ret = plx_sys_epoll_add(sub->epoll, sub->timer, EPOLLIN, PLX_SUBSCRIBER_TIMER);
	if (ret < 0)
		return ret;
	plx_subscriber_discover(sub);
	if (plx_watch_blind(&sub->watch) && sub->again_ns == UINT64_MAX)
		sub->again_ns = plx_now_ns() + PLX_WATCH_POLL_NS;
	return 0;
}

int plx_subscriber_open(struct plx_subscriber **out, const char *topic,
			const struct plx_subscriber_options *opt)
{
	struct plx_subscriber_options o = opt ? *opt : PLX_SUBSCRIBER_DEFAULTS;
	struct plx_subscriber *sub;
	int ret = plx_topic_check(topic);

	*out = NULL;
	if (ret < 0)
		return ret;
	if (o.reading != PLX_READ_RELIABLE && o.reading != PLX_READ_LOSSY)
		return -EINVAL;
	if (o.keys && plx_keys_count(o.keys) == 0)
		return -EINVAL;
	sub = calloc(1, sizeof(*sub));
	if (!sub)
		return -ENOMEM;
	sub->epoll = sub->timer = -1;
	sub->timer_ns = UINT64_MAX;
	sub->deadline_ns = o.deadline_ns;
	sub->due_ns = o.deadline_ns ? plx_now_ns() + o.deadline_ns : 0;
	sub->place = PLX_PLACE_NONE;
	sub->watch = PLX_WATCH_NONE;
	sub->again_ns = UINT64_MAX;
	sub->fast.budget = PLX_BUDGET;
	sub->spin_ns = o.spin_ns ? o.spin_ns : DEFAULT_SPIN_NS;
	sub->polling = o.polling;
	sub->confirm = o.confirm;
	sub->depth = o.reading == PLX_READ_LOSSY ? o.depth : 0;
	sub->admission = PLX_ADMISSION_NONE;
	sub->keys = o.keys;
	if (sub->keys)
		sub->self = plx_peer_self();
	settle_terms(&sub->terms, topic, &o);
	/* so that a publisher's barrier reaches us; without it, it looks at us now and then */
	(void)!plx_sys_barrier_register(PLX_SYS_BARRIER_GLOBAL);
	ret = look_around(sub, &o, topic);
	if (ret < 0) {
		plx_subscriber_close(sub);
		return ret;
	}
	*out = sub;
	return 0;
}

void plx_subscriber_close(struct plx_subscriber *sub)
{
	if (!sub)
		return;
	while (sub->count)
		plx_connection_end(sub->all[0]);
	while (sub->over) {
		struct plx_connection *c = sub->over;

		sub->over = c->next;
		plx_connection_free(c);
	}
	plx_watch_close(&sub->watch);
	if (sub->place.base)
		plx_place_leave(&sub->place);
	plx_place_close(&sub->place);
	plx_admission_fini(&sub->admission);
	plx_sys_close(sub->timer);
	plx_sys_close(sub->epoll);
	free(sub->all);
	free(sub->readers);
	free(sub->shunned);
	free(sub);
}

/* ---- take ------------------------------------------------------------------------------------------ */

/* The stream of @c is over, and take says so. */
static int end_stream(struct plx_subscriber *sub, struct plx_connection *c, int reason)
{
	sub->end = (struct plx_stream_end){
		.publisher = c->reader.id,
		.messages = plx_reader_taken(&c->reader),
		.pid = (uint32_t)c->pid,
		.reason = reason,
	};
	if (reason == -EPIPE)
		sub->died++;
	else
		sub->ended++;
	plx_connection_end(c);
	/* a publisher may give any reason; these two would say something else about the next call */
	return reason == -ENOSPC || reason == -ENOMEM ? -EIO : reason;
}

/* Take said something else than "here is a message". 0: nothing to report, 1: try again. */
static plx_cold int settle(struct plx_subscriber *sub, struct plx_connection *c, enum plx_found_what found)
{
	if (c->let_go)
		return end_stream(sub, c, c->reason);
	switch (found) {
	case PLX_READER_ENDED:
		if (plx_reader_owes(&c->reader) && !c->hung_up) /* once it is gone there is nobody to tell */
			return 0;
		return end_stream(sub, c, plx_reader_reason(&c->reader));
	case PLX_READER_ATTENTION:
	case PLX_READER_LAPPED:
	case PLX_READER_LIES: /* what looks like a lie may have been overwritten because we were let go */
		plx_connection_input(c);
		if (c->let_go)
			return end_stream(sub, c, c->reason);
		if (found != PLX_READER_ATTENTION)
			return end_stream(sub, c, -EBADMSG);
		plx_reader_heeded(&c->reader);
		return 1;
	case PLX_READER_QUOTA: return -ENOSPC;
	case PLX_READER_MEMORY: return -ENOMEM;
	default: return c->hung_up ? end_stream(sub, c, -EPIPE) : 0;
	}
}

/* One publisher. 1 with a message, 0, or negative. */
static inline int take_from(struct plx_subscriber *sub, struct plx_connection *c, struct plx_buffer *buffer)
{
	for (int tries = 0; tries < 3; tries++) {
		bool quiet = !c->let_go && !c->hung_up;
		bool over = c->let_go || (plx_mutant(MUT_LOG_NOT_DRAINED) && c->hung_up);
		enum plx_found_what found;
		int ret;

		if (plx_unlikely(sub->depth) && !over)
			plx_reader_keep_newest(&c->reader, sub->depth);
		found = over ? PLX_READER_NOTHING : plx_reader_take(&c->reader, buffer);

		if (plx_likely(found == PLX_READER_MESSAGE))
			return 1;
		if (plx_likely(found == PLX_READER_NOTHING && quiet))
			return 0;
		ret = settle(sub, c, found);
		if (ret <= 0)
			return ret;
	}
	return 0;
}

/* Time to see to everything else. */
static plx_cold void wake_up(struct plx_subscriber *sub)
{
	plx_subscriber_disarm(sub);
	plx_subscriber_progress(sub);
}

static inline bool spend(struct plx_subscriber *sub, uint32_t price)
{
	bool spent = sub->fast.budget < price;

	sub->fast.budget -= spent ? sub->fast.budget : price;
	return spent;
}

/* All publishers in turn, and what else there is to see to. */
int plx_subscriber_take_slowly(struct plx_subscriber *sub, struct plx_buffer *buffer)
{
	uint32_t price = PLX_BUDGET_EMPTY;
	int ret = 0, held_up = 0;

	if (plx_unlikely(sub->armed))
		wake_up(sub);
	for (uint32_t i = sub->reader_count; i > 0 && ret == 0; i--) {
		if (plx_unlikely(sub->turn >= sub->reader_count))
			sub->turn = 0;
		ret = take_from(sub, sub->readers[sub->turn++], buffer);
		if (plx_unlikely(ret == -ENOSPC)) {
			held_up = ret;
			ret = 0;
		}
	}
	if (ret == 1)
		price = sub->fast.on ? (uint32_t)((struct plx_reader *)(void *)sub->fast.reader)->lazy
				     : 1; /* the others came the quick way */
	else if (sub->fast.asking)
		price = PLX_BUDGET_ASKING;
	if (plx_unlikely(spend(sub, price)))
		wake_up(sub);
	return ret ? ret : held_up;
}

int plx_subscriber_take(struct plx_subscriber *sub, struct plx_buffer *buffer)
{
	return plx_quick_take(sub, buffer);
}

struct plx_stream_end plx_subscriber_ended(const struct plx_subscriber *sub)
{
	return sub->end;
}

/* ---- the rest --------------------------------------------------------------------------------------- */

int plx_subscriber_fd(const struct plx_subscriber *sub)
{
	return sub->epoll;
}

void plx_subscriber_flush(struct plx_subscriber *sub)
{
	for (uint32_t i = 0; i < sub->reader_count; i++)
		plx_reader_tell(&sub->readers[i]->reader);
}

const char *plx_subscriber_refusal(const struct plx_subscriber *sub)
{
	return sub->refused_text;
}

void plx_subscriber_stats(const struct plx_subscriber *sub, struct plx_subscriber_stats *stats)
{
	*stats = (struct plx_subscriber_stats){
		.taken = sub->taken,
		.bytes = sub->bytes,
		.lost = sub->lost,
		.slept = sub->slept,
		.missed = sub->missed,
		.publishers = sub->reader_count,
		.ended = sub->ended,
		.died = sub->died,
		.refused = sub->refused,
		.refused_why = sub->refused_why,
	};
	for (uint32_t i = 0; i < sub->reader_count; i++) {
		const struct plx_reader *r = &sub->readers[i]->reader;

		stats->taken += plx_reader_taken(r);
		stats->bytes += r->bytes;
		stats->lost += r->lost;
		stats->held += plx_reader_held(r);
	}
	for (const struct plx_connection *c = sub->over; c; c = c->next)
		stats->held += plx_reader_held(&c->reader);
}

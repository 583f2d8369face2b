/*
 * client.c - the side that asks: publishes requests, reads its own reply topic, knows which calls are under way.
 *
 *	SENT ──reply──────────────────────────► ended, handed out by poll
 *	   ├──deadline────────────► -ETIMEDOUT ──┘
 *	   └──the server is gone──► -EPIPE ──────┘
 *
 * That a server is gone is what our request topic says: whoever read it and left is one that may have had our requests. Its
 * replies are read to the end before the calls without one are given up. Replies are foreign: a tail is read once, and
 * only a call that is under way can be ended by it.
 */
#include <plx/request.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plx/process.h>
#include <plx/subscriber.h>

#include "base/atomic.h"
#include "base/size.h"
#include "pattern/request_layout.h"

#define ERROR_MAX 4095
#define TAKES     64 /* replies without a call looked at before we say that there is nothing */
#define LOOK_NS                                                                                              \
	UINT64_C(                                                                                            \
		5000000) /* how often we look whether the server is gone while only the request topic knows */
#define RETRY_NS UINT64_C(1000000) /* and whether there is room again */

struct call {
	uint64_t id;          /* position of the request + 1 */
	uint64_t deadline_ns; /* UINT64_MAX: none */
	bool ended;
	int error;
	struct plx_buffer buffer; /* the reply, once it ended */
};

struct plx_client {
	struct plx_publisher *requests;
	struct plx_subscriber *replies;
	struct call *
		calls; /* under way, or ended and not handed out; oldest first but for holes that were filled */
	uint32_t count, calls_max;
	uint32_t ended;      /* of them */
	uint64_t sent;       /* requests: the position of the next */
	uint64_t broken_end; /* calls before this one were sent to a server that is gone; 0: none */
	uint64_t soonest_ns; /* no deadline is before */
	bool stuck;          /* replies are there, but we hold as many as we may: do not spin on them */
	struct plx_client_stats stats;
};

/* ---- calls ----------------------------------------------------------------------------------------- */

static struct call *find(struct plx_client *c, uint64_t id)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->calls[i].id == id)
			return &c->calls[i];
	}
	return NULL;
}

static void end_call(struct plx_client *c, struct call *call, int error)
{
	call->ended = true;
	call->error = error;
	c->ended++;
}

static void forget(struct plx_client *c, struct call *call)
{
	c->ended -= call->ended;
	*call = c->calls[--c->count];
}

static void hand_out(struct plx_client *c, struct call *call, struct plx_reply *reply)
{
	*reply = (struct plx_reply){ .call = call->id, .error = call->error, .buffer = call->buffer };
	forget(c, call);
}

/* One that ended; the oldest one is usually the first. */
static struct call *ended(struct plx_client *c)
{
	if (c->ended == 0)
		return NULL;
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->calls[i].ended)
			return &c->calls[i];
	}
	return NULL;
}

/* ---- what ends them -------------------------------------------------------------------------------- */

/* The tail of a reply in private memory; -EBADMSG unless it makes sense with the length of the message. */
static int read_tail(const struct plx_buffer *b, struct plx_reply_tail *tail)
{
	if (b->length < sizeof(*tail) || b->length % 8 != 0)
		return -EBADMSG;
	plx_copy_once(tail, (const unsigned char *)b->data + (b->length - sizeof(*tail)), sizeof(*tail));
	if (plx_reply_tail_at(tail->length) != b->length - sizeof(*tail))
		return -EBADMSG;
	return tail->error <= 0 && tail->error >= -ERROR_MAX ? 0 : -EBADMSG;
}

static void take_reply(struct plx_client *c, struct plx_buffer *b)
{
	struct plx_reply_tail tail = { .call = UINT64_MAX };
	int ret = read_tail(b, &tail);
	struct call *call = find(c, tail.call + 1);

	if (!call || call->ended) {
		c->stats.late++;
		plx_buffer_release(b);
		return;
	}
	c->stats.replied++;
	end_call(c, call, ret < 0 ? ret : tail.error);
	if (call->error < 0) {
		plx_buffer_release(b);
		return;
	}
	call->buffer = *b;
	call->buffer.length = tail.length;
}

/* One reply more among the ended calls, if there is one. 1, 0 or -ENOSPC. */
static int take_one(struct plx_client *c)
{
	uint32_t before = c->ended;
	struct plx_buffer b;

	c->stuck = false;
	for (int i = 0; i < TAKES && c->ended == before; i++) {
		int ret = plx_subscriber_take(c->replies, &b);

		if (ret == 1)
			take_reply(c, &b);
		else if (ret == 0)
			return 0;
		else if (ret == -ENOSPC || ret == -ENOMEM) {
			c->stuck = true;
			return -ENOSPC;
		}
	}
	return c->ended != before;
}

/* Did a server leave? What was sent until now may have been its; the next server gets what comes. */
static void look_for_gone(struct plx_client *c)
{
	struct plx_reader_end end;

	while (plx_publisher_gone(c->requests, &end))
		c->broken_end = c->sent + 1;
}

/* Nothing to take any more: its calls are lost. */
static void break_calls(struct plx_client *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->calls[i].ended || c->calls[i].id >= c->broken_end)
			continue;
		c->stats.broken++;
		end_call(c, &c->calls[i], -EPIPE);
	}
	c->broken_end = 0;
}

static void expire(struct plx_client *c)
{
	uint64_t now, soonest = UINT64_MAX;

	if (c->soonest_ns == UINT64_MAX)
		return;
	now = plx_now_ns();
	if (now < c->soonest_ns)
		return;
	for (uint32_t i = 0; i < c->count; i++) {
		struct call *call = &c->calls[i];

		if (call->ended)
			continue;
		if (call->deadline_ns <= now) {
			c->stats.timed_out++;
			end_call(c, call, -ETIMEDOUT);
		} else if (call->deadline_ns < soonest) {
			soonest = call->deadline_ns;
		}
	}
	c->soonest_ns = soonest;
}

/* Let one call end, if one does. 1, 0 or -ENOSPC. */
static int progress(struct plx_client *c)
{
	int ret = take_one(c);

	if (ret == 0) {
		look_for_gone(c);
		if (c->broken_end)
			ret = take_one(c); /* it may have answered right before it went */
	}
	if (ret == 0 && c->broken_end)
		break_calls(c);
	expire(c);
	return ret < 0 && c->ended == 0 ? ret : c->ended != 0;
}

int plx_client_poll(struct plx_client *c, struct plx_reply *reply)
{
	int ret = c->ended ? 1 : progress(c);

	if (ret == 1)
		hand_out(c, ended(c), reply);
	return ret;
}

bool plx_client_forget(struct plx_client *c, uint64_t id)
{
	struct call *call = find(c, id);

	if (!call || call->ended)
		return false;
	forget(c, call);
	return true;
}

/* ---- asking ---------------------------------------------------------------------------------------- */

static uint64_t deadline(uint64_t timeout_ns)
{
	uint64_t now, end;

	if (timeout_ns == UINT64_MAX)
		return UINT64_MAX;
	now = plx_now_ns();
	return plx_size_add(now, timeout_ns, &end) ? end : UINT64_MAX;
}

static uint32_t servers(struct plx_client *c)
{
	struct plx_publisher_stats stats;

	plx_publisher_stats(c->requests, &stats);
	return stats.subscribers;
}

/* May we ask just now? */
static int ready(struct plx_client *c)
{
	look_for_gone(c);
	if (c->count >= c->calls_max)
		return -EAGAIN;
	return servers(c) ? 0 : -ENOTCONN;
}

/* A request was published. */
static uint64_t begin_call(struct plx_client *c, uint64_t deadline_ns)
{
	struct call *call = &c->calls[c->count++];

	*call = (struct call){ .id = ++c->sent, .deadline_ns = deadline_ns, .buffer = PLX_BUFFER_NONE };
	if (deadline_ns < c->soonest_ns)
		c->soonest_ns = deadline_ns;
	c->stats.sent++;
	return call->id;
}

int plx_client_send(struct plx_client *c, const void *data, uint64_t length, uint64_t timeout_ns,
		    uint64_t *call)
{
	int ret = ready(c);

	if (ret == 0)
		ret = plx_publisher_send(c->requests, length ? data : "", length);
	if (ret == 0)
		*call = begin_call(c, deadline(timeout_ns));
	return ret == -ENOSPC ? -EAGAIN : ret;
}

int plx_client_loan(struct plx_client *c, struct plx_loan *loan)
{
	return plx_publisher_loan(c->requests, loan);
}

int plx_client_publish(struct plx_client *c, struct plx_loan *loan, uint64_t length, uint64_t timeout_ns,
		       uint64_t *call)
{
	int ret = ready(c);

	if (ret == 0)
		ret = plx_publisher_publish(c->requests, loan, length);
	if (ret == 0)
		*call = begin_call(c, deadline(timeout_ns));
	return ret;
}

void plx_client_drop(struct plx_client *c, struct plx_loan *loan)
{
	plx_publisher_drop(c->requests, loan);
}

/* ---- waiting --------------------------------------------------------------------------------------- */

static uint64_t left_until(uint64_t end_ns)
{
	uint64_t now;

	if (end_ns == UINT64_MAX)
		return UINT64_MAX;
	now = plx_now_ns();
	return now < end_ns ? end_ns - now : 0;
}

/* How long the reply topic alone may be watched. */
static uint64_t slice(const struct plx_client *c, uint64_t end_ns)
{
	uint64_t ns = left_until(end_ns < c->soonest_ns ? end_ns : c->soonest_ns);
	struct plx_subscriber_stats stats;

	if (ns <= LOOK_NS || c->count == c->ended)
		return ns;
	plx_subscriber_stats(c->replies, &stats);
	return stats.publishers ? ns : LOOK_NS;
}

/* Sleep for a while, at most until @end_ns. 0 or -EINTR; the caller looks what happened. */
static int nap(struct plx_client *c, uint64_t end_ns)
{
	static const uint32_t never;
	uint64_t ns = slice(c, end_ns);
	int ret;

	if (c->stuck)
		ret = plx_futex_wait(&never, 0, ns < RETRY_NS ? ns : RETRY_NS);
	else
		ret = plx_subscriber_wait(c->replies, ns);
	return ret == -ETIMEDOUT ? 0 : ret;
}

int plx_client_wait(struct plx_client *c, uint64_t timeout_ns)
{
	uint64_t end_ns = deadline(timeout_ns);

	for (;;) {
		int ret = c->ended ? 1 : progress(c);

		if (ret == 1)
			return 0;
		if (left_until(end_ns) == 0)
			return -ETIMEDOUT;
		ret = nap(c, end_ns);
		if (ret < 0)
			return ret;
	}
}

bool plx_client_arm(struct plx_client *c)
{
	return c->ended == 0 && plx_subscriber_arm(c->replies);
}

int plx_client_fd(const struct plx_client *c)
{
	return plx_subscriber_fd(c->replies);
}

int plx_client_connect(struct plx_client *c, uint64_t timeout_ns)
{
	return plx_publisher_wait_subscribers(c->requests, 1, timeout_ns);
}

/* ---- the simple way -------------------------------------------------------------------------------- */

/* Ask, as soon as there is a server and room. */
static int ask(struct plx_client *c, const void *data, uint64_t length, uint64_t end_ns, uint64_t *id)
{
	for (;;) {
		uint64_t left = left_until(end_ns);
		int ret = plx_client_send(c, data, length, left, id);

		if (ret != -ENOTCONN && ret != -EAGAIN)
			return ret;
		if (left == 0)
			return -ETIMEDOUT;
		if (ret == -ENOTCONN) {
			ret = plx_client_connect(c, left);
		} else {
			uint64_t pause = left < RETRY_NS ? left : RETRY_NS;

			(void)!progress(c);
			ret = plx_subscriber_wait(c->replies, pause);
			ret = ret == -ETIMEDOUT ? 0 : ret;
		}
		if (ret < 0)
			return ret;
	}
}

int plx_client_call(struct plx_client *c, const void *data, uint64_t length, struct plx_reply *reply,
		    uint64_t timeout_ns)
{
	uint64_t end_ns = deadline(timeout_ns), id;
	struct call *call;
	int ret = ask(c, data, length, end_ns, &id);

	*reply = (struct plx_reply){ .error = ret, .buffer = PLX_BUFFER_NONE };
	if (ret < 0)
		return ret;
	for (;;) {
		ret = progress(c);
		call = find(c, id);
		if (call->ended) {
			hand_out(c, call, reply);
			return reply->error;
		}
		if (ret == 1 && take_one(c) == 1) /* others ended; more may have come */
			continue;
		ret = nap(c, end_ns);
		if (ret < 0) {
			forget(c, find(c, id));
			reply->error = ret;
			return ret;
		}
	}
}

/* ---- open, close ----------------------------------------------------------------------------------- */

static int open_topics(struct plx_client *c, const char *name, const struct plx_client_options *o)
{
	struct plx_publisher_options asking = plx_request_log(
		c->calls_max, o->request_size ? o->request_size : PLX_REQUEST_SIZE, o->request_type,
		o->directory);
	struct plx_subscriber_options reading = { .history = PLX_REQUEST_CALLS_MAX,
						  .type = o->reply_type,
						  .spin_ns = o->spin_ns,
						  .directory = o->directory,
						  .admit = o->admit,
						  .keys = o->keys };
	char topic[80];
	int ret;

	asking.admit = o->admit;
	asking.keys = o->keys;
	snprintf(topic, sizeof(topic), PLX_REQUEST_TOPIC, name);
	ret = plx_publisher_open(&c->requests, topic, &asking);
	if (ret < 0)
		return ret;
	snprintf(topic, sizeof(topic), PLX_REPLY_TOPIC, name,
		 (unsigned long long)plx_publisher_id(c->requests));
	return plx_subscriber_open(&c->replies, topic, &reading);
}

int plx_client_open(struct plx_client **out, const char *name, const struct plx_client_options *opt)
{
	struct plx_client_options o = opt ? *opt : (struct plx_client_options){ 0 };
	struct plx_client *c;
	int ret;

	*out = NULL;
	if (strlen(name) > PLX_REQUEST_NAME_MAX || o.calls > PLX_REQUEST_CALLS_MAX)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->calls_max = o.calls ? o.calls : PLX_REQUEST_CALLS;
	c->soonest_ns = UINT64_MAX;
	c->calls = calloc(c->calls_max, sizeof(*c->calls));
	ret = c->calls ? open_topics(c, name, &o) : -ENOMEM;
	if (ret < 0) {
		plx_client_close(c);
		return ret;
	}
	*out = c;
	return 0;
}

void plx_client_stats(struct plx_client *c, struct plx_client_stats *stats)
{
	*stats = c->stats;
	stats->waiting = c->count - c->ended;
	stats->servers = servers(c);
}

const char *plx_client_refusal(const struct plx_client *c)
{
	return plx_subscriber_refusal(c->replies);
}

void plx_client_close(struct plx_client *c)
{
	if (!c)
		return;
	plx_subscriber_close(c->replies);
	plx_publisher_close(c->requests);
	free(c->calls);
	free(c);
}

/*
 * server.c - the side that answers: reads the requests of all clients, and has a reply topic for each of them.
 *
 *	take ──a message──► whose? ──a new one──► open its reply topic ──► a record waits for the reply
 *	     └─a stream's end─► that client is gone; its replies are dropped, and its reply topic goes with the last record
 *
 * A small request lies in its client's log, and would keep the client's log from moving on until it is answered: it is
 * copied into the record. A larger one is pinned in its slot.
 */
#include <plx/request.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plx/pool.h>
#include <plx/process.h>
#include <plx/subscriber.h>

#include "pattern/request_layout.h"

#define CLIENTS   256u
#define LINGER_NS UINT64_C(100000000)
#define PAUSE_NS  UINT64_C(1000000)
#define TAKES     64 /* messages looked at before we say that there is nothing */

struct asker {
	uint64_t id; /* of its data segment */
	struct plx_publisher *replies;
	uint32_t waiting; /* records */
	bool gone;        /* its requests ended */
	bool deaf;        /* nobody reads its reply topic any more */
};

struct record {
	struct plx_request request; /* first: the caller's handle is the record's */
	struct asker *asker;
	struct record *next;     /* among unused ones */
	struct record *older;    /* among all there are */
	uint64_t inside[5];      /* copy of a small request */
	struct plx_buffer whole; /* what is to be released */
};
static_assert(sizeof(((struct record *)0)->inside) >= PLX_INLINE_MAX, "what lies in an entry fits");

struct plx_server {
	struct plx_subscriber *requests;
	struct asker **askers;
	uint32_t count, capacity;
	struct record *unused, *newest;
	uint64_t reply_size, linger_ns;
	uint32_t calls, clients_max, reply_type;
	bool stuck; /* a client lets us hold less than it sends: do not spin on it */
	struct plx_server_stats stats;
	char *directory;
	struct plx_admit admit;
	const struct plx_keys *keys;
	char name[PLX_REQUEST_NAME_MAX + 1];
};

/* ---- clients --------------------------------------------------------------------------------------- */

static struct asker *find(const struct plx_server *s, uint64_t id)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->askers[i]->id == id)
			return s->askers[i];
	}
	return NULL;
}

static int make_room(struct plx_server *s)
{
	uint32_t more = s->capacity ? s->capacity * 2 : 8;
	struct asker **grown;

	if (s->count < s->capacity)
		return 0;
	if (s->count >= s->clients_max)
		return -EUSERS;
	grown = realloc(s->askers, more * sizeof(struct asker *));
	if (!grown)
		return -ENOMEM;
	s->askers = grown;
	s->capacity = more;
	return 0;
}

static int open_replies(struct plx_server *s, struct asker *a)
{
	uint64_t size = plx_reply_tail_at(s->reply_size) + sizeof(struct plx_reply_tail);
	struct plx_publisher_options o = plx_request_log(s->calls, size, s->reply_type, s->directory);
	char topic[80];

	o.history =
		s->calls; /* it connects when it sees the topic: what was answered before must not be missed */
	o.admit = s->admit;
	o.keys = s->keys;
	snprintf(topic, sizeof(topic), PLX_REPLY_TOPIC, s->name, (unsigned long long)a->id);
	return plx_publisher_open(&a->replies, topic, &o);
}

/* The one with that id, new or not; NULL when it cannot be answered. */
static struct asker *meet(struct plx_server *s, uint64_t id)
{
	struct asker *a = find(s, id);

	if (a)
		return a;
	if (s->count >= s->clients_max || make_room(s) < 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->id = id;
	if (open_replies(s, a) < 0) {
		free(a);
		return NULL;
	}
	s->askers[s->count++] = a;
	return a;
}

/* With the last record of one that is gone goes its reply topic. */
static void part(struct plx_server *s, struct asker *a)
{
	if (!a->gone || a->waiting)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->askers[i] == a) {
			s->askers[i] = s->askers[--s->count];
			break;
		}
	}
	plx_publisher_close(a->replies);
	free(a);
}

static void lose(struct plx_server *s, uint64_t id)
{
	struct asker *a = find(s, id);

	if (!a)
		return;
	a->gone = true;
	part(s, a);
}

/* Is nobody there to read what we answer? */
static bool is_gone(struct asker *a)
{
	struct plx_publisher_stats stats;
	struct plx_reader_end end;

	if (a->gone)
		return true;
	while (plx_publisher_gone(a->replies, &end))
		a->deaf = true;
	if (!a->deaf)
		return false;
	plx_publisher_stats(a->replies, &stats);
	return stats.subscribers == 0;
}

/* ---- requests -------------------------------------------------------------------------------------- */

static struct record *take_record(struct plx_server *s, struct asker *a)
{
	struct record *r = s->unused;

	if (r) {
		s->unused = r->next;
	} else {
		r = malloc(sizeof(*r));
		if (!r)
			return NULL;
		r->older = s->newest;
		s->newest = r;
	}
	r->asker = a;
	a->waiting++;
	s->stats.waiting++;
	return r;
}

/* The request is answered, or will never be. */
static void settle(struct plx_server *s, struct record *r)
{
	struct asker *a = r->asker;

	plx_buffer_release(&r->whole);
	r->next = s->unused;
	s->unused = r;
	a->waiting--;
	s->stats.waiting--;
	part(s, a);
}

static int send_tail(struct asker *a, uint64_t call, int error)
{
	struct plx_reply_tail tail = { .call = call, .error = error };

	return plx_publisher_send(a->replies, &tail, sizeof(tail));
}

/* A message came. 1: it is a request, and waits; 0: it was dealt with. */
static int admit(struct plx_server *s, struct plx_buffer *b, struct plx_request **request)
{
	struct asker *a = meet(s, b->publisher);
	struct record *r;

	if (!a || a->waiting >= s->calls) {
		s->stats.refused++;
		if (a)
			(void)!send_tail(a, b->sequence, -EBUSY);
		plx_buffer_release(b);
		return 0;
	}
	r = take_record(s, a);
	if (!r) {
		plx_buffer_release(b);
		return -ENOMEM;
	}
	r->request = (struct plx_request){ .buffer = *b, .client = b->publisher, .call = b->sequence + 1 };
	r->whole = PLX_BUFFER_NONE;
	if (b->slot == PLX_SLOT_NONE) {
		memcpy(r->inside, b->data, b->length);
		r->request.buffer.data = r->inside;
		plx_buffer_release(b);
	} else {
		r->whole = *b;
	}
	r->request.buffer.holder = NULL; /* the record's, not the caller's */
	s->stats.requests++;
	*request = &r->request;
	return 1;
}

int plx_server_next(struct plx_server *s, struct plx_request **request)
{
	s->stuck = false;
	for (int i = 0; i < TAKES; i++) {
		struct plx_buffer b;
		int ret = plx_subscriber_take(s->requests, &b);

		if (ret == 1)
			ret = admit(s, &b, request);
		else if (ret == 0)
			return 0;
		else if (ret == -ENOSPC)
			s->stuck = true;
		else if (ret != -ENOMEM)
			lose(s, plx_subscriber_ended(s->requests).publisher);
		if (ret == 1 || ret == -ENOMEM)
			return ret;
		if (s->stuck)
			return 0;
	}
	return 0;
}

/* ---- replies --------------------------------------------------------------------------------------- */

static struct record *record_of(struct plx_request *request)
{
	return (struct record *)request;
}

/* What came of publishing: 0 and -EPIPE end the request. */
static int conclude(struct plx_server *s, struct record *r, int ret)
{
	if (ret == 0)
		s->stats.replies++;
	else if (ret == -EPIPE)
		s->stats.dropped++;
	else
		return ret;
	settle(s, r);
	return ret;
}

int plx_server_loan(struct plx_server *s, struct plx_request *request, struct plx_loan *loan)
{
	struct record *r = record_of(request);
	int ret = is_gone(r->asker) ? -EPIPE : plx_publisher_loan(r->asker->replies, loan);

	if (ret == 0)
		loan->capacity = s->reply_size; /* behind it is room for the tail */
	return ret;
}

void plx_server_drop(struct plx_server *s, struct plx_request *request, struct plx_loan *loan)
{
	(void)s;
	plx_publisher_drop(record_of(request)->asker->replies, loan);
}

int plx_server_publish(struct plx_server *s, struct plx_request *request, struct plx_loan *loan,
		       uint64_t length)
{
	struct record *r = record_of(request);
	uint64_t at = plx_reply_tail_at(length);
	struct plx_reply_tail tail = { .call = request->call - 1, .length = (uint32_t)length };
	int ret;

	if (length > s->reply_size)
		return -EMSGSIZE;
	if (is_gone(r->asker)) {
		plx_publisher_drop(r->asker->replies, loan);
		return conclude(s, r, -EPIPE);
	}
	memset((unsigned char *)loan->data + length, 0, at - length);
	memcpy((unsigned char *)loan->data + at, &tail, sizeof(tail));
	ret = plx_publisher_publish(r->asker->replies, loan, at + sizeof(tail));
	return conclude(s, r, ret);
}

/* A reply that fits into a log entry with its tail. */
static int reply_inside(struct plx_server *s, struct record *r, const void *data, uint64_t length)
{
	unsigned char bytes[PLX_INLINE_MAX] = { 0 };
	struct plx_reply_tail tail = { .call = r->request.call - 1, .length = (uint32_t)length };
	uint64_t at = plx_reply_tail_at(length);

	if (length)
		memcpy(bytes, data, length);
	memcpy(bytes + at, &tail, sizeof(tail));
	return conclude(s, r, plx_publisher_send(r->asker->replies, bytes, at + sizeof(tail)));
}

int plx_server_reply(struct plx_server *s, struct plx_request *request, const void *data, uint64_t length)
{
	struct record *r = record_of(request);
	struct plx_loan loan;
	int ret;

	if (length > s->reply_size)
		return -EMSGSIZE;
	if (is_gone(r->asker))
		return conclude(s, r, -EPIPE);
	if (plx_reply_tail_at(length) + sizeof(struct plx_reply_tail) <= PLX_INLINE_MAX)
		return reply_inside(s, r, data, length);
	ret = plx_publisher_loan(r->asker->replies, &loan);
	if (ret < 0)
		return ret;
	memcpy(loan.data, data, length);
	ret = plx_server_publish(s, request, &loan, length);
	if (ret < 0 && loan.data)
		plx_publisher_drop(r->asker->replies, &loan);
	return ret;
}

void plx_server_refuse(struct plx_server *s, struct plx_request *request, int error)
{
	struct record *r = record_of(request);

	if (is_gone(r->asker) || send_tail(r->asker, request->call - 1, error) < 0)
		s->stats.dropped++;
	else
		s->stats.replies++;
	settle(s, r);
}

/* ---- waiting, figures ------------------------------------------------------------------------------ */

int plx_server_wait(struct plx_server *s, uint64_t timeout_ns)
{
	static const uint32_t never;

	if (!s->stuck)
		return plx_subscriber_wait(s->requests, timeout_ns);
	s->stuck = false;
	return plx_futex_wait(&never, 0, timeout_ns < PAUSE_NS ? timeout_ns : PAUSE_NS) == -EINTR ? -EINTR
												  : 0;
}

bool plx_server_arm(struct plx_server *s)
{
	return plx_subscriber_arm(s->requests);
}

int plx_server_fd(const struct plx_server *s)
{
	return plx_subscriber_fd(s->requests);
}

void plx_server_stats(const struct plx_server *s, struct plx_server_stats *stats)
{
	*stats = s->stats;
	stats->clients = s->count;
}

const char *plx_server_refusal(const struct plx_server *s)
{
	return plx_subscriber_refusal(s->requests);
}

/* ---- open, close ----------------------------------------------------------------------------------- */

static int settle_options(struct plx_server *s, const char *name, const struct plx_server_options *o)
{
	size_t length = strlen(name);

	if (length > PLX_REQUEST_NAME_MAX || o->calls > PLX_REQUEST_CALLS_MAX ||
	    o->reply_size > UINT64_C(1) << 29)
		return -EINVAL;
	memcpy(s->name, name, length);
	s->reply_size = o->reply_size ? o->reply_size : PLX_REQUEST_SIZE;
	s->calls = o->calls ? o->calls : PLX_REQUEST_CALLS;
	s->clients_max = o->clients_max ? o->clients_max : CLIENTS;
	s->linger_ns = o->linger_ns ? o->linger_ns : LINGER_NS;
	s->reply_type = o->reply_type;
	s->admit = o->admit;
	s->keys = o->keys;
	if (!o->directory)
		return 0;
	s->directory = malloc(strlen(o->directory) + 1);
	if (!s->directory)
		return -ENOMEM;
	memcpy(s->directory, o->directory, strlen(o->directory) + 1);
	return 0;
}

int plx_server_open(struct plx_server **out, const char *name, const struct plx_server_options *opt)
{
	struct plx_server_options o = opt ? *opt : (struct plx_server_options){ 0 };
	struct plx_subscriber_options reading = { .type = o.request_type,
						  .spin_ns = o.spin_ns,
						  .directory = o.directory,
						  .admit = o.admit,
						  .keys = o.keys };
	struct plx_server *s = calloc(1, sizeof(*s));
	char topic[80];
	int ret;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	ret = settle_options(s, name, &o);
	if (ret == 0) {
		snprintf(topic, sizeof(topic), PLX_REQUEST_TOPIC, s->name);
		ret = plx_subscriber_open(&s->requests, topic, &reading);
	}
	if (ret < 0) {
		plx_server_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

static uint64_t left_until(uint64_t end_ns)
{
	uint64_t now = plx_now_ns();

	return now < end_ns ? end_ns - now : 0;
}

/* Let one of them read what was answered, also one that has just seen its reply topic and is about to connect. */
static void drain_one(struct asker *a, uint64_t end_ns)
{
	struct plx_publisher_stats stats;

	plx_publisher_stats(a->replies, &stats);
	if (stats.joined == 0 && stats.published && !a->gone)
		(void)!plx_publisher_wait_subscribers(a->replies, 1, left_until(end_ns));
	(void)!plx_publisher_drain(a->replies, left_until(end_ns));
}

/* All of them have the same time. */
static void drain(struct plx_server *s)
{
	uint64_t end_ns = plx_now_ns() + s->linger_ns;

	for (uint32_t i = 0; i < s->count; i++)
		plx_publisher_end(s->askers[i]->replies, 0);
	for (uint32_t i = 0; i < s->count; i++)
		drain_one(s->askers[i], end_ns);
}

void plx_server_close(struct plx_server *s)
{
	if (!s)
		return;
	drain(s);
	plx_subscriber_close(s->requests);
	for (uint32_t i = 0; i < s->count; i++) {
		plx_publisher_close(s->askers[i]->replies);
		free(s->askers[i]);
	}
	while (s->newest) {
		struct record *r = s->newest;

		s->newest = r->older;
		free(r);
	}
	free(s->askers);
	free(s->directory);
	free(s);
}

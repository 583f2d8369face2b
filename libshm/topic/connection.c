/*
 * connection.c - one publisher, as a subscriber knows it: from its socket to the end of its stream.
 *
 *	ASKING --GRANT, both segments sane--> READING --ended, died, let go, lied--> OVER --nothing held--> freed
 *	   \--refused, nonsense, too slow---------------------------------------------^
 *
 * What a grant says is checked against what the kernel and the segments say; from then on only our copy counts. The
 * segments are sealed and as large as they were said to be, or there is no connection: nothing can end in SIGBUS.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <plx/type.h>

#include "base/sys.h"
#include "topic/subscriber_state.h"
#include "topic/wire.h"

#define INPUTS 64 /* packets taken at once */

/* ---- lists ---------------------------------------------------------------------------------------- */

static int add_to_all(struct plx_subscriber *sub, struct plx_connection *c)
{
	if (sub->count == sub->capacity) {
		uint32_t more = sub->capacity ? sub->capacity * 2 : 4;
		struct plx_connection **all = realloc(sub->all, more * sizeof(struct plx_connection *));
		struct plx_connection **readers;

		if (!all)
			return -ENOMEM;
		sub->all = all;
		readers = realloc(sub->readers, more * sizeof(struct plx_connection *));
		if (!readers)
			return -ENOMEM;
		sub->readers = readers;
		sub->capacity = more;
	}
	sub->all[sub->count++] = c;
	return 0;
}

static void remove_from(struct plx_connection **list, uint32_t *count, const struct plx_connection *c)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (list[i] == c) {
			list[i] = list[--*count];
			return;
		}
	}
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void hang_up(struct plx_connection *c)
{
	if (c->peer.pidfd >= 0)
		plx_sys_epoll_del(c->sub->epoll, c->peer.pidfd);
	plx_peer_close(&c->peer);
	if (c->fd >= 0)
		plx_sys_epoll_del(c->sub->epoll, c->fd);
	if (c->alarm >= 0) /* the publisher has it too: closing ours does not take it out of our epoll */
		plx_sys_epoll_del(c->sub->epoll, c->alarm);
	plx_sys_close(c->alarm);
	plx_sys_close(c->fd);
	c->fd = c->alarm = -1;
	plx_subscriber_settle(c->sub);
}

void plx_connection_end(struct plx_connection *c)
{
	struct plx_subscriber *sub = c->sub;

	if (c->state == PLX_CONNECTION_OVER)
		return;
	if (c->state == PLX_CONNECTION_READING) {
		plx_reader_hint(&c->reader);
		sub->taken += plx_reader_taken(&c->reader);
		sub->bytes += c->reader.bytes;
		sub->lost += c->reader.lost;
		remove_from(sub->readers, &sub->reader_count, c);
		plx_shun(sub, c->id); /* it may stay for a while: what it had to say it said */
		if (c->hung_up) /* or a publisher that dies again and again leaves more and more names */
			plx_place_tidy(&sub->place, &c->seen);
	} else {
		sub->fast.asking--;
	}
	remove_from(sub->all, &sub->count, c);
	hang_up(c);
	c->state = PLX_CONNECTION_OVER;
	c->next = sub->over;
	sub->over = c;
}

void plx_connection_free(struct plx_connection *c)
{
	plx_reader_fini(&c->reader);
	plx_segment_close(&c->data);
	plx_segment_close(&c->link);
	free(c);
}

/* For people. The publisher knows what it has, we know what we want. */
static void note_refusal(struct plx_subscriber *sub, int error, const char *text)
{
	const char *wanted = error == -EPROTOTYPE ? plx_type_known(sub->terms.type) : NULL;

	sub->refused++;
	sub->refused_why = error;
	snprintf(sub->refused_text, sizeof(sub->refused_text), "%s%s%s", text[0] ? text : plx_strerror(error),
		 wanted ? "; wanted is " : "", wanted ? wanted : "");
}

bool plx_connection_passing(int error)
{
	switch (error) {
	case -EAGAIN: /* its queue is full */
	case -EUSERS: /* no seat is free */
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
	case -ENOSPC:             /* watches of epoll; memory */
	case -ETIMEDOUT:          /* it is stopped */
	case -EPIPE: return true; /* on its way out: the next list tells */
	default: return false;
	}
}

/* While ASKING: it will not be. @text may be empty. */
static void fail(struct plx_connection *c, int error, const char *text)
{
	struct plx_subscriber *sub = c->sub;

	note_refusal(sub, error, text);
	if (plx_connection_passing(error))
		plx_shun_for_now(sub, c->id);
	else
		plx_shun(sub, c->id);
	plx_connection_end(c);
}

/* ---- the grant ------------------------------------------------------------------------------------ */

/* A block that is there and large enough. */
static void *block(const struct plx_segment *seg, const char *name, uint64_t least)
{
	uint64_t size;
	void *p = plx_segment_block(seg, name, &size);

	return p && size >= least ? p : NULL;
}

/* Is it the one the grant is about, and laid out as we know it? */
static int check_info(const struct plx_segment *seg, uint64_t id, uint32_t version)
{
	struct plx_segment_info info;
	int ret = plx_segment_info(seg, &info);

	if (ret == 0 && info.id != id)
		ret = -EBADMSG;
	if (ret == 0 && info.version != version)
		ret = -EPROTO;
	return ret;
}

static int start_reading(struct plx_connection *c)
{
	const struct plx_grant *g = &c->guest.grant;
	uint64_t stride = (g->slot_size + PLX_LINE - 1) & ~(uint64_t)(PLX_LINE - 1);
	struct plx_reader_parts parts = {
		.head = block(&c->data, PLX_TOPIC_BLOCK_HEAD, sizeof(struct plx_topic_head)),
		.log = block(&c->data, PLX_TOPIC_BLOCK_LOG, g->depth * sizeof(struct plx_entry)),
		.slots = block(&c->data, PLX_TOPIC_BLOCK_SLOTS, g->slots * stride),
		.link = block(&c->link, PLX_LINK_BLOCK_LINK, sizeof(struct plx_link)),
		.pins = block(&c->link, PLX_LINK_BLOCK_PINS, plx_topic_bitmap_size(g->slots)),
		.id = g->segment,
		.start = g->start,
		.slot_size = g->slot_size,
		.stride = stride,
		.depth = g->depth,
		.slot_count = g->slots,
		.quota = g->quota,
		.reading = c->sub->terms.reading,
		.confirm = c->sub->confirm,
	};
	int ret;

	if (!parts.head || !parts.log || !parts.slots || !parts.link || !parts.pins)
		return -EBADMSG;
	ret = check_info(&c->data, g->segment, PLX_TOPIC_VERSION);
	if (ret == 0)
		ret = check_info(&c->link, g->link, PLX_LINK_VERSION);
	return ret < 0 ? ret : plx_reader_init(&c->reader, &parts);
}

/*
 * An epoll descriptor holds whatever its maker puts there, now or later, and asking what is ready asks all of it. A
 * stranger could hold us up with that (a file of a filesystem of his own); who is our own user could do so anyway. A
 * stranger wakes us with bytes.
 */
static int hear_alarm(struct plx_connection *c, struct plx_datagram *d)
{
	int ret, fd = d->fd[PLX_GRANT_FD_ALARM];

	if (c->sub->polling || c->peer.uid != (uint32_t)plx_sys_uid())
		return 0;
	ret = plx_sys_epoll_add(c->sub->epoll, fd, EPOLLIN | EPOLLET, (uintptr_t)c | PLX_SUBSCRIBER_OTHER);
	if (ret < 0)
		return plx_connection_passing(ret) ? ret : -EBADMSG;
	c->alarm = fd;
	d->fd[PLX_GRANT_FD_ALARM] = -1;
	return 0;
}

/* Takes over the descriptors it keeps; the others stay in @d. */
static int attach(struct plx_connection *c, struct plx_datagram *d)
{
	const struct plx_grant *g = &c->guest.grant;
	int ret;

	if (g->segment != c->id) /* another one's: nobody publishes in a name that is not its own */
		return -EBADMSG;
	ret = plx_segment_attach(&c->data, d->fd[PLX_GRANT_FD_DATA], g->data_size, PLX_KIND_TOPIC, 0);
	if (ret < 0)
		return ret;
	d->fd[PLX_GRANT_FD_DATA] = -1;
	ret = plx_segment_attach(&c->link, d->fd[PLX_GRANT_FD_LINK], g->link_size, PLX_KIND_LINK,
				 PLX_ATTACH_WRITE);
	if (ret < 0)
		return ret;
	d->fd[PLX_GRANT_FD_LINK] = -1;
	ret = hear_alarm(c, d);
	return ret < 0 ? ret : start_reading(c);
}

static void granted(struct plx_connection *c, struct plx_datagram *d)
{
	struct plx_subscriber *sub = c->sub;
	int ret = attach(c, d);

	plx_wire_drop(d);
	if (ret < 0) {
		fail(c, ret, "");
		return;
	}
	plx_shun_no_more(sub, c->id);
	sub->fast.asking--;
	c->state = PLX_CONNECTION_READING;
	sub->readers[sub->reader_count++] = c;
	plx_subscriber_settle(sub);
}

/* ---- what happens to it --------------------------------------------------------------------------- */

static void act(struct plx_connection *c, const struct plx_step *step, struct plx_datagram *d)
{
	if (step->what == PLX_STEP_GRANTED) {
		granted(c, d);
		return;
	}
	plx_wire_drop(d);
	switch (step->what) {
	case PLX_STEP_SEND: {
		int ret = plx_wire_send(c->fd, step, NULL);

		if (ret < 0)
			fail(c, ret, "");
		break;
	}
	case PLX_STEP_REFUSED: fail(c, step->error, step->text); break;
	case PLX_STEP_LET_GO:
		c->let_go = true;
		c->reason = step->error;
		c->hung_up = true;
		break;
	case PLX_STEP_FAILED:
		if (c->state == PLX_CONNECTION_ASKING) {
			fail(c, step->error, step->text);
		} else if (step->error == -EPIPE) {
			c->hung_up = true;
		} else {
			c->let_go = c->hung_up = true;
			c->reason = -EBADMSG;
		}
		break;
	default: break;
	}
}

/* A signed grant says which memories it is about. */
static void identify(struct plx_connection *c, const struct plx_datagram *d)
{
	struct plx_proof_files files;

	if (c->sub->keys && d->fds == PLX_GRANT_FDS && plx_wire_files(&files, d->fd) == 0)
		plx_guest_files(&c->guest, &files);
}

void plx_connection_input(struct plx_connection *c)
{
	/* a publisher that sends faster than we read must not keep us here: epoll brings us back */
	for (int i = 0; i < INPUTS && c->state != PLX_CONNECTION_OVER && !c->hung_up; i++) {
		struct plx_datagram d = { .fds = 0 };
		struct plx_step step;
		int ret = plx_wire_recv(c->fd, &d, c->state == PLX_CONNECTION_ASKING);

		if (ret == -EAGAIN)
			return;
		identify(c, &d);
		if (ret == 1)
			plx_guest_input(&c->guest, &step, d.bytes, d.size, d.fds);
		else
			plx_guest_event(&c->guest, &step,
					ret == -EPROTO ? PLX_EVENT_TRUNCATED : PLX_EVENT_HANGUP);
		act(c, &step, &d);
	}
	if (c->hung_up)
		hang_up(c); /* or epoll tells us for ever */
}

void plx_connection_expire(struct plx_connection *c)
{
	struct plx_step step;

	plx_guest_event(&c->guest, &step, PLX_EVENT_DEADLINE);
	fail(c, step.error, step.text);
}

void plx_connection_died(struct plx_connection *c)
{
	plx_connection_input(c); /* what it still had to say */
	if (c->state == PLX_CONNECTION_ASKING) {
		/* who listens there is dead, so nobody will ever answer, be it a child that keeps the socket */
		plx_place_reap(&c->sub->place, &c->seen);
		fail(c, -EPIPE, "");
	} else if (c->state == PLX_CONNECTION_READING) {
		c->hung_up = true;
		hang_up(c);
	}
}

/* ---- the beginning -------------------------------------------------------------------------------- */

/* It has to prove a key, and we ours. */
static int ask_for_key(struct plx_connection *c)
{
	struct plx_proof_setup setup = {
		.keys = c->sub->keys, .segment = c->id, .self = c->sub->self, .seen = plx_peer_seen(&c->peer)
	};
	int ret = plx_sys_random(setup.nonce, sizeof(setup.nonce));

	if (ret == 0)
		plx_guest_keys(&c->guest, &setup);
	return ret;
}

int plx_connection_open(struct plx_subscriber *sub, const struct plx_sighting *seen)
{
	struct plx_connection *c;
	struct plx_step step;
	int fd, ret = plx_place_connect(&sub->place, seen, &fd);

	if (ret < 0)
		return ret;
	c = calloc(1, sizeof(*c));
	if (!c) {
		plx_sys_close(fd);
		return -ENOMEM;
	}
	*c = (struct plx_connection){ .sub = sub,
				      .fd = fd,
				      .alarm = -1,
				      .id = seen->id,
				      .seen = *seen,
				      .peer = PLX_PEER_NONE,
				      .data = PLX_SEGMENT_NONE,
				      .link = PLX_SEGMENT_NONE };
	c->deadline_ns = plx_now_ns() + PLX_HANDSHAKE_NS;
	ret = add_to_all(sub, c);
	if (ret < 0) {
		hang_up(c);
		free(c);
		return ret;
	}
	sub->fast.asking++;
	ret = plx_peer_open(&c->peer, fd, &sub->admission);
	c->pid = c->peer.pid;
	if (ret == 0)
		ret = plx_sys_epoll_add(sub->epoll, fd, EPOLLIN, (uintptr_t)c | PLX_SUBSCRIBER_SOCKET);
	if (ret == 0)
		ret = plx_sys_epoll_add(sub->epoll, c->peer.pidfd, EPOLLIN,
					(uintptr_t)c | PLX_SUBSCRIBER_PIDFD);
	plx_guest_init(&c->guest, &sub->terms);
	if (ret == 0 && sub->keys)
		ret = ask_for_key(c);
	if (ret == 0) {
		plx_guest_start(&c->guest, &step);
		ret = plx_wire_send(fd, &step, NULL);
	}
	if (ret == -EPIPE && plx_peer_gone(fd))
		plx_place_reap(&sub->place, seen); /* a child of it keeps the socket, and will never answer */
	if (ret < 0)
		fail(c, ret, "");
	return 0;
}
